"""Measures a judge over text by planted errors, whoever it is, and lays its word on turns.

Its replies are facts of the run: what was asked once is never asked again, whatever becomes of the settings behind it.
``ask_judge`` asks an endpoint's LLM, ``entail_sentences`` the model that comes along.
"""

from __future__ import annotations

import hashlib
import heapq
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from datagen import claims
from datagen.checks.judge import (
    Beforehand,
    Trials,
    first_objection,
    is_borne_out,
    objects,
    sentences_of,
    why_no_cut,
    with_opinions,
)
from datagen.claims.kind import Spoiling
from datagen.config import JudgeSettings, Settings
from datagen.corpus import Corpus
from datagen.diversity import boxed_images
from datagen.endpoint.budget import Payment
from datagen.engines.progress import Progress, ended
from datagen.errors import RunError
from datagen.lexicon import lexicon_for
from datagen.randomness import rng_for
from datagen.records import AnnotatedImage, Sample, Turn, cut_or_reject
from datagen.store import JudgementStore
from datagen.store.folder import require_room
from datagen.summary import JudgeReport
from datagen.validator.planting import ErrorKind, Frequencies, is_clean, plant_errors

if TYPE_CHECKING:
    from datagen.pipeline import Samples


class Asked(NamedTuple):
    """Turns that the judge is asked about, before what evidence, and where the answer is kept."""

    key: str
    evidence: str
    turns: tuple[Turn, ...]


class PlantedTurn(NamedTuple):
    """A sample's turns with an error planted into one of them.

    Attributes:
        place: The turn's.
        at: Character of its answer at which the error begins.
    """

    image_id: str
    kind: ErrorKind
    asked: Asked
    place: int
    at: int


class SilentTurn(NamedTuple):
    """A sample with a turn, by its place, whose evidence is hidden: true still, but nothing says so."""

    image_id: str
    asked: Asked
    place: int


