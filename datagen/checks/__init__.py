"""From parsed turns to those that may stay: cut before the first turn that a check objects to."""

from __future__ import annotations

from msgspec import Struct

from datagen.checks.wording import DESCRIPTION_CHECKS, TURN_CHECKS, words_of
from datagen.config import ChecksSettings
from datagen.errors import SettingsError
from datagen.records import Drop, Turn

__all__ = ["Checked", "check_turns", "known_checks", "validate_check_names"]

REPEATED_QUESTION = "repeated_question"
"""The one check that looks at a whole conversation."""


class Checked(Struct, frozen=True):
    """What the checks left of a conversation.

    Attributes:
        turns: Turns before the first bad one; empty when the first is bad.
        drop: None when all turns passed, else what was found at the bad one.
    """

    turns: tuple[Turn, ...]
    drop: Drop | None


def check_turns(turns: tuple[Turn, ...], is_description: bool, settings: ChecksSettings) -> Checked:
    """Check turns in order.

    Args:
        turns: As parsed.
        is_description: The reply is one bare text, which has a word floor of its own.
        settings: Limits, and the names of checks to leave out.
    """
    table = DESCRIPTION_CHECKS if is_description else TURN_CHECKS
    active = [check for check in table if check.__name__ not in settings.skip]
    asked: dict[str, int] = {}
    for n, turn in enumerate(turns):
        for check in active:
            detail = check(turn, settings)
            if detail is not None:
                return Checked(turns[:n], Drop("checks", check.__name__, f"turn {n + 1}: {detail}"))
        first = asked.setdefault(" ".join(words_of(turn.question)), n)
        if first != n and REPEATED_QUESTION not in settings.skip:
            detail = f"turn {n + 1}: asks the same as turn {first + 1}"
            return Checked(turns[:n], Drop("checks", REPEATED_QUESTION, detail))
    return Checked(turns, None)


def known_checks() -> tuple[str, ...]:
    """Names of all checks, as ``skip`` takes them and the summary counts them."""
    return (*(check.__name__ for check in DESCRIPTION_CHECKS), REPEATED_QUESTION)


def validate_check_names(settings: ChecksSettings) -> None:
    """Refuse names in ``skip`` that no check has.

    Raises:
        SettingsError: Names the first unknown one and lists the checks.
    """
    for name in settings.skip:
        if name not in known_checks():
            raise SettingsError(f"checks.skip: there is no check '{name}'; there are {', '.join(known_checks())}.")
