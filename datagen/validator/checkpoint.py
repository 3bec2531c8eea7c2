"""Jobs come in, grouped by picture; scores of their turns, or faults, stream out of a loaded checkpoint."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from datagen.config import ValidatorSettings
from datagen.records import Score
from datagen.validator.dialogue import Dialogue, Script, UnscorableError
from datagen.validator.loading import Checkpoint, find_checkpoint, load_checkpoint
from datagen.validator.pictures import blank_like, look_at
from datagen.validator.protocol import Job, LoadPicture, PictureFault, Pixels, pictures_of, score_key, score_keys
from datagen.validator.scoring import Row, cut_batches, score_rows

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

MAX_ASPECT = 50
"""Processors scale the shorter side to 336 pixels; a strip of 1 x 3,000 would become a gigabyte."""
_JOBS_AT_ONCE = 32  # three pictures each make about 96 rows: enough to sort by length, few to lose at a kill


class DeferredValidator:
    """A checkpoint that was found and checked, and is loaded when the first unknown score is asked for.

    So a wrong name stops a run before anything is paid for, no memory is held while the teacher
    writes, and a run whose scores are all stored never loads the model.
    """

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings = settings
        self._found = find_checkpoint(settings)
        self._loaded: CheckpointValidator | None = None
        self.identity = self._found.identity

    def score(
        self, jobs: Sequence[Job], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | PictureFault]:
        """Score every turn that is not known; see ``protocol.Validator``."""
        if all(key in known for job in jobs for key in score_keys(self.identity, job)):
            return
        if self._loaded is None:
            checkpoint = load_checkpoint(self._settings, self._found)
            self._loaded = CheckpointValidator(checkpoint, self._settings.batch_tokens)
        yield from self._loaded.score(jobs, load_picture, known)


class CheckpointValidator:
    """Scores with one loaded checkpoint; see ``protocol.Validator``."""

    def __init__(self, checkpoint: Checkpoint, batch_tokens: int) -> None:
        self.identity = checkpoint.identity
        self._checkpoint = checkpoint
        self._batch_tokens = batch_tokens
        self._dialogue = Dialogue(checkpoint.tokenizer, checkpoint.chat_template, checkpoint.image_token)

    def score(
        self, jobs: Sequence[Job], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | PictureFault]:
        """Score every turn; a job that cannot be scored gives one fault instead."""
        for window in _cut_windows(jobs):
            if all(key in known for job in window for key in score_keys(self.identity, job)):
                continue
            yield from self._score_window(window, load_picture, known)

    def _score_window(
        self, jobs: Sequence[Job], load_picture: LoadPicture, known: Container[str]
    ) -> Iterator[Score | PictureFault]:
        album = _Album(self._checkpoint, jobs, load_picture)
        rows: list[Row] = []
        for job in jobs:
            laid_out = self._lay_out(job, album)
            if isinstance(laid_out, PictureFault):
                yield laid_out
            else:
                rows += laid_out
        # What is known takes its place in the batches all the same: the numbers of a batch depend
        # in their last digits on what else is in it, and a resumed run must find the same.
        for indices in cut_batches(rows, self._batch_tokens):
            batch = [rows[index] for index in indices]
            if all(key in known for row in batch for key in row.keys):
                continue
            yield from (score for score in score_rows(self._checkpoint, batch) if score.key not in known)

    def _lay_out(self, job: Job, album: _Album) -> list[Row] | PictureFault:
        if job.picture in album.faults:
            return PictureFault(job.sample_id, *album.faults[job.picture])
        try:
            script = self._dialogue.write(job.turns)
        except UnscorableError as error:
            return PictureFault(job.sample_id, "unscorable_text", f"the model cannot read this: {error}")
        rows: list[Row] = []
        for pixels, picture_name in pictures_of(job):
            features = album.features(pixels, picture_name)
            if features is None:
                continue  # another sample's picture is broken, which is no fault of this one
            row = self._make_row(job, script, features, pixels, picture_name)
            limit = self._checkpoint.max_tokens
            if limit is None or row.n_tokens <= limit:
                rows.append(row)
            elif pixels != "other":
                return PictureFault(
                    job.sample_id, "too_long", f"{row.n_tokens} tokens with the picture, the model reads {limit}"
                )
        return rows

    def _make_row(self, job: Job, script: Script, features: torch.Tensor, pixels: Pixels, picture_name: str) -> Row:
        keys = tuple(
            score_key(self.identity, job.sample_id, job.turns, turn, pixels, picture_name)
            for turn in range(len(job.turns))
        )
        return Row(job.sample_id, pixels, script.with_picture(len(features)), features, keys)


class _Album:
    """The features of every picture that a window of jobs needs, each computed once."""

    def __init__(self, checkpoint: Checkpoint, jobs: Sequence[Job], load_picture: LoadPicture) -> None:
        self.faults: dict[str, tuple[str, str]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        names = dict.fromkeys(name for job in jobs for _, name in pictures_of(job))
        features = list(look_at(checkpoint, self._load(names, load_picture)))
        self._features = dict(zip(self._sizes, features, strict=True))
        sizes = sorted(set(self._sizes.values()))
        blanks = look_at(checkpoint, (blank_like(checkpoint, size) for size in sizes))
        self._blanks = dict(zip(sizes, blanks, strict=True))

    def _load(self, names: Iterable[str], load_picture: LoadPicture) -> Iterator[Image]:
        for name in names:
            try:
                picture = load_picture(name)
            except Exception as error:
                # A picture that cannot be read is a record's failure; anything else is ours.
                if not hasattr(error, "reason") or not hasattr(error, "detail"):
                    raise
                self.faults[name] = (str(error.reason), str(error.detail))
            else:
                if max(picture.size) > MAX_ASPECT * min(picture.size):
                    told = (
                        f"{name} is {picture.width} x {picture.height} pixels, longer than {MAX_ASPECT} times its width"
                    )
                    self.faults[name] = ("image_too_narrow", told)
                    continue
                self._sizes[name] = picture.size
                yield picture

    def features(self, pixels: Pixels, name: str) -> torch.Tensor | None:
        """Features of a picture, or of a blank of its size; None for a broken one."""
        if name in self.faults:
            return None
        return self._blanks[self._sizes[name]] if pixels == "blank" else self._features[name]


def _cut_windows(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Cut the jobs where the picture changes, so that samples of one image stay together."""
    window: list[Job] = []
    for job in jobs:
        if len(window) >= _JOBS_AT_ONCE and job.picture != window[-1].picture:
            yield window
            window = []
        window.append(job)
    if window:
        yield window
