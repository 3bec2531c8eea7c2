"""However a run is split, its shards merge into the bytes of one run: random corpora, replies, settings and shards."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import CATEGORIES, CorpusFiles, make_corpus
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from oracle import Oracle

import datagen
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import Here, run_local
from datagen.engines.plugs import Plugs
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards, run_shard
from datagen.records import Decision, Reply, Request
from datagen.review import turns_digest
from datagen.store import add_decision
from datagen.store.shards import Shard, shard_folders
from datagen.validator.protocol import Abilities

DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "run.yaml")
QUESTIONS = ("What stands out here?", "How does the scene feel?", "What is the mood of it?", "Is there a dog here?")
LONG = "It all feels calm and bright and rather warm than cold with a quiet mood over the whole of the lawn"
ANSWERS = (
    f"{LONG} today.",
    f"{LONG} this morning.",  # a near copy
    "Yes, there is a dog on the left.",
    "No, there is no dog here.",
    "There are two cups to the right of the dog.",
    "There are three cups.",
    "I am sorry, but I cannot see the image.",
    "A person stands near a kite while a cat sleeps on a chair beside some cups.",
)
REPLIES = ("", "no turns at all", f"{LONG}, as the caption says.")


class Inventor:
    """A teacher that says what its seed makes of a request: often what it says elsewhere too."""

    name, n_at_once = "inventor", 3

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def answer(self, request: Request) -> Reply:
        rng = random.Random(f"{self._seed} {request.digest}")
        about = request.digest, request.image.image_id, request.response_type, self.name
        if rng.random() < 0.1:
            return Reply(*about, "", error="refused", detail="it would not")
        if rng.random() < 0.1:
            return Reply(*about, rng.choice(REPLIES))
        if request.response_type == "description":
            return Reply(*about, rng.choice(ANSWERS[:2]) + " " + rng.choice(ANSWERS))
        turns = rng.randint(1, 3) if request.response_type == "conversation" else 1
        pairs = [f"Question:\n{rng.choice(QUESTIONS)}\n===\nAnswer:\n{rng.choice(ANSWERS)}" for _ in range(turns)]
        return Reply(*about, "\n===\n".join(pairs))

    def stop(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Place(Here):
    """This machine, with a validator of the test's own."""

    def __init__(self, oracle: Oracle | None) -> None:
        self._oracle = oracle

    def open_validator(self, settings: Settings, n_together: int = 1) -> Oracle:
        assert self._oracle is not None
        return self._oracle


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    """Eight pictures that open, and one that does not."""
    files = make_corpus(tmp_path_factory.mktemp("pictures"), n_images=9)
    (files.images / f"{9:012}.jpg").write_bytes(b"no picture")
    return files


def write_corpus(pictures: CorpusFiles, folder: Path, rng: random.Random) -> dict[str, Any]:
    """Some of the pictures, in any order, each with some of its captions and boxes."""
    captions, boxes = (json.loads(path.read_bytes()) for path in (pictures.captions, pictures.instances))
    shown = rng.sample(captions["images"], rng.randint(1, len(captions["images"])))
    ids = {image["id"] for image in shown}
    for told in (captions, boxes):
        kept = [row for row in told["annotations"] if row["image_id"] in ids and rng.random() < 0.8]
        told |= {"images": shown, "annotations": kept}
    (folder / "captions.json").write_text(json.dumps(captions))
    (folder / "instances.json").write_text(json.dumps(boxes))
    return {
        "captions": [str(folder / "captions.json")],
        "instances": [str(folder / "instances.json")],
        "images": str(pictures.images),
    }


def decide(run: datagen.Run, rng: random.Random) -> Iterator[Decision]:
    """Something about some of the samples."""
    for sample in run.iter_samples():
        if rng.random() < 0.4:
            verb = rng.choice(("accept", "reject", "correct"))
            turns = (("What is it?", "There is a dog."),) if verb == "correct" else ()
            yield Decision(sample.sample_id, sample.image_id, verb, turns_digest(sample.turns), turns)  # type: ignore[arg-type]


def assert_same(one: Path, other: Path) -> None:
    for name in (*DERIVED, "calibration.jsonl"):
        assert (one / name).exists() == (other / name).exists(), name
        assert not (one / name).exists() or (one / name).read_bytes() == (other / name).read_bytes(), name


kinds = st.fixed_dictionaries(
    {
        "types": st.sampled_from((["conversation"], ["description", "conversation"], ["reasoning", "conversation"])),
        "rng_seed": st.integers(0, 3),
        "checks.contradicted": st.sampled_from(("cut", "keep")),
        "dedup.threshold": st.sampled_from((0.5, 0.8, 1.0)),
        "balance.yes_share": st.sampled_from((None, 0.5)),
        "balance.max_share_per_kind": st.sampled_from((None, 0.4)),
        "validator.name": st.sampled_from(("none", "oracle")),
        "validator.calibration_images": st.sampled_from((3, 400)),
    }
)


@examples(
    max_examples=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # making a failing run smaller takes minutes and helps little
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(  # one picture with nothing told of it, and no turn about it
    seed=1589,
    chosen={
        "types": ["conversation"],
        "rng_seed": 2,
        "checks.contradicted": "cut",
        "dedup.threshold": 1.0,
        "balance.yes_share": None,
        "balance.max_share_per_kind": 0.4,
        "validator.name": "oracle",
        "validator.calibration_images": 400,
    },
    count=5,
    is_blind=True,
)
@given(seed=st.integers(0, 2**32), chosen=kinds, count=st.integers(1, 11), is_blind=st.booleans())
def test_any_split_gives_the_bytes_of_one_run(
    pictures: CorpusFiles, seed: int, chosen: dict[str, Any], count: int, is_blind: bool
) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder, oracle = Path(name), None
        settings = load_settings(None, {**chosen, "corpus": write_corpus(pictures, folder, rng)})
        corpus = load_corpus(settings.corpus)
        if settings.validator.name != "none":
            abilities, blind_to = Abilities(texts=True, blanks=True), QUESTIONS[0] if is_blind else None
            oracle = Oracle(corpus.images, CATEGORIES, abilities, blind_to)
        finish_one = partial(
            run_local, settings, folder / "one", Silence(), Place(oracle),
            plugs=Plugs(teacher=Inventor(seed)),
        )  # fmt: skip
        finish_one()
        numbers = rng.sample(range(1, count + 1), count)
        for number in numbers:
            run_shard(
                settings, Shard(number, count), folder / "split", Silence(),
                open_teacher=lambda settings, budget: Inventor(seed), plugs=Plugs(validator=oracle),
            )  # fmt: skip
        merge = partial(merge_shards, settings, shard_folders(folder / "split"), folder / "split", Silence())
        merge()
        assert_same(folder / "one", folder / "split")
        for decision in list(decide(datagen.open_run(folder / "one"), rng)):
            for out in (folder / "one", folder / "split"):
                add_decision(out / "decisions.jsonl", decision)
        finish_one()
        merge()
        assert_same(folder / "one", folder / "split")
