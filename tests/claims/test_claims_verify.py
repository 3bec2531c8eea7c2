"""Verdicts follow the boxes where they decide, the captions beside them, and stay open everywhere else."""

import pytest
from msgspec.structs import replace

from datagen.claims import deniable, first_contradiction, is_exhaustive, judge_turns
from datagen.claims.vocabulary import claim_lexicon
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Claim, Turn

NAMES = ("person", "dog", "cat", "cow", "sheep", "cup", "book", "chair", "bench", "zebra", "dining table", "bed")
TINY = (0.45, 0.3, 0.52, 0.4)
LEFT, MIDDLE, RIGHT, LOW = (0.05, 0.3, 0.3, 0.6), (0.42, 0.3, 0.58, 0.6), (0.7, 0.3, 0.95, 0.6), (0.4, 0.75, 0.6, 0.95)


def box(category: str, corners=LEFT, is_crowd: bool = False, area: float = 0.06) -> Box:
    return Box(category, corners, area, is_crowd)


def judged(text: str, boxes=(), captions=(), question: str = "Tell me?", image=None, **settings) -> dict[str, Claim]:
    image = image or AnnotatedImage("1", "1.jpg", 100, 100, tuple(captions), tuple(boxes))
    (turn,) = judge_turns((Turn(question, text),), image, NAMES, ChecksSettings(**settings))
    return {f"{claim.kind} {claim.category}": claim for claim in turn.claims}


def verdict(text: str, boxes=(), captions=(), **more) -> str:
    """Verdict of the last claim of the five first kinds, which is the one a test is about."""
    claims = judged(text, boxes, captions, **more).values()
    return [c for c in claims if c.kind in ("count", "presence", "absence", "place", "relation")][-1].verdict


DOGS = (box("dog", LEFT), box("dog", RIGHT))


