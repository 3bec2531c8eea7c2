"""The lexicon: category names in running text, with plurals, articles and synonyms.

The words come from ``words``: COCO's 80 categories are built in, names of other corpora work through
regular plurals and a file of words. Matching is longest first, so "hot dog" is never a dog and "teddy
bear" never a bear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from datagen.words import NO_WORDS, NUMBER_WORDS, Words, built_in_words, merged

IRREGULAR_PLURALS = built_in_words().plurals

PLURAL_ONLY = frozenset({"skis", "scissors"})
"""Names that are plural already: "a pair of scissors", never "a scissors"."""
UNCOUNTED = frozenset({"broccoli"})
"""Names that take "some" in place of an article."""

_RUN = re.compile(r"[\w-]+")
_FRUIT_BEFORE = re.compile(
    r"\b(?:an?|the|one|each|another|half|whole|single|sliced|peeled|cut|fresh|ripe|navel)\s+$", re.IGNORECASE
)
_COLOUR_AFTER = re.compile(
    r"\s+(?:(?!(?:and|or|on|in|is|are|at|with|by|next|near|of|to|from|that|which|sits|sitting|lies|lying|beside|for|"
    r"above|below|under|behind|over|together|scattered)\b)[a-z]|(?:and|or)\s+"
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
        is_unsure: True for a word that often means something else ("pitcher").
    """

    category: str
    start: int
    end: int
    is_plural: bool
    is_loose: bool = False
    is_unsure: bool = False


_PAIRS = frozenset(
    "skis scissors binoculars boots briefs chopsticks cleats clippers earbuds earphones earrings eyeglasses flippers "
    "glasses gloves goggles handcuffs headphones heels jeans leggings loafers mittens overalls pajamas pants pliers "
    "pyjamas sandals shears shoes shorts skates slippers sneakers socks stockings sunglasses tights tongs trousers "
    "tweezers".split()
)
_DRUNK_FROM = re.compile(r"(?:beer|champagne|cocktail|drinking|shot|water|wine) glasses$")
_MANY = frozenset(
    "beans blinds chips clothes crisps flowers fries goods grapes groceries men noodles nuts peas people police stairs "
    "vegetables women children".split()
)
"""Last words of names that are plural and that nobody counts by boxes: a box holds a bunch of them."""
_MASSES = frozenset(
    "bacon bread cheese clothing food footwear garlic jewelry jewellery lettuce meat pasta popcorn rice seafood sushi "
    "toothpaste".split()
)
_SAME = frozenset(
    "aircraft bison cattle deer fish headquarters moose salmon series sheep shrimp spacecraft species squid".split()
)
_VES = re.compile(r"(?:(?:cal|hal|kni|lea|li|loa|scar|shel|thie|wol|wi))fe?$")
_OES = re.compile(r"(?:echo|hero|mango|potato|tomato|torpedo)$")
_MEN = re.compile(r"(?<!hu)(?<!ger)(?<!ro)(?<!cai)(?<!otto)(?<!sha)(?<!talis)man$")
_SINGULAR_S = re.compile(
    r"(?:ss|us|is|ics|adidas|atlas|bias|canvas|christmas|cosmos|crossroads|gas|headquarters|hermes|lens|mercedes|molasses|"
    r"news|pancreas|rhinoceros|series|species)$"
)


def plural(name: str) -> str:
    """Plural of a category name: "bus" to "buses", "person" to "people", "skis" to "skis"."""
    if name in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[name]
    if cut := re.search(r" (?:of|with|for|in) | \(|[/,]", name):  # "glass of water", "bat (animal)", "cabinet/shelf"
        rest = name[cut.end() :]
        tail = plural(rest) if cut[0] in "/," else rest
        return f"{plural(name[: cut.start()])}{cut[0]}{tail}"
    head, _, last = name.rpartition(" ")
    prefix = f"{head} " if head else ""
    if last in IRREGULAR_PLURALS:
        return prefix + IRREGULAR_PLURALS[last]
    if is_plural_only(name) or last in _SAME or last in _MASSES:
        return name
    if _VES.search(last):
        return prefix + re.sub(r"fe?$", "ves", last)
    if _MEN.search(last):
        return f"{prefix}{last[:-2]}en"
    if re.search(r"(s|x|z|ch|sh)$", last) or _OES.search(last):
        return f"{prefix}{last}es"
    if re.search(r"[^aeiou]y$", last):
        return f"{prefix}{last[:-1]}ies"
    return f"{prefix}{last}s"


