"""The tallies add up."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from datagen.pipeline import STAGES
from datagen.records import Claim, Cut, Finding, Provenance, Review, Sample, Turn, Validation
from datagen.summary import Fates, Omission, Summary, Tally, Tokens, TurnCounts, count_omissions

PROVENANCE = Provenance("m", "r", "q", "s", 100, 40, 10, 0.5, "CC-BY-2.0")
GOOD = Sample("1-a", "1", "1.jpg", "a", (Turn("Q?", "one two three"),), "accepted", PROVENANCE)
BAD = replace(GOOD, sample_id="2-a", status="rejected", stage="teacher", reason="gave_up", detail="x")
CUT = replace(GOOD, sample_id="1-b", response_type="b", cuts=(Cut("parse", "truncated", "x", GOOD.turns * 2, 1),))


def test_the_tally_counts_samples_tokens_and_money() -> None:
    tally = Tally()
    assert list(tally.watch([GOOD, BAD, CUT])) == [GOOD, BAD, CUT]
    summary = tally.summary()
    assert (summary.samples, summary.accepted, summary.rejected) == (3, 2, 1)
    assert summary.by_type == {
        "a": Fates(1, 1, TurnCounts(written=2, kept=1, cut=0, rejected=1, at_fault=0)),
        "b": Fates(1, 0, TurnCounts(written=3, kept=1, cut=2, rejected=0, at_fault=1)),
    }
    assert summary.rejected_by_stage == {"teacher": {"gave_up": 1}}
    assert summary.cut_by_stage == {"parse": {"truncated": 1}}
    assert summary.turns_lost_by_stage == {"parse": {"truncated": 2}, "teacher": {"gave_up": 1}}
    assert summary.turn_counts == TurnCounts(written=5, kept=2, cut=2, rejected=1, at_fault=1)
    assert summary.tokens == Tokens(300, 120, 30)
    assert summary.cost_usd == 1.5
    assert summary.cost_usd_per_accepted == 0.75
    assert summary.words_per_answer == 3.0
    assert summary.licences == {"CC-BY-2.0": 2}
    assert tally.share_failed == pytest.approx(1 / 3)


def test_whatever_failed_counts_in_whatever_stage() -> None:
    unasked = replace(BAD, reason="image_missing", provenance=replace(PROVENANCE, request_digest=""))
    unseen = replace(BAD, stage="validate", reason="image_unreadable", detail="it is gone")
    nothing = replace(unasked, reason="nothing_annotated")
    doubted = replace(BAD, stage="validate", reason="doubtful_answer")
    tally = Tally()
    for sample in (unseen, unasked, nothing, doubted, GOOD, CUT):
        tally.add(sample)
    assert tally.share_failed == pytest.approx(2 / 5)  # of which something was to be asked
    assert tally.failure == "image_unreadable: it is gone"


def test_the_hallucination_rate_is_of_all_that_the_teacher_wrote() -> None:
    wrong = Turn("How many?", "Two.", (claim("count", "contradicted"),), Validation("doubtful", 0.01))
    right = Turn("What?", "A dog.", (claim("presence", "supported_by_boxes"), claim("count", "unknown")))
    seen = replace(right, validation=Validation("supported", 0.6))
    cut = replace(GOOD, turns=(seen,), cuts=(Cut("checks", "count_contradicted", "x", (wrong, right), 1),))
    rejected = replace(GOOD, image_id="2", turns=(wrong,), status="rejected", stage="checks", reason="x")
    by_hand = replace(GOOD, image_id="3", turns=(right,), review=Review("correct", "accepted", turns=(wrong, right)))
    tally = Tally()
    for sample in (cut, rejected, by_hand):
        tally.add(sample)
    summary = tally.summary()
    assert summary.claims == {"supported": 2, "unknown": 2}
    assert summary.turn_counts == TurnCounts(written=6, kept=2, cut=2, rejected=1, at_fault=1)
    told = summary.hallucinations
    assert told is not None
    assert (told.overall.claims.found, told.overall.claims.judged, told.overall.claims.images) == (3, 6, 3)
    assert (told.overall.turns.found, told.overall.turns.judged) == (3, 4)
    assert told.by_teacher == {"m": told.overall}
    assert (told.by_kind["count"].claims.found, told.by_kind["count"].claims.judged) == (3, 3)
    assert (told.by_kind["presence"].claims.found, told.by_kind["presence"].claims.judged) == (0, 3)
    assert (told.by_kind["presence"].turns.found, told.by_kind["presence"].turns.judged) == (0, 1)


def claim(kind: str, verdict: Any) -> Claim:
    return Claim(kind, "dog", 0, 1, verdict, "")


def test_an_unknown_price_is_not_zero() -> None:
    tally = Tally()
    tally.add(replace(GOOD, provenance=replace(PROVENANCE, cost_usd=None)))
    assert tally.summary().cost_usd is None


def test_nothing_is_no_division_by_zero() -> None:
    assert Tally().summary().share_accepted == 0.0


def test_an_older_summary_is_read_and_what_a_later_one_adds_is_passed_over() -> None:
    summary = Tally().summary()
    plain = msgspec.to_builtins(summary)
    later = ("balance", "diversity", "review", "turn_counts", "turns_lost_by_stage", "claims", "hallucinations")
    told = {name: value for name, value in plain.items() if name not in later}
    assert msgspec.convert(told | {"of_later": 1}, Summary) == replace(
        summary, turn_counts=None, turns_lost_by_stage=None, claims=None, hallucinations=None
    )
    del told["tokens"]
    with pytest.raises(msgspec.ValidationError, match="missing required field `tokens`"):
        msgspec.convert(told, Summary)


def test_the_cost_is_the_sum_of_who_billed_and_told_in_parts_only_then() -> None:
    tally = Tally()
    tally.add(replace(GOOD, provenance=replace(PROVENANCE, request_digest="d", cost_usd=1.0)))
    assert b"cost_usd_by" not in msgspec.json.encode(tally.summary())
    tally.bill({"validator": 0.25, "embeddings": None})
    summary = tally.summary()
    assert summary.cost_usd == 1.25
    assert summary.cost_usd_by == {"teacher": 1.0, "validator": 0.25, "embeddings": None}


def test_every_report_of_a_stage_has_its_field() -> None:
    reports = {stage.report for stage in STAGES if stage.report}
    assert reports == {"balance", "calibration", "judge", "review"} <= set(Summary.__struct_fields__)


def test_omissions_are_counted_by_kind_with_the_first() -> None:
    findings = [Finding("box_missing", "7", "no box"), *[Finding("unknown_category", None, f"c{n}") for n in range(3)]]
    counted = count_omissions([*findings, Finding("repeated_annotation_id", None, "kept")])
    assert counted == {"unknown_category": Omission(3, "c0"), "box_missing": Omission(1, "image 7: no box")}
    assert count_omissions([]) == {}