VERDICTS = pytest.mark.parametrize(
    ("text", "boxes", "captions", "expected"),
    [
        # presence
        ("A dog runs.", DOGS, (), "supported_by_boxes"),
        ("A dog runs.", DOGS, ("a dog",), "supported_by_both"),
        ("A cat sits.", DOGS, ("a cat",), "supported_by_caption"),
        ("A zebra runs.", DOGS, ("a dog",), "contradicted"),
        ("A zebra runs.", (), ("a dog",), "unknown"),
        ("A cow runs.", (box("sheep"),), (), "unknown"),
        ("A cow runs.", (box("cup"),), ("animals on a lawn",), "unknown"),
        ("A table stands here.", DOGS, (), "unknown"),
        ("The image shows a dog bowl.", (box("cup"),), (), "unknown"),
        ("A cup is there.", tuple(box("bed") for _ in range(20)), (), "unknown"),
        ("There are animals.", DOGS, (), "supported_by_boxes"),
        # absence
        ("There is no dog.", DOGS, (), "contradicted"),
        ("There is no cat.", DOGS, ("a cat", "the cat"), "contradicted"),
        ("There is no cat.", DOGS, ("a cat",), "unknown"),
        ("There is no zebra.", DOGS, (), "supported_by_boxes"),
        ("There is no sheep.", (box("cow"),), (), "unknown"),
        # count
        ("There are two dogs.", DOGS, (), "supported_by_boxes"),
        ("There are two dogs.", DOGS, ("two dogs",), "supported_by_both"),
        ("There are three dogs.", DOGS, (), "contradicted"),
        ("There are three dogs.", DOGS, ("three dogs run",), "unknown"),
        ("There is one dog.", DOGS, (), "contradicted"),
        ("There are at least two dogs.", DOGS, (), "supported_by_boxes"),
        ("There are at most two dogs.", DOGS, (), "supported_by_boxes"),
        ("There are fewer than two dogs.", DOGS, (), "contradicted"),
        ("There are several dogs.", DOGS[:1], (), "contradicted"),
        ("There are nine dogs.", (*DOGS, box("dog", MIDDLE, True)), (), "unknown"),
        ("There are three dogs.", (*DOGS, box("dog", (0.05, 0.3, 0.3, 0.61))), (), "unknown"),
        ("There are three books.", (box("book"), box("book", RIGHT)), ("books",), "unknown"),
        ("There are three books.", (box("book"), box("book", RIGHT)), ("two books",), "contradicted"),
        ("There are several animals.", DOGS, (), "supported_by_boxes"),
        ("There are nine animals.", DOGS, (), "unknown"),
        ("There is one dog.", (box("dog"), box("dog", RIGHT, area=0.0004)), ("a dog",), "unknown"),
        ("There are two zebras.", DOGS, (), "contradicted"),
        # place
        ("The dog is on the left.", DOGS[:1], (), "supported_by_boxes"),
        ("The dog is on the right.", DOGS[:1], (), "contradicted"),
        ("The dog is on the right.", DOGS, (), "supported_by_boxes"),
        ("Both dogs are on the right.", DOGS, (), "contradicted"),
        ("The dog is on the left.", (box("dog", (0.1, 0.1, 0.9, 0.9)),), (), "unknown"),
        ("The dog is in the background.", DOGS, (), "unknown"),
        ("The dog is in the foreground.", (box("dog", (0.1, 0.4, 0.6, 1.0)), box("cat", TINY)), (), "supported_by_boxes"),
        ("The dog is in the foreground.", (box("dog", TINY), box("cat", (0.1, 0.4, 0.6, 1.0))), (), "contradicted"),
        ("The dog is in the background.", (box("dog", (0.1, 0.4, 0.6, 1.0)), box("cat", TINY)), (), "contradicted"),
        ("The dog is in a corner of the image.", (box("dog", MIDDLE),), (), "contradicted"),
        ("The dog is in a corner of the image.", (box("dog", (0.0, 0.0, 0.2, 0.2)),), (), "supported_by_boxes"),
        ("The dog is on the right.", DOGS[:1], ("a dog on the right",), "unknown"),
        # relation
        ("The dog is to the left of the cat.", (box("dog"), box("cat", RIGHT)), (), "supported_by_boxes"),
        ("The dog is to the right of the cat.", (box("dog"), box("cat", RIGHT)), (), "contradicted"),
        ("The dog is to the right of the cat.", (*DOGS, box("cat", MIDDLE)), (), "supported_by_boxes"),
        ("The dog is above the cat.", (box("dog"), box("cat", LOW)), (), "supported_by_boxes"),
        ("The dog is next to the cat.", (box("dog", MIDDLE), box("cat", RIGHT)), (), "unknown"),
        ("The dog is next to the cat.", (box("dog", (0, 0, 0.1, 0.1)), box("cat", RIGHT)), (), "contradicted"),
        ("The dog is between the cat and the cup.", (box("dog", MIDDLE), box("cat"), box("cup", RIGHT)), (), "supported_by_boxes"),
        ("The dog looks larger in the frame than the cat.", (box("dog", MIDDLE), box("cat", (0, 0, 0.5, 0.5))), (), "contradicted"),
        ("The dog is on the bed.", (box("dog", MIDDLE), box("bed", LOW)), ("a dog on the bed",), "supported_by_caption"),
        ("The dog is nearer to the camera than the cat.", (box("dog"), box("cat", RIGHT)), (), "unknown"),
        ("The dog is nearer to the camera than the cat.", (box("dog", TINY), box("cat", (0.1, 0.4, 0.6, 1.0))), (), "contradicted"),
        ("The dog is on the bed.", (box("dog", (0, 0, 0.1, 0.1)), box("bed", LOW)), (), "contradicted"),
        ("The dog is on the bed.", (box("dog", (0, 0, 0.1, 0.1)), box("bed", LOW)), ("a dog on the bed",), "supported_by_caption"),
        ("The cup is on the bed.", (box("cup", (0, 0, 0.1, 0.1)), box("bed", LOW), *[box("bench")] * 20), (), "unknown"),
        ("The dog is between the cat and the cup.", (box("dog"), box("cat", MIDDLE), box("cup", RIGHT)), (), "contradicted"),
        ("The dog is between two cats.", (box("dog", MIDDLE), box("cat", LEFT), box("cat", RIGHT)), (), "supported_by_boxes"),
        ("The dog is between two cats.", (box("dog", MIDDLE), box("cat", LEFT)), (), "unknown"),
        ("The dog is larger than the cat.", (box("dog", TINY), box("cat", LEFT)), (), "unknown"),
    ],
)  # fmt: skip


@VERDICTS
def test_verdicts(text, boxes, captions, expected):
    assert verdict(text, boxes, captions) == expected


def test_evidence_says_what_decided():
    claims = judged("There are three dogs on the left.", DOGS, ["two dogs"])
    assert claims["count dog"].evidence == "dog: text says 3, boxes show 2"
    assert judged("A zebra runs.", DOGS)["presence zebra"].evidence.endswith("no box and no caption shows one")


def test_corpora_that_box_only_some_categories_contradict_no_presence():
    assert verdict("A zebra runs.", DOGS, exhaustive="no") == "unknown"
    assert verdict("There are three dogs.", DOGS, exhaustive="no") == "contradicted"
    many = tuple(map(str, range(201)))
    assert not is_exhaustive(many, ChecksSettings()) and is_exhaustive(many, ChecksSettings(exhaustive="yes"))


