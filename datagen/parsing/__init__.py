"""Parsing of a teacher's raw reply to turns, or to the reason why there are none.

``cleaning`` takes off what is no part of the answer and ``remarks`` what is said around it; ``delimited_text`` and
``json_text`` read questions and answers, ``cleaning`` joins them to turns; a bare text, such as a
description, is read here. ``llava_record`` reads imported records.
"""

from __future__ import annotations

import re
from typing import Literal

from datagen.finish_reason import end_of
from datagen.languages import SENTENCE_ENDS
from datagen.parsing.cleaning import (
    Parsed,
    clean_reply,
    opening_of,
    pair_up,
    rejected,
    strip_rules,
    unquote,
)
from datagen.parsing.delimited_text import read_delimited
from datagen.parsing.json_text import read_json
from datagen.parsing.llava_record import read_llava
from datagen.parsing.remarks import strip_closing, strip_opening, strip_title
from datagen.records import Drop, Turn
from datagen.social_words import without_social_ends

__all__ = ["Parsed", "parse_reply"]

_BARE_FIELDS = re.compile(r'"(?:role|content|text|description|answer|response|caption)"\s?:\s?"')
_FENCED = re.compile(r"(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}\n(?P<inside>.*?)(?:\n(?:```|~~~)[ \t]{0,8})?", re.DOTALL)
# A full stop behind a digit may be a list number, behind a single letter an abbreviation.
_SENTENCE_END = re.compile(
    rf"(?<=[^\W\d_]{{2}})[.!?…][\"'”’)\]*]{{0,3}}(?=\s|$)|[{SENTENCE_ENDS}][\"'”’)\]*」』）]{{0,3}}"
)


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
        finish_reason: As the endpoint gave it; of all but the known good ones the reply's end is missing.
        question: What a reply of the format ``text`` answers.

    Raises:
        ValueError: No question came with the format ``text``.
    """
    if reply_format == "text" and not question:
        raise ValueError("a bare text needs the question that it answers")
    if reply_format == "llava":
        return read_llava(text)
    end = end_of(finish_reason)
    cut_reason = {"whole": None, "content_filter": "content_filter"}.get(end, "truncated")
    body = clean_reply(text)
    if not body:
        if cut_reason:
            return rejected(cut_reason, "the reply broke off before its answer began")
        if any(char.isalnum() for char in text):
            return rejected("only_reasoning", f"no answer follows the reasoning: {opening_of(text.strip())}")
        return rejected("empty_reply", "the reply holds no text")
    if reply_format == "text":
        return _read_bare_text(body, question or "", cut_reason)
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
            return Parsed(tuple(map(_without_remarks, parsed.turns)), parsed.drop)
        if any(part.text and part.kind != "stray" for part in parts):
            readings.append(parsed)
    if readings:
        return readings[0]
    return rejected(cut_reason or "no_turns", f"no question with an answer in a reply that begins {opening_of(body)}")


def _without_remarks(turn: Turn) -> Turn:
    answer = strip_closing(strip_opening(turn.answer, is_answer=True), is_answer=True)
    return Turn(turn.question, without_social_ends(answer, turn.question))


def _read_bare_text(text: str, question: str, cut_reason: str | None) -> Parsed:
    """Make the one turn of a bare reply.

    A reply with one labelled pair gives its answer; a whole conversation is rejected, since its
    answers make no text.

    Args:
        text: A cleaned reply.
        question: What the text answers.
        cut_reason: Reason code of a reply that broke off, which is cut back to its last whole sentence.
    """
    if _BARE_FIELDS.match(text):  # of an object whose brackets were lost
        text = f"{{{text}}}"
    parts = read_json(text) if text.lstrip("`json \n").startswith(("{", "[")) else read_delimited(text, is_cut=False)
    answers = [part for part in parts if part.kind == "answer" and part.text]
    n_pairs = len(pair_up(parts).turns)
    if n_pairs > 1:
        return rejected("conversation_reply", f"expected one text, found {n_pairs} questions with answers")
    if answers:
        text = answers[0].text
    text = _strip_wrapping(text)
    if not text:
        return rejected("empty_reply", "nothing is left beside labels and remarks")
    return _cut_back(text, question, cut_reason) if cut_reason else Parsed((Turn(question, text),), None)


def _strip_wrapping(text: str) -> str:
    text = strip_opening(strip_closing(text))
    fenced = _FENCED.fullmatch(text)
    if fenced is not None:
        text = strip_rules(fenced["inside"])
    return unquote(strip_title(text))


def _cut_back(text: str, question: str, cut_reason: str) -> Parsed:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if len(ends) < 3:  # three sentences are a description, if a short one
        return rejected(cut_reason, f"broke off after {len(ends)} whole sentences, at {opening_of(text[-60:])}")
    lost = text[ends[-1] :].strip()
    drop = Drop("parse", cut_reason, f"the unfinished end was cut off: {opening_of(lost)}") if lost else None
    return Parsed((Turn(question, text[: ends[-1]]),), drop)
