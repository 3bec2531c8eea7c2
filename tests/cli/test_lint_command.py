"""Lint reads as ordinary where the corpus is, names what costs samples first, and ends with what a run would do."""

import json
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus
from typer.testing import CliRunner

from datagen import demo_settings
from datagen.cli import app
from datagen.cli.lint_command import N_NAMED


@pytest.fixture(name="corpus")
def fresh_corpus(tmp_path: Path) -> CorpusFiles:
    return make_corpus(tmp_path / "corpus")


def lint(*args: str, exit_code: int = 0) -> tuple[list[str], str]:
    done = CliRunner().invoke(app, ["lint", *args])
    assert done.exit_code == exit_code, done.output
    return done.stdout.splitlines(), done.stderr


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_an_ordinary_corpus_is_told_in_three_lines(corpus: CorpusFiles) -> None:
    lines, _ = lint(*corpus.options)
    assert lines == [
        "note      3 box_never_captioned (ordinary; --all names them)",
        "images    6, with 6 categories",
        "run       would not stop: every image can be used",
    ]


def test_errors_come_first_and_warnings_are_counted(corpus: CorpusFiles) -> None:
    content = json.loads(corpus.captions.read_text())
    named = [{**caption, "caption": f"{caption['caption']} A cat sleeps."} for caption in content["annotations"]]
    edit(corpus.captions, annotations=named)
    (corpus.images / "000000000002.jpg").write_bytes(b"")
    (corpus.images / "000000000005.jpg").unlink()
    lines, _ = lint(*corpus.options, exit_code=3)
    assert lines == [
        "error     1 image_unreadable",
        "          image 2: 000000000002.jpg is empty",
        "error     1 image_missing",
        "          image 5: 000000000005.jpg does not exist",
        "warning   6 caption_names_unboxed, such as",
        "          image 1: captions name cat, no box shows one",
        "note      3 box_never_captioned (ordinary; --all names them)",
        "images    6, with 6 categories",
        "run       would not stop: 4 of 6 images can be used, 2 fall out",
    ]


def test_many_errors_of_a_kind_are_cut_short(corpus: CorpusFiles) -> None:
    content = json.loads(corpus.captions.read_text())
    gone = [{"id": 100 + n, "file_name": f"gone{n}.jpg", "width": 9, "height": 9} for n in range(N_NAMED + 4)]
    texts = [{"id": 900 + n, "image_id": 100 + n, "caption": "A dog."} for n in range(N_NAMED + 4)]
    edit(corpus.captions, images=content["images"] + gone, annotations=content["annotations"] + texts)
    lines, _ = lint(*corpus.options, exit_code=3)
    assert sum("does not exist" in line for line in lines) == N_NAMED
    assert "          and 4 more; --all names them" in lines
    lines, _ = lint(*corpus.options, "--all", exit_code=3)
    assert sum("does not exist" in line for line in lines) == N_NAMED + 4


def test_all_names_notes_and_json_gives_every_finding_its_level(corpus: CorpusFiles) -> None:
    (corpus.images / "000000000005.jpg").unlink()
    lines, _ = lint(*corpus.options, "--all", exit_code=3)
    assert "error     image_missing         image 5: 000000000005.jpg does not exist" in lines
    assert sum(line.startswith("note      box_never_captioned   image ") for line in lines) == 3
    lines, told = lint(*corpus.options, "--json", exit_code=3)
    findings = [json.loads(line) for line in lines]
    assert sorted(finding["level"] for finding in findings) == ["error", "note", "note", "note"]
    assert {
        "level": "error",
        "kind": "image_missing",
        "image_id": "5",
        "detail": "000000000005.jpg does not exist",
    } in (findings)
    assert told.splitlines()[-1] == "run       would not stop: 5 of 6 images can be used, 1 fall out"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_would_stop_a_run_is_the_last_line(corpus: CorpusFiles, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    files = corpus.options[:-1]
    lines, told = lint(*files, str(tmp_path / "empty"), *options, exit_code=1)
    last = (told.splitlines() if options else lines)[-1]
    assert last.startswith("run       would stop: ") and "the image folder is empty" in last
    corpus.captions.write_text("{")
    lines, told = lint(*corpus.options, *options, exit_code=1)
    assert f"datagen: {corpus.captions}: " in told
    assert (told.splitlines() if options else lines)[-1] == "run       would stop at this; nothing else was looked at"


def test_a_corpus_of_which_nothing_can_be_told_makes_nothing(corpus: CorpusFiles) -> None:
    edit(corpus.captions, annotations=[])
    lines, _ = lint("--captions", str(corpus.captions), exit_code=1)
    assert lines[0] == "error     6 nothing_annotated"
    assert lines[-1] == "run       would make nothing: no image can be used"


def test_names_from_the_corpus_steer_no_terminal(corpus: CorpusFiles) -> None:
    content = json.loads(corpus.instances.read_text())
    content["categories"][0]["name"] = "per\x1b[31mson"
    corpus.instances.write_text(json.dumps(content))
    lines, _ = lint(*corpus.options, "--all")
    assert "\x1b" not in "".join(lines)
    assert any("per\\x1b[31mson" in line for line in lines)


def test_with_a_validator_things_without_a_box_are_told(tmp_path: Path) -> None:
    """Before drawn scenes, which nano knows nearly without fault: what is hidden is found, and nothing else."""
    demo = demo_settings().corpus
    content = json.loads(Path(demo.instances[0]).read_text(encoding="utf-8"))
    dog = next(one["id"] for one in content["categories"] if one["name"] == "dog")
    hidden = [one["image_id"] for one in content["annotations"] if one["category_id"] == dog][:1]
    content["annotations"] = [
        one for one in content["annotations"] if (one["image_id"], one["category_id"]) != (hidden[0], dog)
    ]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    files = ["--instances", str(tmp_path / "instances.json"), "--images", str(demo.images)]
    lines, _ = lint(*files, "--validator", "nano", "--device", "cpu", "--all")
    told = [line for line in lines if line.startswith("warning   probably_unboxed")]
    assert len(told) <= 2
    assert any(f"image {hidden[0]}: dog: " in line and "no box shows one" in line for line in told)


def test_a_validator_needs_boxes(corpus: CorpusFiles) -> None:
    files = [*corpus.options[:2], *corpus.options[-2:]]
    done = CliRunner().invoke(app, ["lint", *files, "--validator", "nano"])
    assert done.exit_code == 2
    assert "lint --validator looks for things without a box: it needs --instances with boxes." in done.output


def test_a_name_can_neither_forge_a_line_nor_fill_the_screen(corpus: CorpusFiles) -> None:
    content = json.loads(corpus.captions.read_text())
    names = ["1\nerror     99 forged.jpg", "x" * 5000 + ".jpg", "\x1b[31m.jpg"]
    gone = [{"id": 100 + n, "file_name": name} for n, name in enumerate(names)]
    texts = [{"id": 900 + n, "image_id": 100 + n, "caption": "A dog."} for n in range(len(names))]
    edit(corpus.captions, images=[*content["images"], *gone], annotations=[*content["annotations"], *texts])
    lines, _ = lint(*corpus.options, "--all", exit_code=3)
    assert not any(line.startswith("error     99") for line in lines) and any("\\n" in line for line in lines)
    assert max(map(len, lines)) < 700 and not any("\x1b" in line for line in lines)
