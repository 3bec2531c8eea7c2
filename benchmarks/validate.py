"""A validator's speed on conversations of five turns, beside asking one question at a time with ``generate``.

    python benchmarks/validate.py [--device cpu|cuda|mps] [--shape nano|tiny|llava-1.5-7b] [--conversations N]

Pictures are drawn scenes of 336 pixels, as JPEG. ``nano`` is the bundled model, asked probes as in a run; the other
shapes are LLaVA with random weights (speed does not depend on them), asked whole answers, probes and a blank picture.
The alternative reads each picture anew for every question and generates as many tokens as the answer has, as validators
built on chat interfaces do. Prints conversations a second, the ratio and, on CUDA, the share of the measured matrix
peak and the peak memory. On a CPU, CPU seconds count, elsewhere wall-clock seconds. ``--looks`` prints tokens and time
an image before and after: LLaVA with a blank row for each picture and one for all, and its mask by a loop and on the
device; three chat models read by one look per answer and by one a picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
import transformers
from PIL import Image

import datagen
from datagen.config import ValidatorSettings, load_settings
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.records import Turn
from datagen.validator import scoring
from datagen.validator.checkpoint import CheckpointValidator
from datagen.validator.dialogue import Dialogue
from datagen.validator.loading import Checkpoint
from datagen.validator.measures import blank_look_for, inquire, look_for
from datagen.validator.models import find_checkpoint, load_checkpoint
from datagen.validator.models.any_chat_model import ImageTextValidator
from datagen.validator.models.nano import FOLDERS, NanoValidator
from datagen.validator.protocol import Abilities, Look
from training.draw_corpus import draw_corpus

SHAPES: dict[str, dict[str, dict[str, int]]] = {
    "tiny": {
        "text": {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 8},
        "vision": {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4},
    },
    "llava-1.5-7b": {
        "text": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32},
        "vision": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
    },
}
WORDS = 32_064
TURNS = 5
MATRIX = 8192


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", default="nano", choices=("nano", *SHAPES))
    parser.add_argument("--conversations", type=int, help="default: 100, and 16 with --looks")
    parser.add_argument("--baseline", type=int, default=5, help="conversations put to generate")
    parser.add_argument("--batch-tokens", type=int, default=32_768)
    parser.add_argument("--threads", type=int, default=1, help="on a CPU")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--looks", action="store_true", help="tokens and time an image, one look or one per answer")
    options = parser.parse_args()
    options.conversations = options.conversations or (16 if options.looks else 100)
    torch.set_num_threads(options.threads)
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures = compare_looks(options, Path(folder)) if options.looks else measure(options, Path(folder)).items()
        for name, value in figures:  # as they come: a picture per answer takes a minute
            told[name] = value
            print(f"{name:46} {value:,.4g}" if isinstance(value, float) else f"{name:46} {value}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run both ways over the same conversations."""
    device = torch.device(options.device)
    checkpoint = open_checkpoint(options.shape, device)
    abilities = NanoValidator(ValidatorSettings(name="nano")).abilities if options.shape == "nano" else Abilities()
    validator = CheckpointValidator(checkpoint, options.batch_tokens)
    pictures, conversations = draw_conversations(folder, options.conversations)
    looks: list[Look] = []
    for name, turns in conversations:
        inquiries = [inquire(turn, abilities) for turn in turns]
        looks.append(look_for(inquiries, name))
        if abilities.blanks:
            looks.append(blank_look_for(inquiries, name))

    def load(name: str) -> Image.Image:
        with Image.open(pictures / name) as picture:
            return picture.convert("RGB")

    def ours() -> None:
        n_scored = sum(1 for _ in validator.score(looks, load))
        assert n_scored == sum(len(look.items) for look in looks)

    def theirs() -> None:
        for name, turns in conversations[: options.baseline]:
            for turn in turns:
                ask_once(checkpoint, load(name), turn)

    for look in looks[:2]:  # warm up kernels and caches
        list(validator.score([look], load))
    ours_s, theirs_s = seconds(ours, device), seconds(theirs, device)
    n_turns = sum(len(turns) for _, turns in conversations)
    ours_rate = options.conversations / ours_s
    theirs_rate = options.baseline / theirs_s
    told: dict[str, object] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "shape": options.shape,
        "conversations; turns": f"{options.conversations}; {n_turns}",
        "texts and probes scored": sum(len(look.items) for look in looks),
        "ours, conversations a second": ours_rate,
        "generate, conversations a second": theirs_rate,
        "ratio": ours_rate / theirs_rate,
    }
    if device.type == "cuda":
        flop = count_flop(checkpoint, validator, looks, load)
        peak = matrix_peak(device)
        told |= {
            "TFLOP/s": flop / ours_s / 1e12,
            "measured bf16 matrix peak, TFLOP/s": peak / 1e12,
            "share of the peak": flop / ours_s / peak,
            "peak memory, GB": torch.cuda.max_memory_allocated(device) / 1e9,
        }
    return told


