"""Which questions have one key: single cases, and two written lists that give recall and precision."""

from __future__ import annotations

import pytest

from datagen.dedup.repeated_questions import question_key

ASK_THE_SAME = """
    What is the dog doing? | What's the dog doing?
    What is the man wearing? | What does the man wear?
    What color is the bus? | What colour is the bus?
    What color is the bus? | What is the color of the bus?
    What color is the bus? | Which color does the bus have?
    How many dogs are there? | What is the number of dogs in the image?
    How many people are in the picture? | How many people can be seen in the photo?
    How many people are there? | Can you count the people in the image?
    How many cups are on the table? | How many cups are there on the table?
    How many cups are on the table? | How many cups does the table have on it?
    Where is the cat? | Where is the cat located?
    Where is the cat? | Where can the cat be found?
    Where is the cat sitting? | Where does the cat sit?
    What is on the table? | What can be seen on the table?
    What is on the table? | What objects are on the table?
    What is on the table? | What items are placed on the table?
    What is the weather like? | How is the weather?
    What is the woman holding? | What does the woman hold in her hand?
    What is the woman holding in her hand? | What is in the woman's hand?
    Is there a dog in the image? | Do you see a dog in the image?
    Is there a dog in the image? | Does the image contain a dog?
    Is there a dog in the image? | Can a dog be seen in this picture?
    Are there any people in the scene? | Is anyone in the scene?
    What type of vehicle is shown? | What kind of vehicle is shown?
    What kind of animal is this? | Which animal is this?
    What sport is being played? | Which sport are they playing?
    What time of day is it? | What is the time of day?
    What is the man riding? | What does the man ride?
    Why is the woman smiling? | Why does the woman smile?
    What might the man do next? | What could the man do next?
    What is the person in the foreground doing? | What is the person doing in the foreground?
    What is next to the car? | What is beside the car?
    What is the boy sitting on? | On what is the boy sitting?
    What is the couch made of? | What is the sofa made of?
    What is the boy looking at? | What does the boy look at?
    Who is riding the bike? | Who is riding the bicycle?
    Is the train moving? | Is the train in motion?
    What room is this? | Which room is this?
    What is the purpose of the sign? | What purpose does the sign serve?
    What objects are visible in the image? | What objects can you see in the image?
    What is to the left of the laptop? | What is on the left of the laptop?
    What is in the background of the image? | What is shown in the background?
    Could you tell me what the man is doing? | What is the man doing?
    What is the girl eating? | What does the girl eat?
    What is the colour of the umbrella? | What color is the umbrella?
    What type of food is on the plate? | What kind of food is on the plate?
    How many chairs can be seen in the room? | How many chairs are there in the room?
    How many sheep are visible in the image? | How many sheep can you see?
    Where's the clock? | Where is the clock located in the image?
    What is the child playing with? | What is the kid playing with?
    Is there a clock in the picture? | Can you see a clock in the picture?
    Are there any trees in the image? | Do you see any trees?
    What is to the right of the bed? | What is on the right side of the bed?
    Could you tell me what the boy is holding? | What is the boy holding?
    What is the scene like? | How does the scene look?
    What can you see behind the fence? | What is visible behind the fence?
    What items are on the desk? | What is on the desk?
    Which animal is closest to the camera? | What animal is closest to the camera?
    What is the man about to do? | What is the man going to do?
    What are the people waiting for? | For what are the people waiting?
    Is the bench empty? | Is anybody on the bench?
    What could happen next? | What might happen next?
    Why do the people carry umbrellas? | Why are the people carrying umbrellas?
"""
"""The last twenty were written after the rules, and no rule was changed for them."""
ASK_SOMETHING_ELSE = """
    What is the man doing? | What is the woman doing?
    What is the man doing? | What is the man wearing?
    What color is the bus? | What color is the car?
    How many dogs are there? | How many cats are there?
    How many people are there? | How many people are sitting?
    Is the dog left of the cat? | Is the cat left of the dog?
    Is the cat on the table? | Is the cat under the table?
    What is to the left of the dog? | What is to the right of the dog?
    Where is the man? | Where is the man looking?
    What is the man holding? | What is the man holding in his left hand?
    What is on the table? | What is under the table?
    Is there a red car? | Is there a blue car?
    Is the light on? | Is the light off?
    Is the man standing? | Is the man not standing?
    What is the dog chasing? | What is chasing the dog?
    Who is the woman looking at? | Who is looking at the woman?
    What might the man do next? | What did the man do before?
    Why is the man running? | Where is the man running?
    Is the first bus red? | Is the second bus red?
    What is the largest object? | What is the smallest object?
    What is in the foreground? | What is in the background?
    How many cups are on the table? | How many cups are on the shelf?
    What kind of animal is this? | What kind of vehicle is this?
    Is it day or night? | Is it sunny or cloudy?
    What can be inferred about the weather? | What can be inferred about the season?
    Are there two dogs? | Are there three dogs?
    Are there more cats than dogs? | Are there more dogs than cats?
    What is the man on the left doing? | What is the man on the right doing?
    What color is the man's shirt? | What color is the man's hat?
    What is the man's shirt made of? | What is the color of the man's shirt?
    What does the man ride? | What does the man eat?
    What is behind the car? | What is in front of the car?
    How old is the man? | How tall is the man?
    What is the mood of the scene? | What is the setting of the scene?
    Can the dog reach the ball? | Could the dog have thrown the ball?
    What do you see? | Where do you see it?
    Is anyone sitting? | Is everyone sitting?
    Is there anything on the table? | What is on the table?
    Describe the dog. | Describe the cat.
    What makes the scene unusual? | What makes the scene dangerous?
    What is the dog's color? | What is the dog's breed?
    Is the man with the dog smiling? | Is the dog with the man smiling?
    What is the girl eating? | What is the girl eating with?
    What color is the umbrella? | What color is the woman's umbrella?
    How many chairs are there? | How many chairs are empty?
    Where is the clock? | What time does the clock show?
    What is the child playing? | What is the child playing with?
    Is there a clock? | Are there clocks?
    What is behind the fence? | What is beside the fence?
    Can the bird fly? | Is the bird flying?
    What did the man eat? | What will the man eat?
    Who is holding the ball? | Who is throwing the ball?
    Which dog is bigger? | Which dog is older?
    Why is the street wet? | Why is the street empty?
    Is the door open? | Is the door closed?
    What is the man with the hat holding? | What is the man holding with the hat?
    What should the driver do? | What is the driver doing?
    Does the cat like the dog? | Is the cat like the dog?
    Are all the lights on? | Are the lights on?
    What is on the left of the image? | What is on the right of the image?
    How far is the boat? | How big is the boat?
    Could the man fall? | Did the man fall?
"""
FALSE_TWINS = [("Does the cat like the dog?", "Is the cat like the dog?")]
"""Known fault: one word, two meanings."""


