"""The sample card shows everything and trusts nothing."""

import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from datagen.records import (
    AnnotatedImage,
    Box,
    Claim,
    Cut,
    Drop,
    ProbeResult,
    Provenance,
    Review,
    Sample,
    Turn,
    TurnVerdict,
    Validation,
    cut_or_reject,
)
from datagen.view import sample_card
from datagen.view.sample_card import COLOURS, N_LINKED, N_SAID, STYLE, card_body, colours_of

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def make(text: str) -> tuple[Sample, AnnotatedImage]:
    claims = (
        Claim("count", text, 0, len(text), "contradicted", text),
        Claim("place", text, 0, 2, "supported_by_boxes", ""),
    )
    seen = Validation(text, 0.25, text, {text: 0.9})  # type: ignore[arg-type]
    turns = (Turn(text, text, claims, seen),)
    drop = Cut("checks", text, text, turns, 1)
    sample = Sample(
        text,
        "1",
        text,
        "conversation",
        turns,
        "rejected",
        Provenance("m", "r", "q", "s"),
        "checks",
        text,
        text,
        (drop,),
    )
    boxes = (Box(text, (0.1, 0.2, 0.5, 0.9), 0.2), Box("dog", (0.0, 0.0, 1.0, 1.0), 0.9, is_crowd=True))
    return sample, AnnotatedImage("1", text, 640, 480, (text,), boxes)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs), attrs


def test_every_foreign_string_is_escaped() -> None:
    tags = Tags()
    tags.feed(sample_card(*make(EVIL), picture_url=EVIL))
    assert "script" not in tags.seen
    assert "img" not in tags.seen


