"""Visual Genome: objects with attributes and relations, and phrases about regions; captions there are none.

As homes.cs.washington.edu/~ranjay/visualgenome/api_readme.html has it: ``image_data.json`` lists the pictures with
their sizes, and each of ``objects.json``, ``attributes.json``, ``relationships.json`` and ``region_descriptions.json``
is a list with an entry an image; those that are there are read. Objects become boxes. What is said of parts is kept as
``Region``: region phrases as people wrote them, attributes and relations written out ("a green clock", "a man wearing a
hat"). No phrase is taken for a caption, as none of them is about the whole picture.

People boxed what they spoke of, so every count is open and nothing may be denied. Names are free text, 75,000 of them;
the commonest name nine in ten boxes, and with the rest every answer would be searched for misspellings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct

from datagen.config import CorpusSettings
from datagen.corpus.assembly import Assembly, corpus_of
from datagen.corpus.cache import cached
from datagen.corpus.coco.reader import NotPlain, read_list
from datagen.corpus.images import MAX_SIDE_PX, ONLY_LABELLED, REGION_KINDS, Annotations, Growing
from datagen.corpus.source import FileSource, check_start
from datagen.errors import CorpusError
from datagen.lexicon import article, is_pair, is_uncounted, singular_of, with_article

_IMAGES = "image_data.json"
_FILES = {
    "objects": "objects.json",
    "attributes": "attributes.json",
    "relationships": "relationships.json",
    "regions": "region_descriptions.json",
}
"""By the key of the list that an entry of it holds."""
_FOLDERS = ("VG_100K", "VG_100K_2")
RowT = TypeVar("RowT", bound=Struct)
MAX_CATEGORIES = 2_000
"""As many names, the commonest, become categories; all others only stand in what is said of parts."""
MAX_TOLD = 10_000
"""Faulty records that are told one by one."""
_PHRASE, _ATTRIBUTE, _RELATION = (REGION_KINDS.index(kind) for kind in ("phrase", "attribute", "relation"))
_BEHIND = re.compile(
    r"(?:(?:in|on|at|with|without|made|of|under|over|behind|near|next|by|from|for|off|up|down|out|covered|filled|"
    r"not|has|is|are|being|facing)\b|(?:\w+ing\b)).*"
)
"""Attributes that stand behind the name: "a kite in the air", "a man standing"."""
_ARTICLE_LAST = re.compile(r" (?:a|an|the|some)$")


class _ImageRow(Struct):
    image_id: int
    width: Annotated[int, Meta(ge=1, le=MAX_SIDE_PX)]
    height: Annotated[int, Meta(ge=1, le=MAX_SIDE_PX)]
    url: str = ""


class _Thing(Struct):
    """An object, as all files but that of regions have it; older ones call its only name ``name``."""

    x: float
    y: float
    w: float
    h: float
    names: list[str] = []
    name: str = ""
    attributes: list[str] | None = None

    @property
    def called(self) -> str:
        """Its name, as a sentence would have it."""
        return _spoken(self.names[0] if self.names else self.name)


class _Related(Struct):
    subject: _Thing
    object: _Thing
    predicate: str


class _Phrase(Struct):
    x: float
    y: float
    width: float
    height: float
    phrase: str


def recognise_visual_genome(path: Path) -> bool:
    """Whether this is a folder with ``image_data.json`` and one of the others."""
    return path.is_dir() and (path / _IMAGES).is_file() and any((path / name).is_file() for name in _FILES.values())


def open_visual_genome(settings: CorpusSettings) -> FileSource:
    """The files in the folder at ``corpus.path``."""
    folder = Path(settings.path or "")
    files = {"images": (str(folder / _IMAGES),)}
    files |= {kind: (str(folder / name),) for kind, name in _FILES.items() if (folder / name).is_file()}
    pictures = _folder_of_pictures(Path(settings.images) if settings.images else folder)
    return FileSource(
        name="visual_genome",
        files=files,
        read=lambda: corpus_of(cached(files, lambda: _read(folder, files, pictures))),
        pictures=None if pictures is None else str(pictures),
        is_exhaustive=False,
    )


def _folder_of_pictures(folder: Path) -> Path | None:
    """The folder that holds ``VG_100K``, or the pictures themselves; None where there are none."""
    for place in (folder, folder / "images"):
        if any((place / name).is_dir() for name in _FOLDERS):
            return place
    return folder if next(folder.glob("*.jpg"), None) is not None else None


def _read(folder: Path, files: Mapping[str, Sequence[str]], pictures: Path | None) -> Annotations:
    """Read the sizes of the pictures first, and then whatever of the others is there."""
    assembly = Assembly(str(folder))
    images = _VgImages(
        assembly, is_flat=pictures is not None and not any((pictures / one).is_dir() for one in _FOLDERS)
    )
    rows = _VgRows(_ImageRow, assembly)
    _take_whole(folder / _IMAGES, lambda piece: images.add(rows.read(piece, _IMAGES)))
    if not len(assembly):
        raise CorpusError(f"{folder / _IMAGES}: lists no image with 'image_id', 'width' and 'height'.")
    things = _Things(assembly, images)
    takes: tuple[tuple[str, type[Struct], Callable[[int, Sequence[Any]], None]], ...] = (
        ("objects", _Thing, things.add_objects),
        ("attributes", _Thing, things.add_attributes),
        ("relationships", _Related, things.add_relations),
        ("regions", _Phrase, things.add_phrases),
    )
    n_records = rows.n_read
    for key, row_type, take in takes:
        if key in files:
            entries = _Entries(key, _FILES[key], row_type, take, images)
            _take_whole(folder / _FILES[key], entries.take)
            n_records += entries.n_read
            if not entries.n_taken and entries.n_read:
                told = f"of {entries.n_read} entries none is of an image of {_IMAGES}"
                raise CorpusError(f"{folder / _FILES[key]}: {told}. Give files of the same release.")
    things.lay_out()
    return assembly.annotations(n_records)


def _take_whole(path: Path, take: Callable[[bytes], object]) -> None:
    """Have a file taken that holds one JSON list, piece by piece.

    Raises:
        CorpusError: It holds something else.
    """
    with path.open("rb") as file:
        check_start(path, file.read(4096), f"Visual Genome's {path.name} is a list with an entry an image")
        file.seek(0)
        try:
            read_list(file, take)
        except (NotPlain, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CorpusError(
                f"{path}: is no JSON list with an object an image, or ends in the middle; unpack or download it again."
            ) from None


class _VgRows(Generic[RowT]):
    """Decodes lists of records; a faulty one costs itself.

    Attributes:
        n_read: Records met, faulty ones among them.
    """

    def __init__(self, row_type: type[RowT], assembly: Assembly) -> None:
        self.n_read = 0
        self._assembly, self._row_type = assembly, row_type
        self._decoder: msgspec.json.Decoder[list[RowT]] = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
        self._raws = msgspec.json.Decoder(list[Raw])

    def read(self, piece: bytes | Raw, place: str, image: int | None = None) -> list[RowT]:
        """Read a list.

        Args:
            piece: As JSON.
            place: Named where a record is told.
            image: Whose records these are.

        Raises:
            msgspec.DecodeError, UnicodeDecodeError, RecursionError: It is no JSON list.
        """
        try:
            rows = self._decoder.decode(piece)
            self.n_read += len(rows)
        except msgspec.ValidationError:
            rows = [row for raw in self._raws.decode(piece) if (row := self._one(raw, place, image)) is not None]
        return rows

    def _one(self, raw: Raw, place: str, image: int | None) -> RowT | None:
        self.n_read += 1
        try:
            return msgspec.json.decode(raw, type=self._row_type, strict=False)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at ")
            at = f" at {where.strip('`')}" if where else ""
            told = f"{place}, record {self.n_read}{at}"
            if self._assembly.n_faulty < MAX_TOLD:
                self._assembly.tell_unreadable(told, f"{what[:1].lower()}{what[1:]}", image=image)
            else:
                self._assembly.note_faulty(told)
        return None


class _VgImages:
    """The pictures by their ids."""

    def __init__(self, assembly: Assembly, *, is_flat: bool) -> None:
        self.assembly = assembly
        self.sizes: list[tuple[int, int]] = []
        self._is_flat = is_flat
        self._rows: dict[int, int] = {}

    def add(self, rows: Sequence[_ImageRow]) -> None:
        """Enter pictures; they are called as at the end of their addresses, ``VG_100K_2/1.jpg``."""
        for row in rows:
            if row.image_id in self._rows:
                self.assembly.tell("image_twice", None, f"{_IMAGES} lists image {row.image_id} twice; the first counts")
                continue
            parts = PurePosixPath(row.url).parts[-2:]
            is_named = len(parts) == 2 and parts[0] in _FOLDERS and not self._is_flat
            name = "/".join(parts) if is_named else f"{row.image_id}.jpg"
            self._rows[row.image_id] = self.assembly.add_image(name, row.width, row.height)
            self.sizes.append((row.width, row.height))

    def row(self, image_id: int | None) -> int | None:
        """The row of an image; None for one that ``image_data.json`` does not list."""
        return None if image_id is None else self._rows.get(image_id)

    def corners(self, image: int, left: float, top: float, width: float, height: float) -> tuple[float, ...]:
        """Corners as shares of the frame, from pixels."""
        across, down = self.sizes[image]
        return left / across, top / down, (left + width) / across, (top + height) / down


class _Entry(Struct):
    """What a file says of an image; ``items`` stands for the list under whatever key the file has."""

    items: Raw = Raw(b"[]")
    image_id: int | None = None
    id: int | None = None


class _Entries:
    """The entries of one file, an image each.

    Attributes:
        n_taken: Those of a listed image.
    """

    def __init__(
        self,
        key: str,
        name: str,
        row_type: type[Struct],
        take: Callable[[int, Sequence[Any]], None],
        images: _VgImages,
    ) -> None:
        entry = msgspec.defstruct("_Entry", [("items", Raw, Raw(b"[]"))], bases=(_Entry,), rename={"items": key})
        self._entries: _VgRows[Any] = _VgRows(entry, images.assembly)
        self._rows: _VgRows[Any] = _VgRows(row_type, images.assembly)
        self._name, self._take, self._images = name, take, images
        self.n_taken = 0

    @property
    def n_read(self) -> int:
        """Records met."""
        return self._entries.n_read + self._rows.n_read

    def take(self, piece: bytes) -> None:
        """Take some entries."""
        for entry in self._entries.read(piece, self._name):
            image_id = entry.id if entry.image_id is None else entry.image_id
            image = self._images.row(image_id)
            if image is None:
                told = f"image {image_id} is not in {_IMAGES}, so nobody knows its size"
                self._images.assembly.tell_unreadable(self._name, told)
                continue
            try:
                rows = self._rows.read(entry.items, f"{self._name}, image {image_id}", image)
            except msgspec.DecodeError:
                self._images.assembly.tell_unreadable(f"{self._name}, image {image_id}", "holds no list", image=image)
                continue
            self.n_taken += 1
            self._take(image, rows)


class _Things:
    """What is boxed, and what is said of parts."""

    def __init__(self, assembly: Assembly, images: _VgImages) -> None:
        self._assembly, self._place = assembly, images.corners
        self._names: dict[str, int] = {}
        self._boxed, self._named = Growing(np.int32), Growing(np.int32)
        self._corners, self._groups = Growing(np.float64, 4), Growing(np.bool_)

    def add_objects(self, image: int, rows: Sequence[_Thing]) -> None:
        """Take an image's objects; a name in the plural stands for a group that nobody counted."""
        kept = [(row.called, row) for row in rows if self._is_placed(row.x, row.y, row.w, row.h)]
        names = self._names
        self._boxed.add(np.full(len(kept), image, np.int32))
        self._named.add(np.array([names.setdefault(_single(name), len(names)) for name, _ in kept], np.int32))
        self._corners.add(np.array([self._place(image, one.x, one.y, one.w, one.h) for _, one in kept]).reshape(-1, 4))
        self._groups.add(np.array([_single(name) != name for name, _ in kept], np.bool_))

    def add_attributes(self, image: int, rows: Sequence[_Thing]) -> None:
        """Write out what things are like."""
        self._say(
            image,
            (
                (_described(row.called, " ".join(attribute.lower().split())), row, row, _ATTRIBUTE)
                for row in rows
                for attribute in row.attributes or ()
                if row.called and attribute.strip()
            ),
        )

    def add_relations(self, image: int, rows: Sequence[_Related]) -> None:
        """Write out how things stand to each other; the part is the box around both."""
        self._say(
            image,
            (
                (f"{_with_article(a.called)} {_bare(row.predicate)} {_with_article(b.called)}", a, b, _RELATION)
                for row in rows
                for a, b in [(row.subject, row.object)]
                if a.called and b.called and row.predicate.strip()
            ),
        )

    def add_phrases(self, image: int, rows: Sequence[_Phrase]) -> None:
        """Take region phrases as they are."""
        placed = (row for row in rows if self._is_placed(row.x, row.y, row.width, row.height))
        said = [(row.phrase, self._place(image, row.x, row.y, row.width, row.height), _PHRASE) for row in placed]
        self._assembly.add_regions(image, said)

    def lay_out(self) -> None:
        """Make categories of the commonest names, and boxes of what has such a name."""
        images, named = self._boxed.array(), self._named.array()
        counts = np.bincount(named, minlength=len(self._names))
        rank = np.empty(len(counts), np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        kept = [name for name, row in self._names.items() if rank[row] < MAX_CATEGORIES]
        rows = np.full(len(self._names), -1, np.int32)
        for name in sorted(kept, key=lambda name: rank[self._names[name]]):
            rows[self._names[name]] = self._assembly.category(name)
        categories = rows[named]
        is_kept = categories >= 0
        if not is_kept.all():
            told = f"{int((~is_kept).sum())} of {len(named)} boxes have one of {len(counts) - len(kept)} rare names"
            self._assembly.tell("category_rare", None, f"{told}, such as misspellings; left out as boxes")
        images, categories = images[is_kept], categories[is_kept]
        self._assembly.add_boxes(
            images, categories, self._corners.array()[is_kept], crowds=self._groups.array()[is_kept]
        )
        self._assembly.add_labels(np.unique(np.column_stack((images, categories)), axis=0))
        marks = np.full((len(self._assembly), 2), ONLY_LABELLED, np.int32)
        marks[:, 0] = np.arange(len(marks))
        self._assembly.add_labels(marks)

    def _say(self, image: int, said: Iterable[tuple[str, _Thing, _Thing, int]]) -> None:
        placed = [
            (text, self._around(image, a, b), kind)
            for text, a, b, kind in said
            if self._is_placed(a.x, a.y, a.w, a.h) and self._is_placed(b.x, b.y, b.w, b.h)
        ]
        self._assembly.add_regions(image, placed)

    def _around(self, image: int, a: _Thing, b: _Thing) -> tuple[float, ...]:
        left, top = min(a.x, b.x), min(a.y, b.y)
        right, bottom = max(a.x + a.w, b.x + b.w), max(a.y + a.h, b.y + b.h)
        return self._place(image, left, top, right - left, bottom - top)

    @staticmethod
    def _is_placed(x: float, y: float, width: float, height: float) -> bool:
        return math.isfinite(x + y + width + height)


@lru_cache(maxsize=1 << 17)
def _spoken(name: str) -> str:
    return " ".join(name.lower().split()).strip(" .,;")


@lru_cache(maxsize=1 << 17)
def _single(name: str) -> str:
    return singular_of(name)


@lru_cache(maxsize=1 << 17)
def _with_article(name: str) -> str:
    """A name as a sentence has it; one in the plural needs nothing."""
    return name if _single(name) != name else with_article(name)


def _described(name: str, attribute: str) -> str:
    """An attribute with its thing: "a green clock", "a kite in the air", "trees without leaves"."""
    if _BEHIND.fullmatch(attribute):
        return f"{_with_article(name)} {attribute}"
    is_bare = _single(name) != name or is_pair(name) or is_uncounted(name)
    return f"{attribute} {name}" if is_bare else f"{article(attribute)} {attribute} {name}"


def _bare(predicate: str) -> str:
    """A predicate without the article that may stand at its end: "has a", "ON"."""
    return _ARTICLE_LAST.sub("", " ".join(predicate.lower().split()))
