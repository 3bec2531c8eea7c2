"""A file of words is laid over the built-in tables, and its faults are told in one sentence."""

import msgspec
import pytest
from typer.testing import CliRunner

from datagen.claims import judge_turns, unknown_names, vocabulary_for
from datagen.cli import app
from datagen.config import ChecksSettings, dump_settings, load_settings
from datagen.corpus.lint import lint_corpus
from datagen.errors import SettingsError
from datagen.lexicon import Lexicon, spoken_names
from datagen.records import AnnotatedImage, Box, Turn
from datagen.words import NO_WORDS, Words, built_in_words, merged, read_words, words_of

NAMES = ("Sneakers", "boot_(shoe)", "dog", "Cabinet/shelf", "cat")
OWN = """
synonyms: {Sneakers: [trainers], dog: [hound]}
kinds: {dog: [Husky]}
unsure: {cat: [tiger]}
hypernyms: {footwear: [sneakers, boot]}
hints: {wardrobe: [boot]}
lookalikes: [[sneakers, boot]]
decoys: [hot dog stand]
overlooked: [boot]
uncountable: [cabinet]
plurals: {husky: huskys}
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_the_built_in_words_are_read_and_speak_of_coco_alone():
    assert built_in_words().synonyms["bicycle"] == ("bike",)
    assert len(built_in_words().categories()) > 60


def test_every_table_of_a_file_has_its_effect(own):
    vocabulary = vocabulary_for(NAMES, read_words(own))
    found = {word: form for word, form in vocabulary.lexicon.forms.items() if form}
    assert found["hound"].category == "dog" and not found["hound"].is_loose
    assert found["huskys"].is_loose and found["huskys"].is_plural and "huskies" not in found
    assert found["tiger"].is_unsure
    assert found["trainers"].category == "Sneakers" and found["trainer"].category == "Sneakers"
    assert vocabulary.lexicon.find("a hot dog stand") == []
    assert vocabulary.claimed == ("footwear", "animal")
    assert vocabulary.hypernyms["footwear"] == ("Sneakers", "boot_(shoe)")
    assert vocabulary.hints["wardrobes"] == ("boot_(shoe)",)
    assert vocabulary.lookalikes["Sneakers"] == {"boot_(shoe)"}
    assert "boot_(shoe)" in vocabulary.overlooked and "Cabinet/shelf" in vocabulary.uncountable


@pytest.mark.parametrize(
    ("category", "names"),
    [
        ("Cabinet/shelf", ("cabinet", "shelf")),
        ("bat_(animal)", ("bat",)),
        ("baseball_bat", ("baseball bat",)),
        ("???", ("???",)),
        ("(x)", ("(x)",)),
    ],
)
def test_names_of_other_corpora_are_read_as_people_say_them(category, names):
    assert spoken_names(category) == names


def test_a_name_of_two_categories_is_unsure_and_plural_names_have_a_singular():
    lexicon = Lexicon(("bat_(animal)", "bat_(sports)", "Sneakers", "Berries", "Boxes"))
    (bat,) = lexicon.find("a bat")
    assert bat.is_unsure
    found = lexicon.find("sneakers, a sneaker, a berry, a box")
    assert [(m.category, m.is_plural) for m in found] == [
        ("Sneakers", True), ("Sneakers", False), ("Berries", False), ("Boxes", False),
    ]  # fmt: skip


def test_words_of_a_user_win_over_the_built_in_ones():
    own = words_of({"synonyms": {"scooter": ["moped"]}}, "words")
    assert Lexicon(("motorcycle", "scooter"), own).named("a moped") == {"scooter"}
    assert Lexicon(("motorcycle", "scooter")).named("a moped") == {"motorcycle"}
    assert merged(own, NO_WORDS) == own and hash(merged(own, NO_WORDS)) == hash(own)


def test_claims_and_lint_use_a_file_of_words(own):
    settings = load_settings(None, {"corpus.captions": ["x.json"], "checks.words": str(own)}).checks
    image = AnnotatedImage("1", "1.jpg", 9, 9, (), (Box("dog", (0.1, 0.1, 0.4, 0.4), 0.1),))
    (turn,) = judge_turns((Turn("What is it?", "There are three hounds."),), image, NAMES, settings)
    assert [(c.kind, c.category, c.verdict) for c in turn.claims] == [("count", "dog", "contradicted")]
    (turn,) = judge_turns((Turn("What is it?", "There are three hounds."),), image, NAMES, ChecksSettings())
    assert {(c.category, c.verdict) for c in turn.claims} == {("hound", "unknown")}
    words = words_of({"kinds": {"dgo": ["hound"]}}, "words")
    assert list(unknown_names(NAMES, words)) == ["dgo"]
    kinds = {finding.kind for finding in lint_corpus([image], NAMES, words=words)}
    assert "word_without_category" in kinds


def test_settings_keep_the_words_and_not_the_path(own):
    settings = load_settings(None, {"corpus.captions": ["x.json"], "checks.words": str(own)})
    again = load_settings(None, msgspec.yaml.decode(msgspec.yaml.encode(dump_settings(settings))))
    assert again == settings
    assert again.checks.words.kinds == {"dog": ("husky",)}
    assert str(own) not in str(dump_settings(settings))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("synonims: {a: [b]}", "unknown field"),
        ("- a", "Expected `object`"),
        ("kinds: {a: b}", "Expected `array`"),
        ("kinds: {a: [x], b: [X]}", "'x' stands for both 'a' and 'b'"),
        ("kinds: {a: ['']}", "'' is no word"),
        ("decoys: ['..']", "'..' is no word"),
        (f"decoys: [{'a' * 61}]", "is no word"),
        ('decoys: ["a\\eb"]', "is no word"),
        ("{{", "not valid YAML"),
        ("\udc80", "not valid YAML"),
    ],
)
def test_faults_of_a_file_are_one_sentence(tmp_path, content, told):
    path = tmp_path / "words.yaml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match=r"words\.yaml") as caught:
        read_words(path)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_oversized_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="cannot be read"):
        read_words(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_words(tmp_path)
    monkeypatch.setattr("datagen.words.MAX_FILE_BYTES", 3)
    (tmp_path / "big.yaml").write_text("decoys: []")
    with pytest.raises(SettingsError, match="at most"):
        read_words(tmp_path / "big.yaml")
    (tmp_path / "none.yaml").write_text("")
    assert read_words(tmp_path / "none.yaml") == Words()


def test_the_command_tells_what_words_resolve_to(tmp_path, own):
    corpus = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 9, "height": 9}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "dog"}],
    }
    captions = {"images": corpus["images"], "annotations": [{"id": 1, "image_id": 1, "caption": "a hound, a hound"}]}
    for name, content in (("i", corpus), ("c", captions)):
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(content))
    files = ["--instances", str(tmp_path / "i.json"), "--captions", str(tmp_path / "c.json"), "--words", str(own)]
    done = CliRunner().invoke(app, ["words", *files])
    assert done.exit_code == 0, done.output
    assert "hound 2, dog" in done.output
    assert "! the words speak of 'sneakers', which is no category of this corpus" in done.output
    done = CliRunner().invoke(app, ["lint", *files])
    assert "word_without_category" in done.output
