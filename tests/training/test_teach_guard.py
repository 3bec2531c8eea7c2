"""Teaching the guard: its pictures, its fit, and the table of what it gets wrong."""

import multiprocessing.dummy
import random
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from synthetic import photograph

from datagen.validator.domain_guard import GUARD, Guard, Shows, load_guard, texture
from training import teach_guard
from training.make_demo_corpus import DEMO
from training.teach_guard import CHANGES, draw_pictures, fit, main, measure, table, wilson


def test_a_border_is_found_between_two_kinds() -> None:
    rng = np.random.default_rng(0)
    drawn, photographs = rng.normal(1, 0.3, (400, 15)), rng.normal(-1, 0.3, (200, 15))
    lenient, strict = fit(drawn, photographs), fit(drawn, photographs, is_lenient=False)
    assert (lenient.log_odds(drawn) < 0).sum() <= 2
    assert (strict.log_odds(photographs) >= 0).sum() <= 2
    for network in (lenient, strict):
        assert (network.log_odds(drawn) > 0).mean() > 0.98 and (network.log_odds(photographs) < 0).mean() > 0.98


def test_intervals_are_wilsons() -> None:
    assert wilson(0, 100) == pytest.approx((0, 0.0370), abs=1e-4)
    assert wilson(5, 100) == pytest.approx((0.0215, 0.1118), abs=1e-4)


def test_a_seed_draws_the_same_pictures_and_the_guard_passes_nearly_all() -> None:
    first, again = list(draw_pictures(2000)), list(draw_pictures(2000))
    assert len(first) == teach_guard.SCENES_A_SEED + teach_guard.SCREENS_A_SEED
    assert all(one.tobytes() == other.tobytes() for (_, one), (_, other) in zip(first, again, strict=True))
    kinds: tuple[tuple[str, Shows], ...] = (("drawn", "drawn scene"), ("screens", "screen"))
    for begins, expected in kinds:
        shown = [
            load_guard().shows(texture(picture))
            for seed in range(2000, 2006)
            for kind, picture in draw_pictures(seed)
            if kind.startswith(begins)
        ]
        assert shown.count(expected) >= len(shown) - 1 >= 29


@pytest.mark.parametrize("change", CHANGES)
def test_what_befalls_photographs_is_still_seen_through(change: str) -> None:
    found = [load_guard().shows(texture(CHANGES[change](photograph(seed), random.Random(seed)))) for seed in range(4)]
    assert found == ["photograph"] * 4


def test_the_command_fits_writes_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken" / "images").mkdir(parents=True)
    for n in range(8):
        photograph(n).save(tmp_path / "taken" / "images" / f"{n}.jpg")
    few = tmp_path / "few"  # of the bundled pictures, under whose names each process finds its own
    (few / "images").mkdir(parents=True)
    for file in sorted((DEMO / "images").iterdir())[:3]:
        shutil.copy(file, few / "images")
    monkeypatch.setattr(teach_guard, "DEMO", few)
    out = tmp_path / GUARD.name
    common = [str(tmp_path / "taken" / "images"), "--test-seeds", "1", "--workers", "1"]
    main([*common, "--seeds", "2", "--out", str(out)])
    told = capsys.readouterr().out
    assert "20 drawn scenes" in told and "10 screens" in told and "| demo | " in told and "| taken | " in told
    guard = msgspec.json.decode(out.read_bytes(), type=Guard)
    monkeypatch.setattr(teach_guard, "get_context", lambda way: multiprocessing.dummy)  # a process was started above
    main(
        [*common, "--seeds", "2", "--out", str(out), "--fit", "screen", "--screens", str(tmp_path / "taken" / "images")]
    )
    assert msgspec.json.decode(out.read_bytes(), type=Guard).drawn == load_guard().drawn != guard.drawn
    assert "| screens, images | " in capsys.readouterr().out
    for network in (guard.drawn, guard.screen):
        assert {len(weights) for weights in network.hidden} == {len(texture(photograph(0)))}
    rows = measure(tmp_path / "taken" / "images" / "0.jpg")
    assert len(rows) == 2 + len(CHANGES) and {row.is_test for row in rows} <= {True, False}
    assert next(line for line in table(rows, guard) if line.startswith("| taken |")).startswith("| taken | 0 | 1 |")
