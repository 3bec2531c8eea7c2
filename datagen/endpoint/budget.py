"""The budget: what a request may cost at worst is set aside before it is sent, so that a run never passes it.

spent + set aside never exceeds the budget, so nothing that is in flight can. Towards the end requests wait for those
in flight, which nearly always cost less than was set aside, so that the budget is used up and not merely approached.
One budget serves all models of a run; each of them draws on it by an account that knows its price.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from datagen.endpoint.error_translation import StoppedError
from datagen.endpoint.prices import PriceSettings, Tariff, batch_share, cost_of, price_of
from datagen.errors import BudgetError, DatagenError, SettingsError, TeacherError
from datagen.records import Usage

FIRST_MARGIN = 1.25  # by which a prompt may be longer than estimated, before its endpoint has counted any
RISK_MARGIN = 1.25  # by which more is noted as in flight, so that not every request writes a line
LATER_MARGIN = 1.05  # over the longest so far, as a share of its estimate


class Hold(Struct):
    """Money set aside for one request, and what became of it.

    Attributes:
        usd: Set aside.
        n_prompt: Tokens of the prompt, estimated.
        max_tokens: Of the reply.
        usage: What the endpoint billed, once it is known.
        is_lost: No answer came, and the endpoint may have billed for it all the same.
        is_uncounted: An answer came, but no word of its tokens.
    """

    usd: float = 0.0
    n_prompt: float = 0.0
    max_tokens: int = 0
    usage: Usage | None = None
    is_lost: bool = False
    is_uncounted: bool = False


class Budget:
    """Money of one run; whoever draws on it at a time does so on one event loop.

    Args:
        limit_usd: The hard stop.
        spent_usd: What the run cost before.

    Attributes:
        lost_usd: Part of what is spent: for answers that never came, at worst.
        keep: Hears how much is in flight at most, and how much was lost, before any request is sent that makes it more:
            a killed process then leaves behind what it may have been billed.
    """

    keep: Callable[[float, float], None] | None = None

    def __init__(self, limit_usd: float, spent_usd: float = 0.0) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = spent_usd
        self.lost_usd = 0.0
        self.held_usd = 0.0
        self.n_held = 0
        self._in_flight_usd = self._noted_usd = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def bears(self, usd: float) -> bool:
        """Whether so much more can be set aside."""
        return self.spent_usd + self.held_usd + usd <= self.limit_usd

    def hold(self, usd: float) -> None:
        """Set money aside; ``settle`` gives it back."""
        self.held_usd += usd
        self.n_held += 1

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Give back what was set aside, and count what was spent of it."""
        self.n_held -= 1
        self.held_usd = self.held_usd - held_usd if self.n_held else 0.0  # no rest of rounding stays
        self.spent_usd += spent_usd
        self.wake()

    def risk(self, usd: float) -> None:
        """Hear that a request of such a price goes out, or with a minus that it has ended."""
        self._in_flight_usd = max(0.0, self._in_flight_usd + usd)
        if self._in_flight_usd > self._noted_usd:
            self._note(RISK_MARGIN * self._in_flight_usd)
        elif self._in_flight_usd < self._noted_usd / (2 * RISK_MARGIN):
            self._note(self._in_flight_usd)

    def lose(self, usd: float) -> None:
        """Count money for an answer that never came."""
        self.lost_usd += usd
        self._note(self._noted_usd)

    def _note(self, in_flight_usd: float) -> None:
        self._noted_usd = in_flight_usd
        if self.keep is not None:
            self.keep(in_flight_usd, self.lost_usd)

    async def wait_for_change(self) -> None:
        """Wait until money is given back, or somebody is to look again."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        await place

    def wake(self) -> None:
        """Let everybody who waits look again."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)

    def used_up(self, next_usd: float) -> BudgetError:
        """The sentence for a run that ends here, as the next request may cost so much."""
        lost = f" (${self.lost_usd:.4f} of it for answers that never came, at worst)" if self.lost_usd else ""
        return BudgetError(
            f"The budget of ${self.limit_usd:g} is used up: ${self.spent_usd:.4f} are spent{lost}, and the next "
            f"request may cost ${next_usd:.4f}. All that was paid for is stored; start again with a higher "
            "--budget-usd to go on."
        )


