"""Planted errors and clean turns: how many claims are found, decided and judged right, as a table.

    python benchmarks/claims.py [--captions F --instances F] [--replies F.jsonl] [--seeds N]

Errors of five kinds are planted, one at a time, into answers of the embedded teacher: a wrong number, a
thing that is not there, the wrong side, a relation turned around, another image's answers. ``found``: a
claim was read where the error stands. ``decided`` is asked of the annotations, not of the judge: an absent
thing is decided when nothing of its COCO supercategory is shown. ``precision`` sets the planted errors
caught beside the turns contradicted though nothing was planted in them. ``--replies`` adds real replies: JSON lines
with ``id``, ``captions``, ``instances`` [{category, bbox (corners, 0-1)}], ``responses`` [{instruction, output}].
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import datagen
from datagen.claims import judge_turns
from datagen.config import ChecksSettings, Settings, dump_settings, load_settings
from datagen.corpus import load_corpus
from datagen.geometry import contradicts_place, count_objects, relation_between
from datagen.lexicon import Lexicon, counted, lexicon_for, plural, with_article
from datagen.pipeline import make_sample, plan_samples
from datagen.recipes import load_recipes
from datagen.records import AnnotatedImage, Box, Turn
from datagen.teacher import open_teacher

KINDS = ("count", "absent object", "side", "relation", "swapped image")
SIDES = {"left": "right", "right": "left", "upper": "lower", "lower": "upper", "top": "bottom", "bottom": "top"}
SIDE = re.compile(
    r"\b(?:on|in|to|toward|at|over on) the (?:far )?(left|right|upper|lower|top|bottom)\b"
    r"(?! of the \w+(?<!image|frame))"
)
TURNED = {"left of": "right of", "right of": "left of", "farther left": "farther right",
          "farther right": "farther left",
          "higher up": "lower down", "lower down": "higher up", "higher in": "lower in", "lower in": "higher in",
          "larger in": "smaller in", "more of the": "less of the", "above": "below", "below": "above"}  # fmt: skip
RELATION = re.compile(r"\b(" + "|".join(TURNED) + r")\b")
DENIAL = re.compile(
    r"\b(?:not?|none|never|rather|instead|missing|if|then|adding|taking|left with|starts? from)\b|n't\b", re.IGNORECASE
)

Case = tuple[AnnotatedImage, Turn]


def template_turns(
    settings: Settings, seeds: int, images: tuple[AnnotatedImage, ...], names: tuple[str, ...]
) -> Iterator[Case]:
    """Every turn that the embedded teacher writes about the images, under several seeds."""
    recipes = load_recipes(settings)
    keep = {"checks": {"contradicted": "keep"}}
    for seed in range(seeds):
        seeded = load_settings(None, {**dump_settings(settings), **keep, "rng_seed": seed})
        teacher = open_teacher(seeded)
        for planned in plan_samples(images, recipes, seeded, lambda image: None, names):
            if planned.request is not None:
                reply = asyncio.run(teacher.answer(planned.request))
                for turn in make_sample(planned, reply, seeded, "").turns:
                    yield planned.image, Turn(turn.question, turn.answer)


def plant(
    kind: str, case: Case, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> tuple[Turn, int, bool] | None:
    """Plant one error: the changed turn, where it stands, whether it is decided; None if nothing fits."""
    image, turn = case
    if DENIAL.search(turn.answer) or DENIAL.search(turn.question):
        return None
    planter = {"count": plant_count, "absent object": plant_absent, "side": plant_side, "relation": plant_relation}[
        kind
    ]
    found = planter(image, turn.answer, rng, lexicon, names)
    return None if found is None else (Turn(turn.question, found[0]), found[1], found[2])


SUPERCATEGORY: dict[str, str] = {}
Planted = tuple[str, int, bool] | None


def plant_count(
    image: AnnotatedImage, text: str, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> Planted:
    """State another number of a boxed category."""
    for name, count in count_objects(image.boxes).items():
        for number in range(1, 11):
            match = re.search(rf"\b{counted(name, number)}\b", text)
            if match is not None:
                wrong = number + rng.choice((1, 2, 3)) if number < 3 or rng.random() < 0.5 else number - 1
                if re.search(r"\b(?:at least|the|all)\s+$", text[: match.start()]) and wrong < number:
                    return None  # still true, or of some of them
                noticed = sum(box.category == name and box.area_unit >= 0.001 for box in image.boxes)
                says_all = re.search(r"\b(?:there (?:is|are)|count)\s+$", text[: match.start()], re.IGNORECASE)
                decided = (wrong > count.at_least and count.is_exact) or (
                    wrong < min(noticed, count.at_least) and bool(says_all)
                )
                return text[: match.start()] + counted(name, wrong) + text[match.end() :], match.start(), decided
    return None


def plant_absent(
    image: AnnotatedImage, text: str, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> Planted:
    """Name a category that is neither boxed nor captioned in place of one that is."""
    shown = {box.category for box in image.boxes}.union(*map(lexicon.named, image.captions))
    absent = [name for name in names if name not in shown]
    boxed = [box.category for box in image.boxes]
    rng.shuffle(boxed)
    mentions = lexicon.find(text)  # the "train" of "train station" is none
    for name in boxed:
        other = rng.choice(absent)
        for old, new in (
            (with_article(name), with_article(other)),
            (f"the {name}", f"the {other}"),
            (plural(name), plural(other)),
        ):
            match = re.search(rf"\b{old}\b", text)
            if match is not None and any(mention.end == match.end() for mention in mentions):
                return text[: match.start()] + new + text[match.end() :], match.start(), is_apart(other, shown)
    return None


def is_apart(name: str, shown: set[str]) -> bool:
    """Whether nothing of a category's kind (COCO's supercategory) is shown: nobody took one for the other."""
    return name not in shown and SUPERCATEGORY.get(name, name) not in {
        SUPERCATEGORY.get(other, other) for other in shown
    }


def plant_side(
    image: AnnotatedImage, text: str, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> Planted:
    """Turn a side around; decided when every box of the nearest thing named lies clearly elsewhere."""
    matches = list(SIDE.finditer(text))
    matches = [m for m in matches if not re.match(r"[\w -]{0,12}of (?:the|a) (?!image|picture|frame)", text[m.end() :])]
    if not matches:
        return None
    match = rng.choice(matches)
    wrong = SIDES[match[1]]
    place = {"upper": "top", "lower": "bottom"}.get(wrong, wrong)
    sentence = text.rfind(".", 0, match.start()) + 1
    own = [
        m for m in lexicon.find(text) if sentence <= m.start and m.start < text.find(".", match.end()) % (len(text) + 1)
    ]
    boxes = [box.box_unit for box in image.boxes if own and box.category == own[0].category]
    decided = (
        len({m.category for m in own}) == 1 and bool(boxes) and all(contradicts_place(box, place) for box in boxes)
    )  # type: ignore[arg-type]
    return text[: match.start(1)] + wrong + text[match.end(1) :], match.start(1), decided


def plant_relation(
    image: AnnotatedImage, text: str, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> Planted:
    """Turn a relation around; decided when the boxes of the two things named show the opposite."""
    match = RELATION.search(text)
    if match is None:
        return None
    before = [m for m in lexicon.find(text) if m.end <= match.start()]
    after = [m for m in lexicon.find(text) if m.start >= match.end()]
    if not before or not after:
        return None
    pairs = [
        (a, b)
        for a in image.boxes
        if a.category == before[-1].category
        for b in image.boxes
        if b.category == after[0].category
    ]
    word = match[1]
    if word in ("larger in", "more of the"):
        decided = bool(pairs) and all(_area(a) > 1.5 * _area(b) for a, b in pairs)
    else:
        held = {
            "left": "left of",
            "right": "right of",
            "higher": "above",
            "lower": "below",
            "above": "above",
            "below": "below",
        }
        relation = next(value for key, value in held.items() if key in word)
        decided = bool(pairs) and all(relation in relation_between(a.box_unit, b.box_unit) for a, b in pairs)
    return text[: match.start()] + TURNED[word] + text[match.end() :], match.start(), decided


def _area(box: Box) -> float:
    left, top, right, bottom = box.box_unit
    return (right - left) * (bottom - top)


def read_replies(path: Path) -> list[Case]:
    """Real replies as images and turns."""
    cases = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        boxes = tuple(
            Box(b["category"], tuple(b["bbox"]), (b["bbox"][2] - b["bbox"][0]) * (b["bbox"][3] - b["bbox"][1]))
            for b in row["instances"]
        )
        image = AnnotatedImage(row["id"], f"{row['id']}.jpg", 640, 480, tuple(row["captions"]), boxes)
        cases += [(image, Turn(r["instruction"], r["output"])) for r in row["responses"]]
    return cases


def judged(case: Case, names: tuple[str, ...]) -> Turn:
    """A turn with its claims."""
    return judge_turns((case[1],), case[0], names, ChecksSettings())[0]


def is_contradicted(turn: Turn) -> bool:
    """Whether any claim of a judged turn is contradicted."""
    return any(claim.verdict == "contradicted" for claim in turn.claims)


def report_clean(title: str, clean: list[Case]) -> int:
    """Print verdicts per kind of claim and every contradiction; return how many turns have one."""
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, turn in clean:
        for claim in turn.claims:
            verdicts[claim.kind][claim.verdict.split("_")[0]] += 1
    wrong = [(image, turn) for image, turn in clean if is_contradicted(turn)]
    n_images = len({image.image_id for image, _ in clean})
    share = f"{len(wrong)} turns, {100 * len(wrong) / len(clean):.1f} %"
    print(f"\n{title}: {len(clean)} turns, {n_images} images; contradicted though nothing was planted: {share}")
    for kind, counts in sorted(verdicts.items()):
        told = ", ".join(
            f"{100 * counts[v] / counts.total():.1f} % {v}" for v in ("supported", "contradicted", "unknown")
        )
        print(f"  {kind:9} {counts.total():6} claims, {told}")
    for image, turn in wrong:
        for claim in turn.claims:
            if claim.verdict == "contradicted":
                text = turn.question if claim.in_question else turn.answer
                print(f"  ! {image.image_id}: '{text[claim.start : claim.end]}': {claim.evidence}")
    return len(wrong)


def plantings(
    kind: str, clean: list[Case], names: tuple[str, ...], rng: random.Random
) -> Iterator[tuple[Case, int | None, bool]]:
    """Each turn with one planted error of a kind: where it stands (None: anywhere), whether it is decided."""
    lexicon = lexicon_for(names)
    for number, (image, turn) in enumerate(clean):
        if is_contradicted(turn):
            continue
        if kind != "swapped image":
            planted = plant(kind, (image, turn), rng, lexicon, names)
            if planted is not None:
                yield (image, planted[0]), planted[1], planted[2]
            continue
        other, said = clean[(number + len(clean) // 2) % len(clean)]
        if other.image_id != image.image_id and not DENIAL.search(said.answer):
            shown = {box.category for box in image.boxes}.union(*map(lexicon.named, image.captions))
            named = lexicon.named(said.answer)
            yield (image, Turn(said.question, said.answer)), None, any(is_apart(name, shown) for name in named)


def measure(title: str, cases: list[Case], names: tuple[str, ...], rng: random.Random, *, misses: bool) -> None:
    """Print the table of one set of turns."""
    clean = [(image, judged((image, turn), names)) for image, turn in cases]
    n_wrong = report_clean(title, clean)
    print(f"  {'planted':14}{'number':>8}{'found':>9}{'decided':>9}{'caught':>9}{'of decided':>12}{'precision':>11}")
    for kind in KINDS:
        tally: Counter[str] = Counter()
        for case, at, is_decided in plantings(kind, clean, names, rng):
            turn = judged(case, names)
            hits = [c for c in turn.claims if at is None or (c.start <= at + 3 <= c.end + 3 and not c.in_question)]
            is_caught = is_contradicted(turn)
            tally.update(n=1, found=bool(hits), decided=is_decided, caught=is_caught, both=is_caught and is_decided)
            if misses and is_decided and not is_caught:
                print(
                    f"  missed {kind}, {case[0].image_id}: {[c.evidence for c in hits]} {turn.question} {turn.answer}"
                )
        if tally["n"]:
            shares = [100 * tally[key] / tally["n"] for key in ("found", "decided", "caught")]
            shares += [
                100 * tally["both"] / max(1, tally["decided"]),
                100 * tally["caught"] / max(1, tally["caught"] + n_wrong),
            ]
            widths = (7, 7, 7, 10, 9)
            told = "".join(f"{share:{width}.1f} %" for share, width in zip(shares, widths, strict=True))
            print(f"  {kind:14}{tally['n']:8}{told}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--misses", action="store_true", help="print decided errors that were not caught")
    options = parser.parse_args()
    settings = datagen.demo_settings()
    if options.captions or options.instances:
        files = {"captions": options.captions, "instances": options.instances}
        corpus_files = {key: [str(path)] for key, path in files.items() if path}
        settings = load_settings(None, {"corpus": corpus_files, "types": list(settings.types)})
    if options.instances:
        rows = json.loads(options.instances.read_text(encoding="utf-8"))["categories"]
        SUPERCATEGORY.update({row["name"]: row.get("supercategory", row["name"]) for row in rows})
    corpus = load_corpus(settings.corpus)
    rng = random.Random(0)
    names, misses = corpus.categories, options.misses
    written = list(template_turns(settings, options.seeds, corpus.images, names))
    measure("template", written, names, rng, misses=misses)
    if options.replies:
        cases = read_replies(options.replies)
        measure("real replies", cases, names, rng, misses=misses)
        images = tuple({image.image_id: image for image, _ in cases}.values())
        written = list(template_turns(settings, options.seeds, images, names))
        measure("template on the same images", written, names, rng, misses=misses)


if __name__ == "__main__":
    main()
