"""Scores accepted samples against the pixels and calibrates: the hallucination check by a vision-language model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from datagen.config import validator_labels, validator_names
from datagen.engines.ordered_threads import map_in_order
from datagen.engines.seat import Seat, telling_which
from datagen.errors import ValidatorError, visible
from datagen.records import NoScore, ProbeScore, SimilarityScore, TextScore
from datagen.validator import Fault, Look, Validator, look_keys
from datagen.validator.calibration import Calibrator, Measured, Tried
from datagen.validator.measures import (
    Findings,
    Inquiry,
    blank_look_for,
    grey_looks_for,
    in_conversation,
    look_for,
    presences_of,
    takes_any_question,
)
from datagen.validator.own_probes import templates_of
from datagen.validator.panel import Panel, lay_together, noticed_by
from datagen.validator.planting import OTHER_IMAGE, changed_words, is_clean
from datagen.validator.protocol import OUTSIDE, LoadPicture, ManyAtOnce
from datagen.validator.verdicts import give_verdict

if TYPE_CHECKING:
    from datagen.config import ValidatorSettings
    from datagen.engines.planted_errors import Examiner
    from datagen.engines.progress import Progress
    from datagen.records import Sample, Score, Turn
    from datagen.store import ScoreStore
    from datagen.summary import Calibration
    from datagen.validator.planting import ErrorKind

IMAGES_AT_ONCE = 32
"""Images whose samples are handed to the validator together, so that it can sort them by length."""


def require_common_words(validator: Validator, name: str, categories: tuple[str, ...]) -> None:
    """Refuse a validator that knows none of a corpus's things, before a token is paid for.

    Raises:
        ValidatorError: The sentence says what it knows.
    """
    known = validator.abilities.categories
    if known is not None and known.isdisjoint(categories):
        told = ", ".join(sorted(known)[:5])
        raise ValidatorError(
            f"{name} knows {len(known)} things ({told}, …), none of which the corpus annotates; "
            "use another validator, such as llava-1.5-7b, or --validator none."
        )


class Judge:
    """Gives verdicts from stored scores.

    Args:
        validators: Name their scores; most often one.
        scores: Where they are kept.
        settings: Uses ``name`` and ``probes``.
    """

    def __init__(self, validators: Sequence[Validator], scores: ScoreStore, settings: ValidatorSettings) -> None:
        self.scores, templates = scores, templates_of(settings.probes)
        is_one = len(validators) == 1
        names = (settings.name,) if is_one else validator_names(settings.name)
        labels = names if is_one else validator_labels(settings.name)
        self.seats = [
            Seat(validator, name, label, scores, templates)
            for validator, name, label in zip(validators, names, labels, strict=True)
        ]
        self.calibrator: Calibrator | None = None
        self.panel: Panel | None = None
        self.tried: list[Tried] = []
        self.is_unannotated = False

    @property
    def identity(self) -> str:
        """The validators' identities."""
        return ", ".join(seat.validator.identity for seat in self.seats)

    @property
    def has_gaps(self) -> bool:
        """Whether another start would look again at what could not be scored."""
        return any(fault.reason != OUTSIDE for seat in self.seats for fault in seat.faults)

    def inquire(self, turn: Turn) -> tuple[Inquiry, ...]:
        """What each validator is asked about a turn."""
        return tuple(seat.inquire(turn) for seat in self.seats)

    def measure(
        self,
        of: AskedTurn,
        others: Sequence[AskedTurn],
        image_id: str,
        picture: str,
        planted: ErrorKind | None = None,
    ) -> Iterator[Tried]:
        """Read what was found on a turn, and on its sample's other turns, before a picture, for calibration."""
        beside = [[presences_of(inquiry) for inquiry in one.inquiries] for one in others]
        each = _together([self._findings(asked, picture, of.picture) for asked in (of.inquiries, *beside)])
        inquiry, found = self._laid_together(of.inquiries, each)
        if found is None:
            return
        measured = Measured(image_id, found.measures, inquiry.suffers, planted)
        if len(self.seats) > 1:
            measured = replace(measured, noticed_by=noticed_by([seat.label for seat in self.seats], of.inquiries, each))
        if of.is_tried:
            is_clean = planted is None
            measured = replace(
                measured,
                swap=of.swap,
                grey=self._grey([of.inquiries, *beside], of.picture),
                is_clean=is_clean,
                spoilt=of.spoilt if is_clean else (),
            )
        yield Tried(of.sample_id, picture, of.turn.question, of.turn.answer, measured)

    def _findings(self, inquiries: Sequence[Inquiry], picture: str, blank_of: str) -> list[Findings | None]:
        """What each validator found on a turn before a picture."""
        return [seat.findings(inquiry, picture, blank_of) for seat, inquiry in zip(self.seats, inquiries, strict=True)]

    def _grey(self, turns: Sequence[Sequence[Inquiry]], picture: str) -> dict[str, float]:
        """What would be measured on the first of some turns if the picture were grey."""
        each = _together(
            [[seat.grey(one, picture) for seat, one in zip(self.seats, asked, strict=True)] for asked in turns]
        )
        found = self._laid_together(turns[0], each)[1]
        return {} if found is None else found.measures

    def _laid_together(
        self, inquiries: Sequence[Inquiry], findings: Sequence[Findings | None]
    ) -> tuple[Inquiry, Findings | None]:
        if len(self.seats) == 1:
            return inquiries[0], findings[0]
        labels = [seat.label for seat in self.seats]
        if self.panel is not None:
            pairs = zip(labels, findings, strict=True)
            findings = [found if label in self.panel.heeded else None for label, found in pairs]
        return lay_together(labels, inquiries, findings)

    def calibrate(self, alpha: float) -> Calibration:
        """Fit everything that was tried."""
        measured = [one.measured for one in self.tried]
        if len(self.seats) > 1:
            self.panel = Panel(self.identity, [seat.label for seat in self.seats], measured, alpha)
        self.calibrator = self.panel.together if self.panel else Calibrator(self.identity, measured, alpha)
        return self.calibrator.calibration

    def give_verdict(self, sample: Sample) -> Sample:
        """Look up what was measured on a sample and judge it by that."""
        if sample.status != "accepted":
            return sample
        assert self.calibrator is not None
        asked = [self.inquire(turn) for turn in sample.turns]
        faults = (seat.fault_of(sample.image, [of_turn[n] for of_turn in asked]) for n, seat in enumerate(self.seats))
        each = [self._findings(of_turn, sample.image, sample.image) for of_turn in asked]
        together = [
            self._laid_together(of_turn, _together([found, *each[:n], *each[n + 1 :]]))
            for n, (of_turn, found) in enumerate(zip(asked, each, strict=True))
        ]
        fault = next((one for one in faults if one is not None), None)
        inquiries, findings = (tuple(of_turns) for of_turns in zip(*together, strict=True)) if together else ((), ())
        return give_verdict(sample, inquiries, findings, fault, self.calibrator, self.panel)

    def report(self) -> Calibration:
        """What the validators are worth, for the summary."""
        assert self.calibrator is not None
        reasons = sum((seat.unscored_by_reason() for seat in self.seats), Counter[str]())
        found = self.calibrator.calibration
        if self.is_unannotated:  # its clean turns are all turns: no share of wrong ones, no price can be told by them
            found = replace(found, share_wrong=None, clean_flagged=None, basis="all turns")
        if self.panel is not None and self.panel.adds:
            found = replace(found, adds=self.panel.adds)
        return replace(found, unscored=dict(sorted(reasons.items())))


