"""From a question to a key that is the same for questions which ask the same.

Set phrases are first brought to one form ("What is the number of dogs?", "How many dogs can you
see?"), then words that carry no meaning of their own are left out and endings folded; what stays must
be equal word by word. A similarity in its place would take "Is the dog left of the cat?" for "Is the
cat left of the dog?", and "How many dogs?" for "How many cats?".
"""

from __future__ import annotations

import re
from functools import lru_cache

from datagen.lexicon import IRREGULAR_PLURALS

_WORD = re.compile(r"\w+")
_PICTURE = r"(?:the|this) (?:given )?(?:image|picture|photo|photograph|scene)"
_SEEN = r"(?:visible|shown|seen|present|depicted|placed|located)"
_IN_IMAGE = rf"\b(?:{_SEEN} )?(?:in|of|from|within) {_PICTURE}\b"
_THERE = "there is"
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(what|where|who|how|which|there) s\b", r"\1 is"),
        (_IN_IMAGE, ""),
        (r" +", " "),
        (r"^ | $", ""),
        (r"^(?:please )?(?:(?:can|could|would|will) you )?(?:please )?tell me (?=what|where|who|how|which|why)", ""),
        (r"^what is the number of\b|^(?:(?:can|could) you )?(?:please )?count (?:the )?(?:number of )?", "how many "),
        (rf"^does {_PICTURE} (?:contain|show|include|have)\b", f"{_THERE}"),
        (r"^(?:(?:is|are) there|(?:do|can|could) you see)\b", f"{_THERE}"),
        (rf"^({_THERE}) any\b", r"\1"),
        (r"^(?:can|could) (?:any )?(.+) be(?: seen\b| found\b|$)", rf"{_THERE} \1"),
        (r"^where (?:is|are|can|could) (.+?) (?:be )?(?:located|found|seen|situated|positioned)$", r"where is \1"),
        (r"\b(?:can|could) (?:(?:you|we|one) (?:see|find)\b|be (?:seen|found)\b|be$)", "is"),
        (rf"\b(is|are) {_SEEN} (?=in|on|at|under|above|behind|next|near|beside|to)", r"\1 "),
        (r"\b(?:what|which)(?: (?:kinds?|types?|sorts?) of)? ", "what "),
        (r"^what (?:objects?|items?|things?) (?=is|are|does|do)", "what "),
        (r"\bcolou?rs?\b", "color"),
        (r"^what is the color of ", "what color is "),
        (r"^(what color .+) have$", r"\1"),
        (r"^(?:how is (the weather)|what (?:is|are) (.+) like)$", r"what is \1\2"),
        (r"^what (.+) is (?:it|this|that)$", r"what is \1"),
        (r"\b(?:to|on|at) the (left|right)(?: (?:hand )?side)? of\b", r"\1 of"),
        (r"\b(?:beside|adjacent to)\b", "next to"),
        (r"\b(?:may|could)\b", "might"),
        (r"\b(hold|holding|holds) in (?:his|her|its|their) hands?\b", r"\1"),
    )
)  # fmt: skip
_EMPTY_WORDS = frozenset(
    "a an the is are be been being am does do please you me see there this that these those here "
    "currently actually exactly now".split()
)
_SAME = {
    "buses": "bus", "sofa": "couch", "bike": "bicycle", "motorbike": "motorcycle", "television": "tv",
    "fridge": "refrigerator", "plane": "airplane", "grey": "gray", "kid": "child", "kids": "child",
    **{several: one for one, several in IRREGULAR_PLURALS.items()},
}  # fmt: skip
_VERBS = (
    "wear hold ride sit stand look smile carry play watch use eat drink read walk run chase lie hang fly lead face "
    "drive pull push throw hit catch cut cook jump sleep point wait cross surf ski"
).split()
"""Whose "is ...ing" and "does ..." ask the same; "do" is none of them, as "What does he do?" asks for a trade."""
_MIN_CONTENT_WORDS = 2
"""With fewer words left, as in "What do you see?", only the same wording is the same question."""


def words_of(text: str) -> list[str]:
    """Words without case, punctuation and contracted negation: "isn't" becomes "is", "not"."""
    return _WORD.findall(text.lower().replace("’", "'").replace("can't", "can not").replace("n't", " not"))


@lru_cache(1 << 14)  # the same question is asked about many images
def question_key(question: str) -> str:
    """Reduce a question to what it asks, in its order.

    Negation, numbers, prepositions of place, what may or did happen, and question words stay, so that questions
    which differ in one of them keep different keys.
    """
    words = words_of(question)
    told = " ".join(words)
    for pattern, replacement in _REWRITES:
        told = pattern.sub(replacement, told)
    asked = told.split()
    if told.startswith(_THERE):  # "a dog" and "dogs" are not the same here
        return " ".join(asked)
    # "What does the man do?" asks about doing, so that a last "do" is no auxiliary.
    content = [_folded(word) for word in asked if word not in _EMPTY_WORDS] + ["do"] * (asked[-1:] == ["do"])
    return " ".join(content if len(content) >= _MIN_CONTENT_WORDS else words)


def _folded(word: str) -> str:
    """A word without the endings of plural and present tense, by one of its names."""
    if word in _FORMS:
        return _FORMS[word]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _FORMS.get(word, word)


def _ing(verb: str) -> str:
    if verb == "lie":
        return "lying"
    if verb in ("sit", "run", "hit", "cut"):
        return f"{verb}{verb[-1]}ing"
    return f"{verb.removesuffix('e')}ing"


_FORMS = {**_SAME, **{_ing(verb): verb for verb in _VERBS}}
