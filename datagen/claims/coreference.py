"""Coreference: whom or what "it", "she" or a clause without a subject speaks of, where only one thing can be meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from datagen.claims.grammar import FLAGS, NUMBER_FORMS, NUMBERS
from datagen.claims.phrases import Phrase
from datagen.claims.syntax import GROUPS, Noun, Sentence
from datagen.lexicon import Lexicon, plural

_PRONOUN = re.compile(
    r"\b(?P<word>both of them|(?:all|most|many|one|two|three|four|some|several|each)(?: \w+)? of them|"
    r"all (?:two|three|four|five|six|seven|eight|nine|ten)|both|they|it|he|she|those(?= (?:are|were|stand|sit|lie)\b))"
    r"(?:(?=['’](?:s|re)\b)|(?=\s+[a-z]))",
    FLAGS,
)
_RELATIVE = re.compile(r"(?P<word>which|who|that)\s+(?=(?:is|are|\w+s|sit|stand|lie|appear|take|fill)\b)", FLAGS)
_AT_PLACE = re.compile(r"(?: (?:in|on|at) the [a-z]+(?: side| edge| half)?)?,? ?", FLAGS)
"""Between a thing and its relative clause: "the person IN THE MIDDLE, who stands there"."""
_RESUMED = re.compile(r"(?:is|are|was|were|sits?|stands?|lies|appears?|can|has|have|takes?|fills?)\s", FLAGS)
_OBJECT = re.compile(
    r"\b(?:above|below|behind|beside|next to|near|under|underneath|beneath|in front of|to the (?:left|right) of|"
    r"on top of|find|see|spot|locate) (?P<word>it|(?:both of |all of )?them|him|her(?=\s*(?:[.,;!]|$|(?:is|"
    r"are|stands?|sits?|"
    r"lies)\b)))\b(?!['’])|\b(?:to|on) (?P<own>its|his|her|their) (?:immediate |far )?(?:left|right)\b(?! "
    r"(?:hand|arm|leg|"
    r"foot|shoulder|wrist|ear|eye|paw|wing|knee|thigh|ankle|side of))",
    FLAGS,
)
_ELLIPTIC = re.compile(
    rf"(?<![\w-])(?<!of the )(?<!is not )(?<!isn't )(?<!this )(?<!last )(?<!next )(?<!remaining )(?P<word>"
    rf"(?P<number>\d{{1,2}}|{NUMBER_FORMS}) of them(?= in (?:total|all)\b|\s*(?:[.,;!]|$))|"
    rf"(?:\d{{1,2}}|{NUMBER_FORMS}) of them|(?P<other>another(?: one)?|the other(?: one)?)|"
    r"one|two|three|four|five|six|others|the others|"
    r"(?:a|the) (?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)(?: one)?|"
    r"(?:an?|the)(?: (?!(?:only|last|next|right|wrong|same|new|good|better|best|single|missing)\b)[a-z-]+){1,2} one)"
    r"(?(number)|(?=,? (?:is|are|sits?|stands?|lies|lie|"
    r"rests?|hangs?|can be|appears?|occup\w+|fills?|takes?|standing|sitting|lying|positioned|located|placed|closer|"
    r"(?:over |off |down |up )?(?:on|in|at|to|toward|towards|near) (?:the|a|its) )\b|"
    r"(?:(?<=[a-z] one)|(?<=the other))\s*(?:[.,;!?]|$)))",
    FLAGS,
)
_ALL_OF_THEM = re.compile(r"\bthere(?: are|['’]re| were)\s+(?:exactly |only |just )?$", FLAGS)
_ENDS = re.compile(r"\s*(?:[.,;!?]|$)", FLAGS)
_WHICH_ONE = re.compile(r"(?:an?|the) [a-z-]+ .*one$|the (?!other)[a-z-]+ one$", FLAGS)
_IS_ONE = re.compile(r"one\b|another|other\b(?!s)|(?:a|the) [a-z]+\b", FLAGS)
_FRAGMENT = re.compile(
    r"(?:(?:in|on|at|to|near|toward|towards|behind|beside|next to|above|below|under|over|along|off to|far to|just|"
    r"slightly|right|directly|left) |[a-z]{3,}ing\b)",
    FLAGS,
)
"""Openings of an answer that goes on the question's sentence."""
_NEUTER = frozenset(("baby", "infant", "toddler", "child"))
PRONOUNS = frozenset("it they he she them him her both its his their those".split())
_OF_ONE = frozenset("it he she".split())
_AND = re.compile(r"\s*(?:,\s*)?(?:\band\s+)?", FLAGS)
_EACH = re.compile(r" (?:both|all) ")
_SUBORDINATING = ("because ", "since ", "as ", "while ", "where ", "when ", "although ", "though ", "that ", "if ")
_OTHER_SEX = {
    "he": frozenset("woman women girl lady mother bride waitress policewoman grandmother".split()),
    "she": frozenset("man men boy gentleman guy father groom policeman fireman businessman grandfather".split()),
}


