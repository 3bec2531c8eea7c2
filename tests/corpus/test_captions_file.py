"""Files of captions: each form is known by its beginning, and a faulty record costs itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, find_format, load_corpus, open_source
from datagen.corpus.captions_file import recognise_captions
from datagen.errors import CorpusError, SettingsError

LINES = "a b.jpg\tA dog.\n1.png\tA cat, asleep.\na b.jpg\tA brown dog.\n"
TABLE = 'image,caption\na b.jpg,A dog.\n1.png,"A cat, asleep."\na b.jpg,A brown dog.\n'
BARS = "image_name| comment_number| comment\na b.jpg| 0| A dog.\n1.png| 0| A cat, asleep.\na b.jpg| 1| A brown dog.\n"
WIDE = "id;Caption_1;filename;caption_2\n0;A dog.;a b.jpg;A brown dog.\n1;A cat, asleep.;1.png;\n"
ROWS = [
    {"file_name": "a b.jpg", "text": "A dog."},
    {"file_name": "1.png", "text": "A cat, asleep."},
    {"file_name": "a b.jpg", "text": "A brown dog."},
]
KARPATHY = {
    "images": [
        {"filename": "a b.jpg", "sentences": [{"raw": "A dog."}, {"raw": "A brown dog."}]},
        {"filename": "1.png", "sentences": [{"raw": "A cat, asleep."}], "cocoid": 1},
    ],
    "dataset": "mine",
}


def lines_of(rows: Sequence[Mapping[str, object]]) -> str:
    return "\n".join(map(json.dumps, rows))


FORMS = {
    "lines.txt": LINES,
    "commas.txt": LINES.replace("\t", ","),
    "flickr.token": LINES.replace("\t", "#0\t"),
    "table.csv": TABLE,
    "captions.txt": TABLE,
    "results.csv": BARS,
    "wide.csv": WIDE,
    "tabs.tsv": "path\ttext\n" + LINES,
    "metadata.jsonl": lines_of(ROWS),
    "lists.jsonl": lines_of([{"image": "a b.jpg", "captions": ["A dog.", "A brown dog."]}, {"image": "1.png", "captions": ["A cat, asleep."]}]),
    "dataset.json": json.dumps(KARPATHY),
}  # fmt: skip


def load(path: Path, content: str | bytes) -> Corpus:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    settings = CorpusSettings(path=str(path))
    assert find_format(settings).name == "captions"
    return load_corpus(settings)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("style", ["plain", "BOM and CRLF"])
def test_every_form_says_the_same(tmp_path: Path, name: str, style: str) -> None:
    content = FORMS[name] if style == "plain" else "\ufeff" + FORMS[name].replace("\n", "\r\n") + "\r\n"
    corpus = load(tmp_path / name, content)
    assert [(one.image_id, one.file_name, one.captions, one.boxes) for one in corpus.images] == [
        ("a b", "a b.jpg", ("A dog.", "A brown dog."), ()),
        ("1", "1.png", ("A cat, asleep.",), ()),
    ]
    assert (corpus.findings, corpus.refusal) == ((), None)
    assert "dog" in corpus.categories


@pytest.mark.parametrize("place", ["a b.jpg", "photos/a b.jpg", "archive/photos/a b.jpg"])
def test_pictures_are_found_beside_the_file(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).touch()
    for name in ("lines.txt", "dataset.json"):
        (tmp_path / name).write_text(FORMS[name])
        source = open_source(CorpusSettings(path=str(tmp_path / name)))
        assert source.pictures == str((tmp_path / place).parent)
    (tmp_path / place).unlink()
    assert open_source(CorpusSettings(path=str(tmp_path / "lines.txt"))).pictures is None


def test_a_folder_may_hold_just_one(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("Hm.")
    (tmp_path / "captions.csv").write_text(TABLE)
    assert open_source(CorpusSettings(path=str(tmp_path))).identity() == ("captions.csv",)
    (tmp_path / "more.csv").write_text(TABLE)
    with pytest.raises(SettingsError, match="is no corpus that is known"):
        open_source(CorpusSettings(path=str(tmp_path)))


def test_licences_and_folders_are_read(tmp_path: Path) -> None:
    table = "file_name,license,caption\n1.jpg,CC0-1.0,A dog.\n2.jpg,,A cat.\n"
    assert [one.licence for one in load(tmp_path / "a.csv", table).images] == ["CC0-1.0", None]
    tree = {"images": [{**KARPATHY["images"][0], "filepath": "val2014"}]}  # type: ignore[dict-item]
    assert load(tmp_path / "b.json", json.dumps(tree)).images[0].file_name == "val2014/a b.jpg"


MANY = "".join(f"{n}.jpg,A dog.\n" for n in range(9))
FAULTS: dict[str, tuple[str, str | bytes, str, str]] = {
    "no caption": ("a.txt", MANY + "x.jpg\n", "record_unreadable", "a.txt, line 10: holds no tab and no comma"),
    "empty caption": ("a.csv", f"image,caption\n{MANY}x.jpg,\n", "empty_caption", "a caption is empty"),
    "no name": ("a.csv", f"image,caption\n{MANY},A dog.\n", "record_unreadable", "line 11: names no picture"),
    "too few columns": ("a.csv", f"image,caption\n{MANY}x.jpg\n", "record_unreadable", "has 1 columns, the first line has 2"),
    "Latin-1 caption": ("a.csv", f"image,caption\n{MANY}x.jpg,A café.\n".encode("latin-1"), "caption_damaged", "letters"),
    "Latin-1 name": ("a.txt", f"{MANY}café.jpg,A cup.\n".encode("latin-1"), "record_unreadable", "no UTF-8"),
    "open quote": ("a.csv", f"image,caption\n{MANY}x.jpg,\"A {30 * MANY}", "record_unreadable", "is not closed for 270 lines"),
    "endless quote": ("a.csv", f"image,caption\n{MANY}x.jpg,\"{MANY * 2000}", "record_unreadable", "field larger than"),
    "no JSON": ("a.jsonl", lines_of(ROWS) + "\n{", "record_unreadable", "line 4: is no JSON object in UTF-8"),
    "no text": ("a.jsonl", lines_of([*ROWS, {"image": 1, "text": "A dog."}]), "record_unreadable", "is no text"),
    "other keys": ("a.jsonl", lines_of([*ROWS, {"id": 1}]), "record_unreadable", "with a caption, but id"),
    "no sentences": (
        "a.json", json.dumps({"images": [*KARPATHY["images"], {"filename": "x.jpg"}]}), "record_unreadable",  # type: ignore[misc]
        "a.json, images[2]: Object missing required field `sentences`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "kind", "said"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_record_costs_itself(tmp_path: Path, name: str, content: str | bytes, kind: str, said: str) -> None:
    corpus = load(tmp_path / name, content)
    first = corpus.findings[0]
    assert (first.kind, corpus.refusal) == (kind, None)
    assert said in first.detail
    assert all(one.captions for one in corpus.images if one.file_name != "x.jpg")


def test_commas_of_a_last_column_need_no_quotes(tmp_path: Path) -> None:
    corpus = load(tmp_path / "a.csv", "image,caption\n1.jpg,A dog, a cat, and a cup.\n")
    assert corpus.images[0].captions == ("A dog, a cat, and a cup.",)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"a\.csv: is UTF-16 text\. Save it as UTF-8"):
        load(tmp_path / "a.csv", TABLE.encode("utf-16"))
    with pytest.raises(CorpusError, match=r"a\.json: is no whole JSON object of 'images'"):
        load(tmp_path / "a.json", json.dumps(KARPATHY)[:-20])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "0 0.5 0.5 0.1 0.1\n"),
        ("a.txt", "images/1.jpg\nimages/2.jpg\nimages/3.jpg\n"),
        ("a.txt", ""),
        ("a.csv", "ImageID,LabelName\n1,/m/0\n"),
        ("a.json", '{"images": [], "annotations": []}'),
        ("a.jsonl", '{"file_name": "1.jpg", "captions": ["A dog."]}'),
        ("a.jsonl", "[1]"),
        ("a.md", LINES),
    ],
)
def test_what_is_none_is_left_to_others(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert not recognise_captions(tmp_path / name)
