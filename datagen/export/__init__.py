"""From accepted samples to the forms that trainers read, and the dataset card that goes with them."""

from __future__ import annotations

from datagen.export.card import dataset_card
from datagen.export.chat_jsonl import OpenAITuning, SwiftMessages, TrlMessages
from datagen.export.choice import ChoiceFiles
from datagen.export.claim_ledger import claim_records, write_claims
from datagen.export.coordinates import COORDINATES, SHARES, family_of
from datagen.export.dataset_folder import Exported, FindPicture, export_folder, unfinished_folder
from datagen.export.export_card import export_card
from datagen.export.llava_json import InternVLJsonl, LlavaJson, llava_record, write_llava
from datagen.export.lmms_eval import LmmsTasks
from datagen.export.parquet import ParquetFiles
from datagen.export.pope import PopeFiles
from datagen.export.preference import PreferenceFiles
from datagen.export.rows import ExportRow, ExportSettings, Form, Ledger, LeftOut, RowChoice, Writer, record_fault
from datagen.export.webdataset import WebDatasetShards

__all__ = [
    "COORDINATES",
    "FORMS",
    "SHARES",
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
    "export_card",
    "export_folder",
    "family_of",
    "llava_record",
    "record_fault",
    "unfinished_folder",
    "write_claims",
    "write_llava",
]

FORMS: dict[str, Form] = {
    "llava": LlavaJson,
    "messages": TrlMessages,
    "swift": SwiftMessages,
    "internvl": InternVLJsonl,
    "openai": OpenAITuning,
    "parquet": ParquetFiles,
    "webdataset": WebDatasetShards,
    "preference": PreferenceFiles,
    "pope": PopeFiles,
    "choice": ChoiceFiles,
    "lmms_eval": LmmsTasks,
    "claims": write_claims,
}
"""Name of a form, as ``--format`` takes it, to how it is written: by a class that takes proven rows, or a function that
writes one file."""
