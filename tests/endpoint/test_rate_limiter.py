"""The limiter in virtual time: minutes against rate limits, caps and growing latency take no time here."""

import asyncio
import random
import time

import pytest
from virtual_time import run

from datagen.endpoint.error_translation import StoppedError
from datagen.endpoint.rate_limiter import FIRST_IN_FLIGHT, FOUND_TO, Limiter, Pace, _duration_s


class Endpoint:
    """Lets through what its bucket, its cap and its mood allow."""

    def __init__(
        self, per_s=None, burst=10, latency_s=0.2, retry_after_s=None, refused_share=0.0, cap=None, round_trip_s=0.002
    ):
        self.per_s, self.burst, self.latency_s, self.retry_after_s = per_s, burst, latency_s, retry_after_s
        self.refused_share, self.cap, self.round_trip_s = refused_share, cap, round_trip_s
        self.n_refused = self.n_answered = self.n_inside = self.peak = 0
        self.sent_at = []
        self._tokens, self._filled_at, self._rng = float(burst), 0.0, random.Random(1)

    async def ask(self):
        """None for an answer, or the pause asked for (0 for none)."""
        self.sent_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.round_trip_s / 2)
        if not self._lets_in():
            self.n_refused += 1
            await asyncio.sleep(self.round_trip_s / 2)
            return self.retry_after_s or 0.0
        self.n_inside += 1
        self.peak = max(self.peak, self.n_inside)
        latency_s = self.latency_s(self) if callable(self.latency_s) else self.latency_s
        await asyncio.sleep(latency_s * self._rng.uniform(0.8, 1.2))
        self.n_inside -= 1
        self.n_answered += 1
        return None

    def _lets_in(self):
        if self.cap is not None and self.n_inside >= self.cap:
            return False
        if self.per_s is not None:
            now = asyncio.get_running_loop().time()
            self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.per_s)
            self._filled_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
        return self._rng.random() >= self.refused_share


def ask_all(endpoint, n, concurrency=None, n_tokens=100.0, most_tries=8, **limits):
    """Ask as the teacher does; gives virtual seconds and rows lost."""

    async def main():
        limiter, waiting, rng, n_lost = Limiter(concurrency, **limits), iter(range(n)), random.Random(2), 0

        async def work():
            nonlocal n_lost
            for _ in waiting:
                for attempt in range(most_tries):
                    taken = await limiter.enter(n_tokens)
                    pause_s = await endpoint.ask()
                    if pause_s is None:
                        limiter.answered(taken)
                    else:
                        limiter.refused(taken, pause_s or None)
                    limiter.leave(taken, n_tokens if pause_s is None else 0)
                    if pause_s is None:
                        break
                    await asyncio.sleep(max(0.5 * 2**attempt * rng.uniform(0.5, 1.0), pause_s))
                else:
                    n_lost += 1

        await asyncio.gather(*(work() for _ in range(limiter.most_in_flight)))
        return asyncio.get_running_loop().time(), n_lost

    return run(main())


# What the endpoint bears


@pytest.mark.parametrize("latency_s", [0.02, 0.2, 2.0])
@pytest.mark.parametrize("retry_after_s", [None, 0.02, 1.0])
@pytest.mark.parametrize("concurrency", [None, 256])
def test_against_a_rate_limit_nothing_is_lost_and_little_refused(latency_s, retry_after_s, concurrency):
    endpoint = Endpoint(per_s=50, latency_s=latency_s, retry_after_s=retry_after_s)
    seconds, n_lost = ask_all(endpoint, 2000, concurrency)
    assert n_lost == 0 and endpoint.n_answered == 2000
    assert seconds <= 1.1 * (2000 / 50)
    assert endpoint.n_refused < 0.1 * 2000


def test_a_short_run_against_a_rate_limit():
    endpoint = Endpoint(per_s=50, retry_after_s=0.02)
    seconds, n_lost = ask_all(endpoint, 500)
    assert n_lost == 0 and seconds <= 1.1 * 10 and endpoint.n_refused < 50


@pytest.mark.parametrize("share", [0.01, 0.02])
def test_refusals_that_do_not_depend_on_the_pace_do_not_lower_it(share):
    endpoint = Endpoint(refused_share=share, retry_after_s=0.05)
    seconds, n_lost = ask_all(endpoint, 10_000, 256)
    assert n_lost == 0 and seconds <= 1.3 * (10_000 * 0.2 / 256)


def test_a_moody_endpoint_is_found_out_and_borne():
    endpoint = Endpoint(refused_share=0.2)
    seconds, n_lost = ask_all(endpoint, 20_000, 256, most_tries=20)
    assert n_lost == 0 and seconds < 5 * (20_000 * 0.2 / 256)


def test_a_cap_on_requests_in_flight_is_respected_nearly_all_the_time():
    endpoint = Endpoint(cap=20, latency_s=1.0)
    seconds, n_lost = ask_all(endpoint, 2000)
    assert n_lost == 0 and seconds <= 1.3 * 100 and endpoint.n_refused < 0.1 * 2000


def test_while_latency_holds_more_go_in():
    endpoint = Endpoint(latency_s=1.0)
    seconds, _ = ask_all(endpoint, 20_000)
    assert endpoint.peak == FOUND_TO and seconds < 30


