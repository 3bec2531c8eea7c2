"""The validator for models built like LLaVA: pictures and their questions in batches, log-probabilities out.

Each picture goes through the vision tower and projector once, whatever is asked of it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property, partial
from itertools import islice
from typing import Any

import torch
from msgspec import Struct
from PIL import Image

from datagen.errors import ValidatorError
from datagen.records import Probe, ProbeScore, Score, TextScore
from datagen.validator.dialogue import Dialogue, Script, UnscorableError
from datagen.validator.loading import Checkpoint
from datagen.validator.protocol import (
    Abilities,
    Fault,
    Item,
    LoadPicture,
    Look,
    Text,
    look_keys,
    open_picture,
    score_key,
)
from datagen.validator.scoring import (
    AnswerScore,
    TreeRow,
    cut_batches,
    forget_failed,
    is_out_of_memory,
    plant_trees,
    score_rows,
)

LOOKS_AT_ONCE = 96
"""Enough to sort rows by length, few to lose at a kill; their picture features are held together."""
ROW_TOKENS = 4096
"""Longest tree: attention inside a row grows with the square of it."""
BLANK_ROW_TOKENS = 2048
"""Rows of a blank picture, which hold what is asked of many: in longer ones attention costs more than is saved."""
_PREPARED_AHEAD = 4
"""Threads that cut and scale pictures beside a GPU: 6 to 8 ms each, of 58 that a large one needs for an image."""
_WIDE_AND_TALL = ((64, 48), (48, 64))
_PICTURES_AT_ONCE = 8  # 8 x 577 patches keep a large GPU busy and need little memory beside the language model


class LaidOutItem(Struct, frozen=True):
    """One item of a look, laid out: a text is one script, a probe one for each answer."""

    item: Item
    key: str
    scripts: tuple[Script, ...]


class CheckpointValidator:
    """Scores with one loaded checkpoint; see ``protocol.Validator``.

    Args:
        checkpoint: The model and what belongs to it.
        batch_tokens: In one forward pass.
        hint: Follows a probe's question, to say that a word is wanted; ``""`` where the model was not taught one.
    """

    def __init__(self, checkpoint: Checkpoint, batch_tokens: int, hint: str = "") -> None:
        self.identity = checkpoint.identity
        self.abilities = Abilities()
        self.n_readers = 0
        self._checkpoint = checkpoint
        self._batch_tokens, self._hint = batch_tokens, hint
        self._dialogue = Dialogue(checkpoint.tokenizer, checkpoint.chat_template, checkpoint.image_token)

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item; one that cannot be scored gives a fault instead."""
        for window in cut_windows(looks):
            if all(key in known for look in window for key in look_keys(self.identity, look)):
                continue
            yield from self._score_window(window, load_picture, known)

    def _score_window(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str]
    ) -> Iterator[Score | Fault]:
        album = _Album(self._checkpoint, looks, load_picture, has_one_blank=self._has_one_blank)
        yield from album.faults.values()
        # What is asked of one picture stands in one row, though looks are many: all blanks of a size are one picture.
        by_view: dict[View, list[tuple[Look, LaidOutItem]]] = {}
        for look in looks:
            view = album.view(look)
            if view is None:
                continue
            asked = by_view.setdefault(view, [])
            for item in look.items:
                laid_out = self._lay_out(look, item, len(album.features[view]))
                if isinstance(laid_out, Fault):
                    yield laid_out
                else:
                    asked.append((look, laid_out))
        rows: list[TreeRow] = []
        told: list[list[tuple[Look, LaidOutItem]]] = []
        for view, asked in by_view.items():
            row_tokens = min(ROW_TOKENS if isinstance(view, str) else BLANK_ROW_TOKENS, self._batch_tokens)
            groups = [one.scripts for _, one in asked]
            for indices, row in plant_trees(groups, album.features[view], row_tokens):
                rows.append(row)
                told.append([asked[index] for index in indices])
        # What is known takes its place in the batches all the same: the numbers of a batch depend
        # in their last digits on what else is in it, and a resumed run must find the same.
        for indices in cut_batches(rows, self._batch_tokens):
            if all(one.key in known for index in indices for _, one in told[index]):
                continue
            found = score_rows(self._checkpoint, [rows[index] for index in indices])
            for index, answers in zip(indices, found, strict=True):
                coming = iter(answers)
                for look, one in told[index]:
                    scores = read_scores(look, [one], list(islice(coming, len(one.scripts))))
                    yield from (score for score in scores if score.key not in known)

    @cached_property
    def _has_one_blank(self) -> bool:
        """Whether blank pictures of all sizes are one to the model, as where each is scaled and cut to one square."""
        wide, tall = (process(self._checkpoint, [blank_like(self._checkpoint, size)]) for size in _WIDE_AND_TALL)
        return "image_sizes" not in wide and torch.equal(wide["pixel_values"], tall["pixel_values"])

    def _lay_out(self, look: Look, item: Item, n_features: int) -> LaidOutItem | Fault:
        answers = (item.answer,) if isinstance(item, Text) else item.answers
        try:
            question = item.question if isinstance(item, Text) else item.question + self._hint
            scripts = tuple(self._dialogue.write(question, answer) for answer in answers)
        except UnscorableError as error:
            return Fault(look.picture, "unscorable_text", f"the model cannot read this: {error}", item)
        longest = max(len(script.head) + n_features + len(script.tail) for script in scripts)
        limit = self._checkpoint.max_tokens
        if limit is not None and longest > limit:
            detail = f"{longest} tokens with the picture, the model reads {limit}"
            return Fault(look.picture, "too_long", detail, item)
        return LaidOutItem(item, score_key(self.identity, look, item), scripts)


