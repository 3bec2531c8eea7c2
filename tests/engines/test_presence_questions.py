"""Questions of presence: as many Yes as No, none that boxes and captions leave open, each kind as its name says."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import cast, get_args

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import CorpusFiles
from msgspec.structs import replace
from PIL import Image
from typer.testing import CliRunner

import datagen
from datagen import claims
from datagen.cli import app
from datagen.config import ChecksSettings, Settings
from datagen.corpus import Corpus
from datagen.engines.presence_questions import N_ASKED, SEEN, presence_questions
from datagen.errors import ExportError
from datagen.export.choice import LETTERS, ChoiceQuestion
from datagen.export.pope import Negatives, PresenceQuestion
from datagen.lexicon import with_article
from datagen.records import AnnotatedImage, Box

ORDER = [
    f"{kind}_{split}_{each}"
    for split in ("train", "validation")
    for kind in ("pope", "choice")
    for each in get_args(Negatives)
]
CATEGORIES = ("person", "dog", "cat", "kite", "boat", "bus", "bicycle", "motorcycle", "sink", "oven", "zebra")
SETTINGS = Settings()


def image(n: int, *names: str, captions: tuple[str, ...] = (), area: float = 0.05) -> AnnotatedImage:
    boxes = tuple(Box(name, (0.1, 0.1, 0.5, 0.6), area) for name in names)
    return AnnotatedImage(str(n), f"{n}.jpg", 100, 100, captions, boxes, licence="CC-BY-2.0")


KITCHENS = tuple(image(n, "sink", "oven", "cat") for n in range(10, 20))
STREETS = tuple(image(n, "person", "bus", "dog", *["motorcycle"] * (n % 2)) for n in range(20, 32))
SEA = tuple(image(n, "boat", "kite") for n in range(40, 43))


def asked(*images: AnnotatedImage, settings: Settings = SETTINGS) -> list[PresenceQuestion]:
    return yes_no(Corpus(images, CATEGORIES, beyond=(*images, *KITCHENS, *STREETS, *SEA)), settings)


def yes_no(corpus: Corpus, settings: Settings = SETTINGS) -> list[PresenceQuestion]:
    return cast("list[PresenceQuestion]", list(presence_questions(corpus, settings)))


def choices(corpus: Corpus, settings: Settings = SETTINGS) -> list[ChoiceQuestion]:
    return cast("list[ChoiceQuestion]", list(presence_questions(corpus, settings, "choice")))


def names(questions: list[PresenceQuestion], kind: str, label: str) -> list[str]:
    told = {f"Is there {with_article(name)} in the image?": name for name in CATEGORIES}
    return [told[one.turns[0].question] for one in questions if (one.negatives, one.label) == (kind, label)]


def test_each_kind_is_half_yes_and_says_what_boxes_say() -> None:
    shown = image(1, "sink", "oven", "person", "dog")
    questions = asked(shown)
    counts = Counter((one.negatives, one.label) for one in questions)
    assert counts["random", "yes"] == counts["random", "no"] == N_ASKED
    assert counts["adversarial", "yes"] == counts["adversarial", "no"] == N_ASKED  # cat, bus, motorcycle
    boxed = {box.category for box in shown.boxes}
    for kind in ("random", "popular", "adversarial"):
        assert boxed.issuperset(there := names(questions, kind, "yes"))
        assert boxed.isdisjoint(absent := names(questions, kind, "no"))
        assert len(set(there)) == len(there) == len(set(absent)) == len(absent)
    assert {one.turns[0].answer for one in questions if one.label == "no"} == {"No."}
    assert len({one.sample_id for one in questions}) == len(questions)
    assert {one.provenance.licence for one in questions} == {"CC-BY-2.0"}
    assert asked(shown) == questions


def test_popular_are_the_commonest_and_adversarial_go_along() -> None:
    kitchen, sea = image(1, "oven"), image(2, "boat", "kite")
    questions = asked(kitchen, sea)
    assert names([one for one in questions if one.image_id == "1"], "popular", "no") == ["bus"]  # people are overlooked
    assert names([one for one in questions if one.image_id == "1"], "adversarial", "no") == ["cat"]
    assert names([one for one in questions if one.image_id == "2"], "adversarial", "no") == []  # three images are few
    many = asked(*(replace(kitchen, image_id=str(n)) for n in range(60)))
    assert set(names(many, "random", "no")) == {"sink", "cat", "bus", "dog", "motorcycle", "boat", "kite"}  # no zebra


@pytest.mark.parametrize(
    ("shown", "never"),
    [
        (image(1, "oven", captions=("An oven beside a bus.",)), "bus"),  # a caption names it
        (image(1, "oven", captions=("A vehicle and an oven.",)), "bus"),  # or leaves it open
        (image(1, "oven", "bicycle"), "motorcycle"),  # one may be taken for the other
        (replace(image(1, "oven"), absent=("dog", "kite")), "bus"),  # nobody looked for it
        (replace(image(1, "oven"), unfinished=("bus",)), "bus"),  # not all of it is boxed
    ],
)
def test_what_is_left_open_is_not_denied(shown: AnnotatedImage, never: str) -> None:
    said = [replace(shown, image_id=str(n)) for n in range(60)]
    assert never in names(asked(*(replace(image(1, "oven"), image_id=one.image_id) for one in said)), "random", "no")
    questions = asked(*said)
    assert never not in {name for kind in ("random", "popular", "adversarial") for name in names(questions, kind, "no")}


def test_what_is_too_small_to_be_seen_is_not_asked_after() -> None:
    assert names(asked(image(1, "dog", area=SEEN)), "random", "yes") == ["dog"]
    with pytest.raises(ExportError, match=r"nothing to ask: no image has a box of one category .* another\.$"):
        asked(image(1, "dog", area=0.9 * SEEN), image(2))
    with pytest.raises(ExportError, match="annotations are gone"):
        list(presence_questions(Corpus(), SETTINGS))


def test_a_corpus_that_boxes_some_things_alone_denies_nothing() -> None:
    with pytest.raises(ExportError, match="not every object of a category is boxed"):
        asked(image(1, "oven"), settings=Settings(checks=ChecksSettings(exhaustive="no")))


def test_a_wider_name_of_what_is_there_is_not_denied() -> None:
    categories = (*CATEGORIES, "animal", "lamp")
    boxes = tuple(replace(image(n, "animal", "lamp"), image_id=f"wide{n}") for n in range(8))
    images = tuple(replace(image(1, "dog"), image_id=str(n)) for n in range(30))
    wide = tuple(replace(image(1, "animal"), image_id=f"a{n}") for n in range(30))
    questions = yes_no(Corpus((*images, *wide), categories, beyond=(*boxes, *STREETS)))
    denied = {(one.image_id[:1] == "a", one.turns[0].question) for one in questions if one.label == "no"}
    assert (False, "Is there a lamp in the image?") in denied and (True, "Is there a bus in the image?") in denied
    assert (False, "Is there an animal in the image?") not in denied
    assert (True, "Is there a dog in the image?") not in denied


@pytest.fixture(scope="module")
def many(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over pictures that show one of four further things each."""
    folder = tmp_path_factory.mktemp("many")
    told = json.loads(corpus_files.instances.read_bytes())
    told["categories"] += [{"id": 50 + n, "name": name} for n, name in enumerate(("bus", "zebra", "oven", "boat"))]
    for one in told["images"]:
        box = {"id": 9000 + one["id"], "image_id": one["id"], "bbox": [0, 0, 40, 30], "area": 1200}
        told["annotations"].append({**box, "category_id": 50 + one["id"] % 4})
    (folder / "instances.json").write_text(json.dumps(told))
    corpus = {**corpus_files.settings["corpus"], "instances": [str(folder / "instances.json")]}
    datagen.run({"corpus": corpus}, folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def varied(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over pictures of which half show a kite, and half a cat."""
    folder = tmp_path_factory.mktemp("varied")
    told = json.loads(corpus_files.instances.read_bytes())
    for one in told["images"]:
        category = 6 if one["id"] % 2 else 3
        told["annotations"].append(
            {
                "id": 9000 + one["id"],
                "image_id": one["id"],
                "category_id": category,
                "bbox": [0, 0, 40, 30],
                "area": 1200,
            }
        )
    (folder / "instances.json").write_text(json.dumps(told))
    corpus = {**corpus_files.settings["corpus"], "instances": [str(folder / "instances.json")]}
    datagen.run({"corpus": corpus}, folder / "run")
    return folder / "run"


def test_the_files_hold_each_question_beside_its_picture(varied: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    options = ["--format", "pope", "--out", str(out), "--pictures", "copy", "--validation-share", "0.4"]
    done = CliRunner().invoke(app, ["export", str(varied), *options])
    assert done.exit_code == 0, done.output
    counts = json.loads((out / "manifest.json").read_bytes())["counts"]
    found = {}
    for split, by_kind in counts["by_source"].items():
        assert counts["rows"][split] == sum(by_kind.values()) > 0
        assert f"{split}: " + ", ".join(f"{n} {kind}" for kind, n in by_kind.items()) in done.output
        for kind, n in by_kind.items():
            rows = [json.loads(line) for line in (out / f"{split}_{kind}.jsonl").read_bytes().splitlines()]
            assert [row["question_id"] for row in rows] == list(range(1, n + 1))
            for row in rows:
                assert row.keys() == {"question_id", "image", "text", "label", "category"}
                assert (out / "images" / row["image"]).is_file()
                found[kind, row["image"], row["text"]] = row["label"]
    run = datagen.open_run(varied)
    questions = yes_no(run._corpus, run.settings)
    assert found == {(one.negatives, one.image, one.turns[0].question): one.label for one in questions}
    assert f"{len(questions)}" == str(sum(counts["rows"].values())) and "validation questions written" in done.output


def test_claims_of_the_answers_agree_with_the_annotations(varied: Path) -> None:
    """Read as a teacher's answers, each is borne out by boxes."""
    run = datagen.open_run(varied)
    corpus, checks = run._corpus, run.settings.checks
    for one in presence_questions(corpus, run.settings):
        (turn,) = claims.judge_turns(one.turns, corpus.by_id[one.image_id], corpus.categories, checks)
        assert [claim.verdict for claim in turn.claims] and all(
            claim.verdict in ("supported_by_boxes", "supported_by_both") for claim in turn.claims
        ), (turn, one.image_id)


def test_of_four_things_one_is_there_under_each_letter_as_often() -> None:
    shown = [image(n, "sink", "oven", "person", "dog") for n in range(60, 90)]
    corpus = Corpus(tuple(shown), (*CATEGORIES, "lamp"), beyond=(*shown, *KITCHENS, *STREETS, *SEA))
    questions = choices(corpus)
    assert questions == choices(corpus)
    assert len({one.sample_id for one in questions}) == len(questions)
    boxed = set(map(with_article, ("sink", "oven", "person", "dog")))
    for kind in ("random", "popular", "adversarial"):
        asked_so = [one for one in questions if one.negatives == kind]
        letters = Counter(one.letter for one in asked_so)
        assert max(letters.values()) - min(letters.values()) <= 1 and letters.total() >= 30
        for one in asked_so:
            assert len(set(one.options)) == len(LETTERS)
            assert [option for option in one.options if option in boxed] == [one.options[LETTERS.index(one.letter)]]
            listed = [f"{letter}. {option}" for letter, option in zip(LETTERS, one.options, strict=True)]
            assert one.turns[0].question.splitlines()[1:] == listed and one.turns[0].answer == one.letter
    popular = [one for one in questions if one.negatives == "popular" and one.sample_id.endswith("popular1")]
    assert {frozenset(one.options) - boxed for one in popular} == {frozenset({"a bus", "a cat", "a motorcycle"})}
    with pytest.raises(ExportError, match="There is nothing to ask"):
        choices(Corpus(tuple(shown), ("sink", "oven", "person", "dog", "bus"), beyond=(*shown, *STREETS)))


def test_choices_come_with_their_pictures_and_options(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    done = CliRunner().invoke(app, ["export", str(many), "--format", "choice", "--out", str(out), "--pictures", "copy"])
    assert done.exit_code == 0, done.output
    run = datagen.open_run(many)
    rows = [json.loads(line) for path in sorted(out.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    assert sorted((row["category"], row["image"], row["options"], row["answer"]) for row in rows) == sorted(
        (one.negatives, one.image, list(one.options), one.letter) for one in choices(run._corpus, run.settings)
    )
    assert f"{len(rows)} questions written" in done.output
    assert all((out / "images" / row["image"]).is_file() and "\n" not in row["question"] for row in rows)


class Loader(yaml.SafeLoader):
    """Reads ``!function``, which lmms-eval takes for a Python function, as its name."""


Loader.add_constructor("!function", lambda _, node: node.value)


def test_tasks_name_files_that_hold_their_fields(many: Path, tmp_path: Path) -> None:
    """The fields are those of lmms-eval's task guide; ``benchmarks/consumers.py`` has lmms-eval itself load them."""
    out = tmp_path / "x"
    options = ["--format", "lmms_eval", "--out", str(out), "--validation-share", "0.4"]
    done = CliRunner().invoke(app, ["export", str(many), *options])
    assert done.exit_code == 0, done.output
    counts = json.loads((out / "manifest.json").read_bytes())["counts"]
    assert {name.partition("_")[0] for tally in counts["by_source"].values() for name in tally} == {"pope", "choice"}
    for split, tally in counts["by_source"].items():
        group = yaml.load((out / f"{split}.yaml").read_text(), Loader)
        assert group["group"] == ("datagen" if split == "train" else "datagen_validation")
        assert group["task"] == [f"datagen_{name}" for name in sorted(tally, key=ORDER.index)]
        for name, n in tally.items():
            task = yaml.load((out / f"{name}.yaml").read_text(), Loader)
            assert task["task"] == f"datagen_{name}" and task["dataset_path"] == "parquet"
            table = pq.read_table(out / task["dataset_kwargs"]["data_files"][task["test_split"]])
            features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
            assert features["image"] == {"_type": "Image"} and table.num_rows == n
            assert {task["doc_to_target"], "question", "question_id", "image"} <= set(table.column_names)
            for row in table.to_pylist():
                assert len(row["options"]) == (4 if name.startswith("choice") else 0)
                Image.open(io.BytesIO(row["image"]["bytes"])).verify()
