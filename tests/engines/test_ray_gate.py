"""The gate that all workers of a cluster share, in virtual time and without Ray."""

import asyncio

import pytest
from virtual_time import run

from datagen.config import TeacherSettings
from datagen.engines.ray.entrance import Entrance, GateLostError
from datagen.engines.ray.gate import SILENT_S, TICK_S, Gate
from datagen.engines.ray.messages import decode_notes, decode_word, encode
from datagen.errors import BudgetError, RunError, TeacherError
from datagen.teacher.protocol import StoppedError


def settings_of(**more):
    """A dollar a token."""
    prices = {"price_in_usd_per_mtok": 1e6, "price_out_usd_per_mtok": 1e6} if "budget_usd" in more else {}
    return TeacherSettings(**{"name": "loopback", **prices, **more})


class Line:
    """The way to a gate, which may be cut, replaced or lose single messages."""

    def __init__(self, gate):
        self.gate, self.is_cut, self.n_lost, self.n_carried = gate, False, 0, 0

    async def __call__(self, notes):
        if self.is_cut:
            raise GateLostError
        self.n_carried += 1
        word = decode_word(encode(await self.gate.exchange(decode_notes(encode(notes)))))
        if self.n_lost:
            self.n_lost -= 1
            raise GateLostError
        return word


async def ask(entrance, latency_s=0.2, n_tokens=10.0, outcome="answered", retry_after_s=None):
    taken = await entrance.enter(n_tokens)
    await asyncio.sleep(latency_s)
    if outcome == "answered":
        entrance.answered(taken)
    else:
        entrance.refused(taken, retry_after_s)
    entrance.leave(taken, int(n_tokens))


async def work(entrance, n, n_at_once=50, **asked):
    """Ask n times; gives when each was sent."""
    left, sent = iter(range(n)), []

    async def one():
        for _ in left:
            await ask(entrance, **asked)
            sent.append(asyncio.get_running_loop().time())

    try:
        await asyncio.gather(*(one() for _ in range(n_at_once)))
    finally:
        await entrance.close()
    return sent


def test_two_workers_share_one_pace():
    async def main():
        line = Line(Gate(settings_of(rpm=600)))
        entrances = [Entrance(line, shard, 1, settings_of()) for shard in (1, 2)]
        sent = await asyncio.gather(*(work(one, 100) for one in entrances))
        return sent, asyncio.get_running_loop().time()

    sent, took_s = run(main())
    assert 19.0 < took_s < 22.0  # 200 at 10 a second
    for ended in sent:  # neither waits for the other to finish
        assert ended[-1] > 14.0
    together = sorted(sent[0] + sent[1])
    for n, at in enumerate(together[20:], 20):
        assert n - sum(other <= at - 1.0 for other in together) <= 13


def test_two_workers_share_one_concurrency():
    n_in_flight = peak = 0

    async def main():
        nonlocal n_in_flight, peak
        line = Line(Gate(settings_of(concurrency=6)))

        async def one(entrance, left):
            nonlocal n_in_flight, peak
            for _ in left:
                taken = await entrance.enter(1.0)
                n_in_flight += 1
                peak = max(peak, n_in_flight)
                await asyncio.sleep(0.5)
                n_in_flight -= 1
                entrance.answered(taken)
                entrance.leave(taken, 1)

        entrances = [Entrance(line, shard, 1, settings_of(concurrency=6)) for shard in (1, 2, 3)]
        rest = [iter(range(40)) for _ in entrances]
        await asyncio.gather(*(one(e, left) for e, left in zip(entrances, rest, strict=True) for _ in range(8)))
        for entrance in entrances:
            await entrance.close()
        return asyncio.get_running_loop().time()

    took_s = run(main())
    assert peak == 6
    assert 10.0 <= took_s < 11.5  # 120 by 6, half a second each; what the ticks cost is little


def test_a_refusal_of_one_worker_slows_down_the_other():
    async def main():
        line = Line(Gate(settings_of()))
        first, second = (Entrance(line, shard, 1, settings_of()) for shard in (1, 2))
        await asyncio.gather(*(ask(first, 0.05, outcome="refused", retry_after_s=7.0) for _ in range(3)))
        began = asyncio.get_running_loop().time()
        await ask(second, 0.0)
        waited_s = asyncio.get_running_loop().time() - began
        await first.close()
        await second.close()
        return waited_s

    assert 6.0 < run(main()) < 8.0