@pytest.mark.parametrize("sign", ["\x1b", "\x00", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ufeff"])
def test_signs_that_nobody_sees_stand_there_as_escapes(sign: str) -> None:
    card = sample_card(*make(f"a{sign}[2Jb"), picture_url=None)
    assert sign not in card and card.count(f"a\\x{ord(sign):02x}[2Jb") > 5


def test_joiners_of_letters_stay() -> None:
    for text in ("می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "a\tb", "a\u00a0b"):
        assert text in sample_card(*make(text), picture_url=None)


def test_boxes_stand_where_they_belong() -> None:
    card = sample_card(*make("plain"), picture_url=None)
    assert '<rect x="64.0" y="96.0" width="256.0" height="336.0"' in card
    assert 'stroke-dasharray="8 5"' in card
    assert "dog (a group)" in card
    assert len(set(re.findall(r'stroke="(#\w+)"', card))) == 2


def test_a_category_has_one_colour_on_every_picture() -> None:
    sample, image = make("plain")
    alone = replace(image, boxes=(Box("dog", (0.1, 0.1, 0.2, 0.2), 0.01),))
    for one in (image, alone):
        stroke = colours_of(["dog"])["dog"]
        assert re.search(rf'stroke="{stroke}"[^>]*>dog</text>', card_body(sample, one, None))
    assert len({colours_of([f"category {n}"])[f"category {n}"] for n in range(200)}) == len(COLOURS)


def test_categories_of_one_picture_share_no_colour_while_there_are_enough() -> None:
    names = [f"category {n}" for n in range(len(COLOURS) + 4)]
    assert len(set(colours_of(names[: len(COLOURS)]).values())) == len(COLOURS)
    assert set(colours_of(names).values()) == set(COLOURS)
    assert colours_of(reversed(names)) == colours_of(names)


def test_names_stand_on_few_boxes_and_of_many_on_the_largest_of_each_category() -> None:
    sample, image = make("plain")

    def names(number: int) -> list[tuple[str, ...]]:
        boxes = tuple(Box("dog", (0.0, 0.0, 0.01 * n, 0.1), 0.01) for n in range(1, number))
        card = card_body(sample, replace(image, boxes=(*boxes, Box("cat", (0.9, 0.9, 1.0, 1.0), 0.01))), None)
        return [found.groups() for found in re.finditer(r'text-anchor="(\w+)"[^>]*>(\w+)</text>', card)]

    assert sorted(names(12)) == [("start", "cat"), *[("start", "dog")] * 11]
    assert sorted(names(60)) == [("start", "cat"), ("start", "dog")]


def test_no_name_covers_another_and_the_frame_cuts_none_off() -> None:
    sample, image = make("plain")
    spots = (
        (0.3, 0.3, 0.6, 0.6),
        (0.3, 0.31, 0.61, 0.6),
        (0.31, 0.3, 0.6, 0.61),
        (0.9, 0.0, 1.0, 0.2),
        (0.92, 0, 1, 1),
    )
    boxes = tuple(Box("tennis racket", spot, 0.1) for spot in spots)
    card = card_body(sample, replace(image, width=640, height=480, boxes=boxes), None)
    found = re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)" font-size="([\d.]+)"', card)
    names = [tuple(map(float, row)) for row in found]
    assert len(names) == len(spots)
    for n, (x, y, size) in enumerate(names):
        assert x + 13 * 0.55 * size <= 640 and y >= size
        assert all(abs(y - other[1]) >= size or abs(x - other[0]) >= 13 * 0.55 * size for other in names[:n])


def test_a_suspicion_on_a_kept_turn_is_explained() -> None:
    sample, image = make("plain")

    def told(p_value: float, verdict: TurnVerdict) -> str:
        turn = Turn("What?", "A dog.", validation=Validation(verdict, p_value=p_value))
        return card_body(replace(sample, turns=(turn,), cuts=()), image, None)

    why = "this alone cuts nothing: an answer falls only if it is above the run&#x27;s bar"
    assert why in told(0.05, "not doubted") and "more suspicious than 95 % of correct answers" in told(
        0.05, "supported"
    )
    assert why not in told(0.5, "not doubted") and why not in told(0.01, "doubtful")


def test_claims_point_at_the_boxes_of_their_categories() -> None:
    claims = (
        Claim("relation", "dog", 0, 3, "unknown", "", others=("cat",)),
        Claim("scene", "street", 4, 7, "unknown", ""),
    )
    sample, image = make("plain")
    boxes = tuple(Box(name, (0.1, 0.1, 0.2, 0.2), 0.01) for name in ("cat", "dog"))
    turn = Turn("What?", "Dog and a cat.", claims)
    card = card_body(replace(sample, turns=(turn,), cuts=()), replace(image, boxes=boxes), None)
    assert re.findall(r'<mark class="(.*?)"( tabindex="0")? title', card) == [
        ("dg-unknown dg-w0 dg-points dg-k1 dg-k0", ' tabindex="0"'),
        ("dg-unknown dg-w1", ""),
    ]
    assert re.findall(r'<g class="dg-box (.*?)"><title>(.*?)<', card) == [("dg-k0", "cat"), ("dg-k1", "dog")]
    assert f".dg-box.dg-k{N_LINKED - 1}" in STYLE


def test_captions_are_there_for_who_opens_them() -> None:
    sample, image = make("plain")
    card = card_body(sample, replace(image, captions=("A <b>.", "Two.")), None)
    assert "<summary>2 captions by people</summary><ul><li>A &lt;b&gt;.</li><li>Two.</li></ul>" in card
    assert "<summary>1 caption by people" in card_body(sample, image, None)
    assert "by people" not in card_body(sample, replace(image, captions=()), None)


def test_a_sample_without_its_corpus_still_shows() -> None:
    sample, _ = make("plain")
    card = sample_card(sample, None, None)
    assert "rejected" in card
    assert "<rect" not in card


def test_claims_are_marked_in_place_and_told_with_their_evidence() -> None:
    card = sample_card(*make("plain"), picture_url=None)
    assert (
        '<mark class="dg-contradicted dg-w0 dg-w1 dg-points dg-k0" tabindex="0" title="count, contradicted: plain">'
        in card
    )
    assert (
        '<span class="dg-contradicted">✗ 1 contradicted</span> · <span class="dg-supported">✓ 1 supported</span>'
        in card
    )
    assert '<span class="dg-contradicted">✗ plain</span> count, contradicted: plain</li>' in card
    assert '<span class="dg-supported">✓ pl</span> place, supported by boxes</li>' in card


def test_of_two_claims_on_the_same_words_the_worse_is_marked() -> None:
    turn = Turn("How many?", "Two big dogs.", (
        Claim("presence", "dog", 0, 12, "supported_by_boxes", ""), Claim("count", "dog", 0, 3, "contradicted", ""),
        Claim("place", "dog", 8, 12, "unknown", ""),
    ))  # fmt: skip
    card = sample_card(replace(make("plain")[0], turns=(turn,)), None, None)
    assert re.findall(r'<mark class="(.*?)" title.*?>(.*?)<', card)[:2] == [
        ("dg-contradicted dg-w0 dg-w1", "Two"),
        ("dg-unknown dg-w0 dg-w2", "dogs"),
    ]


def test_the_validators_numbers_are_told() -> None:
    claims = (Claim("count", "dog", 0, 3, "unknown", "nobody counted"), Claim("presence", "dog", 4, 8, "unknown", ""))
    probes = (ProbeResult(0, "<Two?>", 0.1), ProbeResult(1, "Dogs?", 0.9))
    seen = Validation("doubtful", 0.012, doubts={"count": 0.9}, probes=probes)
    turn = Turn("How many?", "Two dogs.", claims, seen)
    card = sample_card(replace(make("plain")[0], turns=(turn,)), None, None)
    for told in ("✗ doubtful", "more suspicious than 98.8 % of correct answers", "chance of error: count 90%"):
        assert told in card
    assert 'nobody counted · <span class="dg-doubtful">✗ validator 10%</span>: &lt;Two?&gt;</li>' in card
    assert "presence, unknown · validator 90%</li>" in card
    assert "probably unboxed" not in card
    surer = replace(seen, probes=(probes[0], replace(probes[1], chance=0.97)))
    card = sample_card(replace(make("plain")[0], turns=(replace(turn, validation=surer),)), None, None)
    assert "<li>probably unboxed: dog: 97% likely to be there by the pixels, no box shows one; no caption" in card


def test_a_decision_by_hand_is_told() -> None:
    review = Review("accept", "rejected", "dedup", "near_copy")
    assert "by hand: accept (before: rejected: near_copy)" in sample_card(
        replace(make("x")[0], review=review), None, None
    )


def test_cut_turns_are_struck_through_where_they_stood() -> None:
    turns = tuple(Turn(f"Question {n}?", f"Answer {n}.") for n in range(1, 5))
    whole = replace(make("x")[0], turns=turns, cuts=(), status="accepted", stage=None, reason=None, detail=None)
    cut = cut_or_reject(whole, turns[:2], Drop("checks", "count_contradicted", "turn 3: 'two' <b>"))
    card = sample_card(cut, None, None)
    assert re.findall(r"<dt[^>]*>(.*?)</dt>", card) == [
        "Question 1?",
        "Question 2?",
        "<del>Question 3?</del>",
        "<del>Question 4?</del>",
    ]
    assert "✂ 2 turns cut</span> in checks: count contradicted</summary>" in card
    assert "✂ cut:</span> turn 3: &#x27;two&#x27; &lt;b&gt;" in card
    assert '<details class="dg-cuts">' in card
    assert '<details class="dg-cuts" open>' in card_body(cut, None, None, are_cuts_open=True)
    assert card.count("cut with an earlier turn") == 1


def test_a_cut_of_an_older_run_is_told_without_its_turns() -> None:
    card = sample_card(replace(make("x")[0], cuts=(Cut("parse", "truncated", "after 2"),)), None, None)
    assert "<del>" not in card
    assert "cut in parse: truncated. after 2" in card


def test_without_turns_and_boxes_no_list_stands_empty() -> None:
    sample, _ = make("plain")
    tags = Tags()
    tags.feed(sample_card(replace(sample, turns=(), cuts=()), None, picture_url=None))
    assert not {"dl", "ul", "li", "dt"} & set(tags.seen)
    assert "svg" in tags.seen


def test_boxes_that_a_turn_names_are_drawn_and_found_from_their_words() -> None:
    right, wrong = "[0.100, 0.200, 0.500, 0.900]", "[0.600, 0.200, 0.900, 0.900]"
    turns = (
        Turn(
            f"What is at {right}?",
            "A dog.",
            (Claim("box", "dog", 0, 5, "supported_by_boxes", "IoU 1.00", value=right),),
        ),
        Turn("Where?", f"The <dog> {wrong}.", (Claim("box", "dog", 0, 39, "contradicted", "IoU 0.00", value=wrong),)),
    )
    sample, image = make("plain")
    card = card_body(replace(sample, status="accepted", turns=turns, cuts=()), image, None)
    drawn = re.findall(r'<g class="dg-said ([^"]*)"[^>]*><rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', card)
    assert drawn == [
        ("dg-b0 dg-supported", "64.0", "96.0", "256.0"),  # its claim stands on the answer's words
        ("dg-b1 dg-contradicted", "384.0", "96.0", "192.0"),
    ]
    told = re.findall(r'<span class="dg-at (dg-b\d+)" tabindex="0">([^<]*)</span>', card)
    assert told == [("dg-b0", right), ("dg-b1", wrong)]
    assert "The &lt;dog&gt; <span" in card
    assert all(f".dg-b{n}:is(:hover,:focus)" in STYLE for n in (0, 1, N_SAID - 1))


def test_of_very_many_boxes_all_are_drawn() -> None:
    answer = " ".join(f"[0.{n:03d}, 0.1, 0.9, 0.9]" for n in range(N_SAID + 3))
    sample, image = make("plain")
    card = card_body(replace(sample, turns=(Turn("Where?", answer),), cuts=()), image, None)
    assert card.count('<g class="dg-said') == N_SAID + 3
    assert card.count('<span class="dg-at dg-b') == N_SAID
