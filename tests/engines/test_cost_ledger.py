"""One budget for all endpoints of a run: what validators and embeddings bill is kept, counted, told and resumed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, same
from loopback import Answer, LoopbackServer, error_answer, json_answer, reply_for, vector_for

import datagen
from datagen.cli.printed import outcome_lines, status_lines
from datagen.config import Settings, load_settings
from datagen.endpoint import client
from datagen.engines.cost_ledger import Ledger
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.errors import BudgetError, EmbeddingError, ValidatorError
from datagen.records import Bill, QuestionVector, Score, Usage
from datagen.store import RunFolder, read_facts

KEY = "sk-very-secret-0123456789"
PRICED = {"price_in_usd_per_mtok": 10.0, "price_out_usd_per_mtok": 10.0}
DERIVED = ("samples.jsonl", "dataset.json", "README.md")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.001)
    for name in ("OPENAI_API_KEY", "VALIDATOR_API_KEY"):
        monkeypatch.setenv(name, KEY)


def say(text: str, n_prompt: int = 500) -> Answer:
    usage = {"prompt_tokens": n_prompt, "completion_tokens": 1}
    return json_answer(200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


def yes(body: dict[str, Any], arrival: int) -> Answer | None:
    """Names the first of a validator's answers; the teacher and embeddings get the server's own replies."""
    if "image_url" not in json.dumps(body):
        return None
    question = body["messages"][0]["content"][1]["text"]
    return say(re.split(", | or ", question.partition("Answer only with ")[2])[0])


def watched(files: CorpusFiles, server: LoopbackServer, **more: Any) -> dict[str, Any]:
    """The embedded teacher, a served validator and embeddings."""
    validator = {"name": f"endpoint:{server.base_url}#eyes", "max_attempts": 2, **PRICED, **more.pop("validator", {})}
    embeddings = {"model": "v", "base_url": server.base_url, "max_attempts": 2, "batch_size": 4}
    embeddings |= {"price_in_usd_per_mtok": 10.0, **more.pop("embeddings", {})}
    return {**files.settings, "validator": validator, "dedup": {"embeddings": embeddings}, **more}


def bills(out: Path) -> list[Bill]:
    return [bill for _, bill in read_facts(out / "costs.jsonl", Bill) if bill is not None]


def everything_in(out: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in out.rglob("*") if path.is_file())


def test_the_cost_of_a_run_is_the_sum_of_all_three(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(intercept=yes, reply=lambda body: f"A dog sits here. {reply_for(body)}") as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url, "budget_usd": 50.0}
        run = datagen.run(watched(corpus_files, server, teacher=teacher, types=["description"]), tmp_path)
    summary = run.summary
    by = summary.cost_usd_by
    assert by and list(by) == ["teacher", "embeddings", "validator"] and all(by.values())
    assert summary.cost_usd == pytest.approx(sum(usd or 0 for usd in by.values()), abs=1e-5)
    for name in ("embeddings", "validator"):
        assert by[name] == pytest.approx(sum(b.cost_usd or 0 for b in bills(tmp_path) if b.by == name), abs=1e-5)
    told = f"teacher ${by['teacher']:.4f}, embeddings ${by['embeddings']:.4f}, validator ${by['validator']:.4f}"
    assert told in "\n".join(outcome_lines(summary, tmp_path))
    assert told in "\n".join(status_lines(run))
    assert f"({told})" in (tmp_path / "README.md").read_text()
    assert KEY not in everything_in(tmp_path)


def test_without_endpoints_nothing_is_told_of_them(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run = datagen.run(corpus_files.settings, tmp_path)
    assert not run.summary.cost_usd_by and "cost_usd_by" not in (tmp_path / "summary.json").read_text()
    assert not (tmp_path / "costs.jsonl").exists()


def spent_until_it_ended(corpus_files: CorpusFiles, out: Path, server: LoopbackServer, budget_usd: float) -> float:
    teacher = {"budget_usd": budget_usd}
    with pytest.raises(BudgetError, match=r"is used up: .*higher teacher\.budget_usd"):
        datagen.run(watched(corpus_files, server, teacher=teacher), out)
    spent = sum(bill.cost_usd or 0 for bill in bills(out))
    assert 0 < spent <= budget_usd
    return spent


def test_a_budget_ends_the_questions_to_a_validator_and_a_resume_goes_on(
    corpus_files: CorpusFiles, tmp_path: Path
) -> None:
    with LoopbackServer(intercept=yes, embed=vector_for) as server:
        calm = datagen.run(watched(corpus_files, server), tmp_path / "calm")
        n_questions = sum(bill.by == "validator" for bill in bills(tmp_path / "calm"))
        server.arrivals.clear()
        out = tmp_path / "run"
        # Half of the questions at 500 tokens and 10 USD a million, and what one more may cost at first.
        budget_usd = n_questions / 2 * 0.00501 + 0.15
        first = spent_until_it_ended(corpus_files, out, server, budget_usd)
        n_scores = len([score for _, score in read_facts(out / "scores.jsonl", Score) if score])  # type: ignore[arg-type]
        assert 0 < n_scores == sum(bill.by == "validator" for bill in bills(out)) < n_questions
        n_asked = server.arrivals.total()
        assert spent_until_it_ended(corpus_files, out, server, 0.001 + first) == first
        assert server.arrivals.total() == n_asked  # what was spent before counts: nothing more is sent
        datagen.run(watched(corpus_files, server, teacher={"budget_usd": 50.0}), out)
        assert set(server.arrivals.values()) == {1}  # nothing is paid for twice
    assert len(bills(out)) == len(bills(tmp_path / "calm"))
    same(out, tmp_path / "calm", *DERIVED)
    assert datagen.open_run(out).summary.cost_usd == calm.summary.cost_usd


def test_a_budget_ends_the_embeddings_and_a_resume_goes_on(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    asked = {"embeddings": {"batch_size": 1, "concurrency": 2}}
    with LoopbackServer(intercept=yes, embed=vector_for) as server:
        settings = watched(corpus_files, server, validator={"name": "none"}, **asked)
        datagen.run(settings, tmp_path / "calm")
        n_all, spent = len(bills(tmp_path / "calm")), sum(bill.cost_usd or 0 for bill in bills(tmp_path / "calm"))
        server.embedded.clear()
        out = tmp_path / "run"
        with pytest.raises(BudgetError, match="is used up"):
            datagen.run({**settings, "teacher": {"budget_usd": spent / 2}}, out)
        vectors = [fact for _, fact in read_facts(out / "vectors.jsonl", QuestionVector) if fact]
        assert 0 < len(vectors) == len(bills(out)) < n_all
        datagen.run({**settings, "teacher": {"budget_usd": 5.0}}, out)
        assert len(bills(out)) == n_all and set(server.embedded.values()) == {1}
    same(out, tmp_path / "calm", *DERIVED)


class Notes(Silence):
    """Keeps what is worth reading once."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, sentence: str) -> None:
        self.told.append(sentence)


