"""From a LLaVA dataset made elsewhere to its records and the corpus of their images.

The file is read a block at a time, twice: once for the index that is held in memory, once for the
texts, which go straight to disk. A fault of the file is one sentence; a fault of a record is the record's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.coco import load_annotations
from datagen.corpus.file_names import name_in, plain_name
from datagen.corpus.images import id_of_file
from datagen.corpus.source import Corpus, FileSource, check_start, explain_unreadable
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Finding
from datagen.words import COCO_CATEGORIES

MAX_RECORD_CHARS = 64_000_000
"""A record that does not end before this is a broken file; LLaVA's longest have some thousand."""
_BLOCK_CHARS = 4_000_000
_SPACE = re.compile(r"\s*")
_SHAPE = "A LLaVA dataset is a JSON array, or JSON Lines, of objects with 'id', 'image' and 'conversations'"


class Record(Struct, frozen=True, gc=False):
    """One record, without its text.

    Attributes:
        image: Index into the corpus's images; -1 for a record that names none.
        number: Its place among the records of its image, from 1; in the file for a record without an image.
        digest: Over its content.
        fault: Why it has no image, as reason and sentence.
    """

    image: int
    number: int
    digest: str
    fault: tuple[str, str] | None = None


class Dataset(Struct, frozen=True):
    """What a dataset file says, its texts left on disk.

    Attributes:
        corpus: Its images in order of first appearance, with what annotation files say about them.
        records: Those of one image together, images in the corpus's order; those without one at the end.
    """

    corpus: Corpus
    records: tuple[Record, ...]


def open_llava(settings: CorpusSettings) -> FileSource:
    """A dataset made elsewhere: its records are replies, its images those that they name."""
    files = {
        "made elsewhere": (settings.dataset or "",),
        "captions": settings.captions,
        "instances": settings.instances,
    }
    return FileSource(
        name="llava", files=files, bound_to=("made elsewhere",), read=lambda: load_dataset(settings).corpus
    )


def load_dataset(settings: CorpusSettings) -> Dataset:
    """Index the file at ``settings.dataset``.

    Args:
        settings: Uses ``dataset``, ``limit`` (images), and ``captions`` and ``instances`` where they are given: an
            image is found in them by the end of its path, or by COCO's number of twelve digits.

    Raises:
        CorpusError: The file is no LLaVA dataset, or an annotation file no COCO file.
    """
    path = Path(settings.dataset or "")
    index: dict[str, list[str]] = {}
    imageless: list[Record] = []
    for number, (record, content) in enumerate(read_records(path), start=1):
        name = _image_name(record)
        if isinstance(name, str) and settings.images is not None:
            name = name_in(Path(settings.images), name)
        if isinstance(name, tuple):
            fault = name[0], f"record {number} ({_shown(record.get('id'))}) {name[1]}"
            imageless.append(Record(-1, number, digest_record(content), fault))
        elif name in index or settings.limit is None or len(index) < settings.limit:
            index.setdefault(name, []).append(digest_record(content))
    corpus = _corpus_of(index, settings)
    records = [
        Record(image, number, digest)
        for image, digests in enumerate(index.values())
        for number, digest in enumerate(digests, start=1)
    ]
    return Dataset(corpus, (*records, *(imageless if settings.limit is None else ())))


