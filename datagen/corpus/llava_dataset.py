"""From a dataset made elsewhere, in LLaVA's form or one read as it, to its records and the corpus of their images.

The files are read a block at a time, twice: once for the index that is held in memory, once for the
texts, which go straight to disk. A fault of a file is one sentence; a fault of a record is the record's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import IMPORTED, CorpusSettings
from datagen.corpus.dataset_forms import as_llava, data_files, parquet_rows, tar_rows
from datagen.corpus.file_names import is_inside_name, name_in, plain_name
from datagen.corpus.foreign_boxes import NEEDS_SIZE, SHARES, reader_of
from datagen.corpus.images import id_of_file, id_text
from datagen.corpus.picture_places import folder_of, is_elsewhere
from datagen.corpus.pictures import EXPORT_MANIFEST, PictureError, picture_path, picture_size, size_of
from datagen.corpus.source import Corpus, FileSource, Source, check_start, explain_unreadable
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Finding
from datagen.words import COCO_CATEGORIES

MAX_RECORD_CHARS = 64_000_000
"""A record that does not end before this is a broken file; LLaVA's longest have some thousand."""
EXPORTED_IMAGES = "images"
"""Where an export has its pictures."""
_BLOCK_CHARS = 4_000_000
_SPACE = re.compile(r"\s*")
_BEHIND_RECORD = re.compile(r"\}\s*(?:,\s*(?=\{)|(?=\]\s*$))")
_SHAPE = (
    "A LLaVA dataset is a JSON array, or JSON Lines, of objects with 'id', 'image' and 'conversations', or with "
    "'images' and 'messages'"
)
_TYPE = re.compile(r"(?!.*-\d+$)[^\W_][\w-]{0,63}")
"""Names that are taken for response types; one that ends as ``-2`` could make the id of another type's sample."""
MAX_TOLD = 10_000
"""Records that cannot be read and are told one by one."""
_N_FIRST_LINES = 3
"""Of a file, among which one must be a record by itself for a line to be one; the others may be the broken ones."""
MAX_TYPES = 64
"""Response types that one dataset may name; those of further records stay unknown."""


class Record(Struct, frozen=True, gc=False):
    """One record, without its text.

    Attributes:
        image: Index into the corpus's images; -1 for a record that names none.
        number: Which of the samples of its type about its image it is, from 1; its place in the file for a record
            without an image.
        digest: Over its content.
        fault: Why it has no image, as reason and sentence.
        response_type: As it says itself, else ``imported``.
    """

    image: int
    number: int
    digest: str
    fault: tuple[str, str] | None = None
    response_type: str = IMPORTED


class Broken(Struct, frozen=True):
    """A line, or a part of a list, that is no record, and why."""

    told: str


class Dataset(Struct, frozen=True):
    """What a dataset file says, its texts left on disk.

    Attributes:
        corpus: Its images in order of first appearance, with what annotation files say about them.
        records: Those of one image together, images in the corpus's order; those without one at the end.
        types: Their response types.
    """

    corpus: Corpus
    records: tuple[Record, ...]
    types: tuple[str, ...] = (IMPORTED,)


class _Told(Struct, frozen=True, gc=False):
    """What a record says of itself beside its conversation.

    Attributes:
        digest: Over its content.
        response_type: ``imported`` where it says none.
        number: Which sample of its type about its image its id says it is; 0 where it does not.
    """

    digest: str
    response_type: str
    number: int


