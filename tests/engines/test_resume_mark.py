"""What is known to be settled is not planned again, and nothing is ever taken for settled that is not."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import CorpusFiles, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import LoopbackServer

import datagen
from datagen import pipeline
from datagen.config import load_settings
from datagen.engines import local, resume_mark
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.resume_mark import Watermark
from datagen.errors import TeacherError
from datagen.pipeline import Planned
from datagen.recipes import IMPORTED
from datagen.records import AnnotatedImage, Reply, Request
from datagen.store import ReplyStore, read_facts


@pytest.fixture(autouse=True)
def _keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume_mark, "MIN_KEPT", 1)


IMAGE = AnnotatedImage("1", "1.jpg", 1, 1)


def item(number: int) -> Planned:
    if number >= 50:
        raise IndexError
    return Planned(IMAGE, IMPORTED, Request(f"r{number}", IMAGE, "t", "", (), 0.0, 0, "llava"))


def reply(number: int, *, is_final: bool = True) -> Reply:
    return Reply(f"r{number}", "1", "t", "m", "yes", is_final=is_final)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 20), st.integers(1, 6))
def test_whatever_the_order_of_replies_nothing_unsettled_is_behind_the_mark(
    seed: int, n_in_flight: int, most_waiting: int, most_left: int
) -> None:
    import tempfile

    rng = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(resume_mark, "MAX_WAITING", most_waiting)
        patch.setattr(resume_mark, "MAX_LEFT", most_left)
        patch.setattr(resume_mark, "KEPT_EVERY_S", -1.0)
        patch.setattr(resume_mark, "MIN_KEPT", 1)
        replies = ReplyStore(Path(folder) / "replies.jsonl")
        mark = Watermark(replies, Path(folder) / ".resume_mark.cache", "plan")
        numbers, in_flight = iter(range(50)), list[int]()
        while True:
            in_flight += [number for _, number in zip(range(n_in_flight - len(in_flight)), numbers, strict=False)]
            if not in_flight:
                break
            number = in_flight.pop(rng.randrange(len(in_flight)))
            answer = reply(number, is_final=rng.random() < 0.9)
            replies.add(answer)
            mark.pass_by(number, is_left=not answer.is_final)
            mark.keep_if_due()
            if rng.random() < 0.3:
                replies.log.sync()
            behind = set(range(mark.n_passed)) - mark.left
            assert all(replies.is_settled(f"r{n}") for n in behind)
            again = Watermark(replies, Path(folder) / ".resume_mark.cache", "plan")
            again.load(item)
            assert all(replies.is_settled(f"r{n}") for n in set(range(again.n_passed)) - again.left)
            assert len(mark.left) <= most_left
        replies.close()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[ReplyStore, Path]:
    replies, path = ReplyStore(tmp_path / "replies.jsonl"), tmp_path / ".resume_mark.cache"
    mark = Watermark(replies, path, "plan")
    for number in range(40):
        replies.add(reply(number, is_final=number != 7))
        mark.pass_by(number, is_left=number == 7)
    mark.keep()
    return replies, path


def loaded(replies: ReplyStore, path: Path, plan: str = "plan") -> Watermark:
    mark = Watermark(replies, path, plan)
    mark.load(item)
    return mark


def test_it_is_taken_up(kept: tuple[ReplyStore, Path]) -> None:
    replies, path = kept
    mark = loaded(replies, path)
    assert (mark.n_passed, mark.left, mark.n_settled) == (40, {7}, 39)
    mark.pass_by(7)
    assert mark.left == set()
    mark.forget()
    assert loaded(replies, path).n_passed == 0


def test_one_that_does_not_fit_is_passed_over(kept: tuple[ReplyStore, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    replies, path = kept
    assert loaded(replies, path, "another plan").n_passed == 0
    with monkeypatch.context() as patch:
        patch.setattr(resume_mark, "N_TRIED", 40)
        replies.add(reply(20, is_final=False))
        assert loaded(replies, path).n_passed == 0
        replies.add(reply(20))
        assert loaded(replies, path).n_passed == 40
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert loaded(replies, path).n_passed == 0
    path.write_bytes(whole)
    replies.log.path.write_bytes(replies.log.path.read_bytes()[200:])
    assert loaded(replies, path).n_passed == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("corpus"), n_images=12)


def made(files: CorpusFiles, out: Path, **overrides: object) -> datagen.Run:
    run_local(load_settings(None, {**files.settings, **overrides}), out, Silence(), may_change=True)
    return datagen.open_run(out)


@pytest.fixture
def n_built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the requests that are planned while asking, by start."""
    built = [0]
    plain, finish = pipeline.build_request, local.finish  # type: ignore[attr-defined]

    def counted(*asked: Any) -> Request | None:
        built[-1] += 1
        return plain(*asked)

    def finished(*asked: Any, **named: Any) -> Any:
        monkeypatch.setattr(pipeline, "build_request", plain)
        outcome = finish(*asked, **named)
        built.append(0)
        monkeypatch.setattr(pipeline, "build_request", counted)
        return outcome

    monkeypatch.setattr(pipeline, "build_request", counted)
    monkeypatch.setattr(local, "finish", finished)
    return built


