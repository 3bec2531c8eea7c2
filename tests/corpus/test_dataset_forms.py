"""Published forms read as LLaVA's records: messages of parts and of text, pictures by name, inside, and in messages."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.corpus.dataset_forms import as_llava, data_files
from datagen.corpus.llava_dataset import read_records
from datagen.errors import CorpusError

PIXELS = b"\xff\xd8 not opened here"
URI = "data:image/jpeg;base64," + base64.b64encode(PIXELS).decode()
ASKED, SAID = {"type": "text", "text": "Who?"}, [{"type": "text", "text": "A dog."}]
ANSWER = {"from": "gpt", "value": "A dog."}


def messages(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": SAID}]


def test_a_record_of_llava_stays_as_it_is() -> None:
    record = {
        "id": "1",
        "image": "a.jpg",
        "conversations": [{"from": "human", "value": "<image>?"}, ANSWER, 5],
        "x": [None],
    }
    assert as_llava(record) == (record, None)
    assert as_llava({**record, "image": ["a.jpg", "b.jpg"]}) == ({**record, "image": ["a.jpg", "b.jpg"]}, None)


TEXTS = [{"role": "user", "content": "<image>Who?"}, {"role": "assistant", "content": "A dog."}]
ROWS = {
    "picture first": ({"messages": messages({"type": "image"}, ASKED), "images": ["a.jpg"]}, "<image>\nWho?"),
    "picture last": ({"messages": messages(ASKED, {"type": "image"}), "images": ["a.jpg"]}, "Who?\n<image>"),
    "in the part": ({"messages": messages({"type": "image", "image": "a.jpg"}, ASKED), "images": []}, "<image>\nWho?"),
    "texts": ({"messages": TEXTS, "images": ["a.jpg"]}, "<image>Who?"),
    "sharegpt": ({"conversations": [{"from": "human", "value": "<image>Who?"}, ANSWER], "images": ["a.jpg"]}, "<image>Who?"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "value"), ROWS.values(), ids=ROWS)
def test_messages_become_turns(row: dict[str, Any], value: str) -> None:
    record, pixels = as_llava(row)
    assert record["image"] in ("a.jpg", ["a.jpg"])
    assert record["conversations"] == [{"from": "human", "value": value}, ANSWER]
    assert pixels is None


def test_what_is_no_message_is_left_to_its_judge() -> None:
    odd = ["text", {"role": ["x"], "content": []}, {"role": "user", "content": [{"type": "text", "text": 5}, "text"]}]
    record, _ = as_llava({"messages": odd})
    assert record["conversations"] == ["text", {"from": ["x"], "value": ""}, {"from": "human", "value": None}]
    assert "image" not in record


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"messages": messages({"type": "image_url", "image_url": {"url": URI}}, ASKED)}, "c2bc.jpg"),
        ({"images": [{"bytes": PIXELS, "path": "b/a.jpg"}]}, "b/a.jpg"),
        ({"image": {"bytes": PIXELS, "path": None}}, "c2bc.jpg"),
    ],
)
def test_pixels_come_with_a_name(row: dict[str, Any], name: str) -> None:
    record, pixels = as_llava({"conversations": [], **row} if "messages" not in row else row)
    assert pixels == PIXELS
    ends = record["image"].rpartition(".")
    assert record["image"] == name or (ends[2] == "jpg" and len(ends[0]) == 24)
    again, _ = as_llava({"conversations": [], **row} if "messages" not in row else row)
    assert again == record
    assert as_llava({"image": "data:image/png;base64,@@"}) == ({"image": ""}, None)


def shard(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_a_shard_pairs_members_of_one_name(tmp_path: Path) -> None:
    record = json.dumps({"conversations": [ANSWER]}).encode()
    members = {"a/0.jpg": PIXELS, "a/0.json": record, "a/0.txt": b"x", "b/0.json": record, "1.jpg": PIXELS}
    found = [one for one, _ in read_records(shard(tmp_path / "s.tar", members))]
    assert found == [{"conversations": [ANSWER], "image": "a/0.jpg"}, {"conversations": [ANSWER]}]


def test_damaged_files_are_said(tmp_path: Path) -> None:
    pq.write_table(pa.table({"conversations": [["a"]] * 9}), tmp_path / "whole.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:-9])
    (tmp_path / "b.tar").write_bytes(b"no tar")
    shard(tmp_path / "c.tar", {"1.json": b"[1]"})
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "d.parquet")
    for name, said in (("a.parquet", "as Parquet"), ("b.tar", "as a tar file"), ("c.tar", "1.json in it is no JSON object"),
                       ("d.parquet", "its first record holds 'text'")):  # fmt: skip
        with pytest.raises(CorpusError, match=said):
            list(read_records(tmp_path / name))
    whole = shard(tmp_path / "e.tar", {f"{n}.json": json.dumps({"conversations": []}).encode() for n in range(9)})
    whole.write_bytes(whole.read_bytes()[:1500])
    with pytest.raises(CorpusError, match="as a tar file"):
        list(read_records(whole))


def test_a_folder_s_data_without_what_describes_it(tmp_path: Path) -> None:
    for name in ("validation.json", "train.json", "manifest.json", "dataset_info.json", "train_meta.json"):
        (tmp_path / name).write_text("[]")
    assert [path.name for path in data_files(tmp_path)] == ["train.json", "validation.json"]
