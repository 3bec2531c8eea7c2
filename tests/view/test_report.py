"""The report tells everything at a glance, trusts nothing it was given, and needs neither network nor script."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from conftest import CorpusFiles
from loopback import LoopbackServer
from msgspec.structs import replace
from typer.testing import CliRunner

import datagen
from datagen.api import Run
from datagen.cli import app
from datagen.hallucination_rate import Coverage, HallucinationRate, Hallucinations, Rate, SentenceCover
from datagen.records import Claim, Cut, ProbeResult, Provenance, Sample, Turn, Validation
from datagen.summary import Calibration, KindReport, PlantedFates, TurnCounts
from datagen.view import report as charts
from datagen.view.report import Answered, time_teacher
from datagen.view.sample_card import MAX_GROUPS, MAX_UNBOXED, N_EACH, Examples, draw_groups

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)><style>*{display:none}</style>"
PROVENANCE = Provenance("m", "r", "q", "s")
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects elements, and finds those that are left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.elements if tag in tags]


def sample(n: int, response_type: str = "conversation", text: str = "A dog.", **more: object) -> Sample:
    made = Sample(
        f"{n}-{response_type}",
        str(n),
        f"{n}.jpg",
        response_type,
        (Turn("Is there a dog?", text),),
        "accepted",
        PROVENANCE,
    )
    return replace(made, **more)


@pytest.fixture(scope="module")
def run(corpus_files: CorpusFiles, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = {**corpus_files.settings, "types": ["conversation", "description", "negation"]}
    return datagen.run({**settings, "balance": {"yes_share": 0.3}}, tmp_path_factory.mktemp("report") / "run")


@pytest.fixture
def hostile(run: Run, tmp_path: Path) -> Run:
    """A run whose every string is an attack."""
    shutil.copytree(run.folder.path, tmp_path / "run")
    annotations = tmp_path / "captions.json"
    corpus = json.loads(Path(run.settings.corpus.captions[0]).read_text())
    boxes = json.loads(Path(run.settings.corpus.instances[0]).read_text())
    for caption in corpus["annotations"]:
        caption["caption"] = EVIL
    for category in boxes["categories"]:
        category["name"] = f"{EVIL}{category['id']}"
    annotations.write_text(json.dumps(corpus))
    (tmp_path / "instances.json").write_text(json.dumps(boxes))
    manifest = tmp_path / "run" / "run.yaml"
    told = manifest.read_text()
    for name, path in (("captions", run.settings.corpus.captions[0]), ("instances", run.settings.corpus.instances[0])):
        told = told.replace(path, str(tmp_path / f"{name}.json"))
    manifest.write_text(told)
    claims = (Claim("count", EVIL, 0, 9, "contradicted", EVIL),)
    seen = Validation("doubtful", 0.5, EVIL, {EVIL: 0.9}, {EVIL: 1.0}, (ProbeResult(0, EVIL, 0.1),))
    turns = (Turn(EVIL, EVIL, claims, seen),)
    samples = [
        sample(1, EVIL, turns=turns, cuts=(Cut("checks", EVIL, EVIL),)),
        sample(2, turns=turns, status="rejected", stage="checks", reason=EVIL, detail=EVIL),
    ]
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in samples)
    (tmp_path / "run" / "samples.jsonl").write_bytes(lines)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    row = KindReport(9, 9, 0.9, reliability=((0.1, 0.2, 0.5), (0.9, 0.8, 0.5)), why_not=EVIL)
    summary |= {
        "by_type": {EVIL: {"accepted": 1, "rejected": 1}},
        "rejected_by_stage": {"checks": {EVIL: 1}, EVIL: {EVIL: 1}},
        "cut_by_stage": {"checks": {EVIL: 1}},
        "verdicts": {EVIL: 3},
        "licences": {EVIL: 1},
        "calibration": Calibration(EVIL, 0.05, 9, {EVIL: row}, why_not=EVIL),
    }
    diversity = summary["diversity"]
    diversity |= {"lacks": [EVIL], "question_openings": {EVIL: 2}, "answer_openings": {EVIL: 2}, "places": {EVIL: 1}}
    diversity["categories"] |= {"never_stated": [EVIL], "most_stated": {EVIL: {"stated": 1, "denied": 0, "boxed": 1}}}
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(summary))
    return datagen.open_run(tmp_path / "run")


def assert_safe(text: str) -> Page:
    page = Page(text)
    assert page.open == []
    assert not page.all("script", "img", "iframe", "object", "embed", "link", "form", "base")
    assert len(page.all("style")) == 1
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], (tag, attrs)
        for name in ("href", "src", "xlink:href", "action"):
            target = attrs.get(name)
            assert target is None or target.startswith(("#", "data:image/jpeg;base64,")), (tag, target)
    return page


def test_a_hostile_run_writes_a_harmless_page(hostile: Run) -> None:
    text = hostile.write_report().read_text()
    page = assert_safe(text)
    assert page.text.count("<script>alert(1)</script>") > 20  # it is all told, as text


def test_no_sign_of_a_run_steers_whoever_reads_the_page(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    text = "a\x1b]0;pwn\x07\x1b[2J\u202eb\u2067"
    one = sample(1, text, turns=(Turn(text, text),), cuts=(Cut("checks", text, text),))
    (tmp_path / "run" / "samples.jsonl").write_bytes(msgspec.json.encode(one) + b"\n")
    page = Run(tmp_path / "run").write_report().read_text()
    assert "\\x1b]0;pwn\\x07\\x1b[2J\\x202eb\\x2067" in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)


def test_the_policy_lets_nothing_in_but_the_pages_own_style(run: Run) -> None:
    text = run.folder.report.read_text()
    page = assert_safe(text)
    policy = next(
        attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy.split("; ")[:3] == ["default-src 'none'", "img-src data:", f"style-src 'sha256-{digest}'"]
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text


def test_the_page_reads_well_without_eyes(run: Run) -> None:
    page = Page(run.folder.report.read_text())
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) + text_labelled(page) == len(page.all("table"))
    assert all(attrs.get("scope") in ("row", "col") for attrs in page.all("th"))
    assert all(attrs.get("aria-hidden") == "true" or attrs.get("aria-label") for attrs in page.all("svg"))
    ids = {attrs["id"] for _, attrs in page.elements if attrs.get("id")}
    targets = {(attrs["href"] or "").removeprefix("#") for attrs in page.all("a")}
    assert targets <= ids


def text_labelled(page: Page) -> int:
    return sum(attrs.get("aria-label") == "Table of kinds" for attrs in page.all("div"))


def test_the_numbers_of_the_run_are_told(run: Run) -> None:
    page = Page(run.folder.report.read_text())
    summary = run.summary
    assert f"{summary.accepted} of {summary.samples} samples accepted" in page.text
    assert "balanced out" in page.text
    assert "were taken out to keep the set even" in page.text
    assert summary.diversity is not None
    for sentence in summary.diversity.lacks:
        assert sentence in page.text
    assert "CC-BY-2.0" in page.text
    shown = [attrs["href"] for attrs in page.all("image")]
    assert shown
    assert all(picture and picture.startswith("data:image/jpeg;base64,") for picture in shown)


def test_what_was_lost_and_what_is_wrong_is_told(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    rate = HallucinationRate(Rate(12, 100, 9, 0.12, 0.0703, 0.2), Rate(3, 40, 9, 0.075, 0.02, 0.19))
    told = {
        "turn_counts": TurnCounts(written=395, kept=238, cut=150, rejected=7, at_fault=120),
        "turns_lost_by_stage": {"checks": {"count_contradicted": 157}},
        "claims": {"supported": 90, "unknown": 31},
        "hallucinations": Hallucinations(rate, {"m": rate}, {"conversation": rate}, {"count": rate}),
    }
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(replace(run.summary, **told)))
    page = assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text())
    text = " ".join(page.text.split())
    for sentence in (
        "238 of 395 turns kept: 150 turns were cut off samples that went on, 7 fell with rejected samples.",
        "12.0 % of the teacher’s 100 checkable claims are wrong (95 %: 7.0 to 20.0 %).",
        "120 at fault, 37 with others",
        "31 unchecked",
        "claims of count12.0 % 12 of 100 7.0 to 20.0 % 7.5 % 3 of 40 2.0 to 19.0 %",
    ):
        assert sentence in text


def test_a_summary_of_before_turns_were_counted_is_told(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    plain = msgspec.to_builtins(run.summary)
    for name in ("turn_counts", "turns_lost_by_stage", "claims", "hallucinations", "coverage"):
        del plain[name]
    for fates in plain["by_type"].values():
        del fates["turns"]
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(plain))
    page = assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text())
    assert f"{run.summary.turns} {run.summary.turns_per_sample:.1f} a sample" in " ".join(page.text.split())
    assert "wrong" not in page.text


def test_coverage_is_told_and_no_stage_that_did_not_run(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    cover = SentenceCover(200, 150, 60, 90)
    told = Coverage(cover, {"a": cover}, {"count": SentenceCover(200, 40, 40, 30)}, {"scene <b>": 9}, {"likely": 7})
    summary = replace(run.summary, coverage=told, calibration=None)
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(summary))
    page = assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text())
    text = " ".join(page.text.split())
    assert "in 90 of the 200 sentences that the teacher wrote, kept or not" in text
    assert "30.0" in text and "45.0" in text and "75.0" in text  # beyond presence, checked, checked counts
    assert "scene <b>" in text and "likely" in text
    assert "validate" not in text


def test_planted_errors_and_what_became_of_them_are_told(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    planted = {"wrong_count": PlantedFates(5, 4, 0, 0, 1), "side": PlantedFates(6, 3, 2, 1, 0)}
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(replace(run.summary, planted=planted)))
    text = " ".join(assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text()).text.split())
    assert "11 errors were planted" in text
    assert "7 were caught by captions and boxes, 2 by the validator, 1 went for another reason; 1 is in the" in text
    assert "wrong count 5 4 0 0 1" in " ".join(re.sub(r"(?<=count)|(?<=\d)(?=\d)", " ", text).split())
    assert "lanted" not in Page(run.folder.report.read_text()).text


def test_samples_stand_before_what_was_rejected(run: Run) -> None:
    page = Page(run.folder.report.read_text())
    ids = [attrs["id"] for tag, attrs in page.elements if tag == "h2"]
    assert ids[:3] == ["glance", "examples", "fate"]


def test_the_validator_is_told_by_its_name(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    manifest = (tmp_path / "run" / "run.yaml").read_text()
    (tmp_path / "run" / "run.yaml").write_text(manifest.replace("name: none", "name: nano"))
    found = Calibration("3185af3dc873cd12-fp32", 0.05, 40, {}, judged=True)
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(replace(run.summary, calibration=found)))
    text = assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text()).text
    assert "Validator: nano" in text
    assert text.index("3185af3dc873cd12") > text.index("How it was made", text.index("Validator: nano"))


def test_a_calibration_is_drawn(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    kinds = {
        "count": KindReport(
            40, 30, 0.875, 0.5, recall=0.5, reliability=((0.1, 0.2, 0.4), (0.8, 0.9, 0.6)), judged=True
        ),
        "side": KindReport(40, 12, why_not="12 planted errors in 40 turns; 20 of each are needed"),
    }
    found = Calibration("/models/llava-x", 0.05, 1040, kinds, judged=True)
    summary = replace(run.summary, verdicts={"supported": 3, "doubtful": 1}, calibration=found)
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(summary))
    text = datagen.open_run(tmp_path / "run").write_report().read_text()
    page = assert_safe(text)
    for told in (
        "llava-x",
        "1\u202f040",
        "AUROC",
        "0.875",
        "50.0\u202f%",
        "5.0\u202f%",
        "12 planted errors",
        "count",
        "doubtful",
    ):
        assert told in page.text, told
    assert "/models" not in page.text
    assert len([attrs for attrs in page.all("svg") if attrs.get("class") == "square"]) == 1


def test_things_without_a_box_are_listed_those_that_captions_name_first(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    found = Calibration("nano", 0.05, 40, {}, judged=True)
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(replace(run.summary, calibration=found)))
    told = datagen.open_run(tmp_path / "run")
    assert "Probably unboxed" not in told.write_report().read_text()
    samples = list(run.iter_samples())
    turns = [
        Turn(
            "What is there?",
            "A dog.",
            (Claim("presence", "<dog>", 2, 5, verdict, ""),),  # type: ignore[arg-type]
            Validation("not doubted", probes=(ProbeResult(0, "Is there a dog?", chance),)),
        )
        for verdict, chance in (("unknown", 0.98), ("supported_by_caption", 0.625))
    ]
    places = {one.image_id: n for n, one in enumerate(samples)}
    for n, turn in zip(list(places.values())[:2], turns, strict=True):
        samples[n] = replace(samples[n], turns=(turn,))
    (tmp_path / "run" / "samples.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in samples))
    text = assert_safe(told.write_report().read_text()).text
    listed = text[text.index("Probably unboxed") :]
    assert listed.index("62.5") < listed.index("name one") < listed.index("98.0") < listed.index("name none")


def test_the_same_run_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    before = run.folder.report.read_bytes()
    assert run.write_report().read_bytes() == before
    assert run.write_report(tmp_path / "elsewhere.html").read_bytes() == before
    shutil.copytree(run.folder.path, tmp_path / "copy")
    assert datagen.open_run(tmp_path / "copy").write_report().read_bytes() == before


def test_the_command_writes_where_it_is_told(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["report", str(run.folder.path), "--out", str(out)])
    assert (result.exit_code, result.stdout) == (0, f"report    {out}\n")
    assert out.read_bytes() == run.folder.report.read_bytes()
    assert CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")]).exit_code == 1


def test_an_older_run_without_diversity_and_corpus_still_has_a_report(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder.path, tmp_path / "run")
    summary = msgspec.to_builtins(run.summary)
    del summary["diversity"], summary["balance"]
    (tmp_path / "run" / "summary.json").write_bytes(msgspec.json.encode(summary | {"of_later": 1}))
    manifest = (tmp_path / "run" / "run.yaml").read_text()
    for path in (*run.settings.corpus.captions, *run.settings.corpus.instances, run.settings.corpus.images or ""):
        manifest = manifest.replace(path, str(tmp_path / "gone"))
    (tmp_path / "run" / "run.yaml").write_text(manifest)
    page = assert_safe(datagen.open_run(tmp_path / "run").write_report().read_text())
    assert "Diversity" not in page.text
    assert not page.all("image")


def test_a_run_of_which_nothing_stayed_has_a_report(corpus_files: CorpusFiles, tmp_path: Path) -> None:
    with LoopbackServer(reply=lambda body: "I'm sorry, but I can't help with that.") as server:
        teacher = {"name": "loopback", "base_url": server.base_url}
        made = datagen.run({**corpus_files.settings, "teacher": teacher}, tmp_path / "run")
    page = assert_safe(made.folder.report.read_text())
    assert "0 of 18 samples accepted" in page.text
    assert [attrs for attrs in page.all("details") if "open" in attrs]  # what fell is shown unasked
    assert {attrs["href"] for attrs in page.all("a")} == {"#main", "#fate", "#coverage", "#cost", "#examples", "#made"}
    assert "no price for this model" in page.text


def test_examples_are_few_whatever_the_run_holds() -> None:
    examples = Examples()
    for n in range(3000):
        fate = {"status": "rejected", "stage": "checks", "reason": f"reason_{n % 50}"} if n % 2 else {}
        examples.add(sample(n, f"type{n % 20}", "long " * 20_000 if n < 100 else "A dog.", **fate))
    accepted = draw_groups(examples, "accepted", {}, None)
    rejected = draw_groups(examples, "rejected", {}, None)
    assert (len(accepted), len(rejected)) == (MAX_GROUPS["accepted"], MAX_GROUPS["rejected"])
    assert all(len(group.cards) == N_EACH for group in (*accepted, *rejected))
    assert all(len(card.html) < 10_000 for group in (*accepted, *rejected) for card in group.cards)
    again = Examples()
    for n in reversed(range(3000)):
        fate = {"status": "rejected", "stage": "checks", "reason": f"reason_{n % 50}"} if n % 2 else {}
        again.add(sample(n, f"type{n % 20}", "long " * 20_000 if n < 100 else "A dog.", **fate))
    assert draw_groups(again, "rejected", {}, None) == rejected


def test_missing_boxes_are_few_whatever_the_run_holds() -> None:
    examples = Examples()
    for n in range(500):
        seen = Validation("not doubted", probes=(ProbeResult(0, "Is there a dog?", 0.96 + n * 1e-5),))
        turn = Turn("What is there?", "A dog.", (Claim("presence", "dog", 2, 5, "unknown", ""),), seen)
        examples.add(sample(n, turns=(turn, turn)))
    assert [one.image for one in examples.unboxed()] == [f"{n}.jpg" for n in range(499, 499 - MAX_UNBOXED, -1)]


def test_charts_carry_their_numbers() -> None:
    assert 'x="50.00" width="25.00"' in charts.bar((0.5, "fill"), (0.25, "bad"))
    assert 'width="100.00"' in charts.bar((7.0, "fill"))
    histogram = charts.columns({"1-2": 5, "3-4": 0}, "Words")
    assert 'aria-label="Words. 1-2: 5, 3-4: 0"' in histogram
    assert charts.columns({}, "Nothing").startswith("<svg")
    plot = charts.reliability([(0.9, 0.8, 0.5), (0.1, 0.2, 0.5)], "count")
    assert "stated 0.10, observed 0.20, stated 0.90, observed 0.80" in plot


def test_a_teachers_time_leaves_pauses_out() -> None:
    timing = time_teacher(Answered(at, 2.0) for at in (100.0, 101.0, 100.5, 103.0, 5000.0, 5002.0))
    assert timing is not None
    assert (timing.n_replies, timing.working_s, timing.latency_s) == (6, 5.0, 2.0)
    assert time_teacher([]) is None


BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_browser_runs_nothing_of_a_hostile_page(hostile: Run, tmp_path: Path) -> None:
    page = hostile.write_report()
    text = page.read_text()
    assert "<title>datagen report" in rendered(page, tmp_path)
    # A script that slipped through is stopped by the policy, and by nothing else.
    page.write_text(text.replace("<h1>", "<script>document.title='broken'</script><h1>", 1))
    assert "<title>broken" not in rendered(page, tmp_path)
    page.write_text(page.read_text().replace("Content-Security-Policy", "nothing"))
    assert "<title>broken" in rendered(page, tmp_path)


def rendered(page: Path, folder: Path) -> str:
    """The page's elements after a browser has worked on it."""
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=1000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
