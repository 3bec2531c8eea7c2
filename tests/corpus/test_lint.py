"""What lint finds in annotations, and what it leaves alone."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.corpus import PictureError
from datagen.corpus.lint import ERRORS, language_of_captions, level_of, lint_corpus, lint_image, lint_text
from datagen.lexicon import Lexicon
from datagen.records import AnnotatedImage, Box

CATEGORIES = ("person", "dog", "cat", "cup", "plate", "sheep", "scissors", "chair", "bowl", "dining table", "toilet")
LEXICON = Lexicon(CATEGORIES)
LEFT, MIDDLE, RIGHT = (0.1, 0.3, 0.3, 0.6), (0.42, 0.3, 0.58, 0.6), (0.7, 0.3, 0.9, 0.6)
LOW = (0.4, 0.75, 0.6, 0.95)


def box(category: str, corners=LEFT, is_crowd: bool = False) -> Box:
    return Box(category, corners, 0.05, is_crowd)


def scene(captions=(), boxes=()) -> AnnotatedImage:
    return AnnotatedImage("1", "1.jpg", 100, 100, tuple(captions), tuple(boxes))


def kinds(image: AnnotatedImage) -> list[str]:
    return [finding.kind for finding in lint_image(image, LEXICON)]


def details(text: str, *boxes: Box) -> list[str]:
    return [finding.detail for finding in lint_text(text, scene(boxes=boxes), LEXICON)]


THREE_DOGS = (box("dog", LEFT), box("dog", MIDDLE), box("dog", RIGHT))


def test_a_clean_image_has_no_findings():
    assert kinds(scene(["A dog beside a cat."], [box("dog", LEFT), box("cat", RIGHT)])) == []


def test_doubled_boxes_are_found_across_classes():
    image = scene(["A cup on a bowl"], [box("cup", (0.1, 0.1, 0.5, 0.5)), box("bowl", (0.1, 0.1, 0.5, 0.49))])
    (finding,) = lint_image(image, LEXICON)
    assert finding.kind == "doubled_box"
    assert finding.detail == "cup and bowl are boxed around one object, IoU 0.97"


def test_two_things_that_fill_each_other_are_no_fault():
    image = scene(
        ["A man on a couch, on his sofa"], [box("person", (0.1, 0.1, 0.5, 0.5)), box("couch", (0.1, 0.1, 0.65, 0.5))]
    )
    assert "doubled_box" not in kinds(image)


def test_crowds_are_told_once_per_category():
    image = scene(["sheep"], [box("sheep", LEFT, True), box("sheep", RIGHT, True), box("sheep", MIDDLE)])
    assert [f.detail for f in lint_image(image, LEXICON)] == ["sheep: 2 crowd regions, members not counted"]
    single = scene(["sheep"], [box("sheep", LEFT, True)])
    assert [f.detail for f in lint_image(single, LEXICON)] == ["sheep: 1 crowd region, members not counted"]


def test_boxes_and_captions_are_held_against_each_other():
    image = scene(["A man drinks from a mug"], [box("cup", LEFT), box("dog", RIGHT)])
    found = {finding.kind: finding.detail for finding in lint_image(image, LEXICON)}
    assert found == {
        "box_never_captioned": "dog is boxed, no caption names it",
        "caption_names_unboxed": "captions name person, no box shows one",
    }


def test_missing_halves_are_told_once():
    assert kinds(scene(boxes=[box("dog")])) == ["no_captions"]
    assert kinds(scene()) == ["nothing_annotated"]
    (finding,) = lint_image(scene(["two dogs and a cat"]), LEXICON)
    assert (finding.kind, finding.detail) == ("no_boxes", "no object is boxed, though captions name cat, dog")


@pytest.mark.parametrize(
    "text",
    [
        "four dogs run",
        "4 small brown dogs run",
        "There are four happy dogs on the grass.",
        "two of the four dogs are brown",
        "there are at least two cats, and four dogs",
        "two dogs run",
        "There are two dogs.",
        "a pair of dogs",
        "Only one dog.",
        "exactly one dog!",
        "A single dog.",
    ],
)
def test_wrong_counts_are_found(text):
    assert len(details(text, *THREE_DOGS)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "three dogs",
        "3 little white dogs",
        "one dog is brown and another one is black",
        "one of the dogs is brown",
        "the two dogs sleep",
        "the other two dogs sleep",
        "two dogs on the left",
        "two dogs with collars",
        "two brown dogs",
        "two dogs in a field and one dog on a chair",
        "a couple of dogs",
        "nearly four dogs",
        "four or five dogs",
        "more than two dogs",
        "four more dogs than before",
        "four dog bowls",
        "two dogs' bowls",
        "four bowls of dogs",
        "Are there four dogs?",
        "There are not four dogs but three.",
        "there aren't four dogs",
        "four hot dogs",
        "100 dogs",
        "a number 7 dog",
        "four year old dogs",
        "two people",
        "four puppies",
        "only one toilet paper dispenser",
        "only one dog bowl",
    ],
)
def test_counts_that_may_be_right_are_left_alone(text):
    assert details(text, *THREE_DOGS, box("toilet", LOW), box("toilet", LEFT)) == []


def test_open_counts_allow_more_but_not_fewer():
    crowd = (box("dog", LEFT), box("dog", MIDDLE), box("dog", RIGHT, True))
    assert details("nine dogs", *crowd) == []
    assert details("three dogs", *crowd) == ["dog: text says 3, boxes show at least 4: 'three dogs'"]
    doubled = (box("cup", (0.1, 0.1, 0.5, 0.5)), box("cup", (0.1, 0.1, 0.5, 0.49)))
    assert details("two cups", *doubled) == []
    assert details("a single cup", *doubled) == []


def test_narrower_words_and_couples_are_judged_with_care():
    assert details("two men", box("person")) == ["person: text says 2, boxes show 1: 'two men'"]
    assert details("one man and a woman", box("person"), box("person"), box("person")) == []
    assert details("two tables", box("dining table")) == []  # a wider word: one may be no dining table
    assert details("a couple of dogs", box("dog")) == ["dog: text says 2, boxes show 1: 'a couple of dogs'"]
    assert details("three sheep", box("sheep")) == ["sheep: text says 3, boxes show 1: 'three sheep'"]


def test_pairs_of_scissors_are_counted_as_pairs():
    assert details("a pair of scissors", box("scissors")) == []
    assert details("two pairs of scissors", box("scissors", LEFT), box("scissors", RIGHT)) == []
    assert len(details("two pairs of scissors", box("scissors"))) == 1
    assert details("two pairs of dogs", *THREE_DOGS) == []


@pytest.mark.parametrize(
    "text",
    [
        "The dog on the right.",
        "a dog is on the right side of the picture",
        "The dog sits on the far right and the cat sleeps.",
        "the dog in the middle",
        "The dog at the bottom of the image is brown.",
        "a dog to the right of the cat",
        "The dog sits to the right of a small cat.",
        "the dog is on the right of the cat",
        "a cup above the dog",
        "the dog is below the cup",
    ],
)
def test_wrong_places_are_found(text):
    boxes = (box("dog", (0.05, 0.05, 0.2, 0.25)), box("cat", RIGHT), box("cup", LOW))
    found = list(lint_text(text, scene(boxes=boxes), LEXICON))
    assert [finding.kind for finding in found] == ["caption_side_disagrees"]
    assert found[0].detail.endswith(f": '{text}'")


@pytest.mark.parametrize(
    "text",
    [
        "The dog on the left.",
        "a dog on the right side of the couch",
        "the dog in the middle of the road",
        "the dog on the right hand",
        "a man with a dog on the right",
        "a cup on the plate to the left of the cat",
        "the dog to the left of the cat",
        "the dog is not on the right",
        "Is the dog on the right?",
        "the cat left the dog",
        "a dog at the bottom of the stairs",
        "a chair on the right",
        "the person to the right of the dog",
        "the dog to the right of the dog",
    ],
)
def test_places_that_may_be_right_are_left_alone(text):
    boxes = (box("dog", (0.05, 0.05, 0.2, 0.25)), box("cat", RIGHT), box("cup", LOW), box("plate", (0, 0.5, 1, 1)))
    assert details(text, *boxes) == []


def test_one_fitting_object_is_enough_for_a_place():
    assert details("the dog on the left", *THREE_DOGS) == []
    assert details("the dog on the left", box("dog", RIGHT), box("dog", LEFT, True)) == []


def test_images_without_boxes_contradict_nothing():
    assert details("nine dogs on the left") == []


def test_corpus_findings_come_in_order_with_file_faults_first():
    images = [scene(["a dog"], [box("dog")]), scene([], [box("cat")])]
    faults = {"1.jpg": ("image_missing", "1.jpg is not there")}
    found = list(lint_corpus(images, CATEGORIES, lambda image: faults.get(image.file_name)))
    assert [finding.kind for finding in found] == ["image_missing", "image_missing", "no_captions"]
    assert found[0].detail == "1.jpg is not there"


def test_a_corpus_without_boxes_is_one_fault():
    found = list(lint_corpus([scene(["a dog"]), scene(["a cat"])], CATEGORIES))
    assert [(f.kind, f.image_id, f.detail) for f in found] == [("no_boxes", None, "none of the 2 images has boxes")]
    assert list(lint_corpus([], CATEGORIES)) == []
    with_an_empty_one = lint_corpus([scene(["a dog"]), scene(), scene(["a cat"])], CATEGORIES)
    assert [finding.kind for finding in with_an_empty_one] == ["nothing_annotated", "no_boxes"]


def test_what_costs_samples_is_an_error_and_what_every_corpus_has_a_note():
    reasons = set(re.findall(r"``(image_\w+)``", PictureError.__doc__ or ""))
    assert reasons | {"nothing_annotated"} == ERRORS
    assert {level_of(kind) for kind in ERRORS} == {"error"}
    ordinary = scene(["A dog."], [box("dog"), box("cup", LOW), box("sheep", MIDDLE, True)])
    assert {level_of(kind) for kind in kinds(ordinary)} == {"note"}
    assert level_of("doubled_box") == "warning"


@settings(deadline=None)
@given(
    st.text() | st.lists(st.sampled_from("ſix two 3 dogs dog on the rıght left of , . ? a pair".split())).map(" ".join)
)
def test_any_text_is_survived(text):
    image = scene([text], (*THREE_DOGS, box("cat", LOW)))
    assert all(finding.detail for finding in lint_image(image, LEXICON))


def test_captions_in_another_language_are_told_once() -> None:
    korean = [scene((f"갈색 개 한 마리가 {n}번 잔디밭을 달리고 있습니다.",)) for n in range(3)]
    found = [finding for finding in lint_corpus(korean, CATEGORIES) if finding.kind == "captions_not_english"]
    assert [finding.detail.split(";")[0] for finding in found] == ["captions seem to be in Korean"]
    english = [scene(("A brown dog runs over the lawn.",))]
    assert "captions_not_english" not in {finding.kind for finding in lint_corpus(english, CATEGORIES)}
    assert language_of_captions([]) is None
