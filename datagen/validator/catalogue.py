"""Short names of published models, such as llava-1.5-7b: where each comes from and how much memory it needs."""

from __future__ import annotations

from msgspec import Struct


class Listed(Struct, frozen=True):
    """One model that has a short name.

    Attributes:
        hub_id: Where its weights are.
        family: Name of a row of ``models.FAMILIES``.
        n_params: In thousand millions, of the whole model.
        n_quantisable: Of these, the linear layers of the language model: all that 8bit and 4bit make smaller.
        good_for: What it is asked, in a few words.
    """

    name: str
    hub_id: str
    family: str
    n_params: float
    n_quantisable: float
    good_for: str

    def weights_gb(self, precision: str) -> float | None:
        """Memory for the weights alone, in GB; None where the precision does not apply.

        Quantised layers take 1 byte, or 0.56 (4 bits and the scale of every 64 weights); the rest stays at 2.
        """
        if precision in _BYTES:
            return self.n_params * _BYTES[precision]
        if not self.n_quantisable:
            return None
        return self.n_quantisable * _QUANTISED_BYTES[precision] + 2 * (self.n_params - self.n_quantisable)


_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}
_QUANTISED_BYTES = {"8bit": 1.0, "4bit": 0.5625}

_ANSWERS = "answers and claims"
_COMPARES = "how near answers and things named are; datagen find"

CATALOGUE: tuple[Listed, ...] = (
    Listed("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 7.06, 6.48, _ANSWERS),
    Listed("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", "llava", 13.35, 12.69, _ANSWERS),
    Listed("llava-next-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", "llava", 7.06, 6.48, f"{_ANSWERS}, small things"),
    Listed(
        "llava-next-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf", "llava", 7.57, 6.98, f"{_ANSWERS}, small things"
    ),
    Listed("imp-v1-3b", "MILVLG/imp-v1-3b", "imp", 3.19, 2.52, f"{_ANSWERS}, on a small GPU"),
    Listed("clip-vit-b-32", "openai/clip-vit-base-patch32", "similarity", 0.15, 0.0, _COMPARES),
    Listed("clip-vit-l-14-336", "openai/clip-vit-large-patch14-336", "similarity", 0.43, 0.0, _COMPARES),
    Listed("siglip-b-224", "google/siglip-base-patch16-224", "similarity", 0.20, 0.0, _COMPARES),
    Listed("siglip-so400m-384", "google/siglip-so400m-patch14-384", "similarity", 0.88, 0.0, _COMPARES),
)


def find_listed(name: str) -> Listed | None:
    """Find a model by its short name."""
    return next((listed for listed in CATALOGUE if listed.name == name), None)
