"""From a finished run to one HTML page for a person to judge it by: no network, no script, any number of samples.

The summary gives the numbers, the samples are read once for examples, and the pictures of those few are made small and
carried in the page. Every string from a file or a model passes through Jinja's escaping or the card's.

Charts are inline SVG whose colours come from classes of ``report.css``, so that they follow the reader's light or dark
scheme. Bars stand in tables whose cells tell the same numbers, so they are hidden from screen readers; the other charts
carry their text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import jinja2
from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import asdict, astuple

from datagen.config import Settings, validator_labels
from datagen.corpus import identity_in
from datagen.errors import inert
from datagen.hallucination_rate import Hallucinations, Rate
from datagen.pipeline import STAGE_NAMES
from datagen.records import AnnotatedImage
from datagen.review import told_of
from datagen.summary import Calibration, KindReport, PlantedFates, Reasons, Summary
from datagen.view.sample_card import STYLE, Examples, ReadPicture, draw_groups

Point = tuple[float, float, float]
"""Stated probability, observed share, weight; each 0 to 1."""


def bar(*parts: tuple[float, str]) -> Markup:
    """Draw a bar of parts side by side.

    Args:
        parts: Share of the whole width, 0 to 1, and the class that colours it.
    """
    rects, left = "", 0.0
    for share, colour in parts:
        width = max(0.0, min(share, 1.0 - left)) * 100
        rects += f'<rect class="{escape(colour)}" x="{100 * left:.2f}" width="{width:.2f}" height="10"/>'
        left += width / 100
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="100" height="10"/>{rects}</svg>'
    )


def columns(numbers: Mapping[str, int], title: str) -> Markup:
    """Draw a histogram.

    Args:
        numbers: Height of each column by its label, left to right.
        title: What is counted; the numbers follow it in the text for screen readers.
    """
    width, height, step = 640, 180, 640 / max(1, len(numbers))
    highest = max(numbers.values(), default=0) or 1
    drawn = ""
    for n, (label, number) in enumerate(numbers.items()):
        tall = (height - 22) * number / highest
        middle = step * (n + 0.5)
        drawn += (
            f'<rect class="fill" x="{step * n + step * 0.1:.1f}" y="{height - tall:.1f}" width="{step * 0.8:.1f}" '
            f'height="{tall:.1f}"/><text x="{middle:.1f}" y="{height - tall - 6:.1f}">{number}</text>'
            f'<text class="soft" x="{middle:.1f}" y="{height + 18}">{escape(label)}</text>'
        )
    told = ", ".join(f"{label}: {number}" for label, number in numbers.items())
    return Markup(
        f'<svg class="columns" viewBox="0 0 {width} {height + 26}" role="img" '
        f'aria-label="{escape(title)}. {escape(told)}">{drawn}'
        f'<path class="axis" d="M0 {height}H{width}"/></svg>'
    )


def reliability(points: Sequence[Point], title: str) -> Markup:
    """Draw observed share over stated probability; the diagonal is a perfectly calibrated model.

    Args:
        points: In any order; the area of a dot is its weight.
        title: Which error or model this is.
    """
    size = 200
    placed = sorted((stated * size, size - seen * size, weight) for stated, seen, weight in points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
    dots = "".join(
        f'<circle class="fill" cx="{x:.1f}" cy="{y:.1f}" r="{2.5 + 14 * max(0.0, weight) ** 0.5:.1f}"/>'
        for x, y, weight in placed
    )
    told = ", ".join(f"stated {stated:.2f}, observed {seen:.2f}" for stated, seen, _ in sorted(points))
    return Markup(
        f'<svg class="square" viewBox="-36 -20 {size + 56} {size + 62}" role="img" '
        f'aria-label="Reliability of {escape(title)}. {told}">'
        f'<rect class="track" width="{size}" height="{size}"/><path class="axis dashed" d="M0 {size}L{size} 0"/>'
        f'<polyline class="line" points="{line}"/>{dots}'
        f'<text class="soft" x="0" y="{size + 16}">0</text><text class="soft" x="{size}" y="{size + 16}">1</text>'
        f'<text class="soft" x="-10" y="6">1</text>'
        f'<text class="soft" x="{size / 2}" y="{size + 34}">stated probability of an error</text>'
        f'<text class="soft" transform="translate(-16 {size / 2}) rotate(-90)">observed share</text></svg>'
    )


_HERE = Path(__file__).parent
_MAX_ROWS = 40  # of any table whose rows come from data
_NARROW = "\u202f"  # a space that no line breaks at
_LABELS = {
    "auroc": "AUROC",
    "auroc_grey": "AUROC on a grey picture",
    "gain": "gained by seeing, at least",
    "share_wrong": "wrong turns (95 % interval)",
    "unscored": "questions without a score",
    "recall_at_5": "found at 5 % false alarms",
    "calibration_error": "calibration error",
    "n_clean": "correct turns",
    "n_planted": "planted errors",
    "recall": "found at the threshold",
    "judged": "used for verdicts",
    "why_not": "why not",
    "clean_flagged": "correct turns lost",
    "alpha": "correct turns that may be lost",
    "n_turns": "correct turns measured",
    "basis": "taken for correct",
}
"""What the fields of a calibration mean; others are shown as they are."""


class Answered(Struct, frozen=True):
    """When a stored reply came, and how long it took: all that is read of it here."""

    at: float = 0.0
    latency_s: float = 0.0


class Timing(Struct, frozen=True):
    """How long the teacher worked.

    Attributes:
        n_replies: Replies stored.
        working_s: From reply to reply, pauses of more than a minute left out.
        latency_s: Mean seconds from request to reply.
    """

    n_replies: int
    working_s: float
    latency_s: float


def time_teacher(replies: Iterable[Answered]) -> Timing | None:
    """Add up a teacher's time from its replies, in the order in which they were stored; None without any."""
    number, working, waited, before = 0, 0.0, 0.0, 0.0
    for reply in replies:
        pause = reply.at - before if number else 0.0
        working += pause if 0 < pause <= 60.0 else 0.0
        waited += reply.latency_s
        before = max(before, reply.at)
        number += 1
    return Timing(number, working, waited / number) if number else None


