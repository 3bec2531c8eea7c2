"""Questions asked twice about one image: the same wording once set phrases are folded, or near in an embedding.

Set phrases are first brought to one form ("What is the number of dogs?", "How many dogs can you see?"), then words
that carry no meaning of their own are left out and endings folded; what stays must be equal word by word. Jaccard
similarity in its place would take "Is the dog left of the cat?" for "Is the cat left of the dog?", and "How many
dogs?" for "How many cats?". Of 63 written pairs that ask the same, 50 are found so, and 1 of 62 others is
taken for one; an embedding model, where ``dedup.embeddings`` names one, finds more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from datagen.dedup.near_duplicates import jaccard
from datagen.lexicon import IRREGULAR_PLURALS
from datagen.records import Drop, Sample
from datagen.words import read_bundled

Vector = NDArray[np.float64]
FindVector = Callable[[str], Vector | None]
"""From a question to its embedding, a vector of length 1, or None where it has none."""


class _QuestionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/words/questions.yaml``, which says what each is."""

    empty: frozenset[str]
    same: dict[str, str]
    verbs: tuple[str, ...]
    turning: frozenset[str]


_WORDS = read_bundled("words/questions.yaml", _QuestionWords)
_WORD = re.compile(r"\w+")
_PICTURE = r"(?:the|this) (?:given )?(?:image|picture|photo|photograph|scene)"
_SEEN = r"(?:visible|shown|seen|present|depicted|placed|located)"
_THERE = "there is"
_REWRITES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(what|where|who|how|which|there) s\b", r"\1 is"),
        (rf"\b(?:{_SEEN} )?(?:in|of|from|within) {_PICTURE}\b", ""),
        (r" +", " "),
        (r"^ | $", ""),
        (r"^(?:please )?(?:(?:can|could|would|will) you )?(?:please )?tell me (?=what|where|who|how|which|why)", ""),
        (r"^what is the number of\b|^(?:(?:can|could) you )?(?:please )?count (?:the )?(?:number of )?", "how many "),
        (rf"^does {_PICTURE} (?:contain|show|include|have)\b", _THERE),
        (r"^(?:(?:is|are) there|(?:do|can|could) you see)\b", _THERE),
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
    text = " ".join(words)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    asked = text.split()
    if text.startswith(_THERE):  # "a dog" and "dogs" are not the same here
        return " ".join(asked)
    # "What does the man do?" asks about doing, so that a last "do" is no auxiliary.
    content = [_folded(word) for word in asked if word not in _WORDS.empty] + ["do"] * (asked[-1:] == ["do"])
    # With fewer than two words left, as in "What do you see?", only the same wording is the same question.
    return " ".join(content if len(content) >= 2 else words)


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


_FORMS = {
    **_WORDS.same,
    **{several: one for one, several in IRREGULAR_PLURALS.items()},
    **{_ing(verb): verb for verb in _WORDS.verbs},
}


class QuestionEmbeddings:
    """Tells which questions mean the same, by the vectors that an embedding model gave them.

    Vectors lie close for all questions about the same things, so that words which turn a question round
    are looked at first: what differs in a negation, a number or a side, or has the same words in another
    order ("Is the dog left of the cat?"), is not the same.

    Args:
        find_vector: Gives a question's vector.
        threshold: Cosine similarity from which two questions mean the same.
    """

    def __init__(self, find_vector: FindVector, threshold: float) -> None:
        self._find_vector = find_vector
        self._threshold = threshold

    def similarity(self, one: str, other: str) -> float | None:
        """Cosine similarity of two questions that mean the same; None for any others."""
        if _turning_words(one) != _turning_words(other):
            return None
        content, other_content = question_key(one).split(), question_key(other).split()
        if content != other_content and sorted(content) == sorted(other_content):
            return None
        vector, other_vector = self._find_vector(one), self._find_vector(other)
        if vector is None or other_vector is None or vector.shape != other_vector.shape:
            return None
        cosine = round(float(vector @ other_vector), 6)  # further digits depend on the machine
        return cosine if cosine >= self._threshold else None


def _turning_words(question: str) -> list[str]:
    return sorted(word for word in words_of(question) if word in _WORDS.turning or word.isdecimal())


class _KeptQuestion(Struct, frozen=True):
    """A question that a sample asks, and in which of its turns, counted from 1."""

    sample_id: str
    turn: int
    question: str


class AskedQuestions:
    """Questions asked about each image; those of the image not seen for longest are forgotten first.

    Args:
        embeddings: Tell which questions with different keys mean the same; None looks at keys alone.
        max_questions: Questions remembered, some 80 MB. In corpus order an image's samples stand together; this leaves
            room for imports that do not.
    """

    def __init__(self, embeddings: QuestionEmbeddings | None = None, max_questions: int = 200_000) -> None:
        self._embeddings = embeddings
        self._max_questions = max_questions
        self._images: dict[str, dict[str, _KeptQuestion]] = {}  # the one seen last stands last
        self._n_questions = 0

    def find(self, sample: Sample, keys: Sequence[str]) -> tuple[Drop | None, int]:
        """Find the first question that this sample or a kept one of its image asks already.

        Returns:
            The drop, or None, and how many turns come before it.
        """
        known = self._images.get(sample.image_id, {})
        own: dict[str, _KeptQuestion] = {}
        for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=False)):
            twin = known.get(key) or own.get(key)
            if twin is not None:
                alike = jaccard(frozenset(words_of(turn.question)), frozenset(words_of(twin.question)))
                told = f"similarity {alike:.2f}"
            else:
                twin, alike = self._nearest(turn.question, (*known.values(), *own.values()))
                told = f"similarity of meaning {alike:.2f}"
            if twin is not None:
                detail = f"turn {n + 1} asks what turn {twin.turn} of {twin.sample_id} asks, {told}"
                return Drop("dedup", "question_asked_again", detail), n
            own[key] = _KeptQuestion(sample.sample_id, n + 1, turn.question)
        return None, len(keys)

    def mean_the_same(self, sample: Sample, other: Sample) -> bool:
        """Whether any question of one sample means what one of the other means."""
        if self._embeddings is None:
            return False
        pairs = ((mine.question, its.question) for mine in sample.turns for its in other.turns)
        return any(self._embeddings.similarity(*pair) is not None for pair in pairs)

    def _nearest(self, question: str, others: Iterable[_KeptQuestion]) -> tuple[_KeptQuestion | None, float]:
        """Find the first of the questions that are nearest in meaning, if any means the same."""
        nearest: tuple[_KeptQuestion | None, float] = None, 0.0
        if self._embeddings is not None:
            for other in others:
                alike = self._embeddings.similarity(question, other.question)
                if alike is not None and (nearest[0] is None or alike > nearest[1]):
                    nearest = other, alike
        return nearest

    def add(self, sample: Sample, keys: Sequence[str]) -> None:
        """Remember what a kept sample asks; its keys may go on past its last turn."""
        known = self._images.pop(sample.image_id, {})
        self._images[sample.image_id] = known
        n_before = len(known)
        for n, (key, turn) in enumerate(zip(keys, sample.turns, strict=False), start=1):
            known[key] = _KeptQuestion(sample.sample_id, n, turn.question)
        self._n_questions += len(known) - n_before
        while self._n_questions > self._max_questions and len(self._images) > 1:
            oldest = next(iter(self._images))
            self._n_questions -= len(self._images.pop(oldest))
