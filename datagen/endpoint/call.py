"""A call: one thing asked of an endpoint, its JSON, how its answer is read, and what became of it so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container
from typing import Any, Generic, TypeVar

import msgspec

from datagen.endpoint.chat_completion import CompletionChoice, first_choice, sum_usage
from datagen.endpoint.error_translation import BREAKS_OFF, NOT_UTF8, PassingError
from datagen.records import Usage

MAX_SHOWN_BYTES = 2000

Result = TypeVar("Result")


class Call(ABC, Generic[Result]):
    """One thing asked of an endpoint, and what has happened to it so far; tokens of every billed try are added up.

    Attributes:
        latest: Tokens of the latest answer.
        made_sense: Whether the latest answer was one of the API's form; what was not may be billed all the same.
        latency_s: Of the latest answer.
    """

    def __init__(self) -> None:
        self.n_attempts = 0
        self.n_billed = 0
        self.usage = Usage()
        self.latest: Usage | None = None
        self.made_sense = False
        self.latency_s = 0.0

    @abstractmethod
    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON as a mapping, without parameters that the endpoint does not take."""
        ...

    @abstractmethod
    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """JSON of ``fields`` in pieces.

        Raises:
            UnicodeEncodeError: A text holds half a surrogate pair.
        """
        ...

    @abstractmethod
    def read(self, content: bytes, shown: Callable[[str], str]) -> Result:
        """Read an answer; what it says of tokens goes to ``bill`` before anything is raised.

        Args:
            content: Of an answer whose status is a success.
            shown: Makes the endpoint's words fit for a message.

        Raises:
            PassingError: It is none, and another try may bring one.
            RecordError: It says that there is none.
        """
        ...

    @abstractmethod
    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """About how many tokens it will use, for the rate limiter; the endpoint's own count replaces it."""
        ...

    @abstractmethod
    def most_tokens(self) -> tuple[float, int]:
        """Tokens of the prompt, estimated, and of the longest reply, for the budget."""
        ...

    def bill(self, usage: Usage, *, made_sense: bool = True) -> None:
        """Count what an answer took."""
        self.latest, self.made_sense = usage, made_sense
        self.n_billed += 1
        self.usage = sum_usage(self.usage, usage) if self.n_billed > 1 else usage


def billed_choice(call: Call[Any], content: bytes, shown: Callable[[str], str]) -> CompletionChoice:
    """Take the first choice out of a chat completion, and bill the call.

    Raises:
        PassingError: It is none.
    """
    choice, usage = first_choice(content)
    if choice is not None or usage != Usage():
        call.bill(usage, made_sense=choice is not None)
    if choice is None:
        raise garbled(content, "a chat completion", shown)
    return choice


def garbled(content: bytes, expected: str, shown: Callable[[str], str]) -> PassingError:
    """The fault of an answer that is none; where its beginning is sound, what is wrong with it further on is told."""
    start = shown(content[:MAX_SHOWN_BYTES].decode(errors="replace"))
    return PassingError("garbled", f"expected {expected}, got{_damage(content)}: {start or 'nothing'}")


def _damage(content: bytes) -> str:
    """Say what became of a JSON text on its way; nothing of any other text."""
    if content.lstrip()[:1] not in (b"{", b"["):
        return ""
    try:
        content.decode()
        msgspec.json.decode(content)
    except UnicodeDecodeError as error:
        return "" if error.reason == "unexpected end of data" else f" {NOT_UTF8} (at byte {error.start})"
    except msgspec.DecodeError as error:
        return f" a text that {BREAKS_OFF} after {len(content)} bytes" if str(error).endswith("truncated") else ""
    except RecursionError:
        return ""
    return ""
