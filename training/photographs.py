"""Photographs with boxes and captions in COCO's form, and what is known of each: what is there, what not, how surely.

A folder holds ``images/`` and ``instances.json``, ``captions.json`` or both. Boxes tell what is there; that a thing is
not there is only told by a folder whose ``info.exhaustive`` names its category (an empty list: of none), or by COCO's
own pictures, boxed without that list. Where nobody
boxed, a detector's findings count with the trust that their score earned where the truth is known. They lie in
``PSEUDO/FOLDER.jsonl``, ``{"id": file name, "det": [[x1, y1, x2, y2, score, class], …]}``, corners on a square of 512.
Where a line says ``"trusted": true``, as ``join_findings`` writes it, the fifth number is that trust itself.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.lexicon import lexicon_for
from datagen.records import BoxUnit

TRUST = (
    (0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.45, 0.60, 0.80),
    (0.06, 0.13, 0.25, 0.42, 0.58, 0.72, 0.86, 0.95, 0.98),
)
"""Score of a detector's finding to the share of such findings that are right, measured where everything is boxed."""
LEAST_TRUST = 0.02
DETECTED_FROM = 0.2
"""Lowest score of a finding that counts as a box."""
SAID_ONCE, SAID_OFTEN = 0.8, 0.95
"""Trust in a thing that one caption names, and in one that several name."""
UNSAID_WEIGHT = 0.2
"""Weight of a thing's absence where nobody looked for it and no caption names it. Without it a category would be
learned from captions' examples alone, and be seen everywhere: 1,000 steps took an AUROC of .94 to .84.
"""
_DETECTOR_PX = 512


class Found(Struct, frozen=True):
    """A box around a thing.

    Attributes:
        category: Number of the category.
        box: Corners as shares of the frame.
        trust: Chance that it is right; 1 for a person's.
        is_crowd: It outlines a group.
    """

    category: int
    box: BoxUnit
    trust: float = 1.0
    is_crowd: bool = False


class Photograph(Struct, frozen=True):
    """A photograph and what is known of it.

    Attributes:
        folder: Name of its folder.
        path: Its file.
        found: Boxes, a person's and a detector's.
        decided: Categories of which it is known whether they are there.
        captions: What people said of it.
    """

    folder: str
    path: Path
    found: tuple[Found, ...]
    decided: frozenset[int]
    captions: tuple[str, ...]

    @property
    def is_kept_back(self) -> bool:
        """One in ten, by a digest of the file's name: never trained on."""
        return int(hashlib.sha256(self.path.name.encode()).hexdigest(), 16) % 10 == 0

    @property
    def boxed(self) -> tuple[Found, ...]:
        """Boxes that a person drew."""
        return tuple(one for one in self.found if one.trust == 1)


def read_folders(folders: Sequence[Path], categories: Sequence[str], pseudo: Path | None = None) -> list[Photograph]:
    """Read folders of photographs.

    Args:
        folders: Of the form above.
        categories: Names by number; what a folder boxes beside them is left out.
        pseudo: Folder with a detector's findings, or None.
    """
    return [one for folder in folders for one in _read_folder(folder, categories, pseudo)]


