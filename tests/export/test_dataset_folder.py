"""Each form is written whole, proven, the same each time, and read back with a reader of its own kind."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace
from PIL import Image

from datagen.errors import ExportError
from datagen.export import FORMS, Exported, ExportSettings, LeftOut, RowChoice, export_folder, write_llava
from datagen.records import Provenance, Sample, Turn

N_IMAGES = 30
HALF = RowChoice(validation_share=0.5)
OF_THEIR_OWN = ("preference", "pope", "choice", "lmms_eval")  # their rows are pairs and questions
FOLDERS = [name for name, form in FORMS.items() if isinstance(form, type) and name not in OF_THEIR_OWN]


def sample(n: int, response_type: str = "conversation", licence: str | None = "CC-BY-2.0") -> Sample:
    provenance = Provenance("template", "r", "q", "s", licence=licence)
    turns = (Turn(f"What is {n}?", f"It is {n} \u2014 \u00fc."), Turn("And more?", "No."))
    return Sample(f"{n}-{response_type}", str(n), f"{n:03}.jpg", response_type, turns, "accepted", provenance)


SAMPLES = [sample(n, kind) for n in range(N_IMAGES) for kind in ("conversation", "description")]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for n in range(N_IMAGES):
        Image.effect_noise((64, 48), 20 + n).save(folder / f"{n:03}.jpg")
    return folder


class Finder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> Path | LeftOut:
        path = self.folder / name
        return path if path.is_file() else LeftOut("image_missing", f"{name} does not exist")


def export(samples: Iterable[Sample], out: Path, settings: ExportSettings, *lent: Any) -> Exported:
    writer = FORMS[settings.form]
    assert isinstance(writer, type)
    return export_folder(samples, out, writer, settings, *lent)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def image_ids(rows: list[dict]) -> set[str]:
    return {row["id"].partition("-")[0] for row in rows}


@pytest.mark.parametrize("form", FOLDERS)
def test_the_same_bytes_each_time_and_every_file_in_the_manifest(form: str, images: Path, tmp_path: Path) -> None:
    settings = ExportSettings(form=form, choice=HALF, pictures="copy", shard_bytes=30_000)
    for name in ("a", "b"):
        export(iter(SAMPLES), tmp_path / name, settings, Finder(images), {"datagen": "1"})
    written = content(tmp_path / "a")
    assert written == content(tmp_path / "b")
    sums = dict(line.split("  ")[::-1] for line in written.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(each).hexdigest() for name, each in written.items()}
    manifest = json.loads(written.pop("manifest.json"))
    sums.pop("manifest.json")
    assert {name: file["sha256"] for name, file in manifest["files"].items()} == sums
    rows = manifest["counts"]["rows"]
    assert rows["train"] + rows["validation"] == manifest["counts"]["accepted"] == len(SAMPLES)
    assert min(rows.values()) > 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # nothing unfinished is left


def test_llava_is_what_the_run_writes_and_no_image_is_in_both_splits(images: Path, tmp_path: Path) -> None:
    expected = io.BytesIO()
    write_llava(SAMPLES, expected, 0)
    export(SAMPLES, tmp_path / "whole", ExportSettings(form="llava"), Finder(images), {})
    beside = ("image_id", "response_type", "licence", "verdicts")
    rows = json.loads((tmp_path / "whole" / "train.json").read_bytes())
    assert [[row.pop(name) for name in beside] for row in rows] == [
        [one.image_id, one.response_type, one.provenance.licence, ["not judged"] * len(one.turns)] for one in SAMPLES
    ]
    assert rows == json.loads(expected.getvalue())
    assert not (tmp_path / "whole" / "images").exists()
    export(SAMPLES, tmp_path / "split", ExportSettings(form="llava", choice=HALF), Finder(images), {})
    sides = [image_ids(json.loads((tmp_path / "split" / f"{name}.json").read_bytes())) for name in HALF.splits]
    assert sides[0].isdisjoint(sides[1])
    assert len(sides[0] | sides[1]) == N_IMAGES
    info = json.loads((tmp_path / "split" / "dataset_info.json").read_bytes())
    assert info["datagen_validation"]["file_name"] == "validation.json"
    assert info["datagen"]["columns"] == {"messages": "conversations", "images": "image"}


def test_a_split_without_rows_is_still_a_file_of_its_kind(images: Path, tmp_path: Path) -> None:
    only = [sample(n) for n in range(3)]
    export(
        only, tmp_path / "x", ExportSettings(form="llava", choice=RowChoice(validation_share=1e-9)), Finder(images), {}
    )
    assert json.loads((tmp_path / "x" / "validation.json").read_bytes()) == []


@pytest.mark.parametrize("how", ["copy", "link"])
def test_messages_hold_parts_and_pictures_that_are_there(how: str, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    export(SAMPLES, out, ExportSettings(form="messages", pictures=how), Finder(images), {})  # type: ignore[arg-type]
    rows = [json.loads(line) for line in (out / "train.jsonl").read_bytes().splitlines()]
    assert len(rows) == len(SAMPLES)
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 2
        parts = [part for message in row["messages"] for part in message["content"]]
        assert [part["type"] for part in parts].count("image") == len(row["images"]) == 1
        assert "<image>" not in json.dumps(row)
        path = out / row["images"][0]
        assert path.is_symlink() == (how == "link")
        assert path.read_bytes() == (images / path.name).read_bytes()


@pytest.mark.parametrize("how", ["copy", "leave"])
def test_swift_has_texts_with_a_tag_for_each_picture(how: str, images: Path, tmp_path: Path) -> None:
    tagged = replace(sample(1), sample_id="1-odd", turns=(Turn("Where is it?", "At <bbox>."),))
    settings = ExportSettings(form="swift", pictures=how)  # type: ignore[arg-type]
    exported = export([*SAMPLES, tagged], tmp_path / "s", settings, Finder(images), {})
    assert [(row["sample_id"], row["reason"]) for row in exported.left_out] == [("1-odd", "trainer_token")]
    rows = [json.loads(line) for line in (tmp_path / "s" / "train.jsonl").read_bytes().splitlines()]
    root = tmp_path / "s" if how == "copy" else images  # ROOT_IMAGE_DIR
    places = set()
    for row, of in zip(rows, SAMPLES, strict=True):
        assert row["id"] == of.sample_id
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"] * 2
        texts = [message["content"] for message in row["messages"]]
        assert "".join(texts).count("<image>") == len(row["images"]) == 1
        said = [text.replace("<image>", "") for text in texts]
        assert tuple(map(Turn, said[::2], said[1::2])) == of.turns
        assert (root / row["images"][0]).read_bytes() == (images / of.image).read_bytes()
        places.add(texts[0].startswith("<image>"))
    assert places == {True, False}


@pytest.mark.parametrize("how", ["copy", "leave"])
def test_internvl_has_sizes_and_a_description_of_its_file(how: str, images: Path, tmp_path: Path) -> None:
    tall = Image.new("RGB", (40, 90))
    tall.getexif()[0x0112] = 6  # to be turned, which InternVL does not
    tall.save(images / "tall.jpg", exif=tall.getexif())
    turned = replace(sample(90), image="tall.jpg")
    boxed = replace(sample(1), sample_id="1-odd", turns=(Turn("Where is it?", "At <box>[[1, 2, 3, 4]]</box>."),))
    settings = ExportSettings(form="internvl", choice=HALF, pictures=how)  # type: ignore[arg-type]
    out = tmp_path / "i"
    exported = export([*SAMPLES, turned, boxed], out, settings, Finder(images), {})
    assert [(row["sample_id"], row["reason"]) for row in exported.left_out] == [("1-odd", "trainer_token")]
    found = {}
    for split, name in (("train", "datagen"), ("validation", "datagen_validation")):
        meta = json.loads((out / f"{split}_meta.json").read_bytes())
        about = meta.pop(name)
        assert not meta and about.keys() == {"root", "annotation", "data_augment", "repeat_time", "length"}
        rows = [json.loads(line) for line in (out / about["annotation"]).read_bytes().splitlines()]
        assert len(rows) == about["length"] == exported.counts["rows"][split]
        for row in rows:
            with Image.open((out if how == "copy" else images) / about["root"] / row["image"]) as picture:
                assert picture.size == (row["width"], row["height"])
            said = [turn["value"].replace("<image>", "").strip() for turn in row["conversations"]]
            found[row["id"]] = tuple(map(Turn, said[::2], said[1::2]))
    assert found == {each.sample_id: each.turns for each in [*SAMPLES, turned]}


def test_openai_carries_the_picture_and_refuses_what_openai_refuses(images: Path, tmp_path: Path) -> None:
    (images / "big.png").write_bytes(b"\0" * 10_000_001)
    odd = [replace(sample(90), image="big.png"), sample(1)]
    exported = export(odd, tmp_path / "o", ExportSettings(form="openai"), Finder(images), {})
    assert [(row["sample_id"], row["reason"]) for row in exported.left_out] == [("90-conversation", "image_refused")]
    row = json.loads((tmp_path / "o" / "train.jsonl").read_bytes())
    (url,) = [part["image_url"]["url"] for part in row["messages"][0]["content"] if part["type"] == "image_url"]
    assert base64.b64decode(url.removeprefix("data:image/jpeg;base64,")) == (images / "001.jpg").read_bytes()


def test_parquet_holds_pixels_in_one_schema_and_is_cut_by_size(images: Path, tmp_path: Path) -> None:
    settings = ExportSettings(form="parquet", shard_bytes=30_000)
    export(SAMPLES, tmp_path / "p", settings, Finder(images), {})
    files = sorted((tmp_path / "p" / "data").iterdir())
    assert len(files) > 2
    assert files[0].name == "train-00000.parquet"
    tables = [pq.read_table(path) for path in files]
    assert len({table.schema.metadata[b"huggingface"] for table in tables}) == 1
    features = json.loads(tables[0].schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == tables[0].column_names
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["id"] for row in rows] == [each.sample_id for each in SAMPLES]
    for row in rows:
        (picture,) = row["images"]
        assert picture["bytes"] == (images / picture["path"]).read_bytes()


@pytest.mark.parametrize(("form", "suffix"), [("PNG", ".png"), ("WEBP", ".webp"), ("GIF", ".gif"), ("JPEG", ".jpg")])
def test_the_name_in_parquet_is_that_of_the_content(form: str, suffix: str, tmp_path: Path) -> None:
    """Readers of Parquet take the media type from it."""
    images = tmp_path / "images"
    (images / "b").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(images / "001.jpg", form)
    Image.new("RGB", (8, 8)).save(images / "b" / "none", form)
    odd = [sample(1), replace(sample(90), image="b/none")]
    export(odd, tmp_path / "p", ExportSettings(form="parquet"), Finder(images), {})
    rows = pq.read_table(tmp_path / "p" / "data" / "train-00000.parquet").to_pylist()
    assert [row["images"][0]["path"] for row in rows] == [f"001{suffix}", f"b/none{suffix}"]


def test_shards_pair_picture_and_record_under_sorted_names(images: Path, tmp_path: Path) -> None:
    settings = ExportSettings(form="webdataset", shard_bytes=50_000)
    strange = replace(sample(1), sample_id="1-odd", image="picture.json")  # would take the name of its record
    (images / "picture.json").write_bytes((images / "001.jpg").read_bytes())
    export([*SAMPLES, strange], tmp_path / "w", settings, Finder(images), {})
    shards = sorted((tmp_path / "w").glob("train-*.tar"))
    assert len(shards) > 1
    ids = []
    for shard in shards:
        assert shard.stat().st_size < 50_000 + 20_000  # tar pads its end to a record of 10 KiB
        with tarfile.open(shard) as tar:
            members = tar.getmembers()
            assert [member.name for member in members] == sorted({member.name for member in members})
            assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}
            for picture, about in zip(members[::2], members[1::2], strict=True):
                assert picture.name.removesuffix(".jpg") == about.name.removesuffix(".json")
                record = json.load(tar.extractfile(about))  # type: ignore[arg-type]
                assert tar.extractfile(picture).read() == (images / record["image"]).read_bytes()
                ids.append(record["id"])
    assert ids == [each.sample_id for each in SAMPLES] + ["1-odd"]


def test_rows_that_train_to_nothing_are_named_and_left_out(images: Path, tmp_path: Path) -> None:
    broken = [
        replace(sample(1), sample_id="a", turns=()),
        replace(sample(1), sample_id="b", turns=(Turn("What?", "It ends.</s>"),)),
        replace(sample(1), sample_id="c", image="none.jpg"),
        replace(sample(1), sample_id="d", status="rejected"),
        sample(2),
        sample(3, licence="CC-BY-NC-2.0"),
    ]
    settings = ExportSettings(form="llava", choice=RowChoice(licences=("cc-by",)))
    exported = export(broken, tmp_path / "x", settings, Finder(images), {})
    reasons = [(row["sample_id"], row["reason"]) for row in exported.left_out]
    assert reasons == [("a", "no_answer"), ("b", "trainer_token"), ("c", "image_missing")]
    rows = {"rows": {"train": 1}, "licences": {"CC-BY-2.0": 1}}
    assert exported.counts == {"accepted": 5, "other_licence": 1, "left_out": 3, **rows}
    manifest = json.loads((tmp_path / "x" / "manifest.json").read_bytes())
    assert manifest["left_out"] == exported.left_out
    assert [row["id"] for row in json.loads((tmp_path / "x" / "train.json").read_bytes())] == ["2-conversation"]


@pytest.mark.parametrize(
    ("samples", "choice", "sentence"),
    [
        ([], RowChoice(), "nothing to export"),
        ([sample(1)], RowChoice(licences=("cc0",)), "there is CC-BY-2.0"),
        ([replace(sample(1), image="none.jpg")], RowChoice(), "none.jpg does not exist"),
    ],
)
def test_nothing_to_write_is_one_sentence(
    samples: list[Sample], choice: RowChoice, sentence: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=sentence):
        export(samples, tmp_path / "x", ExportSettings(form="llava", choice=choice), Finder(images), {})
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_else_is_never_touched(images: Path, tmp_path: Path) -> None:
    out, settings = tmp_path / "x", ExportSettings(form="messages")
    out.mkdir()
    export(SAMPLES, out, settings, Finder(images), {})  # an empty folder is taken
    before = content(out)
    export(SAMPLES, out, settings, Finder(images), {})  # the same again changes nothing
    with pytest.raises(ExportError, match="another export"):
        export(SAMPLES[:5], out, settings, Finder(images), {})
    assert content(out) == before
    (out / "manifest.json").unlink()
    with pytest.raises(ExportError, match="no export of datagen's"):
        export(SAMPLES, out, settings, Finder(images), {})


def test_samples_are_streamed(images: Path, tmp_path: Path) -> None:
    written: list[int] = []

    def endless() -> Iterator[Sample]:
        for n in range(20):
            written.append(sum(path.stat().st_size for path in tmp_path.rglob("*.tar")))
            yield sample(n)

    settings = ExportSettings(form="webdataset", shard_bytes=5_000)
    export(endless(), tmp_path / "x", settings, Finder(images), {})
    assert written[10] > 10_000


@pytest.mark.parametrize(
    ("form", "is_taken"),
    [("JPEG", True), ("PNG", True), ("WEBP", True), ("GIF", True), ("BMP", False), ("TIFF", False)],
)
def test_media_types_are_those_of_the_content(tmp_path: Path, form: str, is_taken: bool) -> None:
    Image.effect_noise((64, 48), 20).save(tmp_path / "000.jpg", form)
    Image.effect_noise((64, 48), 20).save(tmp_path / "001.jpg")
    export(SAMPLES[:4], tmp_path / "o", ExportSettings(form="openai"), Finder(tmp_path), {})
    export(SAMPLES[:4], tmp_path / "w", ExportSettings(form="webdataset"), Finder(tmp_path), {})
    rows = [json.loads(line) for line in (tmp_path / "o" / "train.jsonl").read_text().splitlines()]
    urls = [part["image_url"]["url"] for row in rows for part in row["messages"][0]["content"] if "image_url" in part]
    assert len(urls) == (4 if is_taken else 2)
    for url in urls:
        head, data = url.split(",", 1)
        kind = Image.open(io.BytesIO(base64.b64decode(data))).format
        assert head == f"data:image/{(kind or '').lower()};base64"
    with tarfile.open(tmp_path / "w" / "train-000000.tar") as tar:
        names = [name for name in tar.getnames() if name.startswith("000000000.") and not name.endswith(".json")]
    assert names == ["000000000." + {"JPEG": "jpg", "TIFF": "tif"}.get(form, form.lower())]


def test_frames_that_move_are_not_taken_by_openai(tmp_path: Path) -> None:
    frames = [Image.effect_noise((64, 48), 20 + n) for n in range(3)]
    frames[0].save(tmp_path / "000.jpg", "GIF", save_all=True, append_images=frames[1:])
    photo = Image.effect_noise((64, 48), 20).convert("RGB")
    photo.save(tmp_path / "001.jpg", "MPO", save_all=True, append_images=[photo])  # as cameras write
    done = export(SAMPLES[:4], tmp_path / "o", ExportSettings(form="openai"), Finder(tmp_path), {})
    assert [row["reason"] for row in done.left_out] == ["image_refused"] * 2
    assert "data:image/jpeg" in (tmp_path / "o" / "train.jsonl").read_text()


READ_BY_TRAINERS = frozenset(
    # ms-swift's standard columns, those that TRL, Unsloth and Axolotl look for, and LLaVA's, Qwen's and InternVL's
    "query response messages rejected_response label channel margin images videos audios tools objects positive_messages "
    "negative_messages rejected_messages chat_template_kwargs image video audio conversations prompt completion chosen "
    "rejected text input_ids labels attention_mask assistant_masks id width height width_list height_list data_path".split()
)
"""By their pages on custom datasets and their loaders, as of 2026-11-30."""


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("llava", {"id", "image", "conversations"}),  # Qwen-VL's finetune reads the last two
        ("internvl", {"id", "image", "width", "height", "conversations"}),
        ("messages", {"id", "images", "messages"}),  # TRL, Unsloth and Axolotl the last two
        ("swift", {"id", "images", "messages"}),
    ],
)
def test_what_stands_beside_a_conversation_is_nothing_that_trainers_read(
    form: str, read: set[str], images: Path, tmp_path: Path
) -> None:
    export(SAMPLES, tmp_path / "x", ExportSettings(form=form), Finder(images), {})
    (path,) = (one for one in (tmp_path / "x").glob("train.json*") if "meta" not in one.name)
    text = path.read_text()
    rows = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    for row in rows:
        assert read <= row.keys() and READ_BY_TRAINERS.isdisjoint(row.keys() - read)
        assert {type(value) for value in row["verdicts"]} == {str}  # a column of one type, for Arrow


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_tells_a_changed_file(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    names = ["1.jpg", "two words.jpg", "line\nend.jpg", "ü\\n.jpg"]
    for name in names:
        Image.new("RGB", (8, 8)).save(images / name, "JPEG")
    samples = [replace(sample(n), image=name) for n, name in enumerate(names)]
    settings = ExportSettings(form="llava", pictures="copy")
    out = tmp_path / "x"
    exported = export(samples, out, settings, lambda name: images / name, {})
    assert exported.counts["rows"] == {"train": len(names)}

    def check() -> subprocess.CompletedProcess[str]:
        command = ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"]
        return subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)

    assert check().returncode == 0, check().stderr
    (out / "images" / "two words.jpg").write_bytes(b"other")
    told = check()
    assert told.returncode == 1 and "two words.jpg: FAILED" in told.stdout
