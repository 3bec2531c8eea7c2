"""The embedded teacher's stand-in for reasoning: a spatial or counting puzzle, or a reading of the scene, with its why.

A puzzle is solved by the boxes alone: order, sides, mirror images, sums, pairs, sizes. A reading says what place or
doings captions and things bear out. Neither knows anything of the world beyond ``scenes``: no cause, no advice.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from datagen.geometry import horizontal_place, relation_between, vertical_place
from datagen.lexicon import counted, number_word
from datagen.teacher.template.captions import Caption, second_caption
from datagen.teacher.template.image_facts import Facts
from datagen.teacher.template.shared_wording import (
    OPPOSITE,
    QA,
    be,
    capital,
    draw_relation,
    draw_sizes,
    it,
    join_list,
    list_things,
    many_of,
    pick,
    place_phrase,
    relation_phrase,
    side_phrase,
    tell,
    tell_more,
    there_is,
    verb,
    wordings,
)

SAID = wordings("puzzles")


def write_puzzle(facts: Facts, rng: random.Random) -> list[QA]:
    """Write one question and answer of the kinds for which the image has evidence; empty when it has none."""
    for kind in rng.sample(KINDS, len(KINDS)):
        turn = kind(facts, rng)
        if turn is not None:
            says_all = kind is _activity or (kind is _sum and not facts.captions and len(facts.present) == 1)
            return [turn if says_all else _with_scene(facts, rng, turn)]
    turn = _activity(facts, rng)
    return [turn] if turn is not None else []


def _with_scene(facts: Facts, rng: random.Random, turn: QA) -> QA:
    """Let the answer start from what is shown, as a thinker would; it also sets it apart from other images' answers."""
    said = SAID["scene"]
    question, answer = turn
    if facts.captions:
        return question, f"{tell(rng, rng.choice(facts.captions[:2]))} {answer}"
    return question, f"{pick(rng, said['wordings'], things=list_things(facts, facts.present[:5]))} {answer}"


def _chain(facts: Facts, rng: random.Random) -> list[str] | None:
    """Three unique objects, each left of the next."""
    names = rng.sample(list(facts.unique), len(facts.unique))[:7]
    boxes = {name: facts.unique[name].box_unit for name in names}
    follows = {a: [b for b in names if "left of" in relation_between(boxes[a], boxes[b])] for a in names}
    chains = [[a, b, c] for a in names for b in follows[a] for c in follows[b] if c in follows[a]]
    return rng.choice(chains) if chains else None


