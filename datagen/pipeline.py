"""The table of pipeline stages: a planned request becomes a reply, the reply becomes a sample with a fate.

The table ``STAGES`` is the whole flow. Every stage is a function over frozen records, of one sample, of the samples of
one image, or of the whole set; files, network and GPU are lent to it by the engine. Nothing disappears: each planned
sample ends accepted, or rejected with stage, reason and detail.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, permutations
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Raw, Struct, json
from msgspec.structs import replace

from datagen import claims
from datagen.box_text import with_plain_boxes
from datagen.checks import BY_ANNOTATIONS, Check, check_turns, check_with, first_bad_box
from datagen.companions import NO_COMPANIONS, Companions, plausibly_absent
from datagen.config import Settings, digest_of
from datagen.dedup import Deduplicator, FindVector
from datagen.diversity import Census, plan
from datagen.errors import SettingsError
from datagen.languages import ENGLISH
from datagen.parsing import parse_reply
from datagen.recipes import Recipe, asked_about, build_request, draw_question, imported_as
from datagen.records import (
    AnnotatedImage,
    Drop,
    ExtraSample,
    Provenance,
    Repair,
    Reply,
    Request,
    Sample,
    StageName,
    cut_or_reject,
    reject,
)
from datagen.repair import FindReply, Laid, Orders, lay_repairs

if TYPE_CHECKING:
    from datagen.corpus.llava_dataset import Dataset
    from datagen.review import Reviewer
    from datagen.summary import Calibration, JudgeReport

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
        return sample_id_of(self.image, self.recipe, self.number)


def sample_id_of(image: AnnotatedImage, recipe: Recipe, number: int) -> str:
    """The id of a sample; see ``Planned``."""
    first = f"{image.image_id}-{recipe.name}"
    return first if number == 1 else f"{first}-{number}"


class SampleOrigin(Struct, frozen=True):
    """A planned sample with what the teacher said, if it was asked: all that the stages of one sample need.

    Attributes:
        checks: Of the user's own, in Python.
        repairs: What went back to the teacher and was answered.
    """

    planned: Planned
    reply: Reply | None
    checks: tuple[Check, ...] = ()
    repairs: tuple[Laid, ...] = ()


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


NO_EXTRAS: Mapping[str, tuple[ExtraSample, ...]] = {}


def plan_samples(
    images: Iterable[AnnotatedImage],
    recipes: tuple[Recipe, ...],
    settings: Settings,
    check_picture: PictureCheck,
    categories: tuple[str, ...] = (),
    companions: Companions = NO_COMPANIONS,
    extras: Mapping[str, tuple[ExtraSample, ...]] = NO_EXTRAS,
    only: slice = slice(None),
) -> Iterator[Planned]:
    """List every sample a run will have, in corpus order, recipes in the order of the settings as far as drawn.

    Args:
        images: What to ask about.
        recipes: Of the run.
        settings: Of the run.
        check_picture: Finds pictures that cannot be used.
        categories: The corpus's.
        companions: What goes with what in it.
        extras: What is asked beside, by image.
        only: Which samples of each image; planning one takes 0.1 ms.
    """
    for image in images:
        fault = check_picture(image)
        deniable = claims.deniable(image, categories, settings.checks)
        absent = (
            plausibly_absent(image, deniable, companions, categories, settings.checks) if companions.together else {}
        )
        for recipe, extra in asked_about(recipes, image.image_id, settings, extras.get(image.image_id, ()))[only]:
            number = 1 if extra is None else extra.number
            if fault is not None:
                yield Planned(image, recipe, None, Drop("teacher", *fault), categories, number)
                continue
            request = build_request(recipe, image, settings, deniable, absent, extra)
            drop = None if request else Drop("teacher", "nothing_annotated", _nothing_to_tell(image, recipe))
            yield Planned(image, recipe, request, drop, categories, number)


def plan_imported(dataset: Dataset, check_picture: PictureCheck) -> Iterator[Planned]:
    """List every sample of a dataset that was made elsewhere, those of one image together."""
    corpus = dataset.corpus
    recipes = {name: imported_as(name) for name in dataset.types}
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
        recipe = recipes[record.response_type]
        request = Request(record.digest, image, recipe.name, recipe.digest, (), 0.0, 0, "llava")
        drop = None if fault is None else Drop("teacher", *fault)
        yield Planned(image, recipe, request, drop, corpus.categories, number)


def _nothing_to_tell(image: AnnotatedImage, recipe: Recipe) -> str:
    if recipe.settings.points and image.boxes:
        return f"image {image.image_id} has no box that is large enough to be pointed at, and no group"
    needs = " or ".join(part for part in recipe.settings.context_parts if part != "absent")
    return f"image {image.image_id} has no {needs}, so nothing can be told to the teacher"


def take_reply(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """A request without an answer ends here."""
    del settings
    if asked.planned.drop is not None:
        return reject(sample, asked.planned.drop)
    if asked.reply is None:
        return reject(sample, Drop("teacher", "not_asked", "no reply is stored for this request yet"))
    if asked.reply.error is not None:
        return reject(sample, Drop("teacher", asked.reply.error, asked.reply.detail or "no detail given"))
    return sample


def parse_turns(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """Raw text becomes questions and answers, each with its claims: before anything is cut, so that all have them.

    What the teacher wrote anew stands in its place from the beginning, so that every stage looks at it.
    """
    recipe, reply, laid = asked.planned.recipe, asked.reply, asked.repairs
    assert reply is not None  # take_reply has rejected the others
    if recipe.settings.points:  # before anything compares texts: what was sent back stands there with its boxes so
        reply, laid = _with_plain_boxes(reply), tuple((order, _with_plain_boxes(one)) for order, one in laid)
    question = None
    if recipe.settings.reply_format == "text":
        question = draw_question(recipe, reply.image_id, settings.rng_seed)
    parsed = parse_reply(reply.text, recipe.settings.reply_format, reply.finish_reason, question)
    image = asked.planned.image
    shown = (*image.captions, *(box.category for box in image.boxes))
    turns, repairs = lay_repairs(parsed.turns, laid, shown, settings.language)
    if repairs:
        sample = replace(sample, repairs=repairs, provenance=_paid_for(sample.provenance, repairs))
    told = claims.judge_turns(turns, image, asked.planned.categories, settings.checks, settings.language)
    return cut_or_reject(sample, told, parsed.drop)


def _with_plain_boxes(reply: Reply) -> Reply:
    return replace(reply, text=with_plain_boxes(reply.text))


def _paid_for(before: Provenance, repairs: Sequence[Repair]) -> Provenance:
    """What a sample cost with what went back to the teacher."""
    known = [usd for usd in (before.cost_usd, *(one.cost_usd for one in repairs)) if usd is not None]
    return replace(
        before,
        n_prompt_tokens=before.n_prompt_tokens + sum(one.n_prompt_tokens for one in repairs),
        n_cached_tokens=before.n_cached_tokens + sum(one.n_cached_tokens for one in repairs),
        n_completion_tokens=before.n_completion_tokens + sum(one.n_completion_tokens for one in repairs),
        cost_usd=sum(known) if known else None,
    )


def check_boxes(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """Boxes of turns that point: in the one form, and each of them drawn by people."""
    if not asked.planned.recipe.settings.points:
        return sample
    skip = (*settings.checks.skip, *(BY_ANNOTATIONS if settings.checks.contradicted == "keep" else ()))
    found = first_bad_box(sample.turns, asked.planned.image, skip)
    return sample if found is None else cut_or_reject(sample, sample.turns[: found[0]], found[1])


def check_wording(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """Refusals, leaks of the context, broken and trainer-breaking text."""
    recipe = asked.planned.recipe.settings
    is_description, is_imported = recipe.reply_format == "text", recipe.reply_format == "llava"
    checked = check_turns(
        sample.turns, is_description, settings.checks, settings.language,
        in_any_language=is_imported and settings.language == ENGLISH,
        points=is_imported or bool(recipe.points),
    )  # fmt: skip
    return cut_or_reject(sample, checked.turns, checked.drop)


def check_claims(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """What the answers say, held against captions and boxes: the hallucination check that costs no GPU."""
    del asked
    found = claims.first_contradiction(sample.turns) if settings.checks.contradicted == "cut" else None
    return sample if found is None else cut_or_reject(sample, sample.turns[: found[0]], found[1])


def check_in_python(sample: Sample, asked: SampleOrigin, settings: Settings) -> Sample:
    """Checks of the user's own; they see the claims."""
    del settings
    checked = check_with(asked.checks, sample.turns, asked.planned.image)
    return cut_or_reject(sample, checked.turns, checked.drop)


