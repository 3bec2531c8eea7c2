"""Batches: each request is paid for once and answered, whatever becomes of the batches and whenever the run is killed."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, same
from loopback import LoopbackServer
from loopback_batches import BatchDesk, expired_line, status_line
from started import Started
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.engines import ask_in_batches
from datagen.engines.progress import Silence
from datagen.errors import BudgetError, RunError, SettingsError, TeacherError
from datagen.records import BatchFact, Reply
from datagen.store import read_facts

N_REQUESTS = 18
DERIVED = ("samples.jsonl", "dataset.json", "summary.json")


class Told(Silence):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_in_batches, "POLL_S", 0.0)
    monkeypatch.setattr("datagen.teacher.batch.FIRST_PAUSE_S", 0.0)


def run(files: CorpusFiles, server: LoopbackServer, out: Path, progress: Told | None = None, **teacher: Any) -> Any:
    settings = {"name": "gpt-4o", "base_url": server.base_url, "batch": True, **teacher}
    return datagen.run({**files.settings, "teacher": settings}, out, progress=progress)


def stored(out: Path) -> list[Reply]:
    return [reply for _, reply in read_facts(out / "replies.jsonl", Reply) if reply is not None]


def facts(out: Path) -> list[BatchFact]:
    return [fact for _, fact in read_facts(out / "batches.jsonl", BatchFact) if fact is not None]


def asked_of(desk: BatchDesk) -> list[set[str]]:
    """Custom ids of each batch."""
    files = (desk.files[batch["input_file_id"]] for batch in desk.batches.values())
    return [{json.loads(line)["custom_id"] for line in content.splitlines()} for content in files]


def test_a_batch_gives_what_single_requests_give_for_half_the_price(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    told = Told()
    with LoopbackServer() as server:
        made = run(corpus_files, server, tmp_path / "batch", told)
        assert server.arrivals.total() == 0
        single = run(corpus_files, server, tmp_path / "single", batch=False)
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS
    assert (tmp_path / "batch" / "dataset.json").read_bytes() == (tmp_path / "single" / "dataset.json").read_bytes()
    assert made.summary.cost_usd == pytest.approx(single.summary.cost_usd / 2, abs=2e-6)
    assert made.summary.tokens == single.summary.tokens
    assert [fact.state for fact in facts(tmp_path / "batch")] == ["uploaded", "created", "ended"]
    assert "batch_1: 18 requests sent" in told.notes
    assert any("completed, 18 of 18 done" in note for note in told.notes)
    assert not (tmp_path / "batch" / ".batch.jsonl.unfinished").exists()


@pytest.mark.parametrize("shows", [False, True])
def test_the_lines_are_what_single_requests_would_send(corpus_files: CorpusFiles, tmp_path: Path, shows: bool) -> None:
    with LoopbackServer() as server:
        run(corpus_files, server, tmp_path / "batch", show_images=shows)
        run(corpus_files, server, tmp_path / "single", batch=False, show_images=shows)
    (content,) = (server.desk.files[batch["input_file_id"]] for batch in server.desk.batches.values())
    bodies = [json.loads(line)["body"] for line in content.splitlines()]
    singles = [body for _, body in server.seen]
    assert sorted(map(json.dumps, bodies)) == sorted(map(json.dumps, singles))
    assert all(("data:image/jpeg;base64," in json.dumps(body["messages"][-1])) == shows for body in bodies)


def test_files_keep_to_the_limits_and_several_batches_are_open_at_once(
    corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_in_batches, "MAX_REQUESTS", 4)
    monkeypatch.setattr(ask_in_batches, "MAX_OPEN", 3)
    open_at_once = []
    with LoopbackServer() as server:

        def count(method: str, path: str) -> bool:
            waiting = [b for b in server.desk.batches.values() if b["status"] != "completed"]
            open_at_once.append(len(waiting))
            return False

        server.desk.after = count
        run(corpus_files, server, tmp_path / "run")
        assert [len(asked) for asked in asked_of(server.desk)] == [4, 4, 4, 4, 2]
        assert max(open_at_once) == 3
        assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


def test_files_keep_to_the_bytes(corpus_files: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_in_batches, "MAX_BYTES", 60_000)
    with LoopbackServer() as server:
        run(corpus_files, server, tmp_path / "run")
        assert len(server.desk.batches) > 1
        inputs = [len(server.desk.files[batch["input_file_id"]]) for batch in server.desk.batches.values()]
    assert max(inputs) <= 60_000 < sum(inputs[:2])
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


@pytest.mark.parametrize("status", ["completed", "expired", "cancelled"])
def test_what_a_batch_leaves_open_is_asked_again(corpus_files: CorpusFiles, tmp_path: Path, status: str) -> None:
    with LoopbackServer() as server:
        server.desk.states = lambda number: ("in_progress", status if number == 1 else "completed")
        server.desk.fate = lambda line, n: expired_line(line) if n == 1 and int(line["custom_id"], 16) % 3 else None
        made = run(corpus_files, server, tmp_path / "run")
    first, second = asked_of(server.desk)
    assert len(first) == N_REQUESTS and 0 < len(second) < N_REQUESTS and second < first
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS
    assert made.summary.rejected_by_stage.get("teacher") is None


def test_a_batch_that_expired_before_it_began_has_no_files_and_is_asked_again(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer() as server:
        server.desk.states = lambda number: ("cancelled",) if number == 1 else ("completed",)
        server.desk.fate = lambda line, number: {"not": "a line"} if number == 1 else None
        run(corpus_files, server, tmp_path / "run")
    assert server.desk.paid.total() == N_REQUESTS


def test_requests_that_never_get_an_answer_are_given_up_after_a_few_rounds(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer() as server:
        server.desk.fate = lambda line, number: status_line(line, 500, "overloaded")
        made = run(corpus_files, server, tmp_path / "run")
        assert len(server.desk.batches) == ask_in_batches.MAX_IN_VAIN
        assert made.summary.rejected_by_stage["teacher"] == {"gave_up": N_REQUESTS}
        server.desk.fate = lambda line, number: None
        again = run(corpus_files, server, tmp_path / "run")
    assert again.summary.rejected_by_stage.get("teacher") is None


def test_a_rejected_request_costs_itself_and_is_sent_once(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.desk.fate = lambda line, n: status_line(line, 400, "odd") if int(line["custom_id"], 16) % 3 else None
        made = run(corpus_files, server, tmp_path / "run")
    assert len(server.desk.batches) == 1
    n_rejected = made.summary.rejected_by_stage["teacher"]["request_rejected"]
    assert n_rejected == N_REQUESTS - server.desk.paid.total()


def test_a_parameter_that_the_model_refuses_is_left_out_also_after_a_new_start(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."

    def fate(line: dict[str, Any], number: int) -> dict[str, Any] | None:
        del number
        return status_line(line, 400, message) if "max_tokens" in line["body"] else None

    with LoopbackServer() as server:
        server.desk.fate = fate
        run(corpus_files, server, tmp_path / "run")
        assert len(server.desk.batches) == 2
        (tmp_path / "run" / "replies.jsonl").unlink()
        (tmp_path / "run" / ".sizes.cache").unlink()  # which says that they were paid for
        run(corpus_files, server, tmp_path / "run")
        assert len(server.desk.batches) == 3
    assert {name for fact in facts(tmp_path / "run") for name in fact.refused} == {"max_tokens"}


def test_a_batch_refused_as_a_whole_ends_the_run_in_a_sentence_and_costs_nothing(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer() as server:
        server.desk.states = lambda number: ("validating", "failed") if number == 1 else ("completed",)
        server.desk.errors = lambda number: [{"code": "invalid_json", "message": "line 3 is odd", "line": 3}]
        with pytest.raises(TeacherError, match=r"refuses batch_1.*invalid_json: line 3 is odd"):
            run(corpus_files, server, tmp_path / "run")
        run(corpus_files, server, tmp_path / "run")
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


def test_where_fewer_tokens_may_wait_batches_become_smaller(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:

        def is_too_large(number: int) -> bool:
            return len(asked_of(server.desk)[number - 1]) > 5 if number <= len(server.desk.batches) else True

        server.desk.states = lambda number: ("validating", "failed" if is_too_large(number) else "completed")
        server.desk.errors = lambda number: [{"code": "token_limit_exceeded", "message": "too many", "line": None}]
        run(corpus_files, server, tmp_path / "run")
        assert [len(asked) for asked in asked_of(server.desk)][:3] == [18, 9, 9]
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


@pytest.mark.parametrize(
    "step", [("POST", "/v1/files"), ("POST", "/v1/batches"), ("GET", "/content"), ("GET", "/v1/b")]
)
def test_an_answer_lost_on_the_way_costs_nothing_twice(
    corpus_files: CorpusFiles, tmp_path: Path, step: tuple[str, str]
) -> None:
    met: Counter[str] = Counter()

    def lose_first(method: str, path: str) -> bool:
        is_meant = method == step[0] and step[1] in path
        met["it"] += is_meant
        return is_meant and met["it"] == 1

    with LoopbackServer() as server:
        server.desk.after = lose_first
        run(corpus_files, server, tmp_path / "run")
    assert met["it"] > (step != ("POST", "/v1/batches"))  # that one is found, not made again
    assert len(server.desk.batches) == 1
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


def test_an_endpoint_without_batches_is_told_as_such(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server, pytest.raises(TeacherError, match=r"no batches.*leave out teacher\.batch"):
        run(corpus_files, server, tmp_path / "run", base_url=server.base_url + "/elsewhere")


def test_an_uploaded_file_that_is_gone_ends_in_a_sentence_and_is_sent_anew(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer() as server:

        def forget(method: str, path: str) -> bool:
            if (method, path) == ("POST", "/v1/files") and len(server.desk.files) == 1:
                server.desk.files = {"another": b""}
            return False

        server.desk.after = forget
        with pytest.raises(TeacherError, match="does not find the file file-in-1"):
            run(corpus_files, server, tmp_path / "run")
        run(corpus_files, server, tmp_path / "run")
    assert [fact.status for fact in facts(tmp_path / "run") if fact.state == "ended"] == ["lost", "completed"]
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


def test_an_answer_without_text_says_why(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.desk.complete = lambda body: {
            "choices": [{"message": {"content": None}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7},
        }
        made = run(corpus_files, server, tmp_path / "run")
    assert made.summary.rejected_by_stage["teacher"] == {"empty_reply": N_REQUESTS}
    assert all("all tokens were spent" in (reply.detail or "") for reply in stored(tmp_path / "run"))
    assert made.summary.cost_usd == pytest.approx(N_REQUESTS * (5 * 2.5 + 7 * 10) / 2e6, abs=1e-6)


def test_strange_answers_are_passed_over(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:

        def spoil(method: str, path: str) -> bool:
            for name in [name for name in server.desk.files if name.startswith("file-out")]:
                lines = server.desk.files[name].splitlines(keepends=True)
                odd = b'not json\n{"custom_id": "nobody"}\n[]\n\n' + b'{"custom_id": 3}\n'
                if b"not json" not in lines[0]:
                    server.desk.files[name] = odd + b"".join(lines) + lines[0]
            return False

        server.desk.after = spoil
        made = run(corpus_files, server, tmp_path / "run")
    assert made.summary.samples == N_REQUESTS
    assert Counter(Counter(r.request_digest for r in stored(tmp_path / "run")).values()) == {1: N_REQUESTS}


def test_the_budget_bounds_all_open_batches(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        with pytest.raises(BudgetError, match="is used up"):
            run(corpus_files, server, tmp_path / "run", budget_usd=0.02)
        spent = sum(reply.cost_usd or 0 for reply in stored(tmp_path / "run"))
        assert 0 < spent <= 0.02
        assert 0 < server.desk.paid.total() < N_REQUESTS
        run(corpus_files, server, tmp_path / "run", budget_usd=5.0)
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS


@pytest.mark.parametrize("lost", ["batch", "output file"])
@pytest.mark.parametrize("goes_on_by_batch", [True, False])
def test_what_the_endpoint_no_longer_finds_is_said_once_and_then_asked_anew(
    corpus_files: CorpusFiles, tmp_path: Path, lost: str, goes_on_by_batch: bool
) -> None:
    def lose(method: str, path: str) -> bool:
        if lost == "batch":
            server.desk.batches.clear()
        for name in [name for name in server.desk.files if name.startswith("file-out")]:
            del server.desk.files[name]
        return False

    with LoopbackServer() as server:
        server.desk.after = lose
        with pytest.raises(TeacherError, match=r"does not find batch_1.*another project.*asked anew"):
            run(corpus_files, server, tmp_path / "run")
    told = Told()
    with LoopbackServer() as server:
        made = run(corpus_files, server, tmp_path / "run", told, batch=goes_on_by_batch)
        n_asked = server.desk.paid.total() + server.answered.total()
    assert made.summary.samples == n_asked == N_REQUESTS and made.summary.accepted > 0
    assert any("still not found" in note for note in told.notes)


def test_without_batch_open_batches_are_not_paid_for_again(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.desk.states = lambda number: ("in_progress", "failed")
        with pytest.raises(TeacherError):
            run(corpus_files, server, tmp_path / "run")
        ended = (tmp_path / "run" / "batches.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "run" / "batches.jsonl").write_bytes(b"".join(ended[:2]))
        with pytest.raises(RunError, match=r"1 batches are not collected yet; start again with teacher\.batch"):
            run(corpus_files, server, tmp_path / "run", batch=False)
        assert server.arrivals.total() == 0


def test_batches_need_an_endpoint(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", *corpus_files.options, "--batch", "--out", str(tmp_path / "run")])
    assert result.exit_code == SettingsError.exit_code
    assert "--batch needs an endpoint" in result.output


# Killed in every state

SCRIPT = """
import os, sys
from datagen.engines import ask_in_batches
from datagen.cli import main
ask_in_batches.POLL_S, ask_in_batches.MAX_REQUESTS = 0.01, 7
n_left = int(sys.argv.pop(1))
add = ask_in_batches.ReplyStore.add
def add_then_die(self, reply):
    global n_left
    add(self, reply)
    n_left -= 1
    if n_left == 0:
        os._exit(9)