def _stand_in(meant: Phrase, start: int, end: int) -> Phrase:
    """A phrase in the place of the word that stands for it, without its number."""
    return replace(meant, start=start, end=end, measure="open", number=None, is_stand_in=True)


def _joined(sentence: Sentence, phrases: Sequence[Phrase], topic: Noun | None) -> Sequence[Phrase]:
    """Single things of different kinds that are a sentence's topic together: "the phone and the cup"."""
    first = next((n for n, phrase in enumerate(phrases) if topic is not None and phrase.end == topic.end), None)
    if first is None:
        return ()
    found = [phrases[first]]
    for phrase in phrases[first + 1 :]:
        if _AND.fullmatch(sentence.between(found[-1].end, phrase.start)) is None:
            break
        found.append(phrase)
    is_apart = len({one.category for one in found}) == len(found)
    return found if len(found) > 1 and is_apart and not any(one.is_plural for one in found) else ()


def _number_of(words: str) -> int | None:
    """The number in "two of them", or in "five" that stands for five of them."""
    return NUMBERS.get(words.partition(" of them")[0])


class Discourse:
    """What a conversation has spoken of so far, questions included.

    Args:
        lexicon: The corpus's words.

    Attributes:
        before: The last sentence.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        form = lexicon.forms.get("man")
        self._person = None if form is None else form.category
        self._topic: Noun | None = None
        self._named: list[Phrase] = []
        self._many: Phrase | None = None  # the last things of several that were a topic
        self._joined: Sequence[Phrase] = ()  # "the phone and the cup", where they are the topic
        self._last: tuple[Sentence, Sequence[Phrase]] | None = None  # not yet asked for its topic
        self._people: dict[str, Phrase] = {}
        self.before: Sentence | None = None

    def add(self, sentence: Sentence, phrases: Sequence[Phrase]) -> None:
        """Go on to the next sentence."""
        self._settle()
        self._last = (sentence, phrases)
        self.before = sentence
        for phrase in phrases:
            if phrase.category == self._person and not phrase.is_plural and phrase.measure not in ("none", "others"):
                self._people[phrase.word] = phrase

    def _settle(self) -> None:
        if self._last is None:
            return
        (sentence, phrases), self._last = self._last, None
        if sentence.goes_on():
            if self._topic is not None and any(one.category == self._person for one in self._named):
                # "The man works. He has a laptop. IT stands there"
                self._named += [one for one in phrases if one.measure not in ("none", "others") and not one.is_stand_in]
            return
        topic = sentence.topic()
        if topic is not None and topic.head in GROUPS and not phrases:
            return  # "How large is the group?" asks of what was told of
        self._topic = topic
        self._joined = _joined(sentence, phrases, topic)
        many = next((phrase for phrase in phrases if topic is not None and phrase.end == topic.end), None)
        if many is not None and many.is_plural:
            self._many = many
        elif any(noun.is_plural for noun in sentence.nouns):
            self._many = None
        self._named = [phrase for phrase in phrases if phrase.measure not in ("none", "others")]

    def antecedent(self, word: str) -> Phrase | None:
        """What "it" or "they" in the next sentence stands for: the topic, or else the only thing that fits."""
        self._settle()
        is_plural, topic = word not in ("it", "its"), self._topic
        others = [phrase for phrase in self._named if phrase.is_plural]
        named = None if topic is None else next((phrase for phrase in self._named if phrase.end == topic.end), None)
        if named is not None and self._fits(named, word, is_plural=is_plural):
            return named
        if named is not None and word == "they" and named.category == self._person:
            return None if others else named  # "the person ... they", but "a man walks two dogs": with him or without
        if named is None and topic is not None and topic.is_plural is is_plural:
            return None  # a thing outside the categories is as likely
        if named is None and is_plural and self._many is not None:
            return self._many  # "Where are the dogs?" ... "The sun shines." ... "THEY are on the left."
        if named is not None and is_plural and self._joined:
            return replace(named, is_definite=True)
        fitting = [phrase for phrase in self._named if self._fits(phrase, word, is_plural=is_plural)]
        return fitting[0] if len({phrase.category for phrase in fitting}) == 1 and named is not None else None

    def _fits(self, phrase: Phrase, word: str, *, is_plural: bool) -> bool:
        is_either = plural(phrase.word) == phrase.word  # "sheep"
        return (is_either or phrase.is_plural is is_plural) and (
            is_plural or phrase.category != self._person or phrase.word in _NEUTER
        )

    def subject_of(
        self,
        text: str,
        start: int,
        end: int,
        phrases: Sequence[Phrase],
        before: Sequence[Phrase],
        *,
        is_first: bool = False,
        has_pronoun: bool = True,
    ) -> Phrase | None:
        """What a clause speaks of without naming it.

        Args:
            text: The whole text.
            start: The clause's first character.
            end: One past its last.
            phrases: Those of its sentence.
            before: The subjects of the sentence's clauses before it.
            has_pronoun: One of ``PRONOUNS`` stands in the sentence.
            is_first: It opens an answer, which may have no verb: "Where is the dog?" "On the left."
        """
        limit = next((phrase.start for phrase in phrases if start <= phrase.start < end), end)
        pronoun = _PRONOUN.search(text, start, limit) if has_pronoun else None
        if pronoun is not None:
            word = pronoun["word"].lower()
            fitting = (
                self._people_for(word)
                if word in _OTHER_SEX
                else [self._within(word, before, phrases, start) or self.antecedent(word)]
            )
            meant = fitting[-1] if fitting else None
            if meant is None or (meant.is_plural and word in _OF_ONE):
                return None
            meant = replace(
                meant, is_plural=meant.is_plural or (word not in _OF_ONE and meant.word == plural(meant.word))
            )
            is_all = word.startswith(("both", "all", "each")) or _EACH.search(text[start:end]) is not None
            # Of several people it is open who is meant, and a place of all of them alone is wrong.
            return replace(
                _stand_in(meant, *pronoun.span("word")), is_all=is_all, is_definite=len(fitting) == 1,
                is_most=word.startswith("most"), number=_number_of(word),
            )  # fmt: skip
        if is_first and _FRAGMENT.match(text, start, end) is not None:
            meant = self.antecedent("it") or self.antecedent("they") or self._asked_person()
            return None if meant is None else replace(_stand_in(meant, start, start), is_definite=True)
        relative = _RELATIVE.match(text, start, end)
        if relative is not None:
            named = [one for one in phrases if one.end <= start and _AT_PLACE.fullmatch(text, one.end, start)]
            first, last = relative.span("word")
        elif (
            before
            and _RESUMED.match(text, start, end) is not None
            # "A lamp, smaller because IT is farther away, | stands there": the lamp does
            and not (before[0].is_stand_in and text[: before[0].start].endswith(_SUBORDINATING))
        ):  # "The dog, which is brown, | stands there"
            named, first, last = [before[0]], start - 1, start - 1  # the space before it stands for the subject
        else:
            return None
        return _stand_in(named[-1], first, last) if named else None

    def joined_with(self, subject: Phrase, text: str) -> list[Phrase]:
        """What a plural pronoun stands for beside the first: "the phone and the cup ... THEY are on the left"."""
        if not subject.is_stand_in or subject.is_plural or text[subject.start : subject.end] in _OF_ONE:
            return []
        return [_stand_in(one, subject.start, subject.end) for one in self._joined[1:]]

    def _within(self, word: str, before: Sequence[Phrase], phrases: Sequence[Phrase], start: int) -> Phrase | None:
        """What "it" stands for in a later clause: the subject of the first, or of "those" the last of several."""
        if word.startswith(("those", "both")):
            return next((one for one in reversed(phrases) if one.end <= start and one.is_plural), None)
        first = before[0] if word in ("it", "they") and before else None
        is_named = first is not None and not first.is_stand_in and first.measure not in ("none", "others")
        return first if first is not None and is_named and self._fits(first, word, is_plural=word == "they") else None

    def elliptic(self, text: str, start: int, end: int, phrases: Sequence[Phrase], sentence: Sentence) -> list[Phrase]:
        """Numbers and "the other" that stand for things told of before: "two dogs, ONE on the left, ANOTHER asleep"."""
        found: list[Phrase] = []
        for match in _ELLIPTIC.finditer(text, start, end):
            if any(phrase.start < match.end() and match.start() < phrase.end for phrase in phrases):
                continue
            told = [phrase for phrase in phrases if phrase.end <= match.start()]
            is_single = match["other"] is not None or _WHICH_ONE.search(match["word"]) is not None
            meant = found[-1] if found and match["other"] is not None else None  # "one here, THE OTHER there"
            meant = meant or next((phrase for phrase in reversed(told) if phrase.is_plural), None)
            meant = meant or (told[-1] if told and is_single else None)
            if (
                meant is not None
                and not meant.is_plural
                and any(noun.is_plural and meant.end <= noun.start < match.start() for noun in sentence.nouns)
            ):
                continue  # "the bus keeps to the slow lanes, THE RIGHT ONE"
            meant = meant or (None if told else self.antecedent("they") or self._of_one(match))
            ones = [phrase for phrase in told if text.startswith(("one ", "One "), phrase.start)]
            is_second = match["other"] is not None and match["other"].lower().startswith("another") and bool(ones)
            if is_second:  # "ONE dog sits on the rug, while ANOTHER sleeps"
                second = _stand_in(ones[-1], *match.span("word"))
                found.append(replace(second, measure="at least", number=2, is_plural=False, is_definite=False))
                continue
            is_all = match["word"].endswith(" of them") and text.startswith(("the ", "all "), match.start() - 4)
            is_all = is_all and _ENDS.match(text, match.end()) is None
            if meant is not None and meant.is_plural and is_all:  # "THE FOUR OF THEM have lunch"
                whole = _stand_in(meant, *match.span("word"))
                number = _number_of(match["word"])
                found.append(
                    replace(whole, measure="exact", number=number, is_whole=True, is_plain=False, is_firm=True)
                )
            elif meant is not None and _ALL_OF_THEM.search(text, start, match.start()) and match["number"]:
                said = " ".join(match["number"].split())
                n_all = NUMBERS.get(said) or int(said)
                whole = _stand_in(meant, *match.span("word"))
                found.append(replace(whole, measure="exact", number=n_all, is_whole=True, is_plain=False, is_firm=True))
            elif meant is not None and meant.measure not in ("none", "others"):
                is_plural = _IS_ONE.search(match[0]) is None
                is_rest = match["word"].startswith("another") and not meant.is_plural and meant.is_definite
                one = replace(_stand_in(meant, *match.span("word")), is_plural=is_plural, is_definite=is_rest)
                is_plain = len({phrase.category for phrase in told if phrase.is_plural}) < 2
                number = _number_of(match["word"]) if is_plain else None
                found.append(replace(one, number=number, is_all=False, is_most=False))
        return found

    def _of_one(self, match: re.Match[str]) -> Phrase | None:
        """The one thing told of before, of which there is "another one" or "a large one"."""
        if match["other"] is not None:  # none of the one that was told of
            meant = self.antecedent("it") if match["word"].startswith("another") else None
            return None if meant is None else replace(meant, is_definite=True)
        return self.antecedent("it") if match["word"].startswith(("a ", "an ")) else None

    def object_of(
        self, text: str, start: int, end: int, before: Sequence[Phrase], phrases: Sequence[Phrase]
    ) -> Phrase | None:
        """What a relation is to, where a pronoun stands for it: "a handbag lies below IT"."""
        pronoun = _OBJECT.search(text, start, end)
        if pronoun is None:
            return None
        group = "word" if pronoun["word"] is not None else "own"
        word = pronoun[group].lower()
        if word in ("him", "her", "his"):
            fitting = self._people_for("she" if word == "her" else "he")
            if len(fitting) > 1:  # of several words for people it is open who is meant
                return replace(_stand_in(fitting[-1], *pronoun.span(group)), is_definite=False)
            meant = fitting[0] if fitting else None
        elif word.endswith("them"):
            told = [one for one in phrases if one.end <= pronoun.start() and one.is_plural and one not in before[-1:]]
            meant = told[-1] if told else self.antecedent("they")
        else:
            meant = before[0] if before else self.antecedent(word)
            if (
                meant is not None and meant.is_stand_in and word == "it"
            ):  # "Is the dog behind the cat?" "IT is beside IT."
                others = [one for one in self._named if one.category != meant.category and not one.is_plural]
                meant = others[0] if len(others) == 1 else meant
        if meant is None or meant.is_plural is not word.startswith(("them", "their", "both", "all")):
            return None
        return _stand_in(meant, *pronoun.span(group))

    def _asked_person(self) -> Phrase | None:
        """The person that a question is about."""
        topic = self._topic
        return next((phrase for phrase in self._named if topic is not None and phrase.end == topic.end), None)

    def _people_for(self, pronoun: str) -> list[Phrase]:
        """Those told of so far whom a pronoun may mean; someone not told of where nobody is."""
        if not self._people:
            return [] if self._person is None else [Phrase(self._person, pronoun, 0, 0, is_loose=True, is_firm=True)]
        fitting = [phrase for word, phrase in self._people.items() if word not in _OTHER_SEX[pronoun]]
        # "A woman sits there. He sleeps": whoever wrote it means her.
        return fitting or list(self._people.values())
