import datetime

import pytest

from datagen.config import TeacherSettings
from datagen.endpoint.prices import Price, cost_of, price_of, price_source, spent_on
from datagen.errors import SettingsError
from datagen.records import Reply, Usage

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
    date = price_source("gpt-4.1", NONE).rpartition(" ")[2]
    assert datetime.date.fromisoformat(date) >= datetime.date(2026, 11, 1)
    price = price_of("gpt-4.1", NONE)
    assert 0 < price.cached <= price.input <= price.output


OWN = "date: 2026-12-24\nmodels:\n  llama-3: [1.0, 0.5, 4.0]\n  gpt-4o: [9.0, 9.0, 9.0]\n"


def test_a_table_of_ones_own_is_laid_over_the_bundled_one(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(OWN)
    settings = TeacherSettings(prices=str(file))
    assert price_of("llama-3", settings) == Price(1.0, 0.5, 4.0)
    assert price_of("gpt-4o", settings) == Price(9.0, 9.0, 9.0)
    assert price_of("gpt-4.1", settings) == price_of("gpt-4.1", NONE)
    assert price_source("llama-3", settings) == f"{file} of 2026-12-24"
    assert price_source("gpt-4.1", settings).startswith("the bundled table of 2026-")
    assert price_source("gpt-4.1", TeacherSettings(price_in_usd_per_mtok=1, price_out_usd_per_mtok=1)) == "the settings"
    assert price_source("unheard-of", NONE) == "nowhere"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read"),
        ("models: {m: [1, 1, 1]}", "date"),
        ("date: 2026-11-21\nmodels: {m: [1, 1]}", "expected"),
        ("date: 2026-11-21\nmodels: {m: [1, -1, 1]}", "expected"),
        ("date: 2026-11-21\nmodels: {}\nbatch_discount: 2", "batch_discount"),
        ("date: [", "expected"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path, text, told):
    file = tmp_path / "prices.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=told) as error:
        price_of("m", TeacherSettings(prices=str(file)))
    assert str(error.value).startswith(str(file))


def test_batches_cost_what_the_table_says(tmp_path):
    usage = Usage(1_000_000, 0, 1_000_000)
    assert cost_of(usage, "gpt-4o", TeacherSettings(batch=True)) == pytest.approx(12.5 / 2)
    file = tmp_path / "prices.yaml"
    file.write_text(OWN + "batch_discount: 0.25\n")
    assert cost_of(usage, "llama-3", TeacherSettings(batch=True, prices=str(file))) == pytest.approx(5.0 * 0.75)
    file.with_name("other.yaml").write_text(OWN)
    other = TeacherSettings(batch=True, prices=str(file.with_name("other.yaml")))
    assert cost_of(usage, "llama-3", other) == pytest.approx(5.0 / 2)


def test_what_was_spent_prices_replies_that_had_no_price():
    replies = [
        Reply("a", "1", "t", "gpt-4o", "x", usage=Usage(1_000_000, 0, 0), cost_usd=0.25),
        Reply("b", "1", "t", "gpt-4o", "x", usage=Usage(1_000_000, 0, 0)),
        Reply("c", "1", "t", "unheard-of", "x", usage=Usage(1_000_000, 0, 0)),
    ]
    assert spent_on(replies, NONE) == pytest.approx(0.25 + 2.5)
