"""What a person looks at: the sample card."""

from __future__ import annotations

from datagen.view.card import sample_card

__all__ = ["sample_card"]
