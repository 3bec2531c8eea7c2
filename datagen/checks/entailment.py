"""Textual entailment: how likely an image's captions and boxes contradict a sentence, by a small cross-encoder.

For what the claims' grammar does not read. A BERT reads the sentence with what stands before it, and the notes: a line
of the boxed objects, and the captions. Its weights lie packed in four bits beside the code, so that it works without a
network; ``training/train_entailment.py`` made them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from datagen.checks.judge import sentence_spans
from datagen.errors import JudgeError
from datagen.geometry import centre_of
from datagen.lexicon import plural
from datagen.records import AnnotatedImage, Box, Turn

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

BUNDLED = Path(str(files("datagen"))) / "data" / "entailment"
"""Folder of the judge that datagen brings along."""
MAX_PLACED = 3
"""Boxes of one category whose places are told: of more, places say little and make the notes a third longer."""
MAX_TOKENS, MAX_SENTENCE, MAX_CONTEXT = 256, 80, 48
"""Word pieces of a whole input, of its sentence (from its beginning), of its context (its end); notes fill the rest."""
BATCH = 16
"""Sentences at once. One sample's sentences are scored together, so that no engine's sharding changes a score."""


class Asked(NamedTuple):
    """A sentence to be judged.

    Attributes:
        turn: Place of its turn.
        in_question: Whether it is the turn's question, whole.
        start: First character.
        end: One past the last.
        context: What stands before it: the question, and the sentence before.
        sentence: Its text.
    """

    turn: int
    in_question: bool
    start: int
    end: int
    context: str
    sentence: str


def notes_of(image: AnnotatedImage) -> tuple[str, ...]:
    """What an image's annotations say: a line of boxed objects if there are any, then the captions."""
    return (*((objects_line(image.boxes),) if image.boxes else ()), *image.captions)


def objects_line(boxes: Sequence[Box]) -> str:
    """Boxes in words, largest category first, such as "boxes: 2 dogs (left; right large), 1 kite (middle top)"."""
    groups: dict[str, list[Box]] = {}
    for box in boxes:
        groups.setdefault(box.category, []).append(box)
    told = []
    for name, of in sorted(groups.items(), key=lambda group: -sum(box.area_unit for box in group[1])):
        is_crowd = any(box.is_crowd for box in of)
        number = f"{len(of)}+" if is_crowd else str(len(of))
        noun = plural(name) if is_crowd or len(of) > 1 else name
        places = "; ".join(_place(box) for box in of) if len(of) <= MAX_PLACED else ""
        told.append(f"{number} {noun}" + (f" ({places})" if places else ""))
    return "boxes: " + ", ".join(told)


def _place(box: Box) -> str:
    x, y = centre_of(box.box_unit)
    across = "left" if x < 0.4 else "right" if x > 0.6 else "middle"
    down = " top" if y < 0.33 else " bottom" if y > 0.67 else ""
    return across + down + (" large" if box.area_unit > 0.25 else "")


def with_context(turns: Sequence[Turn]) -> list[Asked]:
    """Each question and each sentence of the answers, with what stands before it."""
    found = []
    spans = list(sentence_spans(turns))
    for n, turn in enumerate(turns):
        question = turn.question.strip()
        if question:
            start = turn.question.index(question)
            found.append(Asked(n, True, start, start + len(question), "", question))
        before = ""
        for one in (span for span in spans if span.turn == n):
            sentence = turn.answer[one.start : one.end]
            found.append(Asked(n, False, one.start, one.end, f"{question} {before}".strip(), sentence))
            before = sentence
    return found