def test_where_latency_grows_the_number_in_flight_stops():
    endpoint = Endpoint(latency_s=lambda e: max(1.0, e.n_inside / 100))  # bears 100 at once
    seconds, _ = ask_all(endpoint, 20_000)
    assert endpoint.peak <= 256 and seconds < 1.05 * 200


def test_a_given_concurrency_is_kept_and_filled():
    endpoint = Endpoint(latency_s=1.0)
    seconds, _ = ask_all(endpoint, 20_000, 1000)
    assert endpoint.peak == 1000
    assert seconds < 20_000 / 1000 / 0.9


def test_the_start_is_gentle():
    endpoint = Endpoint(per_s=1.0, burst=1, retry_after_s=30.0)
    ask_all(endpoint, 5, 256, most_tries=20)
    assert sum(at < 0.02 for at in endpoint.sent_at) <= FIRST_IN_FLIGHT


# What the user sets


def test_requests_per_minute_are_kept_in_every_minute():
    endpoint = Endpoint(latency_s=0.5)
    seconds, _ = ask_all(endpoint, 300, rpm=60)
    assert 295 <= seconds <= 303
    for start in endpoint.sent_at:
        assert sum(start <= at < start + 60 for at in endpoint.sent_at) <= 61


def test_tokens_per_minute_are_kept_and_what_was_not_used_is_given_back():
    endpoint = Endpoint()
    seconds, _ = ask_all(endpoint, 120, n_tokens=1000.0, tpm=60_000)
    assert 118 <= seconds <= 122

    async def main():
        limiter = Limiter(None, tpm=6000)
        for _ in range(60):
            limiter.leave(await limiter.enter(1000.0), 100)  # reserved ten times what it takes
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(59, abs=1.0)


# What the endpoint says


def told(limiter, sent_tokens=10.0, **headers):
    async def main():
        taken = await limiter.enter(sent_tokens)
        limiter.heed({name.replace("_", "-"): value for name, value in headers.items()}, taken)
        limiter.leave(taken, 10)
        times = []
        for _ in range(3):
            limiter.leave(await limiter.enter(10.0), 10)
            times.append(asyncio.get_running_loop().time())
        return times

    return run(main())


def test_an_empty_bucket_is_waited_for():
    times = told(
        Limiter(4),
        x_ratelimit_limit_requests="60",
        x_ratelimit_remaining_requests="0",
        x_ratelimit_reset_requests="1m0s",
    )
    assert times[0] == pytest.approx(60)


def test_too_few_tokens_are_waited_for():
    times = told(Limiter(4), 500.0, x_ratelimit_remaining_tokens="499", x_ratelimit_reset_tokens="1500ms")
    assert times[0] == pytest.approx(1.5)


def test_a_low_bucket_is_drawn_on_as_it_fills():
    times = told(
        Limiter(4),
        x_ratelimit_limit_requests="100",
        x_ratelimit_remaining_requests="5",
        x_ratelimit_reset_requests="95s",
    )
    assert times == pytest.approx([0.0, 1.0, 2.0], abs=0.05)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_ratelimit_remaining_requests": "0"},
        {"x_ratelimit_remaining_requests": "many", "x_ratelimit_reset_requests": "1s"},
        {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "soon"},
        {
            "x_ratelimit_remaining_requests": "99",
            "x_ratelimit_limit_requests": "100",
            "x_ratelimit_reset_requests": "9s",
        },
    ],
)
def test_a_full_bucket_and_headers_without_sense_hold_nobody(headers):
    assert told(Limiter(4), **headers) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("1s", 1), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("2.5", 2.5), ("-1", 0), ("", None), (None, None),
     ("1s ago", None), ("nan", None)],
)  # fmt: skip
def test_durations(text, seconds):
    assert _duration_s(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_time_since_the_epoch_is_a_duration_too():
    assert _duration_s(str(time.time() + 50)) == pytest.approx(50, abs=5)


# The gate


def test_stop_sends_away_who_waits():
    async def main():
        limiter = Limiter(1)
        taken = await limiter.enter(1)
        waiting = [asyncio.create_task(limiter.enter(1)) for _ in range(3)]
        await asyncio.sleep(0)
        limiter.stop()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        limiter.leave(taken)
        with pytest.raises(StoppedError):
            await limiter.enter(1)
        return results

    assert [type(result) for result in run(main())] == [StoppedError] * 3


def test_a_cancelled_place_is_given_to_the_next():
    async def main():
        limiter = Limiter(1)
        taken = await limiter.enter(1)
        first, second = (asyncio.create_task(limiter.enter(1)) for _ in range(2))
        await asyncio.sleep(0)
        limiter.leave(taken)  # lets the first through, which is cancelled before it knows
        first.cancel()
        await asyncio.wait_for(second, 1)
        assert first.cancelled()

    run(main())


def test_a_request_larger_than_a_minute_of_tokens_still_goes():
    pace = Pace(10.0)
    assert pace.wait_s(0.0) == 0
    pace.take(0.0, 1000)
    assert pace.wait_s(0.0) == pytest.approx(100, abs=0.1)
