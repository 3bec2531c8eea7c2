"""What repair makes of an LLM's prose with marked errors: how many were caught, repaired, remained.

    python benchmarks/repairs.py REPLIES.jsonl ANSWERS.json --captions F.. --instances F.. [--tell]

The replies are those of ``prose.py``: {"image_id", "type", "reply", "errors": [{"quote", ..}]}; lines without errors of
images that have none are left out. They stand for the first replies of a teacher on loopback; what datagen sends back
is answered from ANSWERS, a mapping of sample ids (``1234-conversation``) to texts. ``--tell`` prints what is sent back
and gives no answers: write them as an LLM would, from these messages alone.

An error counts as caught when a sentence with its quote went back, as repaired when its quote is gone and its sample
accepted, as remained when its quote stands in the dataset. Intervals are Wilson's at 95 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prose import interval

import datagen
from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.pipeline import plan_samples
from datagen.recipes import load_recipes
from datagen.records import Sample

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from loopback import LoopbackServer

TYPES = ("conversation", "description", "reasoning")
N_ADDED = 2
"""Messages that a repair adds: the reply, and what speaks against it."""


def plain(text: str) -> str:
    """A text to look for a quote in."""
    return " ".join(text.split()).casefold()


def fate_of(quote: str, sample: Sample) -> str:
    """What became of a marked error."""
    wanted = plain(quote)
    sent = [flaw.text for one in sample.repairs or () for flaw in one.flaws]
    in_set = sample.status == "accepted" and any(wanted in plain(f"{t.question} {t.answer}") for t in sample.turns)
    if any(wanted in plain(text) or plain(text) in wanted for text in sent):
        if in_set:
            return "caught, remained"
        return "caught, repaired" if sample.status == "accepted" else "caught, lost with its sample"
    return "not caught, remained" if in_set else "not caught, lost with something else"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replies", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--captions", nargs="+", required=True)
    parser.add_argument("--instances", nargs="+", required=True)
    parser.add_argument("--tell", action="store_true")
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.replies.read_text(encoding="utf-8").splitlines()]
    erring = {str(row["image_id"]) for row in rows if row["errors"]}
    marked = {(str(row["image_id"]), row["type"]): row for row in rows if str(row["image_id"]) in erring}
    answers: dict[str, str] = {} if options.tell else json.loads(options.answers.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        corpus = {
            "captions": cut(options.captions, erring, folder),
            "instances": cut(options.instances, erring, folder),
        }
        settings: dict[str, Any] = {
            "corpus": corpus,
            "types": TYPES,
            "dedup": {"over_set": False},
            "max_unreadable": None,
            "repair": 1,
        }
        told = load_settings(None, {**settings, "teacher.name": "loopback"})
        loaded = load_corpus(told.corpus)
        keys = {}
        for item in plan_samples(loaded.images, load_recipes(told), told, lambda _: None, loaded.categories):
            if item.request is not None:
                first, *_, last = item.request.messages
                keys[first.content, last.content] = (item.image.image_id, item.recipe.name)

        def reply(body: Mapping[str, Any]) -> str:
            messages = body["messages"]
            system, last = messages[0]["content"], messages[-1]["content"]
            if (system, last) in keys:
                row = marked.get(keys[system, last])
                return str(row["reply"]) if row else "(nothing)"
            name = "-".join(keys[system, messages[-1 - N_ADDED]["content"]])
            if options.tell:
                print(
                    f"##### {name}\n{messages[-3]['content']}\n--- reply\n{messages[-2]['content']}\n--- sent\n{last}"
                )
            return answers.get(name, "(nothing)")

        os.environ["OPENAI_API_KEY"] = "none"
        with LoopbackServer(reply=reply) as server:
            settings["teacher"] = {"name": "loopback", "base_url": server.base_url, "concurrency": 1}
            before = datagen.run({**settings, "repair": 0}, f"{folder}/run", progress=False).summary
            run = datagen.run(settings, f"{folder}/run", progress=False)
        fates = Counter(
            fate_of(error["quote"], sample)
            for sample in run.iter_samples()
            for error in marked.get((sample.image_id, sample.response_type), {"errors": ()})["errors"]
        )
        after = run.summary
    n, n_caught = fates.total(), sum(count for fate, count in fates.items() if fate.startswith("caught"))
    print(f"marked errors {n}; caught {n_caught}: {interval(n_caught, n)}")
    print(f"of the caught, repaired {fates['caught, repaired']}: {interval(fates['caught, repaired'], n_caught)}")
    for fate, count in sorted(fates.items()):
        print(f"  {fate:36} {count}")
    print(f"turns in the dataset {before.turns} without repair, {after.turns} with it")
    print(f"samples {before.accepted} without, {after.accepted} with it")
    print(after.repair.told if after.repair else "nothing went back")
    return 0


def cut(paths: list[str], image_ids: set[str], folder: str) -> list[str]:
    """Annotation files about some images alone."""
    written = []
    for n, path in enumerate(paths):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        content["images"] = [one for one in content["images"] if str(one["id"]) in image_ids]
        content["annotations"] = [one for one in content["annotations"] if str(one["image_id"]) in image_ids]
        out = Path(folder) / f"{n}-{Path(path).name}"
        out.write_text(json.dumps(content), encoding="utf-8")
        written.append(str(out))
    return written


if __name__ == "__main__":
    sys.exit(main())
