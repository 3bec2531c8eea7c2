"""File names of pictures as annotation files give them: addresses, absolute paths, names of label tools' servers."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

_SUFFIX = re.compile(r"\.(?:jpe?g|jfif|png|webp|bmp|gif|tiff?)$", re.IGNORECASE)
_LOCAL_FILES = re.compile(r"(?:^|/)data/local-files/?\?")


def plain_name(file_name: str) -> str:
    """A picture's name without what an address has beside it: query, fragment and login hold signatures and keys.

    Label Studio names files of its own disk ``/data/local-files/?d=folder/1.jpg``; of that ``d`` is the name. A
    question mark in the name of a file stays.

    Args:
        file_name: As the annotation file has it.

    Returns:
        The name with forward slashes.
    """
    name = file_name.replace("\\", "/")
    if "?" not in name and "#" not in name and "@" not in name:
        return name
    if _LOCAL_FILES.search(name):
        return next(iter(parse_qs(urlsplit(name).query).get("d", ())), name.partition("?")[0])
    scheme, sign, rest = name.partition("://")
    if sign and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    bare = re.split(r"[?#]", name, maxsplit=1)[0]
    return bare if _SUFFIX.search(bare) and not _SUFFIX.search(name) else name


def is_inside_name(file_name: str) -> bool:
    """Whether a name, by itself, stays under whatever folder it is put in."""
    name = file_name.replace("\\", "/")
    leads_out = name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/")
    return not (leads_out or "\0" in name)


def is_absolute_name(file_name: str) -> bool:
    """Whether a name says where a file lies on some machine, of whatever system."""
    return re.match(r"/|\\|[A-Za-z]:[\\/]", file_name) is not None


def name_in(folder: Path, file_name: str) -> str:
    """The name of a picture under the image folder, where the file names it absolutely, by way of ``..`` or an address.

    Of an address that is the longest end of its path that names a file in the folder.

    Args:
        folder: The image folder.
        file_name: As the annotation file has it.

    Returns:
        The same name, where it does not lead into the folder.
    """
    if "://" in file_name and not file_name.startswith("file://"):
        parts = PurePosixPath(unquote(urlsplit(file_name).path)).parts
        ends = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return next((end for end in ends if is_inside_name(end) and (folder / end).is_file()), file_name)
    is_of_windows = re.match(r"[A-Za-z]:|\\\\", file_name) is not None and os.name != "nt"
    if is_of_windows or (is_inside_name(file_name) and not file_name.startswith("file://")):
        return file_name
    name = unquote(urlsplit(file_name).path) if file_name.startswith("file://") else file_name.replace("\\", "/")
    for root in (folder.absolute(), folder.resolve()):
        path = PurePath(os.path.normpath(root / name))
        if path.is_relative_to(root) and path != root:
            return path.relative_to(root).as_posix()
    return file_name


def outside_fault(file_name: str) -> tuple[str, str]:
    """Reason and sentence for a name that leads out."""
    if is_absolute_name(file_name):
        told = f"'{file_name}' is absolute and does not lie in the image folder; names are relative to --images"
        return "image_outside_folder", told
    return "image_outside_folder", f"'{file_name}' leads out of the image folder"
