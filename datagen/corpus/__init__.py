"""Corpora: from annotation files or a program's records, and an image folder, to annotated images and their faults.

``FORMATS`` says which settings name a format's files, how it is recognised, and what opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from datagen.config import PLUGGED, CorpusSettings
from datagen.corpus.caption_agreement import with_agreement
from datagen.corpus.captions_file import open_captions, recognise_captions
from datagen.corpus.coco import open_coco
from datagen.corpus.coco_folder import open_found_coco, recognise_coco
from datagen.corpus.hub_parquet import is_hub_id
from datagen.corpus.hub_tables import HubSource, explain_no_hub_tables, open_hub_tables, recognise_hub_tables
from datagen.corpus.image_records import ImageRecords, explain_no_records, open_records
from datagen.corpus.images import ImagesById, placed_in
from datagen.corpus.llava_dataset import Dataset, MadeElsewhere, index_dataset, open_llava
from datagen.corpus.mixed import open_mixed
from datagen.corpus.open_images import open_open_images, recognise_open_images
from datagen.corpus.picture_places import folder_of
from datagen.corpus.pictures import (
    PictureChecker,
    PictureError,
    check_picture,
    explain_missing,
    picture_path,
    read_picture,
)
from datagen.corpus.refcoco import open_refcoco, recognise_refcoco
from datagen.corpus.source import Corpus, FileSource, FolderSource, Source, explain_unreadable
from datagen.corpus.visual_genome import open_visual_genome, recognise_visual_genome
from datagen.corpus.voc import open_voc, recognise_voc
from datagen.corpus.webdataset import explain_no_webdataset, open_webdataset, recognise_webdataset
from datagen.corpus.yolo import explain_no_yolo, open_yolo, recognise_yolo
from datagen.errors import CorpusError, SettingsError

__all__ = [
    "FORMATS",
    "PLACES",
    "Corpus",
    "FileSource",
    "FolderSource",
    "ImageRecords",
    "ImagesById",
    "PictureChecker",
    "PictureError",
    "Source",
    "check_picture",
    "corpus_if_there",
    "explain_missing",
    "find_format",
    "folder_of",
    "identity_in",
    "load_corpus",
    "load_dataset",
    "named_places",
    "open_source",
    "picture_path",
    "read_picture",
    "why_stop",
]


class Format(Struct, frozen=True):
    """One corpus format.

    Attributes:
        name: As ``corpus.format`` takes it.
        open: Gives its source; nothing is read yet.
        needs: Settings under ``corpus`` of which at least one names its files.
        takes: Settings that may name further files.
        recognises: Says whether the file or folder at ``corpus.path`` is one; looks at its beginning only.
        explains: Of a path that no format recognises: why it is none of this one, as a sentence, where it has its
            files; raises ``CorpusError`` where they are damaged.
    """

    name: str
    open: Callable[[CorpusSettings], Source]
    needs: tuple[str, ...] = ("path",)
    takes: tuple[str, ...] = ()
    recognises: Callable[[Path], bool] | None = None
    explains: Callable[[Path], str | None] | None = None


def _open_dataset(settings: CorpusSettings) -> MadeElsewhere:
    return open_llava(settings, _annotations_for(settings))


def _annotations_for(settings: CorpusSettings) -> Source | None:
    """What is said of the images of a dataset made elsewhere: a corpus of any format, or of several."""
    beside = replace(settings, dataset=None, images=None, limit=None)
    return open_source(beside) if named_places(beside) else None


FORMATS = (
    Format("coco", open_coco, needs=("captions", "instances")),
    Format("llava", _open_dataset, needs=("dataset",), takes=("captions", "instances", "path", "also")),
    Format(
        "records",
        open_records,
        recognises=lambda path: path.suffix.lower() == ".jsonl" and not recognise_captions(path),
        explains=explain_no_records,
    ),
    Format("coco", open_found_coco, recognises=recognise_coco),
    Format("captions", open_captions, recognises=recognise_captions),
    Format("yolo", open_yolo, recognises=recognise_yolo, explains=explain_no_yolo),
    Format("voc", open_voc, recognises=recognise_voc),
    Format("open_images", open_open_images, recognises=recognise_open_images),
    Format("webdataset", open_webdataset, recognises=recognise_webdataset, explains=explain_no_webdataset),
    Format("datasets", open_hub_tables, recognises=recognise_hub_tables, explains=explain_no_hub_tables),
    Format("refcoco", open_refcoco, recognises=recognise_refcoco),
    Format("visual_genome", open_visual_genome, recognises=recognise_visual_genome),
)

PLACES = ("images", "also", *dict.fromkeys(name for one in FORMATS for name in (*one.needs, *one.takes)))
"""Settings under ``corpus`` that say where something is: shards may find it elsewhere, as digests tell its content."""


def named_places(settings: CorpusSettings) -> list[str]:
    """Which settings name annotation files, under their dotted names."""
    return [f"corpus.{name}" for name in PLACES if name != "images" and getattr(settings, name)]


def find_format(settings: CorpusSettings) -> Format:
    """Find the format whose files the settings name.

    Raises:
        SettingsError: They name none, or files that no format takes together.
        CorpusError: A program gave the images, or what a path holds is damaged.
    """
    if settings.source is not None:
        raise CorpusError(
            f"The images of this run come from {settings.source.removeprefix(PLUGGED)}, in Python; start it again from "
            "the program that gives them to datagen.run or Run.validate (source=...)."
        )
    named = named_places(settings)
    if not named:
        raise SettingsError(
            "No annotations are given: name a COCO file with --captions or --instances, or another corpus with "
            "--corpus."
        )
    given, told = {name.removeprefix("corpus.") for name in named}, ", ".join(named)
    fitting = [one for one in FORMATS if given <= {*one.needs, *one.takes} and given & {*one.needs}]
    if not fitting:
        raise SettingsError(f"{told}: no corpus format takes these together; leave one of them out.")
    if settings.dataset is not None:
        return fitting[0]  # what a path beside it is, is found out by itself
    if settings.format is not None:
        fitting = [one for one in fitting if one.name == settings.format]
        if not fitting:
            names = ", ".join(one.name for one in FORMATS)
            raise SettingsError(
                f"corpus.format {settings.format}: there is no such format that takes {told}; there is {names}."
            )
    elif is_hub_id(settings.path):
        fitting = [one for one in fitting if one.open is open_hub_tables]
    elif settings.path is not None and Path(settings.path).exists():  # one that is gone is told when it is read
        fitting = _recognised(Path(settings.path), fitting)
    elif settings.path is not None and _seems_hub_id(Path(settings.path)):
        name = "/".join(Path(settings.path).parts[-2:])
        raise CorpusError(
            f"{settings.path}: there is no such file or folder. A data set of the hub is named --corpus hf:{name}, "
            "with a split behind another colon."
        )
    return fitting[0]


def _seems_hub_id(path: Path) -> bool:
    """Whether what is not there may be a name of the hub, OWNER/NAME, below the folder one stands in."""
    is_near = path.parent.parent == Path.cwd() or not path.is_absolute()
    return is_near and len(path.parts) > 1 and not path.suffix and not path.parent.exists()


def _recognised(path: Path, formats: Sequence[Format]) -> list[Format]:
    """Find what a file or folder is by looking into it.

    Raises:
        SettingsError: It is of no format, or of several.
    """
    try:
        found = [one for one in formats if one.recognises is not None and one.recognises(path)]
    except OSError as error:
        raise CorpusError(explain_unreadable(error, str(path))) from None
    if len(found) > 1:
        told = " and ".join(one.name for one in found)
        raise SettingsError(f"{path}: holds a corpus of {told}; name one with --set corpus.format={found[0].name}.")
    if not found:
        for explains in [one.explains for one in formats if one.explains is not None]:
            if (why := explains(path)) is not None:
                raise SettingsError(why)
        known = ", ".join(one.name for one in formats)
        raise SettingsError(
            f"{path}: is no corpus that is known by looking into it ({known}); docs/sources.md shows what each looks "
            "like. A LLaVA dataset is taken in by 'datagen import'."
        )
    return found


def open_source(settings: CorpusSettings) -> Source:
    """Open the source that the settings name, or the several; nothing is read yet.

    Raises:
        SettingsError: They name none.
    """
    if settings.also and not settings.dataset:
        return open_mixed(settings, open_source)
    if settings.images is not None:  # tar shards and addresses have a path of their own, by which they are known
        settings = replace(settings, images=str(folder_of(settings.images)))
    return find_format(settings).open(settings)


def load_corpus(settings: CorpusSettings, source: Source | None = None, *, may_fetch: bool = True) -> Corpus:
    """Load the images of a run with everything that is said about them.

    Args:
        settings: Name the files, and how many images to take.
        source: Takes the place of the files.
        may_fetch: False takes of a data set on the hub what was read of it before.

    Raises:
        SettingsError: The settings name no source.
        CorpusError: A file is not what it should be.
    """
    opened = source or open_source(settings)
    if isinstance(opened, HubSource):
        opened = replace(opened, may_fetch=may_fetch)
    corpus = opened.load()
    folder = folder_of(settings.images or opened.pictures, may_fetch=may_fetch)
    if folder is not None and not settings.also:  # a mix names its pictures itself, each corpus's in its own folder
        corpus = replace(corpus, images=placed_in(folder, corpus.images))
    corpus = with_agreement(corpus)
    return corpus.first(settings.limit)


def load_dataset(settings: CorpusSettings) -> Dataset:
    """Index a dataset made elsewhere, with what is said of its images; see ``index_dataset``."""
    return index_dataset(settings, _annotations_for(settings))


def why_stop(corpus: Corpus, pictures: PictureChecker) -> str | None:
    """Why a run on a corpus would stop before anything is asked, as a sentence; None where it would not.

    What ``datagen lint`` says of a run and what a run does is this one decision.
    """
    return corpus.refusal or pictures.explain_missing(corpus.images)


def corpus_if_there(settings: CorpusSettings) -> Corpus:
    """Load the images of a run that is looked at; nothing where its files are gone, or a program gave its images."""
    try:
        return load_corpus(settings, may_fetch=False)
    except (CorpusError, SettingsError):
        return Corpus()


def identity_in(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell what a run is on by its ``run.yaml``; nothing where that cannot be told.

    Args:
        manifest: Its content; that of an older version names its source in the settings alone.
    """
    if isinstance(told := manifest.get("source"), list):
        return tuple(map(str, told))
    try:
        return open_source(msgspec.convert(manifest["settings"]["corpus"], CorpusSettings, strict=False)).identity()
    except (msgspec.ValidationError, SettingsError, CorpusError, KeyError, TypeError):
        return ()
