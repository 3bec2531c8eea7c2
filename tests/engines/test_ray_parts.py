"""A start on a cluster plans what may be unsettled, when a worker is free for it, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer, error_answer

from datagen import pipeline
from datagen.config import Settings, load_settings
from datagen.engines import watermark as marks
from datagen.engines.inputs import Inputs
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.ray.parts import Part, Parts
from datagen.pipeline import plan_samples
from datagen.records import Reply
from datagen.store import ReplyStore, RunFolder

N_IMAGES = 20
TYPES = ["conversation", "description"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=N_IMAGES)


@pytest.fixture
def settings(files: CorpusFiles, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(marks, "LEAST_KEPT", 1)
    monkeypatch.setattr(marks, "N_TRIED", 0)
    return load_settings(None, {**files.settings, "types": TYPES, "teacher": {"name": "m"}, "ray": {"shards": 5}})


@pytest.fixture
def n_planned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Images whose requests were made."""
    seen: list[str] = []
    build = pipeline.build_request  # type: ignore[attr-defined]

    def watched(recipe: Any, image: Any, settings: Settings) -> Any:
        seen.append(image.image_id)
        return build(recipe, image, settings)

    monkeypatch.setattr(pipeline, "build_request", watched)
    return seen


@contextmanager
def opened(settings: Settings, out: Path) -> Iterator[tuple[Inputs, ReplyStore, Parts]]:
    out.mkdir(exist_ok=True)
    inputs = Inputs(settings, RunFolder(out), Silence())
    with closing(ReplyStore(inputs.folder.replies)) as replies:
        yield inputs, replies, Parts(inputs, replies, inputs.open_watermark(replies), n_workers=1)


def answer(inputs: Inputs, replies: ReplyStore, part: Part, *refused: str) -> list[int]:
    """Do a worker's work; give what is left."""
    images = [inputs.corpus.images[place] for place in part.places]
    left = []
    for n, item in enumerate(plan_samples(images, inputs.recipes, inputs.settings, inputs.pictures.check)):
        assert item.request is not None
        is_final = item.sample_id not in refused
        told = None if is_final else "server_error"
        replies.add(
            Reply(item.request.digest, item.image.image_id, item.recipe.name, "m", "x", error=told, is_final=is_final)
        )
        left += [] if is_final else [n]
    return left


def test_a_first_start_plans_nothing_here(settings: Settings, tmp_path: Path, n_planned: list[str]) -> None:
    with opened(settings, tmp_path) as (_, _, parts):
        found = list(parts)
        assert [place for part in found for place in part.places] == list(range(N_IMAGES))
        assert [len(part.places) for part in found] == [4] * 5
        assert sum(part.n_samples for part in found) == 40
    assert n_planned == []


def test_a_resume_plans_a_part_when_it_comes_and_nothing_behind_the_mark(
    settings: Settings, tmp_path: Path, n_planned: list[str]
) -> None:
    with opened(settings, tmp_path) as (inputs, replies, parts):
        for _ in range(3):
            part = next(parts)
            parts.done(part, answer(inputs, replies, part, "3-description", "12-conversation"))
        parts.watermark.keep()
        assert (parts.watermark.n_passed, parts.watermark.left) == (24, {5, 22})
    n_planned.clear()
    with opened(settings, tmp_path) as (inputs, replies, parts):
        first = next(parts)
        assert first.places == (2, 11)  # places of the two that were refused
        assert set(n_planned) == {"3", "12"}
        assert (first.n_samples, len(first.settled), parts.n_found) == (2, 2, 0)
        second = next(parts)
        assert set(n_planned) == {"3", "12", "13", "14"}
        assert (second.places, second.n_samples, second.settled) == ((12, 13), 4, frozenset())
        for part in (first, second, *parts):
            parts.done(part, answer(inputs, replies, part))
        parts.watermark.keep()
        assert (parts.watermark.n_passed, parts.watermark.left) == (40, set())
    n_planned.clear()
    with opened(settings, tmp_path) as (_, _, parts):
        assert list(parts) == []
    assert n_planned == []


def test_without_a_mark_what_is_stored_is_found_and_counted(settings: Settings, tmp_path: Path) -> None:
    with opened(settings, tmp_path) as (inputs, replies, parts):
        first, second, *_ = parts
        answer(inputs, replies, first)
        answer(inputs, replies, second, "7-description")
    with opened(settings, tmp_path) as (_, _, parts):
        found = list(parts)
        assert [place for part in found for place in part.places] == list(range(4, N_IMAGES))
        assert (found[0].n_samples, len(found[0].settled)) == (1, 7)
        assert parts.n_found == 15
        assert sum(part.n_samples for part in found) + parts.n_found == 40
        assert parts.watermark.n_passed == 8  # the part that was whole


def test_images_without_a_picture_are_looked_at_again(files: CorpusFiles, settings: Settings, tmp_path: Path) -> None:
    lost = files.images / f"{2:012}.jpg"
    kept = lost.read_bytes()
    lost.unlink()
    try:
        with opened(settings, tmp_path) as (inputs, _, parts):
            part = next(parts)
            assert parts.shard(part).faults.keys() == {"2"}
            parts.done(part, (2, 3))
            assert parts.watermark.left == {2, 3}
            del inputs
    finally:
        lost.write_bytes(kept)


def test_the_engines_hand_each_other_the_mark(settings: Settings, tmp_path: Path, files: CorpusFiles) -> None:
    def refuse(body: dict[str, Any], _: int) -> Any:
        is_it = "scene number 7" in str(body) and "===" in str(body["messages"][0])
        return error_answer(500, "busy") if is_it else None

    with LoopbackServer(intercept=refuse) as server:
        teacher = {"name": "m", "base_url": server.base_url, "max_attempts": 1}
        run_local(load_settings(None, {**files.settings, "types": TYPES, "teacher": teacher}), tmp_path, Silence())
    with opened(settings, tmp_path) as (_, _, parts):
        (part,) = parts
        assert (part.places, part.n_samples, len(part.settled)) == ((6,), 1, 1)