def read_scores(look: Look, asked: Sequence[LaidOutItem], answers: Sequence[AnswerScore]) -> Iterator[Score]:
    """Make scores of what a model found; ``answers`` holds one entry per script, item after item."""
    at = 0
    for one in asked:
        mine = answers[at : at + len(one.scripts)]
        at += len(one.scripts)
        if isinstance(one.item, Probe):
            yield ProbeScore(one.key, look.picture, _chances([sum(answer.logprobs) for answer in mine]))
            continue
        (answer,) = mine
        n_tokens = len(answer.logprobs)
        yield TextScore(
            one.key,
            look.picture,
            logprob_mean=_rounded(sum(answer.logprobs) / n_tokens),
            logprob_min=_rounded(min(answer.logprobs)),
            margin_mean=_rounded(sum(answer.margins) / n_tokens),
            n_tokens=n_tokens,
        )


def _chances(logprobs: Sequence[float]) -> tuple[float, ...]:
    best = max(logprobs)
    weights = [math.exp(logprob - best) for logprob in logprobs]
    return tuple(_rounded(weight / sum(weights)) for weight in weights)


def _rounded(value: float) -> float:
    """Six digits, as fp32 has no more, and no negative zero: stored bytes stay the same."""
    return round(value, 6) + 0.0


View = str | tuple[int, int]
"""What a look sees: a picture by its file name, or a blank of some width and height."""


class _Album:
    """The features of every picture that a window of looks needs, each computed once.

    Attributes:
        features: Of shape (tokens, hidden), by what is seen.
        faults: By file name, why a picture cannot be seen.
    """

    def __init__(
        self, checkpoint: Checkpoint, looks: Sequence[Look], load_picture: LoadPicture, *, has_one_blank: bool
    ) -> None:
        self.faults: dict[str, Fault] = {}
        self._blank_size = _WIDE_AND_TALL[0] if has_one_blank else None
        self._sizes: dict[str, tuple[int, int]] = {}
        # A blank needs the size of the picture whose place it takes, so that picture is opened as well.
        shown = {look.picture for look in looks if not look.is_blank}
        names = dict.fromkeys(look.picture for look in looks)
        pictures = self._load(names, load_picture)
        features = list(look_at(checkpoint, (picture for name, picture in pictures if name in shown)))
        self.features: dict[View, torch.Tensor] = dict(
            zip((name for name in self._sizes if name in shown), features, strict=True)
        )
        of_blanks = (look.picture for look in looks if look.is_blank and look.picture in self._sizes)
        sizes = sorted({self._blank_size or self._sizes[name] for name in of_blanks})
        blanks = look_at(checkpoint, (blank_like(checkpoint, size) for size in sizes))
        self.features |= zip(sizes, blanks, strict=True)

    def _load(self, names: Iterable[str], load_picture: LoadPicture) -> Iterator[tuple[str, Image.Image]]:
        for name in names:
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                self.faults[name] = picture
            else:
                self._sizes[name] = picture.size
                yield name, picture

    def view(self, look: Look) -> View | None:
        """What a look sees; None for a broken picture."""
        if look.picture in self.faults:
            return None
        return (self._blank_size or self._sizes[look.picture]) if look.is_blank else look.picture


