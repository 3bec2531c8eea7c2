"""Relation: "The dog is to the left of the bus" says how one thing lies to another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import cast

from datagen.claims.clause import BETWEEN, PRESENTS, SLOT, SLOTS, VERBS, Clause, Statement, state
from datagen.claims.grammar import FLAGS, Row, one_of
from datagen.claims.kind import (
    YES_NO,
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
from datagen.claims.layout import decide_between, decide_relation, meant_of
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.geometry import Place, contradicts_place
from datagen.lexicon import with_article
from datagen.records import BoxUnit, Claim, Probe, ProbeKind

_AT_PART = "(?:closer to|nearer to|near|at|on|in|toward|towards) the (?:far |lower |upper |top |bottom )?"
_PART = "(?:-hand)? (?:end|half|part|edge|corner|section|portion)"
RELATIONS = (
    Row("left of", "(?:to|on|at) the (?:far )?left(?:-hand)?(?: side)? of|(?:just |slightly )?left of|(?:farther|"
        "further) (?:to the )?left than",
        "The dog is to the left of the cat."),
    Row("right of", "(?:to|on|at) the (?:far )?right(?:-hand)?(?: side)? of|right of|(?:farther|"
        "further) (?:to the )?right than",
        "The dog is farther right than the cat."),
    Row("at left of", f"{_AT_PART}left{_PART} of|(?:closer|nearer) to the left side of",
        "The dog is at the left end of the cat."),
    Row("at right of", f"{_AT_PART}right{_PART} of|(?:closer|nearer) to the right side of",
        "The dog is closer to the right side of the cat."),
    Row("above", "above|(?:hangs|hanging|flies|flying) over|higher (?:up )?(?:in the (?:frame|picture|image) "
        ")?than", "The dog is above the cat."),
    Row("below", "below|beneath|lower (?:down )?(?:in the (?:frame|picture|image) )?than",
        "The dog is lower in the frame than the cat."),
    Row("next to", "next to|right by|beside|alongside|by the side of|close to|near", "The dog is next to the cat."),
    Row("on", "on top of|atop|(?:on|across|along) the (?:top|surface|seat|edge|back|arm) of|on",
        "The dog is on the cat."),
    Row("under", "(?:right )?under|underneath", "The dog is under the cat."),
    Row("nearer", "nearer (?:to the (?:camera|viewer) )?than|closer (?:to the (?:camera|viewer) )?than",
        "The dog is nearer to the camera than the cat."),
    Row("farther", "(?:farther|further) (?:away |back )?(?:from the (?:camera|viewer) )?than",
        "The dog is farther away than the cat."),
    Row("in front of", "in front of", "The dog is in front of the cat."),
    Row("behind", "behind|follow(?:s|ing)?|trail(?:s|ing)", "The dog is behind the cat."),
    Row("larger", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?more (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?(?:larger|"
        "bigger) (?:in the \\w+ )?than(?: any of)?", "The dog looks larger in the frame than the cat."),
    Row("smaller", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?less (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?smaller (?:in the \\w+ )?than(?: any of)?",
        "The dog covers less of the frame than the cat."),
    Row("holding", "hold(?:s|ing)?|carr(?:y|ies|ying)|rid(?:e|es|ing)|wear(?:s|ing)?|push(?:es|ing)?|"
        "clutch(?:es|ing)?|grip(?:s|ping)?|grasp(?:s|ing)?|cradl(?:es|ing)|hug(?:s|ging)?|wield(?:s|ing)?|"
        "ha(?:s|ve)(?= [\ue000-\uf8ff] in (?:his|her|its|their) (?:hands?|arms|mouth|lap)\\b)",
        "The dog is carrying the cat."),
    Row("between", "(?:in )?between", "The dog is between the cat and the bed."),
)  # fmt: skip
"""How one thing lies to another: "X [is] WORDS Y"."""

TURNED_RELATION = PlantedError("relation", "a wrong relation")

_PLANAR = ("left of", "right of", "above", "below")
_SIZES = ("larger", "smaller")
_RELATION_WORDS = {
    "at left of": "at the left end of",
    "at right of": "at the right end of",
    "nearer": "nearer to the camera than",
    "farther": "farther from the camera than",
}
_OPPOSITES = ({"left of", "right of"}, {"at left of", "at right of"}, {"above", "below"}, {"larger", "smaller"})
_TURNED_BY = {
    "behind": ("in front of", "in"), "in front of": ("behind", "in"), "under": ("on", "in"), "on": ("under",),
    "next to": ("on", "in"), "above": ("below", "in"), "below": ("above", "in"),
}  # fmt: skip
_CONVERSE = {"in": "", "behind": "in front of", "in front of": "behind", "on": "under", "under": "on", "above": "below",
             "below": "above"}  # fmt: skip
_DEPTH = frozenset(("behind", "in front of", "under", "above", "below"))
"""Of one thing a single caption tells these."""
TWO_TELL = 2
HEAD = "head"
"""Value of a relation to somebody's head."""
_OF_ONE_PAIR = frozenset({"on", "under", "next to", "nearer", "between", "holding"})
"""Relations that a thing nobody boxed may have where the boxed ones have not."""
_PAIRS = (("left", "right"), ("above", "below"), ("higher", "lower"), ("up", "down"), ("larger", "smaller"),
          ("more", "less"), ("behind", "in front of"))  # fmt: skip
