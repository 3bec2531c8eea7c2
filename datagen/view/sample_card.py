"""The sample card: one sample as HTML, with picture, bounding boxes, conversation, claims and fate.

An SVG overlay carries the boxes, so a card costs no image work. Every string that came from a
file or a model is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape

from datagen.records import AnnotatedImage, Claim, ProbeResult, Sample, Turn, Validation
from datagen.turn_fates import FatedTurn, fated_turns

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#5f5f5f")
"""Okabe and Ito's colours (2008), told apart by colour-blind readers; one per category in turn."""

STYLE = """
.dg-card{--ink:#1d2430;--soft:#5b6675;--line:#d6dbe2;--page:#fff;--good:#12703f;--bad:#b3261e;
 display:flex;flex-wrap:wrap;gap:1.1rem;padding:1rem;margin:.6rem 0;border:1px solid var(--line);border-radius:.6rem;
 background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:70rem}
@media (prefers-color-scheme:dark){.dg-card{--ink:#e8ebf0;--soft:#a4aebb;--line:#3b4452;--page:#171b21;
 --good:#62c991;--bad:#ff8a80}}
.dg-card figure{margin:0;flex:1 1 20rem;min-width:16rem}
.dg-card svg{width:100%;height:auto;border-radius:.35rem;background:#8883}
.dg-card figcaption,.dg-card small{color:var(--soft);font-size:.82rem}
.dg-card .dg-talk{flex:1.4 1 24rem;min-width:18rem}
.dg-card .dg-talk dl{margin:.4rem 0 0}
.dg-card .dg-talk dl>*{float:none;clear:none;width:auto;padding:0}
.dg-card .dg-talk dt{font-weight:600;margin:.7rem 0 0}
.dg-card .dg-talk dd{margin:.15rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere}
.dg-card .dg-fate{font-weight:700}.dg-card .dg-accepted{color:var(--good)}.dg-card .dg-rejected{color:var(--bad)}
.dg-card del{color:var(--soft);text-decoration:line-through}
.dg-card dt.dg-cut del{font-weight:500}
.dg-card dt.dg-cut,.dg-card dd.dg-cut{border-left:3px solid var(--bad);padding-left:.7rem}
.dg-card dt.dg-behind,.dg-card dd.dg-behind{border-left-color:var(--line)}
.dg-card p.dg-lost{margin:.7rem 0 0}
.dg-card mark{background:none;color:inherit;text-decoration:underline .11em;text-underline-offset:.2em}
.dg-card mark.dg-supported{text-decoration-color:var(--good)}
.dg-card mark.dg-contradicted{text-decoration:underline wavy var(--bad) .11em}
.dg-card mark.dg-unknown{text-decoration:underline dotted var(--soft) .13em}
.dg-card details{white-space:normal;font-size:.85rem;color:var(--soft);margin:.15rem 0 0;padding:0;border:0}
.dg-card summary{cursor:pointer;width:fit-content;font-weight:400}
.dg-card details ul{display:block;margin:.1rem 0 .3rem}.dg-card details li{margin:.1rem 0}
.dg-card span.dg-supported{color:var(--good)}
.dg-card span.dg-contradicted,.dg-card span.dg-doubtful{color:var(--bad)}
.dg-card summary .dg-contradicted,.dg-card summary .dg-doubtful{font-weight:600}
.dg-card ul{list-style:none;padding:0;margin:.35rem 0 0;display:flex;flex-wrap:wrap;gap:.15rem .8rem}
.dg-card li svg{width:.7em;height:.7em;margin-right:.35em;background:none;border-radius:2px}
"""


def sample_card(sample: Sample, image: AnnotatedImage | None, picture_url: str | None) -> str:
    """Draw one sample with the style it needs, for a notebook; see ``card_body``."""
    return f"<style>{STYLE}</style>{card_body(sample, image, picture_url)}"


