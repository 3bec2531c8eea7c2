"""A real browser walks through report and page: filters, keys, decisions, hostile texts, a run of 100,000 samples."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import CorpusFiles
from msgspec.structs import replace
from pages import EVIL, asker_of, live_of, sample, served, write_samples

from datagen.errors import ValidatorError
from datagen.records import Claim, Cut, Turn, Validation
from datagen.store import read_decisions
from datagen.view.page.server import make_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed, such as by apt-get install chromium"),
]


PATIENCE_MS = 120_000  # a machine that runs other tests beside may be slow; nothing is measured here
LOOKS_AGAIN_MS = 5_100  # the page looks every five seconds whether the run was made anew


class Walk:
    """A tab that remembers whatever went wrong in it."""

    latest: "Walk | None" = None

    def __init__(self, context: Any) -> None:
        Walk.latest = self
        self.tab = context.new_page()
        self.tab.set_default_timeout(PATIENCE_MS)
        self.faults: list[str] = []
        self.answers: list[Any] = []
        self.tab.on(
            "console", lambda told: self.faults.append(told.text) if told.type in ("error", "warning") else None
        )
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("dialog", lambda dialog: (self.faults.append(dialog.message), dialog.dismiss()))
        self.tab.on("requestfailed", self._note_failed)
        self.tab.on("response", lambda answer: self.answers.append(answer))  # noqa: PLW0108 (playwright marks its handlers)

    def _note_failed(self, request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page was left meanwhile
            self.faults.append(f"{request.url}: {request.failure}")

    def open(self, url: str) -> "Walk":
        self.tab.goto(url)
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def text(self, selector: str) -> str:
        told: str = self.tab.locator(selector).inner_text()
        return told

    def wait(self, script: str) -> None:
        """Wait until a script says true; playwright's own way of waiting is eval, which the page forbids."""
        for _ in range(PATIENCE_MS // 25):
            if self.tab.evaluate(script):
                return
            self.tab.wait_for_timeout(25)
        raise AssertionError(f"never came true: {script}; faults: {self.faults}")

    def at(self, sample_id: str) -> None:
        """Wait until a sample is shown."""
        self.tab.locator(f'article[aria-label="Sample {sample_id}"]').wait_for(timeout=PATIENCE_MS)

    def found(self, number: str) -> None:
        """Wait until a list has its length."""
        self.wait(f"document.getElementById('found').textContent === '{number} found'")

    def row(self, sample_id: str) -> str:
        """What the list says of a sample."""
        told: str = self.tab.locator(f'#list button[aria-label^="{sample_id},"]').inner_text()
        return told


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def walk(browser: Any) -> Iterator[Walk]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Walk(context)
    context.close()


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    write_samples(tmp_path / "run", (sample(n) for n in range(1, 201)))
    return tmp_path / "run"


@contextmanager
def page(folder: Path, validator: str = "none", **more: Any) -> Iterator[str]:
    with served(make_app(live_of(folder), asker_of(validator), **more)) as url:
        yield url
        # Left before its server ends, which pictures fetched ahead would run into.
        if Walk.latest is not None and not Walk.latest.tab.is_closed():
            Walk.latest.open("about:blank")


def test_the_report_opens_without_a_fault(walk: Walk, finished: Path) -> None:
    walk.open((finished / "report.html").as_uri())
    assert "samples accepted" in walk.text("h1")
    card = walk.tab.locator("#examples ~ details .dg-card, details .dg-card").first
    summary = card.locator("dd summary").first
    summary.focus()
    walk.press("Enter")
    assert card.locator("dd details li").first.is_visible()
    assert walk.faults == []


def test_keys_walk_and_decide(walk: Walk, folder: Path) -> None:
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.press("j", "j", "ArrowRight")
        walk.at("4-conversation")
        walk.press("k", "ArrowLeft")
        walk.at("2-conversation")
        walk.press("r")
        walk.at("3-conversation")
        name, fate, question = walk.row("2-conversation").splitlines()[:3]
        assert (name, fate) == ("2-conversation by hand", "✗ review: rejected by hand")
        assert question == "suspicion 20 % · Is there a cat?"
        walk.press("j", "j")
        walk.at("5-conversation")
        walk.press("a")
        walk.at("6-conversation")
        assert walk.row("5-conversation").splitlines()[:2] == ["5-conversation by hand", "✓ accepted"]
        walk.press("u")
        walk.at("5-conversation")
        walk.wait("document.getElementById('said').textContent.includes('taken back')")
        assert "✗ dedup: near copy" in walk.row("5-conversation")
        walk.wait("document.getElementById('tally').textContent.includes('1 decided by hand')")
        walk.press("b")
        assert not walk.tab.locator("#card rect").first.is_visible()
    verbs = {name: one.verb for name, one in read_decisions(folder / "decisions.jsonl").items()}
    assert verbs == {"2-conversation": "reject", "5-conversation": "undo"}
    assert walk.faults == []


def test_words_are_edited_in_place(walk: Walk, folder: Path) -> None:
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.press("e")
        walk.tab.get_by_label("Answer 1").fill("Yes, one dog <b>here</b>.")
        walk.press("j", "r")  # letters, not commands, while in a field
        walk.tab.get_by_role("button", name="Add a turn").click()
        walk.press("Control+Enter")
        walk.wait("document.getElementById('said').textContent.includes('needs an answer')")
        walk.tab.get_by_role("button", name="Remove turn 2").click()
        walk.tab.get_by_label("Answer 1").press("Control+Enter")
        walk.tab.locator("#edit").wait_for(state="hidden")
        assert "Yes, one dog <b>here</b>.jr" in walk.text("#card")
        assert "by hand: correct (before: accepted)" in walk.text("#card")
        walk.press("e", "Escape")
        walk.press("j")
        walk.at("2-conversation")
    (made,) = read_decisions(folder / "decisions.jsonl").values()
    assert made.turns == (("Is there a dog?", "Yes, one dog <b>here</b>.jr"),)
    assert [fault for fault in walk.faults if "422" not in fault] == []


def test_filters_search_and_order_narrow_the_list(walk: Walk, folder: Path) -> None:
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.found("200")
        walk.tab.locator("[name=status]").select_option("rejected")
        walk.found("40")
        walk.at("5-conversation")
        walk.tab.locator("[name=type]").select_option("negation")  # in sight, without opening anything
        walk.found("20")
        walk.tab.get_by_role("button", name="Clear filters").click()
        walk.found("200")
        walk.press("/")
        walk.tab.keyboard.type("cat number 12 stands")
        walk.found("1")
        walk.at("12-conversation")
        walk.press("Escape")
        walk.tab.locator("#text").fill("")
        walk.tab.locator("#more summary").click()
        walk.tab.locator("[name=most_p]").fill("60")
        walk.tab.locator("[name=sort]").select_option("doubt")
        walk.found("21")
        walk.tab.reload()  # the address remembers
        walk.found("21")
        walk.tab.locator("#text").fill("zebra")
        walk.found("0")
        assert "No sample is like that" in walk.text("#card")
        walk.press("Escape", "j", "a", "u")
    assert walk.faults == []


def test_cut_turns_are_struck_told_and_put_out_of_sight(walk: Walk, folder: Path) -> None:
    with page(folder) as address:
        walk.open(f"{address}/#turns=cut+short").at("11-conversation")
        assert walk.tab.locator("#card del").count() == 4
        assert "2 of 3 turns cut" in walk.row("11-conversation")
        assert "turns kept" in walk.text("#tally")
        assert "✂ 2 turns cut in checks: count contradicted" in walk.text("#card")
        assert not walk.tab.locator("#card del").first.is_visible()
        walk.press("c")
        walk.wait("document.querySelector('#card details.dg-cuts').open")
        walk.tab.reload()  # the browser remembers
        walk.at("11-conversation")
        assert walk.tab.locator("#card del").first.is_visible()
        walk.press("c")
        walk.wait("!document.querySelector('#card details.dg-cuts').open")


def test_a_claim_lights_its_boxes_and_a_box_its_claims(walk: Walk, finished: Path) -> None:
    opacity = "box => getComputedStyle(box).opacity"
    with page(finished) as address:
        walk.open(address).at("1-conversation")
        boxes = walk.tab.locator("#card .dg-box")
        claim = walk.tab.locator("#card mark.dg-points.dg-k0").first
        claim.focus()
        of_claim = set((claim.get_attribute("class") or "").split())
        told = {
            (boxes.nth(n).get_attribute("class") or "").split()[1]: boxes.nth(n).evaluate(opacity)
            for n in range(boxes.count())
        }
        assert told == {style: "1" if style in of_claim else "0.15" for style in told}
        assert set(told.values()) == {"1", "0.15"}
        assert claim.get_attribute("title")
        claim.blur()
        dull = claim.evaluate("mark => getComputedStyle(mark).backgroundColor")
        walk.tab.locator("#card figure li.dg-k0").hover()
        assert claim.evaluate("mark => getComputedStyle(mark).backgroundColor") != dull
    assert walk.faults == []


def test_the_picture_is_enlarged_and_put_away(walk: Walk, finished: Path) -> None:
    with page(finished) as address:
        walk.open(address).at("1-conversation")
        walk.press("z")
        shown = walk.tab.locator("#enlarged svg")
        fitting = shown.bounding_box()
        walk.tab.get_by_role("button", name="Twice as large").click()
        assert shown.bounding_box()["width"] > 1.9 * fitting["width"]
        walk.press("j", "Escape")  # no key moves on behind an open picture
        assert not shown.is_visible()
        walk.tab.get_by_role("button", name="Zoom").click()
        assert shown.is_visible()
        walk.tab.locator("#zoom-close").click()
        walk.at("1-conversation")
    assert walk.faults == []


def test_the_reply_is_read_when_it_is_asked_for(walk: Walk, finished: Path) -> None:
    with page(finished) as address:
        walk.open(address).at("1-conversation")
        assert not [answer for answer in walk.answers if "/reply" in answer.url]
        walk.tab.locator("#raw summary").click()
        walk.wait("document.getElementById('reply').textContent.length > 20")
        assert walk.text("#card dt >> nth=0") in walk.text("#reply")
        walk.press("j")
        walk.wait("document.getElementById('place').textContent.startsWith('2 of')")
        assert not walk.tab.locator("#reply").is_visible()
    assert walk.faults == []


def test_the_large_picture_comes_before_the_small_ones(walk: Walk, finished: Path) -> None:
    with page(finished) as address:
        walk.open(address).at("1-conversation")
        walk.wait("document.querySelector('#list img[src]') !== null")
        pictures = [answer.url for answer in walk.answers if "/picture" in answer.url]
        assert "size=large" in pictures[0]
    assert walk.faults == []


def test_what_is_decided_can_be_filtered_by(walk: Walk, folder: Path) -> None:
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.press("r", "r", "a")
        walk.at("4-conversation")
        walk.tab.locator("[name=review]").select_option("reject")
        walk.found("2")


def test_keys_can_be_turned_off_and_help_tells_them(walk: Walk, folder: Path) -> None:
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.press("?")
        assert walk.tab.get_by_role("dialog").is_visible()
        walk.press("j")
        walk.tab.get_by_label("keys without Ctrl or Alt do something").uncheck()
        walk.press("Escape")
        walk.press("j", "r")
        assert "1 of 200" in walk.text("#place")
        walk.tab.get_by_role("button", name="Next").click()
        walk.at("2-conversation")
    assert not (folder / "decisions.jsonl").exists()
    assert walk.faults == []


def test_everything_has_a_name_and_a_place_for_the_keyboard(walk: Walk, folder: Path) -> None:
    nameless = """() => [...document.querySelectorAll("button, input, select, textarea, a")].filter((one) =>
        !one.labels?.length && !one.getAttribute("aria-label") && !one.textContent.trim()).map((one) => one.outerHTML)"""
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.press("e")
        assert walk.tab.evaluate(nameless) == []
        walk.press("Escape")
        assert walk.tab.locator("#list button[tabindex='0']").count() == 1
        walk.tab.locator("#list button[tabindex='0']").focus()
        walk.press("ArrowDown", "ArrowDown")
        walk.at("3-conversation")
        walk.wait("document.activeElement.getAttribute('aria-current') === 'true'")
        assert "3 of 200: 3-conversation" in walk.tab.locator("#said").inner_text()
        picture = walk.tab.locator("#card figure svg").first
        assert (picture.get_attribute("aria-label") or "").startswith("Picture 000000000004.jpg")


def test_a_hostile_run_runs_no_script(walk: Walk, folder: Path) -> None:
    claims = (Claim("count", EVIL, 0, 9, "contradicted", EVIL),)
    hostile = [
        replace(sample(n), sample_id=f"{n}{EVIL}", image=EVIL, response_type=EVIL, turns=(Turn(EVIL, EVIL, claims, Validation("doubtful", worst=EVIL, doubts={EVIL: 0.9}, measures={EVIL: 1.0})),),
                cuts=(Cut("checks", EVIL, EVIL),), status="rejected", stage="checks", reason=EVIL, detail=EVIL)
        for n in range(1, 4)
    ]  # fmt: skip
    write_samples(folder, hostile)
    with page(folder) as url:
        walk.open(url).tab.locator(".dg-card").wait_for()
        walk.found("3")
        for summary in walk.tab.locator("#card summary").all():
            summary.click()
        walk.press("j", "e", "Escape")
        walk.tab.locator("#text").fill(EVIL)
        walk.found("3")
        walk.tab.reload()
        walk.tab.locator(".dg-card").wait_for()
        assert EVIL in walk.text("#card")
        assert walk.tab.evaluate("window.hacked") is None
        assert walk.tab.locator("#card script, #card img").count() == 0
        with_markup = "document.getElementById('card').innerHTML = '<img src=x onerror=\"window.hacked=3\">'"
        refused = walk.tab.evaluate(f"() => {{ try {{ {with_markup} }} catch (error) {{ return error.name }} }}")
        assert refused == "TypeError"  # trusted types: no script of the page can put in text as markup by mistake
        assert walk.tab.evaluate("window.hacked") is None
    assert not [fault for fault in walk.faults if "404" not in fault and "TrustedHTML" not in fault]


def test_a_run_without_pictures_asks_for_none(walk: Walk, folder: Path, corpus_files: CorpusFiles) -> None:
    manifest = folder / "run.yaml"
    manifest.write_text(manifest.read_text().replace(f"images: {corpus_files.images}\n", "images: null\n"))
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.found("200")
        assert walk.tab.locator("#list img").count() > 10
        assert walk.tab.locator("#list img[src]").count() == walk.tab.locator("#card image").count() == 0
    assert not [answer.url for answer in walk.answers if "/picture" in answer.url]
    assert walk.faults == []


def test_a_picture_that_does_not_open_leaves_an_empty_frame(walk: Walk, folder: Path, tmp_path: Path) -> None:
    manifest, pictures = folder / "run.yaml", tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "000000000001.jpg").write_bytes(b"no picture")
    told = re.sub(r"images: .*/images\n", f"images: {pictures}\n", manifest.read_text())
    manifest.write_text(told)
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        while not [answer for answer in walk.answers if "size=small" in answer.url and answer.status == 404]:
            walk.tab.wait_for_timeout(25)
        walk.wait("!document.querySelector('#list img').hasAttribute('src')")