class Pieces:
    """A WordPiece tokenizer, with the ids of what it met before: an image's notes come again for each sentence."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self.cls, self.sep, self.pad = (_id_of(tokenizer, one) for one in ("[CLS]", "[SEP]", "[PAD]"))

    def of(self, text: str) -> list[int]:
        """Ids of a text without marks around it."""
        found = self._known.get(text)
        if found is None:  # several threads share one: what is returned is never looked up again
            if len(self._known) > 20_000:
                self._known.clear()
            written = text.encode(errors="replace").decode()  # the library takes no half of a surrogate pair
            found = self._known[text] = self._tokenizer.encode(written, add_special_tokens=False).ids if text else []
        return found


def _id_of(tokenizer: Tokenizer, mark: str) -> int:
    found = tokenizer.token_to_id(mark)
    if found is None:
        raise ValueError(f"its tokenizer knows no {mark}")
    return found


def token_ids(pieces: Pieces, notes: Sequence[str], context: str, sentence: str) -> tuple[list[int], int, bool]:
    """Put one input together: sentence, context, notes, each closed by a separator.

    Returns:
        Token ids; how many of them stand before the notes, whose segment is 1; whether something was cut off.
    """
    said, before = pieces.of(sentence), pieces.of(context)
    head = [pieces.cls, *said[:MAX_SENTENCE], pieces.sep, *before[-MAX_CONTEXT:], pieces.sep]
    told: list[int] = []
    for note in notes:
        told += [*pieces.of(note), pieces.sep]
    room = MAX_TOKENS - len(head)
    is_cut = len(said) > MAX_SENTENCE or len(before) > MAX_CONTEXT or len(told) > room
    if len(told) > room:
        told = [*told[: room - 1], pieces.sep]
    return head + told, len(head), is_cut


def padded(made: Sequence[tuple[list[int], int, bool]], pad: int) -> dict[str, torch.Tensor]:
    """Tensors of inputs, int64 [rows, tokens]."""
    import torch

    longest = -(-max(len(ids) for ids, _, _ in made) // 8) * 8  # few widths: the CPU's kernels are made once for each
    ids = torch.full((len(made), longest), pad)
    types, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for n, (one, head, _) in enumerate(made):
        ids[n, : len(one)] = torch.tensor(one)
        types[n, head : len(one)] = 1
        mask[n, : len(one)] = 1
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


def packed(weight: torch.Tensor, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a matrix to four bits, symmetrically by groups of numbers along its rows.

    Returns:
        Two numbers a byte, uint8 [rows, columns / 2], and each group's scale, float16 [rows, columns / group].
    """
    import torch

    codes, scale = nearest_codes(weight, 4, group)
    unsigned = (codes + 8).to(torch.uint8).reshape(weight.shape)
    return unsigned[:, ::2] | (unsigned[:, 1::2] << 4), scale.half().reshape(len(weight), -1)


