"""A corpus is mapped on the second start, and read again whenever anything about the map is not right."""

import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, cache, coco, load_corpus
from datagen.corpus.cache_folder import VARIABLE

HOUR = 3_600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache stands; every corpus is large enough for it."""
    monkeypatch.setattr(cache, "MIN_SOURCE_BYTES", 0)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path: Path, tree: dict[str, Any], age_s: float = HOUR) -> str:
    path.write_text(json.dumps(tree))
    os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    return str(path)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusSettings:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 50, "license": n} for n in (5, 3, 8)]
    rows = [
        {"id": n, "image_id": (5, 3, 99)[n % 3], "category_id": 1 + n % 2, "bbox": [n, 5, 20, 10]} for n in range(9)
    ]
    texts = [{"id": n, "image_id": (8, 3)[n % 2], "caption": f"caption {n} é"} for n in range(5)]
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "hot dog"}]
    licences = [{"id": 3, "name": "MIT"}]
    boxes = {"images": images, "annotations": rows, "categories": categories, "licenses": licences}
    instances = write(tmp_path / "instances.json", boxes)
    captions = write(tmp_path / "captions.json", {"images": images, "annotations": texts})
    return CorpusSettings(instances=(instances,), captions=(captions,))


def files_of(corpus: CorpusSettings) -> dict[str, tuple[str, ...]]:
    return {"instances": corpus.instances, "captions": corpus.captions}


class Reads:
    """Counts how often the annotation files are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n = 0
        read_all = coco._read_all

        def counted(settings: CorpusSettings) -> Any:
            self.n += 1
            return read_all(settings)

        monkeypatch.setattr(coco, "_read_all", counted)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def same(a: Corpus, b: Corpus) -> bool:
    return (list(a.images), a.categories, a.findings) == (list(b.images), b.categories, b.findings)


def test_the_second_start_reads_nothing(folder: Path, corpus: CorpusSettings, reads: Reads) -> None:
    first = load_corpus(corpus)
    assert {finding.kind for finding in first.findings} == {"unknown_image"}
    second = load_corpus(corpus)
    assert reads.n == 1
    assert same(first, second)
    assert list(pickle.loads(pickle.dumps(second.images[1:]))) == list(first.images[1:])
    (kept,) = folder.iterdir()
    assert kept.suffix == ".arrow"
    if sys.platform != "win32":
        assert not kept.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_limits_share_one_file(folder: Path, corpus: CorpusSettings, reads: Reads) -> None:
    whole = load_corpus(corpus)
    limited = load_corpus(CorpusSettings(instances=corpus.instances, captions=corpus.captions, limit=2))
    assert list(limited.images) == list(whole.images[:2])
    assert (reads.n, len([*folder.iterdir()])) == (1, 1)


def test_a_changed_file_is_read_again(folder: Path, corpus: CorpusSettings, reads: Reads) -> None:
    load_corpus(corpus)
    path = Path(corpus.captions[0])
    text = path.read_text().replace("caption 4", "CAPTION 4")
    path.write_text(text)
    os.utime(path, (path.stat().st_mtime - 2 * HOUR,) * 2)
    assert "CAPTION 4 é" in [caption for image in load_corpus(corpus).images for caption in image.captions]
    load_corpus(corpus)
    assert (reads.n, len([*folder.iterdir()])) == (2, 1)


def test_a_file_still_warm_is_not_kept(folder: Path, corpus: CorpusSettings) -> None:
    os.utime(corpus.captions[0])
    load_corpus(corpus)
    assert not folder.exists()


def test_a_file_changed_while_it_is_read_is_not_kept(
    folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all = coco._read_all

    def disturbed(settings: CorpusSettings) -> Any:
        os.utime(corpus.captions[0], (0, 0))
        return read_all(settings)

    monkeypatch.setattr(coco, "_read_all", disturbed)
    load_corpus(corpus)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["FORMAT", "__version__"])