def _read_folder(folder: Path, categories: Sequence[str], pseudo: Path | None) -> Iterator[Photograph]:
    number_of = {name: n for n, name in enumerate(categories)}
    tables = [
        json.loads(path.read_bytes())
        for name in ("instances", "captions")
        if (path := folder / f"{name}.json").exists()
    ]
    boxes, captions = defaultdict(list), defaultdict(list)
    exhaustive: list[str] = []
    is_told = any("exhaustive" in table.get("info", {}) for table in tables)
    names: dict[int, str] = {}
    for table in tables:
        names |= {one["id"]: one["name"] for one in table.get("categories", ())}
        exhaustive += table.get("info", {}).get("exhaustive", ())
        for one in table["annotations"]:
            if "caption" in one:
                captions[one["image_id"]].append(one["caption"])
            elif names[one["category_id"]] in number_of:
                boxes[one["image_id"]].append(one)
    some = frozenset(number_of[name] for name in exhaustive if name in number_of)
    detected = _read_detected(pseudo / f"{folder.name}.jsonl") if pseudo is not None else {}
    is_coco = bool(boxes) and not is_told
    for image in tables[0]["images"]:
        is_whole = is_coco and not image.get("no_instances")
        decided = frozenset(range(len(categories))) if is_whole else some
        own = [
            Found(number_of[names[one["category_id"]]], _unit(one["bbox"], image), 1.0, bool(one.get("iscrowd")))
            for one in boxes[image["id"]]
        ]
        settled = decided | {one.category for one in own}
        others = [one for one in detected.get(image["file_name"], ()) if one.category not in settled]
        yield Photograph(
            folder.name,
            folder / "images" / image["file_name"],
            (*own, *others),
            decided,
            tuple(captions[image["id"]]),
        )


def _unit(bbox: Sequence[float], image: dict[str, Any]) -> BoxUnit:
    left, top, width, height = bbox
    wide, high = image["width"], image["height"]
    return left / wide, top / high, (left + width) / wide, (top + height) / high


def _read_detected(path: Path) -> dict[str, list[Found]]:
    if not path.exists():
        return {}
    detected: dict[str, list[Found]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        detected[told["id"]] = [_found(*one, is_trusted=bool(told.get("trusted"))) for one in told["det"]]
    return detected


def _found(
    left: float, top: float, right: float, bottom: float, score: float, category: float, *, is_trusted: bool
) -> Found:
    corners = [min(1.0, max(0.0, value / _DETECTOR_PX)) for value in (left, top, right, bottom)]
    # Less than a person's, however sure the detector is.
    trust = min(score, TRUST[1][-1]) if is_trusted else trust_in(score)
    return Found(int(category), (corners[0], corners[1], corners[2], corners[3]), trust)


def trust_in(score: float) -> float:
    """The chance that a detector's finding is right."""
    return float(np.interp(score, *TRUST, left=LEAST_TRUST))


class Presence(Struct, frozen=True):
    """Whether each category is there, (photographs, categories).

    Attributes:
        chance: That it is.
        weight: Of that knowledge: 1 where people said so, a half where a detector did, less where captions are silent,
            0 where nobody looked.
    """

    chance: NDArray[np.float32]
    weight: NDArray[np.float32]


def presence_of(photographs: Sequence[Photograph], categories: Sequence[str], detected: frozenset[str]) -> Presence:
    """Join boxes, a detector's findings and captions.

    Args:
        photographs: Of any folder.
        categories: Names by number.
        detected: Folders that a detector has looked through: what it did not find is likely not there.
    """
    lexicon = lexicon_for(tuple(categories))
    chance = np.zeros((len(photographs), len(categories)), np.float32)
    weight = np.zeros_like(chance)
    for n, one in enumerate(photographs):
        if one.folder in detected:
            chance[n], weight[n] = LEAST_TRUST / 2, 0.5
        if one.captions and one.folder not in detected:
            chance[n], weight[n] = LEAST_TRUST, UNSAID_WEIGHT
        for found in one.found:
            if found.trust < 1:
                chance[n, found.category] = max(chance[n, found.category], found.trust)
        said = [{m.category for m in lexicon.find(text) if not m.is_unsure} for text in one.captions]
        for number, name in enumerate(categories):
            times = sum(name in names for names in said)
            if times:
                trust = SAID_OFTEN if times > 1 else SAID_ONCE
                chance[n, number], weight[n, number] = max(trust, float(chance[n, number])), 1
        settled = list(one.decided)
        chance[n, settled], weight[n, settled] = 0, 1
        for found in one.boxed:
            chance[n, found.category] = weight[n, found.category] = 1
    return Presence(chance, weight)
