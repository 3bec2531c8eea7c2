"""Broken input of every kind gives one clear sentence: no traceback, no lost work."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.recipes import bundled_folder
from datagen.summary import FAILED


class Bench:
    """A corpus of its own that a case may break, and the command line that meets it."""

    def __init__(self, folder: Path, files: CorpusFiles) -> None:
        shutil.copytree(files.captions.parent, folder / "corpus")
        self.folder = folder
        self.captions = folder / "corpus" / files.captions.name
        self.instances = folder / "corpus" / files.instances.name
        self.images = folder / "corpus" / "images"
        self.out = folder / "run"

    def args(self, *more: str, without: str = "") -> list[str]:
        named = {"captions": self.captions, "instances": self.instances, "images": self.images, "out": self.out}
        return [
            "run",
            *(part for key, path in named.items() if key != without for part in (f"--{key}", str(path))),
            *more,
        ]

    def edit(self, path: Path, change: Callable[[Any], object]) -> None:
        tree = json.loads(path.read_text())
        change(tree)
        path.write_text(json.dumps(tree))

    def config(self, text: str) -> list[str]:
        path = self.folder / "settings.yaml"
        path.write_text(text)
        return [*self.args(), str(path)]

    def recipes(self, file: str, text: str | None) -> list[str]:
        own = self.folder / "own"
        for name in ("prompts", "seeds"):
            shutil.copytree(bundled_folder(name), own / name)
        if text is None:
            (own / file).unlink()
        else:
            (own / file).write_text(text)
        return self.args("--recipes-dir", str(own))

    def broken(self, path: Path, content: bytes) -> list[str]:
        path.write_bytes(content)
        return self.args()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("small"), n_images=2)


@pytest.fixture
def bench(tmp_path: Path, small: CorpusFiles) -> Bench:
    return Bench(tmp_path, small)


def edited(which: str, change: Callable[[Any], object]) -> Callable[[Bench], list[str]]:
    def make(bench: Bench) -> list[str]:
        bench.edit(getattr(bench, which), change)
        return bench.args()

    return make


def occupied(bench: Bench) -> list[str]:
    bench.out.mkdir()
    (bench.out / "thesis.tex").write_text("precious")
    return bench.args()


FATAL: dict[str, tuple[Callable[[Bench], list[str]], str, int]] = {
    # files
    "no such file": (lambda b: b.args("--captions", str(b.folder / "corpus" / "caption.json")), r"caption\.json: no such annotation file. Did you mean captions\.json", 1),
    "an empty file": (lambda b: b.broken(b.captions, b""), r"captions\.json: is empty", 1),
    "no JSON": (lambda b: b.broken(b.captions, b"image,caption\n1,a dog"), r"captions\.json: is not JSON", 1),
    "half a file": (lambda b: b.broken(b.instances, b.instances.read_bytes()[:700]), r"instances\.json: ends in the middle", 1),
    "a list": (lambda b: b.broken(b.captions, b"[1, 2]"), r"captions\.json: holds a JSON array", 1),
    "JSON Lines": (lambda b: b.broken(b.captions, b'{"image_id": 1}\n{"image_id": 2}\n'), r"looks like JSON Lines", 1),
    "gzip": (lambda b: b.broken(b.captions, b"\x1f\x8b\x08\x00"), r"compressed with gzip; unpack", 1),
    "a folder for a file": (lambda b: b.args("--captions", str(b.images)), r"is a folder; name the file in it", 1),
    "captions as instances": (lambda b: b.args("--instances", str(b.captions)), r"looks like a captions file; give it to --captions", 1),
    "instances as captions": (lambda b: b.args("--captions", str(b.instances)), r"looks like an instances file; give it to --instances", 1),
    "no categories": (edited("instances", lambda t: t.pop("categories")), r"but no 'categories'", 1),
    "a box of three numbers": (edited("instances", lambda t: t["annotations"][3].update(bbox=[1, 2, 3])), r"annotations\[3\]\.bbox: expected `array` of length 4", 0),
    "a box of words": (edited("instances", lambda t: t["annotations"][0].update(bbox=["a"] * 4)), r"annotations\[0\]\.bbox\[0\]: expected `float`", 0),
    "no image id": (edited("captions", lambda t: t["annotations"][1].pop("image_id")), r"annotations\[1\]: missing required field", 0),
    "no size": (edited("instances", lambda t: [t["images"][0].pop(k) for k in ("width", "height")]) , r"", 0),
    "one id, two pictures": (edited("captions", lambda t: t["images"][0].update(file_name="other.jpg")), r"1 image_conflict, such as image 1: image 1 is 000000000001\.jpg.* but other\.jpg", 0),
    # settings
    "an unknown key": (lambda b: b.config("techer:\n  name: gpt-4o\n"), r"settings\.yaml: There is no setting 'techer'; did you mean teacher\?", 2),
    "broken YAML": (lambda b: b.config("teacher: [unclosed\n"), r"settings\.yaml: not valid YAML", 2),
    "YAML that is a list": (lambda b: b.config("- a\n- b\n"), r"expected a mapping of settings, found list", 2),
    "no such settings file": (lambda b: b.args("nowhere.yaml"), r"nowhere\.yaml: no such settings file", 2),
    "a share of two": (lambda b: b.args("--alpha", "2"), r"validator\.alpha takes a number from 0 to 1; found 2\.", 2),
    "nobody in flight": (lambda b: b.args("--concurrency", "0"), r"teacher\.concurrency takes a whole number of at least 1, or null; found 0\.", 2),
    "an unknown context": (lambda b: b.args("--context", "xml"), r"context\.style takes default or llava; found 'xml'", 2),
    "an unknown engine": (lambda b: b.args("--engine", "spark"), r"engine takes local or ray; found 'spark'", 2),
    "an unknown type": (lambda b: b.args("--types", "poetry"), r"No response type 'poetry'; there are conversation, description", 1),
    "a type twice": (lambda b: b.args("--types", "description,description"), r"'description' is named twice", 2),
    "no annotations": (lambda b: ["run", "--images", str(b.images), "--out", str(b.out)], r"name a COCO file with --captions or --instances", 2),
    "a validator without pictures": (lambda b: b.args("--validator", "x", without="images"), r"A validator needs the pictures", 2),
    "a validator of a corpus that does not say where pictures are": (lambda b: [*(shutil.rmtree(b.images) or ()), "run", "--corpus", str(b.captions), "--validator", "x", "--out", str(b.out)], r"A validator needs the pictures: give their folder \(--images\)", 2),
    "an unknown check": (lambda b: b.config("checks:\n  skip: [spelling]\n"), r"there is no check 'spelling'; there are .*context_leak", 2),
    "a login in the URL": (lambda b: b.args("--teacher", "m", "--base-url", "http://me:secret@localhost/v1"), r"holds a login", 2),
    "a COCO file as settings": (lambda b: b.args(str(b.captions)), r"looks like a COCO file", 2),
    "an endpoint without a model": (lambda b: b.args("--base-url", "http://localhost:1/v1"), r"name the endpoint's model", 2),
    "a key in place of its variable": (lambda b: b.config("teacher:\n  name: m\n  api_key_env: sk-12\n"), r"api_key_env takes a name.*; found a text that is none\. A key itself belongs", 2),
    "a setting that is none": (lambda b: b.args("--set", "tacher.max_wait_s=3"), r"--set tacher\.max_wait_s: there is no such setting; did you mean teacher\.max_wait_s\?", 2),
    "a setting without a value": (lambda b: b.args("--set", "teacher.rpm"), r"--set teacher\.rpm: expected NAME=VALUE", 2),
    "a setting out of range": (lambda b: b.args("--set", "dedup.threshold=0"), r"dedup\.threshold takes a number above 0 and at most 1; found 0\.", 2),
    "a group for a setting": (lambda b: b.args("--set", "teacher=gpt-4o"), r"teacher holds settings of its own; give them below it, such as teacher\.name", 2),
    # recipes
    "no recipes folder": (lambda b: b.args("--recipes-dir", str(b.folder / "none")), r"none.prompts: no such folder", 1),
    "an unknown recipe key": (lambda b: b.recipes("prompts/conversation/recipe.yaml", "reply_format: text\ntemprature: 1\n"), r"recipe\.yaml: .*unknown field `temprature`", 1),
    "an empty prompt": (lambda b: b.recipes("prompts/reasoning/system.txt", " \n"), r"system\.txt: is empty", 1),
    "an image token in a question": (lambda b: b.recipes("prompts/description/questions.txt", "Describe <image>.\n"), r"holds <image>", 1),
    "a seed without a reply": (lambda b: b.recipes("seeds/conversation/01.reply.txt", None), r"01\.reply\.txt: is missing", 1),
    "a seed with a bad box": (lambda b: b.recipes("seeds/conversation/01.context.txt", "A dog.\n\ndog: [0.9, 0.1, 0.2, 0.3]\n"), r"01\.context\.txt: .*left before right", 1),
    # the teacher, the validator, the run folder
    "no key": (lambda b: b.args("--teacher", "gpt-4o"), r"OPENAI_API_KEY is not set", 1),
    "an address that is none": (lambda b: b.args("--teacher", "m", "--base-url", "localhost:80"), r"expected an address such as", 2),
    "a key in the URL": (lambda b: b.args("--teacher", "m", "--base-url", "http://localhost/v1?key=sk-1"), r"holds a login or a query", 2),
    "no such checkpoint": (lambda b: b.args("--validator", str(b.folder / "llava")), r"llava", 1),
    "a device that is not there": (lambda b: b.args("--validator", str(b.images), "--device", "cuda:99"), r".", 1),
    "a file in the place of the run": (lambda b: [*b.args(without="out"), "--out", str(b.captions)], r"captions\.json: cannot be written", 1),
    "a folder that is no run": (occupied, r"holds files but no run\.yaml", 1),
    "the wrong image folder": (lambda b: [*b.args(without="images"), "--images", str(b.folder)], r"--images", 1),
    "status of nothing": (lambda b: ["status", str(b.folder)], r"is not a run folder", 1),
    "show of nothing": (lambda b: ["show", str(b.folder), "1-conversation"], r"is not a run folder", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FATAL)
def test_one_sentence_and_no_traceback(name: str, bench: Bench) -> None:
    make, sentence, exit_code = FATAL[name]
    result = CliRunner().invoke(app, make(bench))
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    if not exit_code:  # the record costs itself, and is told
        assert re.search(sentence, result.stdout), result.stdout
    elif sentence:
        message = result.stderr.strip().splitlines()[-1]
        assert message.startswith("datagen: ")
        assert re.search(sentence, message), message


def first_picture(content: bytes) -> Callable[[Bench], object]:
    return lambda bench: (bench.images / "000000000001.jpg").write_bytes(content)


def half_a_picture(bench: Bench) -> None:
    path = bench.images / "000000000001.jpg"
    path.write_bytes(path.read_bytes()[:500])


def rename(name: str) -> Callable[[Bench], object]:
    def change(bench: Bench) -> None:
        for path in (bench.captions, bench.instances):
            bench.edit(path, lambda tree: tree["images"][0].update(file_name=name))

    return change


def resize(bench: Bench) -> None:
    for path in (bench.captions, bench.instances):
        bench.edit(path, lambda tree: tree["images"][0].update(width=400, height=300))


PICTURES: dict[str, tuple[Callable[[Bench], object], str]] = {
    "missing": (lambda b: (b.images / "000000000001.jpg").unlink(), "image_missing"),
    "empty": (first_picture(b""), "image_unreadable"),
    "a web page": (first_picture(b"<html>404</html>"), "image_unreadable"),
    "cut off": (half_a_picture, "image_unreadable"),
    "out of the folder": (rename("../captions.json"), "image_outside_folder"),
    "at an absolute path": (rename("/etc/hostname"), "image_outside_folder"),
    "of another size": (resize, "image_size_differs"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_bad_picture_costs_its_own_samples_only(name: str, bench: Bench) -> None:
    spoil, reason = PICTURES[name]
    spoil(bench)
    result = CliRunner().invoke(app, bench.args())
    assert result.exit_code == (3 if reason in FAILED else 0), result.output
    assert (f"50.0 % of the samples failed, the first by {reason}: " in result.stderr) == (reason in FAILED)
    samples = list(datagen.open_run(bench.out).iter_samples())
    assert len(samples) == 6
    bad = [sample for sample in samples if sample.image_id == "1"]
    assert {(sample.status, sample.stage, sample.reason) for sample in bad} == {("rejected", "teacher", reason)}
    assert all(sample.detail for sample in bad)
    assert all(sample.reason != reason for sample in samples if sample.image_id == "2")


REPLIES: dict[str, tuple[str, str, str]] = {
    "nothing": (" ", "teacher", "empty_reply"),
    "no conversation": ("The weather is nice today and I like to walk in it.", "parse", ""),
    "only a question": ("Question:\nWhat is this?", "parse", ""),
    "a refusal": ("Question:\nWhat is shown?\n===\nAnswer:\nI'm sorry, but I cannot see the image.", "checks", "refusal"),
    "a leak": ("Question:\nWhat is shown?\n===\nAnswer:\nThe captions say that a dog sits on a lawn.", "checks", "context_leak"),
    "an image token": ("Question:\nWhat is <image> showing?\n===\nAnswer:\nA dog sits on a lawn.", "checks", "trainer_token"),
    "a broken answer": ("Question:\nWhat is shown?\n===\nAnswer:\nA brown dog sits on the lawn and", "checks", "unfinished_answer"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_bad_reply_is_rejected_with_its_reason(name: str, bench: Bench) -> None:
    text, stage, reason = REPLIES[name]
    with LoopbackServer(reply=lambda body: text) as server:
        args = bench.args(
            "--teacher",
            "loopback",
            "--base-url",
            server.base_url,
            "--types",
            "conversation",
            "--limit",
            "1",
            "--max-failed",
            "1",
        )
        result = CliRunner().invoke(app, args)
    assert result.exit_code == 3, result.output
    assert "no sample was accepted" in result.stderr
    (sample,) = datagen.open_run(bench.out).iter_samples()
    assert (sample.status, sample.stage) == ("rejected", stage)
    assert not reason or sample.reason == reason
    assert sample.detail


@pytest.mark.parametrize(
    ("server", "sentence"),
    [({"api_key": "right"}, "OPENAI_API_KEY"), ({"model": "other", "intercept": "missing"}, "loopback")],
)
def test_an_endpoint_that_refuses_stops_the_run(
    server: dict[str, Any], sentence: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopback import error_answer

    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-secret")
    if "intercept" in server:
        server = {**server, "intercept": lambda body, n: error_answer(404, "no such model", "model_not_found")}
    with LoopbackServer(**server) as running:
        result = CliRunner().invoke(app, bench.args("--teacher", "loopback", "--base-url", running.base_url))
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert "sk-wrong-secret" not in result.output
