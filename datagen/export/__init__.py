"""From accepted samples to the forms that trainers read, and the card that goes with them."""

from __future__ import annotations

from datagen.export.card import dataset_card
from datagen.export.claims import claim_records, write_claims
from datagen.export.llava import llava_record, write_llava

FORMATS = {"llava": write_llava, "claims": write_claims}
"""Form name to the function that writes it."""

__all__ = ["FORMATS", "claim_records", "dataset_card", "llava_record", "write_claims", "write_llava"]
