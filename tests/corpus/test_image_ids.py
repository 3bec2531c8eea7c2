"""Images are found by their ids, and nothing is found by another."""

import pytest

from datagen.corpus import ImagesById
from datagen.records import AnnotatedImage


def test_it_is_a_mapping() -> None:
    images = tuple(AnnotatedImage(str(n), f"{n}.jpg", 1, 1) for n in range(50))
    found = ImagesById(images)
    assert dict(found) == {image.image_id: image for image in images}
    assert len(found) == 50
    assert found.get("50") is None
    with pytest.raises(KeyError):
        found["x"]
    assert not ImagesById(())
