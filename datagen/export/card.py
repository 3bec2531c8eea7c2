"""The dataset card: what a dataset was made from, how, with what result, and what it is not good for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from datagen.config import Settings
from datagen.endpoint.prices import cost_parts
from datagen.summary import Balance, Summary


def dataset_card(settings: Settings, summary: Summary, source: Sequence[tuple[str, str]]) -> str:
    """Write the ``README.md`` of a run, with the YAML header that the Hugging Face hub reads.

    Args:
        settings: The run's settings; only file names are told, never folders of this machine.
        summary: The content of ``summary.json``.
        source: What the images come from, as kinds and names; at least one.
    """
    sections = [
        _header(settings, summary),
        "# Visual-instruction dataset made with datagen\n",
        _what_it_is(settings, summary),
        "## Source\n\n" + _source(settings, source),
        "## Licences of the images\n\n" + _licences(summary),
        "## Result\n\n" + _result(summary),
        "## Limits\n\n" + _limits(settings, summary),
    ]  # fmt: skip
    return "\n".join(sections)


def _header(settings: Settings, summary: Summary) -> str:
    size = next(name for limit, name in _SIZES if summary.accepted < limit)
    tags = "\n".join(f"- {name}" for name in ("llava", "visual-instruction-tuning", *settings.types))
    return (
        "---\ntask_categories:\n- image-text-to-text\nlanguage:\n- en\n"
        f"size_categories:\n- {size}\ntags:\n{tags}\n---\n"
    )


_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"), (float("inf"), "100M<n<1B"),
)  # fmt: skip


def _what_it_is(settings: Settings, summary: Summary) -> str:
    return (
        f"{summary.accepted} samples with {summary.turns} question-answer turns, in LLaVA's JSON form "
        f"(`dataset.json`). Every sample, accepted or rejected, stands in `samples.jsonl` with what made it "
        f"and why it fell.\n\n"
        f"| setting | value |\n|---|---|\n"
        f"| teacher | `{_plain(settings.teacher.name)}` |\n"
        f"| response types | {', '.join(settings.types)} |\n"
        f"| context style | {settings.context.style} |\n"
        f"| validator | `{_plain(PurePath(settings.validator.name).name)}` |\n"
        f"| rng_seed | {settings.rng_seed} |\n" + _balance(summary.balance)
    )


def _balance(balance: Balance | None) -> str:
    if not balance:
        return ""
    asked = [("yes of yes and no", balance.yes_share.asked), ("largest kind", balance.largest_kind.asked)]
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in asked if share is not None)
    return f"| balance | {told}: {balance.turns_after} of {balance.turns_before} turns kept |\n"


def _source(settings: Settings, source: Sequence[tuple[str, str]]) -> str:
    lines = [f"- {_plain(kind)}: `{_plain(name)}`" for kind, name in source]
    if settings.corpus.limit is not None:
        lines.append(f"- the first {settings.corpus.limit} images only")
    return "\n".join(lines) + "\n"


def _licences(summary: Summary) -> str:
    return _table(("licence", "samples"), summary.licences.items()) + (
        "\nThe licence of an image also binds what is made of it: filter by `provenance.licence` in `samples.jsonl`.\n"
    )


def _result(summary: Summary) -> str:
    by_type = [(name, fates.accepted, fates.rejected) for name, fates in summary.by_type.items()]
    text = _table(("response type", "accepted", "rejected"), by_type)
    for title, fallen in (("Rejected", summary.rejected_by_stage), ("Turns cut off", summary.cut_by_stage)):
        rows = [(stage, reason, n) for stage, reasons in fallen.items() for reason, n in reasons.items()]
        if rows:
            text += f"\n{title}:\n\n" + _table(("stage", "reason", "number"), rows)
    tokens = summary.tokens
    if tokens.prompt or tokens.completion or summary.cost_usd_by:
        cost = "unknown" if summary.cost_usd is None else f"{summary.cost_usd:.2f} USD"
        cost += f" ({cost_parts(summary.cost_usd_by)})" if summary.cost_usd_by else ""
        text += f"\n{tokens.prompt} prompt tokens, {tokens.completion} completion tokens, cost {cost}.\n"
    return text


def _limits(settings: Settings, summary: Summary) -> str:
    limits = [
        "The teacher saw captions and boxes, never the pixels: what annotators left out is not in the answers.",
        "The text is English, and no person has read every sample.",
    ]
    if summary.planted:
        n_planted = sum(one.planted for one in summary.planted.values())
        n_missed = sum(one.missed for one in summary.planted.values())
        told = f"{n_planted} errors were planted into the teacher's replies to see what catches them"
        limits.append(f"{told}; {n_missed} of them are in the dataset: do not train on it.")
    if settings.validator.name == "none":
        limits.append("No validator looked at the pixels of this run.")
    elif summary.verdicts.get("not judged"):
        limits.append(
            f"The validator did not judge {summary.verdicts['not judged']} of {summary.turns} turns; "
            "its reason stands in `samples.jsonl`."
        )
    limits += map(_plain, summary.diversity.lacks if summary.diversity else ())
    return "\n".join(f"- {limit}" for limit in limits) + "\n"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_plain(str(value)) for value in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _plain(text: str) -> str:
    """Keep a value from breaking out of its table cell or code span."""
    return "".join(" " if character in "|`<>\r\n" else character for character in text)