def nearest_codes(weight: torch.Tensor, bits: int, group: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers of so many bits and scales, float32 [groups, group] and [groups, 1], with the least squared error.

    A scale that clips the largest number of a group rounds the others better; the best of five shares is taken.
    """
    import torch

    top = 2 ** (bits - 1) - 1
    grouped = weight.detach().float().reshape(-1, group)
    largest = grouped.abs().amax(1, keepdim=True)
    best, least = torch.ones_like(largest), torch.full_like(largest, torch.inf)
    for share in (1.0, 0.9, 0.8, 0.7, 0.6):
        scale = (largest * share / top).half().float().clamp(min=6e-8)
        error = ((grouped / scale).round().clamp(-top, top) * scale - grouped).square().sum(1, keepdim=True)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return (grouped / best).round().clamp(-top, top), best


def unpacked(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The matrix that ``packed`` made so small, float32."""
    import torch

    both = torch.stack((codes & 15, codes >> 4), dim=-1).reshape(len(codes), scale.shape[1], -1).float() - 8
    return (both * scale.float()[..., None]).reshape(len(codes), -1)


class Shipped(Struct, frozen=True):
    """What ``entailment.json`` says beside the weights.

    Attributes:
        threshold: Chance from which a sentence is taken for contradicted.
        temperature: What the log-odds are divided by, so that the chances hold on replies kept back.
        made_by: How the weights were made.
    """

    threshold: Annotated[float, Meta(gt=0, le=1)]
    temperature: Annotated[float, Meta(gt=0)] = 1.0
    made_by: str = ""


class EntailmentJudge:
    """A cross-encoder that says how likely an image's notes contradict a sentence.

    Args:
        folder: ``config.json`` (BERT), ``model.safetensors``, ``tokenizer.json`` and ``entailment.json``.
        device: Where it is to run.

    Raises:
        JudgeError: The folder is none of this kind.
    """

    def __init__(self, folder: Path = BUNDLED, device: str = "cpu") -> None:
        try:
            self.shipped = msgspec.json.decode((folder / "entailment.json").read_bytes(), type=Shipped)
            tokenizer = _tokenizer_of(folder)
            self._pieces = Pieces(tokenizer)
            self._model = _load(folder, max(tokenizer.get_vocab().values())).to(device).eval()
        except Exception as error:  # what a damaged file raises is up to four libraries, some their own classes
            why = " ".join(str(error).split())[:200]  # torch lists every matrix that does not fit
            raise JudgeError(
                f"{folder} holds no entailment judge ({why}); expected config.json, model.safetensors, "
                "tokenizer.json and entailment.json as training/ship_entailment.py writes them."
            ) from error
        self.folder, self.device = folder, device
        self.n_cut = 0

    @property
    def threshold(self) -> float:
        """Chance from which a sentence is taken for contradicted."""
        return self.shipped.threshold

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digest of all that decides a score."""
        return digest_of(self.folder)

    def score(self, notes: Sequence[str], sentences: Sequence[tuple[str, str]]) -> list[float]:
        """The chance that notes contradict each sentence, 0 to 1 in steps of 0.0001; 0 where there are no notes.

        An input of more than 256 word pieces loses the end of its notes, a sentence of more than 80 its end; ``n_cut``
        counts these.

        Args:
            notes: As ``notes_of`` gives them.
            sentences: Context and sentence of each, as ``with_context`` gives them.
        """
        import torch

        if not any(note.strip() for note in notes):
            return [0.0] * len(sentences)
        made = [token_ids(self._pieces, notes, context, sentence) for context, sentence in sentences]
        self.n_cut += sum(is_cut for _, _, is_cut in made)
        order = sorted(range(len(made)), key=lambda n: (len(made[n][0]), made[n][0]))
        found = [0.0] * len(made)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                inputs = padded([made[n] for n in chosen], self._pieces.pad)
                logits = self._model(**{name: value.to(self.device) for name, value in inputs.items()}).logits.float()
                odds = logits[:, 2] - torch.logaddexp(logits[:, 0], logits[:, 1])
                chances = torch.sigmoid(odds / self.shipped.temperature)
                for n, chance in zip(chosen, chances.tolist(), strict=True):
                    found[n] = round(chance, 4)
        return found


def digest_of(folder: Path) -> str:
    """Hexadecimal digest of a judge's folder, for which nothing is loaded.

    Raises:
        JudgeError: A file is missing or cannot be read.
    """
    sums = hashlib.sha256()
    for name in ("config.json", "entailment.json", "model.safetensors", "tokenizer.json"):
        try:
            sums.update((folder / name).read_bytes())
        except OSError as error:
            raise JudgeError(f"{folder / name}: cannot be read ({error.strerror}).") from error
    return sums.hexdigest()[:16]


def _tokenizer_of(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises a bare Exception for a damaged file
        raise ValueError(f"tokenizer.json: {error}") from error


def _load(folder: Path, last_id: int) -> Any:
    from safetensors.torch import load_file
    from transformers import BertConfig, BertForSequenceClassification

    model = BertForSequenceClassification(BertConfig.from_pretrained(folder, local_files_only=True))
    stored = load_file(folder / "model.safetensors")
    state = {
        name.removesuffix(".codes"): unpacked(value, stored[f"{name.removesuffix('.codes')}.scale"])
        if name.endswith(".codes")
        else value.float()
        for name, value in stored.items()
        if not name.endswith(".scale")
    }
    missing, unknown = model.load_state_dict(state, strict=False)
    if unknown or any(not name.endswith(("position_ids", "token_type_ids")) for name in missing):
        raise ValueError(f"its weights do not fit its config.json: {sorted({*missing, *unknown})[0]}")
    if wrong := [name for name, value in state.items() if not value.isfinite().all()]:
        raise ValueError(f"its weights hold what is no number: {min(wrong)}")
    if last_id >= model.config.vocab_size:
        raise ValueError(f"its tokenizer knows a word piece {last_id}, its weights {model.config.vocab_size}")
    return model
