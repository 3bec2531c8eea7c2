"""Any image-text-to-text chat model that transformers loads, scored through its own processor and forward pass.

A picture is read once: the model keeps what attention needs of it (its cache), and every answer goes on from there. A
model whose cache cannot be shared is read one whole row per answer instead; which it is, is tried when it is loaded,
with what else is taken for granted: a chat template, one placeholder for a picture, reading from left to right. Models
of LLaVA's build go the faster way of ``checkpoint``.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image
from transformers.models.auto import modeling_auto

from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.records import Score
from datagen.validator.checkpoint import LaidOutItem, blank_like, read_scores
from datagen.validator.dialogue import Dialogue, Frame, Script, UnscorableError, write_answer
from datagen.validator.files import first_line, read_config
from datagen.validator.loading import (
    PROCESSOR_ERRORS,
    Checkpoint,
    Found,
    compute_dtype,
    find_template,
    hush_transformers,
    load_model,
    load_processor,
)
from datagen.validator.models.family import Answerer, Family
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

_TRIAL = ("What is this?", "A red cup.", "A red car stands there.")
_ALONG = ("token_type_ids", "mm_token_type_ids", "cross_attention_mask")
"""Inputs with an entry per token; an answer's tokens get what the prompt's last one has."""


class OverheardTokenizer:
    """A processor's tokenizer that remembers the text it was given last: the prompt with the picture's marks."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.heard = ""

    def __call__(self, text: str | list[str], *args: Any, **options: Any) -> Any:
        """Tokenise."""
        self.heard = text if isinstance(text, str) else text[0]
        return self.tokenizer(text, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)


class Eyes(Struct, frozen=True):
    """What lays out a chat model's inputs; no weights.

    Attributes:
        processor: Its ``tokenizer`` is an ``OverheardTokenizer``.
        placeholder: What the chat template writes for a picture.
        soft_token: What the model reads for a feature of one; often the same.
        max_pixels: Larger pictures are made smaller before the processor sees them.
    """

    name: str
    processor: Any
    template: str
    placeholder: str
    soft_token: str
    dialogue: Dialogue
    max_pixels: int


class Seen(Struct, frozen=True):
    """A picture as the model takes it.

    Attributes:
        prefix: Token ids up to and with the picture's, placeholders written out, and the processor's marks after it.
        frame: The text that stands around it.
        n_marks: Number of such marks, with which the texts after the picture begin.
        along: Inputs with an entry per token, of the prefix and one token of text more.
        beside: All other inputs, such as pixels; several pictures are joined along their first axis.
    """

    prefix: tuple[int, ...]
    frame: Frame
    n_marks: int
    along: dict[str, torch.Tensor]
    beside: dict[str, torch.Tensor]


class Read(Struct, frozen=True):
    """What a model keeps of a picture that it has read.

    Attributes:
        cache: Keys and values of the prefix, one row; None where the model cannot go on from them.
        rope_deltas: Where positions go on, which Qwen's models hold beside their cache.
    """

    seen: Seen
    cache: Any
    rope_deltas: Any


class Loaded(Struct, frozen=True):
    """A chat model, ready to score.

    Attributes:
        reuses_cache: Answers go on from the picture's cache instead of reading the picture again.
    """

    eyes: Eyes
    checkpoint: Checkpoint
    reuses_cache: bool


def open_eyes(settings: ValidatorSettings, found: Found) -> Eyes:
    """Load all but the weights, and lay out one picture with one prompt.

    Raises:
        ValidatorError: The model could not be asked, or not be scored.
    """
    hush_transformers()
    folder = found.folder
    processor = load_processor(folder, trusts_code=settings.trust_remote_code)
    template = find_template(processor)
    if template is None:
        raise ValidatorError(f"{folder}: has no chat template, so nobody knows how to ask it; choose a chat model.")
    placeholder, dialogue = _find_placeholder(folder.name, processor, template)
    processor.tokenizer = OverheardTokenizer(processor.tokenizer)
    soft_token = _soft_token(read_config(folder), processor.tokenizer) or placeholder
    eyes = Eyes(folder.name, processor, template, placeholder, soft_token, dialogue, settings.max_pixels)
    see(eyes, Image.new("RGB", (64, 48), "gray"))
    return eyes


