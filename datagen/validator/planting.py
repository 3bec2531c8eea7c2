"""Plants errors: from a turn believed true to turns that are known to be false, one error each.

They are what the field's teachers get wrong: a number off by one, a thing that is not there, the wrong side, a
relation turned around; each kind of claim knows how it is spoilt. Another image's answers need no planting.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec.structs import replace

from datagen.claims.kind import Plant, PlantedError, Spoiling
from datagen.claims.kinds import KINDS, PLANTED_ERRORS
from datagen.lexicon import Lexicon
from datagen.records import Turn

ErrorKind = str
"""The name of a kind of error, one of ``ERROR_KINDS``."""

OTHER_IMAGE = PlantedError("other image", "an answer about another image")
TOLD = {error.name: error.told for error in (*PLANTED_ERRORS, OTHER_IMAGE)}
"""The kinds of error, in the order of their trials, as verdicts tell them."""
ERROR_KINDS: tuple[ErrorKind, ...] = tuple(TOLD)

_PLANTERS: dict[ErrorKind, dict[str, Plant]] = {
    error.name: {kind.name: plant for kind in KINDS for planted, plant in kind.plants if planted == error}
    for error in PLANTED_ERRORS
}


def plant_errors(turn: Turn, lexicon: Lexicon, absent: Sequence[str], rng: random.Random) -> dict[ErrorKind, Turn]:
    """Plant one error of each kind that fits.

    Args:
        turn: With its claims; what is contradicted already, or said in the question, is left alone.
        lexicon: The corpus's, to find where a thing is named.
        absent: Categories that the image does not show, of those that the corpus does.
        rng: Decides which claim is spoilt, and how.

    Returns:
        Kind of error to the turn that has it, without claims: they must be read anew.
    """
    sound = [claim for claim in turn.claims if claim.verdict != "contradicted" and not claim.in_question]
    spoiling = Spoiling(lexicon, absent, rng)
    planted: dict[ErrorKind, Turn] = {}
    for error, plant_of in _PLANTERS.items():
        drawn = rng.sample(sound, len(sound))
        answers = (plant_of[claim.kind](turn.answer, claim, spoiling) for claim in drawn if claim.kind in plant_of)
        answer = next((answer for answer in answers if answer is not None and answer != turn.answer), None)
        if answer is not None:
            planted[error] = replace(turn, answer=answer, claims=(), validation=None)
    return planted
