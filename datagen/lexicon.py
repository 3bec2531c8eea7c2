"""Category names in running text: plurals, articles, synonyms, and where a sentence names them.

The table knows COCO's 80 categories; names of other corpora work through regular plurals.
Matching is longest first, so "hot dog" is never a dog and "teddy bear" never a bear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

_SAME_TABLE = {
    "bicycle": "bike",
    "motorcycle": "motorbike",
    "airplane": "plane, aeroplane",
    "traffic light": "stoplight, traffic signal",
    "fire hydrant": "hydrant",
    "baseball glove": "catcher's mitt, baseball mitt",
    "skateboard": "skate board",
    "surfboard": "surf board",
    "tennis racket": "tennis racquet, racket, racquet",
    "wine glass": "glass of wine, glass of red wine, glass of white wine",
    "cup": "mug",
    "donut": "doughnut",
    "couch": "sofa, loveseat",
    "potted plant": "houseplant",
    "tv": "television",
    "mouse": "computer mouse",
    "remote": "remote control",
    "cell phone": "cellphone, mobile phone, smartphone, smart phone",
    "refrigerator": "fridge",
    "microwave": "microwave oven",
    "teddy bear": "stuffed bear, teddy",
    "hair drier": "hair dryer, hairdryer, blow dryer",
}
_LOOSE_TABLE = {
    "person": (
        "man, men, woman, women, boy, girl, child, children, kid, baby, toddler, lady, guy, teenager, player, "
        "baseball player, tennis player, soccer player, skier, snowboarder, surfer, kite surfer, skateboarder, rider, "
        "batter, baseball batter, pitcher, baseball pitcher, catcher, umpire, cyclist, pedestrian, chef, gentleman, "
        "gentlemen, crowd of people, someone, individual"
    ),
    "motorcycle": "moped",
    "car": "sedan, suv, taxi, minivan",
    "airplane": "aircraft, jet, airliner, jetliner, biplane",
    "bus": "double decker, double-decker, double decker bus, double-decker bus",
    "train": "locomotive, train car, rail car",
    "truck": "lorry, pickup, pickup truck, fire truck, firetruck, tow truck, food truck, dump truck",
    "boat": "sailboat, canoe, kayak, rowboat, ship, ferry",
    "bird": "seagull, duck, pigeon, parrot, goose, geese, swan, owl",
    "cat": "kitten, kitty",
    "dog": "puppy",
    "horse": "pony, foal",
    "sheep": "lamb",
    "cow": "cattle, calf, calves, bull, ox, oxen",
    "umbrella": "parasol",
    "handbag": "purse",
    "tie": "necktie",
    "suitcase": "luggage",
    "frisbee": "disc",
    "skis": "ski",
    "sports ball": "ball, tennis ball, soccer ball, baseball, basketball, football, volleyball",
    "chair": "armchair",
    "dining table": "table",
    "laptop": "notebook computer",
    "remote": "wii remote, wiimote",
    "cell phone": "phone",
    "oven": "stove, pizza oven",
    "clock": "clock tower",
}
_ANIMALS = ("elephant", "giraffe", "zebra", "bear", "cow", "sheep", "horse", "bird", "cat", "dog")


def _words(table: dict[str, str], category: str) -> tuple[str, ...]:
    return tuple(table[category].split(", ")) if category in table else ()


SYNONYMS: dict[str, tuple[str, ...]] = {
    category: (
        *_words(_SAME_TABLE, category),
        *_words(_LOOSE_TABLE, category),
        *((f"baby {category}",) if category in _ANIMALS else ()),
    )
    for category in dict.fromkeys((*_SAME_TABLE, *_LOOSE_TABLE, *_ANIMALS))
}
"""Words that also name a COCO category. Only words that rarely mean anything else in a caption."""

_LOOSE = frozenset(word for category, words in SYNONYMS.items() for word in words[len(_words(_SAME_TABLE, category)) :])
_GAMES = ("baseball", "basketball", "football", "volleyball")

DECOYS = (
    *(
        "toy car, baseball game, baseball field, baseball uniform, baseball cap, baseball team, baseball diamond, "
        "basketball court, football field, bus stop, bus station, train station, train track, train tracks, table "
        "cloth, tablecloth, tie dye, bird house, orange juice, orange shirt, cat food, dog food, remote area, cup "
        "holder, car seat, book bag, book shelf, boat house, bear market, cow bell, horse shoe, phone booth, pizza "
        "box, toaster oven, oven mitt, table lamp, cake pan, couch cushion, bench press, kite boarding, kite surfing, "
        "man made, man-made, ski slope, ski lift, ski resort, ski pole, ski jump, end table, coffee table, side "
        "table, night table, picnic table, tennis table, computer mouse pad, mouse pad, carrot cake, toy train, "
        "cable car, street car, trolley car, bean bag, tea kettle, toilet paper, dvd player, cd player, record "
        "player, mp3 player, ball boy, ball game, ball field, ball park, ball cap, ball gown, bowling ball, disco ball"
    ).split(", "),
    *(f"{verb} {game}" for game in _GAMES for verb in ("play", "plays", "playing", "played", "game of")),
)
"""Phrases that hold a category's word without showing the plain category; matched first, then ignored."""

