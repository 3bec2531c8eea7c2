"""Pictures that are neither drawn scenes nor photographs: windows, pages of text, charts and diagrams, for the guard.

All are made of a few flat colours, thin straight edges and small glyphs, in the sizes that people save them in.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from datagen.words import COCO_CATEGORIES

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
SIZES = ((1280, 720), (1440, 900), (1024, 768), (800, 600), (640, 480), (480, 360), (390, 844), (620, 877), (600, 400))
_WORDS = " ".join(COCO_CATEGORIES).split()
_INKS: tuple[Colour, ...] = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (23, 190, 207), (66, 133, 244),
    (90, 90, 90), (0, 114, 178), (230, 159, 0), (204, 121, 167),
)  # fmt: skip


class _Sheet:
    """A picture that is being drawn, with its colours: light more often than dark."""

    def __init__(self, dice: random.Random) -> None:
        width, height = dice.choice(SIZES)
        self.dice = dice
        self.is_dark = dice.random() < 0.3
        level = dice.choice([18, 30, 40]) if self.is_dark else dice.choice([255, 255, 255, 250, 245, 238])
        self.ground: Colour = (level, level, min(255, level + dice.choice([0, 0, 6, 12])))
        self.ink: Colour = (220, 220, 220) if self.is_dark else (dice.choice([0, 30, 60]),) * 3
        self.picture = Image.new("RGB", (width, height), self.ground)
        self.pen = ImageDraw.Draw(self.picture)
        self.size_px = max(9, round(height * dice.uniform(0.015, 0.035)))
        self.font = ImageFont.load_default(self.size_px)

    def shade(self) -> Colour:
        """A little lighter or darker than the ground, as bars and panels are."""
        step = self.dice.randint(8, 40) * (1 if self.is_dark else -1)
        return (self.ground[0] + step, self.ground[1] + step, min(255, self.ground[2] + step))

    def colour(self) -> Colour:
        """Of something that shall be seen."""
        return self.dice.choice(_INKS)

    def words(self, most: int) -> str:
        """Up to so many words."""
        return " ".join(self.dice.choices(_WORDS, k=self.dice.randint(1, most)))

    def lines(self, area: Rectangle, fill: float = 1.0) -> None:
        """Set lines of text, ragged on the right; ``fill`` is the share of lines that are there."""
        left, top, right, bottom = area
        step = round(self.size_px * self.dice.uniform(1.25, 1.7))
        indent = self.dice.random() < 0.3  # as code has it
        for y in range(top, bottom - self.size_px, step):
            if self.dice.random() > fill:
                continue
            x = left + (self.dice.randint(0, 3) * 2 * self.size_px if indent else 0)
            text, most = self.words(14), max(1, round((right - x) / (self.size_px * 0.55)))
            ink = self.colour() if self.dice.random() < 0.08 else self.ink
            self.pen.text((x, y), text[:most], fill=ink, font=self.font)


def _page(sheet: _Sheet) -> None:
    """A page of text, in one or two columns, with headings and here and there a rule or a code block."""
    dice, (width, height) = sheet.dice, sheet.picture.size
    columns, margin = dice.choice([1, 1, 2]), round(width * dice.uniform(0.03, 0.14))
    across = (width - 2 * margin) // columns
    for n in range(columns):
        left, y = margin + n * across, round(height * dice.uniform(0.02, 0.1))
        while y < height:
            block = round(height * dice.uniform(0.08, 0.35))
            area = (left, y, left + across - margin // 2, min(height, y + block))
            if dice.random() < 0.2:
                sheet.pen.rectangle(area, fill=sheet.shade())
            if dice.random() < 0.4:
                heading = ImageFont.load_default(round(sheet.size_px * dice.uniform(1.3, 2.2)))
                sheet.pen.text((left, y), sheet.words(5), fill=sheet.ink, font=heading)
                area = (area[0], y + 2 * sheet.size_px, area[2], area[3])
            sheet.lines(area, fill=dice.uniform(0.8, 1))
            y += block + sheet.size_px * dice.randint(1, 4)


def _window(sheet: _Sheet) -> None:
    """A program: bars, a list at the side, panels, buttons, rows of a table."""
    dice, (width, height) = sheet.dice, sheet.picture.size
    bar = round(height * dice.uniform(0.04, 0.1))
    sheet.pen.rectangle((0, 0, width, bar), fill=dice.choice([sheet.shade(), sheet.colour()]))
    sheet.pen.text((sheet.size_px, bar // 4), sheet.words(6), fill=sheet.ink, font=sheet.font)
    side = round(width * dice.choice([0, 0.15, 0.22, 0.3]))
    if side:
        sheet.pen.rectangle((0, bar, side, height), fill=sheet.shade())
        sheet.lines((sheet.size_px, bar + sheet.size_px, side - sheet.size_px, height), fill=0.7)
    left, top = side + sheet.size_px, bar + sheet.size_px
    if dice.random() < 0.5:
        rows, columns = dice.randint(4, 20), dice.randint(2, 7)
        down, across = (height - top) // rows, (width - left) // columns
        for row in range(rows):
            if row % 2 and dice.random() < 0.7:
                sheet.pen.rectangle((left, top + row * down, width, top + (row + 1) * down), fill=sheet.shade())
            for column in range(columns):
                place = (left + column * across, top + row * down + 2)
                sheet.pen.text(place, sheet.words(2)[: across // sheet.size_px], fill=sheet.ink, font=sheet.font)
    else:
        for _ in range(dice.randint(1, 6)):
            x, y = dice.randint(left, max(left, width - 40)), dice.randint(top, max(top, height - 40))
            area = (x, y, min(width - 4, x + dice.randint(40, width)), min(height - 4, y + dice.randint(30, height)))
            sheet.pen.rounded_rectangle(area, dice.choice([0, 4, 10]), fill=sheet.shade(), outline=sheet.colour())
            sheet.lines((area[0] + 6, area[1] + 6, area[2] - 6, area[3]), fill=0.8)
    for _ in range(dice.randint(0, 5)):
        x, y = dice.randint(0, width - 30), dice.randint(0, height - 20)
        sheet.pen.rounded_rectangle((x, y, x + 8 * sheet.size_px, y + 2 * sheet.size_px), 4, fill=sheet.colour())
        sheet.pen.text((x + 6, y + sheet.size_px // 2), sheet.words(1), fill=(255, 255, 255), font=sheet.font)


def _chart(sheet: _Sheet) -> None:
    """Axes with bars, lines, points or a pie, ticks, a grid and a key."""
    dice, (width, height) = sheet.dice, sheet.picture.size
    left, right = round(width * dice.uniform(0.08, 0.16)), round(width * dice.uniform(0.75, 0.97))
    top, bottom = round(height * dice.uniform(0.06, 0.14)), round(height * dice.uniform(0.8, 0.92))
    sheet.pen.text((left, sheet.size_px // 3), sheet.words(6), fill=sheet.ink, font=sheet.font)
    form = dice.choice(["bars", "lines", "points", "pie", "area"])
    if form == "pie":
        _pie(sheet, (left, top, right, bottom))
        return
    if dice.random() < 0.6:
        for n in range(1, 7):
            y = top + n * (bottom - top) // 7
            sheet.pen.line((left, y, right, y), fill=sheet.shade())
    for n in range(7):
        y, x = top + n * (bottom - top) // 7, left + n * (right - left) // 7
        sheet.pen.text((left - 4 * sheet.size_px, y), str(dice.randint(0, 999)), fill=sheet.ink, font=sheet.font)
        sheet.pen.text((x, bottom + 4), sheet.words(1)[:6], fill=sheet.ink, font=sheet.font)
    area = (left, top, right, bottom)
    for _ in range(1 if form == "bars" else dice.randint(1, 4)):
        _series(sheet, form, area)
    sheet.pen.line((left, bottom, right, bottom), fill=sheet.ink, width=2)
    sheet.pen.line((left, top, left, bottom), fill=sheet.ink, width=2)
    if dice.random() < 0.5:
        sheet.pen.rectangle((left, top, right, bottom), outline=sheet.ink)


def _series(sheet: _Sheet, form: str, area: Rectangle) -> None:
    """One row of numbers as bars, a line, points or an area."""
    dice, (left, top, right, bottom) = sheet.dice, area
    colour, n = sheet.colour(), dice.randint(4, 40)
    heights = [dice.uniform(0.05, 0.95)]
    for _ in range(n - 1):
        heights.append(min(0.97, max(0.03, heights[-1] + dice.gauss(0, 0.12))))
    marks = [
        (left + round((k + 0.5) * (right - left) / n), bottom - round(up * (bottom - top)))
        for k, up in enumerate(heights)
    ]
    if form == "bars":
        reach = max(1, round(0.35 * (right - left) / n))
        for x, y in marks:
            sheet.pen.rectangle((x - reach, y, x + reach, bottom), fill=colour)
    elif form == "lines":
        sheet.pen.line(marks, fill=colour, width=dice.randint(1, 4))
    elif form == "area":
        sheet.pen.polygon([(left, bottom), *marks, (right, bottom)], fill=colour)
    else:
        for place in marks * 3:
            x, y, r = place[0] + round(dice.gauss(0, 12)), place[1] + round(dice.gauss(0, 12)), dice.randint(2, 6)
            sheet.pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _pie(sheet: _Sheet, area: Rectangle) -> None:
    dice, (left, top, right, bottom) = sheet.dice, area
    radius, at = min(right - left, bottom - top) // 2, 0.0
    middle = ((left + right) // 2, (top + bottom) // 2)
    circle = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
    for _ in range(dice.randint(3, 8)):
        end = at + dice.uniform(20, 110)
        sheet.pen.pieslice(circle, at, min(360, end), fill=sheet.colour(), outline=sheet.ground)
        at = end


def _diagram(sheet: _Sheet) -> None:
    """Boxes with words in them, joined by lines; or a slide with a few large lines."""
    dice, (width, height) = sheet.dice, sheet.picture.size
    places = []
    for _ in range(dice.randint(3, 12)):
        across, down = round(width * dice.uniform(0.1, 0.25)), round(height * dice.uniform(0.06, 0.16))
        x, y = dice.randint(0, width - across), dice.randint(0, height - down)
        places.append((x, y, x + across, y + down))
    for one, other in pairwise(places):
        ends = [((box[0] + box[2]) // 2, (box[1] + box[3]) // 2) for box in (one, other)]
        sheet.pen.line(ends, fill=sheet.ink, width=dice.randint(1, 3))
    is_filled = dice.random() < 0.6
    for box in places:
        fill = dice.choice([sheet.shade(), sheet.colour()]) if is_filled else sheet.ground
        sheet.pen.rounded_rectangle(box, dice.choice([0, 0, 8]), fill=fill, outline=sheet.ink, width=dice.randint(1, 2))
        sheet.pen.text((box[0] + 6, box[1] + 6), sheet.words(2), fill=sheet.ink, font=sheet.font)


FORMS: tuple[Callable[[_Sheet], None], ...] = (_page, _page, _window, _window, _chart, _chart, _diagram)


def draw_screen(dice: random.Random) -> Image.Image:
    """Draw one; the same state gives the same picture."""
    sheet = _Sheet(dice)
    dice.choice(FORMS)(sheet)
    return sheet.picture
