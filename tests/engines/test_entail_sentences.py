"""The bundled judge over text: facts like an endpoint's, the same bytes however it is run, and its trials beforehand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from conftest import CorpusFiles, make_shards
from loopback import Answer, LoopbackServer, json_answer
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification
from typer.testing import CliRunner

import datagen
from datagen.api import demo_settings
from datagen.checks import entailment
from datagen.checks.judge import MAX_SENTENCES, sentences_of, with_opinions
from datagen.cli.app import app
from datagen.config import Settings, dump_settings, load_settings
from datagen.engines.entail_sentences import evidence_read, open_model, sentences_asked, verdicts_on, why_unread
from datagen.engines.estimate import estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards
from datagen.engines.weigh_judge import Asked
from datagen.errors import JudgeError
from datagen.pipeline import late_settings_digest
from datagen.records import AnnotatedImage, Box, Request, Sample, SentenceVerdict, Turn
from datagen.store.shards import shard_folders
from datagen.summary import JudgeReport

DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md")
MEASURED = {
    "on": "200 replies that people marked",
    "wrong": {"n": 100, "n_objected": 45, "n_images": 80},
    "sound": {"n": 900, "n_objected": 6, "n_images": 180},
}


def make_model(folder: Path, threshold: float = 0.33, seed: int = 0) -> Path:
    """A BERT of 20,000 random numbers that reads letters; its chances lie around a third."""
    folder.mkdir(parents=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,;:()"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{one}" for one in letters)]
    tokenizer = Tokenizer(models.WordPiece({one: n for n, one in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=256, initializer_range=0.3, id2label={0: "a", 1: "b", 2: "c"},
    )  # fmt: skip
    config.save_pretrained(folder)
    state = BertForSequenceClassification(config).state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors")
    (folder / "entailment.json").write_text(json.dumps({"threshold": threshold}))
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in the place of the bundled one."""
    folder = make_model(tmp_path / "model")
    monkeypatch.setattr(entailment, "BUNDLED", folder)
    return folder


def settings_for(files: CorpusFiles, **more: Any) -> Settings:
    return load_settings(None, {**files.settings, "checks.judge": "entailment", "workers": 1, **more})


def judged(out: Path) -> JudgeReport:
    report = datagen.open_run(out).summary.judge
    assert isinstance(report, JudgeReport)
    return report


def opinions_in(out: Path) -> list[SentenceVerdict]:
    lines = (out / "samples.jsonl").read_bytes().splitlines()
    turns = [turn for line in lines for turn in msgspec.json.decode(line, type=Sample).turns]
    return [one for turn in turns if isinstance(turn.opinions, tuple) for one in turn.opinions]


def same(one: Path, other: Path, *names: str) -> None:
    for name in names or DERIVED:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


