"""From a text to its statements about the picture: what is there, how many, where, in what relation.

Hedged clauses ("might", "possibly", "if") and what a denial governs state nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from datagen.claims.grammar import (
    ABSENCES,
    CLAUSE_BREAKS,
    DENIALS,
    DENIED_HERE,
    FLAGS,
    FOLLOWS,
    HEDGES,
    JOINED,
    PLACES,
    RELATIONS,
    one_of,
)
from datagen.claims.phrases import Phrase, read_phrase
from datagen.lexicon import Lexicon, Mention
from datagen.records import ClaimKind, Comparison

_FIRST_SLOT = 0xE000
_SLOT = "[\ue000-\uf8ff]"
SLOTS = re.compile(_SLOT)
SENTENCE = re.compile(r"[^.!?;\n]+[.!?;]?")
_VERBS = (
    r"(?:(?:is|are|was|were|sits?|stands?|lies|lie|rests?|appears?|looks?|can|be|seen|found|located|positioned|"
    r"situated|placed|"
    r"sitting|standing|lying|laying|resting|parked|gathered|visible|shown|both|all|also|just|clearly|actually|to be|"
    r"now|"
    r"slightly|directly|immediately|right(?= (?:next|beside))|further|far|a little|which|who|"
    r"in the (?:background|foreground|distance)|\w+ly|\w+ing|hangs?|waits?|walks?|runs?|flies|fly|"
    r"(?:in|on|over|at|along) (?:the|an?) "
    r"(?!(?:left|right|top|bottom|side|middle|cent|front|back|corner|upper|lower))[a-z]+)\s+)"
)
FRAME = r"(?:\s+(?:of|in)\s+(?:the|this)\s+(?:image|picture|photo|photograph|frame|scene|view|shot)|\s+of\s+it)"
_NEXT_PLACE = (
    r"(?=\s+(?:on|in|at|to|near|toward|towards)\s+the\s+(?:left|right|top|bottom|upper|lower|far|middle|cent))"
)
_PLACE_END = rf"(?:{FRAME}|{_NEXT_PLACE}|(?=\s*(?:[.,;!?)]|$)|\s+(?:and|while|with|is|are|one|now)\b|\s*,))"
_PLACE = re.compile(rf"\b(?:{one_of(PLACES, 'p')}){_PLACE_END}", FLAGS)
_OWNER_BEFORE = re.compile(rf"(?P<x>{_SLOT})\s+{_VERBS}{{0,5}}$", FLAGS)
_OWNER_AFTER = re.compile(
    rf"\s*,?\s*(?:(?:is|are|there\s+(?:is|are)|one\s+(?:sees|finds)|you\s+can\s+see|we\s+(?:see|"
    rf"find))\s+)(?P<x>{_SLOT})",
    FLAGS,
)
_RELATION = re.compile(
    rf"(?P<x>{_SLOT})\s+{_VERBS}{{0,4}}(?:{one_of(RELATIONS, 'r')})\s+(?P<y>{_SLOT})(?:\s+and\s+(?P<z>{_SLOT}))?", FLAGS
)
_ABSENCE = re.compile(
    "|".join(f"(?:{row.words.replace('X', f'(?:any )?(?P<x{n}>{_SLOT})')})" for n, row in enumerate(ABSENCES)), FLAGS
)
_GOVERNED = re.compile(
    r"(?<!look )(?<!looks )\b(?:of|in|on|at|to|with|by|for|from|near|over|under|behind|beside|above|below|beyond|"
    r"against|"
    r"into|onto|inside|through|holding|riding|wearing|between|than|like|and)\s+$",
    FLAGS,
)
_PRONOUN = re.compile(
    r"\s*(?:(?:yes|no|actually|here),?\s+)?(?P<word>they|it|both of them|both|all(?: \w+)? of them)\s+(?=(?:is|are|"
    r"can|sits?|stands?|appears?)\b)",
    FLAGS,
)
_RELATIVE = re.compile(r"(?P<word>which|who)\s+(?=(?:is|are|sits?|stands?|lies|appears?)\b)", FLAGS)
_OF_FRAME = re.compile(r"\bmore\b|\bless\b|\bin the\b", FLAGS)  # a far boat is larger than a near person


class Statement(Struct, frozen=True):
    """One thing that a text says of the picture; see ``Claim`` for the shared fields.

    Attributes:
        is_firm: It may be held against the annotations; a loose mention may only be borne out.
        is_loose: The noun is narrower or wider than the category.
        is_unsure: The noun often means something else.
        is_definite: What it names was taken for granted.
        is_all: The place is said of every such thing.
        is_plural: The noun is plural.
    """

    kind: ClaimKind
    category: str
    word: str
    start: int
    end: int
    number: int | None = None
    comparison: Comparison | None = None
    place: str | None = None
    relation: str | None = None
    others: tuple[str, ...] = ()
    is_firm: bool = True
    is_loose: bool = False
    is_unsure: bool = False
    is_definite: bool = False
    is_all: bool = False
    is_plural: bool = False
    in_question: bool = False


def read_answer(text: str, lexicon: Lexicon, antecedent: Phrase | None = None) -> list[Statement]:
    """Read what a text states, without a question before it."""
    statements = read_statements(text, lexicon, antecedent)
    numbers: dict[str, set[int | None]] = {}
    for statement in statements:
        if statement.kind == "count" and statement.comparison == "exact":
            numbers.setdefault(statement.category, set()).add(statement.number)
    return [  # "Two dogs lie here. ... Three dogs run there": neither counts them all
        replace(s, comparison="at least") if s.comparison == "exact" and len(numbers[s.category]) > 1 else s
        for s in statements
    ]


def read_statements(
    text: str, lexicon: Lexicon, antecedent: Phrase | None, *, in_question: bool = False
) -> list[Statement]:
    """Read the sentences of a text one by one.

    Args:
        text: An answer, or a question.
        lexicon: The corpus's words.
        antecedent: What "it" or "they" at the start stands for.
        in_question: Sentences that ask are read too.
    """
    text = SLOTS.sub(" ", text)
    mentions = lexicon.find(text)
    if not mentions and antecedent is None:
        return []
    found: list[Statement] = []
    done = 0
    for sentence in SENTENCE.finditer(text):
        inside = []
        while done < len(mentions) and mentions[done].start < sentence.end():
            inside.append(mentions[done])
            done += 1
        if sentence[0].endswith("?") and not in_question:
            continue
        phrases = noun_phrases(text, inside, sentence.start(), sentence.end())
        for start, end in _clauses(text, sentence.start(), sentence.end()):
            own = [phrase for phrase in phrases if start <= phrase.end - 1 < end]
            pronoun = _PRONOUN.match(text, start, end) if antecedent is not None else None
            if pronoun is not None and antecedent is not None:
                is_all = (
                    pronoun["word"].lower() not in ("it", "they")
                    or " both " in text[start:end]
                    or " all " in text[start:end]
                )
                own.insert(0, replace(antecedent, start=pronoun.start("word"), end=pronoun.end("word"), measure="open",
                                      number=None, is_all=is_all))  # fmt: skip
            relative = _RELATIVE.match(text, start, end)
            named = [phrase for phrase in phrases if relative is not None and start - 2 <= phrase.end <= start]
            if relative is not None and named:
                span = {"start": relative.start("word"), "end": relative.end("word")}
                own.insert(0, replace(named[-1], **span, measure="open", number=None))
            if own and not HEDGES.search(text, start, end):
                found += _clause(text, start, end, own, in_question=in_question)
            elif not in_question:  # "the dog might be waiting": there is a dog all the same
                found += [
                    statement_of("presence", phrase, phrase.start, phrase.end, in_question)
                    for phrase in own
                    if phrase.is_definite and phrase.measure in ("some", None)
                ]
        if phrases and not in_question:
            antecedent = phrases[0]
    return found


def noun_phrases(text: str, mentions: list[Mention], start: int, end: int) -> list[Phrase]:
    """Read the noun phrases around mentions, left to right; a number said twice of a thing counts only some."""
    phrases: list[Phrase] = []
    floor = start
    for mention in mentions:
        phrase = read_phrase(text, mention, floor, end)
        if phrase.measure is None and phrases and phrases[-1].is_firm and JOINED.fullmatch(text, floor, mention.start):
            phrase = replace(phrase, is_firm=FOLLOWS.match(text, mention.end, end) is not None)
        n_times = sum(other.category == mention.category for other in mentions)
        phrases.append(phrase if n_times == 1 else replace(phrase, is_whole=False))
        floor = mention.end
    return phrases


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in CLAUSE_BREAKS.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < end:
        yield start, end


class Skeleton:
    """A clause in which each noun phrase is one character, so that rows can be matched over whole phrases."""

    def __init__(self, text: str, start: int, end: int, phrases: list[Phrase]) -> None:
        pieces: list[str] = []
        self.phrases = phrases
        self._cuts: list[tuple[int, int]] = []  # skeleton position after a slot, text position there
        length, at = 0, start
        for n, phrase in enumerate(phrases):
            before = text[at : max(at, phrase.start)]
            pieces += (before, chr(_FIRST_SLOT + n))
            length += len(before) + 1
            at = phrase.end
            self._cuts.append((length, at))
        pieces.append(text[at:end])
        self.text = "".join(pieces)
        self._start = start

    def phrase(self, slot: str) -> Phrase:
        """The noun phrase that a character stands for."""
        return self.phrases[ord(slot) - _FIRST_SLOT]

    def origin(self, position: int) -> int:
        """Position in the text of a position in the skeleton that is not inside a slot."""
        base, at = 0, self._start
        for cut, cut_at in self._cuts:
            if cut > position:
                break
            base, at = cut, cut_at
        return at + position - base


def _clause(text: str, start: int, end: int, phrases: list[Phrase], *, in_question: bool) -> Iterator[Statement]:
    skeleton = Skeleton(text, start, end, phrases)
    denial = DENIALS.search(skeleton.text)
    silent = skeleton.origin(denial.start()) if denial is not None else end
    absent: set[int] = set()
    if denial is not None or "missing" in skeleton.text or "absent" in skeleton.text:
        for match in _ABSENCE.finditer(skeleton.text):
            slot = next(group for group in match.groups() if group is not None)
            phrase = skeleton.phrase(slot)
            absent.add(phrase.start)
            if phrase.number is None:
                yield statement_of("absence", phrase, phrase.start, skeleton.origin(match.end()), in_question)
    spoken = [phrase for phrase in phrases if phrase.end <= silent and phrase.start not in absent]
    placed = list(_placed(skeleton, silent, in_question))
    here = {phrase.start for phrase in phrases for told in placed if told.start <= phrase.start < told.end}
    for phrase in spoken:
        yield from _existence(text, phrase, phrase.start in here, in_question)
    yield from placed
    if len(phrases) > 1:
        yield from _related(skeleton, silent, in_question)


def statement_of(kind: ClaimKind, phrase: Phrase, start: int, end: int, in_question: bool, **more: object) -> Statement:
    """A statement about what a noun phrase names."""
    fields: dict[str, object] = {
        "is_firm": phrase.is_firm or phrase.measure == "open", "is_loose": phrase.is_loose,
        "is_unsure": phrase.is_unsure, "is_definite": phrase.is_definite, "is_all": phrase.is_all,
        "is_plural": phrase.is_plural, "in_question": in_question, **more,
    }  # fmt: skip
    return Statement(kind, phrase.category, phrase.word, start, end, **fields)  # type: ignore[arg-type]


def _existence(text: str, phrase: Phrase, is_placed: bool, in_question: bool) -> Iterator[Statement]:
    """Presence, count or absence: what the noun phrase says by itself."""
    span = (phrase.start, phrase.end)
    if phrase.measure == "none":
        if phrase.is_whole or DENIED_HERE.match(text, phrase.end):
            yield statement_of("absence", phrase, *span, in_question)
    elif phrase.number is not None and phrase.measure in ("exact", "at least", "at most"):
        comparison: Comparison = phrase.measure
        if comparison == "exact" and (not phrase.is_whole or is_placed or phrase.is_loose):
            comparison = "at least"
        yield statement_of("count", phrase, *span, in_question, number=phrase.number, comparison=comparison)
    elif phrase.measure != "open" or phrase.start != phrase.end:
        yield statement_of("presence", phrase, *span, in_question)


def _placed(skeleton: Skeleton, silent: int, in_question: bool) -> Iterator[Statement]:
    for match in _PLACE.finditer(skeleton.text):
        if skeleton.origin(match.start()) >= silent:
            break
        row = PLACES[int((match.lastgroup or "p0")[1:])]
        before = _OWNER_BEFORE.search(skeleton.text, 0, match.start())
        owner = before
        if before is not None and _GOVERNED.search(skeleton.text, 0, before.start()):
            continue  # "a man with a dog on the left": who is on the left?
        if before is None:
            owner = _OWNER_AFTER.match(skeleton.text, match.end())
        if owner is None:
            continue
        phrase = skeleton.phrase(owner["x"])
        if phrase.measure == "none":
            continue
        start, end = min(skeleton.origin(match.start()), phrase.start), max(skeleton.origin(match.end()), phrase.end)
        for place in row.meaning.split():
            yield statement_of("place", phrase, start, end, in_question, place=place)


def _related(skeleton: Skeleton, silent: int, in_question: bool) -> Iterator[Statement]:
    for match in _RELATION.finditer(skeleton.text):
        if skeleton.origin(match.start()) >= silent:
            break
        if _GOVERNED.search(skeleton.text, 0, match.start()):
            continue
        row = next(RELATIONS[n] for n in range(len(RELATIONS)) if match[f"r{n}"] is not None)
        first, second = skeleton.phrase(match["x"]), skeleton.phrase(match["y"])
        if "none" in (first.measure, second.measure):
            continue
        others = [second]
        if row.meaning == "between":
            if match["z"] is None and not second.is_plural:
                continue
            others.append(second if match["z"] is None else skeleton.phrase(match["z"]))
        is_of_frame = row.meaning not in ("larger", "smaller") or _OF_FRAME.search(match[0]) is not None
        yield statement_of("relation", first, first.start, others[-1].end, in_question, relation=row.meaning,
                         others=tuple(other.category for other in others),
                         is_firm=is_of_frame and all(p.is_firm or p.measure == "open" for p in (first, *others)),
                         )  # fmt: skip


@lru_cache(maxsize=1024)
def read_captions(captions: tuple[str, ...], lexicon: Lexicon) -> tuple[tuple[Statement, ...], ...]:
    """Read each caption of an image once, for all answers about it."""
    return tuple(tuple(read_answer(caption, lexicon)) for caption in captions)
