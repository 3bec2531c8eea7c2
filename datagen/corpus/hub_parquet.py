"""Parquet files of a data set on the Hugging Face hub, found by its id and read there, a range of bytes at a time.

Captions and boxes are columns of their own, so that reading them moves no pixels. A data set that is stored in another
form is read as the hub itself writes it as Parquet (its branch ``refs/convert/parquet``). What was found is kept beside
the cached corpora: a later start without network goes on with that commit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

import msgspec
from msgspec import Struct

from datagen.corpus.cache_folder import cache_folder
from datagen.corpus.fetching import TIMEOUT_S, tried
from datagen.corpus.picture_folders import rank_of
from datagen.errors import CorpusError
from datagen.masking import masked
from datagen.said_again import HUB_ID

_ID = re.compile(
    r"hf:(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>\w[\w./-]*))?(?::(?P<part>\w[\w.-]*(?:/\w[\w.-]*)?))?"
)
_CONVERTED = "refs/convert/parquet"
MAX_FILES = 20_000
FIND_TIMEOUT_S = 10.0
"""Until the hub counts as out of reach."""


def is_hub_id(path: str | None) -> bool:
    """Whether this names a data set of the hub, ``hf:OWNER/NAME``, and no file."""
    return path is not None and path.startswith(HUB_ID)


class HubTables(Struct, frozen=True):
    """The Parquet files of one commit.

    Attributes:
        repo: ``OWNER/NAME``.
        commit: Of the branch that holds them.
        files: Their names in the repository and their sizes, in the order of the splits.
    """

    repo: str
    commit: str
    files: tuple[tuple[str, int], ...]

    def open(self, name: str) -> BinaryIO:
        """Open a file; nothing is fetched yet.

        Raises:
            LookupError: There is none of that name.
        """
        from huggingface_hub import constants

        size = dict(self.files)[name]
        url = f"{constants.ENDPOINT}/datasets/{self.repo}/resolve/{self.commit}/{quote(name)}"
        return cast(BinaryIO, _RemoteFile(url, f"{HUB_ID}{self.repo}, {name}", size))


def hub_tables(path: str, *, may_fetch: bool = True) -> HubTables:
    """Find the Parquet files of a data set, once in a process, so that all that it reads is of one commit.

    Args:
        path: ``hf:OWNER/NAME``, with ``@REVISION`` and ``:SPLIT`` or ``:CONFIG/SPLIT`` behind it where these are meant.
        may_fetch: False takes what an earlier start found, and asks nobody.

    Raises:
        CorpusError: There is no such data set, part or Parquet file, it may not be read, or the hub is out of reach.
    """
    if path in found_here:
        return found_here[path]
    if not may_fetch:
        return _kept(path, f"{path}: nothing of it is kept on this machine.")
    return found_here.setdefault(path, _find(path))


found_here: dict[str, HubTables] = {}
"""By ids, what this process reads of them."""


def _find(path: str) -> HubTables:
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled

    told = _ID.fullmatch(path)
    if told is None:
        raise CorpusError(
            f"{path}: expected hf:OWNER/NAME, with a split behind a colon where not all are meant, as in "
            "hf:OWNER/NAME:train."
        )
    api = huggingface_hub.HfApi()
    try:
        found = _listed(api, told["repo"], told["revision"], told["part"])
    except CorpusError:
        raise
    except OfflineModeIsEnabled:
        return _kept(path, f"{path}: HF_HUB_OFFLINE is set, and nothing of it is kept on this machine.")
    except Exception as error:  # its client is another one in each version, with errors of its own
        status = getattr(getattr(error, "response", None), "status_code", None)
        line = masked(" ".join(str(error).split())[:200] or type(error).__name__)
        if status is None:
            return _kept(path, f"{path}: the hub is out of reach ({line}); try again later.")
        raise CorpusError(f"{path}: {_explain(status, line)}") from None
    with contextlib.suppress(OSError):
        if (file := _kept_at(path)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(msgspec.json.encode(found))
    return found


def _listed(api: Any, repo: str, revision: str | None, part: str | None) -> HubTables:
    """List the Parquet files of a repository, or where it has none those that the hub made of it."""
    from huggingface_hub.errors import RevisionNotFoundError

    name = f"{HUB_ID}{repo}"
    held: list[tuple[str, int]] = []
    commit: str = api.dataset_info(repo, revision=revision, timeout=FIND_TIMEOUT_S).sha
    for branch in dict.fromkeys((commit, revision or _CONVERTED)):
        try:
            if branch != commit:
                commit = api.dataset_info(repo, revision=branch, timeout=FIND_TIMEOUT_S).sha
            tree = api.list_repo_tree(repo, recursive=True, revision=commit, repo_type="dataset")
            held = [(one.path, one.size) for one in tree if one.path.endswith(".parquet")][:MAX_FILES]
        except RevisionNotFoundError:
            continue
        if held:
            break
    if not held:
        raise CorpusError(
            f"{name}: holds no Parquet file, and the hub made none of it; fetch it with 'hf download --repo-type "
            f"dataset {repo} --local-dir mine', then --corpus mine."
        )
    files = held if part is None else _part_of(held, part)
    folders = {path.partition("/")[0] for path, _ in held} if branch == _CONVERTED else set()
    if not files or (part is None and len(folders) > 1):
        names = ", ".join(sorted(folders) if len(folders) > 1 else [path for path, _ in held][:5])
        told = f"no file of it is called after '{part}'" if part else "it holds several data sets"
        raise CorpusError(f"{name}: {told}; name one behind a colon: there is {names}.")
    ranked = sorted(files, key=lambda one: (rank_of(re.split(r"[^A-Za-z]+", one[0])), one[0]))
    return HubTables(repo, commit, tuple(ranked))


def _part_of(files: Iterable[tuple[str, int]], part: str) -> list[tuple[str, int]]:
    """Files whose name has every word of a part: ``train`` is in ``data/train-00000-of-00002.parquet``."""
    files = [*files]
    for between in (r"[/.-]+", r"[^A-Za-z0-9]+"):  # first with ``train_small`` as one word
        wanted = {*filter(None, re.split(between, part))}
        if found := [one for one in files if wanted <= {*re.split(between, one[0])}]:
            return found
    return []


def _explain(status: int, line: str) -> str:
    if status in (401, 403, 404):
        return (
            "the hub has no such data set or revision, or you may not read it; check the name, and for a private or "
            "gated one set HF_TOKEN (or run 'hf auth login')."
        )
    return f"the hub did not answer as it should ({line}); try again later."


def _kept_at(path: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.hub.json"


def _kept(path: str, otherwise: str) -> HubTables:
    """What an earlier start found.

    Raises:
        CorpusError: Nothing, in these words.
    """
    file = _kept_at(path)
    try:
        return msgspec.json.decode((file or Path()).read_bytes(), type=HubTables)
    except (OSError, msgspec.MsgspecError):
        raise CorpusError(otherwise) from None


class _RemoteFile(io.RawIOBase):
    """A file on the hub that is read by ranges; ``told`` names it for people."""

    def __init__(self, url: str, told: str, size: int) -> None:
        self._url, self._told, self._size, self._at = url, told, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fetch as much as fits.

        Raises:
            RunError: The hub is out of reach.
        """
        n_bytes = max(0, min(len(buffer), self._size - self._at))
        if n_bytes:
            data = tried(lambda: self._fetch(n_bytes), f"{self._told}: cannot be fetched")
            buffer[:n_bytes] = data
            self._at += n_bytes
        return n_bytes

    def _fetch(self, n_bytes: int) -> bytes:
        import huggingface_hub
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        headers = {**build_hf_headers(), "Range": f"bytes={self._at}-{self._at + n_bytes - 1}"}
        try:
            response = huggingface_hub.get_session().get(self._url, headers=headers, timeout=TIMEOUT_S)
            response.raise_for_status()
        except Exception as error:  # as above
            raise OSError(masked(" ".join(str(error).split())[:200] or type(error).__name__)) from None
        if len(response.content) != n_bytes:
            raise OSError(f"{len(response.content)} bytes came in place of {n_bytes}")
        return response.content
