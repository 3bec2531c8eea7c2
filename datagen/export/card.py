"""The dataset card: what a dataset was made from, how, with what result, and what it is not good for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from datagen.config import Settings, validator_labels
from datagen.endpoint.prices import cost_parts
from datagen.errors import visible
from datagen.hallucination_rate import Coverage, HallucinationRate
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
        "## Source\n\n" + _source(settings, source) + _omissions(summary),
        "## Licences of the images\n\n" + _licences(summary),
        "## Result\n\n" + _result(summary),
        "## Limits\n\n" + _limits(settings, summary),
    ]  # fmt: skip
    return "\n".join(sections)


def _header(settings: Settings, summary: Summary) -> str:
    size = size_category(summary.accepted)
    tags = "\n".join(f"- {name}" for name in ("llava", "visual-instruction-tuning", *settings.types))
    return (
        "---\ntask_categories:\n- image-text-to-text\nlanguage:\n"
        f"- {settings.language}\nsize_categories:\n- {size}\ntags:\n{tags}\n---\n"
    )


_SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"), (float("inf"), "100M<n<1B"),
)  # fmt: skip


def size_category(n_rows: int) -> str:
    """The hub's name for a dataset of so many rows."""
    return next(name for limit, name in _SIZES if n_rows < limit)


def _what_it_is(settings: Settings, summary: Summary) -> str:
    return (
        f"{summary.accepted} samples with {summary.turns} question-answer turns, in LLaVA's JSON form "
        f"(`dataset.json`).{_lost(summary)} Every sample, accepted or rejected, stands in `samples.jsonl` with what "
        f"made it, what was cut off it, and why it fell.\n\n"
        f"| setting | value |\n|---|---|\n"
        f"| teacher | `{plain(settings.teacher.name)}` |\n"
        f"| response types | {', '.join(settings.types)} |\n"
        f"| context style | {settings.context.style} |\n"
        f"| validator | `{plain(', '.join(validator_labels(settings.validator.name)))}` |\n"
        f"| rng_seed | {settings.rng_seed} |\n" + _balance(summary.balance)
    )


def _lost(summary: Summary) -> str:
    """Tell how much of what the teacher wrote is not in the dataset, and how much of it is wrong."""
    counts, rates = summary.turn_counts, summary.hallucinations
    told = ""
    if counts is not None:
        told = (
            f" Of {counts.written} turns that the teacher wrote, {counts.cut} were cut off their samples and "
            f"{counts.rejected} more fell with {summary.rejected} rejected ones."
        )
    if rates is not None and rates.overall.claims.judged:
        told += f" Wrong: {rates.overall.claims.told('claims that captions or boxes decide')}."
    return told


def _balance(balance: Balance | None) -> str:
    if not balance:
        return ""
    asked = [("yes of yes and no", balance.yes_share.asked), ("largest kind", balance.largest_kind.asked)]
    told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in asked if share is not None)
    return f"| balance | {told}: {balance.turns_after} of {balance.turns_before} turns kept |\n"


def _source(settings: Settings, source: Sequence[tuple[str, str]]) -> str:
    lines = [f"- {plain(kind)}: `{plain(name)}`" for kind, name in source]
    if settings.corpus.limit is not None:
        lines.append(f"- the first {settings.corpus.limit} images only")
    return "\n".join(lines) + "\n"


def _omissions(summary: Summary) -> str:
    """What of the annotations is not in the dataset, as it could not be read or placed."""
    if not summary.omissions:
        return ""
    rows = [(kind, one.number, one.example) for kind, one in summary.omissions.items()]
    return "\nOf the annotations, left out or mended:\n\n" + _table(("what", "number", "the first"), rows)


def _licences(summary: Summary) -> str:
    return licence_table("samples", summary.licences) + (
        "\nThe licence of an image also binds what is made of it: filter by `provenance.licence` in `samples.jsonl`.\n"
    )


