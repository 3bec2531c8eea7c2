"""Prices: tokens of an answer become US dollars, by settings first, then a table of one's own, then the bundled one."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from datagen.config import Dollars, TeacherSettings
from datagen.errors import SettingsError
from datagen.records import Reply, Usage
from datagen.yaml_text import decode_yaml

# What may stand behind a family's name without changing its price: a date, "-0613", "-latest".
# Anything else ("-audio", "-pro") is another product, and an unknown price beats a wrong one.
_VERSION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest)")


class Tariff(Struct, frozen=True):
    """What the settings say of the price of a model that is no teacher.

    Attributes:
        prices: File of a price table that is laid over the bundled one.
        price_in_usd_per_mtok: Wins over every table, as do the next two.
        batch: By the Batch API, at its discount.
    """

    prices: str | None = None
    price_in_usd_per_mtok: float | None = None
    price_cached_usd_per_mtok: float | None = None
    price_out_usd_per_mtok: float | None = None
    batch: bool = False


PriceSettings = TeacherSettings | Tariff


class Price(Struct, frozen=True, array_like=True):
    """What a model's tokens cost, USD per million."""

    input: Dollars
    cached: Dollars
    output: Dollars


class PriceTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of prices.

    Attributes:
        date: The day they were put together.
        models: By the names of model families.
        batch_discount: Share of each price that the Batch API saves; None leaves it to the bundled table.
    """

    date: datetime.date
    models: dict[str, Price]
    batch_discount: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None


@cache
def _bundled() -> PriceTable:
    return msgspec.yaml.decode((files("datagen") / "data" / "prices.yaml").read_bytes(), type=PriceTable)


@cache
def _own(path: str) -> PriceTable:
    try:
        return decode_yaml(Path(path).read_bytes(), PriceTable)
    except OSError as error:
        raise SettingsError(f"{path}: the price table cannot be read ({error.strerror}).") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        told = " ".join(str(error).split())
        example = "'models: {my-model: [1.0, 0.5, 4.0]}' with input, cached and output USD per million tokens"
        raise SettingsError(f"{path}: {told}; expected 'date: 2026-11-21' and {example}.") from None


def _tables(settings: PriceSettings) -> tuple[PriceTable, ...]:
    return (_own(settings.prices), _bundled()) if settings.prices else (_bundled(),)


def price_source(model: str, settings: PriceSettings) -> str:
    """Say where a model's price comes from, and of which day it is.

    Raises:
        SettingsError: The settings name a price table that cannot be read.
    """
    if settings.price_in_usd_per_mtok is not None and settings.price_out_usd_per_mtok is not None:
        return "the settings"
    for table in _tables(settings):
        if _find(model, table) is not None:
            return f"{'the bundled table' if table is _bundled() else settings.prices} of {table.date}"
    return "nowhere"


def batch_share(settings: PriceSettings) -> float:
    """What a request costs, as a share of the list price: less than 1 by way of the Batch API."""
    if not settings.batch:
        return 1.0
    return 1.0 - next((t.batch_discount for t in _tables(settings) if t.batch_discount is not None), 0.0)


def price_of(model: str, settings: PriceSettings) -> Price | None:
    """Find what a model costs.

    Args:
        model: As the endpoint spells it; ``openai/`` before it, as routers write, is passed over.
        settings: Its prices win over the table's. An input price alone also holds for cached
            input, as the table's discount belongs to another seller.

    Returns:
        None when the input or output price is known from neither.
    """
    listed = _listed_price(model, settings)
    price_in, price_cached = settings.price_in_usd_per_mtok, settings.price_cached_usd_per_mtok
    price_out = settings.price_out_usd_per_mtok
    if price_cached is None:
        price_cached = price_in
    if listed is not None:
        price_in = listed.input if price_in is None else price_in
        price_cached = listed.cached if price_cached is None else price_cached
        price_out = listed.output if price_out is None else price_out
    if price_in is None or price_out is None:
        return None
    return Price(price_in, price_in if price_cached is None else price_cached, price_out)


def cost_of(usage: Usage, model: str, settings: PriceSettings) -> float | None:
    """Price a reply's tokens.

    Returns:
        US dollars, or None when the price is unknown.
    """
    price = price_of(model, settings)
    if price is None:
        return None
    n_cached = min(usage.n_cached_tokens, usage.n_prompt_tokens)  # some servers count the cache on top
    n_fresh = usage.n_prompt_tokens - n_cached
    usd = (n_fresh * price.input + n_cached * price.cached + usage.n_completion_tokens * price.output) / 1e6
    return usd * batch_share(settings)


def spent_on(replies: Iterable[Reply], settings: PriceSettings) -> float:
    """US dollars that stored replies cost; those stored while the price was unknown are priced now."""
    costs = (cost_of(r.usage, r.teacher, settings) if r.cost_usd is None else r.cost_usd for r in replies)
    return sum(usd for usd in costs if usd is not None)


def spent_in_all(priced_usd: float, unpriced: Mapping[str, Usage], settings: PriceSettings) -> float:
    """US dollars that replies cost, given as the sum of those that were priced and the others' tokens by teacher."""
    return priced_usd + sum(cost_of(usage, teacher, settings) or 0.0 for teacher, usage in unpriced.items())


def cost_parts(by: Mapping[str, float | None]) -> str:
    """Tell who cost what, such as ``teacher $1.2000, validator of unknown price``."""
    return ", ".join(f"{name} of unknown price" if usd is None else f"{name} ${usd:.4f}" for name, usd in by.items())


def _listed_price(model: str, settings: PriceSettings) -> Price | None:
    """The price in the first table that has one."""
    return next((price for price in (_find(model, table) for table in _tables(settings)) if price is not None), None)


def _find(model: str, table: PriceTable) -> Price | None:
    """The longest family name that the model's name is, or is a dated version of."""
    name = model.removeprefix("openai/")
    models = table.models
    families = [f for f in models if name == f or (name.startswith(f) and _VERSION.fullmatch(name, len(f)))]
    return models[max(families, key=len)] if families else None