def _find_placeholder(name: str, processor: Any, template: str) -> tuple[str, Dialogue]:
    """Find the text that the chat template writes for a picture."""
    tokenizer = processor.tokenizer
    named = [getattr(holder, part, None) for holder in (processor, tokenizer) for part in _PLACEHOLDERS]
    tokens = dict.fromkeys(str(token) for token in named if token is not None)  # "None" is a word of most vocabularies
    failure: ValidatorError | None = None
    for token in tokens:
        if tokenizer.convert_tokens_to_ids(token) in (None, tokenizer.unk_token_id):
            continue
        try:
            dialogue = Dialogue(tokenizer, template, token)
        except ValidatorError as error:
            failure = error
        else:
            if not dialogue.content_is_text:  # else it is of a text model, which knows nothing of marks around pictures
                return token, dialogue
    told = f" ({first_line(failure)})" if failure else ""
    raise ValidatorError(f"{name}: its chat template shows no place for a picture{told}; choose another model.")


_PLACEHOLDERS = ("boi_token", "image_token")  # Gemma 3's template writes a start mark, which its processor fills


def _soft_token(config: dict[str, Any], tokenizer: Any) -> str | None:
    """The token that stands for a feature, as config.json names it."""
    numbers = (
        config.get(key) for key in ("image_token_id", "image_token_index", "image_patch_id")
    )  # the last: Molmo's
    number = next((number for number in numbers if number is not None), None)
    token = tokenizer.convert_ids_to_tokens(number) if isinstance(number, int) else None
    return token if isinstance(token, str) else None


class ImageTextValidator:
    """Scores with one loaded model; see ``protocol.Validator``."""

    def __init__(self, loaded: Loaded, batch_tokens: int) -> None:
        self.identity = loaded.checkpoint.identity
        self.abilities = Abilities()
        self.n_readers = 0
        self.loaded = loaded
        self._batch_tokens = batch_tokens
        self._blank: tuple[tuple[int, int], Read] | None = None  # most corpora have few sizes, and runs of one

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
            picture = _limited(picture, self.loaded.eyes.max_pixels)
            for look in unknown:
                read = self._read_blank(picture.size) if look.is_blank else read_picture(self.loaded, picture)
                yield from (
                    one for one in self._score_look(look, read) if isinstance(one, Fault) or one.key not in known
                )

    def _read_blank(self, size: tuple[int, int]) -> Read:
        """A plain picture of a size, read once as long as the size stays."""
        if self._blank is None or self._blank[0] != size:
            self._blank = size, read_picture(self.loaded, blank_like(self.loaded.checkpoint, size))
        return self._blank[1]

    def _score_look(self, look: Look, read: Read) -> Iterator[Score | Fault]:
        asked: list[LaidOutItem] = []
        for item in look.items:
            laid_out = self._lay_out(look, item, read.seen)
            if isinstance(laid_out, Fault):
                yield laid_out
            else:
                asked.append(laid_out)
        scripts = [script for one in asked for script in one.scripts]
        yield from read_scores(look, asked, score_scripts(self.loaded, read, scripts, self._batch_tokens))

    def _lay_out(self, look: Look, item: Item, seen: Seen) -> LaidOutItem | Fault:
        answers = (item.answer,) if isinstance(item, Text) else item.answers
        eyes = self.loaded.eyes
        try:
            scripts = tuple(write_after(eyes, seen, item.question, answer) for answer in answers)
        except UnscorableError as error:
            return Fault(look.picture, "unscorable_text", f"the model cannot read this: {error}", item)
        longest = len(seen.prefix) + max(len(script.tail) for script in scripts)
        limit = self.loaded.checkpoint.max_tokens
        if limit is not None and longest > limit:
            return Fault(look.picture, "too_long", f"{longest} tokens with the picture, the model reads {limit}", item)
        return LaidOutItem(item, score_key(self.identity, look, item), scripts)


