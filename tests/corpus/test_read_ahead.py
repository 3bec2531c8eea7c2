"""Reading ahead: the same pictures and the same failures, sooner, and never more than may wait."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from PIL import Image

from datagen.corpus import PictureError
from datagen.corpus.read_ahead import reading_ahead


class Shelf:
    """Pictures named by their width; "broken" is none. Counts who reads what."""

    def __init__(self) -> None:
        self.read_by: dict[str, list[str]] = {}
        self.started = threading.Semaphore(0)

    def read(self, name: str) -> Image.Image:
        self.read_by.setdefault(name, []).append(threading.current_thread().name)
        self.started.release()
        if name == "broken":
            raise PictureError("image_unreadable", "broken is no picture")
        return Image.new("RGB", (int(name), 1))


NAMES = [str(n) for n in range(1, 30)]


@pytest.mark.parametrize("n_threads", [0, 1, 4])
def test_pictures_come_in_the_order_they_are_asked_for(n_threads: int) -> None:
    shelf = Shelf()
    with reading_ahead(shelf.read, NAMES, n_threads=n_threads, n_ahead=5) as read:
        assert [read(name).width for name in NAMES] == list(range(1, 30))
    assert all(len(readers) == 1 for readers in shelf.read_by.values())
    is_main = {reader == threading.current_thread().name for readers in shelf.read_by.values() for reader in readers}
    assert is_main == {n_threads == 0}


def test_without_threads_it_is_the_reader_itself() -> None:
    shelf = Shelf()
    with reading_ahead(shelf.read, NAMES, n_threads=0) as read:
        assert read == shelf.read
    assert not shelf.read_by


def test_no_more_wait_than_may() -> None:
    shelf = Shelf()
    with reading_ahead(shelf.read, NAMES, n_threads=2, n_ahead=3) as read:
        for _ in range(3):
            shelf.started.acquire()
        assert len(shelf.read_by) == 3
        read("1")
        shelf.started.acquire()
        assert len(shelf.read_by) == 4


def test_failures_are_raised_in_their_turn() -> None:
    shelf = Shelf()
    with reading_ahead(shelf.read, ["1", "broken", "2"], n_threads=2) as read:
        assert read("1").width == 1
        with pytest.raises(PictureError, match="broken is no picture"):
            read("broken")
        assert read("2").width == 2


def test_pictures_may_be_passed_over_asked_again_or_unlisted() -> None:
    shelf = Shelf()
    with reading_ahead(shelf.read, NAMES, n_threads=1, n_ahead=4) as read:
        assert [read(name).width for name in ("3", "3", "10", "4", "99", "5")] == [3, 3, 10, 4, 99, 5]


def test_names_are_not_read_further_than_needed() -> None:
    def names() -> Any:
        yield from NAMES[:4]
        raise AssertionError

    with reading_ahead(Shelf().read, names(), n_threads=1, n_ahead=3) as read:
        read("1")
