"""What a sentence names without claiming it: comparisons, purposes, habits, memories, idioms, things elsewhere."""

import pytest

from datagen.claims import judge_turns
from datagen.claims.syntax import Sentence
from datagen.claims.unclaimed import _READERS
from datagen.config import ChecksSettings
from datagen.records import AnnotatedImage, Box, Turn

CATEGORIES = (
    *"person dog couch tv bicycle oven sink car cat horse bed laptop bench giraffe bottle cup book frisbee pizza".split(),
    *"suitcase bird sheep bus truck clock knife microwave refrigerator apple elephant bear cake chair banana".split(),
    "cell phone", "teddy bear",
)  # fmt: skip


def pictured(image_id: str, captions: tuple[str, ...], *names: str) -> AnnotatedImage:
    boxes = tuple(Box(name, (0.1 * n, 0.3, 0.1 * n + 0.3, 0.8), 0.15) for n, name in enumerate(names))
    return AnnotatedImage(image_id, f"{image_id}.jpg", 640, 480, captions, boxes)


DOG = pictured(
    "1",
    (
        "A man sits on a couch with a brown dog.",
        "A young man on a sofa petting his dog.",
        "A man and a dog sitting on a couch in a living room.",
        "A man is sitting on a couch with his dog beside him.",
        "A brown dog lies next to a man on a couch.",
    ),
    "person", "dog", "couch", "tv",
)  # fmt: skip
BIKE = pictured(
    "2",
    (
        "A blue bicycle parked next to a sign on a path.",
        "A bicycle leans against a sign post.",
        "A bicycle by a blue sign near trees.",
        "A bicycle is parked under a sign.",
        "A parked bicycle next to a welcome sign.",
    ),
    "bicycle",
)
KITCHEN = pictured(
    "3",
    (
        "A kitchen with white cabinets and a stove.",
        "A small clean kitchen with a stove and a sink.",
        "A white kitchen with a stove and oven.",
        "An empty kitchen with a sink and an oven.",
        "A kitchen that has a stove and a sink.",
    ),
    "oven", "sink",
)  # fmt: skip


def against(text: str, image: AnnotatedImage, question: str = "Describe this image in detail.") -> list[str]:
    (turn,) = judge_turns((Turn(question, text),), image, CATEGORIES, ChecksSettings())
    return [turn.answer[one.start : one.end] for one in turn.claims if one.verdict == "contradicted"]


OF_THE_DOG = """
The dog is better suited to a small flat than to a large car.
The dog, as big as a pony or a small horse, fills a good part of the couch.
He touches the fur the way others hold a cell phone.
The dog is as quiet as a sleeping cat on a bed.
The room is laid out like in a hotel lobby.
His posture is similar to that of a child in front of a laptop.
Its fur, reminiscent of a teddy bear, is brown.
The two of them behave like an old couple on a bench.
Compared with a cat, a dog needs more attention.
The paws are spread out much like the spots of several giraffes.
Unlike a cat, the dog stays close to the man.
The mood recalls a Sunday on the beach.
It is more of a bed than a couch.
It has the face of a bear and the paws of a cat.
It lies there as though it owned a bed.
My first thought was of a scene in a kitchen.
He has stopped to fill up a water bottle.
There is room to put a suitcase beside them.
The man has an arm free to lift a cup.
The dog waits to be taken out to chase a frisbee.
It is an evening to share a pizza with two friends.
He has time to write a book.
It is easy to picture two children playing here.
Some people, it is true, like to have a bird around.
Many people look away for a moment when they try to remember something.
Many dogs have learned that a suitcase means that their human is about to leave.
On weekends, people sit on benches in the park.
In the evening, families gather in front of the television with a pizza.
Anyone who has had a cat knows that sofas get scratched.
Sitting in a car all day makes a dog restless.
What a cat is to one person, a dog is to another.
Years ago, dogs slept in barns.
The dog was once a puppy in a shelter with two cats.
Until a car pulls up, the dog stays.
It is equally conceivable, of course, that this is a waiting room with two dogs.
Were there a car, the dog would be inside it.
Add a laptop, and it becomes an office.
The dog is dreaming of a frisbee.
He must have left his phone in the car.
Having left his car outside, he rests.
After a day at the beach the dog is tired.
The dog is the apple of his eye.
It rests on a bed of leaves.
He kills two birds with one stone.
For reading a book on a bed, the light is too dim.
Lifeguards sit on high benches so that they can see far.
Before a storm, birds fly low.
The couch has an armrest that is wide.
A pet does not judge.
The television is the last thing many people see before they fall asleep.
It is unlikely that a cat sleeps here.
A couch is worth its weight in gold when ten people want to sit.
The room sounds different when no dogs are barking.
Parties of this sort end with a group photograph and a pizza.
Riding a bus is closer to riding a bicycle than one thinks.
Dogs are, in fact, excellent swimmers.
Cats are quiet companions.
He poses on his bike in another picture, next door.
The dog could be kept busy: two children throw a ball, and a cat watches.
The wagging tail makes me think of a guard, somebody who lives on a farm with two horses.
If he jumps off, he may well land on the laptop, and a cup of tea would not help.
With children around, I would cover the couch.
Man and dog go well together, one heavy and calm, the other light and quick.
The couch is in plain view.
There is one man on one hand and one dog on the other.
The walls are paneled with wood, and the door is shut.
""".strip().splitlines()
OF_THE_BIKE = """
The owner could be the very person who took the photograph.
Whoever parked it might be the woman behind the camera.
The person who rides it cannot be seen.
The person who holds the key cannot be seen.
The man who left it there must be close by.
The person may be taking a break.
It suggests that the person has only left for a few minutes.
It belongs to somebody, perhaps to the person holding the camera.
The people who use this path will see the sign.
The owner may be a cyclist who has stopped to ask for a map or to fill up a water bottle.
Perhaps it was left by a student who took a bus into town.
The owner might be a tourist, who came with two dogs.
It may belong to a woman who works in a bank and owns a cat.
The helmet must have been left on the bench.
It waits for its rider the way a dog waits outside a shop.
The owner's car is somewhere else.
In summer, families with children come here.
It is possible that two cats live here.
There is a chance that a car blocks the path.
Chances are that a woman owns it.
An alternative reading is that two people are hiking.
It is tempting to see a horse in the shape of the sign.
""".strip().splitlines()
OF_THE_KITCHEN = """
It is the sort of kitchen where people can warm up their lunch and wash their cups.
This material is popular in restaurants because it is strong and easy to clean.
The person who cooks here likes order.
The cook must have taken the knives with him.
There is space to chop carrots and to roll out a pizza.
The next step for the owner is to buy a microwave.
In many homes, the refrigerator stands next to the stove.
In most kitchens there is a refrigerator as well.
Whoever cooks here keeps the knives in a drawer.
""".strip().splitlines()


