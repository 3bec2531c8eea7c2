"""The embedded teacher's negation: questions with a false premise, answers that put it right, and one that is right."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec import Struct

from datagen.geometry import horizontal_place
from datagen.lexicon import counted, number_word, plural, with_article
from datagen.teacher.template.captions import words_of
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.scenes import ANIMALS, HELD, VEHICLES
from datagen.teacher.template.shared_wording import (
    OPPOSITE,
    QA,
    be,
    draw_relation,
    draw_sizes,
    it,
    join_list,
    list_things,
    pick,
    relation_phrase,
    side_phrase,
    there_is,
    thing,
    verb,
)

Maker = Callable[[Facts, random.Random], QA | None]


class ClaimKind(Protocol):
    """A kind of fact that a question may have right or wrong."""

    def __call__(self, facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
        """Ask about it, claiming what is true or what is false; None when the facts carry no such claim."""


class ClaimWording(Struct, frozen=True):
    """Wordings of one kind of question: yes/no or open, and the answers that fit each.

    A question's ``{wrong}`` is what it claims; the question that is right has the truth in its place.

    Attributes:
        closed: Questions that may be answered with "Yes" or "No".
        open: Questions that take the falsehood for granted.
        no: Answers to closed questions only.
        correction: Answers to either.
        yes: Answers to closed questions that are right.
    """

    closed: tuple[str, ...]
    open: tuple[str, ...]
    no: tuple[str, ...]
    correction: tuple[str, ...]
    yes: tuple[str, ...]

    def draw(self, rng: random.Random, is_true: bool, **words: str) -> QA:
        """Draw a question, of which the caller says whether it is right, and an answer that fits its form."""
        if is_true:
            return pick(rng, self.closed, **words), pick(rng, self.yes, **words)
        if rng.random() < 0.5:
            return pick(rng, self.closed, **words), pick(rng, self.no + self.correction, **words)
        return pick(rng, self.open, **words), pick(rng, self.correction, **words)


IS_THERE_Q = ("Is there {a} in the picture?", "Can {a} be seen anywhere?", "Does the scene include {a}?",
              "Is {a} part of this image?", "Do you notice {a} here?")  # fmt: skip
COUNT_Q = ClaimWording(
    ("Are there {wrong} in the image?", "Do you see {wrong} here?", "Is it true that the picture shows {wrong}?",
     "Would you say that there are {wrong}?"),
    ("Why are there {wrong} in the image?", "What are the {wrong} doing here?", "Where are the {wrong} placed?",
     "Can you describe the {wrong} in the picture?"),
    ("No, {there}.", "No, the image shows {right}, not {n}.", "No, I count {right} here.",
     "No, that is not the right number; {there}."),
    ("{there}, not {n}.", "The picture does not show {wrong}; {there}.", "That number is not right: {there}.",
     "I count {right} in this image rather than {n}.", "The image shows {right}, not {n}."),
    ("Yes, {there}.", "Yes, the image shows {right}.", "Yes, I count {right} here.", "Yes, that is right; {there}."),
)  # fmt: skip
SIDE_Q = ClaimWording(
    ("Is the {name} on the {wrong} side of the picture?", "Do you see the {name} on the {wrong}?",
     "Is it true that the {name} is on the {wrong}?"),
    ("What can you say about the {name} on the {wrong} side of the image?", "Why is the {name} on the {wrong} side?",
     "What is next to the {name} on the {wrong}?", "Can you describe the {name} in the {wrong} half of the image?"),
    ("No, the {name} is {place}.", "No, it is the other side: the {name} is {place}.",
     "No, you can find the {name} {place}."),
    ("The {name} is not on the {wrong}; {it} is {place}.",
     "The {wrong} side is not where the {name} is: {it} can be seen {place}.",
     "In this image the {name} is {place}, not on the {wrong}.", "The {name} is actually {place}."),
    ("Yes, the {name} is {place}.", "Yes, that is the side: the {name} is {place}.",
     "Yes, you can find the {name} {place}."),
)  # fmt: skip
RELATION_Q = ClaimWording(
    ("{be} {the_a} {wrong} {the_b}?", "Is it true that {the_a} {be} {wrong} {the_b}?",
     "Would you agree that {the_a} {be} {wrong} {the_b}?", "Can you confirm that {the_a} {be} {wrong} {the_b}?"),
    ("Why {be} {the_a} {wrong} {the_b}?", "What does it mean that {the_a} {be} {wrong} {the_b}?"),
    ("No, {the_a} {be} {right} {the_b}.", "No, that is reversed: {the_a} {be} {right} {the_b}."),
    ("It is the other way around: {the_a} {be} {right} {the_b}.", "Actually, {the_a} {be} {right} {the_b}.",
     "That is not what the image shows; {the_a} {be} {right} {the_b}."),
    ("Yes, {the_a} {be} {right} {the_b}.", "Yes, that is right: {the_a} {be} {right} {the_b}."),
)  # fmt: skip
SIZE_Q = ClaimWording(
    ("{do} {wrong} take up more of the picture than {other}?", "{do} {wrong} look larger in the frame than {other}?",
     "Is it right that {wrong} {cover_wrong} more of the image than {other}?"),
    ("Why {do} {wrong} look larger in the frame than {other}?", "Why {do} {wrong} take up more space than {other}?"),
    ("No, {the_big} {cover} more of the picture than {the_small}.",
     "No, of the two {the_big} clearly {cover} more of the image."),
    ("It is the other way around: {the_big} {cover} the larger area in the frame.",
     "That is reversed; {the_big} {cover} more of the frame than {the_small}.",
     "The image does not show that: {the_small} {cover_wrong} less of the frame than {the_big}."),
    ("Yes, {the_big} {cover} more of the picture than {the_small}.",
     "Yes, of the two {the_big} clearly {cover} more of the image."),
)  # fmt: skip
COLOR_Q = ClaimWording(
    ("{be} the {name} {wrong}?", "Would you call the {name} {wrong}?", "Is it true that the {name} {be} {wrong}?"),
    ("Why {be} the {name} {wrong}?", "Where {be} the {wrong} {name}?", "Can you describe the {wrong} {name}?"),
    ("No, the {name} {be} {right}.", "No, {it} {be} {right}.", "No, the {name} in this image {be} {right}."),
    ("The {name} {be} not {wrong}; {it} {be} {right}.", "The {name} {be} {right} rather than {wrong}.",
     "In this image the {name} {be} {right}, not {wrong}.", "The {name} {be} {right}, so {wrong} does not fit."),
    ("Yes, the {name} {be} {right}.", "Yes, {it} {be} {right}.", "Yes, the {name} in this image {be} {right}."),
)  # fmt: skip
SETTING_Q = ClaimWording(
    ("Was this picture taken {wrong}?", "Is this scene set {wrong}?", "Does the image show a scene {wrong}?"),
    ("What tells you that this was taken {wrong}?", "Why was this picture taken {wrong}?",
     "What is typical of a scene {wrong} here?"),
    ("No, this is {place}.", "No, the setting is {place}.", "No, the picture was taken {right}."),
    ("The scene is not {wrong}; it is {right}.", "This was not taken {wrong} but {right}.",
     "That does not match the picture, which was taken {right}."),
    ("Yes, this is {place}.", "Yes, the setting is {place}.", "Yes, the picture was taken {right}."),
)  # fmt: skip
_COLORS = "red orange yellow green blue purple pink brown".split()
_NEAR_COLORS = {
    "red": "pink orange brown", "orange": "red yellow brown", "blue": "purple", "brown": "red orange",
    "yellow": "orange",
}  # fmt: skip


def write_negation(facts: Facts, rng: random.Random) -> list[QA]:
    """Write two to four refutations (fewer only where the facts carry no more) and, among them, one confirmation.

    About a quarter of the turns so say yes, and no kind both refutes and confirms. Empty when no refutation is sure.
    """
    wanted = rng.choices((2, 3, 4), (2, 3, 2))[0]
    makers: list[tuple[Maker, ClaimKind | None]] = [(partial(kind, is_true=False), kind) for kind in KINDS]
    denials = rng.sample((_absent_supposed, _absent_asked, _absent_in_list), 3)
    makers += [(partial(deny, name=name), None) for name, deny in zip(facts.draw_absent(rng, 3), denials, strict=False)]
    turns: list[QA] = []
    unused = list(KINDS)
    for maker, kind in rng.sample(makers, len(makers)):
        turn = maker(facts, rng) if len(turns) < wanted else None
        if turn is not None:
            turns.append(turn)
            unused = [other for other in unused if other is not kind]
    if turns:
        _confirm_among(turns, unused, facts, rng)
    return turns


def _confirm_among(turns: list[QA], kinds: list[ClaimKind], facts: Facts, rng: random.Random) -> None:
    """Put a question that is right, of one of these kinds, somewhere among the turns."""
    told = frozenset(words_of(" ".join(answer for _, answer in turns)))
    confirm: list[Maker] = [partial(kind, is_true=True) for kind in kinds]
    confirm.append(partial(_present_asked, told=told))
    for maker in rng.sample(confirm, len(confirm)):
        turn = maker(facts, rng)
        if turn is not None:
            turns.insert(rng.randint(0, len(turns)), turn)
            return


def _present_asked(facts: Facts, rng: random.Random, told: frozenset[str]) -> QA | None:
    is_there_yes = (
        "Yes, there {are} {amount} in this image.", "Yes, the scene includes {amount}.",
        "Yes, I can see {amount} in it.", "Yes, {amount} {are} part of this picture.",
        "Yes, there {are} {amount} to be seen.",
    )  # fmt: skip
    # A thing that fills less than 0.4 %, 35 x 35 pixels of a COCO photograph, is not worth asking for.
    shown = [name for name in facts.present if facts.boxes[name][0].area_unit > 0.004]
    if not shown:
        return None
    name = rng.choice([name for name in shown if told.isdisjoint(words_of(f"{name} {plural(name)}"))] or shown)
    words = {"amount": thing(facts, name), "are": "are" if facts.is_several(name) else "is"}
    return pick(rng, IS_THERE_Q, a=with_article(name)), pick(rng, is_there_yes, **words)


def _shown(facts: Facts, n: int = 3) -> dict[str, str]:
    names = list(facts.present[:n])
    return {"things": list_things(facts, names), "are": "are" if facts.is_several(names[0]) else "is"}


def _questions_about_absent(name: str, *, has_other: bool) -> tuple[str, ...]:
    questions = (
        "What color {be} the {name}?", "Where in the image {be} the {name}?", "What {be} the {name} next to?",
        "How large {be} the {name} in the frame?", "Can you describe the {name} in the picture?",
        "On which side of the picture {be} the {name}?", "{be} the {name} near the center of the image?",
    )  # fmt: skip
    beside_another = (
        "{be} the {name} to the left of the {other}?", "How far {be} the {name} from the {other}?",
        "{be} the {name} larger than the {other}?",
    )  # fmt: skip
    of_animals = (
        "What is the {name} doing?", "Is the {name} lying down or standing?", "Which way is the {name} looking?",
        "Why is the {name} in the picture?", "What is the {name} looking at?",
    )  # fmt: skip
    of_vehicles = (
        "Where is the {name} going?", "Is the {name} parked or moving?", "Who is riding in the {name}?",
        "Which way is the {name} facing?",
    )  # fmt: skip
    of_things_held = (
        "Who is holding the {name}?", "Who does the {name} belong to?", "What is the {name} being used for?",
    )  # fmt: skip
    of_group = ((ANIMALS, of_animals), (VEHICLES, of_vehicles), (HELD, of_things_held))
    more = (question for group, asked in of_group if name in group for question in asked)
    return (*questions, *more, *(beside_another if has_other else ()))


def _absent_supposed(facts: Facts, rng: random.Random, name: str) -> QA | None:
    absent_answers = (
        "There {be} no {name} in this image. It shows {things}.",
        "The question does not fit the picture: there {be} no {name}, but it does show {things}.",
        "The image does not show {a}. It does show {things}.",
        "That question does not fit the picture: there {be} no {name} here, but there {are} {things}.",
        "No {name} can be seen here. The scene has {things} instead.",
        "Looking over the scene, I find {things}, but no {name}.",
    )
    absent_bare_answers = (
        "There {be} no {name} in this image.", "The image does not show {a}, so there is nothing to say about that.",
        "The question does not fit the picture, as no {name} can be seen.",
        "That question does not fit the picture: it shows no {name}.",
    )  # fmt: skip
    other = rng.choice(list(facts.unique)) if facts.unique else None
    options = _questions_about_absent(name, has_other=other is not None)
    words = {"name": name, "a": with_article(name), "be": be(name)}
    question = pick(rng, options, other=facts.name(other) if other else "", **words)
    if not facts.present:
        return question, pick(rng, absent_bare_answers, **words)
    return question, pick(rng, absent_answers, **words, **_shown(facts))


def _absent_asked(facts: Facts, rng: random.Random, name: str) -> QA | None:
    answers = (
        "No, there {be} no {name} in this image.", "No, the scene does not include {a}.",
        "No, I can see no {name} in it.", "No, {a} is not part of this picture.",
        "No, there {be} no {name} to be seen.",
    )  # fmt: skip
    words = {"name": name, "a": with_article(name), "be": be(name)}
    return pick(rng, IS_THERE_Q, **words), pick(rng, answers, **words)


def _absent_in_list(facts: Facts, rng: random.Random, name: str) -> QA | None:
    questions = (
        "Which of these is not in the image: {things}?",
        "One of these is missing from the picture: {things}. Which one?", "Of {things}, which cannot be seen here?",
        "Which one does not belong to this scene: {things}?",
    )  # fmt: skip
    answers = (
        "The {name} is missing; {shown} can both be seen.",
        "There is no {name} in the picture, while {shown} are there.",
        "It is the {name}: the image shows {shown}, but no {name}.",
        "The picture has {shown}, so the missing one is the {name}.",
    )
    unique = [shown for shown in facts.unique if be(shown) == "is"]
    if len(unique) < 2 or be(name) == "are":
        return None
    shown = [facts.name(one) for one in rng.sample(unique, 2)]
    things = [with_article(one) for one in rng.sample((*shown, name), 3)]
    words = {"name": name, "shown": join_list(f"the {one}" for one in shown)}
    return pick(rng, questions, things=join_list(things, "or")), pick(rng, answers, **words)


def _count(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    pool = [name for name, n in facts.exact.items() if n > 1 or (name in facts.unique and not is_true)]
    if not pool:
        return None
    name = rng.choice(pool)
    n = facts.exact[name]
    asked = n if is_true else rng.choice([m for m in range(max(2, n - 2), n + 4) if m != n])
    words = {"wrong": counted(name, asked), "right": counted(name, n), "there": there_is(counted(name, n), n)}
    return COUNT_Q.draw(rng, is_true, n=number_word(asked), **words)


def _side(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    sides = {name: horizontal_place(box.box_unit) for name, box in facts.unique.items() if be(name) == "is"}
    pool = [name for name, side in sides.items() if side in ("left", "right")]
    if not pool:
        return None
    name = rng.choice(pool)
    side = sides[name] or ""
    words = {"name": facts.name(name), "it": it(name), "place": side_phrase(rng, side)}
    words["wrong"] = side if is_true else "right" if side == "left" else "left"
    return SIDE_Q.draw(rng, is_true, **words)


def _relation(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    drawn = draw_relation(facts, rng)
    if drawn is None:
        return None
    a, b, relation = drawn
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a), "right": relation_phrase(rng, relation)}
    wrong = words["right"] if is_true else relation_phrase(rng, OPPOSITE[relation])
    return RELATION_Q.draw(rng, is_true, wrong=wrong, **words)


def _size(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    drawn = draw_sizes(facts, rng, 2.5)
    if drawn is None:
        return None
    big, small = drawn
    asked, other = drawn if is_true else (small, big)
    words = {"wrong": facts.the(asked), "other": facts.the(other)}
    words |= {"do": verb(asked, "does", "do"), "cover_wrong": verb(asked, "covers", "cover")}
    words |= {"the_big": facts.the(big), "the_small": facts.the(small), "cover": verb(big, "covers", "cover")}
    return SIZE_Q.draw(rng, is_true, **words)


def _color(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    if not facts.colors:
        return None
    name = rng.choice(list(facts.colors))
    right = facts.colors[name]
    close = {word for color in right.split() for word in (color, *_NEAR_COLORS.get(color, "").split())}
    wrong = rng.choice([color for color in _COLORS if color not in close])
    words = {"name": name, "it": it(name), "be": be(name), "right": right}
    return COLOR_Q.draw(rng, is_true, wrong=right if is_true else wrong, **words)


def _setting(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    setting = facts.setting
    if setting is None or not facts.setting_is_told:
        return None
    right = f"{setting.preposition} {setting.name}"
    wrong = right if is_true else rng.choice(setting.elsewhere)
    return SETTING_Q.draw(rng, is_true, wrong=wrong, right=right, place=setting.name)


KINDS: tuple[ClaimKind, ...] = (_count, _side, _relation, _size, _color, _setting)
"""What may be claimed wrongly or rightly; absence and presence have wordings of their own."""
