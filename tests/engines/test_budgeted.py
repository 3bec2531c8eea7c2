"""A run with a budget stops in time, says so, and goes on with a higher one."""

import json
from pathlib import Path

from conftest import CorpusFiles
from loopback import LoopbackServer
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.endpoint.prices import spent_on
from datagen.records import Reply
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
