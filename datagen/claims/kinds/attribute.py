"""Attribute: "The dog is brown" says of a thing its colour, material, pattern, size or state.

Captions tell it, and sentences on parts, such as Visual Genome's attributes. A value is contradicted where captions
give the same thing, the only one of its kind, another value of the same sort ("a brown dog"), and none that may be
meant by it ("a tan dog"). A sentence on a part may be of any thing of that name, so it speaks only against what is said
of the one that is boxed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import Clause, Statement, Subject
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ShortAnswer,
    Spoiling,
    ask_yes_no,
    boxes_meant,
    is_about_one,
    is_the_same,
    replaced,
)
from datagen.claims.syntax import Noun, singular
from datagen.geometry import centre_of
from datagen.records import Claim

MANY = "many-coloured"
COLOURS: dict[str, str] = {
    "red": "red crimson scarlet maroon burgundy ruby",
    "orange": "orange ginger",
    "yellow": "yellow golden gold blond blonde",
    "green": "green emerald",
    "blue": "blue navy azure",
    "purple": "purple violet lavender lilac magenta",
    "pink": "pink rose salmon fuchsia",
    "brown": "brown chestnut bronze",
    "black": "black jet-black dark-colored",
    "white": "white ivory snow-white off-white",
    "grey": "gray grey silver silvery charcoal",
    "blue/green": "turquoise teal aqua cyan",
    "brown/white/yellow": "tan beige cream khaki",
    "green/yellow": "lime olive",
    MANY: "colorful colourful multicolored multi-colored multicoloured rainbow rainbow-colored",
}
ALIKE = (
    {"red", "orange"}, {"red", "pink"}, {"red", "brown"}, {"orange", "yellow"}, {"orange", "brown"}, {"yellow",
    "brown"},
    {"pink", "purple"}, {"purple", "blue"}, {"brown", "black"}, {"brown", "grey"}, {"grey", "white"}, {"grey", "black"},
    {"orange", "pink"},
)  # fmt: skip
"""Colours that two people may give the same thing."""
MATERIALS: dict[str, str] = {
    "wood": "wooden wood oak timber bamboo",
    "metal": "metal steel iron metallic aluminum aluminium chrome cast-iron brass copper tin",
    "stone": "stone marble granite cobblestone cobbled", "concrete": "concrete cement", "brick": "brick",
    "plastic": "plastic",
    "glass": "glass", "leather": "leather", "cloth": "velvet cotton wool woolen denim",
    "asphalt": "asphalt paved", "earth": "dirt gravel unpaved", "carpet": "carpeted", "tile": "tiled",
    "cardboard": "cardboard paper", "ceramic": "ceramic porcelain terracotta", "ceramic/earth": "clay",
    "straw": "straw wicker woven",
}  # fmt: skip
ALIKE_MATERIALS = (
    {"stone", "concrete"}, {"stone", "brick"}, {"brick", "concrete"}, {"asphalt", "concrete"}, {"asphalt", "stone"},
    {"asphalt", "brick"}, {"tile", "stone"}, {"tile", "brick"}, {"tile", "glass"},
    {"ceramic", "stone"}, {"ceramic", "tile"},
)  # fmt: skip
PATTERNS: dict[str, str] = {
    "plain": "plain", "striped": "striped", "checked": "checkered checked plaid",
    "dotted": "polka-dotted polka-dot spotted dotted", "flowered": "floral flowered flowery",
}  # fmt: skip
STATES: tuple[tuple[str, str, str, str], ...] = (
    ("opening", "open", "open opened", "closed shut folded furled"),
    ("filling", "empty", "empty deserted vacant unoccupied", "full filled crowded packed jammed busy occupied"),
    ("wetness", "wet", "wet soaked", "dry"),
    ("cooking", "raw", "raw uncooked", "cooked baked grilled fried"),
    ("size", "large", "large big huge giant enormous massive oversized", "small little tiny compact"),
    ("height", "tall", "tall", "short"),
    ("cleanness", "clean", "clean spotless", "dirty muddy filthy"),
    ("wholeness", "sliced", "sliced cut chopped", "whole uncut"),
    ("age", "new", "brand-new new modern recent contemporary", "antique vintage ancient old-fashioned rusty old"),
    ("order", "tidy", "tidy neat orderly uncluttered", "cluttered messy untidy disorganized chaotic"),
    ("reality", "real", "real life-sized full-sized", "toy stuffed fake plush lego animated cartoon miniature"),
    ("beard", "bearded", "bearded", "clean-shaven beardless"),
    ("foliage", "bare", "leafless barren bare", "blooming blossoming flowering leafy lush"),
    ("dressing", "barefoot", "barefoot", "booted"),
    ("light", "lit", "lit glowing illuminated", "unlit"),
    ("growth", "young", "baby infant", "adult grown full-grown fully-grown"),
    ("calm", "calm", "calm placid still", "rough choppy stormy turbulent wavy"),
    ("course", "straight", "straight", "curved curvy winding bent curving"),
    ("width", "wide", "wide broad", "narrow"),
    ("tether", "tied", "tied chained tethered leashed locked", "untied unchained untethered unleashed"),
    ("intactness", "broken", "broken damaged cracked dilapidated ruined crumbling", "intact undamaged unbroken"),
    ("fleece", "shorn", "shorn sheared shaved", "fluffy woolly shaggy furry hairy"),
    ("slope", "steep", "steep", "flat level gentle"),
    ("heat", "hot", "hot steaming boiling", "cold frozen icy chilled"),
)
"""A sort, the name of one side, its words, and those of the other side."""
_NOT_COLOURED = frozenset(
    "wine tea pepper meat onion bean light juice sky house board rice bread sauce slice peel tree chocolate skin eye "
    "hair area part side section people person man woman boy girl child player line market card star medal paper "
    "background space stripe tone color colour shade".split()
)
"""Heads whose colour is a name, a part, or matter of many things."""
_WORN = frozenset(
    "shirt t-shirt tee jacket coat sweater hoodie dress skirt suit hat cap helmet shorts pants trousers jeans shoe "
    "boot "
    "sneaker scarf glove uniform jersey top blouse vest tie sock sandal goggle wetsuit outfit bag backpack".split()
)
"""What people wear: told of one thing alone where there is one person."""
_COPULAS = frozenset("be is are was were 's ’s 're ’re looks look appears appear stays remains has have".split())
WRONG_COLOUR = PlantedError("colour", "a wrong colour")


def _sorts() -> Iterator[tuple[str, str, str]]:
    for sort, table in (("colour", COLOURS), ("material", MATERIALS), ("pattern", PATTERNS)):
        yield from ((word, sort, value) for value, words in table.items() for word in words.split())
    for sort, name, words, others in STATES:
        yield from ((word, sort, name) for word in words.split())
        yield from ((word, sort, f"not {name}") for word in others.split())


_SHADES = frozenset(
    "a an in bone bright pale light dark deep neon plain solid all half almost completely vivid glossy soft polished "
    "partly been made built painted colored coloured left out of from kept entirely".split()
)
"""What may stand between a verb and the value it gives: "is MADE OF POLISHED steel"."""
_PELT = frozenset("coat fur feather plumage".split())
"""What has an animal's own colour: "its coat is brown"."""
_SURFACES = _PELT | frozenset("paint background surface exterior body finish".split())
_SAME = {
    word: n
    for n, words in enumerate((
        "road street path trail lane pathway roadway", "shirt t-shirt tee top blouse jersey", "pants trousers jeans",
        "room kitchen bathroom bedroom office cubicle desk workstation interior space place area scene",
        "tree branch bush", "suitcase trunk luggage baggage bag", "floor flooring carpet", "sweater sweatshirt hoodie",
        "jacket coat", "hat cap",
    ))
    for word in words.split()
}  # fmt: skip
"""Words that two people may have for one thing."""
VALUES = {word: (sort, value) for word, sort, value in _sorts()}
"""Per word its sort and value."""
_YOUNG = frozenset("cub puppy kitten calf foal lamb chick duckling gosling piglet fawn".split())
_FULL_OF = frozenset("vase bowl plate cup glass mug basket bucket pot pan tray jar bottle platter".split())
"""What has something in it where it is "of" that: "a vase of flowers"."""
_COLOURED = frozenset("colored coloured color colour".split())
_TELLING_NOUNS = _YOUNG | _FULL_OF | _COLOURED
_WORDS = frozenset(VALUES)
_UNTOLD = _NOT_COLOURED - _SURFACES
_SWITCHED = frozenset(
    "lamp light tv television screen monitor laptop computer stove fan streetlight candle fire".split()
)


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Values before a noun ("the brown dog"), behind a verb ("is brown") or of a material ("made of steel")."""
    words = clause.sentence.words
    yield from _switched(clause)
    yield from _by_nouns(clause)
    if _WORDS.isdisjoint(clause.sentence.parts):
        return
    hits = [n for n in clause.words() if words[n] in VALUES or ("-" in words[n] and _values_of(words[n]))]
    if not hits:
        return
    taken: set[int] = set()
    for noun in clause.nouns():
        if noun.determiner and noun.last in hits:
            hits.remove(noun.last)  # "the glass is full"
        inside = [n for n in hits if noun.first <= n < noun.last]
        if not inside:
            continue
        taken.update(inside)
        if noun.head in _UNTOLD or "than" in words[max(0, noun.first - 2) : noun.first]:
            continue
        subject = _owner(clause, noun)
        if subject is not None:
            yield from _stated(clause, subject, noun.end, inside)
    for n in hits:
        if n in taken:
            continue
        run = [n]
        while (step := 1 if run[-1] + 1 in hits else 2 if run[-1] + 2 in hits else 0) and (
            step == 1 or words[run[-1] + 1] in ("and", ",")
        ):
            run.append(run[-1] + step)
        taken.update(run)
        subject = _subject(clause, n)
        if subject is not None and (subject.word not in _NOT_COLOURED or subject.word in ("hair", "eye")):
            yield from _stated(clause, subject, 0, run)


def _by_nouns(clause: Clause) -> Iterator[Statement]:
    for noun in () if _TELLING_NOUNS.isdisjoint(clause.sentence.words) else clause.nouns():
        yield from _by_noun(clause, noun)


def _by_noun(clause: Clause, noun: Noun) -> Iterator[Statement]:
    """What a noun says by itself: a cub is young, "a vase OF flowers" is not empty."""
    words, last = clause.sentence.words, noun.last
    value = None
    if noun.head in _YOUNG:
        value = "growth: young"
    elif not _VARIED.isdisjoint(noun.modifiers) and not _COLOURED.isdisjoint(noun.modifiers):
        value = f"colour: {MANY}"  # "different colored toothbrushes"
    elif noun.head in _FULL_OF and not noun.is_plural and words[last + 1 : last + 2] == ["of"]:
        follows = next((one for one in clause.nouns() if one.first == last + 2), None)
        value = None if follows is None or follows.head in MATERIAL_WORDS else "filling: not empty"
    subject = None if value is None else clause.named(noun)
    if subject is not None:
        yield _said(clause, subject, noun.start, noun.end, value or "")


def _switched(clause: Clause) -> Iterator[Statement]:
    """Whether what gives light is on: "the lamp is switched off", "the television is on"."""
    words, tags = clause.sentence.words, clause.sentence.tags
    if _SWITCHED.isdisjoint(words) or _ON_OFF.isdisjoint(words):
        return
    for n in clause.words():
        if n and words[n] in _ON_OFF and (words[n - 1] in _TURNED or words[n - 1] in _COPULAS):
            after = tags[n + 1 : n + 2]
            if words[n - 1] not in _TURNED and after and after[0] in "DnAMO":
                continue  # "is on the table"
            subject = _subject(clause, n - (words[n - 1] in _TURNED))
            if subject is not None and subject.word in _SWITCHED:
                value = "light: lit" if words[n] == "on" else "light: not lit"
                yield _said(clause, subject, clause.sentence.starts[n - 1], clause.sentence.ends[n], value)


_VARIED = frozenset("different various varied assorted multi".split())
_ON_OFF = frozenset(("on", "off"))
_TURNED = frozenset("switched turned".split())
MATERIAL_WORDS = frozenset(word for words in MATERIALS.values() for word in words.split())


def _owner(clause: Clause, noun: Noun) -> Subject | None:
    """What has the colour of a part: "the hydrant's brown PAINT", "the sign has a green BACKGROUND"."""
    sentence = clause.sentence
    if noun.head in _SURFACES:
        if noun.determiner in ("'s", "’s"):
            owner = next((one for one in clause.nouns() if one.last == noun.first - 1), None)
            return None if owner is None else clause.named(owner)
        if noun.first and sentence.words[noun.first - 1] in ("has", "have"):
            return clause.subject_before(noun.first - 1)
        if noun.head in _PELT and noun.determiner == "its" and (owner := sentence.meant()) is not None:
            return clause.named(owner) or clause.named(noun)
    return clause.named(noun)


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """The colour in "What colour is the bus?" "Blue."."""
    asked = _ASKS_COLOUR.match(turn.question)
    said = _GIVES_COLOUR.match(turn.answer.lower()) if asked is not None else None
    values = [] if said is None else [VALUES[word][1] for word in said[0].split() if word in VALUES]
    if asked is None or said is None or not values or any(one.kind == "attribute" for one in turn.said):
        return
    named = next((one for one in turn.lexicon.find(turn.question) if one.end == asked.end("noun")), None)
    word = singular(asked["noun"].lower())
    yield Statement(
        "attribute", word if named is None else named.category, word, *said.span(), is_definite=True,
        value=f"colour: {' and '.join(dict.fromkeys(values))}",
        is_plural=word != asked["noun"].lower() if named is None else named.is_plural,
    )  # fmt: skip


_ASKS_COLOUR = re.compile(
    r"(?:and )?(?:what|which) colou?r (?:is|are) (?:the|this|that|his|her|its|their) (?:[a-z]+ ){0,2}?"
    r"(?P<noun>[a-z]+)\s*(?:\?|in\b|on\b|that\b|"
    r"held\b|worn\b)",
    FLAGS,
)
_GIVES_COLOUR = re.compile(
    rf"(?:(?:it|they|he|she|that)(?:['’]s|['’]re| is| are| looks)\s+)?"
    rf"(?:(?:bright|light|dark|pale|mostly|mainly|a|solid)\s+)*"
    rf"(?:{'|'.join(w for t in COLOURS.values() for w in t.split())})"
    r"(?:\s+and\s+[a-z]+)?(?=\s*(?:[.,;!]|$))"
)


def _values_of(word: str) -> list[tuple[str, str]]:
    """Sort and value of a word: "bone-dry" is dry, "red-brown" both."""
    found = [VALUES[part] for part in (word, *(word.split("-") if word not in VALUES else ())) if part in VALUES]
    return [*found, ("material", "metal")] if word in ("silver", "chrome") and found else found


def _subject(clause: Clause, at: int) -> Subject | None:
    """That of which a value behind its verb is said."""
    sentence = clause.sentence
    n = at - 1
    while n > 0 and (
        sentence.tags[n] == "R" or sentence.words[n] in _SHADES
        or (sentence.tags[n] == "A" and all(one.last != n for one in sentence.nouns))
        or (sentence.words[n] == "and" and sentence.tags[n - 1] == "A")
    ):  # fmt: skip
        n -= 1
    if n > 0 and sentence.words[n] == "," and sentence.nouns and sentence.nouns[0].last == n - 1:
        return clause.named(sentence.nouns[0])  # "the dog, white with black spots, looks up"
    if n < 0 or sentence.words[n] not in _COPULAS:
        return _described(clause, n, at)
    subject = clause.subject_before(n)
    if subject is not None and subject.word in (*_PELT, "color", "colour"):
        part = next((k for k in range(n - 1, -1, -1) if sentence.words[k] == subject.word), 0)
        if sentence.words[part + 1] == "of":  # "the colour of the bus"
            owner = next((one for one in sentence.nouns if one.first == part + 2), None)
        elif part and sentence.words[part - 1] in ("'s", "’s"):  # "the dog's coat"
            owner = next((one for one in sentence.nouns if one.last == part - 2), None)
        else:
            owner = sentence.meant()
        return subject if owner is None else clause.named(owner) or subject
    return subject


def _described(clause: Clause, n: int, at: int) -> Subject | None:
    """That behind which a value stands at once: "a vase FILLED with flowers", "a bench made of STONE"."""
    sentence = clause.sentence
    if n < at - 1 and sentence.words[n + 1] in _WORKED:
        is_said = True
    else:
        after = sentence.words[at + 1 : at + 2] or [""]
        is_said = n == at - 1 and (sentence.tags[at] == "E" or sentence.words[at] in _BEHIND) and after[0] in _GOES_ON
    noun = next((one for one in sentence.nouns if one.last == n), None) if is_said and n >= 0 else None
    return None if noun is None else clause.named(noun)


_WORKED = frozenset("made built painted colored coloured out kept left".split())
_BEHIND = frozenset("full empty open shut bare tied chained".split())
_GOES_ON = frozenset(("", "with", "of", "by", "in", "to", "up", "and", ",", ".", "on", "into", "at"))


def _said(clause: Clause, subject: Subject, start: int, end: int, value: str) -> Statement:
    return Statement(
        "attribute", subject.category, subject.word, min(start, subject.start), end, value=value,
        is_plural=subject.is_plural, is_definite=subject.is_definite, number=subject.number, is_firm=subject.is_firm,
        in_question=clause.in_question, beside=clause.beside(),
        is_all=not _WHOLLY.isdisjoint(clause.sentence.words),
    )  # fmt: skip


_WHOLLY = frozenset("all plain solid entirely completely both uniformly".split())


def _stated(clause: Clause, subject: Subject, end: int, indices: list[int]) -> Iterator[Statement]:
    """One statement a sort: colours are told together, "black and white"."""
    sentence = clause.sentence
    by_sort: dict[str, list[tuple[int, str]]] = {}
    for n in indices:
        for sort, value in _values_of(sentence.words[n]):
            by_sort.setdefault(sort, []).append((n, value))
    for sort, told in by_sort.items():
        found = [n for n, _ in told]
        values = dict.fromkeys(value for _, value in told)
        first, last = sentence.starts[found[0]], max(end, sentence.ends[found[-1]])
        if sort != "growth" or subject.category != "person":  # whose age is a claim of its own
            yield _said(clause, subject, first, last, f"{sort}: {' and '.join(values)}")


def _told(statement: Statement) -> tuple[str, frozenset[str]]:
    sort, _, values = (statement.value or ": ").partition(": ")
    return sort, frozenset(values.split(" and "))


def _may_be_same(sort: str, a: str, b: str) -> bool:
    if MANY in (a, b):
        return True
    alike = ALIKE if sort == "colour" else ALIKE_MATERIALS if sort == "material" else ()
    return any(x == y or {x, y} in alike for x in a.split("/") for y in b.split("/"))


def verify_attribute(statement: Statement, evidence: Evidence) -> Ruling:
    """What captions give the same thing decides, where there is one such thing, or all of them are told alike."""
    sort, said = _told(statement)
    name = statement.word
    own, of_parts = (
        [[one for one in text if one.kind == "attribute" and _told(one)[0] == sort
          and (one.word == name or one.category == statement.category
               or (name in _SAME and _SAME[name] == _SAME.get(one.word)))]
         for text in texts]
        for texts in (evidence.told, evidence.told_of_parts)
    )  # fmt: skip
    told = {value for text in (*own, *of_parts) for one in text for value in _told(one)[1]}
    n_captions = sum(map(bool, own))
    saying = f"{name}: text says {' and '.join(sorted(said))}"
    taken = (
        _who_is_there(statement, evidence) if sort == "filling" and said == {"empty"} and "empty" not in told else None
    )
    if taken is not None:
        return "contradicted", f"{name}: text says empty, {taken}"
    if sort == "calm" and said == {"calm"} and name in _WATERS and evidence.nouns.get("wave", 0) >= TAKEN:
        return "contradicted", f"{name}: text says calm, captions tell of waves"
    if not told:
        return "unknown", f"{saying}, no caption tells its {sort}"
    shown = f"{'captions' if n_captions else 'sentences on parts'} say {' and '.join(sorted(told))}"
    if all(any(not set(a.split("/")).isdisjoint(b.split("/")) for b in told) for a in said):
        return "supported_by_caption", f"{saying}, {shown}"
    is_agreed = n_captions >= AGREED and len(told) <= 2
    is_agreed = is_agreed or (statement.is_all and told == {MANY})
    if any(_may_be_same(sort, a, b) for a in said for b in told) and not is_agreed:
        return "unknown", f"{saying}, {shown}"
    if sort in _OF_TASTE and n_captions < 2 and statement.word not in _FILLED:
        return "unknown", f"{saying}, {shown}, which is a matter of taste"
    everyone = [one for text in (own if n_captions else of_parts) for one in text]
    is_only = is_agreed or _is_only(statement, everyone, n_captions, evidence)
    if not n_captions:
        is_one = len(evidence.boxes.get(statement.category, ())) == 1 and not any(one.is_plural for one in everyone)
        is_only = is_one and statement.is_definite and not statement.is_plural
    if not is_only and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of another one"
    return "contradicted", f"{saying}, {shown}"


def _who_is_there(statement: Statement, evidence: Evidence) -> str | None:
    """What speaks against a place, a seat or a table being empty."""
    name, category = statement.word, statement.category
    count, persons = evidence.counts.get(category), evidence.counts.get("person")
    seat = f" on {category}"
    n_taken = sum(any((one.value or "").endswith(seat) for one in caption) for caption in evidence.told)
    if n_taken >= TAKEN and count is not None and count.is_exact and count.at_least == 1:
        return f"{n_taken} captions seat somebody on it"
    n_crowded = sum(name in words and not _CROWDED.isdisjoint(words) for words in evidence.words)
    is_told = n_crowded or evidence.named.get("person", 0) >= TAKEN
    if is_told and persons is not None and persons.at_least >= CROWD and name in _PLACES:
        return f"boxes show at least {persons.at_least} people and captions tell of them"
    if category == "dining table" and len(evidence.boxes.get(category, ())) == 1:
        ((low_x, low_y, high_x, high_y),) = evidence.boxes[category]
        on = [
            name for name, boxes in evidence.boxes.items() if name in _TABLEWARE
            for x, y in map(centre_of, boxes) if low_x < x < high_x and low_y < y < high_y
        ]  # fmt: skip
        return f"boxes show {len(on)} things on it" if len(on) >= LAID else None
    return None


_CROWDED = frozenset("crowd full filled packed crowded busy spectator fan audience people".split())
_PLACES = frozenset(
    "street road stand bleacher seat beach platform station room restaurant intersection square park sidewalk slope "
    "plaza crosswalk court stadium shore hall".split()
)
_WATERS = frozenset("sea ocean water surf lake river".split())
_TABLEWARE = frozenset("cup bowl fork knife spoon bottle cake pizza sandwich donut plate".split()) | {"wine glass"}
CROWD, LAID = 8, 3
"""People with whom a place is not empty, and things with which a table is not."""
AGREED = 3
"""Captions that agree on a thing's value, from which on it has no neighbouring one, and any such thing has that."""
TAKEN = 2
"""Captions that seat somebody on a thing, from which on it is not empty."""
FEW = 4
"""Of so many "yellow bananas" none is red; of more there may be one."""
_OF_TASTE = frozenset(("size", "height", "wholeness", "cleanness", "age", "width", "fleece"))
_FILLED = frozenset(("glass", "bottle", "cup", "pool", "bowl", "plate"))
"""Things that are full or empty for everybody."""


