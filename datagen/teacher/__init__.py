"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from datagen.teacher.protocol import StoppedError, Teacher, open_teacher

__all__ = ["StoppedError", "Teacher", "open_teacher"]
