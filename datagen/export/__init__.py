"""From accepted samples to the forms that trainers read, and the dataset card that goes with them."""

from __future__ import annotations

from datagen.export.card import dataset_card
from datagen.export.claim_ledger import claim_records, write_claims
from datagen.export.dataset_folder import Exported, FindPicture, export_folder, unfinished_folder
from datagen.export.llava_json import LlavaJson
from datagen.export.llava_row import llava_record, write_llava
from datagen.export.openai_tuning import OpenAITuning
from datagen.export.parquet import ParquetFiles
from datagen.export.rows import ExportRow, Form, Ledger, Writer
from datagen.export.splits import ExportSettings, RowChoice
from datagen.export.trainer_rules import LeftOut, record_fault
from datagen.export.trl_messages import TrlMessages
from datagen.export.webdataset import WebDatasetShards

__all__ = [
    "FORMS",
    "ExportRow",
    "ExportSettings",
    "Exported",
    "FindPicture",
    "Form",
    "Ledger",
    "LeftOut",
    "RowChoice",
    "Writer",
    "claim_records",
    "dataset_card",
    "export_folder",
    "llava_record",
    "record_fault",
    "unfinished_folder",
    "write_claims",
    "write_llava",
]

FORMS: dict[str, Form] = {
    "llava": LlavaJson,
    "messages": TrlMessages,
    "openai": OpenAITuning,
    "parquet": ParquetFiles,
    "webdataset": WebDatasetShards,
    "claims": write_claims,
}
"""Name of a form, as ``--format`` takes it, to how it is written: by a class that takes proven rows, or a function that
writes one file."""