class MeasuredJudge(ABC):
    """What a judge over text says of a run's samples; see ``pipeline.TextJudge``.

    Args:
        settings: The run's, with a judge.
        corpus: The whole of it.
        store: Keeps its replies.
        beforehand: What its word was worth before any run; None where nobody measured it.
    """

    task = "asking the judge"

    def __init__(
        self, settings: Settings, corpus: Corpus, store: JudgementStore, beforehand: Beforehand | None = None
    ) -> None:
        assert settings.checks.judge is not None
        self._settings, self._corpus, self._store = settings, corpus, store
        self._judge: JudgeSettings = settings.checks.judge
        self._gave_up: Counter[str] = Counter()
        self._planted: tuple[PlantedTurn, ...] = ()
        self._silent: tuple[SilentTurn, ...] = ()
        self._trials = Trials(beforehand)
        self._by_kind: dict[ErrorKind, tuple[int, int]] = {}
        self._n_samples = 0
        self._sentences: Counter[str] = Counter()
        self._void: Counter[str] = Counter()
        self.why_not: str | None = None

    @abstractmethod
    def _evidence_for(self, image: AnnotatedImage) -> str:
        """What it is told of an image; empty for nothing."""

    @abstractmethod
    def _key(self, evidence: str, turns: tuple[Turn, ...]) -> str:
        """Digest of all that its reply follows from."""

    @abstractmethod
    def _reply_to(self, wanted: Iterator[Asked], payment: Payment, progress: Progress) -> None:
        """Store a reply to each of those that have none, and step once for each."""

    @property
    def has_gaps(self) -> bool:
        """Whether another start would ask again for what it did not answer."""
        return bool(self._gave_up)

    def weigh(self, samples: Samples, n_samples: int, payment: Payment, progress: Progress, *, may_ask: bool) -> None:
        """Ask whatever is not stored yet, about the samples and about planted errors, and measure the judge by it all.

        Args:
            samples: As far as they came.
            n_samples: How many they are.
            payment: Pays for what is asked.
            progress: Hears of each sample.
            may_ask: False sends nothing.

        Raises:
            JudgeError: It cannot be asked; what it said before is stored.
            BudgetError: The budget is used up; the same holds.
            RunError: Its word is missing, and nothing may be asked.
        """
        chosen: list[tuple[int, Sample]] = []

        def own() -> Iterator[Asked | None]:
            for sample in samples():
                image = self._corpus.by_id.get(sample.image_id)
                asked = self._asked_about(image, sample.turns) if sample.status == "accepted" else None
                if asked is None:
                    yield None
                    continue
                self._n_samples += 1
                if any(map(is_clean, sample.turns)):
                    heapq.heappush(chosen, (-_lot(sample.sample_id), sample))
                    if len(chosen) > self._judge.planted:
                        heapq.heappop(chosen)
                yield asked

        self._ask(own(), n_samples, payment, progress, may_ask=may_ask)
        self._planted = tuple(self._plant([sample for _, sample in sorted(chosen, reverse=True, key=lambda of: of[0])]))
        tried = [sample for _, sample in chosen]
        self._silent = tuple(one for one in map(self._hide, tried) if one is not None)
        trials = [*(one.asked for one in self._planted), *(one.asked for one in self._silent)]
        self._ask(iter(trials), len(trials), payment, progress, may_ask=may_ask)
        self.measure(samples)

    def measure(self, samples: Samples) -> None:
        """Count what is stored: hits on planted errors, false alarms, objections."""
        for one in self._planted:
            turn = self._judged(one.asked)[one.place]
            found = () if turn.opinions is UNSET else turn.opinions
            hit = any(of.start <= one.at < of.end and of.verdict == "contradicted" for of in found)
            self._trials.add("planted", one.image_id, is_objected=hit)
            n, n_hit = self._by_kind.get(one.kind, (0, 0))
            self._by_kind[one.kind] = n + 1, n_hit + hit
        for of in self._silent:
            turn = self._judged(of.asked)[of.place]
            for opinion in () if turn.opinions is UNSET else turn.opinions:
                if is_borne_out(turn, opinion):
                    self._trials.add("silent", of.image_id, is_objected=opinion.verdict == "contradicted")
        for sample in samples():
            if sample.status != "accepted":
                continue
            for turn in self.read(sample).turns:
                for opinion in () if turn.opinions is UNSET else turn.opinions:
                    self._sentences[opinion.verdict] += 1
                    self._void[opinion.void] += bool(opinion.void)
                    if is_borne_out(turn, opinion):
                        is_alarm = opinion.verdict == "contradicted"
                        self._trials.add("borne out", sample.image_id, is_objected=is_alarm)
                    else:
                        self._trials.add("open", sample.image_id, is_objected=objects(turn, opinion))
        self.why_not = why_no_cut(self._trials.precision(), self._judge.min_precision)

    def read(self, sample: Sample) -> Sample:
        """Lay the stored opinions on a sample's turns."""
        asked = self._asked_about(self._corpus.by_id.get(sample.image_id), sample.turns)
        return sample if asked is None else replace(sample, turns=self._judged(asked))

    def give_opinion(self, sample: Sample) -> Sample:
        """Lay the stored opinions on a sample, and cut it before the first objection where the judge may cut."""
        if sample.status != "accepted":
            return sample
        sample = self.read(sample)
        found = first_objection(sample.turns, self._judge.model) if self.why_not is None else None
        return sample if found is None else cut_or_reject(sample, sample.turns[: found[0]], found[1])

    def report(self) -> JudgeReport:
        """What it said, and what that is worth."""
        return JudgeReport(
            model=self._judge.model,
            samples=self._n_samples,
            sentences={name: self._sentences[name] for name in ("supported", "contradicted", "unknown")},
            void=dict(sorted((self._void + self._gave_up).items())),
            objections=self._trials.n_objected["open"],
            recall=self._trials.share("planted"),
            false_alarms=self._trials.share("borne out"),
            silent_alarms=self._trials.share("silent"),
            precision=self._trials.precision(),
            by_kind=dict(sorted(self._by_kind.items())),
            why_not=self.why_not,
            beforehand=self._trials.beforehand_told or UNSET,
        )

    def _asked_about(self, image: AnnotatedImage | None, turns: tuple[Turn, ...]) -> Asked | None:
        evidence = "" if image is None else self._evidence_for(image)
        if not evidence or not sentences_of(turns):
            return None
        return Asked(self._key(evidence, turns), evidence, turns)

    def _judged(self, asked: Asked) -> tuple[Turn, ...]:
        said = self._store.get(asked.key)
        return asked.turns if said is None else with_opinions(asked.turns, said.text, asked.evidence)

    def _plant(self, samples: list[Sample]) -> Iterator[PlantedTurn]:
        """One error a sample, that captions or boxes are known to contradict, of the kind that is rarest so far."""
        settings, corpus = self._settings, self._corpus
        lexicon = lexicon_for(corpus.categories, settings.checks.words)
        frequencies, boxed = Frequencies(corpus.images, corpus.categories), set(boxed_images(corpus.images))
        n_of: Counter[ErrorKind] = Counter()
        for sample in samples:
            image = corpus.by_id[sample.image_id]
            shown = {box.category for box in image.boxes}.union(*map(lexicon.named, image.texts))
            looked_for = claims.deniable(image, corpus.categories, settings.checks)
            absent = tuple(name for name in looked_for if name in boxed and name not in shown)
            rng = rng_for(settings.rng_seed, sample.sample_id, "errors for the judge")
            spoiling = Spoiling(lexicon, lambda name, s=shown, a=absent: frequencies.rivals(name, s, a), rng)  # type: ignore[misc]
            found: list[tuple[ErrorKind, int, Turn]] = []
            for place, turn in enumerate(sample.turns):
                for kind, wrong in plant_errors(turn, spoiling).items() if is_clean(turn) else ():
                    (read,) = claims.judge_turns((wrong,), image, corpus.categories, settings.checks, settings.language)
                    if any(claim.verdict == "contradicted" for claim in read.claims):
                        found.append((kind, place, read))
            if not found:
                continue
            kind, place, wrong = min(found, key=lambda one: n_of[one[0]])
            n_of[kind] += 1
            pairs = zip(sample.turns[place].answer, wrong.answer, strict=False)
            at = next((n for n, (old, new) in enumerate(pairs) if old != new), len(wrong.answer) - 1)
            asked = self._asked_about(image, (*sample.turns[:place], wrong, *sample.turns[place + 1 :]))
            if asked is not None:
                yield PlantedTurn(sample.image_id, kind, asked, place, at)

    def _hide(self, sample: Sample) -> SilentTurn | None:
        """Take out of the annotations what bears out a turn; None where something always does, or nothing is left."""
        settings, corpus = self._settings, self._corpus
        image, lexicon = corpus.by_id[sample.image_id], lexicon_for(corpus.categories, settings.checks.words)
        leaves_open = replace(settings.checks, exhaustive="no")
        for place, turn in enumerate(sample.turns):
            if not is_clean(turn):
                continue
            named = {name for claim in turn.claims for name in (claim.category, *claim.others)}
            boxes = tuple(box for box in image.boxes if box.category not in named)
            captions = tuple(text for text in image.captions if named.isdisjoint(lexicon.named(text)))
            regions = tuple(one for one in image.regions or () if named.isdisjoint(lexicon.named(one.text)))
            hidden = replace(image, boxes=boxes, captions=captions, regions=regions or UNSET)
            (read,) = claims.judge_turns((turn,), hidden, corpus.categories, leaves_open, settings.language)
            asked = self._asked_about(hidden, sample.turns)
            if asked is not None and all(claim.verdict == "unknown" for claim in read.claims):
                return SilentTurn(sample.image_id, asked, place)
        return None

    def _ask(
        self, wanted: Iterator[Asked | None], total: int, payment: Payment, progress: Progress, *, may_ask: bool
    ) -> None:
        """Have all asked that is not stored; the rest of ``wanted``, of so many in all, is only walked through."""
        n_before, seen, is_begun = 0, set[str](), False

        def missing() -> Iterator[Asked]:
            nonlocal n_before
            for one in wanted:
                if one is not None and one.key not in self._store and one.key not in seen:
                    seen.add(one.key)  # two samples may hold the same turns
                    yield one
                elif is_begun:
                    progress.step()
                else:
                    n_before += 1

        left = missing()
        first = next(left, None)
        if first is None:
            return
        if not may_ask and not self._judge.is_bundled:
            path = self._store.log.path
            raise RunError(f"{path}: not every sample has the judge's word; finish the run with 'datagen run' first.")
        require_room(self._store.log.path.parent)
        progress.begin(self.task, total, n_before)
        is_begun = True
        try:
            with ended(progress):
                self._reply_to(chain((first,), left), payment, progress)
        finally:
            self._store.log.sync()


def _lot(sample_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"judged {sample_id}".encode()).digest()[:8], "big")
