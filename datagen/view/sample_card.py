"""The sample card: one sample as HTML, with picture, bounding boxes, conversation, claims and fate.

An SVG overlay carries the boxes, so a card costs no image work. A claim points at the boxes of its categories, and a
box at its claims, by style alone: both carry the class of a category, and ``:has()`` lights one where the other is
pointed at. A box that a turn names is drawn as a broad band in the colour of its verdict, and found in the same way. So
it works in a report and a notebook, where no script runs. Every string that came from a file or a model is escaped.

``Examples`` takes the few that a report shows out of the stream of a run's samples.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from itertools import count, groupby
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from datagen.box_text import boxes_in
from datagen.corpus import PictureError
from datagen.errors import inert
from datagen.records import AnnotatedImage, Box, Claim, ProbeResult, Sample, Turn, Validation
from datagen.turn_fates import Earlier, FatedTurn, fated_turns, opinion_lines
from datagen.validator.unboxed import Unboxed, unboxed_in

if TYPE_CHECKING:
    from PIL import Image


COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#f0e442",
    "#117733", "#882255", "#44aa99", "#999933", "#aa4499", "#c51b48", "#4455bb", "#7f4f24",
)  # fmt: skip
"""Okabe and Ito's colours (2008) and Tol's muted ones (2021), told apart by colour-blind readers."""
N_LINKED = 16
"""Categories of a picture, and claims of a turn, that point at each other; further ones do not."""
N_SAID = 32
"""Boxes that the turns of a sample name, which are found from their words; further ones are drawn alone."""

STYLE = (
    """
.dg-card{--ink:#1d2430;--soft:#5b6675;--line:#d6dbe2;--page:#fff;--good:#12703f;--bad:#b3261e;
 display:flex;flex-wrap:wrap;gap:1.1rem;padding:1rem;margin:.6rem 0;border:1px solid var(--line);border-radius:.6rem;
 background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:70rem}
