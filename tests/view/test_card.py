"""The sample card shows everything and trusts nothing."""

import re
from html.parser import HTMLParser

from datagen.records import AnnotatedImage, Box, Claim, Drop, Provenance, Sample, Turn
from datagen.view import sample_card

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def make(text: str) -> tuple[Sample, AnnotatedImage]:
    claims = (
        Claim("count", text, 0, len(text), "contradicted", text),
        Claim("place", text, 0, 2, "supported_by_boxes", ""),
    )
    turns = (Turn(text, text, claims, validation={"verdict": text}),)
    drop = Drop("checks", text, text)
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


def test_boxes_stand_where_they_belong() -> None:
    card = sample_card(*make("plain"), picture_url=None)
    assert '<rect x="64.0" y="96.0" width="256.0" height="336.0"' in card
    assert 'stroke-dasharray="8 5"' in card
    assert "dog (a group)" in card
    assert len(set(re.findall(r'stroke="(#\w+)"', card))) == 2


def test_a_sample_without_its_corpus_still_shows() -> None:
    sample, _ = make("plain")
    card = sample_card(sample, None, None)
    assert "rejected" in card
    assert "<rect" not in card


def test_claims_carry_their_marks_and_evidence() -> None:
    card = sample_card(*make("plain"), picture_url=None)
    assert '<span class="dg-claim dg-contradicted" title="count, contradicted: plain">✗ plain</span>' in card
    assert 'title="place, supported by boxes: ">✓ pl</span>' in card
