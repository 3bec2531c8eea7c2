"""A run that is killed again and again ends like one that was never disturbed."""

import os
import random
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import RESULTS, CorpusFiles, make_corpus, same
from loopback import LoopbackServer, digest_of, reply_for
from started import COMMAND, Started, end_well

from datagen.records import Reply
from datagen.store import read_facts

WAY_FAULTS = {
    "rate_limited": 0.05, "server_error": 0.03, "unavailable": 0.02, "dropped": 0.03, "cut": 0.02, "slow": 0.1,
    "html": 0.02, "cut_json": 0.02, "no_choices": 0.01,
}  # fmt: skip
ANSWER_FAULTS = {"empty": 0.08, "length": 0.08, "refusal": 0.08}
CONCURRENCY = 4


def command(files: CorpusFiles, url: str, out: Path) -> list[str]:
    return [
        "run", *files.options, "--teacher", "loopback", "--base-url", url,
        "--concurrency", str(CONCURRENCY), "--out", str(out), "--max-failed", "1",
    ]  # fmt: skip


def finish(files: CorpusFiles, url: str, out: Path) -> None:
    end_well(command(files, url, out), out.with_suffix(".told"))


def stored(out: Path) -> list[Reply]:
    path = out / "replies.jsonl"
    return [reply for _, reply in read_facts(path, Reply) if reply is not None] if path.exists() else []


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=40)


def test_killed_ten_times_it_loses_nothing_and_asks_nothing_twice(files: CorpusFiles, tmp_path: Path) -> None:
    said: dict[str, str] = {}

    def reply(body: Mapping[str, Any]) -> str:
        said[digest_of(body)] = text = reply_for(body)
        return text

    with LoopbackServer(WAY_FAULTS, reply=reply, slow_s=0.05, retry_after_s=0.02) as calm:
        finish(files, calm.base_url, tmp_path / "calm")
    out = tmp_path / "killed"
    kill_after = sorted(random.Random(7).sample(range(3, 110), 10))
    with LoopbackServer(WAY_FAULTS, reply=reply, slow_s=0.05, retry_after_s=0.02) as server:
        for n_answers in kill_after:
            process = Started(command(files, server.base_url, out), tmp_path / "told")
            process.wait_until(lambda n=n_answers: server.answered.total() >= n)  # type: ignore[misc]
            process.kill()
            texts = {reply.text for reply in stored(out)}
            asked_before = {digest: server.arrivals[digest] for digest, text in said.items() if text in texts}
        finish(files, server.base_url, out)
        for digest, n_arrivals in asked_before.items():
            assert server.arrivals[digest] == n_arrivals, "a stored reply was asked for again"
        n_paid_twice = server.answered.total() - len(server.answered)
        assert n_paid_twice <= CONCURRENCY * len(kill_after)
    digests = [reply.request_digest for reply in stored(out)]
    assert len(digests) == len(set(digests)) == 120
    same(out, tmp_path / "calm", *RESULTS)


@pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody remove an open file")
@pytest.mark.parametrize("what", ["folder removed", "folder moved", "replies removed", "replies cut"])
def test_what_is_taken_away_in_mid_run_is_not_paid_twice(files: CorpusFiles, tmp_path: Path, what: str) -> None:
    out, moved = tmp_path / "out", tmp_path / "moved"
    with LoopbackServer(delay_s=0.1) as server:
        process = Started(command(files, server.base_url, out), tmp_path / "told")
        process.wait_until(lambda: server.answered.total() >= 30)
        if what == "folder removed":
            shutil.rmtree(out)
        elif what == "folder moved":
            out.rename(moved)
        elif what == "replies removed":
            (out / "replies.jsonl").unlink()
        else:
            os.truncate(out / "replies.jsonl", 0)
        assert process.wait() == 1
        assert "while the run went on, so it stopped before more is paid for" in process.told.splitlines()[-1]
        assert server.answered.total() < 120
        finish(files, server.base_url, moved if what == "folder moved" else out)
        n_twice = server.answered.total() - len(server.answered)
        assert len(server.answered) == 120
        assert n_twice >= 30 - CONCURRENCY if what == "replies cut" else n_twice == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("in_background", [False, True])
def test_a_polite_end_stores_what_is_in_flight(files: CorpusFiles, tmp_path: Path, *, in_background: bool) -> None:
    """In the background of a script Ctrl-C is ignored, and asyncio has no handler of its own for it then."""
    out = tmp_path / "out"
    with LoopbackServer(delay_s=0.5) as server:
        code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {COMMAND}" if in_background else COMMAND
        process = Started(command(files, server.base_url, out), tmp_path / "told", code)
        for number, n_arrivals in (((signal.SIGINT, 3),) if in_background else ()) + ((signal.SIGTERM, 9),):
            process.wait_until(lambda n=n_arrivals: server.arrivals.total() >= n)  # type: ignore[misc]
            process.send_signal(number)
        assert process.wait() == 130, process.told
        assert len(stored(out)) == server.answered.total() == server.arrivals.total()


def test_every_request_ends_accepted_or_rejected_with_a_reason(files: CorpusFiles, tmp_path: Path) -> None:
    import datagen

    with LoopbackServer({**WAY_FAULTS, **ANSWER_FAULTS}, slow_s=0.05, retry_after_s=0.02) as server:
        finish(files, server.base_url, tmp_path / "run")
    run = datagen.open_run(tmp_path / "run")
    samples = list(run.iter_samples())
    assert len(samples) == 120
    rejected = [sample for sample in samples if sample.status == "rejected"]
    assert all(sample.stage and sample.reason and sample.detail for sample in rejected)
    assert {"refused", "empty_reply"} <= {sample.reason for sample in rejected}
    assert all(sample.turns for sample in samples if sample.status == "accepted")
    assert run.summary.tokens.completion > 0


def test_late_settings_ask_nothing_and_an_edited_prompt_asks_its_type_alone(files: CorpusFiles, tmp_path: Path) -> None:
    import shutil

    from datagen.recipes import bundled_folder

    own = tmp_path / "own"
    for name in ("prompts", "seeds"):
        shutil.copytree(bundled_folder(name), own / name)
    with LoopbackServer() as server:
        base = [*command(files, server.base_url, tmp_path / "run"), "--recipes-dir", str(own), "--limit", "5"]
        told = tmp_path / "told"
        end_well(base, told)
        assert server.arrivals.total() == 15
        end_well([*base, "--set", "dedup.threshold=0.7", "--max-failed", "0.5", "--change"], told)
        assert server.arrivals.total() == 15
        prompt = own / "prompts" / "reasoning" / "system.txt"
        prompt.write_text(prompt.read_text(encoding="utf-8") + "\nBe brief.", encoding="utf-8")
        end_well(["resume", str(tmp_path / "run")], told)
        assert server.arrivals.total() == 20