def settle(samples: Sequence[Sample], settings: Settings) -> Sequence[Sample]:
    """Of two samples of one image that exclude each other, the one with less evidence falls."""
    return claims.settle_disagreements(samples) if settings.checks.contradicted == "cut" else samples


Samples = Callable[[], Iterator[Sample]]
"""Gives every sample as it stands, in corpus order; called once for each pass over the set."""
Report = Callable[[], Any]
"""Gives what a stage measured, for the summary, once its samples have passed."""


class Verdicts(Protocol):
    """Gives verdicts from stored scores, calibrated on them all."""

    def give_verdict(self, sample: Sample) -> Sample:
        """Judge one sample."""
        ...

    def report(self) -> Calibration:
        """What the validator is worth, for the summary."""
        ...


class TextJudge(Protocol):
    """Gives the stored opinions of a judge over text, measured on planted errors."""

    def give_opinion(self, sample: Sample) -> Sample:
        """Lay them on one sample, and cut it where the judge may."""
        ...

    def report(self) -> JudgeReport:
        """What it is worth, for the summary."""
        ...


class Lent(Protocol):
    """What the engine lends to the stages that see the whole set."""

    @property
    def settings(self) -> Settings:
        """The run's."""
        ...

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The run's; a question drawn from a list says nothing."""
        ...

    def text_judge(self, samples: Samples) -> TextJudge | None:
        """Have an LLM read what it has not read yet; None where none is asked for."""
        ...

    @property
    def find_vector(self) -> FindVector | None:
        """Vectors of questions, where the settings ask for them."""
        ...

    def judge(self, samples: Samples) -> Verdicts | None:
        """Score against the pixels what is not scored yet; None where no validator is asked for."""
        ...

    def reviewer(self) -> Reviewer:
        """What people decided by hand."""
        ...


