"""What is stored of a sample keeps its bytes, and what older runs stored is still read."""

import msgspec
import pytest

from datagen.records import AnnotatedImage, ProbeResult, Turn, Validation

PROBE = b'{"claim":0,"question":"Is there a dog?","chance":0.9}'
WRITTEN = (
    b'{"verdict":"not judged"}',
    b'{"verdict":"not judged","measures":{"logprob_mean":-0.5},"probes":[]}',
    b'{"verdict":"doubtful","p_value":0.01,"worst":"count","doubts":{"count":0.9},"measures":{"count":-2.0},"probes":['
    + PROBE
    + b"]}",
)


@pytest.mark.parametrize("line", WRITTEN)
def test_a_validation_is_written_as_it_was_read(line: bytes) -> None:
    assert msgspec.json.encode(msgspec.json.decode(line, type=Validation)) == line


def test_what_was_asked_and_found_stands_in_attributes() -> None:
    seen = msgspec.json.decode(WRITTEN[2], type=Validation)
    assert (seen.verdict, seen.p_value, seen.worst, seen.doubts) == ("doubtful", 0.01, "count", {"count": 0.9})
    assert seen.probes == (ProbeResult(0, "Is there a dog?", 0.9),)


def test_what_is_not_known_is_passed_over_and_what_lacks_is_empty() -> None:
    line = b'{"question":"Q?","answer":"A.","validation":{"verdict":"supported","p_value":0.5,"of_later":[1]}}'
    seen = msgspec.json.decode(line, type=Turn).validation
    assert seen == Validation("supported", 0.5)
    assert seen.probes is None


def test_an_image_without_regions_is_written_as_before_there_were_any() -> None:
    """Digests of recipes are made of their examples' images: another key would ask every paid reply again."""
    assert b"regions" not in msgspec.json.encode(AnnotatedImage("1", "1.jpg", 640, 480, ("A dog.",)))
