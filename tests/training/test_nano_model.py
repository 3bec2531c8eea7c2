"""The small LLaVA: an ordinary checkpoint that loads offline and computes what it computed in training."""

import json
import random

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaForConditionalGeneration

from training.atlas import load_atlas
from training.batches import GREY, RowWriter, SceneSource, Stage, draw_frames, extent_of, patch_truth, read_rows
from training.model import (
    Heads,
    NanoSize,
    build_model,
    build_processor,
    save_checkpoint,
    see,
    see_larger,
    sine_positions,
    to_pixels,
)
from training.model import train_tokenizer as new_tokenizer
from training.questions import MOST, QuestionMix, ask
from training.scenes import SceneStyle

ATLAS = load_atlas()
SIZE = NanoSize(image_px=64, width=32, n_heads=2, vision_layers=2, text_layers=3)
PROMPT = "USER: <image>\nIs there a dog in the image? ASSISTANT:"


@pytest.fixture(scope="module")
def tokenizer():
    return new_tokenizer(ATLAS, SIZE.vocabulary, seed=0, n_scenes=400)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return build_model(SIZE, tokenizer).eval()


@pytest.fixture(scope="module")
def saved(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nano")
    save_checkpoint(model, build_processor(tokenizer, SIZE), folder)
    return folder


@pytest.fixture(scope="module")
def loaded(saved):
    return AutoModelForImageTextToText.from_pretrained(saved, dtype=torch.float32).eval()


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)


