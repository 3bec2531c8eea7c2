"""The command that lints a corpus, and what it prints: errors first, warnings counted, and whether a run would stop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from datagen.cli import options
from datagen.cli.app import app
from datagen.cli.exit_status import TOO_MANY_FAILED, echo, in_sentences
from datagen.config import load_settings

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.corpus import PictureChecker
    from datagen.corpus.lint import Level
    from datagen.corpus.source import Corpus
    from datagen.records import Finding

N_NAMED = 20
"""Errors of one kind that are named; ``--all`` names every one."""
NAMED_ALIKE = frozenset(("picture_turned", "record_unreadable"))
"""Warnings that are named like errors: each has to be looked at by itself."""


@app.command()
@in_sentences
@options.takes_settings("captions", "instances", "corpus", "images", "limit", "words", *options.VALIDATOR[:3])
def lint(
    *,
    show_all: Annotated[bool, typer.Option("--all", help="Name every finding, notes too, as they come.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Every finding as a line of JSON, with its level.")] = False,
    given: options.Given,
) -> None:
    """Report what is wrong with annotations and pictures, before a token is paid for.

    Errors cost an image its samples, warnings may be wrong annotations, notes are what ordinary corpora are full of.
    With `--validator` the pixels are looked at too, for things that nobody boxed.
    The last line says whether a run would stop. Exit status: 0 every image can be used, 3 some cannot, 1 a run would
    stop.
    """
    from msgspec.structs import replace

    from datagen.corpus import PictureChecker, load_corpus, open_source, why_stop
    from datagen.corpus.lint import lint_corpus
    from datagen.errors import CorpusError, visible

    settings = load_settings(None, given)
    corpus_settings = settings.corpus
    try:
        source = open_source(corpus_settings)
        corpus = load_corpus(corpus_settings, source)
    except CorpusError as error:
        echo(f"datagen: {error}", err=True)
        echo("run       would stop at this; nothing else was looked at", err=as_json)
        raise typer.Exit(1) from None
    pictures = PictureChecker(replace(corpus_settings, images=corpus_settings.images or source.pictures))
    hint = why_stop(corpus, pictures)
    check = None if hint and hint != corpus.refusal else pictures.check  # no need to tell of each what is told of all
    tally = _Tally()
    turned = pictures.explain_turned if check else None
    linted = lint_corpus(corpus.images, corpus.categories, check, settings.checks.words, turned)
    is_looked_at = check is not None and pictures.folder is not None and settings.validator.name != "none"
    unboxed = _unboxed(settings, corpus, pictures) if is_looked_at else ()
    for finding in chain(corpus.findings, linted, unboxed):
        tally.add(finding)
        if as_json or show_all:
            echo(_as_json(finding) if as_json else _as_line(finding))
    for line in tally.lines(n_examples=0 if as_json or show_all else N_NAMED):
        echo(line, err=as_json)
    n_images = len(corpus.images)
    if corpus_settings.path is not None:
        echo(f"corpus    read as {source.name}", err=as_json)
    if corpus_settings.images is None:
        where = f"in {visible(source.pictures)}" if source.pictures else "not checked: name their folder with --images"
        echo(f"pictures  {where}", err=as_json)
    echo(f"images    {n_images}, with {len(corpus.categories)} categories", err=as_json)
    n_usable = n_images - len(tally.fallen)
    echo(f"run       {_outlook(hint, n_usable, n_images)}", err=as_json)
    if hint or not n_usable:
        raise typer.Exit(1)
    if n_usable < n_images:
        raise typer.Exit(TOO_MANY_FAILED)


def _unboxed(settings: Settings, corpus: Corpus, pictures: PictureChecker) -> Iterator[Finding]:
    """What the validator sees and nobody boxed.

    Raises:
        DatagenError: There are no boxes to hold against the pictures, or the validator cannot be used.
    """
    from datagen.errors import SettingsError
    from datagen.validator import open_validator
    from datagen.validator.unboxed import find_unboxed, look_for_unboxed

    if not any(image.boxes for image in corpus.images):
        raise SettingsError("lint --validator looks for things without a box: it needs --instances with boxes.")
    validator = open_validator(settings.validator)
    validator.look_over([image.file_name for image in corpus.images], pictures.read)
    return find_unboxed(
        look_for_unboxed(corpus.images, corpus.categories, validator, pictures.read, settings.checks.words)
    )


def _outlook(hint: str | None, n_usable: int, n_images: int) -> str:
    if hint:
        return f"would stop: {hint}"
    if not n_usable:
        return "would make nothing: no image can be used"
    if n_usable < n_images:
        return f"would not stop: {n_usable} of {n_images} images can be used, {n_images - n_usable} fall out"
    return f"would not stop: {'every image' if n_images > 1 else 'the image'} can be used"


class _Tally:
    """Counts findings by kind, and keeps the first few of each.

    Attributes:
        fallen: Images that an error costs their samples.
    """

    def __init__(self) -> None:
        self.fallen: set[str | None] = set()
        self._counts: dict[Level, dict[str, int]] = {"error": {}, "warning": {}, "note": {}}
        self._first: defaultdict[str, list[Finding]] = defaultdict(list)

    def add(self, finding: Finding) -> None:
        """Count one."""
        level = _level(finding)
        counts, first = self._counts[level], self._first[finding.kind]
        counts[finding.kind] = counts.get(finding.kind, 0) + 1
        if len(first) < (N_NAMED if level == "error" or finding.kind in NAMED_ALIKE else 1):
            first.append(finding)
        if level == "error":
            self.fallen.add(finding.image_id)

    def lines(self, n_examples: int) -> Iterator[str]:
        """Tell errors, then warnings, the most frequent first, each with examples; then how many notes there are."""
        for level in ("error", "warning"):
            for kind, number in _falling(self._counts[level]):
                is_named = level == "error" or kind in NAMED_ALIKE
                is_cut = n_examples and number > 1 and not is_named
                yield f"{level:9} {number} {kind}{', such as' if is_cut else ''}"
                for finding in self._first[kind][:n_examples]:
                    yield f"          {_told(finding)}"
                if n_examples and is_named and number > N_NAMED:
                    yield f"          and {number - N_NAMED} more; --all names them"
        if self._counts["note"]:
            told = ", ".join(f"{number} {kind}" for kind, number in _falling(self._counts["note"]))
            yield f"note      {told}{' (ordinary; --all names them)' if n_examples else ''}"


def _falling(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _level(finding: Finding) -> Level:
    from datagen.corpus.lint import level_of

    return level_of(finding.kind)


def _told(finding: Finding) -> str:
    from datagen.errors import in_line

    return in_line(f"image {finding.image_id}: {finding.detail}" if finding.image_id else finding.detail)


def _as_line(finding: Finding) -> str:
    return f"{_level(finding):9} {finding.kind:21} {_told(finding)}"


def _as_json(finding: Finding) -> str:
    import json

    import msgspec

    line = msgspec.json.encode({"level": _level(finding), **msgspec.to_builtins(finding)}).decode()
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in line)
