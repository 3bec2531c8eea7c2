"""Rounds of repair: what fell for what it says goes back to the teacher, and the samples are derived anew.

First what captions and boxes contradict, as this needs no other image; then, where a judge or a validator looks, what
they doubt of the samples that have come so far. A round is one more pass over the same stages. What is asked follows
from the stored facts alone, so a run that was killed finds every repair that is paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from datagen.errors import SettingsError
from datagen.recipes import repair_prompt
from datagen.records import Repair, Reply, Request, Sample, Usage
from datagen.repair import flaws_of, lay_repairs, order_repair, request_repair

if TYPE_CHECKING:
    from datagen.config import Settings
    from datagen.engines.inputs import Inputs
    from datagen.store import ReplyStore

Ask = Callable[[Callable[[], Iterator[Request]]], None]
"""Has requests answered, as far as no answer is stored; given what lists them, anew each time."""


class _Ordered(NamedTuple):
    """The rounds of a sample, the last of which is new, and what plans its request again."""

    image_id: str
    rounds: tuple[Repair, ...]


def send_back(inputs: Inputs, replies: ReplyStore, samples: Iterable[Sample], ask: Ask | None) -> bool:
    """Send back what can be repaired of samples, and have the next pass over them put it in its place.

    Args:
        inputs: Of the run or shard; its ``orders`` grow.
        replies: What is stored.
        samples: As far as they came, with what they lost.
        ask: Has the teacher asked; None takes what is stored.

    Returns:
        Whether anything came back, so that another pass is of use.
    """
    template, n_rounds = repair_prompt(inputs.settings.recipes_dir), inputs.settings.repair
    found: dict[str, _Ordered] = {}
    for sample in samples:
        if sample.status == "accepted" and not sample.cuts:  # as most are
            continue
        flaws = flaws_of(sample, n_rounds)
        base = inputs.planned_again(sample.image_id, sample.sample_id).request if flaws else None
        if base is not None:
            order = order_repair(sample, flaws, base, replies.get, template)
            rounds = (*inputs.orders.get(sample.sample_id, ()), order)
            found[sample.sample_id] = _Ordered(sample.image_id, rounds)

    if ask is not None and inputs.retry:
        _open_again(inputs, replies, found)

    def requests() -> Iterator[Request]:
        for sample_id, one in found.items():
            base = inputs.planned_again(one.image_id, sample_id).request
            if base is not None:
                yield request_repair(one.rounds, base, replies.get, template)

    if ask is not None and found:
        ask(requests)
    answered = {name: one.rounds for name, one in found.items() if one.rounds[-1].request_digest in replies}
    inputs.orders.update(answered)
    inputs.has_open_repairs |= any(not replies.is_settled(one.rounds[-1].request_digest) for one in found.values())
    return bool(answered)


def _open_again(inputs: Inputs, replies: ReplyStore, found: Mapping[str, _Ordered]) -> None:
    """Open again the repairs of which nothing came for a reason that ``--retry`` names."""
    n_opened = 0
    for one in found.values():
        order = one.rounds[-1]
        reply = replies.get(order.request_digest)
        if reply is None or not reply.is_final:
            continue
        image = inputs.corpus.by_id[one.image_id]
        shown = (*image.captions, *(box.category for box in image.boxes))
        _, (laid,) = lay_repairs((), [(order, reply)], shown, inputs.settings.language)
        if laid.error in inputs.retry:
            replies.add(opened_again(reply))
            n_opened += 1
    if n_opened:
        inputs.progress.note(f"--retry {', '.join(sorted(inputs.retry))}: {n_opened} repairs are asked again.")


def opened_again(reply: Reply) -> Reply:
    """The line that opens a settled request: nothing of the reply stays but that it was paid for."""
    return replace(reply, text="", usage=Usage(), cost_usd=None, error="asked_again", is_final=False)


def sees_doubts(settings: Settings) -> bool:
    """Whether somebody may doubt what captions and boxes leave standing: known once the whole set was looked at."""
    return bool(settings.repair) and (settings.validator.name != "none" or settings.checks.judge is not None)


def require_whole(settings: Settings) -> None:
    """Refuse a shard whose repairs would depend on the others.

    Raises:
        SettingsError: As one sentence.
    """
    if sees_doubts(settings):
        raise SettingsError(
            "--shard: with --repair a shard takes no validator and no judge, as what they doubt is known only when all "
            "shards are together; make and merge the shards without, then go on with 'datagen resume RUN --validator "
            "NAME --change'."
        )
