"""A run in a few lines of HTML, as a notebook shows it: what it is, how far, what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def run_card(path: str, rows: Iterable[tuple[str, str]]) -> str:
    """Draw a run.

    Args:
        path: Of its folder.
        rows: A label and a text each; all is escaped.
    """
    cell = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
    told = "".join(
        f'<tr><th style="{cell};font-weight:normal;opacity:.65">{escape(label)}</th>'
        f'<td style="{cell}">{escape(text)}</td></tr>'
        for label, text in rows
    )
    return f"<div><b>Run {escape(path)}</b><table>{told}</table></div>"
