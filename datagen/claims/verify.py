"""From one statement and the evidence of an image's annotations to a claim with its verdict and evidence.

``contradicted`` is said only where nobody would object: an open count, a word with two senses, a
look-alike or a busy picture leave the claim unknown.

The cross-check between the samples of one image: of two claims that exclude each other the less evident falls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from datagen.claims.clause import Statement
from datagen.claims.kind import Evidence, Ruling, support
from datagen.claims.kinds import kind_of
from datagen.records import Claim, Drop, Sample, Turn, cut_or_reject

FAR_OFF = 2
"""More than so many times what is boxed is too many, whatever else may be meant."""
ONE_OR_SO = 2
"""Up to so many things of several categories somebody may still call the only one: one may be a double."""


def verify(statement: Statement, evidence: Evidence) -> Claim:
    """Hold one statement against the annotations: those of people alone decide.

    A detector's boxes and a model's captions still count as a doubt: what they speak against is unknown.
    """
    claim = _verify(statement, evidence)
    if claim.verdict == "unknown" or not (evidence.by_detector or evidence.by_captioner):
        return claim
    alone = _verify(statement, _of_people(evidence))
    if alone.verdict != "unknown" and (alone.verdict == "contradicted") == (claim.verdict == "contradicted"):
        return alone
    made = {"boxes that a detector drew": evidence.by_detector, "captions that a model wrote": evidence.by_captioner}
    told = " and ".join(name for name, is_so in made.items() if is_so)
    return replace(claim, verdict="unknown", evidence=f"{claim.evidence}, but only by {told}")


def _of_people(evidence: Evidence) -> Evidence:
    """What is left of the evidence without what machines made."""
    if evidence.by_detector:
        evidence = replace(evidence, counts={}, boxes={}, noticed={}, groups={}, is_decided=False)
    if evidence.by_captioner:
        evidence = replace(
            evidence,
            told=(),
            named={},
            open_words={},
            nouns={},
            words=(),
            things=(),
            stems=(),
            numbers=(),
            maybe_named=frozenset(),
        )
    return evidence


def _verify(statement: Statement, evidence: Evidence) -> Claim:
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
    if statement.others:
        statement = replace(statement, others=tuple(_name_of_boxed(one, evidence) for one in statement.others))
    is_called_so = statement.number is not None and category in evidence.named
    if category in evidence.boxes or not (statement.is_definite or is_called_so):
        return statement
    members = evidence.vocabulary.hypernyms.get(category) if category not in evidence.vocabulary.names else None
    if members is not None:
        shown = [name for name in members if name in evidence.boxes]
        if kind_of(statement.kind).bears_out_wider is not None:
            return statement
    else:
        return replace(statement, category=_name_of_boxed(category, evidence))
    return replace(statement, category=shown[0]) if len(shown) == 1 else statement


def _name_of_boxed(category: str, evidence: Evidence) -> str:
    """What "the bear" is boxed as: a teddy bear, where captions call it so at least as often."""
    if category in evidence.boxes:
        return category
    members = evidence.vocabulary.hypernyms.get(category, ()) if category not in evidence.vocabulary.names else ()
    shown = [name for name in evidence.boxes if name in members or name.endswith(f" {category}")]
    is_called_so = len(shown) == 1 and evidence.named.get(shown[0], 0) >= evidence.named.get(category, 0)
    return shown[0] if is_called_so else category


def _verify_wider(statement: Statement, evidence: Evidence) -> Ruling:
    """A word that stands for several categories can only be borne out."""
    members = evidence.vocabulary.hypernyms[statement.category]
    shown = [name for name in members if name in evidence.boxes]
    told = [name for name in (*members, statement.category) if name in evidence.named]
    n_shown = sum(evidence.counts[name].at_least for name in shown)
    kind = kind_of(statement.kind)
    if kind.by_boxes:
        return kind.verify(statement, evidence)
    if kind.denies and statement.is_firm:
        seen = [name for name in shown if evidence.noticed[name] and evidence.counts[name].at_least]
        if not seen and n_shown > ONE_OR_SO:
            seen = shown
        if seen:
            return "contradicted", f"{statement.category}: text says there is none, boxes show {seen[0]}"
    most = statement.number or 0
    is_one = statement.comparison == "exact" and most == 1 and n_shown > ONE_OR_SO
    is_bound = statement.comparison in ("exact", "at most") and n_shown > most + ONE_OR_SO
    if statement.is_firm and (is_one or is_bound):
        return "contradicted", f"{statement.category}: text says at most {most}, boxes show {n_shown} in all"
    is_sure = bool(told) and all(evidence.counts[name].is_exact for name in shown) and not evidence.is_busy and not any(
        evidence.named.get(name, 0) > 1 for name in members if name not in shown
    )  # fmt: skip
    if (
        statement.comparison != "at most"
        and is_sure
        and statement.is_firm
        and (statement.number or 0) > FAR_OFF * n_shown
    ):
        return "contradicted", f"{statement.category}: text says {statement.number}, boxes show {n_shown} in all"
    bears_out = kind.bears_out_wider
    if bears_out is not None and bears_out(statement, n_shown, bool(shown or told)):
        return support(bool(told), bool(shown)), f"{' and '.join(dict.fromkeys([*shown, *told]))} may be meant"
    return "unknown", f"'{statement.category}' may stand for several categories"


def verify_all(statements: Iterable[Statement], evidence: Evidence) -> tuple[Claim, ...]:
    """Verify statements in reading order, each saying once."""
    return tuple(dict.fromkeys(verify(statement, evidence) for statement in statements))


WEIGHT = {
    "supported_by_both": 3,
    "supported_by_boxes": 2,
    "supported_by_caption": 1,
    "unknown": 0,
    "contradicted": -1,
}
"""How much stands behind a claim."""


def settle_disagreements(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Cut the samples of one image so that no two of them contradict each other.

    Of two claims that exclude each other the one with less evidence falls, at equal evidence the later one, and both
    where the annotations decide neither: a conversation is cut before that turn, or rejected when nothing would be
    left.
    """
    kept = list(samples)
    for i in range(len(samples)):
        for j in range(i + 1, len(samples)):
            if kept[i].status == kept[j].status == "accepted":
                kept[i], kept[j] = _settle(kept[i], kept[j])
    return tuple(kept)


