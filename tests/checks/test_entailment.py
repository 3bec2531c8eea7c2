"""The entailment judge: its input, its packing, and what the bundled one says of sentences that nobody doubts."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertForSequenceClassification

from datagen.checks.entailment import (
    BUNDLED,
    MAX_TOKENS,
    EntailmentJudge,
    Pieces,
    Shipped,
    digest_of,
    notes_of,
    packed,
    token_ids,
    unpacked,
    with_context,
)
from datagen.errors import JudgeError
from datagen.records import AnnotatedImage, Box, Turn
from training.entailment_model import LABELS
from training.ship_entailment import ship
from training.train_entailment import save

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "cat", "runs", "sleeps", "##s", ".", ":", "boxes", "1", "what")


def tiny_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge of two layers with random weights, packed as the bundled one is."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=MAX_TOKENS, initializer_range=0.12, id2label=dict(enumerate(LABELS)),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny")
    save(folder / "checkpoint", BertForSequenceClassification(config), tiny_tokenizer())
    ship(folder / "checkpoint", folder / "judge", Shipped(0.5, 2.0, "a test"))
    return folder / "judge"


def test_packing_keeps_a_matrix_to_a_sixteenth_of_its_largest_number() -> None:
    weight = torch.randn(9, 256, generator=torch.Generator().manual_seed(1))
    codes, scale = packed(weight, 128)
    assert codes.shape == (9, 128) and codes.dtype == torch.uint8
    assert scale.shape == (9, 2) and scale.dtype == torch.float16
    error = (unpacked(codes, scale) - weight).square().mean().sqrt()
    assert error < 0.13  # four bits of a normal distribution


@pytest.mark.parametrize("value", [0.0, 3.0, -0.25])
def test_packing_a_matrix_of_one_number_loses_nothing(value: float) -> None:
    weight = torch.full((8, 128), value)
    assert torch.allclose(unpacked(*packed(weight, 128)), weight, rtol=2e-3)


def test_notes_tell_boxes_and_captions() -> None:
    boxes = (
        Box("dog", (0.0, 0.5, 0.2, 1.0), 0.1),
        Box("dog", (0.7, 0.0, 1.0, 1.0), 0.3),
        Box("kite", (0.4, 0.0, 0.6, 0.2), 0.04),
        Box("person", (0.0, 0.0, 0.1, 0.1), 0.01, is_crowd=True),
    )
    image = AnnotatedImage("1", "1.jpg", 640, 480, ("Two dogs.", "Dogs and a kite."), boxes)
    line = "boxes: 2 dogs (left bottom; right large), 1 kite (middle top), 1+ people (left top)"
    assert notes_of(image) == (line, "Two dogs.", "Dogs and a kite.")
    assert notes_of(AnnotatedImage("1", "1.jpg", 640, 480, ("Two dogs.",))) == ("Two dogs.",)
    assert notes_of(AnnotatedImage("1", "1.jpg", 640, 480)) == ()


def test_many_boxes_are_counted_without_their_places() -> None:
    boxes = tuple(Box("cup", (n / 10, 0.4, n / 10 + 0.1, 0.6), 0.02) for n in range(4))
    assert notes_of(AnnotatedImage("1", "1.jpg", 640, 480, (), boxes)) == ("boxes: 4 cups",)


def test_a_sentence_is_asked_about_behind_its_question_and_the_sentence_before() -> None:
    turns = (Turn(" What runs?", "A dog runs. It is wet."), Turn("", "The cat sleeps."))
    asked = with_context(turns)
    assert [(one.turn, one.in_question, one.context, one.sentence) for one in asked] == [
        (0, True, "", "What runs?"),
        (0, False, "What runs?", "A dog runs."),
        (0, False, "What runs? A dog runs.", "It is wet."),
        (1, False, "", "The cat sleeps."),
    ]
    for one in asked:
        text = turns[one.turn].question if one.in_question else turns[one.turn].answer
        assert text[one.start : one.end] == one.sentence


def test_an_input_is_sentence_context_and_notes() -> None:
    pieces = Pieces(tiny_tokenizer())
    ids, head, is_cut = token_ids(pieces, ("a cat",), "what", "Dogs sleeps.")
    assert [WORDS[n] for n in ids] == "[CLS] dog ##s sleeps . [SEP] what [SEP] a cat [SEP]".split()
    assert (head, is_cut) == (8, False)


@pytest.mark.parametrize(
    ("notes", "context", "sentence"),
    [(("a cat " * 200,), "", "a dog"), (("a cat",), "what " * 60, "a dog"), (("a cat",), "", "a dog " * 60)],
)
def test_what_is_too_long_is_cut_and_said(notes: tuple[str, ...], context: str, sentence: str) -> None:
    ids, head, is_cut = token_ids(Pieces(tiny_tokenizer()), notes, context, sentence)
    assert is_cut
    assert len(ids) <= MAX_TOKENS
    assert ids[-1] == ids[head - 1] == WORDS.index("[SEP]")


def test_a_score_depends_on_no_other_sentence(tiny: Path) -> None:
    judge = EntailmentJudge(tiny)
    asked = [("", "a dog runs."), ("what", "a cat sleeps."), ("", "a dog runs. " * 30), ("a", "cat")]
    together = judge.score(("a cat sleeps.",), asked)
    assert together == [judge.score(("a cat sleeps.",), [one])[0] for one in asked]
    assert together == judge.score(("a cat sleeps.",), asked[::-1])[::-1]
    assert len(set(together)) > 1 and all(0 <= one <= 1 for one in together)
    assert judge.n_cut > 0


def test_notes_and_context_change_a_score(tiny: Path) -> None:
    judge = EntailmentJudge(tiny)
    first = judge.score(("a cat sleeps.",), [("", "a dog runs.")])
    assert first != judge.score(("a dog runs.",), [("", "a dog runs.")])
    assert first != judge.score(("a cat sleeps.",), [("what", "a dog runs.")])


@pytest.mark.parametrize("notes", [(), ("",), (" ", "")])
def test_nothing_is_contradicted_where_there_are_no_notes(tiny: Path, notes: tuple[str, ...]) -> None:
    assert EntailmentJudge(tiny).score(notes, [("", "a dog"), ("", "a cat")]) == [0.0, 0.0]
    assert EntailmentJudge(tiny).score(("a cat",), []) == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "entailment.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half"])
def test_a_damaged_folder_is_told(tiny: Path, tmp_path: Path, name: str, damage: str) -> None:
    for path in tiny.iterdir():
        content = path.read_bytes()
        if path.name != name:
            (tmp_path / path.name).write_bytes(content)
        elif damage != "missing":
            (tmp_path / path.name).write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises(JudgeError, match="holds no entailment judge"):
        EntailmentJudge(tmp_path)


def test_weights_of_another_shape_are_told(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        text = path.read_bytes()
        (tmp_path / path.name).write_bytes(text.replace(b'"num_hidden_layers": 2', b'"num_hidden_layers": 3'))
    with pytest.raises(JudgeError, match="do not fit"):
        EntailmentJudge(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("entailment.json", '"threshold"\\s*:\\s*[0-9.]+', '"threshold": -1', "threshold"),
        ("entailment.json", '"threshold"\\s*:\\s*[0-9.]+', '"threshold": 95', "threshold"),
        ("entailment.json", "^{", '{"temperature": 0, ', "temperature"),
        ("config.json", '"num_hidden_layers": 2', '"num_hidden_layers": "two"', "num_hidden_layers"),
        ("config.json", '"num_attention_heads": [0-9]+', '"num_attention_heads": 7', "attention heads"),
        ("config.json", '"pad_token_id": [0-9]+', '"pad_token_id": 1000000', "adding_idx"),
        ("config.json", "(?s)^.*$", "[]", "mapping"),
        ("tokenizer.json", r'"\[PAD\]"\s*:\s*0', '"[PAD]": 99999', "word piece 99999"),
    ],
)
def test_a_setting_that_no_judge_has_is_told(
    tiny: Path, tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    text = (tiny / name).read_text(encoding="utf-8")
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    (tmp_path / name).write_text(changed, encoding="utf-8")
    with pytest.raises(JudgeError, match=rf"(?s)holds no entailment judge .*{told}"):
        EntailmentJudge(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("ending", [".scale", "LayerNorm.weight"])
def test_weights_that_are_no_numbers_are_told(tiny: Path, tmp_path: Path, value: float, ending: str) -> None:
    """They would give no chance at all, and a judge without one objects to nothing."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    stored = load_file(tiny / "model.safetensors")
    name = next(name for name in stored if name.endswith(ending))
    save_file({**stored, name: torch.full_like(stored[name], value)}, tmp_path / "model.safetensors")
    with pytest.raises(JudgeError, match=r"what is no number"):
        EntailmentJudge(tmp_path)


