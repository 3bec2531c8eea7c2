"""Score keys: stable, and different for whatever can change a score."""

from __future__ import annotations

import subprocess
import sys

from datagen.validator import Look, Probe, Text, look_keys, score_key

TEXT = Text("What stands there?", "A red cup.")
PROBE = Probe("Is there a cup in the image?", ("Yes", "No"), "a cup")


def test_key_is_the_same_on_every_machine() -> None:
    assert score_key("m", Look("a.jpg", ()), TEXT) == "f9488aa88147f4749237fb5b375937d1"
    assert score_key("m", Look("a.jpg", (TEXT, PROBE)), TEXT) == "f9488aa88147f4749237fb5b375937d1"


def test_everything_that_changes_a_score_changes_the_key() -> None:
    look = Look("a.jpg", ())
    keys = [
        score_key("m", look, TEXT),
        score_key("n", look, TEXT),
        score_key("m", Look("b.jpg", ()), TEXT),
        score_key("m", Look("a.jpg", (), is_blank=True), TEXT),
        score_key("m", look, Text(TEXT.question, "A blue cup.")),
        score_key("m", look, Text("What lies there?", TEXT.answer)),
        score_key("m", look, PROBE),
        score_key("m", look, Probe(PROBE.question, ("No", "Yes"), "a cup")),
        score_key("m", look, Probe(PROBE.question, PROBE.answers, "the cup")),
    ]
    assert len(set(keys)) == len(keys)


def test_look_keys_lists_every_item() -> None:
    look = Look("a.jpg", (TEXT, PROBE))
    assert list(look_keys("m", look)) == [score_key("m", look, TEXT), score_key("m", look, PROBE)]


def test_importing_the_room_loads_no_torch() -> None:
    code = "import sys, datagen.validator; print(sorted({'torch', 'transformers', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
