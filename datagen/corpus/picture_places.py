"""Pictures that stand in no folder: members of tar shards, rows of tables, what lies at an address (http, S3, the hub).

A cluster then needs no shared folder: each machine reads its shards where they lie, or fetches what it is asked for,
once, into a cache of its own (``DATAGEN_CACHE``). A member is never written under its own name, so that no path leads
out of a shard; what is larger than a picture can be is not read.

``folder_of`` gives such a place the path of its cache, by which all that reads pictures knows it (``place_of``).
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlsplit

from datagen.corpus.cache_folder import cache_folder
from datagen.corpus.fetching import TIMEOUT_S, tried
from datagen.corpus.file_names import is_inside_name, outside_fault
from datagen.corpus.hub_parquet import HubTables, hub_tables, is_hub_id
from datagen.corpus.picture_tables import SUFFIXES as TABLES
from datagen.corpus.picture_tables import Table, TablePictures, find_tables, picture_column
from datagen.errors import RunError, SettingsError

MAX_PICTURE_BYTES = 256 << 20
"""A larger member or answer is no picture: 50 megapixels of TIFF are 200 MB."""
MAX_SHARD_BYTES = 32 << 30
"""Of a shard that is fetched as a whole."""
MAX_CACHE_BYTES = 64 << 30
"""Fetched pictures of one place that are kept; beyond it the oldest go."""
MAX_SHARDS = 100_000
"""That ``{000000..999999}`` may stand for."""
N_FETCHING = 16
"""Pictures fetched at once: an answer takes some 50 ms, of which the machine waits 49."""
Item = TypeVar("Item")
_DRIVERS = {
    **dict.fromkeys(("http", "https"), "httpx2"),
    "s3": "s3fs",
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
    "hf": "huggingface-hub",
}
"""What fetches an address, by its scheme; all but the first are drivers of fsspec's."""
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")
_Member = tuple[int, int, int]
"""Number of its shard, place of its first byte, and size."""
_OF_SEVERAL: _Member = (-1, 0, 0)
TAR_FAULTS = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError)
_MAX_LISTED = 20_000_000
"""Bytes of a list of addresses; some 200,000 of them."""


