"""What was chosen beside a finished run outlives damage to its file, or the run stops before its set shrinks."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from test_choose_more import Told, settings_for

import datagen
from datagen.engines.extra_samples import HOW_MANY, add_extras, mend_extras, read_extras
from datagen.engines.local import run_local
from datagen.engines.preflight import read_manifest
from datagen.engines.progress import Silence
from datagen.errors import RunError
from datagen.records import ExtraSample
from datagen.store import RunFolder

EXTRAS = tuple(ExtraSample(str(n), "description", 2, f"Wanted: {n} words.") for n in range(1, 6))


def cut_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][:10] + b"\n"
    path.write_bytes(b"".join(lines))


def drop_line(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    path.write_bytes(b'{"image_id": 3}\n\xff\xfe\x00' + b"[" * 100_000)


def remove(path: Path) -> None:
    path.unlink()


DAMAGES = (cut_line, drop_line, truncate, empty, overwrite, remove)


def folder_with(path: Path) -> RunFolder:
    folder = RunFolder(path)
    add_extras(folder, EXTRAS)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("of_copy", [False, True])
def test_a_damaged_file_is_put_back_from_the_other(
    tmp_path: Path, damage: Callable[[Path], None], of_copy: bool
) -> None:
    folder, notes = folder_with(tmp_path), list[str]()
    whole = folder.more.read_bytes()
    damage(folder.more_copy if of_copy else folder.more)
    mend_extras(folder, {HOW_MANY: 5}, notes.append)
    assert folder.more.read_bytes() == folder.more_copy.read_bytes()
    assert sorted(folder.more.read_bytes().splitlines()) == sorted(whole.splitlines())
    assert [len(notes), *("put back from the copy" in note for note in notes)] == ([0] if of_copy else [1, True])


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_in_neither_file_stops_the_run(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder, notes = folder_with(tmp_path), list[str]()
    for path in (folder.more, folder.more_copy):
        damage(path)
    with pytest.raises(RunError, match=r"more\.jsonl: \d of the samples that --more chose cannot be read.*--change"):
        mend_extras(folder, {HOW_MANY: 5}, notes.append)
    mend_extras(folder, {HOW_MANY: 5}, notes.append, may_lose=True)
    assert len(notes) == 1 and "goes on without them" in notes[0]


def test_the_halves_of_two_files_make_one(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    lines = folder.more.read_bytes().splitlines(keepends=True)
    folder.more.write_bytes(b"".join([b"garbage\n", *lines[1:]]))
    folder.more_copy.write_bytes(b"".join([*lines[:3], b"{}\n{}\n"]))
    mend_extras(folder, {}, list[str]().append)
    assert sorted(folder.more.read_bytes().splitlines(keepends=True)) == sorted(lines)


def test_a_run_of_before_has_no_copy_and_gets_one(tmp_path: Path) -> None:
    folder, notes = folder_with(tmp_path), list[str]()
    folder.more_copy.unlink()
    mend_extras(folder, {}, notes.append)
    assert notes == [] and folder.more_copy.read_bytes() == folder.more.read_bytes()
    folder.more_copy.unlink()
    cut_line(folder.more)
    with pytest.raises(RunError, match="1 of the samples"):
        mend_extras(folder, {}, notes.append)


def test_a_run_without_any_writes_neither_file(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    mend_extras(folder, {}, list[str]().append)
    assert read_extras(folder, ()) == {} and list(tmp_path.iterdir()) == []


def test_a_run_asks_for_nothing_twice_after_its_file_is_gone(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    out, told = tmp_path / "run", Told()
    with LoopbackServer() as server:
        settings = settings_for(corpus_files, server.base_url, types=["description"])
        for more in ({}, {"more": 3}):
            run_local(settings_for(corpus_files, server.base_url, types=["description"], **more), out, Silence())
        n_asked, before = sum(server.arrivals.values()), (out / "samples.jsonl").read_bytes()
        assert read_manifest(RunFolder(out))[HOW_MANY] == 3
        (out / "more.jsonl").unlink()
        run_local(settings, out, told)
        assert (out / "samples.jsonl").read_bytes() == before and sum(server.arrivals.values()) == n_asked
        assert any("is gone; what --more chose is put back" in note for note in told.notes)
        for name in ("more.jsonl", ".more.jsonl.copy"):
            (out / name).unlink()
        with pytest.raises(RunError, match="3 of the samples that --more chose"):
            run_local(settings, out, Silence())
        assert (out / "samples.jsonl").read_bytes() == before
        run_local(settings, out, Silence(), may_change=True)
        assert datagen.open_run(out).summary.samples == 6
