"""Scene: "It is set in a kitchen", "at night", "in the rain" say where and when a picture was taken.

Captions tell it, and boxes of things that stand in one kind of room. It is contradicted where they put the picture in a
place, a time or a weather that shuts the other out; a street and a city do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from datagen.claims.clause import Clause, Statement
from datagen.claims.kind import Evidence, Kind, PlantedError, Probed, Ruling, ask_yes_no, turning
from datagen.claims.syntax import Noun
from datagen.records import Claim

INDOORS: dict[str, str] = {
    "kitchen": "kitchen kitchenette", "bathroom": "bathroom restroom washroom", "bedroom": "bedroom crib nursery",
    "living room": "living-room lounge fireplace", "office": "office cubicle workplace", "classroom": "classroom",
    "restaurant": "restaurant cafe café diner cafeteria pizzeria", "shop": "store shop supermarket mall bakery",
    "hall": "gym gymnasium ballroom banquet-hall hallway", "garage": "garage", "lobby": "lobby reception",
    "vehicle": "cockpit cabin",
    "house": "house apartment", "library": "library bookstore", "hospital": "hospital clinic",
    "museum": "museum gallery",
    "church": "church cathedral", "theatre": "theater theatre cinema", "warehouse": "warehouse factory workshop",
    "barn": "barn stable", "cellar": "basement cellar attic", "bar": "bar pub nightclub",
}  # fmt: skip
OUTDOORS: dict[str, str] = {
    "beach": "beach shore shoreline seashore", "water": "ocean sea lake river pond surf wave harbor marina",
    "street": "street road sidewalk highway intersection crosswalk roadway roadside town parking-lot",
    "city": "city downtown", "rooftop": "rooftop", "cave": "cave", "lane": "countryside country-lane country-road",
    "vineyard": "vineyard orchard", "forest": "forest woods woodland jungle", "snow": "snow slope ski-slope snowbank",
    "field": "field meadow pasture grassland savanna savannah plain prairie farm", "desert": "desert dune",
    "park": "park garden yard backyard lawn playground", "mountain": "mountain hill hillside cliff canyon trail",
    "airfield": "runway tarmac airfield", "skate park": "skatepark skate-park",
}  # fmt: skip
STATIONS: dict[str, str] = {"station": "station platform", "zoo": "zoo enclosure", "stadium": "stadium court arena",
                            "airport": "airport", "train": "train subway bus"}  # fmt: skip
"""Places that may be under a roof or not."""
TIMES: dict[str, str] = {"night": "night nighttime midnight moonlit moonlight", "day": "daytime daylight",
"noon": "noon midday",
                         "evening": "evening sunset dusk sunrise dawn"}  # fmt: skip
WEATHERS: dict[str, str] = {
    "sunny": "sunny sunshine", "rainy": "rain rainy raining rainstorm",
    "snowy": "snowy snowfall snowstorm snowing blizzard",
    "cloudy": "cloudy overcast", "foggy": "fog foggy misty",
}  # fmt: skip
OCCASIONS: dict[str, str] = {"Christmas": "christmas xmas", "Halloween": "halloween", "Easter": "easter"}
ROOMS_BY_BOX = {"toilet": "bathroom", "oven": "kitchen", "refrigerator": "kitchen", "microwave": "kitchen",
                "bed": "bedroom"}  # fmt: skip
NEIGHBOURS = (
    {"house", "kitchen"}, {"house", "bathroom"}, {"house", "bedroom"}, {"house", "living room"}, {"house", "office"},
    {"house", "hall"}, {"house", "garage"}, {"house", "shop"}, {"garage", "shop"}, {"garage", "office"},
    {"lobby", "office"}, {"lobby", "restaurant"}, {"lobby", "hall"}, {"lobby", "shop"},
    {"city", "street"}, {"city", "beach"}, {"city", "water"}, {"city", "park"}, {"city", "snow"}, {"city", "field"},
    {"city", "skate park"}, {"city", "airfield"}, {"city", "mountain"}, {"lane", "street"}, {"vineyard", "field"},
    {"vineyard", "lane"}, {"vineyard", "park"}, {"vineyard", "forest"}, {"vineyard", "mountain"}, {"vineyard",
    "street"},
    {"kitchen", "living room"}, {"kitchen", "restaurant"}, {"kitchen", "office"}, {"kitchen", "shop"},
    {"living room", "bedroom"}, {"living room", "office"}, {"bedroom", "office"}, {"office", "classroom"},
    {"restaurant", "shop"}, {"restaurant", "living room"}, {"hall", "living room"}, {"hall", "classroom"},
    {"hall", "restaurant"}, {"hall", "office"}, {"hall", "shop"}, {"shop", "office"},
    {"beach", "water"}, {"beach", "park"}, {"beach", "field"}, {"beach", "desert"}, {"beach", "mountain"},
    {"beach", "street"}, {"water", "park"}, {"water", "forest"}, {"water", "field"}, {"water", "mountain"},
    {"water", "street"}, {"water", "snow"}, {"water", "desert"}, {"street", "lane"}, {"street", "park"},
    {"street", "snow"}, {"street", "field"}, {"street", "forest"}, {"street", "mountain"}, {"street", "skate park"},
    {"street", "airfield"}, {"street", "desert"}, {"lane", "field"}, {"lane", "forest"}, {"lane", "park"},
    {"lane", "mountain"}, {"lane", "snow"}, {"lane", "water"}, {"forest", "field"}, {"forest", "park"},
    {"forest", "snow"}, {"forest", "mountain"}, {"field", "park"}, {"field", "snow"}, {"field", "mountain"},
    {"field", "desert"}, {"field", "airfield"}, {"park", "snow"}, {"park", "mountain"}, {"park", "skate park"},
    {"mountain", "snow"}, {"mountain", "desert"}, {"snow", "desert"}, {"airfield", "snow"}, {"skate park", "water"},
)  # fmt: skip
"""Places that one picture may show together."""
WRONG_SCENE = PlantedError("scene", "a wrong scene")

_TABLES = (
    ("room", INDOORS),
    ("open", OUTDOORS),
    ("place", STATIONS),
    ("time", TIMES),
    ("weather", WEATHERS),
    ("occasion", OCCASIONS),
)
VALUES = {word: (sort, value) for sort, table in _TABLES for value, words in table.items() for word in words.split()}
VALUES |= {"indoors": ("air", "indoors"), "inside": ("air", "indoors"), "indoor": ("air", "indoors"),
           "outdoors": ("air", "outdoors"), "outside": ("air", "outdoors"), "outdoor": ("air", "outdoors")}  # fmt: skip
"""Per word its sort and value."""
_WORDS = frozenset(part for word in VALUES for part in (word, word.rpartition("-")[2])) | {"sun"}
_INTO = frozenset("in on at inside through along across into by throughout".split())
_SETS = frozenset("sets setting set goes rising rises".split())
_SHOWS = frozenset("is shows show depicts features captures".split())


def read_clause(clause: Clause) -> Iterator[Statement]:
    """Places after "in", "on" or "at", times and weathers, "indoors"; "this is a kitchen"."""
    if _WORDS.isdisjoint(clause.sentence.words):
        return
    seen: set[tuple[str, str]] = set()
    for found, start, end in (*_of_nouns(clause), *_of_words(clause)):
        if found not in seen:
            seen.add(found)
            sort, value = found
            yield Statement(
                "scene", "scene", value, start, end, value=f"{sort}: {value}", in_question=clause.in_question
            )


Found = tuple[tuple[str, str], int, int]
"""Sort and value, first character and one past the last."""


def _of_nouns(clause: Clause) -> Iterator[Found]:
    words = clause.sentence.words
    for noun in clause.nouns():
        word, last = noun.head, noun.modifiers[-1] if noun.modifiers else ""
        before = words[noun.first - 1] if noun.first else ""
        further = words[noun.first - 2] if noun.first > 1 else ""
        if before == "of" and further in ("middle", "heart", "edge"):
            before = "in"
        if f"{last}-{word}" in VALUES:
            word = f"{last}-{word}"
        elif word == "scene" and last in VALUES:  # "a street scene"
            word, before = last, "in"
        found = VALUES.get(word)
        if found is None or found[0] == "air":
            continue
        if found[0] == "open" and "city" in noun.modifiers and before in _INTO:
            yield ("open", "city"), noun.start, noun.end
        if _is_told(clause, noun, found, before, further):
            yield found, noun.start, noun.end


def _is_told(clause: Clause, noun: Noun, found: tuple[str, str], before: str, further: str) -> bool:
    """Whether words before a place say that the picture was taken there."""
    sort, value = found
    if value in _ONLY_IN:
        return before in ("in", "inside") or (value == "train" and before == "on")
    if before in _INTO or sort in ("weather", "occasion"):
        return sort != "time" or before not in ("by", "through")
    if sort == "time":
        return before not in ("last", "every", "for", "until")
    if before in ("is", "'s", "’s") and further in ("setting", "scene", "place", "location", "this", "it"):
        return True
    return sort == "room" and (
        (before in _SHOWS and noun.determiner in ("a", "an")) or (before == "" and clause.is_opening)
    )


def _of_words(clause: Clause) -> Iterator[Found]:
    sentence = clause.sentence
    words, tags = sentence.words, sentence.tags
    for n in clause.words():
        found = VALUES.get(words[n])
        if words[n] == "sun" and _SETS.intersection(words[max(0, n - 2) : n + 4]):
            found = ("time", "evening")
        if found is None or found[0] not in _ANYWHERE_SAID or (tags[n] == "n" and found[0] not in ("occasion", "time")):
            continue
        if found[0] == "air":
            if words[n] in ("inside", "outside") and n + 1 < len(words) and tags[n + 1] in "DnMAO":
                continue  # "inside the box"
            if n and tags[n - 1] in "nA" and sentence.nouns[0].last < n - 1:
                continue  # "who spends the week indoors"
        yield found, sentence.starts[n], sentence.ends[n]


_ONLY_IN = frozenset(("house", "train"))
_ANYWHERE_SAID = frozenset(("weather", "time", "air", "occasion"))
"""Sorts that are told by the word alone."""


def _split(value: str | None) -> tuple[str, str]:
    sort, _, name = (value or "").partition(": ")
    return sort, name


def _shuts_out(a: tuple[str, str], b: tuple[str, str]) -> bool:
    """Whether a picture of the one is none of the other."""
    (sort, name), (other_sort, other) = a, b
    if sort == other_sort:
        if sort in ("time", "air"):
            return name != other and {name, other} not in ({"day", "evening"}, {"day", "noon"})
        if sort == "weather":
            return {name, other} in (
                {"sunny", "rainy"}, {"rainy", "snowy"}, {"sunny", "foggy"}
            )  # fmt: skip
        if sort == "place":
            return name != other and {name, other} != {"station", "train"}
        if sort == "occasion":
            return name != other
        return sort in ("room", "open") and name != other and {name, other} not in NEIGHBOURS
    sorts = {sort, other_sort}
    if sorts == {"room", "open"}:
        return True
    if sorts == {"air", "room"}:
        return "outdoors" in (name, other)
    if sorts == {"air", "open"}:
        return "indoors" in (name, other)
    return False


def verify_scene(statement: Statement, evidence: Evidence) -> Ruling:
    """Captions that put the picture elsewhere speak against it; one alone does only where none agrees."""
    said = _split(statement.value)
    saying = f"scene: text says {said[1]}"
    told = [{_split(one.value) for one in caption if one.kind == "scene"} for caption in evidence.told]
    everything = set().union(*told)
    if any(said[1] == name for _, name in everything):
        return "supported_by_caption", f"{saying}, a caption too"
    words = _WORDS_OF.get(said, ())
    if any(word in evidence.nouns for word in words):
        return "unknown", f"{saying}, a caption speaks of it"
    shown = {("room", ROOMS_BY_BOX[name]) for name in evidence.boxes if name in ROOMS_BY_BOX}
    if said in shown:
        return "supported_by_boxes", f"{saying}, what is boxed stands there"
    often = {place for place, spoken in _WORDS_OF.items() if sum(evidence.nouns.get(w, 0) for w in spoken) >= OFTEN}
    against = [caption for caption in told if any(_shuts_out(said, other) for other in caption)]
    family = ("room", "open", "air") if said[0] in ("room", "open", "air") else (said[0],)
    is_agreed = any(
        not _shuts_out(said, other) and other[0] in family and other[1] not in _ANYWHERE for other in everything
    )
    if against and (len(against) >= 2 or not is_agreed):
        names = sorted({name for caption in against for sort, name in caption if _shuts_out(said, (sort, name))})
        return "contradicted", f"{saying}, captions say {' and '.join(names)}"
    elsewhere = sorted(name for sort, name in often if _shuts_out(said, (sort, name)))
    if elsewhere and not any(not _shuts_out(said, place) and place[0] in ("room", "open") for place in often):
        return "contradicted", f"{saying}, captions speak of {' and '.join(elsewhere)}"
    is_out, is_in = not _OPEN_AIR.isdisjoint(evidence.boxes), not _IN_ROOMS.isdisjoint(evidence.boxes)
    air = ("air", "outdoors") if is_out and not is_in else ("air", "indoors") if is_in and not is_out else None
    if air is not None and said[1] not in _EITHER and _shuts_out(said, air) and not everything:
        return "contradicted", f"{saying}, what is boxed stands {air[1]}"
    return "unknown", f"{saying}, captions do not tell"


_ANYWHERE = frozenset(("street", "snow"))
"""What may lie beside most places, so that it agrees with none."""
OFTEN = 2
"""Captions that speak of a place in any way, from which on it is where the picture was taken."""
_OPEN_AIR = frozenset(("giraffe", "zebra", "elephant", "surfboard", "skis", "snowboard", "airplane", "traffic light",
                       "fire hydrant", "parking meter", "stop sign"))  # fmt: skip
_IN_ROOMS = frozenset(("toilet", "refrigerator", "oven", "microwave", "bed"))
_EITHER = frozenset(("barn", "garage", "street", "city", "park", "restaurant", "shop", "church", "museum"))
"""Places beside which a window or a yard shows the other."""
_WORDS_OF = {(sort, value): tuple(words.split()) for sort, table in _TABLES[:2] for value, words in table.items()}


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
    reads_bare=True,
    verify=verify_scene,
    excludes=excludes,
    agrees_within=True,
    probe=probe,
    plants=((WRONG_SCENE, turning(_TURNED)),),
    if_supposed="if plain",
)
