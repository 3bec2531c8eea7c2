"""What might be in an image and is not: counted over a corpus, and told only where a denial is safe."""

import math

import pytest
from msgspec.structs import replace

from datagen.companions import POOL, SUPPORT, Companions, count_companions, plausibly_absent
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box
from datagen.words import COCO_CATEGORIES

CHECKS = ChecksSettings()


def image(*names: str, captions: tuple[str, ...] = ()) -> AnnotatedImage:
    boxes = tuple(Box(name, (0.1 * n, 0.1, 0.1 * n + 0.09, 0.2), 0.01) for n, name in enumerate(names))
    return AnnotatedImage("1", "1.jpg", 100, 100, captions, boxes)


def goes_with(name: str, *others: str) -> Companions:
    """Of 100 images 10 show each thing; the first shares 9 with the next, 8 with the one after it, down to six."""
    shared = {other: max(SUPPORT + 2, 9 - n) for n, other in enumerate(others)}
    return Companions(100, dict.fromkeys((name, *others), 10), {name: shared})


def absent(shown: AnnotatedImage, *likely: str, deniable: tuple[str, ...] = COCO_CATEGORIES) -> tuple[str, ...]:
    companions = goes_with(shown.boxes[0].category, *likely) if shown.boxes else goes_with("cat", *likely)
    return tuple(plausibly_absent(shown, deniable, companions, COCO_CATEGORIES, CHECKS))


def test_things_that_share_enough_images_are_counted_together():
    images = [image("bed", "cat")] * SUPPORT + [image("bed", "car", "car")] * (SUPPORT - 1) + [image()]
    counted = count_companions(images)
    assert counted.n_images == 2 * SUPPORT - 1
    assert counted.alone == {"bed": 2 * SUPPORT - 1, "cat": SUPPORT, "car": SUPPORT - 1}
    assert counted.together == {"bed": {"cat": SUPPORT}, "cat": {"bed": SUPPORT}}
    assert count_companions([image("bed")]).together == {}


def test_lift_tells_how_much_oftener_than_by_chance():
    companions = Companions(100, {"oven": 10, "sink": 20}, {"oven": {"sink": 8}})
    assert companions.lift("oven", "sink") == 4
    assert companions.lift("sink", "oven") == 0  # not counted together this way round
    assert companions.lift("oven", "sink", 1) == 3
    assert companions.lift("oven", "never seen", 1) == 1
    assert companions.lift("oven", "never seen") == 0


def test_the_likeliest_come_first_and_boxed_ones_never():
    shown = image("pizza", "wine glass")
    alone = dict.fromkeys(("pizza", "wine glass", "cat", "oven", "bus"), 10)
    together = {"pizza": {"cat": 5, "oven": 9, "wine glass": 9}, "wine glass": {"cat": 5}}
    companions = Companions(100, alone, together)
    found = plausibly_absent(shown, COCO_CATEGORIES, companions, COCO_CATEGORIES, CHECKS)
    assert list(found) == ["cat", "oven"]
    assert found["cat"] == pytest.approx(2 * math.log(3))
    assert len(absent(image("surfboard"), *COCO_CATEGORIES)) == POOL


def test_what_the_rest_of_the_image_speaks_against_is_not_expected():
    alone = {"person": 40, "kite": 10, "oven": 40, "sink": 30}
    companions = Companions(100, alone, {"person": {"kite": 9}, "oven": {"sink": 20}})

    def expected(*names: str) -> list[str]:
        return list(plausibly_absent(image(*names), COCO_CATEGORIES, companions, COCO_CATEGORIES, CHECKS))

    assert expected("person") == ["kite"]
    assert expected("person", "oven") == []


def test_what_goes_along_hardly_oftener_than_by_chance_is_not_expected():
    often = Companions(100, {"person": 50, "bench": 20}, {"person": {"bench": 15}})
    assert plausibly_absent(image("person"), COCO_CATEGORIES, often, COCO_CATEGORIES, CHECKS) == {}


def test_only_what_annotators_looked_for_is_told():
    shown = image("dog")
    assert absent(shown, "cat", "bear", "horse", deniable=("bear",)) == ("bear",)
    assert absent(shown, "cat", deniable=()) == ()
    assert absent(image(captions=("A dog.",)), "cat") == ()  # without a box nobody knows whether anyone looked


def test_what_captions_name_or_leave_open_is_not_told():
    assert absent(image("dog", captions=("A kitten and a dog.",)), "cat", "horse") == ("horse",)
    assert absent(image("person", captions=("People and an animal.",)), "cow", "bus") == ("bus",)
    assert absent(image("dog", captions=("An animal.",)), "cow") == ("cow",)  # the animal is the dog


def test_what_may_be_taken_for_something_that_is_there_is_not_told():
    assert absent(image("car"), "truck", "bus") == ("bus",)
    assert absent(image("dog", captions=("A dog beside a bicycle.",)), "motorcycle", "bus") == ("bus",)


def test_what_annotators_overlook_or_box_as_they_like_is_not_told():
    assert absent(image("dining table"), "fork", "cat", "chair", "book", "apple") == ("cat",)


def test_unfinished_categories_are_out_by_way_of_what_is_deniable():
    from datagen.claims import deniable

    shown = replace(image("dog"), absent=("cat", "bear"), unfinished=("bear",))
    assert absent(shown, "cat", "bear", deniable=deniable(shown, COCO_CATEGORIES, CHECKS)) == ("cat",)
