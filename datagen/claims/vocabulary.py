"""From a corpus's category names and words to what they mean for claims: wider words, look-alikes, small things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from datagen.lexicon import Lexicon, lexicon_for, plural, spoken_names
from datagen.words import NO_WORDS, Words, built_in_words, merged


class Vocabulary(Struct, frozen=True):
    """The words of one corpus; categories stand as the corpus spells them.

    Attributes:
        names: The corpus's categories.
        lexicon: Finds categories and claimed wider words in text.
        claimed: Wider words that are claims here: at least two of their categories belong to the corpus.
        hypernyms: Per wider word that is a claim itself, the categories that bear it out.
        hints: Per caption word that leaves categories open (hypernyms included, plurals too), which ones.
        lookalikes: Per category, those it may be taken for.
        overlooked: Categories that annotators miss in busy pictures.
        uncountable: Categories whose number is a matter of taste.
    """

    names: frozenset[str]
    lexicon: Lexicon
    claimed: tuple[str, ...]
    hypernyms: dict[str, tuple[str, ...]]
    hints: dict[str, tuple[str, ...]]
    lookalikes: dict[str, frozenset[str]]
    overlooked: frozenset[str]
    uncountable: frozenset[str]


@lru_cache(maxsize=64)
def vocabulary_for(categories: tuple[str, ...], words: Words = NO_WORDS) -> Vocabulary:
    """Resolve the words of a corpus once.

    Args:
        categories: The corpus's category names.
        words: Laid over the built-in words.
    """
    both = merged(words, built_in_words())
    own = {form: name for name in reversed(categories) for form in (*spoken_names(name), name.lower())}
    hypernyms = {word: _spelled(members, own) for word, members in both.hypernyms.items()}
    claimed = tuple(
        word
        for word, members in hypernyms.items()
        if word not in own and len(set(members).intersection(categories)) > 1
    )
    hints = {word: _spelled(members, own) for word, members in {**both.hints, **both.hypernyms}.items()}
    lookalikes: dict[str, frozenset[str]] = {}
    for group in both.lookalikes:
        members = frozenset(_spelled(group, own))
        for name in members:
            lookalikes[name] = lookalikes.get(name, frozenset()) | (members - {name})
    return Vocabulary(
        names=frozenset(categories),
        lexicon=lexicon_for((*categories, *claimed), words),
        claimed=claimed,
        hypernyms=hypernyms,
        hints={**{plural(word): members for word, members in hints.items()}, **hints},
        lookalikes=lookalikes,
        overlooked=frozenset(_spelled(both.overlooked, own)),
        uncountable=frozenset(_spelled(both.uncountable, own)),
    )


def _spelled(names: Iterable[str], own: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(own.get(name, name) for name in names)


def claim_lexicon(categories: tuple[str, ...], words: Words = NO_WORDS) -> Lexicon:
    """The lexicon of a corpus with the wider words that are claims themselves."""
    return vocabulary_for(categories, words).lexicon


def unknown_names(categories: tuple[str, ...], words: Words) -> Iterator[str]:
    """Categories that a user's words speak of and the corpus does not have: probably misspelled."""
    known = {form for name in categories for form in (*spoken_names(name), name.lower())}
    yield from (name for name in words.categories() if name not in known)
