"""Log-probabilities of answers: one forward pass over picture features and a tree of tokens, at answer positions only.

All that is asked of one picture stands in one row: the picture first, then a tree of tokens in which texts that
begin alike share their beginning. A token sees the picture, its own ancestors and nothing else, and its position
counts from the picture, so each text is read as if it stood alone.

The path is the portable one: embed, put the features where the placeholders stand, run the inner language
model, and put only the states that predict answer tokens through the head. Full logits of 32
rows of 977 tokens over 32,000 words would take 10 GB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from datagen.errors import ValidatorError
from datagen.validator.dialogue import Script
from datagen.validator.loading import Checkpoint

_LOGITS_AT_ONCE = 2**26  # 256 MiB in fp32
_LEAST_FULL = 0.8  # a row of a batch: beside long rows of blank pictures short ones were padded by more than was saved


class TreeRow(Struct, frozen=True):
    """One picture and the tree of all that is asked of it.

    Attributes:
        head: Token ids before the picture.
        features: Shape (tokens, hidden).
        ids: Token of every node of the tree; after each node stands all that descends from it, and then the rest.
        parents: Index of every node's parent in ``ids``, -1 for the picture's last token.
        depths: Steps from the picture, from 0.
        ends: Index of the first node after a node that does not descend from it.
        paths: Per script, the nodes of its answer.
    """

    head: tuple[int, ...]
    features: torch.Tensor
    ids: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    ends: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]

    @property
    def n_before(self) -> int:
        """Tokens before the tree: head and picture."""
        return len(self.head) + len(self.features)

    @property
    def n_tokens(self) -> int:
        """Length in tokens, placeholders included."""
        return self.n_before + len(self.ids)


class AnswerScore(Struct, frozen=True):
    """Per token of one answer: log-probability, and how far its logit lies below the best one; both in nats."""

    logprobs: tuple[float, ...]
    margins: tuple[float, ...]


def plant_trees(
    groups: Sequence[tuple[Script, ...]], features: torch.Tensor, row_tokens: int
) -> Iterator[tuple[list[int], TreeRow]]:
    """Lay scripts about one picture out as rows.

    Args:
        groups: Scripts that shall stand in one row, such as the answers of one probe; all with one head.
        features: The picture's, shape (tokens, hidden).
        row_tokens: A row grows no longer than this, except for one group that is longer alone.

    Yields:
        Indices into ``groups``, and the row that holds their scripts in that order.
    """
    for head in dict.fromkeys(scripts[0].head for scripts in groups):
        room = row_tokens - len(head) - len(features)
        held: list[int] = []
        tree = _Tree()
        for index, scripts in enumerate(groups):
            if scripts[0].head != head:
                continue
            if held and len(tree.ids) + sum(tree.n_new(script) for script in scripts) > room:
                yield held, tree.row(head, features)
                held, tree = [], _Tree()
            for script in scripts:
                tree.add(script)
            held.append(index)
        yield held, tree.row(head, features)


class _Tree:
    """Token sequences that share their beginnings."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._parents: list[int] = []
        self._depths: list[int] = []
        self._paths: list[tuple[int, ...]] = []
        self._child: dict[tuple[int, int], int] = {}

    def n_new(self, script: Script) -> int:
        """How many nodes a script would add."""
        node = -1
        tail = script.tail[: script.span[1]]
        for depth, token in enumerate(tail):
            held = self._child.get((node, token))
            if held is None:
                return len(tail) - depth
            node = held
        return 0

    def add(self, script: Script) -> None:
        """Take in a script up to the end of its answer."""
        # What follows the answer cannot change its score, as a token sees only what stands before it.
        path: list[int] = []
        node = -1
        for depth, token in enumerate(script.tail[: script.span[1]]):
            node = self._child.setdefault((parent := node, token), len(self.ids))
            if node == len(self.ids):
                self.ids.append(token)
                self._parents.append(parent)
                self._depths.append(depth)
            path.append(node)
        self._paths.append(tuple(path[script.span[0] :]))

    def row(self, head: tuple[int, ...], features: torch.Tensor) -> TreeRow:
        """The finished row: nodes in the order in which a walk down every branch meets them.

        So all that sees a node stands in one interval, which starts with the node: see ``_mask``.
        """
        n_below = [1] * len(self.ids)  # each counts itself
        for node in range(len(self.ids) - 1, -1, -1):  # children come after their parents
            if self._parents[node] >= 0:
                n_below[self._parents[node]] += n_below[node]
        place, room = [0] * len(self.ids), [0, *(0 for _ in self.ids)]  # room[0] is that below the picture
        for node, parent in enumerate(self._parents):
            place[node] = room[parent + 1]
            room[parent + 1] += n_below[node]
            room[node + 1] = place[node] + 1
        order = sorted(range(len(self.ids)), key=place.__getitem__)
        return TreeRow(
            head,
            features,
            ids=tuple(self.ids[node] for node in order),
            parents=tuple(place[self._parents[node]] if self._parents[node] >= 0 else -1 for node in order),
            depths=tuple(self._depths[node] for node in order),
            ends=tuple(place[node] + n_below[node] for node in order),
            paths=tuple(tuple(place[node] for node in path) for path in self._paths),
        )


