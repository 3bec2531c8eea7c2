"""Balance of the whole set: a cap on the share of each kind of question, and a share of yes among yes/no answers.

``Census`` counts, ``plan`` decides how many turns of which cell fall, ``Plan.apply`` lets them fall. A cell is a kind
of question with its answer (yes, no, neither). Which of a cell's turns fall is drawn from (``rng_seed``, sample
id, place in the conversation), so neither order nor workers matter.

Only a turn that nothing after it leans on may fall: a conversation of which every turn falls is rejected, any other
goes on without them. Turns that are leant on stay, and the record says what share was reached.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from datagen.config import BalanceSettings
from datagen.diversity.coverage import polarity, question_kind, refers_back
from datagen.randomness import rng_for
from datagen.records import Cut, Drop, Sample, Turn, cut_of, cut_or_reject
from datagen.summary import Balance, KindShare, LargestKind, YesShare

Cell = tuple[str, str]
"""Kind of question, and ``yes``, ``no`` or ``-``."""
Counts = Counter[Cell]


class Census:
    """The turns of a set by cell, with the draws of those that may fall: 8 bytes each.

    Args:
        rng_seed: The run's.
    """

    def __init__(self, rng_seed: int) -> None:
        self.rng_seed = rng_seed
        self.n_turns: Counts = Counter()
        self.draws: dict[Cell, array[float]] = {}

    def count(self, samples: Iterable[Sample]) -> Census:
        """Count the accepted samples among these."""
        for sample in samples:
            if sample.status == "accepted":
                for n, turn in enumerate(sample.turns):
                    cell = cell_of(turn)
                    self.n_turns[cell] += 1
                    if is_free(sample.turns, n):
                        self.draws.setdefault(cell, array("d")).append(draw(self.rng_seed, sample, n))
        return self


class Plan(Struct, frozen=True):
    """Which turns fall.

    Attributes:
        rng_seed: The run's.
        below: Per cell, free turns whose draw is lower fall.
        why: Per cell, the sentence for a person.
        report: What was asked and what is reached, for ``summary.json``.
    """

    rng_seed: int
    below: dict[Cell, float]
    why: dict[Cell, str]
    report: Balance

    def apply(self, sample: Sample) -> Sample:
        """Let the turns of one sample fall; a sample of which none stays is rejected."""
        if sample.status != "accepted":
            return sample
        kept: list[Turn] = []
        cuts: list[Cut] = []
        for n, turn in enumerate(sample.turns):
            cell = cell_of(turn)
            limit = self.below.get(cell)
            if limit is not None and is_free(sample.turns, n) and draw(self.rng_seed, sample, n) < limit:
                drop = Drop("dedup", "balanced_out", f"turn {n + 1}, '{turn.question}': {self.why[cell]}")
                cuts.append(cut_of(drop, (turn,), len(kept)))
            else:
                kept.append(turn)
        if not cuts:
            return sample
        if not kept:
            return cut_or_reject(sample, (), cuts[0])
        return replace(sample, turns=tuple(kept), cuts=(*sample.cuts, *cuts))


def plan(census: Census, settings: BalanceSettings) -> Plan:
    """Decide what falls.

    Args:
        census: Of every sample that is accepted so far.
        settings: What is asked.
    """
    turns = census.n_turns
    uneven, over = _falling(census, settings)
    falling = uneven + over
    below = {cell: _limit(census.draws[cell], n) for cell, n in sorted(falling.items())}
    why = {cell: "; ".join(_told_why(turns, settings, cell, uneven, over)) for cell in below}
    return Plan(census.rng_seed, below, why, _report(turns, turns - falling, settings))


def _falling(census: Census, settings: BalanceSettings) -> tuple[Counts, Counts]:
    """How many turns of each cell fall for the share of yes, and how many for the cap.

    Each may undo the other, so they take turns until neither takes more.
    """
    free = Counter({cell: len(draws) for cell, draws in census.draws.items()})
    most = int(settings.max_loss * census.n_turns.total())
    uneven, over = Counts(), Counts()
    for _ in range(20):  # of 1,500 made-up sets 1,175 settle after two rounds, and one takes all twenty
        fallen = uneven + over
        left, still_free = census.n_turns - fallen, free - fallen
        if settings.yes_share is not None:
            found = _even_out(left, still_free, settings.yes_share, most - fallen.total())
            uneven, left, still_free = uneven + found, left - found, still_free - found
        if settings.max_share_per_kind is not None:
            spent = uneven.total() + over.total()
            over += _cap_kinds(left, still_free, settings.max_share_per_kind, most - spent)
        if uneven + over == fallen:
            break
    return uneven, over


def cell_of(turn: Turn) -> Cell:
    """Which cell a turn belongs to."""
    told = polarity(turn.question, turn.answer)
    return question_kind(turn.question), told if told in ("yes", "no") else "-"


def is_free(turns: tuple[Turn, ...], n: int) -> bool:
    """Whether a turn may fall: no later question may lean on it, or on the turns before itself at all."""
    return not any(refers_back(turn.question) for turn in turns[n + 1 :])


def draw(rng_seed: int, sample: Sample, n: int) -> float:
    """The number, 0 to 1, that decides about a turn."""
    return rng_for(rng_seed, sample.sample_id, f"balance {n}").random()


def _even_out(turns: Counts, free: Counts, share: float, most: int) -> Counts:
    """How many turns of each cell fall so that ``share`` of the yes and no answers say yes."""
    yes, no = _told(turns, "yes"), _told(turns, "no")
    if not yes or not no:
        return Counts()  # whatever falls, the other side stays at nothing
    surplus = {"yes": yes - no * share / (1 - share), "no": no - yes * (1 - share) / share}
    side = max(surplus, key=lambda name: surplus[name])
    cells = Counts({cell: n for cell, n in free.items() if cell[1] == side})
    return _spread(min(most, max(0, round(surplus[side]))), cells)


def _cap_kinds(turns: Counts, free: Counts, cap: float, most: int) -> Counts:
    """How many turns of each cell fall so that no kind holds more than ``cap`` of what is left.

    Where the cap would cost more than ``most`` turns, or cannot be kept because there are too few
    kinds, the lowest one that can be afforded holds.
    """
    kinds = {kind: _of_kind(turns, kind) for kind in sorted({kind for kind, _ in turns})}
    total = sum(kinds.values())
    low, high = cap, 1.0
    if total - _kept_under(kinds, low) > most:
        for _ in range(50):  # halvings; 50 of them use up the digits of a float
            middle = (low + high) / 2
            low, high = (low, middle) if total - _kept_under(kinds, middle) <= most else (middle, high)
        low = high
    limit = int(low * _kept_under(kinds, low) + 1e-9)
    falling = Counts()
    for kind, n in kinds.items():
        if n > limit and low < 1:
            falling += _spread(n - limit, Counts({cell: m for cell, m in free.items() if cell[0] == kind}))
    return falling


def _kept_under(kinds: Mapping[str, int], cap: float) -> float:
    """Turns that are left when no kind holds more than ``cap`` of those left; 0 when there are too few kinds."""
    capped: set[str] = set()
    while True:
        if cap * len(capped) >= 1:
            return 0.0
        left = sum(n for kind, n in kinds.items() if kind not in capped) / (1 - cap * len(capped))
        over = {kind for kind, n in kinds.items() if n > cap * left} - capped
        if not over:
            return left
        capped |= over


def _spread(number: int, cells: Counts) -> Counts:
    """Take ``number`` turns from cells in proportion to their size, as far as they go."""
    total = cells.total()
    number = max(0, min(number, total))  # an allowance may be overdrawn by rounding
    if not number:
        return Counts()
    exact = {cell: number * cells[cell] / total for cell in sorted(cells)}
    taken = Counts({cell: int(share) for cell, share in exact.items()})
    rest = sorted(exact, key=lambda cell: (taken[cell] - exact[cell], cell))
    for cell in rest[: number - taken.total()]:
        taken[cell] += 1
    return taken


def _limit(draws: array[float], number: int) -> float:
    """The draw below which ``number`` of them lie."""
    ranked = sorted(draws)
    return ranked[number] if number < len(ranked) else 2.0


def _told_why(turns: Counts, settings: BalanceSettings, cell: Cell, uneven: Counts, over: Counts) -> Iterator[str]:
    """Why turns of a cell fall, by the shares of the set before anything fell."""
    if cell in uneven:
        yes, no = _told(turns, "yes"), _told(turns, "no")
        yield f"{_share(yes, yes + no):.1%} of the yes/no answers say yes, {settings.yes_share:.1%} is asked"
    if cell in over:
        share = _share(_of_kind(turns, cell[0]), turns.total())
        yield f"{share:.1%} of the turns ask for {cell[0]}, the cap is {settings.max_share_per_kind:.1%}"


def _report(before: Counts, after: Counts, settings: BalanceSettings) -> Balance:
    def yes_share(turns: Counts) -> float:
        return round(_share(_told(turns, "yes"), _told(turns, "yes") + _told(turns, "no")), 4)

    def largest(turns: Counts) -> KindShare:
        kinds = sorted({kind for kind, _ in turns})
        kind = max(kinds, key=lambda name: _of_kind(turns, name), default=None)
        share = _share(_of_kind(turns, kind), turns.total()) if kind else 0.0
        return KindShare(kind, round(share, 4))

    return Balance(
        turns_before=before.total(),
        turns_after=after.total(),
        yes_share=YesShare(settings.yes_share, yes_share(before), yes_share(after)),
        largest_kind=LargestKind(settings.max_share_per_kind, largest(before), largest(after)),
    )


def _of_kind(turns: Counts, kind: str) -> int:
    return sum(n for cell, n in turns.items() if cell[0] == kind)


def _told(turns: Counts, told: str) -> int:
    return sum(n for cell, n in turns.items() if cell[1] == told)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