def test_of_100_000_samples_only_some_are_ever_sent(walk: Walk, folder: Path) -> None:
    write_samples(folder, (sample(n) for n in range(1, 100_001)))
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        walk.found("100,000")
        walk.tab.locator("[name=status]").select_option("rejected")
        walk.found("20,000")
        walk.tab.locator("#text").fill("number 77")
        walk.found("222")
        walk.at("770-negation")
        walk.tab.get_by_role("button", name="Clear filters").click()
        walk.found("100,000")
        for _ in range(12):
            walk.tab.locator("#list").evaluate("list => { list.scrollTop = list.scrollHeight }")
            walk.tab.wait_for_timeout(150)
        assert walk.tab.locator("#list li").count() <= 300
        lists = [answer for answer in walk.answers if "/samples" in answer.url]
        assert len(lists) > 6
        assert max(len(answer.json()["rows"]) for answer in lists) <= 50
        assert max(len(answer.body()) for answer in lists) < 30_000
        walk.tab.locator("#list button").last.click()
        walk.wait("Number(document.getElementById('place').textContent.split(' ')[0].replace(',', '')) > 300")
        before = walk.tab.evaluate("location.hash")
        walk.press("k")
        walk.wait(f"location.hash !== '{before}'")  # else the page would write its own over the address that follows
        walk.tab.goto(f"{url}/#at=77777-conversation")
        walk.tab.reload()
        walk.at("77777-conversation")
        assert "77,777 of 100,000" in walk.text("#place")
    assert walk.faults == []


