"""Who writes the replies: one protocol, the embedded template teacher, and any OpenAI-compatible endpoint."""

from __future__ import annotations

from datagen.teacher.protocol import Teacher, open_teacher

__all__ = ["Teacher", "open_teacher"]
