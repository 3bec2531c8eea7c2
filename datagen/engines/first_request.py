"""The first request of a run is asked before the rest of its pictures is opened, as proof of key and model.

A list of models is no proof: many servers show it to anyone, or under other names than they answer to. A tiny request
of its own would prove it, but is paid for and thrown away. The first request that the run needs proves the same, and
its reply is stored as any other: nothing extra is paid.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from datagen.config import IMPORTED, PLUGGED
from datagen.endpoint.loop_thread import run_to_end
from datagen.engines.heartbeat import Pulse
from datagen.engines.progress import ended
from datagen.store import ReplyStore, RunFolder
from datagen.teacher import open_teacher

if TYPE_CHECKING:
    from datagen.engines.inputs import Inputs
    from datagen.records import Reply


def asks_endpoint(inputs: Inputs) -> bool:
    """Whether the replies come from an endpoint."""
    name = inputs.settings.teacher.name
    return inputs.plugs.teacher is None and name not in ("template", IMPORTED) and not name.startswith(PLUGGED)


def ask_first(inputs: Inputs) -> None:
    """Ask for the first reply of a run that has none, and store it; opens pictures up to the first sound one.

    A batch may be answered a day later, so none is made for this; ``preflight`` has batches listed instead.

    Raises:
        TeacherError: No request can succeed; nothing is left behind.
        BudgetError: The budget does not bear one request.
    """
    settings, folder = inputs.settings, inputs.folder
    if not asks_endpoint(inputs) or settings.teacher.batch or _has_asked(folder):
        return
    request = next((item.request for item in inputs.planned() if item.request is not None), None)
    if request is None:
        return
    teacher = open_teacher(settings, inputs.ledger.budget)
    if isinstance(inputs.progress, Pulse):
        inputs.progress.watch(teacher)
    replies: list[Reply] = []

    async def ask() -> None:
        try:
            replies.append(await teacher.answer(request))
        finally:
            await teacher.close()

    inputs.progress.begin("asking for the first reply", 1)
    with ended(inputs.progress):
        run_to_end(ask())
        inputs.write_manifest()  # a folder with replies and no settings would be no run
        with closing(ReplyStore(folder.replies)) as store:
            store.add(replies[0])
        inputs.progress.step(replies[0].cost_usd)


def _has_asked(folder: RunFolder) -> bool:
    return any(path.is_file() and path.stat().st_size for path in (folder.replies, folder.batches))
