"""Chat models with eyes: each architecture scores what its own full forward pass says, with one look at a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from msgspec.structs import replace
from PIL import Image
from tiny_chat_models import CHATML, WRITERS, write_gemma, write_paligemma, write_qwen
from tiny_checkpoints import picture

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Probe, ProbeScore, Score, TextScore
from datagen.validator import Fault, Look, Text, open_validator, score_key
from datagen.validator.loading import load_processor
from datagen.validator.models import any_chat_model, open_answerer

DOG = Probe("Is there a dog in the image?", ("Yes", "No"), "a dog")
MANY = Probe("How many dogs are there?", ("One", "Two", "Three", "Seven"), "a dog")
LONG = Text("What do you see?", "A red cup stands on the table. Two dogs run over the grass.")
LOOK = Look("a.jpg", (LONG, Text("Is it left?", "Yes"), DOG, MANY))
SLACK = 4e-5
pytestmark = [  # of transformers 5.17's own code
    pytest.mark.filterwarnings("ignore:__array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning"),
]
MISSING = (
    "requires the Torchvision library", "`num2words` is required", "Could not import module 'Gemma4Processor'",
    "has no attribute M",  # Molmo 2 and MiniCPM-V came after transformers 5.17
)  # fmt: skip


@pytest.fixture(scope="module", params=WRITERS)
def chat_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    try:
        folder = WRITERS[request.param](tmp_path_factory.mktemp("chat") / request.param)
        opened(folder)
    except (ImportError, AttributeError, ValidatorError) as error:
        if not any(said in str(error) for said in MISSING):
            raise
        pytest.skip(str(error))
    return folder


def opened(folder: Path, **settings: Any) -> Any:
    return open_validator(ValidatorSettings(name=str(folder), device="cpu", **settings))


def show(name: str) -> Image.Image:
    return picture(name, (60, 40))


def scored(folder: Path, *looks: Look, **settings: Any) -> dict[str, Score]:
    return {one.key: one for one in opened(folder, **settings).score(looks, show) if not isinstance(one, Fault)}


@lru_cache(maxsize=1)
def reference(folder: Path) -> tuple[Any, Any]:
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    return load_processor(folder), model


def own_logprobs(folder: Path, question: str, answer: str, name: str) -> list[float]:
    """Log-probability of each answer token by the model's own processor and full logits.

    The answer is found by its letters from the end of the conversation, not by the code that is under test.
    """
    processor, model = reference(folder)
    said = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]
    template = (folder / "chat_template.jinja").read_text()
    text = processor.tokenizer.apply_chat_template(said, chat_template=template, tokenize=False)
    inputs = processor(text=[text], images=[show(name)], return_tensors="pt", add_special_tokens=False)
    ids = inputs["input_ids"][0].tolist()

    def holds(first: int, last: int) -> bool:
        return answer in str(processor.tokenizer.decode(ids[first:last]))

    first = next(at for at in range(len(ids) - 1, 0, -1) if holds(at, len(ids)))
    last = next(at for at in range(first + 1, len(ids) + 1) if holds(first, at))
    first -= processor.tokenizer.decode(ids[first - 1 : first]) == " "  # a space of its own belongs to the answer
    with torch.no_grad():
        logprobs = model(**inputs).logits[0].float().log_softmax(-1)
    return [float(logprobs[at - 1, ids[at]]) for at in range(first, last)]


def test_scores_are_those_of_the_full_forward_pass(chat_model: Path) -> None:
    other = Look("b.jpg", (LONG,))
    found = scored(chat_model, LOOK, other)
    identity = opened(chat_model).identity
    for look, item in ((LOOK, LONG), (LOOK, LOOK.items[1]), (other, LONG)):
        score = found[score_key(identity, look, item)]
        assert isinstance(score, TextScore) and isinstance(item, Text)
        expected = own_logprobs(chat_model, item.question, item.answer, look.picture)
        assert score.n_tokens == len(expected)
        assert score.logprob_mean == pytest.approx(sum(expected) / len(expected), abs=SLACK)
        assert score.logprob_min == pytest.approx(min(expected), abs=SLACK)
        assert score.margin_mean <= 0
    for probe in (DOG, MANY):
        chances = found[score_key(identity, LOOK, probe)]
        assert isinstance(chances, ProbeScore)
        sums = [sum(own_logprobs(chat_model, probe.question, answer, "a.jpg")) for answer in probe.answers]
        assert chances.chances == pytest.approx(torch.tensor(sums).softmax(0).tolist(), abs=SLACK)
    assert len(set(found)) == 5


def test_a_picture_is_read_once(chat_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validator = opened(chat_model)
    scores = list(validator.score([LOOK], show))
    loaded = validator._loaded.loaded
    assert loaded.reuses_cache
    rows: list[int] = []
    whole_rows = any_chat_model._whole_rows

    def counted(checkpoint: Any, seen: Any, tails: Any) -> Any:
        rows.append(len(tails))
        return whole_rows(checkpoint, seen, tails)

    monkeypatch.setattr(any_chat_model, "_whole_rows", counted)
    assert list(validator.score([LOOK], show)) == scores
    assert rows == [1]  # eight answers
    # The plain way, of a model that keeps nothing: the same numbers.
    plain = any_chat_model.ImageTextValidator(replace(loaded, reuses_cache=False), 32_768)
    by_key = {one.key: one for one in scores}
    for one in plain.score([LOOK], show):
        assert not isinstance(one, Fault)
        for mine, theirs in zip(numbers(by_key[one.key]), numbers(one), strict=True):
            assert mine == pytest.approx(theirs, abs=SLACK)


def numbers(score: Score) -> tuple[float, ...]:
    if isinstance(score, ProbeScore):
        return score.chances
    assert isinstance(score, TextScore)
    return score.logprob_mean, score.logprob_min, score.margin_mean


def test_a_blank_picture_is_another_look_read_once_a_size(chat_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validator = opened(chat_model)
    looks = [Look(name, (LONG,), is_blank=is_blank) for name in ("a.jpg", "b.jpg") for is_blank in (False, True)]
    read: list[str] = []
    see = any_chat_model.see

    def counted(eyes: Any, picture: Image.Image) -> Any:
        read.append("blank" if len(picture.convert("RGB").getcolors() or ()) == 1 else "picture")
        return see(eyes, picture)

    list(validator.score(looks[:1], show))
    monkeypatch.setattr(any_chat_model, "see", counted)
    found = {one.key: one for one in validator.score(looks, show)}
    assert sorted(read) == ["blank", "picture", "picture"]
    shown, hidden = (found[score_key(validator.identity, look, LONG)] for look in looks[:2])
    assert abs(shown.logprob_mean - hidden.logprob_mean) > 1e-4
    # Answers before a blank that was read earlier go on from where it ended, not from the picture read last.
    alone = {one.key: one for one in opened(chat_model).score(looks[3:], show)}
    key = score_key(validator.identity, looks[3], LONG)
    assert numbers(found[key]) == pytest.approx(numbers(alone[key]), abs=SLACK)


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    folder = write_qwen(tmp_path / "qwen")
    small, large = opened(folder, max_pixels=400), opened(folder)
    assert small.identity != large.identity  # its scores are others
    grids: list[int] = []
    see = any_chat_model.see

    def counted(eyes: Any, shown: Image.Image) -> Any:
        grids.append(shown.width * shown.height)
        return see(eyes, shown)

    for validator in (small, large):
        list(validator.score([Look("a.jpg", (DOG,))], lambda name: picture(name, (40, 80))))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(any_chat_model, "see", counted)
            list(validator.score([Look("b.jpg", (DOG,))], lambda name: picture(name, (40, 80))))
    assert grids == [14 * 28, 40 * 80]
    limited = any_chat_model._limited(picture("a", (40, 80)), 400)
    assert limited.size == (14, 28) and limited.width * limited.height <= 400
    assert any_chat_model._limited(limited, 400) is limited
    assert any_chat_model._limited(Image.new("RGB", (1, 5000)), 100).size == (1, 707)


def test_known_scores_and_broken_items_cost_nothing(chat_model: Path) -> None:
    validator: Any = opened(chat_model)
    keys = {score_key(validator.identity, LOOK, item) for item in LOOK.items}

    def no_picture(name: str) -> Any:
        raise AssertionError

    assert list(validator.score([LOOK], no_picture, keys)) == []
    assert not validator._loaded
    list(validator.score([Look("a.jpg", (DOG,))], show))
    eyes = validator._loaded.loaded.eyes
    marks = {eyes.placeholder, eyes.soft_token}
    texts = [Text("What?", f"A {mark} cup.") for mark in sorted(marks)] + [Text(f"{eyes.soft_token}?", "Yes")]
    long = Text("What?", "A red cup. " * 600)
    found = list(validator.score([Look("a.jpg", (*texts, DOG, long))], show))
    reasons = {one.item: one.reason for one in found if isinstance(one, Fault)}
    assert reasons == {**dict.fromkeys(texts, "unscorable_text"), long: "too_long"}
    assert sum(isinstance(one, ProbeScore) for one in found) == 1


def test_it_answers_in_its_own_words(chat_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.validator.dialogue.MAX_NEW_TOKENS", 3)
    answerer = open_answerer(ValidatorSettings(name=str(chat_model), device="cpu"))
    assert isinstance(answerer.answer(show("a.jpg"), "What is this?"), str)


def test_memory_that_runs_out_halves_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_qwen(tmp_path / "qwen")
    run = any_chat_model._run

    def narrow(checkpoint: Any, read: Any, scripts: Any) -> Any:
        if len(scripts) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(checkpoint, read, scripts)

    whole = scored(folder, LOOK)
    monkeypatch.setattr(any_chat_model, "_run", narrow)
    assert scored(folder, LOOK).keys() == whole.keys()

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    for part in ("_run", "_prefill"):
        with monkeypatch.context() as patch:
            patch.setattr(any_chat_model, part, full)
            validator: Any = opened(folder)
            validator._loaded = validator._load()
            validator._loaded.loaded = replace(validator._loaded.loaded, reuses_cache=True)
            with pytest.raises(ValidatorError, match="does not fit into the memory of cpu"):
                list(validator.score([LOOK], show))


def test_a_model_whose_cache_cannot_be_shared_is_read_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_qwen(tmp_path / "qwen")
    whole = scored(folder, LOOK)

    def wrong(checkpoint: Any, seen: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setattr(any_chat_model, "_prefill", wrong)
    assert scored(folder, LOOK).keys() == whole.keys()


def test_numbers_changed_behind_the_head_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = transformers.Qwen2VLForConditionalGeneration.forward

    def capped(self: Any, **inputs: Any) -> Any:
        out = forward(self, **inputs)
        out.logits = out.logits.tanh()
        return out

    monkeypatch.setattr(transformers.Qwen2VLForConditionalGeneration, "forward", capped)
    with pytest.raises(ValidatorError, match="changes the numbers behind its head"):
        scored(write_qwen(tmp_path / "qwen"), LOOK)


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is refused while a checkpoint is opened is refused before its weights are loaded."""

    def load(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(any_chat_model, "load_model", load)
    yield


@pytest.mark.usefixtures("no_weights")
def test_what_cannot_be_asked_is_refused_before_its_weights_are_loaded(tmp_path: Path) -> None:
    folder = write_qwen(tmp_path / "qwen")
    opened(folder)
    (folder / "chat_template.jinja").write_text(CHATML.format(picture="picture", system=""))
    with pytest.raises(ValidatorError, match="its chat template shows no place for a picture"):
        opened(folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ValidatorError, match="has no chat template"):
        opened(folder)
    with pytest.raises(ValidatorError, match=r"paligemma: is no chat model: .* use a chat model, such as"):
        opened(write_paligemma(tmp_path / "paligemma"))
    for kind in ("phi4_multimodal", "phi4mm"):
        (other := tmp_path / kind).mkdir()
        (other / "config.json").write_text(json.dumps({"model_type": kind, "vision_config": {}}))
        with pytest.raises(ValidatorError, match=rf"{kind}: sees pictures by an adapter .* it would take loading that"):
            opened(other)
    folder = write_qwen(tmp_path / "other")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.5, 0.5]}))
    with pytest.raises(ValidatorError, match="its processor cannot lay out a picture"):
        opened(folder)


def test_reading_in_both_directions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = transformers.Qwen2VLModel.forward

    def looking_ahead(self: Any, **inputs: Any) -> Any:
        out = forward(self, **inputs)
        out.last_hidden_state = out.last_hidden_state + out.last_hidden_state.mean(1, keepdim=True)
        return out

    monkeypatch.setattr(transformers.Qwen2VLModel, "forward", looking_ahead)
    with pytest.raises(ValidatorError, match="reads its answers in both directions"):
        scored(write_qwen(tmp_path / "qwen"), LOOK)


def test_the_small_vocabularies_have_what_broke_on_real_ones(tmp_path: Path) -> None:
    tokenizer = load_processor(write_gemma(tmp_path / "gemma")).tokenizer
    assert "None" in tokenizer.get_vocab()
    # Gemma's processor puts two line breaks before a picture, where one stands already: all three are one token.
    apart = [*tokenizer("user\n", add_special_tokens=False)["input_ids"]]
    together = tokenizer("user\n\n\n", add_special_tokens=False)["input_ids"]
    assert together[: len(apart)] != apart
