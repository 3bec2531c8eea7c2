"""Coordinates by model family: each form read back is the box within its rounding, by readers of others where there are."""

import json
import math
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from datagen.box_text import boxes_in, tell_box
from datagen.claims import judge_turns
from datagen.config import ChecksSettings
from datagen.errors import SettingsError
from datagen.export import COORDINATES, LeftOut, family_of
from datagen.export.coordinates import in_coordinates
from datagen.geometry import resized_by_qwen
from datagen.records import AnnotatedImage, Box, BoxUnit, Provenance, Sample, Turn, Validation

SIZE = (640, 427)
DOG, CUPS = (0.123, 0.2, 0.456, 0.9), ((0.5, 0.61, 0.58, 0.7), (0.7, 0.6, 1.0, 1.0))
IMAGE = AnnotatedImage(
    "1", "1.jpg", *SIZE, (), (Box("dog", DOG, 0.2), *(Box("cup", box, 0.01) for box in CUPS))
)  # fmt: skip
BOX_OF = {"dog": [DOG], "cup": list(CUPS)}
ALL = [DOG, *CUPS]
TURNS = (
    Turn("Where is the dog?", f"The dog {tell_box(DOG)} sleeps."),
    Turn("Give the boxes of the two cups.", f"{tell_box(CUPS[0])} and {tell_box(CUPS[1])}"),
    Turn(f"What is at {tell_box(DOG)}?", "A dog."),
    Turn(
        "Where are they?",
        f"Two cups {tell_box(CUPS[0])} and {tell_box(CUPS[1])} stand there, the dog is at {tell_box(DOG)}.",
    ),
)
ORDER = [DOG, *CUPS, DOG, *CUPS, DOG]
"""The boxes of the turns, one after another."""


