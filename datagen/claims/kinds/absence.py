"""Absence: "There is no dog", and "No" to "Is there a dog?", say that there is none."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from datagen.claims.acts import act_of
from datagen.claims.clause import FRAME, SLOT, SLOTS, Clause, Statement, state
from datagen.claims.grammar import ABSENCES, ASKS_EXISTENCE, DENIED_HERE, EXISTENCE, FLAGS, NOBODY, SCENES
from datagen.claims.kind import ABSENT_OBJECT, Evidence, Kind, Ruling, ShortAnswer, ask_presence, doubt_of_absence
from datagen.claims.layout import area_of, gap_between
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.claims.syntax import singular
from datagen.claims.wordnet import is_a
from datagen.records import Claim, ClaimVerdict

_ENDS_QUESTION = re.compile(
    rf"(?:{FRAME}|\s+(?:here|around|anywhere|at all|part|visible|shown|present|in view)\b|\s*[?.!,]|\s*$)", FLAGS
)


_APART = re.compile(r"\b(?:(?:apart|aside) from|besides|except(?: for)?|other than|beyond)\b", FLAGS)
"""What is not denied: "apart from the bus, no vehicle is there"."""
_NEITHER = re.compile(r"\b(?:neither|nor)\s+$", FLAGS)
_NOT_HAVING = re.compile(
    rf"(?:\b(?:not|never)|n['’]t)\s+(?:carry|hold|hav|wear|bring|brought|us|"
    rf"rid)\w*\s+(?:any\s+)?(?P<y>{SLOT})(?!\s+(?:and|or)\b)",
    FLAGS,
)
"""Denies that someone has a thing, which may be there all the same: "The man isn't carrying a backpack"."""
_WITHOUT = re.compile(rf"\bwithout\s+(?P<x>{SLOT})", FLAGS)
_SCENE = re.compile(SCENES, FLAGS)
_OF_SCENE = re.compile(rf"\b(?:{SCENES}|scene|place|area),?\s+$", FLAGS)
"""What a whole picture shows: "a street without cars" has none."""
_WITHOUT_WORDS, _NOT_WORDS = frozenset(("without",)), frozenset(("not", "never"))
_NO_ONE_AT = re.compile(
    r"\b(?:there(?: is|['’]s)|(?:nobody|no one|no-one) (?:is|sits|stands)(?: sitting| standing| lying| seated)?) ?"
    r"(?:nobody |no one |no-one |(?<=is )|(?<=sits )|(?<=stands )|(?<=ing )|(?<=seated ))"
    r"(?:on|in|at|under|beside|behind)\s+(?:the|this|that)\s+(?:[a-z]+\s+)?(?P<noun>[a-z]+)(?=\s*(?:[.,;!]|$))",
    FLAGS,
)
"""Denies that anybody is at a place: "there is nobody on the bench"."""
_ON_IT = re.compile(rf"\s+(?:on|at)\s+(?P<y>{SLOT})", FLAGS)
_BY = re.compile(
    r"\s+(?:(?:is|are|hangs?|stands?|sits?|lies?)\s+)?"
    r"(?:above|over|below|under|underneath|beneath|behind|beside|next\s+to|near|in\s+front\s+of)\s+"
    r"(?:(?P<it>it|them)\b|(?:the|this|that)\s+(?:[a-z]+\s+)?(?P<noun>[a-z]+)(?=\s*(?:[.,;!]|$)))",
    FLAGS,
)
"""Beside what a thing is denied: "no clock above the door"."""
_AT_NOUN = re.compile(
    r"\s+(?:(?:is|are|stands?|sits?|lies?)\s+)?(?:on|at|in|inside|along|around|near)\s+(?:the|this|"
    r"that)\s+(?:[a-z]+\s+)?"
    r"(?P<noun>[a-z]+)(?=\s*(?:[.,;!]|$))",
    FLAGS,
)
"""Where a thing is denied: "no phone on the desk"."""
SCENE_CAPTIONS = 2
"""A place that so many captions name is where the picture's things are."""
_ON_THAT = re.compile(
    r"\s+(?:(?:is|are)\s+)?(?:on\s+(?:it|them)\b|(?P<someone>with\s+(?:him|her|them)\b|in\s+(?:his|her|their)\s+hands?\b|"
    r"on(?=\s*(?:[.,;!]|$))))",
    FLAGS,
)
"""Where a thing is denied, by a pronoun: "the wall has no clock on it", "she has no bag with her"."""
_SURFACES = frozenset(("dining table", "bed", "couch"))
"""What things lie on so that their boxes lie in its own."""
SEVERAL = 3
"""Boxes of which nobody passes over all, however small they are."""
TELLING = 3
"""Captions that tell of a thing and of one person alone, from which on that one has it."""
INSIDE = 0.8
"""Share of a box's width over another's from which on the thing stands there, with its lower edge on it."""
_GOES_WITHOUT = re.compile(
    r"\W*(?:he|she|the (?:[a-z]+ )?(?:man|woman|boy|girl|person|lady|child))\b(?:(?!\b(?:could|would|not|can|might)\b)"
    r"[^,.;])*\bwithout\b",
    FLAGS,
)
"""One person has not what they might have: "he has come without a dog"."""
_NOBODY_WORDS = frozenset(("nobody", "one", "no-one", "soul"))
_DOES = re.compile(
    r"\b(?:nobody|no one|no-one|none of (?:them|the (?:people|men|women|children)))\s+"
    r"(?:here\s+)?(?:is|are)\s+(?P<verb>[a-z]+ing)\b",
    FLAGS,
)
"""Denies that anybody does a thing: "nobody is riding"."""
_LISTED = re.compile(
    r",?\s+(?:or|nor|and)\s|,\s(?!(?:just|only|but|so|and|because|since|as|which|though|although|while|not|nor|it|he|"
    r"she|they|there|"
    r"the|an?|some|all|everything|at least|apart|except|even|nothing|let alone)\b)",
    FLAGS,
)
"""More things that are denied: "no cup, fork or knife"; not what there is instead: "no cup, JUST A FEW forks"."""
_SOMEWHERE = re.compile(
    r"\b(?:on|at|near|next|under|behind|beside|by|around (?:the|it)|with|(?:in|inside) (?!(?:the|this) (?:image|"
    r"picture|photo|"
    r"scene|frame)|sight|view))\b",
    FLAGS,
)


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Denials of a thing; one with a number ("does not show three dogs") denies the number alone."""
    for phrase, end in clause.denied:
        if clause.source.startswith(("another", "a second", "a different"), phrase.start):
            continue  # "there isn't another dog" beside the one told of
        if phrase.is_definite and _NEITHER.search(clause.source, clause.start, phrase.start):
            continue  # "neither the dog nor the cat is on the left"
        if phrase.number is None or clause.source.startswith(("a single", "any single"), phrase.start):
            yield state("absence", phrase, phrase.start, end, clause.in_question, is_firm=True)
    for bare in _WITHOUT.finditer(clause.text) if clause.sentence.may_have(_WITHOUT_WORDS) else ():
        phrase = clause.phrase(bare["x"])
        if any(phrase is denied for denied, _ in clause.denied):
            continue
        topic = clause.sentence.topic()
        is_of_scene = topic is not None and topic.end <= phrase.start and _SCENE.fullmatch(topic.head) is not None
        if is_of_scene or clause.source.startswith("a single", phrase.start) or (
            _OF_SCENE.search(clause.text, 0, bare.start())
        ):  # fmt: skip
            yield state("absence", phrase, phrase.start, phrase.end, clause.in_question, is_firm=True)
        elif clause.source.startswith(("a ", "an ", "his ", "her "), phrase.start) and _GOES_WITHOUT.match(
            clause.source, clause.start
        ):
            yield state("absence", phrase, phrase.start, phrase.end, clause.in_question, value="with someone",
                        is_firm=True)  # fmt: skip
    may_not_have = len(clause.phrases) > 1 and clause.sentence.may_have(_NOT_WORDS)
    for owned in _NOT_HAVING.finditer(clause.text) if may_not_have else ():
        phrase = clause.phrase(owned["y"])
        if phrase.number is None:
            at = clause.origin(owned.start()), phrase.end
            yield state("absence", phrase, *at, clause.in_question, value="with someone", is_firm=True)
    yield from _read_things(clause)
    yield from _read_undone(clause)
    if not _NOBODY_WORDS.isdisjoint(clause.sentence.words):
        yield from _read_nobody(clause)


def _read_nobody(clause: Clause) -> Iterator[Statement]:
    """Denials of people: in the picture, at a place, or of their doing something."""
    for done in _DOES.finditer(clause.source, clause.start, clause.end):
        act = act_of(done["verb"].lower())
        if act is not None:
            yield Statement("absence", "person", "people", *done.span(), in_question=clause.in_question,
                            value=f"doing {act}")  # fmt: skip
    for at in _NO_ONE_AT.finditer(clause.source, clause.start, clause.end):
        yield Statement("absence", "person", "people", *at.span(), in_question=clause.in_question,
                        value=f"at {at['noun'].lower()}")  # fmt: skip
    for match in NOBODY.finditer(clause.source, clause.start, clause.end):
        yield Statement("absence", "person", "people", *match.span(), in_question=clause.in_question)


def _read_undone(clause: Clause) -> Iterator[Statement]:
    """What someone or something does not do: "the giraffes aren't eating", "none of the dogs is asleep"."""
    sentence = clause.sentence
    if _NEGATORS.isdisjoint(sentence.words):
        return
    for none in _NONE_OF.finditer(clause.text):
        phrase, act = clause.phrase(none["x"]), act_of(none["verb"].lower())
        if act is not None and phrase.category != "person":
            yield state("absence", phrase, clause.origin(none.start()), clause.origin(none.end()), clause.in_question,
                        value=f"doing {act}", is_firm=True)  # fmt: skip
    for negated in _IS_NOT_DOING.finditer(clause.text):
        phrase, act = clause.phrase(negated["x"]), act_of(negated["verb"].lower())
        if act is not None and (phrase.is_definite or phrase.is_stand_in):
            yield state("absence", phrase, phrase.start, clause.origin(negated.end()), clause.in_question,
                        value=f"doing {act}", is_firm=True)  # fmt: skip


_NONE_OF = re.compile(
    rf"\b(?:none|neither|not one) of (?P<x>{SLOT})\s+(?:is|are)\s+(?P<verb>[a-z]+ing)\b(?=\s*(?:[.,;!]|$))", FLAGS
)
_IS_NOT_DOING = re.compile(
    rf"(?P<x>{SLOT})\s+(?:(?:is|are)n['’]t|(?:is|are) not)\s+(?P<verb>[a-z]+ing)\b(?=\s*(?:[.,;!]|$))", FLAGS
)


def _read_things(clause: Clause) -> Iterator[Statement]:
    """Denials of what belongs to no category, by syntax: "no trees", "isn't wearing a hat", "without a roof"."""
    sentence = clause.sentence
    if _NEGATORS.isdisjoint(sentence.words):
        return
    words, tags = sentence.words, sentence.tags
    for noun in sentence.nouns:
        if not clause.start <= noun.end - 1 < clause.end or clause.phrase_of(noun) is not None:
            continue
        by = _by_what(clause, noun.end)
        is_nothing = noun.head in _NO_THINGS and (by is None or noun.head != "picture")
        if noun.determiner not in _INDEFINITE or is_nothing or "M" in tags[noun.first : noun.last]:
            continue
        n = noun.first - 1
        if noun.determiner != "no":
            while n >= 0 and (tags[n] in "VRGO" or words[n] == "of") and words[n] not in _NEGATORS:
                n -= 1
            is_nobody = _IS_NOBODY.match(clause.source, clause.start) is not None and words[noun.first - 1] in _HAVING
            if not is_nobody and (n < 0 or words[n] not in _NEGATORS or words[n] == "no"):
                continue
        is_had = _HAVING.isdisjoint(words[max(0, n - 3) : noun.first]) is False and "there" not in words[: noun.first]
        rest = _AT_NOUN.match(clause.source, noun.end, clause.end)
        listed = _ALSO.match(clause.source, noun.end)  # "not a single tree or bush around"
        if (
            not is_had
            and rest is None
            and by is None
            and DENIED_HERE.match(clause.source, listed.end() if listed else noun.end) is None
        ):
            continue
        if not _MODIFIED.isdisjoint(noun.modifiers):
            continue
        modifiers = tuple(word for word in noun.modifiers if word != "single")
        owner = clause.subject_before(n if noun.determiner != "no" else n + 1) if is_had else None
        if is_had and (owner is None or owner.is_plural) and words[0] not in _ONE_OR_NONE:
            continue
        yield Statement("absence", noun.head, noun.head, noun.start, noun.end if by is None else by[1],
                        in_question=clause.in_question, others=modifiers,
                        value="thing" if by is None else f"by {by[0]}")  # fmt: skip


_ALSO = re.compile(r"\s+(?:or|and)\s+(?:an?\s+)?[a-z]+\b", FLAGS)
_NEGATORS = frozenset(
    "no not none nobody neither without lacks lack lacking never free devoid bare isn't aren't doesn't don't "
    "isn’t aren’t doesn’t don’t "
    "cannot can't can’t wasn't hasn't haven't".split()
)
_ONE_OR_NONE = frozenset("nobody none no it he she neither".split())
_IS_NOBODY = re.compile(r"\W*(?:no,?\s+)?(?:none of|nobody|no one|no-one|neither of)\b", FLAGS)
_INDEFINITE = frozenset(("", "no", "a", "an", "any"))
_MODIFIED = frozenset(
    "other more additional further different particular special real such second clear visible".split()
)
_HAVING = frozenset(
    "has have having with wears wear wearing holds holding hold carries carrying carry features feature shows "
    "show without "
    "lacks lack lacking".split()
)
_NO_THINGS = frozenset(
    "present else sign one way doubt reason need idea image picture photo scene side kind sort type trace hint place "
    "time longer part "
    "indication evidence problem matter question left right top bottom middle thing lot hand sense use brought".split()
)
"""Nouns that denials are about without denying a thing."""


def read_phrase(phrase: Phrase, clause: Clause) -> Statement | None:
    """Read "no dog", unless it denies only one of some place: "no dog on the bed"."""
    if phrase.measure != "none" or _APART.search(clause.source, clause.start, phrase.start) is not None:
        return None
    if _is_somebodys(clause, phrase):
        return state(
            "absence", phrase, phrase.start, phrase.end, clause.in_question, value="with someone", is_firm=True
        )
    listed = _LISTED.match(clause.source, phrase.end, clause.end)  # "no cup, fork or knife on the table"
    on = _ON_IT.match(clause.text, clause.text.index(chr(0xE000 + clause.phrases.index(phrase))) + 1)
    if on is not None and clause.phrase(on["y"]).category in _SURFACES:
        return state("absence", phrase, phrase.start, clause.phrase(on["y"]).end, clause.in_question,
                     value=f"on {clause.phrase(on['y']).category}")  # fmt: skip
    own = _ON_THAT.match(clause.source, phrase.end, clause.end)
    if own is not None:
        owner = next((noun for noun in clause.sentence.nouns if noun.end <= phrase.start), None)
        if own["someone"] is not None:
            return state("absence", phrase, phrase.start, own.end(), clause.in_question, value="with someone",
                         is_firm=True)  # fmt: skip
        if owner is not None:
            return state("absence", phrase, phrase.start, own.end(), clause.in_question, value=f"at {owner.head}",
                         is_firm=True)  # fmt: skip
    at = _AT_NOUN.match(clause.source, phrase.end, clause.end)
    if at is not None and listed is None and DENIED_HERE.match(clause.source, phrase.end) is None:
        return state("absence", phrase, phrase.start, at.end(), clause.in_question, value=f"at {at['noun'].lower()}",
                     is_firm=True)  # fmt: skip
    by = _by_what(clause, phrase.end)
    if by is not None:
        return state("absence", phrase, phrase.start, by[1], clause.in_question, value=f"by {by[0]}", is_firm=True)
    if listed is not None:
        if _SOMEWHERE.search(clause.source, listed.end(), clause.end) is not None:
            return None
    elif not _denies_all(clause, phrase):
        return None
    return state("absence", phrase, phrase.start, phrase.end, clause.in_question, is_firm=True)


def _denies_all(clause: Clause, phrase: Phrase) -> bool:
    """Whether "no dog" is said of the whole picture: of what is told to be there, where nothing picks out some."""
    if DENIED_HERE.match(clause.source, phrase.end) is not None:
        return True
    told = EXISTENCE.search(clause.source, clause.start, phrase.start)
    if told is None or clause.source[told.end() : phrase.start].strip() or _SOME.match(clause.source, phrase.end):
        return False
    return told[0] not in _HAVE or _SCENE.match(clause.source[: told.start()].rstrip().rpartition(" ")[2]) is not None


_HAVE = frozenset(("has", "have", "holds", "includes", "including"))
_SOME = re.compile(
    r"\s+(?:on|at|near|next|under|underneath|behind|beside|by|around|with|in(?! which to)|inside|within|of|above|over|"
    r"below|beneath|between|among|against|along|across|to (?:the|his|her|its)|left|right|close|that|who|which|whose|"
    r"where|whom|like|than|as|and|or|but|[a-z]+(?:ing|ed|er))\b",
    FLAGS,
)
"""What picks out some of the denied things: "no dog ON the bed", "no car THAT is red"."""


def _is_somebodys(clause: Clause, phrase: Phrase) -> bool:
    """Whether one person alone is said to have none: "SHE HAS no handbag", where others may have one."""
    sentence = clause.sentence
    n = bisect_left(sentence.starts, phrase.start) - 1
    if n < 1 or sentence.words[n] not in _OWNING:
        return False
    owner = clause.subject_before(n)
    return owner is not None and owner.category == "person" and not owner.is_plural


_OWNING = frozenset("has wears carries holds".split())


def _by_what(clause: Clause, end: int) -> tuple[str, int] | None:
    """Beside which other thing one is denied that ends at a position, and where that is said."""
    by = _BY.match(clause.source, end, clause.end)
    if by is None:
        return None
    topic = clause.sentence.meant() if by["it"] is not None else None
    name = by["noun"] or (topic.head if topic is not None else None)
    return None if name is None else (singular(name), by.end())


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """What "No" denies: the thing a question asked the existence of."""
    if _SAYS_NONE.match(turn.answer) is None:
        return
    anyone = _ASKS_ANYONE.match(turn.question)
    if anyone is not None:
        yield Statement("absence", "person", "people", *anyone.span(), in_question=True)
        return
    had = _ASKS_HAVING.match(turn.question)
    if had is not None:  # "Is the woman wearing a hat?" "No."
        yield from _deny_had(turn, had)
        return
    any_has = _ASKS_ANY_HAS.match(turn.question)
    text = SLOTS.sub(" ", turn.question)
    if any_has is not None:  # "Has anyone got a handbag?" "No."
        for mention in turn.lexicon.find(text):
            if mention.start == any_has.end() and _ENDS_QUESTION.match(text, mention.end):
                word = text[mention.start : mention.end]
                yield Statement("absence", mention.category, word, mention.start, mention.end, in_question=True,
                                value=WITH_ANYONE, is_loose=mention.is_loose, is_unsure=mention.is_unsure)  # fmt: skip
        return
    phrases = noun_phrases(text, turn.lexicon.find(text), 0, len(text))
    if len(phrases) != 1 or phrases[0].number is not None:
        return
    match = ASKS_EXISTENCE.match(Clause(text, 0, len(text), phrases).text)
    if match is not None and (match["y"] or _ENDS_QUESTION.match(text, phrases[0].end)):
        yield state("absence", phrases[0], phrases[0].start, phrases[0].end, True, is_firm=True)


_SAYS_NONE = re.compile(
    r"no\b(?! one of)|none\b(?! of)|nobody\b|there (?:is|are) (?:none|nobody|no one)\b|"
    r"there (?:is|are)(?:n['’]t| not)(?: (?:one|any)\b|\s*[.,])|"
    r"(?:i|you|we) (?:do not|don['’]t|cannot|can['’]t) (?:see|find|spot) (?:one|any)\b(?! of)",
    FLAGS,
)
_ASKS_ANYONE = re.compile(
    r"(?:is there|are there|do you see|can you see) (?:anyone|anybody)(?: (?:here|there|visible|in (?:the|this) "
    r"(?:image|picture|photo|scene|frame)))?\s*\?",
    FLAGS,
)
WITH_ANYONE = "with anyone"
"""Value of the denial that any of the people has a thing."""
_ASKS_ANY_HAS = re.compile(
    r"(?:has|have|does|do|is|are)\s+(?:anyone|anybody|any\s+of\s+(?:them|the\s+[a-z]+)|either\s+of\s+them|"
    r"any\s+(?:person|people|man|woman))\s+"
    r"(?:got|have|having|carry|carrying|hold|holding|wear|wearing|use|using)\s+(?:(?:an?|any)\s+)?",
    FLAGS,
)
_ASKS_HAVING = re.compile(
    r"(?:is|does|has|did)\s+(?:(?:the|this|that)\s+(?:[a-z]+\s+){1,3}?|(?:he|she)\s+)"
    r"(?:have|having|wearing|wear|holding|hold|carrying|carry|got)\s+"
    r"(?:(?:a|an|any)\s+)?(?:pair of\s+)?(?P<noun>(?!anything|something)[a-z]+)\s*\?\s*$|"
    r"(?:is|are)\s+there\s+(?:a|an|any)\s+(?P<thing>[a-z]+)"
    r"(?:\s+(?:here|anywhere|visible|(?:in|on|at)\s+the\s+(?:image|picture|photo|scene|background|ground|sky|wall|"
    r"street)))?\s*\?\s*$",
    FLAGS,
)


def _deny_had(turn: ShortAnswer, had: re.Match[str]) -> Iterator[Statement]:
    """What "No" denies: someone has it, or it is there."""
    group = "noun" if had["noun"] is not None else "thing"
    named = [phrase for phrase in turn.lexicon.find(turn.question) if phrase.end == had.end(group)]
    if not named:
        head = singular(had[group].lower())
        yield Statement("absence", head, head, *had.span(group), in_question=True, value="thing")
    elif group == "noun":
        yield Statement("absence", named[0].category, had[group].lower(), *had.span(group), in_question=True,
                        value="with someone", is_loose=named[0].is_loose, is_unsure=named[0].is_unsure)  # fmt: skip
    else:
        yield Statement("absence", named[0].category, had[group].lower(), *had.span(group), in_question=True,
                        is_loose=named[0].is_loose, is_unsure=named[0].is_unsure)  # fmt: skip


def verify_absence(statement: Statement, evidence: Evidence) -> Ruling:
    """One clearly visible box, or two captions that name it, speak against it."""
    category = statement.category
    if statement.value == "thing":
        named = [evidence.nouns.get(singular(word), 0) for word in (category, *statement.others)]
        if min(named):
            return "contradicted", f"{category}: text says there is none, {min(named)} captions name it"
        return "unknown", f"{category}: text says there is none, no caption names it"
    if statement.value is not None and statement.value.startswith("doing "):
        act = statement.value.removeprefix("doing ")
        n_doing = sum(
            any(one.kind == "action" and one.category == category and (one.value or "").startswith(act) for one in said)
            for said in evidence.told
        )  # fmt: skip
        count = evidence.counts.get(category)
        is_all = statement.word == "people" or statement.is_plural or (
            count is not None and count.is_exact and count.at_least == 1
        )  # fmt: skip
        verdict: ClaimVerdict = "contradicted" if n_doing >= SCENE_CAPTIONS and is_all else "unknown"
        return verdict, f"{category}: text says that nobody is {act}, {n_doing} captions tell of it"
    if statement.value is not None and statement.value.startswith("on "):
        return _verify_not_on(statement, evidence)
    if statement.value is not None and statement.value.startswith("at "):
        return _verify_not_at(statement, evidence)
    if statement.value is not None and statement.value.startswith("by "):
        return _verify_not_by(statement, evidence)
    if statement.value == WITH_ANYONE:
        return _verify_nobody_has(statement, evidence)
    if statement.value is not None:
        return _verify_not_had(statement, evidence)
    is_loose = not _is_own(statement, evidence)
    count, n_captions = evidence.counts.get(category), evidence.named.get(category, 0)
    n_shown = count.at_least if count is not None else 0
    if n_shown and (evidence.noticed[category] or n_shown >= SEVERAL) and not is_loose:
        return "contradicted", f"{category}: text says there is none, boxes show {n_shown}"
    is_named = n_captions >= 2 or (n_captions and count is not None)
    if is_named and not is_loose and category not in evidence.maybe_named:
        return "contradicted", f"{category}: text says there is none, {n_captions} captions name it"
    if count is not None or n_captions:
        return "unknown", f"{category}: text says there is none, the annotations are at odds"
    doubt = doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "supported_by_boxes", f"{category}: no box and no caption shows one"


def _is_own(statement: Statement, evidence: Evidence) -> bool:
    """Whether who denies a word denies the category: no plant is no potted one, but no pedestrian may be a driver."""
    word = singular(statement.word)
    if not statement.is_loose or word in evidence.nouns:
        return True
    return statement.category.endswith(f" {word}") or is_a(statement.category.split()[-1], word)


def _verify_not_on(statement: Statement, evidence: Evidence) -> Ruling:
    """A thing whose box has its lower edge in that of a table is on it, or at it."""
    category, place = statement.category, (statement.value or "").removeprefix("on ")
    saying = f"{category}: text says there is none on the {place}"
    for box in evidence.boxes.get(category, ()):
        for under in evidence.boxes.get(place, ()):
            across = max(0.0, min(box[2], under[2]) - max(box[0], under[0]))
            stands = under[1] <= box[3] <= under[3] and across >= INSIDE * (box[2] - box[0])
            if evidence.noticed[category] and stands and area_of(box) <= area_of(under):
                return "contradicted", f"{saying}, a box shows one there"
    return "unknown", f"{saying}, the boxes leave it open"


def _verify_not_at(statement: Statement, evidence: Evidence) -> Ruling:
    """What is boxed is at the place that captions are about."""
    category, place = statement.category, (statement.value or "").removeprefix("at ")
    saying = f"{category}: text says there is none at the {place}"
    count, is_own = evidence.counts.get(category), _is_own(statement, evidence)
    is_scene = evidence.nouns.get(singular(place), 0) >= SCENE_CAPTIONS
    if is_scene and is_own and count is not None and count.at_least and evidence.noticed[category]:
        return "contradicted", f"{saying}, captions are about it and boxes show {count.at_least}"
    return "unknown", f"{saying}, the annotations leave it open"


def _verify_not_by(statement: Statement, evidence: Evidence) -> Ruling:
    """Captions that name both things tell that they are together."""
    word, other = singular(statement.word), (statement.value or "").removeprefix("by ")
    n_both = sum(
        other in words and (word in words or statement.category in _categories(told))
        for words, told in zip(evidence.words, evidence.told, strict=True)
    )
    saying = f"{statement.category}: text says there is none by the {other}, {n_both} captions name both"
    return ("contradicted" if n_both >= SCENE_CAPTIONS else "unknown"), saying


def _categories(told: tuple[Statement, ...]) -> frozenset[str]:
    return frozenset(one.category for one in told)


def _verify_nobody_has(statement: Statement, evidence: Evidence) -> Ruling:
    """What lies with a person is somebody's."""
    category = statement.category
    saying = f"{category}: text says that nobody has one"
    people = evidence.boxes.get("person", ())
    if any(gap_between(box, owner) == 0 for box in evidence.boxes.get(category, ()) for owner in people):
        return "contradicted", f"{saying}, a box shows one with a person"
    return "unknown", f"{saying}, no box shows one with a person"


