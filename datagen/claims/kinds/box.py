"""Box: "The dog [0.100, 0.100, 0.300, 0.300] sleeps" points at a thing; its IoU with the annotated boxes decides.

A box is said of the thing that it stands right behind, or that its clause is about; in an answer that names nothing, of
what the question asks for; in a question, of what the answer names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from datagen.box_text import BOXES, boxes_in, is_inside, tell_box
from datagen.claims.clause import GOVERNED, Clause, Statement, size_of, state
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import Evidence, Kind, PlantedError, Ruling, ShortAnswer, Spoiling, doubt_of_absence
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.geometry import centre_of, height_of, iou, width_of
from datagen.lexicon import is_plural_only
from datagen.records import BoxUnit, Claim

SAME_IOU = 0.75
"""From this intersection over union on a box is that of the thing: COCO's strict measure of detectors."""
WRONG_IOU = 0.5
"""Below it is not: what RefCOCO's evaluation and PASCAL VOC call a miss. Between the two nobody can tell."""
IN_GROUP = 0.5
"""Share of a box that lies in a crowd region, from which on it may be one of those whom nobody boxed."""
APART = 0.1
"""How far, as a share of the picture, one of a kind must lie beyond another for "the left one" to be the other."""
WRONG_BOX = PlantedError("box", "wrong box")


def read_clause(clause: Clause) -> Iterator[Statement]:
    """What a clause points at."""
    end = clause.end
    while end < len(clause.source) and clause.source[end].isspace():  # a box behind its last word is a space there
        end += 1
    for found in BOXES.finditer(clause.written, clause.start, end) if "[" in clause.written else ():
        if found.start() >= clause.silent:
            return
        before = [phrase for phrase in clause.phrases if phrase.end <= found.start()]
        if not before and len(clause.phrases) == 1:  # "Does […] show a dog?"
            yield _pointed(clause, clause.phrases[0], found, found.start(), is_firm=True)
        if not before:
            continue
        last = before[-1]
        is_next = clause.written[last.end : found.start()].strip(" (") == ""
        is_said_of = _IS_AT.match(clause.source, last.end, found.start()) is not None
        is_said_of = is_said_of and GOVERNED.search(clause.source, clause.start, last.start) is None
        phrase = last if is_next or is_said_of else before[0]
        if phrase.measure not in ("none", "others"):
            is_firm = is_next or is_said_of or len(before) == 1  # "the dog beside the cat is at": which one is?
            yield _pointed(clause, phrase, found, phrase.start if is_next else found.start(), is_firm=is_firm)


_IS_AT = re.compile(r"\s+(?:is|are|sits?|stands?|lies|lie|can be (?:seen|found))\b", FLAGS)


def _pointed(clause: Clause, phrase: Phrase, found: re.Match[str], start: int, *, is_firm: bool) -> Statement:
    said = state(
        "box", phrase, start, found.end(), clause.in_question, value=found[0], is_firm=is_firm and _is_own_name(phrase),
        number=phrase.number if phrase.measure == "exact" else None, place=_placed(clause.source, phrase),
    )  # fmt: skip
    return replace(said, size=size_of(clause, phrase))


def _is_own_name(phrase: Phrase) -> bool:
    """Whether a word means the category alone: "the screen" may be a laptop's, a man is a person."""
    return phrase.category == "person" or not (phrase.is_loose or phrase.is_unsure)


_SIDE = re.compile(r"\b(left|right)(?:most|[- ]hand)?\b", FLAGS)
_SIDE_AFTER = re.compile(
    r"\s+(?:(?:that|which) (?:is|stands|sits|lies) )?(?:on|at|to) the (?:far )?(left|right)\b(?! of)", FLAGS
)


def _placed(text: str, phrase: Phrase) -> str | None:
    """The side that tells a thing from others of its kind: "the LEFT dog", "the dog on the LEFT"."""
    found = _SIDE_AFTER.match(text, phrase.end) or _SIDE.search(text, phrase.start, phrase.end)
    return None if found is None else found[1].lower()


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """A box alone is what the question asks for, what the answer names is at the question's box."""
    if not any("[" in text for text in turn.written):
        return
    question, answer = (
        _Pointing(text, written, turn) for text, written in zip((turn.question, turn.answer), turn.written, strict=True)
    )
    told = [(said.start, said.end) for said in turn.said if said.kind == "box"]
    loose = [one for one in answer.lists if not any(start <= one.start() < end for start, end in told)]
    asked = question.phrases[0] if len(question.phrases) == 1 else None
    if asked is not None and not question.lists:
        for found in loose:
            yield _said_of(asked, found.start(), found.end(), found[0], question.clause)
        if answer.lists and _asks_for_all(turn.question, asked):
            value = " ".join(found[0] for found in answer.lists)
            yield _said_of(asked, asked.start, asked.end, value, question.clause, is_all=True, in_question=True)
    elif question.lists and answer.phrases and not turn.answer.startswith("yes"):
        yield from _referred(turn, question.lists, answer)