_TURNED = {**dict(_PAIRS), **{b: a for a, b in _PAIRS}, "bigger": "smaller"}
_THE = r"(?:(?:the|these|those|all)\s+)?"
"""Stands before the slot of "the two dogs"."""
_PLACED = (
    r"(?:(?:on|in|at|near) the (?:far |upper |lower |top |bottom )?(?:left|right|top|bottom)"
    r"(?: (?:side|edge|corner|half))?,?\s+)"
)
_RELATION = re.compile(
    rf"(?P<x>{SLOT})(?:['’](?:s|re))?,?\s*(?:{VERBS}|{BETWEEN}|"
    rf"{_PLACED}){{0,5}}(?:{one_of(RELATIONS, 'r')})\s+{_THE}(?P<y>{SLOT})(?:\s+and\s+(?P<z>{SLOT}))?",
    FLAGS,
)
_FRONTED = re.compile(
    rf"(?:^|,)\s*(?:(?:right|directly|just|immediately|and|also|[a-z]+ing|parked|seated|perched|placed|"
    rf"located)\s+){{0,2}}(?:{{rows}})\s+"
    rf"{_THE}(?P<y>{SLOT})(?:\s+and\s+(?P<z>{SLOT}))?\s*(?:,\s*|\s(?=(?:is|are|there|one|you|we|[a-z]+s?)\b))"
    rf"(?:{PRESENTS}\s+|(?:is|are|[a-z]+s|sit|stand|lie)\s+)?"
    rf"(?:also\s+|another\s+)?(?P<x>{SLOT})".replace("{rows}", one_of(RELATIONS, "r")),
    FLAGS,
)
"""The place before the thing: "To the left of the cat sits a dog"."""
_TRAILING = re.compile(
    rf"^\s*(?P<x>{SLOT})\s[^,]*,\s*(?:(?:right|directly|just|immediately)\s+)?(?:{{rows}})\s+{_THE}(?P<y>{SLOT})".replace(
        "{rows}", one_of(RELATIONS, "r")
    ),
    FLAGS,
)
"""The place behind a comma: "The dog has found a spot, right behind the cat"."""
_ASKED = re.compile(
    rf"^\s*(?:what|who|which \w+)\b[^\ue000-\uf8ff]*?\s(?:{one_of(RELATIONS, 'r')})\s+{SLOT}\s*(?:in (?:the|this) "
    rf"\w+)?\s*\?",
    FLAGS,
)
_WORDS = frozenset(
    "left right above over higher below beneath lower next beside alongside side close closer near nearer top atop on "
    "surface seat edge back arm under underneath farther further front behind more less larger bigger smaller hold "
    "holds holding carry carries carrying ride rides riding wear wears wearing push pushes pushing clutch clutches "
    "clutching grip grips gripping grasp grasps grasping cradles cradling hug hugs hugging wield wields wielding has "
    "have between follow follows following trails trailing".split()
)
"""A word of each row of ``RELATIONS``."""
_ROW_GROUPS = tuple(f"r{n}" for n in range(len(RELATIONS)))
_STANDING = {
    "ground": frozenset(
        "person bicycle car motorcycle bus train truck bench dog horse sheep cow elephant bear zebra giraffe".split()
    ) | {"fire hydrant", "stop sign", "parking meter"},
    "table": frozenset("bottle cup bowl vase fork knife spoon".split()) | {"wine glass"},
}  # fmt: skip
"""Things that stand on the ground, or on a table, so that what reaches lower in the frame is nearer."""
_OF_FRAME = re.compile(r"\bmore\b|\bless\b|\bin the\b", FLAGS)  # a far boat is larger than a near person
_BY_SIZE = (
    "mouse|remote|cell phone|fork|knife|spoon|toothbrush|scissors|apple|orange|carrot|donut|sports ball|cup|wine glass|"
    "hot dog|banana|bottle|bowl|book|tie|sandwich|broccoli",
    "keyboard|laptop|clock|vase|cake|pizza|frisbee|handbag|bird|baseball glove|baseball bat|tennis racket|skateboard|"
    "cat|backpack|hair drier|toaster",
    "person|dog|sheep|chair|suitcase|sink|toilet|bicycle|bench|oven|tv|potted plant|fire hydrant|umbrella",
    "cow|horse|zebra|bear|motorcycle|couch|bed|dining table|refrigerator|car",
    "elephant|giraffe|truck|bus|airplane|train",
)
_SIZE_OF = {name: n for n, names in enumerate(_BY_SIZE) for name in names.split("|")}
"""How large things are: where boxes agree, "the cup is larger than the table" is wrong however far each is away."""


