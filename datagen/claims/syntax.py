"""The syntax of a sentence, as far as claims need it: word classes, noun phrases with their heads, and who is meant.

A light chunker over closed word classes, a table of verbs and suffixes; what is none of these is a noun. It costs some
20 microseconds a sentence. Taggers that bring their model in a package were weighed: TextBlob's (93,000 words, 70 MB,
0.5 s to load) is as fast, but reads "that" and "lie" wrongly in plain sentences, and the values that claims are about
stand in closed tables anyway.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar

from msgspec import Struct

from datagen.claims.grammar import NUMBERS, WORD_CLASSES
from datagen.claims.wordnet import is_adjective, is_usual, senses, verb_of
from datagen.lexicon import IRREGULAR_PLURALS, plural

_TOKEN = re.compile(r"[^\W\d_]+(?:(?<=[^\W\d_]n)['’]t\b|(?:-[^\W\d_]+)*)|\d+|['’](?:s|re|ve|m|ll|d)\b|[^\w\s]")
_ASCII_TOKEN = re.compile(r"[a-z]+(?:(?<=[a-z]n)'t\b|(?:-[a-z]+)*)|\d+|'(?:s|re|ve|m|ll|d)\b|[^\w\s]", re.ASCII)
"""The same of lower-case ASCII, in two thirds of the time."""

_VERBS = (
    "sit stand lie lay rest hang hold wear walk run ride eat drink play watch show feature contain include carry face "
    "lean fly float graze drive cross stop jump leap sleep stare pull reach move pass push wait pose smile talk swim "
    "throw catch swing hit kick dance cook cut read write sing surf ski skate work feed pet touch follow lead line "
    "surround cover fill occupy stretch extend depict display capture bear serve share use enjoy give take bring "
    "suggest indicate add create provide offer help allow need want try like begin start end turn point see find "
    "notice count form lend cradle tell say know think feel mean grow rise tower dominate perch peek trot belong "
    "bask gaze "
    "glance nap kneel crouch climb lack travel approach attract consist depend happen exist gather hover nestle "
    "prepare chase climb crawl lick juggle kiss dig kick brush draw drag hug bark sniff splash dive toss tie "
    "gallop stroll sprint jog wander march soar snooze doze munch sip chat text squat recline lounge observe weep "
    "grin laugh bend stroke slice put set keep leave adorn decorate complement balance compete concern matter come "
    "arrive"
)
_ES = re.compile(r"(?:s|x|z|ch|sh|o)$")
_CONSONANT_Y = re.compile(r"[^aeiou]y$")


def third_person(verb: str) -> str:
    """Form of a verb with "it": "watch" is "watches"."""
    if _CONSONANT_Y.search(verb):
        return f"{verb[:-1]}ies"
    return f"{verb}es" if _ES.search(verb) else f"{verb}s"


_FINITE = frozenset(_VERBS.split()) | frozenset(map(third_person, _VERBS.split())) | frozenset(
    "sat stood lay lain held wore rode ate drank ran flew drove slept left saw told said took gave brought".split()
)  # fmt: skip
_CLASS_OF = {word: tag for tag, words in WORD_CLASSES.items() for word in words.split()}
_CLASS_OF |= dict.fromkeys(NUMBERS, "M") | {"dozen": "M", "dozens": "M", "hundred": "M"}
ADJECTIVES = frozenset(
    "large small big little tiny huge giant great long short tall high low wide narrow young old elderly new older "
    "younger adult middle-aged teenage beautiful colorful colourful bright dark light open closed empty full wet dry "
    "wooden metal plastic stone brick glass concrete busy quiet calm clear cloudy sunny rainy snowy foggy blue red "
    "green yellow white black brown purple pink gray grey orange tan beige silver golden gold teal maroon navy cream "
    "turquoise crimson scarlet lavender violet other same different main whole single various single flat round "
    "square striped plaid checkered spotted floral bare fluffy furry hairy shaggy electric digital cute happy sad "
    "several lone more many fresh ripe hot cold warm soft hard clean dirty broken rusty shiny modern traditional "
    "outdoor indoor snowy vintage ornate rustic cozy sleek lush grassy sandy rocky steep public local nearby wild "
    "domestic male female tidy thick thin deep shallow rough smooth bald curly woolly polar pale plain broad straight "
    "placid vacant raw neat recent ancient real barren intact woven unlit lit grown frozen shorn uncut wavy turbulent "
    "unbroken windowless treeless".split()
)
"""Words that stand before a noun and are none; the kinds' tables of values are among them."""
_NOUNS_IN_ING = frozenset(
    "thing string spring king ring wing ceiling building clothing bedding painting railing wedding evening morning "
    "crossing awning parking pudding dressing topping frosting icing stuffing seating sibling lighting drawing landing "
    "opening covering setting meeting gathering duckling sterling something nothing anything everything earring".split()
)
_NOUNS_IN_LY = frozenset(("family", "assembly", "anomaly"))
_NOUNS_LIKE_ADJECTIVES = frozenset("animal forest traffic picnic festival carnival harvest arrival journal".split())
_NOUNS_TOO = frozenset("plain glass stone brick orange metal plastic square cream gold silver adult".split())
_CORNERS = frozenset("bottom top upper lower far".split())
_SEEM = frozenset("seems seem appears appear".split())
BASES = frozenset(_VERBS.split())
"""Plain forms of verbs."""
_FINITE_BE = frozenset("is are was were has have can".split())
_HELPERS = frozenset("to do does did can could may might must shall should will would let lets".split())
_PARTICIPLES = frozenset("set put cut left hit".split())
_BE = frozenset("is are was were been be being 's ’s".split())
_HAS = frozenset("'s ’s 're ’re 've ’ve".split())
_PRENOMINAL_ENDINGS = ("ful", "ous", "ish", "ive", "able", "ible", "al", "ic", "ary", "less", "est")


