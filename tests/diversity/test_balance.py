"""Balance reaches the share that was asked, loses nothing silently, and does not depend on order."""

from array import array
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from conftest import CorpusFiles, make_corpus

import datagen
from datagen.config import BalanceSettings, load_settings
from datagen.diversity.balance import Census, Plan, cell_of, is_free, plan
from datagen.errors import SettingsError
from datagen.records import Provenance, Sample, Turn

PROVENANCE = Provenance("m", "r", "q", "s")
YES = Turn("Is there a dog?", "Yes, there is a dog.")
NO = Turn("Is there a cat?", "No, there is no cat.")
COUNT = Turn("How many cups are there?", "Two cups.")
WHERE = Turn("Where is the cup?", "On the left.")
LEANING = Turn("What color is it?", "It is brown.")


def sample(n: int, *turns: Turn) -> Sample:
    return Sample(f"{n}-conversation", str(n), f"{n}.jpg", "conversation", turns, "accepted", PROVENANCE)


def balanced(samples: list[Sample], seed: int = 0, **asked: float) -> tuple[Plan, list[Sample]]:
    made = plan(Census(seed).count(samples), BalanceSettings(**asked))
    return made, [made.apply(one) for one in samples]


def share_of(samples: list[Sample], kind: str) -> float:
    turns = [turn for one in samples if one.status == "accepted" for turn in one.turns]
    return sum(cell_of(turn)[0] == kind for turn in turns) / len(turns)


def yes_share(samples: list[Sample]) -> float:
    told = [cell_of(turn)[1] for one in samples if one.status == "accepted" for turn in one.turns]
    return told.count("yes") / (told.count("yes") + told.count("no"))


YES_HEAVY = [sample(n, YES, COUNT, *([NO] if n % 4 == 0 else [YES])) for n in range(400)]


@pytest.mark.parametrize("asked", [0.2, 0.5, 0.6])
def test_a_yes_heavy_set_ends_at_the_share_asked_for(asked: float) -> None:
    made, after = balanced(YES_HEAVY, yes_share=asked, max_loss=0.9)
    assert yes_share(YES_HEAVY) > 0.85
    assert abs(yes_share(after) - asked) < 0.01
    assert made.report.yes_share.after == pytest.approx(yes_share(after), abs=1e-4)
    assert made.report.turns_after == sum(len(one.turns) for one in after if one.status == "accepted")


def test_a_no_heavy_set_loses_noes() -> None:
    samples = [sample(n, NO, COUNT, *([YES] if n % 4 == 0 else [])) for n in range(400)]
    _, after = balanced(samples, yes_share=0.5, max_loss=0.9)
    assert abs(yes_share(after) - 0.5) < 0.01


def test_nothing_disappears_without_a_word() -> None:
    samples = [sample(n, YES) if n % 5 else sample(n, NO, COUNT) for n in range(200)]
    _, after = balanced(samples, yes_share=0.5)
    assert [one.sample_id for one in after] == [one.sample_id for one in samples]
    for before, one in zip(samples, after, strict=True):
        if one.status == "rejected":
            assert (one.stage, one.reason) == ("dedup", "balanced_out")
            assert one.turns == before.turns
            assert "80.0% of the yes/no answers say yes, 50.0% is asked" in (one.detail or "")
        else:
            assert len(one.turns) + len(one.cuts) == len(before.turns)
    assert {one.status for one in after} == {"accepted", "rejected"}


def test_a_cut_names_the_turn_it_took() -> None:
    _, after = balanced(YES_HEAVY, yes_share=0.5)
    cuts = [cut for one in after for cut in one.cuts]
    assert cuts
    assert all((cut.stage, cut.reason) == ("dedup", "balanced_out") for cut in cuts)
    assert all(cut.detail.startswith(("turn 1, 'Is there a dog?'", "turn 3, 'Is there a dog?'")) for cut in cuts)


def test_kinds_are_capped_and_yes_and_no_stay_even() -> None:
    samples = [sample(n, YES, NO, *([COUNT] if n % 2 else []), *([WHERE] if n % 3 else [])) for n in range(600)]
    made, after = balanced(samples, max_share_per_kind=0.4, max_loss=0.9)
    assert share_of(samples, "existence") > 0.6
    assert share_of(after, "existence") == pytest.approx(0.4, abs=0.005)
    assert yes_share(after) == pytest.approx(0.5, abs=0.01)
    assert made.report.largest_kind.after.share <= 0.4


def test_both_at_once_hold_both() -> None:
    samples = [sample(n, YES, YES, NO, COUNT, *([WHERE] if n % 2 else [])) for n in range(400)]
    _, after = balanced(samples, yes_share=0.5, max_share_per_kind=0.4, max_loss=0.9)
    assert yes_share(after) == pytest.approx(0.5, abs=0.01)
    assert max(share_of(after, kind) for kind in ("existence", "count", "position")) <= 0.405


