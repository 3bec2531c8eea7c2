"""From a scene, or a picture with boxes, to questions about it, each with its true answer and false ones worded alike.

Half are short probes ("Is there a dog in the image?" - "Yes."), the rest carries the embedded
teacher's own wording. Truth comes from ``datagen.geometry``: where boxes leave a doubt, nothing is asked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct

from datagen.claims.kind import presence_question
from datagen.claims.kinds.count import count_question
from datagen.claims.kinds.place import quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.claims.layout import CLEARLY_LARGER, area_of
from datagen.geometry import Relation, count_objects, horizontal_place, relation_between, unique_boxes, vertical_place
from datagen.lexicon import counted, number_word, plural, with_article
from datagen.records import AnnotatedImage, Box
from datagen.teacher.template.negation import CLAIMS
from datagen.teacher.template.shared_wording import (
    OPPOSITE,
    SHARED,
    be,
    capital,
    many_of,
    pick,
    relation_phrase,
    side_phrase,
    there_is,
    verb,
)
from training.captions import write_captions
from training.scenes import Scene

Kind = Literal["presence", "count", "side", "relation", "quadrant", "size", "caption"]
JUDGED: tuple[Kind, ...] = ("presence", "count", "side", "relation", "quadrant", "size")
"""Kinds that have false answers, so that accuracy can be measured."""
MOST = 8
"""Counts are told apart from one to this."""
Size = Literal["larger", "smaller"]
_YES_NO = ("Yes.", "No.")
_CORNER = ("in the {down} {across} part of the image", "toward the {down} {across} of the frame")
_MIRROR = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_HALF = {"top": "upper", "bottom": "lower"}


class Question(Struct, frozen=True):
    """One question about one scene.

    Attributes:
        answer: The true answer.
        wrong: False answers in the same wording; empty for a caption.
        mentions: (category, index of the last character of its name in the question).
        is_probe: True for the short canonical form.
    """

    kind: Kind
    question: str
    answer: str
    wrong: tuple[str, ...]
    mentions: tuple[tuple[str, int], ...] = ()
    is_probe: bool = True


class QuestionMix(Struct, frozen=True, kw_only=True):
    """Which questions are asked, and how often; the shares are those that the recipe was tried with."""

    presence: float = 2
    count: float = 2
    side: float = 2
    relation: float = 3
    quadrant: float = 2
    size: float = 2
    caption: float = 0
    lone: float = 1.0  # share of things standing alone whose number may be asked
    probes: float = 0.6  # share in the short canonical form
    most: int = 8  # questions a scene


class Facts:
    """What may be asked about a picture.

    Args:
        image: At least one box.
        absent: Categories that are not there.
        rng: Chooses what is asked and how it is worded.

    Attributes:
        counts: Categories whose number is known, and that number.
        present: Categories that are there.
        unique: Categories that are there once, with their box.
        lone: Share of things standing alone whose number may be asked.
        scene: What captions are written of; None where there are none.
    """

    def __init__(self, image: AnnotatedImage, absent: Sequence[str], rng: random.Random) -> None:
        self.rng, self.lone = rng, 1.0
        self.scene: Scene | None = None
        self.counts = {name: count.at_least for name, count in count_objects(image.boxes).items() if count.is_exact}
        self.present = tuple(dict.fromkeys(box.category for box in image.boxes))
        self.absent = tuple(absent)
        self.unique: dict[str, Box] = unique_boxes(image)


def ask(scene: Scene, categories: Sequence[str], rng: random.Random, mix: QuestionMix) -> list[Question]:
    """Draw questions about a scene, see ``draw_questions``.

    Args:
        scene: At least one object.
        categories: Every category the model knows; absent ones are drawn from them.
        rng: The same state gives the same questions.
        mix: Weights of the kinds, the share of probes, and how many questions at most.
    """
    image = scene.annotated()
    shown = {box.category for box in image.boxes}
    facts = Facts(image, [name for name in categories if name not in shown], rng)
    facts.scene = scene
    return draw_questions(facts, mix)


def draw_questions(facts: Facts, mix: QuestionMix) -> list[Question]:
    """Draw questions, none twice, yes and no equally likely whatever the picture shows."""
    facts.lone = mix.lone
    streams = {kind: ask_about(facts, mix.probes) for kind, ask_about in _ASKERS.items() if getattr(mix, kind) > 0}
    asked: list[Question] = []
    while streams and len(asked) < mix.most:
        kind = facts.rng.choices(tuple(streams), [getattr(mix, kind) for kind in streams])[0]
        drawn = next(streams[kind], None)
        if drawn is None:
            del streams[kind]
        else:
            asked += drawn
    return asked[: mix.most]


def probe(kind: Kind, name: str, other: str = "", relation: Relation = "left of", size: Size = "larger") -> str:
    """The canonical question, as the validator asks it of a claim."""
    if kind == "presence":
        return presence_question(name)
    if kind == "count":
        return count_question(name)
    if kind == "side":
        return side_question(name)
    if kind == "relation":
        return relation_question(name, relation, other)
    if kind == "size":
        return size_question(name, size, other)
    return quarter_question(name)


def _ask_presence(facts: Facts, probes: float) -> Iterator[list[Question]]:
    """Ask about one thing that is there and one that is not, together, so that neither answer is the safer guess."""
    rng = facts.rng
    for name, missing in zip(rng.sample(facts.present, len(facts.present)), _shuffled(facts.absent, rng), strict=False):
        pair = [_presence(facts, name, True, probes), _presence(facts, missing, False, probes)]
        yield pair if rng.random() < 0.5 else pair[::-1]


def _presence(facts: Facts, name: str, is_there: bool, probes: float) -> Question:
    rng = facts.rng
    asked = with_article(name)
    if rng.random() < probes:
        yes, no = _YES_NO
        return _question("presence", probe("presence", name), (yes, no) if is_there else (no, yes), (name,), asked)
    n = facts.counts.get(name, 1)
    amount = asked if n == 1 else counted(name, n)
    yes = pick(rng, SHARED["there"]["confirmation"], amount=amount, be="is" if n == 1 else "are")
    none = plural(name) if be(name) == "are" else name
    no = pick(rng, SHARED["there"]["refusal"], name=none, be=be(name), any=asked)
    text = pick(rng, SHARED["there"]["questions"], a=asked, be="is")
    return _question("presence", text, (yes, no) if is_there else (no, yes), (name,), asked, is_probe=False)


def _ask_count(facts: Facts, probes: float) -> Iterator[list[Question]]:
    rng = facts.rng
    # A lone object is the likeliest guess; several of a kind come first, so that numbers must be read.
    names = sorted(_shuffled(tuple(facts.counts), rng), key=lambda name: facts.counts[name] == 1 and rng.random() < 0.6)
    for name in names:
        n = facts.counts[name]
        if not 1 <= n <= MOST or (n == 1 and facts.lone < 1 and rng.random() >= facts.lone):
            continue
        others = [m for m in range(1, MOST + 1) if m != n]
        if rng.random() < probes:
            answers = tuple(capital(f"{number_word(m)}.") for m in (n, *others))
            yield [_question("count", probe("count", name), answers, (name,), many_of(name))]
        elif rng.random() < 0.5:
            wording = rng.choice(SHARED["count"]["answers"])
            answers = tuple(
                capital(wording.format(there=there_is(counted(name, m), m), amount=counted(name, m)))
                for m in (n, *others)
            )
            text = pick(rng, SHARED["count"]["questions"], names=many_of(name))
            yield [_question("count", text, answers, (name,), many_of(name), is_probe=False)]
        else:
            near = [m for m in (n - 2, n - 1, n + 1, n + 2) if 2 <= m <= MOST]
            is_true = n > 1 and rng.random() < 0.5
            claim = counted(name, n if is_true else rng.choice(near))
            text = pick(rng, CLAIMS["count"].closed, wrong=claim)
            yield [_question("count", text, _yes_no(is_true), (name,), claim, is_probe=False)]


def _ask_side(facts: Facts, probes: float) -> Iterator[list[Question]]:
    rng = facts.rng
    for name in _shuffled(tuple(facts.unique), rng):
        box, the = facts.unique[name].box_unit, f"the {name}"
        side = horizontal_place(box)
        if side in ("left", "right") and rng.random() < probes:
            answers = (f"{capital(side)}.", f"{capital(_MIRROR[side])}.")
            yield [_question("side", probe("side", name), answers, (name,), the)]
        elif side in ("left", "right") and rng.random() < 0.5 and be(name) == "is":
            is_true = rng.random() < 0.5
            text = pick(rng, CLAIMS["side"].closed, name=name, wrong=side if is_true else _MIRROR[side])
            yield [_question("side", text, _yes_no(is_true), (name,), the, is_probe=False)]
        elif (place := side if side in ("left", "right") else vertical_place(box)) in _MIRROR:
            state = rng.getstate()
            right = side_phrase(rng, place)
            rng.setstate(state)  # the same wording for the other side
            yield [_where(facts, "side", name, (right, side_phrase(rng, _MIRROR[place])))]


def _ask_quadrant(facts: Facts, probes: float) -> Iterator[list[Question]]:
    rng = facts.rng
    for name in _shuffled(tuple(facts.unique), rng):
        box = facts.unique[name].box_unit
        across, down = horizontal_place(box), vertical_place(box)
        if across not in ("left", "right") or down not in _HALF:
            continue
        corners = [(down, across), (down, _MIRROR[across]), (_MIRROR[down], across), (_MIRROR[down], _MIRROR[across])]
        if rng.random() < probes:
            answers = tuple(capital(f"{_HALF[d]} {a}.") for d, a in corners)
            yield [_question("quadrant", probe("quadrant", name), answers, (name,), f"the {name}")]
        else:
            wording = rng.choice(_CORNER)
            yield [_where(facts, "quadrant", name, tuple(wording.format(down=_HALF[d], across=a) for d, a in corners))]


def _where(facts: Facts, kind: Kind, name: str, places: tuple[str, ...]) -> Question:
    rng = facts.rng
    words = {"the": f"the {name}", "be": be(name), "appear": verb(name, "appears", "appear")}
    text, wording = pick(rng, SHARED["where"]["questions"], **words), rng.choice(SHARED["where"]["answers"])
    answers = tuple(capital(wording.format(place=place, **words)) for place in places)
    return _question(kind, text, answers, (name,), words["the"], is_probe=False)


def _ask_relation(facts: Facts, probes: float) -> Iterator[list[Question]]:
    rng = facts.rng
    for pair in _shuffled(_pairs(facts), rng):
        a, b = pair if rng.random() < 0.5 else pair[::-1]
        for relation in relation_between(facts.unique[a].box_unit, facts.unique[b].box_unit):
            yield [_relation(rng, a, b, relation, probes)]


def _relation(rng: random.Random, a: str, b: str, relation: Relation, probes: float) -> Question:
    the = (f"the {a}", f"the {b}")
    words = {"the_a": the[0], "the_b": the[1], "be": be(a)}
    is_true = rng.random() < 0.5
    asked = relation if is_true else OPPOSITE[relation]
    if rng.random() < probes:
        return _question("relation", probe("relation", a, b, asked), _yes_no(is_true), (a, b), *the)
    said, reverse = relation_phrase(rng, relation), relation_phrase(rng, OPPOSITE[relation])
    if rng.random() < 0.5:
        text, wording = pick(rng, SHARED["relation"]["questions"], **words), rng.choice(SHARED["relation"]["answers"])
        answers = tuple(capital(wording.format(relation=phrase, **words)) for phrase in (said, reverse))
    else:
        text = pick(rng, SHARED["is_relation"]["questions"], relation=relation_phrase(rng, asked), **words)
        right, false = (
            pick(rng, SHARED["is_relation"]["confirmation" if is_yes else "refusal"], relation=phrase, **words)
            for is_yes, phrase in ((is_true, said), (not is_true, reverse))
        )
        answers = (right, false)
    return _question("relation", text, answers, (a, b), *the, is_probe=False)


def _ask_size(facts: Facts, probes: float) -> Iterator[list[Question]]:
    rng = facts.rng
    for a, b in _shuffled(_pairs(facts), rng):
        areas = {name: area_of(facts.unique[name].box_unit) for name in (a, b)}
        small, big = sorted(areas, key=areas.__getitem__)
        if areas[big] > CLEARLY_LARGER * areas[small]:
            yield [_size(rng, big, small, probes)]


def _size(rng: random.Random, big: str, small: str, probes: float) -> Question:
    a, b = (big, small) if rng.random() < 0.5 else (small, big)
    if rng.random() < probes:
        size: Size = "larger" if rng.random() < 0.5 else "smaller"
        is_true = (a == big) == (size == "larger")
        return _question("size", probe("size", a, b, size=size), _yes_no(is_true), (a, b), f"the {a}", f"the {b}")
    text = pick(rng, SHARED["larger"]["questions"], do=verb(a, "does", "do"), the_a=f"the {a}", the_b=f"the {b}")
    wording = rng.choice(SHARED["larger"]["answers"])
    said = tuple(
        capital(wording.format(the_big=f"the {one}", the_small=f"the {other}", **_verbs_of(one)))
        for one, other in ((big, small), (small, big))
    )
    return _question("size", text, said, (a, b), f"the {a}", f"the {b}", is_probe=False)


def _verbs_of(name: str) -> dict[str, str]:
    return {word: verb(name, f"{word}s", word) for word in ("take", "appear", "cover", "fill")}


def _pairs(facts: Facts) -> tuple[tuple[str, str], ...]:
    names = tuple(facts.unique)
    return tuple((a, b) for n, b in enumerate(names) for a in names[:n])


def _ask_caption(facts: Facts, probes: float) -> Iterator[list[Question]]:
    assert facts.scene is not None
    caption = write_captions(facts.scene, np.random.default_rng(facts.rng.getrandbits(32)), n_captions=1)[0]
    text = pick(facts.rng, SHARED["shown"]["questions"])
    yield [Question("caption", text, capital(caption.rstrip(".")) + ".", (), is_probe=False)]


_ASKERS: dict[Kind, Callable[[Facts, float], Iterator[list[Question]]]] = {
    "presence": _ask_presence,
    "count": _ask_count,
    "side": _ask_side,
    "relation": _ask_relation,
    "quadrant": _ask_quadrant,
    "size": _ask_size,
    "caption": _ask_caption,
}


def _yes_no(is_true: bool) -> tuple[str, ...]:
    return _YES_NO if is_true else _YES_NO[::-1]


def _question(
    kind: Kind, text: str, answers: tuple[str, ...], names: tuple[str, ...], *spelled: str, is_probe: bool = True
) -> Question:
    """Put a question together; ``spelled`` is how each category stands in the text."""
    mentions = tuple((name, _last_character(text, words)) for name, words in zip(names, spelled, strict=True))
    return Question(kind, text, answers[0], answers[1:], mentions, is_probe)


def _last_character(text: str, words: str) -> int:
    """Whole words only: "the car" is not in "the carrot"."""
    found = re.search(rf"\b{re.escape(words)}\b", text, re.IGNORECASE)
    assert found, (text, words)
    return found.end() - 1


def _shuffled(items: Sequence[str] | Sequence[tuple[str, str]], rng: random.Random) -> list:  # type: ignore[type-arg]
    return rng.sample(items, len(items))