def _is_against_nature(first: str, relation: str, second: str) -> bool:
    small, large = (first, second) if relation == "larger" else (second, first)
    return small in _SIZE_OF and large in _SIZE_OF and _SIZE_OF[small] < _SIZE_OF[large]


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Two or three things with a row of ``RELATIONS`` between them."""
    if clause.sentence.may_have(_HEADS):
        yield from _read_heads(clause)
    if len(clause.phrases) < 2:
        return
    text = clause.text
    if clause.sentence.may_have(_INSIDE_WORDS) and not _HOLDERS.isdisjoint(one.category for one in clause.phrases):
        yield from _read_inside(clause)
    if not clause.sentence.may_have(_WORDS):
        return
    fronted = _FRONTED.search(text) if "," in text or not SLOTS.match(text.lstrip()) else None
    trailing = _TRAILING.match(text) if "," in text else None
    found = [match for match in (fronted, trailing) if match is not None]
    for match in (*found, *_RELATION.finditer(text)):
        if clause.origin(match.start()) >= clause.silent:
            break
        row = next(row for row, group in zip(RELATIONS, _ROW_GROUPS, strict=True) if match[group] is not None)
        first, second = clause.phrase(match["x"]), clause.phrase(match["y"])
        if match.re is _RELATION and not second.is_stand_in and clause.is_governed(match.start("x"), match.end("x")):
            # "a bear at a table next to a cup": which? But "a bear SITS at a table next to a cup"
            owner = _owner_of(match, clause, first, row.meaning)
            if owner is None or owner.category == second.category:
                continue
            first = owner
        is_side = _SIDE_AFTER.match(text, match.end("y")) is not None  # "a cat on the dog's left"
        if is_side or "none" in (first.measure, second.measure):
            continue
        others = _others_of(clause, match, row.meaning)
        if not others:
            continue
        is_of_frame = row.meaning not in _SIZES or _OF_FRAME.search(match[0]) is not None or (
            _is_against_nature(first.category, row.meaning, second.category)
        )  # fmt: skip
        size = _size_beside(clause, first, second)
        if first.category == second.category and not size:  # "one dog lies on the other"
            is_other = clause.source.startswith(("the other", "another"), second.start) and not first.is_plural
            is_of_frame = is_of_frame and is_other  # "on one hand, and two dogs on the other" sets them apart
        for one in (first, *clause.joined_with(first, match.start("y"))):
            yield state(
                "relation", one, min(one.start, second.start), max(one.end, others[-1].end), clause.in_question,
                relation=row.meaning, others=tuple(other.category for other in others),
                is_firm=is_of_frame and all(p.is_firm or p.measure == "open" for p in (one, *others)),
                is_other_definite=len(others) == 1
                and (second.is_definite or second.is_stand_in) and not second.is_plural,
                is_other_all=second.is_all, size=size, place=_place_of(clause, one),
            )  # fmt: skip
        yield from _read_more(clause, first, match.end())
    yield from _read_row(clause)
    yield from _read_sides(clause)


def _place_of(clause: Clause, phrase: Phrase) -> str | None:
    """The side by which one of several things is meant: "the car AT THE RIGHT EDGE stands behind the bus"."""
    if not phrase.is_definite or not clause.sentence.may_have(_SIDES):
        return None
    side = _MEANT_AT.match(clause.source, phrase.end, clause.end)
    return None if side is None else side["side"]


_MEANT_AT = re.compile(
    r"\s+(?:on|at|in|near|to)\s+the\s+(?:far\s+)?(?P<side>left|right)(?:\s+(?:side|edge|half|border|corner))?"
    r"(?=\s+(?:is|are|[a-z]+s)\b)",
    FLAGS,
)


def _others_of(clause: Clause, match: re.Match[str], relation: str) -> list[Phrase]:
    """What a thing lies so to; nothing where that says no relation."""
    second, third = clause.phrase(match["y"]), match.groupdict().get("z")
    if relation != "between":
        return [second]
    if third is None:
        return [second, second] if second.is_plural else []
    return [second, clause.phrase(third)]


def _read_more(clause: Clause, first: Phrase, at: int) -> Iterator[Statement]:
    """A second relation of the same thing: "left of the cat AND BEHIND the cup"."""
    match = _ALSO.match(clause.text, at)
    if match is None or clause.origin(match.start()) >= clause.silent:
        return
    row = next(row for row, group in zip(RELATIONS, _ROW_GROUPS, strict=True) if match[group] is not None)
    second = clause.phrase(match["y"])
    if row.meaning not in ("between", *_SIZES) and second.measure != "none" and first.category != second.category:
        yield state(
            "relation", first, clause.origin(match.start()), second.end, clause.in_question, relation=row.meaning,
            others=(second.category,), is_other_definite=second.is_definite and not second.is_plural,
            is_firm=all(p.is_firm or p.measure == "open" for p in (first, second)), is_other_all=second.is_all,
        )  # fmt: skip


def _read_row(clause: Clause) -> Iterator[Statement]:
    """An order: "from left to right one sees a dog, a cat and a cup"."""
    row = _IN_ORDER.search(clause.text) if clause.sentence.may_have(_SIDES) else None
    if row is None or clause.origin(row.start()) >= clause.silent:
        return
    things = [clause.phrase(slot) for slot in SLOTS.findall(row["things"])]
    relation = "left of" if row["side"] == "left" else "right of"
    for first, second in pairwise(things):
        if first.category != second.category and not (first.is_plural or second.is_plural):
            yield state("relation", first, first.start, second.end, clause.in_question, relation=relation,
                        others=(second.category,), is_firm=first.is_firm and second.is_firm)  # fmt: skip


_SIDES = frozenset(("left", "right"))
_IN_ORDER = re.compile(
    rf"\bfrom\s+(?P<side>left|right)\s+to\s+(?:left|right),?\s[^\ue000-\uf8ff.;]{{0,40}}"
    rf"(?P<things>{SLOT}(?:,?\s+(?:then\s+|and\s+|and\s+then\s+)?{SLOT})+)",
    FLAGS,
)
_SIDE_AFTER = re.compile(r"(?:['’]s?)?\s+(?:immediate\s+|far\s+)?(?:left|right)\b", FLAGS)
_ALSO = re.compile(rf",?\s+and\s+(?:{one_of(RELATIONS, 'r')})\s+{_THE}(?P<y>{SLOT})", FLAGS)
_HOLDERS = frozenset(
    "sink suitcase bowl cup vase backpack handbag oven microwave refrigerator toilet toaster boat truck bus car train "
    "bed".split()
) | {"wine glass"}  # fmt: skip
"""What things can be in."""
_INSIDE_WORDS = frozenset(("in", "inside", "within"))
_INSIDE = re.compile(
    rf"(?P<x>{SLOT}),?\s*(?:{VERBS}|{BETWEEN}){{0,4}}(?:inside(?:\s+of)?|within|in)\s+{_THE}(?P<y>{SLOT})(?!['’])",
    FLAGS,
)


def _read_inside(clause: Clause) -> Iterator[Statement]:
    """What lies in another thing: "the cup stands IN THE SINK"."""
    for match in _INSIDE.finditer(clause.text):
        first, second = clause.phrase(match["x"]), clause.phrase(match["y"])
        is_plain = second.category in _HOLDERS and not clause.is_governed(match.start("x"), match.end("x"))
        if is_plain and clause.origin(match.start()) < clause.silent and "none" not in (first.measure, second.measure):
            yield state(
                "relation", first, first.start, second.end, clause.in_question, relation="in",
                others=(second.category,), is_other_definite=second.is_definite and not second.is_plural,
                is_firm=all(one.is_firm or one.measure == "open" for one in (first, second)),
            )  # fmt: skip


def _size_beside(clause: Clause, first: Phrase, second: Phrase) -> int:
    """Of two things of one kind 1 where the larger one lies so to the smaller, -1 for the other way round, else 0."""
    if first.category != second.category:
        return 0
    ends = (second.start if first.end <= second.start else first.end), second.end  # "the one that looks SMALLER"
    sizes = [_SIZE.search(clause.source, one.start, end) for one, end in zip((first, second), ends, strict=True)]
    known = [0 if size is None else -1 if size["small"] is not None else 1 for size in sizes]
    return known[0] or -known[1]


_SIZE = re.compile(
    r"\b(?:larg(?:e|est|er)|big(?:gest|ger)?|huge|adult|grown|mother|(?P<small>small(?:est|er)?|tin(?:y|iest)|little|"
    r"baby|young|younger|cub|calf|lamb|foal|kitten|puppy))\b",
    FLAGS,
)


def _read_heads(clause: Clause) -> Iterator[Statement]:
    """What is above somebody's head: "a kite above HIS HEAD"."""
    for match in _OVER_HEAD.finditer(clause.text):
        first = clause.phrase(match["x"])
        if clause.origin(match.start()) < clause.silent and first.measure not in ("none", "others"):
            yield state(
                "relation", first, first.start, clause.origin(match.end()), clause.in_question, relation="above",
                others=("person",), value=HEAD, is_other_definite=True,
            )  # fmt: skip


