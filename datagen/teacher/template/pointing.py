"""The embedded teacher's grounding, referring and grounded description: turns that point at things by their boxes.

Every box is an annotated one, and it is certain whose it is: a thing has no other of its kind, or is named by a side or
a size that only it has, or all of its kind are given. Nothing points at a crowd, a doubled box or a tiny one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from datagen.box_text import tell_box, without_boxes
from datagen.geometry import horizontal_place, iou, is_large_enough, relation_between
from datagen.lexicon import counted, is_plural_only, is_uncounted, lexicon_for, with_article
from datagen.records import Box
from datagen.teacher.template.captions import words_of
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.shared_wording import (
    QA,
    be,
    draw_relation,
    is_larger,
    it,
    join_list,
    pick,
    place_phrase,
    relation_phrase,
    tell,
    wordings,
)
from datagen.words import COCO_CATEGORIES

SAID = wordings("pointing")
MAX_TOGETHER = 4
"""Things of one kind that are pointed at together: more boxes than that nobody checks by eye."""
MAX_SHARED = 0.4
"""Intersection over union with another kind's box, above which "what is at this box" has two answers."""
MIN_WORDS = 15
"""Of a description, its boxes aside: the floor of ``checks.min_description_words``."""
_MAY_FOLLOW = re.compile(  # a noun that a box may be put behind: "a dog […] on a couch", not "a dog […] house"
    r"[.,;]|$| (?:on|in|at|with|and|is|are|who|that|which|next|near|by|under|over|behind|beside|to|from|while|as|"
    r"through|against|along|down|up|of|for|lies|sits|stands|rests|looks|walks|runs|plays|eats|sleeps|jumps|rides|holds|"
    r"lie|sit|stand|look|walk|run|play|eat|ride|[a-z]{2,}ing)\b"
)


def write_grounding(facts: Facts, rng: random.Random) -> list[QA]:
    """Ask where two to four things are, at most one of them a thing that is not there."""
    makers: list[Callable[[], QA]] = [
        partial(_where, rng, facts.the(name), be(name), [box]) for name, box in _alone(facts).items()
    ]
    for name, boxes in _together(facts).items():
        makers.append(partial(_where, rng, f"the {counted(name, len(boxes))}", "are", boxes))
        makers += [partial(_where, rng, f"the {which}", "is", [box]) for which, box in _singled_out(name, boxes)]
    turns = [make() for make in rng.sample(makers, min(len(makers), rng.choices((2, 3, 4), (2, 3, 2))[0]))]
    absent = facts.draw_absent(rng, 1) if turns and rng.random() < 0.25 else []
    for name in absent:
        said, words = SAID["absent"], {"name": name, "be": be(name)}
        turns.insert(
            rng.randint(0, len(turns)), (pick(rng, said["questions"], **words), pick(rng, said["answers"], **words))
        )
    return turns


def _where(rng: random.Random, the: str, are: str, boxes: Sequence[Box]) -> QA:
    told = _tell_boxes(boxes)
    if rng.random() < 0.25:
        said = SAID["box_alone"] if len(boxes) == 1 else SAID["boxes_alone"]
        return pick(rng, said["questions"], the=the, be=are), told
    said = SAID["where"]
    return pick(rng, said["questions"], the=the, be=are), pick(rng, said["answers"], the=the, be=are, boxes=told)


def _tell_boxes(boxes: Sequence[Box]) -> str:
    return join_list(tell_box(box.box_unit) for box in boxes)


def _alone(facts: Facts) -> dict[str, Box]:
    """Things that have no other of their kind, large enough to be pointed at."""
    return {name: box for name, box in facts.unique.items() if is_large_enough(box.box_unit)}


def _together(facts: Facts) -> dict[str, tuple[Box, ...]]:
    """Kinds of which all things are known, few and large enough, from left to right."""
    found = {name: facts.boxes[name] for name, n in facts.exact.items() if 2 <= n <= MAX_TOGETHER}
    return {
        name: tuple(sorted(boxes, key=lambda box: box.box_unit))
        for name, boxes in found.items()
        if all(is_large_enough(box.box_unit) for box in boxes) and not is_plural_only(name) and not is_uncounted(name)
    }