def test_damaged_lines_of_every_log_are_told_by_number(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    names = ("replies", "costs", "vectors", "scores", "decisions")
    with LoopbackServer(intercept=yes, reply=lambda body: f"A dog sits here. {reply_for(body)}") as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url, "budget_usd": 50.0}
        settings = load_settings(None, watched(corpus_files, server, teacher=teacher, types=["description"]))
        run_local(settings, tmp_path, Silence())
        for n, name in enumerate(names, start=1):
            with (tmp_path / f"{name}.jsonl").open("ab") as file:
                file.write(b'{"damaged": \xff}\n' * n)
        notes = Notes()
        run_local(settings, tmp_path, notes)
    for n, name in enumerate(names, start=1):
        told = f"{tmp_path / name}.jsonl: {n} damaged line{'s' * (n > 1)} passed over; "
        assert [note for note in notes.told if note.startswith(told)], (name, notes.told)


def test_bills_are_read_back_and_priced_when_a_price_is_known(tmp_path: Path) -> None:
    def ledger_of(**overrides: Any) -> Ledger:
        given = {"corpus.captions": ["c"], "corpus.images": "i", "validator.name": "endpoint:http://h/v1#eyes"}
        return Ledger(load_settings(None, {**given, **overrides}), RunFolder(tmp_path))

    ledger = ledger_of()
    keep = ledger.payment("validator").keep
    assert keep is not None
    keep("eyes", Usage(1_000_000, 0, 100_000))
    ledger.close()
    with (tmp_path / "costs.jsonl").open("ab") as file:
        file.write(b'{"by":"validator","model":"ey')  # torn
    assert ledger_of().billed() == {"validator": None}
    prices = {"validator.price_in_usd_per_mtok": 1.0, "validator.price_out_usd_per_mtok": 10.0}
    assert ledger_of(**prices).billed() == {"validator": 2.0}
    bounded = ledger_of(**prices, **{"teacher.budget_usd": 9.0})
    bounded.begin(0.5)
    assert bounded.budget is not None and bounded.budget.spent_usd == 2.5
    assert list(bounded.uncounted()) == []
    assert [told.split(",")[0] for told in ledger_of(**{"teacher.budget_usd": 9.0}).uncounted()] == [
        "--budget-usd leaves out what the validator's endpoint may bill"
    ]