class PlaceError(Exception):
    """A picture that a place has not, or cannot give.

    Attributes:
        reason: Of ``PictureError``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Place(Protocol):
    """Where pictures stand.

    Attributes:
        folder: Its cache on this machine.
        told: Its name, for people.
    """

    folder: Path
    told: str

    def read(self, name: str) -> bytes:
        """Read a picture's file.

        Raises:
            PlaceError: It is not there, or not what it should be.
            RunError: The place is out of reach.
        """

    def stamp(self, name: str) -> bytes:
        """Whatever changes when a picture does, as far as that is known without reading it."""

    def file(self, name: str) -> Path:
        """Write a picture into the cache, for whoever needs a file.

        Raises:
            PlaceError, RunError: As of ``read``, or the disk is full.
        """


_PLACES: dict[Path, Place] = {}
_OPENING = threading.Lock()


def is_elsewhere(images: str) -> bool:
    """Whether pictures stand in no folder: an address, a data set of the hub, tar shards, or a list of addresses."""
    return "://" in images or is_hub_id(images) or images.lower().endswith((".tar", ".txt", *TABLES))


def folder_of(images: str | None, *, may_fetch: bool = True) -> Path | None:
    """The folder of pictures, or the path that stands for a place.

    Args:
        images: As ``corpus.images`` has it.
        may_fetch: False takes of an address only what was fetched before: a run folder may be a stranger's.

    Raises:
        SettingsError: No driver is installed for an address, or no shard is there.
    """
    if images is None or not is_elsewhere(images):
        return None if images is None else Path(images)
    with _OPENING:
        place = _open_place(images, may_fetch, _state_of(images))
        _PLACES[place.folder] = place
    return place.folder


def place_of(folder: Path) -> Place | None:
    """The place that a path stands for; None for a folder."""
    return _PLACES.get(folder) if _PLACES else None


_ARCHIVE = re.compile(r"\.(?:tar|parquet|arrow)(?=/)", re.IGNORECASE)


def place_for(folder: Path, name: str) -> tuple[Place | None, str]:
    """The place that holds a picture, and what it is called there.

    Args:
        folder: Of the pictures, or the path that stands for a place.
        name: Of the picture under it, such as ``mine/00000.tar/17.jpg``: a tar file or a table in a folder is a place.

    Returns:
        No place for a file in a folder.
    """
    place = place_of(folder)
    name = name.replace("\\", "/")
    if place is not None or not is_inside_name(name):
        return place, name
    for end in _ARCHIVE.finditer(name):
        archive = folder / name[: end.end()]
        if archive.is_file() and archive.resolve().is_relative_to(folder.resolve()):
            with _OPENING:
                return _open_place(str(archive), False, _state_of(str(archive))), f"{archive.name}{name[end.end() :]}"
    return None, name


@cache
def _open_place(images: str, may_fetch: bool, state: object) -> Place:
    del state  # files of another time are opened anew
    told = without_login(images)
    if is_hub_id(images):
        return _HubPictures(images, may_fetch=may_fetch)
    kept, folder = _cache_of(images), _cache_of(images if may_fetch else f"{images} kept")
    if "://" not in images:
        if images.lower().endswith(TABLES):
            path = Path(images)
            return _Tables(folder, told, TablePictures(path.parent if "*" in path.name else path))
        if images.lower().endswith(".txt"):
            return _Addresses(folder, kept, told, _listed(Path(images)), may_fetch=may_fetch)
        return _Shards(folder, told, _local_shards(images))
    _require_driver(images)
    if images.lower().endswith(".tar"):
        addresses = _expanded(images)
        return _Shards(folder, told, [_Shard(one, _cache_of(one), may_fetch=may_fetch) for one in addresses])
    base = f"{images.rstrip('/')}/"
    is_quoted = urlsplit(images).scheme.startswith("http")
    return _Addresses(folder, kept, told, lambda name: base + (quote(name) if is_quoted else name), may_fetch=may_fetch)


def _state_of(images: str) -> object:
    """Sizes and times of files on this machine."""
    if "://" in images or is_hub_id(images):
        return None
    path = Path(images)
    files = find_tables(path.parent if "*" in path.name else path) if images.endswith(TABLES) else _names_of(images)
    try:
        return tuple((one.st_size, one.st_mtime_ns) for one in (Path(file).stat() for file in files))
    except OSError:
        return None  # told when it is opened


def without_login(images: str) -> str:
    """An address that may be told and written to a file.

    Raises:
        SettingsError: It holds a login or a signature.
    """
    if "://" in images and ("@" in urlsplit(images).netloc or "?" in images or "::" in images):
        raise SettingsError(
            "--images holds a login, a query or a chain of drivers, but settings are written to files: give the bare "
            "address, and logins as its driver takes them (of S3 in AWS_... variables), or a .txt file of addresses."
        )
    return images


def _require_driver(address: str) -> None:
    """See that something fetches such addresses.

    Raises:
        SettingsError: It is not installed, or there is none.
    """
    scheme = urlsplit(address).scheme.lower()
    if scheme not in _DRIVERS:
        known = ", ".join(f"{name}://" for name in _DRIVERS)
        raise SettingsError(
            f"--images {address}: pictures are fetched from {known}; download these and name their folder."
        )
    try:
        if not scheme.startswith("http"):
            _filesystem(scheme)
    except ImportError:
        package = _DRIVERS[scheme]
        raise SettingsError(
            f"--images {address}: {scheme}:// is fetched by {package}, which is not installed: pip install {package}"
        ) from None


@cache
def _filesystem(scheme: str) -> Any:
    import fsspec  # type: ignore[import-untyped]

    return fsspec.filesystem(scheme)


@cache
def _client() -> Any:
    """What asks for http addresses: fsspec's own asks twice for each file, and has no bound."""
    import httpx2

    return httpx2.Client(timeout=TIMEOUT_S, follow_redirects=True)


