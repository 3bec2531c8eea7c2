"""The images and categories that several COCO files list, each once, in order of first appearance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datagen.corpus.category_names import is_nameless, is_no_thing, names_in_sentences, told_nameless
from datagen.corpus.coco.boxes import CategoryRow, LicenceRow
from datagen.corpus.coco.columns import Captions, Ids, ImageTable, Instances
from datagen.corpus.file_names import plain_name
from datagen.corpus.images import MAX_SIDE_PX, Ints, id_text
from datagen.errors import CorpusError
from datagen.records import Finding

Rows = NDArray[np.int32]


class Lookup:
    """Finds the rows of many ids at once.

    Args:
        ids: Of the rows, each once.
    """

    def __init__(self, ids: Ints) -> None:
        self._first = int(ids.min()) if len(ids) else 0
        n_slots = int(ids.max()) - self._first + 1 if len(ids) else 1
        self._slots: Rows | None = None
        if n_slots <= 16 * len(ids) + 1024:  # COCO's ids lie close: a table is twenty times as fast as a search
            self._slots = np.full(n_slots, -1, np.int32)
            self._slots[ids - self._first] = np.arange(len(ids))
            return
        self._order = np.argsort(ids)
        self._sorted = ids[self._order]

    def rows(self, ids: Ints) -> Rows:
        """The row of each id, -1 for those that there are not."""
        if self._slots is None:
            at = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
            return np.where(self._sorted[at] == ids, self._order[at], -1).astype(np.int32)
        at = ids - self._first
        is_inside = (at >= 0) & (at < len(self._slots))
        return np.where(is_inside, self._slots[np.where(is_inside, at, 0)], np.int32(-1))


class Listing:
    """The images listed so far.

    Attributes:
        names: File names.
        sizes: Width and height in pixels, 0 for what no file says, shape (images, 2).
        licences: Index into ``licence_names``, -1 for none.
        licence_names: Of all files.
        category_names: Of all files.
        findings: What was left out.
        refusals: Why a run should not go on with the rest, if so.
        unnamed: Of the latest file's categories those that are left out, by their numbered ids, with the reason.
        no_things: Those that name no thing, by their numbered ids.
    """

    def __init__(self, ids: Ids) -> None:
        self.names: list[str] = []
        self.sizes = np.empty((0, 2), np.int32)
        self.licences = np.empty(0, np.int32)
        self.licence_names: list[str] = []
        self.category_names: list[str] = []
        self.findings: list[Finding] = []
        self.refusals: list[str] = []
        self.unnamed: dict[int, str] = {}
        self.no_things: dict[int, str] = {}
        self._conflicting: dict[Path, list[int]] = {}
        self._ids = ids
        self._image_ids = np.empty(0, np.int64)
        self._sources = np.empty(0, np.int32)
        self._paths: list[Path] = []
        self._lookup = Lookup(self._image_ids)

    def __len__(self) -> int:
        return len(self.names)

    def image_id(self, row: int) -> str:
        """An image's id as text."""
        return self._ids.text(int(self._image_ids[row]))

    def image_ids(self) -> list[str]:
        """All images' ids as text."""
        return self._ids.texts(self._image_ids)

    def source(self, row: int) -> Path:
        """The file that listed an image first."""
        return self._paths[int(self._sources[row])]

    def rows(self, image_ids: Ints, path: Path | None = None) -> Rows:
        """The rows of images, -1 for those that no file lists, or that the file at ``path`` lists otherwise."""
        rows = self._lookup.rows(image_ids)
        conflicting = self._conflicting.get(path) if path is not None else None
        return rows if conflicting is None else np.where(np.isin(rows, conflicting), np.int32(-1), rows)

    def add(self, file: Instances | Captions) -> None:
        """Enter a file's images; one that no picture can be found for is left out and told.

        Raises:
            CorpusError: All are so, or the file contradicts earlier ones.
        """
        self._paths.append(file.path)
        table = self._usable(file)
        sizes = np.clip(table.sides, 0, MAX_SIDE_PX).astype(np.int32)
        licences = self._licence_rows(file, table)
        n_shared = int(np.count_nonzero(self.rows(table.ids) >= 0))
        self._enter_new(table, sizes, licences)
        rows = self.rows(table.ids)
        names = self.names
        is_other_name = [name != names[row] for name, row in zip(table.names, rows.tolist(), strict=True)]
        is_odd = ((sizes != self.sizes[rows]) & (sizes != 0)).any(axis=1)
        is_odd |= (self.licences[rows] < 0) & (licences >= 0)
        is_odd |= np.array(is_other_name, np.bool_)
        conflicts: list[Finding] = []
        for at in np.flatnonzero(is_odd).tolist():
            row = int(rows[at])
            told = self._unite(file.path, row, table.names[at], sizes[at], int(licences[at]))
            if told:
                kept = f"{told}; what {file.path.name} says of it is left out"
                conflicts.append(Finding("image_conflict", self.image_id(row), kept))
                self._conflicting.setdefault(file.path, []).append(row)
        if 2 * len(conflicts) > n_shared:
            told = conflicts[0].detail.partition(";")[0]
            raise CorpusError(f"{file.path}: {told}. One id must mean one picture: give files of the same data set.")
        self.findings += conflicts

    def _usable(self, file: Instances | Captions) -> ImageTable:
        """The images that have a name and a size that can be, and are listed as one picture."""
        table = file.images
        is_wrong_size = ((table.sides > MAX_SIDE_PX) | (table.sides != np.floor(table.sides))).any(axis=1)
        is_faulty = is_wrong_size | np.array([not name for name in table.names], np.bool_)
        faults = {at: _image_fault(table, at) for at in np.flatnonzero(is_faulty).tolist()} | _listed_twice(table)
        if not faults:
            return table
        told = [
            Finding("record_unreadable", image_id, f"{file.path.name}: image {image_id} {faults[at]}; left out")
            for at in sorted(faults)
            for image_id in [self._ids.text(int(table.ids[at]))]
        ]
        if len(told) == len(table.names):
            raise CorpusError(f"{file.path.parent / told[0].detail.removesuffix('; left out')}.")
        if 2 * len(told) > len(table.names):
            self.refusals.append(
                f"{file.path}: {len(told)} of {len(table.names)} images cannot be used, such as "
                f"{told[0].detail.removeprefix(f'{file.path.name}: ')}. 'datagen lint' names them all."
            )
        self.findings += told
        kept = np.delete(np.arange(len(table.names)), sorted(faults))
        names = [table.names[at] for at in kept.tolist()]
        return ImageTable(table.ids[kept], names, table.sides[kept], table.licences[kept], table.labels)

    def _enter_new(self, table: ImageTable, sizes: NDArray[np.int32], licences: Rows) -> None:
        """Enter the images that no earlier file lists, each where it stands first."""
        new = np.flatnonzero(self.rows(table.ids) < 0)
        if not len(new):
            return
        _, first = np.unique(table.ids[new], return_index=True)
        new = new[np.sort(first)]
        self.names += [table.names[row] for row in new.tolist()]
        self.sizes = np.concatenate((self.sizes, sizes[new]))
        self.licences = np.concatenate((self.licences, licences[new]))
        self._sources = np.concatenate((self._sources, np.full(len(new), len(self._paths) - 1, np.int32)))
        self._image_ids = np.concatenate((self._image_ids, table.ids[new]))
        self._lookup = Lookup(self._image_ids)

    def _unite(self, path: Path, row: int, name: str, size: NDArray[np.int32], licence: int) -> str | None:
        """Lay a second listing of an image over the first; say how it contradicts that, if it does."""
        earlier, later = self.sizes[row].tolist(), size.tolist()
        is_same_size = all(not a or not b or a == b for a, b in zip(earlier, later, strict=True))
        if self.names[row] != name or not is_same_size:
            told = f"{self.names[row]} ({earlier[0]}x{earlier[1]}) in {self.source(row).name}"
            return f"image {self.image_id(row)} is {told} but {name} ({later[0]}x{later[1]}) in {path.name}"
        self.sizes[row] = [a or b for a, b in zip(earlier, later, strict=True)]
        if self.licences[row] < 0:
            self.licences[row] = licence
        return None

    def _licence_rows(self, file: Instances | Captions, table: ImageTable) -> Rows:
        named = licence_names(file.licences)
        rows = _entered(self.licence_names, named.values())
        return _mapped(Lookup(self._ids.numbers([*named])).rows(table.licences), rows)

    def category_rows(self, file: Instances, category_ids: Ints) -> Rows:
        """Find the rows of categories, -1 for unknown ones; the first call enters those of the file."""
        rows_used = _without_heading(file.categories, self._ids, file.annotations.category_ids)
        named, faults, told = _category_names(file.path, rows_used)
        no_things = {key: name for key, name in named.items() if is_no_thing(name)}
        self.no_things = {int(self._ids.numbers([key])[0]): name for key, name in no_things.items()}
        named = {key: name for key, name in named.items() if key not in no_things}
        self.unnamed = {self._ids.numbers([key])[0]: fault for key, fault in faults.items()}
        self.findings += () if set(told) <= set(self.findings) else told
        rows = _entered(self.category_names, named.values())
        return _mapped(Lookup(self._ids.numbers([*named])).rows(category_ids), rows)


