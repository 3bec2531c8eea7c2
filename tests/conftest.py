"""A small corpus that most tests run on: six rendered pictures with captions and boxes."""

import gc
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may look for a hub
for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ.pop(variable, None)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process that a test starts compiles the package for 0.5 s
sys.dont_write_bytecode = False  # nor are the tests themselves compiled anew each time: 7 s of each worker
os.environ["OMP_NUM_THREADS"] = "1"  # threads of torch wait busily for each other: a third of the CPU of tiny models
os.fsync = lambda fd: None  # no test outlives a power cut; a run waits for the disk 14 times, 2 to 9 ms each

RESULTS = ("samples.jsonl", "dataset.json", "summary.json", "README.md")
CATEGORIES = ("person", "dog", "cat", "cup", "chair", "kite")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect tests without looking for garbage, then leave what was collected out of every later search.

    Modules and tests live to the end: going through them again and again is 3 of the 10 s of CPU that each worker collects
    for. Garbage that a test makes is still found, and with it a file that the test left open.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True)
class CorpusFiles:
    """Where a test's corpus stands."""

    captions: Path
    instances: Path
    images: Path

    @property
    def options(self) -> list[str]:
        return ["--captions", str(self.captions), "--instances", str(self.instances), "--images", str(self.images)]

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "corpus": {
                "captions": [str(self.captions)],
                "instances": [str(self.instances)],
                "images": str(self.images),
            }
        }


def make_corpus(folder: Path, n_images: int = 6) -> CorpusFiles:
    """Write COCO files and pictures: image n shows one dog on the left, n cups on the right, and a person."""
    from PIL import Image

    images, captions, boxes = [], [], []
    (folder / "images").mkdir(parents=True)
    for n in range(1, n_images + 1):
        name = f"{n:012}.jpg"
        picture = Image.new("RGB", (200, 100), (20 * n % 256, 90, 140))
        picture.paste((240, 200, 80), (10, 40, 60, 90))
        picture.save(folder / "images" / name, quality=80)
        images.append({"id": n, "file_name": name, "width": 200, "height": 100, "license": 1})
        texts = (
            f"A dog near {n} small cups on a lawn, scene number {n}.",
            f"a brown dog sits left of some cups {'by a fence ' * (n % 3)}in garden {n}",
        )
        captions += [{"id": 10 * n + k, "image_id": n, "caption": text} for k, text in enumerate(texts)]
        rows = (60, 73, 86, 47, 34, 21, 8)
        cups = [[110 + 14 * (k % 6) + k // 42, rows[k // 6 % 7], 10, 12] for k in range(n)]
        placed = [(2, [10, 40, 50, 50])] + [(4, cup) for cup in cups]
        placed += [(1, [70, 5, 20, 60])] if n % 2 else []
        boxes += [
            {"id": 100 * n + k, "image_id": n, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for k, (c, b) in enumerate(placed)
        ]
    licences = [{"id": 1, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}]
    categories = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, start=1)]
    shared = {"info": {}, "licenses": licences, "images": images}
    captions_file, instances_file = folder / "captions.json", folder / "instances.json"
    captions_file.write_text(json.dumps({**shared, "annotations": captions}))
    instances_file.write_text(json.dumps({**shared, "annotations": boxes, "categories": categories}))
    return CorpusFiles(captions_file, instances_file, folder / "images")


@pytest.fixture(scope="session")
def corpus_files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def finished(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over these files; not to be changed."""
    import datagen

    out = tmp_path_factory.mktemp("finished") / "run"
    datagen.run(corpus_files.settings, out)
    return out


class Terminal(io.StringIO):
    """A stream that somebody sees."""

    def isatty(self) -> bool:
        return True


def same(one: Path, other: Path, *names: str) -> None:
    """Two runs ended in the same bytes."""
    for name in names or (*RESULTS, "run.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def wait_for(found: Callable[[], Any], seconds: float = 120.0) -> Any:
    give_up = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    return answer


def make_shards(settings: Any, count: int, out: Path) -> None:
    from datagen.engines.progress import Silence
    from datagen.engines.run_shards import run_shard
    from datagen.store.shards import Shard

    for number in range(1, count + 1):
        run_shard(settings, Shard(number, count), out, Silence())
