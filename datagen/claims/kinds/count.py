"""Count: "There are three dogs" says how many there are, or how many at least or at most."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from datagen.claims.clause import SLOT, Clause, Statement, state
from datagen.claims.grammar import FLAGS, NOBODY_ELSE, NUMBER_FORMS, NUMBERS, PART, ROUGH
from datagen.claims.kind import (
    ABSENT_OBJECT,
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ShortAnswer,
    Spoiling,
    ask_presence,
    is_anybody,
    name_absent,
    replaced,
    support,
    verify_presence,
)
from datagen.claims.phrases import Phrase
from datagen.claims.syntax import GROUPS, Noun, singular
from datagen.claims.wordnet import senses
from datagen.lexicon import counted, number_word, with_article
from datagen.records import Claim, Comparison, Probe
from datagen.words import NUMBER_WORDS

MAX_COUNT = 12
"""Above this, annotators stop counting well."""
ROUGH_FROM, ROUGHLY = 10, 1.3
"""From this number on ("a dozen") so many times the boxes' number is not yet too many."""
FAR_OFF = 2
"""A number that is wrong by this factor is wrong even where annotators do not count well."""
MAX_ASKED = 8
"""Larger numbers are not asked: validators miscount them, and "twelve" against "thirteen" is nobody's error."""
ANSWERS = tuple(number_word(number).capitalize() for number in range(1, MAX_ASKED + 1))
WRONG_COUNT = PlantedError("count", "a wrong count")

_ALONE_WORDS = frozenset(("alone", "itself", "himself", "herself"))
_ALONE = re.compile(r"\b(?:alone\b|(?:all )?(?:by|on) (?:itself|himself|herself|his own|her own|its own)\b)", FLAGS)
_ASKS_OTHERS = re.compile(
    r"(?:is|are|does|do|can)\s+(?:there\s+|you\s+see\s+)?(?:anyone|anybody|someone|any other (?:people|person)|"
    r"another person|other people)"
    r"(?:\s+else)?(?=.*\b(?:with|beside|near|besides|else|other|another)\b)",
    FLAGS,
)
_RELATIVE = frozenset(("who", "that", "which"))
_NO = re.compile(r"no\b(?=[,.;]?\s*(?:(?:he|she|it|the\s+\w+)\b[^.]*\b(?:alone|by (?:him|her)self|only)\b|$))", FLAGS)
"""Denies company: "No, she is alone"."""
_HOW_MANY = re.compile(r"\bhow many\b|\b(?:more than|only|just) one\b|\b(?:several|multiple|many)\b", FLAGS)
_NEAR_ENOUGH = 20
"""Characters between "how many" and its noun: "how many small brown dogs"."""
_WHOLE_QUESTION = re.compile(
    r"\s*(?:$|\?|(?:are|is|do you see|can (?:you see|be seen))(?: there)?(?: in (?:all|total|the (?:image|picture|"
    r"photo|scene)))?\s*\?|"
    r"(?:are |is )?(?:there|visible|shown|present|pictured|seen)\b(?! (?:on|near|in front|behind|next))|in (?:the|"
    r"this) (?:image|picture|photo|scene))",
    FLAGS,
)
"""What follows in a question for the number of all things of a kind."""
_OF_THEM = re.compile(
    rf"^(?:(?:yes|no|there (?:are|is)|about|in fact|exactly),?\s+)*(?P<number>\d{{1,2}}|"
    rf"{NUMBER_FORMS})\s+of\s+(?:them|these|those)\b",
    FLAGS,
)
_BARE_NUMBER = re.compile(
    rf"^\W*(?:(?:there (?:is|are)|(?:i|you|one|we) (?:can )?(?:see|count|spot)|exactly|only|just|a total of|yes|"
    rf"no),?\s+)*"
    rf"(?:the )?(?P<number>\d{{1,2}}|{NUMBER_FORMS})(?:\W*(?:$|[.,;!]|of them\b|in (?:all|total)\b|altogether\b)|"
    rf"\s+(?:is|are|can)\b)",
    FLAGS,
)
_NUMBER = re.compile(rf"\b(?:\d{{1,2}}|{'|'.join(NUMBER_WORDS[1:])})\b", re.IGNORECASE)