def _entered(names: list[str], more: Iterable[str]) -> list[int]:
    """Enter names that are not there yet; give the rows of all."""
    rows = {name: row for row, name in enumerate(names)}
    found = [rows.setdefault(name, len(rows)) for name in more]
    names[:] = rows
    return found


def _mapped(rows: Rows, others: list[int]) -> Rows:
    """Exchange rows for others, and leave -1 as it is."""
    return np.array([*others, -1], np.int32)[rows]


def _image_fault(table: ImageTable, at: int) -> str:
    if not table.names[at]:
        return "has neither 'file_name' nor 'coco_url'; add its file name"
    width, height = table.sides[at].tolist()
    return f"is {width:g} x {height:g} pixels large, which no picture is; correct its width and height"


def _listed_twice(table: ImageTable) -> dict[int, str]:
    """Images of one id under several names, which one file should not have: nobody can tell whose the boxes are."""
    ids, first, n_listed = np.unique(table.ids, return_index=True, return_counts=True)
    if len(ids) == len(table.ids):
        return {}
    faults: dict[int, str] = {}
    for number, start in zip(ids[n_listed > 1].tolist(), first[n_listed > 1].tolist(), strict=True):
        rows = np.flatnonzero(table.ids == number).tolist()
        if len({table.names[at] for at in rows}) > 1:
            other = next(table.names[at] for at in rows if table.names[at] != table.names[start])
            told = f"is {table.names[start]} but {other}, too; one id must mean one picture"
            faults |= dict.fromkeys(rows, told)
    return faults


