"""Counts by a detector that misses some: what it sees of a number is learned, and numbers are held against others."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.claims import judge_turns as read_claims
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Turn
from datagen.validator.calibration import Calibrator, Measured, fold_of
from datagen.validator.measures import Findings, before_names, inquire
from datagen.validator.panel import Panel, under
from datagen.validator.planting import OTHER_IMAGE
from datagen.validator.protocol import Abilities
from datagen.validator.recount import SAID, SEEN_BY, FittedLine, Recount, Seen, believe_number, see
from datagen.validator.verdicts import judge_turns


def half_seen(number: int, draw: random.Random) -> float:
    """Half of what is there, and something more or less."""
    return float(math.exp(math.log(1 + (number - 1) / 2) + draw.gauss(0, 0.1)))


def looks(*seen: float, spread: float = 0.0, sure: float = 1.0) -> NDArray[np.float64]:
    return np.array([Seen(number, spread, sure) for number in seen])


def test_a_look_is_summed_up() -> None:
    number, spread, sure = see((0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0), 0.7)
    assert (number, spread, sure) == (2.0, 0.5, 0.7)
    assert see((0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 0.7).spread == 0.0


def test_a_line_tells_how_many_there_are_where_half_is_seen() -> None:
    draw = random.Random(0)
    numbers = np.array([float(draw.randint(1, 6)) for _ in range(200)])
    line = FittedLine.fit(looks(*(half_seen(int(number), draw) for number in numbers)), numbers)
    assert line is not None and 0.4 < line.slope < 1
    chances = line.chances(looks(1.0, 2.0, 3.0))
    assert list(chances.argmax(axis=1) + 1) == [1, 3, 5]
    assert chances.sum(axis=1) == pytest.approx([1, 1, 1]) and chances.min() > 0.002


def test_a_line_is_learned_from_sure_looks() -> None:
    """What is not seen at all, whatever its number, draws no line down."""
    draw = random.Random(0)
    numbers = np.array([float(draw.randint(1, 6)) for _ in range(200)])
    seen = looks(*(half_seen(int(number), draw) for number in numbers))
    line = FittedLine.fit(seen, numbers)
    unseen = looks(*[1.0] * 100, sure=0.0)
    with_unseen = FittedLine.fit(np.concatenate([seen, unseen]), np.append(numbers, [6.0] * 100))
    assert line is not None and with_unseen is not None
    assert with_unseen.slope == pytest.approx(line.slope, abs=0.05)


def test_a_number_is_held_against_all_others() -> None:
    line = FittedLine(0.0, 1.0, 0.2)
    two_of_three, three_of_three, four_of_three, six_of_three = line.doubts(
        looks(*[3.0] * 4), np.array([2.0, 3.0, 4.0, 6.0])
    )
    assert three_of_three < 0 < min(two_of_three, four_of_three) < six_of_three
    one, two, eight = line.doubts(looks(1.0, 2.0, 8.0), np.array([1.0, 2.0, 8.0]))
    assert max(one, two, eight) < 0
    # nobody is suspected of saying two of one: what misses half sees every pair so
    assert line.doubts(looks(1.0), np.array([2.0]))[0] < 0


def test_a_look_says_as_much_as_it_is_sure() -> None:
    line, said = FittedLine(0.0, 1.0, 0.2), np.array([5.0])
    sure, half, blind = (line.doubts(looks(3.0, sure=sure), said)[0] for sure in (1.0, 0.5, 0.0))
    assert sure > half > blind == pytest.approx(0)
    assert line.doubts(looks(3.0, spread=0.5), said)[0] < sure
    # and so do the detector's own chances: of "five" where three are likeliest
    own = (0.0, 0.2, 0.6, 0.2, 0.0, 0.0, 0.0, 0.0)
    five, four, three = (4,), (3,), (2,)
    sure, half, blind = (believe_number(own, five, sure) for sure in (1.0, 0.5, 0.0))
    assert sure < half < blind == pytest.approx(0)
    assert sure < believe_number(own, four, 1.0) < 0 < believe_number(own, three, 1.0)
    at_least_four = (3, 4, 5, 6, 7)
    assert believe_number(own, at_least_four, 1.0) < -1 < believe_number(own, at_least_four, 0.5)


@pytest.mark.parametrize(
    "seen, numbers",
    [([1.0, 2.0], [1.0, 2.0]), ([1.0] * 40, [2.0] * 40), ([2.0, 1.0] * 20, [1.0, 2.0] * 20)],
    ids=["too few", "one number", "more is not seen of more"],
)
def test_no_line_is_drawn_where_nothing_can_be_learned(seen: list[float], numbers: list[float]) -> None:
    assert FittedLine.fit(looks(*seen), np.array(numbers)) is None


def test_numbers_by_themselves_tell_nothing() -> None:
    columns = ["a: count", *(f"{label}: {name}" for label in "ab" for name in (SAID, *SEEN_BY))]
    seen, unseen = (3.0, 2.0, 0.1, 0.9), (math.nan,) * 4
    rows = np.array([[-1.0, *seen, *seen], [-2.0, *unseen, *seen]])
    line = FittedLine(0.0, 1.0, 0.5)
    applied = Recount({"a: ": line}).applied(rows, columns)
    assert applied[:, 0].tolist() == [-1.0, -2.0]
    assert applied[0, 1] == line.doubts(looks(2.0, spread=0.1, sure=0.9), np.array([3.0]))[0]
    assert np.isnan(applied[1, 1]) and np.isnan(applied[:, 2:]).all()
    assert rows[0, 1] == 3.0


def test_what_was_measured_before_sureness_was_is_read_all_the_same() -> None:
    columns, line = [SAID, "number_seen"], FittedLine(0.0, 1.0, 0.5)
    assert Recount({"": line}).applied(np.array([[3.0, 2.0]]), columns)[0, 0] == line.doubts(
        looks(2.0), np.array([3.0])
    )


def turns_of_half(n_images: int) -> list[Measured]:
    """Turns about numbers by a detector that sees half: its own chances hold the smaller number for likelier."""
    draw, every = random.Random(1), []
    for image in range(n_images):
        number = draw.choice((2, 3, 4, 5))
        wrong, seen = number + (1 if number == 2 or draw.random() < 0.5 else -1), half_seen(number, draw)
        for said, planted in ((number, None), (wrong, "count"), (number, OTHER_IMAGE.name)):
            claims = draw.gauss(-3.0 if planted == OTHER_IMAGE.name else 0.0, 0.5)
            measures = {"number_seen": seen, SAID: float(said), "count": -abs(said - seen), "claims": claims}
            suffers, swap = ("count", "other image"), (str(number), str(said)) if planted == "count" else None
            grey = measures | {"number_seen": 1.0, "count": -float(said), "claims": 0.0}
            clean = planted is None
            every.append(
                Measured(f"{image}", measures, suffers, planted, grey, clean, suffers if clean else (), swap)
            )  # fmt: skip
    return every


def test_wrong_numbers_are_told_where_half_is_seen() -> None:
    turns = turns_of_half(400)
    found = Calibrator("m", turns, 0.05).calibration.kinds["count"]
    blind = [
        replace(one, measures={name: value for name, value in one.measures.items() if name not in (SAID, *SEEN_BY)})
        for one in turns
    ]
    without = Calibrator("m", blind, 0.05).calibration.kinds["count"]
    assert found.judged and not without.judged
    assert (found.auroc or 0) > 0.85 > 0.6 > (without.auroc or 1)
    assert found.auroc_grey is not None and found.auroc_grey < 0.6


def test_of_several_validators_each_detector_has_a_line_of_its_own() -> None:
    by = {"half": ("count", "other image"), "blind": ("count", "other image")}
    draw = random.Random(2)

    def beside_a_blind_one(measures: dict[str, float]) -> dict[str, float]:
        blind = {
            "number_seen": 1 + draw.random(),
            SAID: measures[SAID],
            "count": draw.gauss(0, 1),
            "claims": draw.gauss(0, 1),
        }
        return under("half", measures) | under("blind", blind)

    turns = [
        replace(
            one, measures=beside_a_blind_one(one.measures), grey=beside_a_blind_one(one.grey), noticed_by=by,
        ) for one in turns_of_half(400)
    ]  # fmt: skip
    panel = Panel("both", ["half", "blind"], turns, 0.05)
    assert panel.heeded == ("half",) and panel.trusts("half", "count") and not panel.trusts("blind", "count")
    seen = panel.together.recounted("1", before_names("half"), Seen(2.0, 0.0, 1.0), (2,))
    assert seen is not None and seen > 0.4
    assert panel.together.recounted("1", before_names("blind"), Seen(2.0, 0.0, 1.0), (2,)) is None


def test_a_chance_that_is_shown_is_the_recounted_one() -> None:
    """Two are seen where there are three: by the boxes "three dogs" is unlikely, by the run's own turns it is not."""
    calibrator = Calibrator("m", turns_of_half(400), 0.05)
    image = AnnotatedImage("1", "a.jpg", 640, 480)
    said = Turn("How many dogs are there?", "There are three dogs.")
    (turn,) = read_claims((said,), image, ("dog",), ChecksSettings())
    inquiry = inquire(turn, Abilities(texts=False, blanks=False, misses_some=True))
    (asked,) = [n for n, (_, probed) in enumerate(inquiry.probes) if probed.kind == "count"]
    two = Seen(2.0, 0.0, 1.0)
    found = Findings({"claims": 0.0, "number_seen": 2.0, SAID: 3.0, "count": -1.0}, {asked: 0.05}, numbers={asked: two})
    (seen,) = judge_turns((turn,), (inquiry,), (found,), "1", calibrator).seen
    assert seen.validation is not None and seen.validation.probes is not None
    (shown,) = seen.validation.probes
    assert shown.chance > 0.4
    assert (
        shown.chance
        == calibrator.recounted("1", "", two, (2,))
        != calibrator.recounted("1", "", Seen(4.0, 0.0, 1.0), (2,))
    )
    assert calibrator.recounted("1", "another: ", two, (2,)) is None


def test_the_line_of_a_turn_is_learned_from_other_images() -> None:
    turns = turns_of_half(400)
    fold = fold_of("0")
    (other,) = [str(n) for n in range(9) if fold_of(str(n)) != fold][:1]
    more_seen = [
        replace(one, measures=one.measures | {"number_seen": 1.2 * one.measures["number_seen"]})
        if fold_of(one.image_id) == fold
        else one
        for one in turns
    ]
    before, after = (Calibrator("m", some, 0.05) for some in (turns, more_seen))
    two = Seen(2.0, 0.0, 1.0)
    assert before.recounted("0", "", two, (1,)) == after.recounted("0", "", two, (1,)) is not None
    assert before.recounted(other, "", two, (1,)) != after.recounted(other, "", two, (1,))
