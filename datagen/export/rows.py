"""One row on its way out: chosen by licence, split by image, proven against the trainers' rules; and what writes it.

The rules are those of the loaders of LLaVA, LLaMA-Factory and TRL: an odd row, a wrong count of image tokens or an
empty answer is dropped or masked there without a word, and a special token in the text masks the whole sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

from msgspec import UNSET, Struct, UnsetType

from datagen.randomness import rng_for
from datagen.records import Sample

IMAGE_TOKEN = "<image>"
TRAIN, VALIDATION = "train", "validation"
IMAGES = "images"
"""Where pictures are copied or linked to, inside the export."""
NOT_STATED = "not stated"


class RowChoice(Struct, frozen=True, kw_only=True):
    """Which samples are exported, and how they are divided.

    Attributes:
        rng_seed: The run's seed; decides the split together with the image id.
        validation_share: Share of images held out, 0 to 1.
        licences: Licences to keep, see ``has_licence``; empty keeps all.
    """

    rng_seed: int = 0
    validation_share: float = 0.0
    licences: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are written."""
        return (TRAIN, VALIDATION) if self.validation_share else (TRAIN,)


class ExportSettings(Struct, frozen=True, kw_only=True):
    """What is asked of an export.

    Attributes:
        form: Its name, as the manifest tells it.
        pictures: Of a form without pixels: copied or linked into ``images/``, or left where they are.
        shard_bytes: Size after which Parquet and WebDataset begin another file.
        coordinates: Of ``coordinates.COORDINATES``, how boxes in texts are written; left out where they stay as shares.
    """

    form: str
    choice: RowChoice = RowChoice()
    pictures: Literal["copy", "link", "leave"] = "leave"
    shard_bytes: int = 512_000_000
    coordinates: str | UnsetType = UNSET


def split_of(image_id: str, choice: RowChoice) -> str:
    """Choose an image's split by its id alone, so that all of its samples stand on one side."""
    if not choice.validation_share:
        return TRAIN
    is_held_out = rng_for(choice.rng_seed, image_id, "split").random() < choice.validation_share
    return VALIDATION if is_held_out else TRAIN


def has_licence(licence: str | None, wanted: tuple[str, ...]) -> bool:
    """Whether a licence is among those wanted, case aside.

    A name without version stands for each of its versions, and never for a stricter licence:
    ``cc-by`` takes ``CC-BY-2.0``, not ``CC-BY-NC-2.0``. ``not stated`` takes images without one.
    """
    if not wanted:
        return True
    name = (licence or NOT_STATED).casefold()
    return any(re.fullmatch(rf"{re.escape(each.casefold())}(?:-\d.*)?", name) for each in wanted)


_STRUCTURE = re.compile(
    r"</?s>|<\||<(?:video|audio|pad|unk|bos|eos|im_start|im_end|im_patch|start_of_turn|end_of_turn)>|<</?SYS>>"
    r"|\[/?INST\]|\b(?:ASSISTANT|USER):"
)


class LeftOut(NamedTuple):
    """Why a row is left out: a code to count and a sentence to read."""

    reason: str
    detail: str


def record_fault(record: dict[str, Any]) -> LeftOut | None:
    """Find the first rule of a loader that a record breaks.

    Args:
        record: In LLaVA's form, ``{id, image, conversations: [{from, value}]}``.

    Returns:
        None for a row that every loader takes whole. Reasons: ``no_answer``, ``roles``, ``image_tokens``,
        ``empty_text``, ``trainer_token``.
    """
    turns = record["conversations"]
    if len(turns) < 2 or len(turns) % 2:
        return LeftOut("no_answer", f"{len(turns)} messages do not pair into questions and answers")
    for number, (turn, role) in enumerate(zip(turns, cycle(("human", "gpt")), strict=False), start=1):
        value = turn["value"]
        if turn["from"] != role:
            return LeftOut("roles", f"message {number} is from {turn['from']!r}, expected {role!r}")
        n_tokens, n_expected = value.count(IMAGE_TOKEN), int(number == 1)
        if n_tokens != n_expected:
            return LeftOut("image_tokens", f"message {number} holds {IMAGE_TOKEN} {n_tokens} times, not {n_expected}")
        if not value.replace(IMAGE_TOKEN, "").strip():
            return LeftOut("empty_text", f"message {number} says nothing")
    return token_fault(record, _STRUCTURE)


