"""Chat that says nothing of a picture is known in turns that nobody listed, and honest answers are left alone."""

import pytest

from datagen.checks import check_turns
from datagen.config import ChecksSettings
from datagen.parsing import parse_reply
from datagen.social_words import is_social, talk_to_reader, without_social_ends

FIRST = "Question:\nWhat is in the middle?\n===\nAnswer:\nA small dog sits in the middle of the room."
ABOUT_THE_PICTURE = ("The chair is red.", "So the chair is red.", "A red chair stands by the door.", "Red!")
TALK = (
    ("Hi there!", "Hey! What would you like to know about this photo?"),
    ("Can you see the image?", "Yes, I can see the image you've shared."),
    ("Thanks!", "You're welcome! Let me know if you need more."),
    ("How are you today?", "Doing well, thanks for asking."),
    ("Ready?", "Ready when you are!"),
    ("Could you help me?", "Good day! How may I assist?"),
    ("Anything else of note?", "No worries, take your time."),
    ("Hello", "Hello there, nice to meet you!"),
    ("Are you human?", "No, I am a virtual assistant built to talk about images."),
    ("Who made you?", "I was created by a research lab to answer questions."),
    ("What can you do?", "I can describe scenes, count things and compare colours for you."),
    ("Do you like the photo?", "I really enjoyed looking at this one!"),
    ("Would you sit there?", "I would definitely sit there with a good book."),
    ("Thank you so much!", "Anytime! Have a wonderful day."),
    ("Cool", "Right? Pictures like this one are fun to talk about with you."),
    ("Can we go on?", "Of course, fire away with your next question."),
    ("One more question.", "Sure, what's on your mind?"),
    ("What colour is the chair?", "That's a really interesting thing to ask! The chair is red."),
    ("What colour is the chair?", "Thanks for your question. The chair is red."),
    ("What colour is the chair?", "Alright, so the chair is red. Next question?"),
    ("What colour is the chair?", "The chair is red, my friend."),
    ("What colour is the chair?", "Hmm, hold on a second. The chair is red."),
    ("What colour is the chair?", "You asked about the chair, and it is red."),
    ("Who are you?", "I'm a language model trained to describe pictures."),
    ("What is your name?", "You can call me Aria."),
    ("What do you think?", "Personally, I would love to visit such a place someday."),
    ("What stands by the door?", "Great question — a red chair stands by the door."),
    ("What stands by the door?", "Sure thing 😊 A red chair stands by the door."),
    ("What else?", "Is there anything else you'd like to explore in the picture?"),
    ("Is this a question?", "It seems your message came through blank; what would you like to ask?"),
    ("What stands here?", "Certainly, I'd be glad to help with that."),
)
HONEST = (
    ("What can you see?", "I see a red chair beside a small dog."),
    ("What can you see?", "I can see two cats on a couch."),
    ("What is the man doing?", "I think he is fixing the wheel of his bicycle."),
    ("What is the man doing?", "I believe he waits for the bus, as he looks down the road."),
    ("How old is the boy?", "I would guess that he is about ten."),
    ("How old is the boy?", "If I had to guess, about ten years old."),
    ("How many birds are there?", "I count four birds on the wire."),
    ("Is it raining?", "I'm not sure, but the ground looks wet."),
    ("Is it raining?", "As far as I can tell, it is dry."),
    ("Is it raining?", "From what I can see, the street is dry."),
    ("Is there a dog?", "I don't see a dog anywhere."),
    ("Is there a dog?", "Yes, there is one beside the chair."),
    ("Is the dog happy?", "Absolutely! Its tail is up and its mouth is open."),
    ("Is the dog happy?", "Of course, a dog at play mostly is."),
    ("Are the people friends?", "It seems so to me, as they stand close together."),
    ("What does the sign say?", 'The sign says "I love New York".'),
    ("What does the shirt read?", "It reads 'Ask me about my cat'."),
    ("What does the sign say?", "It tells drivers to stop and let people cross."),
    ("What might the woman be saying?", "She may be saying hello to a friend."),
    ("What might the man say?", "He seems to thank the waiter for the meal."),
    ("What is the woman doing?", "She waves goodbye to somebody on the train."),
    ("Why is the crowd there?", "People seem to welcome the team home."),
    ("What does the scene tell you about the season?", "The bare trees tell you that it is winter."),
    ("What would you find behind the house?", "You would find a small garden with a shed there."),
    ("Where can you sit?", "You can sit on the bench beside the pond."),
    ("What should you watch out for here?", "You should watch out for the cyclist coming from the left."),
    ("What is your impression of the room?", "The room feels calm, with soft light and few things in it."),
    ("What helps the chef?", "A sharp knife helps him to cut the carrots."),
    ("What is the waiter happy about?", "He is happy to serve the guests at the table."),
    ("What is at the desk?", "An assistant sits at the desk and talks on the phone."),
    ("Who helps the old man?", "A nurse is ready to help him out of the chair."),
    ("What is the good thing about the spot?", "The good thing is that it lies in the shade."),
    ("What is great about the view?", "Great! Waves break on the rocks right below the window."),
    ("What king is shown?", "The statue shows George I on a horse."),
    ("What war is it about?", "The tank is from World War I and stands in a museum."),
    ("Could you describe the sky?", "It is pale blue with a few thin clouds."),
    ("What is the man's job?", "His job is to take tickets at the gate."),
    ("What is the cat thinking?", "The cat may wonder who is at the door."),
    ("Why is the girl smiling?", "She seems glad about the present on her lap."),
    ("What could happen next?", "The batter could hit the ball and run to first base."),
    ("What should the driver do?", "He should wait until the children have crossed."),
    ("Is the test of the camera over?", "The camera still stands on its tripod, so the test goes on."),
    ("What time of day is it?", "Good light and long shadows speak for late afternoon."),
    ("Is the man welcome?", "The open door and her smile say that he is."),
    ("What would you like about the kitchen?", "Its wide window lets in plenty of light."),
    ("What would people take along?", "Take an umbrella, as the clouds are dark."),
    ("What is the dog called?", "The tag on its collar reads Rex."),
    ("How do the two get along?", "Nice and close: they share one blanket."),
    ("What does the note read?", "The note on the fridge reads: Have a nice day!"),
    ("Which one is taller?", "The left one, I'd say by a head."),
    ("What makes the picture look old?", "Faded colours, I suppose, and the cars of the fifties."),
    ("Is that a real dog?", "No, it is a toy with buttons for eyes."),
    ("What is the man in the shop asking for?", "He may be asking the clerk for help with a shirt."),
    ("Who speaks?", "A guide speaks to a group of visitors."),
    ("What is on the table for the guests?", "Help yourself, says a card beside the bowl of fruit."),
    ("What's the mood?", "It is cheerful; everyone raises a glass and says cheers."),
    ("What is written on the cake?", "The icing reads Happy Birthday, Anna."),
    ("Where is the exit?", "Go through the door on the left, below the green sign."),
    ("How would one cross?", "Press the button on the post and wait for the green light."),
)


