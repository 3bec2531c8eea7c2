"""Token ids and picture features come in; log-probabilities of the answers' tokens come out.

The portable path: embed, put the features where the placeholders stand, run the inner language
model, and put only the states that predict answer tokens through the head. Full logits of 32
conversations of 977 tokens over 32,000 words would take 10 GB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from msgspec import Struct

from datagen.errors import ValidatorError
from datagen.records import Score
from datagen.validator.dialogue import Script
from datagen.validator.loading import Checkpoint
from datagen.validator.protocol import Pixels

_LOGITS_AT_ONCE = 2**26  # 256 MiB in fp32


class Row(Struct, frozen=True):
    """One conversation before one picture, ready to run.

    Attributes:
        script: With one placeholder per feature.
        features: Shape (tokens, hidden).
        keys: One score key per turn.
    """

    sample_id: str
    pixels: Pixels
    script: Script
    features: torch.Tensor
    keys: tuple[str, ...]

    @property
    def n_tokens(self) -> int:
        """Length in tokens, placeholders included."""
        return len(self.script.ids)


def cut_batches(rows: Sequence[Row], batch_tokens: int) -> Iterator[list[int]]:
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
        if batch and (len(batch) + 1) * longest > batch_tokens:
            yield batch
            batch = []
        longest = longest if batch else rows[index].n_tokens
        batch.append(index)
    if batch:
        yield batch


def score_rows(checkpoint: Checkpoint, rows: Sequence[Row]) -> list[Score]:
    """Score a batch, in halves where it does not fit into memory.

    Returns:
        One score per turn, row after row.

    Raises:
        ValidatorError: A single row does not fit, or the numbers overflow.
    """
    try:
        logprobs, margins = _run(checkpoint, rows)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise ValidatorError(
                f"{checkpoint.identity}: one conversation of {rows[0].n_tokens} tokens does not fit into the memory "
                f"of {checkpoint.device}; use a smaller checkpoint or --precision bf16."
            ) from None
    else:
        return _split(checkpoint, rows, logprobs, margins)
    # Outside the handler, because the error holds on to the tensors of the failed pass.
    if checkpoint.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(rows) // 2
    return [*score_rows(checkpoint, rows[:half]), *score_rows(checkpoint, rows[half:])]


@torch.inference_mode()
def _run(checkpoint: Checkpoint, rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """One forward pass: log-probability and margin of every answer token, row after row."""
    model, device = checkpoint.model, checkpoint.device
    # Right padding needs no attention mask: a causal model's real tokens never see it, and
    # without a mask the fast causal kernel stays in use.
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row.script.ids) for row in rows], batch_first=True).to(device)
    is_picture = ids == checkpoint.image_token_id
    features = torch.cat([row.features for row in rows])
    if int(is_picture.sum()) != len(features):
        # Checked here, as a model runs without complaint on placeholders that nothing fills.
        raise ValidatorError(f"{int(is_picture.sum())} image placeholders stand for {len(features)} features.")
    embeds = model.get_input_embeddings()(ids.masked_fill(is_picture, 0))
    embeds = embeds.masked_scatter(is_picture.unsqueeze(-1), features.to(embeds.dtype))
    hidden = model.model.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state

    places = [(index, at) for index, row in enumerate(rows) for span in row.script.spans for at in range(*span)]
    row_index, token_index = torch.tensor(places, device=device).unbind(1)
    # The state before a token predicts it.
    return _through_head(model.lm_head, hidden[row_index, token_index - 1], ids[row_index, token_index])


def _through_head(head: Any, states: torch.Tensor, targets: torch.Tensor) -> tuple[list[float], list[float]]:
    """Log-probability of each target, and how far its logit lies below the best one."""
    logprobs: list[float] = []
    margins: list[float] = []
    step = max(1, _LOGITS_AT_ONCE // head.weight.shape[0])
    for state, target in zip(torch.split(states, step), torch.split(targets, step), strict=True):
        logits = head(state).float()  # the head itself, so that its bias counts where it has one
        chosen = logits.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        logprobs += (chosen - logits.logsumexp(-1)).tolist()
        margins += (chosen - logits.amax(-1)).tolist()
    return logprobs, margins


def _split(checkpoint: Checkpoint, rows: Sequence[Row], logprobs: list[float], margins: list[float]) -> list[Score]:
    if not all(map(math.isfinite, logprobs)):
        raise ValidatorError(
            f"{checkpoint.identity}: the model's numbers overflow in this precision; use --precision bf16 or fp32."
        )
    scores: list[Score] = []
    at = 0
    for row in rows:
        for turn, (key, (start, end)) in enumerate(zip(row.keys, row.script.spans, strict=True)):
            part, margin = logprobs[at : at + end - start], margins[at : at + end - start]
            at += len(part)
            scores.append(
                Score(
                    key=key,
                    sample_id=row.sample_id,
                    turn=turn,
                    pixels=row.pixels,
                    logprob_mean=_rounded(sum(part) / len(part)),
                    logprob_min=_rounded(min(part)),
                    margin_mean=_rounded(sum(margin) / len(margin)),
                    n_tokens=len(part),
                )
            )
    return scores


def _rounded(nats: float) -> float:
    """Six digits, as fp32 has no more, and no negative zero: stored bytes stay the same."""
    return round(nats, 6) + 0.0


def _is_out_of_memory(error: Exception) -> bool:
    """CUDA has an error of its own; MPS and the CPU say it in words."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error).lower()
    return any(said in words for said in ("out of memory", "not enough memory", "can't allocate memory"))
