"""The local engine: one machine takes a corpus, or a shard of it, as far as it can go, resuming what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from datagen.claims.other_languages import languages_with_claims
from datagen.config import ENDPOINT, Settings, validator_names
from datagen.corpus.lint import language_of_captions
from datagen.engines.choose_more import take_more
from datagen.engines.chunks import Pool, derive_all, job_of
from datagen.engines.entail_sentences import why_unread
from datagen.engines.estimate import estimate_judge
from datagen.engines.finish_run import Outcome, finish, looked_at
from datagen.engines.finished_mark import finished_before, keep_finished
from datagen.engines.gather_facts import gathered
from datagen.engines.inputs import Inputs
from datagen.engines.look_ahead import LookAhead, may_overlap
from datagen.engines.plugs import NO_PLUGS, Plugs, require_plugs, telling_what_it_raised
from datagen.engines.preflight import ask_first, require_ready
from datagen.engines.process_pool import MAX_WORKERS, can_travel, n_usable_cores, worker_processes
from datagen.engines.progress import LOOKING, LOOKING_AGAIN, Progress, beating
from datagen.engines.repair_rounds import sees_doubts
from datagen.engines.score_run import require_common_words
from datagen.engines.seat import telling_which
from datagen.errors import in_line, visible
from datagen.languages import ENGLISH, NAMES
from datagen.pipeline import Samples, is_balanced
from datagen.records import Sample
from datagen.store import RunFolder
from datagen.store.folder import translated_errors
from datagen.summary import count_omissions
from datagen.validator import Validator, open_validator
from datagen.validator.own_probes import templates_of
from datagen.validator.protocol import Billing

__all__ = ["Here", "Outcome", "Workplace", "run_local"]


@contextmanager
def spooled(make: Callable[[], Iterator[Sample]], path: Path) -> Iterator[Callable[[], Iterator[Sample]]]:
    """Lend what gives the same samples as ``make``, from a file once it has given all of them.

    Args:
        make: Makes them anew at every call.
        path: The file; removed at the end.

    Raises:
        RunError: The disk is full or gone.
    """
    is_whole = False

    def give() -> Iterator[Sample]:
        return read() if is_whole else written()

    def written() -> Iterator[Sample]:
        nonlocal is_whole
        encoder = msgspec.json.Encoder()
        with translated_errors(path):
            file = path.open("wb")
        with file:
            for sample in make():
                with translated_errors(path):
                    file.write(encoder.encode(sample) + b"\n")
                yield sample
            with translated_errors(path):
                file.flush()
        is_whole = True

    def read() -> Iterator[Sample]:
        decoder = msgspec.json.Decoder(Sample)
        with path.open("rb") as file:
            yield from map(decoder.decode, file)

    try:
        yield give
    finally:
        path.unlink(missing_ok=True)


class Workplace(Protocol):
    """Where the parts of a run are worked on that can be divided; everything else happens in one process."""

    def open_validator(self, settings: Settings, n_together: int = 1) -> Validator:
        """Find the validator that the settings name, one of so many that judge together."""
        ...

    def open_pool(self, inputs: Inputs) -> AbstractContextManager[Pool | None]:
        """Lend workers for the pure stages; None where they are worth none."""
        ...


class Here:
    """This machine."""

    def open_validator(self, settings: Settings, n_together: int = 1) -> Validator:
        """Find the validator that the settings name; all of them stand on the same devices."""
        return open_validator(settings.validator)

    def open_pool(self, inputs: Inputs) -> AbstractContextManager[Pool | None]:
        """Lend a process pool; see ``Workplace``."""
        n_workers = inputs.settings.workers
        if n_workers is None:
            n_workers = 1 if inputs.n_samples < MIN_POOLED else min(MAX_WORKERS, n_usable_cores())
        if n_workers > 1 and not can_travel(inputs.plugs.checks):
            inputs.progress.note("The checks in Python are no functions of a module, so one process does all the work.")
            n_workers = 1
        return nullcontext() if n_workers == 1 else worker_processes(job_of(inputs), n_workers)


MIN_POOLED = 500
"""Samples below which no worker process is started: each takes 0.4 s to start, and 300 samples take a second."""
MAX_LOOKED_OVER = 1024
"""Names of pictures that a validator may choose from to glance at a few."""


def run_local(
    settings: Settings,
    out: Path,
    progress: Progress,
    place: Workplace | None = None,
    *,
    may_ask: bool = True,
    may_change: bool = False,
    plugs: Plugs = NO_PLUGS,
) -> Outcome:
    """Make or finish a run.

    Args:
        settings: Resolved settings.
        out: The run folder; a second start with the same settings resumes it.
        progress: Hears how far it is.
        place: Where the large parts are worked on, None for here; the result is the same everywhere.
        may_ask: False judges what is stored and sends nothing.
        may_change: Settings may rewrite or shrink what the folder holds.
        plugs: Python objects that take the place of what settings name.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    folder = RunFolder(out)
    require_plugs(settings, plugs)
    if not may_ask:
        folder.require()
    with folder.locked():
        inputs = Inputs(settings, folder, progress, plugs=plugs)
        require_ready(inputs, may_ask=may_ask, may_change=may_change)
        before = finished_before(inputs)
        if before is not None:
            progress.note("Nothing has changed since this run was finished, so there is nothing to do.")
            return Outcome(*before, is_unchanged=True)
        with beating(folder, progress, has_plugs=plugs != NO_PLUGS) as inputs.progress:
            if may_ask:
                take_more(inputs)
            outcome = _make(inputs, place or Here(), may_ask=may_ask)
        keep_finished(inputs, outcome)
        return outcome


