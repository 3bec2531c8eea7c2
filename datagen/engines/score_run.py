"""Scores accepted samples against the pixels and calibrates: the hallucination check by a vision-language model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from datagen.corpus.read_ahead import reading_ahead
from datagen.engines.ordered_threads import map_in_order
from datagen.engines.plugs import telling_what_it_raised
from datagen.errors import ValidatorError, visible
from datagen.records import NoScore, Probe, ProbeScore, SimilarityScore, TextScore
from datagen.validator import Fault, Look, Validator, look_keys
from datagen.validator.calibration import Calibrator, Measured, Tried
from datagen.validator.measures import (
    Inquiry,
    blank_look_for,
    grey_looks_for,
    inquire,
    look_for,
    read_findings,
    read_grey,
)
from datagen.validator.planting import OTHER_IMAGE, changed_words, is_clean
from datagen.validator.protocol import OUTSIDE, Item, LoadPicture, ManyAtOnce, with_grey
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
        validator: Names its scores.
        scores: Where they are kept.
        name: The validator's, as the settings have it.
    """

    def __init__(self, validator: Validator, scores: ScoreStore, name: str) -> None:
        self.validator, self.scores, self.name = validator, scores, name
        self._unscored: dict[str, str] = {}
        self._faults: dict[tuple[str, Item | None], Fault] = {}
        self.calibrator: Calibrator | None = None
        self.tried: list[Tried] = []
        self.is_unannotated = False

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

    def find(self, key: str) -> Score | None:
        """Look up a score, and count those that there cannot be."""
        score = self.scores.get(key)
        if isinstance(score, NoScore):
            self._unscored[key] = score.reason
        return score

    def inquire(self, turns: Iterable[Turn]) -> tuple[Inquiry, ...]:
        """What is asked about each turn."""
        return tuple(inquire(turn, self.validator.abilities) for turn in turns)

    def measure(self, of: AskedTurn, image_id: str, picture: str, planted: ErrorKind | None = None) -> Iterator[Tried]:
        """Read what was found on a turn before a picture, for calibration."""
        validator, inquiry = self.validator, of.inquiry
        found = read_findings(inquiry, validator.identity, picture, self.find, of.picture)
        if found is None:
            return
        measured = Measured(image_id, found.measures, inquiry.suffers, planted)
        if of.is_tried:
            grey = read_grey(inquiry, validator.identity, validator.abilities, of.picture, self.find)
            is_clean = planted is None
            measured = replace(
                measured, swap=of.swap, grey=grey, is_clean=is_clean, spoilt=of.spoilt if is_clean else ()
            )
        yield Tried(of.sample_id, picture, of.turn.question, of.turn.answer, measured)

    def give_verdict(self, sample: Sample) -> Sample:
        """Look up what was measured on a sample and judge it by that."""
        if sample.status != "accepted":
            return sample
        assert self.calibrator is not None
        inquiries = self.inquire(sample.turns)
        identity = self.validator.identity
        findings = tuple(read_findings(one, identity, sample.image, self.find) for one in inquiries)
        return give_verdict(sample, inquiries, findings, self._fault_of(sample, inquiries), self.calibrator)

    def _fault_of(self, sample: Sample, inquiries: Sequence[Inquiry]) -> Fault | None:
        places = [(sample.image, None), *((sample.image, inquiry.text) for inquiry in inquiries if inquiry.text)]
        found = next((self._faults[place] for place in places if place in self._faults), None)
        return None if found is None or found.reason == OUTSIDE else found

    def report(self) -> Calibration:
        """What the validator is worth, for the summary."""
        assert self.calibrator is not None
        reasons = Counter(self._unscored.values())
        reasons.update(fault.reason for fault in self.faults if isinstance(fault.item, Probe))
        found = self.calibrator.calibration
        if self.is_unannotated:  # its clean turns are all turns: no share of wrong ones, no price can be told by them
            found = replace(found, share_wrong=None, clean_flagged=None, basis="all turns")
        return replace(found, unscored=dict(sorted(reasons.items())))


class AskedTurn(NamedTuple):
    """A turn of a sample and what is asked about it.

    Attributes:
        picture: The sample's own.
        is_tried: It takes part in the trial: as a clean turn, or with an error planted.
        spoilt: The errors that are tried on it.
        swap: The words that an error changed.
    """

    sample_id: str
    picture: str
    turn: Turn
    inquiry: Inquiry
    is_tried: bool
    spoilt: tuple[ErrorKind, ...] = ()
    swap: tuple[str, str] | None = None