def cut_windows(looks: Sequence[Look]) -> Iterator[list[Look]]:
    """Cut the looks where the picture changes, so that what is asked of one picture stays together."""
    window: list[Look] = []
    for look in looks:
        if len(window) >= LOOKS_AT_ONCE and look.picture != window[-1].picture:
            yield window
            window = []
        window.append(look)
    if window:
        yield window


def look_at(checkpoint: Checkpoint, pictures: Iterable[Image.Image]) -> Iterator[torch.Tensor]:
    """Run the vision tower and projector.

    Args:
        checkpoint: The model and its image processor.
        pictures: Any mode and size; taken a few at a time, so that few are in memory.

    Yields:
        Per picture, features of shape (tokens, hidden) on the model's device.
    """
    coming = (picture.convert("RGB") for picture in pictures)
    chunks = iter(lambda: list(islice(coming, _PICTURES_AT_ONCE)), [])
    n_threads = 0 if checkpoint.device.type == "cpu" else _PREPARED_AHEAD  # there they would take the model's cores
    for seen in _processed_ahead(checkpoint, chunks, n_threads):
        yield from through_tower(checkpoint, seen)


def _processed_ahead(
    checkpoint: Checkpoint, chunks: Iterable[list[Image.Image]], n_threads: int
) -> Iterator[dict[str, torch.Tensor]]:
    """Make pictures the tower's input, some chunks ahead of it in threads."""
    if not n_threads:
        yield from map(partial(process, checkpoint), chunks)
        return
    with ThreadPoolExecutor(n_threads) as threads:
        under_way: deque[Future[dict[str, torch.Tensor]]] = deque()
        for chunk in chunks:
            under_way.append(threads.submit(process, checkpoint, chunk))
            if len(under_way) > n_threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def process(checkpoint: Checkpoint, pictures: list[Image.Image]) -> dict[str, torch.Tensor]:
    """Make pictures the tower's input, in the numbers that it computes in."""
    seen: Any = checkpoint.image_processor(images=pictures, return_tensors="pt")
    # LLaVA-NeXT cuts a picture into tiles by its size and needs that to join them again.
    sizes = {"image_sizes": seen["image_sizes"]} if "image_sizes" in seen else {}
    return {"pixel_values": seen["pixel_values"].to(checkpoint.dtype), **sizes}


def through_tower(checkpoint: Checkpoint, seen: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Features of some pictures, in halves where they do not fit into memory.

    Raises:
        ValidatorError: A single picture does not fit.
    """
    pixels, sizes = seen["pixel_values"], {name: value for name, value in seen.items() if name == "image_sizes"}
    try:
        with torch.inference_mode():
            return list(checkpoint.model.get_image_features(pixels.to(checkpoint.device), **sizes).pooler_output)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(pixels) == 1:
            raise ValidatorError(
                f"{checkpoint.identity}: one picture does not fit into the memory of {checkpoint.device} beside the "
                "weights; use a smaller checkpoint, --precision bf16 or, on a CUDA GPU, 8bit."
            ) from None
    # Outside the handler, because the error holds on to the tensors of the failed pass.
    forget_failed(checkpoint.device)
    half = len(pixels) // 2
    parts = ({name: value[part] for name, value in seen.items()} for part in (slice(half), slice(half, None)))
    return [features for part in parts for features in through_tower(checkpoint, part)]


def blank_like(checkpoint: Checkpoint, size: tuple[int, int]) -> Image.Image:
    """Make the picture that shows nothing: the processor's mean colour, so its pixels become 0.

    Args:
        checkpoint: Names the mean colour.
        size: Width and height; LLaVA-NeXT gives other sizes other token counts.
    """
    mean = checkpoint.image_processor.image_mean
    red, green, blue = (round(255 * share) for share in mean)
    return Image.new("RGB", size, (red, green, blue))