def read_phrase(phrase: Phrase, clause: Clause) -> Statement | None:
    """The number before a noun, exact only where it is said of all such things in the picture."""
    if phrase.measure == "others":  # "no other dog": how many that makes is known when the whole text is read
        return state("count", phrase, phrase.start, phrase.end, clause.in_question, comparison="at most",
                     number=phrase.number, value=OTHERS)  # fmt: skip
    if not phrase.is_counted:
        if phrase.measure == "some" and clause.source.startswith(("another ", "Another "), phrase.start):
            return _of_another(phrase, clause)
        return None
    is_exact = phrase.measure == "exact" and phrase.is_whole and not phrase.is_loose
    comparison: Comparison = "exact" if is_exact else "at most" if phrase.measure == "at most" else "at least"
    ahead = clause.source[max(clause.start, phrase.start - 5) : phrase.end]
    is_limit = not (is_exact or phrase.is_loose) and _LIMITS.search(ahead) is not None
    if phrase.is_loose and not is_exact and _LIMITS.search(ahead) is not None:
        return state(
            "count", phrase, phrase.start, phrase.end, clause.in_question, number=phrase.number, comparison="at most",
            is_firm=False if is_anybody(phrase, clause) else None, value=OF_A_KIND,
        )  # fmt: skip
    is_main = comparison == "at least" and phrase.measure == "exact" and _is_main(clause, phrase)
    if is_limit and _OF_GROUP.match(clause.source, phrase.end) is not None:
        return state(
            "count", phrase, phrase.start, phrase.end, clause.in_question, number=phrase.number, comparison="at most",
        )  # fmt: skip
    is_here = is_limit and (_HERE.match(clause.source, phrase.end, clause.end) is not None or _is_sole(clause, phrase))
    return state(
        "count", phrase, phrase.start, phrase.end, clause.in_question, number=phrase.number,
        comparison="at most" if is_here else comparison, is_firm=False if is_anybody(phrase, clause) else None,
        value=HERE if is_here else MAIN if is_main else SOME if _VAGUE.match(clause.source, phrase.start) else None,
    )  # fmt: skip


HERE, OF_A_KIND, MAIN, SOME, OTHERS = "here", "of a kind", "main", "some", "others"
"""Values of a number that counts only some: those at a place, those of a narrower word ("only three surfers"), or those
that a text is about ("the image shows two sheep on a road"); of "several", which has no number; and of
those beside what was told of."""
_VAGUE = re.compile(
    r"(?:several|multiple|many|numerous|various|an?\s+(?:few|number|lot|variety|group|crowd|herd|flock|row|bunch|pile|"
    r"stack|line)|"
    r"lots|dozens|plenty|rows|groups)\b",
    FLAGS,
)
_SHOWS = re.compile(
    r"\b(?:image|picture|photo|photograph|scene|shot|view)\s+(?:here\s+)?(?:shows?|features?|depicts?|captures?|"
    r"displays?|"
    r"contains?|presents?|has|of)\s+$",
    FLAGS,
)


def _is_main(clause: Clause, phrase: Phrase) -> bool:
    """Whether a text is about what a phrase counts: its first sentence is, or "the image shows" it."""
    if clause.in_question:
        return False
    topic = clause.sentence.topic() if phrase.start == 0 else None
    return (topic is not None and topic.end == phrase.end) or _SHOWS.search(
        clause.source, clause.start, phrase.start
    ) is not None


def _of_another(phrase: Phrase, clause: Clause) -> Statement | None:
    """Two at least where one was told of before: "next to the dog sits ANOTHER dog"."""
    told = [one for one in clause.phrases if one.end <= phrase.start and one.category == phrase.category]
    if len(told) != 1 or told[0].is_plural or told[0].measure in ("none", "others") or phrase.is_plural:
        return None
    return state(
        "count", phrase, phrase.start, phrase.end, clause.in_question, number=2, comparison="at least",
        is_firm=phrase.is_firm,
    )  # fmt: skip


def _is_sole(clause: Clause, phrase: Phrase) -> bool:
    """Whether a sentence is about one thing that it calls the only one: "a lone giraffe reaches for the leaves"."""
    topic = clause.sentence.topic()
    return topic is not None and topic.end == phrase.end and topic.first == 0