def judge_samples(
    samples: Iterable[Sample],
    validator: Validator,
    scores: ScoreStore,
    load_picture: LoadPicture,
    examiner: Examiner,
    settings: ValidatorSettings,
    progress: Progress,
) -> Judge:
    """Score what is not scored yet, then calibrate on everything.

    Args:
        samples: Every sample up to this stage, in corpus order; the accepted ones are looked at.
        validator: The model.
        scores: Where scores are kept; nothing stored is computed again.
        load_picture: Opens a picture by file name.
        examiner: Plants errors.
        settings: Uses ``name`` and ``alpha``.
        progress: Hears of every sample.
    """
    judge = Judge(validator, scores, settings.name)
    judge.tried = list(score_samples(samples, judge, load_picture, examiner, progress))
    judge.calibrator = Calibrator(validator.identity, (one.measured for one in judge.tried), settings.alpha)
    judge.is_unannotated = examiner.knows_nothing
    calibration = judge.calibrator.calibration
    if calibration.why_not:
        progress.note(f"The validator's scores are stored, but no turn is judged: {calibration.why_not}.")
    outside = [fault for fault in judge.faults if fault.reason == OUTSIDE]
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
    validator, scores = judge.validator, judge.scores
    n_at_once = validator.n_at_once if isinstance(validator, ManyAtOnce) else 1

    def score(chunk: Chunk) -> Iterator[Score | Fault]:
        with telling_what_it_raised(judge.name):
            yield from map(_as_fact, _score(chunk, validator, load_picture))

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
        looks += grey_looks_for((one for visit in visits for one in visit.grey_inquiries()), judge.validator.abilities)
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
    with reading_ahead(with_grey(load_picture), wanted, n_threads=validator.n_readers) as read:
        yield from validator.score(chunk.looks, read, chunk.known)


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
        self._planted: list[tuple[ErrorKind, AskedTurn]] = []
        for sample in accepted:
            for turn, inquiry in zip(sample.turns, judge.inquire(sample.turns), strict=True):
                if trial is None or not (is_clean(turn) or examiner.knows_nothing):
                    self._own.append(AskedTurn(sample.sample_id, sample.image, turn, inquiry, is_tried=False))
                    continue
                planted = examiner.plant(trial, sample.sample_id, turn)
                spoilt = (*(kind for kind, _ in planted), *(() if trial.other is None else (OTHER_IMAGE.name,)))
                self._own.append(AskedTurn(sample.sample_id, sample.image, turn, inquiry, True, spoilt))
                for kind, wrong in planted:
                    (asked,) = judge.inquire([wrong])
                    swap = changed_words(turn.answer, wrong.answer)
                    self._planted.append(
                        (kind, AskedTurn(sample.sample_id, sample.image, wrong, asked, True, (), swap))
                    )

    @property
    def _clean(self) -> list[AskedTurn]:
        return [of for of in self._own if of.is_tried]

    def looks(self) -> Iterator[Look]:
        """What is asked of its own picture, of a blank one, of another image's, and of the grey one."""
        every = [of.inquiry for of in (*self._own, *(of for _, of in self._planted))]
        yield look_for(every, self._picture)
        if self._judge.uses_blanks:
            yield blank_look_for(every, self._picture)
        if self._trial is not None and self._trial.other is not None:
            yield look_for((of.inquiry for of in self._clean), self._trial.other)

    def grey_inquiries(self) -> Iterator[Inquiry]:
        """What is asked of the grey picture: all that decides whether the validator sees."""
        return (of.inquiry for of in (*self._clean, *(of for _, of in self._planted)))

    def tried(self) -> Iterator[Tried]:
        """The turns' numbers for the calibration; only images with planted errors take part."""
        if self._trial is None:
            return
        measure, other = self._judge.measure, self._trial.other
        for of in self._own:
            yield from measure(of, self._image_id, self._picture)
        for kind, of in self._planted:
            yield from measure(of, self._image_id, self._picture, kind)
        if other is not None:
            for of in self._clean:
                yield from measure(of, self._image_id, other, OTHER_IMAGE.name)
