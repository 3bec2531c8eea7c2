"""From a text's category mentions to its noun phrases: what is named, how many, how surely shown."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from datagen.claims.grammar import (
    ABOUT,
    ACTS,
    CLOSED_WORDS,
    COLOURS,
    DEFINITE,
    EXISTENCE,
    FLAGS,
    FOLLOWS,
    GIVEN,
    HOLDING,
    IDENTIFIES,
    JOINED,
    NOT_ADJECTIVES,
    NOT_SHOWN_BEFORE,
    NOT_SHOWN_ENDS,
    NUMBER_FORMS,
    NUMBERS,
    OWNED,
    PART,
    QUANTITIES,
    ROUGH,
    SHOWN_AFTER,
    WITH,
    Measure,
    Quantity,
    compiled,
)
from datagen.claims.wordnet import senses, verb_of
from datagen.lexicon import PLURAL_ONLY, Mention, is_pair, plural

_REACH = 60
"""Characters before a noun in which its number and adjectives are looked for."""
_QUANTITY_GROUPS = tuple(f"q{n}" for n in range(len(QUANTITIES)))
_QUANTITY = "|".join(f"(?P<q{n}>{compiled(row.words)})" for n, row in enumerate(QUANTITIES))
_ADJECTIVE = rf"(?!(?:{NOT_ADJECTIVES}|{NUMBER_FORMS})\b)[a-z-]*(?:[^s\W]|[su]s|sports),?\s+"
MOST_ADJECTIVES = 3
"""Between a quantity and its noun."""
_QUANTITY_BEFORE = re.compile(
    rf"(?<![\w.,:/-])(?:{_QUANTITY})(?P<pairs>\s+pairs?\s+of)?\s+(?P<part>of\s+)?(?:(?:the|these|those)\s+)?"
    rf"(?P<adjectives>(?:(?:{COLOURS})\s+and\s+)?(?:{_ADJECTIVE}){{0,{MOST_ADJECTIVES}}})(?<!,\s)$",
    FLAGS,
)
_SPACE, _WORD = " \t\n\r\f\v", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,"
_STATED = re.compile(rf"\d+|\b(?:{NUMBER_FORMS})\b", FLAGS)
_RANGE = re.compile(rf"\b(?P<number>\d{{1,2}}|{NUMBER_FORMS})\s+(?:to|or|and)\s+$", FLAGS)
_RANGE_WORDS = frozenset(("to", "or", "and"))
_BETWEEN = re.compile(r"\bbetween\s+$", FLAGS)
_SELECTED = re.compile(
    r",?\s+(?:who|that|which|on|in|at|to|of|with|behind|near|next|closest|beside|by|between|under|above|below|"
    r"\w+ing)\b",
    FLAGS,
)
_ONE = re.compile(r"(?:an?|one|another|each|every|a single|only one|just one)\s", FLAGS)
_NEXT_WORD = re.compile(r"\s+([a-zA-Z]+)")
_OF_THE = frozenset("of the these those".split())
_SOME_OF = re.compile(
    r"\b(?:[a-z]+(?:er|est)|half|some|few|part|one|another|last|first|second|third)\s+of\s+(?:[a-z]+\s+)?$", FLAGS
)
"""Words for one or some of several things: "the nearest of the two dogs"."""
ROUGHLY_FROM = 4
"""From this number on "about" so many are half as many at least."""
_SHARE = re.compile(
    r"\b(?P<most>most|(?:nearly|almost|virtually) all|the majority|the bulk)(?:\s+of)?\s+(?:[a-z-]+\s+)?$|"
    r"\b(?P<all>all|each|every one|both)(?:\s+of)?\s+$",
    FLAGS,
)
_SHARING = frozenset("all most of majority".split())
"""Words before a plural that say of how many of the things something is said, and the last word of each."""
_VERB = re.compile(r"\s+[a-z]+[^su\W]s\b", FLAGS)
_ENDS = re.compile(r"\s*(?:[.,;!?)]|$|(?:and|or|but|rather)\b)", FLAGS)


class Determined(Struct, frozen=True, gc=False):
    """The words before a noun that say how many.

    Attributes:
        row: What they mean.
        words: As written, in lower case.
        start: First character.
        has_adjectives: Other words stand between them and the noun.
        is_of_pairs: "two pairs of".
        is_of_more: "two of the".
    """

    row: Quantity
    words: str
    start: int
    has_adjectives: bool = False
    is_of_pairs: bool = False
    is_of_more: bool = False


def _quantity_before(text: str, lowest: int, end: int) -> Determined | None:
    match = _QUANTITY_BEFORE.search(text, lowest, end)
    if match is None:
        return None
    n = next(n for n, group in enumerate(_QUANTITY_GROUPS) if match[group] is not None)
    words = match[_QUANTITY_GROUPS[n]].lower()
    return Determined(
        QUANTITIES[n],
        words,
        match.start(),
        bool(match["adjectives"]),
        match["pairs"] is not None,
        match["part"] is not None,
    )


def _plain_determiner(text: str, lowest: int, end: int) -> Determined | None:
    """What ``_quantity_before`` finds where "a" or "the", perhaps with adjectives, is all, in a third of its time."""
    ahead = text[lowest:end]
    if not ahead or ahead[-1] != " " or not ahead.isascii():
        return None
    words = ahead.split(" ")
    last = n = len(words) - 2
    while n > 0 and last - n < MOST_ADJECTIVES and words[n] not in _DETERMINERS and _is_modifier(words[n]):
        n -= 1
    if words[n] not in _DETERMINERS or words[last][-1:] == ",":
        return None
    if n == 0:
        if lowest and (text[lowest - 1].isalnum() or text[lowest - 1] in "_.,:/-"):
            return None
    elif words[n] == "the":
        before = words[n - 1]
        if not (before.isalpha() or before[-1:] in _MARKS) or before in _COUNTING:
            return None  # "two of the dogs"
    start = end - sum(map(len, words[n:])) - (last - n + 1)
    return Determined(QUANTITIES[-1], words[n], start, has_adjectives=n < last)


@lru_cache(maxsize=10_000)
def _is_modifier(word: str) -> bool:
    """Whether a word, perhaps with a comma, may be an adjective before a noun and tells no quantity."""
    return word.rstrip(",") not in _COUNTING and _MODIFIER.match(f"{word} ") is not None


_MODIFIER = re.compile(rf"{_ADJECTIVE}$", FLAGS)
_MARKS = frozenset(".,;:!?")
_DETERMINERS = frozenset("a an the his her its their".split())
_COUNTING = frozenset(re.findall("[a-z]+", " ".join((*(row.words for row in QUANTITIES), *NUMBERS)).lower())) | {
    "pair", "pairs",
}  # fmt: skip
"""Words of quantities: behind one of them "the" may be a part of it."""


class Phrase(Struct, frozen=True, gc=False):
    """One noun phrase that names a category.

    Attributes:
        category: The category meant.
        word: The noun as written, in lower case.
        start: First character, determiner included.
        end: One past the last character.
        measure: How its number binds; None for a bare noun ("dogs run").
        number: The number stated, or None.
        is_plural: "dogs", "people".
        is_loose: A narrower or wider word ("man", "table"): its number counts only some.
        is_unsure: A word that often means something else.
        is_definite: "the dog" takes for granted that there is one.
        is_whole: The number is said of all such things in the picture.
        is_plain: It is said of what they do, not of there being so many: a caption means all, an answer may not.
        is_firm: The noun names the thing itself, with a determiner.
        is_stand_in: A pronoun, or no word at all, stands for it: that it is there was said before.
        is_all: "both dogs", "all of the dogs": what is said holds of each.
        is_most: "most of the dogs": it holds of more than half of them.
        is_some: "the nearest of the dogs", "half of them": it holds of one or some.
    """

    category: str
    word: str
    start: int
    end: int
    measure: Measure | None = None
    number: int | None = None
    is_plural: bool = False
    is_loose: bool = False
    is_unsure: bool = False
    is_definite: bool = False
    is_whole: bool = False
    is_plain: bool = False
    is_firm: bool = False
    is_all: bool = False
    is_most: bool = False
    is_some: bool = False
    is_stand_in: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether it says how many there are."""
        return self.number is not None and self.measure in ("exact", "at least", "at most")


