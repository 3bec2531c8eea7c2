"""The typer application ``datagen``, which the modules of commands add theirs to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class _Group(TyperGroup):
    """A group of commands whose own ``--help`` has a default."""

    def get_help_option(self, ctx: Any) -> Any:
        """Without a default typer imports pydantic to convert None: 0.1 s more for ``datagen run --help``."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


app = typer.Typer(
    cls=_Group,
    name="datagen",
    help="Turn captions and boxes into a visual-instruction dataset, checked against annotations and pixels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from datagen.version import __version__

        typer.echo(f"datagen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version
