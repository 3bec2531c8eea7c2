"""From accepted samples to the forms that trainers read, and the card that goes with them."""

from __future__ import annotations

from datagen.export.card import dataset_card
from datagen.export.choosing import Choice
from datagen.export.claims import claim_records, write_claims
from datagen.export.folder import FORMS, Exported, ExportSettings, FindPicture, export_folder
from datagen.export.llava import llava_record, write_llava
from datagen.export.proof import Fault, record_fault
from datagen.export.unfinished import unfinished_folder

__all__ = [
    "FORMS",
    "Choice",
    "ExportSettings",
    "Exported",
    "Fault",
    "FindPicture",
    "claim_records",
    "dataset_card",
    "export_folder",
    "llava_record",
    "record_fault",
    "unfinished_folder",
    "write_claims",
    "write_llava",
]
