"""Claims as probes, and errors planted in turns."""

from __future__ import annotations

import math
import random

import pytest
from msgspec.structs import replace

from datagen.claims import judge_turns
from datagen.claims.kind import YES_NO, Spoiling
from datagen.claims.kinds import kind_of
from datagen.claims.kinds.attribute import COLOURS, MANY
from datagen.claims.kinds.count import MAX_ASKED
from datagen.config import ChecksSettings
from datagen.lexicon import lexicon_for
from datagen.records import AnnotatedImage, Claim, Probe, ProbeScore, SimilarityScore, TextScore, Turn
from datagen.validator.calibration import Opinion
from datagen.validator.measures import (
    Findings,
    Inquiry,
    blank_look_for,
    in_conversation,
    inquire,
    look_for,
    probe_claim,
    read_findings,
)
from datagen.validator.planting import plant_errors
from datagen.validator.protocol import GREY, Abilities, Look, Text, score_key
from datagen.validator.recount import SAID, SEEN_BY, Seen
from datagen.validator.verdicts import _why

NAMES = ("person", "dog", "cat", "bus", "elephant", "umbrella", "scissors", "traffic light")
IMAGE = AnnotatedImage("1", "1.jpg", 640, 480)


def claim(kind: str, category: str = "dog", **told: object) -> Claim:
    return Claim(kind, category, 0, 3, "unknown", "", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "question", "agrees"),
    [
        (claim("presence"), "Is there a dog in the image?", ("Yes",)),
        (claim("absence"), "Is there a dog in the image?", ("No",)),
        (claim("presence", "scissors"), "Is there a pair of scissors in the image?", ("Yes",)),
        (claim("count", number=3, comparison="exact"), "How many dogs are there?", ("Three",)),
        (claim("count", "person", number=7, comparison="at least"), "How many people are there?", ("Seven", "Eight")),
        (claim("count", number=2, comparison="at most"), "How many dogs are there?", ("One", "Two")),
        (claim("place", place="left"), "Is the dog on the left or the right?", ("Left",)),
        (claim("place", place="bottom"), "Which quarter is the dog in?", ("Lower left", "Lower right")),
        (claim("place", "scissors", place="top"), "Which quarter are the scissors in?", ("Upper left", "Upper right")),
        (claim("place", place="background"), "Is the dog in the background?", ("Yes",)),
        (claim("relation", relation="left of", others=("cat",)), "Is the dog left of the cat?", ("Yes",)),
        (
            claim("relation", relation="smaller", others=("bus",)),
            "Is the dog smaller in the image than the bus?",
            ("Yes",),
        ),
        (claim("relation", relation="on", others=("bus",)), "Is the dog on the bus?", ("Yes",)),
        (
            claim("relation", relation="nearer", others=("bus",)),
            "Is the dog nearer to the camera than the bus?",
            ("Yes",),
        ),
        (
            claim("relation", relation="between", others=("bus", "cat")),
            "Is the dog between the bus and the cat?",
            ("Yes",),
        ),
    ],
)
def test_claims_become_questions(said: Claim, question: str, agrees: tuple[str, ...]) -> None:
    probed = probe_claim(said, Abilities())[0]
    assert probed.probe.question == question
    assert tuple(probed.probe.answers[n] for n in probed.agrees) == agrees
    assert probed.probe.phrase in ("a dog", "a person", "a pair of scissors")


@pytest.mark.parametrize(
    "said",
    [
        claim("count", number=MAX_ASKED + 1, comparison="exact"),
        claim("count", number=1, comparison="at least"),
        claim("relation", relation="between", others=("bus",)),
        claim("relation", relation="on"),
    ],
)
def test_of_claims_that_cannot_be_asked_only_the_things_are(said: Claim) -> None:
    assert {one.kind for one in probe_claim(said, Abilities())} == {"presence"}


def test_things_taken_for_granted_are_asked_for() -> None:
    def asked(said: Claim) -> list[str]:
        return [one.probe.question for one in probe_claim(said, Abilities()) if one.agrees == (0,)]

    there = "Is there a {} in the image?".format
    assert there("dog") in asked(claim("count", number=3, comparison="exact"))
    assert there("dog") in asked(claim("place", place="left"))
    assert {there("dog"), there("bus")} <= set(asked(claim("relation", relation="above", others=("bus",))))
    assert there("dog") not in asked(claim("count", number=2, comparison="at most"))
    assert there("dog") not in asked(claim("absence"))
    assert len(asked(claim("presence"))) == 1


