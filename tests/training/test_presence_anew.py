"""Presence's head learns from better labels and stays as it is where there are none."""

import numpy as np
import pytest
import torch
from tiny_towers import tiny_tower

from training.presence_anew import fitted, looked_at

N, FEATURES = 200, 6
HELD = torch.randn(N, FEATURES, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 5, 0.1, 1, 1, 1]) + 3
TRUTH = (HELD[:, 1] > 3).float()


def told(pull, *, weight=1.0, before=0.0):
    """Log-odds after the fit: the first category is shown where the second feature is large, the second never known."""
    shown = torch.full((N, 2), before)
    weights = torch.tensor([weight, 0.0]).repeat(N, 1)
    turn, shift = fitted(HELD, shown, torch.stack([TRUTH, TRUTH], 1), weights, pull)
    return shown, shown + HELD @ turn.T + shift


@pytest.mark.parametrize("before", [0.0, -4.0, 4.0])
def test_it_tells_what_the_labels_tell(before):
    _, after = told(0.01, before=before)
    assert ((after[:, 0] > 0) == (TRUTH > 0)).float().mean() > 0.95


def test_what_nobody_looked_for_stays():
    shown, after = told(0.01)
    assert torch.allclose(after[:, 1], shown[:, 1], atol=1e-5)


def test_the_pull_holds_it_where_it_stood():
    spread = [float(told(pull)[1][:, 0].std()) for pull in (0.01, 1.0, 1e4)]
    assert spread[0] > 2 * spread[1] > 4 * spread[2]


def test_the_same_labels_change_nothing():
    shown = torch.where(TRUTH > 0, 30.0, -30.0)[:, None]
    turn, shift = fitted(HELD, shown, TRUTH[:, None], torch.ones(N, 1), 0.01)
    assert float(turn.abs().max()) < 1e-4 and float(shift.abs().max()) < 1e-2


def test_it_reads_what_the_head_reads():
    tower = tiny_tower().eval()
    pixels = np.random.default_rng(0).integers(0, 255, (11, 96, 96, 3), np.uint8)
    whole, shown = looked_at(tower, pixels, list(range(11)))
    assert whole.shape == (11, tower.found.shown.in_features) and shown.shape == (11, tower.found.shown.out_features)
    with torch.no_grad():
        before = shown - tower.found.shown(whole)
        tower.found.shown.weight.add_(1.0)
        again = looked_at(tower, pixels, list(range(11)))[1]
        assert torch.allclose(again - tower.found.shown(whole), before, atol=0.5)
    assert not torch.allclose(again, shown, atol=0.5)
