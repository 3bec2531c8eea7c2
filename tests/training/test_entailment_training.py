"""Teaching the entailment judge: corruptions that captions contradict, pairs, first weights, and a training that goes on."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertModel

from datagen.checks.entailment import EntailmentJudge, Pieces, Shipped, unpacked
from datagen.records import AnnotatedImage
from training import entailment_pairs, train_entailment
from training.caption_corruptions import colour, direction, exclusive, number, sibling_of, swap, words_of
from training.entailment_model import smaller_tokenizer
from training.entailment_pairs import CONTRADICTED, NOT_CONTRADICTED, changed_words, clause_of
from training.entailment_replies import corrupted, rows_of
from training.ship_entailment import pack_state, ship
from training.train_entailment import FakeQuantised, auroc, batches, loss_of

CAPTIONS = (
    ("A man riding a red horse on the beach.", "A red horse carries a man along the sea.", "A man is riding a horse on a beach."),
    ("Two dogs playing in the snow.", "Two brown dogs run through snow.", "A couple of dogs in the snow."),
    ("A woman eating pizza in a kitchen.", "A lady has pizza in her kitchen.", "A woman is eating a slice of pizza."),
    ("A black cat sleeping on a couch.", "A cat sleeps on the couch.", "A black cat lies on a gray sofa."),
)  # fmt: skip


@pytest.mark.parametrize(
    ("how", "text", "was", "may"),
    [
        (colour, "a man on a red horse", "red", "blue green black white gray grey silver beige yellow tan purple gold"),
        (number, "two dogs in the snow", "two", "three four five six seven"),
        (exclusive, "a man at sea", "man", "woman"),
        (exclusive, "it is sleeping", "sleeping", ""),
        (direction, "a cat behind the couch", "behind", "in front of"),
        (swap, "a black dog beside a white cat", "black", "white"),
        (sibling_of(("dog", "cow", "horse", "sheep")), "they feed the cow", "cow", "dog horse sheep"),
    ],
)
def test_a_corruption_puts_what_excludes_the_old(how, text, was, may) -> None:
    found = {how(text, text, random.Random(seed)) for seed in range(40)} - {None}
    assert found
    for new in found:
        assert was not in new.split() or how is swap
        if may and how not in (direction, swap):
            assert set(changed_words(text, new)[1]) <= set(may.split())


@pytest.mark.parametrize(
    ("how", "text", "notes"),
    [
        (exclusive, "a man at sea", "a woman and a man at sea"),
        (number, "a dog in the snow", "two dogs in the snow"),
        (colour, "a dog", "a dog"),
        (direction, "a dog and a cat", "a dog and a cat"),
        (swap, "a black dog", "a black dog"),
    ],
)
def test_what_captions_admit_is_not_put(how, text, notes) -> None:
    assert {how(text, notes, random.Random(seed)) for seed in range(40)} == {None}


def test_articles_follow_the_new_word() -> None:
    found = {exclusive("a horse eats", "a horse eats", random.Random(seed)) for seed in range(200)}
    assert (
        "an elephant eats" in found and "a camel eats" in found and not any(" a elephant" in f" {one}" for one in found)
    )


@pytest.mark.parametrize(
    ("caption", "clause"),
    [
        ("a man riding a horse", ("a man is riding a horse", "what is the man doing?")),
        ("two dogs playing in snow", ("two dogs are playing in snow", "what are two dogs doing?")),
        ("the cat is on a couch", ("the cat is on a couch", "what about the cat?")),
        ("a kitchen with a stove", None),
    ],
)
def test_a_caption_becomes_a_clause(caption, clause) -> None:
    assert clause_of(caption) == clause


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    told = [{"image_id": n, "caption": one} for n, of in enumerate(CAPTIONS * 12) for one in of]
    (tmp_path / "captions.json").write_text(json.dumps({"annotations": told}))
    command = ["x", str(tmp_path / "pairs.jsonl"), "--captions", str(tmp_path / "captions.json"), "--n", "300"]
    monkeypatch.setattr(sys, "argv", command)
    entailment_pairs.main()
    return tmp_path / "pairs.jsonl"


def test_pairs_are_the_same_each_time_and_of_both_kinds(pairs: Path) -> None:
    first = pairs.read_bytes()
    entailment_pairs.main()
    assert pairs.read_bytes() == first
    rows = [json.loads(line) for line in first.splitlines()]
    labels = Counter(row["label"] for row in rows)
    assert labels[CONTRADICTED] > 50 and labels[NOT_CONTRADICTED] > 50
    assert all(row["notes"] and row["sentence"] for row in rows)


def test_a_reply_becomes_a_pair_a_sentence_with_its_errors() -> None:
    image = AnnotatedImage("1", "1.jpg", 640, 480, ("A man rides a red horse.",))
    reply = "Question:\nWhat is there?\n===\nAnswer:\nA man rides. The  horse is blue."
    row = {"type": "conversation", "reply": reply, "errors": [{"quote": "horse is blue", "kind": "colour"}]}
    found = list(rows_of(row, image, "w"))
    assert [(one["sentence"].split()[0], one["label"], one["kinds"]) for one in found] == [
        ("What", NOT_CONTRADICTED, []), ("A", NOT_CONTRADICTED, []), ("The", CONTRADICTED, ["colour"]),
    ]  # fmt: skip
    more = list(corrupted([{**one, "notes": ["a man rides a red horse"]} for one in found[:2]], random.Random(1), 2))
    assert more and all("made" in one["source"] or "fewer" in one["source"] for one in more)


def tokenizer_of(words: list[str]) -> Tokenizer:
    told = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.?,", *words]
    told += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(WordPiece({word: n for n, word in enumerate(told)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def test_a_smaller_tokenizer_can_still_spell_everything() -> None:
    base = tokenizer_of(["dog", "zebra", "horse"])
    small, ids = smaller_tokenizer(base, ["dog dog zebra", "dog"], base.get_vocab_size() - 2)
    assert [base.id_to_token(n) for n in ids] == [small.id_to_token(n) for n in range(small.get_vocab_size())]
    assert small.encode("dog").tokens == ["dog"]
    assert small.encode("horse").tokens == ["h", "##o", "##r", "##s", "##e"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder of six tiny layers."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = tokenizer_of(sorted({word for of in CAPTIONS for one in of for word in words_of(one) if len(word) > 1}))
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    BertModel(
        BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=128, num_hidden_layers=6, num_attention_heads=2,
                   intermediate_size=256)
    ).save_pretrained(folder)  # fmt: skip
    return folder


def train(monkeypatch: pytest.MonkeyPatch, *command: object) -> None:
    monkeypatch.setattr(sys, "argv", ["x", *map(str, command), "--neurons", "128", "--batch-tokens", "800"])
    train_entailment.main()


def test_training_tells_what_is_plain_and_ships(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"notes": ["a red horse"], "context": "", "sentence": sentence, "source": "plain", "label": label}
        for sentence, label in (("a woman sleeping", CONTRADICTED), ("a man riding", NOT_CONTRADICTED))
        for _ in range(120)
    ]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ("--base", base, "--layers", "4", "--epochs", "15", "--rate", "1e-3", "--bits", "4", "--kept-back", "40")
    train(monkeypatch, tmp_path / "out", tmp_path / "pairs.jsonl", *options)
    assert "AUROC all 1.000" in capsys.readouterr().out
    assert not (tmp_path / "out" / "training.pt").exists()
    ship(tmp_path / "out", tmp_path / "judge", Shipped(0.5))
    wrong, right = EntailmentJudge(tmp_path / "judge").score(
        ["a red horse"], [("", "a woman sleeping"), ("", "a man riding")]
    )
    assert wrong > 0.8 > 0.2 > right


def test_a_training_goes_on_where_it_was_left(
    pairs: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_entailment, "CHUNK", 64)
    monkeypatch.setattr(train_entailment, "SAVE_EVERY_S", 0)
    saved = train_entailment.save
    n_saved = 0

    def interrupted(*args: object) -> None:
        nonlocal n_saved
        if n_saved == 2:
            raise KeyboardInterrupt
        n_saved += 1
        saved(*args)  # type: ignore[arg-type]

    options = ("--base", base, "--layers", "4", "--kept-back", "0")
    monkeypatch.setattr(train_entailment, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(monkeypatch, tmp_path / "out", pairs, *options)
    monkeypatch.setattr(train_entailment, "save", saved)
    train(monkeypatch, tmp_path / "out", pairs, *options)
    assert ", 128 of " in capsys.readouterr().out


def test_the_loss_counts_borne_out_and_not_told_as_one_where_it_is_open() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 9.0]])
    rows = [{"label": 3}, {"label": 3}, {"label": 2}]
    assert loss_of(logits, rows) < 0.3
    assert loss_of(logits, [{"label": 1}, {"label": 0}, {"label": 3}]) > 5
    assert loss_of(logits, [*rows[:2], {"label": 3, "weight": 0}]) < 0.3


def test_batches_hold_every_row_once() -> None:
    rows = [{"notes": ["a dog"], "context": "", "sentence": "a " * (n % 30 + 1), "n": n} for n in range(200)]
    found = list(batches(rows, Pieces(tokenizer_of(["dog"])), random.Random(1), 300))
    assert sorted(row["n"] for _, _, batch in found for row in batch) == list(range(200))
    assert found[-1][0] == 200
    assert all(inputs["input_ids"].numel() <= 300 + 8 * len(batch) for _, inputs, batch in found)


def test_rounding_while_training_is_what_packing_makes() -> None:
    weight = torch.randn(16, 256, generator=torch.Generator().manual_seed(3))
    state = pack_state({"x.weight": weight, "x.bias": torch.ones(3)}, 128)
    assert torch.equal(FakeQuantised(4, 128)(weight), unpacked(state["x.weight.codes"], state["x.weight.scale"]))
    assert state["x.bias"].dtype == torch.float16


def test_auroc_counts_pairs_in_the_right_order() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1
    assert auroc([0.9, 0.15], [0.1, 0.2]) == 0.75