def test_checkpoint_is_a_plain_llava_in_bf16(saved, loaded):
    assert type(loaded) is LlavaForConditionalGeneration
    assert loaded.lm_head.weight.data_ptr() == loaded.model.language_model.embed_tokens.weight.data_ptr()
    config = json.loads((saved / "config.json").read_text())
    assert (config["vision_feature_layer"], config["vision_feature_select_strategy"]) == (-1, "full")
    with safe_open(saved / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
        assert {weights.get_slice(name).get_dtype() for name in names} == {"BF16"}
        assert not [name for name in names if "place" in name or "centre" in name]


def test_shape_is_read_back(loaded):
    assert NanoSize.of(loaded) == SIZE


def test_features_are_those_before_the_last_norm(loaded):
    pixels = to_pixels(torch.from_numpy(np.stack([picture()])))
    tower = loaded.model.vision_tower
    seen, projected = see(loaded, pixels)
    found = loaded.model.get_image_features(pixel_values=pixels)
    found = getattr(found, "pooler_output", found)
    torch.testing.assert_close(torch.stack(list(found)), projected)
    after = tower(pixel_values=pixels).last_hidden_state
    assert not torch.allclose(seen, after, atol=0.1)


def test_processor_hands_over_the_pixels_of_training(saved):
    processor = AutoProcessor.from_pretrained(saved)
    frame = picture()
    inputs = processor(images=[Image.fromarray(frame)], text=PROMPT, return_tensors="pt")
    torch.testing.assert_close(inputs.pixel_values, to_pixels(torch.from_numpy(frame[None])))
    assert (inputs.input_ids == processor.image_token_id).sum() == SIZE.grid**2


def test_chat_template_writes_the_format_of_training(saved):
    processor = AutoProcessor.from_pretrained(saved)
    asked = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there a dog in the image?"}]}
    told = {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}
    assert processor.apply_chat_template([asked], add_generation_prompt=True) == PROMPT
    assert processor.apply_chat_template([asked, told, asked]).startswith(f"{PROMPT} Yes.</s>USER: ")


def test_rows_score_as_single_questions_do(loaded, saved, tokenizer):
    """Branches see the picture and themselves, so a row gives what the plain model gives for each question alone."""
    source = SceneSource(ATLAS, ATLAS.categories, seed=1)
    scenes = source.scenes(3, SceneStyle(n_objects=(2, 4)))
    asked = source.questions(scenes, QuestionMix(most=4))
    rows = RowWriter(tokenizer, SIZE).write(scenes, asked)
    frames = draw_frames(scenes, SIZE, ATLAS)
    processor = AutoProcessor.from_pretrained(saved)
    owners = iter(range(len(rows.questions)))
    with torch.inference_mode():
        *_, last = read_rows(loaded, rows, to_pixels(frames))
        for n, questions in enumerate(asked):
            for one in questions:
                text = f"USER: <image>\n{one.question} ASSISTANT: {one.answer}</s>"
                inputs = processor(images=[Image.fromarray(frames[n].numpy())], text=text, return_tensors="pt")
                at = (rows.owner[n] == next(owners)).nonzero()[:, 0]
                assert inputs.input_ids[0, -len(at) :].tolist() == rows.ids[n, at].tolist()
                alone = loaded(**inputs).logits[0, -len(at) :]
                torch.testing.assert_close(loaded.lm_head(last[n, at]), alone, atol=2e-4, rtol=1e-3)


def test_only_answers_are_learned_and_words_are_found(tokenizer):
    source = SceneSource(ATLAS, ATLAS.categories, seed=2)
    scenes = source.scenes(4, SceneStyle(n_objects=(2, 4)))
    asked = source.questions(scenes, QuestionMix(most=4))
    rows = RowWriter(tokenizer, SIZE).write(scenes, asked)
    answers = [one.answer for questions in asked for one in questions]
    for owner, answer in enumerate(answers):
        learned = rows.ids[(rows.owner == owner) & (rows.weights > 0)]
        assert tokenizer.decode(learned) == f" {answer}</s>"
    for n, token, row, column, extent, number in rows.words.tolist():
        one = rows.questions[rows.owner[n, token]]
        word = tokenizer.decode(rows.ids[n, token]).strip()
        assert any(one.question[: last + 1].endswith(word) for _, last in one.mentions), (one.question, word)
        named = {name for name, last in one.mentions if one.question[: last + 1].endswith(word)}
        boxes = [placed.box_unit for placed in scenes[n].objects if placed.category in named]
        cells = {(int((b[1] + b[3]) / 2 * SIZE.grid), int((b[0] + b[2]) / 2 * SIZE.grid)) for b in boxes}
        assert len(boxes) == number
        assert (row, column) in (cells if number == 1 else {(-1, -1)})
        assert extent == (extent_of(boxes[0]) if number == 1 else -1)


def test_patches_know_what_they_hold_how_many_and_how_large():
    source = SceneSource(ATLAS, ATLAS.categories, seed=3)
    scenes = source.scenes(20, SceneStyle(n_objects=(1, 4), repeat=(0.5, 0.5)))
    category, centre, amount, extent = patch_truth(scenes, SIZE.grid, ATLAS.categories)
    for n, scene in enumerate(scenes):
        names = [placed.category for placed in scene.objects]
        held = {ATLAS.categories[number - 1] for number in category[n] if number}
        assert held == set(names)
        assert centre[n].sum() == pytest.approx(len(names), abs=0.3)  # centres near one another may share a full patch
        for number, several in zip(category[n], amount[n], strict=True):
            assert several == (names.count(ATLAS.categories[number - 1]) if number else 0)
        for number, found in zip(category[n], extent[n], strict=True):
            name = ATLAS.categories[number - 1] if number else None
            assert found in ({extent_of(one.box_unit) for one in scene.objects if one.category == name} or {0})


@pytest.mark.parametrize(
    ("side", "extent"), [(0.01, 0), (1 / 16, 0), (0.1, 2), (0.25, 8), (0.4, 10), (0.5, 11), (1, 11)]
)
def test_extents_are_half_octaves_of_the_frame(side, extent):
    assert extent_of((0.0, 0.0, side, side)) == extent


def test_batches_blank_some_pictures_and_repeat_with_the_seed(tokenizer):
    writer = RowWriter(tokenizer, SIZE)
    stage = Stage(8, SceneStyle(), QuestionMix(), 0.5)
    one, other = (SceneSource(ATLAS, ATLAS.categories, seed=4).batch(stage, writer) for _ in range(2))
    assert torch.equal(one.frames, other.frames)
    assert torch.equal(one.rows.ids, other.rows.ids)
    assert 0 < (~one.is_shown).sum() < 8
    assert (one.frames[~one.is_shown] == GREY).all()
    assert (one.frames[one.is_shown].float().std((1, 2, 3)) > 0).all()


def test_vocabulary_holds_every_category_word_whole(tokenizer):
    for category in ATLAS.categories:
        assert len(tokenizer(f" {category}").input_ids) == len(category.split()), category
    questions = ask(
        SceneSource(ATLAS, ATLAS.categories, 5).scenes(1, SceneStyle())[0],
        ATLAS.categories,
        random.Random(0),
        QuestionMix(),
    )
    for one in questions:
        assert tokenizer.decode(tokenizer(one.question).input_ids) == one.question


def test_positions_start_as_sines_that_tell_patches_apart():
    positions = sine_positions(4, 32)
    assert positions.shape == (16, 32)
    assert torch.pdist(positions).min() > 0.3
    torch.testing.assert_close(positions.square().sum(1), torch.full((16,), 16.0))


def test_heads_read_row_column_and_number():
    heads = Heads(SIZE, n_categories=5)
    assert heads.place_of_words(torch.randn(7, SIZE.width)).shape == (7, 2, SIZE.grid)
    assert heads.amount_of_words(torch.randn(7, SIZE.width)).shape == (7, MOST + 1)
    assert heads.place_of_patches(torch.randn(2, 16, SIZE.width)).shape == (2, 16, 2, SIZE.grid)


def test_a_model_that_sees_larger_pictures_keeps_all_else(model, tokenizer, tmp_path):
    larger = see_larger(model, 96)
    size = NanoSize.of(larger)
    assert (size.image_px, size.grid) == (96, 6)
    assert larger.config.image_seq_length == 36
    before, after = model.state_dict(), larger.state_dict()
    changed = [name for name in before if before[name].shape != after[name].shape]
    assert [name.rsplit(".", 2)[-2] for name in changed] == ["position_embedding"]
    assert all(torch.equal(before[name], after[name]) for name in before.keys() - changed)
    old = before[changed[0]].unflatten(0, (4, 4))
    new = after[changed[0]].unflatten(0, (6, 6))
    assert torch.allclose(new[0, 0], old[0, 0])  # corners stay where they are
    assert torch.allclose(new.mean((0, 1)), old.mean((0, 1)), atol=0.1)
    save_checkpoint(larger, build_processor(tokenizer, size), tmp_path)
    assert AutoProcessor.from_pretrained(tmp_path).image_processor.size["height"] == 96
