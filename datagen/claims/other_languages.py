"""Claims in other languages than English: presence, count, denial and side, read by tables of words, not by grammar.

``data/claims/CODE.yaml`` is the table of one language. A reader that knows no grammar keeps to what it is sure of: a
sentence with a guess, a condition or a rule in it ("might", "if", "usually") says nothing here, a number counts all
things of a kind only where a total is told or was asked for, and only what stands counted in a sentence that shows it
("there is a dog") is held against the boxes as being there. What is not read stays unchecked, as the coverage says.

Statements get their verdicts by the rules of the English ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from datagen.claims.clause import Statement
from datagen.claims.kind import Evidence
from datagen.claims.kinds.absence import ABSENCE
from datagen.claims.kinds.count import COUNT
from datagen.languages import ENGLISH, other_language
from datagen.records import AnnotatedImage, Comparison
from datagen.words import read_bundled

_FIRST_SLOT = 0xE000  # Unicode's private use area: no text that people write has a meaning there
_SLOTS = re.compile("[\ue000-\uf8ff]")
_SENTENCE = re.compile(r"[^。！？!?\n]+?(?:[。！？!?]+|\.(?=\s|$)|\n|$)")
_CLAUSE_ENDS = {"particles": "[,;:]", "joined": "[，、；：,;:]", "spaced": "[,;:]"}
SIDES = ("left", "right", "top", "bottom", "middle")
PREVIOUS = 2
"""A total may be told so many sentences behind the thing: "... toothbrushes. ... There are four in all."."""


class ClaimWords(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table of one language.

    Names stand with spaces between them, "_" for a space inside one; behind "|" those of the plural. In patterns X is a
    thing, N a number, C a counter ("마리", "只") and Ⓧ any thing inside a set of letters.

    Attributes:
        script: Words with particles behind them (Korean), without spaces (Chinese, Japanese), or with spaces.
        things: Per category, its names.
        kinds: Per category, narrower names: they show that one is there, not how many there are.
        unsure: Per category, names that often mean something else.
        decoys: Words that hold a name and show none.
        single: Names of one letter that count only between the letters of ``single_before`` and ``single_after``, or
            with a particle behind them.
        particles: What may stand behind a name.
        numbers: Number words.
        counters: Per counter, the categories that it counts; "*" for any.
        counts: How a number goes with a thing.
        totals: How a number is told of all things spoken of.
        whole: Words that speak of the whole picture or of all.
        how_many: Asks for a number.
        seen: Words that say that something can be seen.
        denials: Clauses that say that a thing is not in the picture.
        negation: Words of denial; a clause with one of them says nothing else.
        asks: A question whether a thing is there.
        agrees: Opens an answer that says so.
        denies: Opens one that denies it.
        likeness: A thing that is none: "a dog's shape", "like a dog".
        silent: Words of guesses, conditions and rules.
        another: Words that leave out some of the things.
        sides: Places in the frame, each a group named by its side.
        before_side: What must stand before a place, where the words behind it do not tell.
    """

    script: Literal["particles", "joined", "spaced"]
    things: dict[str, str]
    kinds: dict[str, str]
    unsure: dict[str, str]
    decoys: str
    single: str
    single_before: str = ""
    single_after: str = ""
    particles: str = ""
    numbers: dict[str, int]
    counters: dict[str, str]
    counts: tuple[str, ...]
    totals: str
    whole: str
    how_many: str
    seen: str
    denials: tuple[str, ...]
    negation: str
    asks: str
    agrees: str
    denies: str
    likeness: str
    silent: str
    another: str
    sides: tuple[str, ...]
    before_side: str


class _Mention(Struct, frozen=True):
    """A thing named in a text."""

    category: str
    word: str
    start: int
    end: int
    is_loose: bool = False
    is_unsure: bool = False
    is_plural: bool = False


class _Clause(Struct, frozen=True):
    """A clause with one character for each thing.

    Attributes:
        text: Things are slots.
        mentions: By slot.
        origins: Per character of ``text``, its place in the whole text.
    """

    text: str
    mentions: tuple[_Mention, ...]
    origins: tuple[int, ...]

    def mention(self, slot: str) -> _Mention:
        """The thing that a slot stands for."""
        return self.mentions[ord(slot) - _FIRST_SLOT]

    def span(self, match: re.Match[str]) -> tuple[int, int]:
        """Where a match stands in the whole text."""
        last = match.end() - 1
        end = self.origins[last] + 1
        return self.origins[match.start()], self.mention(match[0][-1]).end if _SLOTS.match(match[0][-1]) else end


