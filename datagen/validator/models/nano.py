"""The bundled model ``nano``: what it knows, and its refusal to speak of photographs.

``nano`` was trained on drawn scenes of a few dozen things (``training/``). Of a photograph it has no idea, and its
numbers would look as sure as ever; so every picture passes the guard before it is scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import ProbeKind, Score
from datagen.validator.answering import CheckpointAnswerer
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.domain_guard import load_guard, texture
from datagen.validator.files import digest_files
from datagen.validator.loading import Found, pick_device, pick_precision
from datagen.validator.models.family import Answerer, Named
from datagen.validator.models.lazy import LazyValidator
from datagen.validator.models.llava import load_llava
from datagen.validator.protocol import OUTSIDE, Abilities, Fault, LoadPicture, Look, open_picture

FOLDER = Path(__file__).resolve().parent.parent.parent / "data" / "nano"
MAX_LOOKED_OVER = 64


class PhotographError(ValidatorError):
    """A picture that is no drawn scene.

    Attributes:
        reason: As ``protocol.open_picture`` wants it: the fault costs the picture its scores and nothing else.
        detail: The sentence for a person.
    """

    reason = OUTSIDE
    detail = "nano knows drawn scenes only, and this picture is a photograph"

    def __init__(self) -> None:
        super().__init__(f"{self.detail}; use another validator, such as llava-1.5-7b.")


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
        """Refuse a run on photographs, by 64 of its pictures.

        Raises:
            ValidatorError: More than half of those that can be read are no drawn scenes.
        """
        every = list(dict.fromkeys(names))
        few = every[:: max(1, -(-len(every) // MAX_LOOKED_OVER))]
        seen = (open_picture(name, _guarded(load_picture)) for name in few)
        found = Counter(one.reason if isinstance(one, Fault) else "drawn" for one in seen)
        n_photographs, n_drawn = found[OUTSIDE], found["drawn"]
        if n_photographs > n_drawn:
            raise ValidatorError(
                f"nano knows drawn scenes only, and {n_photographs} of {n_photographs + n_drawn} pictures looked at "
                "are photographs; use another validator, such as llava-1.5-7b, or --validator none."
            )

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every probe that is not known, photographs apart; see ``protocol.Validator``."""
        yield from self._checkpoint.score(looks, _guarded(load_picture), known)


def _guarded(load_picture: LoadPicture) -> LoadPicture:
    def load(name: str) -> Image.Image:
        picture = load_picture(name)
        require_drawn(picture)
        return picture

    return load


def require_drawn(picture: Image.Image) -> None:
    """Let a drawn scene pass.

    Raises:
        PhotographError: The picture is none.
    """
    if not load_guard().passes(texture(picture)):
        raise PhotographError


def _open_answerer(settings: ValidatorSettings) -> Answerer:
    answerer = CheckpointAnswerer(load_llava(*find_nano(settings)))
    answerer.look_over = require_drawn
    return answerer


NANO = Named(answers_to=lambda name: name == "nano", open=NanoValidator, open_answerer=_open_answerer)
