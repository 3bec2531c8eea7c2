"""Teaching the guard: its pictures, its fit, and the table of what it gets wrong."""

import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from synthetic import photograph

from datagen.validator.domain_guard import GUARD, Guard, load_guard, texture
from training import teach_guard
from training.teach_guard import CHANGES, draw_pictures, fit, main, measure, table, wilson


def test_a_border_is_found_between_two_kinds() -> None:
    rng = np.random.default_rng(0)
    drawn, photographs = rng.normal(1, 0.3, (400, 15)), rng.normal(-1, 0.3, (200, 15))
    guard = fit(drawn, photographs)
    assert sum(not guard.is_drawn(row) for row in drawn) <= 2
    assert not any(guard.is_drawn(row) for row in photographs)


def test_intervals_are_wilsons() -> None:
    assert wilson(0, 100) == pytest.approx((0, 0.0370), abs=1e-4)
    assert wilson(5, 100) == pytest.approx((0.0215, 0.1118), abs=1e-4)


def test_a_seed_draws_the_same_pictures_and_the_guard_passes_nearly_all() -> None:
    first, again = list(draw_pictures(2000)), list(draw_pictures(2000))
    assert len(first) == teach_guard.SCENES_A_SEED
    assert all(one.tobytes() == other.tobytes() for (_, one), (_, other) in zip(first, again, strict=True))
    found = [
        load_guard().is_drawn(texture(picture)) for seed in range(2000, 2006) for _, picture in draw_pictures(seed)
    ]
    assert sum(found) >= len(found) - 1


@pytest.mark.parametrize("change", CHANGES)
def test_what_befalls_photographs_is_still_seen_thphotograph(change: str) -> None:
    found = [
        load_guard().is_drawn(texture(CHANGES[change](photograph(seed), random.Random(seed)))) for seed in range(4)
    ]
    assert not any(found)


def test_the_command_fits_writes_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken" / "images").mkdir(parents=True)
    for n in range(8):
        photograph(n).save(tmp_path / "taken" / "images" / f"{n}.jpg")
    out = tmp_path / GUARD.name
    common = [str(tmp_path / "taken" / "images"), "--test-seeds", "1", "--workers", "1"]
    main([*common, "--seeds", "2", "--out", str(out)])
    told = capsys.readouterr().out
    assert (
        "20 drawn scenes" in told and "| demo | " in told and "| taken | 0 | " in told and "| taken at 288 px |" in told
    )
    guard = msgspec.json.decode(out.read_bytes(), type=Guard)
    assert {len(weights) for weights in guard.hidden} == {len(texture(photograph(0)))}
    rows = measure(tmp_path / "taken" / "images" / "0.jpg")
    assert len(rows) == 2 + len(CHANGES) and {row.is_test for row in rows} <= {True, False}
    assert next(line for line in table(rows, guard) if line.startswith("| taken |")).startswith("| taken | 0 | 1 |")
