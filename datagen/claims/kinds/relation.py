"""Relation: "The dog is to the left of the bus" says how one thing lies to another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from datagen.claims.clause import BETWEEN, SLOT, SLOTS, VERBS, Clause, Statement, state
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
from datagen.claims.layout import decide_between, decide_relation
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.lexicon import with_article
from datagen.records import BoxUnit, Claim, Probe, ProbeKind

RELATIONS = (
    Row("left of", "(?:to|on|at) the (?:far )?left(?:-hand)?(?: side)? of|(?:just |slightly )?left of|(?:farther|"
        "further) (?:to the )?left than",
        "The dog is to the left of the cat."),
    Row("right of", "(?:to|on|at) the (?:far )?right(?:-hand)?(?: side)? of|right of|(?:farther|"
        "further) (?:to the )?right than",
        "The dog is farther right than the cat."),
    Row("at left of", "(?:closer to|nearer to|near|at|on|toward|towards) the (?:far )?left(?:-hand)? (?:end|half|"
        "part|edge|"
        "portion) of|(?:closer|nearer) to the left side of", "The dog is at the left end of the cat."),
    Row("at right of", "(?:closer to|nearer to|near|at|on|toward|towards) the (?:far )?right(?:-hand)? (?:end|"
        "half|part|edge|"
        "portion) of|(?:closer|nearer) to the right side of", "The dog is closer to the right side of the cat."),
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
    Row("behind", "behind", "The dog is behind the cat."),
    Row("larger", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?more (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?(?:larger|"
        "bigger) (?:in the \\w+ )?than", "The dog looks larger in the frame than the cat."),
    Row("smaller", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?less (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?smaller (?:in the \\w+ )?than", "The dog covers less of the frame than the cat."),
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
_TURNED_BY = {"behind": "in front of", "in front of": "behind", "under": "on", "above": "below", "below": "above"}
"""Depth is told by captions alone; of one thing a single caption tells it."""
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
    rf"(?:^|,)\s*(?:(?:right|directly|just|immediately|and|also|[a-z]+ing|parked|seated|perched|placed|located)\s+){{0,2}}(?:{{rows}})\s+"
    rf"{_THE}(?P<y>{SLOT})(?:\s+and\s+(?P<z>{SLOT}))?\s*(?:,\s*|\s(?=(?:is|are|there|one|you|we|[a-z]+s?)\b))"
    rf"(?:there\s+(?:is|are)\s+|there['’]s\s+|(?:one|you|we)\s+(?:can\s+)?(?:see|find|spot)\s+|is\s+|are\s+|[a-z]+s\s+|sit\s+|stand\s+|lie\s+)?"
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
    "have between".split()
)
"""A word of each row of ``RELATIONS``."""
_ROW_GROUPS = tuple(f"r{n}" for n in range(len(RELATIONS)))
_ON_GROUND = frozenset(
    "person bicycle car motorcycle bus train truck bench dog horse sheep cow elephant bear zebra giraffe".split()
) | {"fire hydrant", "stop sign", "parking meter"}  # fmt: skip
"""Things that stand on the ground, so that what reaches lower in the frame is nearer."""
_OF_FRAME = re.compile(r"\bmore\b|\bless\b|\bin the\b", FLAGS)  # a far boat is larger than a near person


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Two or three things with a row of ``RELATIONS`` between them."""
    if len(clause.phrases) < 2:
        return
    text = clause.text
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
            owner = _owner_of(match, clause)
            if owner is None or owner.category == second.category:
                continue
            first = owner
        if "none" in (first.measure, second.measure):
            continue
        others = [second]
        if row.meaning == "between":
            third = match.groupdict().get("z")
            if third is None and not second.is_plural:
                continue
            others.append(second if third is None else clause.phrase(third))
        is_of_frame = row.meaning not in _SIZES or _OF_FRAME.search(match[0]) is not None
        yield state(
            "relation", first, min(first.start, second.start), max(first.end, others[-1].end), clause.in_question,
            relation=row.meaning,
            others=tuple(other.category for other in others),
            is_firm=is_of_frame and all(p.is_firm or p.measure == "open" for p in (first, *others)),
            is_other_definite=len(others) == 1 and (second.is_definite or second.is_stand_in) and not second.is_plural,
        )  # fmt: skip
    yield from _read_sides(clause)


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
    rf"(?(x)(?=\s*(?:[.,;!?)]|$|and\b|while\b))|,?\s*(?:(?:is|are|sits?|stands?|lies|lie|hangs?|rests?|there(?:\s+(?:is|are)|['’]s)|"
    rf"(?:you|we|one)\s+can\s+see)\s+)?(?P<z>{SLOT}))",
    FLAGS,
)


