"""A corpus in the making: what comes in any order stands by image, and what nobody can use is told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from msgspec import UNSET

from datagen.corpus.assembly import Assembly, Corners, corpus_of, within
from datagen.corpus.images import BY_DETECTOR, ONLY_LABELLED
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Box

HALF = (0.0, 0.0, 0.5, 0.5)


def test_what_comes_in_any_order_stands_by_image() -> None:
    assembly = Assembly("mine", ["person", "hot_dog"])
    one, two = assembly.add_image("a\\007.jpg", 20, 10, "CC0-1.0"), assembly.add_image("b.jpg")
    assembly.add_captions(two, ["A dog.", " A  cat.\n"])
    assembly.add_captions(one, ["A cup."])
    assembly.add_boxes([two, one], [1, 0], [HALF, (0.5, 0.5, 1, 1)], crowds=[True, False])
    assembly.add_boxes([one], [assembly.category("dog")], [HALF], [0.1])
    corpus = corpus_of(assembly.annotations(2))
    assert corpus.categories == ("person", "hot dog", "dog")
    assert list(corpus.images) == [
        AnnotatedImage("7", "a/007.jpg", 20, 10, ("A cup.",), (Box("person", (0.5, 0.5, 1, 1), 0.25), Box("dog", HALF, 0.1)), "CC0-1.0"),
        AnnotatedImage("b", "b.jpg", 0, 0, ("A dog.", "A cat."), (Box("hot dog", HALF, 0.25, True),)),
    ]  # fmt: skip
    assert (corpus.findings, corpus.refusal) == ((), None)


def test_labels_of_whole_images_need_no_negatives() -> None:
    assembly = Assembly("mine", ["person", "dog", "1"])
    rows = [assembly.add_image(f"{n}.jpg") for n in range(3)]
    assembly.add_labels(
        [(rows[1], 0), (rows[2], ONLY_LABELLED), (rows[2], BY_DETECTOR), (rows[2], -1 - 1), (rows[2], -1 - 2)]
    )
    images = corpus_of(assembly.annotations(3)).images
    told = [(image.absent or None, image.unfinished or None) for image in images]
    assert told == [(None, None), (None, ("person",)), (("dog",), None)]
    assert images[2].unfinished == () and [image.by_detector for image in images] == [UNSET, UNSET, True]


def test_captions_that_are_none_are_left_out() -> None:
    assembly = Assembly("mine")
    assembly.add_captions(assembly.add_image("1.jpg"), [" ", "A caf\ufffd.", "dog " * 20_000, "A dog."])
    corpus = corpus_of(assembly.annotations(1))
    assert corpus.images[0].captions == ("A dog.",)
    assert [one.kind for one in corpus.findings] == ["empty_caption", "caption_damaged", "caption_too_long"]
    assert {one.image_id for one in corpus.findings} == {"1"}


def test_boxes_are_clipped_to_the_pixel_where_a_size_is_known() -> None:
    assembly = Assembly("mine", ["dog"])
    rows = [assembly.add_image("1.jpg", 1000, 1000), assembly.add_image("2.jpg")]
    assembly.add_boxes(rows * 2, [0] * 4, [(0.5, 0, 1.0009, 1)] * 2 + [(0.5, 0, 1.0018, 1)] * 2)
    corpus = corpus_of(assembly.annotations(2))
    assert [one.image_id for one in corpus.findings] == ["1"]
    assert (
        "dog, box [500, 0, 1002, 1000] (left, top, right, bottom, px) reaches over the frame by"
        in corpus.findings[0].detail
    )
    assert all(box.box_unit == (0.5, 0, 1, 1) and box.area_unit == 0.5 for one in corpus.images for box in one.boxes)


def told_as(guess: str | None, corners: Corners) -> str | None:
    assert len(corners) == 10
    return guess


def test_a_run_stops_where_most_boxes_do_not_fit() -> None:
    for n_odd, guess, refused in ((5, None, False), (6, None, True), (2, "they are pixels", True), (1, "hm", False)):
        assembly = Assembly("mine", ["dog"])
        odd = [(2.0, 2, 3, 3)] * n_odd + [HALF] * (10 - n_odd)
        assembly.add_boxes([assembly.add_image("1.jpg")] * 10, [0] * 10, odd)
        refusal = assembly.annotations(1, partial(told_as, guess)).refusal
        assert (refusal is not None) == refused
        assert refusal is None or f"{n_odd} of 10 boxes do not fit" in refusal
        assert guess is None or refusal is None or f"Likely cause: {guess}" in refusal


def test_a_run_stops_where_most_boxes_have_no_name() -> None:
    assembly = Assembly("mine", ["0", "dog"])
    assembly.add_boxes([assembly.add_image("1.jpg")] * 3, [0, 0, 1], [HALF] * 3)
    assert "2 of 3 boxes have categories without a name" in (assembly.annotations(1).refusal or "")


def test_a_run_stops_where_most_records_are_faulty_or_there_is_no_image() -> None:
    assembly = Assembly("mine")
    assembly.tell_unreadable("a.xml", "is empty")
    with pytest.raises(CorpusError, match=r"^mine: of 1 records none is an image, such as a\.xml: is empty\.$"):
        assembly.annotations(1)
    assembly.add_image("1.jpg")
    assert assembly.annotations(2).refusal is None
    assembly.tell_unreadable("b.xml", "is empty")
    assert "2 of 3 records cannot be read, such as a.xml: is empty" in (assembly.annotations(3).refusal or "")


def test_a_size_that_no_picture_has_is_none() -> None:
    assembly = Assembly("mine")
    for size in ((0, 5), (10**8, 5), (-3, 5)):
        assembly.add_image("1.jpg", *size)
    assert [(one.width, one.height) for one in corpus_of(assembly.annotations(3)).images] == [(0, 0)] * 3


def test_share_of_boxes_that_fit() -> None:
    assert within(np.array([HALF, (0.5, 0.5, 0.4, 1), (0, 0, 1.2, 1), (0, 0, 1.001, 1)])) == 0.5
    assert within(np.empty((0, 4))) == 0


def test_captions_that_describe_no_picture_and_headings_are_left_out() -> None:
    assembly = Assembly("mine")
    for n in range(30):
        image = assembly.add_image(f"{n}.jpg")
        assembly.add_captions(
            image, ["Our holiday in the hills.", f"A dog near {n} cups.", "IMG_0001.jpg"][: 2 + (n == 4)]
        )
    corpus = corpus_of(assembly.annotations(30))
    assert [one.captions for one in corpus.images] == [(f"A dog near {n} cups.",) for n in range(30)]
    assert [(one.kind, one.image_id) for one in corpus.findings] == [("caption_is_name", "4"), ("captions_alike", None)]


def test_categories_that_name_no_thing_are_left_out_with_their_boxes() -> None:
    assembly = Assembly("mine", ["no-helmet", "helmet"])
    assembly.add_boxes([assembly.add_image("1.jpg")] * 3, [0, 1, 1], [HALF] * 3)
    corpus = corpus_of(assembly.annotations(1))
    assert corpus.categories == ("helmet",)
    assert [box.category for box in corpus.images[0].boxes] == ["helmet"] * 2
    (finding,) = corpus.findings
    assert finding.kind == "category_no_thing" and "left out with their 1 of 3 boxes" in finding.detail
    assert corpus.refusal is None


def test_records_that_are_left_out_leave_their_categories_open() -> None:
    assembly = Assembly("mine", ["person"])
    one, two, three = (assembly.add_image(f"{n}.jpg", 100, 100) for n in range(3))
    assembly.add_boxes([one, one, two, three], [0, 0, 0, 0], [HALF, (2, 2, 3, 3), HALF, HALF])
    assembly.tell_unreadable("two", "is faulty", image=two)
    assembly.leave_open(three, assembly.category("dog"))
    images = corpus_of(assembly.annotations(20)).images
    assert [image.unfinished or () for image in images] == [("person",), ("person", "dog"), ("dog",)]
