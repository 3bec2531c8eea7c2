"""The reader of captions: one grammar that finds a clause in a caption, or a phrase, or nothing that is sure.

Every word gets the letters of the classes that it may have, each noun phrase is drawn together to one sign, and two
regular expressions over these signs say what the whole is. A caption that is neither, or as easily the one as the
other, is not understood, and what is not understood is not quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Literal

from msgspec import Struct

from datagen.claims.syntax import ADJECTIVES, class_of, singular
from datagen.claims.wordnet import is_a, is_adjective, senses, verb_of
from datagen.lexicon import singular_of
from datagen.words import COCO_CATEGORIES, built_in_words, read_bundled

Form = Literal["phrase", "clause"]
UNLIKELY = 2
MAX_READINGS = 512
"""A caption whose words allow more is not read."""


class _Grammar(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/grammar.yaml``, which says what each is."""

    classes: dict[str, frozenset[str]]
    particles: frozenset[str]
    pairs: tuple[str, ...]
    uncounted: frozenset[str]
    masses: tuple[str, ...]
    counted: frozenset[str]
    verbs: frozenset[str]
    sure_verbs: frozenset[str]
    colors: frozenset[str]
    doubtful: frozenset[str]


_TABLES = read_bundled("template/grammar.yaml", _Grammar)
_CLOSED = {word: classes for classes, words in _TABLES.classes.items() for word in words}
_PAIRS = re.compile(rf"\b(?:{'|'.join(sorted(_TABLES.pairs, key=len, reverse=True))})\b")
_COUNTED = {one for one in (*COCO_CATEGORIES, *built_in_words().kinds["person"]) if " " not in one} - {"broccoli"}
_WORD = re.compile(r"[a-z0-9_]+(?:['-][a-z0-9]+)*'?|[^ \w]")

_MODIFIER = "r*(?:[jg]|[nm]?e)"  # "very small", "smiling", "snow covered"
_MODIFIED = f"(?:{_MODIFIER}(?:,?&?{_MODIFIER})*,?)?"
_NOUN_PHRASE = re.compile(
    rf"(?P<own>(?:[ad]|d?p)?{_MODIFIED}[nm]*o)?"
    rf"(?:(?(own)p?|(?:d?p|d)){_MODIFIED}[nm]*(?P<many>[sc])"
    rf"|(?(own)|[ad]){_MODIFIED}[nm]*(?:(?P<one>[nm])(?![nms])|(?P<group>c|k(?=u)))"
    r"|(?:(?:j|[nm]?e)(?:,?&?(?:j|[nm]?e))*)?[nm]*(?P<bare>[ms])(?![nms]))"
)
_SIGNS = {"one": "1", "many": "2", "group": "3"}
_N = "(?:[0-4]|(?<=1&)j*n+)"  # "a woman and dog"
_WHO = rf"w(?:[vbf]r*{_N}?|[zy]r*(?:g{_N}?|e|j|[iu]{_N}|{_N}))"
_BIT = rf"(?:[iu]+{_N}|[iu]+g{_N}|u?gr*{_N}?|e|r|[ir]*xbr*{_N}?|j(?=[iu,&grx]|$)|{_WHO})"
_REST = rf"(?:,?{_BIT}(?:,?&{_BIT})*|(?:,{_N})*,?&{_N})*"


def _predicate(verb: str, be: str) -> str:
    return rf"r*(?:{verb}f?r*(?:e?{_N}|j|e)?|{be}r*(?:n?gr*{_N}?|e|j|[iu]{_N}|{_N}|xb{_N}?)(?:,?&{_BIT})*)"


