"""Names of pictures carry no signature, and lint says of a run what the run does."""

import json
from pathlib import Path

import pytest
from conftest import CorpusFiles, make_corpus
from PIL import Image
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import CorpusSettings
from datagen.corpus import load_corpus
from datagen.corpus.file_names import name_in, plain_name
from datagen.records import AnnotatedImage

SECRET = "s3cr3tsig"
SIGNED = {
    f"s3://bucket/pics/1.jpg?X-Amz-Signature={SECRET}": "s3://bucket/pics/1.jpg",
    f"https://h.blob.core.windows.net/c/1.jpg?sv=1&sig={SECRET}": "https://h.blob.core.windows.net/c/1.jpg",
    f"https://user:{SECRET}@h/1.jpg": "https://h/1.jpg",
    f"https://h/1.jpg#access_token={SECRET}": "https://h/1.jpg",
    f"https://h/view/17?token={SECRET}": "https://h/view/17",
    f"gs://{SECRET}@bucket/a@b.jpg": "gs://bucket/a@b.jpg",
    f"/data/upload/1/ab-1.PNG?token={SECRET}": "/data/upload/1/ab-1.PNG",
    f"1.jpeg?X-Goog-Signature={SECRET}": "1.jpeg",
    f"/data/local-files/?d=pics%2F1.jpg&token={SECRET}": "pics/1.jpg",
    f"http://localhost:8080/data/local-files/?d=pics/1.jpg&t={SECRET}": "pics/1.jpg",
}


@pytest.mark.parametrize(("given", "plain"), SIGNED.items())
def test_an_address_keeps_no_secret(given: str, plain: str) -> None:
    assert plain_name(given) == plain
    assert plain_name(plain) == plain


@pytest.mark.parametrize(
    "name", ["1.jpg", "what?.jpg", "#1.jpg", "a@b.jpg", "C#/1.jpg", "a/b c.webp", "who?", "50%.jpg"]
)
def test_the_name_of_a_file_stays(name: str) -> None:
    assert plain_name(name) == name
    assert plain_name(name.replace("/", "\\")) == name


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def signed_corpus(form: str, folder: Path) -> CorpusSettings:
    address = f"https://b.s3.amazonaws.com/pics/1.jpg?X-Amz-Signature={SECRET}"
    if form == "records":
        return CorpusSettings(path=str(write(folder / "r.jsonl", {"file_name": address, "captions": ["A dog."]})))
    if form == "dataset":
        turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A dog."}]
        return CorpusSettings(dataset=str(write(folder / "d.json", [{"image": address, "conversations": turns}])))
    image = {"id": 1, form: address, "width": 64, "height": 48, "license": 1}
    licences = [{"id": 1, "url": f"https://h/terms?sig={SECRET}"}]
    content = {"images": [image], "licenses": licences, "annotations": [{"image_id": 1, "caption": "A dog."}]}
    return CorpusSettings(captions=(str(write(folder / "c.json", content)),))


@pytest.mark.parametrize("form", ["file_name", "coco_url", "records", "dataset"])
def test_no_corpus_keeps_a_signature(form: str, tmp_path: Path) -> None:
    corpus = load_corpus(signed_corpus(form, tmp_path))
    assert corpus.images[0].file_name.endswith("1.jpg")
    assert SECRET not in repr([*corpus.images, *corpus.findings])


