"""The embedded teacher's conversations: three to six turns of mixed kinds, no fact asked twice.

A kind of question is one function with its wordings; ``pick`` draws one and raises its first letter.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from datagen.lexicon import counted, number_word, plural, with_article
from datagen.teacher.template.captions import Caption, second_caption, words_of
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.shared_wording import (
    OPPOSITE,
    QA,
    SHARED,
    be,
    common_side,
    draw_relation,
    draw_sizes,
    list_things,
    many_of,
    pick,
    place_phrase,
    relation_phrase,
    side_phrase,
    size_sentence,
    tell,
    tell_more,
    there_is,
    thing,
    verb,
    wordings,
)

SAID = wordings("conversation")


class Talk(Struct):
    """One conversation in the making.

    Attributes:
        facts: What may be said.
        rng: Draws kinds, objects and wordings.
        turns: Written so far.
        mentioned: Categories that questions or answers have already named as present.
        about: Categories that a question was about, by kind of fact.
        questions: The content of the questions asked, so that none comes twice.
        told: The captions that answers have quoted.
    """

    facts: Facts
    rng: random.Random
    turns: list[QA]
    mentioned: set[str]
    about: set[tuple[str, ...]]
    questions: set[frozenset[str]]
    told: tuple[Caption, ...] = ()

    def add(self, question: str, answer: str, *categories: str) -> bool:
        """Append a turn unless a question with the same content was asked; tells whether it was."""
        content = frozenset(words_of(question)) - _EMPTY_WORDS
        if content in self.questions:
            return False
        self.questions.add(content)
        self.turns.append((question, answer))
        self.mentioned.update(categories)
        return True

    def first_about(self, *fact: str) -> bool:
        """Claim a fact for one question; False when a question was about it already."""
        if fact in self.about:
            return False
        self.about.add(fact)
        return True

    def draw(self, kind: str, names: Sequence[str]) -> str | None:
        """Draw a category that no question of this kind was about, and claim it."""
        pool = [name for name in names if (kind, name) not in self.about]
        if not pool:
            return None
        name = self.rng.choice(pool)
        self.about.add((kind, name))
        return name


_EMPTY_WORDS = frozenset(
    "a an the is are in of this image picture photo scene here there can you see tell me what how does do where which "
    "many visible frame to be located".split()
)


def write_conversation(facts: Facts, rng: random.Random) -> list[QA]:
    """Write three to six turns, as far as the facts carry them; empty when nothing may be said."""
    talk = Talk(facts, rng, [], set(), set(), set())
    wanted = rng.choices((3, 4, 5, 6), (2, 4, 3, 1))[0]
    if rng.random() < 0.75:
        _ask_shown(talk)
    for kind in (*rng.sample(KINDS, len(KINDS)), *rng.sample(KINDS, len(KINDS)), _ask_more_shown):
        if len(talk.turns) >= wanted:
            break
        kind(talk)
    for fallback in (_ask_shown, _ask_more_shown):
        if len(talk.turns) < 3:
            fallback(talk)
    return talk.turns


def _ask_shown(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SHARED["shown"]
    if not talk.first_about("shown"):
        return
    if facts.captions:
        caption = facts.captions[int(rng.random() ** 2 * min(2, len(facts.captions)))]
        talk.told += (caption,)
        talk.add(pick(rng, said["questions"]), tell(rng, caption), *caption.named)
    elif facts.present:
        names = facts.present[:3]
        talk.add(pick(rng, said["questions"]), pick(rng, said["phrase"], text=list_things(facts, names)), *names)


def _ask_more_shown(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["more"]
    if not talk.told or not talk.first_about("more"):
        return
    other = second_caption(facts.captions, *talk.told)
    if other is not None:
        talk.add(pick(rng, said["questions"]), tell_more(rng, other, talk.told), *other.named)


def _ask_count(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SHARED["count"]
    pool = [name for name, n in facts.exact.items() if n > 1 or (facts.unique.get(name) and rng.random() < 0.2)]
    pool += [name for name, n in facts.at_least.items() if n >= 3]
    name = talk.draw("count", pool)
    if name is None:
        return
    n = facts.exact.get(name)
    if n is None:
        answer = pick(rng, SAID["at_least"]["answers"], amount=counted(name, facts.at_least[name]))
    else:
        answer = pick(rng, said["answers"], there=there_is(counted(name, n), n), amount=counted(name, n))
    talk.add(pick(rng, said["questions"], names=many_of(name)), answer, name)


def _ask_where(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SHARED["where"]
    name = talk.draw("where", [name for name, box in facts.unique.items() if place_phrase(rng, box.box_unit)])
    if name is not None:
        words = {"the": facts.the(name), "be": be(name), "appear": verb(name, "appears", "appear")}
        place = place_phrase(rng, facts.unique[name].box_unit) or ""
        talk.add(pick(rng, said["questions"], **words), pick(rng, said["answers"], place=place, **words), name)


def _ask_side_of_all(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["side_of_all"]
    name = talk.draw("where", [name for name, n in facts.exact.items() if n > 1 and common_side(facts.boxes[name])])
    if name is not None:
        words = {"names": many_of(name), "n": number_word(facts.exact[name])}
        place = side_phrase(rng, common_side(facts.boxes[name]) or "")
        answers = said["all"] if facts.exact[name] > 2 else said["both"]
        talk.add(pick(rng, said["questions"], **words), pick(rng, answers, place=place, **words), name)


def _ask_presence(talk: Talk) -> None:
    """Ask a yes and a no question together, so that neither answer is the safer guess."""
    facts, rng = talk.facts, talk.rng
    shown = [name for name in facts.present if name not in talk.mentioned and facts.boxes[name][0].area_unit > 0.004]
    absent = [name for name in facts.draw_absent(rng, 3) if ("there", name) not in talk.about]
    if not shown or not absent or len(talk.turns) > 4:
        return
    pair = [_presence_turn(facts, rng, rng.choice(shown[:4])), _denial_turn(facts, rng, absent[0])]
    if rng.random() < 0.5:
        pair.reverse()
    for question, answer, name in pair:
        talk.about.update({("there", name), ("count", name), ("where", name)})
        talk.add(question, answer, name)


def _presence_turn(facts: Facts, rng: random.Random, name: str) -> tuple[str, str, str]:
    said = SHARED["there"]
    place = None
    n = facts.exact.get(name, 0)
    if name in facts.unique:
        place = place_phrase(rng, facts.unique[name].box_unit)
    elif n > 1 and common_side(facts.boxes[name]):
        place = side_phrase(rng, common_side(facts.boxes[name]) or "")
    number = "are" if facts.is_several(name) else "is"
    words = {"amount": thing(facts, name), "be": number}
    fitting = SAID["presence"]["answers"] if place else said["confirmation"]
    answer = pick(rng, fitting, place=place or "", **words)
    is_many = number == "are" and rng.random() < 0.7
    asked = f"any {many_of(name)}" if is_many else with_article(name)
    return pick(rng, said["questions"], a=asked, be="are" if is_many else "is"), answer, name


def _denial_turn(facts: Facts, rng: random.Random, name: str) -> tuple[str, str, str]:
    said = SHARED["there"]
    present = facts.present[:3] if name not in facts.present else ()
    is_many = be(name) == "are" or rng.random() < 0.25
    asked = f"any {plural(name)}" if is_many else with_article(name)
    question = pick(rng, said["questions"], a=asked, be="are" if is_many else "is")
    none = plural(name) if is_many else name
    words = {"name": none, "be": "are" if is_many else "is", "any": asked}
    if present and rng.random() < 0.4:
        return question, pick(rng, SAID["denial"]["instead"], present=list_things(facts, present), **words), name
    return question, pick(rng, said["refusal"], **words), name


def _ask_relation(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    drawn = draw_relation(facts, rng)
    if drawn is None or not talk.first_about("relation", *sorted(drawn[:2])):
        return
    a, b, relation = drawn
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a)}
    truth = relation_phrase(rng, relation)
    if rng.random() < 0.5:
        said = SHARED["relation"]
        talk.add(pick(rng, said["questions"], **words), pick(rng, said["answers"], relation=truth, **words), a, b)
        return
    said = SHARED["is_relation"]
    asked, told = (relation, "confirmation") if rng.random() < 0.5 else (OPPOSITE[relation], "refusal")
    question = pick(rng, said["questions"], relation=relation_phrase(rng, asked), **words)
    talk.add(question, pick(rng, said[told], relation=truth, **words), a, b)


def _ask_larger(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SHARED["larger"]
    drawn = draw_sizes(facts, rng, 2)
    if drawn is None or not talk.first_about("larger"):
        return
    big, small = drawn
    a, b = drawn if rng.random() < 0.5 else (small, big)
    question = pick(rng, said["questions"], do=verb(a, "does", "do"), the_a=facts.the(a), the_b=facts.the(b))
    words = {word: verb(big, f"{word}s", word) for word in ("take", "appear", "cover", "fill")}
    words |= {"the_big": facts.the(big), "the_small": facts.the(small)}
    talk.add(question, pick(rng, said["answers"], **words), a, b)


def _ask_size(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["size"]
    for name, box in facts.unique.items():
        answer = size_sentence(rng, facts, name, box)
        if answer is not None and be(name) == "is" and talk.first_about("size"):
            question = pick(rng, said["questions"], the=facts.the(name))
            talk.add(question, answer, name)
            return


def _ask_more_of(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["more_of"]
    many = [name for name, n in facts.exact.items() if n > 1]
    pairs = [(a, b) for a in many for b in many if facts.exact[a] > facts.exact[b]]
    if not pairs or not talk.first_about("more of"):
        return
    more, fewer = rng.choice(pairs)
    a, b = (more, fewer) if rng.random() < 0.5 else (fewer, more)
    amounts = {"more": counted(more, facts.exact[more]), "fewer": counted(fewer, facts.exact[fewer])}
    talk.about.update({("count", more), ("count", fewer)})
    question = pick(rng, said["questions"], a=many_of(a), b=many_of(b))
    talk.add(question, pick(rng, said["answers"], name=many_of(more), **amounts), a, b)


def _ask_else(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["else"]
    rest = [name for name in facts.present if name not in talk.mentioned]
    if not talk.turns or not rest or not talk.first_about("else"):
        return
    names = rest[:4]
    number = "are" if facts.is_several(names[0]) else "is"
    talk.add(
        pick(rng, said["questions"]), pick(rng, said["answers"], things=list_things(facts, names), be=number), *names
    )


def _ask_doing(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["doing"]
    told = " ".join(answer for _, answer in talk.turns)
    actions = [action for action in facts.actions if action.doing not in told]
    if actions and talk.first_about("doing"):
        action = actions[0]
        words = {"who": action.subject}
        answer = pick(rng, said["answers"], doing=action.doing, **words)
        talk.told += tuple(caption for caption in facts.captions if caption.text.endswith(action.doing))
        talk.add(pick(rng, said["questions"], **words), answer, action.category)


def _ask_color(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["color"]
    name = talk.draw("color", list(facts.colors))
    if name is not None:
        words = {"the": facts.the(name), "be": be(name)}
        talk.add(
            pick(rng, said["questions"], **words), pick(rng, said["answers"], color=facts.colors[name], **words), name
        )


def _ask_place(talk: Talk) -> None:
    facts, rng, said = talk.facts, talk.rng, SAID["place"]
    setting = facts.setting
    if setting is None or not facts.setting_is_told or not talk.first_about("place"):
        return
    if any(setting.is_named_in(caption.text) for caption in talk.told):
        return
    which = rng.choice(("", "where_"))
    answer = pick(rng, said[f"{which}answers"], where=setting.place, place=setting.name)
    talk.add(pick(rng, said[f"{which}questions"]), answer)


KINDS = (
    _ask_count, _ask_where, _ask_side_of_all, _ask_presence, _ask_presence, _ask_relation, _ask_larger, _ask_size,
    _ask_more_of, _ask_else, _ask_doing, _ask_color, _ask_place,
)  # fmt: skip
