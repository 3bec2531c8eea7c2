"""A run with parts of one's own: teacher, check and validator are Python, and nothing but ``datagen`` is imported.

    python docs/own_parts.py IMAGES OUT     a folder of JPEG pictures; run it again to resume

Each part is the least that datagen asks for; ``mypy --strict`` accepts them.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterator, Sequence
from typing import Any

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

    def look_over(self, names: Sequence[str], load_picture: Any) -> None:
        """Refuse here, by ``datagen.ValidatorError``, pictures that the model can say nothing about."""

    def score(
        self, looks: Sequence[datagen.Look], load_picture: Any, known: Container[str] = frozenset()
    ) -> Iterator[datagen.Score | datagen.Fault]:
        """Score what is not known yet."""
        for look in looks:
            for item in look.items:
                key = datagen.score_key(self.identity, look, item)
                if key not in known and isinstance(item, datagen.Text):
                    n_words = len(item.answer.split())
                    yield datagen.TextScore(key, look.picture, -n_words / 20, -n_words / 10, -n_words / 30, n_words)


def main(captions: str, images: str, out: str) -> None:
    """Make or resume the run."""
    run = datagen.run(
        {"corpus": {"captions": [captions], "images": images}, "types": ["conversation"]},
        out,
        teacher=caption_teacher,
        validator=LengthValidator(),
        checks=[mentions_a_brand],
    )
    print(run)


if __name__ == "__main__":
    main(*sys.argv[1:4])