def _fetched(address: str, limit: int) -> Iterator[bytes]:
    """What stands at an address, piece by piece.

    Raises:
        PlaceError: It is not there, may not be read, or is larger than the limit.
        OSError: The server failed, maybe for a moment.
    """
    n_bytes = 0
    for piece in _asked(address) if address.startswith("http") else _driven(address):
        n_bytes += len(piece)
        if n_bytes > limit:
            raise PlaceError("image_too_large", f"{_named(address)} has more than {limit} bytes")
        yield piece


def _asked(address: str) -> Iterator[bytes]:
    import httpx2

    try:
        with _client().stream("GET", address) as response:
            status = response.status_code
            if status in (404, 410):
                raise PlaceError("image_missing", f"{_named(address)} does not exist")
            if status >= 500 or status == 429:
                raise OSError(f"status {status}")
            if status >= 400:
                raise PlaceError("image_unreadable", f"{_named(address)} is refused (status {status})")
            yield from response.iter_bytes()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise OSError(_named(str(error)) or type(error).__name__) from None


def _driven(address: str) -> Iterator[bytes]:
    try:
        with _filesystem(urlsplit(address).scheme.lower()).open(address, "rb") as file:
            while piece := file.read(1 << 20):
                yield piece
    except FileNotFoundError:
        raise PlaceError("image_missing", f"{_named(address)} does not exist") from None
    except PermissionError as error:
        raise PlaceError("image_unreadable", f"{_named(address)} may not be read ({error})") from None
    except Exception as error:  # each driver has a tree of its own
        raise OSError(str(error) or type(error).__name__) from None


def _out_of_reach(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}: the pictures cannot be fetched"


def _named(address: str) -> str:
    """An address without what may be a signature."""
    return address.partition("?")[0]


class _Kept:
    """Fetched pictures of one place on this machine, of bounded size."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n_bytes: int | None = None
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """Where a picture is kept, under a name that leads nowhere else."""
        return _kept_as(self._folder, name)

    def read(self, name: str) -> bytes | None:
        """A picture that was fetched before."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Keep a picture, and remove the oldest ones where they are too much."""
        if not _write(self.path(name), data):
            return
        with self._lock:
            if self._n_bytes is None:
                self._n_bytes = sum(one.stat().st_size for one in self._folder.rglob("*") if one.is_file())
            else:
                self._n_bytes += len(data)
            if self._n_bytes <= MAX_CACHE_BYTES:
                return
            files = sorted(
                (one.stat().st_mtime, one.stat().st_size, one) for one in self._folder.rglob("*") if one.is_file()
            )
            for _, n_bytes, path in files:
                if self._n_bytes <= 0.8 * MAX_CACHE_BYTES:
                    break
                path.unlink(missing_ok=True)
                self._n_bytes -= n_bytes


