"""Columns give the records they were made of, whole or in part."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from datagen.corpus.images import AnnotatedImages, columns_of
from datagen.records import AnnotatedImage, Box

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
BOXES = st.builds(
    Box, st.sampled_from(["dog", "hot dog", "été"]), st.tuples(*[st.floats(0, 1)] * 4), st.floats(0, 1), st.booleans()
)
IMAGES = st.lists(
    st.builds(
        AnnotatedImage,
        WORDS,
        WORDS,
        st.integers(0, 10_000_000),
        st.integers(0, 10_000_000),
        st.lists(WORDS, max_size=3).map(tuple),
        st.lists(BOXES, max_size=3).map(tuple),
        st.none() | st.sampled_from(["CC-BY-2.0", "other"]),
    ),
    max_size=6,
)


def image(number: int) -> AnnotatedImage:
    captions = tuple(f"caption {k} of {number} ü" for k in range(number % 3))
    boxes = tuple(Box("dog", (0.0, 0.1 * k, 0.5, 1.0), 0.25, k == 1) for k in range(number % 4))
    return AnnotatedImage(str(number), f"{number}.jpg", 10, 20, captions, boxes, None if number % 2 else "CC0-1.0")


MANY = [image(number) for number in range(600)]  # more than are made in one go
LAZY = AnnotatedImages(columns_of(MANY))


@settings(max_examples=100, deadline=None)
@given(IMAGES, st.data())
def test_it_is_a_sequence_like_any_other(images: list[AnnotatedImage], data: st.DataObject) -> None:
    lazy = AnnotatedImages(columns_of(images))
    chosen = data.draw(st.slices(len(images)))
    assert len(lazy) == len(images)
    assert list(lazy) == images == [lazy[n] for n in range(len(images))]
    assert list(lazy[chosen]) == images[chosen] == [lazy[chosen][n] for n in range(len(images[chosen]))]
    assert list(pickle.loads(pickle.dumps(lazy[chosen]))) == images[chosen]
    assert list(reversed(lazy)) == images[::-1]


def test_who_drew_the_boxes_stays_with_each_image() -> None:
    drawn = replace(MANY[3], absent=(), unfinished=("dog",), by_detector=True)
    written = replace(MANY[8], by_captioner=True)
    images = [
        MANY[2],
        drawn,
        replace(drawn, by_captioner=True),
        written,
        replace(MANY[5], absent=("dog",), unfinished=()),
    ]
    assert [*AnnotatedImages(columns_of(images))] == images


def test_it_is_walked_as_often_as_wanted() -> None:
    assert [*LAZY] == MANY == [*LAZY]
    assert LAZY == MANY
    assert AnnotatedImages(columns_of(MANY)) == LAZY
    assert LAZY[1:] != MANY
    assert LAZY[::2] != MANY[1::2]
    assert LAZY != "text"
    assert repr(LAZY[5:7]) == "<2 annotated images>"


def test_slices_of_slices_are_views() -> None:
    assert [*LAZY[10:500][5:-5:3]] == MANY[10:500][5:-5:3]
    assert LAZY[-1] == MANY[-1] == LAZY[::-1][0]
    assert [*LAZY[9:3]] == []
    with pytest.raises(IndexError):
        LAZY[600]
    with pytest.raises(IndexError):
        LAZY[3:5][2]


def test_a_pickle_holds_what_is_in_view() -> None:
    assert len(pickle.dumps(LAZY[100:110])) * 20 < len(pickle.dumps(LAZY))
    assert [*pickle.loads(pickle.dumps(LAZY[599:600]))] == MANY[599:]
    assert [*pickle.loads(pickle.dumps(LAZY[::-7]))] == MANY[::-7]


def test_a_pickles_arrays_can_travel_apart() -> None:
    buffers: list[pickle.PickleBuffer] = []
    small = pickle.dumps(LAZY, protocol=5, buffer_callback=buffers.append)
    assert len(small) * 10 < sum(len(buffer.raw()) for buffer in buffers)
    assert pickle.loads(small, buffers=buffers) == MANY
