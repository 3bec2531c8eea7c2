"""Action: "The dog sleeps on the bed" says what someone or something does, and on what it sits, lies or rides.

Captions alone tell it; sentences on parts may bear it out. It is contradicted where captions give the one that is meant
an action that shuts the other out (who sleeps does not run), where two of them seat it on one thing and the text on
another that no caption names, and where three of them tell what it does and none has an action that nobody would pass
over (climbing, eating).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

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
from datagen.claims.syntax import BASES, class_of
from datagen.claims.wordnet import are_kin, is_a, verb_of
from datagen.lexicon import is_plural_only
from datagen.records import Claim

_PASSED_OVER = frozenset(
    "sitting standing lying kneeling walking looking talking smiling parked riding playing petting carrying "
    "pulling crossing throwing running jumping".split()
)
"""Actions that people see and do not tell; of any other one somebody would tell who tells what someone does."""
_RESULTS = frozenset(("seated", "perched", "parked", "sprawled", "towed", "crouched"))
"""Forms in -ed that tell what one does; others are what was done to a thing."""
_SPORTS = {
    "tennis": "tennis", "baseball": "baseball", "soccer": "soccer", "football": "football", "golf": "golf",
    "basketball": "basketball", "frisbee": "frisbee", "volleyball": "volleyball", "wii": "video game",
    "guitar": "guitar", "piano": "piano", "chess": "chess", "cards": "cards", "hockey": "hockey", "cricket": "cricket",
}  # fmt: skip
_ROLES = {
    "skier": "skiing", "snowboarder": "snowboarding", "skateboarder": "skateboarding", "surfer": "surfing",
    "golfer": "golf", "catcher": "baseball", "pitcher": "baseball", "batter": "baseball", "umpire": "baseball",
    "goalkeeper": "soccer", "goalie": "soccer", "dancer": "dancing", "swimmer": "swimming", "jogger": "running",
    "sprinter": "running", "guitarist": "guitar", "pianist": "piano", "skater": "skating",
}  # fmt: skip
"""People who are named by what they do."""
_RIDDEN = {"wave": "surfing", "skateboard": "skateboarding", "surfboard": "surfing", "snowboard": "snowboarding"}
_UPRIGHT = (
    "walking running jumping swimming dancing skiing snowboarding surfing skateboarding crossing climbing skating "
    "marching"
)
_SHUT_OUT: dict[str, str] = {
    "sitting": f"standing {_UPRIGHT}",
    "standing": "lying swimming sleeping flying sitting driving",
    "lying": f"flying riding driving cooking cutting tennis baseball soccer golf basketball {_UPRIGHT}",
    "parked": "driving flying running",
    "flying": "sitting walking swimming",
    "swimming": "walking running eating dancing riding",
    "crying": "smiling",
    "kneeling": f"riding driving {_UPRIGHT}",
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
_ON_BOARDS = frozenset(_BOARDS[:5])
"""What riding is too: a skateboard is ridden."""
_GAMES = frozenset(_BOARDS) - {"video game", "chess", "guitar", "piano"}
_WORDS_OF = {
    game: frozenset(
        (game, *(word for table in (_SPORTS, _ROLES, _RIDDEN, ACTS) for word, value in table.items() if value == game))
    )
    for game in sorted(_GAMES)
}
"""Per sport the words that tell of it."""
_ON_SNOW = {"skiing", "snowboarding"}
"""Who does the one is easily taken for doing the other."""
MANY = 3
"""Captions that tell what someone does, from which on their silence on such an action speaks against it."""
_IN_SLEEP = frozenset("sleeping sitting lying kneeling standing smiling parked hugging".split())
"""What a sleeper may look like."""
SHUT_OUT = frozenset(
    {frozenset((a, b)) for a, others in _SHUT_OUT.items() for b in others.split()}
    | {frozenset((a, b)) for a in _BOARDS for b in _BOARDS if a != b and {a, b} != _ON_SNOW}
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
_STRIKING = frozenset("towing lifting sinking painting washing repairing cutting crashing exploding drowning".split())
"""Actions of things, and what is done to them, that nobody passes over."""
_AT_REST = frozenset("sit sits sitting sat stand stands standing wait waits waiting rest rests resting stop stopped "
                     "dock docked docking moor moored anchor anchored idle idling idles".split())  # fmt: skip
_UNDER_WAY = frozenset("travel travels traveling travelling race races racing speed speeds speeding roll rolls rolling "
                       "rush rushes rushing cruise cruises cruising".split())  # fmt: skip
"""Forms of verbs by which vehicles are parked, and by which they move."""
_CARRIERS = ("bus", "train", "car", "truck", "motorcycle", "boat", "airplane")
_BEFORE_ING = frozenset("ice roller figure water kite horseback cross-country".split())
"""First words of actions of two: "is ICE skating"."""
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
    yield from _by_roles(clause)
    for n in span:
        if words[n] in ("nap", "snooze") and words[n - 1] in ("a", "little", "short") and n > span.start + 1:
            taken = next((k for k in range(n - 1, max(n - 4, -1), -1) if words[k].startswith(("tak", "hav"))), None)
            subject = None if taken is None else _subject(clause, taken)
            if subject is not None and subject.category in ANIMATE:  # "takes a nap"
                yield _told(clause, subject, "sleeping", sentence.starts[n], sentence.ends[n])
        elif (act_of(words[n]) is not None or words[n] in _MOVES) and _is_verb(clause, n) and not _is_idiom(words, n):
            yield from _by_verb(clause, n)


def _is_verb(clause: Clause, at: int) -> bool:
    """Whether a word tells what something does, or, behind "being", what is done to it."""
    words, tag = clause.sentence.words, clause.sentence.tags[at]
    if words[at] in _RESULTS or words[at] in _AS_VERBS or _is_done(clause, at):
        return True
    return tag in "VFG" and class_of(words[at]) != "V"


def _is_done(clause: Clause, at: int) -> bool:
    words = clause.sentence.words
    return (
        at > clause.words().start and words[at - 1] == "being" and words[at : at + 2] != ["cut", "off"]
    )  # by the frame


def _by_verb(clause: Clause, at: int) -> Iterator[Statement]:
    """The action of a verb, of each of those who do it."""
    sentence = clause.sentence
    words = sentence.words
    subject = _subject(clause, at - (at > 0 and words[at - 1] in _BEFORE_ING))
    if subject is None:
        return
    value, end = (act_of(words[at]), sentence.ends[at]) if _is_done(clause, at) else _action(clause, at)
    if subject.category in _CARRIERS:
        value = "parked" if words[at] in _AT_REST else "driving" if words[at] in _UNDER_WAY else value
    is_aloft = subject.category in ("kite", "balloon") or is_a(subject.category, "aircraft")
    if is_aloft and value in ("sitting", "standing", "lying"):
        value = "parked"  # a plane at its gate
    for one in (subject, _joined(clause, subject)):  # "a MAN and his dog are sitting"
        if value is not None and one is not None and _may_do(one, value):
            yield _told(clause, one, value, sentence.starts[at], end)


def _joined(clause: Clause, subject: Subject) -> Subject | None:
    """The other one of two who are named together, by "and", before a plural verb."""
    sentence = clause.sentence
    noun = next((one for one in clause.nouns() if one.start == subject.start and one.first > 1), None)
    if noun is None or noun.is_plural or sentence.words[noun.first - 1] != "and":
        return None
    after = sentence.words[noun.last + 1 : noun.last + 2]
    other = next((one for one in clause.nouns() if one.last == noun.first - 2), None)
    if other is None or not after or not (after[0] in _PLURAL_VERBS or after[0] in BASES):
        return None
    return clause.named(other)


_PLURAL_VERBS = frozenset(("are", "were"))


def _is_shown(modifier: str) -> bool:
    return modifier in _RESULTS or (modifier.endswith("ing") and class_of(modifier) == "G")


def _may_do(subject: Subject, value: str) -> bool:
    """Whether an action is told of somebody who can do it, or of a thing that is parked; a person flies a kite."""
    if value.partition(" ")[0] in ("playing", "carrying", "pulling") or (value, subject.category) == (
        "flying",
        "person",
    ):
        return False
    return kin_of(subject.category) is not None or value in _OF_THINGS or value in _STRIKING


def _is_idiom(words: Sequence[str], at: int) -> bool:
    """Whether "to stand" is no posture: what stands out or stands for something, a bystander who stands by."""
    behind = words[at + 1] if at + 1 < len(words) else ""
    act = act_of(words[at])
    if act == "drawing":
        return behind not in _DETERMINERS
    if act != "standing":
        return words[at] == "cross" and behind == "country"
    return behind in ("out", "for") or (behind == "by" and (at + 2 == len(words) or words[at + 2] in _STOPS))


_DETERMINERS = frozenset("a an the on with his her their".split())
"""What follows "draw" where it is to make a picture; one draws in breath, and near."""
_STOPS = frozenset((",", ".", ";", "and", "while"))
_MOVES = _AT_REST | _UNDER_WAY


def _by_roles(clause: Clause) -> Iterator[Statement]:
    """What someone does by what he is: "a SURFER", "a SOCCER player"."""
    if _DOERS.isdisjoint(clause.sentence.words):
        return
    for noun in clause.nouns():
        value = _ROLES.get(noun.head)
        if noun.head == "player":
            value = next((_SPORTS[word] for word in noun.modifiers if word in _SPORTS), None)
        subject = None if value is None or noun.determiner in _NO_ONE else clause.named(noun)
        if value is not None and subject is not None:
            yield replace(_told(clause, subject, value, noun.start, noun.end), is_loose=True)


_DOERS = frozenset(form for word in (*_ROLES, "player") for form in (word, f"{word}s"))
_NO_ONE = frozenset("no any every".split())


def kin_of(category: str) -> str | None:
    """Whether a word is for a person or an animal; None of things."""
    if category == "person":
        return category
    if category == "mouse":  # the computer's
        return None
    return "animal" if category in ANIMATE or is_a(category, "animal", n_senses=1) else None


def _told(clause: Clause, subject: Subject, value: str, start: int, end: int) -> Statement:
    return Statement(
        "action", subject.category, subject.word, min(subject.start, start), end, value=value,
        is_plural=subject.is_plural, is_definite=subject.is_definite, number=subject.number,
        is_firm=subject.is_firm, in_question=clause.in_question, beside=clause.beside(),
        is_all=subject.is_plural and (subject.is_definite or not _ALL.isdisjoint(clause.sentence.words)),
    )  # fmt: skip


_ALL = frozenset("all both each everyone everybody".split())


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
            or (words[n] in ("all", "both", "each") and tags[n - 1] == "V")
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
    said = statement.value or ""
    act = _act(statement)
    saying = f"{statement.category}: text says {said}"
    if evidence.told_of_parts and captions_agree(statement, evidence):
        return "supported_by_caption", f"{saying}, a sentence on a part too"
    sport = _other_sport(act, evidence)
    if sport is not None:
        return "contradicted", f"{saying}, captions tell of {sport}"
    if kin_of(statement.category) is None and act in _STRIKING and _is_passed_over_by_none(statement, act, evidence):
        return "contradicted", f"{saying}, none of {len(evidence.told)} captions tells of it"
    told = _acts_of(statement, evidence)
    everyone = [one for caption in told for one in caption]
    is_untold = _is_untold(statement, told, evidence)
    if not everyone:
        return ("contradicted" if is_untold else "unknown"), f"{saying}, no caption tells what it does"
    shown = f"captions say {' and '.join(sorted({one.value or '' for one in everyone}))}"
    if any(_act(one) == act for one in everyone):
        if not _is_elsewhere(statement, everyone, evidence):
            return "supported_by_caption", f"{saying}, {shown}"
        is_other = True
    else:
        if (act in _BOARDS and not evidence.nouns.keys().isdisjoint((act, verb_of(act)))) or (
            act == "riding" and any(_act(one) in _ON_BOARDS for one in everyone)
        ):
            return "unknown", f"{saying}, {shown}"
        if is_untold or _is_shut_out(statement, told):
            return "contradicted", f"{saying}, {shown}"
        is_other = _is_other(statement, told, evidence)
    if not is_other:
        return "unknown", f"{saying}, {shown}"
    if not _is_only(statement, everyone, evidence) and not is_the_same(statement, evidence):
        return "unknown", f"{saying}, {shown}, perhaps of another one"
    return "contradicted", f"{saying}, {shown}"


def _act(statement: Statement) -> str:
    return (statement.value or "").partition(" on ")[0]


def _acts_of(statement: Statement, evidence: Evidence) -> list[list[Statement]]:
    """Caption by caption, what such a being does; of one animal that is boxed, what any animal does."""
    acting = [
        # A skier may sit: by what he is called he only does no other sport.
        [one for one in caption if one.kind == "action" and (_act(statement) in _BOARDS or not one.is_loose)]
        for caption in evidence.told
    ]
    told = [[one for one in caption if one.category == statement.category] for caption in acting]
    is_animal = kin_of(statement.category) == "animal"
    if is_animal and not any(told) and sum(name in ANIMATE - {"person"} for name in evidence.boxes) == 1:
        return [[one for one in caption if kin_of(one.category) == "animal"] for caption in acting]
    return told


def _is_elsewhere(statement: Statement, told: list[Statement], evidence: Evidence) -> bool:
    """Whether two captions seat it on one thing, and the text on another that no annotation has."""
    act, _, on = (statement.value or "").partition(" on ")
    seats = [(one.value or "").partition(" on ")[2] for one in told if (one.value or "").startswith(f"{act} on ")]
    return (
        bool(on) and len(seats) >= 2 and len(set(seats)) == 1 and on not in seats and on not in evidence.named
        and on not in evidence.nouns and on not in evidence.boxes
    )  # fmt: skip


def _is_untold(statement: Statement, told: list[list[Statement]], evidence: Evidence) -> bool:
    """Whether captions tell what such a being does, and none has an action that nobody would pass over."""
    if kin_of(statement.category) is None or len(evidence.told) < WITNESSES:
        return False
    n_seen = sum(_tells_of(statement.category, n, evidence) for n in range(len(evidence.told)))
    return (sum(map(bool, told)) >= TELLING or n_seen >= SEEN) and not _is_spoken_of(_act(statement), evidence)


def _n_beside(act: str, told: list[list[Statement]], pairs: frozenset[frozenset[str]]) -> int:
    """How many captions tell an action that makes one of some pairs with another."""
    return sum(any(frozenset((act, _act(one))) in pairs for one in caption) for caption in told)


def _is_shut_out(statement: Statement, told: list[list[Statement]]) -> bool:
    """Whether captions agree on what shuts an action out, whoever it is told of."""
    act, n_told = _act(statement), sum(map(bool, told))
    n_against = _n_beside(act, told, SHUT_OUT)
    if n_against == n_told >= MANY:
        return True
    n_other = _n_beside(act, told, SHUT_OUT | SELDOM)
    return n_against >= TELLING and n_other == n_told and (statement.is_all or n_told >= MANY)


def _is_other(statement: Statement, told: list[list[Statement]], evidence: Evidence) -> bool:
    """Whether captions tell what shuts an action out, if they tell it of the same one."""
    act = _act(statement)
    n_against = _n_beside(act, told, SHUT_OUT)
    if kin_of(statement.category) is None and n_against < TELLING and "parked" not in evidence.nouns:
        return False  # a bus that "sits" in a street may drive
    if n_against > 0 or _n_beside(act, told, SELDOM) >= TELLING:
        return True
    return sum(map(bool, told)) >= MANY and not _is_spoken_of(act, evidence)


TELLING, WITNESSES = 2, 4
"""Captions that tell what such a being does, of so many in all, from which on all their silence speaks against an
action. Of 1,005 captions of COCO, each held against the others, it cuts 0.2 %, of another picture's 2 %."""
NAMED = 3
"""Captions that name a thing, from which on one of them would tell that it burns or is towed."""