def licence_table(counted: str, licences: Mapping[str, int]) -> str:
    """A row a licence, with how much stands under it."""
    return _table(("licence", counted), licences.items())


def _result(summary: Summary) -> str:
    heads = ("response type", "samples accepted", "samples rejected", "turns kept", "turns cut", "turns rejected")
    by_type = [
        (name, fates.accepted, fates.rejected, *((of.kept, of.cut, of.rejected) if (of := fates.turns) else ("",) * 3))
        for name, fates in summary.by_type.items()
    ]
    text = _table(heads, by_type) + _hallucinations(summary) + _coverage(summary.coverage)
    fallen_as = {
        "Rejected samples": summary.rejected_by_stage,
        "Accepted samples that were shortened, from their first turn at fault on": summary.cut_by_stage,
    }
    for title, fallen in fallen_as.items():
        rows = [(stage, reason, n) for stage, reasons in fallen.items() for reason, n in reasons.items()]
        if rows:
            text += f"\n{title}:\n\n" + _table(("stage", "reason", "samples"), rows)
    if summary.calibration is not None and summary.calibration.share_wrong is not None:
        text += f"\nWrong turns before the validator's cuts, by its estimate: {summary.calibration.share_wrong}.\n"
    if summary.calibration is not None and summary.calibration.adds:
        text += "\nWhat each validator adds, on errors planted in images that fitted nothing:\n\n"
        text += _table(
            ("validator", "planted errors found with all", "by it alone", "without it", "it adds (95 %)",
             "correct turns doubted with it", "without it"),
            [
                (one.name if one.is_heeded else f"{one.name} (sees nothing, so it has no say)",
                 *(f"{100 * share:.1f} %" for share in (one.recall, one.recall_alone, one.recall_without)),
                 "{:.1f} % ({:.1f} to {:.1f} %)".format(*(100 * share for share in one.gain)),
                 *(f"{100 * share:.1f} %" for share in (one.clean_flagged, one.clean_flagged_without)))
                for one in summary.calibration.adds
            ],
        )  # fmt: skip
    if summary.repair:
        text += f"\nRepaired by the teacher, which was told what spoke against a sentence: {summary.repair.told}.\n"
        if summary.repair.requests:
            text += f"This took {summary.repair.price}. Both versions stand in `samples.jsonl` under `repairs`.\n"
    if summary.judge:
        text += f"\nJudge over text `{plain(summary.judge.model)}`: {plain(summary.judge.told)}.\n"
    tokens = summary.tokens
    if tokens.prompt or tokens.completion or summary.cost_usd_by:
        cost = "unknown" if summary.cost_usd is None else f"{summary.cost_usd:.2f} USD"
        cost += f" ({cost_parts(summary.cost_usd_by)})" if summary.cost_usd_by else ""
        text += f"\n{tokens.prompt} prompt tokens, {tokens.completion} completion tokens, cost {cost}.\n"
    return text


def _hallucinations(summary: Summary) -> str:
    """How much of what the teacher wrote is wrong, kept or not: per teacher, response type and kind of claim."""
    rates = summary.hallucinations
    if rates is None:
        return ""
    groups = {"teacher": rates.by_teacher, "response type": rates.by_type, "claims of": rates.by_kind}
    rows = [(f"{of} {name}", *_rates(rate)) for of, named in groups.items() for name, rate in named.items()]
    if not rows:
        return ""
    return (
        "\nHow much of what the teacher wrote is wrong, whether it was kept, cut or rejected; 95 % intervals, with the "
        "image as cluster:\n\n" + _table(("", "contradicted by captions or boxes", "doubted by the validator"), rows)
    )


