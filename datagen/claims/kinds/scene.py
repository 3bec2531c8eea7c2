"""Scene: "It is set in a kitchen", "at night", "in the rain" say where and when a picture was taken.

Captions tell it, and boxes of things that stand in one kind of room. It is contradicted where they put the picture in a
place, a time or a weather that shuts the other out; a street and a city do not. Two places may be in one picture where
they have surroundings in common.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from msgspec.structs import replace

from datagen.claims.clause import Clause, Statement
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import (
    Evidence,
    Kind,
    PlantedError,
    Probed,
    Ruling,
    ShortAnswer,
    ask_yes_no,
    turning,
)
from datagen.claims.syntax import SHORT, Noun, Sentence, singular
from datagen.claims.wordnet import Nearest, is_usual
from datagen.records import Claim

_PLACES = """
kitchen | room | living eat shop desk | kitchen kitchenette
dining room | room | living eat | dining-room
living room | room | living rest desk hall | living-room family-room sitting-room den parlor lounge fireplace
bedroom | room | rest desk | bedroom crib nursery dorm dormitory
bathroom | room | wash | bathroom restroom washroom lavatory outhouse
laundry | room | laundry shop | laundry laundromat laundry-room
house | room | living rest desk wash laundry garage cellar garden | house apartment home cabin cottage
hotel | room | rest wash desk lobby hall eat | hotel motel hotel-room
office | room | desk hall shop garage lobby | office cubicle workplace workstation conference-room meeting-room
classroom | room | desk hall study | classroom schoolroom lecture-hall
library | room | study | library bookstore bookshop
restaurant | room | eat shop living hall | restaurant cafe café diner cafeteria pizzeria bistro food-court canteen
bar | room | eat shop club | bar pub nightclub tavern disco
shop | room | shop eat hall | store shop supermarket mall bakery boutique pharmacy
hall | room | hall eat shop desk living | gym gymnasium ballroom banquet-hall hallway corridor auditorium
lobby | room | lobby eat shop | lobby reception waiting-room foyer
garage | room | garage shop | garage hangar parking-garage
hospital | room | clinic | hospital clinic ward
museum | room | show | museum gallery exhibition
church | room | church | church cathedral chapel
theatre | room | stage | theater theatre cinema
warehouse | room | works garage shop | warehouse factory workshop
barn | room | barn | barn stable
cellar | room | cellar | basement cellar attic
vehicle | room | aboard | cockpit
pool | place | pool | swimming-pool
beach | open | shore sand | beach shore shoreline seashore seaside coast
water | open | shore green wild country snow town | ocean sea lake river pond stream surf wave harbor harbour marina
street | open | town shore snow rail | street sidewalk highway intersection crosswalk roadway roadside avenue
street | open | town shore snow rail | parking-lot town downtown curb crossroads freeway asphalt
road | open | town shore snow rail country green wild dry | road path trail lane pathway
dirt road | open | country green wild dry | dirt-road dirt-path dirt-trail dirt-track gravel-road
lane | open | country | country-lane country-road
city | open | town shore snow rail green country wild | city
rooftop | open | town | rooftop
porch | open | garden eat | porch terrace patio balcony
cave | open | cave | cave
vineyard | open | country green | vineyard orchard cornfield
forest | open | wild green snow | forest woods woodland jungle rainforest
snow | open | snow | snow ski-slope snowbank
field | open | country green dry wild air | field meadow pasture grassland savanna savannah plain prairie farm
field | open | country green dry wild air | countryside ranch
grass | open | green country town garden wild air baseball soccer tennis | grass lawn
ground | open | country wild dry green town | dirt gravel
desert | open | sand dry | desert dune
park | open | green town garden wild skate country | park garden yard backyard playground
mountain | open | wild snow dry country | mountain slope hill hillside cliff canyon mountainside
airfield | open | air snow | runway tarmac airfield
skate park | open | skate pool | skatepark skate-park
station | place | rail town lobby | station platform train-station subway-station
train | place | rail aboard | train subway
bus | place | aboard | bus
zoo | place | zoo wild green | zoo enclosure
tennis | open | tennis town | tennis tennis-court
baseball | open | baseball country | baseball baseball-field
soccer | open | soccer country | soccer soccer-field football-field
rink | place | ice | rink ice-rink
shed | room | garage | shed toolshed
stadium | place | tennis baseball soccer stage | stadium court arena ballpark
airport | place | air lobby | airport terminal
village | open | country town garden | village hamlet
courtroom | room | courtroom | courtroom courthouse
circus | room | stage | circus
arctic | open | snow | arctic antarctic glacier iceberg
cemetery | open | green town | cemetery graveyard
courtyard | open | town garden | courtyard
ship | place | shore aboard | deck
"""
"""A place, whether it lies in a room or in the open (``place``: either), its surroundings, and its words."""
_ROWS = [[cell.strip() for cell in row.split("|")] for row in _PLACES.strip().splitlines()]
_NEAR = {name: frozenset(near.split()) for name, _, near, _ in _ROWS}
_SORT_OF = {name: sort for name, sort, _, _ in _ROWS}
TIMES: dict[str, str] = {
    "night": "night nighttime midnight moonlit moonlight", "day": "daytime daylight morning", "noon": "noon midday",
    "evening": "evening sunset dusk sunrise dawn twilight",
}  # fmt: skip
WEATHERS: dict[str, str] = {
    "sunny": "sunny sunshine sunlit sun-drenched", "rainy": "rain rainy raining rainstorm drizzle downpour",
    "snowy": "snowy snowfall snowstorm snowing blizzard snow-covered snow-laden",
    "cloudy": "cloudy", "overcast": "overcast stormy gloomy thunderstorm dreary", "foggy": "fog foggy misty",
}  # fmt: skip
OCCASIONS: dict[str, str] = {"Christmas": "christmas xmas", "Halloween": "halloween", "Easter": "easter"}
BY_BOX = {
    "toilet": "bathroom", "oven": "kitchen", "refrigerator": "kitchen", "microwave": "kitchen", "bed": "bedroom",
}  # fmt: skip
WRONG_SCENE = PlantedError("scene", "a wrong scene")

VALUES = {word: (sort, name) for name, sort, _, words in _ROWS for word in words.split()}
for _sort, _table in (("time", TIMES), ("weather", WEATHERS), ("occasion", OCCASIONS)):
    VALUES |= {word: (_sort, value) for value, words in _table.items() for word in words.split()}
VALUES |= {"indoors": ("air", "indoors"), "inside": ("air", "indoors"), "indoor": ("air", "indoors"),
           "outdoors": ("air", "outdoors"), "outside": ("air", "outdoors"), "outdoor": ("air", "outdoors")}  # fmt: skip
"""Per word its sort and value."""
_NO_KINDS = frozenset(
    "slope platform enclosure grass lawn lounge den deck court terminal dirt gravel snow prairie plain".split()
)
"""Words of the table whose kinds are elsewhere too: a pier is a platform, a cage an enclosure."""
_NEAREST = Nearest({name: row[0] for row in _ROWS for name in row[3].split() if name not in _NO_KINDS})


@lru_cache(maxsize=20_000)
def place_of(word: str) -> tuple[str, str] | None:
    """Sort and value of a word; of a place outside the table those of what it is a kind of: a creek is water."""
    if word in VALUES:
        return VALUES[word]
    value = _NEAREST.of(word) if is_usual(word) else None
    return None if value is None else (_SORT_OF[value], value)


_GROUNDED = {"snow-covered": "snow", "snow-laden": "snow", "grassy": "grass", "sandy": "beach"}
"""Adjectives that say what the ground is."""
_WORDS = (
    frozenset(part for word in VALUES for part in (word, word.rpartition("-")[2]))
    | frozenset(_GROUNDED)
    | {"sun", "clouds"}
)
_INTO = frozenset("in on at inside through along across into by throughout down within outside onto".split())
_SETS = frozenset("sets setting set goes rising rises".split())
_SHOWS = frozenset("is shows show depicts features captures".split())
_PARTS = frozenset("corner floor counter room area scene setting ward lawn grounds section environment".split())
"""What is a part of the place that the word before it names: "a KITCHEN counter"."""
_COVERING = frozenset(("ground", "snow", "grass", "water", "beach"))
_GOES_ON = frozenset("is sits stands fills houses contains with packed full has can".split())
"""What follows a place that opens a sentence as its subject: "A spacious garage HOUSES a mirror"."""


Found = tuple[tuple[str, str], int, int]
"""Sort and value, first character and one past the last."""


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Places after "in", "on" or "at", times and weathers, "indoors"; "this is a kitchen"."""
    words = clause.sentence.words
    if _WORDS.isdisjoint(words) and _INTO.isdisjoint(words):
        return
    told = {found: (start, end) for found, start, end in reversed((*_of_nouns(clause), *_of_words(clause)))}
    ends = {end for _, end in told.values()}
    for found, start, end in _in_passing(clause):
        if found not in told and end not in ends:
            yield replace(_said(clause, found, start, end), is_loose=True)
    for found, (start, end) in reversed(told.items()):
        yield _said(clause, found, start, end)