def card_body(sample: Sample, image: AnnotatedImage | None, picture_url: str | None) -> str:
    """Draw one sample, for a page that carries ``STYLE`` once.

    No style stands on an element, so that the page's security policy need not allow any.

    Args:
        sample: The finished sample.
        image: Its annotations, for the boxes; None when the corpus is not at hand.
        picture_url: A URL, relative path or data URI of the picture; None leaves an empty frame.

    Returns:
        One ``article`` element.
    """
    return (
        f'<article class="dg-card" aria-label="Sample {escape(sample.sample_id)}">'
        f"{_figure(sample, image, picture_url)}"
        f'<div class="dg-talk">{_fate(sample)}{_turns(sample)}{_cuts(sample)}</div></article>'
    )


def _figure(sample: Sample, image: AnnotatedImage | None, picture_url: str | None) -> str:
    width, height = (image.width, image.height) if image and image.width and image.height else (640, 480)
    colour_of = _colours(box.category for box in image.boxes) if image else {}
    picture = (
        f'<image href="{escape(picture_url)}" width="{width}" height="{height}" preserveAspectRatio="none"/>'
        if picture_url
        else ""
    )
    boxes = "".join(
        f'<rect x="{box.box_unit[0] * width:.1f}" y="{box.box_unit[1] * height:.1f}" '
        f'width="{(box.box_unit[2] - box.box_unit[0]) * width:.1f}" '
        f'height="{(box.box_unit[3] - box.box_unit[1]) * height:.1f}" fill="none" '
        f'stroke="{colour_of[box.category]}" stroke-width="{max(width, height) / 220:.1f}" '
        f'stroke-dasharray="{"8 5" if box.is_crowd else "none"}">'
        f"<title>{escape(box.category)}{' (a group)' if box.is_crowd else ''}</title></rect>"
        for box in (image.boxes if image else ())
    )
    legend = "".join(
        f'<li><svg viewBox="0 0 1 1" aria-hidden="true"><path d="M0 0h1v1H0z" fill="{colour}"/></svg>'
        f"{escape(name)}</li>"
        for name, colour in colour_of.items()
    )
    legend = f"<ul>{legend}</ul>" if legend else ""
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(_alt(sample, image))}">'
        f"{picture}{boxes}</svg><figcaption>{escape(sample.image)}</figcaption>{legend}</figure>"
    )


def _alt(sample: Sample, image: AnnotatedImage | None) -> str:
    """What a reader who cannot see the picture is told of it."""
    boxed = Counter(box.category for box in image.boxes) if image else Counter()
    told = ", ".join(f"{number} {name}" for name, number in boxed.items())
    return f"Picture {sample.image}" + (f", boxed: {told}" if told else "")


def _colours(categories: Iterable[str]) -> dict[str, str]:
    return {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(dict.fromkeys(categories))}


def _fate(sample: Sample) -> str:
    why = f" in {escape(sample.stage)}: {escape(sample.reason or '')}" if sample.stage else ""
    detail = f"<br><small>{escape(sample.detail)}</small>" if sample.detail else ""
    if sample.review is not None:
        was = ": ".join(filter(None, (sample.review.status, sample.review.reason)))
        detail += f"<br><small>by hand: {escape(sample.review.verb)} (before: {escape(was)})</small>"
    return (
        f'<small>{escape(sample.sample_id)}</small> <span class="dg-fate dg-{escape(sample.status)}">'
        f"{escape(sample.status)}{why}</span>{detail}"
    )


MARKS = {"supported": "✓", "contradicted": "✗", "unknown": "?", "doubtful": "✗"}
"""Signs of the verdicts, so that colour is not alone in telling them."""


def _turns(sample: Sample) -> str:
    told = "".join(map(_turn, fated_turns(sample)))
    return f"<dl>{told}</dl>" if told else ""


def _turn(told: FatedTurn) -> str:
    """A turn; one that was cut is struck through, and says why."""
    turn, style, why = told.turn, "", ""
    question = _marked(turn.question, (claim for claim in turn.claims if claim.in_question))
    answer = _marked(turn.answer, (claim for claim in turn.claims if not claim.in_question))
    if told.fate == "cut":
        question, answer = f"<del>{question}</del>", f"<del>{answer}</del>"
        style = ' class="dg-cut"' if told.cause == "itself" else ' class="dg-cut dg-behind"'
        why = f"<br><small>{_why(told)}</small>"
    return f"<dt{style}>{question}</dt><dd{style}>{answer}{why}{_findings(turn)}</dd>"