class _Addresses:
    """Files below an address, or of a list of addresses, fetched one by one."""

    def __init__(
        self, folder: Path, kept: Path, told: str, address_of: Callable[[str], str] | dict[str, str], *, may_fetch: bool
    ) -> None:
        self.folder, self.told, self._kept = folder, told, _Kept(kept)
        self._address_of, self._may_fetch = address_of, may_fetch

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        if not is_inside_name(name):
            raise PlaceError(*outside_fault(name))
        if (before := self._kept.read(name)) is not None:
            return before
        if callable(self._address_of):
            address = self._address_of(name)
        else:
            found = self._address_of.get(name) or self._address_of.get(f"/{PurePosixPath(name).name}")
            if not found:
                raise PlaceError("image_missing", f"{name} is not in {self.told}")
            address = found
        if not self._may_fetch:
            raise PlaceError("image_missing", f"{name} was not fetched on this machine")
        data = io.BytesIO()

        def fetch() -> None:
            data.seek(0)
            data.truncate()
            for piece in _fetched(address, MAX_PICTURE_BYTES):
                data.write(piece)

        tried(fetch, _out_of_reach(address))
        self._kept.write(name, data.getvalue())
        return data.getvalue()

    def stamp(self, name: str) -> bytes:
        """Nothing is known of what stands there now; what was fetched stays."""
        del name
        return b"elsewhere"

    def file(self, name: str) -> Path:
        """See ``Place``."""
        self.read(name)
        return _require_kept(self._kept.path(name))


class _HubPictures:
    """Rows of the Parquet files of a data set on the hub, fetched with those beside them."""

    def __init__(self, images: str, *, may_fetch: bool) -> None:
        self.folder, self.told = _cache_of(images if may_fetch else f"{images} kept"), images
        self._images, self._may_fetch = images, may_fetch
        self._open: tuple[str, Table, str | None] | None = None
        self._lock = threading.Lock()

    @cached_property
    def _tables(self) -> HubTables:
        return hub_tables(self._images, may_fetch=self._may_fetch)

    @cached_property
    def _files(self) -> frozenset[str]:
        return frozenset(name for name, _ in self._tables.files)

    @cached_property
    def _kept(self) -> _Kept:
        return _Kept(_cache_of(f"{self._tables.repo}@{self._tables.commit}"))

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        file, row = self._located(name)
        if (before := self._kept.read(f"{file}/{row}")) is not None:
            return before
        if not self._may_fetch:
            raise PlaceError("image_missing", f"{name} was not fetched on this machine")
        with self._lock:  # whoever waited finds that it came with another
            found = self._kept.read(f"{file}/{row}") or self._fetch(file, row)
        if found is None:
            raise PlaceError("image_missing", f"{name} is no picture of {self.told}")
        return found

    def _located(self, name: str) -> tuple[str, int]:
        """File and row."""
        file, _, last = name.rpartition("/")
        row = PurePosixPath(last).stem
        if file not in self._files or not row.isdecimal():
            raise PlaceError("image_missing", f"{name} is no picture of {self.told}")
        return file, int(row)

    def _fetch(self, file: str, row: int) -> bytes | None:
        """Fetch a row's picture, and keep all of its row group."""
        from pyarrow import ArrowException

        found = None
        try:
            if self._open is None or self._open[0] != file:
                table = Table(Path(file), self._tables.open(file))
                self._open = file, table, picture_column(table.schema)
            _, table, column = self._open
            for number, data in table.pictures_beside(row, column or ""):
                if len(data) <= MAX_PICTURE_BYTES:
                    self._kept.write(f"{file}/{number}", data)
                    found = data if number == row else found
        except (OSError, ArrowException) as error:
            told = " ".join(str(error).split())[:200]
            raise PlaceError("image_unreadable", f"{file} cannot be read ({told})") from None
        return found

    def stamp(self, name: str) -> bytes:
        """The commit."""
        del name
        return self._tables.commit.encode()

    def file(self, name: str) -> Path:
        """See ``Place``."""
        self.read(name)
        file, row = self._located(name)
        return _require_kept(self._kept.path(f"{file}/{row}"))


class _Tables:
    """Rows of tables."""

    def __init__(self, folder: Path, told: str, tables: TablePictures) -> None:
        self.folder, self.told, self._tables = folder, told, tables
        if not tables.files:
            raise SettingsError(f"--images {told}: there is no such file.")

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        from pyarrow import ArrowException

        try:
            data = self._tables.read(name)
        except (OSError, ArrowException) as error:
            told = " ".join(str(error).split())[:200]
            raise PlaceError("image_unreadable", f"{name} cannot be read ({told})") from None
        if data is None:
            raise PlaceError("image_missing", f"{name} is no picture of {self.told}")
        return data

    def stamp(self, name: str) -> bytes:
        """Time of the tables."""
        del name
        try:
            return b"%d" % max(one.stat().st_mtime_ns for one in self._tables.files)
        except OSError:
            return b"none"

    def file(self, name: str) -> Path:
        """See ``Place``."""
        return _kept(self, name)


