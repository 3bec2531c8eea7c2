"""The local engine: one process takes a corpus, or a shard of it, as far as it can go, resuming what is stored."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from datagen.config import Settings
from datagen.engines.finishing import Outcome, finish
from datagen.engines.gathering import gathered
from datagen.engines.inputs import Inputs
from datagen.engines.judging import require_common_words
from datagen.engines.progress import Progress
from datagen.engines.spooling import spooled
from datagen.pipeline import is_balanced
from datagen.store import RunFolder
from datagen.validator import Validator, open_validator

__all__ = ["Outcome", "run_local"]

MOST_LOOKED_OVER = 1024
"""Names of pictures that a validator may choose from to glance at a few."""


def run_local(settings: Settings, out: Path, progress: Progress, *, may_ask: bool = True) -> Outcome:
    """Make or finish a run.

    Args:
        settings: Resolved settings.
        out: The run folder; a second start with the same settings resumes it.
        progress: Hears how far it is.
        may_ask: False judges what is stored and sends nothing.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    folder = RunFolder(out)
    inputs = Inputs(settings, folder, progress)
    validator = validator_for(inputs)
    if not may_ask:
        folder.require()
    with folder.locked():
        prepare(inputs, validator, may_ask=may_ask)
        with gathered(inputs, may_ask=may_ask) as facts:
            inputs.write_manifest()
            if validator is None and not is_balanced(settings):  # one pass
                return finish(inputs, None, lambda: inputs.candidates(facts.replies), facts.find_vector)
            with spooled(lambda: inputs.candidates(facts.replies), folder.spool) as candidates:
                return finish(inputs, validator, candidates, facts.find_vector)


def validator_for(inputs: Inputs) -> Validator | None:
    """Open the validator that the settings name, if any.

    Raises:
        ValidatorError: It cannot be used, or knows none of the corpus's things.
    """
    settings = inputs.settings.validator
    if settings.name == "none":
        return None
    validator = open_validator(settings)
    require_common_words(validator, settings.name, inputs.corpus.categories)
    return validator


def prepare(inputs: Inputs, validator: Validator | None, *, may_ask: bool = True) -> None:
    """Look at the pictures before anything is paid for, and write down what the run is about."""
    inputs.check_pictures()
    if validator is not None:
        few = islice(inputs.usable_images(), MOST_LOOKED_OVER)
        validator.look_over([image.file_name for image in few], inputs.pictures.read)
    if may_ask:
        inputs.write_manifest()
