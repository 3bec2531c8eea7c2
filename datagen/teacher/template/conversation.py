"""From facts to a conversation: three to six turns of mixed kinds, no fact asked twice."""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from datagen.lexicon import counted, number_word, plural, with_article
from datagen.teacher.template import conversation_wording as w
from datagen.teacher.template.captions import Caption, second_caption, words_of
from datagen.teacher.template.facts import Facts
from datagen.teacher.template.phrases import (
    OPPOSITE,
    QA,
    be,
    many_of,
    pick,
    place_phrase,
    relation_phrase,
    side_phrase,
    there_is,
    verb,
)
from datagen.teacher.template.telling import (
    common_side,
    draw_relation,
    draw_sizes,
    list_things,
    second_sentence,
    size_sentence,
    tell,
    thing,
)


class Talk(Struct):
    """One conversation in the making.

    Attributes:
        facts: What may be said.
        rng: Draws kinds, objects and wordings.
        turns: Written so far.
        mentioned: Categories that questions or answers have already named as present.
        about: Categories that a question was about, by kind of fact.
        questions: The content of the questions asked, so that none comes twice.
        told: The caption that an answer has quoted.
    """

    facts: Facts
    rng: random.Random
    turns: list[QA]
    mentioned: set[str]
    about: set[tuple[str, ...]]
    questions: set[frozenset[str]]
    told: Caption | None = None

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
    facts, rng = talk.facts, talk.rng
    if not talk.first_about("shown"):
        return
    if facts.captions:
        caption = facts.captions[int(rng.random() ** 2 * min(2, len(facts.captions)))]
        talk.told = caption
        talk.add(pick(rng, w.SHOWN_Q), tell(rng, caption), *caption.named)
    elif facts.present:
        names = facts.present[:3]
        talk.add(pick(rng, w.SHOWN_Q), pick(rng, w.SHOWN_PHRASE, text=list_things(facts, names)), *names)


