"""What a set lacks is asked for beside it: types that lag behind, kinds that are rare, Yes or No."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles, make_corpus
from loopback import LoopbackServer, reply_for
from msgspec.structs import replace

import datagen
from datagen.cli.printed import sample_story
from datagen.config import Settings, dump_settings, load_settings
from datagen.engines.estimate import estimate_run
from datagen.engines.local import run_local
from datagen.engines.progress import ASKING, Silence
from datagen.errors import BudgetError, SettingsError
from datagen.records import ExtraSample
from datagen.store import RunFolder, read_facts, stored_replies

PRICED = {"teacher.price_in_usd_per_mtok": 1.0, "teacher.price_out_usd_per_mtok": 1.0}


class Told(Silence):
    """Keeps what is said, and how much was there when a task began."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.begun: dict[str, tuple[int | None, int]] = {}

    def begin(self, task: str, total: int | None, n_done: int = 0) -> None:
        self.begun[task] = total, n_done

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


def settings_for(files: CorpusFiles, url: str, **more: object) -> Settings:
    asked = {"teacher.name": "m", "teacher.base_url": url, "types": ["conversation", "description"]}
    return load_settings(None, {**files.settings, **asked, **more})


def chosen(out: Path) -> list[ExtraSample]:
    return [extra for _, extra in read_facts(out / "more.jsonl", ExtraSample) if extra is not None]