_HEADS = frozenset(("head", "heads"))
_OVER_HEAD = re.compile(
    rf"(?P<x>{SLOT}),?\s*(?:{VERBS}|{BETWEEN}){{0,4}}(?:high\s+|just\s+|right\s+)?(?:above|over)\s+"
    rf"(?:his|her|their|{SLOT}['’]s?)\s+heads?\b",
    FLAGS,
)


def _read_sides(clause: Clause) -> Iterator[Statement]:
    """The side of a thing that a pronoun stands for: "with a dog to ITS left", "to ITS left sits a dog"."""
    for match in _OWN_SIDE.finditer(clause.text) if _SIDE_OF_SLOT.search(clause.text) is not None else ():
        if clause.origin(match.start()) >= clause.silent:
            break
        second = clause.phrase(match["y"])
        first = clause.phrase(match["x"] or match["z"])
        if not (second.is_stand_in or match["owner"]) or first is second or "none" in (first.measure, second.measure):
            continue
        yield state(
            "relation", first, clause.origin(match.start()), max(clause.origin(match.end()), first.end),
            clause.in_question, relation=f"{match['side'].lower()} of", others=(second.category,),
            is_firm=first.is_firm or first.measure == "open", is_other_definite=not second.is_plural,
        )  # fmt: skip


