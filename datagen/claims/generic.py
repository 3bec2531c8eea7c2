"""Generic sentences: "hotels keep a dryer", "a cat that walks over keys presses them" tell of a kind of thing.

Longer answers say what is so in general between what they say of the picture. A noun phrase without "the" or "this"
in such a clause is no thing of the picture: a claim about it may be borne out, never contradicted. A subject that
was told of ("the man"), "there is", "here", a progressive ("is waiting") and verbs of how things lie or what people do
now speak of the picture; a clause that has none of these ("two more spoons solve this") does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from datagen.claims.acts import act_of
from datagen.claims.grammar import FLAGS, lowered
from datagen.claims.syntax import BASES, Sentence, class_of, singular, stem
from datagen.claims.wordnet import is_a, is_adjective

LONG = 3
"""Sentences from which on an answer explains; shorter ones say what is to be seen."""
ASKS_FOR_DESCRIPTION = re.compile(
    r"\W*(?:(?:please|can you|could you|would you)\s+)*(?:describe|caption|give|provide|write|list|explain (?:the|"
    r"this) (?:image|picture|photo)|tell me (?:what|about)|what (?:do|can) (?:you|we|one) see|what can be seen|"
    r"take a (?:close )?look|report what|what(?:'s| is| does) "
    r"(?:happening|going on|(?:in )?(?:the|this) (?:image|picture|photo|scene)))\b",
    FLAGS,
)
"""A question whose answer tells what a picture shows, however long it is."""
_SENTENCES = re.compile(r"[.!?](?=\s|$)")
_OF_ALL = frozenset("most many every each any all some few".split())
"""Determiners of a kind, where no verb says that its things do something now."""
_MOMENTARY = frozenset(
    "sit stand lie lay rest hang hold wear show appear look see face line surround cover fill stretch flank dot adorn "
    "decorate occupy surround rise tower dominate gather wait watch extend perch lean float contain feature include "
    "display overlook border frame pass cross".split()
)
_MOMENTARY_STEMS = frozenset(map(stem, _MOMENTARY))
"""Verbs of how things lie in a picture; the verbs of ``acts.py`` are such too."""
_CUES = frozenset(
    "becomes become every whoever anyone anybody everyone everybody somebody whenever whichever otherwise easily "
    "hardly seldom usually often typically generally commonly sometimes always rarely normally than enough better best "
    "worse belongs belong means mean tends tend".split()
)
"""Words of a sentence that says what is so in general."""
_LIKE_THIS = re.compile(r"\b(?:like|such as) (?:this|that|these|those|the)(?: one| ones)?\b", FLAGS)
_ANCHORS = re.compile(
    r"\bthere(?:['’]s| is| are| isn['’]t| aren['’]t)\b|\b(?<!like )(?:this|these)(?= \w)|\bhere\b|"
    r"\b(?:image|picture|photo|photograph|scene|background|foreground)\b|"
    r"\b(?:on|at|near|toward) the (?:far )?(?:left|right)\b(?! (?:hand|foot|side of))|"
    r"\b(?:you|we|one|i) (?:can |could |also |clearly ){0,2}(?:see|spot|notice|count|make out|observe)\b",
    FLAGS,
)
"""Words that speak of the picture."""
_LISTS = (":", "(", "—")
_OPENERS = frozenset(", and but or so while because since as though although that yet also then if".split())
_RELATIVE = frozenset(("that", "who", "which"))
_WHERE = frozenset(("where", "when", "whoever"))
_LEADING = _OPENERS | _WHERE | _RELATIVE
_NO_SUBJECTS = frozenset("hers theirs ours yours mine his".split())
_NO_OBJECT_OF_ALL = frozenset(("many", "most", "much", "more"))


def is_explaining(question: str, answer: str) -> bool:
    """Whether an answer may say what is so in general: it is long, and not asked for a description."""
    if sum(1 for _ in _SENTENCES.finditer(answer)) < LONG:
        return False
    return ASKS_FOR_DESCRIPTION.match(lowered(question)) is None


def generic_spans(sentence: Sentence, text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of a clause that say what is so in general, as first character and one past the last.

    Args:
        sentence: The sentence that the clause is of.
        text: The whole text.
        start: The clause's first character.
        end: One past its last.
    """
    starts, words = sentence.starts, sentence.words
    inside = [n for n in range(len(words)) if start <= starts[n] < end]
    if not inside:
        return
    has_cue = not _CUES.isdisjoint(words) or _LIKE_THIS.search(text, start, starts[-1] + 1) is not None
    is_list = text[max(0, start - 3) : start].rstrip().endswith(_LISTS)
    if is_list and "V" not in sentence.tags[inside[0] : inside[-1] + 1]:
        return  # "what backs this up is in view: | a dining table and six cups"
    if words[inside[0] : inside[0] + 2] == ["so", "that"] or _concludes(sentence, inside):
        yield start, end  # "so that they save people the sum", "So the knife decides whether it fits"
        return
    firsts = [inside[0]]  # "Plants like that, | and this one is in a pot"
    firsts += [n for n in inside[1:-1] if words[n] == "," and words[n + 1] in _OPENERS and _has_verb(sentence, n + 2)]
    for k, first in enumerate(firsts):
        last = firsts[k + 1] if k + 1 < len(firsts) else inside[-1] + 1
        span = starts[first], starts[last] if last <= inside[-1] else end
        if _ANCHORS.search(text, *span) is None and (
            _is_generic(sentence, first, last, has_cue=has_cue) or not _speaks_of_now(sentence, first, last)
        ):
            yield span


