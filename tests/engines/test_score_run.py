"""Accepted samples are held against the pixels: scores are kept, verdicts follow, nothing is scored twice."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles, make_corpus
from msgspec.structs import replace
from oracle import Oracle
from PIL import Image
from synthetic import photograph

import datagen
from datagen.config import Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import run_local
from datagen.engines.plugs import Plugs
from datagen.engines.progress import Silence
from datagen.errors import RunError, ValidatorError
from datagen.records import ProbeScore, Sample
from datagen.validator import Look, Probe
from datagen.validator.protocol import GREY, Abilities

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


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that the oracle judged; not to be changed."""
    corpus = load_corpus(datagen.demo_settings().corpus)
    return validated(tmp_path_factory.mktemp("judged"), Oracle(corpus.images, corpus.categories)).folder.path


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


def test_planted_errors_are_told_from_clean_turns(judged: Path) -> None:
    found = datagen.open_run(judged).summary.calibration
    assert found is not None
    assert found.judged
    assert found.n_turns > 200
    assert found.clean_flagged <= 0.02
    for kind in ("count", "absent object", "other image"):
        assert found.kinds[kind].judged, kind
        assert found.kinds[kind].auroc > 0.95, kind
        assert found.kinds[kind].recall_at_5 > 0.8, kind
        assert found.kinds[kind].calibration_error < 0.1, kind
        assert found.kinds[kind].auroc_grey < 0.75, kind


def test_a_false_answer_is_cut_and_true_ones_are_supported(judged: Path, tmp_path: Path, oracle: Oracle) -> None:
    run = datagen.open_run(shutil.copytree(judged, tmp_path, dirs_exist_ok=True))
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
    verdicts = again.summary.verdicts
    assert verdicts["supported"] + verdicts["not doubted"] > 0.9 * again.summary.turns
    assert verdicts["supported"] > 0.4 * again.summary.turns
    assert again.summary.calibration.share_wrong.low <= 1 / 250 <= again.summary.calibration.share_wrong.high


def test_verdicts_tell_what_was_asked_and_found(judged: Path) -> None:
    turn = next(
        turn
        for sample in datagen.open_run(judged).iter_samples()
        if sample.status == "accepted"
        for turn in sample.turns
        if any(claim.kind == "count" for claim in turn.claims)
    )
    seen = turn.validation
    assert seen is not None
    assert seen.verdict in ("supported", "not doubted")
    assert seen.p_value is not None and 0 < seen.p_value <= 1
    assert seen.worst in seen.doubts
    asked = {probe.question for probe in seen.probes or ()}
    assert any(question.startswith("How many") for question in asked)
    assert all(0 <= probe.chance <= 1 and probe.claim < len(turn.claims) for probe in seen.probes or ())


