"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that tell one object of a COCO picture from all others.

As github.com/lichengunc/refer has it: ``instances.json`` in COCO's form beside ``refs(unc).p``, a list of
``{"ref_id", "ann_id", "image_id", "split", "sentences": [{"sent", "raw"}]}``. That file is a Python pickle, which runs
whatever stands in it, so it is only read as JSON. Expressions become ``Region`` with the box of their object. Pictures
of ``val`` and ``test`` splits are left out where others are of ``train``: evaluations are made of them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import CorpusSettings
from datagen.corpus.coco import find_refs, load_annotations
from datagen.corpus.coco.boxes import BoxPx, Id
from datagen.corpus.coco.reader import NotPlain, read_list, read_object
from datagen.corpus.images import AnnotatedImages, columns_of, id_text
from datagen.corpus.source import Corpus, FileSource, check_start
from datagen.errors import CorpusError
from datagen.records import AnnotatedImage, BoxUnit, Finding, Region

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
MAX_TOLD = 1_000
"""Faulty expressions that are told one by one."""


class _Expression(Struct):
    sent: str = ""
    raw: str = ""


class _Ref(Struct):
    ann_id: Id
    image_id: Id
    sentences: tuple[_Expression, ...]
    split: str = "train"


class _Instance(Struct):
    id: Id
    bbox: BoxPx


def recognise_refcoco(path: Path) -> bool:
    """Whether this is a file of expressions, or a folder with one."""
    return bool(find_refs(path))


def open_refcoco(settings: CorpusSettings) -> FileSource:
    """The expressions at ``corpus.path``, with the instances beside them."""
    path = Path(settings.path or "")
    refs = _chosen(path)
    files = {"instances": (str(refs.parent / "instances.json"),), "expressions": (str(refs),)}

    def read() -> Corpus:
        if refs.suffix != ".json":
            raise CorpusError(
                f"{refs}: is a Python pickle, which can run anything when it is opened, so that it is not read. If you "
                f'trust it, write it as JSON beside it: python -c "import json, pickle; '
                f"json.dump(pickle.load(open('{refs.name}', 'rb')), open('{refs.stem}.json', 'w'))\""
            )
        return _read(settings, refs, refs.parent / "instances.json")

    return FileSource(name="refcoco", files=files, read=read)


def _chosen(path: Path) -> Path:
    """The file of expressions; of several that of UNC or UMD, as Google's splits share pictures."""
    found = find_refs(path)
    as_json = [one for one in found if one.suffix == ".json"]
    return (as_json or found or [path])[-1]


def _read(settings: CorpusSettings, path: Path, instances: Path) -> Corpus:
    """Read the boxes as COCO's, and give each image what is said of its objects."""
    corpus = load_annotations(replace(settings, path=None, captions=(), instances=(str(instances),)))
    findings: list[Finding] = []
    refs = _read_refs(path, findings)
    boxes = _boxes_of(instances, {id_text(ref.ann_id) for ref in refs})
    said: dict[str, list[Region]] = {}
    splits: dict[str, set[str]] = {}
    for ref in refs:
        image_id, ann_id = id_text(ref.image_id), id_text(ref.ann_id)
        image = corpus.by_id.get(image_id)
        corners = None if image is None or ann_id not in boxes else _corners(boxes[ann_id], image)
        if corners is None:
            _tell(findings, f"{path.name}: {instances.name} has no box {ann_id} in an image {image_id}")
            continue
        splits.setdefault(image_id, set()).add(ref.split)
        texts = dict.fromkeys(" ".join((one.sent or one.raw).split()) for one in ref.sentences)
        said.setdefault(image_id, []).extend(Region(text, corners, "expression") for text in texts if text)
    if not said:
        told = f"of {len(refs)} expressions none is of an object of {instances.name}"
        raise CorpusError(f"{path}: {told}. Give both files of the same data set.")
    held_out = {image_id for image_id, of in splits.items() if of != {"train"}}
    if len(held_out) < len(splits):
        told = f"{len(held_out)} images have expressions of val or test, which evaluations are made of; left out"
        findings += [Finding("held_out", None, told)] * bool(held_out)
    else:
        held_out = set()
    known = said.keys() - held_out
    images = [replace(image, regions=tuple(said[image.image_id])) for image in corpus.images if image.image_id in known]
    of_known = [one for one in corpus.findings if one.image_id is None or one.image_id in known]
    return Corpus(AnnotatedImages(columns_of(images)), corpus.categories, (*of_known, *findings), corpus.refusal)


def _tell(findings: list[Finding], fault: str) -> None:
    if len(findings) < MAX_TOLD:
        findings.append(Finding("record_unreadable", None, f"{fault}; left out"))


def _corners(box: BoxPx, image: AnnotatedImage) -> BoxUnit | None:
    """Corners of a box, clipped to its frame; None where nothing is left."""
    left, top, width, height = box
    across, down = max(image.width, 1), max(image.height, 1)
    corners = (left / across, top / down, (left + width) / across, (top + height) / down)
    clipped = tuple(min(1.0, max(0.0, side)) for side in corners)
    return clipped if clipped[2] > clipped[0] and clipped[3] > clipped[1] else None  # type: ignore[return-value]


def _read_refs(path: Path, findings: list[Finding]) -> list[_Ref]:
    """Read the expressions; a faulty one costs itself.

    Raises:
        CorpusError: It is no list of expressions.
    """
    found: list[_Ref] = []

    def take(piece: bytes) -> None:
        for raw in _RAWS.decode(piece):
            try:
                found.append(msgspec.json.decode(raw, type=_Ref))
            except msgspec.ValidationError as error:
                _tell(findings, f"{path.name}: {error}")

    with path.open("rb") as file:
        check_start(path, file.read(4096), "A file of expressions is a JSON list, made of refs(unc).p")
        file.seek(0)
        _require_plain(path, lambda: read_list(file, take))
    return found


def _boxes_of(path: Path, wanted: set[str]) -> dict[str, BoxPx]:
    """Boxes in pixels by the ids of their annotations."""
    boxes: dict[str, BoxPx] = {}

    def take(piece: bytes) -> None:
        for raw in _RAWS.decode(piece):
            with contextlib.suppress(msgspec.ValidationError):  # told where the boxes are read
                row = msgspec.json.decode(raw, type=_Instance)
                if (ann_id := id_text(row.id)) in wanted and all(map(math.isfinite, row.bbox)):
                    boxes[ann_id] = row.bbox

    with path.open("rb") as file:
        _require_plain(path, lambda: read_object(file, {"annotations": take, "images": _RAWS.decode}))
    return boxes


def _require_plain(path: Path, read: Callable[[], object]) -> None:
    try:
        read()
    except (NotPlain, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CorpusError(f"{path}: is no JSON that can be read to its end; write or download it again.") from None
