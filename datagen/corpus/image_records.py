"""Images as plain records, from a list in a program or from a JSON Lines file: the simplest source there is.

A record is a mapping with these keys, all but ``file_name`` optional::

    {
        "file_name": "kitchen/7.jpg",     # under the image folder
        "captions": ["A dog sits on a mat."],
        "boxes": [{"category": "dog", "bbox": [10, 40, 50, 50]}],   # COCO's: left, top, width, height in pixels
        "width": 640, "height": 480,      # pixels; read from the picture where boxes need them
        "image_id": "7",                  # else made of the file name
        "licence": "CC-BY-4.0",
    }

A box may have COCO's ``area`` (square pixels) and ``iscrowd``, and a detector's ``score`` from 0 to 1. A record that is
not so is refused in one sentence where a program gives it, and left out of a file; a box that reaches out of its frame
is clipped or left out, as one of a COCO file is.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct
from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.box_form import are_of_other_form, guess_form, share_out_of_frame, told_scored
from datagen.corpus.caption_faults import N_SAMPLED, caption_fault, said_of_most, told_of_most
from datagen.corpus.category_names import is_nameless, is_no_thing, names_in_sentences, told_nameless, told_no_things
from datagen.corpus.coco.boxes import BoxPx, Id, InstanceRow, make_box
from datagen.corpus.file_names import name_in, plain_name
from datagen.corpus.images import MAX_CAPTION_BYTES, MAX_SIDE_PX, AnnotatedImages, columns_of, id_of_file, id_text
from datagen.corpus.pictures import PictureError, picture_size
from datagen.corpus.source import Corpus, FileSource, check_start
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, Box, Finding

MIN_SCORE = CorpusSettings().min_score
_Side = Annotated[int, Meta(ge=1, le=MAX_SIDE_PX)]
_Name = Annotated[str, Meta(min_length=1)]


class BoxRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A box of a record; see the module."""

    category: _Name
    bbox: BoxPx
    area: float | None = None
    iscrowd: int | bool = False
    score: Annotated[float, Meta(ge=0, le=1)] | None = None


class ImageRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One record; see the module."""

    file_name: _Name
    captions: tuple[str, ...] = ()
    boxes: tuple[BoxRecord, ...] = ()
    width: _Side | None = None
    height: _Side | None = None
    image_id: Id | None = None
    licence: str | None = None


class ImageRecords:
    """Images made from a list of records.

        dog = {"category": "dog", "bbox": [9, 4, 50, 50]}
        images = [{"file_name": "1.jpg", "captions": ["A dog on a mat."], "boxes": [dog]}]
        datagen.run({"teacher": {"name": "template"}}, "runs/mine", source=ImageRecords(images, pictures="photos"))

    Args:
        records: Mappings, in the order of the dataset; see the module for their keys.
        pictures: Folder of the pictures; None leaves it to ``corpus.images``.
        categories: Names that boxes may have, in order; those of boxes alone are added as they come.
        is_exhaustive: Whether every object of a category is boxed; None leaves it to ``checks.exhaustive``.

    Raises:
        CorpusError: A record is not what it should be.
    """

    name = "records"

    def __init__(
        self,
        records: Iterable[Mapping[str, Any]],
        pictures: str | os.PathLike[str] | None = None,
        *,
        categories: Sequence[str] = (),
        is_exhaustive: bool | None = None,
    ) -> None:
        self.pictures = None if pictures is None else str(Path(pictures).expanduser().absolute())
        self.is_exhaustive = is_exhaustive
        self._categories = tuple(categories)
        self._records = [_converted(record, f"records[{n}]") for n, record in enumerate(records)]
        content = msgspec.json.encode([self._categories, self._records])
        self._digest = hashlib.blake2b(content, digest_size=16).hexdigest()

    def identity(self) -> tuple[str, ...]:
        """Number and digest of the records: a run folder goes on with the very same ones."""
        return (f"{len(self._records)} image records ({self._digest[:8]})",)

    def describe(self) -> list[tuple[str, str]]:
        """The same, for the card."""
        return [("made by a program", self.identity()[0])]

    def digest(self) -> dict[str, Any]:
        """Digest of the records."""
        return {"image records": self._digest}

    def stamp(self) -> str:
        """The digest again: the records are at hand."""
        return self._digest

    def load(self) -> Corpus:
        """Make images of the records; see ``Source``."""
        placed = ((f"records[{n}]", record) for n, record in enumerate(self._records))
        return _corpus_of(placed, self.pictures, self._categories)


def explain_no_records(path: Path) -> str | None:
    """Say how a JSON list of image records is to be written; None for anything else."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    with path.open("rb") as file:
        start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"[") or b'"file_name"' not in start:
        return None
    told = f"for row in json.load(open({str(path)!r})): print(json.dumps(row))"
    return (
        f'{path}: is a list of records; write one a line, to a .jsonl file: python -c "import json\n{told}" > '
        f"{path.with_suffix('.jsonl').name}"
    )