def _limited(picture: Image.Image, max_pixels: int) -> Image.Image:
    """Make a picture smaller that has more pixels than a model should read."""
    share = (max_pixels / (picture.width * picture.height)) ** 0.5
    if share >= 1:
        return picture
    size = max(1, int(picture.width * share)), max(1, int(picture.height * share))
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def see(eyes: Eyes, picture: Image.Image) -> Seen:
    """Let the processor cut up a picture and write out its placeholders.

    Raises:
        ValidatorError: What it writes cannot be taken apart into picture and text.
    """
    question = _TRIAL[0]
    prompt = eyes.dialogue.prompt(question)
    inputs = process(eyes, prompt, picture)
    ids = tuple(inputs.pop("input_ids")[0].tolist())
    inputs.pop("attention_mask", None)
    shown, soft = eyes.processor.tokenizer.heard, eyes.soft_token
    if soft not in shown:
        soft = eyes.placeholder
    before, after = prompt.split(eyes.placeholder)
    if soft not in shown or not shown.endswith(after):
        raise ValidatorError(f"{eyes.name}: its processor rewrites the text after the picture, which is not supported.")
    closing = shown[shown.rindex(soft) + len(soft) : len(shown) - len(after)]
    frame = Frame(before, shown[: shown.index(soft)], soft, closing)
    head, tail = eyes.dialogue.open_prompt(question, frame)
    end = len(ids) - len(tail)
    if ids[: len(head)] != head or ids[end:] != tail or end <= len(head):
        raise ValidatorError(
            f"{eyes.name}: its processor cuts the text around the picture otherwise than its tokenizer, so the "
            "answer's tokens cannot be found; use another model."
        )
    # Molmo reads the marks that close a picture with it, in both directions, and MiniCPM counts its places by them.
    n_marks = _marks_at_start(eyes.processor.tokenizer, tail, closing)
    end += n_marks
    along = {name: value[:, : end + 1] for name, value in inputs.items() if name in _ALONG}
    beside = {name: value for name, value in inputs.items() if name not in along}
    return Seen(ids[:end], frame, n_marks, along, beside)


def _marks_at_start(tokenizer: Any, ids: Sequence[int], closing: str) -> int:
    """How many of some tokens are the marks with which a processor closes a picture."""
    marks = tokenizer.get_added_vocab()
    for n, token in enumerate(tokenizer.convert_ids_to_tokens(list(ids))):
        if token not in marks or not closing.startswith(token):
            return n
        closing = closing.removeprefix(token)
    return len(ids)


def write_after(eyes: Eyes, seen: Seen, question: str, answer: str) -> Script:
    """Lay out a question and an answer as they are read after a picture.

    Raises:
        UnscorableError: As ``Dialogue.write``.
    """
    script = eyes.dialogue.write(question, answer, seen.frame)
    start, end = script.span
    return Script(script.head, script.tail[seen.n_marks :], (start - seen.n_marks, end - seen.n_marks))


def process(eyes: Eyes, prompt: str, picture: Image.Image) -> dict[str, torch.Tensor]:
    """The model's inputs for one prompt and one picture, as its processor makes them.

    Raises:
        ValidatorError: The processor fails, such as for want of a package.
    """
    bos = eyes.processor.tokenizer.bos_token
    options = {"add_special_tokens": False} if bos and prompt.startswith(bos) else {}
    try:
        made = eyes.processor(text=[prompt], images=[picture.convert("RGB")], return_tensors="pt", **options)
    except PROCESSOR_ERRORS as error:
        raise ValidatorError(f"{eyes.name}: its processor cannot lay out a picture ({first_line(error)}).") from None
    return dict(made)


def read_picture(loaded: Loaded, picture: Image.Image) -> Read:
    """Read a picture once, for all that will be asked of it.

    Raises:
        ValidatorError: It does not fit into memory.
    """
    seen = see(loaded.eyes, picture)
    if not loaded.reuses_cache:
        return Read(seen, None, None)
    try:
        return _prefill(loaded.checkpoint, seen)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _no_room(loaded.checkpoint) from None


