"""What a run's endpoints cost: one budget for all of them, and the bills of those that write no replies.

What the teacher billed stands in its replies. A score or a vector is often one of many that an answer brought, or is
missing where the answer was of no use, so what validators and embeddings billed stands in ``costs.jsonl``, a line an
answer, before anything is made of it. A resume counts from both files; a run of an older datagen has no such file.
What was in flight when a process was killed, or never came, counts as spent: ``.at_risk.jsonl`` has it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from datagen.config import ENDPOINT, Settings, endpoint_of, validator_names
from datagen.endpoint.budget import Budget, Payment
from datagen.endpoint.prices import Tariff, cost_of, price_of
from datagen.records import AtRisk, Bill, BilledBy, Usage
from datagen.store import FactLog, RunFolder, read_facts, told_damage


class Ledger:
    """The money of one run.

    Args:
        settings: Of the run.
        folder: Where its bills are kept.

    Attributes:
        budget: Shared by whoever asks; None sets no bound.
    """

    def __init__(self, settings: Settings, folder: RunFolder) -> None:
        limit_usd = settings.teacher.budget_usd
        self.budget = None if limit_usd is None else Budget(limit_usd)
        self._settings, self._path, self._risk_path = settings, folder.costs, folder.at_risk
        self._log: FactLog[Bill] | None = None
        self._risk_log: FactLog[AtRisk] | None = None

    def begin(self, replies_usd: float) -> None:
        """Count what was spent before: on replies, in US dollars, by the kept bills on everything else, and lost."""
        if self.budget is None:
            return
        if self._risk_log is None:
            self._risk_log = FactLog(self._risk_path, AtRisk)
            for last in [fact for _, fact in self._risk_log.scan()][-1:]:
                self.budget.lost_usd += last.in_flight_usd + last.lost_usd
            self.budget.keep = self._keep_risk
        billed_usd = sum(usd or 0.0 for usd in self.billed().values())
        self.budget.spent_usd = replies_usd + billed_usd + self.budget.lost_usd

    def payment(self, by: BilledBy) -> Payment:
        """Say how one who asks is paid for."""
        return Payment(self._tariff(by), self.budget, partial(self._keep, by))

    def billed(self) -> dict[str, float | None]:
        """US dollars that were billed, by whom; None where no price is known."""
        told: dict[str, float | None] = {}
        if self._path.exists():
            for _, bill in read_facts(self._path, Bill):
                if bill is not None:
                    usd = self._cost(bill.by, bill.model, bill.usage) if bill.cost_usd is None else bill.cost_usd
                    before = told.get(bill.by)
                    told[bill.by] = before if usd is None else (before or 0.0) + usd
        return told

    def damage(self) -> Iterator[str]:
        """Say which bills cannot be read."""
        n_damaged = sum(bill is None for _, bill in read_facts(self._path, Bill)) if self._path.exists() else 0
        if n_damaged:
            yield f"{self._path}: {told_damage(n_damaged)}; what they billed is left out of the run's cost."
        if self._risk_log is not None and self._risk_log.n_damaged:
            told = "what was in flight then may be left out of the budget"
            yield f"{self._risk_path}: {told_damage(self._risk_log.n_damaged)}; {told}."

    def uncounted(self) -> Iterator[str]:
        """Say what the budget leaves out: whoever is asked at a price that nobody knows."""
        if self.budget is None:
            return
        embeddings = self._settings.dedup.embeddings
        asked: list[tuple[BilledBy, str, str]] = []
        judge = self._settings.checks.judge
        if judge is not None and not judge.is_bundled:
            asked.append(("judge", judge.model, "checks.judge"))
        if embeddings is not None:
            asked.append(("embeddings", embeddings.model, "dedup.embeddings"))
        served = [name for name in validator_names(self._settings.validator.name) if name.startswith(ENDPOINT)]
        asked += [("validator", endpoint_of(name)[1] or "", "validator") for name in served]
        for by, model, setting in asked:
            if price_of(model, self._tariff(by)) is None:
                what = "the validator's endpoint" if by == "validator" else setting
                yield (
                    f"--budget-usd leaves out what {what} may bill, as its price is unknown; "
                    f"give {setting}.price_in_usd_per_mtok (0 where it costs nothing) to have it counted."
                )

    def close(self) -> None:
        """Force every bill to disk."""
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._risk_log is not None and self.budget is not None:
            if self.budget.lost_usd:
                self._keep_risk(0.0, self.budget.lost_usd)
            self._risk_log.close()
            self._risk_log, self.budget.keep = None, None
            if not self.budget.lost_usd:
                self._risk_path.unlink(missing_ok=True)

    def _keep_risk(self, in_flight_usd: float, lost_usd: float) -> None:
        if self._risk_log is not None:
            self._risk_log.append(AtRisk(round(in_flight_usd, 9), round(lost_usd, 9)))

    def _keep(self, by: BilledBy, model: str, usage: Usage) -> None:
        if self._log is None:
            self._log = FactLog(self._path, Bill)
        self._log.append(Bill(by, model, usage, self._cost(by, model, usage), round(time.time(), 3)))
        self._log.sync_if_due()

    def _cost(self, by: BilledBy, model: str, usage: Usage) -> float | None:
        return cost_of(usage, model, self._tariff(by))

    def _tariff(self, by: BilledBy) -> Tariff:
        table, validator = self._settings.teacher.prices, self._settings.validator
        if by == "validator":
            price_in, price_out = validator.price_in_usd_per_mtok, validator.price_out_usd_per_mtok
            return Tariff(table, price_in, None, 0.0 if price_in == 0 and price_out is None else price_out)
        if by == "judge":
            return judge_tariff(self._settings)
        embeddings = self._settings.dedup.embeddings
        return Tariff(table, None if embeddings is None else embeddings.price_in_usd_per_mtok, None, 0.0)


def judge_tariff(settings: Settings) -> Tariff:
    """What the settings say of the judge's price; its endpoint's own table where they say nothing."""
    judge, table = settings.checks.judge, settings.teacher.prices
    if judge is None:
        return Tariff(table)
    price_in, price_out = judge.price_in_usd_per_mtok, judge.price_out_usd_per_mtok
    return Tariff(table, price_in, None, 0.0 if price_in == 0 and price_out is None else price_out)
