"""Names of other label tools stand in sentences as COCO's do."""

import pytest

from datagen.corpus.category_names import is_nameless, is_no_thing, names_in_sentences, told_no_things
from datagen.lexicon import counted, with_article
from datagen.words import COCO_CATEGORIES


def test_cocos_names_stay_as_they_are() -> None:
    assert names_in_sentences(COCO_CATEGORIES) == list(COCO_CATEGORIES)


@pytest.mark.parametrize(
    ("given", "one", "several"),
    [
        ("Person", "a person", "two people"),
        ("Sneakers", "a pair of sneakers", "two pairs of sneakers"),
        ("Leather Shoes", "a pair of leather shoes", "two pairs of leather shoes"),
        ("Street Lights", "a street light", "two street lights"),
        ("Cabinet/shelf", "a cabinet/shelf", "two cabinets/shelves"),
        ("Monitor/TV", "a monitor/TV", "two monitors/TVs"),
        ("TrafficLight", "a traffic light", "two traffic lights"),
        ("traffic_light", "a traffic light", "two traffic lights"),
        ("SUV", "an SUV", "two SUVs"),
        ("UFO", "a UFO", "two UFOs"),
        ("MP3 player", "an MP3 player", "two MP3 players"),
        ("Hourglass", "an hourglass", "two hourglasses"),
        ("Unicorn", "a unicorn", "two unicorns"),
        ("Umbrella", "an umbrella", "two umbrellas"),
        ("Knife", "a knife", "two knives"),
        ("Shelves", "a shelf", "two shelves"),
        ("Sheep", "a sheep", "two sheep"),
        ("Wine Glasses", "a wine glass", "two wine glasses"),
        ("Glass of water", "a glass of water", "two glasses of water"),
        ("bat (animal)", "a bat (animal)", "two bats (animal)"),
        ("Fireman", "a fireman", "two firemen"),
        ("Human", "a human", "two humans"),
        ("Potatoes", "a potato", "two potatoes"),
        ("Piano", "a piano", "two pianos"),
        ("Cookies", "a cookie", "two cookies"),
        ("Berries", "a berry", "two berries"),
        ("Houses", "a house", "two houses"),
        ("Buses", "a bus", "two buses"),
        ("Watches", "a watch", "two watches"),
        ("Lens", "a lens", "two lenses"),
        ("French Fries", "some French fries", "two French fries"),
        ("Grapes", "some grapes", "two grapes"),
        ("Bread", "some bread", "two pieces of bread"),
        ("People", "some people", "two people"),
        ("Christmas tree", "a Christmas tree", "two Christmas trees"),
    ],
)
def test_articles_and_plurals(given: str, one: str, several: str) -> None:
    (name,) = names_in_sentences([given])
    assert (with_article(name), counted(name, 2)) == (one, several)


def test_a_list_that_shouts_is_spoken() -> None:
    assert names_in_sentences(["PERSON", "TRAFFIC LIGHT", "CAR"]) == ["person", "traffic light", "car"]
    assert names_in_sentences(["Car", "Bus", "ATM", "CYCLIST"]) == ["car", "bus", "ATM", "cyclist"]


@pytest.mark.parametrize(
    "name",
    [
        *"0 1 12 - -- _ N/A n/a NA none null NaN undefined unknown unlabeled class_1 Class1 class-12 label3 category_7 obj_2 "
        "object#4 id:9 item2 DontCare don't-care background ignored_regions void misc others ? 3.0 #5 ...".split(),
        "class 1",
        "Ignored Regions",
    ],
)
def test_a_name_that_tells_no_thing(name: str) -> None:
    assert is_nameless(name)


@pytest.mark.parametrize(
    "name",
    [
        *COCO_CATEGORIES,
        "7up",
        "F-16",
        "class",
        "object",
        "item",
        "other vehicle",
        "cat1",
        "background singer",
        "犬",
        "x",
        "Objet",
        "type 2 diabetes",
        "unknown soldier",
        "number 5",
        "size 12 shoe",
        "é",
    ],
)
def test_a_name_that_tells_one(name: str) -> None:
    assert not is_nameless(name)


@pytest.mark.parametrize(
    "name",
    [
        "no-helmet", "no_helmet", "NoHelmet", "without_mask", "with_mask", "not wearing", "wearing helmet", "w/o vest",
        "running", "standing", "yawning", "drowning", "red", "Green", "OK", "normal", "ripe", "fallen", "closed", "good",
    ],
)  # fmt: skip
def test_what_names_no_thing_is_known(name: str) -> None:
    (spoken,) = names_in_sentences([name])
    assert is_no_thing(spoken) and not is_nameless(spoken)


@pytest.mark.parametrize(
    "name",
    [
        *COCO_CATEGORIES,
        "helmet", "No Parking Sign", "no-entry zone", "building", "painting", "earring", "awning", "clothing", "railing",
        "pothole", "smoke", "fire", "scratch", "crack", "defect", "human", "female", "signal", "mobile", "gold", "square",
        "person standing", "ripe tomato", "bare head", "red car", "人", "Hund", "wheelchair", "notebook", "node", "walnut",
    ],
)  # fmt: skip
def test_what_names_a_thing_stays(name: str) -> None:
    (spoken,) = names_in_sentences([name])
    assert not is_no_thing(spoken) and not is_nameless(spoken)


def test_many_of_them_are_told_by_number() -> None:
    told = told_no_things([f"no-{n}" for n in range(12)], 5, 9)
    assert "'no-7' and 4 more: no sentence can say these" in told and "'no-8'" not in told and "5 of 9 boxes" in told
