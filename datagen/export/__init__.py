"""From accepted samples to the forms that trainers read, and the dataset card that goes with them."""

from __future__ import annotations

from datagen.export.card import dataset_card
from datagen.export.claim_ledger import claim_records, write_claims
from datagen.export.dataset_folder import Exported, FindPicture, export_folder, unfinished_folder
from datagen.export.forms import FORMS
from datagen.export.llava_row import llava_record, write_llava
from datagen.export.rows import ExportRow, Form, Ledger, Writer
from datagen.export.splits import ExportSettings, RowChoice
from datagen.export.trainer_rules import LeftOut, record_fault

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
