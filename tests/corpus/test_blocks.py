"""A file read in blocks says what it says whole, wherever the blocks end."""

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from datagen.corpus.coco import reader
from datagen.corpus.coco.broken_records import made_plain
from datagen.corpus.coco.reader import NotPlain, read_object

HOSTILE = [
    "}, {",
    "},{",
    '"}, {"id": 9, "caption": "',
    "\\",
    '\\"',
    '\\\\"}, {"',
    "]}",
    "[[[",
    "{{{",
    "é 漢字 🐘 \u2028",
    "\n  },\n  {\n",
    '], "annotations": [{',
    "",
]
TEXT = st.lists(
    st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=4
).map("".join)
SCALAR = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
ROWS = st.lists(st.dictionaries(TEXT | st.sampled_from(["id", "caption"]), VALUE, max_size=3), max_size=8)
TREE = st.dictionaries(TEXT, VALUE, max_size=3).flatmap(
    lambda others: st.fixed_dictionaries({"images": ROWS, "annotations": ROWS}).flatmap(
        lambda lists: st.permutations([*(others | lists).items()]).map(dict)
    )
)
STYLES = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, None, 0, 2, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\n", " : "), (", ", ": ")]),
        "ensure_ascii": st.booleans(),
    }
)


def read(text: bytes, block_bytes: int = 1 << 18) -> dict[str, Any]:
    """Put the pieces together again."""
    found: dict[str, list[Any]] = {"images": [], "annotations": []}
    rows = msgspec.json.Decoder(list[dict[str, Any]])
    lists = {key: (lambda piece, kept=kept: kept.extend(rows.decode(piece))) for key, kept in found.items()}
    values = read_object(io.BytesIO(text), lists, block_bytes)
    return {key: found[key] if key in found else msgspec.json.decode(value) for key, value in values.items()}


@settings(max_examples=150, deadline=None)
@given(TREE, STYLES, st.integers(1, 200))
@example({"images": [], "annotations": [{"caption": '\\"}, {"'}] * 9}, {"indent": 2}, 30)
def test_blocks_may_end_anywhere(tree: dict[str, Any], style: dict[str, Any], block_bytes: int) -> None:
    text = json.dumps(tree, **style).encode()
    found = read(text, block_bytes)
    assert found == tree == read(b"\xef\xbb\xbf \r\n" + text + b"\n\t ", block_bytes)
    assert [*found] == [*tree]


@settings(max_examples=100, deadline=None)
@given(TREE, st.data(), st.integers(1, 60))
def test_a_damaged_text_is_left_to_the_whole_decoder(
    tree: dict[str, Any], data: st.DataObject, block_bytes: int
) -> None:
    text = json.dumps(tree).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = (
        text[:at] + data.draw(st.sampled_from([b"", b"}", b"]", b",", b'"', b"\\", b"x", b"{", b"["])) + text[at + 1 :]
    )
    try:
        found = read(damaged, block_bytes)
    except NotPlain:
        return
    try:
        whole = msgspec.json.decode(damaged)
    except msgspec.DecodeError:  # half of a surrogate pair, NaN: mended with the row that has it
        whole = msgspec.json.decode(made_plain(damaged))
    assert found == whole


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"  ",
        b"3",
        b"[]",
        b"{",
        b"{} {}",
        b'{"a": 1} x',
        b'{"images": [}, "a": 1}',
        b'{"a": 1,}',
        b'{"a" 1}',
        b"{a: 1}",
        b'{"a": }',
        b'{"a": nul}',
        b'{"a": 01}',
        b'{"a": [1}',
        b'{"a": {"b": 1]}',
        b'{"a": 1 "b": 2}',
        b'{"a": 1, "a": 2}',
        b'{"annotations": {}}',
        b'{"annotations": null}',
        b'{"annotations": [1, 2]}',
        b'{"annotations": [{"id": 1},]}',
        b'{"annotations": [,{"id": 1}]}',
        b'{"annotations": [{"id": 1} {"id": 2}]}',
        b'{"annotations": [{"id": 1}, {"id": 2}',
        b'{"annotations": [{"id": 1}}',
        b'{"annotations": [{"id": "\xff"}]}',
        b'{"annotations": [{"id": 1}], "annotations": []}',
        b'{"' + b"k" * 9000 + b'": 1}',
        b'{"deep": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 7, 1 << 18])
def test_what_is_not_plain(text: bytes, block_bytes: int) -> None:
    with pytest.raises(NotPlain):
        read(text, block_bytes)


def test_an_object_without_end_is_not_gathered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_HELD_BYTES", 1000)
    row = {"caption": "x" * 900}
    assert read(json.dumps({"annotations": [row] * 9}).encode(), 64) == {"annotations": [row] * 9}
    with pytest.raises(NotPlain):
        read(json.dumps({"annotations": [{"caption": "x" * 5000}] * 9}).encode(), 64)
    with pytest.raises(NotPlain):
        read(json.dumps({"other": ["x" * 5000]}).encode(), 64)


def test_a_guess_that_fails_costs_one_more_look() -> None:
    """Captions that look like the ends of objects, in every block."""
    rows = [{"id": n, "caption": "}, {" * 50} for n in range(400)]
    taken: list[int] = []

    def take(piece: bytes) -> None:
        taken.append(len(piece))
        msgspec.json.decode(piece)

    text = json.dumps({"annotations": rows}).encode()
    read_object(io.BytesIO(text), {"annotations": take}, 8192)
    assert sum(taken) < 2.1 * len(text)


def test_values_keep_their_text() -> None:
    text = b'{"info": {"year": 2017, "odd": "]}"}, "version": 1.50, "none": null, "text": "a\\"}"}'
    assert read_object(io.BytesIO(text), {}) == {
        "info": Raw(b'{"year": 2017, "odd": "]}"}'),
        "version": Raw(b"1.50"),
        "none": Raw(b"null"),
        "text": Raw(b'"a\\"}"'),
    }
