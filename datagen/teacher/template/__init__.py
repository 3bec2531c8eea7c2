"""The embedded teacher: visual-instruction data from captions and boxes by templates, exact and without network.

``captions`` (spelled by ``slips``, understood by ``caption_reader``) and ``image_facts`` read what may be said of an
image, ``scenes`` knows places and what may be denied; ``conversation``, ``description``, ``puzzles``, ``negation`` and
``pointing`` write, with the parts in ``shared_wording``.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable

from datagen.errors import TeacherError
from datagen.lexicon import as_prose
from datagen.randomness import rng_for
from datagen.records import Reply, Request
from datagen.teacher.template.conversation import write_conversation
from datagen.teacher.template.description import write_description
from datagen.teacher.template.image_facts import Facts, gather_facts
from datagen.teacher.template.negation import write_negation
from datagen.teacher.template.pointing import write_grounded_description, write_grounding, write_referring
from datagen.teacher.template.puzzles import write_puzzle
from datagen.teacher.template.shared_wording import QA

__all__ = ["TemplateTeacher", "write_reply"]

WRITERS: dict[str, Callable[[Facts, random.Random], list[QA]]] = {
    "conversation": write_conversation,
    "description": write_description,
    "reasoning": write_puzzle,
    "negation": write_negation,
    "grounding": write_grounding,
    "referring": write_referring,
    "grounded_description": write_grounded_description,
}
"""What ``template:`` in a recipe may name."""


class TemplateTeacher:
    """The teacher that needs no network: exact data written from captions and boxes.

    Args:
        rng_seed: Decides wordings and choices, together with image id and response type.
    """

    name = "template"
    n_at_once = 1

    def __init__(self, rng_seed: int) -> None:
        self._rng_seed = rng_seed

    async def answer(self, request: Request) -> Reply:
        """Write one reply; raises ``TeacherError`` for a type that has no embedded writer."""
        return write_reply(request, self._rng_seed)

    def stop(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Hold nothing, so there is nothing to give back."""


def write_reply(request: Request, rng_seed: int) -> Reply:
    """Write the reply to a request.

    Args:
        request: ``template`` names the writer, ``image`` is what it writes about.
        rng_seed: The run's seed.

    Returns:
        A reply in ``request.reply_format``; error ``nothing_to_say`` when captions and boxes
        carry no statement of this type.

    Raises:
        TeacherError: The response type has no embedded writer.
    """
    writer = WRITERS.get(request.template or "")
    if writer is None:
        raise TeacherError(
            f"Response type '{request.response_type}' has no embedded writer; set template: in its recipe.yaml to one "
            f"of {', '.join(WRITERS)}, or choose an LLM with --teacher."
        )
    rng = rng_for(rng_seed, request.image.image_id, request.response_type, "template")
    facts = gather_facts(request.image, request.deniable)
    turns = [(_polish(question), _polish(answer)) for question, answer in writer(facts, rng)]
    error, detail = None, None
    if not turns:
        error = "nothing_to_say"
        detail = f"The captions and boxes of image {request.image.image_id} carry no sure {request.template}."
    return Reply(
        request_digest=request.digest,
        image_id=request.image.image_id,
        response_type=request.response_type,
        teacher=TemplateTeacher.name,
        text=_format(turns, request.reply_format) if turns else "",
        finish_reason=None if error else "stop",
        cost_usd=0.0,
        at=time.time(),
        error=error,
        detail=detail,
    )


def _polish(text: str) -> str:
    """Spell as prose what COCO spells in lower case, and name the picture once in a sentence."""
    return _TWICE.sub(lambda match: match[1].upper(), as_prose(text))


_TWICE = re.compile(  # "In the picture, is the dog higher up in the picture than the cat?"
    r"(?:(?<=^)|(?<=[.?!] ))In the (?:picture|image|frame), (\w)(?=[^.?!]*\bin the (?:picture|image|frame)\b)"
)


def _format(turns: list[QA], reply_format: str) -> str:
    if reply_format == "json":
        return json.dumps({"turns": [{"question": q, "answer": a} for q, a in turns]}, ensure_ascii=False)
    if reply_format == "text":
        return " ".join(answer for _, answer in turns)
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in turns)