def _why(told: FatedTurn) -> str:
    """Why a turn was cut; what stood behind a turn at fault has no fault of its own."""
    if told.cause != "itself":
        return f"cut with {escape(told.cause or '')}"
    return f'<span class="dg-doubtful">✂ cut in {escape(told.stage or "")}:</span> ' + escape(
        f"{(told.reason or '').replace('_', ' ')}. {told.detail}"
    )


def _verdict(claim: Claim) -> str:
    return claim.verdict.partition("_")[0]


def _marked(text: str, claims: Iterable[Claim]) -> str:
    """A text with its claims underlined; of two that share words the worse one shows."""
    shown: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: ("contradicted", "unknown", "supported").index(_verdict(claim))):
        if all(claim.end <= other.start or claim.start >= other.end for other in shown):
            shown.append(claim)
    pieces, at = [], 0
    for claim in sorted(shown, key=lambda claim: claim.start):
        pieces.append(escape(text[at : claim.start]))
        pieces.append(f'<mark class="dg-{_verdict(claim)}">{escape(text[claim.start : claim.end])}</mark>')
        at = claim.end
    return "".join(pieces) + escape(text[at:])


def _findings(turn: Turn) -> str:
    """What annotations and pixels say to a turn: told in a line, and in full where a reader opens it."""
    told = [_verdict(claim) for claim in turn.claims]
    heads = [_sign(verdict, f"{n} {verdict}") for verdict, n in sorted(Counter(told).items())]
    seen = turn.validation
    probes = (seen and seen.probes) or ()
    lines = [
        _claim(turn, claim) + "".join(_probe(probe) for probe in probes if probe.claim == n)
        for n, claim in enumerate(turn.claims)
    ]
    if seen is not None:
        heads.append("pixels: " + _sign(seen.verdict, seen.verdict))
        lines += (escape(line) for line in _pixels(seen))
    if not lines:
        return f"<small>{' · '.join(heads)}</small>" if heads else ""
    listed = "".join(f"<li>{line}</li>" for line in lines)
    return f"<details><summary>{' · '.join(heads)}</summary><ul>{listed}</ul></details>"


def _sign(verdict: str, text: str) -> str:
    if verdict not in MARKS:
        return escape(text)
    return f'<span class="dg-{verdict}">{MARKS[verdict]} {escape(text)}</span>'


def _claim(turn: Turn, claim: Claim) -> str:
    said = (turn.question if claim.in_question else turn.answer)[claim.start : claim.end]
    why = f"{claim.kind}, {claim.verdict.replace('_', ' ')}" + (f": {claim.evidence}" if claim.evidence else "")
    return f"{_sign(_verdict(claim), said)} {escape(why)}"


def _probe(probe: ProbeResult) -> str:
    """What the validator makes of one question about a claim; it stands there only where the answer is no."""
    told = f"pixels {probe.chance:.0%}"
    return f" · {_sign('doubtful', told)}: {escape(probe.question)}" if probe.chance < 0.5 else f" · {told}"


def _pixels(seen: Validation) -> Iterator[str]:
    """What the validator measured on a turn."""
    if seen.p_value is not None:
        yield f"pixels: {seen.standing}"
    if seen.doubts:
        yield "chance of error: " + ", ".join(f"{kind} {doubt:.0%}" for kind, doubt in seen.doubts.items())


def _cuts(sample: Sample) -> str:
    """What was cut off that could not be read as a turn, or was not stored as one."""
    return "".join(
        '<p class="dg-lost"><small>✂ '
        f"cut in {escape(cut.stage)}: {escape(cut.reason)}. {escape(cut.detail)}</small></p>"
        for cut in sample.cuts
        if not cut.turns
    )
