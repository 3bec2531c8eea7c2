"""Sentences are counted by what claims stand in them, and what nobody could check is told."""

from datagen.claims import measure_coverage
from datagen.records import Claim, Turn

ANSWER = "Two dogs run. They seem glad. A cat sleeps!\nNothing more"


def claim(kind: str, start: int, verdict: str, *, in_question: bool = False) -> Claim:
    return Claim(kind, "dog", start, start + 3, verdict, "why", in_question=in_question)  # type: ignore[arg-type]


def test_sentences_are_counted_once():
    claims = (
        claim("count", 0, "supported_by_boxes"), claim("presence", 4, "unknown"), claim("action", 32, "unknown"),
        claim("presence", 32, "contradicted"), claim("presence", 0, "contradicted", in_question=True),
    )  # fmt: skip
    seen = measure_coverage([Turn("What is shown?", ANSWER, claims), Turn("And?", "Nothing.")])
    assert (seen.sentences, seen.with_claim, seen.decided, seen.unchecked) == (5, 2, 2, 3)
    assert seen.decided_by_kind == {"count": 1, "presence": 1}
