"""datagen: from captions and boxes to a visual-instruction dataset that can be trusted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datagen.version import __version__

if TYPE_CHECKING:
    from datagen.api import Run, demo_settings, merge, open_run, preview, run
    from datagen.checks import Check
    from datagen.config import Settings, load_settings
    from datagen.corpus import Corpus, FileSource, ImageRecords, Source
    from datagen.errors import CorpusError, DatagenError, TeacherError, ValidatorError
    from datagen.export import ExportRow, ExportSettings, LeftOut, Writer
    from datagen.records import (
        AnnotatedImage,
        Box,
        Claim,
        Message,
        ProbeScore,
        Reply,
        Request,
        Sample,
        Score,
        TextScore,
        Turn,
        Usage,
        Validation,
    )
    from datagen.summary import Summary
    from datagen.teacher import Teacher
    from datagen.validator import Abilities, Fault, LoadPicture, Look, Probe, Text, Validator, score_key

_HOME = {
    "datagen.api": "Run demo_settings merge open_run preview run",
    "datagen.checks": "Check",
    "datagen.config": "Settings load_settings",
    "datagen.corpus": "Corpus FileSource ImageRecords Source",
    "datagen.errors": "CorpusError DatagenError TeacherError ValidatorError",
    "datagen.export": "ExportRow ExportSettings LeftOut Writer",
    "datagen.records": "AnnotatedImage Box Claim Message ProbeScore Reply Request Sample Score TextScore Turn Usage "
    "Validation",
    "datagen.summary": "Summary",
    "datagen.teacher": "Teacher",
    "datagen.validator": "Abilities Fault LoadPicture Look Probe Text Validator score_key",
}
"""Where each public name is defined; imported on first use, so that ``datagen --help`` stays light."""

__all__ = [
    "Abilities",
    "AnnotatedImage",
    "Box",
    "Check",
    "Claim",
    "Corpus",
    "CorpusError",
    "DatagenError",
    "ExportRow",
    "ExportSettings",
    "Fault",
    "FileSource",
    "ImageRecords",
    "LeftOut",
    "LoadPicture",
    "Look",
    "Message",
    "Probe",
    "ProbeScore",
    "Reply",
    "Request",
    "Run",
    "Sample",
    "Score",
    "Settings",
    "Source",
    "Summary",
    "Teacher",
    "TeacherError",
    "Text",
    "TextScore",
    "Turn",
    "Usage",
    "Validation",
    "Validator",
    "ValidatorError",
    "Writer",
    "__version__",
    "demo_settings",
    "load_settings",
    "merge",
    "open_run",
    "preview",
    "run",
    "score_key",
]


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    for module, names in _HOME.items():
        if name in names.split():
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'datagen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
