"""YOLO: a text file of boxes beside each picture, names of the categories in ``data.yaml``; captions there are none.

As docs.ultralytics.com has it (datasets/detect, datasets/segment): a line is ``class x y width height``, the centre and
the size as shares of the frame, or ``class x y x y x y ...``, the corners of an outline. A picture's file of labels has
the same path with the last ``images`` turned to ``labels``: ``images/train`` and ``labels/train``, or ``train/images``
and ``train/labels`` as Roboflow has it; label tools write ``classes.txt`` in place of ``data.yaml``. A picture without
labels among others that have some shows nothing of the categories.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePath

import msgspec
from msgspec import Struct

from datagen.config import CorpusSettings
from datagen.corpus.assembly import MAX_LABEL_BYTES, Assembly, Corners, corpus_of, read_bounded, seems
from datagen.corpus.picture_folders import is_text, name_from, pictures_in, pictures_of, rank_of, walked
from datagen.corpus.source import Corpus, FolderSource
from datagen.errors import CorpusError
from datagen.yaml_text import RepeatedKeyError, decode_yaml

_YAML = (".yaml", ".yml")
_CLASSES = ("classes.txt", "labels/classes.txt", "obj.names")
"""Of label tools and of Darknet: a name a line."""
_NO_LABELS = frozenset("classes.txt train.txt val.txt valid.txt test.txt readme.txt notes.txt license.txt".split())
"""Beside pictures; Roboflow adds ``README.dataset.txt``."""


class _Names(Struct, frozen=True):
    """What a file says of the categories.

    Attributes:
        path: Of the file.
        by_number: Names by class number.
        has_keypoints: Whether lines go on with key points behind the box.
    """

    path: Path
    by_number: dict[int, str]
    has_keypoints: bool = False


class _LabelFolder(Struct, frozen=True):
    """A folder of labels, and of their pictures.

    Attributes:
        labels: Its path.
        pictures: Path of the other.
        stems: Names of the label files without their suffix.
    """

    labels: str
    pictures: str
    stems: frozenset[str]


def recognise_yolo(path: Path) -> bool:
    """Whether this is ``data.yaml``, the folder with it or with ``classes.txt``, or a folder in that."""
    found = _find_names(path)
    return found is not None and (found.is_relative_to(path) or any(_places(_root_of(found), path)))


def explain_no_yolo(path: Path) -> str | None:
    """Say why a folder with ``data.yaml`` is no YOLO data set, or such a file; None where there is none."""
    file = path / "data.yaml" if path.is_dir() else path
    if not file.is_file() or file.name not in ("data.yaml", "data.yml"):
        return None
    try:
        return None if _read_names(file).by_number else f"{file}: its 'names' of categories are empty."
    except CorpusError as error:
        return str(error)


def open_yolo(settings: CorpusSettings) -> FolderSource:
    """The data set at ``corpus.path``: its folder, one of its splits, or its ``data.yaml``."""
    path = Path(settings.path or "")
    names_file = _find_names(path)
    root = path if names_file is None else _root_of(names_file)
    only = path if path.is_dir() else root

    def files() -> Iterator[str]:
        if names_file is not None:
            yield str(names_file)
        for place in _places(root, only):
            yield from (f"{place.labels}/{stem}.txt" for stem in sorted(place.stems))

    def read() -> Corpus:
        if names_file is None:
            raise CorpusError(f"{path}: holds no data.yaml with 'names' and no classes.txt, so boxes have no names.")
        return _read(_read_names(names_file), root, only, Path(settings.images or root))

    return FolderSource(name="yolo", kind="YOLO labels", folder=str(only), files=files, read=read, pictures=str(root))


def _find_names(path: Path) -> Path | None:
    """The file with the names of the categories: the path itself, in it, or up to two folders above."""
    if not path.is_dir():
        return path if path.suffix.lower() in _YAML and _holds_names(path) else None
    for folder in (path, *path.parents[:2]):
        try:
            yamls = sorted(one for one in folder.iterdir() if one.suffix.lower() in _YAML and one.is_file())
        except OSError:  # a folder above may be closed to us
            continue
        yamls.sort(key=lambda one: one.stem != "data")  # others may be the settings of a training
        for found in (*yamls, *(folder / name for name in _CLASSES)):
            if found.is_file() and _holds_names(found):
                return found
    return None


def _root_of(names_file: Path) -> Path:
    return names_file.parent.parent if names_file.parent.name == "labels" else names_file.parent


def _holds_names(path: Path) -> bool:
    try:
        return bool(_read_names(path).by_number)
    except (CorpusError, OSError):
        return False


def _read_names(path: Path) -> _Names:
    """Read ``data.yaml`` or ``classes.txt``.

    Raises:
        CorpusError: It is something else.
    """
    data = read_bounded(str(path))
    if data is None:
        raise CorpusError(f"{path}: is larger than any file of names. Give the data.yaml of a YOLO data set.")
    try:
        if path.suffix.lower() not in _YAML:
            return _Names(path, dict(enumerate(line.strip() for line in data.decode().rstrip().splitlines())))
        tree = decode_yaml(data)
    except RepeatedKeyError as error:
        raise CorpusError(f"{path}: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CorpusError(f"{path}: is no YAML in UTF-8 ({' '.join(str(error).split())[:200]}).") from None
    names = tree.get("names") if isinstance(tree, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(key, int) for key in names):
        raise CorpusError(f"{path}: has no 'names' of categories, as [person, dog] or {{0: person, 1: dog}}.")
    return _Names(path, {n: "" if name is None else str(name) for n, name in names.items()}, "kpt_shape" in tree)


def _places(root: Path, only: Path) -> Iterator[_LabelFolder]:
    """The folders of labels: ``train`` first, then ``val`` and ``test``, as far as they or their pictures are wanted.

    What ``data.yaml`` says of folders is written for the machine of whoever made it, and may lead anywhere. The layout
    says the same, so it is not read.
    """
    found: list[_LabelFolder] = []
    for folder, names in walked(root):
        parts = PurePath(folder).relative_to(root).parts
        is_apart = "labels" in parts
        stems = frozenset(
            name[:-4]
            for name in names
            if name.endswith(".txt") and name.lower() not in _NO_LABELS and (is_apart or not name.startswith("README"))
        )
        if is_apart:
            at = len(parts) - 1 - parts[::-1].index("labels")
            pictures = str(root.joinpath(*parts[:at], "images", *parts[at + 1 :]))
        else:
            pictures = folder
            stems = stems if any(pictures_of(names)) else frozenset()
        if stems and any(PurePath(one).is_relative_to(only) for one in (folder, pictures)):
            found.append(_LabelFolder(folder, pictures, stems))
    found.sort(key=lambda place: (rank_of(PurePath(place.pictures).relative_to(root).parts), place.pictures))
    yield from found


def _read(names: _Names, root: Path, only: Path, base: Path) -> Corpus:
    """Read the labels of all pictures, and give those without labels none."""
    n_classes = max(names.by_number, default=-1) + 1
    given = [names.by_number.get(n, "") for n in range(min(n_classes, 100_000))]
    assembly = Assembly(str(only), given)
    rows = [assembly.category(name) for name in given]
    n_records = 0
    for place in _places(root, only):
        before = name_from(base, Path(place.pictures), root)
        listed = pictures_in(place.pictures) or pictures_in(f"{base}/{before}")
        for stem in sorted({*listed, *place.stems}):
            n_records += 1
            if not is_text(stem):
                assembly.tell_unreadable(ascii(stem), "its name is not UTF-8; rename it")
                continue
            image = assembly.add_image(f"{before}{listed.get(stem, f'{stem}.jpg')}")
            if stem in place.stems:
                _read_labels(f"{place.labels}/{stem}.txt", image, assembly, rows, has_keypoints=names.has_keypoints)
    if not n_records:
        told = "holds no folder of labels, such as labels/train beside images/train"
        raise CorpusError(f"{only}: {told}. Give the folder that holds both.")
    return corpus_of(assembly.annotations(n_records, _guess))


def _read_labels(path: str, image: int, assembly: Assembly, rows: list[int], *, has_keypoints: bool) -> None:
    """Read the labels of a picture; a faulty line costs itself."""
    name = path.rpartition("/")[2]
    data = read_bounded(path)
    if data is None:
        assembly.tell_unreadable(name, f"has more than {MAX_LABEL_BYTES} bytes", image=image)
        return
    categories: list[int] = []
    corners: list[tuple[float, float, float, float]] = []
    areas: list[float] = []
    n_lines = n_odd = 0
    for number, line in enumerate(data.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        n_lines += 1
        which = math.nan
        try:
            which, *values = map(float, words)
            if has_keypoints:
                values = values[:4]
            box, area = _outlined(values) if len(values) != 4 else _centred(*values)
            if which < 0 or which != int(which) or not rows[int(which) :]:
                raise ValueError(f"there is no class {which:g}; the names have 0 to {len(rows) - 1}")
        except (ValueError, OverflowError) as error:
            n_odd += 1
            assembly.tell("label_unreadable", image, f"{name}, line {number}: {_fault(error)}; left out")
            assembly.leave_open(image, rows[int(which)] if which in range(len(rows)) else None)
            continue
        categories.append(rows[int(which)])
        corners.append(box)
        areas.append(area)
    if n_odd and 2 * n_odd > n_lines:
        assembly.note_faulty(f"{name}: {n_odd} of {n_lines} lines cannot be read, {assembly.findings[-1].detail}")
    if corners:
        assembly.add_boxes([image] * len(corners), categories, corners, areas)


def _fault(error: Exception) -> str:
    told = str(error)
    return "holds something else than numbers" if told.startswith("could not convert") else told


def _centred(x: float, y: float, width: float, height: float) -> tuple[tuple[float, float, float, float], float]:
    """Corners and area of a box given by its centre and size."""
    if not math.isfinite(x + y + width + height):
        raise ValueError("a number is not finite")
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2), width * height


def _outlined(values: list[float]) -> tuple[tuple[float, float, float, float], float]:
    """Corners of the box around an outline, and the outline's area."""
    if len(values) == 5:
        raise ValueError("has a sixth number, as a detector's output has its confidence; give labels made by people")
    if len(values) < 6 or len(values) % 2:
        raise ValueError("expected class, x, y, width and height, or class and x, y of three corners or more")
    if not all(map(math.isfinite, values)):
        raise ValueError("a number is not finite")
    xs, ys = values[0::2], values[1::2]
    twice = sum(a * d - c * b for a, b, c, d in zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True))
    return (min(xs), min(ys), max(xs), max(ys)), abs(twice) / 2 or math.inf


def _guess(corners: Corners) -> str | None:
    """What the numbers of the labels seem to be instead of centre and size."""
    left, top, right, bottom = corners.T
    given = corners.copy()
    given[:, 0], given[:, 1], given[:, 2], given[:, 3] = (
        (left + right) / 2,
        (top + bottom) / 2,
        right - left,
        bottom - top,
    )
    if (given.max(axis=1) > 1.5).mean() > 0.5:
        return "its numbers are pixels; YOLO's are shares of the frame: divide by width and height"
    if seems(given):
        return "its boxes are corners [left, top, right, bottom]; YOLO's are centre and size"
    moved = given.copy()
    moved[:, 2:] += given[:, :2]
    return "its boxes are [left, top, width, height]; YOLO's begin with the centre" if seems(moved) else None
