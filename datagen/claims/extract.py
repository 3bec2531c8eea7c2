"""From a turn to its statements: what its answer says, and what its question takes for granted or has confirmed.

An image's captions are read the same way, and with its boxes they are the evidence that statements are held against.

Hedged clauses ("might", "possibly", "if") and what a denial governs state nothing. What a clause states is read by the
claim kinds.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from msgspec import UNSET
from msgspec.structs import replace

from datagen.box_text import boxes_in, without_box_talk, without_boxes
from datagen.claims.clause import SLOTS, Clause, Statement
from datagen.claims.coreference import PRONOUNS, Discourse
from datagen.claims.generic import generic_spans, is_explaining, orders
from datagen.claims.grammar import (
    AS_IT_IS,
    BREAK_MARKS,
    BREAK_WORDS,
    CHANGES,
    CLAUSE_BREAKS,
    FLAGS,
    HEDGE_STEMS,
    HEDGE_WORDS,
    HEDGES,
    OPEN_QUESTION,
    POLITE,
    REFUTES,
    SELECTS,
    SUPPOSED,
    SUPPOSES,
    lowered,
)
from datagen.claims.kind import Evidence, ShortAnswer
from datagen.claims.kinds import KINDS, kind_of
from datagen.claims.kinds.count import OTHERS, number_of
from datagen.claims.kinds.thing import named_in
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.claims.syntax import Sentence, singular, stem
from datagen.claims.unclaimed import unclaimed_spans
from datagen.claims.vocabulary import vocabulary_for
from datagen.geometry import count_objects
from datagen.lexicon import Lexicon
from datagen.records import AnnotatedImage, BoxUnit
from datagen.words import NO_WORDS, Words

_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;]?")
_PICTURE_SHOWS = re.compile(
    r"\b(?:(?:image|picture|scene|photo)(?: \w+)? (?:shows?|has|holds)|there(?: is| are|['’]s)(?! then))\b", FLAGS
)
_SEEMS = re.compile(r"\b(?:appears?|seems?) to be\b", FLAGS)
_AIMS = re.compile(
    r"(?:trying|about|waiting|ready|wants?|prepar\w+|hopes?|hope|such|e\.g|if|whether|as|suggest\w*|impl\w+)\b", FLAGS
)
"""Hedges before which their own subject and verb are stated."""
_READY = re.compile(r"\b(?:trying|about|waiting|ready|prepar\w+)\b", FLAGS)
_RELATIVE = re.compile(r"\s*(?:who|which|that)\b", FLAGS)
_GIVEN = re.compile(r"\s*(?:with (?:no|only|just|so|such)|(?:[a-z]+ )?(?:in|on|at|by|inside) (?:this|these))\b", FLAGS)
"""Openings that are so, whatever may follow: "In this kitchen, | one should ..."."""
_JOINTS = re.compile(r",|\s(?:and|which|that|who|so|but|or|as)\s", FLAGS)
_IS_TOLD = re.compile(
    r"(?:^|[.!?]\s+)(?:(?:in (?:total|all|fact)|altogether|overall),?\s+)?(?:there (?:is|are)|(?:the|this) "
    r"(?:image|picture|photo|scene)"
    r" (?:shows|contains|has|features)|(?:one|you) can (?:see|count))\s+$",
    FLAGS,
)
"""Opens a sentence that tells the number of all: two of them that differ are no two groups."""
_ANYBODY = frozenset("whoever anyone anybody someone somebody everyone everybody".split())
"""Whom "the person" in the same sentence may be: nobody in the picture."""
_BREAKS = BREAK_MARKS | BREAK_WORDS
_PRONOUN_FIRST = re.compile(r"\s*(?:and |but |so |then )?(?:it|they)\b", FLAGS)
_ONES = frozenset(
    "one two three four five six other others another them first second third fourth fifth sixth seventh eighth ninth "
    "tenth".split()
)
_HOW_MANY = re.compile(r"\bhow many\b", FLAGS)
_WORDS = re.compile(r"[a-z]+")
NOTICED_AREA = 0.001
"""Smaller objects (as shares of the image) are boxed, but a person would not count them."""
BUSY = 20
"""From this many boxes on a picture is busy, and small things are missed."""

_DENIALS = tuple(kind.read_clause for kind in KINDS if kind.read_clause is not None and kind.denies)
_Reader = Callable[[Clause], Iterable[Statement]]


def _readers(*, of_captions: bool, bare: bool) -> tuple[_Reader, ...]:
    """What the kinds read in a clause, in captions and in one without a noun phrase of a category."""
    return tuple(
        kind.read_clause
        for kind in KINDS
        if kind.read_clause is not None
        and not kind.denies
        and (kind.of_captions or not of_captions)
        and (kind.reads_bare or not bare)
    )


_CLAUSE_READERS, _BARE_READERS = (
    {of_captions: _readers(of_captions=of_captions, bare=bare) for of_captions in (False, True)}
    for bare in (False, True)
)
"""Per whether it is a caption."""
_PHRASE_READERS = tuple(kind.read_phrase for kind in KINDS if kind.read_phrase is not None)
_SHORT_ANSWER_READERS = tuple(kind.read_short_answer for kind in KINDS if kind.read_short_answer is not None)
_NARROWING = frozenset(kind.name for kind in KINDS if kind.narrows)


def read_turn(question: str, answer: str, lexicon: Lexicon, discourse: Discourse | None = None) -> list[Statement]:
    """Read what a turn states: its answer, and what its question takes for granted or has confirmed.

    Args:
        question: As it was put.
        answer: As it was given.
        lexicon: The corpus's words.
        discourse: What the turns before spoke of; it learns of this one.
    """
    discourse = Discourse(lexicon) if discourse is None else discourse
    if any(boxes_in(answer)):
        question = without_box_talk(question)
    asked = read_statements(_bare_question(question), lexicon, discourse, in_question=True)
    written = question, answer
    question, answer = lowered(without_boxes(question)), lowered(without_boxes(answer))
    subjects = {s.category: s for s in asked if kind_of(s.kind).is_existence}
    antecedent = _as_phrase(next(iter(subjects.values()))) if len(subjects) == 1 else None
    said = [
        replace(s, comparison="at least") if s.is_plain and s.comparison == "exact" else s
        for s in read_answer(
            written[1], lexicon, discourse, may_go_on=len(subjects) == 1, explains=is_explaining(question, answer)
        )
    ]
    if SUPPOSES.search(question):
        changes = CHANGES.search(question) is not None
        return [statement for statement in said if _stands(statement, answer, changes=changes)]
    if SELECTS.search(question):
        return said
    found: list[Statement] = []
    if answer.startswith("yes"):
        found = [s for s in asked if s.number is None or not _HOW_MANY.search(question)]
    elif OPEN_QUESTION.match(question.strip()) and not REFUTES.search(answer):
        found = [s for s in asked if s.is_definite]
    turn = ShortAnswer(question, answer, lexicon, antecedent, said, written)
    meant = [statement for read in _SHORT_ANSWER_READERS for statement in read(turn)]
    return [*found, *(s for s in meant if s.in_question), *said, *(s for s in meant if not s.in_question)]


def _stands(statement: Statement, answer: str, *, changes: bool) -> bool:
    """Whether a statement is about the picture as it is, though its question supposes something.

    Args:
        statement: Of the answer.
        answer: In lower case.
        changes: What the question supposes may change the numbers and places of things.
    """
    if_supposed = kind_of(statement.kind).if_supposed
    if not changes and if_supposed in ("if shown", "if now"):
        if_supposed = "if plain"
    if if_supposed in ("stands", "falls"):
        return if_supposed == "stands"
    start, end = next(
        (sentence.span() for sentence in _SENTENCE.finditer(answer) if sentence.end() >= statement.end),
        (statement.start, statement.end),
    )
    if if_supposed == "if shown":
        return _PICTURE_SHOWS.search(answer, start, statement.end) is not None
    if if_supposed == "if plain":
        start = max(start, *(answer.rfind(mark, start, statement.start) for mark in (", and ", ", but ", "; ")))
        return SUPPOSED.search(answer, start, statement.end) is None
    return AS_IT_IS.search(answer, start, end) is not None


def _bare_question(question: str) -> str:
    """A question without its polite opening, as many characters long."""
    stripped = question.lstrip()
    lead = len(question) - len(stripped)
    match = POLITE.match(lowered(stripped))
    return question if match is None else " " * (lead + match.end()) + stripped[match.end() :]


def _as_phrase(statement: Statement) -> Phrase:
    return Phrase(
        statement.category, statement.word, statement.start, statement.end, "open", None, statement.is_plural,
        statement.is_loose, statement.is_unsure, statement.is_definite, is_firm=True,
    )  # fmt: skip


def read_answer(
    text: str,
    lexicon: Lexicon,
    discourse: Discourse | None = None,
    *,
    may_go_on: bool = False,
    explains: bool = False,
    of_caption: bool = False,
) -> list[Statement]:
    """Read what a text states.

    Args:
        text: An answer, or a caption.
        lexicon: The corpus's words.
        discourse: Knows what was said before it.
        may_go_on: It may go on the sentence of its question, which is about one thing: "On the left."
        explains: It may say what is so in general.
        of_caption: Kinds that ask captions nothing do not read it.
    """
    discourse = Discourse(lexicon) if discourse is None else discourse
    antecedent = discourse.antecedent("they")
    statements = read_statements(
        text, lexicon, discourse, may_go_on=may_go_on, explains=explains, of_caption=of_caption
    )
    text = lowered(without_boxes(text))
    numbers: dict[str, set[int | None]] = {}
    totals: dict[str, set[int | None]] = {}
    for statement in statements:
        if statement.comparison == "exact":
            numbers.setdefault(statement.category, set()).add(statement.number)
            if _IS_TOLD.search(text, 0, statement.start) is not None:
                totals.setdefault(statement.category, set()).add(statement.number)
    read: list[Statement] = []
    for s in statements:
        is_exact = s.comparison == "exact"
        if is_exact and len(numbers[s.category]) > 1 and len(totals.get(s.category, ())) < 2:
            # "Two dogs lie here. ... Three dogs run there": neither counts them all
            read.append(replace(s, comparison="at least"))
        elif s.comparison == "at most" and (s.number is None or s.value == OTHERS):
            n_told = _told_of(s.category, statements, antecedent)
            if n_told is not None:
                read.append(replace(s, number=n_told + (s.number or 0), value=None))
        else:
            read.append(s)
    return read


def _told_of(category: str, statements: list[Statement], antecedent: Phrase | None) -> int | None:
    """How many of a kind a text has told of, so that "no other dog" says there are no more; None for "dogs"."""
    told = [
        s for s in statements if s.category == category and kind_of(s.kind).is_existence and s.comparison != "at most"
    ]
    if any(s.is_plural and s.number is None for s in told):
        return None
    if antecedent is not None and antecedent.category == category and antecedent.is_plural:
        return None
    named = {s.word for s in told if s.number is None and s.end - s.start > 4}
    n_indefinite = sum(s.number or 1 for s in told if not s.is_definite)
    return max(1, n_indefinite, len(named), *(s.number or 1 for s in told)) if told else 2


def read_statements(
    text: str,
    lexicon: Lexicon,
    discourse: Discourse,
    *,
    in_question: bool = False,
    may_go_on: bool = False,
    explains: bool = False,
    of_caption: bool = False,
) -> list[Statement]:
    """Read the sentences of a text one by one.

    Args:
        text: An answer, or a question.
        lexicon: The corpus's words.
        discourse: What was spoken of before; it learns of this text.
        in_question: Sentences that ask are read too.
        may_go_on: Its first clause may have its subject in the question.
        explains: What it says in general is of no thing in the picture.
        of_caption: Kinds that ask captions nothing do not read it.
    """
    written = SLOTS.sub(" ", text)
    text = lowered(without_boxes(written))
    mentions = lexicon.find(text)
    found: list[Statement] = []
    done, open_parts = 0, None if of_caption else _OpenParts(explains)
    for match in _SENTENCE.finditer(text):
        inside = []
        while done < len(mentions) and mentions[done].start < match.end():
            inside.append(mentions[done])
            done += 1
        if match[0].endswith("?") and not in_question:
            continue
        sentence = Sentence(text, match.start(), match.end(), discourse.before)
        phrases = noun_phrases(text, inside, match.start(), match.end())
        elliptic = (
            discourse.elliptic(text, match.start(), match.end(), phrases, sentence)
            if not _ONES.isdisjoint(sentence.words)
            else ()
        )
        if elliptic:
            phrases = sorted([*phrases, *elliptic], key=lambda phrase: phrase.start)
        subjects: list[Phrase] = []  # of the clauses so far
        is_whole = sentence.parts.isdisjoint(_BREAKS) and not sentence.is_odd
        spans = [match.span()] if is_whole else _with_subjects(list(_clauses(text, *match.span())), text, phrases)
        has_pronoun = not PRONOUNS.isdisjoint(sentence.words)
        has_hedge = _may_hedge(sentence) and HEDGES.search(text, match.start(), match.end()) is not None
        for start, end in spans:
            own = [phrase for phrase in phrases if start <= phrase.end - 1 < end]
            subject = discourse.subject_of(
                text, start, end, phrases, subjects, is_first=may_go_on and start == 0, has_pronoun=has_pronoun
            )
            if subject is not None:
                own.insert(0, subject)
            meant = discourse.object_of(text, start, end, subjects or own[:-1], phrases) if has_pronoun else None
            if meant is not None:
                own = sorted([*own, meant], key=lambda phrase: phrase.start)
            subjects += own[:1]
            n_before = len(found)
            stated = _stated_before(sentence, text, start, end) if has_hedge else end
            if stated > start:
                told = own if stated == end else [phrase for phrase in own if phrase.end <= stated]
                clause = Clause(text, start, stated, told, in_question=in_question, sentence=sentence, written=written)
                found += _read_clause(clause, of_caption)
                for other in discourse.joined_with(subject, text) if subject is not None else ():
                    alike = [other, *(phrase for phrase in told if phrase is not subject)]
                    clause = Clause(text, start, stated, alike, in_question=in_question, sentence=sentence)
                    found += [said for said in _read_clause(clause, of_caption) if said.category == other.category]
            if stated < end:
                whole = Clause(text, start, end, own, in_question=in_question, sentence=sentence, written=written)
                found += _seeming(whole, of_caption)
                found += _aimed_at(text, stated, end, own, sentence) if not of_caption else ()
            if stated < end and (not in_question or OPEN_QUESTION.match(text, match.start()) is not None):
                is_anybody = explains and not _ANYBODY.isdisjoint(sentence.words)
                clause = Clause(text, start, end, own, in_question=in_question, sentence=sentence)
                found += _granted(clause, stated, is_anybody=is_anybody, of_caption=of_caption)
            if open_parts is not None:
                open_parts.loosen(found, n_before, sentence, text, start, end, is_hedged=stated < end,
                                  goes_on=subject is not None)  # fmt: skip
        discourse.add(sentence, phrases)
    return found


def _aimed_at(text: str, start: int, end: int, phrases: list[Phrase], sentence: Sentence) -> Iterator[Statement]:
    """What is said of a thing that somebody is about to do something to: "ready to cut a RED ribbon"."""
    aim = _READY.search(text, start, end)
    if aim is not None and HEDGES.search(text, aim.end(), end) is None:
        clause = Clause(text, aim.end(), end, [one for one in phrases if one.start >= aim.end()], sentence=sentence)
        yield from (said for said in _read_clause(clause) if kind_of(said.kind).if_aimed)


def _seeming(clause: Clause, of_caption: bool) -> Iterator[Statement]:
    """What "seems to be" says as well as "is" does."""
    seeming = _SEEMS.search(clause.source, clause.start, clause.end)
    if seeming is not None and HEDGES.search(clause.source, seeming.end(), clause.end) is None:
        yield from (said for said in _read_clause(clause, of_caption) if kind_of(said.kind).if_seeming)


def _granted(clause: Clause, stated: int, *, is_anybody: bool, of_caption: bool) -> Iterator[Statement]:
    """What a hedge takes for granted: "the dog ON THE LEFT might be waiting" there.

    Args:
        clause: The whole clause.
        stated: From here on it is hedged.
        is_anybody: "The person" may be whoever reads it.
        of_caption: It is one of a caption.
    """
    text, end = clause.source, clause.end
    granted = [
        replace(phrase, is_whole=False)
        for phrase in clause.phrases
        if phrase.end > stated
        and phrase.is_definite
        # "The cars have to slow down" speaks of any cars.
        and not (phrase.is_plural and HEDGES.match(text, phrase.end + 1) and not phrase.is_counted)
        and (phrase.measure in ("some", None) or phrase.is_counted)
        and not _is_supposed(phrase, text, stated)
    ]
    if not granted:
        return
    hedge = HEDGES.search(text, clause.start, end)
    first = clause.phrases[0]
    is_subject = granted[0].end == first.end and hedge is not None and first.end <= hedge.start()
    is_described = _RELATIVE.match(text, first.end, end) is not None  # "the cup THAT STANDS THERE may fall"
    has_verb = hedge is not None and not is_described and clause.sentence.has_verb(first.end, hedge.start())
    if hedge is not None and is_subject and not of_caption and not has_verb:
        own = [one for one in clause.phrases if one.end <= hedge.start()]
        before = Clause(
            text, clause.start, hedge.start(), own, in_question=clause.in_question, sentence=clause.sentence
        )
        yield from (said for said in _read_clause(before) if kind_of(said.kind).if_granted)
    if not is_anybody:
        yield from (statement for phrase in granted for statement in _read_phrase(phrase, clause))


def _is_supposed(phrase: Phrase, text: str, stated: int) -> bool:
    """Whether a thing with "the" in a hedged clause is itself supposed: "may be THE OWNER", "left it in THE CAR"."""
    if phrase.word in ("person", "people"):  # whom the text infers from their things
        return True
    if phrase.start <= stated:
        return False
    hedge = HEDGES.search(text, stated, phrase.start)
    return hedge is not None and (
        text.startswith(_OWNERS, phrase.start)
        or text.endswith(("be ", "been "), 0, phrase.start)
        or _WAS.search(text, hedge.start(), phrase.start) is not None
    )


_WAS = re.compile(
    r"\bthe one who\b|\b(?:have|has|had) (?:\w+ )?(?:\w+ed|\w+en|left|gone|come|put|been|made|met|run|lost|\w+ght)\b",
    FLAGS,
)
"""What was done before the picture was taken, or is done at any time, and perhaps elsewhere."""
_OF_WHOM = re.compile(r"\s*,?\s*(?:who|which|that|whose|where)\b", FLAGS)


def _leaves_open(sentence: Sentence, start: int, end: int) -> bool:
    """Whether a clause ends with a thing that is not told of, so that what is said of it is as unsure as it is."""
    noun = next((one for one in reversed(sentence.nouns) if start <= one.start < end), None)
    return noun is not None and noun.determiner in ("a", "an", "", "some", "any", "another")


_OWNERS = ("their ", "his ", "her ", "its ")
_NEW = (*_OWNERS, "a ", "an ")


def _may_hedge(sentence: Sentence) -> bool:
    """Whether a word of ``HEDGES`` may stand in a sentence."""
    return sentence.may_have(HEDGE_WORDS) or any(map(_begins_hedge, sentence.parts))


@lru_cache(maxsize=20_000)
def _begins_hedge(word: str) -> bool:
    return word.startswith(HEDGE_STEMS)


class _OpenParts:
    """What an answer says without claiming it, clause by clause: it may be borne out, never contradicted.

    Args:
        explains: The answer may say what is so in general.
    """

    def __init__(self, explains: bool) -> None:
        self._explains = explains
        self._was_general = self._was_supposed = False

    def loosen(
        self,
        found: list[Statement],
        n_before: int,
        sentence: Sentence,
        text: str,
        start: int,
        end: int,
        *,
        is_hedged: bool,
        goes_on: bool,
    ) -> None:
        """Make those statements of a clause loose that it only names, supposes, or says in general.

        Args:
            found: All statements so far; those of the clause are replaced.
            n_before: How many there were before the clause.
            sentence: The sentence of the clause.
            text: The whole text.
            start: The clause's first character.
            end: One past its last.
            is_hedged: Something in the clause is not stated.
            goes_on: A pronoun or nothing stands for its subject: "A cat is different: IT is out of sight".
        """
        # What the last clause supposes goes on: "may be a cyclist | who has come by train".
        is_supposed = self._was_supposed and _OF_WHOM.match(text, start, end) is not None
        self._was_supposed = (is_hedged or is_supposed) and _leaves_open(sentence, start, end)
        if is_supposed or (self._explains and orders(sentence)):
            found[n_before:] = [replace(said, is_firm=False) for said in found[n_before:]]
            return
        if n_before < len(found):
            self._loosen_named(found, n_before, sentence, text, start, end)
        if self._explains:
            self._loosen_general(found, n_before, sentence, text, start, end, goes_on)

    def _loosen_named(
        self, found: list[Statement], n_before: int, sentence: Sentence, text: str, start: int, end: int
    ) -> None:
        for first, last, is_any in unclaimed_spans(sentence, text, start, end):
            for n, said in enumerate(found[n_before:], n_before):
                is_inside = first <= said.start < last or (
                    said.others and first < said.end <= last and "than" not in text[first : said.end]
                )
                is_told = said.is_definite and not is_any and not text.startswith(_NEW, said.start)
                is_hidden = is_any and kind_of(said.kind).denies  # "the dog is out of sight" says so
                if is_inside and not is_told and not is_hidden:
                    found[n] = replace(said, is_firm=False)

    def _loosen_general(
        self, found: list[Statement], n_before: int, sentence: Sentence, text: str, start: int, end: int, goes_on: bool
    ) -> None:
        """Those of "the dog" that was told of stay as they are."""
        spans = list(generic_spans(sentence, text, start, end))
        goes_on = self._was_general and goes_on and not spans and _PRONOUN_FIRST.match(text, start, end) is not None
        if goes_on:
            spans = [(start, end)]
        self._was_general = bool(spans)
        if not spans:
            return
        told = {statement.category for statement in found[:n_before]}
        for n, said in enumerate(found[n_before:], n_before):
            is_inside = any(first <= said.start < last for first, last in spans)
            if is_inside and (goes_on or not (said.is_definite and said.category in told)):
                found[n] = replace(said, is_firm=False)


def _stated_before(sentence: Sentence, text: str, start: int, end: int) -> int:
    """Where what a clause states ends: "A man bends over it | and seems to ride off"."""
    hedge, last = HEDGES.search(text, start, end), sentence.ends[-1]
    if hedge is None:
        # "A thief | who sees it would take it": what has no verb yet is as sure as what follows
        is_open = end < last - 1 and not sentence.has_verb(start, end)
        return start if is_open and HEDGES.search(text, end, last) is not None else end
    if _AIMS.match(hedge[0]) or text.startswith("to ", max(start, hedge.start() - 3)):  # "a man is | trying to hit it"
        stated = hedge.start()
        if _READY.match(hedge[0]):  # "A man in a red cap | prepares to hit it"
            return stated
    elif _RELATIVE.match(text, start, end) is not None and sentence.has_verb(start, hedge.start()):
        return hedge.start()  # "The cup | that stands on the shelf | MAY fall": the hedge is in the clause around it
    else:
        joints = [joint.start() for joint in _JOINTS.finditer(text, start, hedge.start())]
        if not joints:
            return start
        stated = joints[-1]
    # "The cup | that she keeps there may fall", "With no dog around, | the cat can rest"
    is_given = _RELATIVE.match(text, stated) is not None or _GIVEN.match(text, start, stated) is not None
    return stated if is_given or sentence.has_verb(start, stated) else start


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in CLAUSE_BREAKS.finditer(text, start, end):
        if match.start() > start:
            yield start, match.start()
        start = match.end()
    if start < end:
        yield start, end


def _with_subjects(spans: list[tuple[int, int]], text: str, phrases: list[Phrase]) -> list[tuple[int, int]]:
    """Clauses, a verb with its subject behind it joined to what stands before: "On the left, half hidden, IS A DOG"."""
    found = spans[:1]
    for start, end in spans[1:]:
        first = found[-1][0]
        if _INVERTED.match(text, start, end) and not any(first <= one.end - 1 < start for one in phrases):
            found[-1] = first, end
        else:
            found.append((start, end))
    return found


_INVERTED = re.compile(
    r"(?:is|are|stands?|sits?|lies?|hangs?)\s+(?:also\s+)?(?:an?|the|another|one|two|three|some|several)\b", FLAGS
)


def _read_clause(clause: Clause, of_caption: bool = False) -> Iterator[Statement]:
    """Denials first, then what each noun phrase says by itself, then what the clause says of them."""
    for read_clause in _DENIALS:
        yield from read_clause(clause)
    if clause.start >= clause.end:
        return
    if not clause.phrases:
        for read_clause in _BARE_READERS[of_caption]:
            yield from read_clause(clause)
        return
    told = [statement for read_clause in _CLAUSE_READERS[of_caption] for statement in read_clause(clause)]
    narrowing = [statement for statement in told if statement.kind in _NARROWING]
    denied = {phrase.start for phrase, _ in clause.denied}
    for phrase in clause.phrases:
        if (phrase.end > clause.silent and phrase.measure != "none") or phrase.start in denied:
            continue
        is_narrowed = any(statement.start <= phrase.start < statement.end for statement in narrowing)
        yield from _read_phrase(replace(phrase, is_whole=False) if is_narrowed else phrase, clause)
    yield from told


def _read_phrase(phrase: Phrase, clause: Clause) -> Iterator[Statement]:
    for read_phrase in _PHRASE_READERS:
        statement = read_phrase(phrase, clause)
        if statement is not None:
            yield statement


@lru_cache(maxsize=1024)
def read_captions(
    captions: tuple[str, ...], lexicon: Lexicon
) -> tuple[tuple[tuple[Statement, ...], ...], tuple[frozenset[str], ...], tuple[Mapping[str, frozenset[int]], ...]]:
    """Read each caption of an image once, for all answers about it: what it states, what it names, and how many."""
    told, things, numbers = [], [], []
    for caption in captions:
        discourse = Discourse(lexicon)
        told.append(tuple(read_answer(caption, lexicon, discourse, of_caption=True)))
        named: frozenset[str] = frozenset()
        counted: dict[str, frozenset[int]] = {}
        sentence = discourse.before
        while sentence is not None:
            for noun in sentence.nouns:
                number = number_of(noun) or int(not noun.is_plural)
                counted[noun.head] = counted.get(noun.head, frozenset()) | {number}
            named, sentence = named | named_in(sentence), sentence.before
        things.append(named)
        numbers.append(counted)
    return tuple(told), tuple(things), tuple(numbers)


@lru_cache(maxsize=256)
def gather_evidence(
    image: AnnotatedImage,
    categories: tuple[str, ...],
    words: Words = NO_WORDS,
    *,
    is_exhaustive: bool,
    with_captions: bool = True,
) -> Evidence:
    """Read an image's annotations once, for all claims about it.

    Args:
        image: The annotated image.
        categories: The corpus's category names.
        words: Laid over the built-in words.
        is_exhaustive: Annotators boxed everything that belongs to a category.
        with_captions: False holds claims against the boxes alone.
    """
    vocabulary = vocabulary_for(categories, words)
    lexicon = vocabulary.lexicon
    boxes: dict[str, list[BoxUnit]] = {}
    noticed: dict[str, int] = {}
    groups: dict[str, list[BoxUnit]] = {}
    for box in image.boxes:
        if box.is_crowd:
            groups.setdefault(box.category, []).append(box.box_unit)
        boxes.setdefault(box.category, []).append(box.box_unit)
        noticed[box.category] = noticed.get(box.category, 0) + (box.area_unit >= NOTICED_AREA)
    captions = image.captions if with_captions else ()
    of_parts = tuple(dict.fromkeys(region.text for region in image.regions or ())) if with_captions else ()
    named: dict[str, int] = {}
    open_words: dict[str, str] = {}
    shown: set[str] = set()
    mentioned: list[set[str]] = []
    for caption in (*captions, *of_parts):
        mentions = lexicon.find(caption)
        mentioned.append({mention.category for mention in mentions})
        for category in mentioned[-1]:
            named[category] = named.get(category, 0) + 1
        shown.update(m.category for m in mentions if not m.is_unsure and not caption.startswith(("'", "’"), m.end))
        for word in _WORDS.findall(caption.lower()):
            members = vocabulary.hints.get(word, ())
            if boxes.keys().isdisjoint(members):  # else the "food" is what is boxed
                for category in members:
                    open_words.setdefault(category, word)
    del mentioned[len(captions) :]
    told, things, numbers = read_captions(captions, lexicon)
    said = tuple(frozenset(map(singular, _WORDS.findall(caption.lower()))) for caption in captions)
    return Evidence(
        counts=count_objects(image.boxes, image.unfinished or ()),
        boxes=boxes,
        noticed=noticed,
        told=told,
        named=named,
        open_words=open_words,
        nouns=Counter(noun for caption in said for noun in caption),
        words=said,
        things=tuple(named | names for named, names in zip(things, mentioned, strict=True)),
        stems=tuple(
            frozenset(map(stem, (*nouns, *categories))) for nouns, categories in zip(said, mentioned, strict=True)
        ),
        numbers=numbers,
        maybe_named=frozenset(named.keys() - shown),
        is_decided=is_exhaustive and bool(image.boxes),
        is_busy=len(image.boxes) >= BUSY,
        vocabulary=vocabulary,
        told_absent=None if image.absent is UNSET else frozenset(image.absent),
        unfinished=frozenset(image.unfinished or ()),
        told_of_parts=read_captions(of_parts, lexicon)[0],
        part_words=frozenset(singular(word) for text in of_parts for word in _WORDS.findall(text.lower())),
        groups=groups,
        by_detector=image.by_detector is True,
        by_captioner=image.by_captioner is True,
    )