def noun_phrases(text: str, mentions: list[Mention], start: int, end: int) -> list[Phrase]:
    """Read the noun phrases around mentions, left to right; a number said twice of a thing counts only some."""
    phrases: list[Phrase] = []
    floor = start
    for mention in mentions:
        phrase = read_phrase(text, mention, floor, end, start)
        if phrase.measure is None and phrases and JOINED.fullmatch(text, floor, mention.start):
            if phrases[-1].measure == "none" and not _opens_clause(
                text, floor, mention.end, end
            ):  # "no car, bus or truck"
                follows = FOLLOWS.match(text, mention.end, end) is not None
                phrase = replace(phrase, measure="none", number=0, is_firm=follows)
            elif phrases[-1].is_firm:
                phrase = replace(phrase, is_firm=FOLLOWS.match(text, mention.end, end) is not None)
        if phrase.is_firm and phrase.measure == "some" and _OR.match(text, mention.end, end) is not None:
            phrase = replace(phrase, is_firm=False)  # "a cake or bread bakes in the other"
        n_times = sum(
            other.category == mention.category and not _is_part_of(other, mention, text) for other in mentions
        )
        phrases.append(phrase if n_times == 1 else replace(phrase, is_whole=False))
        floor = mention.end
    return phrases


_OR = re.compile(r",?\s+or\s+(?:(?:an?|the)\s+)?[a-z]", FLAGS)


