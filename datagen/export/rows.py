"""One row on its way out: a proven record, its split and the file of its picture; and the chat forms made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from datagen.export.llava import IMAGE_TOKEN
from datagen.records import Sample


class Row(NamedTuple):
    """One accepted sample that every loader takes.

    Attributes:
        record: In LLaVA's form.
        picture: File of the picture as it stands in the corpus.
    """

    sample: Sample
    record: dict[str, Any]
    split: str
    picture: Path

    @property
    def image(self) -> str:
        """Name of the picture under the image folder, with forward slashes."""
        name: str = self.record["image"]
        return name


def chat_messages(record: dict[str, Any], image_part: dict[str, Any]) -> list[dict[str, Any]]:
    """Tell a record as chat messages made of parts; the picture is a part, and never a token in the text.

    Args:
        record: In LLaVA's form, proven.
        image_part: What stands for the picture, such as ``{"type": "image"}``.
    """
    messages = []
    for turn in record["conversations"]:
        text = turn["value"]
        parts = [{"type": "text", "text": text.replace(IMAGE_TOKEN, "").strip()}]
        if IMAGE_TOKEN in text:
            parts.insert(0 if text.startswith(IMAGE_TOKEN) else 1, image_part)
        messages.append({"role": "user" if turn["from"] == "human" else "assistant", "content": parts})
    return messages
