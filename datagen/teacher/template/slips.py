"""Spelling of captions: what one edit explains is mended, and what is still wrong is not quoted.

Words are held against SCOWL's list, WordNet's nouns and verbs, and the words of the other captions; rude words and
slurs fall, too. Nothing here decides whether a caption is true, or a sentence: that is ``caption_reader``'s.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from string import ascii_lowercase

from msgspec import Struct

from datagen.claims.syntax import class_of
from datagen.claims.wordnet import senses
from datagen.lexicon import article, singular_of
from datagen.teacher.template.caption_reader import is_doer
from datagen.words import read_bundled

MIN_LETTERS = 5
"""Shorter words have too many neighbours to tell which was meant: "bal" may be ball, bar, bat, pal."""


class _Slips(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/slips.yaml``, which says what each is."""

    known: frozenset[str]
    names: dict[str, str]
    meant: dict[str, str]
    belittling: frozenset[str]


_SLIPS = read_bundled("template/slips.yaml", _Slips)
NAMES = _SLIPS.names
"""Names that people type in lower case, as they are spelled."""
_LETTERS = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_MEANT = re.compile(r"\b(?:" + "|".join(sorted(_SLIPS.meant, key=len, reverse=True)) + r")\b", re.IGNORECASE)
_LAID = re.compile(r"\b([Ll])ay(ing|s)\b(?= ([a-z]+)|,|$)")
"""What people write of somebody who lies; what is laid follows at once: "laying bricks"."""
_DOUBLED = re.compile(
    r"\b(an?|the|is|are|in|on|at|of|to|and|or|with|by|for|from|his|her|their|its|has|it|as|near|two|three|some|that)"
    r" \1\b",
    re.IGNORECASE,
)
_CONTRACTED = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|would|could|should)n't$")
_GRAMMAR = re.compile(
    r"\b(?:in|on|at|with|from|by|to) of\b|\bon back of\b|\b(?:it|there|that|he|she)'s\b|\bits'|"
    r"\b(?:with|of|by) mean\b|\bthen an?\b|"
    r"\b(?:lying|sitting|standing|walking|running|jumping|leaping|riding) of\b|\b(\w{3,}) \1\b",
    re.IGNORECASE,
)
"""What no careful writer writes though it has the form of a sentence."""


@lru_cache(maxsize=1)
def _english() -> tuple[frozenset[str], frozenset[str]]:
    packed = (files("datagen") / "data" / "words" / "english.txt.gz").read_bytes()
    common, _, rare = gzip.decompress(packed).decode().partition("\n\n")
    return frozenset(common.split()), frozenset(rare.split()) | _SLIPS.known


