"""Accepted samples are held against the pixels: scores are kept, verdicts follow, nothing is scored twice."""

import json
from pathlib import Path

import msgspec
import pytest
from conftest import CorpusFiles, make_corpus
from oracle import Oracle

import datagen
from datagen.config import Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import run_local
from datagen.engines.plugs import Plugs
from datagen.engines.progress import Silence
from datagen.errors import RunError
from datagen.records import Sample
from datagen.validator.protocol import Abilities

LEFT, RIGHT = "on the left side of the image", "on the right side of the image"


def settings_with(**overrides: object) -> Settings:
    """The bundled corpus; contradictions with the annotations are kept, so that only pixels can find them."""
    plain = dump_settings(datagen.demo_settings())
    plain["teacher"]["planted_errors"] = 0.0
    plain["checks"]["contradicted"] = "keep"
    plain["validator"]["name"] = "oracle"
    return load_settings(None, {**plain, **overrides})


@pytest.fixture
def oracle() -> Oracle:
    corpus = load_corpus(datagen.demo_settings().corpus)
    return Oracle(corpus.images, corpus.categories)


def validated(out: Path, oracle: Oracle, **overrides: object) -> datagen.Run:
    run_local(settings_with(**overrides), out, Silence(), may_change=True, plugs=Plugs(validator=oracle))
    return datagen.open_run(out)


def plant(run: datagen.Run, sample: Sample, before: str, after: str) -> None:
    """Change the stored reply behind a sample."""
    lines = []
    for line in run.folder.replies.read_text(encoding="utf-8").splitlines():
        reply = json.loads(line)
        if reply["request_digest"] == sample.provenance.request_digest:
            assert before in reply["text"]
            reply["text"] = reply["text"].replace(before, after)
        lines.append(json.dumps(reply))
    run.folder.replies.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def test_planted_errors_are_told_from_clean_turns(tmp_path: Path, oracle: Oracle) -> None:
    found = validated(tmp_path, oracle).summary.calibration
    assert found is not None
    assert found.judged
    assert found.n_turns > 200
    assert found.clean_flagged <= 0.06
    for kind in ("count", "absent object", "other image"):
        assert found.kinds[kind].judged, kind
        assert found.kinds[kind].auroc > 0.95, kind
        assert found.kinds[kind].recall_at_5 > 0.8, kind
        assert found.kinds[kind].calibration_error < 0.1, kind


def test_a_false_answer_is_cut_and_true_ones_are_supported(tmp_path: Path, oracle: Oracle) -> None:
    run = validated(tmp_path, oracle)
    counted = next(
        (sample, turn, n)
        for sample in run.iter_samples()
        if sample.status == "accepted" and sample.response_type == "conversation"
        for n, turn in enumerate(sample.turns)
        if n > 0 and any(claim.kind == "count" and claim.number == 3 for claim in turn.claims)
    )
    sample, turn, n = counted
    plant(run, sample, turn.answer, turn.answer.replace("three", "six").replace("Three", "Six"))
    again = validated(tmp_path, oracle)
    cut = again.sample(sample.sample_id)
    assert (cut.status, len(cut.turns)) == ("accepted", n)
    assert [(drop.stage, drop.reason) for drop in cut.cuts] == [("validate", "doubtful_answer")]
    assert "likely a wrong count" in cut.cuts[0].detail
    assert "asked 'How many" in cut.cuts[0].detail
    assert again.summary.verdicts["supported"] > 0.9 * again.summary.turns


def test_verdicts_tell_what_was_asked_and_found(tmp_path: Path, oracle: Oracle) -> None:
    turn = next(
        turn
        for sample in validated(tmp_path, oracle).iter_samples()
        if sample.status == "accepted"
        for turn in sample.turns
        if any(claim.kind == "count" for claim in turn.claims)
    )
    seen = turn.validation
    assert seen is not None
    assert seen.verdict == "supported"
    assert seen.p_value is not None and 0 < seen.p_value <= 1
    assert seen.worst in seen.doubts
    asked = {probe.question for probe in seen.probes or ()}
    assert any(question.startswith("How many") for question in asked)
    assert all(0 <= probe.chance <= 1 and probe.claim < len(turn.claims) for probe in seen.probes or ())


