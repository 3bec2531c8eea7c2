"""Diversity of a set: the kinds of its questions, their coverage and gaps, and a balance of kinds and of yes and no.

``coverage`` reads questions, counts a stream of samples and says what the counts miss, ``balance`` decides which turns
fall so that a set does not say yes to everything.
"""

from __future__ import annotations

from datagen.diversity.balance import Census, plan
from datagen.diversity.coverage import Diversity, boxed_images, question_kind

__all__ = ["Census", "Diversity", "boxed_images", "plan", "question_kind"]
