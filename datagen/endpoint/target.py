"""Whom to ask: a model behind an OpenAI-compatible address, and how hard it may be asked."""

from __future__ import annotations

from msgspec import Struct

from datagen.config import EmbeddingSettings, TeacherSettings, ValidatorSettings
from datagen.errors import DatagenError


class Traffic(Struct):
    """What a client of an endpoint met: tries after a failed one, and answers that asked for fewer requests (429)."""

    n_retries: int = 0
    n_refusals: int = 0


class Target(Struct, frozen=True, kw_only=True):
    """One model of one endpoint.

    Attributes:
        settings: Say how hard it may be asked, and in which variable its key is.
        model: As the endpoint calls it.
        base_url: None is OpenAI's own address, or OPENAI_BASE_URL.
        option: What a user writes to name the address, for sentences.
        error: Raised where no request can succeed.
        max_wait_s: Longest pause between two tries, Retry-After aside.
    """

    settings: TeacherSettings | ValidatorSettings | EmbeddingSettings
    model: str
    base_url: str | None
    option: str
    error: type[DatagenError]
    max_wait_s: float = 60.0