class _Shard:
    """A tar file, fetched whole when it is first needed where it lies at an address."""

    def __init__(self, at: str, folder: Path | None, *, may_fetch: bool = True) -> None:
        self.at = at
        self.name = PurePosixPath(urlsplit(at).path if folder else Path(at).as_posix()).name
        self._folder, self._may_fetch = folder, may_fetch

    def path(self) -> Path:
        """Where it lies on this machine.

        Raises:
            RunError: It cannot be fetched.
        """
        if self._folder is None:
            return Path(self.at)
        path = self._folder / "shard.tar"
        if path.is_file():
            return path
        if not self._may_fetch:
            raise PlaceError("image_missing", f"{self.at} was not fetched on this machine")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".unfinished", ".shard.", path.parent)
        os.close(handle)

        def fetch() -> None:
            with Path(name).open("wb") as file:
                file.writelines(_fetched(self.at, MAX_SHARD_BYTES))

        try:
            tried(fetch, _out_of_reach(self.at))
            Path(name).replace(path)
        except PlaceError as error:
            raise RunError(f"--images: {error}.") from None
        finally:
            Path(name).unlink(missing_ok=True)
        return path


class _Shards:
    """Members of tar files, read where they lie."""

    def __init__(self, folder: Path, told: str, shards: Sequence[_Shard]) -> None:
        self.folder, self.told = folder, told
        self._shards = shards
        self._lock = threading.Lock()
        self._members: dict[str, _Member] | None = None

    def read(self, name: str) -> bytes:
        """See ``Place``."""
        shard, offset, n_bytes = self._find(name)
        if n_bytes > MAX_PICTURE_BYTES:
            raise PlaceError("image_too_large", f"{name} has {n_bytes} bytes")
        try:
            with self._shards[shard].path().open("rb") as file:
                file.seek(offset)
                data = file.read(n_bytes)
        except OSError as error:
            raise RunError(f"{self._shards[shard].at}: cannot be read any more ({error.strerror}).") from None
        if len(data) < n_bytes:
            raise PlaceError("image_unreadable", f"{name} is cut off: {self._shards[shard].at} ends before it does")
        return data

    def stamp(self, name: str) -> bytes:
        """Place and size of the member, with the time of its shard."""
        try:
            shard, offset, n_bytes = self._find(name)
            return b"%d %d %d %d" % (shard, offset, n_bytes, self._shards[shard].path().stat().st_mtime_ns)
        except (PlaceError, OSError):
            return b"none"

    def file(self, name: str) -> Path:
        """See ``Place``."""
        return _kept(self, name)

    def _find(self, name: str) -> _Member:
        """A member, by its name behind that of its shard, by its name alone, or by the end of it that no other has."""
        with self._lock:
            if self._members is None:
                self._members = _members_of(self._shards)
        plain = name.replace("\\", "/").removeprefix("./")
        shard, is_named, rest = plain.partition(".tar/")
        if is_named:  # as a WebDataset is read: "00000.tar/000000017.jpg"
            found = self._members.get(f"{shard}.tar//{rest}") or self._members.get(rest)
            found = found if found is not None and self._shards[found[0]].name == f"{shard}.tar" else None
        else:
            found = self._members.get(plain) or self._members.get(f"/{PurePosixPath(plain).name}")
        if found is None:
            raise PlaceError("image_missing", f"{name} is in none of the shards of {self.told}")
        if found[0] < 0:
            raise PlaceError("image_missing", f"several members of {self.told} are called so, and none is {name}")
        return found


