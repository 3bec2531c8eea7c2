"""Relation: "The dog is to the left of the bus" says how one thing lies to another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import GOVERNED, SLOT, VERBS, Clause, Statement, state
from datagen.claims.grammar import FLAGS, Row, one_of
from datagen.claims.kind import (
    YES_NO,
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
from datagen.claims.layout import decide_between, decide_relation
from datagen.lexicon import with_article
from datagen.records import Claim, Probe, ProbeKind

RELATIONS = (
    Row("left of", "(?:to|on|at) the (?:far )?left(?:-hand)?(?: side)? of|left of|(?:farther|"
        "further) (?:to the )?left than",
        "The dog is to the left of the cat."),
    Row("right of", "(?:to|on|at) the (?:far )?right(?:-hand)?(?: side)? of|right of|(?:farther|"
        "further) (?:to the )?right than",
        "The dog is farther right than the cat."),
    Row("above", "above|higher (?:up )?(?:in the (?:frame|picture|image) )?than", "The dog is above the cat."),
    Row("below", "below|beneath|lower (?:down )?(?:in the (?:frame|picture|image) )?than",
        "The dog is lower in the frame than the cat."),
    Row("next to", "next to|beside|alongside|by the side of|close to|near", "The dog is next to the cat."),
    Row("on", "on top of|on", "The dog is on the cat."),
    Row("under", "under|underneath", "The dog is under the cat."),
    Row("nearer", "nearer (?:to the (?:camera|viewer) )?than|closer (?:to the (?:camera|viewer) )?than",
        "The dog is nearer to the camera than the cat."),
    Row("in front of", "in front of", "The dog is in front of the cat."),
    Row("behind", "behind", "The dog is behind the cat."),
    Row("larger", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?more (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?(?:larger|"
        "bigger) (?:in the \\w+ )?than", "The dog looks larger in the frame than the cat."),
    Row("smaller", "(?:take|fill|cover|occup)\\w* (?:up )?(?:much |clearly |far )?less (?:of the \\w+ |space )?than"
        "|(?:much |clearly )?smaller (?:in the \\w+ )?than", "The dog covers less of the frame than the cat."),
    Row("between", "(?:in )?between", "The dog is between the cat and the bed."),
)  # fmt: skip
"""How one thing lies to another: "X [is] WORDS Y"."""

TURNED_RELATION = PlantedError("relation", "a wrong relation")

_PLANAR = ("left of", "right of", "above", "below")
_SIZES = ("larger", "smaller")
_RELATION_WORDS = {"nearer": "nearer to the camera than"}
_OPPOSITES = ({"left of", "right of"}, {"above", "below"}, {"larger", "smaller"})
_OF_ONE_PAIR = frozenset({"on", "under", "next to", "nearer", "between"})
"""Relations that a thing nobody boxed may have where the boxed ones have not."""
_PAIRS = (("left", "right"), ("above", "below"), ("higher", "lower"), ("up", "down"), ("larger", "smaller"),
          ("more", "less"), ("behind", "in front of"))  # fmt: skip
_TURNED = {**dict(_PAIRS), **{b: a for a, b in _PAIRS}, "bigger": "smaller"}
_RELATION = re.compile(
    rf"(?P<x>{SLOT})\s+{VERBS}{{0,4}}(?:{one_of(RELATIONS, 'r')})\s+(?P<y>{SLOT})(?:\s+and\s+(?P<z>{SLOT}))?", FLAGS
)
_ROW_GROUPS = tuple(f"r{n}" for n in range(len(RELATIONS)))
_OF_FRAME = re.compile(r"\bmore\b|\bless\b|\bin the\b", FLAGS)  # a far boat is larger than a near person


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Two or three things with a row of ``RELATIONS`` between them."""
    if len(clause.phrases) < 2:
        return
    for match in _RELATION.finditer(clause.text):
        if clause.origin(match.start()) >= clause.silent:
            break
        if GOVERNED.search(clause.text, 0, match.start()):
            continue
        row = next(row for row, group in zip(RELATIONS, _ROW_GROUPS, strict=True) if match[group] is not None)
        first, second = clause.phrase(match["x"]), clause.phrase(match["y"])
        if "none" in (first.measure, second.measure):
            continue
        others = [second]
        if row.meaning == "between":
            if match["z"] is None and not second.is_plural:
                continue
            others.append(second if match["z"] is None else clause.phrase(match["z"]))
        is_of_frame = row.meaning not in _SIZES or _OF_FRAME.search(match[0]) is not None
        yield state(
            "relation", first, first.start, others[-1].end, clause.in_question, relation=row.meaning,
            others=tuple(other.category for other in others),
            is_firm=is_of_frame and all(p.is_firm or p.measure == "open" for p in (first, *others)),
        )  # fmt: skip


def verify_relation(statement: Statement, evidence: Evidence) -> Ruling:
    """One pair of boxes that lies so bears it out; every pair lying otherwise speaks against it."""
    first, relation = statement.category, statement.relation or ""
    by_caption = captions_agree(statement, evidence)
    saying = f"{first} and {' and '.join(statement.others)}: text says {relation.removesuffix(' of')}"
    own, theirs = evidence.boxes.get(first, []), [evidence.boxes.get(other, []) for other in statement.others]
    if not own or not all(theirs) or first in statement.others:
        return support(by_caption, False), f"{saying}, the boxes do not tell"
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
    verify=verify_relation,
    excludes=excludes,
    probe=probe,
    plants=((TURNED_RELATION, turning(_TURNED)),),
    measures=("presence", "relation"),
    caption_fault="caption_side_disagrees",
)
