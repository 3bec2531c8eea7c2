"""A judge over text: a language model reads captions and boxes and says which sentences of an answer they contradict.

It is for what the claims' grammar does not read. What it says counts only with a quotation that stands in the
annotations, never against a claim that boxes bear out, and cuts only where planted errors have shown what its word is
worth (``Trials``). The answers are untrusted: they travel as JSON between tags that no answer can foresee.

What it is worth is its recall and precision on sentences, each with a 95 % interval. Its objections are counted: among
planted errors (recall r), among sentences that the annotations bear out, among such sentences when their evidence is
hidden from it, so that it must not take silence for a contradiction (the larger of these two shares is its false alarms
f), and among all other sentences, which it is there for (q). If a share p of those is wrong, q = p r + (1 - p) f, so p
= (q - f) / (r - f) (Rogan and Gladen, 1978), and of its objections p r / q are right. That is the precision at the
run's own rate of errors: where little is wrong, a judge must raise very few false alarms. A judge that guesses, always
objects or never does has r = f, which no p explains, and is not trusted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.config import ContextSettings, digest_of
from datagen.context import render_context
from datagen.languages import SENTENCE_ENDS
from datagen.records import AnnotatedImage, Claim, Drop, Message, SentenceVerdict, Turn
from datagen.summary import Measured95

MAX_SENTENCES = 60
"""Sentences of one sample that are asked about: three times the longest description of the built-in recipes."""
# Capitals, digits, and letters that know no case.
_CAPITALS = "A-Z0-9À-ÖØ-Þ\u0391-\u03a9\u0400-\u042f\u0590-\u1fff\u3040-\u9fff\uac00-\ud7a3"
_SENTENCE = re.compile(
    rf"\S.*?(?:[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[¿¡]?[{_CAPITALS}]|\s*$)"
    rf"|[{SENTENCE_ENDS}]+[\"'”’)\]」』）]*|(?=\n)|$)",
    re.DOTALL,
)
_EMPTY_WORDS = frozenset("a an the is are was were there it its and of in on".split())
_WORD = re.compile(r"\w+")

VERDICTS_SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdicts",
        "schema": {
            "type": "object",
            "properties": {
                "verdicts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "n": {"type": "integer"},
                            "verdict": {"type": "string", "enum": ["supported", "contradicted", "unknown"]},
                            "words": {"type": "string"},
                            "quote": {"type": "string"},
                        },
                        "required": ["n", "verdict"],
                        "additionalProperties": False,
                    },
                }
            },
            "required": ["verdicts"],
            "additionalProperties": False,
        },
    },
}
"""What a reply looks like, for endpoints that hold a model to it."""


class SentenceSpan(NamedTuple):
    """A sentence of an answer: the turn's place, and its first and one past its last character."""

    turn: int
    start: int
    end: int


def sentences_of(turns: Sequence[Turn]) -> tuple[SentenceSpan, ...]:
    """The sentences of all answers, numbered by their place here."""
    return tuple(islice(sentence_spans(turns), MAX_SENTENCES))


def sentence_spans(turns: Sequence[Turn]) -> Iterator[SentenceSpan]:
    """The sentences of all answers, however many."""
    return (SentenceSpan(n, *one.span()) for n, turn in enumerate(turns) for one in _SENTENCE.finditer(turn.answer))


def evidence_for(image: AnnotatedImage, context: ContextSettings) -> str:
    """What the judge is told of an image: all captions and boxes, whatever the teacher was told; empty for nothing."""
    return render_context(image, ("captions", "boxes"), replace(context, style="default"))


