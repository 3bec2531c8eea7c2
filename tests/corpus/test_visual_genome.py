"""Visual Genome: boxes, what is said of parts, how claims are held against it, and records that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from datagen.claims import judge_turns
from datagen.config import ContextSettings, CorpusSettings, Settings
from datagen.context import REGIONS, parse_context, render_context
from datagen.corpus import Corpus, find_format, load_corpus, open_source, visual_genome
from datagen.corpus.cache import find_cache, read_cache, write_cache
from datagen.corpus.images import AnnotatedImages, Annotations, columns_of
from datagen.errors import CorpusError
from datagen.records import Region, Turn


def thing(name: str, x: float, y: float, w: float, h: float, **more: Any) -> dict[str, Any]:
    """As ``objects.json`` has one."""
    return {"synsets": [f"{name}.n.01"], "object_id": 7, "merged_object_ids": [], "names": [name], **more} | {
        "x": x,
        "y": y,
        "w": w,
        "h": h,
    }


CLOCK, MAN, HAT = thing("clock", 421, 91, 79, 339), thing("Man", 100, 200, 100, 300), thing("hat", 110, 180, 50, 30)
TREES, BUS = thing("trees", 0, 0, 300, 200), thing("bus", 500, 200, 200, 200)
IMAGES = [
    {
        "image_id": n,
        "width": 800,
        "height": 600,
        "url": f"https://cs.stanford.edu/people/rak248/VG_100K_2/{n}.jpg",
        "coco_id": None,
        "flickr_id": None,
    }
    for n in (1, 2)
]
THINGS = [CLOCK, MAN, HAT, TREES, BUS]
OBJECTS = [{"image_id": 1, "objects": THINGS, "image_url": "https://x/VG_100K_2/1.jpg"}]
ATTRIBUTES = [
    {
        "image_id": 1,
        "attributes": [
            {**CLOCK, "attributes": ["green", "tall"]},
            {**MAN, "attributes": ["Sleeping"]},
            {**BUS, "attributes": ["red", " "]},
            {**TREES, "attributes": ["leafy", "in the back"]},
            HAT,
        ],
    }
]
RELATIONS = [
    {
        "image_id": 1,
        "relationships": [
            {"predicate": "WEARING A", "relationship_id": 1, "synsets": [], "subject": MAN, "object": HAT},
            {
                "predicate": "next to",
                "subject": {"name": "clock", **{side: CLOCK[side] for side in "xywh"}},
                "object": MAN,
            },
        ],
    }
]
PHRASE = {"region_id": 1, "image_id": 1, "x": 421, "y": 57, "width": 82, "height": 139, "phrase": "the clock is green"}
REGIONS_FILE = [{"id": 1, "regions": [PHRASE]}]


def write(folder: Path, **files: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder


def whole(folder: Path, **others: Any) -> Path:
    files: dict[str, Any] = {"objects": OBJECTS, "attributes": ATTRIBUTES, "relationships": RELATIONS}
    return write(folder, **{"image_data": IMAGES, "region_descriptions": REGIONS_FILE, **files, **others})


def load(folder: Path) -> Corpus:
    assert find_format(CorpusSettings(path=str(folder))).name == "visual_genome"
    return load_corpus(CorpusSettings(path=str(folder)))


def test_objects_are_boxes_and_the_rest_is_said_of_parts(tmp_path: Path) -> None:
    corpus = load(whole(tmp_path))
    first, second = corpus.images
    assert (first.image_id, first.file_name, first.captions) == ("1", "VG_100K_2/1.jpg", ())
    assert [(box.category, box.is_crowd) for box in first.boxes] == [
        ("clock", False),
        ("man", False),
        ("hat", False),
        ("tree", True),
        ("bus", False),
    ]
    assert first.boxes[1].box_unit == (100 / 800, 200 / 600, 200 / 800, 500 / 600)
    assert [(one.text, one.kind) for one in first.regions or ()] == [
        ("a green clock", "attribute"),
        ("a tall clock", "attribute"),
        ("a man sleeping", "attribute"),
        ("a red bus", "attribute"),
        ("leafy trees", "attribute"),
        ("trees in the back", "attribute"),
        ("a man wearing a hat", "relation"),
        ("a clock next to a man", "relation"),
        ("the clock is green", "phrase"),
    ]
    assert (first.regions or ())[6].box_unit == pytest.approx((100 / 800, 180 / 600, 200 / 800, 500 / 600), abs=1e-6)
    assert (second.boxes, second.regions, second.absent) == ((), UNSET, ())
    assert {*(first.unfinished or ())} == {"clock", "man", "hat", "tree", "bus"} and first.absent == ()
    assert (corpus.findings, corpus.refusal) == ((), None)
    assert open_source(CorpusSettings(path=str(tmp_path))).is_exhaustive is False


def test_what_is_said_of_parts_is_told_and_read_back(tmp_path: Path) -> None:
    image = load(whole(tmp_path)).images[0]
    text = render_context(image, ("captions", "boxes"), ContextSettings())
    of_parts = text.partition(f"{REGIONS}\n")[2].splitlines()
    assert "a man wearing a hat [0.125, 0.3, 0.25, 0.833]" in of_parts
    assert not any(line.startswith("a green clock") for line in of_parts)  # "the clock is green" says it
    assert [one.text for one in parse_context(text).regions or ()] == [line.partition(" [")[0] for line in of_parts]
    assert len(parse_context(text).boxes) == 5
    few = render_context(image, ("captions", "boxes"), ContextSettings(max_boxes=2)).partition(f"{REGIONS}\n")[2]
    assert [line.partition(" [")[0] for line in few.splitlines()] == ["leafy trees", "a clock next to a man"]
    assert REGIONS not in render_context(image, ("captions", "boxes"), ContextSettings(style="llava"))
    with pytest.raises(ValueError, match="should be a sentence on a part"):
        parse_context(f"{REGIONS}\na man")


@pytest.mark.parametrize(
    ("answer", "kind", "verdict"),
    [
        ("The bus is blue.", "attribute", "contradicted"),
        ("The bus is red.", "attribute", "supported_by_caption"),
        ("The hat is red.", "attribute", "unknown"),
        ("Some clocks are blue.", "attribute", "unknown"),
        ("The man is wearing a hat.", "relation", "supported_by_caption"),
        ("The clock is next to the man.", "relation", "supported_by_caption"),
        ("The dog is sleeping.", "action", "supported_by_caption"),
        ("There are two men.", "count", "unknown"),
        ("There is a zeppelin.", "thing", "unknown"),
    ],
)
def test_claims_are_held_against_attributes_and_relations(tmp_path: Path, answer: str, kind: str, verdict: str) -> None:
    dog = {**thing("dog", 300, 300, 90, 90), "attributes": ["sleeping"]}
    attributes = [{"image_id": 1, "attributes": [*ATTRIBUTES[0]["attributes"], dog]}]  # type: ignore[misc]
    corpus = load(whole(tmp_path, attributes=attributes, objects=[{"image_id": 1, "objects": [*THINGS, dog]}]))
    (turn,) = judge_turns((Turn("What do you see?", answer),), corpus.images[0], corpus.categories, Settings().checks)
    assert [claim.verdict for claim in turn.claims if claim.kind == kind][:1] == [verdict]


def test_of_several_things_an_attribute_says_nothing_against_another(tmp_path: Path) -> None:
    objects = [{"image_id": 1, "objects": [BUS, thing("bus", 0, 0, 90, 90)]}]
    corpus = load(whole(tmp_path, objects=objects))
    turns = (Turn("?", "The bus is blue."),)
    (turn,) = judge_turns(turns, corpus.images[0], corpus.categories, Settings().checks)
    assert [claim.verdict for claim in turn.claims if claim.kind == "attribute"] == ["unknown"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "objects",
            [{"image_id": 1, "objects": [CLOCK, {**MAN, "x": "left"}, HAT]}],
            "objects.json, image 1, record 2",
        ),
        ("objects", [*OBJECTS, {"image_id": 99, "objects": [CLOCK]}], "image 99 is not in image_data.json"),
        ("objects", [*OBJECTS, {"image_id": 2, "objects": 3}], "objects.json, image 2: holds no list"),
        ("relationships", [{"image_id": 1, "relationships": [{"predicate": "on"}]}, *RELATIONS], "relationships.json"),
        (
            "image_data",
            [*IMAGES, {"image_id": 3, "width": 0, "height": 5}],
            "image_data.json, record 3 at $.width: expected",
        ),
        ("image_data", [*IMAGES, *IMAGES[:1]], "lists image 1 twice"),
        ("region_descriptions", [{"id": 1, "regions": [{**PHRASE, "x": 900}]}], "outside the frame"),
    ],
)
def test_a_faulty_record_costs_itself(tmp_path: Path, name: str, content: Any, said: str) -> None:
    corpus = load(whole(tmp_path, **{name: content}))
    assert corpus.refusal is None
    (finding,) = corpus.findings
    assert said in finding.detail
    assert len(corpus.images[0].boxes) >= 2 and corpus.images[0].regions


@pytest.mark.parametrize("text", ["[", "{}", "[3", json.dumps(OBJECTS)[:-9]])
def test_a_file_that_is_something_else_is_told(tmp_path: Path, text: str) -> None:
    whole(tmp_path, objects=text)
    with pytest.raises(CorpusError, match=r"objects\.json: is no JSON list") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [[1, 2], ["a"], [{"image_id": 9, "objects": []}]])
def test_a_file_of_other_images_is_told(tmp_path: Path, content: Any) -> None:
    whole(tmp_path, objects=content)
    with pytest.raises(CorpusError, match=r"objects\.json: of \d entries none is of an image of image_data\.json"):
        load(tmp_path)


def test_rare_names_are_no_categories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visual_genome, "MAX_CATEGORIES", 1)
    objects = [{"image_id": 1, "objects": [CLOCK, MAN, MAN]}]
    corpus = load(whole(tmp_path, objects=objects))
    assert corpus.categories == ("man",)
    assert [finding.detail for finding in corpus.findings] == [
        "1 of 3 boxes have one of 1 rare names, such as misspellings; left out as boxes"
    ]


def test_pictures_are_found_in_their_folders_or_in_one(tmp_path: Path) -> None:
    whole(tmp_path)
    assert open_source(CorpusSettings(path=str(tmp_path))).pictures is None
    (tmp_path / "1.jpg").touch()
    assert load(tmp_path).images[0].file_name == "1.jpg"
    (tmp_path / "images" / "VG_100K_2").mkdir(parents=True)
    assert open_source(CorpusSettings(path=str(tmp_path))).pictures == str(tmp_path / "images")
    assert load(tmp_path).images[0].file_name == "VG_100K_2/1.jpg"


def test_what_is_said_of_parts_survives_the_cache_and_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = load(whole(tmp_path / "vg")).images
    assert isinstance(images, AnnotatedImages)
    monkeypatch.setattr("datagen.corpus.cache.MIN_SOURCE_BYTES", 0)
    monkeypatch.setattr("datagen.corpus.cache.time.time", lambda: 1e12)
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "kept"))
    cache = find_cache({"objects": (str(tmp_path / "vg" / "objects.json"),)})
    assert cache is not None and write_cache(cache, Annotations(images.columns, ()))
    kept = read_cache(cache)
    assert kept is not None
    assert [*AnnotatedImages(kept.columns)] == [*images] == [*AnnotatedImages(columns_of([*images]))]
    assert images[1:][0] == images[1]
    odd = [images[1], images[0], images[1]]
    assert AnnotatedImages(columns_of(odd))[1].regions == images[0].regions
    assert isinstance((images[0].regions or ())[0], Region)
