"""Scores against the reference forward pass, alone and in batches, and what stops or spares a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
import transformers
from msgspec.structs import replace
from PIL import Image
from tiny_checkpoints import TEMPLATE, TURNS, open_tiny, picture, write_checkpoint

from datagen.errors import ValidatorError
from datagen.records import Score, Turn
from datagen.validator import Job, PictureFault, checkpoint, score_keys, scoring
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.dialogue import Dialogue
from datagen.validator.loading import Checkpoint
from datagen.validator.pictures import blank_like, look_at

SIZES = {"a": (40, 30), "b": (30, 70), "c": (64, 64)}
JOBS = (
    Job("1-c", TURNS, "a", "b"),
    Job("1-d", TURNS[:1], "a", "c"),
    Job("2-c", TURNS[1:], "b", "a"),
    Job("3-c", (Turn("Is it left?", "No, it stands on the right side, behind the dogs."),), "c"),
)
REQUESTED = 3 * 3 + 1 * 3 + 2 * 3 + 1 * 2


@pytest.fixture(scope="module", params=["clip", "siglip", "next"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    template = TEMPLATE if request.param == "siglip" else None
    return open_tiny(write_checkpoint(tmp_path_factory.mktemp("tiny") / request.param, request.param, template))


def show(name: str) -> Image.Image:
    return picture(name, SIZES[name])


def scores_of(validator: CheckpointValidator, jobs: tuple[Job, ...] = JOBS) -> dict[str, Score]:
    found = {score.key: score for score in validator.score(jobs, show) if isinstance(score, Score)}
    assert set(found) == {key for job in jobs for key in score_keys(validator.identity, job)}
    return found


def assert_close(one: dict[str, Score], two: dict[str, Score]) -> None:
    assert one.keys() == two.keys()
    for key, score in one.items():
        near = pytest.approx((two[key].logprob_mean, two[key].logprob_min, two[key].margin_mean), abs=1e-4)
        assert (score.logprob_mean, score.logprob_min, score.margin_mean) == near
        assert replace(score, logprob_mean=0, logprob_min=0, margin_mean=0) == replace(
            two[key], logprob_mean=0, logprob_min=0, margin_mean=0
        )


def reference(loaded: Checkpoint, turns: tuple[Turn, ...], image: Image.Image) -> Iterator[tuple[float, float, float]]:
    """Score by the model's own forward pass over pixels, with full logits."""
    script = Dialogue(loaded.tokenizer, loaded.chat_template, "<image>").write(turns)
    seen = loaded.image_processor(images=[image], return_tensors="pt")
    n_features = len(next(look_at(loaded, [image])))
    wide = script.with_picture(n_features)
    with torch.inference_mode():
        ids = torch.tensor([wide.ids])
        logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), **seen).logits
    logprobs = logits[0].log_softmax(-1)
    for start, end in wide.spans:
        chosen = torch.stack([logprobs[at - 1, wide.ids[at]] for at in range(start, end)])
        best = torch.stack([logprobs[at - 1].max() for at in range(start, end)])
        yield float(chosen.mean()), float(chosen.min()), float((chosen - best).mean())


def test_scores_equal_the_reference_forward_pass(loaded: Checkpoint) -> None:
    found = list(scores_of(CheckpointValidator(loaded, 4096)).values())
    for job in JOBS:
        held = {"own": show(job.picture), "blank": blank_like(loaded, SIZES[job.picture])}
        if job.other_picture:
            held["other"] = show(job.other_picture)
        for pixels, image in held.items():
            mine = sorted(
                (s for s in found if (s.sample_id, s.pixels) == (job.sample_id, pixels)), key=lambda s: s.turn
            )
            for score, expected in zip(mine, reference(loaded, job.turns, image), strict=True):
                assert (score.logprob_mean, score.logprob_min, score.margin_mean) == pytest.approx(expected, abs=1e-4)


def test_placeholders_are_as_many_as_the_processor_would_write(loaded: Checkpoint, tmp_path: Path) -> None:
    processor = transformers.AutoProcessor.from_pretrained(loaded.model.name_or_path)
    for name in SIZES:
        written = processor(images=[show(name)], text="<image>", return_tensors="pt")["input_ids"]
        n_written = int((written == loaded.image_token_id).sum())
        assert n_written == len(next(look_at(loaded, [show(name)]))) > 1


