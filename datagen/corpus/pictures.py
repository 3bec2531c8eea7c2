"""Opens pictures safely: no path out of the image folder, bounded size, decoded to the end, or the reason why not.

File names come from annotation files and pictures from anywhere: neither is trusted. A name may
not lead out of the folder, the size in a picture's header is checked before any pixel is decoded,
and only formats that decode in-process are opened (PIL would start Ghostscript for EPS).
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import stat
import sys
import threading
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import Struct

from datagen.compact_map import DigestMap, Numbers
from datagen.config import CorpusSettings
from datagen.corpus.file_names import is_absolute_name, is_inside_name, outside_fault
from datagen.corpus.picture_places import PlaceError, explain_nowhere, fetching_ahead, folder_of, place_for, place_of
from datagen.errors import RunError
from datagen.records import AnnotatedImage

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
MAX_FOLDED = 1_000_000
"""Names of a folder that are looked through for one in other capitals."""
N_LISTED = 200
"""Folders looked into, and entries read of each, for a hint at the right one."""


class Witness(Struct, frozen=True):
    """A picture that was seen, by which a process or another machine proves that it sees the same folder.

    Attributes:
        name: Of its file.
        digest: Of its bytes.
    """

    name: str
    digest: str


class PictureError(Exception):
    """A picture that cannot be used.

    Attributes:
        reason: ``image_missing``, ``image_outside_folder``, ``image_too_large``,
            ``image_unreadable`` or ``image_size_differs``.
        detail: The sentence for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[PictureError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)  # so that it comes back from another process


MAX_READ_PIXELS = 4_000_000
"""Models look at half a megapixel to two; forty of a camera's 24 megapixels would take 3 GB."""
_SHOWN_AS = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored, upside down",
    5: "mirrored and turned",
    6: "turned to the right",
    7: "mirrored and turned",
    8: "turned to the left",
}
"""EXIF orientations other than 1, and what viewers make of them."""
_IS_FAULTY, _IS_LOOKED_AT, _STAMP = 1 << 63, 1 << 62, (1 << 62) - 1
_MAX_FAULTS = 4096
"""Faults whose sentences are remembered; others are found again when somebody asks."""
_MAX_FOLDERS = 4096
"""Folders of which a sound picture is remembered."""


