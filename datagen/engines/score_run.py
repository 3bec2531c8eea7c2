"""Scores accepted samples against the pixels and calibrates: the hallucination check by a vision-language model."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from datagen.corpus.read_ahead import reading_ahead
from datagen.engines.ordered_threads import map_in_order
from datagen.errors import ValidatorError
from datagen.validator import Fault, Look, Validator, look_keys
from datagen.validator.calibration import Calibrator, Measured, Tried
from datagen.validator.measures import Inquiry, blank_look_for, inquire, look_for, read_findings
from datagen.validator.protocol import OUTSIDE, Item, LoadPicture, ManyAtOnce
from datagen.validator.verdicts import give_verdict

if TYPE_CHECKING:
    from datagen.engines.planted_trials import Examiner
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
        validator: Names its scores.
        scores: Where they are kept.
    """

    def __init__(self, validator: Validator, scores: ScoreStore) -> None:
        self.validator = validator
        self.scores = scores
        self._faults: dict[tuple[str, Item | None], Fault] = {}
        self.calibrator: Calibrator | None = None
        self.tried: list[Tried] = []

    @property
    def uses_blanks(self) -> bool:
        """Whether texts are held against a blank picture as well."""
        return self.validator.abilities.blanks

    @property
    def faults(self) -> Iterable[Fault]:
        """What could not be scored."""
        return self._faults.values()

    def note(self, fault: Fault) -> None:
        """Remember what could not be scored."""
        self._faults[fault.picture, fault.item] = fault

    def inquire(self, turns: Iterable[Turn]) -> tuple[Inquiry, ...]:
        """What is asked about each turn."""
        return tuple(inquire(turn, self.validator.abilities) for turn in turns)

    def measure(
        self,
        turns: Iterable[AskedTurn],
        image_id: str,
        picture: str,
        planted: ErrorKind | None = None,
        blank_of: str | None = None,
    ) -> Iterator[Tried]:
        """Read what was found, for calibration."""
        for of in turns:
            found = read_findings(of.inquiry, self.validator.identity, picture, self.scores.get, blank_of)
            if found is not None:
                measured = Measured(image_id, found.measures, of.inquiry.suffers, planted)
                yield Tried(of.sample_id, picture, of.turn.question, of.turn.answer, measured)

    def give_verdict(self, sample: Sample) -> Sample:
        """Look up what was measured on a sample and judge it by that."""
        if sample.status != "accepted":
            return sample
        assert self.calibrator is not None
        inquiries = self.inquire(sample.turns)
        find = self.scores.get
        findings = tuple(read_findings(one, self.validator.identity, sample.image, find) for one in inquiries)
        return give_verdict(sample, inquiries, findings, self._fault_of(sample, inquiries), self.calibrator)

    def _fault_of(self, sample: Sample, inquiries: Sequence[Inquiry]) -> Fault | None:
        places = [(sample.image, None), *((sample.image, inquiry.text) for inquiry in inquiries if inquiry.text)]
        found = next((self._faults[place] for place in places if place in self._faults), None)
        return None if found is None or found.reason == OUTSIDE else found

    def report(self) -> Calibration:
        """What the validator is worth, for the summary."""
        assert self.calibrator is not None
        return self.calibrator.calibration


class AskedTurn(NamedTuple):
    """A turn of a sample and what is asked about it."""

    sample_id: str
    turn: Turn
    inquiry: Inquiry