@pytest.mark.parametrize(
    ("text", "image"),
    [(text, image) for rows, image in ((OF_THE_DOG, DOG), (OF_THE_BIKE, BIKE), (OF_THE_KITCHEN, KITCHEN))
     for text in rows],
)  # fmt: skip
def test_what_is_only_named_is_not_contradicted(text, image):
    assert against(text, image) == []
    told = f"The picture gives some hints. {text} That much is fair to say."
    assert against(told, image, "What can be said about the situation?") == []


@pytest.mark.parametrize(
    ("text", "image", "wrong"),
    [
        ("The man bends down to pet a cat.", DOG, "a cat"),
        ("He is reaching out to take a banana.", DOG, "a banana"),
        ("It is a lovely day on the beach.", DOG, "the beach"),
        ("A cat is partly out of the frame.", DOG, "A cat"),
        ("Sitting on the couch is a cat.", DOG, "a cat"),
        ("The cats are quiet companions.", DOG, "The cats"),
        ("In other words, the dog is to the left of the man.", DOG, "the dog is to the left of the man"),
        ("Many people are sitting on the couch.", DOG, "Many people"),
        ("The dog lies like a log, and a cat sits beside it.", DOG, "a cat"),
        ("The man who is riding the bicycle smiles.", BIKE, "The man"),
        ("The man who wears a hat stands there.", BIKE, "The man"),
        ("Next to the sign is a bench that the man could use.", BIKE, "a bench"),
        ("There is room to walk between the cabinets, and a clock hangs there.", KITCHEN, "a clock"),
    ],
)
def test_what_is_claimed_beside_it_still_is(text, image, wrong):
    assert wrong in against(text, image)


@pytest.mark.parametrize("text", [*OF_THE_DOG, *OF_THE_BIKE, *OF_THE_KITCHEN])
def test_no_reader_is_passed_over_that_finds_something(text):
    written = text.lower()
    sentence = Sentence(written, 0, len(written))
    for words, read in _READERS:
        assert not list(read(sentence, written, 0, len(written))) or not words.isdisjoint(sentence.parts)


MOTOR = pictured(
    "4",
    (
        "A woman poses on a motorcycle.",
        "A woman sitting on a motorcycle near a building.",
        "A lady on top of a motorcycle.",
        "A woman in a jacket on a motorcycle.",
    ),
    "person", "motorcycle",
)  # fmt: skip
BOARD = pictured(
    "7",
    ("A boy rides a skateboard on a path.", "A boy skateboards.", "A child walking down a road.", "A boy is standing."),
    "person", "skateboard",
)  # fmt: skip
CAT = pictured(
    "5", ("A cat sitting on a desk.", "A black cat sits on a table.", "A cat sits by a laptop."), "cat", "mouse"
)
BALL = pictured(
    "6", ("A man throws a ball.", "A man with a ball.", "A player and a ball.", "A boy with a ball."), "person"
)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("She sits on her bike.", MOTOR),
        ("The boy is riding on a path.", BOARD),
        ("A computer mouse lies beside it.", CAT),
        ("The match takes place on grass.", BALL),
        ("The basket is empty.", BIKE),
        ("A rug lies on the floor.", DOG),
        ("The dog is on the couch. A lamp, smaller because it is farther away, is visible on the right.", DOG),
    ],
)
def test_things_that_go_by_a_name_are_not_taken_for_others(text, image):
    assert against(text, image) == []
