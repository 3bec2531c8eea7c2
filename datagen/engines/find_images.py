"""Finds the images nearest to a text by CLIP features, which are computed once and kept in the run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from datagen.config import ValidatorSettings
from datagen.corpus import PictureChecker
from datagen.engines.progress import Progress, ended
from datagen.errors import ValidatorError
from datagen.records import AnnotatedImage
from datagen.store import RunFolder, write_whole
from datagen.validator.protocol import Fault, open_picture

if TYPE_CHECKING:
    import torch

    from datagen.validator.models.clip import SimilarityModel

PICTURES_A_PART = 1024
"""Pictures whose features stand in one file: what a kill can cost, at most."""


class Near(Struct, frozen=True):
    """An image that was found.

    Attributes:
        similarity: Cosine of picture and text, -1 to 1.
    """

    image: AnnotatedImage
    similarity: float


def find_images(
    folder: RunFolder,
    images: Sequence[AnnotatedImage],
    pictures: PictureChecker,
    text: str,
    settings: ValidatorSettings,
    n_wanted: int,
    progress: Progress,
) -> list[Near]:
    """Find the images whose pictures are nearest to a text, nearest first.

    Args:
        folder: Of the run; features are kept in it under the model's identity.
        images: The run's corpus.
        pictures: Opens them; a broken one is never found.
        text: What to look for, as a caption would say it.
        settings: Names a model that compares, such as ``clip-vit-b-32``.
        n_wanted: Give at most so many.
        progress: Hears of every picture that is looked at.

    Raises:
        ValidatorError: The model cannot be loaded, or does not compare.
        RunError: The features cannot be written.
    """
    import torch

    from datagen.validator.models import find_checkpoint
    from datagen.validator.models.clip import CLIP, load_model_of_similarity

    family, found = find_checkpoint(settings)
    if family is not CLIP:
        raise ValidatorError(f"{settings.name}: answers, but cannot compare; name a clip-* or siglip-* model.")
    model = load_model_of_similarity(settings, found)
    by_name = {image.file_name: image for image in images}
    with folder.locked():
        parts = list(_features_of(folder.features / found.identity, tuple(by_name), pictures, model, progress))
    names = [name for part, _ in parts for name in part]
    if not names:
        return []
    cosines = torch.cat([features for _, features in parts]) @ model.read([text])[0]
    best = cosines.topk(min(n_wanted, len(names)))
    return [Near(by_name[names[at]], similarity) for similarity, at in zip(*map(_plain, best), strict=True)]


def _plain(values: Any) -> list[Any]:
    plain: list[Any] = values.tolist()
    return plain


def _features_of(
    folder: Path, names: Sequence[str], pictures: PictureChecker, model: SimilarityModel, progress: Progress
) -> Iterator[tuple[list[str], torch.Tensor]]:
    """Per part, the names of the pictures that could be seen and their features; parts on disk are not made again."""
    progress.begin("looking at the pictures", len(names))
    with ended(progress):
        for number, part in enumerate(_batches(names, PICTURES_A_PART)):
            path = folder / f"{number:05}.safetensors"
            wanted = hashlib.sha256("\0".join(part).encode()).hexdigest()
            stored = _read_part(path, wanted)
            if stored is None:
                stored = _see_part(part, pictures, model, progress)
                _write_part(path, wanted, *stored)
            else:
                for _ in part:
                    progress.step()
            yield stored


def _see_part(
    names: Sequence[str], pictures: PictureChecker, model: SimilarityModel, progress: Progress
) -> tuple[list[str], torch.Tensor]:
    import torch

    seen: list[str] = []
    features = [torch.zeros((0, model.width))]
    for few in _batches(names, 32):
        opened = [(name, open_picture(name, pictures.read)) for name in few]
        usable = [(name, picture) for name, picture in opened if not isinstance(picture, Fault)]
        if usable:
            features.append(model.see([picture for _, picture in usable]))
            seen += [name for name, _ in usable]
        for _ in few:
            progress.step()
    return seen, torch.cat(features)


def _batches(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[at : at + size] for at in range(0, len(names), size))


def _read_part(path: Path, wanted: str) -> tuple[list[str], torch.Tensor] | None:
    """A part as it was stored; None when there is none, or one of other pictures."""
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            if told.get("pictures") != wanted:
                return None
            return [name for name in told["seen"].split("\0") if name], file.get_tensor("features")
    except (OSError, SafetensorError, KeyError):
        return None


def _write_part(path: Path, wanted: str, seen: list[str], features: torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as file:
        file.write(save({"features": features}, {"pictures": wanted, "seen": "\0".join(seen)}))
