"""From accepted samples to what kinds of things they ask and say, what they lack, and how they are balanced.

``kinds`` reads questions, ``measuring`` counts a stream of samples, ``lacking`` says what the counts miss,
``balance`` decides which turns fall so that a set does not say yes to everything.
"""

from __future__ import annotations

from datagen.diversity.balance import Census, Plan, plan
from datagen.diversity.kinds import ALL_KINDS, question_kind
from datagen.diversity.measuring import Diversity, boxed_images

__all__ = ["ALL_KINDS", "Census", "Diversity", "Plan", "boxed_images", "plan", "question_kind"]