def test_more_of_an_image_is_asked_with_what_the_set_lacks(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    wishes: list[str] = []

    def reply(body: Mapping[str, Any]) -> str:
        wishes.append(body["messages"][-1]["content"].rpartition("\n")[2])
        return reply_for(body)

    out, told = tmp_path / "run", Told()
    with LoopbackServer(reply=reply) as server:
        settings = settings_for(corpus_files, server.base_url)
        run_local(settings, out, Silence())
        before = {one.sample_id: one.turns for one in datagen.open_run(out).iter_samples()}
        wishes.clear()
        run_local(settings_for(corpus_files, server.base_url, more=5), out, told)
        extras = chosen(out)
        assert len(extras) == len(wishes) == 5
        assert told.begun[ASKING] == (17, 12)
        assert sorted(extra.wanted for extra in extras) == sorted(wishes)
        assert Counter(extra.response_type for extra in extras).most_common(1)[0][1] == 3
        after = {one.sample_id: one.turns for one in datagen.open_run(out).iter_samples()}
        assert len(after) == len(before) + 5 == datagen.open_run(out).summary.samples
        assert {
            f"{extra.image_id}-{extra.response_type}-{extra.number}" for extra in extras
        } == after.keys() - before.keys()
        assert all(extra.number == 2 or extra.number == 3 for extra in extras)
        assert "description chosen" in told.notes[-1] or "conversation chosen" in told.notes[-1]
        (out / "summary.json").unlink()
        wishes.clear()
        run_local(settings, out, Silence())  # as a resume does
        assert wishes == []
        assert datagen.open_run(out).summary.samples == len(after)
        again = Told()
        (out / "summary.json").unlink()
        run_local(settings_for(corpus_files, server.base_url, more=5), out, again)
        assert chosen(out) == extras
        assert "not finished, so it goes on with what it chose before; say it again" in again.notes[0]


def test_types_that_a_mix_left_out_come_first(tmp_path: Path) -> None:
    files = make_corpus(tmp_path / "corpus", n_images=12)
    with LoopbackServer() as server:
        mix = {"types": None, "mix": "conversation=4,description=1"}
        run_local(settings_for(files, server.base_url, **mix), tmp_path / "run", Silence())
        run_local(settings_for(files, server.base_url, **mix, more=4), tmp_path / "run", Silence())
        extras = chosen(tmp_path / "run")
        assert all(extra.number == 1 for extra in extras if extra.response_type == "description")
        every = settings_for(files, server.base_url)  # what was chosen is now asked by its type
        run_local(every, tmp_path / "run", Silence(), may_change=True)
        ids = [one.sample_id for one in datagen.open_run(tmp_path / "run").iter_samples()]
        assert len(ids) == len(set(ids)) == 24 + sum(extra.number > 1 for extra in extras)


def test_what_was_chosen_keeps_its_reply_when_the_mix_goes(tmp_path: Path) -> None:
    files, out = make_corpus(tmp_path / "corpus", n_images=12), tmp_path / "run"
    with LoopbackServer() as server:
        mix = {"types": None, "mix": "description=4,conversation=1"}
        run_local(settings_for(files, server.base_url, **mix), out, Silence())
        run_local(settings_for(files, server.base_url, **mix, more=4), out, Silence())
        firsts = [extra for extra in chosen(out) if extra.number == 1]
        assert firsts and all(extra.wanted.startswith("Wanted: ") for extra in firsts)
        replies = {reply.request_digest: reply for reply in stored_replies(RunFolder(out))}
        before = {one.sample_id: one.provenance for one in datagen.open_run(out).iter_samples()}
        run = datagen.open_run(out)
        shown = "\n".join(sample_story(run, f"{firsts[0].image_id}-{firsts[0].response_type}"))
        assert firsts[0].wanted in shown

        every, told = settings_for(files, server.base_url, types=["description", "conversation"]), Told()
        run_local(every, out, told)
        after = {one.sample_id: one.provenance for one in datagen.open_run(out).iter_samples()}
        assert before.items() <= after.items() and len(after) > len(before)
        assert told.begun[ASKING] == (len(after), len(before))
        assert len(list(stored_replies(RunFolder(out)))) == len(after) == len(replies) + len(after) - len(before)


def test_samples_are_numbered_once_whatever_the_mix_was(tmp_path: Path) -> None:
    files, out = make_corpus(tmp_path / "corpus", n_images=3), tmp_path / "run"
    with LoopbackServer() as server:
        for more in ({}, {"more": 6}):
            run_local(settings_for(files, server.base_url, types=["description"], **more), out, Silence())
        mix = {"types": None, "mix": "conversation=100,description=1"}
        for more in ({}, {"more": 8}):
            run_local(settings_for(files, server.base_url, **mix, **more), out, Silence(), may_change=True)
        extras = chosen(out)
        assert len({(one.image_id, one.response_type, one.number) for one in extras}) == len(extras) == 14
        ids = [one.sample_id for one in datagen.open_run(out).iter_samples()]
        assert len(ids) == len(set(ids))


def test_the_choice_does_not_depend_on_where_the_work_is_done(tmp_path: Path) -> None:
    plain = dump_settings(datagen.demo_settings()) | {"types": None, "mix": {"conversation": 3, "negation": 1}}
    plain["validator"]["name"] = "none"
    for workers in (1, 2):
        settings = load_settings(None, {**plain, "workers": workers})
        run_local(settings, tmp_path / str(workers), Silence())
        run_local(load_settings(None, {**plain, "workers": workers, "more": 6}), tmp_path / str(workers), Silence())
    one, two = (json.loads((tmp_path / name / "summary.json").read_bytes()) for name in ("1", "2"))
    assert one == two
    assert one["by_type"]["negation"]["accepted"] > 6
    for name in ("samples.jsonl", "dataset.json", "more.jsonl"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_what_was_chosen_and_is_not_answered_can_be_taken_back(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    out, told = tmp_path / "run", Told()
    with LoopbackServer() as server:
        settings = settings_for(corpus_files, server.base_url, **{"teacher.concurrency": 1, **PRICED})
        run_local(settings, out, Silence())
        run_local(replace(settings, more=2), out, Silence())
        spent = datagen.open_run(out).summary.cost_usd
        assert spent
        bounded = replace(settings, teacher=replace(settings.teacher, budget_usd=spent * 1.3))
        with pytest.raises(BudgetError):
            run_local(replace(bounded, more=500), out, Silence())
        assert len(chosen(out)) == 502
        with pytest.raises(BudgetError):
            run_local(bounded, out, told)
        assert told.notes[0] == "--more chose 502 samples; 'resume --more 0' takes back those that are not answered."
        n_asked = server.answered.total()
        run_local(replace(settings, more=0), out, told)
        assert server.answered.total() == n_asked
    left = chosen(out)
    assert 2 < len(left) < 502 and f"--more 0: {502 - len(left)} of 502 samples" in told.notes[-1]
    assert datagen.open_run(out).summary.samples == 12 + len(left)


def test_taking_back_where_nothing_was_chosen_changes_nothing(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    told = Told()
    with LoopbackServer() as server:
        run_local(settings_for(corpus_files, server.base_url, more=0), tmp_path / "run", told)
    assert "--more 0: 0 of 0 samples" in told.notes[0] and not (tmp_path / "run" / "more.jsonl").exists()


def test_what_cannot_be_added_is_told(tmp_path: Path, corpus_files: CorpusFiles) -> None:
    settings = load_settings(None, {**corpus_files.settings, "types": ["description"]})
    told = Told()
    run_local(load_settings(None, {**dump_settings(settings), "more": 3}), tmp_path / "run", told)
    assert "this run is not finished, so nothing is known to be missing yet; say it again" in told.notes[0]
    with pytest.raises(SettingsError, match="the embedded teacher would repeat itself"):
        run_local(load_settings(None, {**dump_settings(settings), "more": 3}), tmp_path / "run", Silence())
    with pytest.raises(SettingsError, match="--more 1000000000: at most 600 are chosen at once"):
        run_local(load_settings(None, {**dump_settings(settings), "more": 10**9}), tmp_path / "run", Silence())
    assert datagen.open_run(tmp_path / "run").summary.samples == 6
    with pytest.raises(SettingsError, match="chosen once it is run"):
        estimate_run(load_settings(None, {**dump_settings(settings), "more": 3}))
