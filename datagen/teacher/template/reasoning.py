"""The embedded teacher's reasoning: one question that takes thought, and an answer that walks through the evidence."""

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
    second_sentence,
    side_phrase,
    tell,
    there_is,
    verb,
)


def write_reasoning(facts: Facts, rng: random.Random) -> list[QA]:
    """Write one question and answer of the kinds for which the image has evidence; empty when it has none."""
    for kind in rng.sample(KINDS, len(KINDS)):
        turn = kind(facts, rng)
        if turn is not None:
            return [turn if kind is _activity else _with_scene(facts, rng, turn)]
    turn = _activity(facts, rng)
    return [turn] if turn is not None else []


def _with_scene(facts: Facts, rng: random.Random, turn: QA) -> QA:
    """Let the answer start from what is shown, as a thinker would; it also sets it apart from other images' answers."""
    scene = (
        "The image shows {things}.", "The scene holds {things}.", "The picture holds {things}.",
        "Take stock first: {things}.",
    )  # fmt: skip
    question, answer = turn
    if facts.captions:
        return question, f"{tell(rng, rng.choice(facts.captions[:2]))} {answer}"
    return question, f"{pick(rng, scene, things=list_things(facts, facts.present[:5]))} {answer}"


def _chain(facts: Facts, rng: random.Random) -> list[str] | None:
    """Three unique objects, each left of the next."""
    names = rng.sample(list(facts.unique), len(facts.unique))[:7]
    boxes = {name: facts.unique[name].box_unit for name in names}
    follows = {a: [b for b in names if "left of" in relation_between(boxes[a], boxes[b])] for a in names}
    chains = [[a, b, c] for a in names for b in follows[a] for c in follows[b] if c in follows[a]]
    return rng.choice(chains) if chains else None


def _order(facts: Facts, rng: random.Random) -> QA | None:
    order_questions = (
        "If you moved from the left edge of the image to the right, in which order would you meet {things}?",
        "Put {things} in order from left to right, and explain how you know.",
        "Reading the picture from left to right, how do {things} follow one another?",
        "Which comes first, second and third from the left among {things}, and why?",
    )
    order_answers = (
        "Start on the left with {the_1}: {the_2} {be_2} {inv_12} {the_1}. In turn, {the_3} {be_3} {inv_23} {the_2}. "
        "From left to right the order is therefore {the_1}, {the_2}, and {the_3}.",
        "{the_2} {be_2} {inv_12} {the_1} and {rel_23} {the_3}, so {it_2} must stand between the two. Going from left "
        "to right, one meets {the_1} first, then {the_2}, and finally {the_3}.",
        "Of the three, {the_1} {be_1} farthest left, and {the_3} {be_3} farthest right. That leaves {the_2} in "
        "between. A walk across the picture would pass {the_1}, {the_2}, and {the_3}, in this order.",
        "First compare {the_1} with {the_2}: {the_1} {be_1} {rel_12} {the_2}. Then compare {the_2} with {the_3}: "
        "{the_3} {be_3} {inv_23} {the_2}. Taken together, {the_1} {come} first, {the_2} second, and {the_3} last.",
    )
    between_questions = (
        "Looking across the image, which of {things} lies between the other two?",
        "Among {things}, which one is in the middle when you look from left to right, and how can you tell?",
        "Which of {things} would you pass second on the way from the left edge to the right edge?",
    )
    between_answers = (
        "It is {the_2}. {the_1} {be_1} {rel_12} {the_2}, and {the_3} {be_3} {inv_23} {the_2}, so {the_2} {be_2} in "
        "between.",
        "{the_2} {be_2} the answer, because {the_1} {be_1} {rel_12} {the_2} while {the_3} {be_3} {inv_23} {the_2}. "
        "Neither of the others has something on both sides.",
        "To find out, look at the two ends first: {the_1} {be_1} the leftmost and {the_3} the rightmost of the three. "
        "What remains is {the_2}, which {be_2} {inv_12} {the_1} and {rel_23} {the_3}.",
    )
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
        return pick(rng, order_questions, **words), _in_sentences(pick(rng, order_answers, **words))
    return pick(rng, between_questions, **words), _in_sentences(pick(rng, between_answers, **words))


