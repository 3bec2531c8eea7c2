"""Asks the judge over text about every sample that reaches it, plants errors to measure it, and lays its word on turns.

Its replies are facts of the run: what was asked once is never asked again, whatever becomes of the settings behind it.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Container, Iterator
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from datagen import claims
from datagen.checks.judge import (
    VERDICTS_SCHEMA,
    Trials,
    evidence_for,
    first_objection,
    is_borne_out,
    judge_messages,
    objects,
    read_verdicts,
    sentences_of,
    why_no_cut,
    with_opinions,
)
from datagen.claims.kind import Spoiling
from datagen.config import JudgeSettings, Settings, digest_of
from datagen.corpus import Corpus
from datagen.diversity import boxed_images
from datagen.endpoint.budget import Payment
from datagen.endpoint.call import Call, billed_choice
from datagen.endpoint.chat_completion import text_or_fault, without_system
from datagen.endpoint.error_translation import PassingError, RecordError, StoppedError
from datagen.endpoint.loop_thread import run_to_end
from datagen.endpoint.target import Target
from datagen.endpoint.token_estimate import count_messages
from datagen.engines.progress import Progress, ended
from datagen.errors import BudgetError, DatagenError, JudgeError, RunError
from datagen.lexicon import lexicon_for
from datagen.pipeline import Samples
from datagen.randomness import rng_for
from datagen.recipes import judge_prompt
from datagen.records import AnnotatedImage, Judgement, Message, Sample, Turn, cut_or_reject
from datagen.store import JudgementStore
from datagen.store.folder import require_room
from datagen.summary import JudgeReport
from datagen.validator.planting import ErrorKind, Frequencies, is_clean, plant_errors

_BAD_TRIES = 2  # a reply that is no JSON is asked for once more, and then costs its sample its verdicts


def judge_target(settings: Settings, judge: JudgeSettings) -> Target:
    """Whom to ask: an LLM as the teacher is one, at the teacher's address and by its key where nothing else is said."""
    asked = replace(
        settings.teacher,
        api_key_env=judge.api_key_env or settings.teacher.api_key_env,
        concurrency=judge.concurrency,
        rpm=judge.rpm,
        tpm=judge.tpm,
        timeout_s=judge.timeout_s,
        max_attempts=judge.max_attempts,
    )
    return Target(
        settings=asked,
        model=judge.model,
        base_url=judge.base_url or settings.teacher.base_url,
        option="checks.judge.base_url",
        error=JudgeError,
    )


