"""Records of an imported LLaVA dataset, read to turns up to their first fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, get_args

from msgspec.structs import replace

from datagen.parsing.cleaning import Parsed, opening_of, rejected, without_surrogates
from datagen.records import Drop, Turn, TurnVerdict, Validation

_IMAGE_TOKEN = "<image>"
_ENDS_IN_A_WORD = re.compile(r"[a-z](?<!\bimage)(?<!\bpicture)(?<!\bphoto)(?<!\bphotograph) *$", re.IGNORECASE)
_GOES_ON = re.compile(r" +[a-z]| *[?.,;!]")
_ROLES = {"human": "question", "user": "question", "gpt": "answer", "assistant": "answer"}


def read_llava(text: str) -> Parsed:
    """Read a record's conversation up to its first fault; the words stay as they are.

    The image token must stand in the first human message, since trainers show the picture there, and is
    taken out; the export puts it back. Inside a sentence it is a noun: "what is in <image> here?" asks of the image.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return rejected("broken_json", f"the stored record is damaged: {opening_of(text)}")
    messages = record.get("conversations") if isinstance(record, dict) else None
    if not isinstance(messages, list) or not messages:
        return rejected("no_conversations", "the record holds no list of 'conversations'")
    turns: list[Turn] = []
    question: str | None = None
    for number, message in enumerate(messages, start=1):
        read = _read_message(message, number, is_question=question is None)
        if isinstance(read, Drop):
            return Parsed(tuple(turns), read)
        if question is None:
            question = read
        else:
            turns.append(Turn(question, read))
            question = None
    turns = list(_with_verdicts(turns, record.get("verdicts")))
    if question is not None:
        detail = f"after {len(turns)} whole turns: question {opening_of(question)}"
        return Parsed(tuple(turns), Drop("parse", "question_without_answer", detail))
    return Parsed(tuple(turns), None)


def _with_verdicts(turns: list[Turn], verdicts: Any) -> Iterator[Turn]:
    """The turns with the verdicts that an export of datagen's has beside them, as far as they are such words."""
    words = verdicts if isinstance(verdicts, list) else []
    for turn, word in zip_longest(turns, words[: len(turns)]):
        is_verdict = word in get_args(TurnVerdict) and word != "not judged"
        yield replace(turn, validation=Validation(word)) if is_verdict else turn


def _read_message(message: Any, number: int, *, is_question: bool) -> str | Drop:
    """The text of a message, or what is wrong with it."""
    role, value = (message.get("from"), message.get("value")) if isinstance(message, dict) else (None, None)
    kind = _ROLES.get(role) if isinstance(role, str) else None
    if kind is None:
        return Drop("parse", "unknown_role", f"message {number} is from {role!r}; 'human' and 'gpt' are known")
    if (kind == "question") != is_question:
        reason = "question_without_answer" if kind == "question" else "answer_without_question"
        return Drop("parse", reason, f"message {number} is from {role!r} like the one before it, or comes first")
    if not isinstance(value, str):
        return Drop("parse", "not_text", f"message {number} holds no text")
    text = without_surrogates(value)
    if number == 1:
        if _IMAGE_TOKEN not in text:
            return Drop("parse", "no_image_token", f"{_IMAGE_TOKEN} does not stand in the first human message")
        before, _, after = text.partition(_IMAGE_TOKEN)
        is_noun = _ENDS_IN_A_WORD.search(before) is not None and _GOES_ON.match(after) is not None
        text = f"{before.rstrip()} the image{after}" if is_noun else before + after
    text = text.strip()
    return text or Drop("parse", "empty_turn", f"message {number} is empty")
