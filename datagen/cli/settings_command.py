"""The command that lists the settings, or writes the JSON schema of a settings file."""

from __future__ import annotations

from typing import Annotated

import typer

from datagen.cli.app import app
from datagen.cli.exit_status import echo, in_sentences
from datagen.config import settings_table


@app.command("settings")
@in_sentences
def list_settings(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only those below it, such as teacher.")] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of a settings file.")] = False,
) -> None:
    """List the settings: default, what each takes, and what it means."""
    import msgspec

    from datagen.errors import SettingsError

    table = settings_table()
    if schema:
        echo(msgspec.json.format(msgspec.json.encode(table.schema())).decode())
        return
    rows = [row for row in table.rows.values() if f"{row.name}.".startswith(f"{name}." if name else "")]
    if not rows:
        raise SettingsError(f"There is no setting '{name}'; {table.meant_by(name)}")
    for row in rows:
        default = f"(needed with {row.name.rpartition('.')[0]})"
        if row.default is not msgspec.NODEFAULT:
            default = msgspec.json.encode(row.default).decode()
        echo(f"{row.name} = {default}\n    {row.description}\n    Takes {row.takes}.")
