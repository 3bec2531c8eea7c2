"""Settings: from files, mappings and options to one record, with the name of the setting in every complaint."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import datagen
from datagen.config import dump_settings, load_settings, load_validator_settings, settings_of_run, settings_table
from datagen.errors import SettingsError

CORPUS = {"corpus.captions": ["c.json"]}


def test_the_schema_takes_real_settings_and_refuses_what_the_loader_refuses(tmp_path: Path) -> None:
    schema = json.loads(msgspec.json.encode(settings_table().schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    resolved = json.loads(msgspec.json.encode(dump_settings(datagen.demo_settings())))
    validator.validate(resolved)
    written = msgspec.yaml.decode(
        b"corpus: {captions: [c.json]}\nchecks: {words: own.yaml, skip: [refusal]}\n"
        b"dedup: {embeddings: {model: m}}\nteacher: {name: m, rpm: 60, budget_usd: null}\n"
    )
    validator.validate(written)
    for wrong in (
        {"corpse": {}},
        {"validator": {"alpha": 2}},
        {"engine": "spark"},
        {"dedup": {"embeddings": {"threshold": 0.5}}},
    ):
        assert not validator.is_valid(wrong)
        with pytest.raises(SettingsError):
            load_settings(None, {**CORPUS, **wrong})


def test_the_later_wins_and_null_takes_back(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("corpus: {captions: [c.json], limit: 5}\nteacher: {rpm: 10, tpm: 20}\ndedup: {embeddings: null}\n")
    named = {"teacher.rpm": 30.0, "dedup.embeddings.model": "m"}
    settings = load_settings(path, {**named, "corpus.limit": None, "teacher.rpm": 40.0})
    assert (settings.teacher.rpm, settings.teacher.tpm, settings.corpus.limit) == (40.0, 20.0, None)
    assert settings.dedup.embeddings is not None
    assert settings.dedup.embeddings.model == "m"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"teacher": {"nmae": "m"}}, "There is no setting 'teacher.nmae'; did you mean teacher.name?"),
        (
            {"rpm": 60},
            "no setting 'rpm'; did you mean teacher.rpm, checks.judge.rpm, dedup.embeddings.rpm or validator.rpm?",
        ),
        ({"base_url": "u"}, "did you mean teacher.base_url, checks.judge.base_url or dedup.embeddings.base_url?"),
        ({"balance": {"k": 1}}, "'balance.k'; balance has yes_share, max_share_per_kind, max_loss."),
        ({"qwertz": 1}, "There is no setting 'qwertz'; 'datagen settings' lists them all."),
        ({"teacher": "gpt-4o"}, "teacher holds settings of its own; give them below it, such as teacher.name."),
        ({"teacher.name.size": 1}, "teacher.name takes a text; found a mapping."),
        ({"teacher.name": "m", "teacher.name.size": 1}, "teacher.name takes a text, and has no settings below it."),
        ({"validator.alpha": 2}, "validator.alpha takes a number from 0 to 1; found 2."),
        ({"balance.yes_share": 1}, "balance.yes_share takes a number above 0 and below 1, or null; found 1."),
        ({"corpus.limit": 1.5}, "corpus.limit takes a whole number of at least 1, or null; found 1.5."),
        ({"teacher.name": None}, "teacher.name takes a text; found null."),
        ({"corpus.images": Path("images")}, "corpus.images takes a text, or null; found a "),
        ({"types": 3}, "types takes a list of texts; found 3."),
        ({"types": [1]}, "types takes a list of texts; found a list that holds a whole number."),
        ({"types": [["a"]]}, "types takes a list of texts; found a list that holds a list."),
        ({"types": ["a", None]}, "types takes a list of texts; found a list that holds null."),
        ({"corpus.captions": [{}]}, "corpus.captions takes a list of texts; found a list that holds a mapping."),
        ({"teacher.name": ""}, "teacher.name takes a text; found an empty one."),
        ({"teacher.timeout_s": "1e300s"}, "teacher.timeout_s takes a number above 0; found a text."),
        ({"teacher.timeout_s": "1,5"}, "teacher.timeout_s takes a number above 0; found the text '1,5'; write it with"),
        ({"checks.exhaustive": True}, 'takes auto, yes or no; found true (write "yes" or "no" in quotes).'),
        ({"mix": "conversation"}, "mix conversation: expected a response type and a number above 0, such as conv"),
        ({"mix": "a=1,b=-2"}, "mix b=-2: expected a response type and a number above 0"),
        ({"mix": "a=1,b=2,a=3"}, "mix names 'a' twice; give each response type one share."),
        *(
            ({"mix": {"a": share}}, f"mix: a is given {share!r}; expected names of response types with numbers above")
            for share in (0, -1, True, False, None, "58", float("nan"), float("inf"), [1], {"b": 1})
        ),
        ({"mix": {1: 2}}, "mix: 1 is given 2; expected names of response types"),
        ({"mix": True}, "mix takes a mapping of names to numbers above 0, or NAME=N,NAME=N; found true"),
        ({"mix": {"a": 1}, "types": ["a", "b"]}, "mix and types name other response types (b); leave types out."),
        ({"teacher.extra_body": {"model": "n"}}, "teacher.extra_body: 'model' is a part of the request that datagen"),
        (
            {"teacher.extra_body": {"x": {"api_key": "abc12345"}}},
            "teacher.extra_body: it holds what looks like a secret",
        ),
        ({"teacher.extra_body": 3}, "teacher.extra_body takes a mapping of fields to values; found 3."),
        ({"teacher.temperature": 3}, "teacher.temperature takes a number from 0 to 2, or null; found 3."),
        (
            {"teacher.leave_out": ["seed"]},
            "teacher.leave_out: 'seed' cannot be left out; temperature and max_tokens can",
        ),
        ({"teacher.show_images": True}, "show_images needs an LLM that sees"),
        ({"teacher.show_images": True, "teacher.name": "m"}, "show_images needs the pictures"),
        (
            {"teacher": {"name": "m", "budget_usd": 1, "leave_out": ["max_tokens"]}},
            "budget_usd needs a longest reply to keep; do not leave max_tokens out",
        ),
        ({"checks.words": 3}, "checks.words: Expected `object`, got `int`"),
        ({"dedup.embeddings": {}}, "dedup.embeddings.model must be given with dedup.embeddings"),
    ],
)
def test_a_complaint_names_the_setting_what_it_takes_and_what_was_meant(
    given: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {**CORPUS, **given})
    assert sentence in str(error.value)


@pytest.mark.parametrize("looks", [{"validator.name": "nano"}, {"teacher.show_images": True, "teacher.name": "m"}])
def test_a_corpus_may_know_its_own_pictures(looks: dict[str, object]) -> None:
    assert load_settings(None, {"corpus.path": "birds", **looks}).corpus.images is None


def test_a_complaint_about_a_file_names_the_file_and_never_a_key(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("teacher: {name: m, api_key_env: sk-secret, rpm: 1}\n")
    with pytest.raises(SettingsError, match=r"settings\.yaml: teacher\.api_key_env takes a name") as error:
        load_settings(path, {})
    assert "sk-secret" not in str(error.value)


KEYS = (
    "sk-proj-AbCd1234EfGh5678IjKl",
    "gsk_abcdefghijklmnop1234567890",
    "hf_AbCdEfGhIjKlMnOpQrStUvWx",
    "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "abcdef0123456789abcdef0123456789",
    "ABCDEF0123456789ABCDEF0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "sk_test_51HabcDEF456ghi789",
    "Bearer sk-proj-AbCd1234EfGh5678",
    "OPENAI_API_KEY=sk-abcdefgh12345678",
)
HOLDERS = ("teacher", "dedup.embeddings", "checks.judge", "validator")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("group", HOLDERS)
def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated(key: str, group: str) -> None:
    model = {} if group in ("teacher", "validator") else {f"{group}.model": "m"}
    with pytest.raises(SettingsError) as error:
        load_settings(None, {**CORPUS, **model, f"{group}.api_key_env": key})
    told = str(error.value)
    assert told.startswith(f"{group}.api_key_env takes ") and "variable" in told
    assert key not in told and key.rpartition("=")[2] not in told and "\n" not in told


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "MY_GATEWAY_KEY_2024", "key", "openrouter_key", "K2", "x"])
def test_the_name_of_a_variable_is_none(name: str) -> None:
    load_settings(None, {**CORPUS, "teacher.api_key_env": name})


def test_a_variable_that_is_there_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("key_0123456789_of_the_team", "x")
    load_settings(None, {**CORPUS, "teacher.api_key_env": "key_0123456789_of_the_team"})


@pytest.mark.parametrize("setting", ["teacher.name", "checks.judge.model", "dedup.embeddings.model"])
def test_a_key_in_place_of_a_model_is_refused_and_not_repeated(setting: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, {**CORPUS, setting: KEYS[0]})
    assert setting in str(error.value) and KEYS[0] not in str(error.value)
    load_settings(None, {**CORPUS, setting: "hf:meta-llama/Llama-3.3-70B-Instruct"})


def test_a_dotted_name_in_a_file_is_told_how_to_be_written(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("dedup.embeddings.model: x\n")
    with pytest.raises(SettingsError, match=r"s.yaml: write 'dedup.embeddings.model' nested, as dedup: \{embeddings: "):
        load_settings(path, {})
    wrong: dict[Any, Any] = {5: 6}
    with pytest.raises(SettingsError, match="no setting '5'"):
        load_settings(None, wrong)


def test_where_there_is_no_run_only_the_validator_is_asked_for() -> None:
    assert load_validator_settings({"validator.name": "nano", "validator.alpha": 0.1}).alpha == 0.1
    with pytest.raises(SettingsError, match="'teacher' means nothing here"):
        load_validator_settings({"validator.name": "nano", "teacher.rpm": 3})


def test_every_setting_is_described_and_its_default_is_one_that_it_takes() -> None:
    table = settings_table()
    assert len(table.rows) >= 67
    for row in table.rows.values():
        assert row.description.endswith("."), row.name
        if row.default is not msgspec.NODEFAULT:
            assert msgspec.convert(msgspec.to_builtins(row.default), row.type) == row.default, row.name


def test_one_text_stands_for_a_list_of_one(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("corpus:\n  captions: a.json\ntypes: description\n")
    from_file = load_settings(file, {})
    assert from_file == load_settings(None, {"corpus": {"captions": ["a.json"]}, "types": ["description"]})
    assert from_file == load_settings(None, {"corpus.captions": "a.json", "types": "description"})


@pytest.mark.parametrize("group", ["teacher", "validator"])
@pytest.mark.parametrize("price", [-0.01, float("inf"), -float("inf"), 1e9])
def test_a_price_is_no_less_than_nothing(group: str, price: float) -> None:
    for way in ("in", "out"):
        with pytest.raises(SettingsError, match=f"{group}.price_{way}_usd_per_mtok"):
            load_settings(None, {f"{group}.price_{way}_usd_per_mtok": price})


@pytest.mark.parametrize(
    "address", [" http://h/v1", "http://h/v1 ", "http://h/v1\n", "http://h /v1", "http://h/\u200bv1"]
)
def test_an_address_with_a_blank_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match=r"base.url '.*': expected an address such as .*, without blanks"):
        load_settings(None, {**CORPUS, "teacher.name": "m", "teacher.base_url": address})


def test_the_home_of_nobody_is_a_name_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = {"captions": ["~no-such-user/c.json"], "images": "~no-such-user"}
    settings = load_settings(
        None, {"corpus": corpus, "validator.name": "~no-such-user/v", "recipes_dir": "~no-such-user"}
    )
    assert settings.corpus.images == str(tmp_path / "~no-such-user")
    with pytest.raises(SettingsError, match="~no-such-user"):
        load_settings(None, {"checks.words": "~no-such-user/words.yaml"})


def test_a_language_is_a_code_and_needs_a_teacher_that_writes_it() -> None:
    assert load_settings(None, {}).language == "en"
    asked = load_settings(None, {"language": "ko", "teacher.name": "some-llm"})
    assert asked.language == "ko"
    with pytest.raises(SettingsError, match=r"language klingon: no language is called so here; there are en, ar"):
        load_settings(None, {"language": "klingon", "teacher.name": "some-llm"})
    with pytest.raises(SettingsError, match=r"language ja: the embedded teacher writes English; name an LLM"):
        load_settings(None, {"language": "ja"})


def test_a_mix_names_the_types_and_another_one_may_be_given_to_a_run(tmp_path: Path) -> None:
    settings = load_settings(None, {**CORPUS, "mix": "conversation=58, reasoning=77"})
    assert (settings.types, settings.mix) == (("conversation", "reasoning"), {"conversation": 58.0, "reasoning": 77.0})
    assert load_settings(None, dump_settings(settings)) == settings
    assert settings_of_run(settings, {"mix": "description=1"}, tmp_path / "run.yaml").types == ("description",)
    with pytest.raises(SettingsError, match="leave types out"):
        settings_of_run(settings, {"types": ["description"]}, tmp_path / "run.yaml")