def test_what_the_endpoint_says_to_one_worker_holds_for_all():
    told = {
        "X-RateLimit-Limit-Requests": "100",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "5s",
    }

    async def main():
        line = Line(Gate(settings_of()))
        first, second = (Entrance(line, shard, 1, settings_of()) for shard in (1, 2))
        taken = await first.enter(1.0)
        first.heed({**told, "content-type": "application/json"}, taken)
        first.answered(taken)
        first.leave(taken, 1)
        await asyncio.sleep(2 * TICK_S)
        await ask(second, 0.0)
        now = asyncio.get_running_loop().time()
        await first.close()
        await second.close()
        return now

    assert 4.5 < run(main()) < 5.5


def test_many_requests_need_few_messages():
    async def main():
        line = Line(Gate(settings_of(concurrency=400)))
        await work(Entrance(line, 1, 1, settings_of(concurrency=400)), 4000, n_at_once=500, latency_s=0.2)
        return line.n_carried

    assert run(main()) < 4000 / 10


def test_a_lost_workers_requests_are_not_waited_for():
    async def main():
        line = Line(Gate(settings_of(concurrency=4)))
        lost, other = (Entrance(line, shard, 1, settings_of(concurrency=4)) for shard in (1, 2))
        for _ in range(4):
            await lost.enter(1.0)
        lost._talk.cancel()
        await ask(other, 0.0)
        now = asyncio.get_running_loop().time()
        await other.close()
        return now, line.gate.n_workers

    now, n_workers = run(main())
    assert SILENT_S < now < SILENT_S + 1.5
    assert n_workers == 0


def test_a_gate_started_again_learns_what_is_in_flight():
    async def main():
        settings = settings_of(concurrency=4)
        line = Line(Gate(settings))
        entrance = Entrance(line, 1, 1, settings)
        taken = [await entrance.enter(1.0) for _ in range(3)]
        line.gate = Gate(settings, is_restored=True)
        await asyncio.sleep(1.5)  # a heartbeat
        last = await entrance.enter(1.0)
        fifth = asyncio.ensure_future(entrance.enter(1.0))
        await asyncio.sleep(1.0)
        was_waiting = not fifth.done()
        entrance.answered(last)
        entrance.leave(last, 1)
        for one in (*taken, await fifth):
            entrance.leave(one, 1)
        await entrance.close()
        return was_waiting, line.gate._limiter._n_in_flight

    assert run(main()) == (True, 0)


@pytest.mark.parametrize("n_lost", [1, 5])
def test_lost_messages_lose_no_place(n_lost):
    async def main():
        settings = settings_of(concurrency=2)
        line = Line(Gate(settings))
        entrance = Entrance(line, 1, 1, settings)
        line.n_lost = n_lost
        sent = await work(entrance, 6, n_at_once=4)
        return len(sent), line.gate._limiter._n_in_flight

    assert run(main()) == (6, 0)


def test_a_gate_that_stays_away_is_told_in_a_sentence():
    async def main():
        line = Line(Gate(settings_of()))
        line.is_cut = True
        entrance = Entrance(line, 1, 1, settings_of())
        try:
            await entrance.enter(1.0)
        finally:
            await entrance.close()

    with pytest.raises(RunError, match="limiter could not be reached"):
        run(main())


def test_an_older_attempt_is_fenced_off():
    async def main():
        line = Line(Gate(settings_of()))
        old, new = (Entrance(line, 1, attempt, settings_of()) for attempt in (1, 2))
        await ask(old, 0.0)
        await ask(new, 0.0)
        try:
            await ask(old, 0.0)
        finally:
            await ask(new, 0.0)
            await old.close()
            await new.close()

    with pytest.raises(RunError, match="taken over"):
        run(main())


def test_the_end_of_one_is_the_end_of_all():
    async def main():
        line = Line(Gate(settings_of(concurrency=1)))
        entrance = Entrance(line, 1, 1, settings_of())
        taken = await entrance.enter(1.0)
        waiting = asyncio.ensure_future(entrance.enter(1.0))
        await asyncio.sleep(0.1)
        line.gate.end("teacher", "The key is wrong.")
        entrance.leave(taken, 1)
        try:
            await waiting
        finally:
            await entrance.close()

    with pytest.raises(TeacherError, match="The key is wrong"):
        run(main())


def test_a_worker_that_stops_leaves_nobody_waiting():
    async def main():
        line = Line(Gate(settings_of(concurrency=1)))
        entrance = Entrance(line, 1, 1, settings_of())
        await entrance.enter(1.0)
        waiting = asyncio.ensure_future(entrance.enter(1.0))
        await asyncio.sleep(0.1)
        entrance.stop()
        try:
            await waiting
        finally:
            await entrance.close()

    with pytest.raises(StoppedError):
        run(main())


