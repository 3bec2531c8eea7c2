"""A judge over text: asked once, measured on planted errors, trusted as far as it was right."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles, make_shards
from loopback import Answer, LoopbackServer, error_answer, json_answer

import datagen
from datagen.api import demo_settings
from datagen.config import ChecksSettings, JudgeSettings, Settings, dump_settings, load_settings
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards
from datagen.errors import BudgetError, JudgeError, RunError
from datagen.pipeline import late_settings_digest
from datagen.records import Sample
from datagen.store.shards import shard_folders
from datagen.summary import JudgeReport

DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "judgements.jsonl")


def settings_for(files: CorpusFiles, server: LoopbackServer, **judge: Any) -> Settings:
    told = {"model": "wise", "base_url": server.base_url, **judge}
    return load_settings(None, {**files.settings, "checks.judge": told, "workers": 1})


def sentences_in(body: dict[str, Any]) -> dict[str, str]:
    """The numbered sentences of a request."""
    (told,) = re.findall(r"<sentences \w+>\n(.*)\n</sentences", body["messages"][-1]["content"])
    return {n: text for turn in json.loads(told) for n, text in turn["answer"].items()}


def evidence_in(body: dict[str, Any]) -> str:
    return str(re.findall(r"<annotations \w+>\n(.*?)\n", body["messages"][-1]["content"])[0])


def reply_of(body: dict[str, Any], objected: set[str]) -> Answer:
    """A completion that contradicts some sentences, with words and a quotation that count."""
    quote = evidence_in(body)
    verdicts = [
        {"n": int(n), "verdict": "contradicted", "words": text, "quote": quote}
        if n in objected
        else {"n": int(n), "verdict": "supported", "quote": quote}
        for n, text in sentences_in(body).items()
    ]
    return completion(json.dumps({"verdicts": verdicts}))


def completion(text: str) -> Answer:
    usage = {"prompt_tokens": 900, "completion_tokens": 100}
    return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


def content(body: dict[str, Any], arrival: int) -> Answer:
    del arrival
    return reply_of(body, set())


def judged(out: Path) -> JudgeReport:
    report = datagen.open_run(out).summary.judge
    assert isinstance(report, JudgeReport)
    return report


def samples_of(out: Path) -> list[Sample]:
    return [msgspec.json.decode(line, type=Sample) for line in (out / "samples.jsonl").read_bytes().splitlines()]


def test_its_word_is_asked_once_and_stands_on_the_turns(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=content) as server:
        settings = settings_for(corpus_files, server)
        run_local(settings, tmp_path / "run", Silence())
        first = {name: (tmp_path / "run" / name).read_bytes() for name in DERIVED}
        n_asked = len(server.arrivals)
        run_local(settings, tmp_path / "run", Silence())
        assert len(server.arrivals) == n_asked and set(server.arrivals.values()) == {1}
    assert {name: (tmp_path / "run" / name).read_bytes() for name in DERIVED} == first
    report = judged(tmp_path / "run")
    assert 0 < report.samples < n_asked  # the others held planted errors
    assert report.sentences["supported"] > report.sentences["contradicted"] == 0
    assert report.recall is not None and report.recall.estimate == 0 and report.why_not is not None
    kept = [one for one in samples_of(tmp_path / "run") if one.status == "accepted"]
    assert kept and all(turn.opinions and turn.opinions[0].verdict == "supported" for one in kept for turn in one.turns)


def test_a_killed_run_asks_only_what_is_missing(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=content) as server:
        settings = settings_for(corpus_files, server)
        run_local(settings, tmp_path / "whole", Silence())
        run_local(settings, tmp_path / "killed", Silence())
        log = tmp_path / "killed" / "judgements.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:5]) + lines[5][:20])
        (tmp_path / "killed" / "summary.json").unlink()
        server.arrivals.clear()
        with pytest.raises(RunError, match=r"judgements\.jsonl: of the [\d,]+ bytes that were stored there"):
            run_local(settings, tmp_path / "killed", Silence())  # more than a kill takes
        run_local(settings, tmp_path / "killed", Silence(), may_change=True)
        assert server.arrivals.total() == len(lines) - 5
    for name in ("samples.jsonl", "dataset.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_shards_leave_it_to_the_merge(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=content) as server:
        settings = settings_for(corpus_files, server)
        run_local(settings, tmp_path / "whole", Silence())
        n_asked = server.arrivals.total()
        server.arrivals.clear()
        make_shards(settings, 2, tmp_path / "split")
        assert not server.arrivals
        merge_shards(settings, shard_folders(tmp_path / "split"), tmp_path / "split", Silence())
        assert server.arrivals.total() == n_asked
    for name in ("samples.jsonl", "dataset.json", "summary.json", "README.md"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "split" / name).read_bytes()


def test_another_judge_needs_leave_and_asks_no_teacher(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer(intercept=content) as server:
        run_local(settings_for(corpus_files, server), out, Silence())
        replies, n_asked = (out / "replies.jsonl").read_bytes(), server.arrivals.total()
        other = settings_for(corpus_files, server, model="wiser")
        with pytest.raises(RunError, match=r"--judge +wise → wiser"):
            run_local(other, out, Silence())
        run_local(other, out, Silence(), may_change=True)
        assert server.arrivals.total() == 2 * n_asked
        assert {body["model"] for _, body in server.seen} == {"wise", "wiser"}
        run_local(load_settings(None, {**corpus_files.settings, "workers": 1}), out, Silence(), may_change=True)
        assert server.arrivals.total() == 2 * n_asked
    assert (out / "replies.jsonl").read_bytes() == replies
    assert "judge" not in json.loads((out / "summary.json").read_bytes())
    assert b"opinions" not in (out / "samples.jsonl").read_bytes()


def test_without_a_judge_nothing_is_written_of_one(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run_local(load_settings(None, corpus_files.settings), tmp_path / "run", Silence())
    assert not (tmp_path / "run" / "judgements.jsonl").exists()
    assert late_settings_digest(Settings()) == "ec165670dcb3e50f"  # of before there was a judge
    judged = Settings(checks=ChecksSettings(judge=JudgeSettings(model="wise")))
    dearer = Settings(checks=ChecksSettings(judge=JudgeSettings(model="wise", rpm=3.0)))
    assert late_settings_digest(judged) == late_settings_digest(dearer) != late_settings_digest(Settings())
    assert b"opinions" not in (tmp_path / "run" / "samples.jsonl").read_bytes()


def test_replies_without_verdicts_are_asked_for_once_more(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def twice_bad(body: dict[str, Any], arrival: int) -> Answer:
        return completion("I would say all is well." if "person" in evidence_in(body) or arrival < 3 else "{}")

    with LoopbackServer(intercept=twice_bad) as server:
        run_local(settings_for(corpus_files, server), tmp_path / "run", Silence())
        assert set(server.arrivals.values()) == {2}
    report = judged(tmp_path / "run")
    assert report.sentences["unknown"] == sum(report.sentences.values()) == report.void["no verdict was given"]


def test_its_bills_are_the_runs(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    price = {"price_in_usd_per_mtok": 1.0, "price_out_usd_per_mtok": 10.0}
    with LoopbackServer(intercept=content) as server:
        settings = settings_for(corpus_files, server, **price)
        run_local(settings, tmp_path / "run", Silence())
        n_asked = server.arrivals.total()
        summary = datagen.open_run(tmp_path / "run").summary
        assert isinstance(summary.cost_usd_by, dict)
        assert summary.cost_usd_by["judge"] == pytest.approx(n_asked * (900 + 1000) / 1e6)
        low = {**dump_settings(settings), "teacher.budget_usd": 0.05}
        with pytest.raises(BudgetError, match=r"The budget of \$0.05 is used up"):
            run_local(load_settings(None, low), tmp_path / "bound", Silence())
        assert 0 < server.arrivals.total() - n_asked < n_asked


def test_a_key_that_is_refused_is_told_and_masked(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-secret-12345678")
    with LoopbackServer(api_key="another") as server:
        settings = settings_for(corpus_files, server, api_key_env="JUDGE_KEY")
        with pytest.raises(JudgeError, match=r"checks\.judge: .*leave --judge out") as caught:
            run_local(settings, tmp_path / "run", Silence())
    assert "sk-secret" not in str(caught.value)
    assert b"sk-secret" not in (tmp_path / "run" / "run.yaml").read_bytes()


def test_it_asks_where_the_teacher_stands_unless_told_otherwise(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def both(body: dict[str, Any], arrival: int) -> Answer | None:
        return reply_of(body, set()) if body["model"] == "wise" else None

    with LoopbackServer(intercept=both) as server:
        teacher = {"name": "loopback", "base_url": server.base_url}
        named = {**corpus_files.settings, "teacher": teacher, "checks": {"judge": "wise"}, "workers": 1}
        run_local(load_settings(None, named), tmp_path / "run", Silence())
        assert {body["model"] for _, body in server.seen} == {"loopback", "wise"}


def test_a_request_that_the_endpoint_refuses_costs_itself(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    def some(body: dict[str, Any], arrival: int) -> Answer:
        if len(sentences_in(body)) > 1 and "1" in sentences_in(body)["1"]:
            return error_answer(400, "Too odd.")
        return reply_of(body, set())

    with LoopbackServer(intercept=some) as server:
        run_local(settings_for(corpus_files, server), tmp_path / "run", Silence())
    assert judged(tmp_path / "run").samples > 0


class RuleJudge:
    """A judge of known worth: it knows what is true, and errs by lot.

    Args:
        true: Sentences that are right.
        sensitivity: Chance that it objects to another one.
        false_alarms: Chance that it objects to one of these.
    """

    def __init__(self, true: set[str], sensitivity: float, false_alarms: float, rng_seed: int = 0) -> None:
        self.true, self.sensitivity, self.false_alarms, self.rng_seed = true, sensitivity, false_alarms, rng_seed

    def __call__(self, body: dict[str, Any], arrival: int) -> Answer:
        objected = set()
        for n, text in sentences_in(body).items():
            chance = self.false_alarms if text in self.true else self.sensitivity
            lot = random.Random(f"{self.rng_seed} {evidence_in(body)} {text}").random()
            objected |= {n} if lot < chance else set()
        return reply_of(body, objected)


@pytest.fixture(scope="module")
def true_sentences(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every sentence that the embedded teacher writes of the demo corpus, none of which is wrong."""
    seen: set[str] = set()

    def listen(body: dict[str, Any], arrival: int) -> Answer:
        seen.update(sentences_in(body).values())
        return reply_of(body, set())

    with LoopbackServer(intercept=listen) as server:
        told = {"model": "ear", "base_url": server.base_url, "planted": 1}
        run_local(demo_with(told), tmp_path_factory.mktemp("true") / "run", Silence())
    return seen


