"""The index finds what a plain reading of every sample finds."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pages import sample, write_samples

from datagen.errors import RunError
from datagen.records import Sample, Turn
from datagen.view.page.index import ChangedError, SampleIndex, SlimSample, Wanted, stamp_of

SAMPLES = [
    *(sample(n) for n in range(1, 60)),
    sample(60, turns=(), status="rejected", stage="parse", reason="no_turns"),
    sample(61, turns=(Turn("Straße?", "İstanbul\nis  A BIG \u2028 place\x00here."),)),
]
SLIM = [msgspec.json.decode(msgspec.json.encode(one), type=SlimSample) for one in SAMPLES]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SampleIndex:
    folder = tmp_path_factory.mktemp("index")
    write_samples(folder, SAMPLES)
    return SampleIndex(folder / "samples.jsonl")


def plainly(wanted: Wanted, samples: list[SlimSample]) -> list[int]:
    text = " ".join(wanted.text.split()).casefold()
    found = [
        n for n, one in enumerate(samples)
        if set(wanted.labels) <= set(one.labels())
        and (wanted.most_p is None or (one.p_value is not None and one.p_value <= wanted.most_p))
        and text in one.text()
    ]  # fmt: skip
    return sorted(found, key=lambda n: samples[n].doubt) if wanted.by_doubt else found


labels = st.sampled_from([*sorted({label for one in SLIM for label in one.labels()}), ("type", "none such")])
wanteds = st.builds(
    Wanted,
    labels=st.lists(labels, max_size=3).map(tuple),
    most_p=st.none() | st.floats(0, 1) | st.just(float("nan")),
    text=st.sampled_from(
        ["", "DOG", "number 1", "5-conv", "strasse", "istanbul", "a big place", "İ", "6.jpg", "zebra", "\0"]
    ),
    by_doubt=st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanteds)
def test_it_finds_what_a_plain_reading_finds(index: SampleIndex, wanted: Wanted) -> None:
    if wanted.text != "\0":  # ends every text in the file; nobody types it
        assert index.find(wanted).tolist() == plainly(wanted, SLIM)


def test_the_most_doubtful_come_first_and_the_unjudged_after_them(index: SampleIndex) -> None:
    order = [SLIM[n].p_value for n in index.find(Wanted(by_doubt=True)).tolist()]
    judged = [value for value in order if value is not None]
    assert judged == sorted(judged)
    assert order[: len(judged)] == judged
    assert index.find(Wanted(by_doubt=True)).tolist()[-1] == 59  # without turns


def test_counts_are_those_of_the_labels(index: SampleIndex) -> None:
    counts = index.counts()
    assert counts["status"] == {"accepted": 49, "rejected": 12}
    assert counts["reason"] == {"dedup: near_copy": 11, "parse: no_turns": 1}
    assert list(counts["type"].values()) == sorted(counts["type"].values(), reverse=True)


def test_what_was_cut_is_found_and_counted_beside_what_is_kept(tmp_path: Path) -> None:
    write_samples(tmp_path, SAMPLES)
    index = SampleIndex(tmp_path / "samples.jsonl")
    cut = [n for n, one in enumerate(SLIM) if one.cuts and one.status == "accepted"]
    assert index.find(Wanted((("claims", "contradicted"),))).tolist() == cut
    assert index.find(Wanted((("turns", "cut short"),))).tolist() == cut
    assert index.find(Wanted(text="six dogs beside")).tolist() == [n for n in cut if "dog" in SLIM[n].text()]
    kept, lost = (sum(len(one.turns) for one in SLIM if one.status == fate) for fate in ("accepted", "rejected"))
    assert index.turn_counts() == {"kept": kept, "cut": 2 * len(cut), "rejected": lost}
    index.change(cut[0], replace(SLIM[cut[0]], status="rejected"))
    assert index.turn_counts() == {"kept": kept - 1, "cut": 2 * len(cut), "rejected": lost + 1}


def test_samples_are_read_back_by_number_and_id(index: SampleIndex) -> None:
    assert index.samples([3, 0]) == [SLIM[3], SLIM[0]]
    assert index.number_of("4-conversation") == 3
    assert index.number_of("4-negation") is None


def test_a_changed_sample_is_found_by_what_it_is_now(tmp_path: Path) -> None:
    write_samples(tmp_path, SAMPLES)
    index = SampleIndex(tmp_path / "samples.jsonl")
    now = replace(SLIM[0], status="rejected", stage="review", reason="rejected_by_hand", turns=SLIM[60].turns)
    index.change(0, now)
    samples = [now, *SLIM[1:]]
    for wanted in (
        Wanted((("reason", "review: rejected_by_hand"),)),
        Wanted((("status", "accepted"),)),
        Wanted(text="strasse"),
        Wanted(text="number 1 stands"),
        Wanted(by_doubt=True),
    ):
        assert index.find(wanted).tolist() == plainly(wanted, samples)
    assert index.counts()["status"] == {"accepted": 48, "rejected": 13}
    index.change(0, SLIM[0])
    assert index.counts()["status"] == {"accepted": 49, "rejected": 12}
    assert index.samples([0]) == [SLIM[0]]


def test_texts_longer_than_a_block_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.view.page.index._BLOCK", 64)
    write_samples(tmp_path, SAMPLES)
    index = SampleIndex(tmp_path / "samples.jsonl")
    assert index.find(Wanted(text="stands there")).tolist() == list(range(59))
    index.close()


def test_a_file_written_anew_is_noticed(tmp_path: Path) -> None:
    write_samples(tmp_path, SAMPLES)
    index = SampleIndex(tmp_path / "samples.jsonl")
    write_samples(tmp_path, SAMPLES[1:])
    with pytest.raises(ChangedError):
        index.lines([0])
    (tmp_path / "samples.jsonl").unlink()
    with pytest.raises(ChangedError):
        index.lines([0])
    assert stamp_of(tmp_path / "samples.jsonl") is None


def test_a_damaged_line_is_one_sentence(tmp_path: Path) -> None:
    write_samples(tmp_path, SAMPLES[:2])
    with (tmp_path / "samples.jsonl").open("ab") as file:
        file.write(b'{"sample_id": 3}\n')
    with pytest.raises(RunError, match="line 3 is damaged"):
        SampleIndex(tmp_path / "samples.jsonl")


def test_a_line_carries_what_the_record_has() -> None:
    plain = json.loads(msgspec.json.encode(SAMPLES[0]))
    assert plain.keys() >= set(SlimSample.__struct_fields__)
    assert set(Sample.__struct_fields__) >= set(SlimSample.__struct_fields__)