def compare_looks(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, object]]:
    """Read each picture once for all that is asked of it, and once per answer, as chat models were read before.

    Small random models with the tokens of real pictures: what is saved hangs on the numbers of tokens alone.
    """
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
    from tiny_chat_models import write_idefics, write_onevision, write_qwen

    pictures, conversations = draw_conversations(folder, options.conversations)
    looks = [look_for([inquire(turn, Abilities()) for turn in turns], name) for name, turns in conversations]

    def load(name: str) -> Image.Image:
        with Image.open(pictures / name) as picture:
            return picture.convert("RGB").resize((224, 168))

    yield "images; answers", f"{len(looks)}; {sum(map(n_answers, looks))}"
    yield from compare_rows(options, conversations, load)
    for shape, write in (("llava-onevision", write_onevision), ("qwen2-vl", write_qwen), ("idefics3", write_idefics)):
        checkpoint = write(folder / shape)
        settings = json.loads((checkpoint / "preprocessor_config.json").read_text(encoding="utf-8"))
        sizes = {"qwen2-vl": {"shortest_edge": 64, "longest_edge": 1 << 20}, "idefics3": {"longest_edge": 192}}
        settings["size"] = sizes.get(shape, settings["size"])
        (checkpoint / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
        own = ValidatorSettings(name=str(checkpoint), device=options.device)
        family, found = find_checkpoint(own)
        assert family.load is not None  # it was opened as a validator above
        once: Any = family.load(own, found, family.prepare(own, found))
        plain = msgspec.structs.replace(once.loaded, reuses_cache=False)
        for way, validator in (("per answer", ImageTextValidator(plain, own.batch_tokens)), ("once", once)):
            yield f"{shape}, {way}: tokens; s an image", tokens_and_seconds(validator, looks, load, options.device)


def compare_rows(
    options: argparse.Namespace, conversations: list[tuple[str, tuple[Turn, ...]]], load: Any
) -> Iterator[tuple[str, object]]:
    """LLaVA, with blank pictures: a row for each picture's blank, as before, and one for those that are alike."""
    checkpoint = open_checkpoint("tiny", torch.device(options.device))
    looks: list[list[Look]] = []
    for name, turns in conversations:
        inquiries = [inquire(turn, Abilities()) for turn in turns]
        looks.append([look_for(inquiries, name), blank_look_for(inquiries, name)])
    for way, calls in (("a blank each", looks), ("one blank", [[look for pair in looks for look in pair]])):
        n_tokens = 0
        validator = CheckpointValidator(checkpoint, options.batch_tokens)

        def count(_: Any, args: Any, inputs: dict[str, Any]) -> None:
            nonlocal n_tokens
            n_tokens += int(inputs["inputs_embeds"].shape[:2].numel())

        def work(calls: list[list[Look]] = calls, validator: CheckpointValidator = validator) -> None:
            for call in calls:
                assert sum(1 for _ in validator.score(call, load)) == sum(len(look.items) for look in call)

        hook = checkpoint.model.model.language_model.register_forward_pre_hook(count, with_kwargs=True)
        taken = seconds(work, torch.device(options.device))
        hook.remove()
        yield f"llava-1.5, {way}: tokens; s an image", f"{n_tokens / len(looks):,.0f}; {taken / len(looks):.3f}"
    rows = [row_of(checkpoint, length) for length in (1000, 3000, 4000)]
    for row in rows:
        length = row.n_tokens
        by_loop = seconds(lambda row=row: loop_mask([row] * 4), torch.device("cpu"))
        on_device = seconds(
            lambda row=row, length=length: scoring._mask([row] * 4, length, checkpoint.dtype, checkpoint.device),
            checkpoint.device,
        )
        yield f"mask of 4 rows of {length:,} tokens: loop; now", f"{by_loop:.3f}; {on_device:.3f} s"


def row_of(checkpoint: Checkpoint, n_tokens: int) -> scoring.TreeRow:
    """A row with the picture's 576 places, and questions of some 30 tokens behind it."""
    dialogue = Dialogue(checkpoint.tokenizer, checkpoint.chat_template, checkpoint.image_token)
    groups = [(dialogue.write(f"Is there a thing number {n}?", "There is one, on the left side."),) for n in range(999)]
    hidden = checkpoint.model.config.get_text_config().hidden_size
    return next(scoring.plant_trees(groups, torch.zeros(576, hidden), n_tokens))[1]


def loop_mask(rows: list[scoring.TreeRow]) -> torch.Tensor:
    """As the mask was made before: node by node on the host."""
    length = max(row.n_tokens for row in rows)
    is_open = np.zeros((len(rows), length, length), dtype=bool)
    for seen, row in zip(is_open, rows, strict=True):
        start = row.n_before
        seen[:start, :start] = np.tri(start, dtype=bool)
        for node, parent in enumerate(row.parents, start=start):
            seen[node] = seen[start + parent]
            seen[node, node] = True
    mask = torch.zeros(is_open.shape).masked_fill_(torch.from_numpy(~is_open), torch.finfo(torch.float32).min)
    return mask.unsqueeze(1)


def tokens_and_seconds(validator: ImageTextValidator, looks: list[Look], load: Any, device: str) -> str:
    """What a validator's model reads, and how long it takes, both an image."""
    n_tokens = 0

    def count(_: Any, args: Any, inputs: dict[str, Any]) -> None:
        nonlocal n_tokens
        n_tokens += inputs["input_ids"].numel()

    def work() -> None:
        assert sum(1 for _ in validator.score(looks, load)) == sum(len(look.items) for look in looks)

    hook = validator.loaded.checkpoint.model.model.register_forward_pre_hook(count, with_kwargs=True)
    taken = seconds(work, torch.device(device))
    hook.remove()
    return f"{n_tokens / len(looks):,.0f}; {taken / len(looks):.3f}"


def n_answers(look: Look) -> int:
    """Rows that a look took when each answer was one."""
    return sum(len(getattr(item, "answers", ("the text",))) for item in look.items)


def open_checkpoint(shape: str, device: torch.device) -> Checkpoint:
    """The bundled model, or LLaVA of a shape with random weights made on the device."""
    if shape == "nano":
        return load_checkpoint(ValidatorSettings(name=str(FOLDERS["drawn scene"]), device=str(device)))
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDERS["drawn scene"])
    text = transformers.LlamaConfig(
        vocab_size=WORDS, num_key_value_heads=SHAPES[shape]["text"]["num_attention_heads"], **SHAPES[shape]["text"]
    )
    vision = transformers.CLIPVisionConfig(image_size=336, patch_size=14, **SHAPES[shape]["vision"])
    image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_id=image_token_id)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = transformers.LlavaForConditionalGeneration(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    images = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    processor = images(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    return Checkpoint(
        identity=shape,
        model=model,
        tokenizer=tokenizer,
        image_processor=processor,
        chat_template=None,
        image_token="<image>",
        image_token_id=image_token_id,
        max_tokens=None,
        device=device,
        dtype=dtype,
    )


def draw_conversations(folder: Path, n: int) -> tuple[Path, list[tuple[str, tuple[Turn, ...]]]]:
    """Draw scenes and have the embedded teacher talk about each, five turns with their claims."""
    corpus = draw_corpus(folder / "corpus", n, seed=5)
    files = {"captions": [corpus["captions"]], "instances": [corpus["instances"]], "images": corpus["images"]}
    types = ["conversation", "negation"]
    settings = load_settings(None, {"corpus": files, "types": types, "dedup": {"over_set": False}})
    run_local(settings, folder / "run", Silence())
    turns: dict[str, list[Turn]] = {}
    for sample in datagen.open_run(folder / "run").iter_samples():
        turns.setdefault(sample.image, []).extend(sample.turns)
    return Path(corpus["images"]), [(name, tuple(held[:TURNS])) for name, held in turns.items()]


@torch.inference_mode()
def ask_once(checkpoint: Checkpoint, picture: Image.Image, turn: Turn) -> None:
    """One question, one picture, one answer generated token by token."""
    dialogue = Dialogue(checkpoint.tokenizer, checkpoint.chat_template, checkpoint.image_token)
    seen = checkpoint.image_processor(images=[picture], return_tensors="pt")
    pixels = seen["pixel_values"].to(checkpoint.device, checkpoint.dtype)
    n_places = len(checkpoint.model.get_image_features(pixels).pooler_output[0])
    script = dialogue.write(turn.question, turn.answer)
    prompt = [*script.head, *[checkpoint.image_token_id] * n_places, *script.tail[: script.span[0]]]
    n_answer = script.span[1] - script.span[0]
    ids = torch.tensor([prompt], device=checkpoint.device)
    checkpoint.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=pixels,
        max_new_tokens=n_answer,
        min_new_tokens=n_answer,
        do_sample=False,
        pad_token_id=0,
    )


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """CPU seconds on a CPU, where cores are shared; wall-clock seconds on a device."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


def count_flop(checkpoint: Checkpoint, validator: CheckpointValidator, looks: list[Look], load: Any) -> float:
    """Two per weight and token, of tower, projector, language model (padding left out) and head at answer places."""
    from torch.utils.flop_counter import FlopCounterMode

    few = looks[:8]
    with FlopCounterMode(display=False) as counter:
        list(validator.score(few, load))
    return float(counter.get_total_flops()) * len(looks) / len(few)


def matrix_peak(device: torch.device) -> float:
    """FLOP a second of a large bf16 matrix product."""
    a = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    for _ in range(5):
        a @ a
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize(device)
    return 20 * 2 * MATRIX**3 / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