def test_a_pickle_is_not_run(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(JudgeError, match="holds no entailment judge"):
        EntailmentJudge(tmp_path)


@pytest.mark.parametrize("text", ["half a pair \ud800 here", "\udfff", "\x00\x07", "\u202edog", "\U0001f415" * 300])
def test_any_text_is_read(tiny: Path, text: str) -> None:
    judge = EntailmentJudge(tiny)
    for found in (judge.score((text,), [("", "a dog")]), judge.score(("a dog",), [(text, text)])):
        assert 0 <= found[0] <= 1


def test_the_digest_is_of_all_that_decides_a_score(tiny: Path, tmp_path: Path) -> None:
    for path in tiny.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert digest_of(tmp_path) == digest_of(tiny) == EntailmentJudge(tiny).digest
    told = (tmp_path / "entailment.json").read_bytes()
    (tmp_path / "entailment.json").write_bytes(told.replace(b"0.5", b"0.6"))
    assert digest_of(tmp_path) != digest_of(tiny)
    (tmp_path / "config.json").unlink()
    with pytest.raises(JudgeError, match=r"config\.json: cannot be read"):
        digest_of(tmp_path)


NOTES = (
    "boxes: 1 person (right large), 1 dog (left bottom)",
    "A man in a red coat walks his brown dog on the beach.",
    "A man walking a dog along the sea.",
    "A person with a dog on a sandy beach.",
)
WRONG = (
    ("", "A woman walks a dog along the sea."),
    ("Where are they?", "They are in a busy kitchen."),
    ("", "Three dogs run beside the man."),
    ("", "A cat walks beside him."),
    ("", "The brown dog is asleep on a couch."),
    ("Is there a dog?", "No, there is no dog in the picture."),
    ("What animal is with the man?", "The horse trots next to him through the sand."),
)
SOUND = (
    ("", "A man walks his dog along the beach."),
    ("What color is the coat?", "The coat is red."),
    ("", "There is one dog, on the left."),
    ("", "It would be wise to bring some water for the animal."),
    ("", "The man may enjoy the fresh air after a long day at work."),
    ("", "Walking is good for both of them."),
    ("Where are they?", "They are at the seaside, on the sand."),
)


@pytest.fixture(scope="module")
def bundled() -> EntailmentJudge:
    return EntailmentJudge()


def test_the_bundled_judge_tells_plain_errors_from_sound_sentences(bundled: EntailmentJudge) -> None:
    wrong, sound = bundled.score(NOTES, WRONG), bundled.score(NOTES, SOUND)
    assert min(wrong) > max(sound)
    assert sum(p > 0.8 for p in wrong) >= len(WRONG) - 1
    assert max(sound) < bundled.threshold - 0.2


def test_the_bundled_judge_reads_every_kind_of_note(bundled: EntailmentJudge) -> None:
    """The same sentence is wrong before other notes: the judge reads these, and does not guess by the sentence."""
    asked = [("", "A woman rides a horse through the snow."), ("", "A man walks his dog along the beach.")]
    here, there = bundled.score(NOTES, asked), bundled.score(("A woman on a horse in a snowy field.",), asked)
    assert here[0] > 0.8 and here[0] > there[0] + 0.2
    assert there[1] > 0.8 and there[1] > here[1] + 0.2


def test_the_bundled_judge_fits_its_budget() -> None:
    assert (BUNDLED / "model.safetensors").stat().st_size <= 6 * 2**20
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 6.25 * 2**20
