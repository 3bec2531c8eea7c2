"""A run as tables: a row a turn, a claim, or a turn that the validator was tried on."""

import math
from pathlib import Path

import pytest
from conftest import CorpusFiles
from oracle import Oracle

import datagen
from datagen.claims.kinds import KINDS
from datagen.config import dump_settings
from datagen.corpus import load_corpus
from datagen.errors import RunError, SettingsError
from datagen.validator.planting import ERROR_KINDS


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> datagen.Run:
    """The bundled corpus, judged by a validator that knows the annotations."""
    corpus = load_corpus(datagen.demo_settings().corpus)
    oracle = Oracle(corpus.images, corpus.categories)
    return datagen.run(datagen.demo_settings(), tmp_path_factory.mktemp("tables") / "run", validator=oracle)


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory, corpus_files: CorpusFiles) -> datagen.Run:
    return datagen.run(corpus_files.settings, tmp_path_factory.mktemp("tables") / "unjudged")


def test_every_turn_is_a_row(judged: datagen.Run) -> None:
    turns, samples = judged.turns(), judged.samples()
    assert len(turns) == samples.n_turns.sum() + samples.n_cut.sum() > 200
    assert (turns.n_claims == turns.n_supported + turns.n_contradicted + turns.n_unknown).all()
    accepted = turns[turns.fate == "kept"]
    assert accepted.verdict.value_counts().to_dict() == judged.summary.verdicts
    assert (accepted[accepted.verdict == "supported"].p_value > 0).all()
    row = turns[(turns.sample_id == "1-conversation") & (turns.turn == 2)].iloc[0]
    assert row.question == judged.sample("1-conversation").turns[1].question
    assert row.n_words == len(row.answer.split())
    assert {"doubt_count", "doubt_absent_object", "score_presence"} <= set(turns)


def lies(request: datagen.Request) -> str:
    """A teacher whose second answer is wrong wherever there is no elephant."""
    return "\n===\n".join(
        f"Question:\n{question}\n===\nAnswer:\n{answer}"
        for question, answer in (
            ("What is this?", f"A drawn scene with the number {request.image.image_id}."),
            ("Is there an elephant?", "Yes, there is an elephant here."),
            ("Is it warm?", f"That cannot be seen in scene {request.image.image_id}."),
        )
    )


def test_what_was_cut_is_there_with_its_cause_and_gives_the_rate_of_the_summary(tmp_path: Path) -> None:
    plain = {"validator": {"name": "none"}, "types": ["conversation"], "dedup": {"over_set": False}}
    run = datagen.run({**dump_settings(datagen.demo_settings()), **plain}, tmp_path / "run", teacher=lies)
    turns, claims, summary = run.turns(), run.claims(), run.summary
    lost = turns[turns.fate == "cut"]
    assert len(lost) > 20
    assert set(lost[lost.turn == 2].cause) == {"itself"}
    assert set(lost[lost.turn == 3].cause) == {"an earlier turn"}
    assert set(lost.reason) == {"presence_contradicted"}
    assert turns[turns.fate == "kept"].reason.isna().all()
    counts, rates = summary.turn_counts, summary.hallucinations
    assert counts is not None
    assert rates is not None
    assert {"kept": counts.kept, "cut": counts.cut} == turns.fate.value_counts().to_dict()
    assert counts.at_fault == (turns.cause == "itself").sum()
    decided = claims[claims.verdict != "unknown"]
    wrong = decided[decided.verdict == "contradicted"]
    assert (len(wrong), len(decided)) == (rates.overall.claims.found, rates.overall.claims.judged)
    assert set(wrong.fate) == {"cut"}
    assert rates.by_teacher == {"python:lies": rates.overall}
    keeping = {**dump_settings(datagen.demo_settings()), **plain, "checks": {"contradicted": "keep"}}
    kept = datagen.run(keeping, tmp_path / "kept", teacher=lies).summary
    assert kept.hallucinations == rates  # what is kept changes, not who wrote it
    assert kept.claims is not None
    assert kept.claims["contradicted"] == rates.overall.claims.found
    exported = run.folder.dataset.read_text(encoding="utf-8")
    assert "Is it warm?" in exported  # where there is an elephant
    assert exported.count("Is there an elephant?") == (turns[turns.fate == "kept"].turn == 2).sum()


def test_every_claim_is_a_row(judged: datagen.Run) -> None:
    claims = judged.claims()
    assert len(claims) == judged.turns().n_claims.sum()
    assert {"presence", "count"} <= set(claims.kind) <= {kind.name for kind in KINDS}
    asked = claims[claims.asked.notna()]
    assert len(asked) > 100
    assert asked.chance.between(0, 1).all()
    assert claims[claims.asked.isna()].chance.isna().all()
    counted = claims[(claims.kind == "count") & ~claims.in_question].iloc[0]
    assert counted.text in judged.sample(counted.sample_id).turns[counted.turn - 1].answer
    assert counted.number >= 0


