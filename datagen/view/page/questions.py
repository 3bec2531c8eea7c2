"""Questions to the validator from the page, one at a time; it is opened with the first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.validator.models.family import Answerer

MAX_QUESTION, MAX_ANSWER = 1_000, 4_000
"""Characters."""


class BusyError(ValidatorError):
    """Another question is being answered."""


class Asker:
    """Lends a validator to the page.

    Args:
        settings: Which one; its name may be ``"none"``.
    """

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings = settings
        self._answerer: Answerer | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str | None:
        """The validator's, or None without one."""
        return None if self._settings.name == "none" else self._settings.name

    def ask(self, load_picture: Callable[[], Image], question: str) -> str:
        """Put one question about one picture.

        Raises:
            ValidatorError: It is empty or too long, another is being answered, or the validator refuses.
        """
        question = question.strip()
        if self.name is None:
            raise ValidatorError("No validator is named; start the page with --validator NAME.")
        if not question or len(question) > MAX_QUESTION:
            raise ValidatorError(f"A question has between 1 and {MAX_QUESTION:,} characters.")
        if not self._lock.acquire(blocking=False):
            raise BusyError("The validator is still answering another question; ask again in a moment.")
        try:
            if self._answerer is None:
                from datagen.validator.models import open_answerer

                self._answerer = open_answerer(self._settings)
            answer = self._answerer.answer(load_picture(), question)
        finally:
            self._lock.release()
        return answer if len(answer) <= MAX_ANSWER else f"{answer[:MAX_ANSWER]} …"
