"""Annotated images written in every corpus format, as its public specification has it: what tests read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datagen.records import AnnotatedImage


def write_yolo(images: Sequence[AnnotatedImage], categories: Sequence[str], folder: Path) -> Path:
    """Ultralytics' layout, ``images/train`` and ``labels/train``."""
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    names = "".join(f"  {n}: {name}\n" for n, name in enumerate(categories))
    (folder / "data.yaml").write_text(f"path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n{names}")
    for image in images:
        lines = [
            f"{categories.index(box.category)} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} "
            f"{bottom - top:.6f}\n"
            for box in image.boxes
            for left, top, right, bottom in [box.box_unit]
        ]
        (labels / f"{PurePosixPath(image.file_name).stem}.txt").write_text("".join(lines))
    return folder


@dataclass(frozen=True)
class Format:
    """How a corpus is written, and what comes back.

    Attributes:
        write: Gives the path for ``corpus.path``.
        pictures: Where the pictures stand in its folder.
        off_by: How far its boxes are rounded, as a share of the frame.
    """

    write: Callable[[Sequence[AnnotatedImage], Sequence[str], Path], Path]
    pictures: str
    captions: bool = False
    boxes: bool = True
    licences: bool = False
    off_by: float = 1e-5


WRITERS = {"yolo": Format(write_yolo, "images/train")}
"""By the names of the formats that ``corpus.path`` finds."""