def _seats(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "Are there enough chairs for everyone to sit down?", "Could each person in view have a chair?",
        "If all of the people wanted to sit on a chair, would the chairs in view be enough?",
        "Would anyone be left standing if everybody took one of the chairs?",
    )  # fmt: skip
    seats_enough = (
        "One can count {people} and {chairs}. As there are not fewer chairs than people, each person could have one. "
        "This holds for what is in view; there may be more outside of the frame.",
        "Compare the two numbers: {chairs} and {people}. The chairs are enough, as far as the picture shows, though "
        "more people could be just out of view.",
    )
    seats_few = (
        "One can count {people} but only {chairs}. If each chair holds one person, the chairs in view are not enough, "
        "although more seats may stand outside of the frame.",
        "The picture shows {chairs} for {people}. Judging by what is visible, someone would be left without a chair, "
        "unless there are others out of view.",
    )
    people, chairs = facts.exact.get("person", 0), facts.exact.get("chair", 0)
    if people < 2 or not chairs or {"couch", "bench", "bed"} & set(facts.present):
        return None
    words = {"people": counted("person", people), "chairs": counted("chair", chairs)}
    return pick(rng, questions), pick(rng, seats_enough if chairs >= people else seats_few, **words)


def _compare(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "If every one of the {a} were paired with one of the {b}, would any be left over?",
        "Are there more {a} or more {b} here, and by how many?",
        "How do the numbers of {a} and {b} compare, and what is the difference?",
        "Could you pair up the {a} and the {b} without a remainder?",
    )
    answers = (
        "Count each kind first: there {be_a} {n_a} and {n_b}. {verdict}",
        "The image shows {n_a}, and it also shows {n_b}. {verdict}",
        "To answer, one needs two numbers. There {be_a} {n_a}; next to that there {be_b} {n_b}. {verdict}",
        "Going through the picture, one finds {n_a} on one hand and {n_b} on the other. {verdict}",
    )
    compare_differ = (
        "That makes {diff} more of the {more}, so {diff} would be left over after pairing.",
        "The {more} are ahead by {diff}, and pairing them up would leave {diff} without a partner.",
        "So the {more} outnumber the {fewer} by {diff}; that many would remain without a counterpart.",
    )
    compare_same = (
        "The numbers are the same, so each could be paired with one of the other kind and nothing would be left over.",
        "As both numbers agree, pairing them up would leave nothing over.",
    )
    names = [name for name, n in facts.exact.items() if n > 1]
    if len(names) < 2:
        return None
    a, b = rng.sample(names, 2)
    more, fewer = sorted((a, b), key=lambda name: -facts.exact[name])
    diff = facts.exact[more] - facts.exact[fewer]
    told = {"more": many_of(more), "fewer": many_of(fewer), "diff": counted(more, diff).split()[0]}
    words = {"be_a": "are", "be_b": "are", "n_a": counted(a, facts.exact[a]), "n_b": counted(b, facts.exact[b])}
    words["verdict"] = pick(rng, compare_differ, **told) if diff else pick(rng, compare_same)
    return pick(rng, questions, a=many_of(a), b=many_of(b)), _in_sentences(pick(rng, answers, **words))


def _distance(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "Which takes up more of the picture, {the_a} or {the_b}, and what could this say about their distance from "
        "the camera?",
        "Compare how large {the_a} and {the_b} look in the frame. What may explain the difference?",
        "Why might {the_big} look so much larger in the image than {the_small}?",
        "What can be learned from the sizes at which {the_a} and {the_b} appear in the frame?",
    )
    answers = (
        "{the_big} {cover} far more of the frame than {the_small}. There are two possible reasons: {the_big} may "
        "simply be larger, or the camera may be closer to {the_big}. {hint}",
        "In the picture, {the_small} {fill} a small fraction of the area that {the_big} {fill_big}. Apparent size "
        "mixes real size with distance, so one of the two, or both, must be at work. {hint}",
        "Measured by area in the image, {the_big} clearly {come} first and {the_small} second. Whatever is large or "
        "near looks large. {hint}",
    )
    lower_hint = (
        "Here {the_big} also {reach} farther down in the frame, which often means that something is nearer.",
        "That {the_big} {reach} closer to the bottom of the frame speaks for a shorter distance as well.",
    )
    no_hint = (
        "The picture alone does not settle which of the two it is.",
        "Which of them counts for more cannot be read from the sizes alone.",
        "Knowing their real sizes would decide between the two.",
    )
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
    words["hint"] = pick(rng, lower_hint if is_lower else no_hint, **words)
    return pick(rng, questions, **words), _in_sentences(pick(rng, answers, **words))