@lru_cache(maxsize=20_000)
def class_of(word: str) -> str:
    """The class of a lower-case word by itself.

    Returns:
        D determiner, P preposition, C conjunction, W question or relative word, O pronoun, V verb, F a word that is a
        verb after a noun, R adverb, M number, A adjective, G a form in -ing, E one in -ed, X a mark, n a noun.
    """
    tag = _CLASS_OF.get(word)
    if tag is not None:
        return tag
    if word in _FINITE:
        return "F"
    if word in ADJECTIVES:
        return "A"
    if not word[0].isalnum():
        return "X"
    if word[0].isdigit():
        return "M"
    if word.endswith("ly"):
        if is_adjective(word):
            return "A"  # "a hilly street"
        return "n" if word in _NOUNS_IN_LY or is_usual(word) else "R"  # "a butterfly"
    if word.endswith("ing") and len(word) > 4 and word not in _NOUNS_IN_ING:
        return "G"
    if word.endswith("ed") and len(word) > 4:
        return "E"
    if "-" in word and word.endswith(("-sized", "-haired", "-colored", "-coloured")):
        return "A"
    if len(word) > 5 and word.endswith(_PRENOMINAL_ENDINGS):
        is_noun = word in _NOUNS_LIKE_ADJECTIVES or (is_usual(word) and not is_adjective(word))
        return "n" if is_noun else "A"  # a library, but a musical child
    # "saunters" and "juggles" are verbs alone; "lights" may be lamps, and is a noun where the table does not know it
    is_verb = word.endswith("s") and len(word) > 3 and verb_of(word) is not None and not senses(singular(word))
    if is_verb:
        return "F"
    return "A" if word.endswith("y") and is_adjective(word) and not senses(word) else "n"  # "messy"


_SINGULAR = {many: one for one, many in IRREGULAR_PLURALS.items() if one != many} | {
    f"{one[:-1]}ves": one for one in "wolf shelf scarf loaf hoof thief elf calf".split()
}


@lru_cache(maxsize=20_000)
def singular(noun: str) -> str:
    """Singular of a lower-case noun: "buses" to "bus", "horses" to "horse", "men" to "man", "grass" to "grass"."""
    if noun in _SINGULAR:
        return _SINGULAR[noun]
    if noun.endswith("ies") and len(noun) > 4:
        return f"{noun[:-3]}y"
    if noun.endswith(("sses", "uses", "xes", "ches", "shes", "gases", "lenses", "canvases")) and noun[-5:] != "ouses":
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else noun


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """What the forms of a lower-case word have in common: "swinging", "swings" and "swing" are "swing"."""
    word = singular(word)
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            word = word[: -len(ending)]
            word = word[:-1] if word[-1] == word[-2] and word[-1] not in "ls" else word
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