def _together(turns: Sequence[Sequence[Findings | None]]) -> list[Findings | None]:
    """Each validator's findings on the first of some turns, told with those on the others of its conversation."""
    return [
        None if own is None else in_conversation(own, (one for one in others if one is not None))
        for own, *others in zip(*turns, strict=True)
    ]


class AskedTurn(NamedTuple):
    """A turn of a sample and what is asked about it.

    Attributes:
        picture: The sample's own.
        inquiries: Of each validator.
        is_tried: It takes part in the trial: as a clean turn, or with an error planted.
        spoilt: The errors that are tried on it.
        swap: The words that an error changed.
    """

    sample_id: str
    picture: str
    turn: Turn
    inquiries: tuple[Inquiry, ...]
    is_tried: bool
    spoilt: tuple[ErrorKind, ...] = ()
    swap: tuple[str, str] | None = None


def judge_samples(
    samples: Iterable[Sample],
    validators: Sequence[Validator],
    scores: ScoreStore,
    load_picture: LoadPicture,
    examiner: Examiner,
    settings: ValidatorSettings,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        samples: Every sample up to this stage, in corpus order; the accepted ones are looked at.
        validators: The models.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        examiner: Plants errors.
        settings: Uses ``name``, ``probes`` and ``alpha``.
        progress: Hears of every sample.
    """
    judge = Judge(validators, scores, settings)
    if settings.probes and not any(takes_any_question(one.abilities) for one in validators):
        names = ", ".join(seat.name for seat in judge.seats)
        progress.note(f"validator.probes are asked of nobody: {names} takes no question but its own.")
    judge.tried = list(score_samples(samples, judge, load_picture, examiner, progress))
    judge.is_unannotated = examiner.knows_nothing
    calibration = judge.calibrate(settings.alpha)
    if len(judge.seats) > 1:
        progress.note("; ".join(seat.told_cost for seat in judge.seats) + ".")
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    outside = [fault for seat in judge.seats for fault in seat.faults if fault.reason == OUTSIDE]
    if outside:
        progress.note(
            f"{len(outside)} pictures are none that the validator knows "
            f"({visible(outside[0].picture)}: {outside[0].detail}): captions and boxes have checked their turns, "
            'pixels have not, so they are kept, "not judged"; a checkpoint in a folder of this machine looks at them '
            "offline: datagen validate RUN --validator FOLDER."
        )
    return judge


def score_samples(
    samples: Iterable[Sample], judge: Judge, load_picture: LoadPicture, examiner: Examiner, progress: Progress
) -> Iterator[Tried]:
    """Score what is not scored yet, and give the numbers of the turns that calibrate; arguments as above."""
    scores = judge.scores
    every = [seat.validator for seat in judge.seats]
    n_at_once = min(one.n_at_once if isinstance(one, ManyAtOnce) else 1 for one in every)

    def score(chunk: Chunk) -> Iterator[tuple[Seat, Score | Fault]]:
        for seat, looks in zip(judge.seats, chunk.looks, strict=True):
            with telling_which(seat.name, len(judge.seats)):
                for found in seat.score(looks, chunk.known, load_picture):
                    yield seat, _as_fact(found)

    chunks = _chunks(samples, judge, examiner, is_ahead=n_at_once > 1)
    for chunk, results in map_in_order(score, chunks, n_at_once):
        for seat, result in results:
            if isinstance(result, Fault):
                seat.note(result)
            elif result.key not in scores:  # a chunk beside this one may have asked the same
                scores.add(result)
        for visit in chunk.visits:
            yield from visit.tried()
        for _ in range(chunk.n_samples):
            progress.step()
    scores.log.sync()


class Chunk(NamedTuple):
    """Images that are handed to the validator together.

    Attributes:
        looks: Of each validator.
        known: Keys of what is scored already.
        n_samples: Of these images, those without a visit included.
    """

    visits: list[Visit]
    looks: list[list[Look]]
    known: Container[str]
    n_samples: int


def _chunks(samples: Iterable[Sample], judge: Judge, examiner: Examiner, *, is_ahead: bool) -> Iterator[Chunk]:
    by_image = (tuple(group) for _, group in groupby(samples, key=lambda sample: sample.image_id))
    while groups := tuple(islice(by_image, IMAGES_AT_ONCE)):
        visits = [Visit(judge, examiner, group) for group in groups if any(one.status == "accepted" for one in group)]
        looks = [_looks_of(seat.validator, n, visits) for n, seat in enumerate(judge.seats)]
        known: Container[str] = judge.scores
        if is_ahead:  # read by other threads while scores are added
            keys = (
                key
                for seat, own in zip(judge.seats, looks, strict=True)
                for look in own
                for key in look_keys(seat.validator.identity, look)
            )
            known = frozenset(key for key in keys if key in judge.scores)
        yield Chunk(visits, looks, known, sum(map(len, groups)))


def _looks_of(validator: Validator, n: int, visits: Sequence[Visit]) -> list[Look]:
    """All that one validator, the n-th, is to look at on some visits."""
    looks = [look for visit in visits for look in visit.looks(n, with_blanks=validator.abilities.blanks)]
    looks += grey_looks_for((one for visit in visits for one in visit.grey_inquiries(n)), validator.abilities)
    return looks


def _as_fact(result: Score | Fault) -> Score | Fault:
    """Let no number pass that is none; JSON has no word for it."""
    if isinstance(result, TextScore):
        numbers: tuple[float, ...] = (result.logprob_mean, result.logprob_min, result.margin_mean)
    elif isinstance(result, ProbeScore):
        numbers = result.chances
    elif isinstance(result, SimilarityScore):
        numbers = (result.similarity,)
    elif isinstance(result, NoScore | Fault):
        return result
    else:
        raise ValidatorError(f"The validator gave {type(result).__name__}, expected a datagen.Score or datagen.Fault.")
    if all(map(math.isfinite, numbers)):
        return result
    return NoScore(result.key, result.picture, "not_a_number", f"the validator gave {numbers}")


class Visit:
    """All that is asked about one image: the turns of its samples, and on some images the planted ones."""

    def __init__(self, judge: Judge, examiner: Examiner, samples: Sequence[Sample]) -> None:
        accepted = [sample for sample in samples if sample.status == "accepted"]
        self._judge = judge
        self._image_id, self._picture = accepted[0].image_id, accepted[0].image
        self._trial = trial = examiner.trial(self._image_id)
        self._own: list[AskedTurn] = []
        self._planted: list[tuple[int, ErrorKind, AskedTurn]] = []  # the place of the turn that it was planted in first
        for sample in accepted:
            for turn in sample.turns:
                asked = judge.inquire(turn)
                if trial is None or not (is_clean(turn) or examiner.knows_nothing):
                    self._own.append(AskedTurn(sample.sample_id, sample.image, turn, asked, is_tried=False))
                    continue
                planted = examiner.plant(trial, sample.sample_id, turn)
                spoilt = (*(kind for kind, _ in planted), *(() if trial.other is None else (OTHER_IMAGE.name,)))
                self._own.append(AskedTurn(sample.sample_id, sample.image, turn, asked, True, spoilt))
                for kind, wrong in planted:
                    swap = changed_words(turn.answer, wrong.answer)
                    lie = AskedTurn(sample.sample_id, sample.image, wrong, judge.inquire(wrong), True, (), swap)
                    self._planted.append((len(self._own) - 1, kind, lie))

    @property
    def _clean(self) -> list[AskedTurn]:
        return [of for of in self._own if of.is_tried]

    def looks(self, n: int, *, with_blanks: bool) -> Iterator[Look]:
        """What the n-th validator is asked of its own picture, of a blank one, and of another image's."""
        every = [of.inquiries[n] for of in (*self._own, *(of for *_, of in self._planted))]
        yield look_for(every, self._picture)
        if with_blanks:
            yield blank_look_for(every, self._picture)
        if self._trial is not None and self._trial.other is not None:
            beside = [presences_of(of.inquiries[n]) for of in self._own if not of.is_tried]
            yield look_for([*(of.inquiries[n] for of in self._clean), *beside], self._trial.other)

    def grey_inquiries(self, n: int) -> Iterator[Inquiry]:
        """What the n-th validator is asked of the grey picture: all that decides whether it sees, each presence."""
        yield from (of.inquiries[n] for of in (*self._clean, *(of for *_, of in self._planted)))
        yield from (presences_of(of.inquiries[n]) for of in self._own if not of.is_tried)

    def tried(self) -> Iterator[Tried]:
        """The turns' numbers for the calibration; only images with planted errors take part."""
        if self._trial is None:
            return
        measure, other = self._judge.measure, self._trial.other
        for of in self._own:
            yield from measure(of, self._beside(of), self._image_id, self._picture)
        for place, kind, of in self._planted:
            yield from measure(of, self._beside(self._own[place]), self._image_id, self._picture, kind)
        if other is not None:
            for of in self._clean:
                yield from measure(of, self._beside(of), self._image_id, other, OTHER_IMAGE.name)

    def _beside(self, of: AskedTurn) -> list[AskedTurn]:
        """The other turns of its sample."""
        return [one for one in self._own if one.sample_id == of.sample_id and one is not of]