def test_a_free_validator_of_ones_own_needs_one_word(tmp_path: Path) -> None:
    given = {"corpus.captions": ["c"], "corpus.images": "i", "validator.name": "endpoint:http://h/v1#eyes"}
    settings: Settings = load_settings(
        None, {**given, "teacher.budget_usd": 1.0, "validator.price_in_usd_per_mtok": 0.0}
    )
    assert list(Ledger(settings, RunFolder(tmp_path)).uncounted()) == []


@pytest.mark.parametrize("fault", ["rate_limited", "server_error", "html", "dropped"])
def test_passing_faults_leave_no_trace_with_any_of_the_three(
    corpus_files: CorpusFiles, tmp_path: Path, fault: str
) -> None:
    def falter(body: dict[str, Any], arrival: int) -> Answer | str | None:
        return fault if arrival == 1 else yes(body, arrival)

    with LoopbackServer(intercept=yes, embed=vector_for) as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url}
        datagen.run(watched(corpus_files, server, teacher=teacher), tmp_path / "calm")
    with LoopbackServer(intercept=falter, embed=vector_for, retry_after_s=0.01) as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url}
        datagen.run(watched(corpus_files, server, teacher=teacher), tmp_path / "run")
        assert server.faults_sent[fault] == len(server.arrivals)
        assert set(server.arrivals.values()) == {2}
    for name in ("dataset.json",):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


@pytest.mark.parametrize(("of", "error"), [("embeddings", EmbeddingError), ("validator", ValidatorError)])
def test_a_bad_key_stops_at_once_and_is_in_no_file_or_message(
    corpus_files: CorpusFiles, tmp_path: Path, of: str, error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(body: dict[str, Any], arrival: int) -> Answer | None:
        is_its = ("image_url" in json.dumps(body)) if of == "validator" else "input" in body
        return error_answer(401, f"Incorrect API key provided: {KEY}.") if is_its else yes(body, arrival)

    with LoopbackServer(intercept=refuse, embed=vector_for) as server:
        one_at_a_time = {"validator": {"concurrency": 1}, "embeddings": {"concurrency": 1}}
        with pytest.raises(error, match="does not accept the key in") as caught:
            datagen.run(watched(corpus_files, server, **one_at_a_time), tmp_path)
        n_refused = sum(("image_url" in json.dumps(body)) == (of == "validator") for _, body in server.seen)
        assert n_refused == 1
    captured = capsys.readouterr()
    assert KEY not in str(caught.value) + everything_in(tmp_path) + captured.out + captured.err
