"""What the page reads of a sample for its list: few fields, filter labels, place by doubt."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

Label = tuple[str, str]
"""What a sample can be filtered by: a kind such as ``"status"``, and a value such as ``"accepted"``."""

_MAX_TEXT = 200_000  # characters of one sample that a search looks into
_NEVER_SAID = 3.0  # of a sample without turns: nothing in it can be doubted


class SlimClaim(Struct, frozen=True):
    """What is read of a claim."""

    category: str
    verdict: str


class SlimValidation(Struct, frozen=True):
    """What is read of a validator's word on a turn."""

    verdict: str | None = None
    p_value: float | None = None


class SlimTurn(Struct, frozen=True):
    """What is read of a turn."""

    question: str
    answer: str
    claims: tuple[SlimClaim, ...] = ()
    validation: SlimValidation | None = None


class SlimCut(Struct, frozen=True):
    """What is read of a cut."""

    stage: str
    reason: str
    turns: tuple[SlimTurn, ...] = ()


class SlimReview(Struct, frozen=True):
    """What is read of a decision by hand."""

    verb: str


class SlimSample(Struct, frozen=True):
    """What a list and its filters need of a sample."""

    sample_id: str
    image: str
    response_type: str
    status: str
    turns: tuple[SlimTurn, ...] = ()
    stage: str | None = None
    reason: str | None = None
    cuts: tuple[SlimCut, ...] = ()
    review: SlimReview | None = None

    @property
    def cut_turns(self) -> tuple[SlimTurn, ...]:
        """Turns that were cut off."""
        return tuple(turn for cut in self.cuts for turn in cut.turns)

    @property
    def turn_counts(self) -> tuple[int, int, int]:
        """How many turns are kept, cut, and lost with the sample."""
        n, is_kept = len(self.turns), self.status == "accepted"
        return (n if is_kept else 0), len(self.cut_turns), (0 if is_kept else n)

    @property
    def p_value(self) -> float | None:
        """The share of correct turns that look as wrong as its worst turn; None where no turn was judged."""
        judged = [one.validation.p_value for one in self.turns if one.validation]
        return min((value for value in judged if value is not None), default=None)

    @property
    def doubt(self) -> float:
        """Its place in the order by doubt, the most doubtful lowest: judged ones by p-value, others by their claims."""
        if self.p_value is not None:
            return self.p_value
        if not self.turns:
            return _NEVER_SAID
        verdicts = [claim.verdict for turn in self.turns for claim in turn.claims]
        weight = sum({"contradicted": 1.0, "unknown": 0.5}.get(verdict, 0.0) for verdict in verdicts)
        return 2.0 - weight / max(1, len(verdicts))

    def labels(self) -> Iterator[Label]:
        """Everything it can be filtered by, cut turns too; a label may come twice."""
        yield "type", self.response_type
        yield "status", self.status
        yield "review", self.review.verb if self.review else "none"
        if self.stage:
            yield "reason", f"{self.stage}: {self.reason}"
        for cut in self.cuts:
            yield "cut", f"{cut.stage}: {cut.reason}"
        yield "turns", "lost" if self.status == "rejected" else "cut short" if self.cuts else "all kept"
        for turn in (*self.turns, *self.cut_turns):
            if turn.validation and turn.validation.verdict:
                yield "pixels", turn.validation.verdict
            for claim in turn.claims:
                yield "category", claim.category
                yield "claims", claim.verdict.replace("_", " ")

    def text(self) -> str:
        """What a search looks into."""
        turns = (*self.turns, *self.cut_turns)
        said = (" ".join(text.split()) for turn in turns for text in (turn.question, turn.answer))
        return "\n".join((self.sample_id, self.image, *said))[:_MAX_TEXT].casefold()