def _without_heading(rows: Sequence[CategoryRow], ids: Ids, used: Ints) -> Sequence[CategoryRow]:
    """The categories without the one that Roboflow puts first for the whole project: all others stand under it."""
    heads = [row for row in rows if row.supercategory in (None, "", "none")]
    others = [row for row in rows if row.supercategory not in (None, "", "none")]
    if len(heads) != 1 or not others or any(row.supercategory != heads[0].name for row in others):
        return rows
    return rows if (used == ids.numbers([heads[0].id])[0]).any() else others


def _category_names(path: Path, rows: Sequence[CategoryRow]) -> tuple[dict[str, str], dict[str, str], list[Finding]]:
    """Names of categories as they stand in sentences, why others have none, and what is to be told of both."""
    names: dict[str, str] = {}
    faults: dict[str, str] = {}
    given = ["" if row.name is None else str(row.name) for row in rows]
    for row, name in zip(rows, names_in_sentences(given), strict=True):
        key = id_text(row.id)
        if not name:
            faults[key] = "has an empty name; name it"
        elif is_nameless(name):
            faults[key] = told_nameless(name)
        elif names.setdefault(key, name) != name:
            faults[key] = f"is both '{names[key]}' and '{name}'; keep one"
    for key in faults:
        names.pop(key, None)
    told = [
        Finding("record_unreadable", None, f"{path.name}: category {key} {fault}; left out with its boxes")
        for key, fault in faults.items()
    ]
    twice = {name: [key for key in names if names[key] == name] for name, n in Counter(names.values()).items() if n > 1}
    told += [
        Finding("category_repeated", None, f"{path.name}: categories {', '.join(keys)} are all '{name}'; read as one")
        for name, keys in twice.items()
    ]
    plain = {id_: re.sub(r" \([^()]*\)$", "", name) for id_, name in names.items()}
    n_plain = Counter(plain.values())  # "bat (animal)" stays where there is another bat
    return {id_: plain[id_] if n_plain[plain[id_]] == 1 else name for id_, name in names.items()}, faults, told


def licence_names(rows: Iterable[LicenceRow]) -> dict[str, str]:
    """Name every licence of a file by its id; licences without id or name are left out."""
    named = ((row.id, licence_name(row.name, row.url)) for row in rows)
    return {id_text(key): name for key, name in named if key is not None and name is not None}


def licence_name(name: str | None, url: str | None) -> str | None:
    """Shorten a licence to the form of the SPDX list (``CC-BY-NC-SA-2.0``, ``CC-BY-2.0-UK``, ``CC0-1.0``).

    Returns:
        For other licences the file's own name, else the address, else None.
    """
    by = r"creativecommons\.org/licenses/(by(?:-(?:nc|nd|sa))*)/(\d\.\d)(?:/([a-z]{2})(?=/|$))?"
    if match := re.search(by, url or "", re.IGNORECASE):
        return "-".join(("CC", *(part.upper() for part in match.groups() if part)))
    if match := re.search(r"creativecommons\.org/publicdomain/zero/(\d\.\d)", url or "", re.IGNORECASE):
        return f"CC0-{match[1]}"
    return " ".join((name or "").split()) or plain_name((url or "").strip()) or None
