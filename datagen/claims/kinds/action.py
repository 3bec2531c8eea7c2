"""Action: "The dog sleeps on the bed" says what someone or something does, and on what it sits, lies or rides.

Captions alone tell it; sentences on parts may bear it out. It is contradicted where captions give the one that is meant
an action that shuts the other out (who sleeps does not run), where two of them seat it on one thing and the text on
another that no caption names, and where three of them tell what it does and none has an action that nobody would pass
over (climbing, eating).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datagen.claims.acts import ACTS, act_of
from datagen.claims.clause import Clause, Statement, Subject
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ask_yes_no,
    boxes_meant,
    captions_agree,
    is_the_same,
    turning,
)
from datagen.claims.syntax import class_of
from datagen.claims.wordnet import are_kin, is_a, verb_of
from datagen.lexicon import is_plural_only
from datagen.records import Claim

_PASSED_OVER = frozenset(
    "sitting standing lying kneeling walking looking talking smiling parked riding playing petting carrying pulling "
    "crossing throwing running jumping".split()
)
"""Actions that people see and do not tell; of any other one somebody would tell who tells what someone does."""
_RESULTS = frozenset(("seated", "perched", "parked", "sprawled", "towed", "crouched"))
"""Forms in -ed that tell what one does; others are what was done to a thing."""
_SPORTS = {
    "tennis": "tennis", "baseball": "baseball", "soccer": "soccer", "football": "football", "golf": "golf",
    "basketball": "basketball", "frisbee": "frisbee", "volleyball": "volleyball", "wii": "video game",
    "guitar": "guitar", "piano": "piano", "chess": "chess", "cards": "cards", "hockey": "hockey", "cricket": "cricket",
}  # fmt: skip
_RIDDEN = {"wave": "surfing", "skateboard": "skateboarding", "surfboard": "surfing", "snowboard": "snowboarding"}
_SHUT_OUT: dict[str, str] = {
    "sitting": "standing walking running jumping swimming dancing skiing snowboarding surfing skateboarding",
    "standing": "lying swimming sleeping flying sitting",
    "lying": "walking running jumping dancing skiing skateboarding surfing swimming flying",
    "parked": "driving flying running",
    "flying": "sitting walking swimming",
    "swimming": "walking running eating dancing riding",
    "crying": "smiling",
    "kneeling": "walking running jumping",
    "riding": "walking lying kneeling running",
    "cooking": "reading swimming riding dancing",
    "eating": "running",
    "reading": "typing eating dancing swimming surfing skiing skateboarding snowboarding running jumping",
    "dancing": "eating typing cooking riding driving",
    "walking": "driving skiing surfing skateboarding snowboarding",
}  # fmt: skip
_BOARDS = (
    "skateboarding",
    "surfing",
    "skiing",
    "snowboarding",
    "sledding",
    "tennis",
    "baseball",
    "soccer",
    "football",
    "golf",
    "basketball",
    "frisbee",
    "volleyball",
    "hockey",
    "cricket",
    "video game",
    "chess",
    "guitar",
    "piano",
)
MANY = 3
"""Captions that tell what someone does, from which on their silence on such an action speaks against it."""
_IN_SLEEP = frozenset("sleeping sitting lying kneeling standing smiling parked hugging".split())
"""What a sleeper may look like."""
SHUT_OUT = frozenset(
    {frozenset((a, b)) for a, others in _SHUT_OUT.items() for b in others.split()}
    | {frozenset((a, b)) for a in _BOARDS for b in _BOARDS if a != b}
    | {frozenset(("sleeping", act)) for act in (*ACTS.values(), "awake") if act not in _IN_SLEEP}
)
"""Pairs of actions that one being does not do at once, and nobody takes for one another."""
SELDOM = frozenset(
    frozenset(pair.split())
    for pair in ("walking running", "standing running", "standing walking", "sitting lying", "lying kneeling")
)
"""Pairs that may be taken for one another: two captions must speak against the text."""
ANIMATE = frozenset("person bird cat dog horse sheep cow elephant bear zebra giraffe".split())
_OF_THINGS = frozenset(("parked", "driving", "flying", "towing"))
"""Actions of things; that a bicycle "stands" or "lies" there says only where it is."""
_SEATS = frozenset(("sitting", "lying", "sleeping", "riding"))
_AS_VERBS = frozenset(("awake", "lying", "asleep", "airborne", "fishing"))
_ONTO = frozenset("on atop in top of down upright comfortably".split())
_GENERAL = frozenset(
    "ground floor grass top edge side back surface seat furniture something lap end middle corner front field area "
    "air sand snow way street road sidewalk water line row picture image scene background foreground left right".split()
)
"""Seats that two people may name for one thing."""
WRONG_ACTION = PlantedError("action", "a wrong action")


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Verbs of the table with their subject, in any form; those before a denial only."""
    sentence = clause.sentence
    words = sentence.words
    span = clause.words()
    for noun in clause.nouns():
        if not noun.modifiers:
            continue
        n = next((noun.last - k for k, word in enumerate(reversed(noun.modifiers), 1) if _is_shown(word)), None)
        subject = None if n is None or noun.determiner in ("no", "any", "every") else clause.named(noun)
        value = None if n is None or subject is None else act_of(words[n])
        if n is not None and subject is not None and value is not None and _may_do(subject, value):
            yield _told(clause, subject, value, sentence.starts[n], noun.end)  # "a SLEEPING dog"
    for n in span:
        if words[n] in ("nap", "snooze") and words[n - 1] in ("a", "little", "short") and n > span.start + 1:
            taken = next((k for k in range(n - 1, max(n - 4, -1), -1) if words[k].startswith(("tak", "hav"))), None)
            subject = None if taken is None else _subject(clause, taken)
            if subject is not None and subject.category in ANIMATE:  # "takes a nap"
                yield _told(clause, subject, "sleeping", sentence.starts[n], sentence.ends[n])
            continue
        if (
            (sentence.tags[n] not in "VFG" or class_of(words[n]) == "V")
            and words[n] not in _RESULTS
            and words[n] not in _AS_VERBS
        ):
            continue
        if act_of(words[n]) is None or _is_idiom(words, n):
            continue
        subject = _subject(clause, n)
        if subject is None:
            continue
        value, end = _action(clause, n)
        is_aloft = subject.category in ("kite", "balloon") or is_a(subject.category, "aircraft")
        if is_aloft and value in ("sitting", "standing", "lying"):
            value = "parked"  # a plane at its gate
        if value is None or not _may_do(subject, value):
            continue
        yield _told(clause, subject, value, sentence.starts[n], end)


