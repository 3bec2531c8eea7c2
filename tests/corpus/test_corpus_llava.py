"""LLaVA datasets made elsewhere: read a block at a time, indexed by image, every fault of the file in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles

from datagen.config import CorpusSettings
from datagen.corpus import llava_dataset as module
from datagen.corpus import load_corpus, load_dataset
from datagen.corpus.llava_dataset import read_records
from datagen.errors import CorpusError
from datagen.words import COCO_CATEGORIES


def record(image: object = "000000000001.jpg", *values: str, **more: object) -> dict[str, Any]:
    texts = values or ("<image>\nWhat is it?", "A dog.")
    roles = ("human", "gpt")
    turns = [{"from": roles[n % 2], "value": text} for n, text in enumerate(texts)]
    return {"id": "1", "image": image, "conversations": turns, **more}


def write(path: Path, records: object, indent: int | None = None) -> CorpusSettings:
    path.write_text(json.dumps(records, indent=indent), encoding="utf-8")
    return CorpusSettings(dataset=str(path))


@pytest.mark.parametrize("block", [1, 7, 64, 1000, 4_000_000])
@pytest.mark.parametrize("form", ["array", "indented", "lines", "bom"])
def test_every_block_size_gives_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, form: str
) -> None:
    records = [record(f"{n}.jpg", '<image> "},{" [\\ ' + str(n), "]}, {", extra=[1.5, None]) for n in range(9)]
    path = tmp_path / "d.json"
    text = json.dumps(records, indent=2 if form == "indented" else None, ensure_ascii=False)
    if form == "lines":
        text = "\n".join(json.dumps(one) for one in records) + "\n\n"
    path.write_text(text, encoding="utf-8-sig" if form == "bom" else "utf-8")
    monkeypatch.setattr(module, "_BLOCK_CHARS", block)
    assert [value for value, _ in read_records(path)] == records


def test_images_come_in_order_of_appearance_and_their_records_together(tmp_path: Path) -> None:
    names = ["000000000012.jpg", "b/7.png", "000000000012.jpg", "c/7.jpg", "cat.jpg"]
    settings = write(tmp_path / "d.json", [record(name, "<image>?", f"{n}") for n, name in enumerate(names)])
    found = load_dataset(settings)
    assert [(image.image_id, image.file_name) for image in found.corpus.images] == [
        ("12", "000000000012.jpg"), ("7", "b/7.png"), ("c_7", "c/7.jpg"), ("cat", "cat.jpg"),
    ]  # fmt: skip
    assert [(one.image, one.number) for one in found.records] == [(0, 1), (0, 2), (1, 1), (2, 1), (3, 1)]
    assert len({one.digest for one in found.records}) == 5
    assert found.corpus.categories == COCO_CATEGORIES
    assert len(COCO_CATEGORIES) == 80
    assert load_corpus(settings).images == found.corpus.images


def test_a_digest_is_of_the_content_not_of_the_layout(tmp_path: Path) -> None:
    records = [record(), record("2.jpg", "<image>é?", "😀")]
    plain = load_dataset(write(tmp_path / "a.json", records))
    indented = load_dataset(write(tmp_path / "b.json", records, indent=4))
    assert plain.records == indented.records


def test_records_without_one_image_stay_at_the_end(tmp_path: Path) -> None:
    odd = [record(None), record(["a.jpg", "b.jpg"]), record([]), record(7), {"id": 5, "conversations": []}]
    settings = write(tmp_path / "d.json", [record(), *odd, record(["000000000001.jpg"])])
    found = load_dataset(settings)
    assert [one.image for one in found.records] == [0, 0, *[-1] * 5]
    reasons = [one.fault[0] for one in found.records if one.fault]
    assert reasons == ["no_image_named", "several_images", *["no_image_named"] * 3]
    assert found.records[2].fault == ("no_image_named", "record 2 ('1') names no image")


def test_a_limit_counts_images(tmp_path: Path) -> None:
    records = [record(f"{n % 3}.jpg", "<image>?", f"{n}") for n in range(9)]
    path = tmp_path / "d.json"
    write(path, records)
    found = load_dataset(CorpusSettings(dataset=str(path), limit=2))
    assert (len(found.corpus.images), len(found.records)) == (2, 6)


def test_annotations_are_found_by_name_or_number(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    names = ["000000000001.jpg", "train/000000000002.jpg", "a/COCO_train2014_000000000003.jpg", "000000000099.jpg"]
    path = tmp_path / "d.json"
    write(path, [record(name) for name in names])
    settings = CorpusSettings(
        dataset=str(path), captions=(str(corpus_files.captions),), instances=(str(corpus_files.instances),)
    )
    found = load_dataset(settings).corpus
    assert [(image.image_id, image.file_name) for image in found.images] == [
        ("1", names[0]), ("2", names[1]), ("COCO_train2014_000000000003", names[2]), ("99", names[3]),
    ]  # fmt: skip
    assert [len(image.captions) for image in found.images] == [2, 2, 2, 0]
    assert [image.licence is not None for image in found.images] == [True, True, True, False]
    assert "kite" in found.categories and len(found.categories) == 6


def test_a_bare_number_is_no_name_of_cocos(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    names = ["vg/VG_100K/1.jpg", "gqa/images/2.jpg", "ocr/0003.jpg", "coco/train2017/000000000004.jpg"]
    names += ["a/000000000005.jpg", "b/000000000005.jpg"]  # one of them, but which?
    write(path := tmp_path / "d.json", [record(name) for name in names])
    found = load_dataset(CorpusSettings(dataset=str(path), captions=(str(corpus_files.captions),))).corpus
    assert [bool(image.captions) for image in found.images] == [False, False, False, True, False, False]
    assert [finding.kind for finding in found.findings] == ["picture_ambiguous"] * 2


def test_folders_tell_pictures_of_one_name_apart(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{folder}/1.jpg"} for n, folder in enumerate("ab")]
    rows = [{"image_id": n, "caption": f"Folder {folder}."} for n, folder in enumerate("ab")]
    (tmp_path / "c.json").write_text(json.dumps({"images": images, "annotations": rows}))
    write(path := tmp_path / "d.json", [record(name) for name in ("x/b/1.jpg", "c/1.jpg", "1.jpg")])
    found = load_dataset(CorpusSettings(dataset=str(path), captions=(str(tmp_path / "c.json"),))).corpus
    assert [image.captions for image in found.images] == [("Folder b.",), (), ()]


def test_lists_end_to_end_are_read_and_other_things_behind_them_told(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    one, two = (json.dumps([record(f"{n}.jpg"), record(f"{n}b.jpg")]) for n in (1, 2))
    path.write_text(f"{one}\n{two}\n")
    assert len([*read_records(path)]) == 4
    path.write_text(f"{one}\n{two[1:-1]}")
    with pytest.raises(CorpusError, match="goes on behind its list, after 2 records"):
        list(read_records(path))


SOUND = [json.dumps(record(f"{n}.jpg")) for n in range(4)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": x}', "line 3 is not JSON (expecting value near '{\"id\": x}')"),
        (SOUND[0][:60], "line 3 ends in the middle; left out"),  # cut by whoever wrote it, as others follow
        ('{"conversations": [', "line 3 ends in the middle"),
        ("5", "line 3 is '5', not an object"),
        ("<<<<<<< HEAD", "line 3 is not JSON ("),
        ('{"a":' * 100_000, "line 3: brackets are nested hundreds deep"),
        (SOUND[0] + "}", "line 3 is not JSON ("),
    ],
)
def test_a_broken_line_costs_itself(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join([SOUND[1], "", line, SOUND[2], SOUND[3]]) + "\n")
    found = load_dataset(CorpusSettings(dataset=str(path)))
    assert [image.file_name for image in found.corpus.images] == ["1.jpg", "2.jpg", "3.jpg"]
    (finding,) = found.corpus.findings
    assert finding.kind == "record_unreadable" and finding.detail.startswith(f"d.jsonl: {told}")
    assert finding.detail.endswith("; left out")
    first = tmp_path / "first.jsonl"
    first.write_text("\n".join([line, *SOUND]))
    assert len(load_dataset(CorpusSettings(dataset=str(first))).corpus.findings) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SOUND[0], "x", "y"], "2 of 3 lines are no records: line 2 is not JSON"),
        ([SOUND[0], SOUND[1], SOUND[2][:40]], "ends in the middle, after 2 whole records"),
        (["[", SOUND[0], "x"], "is not JSON in record 1|goes on|is not JSON in record 2"),
    ],
)
def test_most_broken_lines_or_a_cut_end_stop_it(tmp_path: Path, lines: list[str], said: str) -> None:
    (path := tmp_path / "d.jsonl").write_text("\n".join(lines))
    with pytest.raises(CorpusError, match=said):
        load_dataset(CorpusSettings(dataset=str(path)))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ('{"id": x}', "record 2 is not JSON (expecting value near"),
        (SOUND[0].replace('"value": "', '"value": ', 1), "record 2 is not JSON ("),  # a quote that is missing
        (SOUND[0].replace('"}, {', "}, {", 1), "record 2 is not JSON ("),  # turns meet like records
        (SOUND[0].replace("}]", "]", 1), "record 2 is not JSON ("),
        ("<<<<<<< HEAD {}", "record 2 is not JSON ("),
    ],
)
@pytest.mark.parametrize("indent", [", ", " ,\n  "])
def test_a_broken_record_of_a_list_costs_itself(tmp_path: Path, broken: str, told: str, indent: str) -> None:
    (path := tmp_path / "d.json").write_text(f"[{indent.join([SOUND[1], broken, SOUND[2], SOUND[3]])}]\n")
    found = load_dataset(CorpusSettings(dataset=str(path)))
    assert [image.file_name for image in found.corpus.images] == ["1.jpg", "2.jpg", "3.jpg"]
    (finding,) = found.corpus.findings
    assert finding.kind == "record_unreadable" and finding.detail.startswith(f"d.json: {told}")
    for order in ([broken, *SOUND[1:]], [*SOUND[1:], broken]):
        path.write_text(f"[{indent.join(order)}]")
        found = load_dataset(CorpusSettings(dataset=str(path)))
        assert len(found.corpus.images) == 3 and len(found.corpus.findings) == 1


@pytest.mark.parametrize("n_chars", [20, 45, 60, 100])
def test_a_list_that_is_cut_is_no_list_with_a_broken_record(tmp_path: Path, n_chars: int) -> None:
    (path := tmp_path / "d.json").write_text(f"[{', '.join(SOUND)}]"[:-n_chars])
    with pytest.raises(CorpusError, match=r"ends in the middle, after [23] whole records"):
        load_dataset(CorpusSettings(dataset=str(path)))


def test_records_over_several_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    rows = [record(f"{n}.jpg") for n in range(3)]
    spread = [json.dumps(one).replace('[{"from"', '[\n{"from"').replace('"}]', '"}\n]') for one in rows]
    for texts in (spread, [json.dumps(one, indent=2) for one in rows]):
        path.write_text("\n".join(texts))
        assert [one for one, _ in read_records(path)] == rows


def test_odd_names_and_numbers_cost_themselves(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    rows = [
        record("a\ud83d.jpg"),
        record(".."),
        record("a/.."),
        record("/"),
        record("a.jpg"),
        record(None, id="\ud83d"),
    ]
    path.write_text(json.dumps(rows).replace('"id": "1"', '"id": ' + "9" * 5000))
    found = load_dataset(CorpusSettings(dataset=str(path)))
    assert len({image.image_id for image in found.corpus.images}) == 4
    assert [one.fault is None for one in found.records] == [True] * 4 + [False] * 2
    assert all(one.fault is None or one.fault[1].encode() for one in found.records)


def test_a_limit_does_not_hide_annotations(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    path = tmp_path / "d.json"
    write(path, [record("000000000006.jpg"), record("000000000005.jpg")])
    settings = CorpusSettings(dataset=str(path), captions=(str(corpus_files.captions),), limit=1)
    (image,) = load_dataset(settings).corpus.images
    assert len(image.captions) == 2


def test_half_of_a_surrogate_pair_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(json.dumps([record("1.jpg", "<image>?", "x")]).replace('"x"', '"\\ud83d", "n": NaN'))
    (one,) = load_dataset(CorpusSettings(dataset=str(path))).records
    assert one.image == 0


FAULTS = {
    "missing": (None, r"no such dataset file\. "),
    "empty": ("", "is empty. A LLaVA dataset is a JSON array"),
    "blank": (" \n", "is empty"),
    "no records": ("[]", "is an empty list"),
    "cut in a record": ('[{"conversations": []}, {"id": "1", "image": "a', "ends in the middle, after 1 whole records"),
    "cut between": ('[{"conversations": []},', "ends in the middle, after 1 whole records"),
    "cut at once": ('{"conversations": [', "ends in the middle, after 0 whole records"),
    "not json": (
        '[{"id": x}, {"id": y}]',
        r"1 of 1 records are no records: record 1 is not JSON \(expecting value near",
    ),
    "text": ("id,image\n1,2", r"is not JSON in record 1"),
    "list of texts": ('["a", "b"]', "record 1 is 'a', not an object"),
    "later text": ('[{"conversations": []}, 5]', "record 2 is '5', not an object"),
    "coco": ('{"images": [], "annotations": []}', "looks like a COCO file; give it to --captions"),
    "the Cauldron": ('[{"images": ["1.jpg"], "texts": [{"user": "a"}]}]', "its first record holds 'images', 'texts'"),
    "pairs": ('[{"prompt": [], "chosen": []}]', "pairs of answers, for preferences"),
    "pairs with pictures": ('{"images": ["a"], "prompt": [], "chosen": [], "rejected": []}', "pairs of answers"),
    "pairs of LLaMA-Factory": ('[{"images": ["a"], "conversations": [], "chosen": {}}]', "pairs of answers"),
    "samples": ('{"sample_id": "1-a", "turns": [], "status": "accepted"}', "of which its dataset.json has"),
    "alpaca": ('[{"instruction": "a", "input": "", "output": "b"}]', "holds 'instruction' and 'output'"),
    "pope": ('[{"question_id": 1, "text": "?"}]', "questions that measure a model"),
    "claims": ('[{"sample_id": "1-a", "verdict": "unknown"}]', "holds claims, and no conversations"),
    "other keys": ('[{"question": "a"}]', "its first record holds 'question'"),
    "deep": ("[" + '{"a":' * 100_000, "nested hundreds deep|ends in the middle"),
}


@pytest.mark.parametrize(("content", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "d.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=said) as caught:
        list(read_records(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text_are_said(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    for content, said in (
        (b"\x1f\x8b..", "compressed with gzip"),
        (b"\xff\xfe[", "UTF-16"),
        (b'[{"a": "\xff"}]', "not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=said):
            list(read_records(path))
    (tmp_path / "d.jsonl").write_text("{}")
    with pytest.raises(CorpusError, match=r"is a folder; name the file in it, as it holds .* in .json and in .jsonl"):
        list(read_records(tmp_path))
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match=r"no \.json, \.jsonl, \.parquet or \.tar file"):
        list(read_records(tmp_path / "none"))


def test_a_record_that_never_ends_is_not_read_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_CHARS", 100)
    monkeypatch.setattr(module, "MAX_RECORD_CHARS", 1000)
    path = tmp_path / "d.json"
    path.write_text('[{"conversations": "' + "x" * 100_000)
    with pytest.raises(CorpusError, match="ends in the middle, after 0 whole records"):
        list(read_records(path))
