"""A reply's questions and answers in reading order, joined to turns up to the first fault."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from datagen.records import Drop, Turn


class Parsed(Struct, frozen=True):
    """What a reply holds.

    Attributes:
        turns: Complete turns; empty when the reply is rejected.
        drop: None when nothing was lost; otherwise what was cut off after the turns, or why the
            reply is rejected.
    """

    turns: tuple[Turn, ...]
    drop: Drop | None


class ReplyPart(Struct, frozen=True):
    """A stretch of a reply.

    Attributes:
        kind: ``"stray"`` is text that belongs to no question and no answer.
        is_whole: False when the reply broke off inside it.
    """

    kind: Literal["question", "answer", "stray"]
    text: str
    is_whole: bool = True


def rejected(reason: str, detail: str) -> Parsed:
    """A reply without a single usable turn."""
    return Parsed((), Drop("parse", reason, detail))


def opening_of(text: str, limit: int = 60) -> str:
    """The first words of a text, quoted on one line for a report."""
    line = " ".join(text[: 2 * limit].split())
    return f"'{line[:limit]}…'" if len(line) > limit else f"'{line}'"


def pair_up(parts: list[ReplyPart], cut_reason: str = "truncated") -> Parsed:
    """Join each question with its answer; the first part that does not fit ends the conversation.

    Args:
        parts: In reading order; a label that was repeated with nothing behind it is passed over.
        cut_reason: Reason code for a part that is not whole.
    """
    turns: list[Turn] = []
    question: str | None = None
    for part in parts:
        fault = _fault_of(part, question, cut_reason)
        if fault is not None:
            detail = f"after {len(turns)} whole turns: {part.kind} {opening_of(part.text)}"
            return Parsed(tuple(turns), Drop("parse", fault, detail))
        if part.kind == "question":
            question = part.text or question
        elif question and part.text:
            turns.append(Turn(question, part.text))
            question = None
    if question is not None:
        detail = f"after {len(turns)} whole turns: question {opening_of(question)}"
        return Parsed(tuple(turns), Drop("parse", "question_without_answer", detail))
    return Parsed(tuple(turns), None) if turns else rejected("no_turns", "no question with an answer was found")


def _fault_of(part: ReplyPart, question: str | None, cut_reason: str) -> str | None:
    if not part.is_whole:
        return cut_reason
    if part.kind == "stray":
        return "unlabelled_text"
    if part.kind == "question":
        return "question_without_answer" if part.text and question not in {None, part.text} else None
    return "answer_without_question" if part.text and not question else None
