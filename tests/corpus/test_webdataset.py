"""WebDataset: what belongs together in a shard, what is read of it, and what is faulty."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import datagen
from datagen.config import CorpusSettings
from datagen.corpus import Corpus, find_format, load_corpus, open_source, read_picture
from datagen.corpus.picture_places import folder_of
from datagen.errors import CorpusError, SettingsError


def picture(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    return file.getvalue()


def write(path: Path, *members: tuple[str, Any]) -> Path:
    """A shard of members in this order: bytes, texts, or values as JSON."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            text = content if isinstance(content, bytes | str) else json.dumps(content)
            data = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def load(path: Path) -> Corpus:
    assert find_format(CorpusSettings(path=str(path))).name == "webdataset"
    return load_corpus(CorpusSettings(path=str(path)))


BOX = {"category": "dog", "bbox": [16, 12, 32, 24]}


def test_members_of_one_key_are_one_image(tmp_path: Path) -> None:
    record = {"caption": "A dog.", "key": "1", "width": 64, "height": 48, "license": "CC-BY-4.0", "boxes": [BOX]}
    write(
        tmp_path / "s" / "0.tar",
        ("a/1.json", record),
        ("a/1.PNG", picture()),
        ("a/2.png", picture("blue")),
        ("a/2.txt", "A  cat\n"),
        ("a/2.json", {"caption": "A cat", "captions": ["Two cats.", 3]}),
        ("a/3.png", picture()),
        ("a/3.cls", "7"),
    )
    write(tmp_path / "s" / "1.tar", ("a/2.caption", "A bus."), ("a/2.png", picture("lime")))
    corpus = load(tmp_path / "s")
    assert [(image.image_id, image.file_name, image.captions) for image in corpus.images] == [
        ("1", "0.tar/a/1.PNG", ("A dog.",)),
        ("2", "0.tar/a/2.png", ("A cat", "A cat", "Two cats.")),
        ("3", "0.tar/a/3.png", ()),
        ("1.tar_a_2", "1.tar/a/2.png", ("A bus.",)),
    ]
    first = corpus.images[0]
    assert [(box.category, box.box_unit) for box in first.boxes] == [("dog", (0.25, 0.25, 0.75, 0.75))]
    assert (first.width, first.height, first.licence, corpus.categories) == (64, 48, "CC-BY-4.0", ("dog",))
    assert (corpus.findings, corpus.refusal) == ((), None)
    folder = folder_of(open_source(CorpusSettings(path=str(tmp_path / "s"))).pictures)
    assert folder is not None
    colours = [read_picture(folder, image.file_name, 9999).getpixel((0, 0)) for image in corpus.images]
    assert colours == [(255, 0, 0), (0, 0, 255), (255, 0, 0), (0, 255, 0)]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("9.txt", "A dog.")], "0.tar, 9: has no picture beside it"),
        ([("9.png", b"x"), ("9.json", "{")], "0.tar, 9: .json: Input data was truncated"),
        ([("9.png", b"x"), ("9.json", [1])], "0.tar, 9: .json: Expected `object`, got `array`"),
        ([("9.png", b"x"), ("9.txt", b"\xff\xfe")], "0.tar, 9: .txt: 'utf-8' codec can't decode"),
        ([("9.png", b"x"), ("9.json", {"boxes": [BOX]})], "0.tar, 9: has boxes but no width and height"),
        ([("9.png", b"x"), ("9.json", {"boxes": [{"bbox": 3}]})], "0.tar, 9: .json: "),
        ([("9.png", b"x"), ("9.txt", b" " * (5 << 20))], "0.tar, 9: .txt has more than"),
    ],
)
def test_a_faulty_sample_costs_itself(tmp_path: Path, members: list[tuple[str, Any]], said: str) -> None:
    good = [(f"{n}.{suffix}", of) for n in range(2) for suffix, of in (("png", picture()), ("txt", "A dog."))]
    corpus = load(write(tmp_path / "0.tar", *good, *members))
    (finding,) = corpus.findings
    assert finding.kind == "record_unreadable" and finding.detail.startswith(said)
    assert [image.captions for image in corpus.images][:2] == [("A dog.",), ("A dog.",)]
    assert corpus.refusal is None


def test_a_shard_that_is_damaged_is_told(tmp_path: Path) -> None:
    write(tmp_path / "s" / "0.tar", ("1.png", picture()), ("1.txt", "A dog."))
    write(tmp_path / "s" / "1.tar", ("2.png", picture()), ("2.txt", "A cat."))
    (tmp_path / "s" / "2.tar").write_bytes(b"\x1f\x8b" + b"x" * 999)
    corpus = load(tmp_path / "s")
    assert [finding.detail for finding in corpus.findings] == [
        "2.tar: is compressed, so that no picture can be read by itself; unpack it to a plain .tar; left out"
    ]
    assert len(corpus.images) == 2


@pytest.mark.parametrize("members", [[("1.png", b"x")], [("1.txt", "A dog.")], [("1.png", b"x"), ("2.txt", "A dog.")]])
def test_a_tar_file_of_other_things_is_none(tmp_path: Path, members: list[tuple[str, Any]]) -> None:
    with pytest.raises(SettingsError, match=r"0\.tar: holds no picture with a \.txt or \.json of the same name"):
        open_source(CorpusSettings(path=str(write(tmp_path / "0.tar", *members))))


@pytest.mark.parametrize("kept", [0.55, 0.8, 0.95])
def test_a_shard_that_is_cut_is_told_and_read_as_far_as_it_goes(tmp_path: Path, kept: float) -> None:
    members = [(f"{n}.{end}", of) for n in range(20) for end, of in (("png", picture()), ("txt", "A dog."))]
    data = write(tmp_path / "s" / "0.tar", *members).read_bytes().rstrip(b"\0")
    for n_bytes in (int(len(data) * kept), int(len(data) * kept) // 512 * 512):
        (tmp_path / "s" / "0.tar").write_bytes(data[:n_bytes])
        corpus = load(tmp_path / "s")
        assert 9 < len(corpus.images) < 20
        assert any("0.tar: is no tar file, or damaged (" in finding.detail for finding in corpus.findings)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (gzip.compress, "is compressed"),
        (lambda data: b"", "is empty"),
        (lambda data: data[:700], "is no tar file, or damaged"),
        (lambda data: b"<html>" * 200, "is no tar file, or damaged"),
    ],
)
def test_a_damaged_shard_alone_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes], told: str) -> None:
    path = write(tmp_path / "0.tar", ("1.png", picture()), ("1.txt", "A dog."))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CorpusError, match=rf"0\.tar: {told}"):
        open_source(CorpusSettings(path=str(path)))


def test_a_tar_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"0\.tar"):
        load_corpus(CorpusSettings(path=str(tmp_path / "0.tar"), format="webdataset"))


def test_a_run_looks_into_the_shards(tmp_path: Path) -> None:
    samples = [
        (f"{n:05}.{suffix}", of)
        for n in range(3)
        for suffix, of in (("png", picture() if n else b"no"), ("txt", f"A dog on {n + 2} mats."))
    ]
    path = write(tmp_path / "0.tar", *samples)
    run = datagen.run({"corpus.path": str(path), "types": ["description"]}, tmp_path / "run")
    fates = {sample.image: sample.reason for sample in run.iter_samples()}
    assert fates == {"0.tar/00000.png": "image_unreadable"} | {
        f"0.tar/{n:05}.png": "description_too_short" for n in (1, 2)
    }
    assert run.settings.corpus.images == str(path)