def _is_shown(modifier: str) -> bool:
    return modifier in _RESULTS or (modifier.endswith("ing") and class_of(modifier) == "G")


def _may_do(subject: Subject, value: str) -> bool:
    """Whether an action is told of somebody who can do it, or of a thing that is parked; a person flies a kite."""
    if value.partition(" ")[0] in ("playing", "carrying", "pulling") or (value, subject.category) == (
        "flying",
        "person",
    ):
        return False
    return kin_of(subject.category) is not None or value in _OF_THINGS


def _is_idiom(words: Sequence[str], at: int) -> bool:
    """Whether "to stand" is no posture: what stands out or stands for something, a bystander who stands by."""
    behind = words[at + 1] if at + 1 < len(words) else ""
    if act_of(words[at]) != "standing":
        return words[at] == "cross" and behind == "country"
    return behind in ("out", "for") or (behind == "by" and (at + 2 == len(words) or words[at + 2] in _STOPS))


_STOPS = frozenset((",", ".", ";", "and", "while"))


def kin_of(category: str) -> str | None:
    """Whether a word is for a person or an animal; None of things."""
    if category == "person":
        return category
    return "animal" if category in ANIMATE or is_a(category, "animal", n_senses=1) else None


def _told(clause: Clause, subject: Subject, value: str, start: int, end: int) -> Statement:
    return Statement(
        "action", subject.category, subject.word, min(subject.start, start), end, value=value,
        is_plural=subject.is_plural, is_definite=subject.is_definite, number=subject.number,
        is_firm=subject.is_firm, in_question=clause.in_question, beside=clause.beside(),
    )  # fmt: skip


