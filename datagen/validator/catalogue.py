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
        revision: A commit that is known to load; None for the newest.
        pickle: Of a repository without safetensors, its weights, which are converted once with no code run.
    """

    name: str
    hub_id: str
    family: str
    n_params: float
    n_quantisable: float
    good_for: str
    revision: str | None = None
    pickle: str | None = None

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
_DETECTS = "presence, count, place, relation and size of"
_SMALL = f"{_ANSWERS}, without a GPU"
_TODAYS = f"{_ANSWERS}, of today"

CATALOGUE: tuple[Listed, ...] = (
    Listed("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", "llava", 7.06, 6.48, _ANSWERS),
    Listed("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", "llava", 13.35, 12.69, _ANSWERS),
    Listed("llava-next-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", "llava", 7.06, 6.48, f"{_ANSWERS}, small things"),
    Listed(
        "llava-next-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf", "llava", 7.57, 6.98, f"{_ANSWERS}, small things"
    ),
    Listed("imp-v1-3b", "MILVLG/imp-v1-3b", "imp", 3.19, 2.52, f"{_ANSWERS}, on a small GPU"),
    Listed("qwen3-vl-2b", "Qwen/Qwen3-VL-2B-Instruct", "image-text", 2.13, 1.41, f"{_TODAYS}, on a small GPU"),
    Listed("qwen3-vl-4b", "Qwen/Qwen3-VL-4B-Instruct", "image-text", 4.44, 3.63, _TODAYS),
    Listed("qwen3-vl-8b", "Qwen/Qwen3-VL-8B-Instruct", "image-text", 8.77, 6.95, _TODAYS),
    Listed("qwen2.5-vl-7b", "Qwen/Qwen2.5-VL-7B-Instruct", "image-text", 8.29, 6.53, _ANSWERS),
    Listed("internvl3-2b", "OpenGVLab/InternVL3-2B-hf", "image-text", 1.85, 1.31, f"{_TODAYS}, on a small GPU"),
    Listed("internvl3-8b", "OpenGVLab/InternVL3-8B-hf", "image-text", 7.94, 6.53, _TODAYS),
    Listed("gemma-3-4b", "google/gemma-3-4b-it", "image-text", 4.30, 3.21, f"{_TODAYS} (gated: HF_TOKEN)"),
    Listed("gemma-3-12b", "google/gemma-3-12b-it", "image-text", 12.19, 10.76, f"{_TODAYS} (gated: HF_TOKEN)"),
    Listed("smolvlm2-500m", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "image-text", 0.51, 0.31, _SMALL),
    Listed("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct", "image-text", 2.25, 1.61, f"{_ANSWERS}, small GPU"),
    Listed("clip-vit-b-32", "openai/clip-vit-base-patch32", "similarity", 0.15, 0.0, _COMPARES,
           "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", "pytorch_model.bin"),
    Listed("clip-vit-l-14-336", "openai/clip-vit-large-patch14-336", "similarity", 0.43, 0.0, _COMPARES,
           "ce19dc912ca5cd21c8a653c79e251e808ccabcd1", "pytorch_model.bin"),
    Listed("siglip-b-224", "google/siglip-base-patch16-224", "similarity", 0.20, 0.0, _COMPARES),
    Listed("siglip-so400m-384", "google/siglip-so400m-patch14-384", "similarity", 0.88, 0.0, _COMPARES),
    Listed("siglip2-b-224", "google/siglip2-base-patch16-224", "similarity", 0.38, 0.0, _COMPARES),
    Listed("siglip2-so400m-384", "google/siglip2-so400m-patch14-384", "similarity", 1.14, 0.0, _COMPARES),
    Listed("siglip2-b-naflex", "google/siglip2-base-patch16-naflex", "similarity", 0.38, 0.0, _COMPARES),
    Listed("rt-detr-r50", "PekingU/rtdetr_r50vd", "detector", 0.04, 0.0, f"{_DETECTS} COCO's 80 things"),
    Listed("d-fine-x", "ustc-community/dfine-xlarge-coco", "detector", 0.06, 0.0, f"{_DETECTS} COCO's 80 things"),
    Listed("owlv2-base", "google/owlv2-base-patch16-ensemble", "detector", 0.16, 0.0,
           f"{_DETECTS} all (needs datagen[detectors])"),
    Listed("grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny", "detector", 0.17, 0.0, f"{_DETECTS} all"),
)  # fmt: skip


def find_listed(name: str) -> Listed | None:
    """Find a model by its short name."""
    return next((listed for listed in CATALOGUE if listed.name == name), None)