class Noun(Struct, frozen=True, gc=False):
    """A noun phrase by its head.

    Attributes:
        head: The noun that it is about, lower case, in the singular.
        determiner: Its first word where that is one, else empty.
        modifiers: Words between determiner and head, lower case.
        is_plural: "dogs", "people".
        start: First character in the text.
        end: One past its head.
        first: Index of its first word in the sentence.
        last: Index of its head.
    """

    head: str
    determiner: str
    modifiers: tuple[str, ...]
    is_plural: bool
    start: int
    end: int
    first: int
    last: int


_T = TypeVar("_T")


class Once(Generic[_T]):
    """An attribute that is computed when it is first asked for; ``cached_property`` locks, for 5 % of the time."""

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self.compute, self.name = compute, compute.__name__

    def __get__(self, owner: Any, _: object = None) -> _T:
        """Compute it, and let the value stand in the descriptor's place."""
        value = owner.__dict__[self.name] = self.compute(owner)
        return value


class Sentence:
    """A sentence with its words and noun phrases.

    Args:
        text: The whole text.
        start: First character of the sentence.
        end: One past its last.
        before: The sentence before it, where "it" may find what it stands for.

    Attributes:
        words: In lower case, marks among them.
    """

    def __init__(self, text: str, start: int, end: int, before: Sentence | None = None) -> None:
        self._text, self._start = text[start:end], start
        self._is_ascii = self._text.isascii()
        self.words: list[str]
        if self._is_ascii:
            self._text = self._text.lower()
            self.words = _ASCII_TOKEN.findall(self._text)
        else:  # where a few letters grow when lowered
            self._found = list(_TOKEN.finditer(text, start, end))
            self.words = [match[0].lower() for match in self._found]
        self.before = before

    @Once
    def starts(self) -> list[int]:
        """First character of each word in the text."""
        if not self._is_ascii:
            return [match.start() for match in self._found]
        text, shift, at, starts = self._text, self._start, 0, []
        for word in self.words:  # between them stand spaces and "_" alone, so the next place is that of the word
            at = text.index(word, at)
            starts.append(shift + at)
            at += len(word)
        return starts

    @Once
    def ends(self) -> list[int]:
        """One past the last character of each word."""
        if not self._is_ascii:
            return [match.end() for match in self._found]
        return [start + len(word) for start, word in zip(self.starts, self.words, strict=True)]

    @Once
    def parts(self) -> frozenset[str]:
        """The words, and those that stand in a word with hyphens: a pattern can match where its own words stand."""
        words = frozenset(self.words)
        if "-" not in self._text:
            return words
        return words.union(*(word.split("-") for word in words if "-" in word))

    def may_have(self, words: frozenset[str]) -> bool:
        """Whether a pattern that needs one of some words, or one in "n't", can match here; quicker than to search."""
        return not words.isdisjoint(self.parts) or self.is_odd

    @Once
    def is_odd(self) -> bool:
        """Letters that a pattern may take for the end of a word, or "n't"."""
        text = self._text
        return (
            "'t" in text
            or "'T" in text
            or (not self._is_ascii and any(letter > "\x7f" and letter.isalnum() for letter in text))
        )

    @Once
    def tags(self) -> list[str]:
        """The class of each word in its place."""
        words = self.words
        tags = list(map(class_of, words))
        n_words = len(words)
        previous = "X"
        for n, word in enumerate(words):
            tag = tags[n]
            if tag == "n" and previous in "nCO" and word.endswith("s") and tags[n + 1 : n + 2] in _ACTED_ON:
                tag = "V" if n and verb_of(word) is not None else tag  # "a herd of goats BLOCKS one lane"
                tags[n] = tag
            if tag in "nPAVOCRMEW" and not word.endswith("ing"):  # nothing beside them makes another class of them
                previous = tag
                continue
            if tag == "F":  # "two watches", "the man watches", "to watch"
                tag = "V" if previous in "nOWRE" or (n and words[n - 1] == "to") else "n"
                if (
                    (previous == "E" and (n == 1 or tags[n - 2] in "DAM"))
                    or (previous == "n" and self._is_of_group(n))
                    or (word == "left" and words[n - 1] in _CORNERS)
                ):
                    tag = "n"  # "the colored BRUSHES", "a pair of roller SKATES", "the bottom LEFT"
                if previous == "V" and word in _PARTICIPLES and words[n - 1] in _BE:
                    tag = "E"  # "is set in a kitchen"
                if word.endswith("s") and (previous == "C" or (n and words[n - 1] == "one")):  # "ONE stands there"
                    tag = "V"
                elif tag == "V" and previous == "n" and self._is_noun_here(n, tags):
                    tag = "n"
            elif word in _HAS:  # "it's", but "the dog's bowl"
                tag = "V" if previous in "OWR" or words[n - 1] in ("that", "this") else "D"
            elif (
                tag == "D"
                and word == "that"
                and (previous == "n" or (n + 1 < n_words and class_of(words[n + 1]) == "D"))
            ):
                tag = "W"  # "the dog that runs", "so that a dog runs"
            elif (
                word.endswith("ing")
                and n
                and (words[n - 1] in _BE or words[n - 1] == "busy" or (previous == "n" and verb_of(word) is not None))
                and (n + 1 < n_words and tags[n + 1] in "DO")
            ):
                tag = "G"  # "is drawing a house", "a man crossing the street"
            elif (
                tag == "G"
                and previous in "DA"
                and words[n - 1] not in _WHOLE
                and not (n + 1 < n_words and tags[n + 1] in "nAGE")
            ):
                tag = "n"  # "the bedding", but "the smiling child"
            tags[n] = previous = tag
        return tags

    def _is_of_group(self, n: int) -> bool:
        """Whether a word in -s ends what a group is of, which nothing else in the plural does."""
        words, before = self.words, self.words[n - 1]
        return (
            n > 2 and words[n - 2] == "of" and words[n - 3] in GROUPS and words[n].endswith("s")
            and singular(before) == before and plural(before) != before
        )  # fmt: skip

    def _is_noun_here(self, n: int, tags: list[str]) -> bool:
        """Whether a word behind a noun that may be a verb is the noun's head: "a clock TOWER.", "panda BEARS sit"."""
        words = self.words
        after = words[n + 1] if n + 1 < len(words) else "."
        if words[n] == "bear" or after in _FINITE_BE or (words[n] == "bears" and tags[n + 1 : n + 2] != ["D"]):
            return True
        before = words[n - 1]
        return (
            words[n] in BASES and after in _CLOSES and singular(before) == before and before not in GROUPS
            and before != "people" and words[-1] != "?" and _HELPERS.isdisjoint(words[:n])
        )  # fmt: skip

    @Once
    def nouns(self) -> list[Noun]:
        """Noun phrases, left to right."""
        return self._noun_phrases()

    def _noun_phrases(self) -> list[Noun]:
        words, tags, found, n = self.words, self.tags, [], 0
        starts, ends, n_words = self.starts, self.ends, len(words)
        while n < n_words:
            first = n
            while n < n_words and tags[n] == "D":
                n += 1
            head, at = -1, n
            while at < n_words:
                tag = tags[at]
                if tag == "n":
                    head = at
                elif tag in "AM":
                    if head >= 0:
                        break
                elif (
                    tag in "EGR" and (at > first or tag == "E") and self._goes_on(at + 1)
                    and (head < 0 or (at == head + 1 and words[at] in _MADE_WITH))
                ):  # fmt: skip
                    pass  # "a smiling child", "a brightly painted wall", "a rainbow colored umbrella"
                elif not (head < 0 and words[at] in ("and", ",") and at > n and tags[at - 1] == "A"
                          and self._goes_on(at + 1)):  # fmt: skip
                    break
                at += 1
            if head < 0 and n > first and at > n and words[at - 1] in _NOUNS_TOO:
                head = at - 1  # "the glass", but "the glass door"
            if head > n and words[first] in ("a", "an") and words[head].endswith("s") and tags[head - 1] == "n":
                head -= 1 if singular(words[head]) != words[head] else 0  # "a silver holder LENDS"
            if head >= 0:
                word = words[head]
                head_word = singular(word)
                found.append(
                    Noun(
                        head_word,
                        words[first] if n > first else "",
                        tuple(words[n:head]),
                        words[first] not in ("a", "an") and (word != head_word or word in ("people", "sheep", "deer")),
                        starts[first],
                        ends[head],
                        first,
                        head,
                    )
                )
                n = head + 1
            else:
                n = max(n, first + 1)
        return found

    def _goes_on(self, at: int) -> bool:
        """Whether a modifier or a noun stands at an index."""
        tags = self.tags
        return at < len(tags) and (tags[at] in "AnE" or (tags[at] == "G" and tags[at + 1 : at + 2] == ["n"]))

    def between(self, start: int, end: int) -> str:
        """Its text from one place of the whole text to another, in lower case where that is as long."""
        return self._text[start - self._start : end - self._start]

    def has_verb(self, start: int, end: int) -> bool:
        """Whether a verb, or a form of one in -ing or -ed, stands between two places of the text."""
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        return any(tag in "VGE" for tag in self.tags[first:last])

    def subject_before(self, at: int) -> Noun | None:
        """The noun phrase that the verb at an index is said of; None where it is not plain.

        "a man in a helmet IS" is said of the man, "the cup, which IS" of the cup.
        """
        words, tags, nouns = self.words, self.tags, self.nouns
        n = at - 1
        is_relative = False
        if n > 0 and words[n] == "to" and words[n - 1] in _SEEM:
            n -= 2  # "the man seems TO be"
        while n >= 0 and (tags[n] in "RV" or words[n] in _BETWEEN):
            is_relative = is_relative or words[n] in ("which", "that", "who")
            if words[n] == "," and not is_relative and not (n and tags[n - 1] == "n"):
                return None
            n -= 1
        if n > 1 and tags[n] == "G" and words[n - 1] in _BE:
            n -= 2  # "the umbrella she is holding IS"
        if n > 1 and n < at - 1 and tags[n] == "O" and words[n - 1] in ("that", "which"):
            n -= 1
        if n > 0 and n < at - 1 and tags[n] in "OWD" and tags[n - 1] == "n":
            n -= 1  # "the umbrella she holds IS"
        if n > 1 and words[n] in ("it", "her", "him", "them", "this") and tags[n - 1] == "P":
            n -= 3 if words[n - 2] in ("next", "close") else 2  # "the fence next to her IS"
        k = next((k for k in range(len(nouns) - 1, -1, -1) if nouns[k].last == n), None)
        if k is None:
            return None
        first = nouns[k].first
        if first > 1 and words[first - 1] == "of" and words[first - 2] in _WHOLE:
            return nouns[k]  # "all of the dogs ARE"
        while not is_relative and k > 0 and tags[nouns[k].first - 1] == "P":
            before = nouns[k].first - 2
            if words[before + 1] == "of" and words[before] in GROUPS:
                return nouns[k]  # "a pair of giraffes standing there"
            if before != nouns[k - 1].last:
                return None if before >= 0 and tags[before] not in "VGR" else nouns[k] if before < 0 else None
            k -= 1
        return nouns[k] if k > 0 or nouns[k].first == 0 or tags[nouns[k].first - 1] != "P" else None

    def pronoun_before(self, at: int) -> int | None:
        """Index of the pronoun that the verb at an index is said of; "both", "all five" and "all of THEM" are such."""
        words, n = self.words, at - 1
        while n >= 0 and (self.tags[n] in "RV" or (words[n] == "to" and n and words[n - 1] in _SEEM)):
            n -= 1
        if n < 0:
            return None
        is_of_them = words[n] == "them" and n > 1 and words[n - 1] == "of" and self.tags[n - 2] in "DMR"
        is_number = self.tags[n] == "M" and n > 0 and words[n - 1] == "all"
        is_one = words[n] in ("it", "they", "he", "she", "both") or (words[n] == "all" and n + 1 < at)
        return n if is_of_them or is_number or is_one else None

    def topic(self) -> Noun | None:
        """What the sentence is about by itself."""
        return self._topic

    @Once
    def _topic(self) -> Noun | None:
        """What the sentence is about by itself: the first noun phrase that is in no place of another one.

        Of a question it is what is asked about, "the bus" in "What colour is the bus in the picture?".
        """
        nouns, words = self.nouns, self.words
        free = [n for n in nouns if n.head not in _FRAME_NOUNS and not self._is_placing(n)]
        if words and words[-1] == "?":
            free = [n for n in free if words[n.last + 1] not in _HAS or self.tags[n.last + 1] == "V"]
            free = [n for n in free if n.determiner in _ASKED] or free  # "Is there a dog?" asks of it too
        return free[0] if free else None

    def _is_placing(self, noun: Noun) -> bool:
        """Whether it only says where something is: "on the table", "to the left of the table"."""
        before = noun.first - 1
        if before > 1 and self.words[before] == "of":
            part = next((n for n in self.nouns if n.last == before - 1 and n.head in _FRAME_NOUNS), None)
            before = part.first - 1 if part is not None else before
        return before >= 0 and self.words[before] in _PLACING

    def goes_on(self) -> bool:
        """Whether a pronoun opens it, so that it is about what the sentence before was about."""
        if self.words and self.words[-1] == "?" and not _PRONOUNS.isdisjoint(self.words):
            return True
        if len(self.words) <= SHORT and not set(self.tags) & set("DVM"):
            return True  # "Yes, quite near."
        for word, tag in zip(self.words, self.tags, strict=True):
            if word in _PRONOUNS:
                return True
            if tag in "nDAM" and word not in _EACH_OF:
                return False
        return True

    def meant(self) -> Noun | None:
        """What a pronoun in this sentence stands for, from the sentences before it."""
        sentence = self.before
        for _ in range(MAX_BACK):
            if sentence is None:
                return None
            if not sentence.goes_on():
                return sentence.topic()
            sentence = sentence.before
        return None