_SIDE_OF_SLOT = re.compile(rf"{SLOT}(?:['’]s)?\s+(?:immediate\s+|far\s+)?(?:left|right)", FLAGS)
_OWN_SIDE = re.compile(
    rf"(?:(?P<x>{SLOT}),?\s*(?:{VERBS}|{BETWEEN}){{0,4}})?"
    rf"\b(?:off\s+)?(?:to|on)\s+(?P<y>{SLOT})(?P<owner>['’]s)?\s+(?:immediate\s+|far\s+)?(?P<side>left|"
    rf"right)(?:[ -]hand)?(?:\s+side)?"
    rf"(?(x)(?=\s*(?:[.,;!?)]|$|and\b|while\b))|,?\s*(?:(?:is|are|sits?|stands?|lies|lie|hangs?|rests?|"
    rf"{PRESENTS})\s+)?(?P<z>{SLOT}))",
    FLAGS,
)


def _owner_of(match: re.Match[str], clause: Clause, nearest: Phrase, relation: str) -> Phrase | None:
    """What a relation is said of, where the thing right before it is no subject: that of the verb before."""
    if relation == "behind" and " behind" not in match[0]:
        return nearest  # "with a bus FOLLOWING a car"
    slot = SLOTS.search(clause.text, 0, match.start("x"))
    is_first = slot is not None and not clause.text[: slot.start()].strip()
    if slot is not None and is_first and "," not in clause.text[: match.start("x")]:
        subject = clause.phrase(slot[0])
        if _SITS.match(clause.text, slot.end()) is not None:
            return subject
    if relation != "holding" or nearest.category == "person":
        return None
    people = [one for one in clause.phrases if one.category == "person" and one.end <= nearest.start]
    return people[0] if len(people) == 1 else None  # "a man at a sink HOLDING a knife"