def is_pair(name: str) -> bool:
    """Whether a name comes in pairs: "skis", "leather shoes"."""
    return name.rpartition(" ")[2] in _PAIRS and not _DRUNK_FROM.search(name)


def is_plural_only(name: str) -> bool:
    """Whether a name is plural already and has no singular: "the skis are", "the grapes are"."""
    return is_pair(name) or name.rpartition(" ")[2] in _MANY


def is_uncounted(name: str) -> bool:
    """Whether nobody can tell by boxes how many of it there are: "bread", "grapes"."""
    last = name.rpartition(" ")[2]
    return last in _MASSES or last in _MANY


def singular_of(name: str) -> str:
    """Name one of what a class name in the plural stands for: "street lights" to "street light".

    What comes in pairs or in bunches stays as it is.
    """
    head, _, last = name.rpartition(" ")
    if not re.search(r"[a-z]{2}s$", last) or is_plural_only(name) or _SINGULAR_S.search(last):
        return name
    prefix = f"{head} " if head else ""
    if found := next((one for one, many in IRREGULAR_PLURALS.items() if many == last and one != last), None):
        return prefix + found
    for ending, pattern in ((r"ves$", r"f"), (r"ves$", "fe")):
        if _VES.search(one := re.sub(ending, pattern, last)) and plural(one) == last:
            return prefix + one
    if re.search(r"[^aeiou]ies$", last) and not re.fullmatch(
        r"(?:brown|cook|hood|mov|p|self|smooth|t|vegg|zomb)ies", last
    ):
        return f"{prefix}{last[:-3]}y"
    if re.search(
        r"(?:ss|x|z|ch|sh|(?:b|vir|cact|octop|walr|platyp|hippopotam|camp|lot)us|lens|gas|canvas)es$", last
    ) or _OES.search(last[:-2]):
        return f"{prefix}{last[:-2]}"
    return f"{prefix}{last[:-1]}"


def with_article(name: str) -> str:
    """Name with its indefinite article: "an airplane", "a pair of skis", "some broccoli"."""
    if is_pair(name):
        return f"a pair of {name}"
    if name in UNCOUNTED or is_uncounted(name):
        return f"some {name}"
    return f"{article(name)} {name}"


def as_prose(text: str) -> str:
    """Spell as prose what COCO spells in lower case: "a TV"."""
    return re.sub(r"\btv(s?)\b", r"TV\1", text) if "tv" in text else text


def article(name: str) -> str:
    """The indefinite article before a word: "a" or "an", as it sounds."""
    return "an" if _AN.match(name) else "a"


_AN = re.compile(
    r"(?i:hour|honest|heir)|(?=[aeiou])(?!uni(?!n)|use|uten|uk[ue]|uri|one|eu|ewe)|(?=[AEIO])(?![A-Z]{2})(?!One|Eu)"
    r"|U(?=[a-z])(?!ni)|[AEFHILMNORSX](?=[A-Z0-9]+\b)|(?i:x-ray)|8|11\b|18\b"
)
"""What takes "an": the sound decides, so "an hour", "a unicorn", "an SUV", "a UFO"."""


def number_word(number: int) -> str:
    """Word for 0 to 12, digits above."""
    return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) else str(number)


def counted(name: str, number: int) -> str:
    """Number and noun: "one dog", "three people", "two pairs of scissors"."""
    if is_pair(name):
        return f"{number_word(number)} {'pair' if number == 1 else 'pairs'} of {name}"
    if number == 1 and is_uncounted(name):
        return with_article(name)
    if name in UNCOUNTED or name.rpartition(" ")[2] in _MASSES:
        return f"{number_word(number)} {'piece' if number == 1 else 'pieces'} of {name}"
    return f"{number_word(number)} {name if number == 1 else plural(name)}"


class _Form(Struct, frozen=True):
    """What one spelling means; the fields are those of ``Mention``."""

    category: str
    is_plural: bool = False
    is_loose: bool = False
    is_unsure: bool = False


def spoken_names(category: str) -> tuple[str, ...]:
    """How people say a category name: ``"Cabinet/shelf"`` is a cabinet or a shelf, ``"bat_(animal)"`` a bat."""
    bare = re.sub(r"\s*\([^)]*\)?", "", category.lower().replace("_", " "))
    names = [" ".join(part.split()) for part in re.split(r"[/,]", bare)]
    return tuple(dict.fromkeys(name for name in names if name)) or (category.lower(),)


