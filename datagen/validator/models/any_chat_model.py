"""Any image-text-to-text chat model that transformers loads, scored through its own processor and forward pass.

The plain way: one row per answer, padded to a batch, through the model's own forward pass. It takes no more than
that a model has a chat template, one placeholder for a picture, and reads from left to right; all three
are tried when it is loaded. Models of LLaVA's build go the faster way of ``checkpoint``.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from msgspec import Struct
from PIL import Image
from transformers.models.auto import modeling_auto

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Score
from datagen.validator.answering import write_answer
from datagen.validator.checkpoint import LaidOutItem, blank_like, read_scores
from datagen.validator.dialogue import Dialogue, Script, UnscorableError
from datagen.validator.files import first_line
from datagen.validator.loading import Checkpoint, Found, compute_dtype, find_template, hush_transformers, load_model
from datagen.validator.models.family import Answerer, Family
from datagen.validator.processors import load_processor
from datagen.validator.protocol import (
    Abilities,
    Fault,
    Item,
    LoadPicture,
    Look,
    Text,
    look_keys,
    open_picture,
    score_key,
)
from datagen.validator.scoring import AnswerScore, is_out_of_memory, through_head

_TRIAL = ("What is this?", "A red cup.", "A red car.")


class Seen(Struct, frozen=True):
    """A picture as the model takes it.

    Attributes:
        prefix: Token ids up to and with the picture's, placeholders written out.
        head: The tokens of ``prefix`` that stand before the picture.
        along: Inputs with one number per token of the prefix, such as token types; text has 0.
        beside: All other inputs, such as pixels; several pictures are joined along their first axis.
    """

    prefix: tuple[int, ...]
    head: tuple[int, ...]
    along: dict[str, torch.Tensor]
    beside: dict[str, torch.Tensor]


class Eyes(Struct, frozen=True):
    """A loaded model with the parts that lay out its inputs."""

    checkpoint: Checkpoint
    processor: Any
    dialogue: Dialogue


def _load(settings: ValidatorSettings, found: Found) -> ImageTextValidator:
    eyes = load_eyes(settings, found)
    _try_out(found.folder.name, eyes)
    return ImageTextValidator(eyes, settings.batch_tokens)


def load_eyes(settings: ValidatorSettings, found: Found) -> Eyes:
    """Load a chat model with eyes.

    Raises:
        ValidatorError: It lacks a chat template, or a placeholder in it.
    """
    hush_transformers()
    folder = found.folder
    processor = load_processor(folder, trusts_code=settings.trust_remote_code)
    template = find_template(processor)
    if template is None:
        raise ValidatorError(f"{folder}: has no chat template, so nobody knows how to ask it; choose a chat model.")
    image_token, dialogue = _find_placeholder(folder.name, processor, template)
    model = load_model(settings, found)
    checkpoint = Checkpoint(
        identity=found.identity,
        model=model,
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
        chat_template=template,
        image_token=image_token,
        image_token_id=processor.tokenizer.convert_tokens_to_ids(image_token),
        max_tokens=getattr(model.config.get_text_config(), "max_position_embeddings", None),
        device=found.device,
        dtype=compute_dtype(found),
    )
    return Eyes(checkpoint, processor, dialogue)


def _find_placeholder(name: str, processor: Any, template: str) -> tuple[str, Dialogue]:
    """Find the text that the chat template writes for a picture."""
    vocabulary = processor.tokenizer.get_vocab()
    tokens = [getattr(holder, part, None) for holder in (processor, processor.tokenizer) for part in _PLACEHOLDERS]
    failure: ValidatorError | None = None
    for token in dict.fromkeys(token for token in map(str, tokens) if token in vocabulary):
        try:
            return token, Dialogue(processor.tokenizer, template, token)
        except ValidatorError as error:
            failure = error
    told = f" ({first_line(failure)})" if failure else ""
    raise ValidatorError(f"{name}: its chat template shows no place for a picture{told}; choose another model.")


_PLACEHOLDERS = ("boi_token", "image_token")  # Gemma's template writes a start mark, which its processor fills


class ImageTextValidator:
    """Scores with one loaded model; see ``protocol.Validator``."""

    def __init__(self, eyes: Eyes, batch_tokens: int) -> None:
        self.identity = eyes.checkpoint.identity
        self.abilities = Abilities()
        self.n_readers = 0
        self._eyes = eyes
        self._batch_tokens = batch_tokens

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item; one that cannot be scored gives a fault instead."""
        for name, at_picture in groupby(looks, key=lambda look: look.picture):
            unknown = [look for look in at_picture if not all(key in known for key in look_keys(self.identity, look))]
            if not unknown:
                continue
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                yield picture
                continue
            for look in unknown:
                shown = blank_like(self._eyes.checkpoint, picture.size) if look.is_blank else picture
                yield from (
                    one for one in self._score_look(look, shown) if isinstance(one, Fault) or one.key not in known
                )

    def _score_look(self, look: Look, picture: Image.Image) -> Iterator[Score | Fault]:
        seen = see(self._eyes, picture)
        asked: list[LaidOutItem] = []
        for item in look.items:
            laid_out = self._lay_out(look, item, seen)
            if isinstance(laid_out, Fault):
                yield laid_out
            else:
                asked.append(laid_out)
        scripts = [script for one in asked for script in one.scripts]
        yield from read_scores(look, asked, score_scripts(self._eyes, seen, scripts, self._batch_tokens))

    def _lay_out(self, look: Look, item: Item, seen: Seen) -> LaidOutItem | Fault:
        answers = (item.answer,) if isinstance(item, Text) else item.answers
        try:
            scripts = tuple(self._eyes.dialogue.write(item.question, answer) for answer in answers)
        except UnscorableError as error:
            return Fault(look.picture, "unscorable_text", f"the model cannot read this: {error}", item)
        if any(script.head != seen.head for script in scripts):
            return Fault(look.picture, "unscorable_text", "the chat template puts this text before the picture", item)
        longest = len(seen.prefix) + max(len(script.tail) for script in scripts)
        limit = self._eyes.checkpoint.max_tokens
        if limit is not None and longest > limit:
            return Fault(look.picture, "too_long", f"{longest} tokens with the picture, the model reads {limit}", item)
        return LaidOutItem(item, score_key(self.identity, look, item), scripts)