def _members_of(shards: Sequence[_Shard]) -> dict[str, _Member]:
    """All members by their names, and by ``/`` and the last part of the name.

    A name that several shards have stands for none of its members; each is found as ``SHARD.tar//NAME``.

    Raises:
        RunError: A shard is no plain tar file.
    """
    found: dict[str, _Member] = {}
    for number, shard in enumerate(shards):
        n_before = len(found)
        try:
            for _, member, name in walk_tar(shard.path()):
                place, before = (number, member.offset_data, member.size), found.get(name)
                if before is None or before[0] == number:
                    found[name] = place
                else:
                    if before[0] >= 0:
                        found[f"{shards[before[0]].name}//{name}"] = before
                    found[f"{shard.name}//{name}"] = place
                    found[name] = _OF_SEVERAL
                last = f"/{PurePosixPath(name).name}"
                found[last] = _OF_SEVERAL if last in found else place
        except TAR_FAULTS as error:
            if len(found) > n_before and isinstance(error, tarfile.TarError):
                continue  # one that ends early: what stands behind that is missing, picture by picture
            raise RunError(f"{shard.at}: {explain_no_tar(shard.path(), error)}") from None
    return found


def walk_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    """The plain files of a tar file, each with its name; links and names that lead out are passed over.

    Raises:
        tarfile.TarError, OSError, EOFError, ValueError, OverflowError: It is no plain tar file, or ends early.
    """
    with tarfile.open(path, "r:") as members:
        while (member := members.next()) is not None:
            members.members.clear()  # type: ignore[attr-defined]  # it keeps them all
            name = member.name.removeprefix("./")
            if member.isreg() and not member.issparse() and is_inside_name(name):
                yield members, member, name
        if path.stat().st_size < members.offset + tarfile.BLOCKSIZE:  # tarfile takes a cut header for the end
            raise tarfile.ReadError("it ends in the middle")