def _action(clause: Clause, at: int) -> tuple[str | None, int]:
    """The action with what it is done on, and where its words end."""
    sentence = clause.sentence
    words, value = sentence.words, act_of(sentence.words[at])
    noun = next((noun for noun in sentence.nouns if noun.first > at), None)
    between = words[at + 1 : noun.first] if noun is not None else []
    end = sentence.ends[at]
    if noun is None or noun.end > clause.end:
        return (value if value not in ("playing", "carrying", "pulling") else None), end
    if value == "playing":
        sport = next((_SPORTS[word] for word in (noun.head, *noun.modifiers) if word in _SPORTS), None)
        return (sport if sport is not None and len(between) < 2 else None), noun.end
    phrase = clause.phrase_of(noun)
    name = phrase.category if phrase is not None else noun.head
    if value == "riding":
        if name in _RIDDEN:
            return _RIDDEN[name], noun.end
        if len(between) > 1 or not set(between) <= {"on", "in", "atop", "along"}:
            return "riding", end
        return (f"riding on {name}" if name not in _GENERAL else "riding"), noun.end
    if value in ("carrying", "pulling"):
        return None, end
    is_on = "on" in between or "atop" in between
    if value in _SEATS and is_on and set(between) <= _ONTO:
        return (f"{value} on {name}" if name not in _GENERAL else value), noun.end
    return value, end


def _subject(clause: Clause, at: int) -> Subject | None:
    """Who does it: of a verb behind "and" or a comma the one of the verb before it."""
    sentence = clause.sentence
    tags, words = sentence.tags, sentence.words
    n = at - 1
    while n >= 0 and tags[n] == "R":
        n -= 1
    n = max(n, 0)
    while (
        n > 0
        and tags[at] != "V"
        and (
            tags[n] in "VRE"
            or words[n] in ("busy", "wide", "sound")
            or (words[n] == "to" and words[n - 1].startswith(("seem", "appear")))
        )
    ):
        n -= 1
    if (n == 0 and tags[n] in "RX") or at == 0:
        n = 0
    fragment = clause.phrases[0] if clause.phrases and clause.phrases[0].start == clause.phrases[0].end else None
    if fragment is not None and (at == 0 or (n <= 1 and words[0] in ("yes", "no"))):
        return Subject(fragment.category, fragment.word, clause.start, fragment.is_plural, is_definite=True)
    if words[n] not in (",", "and", "while"):
        return clause.subject_before(n + 1)
    for phrase in clause.phrases[:1]:  # "who looks sad and is crying", "she sits down and reads"
        told = clause.source[phrase.start : phrase.end].lower()
        if told in ("he", "she", "it", "they", "who", "which", "that", ""):
            start = max(phrase.start, clause.start)
            return Subject(phrase.category, phrase.word, start, phrase.is_plural, phrase.is_definite, phrase.number)
    first = next((one for one in sentence.nouns if one.last < n and one.end <= clause.end), None)
    if first is None or (first.first and tags[first.first - 1] not in "CRX"):
        return None
    return clause.named(first)


def verify_action(statement: Statement, evidence: Evidence) -> Ruling:
    """What captions say that the same one does."""
    category, said = statement.category, statement.value or ""
    act, _, on = said.partition(" on ")
    saying = f"{category}: text says {said}"
    if evidence.told_of_parts and captions_agree(statement, evidence):
        return "supported_by_caption", f"{saying}, a sentence on a part too"
    acting = [[one for one in caption if one.kind == "action"] for caption in evidence.told]
    told = [[one for one in caption if one.category == category] for caption in acting]
    kin = kin_of(category)
    if kin == "animal" and not any(told) and sum(name in ANIMATE - {"person"} for name in evidence.boxes) == 1:
        told = [[one for one in caption if kin_of(one.category) == kin] for caption in acting]
    acts = {(one.value or "").partition(" on ")[0] for caption in told for one in caption}
    if not acts:
        return "unknown", f"{saying}, no caption tells what it does"
    shown = f"captions say {' and '.join(sorted({one.value or '' for caption in told for one in caption}))}"
    everyone = [one for caption in told for one in caption]
    if act in acts:
        seats = [
            (one.value or "").partition(" on ")[2] for one in everyone if (one.value or "").startswith(f"{act} on ")
        ]
        is_elsewhere = (
            on and len(seats) >= 2 and len(set(seats)) == 1 and on not in seats and on not in evidence.named
            and on not in evidence.nouns and on not in evidence.boxes
        )  # fmt: skip
        if not is_elsewhere:
            return "supported_by_caption", f"{saying}, {shown}"
        if _is_only(statement, everyone, evidence):
            return "contradicted", f"{saying}, {shown}"
        return "unknown", f"{saying}, {shown}, perhaps of another one"
    if act in _BOARDS and not evidence.nouns.keys().isdisjoint((act, verb_of(act))):
        return "unknown", f"{saying}, {shown}"
    n_against = sum(
        any(frozenset((act, (one.value or "").partition(" on ")[0])) in SHUT_OUT for one in caption) for caption in told
    )
    n_seldom = sum(
        any(frozenset((act, (one.value or "").partition(" on ")[0])) in SELDOM for one in caption) for caption in told
    )
    n_told = sum(map(bool, told))
    is_untold = n_told >= TELLING and not _is_spoken_of(act, evidence)
    if (is_untold and len(evidence.told) >= WITNESSES) or n_against == n_told >= MANY:
        return "contradicted", f"{saying}, {shown}"
    if not n_against and n_seldom < 2 and not (is_untold and n_told >= MANY):
        return "unknown", f"{saying}, {shown}"
    if not _is_only(statement, everyone, evidence) and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of another one"
    return "contradicted", f"{saying}, {shown}"


