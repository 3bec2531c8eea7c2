"""Attribute: "The dog is brown" says of a thing its colour, material, pattern, size or state.

Captions tell it, and sentences on parts, such as Visual Genome's attributes. A value is contradicted where captions
give the same thing, the only one of its kind, another value of the same sort ("a brown dog"), and none that may be
meant by it ("a tan dog"). A sentence on a part may be of any thing of that name, so it speaks only against what is said
of the one that is boxed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

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
from datagen.claims.syntax import Noun, Sentence, singular
from datagen.claims.wordnet import is_a, is_usual, senses
from datagen.geometry import centre_of
from datagen.records import Claim

MANY = "many-coloured"
COLOURS: dict[str, str] = {
    "red": "red crimson scarlet maroon burgundy ruby reddish",
    "orange": "orange ginger orangish",
    "yellow": "yellow golden gold blond blonde yellowish",
    "green": "green emerald greenish",
    "blue": "blue navy azure bluish",
    "purple": "purple violet lavender lilac magenta purplish",
    "pink": "pink rose salmon fuchsia pinkish",
    "brown": "brown chestnut bronze brownish",
    "black": "black jet-black pitch-black blackish dark-colored",
    "white": "white ivory snow-white off-white whitish",
    "grey": "gray grey silver silvery charcoal grayish greyish",
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
    (
        "filling",
        "empty",
        "empty deserted vacant unoccupied emptied",
        "full filled crowded packed jammed busy occupied bustling brimming overflowing crammed laden thronged",
    ),
    ("wetness", "wet", "wet soaked damp soggy drenched moist dripping sodden waterlogged", "dry parched arid bone-dry"),
    ("cooking", "raw", "raw uncooked", "cooked baked grilled fried"),
    (
        "size",
        "large",
        "large big huge giant enormous massive oversized gigantic immense vast colossal mammoth",
        "small little tiny compact minuscule petite teeny",
    ),
    ("height", "tall", "tall lofty", "short squat"),
    ("cleanness", "clean", "clean spotless immaculate pristine", "dirty muddy filthy grimy stained soiled grubby"),
    ("wholeness", "sliced", "sliced cut chopped", "whole uncut"),
    ("age", "new", "brand-new new modern recent contemporary", "antique vintage ancient old-fashioned rusty old"),
    ("order", "tidy", "tidy neat orderly uncluttered", "cluttered messy untidy disorganized chaotic littered jumbled"),
    ("reality", "real", "real life-sized full-sized", "toy stuffed fake plush lego animated cartoon miniature"),
    ("beard", "bearded", "bearded", "clean-shaven beardless"),
    ("foliage", "bare", "leafless barren bare withered", "blooming blossoming flowering leafy lush verdant"),
    ("dressing", "barefoot", "barefoot", "booted"),
    ("light", "lit", "lit glowing illuminated", "unlit"),
    ("growth", "young", "baby infant", "adult grown full-grown fully-grown"),
    ("calm", "calm", "calm placid still", "rough choppy stormy turbulent wavy"),
    ("course", "straight", "straight", "curved curvy winding bent curving twisting crooked"),
    ("width", "wide", "wide broad", "narrow"),
    ("tether", "tied", "tied chained tethered leashed locked", "untied unchained untethered unleashed"),
    (
        "intactness",
        "broken",
        "broken damaged cracked dilapidated ruined crumbling torn tattered ripped shattered",
        "intact undamaged unbroken",
    ),
    ("fleece", "shorn", "shorn sheared shaved", "fluffy woolly shaggy furry hairy"),
    ("slope", "steep", "steep", "flat level gentle"),
    ("heat", "hot", "hot steaming boiling", "cold frozen icy chilled"),
    ("brightness", "bright", "sunlit well-lit", "dark dim gloomy"),
    ("clarity", "clear", "clear transparent crystal-clear", "murky cloudy turbid opaque"),
    ("traffic", "quiet", "quiet sleepy", "hectic"),
    ("access", "public", "public", "private"),
    ("ripeness", "ripe", "ripe", "unripe"),
    ("mood", "happy", "happy joyful cheerful", "sad unhappy upset"),
    ("trade", "commercial", "commercial industrial professional commercial-style", "home domestic"),
)
"""A sort, the name of one side, its words, and those of the other side."""
_ALSO: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("busy", "bustling", "crowded", "packed", "thronged"), ("traffic", "not quiet")),
    "deserted": ("traffic", "quiet"), "muddy": ("clarity", "not clear"), "bright": ("brightness", "bright"),
    "airy": ("brightness", "bright"), "glassy": ("calm", "calm"),
}  # fmt: skip
"""A second thing that a word says."""
_OF_PLANTS = {
    "dry": "foliage: bare", "parched": "foliage: bare", "yellowed": "foliage: bare", "green": "foliage: not bare",
}  # fmt: skip
"""What words say of what grows: "dry grass" is not lush."""
_GROWN = frozenset("grass lawn meadow field pasture hillside hill slope bush hedge".split())
_LAID = frozenset("table desk shelf counter room".split())
"""What is empty where it is bare."""
_LIT = frozenset("lit illuminated".split())
_BY_LIGHT = {
    "brightly": "bright",
    "well": "bright",
    "dimly": "not bright",
    "poorly": "not bright",
    "faintly": "not bright",
}
_DARKENED = frozenset(
    "room bedroom kitchen bathroom hall restaurant bar interior street alley cellar office space".split()
)
"""Places that are bright or dark by their light; of a thing these words are said of its colour."""
_NOT_COLOURED = frozenset(
    "wine tea pepper meat onion bean light juice sky house board rice bread sauce slice peel tree chocolate skin "
    "area part side section people person man woman boy girl child player line market card star medal paper "
    "background space stripe tone color colour shade".split()
)
"""Heads whose colour is a name, a part, or matter of many things."""
_WORN = frozenset(
    "shirt t-shirt tee jacket coat sweater hoodie dress skirt suit hat cap helmet shorts pants trousers jeans shoe "
    "boot "
    "sneaker scarf glove uniform jersey top blouse vest tie sock sandal goggle wetsuit outfit bag backpack apron hair "
    "eye suit kimono robe gown leggings".split()
)
"""What people wear: told of one thing alone where there is one person."""
_COPULAS = frozenset(
    "be is are was were 's ’s 're ’re looks look appears appear stays remains has have seems seem gone turned "
    "become becomes stands stand sits sit lies lie hangs hang rests rest been feels feel".split()
)
WRONG_COLOUR = PlantedError("colour", "a wrong colour")


def _sorts() -> Iterator[tuple[str, str, str]]:
    for sort, table in (("colour", COLOURS), ("material", MATERIALS), ("pattern", PATTERNS)):
        yield from ((word, sort, value) for value, words in table.items() for word in words.split())
    for sort, name, words, others in STATES:
        yield from ((word, sort, name) for word in words.split())
        yield from ((word, sort, f"not {name}") for word in others.split())


_SHADES = frozenset(
    "a an in bone bright pale light dark deep neon plain solid all half almost completely vivid glossy soft polished "
    "partly been run made built painted dyed colored coloured left out of from kept entirely as dead bolt stark pitch "
    "wide both each".split()
)
"""What may stand between a verb and the value it gives: "is MADE OF POLISHED steel"."""
_PELT = frozenset("coat fur feather plumage color colour".split())
"""What has an animal's own colour: "its coat is brown"."""
_SURFACES = _PELT | frozenset("paint background surface exterior body finish".split())
_SAME = {
    word: n
    for n, words in enumerate((
        "road street path trail lane pathway roadway crossroads crossroad intersection crossing",
        "shirt t-shirt tee top blouse jersey", "pants trousers jeans",
        "room kitchen bathroom bedroom office cubicle desk workstation interior space place area scene",
        "tree branch bush",
        "sea ocean lake water river pond stream", "hill hillside slope",
        "suitcase trunk luggage baggage bag", "floor flooring carpet", "sweater sweatshirt hoodie",
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
HAIR = {
    "blond": "yellow", "blonde": "yellow", "blond-haired": "yellow", "blonde-haired": "yellow", "fair-haired": "yellow",
    "brunette": "brown", "brown-haired": "brown", "red-haired": "red", "redheaded": "red", "black-haired": "black",
    "gray-haired": "grey", "grey-haired": "grey", "white-haired": "white", "dark-haired": "black/brown",
}  # fmt: skip
"""What words before a noun for people say of their hair."""
_ADULTS = frozenset(("adult", "grown-up"))
_TELLING_NOUNS = (
    _YOUNG
    | _ADULTS
    | {"adults", "cubs", "puppies", "kittens", "calves", "foals", "lambs", "chicks"}
    | _FULL_OF
    | _COLOURED
    | frozenset(HAIR)
)
_WORDS = frozenset(VALUES) | frozenset(_ALSO) | _LIT
_UNTOLD = _NOT_COLOURED - _SURFACES
_SWITCHED = frozenset(
    "lamp light tv television screen monitor laptop computer stove fan streetlight candle fire".split()
)


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Values before a noun ("the brown dog"), behind a verb ("is brown") or of a material ("made of steel")."""
    words = clause.sentence.words
    yield from _switched(clause)
    yield from _by_nouns(clause)
    yield from _without(clause)
    if _WORDS.isdisjoint(clause.sentence.parts):
        return
    hits = [n for n in clause.words() if words[n] in _WORDS or ("-" in words[n] and _values_of(words[n]))]
    if not hits:
        return
    taken: set[int] = set()
    for noun in clause.nouns():
        if noun.determiner and noun.last in hits:
            hits.remove(noun.last)  # "the glass is full"
        inside = [n for n in hits if noun.first <= n < noun.last]
        taken.update(inside)
        yield from _before_noun(clause, noun, inside)
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
        if subject is not None and subject.word not in _NOT_COLOURED:
            yield from _stated(clause, subject, 0, run)


def _before_noun(clause: Clause, noun: Noun, inside: list[int]) -> Iterator[Statement]:
    """Values at some indices, before a noun, of it and of what it is called: "it is an ENORMOUS dog"."""
    words = clause.sentence.words
    if noun.head in _UNTOLD:
        is_any = noun.head in _OF_ANY_COLOUR
        inside = [n for n in inside if is_any and VALUES.get(words[n], ("",))[0] != "colour"]
    if inside and "than" not in words[max(0, noun.first - 2) : noun.first]:
        for subject in (_owner(clause, noun), _called(clause, noun)):
            if subject is not None:
                yield from _stated(clause, subject, noun.end, inside)


def _called(clause: Clause, noun: Noun) -> Subject | None:
    """That which is called by a noun phrase behind a verb: "IT is a tiny cub", "the TRUCK is a toy model"."""
    words = clause.sentence.words
    if noun.first < 1 or noun.determiner not in ("a", "an", "") or words[noun.first - 1] not in _IS:
        return None
    subject = clause.subject_before(noun.first - 1)
    return None if subject is None or subject.word in (noun.head, *_NO_SUBJECT) else subject


_IS = frozenset("is are was were 's ’s be".split())
_NO_SUBJECT = frozenset("scene image picture photo setting background place color colour".split())
_OF_ANY_COLOUR = frozenset("tree sky house light area section".split())
"""Nouns of ``_NOT_COLOURED`` that have states all the same: "LEAFY trees"."""


def _by_nouns(clause: Clause) -> Iterator[Statement]:
    for noun in () if _TELLING_NOUNS.isdisjoint(clause.sentence.words) else clause.nouns():
        yield from _by_noun(clause, noun)


def _by_noun(clause: Clause, noun: Noun) -> Iterator[Statement]:
    """What a noun says by itself: a cub is young, "a vase OF flowers" is not empty."""
    words, last = clause.sentence.words, noun.last
    value = None
    hair = next((HAIR[word] for word in noun.modifiers if word in HAIR), None)
    wearer = clause.named(noun) if hair is not None and is_a(noun.head, "person") else None
    if wearer is not None:
        own = replace(wearer, category="hair", word="hair")
        yield _said(clause, own, noun.start, noun.end, f"colour: {hair}")
    if noun.head in _YOUNG:
        value = "growth: young"
    elif not _VARIED.isdisjoint(noun.modifiers) and not _COLOURED.isdisjoint(noun.modifiers):
        value = f"colour: {MANY}"  # "different colored toothbrushes"
    elif noun.head in _FULL_OF and not noun.is_plural and words[last + 1 : last + 2] == ["of"]:
        follows = next((one for one in clause.nouns() if one.first == last + 2), None)
        value = None if follows is None or follows.head in MATERIAL_WORDS else "filling: not empty"
    if value is None and noun.head in _ADULTS:
        value = "growth: not young"
    for subject in (_owner(clause, noun), _called(clause, noun)) if value is not None else ():
        if subject is not None and value is not None:
            yield _said(clause, subject, noun.start, noun.end, value)


def _without(clause: Clause) -> Iterator[Statement]:
    """What a thing has not, by one word: "a WINDOWLESS house", "an UNMADE bed", "a BAREHEADED boy"."""
    sentence = clause.sentence
    if "less" not in clause.source and _LACKING.isdisjoint(sentence.words):
        return
    for n in clause.words():
        lacks = _lacking(sentence.words[n])
        if lacks is None:
            continue
        noun = next((one for one in clause.nouns() if one.first <= n < one.last), None)
        subject = clause.named(noun) if noun is not None else _subject(clause, n)
        if subject is not None:
            end = sentence.ends[n] if noun is None else noun.end
            yield _said(clause, subject, sentence.starts[n], end, f"lacking: {lacks}")


@lru_cache(maxsize=20_000)
def _lacking(word: str) -> str | None:
    """What a thing is told to lack: "window" of "windowless", "made" of "unmade"."""
    if word in VALUES:
        return None
    if word in _BARE_OF:
        return _BARE_OF[word]
    if word.endswith("less") and len(word) > 6 and is_usual(word[:-4]) and senses(word[:-4]):
        return word[:-4]
    return word[2:] if word in _UNDONE else None


_BARE_OF = {"bareheaded": "hat", "hatless": "hat", "bare-headed": "hat", "shirtless": "shirt", "bare-chested": "shirt"}
_UNDONE = frozenset("unmade unpeeled unfolded unpainted undecorated unwrapped unplugged unbuttoned unframed".split())
_LACKING = _UNDONE | frozenset(_BARE_OF)


def _switched(clause: Clause) -> Iterator[Statement]:
    """Whether what gives light is on: "the lamp is switched off", "the television is on"."""
    words, tags = clause.sentence.words, clause.sentence.tags
    if _SWITCHED.isdisjoint(words) or _ON_OFF.isdisjoint(words):
        return
    for n in clause.words():
        if n and words[n] in _ON_OFF and words[n - 1] in _SWITCHED and tags[n + 1 : n + 2] in ([], ["X"], ["C"]):
            noun = next((one for one in clause.nouns() if one.last == n - 1), None)
            subject = None if noun is None else clause.named(noun)
            if subject is not None:  # "with the TELEVISION on."
                value = "light: lit" if words[n] == "on" else "light: not lit"
                yield _said(clause, subject, noun.start if noun else 0, clause.sentence.ends[n], value)
            continue
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
    subject = clause.named(noun)
    inside = next((one for one in clause.phrases if noun.start <= one.start and one.end < noun.end), None)
    if subject is not None and inside is not None and noun.head in _YOUNG:
        return replace(subject, category=inside.category)  # "a PANDA cub"
    return subject


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
    parts = (word, *(word.split("-") if word not in VALUES else ()))
    found = [table[part] for part in parts for table in (VALUES, _ALSO) if part in table]
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
    if n < 0 or (n == 0 and sentence.words[0] not in _COPULAS and sentence.tags[0] in "RA"):
        return _fronted(clause, at)
    if sentence.words[n] not in _COPULAS:
        return _described(clause, n, at)
    subject = clause.subject_before(n)
    if subject is not None and subject.word in (*_PELT, "surface"):
        part = next((k for k in range(n - 1, -1, -1) if sentence.words[k] == subject.word), 0)
        if sentence.words[part + 1] == "of":  # "the colour of the bus"
            owner = next((one for one in sentence.nouns if one.first == part + 2), None)
        elif part and sentence.words[part - 1] in ("'s", "’s"):  # "the dog's coat"
            owner = next((one for one in sentence.nouns if one.last == part - 2), None)
        else:
            owner = sentence.meant()
        return subject if owner is None else clause.named(owner) or subject
    return subject


def _fronted(clause: Clause, at: int) -> Subject | None:
    """That of which a value is said that opens the sentence: "PALE GREY from edge to edge, IT stands there"."""
    sentence = clause.sentence
    comma = next((n for n in range(at, len(sentence.words) - 1) if sentence.words[n] == ","), None)
    if comma is None:
        return None
    if sentence.words[comma + 1] in ("it", "they"):
        return clause.stood_for(comma + 1)
    noun = next((one for one in clause.nouns() if one.first == comma + 1), None)
    return None if noun is None else clause.named(noun)


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
        for sort, value in _values_in(sentence, n, subject):
            by_sort.setdefault(sort, []).append((n, value))
    for sort, told in by_sort.items():
        found = [n for n, _ in told]
        values = dict.fromkeys(value for _, value in told)
        first, last = sentence.starts[found[0]], max(end, sentence.ends[found[-1]])
        if sort != "growth" or subject.category != "person":  # whose age is a claim of its own
            yield _said(clause, subject, first, last, f"{sort}: {' and '.join(values)}")


def _values_in(sentence: Sentence, n: int, subject: Subject) -> Iterator[tuple[str, str]]:
    """Sorts and values of a word by what it is said of: grass that is dry is bare, a dark room is not bright."""
    word = sentence.words[n]
    found = _values_of(word)
    if subject.word in _GROWN and word in _OF_PLANTS:
        sort, _, value = _OF_PLANTS[word].partition(": ")
        found = [*found, (sort, value)]
    before = sentence.words[n - 1] if n else ""
    if word == "stuffed" and sentence.words[n + 1 : n + 2] == ["with"]:
        found = [("filling", "not empty")]
    if word == "bare" and subject.word in _LAID:
        found = [("filling", "empty")]
    if word in _LIT and before in _BY_LIGHT:
        found = [("brightness", _BY_LIGHT[before])]
    after = sentence.words[n + 1 : n + 2]
    is_of_colour = bool(after) and VALUES.get(after[0], ("",))[0] == "colour"
    for sort, value in found:
        if sort != "brightness" or (subject.word in _DARKENED and not is_of_colour):
            yield sort, value


def _told(statement: Statement) -> tuple[str, frozenset[str]]:
    sort, _, values = (statement.value or ": ").partition(": ")
    return sort, frozenset(values.split(" and "))


def _may_be_same(sort: str, a: str, b: str, name: str = "") -> bool:
    if MANY in (a, b):
        return True
    if name == "hair" and {a, b} == _FAIR_AND_BROWN:
        return False
    alike = ALIKE if sort == "colour" else ALIKE_MATERIALS if sort == "material" else ()
    return any(x == y or {x, y} in alike for x in a.split("/") for y in b.split("/"))


_FAIR_AND_BROWN = {"yellow", "brown"}
"""Hair that is blond is not brown, though a dog may be called either."""


def verify_attribute(statement: Statement, evidence: Evidence) -> Ruling:
    """What captions give the same thing decides, where there is one such thing, or all of them are told alike."""
    sort, said = _told(statement)
    name = statement.word
    own, of_parts = (
        [[one for one in text if one.kind == "attribute" and _told(one)[0] == sort
          and (one.category == statement.category or _are_same(name, one.word))]
         for text in texts]
        for texts in (evidence.told, evidence.told_of_parts)
    )  # fmt: skip
    told = {value for text in (*own, *of_parts) for one in text for value in _told(one)[1]}
    n_captions = sum(map(bool, own))
    saying = f"{name}: text says {' and '.join(sorted(said))}"
    if sort == "lacking":
        return _verify_lacking(statement, said, evidence)
    taken = (
        _who_is_there(statement, evidence) if sort == "filling" and said == {"empty"} and "empty" not in told else None
    )
    if taken is not None:
        return "contradicted", f"{name}: text says empty, {taken}"
    if sort == "wetness" and said == {"not wet"} and name in _OF_WATER and not _WATERS_TOLD.isdisjoint(evidence.nouns):
        return "contradicted", f"{name}: text says dry, captions tell of water"
    if sort == "calm" and said == {"calm"} and name in _WATERS and evidence.nouns.get("wave", 0) >= TAKEN:
        return "contradicted", f"{name}: text says calm, captions tell of waves"
    if not told:
        return "unknown", f"{saying}, no caption tells its {sort}"
    shown = f"{'captions' if n_captions else 'sentences on parts'} say {' and '.join(sorted(told))}"
    if all(any(not set(a.split("/")).isdisjoint(b.split("/")) for b in told) for a in said):
        return "supported_by_caption", f"{saying}, {shown}"
    is_far = not any(_may_be_same(sort, a, b) for a in said for b in told)
    is_of_all = statement.is_all and statement.is_plural and is_far
    if is_of_all or (sort == "colour" and _is_other_pair(said, own)):
        is_other = is_of_all or _is_only(statement, [one for text in own for one in text], n_captions, evidence)
        return ("contradicted" if is_other else "unknown"), f"{saying}, {shown}"
    is_agreed = n_captions >= AGREED and len(told) <= 2
    is_agreed = is_agreed or (statement.is_all and told == {MANY})
    if any(_may_be_same(sort, a, b, name) for a in said for b in told) and not is_agreed:
        return "unknown", f"{saying}, {shown}"
    if sort in _OF_TASTE and n_captions < 2 and statement.word not in _FILLED and _EXTREME.isdisjoint(statement.beside):
        return "unknown", f"{saying}, {shown}, which is a matter of taste"
    everyone = [one for text in (own if n_captions else of_parts) for one in text]
    is_only = is_agreed or _is_only(statement, everyone, n_captions, evidence)
    if not n_captions:
        is_one = len(evidence.boxes.get(statement.category, ())) == 1 and not any(one.is_plural for one in everyone)
        is_only = is_one and statement.is_definite and not statement.is_plural
    if not is_only and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of another one"
    return "contradicted", f"{saying}, {shown}"


def _verify_lacking(statement: Statement, said: frozenset[str], evidence: Evidence) -> Ruling:
    """Captions that name a thing with what a text says it lacks speak against the text."""
    name, (lacks,) = statement.word, said
    lacked = frozenset(_CAPS) if lacks == "hat" else {lacks}
    n = sum(
        not lacked.isdisjoint(words) and f"un{lacks}" not in words
        and any(_are_same(name, word) or word in _PERSONAL.get(statement.category, ()) for word in words)
        for words in evidence.words
    )  # fmt: skip
    is_one = n > 0 and _is_only(statement, [], n, evidence)
    return ("contradicted" if is_one else "unknown"), f"{name}: text says it lacks {lacks}, {n} captions tell of it"


_CAPS = ("hat", "cap", "helmet", "hood")
_PERSONAL = {"person": frozenset("person man woman boy girl child kid lady guy he she his her player".split())}


@lru_cache(maxsize=20_000)
def _are_same(a: str, b: str) -> bool:
    """Whether two words may name one thing: the same, a wider one, or a neighbour of it by the table."""
    if a == b or (a in _SAME and _SAME[a] == _SAME.get(b)):
        return True
    return a not in _WIDE and b not in _WIDE and (is_a(a, b, n_senses=1) or is_a(b, a))


_WIDE = frozenset("thing object item structure part piece area container covering person".split())
_EXTREME = frozenset(
    "huge giant enormous massive gigantic immense colossal mammoth tiny minuscule teeny filthy spotless immaculate "
    "shorn sheared".split()
)
"""Words that are no matter of taste."""


def _is_other_pair(said: frozenset[str], own: list[list[Statement]]) -> bool:
    """Whether a caption gives a thing two colours of which a text has none, and one that is far from those it has."""
    return MANY not in said and any(
        len(values) > 1 and said.isdisjoint(values)
        and any(not any(_may_be_same("colour", a, b) for a in said) for b in values)
        for text in own for one in text if (values := _told(one)[1])
    )  # fmt: skip


def _who_is_there(statement: Statement, evidence: Evidence) -> str | None:
    """What speaks against a place, a seat or a table being empty."""
    name, category = statement.word, statement.category
    count, persons = evidence.counts.get(category), evidence.counts.get("person")
    seat = f" on {category}"
    n_taken = sum(any((one.value or "").endswith(seat) for one in caption) for caption in evidence.told)
    if n_taken >= TAKEN and count is not None and count.is_exact and count.at_least == 1:
        return f"{n_taken} captions seat somebody on it"
    n_crowded = sum(name in words and not _CROWDED.isdisjoint(words) for words in evidence.words)
    is_told = n_crowded or evidence.named.get("person", 0) >= (TAKEN if name in _SEATED else 1)
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
_OF_WATER = frozenset("fountain hydrant basin pool river lake pond stream creek puddle faucet tap".split())
_WATERS_TOLD = frozenset("water spray splash gush".split())
"""What is not dry where captions speak of water."""
_SEATED = frozenset("stand bleacher seat stadium court".split())
"""Places that may be empty though players are there."""
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
        is_of_each = all(one.number is None or one.number >= count.at_least for one in plurals)
        return is_each and bool(plurals) and (is_of_each or n_captions >= 2)
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