def _singled_out(name: str, boxes: Sequence[Box]) -> Iterator[tuple[str, Box]]:
    """Those of a kind that a side or a size tells from all others: "dog on the left", "largest dog".

    Beside one more than twice as large a side is no name: "the dog" is the large one to most readers.
    """
    largest = max(boxes, key=lambda box: box.area_unit)
    for side, place, box in (("left", "leftmost", boxes[0]), ("right", "rightmost", boxes[-1])):
        others = [other for other in boxes if other is not box]
        is_apart = all(f"{side} of" in relation_between(box.box_unit, other.box_unit) for other in others)
        if is_apart and horizontal_place(box.box_unit) == side and 2 * box.area_unit >= largest.area_unit:
            yield (f"{name} on the {side}" if len(boxes) == 2 else f"{place} {name}"), box
    if all(is_larger(largest, other, 2.0) for other in boxes if other is not largest):
        yield f"{'larger' if len(boxes) == 2 else 'largest'} {name}", largest


def write_referring(facts: Facts, rng: random.Random) -> list[QA]:
    """Point at two to four things and ask what they are, whether they are this or that, what they do."""
    shown = [(name, box) for name in facts.present for box in facts.boxes[name] if _is_clear(facts, name, box)]
    makers: dict[str, list[Callable[[], QA]]] = {}
    for n, (name, box) in enumerate(shown):
        is_alone = name in facts.unique
        thing = facts.name(name) if is_alone else name
        about = makers.setdefault(
            str(n), [partial(_what, rng, thing, box), partial(_is_it, facts, rng, name, thing, box)]
        )
        if is_alone and name in facts.colors:
            about.append(partial(_color, facts, rng, name, box))
        if is_alone:
            about += [
                partial(_doing, rng, one.subject, one.doing, box) for one in facts.actions if one.category == name
            ]
    chosen = rng.sample(list(makers.values()), min(len(makers), rng.choices((2, 3, 4), (2, 3, 2))[0]))
    return [rng.choice(about)() for about in chosen]


def _is_clear(facts: Facts, name: str, box: Box) -> bool:
    """Whether what is at a box has one answer."""
    others = (other for kind, boxes in facts.boxes.items() if kind != name for other in boxes)
    return is_large_enough(box.box_unit) and all(iou(box.box_unit, other.box_unit) < MAX_SHARED for other in others)


def _what(rng: random.Random, thing: str, box: Box) -> QA:
    said, place = SAID["what"], place_phrase(rng, box.box_unit) if rng.random() < 0.3 else None
    question = pick(rng, said["questions"], boxes=tell_box(box.box_unit))
    if place is not None:
        return question, pick(rng, said["place"], a=with_article(thing), place=place)
    return question, pick(rng, said["answers"], a=with_article(thing))


def _is_it(facts: Facts, rng: random.Random, name: str, thing: str, box: Box) -> QA:
    said, words = SAID["is_it"], {"boxes": tell_box(box.box_unit)}
    others = [
        other for other in facts.present
        if other != name and all(iou(box.box_unit, one.box_unit) < 0.1 for one in facts.boxes[other])
    ]  # fmt: skip
    if others and rng.random() < 0.5:
        asked = with_article(rng.choice(others))
        return pick(rng, said["questions"], asked=asked, **words), pick(rng, said["refusal"], a=with_article(thing))
    a = with_article(thing)
    return pick(rng, said["questions"], asked=a, **words), pick(rng, said["confirmation"], a=a)


def _color(facts: Facts, rng: random.Random, name: str, box: Box) -> QA:
    words = {"name": facts.name(name), "be": be(name), "it": it(name), "color": facts.colors[name]}
    said = SAID["color"]
    return pick(rng, said["questions"], boxes=tell_box(box.box_unit), **words), pick(rng, said["answers"], **words)


