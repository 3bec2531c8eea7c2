"""A data set named by its id on a stand-in of the hub: what is fetched, kept, and told where it cannot be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import OWNER, StandInHub, serving
from huggingface_hub import constants
from test_hub_tables import IMAGE, row, write

import datagen
from datagen.config import CorpusSettings
from datagen.corpus import (
    PictureChecker,
    corpus_if_there,
    fetching,
    hub_parquet,
    load_corpus,
    open_source,
    picture_places,
    read_picture,
)
from datagen.corpus.picture_places import folder_of
from datagen.errors import CorpusError, DatagenError, RunError, SettingsError

REPO = f"{OWNER}/pets"
ID = f"hf:{REPO}"


def forget() -> None:
    """What another process would not know."""
    hub_parquet.found_here.clear()
    picture_places._open_place.cache_clear()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandInHub]:
    forget()
    picture_places._root.cache_clear()
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    with serving(StandInHub()) as hub:
        monkeypatch.setenv("HF_TOKEN", hub.token)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub


def put(hub: StandInHub, folder: Path, branch: str | None = None) -> None:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    hub.repos.setdefault(REPO, {}), hub.private.setdefault(REPO, False)
    if branch is None:
        hub.repos[REPO] = files
    else:
        hub.branches[REPO, branch] = files


@pytest.fixture
def pets(hub: StandInHub, tmp_path: Path) -> Path:
    """Three shards of three rows, two row groups each, on the hub and in a folder."""
    folder = tmp_path / "pets"
    for split, colours in (("train", ("red", "blue", "lime")), ("test", ("white", "black", "gray"))):
        rows = [row(colour, caption=f"A {colour} dog.") for colour in colours]
        write(folder / "data" / f"{split}-00000-of-00001.parquet", rows)
    (folder / "README.md").write_text("A card.")
    put(hub, folder)
    return folder


def told(images: Any) -> list[Any]:
    return [(image.image_id, image.file_name, image.captions, image.boxes) for image in images]


def test_a_run_on_an_id_gives_the_bytes_of_one_on_its_files(hub: StandInHub, pets: Path, tmp_path: Path) -> None:
    by_id = datagen.run({"corpus.path": ID, "validator.name": "none"}, tmp_path / "by_id")
    by_file = datagen.run({"corpus.path": str(pets), "validator.name": "none"}, tmp_path / "by_file")
    assert by_id.summary.accepted == by_file.summary.accepted > 0
    assert (tmp_path / "by_id" / "dataset.json").read_bytes() == (tmp_path / "by_file" / "dataset.json").read_bytes()
    assert f"data set of the hub: `{ID}`" in (tmp_path / "by_id" / "README.md").read_text()
    n_sent = len(hub.sent)
    datagen.open_run(tmp_path / "by_id").export("parquet", tmp_path / "export")
    assert len(hub.sent) == n_sent  # all pictures are kept
    assert pq.read_table(tmp_path / "export" / "data").num_rows == by_id.summary.accepted
    assert not any(hub.token.encode() in one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())


def test_annotations_move_no_pixels_and_pictures_come_by_row_groups(hub: StandInHub, tmp_path: Path) -> None:
    noise = [{"bytes": os.urandom(200_000), "path": f"{n}.jpg"} for n in range(6)]
    write(tmp_path / "d" / "train.parquet", [row(image=one, caption=f"Dog {n}.") for n, one in enumerate(noise)])
    put(hub, tmp_path / "d")
    corpus = load_corpus(CorpusSettings(path=ID))
    assert len(corpus.images) == 6
    assert sum(n for _, n in hub.sent) < 100_000 < sum(map(len, hub.repos[REPO].values()))
    n_before, place = sum(n for _, n in hub.sent), picture_places.place_of(folder_of(ID) or Path())
    assert place is not None and place.read("train.parquet/3.jpg") == noise[3]["bytes"]
    assert 400_000 < sum(n for _, n in hub.sent) - n_before < 500_000  # of three row groups one
    n_sent = len(hub.sent)
    assert place.read("train.parquet/2.jpg") == noise[2]["bytes"] and len(hub.sent) == n_sent
    assert place.file("train.parquet/2.jpg").read_bytes() == noise[2]["bytes"]
    for name in ("train.parquet/6.jpg", "other.parquet/0.jpg", "train.parquet/x.jpg", "../train.parquet/0.jpg"):
        with pytest.raises(picture_places.PlaceError, match="is no picture of"):
            place.read(name)


def test_pictures_that_were_looked_at_take_no_more_than_the_cache_may_hold(
    hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_places, "MAX_CACHE_BYTES", 900_000)
    noise = [{"bytes": os.urandom(200_000), "path": f"{n}.jpg"} for n in range(12)]
    write(tmp_path / "d" / "train.parquet", [row(image=one) for one in noise])
    put(hub, tmp_path / "d")
    place = picture_places.place_of(folder_of(ID) or Path())
    assert place is not None
    for n, one in enumerate(noise):
        assert place.read(f"train.parquet/{n}.jpg") == one["bytes"]
        kept = sum(path.stat().st_size for path in (tmp_path / "cache" / "pictures").rglob("*") if path.is_file())
        assert kept <= 900_000


def test_a_split_and_a_limit_take_a_part(hub: StandInHub, pets: Path) -> None:
    assert [image.captions for image in load_corpus(CorpusSettings(path=f"{ID}:test")).images] == [
        ("A white dog.",),
        ("A black dog.",),
        ("A gray dog.",),
    ]
    assert all("test" in name for name, _ in hub.sent)
    hub.sent.clear()
    assert len(load_corpus(CorpusSettings(path=ID, limit=2)).images) == 2
    assert all("train" in name for name, _ in hub.sent)
    with pytest.raises(CorpusError, match=r"no file of it is called after 'dev'; .* data/train-00000-of-00001.parquet"):
        load_corpus(CorpusSettings(path=f"{ID}:dev"))


def test_words_of_a_part_are_whole_ones(hub: StandInHub, tmp_path: Path) -> None:
    for name in ("train_small-0", "train-0", "karpathy/train-0"):
        write(tmp_path / "d" / f"{name}.parquet", [row(caption=f"A dog of {name}.")])
    put(hub, tmp_path / "d")

    def found(part: str) -> list[str]:
        return [name for name, _ in hub_parquet.hub_tables(f"{ID}:{part}").files]

    assert found("train") == ["karpathy/train-0.parquet", "train-0.parquet"]
    assert found("karpathy/train") == ["karpathy/train-0.parquet"]
    assert found("train_small") == ["train_small-0.parquet"]
    assert found("small") == ["train_small-0.parquet"]


def test_what_is_no_parquet_is_read_as_the_hub_turned_it(hub: StandInHub, pets: Path, tmp_path: Path) -> None:
    converted = tmp_path / "converted"
    write(converted / "default" / "train" / "0000.parquet", [row(caption="A converted dog.")])
    hub.repos[REPO] = {"images/1.jpg": b"", "metadata.jsonl": b""}
    with pytest.raises(CorpusError, match="holds no Parquet file, and the hub made none of it; fetch it with 'hf"):
        load_corpus(CorpusSettings(path=ID))
    put(hub, converted, "refs/convert/parquet")
    (image,) = load_corpus(CorpusSettings(path=ID)).images
    assert (image.file_name, image.captions) == ("default/train/0000.parquet/0.png", ("A converted dog.",))
    assert picture_places.place_of(folder_of(ID) or Path()).read(image.file_name).startswith(b"\x89PNG")  # type: ignore[union-attr]
    write(converted / "other" / "train" / "0000.parquet", [row(caption="Another.")])
    put(hub, converted, "refs/convert/parquet")
    hub_parquet.found_here.clear()
    with pytest.raises(CorpusError, match="holds several data sets; name one behind a colon: there is default, other"):
        load_corpus(CorpusSettings(path=ID))
    assert len(load_corpus(CorpusSettings(path=f"{ID}:other")).images) == 1


def test_without_the_hub_what_was_read_is_used(hub: StandInHub, pets: Path, tmp_path: Path) -> None:
    first = load_corpus(CorpusSettings(path=ID))
    checker = PictureChecker(CorpusSettings(path=ID, images=ID))
    assert [checker.check(image) for image in first.images] == [None] * 6
    hub.refused["pets"] = 503
    n_sent = len(hub.sent)
    hub_parquet.found_here.clear()
    with pytest.raises(CorpusError, match=r"the hub did not answer as it should .*503"):
        load_corpus(CorpusSettings(path=ID))
    hub.refused.clear()
    with pytest.MonkeyPatch.context() as away:
        away.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        again = load_corpus(CorpusSettings(path=ID))
        assert told(again.images) == told(first.images)
        hub_parquet.found_here.clear()
        with pytest.raises(CorpusError, match=r"hf:ann/others: the hub is out of reach \(.*\); try again later"):
            load_corpus(CorpusSettings(path="hf:ann/others"))
        folder = folder_of(ID, may_fetch=False)
        assert folder is not None
        assert read_picture(folder, first.images[0].file_name, 9999).getpixel((0, 0)) == (255, 0, 0)
    assert len(hub.sent) == n_sent


def test_another_commit_is_read_anew(hub: StandInHub, pets: Path) -> None:
    source = open_source(CorpusSettings(path=ID))
    before = source.digest(), source.stamp(), source.identity()
    load_corpus(CorpusSettings(path=ID))
    write(pets / "data" / "train-00000-of-00001.parquet", [row(caption="A new dog.")])
    put(hub, pets)
    assert len(load_corpus(CorpusSettings(path=ID)).images) == 6  # one process sees one commit
    hub.commit = "2" * 40
    hub_parquet.found_here.clear()
    assert load_corpus(CorpusSettings(path=ID)).images[0].captions == ("A new dog.",)
    assert source.digest() != before[0] and source.stamp() != before[1] and source.identity() == before[2] == (ID,)


def test_a_run_folder_fetches_nothing_before_it_is_said_again(hub: StandInHub, pets: Path, tmp_path: Path) -> None:
    datagen.run({"corpus.path": ID, "corpus.limit": 2}, tmp_path / "run")
    for path in (tmp_path / "cache").rglob("*"):
        path.unlink() if path.is_file() else None
    forget()
    n_asked = len(hub.asked)
    run = datagen.open_run(tmp_path / "run")
    run.write_report()
    assert corpus_if_there(run.settings.corpus).images == ()
    given = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(Path(datagen.__file__).parents[1]),
    }
    command = [sys.executable, "-m", "datagen", "resume", str(tmp_path / "run")]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f"--corpus {ID}  has this machine fetch" in done.stderr, done.stderr
    assert "--images" not in done.stderr
    assert len(hub.asked) == n_asked
    done = subprocess.run([*command, "--corpus", ID], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_passing_faults_are_tried_again(hub: StandInHub, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = iter([500, 200, 429, 200])
    answer = hub.range_of
    monkeypatch.setattr(hub, "range_of", lambda *of: (n, b"") if (n := next(statuses, 200)) > 200 else answer(*of))
    assert len(load_corpus(CorpusSettings(path=ID)).images) == 6
    monkeypatch.setattr(hub, "range_of", lambda *of: (500, b""))
    place = picture_places.place_of(folder_of(ID) or Path())
    assert place is not None
    with pytest.raises(RunError, match=rf"{ID}, data/train.*: cannot be fetched \(.*\)\. What is stored is safe"):
        place.read("data/train-00000-of-00001.parquet/0.png")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("hf:pets", "expected hf:OWNER/NAME, with a split behind a colon"),
        ("hf:a/b:c:d", "expected hf:OWNER/NAME"),
        ("hf:../..", "expected hf:OWNER/NAME"),
        (f"hf:{OWNER}/nothing", "has no such data set or revision, or you may not read it; check the name"),
        (f"{ID}@other", "has no such data set or revision"),
    ],
)
def test_names_of_nothing_are_told(hub: StandInHub, pets: Path, path: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said) as caught:
        load_corpus(CorpusSettings(path=path))
    assert hub.token not in str(caught.value)


def test_a_refused_token_and_tables_without_pictures_are_told(
    hub: StandInHub, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "wrong" * 7)
    with pytest.raises(CorpusError, match="you may not read it; check the name, and for a private or gated one set"):
        load_corpus(CorpusSettings(path=ID))
    monkeypatch.setenv("HF_TOKEN", hub.token)
    write(tmp_path / "paths" / "a.parquet", [row(image={"bytes": None, "path": "x/1.png"})])
    put(hub, tmp_path / "paths")
    with pytest.raises(CorpusError, match=r"a\.parquet tells the paths of pictures and does not hold them; fetch it"):
        load_corpus(CorpusSettings(path=ID))
    pq.write_table(pa.table({"image": pa.array([{"bytes": b"x", "path": "1.jpg"}], IMAGE)}), tmp_path / "b.parquet")
    hub.repos[REPO] = {"b.parquet": (tmp_path / "b.parquet").read_bytes()}
    hub_parquet.found_here.clear()
    with pytest.raises(CorpusError, match="has no column of pictures with one of captions or objects"):
        load_corpus(CorpusSettings(path=ID))


def test_a_mix_and_a_plain_name_say_what_to_do(hub: StandInHub, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"a mix is of folders; fetch it with .* dataset {REPO} --local-dir mine"):
        open_source(CorpusSettings(path=f"{ID}:train", also=(str(tmp_path),)))
    with pytest.raises(DatagenError, match="A data set of the hub is named --corpus hf:ann/pets"):
        load_corpus(CorpusSettings(path="ann/pets"))
    assert json.dumps(hub.asked) == "[]"