def explain_no_tar(path: Path, error: Exception) -> str:
    """Say why a tar file cannot be read, as the end of a sentence."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})."
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "is compressed, so that no picture can be read by itself; unpack it to a plain .tar."
    return f"is no tar file, or damaged ({error}); make or download it again."


def _names_of(images: str) -> list[str]:
    """The files that a pattern stands for, whether they are there or not."""
    names: list[str] = []
    for one in _expanded(images):
        has_star = any(sign in Path(one).name for sign in "*?[")
        names += sorted(map(str, Path(one).parent.glob(Path(one).name))) if has_star else [one]
    return names


def _local_shards(images: str) -> list[_Shard]:
    names = _names_of(images)
    missing = next((name for name in names if not Path(name).is_file()), None if names else images)
    if missing is not None:
        raise SettingsError(f"--images {images}: there is no such file as {missing}.")
    return [_Shard(name, None) for name in names]


def _expanded(images: str) -> list[str]:
    """The names that ``shard-{000..127}.tar`` stands for.

    Raises:
        SettingsError: They are too many.
    """
    braces = _BRACES.search(images)
    if braces is None:
        return [images]
    first, last = int(braces[1]), int(braces[2])
    if not 0 <= last - first < MAX_SHARDS:
        raise SettingsError(f"--images {images}: expected up to {MAX_SHARDS} numbers that rise, such as {{000..127}}.")
    width = len(braces[1])
    return [
        one
        for n in range(first, last + 1)
        for one in _expanded(f"{images[: braces.start()]}{n:0{width}}{images[braces.end() :]}")
    ]


def _listed(path: Path) -> dict[str, str]:
    """Addresses by names, from lines ``ADDRESS`` or ``NAME<tab>ADDRESS``; also by ``/`` and the last part of a name.

    Raises:
        SettingsError: The file is something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LISTED + 1)
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--images {path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    if len(data) > _MAX_LISTED:
        raise SettingsError(
            f"--images {path}: has more than {_MAX_LISTED} bytes; give the address that they all begin with."
        )
    found: dict[str, str] = {}
    for number, line in enumerate(filter(str.strip, lines), start=1):
        name, _, address = line.strip().rpartition("\t")
        if urlsplit(address).scheme.lower() not in _DRIVERS or "::" in address:
            raise SettingsError(
                f"--images {path}, line {number}: expected an address, or a name, a tab and an address."
            )
        name = name or urlsplit(address).path.removeprefix("/")
        found[name] = address
        last = f"/{PurePosixPath(name).name}"
        found[last] = "" if last in found else address
    if not found:
        raise SettingsError(f"--images {path}: is empty; expected an address a line.")
    for scheme in {urlsplit(address).scheme.lower() for address in found.values() if address}:
        _require_driver(f"{scheme}://")
    return found


def fetching_ahead(place: Place | None, items: Iterable[Item], name_of: Callable[[Item], str]) -> Iterator[Item]:
    """Walk along things with pictures while those of the next ones are fetched.

    Args:
        place: Where they stand; None for a folder, and shards on this machine need no fetching.
        items: What is walked along.
        name_of: Gives a thing's picture.
    """
    if not isinstance(place, _Addresses | _HubPictures):
        yield from items
        return

    def fetch(name: str) -> None:
        with contextlib.suppress(PlaceError, RunError):  # told when somebody asks for it
            place.read(name)

    coming: deque[tuple[Item, Future[None]]] = deque()
    left = iter(items)
    with ThreadPoolExecutor(N_FETCHING, thread_name_prefix="fetching") as pool:
        try:
            while True:
                for item in islice(left, 4 * N_FETCHING - len(coming)):
                    coming.append((item, pool.submit(fetch, name_of(item))))
                if not coming:
                    return
                item, future = coming.popleft()
                future.result()
                yield item
        finally:
            for _, future in coming:
                future.cancel()


def explain_nowhere(place: Place, names: Iterator[str], n_tried: int = 20) -> str | None:
    """Say that a place holds none of the first pictures of a corpus; None where it holds one, or none is asked for."""
    first = None
    for name in islice(names, n_tried):
        first = first or name
        if not is_inside_name(name):
            continue
        try:
            place.read(name)
        except PlaceError:
            continue
        return None
    if first is None:
        return None
    return f"{place.told}: none of the first pictures is there, such as {first}. Give the right place with --images."


def _kept_as(folder: Path, name: str) -> Path:
    """Where a picture is kept, under a name that leads nowhere else."""
    digest = hashlib.blake2b(name.encode(errors="replace"), digest_size=16).hexdigest()
    suffix = PurePosixPath(name).suffix.lower()
    return folder / digest[:2] / (digest[2:] + (suffix if re.fullmatch(r"\.[a-z]{2,5}", suffix) else ""))


def _kept(place: Place, name: str) -> Path:
    """A picture's file in the cache of its place, written where it is not there."""
    path = _kept_as(place.folder, name)
    if not path.is_file():
        _write(path, place.read(name))
    return _require_kept(path)


def _require_kept(path: Path) -> Path:
    if not path.is_file():
        raise PlaceError("image_unreadable", f"the cache of pictures cannot be written ({path.parent.parent})")
    return path


def _write(path: Path, data: bytes) -> bool:
    """Keep a picture; a full disk costs only time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(".unfinished", ".", path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        return False
    return True


def _cache_of(images: str) -> Path:
    return _root() / hashlib.blake2b(images.encode(errors="replace"), digest_size=16).hexdigest()


@cache
def _root() -> Path:
    folder = cache_folder()
    if folder is not None:
        return folder.parent / "pictures" if folder.name == "corpus" else folder / "pictures"
    made = Path(tempfile.mkdtemp(prefix="datagen-pictures-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
