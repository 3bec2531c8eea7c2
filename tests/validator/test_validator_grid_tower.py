"""The tower for photographs: its tokens say what stands where, and transformers loads it as its own."""

import pytest
import torch
from tiny_towers import tiny_tower
from transformers import AutoConfig, AutoModel

from datagen.validator.models.grid_tower import SQUASH, GridTower, GridTowerConfig, as_tokens, register, sine_places


@pytest.fixture(scope="module")
def tower():
    return tiny_tower(categories=5)


def test_a_token_for_the_picture_and_one_for_every_cell(tower):
    pixels = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        told = tower(pixels, output_hidden_states=True)
        cover, centre, shown = tower.look(pixels)
    assert told.last_hidden_state.shape == (2, 1 + 9, 2 * 5 + 32) == (2, 1 + 9, tower.config.hidden_size)
    assert torch.equal(told.hidden_states[-1], told.last_hidden_state)
    assert cover.shape == centre.shape == (2, 5, 6, 6) and shown.shape == (2, 5)
    whole = told.last_hidden_state[:, 0]
    assert torch.allclose(whole[:, :5], shown * SQUASH, atol=1e-6)
    assert torch.allclose(whole[:, 5:10].expm1(), centre.sigmoid().sum((2, 3)), rtol=1e-4)


def test_cells_add_up_and_keep_their_places():
    cover, centre = torch.full((1, 2, 4, 4), -8.0), torch.full((1, 2, 4, 4), -40.0)
    cover[0, 1, 0, 3], centre[0, 1, 0, 3], centre[0, 1, 1, 2] = 4.0, 40.0, 40.0
    tokens = as_tokens(cover, centre, torch.zeros(1, 2), position=8)
    assert tokens.shape == (1, 5, 12)
    upper_right = tokens[0, 2]
    assert upper_right[:4].tolist() == pytest.approx([-8 * SQUASH, 4 * SQUASH, 0, 2])
    assert torch.equal(tokens[0, 1:, 4:], sine_places(2, 8))
    assert len({tuple(row.tolist()) for row in sine_places(9, 32)}) == 81


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
        assert torch.equal(loaded(pixels).last_hidden_state, tower(pixels).last_hidden_state)


def test_a_mirror_image_gives_nearly_the_mirrored_grid():
    """Padding lies on one side, as EfficientNet was taught, so only nearly; a tower that turns axes would fail."""
    tower, pixels = tiny_tower(), torch.rand(1, 3, 96, 96)
    pixels[..., :48] = 0
    with torch.inference_mode():
        fine, turned = tower.backbone(pixels)[0], tower.backbone(pixels.flip(3))[0]
    near = torch.nn.functional.cosine_similarity(turned.flip(3).flatten(1), fine.flatten(1))
    far = torch.nn.functional.cosine_similarity(turned.flatten(1), fine.flatten(1))
    assert near > far
