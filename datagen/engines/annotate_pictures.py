"""Annotates bare pictures: a detector's boxes and another model's captions, as COCO files that say who made them.

What was found in each picture is a line of ``found.jsonl``, stored before the next one is looked at, under the identity
of the model and of what it was asked: a start after an interruption, or with another captioner, looks at nothing twice.
Every box carries its ``score`` and every caption ``by_model``, by which a run takes them for a machine's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import filelock
import msgspec
from msgspec import Struct
from PIL.Image import Image

from datagen.config import ValidatorSettings, digest_of
from datagen.corpus import PictureError, read_picture
from datagen.corpus.picture_folders import SUFFIXES, is_text, walked
from datagen.corpus.pictures import picture_size
from datagen.engines.progress import Progress, ended
from datagen.errors import CorpusError, RunError, ValidatorError
from datagen.masking import masked
from datagen.records import BoxUnit
from datagen.store import FactLog, write_whole
from datagen.store.folder import translated_errors
from datagen.validator.models import find_checkpoint, open_captioner, open_detector
from datagen.validator.models.detector import Detector
from datagen.version import __version__
from datagen.words import COCO_CATEGORIES

QUESTION = "Describe this picture in one sentence."
MAX_BOXES = 100
"""Of one picture, the surest; COCO's own evaluation takes as many."""
MAX_CAPTION = 1000
"""Letters; a model that writes more was not describing in one sentence."""
MAX_CATEGORIES, MAX_NAME = 2000, 80
"""LVIS has 1,203 categories, of up to 40 letters."""
MAX_PIXELS = 50_000_000
N_TOLD = 10
"""Broken pictures that are told one by one."""
_SURE = 0.9999
"""The highest score that is written: 1 is what tools write for what people drew."""
_MIN_SIDE_PX = 1.0
_LOG, _LOCK = "found.jsonl", ".annotate.lock"
INSTANCES, CAPTIONS = "instances.json", "captions.json"


class SeenBox(Struct, frozen=True):
    """A box that a detector drew.

    Attributes:
        box_unit: Corners as shares of the frame.
        score: How sure it is, from 0 to 1.
    """

    category: str
    box_unit: BoxUnit
    score: float


class FoundPicture(Struct, frozen=True, omit_defaults=True):
    """What one model found in one picture.

    Attributes:
        picture: Its name under the folder, with forward slashes.
        stamp: Of the file's size and time: another picture under the same name is looked at again.
        by: Digest of the model and of what it was asked.
        size: Width and height in pixels.
    """

    picture: str
    stamp: str
    by: str
    size: tuple[int, int]
    boxes: tuple[SeenBox, ...] = ()
    caption: str | None = None


class Annotated(Struct, frozen=True):
    """What came of it.

    Attributes:
        pictures: In the folder.
        boxed: Pictures with a box.
        boxes: Their number by category, the most frequent first.
        captioned: Pictures with a caption; None where no captioner was asked.
        faults: Of pictures that were left out, a sentence each.
    """

    pictures: int
    boxed: int
    boxes: dict[str, int]
    captioned: int | None
    faults: tuple[str, ...]


def annotate_pictures(
    pictures: Path,
    out: Path,
    detector: ValidatorSettings,
    captioner: ValidatorSettings | None,
    progress: Progress,
    categories: Sequence[str] = (),
    min_score: float = 0.3,
) -> Annotated:
    """Look at every picture of a folder, and write what was found as COCO files.

    Args:
        pictures: The folder; those below it are looked into, too.
        out: Where ``instances.json``, ``captions.json`` and the log of what was found go.
        detector: Names it.
        captioner: Names a captioning model or a chat model with eyes, if one is to be asked.
        progress: Hears of every picture.
        categories: What to look for; all that the detector knows, or COCO's 80 where it takes any name.
        min_score: Boxes with a lower one are not written.

    Raises:
        CorpusError: There is no picture, or none that can be used, or nothing was found.
        ValidatorError: A model cannot be used.
        RunError: The folder holds something else, is being worked on, or cannot be written.
    """
    stamps = dict(_pictures_in(pictures))
    with _held(out), closing(FactLog(out / _LOG, FoundPicture)) as log:
        work = _Work(pictures, stamps, log, progress)
        made, names = _find_boxes(work, detector, categories, min_score)
        captions = [] if captioner is None else [_describe(work, captioner)]
        return _write(out, work, [made, *captions], names)


class _Made(Struct, frozen=True):
    """A file to be written: of which answers, and what it says of itself."""

    name: str
    by: str
    info: Mapping[str, Any]


