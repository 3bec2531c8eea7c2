"""From a run to preference pairs: a better and a worse answer to one question, from what the run found out anyway.

Three sources, each marked. What the teacher wrote anew stands against what it wrote first (``repair``); an answer that
annotations, judge or validator caught against one to the same question that they let stand (``caught``); an answer that
the annotations bear out against itself with an error planted (``planted``), by the functions that calibrate the
validator, kept where captions or boxes are known to contradict it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import UNSET
from msgspec.structs import asdict

from datagen import claims
from datagen.claims.kind import Spoiling
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.diversity import boxed_images
from datagen.errors import ExportError
from datagen.export.preference import PairSource, PreferencePair
from datagen.lexicon import lexicon_for
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Sample, Turn
from datagen.repair import is_repairable
from datagen.turn_fates import FatedTurn, fated_turns
from datagen.validator.planting import Frequencies, changed_words, is_clean, plant_errors

Plant = Callable[[Sample, int], tuple[str, str, str] | None]
"""Gives kind, worse answer and evidence of an error planted into a turn of a sample, by its place; None for none."""


def preference_pairs(
    samples: Iterable[Sample], corpus: Corpus, settings: Settings, planted_share: float
) -> Iterator[PreferencePair]:
    """List the pairs of a run, in corpus order.

    Args:
        samples: Accepted and rejected.
        corpus: Its annotations; without them no error can be planted.
        settings: Of the run.
        planted_share: Share of the turns that annotations bear out which get a pair with a planted error, 0 to 1.

    Raises:
        ExportError: There is none, or the annotations are not those that the run was made with.
    """
    plant = ErrorPlanter(corpus, settings, planted_share) if planted_share and corpus.images else None
    n_pairs = 0
    for _, group in groupby(samples, key=lambda sample: sample.image_id):
        for pair in _of_image(tuple(group), plant):
            n_pairs += 1
            yield pair
    if not n_pairs:
        raise ExportError(
            "There is no pair of a better and a worse answer in this run: nothing came back from the teacher, no lost "
            "answer has an accepted one to the same question, and no error was planted"
            + ("." if plant else " (--planted-share is 0)." if corpus.images else " (its annotations are gone).")
        )


def _of_image(samples: Sequence[Sample], plant: Plant | None) -> Iterator[PreferencePair]:
    accepted: dict[str, tuple[Sample, int]] = {}
    for sample in samples:
        if sample.status == "accepted":
            for n, turn in enumerate(sample.turns):
                accepted.setdefault(_plain(turn.question), (sample, n))
    for sample in samples:
        told = fated_turns(sample)
        if sample.status == "accepted" and sample.repairs is not UNSET:
            yield from _repaired(sample, [one for one in told if one.fate == "kept"])
        for one in told:
            found = accepted.get(_plain(one.turn.question))
            if one.cause == "itself" and is_repairable(one.stage, one.reason) and found is not None:
                yield from _pair(*found, one.turn, "caught", one.reason or "", one.detail or "", sample.sample_id)
        if sample.status == "accepted" and plant is not None:
            for n, turn in enumerate(sample.turns):
                error = plant(sample, n)
                if error is not None:
                    kind, answer, evidence = error
                    yield from _pair(sample, n, Turn(turn.question, answer), "planted", kind, evidence)


def _repaired(sample: Sample, kept: Sequence[FatedTurn]) -> Iterator[PreferencePair]:
    for n, one in enumerate(kept):
        for earlier in one.earlier:
            evidence = "; ".join(flaw.evidence for flaw in earlier.flaws)
            yield from _pair(sample, n, earlier.turn, "repair", earlier.flaws[0].reason, evidence)


def _pair(
    sample: Sample, n: int, worse: Turn, source: PairSource, reason: str, evidence: str, of: str = ""
) -> Iterator[PreferencePair]:
    """A pair of the answer at a place of a sample; none where both say the same, or to another question."""
    better = sample.turns[n]
    if _plain(worse.question) != _plain(better.question) or _plain(worse.answer) == _plain(better.answer):
        return
    known_by = "annotations"
    if source == "planted":
        known_by = "planted"
    elif reason in _KNOWN_BY:
        known_by = _KNOWN_BY[reason]
    plain = asdict(sample)
    plain |= {"turns": sample.turns[: n + 1], "cuts": (), "review": None, "repairs": UNSET}
    plain["sample_id"] = "-".join(filter(None, (sample.sample_id, f"turn{n + 1}", source, of)))
    yield PreferencePair(
        **plain, worse=worse.answer, source=source, kind=reason.removesuffix("_contradicted"), known_by=known_by,
        evidence=evidence,
    )  # fmt: skip


_KNOWN_BY = {"judge_objects": "judge", "doubtful_answer": "validator"}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


class ErrorPlanter:
    """Plants errors into turns that annotations bear out, so that annotations contradict them; see ``Plant``.

    What is planted in a turn follows from the run's seed, the sample and the question alone; of the kinds that fit, the
    one that is rarest so far is taken.

    Args:
        corpus: Of the run.
        settings: Of the run.
        share: Of the turns that get one, 0 to 1.
    """

    def __init__(self, corpus: Corpus, settings: Settings, share: float) -> None:
        self._corpus, self._settings, self._share = corpus, settings, share
        self._lexicon = lexicon_for(corpus.categories, settings.checks.words)
        self._frequencies = Frequencies(corpus.images, corpus.categories)
        annotated = set(boxed_images(corpus.images)) or set(corpus.categories)
        self._plantable = tuple(name for name in corpus.categories if name in annotated)
        self._n_of: Counter[str] = Counter()

    def __call__(self, sample: Sample, n: int) -> tuple[str, str, str] | None:
        """Plant an error; see ``Plant``."""
        turn, image = sample.turns[n], self._corpus.by_id.get(sample.image_id)
        rng = rng_for(self._settings.rng_seed, sample.sample_id, f"error for a pair in {turn.question}")
        if image is None or rng.random() >= self._share or not is_clean(turn):
            return None
        self._require_same(sample, image)
        shown = {box.category for box in image.boxes}.union(*map(self._lexicon.named, image.texts))
        absent = tuple(name for name in self._plantable if name not in shown)

        def rivals(name: str) -> list[str]:
            return self._frequencies.rivals(name, shown, absent)

        found: list[tuple[str, str, str]] = []
        for kind, wrong in plant_errors(turn, Spoiling(self._lexicon, rivals, rng)).items():
            (read,) = claims.judge_turns((wrong,), image, self._corpus.categories, self._settings.checks)
            against = next((claim for claim in read.claims if claim.verdict == "contradicted"), None)
            if against is not None:
                said, instead = changed_words(turn.answer, wrong.answer)
                found.append((kind, wrong.answer, f"'{instead}' in place of '{said}': {against.evidence}"))
        if not found:
            return None
        chosen = min(found, key=lambda one: self._n_of[one[0]])
        self._n_of[chosen[0]] += 1
        return chosen

    def _require_same(self, sample: Sample, image: AnnotatedImage) -> None:
        """Refuse annotations by which the run's answers would be judged otherwise: what is planted may then be true."""
        settings = self._settings
        read = claims.judge_turns(sample.turns, image, self._corpus.categories, settings.checks, settings.language)
        if any(_judged(now) != _judged(before) for now, before in zip(read, sample.turns, strict=True)):
            raise ExportError(
                f"The annotations say, or this version of datagen reads in the answers, other things than when the run "
                f"was made (image {sample.image_id}), and a planted error may be true by them: 'datagen resume RUN' "
                "judges the run by them, --planted-share 0 plants none."
            )


def _judged(turn: Turn) -> list[tuple[str, int, int, bool, str | None]]:
    return [(one.kind, one.start, one.end, one.in_question, one.verdict) for one in turn.claims]
