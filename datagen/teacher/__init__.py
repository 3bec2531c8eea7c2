"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from datagen.endpoint.error_translation import StoppedError
from datagen.teacher.opening import open_teacher
from datagen.teacher.protocol import Teacher

__all__ = ["StoppedError", "Teacher", "open_teacher"]
