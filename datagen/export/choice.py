"""Export form ``choice``: multiple-choice questions about what a picture shows, in the three kinds of ``pope``.

Of four things one is there, by the picture's boxes; the others are not: any, popular ones, or ones that usually stand
beside what is there. The right letter is as often A as B, C and D.
"""

from __future__ import annotations

from typing import Any

from datagen.export.pope import Negatives, QuestionFiles
from datagen.export.rows import ExportRow, LeftOut
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


class ChoiceFiles(QuestionFiles):
    """Writes questions which of four things is there."""

    def line_of(self, row: ExportRow) -> tuple[Negatives, dict[str, Any]] | LeftOut:
        """See ``QuestionFiles``."""
        asked = row.sample
        if not isinstance(asked, ChoiceQuestion):
            return LeftOut("no_question", "it is a sample and no question with options")
        question = asked.turns[0].question.partition("\n")[0]
        return asked.negatives, {"question": question, "options": asked.options, "answer": asked.letter}