_SITS = re.compile(
    r"\s+(?:(?:is|are)\s+(?:sitting|standing|lying|resting|parked|placed|seated)|sits?|stands?|lies|rests?|hangs?|"
    r"with\s+(?:its|his|her|their)\s)",
    FLAGS,
)


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """The side in "Is the cup left or right of the bowl?" "To the right."."""
    given = opens_with(turn) if turn.antecedent is not None else None
    if given is not None and turn.antecedent is not None:  # "What is left of the bench?" "A dog."
        clause = Clause(turn.question, 0, len(turn.question), [turn.antecedent])
        asked = _ASKED.search(clause.text)
        if asked is not None:
            row = next(row for row, group in zip(RELATIONS, _ROW_GROUPS, strict=True) if asked[group] is not None)
            if row.meaning != "between":
                yield state(
                    "relation", given, given.start, given.end, False, relation=row.meaning,
                    others=(turn.antecedent.category,), is_firm=given.is_firm and turn.antecedent.is_firm,
                )  # fmt: skip
    match = _BARE_SIDE.match(turn.answer)
    if match is None or not _ASKS_SIDE.search(turn.question):
        return
    text = SLOTS.sub(" ", turn.question)
    phrases = noun_phrases(text, turn.lexicon.find(text), 0, len(text))
    if len(phrases) == 2:
        yield state(
            "relation", phrases[0], *match.span("side"), False, relation=f"{match['side'].lower()} of",
            others=(phrases[1].category,), is_firm=phrases[0].is_firm and phrases[1].is_firm,
        )  # fmt: skip