class Lexicon:
    """Finds mentions of a corpus's categories in text.

    Args:
        categories: The corpus's category names.
        words: Laid over the built-in words.
    """

    def __init__(self, categories: Iterable[str], words: Words = NO_WORDS) -> None:
        self._words = merged(words, built_in_words())
        forms: dict[str, _Form | None] = {}
        categories = tuple(dict.fromkeys(categories))
        # The corpus's own names come first: where it has both "person" and "man", a man is a man.
        for category in categories:
            for name in spoken_names(category):
                if name in forms and forms[name] != _Form(category):  # "bat (animal)" and "bat (sports)"
                    forms[name] = _Form(category, is_loose=True, is_unsure=True)
                self._add(forms, name, _Form(category))
        for decoy in words.decoys:
            self._add(forms, decoy, None)
        for table in (words, built_in_words()):
            for category in categories:
                for form, synonym in _synonyms(category, table):
                    self._add(forms, synonym, form)
        for decoy in built_in_words().decoys:
            self._add(forms, decoy, None)
        self.forms = forms
        self._phrases: dict[str, list[tuple[str, _Form | None]]] = {}
        for phrase in sorted(forms, key=len, reverse=True):
            first = _RUN.search(phrase)
            if first is not None and first.start() == 0:
                self._phrases.setdefault(first[0], []).append((phrase, forms[phrase]))

    def _add(self, forms: dict[str, _Form | None], name: str, form: _Form | None) -> None:
        """Add a name with its other number, unless something else has it already."""
        singular, many = self._numbers(name)
        forms.setdefault(name, form and replace(form, is_plural=many is None or name == many != singular))
        for other, is_plural in ((singular, False), (many, True)):
            if other is not None and other != name:
                forms.setdefault(other, form and replace(form, is_plural=is_plural))

    def _numbers(self, name: str) -> tuple[str | None, str | None]:
        """Singular and plural of a name; None for a number that it does not have."""
        if name in PLURAL_ONLY:
            return None, name
        if name in self._words.plurals:
            return name, self._words.plurals[name]
        if _is_plural(name):
            return None, name
        if re.search(r"[^su\Wi]s$|ies$", name):  # other corpora name "Sneakers"
            return _singular(name), name
        return name, plural(name)

    def find(self, text: str) -> list[Mention]:
        """Find every mention of a category, in reading order, without overlaps."""
        lowered = text.lower()
        if len(lowered) != len(text):  # a few letters outside English grow when lowered
            lowered = text
        phrases, runs = self._phrases, _RUN.findall(lowered)
        if phrases.keys().isdisjoint(runs):
            return []
        mentions = []
        done = at = 0
        for run in runs:
            start = lowered.index(run, at)  # what stands between runs is in none of them
            at = start + len(run)
            if start < done or run not in phrases:
                continue
            for phrase, form in phrases[run]:
                end = start + len(phrase)
                if not lowered.startswith(phrase, start) or _goes_on(lowered, end):
                    continue
                done = end
                if form is not None and not (phrase == "orange" and _is_colour(text, start, end)):
                    mentions.append(Mention(form.category, start, end, form.is_plural, form.is_loose, form.is_unsure))
                break
        return mentions

    def named(self, text: str) -> set[str]:
        """Categories that a text names."""
        return {mention.category for mention in self.find(text)}


def _singular(name: str) -> str:
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-2] if re.search(r"(s|x|z|ch|sh)es$", name) else name[:-1]


def _synonyms(category: str, words: Words) -> Iterator[tuple[_Form, str]]:
    for key in dict.fromkeys((category.lower(), *spoken_names(category))):
        for table, form in (
            (words.synonyms, _Form(category)),
            (words.kinds, _Form(category, is_loose=True)),
            (words.unsure, _Form(category, is_loose=True, is_unsure=True)),
        ):
            yield from ((form, synonym) for synonym in table.get(key, ()))


def _goes_on(text: str, end: int) -> bool:
    return end < len(text) and (text[end].isalnum() or text[end] in "_-")


def _is_colour(text: str, start: int, end: int) -> bool:
    """Whether "orange" is a colour here: the fruit has a determiner before it and no noun after it."""
    return _FRUIT_BEFORE.search(text, 0, start) is None or _COLOUR_AFTER.match(text, end) is not None


def _is_plural(name: str) -> bool:
    return name in IRREGULAR_PLURALS.values() and name not in IRREGULAR_PLURALS


@lru_cache(maxsize=64)
def lexicon_for(categories: tuple[str, ...], words: Words = NO_WORDS) -> Lexicon:
    """Build the lexicon of a corpus once; ``categories`` in the corpus's order."""
    return Lexicon(categories, words)