def _said(clause: Clause, found: tuple[str, str], start: int, end: int) -> Statement:
    sort, value = found
    return Statement("scene", "scene", value, start, end, value=f"{sort}: {value}", in_question=clause.in_question)


def _in_passing(clause: Clause) -> Iterator[Found]:
    """Places that a clause names in any other way: "close to a sandy SHORE", "a KITCHEN sink"."""
    words = clause.sentence.words
    if not _SUPPOSING.isdisjoint(words) or (len(words) < SHORT and "V" not in clause.sentence.tags):
        return  # "A busy airport." answers a question
    for noun in clause.nouns():
        if noun.determiner in _NO_PLACE:
            continue
        both = "-".join(noun.modifiers[-2:])
        for word in (noun.head, both, *(one for one in noun.modifiers[-1:] if one != "plain")):  # "in plain view"
            found = VALUES.get(word)
            if found is not None and found[0] in _PLACED and found[1] not in _PASSING:
                yield found, noun.start, noun.end
                break


_NO_PLACE = frozenset("no any every each another".split())


_SCENES = ("scene", "setting")


def _name_of(noun: Noun) -> str:
    """The word of the place that a noun phrase names: "street" of "a street scene", "kitchen" of "kitchen counter"."""
    word, last = noun.head, noun.modifiers[-1] if noun.modifiers else ""
    if last and f"{last}-{word}" in VALUES:
        return f"{last}-{word}"
    if (word in _SCENES or word in _PARTS) and last in VALUES:
        return last
    both = "-".join(noun.modifiers[-2:])
    return both if word in _PARTS and both in VALUES else word  # "in a living room area"


