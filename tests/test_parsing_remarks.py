"""What an assistant says around a text: taken off where the rest is certainly the answer, and nothing else ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.parsing import parse_reply
from datagen.parsing.remarks import is_closing_remark, strip_closing, strip_opening, strip_title

TEXT = "Two boats lie on a wide lake. The nearer one is red, and a man sits in it with a paddle."


def read(text: str) -> str:
    (turn,) = parse_reply(text, "text", "stop", "Describe the image.").turns
    return turn.answer


@pytest.mark.parametrize(
    "opening",
    [
        "Of course! ",
        "Understood. ",
        "Great question! ",
        "Hello there! ",
        "Thank you for sharing this picture! ",
        "Sure — ",
        "All right: ",
        "I'd be glad to describe this. ",
        "I'll describe the photo for you:\n\n",
        "Here you go!\n\n",
        "Here's what I can see:\n\n",
        "So, here is what I notice in this photo: ",
        "What the image shows: ",
        "Here is one possible short paragraph: ",
        "Let me offer you a summary:\n",
        "I have prepared the following answer for you:\n",
        "I'd describe the scene like this:\n\n",
        "As instructed, ",
        "Per your request: ",
        "To answer your question, ",
        "In short: ",
        "**TL;DR:** ",
        "(24 words)\n\n",
        "Length: 24 words\n\n",
        "Certainly! Here is the description you asked for:\n\n",
        "Title: Two boats\n\n",
        "**Two boats on a lake**\n\n",
        "# Two boats\n",
        "好的。",
        "はい、",
        "물론입니다. ",
        "Natürlich! ",
        "Claro! ",
    ],
)
def test_an_opening_is_taken_off(opening: str) -> None:
    assert read(opening + TEXT) == TEXT


@pytest.mark.parametrize(
    "closing",
    [
        "\n\nI hope this is helpful!",
        " Hope that helps!",
        "\n\nWould you like a more detailed version?",
        "\n\nIs this detailed enough for you?",
        " Shall I add anything?",
        "\n\nHow does that sound?",
        "\n\nThis paragraph keeps to what is visible and avoids guesses.",
        " I avoided any mention of numbers.",
        "\n\nI've described the main things and left out the rest.",
        "\n\n*Note: the colours may differ.*",
        "\n\nP.S. The lake may be a river.",
        "\n\n(24 words)",
        " [24 words]",
        "\n\nTotal word count: 24",
        "\n\n約50文字",
        "\n\nConfidence score: high",
        "\nTags: boat, lake, man",
        "\n\n#boats #lake #summer",
        "\n\n---\nSources: none",
        "\n\nThank you!",
        "\n\nHave a great day!",
        "\n\nI hope this helps. Let me know if you need another one!",
        "\n\n---\n\nEnd of description",
    ],
)
def test_a_closing_is_taken_off(closing: str) -> None:
    assert read(TEXT + closing) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        "Great, leafy trees line both sides of the road.",
        "Perfect weather lies over the beach.",
        "Hello Kitty is painted on the wall.",
        "Here is a dog: it sleeps on the mat.",
        "Here are three people: a man, a woman and a child.",
        "Here is what stands on the table: a cup and a plate.",
        "This is a poster with a short text: it names the date.",
        "Note that the person is on the left.",
        "The sun is out. If you need more light, the curtain can be opened.",
        "The sign reads “Stop. Let me know if you care.”",
        'He holds a card that says "Back soon. Thank you!"',
        "Words are carved into the stone. There are two of them.",
        "The score is 3 to 2.\nThe crowd is on its feet.",
        "A man asks a woman something. Is she his sister?",
        "Two answers stand on the board. The answer on the left is right.",
        "In short grass lies a ball.",
        "The following car is red.",
        "I see two dogs.",
        "As the dogs run, a man looks on.",
        "A sentence of five words is written there.",
    ],
)
def test_what_is_said_of_the_picture_stays(text: str) -> None:
    assert strip_closing(strip_opening(text)) == strip_closing(strip_opening(text, is_answer=True)) == text
    assert strip_title(text) == text


def test_answers_of_a_conversation_keep_their_assent_and_lose_announcements() -> None:
    reply = (
        "Question:\nMay one swim here?\n===\nAnswer:\nOf course. The lake is calm.\n===\n"
        "Question:\nWhat lies there?\n===\nAnswer:\nHere's what I see: two boats on a lake. (6 words)"
    )
    assert [turn.answer for turn in parse_reply(reply, "delimited", "stop").turns] == [
        "Of course. The lake is calm.",
        "Two boats on a lake.",
    ]


def test_a_later_version_called_final_is_the_text() -> None:
    assert read(f"Draft:\nA boat.\n\nFinal version:\n{TEXT}") == TEXT


def test_a_text_that_is_a_remark_alone_stays_for_the_checks() -> None:
    assert is_closing_remark("Hope this helps!")
    assert read("Hope this helps!") == "Hope this helps!"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"Two boats.\n\nA man.", "Two boats.\n\nA man."),
        (r"Two boats.\r\nA man.", "Two boats.\nA man."),
        (r"He says \"hello\" to her.", 'He says "hello" to her.'),
        (r"The path is C:\new\names here.", r"The path is C:\new\names here."),
        ("Two boats.<0x0A>A man.", "Two boats.\nA man."),
        ("A caf<0xC3><0xA9>.", "A café."),
        ("Two boats【4:0†file.pdf】.", "Two boats."),
        ("Two boats [2]. A man[1, 3].", "Two boats. A man."),
        ("Two boats.\ue200cite\ue202turn0search1\ue201", "Two boats."),
        ("Two\u00a0boats\u2009lie.", "Two boats lie."),
        ("Two \u202eboats\u202c lie\u2066.", "Two boats lie."),
        ("Two boats\U000e0041\U000e0042 lie\u00ad.\ufe01", "Two boats lie."),
        ("A man\u200f sits.", "A man sits."),
        ("שלום\u200f עולם", "שלום\u200f עולם"),
        ("A heart ❤\ufe0f and 👩\u200d👧.", "A heart ❤\ufe0f and 👩\u200d👧."),
        ("$$Two boats lie there.$$", "Two boats lie there."),
        ('"role": "assistant", "content": "Two boats."', "Two boats."),
        ('{"description": "Two boats.\\\\n\\\\nA man."}', "Two boats.\n\nA man."),
    ],
)
def test_what_a_server_wrote_as_codes_is_read(text: str, plain: str) -> None:
    assert read(text) == plain


@given(st.text(max_size=300))
def test_any_text_survives(text: str) -> None:
    assert strip_closing(text).strip() in text.strip()
    assert len(strip_opening(text)) <= 3 * len(text) + 3
