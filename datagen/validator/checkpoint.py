"""The validator for models built like LLaVA: pictures and their questions in batches, log-probabilities out.

Each picture goes through the vision tower and projector once, whatever is asked of it.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import islice

import torch
from msgspec import Struct
from PIL import Image

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
from datagen.validator.scoring import AnswerScore, TreeRow, cut_batches, plant_trees, score_rows

LOOKS_AT_ONCE = 96
"""Enough to sort rows by length, few to lose at a kill; their picture features are held together."""
ROW_TOKENS = 4096
"""Longest tree: attention inside a row grows with the square of it."""
_PICTURES_AT_ONCE = 8  # 8 x 577 patches keep a large GPU busy and need little memory beside the language model


class LaidOutItem(Struct, frozen=True):
    """One item of a look, laid out: a text is one script, a probe one for each answer."""

    item: Item
    key: str
    scripts: tuple[Script, ...]


class CheckpointValidator:
    """Scores with one loaded checkpoint; see ``protocol.Validator``."""

    def __init__(self, checkpoint: Checkpoint, batch_tokens: int) -> None:
        self.identity = checkpoint.identity
        self.abilities = Abilities()
        self.n_readers = 0
        self._checkpoint = checkpoint
        self._batch_tokens = batch_tokens
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
        album = _Album(self._checkpoint, looks, load_picture)
        yield from album.faults.values()
        rows: list[TreeRow] = []
        told: list[tuple[Look, list[LaidOutItem]]] = []
        for look in looks:
            features = album.features(look)
            if features is None:
                continue
            asked: list[LaidOutItem] = []
            for item in look.items:
                laid_out = self._lay_out(look, item, len(features))
                if isinstance(laid_out, Fault):
                    yield laid_out
                else:
                    asked.append(laid_out)
            groups = [one.scripts for one in asked]
            for indices, row in plant_trees(groups, features, min(ROW_TOKENS, self._batch_tokens)):
                rows.append(row)
                told.append((look, [asked[index] for index in indices]))
        # What is known takes its place in the batches all the same: the numbers of a batch depend
        # in their last digits on what else is in it, and a resumed run must find the same.
        for indices in cut_batches(rows, self._batch_tokens):
            if all(one.key in known for index in indices for one in told[index][1]):
                continue
            found = score_rows(self._checkpoint, [rows[index] for index in indices])
            for index, answers in zip(indices, found, strict=True):
                look, asked = told[index]
                yield from (score for score in read_scores(look, asked, answers) if score.key not in known)

    def _lay_out(self, look: Look, item: Item, n_features: int) -> LaidOutItem | Fault:
        answers = (item.answer,) if isinstance(item, Text) else item.answers
        try:
            scripts = tuple(self._dialogue.write(item.question, answer) for answer in answers)
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


class _Album:
    """The features of every picture that a window of looks needs, each computed once."""

    def __init__(self, checkpoint: Checkpoint, looks: Sequence[Look], load_picture: LoadPicture) -> None:
        self.faults: dict[str, Fault] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        # A blank needs the size of the picture whose place it takes, so that picture is opened as well.
        shown = {look.picture for look in looks if not look.is_blank}
        names = dict.fromkeys(look.picture for look in looks)
        pictures = self._load(names, load_picture)
        features = list(look_at(checkpoint, (picture for name, picture in pictures if name in shown)))
        self._features = dict(zip((name for name in self._sizes if name in shown), features, strict=True))
        sizes = sorted({self._sizes[look.picture] for look in looks if look.is_blank and look.picture in self._sizes})
        blanks = look_at(checkpoint, (blank_like(checkpoint, size) for size in sizes))
        self._blanks = dict(zip(sizes, blanks, strict=True))

    def _load(self, names: Iterable[str], load_picture: LoadPicture) -> Iterator[tuple[str, Image.Image]]:
        for name in names:
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                self.faults[name] = picture
            else:
                self._sizes[name] = picture.size
                yield name, picture

    def features(self, look: Look) -> torch.Tensor | None:
        """Features of a look's picture, or of a blank of its size; None for a broken one."""
        if look.picture in self.faults:
            return None
        return self._blanks[self._sizes[look.picture]] if look.is_blank else self._features[look.picture]


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
    while chunk := list(islice(coming, _PICTURES_AT_ONCE)):
        seen = checkpoint.image_processor(images=chunk, return_tensors="pt")
        pixels = seen["pixel_values"].to(checkpoint.device, checkpoint.dtype)
        # LLaVA-NeXT cuts a picture into tiles by its size and needs that to join them again.
        sizes = {"image_sizes": seen["image_sizes"]} if "image_sizes" in seen else {}
        with torch.inference_mode():
            yield from checkpoint.model.get_image_features(pixels, **sizes).pooler_output


def blank_like(checkpoint: Checkpoint, size: tuple[int, int]) -> Image.Image:
    """Make the picture that shows nothing: the processor's mean colour, so its pixels become 0.

    Args:
        checkpoint: Names the mean colour.
        size: Width and height; LLaVA-NeXT gives other sizes other token counts.
    """
    mean = checkpoint.image_processor.image_mean
    red, green, blue = (round(255 * share) for share in mean)
    return Image.new("RGB", size, (red, green, blue))