def test_a_run_without_a_validator_has_the_same_columns(judged: datagen.Run, unjudged: datagen.Run) -> None:
    turns, claims = unjudged.turns(), unjudged.claims()
    assert list(claims) == list(judged.claims())
    assert [name for name in judged.turns() if not str(name).startswith("score_")] == list(turns)
    assert turns.verdict.isna().all()
    assert turns.p_value.isna().all()
    assert claims.chance.isna().all()
    with pytest.raises(RunError, match="no validator was calibrated on this run"):
        unjudged.calibration_set()
    with pytest.raises(RunError, match="no validator was calibrated on this run"):
        unjudged.thresholds()


def test_the_calibration_set_gives_the_reported_figures(judged: datagen.Run) -> None:
    tried, told = judged.calibration_set(), judged.summary.calibration
    assert told is not None
    assert set(tried.planted) <= {"sound", "not known", *ERROR_KINDS}
    sound = tried[tried.planted == "sound"]
    assert len(sound) == told.n_turns
    assert (sound.doubtful == True).mean() == pytest.approx(told.clean_flagged, abs=1e-6)  # noqa: E712 (None is none)
    for kind, report in told.kinds.items():
        planted = tried[tried.planted == kind]
        assert len(planted) == report.n_planted
        if report.judged:
            assert (planted.doubtful == True).mean() == pytest.approx(report.recall, abs=1e-6)  # noqa: E712
    moved = tried[tried.planted == "other image"].iloc[0]
    assert moved.picture != judged.sample(moved.sample_id).image
    spoilt = tried[tried.planted == "count"].iloc[0]
    assert spoilt.answer not in {turn.answer for turn in judged.sample(spoilt.sample_id).turns}


def test_thresholds_tell_what_each_alpha_finds_and_costs(judged: datagen.Run) -> None:
    told = judged.summary.calibration
    assert told is not None
    alpha = told.alpha
    table = judged.thresholds([0.0001, alpha, 0.3])
    assert math.isnan(table.recall[0.0001])
    assert table.recall[alpha] == told.recall
    assert table.sound_flagged[alpha] == told.clean_flagged <= table.sound_flagged[0.3]
    assert table.recall_count[alpha] == told.kinds["count"].recall


def test_a_run_is_judged_again_in_python(tmp_path: Path) -> None:
    corpus = load_corpus(datagen.demo_settings().corpus)
    oracle = Oracle(corpus.images, corpus.categories)
    settings = {**dump_settings(datagen.demo_settings()), "validator": {"name": "none"}, "types": ["conversation"]}
    run = datagen.run(settings, tmp_path / "run")
    with pytest.raises(SettingsError, match="no validator yet"):
        run.validate(alpha=0.1)
    first = run.validate(oracle, alpha=0.0001)
    assert set(first.summary.verdicts) == {"not judged"}
    n_scored, mild = oracle.n_scored, first.validate(oracle, alpha=0.05)
    assert oracle.n_scored == n_scored > 0
    assert (mild.settings.validator.name, mild.settings.validator.alpha) == ("python:oracle", 0.05)
    assert mild.summary.verdicts.get("not judged", 0) < 0.2 * mild.summary.turns
    assert datagen.run(settings, tmp_path / "run", change=True).settings.validator.name == "none"
    assert not run.folder.calibration.exists()


def test_a_calibration_of_an_earlier_version_is_told(judged: datagen.Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(judged.folder.path, tmp_path / "run")
    summary = judged.folder.summary.read_text(encoding="utf-8")
    start = summary.index('"share_wrong"')
    earlier = summary[:start] + summary[summary.index("}", start) :].lstrip("},\n ")
    (tmp_path / "run" / "summary.json").write_text(earlier, encoding="utf-8")
    run = datagen.open_run(tmp_path / "run")
    assert run.summary.calibration is not None and run.summary.calibration.judged
    with pytest.raises(RunError, match="was calibrated by an earlier version; 'datagen validate' does it anew"):
        run.thresholds()


def test_a_damaged_calibration_is_told(judged: datagen.Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(judged.folder.path, tmp_path / "run")
    damaged = datagen.open_run(tmp_path / "run")
    lines = damaged.folder.calibration.read_bytes().splitlines(keepends=True)
    damaged.folder.calibration.write_bytes(b"".join([lines[0], b'{"half', *lines[1:]]))
    with pytest.raises(RunError, match="line 2 is damaged"):
        damaged.thresholds()