def see(eyes: Eyes, picture: Image.Image) -> Seen:
    """Let the processor cut up a picture and write out its placeholders.

    Raises:
        ValidatorError: The processor changes the text around the picture.
    """
    checkpoint = eyes.checkpoint
    question, answer, _ = _TRIAL
    script = eyes.dialogue.write(question, answer)
    inputs = process(eyes, eyes.dialogue.prompt(question), picture)
    ids = inputs.pop("input_ids")[0].tolist()
    inputs.pop("attention_mask", None)
    # Up to the answer both are the same tokens; the seam itself may be cut otherwise when an answer follows.
    told = script.tail[: script.span[0] - 1]
    end = next((at for at in range(len(ids) - len(told), 0, -1) if tuple(ids[at : at + len(told)]) == told), None)
    if end is None or tuple(ids[: len(script.head)]) != script.head:
        raise ValidatorError(f"{checkpoint.identity}: its processor changes the text around the picture.")
    along = {name: value[0, :end] for name, value in inputs.items() if tuple(value.shape) == (1, len(ids))}
    beside = {name: value for name, value in inputs.items() if name not in along}
    return Seen(tuple(ids[:end]), script.head, along, beside)


def process(eyes: Eyes, prompt: str, picture: Image.Image) -> dict[str, torch.Tensor]:
    """The model's inputs for one prompt and one picture, as its processor makes them."""
    bos = eyes.checkpoint.tokenizer.bos_token
    options = {"add_special_tokens": False} if bos and prompt.startswith(bos) else {}
    return dict(eyes.processor(text=[prompt], images=[picture.convert("RGB")], return_tensors="pt", **options))


def score_scripts(eyes: Eyes, seen: Seen, scripts: Sequence[Script], batch_tokens: int) -> list[AnswerScore]:
    """Score answers before one picture, so many at once that a batch, padding included, keeps below a limit."""
    scores: dict[int, AnswerScore] = {}
    batch: list[int] = []
    for index in sorted(range(len(scripts)), key=lambda index: -len(scripts[index].tail)):
        longest = len(seen.prefix) + len(scripts[(batch or [index])[0]].tail)
        if batch and (len(batch) + 1) * longest > batch_tokens:
            scores |= _score_batch(eyes, seen, scripts, batch)
            batch = []
        batch.append(index)
    if batch:
        scores |= _score_batch(eyes, seen, scripts, batch)
    return [scores[index] for index in range(len(scripts))]


def _score_batch(eyes: Eyes, seen: Seen, scripts: Sequence[Script], batch: list[int]) -> dict[int, AnswerScore]:
    """Score a batch, in halves where it does not fit into memory."""
    checkpoint = eyes.checkpoint
    try:
        return dict(zip(batch, _run(eyes, seen, [scripts[index] for index in batch]), strict=True))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            raise ValidatorError(
                f"{checkpoint.identity}: one picture with its question does not fit into the memory "
                f"of {checkpoint.device}; use a smaller checkpoint or --precision bf16."
            ) from None
    # Outside the handler, because the error holds on to the tensors of the failed pass.
    if checkpoint.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(batch) // 2
    return _score_batch(eyes, seen, scripts, batch[:half]) | _score_batch(eyes, seen, scripts, batch[half:])


