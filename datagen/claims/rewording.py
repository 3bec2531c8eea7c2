"""Small changes to an answer's words that turn a true claim into a false one: the material of planted errors."""

from __future__ import annotations

import re

from datagen.records import Claim


def replaced(answer: str, start: int, end: int, said: str) -> str:
    """Put words in place of others, with a capital where those had one."""
    return answer[:start] + like(answer[start:end], said) + answer[end:]


def like(before: str, after: str) -> str:
    """Begin with a capital where the text before did."""
    return after[:1].upper() + after[1:] if before[:1].isupper() else after


def turn_words(answer: str, claim: Claim, opposite: dict[str, str]) -> str | None:
    """Replace every word of a claim that has an opposite by it; None where there is none."""
    span = answer[claim.start : claim.end]
    # What takes "up more" of the frame takes up less, not down.
    words = re.compile(
        rf"\b(?:{'|'.join(sorted(opposite, key=len, reverse=True))})\b(?! (?:\w+ )?(?:more|less)\b)", re.IGNORECASE
    )
    turned = words.sub(lambda found: like(found[0], opposite[found[0].lower()]), span)
    return None if turned == span else replaced(answer, claim.start, claim.end, turned)
