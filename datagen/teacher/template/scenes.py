"""What the embedded teacher knows of the world: kinds of places with their signs, and what may be denied safely."""

from __future__ import annotations

import re

from msgspec import Struct

COCO_NAMES = tuple(
    (
        "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
        "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
        "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, "
        "skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, "
        "sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, "
        "dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, "
        "refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush"
    ).split(", ")
)

ANIMALS = frozenset("bird cat dog horse sheep cow elephant bear zebra giraffe".split())
VEHICLES = frozenset("bicycle car motorcycle airplane bus train truck boat".split())
HELD = frozenset("umbrella, frisbee, kite, tennis racket, baseball bat, laptop, suitcase, teddy bear".split(", "))


LOOKALIKES = tuple(
    frozenset(line.split(", "))
    for line in (
        "skis, snowboard", "pizza, sandwich, hot dog, cake, donut", "horse, cow, sheep", "apple, orange",
        "cup, wine glass", "bus, truck", "couch, chair, bed", "surfboard, skateboard, snowboard", "bear, teddy bear",
    )
)  # fmt: skip
"""Annotators label one as another: what only the boxes name is doubted where captions name its look-alike."""


class SceneSetting(Struct, frozen=True):
    """A kind of place.

    Attributes:
        name: With its article, such as ``"a kitchen"``.
        preposition: How one is there: "in", "on", "at".
        words: Words of a description that name the place, as alternatives of a pattern.
        named: The pattern made of them.
        signs: Categories that tell of it.
        unlikely: Categories that are common near such places: fair questions when they are missing.
        elsewhere: Places that nobody could take for this one.
    """

    name: str
    preposition: str
    words: str
    named: re.Pattern[str]
    signs: frozenset[str]
    unlikely: tuple[str, ...]
    elsewhere: tuple[str, ...]


_OUTDOORS = ("on a beach", "on a ski slope", "in a farm field", "at a harbor", "on an airport runway")
_INDOORS = ("in a kitchen", "in a bathroom", "in a bedroom", "in an office", "in a living room")


def _setting(place: str, words: str, signs: str, unlikely: str, elsewhere: tuple[str, ...]) -> SceneSetting:
    preposition, _, name = place.partition(" ")
    pattern = re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    return SceneSetting(
        name, preposition, words, pattern, frozenset(signs.split(", ")), tuple(unlikely.split(", ")), elsewhere
    )


