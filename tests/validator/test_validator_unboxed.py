"""Missing boxes: what pixels show and no box does, the surest first, and nothing that something boxed explains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from PIL import Image

from datagen.records import AnnotatedImage, Box, Claim, Finding, Probe, ProbeResult, ProbeScore, Turn, Validation
from datagen.validator import Abilities, Fault, Look, score_key
from datagen.validator.protocol import OUTSIDE
from datagen.validator.unboxed import IMAGES_AT_ONCE, Looked, find_unboxed, look_for_unboxed, unboxed_in
from datagen.words import COCO_CATEGORIES

WHOLE = (0.0, 0.0, 1.0, 1.0)


class Seer:
    """Knows four things, and sees what it is told; everything else not at all."""

    identity, n_readers = "seer", 0
    abilities = Abilities(categories=frozenset({"dog", "cat", "car", "cup"}))

    def __init__(self, seen: dict[str, dict[str, float]]) -> None:
        self.seen = seen
        self.asked: list[Look] = []

    def look_over(self, names: Sequence[str], load_picture: object) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: object, known: object = frozenset()
    ) -> Iterator[ProbeScore | Fault]:
        self.asked += looks
        for look in looks:
            if look.picture not in self.seen:
                yield Fault(look.picture, OUTSIDE, "it is a chart")
                continue
            for item in look.items:
                assert isinstance(item, Probe)
                chance = next((c for name, c in self.seen[look.picture].items() if name in item.question), 0.01)
                yield ProbeScore(score_key(self.identity, look, item), look.picture, (chance, 1 - chance))


def image(image_id: str, *boxed: str, captions: tuple[str, ...] = ()) -> AnnotatedImage:
    boxes = tuple(Box(name, WHOLE, 1.0) for name in boxed)
    return AnnotatedImage(image_id, f"{image_id}.jpg", 100, 100, captions, boxes)


def look(seer: Seer, *images: AnnotatedImage) -> Looked:
    return look_for_unboxed(images, COCO_CATEGORIES, seer, lambda name: Image.new("RGB", (9, 9)))


def told(looked: Looked) -> list[tuple[str, str | None, str]]:
    return [(one.kind, one.image_id, one.detail) for one in find_unboxed(looked)]


def test_what_is_surely_there_and_has_no_box_is_told_what_captions_name_first() -> None:
    seer = Seer({
        "1.jpg": {"dog": 0.98, "car": 0.97, "cup": 0.6},
        "2.jpg": {"dog": 0.96, "cup": 0.93},
        "3.jpg": {"cup": 0.7},
    })  # fmt: skip
    looked = look(seer, image("1", "car"), image("2"), image("3", "dog", captions=("A dog by a cup.",)))
    assert told(looked) == [
        ("probably_unboxed", "3", "cup: 70% likely to be there by the pixels, no box shows one; captions name one too"),
        ("probably_unboxed", "1", "dog: 98% likely to be there by the pixels, no box shows one; no caption names one"),
        ("probably_unboxed", "2", "dog: 96% likely to be there by the pixels, no box shows one; no caption names one"),
    ]  # fmt: skip
    assert sorted(looked.of_boxed) == [0.01, 0.97]  # the dog of the third is boxed, and not seen
    assert all(len(one.items) == 4 for one in seer.asked)  # only what it knows


def test_what_something_boxed_may_be_taken_for_is_not_told() -> None:
    seer = Seer({"1.jpg": {"car": 0.99}, "2.jpg": {"car": 0.99}})
    looked = look(seer, image("1", "truck"), image("2", "bench"))
    assert [one.image_id for one in find_unboxed(looked)] == ["2"]


def test_pictures_that_it_does_not_know_are_told() -> None:
    looked = look(Seer({"2.jpg": {}}), image("1", "dog"), image("2", "dog"))
    assert list(find_unboxed(looked)) == [Finding("image_not_looked_at", "1", "it is a chart")]


def test_a_large_corpus_is_handed_over_in_parts_and_nothing_is_lost() -> None:
    number = 2 * IMAGES_AT_ONCE + 3
    seer = Seer({f"{n}.jpg": {"dog": 0.99} for n in range(number)})
    assert len(list(find_unboxed(look(seer, *(image(str(n), "car") for n in range(number)))))) == number


def test_a_picture_full_of_missing_boxes_is_one_that_it_does_not_know() -> None:
    looked = look(Seer({"1.jpg": dict.fromkeys(("dog", "cat", "car", "cup"), 0.99)}), image("1", "bench"))
    (only,) = find_unboxed(looked)
    assert (only.kind, only.image_id) == ("image_not_looked_at", "1")
    assert only.detail == "the validator is sure of 4 things without a box: it does not know such pictures"


def turn(kind: str, verdict: str, chance: float) -> Turn:
    claim = Claim(kind, "dog", 0, 3, verdict, "")  # type: ignore[arg-type]
    seen = Validation("not doubted", probes=(ProbeResult(0, "Is there a dog in the image?", chance),))
    return Turn("What is there?", "A dog.", (claim,), seen)


@pytest.mark.parametrize(
    ("kind", "verdict", "chance", "found"),
    [
        ("presence", "supported_by_caption", 0.6, (0.6, True)),
        ("presence", "supported_by_caption", 0.4, None),
        ("presence", "unknown", 0.96, (0.96, False)),
        ("presence", "unknown", 0.6, None),
        ("presence", "supported_by_boxes", 0.99, None),
        ("absence", "supported_by_boxes", 0.04, (0.96, False)),
        ("absence", "supported_by_boxes", 0.5, None),
    ],
)
def test_a_turn_tells_of_what_no_box_shows(
    kind: str, verdict: str, chance: float, found: tuple[float, bool] | None
) -> None:
    assert [(one.chance, one.is_captioned) for one in unboxed_in(turn(kind, verdict, chance))] == [found] * bool(found)
    assert list(unboxed_in(Turn("What is there?", "A dog."))) == []