def demo_with(judge: dict[str, Any], **others: Any) -> Settings:
    plain = dump_settings(demo_settings())
    return load_settings(None, {**plain, "validator.name": "none", "checks.judge": judge, "workers": 1, **others})


def test_its_worth_is_measured_and_bounds_what_it_may_do(true_sentences: set[str], tmp_path: Path) -> None:
    wrong = {"teacher.planted_errors": 0.5, "checks.contradicted": "keep"}
    bound = {"min_precision": 0.4}  # 60 objections tell a precision of .85 as .45 to .98
    with LoopbackServer(intercept=RuleJudge(true_sentences, 0.8, 0.0)) as server:
        run_local(
            demo_with({"model": "good", "base_url": server.base_url, **bound}, **wrong), tmp_path / "good", Silence()
        )
    good = judged(tmp_path / "good")
    assert good.recall is not None and good.recall.low <= 0.8 <= good.recall.high
    # A few sentences that count as borne out hold a planted error which the grammar does not read.
    assert good.silent_alarms is not None and good.silent_alarms.low < 0.02 and good.silent_alarms.n > 10
    assert good.precision is not None and good.precision.low >= 0.4 and good.why_not is None
    reasons = datagen.open_run(tmp_path / "good").summary.rejected_by_stage["checks"]
    assert reasons["judge_objects"] > 0
    with LoopbackServer(intercept=RuleJudge(true_sentences, 0.5, 0.5)) as server:
        run_local(
            demo_with({"model": "coin", "base_url": server.base_url, **bound}, **wrong), tmp_path / "coin", Silence()
        )
    coin = judged(tmp_path / "coin")
    assert coin.false_alarms is not None and coin.false_alarms.low <= 0.5 <= coin.false_alarms.high
    assert coin.why_not is not None and coin.objections > 0
    assert "judge_objects" not in str(datagen.open_run(tmp_path / "coin").summary.rejected_by_stage)
    assert "it cuts nothing" in coin.told and "n = " in coin.told
