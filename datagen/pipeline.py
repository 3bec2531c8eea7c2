"""The way of one image: a planned request becomes a reply, the reply becomes a sample with a fate.

The table ``STAGES`` and the two stages named under it are the whole flow. Every stage is a function over
frozen records; files, network and GPU are the engine's business. Nothing disappears: each planned sample ends accepted,
or rejected with stage, reason and detail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby, permutations

from msgspec import Struct
from msgspec.structs import replace

from datagen import claims
from datagen.checks import check_turns
from datagen.config import Settings, digest_of
from datagen.corpus.dataset import Dataset
from datagen.dedup import Deduplicator, FindVector
from datagen.diversity import Census, Plan, plan
from datagen.errors import SettingsError
from datagen.fate import cut_or_reject, reject
from datagen.parsing import parse_reply
from datagen.recipes import IMPORTED, Recipe, build_request, draw_question
from datagen.records import AnnotatedImage, Drop, Provenance, Reply, Request, Sample, Stage
from datagen.validator import Fault
from datagen.validator.calibration import Calibrator
from datagen.validator.evidence import Findings, Inquiry
from datagen.validator.judging import judge_turns

PictureCheck = Callable[[AnnotatedImage], tuple[str, str] | None]
"""Gives None for a picture that can be used, or (reason, sentence)."""


class Planned(Struct, frozen=True):
    """One image under one response type, before anything was asked.

    Attributes:
        request: What to ask the teacher; None when there is nothing to ask.
        drop: Why there is nothing to ask; None when there is a request.
        categories: The corpus's category names; without them no claim is found.
        number: Which of several samples of this type about this image it is, from 1.
    """

    image: AnnotatedImage
    recipe: Recipe
    request: Request | None
    drop: Drop | None = None
    categories: tuple[str, ...] = ()
    number: int = 1

    @property
    def sample_id(self) -> str:
        """Unique in the run."""
        first = f"{self.image.image_id}-{self.recipe.name}"
        return first if self.number == 1 else f"{first}-{self.number}"


class Asked(Struct, frozen=True):
    """A planned sample with what the teacher said, if it was asked: all that the first stages need."""

    planned: Planned
    reply: Reply | None


def require_distinct_ids(image_ids: Collection[str], types: Sequence[str]) -> None:
    """Refuse image ids and response types that would give two samples one id.

    Only ids that are texts can do so, and only under types of which one ends as another: images "7" and "7-yes" under
    "no" and "yes-no".

    Args:
        image_ids: Of the corpus; walked only where the types leave a doubt, and then twice.
        types: Names of the response types.

    Raises:
        SettingsError: Two samples would have one id.
    """
    for longer, shorter in permutations(types, 2):
        if not longer.endswith(f"-{shorter}"):
            continue
        between = longer[: -len(shorter) - 1]
        starts = {name.removesuffix(f"-{between}") for name in image_ids if name.endswith(f"-{between}")}
        first = next((name for name in image_ids if name in starts), None) if starts else None
        if first is not None:
            raise SettingsError(
                f"The '{longer}' of image '{first}' and the '{shorter}' of image '{first}-{between}' would both be "
                f"sample '{first}-{longer}'; rename one of the response types."
            )


def plan_samples(
    images: Iterable[AnnotatedImage],
    recipes: tuple[Recipe, ...],
    settings: Settings,
    check_picture: PictureCheck,
    categories: tuple[str, ...] = (),
) -> Iterator[Planned]:
    """List every sample a run will have, in corpus order, recipes in the order of the settings."""
    for image in images:
        fault = check_picture(image)
        for recipe in recipes:
            if fault is not None:
                yield Planned(image, recipe, None, Drop("teacher", *fault), categories)
                continue
            request = build_request(recipe, image, settings)
            drop = None if request else Drop("teacher", "nothing_annotated", _nothing_to_tell(image, recipe))
            yield Planned(image, recipe, request, drop, categories)


def plan_imported(dataset: Dataset, check_picture: PictureCheck) -> Iterator[Planned]:
    """List every sample of a dataset that was made elsewhere, those of one image together."""
    corpus = dataset.corpus
    taken = {image.image_id for image in corpus.images if image.image_id.startswith("record")}
    for record in dataset.records:
        if record.image >= 0:
            image, number = corpus.images[record.image], record.number
            fault = check_picture(image)
        else:
            stand_in = f"record{record.number}"
            while stand_in in taken:  # a picture may have that name
                stand_in += "_"
            image, number, fault = AnnotatedImage(stand_in, "", 0, 0), 1, record.fault
        request = Request(record.digest, image, IMPORTED.name, IMPORTED.digest, (), 0.0, 0, "llava")
        drop = None if fault is None else Drop("teacher", *fault)
        yield Planned(image, IMPORTED, request, drop, corpus.categories, number)


def _nothing_to_tell(image: AnnotatedImage, recipe: Recipe) -> str:
    needs = " or ".join(recipe.settings.context_parts)
    return f"image {image.image_id} has no {needs}, so nothing can be told to the teacher"


def take_reply(sample: Sample, asked: Asked, settings: Settings) -> Sample:
    """Stage teacher: a request without an answer ends here."""
    del settings
    if asked.planned.drop is not None:
        return reject(sample, asked.planned.drop)
    if asked.reply is None:
        return reject(sample, Drop("teacher", "not_asked", "no reply is stored for this request yet"))
    if asked.reply.error is not None:
        return reject(sample, Drop("teacher", asked.reply.error, asked.reply.detail or "no detail given"))
    return sample


def parse_turns(sample: Sample, asked: Asked, settings: Settings) -> Sample:
    """Stage parse: raw text becomes questions and answers."""
    recipe, reply = asked.planned.recipe, asked.reply
    assert reply is not None  # take_reply has rejected the others
    question = None
    if recipe.settings.reply_format == "text":
        question = draw_question(recipe, reply.image_id, settings.rng_seed)
    parsed = parse_reply(reply.text, recipe.settings.reply_format, reply.finish_reason, question)
    return cut_or_reject(sample, parsed.turns, parsed.drop)


def check_wording(sample: Sample, asked: Asked, settings: Settings) -> Sample:
    """Stage checks: refusals, leaks of the context, broken and trainer-breaking text."""
    is_description = asked.planned.recipe.settings.reply_format == "text"
    checked = check_turns(sample.turns, is_description, settings.checks)
    return cut_or_reject(sample, checked.turns, checked.drop)


def check_claims(sample: Sample, asked: Asked, settings: Settings) -> Sample:
    """Stage checks: what the answers say, held against captions and boxes."""
    planned = asked.planned
    judged = claims.judge_turns(sample.turns, planned.image, planned.categories, settings.checks)
    found = claims.first_contradiction(judged) if settings.checks.contradicted == "cut" else None
    sample = replace(sample, turns=judged)
    return sample if found is None else cut_or_reject(sample, judged[: found[0]], found[1])


STAGES: tuple[tuple[Stage, Callable[[Sample, Asked, Settings], Sample]], ...] = (
    ("teacher", take_reply),
    ("parse", parse_turns),
    ("checks", check_wording),
    ("checks", check_claims),
)
"""What each sample passes alone, in order. Two stages follow that see the whole set: ``dedup``
(``Deduplicator.admit``, in corpus order; then, where the settings ask for it, ``plan_balance``) and ``validate``
(``give_verdict``, calibrated on all scores). Last comes ``review``, what people decided (``datagen/review.py``)."""


def make_sample(planned: Planned, reply: Reply | None, settings: Settings, settings_digest: str) -> Sample:
    """Take one planned sample through every stage that needs no other sample."""
    sample = _begin(planned, reply, settings, settings_digest)
    for _, stage in STAGES:
        sample = stage(sample, Asked(planned, reply), settings)
        if sample.status == "rejected":
            break
    return sample


def _begin(planned: Planned, reply: Reply | None, settings: Settings, settings_digest: str) -> Sample:
    image, recipe, request = planned.image, planned.recipe, planned.request
    provenance = Provenance(
        teacher=settings.teacher.name,
        recipe_digest=recipe.digest,
        request_digest=request.digest if request else "",
        settings_digest=settings_digest,
        n_prompt_tokens=reply.usage.n_prompt_tokens if reply else 0,
        n_cached_tokens=reply.usage.n_cached_tokens if reply else 0,
        n_completion_tokens=reply.usage.n_completion_tokens if reply else 0,
        cost_usd=reply.cost_usd if reply else None,
        licence=image.licence,
    )
    return Sample(
        sample_id=planned.sample_id,
        image_id=image.image_id,
        image=image.file_name,
        response_type=recipe.name,
        turns=(),
        status="accepted",
        provenance=provenance,
    )


def give_verdict(
    sample: Sample,
    inquiries: tuple[Inquiry, ...],
    findings: tuple[Findings | None, ...],
    fault: Fault | None,
    calibrator: Calibrator,
) -> Sample:
    """Stage validate: turns get their verdicts, and the conversation is cut before the first doubtful one.

    Args:
        sample: Accepted by every earlier stage.
        inquiries: What was asked about each turn.
        findings: What was found on each; None where nothing was.
        fault: Why the sample could not be scored at all, or None.
        calibrator: Of the run.
    """
    if fault is not None:
        return reject(sample, Drop("validate", fault.reason, fault.detail))
    judged = judge_turns(sample.turns, inquiries, findings, sample.image_id, calibrator)
    return cut_or_reject(replace(sample, turns=judged.seen), judged.turns, judged.drop)


def drop_repeats(
    candidates: Iterable[Sample],
    recipes: tuple[Recipe, ...],
    settings: Settings,
    find_vector: FindVector | None = None,
) -> Iterator[Sample]:
    """Stage dedup: cut and reject what an earlier sample asks or says.

    Args:
        candidates: Every sample up to this stage, in corpus order.
        recipes: The run's; a question drawn from a list says nothing.
        settings: The run's.
        find_vector: Vectors of questions.
    """
    drawn = {recipe.name for recipe in recipes if recipe.settings.reply_format == "text"}
    return Deduplicator(settings.dedup, answer_only=drawn, find_vector=find_vector).admit_all(candidates)


def derive_before_dedup(
    planned: Iterable[Planned], find_reply: Callable[[str], Reply | None], settings: Settings
) -> Iterator[Sample]:
    """Derive every sample up to dedup, in corpus order, from the stored replies."""
    settings_digest = late_settings_digest(settings)
    for _, of_image in groupby(planned, key=lambda item: item.image.image_id):
        samples = [
            make_sample(item, find_reply(item.request.digest) if item.request else None, settings, settings_digest)
            for item in of_image
        ]
        yield from claims.settle_disagreements(samples) if settings.checks.contradicted == "cut" else samples


def plan_balance(samples: Iterable[Sample], settings: Settings) -> Plan | None:
    """Decide what balance lets fall, from every sample up to dedup; None when it is off.

    It stands before ``validate``, so that no GPU time goes into turns that fall, and is filed under ``dedup``: both
    drop sound turns for what the rest of the set holds.
    """
    return plan(Census(settings.rng_seed).count(samples), settings.balance) if is_balanced(settings) else None


def is_balanced(settings: Settings) -> bool:
    """Whether balance is asked for."""
    return settings.balance.yes_share is not None or settings.balance.max_share_per_kind is not None


def late_settings_digest(settings: Settings) -> str:
    """Digest of the settings that act on stored replies: two samples with one digest were judged alike."""
    validator = settings.validator
    judged_by = [validator.name, validator.precision, validator.alpha]
    return digest_of([settings.rng_seed, settings.checks, settings.dedup, settings.balance, *judged_by])
