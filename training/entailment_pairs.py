"""Training pairs of the entailment judge: an image's notes, a sentence in its context, and if they contradict it.

Sound sentences are captions held out of the notes, in the wording of answers; contradicted ones are their corruptions,
or stand before notes that are corrupted, so that a sentence alone never tells. Much is neither: advice, moods and
details that nobody tells of.

    python -m training.entailment_pairs OUT.jsonl --captions captions.json ... [--snli FOLDER] [--sugar FOLDER]
        [--n 200000] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from datagen.checks.entailment import objects_line
from datagen.claims.wordnet import are_kin, is_usual, senses
from datagen.geometry import centre_of
from datagen.lexicon import lexicon_for, plural, singular_of
from datagen.records import Box
from datagen.words import COCO_CATEGORIES
from training.caption_corruptions import corruptions, words_of

ENTAILED, NEUTRAL, CONTRADICTED, NOT_CONTRADICTED = range(4)
"""Labels; the last is for sentences of which it is not known whether the notes bear them out."""
SHARES = {"exclusive": 3.0, "colour": 3.0, "number": 2.0, "noun": 1.0, "direction": 0.8, "swap": 1.5}
_WORDINGS = msgspec.yaml.decode(Path(__file__).with_suffix(".yaml").read_bytes())
_ASK, _OPEN, _SHOW, _GO_ON = (_WORDINGS[name] for name in ("questions", "openings", "shows", "endings"))
_REASON, _JOIN, _ASIDE, _SIDES = (_WORDINGS[name] for name in ("reasons", "joins", "asides", "sides"))
_OF_BOXES = _WORDINGS["of_boxes"]
_VERB = re.compile(
    r"^((?:(?:a|an|the|two|three|four|several|some|many|young|old|older|little|small|large|big|black|white|brown|red) )"
    r"{0,4}[a-z]+(?: of [a-z]+)?) ([a-z]+ing) (.+)$"
)
_IS = re.compile(r"^(.{3,40}?) (is|are) (.+)$")
_HE = {"man": "he", "boy": "he", "guy": "he", "woman": "she", "girl": "she", "lady": "she"}
_NP = re.compile(r"^(?:a|an|the|two|three|four|five|several|some|many|this)\b")
_FINITE = re.compile(
    r"\b(?:is|are|has|have|sits|stands|rides|walks|holds|plays|eats|looks|runs|jumps|lies|lays|flies|wears|shows|hangs|takes|there|was|stand|sit|drives|travels|waits|hits|uses|makes|poses|watches|swings|carries|catches|throws|gets|goes|reads|talks|sleeps|works|performs|skis|surfs)\b"
)


class Image:
    """An image's captions in lower case, and a list of objects that accords with them."""

    def __init__(self, captions: Sequence[str], lexicon: object) -> None:
        self.captions = [
            re.sub(r"\s+([.,;:!?'])", r"\1", " ".join(one.lower().split())).rstrip(" .") for one in captions
        ]
        self.named = sorted({name for one in self.captions for name in lexicon.named(one)})  # type: ignore[attr-defined]


def _some_boxes(name: str, n: int, dice: random.Random) -> list[Box]:
    found = []
    for _ in range(n):
        x, y, w, h = dice.random(), dice.random(), 0.03 + 0.5 * dice.random() ** 2, 0.03 + 0.5 * dice.random() ** 2
        unit = (max(0.0, x - w / 2), max(0.0, y - h / 2), min(1.0, x + w / 2), min(1.0, y + h / 2))
        found.append(Box(name, unit, (unit[2] - unit[0]) * (unit[3] - unit[1])))
    return found


def boxes_for(image: Image, dice: random.Random) -> dict[str, list[Box]]:
    """Boxes that somebody might have drawn: what captions name, as often as they say, and a few further things."""
    text = " ; ".join(image.captions)
    said = words_of(text)
    found: dict[str, list[Box]] = {}
    for name in image.named:
        forms = {name, *(("man", "woman", "boy", "girl", "child", "player") if name == "person" else ())}
        number = next(
            (
                n for n, word in enumerate(("two", "three", "four", "five", "six", "seven"), 2)
                if any(re.search(rf"\b{word} (?:[a-z]+ )?{plural(form)}\b", text) for form in forms)
            ), 0,
        )  # fmt: skip
        if not number:
            is_many = any(plural(form) in text and plural(form) != form for form in forms) or (
                name == "person" and "people" in said
            )
            number = dice.choice((2, 3, 3, 4, 5, 6, 8, 12)) if is_many else 1
        found[name] = _some_boxes(name, number, dice)
    for name in dice.sample(COCO_CATEGORIES, dice.choice((0, 0, 1, 1, 2, 3))):
        if name not in found:
            found[name] = _some_boxes(name, dice.choice((1, 1, 1, 2, 3)), dice)
    return found