def _place(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "What kind of place is this, and which details give it away?", "How can one tell where this picture was taken?",
        "Which things in view suggest what sort of place this is?",
        "What evidence is there for the setting of this scene?",
        "Where does the scene most likely take place, and what supports that?",
    )  # fmt: skip
    answers = (
        "The clearest clues are {things}. Each of them could be found elsewhere, but together they point to "
        "{place}.{quote}",
        "One can see {things}. Such things belong together {where}, so this is most likely the setting.{quote}",
        "{things} stand out as clues. Taken together, they fit {place} better than other places.{quote}",
        "Look at what is there: {things}. It is the combination that speaks for {place}.{quote}",
    )
    setting = facts.setting
    if setting is None or not facts.setting_is_told:
        return None
    signs = [name for name in facts.present if name in setting.signs][:4]
    if len(signs) < 2:
        return None
    telling = [caption for caption in facts.captions if setting.named.search(caption.text)]
    quote = f" It fits, too, that {telling[0].inner}." if telling and telling[0].form == "clause" else ""
    where = f"{setting.preposition} {setting.name}"
    words = {"things": list_things(facts, signs), "place": setting.name, "where": where, "quote": quote}
    return pick(rng, questions), _in_sentences(pick(rng, answers, **words))


def _statement(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        'Which of these statements is right: "{first}" or "{second}"?',
        'One person says "{first}" and another says "{second}" Who is right, and why?',
        'Two descriptions disagree: "{first}" and "{second}" Which one fits the image?',
        'Only one of these is true: "{first}" or "{second}" Which one, and how can you tell?',
    )
    answers = (
        "Look at both in turn: {at_a}, and {at_b}. It follows that {truth}, so the {which} statement is right.",
        "The {which} one is right. In the image {at_a}, while {at_b}; in other words, {truth}.",
        "In the picture, {at_a} and {at_b}. The {which} statement agrees with this, and the other one has it the "
        "wrong way around.",
    )
    drawn = draw_relation(facts, rng)
    if drawn is None:
        return None
    a, b, relation = drawn
    place_of = horizontal_place if relation in ("left of", "right of") else vertical_place
    sides = [place_of(facts.unique[name].box_unit) for name in (a, b)]
    if not all(side in ("left", "right", "top", "bottom") for side in sides):
        return None
    places = [side_phrase(rng, side or "") for side in sides]
    said = {way: relation_phrase(rng, way) for way in (relation, OPPOSITE[relation])}
    truth = f"{facts.the(a)} {be(a)} {said[relation]} {facts.the(b)}"
    lie = f"{facts.the(a)} {be(a)} {said[OPPOSITE[relation]]} {facts.the(b)}"
    is_first = rng.random() < 0.5
    first, second = (truth, lie) if is_first else (lie, truth)
    template = pick(rng, questions, first=f"{capital(first)}.", second=f"{capital(second)}.")
    words = {"truth": truth, "which": "first" if is_first else "second"}
    words |= {"at_a": f"{facts.the(a)} {be(a)} {places[0]}", "at_b": f"{facts.the(b)} {be(b)} {places[1]}"}
    return template.replace('."?', '"?'), pick(rng, answers, **words)


def _covered(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "If the {side} half of the image were covered, which of {things} could still be seen?",
        "Suppose someone covers the {side} half of the picture. Which of {things} would remain visible?",
        "Imagine that only the {other} half of the image is left. Which of {things} would it still show?",
        "A sheet of paper hides the {side} half of the photo. What is left to see of {things}?",
    )
    answers = (
        "{hidden} {be_hidden} in the {side} half and would disappear. {kept} {be_kept} in the {other} half and would "
        "still be seen.",
        "Go through them by side: {hidden} {be_hidden} on the {side}, and {kept} {be_kept} on the {other}. With the "
        "{side} half covered, {kept} would remain.",
        "Of these, {kept} would remain. The reason is that {kept} {be_kept} entirely in the {other} half, while "
        "{hidden} {be_hidden} in the {side} half that is hidden.",
    )
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
    return pick(rng, questions, **words), _in_sentences(pick(rng, answers, **words))