def orders(sentence: Sentence) -> bool:
    """Whether it tells what to do: "Next cut the stems", "put them back while the vase is still empty"."""
    first = next((n for n, word in enumerate(sentence.words) if word not in _STEPS), None)
    if first is None or sentence.words[first] not in BASES:
        return False
    return sentence.tags[first + 1 : first + 2] in (["D"], ["O"])


_STEPS = frozenset("next then first finally now so and just simply instead afterwards ,".split())
_CONCLUDING = frozenset("so then thus hence therefore".split())


def _concludes(sentence: Sentence, inside: list[int]) -> bool:
    """Whether a sentence draws a conclusion in which nothing is done at the moment."""
    words, tags, end = sentence.words, sentence.tags, inside[-1] + 1
    return inside[0] == 0 and words[0] in _CONCLUDING and not any(
        (tags[n] == "V" and (words[n] in _BE or words[n] in ("has", "have") or _is_momentary(sentence, n, end)))
        or (tags[n] in "GE" and is_of_the_moment(words[n]))
        for n in inside
    )  # fmt: skip


def _has_verb(sentence: Sentence, at: int) -> bool:
    """Whether what is at an index is a subject with its verb, not one more thing of a list."""
    tags = sentence.tags[at : at + 7]
    return "V" in tags and not (tags and tags[0] == "V")


def _is_generic(sentence: Sentence, first: int, last: int, *, has_cue: bool) -> bool:
    """Whether the words from an index on have a subject of any number, and a verb of what is so at any time."""
    words, tags = sentence.words, sentence.tags
    first = _past_place(sentence, first, last)
    noun = next((one for one in sentence.nouns if one.first >= first and one.last < last), None)
    if noun is None or words[noun.last] in _NO_SUBJECTS:
        return False
    opening = words[first : noun.first]
    if "M" in tags[noun.first : noun.last]:
        verb = None if _WHERE.isdisjoint(opening) or noun.determiner else _verb_after(sentence, noun.last + 1, last)
        return verb is not None and not _is_momentary(sentence, verb, last)  # "when two people share one stove"
    if any(word not in _LEADING and tags[first + k] not in "RX" for k, word in enumerate(opening)):
        return False
    is_bare, is_one = noun.is_plural and not noun.determiner, noun.determiner in ("a", "an")
    if not (is_bare or is_one or noun.determiner in _OF_ALL):
        return False
    if is_bare and not _WHERE.isdisjoint(opening):
        return True  # "where people sit or lie down"
    n = noun.last + 1
    if n + 1 < last and words[n] == "that" and tags[n + 1] == "V" and class_of(words[n + 1]) == "F":
        return True  # "a cat THAT WALKS across a keyboard presses keys"
    if is_one and words[n : n + 1] and words[n] in _RELATIVE:
        verbs = [k for k in range(n + 1, last) if tags[k] == "V"]
        if len(verbs) > 1 and words[verbs[-1]] in _BE:
            return _is_lasting(sentence, verbs[-1])  # "a bag that has been put down IS different"
    verb = _verb_after(sentence, n, last)
    if verb is None or (_is_momentary(sentence, verb, last) and not _is_of_any(sentence, verb)):
        return False
    if words[verb] in _ABLE:
        return True  # "a person can see the back of the head"
    if words[verb] in ("has", "have"):
        return tags[verb + 1 : verb + 2] != ["E"] and (has_cue or not is_one)  # "have gathered"
    return has_cue or not is_one or _is_of_any(sentence, verb) or _is_lasting(sentence, verb)


def _past_place(sentence: Sentence, first: int, last: int) -> int:
    """Index of the subject after a leading phrase: "WITH MIRRORS ON SEVERAL SIDES, a person sees more"."""
    if sentence.tags[first] != "P":
        return first
    comma = next((n for n in range(first, min(first + _LEAD, last)) if sentence.words[n] == ","), None)
    return first if comma is None or comma + 1 >= last else comma + 1


