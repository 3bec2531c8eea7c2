"""From one statement and the evidence of an image's annotations to a claim with its verdict and evidence.

``contradicted`` is said only where nobody would object: an open count, a word with two senses, a
look-alike or a busy picture leave the claim unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from datagen.claims.clause import Statement
from datagen.claims.kind import Evidence, Ruling, support
from datagen.claims.kinds import kind_of
from datagen.records import Claim

ONE_OR_SO = 2
"""Up to so many things of several categories somebody may still call the only one: one may be a double."""


def verify(statement: Statement, evidence: Evidence) -> Claim:
    """Hold one statement against the annotations."""
    statement = _as_annotated(statement, evidence)
    if statement.category not in evidence.vocabulary.names and statement.category in evidence.vocabulary.hypernyms:
        verdict, reason = _verify_wider(statement, evidence)
    else:
        verdict, reason = kind_of(statement.kind).verify(statement, evidence)
    if verdict == "contradicted" and not statement.is_firm:
        verdict, reason = "unknown", f"{reason}; the wording leaves it open whether this is claimed"
    return Claim(
        statement.kind, statement.category, statement.start, statement.end, verdict, reason, statement.number,
        statement.comparison, statement.place, statement.relation, statement.others, statement.in_question,
        statement.value,
    )  # fmt: skip


def _as_annotated(statement: Statement, evidence: Evidence) -> Statement:
    """A statement under the annotations' name: "the animals" are cows where only cows are boxed."""
    category = statement.category
    if category in evidence.boxes or category in evidence.named or not statement.is_definite:
        return statement
    members = evidence.vocabulary.hypernyms.get(category) if category not in evidence.vocabulary.names else None
    if members is not None:
        shown = [name for name in members if name in evidence.boxes]
        if kind_of(statement.kind).bears_out_wider is not None:
            return statement
    else:
        shown = [name for name in evidence.boxes if name.endswith(f" {category}")]
    return replace(statement, category=shown[0]) if len(shown) == 1 else statement


def _verify_wider(statement: Statement, evidence: Evidence) -> Ruling:
    """A word that stands for several categories can only be borne out."""
    members = evidence.vocabulary.hypernyms[statement.category]
    shown = [name for name in members if name in evidence.boxes]
    told = [name for name in (*members, statement.category) if name in evidence.named]
    n_shown = sum(evidence.counts[name].at_least for name in shown)
    kind = kind_of(statement.kind)
    if kind.denies and statement.is_firm:
        seen = [name for name in shown if evidence.noticed[name] and evidence.counts[name].at_least]
        if seen:
            return "contradicted", f"{statement.category}: text says there is none, boxes show {seen[0]}"
    if statement.comparison == "exact" and statement.number == 1 and statement.is_firm and n_shown > ONE_OR_SO:
        return "contradicted", f"{statement.category}: text says 1, boxes show {' and '.join(shown)}"
    bears_out = kind.bears_out_wider
    if bears_out is not None and bears_out(statement, n_shown, bool(shown or told)):
        return support(bool(told), bool(shown)), f"{' and '.join(dict.fromkeys([*shown, *told]))} may be meant"
    return "unknown", f"'{statement.category}' may stand for several categories"


def verify_all(statements: Iterable[Statement], evidence: Evidence) -> tuple[Claim, ...]:
    """Verify statements in reading order, each saying once."""
    return tuple(dict.fromkeys(verify(statement, evidence) for statement in statements))
