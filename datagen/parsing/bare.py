"""From a reply that should be one bare text to that text, as the answer to a given question."""

from __future__ import annotations

import re

from datagen.parsing.cleaning import strip_closing, strip_preamble, strip_rules, unquote
from datagen.parsing.delimited import read_delimited
from datagen.parsing.pairing import Parsed, opening_of, pair_up, rejected
from datagen.parsing.structured import read_json
from datagen.records import Drop, Turn

MIN_WHOLE_SENTENCES = 3
"""A description that ran into the token limit is worth keeping from this many whole sentences on."""

_TITLE = re.compile(
    r"[#*_>\s]{0,8}(?:(?:an? |the )?(?:detailed |image |scene |full |complete |visual ){0,2}"
    r"(?:description|answer|caption|response|overview)(?: of the (?:image|scene|picture|photo))?|image|scene)"
    r"(?:[*_]{0,3}[:：][*_]{0,3}[ \t]{0,4}|[*_]{0,4}[ \t]{0,4}(?=\n))",
    re.IGNORECASE,
)
_FENCED = re.compile(r"(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}\n(?P<inside>.*?)(?:\n(?:```|~~~)[ \t]{0,8})?", re.DOTALL)
# A full stop behind a digit may be a list number, behind a single letter an abbreviation.
_SENTENCE_END = re.compile(r"(?<=[^\W\d_]{2})[.!?…][\"'”’)\]*]{0,3}(?=\s|$)")


def read_text(text: str, question: str, is_cut: bool, cut_reason: str) -> Parsed:
    """Make the one turn of a bare reply.

    A reply with one labelled pair gives its answer; a whole conversation is rejected, since its
    answers make no text.

    Args:
        text: A cleaned reply.
        question: What the text answers.
        is_cut: The reply broke off; it is cut back to its last whole sentence.
        cut_reason: Reason code for that.
    """
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
    if not is_cut:
        return Parsed((Turn(question, text),), None)
    return _cut_back(text, question, cut_reason)


def _strip_wrapping(text: str) -> str:
    text = strip_closing(strip_preamble(text))
    fenced = _FENCED.fullmatch(text)
    if fenced is not None:
        text = strip_rules(fenced["inside"])
    title = _TITLE.match(text)
    if title is not None:
        text = text[title.end() :].strip()
    return unquote(text)


def _cut_back(text: str, question: str, cut_reason: str) -> Parsed:
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if len(ends) < MIN_WHOLE_SENTENCES:
        return rejected(cut_reason, f"broke off after {len(ends)} whole sentences, at {opening_of(text[-60:])}")
    lost = text[ends[-1] :].strip()
    drop = Drop("parse", cut_reason, f"the unfinished end was cut off: {opening_of(lost)}") if lost else None
    return Parsed((Turn(question, text[: ends[-1]]),), drop)
