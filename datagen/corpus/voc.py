"""PASCAL VOC: one XML file of boxes for each picture; captions there are none.

As VOC's development kit has it (host.robots.ox.ac.uk/pascal/VOC/voc2012): corners in pixels, of which the first is 1
and the last belongs to the box. ``Annotations`` stands beside ``JPEGImages``, or the files beside the pictures as tools
write them. A ``difficult`` object needs more than its looks to be recognised, and VOC scores none: its box is left
out, and its category is not counted to the end. A ``truncated`` one is boxed as far as it is seen.

Files come from anywhere: one with a document type is refused, as only such can define entities that grow without bound
or name other files; the size is bounded.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, TreeBuilder, XMLParser

from msgspec import Struct

from datagen.config import CorpusSettings
from datagen.corpus.assembly import MAX_LABEL_BYTES, Assembly, Corners, corpus_of, read_bounded, seems
from datagen.corpus.file_names import plain_name
from datagen.corpus.picture_folders import is_text, name_from, pictures_in, rank_of, walked
from datagen.corpus.pictures import PictureError, picture_size
from datagen.corpus.source import Corpus, FolderSource
from datagen.errors import CorpusError

MAX_LOOKED_AT = 20
"""Files that are read to know a folder."""
_PICTURES = ("JPEGImages", "images", "Images", "../JPEGImages", "../images")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_HAS_DOCTYPE = "has a document type, which could define entities; VOC's files have none"


class _Unreadable(Exception):  # noqa: N818 - it becomes a finding
    """Why a file is none, as the end of a sentence."""


class _XmlFolder(Struct, frozen=True):
    """A folder of XML files, and that of their pictures."""

    folder: str
    pictures: str
    stems: tuple[str, ...]


def recognise_voc(path: Path) -> bool:
    """Whether this is a folder with XML files that hold VOC's annotations."""
    if not path.is_dir():
        return False
    for place in _places(path):
        for stem in place.stems[:MAX_LOOKED_AT]:
            try:
                _read_annotation(f"{place.folder}/{stem}.xml")
            except _Unreadable:
                continue
            return True
    return False


def open_voc(settings: CorpusSettings) -> FolderSource:
    """The folder at ``corpus.path``, with all XML files in it and below."""
    root = Path(settings.path or "")

    def files() -> Iterator[str]:
        return (f"{place.folder}/{stem}.xml" for place in _places(root) for stem in place.stems)

    def read() -> Corpus:
        return _read(root, Path(settings.images or _base_of(root)))

    return FolderSource(
        name="voc", kind="VOC annotations", folder=str(root), files=files, read=read, pictures=str(_base_of(root))
    )


def _base_of(root: Path) -> Path:
    """Where pictures are named from: the folder itself, or the one above where it holds nothing but annotations."""
    return root.parent if root.name == "Annotations" else root


def _places(root: Path) -> list[_XmlFolder]:
    """Folders with XML files: train first, then val and test."""
    found: list[_XmlFolder] = []
    for folder, names in walked(root):
        stems = tuple(sorted(name[:-4] for name in names if name.lower().endswith(".xml")))
        if stems:
            beside = (os.path.normpath(f"{folder}/{name}") for name in _PICTURES)
            near = folder if pictures_in(folder) else next((one for one in beside if os.path.isdir(one)), folder)  # noqa: PTH112
            found.append(_XmlFolder(folder, near, stems))
    return sorted(found, key=lambda place: (rank_of(PurePath(place.folder).relative_to(root).parts), place.folder))


def _read(root: Path, base: Path) -> Corpus:
    """Read all files; a faulty one costs its picture alone."""
    assembly = Assembly(str(root))
    n_records = n_difficult = 0
    seen: dict[str, str] = {}
    for place in _places(root):
        before = name_from(base, Path(place.pictures), root)
        listed = pictures_in(place.pictures) or pictures_in(f"{base}/{before}")
        names = {*listed.values()}
        for stem in place.stems:
            n_records += 1
            told = f"{stem if is_text(stem) else ascii(stem)}.xml"
            try:
                found = _read_annotation(f"{place.folder}/{stem}.xml")
            except _Unreadable as fault:
                assembly.tell_unreadable(told, str(fault))
                continue
            name = _name_of(found, stem, names, listed)
            if not is_text(name):
                assembly.tell_unreadable(told, "the name of its picture is not UTF-8; rename it")
                continue
            if before + name in seen:
                assembly.tell_unreadable(told, f"{name} is the picture of {seen[before + name]} already")
                continue
            seen[before + name] = told
            n_difficult += _add(found, told, f"{before}{name}", base, assembly)
    if not n_records:
        raise CorpusError(f"{root}: holds no XML file. Give the folder with VOC's Annotations and JPEGImages.")
    if n_difficult:
        told = f"{n_difficult} boxes are marked difficult; left out, and their categories are not counted to the end"
        assembly.tell("box_difficult", None, told)
    return corpus_of(assembly.annotations(n_records, _guess))