def cut_batches(rows: Sequence[TreeRow], batch_tokens: int) -> Iterator[list[int]]:
    """Group rows of like length so that each batch, padding included, keeps below a limit.

    Args:
        rows: In any order.
        batch_tokens: Rows times longest row; a single longer row makes a batch alone.

    Yields:
        Indices into ``rows``, longest first, so that what does not fit into memory shows early.
    """
    batch: list[int] = []
    longest = 0
    for index in sorted(range(len(rows)), key=lambda index: -rows[index].n_tokens):
        is_short = rows[index].n_tokens < _LEAST_FULL * longest
        if batch and (is_short or (len(batch) + 1) * longest > batch_tokens):
            yield batch
            batch = []
        longest = longest if batch else rows[index].n_tokens
        batch.append(index)
    if batch:
        yield batch


def score_rows(checkpoint: Checkpoint, rows: Sequence[TreeRow]) -> list[list[AnswerScore]]:
    """Score a batch, in halves where it does not fit into memory.

    Returns:
        Per row, one score per script.

    Raises:
        ValidatorError: A single row does not fit, or the numbers overflow.
    """
    try:
        logprobs, margins = _run(checkpoint, rows)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise ValidatorError(
                f"{checkpoint.identity}: one picture with {rows[0].n_tokens} tokens does not fit into the memory "
                f"of {checkpoint.device}; use a smaller checkpoint or --precision bf16."
            ) from None
    else:
        return _read_off(checkpoint, rows, logprobs, margins)
    # Outside the handler, because the error holds on to the tensors of the failed pass.
    forget_failed(checkpoint.device)
    half = len(rows) // 2
    return [*score_rows(checkpoint, rows[:half]), *score_rows(checkpoint, rows[half:])]


