"""One row on its way out, proven against the trainers' rules, and what writes it: the protocol of an export form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from datagen.export.llava_row import IMAGE_TOKEN
from datagen.export.splits import ExportSettings
from datagen.export.trainer_rules import LeftOut
from datagen.records import Sample


class ExportRow(NamedTuple):
    """One accepted sample that every loader takes.

    Attributes:
        record: In LLaVA's form.
        picture: File of the picture as it stands in the corpus; it has been decoded to its end.
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


class Writer(Protocol):
    """An export form: writes the rows of one split; one is made for ``train``, and one for ``validation`` if asked for.

    The same rows must give the same bytes. Everything else is done for it: samples are chosen and proven, pictures
    opened, files hashed into the manifest, the folder named when it is whole.

    Args:
        folder: Where its files go.
        split: Begins their names.
        settings: What is asked of the export.

    Attributes:
        has_pixels: The pictures are inside its files, so that none can be copied or linked beside them.
    """

    has_pixels: bool

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None: ...

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, or say why its readers would refuse it."""
        ...

    def close(self) -> None:
        """Complete the files; also called when the export fails."""
        ...


Ledger = Callable[[Iterable[Sample], BinaryIO], int]
"""A form that is one file about the samples themselves, without pictures: writes it, and gives how many samples it
tells of."""

Form = type[Writer] | Ledger


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