@media (prefers-color-scheme:dark){.dg-card{--ink:#e8ebf0;--soft:#a4aebb;--line:#3b4452;--page:#171b21;
 --good:#62c991;--bad:#ff8a80}}
.dg-card figure{margin:0;flex:1 1 20rem;min-width:16rem}
.dg-card svg{width:100%;height:auto;border-radius:.35rem;background:#8883}
.dg-card .dg-box rect{vector-effect:non-scaling-stroke;stroke-width:2.5px}
.dg-card text.dg-box{font-family:system-ui,sans-serif;font-weight:600}
.dg-card figcaption,.dg-card small{color:var(--soft);font-size:.82rem}
.dg-card .dg-said rect{vector-effect:non-scaling-stroke;stroke-width:9px;stroke-opacity:.6;stroke:#8a94a3;fill:none}
.dg-card .dg-said.dg-supported rect{stroke:#1fa15a}.dg-card .dg-said.dg-contradicted rect{stroke:#e0332a}
.dg-card .dg-at{font-variant-numeric:tabular-nums;font-size:.86em;opacity:.8;cursor:default}
.dg-card:has(.dg-at:is(:hover,:focus)) :is(.dg-said,.dg-box){opacity:.12}
.dg-card .dg-talk{flex:1.4 1 24rem;min-width:18rem}
.dg-card .dg-talk dl{margin:.4rem 0 0}
.dg-card .dg-talk dt,.dg-card .dg-talk dd{float:none;clear:none;width:auto;padding:0}
.dg-card .dg-talk dt{font-weight:600;margin:.7rem 0 0}
.dg-card .dg-talk dd{margin:.15rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere}
.dg-card .dg-fate{font-weight:700}.dg-card .dg-accepted{color:var(--good)}.dg-card .dg-rejected{color:var(--bad)}
.dg-card del{color:var(--soft);text-decoration:line-through}
.dg-card .dg-cut dt{font-weight:500}
.dg-card .dg-cut{border-left:3px solid var(--bad);padding-left:.7rem;margin-top:.7rem}
.dg-card .dg-cut dt{margin-top:0}
.dg-card .dg-behind{border-left-color:var(--line)}
.dg-card .dg-talk details.dg-cuts{margin:.8rem 0 0}
.dg-card .dg-cuts>summary{font-size:.95rem;width:auto}
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
.dg-card .dg-captions{font-size:.9rem;margin:.5rem 0 0}
.dg-card .dg-captions li{flex-basis:100%;color:var(--ink)}
.dg-card mark:focus-visible{outline:2px solid #0072b2;outline-offset:2px}
.dg-card:has(.dg-points:is(:hover,:focus)) .dg-box{opacity:.15}
"""
    + "".join(
        f".dg-card:has(.dg-k{n}:is(:hover,:focus)) .dg-box.dg-k{n}{{opacity:1}}"
        f".dg-card:has(:is(.dg-box,figure li).dg-k{n}:hover) mark.dg-k{n},"
        f".dg-turn:has(li.dg-w{n}:hover) mark.dg-w{n},.dg-card mark.dg-w{n}:is(:hover,:focus){{background:#e69f0055}}\n"
        for n in range(N_LINKED)
    )
    + "".join(f".dg-card:has(.dg-b{n}:is(:hover,:focus)) .dg-said.dg-b{n}{{opacity:1}}\n" for n in range(N_SAID))
)
"""Of all cards; ``dg-k3`` is the fourth category that is boxed in a picture, ``dg-w3`` the fourth claim of a turn,
``dg-b3`` the fourth box that the turns of a sample name."""


def sample_card(sample: Sample, image: AnnotatedImage | None, picture_url: str | None) -> str:
    """Draw one sample with the style it needs, for a notebook; see ``card_body``."""
    return f"<style>{STYLE}</style>{card_body(sample, image, picture_url)}"


def card_body(
    sample: Sample, image: AnnotatedImage | None, picture_url: str | None, are_cuts_open: bool = False
) -> str:
    """Draw one sample, for a page that carries ``STYLE`` once.

    No style stands on an element, so that the page's security policy need not allow any.

    Args:
        sample: The finished sample.
        image: Its annotations, for boxes and captions; None when the corpus is not at hand.
        picture_url: A URL, relative path or data URI of the picture; None leaves an empty frame.
        are_cuts_open: Cut turns are in sight; else a line tells of them, and a reader opens it.

    Returns:
        One ``article`` element.
    """
    places = {name: n for n, name in enumerate(dict.fromkeys(box.category for box in image.boxes))} if image else {}
    return inert(
        f'<article class="dg-card" aria-label="Sample {escape(sample.sample_id)}">'
        f"{_figure(sample, image, picture_url, places)}"
        f'<div class="dg-talk">{_fate(sample)}{_turns(sample, places, are_cuts_open)}{_cuts(sample)}</div></article>'
    )


Places = Mapping[str, int]
"""The categories that are boxed in a picture, numbered from 0."""


def _figure(sample: Sample, image: AnnotatedImage | None, picture_url: str | None, places: Places) -> str:
    width, height = (image.width, image.height) if image and image.width and image.height else (640, 480)
    colours = colours_of(places)
    picture = (
        f'<image href="{escape(picture_url)}" width="{width}" height="{height}" preserveAspectRatio="none"/>'
        if picture_url
        else ""
    )
    legend = "".join(
        f'<li class="{_linked("dg-k", [place])}"><svg viewBox="0 0 1 1" aria-hidden="true">'
        f'<path d="M0 0h1v1H0z" fill="{colours[name]}"/></svg>{escape(name)}</li>'
        for name, place in places.items()
    )
    legend = f"<ul>{legend}</ul>" if legend else ""
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(_alt(sample, image))}">'
        f"{picture}{''.join(_said_boxes(sample, width, height))}"
        f"{''.join(_boxes(image, width, height, places, colours)) if image else ''}</svg>"
        f"<figcaption>{escape(sample.image)}</figcaption>{legend}{_captions(image)}</figure>"
    )


def _said_boxes(sample: Sample, width: int, height: int) -> Iterator[str]:
    """The boxes that the turns name, in the order of their words; bands, so that an annotated box shows inside one."""
    number = 0
    for told in fated_turns(sample):
        for text in (told.turn.question, told.turn.answer):
            for one in boxes_in(text):
                of = next(
                    (claim for claim in told.turn.claims if text[one.start : one.end] in (claim.value or "")), None
                )
                left, top, right, bottom = one.box
                yield (
                    f'<g class="dg-said {_at(number)} dg-{"unknown" if of is None else _verdict(of)}" '
                    f'pointer-events="none"><rect x="{left * width:.1f}" y="{top * height:.1f}" '
                    f'width="{max(0.0, right - left) * width:.1f}" height="{max(0.0, bottom - top) * height:.1f}"/></g>'
                )
                number += 1


def _at(number: int) -> str:
    return f"dg-b{number}" if number < N_SAID else ""


def _boxes(image: AnnotatedImage, width: int, height: int, places: Places, colours: Mapping[str, str]) -> Iterator[str]:
    """Boxes, the largest first, so that a pointer finds the smaller one; then their names, which no box crosses."""
    size, names = max(width, height) / 34, ""
    named: set[str] = set()
    taken: list[_Area] = []
    for box in sorted(image.boxes, key=lambda box: -_area(box)):
        left, top, right, bottom = (
            share * side for share, side in zip(box.box_unit, (width, height, width, height), strict=True)
        )
        colour, dashes = colours[box.category], "8 5" if box.is_crowd else "none"
        style = f"dg-box {_linked('dg-k', [places[box.category]])}"
        yield (
            f'<g class="{style}"><title>{escape(box.category)}{" (a group)" if box.is_crowd else ""}</title>'
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'fill="none" pointer-events="all" stroke="{colour}" stroke-dasharray="{dashes}"/></g>'
        )
        if len(image.boxes) > 12 and box.category in named:  # of more, the largest of each category is
            continue
        named.add(box.category)
        x, y = _free_place((left, top, right, bottom), len(box.category), size, (width, height), taken)
        names += (
            f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="start" '
            f'paint-order="stroke" stroke="{colour}" stroke-width="{size * 0.4:.1f}" stroke-linejoin="round" '
            f'fill="{_ink_on(colour)}" pointer-events="none" aria-hidden="true">{escape(box.category)}</text>'
        )
    yield names


_Area = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


def _free_place(
    box: _Area, n_characters: int, size: float, frame: tuple[int, int], taken: list[_Area]
) -> tuple[float, float]:
    """Where a name begins, on its base line, so that it covers no other; the frame cuts none off.

    Above its box, below the upper edge, at either side, then further down its box; where all is taken, as near as may
    be. The place is taken then.
    """
    left, top, right, bottom = box
    length, height = n_characters * size * 0.62 + size * 0.4, size * 1.4
    columns = [left + size * 0.2, right - length]
    lines = [top - size * 0.35, top + size, bottom + size, bottom - size * 0.35]
    lines += [top + size + n * height for n in range(1, 12)]
    places: list[_Area] = []
    for y in lines:
        for x in columns:
            begin = max(size * 0.2, min(x, frame[0] - length))
            base = max(size, min(y, frame[1] - size * 0.35))
            places.append((begin, base - size, begin + length, base - size + height))
    chosen = next((one for one in places if not any(_overlap(one, other) for other in taken)), places[0])
    taken.append(chosen)
    return chosen[0], chosen[1] + size


def _overlap(one: _Area, other: _Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _area(box: Box) -> float:
    left, top, right, bottom = box.box_unit
    return (right - left) * (bottom - top)


def colours_of(categories: Iterable[str]) -> dict[str, str]:
    """Give a picture's categories their colours.

    A category has the same colour on every picture of every run, but where another one of the picture, earlier in the
    alphabet, has taken it: then the next one that is free.
    """
    free, colours = list(COLOURS), {}
    for name in sorted(categories):
        place = zlib.crc32(name.encode("utf-8", "replace")) % len(COLOURS)
        ring = COLOURS[place:] + COLOURS[:place]
        colours[name] = next((one for one in ring if one in free), ring[0])  # more categories than colours
        if colours[name] in free:
            free.remove(colours[name])
    return colours


def _ink_on(colour: str) -> str:
    """Black or white, whichever is read better on a colour (WCAG 2.2, relative luminance)."""
    red, green, blue = (
        (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
        for share in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return "#000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "#fff"


def _linked(prefix: str, numbers: Iterable[int]) -> str:
    return " ".join(f"{prefix}{n}" for n in numbers if n < N_LINKED)


def _captions(image: AnnotatedImage | None) -> str:
    """What people wrote about the picture, where a reader opens it."""
    if image is None:
        return ""
    of_parts = tuple(dict.fromkeys(region.text for region in image.regions or ()))
    return _folded(image.captions, "caption{} by people") + _folded(of_parts, "sentence{} on parts of it")


def _folded(texts: tuple[str, ...], heading: str) -> str:
    if not texts:
        return ""
    listed = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return (
        f'<details class="dg-captions"><summary>{len(texts)} {heading.format("s" * (len(texts) > 1))}</summary>'
        f"<ul>{listed}</ul></details>"
    )


def _alt(sample: Sample, image: AnnotatedImage | None) -> str:
    """What a reader who cannot see the picture is told of it."""
    boxed = Counter(box.category for box in image.boxes) if image else Counter()
    told = ", ".join(f"{number} {name}" for name, number in boxed.items())
    return f"Picture {sample.image}" + (f", boxed: {told}" if told else "")


def _fate(sample: Sample) -> str:
    why = f" in {escape(sample.stage)}: {escape((sample.reason or '').replace('_', ' '))}" if sample.stage else ""
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


def _turns(sample: Sample, places: Places, are_cuts_open: bool) -> str:
    """The conversation; what was cut out of it is behind a line that says how much and why."""
    told, boxes = "", count()
    runs = groupby(fated_turns(sample), key=lambda one: one.fate == "cut" and (one.stage, one.reason, one.detail))
    for why, turns in runs:
        drawn = [_turn(one, places, boxes) for one in turns]
        listed = f"<dl>{''.join(drawn)}</dl>"
        if not why:
            told += listed
            continue
        number = f"{len(drawn)} turn{'s' if len(drawn) > 1 else ''}"
        stage, reason, _ = why
        told += (
            f'<details class="dg-cuts"{" open" if are_cuts_open else ""}><summary><span class="dg-doubtful">✂ '
            f"{number} cut</span> in {escape(stage or '')}: {escape((reason or '').replace('_', ' '))}</summary>"
            f"{listed}</details>"
        )
    return told


def _turn(told: FatedTurn, places: Places, boxes: Iterator[int]) -> str:
    """A turn; one that was cut is struck through, and says why."""
    turn, style, why = told.turn, "dg-turn", ""
    question = _marked(turn, True, places, boxes)
    answer = _marked(turn, False, places, boxes)
    if told.fate == "cut":
        question, answer = f"<del>{question}</del>", f"<del>{answer}</del>"
        style += " dg-cut" if told.cause == "itself" else " dg-cut dg-behind"
        why = f"<br><small>{_why(told)}</small>"
    before = "".join(map(_before, told.earlier))
    return f'<div class="{style}"><dt>{question}</dt><dd>{answer}{why}{before}{_findings(turn, places)}</dd></div>'


def _before(earlier: Earlier) -> str:
    """The sentences of a turn that went back to the teacher, as they stood, and what spoke against them."""
    listed = "".join(
        f"<li><del>{escape(_clip(flaw.text))}</del> {escape(flaw.reason.replace('_', ' '))}: "
        f"{escape(_clip(flaw.evidence))}</li>"
        for flaw in earlier.flaws
    )
    told = "repaired" if earlier.outcome is None else f"sent back: {earlier.outcome}"
    return f"<details><summary>↻ {escape(told)}</summary><ul>{listed}</ul></details>"


def _why(told: FatedTurn) -> str:
    """Why a turn was cut; what stood behind a turn at fault has no fault of its own."""
    if told.cause != "itself":
        return f"cut with {escape(told.cause or '')}"
    return f'<span class="dg-doubtful">✂ cut:</span> {escape(told.detail or "")}'


def _verdict(claim: Claim) -> str:
    return claim.verdict.partition("_")[0]


def _marked(turn: Turn, in_question: bool, places: Places, boxes: Iterator[int]) -> str:
    """A text with its claims underlined; of two that share words the worse one shows, and stands for both.

    Args:
        turn: What to tell.
        in_question: Its question, or its answer.
        places: Of the picture's categories.
        boxes: Numbers the boxes of the sample's texts.
    """
    text = turn.question if in_question else turn.answer
    claims = [(n, claim) for n, claim in enumerate(turn.claims) if claim.in_question == in_question]
    shown: list[Claim] = []
    for _, claim in sorted(claims, key=lambda c: ("contradicted", "unknown", "supported").index(_verdict(c[1]))):
        if all(claim.end <= other.start or claim.start >= other.end for other in shown):
            shown.append(claim)
    pieces, at = [], 0
    for claim in sorted(shown, key=lambda claim: claim.start):
        there = [(n, other) for n, other in claims if other.start < claim.end and claim.start < other.end]
        numbers = _linked("dg-w", (n for n, _ in there))
        boxed = _pointing((other for _, other in there), places)
        styles = " ".join(filter(None, (f"dg-{_verdict(claim)}", numbers, boxed)))
        tab = ' tabindex="0"' if boxed else ""
        pieces.append(_with_places(text[at : claim.start], boxes))
        words = _with_places(text[claim.start : claim.end], boxes)
        pieces.append(f'<mark class="{styles}"{tab} title="{escape(_told(claim))}">{words}</mark>')
        at = claim.end
    return "".join(pieces) + _with_places(text[at:], boxes)


def _with_places(text: str, boxes: Iterator[int]) -> str:
    """A stretch of a text in which each box finds its place on the picture."""
    pieces, at = "", 0
    for one in boxes_in(text):
        pieces += (
            f'{escape(text[at : one.start])}<span class="dg-at {_at(next(boxes))}" tabindex="0">'
            f"{escape(text[one.start : one.end])}</span>"
        )
        at = one.end
    return pieces + escape(text[at:])


def _pointing(claims: Iterable[Claim], places: Places) -> str:
    """The classes of what points at boxes; none where nothing of it is boxed."""
    named = dict.fromkeys(name for claim in claims for name in (claim.category, *claim.others))
    boxed = _linked("dg-k", (places[name] for name in named if name in places))
    return f"dg-points {boxed}" if boxed else ""


def _findings(turn: Turn, places: Places) -> str:
    """What annotations and validator say to a turn: told in a line, and in full where a reader opens it."""
    told = [_verdict(claim) for claim in turn.claims]
    heads = [_sign(verdict, f"{n} {verdict}") for verdict, n in sorted(Counter(told).items())]
    seen = turn.validation
    probes = (seen and seen.probes) or ()
    lines = [
        f'<li class="{" ".join(filter(None, (_linked("dg-w", [n]), _pointing([claim], places))))}">'
        + _claim(turn, claim) + "".join(_probe(probe) for probe in probes if probe.claim == n) + "</li>"
        for n, claim in enumerate(turn.claims)
    ]  # fmt: skip
    if seen is not None:
        heads.append("validator: " + _sign(seen.verdict, seen.verdict))
        lines += (f"<li>{escape(line)}</li>" for line in _pixels(seen))
    lines += (f"<li>probably unboxed: {escape(one.told)}</li>" for one in unboxed_in(turn))
    lines += (f"<li>judge: {escape(line)}</li>" for line in opinion_lines(turn))
    if not lines:
        return f"<small>{' · '.join(heads)}</small>" if heads else ""
    return f"<details><summary>{' · '.join(heads)}</summary><ul>{''.join(lines)}</ul></details>"


def _sign(verdict: str, text: str) -> str:
    if verdict not in MARKS:
        return escape(text)
    return f'<span class="dg-{verdict}">{MARKS[verdict]} {escape(text)}</span>'


def _claim(turn: Turn, claim: Claim) -> str:
    said = (turn.question if claim.in_question else turn.answer)[claim.start : claim.end]
    return f"{_sign(_verdict(claim), said)} {escape(_told(claim))}"


def _told(claim: Claim) -> str:
    return f"{claim.kind}, {claim.verdict.replace('_', ' ')}" + (f": {claim.evidence}" if claim.evidence else "")


def _probe(probe: ProbeResult) -> str:
    """What the validator makes of one question about a claim; it stands there only where the answer is no."""
    told = f"{probe.by or 'validator'} {probe.chance:.0%}"
    return f" · {_sign('doubtful', told)}: {escape(probe.question)}" if probe.chance < 0.5 else f" · {told}"


def _pixels(seen: Validation) -> Iterator[str]:
    """What the validator measured on a turn."""
    if seen.p_value is not None:
        yield f"validator: {seen.standing}"
        # Of correct answers so few look as wrong: a reader asks why such a one was kept.
        if seen.verdict != "doubtful" and seen.p_value <= 0.2:
            yield (
                "this alone cuts nothing: an answer falls only if it is above the run's bar (alpha, the share of "
                "correct answers that may be lost) and more likely wrong than right"
            )
    if seen.doubts:
        yield "chance of error: " + ", ".join(f"{kind} {doubt:.0%}" for kind, doubt in seen.doubts.items())


def _cuts(sample: Sample) -> str:
    """What was cut off that could not be read as a turn, or was not stored as one."""
    return "".join(
        '<p class="dg-lost"><small>✂ '
        f"cut in {escape(cut.stage)}: {escape(cut.reason.replace('_', ' '))}. {escape(cut.detail)}</small></p>"
        for cut in sample.cuts
        if not cut.turns
    )


N_EACH = 2
"""Samples shown of each response type and of each reason."""
MAX_GROUPS = {"accepted": 8, "rejected": 24, "cut": 12}
"""Response types, reasons of rejection and reasons of cuts that are shown; the commonest first."""
MAX_UNBOXED = 40
"""Things without a box that are listed."""
PICTURE_PX = 448
"""Longer side of a picture in the report."""
_MAX_TURNS = 12
_MAX_CHARACTERS = 1200
_MAX_BOXES = 60

Group = tuple[str, str]
"""``accepted``, ``rejected`` or ``cut``, and the response type or ``stage: reason``."""
ReadPicture = Callable[[str], "Image.Image"]
"""Opens a picture by its file name; raises PictureError."""


class UnboxedThing(Struct, frozen=True):
    """A thing without a box, and the image that it is on."""

    image_id: str
    image: str
    thing: Unboxed


class Examples:
    """Picks a few samples of each group by a hash of their ids, so that they come from all over the corpus."""

    def __init__(self) -> None:
        self._numbers: dict[Group, int] = {}
        self._kept: dict[Group, list[tuple[bytes, str, Sample]]] = {}
        self._unboxed: dict[tuple[str, str], UnboxedThing] = {}

    def add(self, sample: Sample) -> None:
        """Look at one sample."""
        rank = hashlib.blake2b(sample.sample_id.encode(), digest_size=8).digest()
        for group in _groups(sample):
            self._numbers[group] = self._numbers.get(group, 0) + 1
            kept = self._kept.setdefault(group, [])
            if len(kept) < N_EACH or rank < kept[-1][0]:
                insort(kept, (rank, sample.sample_id, sample), key=lambda one: one[:2])
                del kept[N_EACH:]
        for told in fated_turns(sample):
            for one in unboxed_in(told.turn):
                self._unboxed[sample.image_id, one.category] = UnboxedThing(sample.image_id, sample.image, one)
        if len(self._unboxed) > 2 * MAX_UNBOXED:
            self._unboxed = {(one.image_id, one.thing.category): one for one in self.unboxed()}

    def of(self, fate: str) -> Iterator[tuple[str, int, list[Sample]]]:
        """Name, size and examples of each group with one fate, commonest first."""
        groups = sorted((group for group in self._numbers if group[0] == fate), key=lambda g: (-self._numbers[g], g))
        for group in groups[: MAX_GROUPS[fate]]:
            yield group[1], self._numbers[group], [sample for _, _, sample in self._kept[group]]

    def unboxed(self) -> list[UnboxedThing]:
        """What has probably no box though it is there: what captions name first, then the surest; one a category."""
        every = self._unboxed.values()
        return sorted(every, key=lambda one: (not one.thing.is_captioned, -one.thing.chance, one.image_id))[
            :MAX_UNBOXED
        ]

    def image_ids(self) -> set[str]:
        """Images of all that may be shown."""
        return {sample.image_id for kept in self._kept.values() for _, _, sample in kept}


class Card(Struct, frozen=True):
    """A sample to look at."""

    sample_id: str
    html: str


class CardGroup(Struct, frozen=True):
    """Samples that share a response type or a reason."""

    name: str
    number: int
    cards: tuple[Card, ...]


def draw_groups(
    examples: Examples, fate: str, images: Mapping[str, AnnotatedImage], read: ReadPicture | None
) -> tuple[CardGroup, ...]:
    """Draw the cards of one fate.

    Args:
        examples: What was picked.
        fate: ``accepted``, ``rejected`` or ``cut``.
        images: Annotations by image id, for the boxes; may lack some.
        read: Opens pictures; None leaves the frames empty.
    """
    return tuple(
        CardGroup(
            name, number, tuple(_draw(sample, images.get(sample.image_id), read, fate == "cut") for sample in samples)
        )
        for name, number, samples in examples.of(fate)
    )


def small_picture(name: str, read: ReadPicture, side_px: int = PICTURE_PX) -> str | None:
    """A picture as a data URI of a JPEG whose longer side is ``side_px`` at most, or None when it cannot be read."""
    try:
        picture = read(name)
    except PictureError:
        return None
    picture.thumbnail((side_px, side_px))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _groups(sample: Sample) -> Iterable[Group]:
    if sample.status == "rejected":
        return [("rejected", f"{sample.stage}: {sample.reason}")]
    return [
        ("accepted", sample.response_type),
        *{("cut", f"{cut.stage}: {cut.reason}"): None for cut in sample.cuts},
    ]


def _draw(sample: Sample, image: AnnotatedImage | None, read: ReadPicture | None, are_cuts_open: bool) -> Card:
    url = None if read is None else small_picture(sample.image, read)
    return Card(sample.sample_id, card_body(_shortened(sample), image and _with_few_boxes(image), url, are_cuts_open))


def _shortened(sample: Sample) -> Sample:
    """Keep a card from filling the page, whatever a model wrote."""
    cuts = tuple(replace(cut, detail=_clip(cut.detail), turns=_clipped(cut.turns)) for cut in sample.cuts[:_MAX_TURNS])
    return replace(sample, turns=_clipped(sample.turns), cuts=cuts, detail=sample.detail and _clip(sample.detail))


def _clipped(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    return tuple(
        Turn(_clip(turn.question), _clip(turn.answer), _claims_inside(turn), _validation_of(turn), turn.opinions)
        for turn in turns[:_MAX_TURNS]
    )


def _claims_inside(turn: Turn) -> tuple[Claim, ...]:
    return tuple(claim for claim in turn.claims if claim.end <= _MAX_CHARACTERS)


def _validation_of(turn: Turn) -> Validation | None:
    """What the validator said; its probes go by a claim's number, so they go where a claim was taken out."""
    if turn.validation is None or len(_claims_inside(turn)) == len(turn.claims):
        return turn.validation
    return replace(turn.validation, probes=None)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]} …"


def _with_few_boxes(image: AnnotatedImage) -> AnnotatedImage:
    if len(image.boxes) <= _MAX_BOXES:
        return image
    largest = sorted(range(len(image.boxes)), key=lambda n: -image.boxes[n].area_unit)[:_MAX_BOXES]
    return replace(image, boxes=tuple(image.boxes[n] for n in sorted(largest)))