_LIMITS = re.compile(r"\b(?:only|just|exactly|precisely|lone|single|solitary|no more than|at most)\b", FLAGS)
_HERE = re.compile(
    r"\s+(?:(?:is|are|stands?|sits?|lies?|hangs?|waits?|can|has|have)\s+)?(?:(?:to\s+)?be(?:en)?\s+)?"
    r"(?:(?:seen|found|made\s+out|[a-z]+ed|[a-z]+ing)\s+)?(?:on|in|at|along|by|beside|near|next to|"
    r"shar(?:es?|ing)|us(?:es?|ing))\s+"
    r"(?:the|this|that|its)\s+(?!(?:far |upper |lower |very )?(?:left|right|top|bottom|upper|lower|middle|cent|front|"
    r"back|fore|corner|edge|distance|side|other))[a-z]+",
    FLAGS,
)
"""A place that may hold only some of the things: "only one cup on the table"."""
_OF_GROUP = re.compile(rf"\s+in\s+(?:the|this)\s+(?:{'|'.join(GROUPS - {'number'})}|set|convoy|collection)\b", FLAGS)
"""What all of them make: "only four elephants in the herd"."""


def read_clause(clause: Clause) -> Iterator[Statement]:
    """What "nobody else is there" says: no more people than the text has told of; "alone", that there is one.

    And how many there are of things outside the categories.
    """
    words = clause.sentence.words
    if "M" in clause.sentence.tags and not clause.in_question:
        yield from _read_things(clause)
        yield from _read_told(clause)
    if not _ALONE_WORDS.isdisjoint(words):
        for alone in _ALONE.finditer(clause.source, clause.start, min(clause.end, clause.silent)):
            at = bisect_left(clause.sentence.starts, alone.start())
            one = clause.subject_before(at)
            is_said = (
                at > 1
                and clause.sentence.tags[at - 1] in "VR"  # "the horse alone weighs more" says nothing
                and words[at - 2] not in _RELATIVE  # "close to the person who is alone": others are not
            )
            is_of_more = one is not None and any(
                phrase.is_plural and phrase.category == one.category for phrase in clause.phrases
            )  # "two dogs run, and a third is alone"
            is_of_more = is_of_more or (one is not None and clause.source.startswith("one ", one.start))
            if is_said and one is not None and not one.is_plural and not is_of_more:
                yield Statement("count", one.category, one.word, min(one.start, alone.start()), alone.end(), number=1,
                                comparison="at most", in_question=clause.in_question)  # fmt: skip
    if "else" not in words:
        return
    for match in NOBODY_ELSE.finditer(clause.source, clause.start, clause.end):
        yield Statement("count", "person", match[0].lower(), *match.span(), comparison="at most",
                        in_question=clause.in_question)  # fmt: skip


def _read_told(clause: Clause) -> Iterator[Statement]:
    """A number behind its things: "the dogs number four", "the dogs are four in all"."""
    for match in _NUMBERED.finditer(clause.text) if clause.phrases else ():
        phrase = clause.phrase(match["x"])
        if clause.origin(match.start()) < clause.silent and phrase.measure in ("some", None, "open"):
            is_exact = not phrase.is_loose and phrase.is_definite
            yield state(
                "count", phrase, phrase.start, clause.origin(match.end()), clause.in_question,
                number=_value_of(match["number"] or match["all"]), comparison="exact" if is_exact else "at least",
            )  # fmt: skip


_NUMBERED = re.compile(
    rf"(?P<x>{SLOT})(?:\s+number\s+(?:about\s+)?(?P<number>\d{{1,2}}|{NUMBER_FORMS})\b(?!\s+or)|"
    rf"(?:,|\s+are)\s+(?P<all>\d{{1,2}}|{NUMBER_FORMS})\s+(?:in\s+(?:number|total|all)|altogether)\b)",
    FLAGS,
)


def _read_things(clause: Clause) -> Iterator[Statement]:
    """Numbers of what belongs to no category: "two candles", "only one sign"."""
    words = clause.sentence.words
    for noun in clause.nouns():
        number = number_of(noun)
        if number is None or clause.phrase_of(noun) is not None or noun.head in _NO_THINGS or not _is_thing(noun.head):
            continue
        before = words[noun.first - 1] if noun.first else ""
        if before in _NOT_ALL or noun.determiner in _OF_THOSE or (number == 1 and before not in _ONLY):
            continue
        yield Statement(
            "count", noun.head, noun.head, noun.start, noun.end, number=number, value=THING, is_plural=noun.is_plural,
            comparison="at most" if before in _ONLY else "at least",
        )  # fmt: skip


def _is_thing(word: str) -> bool:
    return word == "sign" or bool(senses(word))  # a sign is nothing to be seen to WordNet


