"""RefCOCO's expressions: whose box they are of, which pictures evaluations keep, and what is no JSON."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from datagen.config import ContextSettings, CorpusSettings
from datagen.context import render_context
from datagen.corpus import Corpus, find_format, load_corpus
from datagen.errors import CorpusError
from datagen.records import Region

IMAGES = [{"id": n, "file_name": f"COCO_train2014_{n:012}.jpg", "width": 100, "height": 50} for n in (1, 2, 3)]
BOXES = [
    {"id": 10 + n, "image_id": n, "category_id": 1, "bbox": [10, 5, 50, 40], "area": 900, "iscrowd": 0}
    for n in (1, 2, 3)
]
TREE = {"images": IMAGES, "annotations": BOXES, "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}]}


def ref(image: int = 1, split: str = "train", box: Any = None, *said: str) -> dict[str, Any]:
    """As an entry of ``refs(unc).p``."""
    return {
        "ref_id": image,
        "ann_id": 10 + image if box is None else box,
        "image_id": image,
        "category_id": 1,
        "split": split,
        "file_name": "x.jpg",
        "sent_ids": [1],
        "sentences": [
            {"tokens": text.split(), "raw": text.title(), "sent_id": 1, "sent": text}
            for text in said or ("man in red",)
        ],
    }


def load(folder: Path, refs: Any, name: str = "refs(unc).json") -> Corpus:
    (folder / "instances.json").write_text(json.dumps(TREE))
    (folder / name).write_text(refs if isinstance(refs, str) else json.dumps(refs))
    settings = CorpusSettings(path=str(folder))
    assert find_format(settings).name == "refcoco"
    return load_corpus(settings)


def test_expressions_are_told_of_their_boxes(tmp_path: Path) -> None:
    corpus = load(tmp_path, [ref(1, "train", None, "man in red", "left  guy", "man in red"), ref(3)])
    corners = (0.1, 0.1, 0.6, 0.9)
    first, third = corpus.images
    assert (first.image_id, third.image_id) == ("1", "3")
    assert [(one.text, one.kind) for one in first.regions or ()] == [
        ("man in red", "expression"),
        ("left guy", "expression"),
    ]
    for box_unit in ((first.regions or ())[0].box_unit, first.boxes[0].box_unit):
        assert box_unit == pytest.approx(corners, abs=1e-6)
    assert [type(one) for one in third.regions or ()] == [Region]
    assert (corpus.findings, corpus.refusal, corpus.categories) == ((), None, ("person", "dog"))
    told = render_context(first, ("captions", "boxes"), ContextSettings())
    assert told.endswith("man in red [0.1, 0.1, 0.6, 0.9]\nleft guy [0.1, 0.1, 0.6, 0.9]")


def test_what_evaluations_are_made_of_is_left_out(tmp_path: Path) -> None:
    corpus = load(tmp_path, [ref(1), ref(2, "testA"), ref(2, "train"), ref(3, "val")])
    assert [image.image_id for image in corpus.images] == ["1"]
    assert [finding.detail for finding in corpus.findings] == [
        "2 images have expressions of val or test, which evaluations are made of; left out"
    ]
    assert len(load(tmp_path, [ref(2, "testA"), ref(3, "val")]).images) == 2


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (ref(1, "train", 99), "instances.json has no box 99 in an image 1"),
        (ref(9), "instances.json has no box 19 in an image 9"),
        ({"ann_id": 11}, "refs(unc).json: Object missing required field `image_id`"),
        ({**ref(2), "sentences": 7}, "refs(unc).json: Expected `array`, got `int` - at `$.sentences`"),
    ],
)
def test_a_faulty_expression_costs_itself(tmp_path: Path, odd: Any, said: str) -> None:
    corpus = load(tmp_path, [ref(1), odd, ref(2)])
    (finding,) = corpus.findings
    assert finding.kind == "record_unreadable" and said in finding.detail
    assert [len(image.regions or ()) for image in corpus.images] == [1, 1]


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Odd:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "instances.json").write_text(json.dumps(TREE))
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([Odd()]))
    with pytest.raises(CorpusError, match=r"refs\(unc\)\.p: is a Python pickle.*write it as JSON beside it: python -c"):
        load_corpus(CorpusSettings(path=str(tmp_path)))
    assert not (tmp_path / "ran").exists()
    assert len(load(tmp_path, [ref(1)]).images) == 1  # the JSON beside it is taken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "is no JSON that can be read to its end"),
        ("", "is empty"),
        ("{}", "is no JSON that can be read to its end"),
        ("[]", "of 0 expressions none is of an object"),
        (json.dumps([ref(9)]), "of 1 expressions none is of an object"),
    ],
)
def test_a_file_that_is_something_else_is_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        load(tmp_path, text)


def test_instances_are_needed(tmp_path: Path) -> None:
    (tmp_path / "refs(unc).json").write_text(json.dumps([ref(1)]))
    with pytest.raises(CorpusError, match=r"instances\.json: no such"):
        load_corpus(CorpusSettings(path=str(tmp_path / "refs(unc).json")))
