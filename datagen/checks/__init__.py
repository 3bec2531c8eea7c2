"""Checks of answers: ``wording`` by tables of functions, ``pointed_boxes`` of turns that point, ``judge`` by an LLM."""

from __future__ import annotations

from datagen.checks.pointed_boxes import BY_ANNOTATIONS, first_bad_box
from datagen.checks.wording import Check, Checked, check_turns, check_with, known_checks, validate_check_names

__all__ = [
    "BY_ANNOTATIONS",
    "Check",
    "Checked",
    "check_turns",
    "check_with",
    "first_bad_box",
    "known_checks",
    "validate_check_names",
]
