"""Replies in JSON, whole or broken, read to their questions and answers.

A scanner rather than a decoder: models leave out commas and brackets, add trailing ones, forget to
escape quotes, write Python dicts, wrap JSON in prose, and stop in the middle. The scanner reads
what is there in one pass; valid JSON comes out as a decoder would read it.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from datagen.parsing.cleaning import ReplyPart, read_plainly, without_surrogates
from datagen.parsing.labels import ANSWER_WORDS, QUESTION_WORDS

# A quote ends a string only where structure follows, so that an unescaped "STOP" inside stays text.
# Possessive repeats, and an end that may be missing, keep the scan linear on any input.
_NEXT_ITEM = r"(?:[\"'{\[}\]]|\w{1,20}+\s?:)"
_STRUCTURE = rf"(?!\s*+(?:[:}}\]]|,\s*+{_NEXT_ITEM}|\Z)|[ \t]*+\n\s*+{_NEXT_ITEM})"
_TOKEN = re.compile(
    rf'"(?P<double>(?:[^"\\]++|\\.|"{_STRUCTURE})*+)(?P<double_end>"?)'
    rf"|'(?P<single>(?:[^'\\]++|\\.|'{_STRUCTURE})*+)(?P<single_end>'?)"
    r"|(?P<mark>[{}\[\]:,])|(?P<bare>[^\s{}\[\]:,\"']++)",
    re.DOTALL,
)
_START = re.compile(rf"[{{\[](?=\s*+{_NEXT_ITEM})")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_QUESTION_KEY = re.compile(rf"(?:question|q|user|human|instruction|{QUESTION_WORDS})[ _]?\d{{0,3}}")
_ANSWER_KEY = re.compile(
    rf"(?:answer|a|assistant|gpt|response|output|description|caption|text|{ANSWER_WORDS})[ _]?\d{{0,3}}"
)
_ROLES: dict[str, Literal["question", "answer"]] = {
    **dict.fromkeys(("human", "user", "question", "q"), "question"),
    **dict.fromkeys(("gpt", "assistant", "answer", "a", "model", "ai", "bot"), "answer"),
}


class _Field(Struct):
    """A key of an object and its text so far."""

    key: str
    text: str | None = None
    is_whole: bool = False


def read_json(text: str) -> list[ReplyPart]:
    """Find the questions and answers of a JSON reply; empty when there are none."""
    if '"' not in text:
        text = text.replace("“", '"').replace("”", '"')
    start = _START.search(text)
    if start is None:
        return []
    parts: list[ReplyPart] = []
    objects: list[list[_Field]] = []
    for token in _TOKEN.finditer(text, start.start()):
        mark = token["mark"]
        if mark == "{":
            objects.append([])
        elif mark == "}" and objects:
            parts += _parts_of(objects.pop())
        elif mark is None and objects:
            _take(token, objects[-1])
    for fields in reversed(objects):
        parts += _parts_of(fields)
    return parts


def _take(token: re.Match[str], fields: list[_Field]) -> None:
    """Put a string or bare word where it belongs: a new key, or text of the last one."""
    quoted = token["double"] if token["double"] is not None else token["single"]
    word = token["bare"] if quoted is None else _unescape(quoted)
    is_whole = quoted is None or bool(token["double_end"] or token["single_end"])
    if _is_key(token):
        fields.append(_Field(word.strip().lower()))
    elif fields and word != "null":
        last = fields[-1]
        # Words behind a finished value are the rest of a string whose quotes went wrong.
        last.is_whole = is_whole and (last.text is None or quoted is not None)
        last.text = word if last.text is None else f"{last.text}\n{word}"


def _is_key(token: re.Match[str]) -> bool:
    """A colon follows, with nothing but a little space between."""
    return token.string[token.end() : token.end() + 8].lstrip().startswith(":")


def _unescape(text: str) -> str:
    if "\\" in text:
        text = without_surrogates(_ESCAPE.sub(lambda found: _escaped(found[1]), text))
    return read_plainly(text)  # some servers escape twice


def _escaped(code: str) -> str:
    return (
        chr(int(code[1:], 16))
        if len(code) == 5
        else {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}.get(code, code)
    )


def _parts_of(fields: list[_Field]) -> list[ReplyPart]:
    """Read one object: a message with a role, or questions and answers under their own keys."""
    role = next(
        ((field.text or "").strip().lower() for field in fields if field.key in ("from", "role", "speaker")), None
    )
    if role is not None:
        kind = _ROLES.get(role)
        contents = [field for field in fields if field.key in ("value", "content", "text", "message")]
        return [_part(kind, field) for field in contents] if kind else []
    questions = [_part("question", field) for field in fields if _QUESTION_KEY.fullmatch(field.key)]
    answers = [_part("answer", field) for field in fields if _ANSWER_KEY.fullmatch(field.key)]
    parts: list[ReplyPart] = []
    for n in range(max(len(questions), len(answers))):
        parts += [*questions[n : n + 1], *answers[n : n + 1]]
    return parts


def _part(kind: Literal["question", "answer"], field: _Field) -> ReplyPart:
    text = (field.text or "").strip()
    return ReplyPart(kind, text, field.is_whole or field.text is None)
