"""The tower for photographs: its tokens say what stands where, and transformers loads it as its own."""

import pytest
import torch
from tiny_towers import tiny_tower
from transformers import AutoConfig, AutoModel

from datagen.validator.models.grid_tower import (
    LARGE_AT,
    MANY_AT,
    SURE_AT,
    GridTower,
    GridTowerConfig,
    as_tokens,
    in_steps,
    register,
)


@pytest.fixture(scope="module")
def tower():
    return tiny_tower(categories=5)


def test_a_token_for_every_category(tower):
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        told = tower(pixels, output_hidden_states=True)
        cover, centre, shown = tower.look(pixels)
    width = 5 + 6 + 6 + len(SURE_AT) + len(MANY_AT) + len(LARGE_AT)
    assert told.last_hidden_state.shape == (2, 5, width) == (2, 5, tower.config.hidden_size)
    assert torch.equal(told.hidden_states[-1], told.last_hidden_state)
    assert cover.shape == centre.shape == (2, 5, 6, 6) and shown.shape == (2, 5)
    assert torch.equal(told.last_hidden_state[:, :, :5], torch.eye(5).expand(2, -1, -1))


def test_a_token_says_where_how_surely_how_many_and_how_large():
    cover, centre = torch.full((1, 2, 4, 4), -40.0), torch.full((1, 2, 4, 4), -40.0)
    cover[0, 1, :2, 2:] = 40.0
    centre[0, 1, 0, 3] = centre[0, 1, 1, 3] = 40.0
    name, columns, rows, sure, many, large = as_tokens(cover, centre, torch.tensor([[-9.0, 0.375]]))[0, 1].split(
        (2, 4, 4, len(SURE_AT), len(MANY_AT), len(LARGE_AT))
    )
    assert name.tolist() == [0, 1]
    assert columns.tolist() == pytest.approx([0, 0, 0, 1]) and rows.tolist() == pytest.approx([0.5, 0.5, 0, 0])
    assert sure[SURE_AT.index(0.0)] == sure[SURE_AT.index(0.75)] == pytest.approx(0.5) and sure.sum() == 1
    assert many[MANY_AT.index(2.0)] == pytest.approx(1) and large[LARGE_AT.index(-2.0)] == pytest.approx(1)


def test_steps_end_where_they_end():
    steps = (0.0, 1.0, 4.0)
    told = in_steps(torch.tensor([-5.0, 0.25, 2.5, 9.0]), steps)
    assert told.tolist() == [[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]


def test_imagenets_classes_speak_for_their_category(tower):
    logits = torch.tensor([[[3.0, -2.0, 9.0]]])
    assert tower.found.evidence(logits)[0, 0].tolist() == pytest.approx([3.0, -2.0, 0, 0, 0], abs=1e-4)
    both = tiny_tower(categories=5)
    both.found.speaks[1] = both.found.speaks[0]
    summed = both.found.evidence(logits)[0, 0, 0].item()
    assert summed == pytest.approx(torch.tensor([3.0, -2.0]).logsumexp(0).item(), abs=1e-4)


def test_it_loads_through_the_auto_classes(tower, tmp_path):
    register()
    register()
    tower.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert isinstance(AutoConfig.from_pretrained(tmp_path), GridTowerConfig)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert isinstance(loaded, GridTower)
    pixels = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        # Not to the last bit: where weights lie in memory decides which kernel some processors take.
        torch.testing.assert_close(loaded(pixels).last_hidden_state, tower(pixels).last_hidden_state)


def test_a_mirror_image_gives_nearly_the_mirrored_grid():
    """Padding lies on one side, as EfficientNet was taught, so only nearly; a tower that turns axes would fail."""
    tower, pixels = tiny_tower(), torch.rand(1, 3, 96, 96)
    pixels[..., :48] = 0
    with torch.inference_mode():
        fine, turned = tower.backbone(pixels)[0], tower.backbone(pixels.flip(3))[0]
    near = torch.nn.functional.cosine_similarity(turned.flip(3).flatten(1), fine.flatten(1))
    far = torch.nn.functional.cosine_similarity(turned.flatten(1), fine.flatten(1))
    assert near > far