def _line(boxes: dict[str, list[Box]], dice: random.Random) -> str:
    return objects_line([box for of in boxes.values() for box in of])


_NUMBER = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
)


def _said(name: str, n: int) -> str:
    return f"{_NUMBER[n] if n < len(_NUMBER) else n} {name if n == 1 else plural(name)}"


def object_claims(boxes: dict[str, list[Box]], dice: random.Random, *, is_true: bool) -> tuple[str, str]:
    """A question about boxes and a clause that answers it."""
    name = dice.choice([name for name in boxes if name != "dining table"] or ["person"])
    of = boxes.get(name, [])
    absent = dice.choice([one for one in COCO_CATEGORIES if one not in boxes])
    kind = dice.choice(("count", "count", "place", "place", "presence", "denial", "relation"))
    if kind == "count" and of:
        n = len(of)
        n = (
            n
            if is_true
            else dice.choice([m for m in range(1, min(14, n + 4)) if m != n and (n <= 5 or abs(m - n) > 1)])
        )
        fields = {"number": _said(name, n), "be": "is" if n == 1 else "are"}
        return f"how many {plural(name)} are there?", dice.choice(_OF_BOXES["count"]).format(**fields)
    if kind == "place" and len(of) == 1:
        at = dice.choice(_SIDES[_side_of(of, dice, is_true=is_true)])
        return f"where is the {name}?", dice.choice(_OF_BOXES["place"]).format(name=name, at=at)
    if kind == "relation" and (found := _sides_of_two(boxes, dice)):
        one, two, side = found
        side = side if is_true else {"left": "right", "right": "left"}[side]
        text = dice.choice(_OF_BOXES["relation"]).format(one=one, two=two, side=side)
        return f"where is the {one} compared to the {two}?", text
    kind = "denial" if kind == "denial" else "presence"
    told = name if is_true is (kind == "presence") else absent
    return f"is there a {told}?", dice.choice(_OF_BOXES[kind]).format(name=told, names=plural(told))


def _side_of(of: list[Box], dice: random.Random, *, is_true: bool) -> str:
    words = objects_line(of).partition("(")[2].rstrip(")").replace(" large", "").split()
    if is_true:
        return dice.choice(words if words[0] != "middle" or len(words) == 1 else words[1:])
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
    side = opposite.get(dice.choice(words), "left" if words[0] == "middle" and dice.random() < 0.5 else "right")
    return opposite[side] if side in words else side


def _sides_of_two(boxes: dict[str, list[Box]], dice: random.Random) -> tuple[str, str, str] | None:
    single = sorted(name for name, of in boxes.items() if len(of) == 1)
    if len(single) < 2:
        return None
    one, two = dice.sample(single, 2)
    a, b = (centre_of(boxes[name][0].box_unit)[0] for name in (one, two))
    return (one, two, "left" if a < b else "right") if abs(a - b) > 0.25 else None


def clause_of(text: str) -> tuple[str, str] | None:
    """A caption as a clause and a question that it answers; None of one that has no such form."""
    verb = _VERB.match(text)
    if verb:
        subject, doing, rest = verb.groups()
        last = subject.split()[-1]
        is_many = (
            singular_of(last) != last
            or re.match(r"(?:two|three|four|several|some|many)\b", subject)
            or last in ("people", "men", "women", "children")
        )
        be = "are" if is_many else "is"
        return f"{subject} {be} {doing} {rest}", f"what {be} {re.sub('^(?:a|an) ', 'the ', subject)} doing?"
    found = _IS.match(text)
    if found and _NP.match(text):
        subject, be, rest = found.groups()
        return text, f"what about {re.sub('^(?:a|an) ', 'the ', subject)}?"
    if _FINITE.search(text):
        return text, ""
    return None


