"""Of two samples of one image that exclude each other, the one with less evidence falls."""

from msgspec.structs import replace

from datagen.claims import settle_disagreements
from datagen.claims.verify import exclude
from datagen.records import Claim, Provenance, Sample, Turn

MADE = Provenance("m", "r", "q", "s")


def claim(kind="count", verdict="supported_by_boxes", **more) -> Claim:
    return Claim(kind, "dog", 0, 3, verdict, "why", **more)


def sample(name: str, *claims: Claim) -> Sample:
    turns = tuple(Turn(f"Q{n}", "Two dogs", (one,)) for n, one in enumerate(claims))
    return Sample(f"1-{name}", "1", "1.jpg", name, turns, "accepted", MADE)


def two(verdict: str) -> Claim:
    return claim(verdict=verdict, number=2, comparison="exact")


def three(verdict: str) -> Claim:
    return claim(verdict=verdict, number=3, comparison="exact")


def test_the_side_with_less_evidence_falls_wherever_it_stands():
    first, second = settle_disagreements([sample("a", three("unknown")), sample("b", two("supported_by_boxes"))])
    assert (first.status, first.stage, first.reason) == ("rejected", "checks", "samples_disagree")
    assert first.detail == "turn 1: 'Two' (why) against 1-b (why)"
    assert second.status == "accepted"
    first, second = settle_disagreements([sample("a", two("supported_by_both")), sample("b", three("unknown"))])
    assert (first.status, second.status) == ("accepted", "rejected")


def test_at_equal_evidence_the_later_falls_and_a_good_start_is_kept():
    first, second = settle_disagreements(
        [sample("a", two("supported_by_caption")), sample("b", claim("presence"), three("supported_by_caption"))]
    )
    assert first.status == second.status == "accepted"
    assert len(second.turns) == 1 and second.cuts[0].reason == "samples_disagree"


def test_both_fall_where_nothing_tells_which_one_is_wrong():
    first, second = settle_disagreements(
        [sample("a", two("unknown")), sample("b", claim("presence"), three("unknown"))]
    )
    assert first.status == "rejected" and len(second.turns) == 1
    assert first.reason == second.cuts[0].reason == "samples_disagree"


def test_rejected_and_agreeing_samples_are_left_alone():
    agreeing = (sample("a", two("unknown")), sample("b", two("supported_by_both")))
    assert settle_disagreements(agreeing) == agreeing
    rejected = (replace(agreeing[0], status="rejected"), sample("b", three("supported_by_both")))
    assert settle_disagreements(rejected) == rejected


def test_what_excludes_what():
    at_least_three = claim(number=3, comparison="at least")
    at_most_one = claim(number=1, comparison="at most")
    assert exclude(two("unknown"), at_least_three) and exclude(at_most_one, two("unknown"))
    assert not exclude(three("unknown"), at_least_three) and not exclude(at_most_one, at_most_one)
    assert exclude(claim("absence"), claim("presence")) and exclude(two("unknown"), claim("absence"))
    assert not exclude(claim("absence"), claim("presence", "unknown"))
    left, right = (claim("relation", relation=name, others=("cat",)) for name in ("left of", "right of"))
    assert exclude(left, right) and not exclude(left, left)
    assert not exclude(replace(left, category="cup"), right) and not exclude(left, claim("place", place="left"))