def test_a_validator_is_asked_only_what_it_has_learned() -> None:
    knows = Abilities(probes=frozenset({"presence", "relation"}), categories=frozenset({"dog", "cat"}))

    def kinds(said: Claim) -> list[str]:
        return [one.kind for one in probe_claim(said, knows)]

    assert kinds(claim("presence")) == ["presence"]
    assert kinds(claim("count", number=2, comparison="exact")) == ["presence"]
    assert kinds(claim("presence", "bus")) == []
    assert kinds(claim("relation", relation="above", others=("bus",))) == []
    assert kinds(claim("relation", relation="above", others=("cat",))) == ["relation", "presence", "presence"]
    assert kinds(claim("relation", relation="behind", others=("cat",))) == ["presence", "presence"]


def read(question: str, answer: str) -> Turn:
    return judge_turns((Turn(question, answer),), IMAGE, NAMES, ChecksSettings())[0]


def spoiling(seed: int) -> Spoiling:
    return Spoiling(lexicon_for(NAMES), lambda name: ("elephant", "umbrella"), random.Random(seed))


def planted(answer: str, seed: int = 0, question: str = "What is shown?") -> dict[str, str]:
    found = plant_errors(read(question, answer), spoiling(seed))
    return {kind: turn.answer for kind, turn in found.items()}


@pytest.mark.parametrize(
    ("kind", "answer", "wrong"),
    [
        ("count", "There are three dogs here.", ("There are two dogs here.", "There are four dogs here.")),
        ("count", "There are two people.", ("There are three people.",)),
        ("count", "There are 4 dogs.", ("There are 3 dogs.", "There are 5 dogs.")),
        (
            "count",
            "There is one dog, and there are two cats.",
            ("There is one dog, and there are three cats.",),
        ),
        ("absent object", "A dog sits.", ("An elephant sits.", "An umbrella sits.")),
        ("absent object", "The bus is red.", ("The elephant is red.", "The umbrella is red.")),
        ("absent object", "Several dogs run.", ("Several elephants run.", "Several umbrellas run.")),
        ("side", "The dog is on the left side of the image.", ("The dog is on the right side of the image.",)),
        (
            "side",
            "The dog is in the upper left part of the image.",
            ("The dog is in the lower right part of the image.",),
        ),
        ("relation", "The dog is to the left of the bus.", ("The dog is to the right of the bus.",)),
        (
            "relation",
            "The dog takes up much more of the frame than the bus.",
            ("The dog takes up much less of the frame than the bus.",),
        ),
        (
            "relation",
            "The dog is higher in the frame than the bus.",
            ("The dog is lower in the frame than the bus.",),
        ),
        ("relation", "The dog is in front of the bus.", ("The dog is behind the bus.",)),
    ],
)
def test_errors_are_planted_where_the_claim_stands(kind: str, answer: str, wrong: tuple[str, ...]) -> None:
    seen = {planted(answer, seed).get(kind) for seed in range(20)}
    assert seen <= set(wrong)
    assert seen


def test_each_planted_turn_says_something_else() -> None:
    answer = "Two dogs sit to the left of the bus, and a cat is on the right side of the image."
    for kind, turn in planted(answer).items():
        assert turn != answer
        before = {(c.kind, c.category, c.number, c.place, c.relation, c.value) for c in read("?", answer).claims}
        after = {(c.kind, c.category, c.number, c.place, c.relation, c.value) for c in read("?", turn).claims}
        assert after - before, kind


@pytest.mark.parametrize(
    "answer",
    [
        "It may be a dog.",
        "There is one dog.",
        "There is no dog.",
        "A sunny day.",
        "At most two dogs are seen.",
        "At least three dogs can be seen.",
        "There are eight dogs.",
    ],
)
def test_nothing_is_planted_where_nothing_is_claimed(answer: str) -> None:
    assert "count" not in planted(answer)
    assert "side" not in planted(answer)


@pytest.mark.parametrize("value", COLOURS)
def test_every_colour_is_painted_over_or_left(value: str) -> None:
    """Of a rainbow, or of what lies between two colours, nobody can say which other it surely has not."""
    for word in COLOURS[value].split():
        wrong = planted(f"The bus is {word}.").get("colour")
        assert (wrong is None) == ("/" in value or value == MANY)