class _Pointing:
    """A question or an answer with its boxes and the things that it names."""

    def __init__(self, text: str, written: str, turn: ShortAnswer) -> None:
        self.lists = list(BOXES.finditer(written))
        self.phrases = noun_phrases(text, turn.lexicon.find(text), 0, len(text))
        self.clause = Clause(text, 0, len(text), self.phrases, written=written)


def _said_of(
    phrase: Phrase, start: int, end: int, value: str, of: Clause, *, is_all: bool = False, in_question: bool = False
) -> Statement:
    return Statement(
        "box", phrase.category, phrase.word, start, end, value=value, place=_placed(of.source, phrase),
        size=size_of(of, phrase), is_firm=_is_own_name(phrase),
        is_unsure=phrase.is_unsure, is_plural=phrase.is_plural, is_definite=phrase.is_definite, is_all=is_all,
        in_question=in_question,
    )  # fmt: skip


_FILLING = frozenset(
    "a again all alone an and answer any are around at be bounding box boxes by can could coordinates draw each else "
    "every find for frame give here i image in is it its locate located location mark me nothing of only one or out "
    "part photo picture place please point position region say scene see show shows tell that the their them there "
    "these this to two three four where which with would you".split()
)
"""Words of a question that single out none of several things: "Where is the dog in this picture?"."""
_ASKS_WHERE = re.compile(r"\b(?:where|locate|find|point|box(?:es)?|location|position|mark)\b", FLAGS)


def _asks_for_all(question: str, asked: Phrase) -> bool:
    """Whether a question is after every thing of a kind, or speaks of the only one."""
    others = re.findall(r"[a-z]+", question[: asked.end - len(asked.word)] + question[asked.end :])
    return asked.is_definite and _ASKS_WHERE.search(question) is not None and _FILLING.issuperset(others)


_GIVES = re.compile(
    r"\W*(?:(?:no|yes)\b\W*)?(?:(?:that|it|this|there|those|these|they|what can be seen there)(?: is| are|['’]s)\s+"
    r"|the (?:box|region|area|image) (?:shows|holds|has)\s+)?$",
    FLAGS,
)


def _referred(turn: ShortAnswer, lists: Sequence[re.Match[str]], answer: _Pointing) -> Iterator[Statement]:
    first = answer.phrases[0]
    n_boxes = sum(1 for found in lists for _ in boxes_in(found[0]))
    is_owner = turn.answer.startswith(("'", "’"), first.end)
    is_one = not first.is_plural or is_plural_only(first.category)
    if first.measure in ("none", "others") or is_owner or (n_boxes == 1) != is_one or answer.lists:
        return
    is_given = _GIVES.match(turn.answer[: first.start]) is not None
    said = _said_of(first, first.start, first.end, " ".join(found[0] for found in lists), answer.clause)
    yield Statement(
        "box", said.category, said.word, said.start, said.end, value=said.value, is_unsure=said.is_unsure,
        is_firm=said.is_firm and is_given and (first.is_firm or first.measure == "some"),
    )  # fmt: skip


class _Near(NamedTuple):
    """The annotated box that a box comes nearest to, by its place, and how near."""

    place: int
    overlap: float


def verify_box(statement: Statement, evidence: Evidence) -> Ruling:
    """Boxes of its own kind bear it out, or speak against it where each of them is drawn."""
    name, said = statement.category, [one.box for one in boxes_in(statement.value or "")]
    outside = next((box for box in said if not is_inside(box)), None)
    if outside is not None or not said:
        return "contradicted", f"{name}: {list(outside or ())} is no box inside the picture"
    drawn = [box for box in evidence.boxes.get(name, ()) if box not in evidence.groups.get(name, ())]
    near = [
        max(
            (_Near(n, iou(box, one)) for n, one in enumerate(drawn)),
            key=lambda one: one.overlap,
            default=_Near(-1, 0.0),
        )
        for box in said
    ]
    worst = min(range(len(said)), key=lambda n: near[n].overlap)
    if near[worst].overlap < WRONG_IOU and statement.is_all:
        return "unknown", f"{name}: whether all are pointed at is open, as a box is none of theirs"
    if near[worst].overlap < WRONG_IOU:
        return _missed(statement, evidence, said[worst], near[worst].overlap)
    if len({one.place for one in near}) < len(near):
        return "contradicted", f"{name}: text points at one of them twice"
    wrong = _of_another(statement, drawn, near) or _short_of(statement, evidence, len(said))
    if wrong:
        return wrong
    told = f"{name}: IoU {near[worst].overlap:.2f} with its box"
    return (
        ("supported_by_boxes", told) if near[worst].overlap >= SAME_IOU else ("unknown", f"{told}, too little to tell")
    )