_LEAD = 9
"""Words of a leading phrase, at most."""
_ABLE = frozenset("can could may might must need needs will would should".split())


def _speaks_of_now(sentence: Sentence, first: int, last: int) -> bool:
    """Whether the words from an index on say what is so at the moment of the picture, or of a thing that is meant."""
    words, tags = sentence.words, sentence.tags
    subject = next((one for one in sentence.nouns if one.first >= first and one.last < last), None)
    if subject is not None and (subject.determiner in _MEANT or words[subject.first] in _NO_SUBJECTS):
        return True  # "the hotel keeps a dryer", "hers is a large dog"
    opening = next((n for n in range(first, last) if words[n] not in _OPENERS and tags[n] != "R"), last)
    if words[opening : opening + 1] and words[opening] in _MEANT_ALONE:
        return True  # "IT is a bus with two decks"
    if not _HIS.isdisjoint(words[first:last]) and not any(
        one.determiner in ("a", "an", "any", "every", "each") and one.first < last and is_a(one.head, "person")
        for one in sentence.nouns
    ):
        return True  # "a bag takes up some space next to HIM"
    if "V" not in tags[first:last]:  # "a bag, | WHICH STANDS beside him, | had better be moved"
        n = last + (words[last : last + 1] == [","])
        if words[n : n + 1] and words[n] in _RELATIVE and n + 1 < len(words):
            return tags[n + 1] == "V" and _is_momentary(sentence, n + 1, len(words))
    return any(
        (tags[n] == "V" and (words[n] in ("has", "have") or _is_momentary(sentence, n, last)))
        or (tags[n] in "GE" and is_of_the_moment(words[n]))
        for n in range(first, last)
    )


_MEANT_ALONE = frozenset("it he she this".split())
"""Words for a thing that was told of."""
_HIS = frozenset("he she him her his hers".split())
_MEANT = frozenset("the this that these those his her its their both".split())
"""Determiners of a thing that was told of."""


def _verb_after(sentence: Sentence, n: int, last: int) -> int | None:
    """Index of the verb of a subject that ends before an index; None where what follows is not plain."""
    words, tags = sentence.words, sentence.tags
    while n < last and tags[n] != "V" and words[n] not in ("like", "love", "prefer"):
        if words[n] == ",":  # "some people, IT IS TRUE, like it"
            n = next((k + 1 for k in range(n + 1, min(n + _ASIDE, last)) if words[k] == ","), 0)
            if not n:
                return None
            continue
        if words[n] == "and" or words[n] in _RELATIVE or tags[n] in "GE":
            return None
        n += 1
    return n if n < last else None


_ASIDE = 7
"""Words between two commas that a writer throws in, at most."""
_BE = frozenset("is are was were be been being 's ’s 're ’re".split())


def _is_momentary(sentence: Sentence, n: int, last: int) -> bool:
    """Whether the verb at an index says what is so at the moment: "is waiting", "sits", "is in the corner"."""
    words, tags = sentence.words, sentence.tags
    if words[n] in _BE:
        after = n + 1
        while after < last and tags[after] == "R":
            after += 1
        return after < last and (tags[after] in "GEP" or words[after] in _IN_SIGHT or act_of(words[after]) is not None)
    if words[n] == "can":
        return "seen" in words[n:last]
    return is_of_the_moment(words[n])


_IN_SIGHT = frozenset(
    "visible present seated there nearby next close about busy right left kept shown found seen".split()
)


@lru_cache(maxsize=5_000)
def is_of_the_moment(word: str) -> bool:
    """Whether a form of a verb says how things lie in a picture, or what is done in it."""
    return stem(word) in _MOMENTARY_STEMS or act_of(word) is not None or singular(word) in _MOMENTARY


def _is_of_any(sentence: Sentence, n: int) -> bool:
    """Whether a verb's object is of any number, so that it tells a habit: "carries MANY passengers"."""
    return not _NO_OBJECT_OF_ALL.isdisjoint(sentence.words[n + 1 : n + 2])


def _is_lasting(sentence: Sentence, n: int) -> bool:
    """Whether what is said is so at any time: "is heavy", "keeps dryers"."""
    words, tags = sentence.words, sentence.tags
    if words[n] in _BE:
        return any(tag == "A" or (tag == "n" and is_adjective(word))  # "a huge pan is heavy"
                   for word, tag in zip(words[n + 1 : n + 2], tags[n + 1 : n + 2], strict=True))  # fmt: skip
    noun = next((one for one in sentence.nouns if one.first > n), None)
    return noun is not None and noun.is_plural and not noun.determiner and not noun.modifiers