@lru_cache(maxsize=1)
def _rude() -> frozenset[str]:
    lines = (files("datagen") / "data" / "words" / "rude.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


@lru_cache(maxsize=20_000)
def is_english(word: str) -> bool:
    """Whether a lower-case word is spelled as a dictionary has it."""
    if any(word in words for words in _english()) or word in _SLIPS.names or _CONTRACTED.fullmatch(word):
        return True
    if word.endswith(("'s", "s'")):
        return is_english(word[:-2].rstrip("'"))
    one = singular_of(word)
    stem = re.sub(r"(?:es|ed|ing|s|d)$", "", word)
    return bool({one, stem, f"{stem}e"} & _SLIPS.known or senses(word) or senses(one))


@lru_cache(maxsize=20_000)
def is_rude(word: str) -> bool:
    """Whether a lower-case word insults or belittles somebody, or is said of nobody in polite company."""
    return word in _SLIPS.belittling or hashlib.sha256(word.encode()).hexdigest()[:12] in _rude()


_APART = frozenset("by the and with of from near".split())
"""Words that people type without the space beside them; "walkin" is more often "walking" than "walk in"."""


@lru_cache(maxsize=4096)
def word_meant(word: str, context: frozenset[str] = frozenset()) -> str | None:
    """The word that somebody meant who typed one that there is not; None where that is not sure.

    Args:
        word: In lower case, in no dictionary.
        context: Words of the other captions, and names of what is boxed.

    Returns:
        Two words that lack the space between them, one being such as "by"; else the word with one of two equal letters
        less; else the only common word at one edit (a letter missing, added, wrong, or swapped with its neighbour), or
        the only word there that the context has.
    """
    if len(word) < MIN_LETTERS or not word.isalpha():
        return None
    for n in range(2, len(word) - 1):
        both = (word[:n], word[n:])
        if not _APART.isdisjoint(both) and all(part in _english()[0] for part in both):
            return " ".join(both)  # "closeby" is "close by" and not "closely"
    near = {other for other in one_edit_from(word) if is_english(other)} - _SLIPS.names.keys()
    twice = {word[:n] + word[n + 1 :] for n in range(len(word) - 1) if word[n] == word[n + 1]} & near
    if len(twice) == 1:
        return twice.pop()  # "skiier" is no "skiter"
    told, common = near & context, near & _english()[0]
    return (told if len(told) == 1 else common).pop() if 1 in (len(told), len(common)) else None


def one_edit_from(word: str) -> set[str]:
    """Whatever has one letter more, less or other than a word, or two neighbours swapped."""
    splits = [(word[:n], word[n:]) for n in range(len(word) + 1)]
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    missing = {a + b[1:] for a, b in splits if b}
    wrong = {a + letter + b[1:] for a, b in splits if b for letter in ascii_lowercase}
    added = {a + letter + b for a, b in splits for letter in ascii_lowercase}
    return swapped | missing | wrong | added


def without_slips(text: str, context: frozenset[str] = frozenset()) -> str | None:
    """Mend the slips of a caption that can be mended for sure.

    Args:
        text: A caption without its final stop, in single spaces.
        context: Words of the other captions, and names of what is boxed.

    Returns:
        The caption, mended; None when a word is unknown or rude, or the grammar is wrong beyond mending.
    """
    text = _MEANT.sub(lambda match: _SLIPS.meant[match[0].lower()], text)
    text = _LAID.sub(lambda m: f"{m[1]}{'y' if m[2] == 'ing' else 'ie'}{m[2]}" if _is_joint(m[3]) else m[0], text)
    text = _DOUBLED.sub(r"\1", re.sub(r",(?=[A-Za-z])", ", ", text))
    spelled = _spelled(re.sub(r" ('s|n't)\b", r"\1", text), context)
    if spelled is None or _GRAMMAR.search(spelled):
        return None
    return re.sub(r"\b([Aa])n? (?=([A-Za-z][\w-]*))", lambda m: f"{m[1]}{article(m[2])[1:]} ", spelled)


def _is_joint(word: str | None) -> bool:
    """Whether no object starts with a word: it is missing, a preposition, an adverb or a conjunction."""
    return word is None or class_of(word) in "PRC"


def _spelled(text: str, context: frozenset[str]) -> str | None:
    parts: list[str] = []
    done = 0
    for match in _LETTERS.finditer(text):
        word, low = match[0], match[0].lower()
        if is_rude(low) or is_rude(singular_of(low)):
            return None
        is_lone = not text[match.end() :].lstrip()[:1].isupper()  # "a Man", but not "a Jack Russell"
        is_common = class_of(low) in "DPCWV" or (is_lone and is_doer(low) and low in _english()[0])
        is_name = word[0].isupper() and match.start() > 0 and not is_common
        parts.append(text[done : match.start()])
        done = match.end()
        if is_name:
            parts.append(word)
        elif low in _SLIPS.names:
            parts.append(_SLIPS.names[low])
        elif (is_english(low) and (len(word) > 1 or word in "Aa")) or (
            len(word) == 1 and "-" in text[max(0, match.start() - 1) : match.end() + 1]
        ):
            parts.append(word if match.start() == 0 else low)
        else:
            meant = word_meant(low, context)
            if meant is None and not (word[0].isupper() and not _is_near_english(low)):
                return None  # a capital in front may open a name: "London bus in the rain"
            parts.append(meant or word)
    spelled = "".join(parts) + text[done:]
    return spelled[0].upper() + spelled[1:]


def _is_near_english(word: str) -> bool:
    return any(is_english(other) for other in one_edit_from(word))
