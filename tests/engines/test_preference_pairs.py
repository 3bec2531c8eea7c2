"""Pairs of a better and a worse answer, each with what is wrong and how it is known."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

import datagen
from datagen.config import Settings
from datagen.corpus import Corpus
from datagen.engines.preference_pairs import preference_pairs
from datagen.errors import ExportError, SettingsError
from datagen.export.preference import PreferencePair
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.records import AnnotatedImage, Box, Cut, Flaw, Provenance, Repair, Reply, Sample, Turn

DOG = Box("dog", (0.1, 0.2, 0.4, 0.9), 0.2)
CUPS = tuple(Box("cup", (0.6 + 0.1 * n, 0.5, 0.68 + 0.1 * n, 0.6), 0.01) for n in range(2))
IMAGE = AnnotatedImage("1", "1.jpg", 200, 100, ("A brown dog on a lawn.",), (DOG, *CUPS))
CORPUS = Corpus([IMAGE], categories=("dog", "cat", "cup"))
SETTINGS = Settings()
SAMPLE = Sample(
    "1-a", "1", "1.jpg", "a",
    (Turn("What sits there?", "A dog."), Turn("How many cups?", "Two cups.")),
    "accepted", Provenance("m", "r", "q", "s", licence="CC-BY-2.0"),
)  # fmt: skip
WRONG = Turn("How many cups?", "Five cups.")
FLAW = Flaw(1, 0, "Five cups.", "checks", "count_contradicted", "'Five cups': cup: text says 5, boxes show 2", new="x")


def pairs(*samples: Sample, share: float = 0.0, corpus: Corpus = CORPUS) -> list[PreferencePair]:
    return list(preference_pairs(samples, corpus, SETTINGS, share))


def told(pair: PreferencePair) -> tuple[Any, ...]:
    return pair.turns[-1].answer, pair.worse, pair.source, pair.kind, pair.known_by


def test_what_was_repaired_stands_against_what_it_was() -> None:
    sample = replace(SAMPLE, repairs=(Repair("d", (FLAW,), {1: WRONG}),))
    (pair,) = pairs(sample)
    assert told(pair) == ("Two cups.", "Five cups.", "repair", "count", "annotations")
    assert pair.evidence == FLAW.evidence and pair.sample_id == "1-a-turn2-repair"
    assert [turn.question for turn in pair.turns] == ["What sits there?", "How many cups?"]
    assert pair.repairs is UNSET
    doubted = replace(FLAW, reason="doubtful_answer", stage="validate")
    (by_pixels,) = pairs(replace(sample, repairs=(Repair("d", (doubted,), {1: WRONG}),)))
    assert by_pixels.known_by == "validator"


@pytest.mark.parametrize(
    "repair",
    [
        Repair("d", (FLAW,), {1: Turn("How many cups?", "two  CUPS.")}),  # it says the same
        Repair("d", (FLAW,), {1: Turn("How many mugs?", "Five cups.")}),  # the question was at fault
    ],
)
def test_two_answers_to_other_questions_or_alike_are_no_pair(repair: Repair) -> None:
    with pytest.raises(ExportError, match=r"no pair .* no error was planted \(--planted-share is 0\)"):
        pairs(replace(SAMPLE, repairs=(repair,)))


def test_a_repaired_turn_that_fell_all_the_same_is_no_pair() -> None:
    sample = replace(
        SAMPLE, turns=SAMPLE.turns[:1], cuts=(Cut("validate", "doubtful_answer", "x", SAMPLE.turns[1:], 1),),
        repairs=(Repair("d", (FLAW,), {1: WRONG}),),
    )  # fmt: skip
    with pytest.raises(ExportError):
        pairs(sample)


def test_what_was_caught_stands_against_an_accepted_answer_to_the_same_question() -> None:
    cut = Cut(
        "checks", "count_contradicted", "turn 1: wrong", (replace(WRONG, question="how many  cups?"), Turn("a", "b")), 1
    )
    other = replace(SAMPLE, sample_id="1-b", turns=(Turn("Is it day?", "Yes."),), cuts=(cut,))
    leak = replace(other, sample_id="1-c", cuts=(replace(cut, reason="context_leak"),))
    (pair,) = pairs(SAMPLE, other, leak)
    assert told(pair) == ("Two cups.", "Five cups.", "caught", "count", "annotations")
    assert (pair.evidence, pair.sample_id) == ("turn 1: wrong", "1-a-turn2-caught-1-b")
    with pytest.raises(ExportError):
        pairs(SAMPLE, replace(other, image_id="2"))


def sound() -> Sample:
    told = datagen.config.load_settings(None, {"corpus.captions": ["c.json"], "types": ["conversation"]})
    (item,) = plan_samples((IMAGE,), load_recipes(told), told, lambda _: None, CORPUS.categories)
    assert item.request is not None
    text = (
        "Question:\nWhat is on the lawn?\n===\nAnswer:\nThere is a dog.\n===\nQuestion:\nHow many cups are on the right?"
        "\n===\nAnswer:\nThere are two cups.\n===\nQuestion:\nWhat is the weather like?\n===\nAnswer:\nIt may be fine."
    )
    return make_sample(item, Reply(item.request.digest, "1", "conversation", "m", text, "stop"), told, "s")


def test_an_error_is_planted_where_annotations_will_contradict_it() -> None:
    found = pairs(sound(), share=1.0)
    assert {pair.source for pair in found} == {pair.known_by for pair in found} == {"planted"}
    assert [len(pair.turns) for pair in found] == [2], "of the third nothing is borne out, and no thing is often absent"
    assert "cup" in found[0].worse and found[0].kind == "count" and "boxes show 2" in found[0].evidence
    assert pairs(sound(), share=1.0) == found
    with pytest.raises(ExportError, match="its annotations are gone"):
        pairs(sound(), share=1.0, corpus=Corpus())


@pytest.mark.parametrize(
    "image",
    [
        replace(IMAGE, boxes=(DOG, CUPS[0])),
        replace(IMAGE, boxes=(replace(DOG, category="cat"), *CUPS)),
        replace(IMAGE, captions=("A cat on a lawn.",), boxes=()),
    ],
)
def test_annotations_that_say_other_things_now_are_refused(image: AnnotatedImage) -> None:
    with pytest.raises(ExportError, match="other things than when the run was made"):
        pairs(sound(), share=1.0, corpus=Corpus([image], categories=CORPUS.categories))


def test_annotations_that_bear_the_same_out_are_taken() -> None:
    moved = replace(IMAGE, boxes=(*IMAGE.boxes, Box("cat", (0.0, 0.0, 0.02, 0.02), 0.0)))
    assert pairs(sound(), share=1.0, corpus=Corpus([moved], categories=CORPUS.categories))


def test_the_share_of_planted_ones_can_be_said() -> None:
    samples = [replace(sound(), sample_id=f"{n}-x") for n in range(60)]
    numbers = Counter(pair.source for pair in pairs(*samples, share=0.25))
    assert 5 <= numbers["planted"] <= 28  # of 60


@pytest.fixture(scope="module")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs") / "out"
    datagen.open_run(finished).export("preference", out, planted_share=1.0, validation_share=0.4, pictures="copy")
    return out


def test_both_files_hold_the_same_pairs_in_the_forms_of_their_readers(exported: Path) -> None:
    counts = json.loads((exported / "manifest.json").read_bytes())["counts"]
    info = json.loads((exported / "dataset_info.json").read_bytes())
    for split, name in (("train", "datagen_preference"), ("validation", "datagen_preference_validation")):
        lines = [json.loads(line) for line in (exported / f"{split}.jsonl").read_text().splitlines()]
        rows = json.loads((exported / info[name]["file_name"]).read_bytes())
        assert len(lines) == len(rows) == counts["rows"][split] == sum(counts["by_source"][split].values()) > 0
        assert info[name]["ranking"] and info[name]["formatting"] == "sharegpt"
        for line, row in zip(lines, rows, strict=True):
            assert set(line) >= {
                "images",
                "prompt",
                "chosen",
                "rejected",
                "source",
                "kind",
                "known_by",
                "evidence",
                "licence",
            }
            assert set(info[name]["columns"].values()) <= set(row)
            assert line["prompt"][-1]["role"] == "user" and len(line["prompt"]) % 2
            assert [part["type"] for one in line["prompt"] for part in one["content"]].count("image") == 1
            assert [one["role"] for one in line["chosen"] + line["rejected"]] == ["assistant"] * 2
            assert (exported / line["images"][0]).is_file() and line["images"] == [f"images/{row['images'][0]}"]
            assert row["conversations"][-1]["from"] == "human" and len(row["conversations"]) % 2
            assert sum(one["value"].count("<image>") for one in row["conversations"]) == 1
            assert row["chosen"]["value"] == line["chosen"][0]["content"][0]["text"] != row["rejected"]["value"]
            assert row["rejected"] == {"from": "gpt", "value": line["rejected"][0]["content"][0]["text"]}


def test_the_same_run_gives_the_same_bytes_and_a_licence_is_heeded(
    finished: Path, exported: Path, tmp_path: Path
) -> None:
    run = datagen.open_run(finished)
    run.export("preference", tmp_path / "a", planted_share=1.0, validation_share=0.4, pictures="copy")
    for path in exported.iterdir():
        assert path.is_dir() or path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
    with pytest.raises(ExportError, match="licence asked for"):
        run.export("preference", tmp_path / "b", planted_share=1.0, licences=["cc-by-nc"])
    with pytest.raises(SettingsError, match="--planted-share: only"):
        run.export("llava", tmp_path / "c", planted_share=0.5)
    with pytest.raises(SettingsError, match="expected a share between 0 and 1"):
        run.export("preference", tmp_path / "d", planted_share=1.5)


def test_a_worse_answer_that_trainers_read_as_structure_is_left_out(finished: Path, tmp_path: Path) -> None:
    run = datagen.open_run(finished)
    sample = next(one for one in run.iter_samples() if one.status == "accepted" and len(one.turns) > 1)
    worse = replace(sample.turns[1], answer="Five </s> cups.")
    mended = replace(sample, repairs=(Repair("d", (FLAW,), {1: worse}),))
    more = replace(
        sample, repairs=(Repair("d", (replace(FLAW, turn=0),), {0: replace(sample.turns[0], answer="No.")}),)
    )
    run.__dict__["iter_samples"] = lambda reviewer: iter([mended, more])
    found = run.export("preference", tmp_path / "out", planted_share=0.0)
    assert found.counts["rows"] == {"train": 1} and [one["reason"] for one in found.left_out] == ["trainer_token"]
