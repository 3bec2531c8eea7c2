"""What the claims check catches in an LLM's prose with marked errors, and what it cuts of clean replies.

    python benchmarks/prose.py REPLIES.jsonl --captions F.. --instances F.. [--half tune|measure] [--misses] [--cuts]

A line of the replies is {"image_id", "type", "reply", "errors": [{"quote", "kind", "object", "why"}]}; an image may
bring its own annotations: {"id", "captions", "instances" [{category, bbox (corners, 0-1)}], "responses"
[{type, instruction, output}]}, which holds no marked error. ``caught``: a contradicted claim overlaps the quote.
``cut``: the turn with the quote, or one before it, is contradicted anywhere. Intervals are Wilson's at 95 %.
Images fall into halves by a hash of their id, as in ``claims.py``: texts of the half to measure are never printed.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from claims import is_first_half
from msgspec import Struct

from datagen.claims import judge_turns
from datagen.config import ChecksSettings, load_settings
from datagen.corpus import load_corpus
from datagen.parsing import parse_reply
from datagen.records import AnnotatedImage, Box, Claim, Turn

DESCRIBE = "Describe this image in detail."
SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
CONTRADICTED = "contradicted"
PRESENCE = ("presence", "thing")
OPENING = 5
"""A quote that begins so early is a short answer: what it says stands in the question ("Is there a dog?" "No.")."""


class Marked(Struct, frozen=True):
    """A reply with the errors that its writer put in."""

    image: AnnotatedImage
    type: str
    turns: tuple[Turn, ...]
    errors: tuple[dict[str, Any], ...]


def read_marked(path: Path, images: dict[str, AnnotatedImage]) -> Iterator[Marked]:
    """Read either form of a line; a reply that does not parse is told and passed over."""
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        if "responses" in row:
            image = _own_image(row)
            for said in row["responses"]:
                yield Marked(image, said["type"], (Turn(said["instruction"], said["output"]),), ())
            continue
        found = images.get(str(row["image_id"]).lstrip("0"))
        is_text = row["type"] == "description"
        parsed = parse_reply(row["reply"], "text" if is_text else "delimited", None, DESCRIBE if is_text else None)
        if found is None or not parsed.turns:
            print(f"{path.name}:{n}: passed over ({'no such image' if found is None else parsed.drop})")
            continue
        yield Marked(found, row["type"], parsed.turns, tuple(row.get("errors", ())))


def _own_image(row: dict[str, Any]) -> AnnotatedImage:
    boxes = tuple(
        Box(b["category"], tuple(b["bbox"]), (b["bbox"][2] - b["bbox"][0]) * (b["bbox"][3] - b["bbox"][1]))
        for b in row["instances"]
    )
    return AnnotatedImage(row["id"], f"{row['id']}.jpg", 640, 480, tuple(row["captions"]), boxes)


def interval(n_hits: int, n: int) -> str:
    """Share of hits with Wilson's 95 % interval, in percent."""
    if not n:
        return "   - "
    z, share = 1.96, n_hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((share * (1 - share) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
    return f"{100 * share:5.1f} % ({100 * max(0, middle - half):.0f}-{100 * min(1, middle + half):.0f})"


def against(turn: Turn) -> list[Claim]:
    """The contradicted claims of a turn."""
    return [claim for claim in turn.claims if claim.verdict == CONTRADICTED]


def find_quote(quote: str, turns: Iterable[Turn]) -> tuple[int, bool, int, int] | None:
    """Where a quote stands: turn, whether in its question, first character and one past the last."""
    words = re.compile(r"\s+".join(map(re.escape, quote.split())), re.IGNORECASE)
    for n, turn in enumerate(turns):
        for is_question, text in ((False, turn.answer), (True, turn.question)):
            match = words.search(text)
            if match is not None:
                return n, is_question, *match.span()
    return None


def hits_of(error: dict[str, Any], told: Marked) -> tuple[int, list[Claim]] | None:
    """The turn of an error and the claims that overlap it."""
    at = find_quote(error["quote"], told.turns)
    if at is None:
        return None
    n, is_question, start, end = at
    return n, [
        claim
        for claim in told.turns[n].claims
        if (claim.in_question is is_question and claim.start < end and start < claim.end)
        or (claim.in_question and start <= OPENING and not is_question)
    ]


def measure(marked: list[Marked], *, misses: bool, cuts: bool) -> None:
    """Print the tables of one set of replies."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    clean: dict[str, Counter[str]] = defaultdict(Counter)
    sentences: Counter[str] = Counter()
    by_kind: Counter[str] = Counter()
    for told in marked:
        first = next((n for n, turn in enumerate(told.turns) if against(turn)), None)
        if not told.errors:
            clean[told.type].update(n=1, cut=first is not None)
            if first is not None:
                by_kind.update({claim.kind for claim in against(told.turns[first])})
            for claim in against(told.turns[first]) if cuts and first is not None else ():
                print(f"  cut {told.image.image_id} {told.type}: {_quoted(told.turns[first or 0], claim)}")
        for error in told.errors:
            hits = hits_of(error, told)
            if hits is None:
                print(f"  a quote of {told.image.image_id} is not in its reply")
                continue
            n, found = hits
            is_caught = any(claim.verdict == CONTRADICTED for claim in found)
            for kind in (error["kind"], "all"):
                tally[kind].update(n=1, caught=is_caught, cut=first is not None and first <= n, read=bool(found))
            if misses and not is_caught:
                said = [(claim.kind, claim.evidence) for claim in found]
                print(f"  missed {error['kind']} {told.image.image_id}: '{error['quote']}' ({error['why']}): {said}")
        for turn in told.turns:
            count_sentences(turn, sentences)
    report(tally, clean, by_kind, sentences)


def report(
    tally: dict[str, Counter[str]], clean: dict[str, Counter[str]], by_kind: Counter[str], sentences: Counter[str]
) -> None:
    """Print what was counted."""
    print(f"{'marked error':16}{'n':>5}{'read':>8}{'caught':>22}{'turn cut':>22}")
    for kind, counts in sorted(tally.items(), key=lambda row: (row[0] == "all", -row[1]["n"])):
        n = counts["n"]
        print(f"{kind:16}{n:5}{100 * counts['read'] / n:6.0f} %{interval(counts['caught'], n):>22}"
              f"{interval(counts['cut'], n):>22}")  # fmt: skip
    for kind, counts in (*sorted(clean.items()), ("all", sum(clean.values(), Counter()))):
        print(f"clean {kind:14} {counts['n']:5} replies, cut {interval(counts['cut'], counts['n'])}")
    if by_kind:
        print("clean replies are cut for " + ", ".join(f"{kind} {n}" for kind, n in by_kind.most_common()))
    n = sentences.pop("n", 0)
    print(f"{n} sentences: " + ", ".join(f"{name} {interval(m, n)}" for name, m in sentences.most_common()))


def count_sentences(turn: Turn, tally: Counter[str]) -> None:
    """Count an answer's sentences by what claims stand in them."""
    for match in SENTENCE.finditer(turn.answer):
        if not match[0].strip():
            continue
        inside = [c for c in turn.claims if not c.in_question and match.start() <= c.start < match.end()]
        more = [c for c in inside if c.kind not in PRESENCE]
        tally.update(n=1)
        tally.update({"any claim": bool(inside), "a decided claim": any(c.verdict != "unknown" for c in inside)})
        tally.update({"beyond presence": bool(more)})
        tally.update({"decided beyond presence": any(c.verdict != "unknown" for c in more)})
        tally.update(dict.fromkeys({c.kind for c in inside}, True))


def _quoted(turn: Turn, claim: Claim) -> str:
    text = turn.question if claim.in_question else turn.answer
    return f"'{text[claim.start : claim.end]}' in '{_sentence(turn, claim.start, claim.in_question)}': {claim.evidence}"


def _sentence(turn: Turn, at: int, is_question: bool) -> str:
    text = turn.question if is_question else turn.answer
    return next((match[0].strip() for match in SENTENCE.finditer(text) if match.end() > at), text)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replies", type=Path)
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--instances", type=Path, nargs="+", required=True)
    parser.add_argument("--half", choices=("tune", "measure"), help="of the images; both without it")
    parser.add_argument("--misses", action="store_true", help="print the errors that were not caught")
    parser.add_argument("--cuts", action="store_true", help="print what clean replies were cut for")
    options = parser.parse_args()
    files = {"captions": [*map(str, options.captions)], "instances": [*map(str, options.instances)]}
    corpus = load_corpus(load_settings(None, {"corpus": files}).corpus)
    images = {image.image_id: image for image in corpus.images}
    marked = [
        Marked(told.image, told.type, judge_turns(told.turns, told.image, corpus.categories, ChecksSettings()),
               told.errors)
        for told in read_marked(options.replies, images)
        if options.half is None or is_first_half(told.image) is (options.half == "tune")
    ]  # fmt: skip
    may_print = options.half != "measure"
    print(f"{options.replies.name}, {options.half or 'all'}: {len(marked)} replies")
    measure(marked, misses=options.misses and may_print, cuts=options.cuts and may_print)


if __name__ == "__main__":
    main()