class MadeElsewhere(Struct, frozen=True):
    """A dataset made elsewhere: its records are replies, its images those that they name; see ``Source``.

    Attributes:
        files: Of the dataset; a run is on these.
        annotations: What is said of the images, where something is given for it.
        read: Reads both.
    """

    files: FileSource
    annotations: Source | None
    read: Callable[[], Corpus]

    @property
    def name(self) -> str:
        """Of the format."""
        return "llava"

    @property
    def pictures(self) -> str | None:
        """Those of the annotations."""
        return self.annotations.pictures if self.annotations else None

    @property
    def is_exhaustive(self) -> bool | None:
        """As the annotations say."""
        return self.annotations.is_exhaustive if self.annotations else None

    def identity(self) -> tuple[str, ...]:
        """Names of the dataset's files."""
        return self.files.identity()

    def describe(self) -> list[tuple[str, str]]:
        """Kinds and names of all files."""
        return [*self.files.describe(), *(self.annotations.describe() if self.annotations else ())]

    def digest(self) -> dict[str, Any]:
        """Digests of all files."""
        return {**self.files.digest(), **(self.annotations.digest() if self.annotations else {})}

    def stamp(self) -> list[Any]:
        """Stamps of all files."""
        return [*self.files.stamp(), self.annotations.stamp() if self.annotations else None]

    def load(self) -> Corpus:
        """Read all of it."""
        return self.read()


def open_llava(settings: CorpusSettings, annotations: Source | None) -> MadeElsewhere:
    """The dataset at ``corpus.dataset``, and what is said of its images."""

    def read() -> Corpus:
        return index_dataset(settings, annotations).corpus

    files = {"made elsewhere": tuple(map(str, data_files(Path(settings.dataset or ""))))}
    return MadeElsewhere(FileSource(name="llava", files=files, read=read), annotations, read)


def find_pictures(dataset: Path, unpacked: Path) -> Path | None:
    """Where the pictures of a dataset are: in ``images`` beside it, in its own folder, or inside its files.

    Args:
        dataset: A file or folder.
        unpacked: Where those inside its files may go.

    Returns:
        The folder; None where nothing tells it.

    Raises:
        CorpusError: It is no dataset.
    """
    record, _, pixels = next(_read_rows(dataset), ({}, "", None))
    around = dataset if dataset.is_dir() else dataset.parent
    if (around / EXPORTED_IMAGES).is_dir():
        return around / EXPORTED_IMAGES
    if pixels is not None:
        return unpacked
    name = _image_name(record)
    is_there = isinstance(name, str) and is_inside_name(name) and (around / name).is_file()
    return around if is_there else None


