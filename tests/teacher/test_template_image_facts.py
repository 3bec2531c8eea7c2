"""What may be said of an image: captions that object to counts, crowds, look-alikes, and safe denials."""

from __future__ import annotations

import pytest

from datagen.records import AnnotatedImage, Box
from datagen.teacher.template.image_facts import Facts, gather_facts
from datagen.teacher.template.scenes import DENIABLE, WORLD
from datagen.words import COCO_CATEGORIES


def box_at(category: str, left: float, top: float = 0.3, size: float = 0.12, is_crowd: bool = False) -> Box:
    return Box(category, (left, top, left + size, top + size), size * size * 0.8, is_crowd)


def facts_of(boxes: list[Box], *captions: str) -> Facts:
    return gather_facts(AnnotatedImage("1", "1.jpg", 640, 480, captions, tuple(boxes)))


DOGS = [box_at("dog", 0.1), box_at("dog", 0.4)]


def test_plain_count_is_exact() -> None:
    assert facts_of(DOGS).exact == {"dog": 2}


@pytest.mark.parametrize(
    "caption",
    ["Three dogs run on a lawn", "Several dogs on a lawn", "A dog running on a lawn", "a pack of 5 dogs on grass"],
)
def test_caption_that_disagrees_withdraws_the_count(caption: str) -> None:
    assert "dog" not in facts_of(DOGS, caption).exact


@pytest.mark.parametrize("caption", ["Two dogs run on a lawn", "A couple of dogs on a lawn", "Dogs running on a lawn"])
def test_caption_that_agrees_keeps_the_count(caption: str) -> None:
    assert facts_of(DOGS, caption).exact == {"dog": 2}


def test_a_man_and_a_woman_are_two_people() -> None:
    assert "person" not in facts_of([box_at("person", 0.1)], "A man and a woman on a bench").unique
    assert facts_of([box_at("person", 0.1), box_at("person", 0.4)], "A man and a woman sitting").exact == {"person": 2}


def test_crowds_and_doubled_boxes_are_lower_bounds() -> None:
    crowd = facts_of([*DOGS, box_at("dog", 0.6, is_crowd=True)])
    assert crowd.exact == {}
    assert 2 <= crowd.at_least["dog"] <= 4
    doubled = facts_of([*DOGS, box_at("dog", 0.7), box_at("dog", 0.7)])
    assert doubled.exact == {}
    assert doubled.at_least["dog"] <= 3


def test_one_object_under_two_names_is_left_alone() -> None:
    facts = facts_of([box_at("couch", 0.2), box_at("bed", 0.2)])
    assert facts.unique == {}
    assert facts.present == ()


def test_tiny_and_too_many_are_not_counted() -> None:
    assert facts_of([box_at("bird", 0.1, size=0.02)]).exact == {}
    many = [box_at("chair", 0.07 * n, size=0.06) for n in range(12)]
    assert facts_of(many).exact == {}
    assert facts_of(many).at_least["chair"] == 10


def test_pieces_of_food_are_not_counted() -> None:
    slices = [box_at("pizza", 0.1), box_at("pizza", 0.3)]
    assert facts_of(slices, "Slices of pizzas on a plate").exact == {}


def test_look_alike_that_no_caption_names_is_doubted() -> None:
    facts = facts_of([box_at("pizza", 0.1), box_at("sandwich", 0.5)], "A pizza on a white plate")
    assert "sandwich" not in facts.present


def test_borrowed_food_names_are_doubted() -> None:
    assert facts_of([box_at("donut", 0.1), box_at("donut", 0.5)], "A plate of eggs and bacon").present == ()


def test_small_things_that_no_caption_names_are_left_out() -> None:
    toy = box_at("dog", 0.1, size=0.06)
    assert "dog" in facts_of([toy]).unique
    assert "dog" not in facts_of([toy], "A desk with many papers").unique


def test_names_colors_and_actions_come_from_agreeing_captions() -> None:
    captions = ("A woman riding a red bike", "The woman is riding on a red bike", "A woman rides along")
    facts = facts_of([box_at("person", 0.1), box_at("bicycle", 0.5)], *captions)
    assert facts.the("person") == "the woman"
    assert facts.colors == {"bicycle": "red"}
    assert facts.actions[0].doing.startswith("riding")


def test_color_on_which_words_for_one_thing_disagree_is_no_fact() -> None:
    captions = (
        "A red bike leaning on a wall", "A red bike parked near a wall",
        "A blue bicycle standing by the wall", "A blue bicycle in front of the wall",
    )  # fmt: skip
    assert facts_of([box_at("bicycle", 0.1)], *captions).colors == {}
    assert facts_of([box_at("bicycle", 0.1)], *captions[:2], "A red bicycle", "A red bicycle here").colors == {
        "bicycle": "red"
    }


def test_person_without_agreement_stays_a_person() -> None:
    assert facts_of([box_at("person", 0.1)], "A man by a wall here", "A woman by a wall here").names == {}


