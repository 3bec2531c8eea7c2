"""A picture is opened by the first start alone, and again when its file is another."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import CorpusFiles, make_corpus

from datagen.config import CorpusSettings
from datagen.corpus import Corpus, PictureChecker, load_corpus, pictures
from datagen.engines import inputs as module
from datagen.engines.inputs import SamplePlaces, check_pictures
from datagen.engines.progress import Silence


def test_samples_are_found_by_number_where_images_have_different_many() -> None:
    places = SamplePlaces(np.array([0, 2, 2, 3, 6, 6]))
    assert places.n_samples == 6
    assert [places.locate(number) for number in range(7)] == [(0, 0), (0, 1), (2, 0), (3, 0), (3, 1), (3, 2), (5, 0)]
    assert [places.count_of(image) for image in range(5)] == [2, 0, 1, 3, 0]
    assert places.first_of(3) == 3


class Told(Silence):
    """Hears which bars there were."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        self.tasks.append(task)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CorpusFiles:
    monkeypatch.setattr(module, "MIN_KEPT", 1)
    files = make_corpus(tmp_path / "corpus", n_images=6)
    (files.images / f"{3:012}.jpg").write_bytes(b"no picture")
    (files.images / f"{5:012}.jpg").unlink()
    return files


def corpus_of(files: CorpusFiles) -> Corpus:
    return load_corpus(CorpusSettings(captions=(str(files.captions),), instances=(str(files.instances),)))


def start(files: CorpusFiles, corpus: str = "corpus", **more: int) -> tuple[PictureChecker, Told, dict[str, str]]:
    """Check everything as one start of a run does, then ask for every picture."""
    checker = PictureChecker(CorpusSettings(images=str(files.images), **more))  # type: ignore[arg-type]
    told, images = Told(), corpus_of(files).images
    check_pictures(images, checker, files.images.parent / ".pictures.cache", corpus, told)
    found = {image.image_id: checker.check(image) for image in images}
    return checker, told, {image_id: fault[0] for image_id, fault in found.items() if fault is not None}


FAULTS = {"3": "image_unreadable", "5": "image_missing"}


def test_a_second_start_opens_only_what_it_has_to_explain(files: CorpusFiles) -> None:
    checker, told, faults = start(files)
    assert (checker.n_opened, told.tasks, faults) == (6, ["checking the pictures"], FAULTS)
    checker, told, faults = start(files)
    assert (checker.n_opened, told.tasks, faults) == (2, [], FAULTS)


def test_a_changed_picture_is_opened_again(files: CorpusFiles) -> None:
    start(files)
    good, third, second = (files.images / f"{n:012}.jpg" for n in (1, 3, 2))
    third.write_bytes(good.read_bytes())
    (files.images / f"{5:012}.jpg").write_bytes(good.read_bytes())
    good.write_bytes(good.read_bytes()[:200])
    os.utime(second, (1, 1))
    checker, _, faults = start(files)
    assert faults == {"1": "image_unreadable"}
    assert checker.n_opened == 4


def test_another_corpus_limit_or_folder_is_looked_at(files: CorpusFiles) -> None:
    start(files)
    checker, told, _ = start(files, "another corpus")
    assert (checker.n_opened, told.tasks) == (2, ["checking the pictures"])
    checker, _, faults = start(files, max_image_pixels=100)
    assert checker.n_opened == 6
    assert set(faults.values()) == {"image_too_large", "image_unreadable", "image_missing"}
    moved = files.images.rename(files.images.with_name("moved"))
    checker, _, _ = start(CorpusFiles(files.captions, files.instances, moved))
    assert checker.n_opened == 6


def test_a_start_that_was_killed_has_not_opened_in_vain(files: CorpusFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_EVERY", 2)

    class KilledError(Exception):
        pass

    class Killed(Told):
        def step(self, cost_usd: float | None = None, accepted: bool | None = None) -> None:
            self.tasks.append("")
            if len(self.tasks) > 4:
                raise KilledError

    checker, images = PictureChecker(CorpusSettings(images=str(files.images))), corpus_of(files).images
    with pytest.raises(KilledError):
        check_pictures(images, checker, files.images.parent / ".pictures.cache", "corpus", Killed())
    checker, told, faults = start(files)
    assert (told.tasks, faults) == (["checking the pictures"], FAULTS)
    assert checker.n_opened < 6


def test_a_damaged_file_is_nothing(files: CorpusFiles) -> None:
    start(files)
    cache = files.images.parent / ".pictures.cache"
    cache.write_bytes(cache.read_bytes()[:-1])
    assert start(files)[0].n_opened == 6


def test_more_faults_than_are_remembered_are_told_all_the_same(
    files: CorpusFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_MAX_FAULTS", 1)
    checker, _, faults = start(files)
    assert faults == FAULTS
    assert checker.n_opened > 6


def test_a_picture_mended_in_the_middle_of_a_start_stays_what_it_was(
    files: CorpusFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_MAX_FAULTS", 0)
    checker, _, _ = start(files)
    (files.images / f"{3:012}.jpg").write_bytes((files.images / f"{1:012}.jpg").read_bytes())
    checker._faults.clear()
    third = next(image for image in corpus_of(files).images if image.image_id == "3")
    fault = checker.check(third)
    assert fault is not None
    assert "while the run went on" in fault[1]