def answer_kept(question: str, answer: str) -> str | None:
    reply = f"{FIRST}\n===\nQuestion:\n{question}\n===\nAnswer:\n{answer}"
    checked = check_turns(parse_reply(reply, "delimited", "stop").turns, False, ChecksSettings())
    return checked.turns[1].answer if len(checked.turns) > 1 else None


@pytest.mark.parametrize(("question", "answer"), TALK)
def test_talk_is_taken_off_or_costs_its_turn(question: str, answer: str) -> None:
    assert answer_kept(question, answer) in (None, *ABOUT_THE_PICTURE)


@pytest.mark.parametrize(("question", "answer"), HONEST)
def test_honest_answers_stay_as_they_are(question: str, answer: str) -> None:
    assert answer_kept(question, answer) == answer


@pytest.mark.parametrize(
    ("answer", "is_left"),
    [
        ("Great question — a red chair stands by the door.", "A red chair stands by the door."),
        ("Sure thing 😊 The chair is red. Next question?", "The chair is red."),
        ("Haha, thanks for asking! The chair is red. Anything else? Have a nice day!", "The chair is red."),
        ("The chair is red. Why?", "The chair is red. Why?"),  # a question about the picture is no remark
        ("Thanks!", "Thanks!"),  # nothing would be left
    ],
)
def test_ends_go_where_an_answer_is_left(answer: str, is_left: str) -> None:
    assert without_social_ends(answer, "What colour is the chair?") == is_left


def test_assent_answers_a_question_of_yes_or_no_alone() -> None:
    assert without_social_ends("Absolutely! It wags.", "Is the dog happy?") == "Absolutely! It wags."
    assert without_social_ends("Absolutely! It wags.", "How does the dog feel?") == "It wags."
    assert is_social("Certainly.") and not is_social("Certainly.", is_yes_or_no=True)


@pytest.mark.parametrize(
    "answer",
    [
        "A man in a cap, 'I love you' on his shirt, waves.",
        "A card reads “Can I help you?” in red.",
        "Ein Schild fragt: „Wohin gehst du?“",
        "Morning light falls on two cats.",
        "Hold on to the rail when the bus turns.",
        "The statue shows George I on a horse.",
    ],
)
def test_what_a_sign_says_is_no_talk(answer: str) -> None:
    assert talk_to_reader("What is there?", answer) is None


def test_bare_texts_may_put_a_question_to_nobody() -> None:
    text = "How adorable is this? " + "An umbrella with the face of a teddy bear leans on a wall. " * 2
    turns = parse_reply(text.strip(), "text", "stop", "Describe the image.").turns
    assert check_turns(turns, True, ChecksSettings(min_description_words=5)).drop is None
