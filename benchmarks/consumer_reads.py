"""What ``consumers.py`` runs inside a consumer's environment: load every export and count its rows.

Here are no imports of datagen: a consumer knows the files alone.
"""

from __future__ import annotations

import json
import os
import re
import sys
from copy import deepcopy
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

SPLITS = ("train", "validation")


def tell(form: str, split: str, n_rows: int, what: str) -> None:
    """Say what was read."""
    print("READ " + json.dumps([form, split, n_rows, what]), flush=True)


def read_with_datasets(folder: Path) -> None:
    """JSON, JSON Lines, Parquet with decoded pictures, image folder and WebDataset, by Hugging Face datasets."""
    from datasets import Image, List, load_dataset

    cache = str(folder / "cache")
    for form, ending in (("llava", "json"), ("messages", "jsonl"), ("openai", "jsonl")):
        files = {split: str(folder / form / f"{split}.{ending}") for split in SPLITS}
        loaded = load_dataset("json", data_files=files, cache_dir=cache)
        for split in SPLITS:
            tell(form, split, sum(1 for _ in loaded[split]), "load_dataset('json')")
    messages = load_dataset("json", data_files=str(folder / "messages" / "train.jsonl"), cache_dir=cache)["train"]
    messages = messages.map(lambda row: {"images": [str(folder / "messages" / name) for name in row["images"]]})
    messages = messages.cast_column("images", List(Image()))
    tell("messages", "train", sum(row["images"][0].size[0] > 0 for row in messages), "cast to Image, decoded")
    parquet = load_dataset(str(folder / "parquet"), cache_dir=cache)
    for split in SPLITS:
        n_rows = sum(row["images"][0].convert("RGB").size[0] > 0 for row in parquet[split])
        tell("parquet", split, n_rows, "load_dataset(FOLDER), pictures decoded")
    for form in ("llava", "messages", "swift", "openai", "parquet", "webdataset"):
        run_loader_of_card(folder / form, form)
    pictures = load_dataset("imagefolder", data_dir=str(folder / "llava" / "images"), cache_dir=cache)["train"]
    tell("llava", "images", sum(row["image"].size[0] > 0 for row in pictures), "load_dataset('imagefolder')")
    files = {split: sorted(map(str, (folder / "webdataset").glob(f"{split}-*.tar"))) for split in SPLITS}
    shards = load_dataset("webdataset", data_files=files, cache_dir=cache)
    for split in SPLITS:
        n_rows = sum(row["jpg"].size[0] > 0 and bool(row["json"]["id"]) for row in shards[split])
        tell("webdataset", split, n_rows, "load_dataset('webdataset')")