def test_a_second_start_plans_nothing_to_find_that_nothing_is_to_be_asked(
    files: CorpusFiles, tmp_path: Path, n_built: list[int]
) -> None:
    made(files, tmp_path / "run")
    first = (tmp_path / "run" / "samples.jsonl").read_bytes()
    (tmp_path / "run" / ".finished.cache").unlink()  # else it would not even begin
    made(files, tmp_path / "run")
    assert n_built[:2] == [36, resume_mark.N_TRIED]
    assert (tmp_path / "run" / "samples.jsonl").read_bytes() == first


def test_a_changed_plan_is_planned_whole(files: CorpusFiles, tmp_path: Path, n_built: list[int]) -> None:
    made(files, tmp_path / "run", **{"corpus.limit": 6})
    made(files, tmp_path / "run")
    made(files, tmp_path / "run", types=["reasoning", "conversation"])
    made(files, tmp_path / "run", rng_seed=5)
    assert n_built[:4] == [18, 36, 24, 36]


def test_a_reply_that_was_taken_out_is_asked_for_again(files: CorpusFiles, tmp_path: Path) -> None:
    run = made(files, tmp_path / "run")
    before = run.folder.samples.read_bytes()
    for victim in (0, 17, 35):
        lines = run.folder.replies.read_bytes().splitlines(keepends=True)
        run.folder.replies.write_bytes(b"".join(lines[:victim] + lines[victim + 1 :]))
        made(files, tmp_path / "run")
        assert len(run.folder.replies.read_bytes().splitlines()) == 36
        assert run.folder.samples.read_bytes() == before


def test_a_picture_that_was_mended_is_asked_about(tmp_path: Path) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=5)
    picture = files.images / f"{2:012}.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:200])
    assert made(files, tmp_path / "run").summary.rejected_by_stage["teacher"]["image_unreadable"] == 3
    picture.write_bytes(whole)
    run = made(files, tmp_path / "run")
    assert "teacher" not in run.summary.rejected_by_stage
    assert len(run.folder.replies.read_bytes().splitlines()) == 15


def test_what_was_refused_is_asked_again_and_the_rest_is_not(files: CorpusFiles, tmp_path: Path) -> None:
    """A malformed request is rejected without being final: each start tries it again, wherever it stands."""
    with LoopbackServer() as server:
        overrides = {"teacher.name": "loopback", "teacher.base_url": server.base_url}
        run = made(files, tmp_path / "run", **overrides)
        stored = [found for _, found in read_facts(run.folder.replies, Reply) if found is not None]
        failed = msgspec.structs.replace(stored[4], text="", error="request_rejected", detail="?", is_final=False)
        run.folder.replies.write_bytes(
            b"".join(msgspec.json.encode(failed if n == 4 else one) + b"\n" for n, one in enumerate(stored))
        )
        before = server.arrivals.total()
        made(files, tmp_path / "run", **overrides)
        assert server.arrivals.total() == before + 1
        made(files, tmp_path / "run", **overrides)
        assert server.arrivals.total() == before + 1


def test_an_interrupted_run_keeps_its_mark(
    files: CorpusFiles, tmp_path: Path, n_built: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datagen.teacher.template import TemplateTeacher

    n_answered = 0
    plain = TemplateTeacher.answer

    async def failing(self: TemplateTeacher, request: Request) -> Reply:
        nonlocal n_answered
        n_answered += 1
        if n_answered == 20:
            raise TeacherError("no more")
        return await plain(self, request)

    with monkeypatch.context() as patch:
        patch.setattr(TemplateTeacher, "answer", failing)
        with pytest.raises(TeacherError):
            made(files, tmp_path / "run")
    n_built[-1] = 0
    monkeypatch.setattr(resume_mark, "N_TRIED", 1)
    assert made(files, tmp_path / "run").summary.accepted > 30
    assert n_built[0] == 1 + 36 - 18  # 19 are settled; of the image that begins with the 19th all are planned


def test_a_mark_that_turns_out_wrong_is_not_kept(files: CorpusFiles, tmp_path: Path) -> None:
    run = made(files, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume_mark, "fingerprint", lambda path, end: "the same")
        patch.setattr(resume_mark, "N_TRIED", 0)
        (tmp_path / "run" / ".finished.cache").unlink()
        made(files, tmp_path / "run")
        lines = run.folder.replies.read_bytes().splitlines(keepends=True)
        run.folder.replies.write_bytes(b"".join(lines[1:]))
        assert made(files, tmp_path / "run").summary.rejected_by_stage["teacher"] == {"not_asked": 1}
    assert "teacher" not in made(files, tmp_path / "run").summary.rejected_by_stage