def languages_with_claims() -> tuple[str, ...]:
    """Codes of the languages whose claims are read here."""
    folder = Path(__file__).resolve().parent.parent / "data" / "claims"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


@cache
def reader_for(code: str) -> Reader | None:
    """The reader of a language, or None where its claims are not read."""
    return Reader(read_bundled(f"claims/{code}.yaml", ClaimWords)) if code in languages_with_claims() else None


class Reader:
    """Reads what turns in one language state.

    Args:
        words: The table of the language.
    """

    def __init__(self, words: ClaimWords) -> None:
        self._words = words
        self._forms: dict[str, _Mention] = {}
        for table, is_loose, is_unsure in (
            (words.things, False, False), (words.kinds, True, False), (words.unsure, True, True)
        ):  # fmt: skip
            for category, names in table.items():
                singular, _, plural = names.partition("|")
                for number, forms in enumerate((singular, plural)):
                    for form in forms.split():
                        name = form.replace("_", " ")
                        told = _Mention(category, name, 0, 0, is_loose, is_unsure, number == 1)
                        self._forms.setdefault(name, told)
        self._single = frozenset(words.single.split())
        self._names = self._compile_names()
        numbers = "|".join([*sorted(map(re.escape, words.numbers), key=len, reverse=True), r"\d{1,2}"])
        counters = "|".join(sorted(map(re.escape, words.counters), key=len, reverse=True)) or "(?!)"
        self._parts = {
            "X": "(?P<x>[\ue000-\uf8ff])",
            "N": rf"(?P<n>{numbers})"
            if words.script == "spaced"
            else rf"(?<![\d{''.join(words.numbers)}])(?P<n>{numbers})",
            "C": rf"(?P<c>{counters})",
            "Ⓧ": "\ue000-\uf8ff",
        }
        self._counters = {counter: _categories(names) for counter, names in words.counters.items()}
        self._counts = [self._compile(pattern) for pattern in words.counts]
        self._totals = self._compile(words.totals)
        self._denials = [self._compile(pattern) for pattern in words.denials]
        self._sides = [self._compile(pattern) for pattern in words.sides]
        self._before_side = self._compile(words.before_side)
        self._asks = self._compile(words.asks)
        self._bare = self._compile(r"^\W*(?:(?:yes|no)\W+)?N\s?C" if words.counters else r"^\W*N(?=\W*$)")
        self._whole, self._how_many = self._compile(words.whole), self._compile(words.how_many)
        self._seen, self._negation = self._compile(words.seen), self._compile(words.negation)
        self._likeness = self._compile(words.likeness, is_named=False)
        self._silent, self._another = self._compile(words.silent), self._compile(words.another)
        self._yes, self._no = self._compile(rf"\W*(?:{words.agrees})\b"), self._compile(rf"\W*(?:{words.denies})")
        self._ends = re.compile(_CLAUSE_ENDS[words.script])

    def _compile(self, pattern: str, *, is_named: bool = True) -> re.Pattern[str]:
        whole = re.sub("[XNCⓍ]", lambda found: self._parts[found[0]], pattern)
        return re.compile(whole if is_named else re.sub(r"\(\?P<\w>", "(?:", whole), re.IGNORECASE)

    def _compile_names(self) -> re.Pattern[str]:
        words = self._words

        def one_of(names: Iterable[str]) -> str:
            gap = r"\s?" if words.script == "particles" else " "
            return "|".join(re.escape(name).replace(r"\ ", gap) for name in sorted(names, key=len, reverse=True))

        decoys = one_of(name.replace("_", " ") for name in words.decoys.split()) or "(?!)"
        if words.script == "spaced":
            return re.compile(rf"\b(?:(?P<decoy>{decoys})|(?P<thing>{one_of(self._forms)}))\b")
        if words.script == "particles":
            behind = rf"(?=(?:{words.particles}){{0,3}}(?![가-힣]))"
            return re.compile(rf"(?<![가-힣])(?:(?P<decoy>{decoys})|(?P<thing>{one_of(self._forms)}){behind})")
        # The longest of things and decoys that begin at a place.
        both = sorted([*self._forms, *words.decoys.split()], key=len, reverse=True)
        return re.compile("|".join(map(re.escape, both)))

    def read_turn(self, question: str, answer: str, evidence: Evidence) -> list[Statement]:
        """Read what a turn states: its answer, and what the answer says only together with its question.

        Args:
            question: As it was put.
            answer: As it was given.
            evidence: Of the image; where a caption tells the same number, the count is its word's.
        """
        found = self.read_text(answer)
        asked = self._clause(question, 0, len(question))
        categories = {mention.category for mention in asked.mentions}
        if len(categories) == 1 and not any(side.search(asked.text) for side in self._sides):
            found = self._with_question(asked, answer, found)
        return [_in_words_of_captions(statement, evidence) for statement in found]

    def _with_question(self, asked: _Clause, answer: str, found: list[Statement]) -> list[Statement]:
        meant = asked.mentions[0]
        if self._how_many.search(asked.text):
            opening = next(iter(self._sentences(answer)), (0, 0))
            counts = (s for s in found if s.kind == COUNT.name and s.start < opening[1])
            counted = [s for s in counts if s.category == meant.category]
            if not counted:
                clause = self._clause(answer, *opening)
                number = self._bare_number(clause)
                if number is not None and not self._silent.search(clause.text):
                    start, end = clause.span(number)
                    said = Statement("count", meant.category, meant.word, start, end, number=self._value(number["n"]),
                                     comparison="at least" if meant.is_loose else "exact")  # fmt: skip
                    return [*found, *([said] if (said.number or 0) >= 1 else [])]
            if len(counted) == 1 and not counted[0].is_loose and not self._another.search(answer):
                return [replace(s, comparison="exact") if s is counted[0] else s for s in found]
            return found
        asks = self._asks.match(asked.text)
        if asks is not None and not any(s.category == meant.category for s in found):
            kind = "presence" if self._yes.match(answer) else "absence" if self._no.match(answer) else None
            if kind is not None:
                said = Statement(kind, meant.category, meant.word, meant.start, meant.end, is_loose=meant.is_loose,
                                 is_unsure=meant.is_unsure, in_question=True)  # fmt: skip
                return [said, *found]
        return found

    def _bare_number(self, clause: _Clause) -> re.Match[str] | None:
        found = self._totals.search(clause.text) or self._bare.search(clause.text)
        if found is None and self._words.counters and not clause.mentions:
            found = self._compile_once().search(clause.text)
        return found

    @cache  # noqa: B019 - readers live as long as the process
    def _compile_once(self) -> re.Pattern[str]:
        return self._compile(r"N\s?C")

    def read_text(self, text: str) -> list[Statement]:
        """Read what a text states by itself: an answer, or a caption."""
        text = _SLOTS.sub(" ", text)
        found: list[Statement] = []
        before: list[tuple[_Mention, ...]] = []
        for start, end in self._sentences(text):
            if text[start:end].rstrip().endswith(("?", "？")):
                continue
            sentence = self._clause(text, start, end)
            is_silent = self._silent.search(sentence.text) is not None
            if not is_silent:
                found += self._read_sentence(sentence, text, start, end, before)
            before = [*before, sentence.mentions][-PREVIOUS:]
        return _agreed(found)

    def _read_sentence(
        self, sentence: _Clause, text: str, start: int, end: int, before: Sequence[tuple[_Mention, ...]]
    ) -> Iterator[Statement]:
        has_side = any(side.search(sentence.text) for side in self._sides)
        is_whole = self._whole.search(sentence.text) is not None
        is_all = is_whole and not has_side and self._another.search(sentence.text) is None
        carried: tuple[str, ...] = ()
        is_told = False
        for clause in self._clauses(text, start, end):
            denied = next(filter(None, (denial.search(clause.text) for denial in self._denials)), None)
            if denied is not None:
                yield self._state("absence", clause.mention(denied["x"]), *clause.span(denied))
                continue
            if self._negation.search(clause.text):
                continue
            alike = set(chain(*(_SLOTS.findall(match[0]) for match in self._likeness.finditer(clause.text))))
            counted = {match["x"]: match for match in self._counted(clause) if match["x"] not in alike}
            for slot, match in counted.items():
                mention, number = clause.mention(slot), self._value(match["n"])
                if number > 1:
                    is_told = True
                    comparison: Comparison = "exact" if is_all and not mention.is_loose else "at least"
                    said = self._state("count", mention, *clause.span(match), number=number, comparison=comparison)
                    yield replace(said, is_unsure=mention.is_unsure and match.groupdict().get("c") is None)
                    continue
                # "Here eats one person" may be a conclusion.
                is_firm = mention.category != "person" and self._seen.search(sentence.text) is not None
                yield self._state("presence", mention, mention.start, mention.end, is_firm=is_firm)
            for number, mention in enumerate(clause.mentions):
                is_open = mention.is_unsure and len(mention.word) == 1
                if chr(_FIRST_SLOT + number) not in {*counted, *alike} and not is_open:
                    yield self._state("presence", mention, mention.start, mention.end, is_firm=False)
            sides = self._sides_in(clause)
            if sides or carried:
                yield from self._places(clause, sides, carried)
            carried = sides[1] if sides and not clause.mentions else ()
        if not is_told:
            yield from self._total(sentence, before)

    def _counted(self, clause: _Clause) -> Iterator[re.Match[str]]:
        for pattern in self._counts:
            for match in pattern.finditer(clause.text):
                counter = match.groupdict().get("c")
                if counter is None or self._fits(counter, clause.mention(match["x"]).category):
                    yield match

    def _fits(self, counter: str, category: str) -> bool:
        counted = self._counters[counter]
        return "*" in counted or category in counted

    def _total(self, sentence: _Clause, before: Sequence[tuple[_Mention, ...]]) -> Iterator[Statement]:
        """The number of "four in all", said of the only thing spoken of that it can count."""
        match = self._totals.search(sentence.text)
        if match is None:
            return
        counter, spoken = match.groupdict().get("c"), sentence.mentions or tuple(chain(*before))
        meant = {m.category: m for m in spoken if counter is None or self._fits(counter, m.category)}
        number = self._value(match["n"])
        if len(meant) == 1 and number > 1 and not self._another.search(sentence.text):
            (mention,) = meant.values()
            comparison: Comparison = "at least" if mention.is_loose else "exact"
            yield self._state("count", mention, *sentence.span(match), number=number, comparison=comparison)

    def _sides_in(self, clause: _Clause) -> tuple[re.Match[str], tuple[str, ...]] | None:
        """The one place that a clause names, and its sides; None where it names none or several."""
        matches = [match for side in self._sides for match in side.finditer(clause.text)]
        if len(matches) != 1:
            return None
        (match,) = matches
        if self._before_side.pattern and self._before_side.search(clause.text[: match.start()]) is None:
            return None
        sides = tuple(side for side, said in match.groupdict().items() if side in SIDES and said)
        return match, sides

    def _places(
        self, clause: _Clause, sides: tuple[re.Match[str], tuple[str, ...]] | None, carried: tuple[str, ...]
    ) -> Iterator[Statement]:
        """A place is said of the only thing before it, or else of the first one behind it."""
        slots = list(_SLOTS.finditer(clause.text))
        if not slots:
            return
        if sides is None:
            meant, told, start = clause.mention(slots[0][0]), carried, clause.origins[slots[0].start()]
            end = clause.mention(slots[0][0]).end
        else:
            match, told = sides
            ahead = [slot for slot in slots if slot.end() <= match.start()]
            behind = [slot for slot in slots if slot.start() >= match.end()]
            if len(ahead) > 1 or not (ahead or behind):
                return
            meant = clause.mention((ahead or behind)[0][0])
            start, end = clause.span(match)
            start, end = min(start, meant.start), max(end, meant.end)
        for side in told:
            yield self._state("place", meant, start, end, place=side)

    def _state(
        self, kind: str, mention: _Mention, start: int, end: int, *, is_firm: bool = True, number: int | None = None,
        comparison: Comparison | None = None, place: str | None = None,
    ) -> Statement:  # fmt: skip
        return Statement(
            kind, mention.category, mention.word, start, end, number=number, comparison=comparison, place=place,
            is_firm=is_firm, is_loose=mention.is_loose, is_unsure=mention.is_unsure, is_plural=mention.is_plural,
        )  # fmt: skip

    def _value(self, word: str) -> int:
        return int(word) if word.isdecimal() else self._words.numbers[word.lower()]

    def _sentences(self, text: str) -> Iterator[tuple[int, int]]:
        for match in _SENTENCE.finditer(text):
            if match[0].strip():
                yield match.span()

    def _clauses(self, text: str, start: int, end: int) -> Iterator[_Clause]:
        for mark in self._ends.finditer(text, start, end):
            yield self._clause(text, start, mark.start())
            start = mark.end()
        yield self._clause(text, start, end)

    def _clause(self, text: str, start: int, end: int) -> _Clause:
        """Put a slot in the place of every thing; spaces at the beginning go."""
        while start < end and text[start].isspace():
            start += 1
        mentions = tuple(self._find(text, start, end))
        letters: list[str] = []
        origins: list[int] = []
        at = start
        for number, mention in enumerate(mentions):
            letters.append(text[at : mention.start])
            origins += [*range(at, mention.start), mention.start]
            letters.append(chr(_FIRST_SLOT + number))
            at = mention.end
        return _Clause("".join([*letters, text[at:end]]), mentions, (*origins, *range(at, end)))

    def _find(self, text: str, start: int, end: int) -> Iterator[_Mention]:
        for match in self._names.finditer(text, start, end):
            name = " ".join(match[0].split())
            told = self._forms.get(name) or self._forms.get(_respaced(name, self._forms))
            if told is not None and match.groupdict().get("decoy") is None and self._stands(text, match, start, end):
                yield replace(told, start=match.start(), end=match.end())

    def _stands(self, text: str, match: re.Match[str], start: int, end: int) -> bool:
        """Whether a name is a word by itself here."""
        words, name = self._words, match[0]
        before = text[match.start() - 1] if match.start() > start else ""
        after = text[match.end()] if match.end() < end else ""
        if words.script == "particles":
            if name not in self._single:
                return True
            number = re.search(rf"(?:^|\s)(?:{'|'.join(words.numbers)}|\d+|몇|여러)\s?$", text[start : match.start()])
            behind = re.match(rf"(?:{words.particles})|\s(?:{'|'.join(words.numbers)}|\d+)\s", text[match.end() : end])
            return number is None and behind is not None
        if words.script == "joined" and name in self._single:
            is_opened = not before or before in words.single_before or not before.isalnum()
            return is_opened and (not after or after in words.single_after or not after.isalnum())
        if words.script == "joined" and words.particles == "":
            return not (_same_run(before, name[0]) or _same_run(name[-1], after)) if _is_japanese(words) else True
        return True


