"""How a run ended, told at the end of every command that makes one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from datagen.cli.exit_status import TOO_MANY_FAILED

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.engines.finish_run import Outcome


def tell_outcome(outcome: Outcome, settings: Settings, out: Path) -> None:
    """Write the report of a finished run and tell how it ended."""
    from datagen.api import open_run
    from datagen.cli.printed import outcome_lines

    made = open_run(out)
    made.write_report()
    sent_to = made.send_results()
    for line in outcome_lines(outcome.summary, out):
        typer.echo(line)
    if sent_to is not None:
        typer.echo(f"results   {sent_to}")
    exit_if_many_failed(outcome.share_failed, outcome.failure, settings)


def exit_if_many_failed(share_failed: float, failure: str | None, settings: Settings) -> None:
    """End with a status of its own where more requests failed than the settings bear."""
    if share_failed > settings.max_failed:
        typer.echo(f"datagen: {100 * share_failed:.1f} % of the requests failed, the first by {failure}", err=True)
        raise typer.Exit(TOO_MANY_FAILED)