def _owner_of(match: re.Match[str], clause: Clause) -> Phrase | None:
    """The subject of the verb before a relation, where the thing right before the relation is no subject."""
    slot = SLOTS.search(clause.text, 0, match.start("x"))
    if slot is None or clause.text[: slot.start()].strip() or "," in clause.text[: match.start("x")]:
        return None
    return clause.phrase(slot[0]) if _SITS.match(clause.text, slot.end()) is not None else None


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


MANY, MOST = 4, 0.75
"""Of this many things or more, this share lying otherwise speaks against "the dogs are left of the bus"."""


def verify_relation(statement: Statement, evidence: Evidence) -> Ruling:
    """One pair of boxes that lies so bears it out; every pair lying otherwise speaks against it."""
    first, relation = statement.category, statement.relation or ""
    by_caption = captions_agree(statement, evidence)
    turned = _TURNED_BY.get(relation)
    if turned and not by_caption and statement.others and first not in statement.others:
        n_against = sum(
            any(o.kind == "relation" and o.category == first and o.relation == turned and o.others == statement.others
                for o in caption)
            for caption in evidence.told
        )  # fmt: skip
        if n_against >= (1 if evidence.counts.get(first) and evidence.counts[first].at_least == 1 else 2):
            return "contradicted", f"{first}: text says {relation} the {statement.others[0]}, captions say {turned}"
    saying = f"{first} and {' and '.join(statement.others)}: text says {relation.removesuffix(' of')}"
    own: Sequence[BoxUnit] = evidence.boxes.get(first, [])
    theirs: list[Sequence[BoxUnit]] = [evidence.boxes.get(other, []) for other in statement.others]
    if statement.is_definite and not statement.is_plural and not statement.is_all:
        own = boxes_meant(first, evidence)
    if statement.is_other_definite:
        theirs = [boxes_meant(statement.others[0], evidence)]
    if not own or not all(theirs) or first in statement.others:
        return support(by_caption, False), f"{saying}, the boxes do not tell"
    if relation == "between":
        decided = [decide_between(a, b, c) for a in own for b in theirs[0] for c in theirs[1] if b is not c]
    else:
        is_grounded = _ON_GROUND.issuperset((first, *statement.others))
        decided = [decide_relation(relation, a, b, is_grounded=is_grounded) for a in own for b in theirs[0]]
    if decided and not any(one is not False for one in decided) and not by_caption:
        missed = [name for name in (first, *statement.others) if name in evidence.vocabulary.overlooked]
        if evidence.is_busy and missed and relation in _OF_ONE_PAIR:
            return "unknown", f"{saying}, the boxes do not, but the picture is busy"
        return "contradicted", f"{saying}, every box lies otherwise"
    n_off = sum(one is False for one in decided)
    is_most = statement.is_plural and statement.is_definite and len(own) >= MANY and n_off >= MOST * len(decided)
    if is_most and not by_caption:
        return "contradicted", f"{saying}, {n_off} of {len(decided)} boxes lie otherwise"
    holds = True in decided
    return support(by_caption, holds), f"{saying}, {'boxes agree' if holds else 'boxes leave it open'}"


def excludes(a: Claim, b: Claim) -> bool:
    """The opposite relation of the same two things."""
    return b.kind == "relation" and a.others == b.others and {a.relation, b.relation} in _OPPOSITES


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
    caption_fault="caption_side_disagrees",
)
