"""Keeps a run within its budget: what a request may cost at worst is set aside before it is sent.

spent + set aside never exceeds the budget, so nothing that is in flight can. Towards the end requests wait for those
in flight, which nearly always cost less than was set aside, so that the budget is used up and not merely approached.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from datagen.config import TeacherSettings
from datagen.errors import BudgetError, SettingsError, TeacherError
from datagen.records import Request, Usage
from datagen.teacher.prices import batch_share, cost_of, price_of
from datagen.teacher.protocol import StoppedError
from datagen.teacher.tokens import count_prompt

FIRST_MARGIN = 1.25  # by which a prompt may be longer than estimated, before its endpoint has counted any
LATER_MARGIN = 1.05  # over the longest so far, as a share of its estimate


class Hold(Struct):
    """Money set aside for one request, and what became of it.

    Attributes:
        usd: Set aside.
        n_prompt: Tokens of the prompt, estimated.
        usage: What the endpoint billed, once it is known.
        is_lost: No answer came, and the endpoint may have billed for it all the same.
        is_uncounted: An answer came, but no word of its tokens.
    """

    usd: float = 0.0
    n_prompt: float = 0.0
    usage: Usage | None = None
    is_lost: bool = False
    is_uncounted: bool = False


class Budget:
    """Money of one run; everything about it happens on one event loop.

    Args:
        settings: Budget, model and prices.
        spent_usd: What the run cost before; see ``prices.spent_on``.

    Raises:
        SettingsError: The price of the model is unknown, so no budget can be kept.
    """

    def __init__(self, settings: TeacherSettings, spent_usd: float = 0.0) -> None:
        price = price_of(settings.name, settings)
        if price is None:
            raise SettingsError(
                f"--budget-usd needs the price of '{settings.name}', which no price table has: give "
                "teacher.price_in_usd_per_mtok and teacher.price_out_usd_per_mtok, or a table with teacher.prices."
            )
        share = batch_share(settings)
        self._usd_in, self._usd_out = (share * usd / 1e6 for usd in (max(price.input, price.cached), price.output))
        self._settings = settings
        self.limit_usd = settings.budget_usd or 0.0
        self.spent_usd = spent_usd
        self.lost_usd = 0.0
        self.held_usd = 0.0
        self._n_held = 0
        self._longest = 0.0  # prompt, as a share of its estimate
        self._is_blind = self._is_stopped = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def worst_case(self, request: Request) -> Hold:
        """What a request may cost: its whole prompt uncached, and the longest reply."""
        n_prompt, _ = count_prompt(request)
        margin = LATER_MARGIN * self._longest if self._longest else FIRST_MARGIN
        return Hold(n_prompt * margin * self._usd_in + request.max_tokens * self._usd_out, n_prompt)

    def bears(self, usd: float) -> bool:
        """Whether so much more can be set aside."""
        return self.spent_usd + self.held_usd + usd <= self.limit_usd

    def hold(self, usd: float) -> None:
        """Set money aside; ``settle`` gives it back."""
        self.held_usd += usd
        self._n_held += 1

    @asynccontextmanager
    async def holding(self, request: Request) -> AsyncIterator[Hold]:
        """Set aside what a request may cost for as long as it takes, then count what it did cost.

        Raises:
            BudgetError: The request might pass the budget, with nothing in flight any more.
            TeacherError: The endpoint does not say what it bills.
            StoppedError: The run ends.
        """
        hold = self.worst_case(request)
        while not self._is_stopped and not self._is_blind and not self.bears(hold.usd):
            await self._wait_for_money(hold.usd)
        if self._is_stopped:
            raise StoppedError
        if self._is_blind:
            raise TeacherError(
                "The endpoint does not say how many tokens it bills, so --budget-usd cannot be kept; leave it out."
            )
        self.hold(hold.usd)
        try:
            yield hold
        finally:
            self._count(hold)

    async def _wait_for_money(self, usd: float) -> None:
        """Wait until something has changed.

        Raises:
            BudgetError: Nothing will.
        """
        if not self._n_held:
            raise self.used_up(usd)
        await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        await place

    def _wake(self) -> None:
        """Let everybody who waits look again."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)

    def _count(self, hold: Hold) -> None:
        spent_usd = 0.0
        if hold.usage is not None:
            spent_usd = cost_of(hold.usage, self._settings.name, self._settings) or 0.0
            self._longest = max(self._longest, hold.usage.n_prompt_tokens / max(1.0, hold.n_prompt))
        elif hold.is_lost or hold.is_uncounted:
            spent_usd = hold.usd
            self.lost_usd += hold.usd
            self._is_blind |= hold.is_uncounted
        self.settle(hold.usd, spent_usd)

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Give back what was set aside, and count what was spent of it."""
        self._n_held -= 1
        self.held_usd = self.held_usd - held_usd if self._n_held else 0.0  # no rest of rounding stays
        self.spent_usd += spent_usd
        self._wake()

    def used_up(self, next_usd: float) -> BudgetError:
        """The sentence for a run that ends here."""
        return budget_error(self.limit_usd, self.spent_usd, self.lost_usd, next_usd)

    def stop(self) -> None:
        """Let whoever waits for money go with ``StoppedError``."""
        self._is_stopped = True
        self._wake()


def budget_error(limit_usd: float, spent_usd: float, lost_usd: float, next_usd: float) -> BudgetError:
    """The sentence for a run that ends here.

    Args:
        limit_usd: The budget.
        spent_usd: Of it, what is lost included.
        lost_usd: What answers that never came may have cost at worst.
        next_usd: What the next request may cost.
    """
    lost = f" (${lost_usd:.4f} of it for answers that never came, at worst)" if lost_usd else ""
    return BudgetError(
        f"The budget of ${limit_usd:g} is used up: ${spent_usd:.4f} are spent{lost}, and the next "
        f"request may cost ${next_usd:.4f}. Every reply is stored; start again with a higher --budget-usd to go on."
    )
