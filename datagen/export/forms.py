"""The table of export forms: a form is a class that writes proven rows, or a function that writes one file."""

from __future__ import annotations

from datagen.export.claim_ledger import write_claims
from datagen.export.llava_json import LlavaJson
from datagen.export.openai_tuning import OpenAITuning
from datagen.export.parquet import ParquetFiles
from datagen.export.rows import Form
from datagen.export.trl_messages import TrlMessages
from datagen.export.webdataset import WebDatasetShards

FORMS: dict[str, Form] = {
    "llava": LlavaJson,
    "messages": TrlMessages,
    "openai": OpenAITuning,
    "parquet": ParquetFiles,
    "webdataset": WebDatasetShards,
    "claims": write_claims,
}
"""Name of a form, as ``--format`` takes it, to how it is written."""