def test_an_imported_record_is_stored_without_its_signature(tmp_path: Path) -> None:
    settings = signed_corpus("dataset", tmp_path)
    Image.new("RGB", (64, 48)).save(tmp_path / "1.jpg")
    given = [str(settings.dataset), "--images", str(tmp_path), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, ["import", *given])
    assert done.exit_code == 0, done.output
    assert not [
        path for path in (tmp_path / "run").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def test_files_signed_apart_name_one_picture(tmp_path: Path) -> None:
    """Captions and boxes are exported one after the other, with another signature each."""
    files = []
    for n, rows in enumerate([[{"image_id": 1, "caption": "A dog."}], [{"image_id": 1, "caption": "A cat."}]]):
        image = {"id": 1, "file_name": f"https://h/1.jpg?sig={n}", "width": 64, "height": 48}
        files.append(str(write(tmp_path / f"{n}.json", {"images": [image], "annotations": rows})))
    corpus = load_corpus(CorpusSettings(captions=tuple(files)))
    assert (len(corpus.images), corpus.findings) == (1, ())


def test_an_address_is_found_in_the_folder_by_its_end(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.jpg").touch()
    (tmp_path / "a b.jpg").touch()
    assert name_in(tmp_path, "https://h/data/train/1.jpg") == "train/1.jpg"
    assert name_in(tmp_path, "s3://bucket/x/a%20b.jpg") == "a b.jpg"
    assert name_in(tmp_path, "https://h/../../etc/passwd") == "https://h/../../etc/passwd"
    assert name_in(tmp_path, "https://h/none.jpg") == "https://h/none.jpg"


def test_two_addresses_do_not_share_a_file(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    images = [
        {"id": n, "file_name": f"https://h/{folder}/1.jpg", "width": 64, "height": 48}
        for n, folder in enumerate("ab", start=1)
    ]
    path = write(tmp_path / "c.json", {"images": images, "annotations": [{"image_id": 1, "caption": "A dog."}]})
    found = load_corpus(CorpusSettings(captions=(str(path),), images=str(tmp_path))).images
    assert [image.file_name for image in found] == ["https://h/a/1.jpg", "https://h/b/1.jpg"]


def renamed(corpus: CorpusFiles, form: str, few: int | None = None) -> None:
    for path in (corpus.captions, corpus.instances):
        content = json.loads(path.read_text())
        for image in content["images"][:few]:
            image["file_name"] = form.format(image["file_name"])
        path.write_text(json.dumps(content))


OUTSIDE = ["/data/upload/1/{}", "C:\\pics\\{}", "../pics/{}", "\\\\host\\share\\{}", "file:///home/x/{}"]


@pytest.mark.parametrize("form", [*OUTSIDE, "{}", "images/1/{}", "https://h/{}"])
@pytest.mark.parametrize("with_images", [False, True])
def test_lint_says_what_a_run_does(form: str, tmp_path: Path, *, with_images: bool) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    renamed(corpus, form)
    files = corpus.options if with_images else corpus.options[:-2]
    linted = CliRunner().invoke(app, ["lint", *files])
    run = CliRunner().invoke(app, ["run", *files, "--types", "description", "--out", str(tmp_path / "run")])
    last = linted.stdout.splitlines()[-1]
    assert linted.exit_code == run.exit_code, (last, run.output)
    if linted.exit_code:
        assert last.removeprefix("run       would stop: ") == run.stderr.strip().removeprefix("datagen: ")
        assert not (tmp_path / "run").exists()


def test_lint_counts_without_pictures_what_a_run_rejects(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    renamed(corpus, "/data/upload/1/{}", few=2)
    linted = CliRunner().invoke(app, ["lint", *corpus.options[:-2]])
    assert linted.exit_code == 3
    assert linted.stdout.splitlines()[-1] == "run       would not stop: 4 of 6 images can be used, 2 fall out"
    run = CliRunner().invoke(
        app, ["run", *corpus.options[:-2], "--types", "description", "--out", str(tmp_path / "run")]
    )
    assert run.exit_code == 3 and "image_outside_folder" in run.stderr


def test_names_that_need_a_folder_are_told_with_one_that_would_do(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    renamed(corpus, "/data/upload/1/{}")
    told = CliRunner().invoke(app, ["lint", *corpus.options[:-2]]).stdout.splitlines()[-1]
    assert "names of the pictures are absolute" in told and "Give the folder that they lie in with --images" in told


def test_a_record_is_an_image_under_its_plain_name() -> None:
    from datagen.corpus import ImageRecords

    address = f"https://h/1.jpg?sig={SECRET}"
    image: AnnotatedImage = ImageRecords([{"file_name": address, "captions": ["A dog."]}]).load().images[0]
    assert (image.image_id, image.file_name) == ("1", "https://h/1.jpg")


@pytest.mark.parametrize("option", ["--corpus", "--captions", "--instances"])
@pytest.mark.parametrize("address", ["https://u:{}@h/x.jsonl", "s3://{}@bucket/x.jsonl"])
def test_annotations_are_not_fetched_and_their_address_keeps_its_secret(option: str, address: str) -> None:
    done = CliRunner().invoke(app, ["lint", option, address.format(SECRET)])
    assert done.exit_code == 1
    assert "x.jsonl: is an address" in done.output and "download it" in done.output
    assert SECRET not in done.output