def _is_only(statement: Statement, told: list[Statement], n_captions: int, evidence: Evidence) -> bool:
    """Whether a text and the captions speak of the same thing: there is one, one stands out, or all are told alike."""
    count = evidence.counts.get(statement.category)
    persons = evidence.counts.get("person")
    if statement.word in _WORN and persons is not None and persons.at_least > 1:
        return _is_of_main(statement, evidence)
    plurals = [one for one in told if one.is_plural]
    if count is None:
        return len(plurals) == len(told) if statement.is_plural or plurals else True
    if (count.is_exact and count.at_least == 1) or len(boxes_meant(statement.category, evidence)) == 1:
        return True
    if len(plurals) == len(told):  # "yellow bananas" are all of them, "two brown dogs" where there are two
        is_each = statement.is_plural or (count.at_least <= FEW and _told(statement)[0] in ("colour", "material"))
        return is_each and all(one.number is None or one.number >= count.at_least for one in plurals)
    return n_captions >= 2 and count.at_least <= 2 and not statement.is_plural and not plurals


def _is_of_main(statement: Statement, evidence: Evidence) -> bool:
    """Whether "his shirt" is that of the one person whom captions are about, others standing by."""
    is_owned = not statement.is_plural and not _OWNERS.isdisjoint(statement.beside)
    return is_owned and is_about_one("person", evidence)


