"""Several validators judge a run together: each has its own scores, and all of them one calibration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from oracle import Oracle

import datagen
from datagen.config import Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines import local
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.engines.run_shards import merge_shards, run_shard
from datagen.engines.seat import telling_which
from datagen.errors import SettingsError, ValidatorError
from datagen.store.shards import Shard
from datagen.validator.protocol import Abilities

DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "calibration.jsonl")


def settings_of(name: str | list[str] = "counter,placer", **more: object) -> Settings:
    plain = dump_settings(datagen.demo_settings())
    plain["teacher"]["planted_errors"] = 0.0
    told = {"types": ["conversation"], "checks.contradicted": "keep", "validator.calibration_images": 24}
    return load_settings(None, {**plain, **told, "validator.name": name, **more})


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> dict[str, Oracle]:
    """One that is asked for numbers alone, and one for all but numbers."""
    corpus = load_corpus(datagen.demo_settings().corpus)
    asked = {"counter": {"count"}, "placer": {"presence", "side", "quadrant", "relation"}}
    found = {
        name: Oracle(corpus.images, corpus.categories, Abilities(False, False, frozenset(kinds)))  # type: ignore[arg-type]
        for name, kinds in asked.items()
    }
    for name, oracle in found.items():
        oracle.identity = name

    def opened(settings: Any) -> Oracle:
        if settings.name not in found:
            raise ValidatorError("it has no weights.")
        return found[settings.name]

    monkeypatch.setattr(local, "open_validator", opened)
    return found


def made(out: Path, **more: Any) -> datagen.Run:
    run_local(settings_of(**more), out, Silence(), may_change=True)
    return datagen.open_run(out)


def bytes_of(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in DERIVED}


def test_what_each_adds_is_told(tmp_path: Path, oracles: dict[str, Oracle]) -> None:
    run = made(tmp_path / "run")
    found = run.summary.calibration
    assert found.judged and found.validator == "counter, placer"
    assert found.adds
    counter, placer = found.adds
    assert (counter.name, placer.name) == ("counter", "placer")
    assert counter.recall == placer.recall == pytest.approx(found.recall, abs=0.01)
    assert counter.recall_without == placer.recall_alone and placer.recall_without == counter.recall_alone
    assert placer.gain[1] > 0 and placer.gain[0] == pytest.approx(placer.recall - placer.recall_without, abs=2e-6)
    assert counter.n_planted > 100 and counter.n_images == 24
    alone, without = counter.kinds["absent object"]
    assert alone is None and without == found.kinds["absent object"].auroc > 0.9
    probes = [one for s in run.iter_samples() for turn in s.turns for one in turn.validation.probes or ()]
    assert {one.by for one in probes} == {"placer"}  # too few counts are planted here for the other to be believed
    measured = [one["measured"] for one in map(msgspec.json.decode, run.folder.calibration.read_bytes().splitlines())]
    assert {name.split(": ")[0] for one in measured for name in one["measures"]} == {"counter", "placer"}
    card, report = run.folder.card.read_text(), run.write_report().read_text()
    for page in (card, report):
        assert "What each validator adds" in page and "counter, placer" in page


def test_a_list_is_the_same_as_names_with_commas(oracles: dict[str, Oracle]) -> None:
    assert settings_of(["counter", "placer"]) == settings_of("counter, placer")
    with pytest.raises(SettingsError, match="names 3 validators, of which one 'a' stands twice"):
        settings_of("a,b,a")
    with pytest.raises(SettingsError, match="of which one is 'none'"):
        settings_of("a,none")


def test_scores_of_one_serve_both(tmp_path: Path, oracles: dict[str, Oracle]) -> None:
    assert made(tmp_path, name="counter").summary.calibration.adds is msgspec.UNSET
    n_scored = oracles["counter"].n_scored
    assert n_scored and not oracles["placer"].n_scored
    both = made(tmp_path)
    assert oracles["counter"].n_scored == n_scored and oracles["placer"].n_scored
    assert both.summary.calibration.adds


def test_an_interrupted_run_ends_with_the_bytes_of_one(
    tmp_path: Path, oracles: dict[str, Oracle], monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "calm")
    scored = Oracle.score

    def dies(self: Oracle, *given: Any) -> Iterator[Any]:
        for n, one in enumerate(scored(self, *given)):
            if self.identity == "placer" and n == 40:
                raise ValidatorError("The GPU is gone.")
            yield one

    monkeypatch.setattr(Oracle, "score", dies)
    with pytest.raises(ValidatorError, match=r"^placer: The GPU is gone\.$"):
        made(tmp_path / "cut")
    monkeypatch.setattr(Oracle, "score", scored)
    made(tmp_path / "cut")
    assert bytes_of(tmp_path / "cut") == bytes_of(tmp_path / "calm")


def test_one_that_cannot_be_opened_is_named(tmp_path: Path, oracles: dict[str, Oracle]) -> None:
    with pytest.raises(ValidatorError, match=r"^ghost: it has no weights\.$"):
        made(tmp_path, name="counter,ghost")
    with pytest.raises(ValidatorError, match=r"^it has no weights\.$"), telling_which("ghost", 1):
        raise ValidatorError("it has no weights.")


def test_shards_are_merged_into_the_bytes_of_one_run(tmp_path: Path, oracles: dict[str, Oracle]) -> None:
    settings = settings_of()
    run_local(settings, tmp_path / "one", Silence())
    for number in (1, 2):
        run_shard(settings, Shard(number, 2), tmp_path / "split", Silence())
    folders = [Shard(number, 2).folder_in(tmp_path / "split") for number in (1, 2)]
    n_scored = oracles["placer"].n_scored
    merge_shards(settings, folders, tmp_path / "split", Silence())
    assert oracles["placer"].n_scored == n_scored
    assert bytes_of(tmp_path / "split") == bytes_of(tmp_path / "one")


def test_whoever_asks_one_question_names_one_validator() -> None:
    from datagen.validator import open_validator
    from datagen.validator.models import find_checkpoint, open_answerer

    settings = replace(datagen.demo_settings().validator, name="nano,clip-vit-b-32")
    for opened in (open_validator, open_answerer, find_checkpoint):
        with pytest.raises(ValidatorError, match="one is asked here; name nano or clip-vit-b-32"):
            opened(settings)
