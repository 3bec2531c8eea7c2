"""The token counter, held against counts that real vocabularies gave.

``recorded_tokens.json`` holds texts of this project (contexts of the demo corpus, system prompts, few-shot replies) and
a few in other languages, with their counts by o200k_base and cl100k_base (bpe-openai 0.1.4) and by the DeepSeek and
Claude vocabularies of litellm 1.109.1, recorded on 2026-11-21.
"""

import json
from pathlib import Path

import pytest

from datagen.endpoint.token_estimate import TOKENS_OF_JSON_SCHEMA, count_prompt, count_tokens, most_picture_tokens
from datagen.records import AnnotatedImage, Message, Request

RECORDED = json.loads((Path(__file__).parent / "recorded_tokens.json").read_text(encoding="utf-8"))["texts"]
ENGLISH = [row for row in RECORDED if row["text"].isascii()]
VOCABULARIES = ("o200k", "cl100k", "deepseek", "claude")


def test_there_is_much_to_hold_it_against():
    assert len(ENGLISH) > 30
    assert sum(row["o200k"] for row in ENGLISH) > 5000


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_all_together_are_within_a_tenth(vocabulary):
    estimated = sum(count_tokens(row["text"]) for row in ENGLISH)
    assert estimated == pytest.approx(sum(row[vocabulary] for row in ENGLISH), rel=0.05)


@pytest.mark.parametrize("row", ENGLISH, ids=lambda row: row["name"])
def test_each_is_within_a_tenth_of_openais(row):
    assert count_tokens(row["text"]) == pytest.approx(row["o200k"], rel=0.10)


@pytest.mark.parametrize("row", [row for row in RECORDED if not row["text"].isascii()], ids=lambda row: row["name"])
def test_other_languages_are_of_the_right_size(row):
    assert count_tokens(row["text"]) == pytest.approx(row["o200k"], rel=0.5)


def test_a_text_of_any_kind_has_tokens_and_none_has_none():
    assert count_tokens("") == 0
    for text in ("a", "7", "?", "\n", " ", "é", "狗", "🐕", "_", "\ud800"):
        assert 0.4 < count_tokens(text) < 2.5, text


def test_more_text_is_never_fewer_tokens():
    text = RECORDED[0]["text"]
    counts = [count_tokens(text[:n]) for n in range(0, len(text), 40)]
    assert counts == sorted(counts)


def test_the_messages_before_the_last_are_the_constant_part():
    messages = (
        Message("system", "Be brief."),
        Message("user", "a b c"),
        Message("assistant", "d"),
        Message("user", "e"),
    )
    image = AnnotatedImage("1", "1.jpg", 1, 1)
    text = Request("d", image, "t", "r", messages, 0.7, 10, "text")
    n_prompt, n_constant = count_prompt(text)
    assert n_constant == pytest.approx(sum(count_tokens(m.content) + 4 for m in messages[:-1]))
    assert n_prompt == pytest.approx(n_constant + count_tokens("e") + 4 + 3)
    as_json = Request("d", image, "t", "r", messages, 0.7, 10, "json")
    assert count_prompt(as_json)[0] == pytest.approx(n_prompt + TOKENS_OF_JSON_SCHEMA)


def test_a_picture_is_at_most_what_the_dearest_model_bills():
    assert most_picture_tokens(512, 512) == 2833 + 5667  # OpenAI's own example for gpt-4o-mini
    assert most_picture_tokens(1024, 1024) == 25_501
    assert most_picture_tokens(1, 1) == most_picture_tokens(512, 1) < most_picture_tokens(513, 1)