def _coverage(coverage: Coverage | None) -> str:
    """How many sentences captions and boxes could check: what the rates above speak of."""
    if coverage is None or not coverage.overall.sentences:
        return ""
    rows = [("all", coverage.overall), *coverage.by_type.items()]
    kinds = [(kind, one.claiming, one.decided) for kind, one in coverage.by_kind.items()]
    text = (
        f"\nChecked by captions or boxes: {coverage.overall.share(coverage.overall.decided)} of the "
        f"{coverage.overall.sentences} sentences that the teacher wrote, kept or not. The others may be as wrong.\n\n"
    )
    text += _table(
        ("sentences of", "number", "claim something", "more than that it is there", "checked"),
        [(name, one.sentences, *map(one.share, (one.claiming, one.beyond, one.decided))) for name, one in rows],
    )
    if kinds:
        text += "\n" + _table(("claims of", "sentences with one", "with a checked one"), kinds)
    for told, seen in (
        ("Claims that captions and boxes say nothing of, by sentences", coverage.silent),
        ("Words in sentences that hold no claim", coverage.unread),
    ):
        if seen:
            text += f"\n{told}: " + ", ".join(f"{_inert(name)} ({n})" for name, n in seen.items()) + ".\n"
    return text


def _rates(rate: HallucinationRate) -> tuple[str, str]:
    claims, turns = rate.claims, rate.turns
    return claims.told("claims") if claims.judged else "-", turns.told("turns") if turns.judged else "-"


def _limits(settings: Settings, summary: Summary) -> str:
    limits = [
        "The teacher saw captions and boxes, never the pixels: what annotators left out is not in the answers.",
        "The text is English, and no person has read every sample.",
    ]
    for kind, made in (("boxes_scored", "A detector drew boxes"), ("captions_by_model", "A model wrote captions")):
        if kind in (summary.omissions or {}):
            limits.append(
                f"{made} of its images, and nobody looked whether they are right: the teacher was told of them, and no "
                "claim is taken for proven or refuted by them alone."
            )
    if summary.planted:
        n_planted = sum(one.planted for one in summary.planted.values())
        n_missed = sum(one.missed for one in summary.planted.values())
        told = f"{n_planted} errors were planted into the teacher's replies to see what catches them"
        limits.append(f"{told}; {n_missed} of them are in the dataset: do not train on it.")
    if summary.claims and summary.claims.get("unknown"):
        n_claims = sum(summary.claims.values())
        limits.append(
            f"Of {n_claims} claims in it, {summary.claims['unknown']} could not be checked by captions or boxes."
        )
    if summary.claims and summary.claims.get("contradicted"):
        limits.append(f"{summary.claims['contradicted']} claims in it are contradicted by captions or boxes.")
    if settings.validator.name == "none":
        came = "; its verdicts came with the dataset" if summary.verdicts else ""
        limits.append(f"No validator looked at the pixels of this run{came}.")
    elif summary.verdicts.get("not judged"):
        limits.append(
            f"The validator did not judge {summary.verdicts['not judged']} of {summary.turns} turns"
            + (
                f": {plain(summary.calibration.why_not)}."
                if summary.calibration and summary.calibration.why_not
                else "."
            )
        )
    if summary.calibration and summary.calibration.judged and summary.calibration.basis == "all turns":
        limits.append(
            "No picture has captions or boxes, so the validator was calibrated on other pictures alone: it finds "
            "answers that are about something else, not single wrong words in them."
        )
    limits += map(_inert, summary.diversity.lacks if summary.diversity else ())
    return "\n".join(f"- {limit}" for limit in limits) + "\n"


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_inert(str(value)) for value in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def plain(text: str) -> str:
    """Keep a value from breaking out of its table cell or code span."""
    return "".join(" " if character in "|`<>\r\n" else character for character in visible(text))


_LIVE = re.compile(r"\][(\[:]|[*~$@&#\\]|://|www\.|(?<!\w)_|_(?!\w)")


def _inert(text: str) -> str:
    """A value among words: where it holds Markdown, such as a licence named as a link, it stands as code."""
    return f"`{plain(text)}`" if _LIVE.search(text) else plain(text)
