"""A checkpoint in the package: what it learned, its card, its files; and corpora of drawn scenes."""

import json
from pathlib import Path

from datagen.config import CorpusSettings
from datagen.corpus import PictureChecker, load_corpus
from datagen.validator.models.nano import load_knowledge
from training.atlas import load_atlas
from training.draw_corpus import draw_corpus
from training.model import NanoSize, build_model, build_processor, save_checkpoint, train_tokenizer
from training.ship_nano import NEEDED, ship


def test_what_was_not_learned_is_not_judged(tmp_path: Path) -> None:
    size = NanoSize(image_px=32, width=32, n_heads=2, vision_layers=1, text_layers=2, vocabulary=600)
    tokenizer = train_tokenizer(load_atlas(), size.vocabulary, seed=0, n_scenes=50)
    save_checkpoint(build_model(size, tokenizer), build_processor(tokenizer, size), tmp_path / "raw")
    ship(tmp_path / "raw", "a trial", 4, 8, tmp_path / "shipped")
    assert {path.name for path in (tmp_path / "shipped").iterdir()} == {*NEEDED, "nano.json", "README.md"}
    known = load_knowledge(tmp_path / "shipped")
    assert known.categories == load_atlas().categories
    assert len(known.probes) < 5  # random weights know next to nothing
    card = (tmp_path / "shipped" / "README.md").read_text(encoding="utf-8")
    assert "Made by: a trial" in card
    assert "| 1-8 objects | probes | 8 |" in card
    assert "Not learned well enough, and so not judged" in card


def test_a_drawn_corpus_is_ordinary_coco_and_repeats_with_its_seed(tmp_path: Path) -> None:
    paths = draw_corpus(tmp_path / "one", 5, seed=3)
    settings = CorpusSettings(captions=(paths["captions"],), instances=(paths["instances"],), images=paths["images"])
    corpus = load_corpus(settings)
    assert len(corpus.images) == 5
    assert all(len(image.captions) == 5 and image.boxes for image in corpus.images)
    assert all(PictureChecker(settings).check(image) is None for image in corpus.images)
    again = draw_corpus(tmp_path / "two", 5, seed=3)
    for name in ("captions", "instances"):
        assert json.loads(Path(paths[name]).read_text()) == json.loads(Path(again[name]).read_text())
    first = sorted((tmp_path / "one" / "images").iterdir())[0]
    assert first.read_bytes() == (tmp_path / "two" / "images" / first.name).read_bytes()
