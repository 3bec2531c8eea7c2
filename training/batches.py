"""From a seed to training batches: rendered scenes, their questions as token rows, their truth per patch."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import torch
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from torch import Tensor
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from datagen.claims.layout import area_of
from datagen.records import BoxUnit
from training.atlas import Atlas
from training.model import EOS, HEAD_LAYERS, N_EXTENTS, NanoSize, see
from training.questions import Question, QuestionMix, ask
from training.render import render
from training.scenes import Scene, SceneStyle, draw_scene

Held = TypeVar("Held", bound=Struct)
COVERED = 0.25
"""A patch belongs to an object whose box covers at least this share of it."""
DULL_WEIGHT = 0.1
"""Weight of "." and the end mark in the answers' loss: they are learned in a minute and teach nothing."""
HIDDEN = -1e4
"""Added to the attention that a token must not pay."""
GREY = 127
NOWHERE = (-1, -1, -1)
"""Row, column and extent of a category that the scene holds never, or more than once."""


class Rows(Struct):
    """Questions of a batch as token rows: one picture, then every question as a branch of its own.

    Attributes:
        ids: Tokens (batch, length).
        positions: They restart after the picture in each branch.
        branch: 0 for the picture and what stands before it, from 1 for the questions, -1 for padding.
        weights: Loss weight of each token as a target; 0 outside answers.
        owner: Index into ``questions`` of the token's branch, -1 elsewhere.
        words: Batch index, token index, row, column, extent and number of each category word in a question, (n, 6);
            row, column and extent are -1 where the category does not stand in exactly one place.
        questions: All questions, scene by scene.
    """

    ids: Tensor
    positions: Tensor
    branch: Tensor
    weights: Tensor
    owner: Tensor
    words: Tensor
    questions: list[Question]


class Batch(Struct):
    """What one step learns from.

    Attributes:
        frames: uint8 (batch, height, width, 3).
        category: Of each patch, 0 for the background, (batch, grid ** 2).
        centre: Share of object centres that falls to each patch, (batch, grid ** 2).
        amount: How many of its category there are, for each patch, (batch, grid ** 2).
        extent: How much of the frame its object takes up, for each patch, see ``extent_of``, (batch, grid ** 2).
        is_shown: False where the picture was replaced by plain grey, (batch,).
        rows: None when the tower learns alone.
    """

    frames: Tensor
    category: Tensor
    centre: Tensor
    amount: Tensor
    extent: Tensor
    is_shown: Tensor
    rows: Rows | None


class Stage(Struct, frozen=True):
    """What batches hold at one point of the training.

    Attributes:
        n_scenes: A batch.
        style: Of the scenes.
        mix: Of the questions; None when the tower learns alone.
        blank_share: Share of pictures replaced by plain grey.
    """

    n_scenes: int
    style: SceneStyle
    mix: QuestionMix | None = None
    blank_share: float = 0.0


class SceneSource:
    """An endless stream of new scenes and questions, decided by one seed."""

    def __init__(self, atlas: Atlas, categories: Sequence[str], seed: int) -> None:
        self.atlas, self.categories = atlas, tuple(categories)
        self._scenes, self._questions = np.random.default_rng(seed), random.Random(seed)

    def scenes(self, n: int, style: SceneStyle) -> list[Scene]:
        """Draw scenes."""
        return [draw_scene(self._scenes, self.atlas, self.categories, style) for _ in range(n)]

    def questions(self, scenes: Sequence[Scene], mix: QuestionMix) -> list[list[Question]]:
        """Ask about each scene."""
        return [ask(scene, self.categories, self._questions, mix) for scene in scenes]

    def batch(self, stage: Stage, writer: RowWriter) -> Batch:
        """Draw, render and question one batch."""
        scenes = self.scenes(stage.n_scenes, stage.style)
        size = writer.size
        is_shown = torch.tensor([self._questions.random() >= stage.blank_share for _ in scenes])
        frames = draw_frames(scenes, size, self.atlas)
        frames[~is_shown] = GREY
        truth = [torch.from_numpy(array) for array in patch_truth(scenes, size.grid, self.categories)]
        rows = None if stage.mix is None else writer.write(scenes, self.questions(scenes, stage.mix))
        return Batch(frames, *truth, is_shown, rows)


