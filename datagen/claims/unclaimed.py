"""Comparisons, purposes, idioms and things elsewhere: what a sentence names without saying that the picture shows it.

"as big as a pony", "room to put a suitcase", "the woman behind the camera", "a bed of leaves": a claim about what is
named there may be borne out, never contradicted. Things with "the" or "this" were told of and stay claimed, but where
the words put them out of the picture.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

from datagen.claims.generic import is_of_the_moment
from datagen.claims.grammar import FLAGS
from datagen.claims.syntax import BASES, Sentence, class_of
from datagen.claims.wordnet import verb_of

LIKENED = re.compile(
    r"\b(?:than|like|unlike|as (?!well|many|soon|long|far|if|though|much\b)[a-z-]+ (?:and [a-z-]+ )?as|"
    r"as (?=(?:in|on|at|with|one|you|people|others) )|"
    r"the (?:same )?way (?=(?:an?|others|one|people|you|some|most|we|many)\b)|"
    r"(?:similar|akin|comparable|equivalent|opposed|superior|inferior|preferable|preferred) to|"
    r"for (?=(?!holding|wearing|standing|sitting)[a-z]+ing an?\b)|"
    r"(?:reminiscent|worthy|typical|characteristic) of|compared (?:with|to)|in contrast to|recall(?:s|ing)?|"
    r"remind(?:s|ing)? (?:one |us |you |me )?of|evok(?:es|ing)|bring(?:s|ing)? to mind|"
    r"(?:think(?:s|ing)?|dream(?:s|ing)?|talk(?:s|ing)?|speak(?:s|ing)?|stories|memories|thoughts?) (?:of|about)|"
    r"(?:has|have) (?:the|something) (?:[a-z]+ ){0,2}of (?=an?\b)|pass(?:es|ing)? (?:for|as)|"
    r"(?:mistaken|mistake|taken|take it) for|nothing of|(?:more|less) of|closer to (?=[a-z]+ing\b)|"
    r"the (?:calm|air|feel|feeling|charm|look|atmosphere|mood|size|length|height|weight|shape|width|patience|dignity|"
    r"elegance|grace|confidence|ease|quiet|silence|speed|strength) of)\b",
    FLAGS,
)
"""Words after which something is named for comparison: up to the next comma, or the verb of what is compared."""
IDIOMS = re.compile(
    r"\b(?:beds? of (?!the|a|an|his|her|its)|(?:elephant|bull) in (?:the room|a china shop)|fly on the wall|"
    r"apple of (?:his|her|its|their|one['’]s) eyes?|lion['’]s share|(?:two|several) birds with one stone|"
    r"(?:couch|hot) potato|cats and dogs|bird['’]s[- ]eye|bull['’]s[- ]eye|wears? many hats|driver['’]s seat|"
    r"fork in the (?:road|path|trail)|cart before the horse|horse['’]s mouth|dark horse|cat (?:out of the bag|and "
    r"mouse)|zebra crossing|rat race|cash cow|sacred cow|early bird|wild goose chase|black sheep of|ship[- ]shape|"
    r"(?:sea|ocean|river|mountains?|forest|stream|wave|jungle|desert) of (?!the|water|sand|snow|ice|trees|grass)|"
    r"in the (?:same|wrong|right) boat|train of thought)\b",
    FLAGS,
)
"""Sayings that name a thing and mean none: "on a bed of straw", "a sea of umbrellas"."""
_ELSEWHERE = re.compile(
    r"\b(?:is|are|be|been|stands?|standing|sits?|sitting|waits?|waiting|stays?|just|somewhere|someone|somebody|"
    r"person|people|man|woman|one|photographer|lies)\s+(?:just |somewhere |well |left |right |probably |presumably )*"
    r"(?:out(?:side)? of (?:sight|view|(?:the )?(?:frame|shot|picture|image|photo))|"
    r"(?:outside|beyond) (?:the )?(?:edges? of )?(?:the )?(?:frame|picture|image|photo|photograph|shot|edge|view)|"
    r"behind the (?:camera|lens)|off[- ](?:camera|screen|frame)|elsewhere|somewhere else|next door|at home)\b|"
    r"\b(?:holding|operating|behind) the camera\b|\bnext door\b|"
    r"\b(?:can(?:not|['’]t| not)|couldn['’]t|could not) be (?!seated)[a-z]+|"
    r"\b(?:is|are)(?: not|n['’]t) (?:visible|shown|to be seen|in (?:the )?(?:picture|image|photo|frame|view|sight))\b",
    FLAGS,
)
"""Words that put what their clause is about out of the picture."""
_IDENTIFIED = re.compile(
    r"\b(?P<who>the (?:very |same )?(?:[a-z]+ )?(?:person|people|man|men|woman|women|boy|girl|child|children|owner|"
    r"rider|driver|cook|chef|cyclist|player|one)) (?:who|that|whom) (?P<verb>[a-z]+)(?: (?P<next>[a-z]+))?",
    FLAGS,
)
"""One who is told from others by what they do at any time, or did: "the person who cooks here", "who took it"."""
_ORDERS = re.compile(
    r"\s*(?:now |just |next |then |simply )?(?:add|picture|imagine|swap|replace|exchange|put|take|place|give|remove|"
    r"think of|consider|suppose) (?=an?\b|two\b|three\b|some\b|another\b|the\b|in\b)",
    FLAGS,
)
_INVERTED = re.compile(r"\s*(?:were|had|should) (?:there|it|he|she|they|the|an?|some\w*|one)\b", FLAGS)
"""Openings of a clause that changes the picture: "add a laptop", "were there a car"."""
_ANOTHER_TIME = re.compile(
    r"\b(?:after|before|since|from|during) (?:an?|another|the last|yesterday's|many|several) (?:[a-z]+ )?"
    r"(?:day|days|week|weekend|hours?|morning|afternoon|evening|night|trip|visit|walk|holiday|vacation|outing|journey|"
    r"swim|ride|years?|sunday|saturday)\b|"
    r"\bhaving (?=\w+(?:ed|ft|me|ne|en|ght|ut|de|id)\b)|"
    r"\b(?:a|the) (?:sunday|saturday|holiday|childhood|lifetime)\b|\b(?:until|unless|in case|as long as|what an?|"
    r"once (?=an?\b|some(?:one|body)\b|people\b)|"
    r"when (?=no\b|an?\b|two\b|three\b|ten\b|several\b|many\b|some\b|people\b|there\b))\b",
    FLAGS,
)
"""What was before, or may come: "after a day at the beach", "having left his car", "until a car comes"."""
_HABITS = re.compile(
    r"\bwhen (?:they|you|one|people|he|she|it)\b|\bfor a moment\b|\bevery (?:day|morning|evening|night|time|week|"
    r"year|summer|winter)\b|\bon (?:weekends|sundays|holidays|weekdays)\b|\bin (?:summer|winter|spring|autumn|"
    r"many|most|older|the (?:mornings?|evenings?))\b|\bnowadays\b|\bthese days\b|\b(?:like|likes|love|loves|learn|"
    r"learns) to\b|\bha(?:ve|s) (?:\w+ )?(?:learned|learnt|known|owned|grown used)\b|\bwhich is why\b|"
    r"\bso many people\b|\ball over the world\b|\bthe world over\b|\bmost (?:people|of us)\b|\bas a rule\b|"
    r"\bso that (?:they|you|one|people)\b|"
    r"\b(?:before|after|during) an? (?:[a-z]+ )?[a-z]+,|"
    r"\b(?:anyone|anybody|whoever|everyone|those|nobody) who\b|\bwhoever\b|\bevery [a-z]+ knows\b",
    FLAGS,
)
"""Words of what people do at any time."""
_HABIT_WORDS = frozenset(
    "when moment every weekends sundays holidays weekdays summer winter spring autumn many most older mornings "
    "evenings morning evening nowadays days like likes love loves learn learns learned learnt known owned grown why "
    "world rule sort kind type so before after during anyone anybody whoever everyone those nobody".split()
)
_ONCE = re.compile(
    r"\s*(?:in (?:many|most|some|older|other) (?!of |ways|places|respects|words|parts|cases)[a-z]+s\b|"
    r"(?:many |\w+ )?(?:years|centuries) ago\b|once upon)|\b(?:was|were) once\b|"
    r"\b[a-z]+s of th(?:is|at) (?:sort|kind|type)\b|"
    r"\b(?:what|the (?:first|last|only|best|worst) thing(?: that)?) (?:many|most|some|few) people\b",
    FLAGS,
)
"""Words of what is so elsewhere, of a kind, or was so once: "in many homes", "parties of this sort", "years ago"."""
_FOR_WHOM = re.compile(
    r"\b(?:popular with|among|for|by|to|suits|attracts|than) (?:people|those|anyone|families|children|students|"
    r"someone) who$",
    FLAGS,
)
"""Before what is told of people of a kind: "popular with people | who walk their dogs"."""
_ANYBODY = frozenset("anyone anybody whoever".split())
_OF_ALL = frozenset("many most some few all every each no".split())
_AIMING = frozenset("ready about trying poised set going".split())
_PLAIN_AFTER_TO = frozenset("be have do seem appear".split())
_BE = frozenset("is are was were be been being 's ’s 're ’re".split())
_HAVE = frozenset("has have had having 've ’ve".split())
_SUBJECTS_OF_NOUNS = frozenset(("that", "who", "which", "whom"))

Span = tuple[int, int, bool]
"""First character, one past the last, and whether things with "the" are meant too."""


def unclaimed_spans(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    """Parts of a clause that name what need not be in the picture.

    Args:
        sentence: The sentence that the clause is of.
        text: The whole text.
        start: The clause's first character.
        end: One past its last.
    """
    parts = sentence.parts
    if _WORDS.isdisjoint(parts) and "G" not in sentence.tags[:1]:
        return
    for reads_words, read in _READERS:
        if not reads_words.isdisjoint(parts):
            yield from read(sentence, text, start, end)
    done = _gerund_subject(sentence, start, end)
    if done is not None:
        yield start, done, False


def _compared(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    for match in LIKENED.finditer(text, start, end):
        yield match.start(), _end_of_likeness(sentence, text, start, match.end(), end), False


def _said_in_idioms(_: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    for match in IDIOMS.finditer(text, start, end):
        yield max(start, text.rfind(" ", start, max(start, match.start() - 1)) + 1), match.end(), True


def _elsewhere(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    for match in _ELSEWHERE.finditer(text, start, end):
        yield start, end if match[0].endswith(("door", "elsewhere", "else")) else match.end(), True
    for match in _IDENTIFIED.finditer(text, start, sentence.ends[-1]):
        is_hidden = _ELSEWHERE.search(text, match.end(), sentence.ends[-1]) is not None
        if match.start() < end and (is_hidden or not _is_now(match["verb"], match["next"] or "")):
            yield match.start(), match.start("verb"), True


def _supposed(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    for match in _ANOTHER_TIME.finditer(text, start, end):
        comma = text.find(",", match.end(), end)
        yield match.start(), comma if comma >= 0 else end, False
    is_opening = start <= sentence.starts[0]
    if (
        _INVERTED.match(text, start, end) is not None
        or (is_opening and _ORDERS.match(text, start, end) is not None)
        or (text.startswith("though", start) and text.endswith(" as ", 0, start))  # "as though it owned a bed"
    ):
        yield start, end, False


def _weighed(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    """What an earlier part of the sentence only supposes."""
    first, last = sentence.starts[0], sentence.ends[-1]
    colon = text.find(":", first, last)
    if 0 <= colon < start and _MAY.search(text, first, colon) is not None:
        yield start, end, False  # "the work COULD be divided: one person washes"
    comma = text.find(",", first, end) if text.startswith("if ", first) else -1
    if comma >= 0 and _MAY.search(text, comma, last) is not None:
        yield max(start, comma), end, True  # "if it jumps, it MAY land on the keyboard"
    for match in _AROUND.finditer(text, start, end):
        yield match.start(), match.end(), False
    of_whom = _OF_WHOM.search(text, first, last)
    if of_whom is not None and of_whom.end() <= end:
        yield max(start, of_whom.start()), end, False


_MAY = re.compile(r"\b(?:may|might|could|would)\b(?! (?:see|spot|notice|make out|count)\b)", FLAGS)
_AROUND = re.compile(
    r"\bwith (?:[a-z]+ ){1,3}(?:around|at home|in the (?:house|home|family)),? (?=i|you|one|it)", FLAGS
)
"""Whoever may come by: "with children around I would fence it"."""
_OF_WHOM = re.compile(
    r"\b(?:think(?:s|ing)?|remind(?:s|ing)?|dreams?) (?:me |us |you |one )?of\b[^.;:]*,\s*(?=some(?:one|body)\b)",
    FLAGS,
)
"""Before more about one who is only thought of: "think of a traveler, | someone who has come by train"."""


def _usual(sentence: Sentence, text: str, start: int, end: int) -> Iterator[Span]:
    if is_habit(sentence, text, start, end):
        yield start, end, True


_LIKENING = frozenset(
    "than like unlike as way for similar akin comparable equivalent opposed superior inferior preferable preferred "
    "reminiscent worthy typical characteristic compared contrast recall recalls recalling remind reminds reminding "
    "evokes evoking bring brings bringing think thinks thinking dream dreams dreaming talk talks talking speak speaks "
    "speaking stories memories thoughts thought pass passes passing mistaken mistake taken take nothing more less calm "
    "air feel feeling charm look atmosphere mood size length height weight shape width patience dignity elegance grace "
    "confidence ease quiet silence speed strength closer has have".split()
)
"""A word of each alternative of ``LIKENED``."""


def is_habit(sentence: Sentence, text: str, start: int, end: int) -> bool:
    """Whether a clause tells what is done at any time: "many people look away when they think"."""
    if _ONCE.search(text, start, end) is not None or _FOR_WHOM.search(text, max(0, start - 40), start + 4) is not None:
        return True
    if _HABIT_WORDS.isdisjoint(sentence.parts):
        return False
    whole = sentence.starts[0], sentence.ends[-1]
    if _HABITS.search(text, *whole) is None:
        return False
    words, tags, starts = sentence.words, sentence.tags, sentence.starts
    first, last = bisect_left(starts, start), bisect_left(starts, end)
    if not _ANYBODY.isdisjoint(words[:last]):
        return True
    noun = next((one for one in sentence.nouns if first <= one.first < last), None)
    k = next((k for k in range(first, last) if tags[k] in "VF"), None)
    while noun is not None and tags[noun.first - 1 : noun.first] == ["P"] and k is not None and noun.last < k:
        following = next((one for one in sentence.nouns if noun.last < one.first < k), None)
        if following is None:
            break
        noun = following  # "In the evening, FAMILIES gather"
    if noun is None or k is None or k < noun.first:
        return False
    if not (noun.determiner in _OF_ALL or (noun.is_plural and not noun.determiner)):
        return False
    return words[k] not in _BE and "seen" not in words and not (words[k] in _HAVE and tags[k + 1 : k + 2] != ["E"])


def _gerund_subject(sentence: Sentence, start: int, end: int) -> int | None:
    """Where the verb of "petting a cat | calms people" begins; None where no doing is the subject."""
    words, tags, starts = sentence.words, sentence.tags, sentence.starts
    first = bisect_left(starts, start)
    if first or not tags or tags[0] != "G":
        return None
    for n in range(1, bisect_left(starts, end)):
        if words[n] == ",":
            return None
        if tags[n] == "V":
            is_inverted = words[n] in _BE and tags[n + 1 : n + 2] not in (["A"], ["R"], ["E"])
            return None if is_inverted else starts[n]  # "sitting on a bench IS A MAN"
    return None


def _of_kinds(sentence: Sentence, _: str, start: int, end: int) -> Iterator[Span]:
    """What a kind of thing is: "elephants are excellent swimmers"."""
    words, tags, nouns = sentence.words, sentence.tags, sentence.nouns
    for noun in nouns:
        n = noun.last + 1
        if noun.first < noun.last or not noun.is_plural or words[n : n + 1] != ["are"]:
            continue
        n += 1 if words[n + 1 : n + 2] != [","] else _ASIDE  # ", in fact,"
        other = next((one for one in nouns if one.first > n - 1), None)
        if other is None or other.first > n + 1 or not other.is_plural or other.determiner:
            continue
        if start <= noun.start < end and all(tag in "AR" for tag in tags[n : other.first]):
            yield noun.start, other.end, False


_ASIDE = 5
"""Words of "are, in fact," and the like from the verb on."""


def _end_of_likeness(sentence: Sentence, text: str, start: int, at: int, end: int) -> int:
    """Where what something is compared with ends: "a dog like a small bear | lies there"."""
    comma = text.find(",", at, end)
    end = comma if comma >= 0 else end
    starts, tags, words = sentence.starts, sentence.tags, sentence.words
    n = bisect_left(starts, at)
    if any(tag == "V" for tag in tags[bisect_left(starts, start) : n]):
        return end
    for k in range(n + 1, bisect_left(starts, end)):
        if tags[k] == "V" and words[k - 1] not in _SUBJECTS_OF_NOUNS and "n" in tags[n:k]:
            return starts[k]
    return end


def _purposes(sentence: Sentence, _: str, start: int, end: int) -> Iterator[Span]:
    """What something is to be done to: "has stopped TO FILL A BOTTLE", "there is room TO PUT A SUITCASE"."""
    words, tags, starts = sentence.words, sentence.tags, sentence.starts
    first, last = bisect_left(starts, start), bisect_left(starts, end)
    for n in range(first, last - 1):
        if words[n] != "to" or words[n + 1] in _PLAIN_AFTER_TO or not _is_plain(words[n + 1]):
            continue
        if n and words[n - 1] in _AIMING:
            continue  # "is ready to cut a ribbon" is about a ribbon
        if not _is_done_now(sentence, first, n):
            stop = next((k for k in range(n + 2, last) if words[k] == "," or tags[k] == "V"), last)
            yield starts[n], starts[stop] if stop < last else end, False


def _is_plain(word: str) -> bool:
    """Whether a word behind "to" is a verb's plain form: "to fill", not "to dogs"."""
    return word in BASES or (class_of(word) not in "DPAXM" and verb_of(word) == word)