def test_a_cap_that_costs_too_much_is_loosened() -> None:
    samples = [sample(n, COUNT, *([WHERE] if n % 10 == 0 else [])) for n in range(200)]
    made, after = balanced(samples, max_share_per_kind=0.3, max_loss=0.5)
    assert made.report.turns_after == pytest.approx(110, abs=2)
    assert made.report.largest_kind.after.share > 0.3
    assert any(one.status == "rejected" for one in after)


def test_a_spent_allowance_takes_nothing_more() -> None:
    census = Census(0)
    census.n_turns = Counter({
        ("count", "yes"): 7, ("count", "-"): 16, ("color", "yes"): 11, ("color", "no"): 140, ("color", "-"): 244,
        ("existence", "yes"): 12, ("existence", "no"): 1,
    })  # fmt: skip
    free = {
        ("count", "-"): 15,
        ("color", "yes"): 11,
        ("color", "no"): 140,
        ("color", "-"): 244,
        ("existence", "yes"): 3,
    }
    census.draws = {cell: array("d", [n / 1000 for n in range(count)]) for cell, count in free.items()}
    made = plan(census, BalanceSettings(yes_share=0.5, max_share_per_kind=0.35, max_loss=0.9))
    n_fallen = sum(sum(draw < made.below.get(cell, 0) for draw in draws) for cell, draws in census.draws.items())
    assert n_fallen == made.report.turns_before - made.report.turns_after


def test_what_cannot_be_evened_out_is_left_alone() -> None:
    only_yes = [sample(n, YES) for n in range(50)]
    assert balanced(only_yes, yes_share=0.5, max_share_per_kind=0.2)[1] == only_yes
    assert balanced([], yes_share=0.5, max_share_per_kind=0.2)[1] == []


def test_a_turn_that_is_leant_on_stays() -> None:
    assert not is_free((YES, LEANING), 0)
    assert is_free((YES, COUNT), 0)
    assert is_free((YES, LEANING), 1)
    assert not is_free((YES, COUNT, Turn("What else is there?", "A cup.")), 0)
    samples = [sample(n, YES, LEANING) for n in range(100)] + [sample(100 + n, NO) for n in range(10)]
    made, after = balanced(samples, yes_share=0.5)
    assert after == samples
    assert made.report.yes_share.after == made.report.yes_share.before  # and the record says so


def test_neither_order_nor_company_changes_a_draw_but_the_seed_does() -> None:
    made, after = balanced(YES_HEAVY, yes_share=0.5)
    turned, back = balanced(YES_HEAVY[::-1], yes_share=0.5)
    assert back[::-1] == after
    assert turned == made
    assert balanced(YES_HEAVY, seed=1, yes_share=0.5)[1] != after


def test_rejected_samples_pass_untouched() -> None:
    fallen = msgspec.structs.replace(sample(1, YES), status="rejected", stage="checks", reason="refusal")
    assert balanced([fallen, *YES_HEAVY], yes_share=0.5)[1][0] is fallen


@pytest.fixture(scope="module")
def larger_corpus(tmp_path_factory: pytest.TempPathFactory) -> CorpusFiles:
    return make_corpus(tmp_path_factory.mktemp("larger"), 24)


def test_a_run_with_balance_adds_up_and_can_be_replayed(larger_corpus: CorpusFiles, tmp_path: Path) -> None:
    settings = {**larger_corpus.settings, "types": ["conversation", "negation"]}
    plain = datagen.run(settings, tmp_path / "plain")
    assert plain.summary.balance is None
    asked = {**settings, "balance": {"yes_share": 0.3, "max_loss": 0.9}}
    made = datagen.run(asked, tmp_path / "run")
    summary = made.summary
    assert summary.accepted + summary.rejected == summary.samples == 48
    assert summary.balance.yes_share.after == pytest.approx(0.3, abs=0.04)
    told = summary.diversity.yes_no
    assert told.yes / (told.yes + told.no) == pytest.approx(summary.balance.yes_share.after, abs=1e-4)
    assert summary.cut_by_stage["dedup"]["balanced_out"] > 0
    card = made.folder.card.read_text()
    kept = f"{summary.balance.turns_after} of {summary.balance.turns_before} turns kept"
    assert f"| balance | yes of yes and no 30 %: {kept} |" in card
    assert "| balance |" not in plain.folder.card.read_text()
    assert all(f"- {sentence}" in card for sentence in summary.diversity.lacks)
    again = datagen.run(asked, tmp_path / "again")
    for name in ("samples.jsonl", "dataset.json", "summary.json"):
        assert (again.folder.path / name).read_bytes() == (made.folder.path / name).read_bytes()
    before = (plain.folder.path / "replies.jsonl").read_bytes()
    replayed = datagen.run(asked, tmp_path / "plain", change=True)  # the same replies, judged anew
    assert (plain.folder.path / "replies.jsonl").read_bytes() == before
    assert (replayed.folder.samples).read_bytes() == made.folder.samples.read_bytes()


@pytest.mark.parametrize("wrong", [{"yes_share": 1.0}, {"yes_share": 0}, {"max_share_per_kind": 0}, {"max_loss": 2}])
def test_impossible_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="balance"):
        load_settings(None, {"corpus.captions": ["c.json"], "balance": wrong})