class JudgeCall(Call[str]):
    """Numbered sentences on their way to their verdicts, which come back as the raw text of the reply."""

    def __init__(self, model: str, messages: tuple[Message, ...], max_tokens: int) -> None:
        super().__init__()
        self._model, self._messages, self._max_tokens = model, messages, max_tokens
        self._n_bad = 0

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON."""
        fields: dict[str, Any] = {
            "model": self._model,
            "messages": without_system(self._messages) if "system" in refused else self._messages,
            "max_completion_tokens" if "max_tokens" in refused else "max_tokens": self._max_tokens,
            "temperature": 0.0,
            "response_format": VERDICTS_SCHEMA,
        }
        return {name: value for name, value in fields.items() if name not in refused}

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """JSON in one piece."""
        return (msgspec.json.encode(fields),)

    def read(self, content: bytes, shown: Callable[[str], str]) -> str:
        """Take the reply out of a completion; the first that holds no verdicts is asked for again."""
        text = text_or_fault(billed_choice(self, content, shown), self._max_tokens, shown)
        self._n_bad += read_verdicts(text) is None
        if self._n_bad and self._n_bad < _BAD_TRIES and read_verdicts(text) is None:
            raise PassingError("garbled", f"expected verdicts in JSON, got: {shown(text)}")
        return text

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """By the length of the messages: four characters of English are a token."""
        n_reply = mean_reply_tokens or self._max_tokens / 8
        return sum(len(message.content) for message in self._messages) / 4 + n_reply

    def most_tokens(self) -> tuple[float, int]:
        """The prompt, and the longest reply."""
        return count_messages(self._messages), self._max_tokens


class Asked(NamedTuple):
    """Turns that the judge is asked about, and where the answer is kept."""

    key: str
    messages: tuple[Message, ...]
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


class LlmJudge:
    """What a judge over text says of a run's samples; see ``pipeline.Lent``.

    Args:
        settings: The run's, with a judge.
        corpus: The whole of it.
        store: Keeps its replies.
    """

    def __init__(self, settings: Settings, corpus: Corpus, store: JudgementStore) -> None:
        assert settings.checks.judge is not None
        self._settings, self._judge, self._corpus, self._store = settings, settings.checks.judge, corpus, store
        self._system = judge_prompt(settings.recipes_dir)
        self._gave_up: Counter[str] = Counter()
        self._planted: tuple[PlantedTurn, ...] = ()
        self._silent: tuple[SilentTurn, ...] = ()
        self._trials = Trials()
        self._by_kind: dict[ErrorKind, tuple[int, int]] = {}
        self._n_samples = 0
        self._sentences: Counter[str] = Counter()
        self._void: Counter[str] = Counter()
        self.why_not: str | None = None

    @property
    def has_gaps(self) -> bool:
        """Whether another start would ask again for what it did not answer."""
        return bool(self._gave_up)

    def weigh(self, samples: Samples, payment: Payment, progress: Progress, *, may_ask: bool) -> None:
        """Ask whatever is not stored yet, about the samples and about planted errors, and measure the judge by it all.

        Raises:
            JudgeError: It cannot be asked; what it said before is stored.
            BudgetError: The budget is used up; the same holds.
            RunError: Its word is missing, and nothing may be asked.
        """
        chosen: list[tuple[int, Sample]] = []

        def own() -> Iterator[Asked]:
            for sample in samples():
                image = self._corpus.by_id.get(sample.image_id)
                asked = self._asked_about(image, sample.turns) if sample.status == "accepted" else None
                if asked is None:
                    continue
                self._n_samples += 1
                if any(map(is_clean, sample.turns)):
                    heapq.heappush(chosen, (-_lot(sample.sample_id), sample))
                    if len(chosen) > self._judge.planted:
                        heapq.heappop(chosen)
                yield asked

        self._ask(own(), payment, progress, may_ask=may_ask)
        self._planted = tuple(self._plant([sample for _, sample in sorted(chosen, reverse=True, key=lambda of: of[0])]))
        tried = [sample for _, sample in chosen]
        self._silent = tuple(one for one in map(self._hide, tried) if one is not None)
        trials = chain((one.asked for one in self._planted), (one.asked for one in self._silent))
        self._ask(trials, payment, progress, may_ask=may_ask)
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
        )

    def _asked_about(self, image: AnnotatedImage | None, turns: tuple[Turn, ...]) -> Asked | None:
        evidence = "" if image is None else evidence_for(image, self._settings.context)
        if not evidence or not sentences_of(turns):
            return None
        messages = judge_messages(self._system, evidence, turns)
        return Asked(digest_of([self._judge.model, messages]), messages, evidence, turns)

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

    def _ask(self, wanted: Iterator[Asked], payment: Payment, progress: Progress, *, may_ask: bool) -> None:
        """Have everything asked that is not stored; the rest of ``wanted`` is only walked through."""
        missing = (one for one in wanted if one.key not in self._store)
        first = next(missing, None)
        if first is None:
            return
        if not may_ask:
            path = self._store.log.path
            raise RunError(f"{path}: not every sample has the judge's word; finish the run with 'datagen run' first.")
        require_room(self._store.log.path.parent)
        progress.begin("asking the judge", None)
        with ended(progress):
            run_to_end(self._ask_all(first, missing, payment, progress))

    async def _ask_all(self, first: Asked, others: Iterator[Asked], payment: Payment, progress: Progress) -> None:
        """Keep many requests in flight; when one fails for good, the others' answers are still stored."""
        from datagen.endpoint.client import EndpointClient  # it loads the openai client

        judge = self._judge
        account = payment.account(judge.model, JudgeError)
        client = EndpointClient(judge_target(self._settings, judge), "chat/completions", account, payment.keep)
        failures: list[DatagenError] = []
        in_flight: set[str] = set()

        async def work(one: Asked | None) -> None:
            while one is not None and not failures:
                if one.key not in in_flight:  # two samples may hold the same turns
                    in_flight.add(one.key)
                    await ask(one)
                one = next(others, None)

        async def ask(one: Asked) -> None:
            try:
                text = await client.ask(JudgeCall(judge.model, one.messages, judge.max_tokens))
                self._store.add(Judgement(one.key, text))
                self._store.log.sync_if_due()
            except RecordError as error:
                self._store.add(Judgement(one.key, error=error.code))
            except PassingError as error:  # not stored, so that the next start asks again
                self._gave_up[error.code] += 1
            except StoppedError:
                return
            except DatagenError as error:
                failures.append(error)
                client.stop()
                return
            progress.step()

        try:
            await asyncio.gather(*(work(first if n == 0 else next(others, None)) for n in range(client.n_at_once)))
        finally:
            await client.close()
            self._store.log.sync()
        if failures:
            raise failures[0] if isinstance(failures[0], BudgetError) else _failed(failures[0])


def _failed(error: DatagenError) -> JudgeError:
    return JudgeError(
        f"checks.judge: {str(error).rstrip('.')}. Replies and what the judge said are kept: start the same command "
        "again, or leave --judge out."
    )


def _lot(sample_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"judged {sample_id}".encode()).digest()[:8], "big")
