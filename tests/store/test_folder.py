"""A run folder belongs to one process, and whole files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from datagen.errors import RunError
from datagen.store import RunFolder, write_whole
from datagen.store.folder import require_room


def test_a_whole_file_replaces_the_old_one_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "file.json"
    with write_whole(target) as file:
        file.write(b"old")
    with pytest.raises(ValueError, match="stop"), write_whole(target) as file:
        file.write(b"half of the ne")
        raise ValueError("stop")
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["file.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, number: int) -> None:
    target = tmp_path / "file.json"
    target.write_bytes(b"old")
    with pytest.raises(RunError, match="disk is full"), write_whole(target):
        raise OSError(number, "No space left on device")
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "the disk is full"), (errno.EFBIG, "mend the disk or its limits")]
)
def test_a_disk_without_room_is_told_and_nothing_is_left_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    require_room(tmp_path)
    n_left, write = 10_000, os.write

    def fill(handle: int, data: bytes) -> int:
        nonlocal n_left
        if not n_left:
            raise OSError(number, "as the system says")
        n_written = write(handle, data[:n_left])
        n_left -= n_written
        return n_written

    with monkeypatch.context() as patched, pytest.raises(RunError, match=told):
        patched.setattr(os, "write", fill)
        require_room(tmp_path)
    assert not list(tmp_path.iterdir())
    require_room(tmp_path / "gone")


def test_two_processes_cannot_work_on_one_run(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom datagen.errors import RunError\nfrom datagen.store import RunFolder\n"
        "try:\n    with RunFolder(Path(sys.argv[1])).locked(): print('in')\nexcept RunError as error:\n    print(error)\n"
    )
    with RunFolder(tmp_path / "run").locked():
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True
        )
    assert "another datagen process" in done.stdout
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "in"


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="choose an empty --out"), RunFolder(tmp_path).locked():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="cannot be written"), RunFolder(tmp_path / "run").locked():
        pass


def test_reading_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder(tmp_path).require()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights of their own there")
@pytest.mark.parametrize("name", ["replies.jsonl", ".working.json", "run.yaml", "shards"])
def test_a_link_in_a_run_folder_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.settings.write_text("types: [conversation]\n")
    precious = tmp_path / "precious"
    precious.write_text("an unfinished line")
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).symlink_to(precious)
    with pytest.raises(RunError, match=f"'{name}' is a link"):
        folder.require()
    with pytest.raises(RunError, match=f"'{name}' is a link"), folder.locked():
        pass
    assert precious.read_text() == "an unfinished line"
    (tmp_path / "linked").symlink_to(folder.path)
    (folder.path / name).unlink()
    if name != "run.yaml":
        RunFolder(tmp_path / "linked").require()  # the folder itself may be one


@pytest.mark.parametrize("name", ["replies.jsonl", "scores.jsonl", "summary.json", "report.html", "run.yaml"])
def test_a_folder_in_a_files_place_is_refused_before_anything_is_paid(tmp_path: Path, name: str) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        folder.settings.write_text("types: [conversation]\n")
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).mkdir()
    for start in (folder.require, folder.locked().__enter__):
        with pytest.raises(RunError, match=f"{name}: is a folder, where this run keeps a file"):
            start()


@pytest.mark.parametrize("number", [errno.EFBIG, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_is_no_reason_to_leave_what_was_paid_for(tmp_path: Path, number: int) -> None:
    with pytest.raises(RunError, match="what is stored is safe, so mend the disk") as told, write_whole(tmp_path / "a"):
        raise OSError(number, "no")
    assert "another --out" not in str(told.value)