@torch.inference_mode()
def _prefill(checkpoint: Checkpoint, seen: Seen) -> Read:
    inner = checkpoint.model.model
    out = inner(**_whole_rows(checkpoint, seen, [()]), use_cache=True)
    cache = out.get("cache")  # past_key_values up to transformers 5.2x
    return Read(seen, out["past_key_values"] if cache is None else cache, getattr(inner, "rope_deltas", None))


def score_scripts(loaded: Loaded, read: Read, scripts: Sequence[Script], batch_tokens: int) -> list[AnswerScore]:
    """Score answers before one picture, so many at once that a batch, padding included, keeps below a limit."""
    scores: dict[int, AnswerScore] = {}
    batch: list[int] = []
    for index in sorted(range(len(scripts)), key=lambda index: -len(scripts[index].tail)):
        longest = len(read.seen.prefix) + len(scripts[(batch or [index])[0]].tail)
        if batch and (len(batch) + 1) * longest > batch_tokens:
            scores |= _score_batch(loaded, read, scripts, batch)
            batch = []
        batch.append(index)
    if batch:
        scores |= _score_batch(loaded, read, scripts, batch)
    return [scores[index] for index in range(len(scripts))]


def _score_batch(loaded: Loaded, read: Read, scripts: Sequence[Script], batch: list[int]) -> dict[int, AnswerScore]:
    """Score a batch, in halves where it does not fit into memory."""
    try:
        return dict(zip(batch, _run(loaded.checkpoint, read, [scripts[index] for index in batch]), strict=True))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(batch) == 1:
            raise _no_room(loaded.checkpoint) from None
    # Outside the handler, because the error holds on to the tensors of the failed pass.
    if loaded.checkpoint.device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(batch) // 2
    return _score_batch(loaded, read, scripts, batch[:half]) | _score_batch(loaded, read, scripts, batch[half:])


def _no_room(checkpoint: Checkpoint) -> ValidatorError:
    return ValidatorError(
        f"{checkpoint.identity}: one picture with its question does not fit into the memory of {checkpoint.device}; "
        "use a smaller checkpoint, --precision bf16 or fewer pixels (validator.max_pixels)."
    )


@torch.inference_mode()
def _run(checkpoint: Checkpoint, read: Read, scripts: Sequence[Script]) -> list[AnswerScore]:
    tails = [script.tail[: script.span[1]] for script in scripts]
    hidden = states_of_tails(checkpoint, read, tails)
    places = [(n, at) for n, script in enumerate(scripts) for at in range(*script.span)]
    row, at = torch.tensor(places, device=hidden.device).unbind(1)
    targets = torch.tensor([tails[n][at] for n, at in places])
    # The state before a token predicts it.
    logprobs, margins = through_head(head_of(checkpoint.model), hidden[row, at - 1], targets)
    if not torch.from_numpy(logprobs).isfinite().all():
        raise ValidatorError(
            f"{checkpoint.identity}: the model's numbers overflow in this precision; use --precision bf16 or fp32."
        )
    found: list[AnswerScore] = []
    taken = 0
    for script in scripts:
        part = slice(taken, taken := taken + script.span[1] - script.span[0])
        found.append(AnswerScore(tuple(map(float, logprobs[part])), tuple(map(float, margins[part]))))
    return found


def states_of_tails(checkpoint: Checkpoint, read: Read, tails: Sequence[Sequence[int]]) -> torch.Tensor:
    """Last hidden states of texts after a picture, shape (texts, longest, hidden)."""
    inner, seen = checkpoint.model.model, read.seen
    if read.cache is None:
        whole: torch.Tensor = inner(**_whole_rows(checkpoint, seen, tails), use_cache=False).last_hidden_state
        return whole[:, len(seen.prefix) :]
    if read.rope_deltas is not None:
        inner.rope_deltas = read.rope_deltas  # those of whatever picture was read last
    cache = copy.deepcopy(read.cache)
    cache.reorder_cache(torch.zeros(len(tails), dtype=torch.long, device=checkpoint.device))  # its row for each text
    # Without a mask: the padding stands last, where nothing that counts sees it.
    inputs = {"input_ids": _padded(tails), _cache_name(inner): cache}
    for name, value in seen.along.items():
        if value.ndim > 2:  # which tiles a token sees; types of tokens are told of pictures alone
            shape = (*inputs["input_ids"].shape, *value.shape[2:])
            inputs[name] = value[:, -1:].expand(shape)
    placed = {
        name: value.to(checkpoint.device) if name != _cache_name(inner) else value for name, value in inputs.items()
    }
    states: torch.Tensor = inner(**placed, use_cache=True).last_hidden_state
    return states