_ONE, _MANY = _predicate("[vf]", "z"), _predicate("[bf]", "y")
_INSERTED = rf"(?:{_REST}|{_REST},{_BIT}{_REST},)"  # "a dog, wearing a coat, looks up"
_SAID = (
    rf"(?:[134Q](?!,?&{_N}){_INSERTED}{_ONE}{_REST}(?:,?&{_ONE}{_REST})*"
    rf"|(?:[23q]|{_N}{_REST},?&{_N}){_INSERTED}{_MANY}{_REST}(?:,?&{_MANY}{_REST})*)"
)
_WHILE = rf"(?:,?t(?:{_SAID}|[ge]{_N}?{_REST}))?"
_CLAUSE = re.compile(rf"{_SAID}(?:,?&{_SAID})?{_WHILE}")
_PHRASE = re.compile(rf"[1-4]{_REST}{_WHILE}")
_DOING = re.compile(rf"[124](?:[zy]r*)?(?P<doing>g)(?P<runs_on>[rj]*{_N}?(?:[iu]+{_N}|r|e|,?&{_N})*g)?")
_STATES = ("wearing", "holding", "carrying", "having")
"""Letters and signs: a "a", p "two", d "the", o "man's", j adjective, n noun, m noun that needs no article, s plural,
c "group", k "bunch"; 0 "him", 1 one thing, 2 several, 3 a group, 4 some stuff; Q "he", q "they"; v "rides", b "ride",
f "rode", z "is", y "are", g "riding", e "ridden", i preposition, u "of", r adverb, x "to" before a verb, w "who",
t "while", & "and"."""


class CaptionReading(Struct, frozen=True):
    """What a caption is as a sentence.

    Attributes:
        form: A ``phrase`` follows "the image shows"; a ``clause`` is a sentence.
        doer: Head of what it opens with, in the singular: "dog" of "Two brown dogs run".
        is_one: Whether that is one.
        is_group: Whether that is "a group" or "a bunch", and who does something comes behind it.
        verb: What the doer does, in its plain form: "ride" of "rides" and of "is riding"; None where it tells nothing.
        doing: Where in the text an -ing starts that a person or an animal does: "riding" of "A man riding a bike".
        lacks_article: Whether "a" has to be put before it.
    """

    form: Form
    doer: str
    is_one: bool
    is_group: bool
    verb: str | None
    doing: int | None
    lacks_article: bool


UNREAD = CaptionReading("clause", "", is_one=False, is_group=False, verb=None, doing=None, lacks_article=False)
"""Of a caption that is not understood, and has a say all the same."""


@lru_cache(maxsize=4096)
def read_caption(text: str) -> CaptionReading | None:
    """Read a caption.

    Args:
        text: Spelled as English, without its final stop.

    Returns:
        None where its words make no sentence and no phrase, or as easily the one as the other.
    """
    found = list(_WORD.finditer(_PAIRS.sub(lambda match: match[0].replace(" ", "_"), text.lower())))
    words, starts = [match[0] for match in found], [match.start() for match in found]
    return _read(words, starts) or _read(["a", *words], [-1, *starts])


def _read(words: list[str], starts: list[int]) -> CaptionReading | None:
    best: dict[Form, tuple[int, str, str, list[int]]] = {}
    for letters in _readings(words):
        signs, places = _drawn_together(letters)
        for form, pattern in _FORMS:
            if pattern.fullmatch(signs) and _may_open(words, letters, places[0], starts[0] < 0):
                cost = _cost(words, letters)
                if form not in best or cost < best[form][0]:
                    best[form] = cost, letters, signs, places
    costs = [cost for cost, *_ in best.values()]
    if not best or len(set(costs)) < len(costs) or min(costs) >= UNLIKELY:
        return None
    form = min(best, key=lambda one: best[one][0])
    _, letters, signs, places = best[form]
    verb = _VERB[form].match(signs)
    doing = _DOING.match(signs)
    if doing and form == "clause" and signs[doing.start("doing") - 1] not in "zyr":
        doing = None  # "the woman wearing a hat has a dog"
    if doing and doing["runs_on"] and words[places[doing.start("doing")]] in _STATES:
        doing = None  # "wearing green boots playing in mud"
    return CaptionReading(
        form,
        one_of(words[places[0]]),
        signs[0] in "14Q" and not re.match(rf"{_N},?&{_N}", signs),
        signs[0] == "3",
        verb_of(words[places[verb.end() - 1]]) if verb else None,
        starts[places[doing.start("doing")]] if doing and is_doer(words[places[0]]) else None,
        starts[0] < 0,
    )


