"""The hallucination rate is a share with an interval that holds, whatever lies together on one image."""

import random
from typing import Any

import pytest

from datagen.hallucination_rate import CoverageTally, HallucinationTally, Rate, SentenceCover
from datagen.records import Claim, Turn, Validation


def turn(*verdicts: Any, kind: str = "count") -> Turn:
    return Turn("Q?", "A.", tuple(Claim(kind, "dog", 0, 1, verdict, "") for verdict in verdicts))


def rate_of(per_image: list[tuple[int, int]]) -> Rate:
    """The rate where each image has so many contradicted ones of so many decided claims."""
    tally = HallucinationTally()
    for n, (found, judged) in enumerate(per_image):
        right = ["supported_by_boxes"] * (judged - found)
        tally.add(str(n), "m", "a", (turn(*["contradicted"] * found, *right, "unknown"),))
    return tally.rates().overall.claims


def test_nothing_judged_has_no_share() -> None:
    assert rate_of([]) == rate_of([(0, 0), (0, 0)]) == Rate(0, 0, 0)


def test_one_image_tells_nothing_of_others() -> None:
    assert rate_of([(2, 8)]) == Rate(2, 8, 1, 0.25, 0.0, 1.0)


def test_nothing_found_is_not_never() -> None:
    told = rate_of([(0, 10)] * 100)
    assert (told.found, told.judged, told.share, told.low) == (0, 1000, 0.0, 0.0)
    assert told.high == pytest.approx(1.96**2 / (1.96**2 + 100), rel=0.05)  # as of 100 claims, one an image
    assert rate_of([(0, 10)] * 3).high > 0.8  # type: ignore[operator]


def test_claims_that_fall_together_tell_less() -> None:
    spread = rate_of([(1, 10)] * 99 + [(2, 10), (0, 10)])
    together = rate_of([(10, 10)] * 10 + [(0, 10)] * 91)
    assert spread.judged == together.judged == 1010
    assert spread.high - spread.low < 0.05 < 0.1 < together.high - together.low  # type: ignore[operator]


@pytest.mark.parametrize(
    ("n_images", "share", "alike"), [(10, 0.1, 0.2), (30, 0.02, 0.0), (100, 0.3, 0.6), (40, 0.1, 0.4)]
)
def test_the_interval_holds_the_truth_as_often_as_it_says(n_images: int, share: float, alike: float) -> None:
    draw, n_held = random.Random(f"{n_images} {share}"), 0
    for _ in range(300):
        images = []
        for _ in range(n_images):
            of_image = share if not alike else draw.betavariate(share * (1 / alike - 1), (1 - share) * (1 / alike - 1))
            judged = draw.randint(0, 12)
            images.append((sum(draw.random() < of_image for _ in range(judged)), judged))
        told = rate_of(images)
        n_held += told.low <= share <= told.high  # type: ignore[operator]
    assert n_held >= 0.87 * 300  # of claims taken for independent, two of the four hold in 55 to 80 %


def test_turns_are_judged_by_the_validator_alone() -> None:
    tally = HallucinationTally()
    doubted, sure, unseen = Validation("doubtful"), Validation("supported"), Validation("not judged")
    turns = [Turn("Q?", "A.", turn("unknown").claims, seen) for seen in (doubted, sure, unseen, None)]
    tally.add("1", "m", "a", tuple(turns))
    tally.add("1", "m", "b", (Turn("Q?", "A.", (), sure),))
    told = tally.rates()
    assert (told.overall.turns.found, told.overall.turns.judged, told.overall.turns.images) == (1, 3, 1)
    assert told.overall.claims == Rate(0, 0, 0)
    assert (told.by_kind["count"].turns.judged, told.by_type["b"].turns.judged) == (2, 1)


def test_names_come_in_one_order_and_figures_in_any() -> None:
    first, second = HallucinationTally(), HallucinationTally()
    given = [("1", "b", (turn("contradicted", kind="place"),)), ("2", "a", (turn("supported_by_caption"),))]
    for tally, order in ((first, given), (second, given[::-1])):
        for image, kind, turns in order:
            tally.add(image, "m", kind, turns)
    assert first.rates() == second.rates()
    assert list(first.rates().by_type) == ["a", "b"]
    assert list(first.rates().by_kind) == ["count", "place"]


def claim(answer: str, words: str, kind: str = "count", verdict: str = "supported_by_boxes") -> Claim:
    start = answer.index(words)
    return Claim(kind, "dog", start, start + len(words), verdict, "")  # type: ignore[arg-type]


ANSWER = "There are two dogs. The dog is 3.5 years old! It may be tired.\nPerhaps it is late"


def test_sentences_are_counted_by_what_could_be_said_about_them() -> None:
    tally = CoverageTally()
    claims = (
        claim(ANSWER, "two dogs"),
        claim(ANSWER, "dogs", "presence"),
        claim(ANSWER, "The dog", "presence", "unknown"),
        claim(ANSWER, "tired", "attribute", "unknown"),
    )
    tally.add("a", [Turn("Q?", ANSWER, claims)])
    tally.add(
        "b", [Turn("Is there one?", "Yes.", (Claim("presence", "dog", 3, 8, "contradicted", "", in_question=True),))]
    )
    found = tally.coverage()
    assert found.overall == SentenceCover(sentences=5, claiming=4, beyond=2, decided=2)
    assert found.by_type == {"a": SentenceCover(4, 3, 2, 1), "b": SentenceCover(1, 1, 0, 1)}
    assert found.by_kind == {
        "attribute": SentenceCover(5, 1, 1, 0),
        "count": SentenceCover(5, 1, 1, 1),
        "presence": SentenceCover(5, 3, 0, 2),
    }


def test_what_nobody_could_check_is_listed_where_it_stands_twice() -> None:
    tally = CoverageTally()
    for place in ("left", "right"):
        answer = f"It is likely that the owner waits. On the {place}, a dog."
        tally.add("a", [Turn("Q?", answer, (claim(answer, "dog", "scene", "unknown"),))])
    found = tally.coverage()
    assert (found.silent, found.unread) == ({"scene of dog": 2}, {"likely": 2, "owner": 2, "waits": 2})
    assert CoverageTally().coverage().overall == SentenceCover()


def test_memory_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("datagen.hallucination_rate._MAX_NAMES", 10)
    tally = CoverageTally()
    for n in range(300):
        words = "".join(chr(97 + int(digit)) for digit in str(n))
        tally.add("a", [Turn("Q?", f"Often said. {words * 4}.")])
    assert len(tally._unread) <= 12
    assert tally.coverage().unread["often"] == 300
