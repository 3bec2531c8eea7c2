"""WebDataset: tar shards whose members of one key belong together, a picture with its caption or a JSON record.

As github.com/webdataset/webdataset has it, ``000017.jpg`` and ``000017.json`` are one sample, in any order, side by
side. A ``.txt`` or ``.caption`` is a caption; a ``.json`` holds ``caption`` (or another of ``CAPTION_KEYS``), as
img2dataset writes it, or what an image record has (``captions``, ``boxes``, ``width``, ``height``, ``licence``).
Pictures stay in their shards (``picture_places``), named ``00000.tar/000017.jpg``, as shards may use one key twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from datagen.config import CorpusSettings
from datagen.corpus.assembly import MAX_LABEL_BYTES, Assembly, corpus_of
from datagen.corpus.captions_file import CAPTION_KEYS, LICENCE_KEYS
from datagen.corpus.image_records import BoxRecord
from datagen.corpus.picture_folders import SUFFIXES
from datagen.corpus.picture_places import TAR_FAULTS, explain_no_tar, walk_tar
from datagen.corpus.source import Corpus, FileSource
from datagen.errors import CorpusError
from datagen.words import COCO_CATEGORIES

_CAPTIONS = frozenset((".txt", ".caption", ".text"))
_RECORD = ".json"
N_LOOKED_INTO = 200
"""Members of the first shard by which it is known."""
_Told = dict[str, bytes | None]
"""What stands beside a picture, by suffix; nothing of what is too large."""


def recognise_webdataset(path: Path) -> bool:
    """Whether this is a tar file, or a folder of such, with pictures and captions or records of the same keys."""
    shards = _shards(path)
    if not shards:
        return False
    suffixes: dict[str, set[str]] = {}
    try:
        for _, _, name in islice(walk_tar(Path(shards[0])), N_LOOKED_INTO):
            key, suffix = _parted(name)
            suffixes.setdefault(key, set()).add(suffix)
    except TAR_FAULTS:
        pass  # one that is cut is told when it is read
    return any(found & SUFFIXES and found & {*_CAPTIONS, _RECORD} for found in suffixes.values())


def explain_no_webdataset(path: Path) -> str | None:
    """Say why tar files are no WebDataset; None where there are none.

    Raises:
        CorpusError: The first is damaged.
    """
    shards = _shards(path)
    if not shards:
        return None
    if not Path(shards[0]).stat().st_size:
        raise CorpusError(f"{shards[0]}: is empty; make or download it again.")
    try:
        names = [name for _, _, name in islice(walk_tar(Path(shards[0])), N_LOOKED_INTO)]
    except TAR_FAULTS as error:
        raise CorpusError(f"{shards[0]}: {explain_no_tar(Path(shards[0]), error)}") from None
    held = f"such as {names[0]}" if names else "as it is empty"
    told = f"holds no picture with a .txt or .json of the same name beside it, {held}; docs/sources.md shows the form"
    return f"{shards[0]}: {told}. Of pictures alone it may be named by --images."


def open_webdataset(settings: CorpusSettings) -> FileSource:
    """The shards at ``corpus.path``: a tar file, or those of a folder."""
    path = Path(settings.path or "")
    shards = _shards(path) or [str(path)]
    pictures = f"{path}/*.tar" if path.is_dir() else str(path)
    return FileSource(
        name="webdataset", files={"shards": tuple(shards)}, read=lambda: _read(path, shards), pictures=pictures
    )


def _shards(path: Path) -> list[str]:
    if path.is_dir():
        return sorted(map(str, path.glob("*.tar")))
    return [str(path)] if path.suffix.lower() == ".tar" and path.is_file() else []


def _parted(name: str) -> tuple[str, str]:
    """Key and suffix of a member: all before the first dot of its last part, and what follows."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{suffix}".lower()


def _read(path: Path, shards: Sequence[str]) -> Corpus:
    assembly, n_samples = Assembly(str(path)), 0
    for shard in shards:
        try:
            for key, picture, told in _samples(Path(shard)):
                n_samples += 1
                place = f"{Path(shard).name}, {key}"
                if picture is None:
                    assembly.tell_unreadable(place, "has no picture beside it")
                else:
                    _add(assembly, f"{Path(shard).name}/{picture}", told, place)
        except TAR_FAULTS as error:
            assembly.tell_unreadable(Path(shard).name, explain_no_tar(Path(shard), error).rstrip("."))
            n_samples += 1
    corpus = corpus_of(assembly.annotations(n_samples))
    if corpus.categories:
        return corpus
    return Corpus(corpus.images, COCO_CATEGORIES, corpus.findings, corpus.refusal)  # as of captions alone


def _samples(shard: Path) -> Iterator[tuple[str, str | None, _Told]]:
    """What stands side by side under one key: its picture's name, and what is told of it."""
    key, picture, told = "", None, _Told()
    for members, member, name in walk_tar(shard):
        own, suffix = _parted(name)
        if own != key:
            if picture or told:
                yield key, picture, told
            key, picture, told = own, None, {}
        if suffix in SUFFIXES:
            picture = picture or name
        elif suffix in _CAPTIONS or suffix == _RECORD:
            file = members.extractfile(member) if member.size <= MAX_LABEL_BYTES else None
            told[suffix] = None if file is None else file.read()
    if picture or told:
        yield key, picture, told


class _Record(msgspec.Struct):
    boxes: tuple[BoxRecord, ...] = ()
    width: int | None = None
    height: int | None = None


def _add(assembly: Assembly, file_name: str, told: _Told, place: str) -> None:
    """Enter an image with its captions and boxes; what cannot be read of it is told."""
    texts: list[str] = []
    record, tree, fault = _Record(), dict[str, Any](), ""
    for suffix in sorted(told, key=lambda one: (one == _RECORD, one)):
        data = told[suffix]
        if data is None:
            fault = f"{suffix} has more than {MAX_LABEL_BYTES} bytes"
            continue
        try:
            if suffix in _CAPTIONS:
                texts.append(data.decode("utf-8-sig"))
                continue
            tree = msgspec.json.decode(data, type=dict[str, Any])
            texts += _captions_of(tree)
            record = msgspec.convert(tree, _Record)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            fault = f"{suffix}: {' '.join(str(error).split())[:200]}"
    width, height = record.width or 0, record.height or 0
    licence = next((tree[key] for key in LICENCE_KEYS if isinstance(tree.get(key), str) and tree[key]), None)
    image = assembly.add_image(file_name, width, height, licence)
    assembly.add_captions(image, [*dict.fromkeys(texts)])
    if record.boxes and min(width, height) > 0:
        assembly.add_boxes(
            [image] * len(record.boxes),
            [assembly.category(box.category) for box in record.boxes],
            [_corners(box.bbox, width, height) for box in record.boxes],
            crowds=[bool(box.iscrowd) for box in record.boxes],
        )
    elif record.boxes:
        fault = "has boxes but no width and height, in pixels"
    if fault:
        assembly.tell_unreadable(place, fault, image=image)


def _captions_of(tree: Mapping[str, Any]) -> Iterator[str]:
    for key in CAPTION_KEYS:
        value = tree.get(key)
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _corners(box: tuple[float, float, float, float], width: int, height: int) -> tuple[float, float, float, float]:
    left, top, across, down = box
    return left / width, top / height, (left + across) / width, (top + down) / height
