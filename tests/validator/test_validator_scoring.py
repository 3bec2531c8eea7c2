"""Scores against the reference forward pass, alone, in trees and in batches, and what stops or spares an item."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
import transformers
from msgspec.structs import replace
from PIL import Image
from tiny_checkpoints import KINDS, TEMPLATE, open_tiny, picture, write_checkpoint

from datagen.errors import ValidatorError
from datagen.records import ProbeScore, Score, TextScore
from datagen.validator import Fault, Look, Probe, Text, checkpoint, look_keys, score_key, scoring
from datagen.validator.checkpoint import CheckpointValidator, blank_like, look_at
from datagen.validator.dialogue import Dialogue
from datagen.validator.loading import Checkpoint

SIZES = {"a": (40, 30), "b": (30, 70), "c": (64, 64)}
CUP = Text("What stands on the table?", "A red cup stands on the table.")
BLUE_CUP = Text("What stands on the table?", "A red cup stands on the grass.")
DOGS = Text("How many dogs run?", "Two dogs run over the grass, and a third — blue — one sleeps.")
LEFT = Text("Is it left?", "Yes")
HOW_MANY = Probe("How many dogs run?", ("One", "Two", "Three"), "a dog")
IS_LEFT = Probe("Is it left?", ("Yes", "No"), "a cup")
LOOKS = (
    Look("a", (CUP, BLUE_CUP, DOGS, LEFT, HOW_MANY, IS_LEFT)),
    Look("a", (CUP, DOGS, LEFT), is_blank=True),
    Look("b", (CUP, HOW_MANY)),
    Look("c", (IS_LEFT,)),
)
N_SCORES = sum(len(look.items) for look in LOOKS)


@pytest.fixture(scope="module", params=KINDS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    template = TEMPLATE if request.param == "siglip" else None
    return open_tiny(write_checkpoint(tmp_path_factory.mktemp("tiny") / request.param, request.param, template))


def show(name: str) -> Image.Image:
    return picture(name, SIZES[name])


def scores_of(validator: CheckpointValidator, looks: tuple[Look, ...] = LOOKS) -> dict[str, Score]:
    found = {score.key: score for score in validator.score(looks, show) if not isinstance(score, Fault)}
    assert set(found) == {key for look in looks for key in look_keys(validator.identity, look)}
    return found


def numbers(score: Score) -> tuple[float, ...]:
    if isinstance(score, ProbeScore):
        return score.chances
    assert isinstance(score, TextScore)
    return score.logprob_mean, score.logprob_min, score.margin_mean, score.n_tokens


def assert_close(one: dict[str, Score], two: dict[str, Score]) -> None:
    assert one.keys() == two.keys()
    for key, score in one.items():
        assert type(score) is type(two[key])
        assert numbers(score) == pytest.approx(numbers(two[key]), abs=1e-4)


def reference(loaded: Checkpoint, image: Image.Image, text: Text) -> tuple[list[float], list[float]]:
    """Score by the model's own forward pass over pixels, with full logits."""
    script = Dialogue(loaded.tokenizer, loaded.chat_template, "<image>").write(text.question, text.answer)
    seen = loaded.image_processor(images=[image], return_tensors="pt")
    n_features = len(next(look_at(loaded, [image])))
    ids = torch.tensor([[*script.head, *[loaded.image_token_id] * n_features, *script.tail]])
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids), **seen).logits
    logprobs = logits[0].log_softmax(-1)
    first = len(script.head) + n_features
    at = range(first + script.span[0], first + script.span[1])
    chosen = [float(logprobs[place - 1, ids[0, place]]) for place in at]
    return chosen, [float(logprobs[place - 1].max()) for place in at]


def expected(loaded: Checkpoint, image: Image.Image, item: Text | Probe) -> tuple[float, ...]:
    if isinstance(item, Probe):
        sums = [sum(reference(loaded, image, Text(item.question, answer))[0]) for answer in item.answers]
        total = math.log(sum(map(math.exp, sums)))
        return tuple(math.exp(value - total) for value in sums)
    chosen, best = reference(loaded, image, item)
    n = len(chosen)
    return sum(chosen) / n, min(chosen), (sum(chosen) - sum(best)) / n, n


