"""From one statement and an image's annotations to a claim with its verdict and evidence.

``contradicted`` is said only where nobody would object: an open count, a word with two senses, a
look-alike or a busy picture leave the claim unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from msgspec import Struct

from datagen.claims.layout import decide_between, decide_place, decide_relation
from datagen.claims.reading import Statement, read_captions
from datagen.claims.vocabulary import Vocabulary, vocabulary_for
from datagen.geometry import Count, count_objects
from datagen.records import AnnotatedImage, BoxUnit, Claim, ClaimVerdict
from datagen.words import NO_WORDS, Words

MAX_COUNT = 12
"""Above this, annotators stop counting well."""
NOTICED_AREA = 0.001
"""Smaller objects (as shares of the image) are boxed, but a person would not count them."""
BUSY = 20
"""From this many boxes on a picture is busy, and small things are missed."""
_OF_ONE_PAIR = frozenset({"on", "under", "next to", "nearer", "between"})
"""Relations that a thing nobody boxed may have where the boxed ones have not."""
_WORDS = re.compile(r"[a-z]+")

Ruling = tuple[ClaimVerdict, str]


class Evidence(Struct, frozen=True):
    """What one image's annotations say, ready to be asked.

    Attributes:
        counts: Per boxed category, how many there are.
        boxes: Per boxed category, its corners; crowd regions included.
        noticed: Per boxed category, how many boxes are large enough to be counted by anyone.
        areas: Per boxed category, the areas as shares of the image.
        told: What the captions state, caption by caption.
        named: Per category, how many captions name it.
        open_words: Per category that a caption's wider word leaves open, that word, such as ``"animal"``.
        is_decided: A category without a box is not there, small and look-alike things aside.
        is_busy: So many boxes that small things are easily missed.
        vocabulary: The corpus's words.
    """

    counts: dict[str, Count]
    boxes: dict[str, list[BoxUnit]]
    noticed: dict[str, int]
    areas: dict[str, list[float]]
    told: tuple[tuple[Statement, ...], ...]
    named: dict[str, int]
    open_words: dict[str, str]
    is_decided: bool
    is_busy: bool
    vocabulary: Vocabulary


@lru_cache(maxsize=256)
def gather_evidence(
    image: AnnotatedImage,
    categories: tuple[str, ...],
    words: Words = NO_WORDS,
    *,
    is_exhaustive: bool,
    with_captions: bool = True,
) -> Evidence:
    """Read an image's annotations once, for all claims about it.

    Args:
        image: The annotated image.
        categories: The corpus's category names.
        words: Laid over the built-in words.
        is_exhaustive: Annotators boxed everything that belongs to a category.
        with_captions: False holds claims against the boxes alone.
    """
    vocabulary = vocabulary_for(categories, words)
    lexicon = vocabulary.lexicon
    boxes: dict[str, list[BoxUnit]] = {}
    areas: dict[str, list[float]] = {}
    noticed: dict[str, int] = {}
    for box in image.boxes:
        boxes.setdefault(box.category, []).append(box.box_unit)
        areas.setdefault(box.category, []).append(box.area_unit)
        noticed[box.category] = noticed.get(box.category, 0) + (box.area_unit >= NOTICED_AREA)
    captions = image.captions if with_captions else ()
    named: dict[str, int] = {}
    open_words: dict[str, str] = {}
    for caption in captions:
        for category in lexicon.named(caption):
            named[category] = named.get(category, 0) + 1
        for word in _WORDS.findall(caption.lower()):
            for category in vocabulary.hints.get(word, ()):
                open_words.setdefault(category, word)
    return Evidence(
        counts=count_objects(image.boxes),
        boxes=boxes,
        noticed=noticed,
        areas=areas,
        told=read_captions(captions, lexicon),
        named=named,
        open_words=open_words,
        is_decided=is_exhaustive and bool(image.boxes),
        is_busy=len(image.boxes) >= BUSY,
        vocabulary=vocabulary,
    )


def judge(statement: Statement, evidence: Evidence) -> Claim:
    """Hold one statement against the annotations."""
    if statement.category not in evidence.vocabulary.names and statement.category in evidence.vocabulary.hypernyms:
        verdict, reason = _judge_wider(statement, evidence)
    else:
        verdict, reason = _JUDGES[statement.kind](statement, evidence)
    if verdict == "contradicted" and not statement.is_firm:
        verdict, reason = "unknown", f"{reason}; the wording leaves it open whether this is claimed"
    return Claim(
        statement.kind, statement.category, statement.start, statement.end, verdict, reason, statement.number,
        statement.comparison, statement.place, statement.relation, statement.others, statement.in_question,
    )  # fmt: skip


def _support(by_caption: bool, by_boxes: bool) -> ClaimVerdict:
    if by_caption and by_boxes:
        return "supported_by_both"
    return "supported_by_caption" if by_caption else "supported_by_boxes" if by_boxes else "unknown"


def _judge_wider(statement: Statement, evidence: Evidence) -> Ruling:
    members = evidence.vocabulary.hypernyms[statement.category]
    shown = [name for name in members if name in evidence.boxes]
    told = [name for name in (*members, statement.category) if name in evidence.named]
    n_shown = sum(evidence.counts[name].at_least for name in shown)
    is_enough = statement.comparison == "at least" and n_shown >= (statement.number or 0)
    if (statement.kind == "presence" and (shown or told)) or (statement.kind == "count" and is_enough):
        return _support(bool(told), bool(shown)), f"{' and '.join(dict.fromkeys([*shown, *told]))} may be meant"
    return "unknown", f"'{statement.category}' may stand for several categories"


def _judge_presence(statement: Statement, evidence: Evidence) -> Ruling:
    category = statement.category
    n_captions, is_boxed = evidence.named.get(category, 0), category in evidence.boxes
    if n_captions or is_boxed:
        said = [f"{n_captions} of {len(evidence.told)} captions name it"] * bool(n_captions)
        boxed = [f"boxes show {len(evidence.boxes.get(category, ()))}"] * is_boxed
        return _support(bool(n_captions), is_boxed), f"{category}: {' and '.join(said + boxed)}"
    doubt = _doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "contradicted", f"{category}: text names one, no box and no caption shows one"


def _doubt_of_absence(statement: Statement, evidence: Evidence) -> str | None:
    """Why a category without box and caption may be there all the same, or None."""
    category = statement.category
    if category not in evidence.vocabulary.names or not evidence.is_decided:
        return "not everything is annotated here"
    if statement.is_unsure:
        return f"'{statement.word}' may mean something else"
    if evidence.is_busy and category in evidence.vocabulary.overlooked:
        return "the picture is busy, and small things are easily missed"
    rivals = sorted(evidence.vocabulary.lookalikes.get(category, ()))
    shown = [name for name in rivals if name in evidence.boxes or name in evidence.named]
    if shown:
        return f"{shown[0]} may be taken for it"
    return f"captions speak of '{evidence.open_words[category]}'" if category in evidence.open_words else None


def _judge_absence(statement: Statement, evidence: Evidence) -> Ruling:
    category = statement.category
    count, n_captions = evidence.counts.get(category), evidence.named.get(category, 0)
    if count is not None and count.at_least and evidence.noticed[category] and not statement.is_loose:
        return "contradicted", f"{category}: text says there is none, boxes show {count.at_least}"
    if n_captions >= 2 and not statement.is_loose:
        return "contradicted", f"{category}: text says there is none, {n_captions} captions name it"
    if count is not None or n_captions:
        return "unknown", f"{category}: text says there is none, the annotations are at odds"
    doubt = _doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "supported_by_boxes", f"{category}: no box and no caption shows one"


def _judge_count(statement: Statement, evidence: Evidence) -> Ruling:
    category, number = statement.category, statement.number or 0
    count = evidence.counts.get(category)
    told = {
        (other.number, other.comparison)
        for caption in evidence.told
        for other in caption
        if other.kind == "count" and other.category == category and other.word == statement.word
    }
    by_caption = any(other == number for other, _ in told)
    if count is None:
        if statement.comparison == "at most" or by_caption:
            return _support(by_caption, False), f"{category}: captions say {number}, none is boxed"
        verdict, reason = _judge_presence(statement, evidence)
        return (verdict if verdict == "contradicted" else "unknown"), f"text says {number}, {reason}"
    shown = f"{'' if count.is_exact else 'at least '}{count.at_least}"
    reason = f"{category}: text says {_told(statement)}, boxes show {shown}"
    too_many = count.is_exact and number > count.at_least and statement.comparison != "at most"
    n_sure = min(count.at_least, evidence.noticed[category]) if evidence.told else count.at_least
    too_few = number < n_sure and statement.comparison in ("exact", "at most")
    if not (too_many or too_few):
        by_boxes = number == count.at_least and count.is_exact if statement.comparison == "exact" else (
            number <= count.at_least if statement.comparison == "at least" else count.is_exact
        )  # fmt: skip
        return _support(by_caption, by_boxes), reason
    if by_caption and any(statement.comparison in (comparison, "at least") for _, comparison in told):
        return "unknown", f"{reason}, a caption says {number}"
    if statement.is_unsure:
        return "unknown", f"{reason}, but '{statement.word}' may mean something else"
    is_agreed = count.is_exact and any(other == count.at_least for other, _ in told)  # a caption counts as the boxes do
    if category in evidence.vocabulary.uncountable and evidence.told and not is_agreed:
        return "unknown", f"{reason}, but their number is a matter of taste"
    if count.at_least > MAX_COUNT or (
        too_many and evidence.is_busy and category in evidence.vocabulary.overlooked and count.at_least > 4
    ):
        return "unknown", f"{reason}, too many to be sure"
    return "contradicted", reason


def _told(statement: Statement) -> str:
    return str(statement.number) if statement.comparison != "at most" else f"at most {statement.number}"


def _captions_agree(statement: Statement, evidence: Evidence) -> bool:
    return any(
        (other.kind, other.category, other.place, other.relation, other.others)
        == (statement.kind, statement.category, statement.place, statement.relation, statement.others)
        for caption in evidence.told
        for other in caption
    )


def _judge_place(statement: Statement, evidence: Evidence) -> Ruling:
    category, place = statement.category, statement.place or ""
    by_caption = _captions_agree(statement, evidence)
    saying = f"{category}: text says {place}"
    own = evidence.boxes.get(category, [])
    if not own:
        return _support(by_caption, False), f"{saying}, no box shows one"
    everything = [box for boxes in evidence.boxes.values() for box in boxes]
    decided = [decide_place(place, box, [other for other in everything if other is not box]) for box in own]
    n_there, n_not = decided.count(True), decided.count(False)
    is_each = statement.is_all and evidence.counts[category].is_exact and not statement.is_loose
    if n_not == len(own) or (is_each and n_not):
        if by_caption:
            return "unknown", f"{saying}, a caption too, but the boxes lie elsewhere"
        where = "no box is there" if n_not == len(own) else f"{n_not} of {len(own)} boxes are not there"
        return "contradicted", f"{saying}, {where}"
    by_boxes = n_there == len(own) if statement.is_plural or statement.is_all else n_there > 0
    return _support(by_caption, by_boxes), f"{saying}, {n_there} of {len(own)} boxes clearly there"


def _judge_relation(statement: Statement, evidence: Evidence) -> Ruling:
    first, relation = statement.category, statement.relation or ""
    by_caption = _captions_agree(statement, evidence)
    saying = f"{first} and {' and '.join(statement.others)}: text says {relation.removesuffix(' of')}"
    own, theirs = evidence.boxes.get(first, []), [evidence.boxes.get(other, []) for other in statement.others]
    if not own or not all(theirs) or first in statement.others:
        return _support(by_caption, False), f"{saying}, the boxes do not tell"
    if relation == "between":
        decided = [decide_between(a, b, c) for a in own for b in theirs[0] for c in theirs[1] if b is not c]
    else:
        decided = [decide_relation(relation, a, b) for a in own for b in theirs[0]]
    if decided and not any(one is not False for one in decided) and not by_caption:
        missed = [name for name in (first, *statement.others) if name in evidence.vocabulary.overlooked]
        if evidence.is_busy and missed and relation in _OF_ONE_PAIR:
            return "unknown", f"{saying}, the boxes do not, but the picture is busy"
        return "contradicted", f"{saying}, every box lies otherwise"
    holds = True in decided
    return _support(by_caption, holds), f"{saying}, {'boxes agree' if holds else 'boxes leave it open'}"


_JUDGES: dict[str, Callable[[Statement, Evidence], Ruling]] = {
    "presence": _judge_presence, "absence": _judge_absence, "count": _judge_count, "place": _judge_place,
    "relation": _judge_relation,
}  # fmt: skip


def judge_all(statements: Iterable[Statement], evidence: Evidence) -> tuple[Claim, ...]:
    """Judge statements in reading order, each saying once."""
    return tuple(dict.fromkeys(judge(statement, evidence) for statement in statements))
