"""Captions that describe no picture are known by their text; ordinary ones of any language stay."""

import pytest

from datagen.corpus.caption_faults import caption_fault, faulty, said_of_most, suspects, told_of_most
from datagen.corpus.images import texts_of

FAULTY = {
    "caption_markup": (
        "<p>A dog &amp; a car stand by <b>a person</b>.</p>",
        "A dog &amp; a car.",
        "A dog&#39;s bowl stands on the floor of a kitchen.",
        "A dog<br/>and a car stand in the street in front of a house.",
        "a photo of <name>, in the style of an old master, on canvas",
        "![a dog](dog) on a green lawn beside a small white house",
        "[b]A dog[/b] runs over the wide green lawn of the park",
    ),
    "caption_is_name": (
        "IMG_1.jpg",
        "DSC00012",
        "img_2043",
        "photos/2019/beach",
        "dog_on_beach.PNG",
        "A dog on the beach, from my_dog.jpeg of last summer's holiday",
        "https://example.test/a?b=c",
        "See www.example.test for more pictures of this small brown dog",
        "3f2a9c0d11",
        "C:\\pictures\\dog",
    ),
    "caption_misread": (
        "A dog in a cafÃ© beside a car.",
        "A dog stands beside a personâ€™s car in the middle of the street.",
        "Ein Hund lÃ¤uft Ã¼ber die StraÃŸe.",
        "Ð¡Ð¾Ð±Ð°ÐºÐ° Ð½Ð° Ñ‚Ñ€Ð°Ð²Ðµ",
        "A dog in a cafÃƒÂ© beside a car.",
    ),
    "caption_says_nothing": (
        "Image 12",
        "photo",
        "Screenshot 2024-01-01 at 10.00.00",
        "untitled (3)",
        "no caption",
        "No description available.",
        "None",
        "n/a",
        "...",
        "1 2 3",
        "Quality issues are too severe to recognize visual content.",
        "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do",
    ),
}
FAULTY["caption_damaged"] = (
    "A dog\x00 runs over the wide green lawn of the park.",
    "A \x1b[31mred\x1b[0m dog runs over the wide green lawn of the park.",
    "A dog runs over the wide green\x7f lawn of the large park.",
    "A dog runs over the wide green\x9b31m lawn of the large park.",
    "A \u202egod\u202c runs over the wide green lawn of the park.",
)
FAULTY["caption_is_name"] += ("a/b",)
FAULTY["caption_says_nothing"] = tuple(text for text in FAULTY["caption_says_nothing"] if text != "n/a")
SOUND = (
    "A dog.",
    "dog",
    "two dogs",
    "no dogs here",
    "A photo of a dog in a park.",
    "\u202bכלב רץ על הדשא הירוק של הפארק\u202c",  # embedding and marks are how such lines are written
    "A family \U0001f468\u200d\U0001f469\u200d\U0001f467 walks over the wide green lawn of the park.",
    "A picture frame on a wall",
    "I <3 dogs & cats",
    "5 < 6 > 4 dogs",
    "A man & a dog",
    "A café's dog.",
    "Ein Hund läuft über die Straße.",
    "Ça va, élève: naïve ÆØÅ",
    "Собака на траве",
    "一只狗站在汽车旁边。",
    "犬",
    "1. A dog. 2. A car. 3. A person.",
    "A sign that says 24/7 above the door of a shop",
    "A screen shot of a video game with 2 players",
    "A bus (number 12) at 10.30 am in London...",
)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in FAULTY.items() for text in texts])
def test_a_caption_that_describes_no_picture_is_known(kind: str, text: str) -> None:
    fault = caption_fault(text)
    assert fault is not None and fault[0] == kind, text


@pytest.mark.parametrize("text", SOUND)
def test_an_ordinary_caption_stays(text: str) -> None:
    assert caption_fault(text) is None


def test_every_faulty_one_is_looked_at() -> None:
    long = "A dog and a car and a person stand in the middle of a quiet street."
    texts = [
        long,
        *(f"{text} {long}" if kind != "caption_says_nothing" else text for kind in FAULTY for text in FAULTY[kind]),
    ]
    texts += [text for texts_of_kind in FAULTY.values() for text in texts_of_kind] + ["", long]
    rows = set(suspects(texts_of(texts)).tolist())
    assert {at for at, text in enumerate(texts) if caption_fault(text) is not None} <= rows
    assert 0 not in rows and len(texts) - 1 not in rows
    assert suspects(texts_of([])).tolist() == suspects(texts_of([long])).tolist() == []


@pytest.mark.parametrize(
    "named", ["a.JPG", "a.Jpeg", "a.tiff", "A.HeIc", "x.webp", "www.a.example", "Www.a.example", "s3://a/b", "http://a"]
)
def test_a_name_is_found_wherever_it_stands_among_ordinary_captions(named: str) -> None:
    long = "A dog and a car and a person stand in the middle of a quiet street. It rains."
    for odd in (f"{named} {long}", f"{long} {named}", f"{long} ({named}) {long}"):
        texts = [long, odd, long, long + "é", "A ratio of 3:2 in the frame of a tall old building."]
        assert caption_fault(odd) is not None
        assert set(faulty(texts_of(texts))) == {1}
        assert 0 not in suspects(texts_of(texts)).tolist()
        assert faulty(texts_of([odd]))[0][2] == odd


def test_a_hostile_caption_is_read_at_once() -> None:
    for piece in ("photo.", "![", "<a", "&am", "Ã©", "image ", "[b", "a_", "1 "):
        caption_fault(piece * 5000 + "x")


def test_headings_come_in_one_order() -> None:
    told = [f"Heading {n}." for n in range(9)]
    assert said_of_most(((image, text) for image in range(20) for text in reversed(told)), 20) == tuple(told)


def test_what_most_images_are_told_is_a_heading() -> None:
    same = [(n, "My holidays.") for n in range(30)]
    own = [(n, f"A dog stands beside car number {n}.") for n in range(30)]
    assert said_of_most(same + own, 30) == ("My holidays.",)
    assert said_of_most(same[:14] + own, 30) == said_of_most(own, 30) == said_of_most([], 0) == ()
    assert said_of_most(same[:6], 6) == () and said_of_most(same[:6], 6, at_least=4) == ("My holidays.",)
    assert told_of_most(("My holidays.",), 30, 60).startswith("30 of 60 captions say the same under most images ('My h")
