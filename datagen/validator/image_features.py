"""Image features: each picture goes through the vision tower and projector once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from PIL import Image

from datagen.validator.loading import Checkpoint

_PICTURES_AT_ONCE = 8  # 8 x 577 patches keep a large GPU busy and need little memory beside the language model


def look_at(checkpoint: Checkpoint, pictures: Iterable[Image.Image]) -> Iterator[torch.Tensor]:
    """Run the vision tower and projector.

    Args:
        checkpoint: The model and its image processor.
        pictures: Any mode and size; taken a few at a time, so that few are in memory.

    Yields:
        Per picture, features of shape (tokens, hidden) on the model's device.
    """
    coming = (picture.convert("RGB") for picture in pictures)
    while chunk := list(islice(coming, _PICTURES_AT_ONCE)):
        seen = checkpoint.image_processor(images=chunk, return_tensors="pt")
        pixels = seen["pixel_values"].to(checkpoint.device, checkpoint.dtype)
        # LLaVA-NeXT cuts a picture into tiles by its size and needs that to join them again.
        sizes = {"image_sizes": seen["image_sizes"]} if "image_sizes" in seen else {}
        with torch.inference_mode():
            yield from checkpoint.model.get_image_features(pixels, **sizes).pooler_output


def blank_like(checkpoint: Checkpoint, size: tuple[int, int]) -> Image.Image:
    """Make the picture that shows nothing: the processor's mean colour, so its pixels become 0.

    Args:
        checkpoint: Names the mean colour.
        size: Width and height; LLaVA-NeXT gives other sizes other token counts.
    """
    mean = checkpoint.image_processor.image_mean
    red, green, blue = (round(255 * share) for share in mean)
    return Image.new("RGB", size, (red, green, blue))