@pytest.mark.parametrize(
    ("caption", "denied"),
    [("An animal on the grass", "dog"), ("A kitchen with appliances", "microwave"), ("A ship far out at sea", "boat")],
)
def test_vague_words_forbid_denials(caption: str, denied: str) -> None:
    assert denied not in facts_of([box_at("chair", 0.1)], caption).absent


def test_busy_pictures_deny_only_what_nobody_overlooks() -> None:
    crowd = facts_of([box_at("chair", 0.1), box_at("person", 0.3, is_crowd=True)])
    assert "vase" not in crowd.absent
    assert "elephant" in crowd.absent


def test_nothing_is_denied_without_known_categories() -> None:
    assert facts_of([box_at("gizmo", 0.2)]).absent == ()
    assert facts_of([], "A gizmo on a wide table").absent == ()


def test_setting_needs_words_or_many_signs() -> None:
    kitchen = facts_of([box_at("oven", 0.1), box_at("sink", 0.5)], "A kitchen with a stove", "A clean kitchen at night")
    assert kitchen.setting is not None
    assert (kitchen.setting.name, kitchen.setting_is_told) == ("a kitchen", True)
    assert facts_of([box_at("oven", 0.1)]).setting is None
    toy = facts_of([box_at("oven", 0.1)], "A toy kitchen on a mat", "A small toy kitchen here")
    assert not toy.setting_is_told
    assert facts_of([], "Two kids on an amusement park ride", "A ride at an amusement park").setting is None
    assert facts_of([], "Two kids in a park", "A bench in the park").setting is not None


def test_tables_name_only_known_categories() -> None:
    known = set(COCO_CATEGORIES)
    assert len(known) == 80
    assert known >= set(DENIABLE)
    assert set(WORLD.distractors) <= set(DENIABLE)
    for rivals, _ in DENIABLE.values():
        assert rivals <= known
    for setting in WORLD.settings:
        assert setting.signs <= known
        assert set(setting.unlikely) <= set(DENIABLE)
        assert setting.elsewhere


@pytest.mark.parametrize("deniable", [(), ("dog",), ("dog", "elephant", "gizmo")])
def test_only_what_was_looked_for_is_denied(deniable: tuple[str, ...]) -> None:
    image = AnnotatedImage("1", "1.jpg", 640, 480, (), (box_at("chair", 0.1),))
    assert set(gather_facts(image, deniable).absent) == set(deniable) - {"gizmo"}


def test_what_is_not_boxed_throughout_is_neither_counted_nor_denied() -> None:
    image = AnnotatedImage("1", "1.jpg", 640, 480, (), (box_at("chair", 0.1), box_at("dog", 0.5)), unfinished=("dog",))
    facts = gather_facts(image)
    assert (facts.exact, list(facts.unique)) == ({"chair": 1}, ["chair"])


def test_a_caption_that_denies_what_is_shown_is_neither_quoted_nor_a_mention() -> None:
    facts = gather_facts(
        AnnotatedImage("1", "x.jpg", 10, 10, ("A bathroom with no toilets and a red bucket",), (ONE_TOILET,))
    )
    assert (facts.captions, facts.exact) == ((), {"toilet": 1})
    facts = gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, ("A bathroom with no toilets and a red bucket",)))
    assert [caption.named for caption in facts.captions] == [frozenset()]


ONE_TOILET = Box("toilet", (0.2, 0.2, 0.6, 0.8), 0.2)


def test_boxes_win_over_captions_only_where_every_object_is_boxed() -> None:
    image = AnnotatedImage(
        "1", "x.jpg", 10, 10, ("There are two toilets in a room", "A room with two toilets"), (ONE_TOILET,)
    )
    assert gather_facts(image).captions == ()
    assert len(gather_facts(image, ()).captions) == 2
    assert "toilet" not in gather_facts(image, ()).exact  # and no number is stated against the captions


def test_one_box_does_not_overrule_three_captions_of_several() -> None:
    told = ("Two children on a ride", "two kids ride", "Two children smile on a carnival ride")
    facts = facts_of([box_at("person", 0.2)], *told)
    assert "Two children smile on a carnival ride" in [caption.text for caption in facts.captions]
    assert facts.is_several("person")
    assert (facts.exact, facts.unique) == ({}, {})
    one = facts_of([box_at("person", 0.2)], "A child on a ride", "A child on a red ride", "Two children on a ride")
    assert not one.is_several("person")


def test_three_boxes_of_a_thing_are_several() -> None:
    for name in ("book", "tv"):
        assert facts_of([box_at(name, x) for x in (0.1, 0.4, 0.7)], "a cluttered room").is_several(name)
    assert facts_of([box_at("tv", x) for x in (0.1, 0.4, 0.7)], "a tv in a room").is_several("tv")
    assert not facts_of([box_at("pizza", x) for x in (0.1, 0.4, 0.7)], "a pizza on a plate").is_several("pizza")


