"""Vision-language models as judges: pictures with texts and claims about them go in, scores and verdicts come out.

``protocol`` is what every validator can do. ``loading`` opens a checkpoint, ``dialogue`` writes the prompt,
``scoring`` runs the model, ``checkpoint`` sees the pictures and joins these three for models built like LLaVA;
``models`` holds the families of models, a file and a table row each, ``files`` their short names, ``replicas`` one
copy per device. ``planting`` makes errors on purpose, ``measures`` says what to ask about a turn and reads the answers,
``calibration`` learns from the planted errors what the scores are worth, ``verdicts`` gives verdicts.
"""

from __future__ import annotations

import warnings

from datagen.config import ValidatorSettings
from datagen.records import Probe
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, Text, Validator, look_keys, score_key

__all__ = [
    "Abilities",
    "Fault",
    "LoadPicture",
    "Look",
    "Probe",
    "Text",
    "Validator",
    "look_keys",
    "open_validator",
    "score_key",
]


def open_validator(settings: ValidatorSettings) -> Validator:
    """Find the validator that the settings name; its weights are loaded when they are first needed.

    Raises:
        ValidatorError: It cannot be found or used on this device.
    """
    with warnings.catch_warnings():
        # Said by a library of theirs in notebooks without ipywidgets, about bars that are never shown.
        warnings.filterwarnings("ignore", message="IProgress not found")
        from datagen.validator.models import open_by_name

        return open_by_name(settings)