def test_nothing_is_scored_twice(tmp_path: Path, oracle: Oracle) -> None:
    types = ["conversation"]
    validated(tmp_path, oracle, types=types)
    n_first, before = oracle.n_scored, (tmp_path / "samples.jsonl").read_bytes()
    scores = (tmp_path / "scores.jsonl").read_bytes().splitlines(keepends=True)
    assert len(scores) == n_first > 500
    validated(tmp_path, oracle, types=types)
    assert oracle.n_scored == n_first
    assert (tmp_path / "samples.jsonl").read_bytes() == before
    (tmp_path / "scores.jsonl").write_bytes(b"".join(scores[: len(scores) // 2]) + scores[-1][:30])
    validated(tmp_path, oracle, types=types)
    assert oracle.n_scored == n_first + len(scores) - len(scores) // 2
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_another_threshold_needs_no_second_look(judged: Path, tmp_path: Path, oracle: Oracle) -> None:
    shutil.copytree(judged, tmp_path, dirs_exist_ok=True)
    strict = validated(tmp_path, oracle, **{"validator.alpha": 0.001})
    assert oracle.n_scored == 0
    assert "too few to lose a share of 0.001" in strict.summary.calibration.why_not


def test_errors_are_planted_on_some_images_only(tmp_path: Path, oracle: Oracle) -> None:
    types = ["conversation"]
    few = validated(tmp_path / "few", oracle, types=types, **{"validator.calibration_images": 6}).summary.calibration
    n_few = oracle.n_scored
    oracle.n_scored = 0
    all_of_them = validated(tmp_path / "all", oracle, types=types).summary.calibration
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
    assert "turns that were scored, and 30 such turns are needed" in run.summary.calibration.why_not
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


def test_a_model_with_random_weights_may_not_judge(tmp_path: Path) -> None:
    from tiny_checkpoints import write_checkpoint

    name = str(write_checkpoint(tmp_path / "tiny-llava"))
    told = {"types": ["conversation"], "validator": {"name": name, "device": "cpu"}}
    run = datagen.run({**dump_settings(datagen.demo_settings()), **told}, tmp_path / "run")
    found = run.summary.calibration
    assert found.n_turns > 60 and found.kinds["other image"].n_planted > 60
    assert found.share_wrong is None and not found.judged and "does not tell the answers" in found.why_not
    assert set(run.summary.verdicts) == {"not judged"} and run.summary.rejected_by_stage.get("validate") is None
    turns = [turn for sample in run.iter_samples() if sample.status == "accepted" for turn in sample.turns]
    assert all(turn.validation.measures and not turn.validation.probes for turn in turns)  # chances are no evidence


def all_shown_as(picture: Image.Image, folder: Path) -> dict[str, Any]:
    """The demo's settings, one and the same picture in the place of each of its own."""
    (folder / "images").mkdir()
    settings = dump_settings(datagen.demo_settings())
    for image in load_corpus(datagen.demo_settings().corpus).images:
        picture.resize((image.width, image.height)).save(folder / "images" / image.file_name)
    settings["corpus"]["images"] = str(folder / "images")
    told = {"types": ["conversation"], "validator": {"name": "nano"}, "checks": {"contradicted": "keep"}}
    return {**settings, **told}


def test_nothing_is_judged_on_pictures_that_are_all_alike(tmp_path: Path) -> None:
    run = datagen.run(all_shown_as(photograph(), tmp_path), tmp_path / "run")
    found = run.summary.calibration
    assert found.n_turns > 40 and found.kinds["other image"].n_planted > 40
    assert found.kinds["other image"].auroc == pytest.approx(0.5, abs=0.02)  # last digits depend on the batch
    assert not found.judged and "does not tell the answers about an image" in found.why_not
    assert set(run.summary.verdicts) == {"not judged"}


def test_grey_pictures_are_refused_before_anything_is_scored(tmp_path: Path) -> None:
    settings = all_shown_as(Image.new("RGB", (9, 9), (127, 127, 127)), tmp_path)
    with pytest.raises(ValidatorError, match="24 of 24 pictures looked at are none; use another validator"):
        datagen.run(settings, tmp_path / "run")


def test_every_item_of_the_trial_is_asked_of_the_grey_picture_once(tmp_path: Path, oracle: Oracle) -> None:
    validated(tmp_path, oracle, types=["conversation"])
    scores = [msgspec.json.decode(line) for line in (tmp_path / "scores.jsonl").read_bytes().splitlines()]
    n_grey = sum(score["picture"] == GREY for score in scores)
    assert 0 < n_grey < len(scores) / 3
    tried = [msgspec.json.decode(line) for line in (tmp_path / "calibration.jsonl").read_bytes().splitlines()]
    clean = [one["measured"] for one in tried if one["measured"]["is_clean"]]
    assert clean and all(one["grey"].keys() == one["measures"].keys() for one in clean)


def test_texts_with_a_blank_picture_are_not_asked_of_the_grey_one_too(tmp_path: Path, oracle: Oracle) -> None:
    oracle.abilities = Abilities()
    validated(tmp_path, oracle, types=["conversation"])
    scores = [msgspec.json.decode(line) for line in (tmp_path / "scores.jsonl").read_bytes().splitlines()]
    assert {score["of"] for score in scores if score["picture"] == GREY} == {"probe"}
    tried = [msgspec.json.decode(line) for line in (tmp_path / "calibration.jsonl").read_bytes().splitlines()]
    (grey, *_) = (one["measured"]["grey"] for one in tried if one["measured"]["is_clean"])
    assert grey["gain_mean"] == 0 and grey["logprob_mean"] < 0


def test_numbers_that_are_none_are_told_and_not_asked_again(tmp_path: Path, oracle: Oracle) -> None:
    class Shaky(Oracle):
        def _probe(self, look: Look, probe: Probe, key: str) -> ProbeScore:
            score = super()._probe(look, probe, key)
            is_lost = look.picture != GREY and key.startswith("0")
            return replace(score, chances=(math.nan, *score.chances[1:])) if is_lost else score

    corpus = load_corpus(datagen.demo_settings().corpus)
    shaky = Shaky(corpus.images, corpus.categories)
    run = validated(tmp_path, shaky, types=["conversation"])
    n_lost = run.summary.calibration.unscored["not_a_number"]
    scores = [msgspec.json.decode(line) for line in (tmp_path / "scores.jsonl").read_bytes().splitlines()]
    assert n_lost == sum(score["of"] == "none" for score in scores) > 5
    assert run.summary.verdicts["not judged"] > 5
    n_scored, before = shaky.n_scored, (tmp_path / "summary.json").read_bytes()
    validated(tmp_path, shaky, types=["conversation"])
    assert shaky.n_scored == n_scored
    assert (tmp_path / "summary.json").read_bytes() == before


@pytest.mark.parametrize("is_closed", [True, False])
def test_questions_of_ones_own_that_nobody_takes_are_told(tmp_path: Path, is_closed: bool) -> None:
    class Heard(Silence):
        def note(self, sentence: str) -> None:
            notes.append(sentence)

    notes: list[str] = []
    corpus = load_corpus(datagen.demo_settings().corpus)
    abilities = Abilities(texts=False, blanks=False, categories=frozenset(corpus.categories) if is_closed else None)
    settings = settings_with(types=["negation"], **{"validator.probes": {"action": "statement"}})
    validator = Oracle(corpus.images, corpus.categories, abilities)
    run_local(settings, tmp_path, Heard(), may_change=True, plugs=Plugs(validator=validator))
    told = [note for note in notes if "validator.probes" in note]
    assert told == ["validator.probes are asked of nobody: oracle takes no question but its own."] * is_closed


def test_what_a_plugged_in_validator_raises_is_told_in_one_sentence(tmp_path: Path, oracle: Oracle) -> None:
    class Broken(Oracle):
        def _probe(self, look: Look, probe: Probe, key: str) -> ProbeScore:
            raise KeyError("weights")

    class Wordy(Oracle):
        def _probe(self, look: Look, probe: Probe, key: str) -> ProbeScore:
            return "a dog"  # type: ignore[return-value]

    corpus = load_corpus(datagen.demo_settings().corpus)
    with pytest.raises(ValidatorError) as told:
        datagen.run({"types": ["conversation"]} | dump_settings(datagen.demo_settings()), tmp_path / "a",
                    validator=Broken(corpus.images, corpus.categories))  # fmt: skip
    assert str(told.value).startswith("python:oracle raised KeyError: 'weights' (test_score_run.py, line ")
    assert isinstance(told.value.__cause__, KeyError)
    with pytest.raises(ValidatorError, match=r"gave str, expected a datagen.Score or datagen.Fault"):
        datagen.run(datagen.demo_settings(), tmp_path / "b", validator=Wordy(corpus.images, corpus.categories))


def test_without_captions_and_boxes_only_other_pictures_calibrate(judged: Path, tmp_path: Path) -> None:
    texts = Oracle(
        load_corpus(datagen.demo_settings().corpus).images, load_corpus(datagen.demo_settings().corpus).categories
    )
    made = datagen.open_run(judged)
    settings = dump_settings(datagen.demo_settings())
    settings["corpus"] |= {"captions": [], "instances": [], "dataset": str(made.folder.dataset)}
    settings["teacher"] |= {"name": "imported", "planted_errors": 0.0}
    settings["validator"]["name"] = "oracle"
    plain = load_settings(None, {**settings, "types": ["imported"]})
    run_local(plain, tmp_path / "bare", Silence(), plugs=Plugs(validator=texts))
    run = datagen.open_run(tmp_path / "bare")
    found = run.summary.calibration
    assert found is not None and (found.basis, found.share_wrong, found.clean_flagged) == ("all turns", None, None)
    assert {name for name, kind in found.kinds.items() if kind.n_planted} == {"other image"}
    assert found.judged and "supported" not in run.summary.verdicts
    assert "calibrated on other pictures alone" in run.folder.card.read_text(encoding="utf-8")