IRREGULAR_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "knife": "knives",
    "sheep": "sheep", "skis": "skis", "scissors": "scissors", "foot": "feet", "tooth": "teeth", "goose": "geese",
    "wine glass": "wine glasses", "glass of wine": "glasses of wine",
    "glass of red wine": "glasses of red wine", "glass of white wine": "glasses of white wine", "calf": "calves",
    "aircraft": "aircraft", "cattle": "cattle", "ox": "oxen", "broccoli": "broccoli", "luggage": "luggage",
    "someone": "someone", "crowd of people": "crowds of people", "fish": "fish", "deer": "deer",
}  # fmt: skip

PLURAL_ONLY = frozenset({"skis", "scissors"})
"""Names that are plural already: "a pair of scissors", never "a scissors"."""
UNCOUNTED = frozenset({"broccoli"})
"""Names that take "some" in place of an article."""

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
"""Index is the number; above twelve digits are clearer."""

_RUN = re.compile(r"[\w-]+")
_FRUIT_BEFORE = re.compile(
    r"\b(?:an?|the|one|each|another|half|whole|single|sliced|peeled|cut|fresh|ripe|navel)\s+$", re.IGNORECASE
)
_FUNCTION_WORDS = (
    "and|or|on|in|is|are|at|with|by|next|near|of|to|from|that|which|sits|sitting|lies|lying|beside|for|"
    "above|below|under|behind|over|together|scattered"
)
_COLOUR_AFTER = re.compile(
    rf"\s+(?:(?!(?:{_FUNCTION_WORDS})\b)[a-z]|(?:and|or)\s+"
    r"(?:red|blue|green|yellow|white|black|brown|purple|pink|gr[ae]y)\b)",
    re.IGNORECASE,
)


class Mention(Struct, frozen=True):
    """A place in a text that names a category.

    Attributes:
        category: The category meant.
        start: First character.
        end: One past the last character.
        is_plural: True for "dogs", "people".
        is_loose: True for a narrower or wider word ("man", "table"), which shows that the category
            is there but says nothing about how many of it there are.
    """

    category: str
    start: int
    end: int
    is_plural: bool
    is_loose: bool = False


def plural(name: str) -> str:
    """Plural of a category name: "bus" to "buses", "person" to "people", "skis" to "skis"."""
    if name in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[name]
    head, _, last = name.rpartition(" ")
    prefix = f"{head} " if head else ""
    if last in IRREGULAR_PLURALS:
        return prefix + IRREGULAR_PLURALS[last]
    if re.search(r"(s|x|z|ch|sh)$", last):
        return f"{prefix}{last}es"
    if re.search(r"[^aeiou]y$", last):
        return f"{prefix}{last[:-1]}ies"
    return f"{prefix}{last}s"


