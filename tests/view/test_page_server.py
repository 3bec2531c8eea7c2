"""The page's server: lists, cards, pictures and decisions; and everybody whom it turns away."""

import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pages import EVIL, asker_of, live_of, sample, write_samples
from PIL import Image
from starlette.testclient import TestClient

import datagen
from datagen.errors import SettingsError, ValidatorError
from datagen.records import Decision, Reply, Turn
from datagen.store import add_decision, read_decisions
from datagen.view.page.messages import MAX_ROWS, PICTURE_SIZES
from datagen.view.page.questions import BusyError
from datagen.view.page.request_guard import host_name, is_loopback
from datagen.view.page.server import MAX_BYTES, Door, address, listen, make_app

HERE = "http://localhost:8642"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    write_samples(tmp_path / "run", (sample(n) for n in range(1, 301)))
    return tmp_path / "run"


class Page(TestClient):
    """A browser that is on the page."""

    def told(self, path: str, **query: Any) -> Any:
        answer = self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sent(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        own = {"origin": HERE, "content-type": "application/json"}
        answer = self.post(path, content=json.dumps(body), headers={**own, **headers})
        assert answer.status_code == status, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.text

    def decide(self, sample_id: str, verb: str, status: int = 200, **more: Any) -> Any:
        digest = self.told("/sample", id=sample_id)["turns_digest"]
        return self.sent("/decide", {"sample_id": sample_id, "verb": verb, "turns_digest": digest, **more}, status)


@pytest.fixture
def page(folder: Path) -> Iterator[Page]:
    with Page(make_app(live_of(folder), asker_of()), base_url=HERE) as client:
        yield client


def test_a_list_comes_in_pieces_of_bounded_size(page: Page) -> None:
    first = page.told("/samples")
    assert (first["n_found"], len(first["rows"])) == (300, MAX_ROWS // 2)
    assert len(page.told("/samples", count=10_000)["rows"]) == MAX_ROWS
    assert page.told("/samples", start=290, count=50)["rows"][-1]["sample_id"] == "300-negation"
    assert page.told("/samples", start=10_000)["rows"] == []
    assert len(page.told("/samples", start="x", count="-5")["rows"]) == 1


@pytest.mark.parametrize(
    ("query", "n_found"),
    [
        ({"status": "rejected"}, 60), ({"type": "negation", "status": "rejected"}, 30), ({"reason": "dedup: near_copy"}, 60),
        ({"category": "dog"}, 150), ({"cut": "checks: count_contradicted"}, 22), ({"text": "DOG number 7"}, 6),
        ({"most_p": 0.5}, 64), ({"pixels": "supported"}, 225), ({"claims": "unknown"}, 200), ({"review": "accept"}, 0),
        ({"text": "12-conversation"}, 3), ({"turns": "cut short"}, 22), ({"claims": "contradicted"}, 22), ({"status": "nonsense"}, 0),
    ],
)  # fmt: skip
def test_filters_narrow_the_list(page: Page, query: dict[str, Any], n_found: int) -> None:
    assert page.told("/samples", **query)["n_found"] == n_found


def test_the_order_of_doubt(page: Page) -> None:
    scores = [row["p_value"] for row in page.told("/samples", sort="doubt", count=100)["rows"]]
    assert scores == sorted(scores)
    assert scores[0] == 0.4


def test_a_list_can_open_at_a_sample(page: Page) -> None:
    told = page.told("/samples", at="150-negation", count=10)
    assert told["start"] == 144
    assert [row["sample_id"] for row in told["rows"]][5] == "150-negation"
    assert page.told("/samples", at="nobody")["start"] == 0


def test_a_list_stands_still_while_its_samples_are_decided_on(page: Page) -> None:
    first = page.told("/samples", status="accepted", count=5)
    for row in first["rows"]:
        page.decide(row["sample_id"], "reject")
    more = page.told("/samples", status="accepted", count=5, start=5, list=first["name"])
    assert more["rows"][0]["sample_id"] == "7-conversation"
    assert page.told("/samples", status="accepted")["n_found"] == first["n_found"] - 5


def test_the_state_tells_what_can_be_filtered(page: Page) -> None:
    state = page.told("/state")
    assert (state["run"], state["problem"], state["n_samples"], state["validator"]) == ("run", None, 300, None)
    assert dict(state["facets"]["status"]) == {"accepted": 240, "rejected": 60}
    assert dict(state["facets"]["review"]) == {"none": 300}


def test_decisions_change_sample_list_and_state_and_are_kept(page: Page, folder: Path) -> None:
    shown = page.decide("1-conversation", "reject", note="  two   dogs ")
    assert (shown["row"]["status"], shown["row"]["why"], shown["row"]["review"]) == (
        "rejected", "review: rejected_by_hand", "reject",
    )  # fmt: skip
    assert "two dogs" in shown["card"]
    page.decide("5-conversation", "accept")
    page.decide("2-conversation", "correct", turns=[["  Is there a cat? ", "No, a big zebra."]])
    assert dict(page.told("/state")["facets"]["review"]) == {"none": 297, "accept": 1, "reject": 1, "correct": 1}
    assert page.told("/samples", text="zebra", review="correct")["rows"][0]["sample_id"] == "2-conversation"
    assert page.told("/samples", status="rejected")["n_found"] == 60
    page.decide("1-conversation", "undo")
    assert page.told("/sample", id="1-conversation")["row"]["status"] == "accepted"
    kept = read_decisions(folder / "decisions.jsonl")
    assert {name: one.verb for name, one in kept.items()} == {
        "1-conversation": "undo", "5-conversation": "accept", "2-conversation": "correct",
    }  # fmt: skip
    assert kept["2-conversation"].turns == (("Is there a cat?", "No, a big zebra."),)
    assert abs(kept["2-conversation"].at - time.time()) < 600
    assert datagen.open_run(folder).sample("2-conversation").turns[0].answer == "No, a big zebra."


def test_undo_without_a_decision_writes_nothing(page: Page, folder: Path) -> None:
    page.decide("1-conversation", "undo")
    assert not (folder / "decisions.jsonl").exists()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"verb": "correct", "turns": []}, "Each question needs an answer"),
        ({"verb": "correct", "turns": [["Q?", " "]]}, "Each question needs an answer"),
        ({"verb": "correct", "turns": [["Q?", "A."]] * 101}, "More than 100 turns"),
        ({"verb": "correct", "turns": [["Q?", "x" * 20_001]]}, "20,000 characters"),
        ({"verb": "correct", "turns": [["Q?", "See <image> there."]]}, "No trainer would take it: message 2 holds <image>"),
        ({"verb": "burn"}, "cannot be read"),
        ({"verb": "accept", "turns_digest": "0"}, "changed since it was shown"),
        ({"verb": "accept", "sample_id": "nobody"}, "No sample 'nobody'"),
        ({"verb": "accept", "at": 0}, "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_one_sentence(page: Page, folder: Path, asked: Any, sentence: str) -> None:
    digest = page.told("/sample", id="1-conversation")["turns_digest"]
    body = {"sample_id": "1-conversation", "turns_digest": digest, **asked}
    status = 404 if "nobody" in asked.values() else 422
    assert sentence in page.sent("/decide", body, status)["problem"]
    assert not (folder / "decisions.jsonl").exists()


def test_a_sample_without_turns_cannot_be_accepted_but_written(page: Page, folder: Path) -> None:
    write_samples(folder, [sample(1, turns=(), status="rejected", stage="teacher", reason="gave_up")])
    assert "no turns to accept" in page.decide("1-conversation", "accept", 422)["problem"]
    assert page.decide("1-conversation", "correct", turns=[["Q?", "A."]])["row"]["status"] == "accepted"


def test_a_decision_on_other_words_is_shown_as_stale(page: Page, folder: Path) -> None:
    page.decide("1-conversation", "reject")
    write_samples(folder, [sample(1, turns=(Turn("Who?", "You."),)), sample(2)])
    shown = page.told("/sample", id="1-conversation")
    assert (shown["is_stale"], shown["row"]["status"], shown["row"]["review"]) == (True, "accepted", "stale")
    assert page.told("/samples", review="stale")["n_found"] == 1


def test_decisions_of_another_page_show_up(page: Page, folder: Path) -> None:
    digest = page.told("/sample", id="1-conversation")["turns_digest"]
    add_decision(folder / "decisions.jsonl", Decision("1-conversation", "1", "reject", digest))
    add_decision(folder / "decisions.jsonl", Decision("nobody", "1", "reject", digest))
    assert page.told("/samples", review="reject")["n_found"] == 1
    (folder / "decisions.jsonl").unlink()
    assert page.told("/samples", review="reject")["n_found"] == 0


def test_a_run_written_anew_is_read_anew(page: Page, folder: Path) -> None:
    before = page.told("/state")
    write_samples(folder, [sample(1)])
    (folder / "summary.json").unlink()
    now = page.told("/state")
    assert now["version"] != before["version"]
    assert now["n_samples"] == 1
    assert "being made anew" in now["notes"][0]
    (folder / "samples.jsonl").write_text("nonsense\n")
    assert "line 1 is damaged" in page.told("/state")["problem"]


def test_an_unfinished_run_is_one_sentence(page: Page, folder: Path) -> None:
    (folder / "samples.jsonl").unlink()
    (folder / "replies.jsonl").write_text("{}\n{}\n")
    assert "not finished: 2 replies are stored" in page.told("/state")["problem"]
    with (folder / "replies.jsonl").open("a") as file:
        file.write("{}\n")
    assert "not finished: 3 replies" in page.told("/state")["problem"]
    assert page.get("/samples").status_code == 422
    assert page.get("/").status_code == 200


def test_a_picture_is_served_at_bounded_size_and_nothing_else_is(page: Page, folder: Path) -> None:
    for size, most in PICTURE_SIZES.items():
        answer = page.get("/picture", params={"sample": "1-conversation", "size": size})
        assert answer.headers["content-type"] == "image/jpeg"
        picture = Image.open(io.BytesIO(answer.content))
        assert max(picture.size) == min(most, 200)
    outside = folder.parent / "secret.jpg"
    Image.new("RGB", (9, 9)).save(outside)
    names = [
        str(outside),
        "../secret.jpg",
        f"../../{folder.parent.name}/secret.jpg",
        "..\\secret.jpg",
        "gone.jpg",
        "\0",
    ]
    write_samples(folder, [replace(sample(n), image=name) for n, name in enumerate(names, start=1)])
    for n in range(1, len(names) + 1):
        assert page.get("/picture", params={"sample": sample(n).sample_id}).status_code == 404
    assert page.get("/picture", params={"sample": "../secret.jpg"}).status_code == 404


def test_every_foreign_string_is_escaped_in_the_card(page: Page, folder: Path) -> None:
    hostile = replace(sample(1), sample_id=EVIL, image=EVIL, response_type=EVIL, turns=(Turn(EVIL, EVIL),), detail=EVIL,
                      status="rejected", stage="checks", reason=EVIL)  # fmt: skip
    write_samples(folder, [hostile])
    card = page.told("/sample", id=EVIL)["card"]
    assert "<script" not in card
    assert "<img" not in card
    assert "<svg onload" not in card
    assert page.get("/samples").headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/icon.svg", "/state", "/samples", "/nothing"])
def test_every_answer_forbids_what_the_page_does_not_need(page: Page, path: str) -> None:
    headers = page.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_the_page_has_no_script_or_style_inside() -> None:
    page = (Path(datagen.__file__).parent / "view/page/static/page.html").read_text()
    assert "<style" not in page
    assert page.count("<script") == page.count('<script src="/page.js"')
    assert not any(f" {handler}=" in page for handler in ("onclick", "onload", "onerror", "style"))
    assert "http:" not in page
    assert "https:" not in page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8642", 200), ("LOCALHOST", 200), ("127.0.0.1:9", 200), ("[::1]:8642", 200), ("10.1.2.3:80", 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 421),
        ("mymachine:8642", 421),
    ],
)  # fmt: skip
def test_the_page_goes_by_its_own_names_alone(page: Page, host: str, status: int) -> None:
    assert page.get("/state", headers={"host": host}).status_code == status