def test_contradicted_claims_and_questions_are_left_alone() -> None:
    turn = read("Is there a dog?", "Yes.")
    assert any(one.in_question for one in turn.claims)
    assert plant_errors(turn, spoiling(0)) == {}
    turn = read("?", "There are three dogs.")
    wrong = replace(turn, claims=tuple(replace(one, verdict="contradicted") for one in turn.claims))
    assert plant_errors(wrong, spoiling(0)) == {}


def test_planting_repeats_with_the_seed() -> None:
    answer = "Three dogs, a cat and a bus are to be seen; the cat is on the left side of the image."
    assert planted(answer, 5) == planted(answer, 5)
    assert len({planted(answer, seed)["absent object"] for seed in range(20)}) > 2


def test_a_turn_suffers_what_its_claims_could_have_wrong() -> None:
    def suffers(answer: str, abilities: Abilities) -> tuple[str, ...]:
        return inquire(read("?", answer), abilities).suffers

    probes = Abilities(texts=False, blanks=False)
    assert suffers("Two dogs run.", probes) == ("count", "absent object", "action", "other image")
    assert suffers("The dog is on the left side of the image.", probes) == ("absent object", "side", "other image")
    assert suffers("A fine moment.", probes) == ()
    assert suffers("A fine moment.", Abilities()) == ("other image",)
    assert kind_of("place").errors_of(claim("place", place="background")) == ()


def asked(answer: str, abilities: Abilities) -> Inquiry:
    return inquire(read("What is shown?", answer), abilities)


def test_looks_ask_nothing_twice() -> None:
    both = [asked("A dog waits.", Abilities()), asked("The dog is visible.", Abilities())]
    look = look_for(both, "a.jpg")
    assert [type(item) for item in look.items] == [Text, Probe, Text]
    blank = blank_look_for(both, "a.jpg")
    assert blank.is_blank
    assert [type(item) for item in blank.items] == [Text, Text]


def test_findings_hold_the_least_likely_claim_of_each_kind() -> None:
    inquiry = asked("Two dogs sit to the left of the bus.", Abilities())
    look, blank = Look("a.jpg", ()), Look("a.jpg", (), is_blank=True)
    scores: dict[str, TextScore | ProbeScore] = {}
    for item in inquiry.items:
        key = score_key("m", look, item)
        if isinstance(item, Text):
            scores[key] = TextScore(key, "a.jpg", -1.0, -3.0, -0.5, 8)
            low = score_key("m", blank, item)
            scores[low] = TextScore(low, "a.jpg", -2.5, -7.0, -0.9, 8)
        else:
            first = 0.9 if item.answers == YES_NO and "bus" not in item.question else 0.25
            rest = (1 - first) / (len(item.answers) - 1)
            scores[key] = ProbeScore(key, "a.jpg", (first, *[rest] * (len(item.answers) - 1)))
    found = read_findings(inquiry, "m", "a.jpg", scores.get)
    assert found is not None
    assert found.measures["gain_mean"] == 1.5
    assert found.measures["gain_min"] == 4.0
    assert found.measures["presence"] == pytest.approx(-1.098612)  # one to three
    assert found.measures["claims"] == min(found.measures[name] for name in ("presence", "count", "relation"))
    assert set(found.chances) == set(range(len(inquiry.probes)))
    del scores[score_key("m", look, inquiry.probes[0][1].probe)]
    assert read_findings(inquiry, "m", "a.jpg", scores.get) is None


def test_of_a_detector_the_least_likely_number_is_told_with_what_is_seen() -> None:
    detector = Abilities(texts=False, blanks=False, probes=frozenset({"presence", "count"}), misses_some=True)
    inquiry = asked("Two dogs, three cats and at least two people sit there.", detector)
    scores: dict[str, ProbeScore] = {}
    for item in inquiry.items:
        assert isinstance(item, Probe)
        key = score_key("m", Look("a.jpg", ()), item)
        seen = {"dogs": (0.5, 0.5), "cats": (0.4, 0.4, 0.2)}.get(item.question.split()[2], (1.0,))
        if item.answers == YES_NO:
            seen = (0.8, 0.2) if "dog" in item.question else (0.9, 0.1)
        scores[key] = ProbeScore(key, "a.jpg", (*seen, *[0.0] * (len(item.answers) - len(seen))))
    found = read_findings(inquiry, "m", "a.jpg", scores.get)
    assert found is not None
    assert (found.measures["number_said"], found.measures["number_seen"], found.measures["any_seen"]) == (3.0, 1.8, 0.9)
    numbers = {inquiry.probes[n][1].probe.question: seen for n, seen in found.numbers.items()}
    assert numbers == {
        "How many dogs are there?": Seen(1.5, 0.333333, 0.8),
        "How many cats are there?": Seen(1.8, 0.41574, 0.9),
        "How many people are there?": Seen(1.0, 0.0, 0.9),
    }
    trusted = read_findings(replace(inquiry, is_recounted=False), "m", "a.jpg", scores.get)
    assert trusted is not None and trusted.numbers == {}
    assert trusted.measures.keys() == found.measures.keys() - {SAID, *SEEN_BY}
    # Held against other numbers, and not by its bare chance: two cats are as likely as one.
    assert trusted.measures["count"] < found.measures["count"] < 0