def _mirror(facts: Facts, rng: random.Random) -> QA | None:
    questions = (
        "If the picture were flipped left to right, on which side would {the} be?",
        "In a mirror image of this scene, where would {the} appear, on the left or on the right?",
        "Imagine seeing this picture in a mirror. On which side would you find {the}?",
        "Suppose the photo was printed the wrong way around. Which side would {the} be on then?",
    )
    answers = (
        "Right now {the} {be} {place}. A mirror swaps left and right, so {the} would end up on the {other}.{and_two}",
        "On the {other}. In the image as it is, {the} {be} {place}, and flipping it exchanges the two sides.{and_two}",
        "Flipping keeps heights and swaps sides. As {the} {be} {place} now, the new place would be on the "
        "{other}.{and_two}",
        "To answer, first find {the}, {place}. Left becomes right in a mirror and right becomes left, which puts "
        "{the} on the {other}.{and_two}",
    )
    mirror_two = (
        " By the same rule {the_b}, now {place_b}, would be on the {other_b}.",
        " {the_b}, which {be_b} {place_b}, would likewise turn up on the {other_b}.",
    )
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
        words["and_two"] = pick(rng, mirror_two, **told)
    return pick(rng, questions, **words), _in_sentences(pick(rng, answers, **words))


def _sum(facts: Facts, rng: random.Random) -> QA | None:
    take_questions = (
        "If {taken} of the {names} were taken away, how many would be left?",
        "How many {names} would remain in the picture after removing {taken} of them?",
        "Suppose {taken} of the {names} were not there. How many would one still count?",
    )
    add_questions = (
        "If {taken} more {names} joined the scene, how many would there be in all?",
        "How many {names} would there be with {taken} more of them?",
        "Suppose {taken} more {names} were added. What would the total be?",
    )
    answers = (
        "{there} now. {change} {taken} gives {result}, so the answer is {result}.",
        "First count what is there: {now}. Then {change_verb} {taken}, which makes {result}.",
        "The image shows {now}. With {taken} {more_or_fewer}, the number becomes {result}.",
        "One starts from {now}, as they can be counted in the picture. {change} {taken} leads to {result}.",
    )
    names = [name for name, n in facts.exact.items() if n > 1]
    if not names:
        return None
    name = rng.choice(names)
    n, is_more = facts.exact[name], rng.random() < 0.5
    taken = rng.randint(1, 3) if is_more else rng.randint(1, n - 1)
    left = n + taken if is_more else n - taken
    words = {
        "names": many_of(name),
        "taken": number_word(taken),
        "now": counted(name, n),
        "result": counted(name, left),
    }
    words |= {"there": there_is(counted(name, n), n), "change": "adding" if is_more else "taking away"}
    words |= {"change_verb": "add" if is_more else "take away", "more_or_fewer": "more" if is_more else "fewer"}
    return pick(rng, add_questions if is_more else take_questions, **words), _in_sentences(pick(rng, answers, **words))


def _activity(facts: Facts, rng: random.Random) -> QA | None:
    """What the captions say, held against the objects: possible for nearly every image."""
    questions = (
        "What is happening in this scene, and what in the image supports it?",
        "What seems to be going on here, and which details tell you so?",
        "How would you interpret this scene, judging by what can be seen?",
        "What can be concluded about this scene from the things in it?",
        "What story does this picture tell, and what is it based on?",
    )
    activity_more = (
        "This is supported by what can be seen: {things}.", "The things in view fit this: {things}.",
        "Several details back this up, namely {things}.",
        "The evidence is in the picture itself, which shows {things}.",
    )  # fmt: skip
    activity_one = (
        "The clue is {things}, which can be seen clearly.", "This is supported by {things} in view.",
        "The main piece of evidence is {things}.", "The main clue is {things} in plain view.",
    )  # fmt: skip
    activity_place = (
        "In detail, {the} {be} {place}.", "For a closer look, {the} {be} {place}.", "Note that {the} {be} {place}.",
        "As for where to look, {the} {be} {place}.",
    )  # fmt: skip
    if not facts.captions and len(facts.present) < 2:
        return None
    caption: Caption | None = facts.captions[0] if facts.captions else None
    things = _evidence(facts)
    sentences = [tell(rng, caption)] if caption else []
    second = second_caption(facts.captions, caption) if caption else None
    if second is None and not things and len(facts.captions) > 1:
        second = facts.captions[1]
    if second is not None and (len(things) < 2 or rng.random() < 0.6):
        sentences.append(second_sentence(rng, second))
    if things:
        wordings = activity_more if len(things) > 1 or facts.is_several(things[0]) else activity_one
        sentences.append(pick(rng, wordings, things=list_things(facts, things)))
    for name in things:
        place = place_phrase(rng, facts.unique[name].box_unit) if name in facts.unique else None
        if place and len(sentences) < 4:
            sentences.append(pick(rng, activity_place, the=facts.the(name), be=be(name), place=place))
            break
    if len(sentences) < 2:
        return None
    return pick(rng, questions), " ".join(sentences)


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