def drop_repeats(samples: Samples, lent: Lent) -> tuple[Samples, Report | None]:
    """Near-duplicates: cut and reject what an earlier sample of the set asks or says."""
    drawn = {recipe.name for recipe in lent.recipes if recipe.settings.reply_format == "text"}

    def admitted() -> Iterator[Sample]:
        dedup = Deduplicator(lent.settings.dedup, answer_only=drawn, find_vector=lent.find_vector)
        return dedup.admit_all(samples())

    return admitted, None


def balance(samples: Samples, lent: Lent) -> tuple[Samples, Report | None]:
    """Keep kinds of question and yes/no in the shares asked for.

    It stands before ``validate``, so that no GPU time goes into turns that fall, and is filed under ``dedup``: both
    drop sound turns for what the rest of the set holds.
    """
    settings = lent.settings
    if not is_balanced(settings):
        return samples, lambda: None
    decided = plan(Census(settings.rng_seed).count(samples()), settings.balance)
    return lambda: map(decided.apply, samples()), lambda: decided.report


def ask_judge(samples: Samples, lent: Lent) -> tuple[Samples, Report | None]:
    """A model of language holds every sentence against captions and boxes, where the claims' grammar cannot.

    It stands behind what drops sound samples, as each costs a request or seconds, and before the pixels.
    """
    judge = lent.text_judge(samples)
    if judge is None:
        return samples, None
    return lambda: map(judge.give_opinion, samples()), judge.report


def validate(samples: Samples, lent: Lent) -> tuple[Samples, Report | None]:
    """The pixels: turns get their verdicts, and a conversation is cut before the first doubtful one."""
    judge = lent.judge(samples)
    if judge is None:
        return samples, lambda: None
    return lambda: map(judge.give_verdict, samples()), judge.report


def review(samples: Samples, lent: Lent) -> tuple[Samples, Report | None]:
    """What people decided by hand has the last word."""
    reviewer = lent.reviewer()
    return lambda: reviewer.watch(samples()), reviewer.report


class Stage(Struct, frozen=True, kw_only=True):
    """A row of the table: one stage, which is one function and what it depends on.

    Attributes:
        name: What samples that fall here carry as ``stage``; rows of one name are one stage to a reader.
        what: What falls here, in a few words.
        of_sample: The function, where it needs one sample alone.
        of_image: The function, where it needs the samples of one image.
        of_set: The function, where it needs the whole set; gives the samples after it and what to report.
        settings: Dotted names of the settings that decide what comes out; ``late_settings_digest`` reads them.
        report: The field of ``Summary`` that takes its report.
    """

    name: StageName
    what: str
    of_sample: Callable[[Sample, SampleOrigin, Settings], Sample] | None = None
    of_image: Callable[[Sequence[Sample], Settings], Sequence[Sample]] | None = None
    of_set: Callable[[Samples, Lent], tuple[Samples, Report | None]] | None = None
    settings: tuple[str, ...] = ()
    report: str | None = None

    @property
    def scope(self) -> Literal["sample", "image", "set"]:
        """What it must see at once."""
        return "sample" if self.of_sample else "image" if self.of_image else "set"

    @property
    def act(self) -> Callable[..., Any]:
        """Its function."""
        act = self.of_sample or self.of_image or self.of_set
        assert act is not None  # a test holds that each row has one
        return act


