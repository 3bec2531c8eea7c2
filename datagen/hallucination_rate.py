"""The hallucination rate of a teacher: the share of its checkable claims that are contradicted, with an interval.

It is taken over everything that the teacher wrote, kept, cut or rejected: what the checks left of a dataset says
nothing about who wrote it. Beside it stands the share of its turns that the validator doubts.

Claims about one picture are right or wrong together, so the 95 % interval takes the image as the cluster: Wilson's, at
the effective sample size that the linearised variance of the ratio gives, corrected for few images (Korn and Graubard,
"Confidence intervals for proportions with small expected number of positive counts", Survey Methodology 24, 1998). On
made-up runs of 5 to 400 images with rates of 0.3 to 30 %, it holds the truth in 85 to 100 % of the cases, mostly in 95;
an interval that takes claims for independent in as few as 52 %, a bootstrap of the images in as few as 3 %, as it says
"0 to 0" where nothing was found.

A rate speaks of what could be checked alone. So beside it stands the coverage of the checks: which share of the
sentences captions and boxes could decide, how many say more than that something is there, and what the others are
about.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from datagen.records import Claim, Turn

_Z = 1.959964  # of the standard normal distribution, 2.5 % lie above
_T_OF_FEW = {1: 12.7062, 2: 4.3027}  # of Student's, by degrees of freedom; the expansion is poor there


class Rate(Struct, frozen=True):
    """A share of what was judged, with its 95 % interval by image; the three are None where nothing was judged.

    Attributes:
        found: Contradicted claims, or doubted turns.
        judged: Claims that captions or boxes decide, or turns that the validator judged.
        images: On which these stand.
    """

    found: int
    judged: int
    images: int
    share: float | None = None
    low: float | None = None
    high: float | None = None

    def told(self, judged: str) -> str:
        """The rate in words, such as "5.2 % of 499 claims (95 %: 3.4 to 7.9 %)"; ``judged`` names what was judged."""
        return f"{_percent(self.share or 0.0)} % of {self.judged} {judged} (95 %: {self.interval})"

    @property
    def interval(self) -> str:
        """The ends of the interval in words, such as "3.4 to 7.9 %"; of nothing, all that may be."""
        return f"{_percent(self.low or 0.0)} to {_percent(1.0 if self.high is None else self.high)} %"


def _percent(share: float) -> str:
    """Two digits behind the point where one would say nothing."""
    return f"{100 * share:.2f}" if 0 < share < 0.01 else f"{100 * share:.1f}"


class HallucinationRate(Struct, frozen=True):
    """Of claims the contradicted among the decided ones, of turns the doubted among those that the validator judged."""

    claims: Rate
    turns: Rate


class Hallucinations(Struct, frozen=True):
    """The rates of a run over everything that its teacher wrote.

    Attributes:
        by_kind: Of a claim; turns count under each kind that they claim something of.
    """

    overall: HallucinationRate
    by_teacher: dict[str, HallucinationRate]
    by_type: dict[str, HallucinationRate]
    by_kind: dict[str, HallucinationRate]


class _Ratio:
    """A ratio of sums over images, from five sums; an image's two numbers are handed over together."""

    def __init__(self) -> None:
        self.n_images = self.found = self.judged = 0
        self._found_squared = self._judged_squared = self._crossed = 0

    def add(self, found: int, judged: int) -> None:
        """Count one image on which something was judged."""
        self.n_images += 1
        self.found += found
        self.judged += judged
        self._found_squared += found * found
        self._judged_squared += judged * judged
        self._crossed += found * judged

    def rate(self) -> Rate:
        """The share with its interval."""
        if not self.judged:
            return Rate(0, 0, 0)
        share = self.found / self.judged
        low, high = (0.0, 1.0) if self.n_images == 1 else _wilson(share, self._effective_size(share))
        return Rate(self.found, self.judged, self.n_images, round(share, 5), round(low, 5), round(high, 5))

    def _effective_size(self, share: float) -> float:
        """How many independent claims would tell as much; where all are alike, as many as there are images."""
        n = self.n_images
        size = float(n)
        if 0 < self.found < self.judged:
            spread = self._found_squared - 2 * share * self._crossed + share * share * self._judged_squared
            variance = n / (n - 1) * spread / self.judged**2
            size = min(float(self.judged), share * (1 - share) / variance) if variance > 0 else float(self.judged)
        return size * (_Z / _student(n - 1)) ** 2