def presence_of(picture: str, sentence: str, chances: dict[str, float]) -> Findings:
    """What is found on a sentence whose things are there with these chances, each as likely as not on grey."""
    inquiry = asked(sentence, Abilities(texts=False, probes=frozenset({"presence"})))
    scores: dict[str, ProbeScore] = {}
    for item in inquiry.items:
        assert isinstance(item, Probe)
        for name, chance in ((picture, next(p for thing, p in chances.items() if thing in item.question)), (GREY, 0.2)):
            key = score_key("m", Look(name, ()), item)
            scores[key] = ProbeScore(key, name, (chance, 1 - chance))
    found = read_findings(inquiry, "m", picture, scores.get)
    assert found is not None
    return found


def test_a_turn_is_told_by_what_the_picture_adds_to_the_whole_conversation() -> None:
    """A model that holds dogs for unlikely whatever it sees, and sees one, says more for the turn than against it."""
    dog = presence_of("a.jpg", "A dog sleeps.", {"dog": 0.4})
    assert dog.measures["presence"] < 0 < in_conversation(dog, []).measures["conversation_gain"]
    cat = presence_of("a.jpg", "A cat and a bus.", {"cat": 0.2, "bus": 0.02})
    told = in_conversation(dog, [cat])
    gains = [math.log(chance / (1 - chance) / 0.25) for chance in (0.4, 0.2, 0.02)]
    assert told.measures["conversation_gain"] == pytest.approx(sum(gains) / 3, abs=1e-5)
    once = in_conversation(dog, [dog, dog]).measures["conversation_gain"]
    assert once == pytest.approx(gains[0], abs=1e-5)
    assert in_conversation(cat, []).measures["conversation_gain"] == pytest.approx((gains[1] + gains[2]) / 2, abs=1e-5)


def test_a_claim_that_the_validator_holds_for_likely_is_no_reason() -> None:
    """Doubted is what the conversation names; the turn's own dog is there."""
    (turn,) = judge_turns((Turn("", "A dog sleeps."),), IMAGE, NAMES, ChecksSettings())
    inquiry = inquire(turn, Abilities(texts=False, probes=frozenset({"presence"})))
    opinion = Opinion({"other image": 0.99}, 0.01, "other image", "doubtful")
    assert _why(turn, inquiry, Findings({}, {0: 0.9}), opinion) == "likely an answer about another image"
    assert "gives 'A dog' 10%" in _why(turn, inquiry, Findings({}, {0: 0.1}), opinion)


def test_what_was_never_asked_of_grey_gains_nothing() -> None:
    inquiry = asked("A dog sleeps.", Abilities(texts=False, probes=frozenset({"presence"})))
    (item,) = inquiry.items
    key = score_key("m", Look("a.jpg", ()), item)
    found = read_findings(inquiry, "m", "a.jpg", {key: ProbeScore(key, "a.jpg", (0.9, 0.1))}.get)
    assert found is not None and found.gains == {}
    assert in_conversation(found, []).measures.keys() == {"presence", "claims"}


def test_similarities_are_measures_too() -> None:
    clip = Abilities(blanks=False, probes=frozenset({"presence"}))
    inquiry = asked("A dog and a cat sleep, and there is no bus.", clip)
    look = Look("a.jpg", ())
    scores = {}
    for n, item in enumerate(inquiry.items):
        key = score_key("m", look, item)
        scores[key] = SimilarityScore(key, "a.jpg", 0.3 - 0.05 * n)
    found = read_findings(inquiry, "m", "a.jpg", scores.get)
    assert found is not None
    assert found.measures == {"similarity": 0.3, "phrase": pytest.approx(0.2)}
    assert found.chances == {}
