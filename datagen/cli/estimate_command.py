"""The command about money, ``estimate``, and what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from datagen.cli import options
from datagen.cli.app import app
from datagen.cli.exit_status import echo, echo_fitted, in_sentences, tell_next
from datagen.config import ENDPOINT, load_settings, validator_names

if TYPE_CHECKING:
    from datagen.config import TeacherSettings
    from datagen.engines.estimate import Estimate


@app.command()
@in_sentences
@options.takes_settings(*options.RUN)
def estimate(
    config: options.Config = None,
    *,
    out: Annotated[Path | None, typer.Option(help="Run folder; replies it holds are not asked for again.")] = None,
    shard: Annotated[str | None, typer.Option("--shard", metavar="K/N", help="Only one of N shards.")] = None,
    change: options.ChangeOption = False,
    given: options.Given,
) -> None:
    """Tell what a run would ask, take and cost, with the same options; sends nothing, writes nothing."""
    del change  # nothing is written, so nothing changes
    settings = load_settings(config, given)
    from datagen.engines.estimate import estimate_run
    from datagen.store.shards import Shard

    share = None if shard is None else Shard.parse(shard)
    echo_fitted(estimate_lines(estimate_run(settings, out, share), settings.teacher))
    if settings.dedup.embeddings is not None or any(
        name.startswith(ENDPOINT) for name in validator_names(settings.validator.name)
    ):
        echo("beside    what embeddings or a served validator bill is not estimated; --budget-usd bounds it")
    tell_next("datagen run with the same options, --budget-usd and --out FOLDER")


def estimate_lines(made: Estimate, teacher: TeacherSettings) -> Iterator[str]:
    """Tell an estimate and what it assumes."""
    from datagen.cli.printed import duration, omission_lines

    total = made.total
    yield f"teacher   {teacher.name}{', by the Batch API' if teacher.batch else ''}"
    nothing = f", {made.n_nothing_to_ask} with nothing to ask" if made.n_nothing_to_ask else ""
    failed = f", {total.n_failed:,} failed for good (--retry)" if total.n_failed else ""
    yield f"requests  {total.n_requests:,} to send, {total.n_stored - total.n_failed:,} stored{failed}{nothing}"
    yield from omission_lines(made.omissions)
    for name, of in made.by_type.items():
        if of.n_requests:
            tokens = f"{of.n_prompt / of.n_requests:,.0f} tokens in, {of.reply_tokens:,.0f} out ({of.reply_source})"
            yield f"          {name}: {of.n_requests:,} requests of {tokens}"
    share = 100 * total.n_cached / total.n_prompt if total.n_prompt else 0.0
    yield f"tokens    {total.n_prompt:,.0f} in ({share:.0f} % likely cached), {total.n_completion:,.0f} out"
    if made.sampled is not None:
        on = made.sampled
        yield f"          by {on.n_images:,} of {on.of:,} images: tokens in within {100 * on.margin:.2g} % (95 %)"
    if total.n_picture:
        each = total.n_picture / total.n_requests
        yield f"pictures  {each:,.0f} tokens each, estimated by the model's formula or OpenAI's of tiles"
    yield from _cost_lines(made, teacher)
    if made.judge is not None:
        beside = "" if made.judge.cpu_s is not None else ", beside the teacher's cost"
        yield f"judge     {made.judge.told}{beside}"
    if made.repair is not None:
        yield f"repair    {made.repair.told}"
    if made.time_s is None:
        yield f"time      {made.time_told}"
    else:
        yield f"time      {duration(made.time_s)} ({made.time_told})"


def _cost_lines(made: Estimate, teacher: TeacherSettings) -> Iterator[str]:
    if teacher.name == "template":
        yield "cost      $0, the embedded teacher is free"
        return
    if made.cost_usd is None:
        yield "cost      unknown: no price table has this model; give one with --prices"
        return
    from datagen.endpoint.prices import price_source

    yield (
        f"cost      ${made.cost_usd:.4f}; ${made.uncached_usd:.4f} if nothing is cached, "
        f"${made.most_usd:.4f} if each reply is as long as allowed, too"
    )
    yield f"prices    {price_source(teacher.name, teacher)}"
    if made.spent_usd:
        yield f"spent     ${made.spent_usd:.4f} on what is stored"
    if teacher.budget_usd is not None:
        left = teacher.budget_usd - made.spent_usd
        cost = made.cost_usd + ((made.judge.cost_usd or 0.0) if made.judge else 0.0)
        bears = "bears it" if cost <= left else f"ends the run after about {left / cost:.0%} of it"
        yield f"budget    ${max(0.0, left):.4f} left of ${teacher.budget_usd:g}: {bears}"
