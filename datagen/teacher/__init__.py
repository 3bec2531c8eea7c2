"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from datagen.teacher.opening import open_teacher
from datagen.teacher.protocol import StoppedError, Teacher

__all__ = ["StoppedError", "Teacher", "open_teacher"]
