"""Which lines of a reply are labels, such as ``Question:``, ``**Q1:**``, ``## Answer`` or ``3. User:``."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["question", "answer"]
Vocabulary = Literal["titles", "roles", "both"]

_TITLES = {"question": r"questions?|(?-i:Q)", "answer": r"answers?|responses?|reply|(?-i:A)"}
_ROLES = {"question": "user|human", "answer": "assistant|gpt|chatgpt|ai|bot|model"}
_ADJECTIVE = r"(?:(?:follow[- ]?up|next|first|second|third|final|last|user|sample|possible|short|detailed)\s)?"


def _pattern(questions: str, answers: str) -> re.Pattern[str]:
    return re.compile(
        r"[\s>#*_`•+|-]{0,12}"
        r"(?:[(\[]?\d{1,3}[.)\]:]{1,2}[\s*_]{0,4})?"  # the number of a list item
        rf"[\[(<*_`]{{0,4}}{_ADJECTIVE}(?:(?P<question>{questions})|(?P<answer>{answers}))"
        r"(?P<number>[ _]?[#(\[]{0,2}\d{1,3}(?:/\d{1,3})?[)\]]?)?(?![^\W_])"
        r"(?:\s\([^()\n]{1,40}\))?[\])>*_`]{0,4}",
        re.IGNORECASE,
    )


_PATTERNS: dict[Vocabulary, re.Pattern[str]] = {
    "titles": _pattern(_TITLES["question"], _TITLES["answer"]),
    "roles": _pattern(_ROLES["question"], _ROLES["answer"]),
    "both": _pattern(*(f"{_TITLES[kind]}|{_ROLES[kind]}" for kind in ("question", "answer"))),
}
_COLON = re.compile(r"\s{0,3}[:：][*_`]{0,3}[\])>]?[*_`]{0,3}")
_AFTER_NUMBER = re.compile(r"[.)][*_`]{0,3}(?=\s|$)|\s[-–—](?=\s)")
_HEADING = re.compile(
    r"[\s>#*_`\[(]{0,12}(?:(?:pair|turn|conversation|example|exchange|dialogue|round|q\s?&\s?a)(?: pairs?)?"
    r"[ ]?#?\d{0,3}|\d{1,3}[.)])[\])*_`:：.\s]{0,8}",
    re.IGNORECASE,
)
_INLINE = re.compile(
    r"(?<=[\s?!.*])[*_]{0,2}(?:(?P<question>Question|Q|User|Human)|(?P<answer>Answer|A|Assistant|GPT))"
    r"[ ]?\d{0,3}[*_]{0,2}[:：][*_]{0,2}"
)


def find_label(line: str, vocabulary: Vocabulary) -> tuple[Kind, str] | None:
    """Read a line that opens a question or an answer.

    A label ends in a colon, or in a full stop or dash when it has a number, or is a line by itself.

    Returns:
        The kind and the rest of the line, or None for ordinary text.
    """
    match = _PATTERNS[vocabulary].match(line)
    if match is None:
        return None
    kind: Kind = "question" if match["question"] else "answer"
    end = _COLON.match(line, match.end())
    if end is None and match["number"]:
        end = _AFTER_NUMBER.match(line, match.end())
    if end is not None:
        return kind, line[end.end() :].strip()
    is_word = len(match["question"] or match["answer"]) > 1 or match["number"]
    return (kind, "") if is_word and not line[match.end() :].strip() else None


def strip_labels(text: str, kind: Kind) -> str:
    """Take off labels of the same kind that a text still begins with, as in ``User: Question: …``."""
    for _ in range(3):
        first, newline, rest = text.partition("\n")
        label = find_label(first, "both")
        if label is None or label[0] != kind:
            break
        text = (label[1] + newline + rest).strip()
    return text


def is_heading(line: str) -> bool:
    """Whether a line only counts the pairs, such as ``**Pair 2**`` or ``3.``."""
    return _HEADING.fullmatch(line) is not None and line.strip() != ""


def split_inline(text: str) -> list[tuple[Kind, str]]:
    """Split a question that runs on in its own line: ``Where is it? Answer: Here. Question: …``.

    Returns:
        Kinds and texts in turn, beginning with the question.
    """
    pieces: list[tuple[Kind, str]] = []
    kind: Kind = "question"
    start = 0
    for label in _INLINE.finditer(text):
        if label[kind]:
            continue  # only a change of speaker counts, so the label's word may stand in the text
        pieces.append((kind, text[start : label.start()].strip()))
        kind, start = ("answer" if kind == "question" else "question"), label.end()
    pieces.append((kind, text[start:].strip()))
    return pieces
