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
from datagen.teacher.template.scenes import WORLD
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
    wordings,
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
        refusal: Answers to closed questions only.
        correction: Answers to either.
        confirmation: Answers to closed questions that are right.
    """

    closed: tuple[str, ...]
    open: tuple[str, ...]
    refusal: tuple[str, ...]
    correction: tuple[str, ...]
    confirmation: tuple[str, ...]

    def draw(self, rng: random.Random, is_true: bool, **words: str) -> QA:
        """Draw a question, of which the caller says whether it is right, and an answer that fits its form."""
        if is_true:
            return pick(rng, self.closed, **words), pick(rng, self.confirmation, **words)
        if rng.random() < 0.5:
            return pick(rng, self.closed, **words), pick(rng, self.refusal + self.correction, **words)
        return pick(rng, self.open, **words), pick(rng, self.correction, **words)


SAID = wordings("negation")
CLAIMS = {kind: ClaimWording(**roles) for kind, roles in wordings("claims").items()}


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
    said = SAID["present"]
    # A thing that fills less than 0.4 %, 35 x 35 pixels of a COCO photograph, is not worth asking for.
    shown = [name for name in facts.present if facts.boxes[name][0].area_unit > 0.004]
    if not shown:
        return None
    name = rng.choice([name for name in shown if told.isdisjoint(words_of(f"{name} {plural(name)}"))] or shown)
    words = {"amount": thing(facts, name), "are": "are" if facts.is_several(name) else "is"}
    return pick(rng, said["questions"], a=with_article(name)), pick(rng, said["confirmation"], **words)


def _shown(facts: Facts, n: int = 3) -> dict[str, str]:
    names = list(facts.present[:n])
    return {"things": list_things(facts, names), "are": "are" if facts.is_several(names[0]) else "is"}


def _questions_about_absent(name: str, *, has_other: bool) -> tuple[str, ...]:
    said = SAID["absent"]
    of_group = (
        (WORLD.animals, said["of_animals"]),
        (WORLD.vehicles, said["of_vehicles"]),
        (WORLD.held, said["of_things_held"]),
    )
    more = (question for group, asked in of_group if name in group for question in asked)
    return (*said["questions"], *more, *(said["beside_another"] if has_other else ()))


def _absent_supposed(facts: Facts, rng: random.Random, name: str) -> QA | None:
    said = SAID["supposed"]
    other = rng.choice(list(facts.unique)) if facts.unique else None
    options = _questions_about_absent(name, has_other=other is not None)
    words = {"name": name, "a": with_article(name), "be": be(name)}
    question = pick(rng, options, other=facts.name(other) if other else "", **words)
    if not facts.present:
        return question, pick(rng, said["bare"], **words)
    return question, pick(rng, said["answers"], **words, **_shown(facts))


def _absent_asked(facts: Facts, rng: random.Random, name: str) -> QA | None:
    said = SAID["present"]
    words = {"name": name, "a": with_article(name), "be": be(name)}
    return pick(rng, said["questions"], **words), pick(rng, said["refusal"], **words)


def _absent_in_list(facts: Facts, rng: random.Random, name: str) -> QA | None:
    said = SAID["in_list"]
    unique = [shown for shown in facts.unique if be(shown) == "is"]
    if len(unique) < 2 or be(name) == "are":
        return None
    shown = [facts.name(one) for one in rng.sample(unique, 2)]
    things = [with_article(one) for one in rng.sample((*shown, name), 3)]
    words = {"name": name, "shown": join_list(f"the {one}" for one in shown)}
    return pick(rng, said["questions"], things=join_list(things, "or")), pick(rng, said["answers"], **words)


def _count(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    pool = [name for name, n in facts.exact.items() if n > 1 or (name in facts.unique and not is_true)]
    if not pool:
        return None
    name = rng.choice(pool)
    n = facts.exact[name]
    asked = n if is_true else rng.choice([m for m in range(max(2, n - 2), n + 4) if m != n])
    words = {"wrong": counted(name, asked), "right": counted(name, n), "there": there_is(counted(name, n), n)}
    return CLAIMS["count"].draw(rng, is_true, n=number_word(asked), **words)


def _side(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    sides = {name: horizontal_place(box.box_unit) for name, box in facts.unique.items() if be(name) == "is"}
    pool = [name for name, side in sides.items() if side in ("left", "right")]
    if not pool:
        return None
    name = rng.choice(pool)
    side = sides[name] or ""
    words = {"name": facts.name(name), "it": it(name), "place": side_phrase(rng, side)}
    words["wrong"] = side if is_true else "right" if side == "left" else "left"
    return CLAIMS["side"].draw(rng, is_true, **words)


def _relation(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    drawn = draw_relation(facts, rng)
    if drawn is None:
        return None
    a, b, relation = drawn
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a), "right": relation_phrase(rng, relation)}
    wrong = words["right"] if is_true else relation_phrase(rng, OPPOSITE[relation])
    return CLAIMS["relation"].draw(rng, is_true, wrong=wrong, **words)


def _size(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    drawn = draw_sizes(facts, rng, 2.5)
    if drawn is None:
        return None
    big, small = drawn
    asked, other = drawn if is_true else (small, big)
    words = {"wrong": facts.the(asked), "other": facts.the(other)}
    words |= {"do": verb(asked, "does", "do"), "cover_wrong": verb(asked, "covers", "cover")}
    words |= {"the_big": facts.the(big), "the_small": facts.the(small), "cover": verb(big, "covers", "cover")}
    return CLAIMS["size"].draw(rng, is_true, **words)


def _color(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    if not facts.colors:
        return None
    name = rng.choice(list(facts.colors))
    right = facts.colors[name]
    close = {word for color in right.split() for word in (color, *WORLD.near_hues.get(color, ()))}
    wrong = rng.choice([color for color in WORLD.hues if color not in close])
    words = {"name": name, "it": it(name), "be": be(name), "right": right}
    return CLAIMS["color"].draw(rng, is_true, wrong=right if is_true else wrong, **words)


def _setting(facts: Facts, rng: random.Random, is_true: bool) -> QA | None:
    setting = facts.setting
    if setting is None or not facts.setting_is_told:
        return None
    right = setting.place
    wrong = right if is_true else rng.choice(setting.elsewhere)
    return CLAIMS["setting"].draw(rng, is_true, wrong=wrong, right=right, place=setting.name)


KINDS: tuple[ClaimKind, ...] = (_count, _side, _relation, _size, _color, _setting)
"""What may be claimed wrongly or rightly; absence and presence have wordings of their own."""