def _is_part_of(other: Mention, mention: Mention, text: str) -> bool:
    """Whether a narrower word tells who belongs to a number: "two people: a man and a woman"."""
    return other.is_loose and not mention.is_loose and _BREAKS_DOWN.match(text, mention.end, other.start) is not None


_BREAKS_DOWN = re.compile(r"[^.;\w]*[,:(—–-]", FLAGS)


def _opens_clause(text: str, start: int, noun_end: int, end: int) -> bool:
    """Whether what follows "no sink, and" has a verb of its own: "no sink, and bottles are lined up"."""
    return text.startswith(", and ", start) and _HAS_VERB.match(text, noun_end, end) is not None


_HAS_VERB = re.compile(r"\s+(?:is|are|sits?|stands?|lies|lie|hangs?|can)\b", FLAGS)


def read_phrase(text: str, mention: Mention, floor: int, sentence_end: int, sentence_start: int = 0) -> Phrase:
    """Read the noun phrase around a mention.

    Args:
        text: The whole text.
        mention: The noun.
        floor: First character that may belong to the phrase: the sentence's start or the last noun's end.
        sentence_end: One past the sentence's last character.
        sentence_start: The sentence's first character.
    """
    opening = max(sentence_start, floor - _REACH)
    word = text[mention.start : mention.end].lower()
    is_compound = not mention.is_plural or word in PLURAL_ONLY  # "dog bowls", but never "dogs bowl"
    follows = not is_compound or FOLLOWS.match(text, mention.end, sentence_end) is not None
    if not follows:
        after = _NEXT_WORD.match(text, mention.end, sentence_end)
        follows = after is not None and (after[1] in CLOSED_WORDS or _is_verb(after[1]))
    lowest = max(floor, mention.start - _REACH)
    found = _plain_determiner(text, lowest, mention.start) or _quantity_before(text, lowest, mention.start)
    if not follows and found is not None and _ONE.match(text, found.start):
        follows = _VERB.match(text, mention.end, sentence_end) is not None  # "a dog trots", never "a dog bowls"
    if found is not None and mention.is_plural and found.words == "that":
        found = None  # "it follows THAT PEOPLE no longer worry them"
    if found is None:
        ahead = text[max(0, floor - 2) : mention.start]
        is_owned = ("'" in ahead or "’" in ahead) and OWNED.search(ahead) is not None
        share = _SHARE.search(text, lowest, mention.start) if mention.is_plural else None
        return Phrase(
            mention.category, word, mention.start, mention.end,
            is_plural=mention.is_plural, is_loose=mention.is_loose, is_unsure=mention.is_unsure,
            is_definite=is_owned,
            is_firm=follows and (
                is_owned or (mention.is_plural and _is_opened(text, opening, mention.start, mention.end))
            ),
            is_all=share is not None and share["all"] is not None,
            is_most=share is not None and share["most"] is not None,
        )  # fmt: skip
    row, words, start = found.row, found.words, found.start
    # The word before is cut off by hand: as a part of the pattern it took 30 % of the time that claims take, since
    # the quantities were tried anew from each of its letters.
    ahead = text[lowest:start].rstrip(_SPACE)
    before = ahead[len(ahead.rstrip(_WORD)) :].lower()
    is_rough = before.rstrip(",") in ROUGH
    share = _SHARE.search(text, lowest, start) if before in _SHARING else None
    low = _RANGE.search(text, lowest, start) if before in _RANGE_WORDS else None
    measure, number = _measured(row, words, mention, found.is_of_pairs, is_rough, before in ABOUT)
    if found.is_of_more and measure in ("exact", "at most"):
        measure = "at least"  # "only two of the chairs are taken"
    if low is not None and (before != "and" or _BETWEEN.search(text, floor, low.start())):
        word = " ".join(low["number"].lower().split())
        measure, number = "at least", NUMBERS.get(word) or int(word)  # "between two and four dogs"
    is_all = share is not None and share["all"] is not None
    rest_is_free = not found.has_adjectives and (before not in PART or is_all)
    may_count = measure != "some" or words == "one"
    is_whole = may_count and rest_is_free and _is_of_all(text, mention.end, sentence_end, number)
    if words == "one" and is_whole and _is_of_all(text, mention.end, sentence_end, 1):
        existence = EXISTENCE.search(text, opening, start)
        if (existence or SHOWN_AFTER.match(text, mention.end, sentence_end)) and not mention.is_plural:
            measure, number = "exact", 1
    # "Two people walk by" tells of two, "there are two people" of all.
    is_plain = is_whole and row.words == "N" and number != 1 and not is_all and not (
        EXISTENCE.search(text, opening, start) is not None
        or SHOWN_AFTER.match(text, mention.end, sentence_end) is not None
        or _ENDS.match(text, mention.end, sentence_end) is not None
    )  # fmt: skip
    is_definite = words.split()[0] in DEFINITE or before in ("the", "these", "those")
    is_likened = before == "than" and not is_definite  # "taller than a giraffe"
    is_case = before == "as" and ACTS.match(text, mention.end, sentence_end) is not None
    is_case = is_case or (is_definite and before in GIVEN)  # "for the dog", not "for a dog"
    is_named = (
        before in ("is", "s")
        and (words in ("a", "an") or measure == "exact")
        and IDENTIFIES.search(text, max(0, start - 12), start) is not None
    )
    return Phrase(
        mention.category,
        word,
        start,
        mention.end,
        measure=measure,
        number=number,
        is_plural=mention.is_plural,
        is_loose=mention.is_loose,
        is_unsure=mention.is_unsure,
        is_definite=is_definite,
        is_whole=is_whole,
        is_plain=is_plain,
        is_firm=follows
        and (
            is_case
            or is_named
            or before not in NOT_SHOWN_ENDS
            or NOT_SHOWN_BEFORE.search(text, max(0, start - 30), start) is None
        )
        and not is_likened
        and words != "its",  # "its bed" may be a truck's
        is_all=words.startswith("both") or is_all,
        is_most=share is not None and share["most"] is not None,
        is_some=before in _OF_THE and _SOME_OF.search(text, lowest, start) is not None,
    )


