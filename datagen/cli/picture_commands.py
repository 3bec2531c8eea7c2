"""The commands that ask a model about pictures: a question, boxes and captions, the nearest images; and the models."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from datagen.cli.app import app
from datagen.cli.exit_status import echo, echo_fitted, in_sentences, tell_next
from datagen.cli.options import LOADING, Given, RunArgument, takes_settings
from datagen.config import load_validator_settings

NeededValidator = Annotated[str, typer.Option(help="A name of 'datagen models', a folder, a hub id or endpoint:URL.")]


@app.command()
@in_sentences
@takes_settings(*LOADING)
def ask(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In quotes.")],
    *,
    validator: NeededValidator,
    given: Given,
) -> None:
    """Ask a model one question about one picture."""
    from datagen.corpus import PictureError, read_picture
    from datagen.errors import ValidatorError
    from datagen.validator.models import open_answerer

    settings = load_validator_settings({"validator.name": validator, **given})
    if not question.strip():
        raise ValidatorError("The question is empty; give it in quotes after the picture.")
    try:
        picture = read_picture(image.parent, image.name, 50_000_000)
    except PictureError as error:
        raise ValidatorError(f"{error.detail.replace(image.name, str(image), 1)}.") from None
    echo(open_answerer(settings).answer(picture, question))


@app.command()
@in_sentences
@takes_settings(*LOADING)
def annotate(
    pictures: Annotated[Path, typer.Argument(metavar="PICTURES", help="A folder of pictures.")],
    *,
    out: Annotated[Path, typer.Option(help="For the COCO files; a second start of the same command goes on.")],
    detector: Annotated[str, typer.Option(help="Draws boxes: a name of 'datagen models', a folder or a hub id.")],
    captioner: Annotated[
        str | None,
        typer.Option(
            help="Writes captions: BLIP, Florence-2, a model that 'datagen ask' takes, or endpoint:URL#MODEL."
        ),
    ] = None,
    categories: Annotated[
        str, typer.Option(help="What to look for, with commas; else all that it knows, or COCO's 80 things.")
    ] = "",
    min_score: Annotated[float, typer.Option(min=0.01, max=0.99, help="Boxes with a lower one are not written.")] = 0.3,
    given: Given,
) -> None:
    """Put boxes and captions on bare pictures, marked as made by a machine."""
    from datagen.cli.printed import annotated_lines
    from datagen.engines.annotate_pictures import annotate_pictures
    from datagen.view.progress_bar import BarProgress

    drawing, *describing = (
        load_validator_settings({"validator.name": name, **given}) for name in (detector, captioner) if name is not None
    )
    wanted = categories.split(",")
    found = annotate_pictures(
        pictures, out, drawing, describing[0] if describing else None, BarProgress(), wanted, min_score
    )
    echo_fitted(annotated_lines(found, out))
    tell_next(f"datagen run --corpus {{}} --images {shlex.quote(str(pictures))} --out RUN", at=out)


@app.command()
@in_sentences
@takes_settings("device", "precision")
def find(
    run_path: RunArgument,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, as a caption would say it.")],
    *,
    validator: NeededValidator = "clip-vit-b-32",
    top: Annotated[int, typer.Option(min=1, help="Show so many images.")] = 10,
    given: Given,
) -> None:
    """Find the images of a run that are nearest to a text."""
    from datagen.api import open_run
    from datagen.cli.printed import near_lines
    from datagen.corpus import PictureChecker, load_corpus
    from datagen.engines.find_images import find_images
    from datagen.view.progress_bar import BarProgress

    run = open_run(run_path)
    settings = load_validator_settings({"validator.name": validator, **given})
    corpus = run.settings.corpus
    found = find_images(
        run.folder,
        load_corpus(corpus, may_fetch=False).images,
        PictureChecker(corpus, may_fetch=False),
        text,
        settings,
        top,
        BarProgress(),
    )
    for line in near_lines(found):
        echo(line)


@app.command()
@in_sentences
def models() -> None:
    """List the validators that have a name: memory for their weights, where they come from, what is here."""
    from datagen.cli.printed import model_lines

    for line in model_lines():
        echo(line)
