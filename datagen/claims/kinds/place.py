"""Place: "The dog is on the left of the image" says where in the frame a thing is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec.structs import replace

from datagen.claims.clause import BETWEEN, FRAME, PRESENTS, SLOT, VERBS, Clause, Statement, size_of, state
from datagen.claims.grammar import FLAGS, Row, one_of
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ShortAnswer,
    ask_presence,
    ask_yes_no,
    boxes_meant,
    captions_agree,
    is_the,
    opens_with,
    support,
    turning,
)
from datagen.claims.layout import area_of, decide_place, is_beyond_middle, is_off_strictly
from datagen.claims.phrases import Phrase
from datagen.lexicon import is_plural_only, plural, with_article
from datagen.records import Claim, Probe

_COVERS = (
    "(?:tak|fill|occup|cover|dominat|lin)\\w*(?: up)?"
    "(?:,? (?:nearly|almost|roughly|mainly|mostly|largely|chiefly))?(?: (?:(?:most|much|nearly all|almost all|all|"
    "part|a (?:large|good|big) "
    "(?:part|portion|share)) of))?"
)
_NEAR = (
    "(?:(?:down|up|over|out|further|farther|right|just|slightly|somewhat|all) )?(?:on|in|into|at|to|toward|"
    "towards|near|"
    "around|along|close to|closer to|over on|over to|off to|far to|against|across|"
    "by(?= the (?:far |very |extreme )?(?:left|right|top|bottom|upper|lower)(?:[ -]hand)? (?:edge|border|margin))|"
    f"{_COVERS})"
)
_PART_OF = (
    "(?:(?:[ -]hand)? (?:side|half|third|area|section|border|corner|part|portion|edge|end|margin|foreground|background|"
    "wall|quarter))?"
)
_OFF = "(?:(?:slightly|just|somewhat|well|far|a (?:bit|little)) )?(?:(?:to|on) the )?"
_ALL_ELSE = "(?:the )?(?:cent(?:er|re)|middle|everything(?: else)?)"
_FAR = "(?:(?:image|picture|photo|frame|scene)['’]s )?(?:far |very |extreme |outer |entire |whole )?"

PLACES = (
    Row("top left", f"{_NEAR} the {_FAR}(?:upper|top)[ -]left{_PART_OF}", "The dog is in the upper left corner."),
    Row("top right", f"{_NEAR} the {_FAR}(?:upper|top)[ -]right{_PART_OF}", "The dog is in the top right corner."),
    Row("bottom left", f"{_NEAR} the {_FAR}(?:lower|bottom)[ -]left{_PART_OF}", "The dog is in the lower left part."),
    Row("bottom right", f"{_NEAR} the {_FAR}(?:lower|bottom)[ -]right{_PART_OF}", "The dog is toward the lower right."),
    Row("left", f"{_OFF}left of {_ALL_ELSE}", "The dog is a bit left of the centre."),
    Row("right", f"{_OFF}right of {_ALL_ELSE}", "The dog is to the right of the middle."),
    Row("top", f"{_OFF}above (?:the )?(?:cent(?:er|re)|middle)", "The dog is just above the middle."),
    Row("bottom", f"{_OFF}below (?:the )?(?:cent(?:er|re)|middle)", "The dog is slightly below the centre."),
    Row("left", "at (?:far )?left", "At left, a dog waits."),
    Row("right", "at (?:far )?right", "At far right, a dog waits."),
    Row("left", f"{_NEAR} the {_FAR}left(?:most)?{_PART_OF}", "The dog is on the left side of the image."),
    Row("right", f"{_NEAR} the {_FAR}right(?:most)?{_PART_OF}", "The dog is on the right-hand side."),
    Row("top", f"{_NEAR} the {_FAR}(?:top|upper){_PART_OF}", "The dog is at the top of the picture."),
    Row("bottom", f"{_NEAR} the {_FAR}(?:bottom|lower){_PART_OF}", "The dog is in the lower half of the image."),
    Row("middle", f"{_NEAR} the {_FAR}(?:middle|cent(?:er|re)){_PART_OF}", "The dog is near the centre of the image."),
    Row("corner", f"{_NEAR} (?:the|a|one) corner", "The dog is in a corner of the image."),
    Row(
        "foreground",
        "(?:in|at) the (?:foreground|front)|(?:closest|nearest) to (?:the )?(?:camera|viewer|us)",
        "The dog is in the foreground.",
    ),
    Row(
        "background",
        "(?:in|at|toward|towards|near) the (?:far )?(?:background|distance|back|rear)|(?:further|farther) back",
        "The dog is in the background.",
    ),
)
"""Where in the frame; read only before "of the image" or the clause's end ("on the left of the bed" is none)."""