def test_scores_equal_the_reference_forward_pass(loaded: Checkpoint) -> None:
    found = scores_of(CheckpointValidator(loaded, 4096))
    assert len(found) == N_SCORES
    for look in LOOKS:
        image = blank_like(loaded, SIZES[look.picture]) if look.is_blank else show(look.picture)
        for item in look.items:
            score = found[score_key(loaded.identity, look, item)]
            assert numbers(score) == pytest.approx(expected(loaded, image, item), abs=1e-4)


def test_placeholders_are_as_many_as_the_processor_would_write(loaded: Checkpoint) -> None:
    processor = transformers.AutoProcessor.from_pretrained(loaded.model.name_or_path)
    for name in SIZES:
        written = processor(images=[show(name)], text="<image>", return_tensors="pt")["input_ids"]
        n_written = int((written == loaded.image_token_id).sum())
        assert n_written == len(next(look_at(loaded, [show(name)]))) > 1


def test_trees_and_batches_equal_single_items(loaded: Checkpoint) -> None:
    together = scores_of(CheckpointValidator(loaded, 100_000))
    apart = tuple(Look(look.picture, (item,), look.is_blank) for look in LOOKS for item in look.items)
    assert_close(together, scores_of(CheckpointValidator(loaded, 1), apart))
    assert_close(together, scores_of(CheckpointValidator(loaded, 150)))


def test_pixels_make_a_difference(loaded: Checkpoint) -> None:
    looks = (Look("a", (CUP,)), Look("b", (CUP,)), Look("a", (CUP,), is_blank=True))
    found = scores_of(CheckpointValidator(loaded, 4096), looks)
    assert len({round(numbers(score)[0], 3) for score in found.values()}) == 3


