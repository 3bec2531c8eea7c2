"""Prompts and answer spans, with and without a chat template."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_checkpoints import TEMPLATE, TEXT_TEMPLATE, TURNS, make_tokenizer
from transformers import AutoTokenizer

from datagen.errors import ValidatorError
from datagen.validator.dialogue import Dialogue, UnscorableError
from datagen.validator.models.nano import FOLDERS

IMAGE = "<image>"
JOINING_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] + '> ' + m['content'] + '</s>' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant> {% endif %}"
)


@pytest.mark.parametrize("style", ["bytes", "metaspace"])
@pytest.mark.parametrize(
    "template", [None, TEMPLATE, TEXT_TEMPLATE, JOINING_TEMPLATE], ids=["plain", "parts", "text", "joining"]
)
def test_the_span_holds_the_answer_and_nothing_else(style: str, template: str | None) -> None:
    tokenizer = make_tokenizer(style)
    for turn in TURNS if style == "bytes" else (TURNS[0], TURNS[2]):
        script = Dialogue(tokenizer, template, IMAGE).write(turn.question, turn.answer)
        start, end = script.span
        assert str(tokenizer.decode(list(script.tail[start:end]))).strip() == turn.answer
        whole = [*script.head, *script.tail]
        assert tokenizer.convert_tokens_to_ids(IMAGE) not in whole
        assert whole.count(tokenizer.bos_token_id) == (2 if template == TEXT_TEMPLATE else 1)


def test_plain_prompt_is_that_of_llava_15() -> None:
    tokenizer = make_tokenizer()
    dialogue = Dialogue(tokenizer, None, IMAGE)
    script = dialogue.write("What?", "A cup.")
    assert tokenizer.decode(list(script.head)) == "<s>USER: "
    assert tokenizer.decode(list(script.tail)) == "\nWhat? ASSISTANT: A cup.</s>"
    assert dialogue.prompt("What?") == "USER: <image>\nWhat? ASSISTANT:"


@pytest.mark.parametrize("template", [None, TEMPLATE, TEXT_TEMPLATE])
def test_answers_to_one_question_share_its_tokens(template: str | None) -> None:
    dialogue = Dialogue(make_tokenizer(), template, IMAGE)
    yes, no = (dialogue.write("Is it left?", answer) for answer in ("Yes", "No"))
    assert yes.head == no.head
    n_shared = min(yes.span[0], no.span[0])
    assert n_shared > 5
    assert yes.tail[:n_shared] == no.tail[:n_shared]


@pytest.mark.parametrize("answer", ["One", "Seven", "Eight", "Upper left"])
def test_the_space_before_an_answer_is_scored_with_it(answer: str) -> None:
    """Of the bundled tokenizer's " One" is one token, " Seven" three, the first of them the space alone."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDERS["drawn scene"])
    script = Dialogue(tokenizer, None, IMAGE).write("How many?", answer)
    start, end = script.span
    assert tokenizer.decode(list(script.tail[start:end])) == f" {answer}"
    assert tokenizer.decode(list(script.tail[:start])) == "\nHow many? ASSISTANT:"


@pytest.mark.parametrize(("question", "answer"), [(f"What is {IMAGE}?", "A cup."), ("What?", f"A {IMAGE}.")])
def test_texts_that_cannot_be_scored(question: str, answer: str) -> None:
    with pytest.raises(UnscorableError, match="'<image>' stands 2 times"):
        Dialogue(make_tokenizer(), None, IMAGE).write(question, answer)


def test_answer_joined_with_its_neighbours_is_not_scored() -> None:
    class Joining:
        """Speaks for a tokenizer whose tokens reach over the end of an answer."""

        is_fast, bos_token, eos_token = True, None, "!"
        reach = 0

        def convert_tokens_to_ids(self, token: str) -> int:
            return 3

        def __call__(self, text: str, **_: object) -> dict[str, list[Any]]:
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
        dialogue.write("What?", "A cup.")
    with pytest.raises(UnscorableError, match="no tokens of its own"):
        dialogue.write("What?", " ")


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
