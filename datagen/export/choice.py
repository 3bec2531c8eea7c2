"""Export form ``choice``: multiple-choice questions about what a picture shows, in the three kinds of ``pope``.

Of four things one is there, by the picture's boxes; the others are not: any, popular ones, or ones that usually stand
beside what is there. The right letter is as often A as B, C and D.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args

import msgspec

from datagen.export.pope import Negatives
from datagen.export.rows import ExportRow, ExportSettings, LeftOut
from datagen.records import Sample

LETTERS = "ABCD"


class ChoiceQuestion(Sample, frozen=True):
    """A question which of four things is in a picture.

    Attributes:
        negatives: How the absent things of its file are chosen.
        options: The four, in the order of their letters.
        letter: Of the one that is boxed.
    """

    negatives: Negatives = "random"
    options: tuple[str, ...] = ()
    letter: str = LETTERS[0]


class ChoiceFiles:
    """Writes ``SPLIT_random.jsonl``, ``SPLIT_popular.jsonl`` and ``SPLIT_adversarial.jsonl``.

    Attributes:
        tally: Questions by file, 0 too.
    """

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        self.tally: Counter[str] = Counter(dict.fromkeys(get_args(Negatives), 0))
        del settings
        self.files = {kind: (folder / f"{split}_{kind}.jsonl").open("wb") for kind in get_args(Negatives)}

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a question."""
        asked = row.sample
        if not isinstance(asked, ChoiceQuestion):
            return LeftOut("no_question", "it is a sample and no question with options")
        self.tally[asked.negatives] += 1
        line = {
            "question_id": self.tally[asked.negatives],
            "image": row.image,
            "question": asked.turns[0].question.partition("\n")[0],
            "options": asked.options,
            "answer": asked.letter,
            "category": asked.negatives,
        }
        self.files[asked.negatives].write(msgspec.json.encode(line) + b"\n")
        return None

    def close(self) -> None:
        """Complete the files."""
        for file in self.files.values():
            file.close()