STAGES = (
    Stage(name="teacher", what="no usable picture, or no answer", of_sample=take_reply),
    Stage(
        name="parse", what="no readable turns in the reply", of_sample=parse_turns,
        settings=("rng_seed", "checks", "repair"),
    ),
    Stage(name="checks", what="boxes of another form, or invented", of_sample=check_boxes, settings=("checks",)),
    Stage(name="checks", what="refused, leaking or broken wording", of_sample=check_wording, settings=("checks",)),
    Stage(name="checks", what="contradicted by captions or boxes", of_sample=check_claims, settings=("checks",)),
    Stage(name="checks", what="a check in Python", of_sample=check_in_python, settings=("python_checks",)),
    Stage(name="checks", what="disagreeing samples of one image", of_image=settle, settings=("checks",)),
    Stage(name="dedup", what="near-duplicates", of_set=drop_repeats, settings=("dedup",)),
    Stage(name="dedup", what="too much of one kind", of_set=balance, settings=("balance",), report="balance"),
    Stage(
        name="checks", what="objected to by a judge over text", of_set=ask_judge, settings=("checks.judge",),
        report="judge",
    ),
    Stage(
        name="validate", what="doubtful before the pixels", of_set=validate, report="calibration",
        settings=("validator.name", "validator.precision", "validator.alpha", "validator.probes"),
    ),
    Stage(name="review", what="rejected by hand", of_set=review, report="review"),
)  # fmt: skip
"""The whole flow, in order. Stages of one sample and of one image run in any process (``derive``), those of the set in
the engine, once all before them have ended (``datagen/engines/finish_run.py`` loops over them)."""

STAGE_NAMES: tuple[StageName, ...] = tuple(dict.fromkeys(stage.name for stage in STAGES))
"""The stages at which a sample can fall, in order, each once."""


def make_sample(
    planned: Planned,
    reply: Reply | None,
    settings: Settings,
    settings_digest: str,
    checks: tuple[Check, ...] = (),
    repairs: tuple[Laid, ...] = (),
) -> Sample:
    """Take one planned sample through every stage that needs no other sample."""
    sample, asked = _begin(planned, reply, settings, settings_digest), SampleOrigin(planned, reply, checks, repairs)
    for stage in STAGES:
        if stage.of_sample is not None:
            sample = stage.of_sample(sample, asked, settings)
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


def derive(
    planned: Iterable[Planned],
    find_reply: FindReply,
    settings: Settings,
    checks: tuple[Check, ...] = (),
    orders: Orders = MappingProxyType({}),
) -> Iterator[Sample]:
    """Take samples through every stage that needs no other image, in corpus order, from the stored replies."""

    def reply_to(item: Planned) -> Reply | None:
        return find_reply(item.request.digest) if item.request else None

    def repairs_of(item: Planned) -> tuple[Laid, ...]:
        found = ((order, find_reply(order.request_digest)) for order in orders.get(item.sample_id, ()))
        return tuple((order, reply) for order, reply in found if reply is not None)

    settings_digest = late_settings_digest(settings)
    for _, of_image in groupby(planned, key=lambda item: item.image.image_id):
        samples: Sequence[Sample] = [
            make_sample(item, reply_to(item), settings, settings_digest, checks, repairs_of(item) if orders else ())
            for item in of_image
        ]
        for stage in STAGES:
            if stage.of_image is not None:
                samples = stage.of_image(samples, settings)
        yield from samples


def is_balanced(settings: Settings) -> bool:
    """Whether balance is asked for."""
    return settings.balance.yes_share is not None or settings.balance.max_share_per_kind is not None


def late_settings_digest(settings: Settings) -> str:
    """Digest of the settings that act on stored replies: two samples with one digest were judged alike."""
    names = dict.fromkeys(name for stage in STAGES for name in stage.settings)
    values: dict[str, Any] = {name: attrgetter(name)(settings) for name in names}
    judge = values.pop("checks.judge")
    # Without the judge, its last field, the checks read as before there was one: samples keep their digest.
    checks = json.encode(replace(settings.checks, judge=None), order="deterministic")
    values["checks"] = Raw(checks.removesuffix(b',"judge":null}') + b"}")
    if judge is not None:
        told = judge.model, judge.min_precision, judge.planted
        values["checks.judge"] = (*told, "bundled") if judge.is_bundled else told
    if settings.language != ENGLISH:
        values["language"] = settings.language
    # Most runs have none of these, and samples of earlier runs keep their digest.
    for name in ("validator.probes", "python_checks", "repair"):
        if not values[name]:
            del values[name]
    return digest_of(list(values.values()))
