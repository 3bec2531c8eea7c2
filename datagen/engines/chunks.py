"""The pure stages over a chunk of images at a time, as bytes, so that a process pool or Ray tasks can do them.

Three pieces of work can be handed out, and are the same functions everywhere: ``write`` (context, request and reply of
the embedded teacher, 11 % of the CPU of a run without a validator), ``plan`` (context and request, whose digest names
the stored reply, 4 %) and ``derive`` (parse, checks and claims of that reply, 70 %). What follows sees the whole set,
in corpus order, and stays in the driver.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from datagen.checks import Check
from datagen.companions import NO_COMPANIONS, Companions
from datagen.config import Settings
from datagen.engines.ordered_threads import map_in_order
from datagen.engines.resume_mark import is_for_good
from datagen.errors import RunError
from datagen.pipeline import Planned, derive, plan_samples, sample_id_of
from datagen.recipes import Recipe
from datagen.records import AnnotatedImage, Drop, ExtraSample, Repair, Reply, Request, Sample
from datagen.repair import FindReply, Laid, Orders
from datagen.version import __version__

if TYPE_CHECKING:
    from datagen.engines.inputs import Inputs

SAMPLES_PER_CHUNK = 48
"""About 0.1 s of work: handing a chunk over and back costs some 2 ms, and an interrupt waits for one."""

Task = Literal["write", "plan", "derive"]
Part = TypeVar("Part")


class Job(Struct, frozen=True):
    """What every chunk of a run needs; a worker gets it once."""

    settings: Settings
    recipes: tuple[Recipe, ...]
    categories: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    companions: Companions = NO_COMPANIONS
    extras: dict[str, tuple[ExtraSample, ...]] = {}
    version: str = __version__


def job_of(inputs: Inputs) -> Job:
    """What the chunks of a run need."""
    settings, recipes, checks = inputs.settings, inputs.recipes_in_plan, inputs.plugs.checks
    return Job(settings, recipes, inputs.corpus.categories, checks, inputs.companions, inputs.extras)


class Pool(Protocol):
    """Workers that take chunks, several at once; ``work`` is called from threads.

    Attributes:
        n_at_once: Chunks that keep all of them busy.
    """

    n_at_once: int

    def work(self, task: Task, chunk: bytes) -> bytes:
        """Have a chunk worked on, wherever there is room; see ``work_on``.

        Raises:
            RunError: The worker was lost.
            DatagenError: What the work itself raised.
        """
        ...


class _Item(Struct, frozen=True, array_like=True):
    """A planned sample without its image, its recipe by its place in the job, and the stored reply once it is found."""

    recipe: int
    request_digest: str | None
    drop: Drop | None
    number: int
    reply: Reply | None = None
    repairs: tuple[Laid, ...] = ()


class _Asked(Struct, frozen=True, array_like=True):
    """All samples about one image."""

    image: AnnotatedImage
    items: tuple[_Item, ...]


class _Shown(Struct, frozen=True, array_like=True):
    """An image to plan for, what is wrong with its picture, and how many samples it has."""

    image: AnnotatedImage
    fault: tuple[str, str] | None
    n_samples: int


class Written(Struct, frozen=True, array_like=True):
    """What the embedded teacher made of a planned sample.

    Attributes:
        reply: None where there is nothing to ask.
        is_left: The next start is to look at it again.
    """

    reply: Reply | None
    is_left: bool


def work_on(job: Job, task: Task, chunk: bytes) -> bytes:
    """Do one task on one chunk, in whatever process this is.

    Raises:
        RunError: The driver has another version of datagen.
        DatagenError: Any failure that is not one record's.
    """
    if job.version != __version__:
        raise RunError(
            f"{platform.node()} has datagen {__version__}, the run was started with {job.version}; "
            "install the same everywhere."
        )
    return _TASKS[task](job, chunk)


def _derive(job: Job, chunk: bytes) -> bytes:
    asked = _asked_decoder.decode(chunk)
    replies = {item.reply.request_digest: item.reply for one in asked for item in one.items if item.reply is not None}
    planned = (_planned(job, one.image, item) for one in asked for item in one.items)
    orders: Orders = {
        sample_id_of(one.image, job.recipes[item.recipe], item.number): tuple(order for order, _ in item.repairs)
        for one in asked
        for item in one.items
        if item.repairs
    }
    replies |= {reply.request_digest: reply for one in asked for item in one.items for _, reply in item.repairs}
    return _encoder.encode(list(derive(planned, replies.get, job.settings, job.checks, orders)))


def _planned(job: Job, image: AnnotatedImage, item: _Item) -> Planned:
    """The plan of a sample as far as the stages after the teacher look at it: its messages stay with the driver."""
    recipe, request = job.recipes[item.recipe], None
    if item.request_digest is not None:
        reply_format = recipe.settings.reply_format
        request = Request(item.request_digest, image, recipe.name, recipe.digest, (), 0.0, 0, reply_format)
    return Planned(image, recipe, request, item.drop, job.categories, item.number)


def _plan(job: Job, chunk: bytes) -> bytes:
    return _encoder.encode(_items_of(_planned_for(job, _shown_decoder.decode(chunk)), job.recipes))


def _write(job: Job, chunk: bytes) -> bytes:
    from datagen.engines.planted_errors import with_error
    from datagen.teacher.template import write_reply

    made: list[Written] = []
    for item in _planned_for(job, _shown_decoder.decode(chunk)):
        reply = None if item.request is None else write_reply(item.request, job.settings.rng_seed)
        if reply is not None and item.request is not None and job.settings.teacher.planted_errors:
            reply = with_error(reply, item.request, job.settings, job.categories)
        is_left = not (is_for_good(item) if reply is None else reply.is_final)
        made.append(Written(reply, is_left))
    return _encoder.encode(made)


def _planned_for(job: Job, shown: list[_Shown]) -> Iterator[Planned]:
    faults = {one.image.image_id: one.fault for one in shown}
    images = (one.image for one in shown)
    categories, companions = job.categories, job.companions
    return plan_samples(
        images, job.recipes, job.settings, lambda image: faults[image.image_id], categories, companions, job.extras
    )


def _items_of(planned: Iterable[Planned], recipes: tuple[Recipe, ...]) -> list[_Item]:
    places = {recipe.name: place for place, recipe in enumerate(recipes)}
    return [
        _Item(places[one.recipe.name], one.request.digest if one.request else None, one.drop, one.number)
        for one in planned
    ]


_TASKS: dict[Task, Callable[[Job, bytes], bytes]] = {"write": _write, "plan": _plan, "derive": _derive}
_encoder = msgspec.msgpack.Encoder()
_asked_decoder = msgspec.msgpack.Decoder(list[_Asked])
_shown_decoder = msgspec.msgpack.Decoder(list[_Shown])
_items_decoder = msgspec.msgpack.Decoder(list[_Item])
_samples_decoder = msgspec.msgpack.Decoder(list[Sample])
_written_decoder = msgspec.msgpack.Decoder(list[Written])


def derive_all(inputs: Inputs, find_reply: FindReply, pool: Pool | None) -> Iterator[Sample]:
    """Every sample as it stands before it is compared with all others, in corpus order.

    Args:
        inputs: Of the run.
        find_reply: By the digest of its request.
        pool: Works on chunks; None does all here. The samples are the same.

    Raises:
        RunError: A check in Python does nothing but raise.
    """
    samples = inputs.candidates(find_reply) if pool is None else _derived_in(pool, inputs, find_reply)
    return inputs.raised.watch(samples) if inputs.plugs.checks else samples


def _derived_in(pool: Pool, inputs: Inputs, find_reply: FindReply) -> Iterator[Sample]:
    if inputs.dataset is None:
        planned = _planned_in(pool, inputs)
    else:
        of_images = groupby(inputs.planned(), key=lambda item: item.image.image_id)
        recipes = inputs.recipes_in_plan
        planned = (_planned_here(list(of_image), recipes) for _, of_image in of_images)
    asked = (_with_replies(image, items, find_reply, inputs) for image, items in planned)
    found = _handed_out(pool, "derive", _chunked(asked, lambda one: len(one.items)))
    return (sample for _, answer in found for sample in _samples_decoder.decode(answer))


def _planned_here(of_image: list[Planned], recipes: tuple[Recipe, ...]) -> tuple[AnnotatedImage, list[_Item]]:
    return of_image[0].image, _items_of(of_image, recipes)


def _planned_in(pool: Pool, inputs: Inputs) -> Iterator[tuple[AnnotatedImage, list[_Item]]]:
    shown = _shown(inputs, enumerate(inputs.images))
    for chunk, answer in _handed_out(pool, "plan", _chunked(shown, lambda one: one.n_samples)):
        items = iter(_items_decoder.decode(answer))
        for one in chunk:
            yield one.image, list(islice(items, one.n_samples))


def _with_replies(image: AnnotatedImage, items: Iterable[_Item], find_reply: FindReply, inputs: Inputs) -> _Asked:
    found = []
    for one in items:
        reply = None if one.request_digest is None else find_reply(one.request_digest)
        orders: tuple[Repair, ...] = ()
        if inputs.orders:
            orders = inputs.orders.get(sample_id_of(image, inputs.recipes_in_plan[one.recipe], one.number), ())
        laid = ((order, find_reply(order.request_digest)) for order in orders)
        repairs = tuple((order, said) for order, said in laid if said is not None)
        found.append(_Item(one.recipe, one.request_digest, one.drop, one.number, reply, repairs))
    return _Asked(image, tuple(found))


def written(inputs: Inputs, first: int, left: Iterable[int], pool: Pool) -> Iterator[tuple[int, Written]]:
    """Have the embedded teacher write about images.

    Args:
        inputs: Of the run.
        first: Place in the corpus of the first image of those to its end.
        left: Places of images before it.
        pool: Works on chunks.

    Yields:
        Each sample's place in the plan, and what was made of it.
    """
    left, places = list(left), inputs.places
    images = chain(((place, inputs.images[place]) for place in left), enumerate(inputs.images[first:], first))
    numbers = (
        places.first_of(place) + n
        for place in chain(left, range(first, len(inputs.images)))
        for n in range(places.count_of(place))
    )
    for _, answer in _handed_out(pool, "write", _chunked(_shown(inputs, images), lambda one: one.n_samples)):
        for one in _written_decoder.decode(answer):
            yield next(numbers), one


def _shown(inputs: Inputs, images: Iterable[tuple[int, AnnotatedImage]]) -> Iterator[_Shown]:
    """Images, given with their places in the corpus, that have samples."""
    for place, image in images:
        n_samples = inputs.places.count_of(place)
        if n_samples:
            yield _Shown(image, inputs.pictures.check(image), n_samples)


def _chunked(items: Iterable[Part], n_samples_of: Callable[[Part], int]) -> Iterator[list[Part]]:
    """Cut between images, so that the samples of one image can be held against each other."""
    chunk: list[Part] = []
    n_samples = 0
    for item in items:
        chunk.append(item)
        n_samples += n_samples_of(item)
        if n_samples >= SAMPLES_PER_CHUNK:
            yield chunk
            chunk, n_samples = [], 0
    if chunk:
        yield chunk


def _handed_out(pool: Pool, task: Task, chunks: Iterable[list[Part]]) -> Iterator[tuple[list[Part], bytes]]:
    """Have chunks worked on, a few ahead of what is taken, and give them with their answers in their order."""

    def work(chunk: list[Part]) -> tuple[bytes]:
        return (pool.work(task, _encoder.encode(chunk)),)

    for chunk, answers in map_in_order(work, chunks, pool.n_at_once):
        yield from ((chunk, answer) for answer in answers)