def sample() -> Sample:
    turns = judge_turns(TURNS, IMAGE, ("dog", "cup"), ChecksSettings())
    assert all(one.verdict == "supported_by_boxes" for turn in turns for one in turn.claims if one.kind == "box")
    return Sample("1-x", "1", "1.jpg", "x", turns, "accepted", Provenance("t", "r", "q", "s"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", SIZE).save(tmp_path / "1.jpg")
    return tmp_path / "1.jpg"


def written(picture: Path, family: str) -> str:
    found = in_coordinates(sample(), picture, family)
    assert not isinstance(found, LeftOut)
    assert not any(turn.claims for turn in found.turns)
    return "\n".join(f"{turn.question}\n{turn.answer}" for turn in found.turns)


def numbers(text: str) -> list[list[float]]:
    found = re.findall(r"\[(\d[\d.]*(?:, \d[\d.]*){3})\]", text)
    return [[float(n) for n in one.split(",")] for one in found]


def assert_near(read: list[BoxUnit], slack: tuple[float, float]) -> None:
    assert len(read) == len(ORDER)
    for box, right in zip(read, ORDER, strict=True):
        assert all(abs(a - b) <= by for a, b, by in zip(box, right, slack * 2, strict=True)), (box, right)


def over(corners: list[float], width: float, height: float) -> BoxUnit:
    left, top, right, bottom = corners
    return left / width, top / height, right / width, bottom / height


def test_a_validators_verdict_stays(picture: Path) -> None:
    judged = replace(sample(), turns=(replace(TURNS[0], validation=Validation("supported")),))
    found = in_coordinates(judged, picture, "qwen3-vl")
    assert not isinstance(found, LeftOut)
    assert found.turns[0].validation == Validation("supported")


def test_shares_stay_as_they_are(picture: Path) -> None:
    assert written(picture, "shares") == "\n".join(f"{turn.question}\n{turn.answer}" for turn in TURNS)


def test_llava_pads_to_a_square(picture: Path) -> None:
    read = []
    for left, top, right, bottom in numbers(written(picture, "llava-1.5")):
        margin = (640 - 427) / 2
        read.append(over([left * 640, top * 640 - margin, right * 640, bottom * 640 - margin], *SIZE))
    assert_near(read, (0.0051, 0.0051 * 640 / 427))


@pytest.mark.parametrize(("family", "most"), [("qwen2.5-vl", 12_845_056), ("qwen2.5-vl:100352", 100_352)])
def test_qwen25_has_pixels_of_the_resized_picture(picture: Path, family: str, most: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    height, width = smart_resize(SIZE[1], SIZE[0], 28, 3136, most)
    assert (width, height) == resized_by_qwen(SIZE, most)
    read = numbers(written(picture, family))
    assert all(corner == int(corner) for box in read for corner in box)
    assert_near([over(box, width, height) for box in read], (1.01 / width, 1.01 / height))


@pytest.mark.parametrize("size", [(640, 480), (30, 4000), (12, 9), (5000, 3333), (28, 28), (1, 150)])
@pytest.mark.parametrize("most", [12_845_056, 1_003_520])
def test_pictures_are_resized_as_by_qwens_processor(size: tuple[int, int], most: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    height, width = smart_resize(size[1], size[0], 28, 3136, most)
    assert resized_by_qwen(size, most) == (width, height)


def test_qwen3_has_thousandths_and_json_where_an_answer_is_boxes_alone(picture: Path) -> None:
    text = written(picture, "qwen3-vl")
    assert_near([over(box, 1000, 1000) for box in numbers(text)], (0.0006, 0.0006))
    assert json.loads(text.split("\n")[3]) == [
        {"bbox_2d": [500, 610, 580, 700], "label": "cup"},
        {"bbox_2d": [700, 600, 1000, 1000], "label": "cup"},
    ]
    assert text.split("\n")[1] == "The dog [123, 200, 456, 900] sleeps."


def test_internvl_puts_words_and_boxes_in_tags(picture: Path) -> None:
    text = written(picture, "internvl")
    assert text.split("\n") == [
        "Where is the dog?",
        "<ref>The dog</ref><box>[[123, 200, 456, 900]]</box> sleeps.",
        "Give the boxes of the two cups.",
        "<ref>cup</ref><box>[[500, 610, 580, 700], [700, 600, 1000, 1000]]</box>",
        "What is at <box>[[123, 200, 456, 900]]</box>?",
        "A dog.",
        "Where are they?",
        "<ref>Two cups</ref><box>[[500, 610, 580, 700], [700, 600, 1000, 1000]]</box> stand there, "
        "the dog is at <ref>dog</ref><box>[[123, 200, 456, 900]]</box>.",
    ]
    assert_near([over(box, 1000, 1000) for box in numbers(text)], (0.001, 0.001))


def test_paligemma_has_location_tokens_top_first(picture: Path) -> None:
    text = written(picture, "paligemma")
    tokens = [int(n) / 1023 for n in re.findall(r"<loc(\d{4})>", text)]
    read = [(tokens[n + 1], tokens[n], tokens[n + 3], tokens[n + 2]) for n in range(0, len(tokens), 4)]
    assert_near(read, (0.0005, 0.0005))
    assert re.fullmatch(r"(?:<loc\d{4}>){4} cup ; (?:<loc\d{4}>){4} cup", text.split("\n")[3])
    assert re.fullmatch(r"The dog (?:<loc\d{4}>){4} sleeps\.", text.split("\n")[1])


def test_kosmos_reads_its_patches(picture: Path) -> None:
    from transformers.models.kosmos2.processing_kosmos2 import (
        clean_text_and_extract_entities_with_bboxes,
        coordinate_to_patch_index,
    )

    text = written(picture, "kosmos-2")
    pairs = [(int(a), int(b)) for a, b in re.findall(r"<patch_index_(\d{4})><patch_index_(\d{4})>", text)]
    assert pairs == [coordinate_to_patch_index(box, 32) for box in ORDER]
    _, entities = clean_text_and_extract_entities_with_bboxes(text.split("\n")[1])
    ((name, _, (box,)),) = entities
    assert name == "The dog"
    assert all(abs(a - b) <= 1 / 32 for a, b in zip(box, DOG, strict=True))
    _, entities = clean_text_and_extract_entities_with_bboxes(text.split("\n")[7])
    assert [(name, len(boxes)) for name, _, boxes in entities] == [("Two cups", 2), ("dog", 1)]
    assert math.isclose(1 / 32, 0.03125)


def test_without_claims_boxes_are_written_without_words(picture: Path) -> None:
    bare = Sample("1-x", "1", "1.jpg", "x", (TURNS[0],), "accepted", Provenance("t", "r", "q", "s"))
    for family in COORDINATES:
        found = in_coordinates(bare, picture, family)
        assert not isinstance(found, LeftOut)
        assert found.turns[0].answer.startswith("The dog ") and found.turns[0].answer.endswith(" sleeps.")
        assert family == "shares" or not any(boxes_in(found.turns[0].answer)) or family == "llava-1.5"


def test_a_text_with_the_familys_own_tokens_is_left_out(picture: Path) -> None:
    turn = Turn("Where is it?", f"The <box> sign is at {tell_box(DOG)}.")
    odd = Sample("1-x", "1", "1.jpg", "x", (turn,), "accepted", Provenance("t", "r", "q", "s"))
    found = in_coordinates(odd, picture, "internvl")
    assert isinstance(found, LeftOut) and found.reason == "trainer_token"
    assert not isinstance(in_coordinates(odd, picture, "qwen3-vl"), LeftOut)


@pytest.mark.parametrize("asked", ["pixels", "qwen2.5-vl:many", "qwen2.5-vl:100", "qwen3-vl:100000", "internvl:1"])
def test_what_is_no_family_is_named(asked: str) -> None:
    with pytest.raises(SettingsError, match=f"--coordinates {re.escape(asked)}: expected"):
        family_of(asked)


def test_every_family_stands_in_the_docs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "pointing.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert {name: rows.get(name) for name in COORDINATES} == {name: one.says for name, one in COORDINATES.items()}
