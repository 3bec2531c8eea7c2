"""Accepted samples are held against the pixels: scores are kept, verdicts follow, nothing is scored twice."""

import json
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus

import datagen
from datagen.config import load_settings
from datagen.engines import local
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.errors import RunError
from datagen.records import Score
from datagen.validator import Job, PictureFault, score_key
from datagen.validator.protocol import LoadPicture, pictures_of

FALSE_WORD = "zeppelin"


class SharpEye:
    """Stands in for a model: sure of its own picture, lost on a blank one, appalled by another or a zeppelin."""

    identity = "sharp-eye"

    def __init__(self, blind_to: str | None = None) -> None:
        self.n_scored = 0
        self.blind_to = blind_to

    def score(
        self, jobs: Sequence[Job], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | PictureFault]:
        for job in jobs:
            load_picture(job.picture)
            if job.sample_id == self.blind_to:
                yield PictureFault(job.sample_id, "too_long", "2,000 tokens do not fit")
                continue
            for pixels, name in pictures_of(job):
                for n, turn in enumerate(job.turns):
                    key = score_key(self.identity, job.sample_id, job.turns, n, pixels, name)
                    if key in known:
                        continue
                    self.n_scored += 1
                    wobble = (len(turn.answer) % 11) / 100
                    is_true = pixels == "own" and FALSE_WORD not in turn.answer
                    mean = -0.5 - wobble if is_true else -2.0 if pixels == "blank" else -3.0 - wobble
                    yield Score(key, job.sample_id, n, pixels, mean, mean - 1, mean / 2, 5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=30)


@pytest.fixture
def eye(monkeypatch: pytest.MonkeyPatch) -> SharpEye:
    eye = SharpEye()
    monkeypatch.setattr(local, "open_validator", lambda settings: eye)
    return eye


def validated(files: CorpusFiles, out: Path, **overrides: object) -> datagen.Run:
    settings = load_settings(None, {**files.settings, "validator.name": "sharp-eye", "rng_seed": 1, **overrides})
    run_local(settings, out, Silence())
    return datagen.open_run(out)


def plant(run: datagen.Run, sample_id: str) -> None:
    """Change the stored reply behind a sample so that its last answer is false."""
    digest = run.sample(sample_id).provenance.request_digest
    lines = []
    for line in run.folder.replies.read_text(encoding="utf-8").splitlines():
        reply = json.loads(line)
        if reply["request_digest"] == digest:
            head, _, last = reply["text"].rpartition("Answer:\n")
            reply["text"] = f"{head}Answer:\nA silver {FALSE_WORD} hovers over {len(last)} rows of trees."
        lines.append(json.dumps(reply))
    run.folder.replies.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def test_true_answers_are_supported_and_a_false_one_is_cut(files: CorpusFiles, tmp_path: Path, eye: SharpEye) -> None:
    run = validated(files, tmp_path)
    assert run.summary["calibration"]["judged"]
    assert run.summary["calibration"]["auroc"] == 1.0
    several = next(s for s in run.iter_samples() if s.status == "accepted" and len(s.turns) > 2)
    single = next(s for s in run.iter_samples() if s.status == "accepted" and s.response_type == "reasoning")
    plant(run, several.sample_id)
    plant(run, single.sample_id)
    again = validated(files, tmp_path)
    cut = again.sample(several.sample_id)
    assert cut.status == "accepted"
    assert len(cut.turns) == len(several.turns) - 1
    assert [(drop.stage, drop.reason) for drop in cut.cuts] == [("validate", "doubtful_answer")]
    fallen = again.sample(single.sample_id)
    assert (fallen.status, fallen.stage, fallen.reason) == ("rejected", "validate", "doubtful_answer")
    assert fallen.turns[0].validation is not None
    assert fallen.turns[0].validation["verdict"] == "doubtful"
    verdicts = again.summary["verdicts"]
    assert verdicts["supported"] > 0.9 * again.summary["turns"]


def test_nothing_is_scored_twice(files: CorpusFiles, tmp_path: Path, eye: SharpEye) -> None:
    validated(files, tmp_path)
    n_first, before = eye.n_scored, (tmp_path / "samples.jsonl").read_bytes()
    validated(files, tmp_path)
    assert eye.n_scored == n_first
    assert (tmp_path / "samples.jsonl").read_bytes() == before
    scores = (tmp_path / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "scores.jsonl").write_bytes(b"".join(scores[: len(scores) // 2]) + scores[-1][:30])
    validated(files, tmp_path)
    assert eye.n_scored == n_first + len(scores) - len(scores) // 2
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_another_threshold_needs_no_second_look(files: CorpusFiles, tmp_path: Path, eye: SharpEye) -> None:
    strict = validated(files, tmp_path, **{"validator.alpha": 0.3})
    n_strict, n_scored = strict.summary["verdicts"]["supported"], eye.n_scored
    mild = validated(files, tmp_path, **{"validator.alpha": 0.05})
    assert eye.n_scored == n_scored
    assert mild.summary["verdicts"]["supported"] > n_strict


def test_what_cannot_be_scored_is_rejected_with_its_reason(files: CorpusFiles, tmp_path: Path, eye: SharpEye) -> None:
    eye.blind_to = "3-description"
    sample = validated(files, tmp_path).sample("3-description")
    assert (sample.status, sample.stage, sample.reason) == ("rejected", "validate", "too_long")


def test_too_few_turns_are_scored_but_not_judged(files: CorpusFiles, tmp_path: Path, eye: SharpEye) -> None:
    run = validated(files, tmp_path, **{"corpus.limit": 2})
    assert set(run.summary["verdicts"]) == {"not judged"}
    assert "calibration needs" in run.summary["calibration"]["why_not"]
    assert "did not judge" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_judging_a_run_that_was_never_asked_asks_nothing(files: CorpusFiles, tmp_path: Path) -> None:
    settings = load_settings(None, files.settings)
    with pytest.raises(RunError, match="not a run folder"):
        run_local(settings, tmp_path / "run", Silence(), may_ask=False)
    made = datagen.run(settings, tmp_path / "run")
    lines = made.folder.replies.read_bytes().splitlines(keepends=True)
    made.folder.replies.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(RunError, match="not every reply is stored"):
        run_local(settings, tmp_path / "run", Silence(), may_ask=False)
    assert len(made.folder.replies.read_bytes().splitlines()) == len(lines) - 1


def test_a_real_checkpoint_scores_a_run_and_validate_judges_it_again(files: CorpusFiles, tmp_path: Path) -> None:
    from tiny_checkpoints import write_checkpoint
    from typer.testing import CliRunner

    from datagen.cli import app

    checkpoint = write_checkpoint(tmp_path / "tiny-llava")
    out = tmp_path / "run"
    made = datagen.run({**files.settings, "corpus.limit": 4, "types": ["conversation"]}, out)
    assert "scores.jsonl" not in {path.name for path in out.iterdir()}
    n_turns = made.summary["turns"]
    result = CliRunner().invoke(app, ["validate", str(out), "--validator", str(checkpoint), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    run = datagen.open_run(out)
    assert len((out / "scores.jsonl").read_bytes().splitlines()) == 3 * n_turns
    turns = [turn for sample in run.iter_samples() for turn in sample.turns]
    assert all(turn.validation and turn.validation["logprob_mean"] < 0 for turn in turns)
