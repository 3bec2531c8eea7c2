"""What a run, or a shard of one, works on: settings, recipes, corpus, pictures, each read once, when needed.

The run folder keeps which pictures were found sound, so that a second start need not open each of them again.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from datagen.checks import validate_check_names
from datagen.companions import NO_COMPANIONS, Companions, count_companions
from datagen.config import Settings, digest_of, dump_settings
from datagen.corpus import (
    PLACES,
    Corpus,
    PictureChecker,
    Source,
    load_corpus,
    load_dataset,
    named_places,
    open_source,
    why_stop,
)
from datagen.corpus.images import ids_of
from datagen.corpus.llava_dataset import Dataset
from datagen.engines.cost_ledger import Ledger
from datagen.engines.extra_samples import HOW_MANY, count_extras, read_extras
from datagen.engines.plugs import NO_PLUGS, Plugs, Raised
from datagen.engines.progress import Progress, ended
from datagen.engines.resume_mark import Watermark, is_for_good
from datagen.errors import CorpusError, SettingsError
from datagen.masking import without_path_keys
from datagen.pipeline import Planned, derive, plan_imported, plan_samples, require_distinct_ids
from datagen.recipes import Recipe, asked_about, embedded_teacher, imported_as, load_recipes, needs_absent, shares_of
from datagen.records import AnnotatedImage, Repair, Sample
from datagen.repair import FindReply
from datagen.store import ReplyStore, RunFolder, load_cache, save_cache, write_whole
from datagen.store.shards import Shard

KEPT_EVERY = 16_384
"""Pictures opened between two savings: half a minute's work."""
MIN_KEPT = 64
"""Pictures that are not worth a file: opening them takes a tenth of a second."""


class _PicturesHead(Struct):
    """What the file is about.

    Attributes:
        place: Digest of the image folder's path and the limit of size.
        corpus: Digest of the corpus of which every picture was looked at; None until it was.
    """

    place: str
    corpus: str | None


def check_pictures(
    images: Sequence[AnnotatedImage], pictures: PictureChecker, path: Path, corpus: str, progress: Progress
) -> None:
    """Open every picture that no earlier start has opened; on a large corpus this takes minutes, so it has a bar.

    A picture that was found sound or faulty is opened again when its file has another size or time; where all were
    looked at before, that is found out when each is needed.

    Args:
        images: The corpus's.
        pictures: What checks them.
        path: Where it is kept.
        corpus: Digest of the corpus.
        progress: Hears of every picture.
    """
    place = digest_of([str(pictures.folder), pictures.max_pixels])
    found = load_cache(path, _PicturesHead)
    if found is not None and found[0].place == place and len(found[1]) == 2:
        pictures.remember(*found[1])
        if found[0].corpus == corpus:
            return
    n_kept = 0
    progress.begin("checking the pictures", len(images))
    with ended(progress):
        for image in pictures.fetching_ahead(images):
            pictures.check(image)
            progress.step()
            if pictures.n_opened - n_kept >= KEPT_EVERY:
                save_cache(path, _PicturesHead(place, None), pictures.remembered())
                n_kept = pictures.n_opened
    if len(images) >= MIN_KEPT:
        save_cache(path, _PicturesHead(place, corpus), pictures.remembered())


class SamplePlaces:
    """Where the samples of each image stand in the plan: samples are numbered in corpus order.

    Args:
        starts: Number of each image's first sample, and one more: of all samples.
    """

    def __init__(self, starts: NDArray[np.int64]) -> None:
        self._starts = starts

    @property
    def n_samples(self) -> int:
        """Of all images."""
        return int(self._starts[-1])

    def first_of(self, image: int) -> int:
        """Number of an image's first sample, by the image's place in the corpus."""
        return int(self._starts[image])

    def count_of(self, image: int) -> int:
        """How many samples an image has."""
        return int(self._starts[image + 1] - self._starts[image])

    def locate(self, number: int) -> tuple[int, int]:
        """Place of a sample's image in the corpus, and of the sample among those of that image."""
        image = int(np.searchsorted(self._starts, number, side="right")) - 1
        return image, number - self.first_of(image)