def test_two_doings_that_nothing_joins_are_no_action() -> None:
    told = ("a child wearing boots playing in mud", "A child wearing a hat, playing in mud", "a child wearing boots")
    doings = [action.doing for action in facts_of([box_at("person", 0.2)], *told).actions]
    assert doings
    assert "wearing boots playing in mud" not in doings


def test_what_lies_outside_the_frame_or_is_cut_off_by_it_has_no_place() -> None:
    outside, cut = Box("cup", (1.0, 0.2, 1.0, 0.6), 0.02), Box("cup", (0.97, 0.2, 1.0, 0.4), 0.005)
    inside = Box("cup", (0.9, 0.2, 0.95, 0.3), 0.005)
    of = {box: gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, (), (box,))) for box in (outside, cut, inside)}
    assert (of[outside].present, of[outside].unique) == ((), {})
    assert (of[cut].present, of[cut].unique) == (("cup",), {})
    assert set(of[inside].unique) == {"cup"}


def test_a_pair_of_scissors_is_one_thing() -> None:
    boxes = tuple(Box("scissors", (x, 0.2, x + 0.2, 0.6), 0.05) for x in (0.1, 0.6))
    told = ("A man holds a pair of big scissors", "A pair of scissors and a ribbon")
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, (), boxes)).exact == {"scissors": 2}
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, told, boxes)).exact == {}


def test_no_lower_bound_above_what_most_captions_count() -> None:
    boxes = tuple(Box("person", (x, 0.2, x + 0.2, 0.6), 0.05) for x in (0.0, 0.3, 0.7))
    two, one = ("Two women in a room", "A couple of women in a room"), ("Two men with a crowd of people",)
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, (), boxes)).exact == {"person": 3}
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, two, boxes)).at_least == {}
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, one, boxes)).at_least == {}


@pytest.mark.parametrize(
    ("caption", "is_one"),
    [
        ("A motorcycle shaped pizza cutter near a pizza", False),
        ("A painting of a black motorcycle on a wall", False),
        ("A toy motorcycle on a desk", False),
        ("A motorcycle near a painting of a pizza", True),
    ],
)
def test_what_only_looks_like_a_thing_is_none(caption: str, is_one: bool) -> None:
    box = Box("motorcycle", (0.2, 0.2, 0.6, 0.8), 0.2)
    facts = gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, (caption,), (box,)))
    assert ("motorcycle" in facts.present) is is_one
    assert "motorcycle" not in facts.absent


def test_the_person_on_the_poster_is_not_counted() -> None:
    boxes = tuple(Box("person", (x, 0.2, x + 0.2, 0.6), 0.05) for x in (0.1, 0.6))
    one = ("A woman on a couch", "A woman sitting cross legged", "The woman has a laptop")
    assert gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, one[:2], boxes)).exact == {"person": 2}
    facts = gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, one, boxes))
    assert (facts.exact, facts.at_least, facts.present) == ({}, {}, ("person",))


def test_nobody_is_alone_among_others() -> None:
    boxes = tuple(Box("person", (x, 0.2, x + 0.2, 0.6), 0.05) for x in (0.0, 0.3, 0.7))
    told = ("A lone passenger watches a train", "A passenger watches a train")
    assert [caption.text for caption in gather_facts(AnnotatedImage("1", "x.jpg", 10, 10, told, boxes)).captions] == [
        told[1]
    ]


def test_two_that_a_caption_tells_apart_are_two() -> None:
    assert facts_of([box_at("dog", 0.1)], "A white dog growling at a black dog").exact == {}
    assert facts_of([box_at("dog", 0.1)], "A white dog growling at the man").exact == {"dog": 1}


@pytest.mark.parametrize("caption", ["A crowd of people in a field", "A number of kids play with a man", "Many people"])
def test_people_of_whom_captions_tell_vaguely_are_not_counted(caption: str) -> None:
    people = [box_at("person", 0.1), box_at("person", 0.4), box_at("person", 0.7)]
    assert facts_of(people, "People in a field").exact == {"person": 3}
    assert facts_of(people, caption).exact == {}


def test_a_large_animal_that_no_caption_names_is_a_mistake() -> None:
    told = ("A person climbs a cliff", "Someone climbs a rock", "A climber over the sea")
    assert facts_of([box_at("giraffe", 0.1, size=0.6)], *told).present == ()
    assert facts_of([box_at("giraffe", 0.1, size=0.6)], *told[:1]).present == ("giraffe",)
    assert facts_of([box_at("bird", 0.1, size=0.12)], *told).present == ("bird",)
    assert facts_of([box_at("bird", 0.1, size=0.12)], "Dogs run on a track").present == ()


def test_a_place_beside_the_scene_is_none() -> None:
    assert facts_of([], "A man riding to the park", "A man by a park").setting is None
    setting = facts_of([], "A man in the park", "A man walks through a park").setting
    assert setting is not None
    assert setting.name == "a park"
