"""Charts of the report as inline SVG.

Colours come from classes of ``report.css``, so that a chart follows the reader's light or dark scheme. Bars stand in
tables whose cells tell the same numbers, so they are hidden from screen readers; the other charts carry their text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from markupsafe import Markup

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
