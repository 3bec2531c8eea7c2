"""Secrets in foreign text are cut out, whoever quotes them and however; what is none stays as it is."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from datagen.errors import RunError, told_raised
from datagen.masking import MASK, address_of, masked, secrets_of, without_path_keys

KEY = "my-own-form-of-a-key-0123456789"


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:pass%2Fw0rd!@proxy.test:3128")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.test/v1?api-key=QUERYSECRET&unnamedsecret")


@pytest.mark.usefixtures("addresses")
@pytest.mark.parametrize(
    "text",
    [
        "ClientHttpProxyError 407, url='http://ada:pass%2Fw0rd!@proxy.test:3128'",
        "refused Basic YWRhOnBhc3MvdzByZCE= at the door",  # base64 of ada:pass/w0rd!
        'you are {"proxy": "ada:pass/w0rd!"}',
        "Cannot POST /v1/chat/completions?api-key=QUERYSECRET&unnamedsecret",
        "the query holds QUERYSECRET, unnamedsecret",
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: my-own-f***6789.",
        f"Authorization: Bearer {KEY}",
        "{'Authorization': 'Bearer other-secret', 'X-Api-Key': 'other-secret'}",
        '{"authorization":"Basic b3RoZXItc2VjcmV0","cookie":"other-secret"}',
        "connect to https://bob:other-secret@host/v1 failed",
        "cannot resolve bob:other-secret@host",
        "GET https://host/v1?other-secret failed",
        "see https://host/v1?a=1&sig=other-secret, please",
        "key sk-other-secret or gsk_0123456789abcdefghother or AIza0123456789abcdefghijkother",
        "Ocp-Apim-Subscription-Key: other-secret; x-functions-key=other-secret",
        "/data/https:/bob:other-secret@host/x.jsonl: no such annotation file",
        "/data/https:/other-secret@host/x.jsonl: no such annotation file",
        "see https:/host/x?X-Amz-Signature=other-secret&Expires=2other&Key-Pair-Id=other",
        "https://acct.blob.host/c/1.jpg?sv=2other&se=2other&sp=r&sig=other%2Bsecret%3D",
        "--api-key other-secret HF_TOKEN=other-secret AZURE_OPENAI_KEY='other-secret' bearer:other-secret",
        "AccountKey=other-secret; SharedAccessSignature=other-secret; private_key: other-secret, passphrase: other-secret",
        "//bob:other-secret@host/x",
        '{"token": "other1secret2other3", "sig": "other1secret2other3"}',
        "password = other-secret; aws_secret_access_key: other-secret",
    ],
)
def test_no_secret_is_left(text: str) -> None:
    told = masked(text, KEY)
    secrets = ("w0rd", "YWRh", "QUERY", "unnamed", "my-own", KEY, "other", "b3Ro")
    assert "[key]" in told and not [secret for secret in secrets if secret in told], told
    assert masked(told, KEY) == told


@pytest.mark.parametrize("key", [KEY, "key/with+signs=and~more%2012345", "ключ-0123456789"])
def test_a_key_is_known_in_other_clothes(key: str) -> None:
    forms = [
        quote(key, safe=""),
        quote(key, safe="").lower(),
        *(base64.b64encode(login.encode()).decode() for login in (key, f":{key}", f"{key}:")),
    ]
    for form in forms:
        told = masked(f"upstream says {form}, so there", key)
        assert form.rstrip("=") not in told and MASK in told, form
        assert told.startswith("upstream says ") and told.endswith(", so there")


@pytest.mark.parametrize(
    "text",
    [
        "'max_tokens' is not supported with this model: 4096 is too large",
        "teacher.api_key_env: expected the name of a variable",
        "/data/pictures/a.jpg: line 3, 'Two cats? One sleeps: the other @ home.'",
        "teacher.api_key_env: MY_KEY, image_tokens: 5, --set teacher.name=key, --retry REASON",
        "max_tokens: 4096, token: 12, key: person, signature: 3 tokens",
        "http://localhost:8000/v1/models answers 404; does it end in /v1?",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text, "none", None) == text


def test_a_short_secret_is_a_whole_word() -> None:
    assert masked("nonetheless none", "none") == "nonetheless [key]"


def test_a_hostile_text_is_read_to_its_end() -> None:
    for piece in ("a:", "a://", "eyJ-", "a-", ".", "?a=", "sk-"):
        assert masked(piece * 10_000)


def test_every_sentence_for_the_user_is_masked() -> None:
    assert str(RunError("http://ada:pw@host/x\x1b[2J says\nno")) == "http://[key]@host/x\\x1b[2J says\nno"


def test_what_a_function_raised_is_masked() -> None:
    def ask() -> None:
        raise ValueError("401 for https://ada:pw@host/v1?key=abc")

    with pytest.raises(ValueError, match="401") as caught:
        ask()
    assert "pw" not in told_raised("ask", ask, caught.value) and "abc" not in told_raised("ask", ask, caught.value)


def test_addresses_are_shown_without_secrets() -> None:
    assert address_of("https://me:pw@host:8/v1/?key=x#y") == "https://host:8/v1"
    assert address_of("http://me:p/w#?@host:8") == "http://host:8"
    assert address_of("http://[::1") == "an address that is none"


@pytest.mark.parametrize(
    "key",
    [
        "KEY1234567890ABC",
        "9f31c04b7d2e4a51a6d0c8e2b7f3a914",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "sk-proj-aB3dE5gH7jK9mN1p",
        "aB3_dE5-gH7jK9_mN1pQr-sT",
        "AKIAIOSFODNN7EXAMPLE",
        "gw_live_5fKq83hTz10PwLmN",
    ],
)
def test_a_key_in_the_path_of_an_address_is_masked(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (f"https://host/v1/{key}/chat", f"https://host:8/{key}", f"endpoint:https://host/{key}#m"):
        for shown in (without_path_keys(address), masked(f"POST {address}, says it"), address_of(address)):
            assert key not in shown and MASK in shown
        assert without_path_keys(without_path_keys(address)) == without_path_keys(address)
    assert key in secrets_of(f"https://host/v1/{key}/chat")
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://host/v1/{key}")
    assert key not in masked(f"Cannot POST /v1/{key}/chat/completions")


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000/v1",
        "https://host/openai/deployments/gpt-4o-mini-2024-07-18/v1",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "https://host/models/meta-llama/Llama-3.1-8B-Instruct",
        "https://host/compatible-mode/v1",
        "http://10.0.0.17:30000/v1/chat/completions",
        "endpoint:http://localhost:8000/v1#qwen2-vl-7b-instruct",
        "https://images.host/train2017/000000000009.jpg",
        "not://an address/of 123",
    ],
)
def test_an_ordinary_path_stays(address: str) -> None:
    assert without_path_keys(address) == address == masked(address)
