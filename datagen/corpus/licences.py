"""From a COCO file's licence list to short licence names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from datagen.corpus.schema import LicenceRow, id_text

_CC_URL = re.compile(r"creativecommons\.org/licenses/(by(?:-(?:nc|nd|sa))*)/(\d\.\d)(?:/([a-z]{2})(?=/|$))?", re.I)
_CC0_URL = re.compile(r"creativecommons\.org/publicdomain/zero/(\d\.\d)", re.I)


def licence_names(rows: Iterable[LicenceRow]) -> dict[str, str]:
    """Name every licence of a file by its id; licences without id or name are left out."""
    named = ((row.id, licence_name(row.name, row.url)) for row in rows)
    return {id_text(key): name for key, name in named if key is not None and name is not None}


def licence_name(name: str | None, url: str | None) -> str | None:
    """Shorten a licence to the form of the SPDX list (``CC-BY-NC-SA-2.0``, ``CC-BY-2.0-UK``, ``CC0-1.0``).

    Returns:
        For other licences the file's own name, else the address, else None.
    """
    if match := _CC_URL.search(url or ""):
        return "-".join(("CC", *(part.upper() for part in match.groups() if part)))
    if match := _CC0_URL.search(url or ""):
        return f"CC0-{match[1]}"
    return " ".join((name or "").split()) or (url or "").strip() or None