class Account:
    """What one model is paid out of a budget.

    Args:
        budget: The run's.
        model: As the endpoint calls it.
        tariff: Says its price.
        error: Raised where the endpoint does not say what it bills.

    Raises:
        SettingsError: The price of the model is unknown, so no budget can be kept.
    """

    def __init__(
        self, budget: Budget, model: str, tariff: PriceSettings, error: type[DatagenError] = TeacherError
    ) -> None:
        price = price_of(model, tariff)
        if price is None:
            raise SettingsError(
                f"--budget-usd needs the price of '{model}', which no price table has: give "
                "teacher.price_in_usd_per_mtok and teacher.price_out_usd_per_mtok, or a table with teacher.prices."
            )
        share = batch_share(tariff)
        self._usd_in, self._usd_out = (share * usd / 1e6 for usd in (max(price.input, price.cached), price.output))
        self.budget, self._model, self._tariff, self._error = budget, model, tariff, error
        self._longest = 0.0  # prompt, as a share of its estimate
        self._wordiest = (
            1.0  # reply, as a share of the tokens asked for at most; some bill what they thought beside them
        )
        self._is_blind = self._is_stopped = False

    def worst_case(self, n_prompt: float, max_tokens: int) -> Hold:
        """What a request may cost: its whole prompt uncached, and the longest reply.

        Args:
            n_prompt: Tokens of the prompt, estimated.
            max_tokens: Of the reply, at most.
        """
        margin = LATER_MARGIN * self._longest if self._longest else FIRST_MARGIN
        usd = n_prompt * margin * self._usd_in + max_tokens * self._wordiest * self._usd_out
        return Hold(usd, n_prompt, max_tokens)

    @asynccontextmanager
    async def holding(self, n_prompt: float, max_tokens: int) -> AsyncIterator[Hold]:
        """Set aside what a request may cost for as long as it takes, then count what it did cost.

        Args:
            n_prompt: See ``worst_case``.
            max_tokens: See ``worst_case``.

        Raises:
            BudgetError: The request might pass the budget, with nothing in flight any more.
            DatagenError: The endpoint does not say what it bills.
            StoppedError: The run ends.
        """
        while not self._is_stopped and not self._is_blind:
            hold = self.worst_case(n_prompt, max_tokens)
            if self.budget.bears(hold.usd):
                break
            elif not self.budget.n_held:  # nothing will be given back
                raise self.budget.used_up(hold.usd)
            else:
                await self.budget.wait_for_change()
        if self._is_stopped:
            raise StoppedError
        if self._is_blind:
            raise self._error(
                "The endpoint does not say how many tokens it bills, so --budget-usd cannot be kept; leave it out."
            )
        self.budget.hold(hold.usd)
        self.budget.risk(hold.usd)
        try:
            yield hold
        finally:
            self._count(hold)
            self.budget.risk(-hold.usd)

    def _count(self, hold: Hold) -> None:
        spent_usd = 0.0
        if hold.usage is not None:
            spent_usd = cost_of(hold.usage, self._model, self._tariff) or 0.0
            self._longest = max(self._longest, hold.usage.n_prompt_tokens / max(1.0, hold.n_prompt))
            self._wordiest = max(self._wordiest, hold.usage.n_completion_tokens / max(1, hold.max_tokens))
        elif hold.is_lost or hold.is_uncounted:
            spent_usd = hold.usd
            self.budget.lose(hold.usd)
            self._is_blind |= hold.is_uncounted
        self.budget.settle(hold.usd, spent_usd)

    def stop(self) -> None:
        """Let whoever waits for money go with ``StoppedError``."""
        self._is_stopped = True
        self.budget.wake()


class Payment(Struct, frozen=True):
    """How one who asks is paid for, and who keeps the bills.

    Attributes:
        tariff: Says the price of the model.
        budget: Of the run; None sets no bound.
        keep: Hears of every answer that an endpoint counted: the model, and its tokens.
    """

    tariff: PriceSettings = Tariff()
    budget: Budget | None = None
    keep: Callable[[str, Usage], None] | None = None

    def account(self, model: str, error: type[DatagenError]) -> Account | None:
        """Open an account; None where there is no budget, or the price is unknown so that none can be kept."""
        if self.budget is None or price_of(model, self.tariff) is None:
            return None
        return Account(self.budget, model, self.tariff, error)
