"""Folders of photographs are read with what is known of each, and laid over a grid."""

import json

import numpy as np
import pytest
from PIL import Image

from training.cell_truth import UNKNOWN, cell_truth
from training.photographs import (
    LEAST_TRUST,
    SAID_OFTEN,
    SAID_ONCE,
    UNSAID_WEIGHT,
    Found,
    Photograph,
    presence_of,
    read_folders,
    trust_in,
)

NAMES = ("dog", "cat", "person", "boat")
WHOLE = (0.0, 0.0, 1.0, 1.0)


def write_folder(folder, *, info=None, boxes=(), captions=(), **marks):
    """Two pictures of 100 x 50; boxes are (image, category, bbox, crowd), captions (image, text)."""
    (folder / "images").mkdir(parents=True)
    images = [{"id": n, "file_name": f"{folder.name}{n}.jpg", "width": 100, "height": 50} for n in (1, 2)]
    images[1] |= marks
    for image in images:
        Image.new("RGB", (100, 50), (90, 120, 60)).save(folder / "images" / image["file_name"])
    if captions:
        told = [{"id": n, "image_id": image, "caption": text} for n, (image, text) in enumerate(captions)]
        (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": told}))
    if boxes:
        told = [
            {"id": n, "image_id": image, "category_id": 10 + NAMES.index(name), "bbox": bbox, "iscrowd": crowd}
            for n, (image, name, bbox, crowd) in enumerate(boxes)
        ]
        categories = [{"id": 10 + n, "name": name} for n, name in enumerate(NAMES)]
        table = {"images": images, "annotations": told, "categories": categories, "info": info or {}}
        (folder / "instances.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def folders(tmp_path):
    boxes = [(1, "dog", [0, 0, 50, 25], 0), (1, "dog", [50, 25, 50, 25], 0), (1, "boat", [10, 10, 10, 10], 0)]
    some = write_folder(tmp_path / "some", info={"exhaustive": ["dog", "cat"]}, boxes=boxes)
    whole = write_folder(tmp_path / "whole", boxes=[(1, "person", [0, 0, 20, 20], 1)], no_instances=True)
    told = write_folder(tmp_path / "told", captions=[(1, "A man in a boat."), (1, "A boat."), (2, "Water.")])
    pseudo = tmp_path / "pseudo"
    pseudo.mkdir()
    seen = [[0, 0, 256, 256, 0.5, 2], [0, 0, 256, 256, 0.9, 1], [0, 0, 99, 99, 0.12, 3]]
    (pseudo / "some.jsonl").write_text(json.dumps({"id": "some1.jpg", "det": seen}) + "\n")
    return [some, whole, told], pseudo


def test_what_is_decided_depends_on_who_boxed(folders):
    read = read_folders(folders[0], NAMES, folders[1])
    assert [one.path.name for one in read] == [
        "some1.jpg",
        "some2.jpg",
        "whole1.jpg",
        "whole2.jpg",
        "told1.jpg",
        "told2.jpg",
    ]
    assert all(one.path.exists() for one in read)
    assert [sorted(one.decided) for one in read] == [[0, 1], [0, 1], [0, 1, 2, 3], [], [], []]
    assert read[0].boxed[0] == Found(0, (0.0, 0.0, 0.5, 0.5))
    assert read[2].boxed == (Found(2, (0.0, 0.0, 0.2, 0.4), is_crowd=True),)
    # The detector's cat is left out, for people looked for cats; so is its boat, for somebody boxed one.
    assert [(one.category, one.trust) for one in read[0].found if one.trust < 1] == [(2, trust_in(0.5))]
    assert read[4].captions == ("A man in a boat.", "A boat.")


def test_presence_joins_boxes_findings_and_captions(folders):
    read = read_folders(folders[0], NAMES, folders[1])
    presence = presence_of(read, NAMES, frozenset({"some"}))
    assert presence.chance[0].tolist() == pytest.approx([1, 0, trust_in(0.5), 1])
    assert presence.weight[0].tolist() == [1, 1, 0.5, 1]
    assert presence.chance[1].tolist() == pytest.approx([0, 0, LEAST_TRUST / 2, LEAST_TRUST / 2])
    assert presence.weight[2].tolist() == [1, 1, 1, 1]
    assert presence.weight[3].tolist() == [0, 0, 0, 0]
    assert presence.chance[4].tolist() == pytest.approx([LEAST_TRUST, LEAST_TRUST, SAID_ONCE, SAID_OFTEN])
    assert presence.weight[4].tolist() == pytest.approx([UNSAID_WEIGHT, UNSAID_WEIGHT, 1, 1])


def test_one_in_ten_is_kept_back_by_its_name(tmp_path):
    kept = [Photograph("", tmp_path / f"{n}.jpg", (), frozenset(), ()).is_kept_back for n in range(2000)]
    assert 150 < sum(kept) < 250


def of(*found, decided=range(4)):
    return Photograph("", None, found, frozenset(decided), ())  # type: ignore[arg-type]


def test_centres_add_up_and_cover_takes_its_cells():
    picture = of(Found(0, (0.0, 0.0, 0.5, 0.5)), Found(0, (0.5, 0.5, 1.0, 1.0)), Found(1, (0.3, 0.4, 0.55, 0.6)))
    truth = cell_truth(picture, 4, 4, WHOLE, mirrored=False)
    assert truth.amount.tolist() == [2, 1, 0, 0]
    assert truth.centre.sum((1, 2)).tolist() == pytest.approx([2, 1, 0, 0])
    assert truth.cover[0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    turned = cell_truth(picture, 4, 4, WHOLE, mirrored=True)
    assert np.array_equal(turned.cover, truth.cover[:, :, ::-1])
    assert np.allclose(turned.centre, truth.centre[:, :, ::-1])


def test_a_crop_keeps_what_is_mostly_in_it():
    picture = of(Found(0, (0.0, 0.0, 0.5, 0.5)), Found(1, (0.6, 0.6, 1.0, 1.0)), Found(2, (0.4, 0.0, 0.9, 0.2)))
    truth = cell_truth(picture, 4, 4, (0.0, 0.0, 0.6, 0.6), mirrored=False)
    assert truth.amount.tolist() == [1, 0, 1, 0]
    assert truth.cover[0].sum() == 15  # five sixths of each axis: a third of the last cells, a ninth of the corner
    assert not truth.cover[1].any() and truth.cover[2].any()


def test_numbers_are_unknown_under_crowds_and_where_nobody_looked():
    picture = of(Found(0, (0.0, 0.0, 0.5, 0.5), is_crowd=True), Found(1, (0, 0, 1, 1), 0.9), decided=(0, 2))
    truth = cell_truth(picture, 4, 4, WHOLE, mirrored=False)
    assert truth.amount.tolist() == [UNKNOWN, UNKNOWN, 0, UNKNOWN]
    assert truth.cover[1].max() == pytest.approx(0.9) and truth.centre[1].sum() == pytest.approx(0.9)
    assert truth.centre[0].sum() == 0 and truth.cover[0].any()


def test_an_empty_list_of_exhaustive_categories_decides_nothing(tmp_path):
    write_folder(tmp_path / "some", info={"exhaustive": []}, boxes=[(1, "dog", [0, 0, 50, 25], 0)])
    write_folder(tmp_path / "whole", boxes=[(1, "dog", [0, 0, 50, 25], 0)])
    some, whole = (read_folders([tmp_path / name], NAMES)[0] for name in ("some", "whole"))
    assert some.decided == frozenset() and whole.decided == frozenset(range(len(NAMES)))
    assert presence_of([some], NAMES, frozenset()).weight.tolist() == [[1, 0, 0, 0]]
