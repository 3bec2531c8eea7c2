"""The first projector for photographs speaks as the patches of drawn scenes do."""

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from datagen.validator.models.grid_tower import as_tokens
from datagen.validator.models.nano import FOLDERS
from datagen.words import COCO_CATEGORIES
from training.atlas import load_atlas
from training.patch_language import learn_language, speak

WORDS = FOLDERS["drawn scene"]
DOG, CAT, TOASTER = (COCO_CATEGORIES.index(name) for name in ("dog", "cat", "toaster"))


@pytest.fixture(scope="module")
def model():
    return AutoModelForImageTextToText.from_pretrained(WORDS, dtype=torch.float32)


@pytest.fixture(scope="module")
def language(model):
    return learn_language(model, AutoTokenizer.from_pretrained(WORDS), load_atlas(), n_scenes=48)


def test_a_name_is_its_own_and_one_never_drawn_has_one_too(language):
    names = torch.nn.functional.normalize(language.names - language.names.mean(0), dim=1)
    alike = names @ names.T
    assert language.names.shape == (80, 128) and alike[DOG, CAT] < 0.95
    assert language.names[TOASTER].norm() > 10 and alike[TOASTER, DOG] < 0.5


def test_what_is_surely_there_is_named_and_nothing_else(model, language):
    projector = model.model.multi_modal_projector
    before = {name: weights.clone() for name, weights in projector.state_dict().items()}
    try:
        projector.linear_1 = torch.nn.Linear(80 + 36 + 12 + 13 + 9, 128)
        speak(projector, language, cells=18)
        cover, centre = torch.full((1, 80, 18, 18), -9.0), torch.full((1, 80, 18, 18), -9.0)
        cover[0, DOG, 2:6, 1:5] = centre[0, DOG, 4, 2] = 9.0
        shown = torch.full((1, 80), -9.0)
        shown[0, DOG] = 3.0
        with torch.inference_mode():
            spoken = projector(as_tokens(cover, centre, shown))[0]
        by_name = torch.nn.functional.normalize(language.names, dim=1)
        assert (spoken[DOG] @ by_name.T).argmax() == DOG
        assert spoken[DOG] @ by_name[DOG] > 2 * (spoken[CAT] @ by_name[CAT])
        columns = language.columns - language.columns.mean(0)
        assert (spoken[DOG] @ columns.T).argmax() in (1, 2, 3)
    finally:
        projector.linear_1 = torch.nn.Linear(128, 128)
        projector.load_state_dict(before)
