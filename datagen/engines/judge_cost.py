"""What a judge over text will take: requests, tokens and dollars, told before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from datagen.checks.judge import evidence_for, judge_messages, sentences_of
from datagen.config import Settings
from datagen.endpoint.prices import cost_of
from datagen.endpoint.token_estimate import count_messages, count_tokens
from datagen.engines.cost_ledger import judge_tariff
from datagen.parsing import parse_reply
from datagen.recipes import Recipe, judge_prompt
from datagen.records import AnnotatedImage, Judgement, Turn, Usage
from datagen.store import RunFolder, read_facts

_LOOKED_AT = 500
"""Images whose annotations are counted; of more, as many evenly spaced ones, which tell the mean to some 3 %."""
_VERDICT = '{"n": 1, "verdict": "supported", "quote": "two men on a bench"}, '
_UNSEEN = (Turn("What is in the picture?", "It shows a thing beside another one, as many pictures do. " * 5),)
"""Stands for a sample of a dataset made elsewhere, or of a recipe without few-shots."""


class JudgeEstimate(Struct, frozen=True):
    """What the judge will be asked, if every sample reaches it.

    Attributes:
        n_requests: To be sent, those on planted errors among them.
        n_stored: Whose replies are stored.
        n_prompt: Tokens in.
        n_completion: Tokens out.
        cost_usd: None where no price is known.
    """

    model: str
    n_requests: int
    n_stored: int
    n_prompt: int
    n_completion: int
    cost_usd: float | None

    @property
    def told(self) -> str:
        """As one sentence's end."""
        cost = "of unknown price" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        stored = f", {self.n_stored:,} stored" if self.n_stored else ""
        tokens = f"{self.n_prompt:,} tokens in, {self.n_completion:,} out"
        return f"{self.model}: up to {self.n_requests:,} requests{stored}, {tokens}, {cost}"


def estimate_judge(
    settings: Settings, images: Sequence[AnnotatedImage], recipes: Sequence[Recipe], folders: Sequence[RunFolder] = ()
) -> JudgeEstimate | None:
    """Estimate what the judge will take; None where none is asked for.

    Args:
        settings: Of the run.
        images: To be asked about under every recipe.
        recipes: Their few-shots tell how long answers are.
        folders: Whose judgements are not asked for again.
    """
    judge = settings.checks.judge
    if judge is None:
        return None
    step = max(1, -(-len(images) // _LOOKED_AT))
    told = [evidence_for(images[n], settings.context) for n in range(0, len(images), step)]
    n_evidence = sum(map(count_tokens, told)) / max(1, len(told))
    system, shots = judge_prompt(settings.recipes_dir), [_shots(recipe) for recipe in recipes]
    n_shots = [len(of) * len(shots) for of in shots]
    counted = [(turns, 1 / n) for of, n in zip(shots, n_shots, strict=True) for turns in of]
    n_prompt = n_evidence + sum(share * count_messages(judge_messages(system, "", turns)) for turns, share in counted)
    n_completion = sum(share * len(sentences_of(turns)) for turns, share in counted) * count_tokens(_VERDICT)
    n_samples = sum(map(bool, told)) * len(images) * len(recipes) // max(1, len(told))
    n_stored = len({fact.key for folder in folders for fact in _stored(folder)})
    n_requests = max(0, n_samples + 2 * min(judge.planted, n_samples) - n_stored)
    usage = Usage(round(n_requests * n_prompt), 0, round(n_requests * n_completion))
    cost_usd = cost_of(usage, judge.model, judge_tariff(settings))
    return JudgeEstimate(judge.model, n_requests, n_stored, usage.n_prompt_tokens, usage.n_completion_tokens, cost_usd)


def _shots(recipe: Recipe) -> list[tuple[Turn, ...]]:
    """The turns of a recipe's few-shots."""
    of_text = "What is in the picture?" if recipe.settings.reply_format == "text" else None
    parsed = (parse_reply(shot.reply, recipe.settings.reply_format, "stop", of_text) for shot in recipe.fewshots)
    return [one.turns for one in parsed if one.turns] or [_UNSEEN]


def _stored(folder: RunFolder) -> list[Judgement]:
    if not folder.judgements.is_file():
        return []
    return [fact for _, fact in read_facts(folder.judgements, Judgement) if fact is not None]