_OWNERS = frozenset("he she his her him".split())


def excludes(a: Claim, b: Claim) -> bool:
    """Another value of the same sort; which of several things is meant nobody knows, so only where captions told."""
    if b.kind != "attribute" or "unknown" in (a.verdict, b.verdict):
        return False
    sort, _, mine = (a.value or "").partition(": ")
    other_sort, _, theirs = (b.value or "").partition(": ")
    return sort == other_sort and not any(
        _may_be_same(sort, x, y) for x in mine.split(" and ") for y in theirs.split(" and ")
    )


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask for a colour; other sorts are asked of validators that take any question."""
    sort, _, value = (claim.value or "").partition(": ")
    if not value.startswith("not "):
        error = WRONG_COLOUR if sort == "colour" else None
        said = f"made of {value}" if sort == "material" else value
        yield ask_yes_no(claim, f"Is the {claim.category} {said}?", error)


_WRONG = {"red": "blue", "orange": "purple", "yellow": "blue", "green": "red", "blue": "yellow", "purple": "yellow",
          "pink": "green", "brown": "pink", "black": "white", "white": "black", "grey": "red"}  # fmt: skip


def recolour(answer: str, claim: Claim, spoiling: Spoiling) -> str | None:
    """Give a thing another colour, one that nobody takes for its own; none is for what has several, or lies between."""
    sort, _, value = (claim.value or "").partition(": ")
    if sort != "colour" or value not in _WRONG:
        return None
    span = answer[claim.start : claim.end]
    for word in COLOURS[value].split():
        at = span.lower().find(word)
        if at >= 0:
            return replaced(answer, claim.start + at, claim.start + at + len(word), _WRONG[value])
    return None


ATTRIBUTE = Kind(
    name="attribute",
    says="colour, material, pattern, size or state of a thing",
    examples=(
        "The dog is brown.",
        "A brown dog runs.",
        "The bed is made of wood.",
        "The striped cat sleeps.",
        "The bed is empty.",
    ),
    read_clause=read_clause,
    read_short_answer=read_short_answer,
    reads_bare=True,
    verify=verify_attribute,
    excludes=excludes,
    probe=probe,
    plants=((WRONG_COLOUR, recolour),),
    suffers=lambda claim: (WRONG_COLOUR,) if (claim.value or "").startswith("colour") else (),
    if_supposed="if plain",
    if_seeming=True,
    if_aimed=True,
)
