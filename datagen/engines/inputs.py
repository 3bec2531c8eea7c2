"""What a run, or a shard of one, works on: settings, recipes, corpus, pictures, each read once."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from datagen.checks import validate_check_names
from datagen.config import Settings, digest_of, dump_settings
from datagen.corpus import Corpus, PictureChecker, load_corpus, load_dataset
from datagen.engines.checking import check_pictures
from datagen.engines.progress import Progress
from datagen.engines.watermark import Watermark
from datagen.errors import RunError, SettingsError
from datagen.pipeline import Planned, derive_before_dedup, late_settings_digest, plan_imported, plan_samples
from datagen.recipes import Recipe, load_recipes
from datagen.records import AnnotatedImage, Sample
from datagen.store import ReplyStore, RunFolder, write_whole
from datagen.store.shards import Shard


class Inputs:
    """One run's inputs, read once, and the passes over them.

    Args:
        settings: Resolved settings.
        folder: The run's, or the shard's.
        progress: Hears how far it is.
        shard: Which share of the corpus to work on; None takes all.

    Attributes:
        corpus: The whole of it, whatever the shard.
        images: Those to work on, in corpus order.

    Raises:
        DatagenError: The inputs cannot be read, as one sentence.
    """

    def __init__(self, settings: Settings, folder: RunFolder, progress: Progress, shard: Shard | None = None) -> None:
        validate_check_names(settings.checks)
        self.settings = settings
        self.folder = folder
        self.progress = progress
        self.shard = shard
        if shard is not None and settings.corpus.dataset:
            raise SettingsError("--shard: a dataset made elsewhere is taken in as a whole; leave it out.")
        self.recipes: tuple[Recipe, ...] = load_recipes(settings)
        self.dataset = load_dataset(settings.corpus) if settings.corpus.dataset else None
        self.corpus: Corpus = self.dataset.corpus if self.dataset else load_corpus(settings.corpus)
        whole: Sequence[AnnotatedImage] = self.corpus.images
        self.images = whole if shard is None else whole[shard.cut(len(whole))]
        self.pictures = PictureChecker(settings.corpus)
        hint = self.pictures.explain_missing(self.corpus.images)
        if hint:
            raise RunError(hint)

    @property
    def n_samples(self) -> int:
        """Images times response types, or the records of a dataset made elsewhere."""
        if self.dataset is not None:
            return len(self.dataset.records)
        return len(self.images) * len(self.recipes)

    def planned(self, first: int = 0) -> Iterator[Planned]:
        """Every sample of the run, in corpus order, from one of them on."""
        if self.dataset is not None:
            return islice(plan_imported(self.dataset, self.pictures.check), first, None)
        image, n_before = divmod(first, len(self.recipes))
        images, categories = self.images[image:], self.corpus.categories
        return islice(
            plan_samples(images, self.recipes, self.settings, self.pictures.check, categories), n_before, None
        )

    def planned_at(self, number: int) -> Planned:
        """One sample, by its place in the plan; raises IndexError where there is none."""
        image, recipe = divmod(number, len(self.recipes))
        images, recipes = (self.images[image],), (self.recipes[recipe],)
        return next(plan_samples(images, recipes, self.settings, self.pictures.check, self.corpus.categories))

    def unsettled(self, watermark: Watermark) -> Iterator[tuple[int, Planned]]:
        """Every sample that is not known to have its reply, with its place in the plan."""
        for number in sorted(watermark.left):
            yield number, self.planned_at(number)
        yield from enumerate(self.planned(watermark.n_passed), watermark.n_passed)

    def open_watermark(self, replies: ReplyStore) -> Watermark:
        """Take up how far the plan is settled."""
        watermark = Watermark(replies, self.folder.watermark, self._plan_digest())
        if self.dataset is None:  # the records of a dataset need no planning
            watermark.load(self.planned_at)
        return watermark

    def is_answered(self, replies: ReplyStore) -> bool:
        """Whether every request has a reply, whatever it says."""
        left = self.unsettled(self.open_watermark(replies))
        return all(item.request is None or item.request.digest in replies for _, item in left)

    def _plan_digest(self) -> str:
        """Digest of what decides the requests, pictures aside."""
        teacher, recipes = self.settings.teacher.name, [(recipe.name, recipe.digest) for recipe in self.recipes]
        rng_seed = self.settings.rng_seed if teacher == "template" else None
        return digest_of([version("datagen"), teacher, rng_seed, self.settings.context, recipes, self._corpus_told()])

    def _corpus_told(self) -> list[Any]:
        """The corpus, told by its files' sizes and times, and by the first and the last of the images."""
        files = [(name, Path(name).stat()) for name in _sources(dump_settings(self.settings)["corpus"])]
        ends = [self.images[n].image_id for n in (0, -1) if self.images]
        return [[(name, found.st_size, found.st_mtime_ns) for name, found in files], len(self.images), ends]

    def usable_images(self) -> Iterator[AnnotatedImage]:
        """Images whose pictures open."""
        return (image for image in self.images if self.pictures.check(image) is None)

    def candidates(self, replies: ReplyStore) -> Iterator[Sample]:
        """Every sample as it stands before it is compared with all others, in corpus order."""
        return derive_before_dedup(self.planned(), replies.get, self.settings)

    def check_pictures(self) -> None:
        """Look at every picture once."""
        if self.settings.corpus.images is not None:
            path, corpus = self.folder.pictures, digest_of(self._corpus_told())
            check_pictures(self.images, self.pictures, path, corpus, self.progress)

    def write_manifest(self) -> None:
        """Write ``run.yaml``: resolved settings, versions, digests; it holds no secrets.

        When it changes, the old summary goes first: a run is finished only if its summary is of
        these settings.
        """
        manifest = msgspec.yaml.encode(
            {
                "datagen": version("datagen"),
                "python": platform.python_version(),
                "settings": dump_settings(self.settings),
                "recipes": {recipe.name: recipe.digest for recipe in self.recipes},
                "images": len(self.corpus.images),
                "samples": self.n_samples,
                **({} if self.shard is None else {"shard": str(self.shard)}),
            }
        )
        if self.folder.settings.is_file() and self.folder.settings.read_bytes() == manifest:
            return
        self._refuse_another_corpus()
        folder = self.folder
        for outdated in (folder.summary, folder.report, folder.calibration, folder.shard):
            outdated.unlink(missing_ok=True)
        with write_whole(self.folder.settings) as file:
            file.write(manifest)

    @property
    def digest(self) -> str:
        """Of all that decides samples, wherever the files lie: the same in all shards of a run."""
        corpus = dump_settings(self.settings)["corpus"]
        names = [Path(name).name for name in _sources(corpus)]
        told = [self.settings.teacher.name, self.settings.context, names, corpus["limit"], len(self.corpus.images)]
        return digest_of([[recipe.digest for recipe in self.recipes], late_settings_digest(self.settings), *told])

    def _refuse_another_corpus(self) -> None:
        """Keep one folder for one corpus: its files may move, but not give way to others."""
        if not self.folder.settings.is_file():
            return
        try:
            corpus = msgspec.yaml.decode(self.folder.settings.read_bytes())["settings"]["corpus"]
            before = {Path(name).name for name in _sources(corpus)}
        except (msgspec.MsgspecError, KeyError, TypeError):
            return  # damaged; it is written anew
        now = {Path(name).name for name in _sources(dump_settings(self.settings)["corpus"])}
        if before and now.isdisjoint(before):
            raise RunError(
                f"{self.folder.path}: holds a run on {', '.join(sorted(before))}, not on {', '.join(sorted(now))}; "
                "choose another --out."
            )


def _sources(corpus: dict[str, Any]) -> tuple[str, ...]:
    """The files that a run is about: a dataset made elsewhere, or else its annotations."""
    dataset = corpus.get("dataset")
    return (dataset,) if dataset else (*corpus["captions"], *corpus["instances"])
