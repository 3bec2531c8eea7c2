"""Trainer rules: what the loaders would do wrong with a record, so that no row is written that trains to nothing.

The rules are those of the loaders of LLaVA, LLaMA-Factory and TRL: an odd row, a wrong count of image tokens or an
empty answer is dropped or masked there without a word, and a special token in the text masks the whole sample.
"""

from __future__ import annotations

import re
from itertools import cycle
from typing import Any, NamedTuple

from datagen.export.llava_row import IMAGE_TOKEN

_STRUCTURE = re.compile(
    r"</?s>|<\||<(?:video|audio|pad|unk|bos|eos|im_start|im_end|im_patch|start_of_turn|end_of_turn)>|<</?SYS>>"
    r"|\[/?INST\]|\b(?:ASSISTANT|USER):"
)


class LeftOut(NamedTuple):
    """Why a row is left out: a code to count and a sentence to read."""

    reason: str
    detail: str


def record_fault(record: dict[str, Any]) -> LeftOut | None:
    """Find the first rule of a loader that a record breaks.

    Args:
        record: In LLaVA's form, ``{id, image, conversations: [{from, value}]}``.

    Returns:
        None for a row that every loader takes whole. Reasons: ``no_answer``, ``roles``, ``image_tokens``,
        ``empty_text``, ``trainer_token``.
    """
    turns = record["conversations"]
    if len(turns) < 2 or len(turns) % 2:
        return LeftOut("no_answer", f"{len(turns)} messages do not pair into questions and answers")
    for number, (turn, role) in enumerate(zip(turns, cycle(("human", "gpt")), strict=False), start=1):
        value = turn["value"]
        if turn["from"] != role:
            return LeftOut("roles", f"message {number} is from {turn['from']!r}, expected {role!r}")
        n_tokens, n_expected = value.count(IMAGE_TOKEN), int(number == 1)
        if n_tokens != n_expected:
            return LeftOut("image_tokens", f"message {number} holds {IMAGE_TOKEN} {n_tokens} times, not {n_expected}")
        if not value.replace(IMAGE_TOKEN, "").strip():
            return LeftOut("empty_text", f"message {number} says nothing")
        found = _STRUCTURE.search(value)
        if found is not None:
            return LeftOut("trainer_token", f"message {number} holds {found[0]!r}, which trainers read as structure")
    return None
