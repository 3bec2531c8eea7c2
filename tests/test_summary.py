"""The tallies add up."""

import pytest
from msgspec.structs import replace

from datagen.records import Drop, Provenance, Sample, Turn
from datagen.summary import Tally

PROVENANCE = Provenance("m", "r", "q", "s", 100, 40, 10, 0.5, "CC-BY-2.0")
GOOD = Sample("1-a", "1", "1.jpg", "a", (Turn("Q?", "one two three"),), "accepted", PROVENANCE)
BAD = replace(GOOD, sample_id="2-a", status="rejected", stage="teacher", reason="gave_up", detail="x")
CUT = replace(GOOD, sample_id="1-b", response_type="b", cuts=(Drop("parse", "truncated", "x"),))


def test_the_tally_counts_samples_tokens_and_money() -> None:
    tally = Tally()
    assert list(tally.watch([GOOD, BAD, CUT])) == [GOOD, BAD, CUT]
    summary = tally.as_dict()
    assert (summary["samples"], summary["accepted"], summary["rejected"]) == (3, 2, 1)
    assert summary["by_type"] == {"a": {"accepted": 1, "rejected": 1}, "b": {"accepted": 1, "rejected": 0}}
    assert summary["rejected_by_stage"] == {"teacher": {"gave_up": 1}}
    assert summary["cut_by_stage"] == {"parse": {"truncated": 1}}
    assert summary["tokens"] == {"prompt": 300, "cached": 120, "completion": 30}
    assert summary["cost_usd"] == 1.5
    assert summary["cost_usd_per_accepted"] == 0.75
    assert summary["words_per_answer"] == 3.0
    assert summary["licences"] == {"CC-BY-2.0": 2}
    assert tally.share_failed == pytest.approx(1 / 3)


def test_an_unknown_price_is_not_zero() -> None:
    tally = Tally()
    tally.add(replace(GOOD, provenance=replace(PROVENANCE, cost_usd=None)))
    assert tally.as_dict()["cost_usd"] is None


def test_nothing_is_no_division_by_zero() -> None:
    assert Tally().as_dict()["share_accepted"] == 0.0