class PictureChecker:
    """Checks the pictures of a corpus, each once, and remembers it at sixteen bytes a picture.

    Args:
        settings: Uses ``images`` (None finds nothing wrong) and ``max_image_pixels``.
        may_fetch: False takes of an address only what was fetched before.

    Attributes:
        n_opened: Pictures that had to be opened.
    """

    def __init__(self, settings: CorpusSettings, *, may_fetch: bool = True) -> None:
        self.folder = folder_of(settings.images, may_fetch=may_fetch)
        self.max_pixels = settings.max_image_pixels
        self.n_opened = 0
        self._lock = threading.RLock()  # samples are planned in a thread beside the asking
        # By file name and annotated size (two images may share a file): a digest of the file's size and time, and
        # whether it is faulty. A run asks for each picture several times.
        self._known = DigestMap()
        self._faults: dict[str, tuple[str, str]] = {}
        self._seen: dict[str, str] = {}  # by folder, the last picture in it that was sound

    def remembered(self) -> tuple[Numbers, Numbers]:
        """What was found so far, for ``remember`` of another checker of the same folder and limit."""
        digests, known = self._known.arrays()
        return digests, known & ~np.uint64(_IS_LOOKED_AT)

    def remember(self, digests: Numbers, known: Numbers) -> None:
        """Take up what another checker found: a picture is opened again only when its size or time is another."""
        self._known = DigestMap(digests, known)

    def check(self, image: AnnotatedImage) -> tuple[str, str] | None:
        """Check the picture of an image against its annotation; see ``check_picture``."""
        if self.folder is None or not is_inside_name(image.file_name):
            return None if is_inside_name(image.file_name) else outside_fault(image.file_name)
        with self._lock:
            return self._checked(image)

    def _checked(self, image: AnnotatedImage) -> tuple[str, str] | None:
        key = f"{image.width} {image.height} {image.file_name}"
        known = self._known.get(key) or 0
        if not known & _IS_LOOKED_AT:
            stamp = self._stamp(image.file_name) | _IS_LOOKED_AT
            if known & ~_IS_FAULTY | _IS_LOOKED_AT != stamp:
                known = stamp | (_IS_FAULTY if self._find_fault(key, image) else 0)
            else:
                known |= _IS_LOOKED_AT
            self._known.put(key, known)
        if not known & _IS_FAULTY:
            self._note_seen(image.file_name)
            return None
        gone = "image_unreadable", f"{image.file_name} was changed while the run went on"
        return self._faults.get(key) or self._find_fault(key, image) or gone

    def _find_fault(self, key: str, image: AnnotatedImage) -> tuple[str, str] | None:
        assert self.folder is not None
        size = (image.width, image.height) if image.width and image.height else None
        self.n_opened += 1
        fault = check_picture(self.folder, image.file_name, self.max_pixels, size)
        if fault is not None:
            self._require_folder(image.file_name)
            if len(self._faults) >= _MAX_FAULTS:
                self._faults.clear()
            self._faults[key] = fault
        return fault

    def _stamp(self, file_name: str) -> int:
        """Tell a file by its size and time; one that is not there has a stamp too."""
        assert self.folder is not None
        try:
            place, name = place_for(self.folder, file_name)
            if place is not None:
                return _digested(place.stamp(name))
            found = os.stat(os.path.join(self.folder, file_name.replace("\\", "/")))  # noqa: PTH116, PTH118  # 3 times as fast
            told = b"%d %d" % (found.st_size, found.st_mtime_ns)
        except (OSError, ValueError):  # a name that no file can have
            told = b"none"
        return _digested(told)

    def read(self, file_name: str) -> Image.Image:
        """Read a picture by its file name; see ``read_picture``.

        Raises:
            PictureError: It cannot be read.
        """
        if self.folder is None:
            raise PictureError("image_missing", f"no image folder is given, so {file_name} cannot be read")
        try:
            return read_picture(self.folder, file_name, self.max_pixels)
        except PictureError:
            self._require_folder(file_name)
            raise

    def fetching_ahead(self, images: Iterable[AnnotatedImage]) -> Iterator[AnnotatedImage]:
        """Walk along images while the pictures of the next ones are fetched, where they stand at an address."""
        place = None if self.folder is None else place_of(self.folder)
        return fetching_ahead(place, images, lambda image: image.file_name)

    def witness(self, names: Iterable[str]) -> Witness | None:
        """The first of some pictures that opens; None where none does."""
        for name in names:
            if self.folder is not None and check_picture(self.folder, name, self.max_pixels) is None:
                return Witness(name, _digest_of(self.folder, name))
        return None

    def require_seen(self, witness: Witness) -> None:
        """Prove that here the folder is the one in which a picture was seen elsewhere.

        Raises:
            RunError: The picture is not there, cannot be opened, or is another.
        """
        assert self.folder is not None
        fault = check_picture(self.folder, witness.name, self.max_pixels)
        if fault is None and _digest_of(self.folder, witness.name) == witness.digest:
            self._note_seen(witness.name)
            return
        told = fault[1] if fault else f"{witness.name} is another picture"
        raise RunError(
            f"{platform.node()} does not see the pictures of {self.folder} that this machine sees ({told}): give every "
            "machine the same folder, then start the same command again; what is stored is safe."
        )

    def _note_seen(self, file_name: str) -> None:
        if len(self._seen) < _MAX_FOLDERS:
            self._seen[file_name.rpartition("/")[0]] = file_name

    def _require_folder(self, file_name: str) -> None:
        """Tell a picture that is faulty from a folder that is gone: of that, one seen before is gone as well.

        Raises:
            RunError: It is; every further picture would be rejected for it.
        """
        if self.folder is None or not self._seen:
            return
        beside = self._seen.get(file_name.rpartition("/")[0])
        name = beside or next(iter(self._seen.values()))
        fault = None if name == file_name else check_picture(self.folder, name, self.max_pixels)
        if fault is not None:
            raise RunError(
                f"{self.folder}: its pictures can no longer be read ({fault[1]}; it could be before): was the folder "
                "moved, or its disk unmounted? What is stored is safe: start the same command again when it is back."
            )

    def explain_turned(self, image: AnnotatedImage) -> str | None:
        """Say that viewers show a picture turned or mirrored; None for one that they show as stored."""
        if self.folder is None:
            return None
        try:
            with _opened(self.folder, image.file_name, self.max_pixels) as picture:
                orientation = picture.getexif().get(0x0112, 1)
        except PictureError:
            return None
        if orientation not in _SHOWN_AS:
            return None
        return (
            f"{image.file_name} has EXIF orientation {orientation}: viewers show it {_SHOWN_AS[orientation]}, while a "
            "run takes pixels and boxes as stored; look whether its boxes were drawn on what viewers show"
        )

    def explain_missing(self, images: Iterable[AnnotatedImage]) -> str | None:
        """Say what is wrong with the image folder, or with names that need one; see the function of this name."""
        names = (image.file_name for image in images)
        if self.folder is not None:
            return explain_missing(self.folder, names)
        first = next(names, None)
        if first is None or is_inside_name(first) or any(map(is_inside_name, names)):
            return None
        told = "are absolute" if is_absolute_name(first) else "lead out of any folder"
        return (
            f"The names of the pictures {told}, such as {first}. Give the folder that they lie in with --images, or "
            f"write them relative to it, such as '{_bare(first)}'."
        )


