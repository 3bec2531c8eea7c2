"""The command that lists settings and writes their JSON schema."""

import json

import jsonschema
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import settings_table


def test_it_lists_all_or_one_group() -> None:
    listed = CliRunner().invoke(app, ["settings"]).stdout
    assert [line.split(" = ")[0] for line in listed.splitlines()[::3]] == list(settings_table().rows)
    group = CliRunner().invoke(app, ["settings", "balance"]).stdout
    assert "balance.max_loss = 0.5\n    Share of the turns" in group
    assert "Takes a number from 0 to 1.\n" in group
    assert "teacher" not in group
    wrong = CliRunner().invoke(app, ["settings", "balanse"])
    assert wrong.exit_code == 2
    assert "did you mean balance?" in wrong.stderr


def test_the_schema_is_one() -> None:
    schema = json.loads(CliRunner().invoke(app, ["settings", "--schema"]).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$defs"]["ValidatorSettings"]["properties"]["alpha"]["maximum"] == 1.0