SETTINGS = (
    _setting("in a kitchen", "kitchen|kitchens|kitchenette",
    "oven, microwave, refrigerator, sink, toaster, knife, bowl",
             "dog, cat, tv, laptop, pizza, cake, teddy bear, vase, microwave, refrigerator, oven, banana, wine glass",
             _OUTDOORS),
    _setting("in a bathroom", "bathroom|restroom|washroom", "toilet, sink, toothbrush, hair drier",
             "cat, dog, vase, teddy bear, bed, couch, tv, laptop, suitcase, wine glass, umbrella", _OUTDOORS),
    _setting("in a bedroom", "bedroom|hotel room", "bed, teddy bear",
             "couch, tv, laptop, cat, dog, suitcase, vase, umbrella, teddy bear, keyboard, toilet", _OUTDOORS),
    _setting("in a living room", "living room|livingroom|family room", "couch, tv, remote, chair, potted plant, vase",
             "bed, dog, cat, laptop, teddy bear, vase, wine glass, refrigerator, suitcase, cake", _OUTDOORS),
    _setting("in an office", "office|cubicle|work station|workstation", "laptop, keyboard, mouse, tv, chair",
             "couch, bed, cat, dog, vase, teddy bear, umbrella, suitcase, pizza, banana", _OUTDOORS),
    _setting("in a restaurant", "restaurant|cafe|diner|pizzeria", "dining table, wine glass, fork, knife, cup, bottle",
             "laptop, cake, umbrella, teddy bear, tv, suitcase, vase, couch, dog", _OUTDOORS),
    _setting("on a ski slope", "ski slope|ski slopes|slope|slopes|skiing|snowboarding|snowy", "skis, snowboard",
             "skis, snowboard, dog, bench, kite, bicycle, surfboard, umbrella",
             (*_INDOORS, "on a beach", "on a city street")),
    _setting("on a baseball field", "baseball field|baseball game|baseball diamond|ball park|ballpark",
             "baseball bat, baseball glove, sports ball",
             "tennis racket, frisbee, bicycle, umbrella, kite, skateboard, dog, baseball bat",
             (*_INDOORS, "on a beach", "on a ski slope")),
    _setting("on a tennis court", "tennis court|clay court", "tennis racket, sports ball",
             "baseball bat, frisbee, bicycle, umbrella, skateboard, bench, dog, kite",
             (*_INDOORS, "on a beach", "on a ski slope")),
    _setting("in a skate park", "skate park|skatepark|skateboard park", "skateboard",
             "bicycle, surfboard, motorcycle, dog, bench, kite, snowboard",
             (*_INDOORS, "on a beach", "on a ski slope")),
    _setting("on a beach", "beach|beaches|seashore", "surfboard, kite, umbrella, boat",
             "surfboard, kite, umbrella, dog, boat, frisbee, bicycle, horse, bench",
             (*_INDOORS, "on a ski slope", "on a city street")),
    _setting("in an airport", "airport|tarmac|runway", "airplane, bus, truck, suitcase",
             "boat, train, bicycle, motorcycle, horse, kite, suitcase, truck",
             (*_INDOORS, "on a beach", "on a ski slope")),
    _setting("in a train station", "train station|railway station|subway station", "train, bench, suitcase, clock",
             "airplane, boat, motorcycle, dog, horse, couch, bed, surfboard, kite",
             ("in a kitchen", "in a bathroom", "on a beach", "on a ski slope")),
    _setting("in a harbor", "harbor|harbour|marina|dock|docks|pier", "boat",
             "surfboard, airplane, train, umbrella, bicycle, bench, dog, kite",
             (*_INDOORS, "on a ski slope", "on a tennis court")),
    _setting("on a street", "street|streets|sidewalk|intersection|crosswalk",
             "car, bus, truck, traffic light, stop sign, parking meter, fire hydrant, motorcycle, bicycle",
             "bus, truck, train, fire hydrant, parking meter, stop sign, umbrella, dog, horse, skateboard, boat, "
             "airplane, couch, elephant, kite, cow", (*_INDOORS, "on a beach", "on a ski slope")),
    _setting("in a park", "park", "bench, frisbee, kite, bird",
             "bicycle, dog, kite, frisbee, bench, umbrella, horse, skateboard, fire hydrant",
             (*_INDOORS, "on a ski slope", "on an airport runway")),
    _setting("in a zoo", "zoo|enclosure", "elephant, giraffe, zebra, bear",
             "elephant, giraffe, zebra, bear, horse, bench, umbrella, dog, truck",
             (*_INDOORS, "on a ski slope", "on a city street")),
    _setting("in a field", "field|pasture|meadow|grassland|savanna|savannah|farm|hillside",
             "cow, sheep, horse, zebra, giraffe, elephant",
             "horse, sheep, cow, zebra, giraffe, elephant, dog, truck, bicycle, bench, kite, motorcycle, umbrella",
             (*_INDOORS, "on a ski slope", "on a city street")),
)  # fmt: skip
"""Ordered from the particular to the general: the first of equally well supported settings wins."""

SETTING_WORDS = re.compile(
    r"\b(?:" + "|".join(f"(?P<s{n}>{setting.words})" for n, setting in enumerate(SETTINGS)) + r")\b"
)
"""All settings' words in one pattern, for text in lower case: group ``s3`` tells of ``SETTINGS[3]``."""

BIG = frozenset(
    (
        "dog cat horse cow elephant zebra giraffe airplane train boat bus motorcycle bed toilet couch oven refrigerator"
    ).split()
)
"""What nobody overlooks even in a crowd or in clutter."""
CLUTTER = frozenset("clutter cluttered items household decorations stuff messy crowded busy things collection".split())

GENERAL_DISTRACTORS = tuple(
    "dog, cat, bicycle, umbrella, suitcase, laptop, bench, kite, vase, teddy bear, skateboard, cake, horse, boat, "
    "pizza, couch, elephant, motorcycle, surfboard, airplane".split(", ")
)
FOOD_DISTRACTORS = tuple("wine glass, laptop, vase, cake, pizza, banana, donut, teddy bear, cat, umbrella".split(", "))
FOODS = frozenset("banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake".split(", "))