def open_records(settings: CorpusSettings) -> FileSource:
    """A JSON Lines file of image records at ``corpus.path``."""
    path = settings.path or ""

    def read() -> Corpus:
        return _corpus_of(_read_lines(Path(path)), settings.images, is_file=True, min_score=settings.min_score)

    return FileSource(name="records", files={"image records": (path,)}, read=read)


def _converted(record: Mapping[str, Any], place: str) -> ImageRecord:
    """Check a record that a program made; numpy's numbers and paths are taken for what they are."""
    try:
        plain = msgspec.to_builtins(record, enc_hook=_plain)
        msgspec.json.encode(plain)
        return msgspec.convert(plain, ImageRecord)
    except UnicodeEncodeError:
        told = "holds half of a surrogate pair, which is no text. Decode its texts anew"
        raise CorpusError(f"{place}: {told}.") from None
    except (msgspec.ValidationError, TypeError, RecursionError) as error:
        name = record.get("file_name") if isinstance(record, Mapping) else None
        raise CorpusError(f"{place}{f' ({name})' if name else ''}: {_fault(error)}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a record may not hold a Python {type(value).__name__}")


def _read_lines(path: Path) -> Iterator[tuple[str, ImageRecord | CorpusError]]:
    """Read a file of records; give each with its place, or what is wrong with it."""
    decoder = msgspec.json.Decoder(ImageRecord)
    with path.open("rb") as file:
        shape = "A file of image records is JSON Lines: one object a line, with 'file_name', 'captions' and 'boxes'"
        check_start(path, file.read(4096), shape)
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if line.strip():
                place = f"{path}, line {number}"
                try:
                    yield place, decoder.decode(line.removeprefix(b"\xef\xbb\xbf"))
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    yield place, CorpusError(f"{place}: {_fault(error)}")


def _fault(error: Exception) -> str:
    """Say what is wrong with a record, with the key where it stands."""
    what, _, where = str(error).partition(" - at ")
    place = f"at {where.strip('`')}: " if where else ""
    return (
        f"{place}{what[:1].lower()}{what[1:]}. A record holds file_name, and may hold captions, boxes, width, height, "
        "image_id and licence; a box holds category and bbox, [left, top, width, height] in pixels, and may hold area, "
        "iscrowd and score."
    )


def _corpus_of(
    records: Iterable[tuple[str, ImageRecord | CorpusError]],
    pictures: str | None,
    categories: Sequence[str] = (),
    *,
    is_file: bool = False,
    min_score: float = MIN_SCORE,
) -> Corpus:
    """Make images of records, each given with its place; a faulty one of a file is left out and told."""
    folder = None if pictures is None else Path(pictures)
    images: list[AnnotatedImage] = []
    findings: list[Finding] = []
    faults: list[CorpusError] = []
    ids: dict[str, str] = {}
    form = _BoxesAsGiven(min_score)
    given = (_category_name(name, "categories") for name in categories if not is_nameless(name))
    names = dict.fromkeys(name for name in given if not is_no_thing(name))
    for place, record in records:
        try:
            image = _placed(record, place, folder, ids, findings, form)
        except CorpusError as fault:
            if not is_file:
                raise
            faults.append(fault)
            findings.append(Finding("record_unreadable", None, f"{_without_folder(fault)} Left out."))
            continue
        names |= dict.fromkeys(box.category for box in image.boxes)
        images.append(image)
    if not images:
        raise faults[0] if faults else CorpusError("There is no image record; give at least one.")
    refusal = form.refusal(images, findings)
    images = _without_headings(images, findings)
    if form.no_things:
        n_all = len(form.no_things) + len(form.boxes_px)
        told = told_no_things([*dict.fromkeys(form.no_things)], len(form.no_things), n_all)
        findings.append(Finding("category_no_thing", None, told))
        refusal = refusal or (None if form.boxes_px else f"{told}.")
    if any(score < 1 for score in form.scores):
        told = told_scored(np.array(form.scores), len(form.boxes_px), min_score)
        findings.append(Finding("boxes_scored", None, told))
    if len(faults) > len(images):
        n_records = len(faults) + len(images)
        refusal = (
            f"{len(faults)} of {n_records} records cannot be read, such as {faults[0]} 'datagen lint' names them all."
        )
    return Corpus(AnnotatedImages(columns_of(images)), tuple(names), tuple(findings), refusal)