def test_another_version_reads_again(
    folder: Path, corpus: CorpusSettings, reads: Reads, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    load_corpus(corpus)
    monkeypatch.setattr(cache, name, "other")
    load_corpus(corpus)
    assert (reads.n, len([*folder.iterdir()])) == (2, 1)


def test_it_can_be_switched_off(folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "off")
    assert cache.find_cache(files_of(corpus)) is None
    load_corpus(corpus)
    assert not folder.exists()


def test_small_files_are_not_kept(folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MIN_SOURCE_BYTES", 1 << 20)
    load_corpus(corpus)
    assert not folder.exists()


def test_it_stands_in_the_users_cache_folder(
    corpus: CorpusSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs

    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, **_: folder / name)
    found = cache.find_cache(files_of(corpus))
    assert found is not None
    assert found.path.parent == folder / "datagen" / "corpus"


def test_a_folder_that_cannot_be_written_is_no_error(folder: Path, corpus: CorpusSettings, reads: Reads) -> None:
    folder.write_text("a file where the folder should be")
    assert same(load_corpus(corpus), load_corpus(corpus))
    assert reads.n == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev/full")
def test_a_full_disk_leaves_nothing_behind(
    folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pa, "OSFile", lambda path, mode: Path("/dev/full").open("wb", 0))  # noqa: SIM115
    load_corpus(corpus)
    assert [*folder.iterdir()] == []


def test_many_findings_are_not_kept(folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_FINDINGS", 1)
    load_corpus(corpus)
    assert not folder.exists()


def test_old_and_unfinished_files_go(folder: Path, corpus: CorpusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT_FILES", 2)
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.arrow").touch()
        os.utime(folder / f"{n}.arrow", (n, n))
    for name, age_s in ((".dead.unfinished", 1), (".alive.unfinished", 4e9)):
        (folder / name).touch()
        os.utime(folder / name, (age_s, age_s))
    (folder / "something else").touch()
    load_corpus(corpus)
    names = {path.name for path in folder.iterdir()}
    assert {"2.arrow", ".alive.unfinished", "something else"} < names
    assert len(names) == 4


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_no_error(folder: Path, corpus: CorpusSettings, data: st.DataObject) -> None:
    first = load_corpus(corpus)
    (kept,) = folder.glob("*.arrow")
    whole = kept.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    patch = data.draw(st.binary(max_size=8))
    kept.unlink()  # what is mapped stays as it was
    kept.write_bytes(data.draw(st.sampled_from([whole[:at], whole[:at] + patch + whole[at + len(patch) :], patch])))
    for image in load_corpus(corpus).images:
        assert len(image.captions) <= 5
    kept.unlink()
    assert same(load_corpus(corpus), first)


def other_batch(corpus: CorpusSettings, kept: Path, change: str) -> None:
    """Write a file with the right words around wrong columns."""
    found = cache.find_cache(files_of(corpus))
    assert found is not None
    with pa.OSFile(str(kept)) as file:
        batch = pa.ipc.open_file(file).get_batch(0)
    schema, columns = batch.schema, dict(zip(batch.schema.names, batch.columns, strict=True))
    if change == "category":
        about = json.loads(schema.metadata[b"datagen"])
        schema = schema.with_metadata({"datagen": json.dumps({**about, "category_names": ["dog"]})})
    elif change == "licence":
        columns["licence"] = pa.array([0, 7, -1], pa.int32())
    elif change == "no words":
        schema = schema.remove_metadata()
    elif change == "columns":
        schema = pa.schema([*schema][:-1]).with_metadata(schema.metadata)
    elif change == "offsets":
        array = columns["captions"]
        ends = pa.py_buffer(np.array([0, 5, 2, 5]))
        columns["captions"] = pa.Array.from_buffers(array.type, 3, [None, ends], children=[array.values])
    elif change == "corners":
        array = columns["boxes"].values
        n_boxes = len(array)
        corners = pa.FixedSizeListArray.from_arrays(pa.array([0.0, float("nan"), 1.0, 1.0] * n_boxes), 4)
        parts = [corners.cast(array.type.field("corners").type), *(array.field(n) for n in (1, 2, 3))]
        boxes = pa.StructArray.from_arrays(parts, fields=[*array.type])
        ends = columns["boxes"].buffers()[1]
        columns["boxes"] = pa.Array.from_buffers(columns["boxes"].type, 3, [None, ends], children=[boxes])
    elif change == "text":
        names = columns["file_name"].buffers()
        spoilt = pa.py_buffer(b"\xff" * names[2].size)
        columns["file_name"] = pa.Array.from_buffers(pa.large_string(), 3, [None, names[1], spoilt])
    batches = 2 if change == "batches" else 1
    kept.unlink()
    with pa.OSFile(str(kept), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for _ in range(batches):
            writer.write_batch(pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema))


@pytest.mark.parametrize(
    "change", ["category", "licence", "no words", "columns", "offsets", "corners", "text", "batches", "none"]
)
def test_wrong_columns_are_read_again(folder: Path, corpus: CorpusSettings, reads: Reads, change: str) -> None:
    first = load_corpus(corpus)
    (kept,) = folder.iterdir()
    other_batch(corpus, kept, change)
    assert same(load_corpus(corpus), first)
    assert reads.n == (1 if change == "none" else 2)


def test_other_processes_map_the_same_file(folder: Path, corpus: CorpusSettings) -> None:
    load_corpus(corpus)
    code = (
        "import sys; from datagen.corpus import cache, load_corpus; import datagen.corpus.coco as coco; from datagen.config import CorpusSettings\n"
        "cache.MIN_SOURCE_BYTES = 0; coco._read_all = None\n"
        "print(len(load_corpus(CorpusSettings(instances=(sys.argv[1],), captions=(sys.argv[2],))).images))"
    )
    command = [sys.executable, "-c", code, corpus.instances[0], corpus.captions[0]]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "3\n"


def test_no_turned_bit_gives_another_corpus(folder: Path, corpus: CorpusSettings) -> None:
    first = load_corpus(corpus)
    (kept,) = folder.iterdir()
    sound = kept.read_bytes()
    for at in range(0, len(sound), 23):
        kept.write_bytes(sound[:at] + bytes([sound[at] ^ 0x41]) + sound[at + 1 :])
        assert same(load_corpus(corpus), first), at