def test_the_page_goes_by_the_names_it_was_given(folder: Path) -> None:
    with Page(make_app(live_of(folder), asker_of(), names=["MyMachine"]), base_url="http://mymachine:8642") as client:
        assert client.get("/state").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403), ({"origin": "http://localhost:1"}, 403),
        ({"origin": "https://localhost:8642"}, 403), ({"content-type": "text/plain"}, 415),
        ({"sec-fetch-site": "cross-site"}, 403), ({"sec-fetch-site": "same-site"}, 403), ({}, 200),
    ],
)  # fmt: skip
def test_only_the_page_itself_may_change_anything(
    page: Page, folder: Path, headers: dict[str, str], status: int
) -> None:
    digest = page.told("/sample", id="1-conversation")["turns_digest"]
    body = {"sample_id": "1-conversation", "verb": "reject", "turns_digest": digest}
    page.sent("/decide", body, status, **headers)
    assert (folder / "decisions.jsonl").exists() == (status == 200)


def test_a_change_without_an_origin_is_refused(page: Page) -> None:
    assert page.post("/decide", content="{}", headers={"content-type": "application/json"}).status_code == 403
    assert page.get("/decide").status_code == 405


def test_pictures_are_not_shown_on_other_sites(page: Page) -> None:
    url = "/picture?sample=1-conversation"
    assert page.get(url, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert page.get(url).headers["cross-origin-resource-policy"] == "same-origin"
    assert (
        page.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200
    )  # a link to the page may be followed


def test_too_much_is_not_read(page: Page) -> None:
    assert "More was sent" in page.sent("/decide", "x" * MAX_BYTES, 422)["problem"]


def test_with_a_token_nothing_opens_without_it(folder: Path) -> None:
    app = make_app(live_of(folder), asker_of(), token="s3cret", cookie="datagen-1")
    with Page(app, base_url=HERE) as client:
        for path in (
            "/",
            "/state",
            "/page.js",
            "/picture?sample=1-conversation",
            "/?token=wrong",
            "/state?token=s3cret",
        ):
            refused = client.get(path)
            assert refused.status_code == 401
            assert "s3cret" not in refused.text + str(refused.headers)
        opened = client.get("/?token=s3cret")
        assert opened.status_code == 200
        cookie = opened.headers["set-cookie"]
        assert cookie.startswith("datagen-1=s3cret")
        assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
        assert client.told("/state")["n_samples"] == 300
        client.decide("1-conversation", "reject")
        client.cookies.clear()
        client.cookies.set("datagen-1", "wrong")
        assert client.get("/state").status_code == 401


class Answering:
    """Stands in for a model."""

    def __init__(self) -> None:
        self.seen: list[tuple[tuple[int, int], str]] = []
        self.asker: Any = None

    def answer(self, picture: Image.Image, question: str) -> str:
        self.seen.append((picture.size, question))
        if question == "again?":
            with pytest.raises(BusyError, match="still answering"):
                self.asker.ask(lambda: picture, "and now?")
        if question == "photo?":
            raise ValidatorError("nano knows drawn scenes only.")
        return "yes " * 2000 if question == "long?" else "Yes."


def test_questions_are_put_one_at_a_time_and_answers_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, opened = Answering(), []

    def open_answerer(settings: Any) -> Answering:
        opened.append(settings.name)
        return model

    monkeypatch.setattr("datagen.validator.models.open_answerer", open_answerer)
    model.asker = asker_of("some-model")
    with Page(make_app(live_of(folder), model.asker), base_url=HERE) as client:
        assert client.told("/state")["validator"] == "some-model"
        assert not opened

        def ask(question: str, status: int = 200, sample_id: str = "1-conversation") -> Any:
            return client.sent("/ask", {"sample_id": sample_id, "question": question}, status)

        assert ask("  Is there a dog? ") == {"answer": "Yes."}
        assert ask("again?") == {"answer": "Yes."}
        assert len(ask("long?")["answer"]) == 4_002
        assert ask("photo?", 422) == {"problem": "nano knows drawn scenes only."}
        assert "between 1 and 1,000" in ask(" ", 422)["problem"]
        assert "between 1 and 1,000" in ask("x" * 1001, 422)["problem"]
        assert "No sample" in ask("there?", 404, "nobody")["problem"]
        assert opened == ["some-model"]
        assert model.seen[0] == ((200, 100), "Is there a dog?")


def test_without_a_validator_the_way_to_one_is_told(page: Page) -> None:
    told = page.sent("/ask", {"sample_id": "1-conversation", "question": "Dog?"}, 422)
    assert "--validator NAME" in told["problem"]


def test_a_browser_is_told_when_the_disk_is_not(page: Page, folder: Path) -> None:
    digest = page.told("/sample", id="1-conversation")["turns_digest"]
    (folder / "decisions.jsonl").mkdir()
    told = page.sent("/decide", {"sample_id": "1-conversation", "verb": "reject", "turns_digest": digest}, 422)
    assert "cannot be written" in told["problem"] or "is a folder" in told["problem"]


def test_the_run_itself_can_be_looked_at(finished: Path) -> None:
    """Samples as the pipeline writes them, boxes included."""
    with Page(make_app(live_of(finished), asker_of()), base_url=HERE) as client:
        rows = client.told("/samples")["rows"]
        stored = [msgspec.json.decode(line) for line in (finished / "samples.jsonl").read_bytes().splitlines()]
        assert [row["sample_id"] for row in rows] == [one["sample_id"] for one in stored]
        shown = client.told("/sample", id=rows[0]["sample_id"])
        assert shown["turns"] == [[turn["question"], turn["answer"]] for turn in stored[0]["turns"]]
        assert "<rect" in shown["card"]
        assert "/picture?size=large&amp;sample=" in shown["card"]


def test_names_of_hosts() -> None:
    assert [host_name(host) for host in ("[::1]:80", "A.b:1", "x", "[fe80::1%eth0]")] == [
        "::1",
        "a.b",
        "x",
        "fe80::1%eth0",
    ]
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "")))
    assert address("::1", 80) == "[::1]:80"
    assert address("127.0.0.1", 80) == "127.0.0.1:80"
    assert not address("0.0.0.0", 80).startswith("0.0.0.0")


