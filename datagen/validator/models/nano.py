"""The bundled model: what it knows, and its refusal to speak of anything else.

``nano`` was trained on drawn scenes of a few dozen things (``training/``). Of a photograph it has no idea, and its
numbers would look as sure as ever; so it looks at the pictures first, and refuses.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import ProbeKind, Score
from datagen.validator.answering import CheckpointAnswerer
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.files import digest_files
from datagen.validator.loading import Found, pick_device, pick_precision
from datagen.validator.models.family import Answerer, Named
from datagen.validator.models.lazy import LazyValidator
from datagen.validator.models.llava import load_llava
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look

FOLDER = Path(__file__).resolve().parent.parent.parent / "data" / "nano"
BUSIEST = 6.0
"""Busyness above which a picture is taken for a photograph. Of 600 random scenes 92 % lie below, of 80 COCO
photographs 10 %; the median of a few pictures leaves no doubt."""
_PICTURES_TRIED = 64
_SIDE, _BLOCK = 128, 8


class Knowledge(Struct, frozen=True, kw_only=True):
    """What the weights have learned, as ``nano.json`` beside them says.

    Attributes:
        probes: Kinds of question whose accuracy on new scenes was good enough to be judged by.
        categories: The things it was shown.
    """

    probes: tuple[ProbeKind, ...]
    categories: tuple[str, ...]


def load_knowledge(folder: Path = FOLDER) -> Knowledge:
    """Read ``nano.json``."""
    return msgspec.json.decode((folder / "nano.json").read_bytes(), type=Knowledge)


def find_nano(settings: ValidatorSettings) -> tuple[ValidatorSettings, Found]:
    """Find the bundled weights, which need no looking over."""
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    identity = f"{digest_files(FOLDER)}-{precision}"
    found = Found(FOLDER, "llava", "LlavaForConditionalGeneration", device, precision, identity)
    return replace(settings, name=str(FOLDER)), found


class NanoValidator:
    """The bundled checkpoint, asked only what it has learned; see ``protocol.Validator``."""

    def __init__(self, settings: ValidatorSettings) -> None:
        known = load_knowledge()
        self.abilities = Abilities(
            texts=False, blanks=False, probes=frozenset(known.probes), categories=frozenset(known.categories)
        )
        own, found = find_nano(settings)
        self._checkpoint = LazyValidator(
            found, self.abilities, lambda: CheckpointValidator(load_llava(own, found), own.batch_tokens)
        )
        self.identity, self.n_readers = self._checkpoint.identity, self._checkpoint.n_readers

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Refuse photographs.

        Raises:
            ValidatorError: Most pictures are no drawn scenes.
        """
        refuse_photographs(names, load_picture)

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every probe that is not known; see ``protocol.Validator``."""
        yield from self._checkpoint.score(looks, load_picture, known)


def refuse_photographs(names: Sequence[str], load_picture: LoadPicture) -> None:
    """Look at a few pictures.

    Raises:
        ValidatorError: Most of them are no drawn scenes.
    """
    found: list[float] = []
    for name in list(dict.fromkeys(names))[:_PICTURES_TRIED]:
        try:
            found.append(busyness(load_picture(name)))
        except Exception as error:
            if not hasattr(error, "reason"):  # an unreadable picture is its record's failure, told elsewhere
                raise
    if found and float(np.median(found)) > BUSIEST:
        n_busy = sum(value > BUSIEST for value in found)
        raise ValidatorError(
            f"nano knows drawn scenes only, and {n_busy} of {len(found)} pictures looked at are photographs; "
            "use another validator, such as llava-1.5-7b, or --validator none."
        )


def busyness(picture: Image.Image) -> float:
    """Typical fine structure of a picture: photographs have it everywhere, drawings lie mostly flat.

    Returns:
        Median over blocks of 8 x 8 pixels, after scaling to 128 x 128, of the standard deviation around the block's
        own plane, in grey levels (of 255).
    """
    small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float64).mean(axis=2)
    per_side = _SIDE // _BLOCK
    blocks = grey.reshape(per_side, _BLOCK, per_side, _BLOCK).swapaxes(1, 2).reshape(-1, _BLOCK**2)
    down, across = np.divmod(np.arange(_BLOCK**2), _BLOCK)
    plane, _ = np.linalg.qr(np.stack([np.ones(_BLOCK**2), across, down], axis=1))
    return float(np.median((blocks - blocks @ plane @ plane.T).std(axis=1)))


def _open_answerer(settings: ValidatorSettings) -> Answerer:
    answerer = CheckpointAnswerer(load_llava(*find_nano(settings)))
    answerer.look_over = lambda picture: refuse_photographs(["it"], lambda _: picture)
    return answerer


NANO = Named(answers_to=lambda name: name == "nano", open=NanoValidator, open_answerer=_open_answerer)
