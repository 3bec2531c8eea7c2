"""The ledger tells every claim of the accepted samples, with the words it stands on."""

import io
import json

from msgspec.structs import replace
from typer.testing import CliRunner

import datagen
from datagen.claims.kinds import KINDS
from datagen.cli import app
from datagen.config import dump_settings
from datagen.export import claim_records, write_claims
from datagen.records import Claim, Provenance, Sample, Turn

ASKED = Claim("presence", "dog", 9, 17, "supported_by_boxes", "dog: boxes show 2", in_question=True)
SAID = Claim("count", "dog", 0, 8, "supported_by_both", "dog: text says 2, boxes show 2", 2, "exact")
SAMPLE = Sample(
    "1-conversation", "1", "1.jpg", "conversation", (Turn("What are the dogs doing?", "Two dogs run.", (ASKED, SAID)),),
    "accepted", Provenance("template", "", "", ""),
)  # fmt: skip


def test_a_record_holds_the_words_and_the_verdict():
    asked, said = claim_records(SAMPLE)
    assert (asked["text"], asked["in_question"]) == ("the dogs", True)
    assert said == {
        "sample_id": "1-conversation", "image_id": "1", "turn": 1, "text": "Two dogs", "kind": "count",
        "category": "dog", "start": 0, "end": 8, "verdict": "supported_by_both",
        "evidence": "dog: text says 2, boxes show 2", "number": 2, "comparison": "exact",
    }  # fmt: skip


def test_only_accepted_samples_are_told_of():
    file = io.BytesIO()
    assert write_claims([SAMPLE, replace(SAMPLE, status="rejected")], file) == 2
    lines = file.getvalue().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["the dogs", "Two dogs"]


def test_the_command_writes_the_ledger_of_a_run(tmp_path):
    datagen.run({**dump_settings(datagen.demo_settings()), "validator": {"name": "none"}}, tmp_path / "run")
    out = tmp_path / "claims.jsonl"
    done = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--format", "claims", "--out", str(out)])
    assert done.exit_code == 0, done.output
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(records) > 300
    assert f"{len(records)} claims written to" in done.output
    kinds = {record["kind"] for record in records}
    assert {"presence", "absence", "count", "place", "relation"} <= kinds <= {kind.name for kind in KINDS}
    assert not [record for record in records if record["verdict"] == "contradicted"]