_BARE_SIDE = re.compile(
    r"\W*(?:(?:it|he|she|that)(?:['’]s| is| stands| sits| lies) )?(?:(?:on|to|at) )?(?:the |its )?(?P<side>left|right)"
    r"(?: side)?(?: of it)?\W*$",
    FLAGS,
)
_ASKS_SIDE = re.compile(
    r"\bleft or (?:(?:on |to )?the )?right of\b|\bin relation to\b|\bcompared (?:with|to)\b|"
    r"\b(?:which|what) side of (?:the|her|his) (?!image|picture|photo|scene|frame)",
    FLAGS,
)


MANY, MOST, HALF = 4, 0.75, 0.6
"""Of this many things or more, this share lying otherwise speaks against "the dogs are left of the bus", and this one
against "most of the dogs are" and "left of all the buses"."""


def verify_relation(statement: Statement, evidence: Evidence) -> Ruling:
    """One pair of boxes that lies so bears it out; every pair lying otherwise speaks against it."""
    first, relation = statement.category, statement.relation or ""
    by_caption = captions_agree(statement, evidence)
    otherwise = None if by_caption or first in statement.others else _told_otherwise(statement, evidence)
    if otherwise is not None:
        return "contradicted", otherwise
    saying = f"{first} and {' and '.join(statement.others)}: text says {relation.removesuffix(' of')}"
    own, theirs = _boxes_of(statement, evidence)
    if not own or not all(theirs):
        return support(by_caption, False), f"{saying}, the boxes do not tell"
    if relation == "between":
        decided = [decide_between(a, b, c) for a in own for b in theirs[0] for c in theirs[1] if b is not c]
    else:
        ground = next((name for name, things in _STANDING.items() if things.issuperset((first, *statement.others))), "")
        decided = [decide_relation(relation, a, b, ground=ground) for a in own for b in theirs[0] if a is not b]
    n_off = 0 if by_caption or relation == "between" else _most_off(statement, decided, len(own), len(theirs[0]))
    if decided and not any(one is not False for one in decided) and not by_caption:
        missed = [name for name in (first, *statement.others) if name in evidence.vocabulary.overlooked]
        if evidence.is_busy and missed and relation in _OF_ONE_PAIR and not n_off:
            return "unknown", f"{saying}, the boxes do not, but the picture is busy"
        return "contradicted", f"{saying}, every box lies otherwise"
    if n_off:
        return "contradicted", f"{saying}, {n_off} of {len(decided)} boxes lie otherwise"
    holds = True in decided
    return support(by_caption, holds), f"{saying}, {'boxes agree' if holds else 'boxes leave it open'}"


def _boxes_of(statement: Statement, evidence: Evidence) -> tuple[Sequence[BoxUnit], list[Sequence[BoxUnit]]]:
    """The boxes of what lies so, and of each thing that it lies so to."""
    first, others = statement.category, statement.others
    own = evidence.boxes_of(first)
    theirs = [evidence.boxes_of(other) for other in others]
    if first in others:  # "the smaller boat is left of the large one", "one zebra stands on the other"
        if statement.size and len(own) > 1:
            small, large = meant_of(own, -1), meant_of(own, 1)
            is_plain = len(small) == len(large) == 1
            pair = (large, small) if statement.size > 0 else (small, large)
            return (pair[0], [pair[1]]) if is_plain else ((), [()])
        return (own, theirs) if statement.relation in _OF_ONE_PAIR and len(others) == 1 and len(own) > 1 else ((), [()])
    if statement.is_definite and not statement.is_plural and not statement.is_all:
        own = boxes_meant(first, evidence)
    if statement.place is not None:
        own = [box for box in evidence.boxes_of(first) if not contradicts_place(box, cast("Place", statement.place))]
    if statement.is_other_definite:
        theirs = [boxes_meant(others[0], evidence)]
    if statement.value == HEAD:
        theirs = [[(box[0], box[1], box[2], box[1] + (box[3] - box[1]) / 4) for box in theirs[0]]]
    return own, theirs