def pairs_of(table: str) -> list[tuple[str, str]]:
    return [(one.strip(), other.strip()) for one, other in (line.split("|") for line in table.strip().splitlines())]


def found(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(one, other) for one, other in pairs if question_key(one) == question_key(other)]


def test_most_of_what_asks_the_same_in_other_words_is_found() -> None:
    same, other = pairs_of(ASK_THE_SAME), pairs_of(ASK_SOMETHING_ELSE)
    assert (len(same), len(other)) == (63, 62)
    assert (len(found(same[:-20])), len(found(same[-20:]))) == (34, 16)


def test_what_asks_something_else_stays_apart() -> None:
    assert found(pairs_of(ASK_SOMETHING_ELSE)) == FALSE_TWINS


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the dog doing?", "what is the dog doing"),
        ("What is the dog doing?", "What's the dog doing in the picture?".replace("'s", " is")),
        ("How many dogs are there?", "How many dogs can you see in this image?"),
        ("How many dogs are visible in the image?", "How many dogs are there?"),
        ("What color is the bus?", "What color are the buses?"),
        ("Isn't the dog wet?", "Is not the dog wet?"),
        ("Where is the child?", "Where are the children?"),
    ],
)
def test_same_question_in_other_words(one: str, other: str) -> None:
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is the dog left of the cat?", "Is the cat left of the dog?"),
        ("Is there a dog in the image?", "Is there a cat in the image?"),
        ("How many dogs are there?", "How many cats are there?"),
        ("Is the dog to the left of the man?", "Is the dog to the right of the man?"),
        ("Is the dog on the sofa?", "Is the dog not on the sofa?"),
        ("Is the dog on the sofa?", "Isn't the dog on the sofa?"),
        ("Are there two dogs on the lawn?", "Are there three dogs on the lawn?"),
        ("Is the dog on the table?", "Is the dog under the table?"),
        ("What is the man doing?", "What is the woman doing?"),
        ("What is the man wearing?", "Why is the man wearing?"),
        ("What is the man?", "What does the man do?"),
        ("What do you see?", "What is in the image?"),
        ("Describe the image.", "Describe the image in detail."),
        ("Can you see a dog?", "Can you see dogs?"),
        ("?", "Why?"),
    ],
)
def test_different_questions_stay_apart(one: str, other: str) -> None:
    assert question_key(one) != question_key(other)
