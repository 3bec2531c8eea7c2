"""The coverage of the hallucination checks by captions and boxes: how many sentences of a teacher they could decide.

A rate of hallucination speaks of what could be checked alone. So beside it stands which share of the sentences that is,
how many say more than that something is there, and what the others are about.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from msgspec import Struct

from datagen.records import Claim, Turn

_SENTENCE = re.compile(r"[^.!?\n]*[^\s.!?][^.!?\n]*(?:[.!?](?=\S)[^.!?\n]*)*")  # "3.5" and "e.g." hold no end of one
_WORD = re.compile(r"[a-z]{4,}")
_EMPTY = frozenset(
    "about above after again also although always another any around because been before behind being below beside "
    "between both could does down each either enough even every from further have having here into itself just like "
    "made make makes many more most much near next only other others over same several shall should since some such "
    "than that their them then there these they this those through together toward towards under until upon very well "
    "were what when where whether which while whose will with within without would your".split()
)
"""Words of four letters and more that tell nothing of what a sentence is about."""
PRESENCE = frozenset({"presence", "thing"})
"""Kinds of claim that say no more than that something is there."""
N_LISTED = 12
_MIN_LISTED = 2  # what stands once is nothing to act on
_MAX_NAMES = 20_000
"""Names that are counted at once; beyond them the rarest are forgotten, so memory does not grow with the run."""


class SentenceCover(Struct, frozen=True):
    """Sentences of answers, and how many of them the checks could read and decide.

    Attributes:
        sentences: All of them.
        claiming: With a claim of any kind.
        beyond: With a claim that says more than that something is there.
        decided: With a claim that captions or boxes bear out or contradict.
    """

    sentences: int = 0
    claiming: int = 0
    beyond: int = 0
    decided: int = 0

    @property
    def told(self) -> str:
        """The shares in words."""
        return f"{self.share(self.decided)} of {self.sentences} sentences checked"

    def share(self, part: int) -> str:
        """A part of the sentences in percent."""
        return f"{100 * part / max(1, self.sentences):.1f} %"


class Coverage(Struct, frozen=True):
    """How much of what the teacher wrote, kept or not, captions and boxes could check.

    Attributes:
        by_kind: Per kind of claim the sentences with one (``claiming``), and those where one is decided.
        silent: Of sentences with claims but without a decided one: what they claim, as ``"attribute of car"``, by
            sentences; captions or boxes that tell it would decide them. The commonest.
        unread: Of sentences without any claim: the words in them, by sentences; "likely" and "suggests" are guesses,
            which a prompt can forbid, and names of things may be given as words of a category. The commonest.
    """

    overall: SentenceCover
    by_type: dict[str, SentenceCover]
    by_kind: dict[str, SentenceCover]
    silent: dict[str, int]
    unread: dict[str, int]


class CoverageTally:
    """Counts sentences while turns pass."""

    def __init__(self) -> None:
        self._by_type: dict[str, Counter[str]] = defaultdict(Counter)
        self._kinds: dict[str, Counter[str]] = defaultdict(Counter)
        self._silent: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()

    def add(self, response_type: str, turns: Iterable[Turn]) -> None:
        """Count the sentences of a sample as the teacher wrote them."""
        counts = self._by_type[response_type]
        for turn in turns:
            for text, claims in _sentences(turn):
                counts["sentences"] += 1
                if claims:
                    self._add_claims(claims, counts)
                else:
                    self._unread.update(set(_WORD.findall(text.lower())) - _EMPTY)
        for seen in (self._silent, self._unread):
            if len(seen) > _MAX_NAMES:
                _forget_rare(seen)

    def _add_claims(self, claims: list[Claim], counts: Counter[str]) -> None:
        kinds = {claim.kind for claim in claims}
        decided = {claim.kind for claim in claims if claim.verdict != "unknown"}
        counts["claiming"] += 1
        counts["beyond"] += not kinds <= PRESENCE
        counts["decided"] += bool(decided)
        for kind in kinds:
            of_kind = self._kinds[kind]
            of_kind["claiming"] += 1
            of_kind["beyond"] += kind not in PRESENCE
            of_kind["decided"] += kind in decided
        if not decided:
            self._silent.update({_about(claim) for claim in claims})

    def coverage(self) -> Coverage:
        """What was counted so far; kinds in alphabetical order."""
        whole = sum(self._by_type.values(), Counter[str]())
        return Coverage(
            _cover(whole, whole["sentences"]),
            {name: _cover(counts, counts["sentences"]) for name, counts in self._by_type.items()},
            {kind: _cover(self._kinds[kind], whole["sentences"]) for kind in sorted(self._kinds)},
            _commonest(self._silent),
            _commonest(self._unread),
        )


def _sentences(turn: Turn) -> Iterator[tuple[str, list[Claim]]]:
    """The sentences of an answer, each with its claims; what its question claims is the first one's."""
    answer = turn.answer
    spans = [match.span() for match in _SENTENCE.finditer(answer)]
    claims: list[list[Claim]] = [[] for _ in spans]
    if not spans:
        return
    for claim in turn.claims:
        at = 0
        if not claim.in_question:
            while at + 1 < len(spans) and spans[at + 1][0] <= claim.start:
                at += 1
        claims[at].append(claim)
    for (start, end), of_it in zip(spans, claims, strict=True):
        yield answer[start:end], of_it


def _about(claim: Claim) -> str:
    return claim.kind if claim.category in ("", claim.kind) else f"{claim.kind} of {claim.category}"


def _cover(counts: Counter[str], n_sentences: int) -> SentenceCover:
    return SentenceCover(n_sentences, counts["claiming"], counts["beyond"], counts["decided"])


def _forget_rare(seen: Counter[str]) -> None:
    kept = sorted(seen.items(), key=lambda one: (-one[1], one[0]))[: _MAX_NAMES // 2]
    seen.clear()
    seen.update(dict(kept))


def _commonest(seen: Counter[str]) -> dict[str, int]:
    often = [(name, n) for name, n in seen.items() if name and n >= _MIN_LISTED]
    return dict(sorted(often, key=lambda one: (-one[1], one[0]))[:N_LISTED])