def _without_headings(images: list[AnnotatedImage], findings: list[Finding]) -> list[AnnotatedImage]:
    """Leave out captions that stand under most images."""
    told = [image for image in images if image.captions]
    step = max(1, len(told) // N_SAMPLED)
    heard = ((image.image_id, caption) for image in told[::step] for caption in image.captions)
    found = said_of_most(heard, len(told))
    if not found:
        return images
    n_captions = sum(len(image.captions) for image in told)
    n_left_out = sum(caption in found for image in told for caption in image.captions)
    findings.append(Finding("captions_alike", None, told_of_most(found, n_left_out, n_captions)))
    return [replace(one, captions=tuple(text for text in one.captions if text not in found)) for one in images]


def _without_folder(fault: CorpusError) -> str:
    """What the dataset card may say: names of files, and no folders of this machine."""
    place, sign, rest = str(fault).partition(", line ")
    return f"{PurePath(place).name}{sign}{rest}"


_OF_BOXES = frozenset(("box_out_of_frame", "box_zero_size", "box_in_shares", "category_unnamed"))


class _BoxesAsGiven:
    """The boxes as they came, to see whether they are in COCO's form."""

    def __init__(self, min_score: float) -> None:
        self.min_score = min_score
        self.scores: list[float] = []
        self.no_things: list[str] = []
        self.boxes_px: list[BoxPx] = []
        self.frames: list[tuple[int, int]] = []
        self.n_unnamed = 0

    def refusal(self, images: Sequence[AnnotatedImage], findings: Sequence[Finding]) -> str | None:
        """Why a run should not go on with them; None where it may."""
        if self.n_unnamed > len(self.boxes_px):
            unnamed = next(finding for finding in findings if finding.kind == "category_unnamed")
            told = f"{self.n_unnamed} of {self.n_unnamed + len(self.boxes_px)} boxes have categories without a name"
            return f"{told}, such as {unnamed.detail.partition(';')[0]}. Give 'category' a name in words."
        if not self.boxes_px:
            return None
        boxes, frames = np.array(self.boxes_px, np.float64), np.array(self.frames, np.float64)
        faults = [finding for finding in findings if finding.kind in _OF_BOXES]
        if 2 * len(faults) <= len(boxes) and not are_of_other_form(boxes, frames, share_out_of_frame(boxes, frames)):
            return None
        guess = guess_form(boxes, frames)
        told = f"{len(faults)} of {len(boxes)} boxes of the {len(images)} records do not fit"
        if not faults:
            told = f"All {len(boxes)} boxes of the {len(images)} records lie in the first 100 pixels of their frames"
        first = f", such as that of image {faults[0].image_id}: {faults[0].detail.partition(';')[0]}" if faults else ""
        cause = f"Likely cause: {guess}" if guess else "Look whether boxes and sizes are of the same pictures"
        return f"{told}{first}. {cause}. 'datagen lint' names them all."


def _placed(
    record: ImageRecord | CorpusError,
    place: str,
    folder: Path | None,
    ids: dict[str, str],
    findings: list[Finding],
    form: _BoxesAsGiven,
) -> AnnotatedImage:
    """Make one image with an id of its own; ``ids`` says which record has which."""
    if isinstance(record, CorpusError):
        raise record
    record = replace(record, file_name=plain_name(record.file_name))
    told = f"{place} ({record.file_name})"
    if record.image_id is None:
        image_id = id_of_file(record.file_name, ids)
    else:
        image_id = id_text(record.image_id)
        if image_id in ids:
            raise CorpusError(f"{told}: image {image_id} is {ids[image_id]} already; give each one record.")
    image = _image_of(record, image_id, told, folder, findings, form)
    ids[image_id] = told
    return image


def _image_of(
    record: ImageRecord, image_id: str, place: str, folder: Path | None, findings: list[Finding], form: _BoxesAsGiven
) -> AnnotatedImage:
    """Make one image; what is left out or mended becomes a finding."""
    folded = [" ".join(text.split()) for text in record.captions]
    captions = tuple(text for text in folded if 0 < len(text.encode()) <= MAX_CAPTION_BYTES)
    n_too_long = len(folded) - len(captions) - folded.count("")
    judged = [(text, caption_fault(text)) for text in captions]
    findings += [Finding(bad[0], image_id, f"{bad[1]} ('{text[:60]}'); left out") for text, bad in judged if bad]
    captions = tuple(text for text, bad in judged if not bad)
    findings += [Finding("empty_caption", image_id, "a caption is empty; left out")] * folded.count("")
    too_long = f"a caption has more than {MAX_CAPTION_BYTES} bytes; left out"
    findings += [Finding("caption_too_long", image_id, too_long)] * n_too_long
    width, height = record.width or 0, record.height or 0
    if bool(width) != bool(height):
        raise CorpusError(f"{place}: has a width or a height but not both; add the other, in pixels.")
    rows, lost = record.boxes, list[str]()
    if rows and not width:
        try:
            width, height = _read_size(record, place, folder)
        except PictureError as fault:  # the pictures are checked later, and this one costs its samples then
            findings.append(Finding("box_without_frame", image_id, f"{fault.detail}; {len(rows)} boxes left out"))
            lost += [_category_name(row.category, place) for row in rows]
            rows = ()
    boxes: list[Box] = []
    for row in rows:
        if not all(map(math.isfinite, row.bbox)):
            raise CorpusError(f"{place}: the bbox of a {row.category} is {list(row.bbox)}; give finite numbers.")
        name = _category_name(row.category, place)
        if _is_nameless(name):
            findings.append(
                Finding("category_unnamed", image_id, f"a category {told_nameless(name)}; its box is left out")
            )
            form.n_unnamed += 1
            continue
        if _is_no_thing(name):
            form.no_things.append(name)
            continue
        form.boxes_px.append(row.bbox)
        form.frames.append((width, height))
        crowd = bool(row.iscrowd)
        if row.score is not None:
            form.scores.append(row.score)
            if row.score < form.min_score:
                continue
        box, faults = make_box(InstanceRow(0, 0, bbox=row.bbox, area=row.area, iscrowd=crowd), name, width, height)
        findings += [Finding(kind, image_id, f"{name}, {detail}") for kind, detail in faults]
        boxes += [box] if box is not None else []
        lost += [name] if box is None else []
    image = AnnotatedImage(
        image_id,
        record.file_name,
        width,
        height,
        captions,
        tuple(boxes),
        record.licence,
        unfinished=(*dict.fromkeys(lost),) or UNSET,  # a box that was left out is no proof that nothing is there
    )
    if not any(row.score is not None and row.score < 1 for row in record.boxes):
        return image
    return replace(image, absent=(), unfinished=(*dict.fromkeys(box.category for box in boxes),), by_detector=True)


def _read_size(record: ImageRecord, place: str, folder: Path | None) -> tuple[int, int]:
    if folder is None:
        raise CorpusError(f"{place}: has boxes but no width and height; add both, or name the folder of the pictures.")
    return picture_size(folder, name_in(folder, record.file_name))


def _category_name(name: str, place: str) -> str:
    """A category as it stands in a sentence: people write ``traffic_light`` and ``Traffic Light``."""
    plain = _name_in_sentences(name)
    if not plain:
        raise CorpusError(f"{place}: a category has an empty name. Name it.")
    return plain


@lru_cache(maxsize=1 << 14)
def _name_in_sentences(name: str) -> str:
    """The name; kept, as a million boxes have a few hundred."""
    (plain,) = names_in_sentences([name])
    return plain


_is_nameless, _is_no_thing = (lru_cache(maxsize=1 << 14)(ask) for ask in (is_nameless, is_no_thing))