def _of_nouns(clause: Clause) -> Iterator[Found]:
    words = clause.sentence.words
    for noun in clause.nouns():
        word, last = _name_of(noun), noun.modifiers[-1] if noun.modifiers else ""
        before = words[noun.first - 1] if noun.first else ""
        further = words[noun.first - 2] if noun.first > 1 else ""
        owner = None
        if noun.determiner in ("'s", "’s"):
            owner = next((one for one in clause.sentence.nouns if one.last == noun.first - 1), None)
        if owner is not None and owner.first:  # "in a dentist's waiting room"
            before, further = words[owner.first - 1], words[owner.first - 2] if owner.first > 1 else ""
        is_heart = before == "of" and further in ("middle", "heart", "edge", "center")
        if is_heart or (noun.head in _SCENES and word == last):
            before = "in"
        found = place_of(word)
        if found is not None and found[1] in _COVERING and singular(last) != last:
            continue  # "on white SURFACES dirt shows" has two phrases, "on sports fields" one
        if noun.modifiers and before in _INTO:
            grounds = [ground for adjective, ground in _GROUNDED.items() if adjective in noun.modifiers]
            yield from (((_SORT_OF[ground], ground), noun.start, noun.end) for ground in grounds)
        if found is None or found[0] == "air":
            continue
        if found[0] == "room" and noun.is_plural and noun.determiner not in _SOME_ROOMS:
            continue  # "steel is popular in RESTAURANTS"
        if found[0] == "open" and "city" in noun.modifiers and before in _INTO:
            yield ("open", "city"), noun.start, noun.end
        if _is_told(clause, noun, found, before, further):
            yield found, noun.start, noun.end