def _told_otherwise(statement: Statement, evidence: Evidence) -> str | None:
    """How captions contradict a relation: one of one thing alone, two of several."""
    first, others = statement.category, statement.others
    if statement.relation == "holding" and len(others) == 1 and others[0] not in evidence.boxes:
        held = Counter(
            name for caption in evidence.told
            for name in {o.others for o in caption if o.relation == "holding" and o.category == first}
        )  # fmt: skip
        if others[0] not in evidence.named and held and max(held.values()) >= TWO_TELL:
            return f"{first}: text says holding the {others[0]}, captions say the {held.most_common(1)[0][0][0]}"
    said = [{(o.category, o.relation, o.others) for o in caption if o.kind == "relation"} for caption in evidence.told]
    is_one = len(boxes_meant(first, evidence)) == 1 and statement.relation in _DEPTH
    for turned in _TURNED_BY.get(statement.relation or "", ()) if len(others) == 1 else ():
        n_against = sum((first, turned, others) in caption for caption in said)
        n_in_all = n_against + sum((others[0], _CONVERSE[turned], (first,)) in caption for caption in said)
        if n_against >= (1 if is_one else TWO_TELL) or n_in_all >= TWO_TELL:
            return f"{first}: text says {statement.relation} the {others[0]}, captions say {turned}"
    return None


def _most_off(statement: Statement, decided: Sequence[bool | None], n_own: int, n_theirs: int) -> int:
    """How many pairs lie otherwise, where so many speak against a relation of many things; 0 where they do not."""
    n_off = sum(one is False for one in decided)
    if statement.is_other_all and n_theirs > 1:
        n_each = [decided[k : k + n_theirs].count(False) for k in range(0, len(decided), n_theirs)]
        if min(n_each) >= HALF * n_theirs:
            return n_off
    share = MOST if statement.is_plural and statement.is_definite else 1.0
    share = HALF if statement.is_most else share
    return n_off if share < 1.0 and n_own >= MANY and n_off >= share * len(decided) else 0


def excludes(a: Claim, b: Claim) -> bool:
    """The opposite relation of the same two things."""
    return (
        b.kind == "relation" and a.others == b.others and a.place == b.place and {a.relation, b.relation} in _OPPOSITES
    )


def relation_question(name: str, relation: str, other: str) -> str:
    """Ask how two things lie in the picture plane: ``relation`` is left of, right of, above or below."""
    return f"{is_the(name)} {relation} the {other}?"


def size_question(name: str, relation: str, other: str) -> str:
    """Ask which of two things takes up more of the image: ``relation`` is larger or smaller."""
    return f"{is_the(name)} {relation} in the image than the {other}?"


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether the things lie so, and whether each is there."""
    name, relation, others = claim.category, claim.relation or "", claim.others
    if others and relation in _PLANAR:
        yield _ask("relation", name, relation_question(name, relation, others[0]))
    elif others and relation in _SIZES:
        yield _ask("size", name, size_question(name, relation, others[0]))
    elif relation == "between":
        if len(others) > 1:
            text = f"{is_the(name)} between the {others[0]} and the {others[1]}?"
            yield ask_yes_no(claim, text, TURNED_RELATION)
    elif others:
        text = f"{is_the(name)} {_RELATION_WORDS.get(relation, relation)} the {others[0]}?"
        yield ask_yes_no(claim, text, TURNED_RELATION)
    yield from map(ask_presence, (name, *others))


def _ask(form: ProbeKind, name: str, question: str) -> Probed:
    return Probed(form, Probe(question, YES_NO, with_article(name)), (0,), "relation", TURNED_RELATION)


RELATION = Kind(
    name="relation",
    says="how one thing lies to another",
    examples=("The dog is to the left of the cat.", *(row.example for row in RELATIONS)),
    read_clause=read_clause,
    read_short_answer=read_short_answer,
    verify=verify_relation,
    excludes=excludes,
    probe=probe,
    plants=((TURNED_RELATION, turning(_TURNED)),),
    measures=("presence", "relation"),
    if_supposed="if now",
    if_granted=True,
    by_boxes=True,
    caption_fault="caption_side_disagrees",
)
