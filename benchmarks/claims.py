"""Planted errors and clean turns: how many claims are found, decided and judged right, as a table.

    python benchmarks/claims.py [--captions F --instances F] [--replies F.jsonl] [--samples N] [--misses]

Errors of six kinds are planted, one of each kind into each of N samples of the embedded teacher where it fits
(``planting.py``), and another image's answers are swapped in. ``found``: a claim was read where the error stands.
``decided`` is asked of the annotations, not of the judge. ``precision``: of the turns contradicted by claims of a
kind, planted or not, those where the planted words are what is contradicted. The images fall into two halves by a
hash of their id: tune on the first (``--misses`` prints only its misses), report the second. ``--replies`` adds real
replies: JSON lines with ``id``, ``captions``, ``instances`` [{category, bbox (corners, 0-1)}], ``responses``
[{instruction, output}].
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from measuring import corpus_parser, corpus_settings
from msgspec import Struct
from msgspec.structs import replace
from planting import DENIAL, PLANTERS, Corpus, plant

from datagen.claims import judge_turns
from datagen.claims.kinds import KINDS
from datagen.config import ChecksSettings, Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.lexicon import lexicon_for
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.records import AnnotatedImage, Box, Claim, Turn
from datagen.teacher import open_teacher

REPEATS = 20
"""Times that every real reply gets an error of each kind, another each time."""


class Told(Struct, frozen=True):
    """One sample: an image and what is said of it."""

    image: AnnotatedImage
    turns: tuple[Turn, ...]


class Planting(Struct, frozen=True):
    """One turn with one error; ``span`` is where it stands, None for anywhere."""

    image: AnnotatedImage
    turn: Turn
    span: tuple[int, int] | None
    is_decided: bool


def template_samples(settings: Settings, n_samples: int, images: Sequence[AnnotatedImage]) -> list[Told]:
    """Samples that the embedded teacher writes, under as many seeds as it takes."""
    recipes = load_recipes(settings)
    made: list[Told] = []
    for seed in range(n_samples):
        seeded = load_settings(None, {**dump_settings(settings), "checks": {"contradicted": "keep"}, "rng_seed": seed})
        teacher = open_teacher(seeded)
        for planned in plan_samples(images, recipes, seeded, lambda image: None):
            if planned.request is None:
                continue
            if len(made) == n_samples:
                return made
            turns = make_sample(planned, asyncio.run(teacher.answer(planned.request)), seeded, "").turns
            made.append(Told(planned.image, tuple(Turn(turn.question, turn.answer) for turn in turns)))
    return made


def caption_samples(images: Sequence[AnnotatedImage]) -> list[Told]:
    """Each caption as an answer about its image, which is left with the other captions: sentences that people wrote."""
    made = []
    for image in images:
        for n, caption in enumerate(image.captions):
            rest = image.captions[:n] + image.captions[n + 1 :]
            made.append(Told(replace(image, captions=rest), (Turn("What does the image show?", caption),)))
    return made


def read_replies(path: Path) -> list[Told]:
    """Real replies, each a sample of one turn."""
    made = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        boxes = tuple(
            Box(b["category"], tuple(b["bbox"]), (b["bbox"][2] - b["bbox"][0]) * (b["bbox"][3] - b["bbox"][1]))
            for b in row["instances"]
        )
        image = AnnotatedImage(row["id"], f"{row['id']}.jpg", 640, 480, tuple(row["captions"]), boxes)
        made += [Told(image, (Turn(r["instruction"], r["output"]),)) for r in row["responses"]]
    return made


def is_first_half(image: AnnotatedImage) -> bool:
    """Whether an image is one to tune on."""
    return hashlib.sha256(image.image_id.lstrip("0").encode()).digest()[0] % 2 == 0


def judged(told: Told, corpus: Corpus) -> Told:
    """A sample with its claims."""
    return replace(told, turns=judge_turns(told.turns, told.image, corpus.names, ChecksSettings()))


def against(turn: Turn) -> list[Claim]:
    """The contradicted claims of a turn."""
    return [claim for claim in turn.claims if claim.verdict == "contradicted"]


def plantings(kind: str, clean: list[Told], corpus: Corpus, rng: random.Random) -> Iterator[Planting]:
    """At most one error of a kind in each sample."""
    for told in clean:
        image = told.image
        turns = [turn for turn in told.turns if not against(turn)]
        if kind == "swapped image":
            other = rng.choice(clean)
            said = [turn for turn in other.turns if not DENIAL.search(turn.answer)]
            if other.image.image_id != image.image_id and said:
                turn = rng.choice(said)
                named, shown = corpus.lexicon.named(turn.answer), corpus.shown(image)
                yield Planting(image, turn, None, any(corpus.is_apart(name, shown) for name in named))
            continue
        for turn in rng.sample(turns, len(turns)):
            planted = plant(kind, image, turn, rng, corpus)
            if planted is not None:
                changed = Turn(turn.question, planted.answer)
                yield Planting(image, changed, (planted.start, planted.end), planted.is_decided)
                break


def report_clean(clean: list[Told]) -> Counter[str]:
    """Print verdicts per kind of claim and every contradiction; return contradicted turns per kind of claim."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    turns = [(told.image, turn) for told in clean for turn in told.turns]
    for _, turn in turns:
        for claim in turn.claims:
            verdicts[claim.kind][claim.verdict.split("_")[0]] += 1
    wrong = [(image, turn) for image, turn in turns if against(turn)]
    n_images = len({told.image.image_id for told in clean})
    print(f"{len(clean)} samples, {len(turns)} turns, {n_images} images; contradicted though nothing was planted: "
          f"{len(wrong)} turns, {100 * len(wrong) / max(1, len(turns)):.1f} %")  # fmt: skip
    for kind, counts in sorted(verdicts.items()):
        shares = {verdict: 100 * n / counts.total() for verdict, n in counts.items()}
        told_shares = (
            f"{shares.get(verdict, 0):.1f} % {verdict}" for verdict in ("supported", "contradicted", "unknown")
        )
        print(f"  {kind:9} {counts.total():6} claims, {', '.join(told_shares)}")
    for image, turn in wrong:
        for claim in against(turn):
            text = turn.question if claim.in_question else turn.answer
            print(f"  ! {image.image_id}: '{text[claim.start : claim.end]}': {claim.evidence}")
    return Counter(kind for _, turn in wrong for kind in {"any", *(claim.kind for claim in against(turn))})