def _is_told(clause: Clause, noun: Noun, found: tuple[str, str], before: str, further: str) -> bool:
    """Whether words before a place say that the picture was taken there."""
    sort, value = found
    words = clause.sentence.words
    after = words[noun.last + 1] if noun.last + 1 < len(words) else ""
    if noun.head == "plain" and after in (",", "and"):
        return False  # "in a plain, low-budget bathroom"
    if noun.determiner in ("a", "an") and not _SUPPOSING.isdisjoint(words[noun.last :]):
        return False  # "in a bathroom that is used by several people, it would be hard"
    if value in _ONLY_IN:
        return before in ("in", "inside") or (value in ("train", "bus", "ship") and before in ("on", "aboard"))
    if before in _INTO or sort in ("weather", "occasion"):
        return sort != "time" or before not in ("by", "through")
    if sort == "time":
        return before not in ("last", "every", "for", "until")
    if before in ("is", "'s", "’s", "be") and further in _SUBJECTS:
        return True
    if before == "" and noun.first == 0 and noun.determiner == "this" and after in _SHOWN:
        return True  # "THIS beach is quiet"
    if value == "snow" and (after in _COVERS or (before in ("in", "with", "by") and further in _COVERED)):
        return True
    if before == "" and noun.first == 0 and noun.determiner in ("a", "an") and after in _GOES_ON:
        return True
    if before in _SHOWS and noun.determiner in ("a", "an"):
        return sort == "room" or further in _PICTURES
    return sort == "room" and before == "" and clause.is_opening


_PICTURES = frozenset("scene setting image picture photo photograph shot view this it".split())
_SUPPOSING = frozenset("would could might".split())
_SOME_ROOMS = frozenset("the these those his her its their both two".split())
"""Determiners of rooms that are meant, where there are several."""


def _of_words(clause: Clause) -> Iterator[Found]:
    sentence = clause.sentence
    words, tags = sentence.words, sentence.tags
    for n in clause.words():
        found = VALUES.get(words[n])
        if words[n] == "clouds" and n and words[n - 1] in ("dark", "heavy", "storm", "gray", "grey", "thick"):
            found = ("weather", "overcast")
        if words[n] == "sun" and _SETS.intersection(words[max(0, n - 2) : n + 4]):
            found = ("time", "evening")
        if found is None or found[0] not in _ANYWHERE_SAID or (tags[n] == "n" and found[0] in ("air", *_PLACED)):
            continue
        if found[0] == "air":
            if words[n] in ("inside", "outside") and (
                (n + 1 < len(words) and tags[n + 1] in "DnMAO")
                or (n and (tags[n - 1] == "D" or words[n - 1] == "from"))
            ):
                continue  # "inside the box", "its outside", "works from outside"
            if (
                n
                and tags[n - 1] in "nA"
                and words[n - 1] != "place"
                and ((sentence.nouns and sentence.nouns[0].last < n - 1) or "V" in tags[: n - 1])
            ):
                continue  # "who spends the week indoors"
        yield found, sentence.starts[n], sentence.ends[n]


_SHOWN = frozenset("is looks seems appears has was".split())
_COVERS = frozenset("covers blankets lies coats dusts".split())
_COVERED = frozenset("covered blanketed coated dusted buried".split())