def test_the_first_contradiction_names_the_turn_and_the_words():
    image = AnnotatedImage("1", "1.jpg", 100, 100, (), DOGS)
    turns = (Turn("What runs?", "Two dogs run."), Turn("How many dogs?", "Four."), Turn("And?", "A zebra runs."))
    found = first_contradiction(judge_turns(turns, image, NAMES, ChecksSettings()))
    assert found is not None and found[0] == 1
    assert (found[1].stage, found[1].reason) == ("checks", "count_contradicted")
    assert found[1].detail == "turn 2: 'Four': dog: text says 4, boxes show 2"
    assert first_contradiction(turns) is None


def test_wider_words_are_claims_only_where_the_corpus_has_no_such_category():
    assert claim_lexicon(NAMES).named("animals and vehicles") == {"animal"}
    assert claim_lexicon((*NAMES, "animal")).named("an animal") == {"animal"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no zebra.", "supported_by_boxes"),  # looked for, and not found
        ("There is no cat.", "unknown"),  # nobody looked
        ("There is no cow.", "unknown"),  # somewhere there is one
        ("There are two dogs.", "unknown"),  # not all are boxed
        ("There are three dogs.", "unknown"),
        ("There is one dog.", "contradicted"),
    ],
)
def test_labels_of_the_whole_image_say_what_was_looked_for(text: str, expected: str) -> None:
    image = AnnotatedImage("1", "1.jpg", 100, 100, (), DOGS, None, ("zebra",), ("dog", "cow"))
    for exhaustive in ("yes", "no"):
        settings = ChecksSettings(exhaustive=exhaustive)  # type: ignore[arg-type]
        (turn,) = judge_turns((Turn("Tell me?", text),), image, NAMES, settings)
        assert turn.claims[-1].verdict == expected
        assert deniable(image, NAMES, settings) == ("zebra",)


def test_only_what_is_annotated_throughout_may_be_denied() -> None:
    image, many = AnnotatedImage("1", "1.jpg", 100, 100), tuple(f"thing {n}" for n in range(300))
    assert deniable(image, NAMES, ChecksSettings()) == NAMES
    assert deniable(image, many, ChecksSettings()) == ()
    assert deniable(image, many, ChecksSettings(exhaustive="yes")) == many
    assert deniable(image, NAMES, ChecksSettings(exhaustive="no")) == ()


def by_detector(boxes, captions) -> AnnotatedImage:
    """An image as a file of a detector's boxes gives it."""
    unfinished = tuple(dict.fromkeys(one.category for one in boxes))
    return AnnotatedImage(
        "1", "1.jpg", 100, 100, tuple(captions), tuple(boxes), absent=(), unfinished=unfinished, by_detector=True
    )


@VERDICTS
def test_boxes_that_a_detector_drew_prove_nothing(text, boxes, captions, expected):
    found = judged(text, image=by_detector(boxes, captions))
    alone = judged(text, image=by_detector((), captions))
    for name, claim in found.items():
        assert claim.verdict not in ("supported_by_boxes", "supported_by_both")
        assert claim.verdict == "unknown" or claim.verdict == alone[name].verdict


@VERDICTS
def test_nor_do_captions_that_a_model_wrote(text, boxes, captions, expected):
    written = AnnotatedImage("1", "1.jpg", 100, 100, tuple(captions), tuple(boxes), by_captioner=True)
    alone = judged(text, boxes)
    for name, claim in judged(text, image=written).items():
        assert claim.verdict not in ("supported_by_caption", "supported_by_both")
        assert claim.verdict == "unknown" or claim.verdict == alone[name].verdict
    both = replace(by_detector(boxes, captions), by_captioner=True)
    assert {claim.verdict for claim in judged(text, image=both).values()} <= {"unknown"}


def test_a_detector_leaves_open_what_it_says_alone_and_what_it_says_against_captions():
    said = judged("A dog runs.", image=by_detector(DOGS, ()))["presence dog"]
    assert said.verdict == "unknown" and said.evidence.endswith(", but only by boxes that a detector drew")
    both = judged("A dog runs.", image=by_detector(DOGS, ["A dog runs."]))["presence dog"]
    assert both.verdict == "supported_by_caption"
    assert judged("There is one dog.", DOGS)["count dog"].verdict == "contradicted"
    assert judged("There is one dog.", image=by_detector(DOGS, ()))["count dog"].verdict == "unknown"
