"""What a teacher's replies are like: openings, kinds of question, lengths, Yes and No, what is copied or contradicted.

    python benchmarks/variety.py RUN [RUN ...]
    python benchmarks/variety.py REPLIES.jsonl --captions F.. --instances F.. [--recipes-dir DIR]

A line of the replies is {"key": "IMAGE-TYPE", "reply"} or {"image_id", "type" or "response_type", "reply" or "text"};
of a run folder everything is read that its teacher wrote, whatever became of it. What is copied is the share of the
answers' runs of four words that stand in the image's own captions, or in a few-shot of the type. The interval of what
is contradicted takes the image as the cluster.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from datagen.api import open_run
from datagen.claims import judge_turns
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.diversity.coverage import polarity, quantile, question_kind
from datagen.hallucination_rate import HallucinationTally
from datagen.parsing import parse_reply
from datagen.recipes import Recipe, available_types, draw_question, load_recipe
from datagen.records import AnnotatedImage, Reply, Turn
from datagen.store import RunFolder, stored_replies

N_GRAM = 4
N_LISTED = 6


class ReadReply(Struct, frozen=True):
    """One reply that was read."""

    image: AnnotatedImage
    recipe: Recipe
    turns: tuple[Turn, ...]


def grams(text: str) -> set[tuple[str, ...]]:
    """Runs of words, in lower case."""
    return set(_listed_grams(text))


def _listed_grams(text: str) -> list[tuple[str, ...]]:
    words = re.findall(r"[\w'-]+", text.lower())
    return [tuple(words[n : n + N_GRAM]) for n in range(len(words) - N_GRAM + 1)]


class Variety:
    """The figures of one set of replies.

    Args:
        name: Heads its column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_replies = self.n_unread = 0
        self.openings: dict[str, Counter[str]] = defaultdict(Counter)
        self.kinds: Counter[str] = Counter()
        self.polarities: Counter[str] = Counter()
        self.lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self.turns: dict[str, Counter[int]] = defaultdict(Counter)
        self.copied: Counter[str] = Counter()
        self.rates = HallucinationTally()

    def add(self, told: ReadReply, shots: Mapping[str, set[tuple[str, ...]]]) -> None:
        """Count one reply."""
        kind, has_questions = told.recipe.name, told.recipe.settings.reply_format != "text"
        self.n_replies += 1
        self.turns[kind][len(told.turns)] += 1
        captions = set[tuple[str, ...]]().union(*map(grams, told.image.captions))
        for turn in told.turns:
            words = turn.answer.split()
            self.lengths[kind][len(words)] += 1
            self.openings[f"{kind} answers"][" ".join(words[:2]).lower()] += 1
            if has_questions:
                self.openings[f"{kind} questions"][" ".join(turn.question.split()[:2]).lower()] += 1
                self.kinds[question_kind(turn.question)] += 1
                said = polarity(turn.question, turn.answer)
                if said is not None:
                    self.polarities[said] += 1
            found = _listed_grams(turn.answer)
            self.copied["all"] += len(found)
            self.copied["captions"] += sum(gram in captions for gram in found)
            self.copied["few-shots"] += sum(gram in shots.get(kind, ()) for gram in found)
        self.rates.add(told.image.image_id, self.name, kind, told.turns)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each figure with its name."""
        yield "replies", f"{self.n_replies}" + (f", {self.n_unread} not read" if self.n_unread else "")
        for kind, counts in sorted(self.turns.items()):
            total = sum(n * times for n, times in counts.items())
            yield f"{kind}: turns a reply", f"{total / counts.total():.1f}"
            lengths = self.lengths[kind]
            at = "/".join(str(quantile(lengths, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
            yield f"{kind}: words an answer", f"{at} (5/25/50/75/95 %)"
        for what, openings in sorted(self.openings.items()):
            most, n = openings.most_common(1)[0]
            share = 100 * n / openings.total()
            yield f"{what}: openings", f"{len(openings)} of {openings.total()}, '{most}' {share:.0f} %"
        n_kinds = self.kinds.total()
        yield (
            "kinds of question",
            ", ".join(f"{kind} {100 * n / n_kinds:.0f} %" for kind, n in self.kinds.most_common(N_LISTED)),
        )
        n_even = self.polarities["yes"] + self.polarities["no"]
        yield "yes share", f"{100 * self.polarities['yes'] / n_even:.0f} % of {n_even}" if n_even else "of none"
        for source in ("captions", "few-shots"):
            yield f"copied from {source}", f"{100 * self.copied[source] / max(1, self.copied['all']):.1f} %"
        yield "contradicted", self.rates.rates().overall.claims.told("decided claims")


def of_run(folder: Path) -> Variety:
    """Read a run folder: every reply that was stored for its images."""
    run = open_run(folder)
    settings = run.settings
    return measured(folder.name, settings, ((one.image_id, one.response_type, one.text) for one in _answers(folder)))


def _answers(folder: Path) -> Iterator[Reply]:
    return (reply for reply in stored_replies(RunFolder(folder)) if reply.error is None)


def of_file(path: Path, settings: Settings) -> Variety:
    """Read a file of replies."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return measured(path.stem, settings, (_named(row) for row in rows))


def _named(row: Mapping[str, str]) -> tuple[str, str, str]:
    image_id, _, kind = row["key"].rpartition("-") if "key" in row else (str(row["image_id"]), "", "")
    kind = kind or row.get("type") or row.get("response_type") or ""
    return image_id.lstrip("0") or "0", kind, row.get("reply") or row.get("text") or ""


def measured(name: str, settings: Settings, replies: Iterable[tuple[str, str, str]]) -> Variety:
    """Parse replies and count what they are like; those of images or types that are not known count as not read."""
    corpus = load_corpus(settings.corpus)
    folders = available_types(settings.recipes_dir)
    recipes: dict[str, Recipe] = {}
    shots: dict[str, set[tuple[str, ...]]] = {}
    made = Variety(name)
    for image_id, kind, text in sorted(replies):
        if kind not in recipes and kind in folders:
            recipes[kind] = load_recipe(folders[kind])
            shots[kind] = set().union(*(grams(shot.reply) for shot in recipes[kind].fewshots))
        if kind not in recipes or image_id not in corpus.by_id:
            made.n_unread += 1
            continue
        image, recipe = corpus.by_id[image_id], recipes[kind]
        question = draw_question(recipe, image_id, settings.rng_seed) if recipe.questions else None
        parsed = parse_reply(text, recipe.settings.reply_format, "stop", question)
        if not parsed.turns:
            made.n_unread += 1
            continue
        made.add(ReadReply(image, recipe, judge_turns(parsed.turns, image, corpus.categories, settings.checks)), shots)
    return made


def main() -> None:
    """Print the figures side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, metavar="RUN|REPLIES.jsonl")
    parser.add_argument("--captions", action="append", default=[])
    parser.add_argument("--instances", action="append", default=[])
    parser.add_argument("--recipes-dir")
    options = parser.parse_args()
    given = {"captions": options.captions, "instances": options.instances}
    for path in options.sets:
        if path.is_dir():
            made = of_run(path)
        else:
            made = of_file(path, load_settings(None, {"corpus": given, "recipes_dir": options.recipes_dir}))
        print(f"# {made.name}")
        for name, told in made.rows():
            print(f"{name:34} {told}")


if __name__ == "__main__":
    main()
