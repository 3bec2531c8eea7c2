"""Human review: what people accepted, rejected or corrected by hand, laid over what the pipeline decided.

A decision is bound to the questions and answers that the person saw. Where a later run gives the sample others, the
decision is passed over and counted, never guessed at; where the same ones come back, it counts again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from msgspec.structs import replace

from datagen import claims
from datagen.config import Settings, digest_of
from datagen.records import AnnotatedImage, Decision, Drop, Review, Sample, Turn, reject
from datagen.summary import ReviewCounts

ReadClaims = Callable[[str, tuple[Turn, ...]], tuple[Turn, ...]]
"""Gives the turns about an image, named by its id, their claims."""


def turns_digest(turns: Iterable[Turn]) -> str:
    """Name what a person sees of a conversation; claims and scores are not part of it."""
    return digest_of([(turn.question, turn.answer) for turn in turns])


def undecided(sample: Sample) -> Sample:
    """Give a sample the fate that the pipeline gave it."""
    before = sample.review
    if before is None:
        return sample
    return replace(
        sample,
        turns=sample.turns if before.turns is None else before.turns,
        status=before.status,
        stage=before.stage,
        reason=before.reason,
        detail=before.detail,
        review=None,
    )


def is_of(decision: Decision, sample: Sample) -> bool:
    """Whether a decision was made on what the pipeline says today, and leaves a conversation where it accepts one."""
    turns = undecided(sample).turns
    is_empty = not {"accept": turns, "correct": decision.turns}.get(decision.verb, True)
    return not is_empty and decision.turns_digest == turns_digest(turns)


def decide(sample: Sample, decision: Decision | None, read_claims: ReadClaims | None = None) -> Sample:
    """Lay a decision over a sample.

    Args:
        sample: As the pipeline left it, or with an earlier decision, which is taken back first.
        decision: The latest about it; None and ``undo`` leave the pipeline's word.
        read_claims: Finds the claims of corrected turns; None leaves those turns without.
    """
    before = undecided(sample)
    if decision is None or decision.verb == "undo" or not is_of(decision, before):
        return before
    told = Review(decision.verb, before.status, before.stage, before.reason, before.detail)
    if decision.verb == "reject":
        why = decision.note or "a person looked at it and rejected it"
        return replace(reject(before, Drop("review", "rejected_by_hand", why)), review=told)
    turns = before.turns
    if decision.verb == "correct":
        told = replace(told, turns=turns)
        turns = _corrected(before, decision, read_claims)
    return replace(before, turns=turns, status="accepted", stage=None, reason=None, detail=None, review=told)


def _corrected(sample: Sample, decision: Decision, read_claims: ReadClaims | None) -> tuple[Turn, ...]:
    """The turns as a person wrote them; those left as they were keep their claims and scores."""
    known = {(turn.question, turn.answer): turn for turn in sample.turns}
    turns = tuple(known.get((question, answer), Turn(question, answer)) for question, answer in decision.turns)
    if read_claims is None or all((turn.question, turn.answer) in known for turn in turns):
        return turns
    read = read_claims(sample.image_id, turns)
    return tuple(
        turn if (turn.question, turn.answer) in known else judged for turn, judged in zip(turns, read, strict=True)
    )


def claims_from(images: Mapping[str, AnnotatedImage], categories: tuple[str, ...], settings: Settings) -> ReadClaims:
    """Read claims against a corpus's annotations; turns about an image that it lacks get none."""

    def read(image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        image = images.get(image_id)
        if image is None:
            return turns
        return claims.judge_turns(turns, image, categories, settings.checks, settings.language)

    return read


class Reviewer:
    """Lays decisions over samples as they pass, and counts what came of it.

    Args:
        decisions: The latest of each sample, by its id.
        read_claims: See ``decide``.
    """

    def __init__(self, decisions: Mapping[str, Decision], read_claims: ReadClaims | None = None) -> None:
        self._standing = {name: one for name, one in decisions.items() if one.verb != "undo"}
        self._read_claims = read_claims
        self._counts: Counter[str] = Counter()

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass samples through, each with its decision laid over it."""
        for sample in samples:
            decided = decide(sample, self._standing.get(sample.sample_id), self._read_claims)
            if decided.review is not None:
                self._counts[decided.review.verb] += 1
            yield decided

    @property
    def n_applied(self) -> int:
        """Decisions obeyed so far."""
        return self._counts.total()

    @property
    def n_stale(self) -> int:
        """Decisions that no sample seen so far could obey: its turns are others now, or it is no longer in the run."""
        return len(self._standing) - self.n_applied

    @property
    def digest(self) -> str | None:
        """Name all decisions, as far as they decide anything; None without any."""
        told = sorted((name, one.verb, one.turns_digest, one.turns, one.note) for name, one in self._standing.items())
        return digest_of(told) if told else None

    def report(self) -> ReviewCounts | None:
        """The counts after a whole pass, for the summary; None where nobody decided anything."""
        if not self._standing:
            return None
        accepted, rejected, corrected = (self._counts[verb] for verb in ("accept", "reject", "correct"))
        return ReviewCounts(accepted, rejected, corrected, self.n_stale, self.digest)


def told_of(counts: ReviewCounts) -> str:
    """Tell the counts in a few words."""
    told = f"{counts.accepted} accepted, {counts.rejected} rejected, {counts.corrected} corrected"
    return told + (f"; {counts.stale} not obeyed, made on answers that have changed since" if counts.stale else "")


def told_since(finished: ReviewCounts | None, now: ReviewCounts | None) -> str | None:
    """Say that a run's summary does not know the latest decisions.

    Args:
        finished: The counts in its summary.
        now: The counts of today's decisions.
    """
    if (finished and finished.digest) == (now and now.digest):
        return None
    return (
        "Decisions were made by hand after this run was finished: exports obey them, and the run's own files will "
        "when its command is started again."
    )
