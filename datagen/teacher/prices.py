"""Turns the tokens of a reply into US dollars: settings first, then the bundled table of list prices."""

from __future__ import annotations

import datetime
import re
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from datagen.config import TeacherSettings
from datagen.records import Usage

# What may stand behind a family's name without changing its price: a date, "-0613", "-latest".
# Anything else ("-audio", "-pro") is another product, and an unknown price beats a wrong one.
_VERSION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|latest)")


class Price(Struct, frozen=True, array_like=True):
    """What a model's tokens cost, USD per million."""

    input: float
    cached: float
    output: float


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    date: datetime.date
    models: dict[str, Price]


@cache
def _table() -> _Table:
    return msgspec.yaml.decode((files("datagen") / "data" / "prices.yaml").read_bytes(), type=_Table)


def table_date() -> datetime.date:
    """The day the bundled prices were put together."""
    return _table().date


def price_of(model: str, settings: TeacherSettings) -> Price | None:
    """Find what a model costs.

    Args:
        model: As the endpoint spells it; ``openai/`` before it, as routers write, is passed over.
        settings: Its prices win over the table's. An input price alone also holds for cached
            input, as the table's discount belongs to another seller.

    Returns:
        None when the input or output price is known from neither.
    """
    listed = _listed_price(model)
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


def cost_of(usage: Usage, model: str, settings: TeacherSettings) -> float | None:
    """Price a reply's tokens.

    Returns:
        US dollars, or None when the price is unknown.
    """
    price = price_of(model, settings)
    if price is None:
        return None
    n_cached = min(usage.n_cached_tokens, usage.n_prompt_tokens)  # some servers count the cache on top
    n_fresh = usage.n_prompt_tokens - n_cached
    return (n_fresh * price.input + n_cached * price.cached + usage.n_completion_tokens * price.output) / 1e6


def _listed_price(model: str) -> Price | None:
    """The longest family name that the model's name is, or is a dated version of."""
    name = model.removeprefix("openai/")
    models = _table().models
    families = [f for f in models if name == f or (name.startswith(f) and _VERSION.fullmatch(name, len(f)))]
    return models[max(families, key=len)] if families else None
