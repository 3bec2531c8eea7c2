"""What an entailment judge is worth beside the claims, on replies in which each error is marked.

It objects to a sentence of an answer whose chance reaches the threshold, unless the claims bear all of it out; an error
is caught where the sentence with its quote is objected to, or a contradicted claim overlaps the quote. Each file of
replies may have a judge of its own, which never learned from its writer; their scores are taken together.

    python -m training.measure_entailment JUDGE=REPLIES.jsonl ... --captions C.json --instances I.json [--choose 400]
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from datagen.checks.entailment import EntailmentJudge, notes_of, with_context
from datagen.checks.judge import is_borne_out
from datagen.claims import judge_turns
from datagen.config import ChecksSettings, load_settings
from datagen.corpus import Corpus, load_corpus
from datagen.records import SentenceVerdict
from training.entailment_replies import quoted, read_replies, turns_of
from training.train_entailment import auroc


class Error(NamedTuple):
    """A marked error: its kind, whether a claim catches it, and the scores of the sentences that it stands in."""

    kind: str
    by_claims: bool
    scores: tuple[float, ...]


class Judged(Struct, frozen=True):
    """A reply with its scores.

    Attributes:
        image_id: The image's id.
        is_sound: Whether no error is marked in it.
        cut_by_claims: Whether a claim of it is contradicted.
        sound: Scores of sentences without an error that the judge may object to.
        wrong: Those of sentences with one.
        errors: The marked errors.
    """

    image_id: str
    is_sound: bool
    cut_by_claims: bool
    sound: tuple[float, ...]
    wrong: tuple[float, ...]
    errors: tuple[Error, ...]


def judged(path: Path, judge: EntailmentJudge, corpus: Corpus) -> list[Judged]:
    """Score a file's replies; a sentence that claims bear out scores -1, as the judge may not object to it."""
    found = []
    for row, image in read_replies(path, {one.image_id: one for one in corpus.images}):
        turns = judge_turns(turns_of(row), image, corpus.categories, ChecksSettings())
        asked = [one for one in with_context(turns) if not one.in_question]
        scores = judge.score(notes_of(image), [(one.context, one.sentence) for one in asked])
        for n, one in enumerate(asked):
            if is_borne_out(turns[one.turn], SentenceVerdict(one.start, one.end, "contradicted")):
                scores[n] = -1.0
        errors, is_wrong = [], [False] * len(asked)
        for error in row.get("errors", ()):
            at = quoted(error["quote"], turns)
            if at is None:
                continue
            turn, in_question, start, end = at
            hit = [
                n for n, one in enumerate(asked)
                if not in_question and one.turn == turn and one.start < end and start < one.end
            ]  # fmt: skip
            by_claims = any(
                claim.verdict == "contradicted" and claim.in_question is in_question and claim.start < end
                and start < claim.end
                for claim in turns[turn].claims
            )  # fmt: skip
            for n in hit:
                is_wrong[n] = True
            errors.append(Error(error["kind"], by_claims, tuple(scores[n] for n in hit)))
        found.append(
            Judged(
                image.image_id, not row.get("errors"),
                any(claim.verdict == "contradicted" for turn in turns for claim in turn.claims),
                tuple(score for score, wrong in zip(scores, is_wrong, strict=True) if not wrong),
                tuple(score for score, wrong in zip(scores, is_wrong, strict=True) if wrong), tuple(errors),
            )
        )  # fmt: skip
    return found


def share(hits: Iterable[bool]) -> str:
    """Hits of all, with Wilson's 95 % interval, in percent."""
    of = list(hits)
    n, k = len(of), sum(of)
    if not n:
        return "none"
    z, p = 1.96, k / n
    middle, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
    )
    return f"{k} of {n}, {100 * p:.1f} % ({100 * max(0.0, middle - half):.1f}-{100 * min(1.0, middle + half):.1f})"


def threshold_for(replies: Sequence[Judged], one_in: int) -> float:
    """The lowest threshold that at most one in so many sentences of sound replies reaches."""
    scores = sorted((score for reply in replies if reply.is_sound for score in reply.sound), reverse=True)
    allowed = len(scores) // one_in
    return round(scores[allowed] + 0.0001, 4)


