import datetime

import pytest

from datagen.config import TeacherSettings
from datagen.records import Usage
from datagen.teacher.prices import Price, cost_of, price_of, table_date

NONE = TeacherSettings()


def test_cost_counts_fresh_cached_and_completion_tokens_apart():
    usage = Usage(n_prompt_tokens=1_000_000, n_cached_tokens=400_000, n_completion_tokens=100_000)
    assert cost_of(usage, "gpt-4o", NONE) == pytest.approx(0.6 * 2.50 + 0.4 * 1.25 + 0.1 * 10.00)


def test_more_cached_than_prompt_tokens_never_gives_a_negative_cost():
    assert cost_of(Usage(10, 50, 0), "gpt-4o", NONE) == pytest.approx(10 * 1.25e-6)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4-0314", "gpt-4"),
        ("gpt-4.1-mini", "gpt-4.1-mini"),
        ("openai/gpt-4o", "gpt-4o"),
    ],
)
def test_dated_names_match_their_longest_family(model, family):
    assert price_of(model, NONE) == price_of(family, NONE) is not None


@pytest.mark.parametrize("model", ["llama-3", "gpt-4o-audio-preview", "gpt-4oo", "gpt-5-ultra", "gpt", "", "my-gpt-4o"])
def test_unknown_models_have_no_price(model):
    assert price_of(model, NONE) is None
    assert cost_of(Usage(1, 0, 1), model, NONE) is None


@pytest.mark.parametrize(
    ("settings", "model", "expected"),
    [
        ({"price_in_usd_per_mtok": 1.0, "price_out_usd_per_mtok": 2.0}, "llama-3", Price(1.0, 1.0, 2.0)),
        ({"price_in_usd_per_mtok": 1.0}, "llama-3", None),
        ({"price_out_usd_per_mtok": 1.0}, "llama-3", None),
        ({"price_in_usd_per_mtok": 0.0, "price_out_usd_per_mtok": 0.0}, "gpt-4o", Price(0.0, 0.0, 0.0)),
        ({"price_in_usd_per_mtok": 1.0}, "gpt-4o", Price(1.0, 1.0, 10.0)),
        ({"price_cached_usd_per_mtok": 0.5}, "gpt-4o", Price(2.5, 0.5, 10.0)),
        ({"price_out_usd_per_mtok": 9.0}, "gpt-4o", Price(2.5, 1.25, 9.0)),
    ],
)
def test_prices_of_the_settings_win(settings, model, expected):
    assert price_of(model, TeacherSettings(**settings)) == expected


def test_the_table_is_dated_and_its_prices_are_sane():
    assert table_date() >= datetime.date(2026, 11, 1)
    price = price_of("gpt-4.1", NONE)
    assert 0 < price.cached <= price.input <= price.output
