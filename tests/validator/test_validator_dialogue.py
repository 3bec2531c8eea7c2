"""Prompts and answer spans, with and without a chat template."""

from __future__ import annotations

import pytest
from tiny_checkpoints import TEMPLATE, TEXT_TEMPLATE, TURNS, make_tokenizer

from datagen.errors import ValidatorError
from datagen.records import Turn
from datagen.validator.dialogue import Dialogue, UnscorableError

IMAGE = "<image>"
JOINING_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + '> ' + m['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant> {% endif %}"
)


@pytest.mark.parametrize("style", ["bytes", "metaspace"])
@pytest.mark.parametrize(
    "template", [None, TEMPLATE, TEXT_TEMPLATE, JOINING_TEMPLATE], ids=["plain", "parts", "text", "joining"]
)
def test_spans_hold_the_answers_and_nothing_else(style: str, template: str | None) -> None:
    tokenizer = make_tokenizer(style)
    turns = TURNS if style == "bytes" else (TURNS[0], Turn("How many?", "Two dogs run"), TURNS[2])
    script = Dialogue(tokenizer, template, IMAGE).write(turns)
    told = [tokenizer.decode(script.ids[start:end]).strip() for start, end in script.spans]
    assert told == [turn.answer for turn in turns]
    assert script.ids.count(tokenizer.convert_tokens_to_ids(IMAGE)) == 1
    assert script.ids.count(tokenizer.bos_token_id) == (6 if template == TEXT_TEMPLATE else 1)


def test_plain_prompt_is_that_of_llava_15() -> None:
    tokenizer = make_tokenizer()
    script = Dialogue(tokenizer, None, IMAGE).write((Turn("What?", "A cup."), Turn("Where?", "Left.")))
    assert tokenizer.decode(script.ids) == (
        "<s>USER: <image>\nWhat? ASSISTANT: A cup.</s>USER: Where? ASSISTANT: Left.</s>"
    )


@pytest.mark.parametrize("template", [None, TEMPLATE, TEXT_TEMPLATE])
def test_a_turn_reads_the_same_whatever_follows(template: str | None) -> None:
    dialogue = Dialogue(make_tokenizer(), template, IMAGE)
    whole = dialogue.write(TURNS)
    for n_turns in range(1, len(TURNS)):
        start_of_dialogue = dialogue.write(TURNS[:n_turns])
        assert start_of_dialogue.spans == whole.spans[:n_turns]
        end = start_of_dialogue.spans[-1][1]
        assert start_of_dialogue.ids[:end] == whole.ids[:end]


def test_room_for_the_picture_moves_every_answer() -> None:
    script = Dialogue(make_tokenizer(), None, IMAGE).write(TURNS)
    wide = script.with_picture(16)
    assert len(wide.ids) == len(script.ids) + 15
    assert wide.ids.count(script.ids[script.image_at]) == 16
    for (start, end), (wide_start, wide_end) in zip(script.spans, wide.spans, strict=True):
        assert script.ids[start:end] == wide.ids[wide_start:wide_end]


def test_same_answer_twice_is_found_twice() -> None:
    turns = (Turn("Is it a cup?", "Yes"), Turn("Yes or no: is it red?", "Yes"))
    spans = Dialogue(make_tokenizer(), TEMPLATE, IMAGE).write(turns).spans
    assert spans[0][1] < spans[1][0]


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (Turn(f"What is {IMAGE}?", "A cup."), "'<image>' stands 2 times"),
        (Turn("What?", f"A {IMAGE}."), "'<image>' stands 2 times"),
    ],
)
def test_texts_that_cannot_be_scored(turn: Turn, said: str) -> None:
    with pytest.raises(UnscorableError, match=said):
        Dialogue(make_tokenizer(), None, IMAGE).write((turn,))


def test_answer_joined_with_its_neighbours_is_not_scored() -> None:
    class Joining:
        """Speaks for a tokenizer whose tokens reach over the end of an answer."""

        is_fast, bos_token, eos_token = True, None, "!"
        reach = 0

        def convert_tokens_to_ids(self, token: str) -> int:
            return 3

        def __call__(self, text: str, **_: object) -> dict[str, list[object]]:
            end = text.index("cup.") + 4 if "cup." in text else 0
            offsets = [(at, at + 1 + (self.reach if at + 1 == end else 0)) for at in range(len(text))]
            return {
                "input_ids": [3 if at == text.index("<image>") else 9 for at in range(len(text))],
                "offset_mapping": offsets,
            }

    tokenizer = Joining()
    dialogue = Dialogue(tokenizer, None, IMAGE)
    tokenizer.reach = 1
    with pytest.raises(UnscorableError, match="joins an answer"):
        dialogue.write((Turn("What?", "A cup."),))
    with pytest.raises(UnscorableError, match="no tokens of its own"):
        dialogue.write((Turn("What?", " "),))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "stands 0 times"),
        ("{{ raise_exception('no pictures here') }}", r"the chat template fails \(no pictures here\)"),
        (TEMPLATE.replace("{{ part['text'] }}", "{{ part['text'] | upper }}"), "chat template changes"),
        (TEMPLATE.replace("{% if add_generation_prompt %}ASSISTANT:{% endif %}", ""), "chat template changes"),
    ],
)
def test_templates_that_cannot_be_used(template: str, said: str) -> None:
    with pytest.raises(ValidatorError, match=said):
        Dialogue(make_tokenizer(), template, IMAGE)


def test_tokenizer_without_offsets() -> None:
    class Slow:
        is_fast = False

        def convert_tokens_to_ids(self, token: str) -> int:
            return 3

    with pytest.raises(ValidatorError, match="character offsets"):
        Dialogue(Slow(), None, IMAGE)