def test_nothing_is_scored_twice(tmp_path: Path, oracle: Oracle) -> None:
    validated(tmp_path, oracle)
    n_first, before = oracle.n_scored, (tmp_path / "samples.jsonl").read_bytes()
    scores = (tmp_path / "scores.jsonl").read_bytes().splitlines(keepends=True)
    assert len(scores) == n_first
    validated(tmp_path, oracle)
    assert oracle.n_scored == n_first
    assert (tmp_path / "samples.jsonl").read_bytes() == before
    (tmp_path / "scores.jsonl").write_bytes(b"".join(scores[: len(scores) // 2]) + scores[-1][:30])
    validated(tmp_path, oracle)
    assert oracle.n_scored == n_first + len(scores) - len(scores) // 2
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_another_threshold_needs_no_second_look(tmp_path: Path, oracle: Oracle) -> None:
    strict = validated(tmp_path, oracle, **{"validator.alpha": 0.4})
    n_strict, n_scored = strict.summary.verdicts["supported"], oracle.n_scored
    mild = validated(tmp_path, oracle, **{"validator.alpha": 0.05})
    assert oracle.n_scored == n_scored
    assert mild.summary.verdicts["supported"] > n_strict


def test_errors_are_planted_on_some_images_only(tmp_path: Path, oracle: Oracle) -> None:
    few = validated(tmp_path / "few", oracle, **{"validator.calibration_images": 6}).summary.calibration
    n_few = oracle.n_scored
    oracle.n_scored = 0
    all_of_them = validated(tmp_path / "all", oracle).summary.calibration
    assert few is not None and all_of_them is not None
    assert few.n_turns < all_of_them.n_turns / 3
    assert n_few < 0.7 * oracle.n_scored


def test_texts_are_held_against_a_blank_as_well(tmp_path: Path, oracle: Oracle) -> None:
    oracle.abilities = Abilities()
    run = validated(tmp_path, oracle, types=["conversation"])
    turn = next(sample for sample in run.iter_samples() if sample.status == "accepted").turns[0]
    assert turn.validation is not None
    measures = turn.validation.measures
    assert {"logprob_mean", "logprob_min", "margin_mean", "gain_mean", "gain_min", "log_tokens"} <= measures.keys()


def test_what_cannot_be_scored_is_rejected_with_its_reason(tmp_path: Path, oracle: Oracle) -> None:
    oracle.abilities = Abilities()
    run = validated(tmp_path, oracle, types=["description"])
    sample = next(sample for sample in run.iter_samples() if sample.status == "accepted")
    oracle.blind_to = sample.turns[0].question
    (tmp_path / "scores.jsonl").unlink()
    again = validated(tmp_path, oracle, types=["description"]).sample(sample.sample_id)
    assert (again.status, again.stage, again.reason) == ("rejected", "validate", "too_long")


def test_too_few_turns_are_scored_but_not_judged(tmp_path: Path, oracle: Oracle) -> None:
    run = validated(tmp_path, oracle, **{"corpus.limit": 2})
    assert set(run.summary.verdicts) == {"not judged"}
    assert "turns were scored, 30 are needed" in run.summary.calibration.why_not
    assert "did not judge" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_judging_a_run_that_was_never_asked_asks_nothing(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    settings = load_settings(None, corpus_files.settings)
    with pytest.raises(RunError, match="not a run folder"):
        run_local(settings, tmp_path / "run", Silence(), may_ask=False)
    made = datagen.run(settings, tmp_path / "run")
    lines = made.folder.replies.read_bytes().splitlines(keepends=True)
    made.folder.replies.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(RunError, match="not every reply is stored"):
        run_local(settings, tmp_path / "run", Silence(), may_ask=False)
    assert len(made.folder.replies.read_bytes().splitlines()) == len(lines) - 1


def test_a_real_checkpoint_scores_a_run_and_validate_judges_it_again(tmp_path: Path) -> None:
    from tiny_checkpoints import write_checkpoint
    from typer.testing import CliRunner

    from datagen.cli import app

    files = make_corpus(tmp_path / "corpus")
    checkpoint = write_checkpoint(tmp_path / "tiny-llava")
    out = tmp_path / "run"
    datagen.run({**files.settings, "corpus.limit": 4, "types": ["conversation"]}, out)
    assert "scores.jsonl" not in {path.name for path in out.iterdir()}
    result = CliRunner().invoke(app, ["validate", str(out), "--validator", str(checkpoint), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    scores = [msgspec.json.decode(line) for line in (out / "scores.jsonl").read_bytes().splitlines()]
    assert {score["of"] for score in scores} == {"text", "probe"}
    turns = [turn for sample in datagen.open_run(out).iter_samples() for turn in sample.turns]
    assert all(turn.validation and turn.validation.measures["logprob_mean"] < 0 for turn in turns)