DISHES = frozenset(
    "meal breakfast lunch dinner eggs egg bacon bread toast salad soup rice meat fish fries chips dessert".split()
)
"""Words for food that COCO has no category for; annotators then borrow one (an egg becomes a donut)."""


class AbsenceDoubt(Struct, frozen=True):
    """What makes it disputable to say that a category is absent.

    Attributes:
        rivals: Categories that people take for it, or it for them.
        words: Words of a description that leave it open whether the category is shown.
    """

    rivals: frozenset[str]
    words: frozenset[str]


def _read_doubts(table: str) -> dict[str, AbsenceDoubt]:
    """Read lines of categories, their rivals and doubtful words; an indented line goes on with the one before."""
    doubts: dict[str, AbsenceDoubt] = {}
    for line in table.strip().replace("\n    ", " ").splitlines():
        members, rivals, words = (part.strip() for part in line.split("|"))
        group = [*members.split(", "), *filter(None, rivals.split(", "))]
        singular = words.split()
        forms = frozenset([*singular, *(f"{word}s" for word in singular)])
        for member in members.split(", "):
            known = doubts.get(member, AbsenceDoubt(frozenset(), frozenset()))
            doubts[member] = AbsenceDoubt(known.rivals | (frozenset(group) - {member}), known.words | forms)
    return doubts


DENIABLE = _read_doubts(
    """
bus, truck | car, train | vehicle van traffic trolley tram streetcar cart trailer wagon tractor jeep engine toy
    ambulance parking
train | bus | subway metro tram trolley streetcar rail railroad railway track tracks station locomotive engine
    toy
bicycle, motorcycle | | bike scooter moped cyclist rider biker tricycle cycle
boat | surfboard | ship vessel harbor harbour dock marina pier port raft yacht sail river lake sea ocean bay
    canal
airplane | kite | airport tarmac runway flight helicopter flying sky wing
kite | airplane, umbrella | parachute parasail glider flying string sky sail
traffic light | | light signal intersection crossing crosswalk lamp
stop sign | traffic light | sign signs
fire hydrant | parking meter | hydrant
parking meter | fire hydrant | meter machine booth
bench | chair, couch, bed | seat bleacher stand picnic sitting sits seated stool
horse, cow, sheep | zebra, giraffe, dog, bear, elephant | animal herd livestock goat donkey deer antelope pony
    carriage foal mule
zebra, giraffe, elephant | | animal herd wildlife toy statue
bear | teddy bear, dog, cow | animal panda stuffed toy cub
cat, dog | bear, teddy bear, sheep | animal pet puppy kitten toy stuffed doll collie lab terrier
teddy bear | dog, cat, bear | toy stuffed doll animal plush figure puppet
umbrella | kite | canopy awning tent shade patio shelter parasol rain
suitcase | handbag, backpack | luggage bag trunk case briefcase baggage travel
frisbee | sports ball, kite | disc disk toy throwing
skis, snowboard | surfboard, skateboard | ski skiing skier board boarder boarding snow sled sledding
skateboard, surfboard | snowboard, skis | board boarder skating skater surfing surfer wave scooter
baseball bat | tennis racket, baseball glove | bat batter baseball hitting swing swinging
tennis racket | baseball bat | racquet tennis badminton
wine glass | cup, bottle, bowl, vase | glass wine drink champagne beverage goblet bar dinner toast
banana | | fruit produce bunch market food
pizza, sandwich, hot dog, cake, donut | bowl | food meal dessert pastry bread plate dish lunch dinner breakfast
    bakery snack tray birthday pie burger
couch, bed | chair, bench | sofa seat furniture futon mattress loveseat recliner lounge room cushion pillow
    blanket
toilet | sink | bathroom restroom commode urinal bidet
tv, laptop | cell phone, keyboard, mouse, remote | computer monitor screen television electronics desk display
    office
keyboard | laptop, mouse, tv | computer piano office desk
microwave, oven, refrigerator | toaster, sink | appliance stove cabinet fridge
vase | bottle, cup, potted plant, wine glass, bowl | flower pot jar plant pottery bouquet
"""
)
"""Only these categories are ever denied: large or striking things that annotators do not miss."""
