"""Every place and relation has boxes that hold, boxes that fail, and a doubtful middle that decides nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.claims.kinds.place import PLACES
from datagen.claims.kinds.relation import RELATIONS
from datagen.claims.layout import decide_between, decide_place, decide_relation
from datagen.records import BoxUnit

NEAR = (0.2, 0.3, 0.8, 1.0)  # large and low
FAR = (0.45, 0.3, 0.52, 0.4)  # small and high


@pytest.mark.parametrize(
    ("place", "box", "others", "expected"),
    [
        ("left", (0.0, 0.0, 0.3, 1.0), (), True),
        ("left", (0.6, 0.0, 0.9, 1.0), (), False),
        ("left", (0.4, 0.0, 0.7, 1.0), (), None),
        ("top", (0.0, 0.0, 0.3, 0.4), (), True),
        ("bottom", (0.0, 0.0, 0.3, 0.4), (), False),
        ("middle", (0.4, 0.4, 0.6, 0.6), (), True),
        ("middle", (0.0, 0.0, 0.2, 0.2), (), False),
        ("middle", (0.1, 0.1, 0.5, 0.5), (), None),
        ("corner", (0.0, 0.0, 0.3, 0.2), (), True),
        ("corner", (0.8, 0.8, 1.0, 1.0), (), True),
        ("corner", (0.3, 0.0, 0.7, 0.2), (), False),
        ("corner", (0.0, 0.3, 0.2, 0.7), (), False),
        ("corner", (0.2, 0.2, 0.5, 0.5), (), None),
        ("foreground", NEAR, (FAR,), True),
        ("foreground", NEAR, (), True),
        ("foreground", FAR, (NEAR,), False),
        ("foreground", FAR, (), None),  # a single small thing tells no depth
        ("foreground", (0.3, 0.3, 0.5, 0.7), (NEAR,), None),
        ("foreground", (0.45, 0.6, 0.55, 0.95), (NEAR,), None),  # small, but as low as the large one
        ("background", FAR, (NEAR,), True),
        ("background", NEAR, (FAR,), False),
        ("background", NEAR, (), None),
        ("background", (0.1, 0.1, 0.9, 0.8), (FAR,), None),  # a bus may fill the frame behind a person
        ("background", NEAR, (FAR, (0.0, 0.5, 0.6, 1.0)), None),
    ],
)  # fmt: skip
def test_places(place: str, box: BoxUnit, others: tuple[BoxUnit, ...], expected: bool | None):
    assert decide_place(place, box, others) is expected


LEFT, RIGHT = (0.0, 0.4, 0.2, 0.6), (0.7, 0.4, 0.9, 0.6)
HIGH, LOW = (0.4, 0.0, 0.6, 0.3), (0.4, 0.6, 0.6, 0.9)


@pytest.mark.parametrize(
    ("relation", "a", "b", "expected"),
    [
        ("left of", LEFT, RIGHT, True),
        ("left of", RIGHT, LEFT, False),
        ("left of", LEFT, (0.1, 0.4, 0.3, 0.6), None),
        ("above", HIGH, LOW, True),
        ("above", LOW, HIGH, False),
        ("above", LEFT, RIGHT, None),
        ("larger", NEAR, FAR, True),
        ("larger", FAR, NEAR, False),
        ("larger", LEFT, RIGHT, None),
        ("smaller", FAR, NEAR, True),
        ("smaller", NEAR, FAR, False),
        ("next to", LEFT, (0.25, 0.4, 0.4, 0.6), True),
        ("next to", LEFT, RIGHT, False),
        ("next to", LEFT, (0.5, 0.4, 0.7, 0.6), None),
        ("next to", (0.0, 0.0, 0.3, 0.9), (0.7, 0.0, 1.0, 0.9), None),  # large things may be neighbours over a gap
        ("on", HIGH, (0.3, 0.25, 0.7, 0.6), None),  # boxes that touch prove nothing
        ("on", HIGH, LOW, False),
        ("on", LOW, (0.4, 0.3, 0.6, 0.6), False),  # wholly below it
        ("on", (0.4, 0.4, 0.6, 0.7), (0.3, 0.3, 0.7, 0.5), None),
        ("on", HIGH, (0.4, 0.4, 0.6, 0.7), None),
        ("under", LOW, (0.3, 0.2, 0.7, 0.65), None),
        ("under", HIGH, LOW, False),
        ("under", LOW, (0.4, 0.1, 0.6, 0.4), None),
        ("nearer", NEAR, FAR, True),
        ("nearer", FAR, NEAR, False),
        ("nearer", LEFT, RIGHT, None),
        ("nearer", FAR, (0.4, 0.3, 0.48, 0.52), None),
        ("farther", FAR, NEAR, True),
        ("farther", NEAR, FAR, False),
        ("holding", HIGH, (0.3, 0.25, 0.7, 0.6), None),
        ("holding", HIGH, LOW, False),
        ("in front of", NEAR, FAR, True),
        ("in front of", FAR, NEAR, None),  # "in front of the screen" is no matter of depth
        ("behind", FAR, NEAR, True),
        ("behind", NEAR, FAR, None),
        ("behind", LEFT, RIGHT, None),
    ],
)
def test_relations(relation: str, a: BoxUnit, b: BoxUnit, expected: bool | None):
    assert decide_relation(relation, a, b) is expected


@pytest.mark.parametrize(
    ("a", "b", "c", "expected"),
    [
        ((0.4, 0.4, 0.5, 0.6), LEFT, RIGHT, True),
        ((0.4, 0.4, 0.5, 0.6), HIGH, LOW, True),
        (RIGHT, LEFT, (0.4, 0.4, 0.5, 0.6), False),
        (LOW, HIGH, (0.4, 0.32, 0.6, 0.5), False),
        ((0.75, 0.45, 0.95, 0.65), HIGH, LOW, True),  # behind one and before the other
        ((0.1, 0.4, 0.3, 0.6), LEFT, (0.15, 0.4, 0.35, 0.6), True),
        (LEFT, (0.1, 0.4, 0.3, 0.6), RIGHT, None),
    ],
)
def test_between(a: BoxUnit, b: BoxUnit, c: BoxUnit, expected: bool | None):
    assert decide_between(a, b, c) is expected


TOLD_BY_CAPTIONS = ("on", "under", "holding")
"""Contact, which boxes refute and never prove."""
SIDE = st.floats(0, 1)
BOXES = st.tuples(SIDE, SIDE, SIDE, SIDE).map(
    lambda s: (min(s[0], s[2]), min(s[1], s[3]), max(s[0], s[2]), max(s[1], s[3]))
)


@settings(deadline=None)
@given(BOXES, BOXES)
def test_a_relation_and_its_opposite_never_both_hold(a: BoxUnit, b: BoxUnit):
    for one, other in (("left of", "right of"), ("above", "below"), ("larger", "smaller")):
        assert not (decide_relation(one, a, b) and decide_relation(other, a, b))
    assert not (decide_relation("nearer", a, b) and decide_relation("nearer", b, a))
    assert not (decide_place("foreground", a, [b]) and decide_place("background", a, [b]))


def test_every_row_of_the_grammar_can_be_borne_out():
    grid = [
        (x / 4, y / 4, x / 4 + w, y / 4 + h) for x in range(4) for y in range(4) for w in (0.2, 0.5) for h in (0.2, 0.5)
    ]
    for place in {name for row in PLACES for name in row.meaning.split()}:
        assert any(decide_place(place, box, [other]) for box in grid for other in grid), place
    for relation in {row.meaning for row in RELATIONS} - {"between", *TOLD_BY_CAPTIONS}:
        assert any(decide_relation(relation, a, b) for a in grid for b in grid), relation
