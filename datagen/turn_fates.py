"""The fate of every turn that a teacher wrote: kept, cut off its conversation, or lost with its rejected sample.

A conversation is cut before its first turn at fault, so that turns without any fault go with it. Who asks how much a
teacher made up, or looks for what was lost, must tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from datagen.records import Flaw, Sample, Turn

Fate = Literal["kept", "cut", "rejected"]
Cause = Literal["itself", "an earlier turn", "the sample"]


class Earlier(Struct, frozen=True):
    """A turn as it stood before the teacher wrote it anew, and why it had to.

    Attributes:
        flaws: Its sentences that went back, with what came in their places.
        outcome: What came, as words for a person; None where the turn was written anew.
    """

    turn: Turn
    flaws: tuple[Flaw, ...]
    outcome: str | None = None


class FatedTurn(Struct, frozen=True):
    """A turn, what became of it, and why.

    Attributes:
        number: Its place in the conversation as the teacher wrote it, from 1.
        fate: In the dataset, cut off a sample that went on, or in a rejected sample.
        stage: Where it was lost; None of a kept one, as are the following.
        reason: The reason code.
        detail: The sentence for a person.
        cause: What was at fault: the turn itself, a turn before it, or the sample as a whole, such as a copy of
            another.
        earlier: How it stood before it was repaired, the first version first; none of most turns.
    """

    number: int
    turn: Turn
    fate: Fate
    stage: str | None = None
    reason: str | None = None
    detail: str | None = None
    cause: Cause | None = None
    earlier: tuple[Earlier, ...] = ()


def fated_turns(sample: Sample) -> tuple[FatedTurn, ...]:
    """Put the turns of a sample, the cut ones among them, into the order in which they were written."""
    placed: list[_Placed] = [*_standing(sample)]
    for cut in reversed(sample.cuts):
        placed[cut.at : cut.at] = [
            (turn, "cut", (cut.stage, cut.reason, cut.detail), "an earlier turn" if n else "itself")
            for n, turn in enumerate(cut.turns)
        ]
    numbered = enumerate(placed, start=1)
    told = (FatedTurn(number, turn, fate, *why, cause) for number, (turn, fate, why, cause) in numbered)
    if sample.repairs is UNSET or (sample.review is not None and sample.review.turns is not None):
        return tuple(told)  # what people corrected by hand stands in no place that the teacher knew
    return tuple(replace(one, earlier=tuple(_earlier(sample, one.number - 1, one.turn))) for one in told)


def _earlier(sample: Sample, place: int, last: Turn) -> Iterator[Earlier]:
    rounds = [one for one in sample.repairs or () if place in one.before]
    versions = [*(one.before[place] for one in rounds), last]
    for one, after in zip(rounds, versions[1:], strict=True):
        before, flaws = one.before[place], tuple(flaw for flaw in one.flaws if flaw.turn == place)
        outcome = None
        if one.error:
            outcome = f"nothing came: {one.error}"
        elif (after.question, after.answer) == (before.question, before.answer):
            outcome = "it came back as it was"
            if any(flaw.new is None for flaw in flaws):
                outcome = "nothing came for it"
            if any(flaw.new == "" for flaw in flaws):
                outcome = "left out, as nothing true can stand there: the turn falls"
        yield Earlier(before, flaws, outcome)


def opinion_lines(turn: Turn) -> Iterator[str]:
    """What a judge over text says of a turn's sentences, where it says anything."""
    for one in () if turn.opinions is UNSET else turn.opinions:
        if one.verdict != "unknown" or one.void:
            said = f"'{one.words or turn.answer[one.start : one.end]}'"
            chance = "" if one.chance is None else f" ({one.chance:.0%})"
            yield f"{said} {one.verdict}{chance}" + (f", as {one.void}" if one.void else f" by '{one.quote}'")


_Why = tuple[str | None, str | None, str | None]
_Placed = tuple[Turn, Fate, _Why, Cause | None]


def _standing(sample: Sample) -> Iterator[_Placed]:
    """The turns that no stage cut."""
    if sample.status == "accepted":
        yield from ((turn, "kept", (None, None, None), None) for turn in sample.turns)
        return
    why = sample.stage, sample.reason, sample.detail
    is_of_turn = sample.over_first_turn and sample.review is None
    for n, turn in enumerate(sample.turns):
        cause: Cause = "the sample"
        if is_of_turn:
            cause = "an earlier turn" if n else "itself"
        yield turn, "rejected", why, cause


def written_turns(sample: Sample) -> tuple[Turn, ...]:
    """All turns as the teacher first wrote them, whatever became of them and whoever corrected them; in no order."""
    before = sample.review.turns if sample.review is not None else None
    if sample.repairs is not UNSET and before is None:
        return tuple(told.earlier[0].turn if told.earlier else told.turn for told in fated_turns(sample))
    stood = sample.turns if before is None else before
    return (*stood, *(turn for cut in sample.cuts for turn in cut.turns))
