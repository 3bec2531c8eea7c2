"""What fell goes back to the teacher once, is paid for once, and comes back the same wherever the run is made."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import RESULTS, CorpusFiles, make_shards, same
from loopback import Answer, LoopbackServer, error_answer
from started import Started, end_well

import datagen
from datagen.api import Run, demo_settings
from datagen.config import Settings, dump_settings, load_settings
from datagen.engines import ask_in_batches
from datagen.engines.planted_errors import with_error
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards
from datagen.errors import DatagenError, SettingsError, TeacherError
from datagen.records import Reply, Request
from datagen.repair import REPAIRS
from datagen.repair_report import RepairReport
from datagen.store import read_facts
from datagen.store.shards import shard_folders
from datagen.teacher.template import write_reply

TYPES = ["conversation", "description"]
WORDS = "stones leaves reeds shells feathers pebbles".split()


def scene_of(text: str) -> int:
    (number,) = re.findall(r"scene number (\d+)", text)
    return int(number)


def first_reply(n: int, *, is_text: bool) -> str:
    """One sound answer, one with a wrong number, and one behind it."""
    if is_text:
        return (
            f"A brown dog sits on the lawn of garden {WORDS[n - 1]}. There are {n + 2} cups near its paws there. "
            f"Nothing else of note goes on among the {WORDS[n - 1]}."
        )
    pairs = (
        (f"Which animal sits near the {WORDS[n - 1]}?", f"A dog sits on the lawn by the {WORDS[n - 1]}."),
        (f"How many cups stand by the {WORDS[n - 1]}?", f"There are {n + 3} cups by the {WORDS[n - 1]}."),
        (f"What colour has the animal among {WORDS[n - 1]}?", f"It is a brown dog among the {WORDS[n - 1]}."),
    )
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)


def text_of(message: Mapping[str, Any]) -> str:
    """Without the picture, if it shows one."""
    content = message["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


def said(messages: list[dict[str, Any]]) -> str:
    told = [text_of(message) for message in messages if message["role"] == "user"]
    if "speaks against it" in told[-1]:
        n = scene_of(told[-2])
        return f"1. There {f'are {n} cups' if n > 1 else 'is one cup'} near the {WORDS[n - 1]}."
    return first_reply(scene_of(told[-1]), is_text="===" not in messages[0]["content"])


def reply(body: Mapping[str, Any]) -> str:
    return said(body["messages"])


def by_function(request: Request) -> str:
    return said([msgspec.to_builtins(message) for message in request.messages])


def settings_for(files: CorpusFiles, server: LoopbackServer | None = None, **more: Any) -> dict[str, Any]:
    teacher = {} if server is None else {"teacher": {"name": "gpt-4o", "base_url": server.base_url}}
    return {
        **files.settings,
        **teacher,
        "types": TYPES,
        "repair": 1,
        "workers": 1,
        "dedup": {"over_set": False},
        **more,
    }


def report_of(run: Run) -> RepairReport:
    report = run.summary.repair
    assert isinstance(report, RepairReport)
    return report


def stored(out: Path) -> list[Reply]:
    return [reply for _, reply in read_facts(out / "replies.jsonl", Reply) if reply is not None]


@pytest.fixture(autouse=True)
def a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")


@pytest.fixture(scope="module")
def whole(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("repaired") / "run"
    with pytest.MonkeyPatch.context() as patch, LoopbackServer(reply=reply) as server:
        patch.setenv("OPENAI_API_KEY", "k")
        datagen.run(settings_for(corpus_files, server), out)
    return out


def test_what_was_contradicted_is_in_the_dataset_and_counted(whole: Path, tmp_path: Path) -> None:
    run = datagen.open_run(whole)
    summary, report = run.summary, report_of(run)
    assert summary.accepted == summary.samples == 12 and not summary.cut_by_stage
    assert (report.requests, report.turns.found, report.turns.judged) == (12, 12, 12)
    assert report.by_reason == {"count_contradicted": (12, 12)} and not report.lost and not report.no_answer
    assert (report.turns_gained, report.samples_gained) == (6 * 2 + 6, 6)
    assert summary.claims and not summary.claims.get("contradicted")
    assert summary.hallucinations and summary.hallucinations.overall.claims.found == 12, "its first words count"
    mended = [one for one in stored(whole) if one.response_type.startswith(REPAIRS)]
    assert report.cost_usd == pytest.approx(sum(one.cost_usd or 0 for one in mended), abs=1e-6)
    assert summary.cost_usd == pytest.approx(sum(one.cost_usd or 0 for one in stored(whole)), abs=1e-6)
    assert report.prompt == sum(one.usage.n_prompt_tokens for one in mended) > 0
    turns = run.turns()
    assert (turns.answer_before.dropna() != turns.answer[turns.answer_before.notna()]).sum() == 12
    for page in ("README.md", "report.html"):
        assert "12 turns that went back" in (whole / page).read_text()
    told = end_well(["status", str(whole)], tmp_path / "told")
    assert "replies   12 stored, 12 samples planned\nrepairs   12 stored\n" in told and "repaired  100.0 %" in told


def test_without_it_nothing_is_asked_again_and_nothing_tells_of_it(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    run = datagen.run(settings_for(corpus_files, repair=0), tmp_path, teacher=by_function)
    assert run.summary.accepted == 6 and not run.summary.repair
    assert b"repair" not in (tmp_path / "samples.jsonl").read_bytes() + (tmp_path / "summary.json").read_bytes()
    assert len(stored(tmp_path)) == 12


def test_a_second_start_asks_nothing(corpus_files: CorpusFiles, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer(reply=reply) as server:
        datagen.run(settings_for(corpus_files, server), out)
        assert server.answered.total() == len(server.answered) == 24
        datagen.run(settings_for(corpus_files, server), out)
        assert server.answered.total() == 24
    same(out, whole, "samples.jsonl", "dataset.json")


def test_added_to_a_finished_run_it_asks_for_the_repairs_alone(
    corpus_files: CorpusFiles, whole: Path, tmp_path: Path
) -> None:
    with LoopbackServer(reply=reply) as server:
        datagen.run(settings_for(corpus_files, server, repair=0), tmp_path)
        datagen.run(settings_for(corpus_files, server), tmp_path)
        assert server.answered.total() == len(server.answered) == 24
        same(tmp_path, whole, "samples.jsonl", "dataset.json")
        with pytest.raises(DatagenError, match="change=True"):
            datagen.run(settings_for(corpus_files, server, repair=0), tmp_path)


@pytest.mark.parametrize("n_told", [1, 7, 11])
def test_a_teacher_that_gives_out_among_the_repairs_costs_these_alone_and_none_twice(
    corpus_files: CorpusFiles, whole: Path, tmp_path: Path, n_told: int
) -> None:
    asked: list[str] = []

    def teacher(request: Request) -> str:
        if request.response_type.startswith(REPAIRS):
            if len(asked) == n_told:
                raise TeacherError("the key ran out")
            asked.append(request.digest)
        return by_function(request)

    first = datagen.run(settings_for(corpus_files), tmp_path, teacher=teacher)
    assert first.summary.accepted, "what fell falls as it stood, and the run is whole"
    n_told = 99
    datagen.run(settings_for(corpus_files), tmp_path, teacher=teacher)
    assert len(asked) == len(set(asked)) == 12
    same(tmp_path, whole, "dataset.json")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty_reply"),
        (error_answer(400, "maximum context length is 4096", "context_length_exceeded"), "context_too_long"),
        ("1. No changes needed.", "remark_as_repair"),
    ],
)
def test_a_repair_that_failed_for_good_is_asked_again_by_retry_alone(
    corpus_files: CorpusFiles, tmp_path: Path, answer: str | Answer, reason: str
) -> None:
    asked: list[Mapping[str, Any]] = []
    failing = [True]

    def fail(body: Mapping[str, Any], _: int) -> Answer | None:
        if "speaks against it" not in body["messages"][-1]["content"]:
            return None
        asked.append(body)
        return answer if failing and isinstance(answer, Answer) else None

    def said_or_failed(body: Mapping[str, Any]) -> str:
        is_repair = "speaks against it" in body["messages"][-1]["content"]
        return answer if is_repair and failing and isinstance(answer, str) else reply(body)

    with LoopbackServer(reply=said_or_failed, intercept=fail) as server:
        run = datagen.run(settings_for(corpus_files, server, types=["description"]), tmp_path)
        assert report_of(run).no_answer == {reason: 6}
        n_asked = len(asked)
        datagen.run(settings_for(corpus_files, server, types=["description"]), tmp_path)
        datagen.run(settings_for(corpus_files, server, types=["description"], retry=["gave_up"]), tmp_path)
        assert len(asked) == n_asked >= 6
        failing.clear()
        run = datagen.run(settings_for(corpus_files, server, types=["description"], retry=[reason]), tmp_path)
        assert len(asked) == n_asked + 6 and run.summary.accepted == 6


def test_killed_it_loses_no_repair(corpus_files: CorpusFiles, whole: Path, tmp_path: Path) -> None:

    out = tmp_path / "run"
    with LoopbackServer(reply=reply, delay_s=0.05) as server:
        settings = tmp_path / "settings.yaml"
        settings.write_text(json.dumps(settings_for(corpus_files, server)))
        command = ["run", str(settings), "--concurrency", "1", "--out", str(out)]
        process = Started(command, tmp_path / "told")
        process.wait_until(lambda: server.answered.total() >= 17)
        process.kill()
        assert 12 < len(stored(out)) < 24
        end_well(command, tmp_path / "told")
        assert server.answered.total() <= 24 + 1, "at most what was in flight is asked again"
    assert len({one.request_digest for one in stored(out)}) == len(stored(out)) == 24
    same(out, whole, "samples.jsonl", "dataset.json")


def test_a_pool_shards_and_batches_give_the_same(
    corpus_files: CorpusFiles, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_in_batches, "POLL_S", 0.0)
    monkeypatch.setattr("datagen.teacher.batch.FIRST_PAUSE_S", 0.0)
    with LoopbackServer(reply=reply) as server:
        datagen.run(settings_for(corpus_files, server, workers=2), tmp_path / "pool")
        same(tmp_path / "pool", whole, *RESULTS)
        shared = load_settings(None, settings_for(corpus_files, server))
        make_shards(shared, 2, tmp_path / "sharded")
        merge_shards(shared, shard_folders(tmp_path / "sharded"), tmp_path / "sharded", Silence())
        same(tmp_path / "sharded", whole, *RESULTS)
        teacher = {"name": "gpt-4o", "base_url": server.base_url, "batch": True}
        datagen.run(settings_for(corpus_files, server, teacher=teacher), tmp_path / "batch")
        assert [len(one.splitlines()) for one in server.desk.files.values() if b"custom_id" in one][:2]
    same(tmp_path / "batch", whole, "dataset.json")


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_teacher_that_is_shown_the_picture_sees_it_again(
    corpus_files: CorpusFiles, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_batch: bool
) -> None:
    monkeypatch.setattr(ask_in_batches, "POLL_S", 0.0)
    monkeypatch.setattr("datagen.teacher.batch.FIRST_PAUSE_S", 0.0)
    sent: list[list[dict[str, Any]]] = []

    def heard_reply(body: Mapping[str, Any]) -> str:
        sent.append(body["messages"])
        return reply(body)

    with LoopbackServer(reply=heard_reply) as server:
        looks = {"show_images": True, "image_px": 64, "image_detail": "low", "batch": is_batch}
        teacher = {"name": "gpt-4o", "base_url": server.base_url, **looks}
        run = datagen.run(settings_for(corpus_files, server, teacher=teacher), tmp_path)
        assert report_of(run).requests == 12 and len(sent) == 24
        datagen.run(settings_for(corpus_files, server, teacher=teacher), tmp_path)
        assert len(sent) == 24, "what is stored is not asked again"
    firsts = [messages for messages in sent if "speaks against it" not in text_of(messages[-1])]
    repairs = [messages for messages in sent if messages not in firsts]
    assert len(firsts) == len(repairs) == 12
    for messages in repairs:
        *begin, own, told = messages
        assert begin in firsts, "so that caches hit, and the same picture is seen in the same detail"
        assert begin[-1]["content"][1]["image_url"]["detail"] == "low"
        assert isinstance(own["content"], str) and isinstance(told["content"], str)
    same(tmp_path, whole, "dataset.json")


def test_the_digest_of_a_repair_tells_how_the_picture_is_shown(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    digests: list[set[str]] = []
    asked: list[Request] = []
    for n, teacher in enumerate(
        ({}, {"show_images": True}, {"show_images": True, "image_detail": "low"}, {"show_images": True, "image_px": 64})
    ):
        settings = settings_for(corpus_files, teacher=teacher, types=["description"])
        datagen.run(settings, tmp_path / str(n), teacher=heard(by_function, asked))
        repairs = [one for one in asked if one.response_type.startswith(REPAIRS)]
        assert len(repairs) == 6 and all((one.picture_url is not None) == bool(teacher) for one in repairs)
        digests.append({one.digest for one in repairs})
        asked.clear()
    assert len(set().union(*digests)) == 4 * 6


def test_the_budget_holds_for_repairs(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(reply=reply) as server:
        teacher = {"name": "gpt-4o", "base_url": server.base_url, "concurrency": 1}
        whole = datagen.run(settings_for(corpus_files, server, teacher=teacher), tmp_path / "whole").summary
        assert whole.cost_usd
        limit = whole.cost_usd * 0.7
        with pytest.raises(DatagenError, match="budget"):
            datagen.run(settings_for(corpus_files, server, teacher={**teacher, "budget_usd": limit}), tmp_path / "run")
        assert sum(one.cost_usd or 0 for one in stored(tmp_path / "run")) <= limit
        datagen.run(settings_for(corpus_files, server, teacher={**teacher, "budget_usd": 99.0}), tmp_path / "run")
    same(tmp_path / "whole", tmp_path / "run", "dataset.json")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"repair": 1}, "the embedded teacher writes the same again"),
        ({"repair": 1, "corpus.dataset": "x.json"}, "has no teacher to ask again"),
    ],
)
def test_who_cannot_write_anew_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_settings(None, {"corpus.captions": ["c.json"], **given})


def test_a_shard_whose_doubts_depend_on_the_others_is_refused(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="known only when all shards are together"):
        datagen.run(settings_for(corpus_files, validator={"name": "nano"}), tmp_path, teacher=by_function, shard="1/2")
    assert not list(tmp_path.iterdir())


def lying(settings: Settings) -> Callable[[Request], str]:
    """A teacher of the demo corpus with errors planted into its replies, which knows what it should have said."""
    told = msgspec.structs.replace(settings.teacher, planted_errors=0.35)
    lies = msgspec.structs.replace(settings, teacher=told)
    categories = tuple(datagen.corpus.load_corpus(settings.corpus).categories)

    def teacher(request: Request) -> str:
        if not request.response_type.startswith(REPAIRS):
            return with_error(write_reply(request, 0), request, lies, categories).text
        name = request.response_type.removeprefix(REPAIRS)
        true = write_reply(msgspec.structs.replace(request, response_type=name, template=name), 0).text
        asked = re.findall(
            r'^(\d+)\. (?:In the answer to ".*?": |The question: )?(.*)$', request.messages[-1].content, re.M
        )
        sentences = re.split(r"(?<=[.!?])\s+|\n", true)

        def nearest(text: str) -> str:
            words = set(text.split())
            return max(sentences, key=lambda one: len(words & set(one.split())) / len(words | set(one.split()) or {""}))

        return "\n".join(f"{n}. {nearest(text)}" for n, text in asked if not text.startswith("<"))

    return teacher


def heard(inner: Callable[[Request], str], asked: list[Request]) -> Callable[[Request], str]:
    """The same teacher by its name, whose requests are heard."""

    def teacher(request: Request) -> str:
        asked.append(request)
        return inner(request)

    return teacher


def test_what_the_validator_has_seen_is_told_once(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    told: list[str] = []

    class Heard(Silence):
        def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
            told.append(task)

        def note(self, sentence: str) -> None:
            told.append(sentence)

    settings = settings_for(corpus_files, validator={"name": "nano"})
    datagen.run(settings, tmp_path, teacher=by_function, progress=Heard())
    assert told.count("looking at the pictures") == 1 and sum("no turn is judged" in one for one in told) == 1


def test_what_the_validator_doubts_goes_back_too(tmp_path: Path) -> None:
    plain = dump_settings(demo_settings())
    plain |= {"repair": 1, "workers": 1, "checks": {"contradicted": "keep"}, "types": TYPES}
    plain["teacher"] = {}
    settings = demo_settings()
    teacher = lying(settings)
    without = datagen.run({**plain, "repair": 0}, tmp_path / "without", teacher=teacher).summary
    made = datagen.run(plain, tmp_path / "with", teacher=teacher)
    report = report_of(made)
    assert set(report.by_reason) == {"doubtful_answer"}
    n, kept = report.by_reason["doubtful_answer"]
    assert kept >= 0.6 * n > 5 and report.turns_gained >= kept
    assert made.summary.turns > without.turns and without.claims and made.summary.claims
    assert made.summary.claims["contradicted"] <= without.claims["contradicted"]
    sent = [one for one in made.iter_samples() if isinstance(one.repairs, tuple)]
    assert all(
        one.before[flaw.turn].validation for sample in sent for one in sample.repairs or () for flaw in one.flaws
    )
    asked: list[Request] = []
    again = datagen.run(plain, tmp_path / "with", teacher=heard(teacher, asked))
    assert report_of(again) == report and not asked
