"""What a person looks at: sample cards, the report, a browser for notebooks, and the local page."""

from __future__ import annotations

from datagen.view.sample_card import sample_card

__all__ = ["sample_card"]
