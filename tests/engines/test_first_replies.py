"""A run of whose first replies none can be read stops before the rest is paid for, however it asks."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer, error_answer, json_answer, reply_for
from typer.testing import CliRunner

import datagen
from datagen.cli import app
from datagen.config import load_settings
from datagen.corpus import Corpus
from datagen.endpoint.error_translation import StoppedError
from datagen.engines import ask_in_batches
from datagen.engines.first_replies import FirstReplies
from datagen.errors import TeacherError
from datagen.recipes import load_recipes
from datagen.records import AnnotatedImage, Box, Reply

RUBBISH = "Sure!\x1b[31m I would love to help you.\n" + "word " * 500


def reply(n: int, text: str, name: str = "conversation", **more: Any) -> Reply:
    return Reply(f"d{n}", str(n), name, "m", text, **more)


def watcher(most: int | None = 3, **more: Any) -> FirstReplies:
    settings = load_settings(None, {"corpus.captions": ["c.json"], "max_unreadable": most, **more})
    captions, boxes = ("A dog sits on a lawn.",), (Box("dog", (0.1, 0.1, 0.6, 0.6), 0.25),)
    corpus = Corpus([AnnotatedImage(str(n), f"{n}.jpg", 9, 9, captions, boxes) for n in range(60)], ("dog", "cat"))
    return FirstReplies(load_recipes(settings), settings, corpus)


def answering(answer: str) -> str:
    return f"Question:\nWhat is there?\n===\nAnswer:\n{answer}"


GOOD, OTHER = answering("A dog is on a lawn."), answering("There is a lawn, and a dog sits on it.")


def test_it_stops_at_the_bound_and_shows_one_reply_safely() -> None:
    first = watcher()
    first.hear(reply(1, RUBBISH))
    first.hear(reply(2, RUBBISH))
    with pytest.raises(TeacherError) as stopped:
        first.hear(reply(3, RUBBISH))
    told = str(stopped.value)
    assert "The first 3 replies of 'conversation' hold nothing that can be used (no_turns 3)" in told
    assert "\x1b" not in told and "| Sure!\\x1b[31m I would" in told
    assert "prompts/conversation/system.txt" in told and "datagen preview" in told and "max_unreadable=null" in told
    assert len(told) < 2000


def test_one_reply_that_can_be_read_is_enough_and_each_type_counts_alone() -> None:
    first = watcher()
    for n in range(2):
        first.hear(reply(n, RUBBISH))
        first.hear(reply(n, RUBBISH, "reasoning"))
    first.hear(reply(5, GOOD))
    for n in range(10, 20):
        first.hear(reply(n, RUBBISH))
    with pytest.raises(TeacherError, match="'reasoning'"):
        first.hear(reply(9, RUBBISH, "reasoning"))


@pytest.mark.parametrize(
    ("text", "reason", "advice"),
    [
        (answering("The caption says that a dog is there."), "context_leak", "no turn passes the checks"),
        (answering("There are seven dogs on the lawn."), "contradicted", "no turn passes the checks"),
        (GOOD, "exact_copy", "look at its server"),
    ],
)
def test_what_parses_but_falls_in_the_checks_or_repeats_itself_is_of_no_use(
    text: str, reason: str, advice: str
) -> None:
    first = watcher(3, checks={"exhaustive": "yes"})
    with pytest.raises(TeacherError) as stopped:
        for n in range(4):
            first.hear(reply(n, text))
    assert reason in str(stopped.value) and "3)" in str(stopped.value) and advice in str(stopped.value)


def test_a_teacher_of_whose_replies_one_survives_is_not_stopped() -> None:
    first = watcher()
    first.hear(reply(1, RUBBISH))
    first.hear(reply(2, GOOD))
    for n in range(3, 40):
        first.hear(reply(n, answering("There are seven dogs on the lawn.")))


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({"text": "Question:\nWhat", "finish_reason": "length"}, "raise max_tokens"),
        ({"text": "<think>hm, a dog", "finish_reason": "stop"}, "switch that off"),
        ({"text": "Question:\nWho?\n===\nAnswer:\nI'm sorry, but I cannot see any image."}, "another --teacher"),
        ({"text": "", "error": "refused", "detail": "no"}, "another --teacher"),
        ({"text": "", "error": "context_too_long", "detail": "9000 tokens"}, "context.max_boxes"),
    ],
)
def test_what_to_try_depends_on_what_is_wrong(given: dict[str, Any], advice: str) -> None:
    first = watcher(1)
    with pytest.raises(TeacherError, match=advice):
        first.hear(reply(1, **given))


def test_a_request_that_may_pass_next_time_does_not_count_and_null_never_stops() -> None:
    first = watcher(1)
    first.hear(reply(1, "", error="gave_up", detail="500", is_final=False))
    never = watcher(None)
    for n in range(50):
        never.hear(reply(n, RUBBISH))


def test_no_more_are_under_way_than_may_be_bad_until_one_is_good() -> None:
    async def main() -> None:
        first = watcher(3)
        passed: list[int] = []

        async def ask(n: int) -> None:
            await first.admit("conversation")
            passed.append(n)

        waiting = [asyncio.create_task(ask(n)) for n in range(10)]
        await asyncio.sleep(0)
        assert len(passed) == 3
        first.hear(reply(0, "", error="gave_up", is_final=False))  # its place is free again
        await asyncio.sleep(0.01)
        assert len(passed) == 4
        first.hear(reply(1, RUBBISH))
        await asyncio.sleep(0.01)
        assert len(passed) == 4
        first.hear(reply(2, GOOD))
        first.hear(reply(3, OTHER))
        await asyncio.gather(*waiting)
        other = watcher(1)
        await other.admit("conversation")
        held = asyncio.create_task(other.admit("conversation"))
        await asyncio.sleep(0)
        other.stop()
        with pytest.raises(StoppedError):
            await held

    asyncio.run(main())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("many"), n_images=50)


def bad_conversations(body: Mapping[str, Any]) -> str:
    return RUBBISH if "===" in str(body["messages"][0]) else reply_for(body)


def run(many: CorpusFiles, out: Path, *more: str) -> Any:
    given = ["--types", "conversation,description", "--teacher", "loopback", *more]
    return CliRunner().invoke(app, ["run", *many.options, "--out", str(out), *given])


def test_a_run_pays_for_twenty_and_a_resume_for_none(many: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(reply=bad_conversations) as server:
        done = run(many, tmp_path, "--base-url", server.base_url)
        assert done.exit_code == 1
        assert "The first 20 replies of 'conversation'" in done.stderr and "Traceback" not in done.output
        asked = ["===" in str(body["messages"][0]) for _, body in server.seen]
        assert asked.count(True) == 20
        n_stored = len((tmp_path / "replies.jsonl").read_text().splitlines())
        assert n_stored == server.arrivals.total()
        told = CliRunner().invoke(app, ["resume", str(tmp_path)])
        assert told.exit_code == 1 and "The first 20 replies" in told.stderr
        assert server.arrivals.total() == n_stored
        assert "The first 20 replies" in CliRunner().invoke(app, ["status", str(tmp_path)]).stdout
        # Going on all the same asks only for what is not stored.
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--set", "max_unreadable=null"])
        assert done.exit_code == 0, done.output
        assert server.arrivals.total() == 100


@pytest.mark.parametrize(
    "text", [RUBBISH, "Question:\nWhat does the caption say?\n===\nAnswer:\nThe caption says that a dog is there."]
)
def test_three_types_pay_for_sixty(many: CorpusFiles, tmp_path: Path, text: str) -> None:
    types = "conversation,description,reasoning"
    with LoopbackServer(reply=lambda body: text) as server:
        done = run(many, tmp_path, "--base-url", server.base_url, "--types", types)
        assert done.exit_code == 1 and "The first 20 replies of '" in done.stderr
        assert server.arrivals.total() <= 60


def test_another_prompt_is_not_held_back_by_replies_to_the_last_one(many: CorpusFiles, tmp_path: Path) -> None:
    import shutil

    from datagen.recipes import bundled_folder

    own = tmp_path / "own"
    for name in ("prompts", "seeds"):
        shutil.copytree(bundled_folder(name), own / name)
    prompt = own / "prompts" / "conversation" / "system.txt"

    def answer(body: Mapping[str, Any]) -> str:
        return reply_for(body) if "Be orderly" in str(body["messages"]) else bad_conversations(body)

    with LoopbackServer(reply=answer) as server:
        named = ["--base-url", server.base_url, "--recipes-dir", str(own)]
        assert run(many, tmp_path / "run", *named).exit_code == 1
        prompt.write_text(prompt.read_text(encoding="utf-8") + "\nBe orderly.", encoding="utf-8")
        done = CliRunner().invoke(app, ["resume", str(tmp_path / "run")])
        assert done.exit_code == 0, done.output
    assert datagen.open_run(tmp_path / "run").summary.samples == 100


@pytest.mark.parametrize("is_bad", [True, False])
def test_the_first_batch_is_small_until_replies_can_be_read(
    many: CorpusFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_bad: bool
) -> None:
    monkeypatch.setattr(ask_in_batches, "POLL_S", 0.01)
    with LoopbackServer(reply=bad_conversations if is_bad else reply_for) as server:
        done = run(many, tmp_path, "--base-url", server.base_url, "--batch")
        sizes = [batch["request_counts"]["total"] for batch in server.desk.batches.values()]
        assert sizes == ([40] if is_bad else [40, 60])
        assert done.exit_code == (1 if is_bad else 0), done.output
        if is_bad:
            assert "The first 20 replies of 'conversation'" in done.stderr
            assert CliRunner().invoke(app, ["resume", str(tmp_path)]).exit_code == 1
            assert len(server.desk.batches) == 1
    assert len((tmp_path / "replies.jsonl").read_text().splitlines()) == (40 if is_bad else 100)


@pytest.mark.parametrize("is_refused", [True, False])
def test_what_a_mended_server_cures_is_asked_again_by_the_same_command(
    many: CorpusFiles, tmp_path: Path, is_refused: bool
) -> None:
    silent = json_answer(200, {"choices": [{"message": {"content": None, "reasoning_content": "A dog sits."}}]})
    short = error_answer(400, "This model's maximum context length is 2048 tokens.")
    is_mended = False
    with LoopbackServer(intercept=lambda body, n: None if is_mended else short if is_refused else silent) as server:
        named = ["--base-url", server.base_url]
        done = run(many, tmp_path, *named)
        assert done.exit_code == 1 and server.arrivals.total() <= 82, done.output
        is_mended = True
        done = run(many, tmp_path, *named)
        assert done.exit_code == 0, done.output
    assert datagen.open_run(tmp_path).summary.rejected_by_stage.get("teacher") is None


def test_replies_of_no_use_are_asked_again_for_the_reasons_that_are_named(many: CorpusFiles, tmp_path: Path) -> None:
    is_mended = False

    def answer(body: Mapping[str, Any]) -> str:
        return reply_for(body) if is_mended else bad_conversations(body)

    with LoopbackServer(reply=answer) as server:
        named = ["--base-url", server.base_url]
        assert run(many, tmp_path, *named).exit_code == 1
        n_asked = server.arrivals.total()
        is_mended = True
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--retry", "refusal"])
        assert done.exit_code == 1 and "--retry refusal: 0 stored" in done.stderr and "no_turns 20" in done.stderr
        assert server.arrivals.total() == n_asked
        done = CliRunner().invoke(app, ["resume", str(tmp_path), "--retry", "no_turns"])
        assert done.exit_code == 0 and "20 stored replies are asked again" in done.stderr, done.output
        assert server.arrivals.total() == 100 + 20
    assert "retry: []" in (tmp_path / "run.yaml").read_text()
    assert datagen.open_run(tmp_path).summary.rejected_by_stage.get("parse") is None


def test_nothing_accepted_is_no_success(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(reply=lambda body: RUBBISH) as server:
        done = run(corpus_files, tmp_path, "--base-url", server.base_url, "--types", "conversation")
    assert done.exit_code == 3
    assert "no sample was accepted; 'datagen show' tells of each" in done.stderr
