"""One budget for all workers: each gets a part of what is left, and gives back what it does not need."""

from __future__ import annotations

from collections.abc import Mapping

from datagen.engines.ray.messages import Money
from datagen.teacher.budget import budget_error

PARTS = 4  # a worker gets one part in so many of its even share, so that little lies idle towards the end
LEAST_USD = 1e-9  # below it a sum is a rest of rounding


class Purse:
    """Money of the whole run, by shard.

    What all shards may spend together never passes the budget: a part is taken off before a worker hears of it,
    and counts as spent until the worker itself says that it is not.

    Args:
        budget_usd: The hard stop.
        spent_usd: What the stored replies of each shard cost.
        is_restored: A purse before this one gave out money that is not known yet: ``open`` comes later.
    """

    def __init__(self, budget_usd: float, spent_usd: Mapping[int, float], *, is_restored: bool = False) -> None:
        self.budget_usd = budget_usd
        self.accounts = {shard: Money(usd, usd, 0.0) for shard, usd in spent_usd.items()}
        self.lost_usd = 0.0  # by workers that were lost with requests in flight
        self._presumed: dict[int, float] = {}  # the same, of workers that are silent and may come back
        self._is_open = not is_restored
        self._is_scarce = False

    def open(self) -> None:
        """Every worker that still works has told what it holds: money may be given out."""
        self._is_open = True

    @property
    def left_usd(self) -> float:
        """What no shard may spend yet."""
        return self.budget_usd - self._all_lost_usd - sum(account.limit for account in self.accounts.values())

    @property
    def _all_lost_usd(self) -> float:
        return self.lost_usd + sum(self._presumed.values())

    def begin(self, shard: int, money: Money, *, is_same: bool) -> None:
        """A worker begins, or tells all it knows; what an earlier one had in flight may have been billed."""
        before = self.accounts.get(shard)
        presumed_usd = self._presumed.pop(shard, 0.0)
        if not is_same:
            self.lost_usd += presumed_usd + (before.held if before is not None else 0.0)
        self.accounts[shard] = money

    def forget(self, shard: int) -> None:
        """A worker seems lost: what it had in flight may have been billed, the rest of its part is free again."""
        account = self.accounts.get(shard)
        if account is not None:
            self._presumed[shard] = self._presumed.get(shard, 0.0) + account.held
            self.accounts[shard] = Money(account.spent, account.spent, 0.0)

    def share(self, shard: int, money: Money, n_workers: int) -> tuple[float, bool]:
        """Take note of a worker's money, and give it more where it asks.

        Returns:
            US dollars added to its limit, and whether all should give back what they do not need.
        """
        self.accounts[shard] = money
        added = 0.0
        if money.wanted > 0 and self._is_open:
            left = self.left_usd
            if money.least <= left:
                added = min(left, max(money.least, min(money.wanted, left / (PARTS * max(1, n_workers)))))
                self.accounts[shard] = Money(money.limit + added, money.spent, money.held, money.lost)
            self._is_scarce = not added
        return added, self._is_scarce

    def is_used_up(self, shard: int) -> bool:
        """Whether a worker waits for money that nobody can give back any more."""
        money = self.accounts[shard]
        if not self._is_open or money.wanted <= 0 or money.least <= self.left_usd:
            return False
        return all(account.limit - account.spent < LEAST_USD for account in self.accounts.values())

    def sentence(self, shard: int) -> str:
        """Say that the budget is used up."""
        accounts = self.accounts.values()
        lost_usd = self._all_lost_usd + sum(account.lost for account in accounts)
        spent_usd = self._all_lost_usd + sum(account.spent for account in accounts)
        return str(budget_error(self.budget_usd, spent_usd, lost_usd, self.accounts[shard].least))