def _verify_not_had(statement: Statement, evidence: Evidence) -> Ruling:
    """Of one person alone who has a thing boxed on them it is plain that they have it."""
    category = statement.category
    people, count = evidence.counts.get("person"), evidence.counts.get(category)
    saying = f"{category}: text says that someone has none"
    if people is None or count is None or not people.is_exact or people.at_least != 1 or not evidence.noticed[category]:
        return "unknown", f"{saying}, the annotations do not tell who has what"
    owner = evidence.boxes["person"][0]
    if evidence.named.get(category, 0) >= TELLING:
        return "contradicted", f"{saying}, {evidence.named[category]} captions tell of one beside the only person"
    if any(gap_between(box, owner) == 0 for box in evidence.boxes[category]):
        return "contradicted", f"{saying}, a box shows one with the only person"
    return "unknown", f"{saying}, what is boxed lies apart"


def excludes(claim: Claim, other: Claim) -> bool:
    """Any number of the thing, and its presence where something bears that out."""
    if claim.value is not None:
        return False
    return other.kind == "count" or (other.kind == "presence" and other.verdict != "unknown")


ABSENCE = Kind(
    name="absence",
    says="there is no such thing",
    examples=("There is no dog.", *(row.example for row in ABSENCES)),
    read_clause=read_clause,
    reads_bare=True,
    read_phrase=read_phrase,
    read_short_answer=read_short_answer,
    verify=verify_absence,
    excludes=excludes,
    agrees_within=True,
    probe=lambda claim: [ask_presence(claim.category, is_there=False)],
    plants=(),
    suffers=lambda claim: (ABSENT_OBJECT,),
    measures=("presence",),
    denies=True,
    if_supposed="stands",
)