def _is_passed_over_by_none(statement: Statement, act: str, evidence: Evidence) -> bool:
    """Whether captions name a thing, and none has a word for the striking thing that happens to it."""
    n_named = max(evidence.nouns.get(statement.word, 0), evidence.named.get(statement.category, 0))
    return len(evidence.told) >= WITNESSES and n_named >= NAMED and not _is_spoken_of(act, evidence)


def _other_sport(act: str, evidence: Evidence) -> str | None:
    """A sport that captions agree on, where a text has another one and no caption has a word of that."""
    if act not in _GAMES or not evidence.nouns.keys().isdisjoint(_WORDS_OF[act]):
        return None
    told = {name: max(evidence.nouns.get(word, 0) for word in words) for name, words in _WORDS_OF.items()}
    return next((name for name, n in told.items() if n >= TELLING and {act, name} != _ON_SNOW), None)


_PLAYS = frozenset(_BOARDS) | frozenset("dancing juggling swimming chasing fighting kicking climbing".split())
"""Actions that a caption may call playing."""


_WIDER = {"feeding": "eat"}
"""Verbs by which captions tell an action: a cat that feeds eats."""


SEEN = 4
"""Captions that name such a being with any verb."""


def _tells_of(category: str, n: int, evidence: Evidence) -> bool:
    """Whether a caption says something that such a being does, were it only to hold a thing."""
    if category not in evidence.things[n]:
        return False
    return any(word != "" and class_of(word) in "FG" for word in evidence.words[n])


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