def read_short_answer(turn: ShortAnswer) -> Iterator[Statement]:
    """The place in "What kind of place is this?" "A busy airport."."""
    if _ASKS_PLACE.match(turn.question) is None:
        return
    sentence = Sentence(turn.answer, 0, len(turn.answer))
    noun = sentence.nouns[0] if sentence.nouns and sentence.nouns[0].first == 0 else None
    if noun is None or noun.determiner not in ("a", "an", "") or sentence.words[noun.last + 1 : noun.last + 2] != ["."]:
        return
    last = noun.modifiers[-1] if noun.modifiers else ""
    found = place_of(f"{last}-{noun.head}" if f"{last}-{noun.head}" in VALUES else noun.head)
    if found is not None and found[0] != "air":
        yield Statement("scene", "scene", found[1], noun.start, noun.end, value=f"{found[0]}: {found[1]}")


_ASKS_PLACE = re.compile(
    r"(?:and )?(?:what|which|where)\b.*\b(?:place|room|setting|location|surroundings|environment|background|scene|"
    r"taken)\b",
    FLAGS,
)
_SUBJECTS = frozenset("setting scene place location backdrop background environment surroundings this it to".split())
"""What is the place where a picture was taken: "the BACKDROP is a street", "it seems TO be a street"."""
_PASSING = frozenset("house train bus ship vehicle hotel bar shop road city ground grass snow hall lobby".split())
"""Places that a picture may show from afar, or name a thing by."""
_ONLY_IN = frozenset(("house", "train", "bus", "ship", "vehicle"))
_ANYWHERE_SAID = frozenset(("weather", "time", "air", "occasion"))
"""Sorts that are told by the word alone."""


def _split(value: str | None) -> tuple[str, str]:
    sort, _, name = (value or "").partition(": ")
    return sort, name


_PLACED = frozenset(("room", "open", "place"))
_HELD_APART = (
    {"sunny", "rainy"}, {"sunny", "overcast"}, {"sunny", "foggy"}, {"rainy", "snowy"}, {"night", "day"}, {"night",
    "noon"},
    {"night", "evening"}, {"noon", "evening"}, {"night", "sunny"},
)  # fmt: skip


def _shuts_out(a: tuple[str, str], b: tuple[str, str]) -> bool:
    """Whether a picture of the one is none of the other."""
    (sort, name), (other_sort, other) = a, b
    if name == other:
        return False
    if sort in _PLACED and other_sort in _PLACED:
        shared = _NEAR.get(name, frozenset()) & _NEAR.get(other, frozenset())
        return not (shared if "snow" in (name, other) else shared - {"snow"})  # a snowy street is on no mountain
    if "air" in (sort, other_sort):
        if sort == other_sort:
            return True
        inside, place = (name, other_sort) if sort == "air" else (other, sort)
        return place == ("room" if inside == "outdoors" else "open")
    return {name, other} in _HELD_APART or sort == other_sort == "occasion"


