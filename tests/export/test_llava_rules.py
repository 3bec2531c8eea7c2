"""Whatever the proof lets through, LLaVA's trainer learns from in full: by the rules of the script on consumers."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datagen.export import record_fault

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "consumer_reads.py"
ODD = st.sampled_from(
    ["<image>", " ASSISTANT: ", "</s>", "USER: ", "\n", " ", "", "A dog.", "\u2028", "<s>", "ASSISTANT:"]
)
TEXT = st.lists(st.one_of(ODD, st.text(max_size=5)), max_size=4).map("".join)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("consumer_reads", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


trained_characters = load().trained_characters


def turns(*values: str, first: str = "human") -> list[dict[str, str]]:
    second = "gpt" if first == "human" else "human"
    return [{"from": (first, second)[n % 2], "value": value} for n, value in enumerate(values)]


def n_said(said: list[dict[str, str]]) -> int:
    return sum(len(turn["value"]) + len("</s>") for turn in said if turn["from"] == "gpt")


def test_a_good_row_is_trained_on_in_full() -> None:
    said = turns("<image>\nWhat is it?", "A dog.", "Where?", "On a lawn.")
    assert trained_characters(said) == n_said(said) == len("A dog.</s>On a lawn.</s>")
    assert record_fault({"conversations": said}) is None


@pytest.mark.parametrize(
    "said",
    [
        turns("What is it?", "A dog."),
        turns("What is it?", "A dog.", "<image>\nWhere?", "There."),
        turns("<image>\nWhat is it?", "An <image>."),
        turns("<image>\nWhat is it?", "A dog. ASSISTANT: And a cat."),
        turns("<image>\nWhat is it?", "A dog.</s> And a cat."),
        turns("<image>\nWhat is it?", "A dog.", "Where?"),
        turns("A dog.", "<image>\nWhat is it?", "A cat.", first="gpt"),
        [*turns("<image>\nWhat is it?"), *turns("Hm?", "A dog.")],
    ],
)
def test_what_it_would_mask_or_drop_is_never_written(said: list[dict[str, str]]) -> None:
    assert trained_characters(said) != n_said(said)
    assert record_fault({"conversations": said}) is not None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a test does not depend on timing
@given(st.lists(TEXT, min_size=2, max_size=6), st.booleans())
def test_no_text_gets_past_the_proof_and_is_masked(values: list[str], is_shown: bool) -> None:
    said = turns(*([f"<image>\n{values[0]}"] * is_shown + values[is_shown:]))
    if record_fault({"conversations": said}) is None:
        assert trained_characters(said) == n_said(said) > 0