def _make(inputs: Inputs, place: Workplace, *, may_ask: bool) -> Outcome:
    settings, folder = inputs.settings, inputs.folder
    validators = validators_for(inputs, place)
    with closing(inputs.ledger):
        prepare(inputs, validators, may_ask=may_ask)
        with place.open_pool(inputs) as pool, ExitStack() as lent:
            ahead: LookAhead | None = None
            if may_ask and isinstance(place, Here) and may_overlap(inputs, validators):
                ahead = LookAhead(inputs, validators)
            if ahead is None:
                facts = lent.enter_context(gathered(inputs, pool, may_ask=may_ask))
                derive: Samples = partial(derive_all, inputs, facts.replies.get, pool)
            else:
                derive = lent.enter_context(spooled(partial(derive_all, inputs, ahead.reply, pool), folder.spool))
                facts = lent.enter_context(gathered(inputs, pool, beside=partial(ahead.beside, candidates=derive)))
            inputs.write_manifest()
            task = None if ahead is not None and ahead.has_seen_all else LOOKING
            for _ in range(settings.repair if sees_doubts(settings) else 0):
                with spooled(derive, folder.spool) as spool:
                    came = looked_at(inputs, validators, spool, facts.find_vector, may_ask=may_ask, task=task)
                    task = LOOKING_AGAIN if facts.send_back(came) else None
                    if task is None:
                        break
            if ahead is None and (validators or settings.checks.judge is not None or is_balanced(settings)):
                derive = lent.enter_context(spooled(derive, folder.spool))  # it is gone through more than once
            outcome = finish(inputs, validators, derive, facts.find_vector, may_ask=may_ask, task=task)
            has_left = bool(outcome.summary.rejected_by_stage.get("teacher"))  # else there is nothing to look for
            return replace(
                outcome,
                is_settled=outcome.is_settled
                and not inputs.has_open_repairs
                and (not has_left or inputs.is_settled(facts.replies)),
            )


def validators_for(inputs: Inputs, place: Workplace | None = None) -> tuple[Validator, ...]:
    """Open the validators that the settings name, if any; most often one.

    Raises:
        ValidatorError: One cannot be used, or knows none of the corpus's things.
    """
    names = validator_names(inputs.settings.validator.name)
    templates_of(inputs.settings.validator.probes)  # refused before the teacher is paid
    return () if names == ("none",) else tuple(_open(inputs, one, place or Here(), len(names)) for one in names)


