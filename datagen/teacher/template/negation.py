"""From facts to questions that suppose something false, and polite answers that put it right."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from datagen.geometry import horizontal_place
from datagen.lexicon import counted, number_word, with_article
from datagen.teacher.template.facts import Facts
from datagen.teacher.template.phrases import (
    OPPOSITE,
    QA,
    be,
    join_list,
    pick,
    relation_phrase,
    side_phrase,
    there_is,
    verb,
)
from datagen.teacher.template.scenes import ANIMALS, HELD, VEHICLES
from datagen.teacher.template.telling import draw_relation, draw_sizes, list_things

Maker = Callable[[Facts, random.Random], QA | None]


class Asking(Struct, frozen=True):
    """Wordings of one kind of false question: yes/no or open, and the answers that fit each.

    Attributes:
        closed: Questions that may be answered with "No".
        open: Questions that take the falsehood for granted.
        no: Answers to closed questions only.
        correction: Answers to either.
    """

    closed: tuple[str, ...]
    open: tuple[str, ...]
    no: tuple[str, ...]
    correction: tuple[str, ...]

    def draw(self, rng: random.Random, **words: str) -> QA:
        """Draw a question and an answer that fits its form."""
        if rng.random() < 0.5:
            return pick(rng, self.closed, **words), pick(rng, self.no + self.correction, **words)
        return pick(rng, self.open, **words), pick(rng, self.correction, **words)


ABSENT_Q = (
    "What color is the {name}?", "Where in the image is the {name}?", "What is the {name} next to?",
    "How large is the {name} in the frame?", "Can you describe the {name} in the picture?",
    "On which side of the picture is the {name}?", "Is the {name} near the center of the image?",
)  # fmt: skip
ABSENT_WITH_Q = (
    "Is the {name} to the left of the {other}?", "How far is the {name} from the {other}?",
    "Is the {name} larger than the {other}?",
)  # fmt: skip
ABSENT_ANIMAL_Q = ("What is the {name} doing?", "Is the {name} lying down or standing?",
                   "Which way is the {name} looking?",
                   "Why is the {name} in the picture?", "What is the {name} looking at?")  # fmt: skip
ABSENT_VEHICLE_Q = ("Where is the {name} going?", "Is the {name} parked or moving?", "Who is riding in the {name}?",
                    "Which way is the {name} facing?")  # fmt: skip
ABSENT_HELD_Q = ("Who is holding the {name}?", "Who does the {name} belong to?", "What is the {name} being used for?")
ABSENT_A = (
    "There is no {name} in this image. It shows {things}.",
    "The question does not fit the picture: there is no {name}, but it does show {things}.",
    "The image does not show {a}. It does show {things}.",
    "That question does not fit the picture: there is no {name} here, but there {be} {things}.",
    "No {name} can be seen here. The scene has {things} instead.",
    "Looking over the scene, I find {things}, but no {name}.",
)
ABSENT_BARE_A = (
    "There is no {name} in this image.", "The image does not show {a}, so there is nothing to say about it.",
    "The question does not fit the picture, as no {name} can be seen.",
    "That question does not fit the picture: it shows no {name}.",
)  # fmt: skip
IS_THERE_Q = ("Is there {a} in the picture?", "Can {a} be seen anywhere?", "Does the scene include {a}?",
              "Is {a} part of this image?", "Do you notice {a} here?")  # fmt: skip
IS_THERE_A = (
    "No, there is no {name} in this image.", "No, the scene does not include {a}.", "No, I can see no {name} in it.",
    "No, {a} is not part of this picture.", "No, there is no {name} to be seen.",
)  # fmt: skip
MISSING_Q = (
    "Which of these is not in the image: {things}?", "One of these is missing from the picture: {things}. Which one?",
    "Of {things}, which cannot be seen here?", "Which one does not belong to this scene: {things}?",
)  # fmt: skip
MISSING_A = (
    "The {name} is missing; {shown} can both be seen.", "There is no {name} in the picture, while {shown} are there.",
    "It is the {name}: the image shows {shown}, but no {name}.",
    "The picture has {shown}, so the missing one is the {name}.",
)  # fmt: skip
COUNT_Q = Asking(
    ("Are there {wrong} in the image?", "Do you see {wrong} here?", "Is it true that the picture shows {wrong}?",
     "Would you say that there are {wrong}?"),
    ("Why are there {wrong} in the image?", "What are the {wrong} doing here?", "Where are the {wrong} placed?",
     "Can you describe the {wrong} in the picture?"),
    ("No, {there}.", "No, the image shows {right}, not {n}.", "No, I count {right} here.",
     "No, that is not the right number; {there}."),
    ("{there}, not {n}.", "The picture does not show {wrong}; {there}.", "That number is not right: {there}.",
     "I count {right} in this image rather than {n}.", "The image shows {right}, not {n}."),
)  # fmt: skip
SIDE_Q = Asking(
    ("Is the {name} on the {wrong} side of the picture?", "Do you see the {name} on the {wrong}?",
     "Is it true that the {name} is on the {wrong}?"),
    ("What can you say about the {name} on the {wrong} side of the image?", "Why is the {name} on the {wrong} side?",
     "What is next to the {name} on the {wrong}?", "Can you describe the {name} in the {wrong} half of the image?"),
    ("No, the {name} is {place}.", "No, it is the other side: the {name} is {place}.",
     "No, you can find the {name} {place}."),
    ("The {name} is not on the {wrong}; {it} is {place}.",
     "The {wrong} side is not where the {name} is: {it} can be seen {place}.",
     "In this image the {name} is {place}, not on the {wrong}.", "The {name} is actually {place}."),
)  # fmt: skip
RELATION_Q = Asking(
    ("{be} {the_a} {wrong} {the_b}?", "Is it true that {the_a} {be} {wrong} {the_b}?",
     "Would you agree that {the_a} {be} {wrong} {the_b}?", "Can you confirm that {the_a} {be} {wrong} {the_b}?"),
    ("Why {be} {the_a} {wrong} {the_b}?", "What does it mean that {the_a} {be} {wrong} {the_b}?"),
    ("No, {the_a} {be} {right} {the_b}.", "No, that is reversed: {the_a} {be} {right} {the_b}."),
    ("It is the other way around: {the_a} {be} {right} {the_b}.", "Actually, {the_a} {be} {right} {the_b}.",
     "That is not what the image shows; {the_a} {be} {right} {the_b}."),
)  # fmt: skip
SIZE_Q = Asking(
    ("Does {the_small} take up more of the picture than {the_big}?",
     "Does {the_small} look larger in the frame than {the_big}?",
     "Is it right that {the_small} {covers_small} more of the image than {the_big}?"),
    ("Why does {the_small} look larger in the frame than {the_big}?",
     "Why does {the_small} take up more space than {the_big}?"),
    ("No, {the_big} {cover} more of the picture than {the_small}.",
     "No, of the two {the_big} clearly {cover} more of the image."),
    ("It is the other way around: {the_big} {cover} the larger area in the frame.",
     "That is reversed; {the_big} {cover} more of the frame than {the_small}.",
     "The image does not show that: {the_small} {covers_small} less of the frame than {the_big}."),
)  # fmt: skip
COLOR_Q = Asking(
    ("Is the {name} {wrong}?", "Would you call the {name} {wrong}?", "Is it true that the {name} is {wrong}?"),
    ("Why is the {name} {wrong}?", "Where is the {wrong} {name}?", "Can you describe the {wrong} {name}?"),
    ("No, the {name} is {right}.", "No, it is {right}.", "No, the {name} in this image is {right}."),
    ("The {name} is not {wrong}; it is {right}.", "The {name} is {right} rather than {wrong}.",
     "In this image the {name} is {right}, not {wrong}.", "The {name} is {right}, so {wrong} does not fit."),
)  # fmt: skip
SETTING_Q = Asking(
    ("Was this picture taken {wrong}?", "Is this scene set {wrong}?", "Does the image show a scene {wrong}?"),
    ("What tells you that this was taken {wrong}?", "Why was this picture taken {wrong}?",
     "What is typical of a scene {wrong} here?"),
    ("No, this is {place}.", "No, the setting is {place}.", "No, the picture was taken {right}."),
    ("The scene is not {wrong}; it is {right}.", "This was not taken {wrong} but {right}.",
     "That does not match the picture, which was taken {right}."),
)  # fmt: skip
_COLORS = "red orange yellow green blue purple pink brown black white".split()


def write_negation(facts: Facts, rng: random.Random) -> list[QA]:
    """Write two to four refutations (fewer only where the facts carry no more); empty when none is sure."""
    wanted = rng.choices((2, 3, 4), (2, 3, 2))[0]
    makers: list[Maker] = [_wrong_count, _wrong_side, _wrong_relation, _wrong_size, _wrong_color, _wrong_setting]
    denials = rng.sample((_absent_supposed, _absent_asked, _absent_in_list), 3)
    makers += [partial(deny, name=name) for name, deny in zip(facts.draw_absent(rng, 3), denials, strict=False)]
    turns: list[QA] = []
    for maker in rng.sample(makers, len(makers)):
        turn = maker(facts, rng)
        if turn is not None and len(turns) < wanted:
            turns.append(turn)
    return turns


def _shown(facts: Facts, n: int = 3) -> dict[str, str]:
    names = list(facts.present[:n])
    return {"things": list_things(facts, names), "be": "are" if facts.is_several(names[0]) else "is"}


def _absent_supposed(facts: Facts, rng: random.Random, name: str) -> QA | None:
    options = list(ABSENT_Q)
    for group, questions in ((ANIMALS, ABSENT_ANIMAL_Q), (VEHICLES, ABSENT_VEHICLE_Q), (HELD, ABSENT_HELD_Q)):
        if name in group:
            options += questions
    other = rng.choice(list(facts.unique)) if facts.unique else None
    if other:
        options += ABSENT_WITH_Q
    question = pick(rng, options, name=name, other=facts.name(other) if other else "")
    if not facts.present:
        return question, pick(rng, ABSENT_BARE_A, name=name, a=with_article(name))
    return question, pick(rng, ABSENT_A, name=name, a=with_article(name), **_shown(facts))


def _absent_asked(facts: Facts, rng: random.Random, name: str) -> QA | None:
    words = {"name": name, "a": with_article(name)}
    return pick(rng, IS_THERE_Q, **words), pick(rng, IS_THERE_A, **words)


def _absent_in_list(facts: Facts, rng: random.Random, name: str) -> QA | None:
    unique = [shown for shown in facts.unique if be(shown) == "is"]
    if len(unique) < 2 or be(name) == "are":
        return None
    shown = [facts.name(one) for one in rng.sample(unique, 2)]
    things = [with_article(one) for one in rng.sample((*shown, name), 3)]
    words = {"name": name, "shown": join_list(f"the {one}" for one in shown)}
    return pick(rng, MISSING_Q, things=join_list(things, "or")), pick(rng, MISSING_A, **words)


def _wrong_count(facts: Facts, rng: random.Random) -> QA | None:
    pool = [name for name, n in facts.exact.items() if n > 1 or name in facts.unique]
    if not pool:
        return None
    name = rng.choice(pool)
    n = facts.exact[name]
    wrong = rng.choice([m for m in range(max(2, n - 2), n + 4) if m != n])
    words = {"wrong": counted(name, wrong), "right": counted(name, n), "there": there_is(counted(name, n), n)}
    return COUNT_Q.draw(rng, n=number_word(wrong), **words)


def _wrong_side(facts: Facts, rng: random.Random) -> QA | None:
    sides = {name: horizontal_place(box.box_unit) for name, box in facts.unique.items() if be(name) == "is"}
    pool = [name for name, side in sides.items() if side in ("left", "right")]
    if not pool:
        return None
    name = rng.choice(pool)
    side = sides[name] or ""
    words = {"name": facts.name(name), "it": _pronoun(name)}
    words |= {"wrong": "right" if side == "left" else "left", "place": side_phrase(rng, side)}
    return SIDE_Q.draw(rng, **words)


def _pronoun(name: str) -> str:
    return "that person" if name == "person" else "it"


def _wrong_relation(facts: Facts, rng: random.Random) -> QA | None:
    drawn = draw_relation(facts, rng)
    if drawn is None:
        return None
    a, b, relation = drawn
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a)}
    right, wrong = relation_phrase(rng, relation), relation_phrase(rng, OPPOSITE[relation])
    return RELATION_Q.draw(rng, right=right, wrong=wrong, **words)


def _wrong_size(facts: Facts, rng: random.Random) -> QA | None:
    drawn = draw_sizes(facts, rng, 2.5)
    if drawn is None or be(drawn[1]) == "are":
        return None
    big, small = drawn
    words = {"the_big": facts.the(big), "the_small": facts.the(small)}
    return SIZE_Q.draw(rng, covers_small="covers", cover=verb(big, "covers", "cover"), **words)


def _wrong_color(facts: Facts, rng: random.Random) -> QA | None:
    if not facts.colors:
        return None
    name = rng.choice(list(facts.colors))
    right = facts.colors[name]
    near = {
        "red": "pink orange brown",
        "orange": "red yellow brown",
        "blue": "purple",
        "brown": "red orange",
        "yellow": "orange",
    }
    close = {word for color in right.split() for word in (color, *near.get(color, "").split())}
    wrong = rng.choice([color for color in _COLORS if color not in close and color not in ("black", "white")])
    words = {"name": name, "wrong": wrong, "right": right}
    return COLOR_Q.draw(rng, **words)


def _wrong_setting(facts: Facts, rng: random.Random) -> QA | None:
    setting = facts.setting
    if setting is None or not facts.setting_is_told:
        return None
    right = f"{setting.preposition} {setting.name}"
    words = {"wrong": rng.choice(setting.elsewhere), "right": right, "place": setting.name}
    return SETTING_Q.draw(rng, **words)