@torch.inference_mode()
def _run(checkpoint: Checkpoint, rows: Sequence[TreeRow]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One forward pass: log-probability and margin of every answer node, row after row, nodes in order."""
    model = checkpoint.model
    picture = checkpoint.image_token_id
    if any(picture in row.head or picture in row.ids for row in rows):
        # Checked here, as a model runs without complaint on placeholders that nothing fills.
        raise ValidatorError(f"Image placeholder {picture} stands for no feature.")
    length = max(row.n_tokens for row in rows)
    ids = torch.zeros((len(rows), length), dtype=torch.long)
    positions = torch.zeros_like(ids)
    for n, row in enumerate(rows):
        ids[n, : row.n_tokens] = torch.tensor((*row.head, *(picture,) * len(row.features), *row.ids))
        positions[n, : row.n_before] = torch.arange(row.n_before)
        positions[n, row.n_before : row.n_tokens] = torch.tensor(row.depths) + row.n_before
    is_picture = ids == picture
    embeds = model.get_input_embeddings()(ids.masked_fill(is_picture, 0).to(checkpoint.device))
    device = embeds.device  # of a model over several, where its first layers lie
    features = torch.cat([row.features for row in rows]).to(embeds)
    embeds = embeds.masked_scatter(is_picture.unsqueeze(-1).to(device), features)
    hidden = model.model.language_model(
        inputs_embeds=embeds,
        attention_mask=_mask(rows, length, embeds.dtype, device),
        position_ids=positions.to(device),
        use_cache=False,
    ).last_hidden_state

    places = [
        (n, row.n_before + row.parents[node], row.n_before + node) for n, row in enumerate(rows) for node in wanted(row)
    ]
    row_index, before, at = torch.tensor(places).unbind(1)
    # The state at a token's parent predicts it.
    states = hidden[row_index.to(hidden.device), before.to(hidden.device)]
    return through_head(model.lm_head, states, ids[row_index, at])


def wanted(row: TreeRow) -> list[int]:
    """Nodes that are part of any answer, in order."""
    return sorted({node for path in row.paths for node in path})


def _mask(rows: Sequence[TreeRow], length: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """What each token may see, to be added to attention: shape (rows, 1, length, length), 0 or the lowest number.

    A token is seen by itself and by those after it up to its end: the whole row for head and picture, what descends
    from it for a node. So the mask is one comparison on the device, where it took a loop over all nodes on the host.
    """
    ends = torch.zeros((len(rows), length), dtype=torch.int32)  # padding is seen by nobody, and ...
    for held, row in zip(ends, rows, strict=True):
        held[: row.n_before] = row.n_tokens
        held[row.n_before : row.n_tokens] = torch.tensor(row.ends, dtype=torch.int32) + row.n_before
        held[0] = length  # ... must see something, or its numbers are undefined
    at = torch.arange(length, dtype=torch.int32, device=device)
    is_shut = at[:, None] >= ends.to(device)[:, None, :]
    is_shut |= at[:, None] < at
    mask = torch.zeros(is_shut.shape, dtype=dtype, device=device)
    return mask.masked_fill_(is_shut, torch.finfo(dtype).min).unsqueeze(1)


def through_head(
    head: Any, states: torch.Tensor, targets: torch.Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-probability of each target, and how far its logit lies below the best one, a few states at a time."""
    logprobs: list[torch.Tensor] = []
    margins: list[torch.Tensor] = []
    step = max(1, _LOGITS_AT_ONCE // head.weight.shape[0])
    for state, target in zip(torch.split(states, step), torch.split(targets, step), strict=True):
        logits = head(state).float()  # the head itself, so that its bias counts where it has one
        chosen = logits.gather(-1, target.to(logits.device).unsqueeze(-1)).squeeze(-1)
        logprobs.append(chosen - logits.logsumexp(-1))
        margins.append(chosen - logits.amax(-1))
    return torch.cat(logprobs).double().cpu().numpy(), torch.cat(margins).double().cpu().numpy()


def _read_off(
    checkpoint: Checkpoint, rows: Sequence[TreeRow], logprobs: NDArray[np.float64], margins: NDArray[np.float64]
) -> list[list[AnswerScore]]:
    if not np.isfinite(logprobs).all():
        raise ValidatorError(
            f"{checkpoint.identity}: the model's numbers overflow in this precision; use --precision bf16 or fp32."
        )
    scores: list[list[AnswerScore]] = []
    at = 0
    for row in rows:
        place = {node: at + n for n, node in enumerate(wanted(row))}
        at += len(place)
        scores.append(
            [
                AnswerScore(
                    tuple(float(logprobs[place[node]]) for node in path),
                    tuple(float(margins[place[node]]) for node in path),
                )
                for path in row.paths
            ]
        )
    return scores


def forget_failed(device: torch.device) -> None:
    """Give back what a pass that did not fit had taken."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """CUDA has an error of its own; MPS and the CPU say it in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return any(said in words for said in ("out of memory", "not enough memory", "can't allocate memory"))