def _order(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["order"]
    chain = _chain(facts, rng)
    if chain is None:
        return None
    words = {"come": verb(chain[0], "comes", "come")}
    for n, name in enumerate(chain, start=1):
        words |= {f"the_{n}": facts.the(name), f"be_{n}": be(name), f"it_{n}": it(name)}
    for pair in ("12", "23"):
        words |= {f"rel_{pair}": "to the left of", f"inv_{pair}": rng.choice(("to the right of", "farther right than"))}
    words["things"] = join_list(facts.the(name) for name in rng.sample(chain, 3))
    if rng.random() < 0.5:
        return pick(rng, said["order_questions"], **words), _in_sentences(pick(rng, said["order_answers"], **words))
    return pick(rng, said["between_questions"], **words), _in_sentences(pick(rng, said["between_answers"], **words))


def _seats(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["seats"]
    people, chairs = facts.exact.get("person", 0), facts.exact.get("chair", 0)
    if people < 2 or not chairs or {"couch", "bench", "bed"} & set(facts.present):
        return None
    words = {"people": counted("person", people), "chairs": counted("chair", chairs)}
    return pick(rng, said["questions"]), pick(rng, said["enough"] if chairs >= people else said["few"], **words)


def _compare(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["compare"]
    names = [name for name, n in facts.exact.items() if n > 1]
    if len(names) < 2:
        return None
    a, b = rng.sample(names, 2)
    more, fewer = sorted((a, b), key=lambda name: -facts.exact[name])
    diff = facts.exact[more] - facts.exact[fewer]
    told = {"more": many_of(more), "fewer": many_of(fewer), "diff": counted(more, diff).split()[0]}
    words = {"be_a": "are", "be_b": "are", "n_a": counted(a, facts.exact[a]), "n_b": counted(b, facts.exact[b])}
    words["verdict"] = pick(rng, said["differ"], **told) if diff else pick(rng, said["same"])
    return pick(rng, said["questions"], a=many_of(a), b=many_of(b)), _in_sentences(pick(rng, said["answers"], **words))


def _distance(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["distance"]
    drawn = draw_sizes(facts, rng, 3)
    if drawn is None:
        return None
    big, small = drawn
    a, b = drawn if rng.random() < 0.5 else (small, big)
    words = {"the_big": facts.the(big), "the_small": facts.the(small), "the_a": facts.the(a), "the_b": facts.the(b)}
    words |= {
        "cover": verb(big, "covers", "cover"),
        "fill": verb(small, "fills", "fill"),
        "fill_big": verb(big, "fills", "fill"),
        "come": verb(big, "comes", "come"),
        "reach": verb(big, "reaches", "reach"),
    }
    is_lower = facts.unique[big].box_unit[3] > facts.unique[small].box_unit[3] + 0.1
    words["hint"] = pick(rng, said["lower_hint"] if is_lower else said["no_hint"], **words)
    return pick(rng, said["questions"], **words), _in_sentences(pick(rng, said["answers"], **words))


def _place(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["place"]
    setting = facts.setting
    if setting is None or not facts.setting_is_told:
        return None
    signs = [name for name in facts.present if name in setting.signs][:4]
    if len(signs) < 2:
        return None
    telling = [caption for caption in facts.captions if setting.is_named_in(caption.text)]
    quote = f" It fits, too, that {telling[0].inner}." if telling and telling[0].reading.form == "clause" else ""
    words = {"things": list_things(facts, signs), "place": setting.name, "where": setting.place, "quote": quote}
    return pick(rng, said["questions"]), _in_sentences(pick(rng, said["answers"], **words))


def _statement(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["statement"]
    drawn = draw_relation(facts, rng)
    if drawn is None:
        return None
    a, b, relation = drawn
    place_of = horizontal_place if relation in ("left of", "right of") else vertical_place
    sides = [place_of(facts.unique[name].box_unit) for name in (a, b)]
    if not all(side in ("left", "right", "top", "bottom") for side in sides):
        return None
    places = [side_phrase(rng, side or "") for side in sides]
    phrases = {way: relation_phrase(rng, way) for way in (relation, OPPOSITE[relation])}
    truth = f"{facts.the(a)} {be(a)} {phrases[relation]} {facts.the(b)}"
    lie = f"{facts.the(a)} {be(a)} {phrases[OPPOSITE[relation]]} {facts.the(b)}"
    is_first = rng.random() < 0.5
    first, second = (truth, lie) if is_first else (lie, truth)
    template = pick(rng, said["questions"], first=f"{capital(first)}.", second=f"{capital(second)}.")
    words = {"truth": truth, "which": "first" if is_first else "second"}
    words |= {"at_a": f"{facts.the(a)} {be(a)} {places[0]}", "at_b": f"{facts.the(b)} {be(b)} {places[1]}"}
    return template.replace('."?', '"?'), pick(rng, said["answers"], **words)


def _covered(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["covered"]
    sides = {name: horizontal_place(box.box_unit) for name, box in facts.unique.items()}
    found = {side: [name for name in sides if sides[name] == side] for side in ("left", "right")}
    if not found["left"] or not found["right"]:
        return None
    side, other = ("left", "right") if rng.random() < 0.5 else ("right", "left")
    gone, kept = (rng.sample(found[one], min(2, len(found[one]))) for one in (side, other))
    things = [*gone, *kept]
    words = {"side": side, "other": other, "things": join_list(facts.the(n) for n in rng.sample(things, len(things)))}
    words |= {"hidden": join_list(map(facts.the, gone)), "kept": join_list(map(facts.the, kept))}
    words |= {"be_hidden": be(gone[0], len(gone)), "be_kept": be(kept[0], len(kept))}
    return pick(rng, said["questions"], **words), _in_sentences(pick(rng, said["answers"], **words))


def _mirror(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["mirror"]
    opposite = {"left": "right", "right": "left"}
    sides = {name: horizontal_place(box.box_unit) for name, box in facts.unique.items()}
    names = [name for name, side in sides.items() if side in opposite]
    if not names:
        return None
    names = rng.sample(names, min(2, len(names)))
    name, side = names[0], str(sides[names[0]])
    words = {
        "the": facts.the(name),
        "be": be(name),
        "place": side_phrase(rng, side),
        "other": opposite[side],
    }
    words["and_two"] = ""
    if len(names) == 2:
        b, side_b = names[1], str(sides[names[1]])
        told = {"the_b": facts.the(b), "be_b": be(b), "place_b": side_phrase(rng, side_b), "other_b": opposite[side_b]}
        words["and_two"] = pick(rng, said["two"], **told)
    return pick(rng, said["questions"], **words), _in_sentences(pick(rng, said["answers"], **words))


def _sum(facts: Facts, rng: random.Random) -> QA | None:
    said = SAID["sum"]
    names = [name for name, n in facts.exact.items() if n > 1]
    if not names:
        return None
    name = rng.choice(names)
    n, is_more = facts.exact[name], rng.random() < 0.5
    taken = rng.randint(2, 3) if is_more else rng.randint(1, n - 1)
    left = n + taken if is_more else n - taken
    words = {
        "names": many_of(name),
        "taken": number_word(taken),
        "now": counted(name, n),
        "result": counted(name, left),
    }
    words |= {"there": there_is(counted(name, n), n), "change": "adding" if is_more else "taking away"}
    words |= {"change_verb": "add" if is_more else "take away", "more_or_fewer": "more" if is_more else "fewer"}
    return pick(rng, said["add_questions"] if is_more else said["take_questions"], **words), _in_sentences(
        pick(rng, said["answers"], **words)
    )


def _activity(facts: Facts, rng: random.Random) -> QA | None:
    """What the captions say, held against the objects; without any it would give no reason, and only say them again."""
    said = SAID["activity"]
    if not facts.present or (not facts.captions and len(facts.present) < 2):
        return None
    caption: Caption | None = facts.captions[0] if facts.captions else None
    things = _evidence(facts)
    sentences = [tell(rng, caption)] if caption else []
    second = second_caption(facts.captions, caption) if caption else None
    if caption and second is not None and (len(things) < 2 or rng.random() < 0.6):
        sentences.append(tell_more(rng, second, (caption,)))
    if things:
        fitting = said["more"] if len(things) > 1 or facts.is_several(things[0]) else said["one"]
        if caption is None:  # there is nothing yet that things could be the evidence of
            fitting = SAID["scene"]["wordings"]
        sentences.append(pick(rng, fitting, things=list_things(facts, things)))
    for name in things:
        place = place_phrase(rng, facts.unique[name].box_unit) if name in facts.unique else None
        if place and len(sentences) < 4:
            sentences.append(pick(rng, said["place"], the=facts.the(name), be=be(name), place=place))
            break
    if len(sentences) < 2:
        return None
    return pick(rng, said["questions"]), " ".join(sentences)


def _evidence(facts: Facts) -> list[str]:
    """Up to four categories, those that captions name first: a stray object explains nothing."""
    named = {name for caption in facts.captions for name in caption.named}
    told = [name for name in facts.present if name in named]
    others = [name for name in facts.present if name not in named]
    return (told + others[: max(0, 2 - len(told))])[:4] if told else others[:4]


def _in_sentences(text: str) -> str:
    """Give each sentence its capital, as tables fill in "the dog" wherever a sentence may start."""
    return ". ".join(capital(part) for part in text.split(". "))


KINDS: tuple[Callable[[Facts, random.Random], QA | None], ...] = (
    _order, _order, _seats, _compare, _distance, _place, _place, _statement, _covered, _mirror, _sum, _activity,
    _activity,
)  # fmt: skip