def test_a_token_opens_the_page_and_leaves_the_address(walk: Walk, folder: Path) -> None:
    with page(folder, token="s3cret", cookie="datagen-x") as url:
        walk.open(url)
        assert "wants its token" in walk.text("body")
        walk.faults.clear()
        walk.open(f"{url}/?token=s3cret#status=rejected").at("5-conversation")
        walk.wait("!location.href.includes('s3cret')")
        assert walk.tab.evaluate("document.cookie") == ""
        walk.press("a")
        walk.at("10-negation")
    assert read_decisions(folder / "decisions.jsonl").keys() == {"5-conversation"}
    assert [fault for fault in walk.faults if "401" not in fault] == []  # told late by the page that wanted a token


def test_an_unfinished_run_shows_itself_when_it_is_finished(walk: Walk, folder: Path) -> None:
    samples = (folder / "samples.jsonl").rename(folder / ".waiting")
    walk.tab.clock.install()
    with page(folder) as url:
        walk.open(url)
        walk.wait("document.getElementById('problem').textContent.includes('not finished')")
        assert not walk.tab.locator("#work").is_visible()
        samples.rename(folder / "samples.jsonl")
        walk.tab.clock.fast_forward(LOOKS_AGAIN_MS)
        walk.at("1-conversation")
        walk.press("j", "j")
        walk.at("3-conversation")
        write_samples(folder, (sample(n) for n in range(2, 50)))
        walk.tab.clock.fast_forward(LOOKS_AGAIN_MS)
        walk.found("48")
        walk.at("3-conversation")  # stays where the reader was
    # Read while it is written, a run is busy for a moment, and asked again.
    assert [fault for fault in walk.faults if "409" not in fault] == []