def run_loader_of_card(home: Path, form: str) -> None:
    """What the card of an export says how to load it, and its header, which tells ``load_dataset`` its splits."""
    from datasets import load_dataset

    (code,) = re.findall(r"```python\n(.*?)```", (home / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    os.chdir(home)
    exec(code, names)  # written by the export
    tell(form, "train", sum(1 for _ in names["rows"]), "loader of its card")
    for split, rows in load_dataset(str(home), cache_dir=str(home.parent / "cache")).items():
        tell(form, split, len(rows), "load_dataset(FOLDER) by its card")


def read_as_llava_does(folder: Path) -> None:
    """LLaVA's trainer by its rules, one row after another: it cannot be installed beside a current torch.

    What ``preprocess_multimodal`` and ``preprocess_v1`` of haotian-liu/LLaVA (``llava/train/train.py``) make of a row,
    with a character for a token: where they would stop, leave out a turn or mask all, the row does not count.
    """
    from PIL import Image

    home = folder / "llava"
    for split in SPLITS:
        n_rows = 0
        for row in json.loads((home / f"{split}.json").read_bytes()):
            with Image.open(home / "images" / row["image"]) as picture:  # a list of names is an error there
                picture.convert("RGB")
            n_said = sum(len(turn["value"]) + len("</s>") for turn in row["conversations"][1::2])
            n_rows += trained_characters(row["conversations"]) == n_said > 0
        tell("llava", split, n_rows, "LLaVA's masking: every answer is trained on, pictures decoded")


def trained_characters(turns: list[dict[str, str]]) -> int:
    """How many characters LLaVA would leave unmasked in a conversation; 0 where it gives the row up."""
    roles = {"human": "USER", "gpt": "ASSISTANT"}
    if roles[turns[0]["from"]] != "USER":
        turns = turns[1:]  # dropped there without a word
    prompt = "A chat between a curious user and an assistant. "
    for n, turn in enumerate(turns):
        if turn["from"] != ("human", "gpt")[n % 2]:
            return 0  # an assertion ends the training there
        value = turn["value"]
        if "<image>" in value:
            value = "<image>\n" + value.replace("<image>", "").strip()
        prompt += f"{roles[turn['from']]}: {value}" + (" ", "</s>")[n % 2]
    if prompt.count("<image>") != 1 or "<image>" not in turns[0]["value"]:
        return 0  # one picture's features for another number of places
    n_trained = length = 0
    for said in prompt.split("</s>"):
        if not said:
            break
        parts = said.split(" ASSISTANT: ")
        if len(parts) != 2:
            break
        n_trained += len(parts[1]) + len("</s>")
        length += len(said) + len("</s>")
    return n_trained if length == len(prompt) else 0  # lengths that differ mask the whole row there


def read_with_webdataset(folder: Path) -> None:
    """The shards by the library whose form they have."""
    import webdataset

    for split in SPLITS:
        shards = sorted(map(str, (folder / "webdataset").glob(f"{split}-*.tar")))
        pairs = webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("jpg;png", "json")
        n_rows = sum(picture.size[0] > 0 and len(about["conversations"]) >= 2 for picture, about in pairs)
        tell("webdataset", split, n_rows, f"{len(shards)} shards decoded")


def train_with_trl(folder: Path) -> None:
    """Two steps of TRL's SFTTrainer over the Parquet and the messages, with a tiny random LLaVA."""
    import torch
    from datasets import Image, List, load_dataset
    from trl import SFTConfig, SFTTrainer

    cache = str(folder / "cache")
    messages = load_dataset("json", data_files=str(folder / "messages" / "train.jsonl"), cache_dir=cache)["train"]
    messages = messages.map(lambda row: {"images": [str(folder / "messages" / name) for name in row["images"]]})
    sets = {
        "parquet": load_dataset(str(folder / "parquet"), cache_dir=cache)["train"],
        "messages": messages.cast_column("images", List(Image())),
    }
    for form, rows in sets.items():
        torch.manual_seed(0)
        model, processor = tiny_llava(text_of(rows))
        settings = SFTConfig(
            output_dir=str(folder / f"trl-{form}"), max_steps=2, per_device_train_batch_size=2, max_length=None,
            report_to="none", use_cpu=True, bf16=False, save_strategy="no", logging_steps=1,
            remove_unused_columns=False,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=model, args=settings, train_dataset=rows.select_columns(["messages", "images"]),
            processing_class=processor,
        )  # fmt: skip
        n_rows = 0
        for row in trainer.train_dataset:  # every row through the collator, which is what reads pictures and text
            batch = trainer.data_collator([row])
            n_rows += int((batch["labels"] != -100).sum() > 0 and batch["pixel_values"].shape[0] == 1)
        trainer.train()
        losses = [round(entry["loss"], 3) for entry in trainer.state.log_history if "loss" in entry]
        assert len(losses) == 2 and all(0 < loss < 100 for loss in losses), losses
        tell(form, "train", n_rows, f"collated with labels; 2 steps of SFTTrainer, losses {losses}")


def prefer_with_trl(folder: Path) -> None:
    """Two steps of TRL's DPOTrainer over the pairs, with a tiny random LLaVA."""
    import torch
    from datasets import Image, List, load_dataset
    from trl import DPOConfig, DPOTrainer

    home = folder / "preference"
    rows = load_dataset("json", data_files=str(home / "train.jsonl"), cache_dir=str(folder / "cache"))["train"]
    rows = rows.map(lambda row: {"images": [str(home / name) for name in row["images"]]})
    rows = rows.cast_column("images", List(Image())).select_columns(["images", "prompt", "chosen", "rejected"])
    torch.manual_seed(0)
    parts = ("prompt", "chosen", "rejected")
    texts = [part.get("text") or "" for row in rows for name in parts for one in row[name] for part in one["content"]]
    model, processor = tiny_llava(texts)
    settings = DPOConfig(
        output_dir=str(folder / "trl-preference"), max_steps=2, per_device_train_batch_size=2, max_length=None,
        report_to="none", use_cpu=True, bf16=False, save_strategy="no", logging_steps=1, remove_unused_columns=False,
    )  # fmt: skip
    trainer = DPOTrainer(
        model=model, ref_model=deepcopy(model), args=settings, train_dataset=rows, processing_class=processor
    )  # a model without a name cannot be loaded a second time
    n_rows = 0
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row])
        n_rows += int(batch["pixel_values"].shape[0] >= 1 and torch.isfinite(batch["pixel_values"]).all())
    trainer.train()
    losses = [round(entry["loss"], 3) for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2 and all(0 < loss < 100 for loss in losses), losses
    tell("preference", "train", n_rows, f"collated with pictures; 2 steps of DPOTrainer, losses {losses}")


def text_of(rows: Any) -> list[str]:
    """All words of a set, to make a tokenizer of."""
    return [part.get("text") or "" for row in rows["messages"] for message in row for part in message["content"]]


def tiny_llava(texts: list[str]) -> tuple[Any, Any]:
    """A LLaVA of random weights, with a tokenizer that knows the words of the set."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    core = Tokenizer(models.BPE(unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel()
    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    core.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, special_tokens=special))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        additional_special_tokens=["<image>"],
    )  # fmt: skip
    template = (
        "{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }} {% endif %}{% endfor %}"
        "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    )
    images = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default",
        chat_template=template, image_token="<image>", num_additional_image_tokens=1,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28,
            patch_size=14, projection_dim=16,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=4096,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=4,
    )  # fmt: skip
    return LlavaForConditionalGeneration(config), processor


def read_with_llamafactory(folder: Path) -> None:
    """LLaMA-Factory's own loader and supervised processor, by ``dataset_info.json``, with LLaVA's template."""
    # It imports torchaudio at its start, whose release does not load beside a CPU build of torch; no row has sound.
    sound = ModuleType("torchaudio")
    sound.__spec__ = ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = sound
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import Seq2SeqTrainingArguments

    infos = {form: json.loads((folder / form / "dataset_info.json").read_bytes()) for form in ("llava", "preference")}
    texts = [
        turn["value"].replace("<image>", "")
        for form, info in infos.items()
        for entry in info.values()
        for row in json.loads((folder / form / entry["file_name"]).read_bytes())
        for turn in row["conversations"]
    ]
    _, processor = tiny_llava(texts)
    for form, name, entry in [(form, *item) for form, info in infos.items() for item in info.items()]:
        home, is_ranking = folder / form, entry.get("ranking", False)
        data = DataArguments(
            template="llava", dataset=name, dataset_dir=str(home), media_dir=str(home / "images"), cutoff_len=4096,
            overwrite_cache=True,
        )  # fmt: skip
        training = Seq2SeqTrainingArguments(output_dir=str(folder / "factory"), report_to="none", use_cpu=True)
        model = ModelArguments(model_name_or_path="tiny", cache_dir=str(folder / "cache"))
        for key, value in (("image_max_pixels", 768 * 768), ("image_min_pixels", 32 * 32)):
            setattr(processor, key, getattr(model, key, value))
        template = get_template_and_fix_tokenizer(processor.tokenizer, data)
        stage: Any = "rm" if is_ranking else "sft"
        module = get_dataset(
            template, model, data, training, stage=stage, tokenizer=processor.tokenizer, processor=processor
        )
        rows = module["train_dataset"]
        columns = ("chosen_labels", "rejected_labels") if is_ranking else ("labels",)
        n_rows = sum(
            all(any(label != -100 for label in row[column]) for column in columns) and len(row["images"]) == 1
            for row in rows
        )
        split = Path(entry["file_name"]).stem.removesuffix("_ranking")
        told = "converted and tokenized" + ", pairs for DPO" * is_ranking
        tell(form, split, n_rows, f"get_dataset, template llava: {told}")


def read_with_swift(folder: Path) -> None:
    """ms-swift's own loader, which brings rows into its standard form, and the one for pictures."""
    home = folder / "swift"
    os.environ.update(ROOT_IMAGE_DIR=str(home), MODELSCOPE_CACHE=str(folder / "cache"))
    from swift.dataset import load_dataset
    from swift.template.vision_utils import load_image

    for split in SPLITS:
        rows, _ = load_dataset([str(home / f"{split}.jsonl")])
        n_rows = 0
        for row in rows:
            (image,) = row["images"]
            texts = [message["content"] for message in row["messages"]]
            has_picture = load_image(image["path"]).size[0] > 0 and "".join(texts).count("<image>") == 1
            n_rows += has_picture and len(texts) % 2 == 0 and all(texts)
        tell("swift", split, n_rows, "load_dataset, pictures opened by load_image")


def evaluate_with_lmms_eval(folder: Path) -> None:
    """lmms-eval itself, with models that answer all questions right, and all wrong: what counts is what it counts."""
    from lmms_eval import evaluator
    from lmms_eval.api.model import lmms
    from lmms_eval.tasks import TaskManager

    class Answers(lmms):  # type: ignore[misc]
        is_simple = True

        def __init__(self, is_right: bool) -> None:
            super().__init__()
            self.is_right = is_right

        def generate_until(self, requests: Any) -> list[str]:
            told = []
            for request in requests:
                text, _, visual, number, task, split = request.args
                row = self.task_dict[task][split][number]
                (picture,) = visual(row)
                assert picture.size[0] > 0 and row["question"] in text
                right = row["answer"]
                wrong = {"yes": "No.", "no": "Yes."}.get(right, "A dog" if right != "B" else "C. a dog")
                told.append(f"{right.capitalize()}." if self.is_right else wrong)
            return told

        loglikelihood = generate_until_multi_round = generate_until

    os.chdir(folder / "lmms_eval")
    for split, group in (("train", "datagen"), ("validation", "datagen_validation")):
        manager = TaskManager("ERROR", include_path=".", include_defaults=False)
        found = {}
        for is_right in (True, False):
            found[is_right] = evaluator.simple_evaluate(
                model=Answers(is_right), tasks=[group], task_manager=manager, batch_size=1, bootstrap_iters=0
            )
        n_rows = 0
        for name, counts in found[True]["n-samples"].items():
            measured = [
                next(value for key, value in one["results"][name].items() if key.startswith(("pope_acc", "exact_m")))
                for one in (found[True], found[False])
            ]
            n_rows += counts["effective"] if measured == [1, 0] else 0
        tell("lmms_eval", split, n_rows, "simple_evaluate: all right 100 %, all wrong 0 %")


READERS = {
    "llava": read_as_llava_does,
    "datasets": read_with_datasets,
    "webdataset": read_with_webdataset,
    "trl": train_with_trl,
    "trl-dpo": prefer_with_trl,
    "llamafactory": read_with_llamafactory,
    "swift": read_with_swift,
    "lmms_eval": evaluate_with_lmms_eval,
}

if __name__ == "__main__":
    READERS[sys.argv[1]](Path(sys.argv[2]))
