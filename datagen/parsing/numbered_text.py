"""Replies of numbered sentences, one for each that was asked for, read to their texts or to why none can be taken.

What is taken stands in a dataset word for word, so doubt refuses: a remark behind a sentence is no part of it, and a
text without a number is taken only where one sentence was asked for and nothing else can be meant by it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from datagen.finish_reason import end_of
from datagen.parsing.cleaning import clean_reply, unquote
from datagen.parsing.delimited_text import read_delimited
from datagen.parsing.json_text import read_json

UNREADABLE = "unreadable_repair"
"""No number that was asked for, or JSON that holds no numbered sentences."""
UNNUMBERED = "unnumbered_repair"
"""A text without numbers that is not plainly the one sentence that was asked for."""
REPEATED = "whole_reply_repeated"
"""The conversation or the text came back, and not the sentences alone."""
TRUNCATED = "truncated_repair"
"""The reply broke off before its first sentence was whole."""
REMARK = "remark_as_repair"
"""Something is said about the sentence, or nothing about the picture, and the sentence itself does not come."""

# "1.", "1)", "1:", "(1)", "[1]", "**1.**", "- 1.", "#1:"; not "1.5" and "12:30"
_NUMBER = re.compile(
    r"^[ \t>*_`#•+(\[-]{0,6}(\d{1,3})[ \t*_`]{0,3}[.:)\]．：、]{1,2}(?!\d)[*_`]{0,3}[ \t]*", re.MULTILINE
)
_FENCE_OPENS = re.compile(r"^(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}\n", re.MULTILINE)
_FENCE_CLOSES = re.compile(r"^(?:```|~~~)[ \t]{0,8}$", re.MULTILINE)
_PAIR = {"question", "answer"}
_LEFT_OUT = frozenset(("", "-", "–", "—", "−", "(-)"))
_MARKUP = re.compile(r"[\n{}<>|`]|={3}|\*\*|^[#•>*+\[-]")
_TALK = (  # said to whoever asked; a sentence that truly begins so is lost, which costs one repair
    r"sure|certainly|of course|okay|ok|sorry|apologies|oops|thanks|thank you|good catch|understood|got it|noted|please"
    r"|let me|i (?:apologi[sz]e|am sorry|have|removed|changed|corrected|replaced|left|kept|cannot|can['’]?t"
    r"|don['’]?t|did"
    r"|made|would|will|need)|i['’](?:m|ve|ll|d)|you(?:['’]re| are) (?:right|correct|welcome)|my (?:mistake|bad"
    r"|apologies)"
    r"|(?:the )?(?:corrected|rewritten|revised) (?:sentence|version|text|answer)|as (?:requested|asked)|see above|ditto"
    r"|same as (?:before|above)|no (?:changes?|corrections?|problem|rewrite)|n/?a|nothing (?:to|needs|speaks)"
)
_REMARK = re.compile(rf"\W{{0,4}}(?:{_TALK}|here (?:is|are)|here['’]s|note)\b", re.IGNORECASE)
_IS_TALK = re.compile(rf"\W{{0,4}}(?:{_TALK})(?!\w)", re.IGNORECASE)
_NEXT_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)]{0,2}\s+")
_OWN_LABEL = re.compile(
    r"[*_]{0,3}(?:(?:the )?(?:corrected|revised|rewritten|new|fixed|updated|improved|final|amended|true"
    r"|done)(?: (?:it|sentence"
    r"|version|text|answer|statement|line|description|question))?(?: \d{1,2})?|(?:sentence|correction|revision|rewrite)"
    r" ?\d{0,2})[*_]{0,3}\s?[:：][*_]{0,3}\s{0,4}",
    re.IGNORECASE,
)
_SAID_OUT = re.compile(  # a hyphen in words
    r"[\[(<*_\s]{1,4}(?:(?:this |the )?(?:sentence|line) (?:is |was |has been |should be )?)?(?:removed?|omit(?:ted)?"
    r"|deleted?|left out|empty|nothing|entfernt|gestrichen|supprimée?|eliminad[ao]|removid[ao]|удалено|删除"
    r"|已删除|刪除|삭제|삭제됨|削除)\.?[\])>*_\s]{1,4}",
    re.IGNORECASE,
)
OF_WRITING = re.compile(
    r"\b(?:sentences?|statements?|wording|wrong|evidence|teacher|rephras\w+|rewr[io]t\w+|revis(?:ed|ion)\w*"
    r"|corrections?|corrected|incorrect\w*"
    r"|inaccura\w+|unchanged|chang(?:e|es|ed)|omit\w*|remov\w+|delet\w+|replac\w+|edited|adjusted|contradict\w*"
    r"|annotat\w+|mistakes?|apolog\w+|instruct\w+|clarif\w+|left out"
    r"|satz|aussage|korrig\w+|geändert|entfernt|gestrichen|unverändert|corrig\w+|supprim\w+|inchang\w+"
    r"|oración|correg\w+|elimin\w+|предложени\w+|исправ\w+|удал\w+|изменен\w+)\b"
    r"|句子|修改|删除|刪除|更正|不变|不變|修正|削除|変更|문장|수정|삭제|변경",
    re.IGNORECASE,
)
"""Words of writing and correcting; a sentence about a picture holds one where picture, question or old sentence do."""
_WRAPPED = re.compile(r"(?<=[^\W_]|,)[ \t]*\n[ \t]*(?=[a-z])")
"""The end of a line in the middle of a sentence."""
_KEY = re.compile(r"\D{0,20}(\d{1,3})\D{0,3}")


class NumberedText(NamedTuple):
    """What a reply holds.

    Attributes:
        said: By number, from 1; empty text for a sentence that is to be left out.
        refused: Why nothing can be taken; None where something can.
    """

    said: dict[int, str]
    refused: str | None = None


def read_numbered(text: str, asked: Sequence[str], finish_reason: str | None = None) -> NumberedText:
    """Read the sentences of a reply.

    Args:
        text: The raw reply; any text at all is fine.
        asked: The sentences that were asked for anew: one has no more lines than the one whose place it takes.
        finish_reason: As the endpoint gave it; of a reply that broke off the last sentence is not taken.

    Returns:
        The sentences of numbers that were asked for; a number that comes twice counts for nothing.
    """
    body = clean_reply(text)
    is_whole = end_of(finish_reason) == "whole"
    if opens := _FENCE_OPENS.search(body):
        closes = _FENCE_CLOSES.search(body, opens.end())
        body = body[opens.end() : closes.start() if closes else len(body)].strip()
    numbers = list(_NUMBER.finditer(body))
    if body.startswith(("{", "[")) and not (numbers and numbers[0].start() == 0):
        kinds = {part.kind for part in read_json(body)}
        otherwise = REPEATED if kinds >= _PAIR else UNREADABLE if is_whole else TRUNCATED
        return _told(_in_json(body, len(asked)), len(asked), otherwise)
    kinds = {part.kind for part in read_delimited(body, is_cut=False)}
    if kinds >= _PAIR:
        return NumberedText({}, REPEATED)
    if not numbers:
        if not (is_whole and body):
            return NumberedText({}, UNREADABLE if is_whole else TRUNCATED)
        sentence = _sentence(body)
        is_plain = sentence is not None and not (kinds or _MARKUP.search(sentence) or _REMARK.match(sentence))
        return NumberedText({1: sentence or ""}) if len(asked) == 1 and is_plain else NumberedText({}, UNNUMBERED)
    ends = [*(one.start() for one in numbers[1:]), len(body)]
    found = [(int(one[1]), body[one.end() : end]) for one, end in zip(numbers, ends, strict=True)]
    whole = found if is_whole else found[:-1]
    own = ((n, _own_part(part, asked[n - 1])) for n, part in whole if 0 < n <= len(asked))
    return _told(own, len(asked), UNREADABLE if is_whole else TRUNCATED)


def _told(found: Iterable[tuple[int, str | None]], number: int, otherwise: str) -> NumberedText:
    said: dict[int, list[str | None]] = defaultdict(list)
    for n, text in found:
        said[n].append(text)
    taken = {n: texts[0] for n, texts in said.items() if len(texts) == 1 and 0 < n <= number and texts[0] is not None}
    has_remark = any(text is None for texts in said.values() for text in texts)
    return NumberedText(taken) if taken else NumberedText({}, REMARK if has_remark else otherwise)


def _own_part(text: str, asked: str) -> str | None:
    """The sentence behind a number, without what is said behind it; None where it cannot be told."""
    first, _, behind = text.partition("\n")
    if not first.strip() and behind.strip():
        if not behind.partition("\n")[0].strip():
            return None  # what comes after a gap may be a remark
        text = behind
    labelled = [part for part in read_delimited(text.strip(), is_cut=False) if part.kind != "stray"]
    if len(labelled) > 1:
        return None
    text = labelled[0].text if labelled else text
    n_lines = sum(bool(line.strip()) for line in asked.splitlines())
    kept: list[str] = []
    for line in _WRAPPED.sub(" ", text.strip()).split("\n"):
        if line.strip() and kept and (sum(map(bool, kept)) >= n_lines or _REMARK.match(line)):
            break
        kept.append(line.strip())
    return _sentence("\n".join(kept))


def _sentence(text: str) -> str | None:
    """A sentence without labels and what is said of it in brackets; None where it is a remark."""
    text = text.strip()
    if text.endswith("**") and text.count("**") == 1:  # "**1. A dog.**": the number took the other half
        text = text[:-2].rstrip()
    text = unquote(text)
    is_said_out = not text[:1].isalnum() and _SAID_OUT.fullmatch(f" {text} ")
    if is_said_out or text.strip("*_` ") in _LEFT_OUT:
        return ""
    text = unquote(_OWN_LABEL.sub("", text, count=1) if _OWN_LABEL.match(text) else text)
    if text.endswith(")") and " (" in text and OF_WRITING.search(text, text.rindex(" (")):
        text = text[: text.rindex(" (")].rstrip()
    return None if any(map(_IS_TALK.match, _NEXT_SENTENCE.split(text))) else text


def _in_json(body: str, number: int) -> Iterator[tuple[int, str | None]]:
    """The sentences of an object by number, or of a list of as many as were asked for, or of records with a number."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return
    for n, text in _numbered_in(told, number, depth=3):
        yield n, _sentence(text)


def _numbered_in(told: object, number: int, depth: int) -> Iterator[tuple[int, str]]:
    if not depth:
        return
    if isinstance(told, list):
        if len(told) == number and all(isinstance(one, str) for one in told):
            yield from ((n, _NUMBER.sub("", one, count=1)) for n, one in enumerate(told, start=1))
            return
        for one in told:
            yield from _numbered_in(one, number, depth - 1)
    elif isinstance(told, dict):
        texts = [one for one in told.values() if isinstance(one, str)]
        numbers = [one for one in told.values() if isinstance(one, int) and not isinstance(one, bool)]
        by_key = [(int(key[1]), one) for name, one in told.items() if (key := _KEY.fullmatch(name))]
        if by_key:
            yield from ((n, one) for n, one in by_key if isinstance(one, str))
        elif len(texts) == len(numbers) == 1:
            yield numbers[0], texts[0]
        elif len(told) == 1:
            yield from _numbered_in(next(iter(told.values())), number, depth - 1)
