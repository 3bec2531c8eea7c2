"""A served vision model as a validator: chances from words or replies, faults, keys, the whole protocol."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from loopback import Answer, LoopbackServer, error_answer, json_answer
from PIL import Image
from tiny_checkpoints import picture

from datagen.config import ValidatorSettings, load_settings
from datagen.endpoint import client
from datagen.endpoint.budget import Payment
from datagen.endpoint.rate_limiter import Limiter
from datagen.errors import SettingsError, ValidatorError
from datagen.records import NoScore, ProbeScore
from datagen.validator import Fault, Look, Probe, Text, open_validator, score_key
from datagen.validator.models.served import ServedValidator

DOG = Probe("Is there a dog in the image?", ("Yes", "No"), "a dog")
COUNT = Probe("How many dogs are there?", ("One", "Two", "Three"), "a dog")
QUARTER = Probe("Which quarter is the dog in?", ("Upper left", "Upper right", "Lower left"), "a dog")
LOOK = Look("a.jpg", (DOG, COUNT, Text("What?", "A dog.")))


def say(text: str | None, *tokens: dict[str, float]) -> Answer:
    """A completion, with what else could have stood at each place."""
    told = [
        {"token": max(top, key=top.get), "logprob": 0.0,  # type: ignore[arg-type]
         "top_logprobs": [{"token": token, "logprob": math.log(chance)} for token, chance in top.items()]}
        for top in tokens
    ]  # fmt: skip
    logprobs = {"content": told} if tokens else None
    return json_answer(200, {"choices": [{"message": {"content": text}, "logprobs": logprobs, "index": 0}]})


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE_S", 0.001)
    monkeypatch.delenv("VALIDATOR_API_KEY", raising=False)


@pytest.fixture
def chances_for(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def ask(answer: Answer, probe: Probe = DOG) -> Any:
        with LoopbackServer(intercept=lambda body, n: answer) as server:
            validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
            (found,) = validator.score([Look("a.jpg", (probe,))], picture)
        return found.chances if isinstance(found, ProbeScore) else found

    return ask


def test_chances_come_from_the_first_word(chances_for: Any) -> None:
    assert chances_for(say("Yes", {"Yes": 0.6, " No": 0.2, "yes": 0.1, "The": 0.1})) == (0.777778, 0.222222)


def test_an_answer_that_is_not_told_gets_the_floor(chances_for: Any) -> None:
    yes, no = chances_for(say("Yes", {"Yes": 0.99}))
    assert 0 < no < 2e-4
    assert yes + no == pytest.approx(1, abs=2e-6)


def test_words_that_begin_alike_are_told_apart_later(chances_for: Any) -> None:
    first, second = {"Upper": 0.8, "Lower": 0.1, "It": 0.1}, {" left": 0.2, " right": 0.6, "most": 0.2}
    left, right, lower = chances_for(say("Upper right", first, second), QUARTER)
    assert left == pytest.approx(8 / 9 / 4, abs=1e-3)
    assert right == pytest.approx(8 / 9 * 3 / 4, abs=1e-3)
    assert lower == pytest.approx(1 / 9, abs=1e-3)
    alike = Probe("Where?", ("Upper left", "Upper right"))
    assert chances_for(say("Upper right", {"Upper": 1.0}, {" left": 0.2, " right": 0.8}), alike) == (0.2, 0.8)


def test_other_words_than_answers_count_for_nothing(chances_for: Any) -> None:
    assert chances_for(say("\nYes", {"\n": 0.5, "Sure": 0.5}, {"Yes": 0.5, "No": 0.1, "A": 0.4})) == (
        0.833333,
        0.166667,
    )
    # What was said names no answer: the words beside it count only where answers hold half of the belief.
    assert chances_for(say("A dog: yes", {"A": 0.45, "Yes": 0.35, "No": 0.2})) == pytest.approx(
        (0.636, 0.364), abs=1e-3
    )
    assert chances_for(say("The dog: yes", {"The": 0.9, "No": 0.1})) == (0.99, 0.01)
    side = Probe("Is the dog on the left or the right?", ("Left", "Right"), "a dog")
    assert chances_for(say("The dog is on the left.", {"The": 0.99, "Right": 0.003, "Left": 0.001}), side) == (
        0.99,
        0.01,
    )
    assert chances_for(say("Indeed, yes", {"Indeed": 1.0})) == (0.99, 0.01)


@pytest.mark.parametrize(
    ("reply", "best"),
    [("No, there is none.", 1), ("yes", 0), ("**Yes**", 0), ("I see it: yes.", 0), ("Nothing. No.", 1)],
)
def test_without_words_the_reply_is_read(chances_for: Any, reply: str, best: int) -> None:
    chances = chances_for(say(reply))
    assert chances[best] > 0.98


@pytest.mark.parametrize(
    ("reply", "probe", "best"),
    [
        ("2", COUNT, 1),
        ("There are 3 dogs.", COUNT, 2),
        ("bottom left", QUARTER, 2),
        ("It is in the top-right corner.", QUARTER, 1),
        ("**Top right**", QUARTER, 1),
        ("<think>Yes? I see no dog at all.</think>\n\nNo", DOG, 1),
        ("I see none, yes.</think>No", DOG, 1),
        ("◁think▷Yes?◁/think▷No", DOG, 1),
        ("[THINK]Yes? It is dark.[/THINK]No", DOG, 1),
        ("<|channel|>analysis<|message|>Yes?<|end|><|start|>assistant<|channel|>final<|message|>No", DOG, 1),
    ],
)
def test_answers_in_other_words_are_read(chances_for: Any, reply: str, probe: Probe, best: int) -> None:
    chances = chances_for(say(reply), probe)
    assert chances[best] > 0.98


def test_words_told_may_be_other_words_too(chances_for: Any) -> None:
    assert chances_for(say("2", {"2": 0.7, "3": 0.2, "Some": 0.1}), COUNT) == pytest.approx((0, 7 / 9, 2 / 9), abs=1e-3)
    first, second = {"Bottom": 0.6, "Top": 0.4}, {" left": 0.9, " right": 0.1}
    assert chances_for(say("Bottom left", first, second), QUARTER)[2] == pytest.approx(0.6, abs=1e-3)


def test_a_thought_that_was_cut_off_names_no_answer(chances_for: Any) -> None:
    assert isinstance(chances_for(say("<think>Yes or no? Let me")), NoScore)


def test_a_model_that_thinks_first_is_given_room() -> None:
    def think(body: dict[str, Any], n: int) -> Answer:
        is_short = body["max_tokens"] < 100
        told = {
            "message": {"content": "" if is_short else "Yes, two"},
            "finish_reason": "length" if is_short else "stop",
        }
        return json_answer(200, {"choices": [told]})

    with LoopbackServer(intercept=think) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=1))
        assert all(isinstance(one, ProbeScore) for one in validator.score([LOOK, Look("b.jpg", (DOG,))], picture))
        # The second was under way when the first came back empty; later ones are given room at once.
        assert [body["max_tokens"] for _, body in server.seen].count(8) <= 2
        assert server.seen[-1][1]["max_tokens"] == 2048


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error_answer(400, "no pictures here"), r"rejects every request \(400 no pictures here\)"),
        (say("I cannot see."), r"none of 32 questions brought an answer .*\(unreadable_answer 32; the last: "),
    ],
)
def test_a_model_of_which_nothing_is_of_use_ends_the_run(answer: Answer, said: str) -> None:
    looks = [Look(f"{n}.jpg", (DOG,)) for n in range(200)]
    with LoopbackServer(intercept=lambda body, n: answer) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=2))
        with pytest.raises(ValidatorError, match=said):
            list(validator.score(looks, picture))
        assert server.arrivals.total() <= 40

    def late(body: dict[str, Any], n: int) -> Answer:
        return say("Yes") if n == 1 else answer

    with LoopbackServer(intercept=late) as server:  # one that was of use shows that it can be asked
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=1))
        assert len(list(validator.score(looks[:50], picture))) == 50


def test_what_todays_models_refuse_is_asked_otherwise() -> None:
    def refuse(body: dict[str, Any], n: int) -> Answer:
        hint = {"max_tokens": "Use 'max_completion_tokens' instead."}
        for name in ("max_tokens", "temperature", "logprobs"):
            if name in body:
                told = f"Unsupported parameter: '{name}' is not supported with this model. {hint.get(name, '')}"
                return error_answer(400, told)
        return say("Yes, two")

    with LoopbackServer(intercept=refuse) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=1))
        assert [type(one) for one in validator.score([LOOK], picture)] == [ProbeScore, ProbeScore]
        assert server.seen[-1][1]["max_completion_tokens"] == 8


def test_a_reply_that_names_no_answer_is_kept_as_a_fact(chances_for: Any) -> None:
    """It was paid for, and would come again."""
    found = chances_for(say("I cannot tell."))
    assert isinstance(found, NoScore)
    assert found.key and found.reason == "unreadable_answer"
    assert "I cannot tell" in found.detail


def test_every_probe_is_asked_once_with_its_picture() -> None:
    with LoopbackServer(reply=lambda body: "Two, or yes") as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#seer", concurrency=2))
        opened: list[str] = []

        def load(name: str) -> Image.Image:
            opened.append(name)
            return picture(name, (3000, 1500))

        scores = list(validator.score([LOOK, Look("b.jpg", (DOG,)), Look("a.jpg", (DOG,), is_blank=True)], load))
        keys = {score_key(validator.identity, look, probe) for look, probe in ((LOOK, DOG), (LOOK, COUNT))}
        assert {one.key for one in scores if isinstance(one, ProbeScore)} >= keys
        assert len(scores) == 3 == server.arrivals.total()
        assert opened == ["a.jpg", "b.jpg"]
        assert list(validator.score([LOOK], load, keys)) == []
        _, body = server.seen[0]
        shown, asked = body["messages"][0]["content"]
        assert "Yes or No" in asked["text"] or "One, Two or Three" in asked["text"]
        assert (body["model"], body["logprobs"], body["temperature"]) == ("seer", True, 0.0)
        sent = Image.open(io.BytesIO(base64.b64decode(shown["image_url"]["url"].partition(",")[2])))
        assert (sent.format, sent.size) == ("JPEG", (1024, 512))
    assert not validator.abilities.texts and not validator.abilities.blanks


def test_a_broken_picture_is_a_fault_of_that_picture() -> None:
    class BrokenError(Exception):
        reason, detail = "image_missing", "a.jpg does not exist"

    def load(name: str) -> Image.Image:
        raise BrokenError

    with LoopbackServer() as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        assert list(validator.score([LOOK], load)) == [Fault("a.jpg", "image_missing", "a.jpg does not exist")]
        assert not server.arrivals


def test_logprobs_that_are_refused_are_not_asked_for_again() -> None:
    def refuse(body: dict[str, Any], n: int) -> Answer | None:
        return error_answer(400, "logprobs are not supported") if "logprobs" in body else say("Yes, two")

    with LoopbackServer(intercept=refuse) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=1))
        assert len([one for one in validator.score([LOOK], picture) if isinstance(one, ProbeScore)]) == 2
        assert sum("logprobs" in body for _, body in server.seen) == 1


@pytest.mark.parametrize("fault", ["server_error", "rate_limited", "html", "cut_json", "no_choices", "dropped"])
def test_passing_faults_are_survived(fault: str) -> None:
    with LoopbackServer(intercept=lambda body, n: fault if n == 1 else say("No")) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        (found,) = validator.score([Look("a.jpg", (DOG,))], picture)
        assert isinstance(found, ProbeScore)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(error_answer(500, "down"), "gave_up"), (error_answer(400, "too big"), "request_rejected"), ("html", "garbled")],
)
def test_lasting_faults_cost_one_question(answer: Answer | str, reason: str) -> None:
    def only_dogs(body: dict[str, Any], n: int) -> Answer | str | None:
        return say("Two") if "How many" in json.dumps(body) else answer

    with LoopbackServer(intercept=only_dogs) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        found = {one.item if isinstance(one, Fault) else "score": one for one in validator.score([LOOK], picture)}
        assert isinstance(found[DOG], Fault)
        assert found[DOG].reason == reason
        assert isinstance(found["score"], ProbeScore)


def test_a_bad_key_stops_at_once_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_API_KEY", "sk-wrong-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-right")  # never sent: it belongs to the teacher
    with LoopbackServer(api_key="sk-right") as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        with pytest.raises(ValidatorError, match="does not accept the key in VALIDATOR_API_KEY") as caught:
            list(validator.score([LOOK], picture))
        assert "secret" not in str(caught.value)
        monkeypatch.setenv("VALIDATOR_API_KEY", "sk-right")
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        assert list(validator.score([Look("a.jpg", (DOG,))], picture))


def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALIDATOR_API_KEY", "sk-ü")
    with pytest.raises(ValidatorError, match="VALIDATOR_API_KEY holds characters"):
        open_validator(ValidatorSettings(name="endpoint:http://127.0.0.1:1/v1#m"))


def test_an_unknown_model_and_a_wrong_address_are_said() -> None:
    gone = error_answer(404, "The model `m` does not exist.", "model_not_found")
    with LoopbackServer(intercept=lambda body, n: gone) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        with pytest.raises(ValidatorError, match="has no model 'm'"):
            list(validator.score([LOOK], picture))
    with pytest.raises(ValidatorError, match="Nothing answers at"):
        list(open_validator(ValidatorSettings(name="endpoint:http://127.0.0.1:1/v1#m")).score([LOOK], picture))


def test_the_only_model_needs_no_name() -> None:
    with LoopbackServer(reply=lambda body: "No", model="qwen-vl") as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}"))
        assert list(validator.score([Look("a.jpg", (DOG,))], picture))
        assert server.seen[0][1]["model"] == "qwen-vl"
        named = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#qwen-vl"))
        assert named.identity == validator.identity
        other = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#another"))
        assert other.identity != validator.identity


@pytest.mark.parametrize("name", ["endpoint:nowhere", "endpoint:http://u:p@host/v1#m", "endpoint:http://h/v1?key=x"])
def test_addresses_that_are_none_or_hold_secrets(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^validator\.name endpoint:URL#MODEL") as caught:
        load_settings(None, {"corpus.captions": ["c"], "corpus.images": "i", "validator.name": name})
    assert "u:p" not in str(caught.value)


def test_one_free_question() -> None:
    with LoopbackServer(reply=lambda body: " A red cup. ") as server:
        validator = ServedValidator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        assert validator.answer(picture("a"), "What is this?") == "A red cup."
        assert "logprobs" not in server.seen[0][1]


def test_a_probe_that_several_looks_share_is_paid_for_once() -> None:
    with LoopbackServer(reply=lambda body: "Yes, two") as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        looks = [LOOK, Look("a.jpg", (DOG,)), Look("b.jpg", (DOG,)), Look("a.jpg", (COUNT, DOG))]
        assert len(list(validator.score(looks, picture))) == 3 == server.arrivals.total()


def test_log_probabilities_in_another_form_are_passed_over(chances_for: Any) -> None:
    told = {"choices": [{"message": {"content": "No"}, "logprobs": {"content": [{"tok": 1}]}}]}
    assert chances_for(json_answer(200, told)) == (0.01, 0.99)


@pytest.mark.parametrize("logprob", [-9999.0, -1e300])
def test_log_probabilities_of_the_impossible_leave_the_reply(chances_for: Any, logprob: float) -> None:
    told = [{"token": "No", "logprob": logprob, "top_logprobs": [{"token": "No", "logprob": logprob}]}]
    choice = {"message": {"content": "No"}, "logprobs": {"content": told}, "index": 0}
    chances = chances_for(json_answer(200, {"choices": [choice]}))
    assert chances[1] > 0.9


def test_a_question_that_is_refused_for_good_is_a_fact(chances_for: Any) -> None:
    found = chances_for(error_answer(400, "filtered", "content_filter"))
    assert isinstance(found, NoScore) and found.reason == "content_filter"


def test_an_endless_list_of_models_is_cut_off() -> None:
    with LoopbackServer() as server:
        server.model = "m" * (40 << 20)
        with pytest.raises(ValidatorError, match="longer than"):
            open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}"))


def test_a_text_in_parts_is_read(chances_for: Any) -> None:
    told = {"choices": [{"message": {"content": [{"type": "text", "text": "No"}]}}]}
    assert chances_for(json_answer(200, told)) == (0.01, 0.99)


def test_what_was_answered_is_given_before_a_failure_is_told() -> None:
    def quota(body: dict[str, Any], n: int) -> Answer:
        return say("Two") if "How many" in json.dumps(body) else error_answer(402, "no credit")

    with LoopbackServer(intercept=quota) as server:
        validator = open_validator(ValidatorSettings(name=f"endpoint:{server.base_url}#m", concurrency=1))
        given: list[object] = []
        with pytest.raises(ValidatorError, match=r"quota is used up \(no credit\)"):
            given.extend(validator.score([Look("a.jpg", (COUNT, DOG))], picture))
        assert [type(one) for one in given] == [ProbeScore]
        scores = validator.score([Look("a.jpg", (COUNT,))], picture)  # it can be asked again
        assert isinstance(next(iter(scores)), ProbeScore)


def test_the_bills_go_to_whoever_pays() -> None:
    kept: list[tuple[str, int]] = []
    with LoopbackServer(reply=lambda body: "Yes, two") as server:
        validator = ServedValidator(ValidatorSettings(name=f"endpoint:{server.base_url}#m"))
        validator.pay_by(Payment(keep=lambda model, usage: kept.append((model, usage.n_completion_tokens))))
        assert len(list(validator.score([LOOK], picture))) == 2
    assert kept == [("m", 2), ("m", 2)]


def test_a_rate_limit_of_ones_own_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Any, ...]] = []
    limiter = Limiter
    monkeypatch.setattr(client, "Limiter", lambda *limits: made.append(limits) or limiter(*limits))
    open_validator(ValidatorSettings(name="endpoint:http://127.0.0.1:1/v1#m", rpm=60, tpm=9000, concurrency=3))
    assert made == [(3, 60, 9000)]