def _find_boxes(
    work: _Work, settings: ValidatorSettings, categories: Sequence[str], min_score: float
) -> tuple[_Made, list[str]]:
    """Ask the detector, which is freed on return: the captioner may need the memory."""
    detector = open_detector(settings)
    names = _names_for(detector, categories)
    by = digest_of([detector.identity, names, min_score, MAX_BOXES])
    work.look("finding boxes", by, lambda picture: {"boxes": _look(detector, picture, names, min_score)})
    told = {"detector": _told_of(settings), "categories": len(names), "min_score": min_score}
    return _Made(INSTANCES, by, told), names


def _describe(work: _Work, settings: ValidatorSettings) -> _Made:
    by = digest_of([_identity(settings), QUESTION])
    describe = open_captioner(settings, QUESTION)
    work.look("describing", by, lambda picture: {"caption": _say(describe(picture))})
    return _Made(CAPTIONS, by, {"captioner": _told_of(settings), "question": QUESTION})


def _pictures_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Names of pictures in the order of their names, with a stamp of each."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: is no folder; give the one that holds the pictures.")
    found = [
        path
        for below, names in walked(folder)
        for name in names
        if (path := Path(below, name)).suffix.lower() in SUFFIXES and is_text(str(path.relative_to(folder)))
    ]
    if not found:
        raise CorpusError(f"{folder}: holds no picture ({', '.join(sorted(SUFFIXES))}).")
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in found):
        try:
            state = path.stat()
            yield name, f"{state.st_size}-{state.st_mtime_ns}"
        except OSError:  # a link to nothing: told when it is opened
            yield name, "gone"


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Make the folder, and keep others from working in it."""
    with translated_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        others = [entry.name for entry in out.iterdir() if not entry.name.startswith(".")]
    if others and _LOG not in others:
        raise RunError(f"{out}: holds files that 'datagen annotate' did not make; choose an empty --out.")
    lock = filelock.FileLock(out / _LOCK)
    try:
        with translated_errors(out):
            lock.acquire(timeout=0)
    except filelock.Timeout:
        raise RunError(f"{out}: another datagen process annotates into it; wait for it, or choose another.") from None
    try:
        yield
    finally:
        lock.release()


class _Work:
    """The pictures, and where in the log stands what was found in each."""

    def __init__(self, folder: Path, stamps: Mapping[str, str], log: FactLog[FoundPicture], progress: Progress) -> None:
        self.folder, self.stamps, self.log = folder, stamps, log
        self.faults: dict[str, str] = {}
        self._progress = progress
        self._starts: dict[tuple[str, str], int] = {}
        for start, found in log.scan():
            if stamps.get(found.picture) == found.stamp:
                self._starts[found.by, found.picture] = start

    def look(self, task: str, by: str, ask: Callable[[Image], dict[str, Any]]) -> None:
        """Ask a model of every picture of which it did not tell before."""
        todo = [name for name in self.stamps if (by, name) not in self._starts]
        self._progress.begin(task, len(self.stamps), len(self.stamps) - len(todo))
        with ended(self._progress):
            for name in todo:
                if name not in self.faults:
                    self._look_at(name, by, ask)
                self._progress.step()

    def _look_at(self, name: str, by: str, ask: Callable[[Image], dict[str, Any]]) -> None:
        try:
            size = picture_size(self.folder, name)
            picture = read_picture(self.folder, name, MAX_PIXELS)
        except PictureError as error:
            self.faults[name] = error.detail
            if len(self.faults) <= N_TOLD:
                self._progress.note(f"{error.detail}; left out.")
            return
        self._starts[by, name] = self.log.append(FoundPicture(name, self.stamps[name], by, size, **ask(picture)))
        self.log.sync_if_due()

    def found(self, by: str) -> Iterator[tuple[int, FoundPicture]]:
        """What a model found, with the number of each picture."""
        for number, name in enumerate(self.stamps, start=1):
            start = self._starts.get((by, name))
            if start is not None:
                yield number, self.log.read_at(start)


def _names_for(detector: Detector, wanted: Sequence[str]) -> list[str]:
    """What is looked for."""
    names = list(dict.fromkeys(" ".join(name.lower().split()) for name in wanted if name.strip()))
    odd = next((name for name in names if len(name) > MAX_NAME or not name.isprintable()), None)
    if odd is not None or len(names) > MAX_CATEGORIES:
        told = f"{len(names)} names" if odd is None else f"'{odd[:MAX_NAME]}'"
        raise ValidatorError(
            f"--categories: {told}; give up to {MAX_CATEGORIES} names of things, of up to {MAX_NAME} letters."
        )
    labels = detector.parts.labels
    if labels is None:
        return names or list(COCO_CATEGORIES)
    known = list(dict.fromkeys(labels.values()))
    strange = [name for name in names if name not in known]
    if strange:
        some = ", ".join(known[:5])
        raise ValidatorError(
            f"--categories: this detector knows no {strange[0]}, only its own {len(known)} things such as {some}; for "
            "others take one that is told what to look for, such as OWLv2 or Grounding DINO."
        )
    return names or known


def _look(detector: Detector, picture: Image, names: Sequence[str], min_score: float) -> tuple[SeenBox, ...]:
    """The surest boxes of a picture, without specks."""
    least = [_MIN_SIDE_PX / side for side in picture.size]
    found = [
        SeenBox(name, _rounded(corners), min(round(score, 4), _SURE))
        for name, seen in detector.look(picture, names).items()
        for corners, score in zip(seen.boxes.tolist(), seen.scores.tolist(), strict=True)
        if score >= min_score and corners[2] - corners[0] >= least[0] and corners[3] - corners[1] >= least[1]
    ]
    return tuple(sorted(found, key=lambda one: -one.score)[:MAX_BOXES])


def _rounded(corners: Sequence[float]) -> BoxUnit:
    left, top, right, bottom = (round(edge, 5) for edge in corners)
    return left, top, right, bottom


def _say(answer: str) -> str:
    """A caption on one line; nothing of an answer that is none."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in answer).split())
    return text if len(text) <= MAX_CAPTION else ""


