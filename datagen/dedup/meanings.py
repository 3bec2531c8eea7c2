"""From two questions to how alike they are in meaning, by vectors that an embedding model gave them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datagen.dedup.questions import question_key, words_of

Vector = NDArray[np.float64]
FindVector = Callable[[str], Vector | None]
"""From a question to its vector of length 1, or None where it has none."""

_TELLING = frozenset(
    "not no never without left right above below under over behind front inside outside before after first second "
    "third last next more less fewer most least all both only one two three four five six seven eight nine ten".split()
)


class Meanings:
    """Tells which questions mean the same.

    Vectors lie close for all questions about the same things, so that words which turn a question round
    are looked at first: what differs in a negation, a number or a side, or has the same words in another
    order ("Is the dog left of the cat?"), is not the same.

    Args:
        find_vector: Gives a question's vector.
        threshold: Cosine similarity from which two questions mean the same.
    """

    def __init__(self, find_vector: FindVector, threshold: float) -> None:
        self._find_vector = find_vector
        self._threshold = threshold

    def similarity(self, one: str, other: str) -> float | None:
        """Cosine similarity of two questions that mean the same; None for any others."""
        if _telling_words(one) != _telling_words(other):
            return None
        content, other_content = question_key(one).split(), question_key(other).split()
        if content != other_content and sorted(content) == sorted(other_content):
            return None
        vector, other_vector = self._find_vector(one), self._find_vector(other)
        if vector is None or other_vector is None or vector.shape != other_vector.shape:
            return None
        cosine = round(float(vector @ other_vector), 6)  # further digits depend on the machine
        return cosine if cosine >= self._threshold else None


def _telling_words(question: str) -> list[str]:
    return sorted(word for word in words_of(question) if word in _TELLING or word.isdecimal())
