"""From a question to a key that is the same for questions which ask the same.

Only words that carry no meaning of their own are left out and plurals folded; what stays must be
equal word by word. A similarity in its place would take "Is the dog left of the cat?" for "Is the
cat left of the dog?", and "How many dogs?" for "How many cats?".
"""

from __future__ import annotations

import re

from datagen.lexicon import IRREGULAR_PLURALS

_WORD = re.compile(r"\w+")
_IN_IMAGE = re.compile(
    r"\b(?:(?:visible|shown|seen|present|depicted) )?(?:in|of|from|within) (?:the|this) (?:given )?"
    r"(?:image|picture|photo|photograph|scene)\b"
)
_EMPTY_WORDS = frozenset(
    "a an the is are was were be been being am does did do can could would will please you tell me see "
    "there this that these those here currently actually exactly".split()
)
_SINGULAR = {"buses": "bus", **{several: one for one, several in IRREGULAR_PLURALS.items()}}
_MIN_CONTENT_WORDS = 2
"""With fewer words left, as in "What do you see?", only the same wording is the same question."""


def words_of(text: str) -> list[str]:
    """Words without case, punctuation and contracted negation: "isn't" becomes "is", "not"."""
    return _WORD.findall(text.lower().replace("’", "'").replace("can't", "can not").replace("n't", " not"))


def question_key(question: str) -> str:
    """Reduce a question to what it asks, in its order.

    Negation, numbers, prepositions of place and question words stay, so that questions which
    differ in one of them keep different keys.
    """
    words = words_of(question)
    told = words_of(_IN_IMAGE.sub(" ", " ".join(words)))
    # "What does the man do?" asks about doing, so that a last "do" is no auxiliary.
    content = [_singular(word) for word in told if word not in _EMPTY_WORDS] + ["do"] * (told[-1:] == ["do"])
    return " ".join(content if len(content) >= _MIN_CONTENT_WORDS else words)


def _singular(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