def test_the_validator_is_asked_in_place(walk: Walk, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        def answer(self, picture: Any, question: str) -> str:
            if "photo" in question:
                raise ValidatorError("it knows drawn scenes only.")
            return f"<b>{question}</b> No."

    monkeypatch.setattr("datagen.validator.models.open_answerer", lambda settings: Model())
    with page(folder, "some-model") as url:
        walk.open(url).at("1-conversation")
        assert "Ask some-model about this picture" in walk.text("#ask label")
        walk.press("q")
        walk.tab.keyboard.type("Is there a zebra?")
        walk.press("Enter")
        walk.wait("document.querySelector('#answers strong')?.textContent === '<b>Is there a zebra?</b> No.'")
        walk.tab.locator("#question").fill("Is it a photo?")
        walk.press("Enter")
        walk.wait("document.querySelector('#answers .refused')?.textContent.includes('drawn scenes only')")
    assert [fault for fault in walk.faults if "422" not in fault] == []


def test_it_fits_a_narrow_screen(browser: Any, folder: Path) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 720}, color_scheme="dark")
    walk = Walk(context)
    with page(folder) as url:
        walk.open(url).at("1-conversation")
        assert walk.tab.evaluate("document.documentElement.scrollWidth") <= 360
        walk.tab.get_by_role("button", name="Accept", exact=True).click()
        walk.at("2-conversation")
        assert walk.tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
    context.close()
    assert walk.faults == []
