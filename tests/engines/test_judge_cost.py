"""What a judge will take is told before anybody is asked, and is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from loopback import Answer, LoopbackServer, json_answer
from typer.testing import CliRunner

from datagen.cli import app
from datagen.config import load_settings
from datagen.endpoint.token_estimate import count_tokens
from datagen.engines.estimate import estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import Silence

PRICE = {"price_in_usd_per_mtok": 1.0, "price_out_usd_per_mtok": 10.0}


class Listener(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def test_requests_tokens_and_dollars_are_told_before_and_are_about_right(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    def counting(body: dict[str, Any], arrival: int) -> Answer:
        n_prompt = round(sum(count_tokens(message["content"]) + 4 for message in body["messages"]))
        usage = {"prompt_tokens": n_prompt, "completion_tokens": 80}
        return json_answer(200, {"choices": [{"message": {"content": '{"verdicts": []}'}}], "usage": usage})

    with LoopbackServer(intercept=counting) as server:
        judge = {"model": "wise", "base_url": server.base_url, **PRICE}
        settings = load_settings(None, {**corpus_files.settings, "checks.judge": judge, "workers": 1})
        made = estimate_run(settings).judge
        heard = Listener()
        run_local(settings, tmp_path / "run", heard)
    assert made is not None and made.cost_usd is not None
    assert len(server.arrivals) <= made.n_requests
    assert made.cost_usd == pytest.approx((made.n_prompt + 10 * made.n_completion) / 1e6)
    bills = [json.loads(line) for line in (tmp_path / "run" / "costs.jsonl").read_bytes().splitlines()]
    mean = sum(one["usage"]["n_prompt_tokens"] for one in bills) / len(bills)
    assert made.n_prompt / made.n_requests == pytest.approx(mean, rel=0.25)
    assert heard.notes[0] == f"Judge {made.told}, beside what the teacher bills."
    again = estimate_run(settings, tmp_path / "run").judge
    assert again is not None and again.n_stored == len(server.arrivals)
    assert again.n_requests == made.n_requests - again.n_stored


def test_the_command_tells_it(corpus_files: CorpusFiles) -> None:
    done = CliRunner().invoke(app, ["estimate", *corpus_files.options, "--judge", "wise"])
    assert done.exit_code == 0
    assert "judge     wise: up to 54 requests" in done.output and "of unknown price" in done.output
    without = CliRunner().invoke(app, ["estimate", *corpus_files.options])
    assert "judge" not in without.output
