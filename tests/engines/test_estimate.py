"""What a run will cost is told before it is made, and is right."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import Answer, LoopbackServer, digest_of, json_answer
from msgspec.structs import replace
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.cli.printed import duration
from datagen.config import load_settings
from datagen.endpoint.token_estimate import count_tokens
from datagen.engines import estimate
from datagen.engines.estimate import MIN_MEASURED, estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import run_shard
from datagen.errors import SettingsError, TeacherError
from datagen.recipes import load_recipes
from datagen.store import RunFolder
from datagen.store.shards import Shard


def settings_for(files: CorpusFiles, **teacher: Any) -> Any:
    return load_settings(None, {**files.settings, "teacher": {"name": "gpt-4o", **teacher}})


def settings_with(server: LoopbackServer) -> dict[str, Any]:
    return {"name": "gpt-4o", "base_url": server.base_url}


def billed(body: dict[str, Any], arrival: int) -> Any:
    """Answer as a server would that counts a fifth more tokens than we do, and caches half of each prompt."""
    del arrival
    n_prompt = round(1.2 * sum(count_tokens(m["content"]) + 4 for m in body["messages"]) + 3)
    usage = {
        "prompt_tokens": n_prompt,
        "completion_tokens": 77,
        "prompt_tokens_details": {"cached_tokens": n_prompt // 2},
    }
    text = f"Question:\nWhat is number {digest_of(body)[:6]}?\n===\nAnswer:\nA quiet scene on a lawn with a dog."
    return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


def test_it_counts_requests_tokens_and_money(tmp_path: Path) -> None:
    corpus_files = make_corpus(tmp_path, n_images=60)
    made = estimate_run(settings_for(corpus_files))
    total = made.total
    assert (total.n_requests, total.n_stored, made.n_nothing_to_ask) == (180, 0, 0)
    assert all(of.n_requests == 60 for of in made.by_type.values())
    assert 0.5 < total.n_cached / total.n_prompt < 1
    expected = (total.n_prompt - total.n_cached) * 2.5 + total.n_cached * 1.25 + total.n_completion * 10
    assert made.cost_usd == pytest.approx(expected / 1e6, rel=1e-3)
    assert made.cost_usd < made.uncached_usd < made.most_usd
    recipe = load_recipes(settings_for(corpus_files))[0]
    few_shots = [count_tokens(shot.reply) for shot in recipe.fewshots]
    assert made.by_type[recipe.name].reply_tokens == pytest.approx(sum(few_shots) / len(few_shots))
    assert f"{len(few_shots)} few-shots" in made.by_type[recipe.name].reply_source


def test_a_repair_is_told_beside_the_sum(corpus_files: CorpusFiles) -> None:
    plain = estimate_run(settings_for(corpus_files))
    made = estimate_run(replace(settings_for(corpus_files), repair=2))
    assert plain.repair is None and replace(made, repair=None) == plain, "it is in no other figure"
    repair = made.repair
    assert repair is not None and (repair.n_samples, repair.n_rounds) == (18, 2)
    recipes = load_recipes(settings_for(corpus_files))
    base = made.total.n_prompt / made.total.n_requests
    own = sum(made.by_type[one.name].reply_tokens for one in recipes) / len(recipes)
    assert 150 < repair.n_prompt - base - own < 300, "its message, with the sentences and what speaks against them"
    assert repair.n_cached == pytest.approx(made.total.n_cached / made.total.n_requests)
    assert 10 < repair.n_completion < 60
    usd = ((repair.n_prompt - repair.n_cached) * 2.5 + repair.n_cached * 1.25 + repair.n_completion * 10) / 1e6
    assert repair.cost_usd == pytest.approx(usd, rel=1e-2)
    assert repair.tenth_usd == pytest.approx(1.8 * repair.cost_usd)
    words = ["estimate", *corpus_files.options, "--teacher", "gpt-4o", "--repair"]
    told = next(line for line in CliRunner().invoke(app, [*words, "2"]).output.splitlines() if "repair" in line)
    assert told == f"repair    {repair.told}" and told.endswith(f" out, ${repair.tenth_usd:.4f}")
    assert "up to 2 times" in told and "nobody knows" in told
    assert "up to" not in CliRunner().invoke(app, [*words, "1"]).output
    words[words.index("gpt-4o")] = "nobodys-model"
    assert ", of unknown price for a sample that goes back" in CliRunner().invoke(app, [*words, "1"]).output


def test_stored_repairs_say_what_a_repair_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    files = make_corpus(tmp_path / "corpus", n_images=8)
    first = (
        "A brown dog sits on the lawn of garden {}. There are {} cups near its paws there. Nothing else goes on about."
    )

    def answer(body: dict[str, Any], arrival: int) -> Any:
        del arrival
        is_repair = "speaks against it" in body["messages"][-1]["content"]
        (n,) = {*re.findall(r"scene number (\d+)", str(body["messages"][-1 - 2 * is_repair]["content"]))}
        text = f"1. There are {n} cups." if is_repair else first.format(n, int(n) + 2)
        usage = {"prompt_tokens": 1000 + 500 * is_repair, "completion_tokens": 60 - 40 * is_repair,
                 "prompt_tokens_details": {"cached_tokens": 512}}  # fmt: skip
        return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})

    with LoopbackServer(intercept=answer) as server:
        given = {**files.settings, "teacher": settings_with(server), "types": ["description"], "workers": 1}
        given |= {"dedup": {"over_set": False}, "max_unreadable": None}
        with_repairs, three = load_settings(None, {**given, "repair": 1}), {**given["corpus"], "limit": 3}
        datagen.run({**given, "repair": 1, "corpus": three}, tmp_path / "few")
        datagen.run({**given, "repair": 1}, tmp_path / "run")
    found = estimate_run(with_repairs, tmp_path / "run")
    assert found.repair is not None and found.total.n_stored == 8
    assert (found.repair.n_prompt, found.repair.n_cached, found.repair.n_completion) == (1500, 512, 20)
    n_sent_back = (tmp_path / "run" / "replies.jsonl").read_bytes().count(b'"repair of ')
    assert MIN_MEASURED <= n_sent_back <= 8 == found.repair.n_samples
    assert found.repair.source == f"mean of {n_sent_back} stored repairs"
    few = estimate_run(load_settings(None, {**given, "repair": 1, "corpus": three}), tmp_path / "few")
    assert few.repair is not None and "assumed" in few.repair.source
    assert 1000 + 60 + 100 < few.repair.n_prompt < 1000 + 60 + 300, "its stored prompts and replies, though few"


def test_a_large_corpus_is_estimated_by_some_of_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=90)
    settings = settings_for(files)
    whole = estimate_run(settings)
    monkeypatch.setattr(estimate, "SAMPLED", 30)
    made = estimate_run(settings)
    assert whole.sampled is None and made.sampled is not None
    assert (made.sampled.n_images, made.sampled.of) == (30, 90)
    assert made == estimate_run(settings)
    assert (made.total.n_requests, made.total.n_most) == (whole.total.n_requests, whole.total.n_most)
    assert 0 < made.sampled.margin < 0.05
    assert made.total.n_prompt == pytest.approx(whole.total.n_prompt, rel=2 * made.sampled.margin)
    assert made.total.n_prompt != whole.total.n_prompt
    assert made.total.n_cached == pytest.approx(whole.total.n_cached, rel=0.02)
    assert made.cost_usd == pytest.approx(whole.cost_usd, rel=0.05)
    told = CliRunner().invoke(app, ["estimate", *files.options, "--teacher", "gpt-4o"]).output
    assert f"by 30 of 90 images: tokens in within {100 * made.sampled.margin:.2g} % (95 %)" in told


def test_where_replies_are_stored_every_request_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=6)
    datagen.run(files.settings, tmp_path / "run")
    monkeypatch.setattr(estimate, "SAMPLED", 2)
    made = estimate_run(load_settings(None, files.settings), tmp_path / "run")
    assert made.sampled is None and (made.total.n_requests, made.total.n_stored) == (0, 18)


def test_a_batch_costs_half_of_what_is_uncached(corpus_files: CorpusFiles) -> None:
    plain, batch = estimate_run(settings_for(corpus_files)), estimate_run(settings_for(corpus_files, batch=True))
    assert batch.cost_usd == pytest.approx(plain.uncached_usd / 2)
    assert batch.time_s is None and "24 hours" in batch.time_told


def test_the_runs_own_replies_say_what_the_rest_will_take(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=billed) as server:
        endpoint = {"name": "gpt-4o", "base_url": server.base_url}
        part = {**corpus_files.settings, "teacher": endpoint}
        part["corpus"] = {**part["corpus"], "limit": MIN_MEASURED}
        datagen.run(part, tmp_path / "run")
        settings = load_settings(None, {**corpus_files.settings, "teacher": endpoint})
        before = estimate_run(settings, tmp_path / "run")
        n_before = server.arrivals.total()
        made = datagen.run(settings, tmp_path / "run")
        assert server.arrivals.total() == n_before + before.total.n_requests
    assert (before.total.n_requests, before.total.n_stored) == (3, 3 * MIN_MEASURED)
    assert "stored replies" in before.by_type["conversation"].reply_source
    tokens = made.summary.tokens
    share = 3 / 18
    assert before.total.n_prompt == pytest.approx(share * tokens.prompt, rel=0.1)
    assert before.total.n_cached == pytest.approx(share * tokens.cached, rel=0.1)
    assert before.total.n_completion == pytest.approx(share * tokens.completion)
    assert before.spent_usd + before.cost_usd == pytest.approx(made.summary.cost_usd, rel=0.02)
    after = estimate_run(settings, tmp_path / "run")
    assert after.total.n_requests == 0 and after.cost_usd == 0
    assert after.spent_usd == pytest.approx(made.summary.cost_usd, rel=1e-4)


def test_a_reply_that_may_still_come_is_counted_as_to_be_sent(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=lambda body, arrival: "server_error") as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url, "max_attempts": 1}
        with pytest.raises(TeacherError, match="fails each of the first 3 requests"):
            datagen.run({**corpus_files.settings, "teacher": teacher}, tmp_path / "run")
    made = estimate_run(settings_for(corpus_files, base_url="http://localhost:1/v1"), tmp_path / "run")
    assert (made.total.n_requests, made.total.n_stored) == (18, 0)


def test_shards_are_estimated_each_by_itself_with_their_own_replies(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    settings = settings_for(corpus_files)
    whole = estimate_run(settings, tmp_path)
    shares = [estimate_run(settings, tmp_path, Shard(number, 4)) for number in range(1, 5)]
    assert [one.total.n_requests for one in shares] == [3, 6, 3, 6]
    assert sum(one.total.n_prompt for one in shares) == pytest.approx(whole.total.n_prompt)
    with LoopbackServer(intercept=billed) as server:
        run_shard(settings_for(corpus_files, base_url=server.base_url), Shard(2, 4), tmp_path, Silence())
    own, other = (estimate_run(settings, tmp_path, Shard(number, 4)) for number in (2, 3))
    assert (own.total.n_requests, own.total.n_stored) == (0, 6)
    assert own.spent_usd > 0 == other.spent_usd
    assert (other.total.n_requests, other.total.n_stored) == (3, 0)
    rest = estimate_run(settings, tmp_path)  # not merged yet: what all shards hold
    assert (rest.total.n_requests, rest.total.n_stored, rest.spent_usd) == (12, 6, own.spent_usd)
    told = CliRunner().invoke(app, ["estimate", *corpus_files.options, "--shard", "2/4", "--out", str(tmp_path)])
    assert "requests  6 to send" in told.output  # of another teacher: nothing of that is stored
    told = CliRunner().invoke(app, ["estimate", *corpus_files.options, "--shard", "2/4", "--engine", "ray"])
    assert told.exit_code == 2 and "made on one machine" in told.stderr


def test_what_a_killed_engine_of_workers_left_is_not_sent_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    settings = settings_for(corpus_files)
    with LoopbackServer(intercept=billed) as server:
        datagen.run({**corpus_files.settings, "teacher": settings_with(server)}, tmp_path)
    whole = estimate_run(settings, tmp_path)
    lines = (tmp_path / "replies.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "replies.jsonl").write_bytes(b"".join(lines[:7]))
    (tmp_path / "summary.json").unlink()
    held = RunFolder(tmp_path).asked / "0badcafe-000001-001.jsonl"
    held.parent.mkdir()
    held.write_bytes(b"".join(lines[7:]))
    assert estimate_run(settings, tmp_path) == whole
    told = CliRunner().invoke(app, ["status", str(tmp_path)]).output
    assert "replies   18 stored, 18 samples planned" in told
    assert f"cost      ${whole.spent_usd:.4f}" in told


@pytest.mark.parametrize(
    ("teacher", "told", "is_longer"),
    [
        ({}, "both assumed", False),
        ({"concurrency": 2}, "2 in flight", True),
        ({"rpm": 6}, "the rpm of 6", True),
        ({"tpm": 1000}, "the tpm of 1000", True),
    ],
)
def test_time_follows_the_limits(corpus_files: CorpusFiles, teacher: Any, told: str, is_longer: bool) -> None:
    made, free = estimate_run(settings_for(corpus_files, **teacher)), estimate_run(settings_for(corpus_files))
    assert told in made.time_told
    assert made.time_s is not None and free.time_s is not None
    assert (made.time_s > free.time_s) == is_longer
    if "rpm" in teacher:
        assert made.time_s == pytest.approx(180)


def test_the_command_sends_and_writes_nothing(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*arguments: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    out = tmp_path / "run"
    options = [*corpus_files.options, "--teacher", "gpt-4o", "--budget-usd", "0.01", "--out", str(out)]
    result = CliRunner().invoke(app, ["estimate", *options])
    assert result.exit_code == 0, result.output
    assert not out.exists()
    for told in (
        "18 to send",
        "few-shots",
        "likely cached",
        "cost      $0.",
        "bundled table of",
        "ends the run after about",
    ):
        assert told in result.output, told


def test_the_command_tells_what_it_does_not_know(corpus_files: CorpusFiles) -> None:
    def told(*options: str) -> str:
        result = CliRunner().invoke(app, ["estimate", *corpus_files.options, *options])
        assert result.exit_code == 0, result.output
        return result.output

    assert "unknown" in told("--teacher", "unheard-of") and "--prices" in told("--teacher", "unheard-of")
    assert "free" in told()
    assert "bears it" in told("--teacher", "gpt-4o", "--budget-usd", "100")


def test_it_takes_the_options_of_run() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    names = [{option.name for option in commands[name].params} for name in ("run", "estimate")]
    assert names[0] == names[1]


def test_a_dataset_made_elsewhere_asks_nobody(tmp_path: Path) -> None:
    settings = load_settings(None, {"corpus.dataset": str(tmp_path / "data.json")})
    with pytest.raises(SettingsError, match="nothing to estimate"):
        estimate_run(settings)


def test_durations_are_told_in_the_unit_that_fits() -> None:
    assert [duration(seconds) for seconds in (12, 600, 7200)] == ["12 s", "10 min", "2.0 h"]


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


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"checks.skip": ["nothing"]}, "there is no check 'nothing'"),
        ({"retry": ["nosuch"]}, "is counted once it is run"),
        ({"validator.device": "gpu"}, "a device is auto, cpu, cuda, cuda:N or mps"),
        ({"validator.device": "cpu,"}, "a device is auto, cpu, cuda, cuda:N or mps"),
        ({"teacher.max_tokens": 10**20}, "max_tokens"),
        ({"teacher.timeout_s": float("inf")}, "timeout_s"),
        ({"teacher.timeout_s": float("nan")}, "timeout_s"),
        ({"validator.name": "nano", "corpus.images": None}, "needs the pictures"),
        ({"teacher.name": "m", "teacher.show_images": True, "corpus.images": None}, "needs the pictures"),
    ],
    ids=str,
)
def test_what_a_run_refuses_an_estimate_refuses_in_the_same_words(
    given: dict[str, Any], told: str, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        estimate_run(load_settings(None, {**corpus_files.settings, **given}))
    if "retry" not in given:
        with pytest.raises(SettingsError) as run:
            run_local(load_settings(None, {**corpus_files.settings, **given}), tmp_path / "run", Silence())
        assert str(run.value) == str(refused.value)
    assert not (tmp_path / "run").exists()