def measure(title: str, samples: list[Told], corpus: Corpus, *, misses: bool = False, repeats: int = 1) -> None:
    """Print the table of one set of samples."""
    rng = random.Random(0)
    clean = [judged(told, corpus) for told in samples]
    print(f"\n{title}: ", end="")
    n_wrong = report_clean(clean)
    print(f"  {'planted':14}{'claim':10}{'number':>8}{'found':>9}{'decided':>9}{'caught':>9}{'precision':>11}")
    for kind, claim_kind in (*((name, row.claim) for name, row in PLANTERS.items()), ("swapped image", "any")):
        tally: Counter[str] = Counter()
        for planting in plantings(kind, clean * repeats, corpus, rng):
            turn = judged(Told(planting.image, (planting.turn,)), corpus).turns[0]
            hits = [claim for claim in turn.claims if planting.span is None or _overlaps(claim, planting.span)]
            is_caught = any(claim.verdict == "contradicted" for claim in hits)
            tally.update(
                n=1, found=bool(hits), decided=planting.is_decided, caught=is_caught and planting.is_decided,
                right=is_caught, beside=bool(against(turn)) and not is_caught,
            )  # fmt: skip
            if misses and planting.is_decided and not is_caught:
                told = [(claim.kind, claim.evidence) for claim in hits]
                print(f"  missed {kind}, {planting.image.image_id}: {told} {turn.question} {turn.answer}")
        if tally["n"]:
            n_contradicted = tally["right"] + tally["beside"] + n_wrong[claim_kind]
            shares = (
                tally["found"] / tally["n"], tally["decided"] / tally["n"], tally["caught"] / max(1, tally["decided"]),
                tally["right"] / max(1, n_contradicted),
            )  # fmt: skip
            told_shares = "".join(
                f"{100 * share:{width}.1f} %" for share, width in zip(shares, (7, 7, 7, 9), strict=True)
            )
            print(f"  {kind:14}{claim_kind:10}{tally['n']:8}{told_shares}")


def _overlaps(claim: Claim, span: tuple[int, int]) -> bool:
    return not claim.in_question and claim.start < span[1] and span[0] < claim.end


def measure_halves(title: str, samples: list[Told], corpus: Corpus, *, misses: bool, repeats: int = 1) -> None:
    """Print the table of each half of the images."""
    halves = ([told for told in samples if is_first_half(told.image)], [])
    halves[1].extend(told for told in samples if not is_first_half(told.image))
    measure(f"{title}, half tuned on", halves[0], corpus, misses=misses, repeats=repeats)
    measure(f"{title}, half held out", halves[1], corpus, repeats=repeats)


def main() -> None:
    """Measure and print."""
    parser = corpus_parser(__doc__)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--misses", action="store_true", help="print decided errors not caught in the half tuned on")
    options = parser.parse_args()
    settings = corpus_settings(options)
    rows = [row for path in settings.corpus.instances for row in json.loads(Path(path).read_bytes())["categories"]]
    loaded = load_corpus(settings.corpus)
    corpus = Corpus(
        loaded.categories, lexicon_for(loaded.categories), {row["name"]: row.get("supercategory", "") for row in rows}
    )
    unmeasured = {kind.name for kind in KINDS} - {row.claim for row in PLANTERS.values()}
    if unmeasured:
        print(f"no error is planted here in claims of the kinds {', '.join(sorted(unmeasured))}")
    captions = [judged(told, corpus) for told in caption_samples(loaded.images)]
    print("captions, each held against the boxes and the other captions: ", end="")
    report_clean(captions)
    samples = template_samples(settings, options.samples, loaded.images)
    measure("template", samples, corpus)
    measure_halves("template", samples, corpus, misses=options.misses)
    if options.replies:
        replies = read_replies(options.replies)
        measure("real replies", replies, corpus, repeats=REPEATS)
        measure_halves("real replies", replies, corpus, misses=options.misses, repeats=REPEATS)
        images = tuple({told.image.image_id: told.image for told in replies}.values())
        measure("template, images of the replies", template_samples(settings, options.samples, images), corpus)


if __name__ == "__main__":
    main()
