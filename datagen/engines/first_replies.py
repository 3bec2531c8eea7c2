"""The first replies of each response type: a run of which none can be read stops before the rest is paid for.

Until one reply of a type can be read, no more requests of that type are under way than may come back unreadable, so
that an endpoint which takes a thousand at once does not cost a thousand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from datagen.checks.wording import refusal
from datagen.config import Settings
from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError, visible
from datagen.parsing import parse_reply
from datagen.pipeline import Planned
from datagen.recipes import Recipe
from datagen.records import Drop, Reply

MAX_SHOWN_CHARS, MAX_SHOWN_LINES, MAX_LINE_CHARS = 1000, 10, 200
LOOKED_AT = 4
"""Of what a resumed run planned first, so many times the bound are looked for among the stored replies."""


class _Unproven(Struct):
    """A response type of which no reply could be read yet.

    Attributes:
        n_asked: Requests under way.
        faults: Why replies could not be read, with how many.
        example: One of them.
    """

    recipe: Recipe
    n_asked: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    example: tuple[Reply, Drop] | None = None


class FirstReplies:
    """Watches the response types of a run until each has brought a reply that can be read.

    Args:
        recipes: Of the run.
        settings: ``max_unreadable`` is the bound.
    """

    def __init__(self, recipes: Iterable[Recipe], settings: Settings) -> None:
        self._most, self._checks = settings.max_unreadable, settings.checks
        self._unproven: dict[str, _Unproven] = {}
        if self._most is not None:
            self._unproven = {recipe.name: _Unproven(recipe) for recipe in recipes}
        self._waiting: list[asyncio.Future[None]] = []
        self._is_stopped = False

    def recall(self, planned: Iterable[Planned], find_reply: Callable[[str], Reply | None]) -> None:
        """Hear the replies that an earlier start stored, by the plan of today: those to other prompts do not count.

        Raises:
            TeacherError: They are enough to know that the rest would be paid for in vain.
        """
        n_looked: Counter[str] = Counter()
        items = iter(planned)
        while any(n_looked[name] < LOOKED_AT * (self._most or 0) for name in self._unproven):
            item = next(items, None)
            if item is None:
                return
            n_looked[item.recipe.name] += 1
            reply = None if item.request is None else find_reply(item.request.digest)
            if reply is not None:
                self._judge(reply)

    def takes(self, response_type: str) -> bool:
        """Count a request in, if it may be sent before more is known of its type."""
        one = self._unproven.get(response_type)
        if one is None:
            return True
        if self._most is None or one.n_asked + one.faults.total() >= self._most:
            return False
        one.n_asked += 1
        return True

    def forget_asked(self) -> None:
        """Count as under way no more what was counted in; batches are gone for or lost as a whole."""
        for one in self._unproven.values():
            one.n_asked = 0

    async def admit(self, response_type: str) -> None:
        """Wait until a request may be sent, and count it in.

        Raises:
            StoppedError: The run ends.
        """
        while not self.takes(response_type):
            if self._is_stopped:
                raise StoppedError
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place

    def hear(self, reply: Reply) -> None:
        """Hear of a reply that was asked for; it is stored.

        Raises:
            TeacherError: It is the last of so many that cannot be read.
        """
        one = self._unproven.get(reply.response_type)
        if one is None:
            return
        one.n_asked = max(0, one.n_asked - 1)
        try:
            self._judge(reply)
        finally:
            self._wake()

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self._is_stopped = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            if not place.done():
                place.set_result(None)

    def _judge(self, reply: Reply) -> None:
        one = self._unproven.get(reply.response_type)
        if one is None or not (reply.is_final or reply.error == "request_rejected"):  # others may pass next time
            return
        fault = self._fault_of(reply, one.recipe)
        if fault is None:
            del self._unproven[reply.response_type]
            return
        one.faults[fault.reason] += 1
        if one.example is None or fault.reason == one.faults.most_common(1)[0][0] != one.example[1].reason:
            one.example = reply, fault
        if one.faults.total() >= (self._most or 0):
            raise TeacherError(_told(one, *one.example))

    def _fault_of(self, reply: Reply, recipe: Recipe) -> Drop | None:
        """Why a reply is no use: it failed, holds no turns, or the model only speaks of itself."""
        if reply.error is not None:
            return Drop("teacher", reply.error, reply.detail or "no detail given")
        parsed = parse_reply(reply.text, recipe.settings.reply_format, reply.finish_reason, "What is shown?")
        if not parsed.turns:
            return parsed.drop or Drop("parse", "no_turns", "no turns were found")
        said = refusal(parsed.turns[0], self._checks) if "refusal" not in self._checks.skip else None
        return None if said is None else Drop("checks", "refusal", said)


def _told(one: _Unproven, reply: Reply, fault: Drop) -> str:
    recipe, n = one.recipe, one.faults.total()
    text = visible(reply.text[:MAX_SHOWN_CHARS]) + "…" * (len(reply.text) > MAX_SHOWN_CHARS)
    lines = text.strip().splitlines() or ["(no text)"]
    lines = [*lines[:MAX_SHOWN_LINES], *["…"] * (len(lines) > MAX_SHOWN_LINES)]
    reasons = ", ".join(f"{reason} {count}" for reason, count in one.faults.most_common())
    told = f"The first {n} replies of '{recipe.name}' hold nothing that can be used ({reasons})"
    return "\n".join(
        [
            f"{told}, so the run stops before more is paid for; this is one, about image {visible(reply.image_id)}:",
            *(f"    | {line[:MAX_LINE_CHARS]}{'…' * (len(line) > MAX_LINE_CHARS)}" for line in lines),
            f"    {fault.reason}: {visible(fault.detail)}",
            _advice(recipe, one.faults.most_common(1)[0][0]),
            "'datagen preview' tries a change on a few images; what is stored is never asked for again.",
            "--set max_unreadable=null goes on all the same.",
        ]
    )


def _advice(recipe: Recipe, reason: str) -> str:
    folder, most = f"prompts/{recipe.name}", recipe.settings.max_tokens
    if reason in ("truncated", "broken_json"):
        return f"Replies break off: raise max_tokens (now {most}) in {folder}/recipe.yaml of your --recipes-dir."
    if reason in ("only_reasoning", "empty_reply"):
        return f"If the model thinks first, switch that off, or raise max_tokens (now {most}) in {folder}/recipe.yaml."
    if reason in ("refusal", "refused", "content_filter"):
        return f"The model will not answer: try another --teacher, or words of your own in {folder}/system.txt."
    if reason == "context_too_long":
        return "The model takes no prompt of this length: try another --teacher, or a smaller context.max_boxes."
    return (
        f"Expected is a reply in the form '{recipe.settings.reply_format}': change {folder}/system.txt in a "
        "--recipes-dir of your own, or try another --teacher."
    )