def _ask_more_shown(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    told = talk.told
    if told is None or not talk.first_about("more"):
        return
    other = second_caption(facts.captions, told)
    if other is not None:
        talk.add(pick(rng, w.MORE_SHOWN_Q), second_sentence(rng, other), *other.named)


def _ask_count(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    pool = [name for name, n in facts.exact.items() if n > 1 or (facts.unique.get(name) and rng.random() < 0.2)]
    pool += [name for name, n in facts.at_least.items() if n >= 3]
    name = talk.draw("count", pool)
    if name is None:
        return
    n = facts.exact.get(name)
    if n is None:
        answer = pick(rng, w.COUNT_OPEN_A, amount=counted(name, facts.at_least[name]))
    else:
        answer = pick(rng, w.COUNT_A, there=there_is(counted(name, n), n), amount=counted(name, n))
    talk.add(pick(rng, w.COUNT_Q, names=many_of(name)), answer, name)


def _ask_where(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    name = talk.draw("where", [name for name, box in facts.unique.items() if place_phrase(rng, box.box_unit)])
    if name is not None:
        words = {"the": facts.the(name), "be": be(name), "appear": verb(name, "appears", "appear")}
        place = place_phrase(rng, facts.unique[name].box_unit) or ""
        talk.add(pick(rng, w.WHERE_Q, **words), pick(rng, w.WHERE_A, place=place, **words), name)


def _ask_side_of_all(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    name = talk.draw("where", [name for name, n in facts.exact.items() if n > 1 and common_side(facts.boxes[name])])
    if name is not None:
        words = {"names": many_of(name), "n": number_word(facts.exact[name])}
        place = side_phrase(rng, common_side(facts.boxes[name]) or "")
        answers = w.SIDE_ALL_A if facts.exact[name] > 2 else w.SIDE_BOTH_A
        talk.add(pick(rng, w.SIDE_ALL_Q, **words), pick(rng, answers, place=place, **words), name)


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
    place = None
    n = facts.exact.get(name, 0)
    if name in facts.unique:
        place = place_phrase(rng, facts.unique[name].box_unit)
    elif n > 1 and common_side(facts.boxes[name]):
        place = side_phrase(rng, common_side(facts.boxes[name]) or "")
    number = "are" if facts.is_several(name) else "is"
    words = {"amount": thing(facts, name), "be": number}
    answer = pick(rng, w.YES_A, place=place, **words) if place else pick(rng, w.YES_OPEN_A, **words)
    is_many = number == "are" and rng.random() < 0.7
    asked = f"any {many_of(name)}" if is_many else with_article(name)
    return pick(rng, w.THERE_Q, a=asked, be="are" if is_many else "is"), answer, name


def _denial_turn(facts: Facts, rng: random.Random, name: str) -> tuple[str, str, str]:
    present = facts.present[:3] if name not in facts.present else ()
    is_many = be(name) == "are" or rng.random() < 0.25
    asked = f"any {plural(name)}" if is_many else with_article(name)
    question = pick(rng, w.THERE_Q, a=asked, be="are" if is_many else "is")
    none = plural(name) if is_many else name
    words = {"name": none, "be": "are" if is_many else "is", "any": asked}
    if present and rng.random() < 0.4:
        return question, pick(rng, w.NO_INSTEAD, present=list_things(facts, present), **words), name
    return question, pick(rng, w.NO_A, **words), name


def _ask_relation(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    drawn = draw_relation(facts, rng)
    if drawn is None or not talk.first_about("relation", *sorted(drawn[:2])):
        return
    a, b, relation = drawn
    words = {"the_a": facts.the(a), "the_b": facts.the(b), "be": be(a)}
    said = relation_phrase(rng, relation)
    if rng.random() < 0.5:
        talk.add(pick(rng, w.RELATION_Q, **words), pick(rng, w.RELATION_A, relation=said, **words), a, b)
        return
    asked, answers = (relation, w.IS_RELATION_YES) if rng.random() < 0.5 else (OPPOSITE[relation], w.IS_RELATION_NO)
    question = pick(rng, w.IS_RELATION_Q, relation=relation_phrase(rng, asked), **words)
    talk.add(question, pick(rng, answers, relation=said, **words), a, b)


def _ask_larger(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    drawn = draw_sizes(facts, rng, 2)
    if drawn is None or not talk.first_about("larger"):
        return
    big, small = drawn
    a, b = drawn if rng.random() < 0.5 else (small, big)
    question = pick(rng, w.LARGER_Q, do=verb(a, "does", "do"), the_a=facts.the(a), the_b=facts.the(b))
    words = {word: verb(big, f"{word}s", word) for word in ("take", "appear", "cover", "fill")}
    talk.add(question, pick(rng, w.LARGER_A, the_big=facts.the(big), the_small=facts.the(small), **words), a, b)


def _ask_size(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    for name, box in facts.unique.items():
        said = size_sentence(rng, facts, name, box)
        if said is not None and be(name) == "is" and talk.first_about("size"):
            question = pick(rng, w.SIZE_Q, the=facts.the(name))
            talk.add(question, said, name)
            return


def _ask_more_of(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    many = [name for name, n in facts.exact.items() if n > 1]
    pairs = [(a, b) for a in many for b in many if facts.exact[a] > facts.exact[b]]
    if not pairs or not talk.first_about("more of"):
        return
    more, fewer = rng.choice(pairs)
    a, b = (more, fewer) if rng.random() < 0.5 else (fewer, more)
    amounts = {"more": counted(more, facts.exact[more]), "fewer": counted(fewer, facts.exact[fewer])}
    talk.about.update({("count", more), ("count", fewer)})
    question = pick(rng, w.MORE_Q, a=many_of(a), b=many_of(b))
    talk.add(question, pick(rng, w.MORE_A, name=many_of(more), **amounts), a, b)


def _ask_else(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    rest = [name for name in facts.present if name not in talk.mentioned]
    if not talk.turns or not rest or not talk.first_about("else"):
        return
    names = rest[:4]
    number = "are" if facts.is_several(names[0]) else "is"
    talk.add(pick(rng, w.ELSE_Q), pick(rng, w.ELSE_A, things=list_things(facts, names), be=number), *names)


def _ask_doing(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    told = talk.told.text if talk.told else ""
    actions = [action for action in facts.actions if action.doing not in told]
    if actions and talk.first_about("doing"):
        action = actions[0]
        words = {"who": action.subject}
        answer = pick(rng, w.DOING_A, doing=action.doing, **words)
        talk.add(pick(rng, w.DOING_Q, **words), answer, action.category)


def _ask_color(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    name = talk.draw("color", list(facts.colors))
    if name is not None:
        words = {"the": facts.the(name), "be": be(name)}
        talk.add(pick(rng, w.COLOR_Q, **words), pick(rng, w.COLOR_A, color=facts.colors[name], **words), name)


def _ask_place(talk: Talk) -> None:
    facts, rng = talk.facts, talk.rng
    setting = facts.setting
    if setting is None or not facts.setting_is_told or not talk.first_about("place"):
        return
    if talk.told is not None and setting.named.search(talk.told.text):
        return
    where = f"{setting.preposition} {setting.name}"
    talk.add(pick(rng, w.PLACE_Q), pick(rng, w.PLACE_A, where=where, place=setting.name))


KINDS = (
    _ask_count, _ask_where, _ask_side_of_all, _ask_presence, _ask_presence, _ask_relation, _ask_larger, _ask_size,
    _ask_more_of, _ask_else, _ask_doing, _ask_color, _ask_place,
)  # fmt: skip
