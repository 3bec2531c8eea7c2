"""What kinds of things there are: wider words, look-alikes, and things that annotators overlook.

Tables about COCO's 80 categories, read by name: a corpus with other names is judged without them.
"""

from __future__ import annotations

WIDER = {
    "animal": "bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe",
    "vehicle": "bicycle, car, motorcycle, airplane, bus, train, truck, boat",
    "fruit": "banana, apple, orange",
    "vegetable": "broccoli, carrot",
    "food": "banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake",
    "bag": "backpack, handbag, suitcase",
    "furniture": "chair, couch, bed, dining table, bench",
    "utensil": "fork, knife, spoon",
    "silverware": "fork, knife, spoon",
    "cutlery": "fork, knife, spoon",
    "dish": "bowl, cup, wine glass, bottle, cake, pizza, sandwich",
    "appliance": "microwave, oven, toaster, refrigerator",
    "electronics": "tv, laptop, mouse, remote, keyboard, cell phone",
    "computer": "laptop, tv, keyboard, mouse",
    "toy": "teddy bear, car, train, truck, airplane, horse, dog, cat, bear, boat, kite, sports ball",
    "pet": "cat, dog, bird",
    "livestock": "cow, sheep, horse",
    "herd": "cow, sheep, horse, elephant, zebra, giraffe",
    "luggage": "suitcase, backpack, handbag",
    "seat": "chair, couch, bench",
    "glass": "wine glass, cup, bottle",
    "drink": "cup, wine glass, bottle",
    "board": "skateboard, surfboard, snowboard",
    "fixture": "toilet, sink",
    "traffic": "car, bus, truck, motorcycle, bicycle",
    "meal": "pizza, sandwich, hot dog, cake, bowl, dining table, fork, knife, spoon, cup, broccoli, carrot",
    "bathroom": "toilet, sink",
    "kitchen": "oven, sink, refrigerator, microwave",
    "monitor": "tv, laptop",
    "screen": "tv, laptop, cell phone",
    "team": "person",
    "crowd": "person",
    "family": "person",
    "couple": "person",
    "hand": "person",
}
"""Wider words and the categories they may stand for: where a caption says "animals", a cow is left open."""

CLAIMED_WIDER = ("animal", "vehicle", "fruit", "vegetable")
"""Wider words that are claims themselves, borne out by any of their categories."""

LOOKALIKES = tuple(
    frozenset(line.split(", "))
    for line in (
        "car, truck, bus, train",
        "bicycle, motorcycle",
        "cup, wine glass, bowl, bottle",
        "vase, bottle",
        "chair, couch, bench, bed",
        "backpack, handbag, suitcase",
        "cow, sheep, horse",
        "dog, cat, bear, teddy bear",
        "sheep, dog",
        "zebra, giraffe, horse",
        "sandwich, hot dog, pizza, cake, donut",
        "apple, orange",
        "orange, carrot",
        "fork, knife, spoon",
        "oven, microwave, toaster, refrigerator",
        "tv, laptop, keyboard, mouse",
        "remote, cell phone",
        "skis, snowboard",
        "skateboard, snowboard, surfboard",
        "surfboard, boat",
        "kite, airplane, umbrella",
        "frisbee, sports ball",
        "baseball bat, baseball glove, sports ball, tennis racket",
        "potted plant, vase",
        "scissors, knife",
        "sink, toilet",
        "traffic light, stop sign",
        "parking meter, fire hydrant",
        "book, laptop",
        "bed, dining table",
        "dining table, bench",
    )
)
"""Things that people or annotators take for one another: where one is boxed, the other is left open."""

OVERLOOKED = frozenset(
    "book, cup, bottle, bowl, fork, knife, spoon, chair, potted plant, handbag, tie, backpack, clock, sports ball, "
    "remote, cell phone, vase, bird, traffic light, carrot, person, car".split(", ")
)
"""Things so small or so common that annotators miss them in a busy picture."""

BUSY = 20
"""From this many boxes on a picture is busy."""

UNSURE_WORDS = frozenset(
    "table, ball, tennis ball, soccer ball, baseball, basketball, football, volleyball, disc, luggage, pitcher, "
    "batter, catcher, ship, jet, phone, stove, ski, someone, individual, rider, clock tower, teddy, plane, "
    "racket, owl, duck, "
    "pizza oven, bull, calf".split(", ")
)
"""Words that often mean something else ("a pitcher of water"): they bear a claim out, never against one."""

UNCOUNTABLE = frozenset(
    "book, banana, apple, orange, carrot, broccoli, cake, pizza, sandwich, donut, hot dog, skis, dining table, "
    "tie".split(", ")
)
"""Things whose number is a matter of taste: slices, bunches, shelves, tables pushed together."""

FEWEST_ANNOTATED = 1
"""An image needs this many boxes before a missing one means anything."""

WIDER_OF: dict[str, tuple[str, ...]] = {}
for _word, _members in WIDER.items():
    for _name in _members.split(", "):
        WIDER_OF[_name] = (*WIDER_OF.get(_name, ()), _word)
RIVALS_OF: dict[str, frozenset[str]] = {}
for _group in LOOKALIKES:
    for _name in _group:
        RIVALS_OF[_name] = RIVALS_OF.get(_name, frozenset()) | (_group - {_name})
