"""A run with a budget stops in time, says so, and goes on with a higher one."""

import json
import threading
from pathlib import Path

from conftest import CorpusFiles
from loopback import Answer, LoopbackServer, json_answer, reply_for
from started import Started
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.endpoint.prices import spent_on
from datagen.records import AtRisk, Reply
from datagen.store import read_facts


def invoke(files: CorpusFiles, url: str, out: Path, *options: str, teacher: str = "gpt-4o"):
    asked = ["--teacher", teacher, "--base-url", url, "--out", str(out), "--concurrency", "4", *options]
    return CliRunner().invoke(app, ["run", *files.options, *asked])


def stored(out: Path) -> list[Reply]:
    return [reply for _, reply in read_facts(out / "replies.jsonl", Reply) if reply is not None]


def test_it_stops_keeps_what_it_paid_for_and_goes_on_with_more(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer() as server:
        ended = invoke(corpus_files, server.base_url, out, "--budget-usd", "0.025")
        assert ended.exit_code == 130
        assert "The budget of $0.025 is used up" in ended.output and "Traceback" not in ended.output
        first = stored(out)
        assert 0 < len(first) == server.arrivals.total() < 18
        spent = sum(reply.cost_usd or 0 for reply in first)
        assert 0 < spent <= 0.025
        again = invoke(corpus_files, server.base_url, out, "--budget-usd", "0.025")
        assert again.exit_code == 130 and server.arrivals.total() == len(first)
        assert f"${spent:.4f} are spent" in again.output
        more = invoke(corpus_files, server.base_url, out, "--budget-usd", "5")
        assert more.exit_code == 0, more.output
        assert server.arrivals.total() == len(server.answered) == 18
    with LoopbackServer() as server:
        invoke(corpus_files, server.base_url, tmp_path / "calm")
    for name in ("samples.jsonl", "dataset.json"):
        assert (out / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    cost = json.loads((out / "summary.json").read_text())["cost_usd"]
    assert abs(cost - spent_on(stored(out), datagen.open_run(out).settings.teacher)) < 1e-5


def test_a_budget_without_a_price_sends_nothing(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        ended = invoke(corpus_files, server.base_url, tmp_path / "run", "--budget-usd", "1", teacher="unheard-of")
        assert server.arrivals.total() == 0
    assert ended.exit_code == 2
    assert "price of 'unheard-of'" in ended.output


def test_an_own_price_table_gives_the_price(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("date: 2026-11-21\nmodels: {mine: [1.0, 1.0, 1.0]}\n")
    with LoopbackServer() as server:
        options = ("--budget-usd", "1", "--prices", str(prices))
        ended = invoke(corpus_files, server.base_url, tmp_path / "run", *options, teacher="mine")
    assert ended.exit_code == 0, ended.output
    tokens = datagen.open_run(tmp_path / "run").summary.tokens
    cost = datagen.open_run(tmp_path / "run").summary.cost_usd
    assert abs(cost - (tokens.prompt + tokens.completion) / 1e6) < 1e-5


def test_what_was_in_flight_when_it_was_killed_counts_at_every_later_start(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    out, n_usd = tmp_path / "run", 0.03
    command = [
        "run", *corpus_files.options, "--teacher", "gpt-4o", "--out", str(out),
        "--budget-usd", str(n_usd),
    ]  # fmt: skip
    asked = threading.Event()

    def swallow(body: dict[str, object], n: int) -> Answer:
        asked.set()
        return Answer(delay_s=600.0)

    with LoopbackServer(intercept=swallow) as server:
        for _ in range(2):
            asked.clear()
            started = Started([*command, "--base-url", server.base_url], tmp_path / "told")
            started.wait_until(asked.is_set)
            started.kill()
        n_asked = server.arrivals.total()
        ended = invoke(corpus_files, server.base_url, out, "--budget-usd", str(n_usd), "--set", "teacher.timeout_s=1")
    worst = [fact for _, fact in read_facts(out / ".at_risk.jsonl", AtRisk) if fact is not None][-1]
    assert n_asked and ended.exit_code == 130 and "for answers that never came, at worst" in ended.output
    assert n_usd / 2 < worst.lost_usd + worst.in_flight_usd <= 1.3 * n_usd


def test_a_run_that_lost_nothing_leaves_nothing_of_it(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        assert invoke(corpus_files, server.base_url, tmp_path / "run", "--budget-usd", "5").exit_code == 0
    assert not (tmp_path / "run" / ".at_risk.jsonl").exists()


def test_an_endpoint_that_bills_more_than_it_was_asked_for_is_found_out_by_its_first_bill(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    def dear(body: dict[str, object], n: int) -> Answer:
        usage = {"prompt_tokens": 40_000, "completion_tokens": 9_000}
        return json_answer(200, {"choices": [{"message": {"content": reply_for(body)}}], "usage": usage})

    with LoopbackServer(intercept=dear) as server:
        ended = invoke(corpus_files, server.base_url, tmp_path / "run", "--budget-usd", "0.05")
        assert ended.exit_code == 130 and server.arrivals.total() == 1, ended.output
