"""Every record of the LLaVA form obeys what LLaVA's trainer expects."""

import io
import json

from datagen.export import llava_record, write_llava
from datagen.records import Provenance, Sample, Turn

PROVENANCE = Provenance("template", "r", "q", "s")


def sample(n: int, status: str = "accepted", n_turns: int = 2) -> Sample:
    turns = tuple(Turn(f"What is {k}?", f"It is {k} \u2014 \u00fc.") for k in range(n_turns))
    return Sample(f"{n}-conversation", str(n), f"{n:012}.jpg", "conversation", turns, status, PROVENANCE)  # type: ignore[arg-type]


def test_the_record_has_one_image_token_in_the_first_human_turn() -> None:
    places = set()
    for n in range(40):
        record = llava_record(sample(n), rng_seed=0)
        turns = record["conversations"]
        assert [turn["from"] for turn in turns] == ["human", "gpt", "human", "gpt"]
        assert sum(turn["value"].count("<image>") for turn in turns) == 1
        assert turns[0]["value"] in ("<image>\nWhat is 0?", "What is 0?\n<image>")
        places.add(turns[0]["value"].startswith("<image>"))
        assert record["id"] == f"{n}-conversation"
        assert record["image"] == f"{n:012}.jpg"
    assert places == {True, False}


def test_the_place_of_the_token_depends_on_the_sample_alone() -> None:
    assert llava_record(sample(7), 3) == llava_record(sample(7), 3)
    assert any(llava_record(sample(n), 0) != llava_record(sample(n), 1) for n in range(20))


def test_the_file_is_a_json_array_of_accepted_samples() -> None:
    file = io.BytesIO()
    n_written = write_llava([sample(1), sample(2, "rejected"), sample(3)], file, 0)
    assert n_written == 2
    assert [record["id"] for record in json.loads(file.getvalue())] == ["1-conversation", "3-conversation"]
    assert "\u2014 \u00fc".encode() in file.getvalue()


def test_no_sample_gives_an_empty_array() -> None:
    file = io.BytesIO()
    assert write_llava([], file, 0) == 0
    assert json.loads(file.getvalue()) == []