def worded(text: str, dice: random.Random, beside: Sequence[str] = ()) -> tuple[str, str]:
    """A caption in the wording of an answer, in some joined to another one: context and sentence."""
    made = clause_of(text)
    if beside and dice.random() < 0.3:
        other = dice.choice(beside)
        other = (clause_of(other) or ("",))[0] or f"there is {other}" if _NP.match(other) else other
        one = made[0] if made else f"we see {text}" if _NP.match(text) else text
        first, second = (one, other) if dice.random() < 0.5 else (other, one)
        context = dice.choice((*_ASK, "", "", dice.choice(_ASIDE)))
        return context, _capital(dice.choice(_JOIN).format(first, second)) + "."
    context = dice.choice((*_ASK, "", "", "", dice.choice(_ASIDE)))
    roll = dice.random()
    if roll < 0.12:
        return context, _capital(text)
    if made and roll < 0.75:
        clause, question = made
        if question and dice.random() < 0.5:
            context = question
            subject = re.sub(r"^what (?:is|are|about) | doing\?$|\?$", "", question)
            first = clause.split(" is ")[0].split(" are ")[0]
            last = first.split()[-1]
            pronoun = _HE.get(last, "they" if " are " in clause else None if last in ("person", "child") else "it")
            if pronoun and dice.random() < 0.6:
                clause = clause.replace(first, pronoun, 1)
            elif dice.random() < 0.5:
                clause = clause.replace(first, subject, 1)
            return _capital(context), _capital(clause + (dice.choice(_GO_ON) if dice.random() < 0.35 else "")) + "."
        if dice.random() < 0.25:
            return context, _capital(dice.choice(_REASON).format(clause)) + "."
        opening = dice.choice(_OPEN) if dice.random() < 0.5 else ""
        return context, _capital(opening + clause + (dice.choice(_GO_ON) if dice.random() < 0.4 else "")) + "."
    if _NP.match(text) and not (made and _FINITE.search(text)):
        return context, _capital(
            dice.choice(_SHOW).format(text) + (dice.choice(_GO_ON) if dice.random() < 0.4 else "")
        ) + "."
    return context, _capital(text) + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_DENIED = re.compile(r"\b(?:a|an|the|two|some) (?:[a-z]+ )?([a-z]{3,})\b")


def changed_words(old: str, new: str) -> tuple[list[str], list[str]]:
    """The words that differ between two texts, of either."""
    a, b = old.split(), new.split()
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    return a, b