ask_in_batches.ReplyStore.add = add_then_die
main()
"""


class Killed:
    """A run in a process of its own, killed once the server has taken a step, before it hears of it."""

    def __init__(self, files: CorpusFiles, server: LoopbackServer, out: Path) -> None:
        self._command = ["run", *files.options, "--teacher", "gpt-4o", "--base-url", server.base_url, "--batch"]
        self._command += ["--out", str(out)]
        self._told = out.with_suffix(".told")
        self._desk = server.desk

    def start(self, kill_at: Callable[[int], bool] = lambda n: False, n_replies: int = 0) -> int:
        n_steps = 0

        def after(method: str, path: str) -> bool:
            nonlocal n_steps
            n_steps += 1
            if kill_at(n_steps):
                process.send_signal(9)  # Windows has no SIGKILL; it is waited for in another thread
                return True
            return False

        self._desk.after = after
        process = Started([str(n_replies), *self._command], self._told, SCRIPT)
        status = process.wait()
        assert status in (0, 9, -9), process.told
        return status


@pytest.fixture(scope="module")
def calm(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("calm") / "run"
    with LoopbackServer() as server:
        assert Killed(corpus_files, server, out).start() == 0
    return out


def check(server: LoopbackServer, out: Path, calm: Path) -> None:
    assert server.desk.paid.total() == len(server.desk.paid) == N_REQUESTS
    assert len(server.desk.batches) == 3
    assert {r.request_digest for r in stored(out)} == set(server.desk.paid)
    same(out, calm, *DERIVED)


def test_killed_at_each_step_in_turn_it_pays_for_nothing_twice(
    corpus_files: CorpusFiles, tmp_path: Path, calm: Path
) -> None:
    out, n_kills = tmp_path / "run", 0
    with LoopbackServer() as server:
        killed = Killed(corpus_files, server, out)
        for kill_at in (1, 2, 3, 4, 6, 4, 9, 10):
            n_kills += killed.start(lambda n, at=kill_at: n == at) != 0  # type: ignore[misc]
        killed.start()
        check(server, out, calm)
    assert n_kills >= 6


def test_killed_while_it_stores_the_answers_it_loses_none(
    corpus_files: CorpusFiles, tmp_path: Path, calm: Path
) -> None:
    out = tmp_path / "run"
    with LoopbackServer() as server:
        killed = Killed(corpus_files, server, out)
        assert [killed.start(n_replies=n) for n in (1, 6, 4)] == [9, 9, 9]
        assert killed.start() == 0
        check(server, out, calm)
    assert len(stored(out)) == N_REQUESTS


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"<html>expired</html>",
        lambda content: bytes(len(content)),
        lambda content: content.replace(b'"custom_id": "', b'"custom_id": "x'),
        None,
    ],
    ids=["empty", "half", "html", "zeros", "of others", "no file"],
)
@pytest.mark.parametrize("comes_back", [True, False])
def test_paid_answers_that_are_not_in_their_file_are_not_paid_again_unsaid(
    damage: Callable[[bytes], bytes] | None, comes_back: bool, corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    kept: dict[str, Any] = {}
    with LoopbackServer() as server:

        def spoil(method: str, path: str) -> bool:
            batch = server.desk.batches.get("batch_1", {})
            if batch.get("status") == "completed" and not kept:
                kept.update(batch, content=server.desk.files[batch["output_file_id"]])
                if damage is None:
                    batch["output_file_id"] = None
                else:
                    server.desk.files[batch["output_file_id"]] = damage(kept["content"])
            return False

        server.desk.after = spoil
        with pytest.raises(TeacherError, match=r"does not find batch_1, or all .* requests are done, and \d+ answers"):
            run(corpus_files, server, tmp_path / "run")
        assert len(server.desk.batches) == 1
        if comes_back:
            server.desk.batches["batch_1"]["output_file_id"] = kept["output_file_id"]
            server.desk.files[kept["output_file_id"]] = kept["content"]
        told = Told()
        assert run(corpus_files, server, tmp_path / "run", told).summary.samples == N_REQUESTS
        assert len(server.desk.batches) == (1 if comes_back else 2)
        assert any("still not found" in note for note in told.notes) != comes_back
