"""Checks of answers: ``wording`` by tables of functions, ``judge`` by an LLM that reads captions and boxes."""

from __future__ import annotations

from datagen.checks.wording import Check, Checked, check_turns, check_with, known_checks, validate_check_names

__all__ = ["Check", "Checked", "check_turns", "check_with", "known_checks", "validate_check_names"]