def test_a_taken_port_gives_way_or_is_told() -> None:
    with listen(Door()) as first, listen(Door()) as second:
        taken = second.getsockname()[1]
        assert first.getsockname()[1] != taken
        with pytest.raises(SettingsError, match="cannot be listened on"):
            listen(Door(port=taken))
    with pytest.raises(
        SettingsError, match=r"^--host 203\.0\.113\.7: cannot be listened on \([\w ']+\); try another\.$"
    ):
        listen(Door(host="203.0.113.7"))


def test_the_reply_behind_a_sample_is_told_word_for_word(finished: Path) -> None:
    stored = {reply.request_digest: reply.text for reply in read_replies(finished)}
    with Page(make_app(live_of(finished), asker_of()), base_url=HERE) as client:
        for one in datagen.open_run(finished).iter_samples():
            assert client.told("/reply", id=one.sample_id) == {"text": stored[one.provenance.request_digest]}
        assert client.get("/reply", params={"id": EVIL}).status_code == 404
        (finished / "replies.jsonl").rename(finished / "elsewhere")
        try:
            assert client.told("/reply", id="1-conversation") == {"text": ""}
        finally:
            (finished / "elsewhere").rename(finished / "replies.jsonl")


def read_replies(folder: Path) -> list[Reply]:
    return [msgspec.json.decode(line, type=Reply) for line in (folder / "replies.jsonl").read_bytes().splitlines()]