def judge_messages(system: str, evidence: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    """Ask about every sentence of a sample.

    The tags carry a digest of what stands between them, and the answers are JSON, so that no answer can close its
    block and speak for itself.
    """
    asked: list[dict[str, object]] = []
    sentences = list(enumerate(sentences_of(turns), start=1))
    for n, turn in enumerate(turns):
        numbered = {str(number): turn.answer[one.start : one.end] for number, one in sentences if one.turn == n}
        asked.append({"question": turn.question, "answer": numbered})
    told = msgspec.json.encode(asked).decode(errors="replace")
    code = digest_of([evidence, told])[:8]
    return (
        Message("system", system),
        Message(
            "user",
            f"<annotations {code}>\n{evidence}\n</annotations {code}>\n\n"
            f"<sentences {code}>\n{told}\n</sentences {code}>",
        ),
    )


class _Said(Struct):
    n: int
    verdict: Literal["supported", "contradicted", "unknown"]
    words: str = ""
    quote: str = ""
    chance: float | None = None


class _Reply(Struct):
    verdicts: list[_Said]


def read_verdicts(text: str) -> dict[int, _Said] | None:
    """Read a reply; None where it is not the JSON that was asked for. Of two verdicts on one sentence none counts."""
    body = text[text.find("{") : text.rfind("}") + 1]
    try:
        said = msgspec.json.decode(body, type=_Reply).verdicts
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    numbers = [one.n for one in said]
    return {one.n: one for one in said if numbers.count(one.n) == 1}


def with_opinions(turns: Sequence[Turn], text: str, evidence: str) -> tuple[Turn, ...]:
    """Give every turn what a reply says of its sentences; a word that does not count is ``unknown``, and says why."""
    said = read_verdicts(text)
    opinions: list[list[SentenceVerdict]] = [[] for _ in turns]
    for number, one in enumerate(sentences_of(turns), start=1):
        turn, found = turns[one.turn], None if said is None else said.get(number)
        chance = None if found is None else found.chance
        opinion = SentenceVerdict(
            one.start, one.end, "unknown", void="" if found else "no verdict was given", chance=chance
        )
        if found is not None and found.verdict != "unknown":
            void = _void(found, turn, one, evidence)
            verdict: Literal["supported", "contradicted", "unknown"] = "unknown" if void else found.verdict
            opinion = SentenceVerdict(one.start, one.end, verdict, found.quote, found.words, void, chance)
        opinions[one.turn].append(opinion)
    return tuple(replace(turn, opinions=tuple(of)) for turn, of in zip(turns, opinions, strict=True))


def _void(said: _Said, turn: Turn, one: SentenceSpan, evidence: str) -> str:
    quote = _plain(said.quote)
    if len(quote) < 3 or quote not in _plain(evidence):
        return "its quotation does not stand in the annotations"
    words = _plain(said.words)
    if said.verdict == "contradicted" and (not words or words not in _plain(turn.answer[one.start : one.end])):
        return "the words that it calls wrong do not stand in the sentence"
    return ""


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def is_borne_out(turn: Turn, opinion: SentenceVerdict) -> bool:
    """Whether the annotations bear out all that a sentence claims, and it claims something."""
    claims = _claims_in(turn, opinion)
    return bool(claims) and all(claim.verdict.startswith("supported") for claim in claims)


def objects(turn: Turn, opinion: SentenceVerdict) -> bool:
    """Whether a judge that is trusted may cut for this: not over what captions or boxes bear out."""
    if opinion.verdict != "contradicted" or is_borne_out(turn, opinion):
        return False
    sound = [claim for claim in _claims_in(turn, opinion) if claim.verdict.startswith("supported")]
    at = turn.answer.lower().find(opinion.words.lower(), opinion.start)
    if at < 0:  # white space differs; with a sound claim in the sentence it is not known what is meant
        return not sound
    blamed = [
        word.start()
        for word in _WORD.finditer(turn.answer, at, at + len(opinion.words))
        if word[0].lower() not in _EMPTY_WORDS
    ]
    return any(all(not claim.start <= place < claim.end for claim in sound) for place in blamed)


def _claims_in(turn: Turn, opinion: SentenceVerdict) -> list[Claim]:
    inside = (claim for claim in turn.claims if not claim.in_question)
    return [claim for claim in inside if claim.start < opinion.end and opinion.start < claim.end]


def first_objection(turns: Sequence[Turn], model: str) -> tuple[int, Drop] | None:
    """The first turn that the judge objects to, and how."""
    for n, turn in enumerate(turns):
        for opinion in () if turn.opinions is UNSET else turn.opinions:
            if objects(turn, opinion):
                told = f"turn {n + 1}: '{opinion.words}': the judge {model} quotes '{opinion.quote}'"
                told += "" if opinion.chance is None else f" ({opinion.chance:.0%})"
                return n, Drop("checks", "judge_objects", told)
    return None


GROUPS = ("planted", "borne out", "silent", "open")
MAX_BEFOREHAND = 200
"""Images that a measurement beforehand counts for at most: as many as a run of full size plants errors on itself, so
that whatever a run has of its own soon outweighs what was measured on other texts."""


class Cases(Struct, frozen=True):
    """Sentences on so many images, and how many of them were objected to."""

    n: int
    n_objected: int
    n_images: int


class Beforehand(Struct, frozen=True):
    """What a judge's word was worth on sentences that people had marked, before any run.

    Attributes:
        on: What these sentences are, in a few words.
        wrong: Sentences with a marked error.
        sound: Sentences without one, told by the annotations or not.
    """

    on: str
    wrong: Cases
    sound: Cases

    def of(self, group: str) -> Cases | None:
        """The cases that tell of a group, too; of what the run is asked about only the run does."""
        return {"planted": self.wrong, "borne out": self.sound, "silent": self.sound}.get(group)


class Trials:
    """Counts cases; in the intervals the sentences of one image count for as few as they err together.

    How alike they err is their intraclass correlation, estimated over all groups, since most have few objections: the
    pairs of an image's sentences that are objected to together, beyond chance, among all pairs that could be. One pair
    more is taken to be alike, so that where little was objected to an image is one case.

    Args:
        beforehand: Counted beside the run's own cases, where those do not speak against it.
    """

    def __init__(self, beforehand: Beforehand | None = None) -> None:
        self.n: Counter[str] = Counter()
        self.n_objected: Counter[str] = Counter()
        self.beforehand = beforehand
        self._by_image: dict[str, dict[str, tuple[int, int]]] = {group: {} for group in GROUPS}

    def add(self, group: str, image_id: str, *, is_objected: bool) -> None:
        """Count one sentence of a group: one of ``GROUPS``."""
        self.n[group] += 1
        self.n_objected[group] += is_objected
        n, n_objected = self._by_image[group].get(image_id, (0, 0))
        self._by_image[group][image_id] = n + 1, n_objected + is_objected

    def share(self, group: str) -> Measured95 | None:
        """The share that was objected to in the run; None where there is no case."""
        if not self.n[group]:
            return None
        objected, others = self._own(group)
        return _measured(self.n_objected[group] / self.n[group], _draws(group, objected, others), self.n[group])

    def precision(self) -> Measured95 | None:
        """Of its objections in the run the share that is right; None where it never objects or has no trial."""
        before = self.beforehand if self.heeds_beforehand else None
        cases = [self._all(group, before) for group in GROUPS]
        if not (all(map(sum, cases)) and self.n_objected["open"]):
            return None
        drawn = _right(*(_draws(group, *of) for group, of in zip(GROUPS, cases, strict=True)))
        one = _right(*(np.array([objected / (objected + others)]) for objected, others in cases))
        return _measured(float(one[0]), drawn, self.n_objected["open"])

    @property
    def heeds_beforehand(self) -> bool:
        """Whether what was measured beforehand counts: not where the run itself shows more false alarms."""
        if self.beforehand is None:
            return False
        before = _measured(0.0, _draws("silent", *_weighed(self.beforehand.sound, self.alikeness())), 0)
        own = [one for group in ("borne out", "silent") if (one := self.share(group)) is not None]
        return all(one.low <= before.high for one in own)

    @property
    def beforehand_told(self) -> str | None:
        """What was measured beforehand, and what it is taken for here; None where nothing was."""
        before = self.beforehand
        if before is None:
            return None
        recall, alarms = (
            _measured(of.n_objected / max(1, of.n), _draws("silent", *_weighed(of, self.alikeness())), of.n)
            for of in (before.wrong, before.sound)
        )
        use = "counted in" if self.heeds_beforehand else "not counted in, as this run's own trials show more of these"
        return f"measured beforehand on {before.on}: recall {recall}, false alarms {alarms}, {use}"

    def alikeness(self) -> float:
        """Intraclass correlation of the sentences of an image, 0 to 1."""
        together = possible = 1.0
        for group, images in self._by_image.items():
            share = self.n_objected[group] / max(1, self.n[group])
            spread = share * (1 - share)
            together += sum((objected - share * n) ** 2 - spread * n for n, objected in images.values())
            possible += sum(spread * n * (n - 1) for n, _ in images.values())
        return min(1.0, max(0.0, together / possible))

    def _own(self, group: str) -> tuple[float, float]:
        """Cases objected to and others, as many as the sentences are worth."""
        n = self.n[group]
        cases = _cases(n, sum(of * of for of, _ in self._by_image[group].values()) / max(1, n), self.alikeness())
        share = self.n_objected[group] / max(1, n)
        return cases * share, cases * (1 - share)

    def _all(self, group: str, beforehand: Beforehand | None) -> tuple[float, float]:
        objected, others = self._own(group)
        before = None if beforehand is None else beforehand.of(group)
        if before is None:
            return objected, others
        more_objected, more = _weighed(before, self.alikeness())
        return objected + more_objected, others + more


def _cases(n: int, per_image: float, alikeness: float) -> float:
    """How many independent sentences tell as much (Kish's design effect)."""
    return n / (1 + max(0.0, per_image - 1) * alikeness)


def _weighed(before: Cases, alikeness: float) -> tuple[float, float]:
    cases = _cases(before.n, before.n / max(1, before.n_images), alikeness)
    cases *= min(1.0, MAX_BEFOREHAND / max(1, before.n_images))
    share = before.n_objected / max(1, before.n)
    return cases * share, cases * (1 - share)


def _draws(group: str, objected: float, others: float) -> NDArray[np.float64]:
    """Shares that the cases allow, by Jeffreys' prior."""
    seed = GROUPS.index(group)
    return np.random.default_rng(seed).beta(objected + 0.5, others + 0.5, 20_000)


_Shares = NDArray[np.float64]


def _right(recall: _Shares, borne_out: _Shares, silent: _Shares, rate: _Shares) -> _Shares:
    alarms = np.maximum(borne_out, silent)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong = np.where(recall > alarms, np.clip((rate - alarms) / (recall - alarms), 0.0, 1.0), 0.0)
        found: _Shares = np.nan_to_num(wrong * recall / (wrong * recall + (1 - wrong) * alarms))
    return found


def _measured(estimate: float, drawn: _Shares, n_cases: int) -> Measured95:
    low, high = np.quantile(drawn, (0.025, 0.975))
    low, high = min(float(low), estimate), max(float(high), estimate)
    return Measured95(round(estimate, 4), round(low, 4), round(high, 4), n_cases)


def why_no_cut(precision: Measured95 | None, min_precision: float) -> str | None:
    """Why a judge may not cut; None where it may."""
    if precision is None:
        return "it objects to nothing that could be cut, or nothing was there to measure it by"
    if precision.low < min_precision:
        told = f"the low end of its precision is {100 * precision.low:.1f} %"
        return f"{told}, under the {100 * min_precision:g} % of checks.judge.min_precision"
    return None