THING = "thing"
"""Value of a number of things outside the categories, which captions decide."""
_NO_THINGS = frozenset(
    "side part way thing time hand kind sort reason place row group pair half color colour end corner step piece "
    "point".split()
)
_ONLY = frozenset("only just exactly precisely".split())
_NOT_ALL = ROUGH | PART | {"than"}
_OF_THOSE = frozenset("the these those his her its their any every each no".split())


def number_of(noun: Noun) -> int | None:
    """The number that opens a noun phrase, or None."""
    return next((NUMBERS.get(word) or (int(word) if word.isdigit() else None) for word in noun.modifiers[:1]), None)


def _verify_things(statement: Statement, evidence: Evidence) -> Ruling:
    """Captions that give such things another number, or tell of one alone, speak against theirs."""
    number, word = statement.number or 0, statement.word
    told = [numbers[word] for numbers in evidence.numbers if word in numbers]
    saying = f"{word}: text says {'at most ' if statement.comparison == 'at most' else ''}{number}"
    exact = {n for caption in told for n in caption if n > 1}
    n_one, n_many = sum(caption == {1} for caption in told), sum(1 not in caption for caption in told)
    if any(number in caption for caption in told) and (number > 1 or not n_many):
        return "supported_by_caption", f"{saying}, a caption too"
    n_exact = sum(not exact.isdisjoint(caption) for caption in told)
    if len(exact) == 1 and n_exact >= TWO_TELL and not n_one:
        is_off = number > min(exact) if statement.comparison == "at least" else number != min(exact)
        if is_off:
            return "contradicted", f"{saying}, {n_exact} captions say {min(exact)}"
    if number > 1 and statement.comparison == "at least" and n_one >= THREE_TELL and not n_many:
        return "contradicted", f"{saying}, {n_one} captions tell of one"
    if number == 1 and statement.comparison == "at most" and n_many >= THREE_TELL * max(1, n_one):
        return "contradicted", f"{saying}, {n_many} captions tell of several"
    return "unknown", f"{saying}, captions leave it open"


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """The count in "How many dogs are there?" "Three."."""
    asked = _HOW_MANY.search(turn.question)
    alone = _NO.match(turn.answer) if _ASKS_OTHERS.match(turn.question) else None
    if alone is not None:
        yield Statement("count", "person", "person", *alone.span(), number=1, comparison="at most")
        return
    meant = turn.antecedent if asked is None else _asked_of(turn, asked.end())
    if meant is None:
        return
    for of_them in _OF_THEM.finditer(turn.answer) if asked is None else ():
        number = _value_of(of_them["number"])
        if number > 1:
            yield state("count", meant, *of_them.span("number"), False, number=number, comparison="at least")
    match = _BARE_NUMBER.match(turn.answer) if asked is not None else None
    if match is not None and not any(
        said.kind in ("count", "absence") and said.category == meant.category for said in turn.said
    ):
        is_open = meant.is_loose or _WHOLE_QUESTION.match(turn.question, meant.end) is None
        yield state(
            "count", meant, *match.span("number"), False, number=_value_of(match["number"]),
            comparison="at least" if is_open else "exact",
        )  # fmt: skip


def _value_of(words: str) -> int:
    word = " ".join(words.lower().split())
    return int(word) if word.isdigit() else NUMBERS[word]


def _asked_of(turn: ShortAnswer, start: int) -> Phrase | None:
    """The things whose number a question asks: the first ones behind "how many"."""
    for mention in turn.lexicon.find(turn.question):
        if start <= mention.start <= start + _NEAR_ENOUGH:
            word = turn.question[mention.start : mention.end].lower()
            return Phrase(
                mention.category, word, mention.start, mention.end, "open", None, mention.is_plural, mention.is_loose,
                mention.is_unsure, is_firm=True,
            )  # fmt: skip
    return turn.antecedent


