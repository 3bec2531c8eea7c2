"""Teachers that see: the request carries the picture, and one that cannot be read costs its own sample."""

import asyncio
import base64
import io
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer
from PIL import Image

import datagen
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.estimate import estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.show_pictures import Pictures, showing
from datagen.pipeline import plan_samples
from datagen.recipes import load_recipes
from datagen.teacher.function import FunctionTeacher

ANSWER = "Question:\nWhat is shown here?\n===\nAnswer:\nThe picture shows a calm scene with soft colors."


class Seen:
    """Keeps what the endpoint was sent."""

    def __init__(self) -> None:
        self.bodies: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()

    def __call__(self, body: Mapping[str, Any]) -> str:
        with self._lock:
            self.bodies.append(body)
        return ANSWER


def settings_for(files: CorpusFiles, url: str, **more: object) -> Settings:
    asked = {"teacher.name": "m", "teacher.base_url": url, "types": ["conversation"], "teacher.show_images": True}
    return load_settings(None, {**files.settings, **asked, "teacher.image_px": 64, "max_unreadable": None, **more})


def test_the_picture_stands_behind_the_context_and_as_large_as_wanted(
    tmp_path: Path, corpus_files: CorpusFiles
) -> None:
    seen = Seen()
    with LoopbackServer(reply=seen) as server:
        run_local(
            settings_for(corpus_files, server.base_url, **{"teacher.image_detail": "low"}), tmp_path / "run", Silence()
        )
    assert seen.bodies
    for body in seen.bodies:
        assert "examples whose images are not shown" in body["messages"][0]["content"]
        text, shown = body["messages"][-1]["content"]
        assert text["type"] == "text" and "Wanted: " in text["text"]
        assert shown["image_url"]["detail"] == "low"
        kind, _, data = shown["image_url"]["url"].partition(",")
        assert kind == "data:image/jpeg;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) == 64
        assert all(isinstance(message["content"], str) for message in body["messages"][:-1])


def test_a_resume_asks_nothing_twice_and_another_size_asks_anew(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    seen = Seen()
    with LoopbackServer(reply=seen) as server:
        settings = settings_for(corpus_files, server.base_url)
        run_local(settings, tmp_path / "run", Silence())
        n_asked = len(seen.bodies)
        before = (tmp_path / "run" / "samples.jsonl").read_bytes()
        (tmp_path / "run" / "samples.jsonl").unlink()
        run_local(settings, tmp_path / "run", Silence())
        assert len(seen.bodies) == n_asked
        assert (tmp_path / "run" / "samples.jsonl").read_bytes() == before
    digests = set()
    for changes in ({}, {"teacher.image_px": 128}, {"teacher.image_detail": "high"}, {"teacher.show_images": False}):
        varied = settings_for(corpus_files, "http://localhost:1/v1", **changes)
        (recipe,) = load_recipes(varied)
        image = load_corpus(varied.corpus).images[0]
        planned = next(plan_samples((image,), (recipe,), varied, lambda image: None))
        assert planned.request is not None
        digests.add(planned.request.digest)
    assert len(digests) == 4


def test_a_picture_that_breaks_off_costs_its_own_sample_and_is_looked_at_again(tmp_path: Path) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=3)
    broken = files.images / f"{2:012}.jpg"
    whole = broken.read_bytes()
    seen = Seen()
    with LoopbackServer(reply=seen) as server:
        settings = settings_for(files, server.base_url)
        broken.write_bytes(whole[: len(whole) // 2])
        run_local(settings, tmp_path / "run", Silence())
        run = datagen.open_run(tmp_path / "run")
        assert [one.reason for one in run.iter_samples() if one.image_id == "2"] == ["image_unreadable"]
        assert len(seen.bodies) == 2
        broken.write_bytes(whole)
        run_local(settings, tmp_path / "run", Silence())
        assert len(seen.bodies) == 3


def test_a_picture_that_is_gone_once_it_is_needed_costs_its_reply(tmp_path: Path) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=1)
    settings = settings_for(files, "http://localhost:1/v1")
    image = load_corpus(settings.corpus).images[0]
    request = next(plan_samples((image,), load_recipes(settings), settings, lambda image: None)).request
    assert request is not None
    (files.images / image.file_name).unlink()
    teacher = showing(FunctionTeacher(lambda request: "never", "m", None), settings)
    reply = asyncio.run(teacher.answer(request))
    assert (reply.error, reply.is_final, reply.text) == ("image_missing", False, "")


def test_the_estimate_counts_pictures(corpus_files: CorpusFiles) -> None:
    shown = estimate_run(settings_for(corpus_files, "http://localhost:1/v1", **{"teacher.image_px": 1024}))
    blind = estimate_run(settings_for(corpus_files, "http://localhost:1/v1", **{"teacher.show_images": False}))
    n_requests = shown.total.n_requests
    assert shown.total.n_picture / n_requests >= 255  # one tile at least
    assert shown.total.n_prompt - blind.total.n_prompt == pytest.approx(shown.total.n_picture, abs=100 * n_requests)


def test_a_request_that_shows_nothing_stays_as_it_is(corpus_files: CorpusFiles) -> None:
    settings = settings_for(corpus_files, "http://localhost:1/v1", **{"teacher.show_images": False})
    (recipe,) = load_recipes(settings)
    image = load_corpus(settings.corpus).images[0]
    request = next(plan_samples((image,), (recipe,), settings, lambda image: None)).request
    assert request is not None
    assert Pictures(settings).put_in(request) is request
    json.dumps([message.content for message in request.messages])
