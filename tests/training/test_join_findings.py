"""Findings of several detectors are joined, and the chance of each learned where everything is boxed."""

import json

import numpy as np
import pytest
from PIL import Image

from datagen.words import COCO_CATEGORIES
from training.join_findings import Trust, fitted, joined, log_odds, main
from training.photographs import LEAST_TRUST, read_folders

DOG, CAT = (COCO_CATEGORIES.index(name) for name in ("dog", "cat"))
PLAIN = Trust(1.0, 0.0)
UNFOUND = log_odds(0)


def box(left, score, category=DOG):
    return (left, 0.0, left + 100.0, 100.0, score, category)


def test_boxes_in_one_place_add_up_and_others_stand_alone():
    told = joined([[box(0, 0.6), box(300, 0.99)], [box(10, 0.7)]], PLAIN)
    lefts = {one[0]: one[4] for one in told}
    assert lefts[0] == pytest.approx(PLAIN.chance(log_odds(0.99) + log_odds(0.7)))  # the surest bears both best scores
    assert lefts[300] == pytest.approx(PLAIN.chance(log_odds(0.99) + UNFOUND)) and 10 not in lefts


def test_two_boxes_of_one_detector_in_one_place_count_once():
    once, twice = ([[box(0, 0.6)], [box(0, 0.7)]], [[box(0, 0.6), box(5, 0.5)], [box(0, 0.7), box(5, 0.6)]])
    assert joined(twice, PLAIN) == joined(once, PLAIN)


def test_what_one_of_two_found_is_less_sure_and_what_is_unlikely_is_left_out():
    both, alone = joined([[box(0, 0.9)], [box(0, 0.9)]], PLAIN), joined([[box(0, 0.99)], []], Trust(1.0, 2.0))
    assert alone[0][4] == pytest.approx(Trust(1.0, 2.0).chance(log_odds(0.99) + UNFOUND)) and alone[0][4] < both[0][4]
    assert joined([[box(0, 0.1)], []], PLAIN) == [] and PLAIN.chance(log_odds(0.1) + UNFOUND) < LEAST_TRUST


def test_trust_is_learned_from_what_came_true():
    rng = np.random.default_rng(0)
    sums = rng.normal(0, 3, 20_000)
    true = Trust(0.5, -1.0)
    found = fitted(sums, rng.random(20_000) < [true.chance(one) for one in sums])
    assert found.slope == pytest.approx(0.5, abs=0.03) and found.offset == pytest.approx(-1, abs=0.06)


def test_a_folder_of_findings_is_written_and_read_as_trust(tmp_path, capsys):
    folder = tmp_path / "boxed"
    (folder / "images").mkdir(parents=True)
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 100} for n in range(8)]
    dogs = [{"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 0} for n in range(4)]
    for image in images:
        Image.new("RGB", (100, 100)).save(folder / "images" / image["file_name"])
    told = {"categories": [{"id": 1, "name": "dog"}], "images": images, "annotations": dogs}
    (folder / "instances.json").write_text(json.dumps(told))
    for name, sure in (("a", 0.8), ("b", 0.6)):
        (tmp_path / name).mkdir()
        lines = [
            {"id": one["file_name"], "det": [box(0, sure if n < 4 else 0.05), box(300, 0.1, CAT)]}
            for n, one in enumerate(images)
        ]
        (tmp_path / name / "boxed.jsonl").write_text("\n".join(map(json.dumps, lines)))
    main([str(tmp_path / "out"), str(tmp_path / "a"), str(tmp_path / "b"), "--boxed", str(folder)])
    assert "sum of log-odds" in capsys.readouterr().out
    bare = tmp_path / "bare" / "boxed"
    bare.mkdir(parents=True)
    (bare / "captions.json").write_text(json.dumps({"images": images, "annotations": []}))
    found = [
        {one.category: one.trust for one in photo.found}
        for photo in read_folders([bare], COCO_CATEGORIES, tmp_path / "out")
    ]
    assert all(one[DOG] > 0.9 for one in found[:4]) and all(one.get(DOG, 0) < 0.1 for one in found[4:])
    assert max(max(one.values(), default=0) for one in found) < 1


def test_a_folder_that_no_detector_saw_is_refused(tmp_path):
    for name in ("boxed/images", "a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "boxed" / "instances.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (tmp_path / "a" / "boxed.jsonl").write_text("")
    with pytest.raises(SystemExit, match="label that folder first"):
        main([str(tmp_path / "out"), str(tmp_path / "a"), "--boxed", str(tmp_path / "boxed")])
