"""Category names in running text: plurals, articles, synonyms, and where a sentence names them.

The table knows COCO's 80 categories; names of other corpora work through regular plurals.
Matching is longest first, so "hot dog" is never a dog and "teddy bear" never a bear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

_SYNONYM_TABLE = {
    "person": (
        "man, men, woman, women, boy, girl, child, children, kid, baby, babies, toddler, lady, ladies, guy, "
        "people, adult, teenager, player, skier, snowboarder, surfer, skateboarder, rider, batter, pitcher, "
        "catcher, umpire, cyclist, pedestrian, chef, gentleman, gentlemen, crowd of people, someone, individual"
    ),
    "bicycle": "bike",
    "motorcycle": "motorbike, moped",
    "car": "sedan, suv, taxi, minivan",
    "airplane": "plane, aeroplane, aircraft, jet, airliner, jetliner, biplane",
    "bus": "double decker, double-decker",
    "train": "locomotive",
    "truck": "lorry, lorries, pickup",
    "boat": "sailboat, canoe, kayak, rowboat, ship, ferry, ferries",
    "traffic light": "stoplight, traffic signal",
    "fire hydrant": "hydrant",
    "bird": "seagull, duck, pigeon, parrot, goose, geese, swan, owl",
    "cat": "kitten, kitty",
    "dog": "puppy, puppies",
    "horse": "pony, ponies, foal",
    "sheep": "lamb",
    "cow": "cattle, calf, calves, bull, ox, oxen",
    "umbrella": "parasol",
    "handbag": "purse",
    "tie": "necktie",
    "suitcase": "luggage",
    "frisbee": "disc",
    "skis": "ski",
    "sports ball": "tennis ball, soccer ball, baseball, basketball, football, volleyball",
    "baseball glove": "catcher's mitt, baseball mitt",
    "skateboard": "skate board",
    "surfboard": "surf board",
    "tennis racket": "tennis racquet, racket, racquet",
    "wine glass": "glass of wine",
    "cup": "mug",
    "donut": "doughnut",
    "couch": "sofa, loveseat",
    "potted plant": "houseplant",
    "dining table": "table",
    "tv": "television",
    "laptop": "notebook computer",
    "mouse": "computer mouse",
    "remote": "remote control, wii remote, wiimote",
    "cell phone": "cellphone, mobile phone, smartphone, smart phone, phone",
    "refrigerator": "fridge",
    "microwave": "microwave oven",
    "oven": "stove",
    "teddy bear": "stuffed bear, teddy",
    "hair drier": "hair dryer, hairdryer, blow dryer",
}
SYNONYMS: dict[str, tuple[str, ...]] = {name: tuple(words.split(", ")) for name, words in _SYNONYM_TABLE.items()}
"""Words that also name a COCO category. Only words that rarely mean anything else in a caption."""

DECOYS = tuple(
    (
        "toy car, baseball player, baseball game, baseball field, baseball uniform, baseball cap, baseball team, "
        "baseball pitcher, baseball batter, baseball diamond, basketball court, tennis player, football field, "
        "bus stop, bus station, train station, train track, train tracks, table cloth, tablecloth, tie dye, bird "
        "house, orange juice, orange shirt, cat food, dog food, remote area, cup holder, car seat, book bag, book "
        "shelf, clock tower, boat house, bear market, cow bell, horse shoe, phone booth, pizza box, pizza oven, "
        "toaster oven, oven mitt, table lamp, cake pan, couch cushion, bench press, kite surfer, kite boarding, "
        "kite surfing, polar bear, baby elephant, baby giraffe, baby zebra, baby bear, baby cow, baby sheep, baby "
        "horse, baby bird, man made, man-made, ski slope, ski lift, ski resort, ski pole, ski poles, ski jump, "
        "end table, coffee table, side table, night table, picnic table, tennis table, computer mouse pad, mouse "
        "pad, carrot cake, fire truck, tow truck, food truck, toy train, train car, train cars, cable car, street "
        "car, trolley car, rail car, bean bag, tea kettle"
    ).split(", ")
)
"""Phrases that hold a category's word without showing the plain category; matched first, then ignored."""

IRREGULAR_PLURALS = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice", "knife": "knives",
    "sheep": "sheep", "skis": "skis", "scissors": "scissors", "foot": "feet", "tooth": "teeth", "goose": "geese",
    "wine glass": "wine glasses", "glass of wine": "glasses of wine", "calf": "calves", "aircraft": "aircraft",
    "cattle": "cattle", "broccoli": "broccoli", "luggage": "luggage", "someone": "someone",
    "crowd of people": "crowds of people", "fish": "fish", "deer": "deer",
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

_FUNCTION_WORDS = "and|or|on|in|is|are|at|with|by|next|near|of|to|from|that|which|sits|sitting|lies|lying|beside|for"
_COLOUR_USES = re.compile(
    rf"orange\s+(?:(?!(?:{_FUNCTION_WORDS})\b)[a-z]|(?:and|or)\s+"
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
    """

    category: str
    start: int
    end: int
    is_plural: bool


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
        self._forms: dict[str, tuple[str, bool]] = {}
        for category in categories:
            for name in (category, *SYNONYMS.get(category, ())):
                self._forms.setdefault(name.lower(), (category, name in PLURAL_ONLY or _is_plural(name)))
                self._forms.setdefault(plural(name).lower(), (category, True))
        phrases = sorted({*self._forms, *DECOYS} - {""}, key=len, reverse=True)
        self._pattern = re.compile(
            r"(?<![\w-])(" + "|".join(re.escape(phrase) for phrase in phrases) + r")(?![\w-])", re.IGNORECASE
        )

    def find(self, text: str) -> list[Mention]:
        """Find every mention of a category, in reading order, without overlaps."""
        mentions = []
        for match in self._pattern.finditer(text):
            form = self._forms.get(match[1].lower())
            if form is None or (form[0] == "orange" and not form[1] and _COLOUR_USES.match(text, match.start())):
                continue
            mentions.append(Mention(form[0], match.start(), match.end(), form[1]))
        return mentions

    def named(self, text: str) -> set[str]:
        """Categories that a text names."""
        return {mention.category for mention in self.find(text)}


def _is_plural(name: str) -> bool:
    return name in IRREGULAR_PLURALS.values() and name not in IRREGULAR_PLURALS


@lru_cache(maxsize=16)
def lexicon_for(categories: tuple[str, ...]) -> Lexicon:
    """Build the lexicon of a corpus once; ``categories`` in the corpus's order."""
    return Lexicon(categories)
