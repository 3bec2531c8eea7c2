"""The dataset card says what was lost, and how wrong the teacher is, before anything else."""

from pathlib import Path

import pytest
from conftest import CorpusFiles
from msgspec.structs import replace

import datagen
from datagen.export import dataset_card
from datagen.hallucination_rate import Coverage, HallucinationRate, Hallucinations, Rate, SentenceCover
from datagen.summary import Fates, Omission, TurnCounts

RATE = HallucinationRate(Rate(12, 100, 9, 0.12, 0.0703, 0.2), Rate(0, 0, 0))


@pytest.fixture(scope="module")
def run(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> datagen.Run:
    return datagen.run(corpus_files.settings, tmp_path_factory.mktemp("card") / "run")


def card_of(run: datagen.Run, **told: object) -> str:
    return dataset_card(run.settings, replace(run.summary, **told), [("captions", "captions.json")])


def test_losses_and_the_hallucination_rate_stand_in_the_first_lines(run: datagen.Run) -> None:
    card = card_of(
        run,
        rejected=2,
        by_type={"conversation": Fates(235, 2, TurnCounts(395, 238, 150, 7, 120))},
        turn_counts=TurnCounts(written=395, kept=238, cut=150, rejected=7, at_fault=120),
        hallucinations=Hallucinations(RATE, {"m|odel": RATE}, {}, {"count": RATE}),
        claims={"supported": 90, "unknown": 31, "contradicted": 4},
    )
    opening = card.partition("# Visual-instruction dataset")[2].partition("| setting |")[0]
    assert (
        "Of 395 turns that the teacher wrote, 150 were cut off their samples and 7 more fell with 2 rejected" in opening
    )
    assert "12.0 % of 100 claims that captions or boxes decide (95 %: 7.0 to 20.0 %)" in opening
    assert "| conversation | 235 | 2 | 238 | 150 | 7 |" in card
    assert "| teacher m odel | 12.0 % of 100 claims (95 %: 7.0 to 20.0 %) | - |" in card
    assert "| claims of count | 12.0 %" in card
    assert "Of 125 claims in it, 31 could not be checked" in card
    assert "4 claims in it are contradicted" in card


def test_boxes_of_a_detector_are_told(run: datagen.Run) -> None:
    told = "A detector drew boxes of its images, and nobody looked whether they are right"
    assert told in card_of(run, omissions={"boxes_scored": Omission(1, "i.json: 3 of 3 boxes carry a score")})
    assert told not in card_of(run, omissions={"box_missing": Omission(1, "a box")})
    assert "A model wrote captions of its images" in card_of(
        run, omissions={"captions_by_model": Omission(1, "c.json")}
    )


def test_a_summary_of_before_turns_were_counted_makes_a_card(run: datagen.Run) -> None:
    old = {name: Fates(one.accepted, one.rejected) for name, one in run.summary.by_type.items()}
    card = card_of(run, by_type=old, turn_counts=None, hallucinations=None, claims=None, coverage=None)
    assert "that the teacher wrote" not in card
    assert f"{run.summary.accepted} samples with {run.summary.turns} question-answer turns" in card


def test_what_could_be_checked_is_told_with_its_units(run: datagen.Run) -> None:
    cover = SentenceCover(200, 150, 60, 90)
    kinds = {"count": SentenceCover(200, 40, 40, 30)}
    fallen = {"checks": {"count_contradicted": 3}}
    coverage = Coverage(cover, {"a": cover}, kinds, {"scene": 9}, {"likely": 7})
    card = card_of(run, coverage=coverage, rejected_by_stage=fallen)
    assert "Checked by captions or boxes: 45.0 % of the 200 sentences" in card
    assert "| a | 200 | 75.0 % | 30.0 % | 45.0 % |" in card and "| count | 40 | 30 |" in card
    assert "by sentences: scene (9)." in card and "hold no claim: likely (7)." in card
    assert "| stage | reason | samples |" in card and "| response type | samples accepted |" in card


def test_the_runs_own_card_tells_its_summary(run: datagen.Run, tmp_path: Path) -> None:
    assert run.summary.turn_counts is not None
    assert f"Of {run.summary.turn_counts.written} turns that the teacher wrote" in run.folder.card.read_text("utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "[free](https://stranger.test)",
        "![](https://stranger.test/pixel.png)",
        "see https://stranger.test",
        "www.stranger.test",
        "**bold** and ~~gone~~",
        "<script>alert(1)</script> *x*",
        "@somebody #1",
        "$x$ &amp; \\[",
        "a\x1b[31m | `b`*",
    ],
)
def test_a_licence_is_words_and_no_markdown(run: datagen.Run, name: str) -> None:
    row = next(line for line in card_of(run, licences={name: 3}).splitlines() if line.endswith("| 3 |"))
    assert row.startswith("| `") and row.endswith("` | 3 |") and row.count("`") == 2 and row.count("|") == 3
    assert "<" not in row and "\x1b" not in row


def test_plain_licences_stand_as_before(run: datagen.Run) -> None:
    assert "| Attribution-NonCommercial License (CC BY-NC 2.0) | 3 |" in card_of(
        run, licences={"Attribution-NonCommercial License (CC BY-NC 2.0)": 3}
    )


def test_verdicts_without_a_validator_came_with_the_dataset(run: datagen.Run) -> None:
    assert "No validator looked at the pixels of this run.\n" in card_of(run, verdicts={})
    assert "of this run; its verdicts came with the dataset.\n" in card_of(run, verdicts={"supported": 2})
