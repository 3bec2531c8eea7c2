"""How much the checks could check is counted by sentence, and what they could not is told."""

from datagen.records import Claim, Turn
from datagen.sentence_coverage import CoverageTally, SentenceCover


def claim(answer: str, words: str, kind: str = "count", verdict: str = "supported_by_boxes") -> Claim:
    start = answer.index(words)
    return Claim(kind, "dog", start, start + len(words), verdict, "")  # type: ignore[arg-type]


ANSWER = "There are two dogs. The dog is 3.5 years old! It may be tired.\nPerhaps it is late"


def test_sentences_are_counted_by_what_could_be_said_about_them() -> None:
    tally = CoverageTally()
    claims = (
        claim(ANSWER, "two dogs"),
        claim(ANSWER, "dogs", "presence"),
        claim(ANSWER, "The dog", "presence", "unknown"),
        claim(ANSWER, "tired", "attribute", "unknown"),
    )
    tally.add("a", [Turn("Q?", ANSWER, claims)])
    tally.add(
        "b", [Turn("Is there one?", "Yes.", (Claim("presence", "dog", 3, 8, "contradicted", "", in_question=True),))]
    )
    found = tally.coverage()
    assert found.overall == SentenceCover(sentences=5, claiming=4, beyond=2, decided=2)
    assert found.by_type == {"a": SentenceCover(4, 3, 2, 1), "b": SentenceCover(1, 1, 0, 1)}
    assert found.by_kind == {
        "attribute": SentenceCover(5, 1, 1, 0),
        "count": SentenceCover(5, 1, 1, 1),
        "presence": SentenceCover(5, 3, 0, 2),
    }


def test_what_nobody_could_check_is_listed_where_it_stands_twice() -> None:
    tally = CoverageTally()
    for place in ("left", "right"):
        answer = f"It is likely that the owner waits. On the {place}, a dog."
        tally.add("a", [Turn("Q?", answer, (claim(answer, "dog", "scene", "unknown"),))])
    found = tally.coverage()
    assert (found.silent, found.unread) == ({"scene of dog": 2}, {"likely": 2, "owner": 2, "waits": 2})
    assert CoverageTally().coverage().overall == SentenceCover()


def test_memory_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("datagen.sentence_coverage._MAX_NAMES", 10)
    tally = CoverageTally()
    for n in range(300):
        words = "".join(chr(97 + int(digit)) for digit in str(n))
        tally.add("a", [Turn("Q?", f"Often said. {words * 4}.")])
    assert len(tally._unread) <= 12
    assert tally.coverage().unread["often"] == 300