def rate_of(images: Iterable[Sequence[int]]) -> Rate:
    """The share of a few counts, with its interval by image.

    Args:
        images: Per image how many were found, and among how many.
    """
    ratio = _Ratio()
    for found, judged in images:
        ratio.add(found, judged)
    return ratio.rate()


def _wilson(share: float, size: float) -> tuple[float, float]:
    middle = share + _Z * _Z / (2 * size)
    half = _Z * math.sqrt(share * (1 - share) / size + _Z * _Z / (4 * size * size))
    whole = 1 + _Z * _Z / size
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def _student(freedom: int) -> float:
    """The value above which 2.5 % of Student's distribution lie (Abramowitz and Stegun 26.7.5), to 1 %."""
    if freedom in _T_OF_FEW:
        return _T_OF_FEW[freedom]
    z, f = _Z, float(freedom)
    return (
        z
        + (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )


_Key = tuple[str, str, str]
"""``claims`` or ``turns``; ``overall``, ``by_teacher``, ``by_type`` or ``by_kind``; and the name in it."""


class HallucinationTally:
    """Gathers the rates while samples pass, image by image; memory grows with the groups alone.

    Samples of one image must come together, as they do in a run; ``image_id`` tells where the next begins.
    """

    def __init__(self) -> None:
        self._ratios: dict[_Key, _Ratio] = defaultdict(_Ratio)
        self._image_id: str | None = None
        self._found: Counter[_Key] = Counter()  # of this image
        self._judged: Counter[_Key] = Counter()

    def add(self, image_id: str, teacher: str, response_type: str, turns: tuple[Turn, ...]) -> None:
        """Count the turns of one sample as the teacher wrote them."""
        if image_id != self._image_id:
            self._close_image()
            self._image_id = image_id
        found, judged = Counter[str](), Counter[str]()  # claims of this sample, by kind
        for turn in turns:
            for claim in turn.claims:
                if claim.verdict != "unknown":
                    judged[claim.kind] += 1
                    if claim.verdict == "contradicted":
                        found[claim.kind] += 1
            if turn.validation is not None and turn.validation.verdict != "not judged":
                is_found = turn.validation.verdict == "doubtful"
                self._count("turns", teacher, response_type, is_found, 1)
                for kind in {claim.kind for claim in turn.claims}:
                    self._count_group(("turns", "by_kind", kind), is_found, 1)
        self._count("claims", teacher, response_type, found.total(), judged.total())
        for kind, n_judged in judged.items():
            self._count_group(("claims", "by_kind", kind), found[kind], n_judged)

    def _count(self, what: str, teacher: str, response_type: str, found: int, judged: int) -> None:
        for of, name in (("overall", ""), ("by_teacher", teacher), ("by_type", response_type)):
            self._count_group((what, of, name), found, judged)

    def _count_group(self, key: _Key, found: int, judged: int) -> None:
        if judged:
            self._judged[key] += judged
            self._found[key] += found

    def _close_image(self) -> None:
        for key, judged in self._judged.items():
            self._ratios[key].add(self._found[key], judged)
        self._found.clear()
        self._judged.clear()

    def rates(self) -> Hallucinations:
        """The rates of all turns so far; names in alphabetical order."""
        self._close_image()
        self._image_id = None
        named: dict[str, dict[str, HallucinationRate]] = {"by_teacher": {}, "by_type": {}, "by_kind": {}}
        for of, name in sorted({key[1:] for key in self._ratios} - {("overall", "")}):
            named[of][name] = self._of(of, name)
        return Hallucinations(self._of("overall", ""), **named)

    def _of(self, of: str, name: str) -> HallucinationRate:
        claims, turns = (self._ratios[what, of, name].rate() for what in ("claims", "turns"))
        return HallucinationRate(claims, turns)


_ENDS = r"。！？।؟۔\n"  # of sentences, with or without a space behind them
_SENTENCE = re.compile(  # "3.5" and "e.g." hold no end of one
    rf"[^.!?{_ENDS}]*[^\s.!?{_ENDS}][^.!?{_ENDS}]*(?:[.!?](?=\S)[^.!?{_ENDS}]*)*"
)
_WORD = re.compile(r"[a-zß-ÿ]{4,}")
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
    often = [(name, n) for name, n in seen.items() if name and n >= 2]  # what stands once is nothing to act on
    return dict(sorted(often, key=lambda one: (-one[1], one[0]))[:N_LISTED])