def _missed(statement: Statement, evidence: Evidence, box: BoxUnit, overlap: float) -> Ruling:
    name = statement.category
    if any(_share_inside(box, group) >= IN_GROUP for group in evidence.groups.get(name, ())):
        return "unknown", f"{name}: {tell_box(box)} lies in a group whose members have no boxes"
    if name not in evidence.boxes:
        doubt = doubt_of_absence(statement, evidence)
        told = f"{name}: text points at {tell_box(box)}, no box shows one"
        return ("unknown", f"{told}, but {doubt}") if doubt else ("contradicted", told)
    if name in evidence.unfinished or not (evidence.is_decided or evidence.told_absent is not None):
        return "unknown", f"{name}: {tell_box(box)} is none of its boxes, but not every one has a box here"
    other = max(((iou(box, one), kind) for kind, boxes in evidence.boxes.items() for one in boxes), default=(0.0, ""))
    shown = f"; it is that of a {other[1]}" if other[0] >= SAME_IOU else ""
    return "contradicted", f"{name}: {tell_box(box)} has IoU {overlap:.2f} with the nearest {name}'s box{shown}"


def _of_another(statement: Statement, drawn: Sequence[BoxUnit], near: Sequence[_Near]) -> Ruling | None:
    """Whether "the left one" has another of its kind clearly further left, "the largest one" a larger one."""
    if len(near) > 1:
        return None
    own = drawn[near[0].place]
    others = [box for box in drawn if box is not own]
    side = {"left": -1.0, "right": 1.0}.get(statement.place or "")
    if side is not None and any(side * (centre_of(box)[0] - centre_of(own)[0]) > APART for box in others):
        return "contradicted", f"{statement.category}: another one lies further {statement.place}"
    size = statement.size
    if size and any((_area(box) / _area(own)) ** size > 1.25 for box in others):
        return "contradicted", f"{statement.category}: another box is {'larger' if size > 0 else 'smaller'}"
    return None


def _short_of(statement: Statement, evidence: Evidence, n_said: int) -> Ruling | None:
    """Whether a question after a kind of thing was answered with some of several."""
    name, count = statement.category, evidence.counts[statement.category]
    if statement.number is not None and statement.number > 1 and n_said > 1 and n_said != statement.number:
        return "contradicted", f"{name}: text says {statement.number}, and points at {n_said}"
    noticed = min(count.at_least, evidence.noticed.get(name, 0))
    if not statement.is_all or statement.place or statement.size or n_said >= noticed:
        return None
    told = f"text points at {n_said} of them" if statement.is_plural else "the question does not say which one"
    return "contradicted", f"{name}: boxes show {noticed}, {told}"


def _area(box: BoxUnit) -> float:
    return width_of(box) * height_of(box)


def _share_inside(box: BoxUnit, group: BoxUnit) -> float:
    width = max(0.0, min(box[2], group[2]) - max(box[0], group[0]))
    height = max(0.0, min(box[3], group[3]) - max(box[1], group[1]))
    return width * height / _area(box)


def move_box(answer: str, claim: Claim, spoiling: Spoiling) -> str | None:
    """Shift the first box of a claim by its own width and height, as far as the picture goes."""
    found = next((one for one in boxes_in(answer) if claim.start <= one.start and one.end <= claim.end), None)
    if found is None or claim.in_question:
        return None
    shifts: list[float] = []
    for low, high in ((found.box[0], found.box[2]), (found.box[1], found.box[3])):
        options = [by for by in (low - high, high - low) if low + by >= 0 and high + by <= 1]
        shifts.append(spoiling.rng.choice(options) if options else 0.0)
    if not any(shifts):
        return None
    left, top, right, bottom = found.box
    moved = left + shifts[0], top + shifts[1], right + shifts[0], bottom + shifts[1]
    return answer[: found.start] + tell_box(moved) + answer[found.end :]


BOX = Kind(
    name="box",
    says="where in the picture a thing is, by its corners",
    examples=("The dog [0.100, 0.100, 0.300, 0.300] sleeps.", "The dog is at [0.1, 0.1, 0.3, 0.3]."),
    read_clause=read_clause,
    read_short_answer=read_short_answer,
    of_captions=False,
    verify=verify_box,
    probe=lambda claim: (),
    plants=((WRONG_BOX, move_box),),
    if_supposed="stands",
)