class Heard(Silence):
    """Keeps what is said, and how far each task came."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.tasks: list[list[Any]] = []

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        self.tasks.append([task, total, n_done])

    def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
        self.tasks[-1][2] += 1

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def test_its_word_stands_on_the_turns_and_is_asked_once(model: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out, heard = tmp_path / "run", Heard()
    run_local(settings_for(corpus_files), out, heard)
    facts = (out / "judgements.jsonl").read_bytes()
    found = opinions_in(out)
    assert {one.verdict for one in found} == {"unknown", "contradicted"}
    for one in found:
        assert one.chance is not None and (one.chance >= 0.33) is (one.verdict == "contradicted") is bool(one.quote)
    report = judged(out)
    assert report.model == "entailment" and report.sentences["contradicted"] > 0 and not report.void
    assert report.recall is not None and report.false_alarms is not None and report.silent_alarms is not None
    assert report.why_not is not None, "who guesses cuts nothing"
    assert not (out / "costs.jsonl").exists()
    of_judge = [task for task in heard.tasks if task[0] == "holding sentences against captions and boxes"]
    assert len(of_judge) == 2 and all(total == n_done for _, total, n_done in of_judge), "a bar that comes to its end"
    assert any(note.startswith("Judge entailment: up to ") and "costs nothing" in note for note in heard.notes)
    (out / "summary.json").unlink()
    run_local(settings_for(corpus_files), out, Silence())
    assert (out / "judgements.jsonl").read_bytes() == facts


def test_no_number_of_threads_and_no_kill_changes_a_byte(
    model: Path, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    run_local(settings_for(corpus_files), tmp_path / "one", Silence())
    run_local(settings_for(corpus_files, workers=3), tmp_path / "three", Silence())
    same(tmp_path / "one", tmp_path / "three", *DERIVED, "judgements.jsonl")
    log = tmp_path / "three" / "judgements.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    (tmp_path / "three" / "summary.json").unlink()
    run_local(settings_for(corpus_files, workers=3), tmp_path / "three", Silence(), may_change=True)
    same(tmp_path / "one", tmp_path / "three")
    assert sorted(log.read_bytes().splitlines(keepends=True)) == sorted(lines)


def test_shards_leave_it_to_the_merge(model: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    settings = settings_for(corpus_files)
    run_local(settings, tmp_path / "whole", Silence())
    make_shards(settings, 2, tmp_path / "split")
    merge_shards(settings, shard_folders(tmp_path / "split"), tmp_path / "split", Silence())
    same(tmp_path / "whole", tmp_path / "split")


def test_other_weights_make_facts_anew(model: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_local(settings_for(corpus_files), out, Silence())
    facts = (out / "judgements.jsonl").read_bytes()
    assert run_local(settings_for(corpus_files), out, Silence()).is_unchanged
    state = load_file(model / "model.safetensors")
    save_file({name: 1.5 * value for name, value in state.items()}, model / "model.safetensors")
    assert not run_local(settings_for(corpus_files), out, Silence()).is_unchanged
    after = (out / "judgements.jsonl").read_bytes()
    assert after.startswith(facts) and after.count(b"\n") == 2 * facts.count(b"\n")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_model(path: Path) -> None:
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "hidden_size": 64}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    f"{name} {how}": lambda folder, name=name, act=act: act(folder / name)  # type: ignore[misc]
    for name in ("config.json", "entailment.json", "model.safetensors", "tokenizer.json")
    for how, act in {
        "is cut off": truncated,
        "is gone": Path.unlink,
        "is empty": lambda path: path.write_bytes(b""),
        "is noise": lambda path: path.write_bytes(b"\xff\x00{" * 99),
    }.items()
}
DAMAGES["config.json is another model's"] = lambda folder: of_another_model(folder / "config.json")
DAMAGES["the folder is gone"] = shutil.rmtree


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_told_before_a_teacher_is_asked(
    model: Path, corpus_files: CorpusFiles, tmp_path: Path, name: str
) -> None:
    DAMAGES[name](model)
    with pytest.raises(JudgeError, match=r"checks\.judge: .*model.*leave --judge out") as caught:
        run_local(settings_for(corpus_files), tmp_path / "run", Silence())
    assert str(caught.value).count("\n") == 0
    assert not (tmp_path / "run" / "replies.jsonl").exists()


def test_another_language_is_left_out_in_one_sentence(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def german(body: dict[str, Any], arrival: int) -> Answer:
        text = "Question: Was ist zu sehen?\nAnswer: Zwei Hunde stehen auf einer Wiese und sehen einander an."
        return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    heard = Heard()
    with LoopbackServer(intercept=german) as server:
        teacher = {"name": "m", "base_url": server.base_url}
        settings = settings_for(corpus_files, teacher=teacher, language="de", types=["conversation"])
        run_local(settings, tmp_path / "run", heard)
    told = [note for note in heard.notes if "entailment" in note]
    assert told == ["Judge entailment is left out: it reads English, and answers are asked for in German."]
    assert b'"judge"' not in (tmp_path / "run" / "summary.json").read_bytes()
    assert not (tmp_path / "run" / "judgements.jsonl").exists()
    assert estimate_run(settings).judge is None


def test_captions_of_another_language_leave_it_out_too() -> None:
    image = AnnotatedImage("1", "1.jpg", 10, 10, captions=("一只狗坐在草地上，看着一个红色的球。",))
    assert why_unread(Settings(), [image] * 9) == "it reads English, and captions seem to be in Chinese"
    assert why_unread(Settings(), [AnnotatedImage("1", "1.jpg", 10, 10, captions=("A dog sits.",))]) is None


def test_an_endpoints_model_of_its_name_has_its_address_beside_it(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def says_nothing(body: dict[str, Any], arrival: int) -> Answer:
        return json_answer(200, {"choices": [{"message": {"content": '{"verdicts": []}'}, "finish_reason": "stop"}]})

    with LoopbackServer(intercept=says_nothing) as server:
        judge = {"model": "entailment", "base_url": server.base_url}
        settings = settings_for(corpus_files, **{"checks.judge": judge})
        run_local(settings, tmp_path / "run", Silence())
        assert {body["model"] for _, body in server.seen} == {"entailment"}
    assert late_settings_digest(settings) != late_settings_digest(settings_for(corpus_files))
    named_alone = load_settings(None, {**dump_settings(settings), "checks.judge.model": "entailment"})
    assert named_alone.checks.judge is not None and named_alone.checks.judge.is_bundled


def test_it_costs_nothing_and_its_time_is_told(model: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    made = estimate_run(settings_for(corpus_files)).judge
    assert made is not None and made.cost_usd == 0 and made.cpu_s is not None and made.cpu_s > 0
    run_local(settings_for(corpus_files), tmp_path / "run", Silence())
    n_stored = (tmp_path / "run" / "judgements.jsonl").read_bytes().count(b"\n")
    again = estimate_run(settings_for(corpus_files), tmp_path / "run").judge
    assert again is not None and again.n_requests == made.n_requests - n_stored and again.cpu_s is not None
    assert again.cpu_s < made.cpu_s
    done = CliRunner().invoke(app, ["estimate", *corpus_files.options, "--judge", "entailment"])
    assert done.exit_code == 0 and "samples to read here, costs nothing, about " in done.output
    assert "CPU seconds\n" in done.output and "beside the teacher" not in done.output


def test_a_budget_does_not_ask_for_its_price(model: Path, corpus_files: CorpusFiles, tmp_path: Path) -> None:
    heard = Heard()
    with LoopbackServer() as server:
        teacher = {"name": "m", "base_url": server.base_url, "budget_usd": 1.0}
        teacher |= {"price_in_usd_per_mtok": 0, "price_out_usd_per_mtok": 0}
        run_local(settings_for(corpus_files, teacher=teacher), tmp_path / "run", heard)
    assert not any("leaves out" in note for note in heard.notes)
    assert judged(tmp_path / "run").samples > 0


PERSON = Box("person", (0.1, 0.1, 0.4, 0.9), 0.24)
CAPTION = "A man in a blue hat feeds two ducks."
IMAGES = {
    "captions and boxes": AnnotatedImage("1", "1.jpg", 10, 10, captions=(CAPTION, "", "  \n "), boxes=(PERSON,)),
    "no boxes": AnnotatedImage("1", "1.jpg", 10, 10, captions=(CAPTION,)),
    "no captions": AnnotatedImage("1", "1.jpg", 10, 10, boxes=(PERSON,)),
    "a caption in lines": AnnotatedImage("1", "1.jpg", 10, 10, captions=("A man\nfeeds\ttwo ducks.",)),
    "a long caption": AnnotatedImage("1", "1.jpg", 10, 10, captions=("A man and a duck. " * 400,)),
    "odd signs": AnnotatedImage("1", "1.jpg", 10, 10, captions=("Ꮳ 🦆‍🦆 \u202e\u0000 ﷽ e\u0301 中文",)),
}
ANSWERS = {
    "usual": ("Two ducks are near a man. He wears a red hat! It may be cold.", "Yes."),
    "very long": ("The man " + "and the duck " * 3000 + "are there.",),
    "many": ("A duck swims. " * 70, "A man. " * 9),
    "odd": ("🦆🦆🦆", "\u202eİ\u0307ﬃ ß.\u2028中文。右。", "...!?", "x" * 5000),
    "in lines": ("One duck\nanother duck\r\n\n- a third\n",),
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_each_sentence_has_its_chance_and_a_quotation_that_stands(
    model: Path, image: AnnotatedImage, answers: tuple[str, ...]
) -> None:
    turns = tuple(Turn("What is there? 🦆", answer) for answer in answers)
    evidence = evidence_read(image)
    assert evidence and "\n\n" not in evidence
    text = verdicts_on(Asked("k", evidence, turns), open_model())
    read = with_opinions(turns, text, evidence)
    found = [one for turn in read if isinstance(turn.opinions, tuple) for one in turn.opinions]
    assert len(found) == len(sentences_of(turns)) == len(sentences_asked(turns)) <= MAX_SENTENCES
    for one in found:
        assert one.chance is not None and 0 <= one.chance <= 1 and not one.void
        assert one.verdict == "unknown" or one.quote in evidence.split("\n")


def test_of_an_image_that_nobody_described_nothing_is_said(
    model: Path, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    assert evidence_read(AnnotatedImage("1", "1.jpg", 10, 10, captions=("", " \n"))) == ""


class Knowing:
    """Objects to a sentence that speaks of a dragon, whatever it was told."""

    threshold = 0.9

    def score(self, notes: Sequence[str], sentences: Sequence[tuple[str, str]]) -> list[float]:
        return [0.97 if "dragon" in sentence else 0.01 for _, sentence in sentences]


def dragons(request: Request) -> str:
    """A reply with a dragon on every second image, which goes when it is told."""
    if request.response_type.startswith("repair"):
        return "1. The mood is calm."
    image = request.image
    text = f"Question: What do you see of {image.image_id}?\nAnswer: {image.captions[0]}"
    is_odd = sum(map(ord, image.image_id)) % 2
    dragon = f"\n===\nQuestion: And the mood of {image.image_id}?\nAnswer: The mood is that of a dragon."
    return text + dragon * is_odd


def demo_with(**more: Any) -> dict[str, Any]:
    plain = dump_settings(demo_settings())
    return {**plain, "validator": {"name": "none"}, "checks": {"judge": "entailment"}, "workers": 1, **more}


def test_what_it_objects_to_is_cut_or_goes_back(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.engines.entail_sentences.open_model", Knowing)
    monkeypatch.setattr("datagen.engines.weigh_judge.why_no_cut", lambda precision, bar: None)
    plain = demo_with(types=["conversation"], teacher={})
    run = datagen.run(plain, tmp_path / "cut", teacher=dragons)
    assert run.summary.cut_by_stage["checks"]["judge_objects"] > 5
    cut = next(cut for one in run.iter_samples() for cut in one.cuts)
    assert "'The mood is that of a dragon.': the judge entailment quotes '" in cut.detail and "(97%)" in cut.detail
    run = datagen.run({**plain, "repair": 1}, tmp_path / "sent back", teacher=dragons)
    assert run.summary.repair and run.summary.repair.by_reason["judge_objects"][0] > 5
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "cut"), next(
        one.sample_id for one in run.iter_samples() if one.repairs
    )])  # fmt: skip
    assert "judge: 'The mood is that of a dragon.' contradicted (97%) by '" in " ".join(shown.output.split())


def test_what_was_measured_beforehand_is_told_and_counts(
    model: Path, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    (model / "entailment.json").write_text('{"threshold": 1.0}')
    (model / "measured.json").write_text(json.dumps(MEASURED))
    out = tmp_path / "run"
    run_local(settings_for(corpus_files), out, Silence())
    told = "measured beforehand on 200 replies that people marked: recall 45.0 % (95 %: "
    assert told in judged(out).told and "counted in" in judged(out).told
    assert told in " ".join((out / "README.md").read_text().split())
    datagen.open_run(out).write_report()
    assert told in (out / "report.html").read_text()
    (model / "entailment.json").write_text('{"threshold": 0.0001}')  # it objects to all
    run_local(settings_for(corpus_files), out, Silence())
    assert "not counted in, as this run's own trials show more of these" in judged(out).told
    (model / "measured.json").write_text("{}")
    with pytest.raises(JudgeError, match=r"measured\.json: cannot be read"):
        run_local(settings_for(corpus_files), tmp_path / "other", Silence())


def test_who_asks_no_judge_loads_nothing_of_it() -> None:
    told = "import sys, datagen.engines.local, datagen.cli.commands; print({'torch', 'tokenizers'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
