"""A clause whose noun phrases are one character each, and the statements that are read from it.

The claim kinds read clauses in this form: a row of words then matches over whole phrases ("X is on the left").
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from msgspec import Struct

from datagen.claims.grammar import ABSENCES, DENIAL_WORDS, DENIALS, FLAGS, INDOORS
from datagen.claims.syntax import Noun, Sentence
from datagen.claims.wordnet import is_a
from datagen.records import Comparison

if TYPE_CHECKING:
    from datagen.claims.phrases import Phrase

_FIRST_SLOT = 0xE000  # Unicode's private use area: no text that people write has a meaning there
SLOT = "[\ue000-\uf8ff]"
"""Matches a noun phrase in ``Clause.text``."""
SLOTS = re.compile(SLOT)
VERBS = (
    r"(?:(?:is|are|was|were|has|have|been|sits?|stands?|lies|lie|rests?|appears?|looks?|can|be|seen|found|located|"
    r"positioned|"
    r"situated|placed|"
    r"sitting|standing|lying|laying|resting|parked|gathered|visible|shown|both|all|also|just|clearly|actually|to be|"
    r"now|"
    r"slightly|directly|immediately|right(?= (?:next|beside|above|below|behind|under|in front|on top))|further|far|"
    r"a little|which|who|that|"
    r"in the (?:background|foreground|distance)|\w+ly|\w+ing|hangs?|waits?|walks?|runs?|flies|fly|"
    r"[a-z]+s(?=\s+(?:on|in|at|to|near|next|behind|beside|under|above|below|off|just|right|directly|along|toward|high|"
    r"low|far|alone|still|\w+ly)\b)|"
    r"(?:in|on|over|at|along|against|by) (?:the|an?) "
    r"(?!(?:left|right|top|bottom|side|middle|cent|front|back|corner|upper|lower))[a-z]+)\s+)"
)
"""What may stand between a thing and what is said of it: "the dog IS CLEARLY on the left"."""
BETWEEN = (
    r"(?:(?:made|cut|spotted|seen|out|off|up|over|down|partly|partially|only|there|small(?:er|est)?|tiny|large(?:r|st)?|bigg(?:er|est)|set|put|hung|"
    r"way|the\s+one|captured|featured|left|held|kept|tied|worn|drawn|pictured|leaning|leans?|seated|\w+ed|fallen|hidden|squarely|"
    r"high|low|back|away|together|close|as\s+(?:\w+\s+)?\w+|(?:near|beside|next\s+to|behind)\s+(?:her|him|it|them)|"
    r"[a-z]+ing\s+(?:(?:an?|the|some|his|her|their)\s+)?[a-z]+(?=\s+(?:in front|behind|beside|next to)\b)|"
    r"(?:has|have|taken|found|claimed)(?:\s+up)?\s+(?:an?|its|his|her|their)\s+(?:position|place|spot|seat|perch)|"
    r"(?:on|in|with)\s+(?:its|his|her|their)\s+\w+|with\s+(?:an?\s+|some\s+)?[a-z]+|(?:a\s+few|several|"
    r"some)\s+(?:steps|feet|paces|met(?:er|re)s|inches)|shows|show|comes|come|takes|take|its|his|her|their)\s+)"
)
"""Words beside ``VERBS`` between a thing and its place: "a dog can be MADE OUT on the left"."""
FRAME = (
    r"(?:\s+(?:of|in)\s+(?:the|this)\s+(?:image|picture|photo|photograph|frame|view|shot|composition|scene|snapshot|"
    rf"{INDOORS})|"
    r"(?:(?<=half)|(?<=part)|(?<=area)|(?<=corner))\s+of\s+it)"
)
"""Words that speak of the whole picture: "of the image"."""
PRESENTS = (
    r"(?:there\s+(?:is|are|[a-z]+s|sit|stand|lie)|there['’]s|(?:one|you|we|i)\s+(?:can\s+|also\s+)?(?:sees?|finds?|"
    r"spots?|notices?|make\s+out|has|have))"
)
"""What tells that a thing is at a place that was named before it: "on the left THERE IS a dog"."""
GOVERNED = re.compile(
    r"(?<!look )(?<!looks )\b(?:(?<!most )(?<!some )(?<!all )(?<!both )(?<!one )(?<!each )(?<!many )(?<!several "
    r")(?<!few )(?<!part )(?<!portion )(?<!half )(?<!number )(?<!majority )(?<!bulk )(?<!rest )(?<!pair )(?<!couple "
    r")(?<!group )"
    r"of|(?:in|on|at|to|with|by|for|from|near|over|under|behind|beside|above|below|beyond|"
    r"against|"
    r"into|onto|inside|through|holding|riding|wearing|between|than|like|and))\s+$",
    FLAGS,
)
"""Words before a noun phrase after which what follows may be said of something else: "a man WITH a dog on the left"."""
SAID_OF = re.compile(
    r",?\s*(?:(?:is|are|was|were|can|appears?|sits?|stands?|lies|lie|hangs?|rests?)\b|['’](?:s|re)\b)", FLAGS
)
"""A verb right behind a noun phrase that follows "and": it opens a clause of its own."""
_POSED = frozenset("sitting standing lying resting hanging waiting leaning".split())
_ALL = frozenset("all both each".split())
_DEFINITE = frozenset("the this that these those his her its their".split())
_DENYING = DENIAL_WORDS | frozenset(
    "missing absent gone nowhere sign trace hint glimpse forgotten free devoid bare empty clear nobody no them sight "
    "home absence".split()
)
"""A word of each of ``ABSENCES``."""
_ABSENCE = re.compile(
    "|".join(f"(?:{row.words.replace('X', f'(?:any )?(?P<x{n}>{SLOT})')})" for n, row in enumerate(ABSENCES)), FLAGS
)


_NOTHING_MORE = re.compile(r"\s*(?:[.,;!]|$)", FLAGS)
_JOINED = re.compile(
    rf"\W*(?:both\s+)?(?P<first>{SLOT}(?:\s*,\s*{SLOT})*)\s*,?\s+and\s+(?P<last>{SLOT})\s+"
    r"(?:are|sit|stand|lie|rest|hang|appear|were|can)\b",
    FLAGS,
)


class Statement(Struct, frozen=True, gc=False):
    """One thing that a text says of the picture; see ``Claim`` for the shared fields.

    Attributes:
        is_firm: It may be held against the annotations; a loose mention may only be borne out.
        is_loose: The noun is narrower or wider than the category.
        is_unsure: The noun often means something else.
        is_definite: What it names was taken for granted.
        is_all: The place is said of every such thing.
        is_most: It is said of more than half of them.
        is_plural: The noun is plural.
        is_plain: Its number is that of those who do something, in an answer perhaps not of all.
        beside: Words of its sentence, which may tell whom or what it means.
        is_other_definite: One thing that it is related to, taken for granted.
        is_other_all: Every one of the things that it is related to.
        size: 1 where the largest of such things is meant, -1 for the smallest.
    """

    kind: str
    category: str
    word: str
    start: int
    end: int
    number: int | None = None
    comparison: Comparison | None = None
    place: str | None = None
    relation: str | None = None
    others: tuple[str, ...] = ()
    value: str | None = None
    is_firm: bool = True
    is_loose: bool = False
    is_unsure: bool = False
    is_definite: bool = False
    is_all: bool = False
    is_plural: bool = False
    in_question: bool = False
    is_plain: bool = False
    beside: tuple[str, ...] = ()
    is_other_definite: bool = False
    is_other_all: bool = False
    is_most: bool = False
    size: int = 0


def size_of(clause: Clause, phrase: Phrase) -> int:
    """1 for "the largest dog" or "the bigger one", -1 for the smallest, else 0."""
    found = _SUPERLATIVE.search(clause.source, phrase.start, phrase.end)
    return 0 if found is None else -1 if found["small"] is not None else 1


_SUPERLATIVE = re.compile(
    r"\b(?:larg(?:est|er)|bigg(?:est|er)|main|closest|nearest|foremost|(?P<small>small(?:est|er)|tiniest|another))\b",
    FLAGS,
)


def state(
    kind: str,
    phrase: Phrase,
    start: int,
    end: int,
    in_question: bool,
    *,
    number: int | None = None,
    comparison: Comparison | None = None,
    place: str | None = None,
    relation: str | None = None,
    others: tuple[str, ...] = (),
    value: str | None = None,
    is_firm: bool | None = None,
    is_other_definite: bool = False,
    is_other_all: bool = False,
    size: int = 0,
) -> Statement:
    """A statement about what a noun phrase names; as firm as the phrase unless ``is_firm`` says otherwise."""
    return Statement(
        kind, phrase.category, phrase.word, start, end, number, comparison, place, relation, others, value,
        (phrase.is_firm or phrase.measure == "open") if is_firm is None else is_firm,
        phrase.is_loose, phrase.is_unsure, phrase.is_definite and not phrase.is_some, phrase.is_all,
        phrase.is_plural and not phrase.is_some, in_question,
        phrase.is_plain, is_other_definite=is_other_definite, is_other_all=is_other_all, is_most=phrase.is_most,
        size=size,
    )  # fmt: skip


class Subject(Struct, frozen=True, gc=False):
    """Who or what a verb is said of, a category or not; the fields are those of ``Statement``."""

    category: str
    word: str
    start: int
    is_plural: bool
    is_definite: bool
    number: int | None = None
    is_firm: bool = True


class Clause:
    """A clause in which each noun phrase is one character.

    Args:
        source: The whole text, in lower case.
        start: First character of the clause.
        end: One past its last.
        phrases: Its noun phrases, left to right.
        in_question: Nothing of it is stated unless the answer lets it stand.
        sentence: The sentence that it is of, for kinds that read by syntax; None makes one of the clause alone.
        written: The whole text with its capitals, where they matter; None for ``source``.

    Attributes:
        text: The clause with its slots; positions in it become those of ``source`` by ``origin``.
        silent: Position in ``source`` from which on a denial governs, so that nothing is claimed.
        denied: What is denied ("the dog cannot be seen"), each with the end of the denial.
    """

    def __init__(
        self,
        source: str,
        start: int,
        end: int,
        phrases: list[Phrase],
        *,
        in_question: bool = False,
        sentence: Sentence | None = None,
        written: str | None = None,
    ) -> None:
        pieces: list[str] = []
        self.sentence = Sentence(source, start, end) if sentence is None else sentence
        self.source, self.start, self.end = source, start, end
        self.written = source if written is None else written
        self.phrases, self.in_question = phrases, in_question
        self._cuts: list[tuple[int, int]] = []  # clause position after a slot, source position there
        length, at = 0, start
        for n, phrase in enumerate(phrases):
            before = source[at : max(at, phrase.start)]
            pieces += (before, chr(_FIRST_SLOT + n))
            length += len(before) + 1
            at = phrase.end
            self._cuts.append((length, at))
        pieces.append(source[at:end])
        self.text = text = "".join(pieces)
        self._span: range | None = None
        self._nouns: list[Noun] | None = None
        denial = DENIALS.search(text) if self.sentence.may_have(DENIAL_WORDS) else None
        self.silent = end if denial is None else self.origin(denial.start())
        if (
            denial is not None
            and denial[0].endswith(("not", "n't"))
            and _NOTHING_MORE.match(source, self.origin(denial.end())) is not None
        ):
            self.silent = start  # "Inside a home it is not."
        self.denied: list[tuple[Phrase, int]] = []
        if phrases and self.sentence.may_have(_DENYING):
            for match in _ABSENCE.finditer(text):
                slot = next(group for group in match.groups() if group is not None)
                self.denied.append((self.phrase(slot), self.origin(match.end())))

    def phrase(self, slot: str) -> Phrase:
        """The noun phrase that a character stands for."""
        return self.phrases[ord(slot) - _FIRST_SLOT]

    def origin(self, position: int) -> int:
        """Position in the source of a position in ``text`` that is not inside a slot."""
        base, at = 0, self.start
        for cut, cut_at in self._cuts:
            if cut > position:
                break
            base, at = cut, cut_at
        return at + position - base

    def is_governed(self, start: int, end: int) -> bool:
        """Whether what follows a noun phrase (``start`` to ``end`` in ``text``) may be said of something before it."""
        before = GOVERNED.search(self.text, 0, start)
        return before is not None and not (before[0].lower().startswith("and") and SAID_OF.match(self.text, end))

    def subject_at(self, position: int) -> Phrase | None:
        """What the words from a position in ``text`` on are said of by syntax, where that is a category."""
        sentence = self.sentence
        at = bisect_left(sentence.starts, self.origin(position))
        if at == 0 or at > len(sentence.words):
            return None
        n = at - 1
        m = n
        while m > 0 and (sentence.tags[m] in "ER" or sentence.words[m] in _POSED):
            m -= 1
        if sentence.words[m] == "," and sentence.tags[m + 1 : m + 2] != ["R"]:
            n = m  # "The cups stand there, GATHERED on the left"
        if sentence.words[n] == ",":  # "The cup is tall, taking up the left half", "there is one dog, at the left edge"
            named = [phrase for phrase in self.phrases if phrase.end <= sentence.starts[n]]
            return named[0] if named and not self.is_governed(self.text.index(chr(_FIRST_SLOT)), 1) else None
        while n > 0 and sentence.tags[n] in "RG" and sentence.tags[n - 1] in "VR":
            n -= 1
        noun = sentence.subject_before(n + 1) if sentence.tags[n] == "V" else None
        return None if noun is None else self.phrase_of(noun)

    def joined_with(self, phrase: Phrase, position: int) -> list[Phrase]:
        """Other things of which is said what stands at a position in ``text``: "THE DOG and the cat are there"."""
        if phrase.start == self.phrases[0].start:
            return []
        joined = _JOINED.match(self.text)
        if joined is None or joined.end() > position or self.phrase(joined["last"]) is not phrase:
            return []
        return [self.phrase(slot) for slot in SLOTS.findall(joined["first"])]

    @property
    def is_opening(self) -> bool:
        """Whether it opens its sentence."""
        starts = self.sentence.starts
        return not starts or self.start <= starts[0]

    def words(self) -> range:
        """Indices of the sentence's words that stand in the clause before a denial."""
        if self._span is None:
            starts = self.sentence.starts
            self._span = range(bisect_left(starts, self.start), bisect_left(starts, min(self.end, self.silent)))
        return self._span

    def beside(self) -> tuple[str, ...]:
        """The sentence's words, and the categories that the clause names."""
        return (*self.sentence.words, *(phrase.category for phrase in self.phrases))

    def nouns(self) -> list[Noun]:
        """The clause's noun phrases, those outside the categories too, before a denial."""
        if self._nouns is None:
            limit = min(self.end, self.silent)
            self._nouns = [noun for noun in self.sentence.nouns if self.start <= noun.end - 1 < limit]
        return self._nouns

    def phrase_of(self, noun: Noun) -> Phrase | None:
        """The phrase that names a category with a noun phrase's head."""
        return next((phrase for phrase in self.phrases if phrase.end == noun.end), None)

    def subject_before(self, at: int) -> Subject | None:
        """Who or what the verb at an index of the sentence is said of, by name or by a pronoun."""
        noun = self.sentence.subject_before(at)
        if noun is not None and noun.end <= self.start:  # "a man, who is sitting": the clause has "who" for him
            told = self.phrases[0] if self.phrases else None
            if told is None or self.source[told.start : told.end].lower() not in ("who", "which", "that", ""):
                return self.named(noun)
            start = max(told.start, self.start)
            return Subject(told.category, told.word, start, told.is_plural, told.is_definite, told.number)
        if noun is not None:
            return self.named(noun)
        n = self.sentence.pronoun_before(at)
        return None if n is None else self.stood_for(n)

    def named(self, noun: Noun) -> Subject | None:
        """A noun phrase as a subject; None where it is denied, or need not be in the picture."""
        phrase = self.phrase_of(noun)
        if noun.determiner == "no":
            return None
        if phrase is None:
            return Subject(noun.head, noun.head, noun.start, noun.is_plural, noun.determiner in _DEFINITE)
        if phrase.measure in ("none", "others"):
            return None
        return Subject(
            phrase.category, noun.head, max(phrase.start, self.start), phrase.is_plural, phrase.is_definite,
            phrase.number, phrase.is_firm or phrase.measure in ("open", None),
        )  # fmt: skip

    def stood_for(self, n: int) -> Subject | None:
        """What the pronoun at an index of the sentence stands for."""
        words, word, start = self.sentence.words, self.sentence.words[n], self.sentence.starts[n]
        is_part = word == "them" and words[n - 2] not in _ALL
        for phrase in self.phrases:
            if phrase.start == start or (phrase.is_stand_in and phrase.start <= start < phrase.end):
                return Subject(phrase.category, phrase.word, phrase.start, phrase.is_plural, not is_part, None, True)
        noun, are_many, topic = None, word not in ("it", "he", "she"), self.sentence.topic()
        if word == "them" and topic is not None and topic.is_plural and topic.last < n - 2:
            return None if is_part else self.named(topic)  # "people are here, all of THEM dancing"
        if are_many or word == "it":  # "A lamp stands there, but IT is off"
            noun = self.sentence.meant()
            if topic is not None and topic.end <= self.start and topic.is_plural is are_many:
                noun = noun if is_a(topic.head, "person") else topic
        if noun is None or noun.is_plural is not are_many:
            return None
        return Subject(noun.head, noun.head, start, noun.is_plural, not is_part)