def _is_done_now(sentence: Sentence, first: int, n: int) -> bool:
    """Whether what is done for a purpose is done at the moment: "bends down to pet a dog"."""
    words, tags = sentence.words, sentence.tags
    k = n - 1
    while k >= first and tags[k] not in "VGE":
        k -= 1
    if k < first:  # "bends" may be a noun
        return any(word.endswith("s") and verb_of(word) is not None for word in words[first:n])
    if tags[k] == "G":
        return True
    if tags[k] == "E":
        return not (k > first and words[k - 1] in (_BE | _HAVE))
    return not (words[k] in _BE or words[k] in _HAVE or class_of(words[k]) == "V")


def _is_now(verb: str, after: str) -> bool:
    """Whether a relative clause tells what is done at the moment: "who is riding", "who stands"."""
    if verb in _BE:
        return True
    return verb not in _HAVE and verb.endswith("s") and is_of_the_moment(verb) and after not in ("it", "here", "this")


_READERS = (
    (_LIKENING, _compared),
    (frozenset(("to",)), _purposes),
    (frozenset("bed beds elephant bull fly apple lion lion's lion’s birds potato cats bird bird's bird’s bull's bull’s "
               "hats driver driver's driver’s fork cart horse horse's horse’s cat zebra rat cow early wild black ship "
               "ship-shape sea ocean river mountain mountains forest stream wave jungle desert boat train".split()),
     _said_in_idioms),
    (frozenset("next home elsewhere else off-camera off-screen off-frame frame camera lens sight view shot picture "
               "image photo photograph edge edges screen cannot can't can’t can couldn't couldn’t could isn't aren't "
               "isn’t aren’t not who whom that".split()), _elsewhere),
    (frozenset("once though after before since from during having sunday saturday holiday childhood lifetime until "
               "unless case as what were had should add picture imagine swap replace exchange put take place give "
               "remove think consider suppose when".split()), _supposed),
    (frozenset("if may might could would around home house family someone somebody".split()), _weighed),
    (frozenset(("are",)), _of_kinds),
    (_HABIT_WORDS | {"some", "other", "years", "centuries", "once", "thing", "what", "who"}, _usual),
)  # fmt: skip
"""What reads such parts of a clause, each with words of which a sentence that has them has one."""
_WORDS = frozenset[str]().union(*(words for words, _ in _READERS))
