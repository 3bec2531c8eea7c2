"""Pixels: conversations and pictures go in, scores and verdicts come out.

``protocol`` is what a caller needs to know. ``loading`` opens a checkpoint, ``dialogue`` writes
the prompt, ``pictures`` looks, ``scoring`` runs the model, ``checkpoint`` joins these four, and
``judging`` turns scores into verdicts.
"""

from __future__ import annotations

from datagen.config import ValidatorSettings
from datagen.validator.judging import Calibration, Judged, TurnScores, calibrate, collect_scores, judge_turns
from datagen.validator.protocol import Job, PictureFault, Validator, score_key, score_keys

__all__ = [
    "Calibration",
    "Job",
    "Judged",
    "PictureFault",
    "TurnScores",
    "Validator",
    "calibrate",
    "collect_scores",
    "judge_turns",
    "open_validator",
    "score_key",
    "score_keys",
]


def open_validator(settings: ValidatorSettings) -> Validator:
    """Find the validator that the settings name; its weights are loaded when they are first needed.

    Raises:
        ValidatorError: It cannot be found or used on this device.
    """
    from datagen.validator.checkpoint import DeferredValidator

    return DeferredValidator(settings)
