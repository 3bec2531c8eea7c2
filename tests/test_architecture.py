"""What ``docs/architecture.md`` promises to whoever adds a part: its examples run, and a row that is forgotten is told."""

from __future__ import annotations

import csv
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from msgspec.structs import replace
from test_house import FLOORS

import datagen.corpus
import datagen.export
import datagen.validator.models
from datagen import pipeline
from datagen.claims import claim_lexicon, extract, gather_evidence, kind, kinds, read_answer, verify
from datagen.claims.clause import Clause, Statement
from datagen.config import CorpusSettings, Settings, ValidatorSettings
from datagen.corpus import FORMATS, Corpus, FileSource, load_corpus
from datagen.corpus.assembly import Assembly, corpus_of
from datagen.export import FORMS, ExportRow, ExportSettings
from datagen.pipeline import STAGES, SampleOrigin
from datagen.records import AnnotatedImage, Drop, Provenance, Sample, Turn, reject
from datagen.validator.dialogue import Dialogue
from datagen.validator.loading import Found, load_model, load_processor
from datagen.validator.models import FAMILIES, NAMED
from datagen.validator.models.family import Family, Named
from datagen.validator.models.llava import family_like_llava, like_llava

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")


def example(title: str, **lent: Any) -> dict[str, Any]:
    """The names that a worked example makes, out of those that its imports would bring."""
    code = re.search(rf"^### {title}\n\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None, title
    made = {"re": re, "csv": csv, "Path": Path, "Iterator": Iterator, "Any": Any, **lent}
    exec("from __future__ import annotations\n" + code[1], made)
    return made


SAMPLE = Sample("1-x", "1", "1.jpg", "x", (Turn("What is it?", "A dog."),), "accepted", Provenance("m", "r", "q", "s"))


def test_the_house_is_drawn_as_it_stands() -> None:
    drawing = PAGE.partition("```\n")[2].partition("```")[0]
    drawn = [set(line.partition("─")[0].split()) for line in reversed(drawing.splitlines())]
    assert drawn == [*FLOORS]


def test_the_kind_of_the_page_reads_verifies_probes_and_plants(monkeypatch: pytest.MonkeyPatch) -> None:
    weather = example("A claim kind", **vars(kind) | {"Clause": Clause, "Statement": Statement})["WEATHER"]
    monkeypatch.setitem(kinds._KIND_OF, "weather", weather)
    for readers in ("_BARE_READERS", "_CLAUSE_READERS"):
        monkeypatch.setattr(extract, readers, dict.fromkeys((False, True), (weather.read_clause,)))
    lexicon = claim_lexicon(("dog",))
    (said,) = read_answer(weather.examples[0], lexicon)
    for caption, verdict in (
        ("It is snowing on a llama.", "contradicted"),
        ("It's raining on a llama.", "supported_by_caption"),
        ("A llama.", "unknown"),
    ):
        image = AnnotatedImage("1", "1.jpg", 9, 9, (caption,))
        claim = verify(said, gather_evidence(image, ("dog",), is_exhaustive=True))
        assert (claim.kind, claim.value, claim.verdict) == ("weather", "raining", verdict)
    assert [probed.probe.question for probed in weather.probe(claim)] == ["Is it raining?"]
    ((_, plant),) = weather.plants
    assert plant("It is raining.", claim, kind.Spoiling(lexicon, lambda name: (), Random(0))) == "It is snowing."
    assert weather.excludes(claim, replace(claim, value="snowing"))


def test_the_format_of_the_page_is_read_and_its_faults_told(tmp_path: Path) -> None:
    lent = {one.__name__: one for one in (Assembly, Corpus, CorpusSettings, FileSource, Path, corpus_of)}
    made = example("A corpus format", **lent)
    open_csv = made["open_csv"]
    assert not made["recognise_csv"](tmp_path / "captions.csv")  # there is none yet
    settings = CorpusSettings(path=str(tmp_path / "captions.csv"))
    (tmp_path / "captions.csv").write_text('a.jpg,"A dog, asleep."\nb.jpg,A cup.\na.jpg,A dog.\n', encoding="utf-8")
    corpus = load_corpus(settings, open_csv(settings))
    assert [(one.file_name, one.captions) for one in corpus.images] == [
        ("a.jpg", ("A dog, asleep.", "A dog.")), ("b.jpg", ("A cup.",)),
    ]  # fmt: skip
    (tmp_path / "captions.csv").write_text("a.jpg,A dog, asleep.\nb.jpg,A cup.\n", encoding="utf-8")
    assert made["recognise_csv"](tmp_path / "captions.csv")
    corpus = load_corpus(settings, open_csv(settings))
    assert [one.file_name for one in corpus.images] == ["b.jpg"]
    (told,) = corpus.findings
    assert "line 1" in str(told) and "3 fields; expected a file name and a caption" in str(told)


def test_the_family_of_the_page_is_a_row() -> None:
    processor = SimpleNamespace(tokenizer="tokenizer", image_processor="pixels")
    lent = {
        one.__name__: create_autospec(one, return_value=given)
        for one, given in ((load_processor, processor), (load_model, "model"), (like_llava, "parts"), (Dialogue, None))
    }
    foo = example(
        "A model family", **lent, family_like_llava=family_like_llava, convert_foo=lambda folder: "converted",
        FOO_TEMPLATE="{{ messages }}",
    )["FOO"]  # fmt: skip
    assert isinstance(foo, Family)
    assert foo.checkpoint is not None
    assert foo.recognise({"model_type": "foo"}, False)
    assert foo.recognise({"model_type": "bar"}, False) is None
    settings, found = ValidatorSettings(name="foo"), create_autospec(Found, instance=True)
    foo.checkpoint(settings, found, foo.prepare(settings, found))
    lent["like_llava"].assert_called_once_with(found, "model", "tokenizer", "pixels", "{{ messages }}", "<image>")


def test_the_form_of_the_page_writes_its_rows(tmp_path: Path) -> None:
    table = example("An export form", ExportSettings=ExportSettings, ExportRow=ExportRow)["CsvTable"]
    writer = table(tmp_path, "train", ExportSettings(form="csv"))
    writer.add(ExportRow(SAMPLE, {"image": "1.jpg"}, "train", tmp_path / "1.jpg"))
    writer.close()
    assert (tmp_path / "train.csv").read_text(encoding="utf-8") == "1.jpg,What is it?,A dog.\n"


def test_the_stage_of_the_page_drops() -> None:
    lent = {one.__name__: one for one in (Sample, Drop, Settings, SampleOrigin, reject)}
    made = example("A stage", **lent)["drop_short_conversations"]
    for name, status in (("conversation", "rejected"), ("description", "accepted")):
        asked = SimpleNamespace(planned=SimpleNamespace(recipe=SimpleNamespace(name=name)))
        assert made(SAMPLE, asked, Settings()).status == status


def made_in(package: ModuleType) -> Iterator[tuple[str, Any]]:
    """What stands in the files of a folder, and not only is imported there."""
    for found in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{found.name}")
        for name, value in vars(module).items():
            if not name.startswith("_") and getattr(value, "__module__", None) in (
                module.__name__,
                type(value).__module__,
            ):
                yield f"{found.name}.{name}", value


def test_a_family_without_a_row_is_told() -> None:
    rows = (*FAMILIES, *NAMED)
    made = [
        name
        for name, value in made_in(datagen.validator.models)
        if isinstance(value, Family | Named) and value not in rows
    ]
    assert not made, "FAMILIES in datagen/validator/models/__init__.py has a row for each"


def test_a_format_without_a_row_is_told() -> None:
    opens = {
        value for name, value in made_in(datagen.corpus) if ".open_" in name and takes(value) == ["CorpusSettings"]
    }
    joining = datagen.corpus.__name__  # what stands there joins two sources
    rows = {one.open for one in FORMATS if one.open.__module__ != joining}
    assert opens == rows, "FORMATS in datagen/corpus/__init__.py has a row for each"


def test_a_form_without_a_row_is_told() -> None:
    made = [value for _, value in made_in(datagen.export) if inspect.isclass(value) and hasattr(value, "has_pixels")]
    forms = {value for value in made if not (getattr(value, "_is_protocol", False) or inspect.isabstract(value))}
    assert len(forms) >= 5
    assert forms <= {*FORMS.values()}, "FORMS in datagen/export/__init__.py has a row for each"


def test_a_stage_without_a_row_is_told() -> None:
    shapes = {tuple(takes(stage.act)) for stage in STAGES}
    made = [
        value
        for value in vars(pipeline).values()
        if inspect.isfunction(value) and value.__module__ == pipeline.__name__
    ]
    stages = [value for value in made if tuple(takes(value)) in shapes]
    assert [stage.act for stage in STAGES if stage.act not in stages] == []
    assert [value.__name__ for value in stages if value not in {stage.act for stage in STAGES}] == []


def test_a_row_names_the_settings_that_its_stage_reads() -> None:
    named = {name.partition(".")[0] for stage in STAGES for name in stage.settings} | {"language"}
    for stage in STAGES:
        read = set(re.findall(r"(?:\blent\.|(?<![.\w]))settings\.([a-z_]+)", inspect.getsource(stage.act)))
        assert read <= named, f"{stage.act.__name__} reads settings that no row of STAGES names"


def takes(value: Any) -> list[str]:
    """The types of a function's arguments, as they are written."""
    if not inspect.isfunction(value):
        return []
    return [str(one.annotation) for one in inspect.signature(value).parameters.values()]
