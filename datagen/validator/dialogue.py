"""Tokenises a question and an answer by the model's chat template, and says where in the tokens the answer stands.

``CheckpointAnswerer`` has a model answer one question about one picture in its own words, by greedy decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError
from msgspec import Struct

from datagen.errors import ValidatorError

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.validator.loading import Checkpoint


Span = tuple[int, int]
"""First token and the one after the last."""

_TRIAL = ("What is this?", "A red cup.")


class UnscorableError(Exception):
    """These texts cannot be laid out for the model; the item becomes a fault."""


class Script(Struct, frozen=True):
    """One question and answer as the model reads them.

    Attributes:
        head: Token ids before the picture, mostly the same for every script.
        tail: Token ids after it.
        span: The tokens of ``tail`` that are the answer's own text: without end mark, because whether an
            answer ends there says nothing about its truth.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    span: Span


class Frame(Struct, frozen=True):
    """The text that a processor makes of one picture's place in a prompt.

    Attributes:
        before: What the chat template writes before its placeholder.
        opening: What the model reads up to the picture: ``before``, and marks of the processor's own.
        soft_token: Stands for the picture's features, however many there are.
        closing: The processor's marks after the picture.
    """

    before: str
    opening: str
    soft_token: str
    closing: str


class Dialogue:
    """Writes questions and answers the way one checkpoint was trained to read them.

    The whole text is tokenised once and the answer is found by its characters: templates of the
    hub mark no answers, and pieces tokenised alone would get other tokens at their seams.

    Args:
        tokenizer: With character offsets.
        chat_template: Jinja text, or None for LLaVA-1.5's ``USER: … ASSISTANT: …</s>``.
        image_token: The text that stands for the picture, one token.

    Attributes:
        content_is_text: The template writes no ``image_token`` for a picture, so it is put before the question.

    Raises:
        ValidatorError: The template or the tokenizer cannot lay out a plain conversation.
    """

    def __init__(self, tokenizer: Any, chat_template: str | None, image_token: str) -> None:
        self._tokenizer = tokenizer
        self._template = chat_template
        self._image_token = image_token
        self._image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self.content_is_text = False
        if not tokenizer.is_fast:
            raise ValidatorError("The checkpoint's tokenizer gives no character offsets; it needs a tokenizer.json.")
        # Templates made for text models fail on a list of content parts, or leave it out.
        self.content_is_text = chat_template is not None and not self._shows_image()
        try:
            self.write(*_TRIAL)
        except UnscorableError as error:
            raise ValidatorError(f"The checkpoint's prompt format cannot be used: {error}.") from None

    def _shows_image(self) -> bool:
        try:
            return self._image_token in self._render(*_TRIAL)
        except UnscorableError:
            return False

    def write(self, question: str, answer: str, frame: Frame | None = None) -> Script:
        """Lay out one question and answer.

        Args:
            question: To stand beside the picture.
            answer: To be scored.
            frame: What a processor writes around the picture; None where it only repeats the placeholder.

        Raises:
            UnscorableError: The texts hold the image token, or the answer has no tokens of its own.
        """
        text = self._render(question, answer)
        shown = self._shown(text, frame)
        places = self._find_answer(text, question, answer)
        ids, offsets, tail_at = self._encode(shown, frame)
        moved = len(shown) - len(text)  # all that changes stands before the question
        start, end = _tokens_between(shown, offsets, *(place + moved for place in places))
        if start <= tail_at:
            raise UnscorableError("the chat template puts the picture after the answer")
        return Script(ids[: tail_at - 1], ids[tail_at:], (start - tail_at, end - tail_at))

    def open_prompt(self, question: str, frame: Frame) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token ids before and after the picture, up to where an answer would start."""
        ids, _, tail_at = self._encode(self._shown(self.prompt(question), frame), frame)
        return ids[: tail_at - 1], ids[tail_at:]

    def _shown(self, text: str, frame: Frame | None) -> str:
        """What the model reads of a rendered conversation, one token in place of the picture."""
        n_places = text.count(self._image_token)
        if n_places != 1:
            raise UnscorableError(f"'{self._image_token}' stands {n_places} times in the prompt")
        if frame is None:
            return text
        before, after = text.split(self._image_token)
        if before != frame.before:
            raise UnscorableError("the chat template puts this text before the picture")
        if frame.soft_token in before + after:
            raise UnscorableError(f"'{frame.soft_token}' stands for the picture")
        return f"{frame.opening}{frame.soft_token}{frame.closing}{after}"

    def _encode(self, shown: str, frame: Frame | None) -> tuple[tuple[int, ...], Sequence[Span], int]:
        """Token ids, the characters of each, and the first token after the picture."""
        bos = self._tokenizer.bos_token
        encoded = self._tokenizer(
            shown,
            add_special_tokens=not (bos and shown.startswith(bos)),
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        ids = tuple(encoded["input_ids"])
        picture = self._image_token_id if frame is None else self._tokenizer.convert_tokens_to_ids(frame.soft_token)
        return ids, encoded["offset_mapping"], ids.index(picture) + 1

    def prompt(self, question: str) -> str:
        """The text after which the model would answer."""
        return self._render(question, None)

    def _find_answer(self, text: str, question: str, answer: str) -> tuple[int, int, int]:
        """Characters at which the prompt ends, the answer starts, and the answer ends."""
        prompt, answer = self.prompt(question).rstrip(), answer.strip()
        start = text.find(answer, len(prompt))
        if not text.startswith(prompt) or text[len(prompt) : start].strip() or start < 0:
            raise UnscorableError("the chat template changes what stands before or in the answer")
        return len(prompt), start, start + len(answer)

    def _render(self, question: str, answer: str | None) -> str:
        """Write the conversation as text; without an answer it ends where one would start."""
        if self._template is None:
            opened = f"USER: {self._image_token}\n{question} ASSISTANT:"
            return opened if answer is None else f"{opened} {answer}{self._tokenizer.eos_token or chr(10)}"
        messages = [{"role": "user", "content": self._content(question, has_image=True)}]
        if answer is not None:
            messages.append({"role": "assistant", "content": self._content(answer, has_image=False)})
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages, chat_template=self._template, tokenize=False, add_generation_prompt=answer is None
            )
        except (TemplateError, TypeError) as error:
            raise UnscorableError(f"the chat template fails ({error})") from None
        return text

    def _content(self, text: str, *, has_image: bool) -> str | list[dict[str, str]]:
        if self.content_is_text:
            return f"{self._image_token}\n{text}" if has_image else text
        parts = [{"type": "text", "text": text}]
        return [{"type": "image"}, *parts] if has_image else parts


def _tokens_between(text: str, offsets: Sequence[Span], floor: int, start: int, end: int) -> Span:
    """Find the tokens that make up characters ``start`` to ``end``.

    They may take in white space down to ``floor``, but no letter of their neighbours: such a token would change with
    the text around the answer, and with it the score. A space before the answer is part of it also where it is a token
    of its own, for a tokenizer may join it with one answer ("ĠOne") and not with another ("Ġ", "Se", "ven"): left out,
    the first letters of the latter would come half for nothing. A line break is never joined, and stays the template's.
    """
    inside = [index for index, (left, right) in enumerate(offsets) if left < end and right > start]
    if not inside:
        raise UnscorableError("an answer has no tokens of its own")
    first, last = inside[0], inside[-1]
    before = offsets[first - 1] if first else (0, 0)
    if floor <= before[0] < before[1] and not text[slice(*before)].strip(" "):
        first -= 1
    if offsets[first][0] < floor or offsets[last][1] > end:
        raise UnscorableError("the tokenizer joins an answer with the text around it")
    return first, last + 1


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