def test_features_are_computed_once_per_picture(loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    n_seen = 0

    def counting(loaded: Checkpoint, pictures: Iterable[Image.Image]) -> Iterator[torch.Tensor]:
        nonlocal n_seen
        for features in look_at(loaded, pictures):
            n_seen += 1
            yield features

    monkeypatch.setattr(checkpoint, "look_at", counting)
    scores_of(CheckpointValidator(loaded, 4096))
    assert n_seen == 4  # three pictures and one blank


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_tiny(write_checkpoint(tmp_path_factory.mktemp("tiny") / "small", max_tokens=120))


def test_texts_that_begin_alike_share_their_beginning(small: Checkpoint) -> None:
    dialogue = Dialogue(small.tokenizer, None, "<image>")
    scripts = [dialogue.write(text.question, text.answer) for text in (CUP, BLUE_CUP, CUP)]
    ((indices, row),) = scoring.plant_trees([(script,) for script in scripts], torch.zeros(4, 32), 4096)
    assert indices == [0, 1, 2]
    assert row.paths[0] == row.paths[2] != row.paths[1]
    ends = [script.span[1] for script in scripts]
    differ = next(n for n, pair in enumerate(zip(scripts[0].tail, scripts[1].tail, strict=False)) if pair[0] != pair[1])
    assert len(row.ids) == ends[0] + ends[1] - differ
    assert max(row.depths) == max(ends) - 1


def ancestors_seen(row: scoring.TreeRow, length: int) -> torch.Tensor:
    """What each token may see, by walking up from every node."""
    seen = torch.zeros((length, length), dtype=torch.bool)
    seen[: row.n_before, : row.n_before] = torch.ones(row.n_before, row.n_before).tril().bool()
    for node in range(len(row.ids)):
        above = node
        while above >= 0:
            seen[row.n_before + node, row.n_before + above] = True
            above = row.parents[above]
        seen[row.n_before + node, : row.n_before] = True
    seen[row.n_tokens :, 0] = True
    return seen


def test_a_token_sees_the_picture_and_its_ancestors(small: Checkpoint) -> None:
    dialogue = Dialogue(small.tokenizer, None, "<image>")
    asked = [(CUP.question, CUP.answer), (DOGS.question, "Two"), (CUP.question, "A blue cup."), (DOGS.question, "Six"),
             (CUP.question, "A red cup."), ("Is it left?", "Yes")]  # fmt: skip
    groups = [(dialogue.write(*one),) for one in asked]  # the third goes back into the first's branch
    rows = [row for n in (6, 2) for _, row in scoring.plant_trees(groups[:n], torch.zeros(4, 32), 4096)]
    for row, scripts in zip(rows, (groups, groups[:2]), strict=True):
        for path, (script,) in zip(row.paths, scripts, strict=True):
            assert tuple(row.ids[node] for node in path) == script.tail[slice(*script.span)]
            assert [row.depths[node] for node in path] == list(range(*script.span))
    mask = scoring._mask(rows, rows[0].n_tokens, torch.float32, torch.device("cpu"))
    for row, found in zip(rows, mask, strict=True):
        assert torch.equal(found[0] == 0, ancestors_seen(row, rows[0].n_tokens))


def test_blanks_of_a_size_share_one_row(loaded: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    n_tokens: list[int] = []
    run = scoring.score_rows

    def counting(held: Checkpoint, rows: list[scoring.TreeRow]) -> object:
        n_tokens.extend(row.n_tokens for row in rows)
        return run(held, rows)

    looks = tuple(Look(name, (CUP, DOGS), is_blank=True) for name in SIZES)
    expected = {}
    for look in looks:
        expected |= scores_of(CheckpointValidator(loaded, 4096), (look,))
    monkeypatch.setattr(checkpoint, "score_rows", counting)
    assert_close(scores_of(CheckpointValidator(loaded, 4096), looks), expected)
    has_tiles = "image_sizes" in loaded.image_processor(images=[show("a")], return_tensors="pt")
    assert len(n_tokens) == (len(set(SIZES.values())) if has_tiles else 1)


def test_pictures_are_prepared_ahead_in_their_order(small: Checkpoint) -> None:
    pictures = [show(name) for name in "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc"]
    chunks = [pictures[n : n + 3] for n in range(0, len(pictures), 3)]
    ahead = list(checkpoint._processed_ahead(small, iter(chunks), 4))
    one_by_one = list(checkpoint._processed_ahead(small, iter(chunks), 0))
    assert len(ahead) == len(one_by_one) == len(chunks)
    for one, other in zip(ahead, one_by_one, strict=True):
        assert torch.equal(one["pixel_values"], other["pixel_values"])


def test_a_tower_without_room_takes_fewer_pictures(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    look, sizes, most = small.model.get_image_features, [], 1

    def limited(pixels: torch.Tensor, **given: object) -> object:
        sizes.append(len(pixels))
        if len(pixels) > most:
            raise torch.OutOfMemoryError
        return look(pixels, **given)

    expected = [features.clone() for features in look_at(small, [show("a"), show("b"), show("c")])]
    monkeypatch.setattr(small.model, "get_image_features", limited)
    found = list(look_at(small, [show("a"), show("b"), show("c")]))
    assert sizes == [3, 1, 2, 1, 1] and all(
        torch.allclose(*pair, atol=1e-5) for pair in zip(found, expected, strict=True)
    )
    most = 0
    with pytest.raises(ValidatorError, match="one picture does not fit into the memory of cpu beside the weights"):
        list(look_at(small, [show("a")]))


def test_a_hint_follows_the_question_of_probes_alone(small: Checkpoint) -> None:
    hinted = scores_of(CheckpointValidator(small, 4096, "\nSay one word."), (Look("a", (CUP, IS_LEFT)),))
    plain = scores_of(CheckpointValidator(small, 4096), (Look("a", (CUP, IS_LEFT)),))
    by_item = [score_key(small.identity, Look("a", ()), item) for item in (CUP, IS_LEFT)]
    assert numbers(hinted[by_item[0]]) == pytest.approx(numbers(plain[by_item[0]]), abs=1e-5)
    asked = Probe(IS_LEFT.question + "\nSay one word.", IS_LEFT.answers)
    assert numbers(hinted[by_item[1]]) == pytest.approx(expected(small, show("a"), asked), abs=1e-4)


def test_rows_stay_short_and_keep_groups_together(small: Checkpoint) -> None:
    dialogue = Dialogue(small.tokenizer, None, "<image>")
    groups = [tuple(dialogue.write(f"{n} dogs?", answer) for answer in ("Yes", "No")) for n in range(40)]
    rows = list(scoring.plant_trees(groups, torch.zeros(4, 32), 120))
    assert [index for indices, _ in rows for index in indices] == list(range(40))
    assert len(rows) > 3
    assert all(row.n_tokens <= 120 and len(row.paths) == 2 * len(indices) for indices, row in rows)


def test_blank_is_the_mean_colour(small: Checkpoint) -> None:
    blank = small.image_processor(images=[blank_like(small, (50, 40))], return_tensors="pt")["pixel_values"]
    assert float(blank.abs().max()) < 0.01


@pytest.mark.parametrize("said", ["CUDA out of memory", "DefaultCPUAllocator: can't allocate memory", None])
def test_a_batch_too_large_for_memory_is_halved(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    expected = scores_of(CheckpointValidator(small, 100_000))
    run, sizes = scoring._run, []

    def limited(loaded: Checkpoint, rows: list[scoring.TreeRow]) -> object:
        sizes.append(len(rows))
        if len(rows) > 1:
            raise MemoryError if said is None else RuntimeError(said)
        return run(loaded, rows)

    monkeypatch.setattr(scoring, "_run", limited)
    monkeypatch.setattr(scoring, "_LEAST_FULL", 0)  # all rows in one batch
    assert_close(scores_of(CheckpointValidator(small, 100_000)), expected)
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_memory_for_not_even_one_picture(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(loaded: Checkpoint, rows: list[scoring.TreeRow]) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(scoring, "_run", never)
    with pytest.raises(ValidatorError, match=r"one picture with \d+ tokens does not fit into the memory of cpu"):
        scores_of(CheckpointValidator(small, 4096))


def test_other_runtime_errors_are_not_taken_for_memory(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(loaded: Checkpoint, rows: list[scoring.TreeRow]) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(scoring, "_run", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        scores_of(CheckpointValidator(small, 4096))


def test_a_bias_in_the_head_counts(small: Checkpoint) -> None:
    look = (Look("a", (CUP, DOGS)),)
    before = scores_of(CheckpointValidator(small, 4096), look)
    head = small.model.lm_head
    head.bias = torch.nn.Parameter(torch.linspace(-3, 3, head.weight.shape[0]), requires_grad=False)
    try:
        after = scores_of(CheckpointValidator(small, 4096), look)
        for item in look[0].items:
            key = score_key(small.identity, look[0], item)
            assert numbers(after[key]) == pytest.approx(expected(small, show("a"), item), abs=1e-4)
            assert abs(numbers(after[key])[0] - numbers(before[key])[0]) > 0.01
    finally:
        head.bias = None


def test_the_head_works_in_chunks(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scores_of(CheckpointValidator(small, 4096))
    monkeypatch.setattr(scoring, "_LOGITS_AT_ONCE", 1)
    assert_close(scores_of(CheckpointValidator(small, 4096)), expected)


def a_row(small: Checkpoint, features: torch.Tensor) -> scoring.TreeRow:
    script = Dialogue(small.tokenizer, None, "<image>").write(CUP.question, CUP.answer)
    return next(scoring.plant_trees([(script,)], features, 4096))[1]


def test_placeholders_without_features_are_refused(small: Checkpoint) -> None:
    holed = scoring.TreeRow((small.image_token_id,), torch.zeros(4, 32), (9, 8), (-1, 0), (0, 1), (2, 2), ((1,),))
    with pytest.raises(ValidatorError, match="Image placeholder 3 stands for no feature"):
        scoring.score_rows(small, [holed])


def test_a_model_over_two_devices_meets_no_tensor_of_the_other(small: Checkpoint) -> None:
    """The first of them is "meta", which knows shapes and no numbers."""
    meta = torch.device("meta")
    row = a_row(small, torch.zeros(4, 32))
    model = copy.deepcopy(small.model)
    inner = model.model.language_model
    for part in (inner.embed_tokens, inner.rotary_emb, inner.layers[0]):
        spread_over(part.to(meta), meta)
    for part in (inner.layers[1], inner.norm, model.lm_head):
        spread_over(part, torch.device("cpu"))
    logprobs, margins = scoring._run(replace(small, model=model, device=meta), [row])
    assert logprobs.shape == margins.shape == (len(scoring.wanted(row)),)


def spread_over(part: torch.nn.Module, device: torch.device) -> None:
    """Bring inputs to where a part lies, as accelerate does."""

    def bring(tensor: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(tensor, device=device) if tensor.is_meta else tensor.to(device)

    def bring_all(_: Any, args: Any, named: Any) -> Any:
        return tuple(torch.utils._pytree.tree_map_only(torch.Tensor, bring, given) for given in (args, named))

    part.register_forward_pre_hook(bring_all, with_kwargs=True)


def test_overflow_is_told(small: Checkpoint) -> None:
    with pytest.raises(ValidatorError, match="overflow"):
        scoring.score_rows(small, [a_row(small, torch.full((4, 32), torch.nan))])


def test_batches_keep_below_the_limit_and_lose_nothing(small: Checkpoint) -> None:
    rows = [a_row(small, torch.zeros(n, 32)) for n in (3, 90, 7, 40, 5, 200)]
    limit = 2 * rows[3].n_tokens
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


def test_a_broken_picture_costs_its_own_items_only(small: Checkpoint) -> None:
    found = list(CheckpointValidator(small, 4096).score(LOOKS, show_all_but_b))
    assert [item for item in found if isinstance(item, Fault)] == [Fault("b", "image_missing", "b: no such file")]
    assert len(found) == N_SCORES - len(LOOKS[2].items) + 1


def test_an_error_of_ours_is_not_taken_for_a_broken_picture(small: Checkpoint) -> None:
    with pytest.raises(KeyError):
        list(CheckpointValidator(small, 4096).score((Look("nowhere", (CUP,)),), show))


def test_too_long_and_unscorable_texts_are_faults(small: Checkpoint) -> None:
    long, odd = Text("What?", "word " * 300), Text("What is <image>?", "A cup.")
    found = list(CheckpointValidator(small, 4096).score((Look("a", (long, odd, LEFT)),), show))
    faults = [item for item in found if isinstance(item, Fault)]
    assert [(fault.item, fault.reason) for fault in faults] == [(long, "too_long"), (odd, "unscorable_text")]
    assert faults[0].detail.endswith("tokens with the picture, the model reads 120")
    assert len(found) == 3


def test_a_resumed_run_computes_the_rest_and_gets_the_same_numbers(
    small: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LOOKS_AT_ONCE", 2)
    validator = CheckpointValidator(small, 300)
    whole = list(validator.score(LOOKS, show))
    for n_stored in range(len(whole) + 1):
        stored = whole[:n_stored]
        rest = list(validator.score(LOOKS, show, known={score.key for score in stored}))
        assert stored + rest == whole


def test_nothing_is_loaded_for_what_is_known(small: Checkpoint) -> None:
    validator = CheckpointValidator(small, 4096)
    assert list(validator.score(LOOKS, pytest.fail, known=set(scores_of(validator)))) == []


def test_windows_are_cut_between_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LOOKS_AT_ONCE", 1)
    windows = [[look.picture for look in window] for window in checkpoint.cut_windows(LOOKS)]
    assert windows == [["a", "a"], ["b"], ["c"]]


def test_numbers_are_plain_rounded_floats(small: Checkpoint) -> None:
    for score in scores_of(CheckpointValidator(small, 4096)).values():
        for value in numbers(score)[:3]:
            assert type(value) is float
            assert value == round(value, 6)
        if isinstance(score, ProbeScore):
            assert sum(score.chances) == pytest.approx(1, abs=1e-5)
        else:
            assert score.logprob_min <= score.logprob_mean <= score.margin_mean <= 0
    assert str(checkpoint._rounded(-1e-9)) == "0.0"