def verify_scene(statement: Statement, evidence: Evidence) -> Ruling:
    """Captions that put the picture elsewhere speak against it; one alone does only where none agrees."""
    said = _split(statement.value)
    saying = f"scene: text says {said[1]}"
    told = [
        {_split(one.value) for one in caption if one.kind == "scene" and not one.is_loose} for caption in evidence.told
    ]
    named = [{_split(one.value) for one in caption if one.kind == "scene"} for caption in evidence.told]
    everything = set().union(*told)
    if said in everything:
        return "supported_by_caption", f"{saying}, a caption too"
    spoken = _spoken_of(evidence)
    is_named = said in spoken or any(said in caption for caption in named)
    if is_named or (said[1] == "living room" and "living" in evidence.nouns):
        return "unknown", f"{saying}, a caption speaks of it"
    rooms = {("room", BY_BOX[name]) for name in evidence.boxes if name in BY_BOX}
    if said in rooms:
        return "supported_by_boxes", f"{saying}, what is boxed stands there"
    places = {place: n for place, n in spoken.items() if place[0] in _PLACED}
    if statement.is_loose:
        return _verify_in_passing(said, saying, named, evidence)
    against = [caption for caption in told if any(_shuts_out(said, other) for other in caption)]
    others = Counter(other for caption in named for other in caption if other[0] == "room")
    agreed = [other for other, n in others.items() if n >= ALL_TELL and said[0] == "room"]
    if agreed and not any(VALUES.get(word) == said for word in evidence.nouns) and len(others) == 1:
        return "contradicted", f"{saying}, captions agree on a {agreed[0][1]}"  # next to it, but not in it
    family = (*_PLACED, "air") if said[0] in (*_PLACED, "air") else (said[0],)
    is_agreed = any(
        not _shuts_out(said, other) and other[0] in family and other[1] not in _ANYWHERE
        for other in (*everything, *places)
    )
    if said[0] in ("time", "weather"):
        against += [{other} for other in spoken if _shuts_out(said, other)]
    if against and not is_agreed:
        names = sorted({name for caption in against for sort, name in caption if _shuts_out(said, (sort, name))})
        return "contradicted", f"{saying}, captions say {' and '.join(names)}"
    elsewhere = sorted(place[1] for place, n in places.items() if n >= OFTEN and _shuts_out(said, place))
    if len(against) >= OFTEN or (elsewhere and not any(not _shuts_out(said, place) for place in places)):
        return "contradicted", f"{saying}, captions speak of {' and '.join(elsewhere) or 'another place'}"
    if rooms and said[0] in _PLACED and not places and all(_shuts_out(said, room) for room in rooms):
        return "contradicted", f"{saying}, what is boxed stands in a {min(rooms)[1]}"
    is_out, is_in = not _OPEN_AIR.isdisjoint(evidence.boxes), not _IN_ROOMS.isdisjoint(evidence.boxes)
    air = ("air", "outdoors") if is_out and not is_in else ("air", "indoors") if is_in and not is_out else None
    if air is not None and said[1] not in _EITHER and _shuts_out(said, air) and not everything:
        return "contradicted", f"{saying}, what is boxed stands {air[1]}"
    if (
        said[1] in TOLD_OF
        and len(evidence.told) >= WITNESSES
        and not _is_beside(said, evidence, (*everything, *places, *rooms))
    ):
        return "contradicted", f"{saying}, none of {len(evidence.told)} captions speaks of anything like it"
    n_placed = sum(any(one[0] in _PLACED and one[1] not in _ANYWHERE for one in caption) for caption in named)
    if n_placed >= _enough(said[1]):
        return "contradicted", f"{saying}, {n_placed} captions tell of other places"
    return "unknown", f"{saying}, captions do not tell"


def _spoken_of(evidence: Evidence) -> dict[tuple[str, str], int]:
    """Per place, time or weather for which captions have a word in any way, how many have one."""
    spoken: dict[tuple[str, str], int] = {}
    for word, n in evidence.nouns.items():
        place = place_of(word) or _OF_CAPTIONS.get(word)
        if place is not None:
            spoken[place] = spoken.get(place, 0) + n
    return spoken


def _enough(name: str) -> int:
    """How many captions that tell of other places speak against one of which none has a word."""
    if name in TOLD_OF and name not in ("snow", "snowy"):
        return OFTEN
    return ALL_TELL if name in _SELDOM_PASSED else NEVER


def _verify_in_passing(
    said: tuple[str, str], saying: str, named: Sequence[set[tuple[str, str]]], evidence: Evidence
) -> Ruling:
    """A place that a text names in passing is not there where captions tell of places that all shut it out."""
    places = [{one for one in caption if one[0] in _PLACED} for caption in named]
    told = set().union(*places)
    around = {place for word in evidence.nouns if (place := place_of(word)) is not None and place[0] in _PLACED} | told
    rooms = {("room", BY_BOX[name]) for name in evidence.boxes if name in BY_BOX}
    if sum(map(bool, places)) >= OFTEN and all(_shuts_out(said, place) for place in (*around, *rooms)):
        return "contradicted", f"{saying}, captions speak of {' and '.join(sorted(name for _, name in told))}"
    return "unknown", f"{saying} in passing, captions do not tell"


def _is_beside(said: tuple[str, str], evidence: Evidence, around: Iterable[tuple[str, str]]) -> bool:
    """Whether a place may lie in or beside one that annotations tell of; snow may lie anywhere in winter."""
    if said[1] in ("snow", "snowy"):
        return not _WINTRY.isdisjoint(evidence.nouns)
    is_room = said[0] == "room" and "room" in evidence.nouns
    return is_room or any(place[0] in _PLACED and not _shuts_out(said, place) for place in around)