def _settle(first: Sample, second: Sample) -> tuple[Sample, Sample]:
    for (n, turn, claim), (m, other_turn, other) in _pairs(first, second):
        if not exclude(claim, other):
            continue
        if WEIGHT[claim.verdict] < WEIGHT[other.verdict]:
            return _settle(_cut(first, n, turn, claim, second.sample_id, other), second)
        if claim.verdict == other.verdict == "unknown":  # nothing tells which one is wrong
            fallen = _cut(second, m, other_turn, other, first.sample_id, claim)
            return _settle(_cut(first, n, turn, claim, second.sample_id, other), fallen)
        return _settle(first, _cut(second, m, other_turn, other, first.sample_id, claim))
    return first, second


Told = tuple[int, Turn, Claim]


def _pairs(first: Sample, second: Sample) -> Iterator[tuple[Told, Told]]:
    if first.status == "rejected" or second.status == "rejected":
        return
    by_category: dict[str, list[Told]] = {}
    for n, turn in enumerate(second.turns):
        for claim in turn.claims:
            by_category.setdefault(claim.category, []).append((n, turn, claim))
    for n, turn in enumerate(first.turns):
        for claim in turn.claims:
            for told in by_category.get(claim.category, ()):
                yield (n, turn, claim), told


def exclude(a: Claim, b: Claim) -> bool:
    """Whether two claims about one image cannot both be true."""
    if a.category != b.category:
        return False
    rules = kind_of(a.kind).excludes, kind_of(b.kind).excludes
    return (rules[0] is not None and rules[0](a, b)) or (rules[1] is not None and rules[1](b, a))


def disagreement(earlier: Sequence[Claim], later: Sequence[Claim]) -> tuple[Claim, Claim] | None:
    """Two claims of one conversation that cannot both be true, numbers, denials and scenes only."""
    for claim in later:
        if kind_of(claim.kind).agrees_within:
            for told in earlier:
                if told is not claim and kind_of(told.kind).agrees_within and exclude(told, claim):
                    return told, claim
    return None


def _cut(sample: Sample, n: int, turn: Turn, claim: Claim, other_id: str, other: Claim) -> Sample:
    text = turn.question if claim.in_question else turn.answer
    detail = f"turn {n + 1}: '{text[claim.start : claim.end]}' ({claim.evidence}) against {other_id} ({other.evidence})"
    drop = Drop("checks", "samples_disagree", detail)
    return cut_or_reject(sample, sample.turns[:n], drop)