def temperature_for(replies: Sequence[Judged]) -> float:
    """What log-odds are to be divided by, so that the scores fit best how often they are right."""
    told = [(score, False) for reply in replies for score in reply.sound if score >= 0]
    told += [(score, True) for reply in replies for score in reply.wrong if score >= 0]
    odds = [(math.log(p / (1 - p)), wrong) for p, wrong in ((min(max(p, 0.001), 0.999), wrong) for p, wrong in told)]

    def loss(temperature: float) -> float:
        return sum(math.log1p(math.exp(-x / temperature if wrong else x / temperature)) for x, wrong in odds)

    return min((n / 20 for n in range(8, 80)), key=loss)


def report(replies: Sequence[Judged], threshold: float) -> dict[str, dict[str, int]]:
    """Print the tables; returns what is known of the judge beforehand: sentences, and how many it objects to."""
    sound = [score for reply in replies if reply.is_sound for score in reply.sound]
    wrong = [score for reply in replies for score in reply.wrong]
    print(f"{len(replies)} replies, threshold {threshold}: AUROC {auroc(wrong, sound):.3f}")
    print(f"sentences of sound replies objected to: {share(p >= threshold for p in sound)}")
    print(f"sentences with an error objected to: {share(p >= threshold for p in wrong)}")
    of_sound = [(one.cut_by_claims, any(p >= threshold for p in one.sound)) for one in replies if one.is_sound]
    print(f"sound replies cut by claims: {share(one for one, _ in of_sound)}")
    print(f"sound replies cut by either: {share(one or other for one, other in of_sound)}")
    kinds: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for reply in replies:
        for error in reply.errors:
            for kind in (error.kind, "all"):
                kinds[kind].append((error.by_claims, any(p >= threshold for p in error.scores)))
    for kind, of in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"errors caught, {kind}: by claims {share(a for a, _ in of)}; by either {share(a or b for a, b in of)}")
    told = {}
    for name in ("wrong", "sound"):
        pairs = [(reply.image_id, p >= threshold) for reply in replies for p in getattr(reply, name) if p >= 0]
        n_objected, n_images = sum(hit for _, hit in pairs), len({image for image, _ in pairs})
        told[name] = {"n": len(pairs), "n_objected": n_objected, "n_images": n_images}
    return told


def by_file(files_of: Sequence[Sequence[Judged]], one_in: int) -> str:
    """What is caught and cut where each file's threshold comes from the other files' sound sentences."""
    caught: list[bool] = []
    cut: list[bool] = []
    flagged: list[bool] = []
    for own in files_of:
        threshold = threshold_for([reply for of in files_of if of is not own for reply in of], one_in)
        caught += [one.by_claims or any(p >= threshold for p in one.scores) for reply in own for one in reply.errors]
        sound = [reply for reply in own if reply.is_sound]
        cut += [reply.cut_by_claims or any(p >= threshold for p in reply.sound) for reply in sound]
        flagged += [p >= threshold for reply in sound for p in reply.sound]
    return (
        f"errors caught {share(caught)}; sound replies cut {share(cut)}; sound sentences objected to {share(flagged)}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("judged", nargs="+", metavar="JUDGE=REPLIES")
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--instances", type=Path, nargs="+", required=True)
    parser.add_argument("--choose", type=int, help="take the threshold that one in so many sound sentences reaches")
    parser.add_argument("--on", default="", help="what the replies are, for --out")
    parser.add_argument("--out", type=Path, help="write what is known beforehand, as measured.json beside the weights")
    options = parser.parse_args()
    files = {"captions": [*map(str, options.captions)], "instances": [*map(str, options.instances)]}
    corpus = load_corpus(load_settings(None, {"corpus": files}).corpus)
    judges: dict[str, EntailmentJudge] = {}
    files_of: list[list[Judged]] = []
    for item in options.judged:
        folder, _, path = item.partition("=")
        judge = judges.setdefault(folder, judges.get(folder) or EntailmentJudge(Path(folder)))
        files_of.append(judged(Path(path), judge, corpus))
    replies = [reply for of in files_of for reply in of]
    threshold = next(iter(judges.values())).threshold
    if options.choose:
        threshold = threshold_for(replies, options.choose)
        if len(files_of) > 1:
            print(f"each file at the threshold of the others: {by_file(files_of, options.choose)}")
        print(f"temperature that fits best, on top of the judge's own: {temperature_for(replies)}")
    told = report(replies, threshold)
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode({"on": options.on, **told})) + b"\n")


if __name__ == "__main__":
    main()
