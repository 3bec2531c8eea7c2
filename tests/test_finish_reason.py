"""Only known good ends are whole."""

import pytest

from datagen.finish_reason import end_of
from datagen.parsing import parse_reply


@pytest.mark.parametrize("word", [None, "", "stop", "STOP", "eos_token", "end_turn", "COMPLETE", "stop_sequence"])
def test_known_good_ends(word: str | None) -> None:
    assert end_of(word) == "whole"


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("length", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("model_length", "truncated"),
        ("other", "truncated"),
        ("tool_calls", "truncated"),
        ("never heard of", "truncated"),
        ("null", "truncated"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("error", "failed"),
        ("abort", "failed"),
        ("insufficient_system_resource", "failed"),
        ("network_error", "failed"),
    ],
)
def test_all_others_miss_their_end(word: str, end: str) -> None:
    assert end_of(word) == end
    parsed = parse_reply("Question:\nWhat is it?\n===\nAnswer:\nA dog is", "delimited", word)
    assert parsed.turns == () and parsed.drop is not None
