"""Pairs of the entailment judge from whole replies in which each error is marked: the prose that it is there for.

A line of the file of replies is {image_id, type, reply, errors: [{quote, kind}]}, as ``benchmarks/prose.py`` reads it.

    python -m training.entailment_replies OUT.jsonl REPLIES.jsonl ... --captions C.json --instances I.json [--corrupt 2]
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from datagen.checks.entailment import notes_of, with_context
from datagen.claims.wordnet import is_usual, senses
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.lexicon import singular_of
from datagen.parsing import parse_reply
from datagen.records import AnnotatedImage, Turn
from training.caption_corruptions import corruptions, words_of
from training.entailment_pairs import CONTRADICTED, NOT_CONTRADICTED, SHARES, changed_words

DESCRIBE = "Describe this image in detail."


def turns_of(row: dict[str, Any]) -> tuple[Turn, ...]:
    """The turns of a reply, as datagen parses it."""
    is_text = row["type"] == "description"
    return tuple(
        parse_reply(row["reply"], "text" if is_text else "delimited", None, DESCRIBE if is_text else None).turns
    )


def quoted(quote: str, turns: Iterable[Turn]) -> tuple[int, bool, int, int] | None:
    """Where a quote stands: turn, whether in its question, first character and one past the last."""
    words = re.compile(r"\s+".join(map(re.escape, quote.split())), re.IGNORECASE)
    for n, turn in enumerate(turns):
        for in_question, text in ((False, turn.answer), (True, turn.question)):
            if match := words.search(text):
                return n, in_question, *match.span()
    return None


def rows_of(row: dict[str, Any], image: AnnotatedImage, source: str) -> Iterator[dict[str, Any]]:
    """A pair for each sentence of a reply, and for each question; ``kinds`` are the errors that stand in it."""
    turns = turns_of(row)
    spans = [(error, quoted(error["quote"], turns)) for error in row.get("errors", ())]
    notes = list(notes_of(image))
    for asked in with_context(turns):
        kinds = [
            error["kind"] for error, at in spans
            if at and at[0] == asked.turn and at[1] is asked.in_question and at[2] < asked.end and asked.start < at[3]
        ]  # fmt: skip
        yield {
            "notes": notes, "context": asked.context, "sentence": asked.sentence, "source": source, "kinds": kinds,
            "label": CONTRADICTED if kinds else NOT_CONTRADICTED, "image_id": image.image_id, "type": row["type"],
            "is_sound_reply": not row.get("errors"), "in_question": asked.in_question,
        }  # fmt: skip


def corrupted(rows: Sequence[dict[str, Any]], dice: random.Random, n: int) -> Iterator[dict[str, Any]]:
    """Further pairs from sound sentences: corrupted, or before corrupted notes, where notes say what was changed."""
    counts = Counter(word for row in rows for word in words_of(" ".join(row["notes"])))
    nouns = [word for word in sorted(counts) if senses(word) and is_usual(word) and len(word) > 2]
    how = corruptions(nouns)
    for row in rows:
        if row["label"] == CONTRADICTED or row["in_question"]:
            continue
        text, captions = row["sentence"].lower(), [one.lower() for one in row["notes"]]
        told = words_of(" ; ".join(captions))
        boxes = next((one for one in captions if one.startswith("boxes:")), "")
        names = sorted(how, key=lambda name: dice.random() ** (1 / SHARES[name]), reverse=True)
        made = 0
        for name in names:
            new = how[name](text, " ; ".join([*captions, text]), dice)
            if new is None or made == n:
                continue
            old, put = changed_words(text, new)
            kernel = [word for word in old if len(word) > 2]
            if not kernel or not all(
                word.strip(".,;") in told or singular_of(word.strip(".,;")) in told for word in kernel
            ):
                continue
            made += 1
            same = {
                "context": row["context"],
                "source": f"{row['source']}-made",
                "weight": 0.6,
                "kinds": [],
                "in_question": False,
            }
            one_word = len(old) == len(put) == 1 and name in ("colour", "exclusive", "noun")
            was, now = (old[0].strip(".,;"), put[0].strip(".,;")) if one_word else ("", "")
            if one_word and was not in boxes and dice.random() < 0.5:
                notes = [re.sub(rf"\b{re.escape(was)}\b", now, one) for one in captions]
                if notes != captions:
                    yield {**same, "notes": notes, "sentence": text, "label": CONTRADICTED}
                    yield {**same, "notes": notes, "sentence": new, "label": NOT_CONTRADICTED}
                    continue
            yield {**same, "notes": row["notes"], "sentence": new, "label": CONTRADICTED}
        kept = [one for one in row["notes"] if dice.random() < 0.6]
        if kept and dice.random() < 0.3:  # with fewer notes it is less borne out, and no more contradicted
            yield {**row, "notes": kept, "source": f"{row['source']}-fewer", "weight": 0.6}


def read_replies(path: Path, images: dict[str, AnnotatedImage]) -> Iterator[tuple[dict[str, Any], AnnotatedImage]]:
    """Lines of a file with their images; a line about another image is passed over."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        image = images.get(str(row["image_id"]).lstrip("0"))
        if image is not None:
            yield row, image


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("replies", type=Path, nargs="+")
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--instances", type=Path, nargs="+", required=True)
    parser.add_argument("--corrupt", type=int, default=0, help="so many corruptions of each sound sentence beside")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    files = {"captions": [*map(str, options.captions)], "instances": [*map(str, options.instances)]}
    images = {image.image_id: image for image in load_corpus(load_settings(None, {"corpus": files}).corpus).images}
    with options.out.open("w", encoding="utf-8") as out:
        for path in options.replies:
            made = [one for row, image in read_replies(path, images) for one in rows_of(row, image, path.parent.name)]
            if options.corrupt:
                made += list(corrupted(made, random.Random(options.seed), options.corrupt))
            out.writelines(json.dumps(one) + "\n" for one in made)
            print(f"{path.parent.name}: {len(made)} sentences, {sum(one['label'] == 2 for one in made)} with an error")


if __name__ == "__main__":
    main()
