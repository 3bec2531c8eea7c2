"""What might be in an image and is not: counted over a corpus, and told only where a denial is safe."""

from msgspec.structs import replace

from datagen.companions import POOL, Companions, count_companions, plausibly_absent
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box
from datagen.words import COCO_CATEGORIES

CHECKS = ChecksSettings()


def image(*names: str, captions: tuple[str, ...] = ()) -> AnnotatedImage:
    boxes = tuple(Box(name, (0.1 * n, 0.1, 0.1 * n + 0.09, 0.2), 0.01) for n, name in enumerate(names))
    return AnnotatedImage("1", "1.jpg", 100, 100, captions, boxes)


def absent(shown: AnnotatedImage, *likely: str, deniable: tuple[str, ...] = COCO_CATEGORIES) -> tuple[str, ...]:
    near = {shown.boxes[0].category: {name: 1 - n / 100 for n, name in enumerate(likely)}} if shown.boxes else {}
    return plausibly_absent(shown, deniable, Companions(near), COCO_CATEGORIES, CHECKS)


def test_what_shares_images_is_near_and_what_is_everywhere_is_not_nearest():
    images = [image("bed", "person"), image("bed", "cat"), image("cat", "person"), *[image("car", "person")] * 9]
    near = count_companions(images).near
    assert list(near["bed"]) == ["cat", "person"]
    assert near["bed"]["cat"] == near["cat"]["bed"] == 1 / 2
    assert "car" not in near["bed"]
    assert count_companions([image("bed")]).near == {}


def test_the_likeliest_come_first_and_boxed_ones_never():
    shown = image("pizza", "wine glass")
    companions = Companions({"pizza": {"cat": 0.2, "oven": 0.3, "wine glass": 0.9}, "wine glass": {"cat": 0.2}})
    assert plausibly_absent(shown, COCO_CATEGORIES, companions, COCO_CATEGORIES, CHECKS) == ("cat", "oven")
    assert len(absent(shown, *COCO_CATEGORIES)) == POOL


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