def token_fault(record: dict[str, Any], tokens: re.Pattern[str]) -> LeftOut | None:
    """Find a text that a trainer would read as structure.

    Args:
        record: In LLaVA's form.
        tokens: What it reads so; of one trainer alone, a form looks for them itself.
    """
    for number, turn in enumerate(record["conversations"], start=1):
        found = tokens.search(turn["value"])
        if found is not None:
            return LeftOut("trainer_token", f"message {number} holds {found[0]!r}, which trainers read as structure")
    return None


class ExportRow(NamedTuple):
    """One accepted sample that every loader takes.

    Attributes:
        record: In LLaVA's form.
        picture: File of the picture as it stands in the corpus; it has been decoded to its end.
    """

    sample: Sample
    record: dict[str, Any]
    split: str
    picture: Path

    @property
    def image(self) -> str:
        """Name of the picture under the image folder, with forward slashes."""
        name: str = self.record["image"]
        return name


def told_beside(sample: Sample) -> dict[str, Any]:
    """What a row tells beside its conversation, so that ``datagen import`` has it again; trainers read none of it.

    Returns:
        ``image_id``, ``response_type``, ``licence`` (None where none is stated), and the validator's verdict on each
        turn as ``verdicts``.
    """
    verdicts = ["not judged" if turn.validation is None else turn.validation.verdict for turn in sample.turns]
    about = {"image_id": sample.image_id, "response_type": sample.response_type}
    return {**about, "licence": sample.provenance.licence, "verdicts": verdicts}


class PictureKind(NamedTuple):
    """What a picture file is by its content, whatever its name says.

    Attributes:
        name: ``jpeg``, ``png``, ``webp``, ``gif``, ``bmp`` or ``tiff``; empty for what is no picture.
        is_animated: It holds several frames.
    """

    name: str
    is_animated: bool


def picture_kind(path: Path) -> PictureKind:
    """Read what a picture is from its header."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            name = (image.format or "").lower()
            if name == "mpo":  # a JPEG with further ones behind it, as cameras write
                return PictureKind("jpeg", is_animated=False)
            return PictureKind(name, getattr(image, "n_frames", 1) > 1)
    except UnidentifiedImageError:
        return PictureKind("", is_animated=False)


_SUFFIXES = {
    "jpeg": (".jpg", ".jpeg"),
    "png": (".png",),
    "webp": (".webp",),
    "bmp": (".bmp",),
    "gif": (".gif",),
    "tiff": (".tif", ".tiff"),
}


def suffix_by_content(row: ExportRow) -> str:
    """The suffix of a picture's name, in lower case, or the one of its content where they differ.

    Readers of files with pixels inside choose a decoder, or a media type, by the name.
    """
    suffix, fitting = PurePosixPath(row.image).suffix.lower(), _SUFFIXES.get(picture_kind(row.picture).name, (".jpg",))
    return suffix if suffix in fitting else fitting[0]


class Writer(Protocol):
    """An export form: writes the rows of one split; one is made for ``train``, and one for ``validation`` if asked for.

    The same rows must give the same bytes. Everything else is done for it: samples are chosen and proven, pictures
    opened, files hashed into the manifest, the folder named when it is whole.

    Args:
        folder: Where its files go.
        split: Begins their names.
        settings: What is asked of the export.

    Attributes:
        has_pixels: The pictures are inside its files, so that none can be copied or linked beside them.
    """

    has_pixels: bool

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None: ...

    def add(self, row: ExportRow) -> LeftOut | None:
        """Write a row, or say why its readers would refuse it."""
        ...

    def close(self) -> None:
        """Complete the files; also called when the export fails."""
        ...


Ledger = Callable[[Iterable[Sample], BinaryIO], int]
"""A form that is one file about the samples themselves, without pictures: writes it, and gives how many records it
has."""

Form = type[Writer] | Ledger


def chat_messages(record: dict[str, Any], image_part: dict[str, Any]) -> list[dict[str, Any]]:
    """Tell a record as chat messages made of parts; the picture is a part, and never a token in the text.

    Args:
        record: In LLaVA's form, proven.
        image_part: What stands for the picture, such as ``{"type": "image"}``.
    """
    messages = []
    for turn in record["conversations"]:
        text = turn["value"]
        parts = [{"type": "text", "text": text.replace(IMAGE_TOKEN, "").strip()}]
        if IMAGE_TOKEN in text:
            parts.insert(0 if text.startswith(IMAGE_TOKEN) else 1, image_part)
        messages.append({"role": "user" if turn["from"] == "human" else "assistant", "content": parts})
    return messages
