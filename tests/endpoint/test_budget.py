"""A budget is a hard stop: what all requests in flight may cost never passes it."""

import asyncio

import pytest
from loopback import LoopbackServer, json_answer

from datagen.config import TeacherSettings
from datagen.endpoint.budget import FIRST_MARGIN, Account, Budget
from datagen.endpoint.token_estimate import count_prompt
from datagen.errors import BudgetError, SettingsError, TeacherError
from datagen.records import AnnotatedImage, Message, Request, Usage
from datagen.teacher import StoppedError, open_teacher
from datagen.teacher.chat import ChatTeacher

MILLION = 1e6
DEAR = {"price_in_usd_per_mtok": 100.0}


def settings_of(budget_usd, **more):
    """A dollar a million tokens in, ten out."""
    prices = {"price_in_usd_per_mtok": 1.0, "price_out_usd_per_mtok": 10.0}
    return TeacherSettings(**{"name": "loopback", "budget_usd": budget_usd, **prices, **more})


def request_of(n, max_tokens=100):
    messages = (Message("system", "Answer with === between the parts."), Message("user", f"image {n}"))
    return Request(f"d{n}", AnnotatedImage(str(n), "x.jpg", 1, 1), "t", "r", messages, 0.7, max_tokens, "delimited")


def account_of(budget_usd, **more):
    settings = settings_of(budget_usd, **more)
    return Account(Budget(budget_usd), settings.name, settings)


def worst(n=1, max_tokens=100):
    return (FIRST_MARGIN * count_prompt(request_of(n, max_tokens))[0] + 10 * max_tokens) / MILLION


def completion(n_prompt, n_out, text="fine"):
    usage = {"prompt_tokens": n_prompt, "completion_tokens": n_out}
    return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


def ask(budget_usd, n_requests, spent_usd=0.0, intercept=None, sleep=None, **more):
    """Ask all at once; gives the outcomes in order, the budget and the server."""

    async def no_pause(seconds):
        del seconds

    async def main(url):
        settings = settings_of(budget_usd, base_url=url, **more)
        budget = Budget(budget_usd, spent_usd)
        teacher = ChatTeacher(settings, sleep=no_pause, budget=budget)
        try:
            asked = (teacher.answer(request_of(n)) for n in range(n_requests))
            return await asyncio.gather(*asked, return_exceptions=True), budget
        finally:
            await teacher.close()

    with LoopbackServer(intercept=intercept) as server:
        outcomes, budget = asyncio.run(main(server.base_url))
    return outcomes, budget, server


def test_the_worst_case_is_the_whole_prompt_and_the_longest_reply():
    n_prompt, _ = count_prompt(request_of(1))
    assert account_of(1.0).worst_case(n_prompt, 100).usd == pytest.approx(worst())
    assert account_of(1.0, batch=True).worst_case(n_prompt, 100).usd == pytest.approx(worst() / 2)


def test_prompts_that_are_longer_than_estimated_raise_the_worst_case():
    account = account_of(1.0)

    async def main():
        async with account.holding(50, 100) as hold:
            hold.usage = Usage(150, 0, 5)

    before = account.worst_case(50, 100).usd
    asyncio.run(main())
    assert account.worst_case(50, 100).usd > before
    assert account.budget.held_usd == 0


def test_two_models_draw_on_one_budget():
    budget, settings = Budget(1.0), settings_of(1.0)
    cheap, dear = Account(budget, "loopback", settings), Account(budget, "loopback", settings_of(1, **DEAR))

    async def main():
        async with cheap.holding(1000, 0) as hold:
            hold.usage = Usage(1000)
            assert not budget.bears(1.0)
        async with dear.holding(1000, 0) as hold:
            hold.usage = Usage(1000)

    asyncio.run(main())
    assert budget.spent_usd == pytest.approx(0.001 + 0.1)


def test_without_a_price_nothing_is_sent():
    with pytest.raises(SettingsError, match=r"price of 'loopback'.*teacher\.prices"):
        Account(Budget(1.0), "loopback", TeacherSettings(name="loopback"))


def test_the_embedded_teacher_is_free_under_any_budget():
    from datagen.config import Settings

    assert open_teacher(Settings(teacher=TeacherSettings(budget_usd=0.01))).name == "template"


def test_never_more_is_in_flight_than_the_budget_bears():
    budget_usd = 3.5 * worst()
    in_flight = []

    def intercept(body, arrival):
        in_flight.append(1)
        return completion(10, 90)  # nearly the worst case each

    outcomes, budget, server = ask(budget_usd, 20, intercept=intercept)
    replies = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(replies) == server.arrivals.total() == 3
    assert (
        sum(reply.cost_usd for reply in replies) == pytest.approx(budget.spent_usd) and budget.spent_usd <= budget_usd
    )
    assert any(isinstance(outcome, BudgetError) for outcome in outcomes)


def test_cheap_replies_let_it_go_on_until_the_budget_is_used():
    outcomes, budget, server = ask(3.5 * worst(), 40, intercept=lambda body, arrival: completion(10, 9))
    assert server.arrivals.total() > 20
    assert budget.spent_usd <= budget.limit_usd < budget.spent_usd + worst()
    (error,) = {str(outcome) for outcome in outcomes if isinstance(outcome, BudgetError)}
    assert "is used up" in error and "higher --budget-usd" in error


def test_what_was_spent_before_counts():
    outcomes, _, server = ask(1.0, 3, spent_usd=1.0)
    assert server.arrivals.total() == 0
    assert all(isinstance(outcome, BudgetError) for outcome in outcomes)


def test_refused_requests_cost_nothing_and_lost_ones_their_worst():
    def intercept(body, arrival):
        return ("rate_limited", "server_error", "dropped", "html")[arrival - 1] if arrival <= 4 else completion(10, 9)

    (reply,), budget, _ = ask(1.0, 1, intercept=intercept, max_attempts=5)
    assert reply.text == "fine"
    assert budget.lost_usd == pytest.approx(2 * worst())
    assert budget.spent_usd == pytest.approx(2 * worst() + reply.cost_usd)
    assert budget.held_usd == 0


def test_an_empty_reply_that_was_paid_for_is_stored_when_money_ends():
    outcomes, budget, server = ask(1.5 * worst(), 1, intercept=lambda body, arrival: completion(10, 90, text=""))
    (reply,) = outcomes
    assert server.arrivals.total() == 1
    assert (reply.error, reply.is_final) == ("gave_up", False)
    assert reply.cost_usd == pytest.approx(budget.spent_usd) and reply.cost_usd > 0


def test_an_endpoint_that_counts_no_tokens_is_refused_after_its_first_answers():
    silent = json_answer(200, {"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]})
    outcomes, budget, server = ask(1.5 * worst(), 5, intercept=lambda body, arrival: silent)
    assert server.arrivals.total() == 1
    assert budget.spent_usd == pytest.approx(worst())
    errors = [outcome for outcome in outcomes if isinstance(outcome, TeacherError)]
    assert "does not say how many tokens" in str(errors[0])


def test_stop_lets_those_who_wait_go():
    account = account_of(1.5 * worst())
    asked = (count_prompt(request_of(1))[0], 100)

    async def main():
        async with account.holding(*asked):
            waiting = asyncio.create_task(hold_another())
            await asyncio.sleep(0)
            account.stop()
            with pytest.raises(StoppedError):
                await waiting

    async def hold_another():
        async with account.holding(*asked):
            pass

    asyncio.run(main())
    assert account.budget.held_usd == 0