def _is_verb(word: str) -> bool:
    """Whether a word in -s is no plural: "the dog jogs", but "the dog bowls"."""
    plain = verb_of(word) if word.endswith("s") else None
    return plain is not None and not senses(plain)


def _is_opened(text: str, floor: int, start: int, end: int) -> bool:
    """Whether a bare plural is told of the picture: "the image shows a lake with boats", not "boats are slow"."""
    if HOLDING.search(text, floor, start) is not None:
        return True
    if _NOW.match(text, end) is not None and _BEGINS.search(text[floor:start]) is not None:
        return True
    if EXISTENCE.search(text, floor, start) is None:
        return False
    return (
        WITH.search(text, floor, start) is not None or EXISTENCE.search(text, max(floor, start - 12), start) is not None
    )


_NOW = re.compile(
    r"\s+(?:are\s+(?:being\s+)?[a-z]+(?:ed|ing)\b|(?:sit|stand|lie|hang|rest|line|surround|graze|wait|float|cover|"
    r"fill)\b)",
    FLAGS,
)
"""What things do, or how they lie, at the moment of a picture: "apples ARE PILED up"."""
_BEGINS = re.compile(r"(?:^|[.!?;:,]\s*|\band\s+|\bwhile\s+)(?:[a-z-]+\s+){0,2}$", FLAGS)


def _measured(
    row: Quantity, words: str, mention: Mention, is_pairs: bool, is_rough: bool, is_about: bool
) -> tuple[Measure, int | None]:
    """Measure and number of a matched quantity; ``open`` where the number is not of these things."""
    if row.measure in ("none", "some"):
        return row.measure, row.number
    number = row.number
    if number is None:
        stated = _STATED.search(words)
        number = (
            (NUMBERS.get(" ".join(stated[0].split())) or int(stated[0])) + row.offset if stated is not None else None
        )
    agrees = (
        mention.is_plural != (number is not None and number - row.offset == 1)
        or plural(mention.category) == mention.category
    )
    if row.measure == "others":
        return row.measure, number
    if row.measure == "exact" and is_rough:
        return (
            ("at least", number // 2) if number is not None and number >= ROUGHLY_FROM and is_about else ("open", None)
        )
    if number is None or not agrees or is_pairs != (is_pair(mention.category) and row.measure != "some"):
        return "open", None  # "two dog bowls" counts bowls; scissors come as "two pairs of scissors"
    return ("none", 0) if number == 0 else (row.measure, number)


def _is_of_all(text: str, end: int, sentence_end: int, number: int | None) -> bool:
    """Whether nothing after the noun picks out some of the things: "two dogs on the couch" may not be all."""
    if text.startswith(("'", "’"), end):
        return False
    if SHOWN_AFTER.match(text, end, sentence_end):
        return True
    return (
        (_ENDS.match(text, end, sentence_end) is not None)
        if number == 1
        else not _SELECTED.match(text, end, sentence_end)
    )
