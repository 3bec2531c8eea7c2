"""Wording checks: a conversation is cut before the first turn that one of them objects to."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from datagen.checks.wording import DESCRIPTION_CHECKS, TURN_CHECKS, words_of
from datagen.config import ChecksSettings
from datagen.errors import SettingsError, told_raised
from datagen.records import AnnotatedImage, Drop, Turn

__all__ = ["Check", "Checked", "check_turns", "check_with", "known_checks", "validate_check_names"]

REPEATED_QUESTION = "repeated_question"
"""The one check that looks at a whole conversation."""


Check = Callable[[Turn, AnnotatedImage], str | None]
"""A check of one's own: gives what is wrong with a turn about an image as one sentence, or None. Its ``__name__`` is
the reason code of what it drops."""


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


def check_with(checks: tuple[Check, ...], turns: tuple[Turn, ...], image: AnnotatedImage) -> Checked:
    """Put turns, whose claims are read already, to checks of one's own, in order.

    A check that raises, or gives no sentence, costs the turn it was asked about, as ``check_raised``: it must not cost
    the run.
    """
    for n, turn in enumerate(turns):
        for check in checks:
            reason = check.__name__
            try:
                detail = check(turn, image)
                if detail is not None and not isinstance(detail, str):
                    told = f"{check.__name__} gave {type(detail).__name__}, expected a sentence or None"
                    reason, detail = "check_raised", told
            except Exception as error:
                reason, detail = "check_raised", told_raised(check.__name__, check, error)
            if detail is not None:
                return Checked(turns[:n], Drop("checks", reason, f"turn {n + 1}: {detail}"))
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