def render_report(
    settings: Settings,
    manifest: Mapping[str, Any],
    summary: Summary,
    examples: Examples,
    images: Mapping[str, AnnotatedImage],
    read: ReadPicture | None = None,
    timing: Timing | None = None,
    note: str | None = None,
) -> str:
    """Write the page; the same inputs give the same text.

    Args:
        settings: The run's; only file names are told, never folders of this machine.
        manifest: The content of ``run.yaml``.
        summary: The content of ``summary.json``; what an older one lacks is left out.
        examples: Picked from all samples.
        images: Annotations of the examples' images, as far as they are at hand.
        read: Opens pictures; None leaves the frames empty.
        timing: Of the teacher; None for the embedded one.
        note: What the summary does not know yet.
    """
    calibration, planted = summary.calibration, summary.planted or {}
    validator = ", ".join(validator_labels(settings.validator.name))
    fingerprint = ", ".join(PurePath(one).name for one in calibration.validator.split(", ")) if calibration else ""
    style = Markup((_HERE / "report.css").read_text(encoding="utf-8") + STYLE)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    page = _environment().get_template("report.html.j2").render(
        style=style,
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        source=identity_in(manifest),
        settings=settings,
        validator=validator,
        judge=fingerprint if validator == "none" else validator,
        fingerprint="" if fingerprint == validator else fingerprint,
        planted=planted,
        planted_sum=PlantedFates(*(sum(row) for row in zip(*map(astuple, planted.values()), strict=True))),
        manifest=manifest,
        summary=summary,
        funnel=list(_funnel(summary.samples, summary.rejected_by_stage, calibration is not None)),
        turn_funnel=list(_turn_funnel(summary)),
        wrong=list(_wrong(summary.hallucinations)),
        coverage=summary.coverage if summary.coverage and summary.coverage.overall.sentences else None,
        reasons=list(_reasons(summary)),
        timing=timing,
        note=note,
        review=summary.review and told_of(summary.review),
        calibration=_calibration(calibration),
        unboxed=examples.unboxed(),
        diversity=summary.diversity if summary.turns else None,  # of nothing there is nothing to tell
        balance=summary.balance,
        groups={fate: draw_groups(examples, fate, images, read) for fate in ("accepted", "rejected", "cut")},
    )  # fmt: skip
    return inert(page)