def verify_count(statement: Statement, evidence: Evidence) -> Ruling:
    """Boxes decide where they count exactly; a caption with the same number keeps the question open."""
    if statement.value == THING:
        return _verify_things(statement, evidence)
    category, number = statement.category, statement.number or 0
    count = evidence.counts.get(category)
    told = {
        other.number
        for caption in evidence.told
        for other in caption
        if other.kind == "count"
        and other.category == category
        and other.word == statement.word
        and (other.value != SOME or statement.value == SOME)
    }
    by_caption = number in told
    if count is None:
        return _verify_unboxed(statement, evidence, by_caption=by_caption)
    shown = f"{'' if count.is_exact else 'at least '}{count.at_least}"
    said = f"{'at most ' if statement.comparison == 'at most' else ''}{statement.number}"
    reason = f"{category}: text says {said}, boxes show {shown}"
    too_many = (
        count.is_exact and number > count.at_least * (ROUGHLY if number >= ROUGH_FROM else 1)
        and statement.comparison != "at most"
    )  # fmt: skip
    n_sure = count.at_least
    if evidence.told:
        n_sure = min(n_sure, max(evidence.noticed[category], n_sure // FAR_OFF))
    too_few = number < n_sure and statement.comparison in ("exact", "at most")
    if (statement.value == HERE and n_sure <= FAR_OFF * number) or (
        statement.value == OF_A_KIND and not (_is_far_more(number, n_sure) and _is_any(statement, evidence))
    ):
        return "unknown", f"{reason}, perhaps elsewhere"
    if statement.value == MAIN and _is_far_more(number, n_sure) and not by_caption and _tell_of_many(evidence):
        return "contradicted", f"{reason}, captions tell of many"
    if not (too_many or too_few):
        agreed = _number_of_captions(statement, evidence)
        if agreed and statement.comparison != "at most" and number > max(agreed, len(evidence.boxes[category])):
            return "contradicted", f"{reason}, captions agree on {agreed}"
        by_boxes = number == count.at_least and count.is_exact if statement.comparison == "exact" else (
            number <= count.at_least if statement.comparison == "at least" else count.is_exact
        )  # fmt: skip
        return support(by_caption, by_boxes), reason
    if by_caption:
        return "unknown", f"{reason}, a caption says {number}"
    is_so_called = singular(statement.word) in evidence.nouns  # captions too call it a monitor
    is_anyone = category == "person" and (number > 1 or statement.word in _ANYBODY)  # "three passengers"
    if statement.is_unsure and not is_so_called and not is_anyone:
        return "unknown", f"{reason}, but '{statement.word}' may mean something else"
    is_agreed = count.is_exact and count.at_least in told  # a caption counts as the boxes do
    is_agreed = is_agreed or (count.is_exact and max(number, n_sure) >= FAR_OFF * max(1, min(number, n_sure)) + 1)
    if category in evidence.vocabulary.uncountable and evidence.told and not is_agreed:
        return "unknown", f"{reason}, but their number is a matter of taste"
    is_far_less = number * FAR_OFF <= n_sure or number * FAR_MORE <= count.at_least
    is_far_off = (
        is_far_less and (number > 1 or statement.comparison == "at most")
    ) or number >= count.at_least * FAR_OFF
    if (count.at_least > MAX_COUNT and not is_far_off) or (
        too_many and evidence.is_busy and category in evidence.vocabulary.overlooked and count.at_least > 4
    ):
        return "unknown", f"{reason}, too many to be sure"
    return "contradicted", reason


def _verify_unboxed(statement: Statement, evidence: Evidence, *, by_caption: bool) -> Ruling:
    """A number of what has no box."""
    category, number = statement.category, statement.number or 0
    if statement.comparison == "at most" or by_caption:
        return support(by_caption, False), f"{category}: captions say {number}, none is boxed"
    verdict, reason = verify_presence(statement, evidence)
    return (verdict if verdict == "contradicted" else "unknown"), f"text says {number}, {reason}"


def _is_far_more(number: int, n_sure: int) -> bool:
    """Whether so many more are boxed that nobody would say the number of a group that a picture is about."""
    return n_sure >= FAR_MORE * number and n_sure >= number + 4


FAR_MORE = 3
_ANYBODY = frozenset(
    "visitor tourist guest passenger traveler traveller pedestrian customer spectator onlooker".split()
)
"""Words for whoever is at a place."""
_OF_MANY = (
    "group",
    "crowd",
    "herd",
    "bunch",
    "flock",
    "many",
    "several",
    "lot",
    "row",
    "fleet",
    "pile",
    "stack",
    "number",
)


def _is_any(statement: Statement, evidence: Evidence) -> bool:
    """Whether a narrower word may be said of all that is boxed."""
    word = singular(statement.word)
    is_told = word in evidence.nouns and ((statement.number or 0) > 1 or statement.category != "person")
    return word in _ANYBODY or is_told


def _tell_of_many(evidence: Evidence) -> bool:
    return sum(evidence.nouns.get(word, 0) for word in _OF_MANY) >= TWO_TELL


def _number_of_captions(statement: Statement, evidence: Evidence) -> int | None:
    """The one number, at least two, that several captions give such things; None where they give none or differ."""
    told = [
        {one.number for one in caption
         if one.kind == "count" and one.category == statement.category and one.comparison in ("exact", "at least")
         and one.value != SOME}
        for caption in evidence.told
    ]  # fmt: skip
    numbers = {number for caption in told for number in caption if number}
    if len(numbers) != 1 or min(numbers) == 1 or sum(map(bool, told)) < TWO_TELL:
        return None
    return min(numbers)


THREE_TELL = 3
"""Captions that tell of one thing, or of several, from which on another number of it is wrong."""
TWO_TELL = 2
"""Captions that give one number, from which on there are no more: boxes in a heap may not tell how many there are."""


def excludes(a: Claim, b: Claim) -> bool:
    """An exact number and one that it is not, or a bound that it breaks."""
    return b.kind == "count" and (_numbers_exclude(a, b) or _numbers_exclude(b, a))


def _numbers_exclude(a: Claim, b: Claim) -> bool:
    if a.comparison != "exact" or a.number is None or b.number is None or b.value in (HERE, OF_A_KIND):
        return False
    if b.comparison == "exact":
        return a.number != b.number
    return a.number < b.number if b.comparison == "at least" else a.number > b.number


def count_question(name: str) -> str:
    """Ask for the number of a thing."""
    return f"How many {counted(name, 2).removeprefix('two ')} are there?"


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask for the number, and whether there is any: "three cups" are wrong first of all where there is no cup.

    A question for the number does not tell that: each of its answers says that there is one.
    """
    agrees = _numbers_that_agree(claim)
    if agrees:
        asked = Probe(count_question(claim.category), ANSWERS, with_article(claim.category))
        yield Probed("count", asked, agrees, "count", WRONG_COUNT)
    if claim.number and claim.comparison != "at most":
        yield ask_presence(claim.category)


def _numbers_that_agree(claim: Claim) -> tuple[int, ...]:
    number = claim.number or 0
    numbers = range(1, MAX_ASKED + 1)
    if claim.comparison == "at least":
        agrees = [n for n in numbers if n >= number]
    elif claim.comparison == "at most":
        agrees = [n for n in numbers if n <= number]
    else:
        agrees = [n for n in numbers if n == number]
    return tuple(n - 1 for n in agrees) if len(agrees) < MAX_ASKED else ()


def miscount(answer: str, claim: Claim, spoiling: Spoiling) -> str | None:
    """Say a number of a thing that is off by one.

    Only exact counts of two and more change: "at least three" could only grow, and "there is two dogs" would be found
    by its grammar; either way words would tell, without a picture, what is wrong.
    """
    if claim.comparison != "exact" or claim.number is None or not 2 <= claim.number < MAX_ASKED:
        return None
    wrong = claim.number + 1 if claim.number == 2 or spoiling.rng.random() < 0.5 else claim.number - 1
    span = answer[claim.start : claim.end]
    whole = re.search(rf"\b{re.escape(counted(claim.category, claim.number))}\b", span, re.IGNORECASE)
    if whole is not None:
        return replaced(answer, claim.start + whole.start(), claim.start + whole.end(), counted(claim.category, wrong))
    number = _NUMBER.search(span)
    if number is None or number[0].lower() not in (str(claim.number), number_word(claim.number)):
        return None
    said = str(wrong) if number[0].isdigit() else number_word(wrong)
    return replaced(answer, claim.start + number.start(), claim.start + number.end(), said)


COUNT = Kind(
    name="count",
    says="how many of a thing there are",
    examples=("There are three dogs.", "There are at least three dogs.", "Several dogs run.", "There is only one dog."),
    read_phrase=read_phrase,
    read_clause=read_clause,
    reads_bare=True,
    read_short_answer=read_short_answer,
    verify=verify_count,
    excludes=excludes,
    agrees_within=True,
    probe=probe,
    plants=((WRONG_COUNT, miscount), (ABSENT_OBJECT, name_absent)),
    measures=("presence", "count"),
    is_existence=True,
    if_supposed="if shown",
    bears_out_wider=lambda statement, n_boxed, _: (
        statement.comparison == "at least" and n_boxed >= (statement.number or 0)
    ),
    caption_fault="caption_count_disagrees",
)