MANY, MOST, HALF = 4, 0.75, 0.6
"""Of this many things or more, this share elsewhere speaks against "the dogs are on the left", and against "most"."""
PLAIN = 0.02
"""Area of a thing elsewhere that speaks against "all of the dogs" even where boxes do not count exactly."""

WRONG_SIDE = PlantedError("side", "a wrong side")
SIDES = ("Left", "Right")
QUARTERS = ("Upper left", "Upper right", "Lower left", "Lower right")

_SIDE_OF = {"left": (0,), "right": (1,)}
_QUARTERS_OF = {"top": (0, 1), "bottom": (2, 3)}
_PART_WORDS = frozenset("side half third quarter portion part area corner section top bottom upper lower".split())
_PLACE_WORDS = {
    "middle": "in the middle of the image",
    "corner": "in a corner of the image",
    "foreground": "in the foreground",
    "background": "in the background",
}
_TURNED = {"left": "right", "right": "left", "upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
_KEYWORDS = (
    "left", "right", "top", "upper", "bottom", "lower", "middle", "cent", "corner", "foreground", "front", "background",
    "distance", "back", "rear", "closest", "nearest",
)  # fmt: skip
"""Every row of ``PLACES`` has one of these; seven clauses in ten have none, and are spared a search that took 13 %."""
_SIDE_NAMES = {"upper": "top", "lower": "bottom", "leftmost": "left", "rightmost": "right"}
_SIDE_WORDS = frozenset("leftmost rightmost left right top bottom upper lower".split())
_KEYWORDS_WHOLE = _SIDE_WORDS | frozenset(
    "middle center centre corner foreground front background distance back rear closest nearest".split()
)
"""The same as whole words."""
_HELD = re.compile(
    rf"\bthe\s+{_FAR}(?P<a>left(?:most)?|right(?:most)?|top|bottom|upper|lower)(?:[ -](?P<b>left|"
    rf"right))?{_PART_OF}{FRAME}?\s+"
    rf"(?!(?:of|in|on|and|or|side|half|edge|border|corner|part|portion|area|third|section)\b)(?:(?!of\b)[a-z]+\s+){{1,4}}?(?P<x>{SLOT})".replace(
        " ", r"\s+"
    ),
    FLAGS,
)
"""The place as the subject, with any verb: "the left side of the image shows a dog", "belongs to a dog"."""
_HOLDS = re.compile(
    rf"(?P<x>{SLOT})\s+(?:(?:that|which|who|also|nearly|almost|easily|clearly)\s+)*(?P<verb>[a-z]+)\s+the\s+{_FAR}"
    rf"(?:(?P<a>left(?:most)?|right(?:most)?|top|bottom|upper|lower)(?:[ -](?P<b>left|right))?(?:[ -]hand)?\s+"
    rf"(?:side|half|third|quarter|portion|part|area|corner|section)|"
    rf"(?P<c>top|bottom|upper|lower)[ -](?P<d>left|right)){FRAME}?(?=\s*(?:[.,;!?]|$|and\b|while\b))".replace(
        " ", r"\s+"
    ),
    FLAGS,
)
"""The place as what is done to: "a dog anchors the left half"."""
_FRONTED = re.compile(
    rf"(?:,?[^\ue000-\uf8ff,]{{0,60}},|,\s+(?:beneath|under|below|above|beside|behind|near|next\s+to|in\s+front\s+of)\s+"
    rf"{SLOT},)?\s*(?:{PRESENTS}|(?:is|are|[a-z]+s)(?!\s+(?:a|the)\s+[a-z]+\s+of))\s+(?:also\s+|clearly\s+|another\s+)?(?P<x>{SLOT})"
    rf"|\s+(?P<y>{SLOT})\s+(?!(?:and|or)\b)",
    FLAGS,
)
"""What follows a place that opens its clause: "On the right, half hidden, there's also a dog"."""
_OPENS = re.compile(
    r"\W*(?:(?:and|but|over|down|up|high|far|out|back|further|also|then|just|right|somewhere|parked|"
    r"standing|sitting|lying|seated|placed|hanging|grazing|resting|waiting)\s+)*$",
    FLAGS,
)
_CLOSES = re.compile(r"\s*(?:$|[.,;!?)]|(?:and|while|with)\b)", FLAGS)
_PARTS = re.compile(r"\b(?:half|edge|border|corner|far|extreme|very)\b", FLAGS)
_PART_NAMES = {"half": "half", "corner": "corner"}
"""Parts of the frame that say more than a side does; a statement carries them as its value."""
_NEXT_PLACE = (
    r"(?=,?\s+(?:on|in|at|to|near|toward|towards)\s+the\s+(?:left|right|top|bottom|upper|lower|far|middle|cent))"
)
_PLACE_END = (
    rf"(?:{FRAME}|{_NEXT_PLACE}|(?=\s*(?:[.,;!?)]|$)|\s+(?:and|while|with|is|are|one|now|sits?|stands?|lies?|hangs?|"
    rf"rests?|"
    rf"appears?|there|you|we|but|as|than|too|also|throughout|[a-z]+ly|shows?|has|have|holds?|wears?|looks?)\b|"
    r"(?:(?<=side)|(?<=half)|(?<=corner)|(?<=edge)|(?<=part)|(?<=area))\s+[a-z]+s\b|"
    r"(?=\s+[a-z]+s\s+(?:over|at|in|on|above|into|toward|towards|for|with|from|its|his|her|the|an?)\b)|"
    rf"\s*,|(?=\s+{SLOT}\s+(?:is|are|sits?|stands?|lies|hangs?|waits?|rests?)\b)))"
)
_OPENING = (
    "down|up|over|out|further|farther|right|just|slightly|somewhat|all|on|in|at|to|near|around|along|close|off|far|by|"
    "against|across|tak|fill|occup|cover|dominat|lin|well|a|left|below"
)
"""How the rows of ``PLACES`` begin: asked first, it spares most words a look at every row."""
_PLACE = re.compile(rf"\b(?={_OPENING})(?:{one_of(PLACES, 'p')}){_PLACE_END}", FLAGS)
_OWNER_BEFORE = re.compile(
    rf"(?P<x>{SLOT})(?:['’](?:s|re))?,?\s*(?:{VERBS}|{BETWEEN})*(?:,\s+(?:all|both|"
    rf"each)(?:\s+of\s+(?:them|which))?\s+)?$",
    FLAGS,
)
_OWNER_AFTER = re.compile(
    rf"\s*,?\s*(?:(?:is|are|sits?|stands?|lies|lie|hangs?|rests?|appears?|{PRESENTS})\s+)(?:(?:a\s+)?part\s+of\s+)?(?P<x>{SLOT})"
    rf"|\s*,\s*(?:(?:a\s+)?(?:part|portion|half)\s+of\s+)?(?P<y>{SLOT})(?:\s+(?!(?:and|or)\b|{SLOT})|(?=\s*(?:[.;!]|"
    rf"$)))",
    FLAGS,
)
_OWNER_BEHIND = re.compile(r",\s*(?:is|are|sits?|stands?|lies|hangs?)\s+(?:the|an?|another|one|two)\b", FLAGS)
"""What follows a clause that tells its place alone: "next to the toilet, on the right, IS A sink"."""


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Places with the thing before or after them; "upper left" is two claims."""
    sentence = clause.sentence
    if not sentence.may_have(_KEYWORDS_WHOLE) or not _names_place(clause.text):
        return
    is_of_side = sentence.may_have(_SIDE_WORDS)
    held = list(_HELD.finditer(clause.text)) if is_of_side else []
    if is_of_side and sentence.may_have(_PART_WORDS):
        held += _HOLDS.finditer(clause.text)
    for match in held:
        if (match.groupdict().get("verb") or "is") in _NO_HOLD or _AT.search(clause.text, 0, match.start()):
            continue
        phrase = clause.phrase(match["x"])
        if clause.origin(match.start()) < clause.silent and phrase.measure not in ("none", "others"):
            for side in filter(None, map(match.groupdict().get, "abcd")):
                place = _SIDE_NAMES.get(side, side)
                yield state("place", phrase, clause.origin(match.start()), phrase.end, clause.in_question, place=place)
    for match in _PLACE.finditer(clause.text):
        if clause.origin(match.start()) >= clause.silent:
            break
        row = PLACES[int((match.lastgroup or "p0")[1:])]
        owner = _owner_of(match, clause) or _only_one(match, clause)
        if owner is None or owner.measure in ("none", "others") or _is_shifted(clause, owner, match):
            continue
        start, end = min(clause.origin(match.start()), owner.start), max(clause.origin(match.end()), owner.end)
        part = _PARTS.search(match[0])
        for place in row.meaning.split():
            value = _PART_NAMES.get(part[0].lower(), "edge") if part is not None and place in _TURNED else None
            said = state("place", owner, start, end, clause.in_question, place=place, value=value)
            # "Bottles line the right edge" speaks of those in the picture.
            is_firm = said.is_firm or (owner.measure is None and owner.is_plural)
            for other in clause.joined_with(owner, match.start()):
                yield replace(state("place", other, start, end, clause.in_question, place=place, value=value),
                              size=size_of(clause, other))  # fmt: skip
            is_many = owner.is_plural or (not owner.is_stand_in and plural(owner.word) == owner.word)
            number = owner.number if is_many and _is_all_said(clause, owner, match) else None
            yield replace(said, is_firm=is_firm, size=size_of(clause, owner), number=number)


def _is_shifted(clause: Clause, owner: Phrase, match: re.Match[str]) -> bool:
    """Whether a side is one of another thing: "above the woman, and A LITTLE to the right, there is a laptop"."""
    side = _TO_SIDE.match(match[0])
    if side is None or (side["by"] is None and _SHIFT.search(clause.text, 0, match.start()) is None):
        return False
    at = clause.origin(match.start())
    return any(noun.end <= at and noun.end != owner.end and noun.head not in _A_BIT for noun in clause.sentence.nouns)


_TO_SIDE = re.compile(r"(?P<by>slightly |somewhat |just |further |farther )?to\s+the\s+(?:left|right)\s*$", FLAGS)
_A_BIT = frozenset(("little", "bit"))
_SHIFT = re.compile(r"\ban?\s+(?:little|bit)\s+(?:further\s+|farther\s+)?$", FLAGS)


def _is_all_said(clause: Clause, owner: Phrase, match: re.Match[str]) -> bool:
    """Whether a place is the one of all the things that a phrase counts: "THREE of the dogs are on the left"."""
    start = clause.origin(match.start())
    return (
        not owner.is_some
        and owner.end <= start
        and "," not in clause.source[owner.end : start]
        and _ALSO_AT.match(clause.text, match.end()) is None
    )


_ALSO_AT = re.compile(r"\s*,?\s*(?:and|or|to|down|up|through)\s+(?:down\s+|up\s+)?(?:on|in|at|to|near|the)\b", FLAGS)
_AT = re.compile(r"\b(?:in|on|at|to|towards?|near|along|from|into)\s+$", FLAGS)
_NO_HOLD = frozenset("in on at to toward towards near from of by with and or".split())


def _names_place(text: str) -> bool:
    """Whether a word of a place stands in a text, which is quicker told than the place."""
    lowered = text.lower()
    return any(word in lowered for word in _KEYWORDS)


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """The side in "Which side is the dog on?" "The left."."""
    given = opens_with(turn) if turn.antecedent is None and _names_place(turn.question) else None
    asked = _PLACE.search(turn.question) if given is not None else None
    if asked is not None and given is not None:  # "What is on the left?" "A dog."
        for place in PLACES[int((asked.lastgroup or "p0")[1:])].meaning.split():
            yield state("place", given, given.start, given.end, False, place=place)
    match = _BARE_SIDE.match(turn.answer)
    if match is not None and turn.antecedent is not None and _ASKS_SIDE.search(turn.question):
        yield state("place", turn.antecedent, *match.span("side"), False, place=match["side"].lower())


_BARE_SIDE = re.compile(r"\W*(?:the )?(?P<side>left|right)(?:[ -]hand)?(?: (?:side|half|one))?\W*$", FLAGS)
_ASKS_SIDE = re.compile(r"\b(?:which|what) (?:side|half)\b|\bleft or (?:(?:on |to )?the )?right\b", FLAGS)


_OBJECTS = frozenset("it them him her".split())
_AND_ANOTHER = re.compile(
    r"\b(?:left|right|middle|cent(?:er|re)|background|foreground)(?:[ -][a-z]+)?,?\s+and\s+$", FLAGS
)
"""What shows that the second of two places has its own thing: "the dog on the left and THE CAT on the right"."""


def _owner_of(match: re.Match[str], clause: Clause) -> Phrase | None:
    """What a place is said of: the thing right before it or after it, or the subject of its verb."""
    if match.end() == len(clause.text) and _OWNER_BEHIND.match(clause.source, clause.end) is not None:
        return None
    owner = _OWNER_BEFORE.search(clause.text, 0, match.start())
    after = _OWNER_AFTER.match(clause.text, match.end())
    if owner is not None and after is not None and after["x"] and clause.is_governed(owner.start(), owner.end("x")):
        return clause.phrase(after["x"])  # "Behind the cat, on the left, there is A DOG"
    if owner is not None:
        phrase = clause.phrase(owner["x"])
        said = clause.source[phrase.start : phrase.end].lower()
        # "..., and one at the back", but not "a bear sits below it on the left"
        is_elliptic = phrase.is_stand_in and not phrase.is_definite and said not in _OBJECTS
        if is_elliptic or not clause.is_governed(owner.start(), owner.end("x")):
            return phrase
        if _AND_ANOTHER.search(clause.text, 0, owner.start()) is not None:
            return phrase
    if owner is not None:  # "a man with a dog on the left": which? But "a man with a dog STANDS on the left"
        return clause.subject_at(match.start())
    if after is not None:
        return clause.phrase(after[after.lastgroup or "x"])
    if _OPENS.fullmatch(clause.text, 0, match.start()) is not None:
        owner = _FRONTED.match(clause.text, match.end())
        if owner is not None:
            phrase = clause.phrase(owner["x"] or owner["y"])
            return phrase if phrase.measure is not None or phrase.is_plural or owner["x"] else None
    return clause.subject_at(match.start()) if _CLOSES.match(clause.text, match.end()) is not None else None


_PARTS_NAMED = re.compile(
    r"\b(?:side|half|corner|edge|border|margin|part|portion|third|quarter|image|picture|photo|frame)\b", FLAGS
)
_TURNS = re.compile(
    r"\b(?:look|fac|turn|head|mov|point|lean|walk|gaz|star|fl[yi]|swim|run|rid|reach|stretch|extend|driv|travel|go|"
    r"com|glanc|"
    r"approach|tilt)(?:e?s|e?d|ing|e)?\b",
    FLAGS,
)
"""Verbs after which a side is a direction: "the dog turns its head to the left side"."""


def _only_one(match: re.Match[str], clause: Clause) -> Phrase | None:
    """The one thing that a clause is about, whatever stands between it and a part of the frame."""
    if _PARTS_NAMED.search(match[0]) is None or _TURNS.search(clause.source, clause.start, clause.end) is not None:
        return None
    at = clause.origin(match.start())
    before = [noun for noun in clause.nouns() if noun.end <= at]
    told = [phrase for phrase in clause.phrases if phrase.end <= at]
    if len(told) != 1 or clause.phrases[0].end > at:
        return None
    phrase = clause.phrases[0]
    is_subject = not before if phrase.is_stand_in else bool(before) and before[0].end == phrase.end
    return phrase if is_subject and clause.sentence.has_verb(phrase.end, at) else None


def verify_place(statement: Statement, evidence: Evidence) -> Ruling:
    """One box at the place bears it out, all boxes elsewhere speak against it; of "both dogs", one elsewhere does."""
    category, place = statement.category, statement.place or ""
    by_caption = captions_agree(statement, evidence)
    saying = f"{category}: text says {place}"
    own = evidence.boxes_of(category)
    if not own:
        return support(by_caption, False), f"{saying}, no box shows one"
    if statement.is_definite and not statement.is_plural and not statement.is_all:
        own = boxes_meant(category, evidence, statement.size)
    everything = [box for boxes in evidence.boxes.values() for box in boxes]
    decided = [
        False if statement.value is not None and is_off_strictly(place, box, statement.value)
        else decide_place(place, box, [other for other in everything if other is not box])
        for box in own
    ]  # fmt: skip
    n_there, n_not = decided.count(True), decided.count(False)
    if statement.is_most:
        n_not = sum(is_beyond_middle(place, box) for box in own)
    is_exact = category in evidence.counts and evidence.counts[category].is_exact
    is_off = any(one is False and area_of(box) >= PLAIN for one, box in zip(decided, own, strict=True))
    is_said_of_all = statement.is_all and n_not > 0 and (
        is_off if statement.is_loose or not is_exact else True
    )  # fmt: skip
    share = HALF if statement.is_most else MOST if statement.is_plural and statement.is_definite else 1.0
    is_share = len(own) >= MANY and statement.number is None and n_not >= share * len(own)
    is_number = is_exact and statement.number is not None and statement.number > len(own) - n_not
    if n_not == len(own) or is_said_of_all or is_share or is_number:
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
    return f"Which quarter {'are' if is_plural_only(name) else 'is'} the {name} in?"


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
    read_short_answer=read_short_answer,
    verify=verify_place,
    probe=probe,
    plants=((WRONG_SIDE, turning(_TURNED)),),
    suffers=suffers,
    measures=("presence", "place"),
    narrows=True,
    if_supposed="if now",
    if_seeming=True,
    if_granted=True,
    by_boxes=True,
    caption_fault="caption_side_disagrees",
)
