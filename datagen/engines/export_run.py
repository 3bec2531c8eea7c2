"""From a finished run to files for a trainer: what is asked is checked first, then the rows are proven and written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from datagen.config import CorpusSettings, Settings, digest_of, dump_settings
from datagen.corpus import Corpus, check_picture, folder_of, picture_path
from datagen.corpus.picture_places import is_elsewhere
from datagen.engines.preference_pairs import preference_pairs
from datagen.engines.presence_questions import QUESTIONS, presence_questions
from datagen.errors import DatagenError, ExportError, SettingsError
from datagen.export import (
    FORMS,
    SHARES,
    Exported,
    ExportSettings,
    FindPicture,
    Form,
    Ledger,
    LeftOut,
    RowChoice,
    Writer,
    export_card,
    export_folder,
    family_of,
    unfinished_folder,
)
from datagen.records import Sample
from datagen.store import write_whole
from datagen.store.folder import sync_folder, translated_errors

Pictures = Literal["copy", "link", "leave"]


class Order(Struct, frozen=True, kw_only=True):
    """What is asked of an export, by the names that the command's options have.

    Attributes:
        form: A name of ``FORMS``, or of a form of the user's own.
        validation_share: Share of images held out as a split of their own, 0 to 0.99.
        licences: Licences to keep, such as ``cc-by``; empty keeps all.
        pictures: ``copy``, ``link`` or ``leave`` (None means the last); of forms without pixels.
        shard_mb: Size in megabytes after which a form that is cut into shards begins another file.
        images: Folder of the pictures, if not where the run found them.
        planted_share: Of ``preference``; see ``preference_pairs``. None takes ``PLANTED_SHARE``.
        coordinates: How boxes in texts are written, a name of ``COORDINATES``.
    """

    form: str = "llava"
    validation_share: float = 0.0
    licences: tuple[str, ...] = ()
    pictures: str | None = None
    shard_mb: int = 512
    images: Path | None = None
    planted_share: float | None = None
    coordinates: str = SHARES


PREFERENCE = "preference"
"""The form whose rows are pairs of answers, and no samples."""
PLANTED_SHARE = 0.25
"""Of a run that found a tenth of its turns wrong, some two planted pairs for each that was found."""


def export_run(
    samples: Iterable[Sample],
    out: Path,
    order: Order,
    run: Settings,
    decisions_digest: str | None = None,
    writers: Mapping[str, Form] | None = None,
    load_annotations: Callable[[], Corpus] = Corpus,
    run_card: str = "",
) -> Exported:
    """Write the accepted samples of a run in a form that a trainer reads.

    Args:
        samples: Of the run, in corpus order.
        out: Folder to write; of a form that is one file, that file.
        order: What is asked.
        run: The run's settings.
        decisions_digest: Of what people decided about the samples; None where nobody did.
        writers: Forms of the user's own by name.
        load_annotations: Gives the run's corpus, by which errors are planted and questions are asked.
        run_card: Of the run, whose sections stand in the export's card, too.

    Raises:
        SettingsError: The form is unknown, or cannot do what is asked.
        ExportError: No row is left, no picture can be opened, or the folder holds something else.
        RunError: The disk is full or the folder cannot be written.
    """
    forms = {**FORMS, **(writers or {})}
    form = forms.get(order.form)
    if form is None:
        raise SettingsError(f"No export format '{order.form}'; there is {', '.join(forms)}.")
    if not isinstance(form, type):
        return _write_ledger(form, samples, out, order)
    settings = _settings_for(order, form, run.rng_seed)
    find = _finder(run.corpus, order.images)
    about: dict[str, Any] = {"datagen": version("datagen"), "settings_digest": digest_of(dump_settings(run))}
    if decisions_digest is not None:
        about["decisions_digest"] = decisions_digest
    if order.form == PREFERENCE:
        share = PLANTED_SHARE if order.planted_share is None else order.planted_share
        samples = preference_pairs(samples, load_annotations(), run, share)
        about["planted_share"] = share
    elif order.form in QUESTIONS:
        samples = presence_questions(load_annotations(), run, order.form)

    def card(asked: ExportSettings, counts: dict[str, Any], files: Sequence[str]) -> str:
        return export_card(asked, run, counts, files, run_card)

    with translated_errors(out):
        try:
            return export_folder(samples, out, form, settings, find, about, card)
        except (DatagenError, OSError):
            raise
        except Exception as error:
            if order.form not in (writers or {}):
                raise
            told = f"{order.form}: the writer raised {type(error).__name__}: {error}"
            raise ExportError(f"{told}; the run itself is whole.") from error


def _write_ledger(write: Ledger, samples: Iterable[Sample], out: Path, order: Order) -> Exported:
    """Write a form that is one file whole, or nothing."""
    if order.validation_share or order.licences or order.pictures or order.images or order.coordinates != SHARES:
        raise SettingsError(f"--format {order.form} writes one file about all samples; it takes --out alone.")
    n_accepted = 0

    def counted() -> Iterator[Sample]:
        nonlocal n_accepted
        for sample in samples:
            n_accepted += sample.status == "accepted"
            yield sample

    with translated_errors(out), unfinished_folder(out) as folder:
        with write_whole(folder / out.name) as file:
            n_written = write(counted(), file)
        (folder / out.name).replace(out)
        sync_folder(out.parent)
    return Exported({"accepted": n_accepted, "other_licence": 0, "left_out": 0, "rows": {"train": n_written}}, [])


def _settings_for(order: Order, writer: type[Writer], rng_seed: int) -> ExportSettings:
    """Check what is asked."""
    if order.pictures and writer.has_pixels:
        told = f"the files of {order.form} hold the pictures themselves; leave it out"
        raise SettingsError(f"--pictures {order.pictures}: {told}.")
    if order.planted_share is not None and order.form != PREFERENCE:
        raise SettingsError(f"--planted-share: only --format {PREFERENCE} has planted errors; leave it out.")
    if not 0 <= (order.planted_share or 0) <= 1:
        raise SettingsError(f"--planted-share {order.planted_share}: expected a share between 0 and 1.")
    if not 0 <= order.validation_share <= 0.99:
        raise SettingsError(f"--validation-share {order.validation_share}: expected a share between 0 and 0.99.")
    if order.shard_mb < 1:
        raise SettingsError(f"--shard-mb {order.shard_mb}: expected at least 1.")
    choice = RowChoice(
        rng_seed=rng_seed, validation_share=order.validation_share, licences=tuple(sorted(set(order.licences)))
    )
    try:
        pictures = msgspec.convert(order.pictures or "leave", Pictures)
    except msgspec.ValidationError:
        raise SettingsError(f"--pictures {order.pictures}: expected copy, link or leave.") from None
    family_of(order.coordinates)
    return ExportSettings(
        form=order.form, choice=choice, pictures=pictures, shard_bytes=order.shard_mb * 1_000_000,
        coordinates=UNSET if order.coordinates == SHARES else order.coordinates,
    )  # fmt: skip


def _finder(corpus: CorpusSettings, images: Path | None) -> FindPicture:
    """Look for pictures where the run found them, or in another folder; each is decoded to its end."""
    folder = folder_of(corpus.images if images is None else str(images), may_fetch=images is not None)
    if folder is None or not (is_elsewhere(str(images or corpus.images)) or folder.is_dir()):
        told = "the run had no image folder" if folder is None else f"{folder} is no folder"
        raise ExportError(f"No picture can be opened ({told}); give the folder with --images.")

    @lru_cache(maxsize=1024)  # the samples of an image stand together
    def find(file_name: str) -> Path | LeftOut:
        fault = check_picture(folder, file_name, corpus.max_image_pixels)
        if fault is not None:
            return LeftOut(*fault)
        path = picture_path(folder, file_name)
        assert path is not None  # it has just been opened
        return path

    return find