class Maker:
    """Makes pairs from images' captions."""

    def __init__(self, images: Sequence[Image], dice: random.Random) -> None:
        self.images, self.dice = images, dice
        counts: Counter[str] = Counter()
        for image in images:
            counts.update(set().union(*(words_of(one) for one in image.captions)))
        self.nouns = [
            word for word, n in sorted(counts.items()) if n >= 12 and senses(word) and is_usual(word) and len(word) > 2
        ]
        self.how = corruptions(self.nouns)

    def pairs(self, image: Image) -> Iterator[dict[str, object]]:
        """All pairs of one image in one pass: sound, contradicted and neither."""
        dice = self.dice
        held = dice.randrange(len(image.captions))
        text = image.captions[held]
        rest = [one for n, one in enumerate(image.captions) if n != held]
        dice.shuffle(rest)
        rest = rest[: dice.choice((1, 2, 2, 3, 4, 4))]
        boxes = boxes_for(image, dice)
        line = [_line(boxes, dice)] if dice.random() < 0.5 else []
        yield _row([*line, *rest], worded(text, dice, rest), NOT_CONTRADICTED, "held")
        yield from self._corrupted(text, rest, line)
        if line:
            yield from self._of_boxes(boxes, line, rest)
        if dice.random() < 0.25:
            yield _row(
                [*line, *rest],
                (_capital(dice.choice(("", worded(text, dice)[1]))), dice.choice(_ASIDE)),
                NOT_CONTRADICTED,
                "aside",
            )
        if dice.random() < 0.25:
            yield from self._denials(rest, line)
        if dice.random() < 0.2:
            yield from self._yes_no(text, rest, line)

    def _corrupted(self, text: str, rest: list[str], line: list[str]) -> Iterator[dict[str, object]]:
        dice = self.dice
        notes = " ; ".join([*rest, text])
        base = dice.choice([text, text, *rest])
        names = sorted(self.how, key=lambda name: dice.random() ** (1 / SHARES[name]), reverse=True)
        n_made = 0
        for name in names:
            new = self.how[name](base, notes, dice)
            if new is None or new == base:
                continue
            old, put = changed_words(base, new)
            told = self._is_told(name, old, rest)
            if told is None and base not in rest:
                continue
            if base not in rest and not told:
                if dice.random() < 0.5:
                    yield _row([*line, *rest], worded(new, dice), NOT_CONTRADICTED, f"untold-{name}")
                continue
            flips = name in ("colour", "exclusive", "noun") and len(old) == 1 and len(put) == 1
            if flips and dice.random() < 0.45 and not line:
                changed = [re.sub(rf"\b{re.escape(old[0])}\b", put[0], one) for one in rest]
                if any(old[0] in one.split() for one in rest):
                    yield _row(changed, worded(base, dice), CONTRADICTED, f"flip-{name}")
                    yield _row(changed, worded(new, dice), NOT_CONTRADICTED, f"flipped-{name}")
            else:
                yield _row([*line, *rest], worded(new, dice, rest), CONTRADICTED, name)
                if base in rest and dice.random() < 0.7:
                    yield _row([*line, *rest], worded(base, dice, rest), ENTAILED, "told")
            n_made += 1
            if n_made == 2:
                return

    def _is_told(self, name: str, old: list[str], rest: list[str]) -> bool | None:
        """Whether other captions say what was changed; None where that is open."""
        said = words_of(" ; ".join(rest))
        kernel = [word for word in old if len(word) > 2]
        if kernel and all(word in said or singular_of(word) in said for word in kernel):
            return True
        if name == "colour":
            return (
                False
                if not said
                & {
                    "red",
                    "blue",
                    "green",
                    "yellow",
                    "orange",
                    "black",
                    "white",
                    "brown",
                    "pink",
                    "purple",
                    "gray",
                    "grey",
                    "colorful",
                }
                else None
            )
        if name == "noun" and kernel:
            return None if any(are_kin(singular_of(kernel[-1]), word) for word in said if len(word) > 2) else False
        return None

    def _of_boxes(self, boxes: dict[str, list[Box]], line: list[str], rest: list[str]) -> Iterator[dict[str, object]]:
        dice = self.dice
        for _ in range(dice.choice((1, 2))):
            is_true = dice.random() < 0.5
            question, clause = object_claims(boxes, dice, is_true=is_true)
            clause = clause if dice.random() < 0.6 else clause + dice.choice(_GO_ON)
            context = (
                question
                if dice.random() < 0.5 or clause.startswith(("it ", "yes", "no,"))
                else dice.choice((*_ASK, "", ""))
            )
            yield _row(
                [*line, *rest],
                (_capital(context), _capital(clause) + "."),
                NOT_CONTRADICTED if is_true else CONTRADICTED,
                "boxes",
            )

    def _denials(self, rest: list[str], line: list[str]) -> Iterator[dict[str, object]]:
        dice = self.dice
        found = [
            m[1]
            for one in rest
            for m in _DENIED.finditer(one)
            if senses(m[1]) and not re.search(r"(front|top|side|back|group|couple|picture|view|lot)$", m[1])
        ]
        is_true = dice.random() < 0.45 and bool(self.nouns)
        if is_true:
            noun = dice.choice(self.nouns)
            said = words_of(" ; ".join([*rest, *line]))
            if noun in said or any(are_kin(noun, word) for word in said if len(word) > 2):
                return
        elif found:
            noun = dice.choice(found)
        else:
            return
        clause = dice.choice(_OF_BOXES["denial"]).format(name=noun, names=noun)
        context = dice.choice(("", f"Is there a {noun}?", dice.choice(_ASK)))
        yield _row(
            [*line, *rest], (context, _capital(clause) + "."), NOT_CONTRADICTED if is_true else CONTRADICTED, "denial"
        )

    def _yes_no(self, text: str, rest: list[str], line: list[str]) -> Iterator[dict[str, object]]:
        dice = self.dice
        base = dice.choice(rest)
        made = clause_of(base)
        told = _IS.match(made[0]) if made else None
        if not made or not told:
            return
        notes, is_right = " ; ".join([text, *rest]), True
        if dice.random() < 0.5:
            ways = dice.sample(("exclusive", "colour", "number"), 3)
            wrong = next((new for way in ways if (new := self.how[way](made[0], notes, dice))), "")
            if other := _IS.match(wrong):
                told, is_right = other, False
        says_yes = dice.random() < 0.5
        asked = f"{_capital(told[2])} {told[1]} {told[3]}?"
        tail = dice.choice((".", ", that is the case.", ", so it seems."))
        yield _row(
            [*line, *rest],
            (asked, ("Yes" if says_yes else "No") + tail),
            NOT_CONTRADICTED if says_yes is is_right else CONTRADICTED,
            "yes-no",
        )