_VERB = {
    "phrase": re.compile(rf"[1-4](?:[iu]+{_N}|r|e|,|,?&{_N})*g"),
    "clause": re.compile(r"[^vbfzy]*(?:[vbf]|[zy]r*(?:n?g|xb))"),
}
_FORMS: tuple[tuple[Form, re.Pattern[str]], ...] = (("phrase", _PHRASE), ("clause", _CLAUSE))


def _may_open(words: Sequence[str], letters: str, at: int, lacks_article: bool) -> bool:
    """Whether a noun may open a caption, with or without an article: "Water in a glass", but no "Park", no "Sheep"."""
    if lacks_article and "s" in _classes(words[at]):
        return False
    if not set(letters[: at + 1]).isdisjoint("adopcQq"):
        return True
    return words[at] in _TABLES.uncounted if letters[at] == "m" else "n" not in _classes(words[at])


def _readings(words: Sequence[str]) -> Iterator[str]:
    """Every way to class the words, one letter each; nothing where there are too many ways."""
    classes = [_classes(word) for word in words]
    behind = (*classes[1:], "")
    for n, (word, after) in enumerate(zip(words, behind, strict=True)):
        opens = not set(after).isdisjoint("apdojnms0")  # a noun phrase
        if word in _TABLES.particles:
            may_open = after in ("e", "g")  # "up covered in mud", "around playing"
            classes[n] = "i" if opens or (may_open and word in ("in", "on")) else "ir" if may_open else "r"
        elif classes[n] in ("e", "ef"):
            classes[n] = "f" if not set(after).isdisjoint("ad0") else "ef" if after == "g" else "e"
        elif n and set(classes[n - 1]) <= set("apodiu"):
            classes[n] = "".join(one for one in classes[n] if one not in "vbf") or classes[n]
    if prod(map(len, classes)) <= MAX_READINGS:
        yield from map("".join, product(*classes))


@lru_cache(maxsize=20_000)
def _classes(word: str) -> str:
    """The letters of all classes that a word may have by itself."""
    if word in _CLOSED or not word[0].isalnum():
        return _CLOSED.get(word, word if word == "," else "?")
    if word[0].isdigit():
        return "p"
    if word.endswith(("'s", "s'")):
        return "o"
    last = word.rpartition("-")[2]
    if last != word:
        is_plain = last.endswith(("ed", "ing")) or is_adjective(last) or not last
        return "j" if is_plain else "j" + _classes(last).replace("j", "")
    one, verb, tag = one_of(word), verb_of(word), class_of(word)
    if verb is None and (one in _TABLES.verbs or tag == "F"):
        verb = one
    is_verb = verb is not None and (verb in _TABLES.verbs or not is_doer(one))
    noun = "n" if _is_counted(one) else "m"
    if word.endswith("ing") and (tag == "G" or verb not in (None, word)):
        return ("g" if tag == "G" else "") + (noun if senses(word) or tag == "n" else "") or "g"
    if word.endswith("ed") and (tag == "E" or verb not in (None, word)):
        return "e"
    if tag == "R":
        return "r" + (noun if senses(word) else "")
    if one != word:
        return "s" + ("v" if is_verb and word.endswith("s") else "")
    if word in _TABLES.colors:
        return "jm"
    if word in ADJECTIVES or tag == "A":
        return "j" + (noun if senses(word) else "")
    is_noun = bool(senses(word)) or verb != word or word not in _TABLES.sure_verbs
    return ("j" if is_adjective(word) else "") + (noun if is_noun else "") + ("b" if is_verb and verb == word else "")


