"""Replies of numbered sentences: what is taken stands in a dataset word for word, so what is doubtful is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.parsing.numbered_text import REMARK, REPEATED, TRUNCATED, UNNUMBERED, UNREADABLE, read_numbered

ASKED = ("There are three cups.", "A cat sleeps there.", "It rains.", "It is day.", "It is night.")


def read(text: str, number: int, finish_reason: str | None = None) -> dict[int, str] | str:
    found = read_numbered(text, ASKED[:number], finish_reason)
    return found.refused or found.said


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("1. One.\n2. Two.", 2, {1: "One.", 2: "Two."}),
        ("1) One.\n\n2) Two\nlines.", 2, {1: "One.", 2: "Two lines."}),
        ("<think>1. Hm.</think>\n1: One.", 1, {1: "One."}),
        ("**1.** One.", 1, {1: "One."}),
        ("**1. One.**", 1, {1: "One."}),
        ("1. **One.**", 1, {1: "One."}),
        ("- 1. One.\n- 2. -", 2, {1: "One.", 2: ""}),
        ("(1) One.\n[2] Two.", 2, {1: "One.", 2: "Two."}),
        ("1：一个杯子。", 1, {1: "一个杯子。"}),
        ("1.\nOne.", 1, {1: "One."}),
        ("Here they are:\n1. One.", 1, {1: "One."}),
        ("1. Answer: One.", 1, {1: "One."}),
        ("1. One.\n1. Uno.\n2. Two.", 2, {2: "Two."}),
        ("2. Two.\n7. Seven.", 2, {2: "Two."}),
        ("1. -\n2. –", 2, {1: "", 2: ""}),
        ("1. `-`", 1, {1: ""}),
        ("1.5 metres of cloth lie at 12:30 there.", 1, {1: "1.5 metres of cloth lie at 12:30 there."}),
        ("7. Seven.", 2, UNREADABLE),
        ("", 1, UNREADABLE),
    ],
)
def test_numbered_sentences_are_read(text: str, number: int, expected: dict[int, str] | str) -> None:
    assert read(text, number) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. One.\n\nI removed the dogs because nothing shows them.", {1: "One."}),
        ("1. One.\n(The dogs were removed.)", {1: "One."}),
        ("1. One.\n\n---\n\nLet me know if you need more.", {1: "One."}),
        ("1.\n\nI removed the sentence.", REMARK),
        ("1. One cup stands there. (Corrected: it was three.)", {1: "One cup stands there."}),
        ("1. One cup stands there (a white one).", {1: "One cup stands there (a white one)."}),
    ],
)
def test_a_remark_behind_a_sentence_is_no_part_of_it(text: str, expected: dict[int, str] | str) -> None:
    assert read(text, 1) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1. N/A", REMARK),
        ("1. No changes are needed here.", REMARK),
        ("1. See above", REMARK),
        ("1. I'd leave this one out.", REMARK),
        ("1. You are right. One cup stands there.", REMARK),
        ("1. Thanks! One cup stands there.", REMARK),
        ('{"1": "Okay, no change."}', REMARK),
        ("1. [deleted]", {1: ""}),
        ("1. *(left out)*", {1: ""}),
        ("1. (This sentence was omitted.)", {1: ""}),
        ("1. New sentence: One cup stands there.", {1: "One cup stands there."}),
        ("1. **Fixed:** One cup stands there.", {1: "One cup stands there."}),
        ("Revision 1: One cup stands there.", {1: "One cup stands there."}),
        ("1. Removed tiles lie on the floor.", {1: "Removed tiles lie on the floor."}),
        ("1. Surely one cup stands there.", {1: "Surely one cup stands there."}),
    ],
)
def test_what_is_said_of_a_sentence_is_no_sentence(text: str, expected: dict[int, str] | str) -> None:
    assert read(text, 1) == expected


def test_what_had_lines_may_have_them_again() -> None:
    asked = ["A dog sits there.\n\nThree cups stand there."]
    text = "1. A dog sits there.\n\nOne cup stands there.\n\nNothing else was changed."
    assert read_numbered(text, asked).said == {1: "A dog sits there.\n\nOne cup stands there."}
    assert read_numbered("1. One cup stands there.\n\nI removed the dog.", asked).said == {1: "One cup stands there."}


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ('{"1": "One.", "2": "-"}', 2, {1: "One.", 2: ""}),
        ('```json\n{"1": "One."}\n```', 1, {1: "One."}),
        ('Sure:\n```json\n[{"number": 1, "sentence": "One."}, {"number": 2, "sentence": "Two."}]\n```', 2,
         {1: "One.", 2: "Two."}),
        ('["One.", "2. Two."]', 2, {1: "One.", 2: "Two."}),
        ('{"sentences": {"1": "One."}}', 1, {1: "One."}),
        ('[{"1": "One."}, {"1": "Uno."}]', 1, UNREADABLE),
        ('["One."]', 2, UNREADABLE),
        ('{"1": {"before": "Three.", "after": "One."}}', 1, UNREADABLE),
        ('{"sentence": "One."}', 1, UNREADABLE),
        ('{"1": "One."', 1, UNREADABLE),
        ('Here it is: {"1": "One."}', 1, UNNUMBERED),
        ("[" * 5000, 1, UNREADABLE),
    ],
)  # fmt: skip
def test_json_is_read_by_its_numbers_or_refused(text: str, number: int, expected: dict[int, str] | str) -> None:
    assert read(text, number) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Question:\nHow many?\n===\nAnswer:\nOne.",
        "1. Question: How many?\nAnswer: One.\n2. Question: Where?\nAnswer: There.",
        "질문: 컵이 몇 개입니까?\n===\n답변: 컵이 한 개 있습니다.",
        "Frage: Wie viele? === Antwort: Eine.",
        "How many?\n===\nOne.",
        "User: How many?\nAssistant: One.",
        '[{"question": "How many?", "answer": "One."}]',
    ],
)
def test_the_conversation_sent_back_is_no_sentence(text: str) -> None:
    assert read(text, 1) == REPEATED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is one cup.", {1: "There is one cup."}),
        ('"There is one cup."', {1: "There is one cup."}),
        ("-", {1: ""}),
        ("Answer: There is one cup.", UNNUMBERED),
        ("There is one cup.\n\nThe dogs were removed.", UNNUMBERED),
        ("Sure! There is one cup.", UNNUMBERED),
        ("I removed the dogs: there is one cup.", UNNUMBERED),
        ("The corrected sentence is: There is one cup.", UNNUMBERED),
        ("# There is one cup.", UNNUMBERED),
        ("<p>There is one cup.</p>", UNNUMBERED),
        ("| There | is |", UNNUMBERED),
    ],
)
def test_without_a_number_only_a_plain_paragraph_is_the_one_sentence_asked_for(
    text: str, expected: dict[int, str] | str
) -> None:
    assert read(text, 1) == expected
    assert read(text, 2) == UNNUMBERED


def test_what_broke_off_is_not_taken() -> None:
    assert read("1. One.\n2. Tw", 2, "length") == {1: "One."}
    assert read("1. On", 1, "length") == read("There is on", 1, "length") == read('{"1": "On', 1, "length") == TRUNCATED


@given(st.text(), st.integers(1, 5))
def test_any_reply_can_be_read(text: str, number: int) -> None:
    found = read_numbered(text, ASKED[:number])
    assert set(found.said) <= set(range(1, number + 1))
    assert bool(found.said) != bool(found.refused)