def _identity(settings: ValidatorSettings) -> str:
    """What tells a captioner from another: its weights, or its address and name."""
    return settings.name if settings.name.startswith("endpoint:") else find_checkpoint(settings)[1].identity


def _told_of(settings: ValidatorSettings) -> str:
    """A model's name, without folders of this machine and logins."""
    is_path = not settings.name.startswith("endpoint:") and Path(settings.name).is_dir()
    return Path(settings.name).resolve().name if is_path else masked(settings.name)


def _write(out: Path, work: _Work, made: Sequence[_Made], names: Sequence[str]) -> Annotated:
    """Write each file, whole or not at all; what an earlier start wrote of other models goes."""
    n_captions, counts, n_boxed = 0, Counter[str](), 0
    for one in made:
        for _, found in work.found(one.by):
            n_captions += bool(found.caption)
            n_boxed += bool(found.boxes)
            counts.update(seen.category for seen in found.boxes)
    if len(work.faults) == len(work.stamps):
        raise CorpusError(f"{work.folder}: no picture can be used, such as {next(iter(work.faults.values()))}.")
    if not counts and not n_captions:
        raise CorpusError(
            f"{work.folder}: nothing was found in {len(work.stamps)} pictures; look whether the detector knows what "
            "they show, or lower --min-score."
        )
    stale = {INSTANCES, CAPTIONS}
    for one in made:
        if counts if one.name == INSTANCES else n_captions:
            stale.remove(one.name)
            with write_whole(out / one.name) as file:
                file.writelines(_coco(work, one, names if one.name == INSTANCES else ()))
    with translated_errors(out):
        for name in stale:
            (out / name).unlink(missing_ok=True)
    captioned = n_captions if len(made) > 1 else None
    return Annotated(len(work.stamps), n_boxed, dict(counts.most_common()), captioned, tuple(work.faults.values()))


def _coco(work: _Work, made: _Made, names: Sequence[str]) -> Iterator[bytes]:
    """A COCO file, piece by piece, as a million pictures have ten million boxes."""
    numbers = {name: number for number, name in enumerate(names, start=1)}
    by, said = made.by, "Made by a machine; nobody looked at it"
    yield b'{"info":' + msgspec.json.encode({"description": said, "made_by": f"datagen {__version__}", **made.info})
    yield from _listed("images", (_image_row(number, found) for number, found in work.found(by)))
    rows = (row for number, found in work.found(by) for row in _annotation_rows(number, found, numbers))
    yield from _listed("annotations", ({"id": n, **row} for n, row in enumerate(rows, start=1)))
    if names:
        yield from _listed("categories", ({"id": number, "name": name} for name, number in numbers.items()))
    yield b"}\n"


def _listed(key: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    yield f',\n"{key}":['.encode()
    for n, row in enumerate(rows):
        yield (b",\n" if n else b"\n") + msgspec.json.encode(row)
    yield b"]"


def _image_row(number: int, found: FoundPicture) -> dict[str, Any]:
    return {"id": number, "file_name": found.picture, "width": found.size[0], "height": found.size[1]}


def _annotation_rows(number: int, found: FoundPicture, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """A row for each box, in pixels, and one for the caption."""
    width, height = found.size
    for seen in found.boxes:
        left, top, right, bottom = seen.box_unit
        x, y = round(left * width, 2), round(top * height, 2)
        w, h = round(right * width - x, 2), round(bottom * height - y, 2)
        row = {"image_id": number, "category_id": numbers[seen.category], "bbox": [x, y, w, h]}
        yield {**row, "area": round(w * h, 2), "iscrowd": 0, "score": seen.score}
    if found.caption:
        yield {"image_id": number, "caption": found.caption, "by_model": True}
