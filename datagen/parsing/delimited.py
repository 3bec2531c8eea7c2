"""From a reply in labelled blocks (``Question:``, ``===``, ``Answer:``), however bent, to its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from datagen.parsing.cleaning import is_closing_remark, strip_closing, strip_rules, unbold, unquote
from datagen.parsing.labels import Kind, Vocabulary, find_label, is_heading, split_inline, strip_labels
from datagen.parsing.pairing import Part

_DELIMITER = re.compile(r"[\s*_>]{0,8}={3,}[\s*_]{0,8}")
_DELIMITER_IN_LINE = re.compile(
    r"(?<![ \t=])[ \t]*+={3,}+[ \t]*+(?=[#*_]{0,4}[ ]?(?:Question|Answer|User|Human|Assistant|GPT|[QA]\d{0,3}[:：]))"
)
_TAG = re.compile(r"<(?P<closes>/?)(?P<kind>question|answer)[ _]?\d{0,3}>", re.IGNORECASE)
_FENCE = re.compile(r"[ \t>]{0,8}(?:```|~~~)[\w+-]{0,20}[ \t]{0,8}")


class _Block(Struct):
    """Lines under one label, or between delimiters without a label (kind None)."""

    kind: Kind | None
    lines: list[str]


def read_delimited(text: str, is_cut: bool) -> list[Part]:
    """Find the questions and answers of a labelled reply; empty when there are none.

    Labels such as Question and Answer are tried first and roles such as User second, so that the
    one may stand at the start of a line in a text that is labelled with the other.

    Args:
        text: A cleaned reply.
        is_cut: The reply broke off, so its last part is not whole.
    """
    text = _DELIMITER_IN_LINE.sub("\n===\n", text)
    text = _TAG.sub(lambda tag: "\n" if tag["closes"] else f"\n{tag['kind'].title()}:\n", text)
    found: list[Part] = []
    for vocabulary in ("titles", "roles", "both"):
        parts = list(_resolve(_blocks(text.split("\n"), vocabulary), is_cut))
        if {"question", "answer"} <= {part.kind for part in parts}:
            return parts
        found = found or parts
    return found


def _blocks(lines: list[str], vocabulary: Vocabulary) -> list[_Block]:
    """Cut the lines at labels and delimiters."""
    labels = {n: label for n, line in enumerate(lines) if (label := find_label(line, vocabulary))}
    noise = _noise_around(lines, labels)
    blocks = [_Block(None, [])]
    for n, line in enumerate(lines):
        if n in labels:
            kind, rest = labels[n]
            blocks.append(_Block(kind, [rest]))
        elif n in noise or _DELIMITER.fullmatch(line):
            blocks.append(_Block(None, []))
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
        if is_next and is_heading(lines[n]) and not is_first_line:
            noise.add(n)
        elif lines[n].strip() and n not in noise:
            is_next = n in labels
    return noise


def _resolve(blocks: list[_Block], is_cut: bool) -> Iterator[Part]:
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
            if not is_whole or (previous and text and not (block is last and is_closing_remark(text))):
                yield Part("stray", text, is_whole)
            continue
        if block.kind is None and kind == "question":
            text = text.rpartition("\n\n")[2]
        pieces = [(kind, text)]
        if kind == "question" and (following is None or following.kind != "answer"):
            pieces = split_inline(text)
        for n, (piece_kind, piece) in enumerate(pieces, start=1):
            yield Part(piece_kind, _trim(piece, piece_kind), is_whole or n < len(pieces))
        previous = pieces[-1][0]


def _text_of(block: _Block, is_last: bool = False) -> str:
    text = "\n".join(block.lines)
    return strip_closing(text) if is_last else strip_rules(text)


def _label_by_turns(blocks: list[_Block]) -> None:
    """Read a reply without any label by its delimiters, when every other block asks something."""
    texts = [_text_of(block) for block in blocks]
    if len(blocks) % 2 == 0 and all(text.endswith("?") for text in texts[::2]) and all(texts):
        for n, block in enumerate(blocks):
            block.kind = "answer" if n % 2 else "question"


def _missing_kind(block: _Block, previous: Kind | None, following: _Block | None) -> Kind | None:
    if previous == "question" and _text_of(block):
        return "answer"
    if following is not None and following.kind == "answer" and _text_of(block).endswith("?"):
        return "question"
    return None


def _trim(text: str, kind: Kind) -> str:
    text = strip_labels(text, kind)
    # Quotes around an answer may be part of it: what does the sign say?
    return unquote(text) if kind == "question" else unbold(text)
