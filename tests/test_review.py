"""What a person decides is obeyed by every reader, bound to what the person saw, and can be taken back."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

import datagen
from datagen.api import Run
from datagen.cli import app
from datagen.records import Claim, Decision, Provenance, Sample, Turn, Validation
from datagen.review import Reviewer, decide, is_of, told_since, turns_digest, undecided
from datagen.store import add_decision

TURNS = (
    Turn("Is there a dog?", "Yes, a dog.", (Claim("presence", "dog", 7, 10, "unknown", ""),), Validation("supported")),
    Turn("How many cups are there?", "Two cups."),
)
SAMPLE = Sample("1-conversation", "1", "1.jpg", "conversation", TURNS, "accepted", Provenance("m", "r", "q", "s"))
FALLEN = replace(SAMPLE, status="rejected", stage="dedup", reason="near_copy", detail="says what 2 says")


def decision(verb: str, sample: Sample = SAMPLE, **more: object) -> Decision:
    return msgspec.convert(
        {
            "sample_id": sample.sample_id,
            "image_id": sample.image_id,
            "verb": verb,
            "turns_digest": turns_digest(undecided(sample).turns),
            **more,
        },
        Decision,
    )


def test_a_rejection_says_where_and_why() -> None:
    decided = decide(SAMPLE, decision("reject", note="the cups are glasses"))
    assert (decided.status, decided.stage, decided.reason) == ("rejected", "review", "rejected_by_hand")
    assert decided.detail == "the cups are glasses"
    assert decided.turns == TURNS


def test_an_acceptance_lifts_what_fell() -> None:
    decided = decide(FALLEN, decision("accept", FALLEN))
    assert (decided.status, decided.stage, decided.reason, decided.detail) == ("accepted", None, None, None)
    assert decided.review is not None
    assert decided.review.reason == "near_copy"


def test_a_correction_keeps_what_was_left_as_it_was() -> None:
    words = (("Is there a dog?", "Yes, a dog."), ("How many cups are there?", "Three cups."))
    read: list[tuple[str, int]] = []

    def read_claims(image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        read.append((image_id, len(turns)))
        claim = Claim("count", "cup", 0, 5, "supported_by_boxes", "")
        return tuple(replace(turn, claims=(claim,), validation=None) for turn in turns)

    decided = decide(FALLEN, decision("correct", FALLEN, turns=words), read_claims)
    assert decided.status == "accepted"
    assert decided.turns[0] == TURNS[0]
    assert (decided.turns[1].answer, decided.turns[1].claims[0].category) == ("Three cups.", "cup")
    assert read == [("1", 2)]
    assert decide(FALLEN, decision("correct", FALLEN, turns=words)).turns[1].claims == ()


@pytest.mark.parametrize("verb", ["accept", "reject", "correct"])
@pytest.mark.parametrize("sample", [SAMPLE, FALLEN])
def test_undo_gives_back_the_pipelines_word(verb: str, sample: Sample) -> None:
    decided = decide(sample, decision(verb, sample, turns=[("Q?", "A.")]))
    assert decided != sample
    assert decided.review is not None
    assert decide(decided, decision("undo", sample)) == sample
    assert undecided(msgspec.json.decode(msgspec.json.encode(decided), type=Sample)) == sample


def test_a_decision_on_other_turns_is_not_obeyed() -> None:
    others = replace(SAMPLE, turns=TURNS[:1])
    assert not is_of(decision("reject"), others)
    assert decide(others, decision("reject")) == others
    reviewer = Reviewer({SAMPLE.sample_id: decision("reject")})
    assert list(reviewer.watch([others])) == [others]
    assert reviewer.report() is not None
    assert reviewer.n_stale == 1


@pytest.mark.parametrize("verb", ["accept", "correct"])
def test_a_decision_that_accepts_no_turn_at_all_is_not_obeyed(verb: str) -> None:
    empty = replace(FALLEN, turns=(), stage="teacher", reason="refused")
    assert decide(empty, decision(verb, empty)) == empty
    assert decide(SAMPLE, decision("correct", SAMPLE)) == SAMPLE
    assert decide(empty, decision("reject", empty)).stage == "review"


def test_a_new_claim_or_score_does_not_make_a_decision_stale() -> None:
    again = replace(SAMPLE, turns=tuple(Turn(turn.question, turn.answer) for turn in TURNS))
    assert is_of(decision("reject"), again)


verbs = st.lists(st.sampled_from(["accept", "reject", "correct", "undo"]), max_size=5)


@given(verbs, st.sampled_from([SAMPLE, FALLEN]))
def test_only_the_last_decision_counts(made: list[str], sample: Sample) -> None:
    decided = sample
    for verb in made:
        decided = decide(decided, decision(verb, sample, turns=[("Q?", "A.")]))
    expected = decide(sample, decision(made[-1], sample, turns=[("Q?", "A.")])) if made else sample
    assert decided == expected


def test_counts_name_what_was_decided_and_change_with_it() -> None:
    reviewer = Reviewer({SAMPLE.sample_id: decision("reject"), "gone": decision("accept"), "back": decision("undo")})
    list(reviewer.watch([SAMPLE]))
    counts = reviewer.report()
    assert counts is not None
    assert (counts.accepted, counts.rejected, counts.corrected, counts.stale) == (0, 1, 0, 1)
    assert Reviewer({"back": decision("undo")}).report() is None
    assert told_since(counts, counts) is None
    assert told_since(None, counts) is not None
    assert told_since(counts, None) is not None


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    shutil.copytree(finished, tmp_path / "run")
    return datagen.open_run(tmp_path / "run")


def decide_all(run: Run) -> tuple[Sample, Sample, Sample]:
    """Reject one, correct one, and leave a decision on turns that are no more."""
    samples = [sample for sample in run.iter_samples() if sample.status == "accepted"]
    rejected, corrected, stale = samples[0], samples[1], samples[2]
    add_decision(run.folder.decisions, decision("reject", rejected))
    words = [(turn.question, turn.answer) for turn in corrected.turns[:1]]
    words.append(("How many dogs are there?", "There are three dogs."))
    add_decision(run.folder.decisions, decision("correct", corrected, turns=words))
    add_decision(run.folder.decisions, decision("reject", stale, turns_digest="0" * 16))
    return rejected, corrected, stale


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def dataset_of(path: Path) -> dict[str, str]:
    return {record["id"]: record["conversations"][-1]["value"] for record in json.loads(path.read_bytes())}


def test_exports_table_and_show_obey_at_once(run: Run, tmp_path: Path) -> None:
    rejected, corrected, stale = decide_all(run)
    told = invoke("export", run.folder.path, "--out", tmp_path / "x")
    assert "by hand   0 accepted, 1 rejected, 1 corrected; 1 not obeyed" in told
    written = dataset_of(tmp_path / "x" / "train.json")
    assert rejected.sample_id not in written
    assert written[corrected.sample_id] == "There are three dogs."
    assert stale.sample_id in written
    assert "decisions_digest" in json.loads((tmp_path / "x" / "manifest.json").read_bytes())
    table = run.samples().set_index("sample_id")
    assert table.loc[rejected.sample_id, ["status", "stage", "review"]].tolist() == ["rejected", "review", "reject"]
    assert "a person decided: reject (before: accepted)" in invoke("show", run.folder.path, rejected.sample_id)
    (claim,) = run.sample(corrected.sample_id).turns[-1].claims
    assert (claim.kind, claim.verdict) == ("count", "contradicted")


def test_claims_written_obey_too(run: Run, tmp_path: Path) -> None:
    rejected, corrected, _ = decide_all(run)
    invoke("export", run.folder.path, "--format", "claims", "--out", tmp_path / "claims.jsonl")
    ids = [json.loads(line)["sample_id"] for line in (tmp_path / "claims.jsonl").read_text().splitlines()]
    assert corrected.sample_id in ids
    assert rejected.sample_id not in ids


def test_status_and_report_tell_what_the_run_does_not_know_yet(run: Run) -> None:
    assert "by hand" not in invoke("status", run.folder.path)
    decide_all(run)
    assert "since     0 accepted, 1 rejected, 1 corrected; 1 not obeyed" in invoke("status", run.folder.path)
    assert "exports obey them" in run.write_report().read_text()


def test_a_second_start_writes_them_into_the_run(run: Run) -> None:
    before = run.summary
    rejected, corrected, stale = decide_all(run)
    again = datagen.run(run.settings, run.folder.path)
    summary = again.summary
    assert summary.accepted + summary.rejected == summary.samples == before.samples
    assert summary.accepted == before.accepted - 1
    assert summary.rejected_by_stage["review"] == {"rejected_by_hand": 1}
    assert summary.review.stale == 1
    written = dataset_of(again.folder.dataset)
    assert rejected.sample_id not in written
    assert written[corrected.sample_id] == "There are three dogs."
    assert stale.sample_id in written
    told = invoke("status", run.folder.path)
    assert "by hand   0 accepted, 1 rejected, 1 corrected; 1 not obeyed" in told
    assert "\nsince " not in told
    assert "Decided by hand: 0 accepted, 1 rejected, 1 corrected" in again.folder.report.read_text()
    stored = [msgspec.json.decode(line, type=Sample) for line in again.folder.samples.read_bytes().splitlines()]
    assert next(one for one in stored if one.sample_id == rejected.sample_id).stage == "review"
    assert list(again.iter_samples()) == stored


def test_undone_it_is_byte_for_byte_as_before(run: Run) -> None:
    before = {path: path.read_bytes() for path in (run.folder.samples, run.folder.dataset, run.folder.card)}
    for sample in decide_all(run):
        datagen.run(run.settings, run.folder.path)
        add_decision(run.folder.decisions, decision("undo", sample))
    datagen.run(run.settings, run.folder.path)
    assert {path: path.read_bytes() for path in before} == before