class Inputs:
    """One run's inputs, read once, and the passes over them.

    Args:
        settings: Resolved settings.
        folder: The run's, or the shard's.
        progress: Hears how far it is.
        shard: Which share of the corpus to work on; None takes all.
        is_merge: The shards of the folder are put together, so that no picture is needed.
        plugs: Python objects that take the place of what settings name.

    Attributes:
        ledger: What it costs.
        raised: Hears what functions of the user's raise.
        n_more: Samples that this start is to add; 0 takes back those that are not answered. No part of the settings.
        extras: Samples beside those of the types, as they were chosen to fill what the set lacked.
        retry: Reasons for which stored replies are asked again by this start; no part of the run's settings.
        answered_now: Digests of requests whose answer this start heard already, though a later one may ask again.
        orders: What goes back to the teacher, by sample id, as far as it is known; see ``repair_rounds``.
        has_open_repairs: Whether another start would ask for some of it.

    Raises:
        DatagenError: The settings or recipes cannot be used, as one sentence.
    """

    def __init__(
        self,
        settings: Settings,
        folder: RunFolder,
        progress: Progress,
        shard: Shard | None = None,
        *,
        is_merge: bool = False,
        plugs: Plugs = NO_PLUGS,
    ) -> None:
        self.source = open_source(settings.corpus) if plugs.source is None else _alone(plugs.source, settings)
        self.retry = frozenset(settings.retry)
        self.n_more = settings.more
        self.settings = settings = usable(replace(settings, retry=(), more=None), self.source)
        self.plugs = plugs
        self.folder = folder
        self.progress = progress
        self.ledger = Ledger(settings, folder)
        self.shard = shard
        self.is_merge = is_merge
        if shard is not None and settings.corpus.dataset:
            raise SettingsError("--shard: a dataset made elsewhere is taken in as a whole; leave it out.")
        if shard is not None and self.n_more is not None:
            raise SettingsError("--more: what a set lacks is known once its shards are merged; leave --shard out.")
        self.recipes: tuple[Recipe, ...] = load_recipes(settings)
        self.extras = read_extras(folder, self.recipes)
        self.pictures = PictureChecker(settings.corpus)
        self.raised = Raised(settings.max_unreadable)
        self.answered_now: set[str] = set()
        self.orders: dict[str, tuple[Repair, ...]] = {}
        self.has_open_repairs = False

    @cached_property
    def dataset(self) -> Dataset | None:
        """The dataset made elsewhere, where one takes the place of a teacher."""
        return load_dataset(self.settings.corpus) if self.settings.corpus.dataset else None

    @property
    def recipes_in_plan(self) -> tuple[Recipe, ...]:
        """Those of the samples: the records of a dataset made elsewhere say of which types they are."""
        return self.recipes if self.dataset is None else tuple(map(imported_as, self.dataset.types))

    @cached_property
    def corpus(self) -> Corpus:
        """The whole of it, whatever the shard; read when it is first asked for, after all that is cheap to check.

        Raises:
            CorpusError: Annotations cannot be used, most of a file is faulty, or the image folder holds no picture.
        """
        corpus = self.dataset.corpus if self.dataset else load_corpus(self.settings.corpus, self.source)
        require_distinct_ids(corpus.by_id, [recipe.name for recipe in self.recipes_in_plan])
        hint = None if self.is_merge else why_stop(corpus, self.pictures)
        if hint:
            raise CorpusError(hint)
        return corpus

    @cached_property
    def images(self) -> Sequence[AnnotatedImage]:
        """Those to work on, in corpus order."""
        whole: Sequence[AnnotatedImage] = self.corpus.images
        return whole if self.shard is None else whole[self.shard.cut(len(whole))]

    @cached_property
    def companions(self) -> Companions:
        """What goes with what in the whole source, whatever the limit and the shard, where a teacher is told of it."""
        return count_companions(self.corpus.whole) if needs_absent(self.recipes, self.settings) else NO_COMPANIONS

    @property
    def n_samples(self) -> int:
        """Images times response types, or what a mix draws of these, or the records of a dataset made elsewhere."""
        return len(self.dataset.records) if self.dataset is not None else self.places.n_samples

    def plan_extras(self) -> None:
        """Plan the samples beside the others anew: some were chosen, or taken back."""
        self.extras = read_extras(self.folder, self.recipes)
        self.__dict__.pop("places", None)

    @cached_property
    def places(self) -> SamplePlaces:
        """Where the samples of each image stand in the plan."""
        n_images = len(self.images)
        if not self.settings.mix and not self.extras:
            return SamplePlaces(np.arange(n_images + 1) * len(self.recipes))
        counts = (
            len(asked_about(self.recipes, image_id, self.settings, self.extras.get(image_id, ())))
            for image_id in ids_of(self.images)
        )
        return SamplePlaces(np.concatenate(([0], np.cumsum(np.fromiter(counts, np.int64, n_images)))))

    def planned(self, first: int = 0) -> Iterator[Planned]:
        """Every sample of the run, in corpus order, from one of them on."""
        if self.dataset is not None:
            return islice(plan_imported(self.dataset, self.pictures.check), first, None)
        image, n_before = self.places.locate(first)
        return islice(self._plan(self.images[image:]), n_before, None)

    def _plan(self, images: Sequence[AnnotatedImage], only: slice = slice(None)) -> Iterator[Planned]:
        categories, companions = self.corpus.categories, self.companions
        check = self.pictures.check
        return plan_samples(images, self.recipes, self.settings, check, categories, companions, self.extras, only)

    def planned_at(self, number: int) -> Planned:
        """One sample, by its place in the plan; raises IndexError where there is none."""
        image, n_before = self.places.locate(number)
        return next(self._plan((self.images[image],), slice(n_before, n_before + 1)))

    def planned_again(self, image_id: str, sample_id: str) -> Planned:
        """The plan of one sample, whose picture was looked at before."""
        of_image = self._plan((self.corpus.by_id[image_id],))
        return next(one for one in of_image if one.sample_id == sample_id)

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

    def is_settled(self, replies: ReplyStore) -> bool:
        """Whether another start would ask nothing and look at no picture again: every request has its final reply."""
        left = self.unsettled(self.open_watermark(replies))
        return all(
            is_for_good(item) and (item.request is None or replies.is_settled(item.request.digest)) for _, item in left
        )

    def _plan_digest(self) -> str:
        """Digest of what decides the requests, pictures aside."""
        teacher, recipes = self.settings.teacher.name, [(recipe.name, recipe.digest) for recipe in self.recipes]
        embedded = embedded_teacher(self.settings)
        mix = [shares_of(self.settings.mix), self.settings.rng_seed] if self.settings.mix else None
        context, corpus = self.settings.context, self._corpus_told()
        return digest_of([version("datagen"), teacher, embedded, context, recipes, mix, corpus, self.extras])

    def _corpus_told(self) -> list[Any]:
        """The corpus, told without reading it again, and by the first and the last of the images."""
        ends = [self.images[n].image_id for n in (0, -1) if self.images]
        return [self.source.stamp(), len(self.images), ends]

    def described(self) -> Sequence[tuple[str, str]]:
        """What the images come from, for people."""
        return self.source.describe() or [("images", self.source.name)]

    def usable_images(self) -> Iterator[AnnotatedImage]:
        """Images of the whole corpus, whatever the shard, whose pictures open."""
        return (image for image in self.corpus.images if self.pictures.check(image) is None)

    def candidates(self, find_reply: FindReply) -> Iterator[Sample]:
        """Every sample as it stands before it is compared with all others, in corpus order."""
        return derive(self.planned(), find_reply, self.settings, self.plugs.checks, self.orders)

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
                "settings": _without_keys(dump_settings(self.settings)),
                "recipes": {recipe.name: recipe.digest for recipe in self.recipes},
                "source": list(self.source.identity()),
                "images": len(self.corpus.images),
                "samples": self.n_samples,
                **({HOW_MANY: n_chosen} if (n_chosen := count_extras(self.folder)) else {}),
                **({} if self.shard is None else {"shard": str(self.shard)}),
            }
        )
        if self.folder.settings.is_file() and self.folder.settings.read_bytes() == manifest:
            return
        folder = self.folder
        for outdated in (folder.summary, folder.report, folder.calibration, folder.shard):
            outdated.unlink(missing_ok=True)
        with write_whole(self.folder.settings) as file:
            file.write(manifest)

    def common(self) -> dict[str, Any]:
        """List all that the shards of one run must agree in, wherever their files lie."""
        told: dict[str, Any] = {"datagen": version("datagen"), **common_settings(self.settings)}
        told |= {f"recipe {recipe.name}": recipe.digest for recipe in self.recipes}
        told |= self.source.digest()
        told["images"] = len(self.corpus.images)
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))  # as it is read back
        return plain


