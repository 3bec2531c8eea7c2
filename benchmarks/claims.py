"""Planted errors and clean turns: how many claims are found, decided and judged right, as a table.

    python benchmarks/claims.py [--captions F --instances F] [--replies F.jsonl] [--seeds N]

Errors of five kinds are planted, one at a time, into answers of the embedded teacher: a wrong number, a
thing that is not there, the wrong side, a relation turned around, another image's answers. ``decided``
is asked of the annotations, not of the judge. ``--replies`` adds real replies of a teacher: JSON lines
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
from datagen.config import ChecksSettings, Settings, load_settings
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
    r"\b(?:on|in|to|toward|at|over on) the (?:far )?(left|right|upper|lower|top|bottom)\b(?! of the \w+(?<!image|frame))"
)
TURNED = {"left of": "right of", "right of": "left of", "farther left": "farther right", "farther right": "farther left",
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
    for seed in range(seeds):
        seeded = load_settings(None, {**datagen.config.dump_settings(settings), "rng_seed": seed})
        teacher = open_teacher(seeded)
        for planned in plan_samples(images, recipes, seeded, lambda image: None, names):
            if planned.request is not None:
                reply = asyncio.run(teacher.answer(planned.request))
                for turn in make_sample(
                    planned,
                    reply,
                    load_settings(None, {**datagen.config.dump_settings(seeded), "checks": {"contradicted": "keep"}}),
                    "",
                ).turns:
                    yield planned.image, Turn(turn.question, turn.answer)


def plant(
    kind: str, case: Case, rng: random.Random, lexicon: Lexicon, names: tuple[str, ...]
) -> tuple[Turn, int, bool] | None:
    """Plant one error: the changed turn, where it stands, and whether the annotations decide it; None if nothing fits."""
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
    for name in boxed:
        other = rng.choice(absent)
        for old, new in (
            (with_article(name), with_article(other)),
            (f"the {name}", f"the {other}"),
            (plural(name), plural(other)),
        ):
            match = re.search(rf"\b{old}\b(?! \w+ly)", text)
            if match is not None:
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


def measure(title: str, cases: list[Case], names: tuple[str, ...], rng: random.Random) -> None:
    """Print the table of one set of turns."""
    settings = ChecksSettings()
    lexicon = lexicon_for(names)

    def judged(image: AnnotatedImage, turn: Turn) -> Turn:
        return judge_turns((turn,), image, names, settings)[0]

    clean = [(image, judged(image, turn)) for image, turn in cases]
    false = [(image, turn) for image, turn in clean if any(c.verdict == "contradicted" for c in turn.claims)]
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, turn in clean:
        for claim in turn.claims:
            verdicts[claim.kind][claim.verdict.split("_")[0]] += 1
    print(f"\n{title}: {len(cases)} turns, {len({c[0].image_id for c in cases})} images; contradicted though not planted: "
          f"{len(false)} turns, {100 * len(false) / len(cases):.1f} %")  # fmt: skip
    for kind, counts in sorted(verdicts.items()):
        n = counts.total()
        print(f"  {kind:9} {n:6} claims, {100 * counts['supported'] / n:5.1f} % supported, "
              f"{100 * counts['contradicted'] / n:4.1f} % contradicted, {100 * counts['unknown'] / n:4.1f} % unknown")  # fmt: skip
    for image, turn in false[:40]:
        for claim in turn.claims:
            if claim.verdict == "contradicted":
                text = turn.question if claim.in_question else turn.answer
                print(
                    f"    {image.image_id}: '{text[claim.start : claim.end]}': {claim.evidence} | {turn.answer[:100]}"
                )
    is_false = {id(turn) for _, turn in false}
    print(
        f"{'planted':14} {'planted':>8} {'found':>7} {'decided':>8} {'caught':>7} {'of decided':>11} {'precision':>10}"
    )
    for kind in KINDS:
        n = found = decided = caught = caught_decided = 0
        for number, (image, turn) in enumerate(clean):
            if id(turn) in is_false:
                continue
            if kind == "swapped image":
                other, said = clean[(number + len(clean) // 2) % len(clean)]
                if other.image_id == image.image_id or DENIAL.search(said.answer):
                    continue
                shown = {box.category for box in image.boxes}.union(*map(lexicon.named, image.captions))
                named = lexicon.named(said.answer)
                changed, at, is_decided = (
                    Turn(said.question, said.answer),
                    None,
                    bool(image.boxes) and any(is_apart(name, shown) for name in named),
                )
            else:
                planted = plant(kind, (image, turn), rng, lexicon, names)
                if planted is None:
                    continue
                changed, at, is_decided = planted
            after = judged(image, changed)
            n += 1
            decided += is_decided
            found += any(at is None or c.start <= at + 3 <= c.end + 3 and not c.in_question for c in after.claims)
            is_caught = any(c.verdict == "contradicted" for c in after.claims)
            caught += is_caught
            caught_decided += is_caught and is_decided
            if is_decided and not is_caught and OPTIONS.misses:
                why = [c.evidence for c in after.claims if at is not None and c.start <= at + 3 <= c.end + 3]
                print(
                    "    missed",
                    kind,
                    why,
                    image.image_id,
                    "|",
                    changed.question,
                    "|",
                    changed.answer[max(0, (at or 0) - 60) : (at or 0) + 90].replace("\n", " "),
                )
        if n:
            wrong = sum(1 for _, turn in false)
            print(f"{kind:14} {n:8} {100 * found / n:6.1f}% {100 * decided / n:7.1f}% {100 * caught / n:6.1f}% "
                  f"{100 * caught_decided / max(1, decided):10.1f}% {100 * caught / max(1, caught + wrong):9.1f}%")  # fmt: skip


OPTIONS = argparse.Namespace(misses=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--instances", type=Path)
    parser.add_argument("--replies", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--misses", action="store_true", help="print decided errors that were not caught")
    options = parser.parse_args(namespace=OPTIONS)
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
    measure(
        "template",
        list(template_turns(settings, options.seeds, corpus.images, corpus.categories)),
        corpus.categories,
        rng,
    )
    if options.replies:
        cases = read_replies(options.replies)
        measure("real replies", cases, corpus.categories, rng)
        images = tuple({image.image_id: image for image, _ in cases}.values())
        turns = list(template_turns(settings, options.seeds, images, corpus.categories))
        measure("template on the same images", turns, corpus.categories, rng)


if __name__ == "__main__":
    main()