def with_article(name: str) -> str:
    """Name with its indefinite article: "an airplane", "a pair of skis", "some broccoli"."""
    if name in PLURAL_ONLY:
        return f"a pair of {name}"
    if name in UNCOUNTED:
        return f"some {name}"
    sounds_like_vowel = re.match(r"[aeiou]", name) and not re.match(r"(uni|use|one|eu)", name)
    return f"{'an' if sounds_like_vowel else 'a'} {name}"


def number_word(number: int) -> str:
    """Word for 0 to 12, digits above."""
    return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) else str(number)


def counted(name: str, number: int) -> str:
    """Number and noun: "one dog", "three people", "two pairs of scissors"."""
    if name in PLURAL_ONLY:
        return f"{number_word(number)} {'pair' if number == 1 else 'pairs'} of {name}"
    if name in UNCOUNTED:
        return f"{number_word(number)} {'piece' if number == 1 else 'pieces'} of {name}"
    return f"{number_word(number)} {name if number == 1 else plural(name)}"


class Lexicon:
    """Finds mentions of a corpus's categories in text.

    Args:
        categories: The corpus's category names.
    """

    def __init__(self, categories: Iterable[str]) -> None:
        categories = tuple(categories)
        # The corpus's own names come first: where it has both "person" and "man", a man is a man.
        names = [(name, name) for name in categories]
        names += [(name, synonym) for name in categories for synonym in SYNONYMS.get(name, ())]
        forms: dict[str, tuple[str, bool, bool] | None] = {}
        for category, name in names:
            is_loose = name in _LOOSE and name != category
            forms.setdefault(name.lower(), (category, name in PLURAL_ONLY or _is_plural(name), is_loose))
            forms.setdefault(plural(name).lower(), (category, True, is_loose))
        for decoy in DECOYS:
            forms.setdefault(decoy, None)
            forms.setdefault(plural(decoy), None)
        self._phrases: dict[str, list[tuple[str, tuple[str, bool, bool] | None]]] = {}
        for phrase in sorted(forms, key=len, reverse=True):
            first = _RUN.match(phrase)
            if first is not None:
                self._phrases.setdefault(first[0], []).append((phrase, forms[phrase]))

    def find(self, text: str) -> list[Mention]:
        """Find every mention of a category, in reading order, without overlaps."""
        lowered = text.lower()
        if len(lowered) != len(text):  # a few letters outside English grow when lowered
            lowered = text
        mentions = []
        done = 0
        for run in _RUN.finditer(lowered):
            start = run.start()
            if start < done or run[0] not in self._phrases:
                continue
            for phrase, form in self._phrases[run[0]]:
                end = start + len(phrase)
                if not lowered.startswith(phrase, start) or _goes_on(lowered, end):
                    continue
                done = end
                if form is not None and not (phrase == "orange" and _is_colour(text, start, end)):
                    mentions.append(Mention(form[0], start, end, form[1], form[2]))
                break
        return mentions

    def named(self, text: str) -> set[str]:
        """Categories that a text names."""
        return {mention.category for mention in self.find(text)}


def _goes_on(text: str, end: int) -> bool:
    return end < len(text) and (text[end].isalnum() or text[end] in "_-")


def _is_colour(text: str, start: int, end: int) -> bool:
    """Whether "orange" is a colour here: the fruit has a determiner before it and no noun after it."""
    return _FRUIT_BEFORE.search(text, 0, start) is None or _COLOUR_AFTER.match(text, end) is not None


def _is_plural(name: str) -> bool:
    return name in IRREGULAR_PLURALS.values() and name not in IRREGULAR_PLURALS


@lru_cache(maxsize=16)
def lexicon_for(categories: tuple[str, ...]) -> Lexicon:
    """Build the lexicon of a corpus once; ``categories`` in the corpus's order."""
    return Lexicon(categories)