TELLING, WITNESSES = 2, 4
"""Captions that tell what such a being does, of so many in all, from which on all their silence speaks against an
action. Of 1,005 captions of COCO, each held against the others, it cuts 0.2 %, of another picture's 2 %."""
_PLAYS = frozenset(_BOARDS) | frozenset("dancing juggling swimming chasing fighting kicking climbing".split())
"""Actions that a caption may call playing."""


_WIDER = {"feeding": "eat"}
"""Verbs by which captions tell an action: a cat that feeds eats."""


def _is_spoken_of(act: str, evidence: Evidence) -> bool:
    """Whether a caption has a verb for an action, a wider or a narrower one, whoever does it; or need not have it."""
    if act in _PASSED_OVER or act in evidence.nouns or (act == "swimming" and "water" in evidence.nouns):
        return True
    plain = _WIDER.get(act) or verb_of(act) or act
    verbs = {verb for words in evidence.words for word in words if (verb := verb_of(word)) is not None}
    return (act in _PLAYS and not verbs.isdisjoint(("play", "practice"))) or any(
        are_kin(plain, verb, "verb") or act == act_of(verb) for verb in verbs
    )


def _is_only(statement: Statement, told: list[Statement], evidence: Evidence) -> bool:
    count = evidence.counts.get(statement.category)
    if count is None and is_a(statement.category, "animal", n_senses=1):
        count = next((evidence.counts[name] for name in evidence.boxes if name in ANIMATE and name != "person"), None)
    if count is None:
        return not statement.is_plural and not any(one.is_plural for one in told)
    if count.is_exact and count.at_least == 1:
        return True
    if statement.is_plural and told and all(one.is_plural for one in told):
        return count.is_exact and any(one.number == count.at_least for one in told)
    return (
        statement.is_definite and not statement.is_plural and not any(one.is_plural for one in told)
        and len(boxes_meant(statement.category, evidence)) == 1
    )  # fmt: skip


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether it does that."""
    if claim.value:
        verb = "Are" if is_plural_only(claim.category) else "Is"
        said = claim.value.replace(" on ", " on a ") if claim.value not in _BOARDS[5:] else f"playing {claim.value}"
        yield ask_yes_no(claim, f"{verb} the {claim.category} {said}?", WRONG_ACTION)


_PAIRS = (("sitting", "standing"), ("sits", "stands"), ("sit", "stand"), ("sleeping", "running"), ("sleeps", "runs"),
          ("lying", "jumping"), ("lies", "jumps"), ("walking", "sleeping"), ("walks", "sleeps"))  # fmt: skip
_TURNED = {**{b: a for a, b in _PAIRS}, **dict(_PAIRS)}

ACTION = Kind(
    name="action",
    says="what someone or something does",
    examples=("The dog is sleeping.", "A dog runs.", "The dog sits on the bed.", "The person is playing tennis."),
    read_clause=read_clause,
    reads_bare=True,
    verify=verify_action,
    probe=probe,
    plants=((WRONG_ACTION, turning(_TURNED)),),
    if_supposed="if plain",
    if_seeming=True,
)
