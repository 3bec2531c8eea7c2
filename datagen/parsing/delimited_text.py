"""Replies in labelled blocks (``Question:``, ``===``, ``Answer:``), however bent, read to their questions and answers.

A label is a line such as ``Question:``, ``**Q1:**``, ``## Answer`` or ``3. User:``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from datagen.parsing.cleaning import ReplyPart, strip_rules, unbold, unquote
from datagen.parsing.labels import ANSWER_WORDS, NUMERALS, QUESTION_WORDS
from datagen.parsing.remarks import is_closing_remark, strip_closing

Kind = Literal["question", "answer"]
LabelSet = Literal["titles", "roles", "both"]
"""Labels looked for: titles such as Question, roles such as User, or all."""

# Repeats are bounded or possessive here and below, so that a scan stays linear on any text.
_TITLES = {
    "question": rf"questions?|(?-i:Q)|{QUESTION_WORDS}",
    "answer": rf"answers?|responses?|reply|(?-i:A)|{ANSWER_WORDS}",
}
_ROLES = {"question": "user|human", "answer": "assistant|gpt|chatgpt|ai|bot|model"}


def _label_pattern(questions: str, answers: str) -> re.Pattern[str]:
    adjective = r"(?:(?:follow[- ]?up|next|first|second|third|final|last|user|sample|possible|short|detailed)\s)?"
    return re.compile(
        r"[\s>#*_`•+|-]{0,12}"
        r"(?:[(\[]?\d{1,3}[.)\]:]{1,2}[\s*_]{0,4})?"  # the number of a list item
        rf"[\[(<*_`]{{0,4}}{adjective}(?:(?P<question>{questions})|(?P<answer>{answers}))"
        rf"(?P<number>[ _]?[#(\[]{{0,2}}(?:\d{{1,3}}(?:/\d{{1,3}})?|{NUMERALS}{{1,2}})[)\]]?)?(?![^\W_])"
        r"(?:\s\([^()\n]{1,40}\))?[\])>*_`]{0,4}",
        re.IGNORECASE,
    )


_LABELS: dict[LabelSet, re.Pattern[str]] = {
    "titles": _label_pattern(_TITLES["question"], _TITLES["answer"]),
    "roles": _label_pattern(_ROLES["question"], _ROLES["answer"]),
    "both": _label_pattern(*(f"{_TITLES[kind]}|{_ROLES[kind]}" for kind in ("question", "answer"))),
}
_COLON = re.compile(r"\s{0,3}[:：][*_`]{0,3}[\])>]?[*_`]{0,3}")
_AFTER_NUMBER = re.compile(r"[.)][*_`]{0,3}(?=\s|$)|\s[-–—](?=\s)")
_HEADING = re.compile(
    r"[\s>#*_`\[(]{0,12}(?:(?:pair|turn|conversation|example|exchange|dialogue|round|q\s?&\s?a)(?: pairs?)?"
    r"[ ]?#?\d{0,3}|\d{1,3}[.)])[\])*_`:：.\s]{0,8}",
    re.IGNORECASE,
)
_INLINE = re.compile(
    rf"(?<=[\s?!.*？！。])[*_]{{0,2}}(?:(?P<question>Question|Q|User|Human|(?i:{QUESTION_WORDS}))"
    rf"|(?P<answer>Answer|A|Assistant|GPT|(?i:{ANSWER_WORDS})))"
    r"[ ]?\d{0,3}[*_]{0,2}[:：][*_]{0,2}"
)
_BEFORE_QUESTION = re.compile(  # what a model says before its first question, in the same line
    r"\A.*(?<=[\s?!.:*>\])}】])[*_]{0,2}(?:Question|Q|User|Human)[ ]?\d{0,3}[*_]{0,2}[:：][*_]{0,2}\s{0,9}", re.DOTALL
)
_DELIMITER = re.compile(r"[\s*_>]{0,8}={3,}[\s*_]{0,8}")
_DELIMITER_IN_LINE = re.compile(
    r"(?<![ \t=])[ \t]*+={3,}+[ \t]*+(?=[#*_]{0,4}[ ]?(?:Question|Answer|User|Human|Assistant|GPT|[QA]\d{0,3}[:：]"
    rf"|(?:{QUESTION_WORDS}|{ANSWER_WORDS})\s?\d{{0,3}}[:：]))"
)
_TAG = re.compile(r"<(?P<closes>/?)(?P<kind>question|answer)[ _]?\d{0,3}>", re.IGNORECASE)
_FENCE = re.compile(r"[ \t>]{0,8}(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}")


_ASKS = ("?", "？", "؟")


class _LabelledLines(Struct):
    """Lines under one label, or between delimiters without a label (kind None)."""

    kind: Kind | None
    lines: list[str]


def read_delimited(text: str, is_cut: bool) -> list[ReplyPart]:
    """Find the questions and answers of a labelled reply; empty when there are none.

    Labels such as Question and Answer are tried first and roles such as User second, so that the
    one may stand at the start of a line in a text that is labelled with the other.

    Args:
        text: A cleaned reply.
        is_cut: The reply broke off, so its last part is not whole.
    """
    text = _DELIMITER_IN_LINE.sub("\n===\n", text)
    text = _TAG.sub(lambda tag: "\n" if tag["closes"] else f"\n{tag['kind'].title()}:\n", text)
    found: list[ReplyPart] = []
    for label_set in ("titles", "roles", "both"):
        parts = list(_resolve(_blocks(text.split("\n"), label_set), is_cut))
        if {"question", "answer"} <= {part.kind for part in parts}:
            return parts
        found = found or parts
    return found


def _blocks(lines: list[str], label_set: LabelSet) -> list[_LabelledLines]:
    """Cut the lines at labels and delimiters."""
    labels = {n: label for n, line in enumerate(lines) if (label := _find_label(line, label_set))}
    noise = _noise_around(lines, labels)
    blocks = [_LabelledLines(None, [])]
    for n, line in enumerate(lines):
        if n in labels:
            kind, rest = labels[n]
            blocks.append(_LabelledLines(kind, [rest]))
        elif n in noise or _DELIMITER.fullmatch(line):
            blocks.append(_LabelledLines(None, []))
        else:
            blocks[-1].lines.append(line)
    return blocks


def _noise_around(lines: list[str], labels: dict[int, tuple[Kind, str]]) -> set[int]:
    """Lines that only wrap labels: fences with a label between them, headings right before one."""
    noise: set[int] = set()
    fence: int | None = None
    for n, line in enumerate(lines):
        if _FENCE.fullmatch(line):
            if fence is not None and any(m in labels for m in range(fence, n)):
                noise |= {fence, n}
            fence = n if fence is None else None
    if fence is not None and any(m >= fence for m in labels):
        noise.add(fence)  # a fence that the model forgot to close
    is_next = False
    for n in range(len(lines) - 1, -1, -1):
        is_first_line = n - 1 in labels and not labels[n - 1][1]  # "Answer:", then "3." says three
        if is_next and _is_heading(lines[n]) and not is_first_line:
            noise.add(n)
        elif lines[n].strip() and n not in noise:
            is_next = n in labels
    return noise


def _resolve(blocks: list[_LabelledLines], is_cut: bool) -> Iterator[ReplyPart]:
    """Give every block its kind, also those whose label the model left out."""
    last = blocks[-1]
    filled = [block for block in blocks if block.kind or block is last or _text_of(block)]
    if not any(block.kind for block in filled):
        _label_by_turns(filled)
    previous: Kind | None = None
    for block, following in zip(filled, [*filled[1:], None], strict=True):
        is_whole = not (is_cut and block is last)
        kind = block.kind or _missing_kind(block, previous, following)
        text = _text_of(block, is_last=block is last)
        if kind is None:
            if not is_whole or (previous and text and not (block is last and is_closing_remark(text, is_answer=True))):
                yield ReplyPart("stray", text, is_whole)
            continue
        if block.kind is None and kind == "question":
            text = _BEFORE_QUESTION.sub("", text.rpartition("\n\n")[2])
        pieces = [(kind, text)]
        if kind == "question" and (following is None or following.kind != "answer"):
            pieces = _split_inline(text)
        for n, (piece_kind, piece) in enumerate(pieces, start=1):
            yield ReplyPart(piece_kind, _trim(piece, piece_kind), is_whole or n < len(pieces))
        previous = pieces[-1][0]


def _text_of(block: _LabelledLines, is_last: bool = False) -> str:
    text = "\n".join(block.lines)
    return strip_closing(text, is_answer=True) if is_last else strip_rules(text)


def _label_by_turns(blocks: list[_LabelledLines]) -> None:
    """Read a reply without any label by its delimiters, when every other block asks something."""
    texts = [_text_of(block) for block in blocks]
    if len(blocks) % 2 == 0 and all(text.endswith(_ASKS) for text in texts[::2]) and all(texts):
        for n, block in enumerate(blocks):
            block.kind = "answer" if n % 2 else "question"


def _missing_kind(block: _LabelledLines, previous: Kind | None, following: _LabelledLines | None) -> Kind | None:
    if previous == "question" and _text_of(block):
        return "answer"
    if following is not None and following.kind == "answer" and _text_of(block).endswith(_ASKS):
        return "question"
    return None


def _trim(text: str, kind: Kind) -> str:
    text = _strip_labels(text, kind)
    # Quotes around an answer may be part of it: what does the sign say?
    return unquote(text) if kind == "question" else unbold(text)


def _find_label(line: str, labels: LabelSet) -> tuple[Kind, str] | None:
    """Read a line that opens a question or an answer.

    A label ends in a colon, or in a full stop or dash when it has a number, or is a line by itself.

    Returns:
        The kind and the rest of the line, or None for ordinary text.
    """
    match = _LABELS[labels].match(line)
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


def _strip_labels(text: str, kind: Kind) -> str:
    """Take off labels of the same kind that a text still begins with, as in ``User: Question: …``."""
    for _ in range(3):
        first, newline, rest = text.partition("\n")
        label = _find_label(first, "both")
        if label is None or label[0] != kind:
            break
        text = (label[1] + newline + rest).strip()
    return text


def _is_heading(line: str) -> bool:
    """Whether a line only counts the pairs, such as ``**Pair 2**`` or ``3.``."""
    return _HEADING.fullmatch(line) is not None and line.strip() != ""


def _split_inline(text: str) -> list[tuple[Kind, str]]:
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