def coordinates_told(dataset: Path) -> str | None:
    """How the boxes of an export are written, as its manifest tells; None where none does."""
    try:
        told = json.loads(((dataset if dataset.is_dir() else dataset.parent) / EXPORT_MANIFEST).read_bytes())
        family = told["export"]["coordinates"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return family if isinstance(family, str) else None


def index_dataset(settings: CorpusSettings, annotations: Source | None = None) -> Dataset:
    """Index the dataset at ``settings.dataset``; pictures that stand in its files are unpacked into ``images``.

    Args:
        settings: Uses ``dataset``, ``images``, ``coordinates`` and ``limit`` (images).
        annotations: Of images, each found by the end of its path, or by COCO's number of twelve digits.

    Raises:
        CorpusError: A file is no dataset, annotations are not what they should be or of other pictures, or a picture's
            name is taken by another.
    """
    path = Path(settings.dataset or "")
    folder = None if settings.images is None else Path(settings.images)
    index: dict[str, list[_Told]] = {}
    types: dict[str, None] = {}
    about: dict[str, dict[str, str]] = {}
    imageless: list[Record] = []
    broken: list[Finding] = []
    for number, (record, content, pixels) in enumerate(_read_rows(path, translator_of(settings), broken), start=1):
        name = _image_name(record)
        if isinstance(name, str) and folder is not None:
            name = _name_in_export(folder, name_in(folder, name))
        if isinstance(name, tuple):
            fault = name[0], f"record {number} ({_shown(record.get('id'))}) {name[1]}"
            imageless.append(Record(-1, number, digest_record(content), fault))
        elif name in index or settings.limit is None or len(index) < settings.limit:
            index.setdefault(name, []).append(_told_by(record, content, types))
            about.setdefault(name, _about_image(record))
            if pixels is not None and folder is not None and not is_elsewhere(str(folder)):
                _unpack(pixels, folder, name)
    corpus = _corpus_of(index, about, annotations, broken)
    records = [
        Record(image, number, one.digest, response_type=one.response_type)
        for image, told in enumerate(index.values())
        for one, number in zip(told, _numbers(told), strict=True)
    ]
    if imageless or not types:
        types.setdefault(IMPORTED)
    return Dataset(corpus, (*records, *(imageless if settings.limit is None else ())), tuple(types))


Translate = Callable[[dict[str, Any], bytes | None], dict[str, Any]]
"""Gives a record with its boxes in the one form, from the record and the pixels that stood in it."""


def read_records(path: Path, translate: Translate | None = None) -> Iterator[tuple[dict[str, Any], str]]:
    """Read a dataset, a file or a folder of them.

    Args:
        path: Of the dataset.
        translate: Of ``translator_of``, where its boxes are in another form.

    Yields:
        Each record in LLaVA's form, and its content as compact JSON.

    Raises:
        CorpusError: A file is missing, damaged, or something else.
    """
    for record, content, _ in _read_rows(path, translate):
        yield record, content


def translator_of(settings: CorpusSettings) -> Translate | None:
    """What reads the boxes of the family that ``coordinates`` names; None where they are shares already.

    Raises:
        SettingsError: There is no such family.
    """
    if settings.coordinates == SHARES:
        return None
    read, folder = reader_of(settings.coordinates), folder_of(settings.images)
    needs_size = settings.coordinates.startswith(NEEDS_SIZE)

    def size(record: dict[str, Any], pixels: bytes | None) -> tuple[int, int] | None:
        if not needs_size:
            return 1, 1
        if pixels is not None:
            return found if all(found := size_of(pixels)) else None
        name = _image_name(record)
        if folder is None or not isinstance(name, str):
            return None
        with contextlib.suppress(PictureError):
            return picture_size(folder, _name_in_export(folder, name_in(folder, name)))
        return None  # its samples fall with their picture

    def translate(record: dict[str, Any], pixels: bytes | None) -> dict[str, Any]:
        turns, of = record.get("conversations"), size(record, pixels)
        if of is None or not isinstance(turns, list):
            return record
        told = [
            {**turn, "value": read(turn["value"], of)}
            if isinstance(turn, dict) and isinstance(turn.get("value"), str)
            else turn
            for turn in turns
        ]
        return {**record, "conversations": told}

    return translate


def _read_rows(
    path: Path, translate: Translate | None = None, findings: list[Finding] | None = None
) -> Iterator[tuple[dict[str, Any], str, bytes | None]]:
    """Records with their content, and the pixels of those that hold them; ``findings`` takes what is left out."""
    for file in data_files(path):
        broken: list[str] = []
        number = 0
        try:
            for value in _raw_rows(file):
                if isinstance(value, Broken):
                    broken.append(value.told)
                    continue
                number += 1
                is_row = isinstance(value, dict)
                record, pixels = as_llava(value) if is_row else (value, None)
                if not is_row or (number == 1 and ("conversations" not in record or "chosen" in record)):
                    raise CorpusError(f"{file}: {_explain_shape(value, number)}")
                plain = _without_secrets(record)
                if translate is not None:
                    plain = translate(plain, pixels)
                yield plain, _compact(plain), pixels
        except UnicodeDecodeError as error:
            raise CorpusError(f"{file}: is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
        except OSError as error:
            raise CorpusError(explain_unreadable(error, str(file), "dataset")) from None
        if len(broken) > number:
            what = "lines" if broken[0].startswith("line") else "records"
            told = f"{len(broken)} of {number + len(broken)} {what} are no records: {broken[0]}"
            raise CorpusError(f"{file}: {told}. {_SHAPE}.")
        if findings is not None:
            told_ones = (Finding("record_unreadable", None, f"{file.name}: {one}; left out") for one in broken)
            findings += islice(told_ones, MAX_TOLD)


def _raw_rows(file: Path) -> Iterator[Any]:
    kind = file.suffix.lower()
    if kind in (".parquet", ".tar"):
        yield from (parquet_rows if kind == ".parquet" else tar_rows)(file)
        return
    with file.open("rb") as start:
        check_start(file, start.read(4096), _SHAPE)
    with file.open(encoding="utf-8-sig") as text:
        is_lines = _is_of_lines(text)
        text.seek(0)
        yield from (_lines if is_lines else _values)(file, text)


def _is_of_lines(file: TextIO) -> bool:
    """Whether a file holds a record a line: it is no list, and one of its first lines is a record by itself."""
    for n_read in range(_N_FIRST_LINES):
        line = file.readline(_BLOCK_CHARS).strip()
        if not n_read and line.startswith("["):
            return False
        with contextlib.suppress(ValueError, RecursionError):
            value = _DECODER.decode(line)
            if isinstance(value, dict) and {"conversations", "messages"} & value.keys():
                return True
    return False


def _lines(path: Path, file: TextIO) -> Iterator[Any]:
    """Decode a record a line, or several; a line that is none costs itself, if the file does not end in it."""
    n_read = 0
    for number, ended in enumerate(iter(lambda: file.readline(MAX_RECORD_CHARS), ""), start=1):
        line = ended.rstrip()
        at, values = _skip_space(line, 0), list[Any]()
        try:
            while at < len(line):
                value, at = _DECODER.raw_decode(line, at)
                values.append(value)
                at = _skip_space(line, at)
        except RecursionError:
            yield Broken(f"line {number}: brackets are nested hundreds deep")
        except json.JSONDecodeError as error:
            is_cut = _is_cut(error)
            if is_cut and not ended.endswith("\n"):
                raise CorpusError(_truncated(path, n_read)) from None
            yield Broken(f"line {number} {'ends in the middle' if is_cut else f'is not JSON ({_told_of(error)})'}")
        else:
            n_read += len(values)
            odd = [value for value in values if not isinstance(value, dict)]
            yield from [Broken(f"line {number} is {_shown(odd[0])}, not an object")] if odd else values


def _told_by(record: dict[str, Any], content: str, types: dict[str, None]) -> _Told:
    """What a record of an export says of itself; an id is its own where image id and response type make it.

    Args:
        record: In LLaVA's form.
        content: Of it.
        types: Takes its response type.
    """
    if "response_type" not in record:
        types.setdefault(IMPORTED)
        return _Told(digest_record(content), IMPORTED, 0)
    name, number = record["response_type"], 0
    if not (isinstance(name, str) and _TYPE.fullmatch(name) and (name in types or len(types) < MAX_TYPES)):
        name = IMPORTED
    types.setdefault(name)
    sample_id, first = record.get("id"), f"{record.get('image_id')}-{name}"
    if isinstance(sample_id, str) and sample_id.startswith(first):
        further = re.fullmatch(r"(?:-([1-9][0-9]{0,8}))?", sample_id[len(first) :])
        number = 0 if further is None else int(further[1] or 1)
    return _Told(digest_record(content), name, number)


def _numbers(told: Sequence[_Told]) -> Iterator[int]:
    """Number the records of an image, each type for itself: as their ids say, as far as no two say the same."""
    said = Counter((one.response_type, one.number) for one in told if one.number)
    last: dict[str, int] = {}
    for one in told:
        if said[one.response_type, one.number] == 1:
            yield one.number
            continue
        number = last.get(one.response_type, 0) + 1
        while (one.response_type, number) in said:
            number += 1
        last[one.response_type] = number
        yield number


def _about_image(record: dict[str, Any]) -> dict[str, str]:
    """Image id and licence as far as a record tells them."""
    told = {name: record.get(name) for name in ("image_id", "licence")}
    return {
        name: value
        for name, value in told.items()
        if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() and value.strip() == value
    }


def _name_in_export(folder: Path, name: str) -> str:
    """The name under the image folder of a picture that an export names from its own, as ``images/1.jpg``."""
    inside = name.removeprefix(f"{EXPORTED_IMAGES}/")
    if inside == name or not is_inside_name(name) or os.path.exists(folder / name):  # noqa: PTH110  # takes any name
        return name
    return inside if os.path.exists(folder / inside) else name  # noqa: PTH110


def _unpack(pixels: bytes, folder: Path, name: str) -> None:
    """Put a picture where its name says, unless that leads out; the picture's check tells of it then.

    Raises:
        CorpusError: Another picture stands there, or it cannot be written.
    """
    path = picture_path(folder, name)
    if path is None:
        return
    try:
        if path.exists():
            is_other = path.read_bytes() != pixels
        else:
            is_other = False
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f".{hashlib.sha256(pixels).hexdigest()[:16]}.unfinished")
            unfinished.write_bytes(pixels)
            unfinished.replace(path)
    except OSError as error:
        told = error.strerror or error
        raise CorpusError(f"{path}: a picture of the dataset cannot be unpacked here ({told}).") from None
    if is_other:
        told = "is another picture than the one of that name in the dataset; give an empty folder with --images"
        raise CorpusError(f"{path}: {told}.")


def digest_record(content: str) -> str:
    """Name a record by its content: the key under which a run stores it."""
    return hashlib.sha256(b"imported\0" + content.encode()).hexdigest()[:16]


def _values(path: Path, file: TextIO) -> Iterator[Any]:
    """Decode one value after another, holding little more than a block; a broken one of a list costs itself."""
    text, at, n_read, n_broken = file.read(_BLOCK_CHARS), 0, 0, 0
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
            if not n_read + n_broken:
                raise CorpusError(f"{path}: is an empty list. {_SHAPE}.")
            at, is_closed = at + 1, True
            continue
        if is_array and n_read and text[at] == ",":
            at += 1
        try:
            start = _skip_space(text, at)
            value, at = _DECODER.raw_decode(text, start)
        except RecursionError:
            raise CorpusError(f"{path}: brackets are nested hundreds deep in record {n_read + 1}. {_SHAPE}.") from None
        except json.JSONDecodeError as error:
            more = file.read(_BLOCK_CHARS) if len(text) - at < MAX_RECORD_CHARS else ""
            if not more:
                n_broken += 1
                at = _behind_broken(path, text, start if is_array else len(text), error, n_read + n_broken)
                yield Broken(f"record {n_read + n_broken} is not JSON ({_told_of(error)})")
                continue
            # The comma before it, if any, was passed.
            text, at = ("," if is_array and n_read else "") + text[start:] + more, 0
            continue
        n_read += 1
        yield value


def _behind_broken(path: Path, text: str, at: int, error: json.JSONDecodeError, number: int) -> int:
    """Where the next whole record of a list begins, or where it is closed.

    Args:
        path: Of the file.
        text: Some of it.
        at: Where in it the broken record begins.
        error: What is wrong with that.
        number: Of it, from 1.

    Raises:
        CorpusError: No further one is found, so that more than a record is broken.
    """
    for found in _BEHIND_RECORD.finditer(text, at, at + _BLOCK_CHARS):
        if text[found.end()] == "]":
            if _is_cut(error):
                break
            return found.end()
        with contextlib.suppress(json.JSONDecodeError, RecursionError):
            record, _ = _DECODER.raw_decode(text, found.end())
            if isinstance(record, dict) and {"conversations", "messages"} & record.keys():
                return found.end()
    raise CorpusError(_explain_fault(path, number - 1, error)) from None


def _number(digits: str) -> int | float:
    """An integer; Python turns none of more than 4,300 digits into one."""
    return int(digits) if len(digits) < 4300 else float(digits)


_DECODER = json.JSONDecoder(parse_int=_number)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _truncated(path: Path, n_read: int) -> str:
    return f"{path}: ends in the middle, after {n_read} whole records. Copy or download it again."


def _explain_fault(path: Path, n_read: int, error: json.JSONDecodeError) -> str:
    if _is_cut(error):
        return _truncated(path, n_read)
    return f"{path}: is not JSON in record {n_read + 1} ({_told_of(error)}). {_SHAPE}."


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Whether a text only ends too soon."""
    return error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")


def _told_of(error: json.JSONDecodeError) -> str:
    near = _shown(error.doc[max(0, error.pos - 20) : error.pos + 20])
    return f"{error.msg[:1].lower()}{error.msg[1:]} near {near}"


def _first_keys(records: object) -> set[str]:
    return {*records[0]} if isinstance(records, list) and records and isinstance(records[0], dict) else set()


def _explain_shape(value: object, number: int) -> str:
    if not isinstance(value, dict):
        return f"record {number} is {_shown(value)}, not an object. {_SHAPE}."
    for name, told in _OTHER_SETS.items():
        if name in value:
            return f"holds {told}; take in an export of another form. {_SHAPE}."
    is_coco = isinstance(value.get("annotations"), list) or {"id", "file_name"} <= _first_keys(value.get("images"))
    if is_coco and number == 1 and "messages" not in value:
        return f"looks like a COCO file; give it to --captions or --instances of 'datagen run'. {_SHAPE}."
    return f"its first record holds {', '.join(map(repr, list(value)[:5])) or 'nothing'}. {_SHAPE}."


_OTHER_SETS = {
    "chosen": "pairs of answers, for preferences ('chosen', 'rejected')",
    "question_id": "questions that measure a model ('question_id'), and no answers to check",
    "verdict": "claims, and no conversations",
    "turns": "the samples of a run, of which its dataset.json has the accepted ones",
    "instruction": "'instruction' and 'output', and no conversations",
}
"""Forms of ``datagen export`` that are no conversations, by a name in their rows."""


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


def _corpus_of(
    names: Collection[str], about: dict[str, dict[str, str]], annotations: Source | None, broken: list[Finding]
) -> Corpus:
    annotated = annotations.load() if annotations else Corpus()
    find = _Finder(annotated.images)
    found_for = {name: find(name) for name in names}
    if names and annotated.images and not any(found_for.values()):
        theirs, named = annotated.images[0].file_name, next(iter(names))
        raise CorpusError(
            f"The dataset names {len(names)} pictures, such as {named}, and its annotations tell of none of them: "
            f"theirs are called as {theirs} is. Give those that were made of the same pictures, or leave them out."
        )
    n_meant = Counter(found.image_id for found in found_for.values() if found is not None)
    taken: set[str] = set()
    ids = _own_ids(about, taken)
    images: list[AnnotatedImage] = []
    findings = list(broken)
    for name, found in found_for.items():
        image_id, n_alike = ids.get(name) or id_of_file(name, taken), n_meant[found.image_id] if found else 0
        if found and n_alike > 1:
            told = f"{name} is one of {n_alike} pictures that may be {found.file_name}; its annotations are left out"
            findings.append(Finding("picture_ambiguous", image_id, told))
        told_of = found if found and n_alike == 1 else AnnotatedImage("", "", 0, 0)
        licence = told_of.licence or about[name].get("licence")
        images.append(replace(told_of, image_id=image_id, file_name=name, licence=licence))
    held = {image.image_id for image in images}
    findings += (finding for finding in annotated.findings if finding.image_id in held)
    # Where no instances file names categories, claims are read with COCO's.
    return Corpus(tuple(images), annotated.categories or COCO_CATEGORIES, tuple(findings), annotated.refusal)


def _own_ids(about: dict[str, dict[str, str]], taken: set[str]) -> dict[str, str]:
    """The ids that records give their images, by name; one that several images share counts for none of them."""
    told = {name: image_id for name, one in about.items() if (image_id := one.get("image_id"))}
    n_alike = Counter(told.values())
    own = {name: one for name, one in told.items() if n_alike[one] == 1 and id_text(one) == one}
    taken.update(own.values())
    return own


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