def _doing(rng: random.Random, who: str, doing: str, box: Box) -> QA:
    said, words = SAID["doing"], {"who": who, "doing": doing}
    return pick(rng, said["questions"], boxes=tell_box(box.box_unit), **words), pick(rng, said["answers"], **words)


def write_grounded_description(facts: Facts, rng: random.Random) -> list[QA]:
    """Describe the image in up to seven sentences, each thing followed by its box where it is pointed at first."""
    things: dict[str, tuple[Box, ...]] = {name: (box,) for name, box in _alone(facts).items()} | _together(facts)
    things = dict(sorted(things.items(), key=lambda thing: -sum(box.area_unit for box in thing[1])))
    sentences: list[str] = []
    done: set[str] = set()
    named: frozenset[str] = frozenset()
    if facts.captions:
        sentence, done = _with_boxes(tell(rng, facts.captions[0]), facts, things)
        sentences, named = ([sentence], facts.captions[0].named) if done else ([], frozenset())
    if not sentences and things:
        done = {*list(things)[: rng.choice((2, 3))]}
        listed = join_list(
            f"{_amount(facts, name, things[name])} {_tell_boxes(things[name])}" for name in things if name in done
        )
        sentences = [pick(rng, SAID["opening"]["wordings"], things=listed)]
    opened = done
    for name in [name for name in things if name not in done][: 5 - len(sentences)]:
        sentences.append(_further(facts, rng, name, things[name], is_named=name in named))
        done = done | {name}
    drawn = draw_relation(facts, rng)
    if drawn is not None and {drawn[0], drawn[1]} <= done:
        a, b, relation = drawn
        words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a), "relation": relation_phrase(rng, relation)}
        sentences.append(pick(rng, SAID["relation"]["answers"], **words))
    for name in things:
        place = place_phrase(rng, things[name][0].box_unit) if name in opened and name in facts.unique else None
        if place is not None and _n_words(sentences) < MIN_WORDS:
            sentences.append(pick(rng, SAID["placed"]["answers"], the=facts.the(name), be=be(name), place=place))
    return [("", " ".join(sentences))] if _n_words(sentences) >= MIN_WORDS else []


def _n_words(sentences: Sequence[str]) -> int:
    return len(words_of(without_boxes(" ".join(sentences))))


def _amount(facts: Facts, name: str, boxes: Sequence[Box]) -> str:
    return with_article(facts.name(name)) if len(boxes) == 1 else counted(name, len(boxes))


def _further(facts: Facts, rng: random.Random, name: str, boxes: Sequence[Box], *, is_named: bool) -> str:
    """Point at what has no box yet; of what a caption named before it is said where it is."""
    place = place_phrase(rng, boxes[0].box_unit) if len(boxes) == 1 else None
    words = {"a": _amount(facts, name, boxes), "boxes": _tell_boxes(boxes), "place": place or ""}
    if is_named:
        words |= {"the": facts.the(name) if len(boxes) == 1 else f"the {words['a']}"}
        return pick(rng, SAID["named"]["answers"], be=be(name, len(boxes)), **words)
    said = SAID["further"]
    return pick(rng, said["several" if len(boxes) > 1 else "one" if place else "one_anywhere"], **words)


def _with_boxes(sentence: str, facts: Facts, things: Mapping[str, Sequence[Box]]) -> tuple[str, set[str]]:
    """Put boxes behind the things that a caption names, where it is sure which are meant; and tell which got theirs."""
    mentions = lexicon_for(tuple(dict.fromkeys((*COCO_CATEGORIES, *facts.boxes)))).find(sentence)
    names = [mention.category for mention in mentions]
    fit = [
        one for one in mentions
        if one.category in things and names.count(one.category) == 1 and not one.is_unsure
        and one.is_plural == (len(things[one.category]) > 1) and _MAY_FOLLOW.match(sentence, one.end)
    ]  # fmt: skip
    for one in reversed(fit):
        sentence = f"{sentence[: one.end]} {_tell_boxes(things[one.category])}{sentence[one.end :]}"
    return sentence, {one.category for one in fit}