def common_settings(settings: Settings) -> dict[str, Any]:
    """Settings by dotted names that all shards of one run must agree in, as JSON reads them back."""
    told: dict[str, Any] = {}
    for name, value in _without_keys(dump_settings(settings)).items():
        if name in MAY_DIFFER:
            continue
        if isinstance(value, dict):
            told |= {key: one for part, one in value.items() if (key := f"{name}.{part}") not in MAY_DIFFER}
        else:
            told[name] = value
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return plain


def _without_keys(plain: dict[str, Any]) -> dict[str, Any]:
    """Settings fit for a file: an address may hold a key in its path."""
    for group, name in ADDRESSES:
        node: Any = plain
        for part in group.split("."):
            node = node[part] or {}
        if isinstance(node.get(name), str):
            node[name] = without_path_keys(node[name])
    return plain


ADDRESSES = (
    ("teacher", "base_url"),
    ("checks.judge", "base_url"),
    ("dedup.embeddings", "base_url"),
    ("validator", "name"),
)
"""Settings that hold addresses, by group and name."""
WHERE_AND_HOW = frozenset(
    "recipes_dir workers engine ray.address ray.workers ray.cpus_per_worker ray.validators ray.cpus_per_validator "
    "results retry more max_failed max_unreadable teacher.base_url teacher.batch teacher.budget_usd teacher.max_wait_s "
    "teacher.prices teacher.price_cached_usd_per_mtok teacher.price_out_usd_per_mtok validator.device "
    "validator.overlap validator.batch_tokens validator.trust_remote_code validator.price_out_usd_per_mtok "
    "dedup.embeddings.base_url dedup.embeddings.batch_size checks.judge.base_url checks.judge.max_tokens "
    "checks.judge.price_out_usd_per_mtok".split()
) | {
    f"{group}.{name}"
    for group in ("teacher", "validator", "dedup.embeddings", "checks.judge")
    for name in "api_key_env concurrency max_attempts price_in_usd_per_mtok rpm timeout_s tpm".split()
}
"""Settings that decide no sample: they say where things are, or how hard to ask. Recipes are compared by digests."""
MAY_DIFFER = {f"corpus.{name}" for name in PLACES} | WHERE_AND_HOW
"""Settings that may be others on another machine; what the source and the recipes hold is compared by digests."""