class Thing(Protocol):
    """Something that stands in a picture."""

    @property
    def category(self) -> str | None:
        """Its name; None for what no question is about."""
        ...

    @property
    def box_unit(self) -> BoxUnit:
        """Corners as shares of the frame."""
        ...


class Holding(Protocol):
    """A picture by what stands in it."""

    @property
    def objects(self) -> Sequence[Thing]:
        """What questions may be about."""
        ...


class RowWriter:
    """Writes questions as token rows.

    Args:
        tokenizer: With character offsets.
        size: Of the model; decides the number of placeholders.
        n_tokens: Of a picture; one for every patch if not told.
        per_octave: Steps of a thing's extent, see ``extent_of``.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, size: NanoSize, n_tokens: int | None = None, per_octave: float = 2
    ) -> None:
        self.size, self._per_octave = size, per_octave
        self._tokenizer = tokenizer
        self._prefix = tokenizer("USER: <image>").input_ids
        self._prefix += self._prefix[-1:] * ((n_tokens or size.grid**2) - 1)
        self._dull = {tokenizer.convert_tokens_to_ids(token) for token in (".", EOS)}

    def write(self, scenes: Sequence[Holding], asked: Sequence[Sequence[Question]]) -> Rows:
        """Lay out each scene's questions in one row."""
        flat = [one for questions in asked for one in questions]
        texts = [f"\n{one.question} ASSISTANT: {one.answer}{EOS}" for one in flat]
        encoded = self._tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
        branches = enumerate(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
        rows: list[list[tuple[int, int, int, float, int]]] = []
        words: list[tuple[int, int, int, int, int, int]] = []
        for scene, questions in zip(scenes, asked, strict=True):
            places = _places(scene, self.size.grid, self._per_octave)
            amounts = Counter(placed.category for placed in scene.objects)
            row = [(token, place, 0, 0.0, -1) for place, token in enumerate(self._prefix)]
            for number, one in enumerate(questions, start=1):
                owner, (tokens, spans) = next(branches)
                words += [
                    (len(rows), len(row) + _token_at(spans, character + 1), *places.get(name, NOWHERE), amounts[name])
                    for name, character in one.mentions
                ]
                answer_from = len(f"\n{one.question} ASSISTANT:")
                for place, (token, (_, end)) in enumerate(zip(tokens, spans, strict=True), start=len(self._prefix)):
                    weight = DULL_WEIGHT if token in self._dull else 1.0
                    row.append((token, place, number, weight if end > answer_from else 0.0, owner))
            rows.append(row)
        return self._stack(rows, words, flat)

    def _stack(
        self,
        rows: list[list[tuple[int, int, int, float, int]]],
        words: list[tuple[int, int, int, int, int, int]],
        questions: list[Question],
    ) -> Rows:
        length = -(-max(map(len, rows)) // 16) * 16  # whole sixteens suit the matrix units
        padding = (self._tokenizer.pad_token_id, 0, -1, 0.0, -1)
        padded = [row + [padding] * (length - len(row)) for row in rows]
        columns = [torch.tensor([[cell[n] for cell in row] for row in padded]) for n in range(len(padding))]
        return Rows(*columns, torch.tensor(words, dtype=torch.long).reshape(-1, 6), questions)


def draw_frames(scenes: Sequence[Scene], size: NanoSize, atlas: Atlas) -> Tensor:
    """Render scenes at the model's size: uint8 (batch, height, width, 3)."""
    return torch.from_numpy(np.stack([render(scene, (size.image_px, size.image_px), atlas) for scene in scenes]))


def patch_truth(
    scenes: Sequence[Scene], grid: int, categories: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """What every patch holds, each (batch, grid ** 2).

    Returns:
        Category (0 is background); the share of object centres that falls to the patch, one in all for every object,
        spread over the four patches around its centre so that no patch border matters; how many objects of its
        category the scene holds (0 for background); and its object's extent (0 for background).
    """
    number_of = {name: number for number, name in enumerate(categories, start=1)}
    category = np.zeros((len(scenes), grid, grid), np.int64)
    centre = np.zeros((len(scenes), grid, grid), np.float32)
    amount = np.zeros((len(scenes), len(categories) + 1), np.int64)
    extent = np.zeros((len(scenes), grid, grid), np.int64)
    edges = np.arange(grid)
    for n, scene in enumerate(scenes):
        best = np.full((grid, grid), COVERED)
        for placed in scene.objects:
            number = number_of[placed.category or ""]
            left, top, right, bottom = (value * grid for value in placed.box_unit)
            across = np.clip(np.minimum(edges + 1, right) - np.maximum(edges, left), 0, 1)
            down = np.clip(np.minimum(edges + 1, bottom) - np.maximum(edges, top), 0, 1)
            cover = down[:, None] * across
            cover[_cell(placed.box_unit, grid)] = 2  # the patch with the centre is the object's, however small it is
            wins = cover >= best
            category[n][wins], best[wins], extent[n][wins] = number, cover[wins], extent_of(placed.box_unit)
            centre[n] += np.outer(_spread((top + bottom) / 2, grid), _spread((left + right) / 2, grid))
            amount[n, number] += 1
    flat = category.reshape(len(scenes), -1)
    amounts = np.take_along_axis(amount, flat, axis=1)
    return flat, centre.clip(0, 1).reshape(len(scenes), -1), amounts, extent.reshape(len(scenes), -1)


def extent_of(box: BoxUnit, per_octave: float = 2) -> int:
    """How much of the frame a box takes up, in steps from 0 for 1/256 and less to N_EXTENTS - 1.

    In half octaves they end at 1/6, as drawn things do; two thirds of an octave reach the whole frame.
    """
    return min(N_EXTENTS - 1, max(0, int(per_octave * (math.log2(area_of(box)) + 8))))


def _spread(at: float, grid: int) -> NDArray[np.float32]:
    """One, shared by the two cells whose middles lie around a coordinate in cells."""
    shares: NDArray[np.float32] = np.clip(1 - np.abs(np.arange(grid) + 0.5 - at), 0, 1).astype(np.float32)
    return shares / shares.sum()


def _places(scene: Holding, grid: int, per_octave: float) -> dict[str, tuple[int, int, int]]:
    """Row, column and extent of every category that occurs once."""
    names = [placed.category for placed in scene.objects]
    unique = [placed for placed in scene.objects if placed.category and names.count(placed.category) == 1]
    return {
        placed.category or "": (*_cell(placed.box_unit, grid), extent_of(placed.box_unit, per_octave))
        for placed in unique
    }


def _cell(box: tuple[float, float, float, float], grid: int) -> tuple[int, int]:
    """Row and column of the patch that holds a box's centre."""
    left, top, right, bottom = box
    return min(grid - 1, int((top + bottom) / 2 * grid)), min(grid - 1, int((left + right) / 2 * grid))


def _token_at(spans: Sequence[tuple[int, int]], character: int) -> int:
    return next(n for n, (start, end) in enumerate(spans) if start <= character < end)


def on_device(batch: Batch, device: str) -> Batch:
    """Move every tensor of a batch."""
    return replace(moved(batch, device), rows=batch.rows and moved(batch.rows, device))


def moved(held: Held, device: str) -> Held:
    """Move every tensor of a struct."""
    tensors = {name: value for name in held.__struct_fields__ if isinstance(value := getattr(held, name), Tensor)}
    return replace(held, **{name: value.to(device, non_blocking=True) for name, value in tensors.items()})


def read_rows(
    model: LlavaForConditionalGeneration, rows: Rows, pixels: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run the model over rows: every branch sees the picture and itself.

    Returns:
        Features, projected features, the residuals from which places and amounts are read, and the last
        normed state; each (batch, n, width).
    """
    seen, projected = see(model, pixels)
    return seen, projected, *read_projected(model, rows, projected)


def read_projected(
    model: LlavaForConditionalGeneration, rows: Rows, projected: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the language model over rows whose pictures are projected; returns as ``read_rows``, from the third on."""
    words = model.get_input_embeddings()(rows.ids)
    holes = (rows.ids == model.config.image_token_id)[..., None].expand_as(words)
    is_open = (rows.branch[:, :, None] == rows.branch[:, None]) | (rows.branch[:, None] == 0)
    mask = torch.where(is_open.tril(), 0.0, HIDDEN).to(words.dtype)
    out = model.model.language_model(
        inputs_embeds=words.masked_scatter(holes, projected.to(words.dtype)),
        attention_mask=mask[:, None],
        position_ids=rows.positions,
        output_hidden_states=True,
        use_cache=False,
    )
    for_places, for_amounts = (out.hidden_states[min(layer, len(out.hidden_states) - 1)] for layer in HEAD_LAYERS)
    return for_places, for_amounts, out.last_hidden_state