def _cache_name(inner: Any) -> str:
    """It was called past_key_values until transformers 5.2x."""
    return "cache" if "cache" in inspect.signature(inner.forward).parameters else "past_key_values"


def _whole_rows(checkpoint: Checkpoint, seen: Seen, tails: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """Make the model's inputs: one row per tail, the same picture in each, padded on the right."""
    n_rows, start = len(tails), len(seen.prefix)
    text = _padded(tails)
    prefix = torch.tensor(seen.prefix).expand(n_rows, start)
    inputs = {"input_ids": torch.cat([prefix, text], dim=1)}
    length = inputs["input_ids"].shape[1]
    ends = torch.tensor([start + len(tail) for tail in tails]).unsqueeze(1)
    inputs["attention_mask"] = (torch.arange(length) < ends).long()
    for name, value in seen.along.items():
        of_text = value[:, -1:].expand(n_rows, length - start, *value.shape[2:])
        inputs[name] = torch.cat([value[:, :start].expand(n_rows, *value[0, :start].shape), of_text], dim=1)
    for name, value in seen.beside.items():
        # MiniCPM's pictures are one row of patches, whose lengths ``target_sizes`` tells.
        in_one_row = name == "pixel_values" and "target_sizes" in seen.beside
        ones = (1,) * (value.ndim - 1)
        joined = value.repeat(*ones, n_rows) if in_one_row else value.repeat(n_rows, *ones)
        inputs[name] = joined.to(checkpoint.dtype) if joined.is_floating_point() else joined
    return {name: value.to(checkpoint.device) for name, value in inputs.items()}


def _padded(tails: Sequence[Sequence[int]]) -> torch.Tensor:
    """Rows of one length; padded by a word, as 0 may be a placeholder."""
    length = max(map(len, tails))
    rows = [[*tail, *(tail[-1:] or (0,)) * (length - len(tail))] for tail in map(tuple, tails)]
    return torch.tensor(rows, dtype=torch.long)


class CappedHead:
    """A head whose logits are pressed between two bounds, as Gemma 4's are."""

    def __init__(self, head: Any, cap: float) -> None:
        self.weight = head.weight
        self._head, self._cap = head, cap

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Make logits of states."""
        logits: torch.Tensor = self._head(states)
        return torch.tanh(logits / self._cap) * self._cap


def head_of(model: Any) -> Any:
    """What makes logits of a model's last states."""
    head = model.get_output_embeddings()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return head if cap is None else CappedHead(head, cap)


def load_chat_model(settings: ValidatorSettings, found: Found, eyes: Eyes) -> Loaded:
    """Load the weights behind a pair of eyes."""
    model = load_model(settings, found)
    checkpoint = Checkpoint(
        identity=found.identity,
        model=model,
        tokenizer=eyes.processor.tokenizer,
        image_processor=eyes.processor.image_processor,
        chat_template=eyes.template,
        image_token=eyes.placeholder,
        image_token_id=eyes.processor.tokenizer.convert_tokens_to_ids(eyes.soft_token),
        max_tokens=getattr(model.config.get_text_config(), "max_position_embeddings", None),
        device=found.device,
        dtype=compute_dtype(found),
    )
    return Loaded(eyes, checkpoint, reuses_cache=False)


@torch.inference_mode()
def try_out(loaded: Loaded) -> Loaded:
    """Try on a plain picture that answers are read from left to right and end in the model's own logits.

    Returns:
        The same, and whether answers may go on from the picture's cache.

    Raises:
        ValidatorError: What would be measured is not what the model believes.
    """
    eyes, checkpoint = loaded.eyes, loaded.checkpoint
    model, name = checkpoint.model, eyes.name
    question, *answers = _TRIAL
    try:
        seen = see(eyes, Image.linear_gradient("L").resize((64, 48)).convert("RGB"))
        scripts = [write_after(eyes, seen, question, answer) for answer in answers]
        tails = [script.tail[: script.span[1]] for script in scripts]
        inputs = _whole_rows(checkpoint, seen, tails)
        hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, len(seen.prefix) :]
        logits = model(**inputs, use_cache=False).logits[:, -4:]
        ours = head_of(model)(hidden[:, -4:])
    except (UnscorableError, RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise ValidatorError(f"{name}: cannot be asked through its chat template ({first_line(error)}).") from None
    one, other = tails
    same = next(at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    share = 1e-3 if checkpoint.dtype == torch.float32 else 2e-2
    if not _near(hidden[0, same - 1], hidden[1, same - 1], share):
        raise ValidatorError(
            f"{name}: reads its answers in both directions, so it cannot say how likely they are; "
            "choose a model that writes from left to right."
        )
    if not _near(ours, logits, share):
        raise ValidatorError(f"{name}: changes the numbers behind its head, which is not supported; use another model.")
    try:
        going_on = states_of_tails(checkpoint, _prefill(checkpoint, seen), tails)
    except Exception:  # whatever a model's own code raises where it keeps no cache that can be shared
        return loaded
    is_same = all(_near(going_on[n, : len(tail)], hidden[n, : len(tail)], share) for n, tail in enumerate(tails))
    return replace(loaded, reuses_cache=is_same)


def _near(one: torch.Tensor, other: torch.Tensor, share: float) -> bool:
    """Whether two results are the same but for rounding."""
    return torch.allclose(one.float().to(other.device), other.float(), rtol=0, atol=share * float(other.abs().max()))


class ImageTextAnswerer:
    """Asks a chat model through its own processor.

    Args:
        loaded: As ``load_chat_model`` gives it.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def answer(self, picture: Image.Image, question: str) -> str:
        """Answer one question; see ``Answerer``."""
        eyes = self._loaded.eyes
        prompt = eyes.dialogue.prompt(question)
        if prompt.count(eyes.placeholder) != 1:
            raise ValidatorError(f"The question holds '{eyes.placeholder}', which stands for the picture.")
        return write_answer(self._loaded.checkpoint, process(eyes, prompt, _limited(picture, eyes.max_pixels)))


_UNFIT = {
    "paligemma": "is no chat model: it was taught short commands (caption en, answer en ...) instead of a "
    "conversation, and reads them in both directions, so it would take prompts and a mask of its own; use a chat "
    "model, such as one of Gemma 3",
    **dict.fromkeys(
        ("phi4_multimodal", "phi4mm"),
        "sees pictures by an adapter (vision-lora) that lies beside its weights, so it would take loading that through "
        "peft; use a chat model that transformers loads whole, such as one of Qwen3-VL",
    ),
}
"""What transformers, or its name, takes for a chat model that could be loaded, and why it is none."""


def _recognise(config: dict[str, Any], trusts_code: bool) -> str | None:
    if config.get("model_type") in _UNFIT:
        raise ValidatorError(f"{_UNFIT[config['model_type']]}.")
    is_known = config.get("model_type") in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    return "AutoModelForImageTextToText" if is_known else None


def _load(settings: ValidatorSettings, found: Found, eyes: Eyes) -> ImageTextValidator:
    return ImageTextValidator(try_out(load_chat_model(settings, found, eyes)), settings.batch_tokens)


def _load_answerer(settings: ValidatorSettings, found: Found, eyes: Eyes) -> Answerer:
    return ImageTextAnswerer(load_chat_model(settings, found, eyes))


ANY_CHAT_MODEL = Family(
    name="image-text",
    recognise=_recognise,
    prepare=open_eyes,
    load=_load,
    load_answerer=_load_answerer,
    limits_pixels=True,
)