def _name_of(found: Element, stem: str, names: set[str], listed: dict[str, str]) -> str:
    """The picture's name: the one that is told if it is there, else that of the file's own name."""
    told = PurePosixPath(plain_name(_text(found, "filename"))).name
    if told in names:
        return told
    return listed.get(stem) or listed.get(told) or listed.get(PurePosixPath(told).stem) or told or f"{stem}.jpg"


def _add(found: Element, told: str, name: str, base: Path, assembly: Assembly) -> int:
    """Enter an image with its boxes; give how many difficult ones were left out."""
    width, height = (_whole(_text(found, f"size/{side}")) for side in ("width", "height"))
    given = found.findall("object")
    is_difficult = [_text(one, "difficult").lower() in ("1", "true") for one in given]
    objects = [one for one, is_left_out in zip(given, is_difficult, strict=True) if not is_left_out]
    fault = None
    if objects and not (width and height):
        try:
            width, height = picture_size(base, name)
        except PictureError as error:  # the pictures are checked later, and this one costs its samples then
            fault = f"{told} says no size, and {error.detail}; {len(objects)} boxes left out"
    image = assembly.add_image(name, width, height)
    if fault is not None:
        assembly.tell("box_without_frame", image, fault)
        for name_of_lost in filter(None, (_text(one, "name") for one in objects)):
            assembly.leave_open(image, assembly.category(name_of_lost))
        objects = []
    categories: list[int] = []
    units: list[tuple[float, float, float, float]] = []
    for one in objects:
        corners = _corners_of(one)
        category = _text(one, "name")
        if corners is None or not category:
            what = "a name" if corners is not None else "xmin, ymin, xmax and ymax as numbers"
            assembly.tell("box_missing", image, f"{told}: an object is without {what}; left out")
            assembly.leave_open(image, assembly.category(category) if category else None)
            continue
        left, top, right, bottom = corners
        units.append(((left - 1) / width, (top - 1) / height, right / width, bottom / height))
        categories.append(assembly.category(category))
    if units:
        assembly.add_boxes([image] * len(units), categories, units)
    difficult = Counter(_text(one, "name") for one, is_left_out in zip(given, is_difficult, strict=True) if is_left_out)
    if difficult:
        assembly.add_labels([(image, assembly.category(category)) for category in difficult if category])
    return difficult.total()


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _whole(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        return 0
    return int(value) if math.isfinite(value) else 0


def _corners_of(one: Element) -> list[float] | None:
    try:
        corners = [float(one.findtext(corner)) for one in one.findall("bndbox")[:1] for corner in _CORNERS]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return corners if corners and all(map(math.isfinite, corners)) else None


def _guess(corners: Corners) -> str | None:
    """What the corners seem to be instead."""
    given = corners.copy()
    given[:, 2:] += given[:, :2]
    return "its boxes are [left, top, width, height]; VOC's are corners" if seems(given) else None


def _read_annotation(path: str) -> Element:
    """Read a file.

    Raises:
        _Unreadable: It is empty, too large, no XML, no annotation, or holds what could do harm.
        OSError: It cannot be read.
    """
    data = read_bounded(path)
    if data is None:
        raise _Unreadable(f"has more than {MAX_LABEL_BYTES} bytes")
    if not data.strip():
        raise _Unreadable("is empty")
    if _DOCTYPE.search(data.translate(None, b"\0")):
        raise _Unreadable(_HAS_DOCTYPE)  # before it is parsed, as the parser would expand what it defines
    try:
        found: Element = ElementTree.XML(data, XMLParser(target=_Elements()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        odd = _odd_byte(data)
        raise _Unreadable(f"is no XML: {odd or error}") from None
    if found.tag != "annotation":
        raise _Unreadable(f"holds <{found.tag[:40]}>, not VOC's <annotation>")
    return found


class _Elements(TreeBuilder):
    """Builds a tree of a file without a document type."""

    def doctype(self, *_: object) -> None:
        """Refuse one that an encoding of its own has hidden."""
        raise _Unreadable(_HAS_DOCTYPE)


def _odd_byte(data: bytes) -> str | None:
    """Where a text that says nothing of its encoding stops being UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return f"it is not UTF-8 in line {line}; save it as UTF-8"
    return None