def _digested(told: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big") & _STAMP


def _digest_of(folder: Path, file_name: str) -> str:
    place, name = place_for(folder, file_name)
    data = (folder / name).read_bytes() if place is None else place.read(name)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def check_picture(
    folder: Path, file_name: str, max_pixels: int, size: tuple[int, int] | None = None
) -> tuple[str, str] | None:
    """Check that a picture opens and decodes to its end.

    JPEG is decoded at an eighth of its size: that reads all of the file, so truncation shows, at
    a fraction of the cost.

    Args:
        folder: The image folder.
        file_name: As the annotation file gives it, with forward slashes.
        max_pixels: Width times height above which a picture is not decoded.
        size: Annotated (width, height); None leaves the size unchecked.

    Returns:
        None for a good picture, else (reason, sentence); the reasons are those of ``PictureError``.
    """
    try:
        with _opened(folder, file_name, max_pixels) as image:
            if size is not None and image.size != size:
                raise PictureError("image_size_differs", _size_fault(image, file_name, size))
            image.draft("L", (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except PictureError as error:
        return error.reason, error.detail
    return None


def read_picture(folder: Path, file_name: str, max_pixels: int) -> Image.Image:
    """Read a picture as 8-bit RGB in the pixel layout of the file, which COCO's boxes refer to.

    An EXIF orientation is not applied. Transparency is laid on white; 16-bit and floating grey is
    scaled to 8 bits. A picture of more than ``MAX_READ_PIXELS`` is made smaller.

    Args:
        folder: The image folder.
        file_name: As the annotation file gives it, with forward slashes.
        max_pixels: Width times height above which a picture is not decoded.

    Raises:
        PictureError: It cannot be read.
    """
    with _opened(folder, file_name, max_pixels) as image:
        too_large = image.width * image.height / MAX_READ_PIXELS
        if too_large <= 1:
            return _to_rgb(image)
        size = int(image.width / too_large**0.5), int(image.height / too_large**0.5)
        image.draft(None, size)  # a JPEG is decoded at a half or a quarter of its size
        smaller = _to_rgb(image)
        smaller.thumbnail(size)
        return smaller


def picture_size(folder: Path, file_name: str) -> tuple[int, int]:
    """Read a picture's width and height in pixels from its header.

    Raises:
        PictureError: It cannot be read.
    """
    with _opened(folder, file_name, sys.maxsize) as image:
        return image.size


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture by its header; zeros where it is none."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Exception:  # a broken picture makes PIL raise anything; it costs its samples later
        return 0, 0


def picture_path(folder: Path, file_name: str) -> Path | None:
    """Where a picture stands, or None when the name leads out of the folder, also by a symbolic link."""
    if not is_inside_name(file_name):
        return None
    place, name = place_for(folder, file_name)
    if place is not None:
        return place.file(name)
    path = folder / name
    try:
        target, root = path.resolve(), folder.resolve()
        is_inside = target.is_relative_to(root) or (
            target != path and (_is_blob(target, root) or _is_exported(folder, path, target))
        )
    except (OSError, RuntimeError):  # links that go in a circle
        return None
    return path if is_inside else None


def _is_blob(target: Path, folder: Path) -> bool:
    """Whether a link leads from a snapshot of the Hugging Face hub to that repository's own store, as all of its do."""
    snapshots = next((around for around in (folder, *folder.parents) if around.name == "snapshots"), None)
    return snapshots is not None and target.parent == snapshots.parent / "blobs"


EXPORT_MANIFEST = "manifest.json"


class _ExportedFile(Struct):
    bytes: int
    sha256: str


class _ExportManifest(Struct):
    files: dict[str, _ExportedFile]


def _is_exported(folder: Path, path: Path, target: Path) -> bool:
    """Whether a link is one of ``datagen export --pictures link``: the export's manifest has its target's digest.

    So a stranger's export can have no file read but such whose content he knows.
    """
    for around in (folder, folder.parent):
        manifest = around / EXPORT_MANIFEST
        if not manifest.is_file():
            continue
        told = _files_of(manifest, manifest.stat().st_mtime_ns).get(path.relative_to(around).as_posix())
        found = target.stat()
        return (
            told is not None
            and stat.S_ISREG(found.st_mode)
            and found.st_size == told.bytes
            and _sha256_of(target, found.st_size, found.st_mtime_ns) == told.sha256
        )
    return False


@lru_cache(maxsize=2)
def _files_of(manifest: Path, mtime_ns: int) -> dict[str, _ExportedFile]:
    del mtime_ns  # another time is another manifest
    try:
        return msgspec.json.decode(manifest.read_bytes(), type=_ExportManifest).files
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


@lru_cache(maxsize=1 << 16)
def _sha256_of(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # another one is another file
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _opened(folder: Path, file_name: str, max_pixels: int) -> Iterator[Image.Image]:
    """Open a picture whose header is sound, and turn every failure inside the block to a PictureError."""
    from PIL import Image, UnidentifiedImageError

    place, name = place_for(folder, file_name)
    path = picture_path(folder, file_name) if place is None else Path(file_name)
    if path is None or not is_inside_name(file_name):
        raise PictureError(*outside_fault(file_name))
    try:
        if place is not None:
            file: Path | io.BytesIO = io.BytesIO(place.read(name))
        elif not path.exists():
            raise PictureError("image_missing", f"{file_name} does not exist{_other_spelling(path)}")
        elif not path.is_file() or not path.stat().st_size:
            raise PictureError("image_unreadable", f"{file_name} is {'empty' if path.is_file() else 'no file'}")
        else:
            file = path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of what it mends, and we of what it cannot
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    told = f"{file_name} has {image.width}x{image.height} pixels, more than the limit of {max_pixels}"
                    raise PictureError("image_too_large", told)
                yield image
    except (PictureError, RunError):
        raise
    except PlaceError as error:
        raise PictureError(error.reason, str(error)) from None
    except Image.DecompressionBombError as error:  # raised on the header alone
        raise PictureError("image_too_large", f"{file_name}: {error}") from None
    except UnidentifiedImageError:
        raise PictureError("image_unreadable", f"{file_name} is no {', '.join(FORMATS)} picture") from None
    except Exception as error:  # a broken file makes PIL raise anything: SyntaxError, struct.error, zlib.error, ...
        fault = getattr(error, "strerror", None) or str(error) or type(error).__name__  # the first names no folder
        raise PictureError("image_unreadable", f"{file_name} cannot be decoded ({fault})") from None


def _size_fault(image: Image.Image, file_name: str, size: tuple[int, int]) -> str:
    found, told = f"{image.width}x{image.height}", f"{size[0]}x{size[1]}"
    if image.size != size[::-1]:
        return f"{file_name} is {found} pixels, its annotation says {told}"
    orientation = image.getexif().get(0x0112, 1)
    why = f" (EXIF orientation {orientation})" if orientation in range(5, 9) else ""
    return f"{file_name} is {found} pixels{why}, its annotation says {told}: it was annotated as turned by a viewer"


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        image = _to_8_bit(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(white, seen).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale grey of more than 8 bits, which PIL's own conversion would clip at 255."""
    grey = image.convert("F")
    _, high = grey.getextrema()
    assert isinstance(high, float)  # one band: one pair of numbers
    full = next((top for top in (1.0, 255.0, 65535.0) if high <= top), high)
    if image.mode.startswith("I;16"):
        full = 65535.0
    scaled = grey.point(lambda value: value * (255 / full) + 0).convert("L")
    scaled.info.pop("transparency", None)  # a 16-bit value, meaningless in 8 bits
    return scaled


def explain_missing(folder: Path, file_names: Iterable[str]) -> str | None:
    """Say what is wrong with an image folder that holds none of the pictures, or only links out of it.

    A folder with some of them is right: each missing picture costs its own samples only.

    Args:
        folder: The image folder.
        file_names: Of the corpus, in order.

    Returns:
        None when at least one is there, or when there are no names.
    """
    if (place := place_of(folder)) is not None:
        return explain_nowhere(place, iter(file_names))
    names: list[str] = []
    n_names, linked = 0, None
    for name in file_names:
        if _is_reached(folder, name):
            return None
        linked = linked or (name if _holds_any(folder, (name,)) else None)
        n_names += 1
        if n_names <= 20:  # so many are looked for in other folders, to name the one that was meant
            names.append(name)
    if not names:
        return None
    if linked is not None:
        return _told_of_links(folder, linked)
    if folder.is_dir() and not any(map(is_inside_name, names)):
        return _told_of_outside(folder, names)
    if not folder.is_dir():
        fault = f"{folder}: no such image folder"
    elif held := [entry.name + "/" * entry.is_dir() for entry in _entries(folder)]:
        few = ", ".join(held[:3]) + " ..." * (len(held) > 3)
        fault = f"{folder}: none of the {n_names} pictures is there, such as {names[0]}; it holds {few}"
    else:
        fault = f"{folder}: the image folder is empty"
    better = next((near for near in islice(_folders_near(folder), N_LISTED) if _holds_any(near, names)), None)
    if better is None and (meant := _meant(_entries(folder), names)) is not None:
        return f"{fault}. They seem to be there under other names, such as {meant}: write these in the annotations."
    return f"{fault}. {f'Did you mean --images {better}?' if better else 'Give the right folder with --images.'}"


def _is_reached(folder: Path, name: str) -> bool:
    """Whether a picture is there, as a file or packed with others, and no link leads out to it."""
    if place_for(folder, name)[0] is not None:
        return check_picture(folder, name, sys.maxsize) is None
    return _holds_any(folder, (name,)) and picture_path(folder, name) is not None


_PUT_BEFORE = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded picture."""


def _other_spelling(path: Path) -> str:
    """Tell of a file whose name is another in capitals or in how accents are put together alone."""
    try:
        stamp = path.parent.stat().st_mtime_ns
    except (OSError, ValueError):
        return ""
    meant = _by_folded_name(path.parent, stamp).get(_folded(path.name))
    return "" if meant is None else f", but {meant} does; write it as the file is called"


@lru_cache(maxsize=4)
def _by_folded_name(folder: Path, mtime_ns: int) -> dict[str, str]:
    """The files of a folder, which is listed once: of 100,000 in 0.2 s."""
    del mtime_ns  # what is put there later makes another one
    try:
        with os.scandir(folder) as entries:
            return {_folded(entry.name): entry.name for entry in islice(entries, MAX_FOLDED)}
    except OSError:
        return {}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _meant(held: list[Path], names: list[str]) -> str | None:
    """The file that a name may mean: without what stands before it, in other letters, or of another kind."""
    files = {path.stem.lower(): path.name for path in held if path.is_file()}
    for name in names:
        stem = PurePosixPath(_bare(name).lower()).stem
        found = files.get(stem) or files.get(_PUT_BEFORE.sub("", stem))
        if found is not None:
            return found
    return None


def _told_of_outside(folder: Path, names: list[str]) -> str:
    """Say what to do about names that are absolute, or lead out of the folder."""
    is_absolute = is_absolute_name(names[0])
    told = "are absolute and do not lie in it" if is_absolute else "lead out of it"
    mend = f"Write them relative to the folder that --images names, such as '{_bare(names[0])}'."
    if all(Path(name).is_absolute() for name in names):
        around = os.path.commonpath([Path(name).parent for name in names])
        mend = f"Did you mean --images {around}?" if Path(around).is_dir() else mend
    return f"{folder}: the names of its pictures {told}, such as {names[0]}. {mend}"


def _bare(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _told_of_links(folder: Path, name: str) -> str:
    """Say what to do about pictures that all are links to somewhere else."""
    target = (folder / name).resolve()
    depth = name.replace("\\", "/").count("/")
    is_alike = (*target.parts[-depth - 1 :],) == (*Path(name).parts,)
    mend = (
        f"Did you mean --images {target.parents[depth]}?" if is_alike else "Give --images the folder that they are in."
    )
    return (
        f"{folder}: its pictures are links that lead out of it, such as {name} to {target}, and what an annotation "
        f"file names is not followed out of the folder. {mend} Copies ('cp -rL') and hard links work, too."
    )


def _holds_any(folder: Path, names: Iterable[str]) -> bool:
    for name in names:
        try:
            if is_inside_name(name) and (folder / name).exists():
                return True
        except OSError:  # a name that no file can have
            continue
    return False


def _folders_near(folder: Path) -> Iterator[Path]:
    """Folders that people confuse with the right one: inside it, around it, beside it."""
    inside = [entry for entry in _entries(folder) if entry.is_dir()]
    yield from inside
    yield folder.parent
    for around in (folder.parent, *inside):
        yield from (entry for entry in _entries(around) if entry.is_dir())


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(islice(folder.iterdir(), N_LISTED))
    except OSError:
        return []