@torch.inference_mode()
def _run(eyes: Eyes, seen: Seen, scripts: Sequence[Script]) -> list[AnswerScore]:
    model, device = eyes.checkpoint.model, eyes.checkpoint.device
    inputs = lay_out(eyes, seen, [script.tail[: script.span[1]] for script in scripts])
    hidden = model.model(**inputs, use_cache=False).last_hidden_state
    start = len(seen.prefix)
    places = [(n, start + at) for n, script in enumerate(scripts) for at in range(*script.span)]
    row, at = torch.tensor(places, device=device).unbind(1)
    # The state before a token predicts it.
    head = model.get_output_embeddings()
    logprobs, margins = through_head(head, hidden[row, at - 1], inputs["input_ids"][row, at])
    if not torch.from_numpy(logprobs).isfinite().all():
        raise ValidatorError(
            f"{eyes.checkpoint.identity}: the model's numbers overflow in this precision; use --precision bf16 or fp32."
        )
    found: list[AnswerScore] = []
    taken = 0
    for script in scripts:
        part = slice(taken, taken := taken + script.span[1] - script.span[0])
        found.append(AnswerScore(tuple(map(float, logprobs[part])), tuple(map(float, margins[part]))))
    return found


def lay_out(eyes: Eyes, seen: Seen, tails: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """Make the model's inputs: one row per tail, the same picture in each, padded on the right."""
    checkpoint = eyes.checkpoint
    n_rows, start = len(tails), len(seen.prefix)
    length = start + max(map(len, tails))
    inputs = {
        "input_ids": torch.zeros((n_rows, length), dtype=torch.long),
        "attention_mask": torch.zeros((n_rows, length), dtype=torch.long),
    }
    inputs |= {name: torch.zeros((n_rows, length), dtype=value.dtype) for name, value in seen.along.items()}
    for n, tail in enumerate(tails):
        padding = (tail[-1],) * (length - start - len(tail))  # a word, as 0 may be a placeholder
        inputs["input_ids"][n] = torch.tensor((*seen.prefix, *tail, *padding))
        inputs["attention_mask"][n, : start + len(tail)] = 1
        for name, value in seen.along.items():
            inputs[name][n, :start] = value
    for name, value in seen.beside.items():
        joined = value.repeat(n_rows, *(1,) * (value.ndim - 1))
        inputs[name] = joined.to(checkpoint.dtype) if joined.is_floating_point() else joined
    return {name: value.to(checkpoint.device) for name, value in inputs.items()}


@torch.inference_mode()
def _try_out(name: str, eyes: Eyes) -> None:
    """Try on a plain picture that answers are read from left to right and end in the model's own logits.

    Raises:
        ValidatorError: They are not, so what would be measured is not what the model believes.
    """
    checkpoint = eyes.checkpoint
    model = checkpoint.model
    question, *answers = _TRIAL
    try:
        scripts = [eyes.dialogue.write(question, answer) for answer in answers]
        seen = see(eyes, Image.new("RGB", (64, 48), "gray"))
        inputs = lay_out(eyes, seen, [script.tail[: script.span[1]] for script in scripts])
        hidden = model.model(**inputs, use_cache=False).last_hidden_state
        logits = model(**inputs, use_cache=False).logits
        head = model.get_output_embeddings()
        ours = head(hidden[:, -4:])
    except (UnscorableError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise ValidatorError(f"{name}: cannot be asked through its chat template ({first_line(error)}).") from None
    one, other = (script.tail[: script.span[1]] for script in scripts)
    same = next(at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    before = len(seen.prefix) + same - 1
    share = 1e-3 if checkpoint.dtype == torch.float32 else 2e-2
    slack = share * float(hidden[:, before].abs().max())
    if not torch.allclose(hidden[0, before], hidden[1, before], rtol=0, atol=slack):
        raise ValidatorError(
            f"{name}: reads its answers in both directions, so it cannot say how likely they are; "
            "choose a model that writes from left to right."
        )
    if not torch.allclose(ours.float(), logits[:, -4:].float(), rtol=0, atol=share * float(ours.abs().max())):
        raise ValidatorError(f"{name}: changes the numbers behind its head, which is not supported; use another model.")


class ImageTextAnswerer:
    """Asks a chat model through its own processor.

    Args:
        eyes: As ``load_eyes`` gives them.
    """

    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def answer(self, picture: Image.Image, question: str) -> str:
        """Answer one question; see ``Answerer``."""
        checkpoint = self._eyes.checkpoint
        prompt = self._eyes.dialogue.prompt(question)
        if prompt.count(checkpoint.image_token) != 1:
            raise ValidatorError(f"The question holds '{checkpoint.image_token}', which stands for the picture.")
        return write_answer(checkpoint, process(self._eyes, prompt, picture))


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    is_known = config.get("model_type") in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return "AutoModelForImageTextToText" if is_known else None


def _load_answerer(settings: ValidatorSettings, found: Found) -> Answerer:
    return ImageTextAnswerer(load_eyes(settings, found))


ANY_CHAT_MODEL = Family(name="image-text", recognise=_recognise, load=_load, load_answerer=_load_answerer)