def _is_japanese(words: ClaimWords) -> bool:
    return "匹" in words.counters and "ひと" in words.numbers


def _same_run(one: str, other: str) -> bool:
    """Whether two letters of Japanese belong to one word: both kanji, or both katakana."""
    return bool(one and other) and any(low <= one <= high and low <= other <= high for low, high in _RUNS)


_RUNS = (("一", "鿿"), ("ァ", "ヿ"))


def _respaced(name: str, forms: dict[str, _Mention]) -> str:
    """A name as its table spells it, where the text leaves its spaces out."""
    bare = name.replace(" ", "")
    return next((form for form in forms if form.replace(" ", "") == bare), "")


def _categories(names: str) -> frozenset[str]:
    """Categories of a row, some of which have two words."""
    if names == "*":
        return frozenset("*")
    words, found, at = names.split(), set[str](), 0
    while at < len(words):
        pair = " ".join(words[at : at + 2])
        is_pair = pair in _PAIRS
        found.add(pair if is_pair else words[at])
        at += 2 if is_pair else 1
    return frozenset(found)


_PAIRS = frozenset(
    ("wine glass", "potted plant", "dining table", "traffic light", "hot dog", "teddy bear", "cell phone")
)


def _agreed(found: Iterable[Statement]) -> list[Statement]:
    """Where a text gives a thing several numbers, none of them counts them all."""
    statements = list(dict.fromkeys(found))
    numbers: dict[str, set[int | None]] = {}
    for statement in statements:
        if statement.kind == COUNT.name:
            numbers.setdefault(statement.category, set()).add(statement.number)
    return [
        replace(s, comparison="at least") if s.kind == COUNT.name and len(numbers[s.category]) > 1 else s
        for s in statements
    ]


def _in_words_of_captions(statement: Statement, evidence: Evidence) -> Statement:
    """Give a count the word of a caption that tells the same number: it keeps the question open, as in English."""
    if statement.kind != COUNT.name:
        return statement
    for other in chain(*evidence.told):
        if (other.kind, other.category, other.number) == (COUNT.name, statement.category, statement.number):
            return replace(statement, word=other.word)
    return statement


def with_captions(evidence: Evidence, image: AnnotatedImage, language: str, reader: Reader) -> Evidence:
    """Add what captions in the language of the answers name and tell.

    Args:
        evidence: What boxes and English captions say.
        image: With its captions.
        language: Its code.
        reader: Of the language.
    """
    named = dict(evidence.named)
    told = list(evidence.told)
    for number, caption in enumerate(image.captions):
        is_in_it = other_language(caption, ENGLISH) is not None and other_language(caption, language) is None
        statements = reader.read_text(caption) if is_in_it else []
        for category in {s.category for s in statements if s.kind != ABSENCE.name}:
            named[category] = named.get(category, 0) + 1
        if statements:
            told[number] = (*told[number], *statements)
    return replace(evidence, named=named, told=tuple(told)) if named != evidence.named else evidence
