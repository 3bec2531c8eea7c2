"""Vectors of questions: asked for once, kept in the run folder, and judged by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from loopback import Answer, LoopbackServer, error_answer, json_answer, vector_for

import datagen
from datagen.config import DedupSettings, EmbeddingSettings, load_settings
from datagen.dedup import Deduplicator
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.question_vectors import QuestionVectors
from datagen.errors import EmbeddingError, RunError, SettingsError
from datagen.records import Provenance, Sample, Turn

MADE = Provenance("template", "r", "q", "s")
DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md", "vectors.jsonl")


def sample(kind: str, *questions: str) -> Sample:
    turns = tuple(Turn(question, f"Answer {n} of {kind}.") for n, question in enumerate(questions))
    return Sample(f"1-{kind}", "1", "1.jpg", kind, turns, "accepted", MADE)


def vectors_from(server: LoopbackServer, folder: Path, **options: Any) -> QuestionVectors:
    return QuestionVectors(EmbeddingSettings(model="small", base_url=server.base_url, **options), folder / "v.jsonl")


def judged(vectors: QuestionVectors, *samples: Sample) -> list[Sample]:
    settings = DedupSettings(embeddings=EmbeddingSettings(model="small", threshold=0.9))
    return list(Deduplicator(settings, find_vector=vectors.find).admit_all(samples))


def by_topic(question: str) -> list[float]:
    """One direction for all questions about cooking, and one of its own for every other."""
    return vector_for("cooking" if "cook" in question.lower() or "meal" in question.lower() else question)


COOKING = ("Who prepares the meal?", "Which of the people does the cooking?")


def test_questions_near_in_meaning_are_the_same(tmp_path: Path) -> None:
    first, second = sample("conversation", COOKING[0]), sample("reasoning", "Why is it late?", COOKING[1])
    with LoopbackServer(embed=by_topic) as server:
        vectors = vectors_from(server, tmp_path)
        vectors.fetch([first, second], Silence(), may_ask=True)
        kept, cut = judged(vectors, first, second)
    assert kept == first
    assert cut.turns == second.turns[:1]
    (drop,) = cut.cuts
    assert drop.reason == "question_asked_again"
    assert drop.detail == "turn 2 asks what turn 1 of 1-conversation asks, similarity of meaning 1.00"
    assert judged(vectors, sample("a", *COOKING))[0].turns == sample("a", COOKING[0]).turns


def test_the_nearest_is_named(tmp_path: Path) -> None:
    places = {"Who cooks?": [1.0, 0.3], "Who bakes?": [1.0, 0.1], "Who fries?": [1.0, 0.0]}
    with LoopbackServer(embed=places.__getitem__) as server:
        vectors = vectors_from(server, tmp_path)
        first, second = sample("a", "Who cooks?"), sample("c", "Who fries?")
        vectors.fetch([first, sample("b", "Who bakes?"), second], Silence(), may_ask=True)
        settings = DedupSettings(embeddings=EmbeddingSettings(model="small", threshold=0.99))
        fates = list(
            Deduplicator(settings, find_vector=vectors.find).admit_all([first, sample("b", "Who bakes?"), second])
        )
    assert [one.status for one in fates] == ["accepted", "accepted", "rejected"]
    assert fates[2].detail == "turn 1 asks what turn 1 of 1-b asks, similarity of meaning 1.00"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is the dog left of the cat?", "Is the cat left of the dog?"),
        ("What stands left of the door?", "What stands right of the door?"),
        ("Are 2 people cooking?", "Are 3 people cooking?"),
        ("Who is cooking?", "Who is not cooking?"),
    ],
)
def test_words_that_turn_a_question_round_outweigh_the_vectors(tmp_path: Path, one: str, other: str) -> None:
    with LoopbackServer(embed=lambda _: [1.0, 2.0]) as server:
        vectors = vectors_from(server, tmp_path)
        samples = sample("a", one), sample("b", other)
        vectors.fetch(samples, Silence(), may_ask=True)
        assert judged(vectors, *samples) == list(samples)


def test_without_vectors_only_words_are_compared(tmp_path: Path) -> None:
    samples = sample("a", COOKING[0]), sample("b", COOKING[1])
    assert list(Deduplicator(DedupSettings()).admit_all(samples)) == list(samples)
    with LoopbackServer() as server:
        assert judged(vectors_from(server, tmp_path), *samples) == list(samples)


def test_each_question_is_asked_once_and_in_batches(tmp_path: Path) -> None:
    samples = [sample("a", "One?", "Two?", "Three?"), sample("b", "Two?", "Four?", "Five?")]
    with LoopbackServer() as server:
        vectors = vectors_from(server, tmp_path, batch_size=2)
        vectors.fetch(samples[:1], Silence(), may_ask=True)
        vectors.close()
        again = vectors_from(server, tmp_path, batch_size=2)
        again.fetch(samples, Silence(), may_ask=True)
        assert server.embedded == {f"{word}?": 1 for word in ("One", "Two", "Three", "Four", "Five")}
        assert sorted(len(body["input"]) for _, body in server.seen) == [1, 2, 2]
        found = again.find("Two?")
    assert found is not None and abs(float(found @ found) - 1) < 1e-6


def test_many_requests_are_in_flight_at_once(tmp_path: Path) -> None:
    asked = [sample("a", *(f"Question {n}?" for n in range(12)))]
    with LoopbackServer(delay_s=0.05) as server:
        vectors = vectors_from(server, tmp_path, batch_size=1, concurrency=4)
        vectors.fetch(asked, Silence(), may_ask=True)
        assert server.n_connections == 4 and set(server.embedded.values()) == {1}
    assert all(vectors.find(f"Question {n}?") is not None for n in range(12))


def test_what_came_beside_a_failure_is_stored(tmp_path: Path) -> None:
    def refuse(body: dict[str, Any], arrival: int) -> Answer | None:
        return error_answer(400, "too odd") if body["input"] == ["Odd?"] else None

    asked = [sample("a", "One?", "Odd?", "Two?")]
    with LoopbackServer(intercept=refuse, delay_s=0.05) as server:
        vectors = vectors_from(server, tmp_path, batch_size=1)
        with pytest.raises(EmbeddingError, match="400 too odd"):
            vectors.fetch(asked, Silence(), may_ask=True)
    assert vectors.find("One?") is not None and vectors.find("Two?") is not None


def test_rejected_samples_cost_nothing(tmp_path: Path) -> None:
    fallen = Sample("1-x", "1", "1.jpg", "x", (Turn("Where?", "There."),), "rejected", MADE, "checks", "refusal")
    with LoopbackServer() as server:
        vectors_from(server, tmp_path).fetch([fallen], Silence(), may_ask=True)
        assert not server.seen


def test_a_passing_fault_is_tried_again(tmp_path: Path) -> None:
    def busy(_: dict[str, Any], arrival: int) -> Answer | None:
        return (
            error_answer(429, "Rate limit reached.", "rate_limit_exceeded", Retry_After="0.01") if arrival < 3 else None
        )

    with LoopbackServer(intercept=busy) as server:
        vectors = vectors_from(server, tmp_path)
        vectors.fetch([sample("a", "Where?")], Silence(), may_ask=True)
        assert vectors.find("Where?") is not None


def rows(*vectors: list[float]) -> Answer:
    return json_answer(200, {"data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]})


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (error_answer(404, "The model 'small' does not exist.", "model_not_found"), "has no model 'small'"),
        (error_answer(400, "Unknown field."), "Unknown field"),
        (error_answer(500, "Boom."), "Boom"),
        (Answer(200, b"<html>"), "expected an answer with vectors, got: <html>"),
        (rows([1.0]), "2 vectors were asked for, 1 came"),
        (rows([1.0, 0.0], [0.0, 0.0]), "zero"),
        (rows([1.0, 0.0], [1.0]), "another length"),
        (rows([], []), "empty"),
    ],
)
def test_a_failing_endpoint_is_one_sentence(tmp_path: Path, answer: Answer, told: str) -> None:
    with LoopbackServer(intercept=lambda *_: answer) as server:
        vectors = vectors_from(server, tmp_path, max_attempts=1)
        with pytest.raises(EmbeddingError, match=r"dedup\.embeddings: .*start the same command again") as caught:
            vectors.fetch([sample("a", "Where?", "Why?")], Silence(), may_ask=True)
    assert told in str(caught.value)


def test_a_missing_key_is_named_and_a_key_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = QuestionVectors(EmbeddingSettings(model="small", api_key_env="EMBED_KEY"), tmp_path / "v.jsonl")
    with pytest.raises(EmbeddingError, match="EMBED_KEY is not set"):
        without.fetch([sample("a", "Where?")], Silence(), may_ask=True)
    monkeypatch.setenv("EMBED_KEY", "very-secret-1234")
    with LoopbackServer(api_key="another") as server:
        wrong = vectors_from(server, tmp_path, api_key_env="EMBED_KEY")
        with pytest.raises(EmbeddingError, match="does not accept the key in EMBED_KEY") as caught:
            wrong.fetch([sample("a", "Where?")], Silence(), may_ask=True)
    assert "secret" not in str(caught.value)


def test_an_address_with_a_login_is_refused() -> None:
    embeddings = {"model": "small", "base_url": "http://me:pass@localhost/v1"}
    with pytest.raises(SettingsError, match=r"dedup\.embeddings\.base_url holds a login"):
        load_settings(None, {"corpus.captions": ["c.json"], "dedup.embeddings": embeddings})


def test_a_run_asks_once_and_can_be_replayed_without_the_endpoint(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with LoopbackServer(embed=lambda _: [1.0, 0.5]) as server:
        embeddings = {"model": "small", "base_url": server.base_url, "max_attempts": 1}
        settings = {**corpus_files.settings, "dedup": {"embeddings": embeddings}}
        run = datagen.run(settings, out)
        assert set(server.embedded.values()) == {1}
    told = [drop.detail for one in run.iter_samples() for drop in one.cuts]
    assert any("similarity of meaning 1.00" in detail for detail in told)
    before = {name: (out / name).read_bytes() for name in DERIVED}
    datagen.run(settings, out)
    assert {name: (out / name).read_bytes() for name in DERIVED} == before
    lines = before["vectors.jsonl"].splitlines(keepends=True)
    (out / "vectors.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    with pytest.raises(EmbeddingError, match="unreachable"):
        datagen.run(settings, out)
    with pytest.raises(RunError, match="not every question has its vector"):
        run_local(run.settings, out, Silence(), may_ask=False)
