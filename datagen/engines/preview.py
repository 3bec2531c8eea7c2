"""The request for one image, word for word, as a run would send it."""

from __future__ import annotations

from datagen.config import Settings
from datagen.corpus import Source, load_corpus
from datagen.errors import RunError
from datagen.recipes import build_request, load_recipes
from datagen.records import Request


def preview_request(
    settings: Settings, response_type: str | None, image_id: str | None, source: Source | None = None
) -> Request:
    """Make the request for one image under one response type.

    Args:
        settings: Of the run that would send it.
        response_type: None takes the first.
        image_id: None takes the first image of which something can be told.
        source: Gives the images in place of the files that the settings name.

    Raises:
        RunError: There is no such image or type, or nothing to tell of it.
        DatagenError: Corpus or recipe cannot be read.
    """
    recipes = {recipe.name: recipe for recipe in load_recipes(settings)}
    name = response_type or settings.types[0]
    if name not in recipes:
        raise RunError(f"No response type '{name}' in these settings; there is {', '.join(recipes)}.")
    images = load_corpus(settings.corpus, source).images
    chosen = [image for image in images if image_id in (None, image.image_id)]
    if not chosen:
        raise RunError(f"No image '{image_id}' in this corpus; ids look like {images[0].image_id}.")
    for image in chosen:
        request = build_request(recipes[name], image, settings)
        if request is not None:
            return request
    raise RunError(f"Nothing is annotated that a teacher could be told about {'it' if image_id else 'any image'}.")
