"""Validators side by side in one calibration: whose measures are whose, and what each is worth to the others."""

import random

import pytest
from msgspec.structs import replace

from datagen.claims.kind import YES_NO, Probed
from datagen.records import Probe
from datagen.validator.calibration import Calibrator, Measured
from datagen.validator.measures import Findings, Inquiry
from datagen.validator.panel import Panel, lay_together, left_to
from datagen.validator.recount import Seen

SEEN = Seen(1.5, 0.3, 0.9)


def probed(question: str) -> Probed:
    return Probed("presence", Probe(question, YES_NO), (0,), "presence", None)


def test_one_that_found_nothing_has_no_say() -> None:
    first = Inquiry(None, ((0, probed("A?")), (1, probed("B?"))), ("count",))
    second = Inquiry(None, ((1, probed("C?")),), ("other image", "absent object"))
    found = Findings({"presence": 1.0}, {0: 0.25}, numbers={0: SEEN})
    inquiry, together = lay_together(["one", "two"], [first, second], [Findings({"count": 2.0}, {1: 0.5}), found])
    assert together == Findings({"one: count": 2.0, "two: presence": 1.0}, {1: 0.5, 2: 0.25}, numbers={2: SEEN})
    assert [one.probe.question for _, one in inquiry.probes] == ["A?", "B?", "C?"]
    assert inquiry.asked == ("one", "one", "two") and set(inquiry.suffers) == {"count", "absent object", "other image"}
    inquiry, together = lay_together(["one", "two"], [first, second], [None, found])
    assert together == Findings({"two: presence": 1.0}, {2: 0.25}, numbers={2: SEEN}) and "count" not in inquiry.suffers
    assert lay_together(["one", "two"], [first, second], [None, None])[1] is None


def turns(n_images: int, seed: int = 0) -> list[Measured]:
    """One validator sees other images' answers, and one gives numbers by lot."""
    draw, every = random.Random(seed), []
    for image in range(n_images):
        for planted in (None, "other image"):
            for _ in range(5):
                seen = draw.gauss(-2.5 if planted else 0, 1)
                measures = {"sees: claims": seen, "blind: claims": draw.gauss(0, 1)}
                grey = {name: draw.gauss(0, 1) for name in measures}
                by: dict[str, tuple[str, ...]] = dict.fromkeys(("sees", "blind"), ("other image",))
                is_clean, spoilt = planted is None, () if planted else ("other image",)
                every.append(
                    Measured(str(image), measures, ("other image",), planted, grey, is_clean, spoilt, None, by)
                )
    return every


def test_what_each_adds_is_measured_on_images_that_fitted_nothing() -> None:
    measured = turns(80)
    panel = Panel("both", ["sees", "blind"], measured, 0.05)
    together = panel.together
    sees, blind = panel.adds
    assert panel.trusts("sees", "other image") and not panel.trusts("blind", "other image")
    assert sees.n_planted == 400 and sees.n_images == 80
    assert sees.recall == together.calibration.recall > 0.5 and sees.recall_without == 0.0 == blind.recall_alone
    assert sees.gain[1] > 0.4 and blind.gain == (0, 0, 0)
    assert sees.kinds["other image"][0] > 0.9 and sees.kinds["other image"][1] == pytest.approx(0.5, abs=0.08)
    assert "it adds" in sees.told and "400 planted errors on 80 images" in sees.told


def test_one_that_sees_nothing_has_no_say() -> None:
    """Its noise cost the other some of what it finds."""
    measured = turns(16)
    panel = Panel("both", ["sees", "blind"], measured, 0.05)
    assert panel.heeded == ("sees",) and [one.is_heeded for one in panel.adds] == [True, False]
    alone = Calibrator("both", left_to(measured, ["sees"]), 0.05)
    assert panel.together.calibration == alone.calibration and panel.adds[1].recall == panel.adds[1].recall_without
    assert "sees no kind of error by itself (0.0 % found), so it has no say" in panel.adds[1].told
    blind = Panel("both", ["blind", "blind too"], [twice(one) for one in left_to(measured, ["blind"])], 0.05)
    assert blind.heeded == ("blind", "blind too") and blind.adds == ()


def twice(one: Measured) -> Measured:
    by = {"blind": one.suffers, "blind too": one.suffers}
    return replace(one, measures={**one.measures, "blind too: claims": 0.0}, noticed_by=by)


def test_nothing_is_told_where_nobody_may_judge() -> None:
    measured = left_to(turns(80), ["blind"])
    assert set(measured[0].measures) == {"blind: claims"}
    assert Panel("both", ["sees", "blind"], turns(3), 0.05).adds == ()


def test_what_the_others_could_not_notice_is_not_suffered() -> None:
    one = Measured("1", {"a: count": 1.0, "b: claims": 2.0}, ("count", "other image"),
                   noticed_by={"a": ("count",), "b": ("other image",)})  # fmt: skip
    (left,) = left_to([one], ["b"])
    assert left.suffers == ("other image",) and left.measures == {"b: claims": 2.0}
    assert left_to([one], ["c"]) == []