class Spender:
    """Asks for requests that may cost 10 and do cost 4."""

    def __init__(self, line, shard, settings, spent_usd=0.0, attempt=1):
        self.entrance = Entrance(line, shard, attempt, settings, spent_usd)
        self.budget = self.entrance.budget
        self.n_sent, self.error = 0, None

    async def spend(self, n, worst=10.0, real=4.0, n_at_once=5, latency_s=0.3):
        left = iter(range(n))

        async def one():
            for _ in left:
                while not self.budget.bears(worst):
                    await self.budget._wait_for_money(worst)
                self.budget.hold(worst)
                try:
                    await ask(self.entrance, latency_s)
                    self.n_sent += 1
                finally:
                    self.budget.settle(worst, real)

        try:
            await asyncio.gather(*(one() for _ in range(n_at_once)))
        except BudgetError as error:
            self.error = error
        await asyncio.sleep(2 * latency_s)
        await self.entrance.close()


def spend(n_spenders, n_each, budget_usd, spent=None, watch=None):
    async def main():
        settings = settings_of(budget_usd=budget_usd)
        line = Line(Gate(settings, spent or {}))
        spenders = [Spender(line, shard, settings, (spent or {}).get(shard, 0.0)) for shard in range(1, n_spenders + 1)]
        tasks = [asyncio.ensure_future(one.spend(n_each)) for one in spenders]
        while not all(task.done() for task in tasks):
            committed = sum(one.budget.spent_usd + one.budget.held_usd for one in spenders)  # type: ignore[misc]
            assert committed <= budget_usd + 1e-6
            await asyncio.sleep(0.05)
        for task in tasks:
            task.result()
        return spenders, line.gate

    return run(main())


def test_the_budget_is_used_up_and_never_passed():
    spenders, gate = spend(3, 1000, 1000.0)
    sent = sum(one.n_sent for one in spenders)
    assert 4 * sent <= 1000.0
    assert sent >= (1000 - 10) / 4 - 1  # all that the next request left room for
    assert min(one.n_sent for one in spenders) > sent / 6
    for one in spenders:
        assert "The budget of $1000 is used up" in str(one.error)
    assert abs(gate._purse.left_usd - (1000 - 4 * sent)) < 1e-6


def test_money_that_one_worker_does_not_need_goes_to_the_others():
    spenders, _ = spend(2, 60, 490.0)  # 480 for all, of which no more than 2 x 5 x 10 are set aside at once
    assert [one.n_sent for one in spenders] == [60, 60]
    assert all(one.error is None for one in spenders)


def test_what_stored_replies_cost_counts():
    spenders, _ = spend(2, 100, 100.0, spent={1: 50.0, 2: 30.0, 7: 15.0})
    assert sum(one.n_sent for one in spenders) == 0
    assert "$95.0000 are spent" in str(spenders[0].error)


def test_a_gate_started_again_gives_no_money_before_all_have_told_what_they_hold():
    async def main():
        settings = settings_of(budget_usd=100.0)
        line = Line(Gate(settings))
        holder, other = Spender(line, 1, settings), Spender(line, 2, settings)
        holding = asyncio.ensure_future(holder.spend(1, worst=90.0, real=90.0, latency_s=5.0))
        await asyncio.sleep(0.5)
        line.gate = Gate(settings, {1: 0.0, 2: 0.0}, is_restored=True)
        other_task = asyncio.ensure_future(other.spend(1, worst=50.0, real=50.0))
        await holding
        await other_task
        return holder, other

    holder, other = run(main())
    assert holder.n_sent == 1 and other.n_sent == 0
    assert "used up" in str(other.error)


def test_what_a_lost_worker_had_in_flight_counts_as_spent():
    async def main():
        settings = settings_of(budget_usd=100.0)
        line = Line(Gate(settings))
        lost = Spender(line, 1, settings)
        task = asyncio.ensure_future(lost.spend(2, worst=30.0, real=30.0, n_at_once=2, latency_s=9.0))
        await asyncio.sleep(2.0)
        task.cancel()
        lost.entrance._talk.cancel()
        again = Spender(line, 1, settings, spent_usd=0.0, attempt=2)
        await again.spend(2, worst=30.0, real=30.0)
        return again

    again = run(main())
    assert again.n_sent == 1
    assert "$90.0000 are spent ($60.0000 of it for answers that never came" in str(again.error)
