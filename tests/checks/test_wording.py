"""Each check finds its fault and leaves honest answers alone; a bad turn cuts the conversation before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.checks import check_turns, known_checks, validate_check_names
from datagen.checks.pointed_boxes import BOX_CHECK_NAMES
from datagen.checks.wording import DESCRIPTION_CHECKS, TURN_CHECKS
from datagen.config import ChecksSettings
from datagen.errors import SettingsError
from datagen.records import Turn

SETTINGS = ChecksSettings()
QUESTION = "What is the dog doing?"
GOOD = Turn(QUESTION, "The dog is chasing a red ball across the lawn.")
OTHER = Turn("How many people watch it?", "Two people watch it.")


def reason_for(question: str, answer: str, settings: ChecksSettings = SETTINGS) -> str | None:
    drop = check_turns((Turn(question, answer),), False, settings).drop
    assert drop is None or (drop.stage == "checks" and drop.detail.startswith("turn 1: "))
    return drop.reason if drop else None


BAD_ANSWERS = {
    "refusal": [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but there is no dog.",
        "I am afraid that the photo is too dark.",
        "The dog runs. I'm sorry, I cannot say more.",
        "I apologize, the image is unclear.",
        "As an AI language model, I have no eyes.",
        "As an artificial intelligence, there is little to say.",
        "I cannot see the image, so it could be anything.",
        "I can't directly determine the brand.",
        "I am unable to view pictures.",
        "I'm not able to see pictures.",
        "I don't have access to the image.",
        "There was no image provided.",
        "Please provide the image so that it can be described.",
        "It is unclear without seeing the image.",
        "The attached photo would not open, so this is a guess.",
        "Since your picture could not be displayed, a dog is likely.",
        "The image file has not been uploaded yet. A dog runs.",
        "This photo failed to render; a dog runs in it.",
        "The picture is not accessible to me, yet a dog runs.",
    ],
    "small_talk": [
        "It looks like the message came without a scene. How can I help you?",
        "Your request appears to be blank.",
        "You haven't included any details yet.",
        "Feel free to share the scene.",
        "I'm here to assist with anything about pictures.",
        "Whenever you're ready, I can begin.",
        "What would you like me to write about?",
        "Thanks for your patience, a dog is coming.",
        "I did not get any image to look at.",
        "Just send me the scene.",
        "A dog sits here. Let me know if more is wanted.",
        "Let me double-check the number of dogs.",
        "There are two dogs. Actually, let me count them.",
        "The user wants three questions about a dog.",
        "Okay, let me think about this one. A dog sits there.",
        "We need to produce a description. A dog sits there.",
        "First, I need to mention the dog. It sits there.",
        "Once you share the picture, I can describe it.",
        "好的，用户要我描述一只狗。A dog runs.",
        "嗯，A dog runs.",
        "ユーザーは犬の説明を求めている。A dog runs.",
        "사용자가 개에 대해 물었다. A dog runs.",
        "Okay, ich soll das Bild beschreiben. A dog runs.",
        "L'utilisateur demande une réponse. A dog runs.",
        "El usuario me pide una respuesta. A dog runs.",
        "O usuário pediu uma resposta. A dog runs.",
        "Пользователь просит ответ. A dog runs.",
        "De gebruiker vraagt iets. A dog runs.",
        "L'utente chiede una risposta. A dog runs.",
        "It seems that the details are missing. Could you share them?",
    ],
    "error_text": [
        "The server is currently overloaded, please try again later, as it is under heavy load at this time.",
        '{"error": {"message": "Rate limit exceeded", "code": 429}}',
        "<html><body>502 Bad Gateway</body></html>",
    ],
    "markup": [
        "<plan>A dog runs.",
        "A dog runs. See [the page](https://example.org/dog).",
        "A dog runs ![dog](dog.png).",
        "More dogs are at https://example.org/dogs today.",
        "A dog runs.</CONCLUSION>",
        "A dog runs. <tool_call>x</tool_call>",
        "&lt;think&gt; A dog runs.",
        "The answer is \\boxed{2 dogs}.",
        ":::thinking\nA dog runs.",
        "A dog runs.【/思考】",
        "A dog runs. [/THINK]",
        "A dog runs. <!-- of two -->",
    ],
    "context_leak": [
        "According to the captions, the dog is brown.",
        "Going by what I was told, the dog is brown.",
        "Relying on what has been described, the dog is brown.",
        "Judging by everything you described, the dog is brown.",
        "The details you shared name a brown dog.",
        "All information supplied says that the dog is brown.",
        "The caption says that a dog runs.",
        "The bounding box of the dog is large.",
        "The dog's position follows from the coordinates given.",
        "The annotations show a dog.",
        "Based on the given information, the dog is brown.",
        "The provided context names a dog.",
        "The descriptions mention a brown dog.",
        "From the description, the dog is brown.",
        "The dog's breed is not specified.",
        "The colour isn't explicitly mentioned.",
        "The dog is at [0.12, 0.3, 0.5, 0.98].",
        "The dog is at (120, 40, 200, 300).",
        "The dog stands at 0.12, 0.5, 0.31 of the frame.",
        "The dog is at x = 0.4 in the image.",
        "The dog (0.5) is near the middle.",
    ],
    "trainer_token": [
        "A dog in <image> runs.",
        "A dog runs.</s>",
        "<s>A dog runs.",
        "A dog runs. ASSISTANT: yes.",
        "A dog. USER: and?",
        "A dog runs.<|im_start|>user",
        "### A dog runs.",
        "[INST] A dog runs. [/INST]",
        "<video> A dog runs.",
        "<PAD>".lower() + " A dog.",
    ],
    "several_versions": [
        "1. A brown dog runs over the lawn, and a child throws it a ball from there.\n\n"
        "2. A child throws a ball to a brown dog, which runs over the lawn to get it.",
        "Here are two options for you:\n- A dog runs.\n- A dog plays.",
        "Take 1: A dog runs.\n\nTake 2: A dog plays.",
        "**Variant A** (short):\nA dog runs.",
        "A dog runs.\n\nAlternatively:\nA dog plays.",
        "A dog runs.\n\nA longer version:\nA brown dog runs on a lawn.",
        "Candidate #2: A dog runs.",
    ],
    "role_label": [
        "Answer: A dog runs.",
        "**Answer:** A dog runs.",
        "A: a dog.",
        "Human: A dog runs.",
        "GPT: A dog runs.",
        "A dog runs.\nQuestion: Where?\nIn a park.",
        "Answer： a dog.",
    ],
    "placeholder": [
        "[insert answer here]",
        "Lorem ipsum dolor sit amet.",
        "The message is empty.",
        "N/A",
        "TODO",
        "The dog chases a {object}.",
        "The dog chases a [object].",
        "The dog chases a <insert object>.",
        "The dog chases a ____.",
    ],
    "without_words": ["...", "!!!", "🐶"],
    "unfinished_answer": [
        "The dog is chasing a red ball across the lawn near the",
        "The dog is chasing a red ball across the wide green lawn",
        "A dog,",
        "A dog and",
        "The picture shows these things:",
    ],
    "broken_text": [
        "A caf\u00c3\u00a9 with a dog.",
        "The dog\u00e2\u20ac\u2122s ball is red.",
        "A dog \ufffd runs.",
        "A dog\x00 runs.",
        "A dog runs:\n```\ncode.",
    ],
    "repetitive_answer": [
        "The dog is brown. It runs. The dog is brown. It jumps. The dog is brown.",
        "A dog and a ball and then " + "the dog runs over the lawn again " * 3 + "and stops.",
        "dog " * 20 + ".",
    ],
    "answer_repeats_question": ["What is the dog doing?", "what is the dog doing."],
    "answer_too_long": ["Word. " * 601],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "answer"), [(name, text) for name, texts in BAD_ANSWERS.items() for text in texts])
def test_bad_answer_is_named_by_its_fault(reason: str, answer: str) -> None:
    assert reason_for(QUESTION, answer) == reason


@pytest.mark.parametrize(
    ("reason", "question"),
    [
        ("context_leak", "What do the captions say about the dog?"),
        ("context_leak", "What is at [0.1, 0.2, 0.3, 0.4]?"),
        ("trainer_token", "<image>\nWhat is this?"),
        ("role_label", "Question: What is this?"),
        ("placeholder", "What colour is the {object}?"),
        ("without_words", "???"),
        ("question_too_long", "Why " * 81),
        ("broken_text", "What is this caf\u00c3\u00a9?"),
    ],
)
def test_bad_question_is_named_by_its_fault(reason: str, question: str) -> None:
    assert reason_for(question, GOOD.answer) == reason


@pytest.mark.parametrize(
    "answer",
    [
        "He cannot see the ball because the fence is in the way.",
        "The man looks sorry, but the dog does not mind.",
        "It is not possible to tell the brand of the car from this picture.",
        "The boy is dressed as an airline pilot.",
        "It may not be able to see over the fence.",
        "The woman seems afraid that the dog may jump.",
        "No people are visible in the image.",
        "A sign gives information about the park; it is a written description of the trail.",
        "Her outfit coordinates with the red umbrella.",
        "The team coordinates its movements well.",
        "The clock shows 10:30, and the price is 0.99 dollars.",
        "There are three of them (two dogs and a cat).",
        "The dogs (3) run, and the number is 12.5.",
        "Given the wet street, it has probably rained.",
        "The scene is given a warm look by the evening sun.",
        "A shelf is provided for books and available seats are empty.",
        "The man uses the skills provided to him.",
        "The user interface shows a menu: file, edit, view.",
        # Words of assistants in honest answers.
        "The boy holds his chin as if to say let me think about that.",
        "'Let me check the oil first,' the mechanic seems to say.",
        "If you share a pizza of this size with three friends, each of you gets two slices.",
        "After you send the letter, it takes about two days to arrive.",
        "Simply enter the station through the door on the left.",
        "There isn't any text in the image, only a plain white wall.",
        "When you are ready to cross, look left first, since cars come from there.",
        "Guests may feel free to share the large table.",
        "The user needs to press the large button on the remote.",
        "The user wants to take a picture, so the phone is held up with both hands.",
        "Actually, the bowl is to the right of the broccoli.",
        "Actually, no: there is one dog.",
        "As a cyclist I should keep to the right of this lane.",
        "If you did not give the dog a ball, it would look for a stick.",
        "Can you share a road like this with trucks? Cyclists do, with care.",
        "Just type the code into the panel at the door to get in.",
        "A banner says thank you for sharing the road.",
        "The server is busy with four plates, so the couple will have to wait.",
        "The shirt has a heart on it, written as <3, and 2 < 3 > 1.",
        "The score is 3 < 5, and A > B.",
        "Two dogs on a red couch",
        "Yes",
        "3",
        "No, it is not.",
        'The sign says "STOP"',
        "The sign says “No dogs allowed in the park today, please!”",
        "Several things stand out:\n\n1. A red ball\n2. A brown dog that runs over the lawn",
        "The steps are:\n- sit\n- stay on the green blanket beside the old wooden chair",
        "It is Ângela's café, São Paulo style, à la carte.",
        "A dog is on the left side of the image. A cat is on the left side of the image too. A bird sits high up in a tree. "
        "A man with a hat is on the left side of the image and a woman with two bags walks slowly away from the scene, over to the right.",
        "Yes. Yes. Yes, it is.",
        "A dog, a ball, and an apple... all on the table!",
        "The dog's mood is happy \U0001f436",
    ],
)  # fmt: skip
def test_honest_answer_passes(answer: str) -> None:
    assert check_turns((Turn(QUESTION, answer),), False, SETTINGS).drop is None


@pytest.mark.parametrize(
    "question",
    [
        "Describe the image in detail.",
        "Write a detailed description of the given image.",
        "Can you describe this image based on what it shows?",
        "What is this photo about'?",
        "Is the dog or the cat closer",
        "Provide a description given the picture.",
        "Q",
    ],
)
def test_honest_question_passes(question: str) -> None:
    assert reason_for(question, GOOD.answer) is None


def test_word_limits_come_from_the_settings() -> None:
    strict = ChecksSettings(min_answer_words=3, max_answer_words=5, max_question_words=4)
    assert reason_for("Where?", "A park.", strict) == "answer_too_short"
    assert reason_for("Where?", "In a very very green park.", strict) == "answer_too_long"
    assert reason_for("Where is the brown dog?", "In a park.", strict) == "question_too_long"
    assert reason_for("Where?", "In a park.", strict) is None


def test_only_descriptions_have_their_floor() -> None:
    turn = Turn("Describe the image.", "A dog runs.")
    assert check_turns((turn,), False, SETTINGS).drop is None
    drop = check_turns((turn,), True, SETTINGS).drop
    assert drop is not None
    assert drop.reason == "description_too_short"
    assert drop.detail == "turn 1: 3 words, floor 15"


def test_conversation_is_cut_before_its_first_bad_turn() -> None:
    bad = Turn("And then?", "I cannot see the image.")
    checked = check_turns((GOOD, OTHER, bad, GOOD), False, SETTINGS)
    assert checked.turns == (GOOD, OTHER)
    assert checked.drop is not None
    assert (checked.drop.reason, checked.drop.detail) == ("refusal", "turn 3: answer says 'i cannot see'")
    assert check_turns((bad, GOOD), False, SETTINGS).turns == ()


def test_same_question_again_is_cut() -> None:
    again = Turn("what is the dog doing", "It runs.")
    checked = check_turns((GOOD, OTHER, again), False, SETTINGS)
    assert checked.turns == (GOOD, OTHER)
    assert checked.drop is not None
    assert (checked.drop.reason, checked.drop.detail) == ("repeated_question", "turn 3: asks the same as turn 1")
    assert check_turns((GOOD, again), False, ChecksSettings(skip=("repeated_question",))).drop is None


@pytest.mark.parametrize(("reason", "answer"), [(name, texts[0]) for name, texts in BAD_ANSWERS.items()])
def test_check_can_be_left_out(reason: str, answer: str) -> None:
    assert reason_for(QUESTION, answer, ChecksSettings(skip=(reason,))) != reason


def test_names_are_known_and_others_refused() -> None:
    names = known_checks()
    assert len(set(names)) == len(names) == len(DESCRIPTION_CHECKS) + len(BOX_CHECK_NAMES) + 3
    assert {check.__name__ for check in TURN_CHECKS} < set(names)
    validate_check_names(ChecksSettings(skip=names))
    with pytest.raises(SettingsError, match=r"no check 'refusals'; there are without_words, .*repeated_question"):
        validate_check_names(ChecksSettings(skip=("refusal", "refusals")))


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_text_is_judged(question: str, answer: str) -> None:
    checked = check_turns((Turn(question, answer),), True, SETTINGS)
    assert (checked.drop is None) == (len(checked.turns) == 1)


@pytest.mark.parametrize(
    "unit", ["i'm ", "[0.", "[", "as an ai ", "the description ", "<", "a: ", "_", " ", "not ", "x y "]
)
def test_long_text_is_judged_in_linear_time(unit: str) -> None:
    text = unit * (300_000 // len(unit))
    settings = ChecksSettings(max_answer_words=10**6, max_question_words=10**6)
    check_turns((Turn(text + "why?", text + "."),), True, settings)


@pytest.mark.parametrize(
    ("text", "is_sound"),
    [
        ("I would go with two dogs on a lawn, and a child throws them a red ball.", False),
        ("Two dogs run on a lawn, so I describe them first, and a child throws a ball.", False),
        ("My guess is that two dogs run over the lawn after a red ball there.", False),
        ("The requirements name two dogs, which run over the lawn after a red ball.", False),
        ("I can see two dogs that run over the lawn after a red ball there.", True),
        ("A poster about World War I hangs behind the two dogs that run over the lawn.", True),
        ("The sign reads “My guess is yours” and two dogs run over the lawn after a ball.", True),
    ],
)
def test_a_description_speaks_of_no_writer_and_of_no_writing(text: str, is_sound: bool) -> None:
    drop = check_turns((Turn("Describe it.", text),), True, SETTINGS).drop
    assert (drop.reason if drop else None) == (None if is_sound else "speaks_of_itself")