def _row(notes: Sequence[str], said: tuple[str, str], label: int, source: str) -> dict[str, object]:
    return {"notes": list(notes), "context": said[0], "sentence": said[1], "label": label, "source": source}


def from_snli(folder: Path) -> Iterator[dict[str, object]]:
    """SNLI in files s1, s2 and labels, one pair a line."""
    names = {"entailment": ENTAILED, "neutral": NEUTRAL, "contradiction": CONTRADICTED}
    for part in ("dev", "test"):
        columns = [
            (folder / f"{name}.{part}").read_text(encoding="utf-8").splitlines() for name in ("s1", "s2", "labels")
        ]
        for one, two, label in zip(*columns, strict=True):
            if label in names:
                tidy = [re.sub(r"\s+([.,;:!?'])", r"\1", text.strip()) for text in (one, two)]
                yield _row([tidy[0]], ("", tidy[1]), names[label], "snli")


def from_sugar(folder: Path, captions: dict[int, list[str]], dice: random.Random) -> Iterator[dict[str, object]]:
    """SugarCrepe: a caption and its hard negative, before the image's other captions; what it adds is not told."""
    for path in sorted(folder.glob("data_*.json")):
        is_added = "_add_" in path.name
        for item in json.loads(path.read_text(encoding="utf-8")).values():
            rest = [one.strip() for one in captions[int(Path(item["filename"]).stem)]]
            dice.shuffle(rest)
            rest = rest[: dice.choice((2, 3, 4, 5))]
            if is_added:
                if dice.random() < 0.3:
                    yield _row(
                        [one for one in rest if one != item["caption"]],
                        ("", item["negative_caption"]),
                        NEUTRAL,
                        "sugar-add",
                    )
                continue
            if item["caption"].strip() not in rest:
                rest.append(item["caption"].strip())
                dice.shuffle(rest)
            text = item["negative_caption"].lower().rstrip(" .")
            yield _row(
                rest,
                ("", item["negative_caption"]) if dice.random() < 0.4 else worded(text, dice, rest),
                CONTRADICTED,
                f"sugar-{path.stem[-11:]}",
            )
            if dice.random() < 0.6:
                text = item["caption"].lower().rstrip(" .")
                yield _row(
                    rest,
                    ("", item["caption"]) if dice.random() < 0.4 else worded(text, dice, rest),
                    ENTAILED,
                    "sugar-told",
                )


def read_captions(path: Path) -> dict[int, list[str]]:
    """Captions by image of a COCO file."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in json.loads(path.read_text(encoding="utf-8"))["annotations"]:
        if row["caption"].strip():
            found[row["image_id"]].append(row["caption"])
    return found


def main() -> None:
    """Write the pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--captions", type=Path, nargs="+", required=True)
    parser.add_argument("--snli", type=Path)
    parser.add_argument("--sugar", type=Path)
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    read = [read_captions(path) for path in options.captions]
    lexicon = lexicon_for(COCO_CATEGORIES)
    images = [Image(texts, lexicon) for of in read for texts in of.values() if len(texts) >= 3]
    maker = Maker(images, dice)
    rows: list[dict[str, object]] = []
    if options.snli:
        rows += from_snli(options.snli)
    if options.sugar:
        rows += from_sugar(options.sugar, {k: v for of in read[::-1] for k, v in of.items()}, dice)
    while len(rows) < options.n:
        for image in dice.sample(images, len(images)):
            rows += maker.pairs(image)
            if len(rows) >= options.n:
                break
    dice.shuffle(rows)
    with options.out.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    for name, n in Counter(f"{row['source']} {row['label']}" for row in rows).most_common():
        print(f"{n:8} {name}")


if __name__ == "__main__":
    main()
