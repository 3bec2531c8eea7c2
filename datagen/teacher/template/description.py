"""The embedded teacher's descriptions: four to eight sentences of prose, each fact told once."""

from __future__ import annotations

import random

from msgspec import Struct

from datagen.geometry import height_of, horizontal_place, vertical_place, width_of
from datagen.lexicon import counted, number_word
from datagen.teacher.template.captions import Caption, clash, second_caption, words_of
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.shared_wording import (
    QA,
    be,
    common_side,
    draw_relation,
    draw_sizes,
    join_list,
    list_things,
    many_of,
    one_of,
    pick,
    place_phrase,
    relation_phrase,
    second_sentence,
    side_phrase,
    size_sentence,
    tell,
    verb,
    wordings,
)

SAID = wordings("description")


class Draft(Struct):
    """A description in the making.

    Attributes:
        sentences: Written so far.
        named: Categories that the sentences have named.
    """

    facts: Facts
    rng: random.Random
    sentences: list[str]
    named: set[str]

    def add(self, sentence: str, *categories: str) -> None:
        """Append a sentence and note what it names."""
        self.sentences.append(sentence)
        self.named.update(categories)


def write_description(facts: Facts, rng: random.Random) -> list[QA]:
    """Describe the image; the question is empty, as the recipe draws it. Empty list when nothing is sure."""
    draft = Draft(facts, rng, [], set())
    _open(draft)
    if not draft.sentences:
        return []
    wanted = rng.randint(5, 8)
    placed = _place_objects(draft)
    for add in (_add_size, _add_counts, _add_color, _add_relation if placed < 3 else _add_sizes, _add_setting):
        if len(draft.sentences) < wanted - 1:
            add(draft)
    _add_rest(draft)
    for add in (_add_extent, _add_only, _add_third, _add_sizes):
        if len(draft.sentences) < 4:
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
    told: Caption | None = facts.captions[0]
    draft.add(tell(rng, facts.captions[0]), *facts.captions[0].named)
    told = second_caption(facts.captions, facts.captions[0])
    if told is not None:
        draft.add(second_sentence(rng, told), *told.named)


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


def _add_third(draft: Draft) -> None:
    told = " ".join(draft.sentences)
    for caption in draft.facts.captions[1:]:
        is_told = caption.text[2:] in told or (caption.as_clause or "-") in told
        if not is_told and caption.form in ("phrase", "clause") and not clash(draft.facts.captions[0], caption):
            draft.add(second_sentence(draft.rng, caption, draft.sentences), *caption.named)
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
    if drawn is None:
        return
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