def _alone(source: Source, settings: Settings) -> Source:
    """Refuse files that the settings name beside a program's source."""
    named = named_places(settings.corpus)
    if named:
        raise SettingsError(f"{', '.join(named)}: a program gives the images of this run; leave the files out.")
    return source


_DEVICE = re.compile(r"\s*(?:auto|cpu|mps|cuda(?::\d+)?)\s*")


def usable(settings: Settings, source: Source) -> Settings:
    """Let the source say what the settings leave open, so that ``run.yaml`` holds it for those who lack the source.

    Raises:
        SettingsError: A check or device is none, or a validator, or a teacher that is shown them, has no pictures to
            look at.
    """
    validate_check_names(settings.checks)
    if not all(map(_DEVICE.fullmatch, re.split(r"[,+]", settings.validator.device))):
        raise SettingsError(
            f"--device {settings.validator.device}: a device is auto, cpu, cuda, cuda:N or mps; several are "
            "cuda:0,cuda:1 for a copy on each, or cuda:0+cuda:1 for one model over both."
        )
    corpus, checks = settings.corpus, settings.checks
    if corpus.images is None and source.pictures is not None:
        corpus = replace(corpus, images=source.pictures)
    if checks.exhaustive == "auto" and source.is_exhaustive is not None:
        checks = replace(checks, exhaustive="yes" if source.is_exhaustive else "no")
    if settings.validator.name != "none" and corpus.images is None:
        raise SettingsError("A validator needs the pictures: give their folder (--images), or leave the validator out.")
    if settings.teacher.show_images and corpus.images is None:
        raise SettingsError("--show-images needs the pictures: give their folder with --images.")
    return replace(settings, corpus=corpus, checks=checks)