SHORT = 6
"""Words and marks of a sentence that may be a mere answer."""
MAX_BACK = 6
"""Sentences after which nobody remembers what "it" was."""
_EACH_OF = frozenset("no each both all some none neither either one".split())
_PRONOUNS = frozenset("them it they he she its their his her".split())
_ASKED = frozenset("the this these that those his her its their 's ’s".split())
_FRAME_NOUNS = frozenset(
    "scene image picture photo photograph frame view shot side part left right top bottom middle center centre color "
    "colour kind type sort number position location foreground background".split()
)
"""Nouns that speak of the picture, not of what it shows."""
_MADE_WITH = frozenset("colored coloured covered lined filled topped shaped striped patterned sized".split())
"""Forms in -ed that make an adjective of the noun before them."""
_ACTED_ON = (["D"], ["M"], ["O"])
"""What stands behind a verb, and not behind a noun in the plural."""
_WHOLE = frozenset("all both most each".split())
_BETWEEN = frozenset(("which", "that", "who", ",", "both", "all", "itself", "themselves"))
"""Words between a noun and its verb."""
_CLOSES = frozenset((".", ",", ";", "!", "with", "of"))
"""What stands behind a noun, seldom behind a plain verb."""
GROUPS = frozenset("pair group herd flock couple row bunch crowd line team trio pack number family".split())
"""What its members do is done by them: "a herd of cows GRAZES"."""
_PLACING = frozenset(
    "in on at to with by from near over under behind beside above below against into inside outside through between "
    "among around along across toward towards beneath underneath like than".split()
)
"""Prepositions after which a noun phrase is no topic; "of" may follow a part or a colour of it."""
GENERAL = frozenset(
    map(
        stem,
        (
            " ".join(WORD_CLASSES.values())
            + " "
            + " ".join(NUMBERS)
            + " man woman boy girl child person people someone lady guy kid baby young old elderly little group "
            "sit stand walk look show feature hold wear image picture photo scene front background side left right "
            "top bottom center middle large small street road field room ground wall building area, . ; : ! ?"
        ).split(),
    )
)
"""Stems that two sentences may share without being about the same thing."""
