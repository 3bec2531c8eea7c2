"""The first replies of each response type: a run of which none is any use stops before the rest is paid for.

A reply is of use when a turn of it survives parsing and checks, and its words are not those of the reply before. Until
one of a type is, no more requests of that type are under way than may come back in vain, so that an endpoint which
takes a thousand at once does not cost a thousand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct, field

from datagen.checks import Check
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.endpoint.error_translation import StoppedError
from datagen.errors import TeacherError, visible
from datagen.pipeline import Planned, make_sample
from datagen.recipes import Recipe
from datagen.records import Reply, Request, StageName
from datagen.repair import FindReply

MAX_SHOWN_CHARS, MAX_SHOWN_LINES, MAX_LINE_CHARS = 1000, 10, 200


class _Fault(NamedTuple):
    """Why a reply is of no use."""

    stage: StageName
    reason: str
    detail: str


class _Unproven(Struct):
    """A response type of which no reply was of use yet.

    Attributes:
        n_asked: Requests under way.
        faults: Why replies were of no use, with how many.
        example: One of them.
        sound: The first reply that survived, where all that did say the same.
    """

    recipe: Recipe
    n_asked: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    example: tuple[Reply, _Fault] | None = None
    sound: Reply | None = None


class FirstReplies:
    """Watches the response types of a run until each has brought a reply that is of use.

    Args:
        recipes: Of the run.
        settings: ``max_unreadable`` is the bound.
        corpus: Whose images the replies are about.
        checks: Of the user's own, in Python.
    """

    def __init__(
        self, recipes: Iterable[Recipe], settings: Settings, corpus: Corpus, checks: tuple[Check, ...] = ()
    ) -> None:
        self._most = settings.max_unreadable
        self._settings, self._corpus, self._checks = settings, corpus, checks
        self._unproven: dict[str, _Unproven] = {}
        if self._most is not None:
            self._unproven = {recipe.name: _Unproven(recipe) for recipe in recipes}
        self._waiting: list[asyncio.Future[None]] = []
        self._is_stopped = False

    def recall(self, planned: Iterable[Planned], find_reply: FindReply) -> None:
        """Hear the replies that an earlier start stored, by the plan of today: those to other prompts do not count.

        Raises:
            TeacherError: They are enough to know that the rest would be paid for in vain.
        """
        n_looked: Counter[str] = Counter()
        items = iter(planned)
        # Of what was planned first, four times the bound are looked for among the stored replies.
        while any(n_looked[name] < 4 * (self._most or 0) for name in self._unproven):
            item = next(items, None)
            if item is None:
                return
            n_looked[item.recipe.name] += 1
            reply = None if item.request is None else find_reply(item.request.digest)
            if reply is not None and reply.is_final:  # others are asked again
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
        if one is None or reply.error == "gave_up":
            return  # it may pass next time
        fault = self._fault_of(reply, one)
        if fault is None:
            if one.sound is not None:
                del self._unproven[reply.response_type]
            one.sound = reply
            return
        one.faults[fault.reason] += 1
        if one.example is None or fault.reason == one.faults.most_common(1)[0][0] != one.example[1].reason:
            one.example = reply, fault
        if one.faults.total() < (self._most or 0):
            return
        if one.sound is not None and set(one.faults) != {_SAME}:
            del self._unproven[reply.response_type]
            return
        raise TeacherError(_told(one, *one.example))

    def _fault_of(self, reply: Reply, one: _Unproven) -> _Fault | None:
        """Why a reply is no use: it failed, or none of its turns survives, or it only repeats another."""
        image = self._corpus.by_id[reply.image_id]
        request = Request(reply.request_digest, image, reply.response_type, "", (), 0.0, 0, "text")
        planned = Planned(image, one.recipe, request, categories=self._corpus.categories)
        sample = make_sample(planned, reply, self._settings, "", self._checks)
        if sample.stage is not None:
            return _Fault(sample.stage, sample.reason or "", sample.detail or "")
        if one.sound is not None and one.sound.text == reply.text:
            return _Fault("dedup", _SAME, f"word for word the reply about image {one.sound.image_id}")
        return None


_SAME = "exact_copy"
_RAISED = ("teacher_raised", "check_raised")
_PREVIEW = "'datagen preview' tries a change on a few images. What is stored is asked for again by --retry {} alone."


def _told(one: _Unproven, reply: Reply, fault: _Fault) -> str:
    recipe, n = one.recipe, one.faults.total()
    text = visible(reply.text[:MAX_SHOWN_CHARS]) + "…" * (len(reply.text) > MAX_SHOWN_CHARS)
    lines = text.strip().splitlines() or ["(no text)"] * (reply.error is None)
    lines = [*lines[:MAX_SHOWN_LINES], *["…"] * (len(lines) > MAX_SHOWN_LINES)]
    reasons = ", ".join(f"{reason} {count}" for reason, count in one.faults.most_common())
    told = f"The first {n} replies of '{recipe.name}' hold nothing that can be used ({reasons})"
    return "\n".join(
        [
            f"{told}, so the run stops before more is asked; this is one, about image {visible(reply.image_id)}:",
            *(f"    | {line[:MAX_LINE_CHARS]}{'…' * (len(line) > MAX_LINE_CHARS)}" for line in lines),
            f"    {fault.reason}: {visible(fault.detail)}",
            _advice(recipe, fault),
            *([_PREVIEW.format(fault.reason)] if fault.reason not in _RAISED else []),
            "--set max_unreadable=null goes on all the same.",
        ]
    )


def _advice(recipe: Recipe, fault: _Fault) -> str:
    reason, folder, most = fault.reason, f"prompts/{recipe.name}", recipe.settings.max_tokens
    if reason in _RAISED:
        return "Mend the function, then start the program again: it goes on where it stopped."
    if reason in ("truncated", "broken_json"):
        return f"Replies break off: raise max_tokens (now {most}) in {folder}/recipe.yaml of your --recipes-dir."
    if reason in ("only_reasoning", "empty_reply"):
        return f"If the model thinks first, switch that off, or raise max_tokens (now {most}) in {folder}/recipe.yaml."
    if reason in ("refusal", "refused", "content_filter"):
        return f"The model will not answer: try another --teacher, or words of your own in {folder}/system.txt."
    if reason == "error_text":
        return "The server sends errors as answers: look at its log, its plan and its limits, then start again."
    if reason == "markup":
        return (
            "Tags of reasoning are left in the text: switch thinking off, or start the server with a reasoning parser."
        )
    if reason == "prompt_cut":
        return "The server cuts the prompt: start it with a longer context, then start the same command again."
    if reason == "context_too_long":
        return "The model takes no prompt of this length: try another --teacher, or a smaller context.max_boxes."
    if reason == _SAME:
        return "Whatever it is told, the model says the same: look at its server and chat template."
    if fault.stage == "checks":
        return (
            f"They can be read, but no turn passes the checks: change {folder}/system.txt in a --recipes-dir of your "
            "own, or try another --teacher."
        )
    return (
        f"Expected is a reply in the form '{recipe.settings.reply_format}': change {folder}/system.txt in a "
        "--recipes-dir of your own, or try another --teacher."
    )