def judge_samples(
    samples: Iterable[Sample],
    validator: Validator,
    scores: ScoreStore,
    load_picture: LoadPicture,
    examiner: Examiner,
    alpha: float,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        samples: Every sample up to this stage, in corpus order; the accepted ones are looked at.
        validator: The model.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        examiner: Plants errors.
        alpha: Share of clean turns that may be lost.
        progress: Hears of every sample.
    """
    judge = Judge(validator, scores)
    judge.tried = list(score_samples(samples, judge, load_picture, examiner, progress))
    judge.calibrator = Calibrator(validator.identity, (one.measured for one in judge.tried), alpha)
    calibration = judge.calibrator.calibration
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    n_outside = sum(fault.reason == OUTSIDE for fault in judge.faults)
    if n_outside:
        progress.note(f"{n_outside} pictures are none that the validator knows; their turns are kept, not judged.")
    return judge


def score_samples(
    samples: Iterable[Sample], judge: Judge, load_picture: LoadPicture, examiner: Examiner, progress: Progress
) -> Iterator[Tried]:
    """Score what is not scored yet, and give the numbers of the turns that calibrate; arguments as above."""
    validator, scores = judge.validator, judge.scores
    n_at_once = validator.n_at_once if isinstance(validator, ManyAtOnce) else 1

    def score(chunk: Chunk) -> Iterator[Score | Fault]:
        return _score(chunk, validator, load_picture)

    chunks = _chunks(samples, judge, examiner, is_ahead=n_at_once > 1)
    for chunk, results in map_in_order(score, chunks, n_at_once):
        for result in results:
            if isinstance(result, Fault):
                judge.note(result)
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
        known: Keys of what is scored already.
        n_samples: Of these images, those without a visit included.
    """

    visits: list[Visit]
    looks: list[Look]
    known: Container[str]
    n_samples: int


def _chunks(samples: Iterable[Sample], judge: Judge, examiner: Examiner, *, is_ahead: bool) -> Iterator[Chunk]:
    by_image = (tuple(group) for _, group in groupby(samples, key=lambda sample: sample.image_id))
    while groups := tuple(islice(by_image, IMAGES_AT_ONCE)):
        visits = [Visit(judge, examiner, group) for group in groups if any(one.status == "accepted" for one in group)]
        looks = [look for visit in visits for look in visit.looks()]
        known: Container[str] = judge.scores
        if is_ahead:  # read by other threads while scores are added
            keys = (key for look in looks for key in look_keys(judge.validator.identity, look))
            known = frozenset(key for key in keys if key in judge.scores)
        yield Chunk(visits, looks, known, sum(map(len, groups)))


def _score(chunk: Chunk, validator: Validator, load_picture: LoadPicture) -> Iterator[Score | Fault]:
    """Score what is not scored yet, reading the pictures ahead where that helps."""
    wanted = dict.fromkeys(
        look.picture
        for look in chunk.looks
        if any(key not in chunk.known for key in look_keys(validator.identity, look))
    )
    with reading_ahead(load_picture, wanted, n_threads=validator.n_readers) as read:
        yield from validator.score(chunk.looks, read, chunk.known)


class Visit:
    """All that is asked about one image: the turns of its samples, and on some images the planted ones."""

    def __init__(self, judge: Judge, examiner: Examiner, samples: Sequence[Sample]) -> None:
        accepted = [sample for sample in samples if sample.status == "accepted"]
        self._judge = judge
        self._image_id, self._picture = accepted[0].image_id, accepted[0].image
        self._own = [
            AskedTurn(sample.sample_id, turn, inquiry)
            for sample in accepted
            for turn, inquiry in zip(sample.turns, judge.inquire(sample.turns), strict=True)
        ]
        self._trial = examiner.trial(self._image_id)
        self._planted: list[tuple[ErrorKind, AskedTurn]] = []
        if self._trial is not None:
            for sample in accepted:
                for kind, turn in examiner.plant(self._trial, sample):
                    self._planted.append((kind, AskedTurn(sample.sample_id, turn, *judge.inquire([turn]))))

    def looks(self) -> Iterator[Look]:
        """What is asked of its own picture, of a blank one, and of another image's."""
        own = [of.inquiry for of in self._own]
        every = [*own, *(of.inquiry for _, of in self._planted)]
        yield look_for(every, self._picture)
        if self._judge.uses_blanks:
            yield blank_look_for(every, self._picture)
        if self._trial is not None and self._trial.other is not None:
            yield look_for(own, self._trial.other)

    def tried(self) -> Iterator[Tried]:
        """The turns' numbers for the calibration; only images with planted errors take part."""
        if self._trial is None:
            return
        measure = self._judge.measure
        yield from measure(self._own, self._image_id, self._picture)
        for kind, of in self._planted:
            yield from measure([of], self._image_id, self._picture, kind)
        if self._trial.other is not None:
            yield from measure(self._own, self._image_id, self._trial.other, "other image", self._picture)