def _open(inputs: Inputs, name: str, place: Workplace, n_together: int) -> Validator:
    settings = inputs.settings
    if name != settings.validator.name:
        settings = replace(settings, validator=replace(settings.validator, name=name))
    if name.startswith(ENDPOINT):  # the network is everywhere the same, and the budget is here
        place = Here()
    with telling_which(name, n_together):
        validator = inputs.plugs.validator or place.open_validator(settings, n_together)
    if isinstance(validator, Billing):
        validator.pay_by(inputs.ledger.payment("validator"))
    require_common_words(validator, name, inputs.corpus.categories)
    return validator


def prepare(inputs: Inputs, validators: Sequence[Validator], *, may_ask: bool = True) -> None:
    """Write down what the run is about, prove its endpoint, and look at the pictures before the rest is paid for."""
    tell_source(inputs)
    tell_omissions(inputs)
    tell_languages(inputs)
    if may_ask:
        ask_first(inputs)
        inputs.write_manifest()  # killed among a hundred thousand pictures, it goes on by 'datagen resume'
        if inputs.settings.checks.judge is not None:
            tell_judge(inputs)
    inputs.check_pictures()
    if inputs.settings.corpus.images is None and inputs.plugs.source is None:
        inputs.progress.note(
            "Nothing says where the pictures are, so none was checked: name their folder with --images."
        )
    few = [image.file_name for image in islice(inputs.usable_images(), MAX_LOOKED_OVER)] if validators else []
    for name, validator in zip(validator_names(inputs.settings.validator.name), validators, strict=False):
        with telling_which(name, len(validators)), telling_what_it_raised(name):
            validator.look_over(few, inputs.pictures.read)


def tell_source(inputs: Inputs) -> None:
    """Say what a corpus was taken for and where its pictures are, where that was found out by looking into it."""
    corpus = inputs.settings.corpus
    if corpus.path is not None:
        told = "; ".join(f"{kind} {visible(name)}" for kind, name in inputs.described())
        inputs.progress.note(f"The corpus is read as {inputs.source.name}: {told}.")
    if corpus.images is not None and corpus.path is not None and corpus.images != corpus.path:
        inputs.progress.note(f"Its pictures are in {visible(str(corpus.images))}.")


OF_A_WHOLE_FILE = {"boxes_scored", "captions_alike", "captions_by_model", "captions_unlike_boxes", "category_no_thing"}
"""Kinds of findings that are told in full: they say of a whole file what it is not fit for."""


def tell_omissions(inputs: Inputs) -> None:
    """Say what loading left out or mended, before anything is paid for."""
    omissions = count_omissions(inputs.corpus.findings)
    for kind in sorted(OF_A_WHOLE_FILE & omissions.keys()):
        inputs.progress.note(f"{visible(omissions.pop(kind).example)}.")
    if omissions:
        tally = ", ".join(f"{one.number} {kind}" for kind, one in omissions.items())
        first = in_line(next(iter(omissions.values())).example)
        inputs.progress.note(
            f"Of the annotations, left out or mended: {tally}, such as {first}. 'datagen lint' tells all."
        )


def tell_languages(inputs: Inputs) -> None:
    """Say where captions and answers are in languages that the checks do not hold against each other."""
    language = inputs.settings.language
    captions, asked = language_of_captions(inputs.images), NAMES[language]
    is_read = language == ENGLISH or language in languages_with_claims()
    if captions is not None and captions != asked:
        inputs.progress.note(
            f"Captions seem to be in {captions}, answers are asked for in {asked}: such captions bear nothing out, so "
            "that boxes alone are held against the answers."
        )
    elif not is_read:
        inputs.progress.note(f"Claims in {asked} are not read: no answer is held against captions or boxes.")


def tell_judge(inputs: Inputs) -> None:
    """Say what a judge over text will take, before all but the first reply is paid for."""
    judge = inputs.settings.checks.judge
    if judge is not None and judge.is_bundled and (why := why_unread(inputs.settings, inputs.images)) is not None:
        inputs.progress.note(f"Judge {judge.model} is left out: {why}.")
    told = estimate_judge(inputs.settings, inputs.images, inputs.recipes, [inputs.folder])
    if told is not None and told.n_requests:
        beside = "" if told.cpu_s is not None else ", beside what the teacher bills"
        inputs.progress.note(f"Judge {told.told}{beside}.")
