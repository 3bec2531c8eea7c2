"""From a teacher's raw reply to turns, or to the reason why there are none.

Read in order: ``cleaning`` takes off what is no part of the answer, ``delimited`` (with ``labels``),
``structured`` and ``bare`` read the three reply formats, ``pairing`` joins questions and answers; ``llava``
reads imported records.
"""

from __future__ import annotations

from typing import Literal

from datagen.parsing.bare import read_text
from datagen.parsing.cleaning import clean_reply
from datagen.parsing.delimited import read_delimited
from datagen.parsing.llava import read_llava
from datagen.parsing.pairing import Parsed, opening_of, pair_up, rejected
from datagen.parsing.structured import read_json

__all__ = ["Parsed", "parse_reply"]

_CUT_REASONS = {"length": "truncated", "max_tokens": "truncated", "content_filter": "content_filter"}


def parse_reply(
    text: str,
    reply_format: Literal["delimited", "json", "text", "llava"],
    finish_reason: str | None,
    question: str | None = None,
) -> Parsed:
    """Read a reply, in the format asked for or in the other one, since models mix them up.

    Args:
        text: The raw reply; any text at all is fine.
        reply_format: What the recipe asked for; ``llava`` is an imported record, which is taken at its word.
        finish_reason: As the endpoint gave it; ``"length"`` and ``"content_filter"`` mean that the
            reply's end is missing.
        question: What a reply of the format ``text`` answers.

    Raises:
        ValueError: No question came with the format ``text``.
    """
    if reply_format == "text" and not question:
        raise ValueError("a bare text needs the question that it answers")
    if reply_format == "llava":
        return read_llava(text)
    cut_reason = _CUT_REASONS.get((finish_reason or "").lower())
    body = clean_reply(text)
    if not body:
        if cut_reason:
            return rejected(cut_reason, "the reply broke off before its answer began")
        if any(char.isalnum() for char in text):
            return rejected("only_reasoning", f"no answer follows the reasoning: {opening_of(text.strip())}")
        return rejected("empty_reply", "the reply holds no text")
    if reply_format == "text":
        return read_text(body, question or "", cut_reason is not None, cut_reason or "")
    return _read_pairs(body, reply_format, cut_reason)


def _read_pairs(body: str, reply_format: Literal["delimited", "json"], cut_reason: str | None) -> Parsed:
    """Try the format asked for, then the other; of two failures report the first that found anything."""
    readings: list[Parsed] = []
    for form in ("delimited", "json") if reply_format == "delimited" else ("json", "delimited"):
        if form == "json":
            parts = read_json(body)
            parsed = pair_up(parts, cut_reason or "broken_json")
        else:
            parts = read_delimited(body, cut_reason is not None)
            parsed = pair_up(parts, cut_reason or "truncated")
        if parsed.turns:
            return parsed
        if any(part.text and part.kind != "stray" for part in parts):
            readings.append(parsed)
    if readings:
        return readings[0]
    return rejected(cut_reason or "no_turns", f"no question with an answer in a reply that begins {opening_of(body)}")
