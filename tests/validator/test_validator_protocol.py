"""Score keys: stable, and different for whatever can change a score."""

from __future__ import annotations

import subprocess
import sys

from msgspec.structs import replace
from tiny_checkpoints import TURNS

from datagen.records import Claim
from datagen.validator import Job, score_key, score_keys


def key(**changes: object) -> str:
    told = {
        "identity": "m",
        "sample_id": "1-c",
        "turns": TURNS,
        "turn_index": 1,
        "pixels": "own",
        "picture_name": "a.jpg",
    }
    return score_key(**{**told, **changes})


def test_key_is_the_same_on_every_machine() -> None:
    assert key() == "3653a522b34f7987b74c4c15172d2f4f"


def test_later_turns_and_validation_leave_the_key_alone() -> None:
    judged = tuple(
        replace(turn, validation={"verdict": "supported"}, claims=(Claim("count", "cup", 0, 1, "unknown", "x"),))
        for turn in TURNS
    )
    assert key() == key(turns=TURNS[:2]) == key(turns=judged)


def test_everything_that_changes_a_score_changes_the_key() -> None:
    earlier = (replace(TURNS[0], answer="A blue cup."), *TURNS[1:])
    asked = (TURNS[0], replace(TURNS[1], question="How many?"))
    keys = {
        key(),
        key(identity="n"),
        key(sample_id="2-c"),
        key(turns=earlier),
        key(turns=asked),
        key(turn_index=0),
        key(pixels="blank"),
        key(picture_name="b.jpg"),
    }
    assert len(keys) == 8


def test_score_keys_lists_every_turn_before_every_picture() -> None:
    assert len(set(score_keys("m", Job("1-c", TURNS, "a.jpg", "b.jpg")))) == 9
    assert len(set(score_keys("m", Job("1-c", TURNS, "a.jpg")))) == 6


def test_importing_the_room_loads_no_torch() -> None:
    code = "import sys, datagen.validator; print(sorted({'torch', 'transformers', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
