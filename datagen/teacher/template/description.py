"""The embedded teacher's descriptions: each fact told once, in four to eight sentences, or two from captions alone."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from datagen.geometry import height_of, horizontal_place, vertical_place, width_of
from datagen.lexicon import counted, is_plural_only, number_word
from datagen.teacher.template.captions import Caption, second_caption, words_of
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.shared_wording import (
    QA,
    be,
    common_side,
    draw_relation,
    draw_sizes,
    is_larger,
    join_list,
    list_things,
    many_of,
    one_of,
    pick,
    place_phrase,
    relation_phrase,
    side_phrase,
    size_sentence,
    tell,
    tell_more,
    verb,
    wordings,
)

SAID = wordings("description")
MIN_WORDS = 30
"""As long as the facts allow: twice what ``checks.min_description_words`` asks for."""
EDGES = ("left", "upper", "right", "lower")
FRACTIONS = {
    "a quarter": 1 / 4,
    "a third": 1 / 3,
    "half": 1 / 2,
    "two thirds": 2 / 3,
    "three quarters": 3 / 4,
    "nine tenths": 9 / 10,
}
MAX_OFF = 0.04
"""How far a share of the frame may be from the fraction that it is called: .21 to .29 is "about a quarter"."""


class Draft(Struct):
    """A description in the making.

    Attributes:
        sentences: Written so far.
        named: Categories that the sentences have named.
        told: Captions that the sentences have quoted.
        said: What is said once: "sizes", or a category of whose members one was placed.
    """

    facts: Facts
    rng: random.Random
    sentences: list[str]
    named: set[str]
    told: list[Caption] = []
    said: set[str] = set()

    @property
    def is_short(self) -> bool:
        """Whether more should be said, if more is known."""
        return len(self.sentences) < 4 or len(" ".join(self.sentences).split()) < MIN_WORDS

    def add(self, sentence: str, *categories: str) -> None:
        """Append a sentence and note what it names."""
        self.sentences.append(sentence)
        self.named.update(categories)

    def tell(self) -> None:
        """Quote the caption that adds most to those quoted, if one adds anything."""
        caption = second_caption(self.facts.captions, *self.told)
        if caption is not None:
            self.add(tell_more(self.rng, caption, self.told, self.sentences), *caption.named)
            self.told.append(caption)


def write_description(facts: Facts, rng: random.Random) -> list[QA]:
    """Describe the image; the question is empty, as the recipe draws it. Empty list when nothing is sure."""
    draft = Draft(facts, rng, [], set())
    _open(draft)
    if not draft.sentences:
        return []
    wanted = rng.randint(5, 8)
    placed = _place_objects(draft)
    usual: tuple[Callable[[Draft], None], ...] = (
        _add_size, _add_counts, _add_color, _add_relation if placed < 3 else _add_sizes, _add_setting,
    )  # fmt: skip
    for add in usual:
        if len(draft.sentences) < wanted - 1:
            add(draft)
    _add_rest(draft)
    more: tuple[Callable[[Draft], None], ...] = (
        _add_extent, _add_sizes, _add_members, _add_largest, _add_measures, _add_spread,
        _add_only, _add_edge,
    )  # fmt: skip
    for add in more:
        if draft.is_short:
            add(draft)
    return [("", " ".join(draft.sentences))]


def _open(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["opening"]
    if not facts.captions:
        names = facts.present[:4]
        if names:
            are = "are" if facts.is_several(names[0]) else "is"
            draft.add(pick(rng, said["wordings"], things=list_things(facts, names), be=are), *names)
        return
    draft.add(tell(rng, facts.captions[0]), *facts.captions[0].named)
    draft.told.append(facts.captions[0])
    draft.tell()


def _place_objects(draft: Draft) -> int:
    facts, rng, said = draft.facts, draft.rng, SAID["placed"]
    placed = [
        (name, place)
        for name, box in sorted(facts.unique.items(), key=lambda item: -item[1].area_unit)
        if (place := place_phrase(rng, box.box_unit))
    ][:3]
    spots = [
        (horizontal_place(facts.unique[name].box_unit), vertical_place(facts.unique[name].box_unit))
        for name, _ in placed
    ]
    if len(placed) >= 2 and spots[0] == spots[1]:
        del placed[1]
    if len(placed) >= 2:
        (a, place_a), (b, place_b) = placed[:2]
        words = {"the_a": facts.the(a), "be_a": be(a), "place_a": place_a, "the_b": facts.the(b), "be_b": be(b)}
        draft.add(pick(rng, said["two"], place_b=place_b, **words), a, b)
    for name, place in placed[2:] if len(placed) >= 2 else placed:
        words = {"the": facts.the(name), "be": be(name), "appear": verb(name, "appears", "appear"), "place": place}
        draft.add(pick(rng, said["one"], **words), name)
    return len(placed)


def _add_size(draft: Draft) -> None:
    facts, rng = draft.facts, draft.rng
    for name, box in sorted(facts.unique.items(), key=lambda item: -item[1].area_unit)[:1]:
        said = size_sentence(rng, facts, name, box)
        if said is not None:
            draft.add(said, name)


def _add_extent(draft: Draft) -> None:
    said = SAID["extent"]
    for name, box in draft.facts.unique.items():
        endings = {"reach": "es", "stretch": "es", "take": "s", "span": "s"}
        words = {word: verb(name, f"{word}{ending}", word) for word, ending in endings.items()}
        words["the"] = draft.facts.the(name)
        for extent, fitting in ((width_of(box.box_unit), said["wide"]), (height_of(box.box_unit), said["tall"])):
            if extent > 0.85:
                draft.add(pick(draft.rng, fitting, **words), name)
                return


def _add_only(draft: Draft) -> None:
    """Say of the main object that there is no other, where it could be expected."""
    facts, rng, said = draft.facts, draft.rng, SAID["only"]
    for name, box in sorted(facts.unique.items(), key=lambda item: -item[1].area_unit)[:1]:
        if name in draft.named and box.area_unit > 0.01:
            draft.add(pick(rng, said["wordings"], name=one_of(name)))


def _add_members(draft: Draft) -> None:
    """Say where one and another of several things are."""
    facts, rng, said = draft.facts, draft.rng, SAID["members"]
    for name, boxes in facts.boxes.items():
        if not facts.is_several(name) or len(boxes) < 2 or is_plural_only(name):
            continue
        places: dict[str, str] = {}
        for box in boxes:
            across, place = horizontal_place(box.box_unit), place_phrase(rng, box.box_unit)
            if across is not None and place is not None and across not in places:
                places[across] = place if across == "middle" else side_phrase(rng, across)
        if places:
            place_a, place_b = (*places.values(), "")[:2]
            fitting = said["two" if place_b else "one"]
            draft.add(pick(rng, fitting, names=many_of(name), place_a=place_a, place_b=place_b), name)
            draft.said.add(name)
            return


def _add_largest(draft: Draft) -> None:
    """Say where the largest of several things is, where one is clearly the largest of all."""
    facts, rng = draft.facts, draft.rng
    for name, n in facts.exact.items():
        if n < 2 or name in draft.said or is_plural_only(name):
            continue
        first, *others = sorted(facts.boxes[name], key=lambda box: -box.area_unit)
        place = place_phrase(rng, first.box_unit)
        if place and all(is_larger(first, other, 1.5) for other in others):
            draft.add(pick(rng, SAID["largest"]["wordings"], names=many_of(name), place=place), name)
            return


def _add_spread(draft: Draft) -> None:
    """Say in simple fractions over how much of the frame several things are spread."""
    facts, rng = draft.facts, draft.rng
    for name, n in facts.exact.items():
        corners = [box.box_unit for box in facts.boxes[name]]
        wide = _fraction(max(box[2] for box in corners) - min(box[0] for box in corners))
        tall = _fraction(max(box[3] for box in corners) - min(box[1] for box in corners))
        if n > 1 and wide and tall:
            words = {"names": many_of(name), "wide": wide, "tall": tall}
            draft.add(pick(rng, SAID["spread"]["wordings"], **words), name)
            return


def _add_measures(draft: Draft) -> None:
    """Say in simple fractions how much of the frame the main object takes."""
    facts, rng = draft.facts, draft.rng
    for name, box in sorted(facts.unique.items(), key=lambda item: -item[1].area_unit):
        wide, tall = _fraction(width_of(box.box_unit)), _fraction(height_of(box.box_unit))
        if wide and tall:
            words = {word: verb(name, f"{word}s", word) for word in ("take", "fill")}
            words |= {"the": facts.the(name), "wide": wide, "tall": tall, "go": "go"}
            draft.add(pick(rng, SAID["measures"]["wordings"], **words), name)
            return


def _fraction(share: float) -> str | None:
    """The simple fraction that a share of the frame nearly is; None where there is none, or it is nearly everything."""
    nearest = min(FRACTIONS, key=lambda words: abs(FRACTIONS[words] - share))
    return nearest if abs(FRACTIONS[nearest] - share) <= MAX_OFF and share < 0.95 else None


def _add_edge(draft: Draft) -> None:
    """Say which edge of the frame an object reaches."""
    facts, rng = draft.facts, draft.rng
    for name, box in sorted(facts.unique.items(), key=lambda item: -item[1].area_unit):
        left, top, right, bottom = box.box_unit
        reached = [edge for edge, gap in zip(EDGES, (left, top, 1 - right, 1 - bottom), strict=True) if gap < 0.01]
        if len(reached) == 1 and box.area_unit > 0.02:
            words = {"reach": verb(name, "reaches", "reach")}
            words |= {word: verb(name, f"{word}s", word) for word in ("extend", "end")}
            draft.add(pick(rng, SAID["edge"]["wordings"], the=facts.the(name), edge=reached[0], **words), name)
            return


def _add_counts(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["counts"]
    told = words_of(" ".join(draft.sentences[:2]))
    exact = [name for name, n in facts.exact.items() if n > 1 and number_word(n) not in told][:3]
    if exact:
        things = join_list(counted(name, facts.exact[name]) for name in exact)
        draft.add(pick(rng, said["exact"], things=things), *exact)
    for name in exact[:2]:
        side = common_side(facts.boxes[name])
        if side:
            words = {"names": many_of(name), "n": number_word(facts.exact[name]), "place": side_phrase(rng, side)}
            fitting = (*said["side"], *(said["side_of_many"] if facts.exact[name] > 2 else ()))
            draft.add(pick(rng, fitting, **words))
            break
    open_counts = [name for name, n in facts.at_least.items() if n >= 3][:2]
    if open_counts:
        things = " and at least ".join(counted(name, facts.at_least[name]) for name in open_counts)
        draft.add(pick(rng, said["at_least"], things=things), *open_counts)


def _add_color(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["color"]
    for name, color in facts.colors.items():
        if color.split()[0] not in " ".join(draft.sentences).lower():
            draft.add(pick(rng, said["wordings"], the=facts.the(name), be=be(name), color=color), name)
            return


def _add_relation(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["relation"]
    drawn = draw_relation(facts, rng)
    if drawn is None:
        _add_sizes(draft)
        return
    a, b, relation = drawn
    sides = {horizontal_place(facts.unique[name].box_unit) for name in (a, b)}
    if relation in ("left of", "right of") and sides == {"left", "right"}:
        return
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a), "relation": relation_phrase(rng, relation)}
    draft.add(pick(rng, said["wordings"], **words), a, b)


def _add_sizes(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["sizes"]
    drawn = draw_sizes(facts, rng, 3)
    if drawn is None or "sizes" in draft.said:
        return
    draft.said.add("sizes")
    big, small = drawn
    words = {
        "take": verb(big, "takes", "take"),
        "look": verb(big, "looks", "look"),
        "cover": verb(small, "covers", "cover"),
    }
    draft.add(pick(rng, said["wordings"], the_big=facts.the(big), the_small=facts.the(small), **words), big, small)


def _add_setting(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["setting"]
    setting = facts.setting
    if setting is None or not facts.setting_is_told or setting.is_named_in(" ".join(draft.sentences)):
        return
    signs = [name for name in facts.present if name in setting.signs][:3]
    if len(signs) >= 2:
        things = list_things(facts, signs)
        draft.add(pick(rng, said["wordings"], things=things, place=setting.name, where=setting.place), *signs)


def _add_rest(draft: Draft) -> None:
    facts, rng, said = draft.facts, draft.rng, SAID["rest"]
    rest = [name for name in facts.present if name not in draft.named][:5]
    if rest:
        is_several = facts.is_several(rest[0]) or len(rest) > 1
        fitting = (*said["any"], *(said["several"] if is_several else ()))
        draft.add(pick(rng, fitting, things=list_things(facts, rest)), *rest)
