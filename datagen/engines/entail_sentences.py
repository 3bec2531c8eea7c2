"""Textual entailment over a run: the bundled model reads every sentence against captions and boxes, on this machine.

It is a judge over text like an endpoint's LLM: what it says of a sample is kept as a fact in the same form, with the
caption or line of objects that speaks most against a sentence as its quotation, and is measured by the same trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datagen.checks import entailment
from datagen.checks.judge import MAX_SENTENCES, Beforehand
from datagen.config import Settings, digest_of
from datagen.corpus import Corpus
from datagen.corpus.lint import language_of_captions
from datagen.endpoint.budget import Payment
from datagen.engines.ordered_threads import map_in_order
from datagen.engines.progress import Progress
from datagen.engines.weigh_judge import Asked, MeasuredJudge
from datagen.errors import JudgeError
from datagen.languages import ENGLISH, NAMES
from datagen.records import AnnotatedImage, Judgement, Turn
from datagen.store import JudgementStore

if TYPE_CHECKING:
    from datagen.checks.entailment import EntailmentJudge


CPU_S_PER_TOKEN = 2.5e-4
"""Of one core (2026-12-01, x86 with AVX-512): 35 ms for a sentence before five captions and a line of objects, 138 word
pieces together."""


class BundledJudge(MeasuredJudge):
    """The entailment model that comes along; see ``MeasuredJudge``.

    A sample's sentences are scored together by one thread, and samples side by side: so no number of threads changes
    a score.
    """

    task = "holding sentences against captions and boxes"

    def __init__(self, settings: Settings, corpus: Corpus, store: JudgementStore) -> None:
        self._digest = digest_of_model()
        super().__init__(settings, corpus, store, measured_beforehand())

    def _evidence_for(self, image: AnnotatedImage) -> str:
        return evidence_read(image)

    def _key(self, evidence: str, turns: tuple[Turn, ...]) -> str:
        return digest_of([self._digest, evidence, sentences_asked(turns)])

    def _reply_to(self, wanted: Iterator[Asked], payment: Payment, progress: Progress) -> None:
        from datagen.engines.process_pool import MAX_WORKERS, n_usable_cores

        model = open_model()
        n_threads = self._settings.workers or min(MAX_WORKERS, n_usable_cores())
        with _one_thread_each():
            for one, (text,) in map_in_order(lambda asked: (verdicts_on(asked, model),), wanted, n_threads):
                self._store.add(Judgement(one.key, text))
                self._store.log.sync_if_due()
                progress.step()


def why_unread(settings: Settings, images: Sequence[AnnotatedImage] = ()) -> str | None:
    """Why the bundled model judges nothing of a run: it was taught English; None where it can."""
    if settings.language != ENGLISH:
        return f"it reads English, and answers are asked for in {NAMES[settings.language]}"
    captions = language_of_captions(images)
    return None if captions is None else f"it reads English, and captions seem to be in {captions}"


def evidence_read(image: AnnotatedImage) -> str:
    """What the model reads of an image, a line each; empty for nothing."""
    return "\n".join(filter(None, (" ".join(note.split()) for note in entailment.notes_of(image))))


def sentences_asked(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """What stands before each sentence of the answers, and the sentence; in the order of ``sentences_of``."""
    found = [(one.context, one.sentence) for one in entailment.with_context(turns) if not one.in_question]
    return found[:MAX_SENTENCES]


def verdicts_on(asked: Asked, model: EntailmentJudge) -> str:
    """What the model says of a sample's sentences, in the form in which an LLM replies, with the chance of each."""
    notes, sentences = asked.evidence.split("\n"), sentences_asked(asked.turns)
    verdicts: list[dict[str, Any]] = []
    for n, (one, chance) in enumerate(zip(sentences, model.score(notes, sentences), strict=True), start=1):
        told: dict[str, Any] = {"n": n, "verdict": "unknown", "chance": chance}
        if chance >= model.threshold:
            alone = [model.score((note,), (one,))[0] for note in notes]
            told |= {"verdict": "contradicted", "words": one[1], "quote": notes[alone.index(max(alone))]}
        verdicts.append(told)
    return msgspec.json.encode({"verdicts": verdicts}).decode()


def open_model() -> EntailmentJudge:
    """Load the bundled model, once a process.

    Raises:
        JudgeError: Its files are missing or damaged.
    """
    return _opened(entailment.BUNDLED, digest_of_model())


@lru_cache(1)
def _opened(folder: Path, digest: str) -> EntailmentJudge:
    del digest  # other weights in the same folder are another model
    with _told_as_setting():
        return entailment.EntailmentJudge(folder)


def digest_of_model() -> str:
    """Digest of the bundled model's files, by which what it said is kept; nothing is loaded for it."""
    with _told_as_setting():
        return entailment.digest_of(entailment.BUNDLED)


def measured_beforehand() -> Beforehand | None:
    """What the bundled model was worth on strangers' replies; None where the file that tells it is not there."""
    path = entailment.BUNDLED / "measured.json"
    if not path.is_file():
        return None
    with _told_as_setting():
        try:
            return msgspec.json.decode(path.read_bytes(), type=Beforehand)
        except (OSError, msgspec.MsgspecError) as error:
            raise JudgeError(f"{path}: cannot be read ({error})") from None


@contextmanager
def _told_as_setting() -> Iterator[None]:
    try:
        yield
    except JudgeError as error:
        told = str(error).rstrip(".")
        raise JudgeError(f"checks.judge: {told}. Install datagen again, or leave --judge out.") from error


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let torch use one thread a call, as the calls run side by side."""
    import torch

    n_before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_before)
