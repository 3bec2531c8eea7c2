"""Sentences and their parts that the four writers share: agreement, lists, places, relations, sizes, captions quoted.

What the writers say stands in ``data/template/wordings.yaml``; its shared part is what the bundled validator is trained
on, too.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache

from datagen.geometry import Relation, contradicts_place, horizontal_place, relation_between, vertical_place
from datagen.lexicon import counted, is_plural_only, plural, with_article
from datagen.records import Box, BoxUnit
from datagen.teacher.template.captions import Caption
from datagen.teacher.template.image_facts import Facts
from datagen.words import read_bundled

QA = tuple[str, str]
"""A question and its answer."""
Wordings = dict[str, dict[str, tuple[str, ...]]]
"""By kind of statement and role, such as ``["count"]["questions"]``."""


@cache
def _all_wordings() -> dict[str, Wordings]:
    return read_bundled("template/wordings.yaml", dict[str, Wordings])


def wordings(section: str) -> Wordings:
    """What a writer may say: a section of ``data/template/wordings.yaml``."""
    return _all_wordings()[section]


SHARED = wordings("shared")
"""What more than one writer says."""


def pick(rng: random.Random, options: Sequence[str], **values: str) -> str:
    """Draw one wording and fill it in; the first letter becomes a capital."""
    text = _choose(rng, options)
    return capital(text.format(**values) if values else text)


def capital(text: str) -> str:
    """Raise the first letter, leaving the rest alone."""
    return text[:1].upper() + text[1:]


def join_list(items: Iterable[str], word: str = "and") -> str:
    """Join as prose: "a", "a and b", "a, b, and c"."""
    parts = list(items)
    if len(parts) <= 2:
        return f" {word} ".join(parts)
    return f"{', '.join(parts[:-1])}, {word} {parts[-1]}"


def is_plural(name: str, number: int = 1) -> bool:
    """Whether a name with this number takes "are": "the skis are", "two dogs are", "a dog is"."""
    return is_plural_only(name) if number == 1 else True


def be(name: str, number: int = 1) -> str:
    """The form of "to be" that agrees with "the NAME"."""
    return "are" if is_plural(name, number) else "is"


def it(name: str) -> str:
    """What stands for "the NAME" when it comes again: "it", "they", "that person"."""
    return "that person" if name == "person" else "they" if is_plural(name) else "it"


def verb(name: str, singular: str, plural_form: str) -> str:
    """Choose the verb form that agrees with "the NAME"."""
    return plural_form if is_plural(name) else singular


def there_is(amount: str, number: int) -> str:
    """Open an existence clause: "there is one dog", "there are two dogs"."""
    return f"there {'is' if number == 1 else 'are'} {amount}"


def amount_of(name: str, number: int) -> str:
    """Name an amount as prose does: "a dog", "three dogs", "two pairs of scissors"."""
    return with_article(name) if number == 1 else counted(name, number)


def one_of(name: str) -> str:
    """The noun after "one": "dog", "pair of scissors", "piece of broccoli"."""
    return counted(name, 1).removeprefix("one ")


def many_of(name: str) -> str:
    """The noun after "how many": "dogs", "pairs of scissors", "pieces of broccoli"."""
    return counted(name, 2).removeprefix("two ")


def place_phrase(rng: random.Random, box: BoxUnit) -> str | None:
    """Say where a box is, as far as nobody would object; None when it has no clear place."""
    across, down = horizontal_place(box), vertical_place(box)
    if across in SHARED["across"]:
        if down in SHARED["down"] and rng.random() < 0.6:
            half = "upper" if down == "top" else "lower"
            return _choose(rng, SHARED["in_between"]["corner"]).format(down=half, across=across)
        return _choose(rng, SHARED["across"][across])
    if down in SHARED["down"]:
        return _choose(rng, SHARED["down"][down])
    if across == "middle" and not contradicts_place(box, "middle"):
        return _choose(rng, SHARED["in_between"]["middle"])
    return None


def side_phrase(rng: random.Random, side: str) -> str:
    """Say "left", "right", "top" or "bottom" as a place."""
    return _choose(rng, SHARED["across"].get(side) or SHARED["down"][side])


OPPOSITE: dict[Relation, Relation] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def relation_phrase(rng: random.Random, relation: Relation) -> str:
    """Say a relation so that it is read in the picture plane: "to the left of", "higher in the frame than"."""
    return _choose(rng, SHARED["relations"][relation])


def _choose(rng: random.Random, options: Sequence[str]) -> str:
    return options[int(rng.random() * len(options))]


def tell(rng: random.Random, caption: Caption) -> str:
    """Make a caption the answer to what is shown."""
    return pick(rng, SHARED["shown"][caption.reading.form], text=caption.inner)


def tell_more(rng: random.Random, caption: Caption, told: Sequence[Caption], said: Sequence[str] = ()) -> str:
    """Tell a further caption of the same picture: of "the man" where another told of a man, else as said another way.

    A bare second sentence would show a second doer: of 132 turns that a stranger read, 23 told one of them as two.

    Args:
        rng: Draws the wording.
        caption: What to tell.
        told: The captions told before.
        said: The sentences before this one, of which none is opened alike.
    """
    sentence, who = caption.as_clause, caption.who
    if sentence and who and caption.is_of_one(who) and any(one.who == who and one.is_of_one(who) for one in told):
        return f"The {who}{sentence.partition(who)[2]}"
    links = SHARED["shown"][f"more_{caption.reading.form}"]
    fresh = [words for words in links if not any(one.startswith(words.split("{")[0]) for one in said)]
    return pick(rng, fresh or links, text=caption.inner)


def thing(facts: Facts, name: str) -> str:
    """One category with its number: "a woman", "two dogs", "several chairs", "some bananas"."""
    if name in facts.exact:
        return amount_of(facts.name(name) if facts.exact[name] == 1 else name, facts.exact[name])
    if facts.at_least.get(name, 0) >= 3:
        return f"several {plural(name)}"
    return f"some {plural(name)}" if facts.is_several(name) else with_article(name)


def list_things(facts: Facts, names: Iterable[str]) -> str:
    """List categories with what is known of their number: "two dogs, a couch, and several chairs"."""
    return join_list(thing(facts, name) for name in names)


def common_side(boxes: Sequence[Box]) -> str | None:
    """The side on which all of the boxes are, or None."""
    sides = {horizontal_place(box.box_unit) for box in boxes}
    side = sides.pop()
    return side if not sides and side in ("left", "right") else None


def related_pairs(facts: Facts) -> list[tuple[str, str, Relation]]:
    """Every (A, B, relation) that a careful writer may state of two unique objects, A before B."""
    names = sorted(facts.unique, key=lambda name: -facts.unique[name].area_unit)[:7]
    return [
        (a, b, relation)
        for n, b in enumerate(names)
        for a in names[:n]
        for relation in relation_between(facts.unique[a].box_unit, facts.unique[b].box_unit)
    ]


def draw_relation(facts: Facts, rng: random.Random) -> tuple[str, str, Relation] | None:
    """Draw two unique objects and a relation that holds, either way around, or None."""
    pairs = related_pairs(facts)
    if not pairs:
        return None
    a, b, relation = rng.choice(pairs)
    return (a, b, relation) if rng.random() < 0.5 else (b, a, OPPOSITE[relation])


def box_area(box: Box) -> float:
    """Area of the box itself as a share of the image."""
    left, top, right, bottom = box.box_unit
    return (right - left) * (bottom - top)


def is_larger(a: Box, b: Box, ratio: float) -> bool:
    """Whether ``a`` takes up at least ``ratio`` times as much of the frame, by mask and by box."""
    return a.area_unit >= ratio * b.area_unit and box_area(a) >= ratio * box_area(b)


def draw_sizes(facts: Facts, rng: random.Random, ratio: float) -> tuple[str, str] | None:
    """Draw (larger, smaller) unique objects whose masks and boxes differ by at least ``ratio``."""
    names = list(facts.unique)
    pairs = [(a, b) for a in names for b in names if a != b and is_larger(facts.unique[a], facts.unique[b], ratio)]
    return rng.choice(pairs) if pairs else None


def size_sentence(rng: random.Random, facts: Facts, name: str, box: Box) -> str | None:
    """Say how much of the frame an object takes, where it is clearly much or little."""
    said = SHARED["size"]
    words = {word: verb(name, f"{word}s", word) for word in ("take", "fill", "dominate", "cover")}
    words |= {"the": facts.the(name), "be": be(name), "occupy": verb(name, "occupies", "occupy")}
    if box.area_unit >= 0.55:
        return pick(rng, said["most"], **words)
    if box.area_unit >= 0.22:
        return pick(rng, said["much"], **words)
    return pick(rng, said["small"], **words) if box_area(box) < 0.02 else None