@cache
def _environment() -> jinja2.Environment:
    """Made once a process: to compile the template takes as long as a run over six images."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(bar=bar, columns=columns, reliability=reliability, share=_share)
    environment.filters.update(
        number=_number,
        percent=_percent,
        duration=_duration,
        few=_few,
        words=_words,
        raw=Markup,
        ranked=_ranked,
        fields=asdict,
    )
    return environment


class Step(Struct, frozen=True):
    """One stage of a funnel: samples or turns that were lost in it and that were left after it."""

    stage: str
    n_fallen: int
    n_left: int


def _funnel(left: int, lost: Reasons, is_validated: bool) -> Iterator[Step]:
    """The stages that a run had, those without any loss among them."""
    # What people rejected is shown where somebody did.
    had = [stage for stage in STAGE_NAMES[:-1] if stage != "validate" or is_validated or stage in lost]
    for stage in (*had, *sorted(set(lost) - set(had))):
        fallen = sum(lost.get(stage, {}).values())
        left -= fallen
        yield Step(stage, fallen, left)


def _turn_funnel(summary: Summary) -> Iterator[Step]:
    """The turns from the checks on: none falls before there are any."""
    if summary.turn_counts is not None:
        lost = summary.turns_lost_by_stage or {}
        steps = _funnel(summary.turn_counts.written, lost, summary.calibration is not None)
        yield from (step for step in steps if step.stage != "teacher")


class Wrong(Struct, frozen=True):
    """A row of the table of hallucinations: of a teacher, a response type or a kind of claim."""

    of: str
    name: str
    claims: Rate
    turns: Rate


def _wrong(rates: Hallucinations | None) -> Iterator[Wrong]:
    if rates is None:
        return
    groups = {"teacher": rates.by_teacher, "type": rates.by_type, "claims of": rates.by_kind}
    for of, named in groups.items():
        yield from (Wrong(of, name, rate.claims, rate.turns) for name, rate in islice(named.items(), _MAX_ROWS))


class Reason(Struct, frozen=True):
    """How many samples fell, how many conversations were cut, and how many turns this cost, for one reason."""

    stage: str
    reason: str
    n_rejected: int
    n_cut: int
    n_turns: int


def _reasons(summary: Summary) -> Iterator[Reason]:
    rejected, cut, turns = summary.rejected_by_stage, summary.cut_by_stage, summary.turns_lost_by_stage or {}
    pairs = {(stage, reason) for table in (rejected, cut) for stage, found in table.items() for reason in found}
    order = {stage: n for n, stage in enumerate(STAGE_NAMES)}
    rows = [
        Reason(stage, reason, *(table.get(stage, {}).get(reason, 0) for table in (rejected, cut, turns)))
        for stage, reason in pairs
    ]
    rows.sort(key=lambda row: (order.get(row.stage, len(order)), -row.n_rejected - row.n_cut, row.reason))
    return islice(rows, _MAX_ROWS)


class TableHead(Struct, frozen=True):
    """A column's head, and ``n`` for numbers or ``t`` for text."""

    label: str
    style: str


class CalibrationView(Struct, frozen=True):
    """A calibration as a page shows it: its figures, a table with a row per kind of error, and a curve of each kind."""

    facts: tuple[tuple[str, str], ...]
    columns: tuple[TableHead, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    plots: tuple[tuple[str, tuple[Point, ...]], ...]


def _calibration(calibration: Calibration | None) -> CalibrationView | None:
    if calibration is None:
        return None
    kinds = {_words(name): asdict(report) for name, report in islice(calibration.kinds.items(), _MAX_ROWS)}
    keys = [key for key in KindReport.__struct_fields__ if key != "reliability"]
    keys = [key for key in keys if any(row[key] is not None for row in kinds.values())]
    texts = {key for key in keys if any(isinstance(row[key], str) for row in kinds.values())}
    return CalibrationView(
        facts=tuple(
            (_label(key), _shown(key, value))
            for key, value in asdict(calibration).items()
            if key not in ("kinds", "validator", "adds") and (key, value) != ("basis", "annotations")
        ),
        columns=tuple(TableHead(_label(key), "t" if key in texts else "n") for key in keys),
        rows=tuple((name, tuple(_shown(key, row[key]) for key in keys)) for name, row in kinds.items()),
        plots=tuple((name, row["reliability"]) for name, row in kinds.items() if row["reliability"]),
    )


def _label(key: str) -> str:
    return _LABELS.get(key, _words(key))


def _shown(key: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, dict):
        return ", ".join(f"{_words(name)}: {n}" for name, n in value.items()) or "–"
    if isinstance(value, float):
        return _percent(value) if key in ("recall_at_5", "recall", "clean_flagged", "alpha") else f"{value:.3f}"
    return PurePath(str(value)).name if key == "validator" else str(value)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _number(value: float) -> str:
    return f"{value:,}".replace(",", _NARROW)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}{_NARROW}%"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _ranked(rows: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(rows.items(), key=lambda row: -row[1]))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _few(rows: Mapping[str, Any]) -> dict[str, Any]:
    return dict(islice(rows.items(), _MAX_ROWS))
