"""The way of one image: a planned request becomes a reply, the reply becomes a sample with a fate.

The table ``STAGES`` is the whole flow. Every stage is a function over frozen records; files,
network and GPU are the engine's business. Nothing disappears: each planned sample ends accepted,
or rejected with stage, reason and detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from datagen.checks import check_turns
from datagen.claims import first_contradiction, judge_turns, settle_disagreements
from datagen.config import Settings, digest_of
from datagen.dedup import Deduplicator
from datagen.parsing import parse_reply
from datagen.recipes import Recipe, build_request, draw_question
from datagen.records import AnnotatedImage, Drop, Provenance, Reply, Request, Sample, Stage, Turn

PictureCheck = Callable[[AnnotatedImage], tuple[str, str] | None]
"""Gives None for a picture that can be used, or (reason, sentence)."""


class Planned(Struct, frozen=True):
    """One image under one response type, before anything was asked.

    Attributes:
        request: What to ask the teacher; None when there is nothing to ask.
        drop: Why there is nothing to ask; None when there is a request.
        categories: The corpus's category names; without them no claim is found.
    """

    image: AnnotatedImage
    recipe: Recipe
    request: Request | None
    drop: Drop | None = None
    categories: tuple[str, ...] = ()


class Draft(Struct, frozen=True):
    """A sample on its way through the stages.

    Attributes:
        drop: Set by the stage that rejects it; later stages leave it alone.
        cuts: Turns cut off while the rest went on.
    """

    planned: Planned
    reply: Reply | None
    turns: tuple[Turn, ...] = ()
    drop: Drop | None = None
    cuts: tuple[Drop, ...] = ()


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


def _nothing_to_tell(image: AnnotatedImage, recipe: Recipe) -> str:
    needs = " or ".join(recipe.settings.context_parts)
    return f"image {image.image_id} has no {needs}, so nothing can be told to the teacher"


def take_reply(draft: Draft, settings: Settings) -> Draft:
    """Stage teacher: a request without an answer ends here."""
    del settings
    if draft.planned.drop is not None:
        return replace(draft, drop=draft.planned.drop)
    if draft.reply is None:
        return replace(draft, drop=Drop("teacher", "not_asked", "no reply is stored for this request yet"))
    if draft.reply.error is not None:
        return replace(draft, drop=Drop("teacher", draft.reply.error, draft.reply.detail or "no detail given"))
    return draft


def parse_turns(draft: Draft, settings: Settings) -> Draft:
    """Stage parse: raw text becomes questions and answers."""
    recipe, reply = draft.planned.recipe, draft.reply
    assert reply is not None
    question = None
    if recipe.settings.reply_format == "text":
        question = draw_question(recipe, reply.image_id, settings.rng_seed)
    parsed = parse_reply(reply.text, recipe.settings.reply_format, reply.finish_reason, question)
    return _keep(draft, parsed.turns, parsed.drop)


def check_wording(draft: Draft, settings: Settings) -> Draft:
    """Stage checks: refusals, leaks of the context, broken and trainer-breaking text."""
    is_description = draft.planned.recipe.settings.reply_format == "text"
    checked = check_turns(draft.turns, is_description, settings.checks)
    return _keep(draft, checked.turns, checked.drop)


def check_claims(draft: Draft, settings: Settings) -> Draft:
    """Stage checks: what the answers say, held against captions and boxes."""
    planned = draft.planned
    judged = replace(draft, turns=judge_turns(draft.turns, planned.image, planned.categories, settings.checks))
    found = first_contradiction(judged.turns) if settings.checks.contradicted == "cut" else None
    return judged if found is None else _keep(judged, judged.turns[: found[0]], found[1])


def _keep(draft: Draft, turns: tuple[Turn, ...], drop: Drop | None) -> Draft:
    """Go on with what a stage kept: a drop cuts the conversation, or ends it when nothing is left.

    A rejected draft keeps the turns it came with, so that a person can see what was wrong.
    """
    if drop is None:
        return replace(draft, turns=turns)
    if turns:
        return replace(draft, turns=turns, cuts=(*draft.cuts, drop))
    return replace(draft, drop=drop)


STAGES: tuple[tuple[Stage, Callable[[Draft, Settings], Draft]], ...] = (
    ("teacher", take_reply),
    ("parse", parse_turns),
    ("checks", check_wording),
    ("checks", check_claims),
)
"""What each sample passes alone, in order. ``dedup`` and ``validate`` follow: they see the whole set."""


def make_sample(planned: Planned, reply: Reply | None, settings: Settings, settings_digest: str) -> Sample:
    """Take one planned sample through every stage that needs no other sample."""
    draft = Draft(planned, reply)
    for _, stage in STAGES:
        draft = stage(draft, settings)
        if draft.drop is not None:
            break
    return _finish(draft, settings, settings_digest)


def _finish(draft: Draft, settings: Settings, settings_digest: str) -> Sample:
    image, recipe, drop = draft.planned.image, draft.planned.recipe, draft.drop
    request, reply = draft.planned.request, draft.reply
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
        sample_id=f"{image.image_id}-{recipe.name}",
        image_id=image.image_id,
        image=image.file_name,
        response_type=recipe.name,
        turns=draft.turns,
        status="rejected" if drop else "accepted",
        provenance=provenance,
        stage=drop.stage if drop else None,
        reason=drop.reason if drop else None,
        detail=drop.detail if drop else None,
        cuts=draft.cuts,
    )


def derive_samples(
    planned: Iterable[Planned],
    recipes: tuple[Recipe, ...],
    find_reply: Callable[[str], Reply | None],
    settings: Settings,
) -> Iterator[Sample]:
    """Derive every sample up to and including dedup, in corpus order, from the stored replies."""
    drawn = {recipe.name for recipe in recipes if recipe.settings.reply_format == "text"}
    deduplicator = Deduplicator(settings.dedup, answer_only=drawn)  # a question drawn from a list says nothing
    settings_digest = late_settings_digest(settings)
    for _, of_image in groupby(planned, key=lambda item: item.image.image_id):
        samples = []
        for item in of_image:
            reply = find_reply(item.request.digest) if item.request else None
            samples.append(make_sample(item, reply, settings, settings_digest))
        for sample in settle_disagreements(samples) if settings.checks.contradicted == "cut" else samples:
            yield deduplicator.admit(sample) if sample.status == "accepted" else sample


def late_settings_digest(settings: Settings) -> str:
    """Digest of the settings that act on stored replies: two samples with one digest were judged alike."""
    validator = settings.validator
    return digest_of(
        [settings.rng_seed, settings.checks, settings.dedup, validator.name, validator.precision, validator.alpha]
    )
