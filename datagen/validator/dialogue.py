"""A conversation comes in; token ids and the place of every answer in them come out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from msgspec import Struct

from datagen.errors import ValidatorError
from datagen.records import Turn

Span = tuple[int, int]
"""First token and the one after the last."""

_PROBE = (Turn("What is this?", "A red cup."), Turn("Where is it?", "On the table."))


class UnscorableError(Exception):
    """This conversation cannot be laid out for the model; the sample becomes a fault."""


class Script(Struct, frozen=True):
    """One conversation as the model reads it.

    Attributes:
        ids: Token ids, with one token where the picture stands.
        image_at: Index of that token.
        spans: Per turn, the tokens of the answer's own text: without end mark, because whether
            an answer ends there says nothing about its truth.
    """

    ids: tuple[int, ...]
    image_at: int
    spans: tuple[Span, ...]

    def with_picture(self, n_features: int) -> Script:
        """Make room for a picture: one placeholder per feature vector, all later tokens moved."""
        placeholders = (self.ids[self.image_at],) * n_features
        ids = (*self.ids[: self.image_at], *placeholders, *self.ids[self.image_at + 1 :])
        spans = tuple((start + n_features - 1, end + n_features - 1) for start, end in self.spans)
        return Script(ids, self.image_at, spans)


class Dialogue:
    """Writes conversations the way one checkpoint was trained to read them.

    The whole text is tokenised once and each answer is found by its characters: templates of the
    hub mark no answers, and pieces tokenised alone would get other tokens at their seams.

    Args:
        tokenizer: With character offsets.
        chat_template: Jinja text, or None for LLaVA-1.5's ``USER: … ASSISTANT: …</s>``.
        image_token: The text that stands for the picture, one token.

    Raises:
        ValidatorError: The template or the tokenizer cannot lay out a plain conversation.
    """

    def __init__(self, tokenizer: Any, chat_template: str | None, image_token: str) -> None:
        self._tokenizer = tokenizer
        self._template = chat_template
        self._image_token = image_token
        self._image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        self._content_is_text = False
        if not tokenizer.is_fast:
            raise ValidatorError("The checkpoint's tokenizer gives no character offsets; it needs a tokenizer.json.")
        # Templates made for text models fail on a list of content parts, or leave it out.
        self._content_is_text = chat_template is not None and not self._shows_image()
        try:
            self.write(_PROBE)
        except UnscorableError as error:
            raise ValidatorError(f"The checkpoint's prompt format cannot be used: {error}.") from None

    def _shows_image(self) -> bool:
        try:
            return self._image_token in self._render(_PROBE, is_open=False)
        except UnscorableError:
            return False

    def write(self, turns: Sequence[Turn]) -> Script:
        """Lay out one conversation.

        Raises:
            UnscorableError: The texts hold the image token, or an answer has no tokens of its own.
        """
        text = self._render(turns, is_open=False)
        if text.count(self._image_token) != 1:
            raise UnscorableError(f"'{self._image_token}' stands {text.count(self._image_token)} times in the prompt")
        bos = self._tokenizer.bos_token
        encoded = self._tokenizer(
            text,
            add_special_tokens=not (bos and text.startswith(bos)),
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        ids = tuple(encoded["input_ids"])
        spans = tuple(
            _tokens_between(encoded["offset_mapping"], *self._find_answer(text, turns, index))
            for index in range(len(turns))
        )
        return Script(ids, ids.index(self._image_token_id), spans)

    def _find_answer(self, text: str, turns: Sequence[Turn], index: int) -> tuple[int, int, int]:
        """Characters at which a turn's prompt ends, its answer starts, and its answer ends."""
        prompt = self._render(turns[: index + 1], is_open=True).rstrip()
        answer = turns[index].answer.strip()
        start = text.find(answer, len(prompt))
        if not text.startswith(prompt) or text[len(prompt) : start].strip() or start < 0:
            raise UnscorableError(f"the chat template changes what stands before or in answer {index + 1}")
        return len(prompt), start, start + len(answer)

    def _render(self, turns: Sequence[Turn], *, is_open: bool) -> str:
        """Write turns as text; an open one ends where the last answer would start."""
        if self._template is None:
            end = self._tokenizer.eos_token or "\n"
            parts = [f"USER: {turn.question} ASSISTANT: {turn.answer}{end}" for turn in turns]
            if is_open:
                parts[-1] = f"USER: {turns[-1].question} ASSISTANT:"
            return "".join(parts).replace("USER: ", f"USER: {self._image_token}\n", 1)
        messages = [
            message
            for index, turn in enumerate(turns)
            for message in (
                {"role": "user", "content": self._content(turn.question, has_image=index == 0)},
                {"role": "assistant", "content": self._content(turn.answer, has_image=False)},
            )
        ]
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages[:-1] if is_open else messages,
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=is_open,
            )
        except (TemplateError, TypeError) as error:
            raise UnscorableError(f"the chat template fails ({error})") from None
        return text

    def _content(self, text: str, *, has_image: bool) -> str | list[dict[str, str]]:
        if self._content_is_text:
            return f"{self._image_token}\n{text}" if has_image else text
        parts = [{"type": "text", "text": text}]
        return [{"type": "image"}, *parts] if has_image else parts


def _tokens_between(offsets: Sequence[Span], floor: int, start: int, end: int) -> Span:
    """Find the tokens that make up characters ``start`` to ``end``.

    They may take in white space down to ``floor``, but no letter of their neighbours: such a
    token would change with the text around the answer, and with it the score.
    """
    inside = [index for index, (left, right) in enumerate(offsets) if left < end and right > start]
    if not inside:
        raise UnscorableError("an answer has no tokens of its own")
    first, last = inside[0], inside[-1]
    if offsets[first][0] < floor or offsets[last][1] > end:
        raise UnscorableError("the tokenizer joins an answer with the text around it")
    return first, last + 1
