"""A run with parts of one's own: source, teacher, check, validator and writer are Python; only ``datagen`` is imported.

    python docs/own_parts.py RECORDS.json IMAGES OUT     run it again to resume

RECORDS.json lists images as ``{"file_name": ..., "captions": [...], "boxes": [{"category": ..., "bbox": [...]}]}``.

Each part is the least that datagen asks for; ``mypy --strict`` accepts them.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import datagen


def caption_teacher(request: datagen.Request) -> str:
    """A teacher gives the text of a reply; an LLM would see ``request.messages``."""
    caption = request.image.captions[0].rstrip(".")
    return f"Question:\nWhat can be seen here?\n===\nAnswer:\n{caption}."


def mentions_a_brand(turn: datagen.Turn, image: datagen.AnnotatedImage) -> str | None:
    """A check says what is wrong with a turn, or None; its name is the reason of what it drops."""
    return "names a brand" if "Coca-Cola" in turn.answer else None


class LengthValidator:
    """A validator gives every text and every probe about a picture a score; this one finds long answers unlikely."""

    identity = "length-1"  # part of every score's key: change it when the scores would change
    abilities = datagen.Abilities(texts=True, blanks=False, probes=frozenset())
    n_readers = 0

    def look_over(self, names: Sequence[str], load_picture: datagen.LoadPicture) -> None:
        """Refuse here, by ``datagen.ValidatorError``, pictures that the model can say nothing about."""

    def score(
        self, looks: Sequence[datagen.Look], load_picture: datagen.LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[datagen.Score | datagen.Fault]:
        """Score what is not known yet."""
        for look in looks:
            for item in look.items:
                key = datagen.score_key(self.identity, look, item)
                if key not in known and isinstance(item, datagen.Text):
                    n_words = len(item.answer.split())
                    yield datagen.TextScore(key, look.picture, -n_words / 20, -n_words / 10, -n_words / 30, n_words)


class CsvTable:
    """A writer takes rows that were proven sound, a split at a time; this one makes a table of turns."""

    has_pixels = False

    def __init__(self, folder: Path, split: str, settings: datagen.ExportSettings) -> None:
        self.file = (folder / f"{split}.csv").open("w", newline="", encoding="utf-8")
        self.table = csv.writer(self.file)

    def add(self, row: datagen.ExportRow) -> None:
        """Write the turns of a row."""
        self.table.writerows([row.sample.image, turn.question, turn.answer] for turn in row.sample.turns)

    def close(self) -> None:
        """Complete the file."""
        self.file.close()


def main(records: str, images: str, out: str) -> None:
    """Make or resume the run."""
    run = datagen.run(
        {"types": ["conversation"]},
        out,
        source=datagen.ImageRecords(json.loads(Path(records).read_text(encoding="utf-8")), images),
        teacher=caption_teacher,
        checks=[mentions_a_brand],
        validator=LengthValidator(),
        writers={"table": CsvTable},
    )
    print(run)


if __name__ == "__main__":
    main(*sys.argv[1:4])