TOLD_OF = frozenset(
    "kitchen bathroom bedroom beach desert church airport restaurant tennis baseball soccer zoo classroom library "
    "museum rink shop laundry hospital theatre ship cave vineyard forest mountain snow snowy village circus arctic "
    "courtroom cemetery".split()
) | {"living room"}
"""Places of which somebody tells where several people describe a picture taken there; in a street or a field people may
pass them over. Of 1,005 captions of COCO, each held against the others, 0.3 % name one that no other speaks of."""
NEVER = 99
_SELDOM_PASSED = frozenset("street park porch rooftop courtyard".split())
"""Places that one of three who tell where a picture was taken would name."""
_WINTRY = frozenset(
    "ski skier skiing snowboard snowboarder snowboarding boarder winter ice icy cold frozen slope sled polar".split()
)
"""Words of captions that leave open whether there is snow."""
WITNESSES = 4
"""Captions whose common silence on such a place speaks against it."""


_OF_CAPTIONS = {"day": ("time", "day")}
"""Words that say so in a caption; in an answer "day" may be any day."""
_ANYWHERE = frozenset(("road", "snow", "grass", "ground", "water", "indoors", "outdoors", "bus", "train"))
"""What may lie beside most places, so that it agrees with none."""
ALL_TELL = 3
"""Captions that put a picture in one room, from which on it is in no other, however near."""
OFTEN = 2
"""Captions that speak of a place in any way, from which on it is where the picture was taken."""
_OPEN_AIR = frozenset(("giraffe", "zebra", "elephant", "surfboard", "skis", "snowboard", "airplane", "traffic light",
                       "fire hydrant", "parking meter", "stop sign", "sheep"))  # fmt: skip
_IN_ROOMS = frozenset(
    ("toilet", "refrigerator", "oven", "microwave", "bed", "sink", "tv", "laptop", "keyboard", "mouse", "toaster")
)
_EITHER = frozenset(("barn", "garage", "street", "city", "park", "restaurant", "shop", "church", "museum", "porch",
                     "house"))  # fmt: skip
"""Places beside which a window or a yard shows the other."""


def excludes(a: Claim, b: Claim) -> bool:
    """Two places, times or weathers of which one shuts the other out."""
    are_told = a.verdict == b.verdict == "supported_by_caption"  # captions of one picture may tell of both
    return b.kind == "scene" and not are_told and _shuts_out(_split(a.value), _split(b.value))


_ASKED = {"room": "Is this a {0}?", "open": "Was this taken at a {0}?", "place": "Is this a {0}?",
          "time": "Is it {0}?", "weather": "Is it {0}?", "occasion": "Is it decorated for {0}?",
          "air": "Was this taken {0}?"}  # fmt: skip


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask for the place, time or weather."""
    sort, name = _split(claim.value)
    yield ask_yes_no(claim, _ASKED[sort].format(name), WRONG_SCENE)


_TURNED = {"kitchen": "bathroom", "bathroom": "kitchen", "bedroom": "kitchen", "beach": "street", "street": "beach",
           "indoors": "outdoors", "outdoors": "indoors", "night": "noon", "office": "bathroom", "forest": "kitchen",
           "restaurant": "forest", "field": "kitchen", "park": "bathroom"}  # fmt: skip

SCENE = Kind(
    name="scene",
    says="where, when and in what weather a picture was taken",
    examples=(
        "The dog lies in a kitchen.",
        "The dog runs on the beach.",
        "The picture was taken at night.",
        "The dog is outdoors.",
        "It is a rainy day.",
    ),
    read_clause=read_clause,
    read_short_answer=read_short_answer,
    reads_bare=True,
    verify=verify_scene,
    excludes=excludes,
    agrees_within=True,
    if_seeming=True,
    probe=probe,
    plants=((WRONG_SCENE, turning(_TURNED)),),
    if_supposed="if plain",
)