def test_batched_equals_single(loaded: Checkpoint) -> None:
    together, alone = scores_of(CheckpointValidator(loaded, 100_000)), scores_of(CheckpointValidator(loaded, 1))
    assert len(together) == REQUESTED
    assert_close(together, alone)


def test_pixels_make_a_difference(loaded: Checkpoint) -> None:
    by_pixels = {s.pixels: s.logprob_mean for s in scores_of(CheckpointValidator(loaded, 4096), JOBS[:1]).values()}
    assert len({round(value, 3) for value in by_pixels.values()}) == 3


def test_a_turn_scores_the_same_without_what_follows(loaded: Checkpoint) -> None:
    validator = CheckpointValidator(loaded, 4096)
    whole, start = scores_of(validator, JOBS[:1]), scores_of(validator, (replace(JOBS[0], turns=TURNS[:1]),))
    assert_close(start, {key: whole[key] for key in start})


def test_features_are_computed_once_per_picture(loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    n_seen = 0

    def counting(loaded: Checkpoint, pictures: Iterable[Image.Image]) -> Iterator[torch.Tensor]:
        nonlocal n_seen
        for features in look_at(loaded, pictures):
            n_seen += 1
            yield features

    monkeypatch.setattr(checkpoint, "look_at", counting)
    scores_of(CheckpointValidator(loaded, 4096))
    assert n_seen == 6  # three pictures and a blank for each of three sizes


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_tiny(write_checkpoint(tmp_path_factory.mktemp("tiny") / "small", max_tokens=120))


def test_blank_is_the_mean_colour(small: Checkpoint) -> None:
    blank = small.image_processor(images=[blank_like(small, (50, 40))], return_tensors="pt")["pixel_values"]
    assert float(blank.abs().max()) < 0.01


@pytest.mark.parametrize("said", ["CUDA out of memory", "DefaultCPUAllocator: can't allocate memory", None])
def test_a_batch_too_large_for_memory_is_halved(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    expected = scores_of(CheckpointValidator(small, 100_000))
    run, sizes = scoring._run, []

    def limited(loaded: Checkpoint, rows: list[scoring.Row]) -> tuple[list[float], list[float]]:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise MemoryError if said is None else RuntimeError(said)
        return run(loaded, rows)

    monkeypatch.setattr(scoring, "_run", limited)
    assert_close(scores_of(CheckpointValidator(small, 100_000)), expected)
    assert sizes == [11, 5, 2, 3, 6, 3, 3]


def test_memory_for_not_even_one_conversation(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(loaded: Checkpoint, rows: list[scoring.Row]) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(scoring, "_run", never)
    with pytest.raises(ValidatorError, match=r"one conversation of \d+ tokens does not fit into the memory of cpu"):
        scores_of(CheckpointValidator(small, 4096))


def test_other_runtime_errors_are_not_taken_for_memory(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(loaded: Checkpoint, rows: list[scoring.Row]) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(scoring, "_run", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        scores_of(CheckpointValidator(small, 4096))


def test_a_bias_in_the_head_counts(small: Checkpoint) -> None:
    before = scores_of(CheckpointValidator(small, 4096), JOBS[:1])
    head = small.model.lm_head
    head.bias = torch.nn.Parameter(torch.linspace(-3, 3, head.weight.shape[0]), requires_grad=False)
    try:
        after = list(scores_of(CheckpointValidator(small, 4096), JOBS[:1]).values())
        own = sorted((score for score in after if score.pixels == "own"), key=lambda score: score.turn)
        for score, expected in zip(own, reference(small, TURNS, show("a")), strict=True):
            assert (score.logprob_mean, score.logprob_min, score.margin_mean) == pytest.approx(expected, abs=1e-4)
            assert abs(score.logprob_mean - before[score.key].logprob_mean) > 0.01
    finally:
        head.bias = None


def test_the_head_works_in_chunks(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scores_of(CheckpointValidator(small, 4096))
    monkeypatch.setattr(scoring, "_LOGITS_AT_ONCE", 1)
    assert_close(scores_of(CheckpointValidator(small, 4096)), expected)


def test_placeholders_without_features_are_refused(small: Checkpoint) -> None:
    script = Dialogue(small.tokenizer, None, "<image>").write(TURNS).with_picture(5)
    with pytest.raises(ValidatorError, match="5 image placeholders stand for 4 features"):
        scoring.score_rows(small, [scoring.Row("1-c", "own", script, torch.zeros(4, 32), ("k",) * 3)])


def test_overflow_is_told(small: Checkpoint) -> None:
    script = Dialogue(small.tokenizer, None, "<image>").write(TURNS).with_picture(4)
    with pytest.raises(ValidatorError, match="overflow"):
        scoring.score_rows(small, [scoring.Row("1-c", "own", script, torch.full((4, 32), torch.nan), ("k",) * 3)])


def test_batches_keep_below_the_limit_and_lose_nothing(small: Checkpoint) -> None:
    script = Dialogue(small.tokenizer, None, "<image>").write(TURNS[:1])
    rows = [
        scoring.Row("1-c", "own", script.with_picture(n), torch.zeros(n, 32), ("k",)) for n in (3, 90, 7, 40, 5, 200)
    ]
    limit = 2 * (len(script.ids) + 40)
    batches = list(scoring.cut_batches(rows, limit))
    assert sorted(index for batch in batches for index in batch) == [0, 1, 2, 3, 4, 5]
    assert batches[0] == [5]
    assert all(len(batch) * max(rows[i].n_tokens for i in batch) <= limit for batch in batches if len(batch) > 1)
    assert len(batches) < len(rows)
    assert list(scoring.cut_batches([], limit)) == []


class UnreadableError(Exception):
    reason, detail = "image_missing", "b: no such file"


def show_all_but_b(name: str) -> Image.Image:
    if name == "b":
        raise UnreadableError
    return show(name)


def test_a_broken_picture_costs_its_own_sample_only(small: Checkpoint) -> None:
    found = list(CheckpointValidator(small, 4096).score(JOBS, show_all_but_b))
    assert [item for item in found if isinstance(item, PictureFault)] == [
        PictureFault("2-c", "image_missing", "b: no such file")
    ]
    assert {(item.sample_id, item.pixels) for item in found if isinstance(item, Score)} == {
        ("1-c", "own"), ("1-c", "blank"), ("1-d", "own"), ("1-d", "blank"), ("1-d", "other"), ("3-c", "own"), ("3-c", "blank"),
    }  # fmt: skip


def test_an_error_of_ours_is_not_taken_for_a_broken_picture(small: Checkpoint) -> None:
    with pytest.raises(KeyError):
        list(CheckpointValidator(small, 4096).score((Job("9-c", TURNS, "nowhere"),), show))


def test_too_long_and_unscorable_conversations_are_faults(small: Checkpoint) -> None:
    jobs = (
        Job("1-c", (Turn("What?", "word " * 300),), "a", "b"),
        Job("1-d", (Turn("What is <image>?", "A cup."),), "a", "b"),
        Job("1-e", TURNS[:1], "a"),
    )
    found = list(CheckpointValidator(small, 4096).score(jobs, show))
    faults = [item for item in found if isinstance(item, PictureFault)]
    assert [(fault.sample_id, fault.reason) for fault in faults] == [("1-c", "too_long"), ("1-d", "unscorable_text")]
    assert faults[0].detail.endswith("tokens with the picture, the model reads 120")
    assert {item.sample_id for item in found if isinstance(item, Score)} == {"1-e"}


def test_a_resumed_run_computes_the_rest_and_gets_the_same_numbers(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_JOBS_AT_ONCE", 2)
    validator = CheckpointValidator(small, 300)
    whole = list(validator.score(JOBS, show))
    for n_stored in range(len(whole) + 1):
        stored = whole[:n_stored]
        rest = list(validator.score(JOBS, show, known={score.key for score in stored}))
        assert stored + rest == whole


def test_nothing_is_loaded_for_what_is_known(small: Checkpoint) -> None:
    validator = CheckpointValidator(small, 4096)
    assert list(validator.score(JOBS, pytest.fail, known=set(scores_of(validator)))) == []


def test_windows_are_cut_between_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "_JOBS_AT_ONCE", 1)
    assert [[job.sample_id for job in window] for window in checkpoint._cut_windows(JOBS)] == [
        ["1-c", "1-d"], ["2-c"], ["3-c"],
    ]  # fmt: skip


def test_numbers_are_plain_rounded_floats(small: Checkpoint) -> None:
    for score in scores_of(CheckpointValidator(small, 4096)).values():
        for value in (score.logprob_mean, score.logprob_min, score.margin_mean):
            assert type(value) is float
            assert value == round(value, 6)
        assert score.logprob_min <= score.logprob_mean <= score.margin_mean <= 0
    assert str(scoring._rounded(-1e-9)) == "0.0"
