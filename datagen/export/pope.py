"""Export form ``pope``: yes/no questions about what a picture shows, in the files that POPE's evaluators read.

POPE (arXiv 2305.10355) polls a model on objects that are there and as many that are not: random ones, popular ones, and
ones that usually stand beside what is there. Each kind is a file of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from datagen.export.rows import ExportRow, ExportSettings, LeftOut
from datagen.records import Sample

Negatives = Literal["random", "popular", "adversarial"]


class PresenceQuestion(Sample, frozen=True):
    """A question whether something is in a picture, with the answer by the picture's boxes.

    Attributes:
        negatives: How the absent things of its file are chosen.
        label: What boxes say.
    """

    negatives: Negatives = "random"
    label: Literal["yes", "no"] = "yes"


class QuestionFiles(ABC):
    """Writes ``SPLIT_random.jsonl``, ``SPLIT_popular.jsonl`` and ``SPLIT_adversarial.jsonl``; each form its own lines.

    Attributes:
        tally: Questions by file, 0 too.
    """

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.tally: Counter[str] = Counter(dict.fromkeys(get_args(Negatives), 0))
        del settings
        self.files = {kind: (folder / f"{split}_{kind}.jsonl").open("wb") for kind in get_args(Negatives)}

    @abstractmethod
    def line_of(self, row: ExportRow) -> tuple[Negatives, dict[str, Any]] | LeftOut:
        """The file of a question, and what its line holds beside number, picture and kind of file."""

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a question; ``category`` is LLaVA's name for the kind of file."""
        found = self.line_of(row)
        if isinstance(found, LeftOut):
            return found
        kind, told = found
        self.tally[kind] += 1
        line = {"question_id": self.tally[kind], "image": row.image, **told, "category": kind}
        self.files[kind].write(msgspec.json.encode(line) + b"\n")
        return None

    def close(self) -> None:
        """Complete the files."""
        for file in self.files.values():
            file.close()


class PopeFiles(QuestionFiles):
    """Writes questions whether something is there."""

    def line_of(self, row: ExportRow) -> tuple[Negatives, dict[str, Any]] | LeftOut:
        """See ``QuestionFiles``."""
        asked = row.sample
        if not isinstance(asked, PresenceQuestion):
            return LeftOut("no_question", "it is a sample and no question of presence")
        return asked.negatives, {"text": asked.turns[0].question, "label": asked.label}