def read_records(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Read a dataset file.

    Yields:
        Each record, and its content as compact JSON.

    Raises:
        CorpusError: The file is missing, damaged, or something else.
    """
    try:
        with path.open("rb") as file:
            check_start(path, file.read(4096), _SHAPE)
        with path.open(encoding="utf-8-sig") as text:
            for number, value in enumerate(_values(path, text), start=1):
                if not isinstance(value, dict) or (number == 1 and "conversations" not in value):
                    raise CorpusError(f"{path}: {_explain_shape(value, number)}")
                yield (plain := _without_secrets(value)), _compact(plain)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except OSError as error:
        raise CorpusError(explain_unreadable(error, str(path), "dataset")) from None


def digest_record(content: str) -> str:
    """Name a record by its content: the key under which a run stores it."""
    return hashlib.sha256(b"imported\0" + content.encode()).hexdigest()[:16]


def _values(path: Path, file: TextIO) -> Iterator[Any]:
    """Decode one value after another, holding little more than one block of text."""
    decoder = json.JSONDecoder(parse_int=_number)
    text, at, n_read = file.read(_BLOCK_CHARS), 0, 0
    at = _skip_space(text, 0)
    is_array = text[at : at + 1] == "["
    at += is_array
    is_closed = False
    while True:
        at = _skip_space(text, at)
        if at == len(text):
            text, at = file.read(_BLOCK_CHARS), 0
            if text:
                continue
            if is_closed or (n_read and not is_array):
                return
            raise CorpusError(_truncated(path, n_read))
        if is_closed:
            if text[at] != "[":
                raise CorpusError(f"{path}: goes on behind its list, after {n_read} records. {_SHAPE}.")
            at, is_closed = at + 1, False  # files that were put end to end
            continue
        if is_array and text[at] == "]":
            if not n_read:
                raise CorpusError(f"{path}: is an empty list. {_SHAPE}.")
            at, is_closed = at + 1, True
            continue
        if is_array and n_read and text[at] == ",":
            at += 1
        try:
            start = _skip_space(text, at)
            value, at = decoder.raw_decode(text, start)
        except RecursionError:
            raise CorpusError(f"{path}: brackets are nested hundreds deep in record {n_read + 1}. {_SHAPE}.") from None
        except json.JSONDecodeError as error:
            more = file.read(_BLOCK_CHARS) if len(text) - at < MAX_RECORD_CHARS else ""
            if not more:
                raise CorpusError(_explain_fault(path, n_read, error)) from None
            # The comma before it, if any, was passed.
            text, at = ("," if is_array and n_read else "") + text[start:] + more, 0
            continue
        n_read += 1
        yield value


def _number(digits: str) -> int | float:
    """An integer; Python turns none of more than 4,300 digits into one."""
    return int(digits) if len(digits) < 4300 else float(digits)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _truncated(path: Path, n_read: int) -> str:
    return f"{path}: ends in the middle, after {n_read} whole records. Copy or download it again."


def _explain_fault(path: Path, n_read: int, error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return _truncated(path, n_read)
    near = " ".join(error.doc[max(0, error.pos - 20) : error.pos + 20].split())
    return (
        f"{path}: is not JSON in record {n_read + 1} ({error.msg[:1].lower()}{error.msg[1:]} near '{near}'). {_SHAPE}."
    )


def _explain_shape(value: object, number: int) -> str:
    if not isinstance(value, dict):
        return f"record {number} is {_shown(value)}, not an object. {_SHAPE}."
    if {"images", "annotations"} & value.keys() and number == 1 and "messages" not in value:
        return f"looks like a COCO file; give it to --captions or --instances of 'datagen run'. {_SHAPE}."
    if "messages" in value:
        return f"its records hold 'messages'; rename them to 'conversations' of 'from' and 'value'. {_SHAPE}."
    return f"its first record holds {', '.join(map(repr, list(value)[:5])) or 'nothing'}. {_SHAPE}."


def _compact(record: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(record).decode()
    except (UnicodeEncodeError, msgspec.MsgspecError, ValueError):
        return json.dumps(record)  # half of a surrogate pair, NaN


def _without_secrets(record: dict[str, Any]) -> dict[str, Any]:
    """The record; where its image is an address, without the query, which may be a signature."""
    image = record.get("image")
    if isinstance(image, str) and plain_name(image) != image.replace("\\", "/"):
        return {**record, "image": plain_name(image)}
    return record


def _image_name(record: dict[str, Any]) -> str | tuple[str, str]:
    """The file name that a record gives, or reason and end of the sentence why there is none."""
    image = record.get("image")
    if isinstance(image, list):
        if len(image) > 1:
            return "several_images", f"names {len(image)} images; one is expected"
        image = image[0] if image else None
    if isinstance(image, str) and image.strip():
        if image.encode(errors="replace").decode() != image:
            return "no_image_named", "names an image with half of a surrogate pair, which is no text"
        return plain_name(image)
    return "no_image_named", "names no image"


def _corpus_of(names: dict[str, list[str]], settings: CorpusSettings) -> Corpus:
    annotated = load_annotations(settings) if settings.captions or settings.instances else Corpus()
    find = _Finder(annotated.images)
    found_for = {name: find(name) for name in names}
    n_meant = Counter(found.image_id for found in found_for.values() if found is not None)
    taken: set[str] = set()
    images: list[AnnotatedImage] = []
    findings: list[Finding] = []
    for name, found in found_for.items():
        image_id, n_alike = id_of_file(name, taken), n_meant[found.image_id] if found else 0
        if found and n_alike > 1:
            told = f"{name} is one of {n_alike} pictures that may be {found.file_name}; its annotations are left out"
            findings.append(Finding("picture_ambiguous", image_id, told))
        told_of = found if found and n_alike == 1 else AnnotatedImage("", "", 0, 0)
        images.append(replace(told_of, image_id=image_id, file_name=name))
    held = {image.image_id for image in images}
    findings += (finding for finding in annotated.findings if finding.image_id in held)
    # Where no instances file names categories, claims are read with COCO's.
    return Corpus(tuple(images), annotated.categories or COCO_CATEGORIES, tuple(findings), annotated.refusal)


class _Finder:
    """Finds the annotated image that a dataset's file name means.

    That is the one whose path ends as it does, or it as that. A bare number is no name: picture 493652 of Visual Genome
    is not COCO's. COCO's own names have twelve digits, before which 2014 has ``COCO_train2014_``.

    Args:
        images: Annotated.
    """

    def __init__(self, images: Sequence[AnnotatedImage]) -> None:
        self._by_name: dict[str, list[AnnotatedImage]] = {}
        self._by_number: dict[str, AnnotatedImage] = {}
        for image in images:
            path = PurePosixPath(image.file_name)
            self._by_name.setdefault(path.name, []).append(image)
            if number := _COCO_NUMBER.search(path.stem):
                self._by_number[number[1]] = image

    def __call__(self, name: str) -> AnnotatedImage | None:
        path = PurePosixPath(name)
        same = [
            image for image in self._by_name.get(path.name, ()) if _ends_alike(path, PurePosixPath(image.file_name))
        ]
        if same:
            return same[0] if len(same) == 1 else None
        number = _COCO_NUMBER.search(path.stem)
        return self._by_number.get(number[1]) if number else None


_COCO_NUMBER = re.compile(r"(?:^|_)(\d{12})$")


def _ends_alike(a: PurePosixPath, b: PurePosixPath) -> bool:
    n_parts = min(len(a.parts), len(b.parts))
    return a.parts[-n_parts:] == b.parts[-n_parts:]


def _shown(value: object) -> str:
    text = " ".join(str(value).encode(errors="replace").decode().split())
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"
