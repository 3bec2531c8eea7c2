"""Place: "The dog is on the left of the image" says where in the frame a thing is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import FRAME, GOVERNED, SLOT, VERBS, Clause, Statement, state
from datagen.claims.grammar import FLAGS, Row, one_of
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ask_presence,
    ask_yes_no,
    captions_agree,
    is_the,
    support,
    turning,
)
from datagen.claims.layout import decide_place
from datagen.lexicon import PLURAL_ONLY, with_article
from datagen.records import Claim, Probe

_NEAR = "(?:on|in|at|to|toward|towards|near|around|along|close to|over on|over to)"
_PART_OF = "(?:[ -]hand side| (?:side|half|part|area|portion|edge|corner|section|third))?"
_FAR = "(?:far |very |extreme )?"

PLACES = (
    Row("top left", f"{_NEAR} the {_FAR}(?:upper|top)[ -]left{_PART_OF}", "The dog is in the upper left corner."),
    Row("top right", f"{_NEAR} the {_FAR}(?:upper|top)[ -]right{_PART_OF}", "The dog is in the top right corner."),
    Row("bottom left", f"{_NEAR} the {_FAR}(?:lower|bottom)[ -]left{_PART_OF}", "The dog is in the lower left part."),
    Row("bottom right", f"{_NEAR} the {_FAR}(?:lower|bottom)[ -]right{_PART_OF}", "The dog is toward the lower right."),
    Row("left", f"{_NEAR} the {_FAR}left{_PART_OF}", "The dog is on the left side of the image."),
    Row("right", f"{_NEAR} the {_FAR}right{_PART_OF}", "The dog is on the right-hand side."),
    Row("top", f"{_NEAR} the {_FAR}(?:top|upper){_PART_OF}", "The dog is at the top of the picture."),
    Row("bottom", f"{_NEAR} the {_FAR}(?:bottom|lower){_PART_OF}", "The dog is in the lower half of the image."),
    Row("middle", f"{_NEAR} the {_FAR}(?:middle|cent(?:er|re)){_PART_OF}", "The dog is near the centre of the image."),
    Row("corner", f"{_NEAR} (?:the|a|one) corner", "The dog is in a corner of the image."),
    Row("foreground", "(?:in|at) the (?:foreground|front)", "The dog is in the foreground."),
    Row("background", "(?:in|at) the (?:background|distance|back)", "The dog is in the background."),
)
"""Where in the frame; read only before "of the image" or the clause's end ("on the left of the bed" is none)."""

WRONG_SIDE = PlantedError("side", "a wrong side")
SIDES = ("Left", "Right")
QUARTERS = ("Upper left", "Upper right", "Lower left", "Lower right")

_SIDE_OF = {"left": (0,), "right": (1,)}
_QUARTERS_OF = {"top": (0, 1), "bottom": (2, 3)}
_PLACE_WORDS = {
    "middle": "in the middle of the image",
    "corner": "in a corner of the image",
    "foreground": "in the foreground",
    "background": "in the background",
}
_TURNED = {"left": "right", "right": "left", "upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
_KEYWORDS = (
    "left", "right", "top", "upper", "bottom", "lower", "middle", "cent", "corner", "foreground", "front", "background",
    "distance", "back",
)  # fmt: skip
"""Every row of ``PLACES`` has one of these; seven clauses in ten have none, and are spared a search that took 13 %."""
_NEXT_PLACE = (
    r"(?=\s+(?:on|in|at|to|near|toward|towards)\s+the\s+(?:left|right|top|bottom|upper|lower|far|middle|cent))"
)
_PLACE_END = rf"(?:{FRAME}|{_NEXT_PLACE}|(?=\s*(?:[.,;!?)]|$)|\s+(?:and|while|with|is|are|one|now)\b|\s*,))"
_PLACE = re.compile(rf"\b(?:{one_of(PLACES, 'p')}){_PLACE_END}", FLAGS)
_OWNER_BEFORE = re.compile(rf"(?P<x>{SLOT})\s+{VERBS}{{0,5}}$", FLAGS)
_OWNER_AFTER = re.compile(
    rf"\s*,?\s*(?:(?:is|are|there\s+(?:is|are)|one\s+(?:sees|finds)|you\s+can\s+see|we\s+(?:see|"
    rf"find))\s+)(?P<x>{SLOT})",
    FLAGS,
)


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Places with the thing before or after them; "upper left" is two claims."""
    lowered = clause.text.lower()
    if not any(word in lowered for word in _KEYWORDS):
        return
    for match in _PLACE.finditer(clause.text):
        if clause.origin(match.start()) >= clause.silent:
            break
        row = PLACES[int((match.lastgroup or "p0")[1:])]
        owner = _OWNER_BEFORE.search(clause.text, 0, match.start())
        if owner is None:
            owner = _OWNER_AFTER.match(clause.text, match.end())
        elif GOVERNED.search(clause.text, 0, owner.start()):
            continue  # "a man with a dog on the left": who is on the left?
        if owner is None:
            continue
        phrase = clause.phrase(owner["x"])
        if phrase.measure == "none":
            continue
        start, end = min(clause.origin(match.start()), phrase.start), max(clause.origin(match.end()), phrase.end)
        for place in row.meaning.split():
            yield state("place", phrase, start, end, clause.in_question, place=place)


def verify_place(statement: Statement, evidence: Evidence) -> Ruling:
    """One box at the place bears it out, all boxes elsewhere speak against it; of "both dogs", one elsewhere does."""
    category, place = statement.category, statement.place or ""
    by_caption = captions_agree(statement, evidence)
    saying = f"{category}: text says {place}"
    own = evidence.boxes.get(category, [])
    if not own:
        return support(by_caption, False), f"{saying}, no box shows one"
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
    return support(by_caption, by_boxes), f"{saying}, {n_there} of {len(own)} boxes clearly there"


def side_question(name: str) -> str:
    """Ask on which side a thing is."""
    return f"{is_the(name)} on the left or the right?"


def quarter_question(name: str) -> str:
    """Ask in which quarter of the frame a thing is."""
    return f"Which quarter {'are' if name in PLURAL_ONLY else 'is'} the {name} in?"


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask for the side or quarter, or whether the thing is at another place; and whether there is one."""
    name, place, phrase = claim.category, claim.place or "", with_article(claim.category)
    if place in _SIDE_OF:
        yield Probed("side", Probe(side_question(name), SIDES, phrase), _SIDE_OF[place], "place", WRONG_SIDE)
    elif place in _QUARTERS_OF:
        asked = Probe(quarter_question(name), QUARTERS, phrase)
        yield Probed("quadrant", asked, _QUARTERS_OF[place], "place", WRONG_SIDE)
    elif place in _PLACE_WORDS:
        yield ask_yes_no(claim, f"{is_the(name)} {_PLACE_WORDS[place]}?", None)
    yield ask_presence(name)


def suffers(claim: Claim) -> tuple[PlantedError, ...]:
    """Only sides are turned around: the background has no opposite that is surely wrong."""
    return (WRONG_SIDE,) if claim.place in (*_SIDE_OF, *_QUARTERS_OF) else ()


PLACE = Kind(
    name="place",
    says="where in the frame a thing is",
    examples=("The dog is on the left side of the image.", *(row.example for row in PLACES)),
    read_clause=read_clause,
    verify=verify_place,
    probe=probe,
    plants=((WRONG_SIDE, turning(_TURNED)),),
    suffers=suffers,
    measures=("presence", "place"),
    narrows=True,
    if_supposed="if now",
    caption_fault="caption_side_disagrees",
)