@lru_cache(maxsize=20_000)
def _is_counted(noun: str) -> bool:
    """Whether nobody writes a noun in the singular without an article."""
    if noun in _TABLES.uncounted:
        return False
    if noun in _COUNTED or noun in _TABLES.counted:
        return True
    return bool(senses(noun)) and not any(is_a(noun, kind, n_senses=1) for kind in _TABLES.masses)


def is_doer(noun: str) -> bool:
    """Whether a noun, in either number, is a person or an animal."""
    one = one_of(noun)
    return one not in _TABLES.colors | _TABLES.counted and any(
        is_a(one, kind, n_senses=1) for kind in ("person", "animal")
    )


@lru_cache(maxsize=20_000)
def one_of(word: str) -> str:
    """A noun in the singular: "leaves" to "leaf", "men" to "man", "glasses" to "glass"."""
    one = singular_of(word)
    return one if one != word else singular(word)


def _drawn_together(letters: str) -> tuple[str, list[int]]:
    """Each noun phrase as one sign, and for each sign the index of its word, of a phrase that of its head."""
    signs: list[str] = []
    places: list[int] = []
    done = 0
    for match in _NOUN_PHRASE.finditer(letters):
        signs.append(letters[done : match.start()])
        places += range(done, match.start())
        kind = match.lastgroup or "bare"
        signs.append(_SIGNS.get(kind) or ("2" if match["bare"] == "s" else "4"))
        places.append(match.end() - 1)
        done = match.end()
    places += range(done, len(letters))
    return "".join((*signs, letters[done:])), places


def _cost(words: Sequence[str], letters: str) -> int:
    """How unlikely a way to class the words is; at ``UNLIKELY`` nobody means it."""
    cost = 0
    behind = (*words[1:], "")
    for before, was, word, letter, after in zip(("", *words), ("", *letters), words, letters, behind, strict=False):
        verb = verb_of(word)
        one = one_of(word)
        is_noun = verb in _TABLES.doubtful or one in _TABLES.counted or bool(senses(one) or senses(word))
        is_usual = verb in _TABLES.verbs - _TABLES.doubtful
        may_be_noun = was == "j" and before not in _TABLES.colors and not {"n", "m"}.isdisjoint(_classes(before))
        if letter in "nms" and was in ("n", "m") and {"v", "b"} & set(_classes(word)):
            is_compound = bool(senses(f"{before} {one}"))  # "canoe paddle", but not "kayakers paddle"
            is_usual |= letter == "s" and is_doer(before)
            cost += 0 if is_compound else UNLIKELY if is_usual else verb in _TABLES.doubtful or letter == "s"
        elif letter == "s" and is_usual and may_be_noun:
            cost += UNLIKELY  # "dressed for cold weather plays"
        elif letter == "s" and verb in _TABLES.verbs:
            cost += before in _TABLES.colors  # "a boy in orange swings"
        elif letter == "s":
            cost += (UNLIKELY if was in ("z", "y") else 1) * (verb is not None and not is_noun)  # "that is protects"
        elif letter == "b" and was in ("n", "m") and verb in _TABLES.doubtful:
            cost += 1 if after else UNLIKELY  # "people in leather ride bikes", but "enjoying a boat ride"
        elif letter in "vb" and was == "g":
            cost += UNLIKELY  # "doing exercises"
        elif letter in "vb" and verb not in _TABLES.verbs:
            cost += UNLIKELY if is_noun and not is_doer(before) else 1  # "a jacket", "a man wheels", "examines"
        elif letter in "vb" and before in _TABLES.colors:
            cost += is_noun
        elif letter == "j" and was in ("n", "m", "s") and not set("nmb").isdisjoint(_classes(word)):
            cost += UNLIKELY if word not in _TABLES.colors else 0  # "dogs meet"
    return cost
