"""Free questions: a model answers one question about one picture in its own words, by greedy decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datagen.errors import ValidatorError

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.validator.loading import Checkpoint

MAX_NEW_TOKENS = 512


class CheckpointAnswerer:
    """Asks a model built like LLaVA.

    Args:
        checkpoint: As loaded for scoring; the same may serve both.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        from datagen.validator.dialogue import Dialogue

        self._checkpoint = checkpoint
        self._dialogue = Dialogue(checkpoint.tokenizer, checkpoint.chat_template, checkpoint.image_token)

    def answer(self, picture: Image, question: str) -> str:
        """Answer one question; see ``Answerer``."""
        import torch

        checkpoint = self._checkpoint
        prompt = self._dialogue.prompt(question)
        if prompt.count(checkpoint.image_token) != 1:
            raise ValidatorError(f"The question holds '{checkpoint.image_token}', which stands for the picture.")
        seen = checkpoint.image_processor(images=[picture.convert("RGB")], return_tensors="pt")
        pixels = seen["pixel_values"].to(checkpoint.device, checkpoint.dtype)
        # LLaVA-NeXT cuts a picture into tiles by its size and needs that to join them again.
        sizes = {"image_sizes": seen["image_sizes"]} if "image_sizes" in seen else {}
        with torch.inference_mode():
            n_features = len(checkpoint.model.get_image_features(pixels, **sizes).pooler_output[0])
        bos = checkpoint.tokenizer.bos_token
        ids = checkpoint.tokenizer(prompt, add_special_tokens=not (bos and prompt.startswith(bos)))["input_ids"]
        at = ids.index(checkpoint.image_token_id)
        ids = torch.tensor([[*ids[:at], *[checkpoint.image_token_id] * n_features, *ids[at + 1 :]]])
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels, **sizes}
        return write_answer(checkpoint, inputs)


def write_answer(checkpoint: Checkpoint, inputs: dict[str, Any]) -> str:
    """Generate greedily after a prompt.

    Args:
        checkpoint: The model.
        inputs: Of one prompt, ``input_ids`` of shape (1, tokens), and what shows the picture.
    """
    import torch

    n_prompt = inputs["input_ids"].shape[1]
    room = MAX_NEW_TOKENS if checkpoint.max_tokens is None else min(MAX_NEW_TOKENS, checkpoint.max_tokens - n_prompt)
    if room < 1:
        raise ValidatorError(f"{n_prompt} tokens with the picture leave no room for an answer; ask in fewer words.")
    placed = {name: _placed(checkpoint, value) for name, value in inputs.items()}
    tokenizer = checkpoint.tokenizer
    padding = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    with torch.inference_mode():
        written = checkpoint.model.generate(**placed, max_new_tokens=room, do_sample=False, pad_token_id=padding)
    answer: str = tokenizer.decode(written[0, n_prompt:], skip_special_tokens=True)
    return answer.strip()


def _placed(checkpoint: Checkpoint, value: Any) -> Any:
    moved = value.to(checkpoint.device)
    return moved.to(checkpoint.dtype) if moved.is_floating_point() else moved
