"""The bundled corpus: valid COCO files, every picture there, captions true, made again the same."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from datagen.geometry import count_objects, doubled_pairs
from datagen.lexicon import Lexicon
from datagen.records import Box
from datagen.words import NUMBER_WORDS
from training.atlas import SOLID, load_atlas
from training.make_demo_corpus import (
    DEMO,
    OVERSAMPLING,
    build_annotations,
    draw_demo_picture,
    main,
    read_demo_scenes,
    run_lengths,
)
from training.render import stamp
from training.scenes import MAX_OVERLAP, overlap

# pycocotools' compiled mask code predates NumPy 2's copy keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ATLAS = load_atlas()
SCENES = read_demo_scenes(ATLAS)


def annotation_file(kind):
    return DEMO / "annotations" / f"{kind}_demo.json"


@pytest.fixture(scope="module")
def instances():
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(annotation_file("instances"))


@pytest.fixture(scope="module")
def captions():
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(annotation_file("captions"))


def boxes_of(instances, image_id):
    image = instances.imgs[image_id]
    for found in instances.loadAnns(instances.getAnnIds([image_id])):
        left, top, width, height = found["bbox"]
        corners = (left, top, left + width, top + height)
        unit = tuple(value / image[side] for value, side in zip(corners, ("width", "height") * 2, strict=True))
        name = instances.cats[found["category_id"]]["name"]
        yield Box(name, unit, found["area"] / image["width"] / image["height"], bool(found["iscrowd"]))


def test_two_dozen_scenes_with_five_captions_each(instances, captions):
    assert len(instances.imgs) == len(captions.imgs) == 24
    texts = [found["caption"] for found in captions.anns.values()]
    assert len(set(texts)) == 120
    assert all(len(captions.getAnnIds([image_id])) == 5 for image_id in captions.imgs)
    assert sum(text[0].islower() for text in texts) >= 20


def test_every_picture_is_there_in_its_stated_size(instances):
    files = {file.name for file in (DEMO / "images").iterdir()}
    assert files == {image["file_name"] for image in instances.imgs.values()}
    for image in instances.imgs.values():
        with Image.open(DEMO / "images" / image["file_name"]) as picture:
            picture.load()
            assert picture.size == (image["width"], image["height"])


def test_corpus_is_small():
    assert sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file()) < 500_000


def test_every_image_names_its_licence(instances):
    licences = {entry["id"]: entry for entry in instances.dataset["licenses"]}
    for image in instances.imgs.values():
        assert licences[image["license"]]["name"] == "Apache License 2.0"
        assert licences[image["license"]]["url"].startswith("https://")


def test_boxes_lie_in_their_frames_and_hold_their_masks(instances):
    for found in instances.anns.values():
        image = instances.imgs[found["image_id"]]
        left, top, width, height = found["bbox"]
        assert left >= 0 and top >= 0 and left + width <= image["width"] and top + height <= image["height"]
        mask = instances.annToMask(found)
        assert mask.sum() == pytest.approx(found["area"], rel=0.5)
        around = coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask)))
        assert np.abs(around - found["bbox"]).max() <= 2.5


def test_one_crowd_of_many_and_one_doubled_box(instances):
    crowds = [found for found in instances.anns.values() if found["iscrowd"]]
    assert len(crowds) == 1
    (crowded,) = (demo for demo in SCENES if demo.crowd)
    assert len(crowded.crowd) >= 12
    assert isinstance(crowds[0]["segmentation"]["counts"], list)
    pairs = [pair for image_id in instances.imgs for pair in doubled_pairs(tuple(boxes_of(instances, image_id)))]
    assert len(pairs) == 1


def test_objects_hardly_cover_each_other():
    for demo in SCENES:
        placed = demo.scene.objects
        for n, a in enumerate(placed):
            assert all(overlap(a.box_unit, b.box_unit) <= MAX_OVERLAP for b in placed[:n]), demo.name


def test_no_sprite_is_one_of_the_held_out():
    drawn = {placed.sprite for demo in SCENES for placed in (*demo.scene.objects, *demo.crowd)}
    assert not any(ATLAS.by_name[name].held_out for name in drawn)


def test_captions_name_what_is_there_and_count_it_right(instances, captions):
    lexicon = Lexicon(category["name"] for category in instances.cats.values())
    n_counted = 0
    for image_id in instances.imgs:
        counts = count_objects(tuple(boxes_of(instances, image_id)))
        named = set()
        for found in captions.loadAnns(captions.getAnnIds([image_id])):
            text = found["caption"]
            for mention in lexicon.find(text):
                named.add(mention.category)
                assert mention.category in counts, text
                word = text[: mention.start].lower().split()[-1:]
                if word and word[0] in NUMBER_WORDS:
                    n_counted += 1
                    assert counts[mention.category].at_least == NUMBER_WORDS.index(word[0]), text
        assert named == set(counts), "every category is named by somebody"
    assert n_counted > 25


def test_making_it_again_gives_the_same_files(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make_demo_corpus", "--out", str(tmp_path / "demo")])
    monkeypatch.setattr("training.make_demo_corpus.read_demo_scenes", lambda atlas: SCENES[7:9])
    main()
    first = {file.name: file.read_bytes() for file in (tmp_path / "demo").rglob("*") if file.is_file()}
    main()
    second = {file.name: file.read_bytes() for file in (tmp_path / "demo").rglob("*") if file.is_file()}
    assert first == second
    assert len(first) == 4
    assert "2 scenes" in capsys.readouterr().out


def test_shipped_files_are_what_the_scenes_say():
    built_captions, built = json.loads(json.dumps(build_annotations(SCENES, ATLAS)))
    assert json.loads(annotation_file("captions").read_text(encoding="utf-8")) == built_captions
    shipped = json.loads(annotation_file("instances").read_text(encoding="utf-8"))
    assert [shipped[key] for key in ("images", "categories")] == [built[key] for key in ("images", "categories")]
    for ours, theirs in zip(shipped["annotations"], built["annotations"], strict=True):
        assert (ours["image_id"], ours["category_id"]) == (theirs["image_id"], theirs["category_id"])
        # Another Pillow may turn or resize a sprite a shade differently.
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1)
        assert ours["area"] == pytest.approx(theirs["area"], rel=0.02)


def test_shipped_pictures_are_what_the_scenes_say():
    with Image.open(DEMO / "images" / "000000000003.jpg") as shipped:
        drawn = np.asarray(draw_demo_picture(SCENES[2], ATLAS)).astype(int)
        assert np.abs(drawn - np.asarray(shipped)).mean() < 3


def test_contact_sheet_shows_every_picture(tmp_path, monkeypatch):
    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr("sys.argv", ["x", "--out", str(tmp_path / "demo"), "--contact-sheet", str(sheet)])
    monkeypatch.setattr("training.make_demo_corpus.read_demo_scenes", lambda atlas: SCENES[:2])
    main()
    with Image.open(sheet) as picture:
        assert picture.getpixel((10, 300)) != (255, 255, 255)


def test_area_counts_solid_pixels(instances):
    placed, found = SCENES[0].scene.objects[0], instances.anns[1]
    width, height = SCENES[0].size_px
    large = (width * OVERSAMPLING, height * OVERSAMPLING)
    assert found["area"] == pytest.approx(
        (stamp(placed, large, ATLAS)[..., 3] >= SOLID).sum() / OVERSAMPLING**2, rel=0.02
    )


@pytest.mark.parametrize("rows", [["0110", "0010"], ["1100", "1000"], ["0000", "0000"], ["1111", "1111"]])
def test_run_lengths_are_those_of_coco(rows):
    mask = np.array([[digit == "1" for digit in row] for row in rows])
    coded = {"size": list(mask.shape), "counts": run_lengths(mask)}
    assert np.array_equal(coco_mask.decode(coco_mask.frPyObjects(coded, *mask.shape)), mask)


def test_a_sprite_outside_the_frame_is_refused(monkeypatch):
    spec = {
        "sets": {"s": {"backdrop": {"kind": "plain", "colours": ["#ffffff", "#000000"]}, "shapes": []}},
        "scenes": [{"name": "n", "set": "s", "size_px": [40, 30], "objects": ["dog 2 50 40"], "captions": []}],
    }
    monkeypatch.setattr("training.make_demo_corpus.yaml.safe_load", lambda text: spec)
    with pytest.raises(ValueError, match=re.escape("'dog 2 50 40' leaves the frame")):
        read_demo_scenes(ATLAS)
