"""The entailment judge's first weights: a sentence encoder with fewer words and narrower feed-forward layers.

A word-piece vocabulary of captions and answers takes the place of the general one (its single letters stay, so that all
can be spelt), and of each feed-forward layer's neurons those stay that say most about captions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertModel

from datagen.checks.entailment import MAX_TOKENS

LABELS = ("borne out", "not told", "contradicted")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def smaller_tokenizer(base: Tokenizer, texts: Iterable[str], n_words: int) -> tuple[Tokenizer, list[int]]:
    """Keep the word pieces that texts use most, and all single characters.

    Returns:
        The tokenizer, and for each of its ids the id that it had.
    """
    counts: Counter[int] = Counter()
    for encoding in base.encode_batch(list(texts), add_special_tokens=False):
        counts.update(encoding.ids)
    vocab = base.get_vocab()
    letters = [word for word in vocab if len(word.removeprefix("##")) == 1 and word.removeprefix("##").isascii()]
    endings = [
        f"##{one}"
        for one in (
            "s",
            "es",
            "ed",
            "ing",
            "er",
            "ers",
            "ly",
            "y",
            "al",
            "est",
            "ness",
            "less",
            "ful",
            "ion",
            "ies",
            "en",
            "in",
            "an",
            "on",
            "re",
            "le",
            "ish",
            "able",
            "ment",
            "ation",
            "board",
            "man",
            "men",
            "like",
            "ted",
            "ting",
            "ling",
            "led",
        )
    ]
    kept = list(dict.fromkeys([*SPECIAL, *sorted(letters), *(one for one in endings if one in vocab)]))
    held = set(kept)
    for index, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        word = base.id_to_token(index)
        if word is not None and word not in held and len(kept) < n_words:
            kept.append(word)
            held.add(word)
    told = json.loads(base.to_str())
    told["model"]["vocab"] = {word: n for n, word in enumerate(kept)}
    told["truncation"] = told["padding"] = None
    told["added_tokens"] = [
        {**one, "id": kept.index(one["content"])} for one in told["added_tokens"] if one["content"] in held
    ]
    told["post_processor"] = None
    return Tokenizer.from_str(json.dumps(told)), [vocab[word] for word in kept]


def first_model(
    base: Path, texts: Sequence[str], n_words: int, n_neurons: int, n_layers: int
) -> tuple[BertForSequenceClassification, Tokenizer]:
    """Cut a BERT encoder down; its head for three labels (borne out, not told, contradicted) is new."""
    general = Tokenizer.from_file(str(base / "tokenizer.json"))
    general.no_truncation()
    general.no_padding()
    encoder = BertModel.from_pretrained(base, attn_implementation="sdpa").eval()
    tokenizer, ids = smaller_tokenizer(general, texts, n_words)
    told = _activations(encoder, general, texts[:: max(1, len(texts) // 600)])
    layers = [0, 1, 2, 3, 4, 5] if n_layers == 6 else [0, 1, 2, 3, 5][:n_layers] if n_layers == 5 else [0, 1, 3, 5]
    config = BertConfig(
        vocab_size=len(ids), hidden_size=encoder.config.hidden_size, num_hidden_layers=len(layers),
        num_attention_heads=encoder.config.num_attention_heads, intermediate_size=n_neurons,
        max_position_embeddings=MAX_TOKENS, hidden_dropout_prob=0.05, attention_probs_dropout_prob=0.05,
        id2label=dict(enumerate(LABELS)),
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    state, old = model.state_dict(), encoder.state_dict()
    with torch.no_grad():
        for name in state:
            short = name.removeprefix("bert.")
            parts = short.split(".")
            if parts[:2] == ["encoder", "layer"]:
                parts[2] = str(layers[int(parts[2])])
                value = old[".".join(parts)]
                best = told[int(parts[2])].topk(n_neurons).indices.sort().values
                if parts[3] == "intermediate":
                    value = value[best]
                elif parts[3:6] == ["output", "dense", "weight"]:
                    value = value[:, best]
            elif short not in old:
                continue
            else:
                value = old[short]
                if "word_embeddings" in short:
                    value = value[torch.tensor(ids)]
                elif "position_embeddings" in short:
                    value = value[:MAX_TOKENS]
            state[name].copy_(value)
    return model, tokenizer


def _activations(encoder: BertModel, tokenizer: Tokenizer, texts: Sequence[str]) -> list[torch.Tensor]:
    """Per layer what each neuron adds on the average: its mean size times the length of what it writes."""
    layers: list[Any] = list(encoder.encoder.layer)
    sums = [torch.zeros(encoder.config.intermediate_size) for _ in layers]
    hooks = [
        layer.intermediate.register_forward_hook(lambda _m, _i, out, n=n: sums[n].add_(out.abs().mean((0, 1))))
        for n, layer in enumerate(layers)
    ]
    with torch.inference_mode():
        for text in filter(None, texts):
            encoder(input_ids=torch.tensor([tokenizer.encode(text).ids[:64]]))
    for hook in hooks:
        hook.remove()
    return [one * layer.output.dense.weight.detach().norm(dim=0) for one, layer in zip(sums, layers, strict=True)]
