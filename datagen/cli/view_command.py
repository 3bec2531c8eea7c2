"""The command that opens a run in the browser."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from datagen.cli.app import app
from datagen.cli.exit_status import echo, in_sentences
from datagen.cli.options import LOADING, Given, RunArgument, takes_settings
from datagen.config import dump_settings, load_validator_settings, validator_names


@app.command()
@in_sentences
@takes_settings(*LOADING)
def view(
    run_path: RunArgument,
    *,
    validator: Annotated[str | None, typer.Option(help="Who answers questions; by default the run's own.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; wider than this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="8642, or a free one.")] = None,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token on this machine too.")] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    given: Given,
) -> None:
    """Look through a run in the browser: filter, search, accept, correct or reject by hand, ask the validator."""
    _require_extra()
    from msgspec import to_builtins
    from msgspec.structs import replace

    from datagen.api import open_run
    from datagen.said_again import dangers_of_validator, require_said
    from datagen.settings_table import name_for_user
    from datagen.view.page.live_run import LiveRun
    from datagen.view.page.questions import Asker
    from datagen.view.page.server import Door, serve

    run = open_run(run_path)
    named = given if validator is None else {"validator.name": validator, **given}
    asked = load_validator_settings({"validator": dump_settings(run.settings)["validator"], **named})
    if validator is None:  # of several that judged the run the first answers
        asked = replace(asked, name=validator_names(asked.name)[0])
    dangers = dangers_of_validator(to_builtins(asked))
    require_said(dangers, named, str(run.folder.settings), name_for_user)

    def announce(url: str) -> None:
        echo(f"view      {url}")
        echo("Stop it with Ctrl-C.", err=True)
        if open_browser:
            typer.launch(url)

    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        serve(LiveRun(run.folder, lambda: open_run(run_path).settings), Asker(asked), Door(host, port, token), announce)


def _require_extra() -> None:
    from importlib.util import find_spec

    from datagen.errors import SettingsError

    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise SettingsError(f"The page needs {' and '.join(missing)}; install with: pip install 'datagen[view]'.")
