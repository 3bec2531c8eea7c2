"""Every way a model bends the reply form is read rightly or dropped with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.parsing import Parsed, parse_reply
from datagen.records import Drop

Q1, A1 = "What is the dog doing?", "The dog is chasing a ball on the grass."
Q2, A2 = "How many people are there?", "There are two people near the fence."
TWO = [(Q1, A1), (Q2, A2)]
PLAIN = f"Question:\n{Q1}\n===\nAnswer:\n{A1}\n===\nQuestion:\n{Q2}\n===\nAnswer:\n{A2}"
DESCRIBE = "Describe the image."
TEXT = "A brown dog runs over a lawn. It is chasing a red ball. Two people watch it from a fence."


def pairs_of(parsed: Parsed) -> list[tuple[str, str]]:
    return [(turn.question, turn.answer) for turn in parsed.turns]


def read(text: str, finish_reason: str | None = "stop", form: Any = "delimited") -> Parsed:
    return parse_reply(text, form, finish_reason)


def reason_of(parsed: Parsed) -> str | None:
    assert parsed.drop is None or (parsed.drop.stage == "parse" and parsed.drop.detail)
    return parsed.drop.reason if parsed.drop else None


def labelled(question: str, answer: str, between: str = "\n", gap: str = "\n\n") -> str:
    return gap.join(f"{question}{q}{between}{answer}{a}" for q, a in TWO)


BENT = {
    "plain": PLAIN,
    "windows line ends": PLAIN.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + PLAIN,
    "zero-width characters": PLAIN.replace("Question", "\u200bQues\u200dtion").replace("===", "==\u2060="),
    "leading and trailing delimiter": f"===\n{PLAIN}\n===\n",
    "longer delimiter": PLAIN.replace("===", "=========="),
    "dashes": PLAIN.replace("===", "---"),
    "blank lines": PLAIN.replace("===", ""),
    "no delimiter": PLAIN.replace("===\n", ""),
    "same line": PLAIN.replace(":\n", ": "),
    "delimiter between pairs only": labelled("Question: ", "Answer: ", gap="\n===\n"),
    "numbered labels": f"Question 1:\n{Q1}\n===\nAnswer 1:\n{A1}\n===\nQuestion 2:\n{Q2}\n===\nAnswer 2:\n{A2}",
    "numbered with #": f"Question #1: {Q1}\nAnswer #1: {A1}\n\nQuestion #2: {Q2}\nAnswer #2: {A2}",
    "numbered with dash": f"Question 1 - {Q1}\nAnswer 1 - {A1}\nQuestion 2 - {Q2}\nAnswer 2 - {A2}",
    "list numbers": f"1. Question: {Q1}\n   Answer: {A1}\n\n2. Question: {Q2}\n   Answer: {A2}",
    "numbers on lines of their own": f"1.\nQuestion: {Q1}\nAnswer: {A1}\n\n2.\nQuestion: {Q2}\nAnswer: {A2}",
    "letters": f"Q1: {Q1}\nA1: {A1}\n\nQ2: {Q2}\nA2: {A2}",
    "letters with stops": f"Q1. {Q1}\nA1. {A1}\n\nQ2. {Q2}\nA2. {A2}",
    "bare letters": labelled("Q: ", "A: "),
    "bullets": labelled("- Q: ", "- A: "),
    "bold colon inside": labelled("**Question:** ", "**Answer:** "),
    "bold colon outside": labelled("**Question**: ", "**Answer**: "),
    "bold number": f"**Question 1:**\n{Q1}\n\n**Answer 1:**\n{A1}\n\n**Question 2:**\n{Q2}\n\n**Answer 2:**\n{A2}",
    "headings": labelled("## Question\n", "## Answer\n"),
    "kind in brackets": labelled("Question (counting): ", "Answer (short): "),
    "square brackets": labelled("[Question]: ", "[Answer]: "),
    "bold question": labelled("Question: ", "Answer: ").replace(Q1, f"**{Q1}**"),
    "quoted question": labelled("Question: ", "Answer: ").replace(Q1, f"“{Q1}”"),
    "full-width colon": labelled("Question：", "Answer："),
    "lower case": labelled("question: ", "answer: "),
    "capitals": labelled("QUESTION: ", "ANSWER: "),
    "follow-up": labelled("Question: ", "Answer: ").replace(f"Question: {Q2}", f"Follow-up question: {Q2}"),
    "user and assistant": labelled("User: ", "Assistant: "),
    "human and gpt": labelled("Human:\n", "GPT:\n"),
    "roles in bold": labelled("**User:** ", "**Assistant:** "),
    "role headings": labelled("### User\n", "### Assistant\n"),
    "roles and labels": labelled("User: Question: ", "Assistant: Answer: "),
    "mixed labels": labelled("Question: ", "Assistant: "),
    "repeated labels": labelled("Question:\nQuestion: ", "Answer:\nAnswer: "),
    "one line": PLAIN.replace("\n", " "),
    "one line without delimiters": PLAIN.replace("\n===\n", " ").replace("\n", " "),
    "pair headings": f"**Pair 1**\nQuestion: {Q1}\nAnswer: {A1}\n\n**Pair 2:**\nQuestion: {Q2}\nAnswer: {A2}",
    "xml": "\n".join(f"<question>{q}</question>\n<answer>{a}</answer>" for q, a in TWO),
    "missing question label": PLAIN.replace(f"Question:\n{Q2}", Q2),
    "missing answer label": PLAIN.replace(f"Answer:\n{A1}", A1),
    "missing first label": PLAIN.removeprefix("Question:\n"),
    "no labels": PLAIN.replace("Question:\n", "").replace("Answer:\n", ""),
    "preamble": f"Sure! Here is the conversation:\n\n{PLAIN}",
    "preamble with delimiter": f"Sure! Here is the conversation.\n===\n{PLAIN}",
    "closing remark": f"{PLAIN}\n\nLet me know if you would like more questions!",
    "closing remark behind delimiter": f"{PLAIN}\n===\nI hope these questions help.",
    "closing remark behind rule": f"{PLAIN}\n\n---\n\nFeel free to ask for more.",
    "fence": f"```\n{PLAIN}\n```",
    "fence with language": f"Here you go:\n```text\n{PLAIN}\n```\nHope this helps!",
    "fence left open": f"```\n{PLAIN}",
    "fence glued on": f"```\n{PLAIN}```",
    "fence for each pair": "\n".join(f"```\nQuestion: {q}\nAnswer: {a}\n```" for q, a in TWO),
    "thinking": f"<think>\nQuestion: what?\nAnswer: hmm\n</think>\n\n{PLAIN}",
    "thinking opened by the prompt": f"Question: what should I ask?\n</think>\n{PLAIN}",
    "thinking about thinking": f"<think>I <think> so </think> and so </think>{PLAIN}",
    "thinking with a namespace": f"<seed:think>Question: hm</seed:think>{PLAIN}",
    "thinking with attributes": f'<think time="3s" model=x>Question: hm</think>{PLAIN}',
    "thinking of Cohere": f"<|START_THINKING|>Question: hm<|END_THINKING|><|START_RESPONSE|>{PLAIN}<|END_RESPONSE|>",
    "thinking of Cohere, opened by the prompt": f"Question: hm<|END_THINKING|><|START_RESPONSE|>{PLAIN}<|END_RESPONSE|>",
    "thinking of OpenThinker": (
        f"<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>{PLAIN}<|end_of_solution|>"
    ),
    "thinking of GLM": f"<think>hm</think><|begin_of_box|>{PLAIN}<|end_of_box|><|user|>",
    "thinking of Gemma": f"<|channel>thought\nhm\n<channel|>{PLAIN}<turn|>",
    "thinking of MedGemma": f"<unused94>thought\nhm<unused95>{PLAIN}",
    "thinking of Apertus": f"<|inner_prefix|>hm<|inner_suffix|>{PLAIN}",
    "thinking of s1": f"<|im_start|>think\nhm\n<|im_start|>answer\n{PLAIN}",
    "thinking of Granite": f"Here is my thought process:\nQuestion: hm\n\nHere is my response:\n{PLAIN}",
    "thinking of Apriel": f"Here are my reasoning steps:\nhm\n[BEGIN FINAL RESPONSE]\n{PLAIN}\n[END FINAL RESPONSE]",
    "thinking of Huatuo": f"## Thinking\n\nhm\n\n## Final Response\n\n{PLAIN}",
    "thinking at Ollama's terminal": f"Thinking...\nQuestion: hm\n...done thinking.\n\n{PLAIN}",
    "thinking for the screen": (
        '<details type="reasoning" done="true"><summary>Thought for 3 s</summary>\nQuestion: hm\n</details>' + PLAIN
    ),
    "thinking folded away": f"<details>\n<summary>Thinking process</summary>\nQuestion: hm</details>\n{PLAIN}",
    "reasoning tags": f"<reasoning>two pairs</reasoning>{PLAIN}",
    **{
        f"thinking of {name}": before.replace("HM", "Question: hm, is it?") + PLAIN
        for name, before in {
            "a compound": "<antThinking>HM</antThinking>",
            "another compound": "<internal_monologue>HM</internal_monologue>",
            "Kimi": "<|think_start|>HM<|think_end|>",
            "Quiet-STaR": "<|startofthought|>HM<|endofthought|>",
            "an escaped tag": "&lt;think&gt;\nHM\n&lt;/think&gt;\n\n",
            "a tag with backslashes": "\\<think\\>HM\\</think\\>",
            "a fence": "```thinking\nHM\n```\n\n",
            "colons": ":::thinking\nHM\n:::\n\n",
            "a quote": "> The photo holds a dog.\n> So three pairs suffice.\n\n",
            "a headed quote": "> **Reasoning**\n> So three pairs suffice.\n\n",
            "a comment": "<!-- HM -->\n",
            "Chinese": "【思考】HM【/思考】",
            "a Chinese tag": "<思考>HM</思考>\n",
            "any tag": "<plan>HM</plan>",
            "several tags": "<SUMMARY>HM</SUMMARY>\n\n<CAPTION>HM</CAPTION>\n<REASONING>HM</REASONING>\n",
            "a role": "<role>ASSISTANT</role>",
            "a tool": '<tool_call>\n{"name": "look"}\n</tool_call>\n',
            "details": "<details>\n<summary><b>Steps</b></summary>\nHM</details>\n",
            "an agent": "Thought: three pairs will do.\n",
            "a screen": "Thought for 3 seconds\n\nthree pairs will do.\n\n",
            "a process": "Here's a thinking process:\n\n1. HM\n\n</think>\n\n",
            "the same line": "Sure, three pairs it is. ",
            "angle brackets": "⟨think⟩HM⟨/think⟩\n",
            "numbered entities": "&#60;think&#62;HM&#60;/think&#62;\n",
            "an object": '{"thought": "HM"}\n\n',
            "parentheses": "(Thinking: HM)\n\n",
            "words": "BEGIN THOUGHTS\nHM\nEND THOUGHTS\n",
            "an open tag": "<plan>three pairs\n",
        }.items()
    },
    "a title": f"## Reasoning\n\n{PLAIN}",
    "a title with a colon": f"Reasoning:\n{PLAIN}",
    "a conclusion": f"<SUMMARY>hm</SUMMARY><CONCLUSION>{PLAIN}</CONCLUSION>",
    "thinking in brackets": f"[THINK]two pairs[/THINK]{PLAIN}",
    "channels": f"<|channel|>analysis<|message|>Question: x<|end|><|start|>assistant<|channel|>final<|message|>{PLAIN}<|return|>",
    "channels without tokens": f"analysisI shall ask two questions.assistantfinal{PLAIN}",
    "end tokens": f"<|im_start|>assistant\n{PLAIN}<|im_end|></s>",
    "output tags": f"<output>\n{PLAIN}\n</output>",
    "json instead": json.dumps({"turns": [{"question": q, "answer": a} for q, a in TWO]}),
}  # fmt: skip


@pytest.mark.parametrize("name", BENT)
def test_bent_form_is_read(name: str) -> None:
    parsed = read(BENT[name])
    assert pairs_of(parsed) == TWO
    assert parsed.drop is None


OBJECTS: list[dict[str, Any]] = [{"question": q, "answer": a} for q, a in TWO]
JSON_FORMS = {
    "turns": json.dumps({"turns": OBJECTS}),
    "indented": json.dumps({"turns": OBJECTS}, indent=2),
    "bare list": json.dumps(OBJECTS),
    "lines": "\n".join(json.dumps(pair) for pair in OBJECTS),
    "short keys": json.dumps([{"q": q, "a": a} for q, a in TWO]),
    "capital keys": json.dumps([{"Question": q, "Answer": a} for q, a in TWO]),
    "answer first": json.dumps([{"answer": a, "question": q} for q, a in TWO]),
    "further keys": json.dumps({"id": 3, "image": "a.jpg", "turns": [{"id": n, **o} for n, o in enumerate(OBJECTS)]}),
    "numbered keys": json.dumps({"question1": Q1, "answer1": A1, "question2": Q2, "answer2": A2}),
    "from and value": json.dumps(
        {"conversations": [m for q, a in TWO for m in ({"from": "human", "value": q}, {"from": "gpt", "value": a})]}
    ),
    "role and content": json.dumps(
        [{"role": "system", "content": "Be kind."}]
        + [m for q, a in TWO for m in ({"role": "user", "content": q}, {"content": a, "role": "assistant"})]
    ),
    "fenced": f"```json\n{json.dumps(OBJECTS, indent=1)}\n```",
    "prose around": f"Sure, it's [here]:\n{json.dumps(OBJECTS)}\nDon't hesitate to ask \"more\".",
    "trailing commas": json.dumps(OBJECTS).replace("}", ",}").replace("]", ",]"),
    "missing bracket": json.dumps({"turns": OBJECTS})[:-2],
    "missing comma": json.dumps(OBJECTS, indent=1).replace(",\n  \"answer\"", "\n  \"answer\""),
    "python dicts": repr(OBJECTS),
    "bare keys": json.dumps(OBJECTS).replace('"question"', "question").replace('"answer"', "answer"),
    "curly quotes": json.dumps(OBJECTS).replace('{"', "{“").replace('"', "”"),
    "thinking": f"<think>{{\"question\": 1}}</think>{json.dumps(OBJECTS)}",
    "delimited instead": PLAIN,
}  # fmt: skip


@pytest.mark.parametrize("name", JSON_FORMS)
def test_json_form_is_read(name: str) -> None:
    parsed = read(JSON_FORMS[name], form="json")
    assert pairs_of(parsed) == TWO
    assert parsed.drop is None


def test_number_as_a_first_line_is_an_answer_and_else_a_list_number() -> None:
    text = f"Question: How many?\nAnswer:\n3.\n\nQuestion: {Q1}\nAnswer: {A1}\n2.\nQuestion: {Q2}\nAnswer: {A2}"
    assert pairs_of(read(text)) == [("How many?", "3."), *TWO]


def test_json_strings_come_out_as_a_decoder_reads_them() -> None:
    answer = 'A "STOP" sign,\n\tback\\slash, {brace}, [bracket], "a": "b", caf\u00e9 \U0001f436'
    for ascii_only in (True, False):
        text = json.dumps([{"question": Q1, "answer": answer}], ensure_ascii=ascii_only)
        assert pairs_of(read(text, form="json")) == [(Q1, answer)]


def test_json_quotes_without_escape_stay_in_the_text() -> None:
    text = '{"question": "What does it say?", "answer": "It says "STOP" in white."}'
    assert pairs_of(read(text, form="json")) == [("What does it say?", 'It says "STOP" in white.')]


@pytest.mark.parametrize(
    ("text", "n_turns", "reason"),
    [
        (json.dumps(OBJECTS)[:-20], 1, "truncated"),
        (json.dumps(OBJECTS)[:40], 0, "truncated"),
        (json.dumps(OBJECTS), 2, None),
    ],
)
def test_json_that_broke_off_keeps_its_whole_pairs(text: str, n_turns: int, reason: str | None) -> None:
    parsed = read(text, "length", "json")
    assert pairs_of(parsed) == TWO[:n_turns]
    assert reason_of(parsed) == reason


def test_json_that_broke_off_unsaid_is_broken() -> None:
    assert reason_of(read(json.dumps(OBJECTS)[:-20], "stop", "json")) == "broken_json"
    assert reason_of(read('[{"question": "What?", "answer": "yes" it is}]', form="json")) == "broken_json"


def test_lone_surrogates_are_replaced() -> None:
    parsed = read('{"question": "What?", "answer": "A \\ud83d dog."}', form="json")
    assert parsed.turns[0].answer == "A \ufffd dog."
    assert read(f"Question: {Q1}\nAnswer: a \udc00 dog").turns[0].answer == "a \ufffd dog"


KEPT_AS_IS = {
    "label in running text": "The board reads Question: why? and below it Answer: because.",
    "paragraphs": "First paragraph.\n\nSecond paragraph, with a list:\n1. One\n2. Two",
    "number": "3",
    "number with a stop": "2.",
    "rule between paragraphs": "Above.\n\n---\n\nBelow.",
    "line that names a role": "The chat shows two lines.\nUser: hello\nAssistant: hi",
    "quoted": '"STOP"',
    "entities": "Fish &amp; chips, 5 &lt; 6",
    "code": "The screen shows code:\n```\nprint(1)\n```",
    "emoji": "A family: \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "answer as a word": "Answer sheets lie on the desk. Questions remain.",
}


@pytest.mark.parametrize("name", KEPT_AS_IS)
def test_answer_stays_as_it_is(name: str) -> None:
    answer = KEPT_AS_IS[name]
    parsed = read(f"Question:\n{Q1}\n===\nAnswer:\n{answer}\n===\nQuestion:\n{Q2}\n===\nAnswer:\n{A2}")
    assert pairs_of(parsed) == [(Q1, answer), (Q2, A2)]


@pytest.mark.parametrize(
    ("text", "n_turns", "reason"),
    [
        ("", 0, "empty_reply"),
        (" \n\u200b\ufeff", 0, "empty_reply"),
        ("<think>They want two questions", 0, "only_reasoning"),
        ("Thinking...\nThey want two questions", 0, "only_reasoning"),
        ("Here is my thought process:\nThey want two", 0, "only_reasoning"),
        ("Thought for 3 seconds\n\nThey want two", 0, "only_reasoning"),
        ("**Thought:** They want two", 0, "only_reasoning"),
        ("<|channel|>analysis<|message|>They want", 0, "only_reasoning"),
        ("I'm sorry, but I can't help with that.", 0, "no_turns"),
        ("{}", 0, "no_turns"),
        ("What is this?\n===\nA dog.\n===\nGood.", 0, "no_turns"),
        (f"Question:\n{Q1}", 0, "question_without_answer"),
        (f"Question: {Q1}\nAnswer:", 0, "question_without_answer"),
        (f"{PLAIN}\n===\nQuestion:\nWhere is it?", 2, "question_without_answer"),
        (f"Question: {Q1}\nQuestion: {Q2}\nAnswer: {A2}", 0, "question_without_answer"),
        (f"Answer:\n{A1}\n===\nQuestion:\n{Q2}\n===\nAnswer:\n{A2}", 0, "answer_without_question"),
        (f"{PLAIN}\n===\nAnswer:\nAnother one.", 2, "answer_without_question"),
        (f"{PLAIN}\n===\nThe dog seems happy.", 2, "unlabelled_text"),
        (f"Question: {Q1}\nAnswer: {A1}\n===\nSome text.\n===\nQuestion: {Q2}\nAnswer: {A2}", 1, "unlabelled_text"),
    ],
)  # fmt: skip
def test_fault_cuts_or_rejects(text: str, n_turns: int, reason: str) -> None:
    parsed = read(text)
    assert pairs_of(parsed) == TWO[:n_turns]
    assert reason_of(parsed) == reason


@pytest.mark.parametrize(
    ("text", "finish_reason", "n_turns", "reason"),
    [
        (PLAIN, "length", 1, "truncated"),
        (PLAIN, "max_tokens", 1, "truncated"),
        (PLAIN, "content_filter", 1, "content_filter"),
        (f"{PLAIN}\n===", "length", 2, "truncated"),
        (f"{PLAIN}\n===\nQues", "length", 2, "truncated"),
        (f"{PLAIN}\n===\nQuestion:\nWhere i", "length", 2, "truncated"),
        (f"Question: {Q1}\nAnswer: {A1}", "length", 0, "truncated"),
        ("Quest", "length", 0, "truncated"),
        ("<think>They want", "length", 0, "truncated"),
        ("", "content_filter", 0, "content_filter"),
        (PLAIN, "stop", 2, None),
        (PLAIN, None, 2, None),
    ],
)
def test_broken_off_reply_loses_its_last_part(
    text: str, finish_reason: str | None, n_turns: int, reason: str | None
) -> None:
    parsed = read(text, finish_reason)
    assert pairs_of(parsed) == TWO[:n_turns]
    assert reason_of(parsed) == reason


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"Description: {TEXT}",
        f"**Description:**\n\n{TEXT}",
        f"## Image Description\n{TEXT}",
        f"Answer:\n{TEXT}",
        f"Detailed description of the image：{TEXT}",
        f"```\n{TEXT}\n```",
        f"```\n{TEXT}",
        f'"{TEXT}"',
        f"“{TEXT}”",
        f"Sure! Here is a detailed description of the image:\n\n{TEXT}",
        f"Certainly! {TEXT}",
        f"Here's the description:\n```\n{TEXT}\n```\n\nLet me know if you need more.",
        f"{TEXT}\n\nWould you like me to describe the background as well?",
        f"<think>A dog.</think>{TEXT}",
        f"\\boxed{{{TEXT}}}",
        f"<plan>Two dogs.</plan>\n<CONCLUSION>{TEXT}</CONCLUSION>",
        f"Thought: a dog.\nFinal Answer: {TEXT}",
        f"**Thought:** a dog.\n\n**Answer:** {TEXT}",
        f"Here's a thinking process:\n\n1. A dog.\n\nFinal Output:\n{TEXT}",
        f"> Thinking...\n> A dog.\n\n{TEXT}",
        f"## Scratchpad\nTwo dogs.\n\n## Description\n{TEXT}",
        f"Step 1: a dog.\n\nFinal description:\n{TEXT}",
        f"*Two dogs, three sentences.*\n\n---\n\n{TEXT}",
        f"<answer>\n{TEXT}\n</answer>",
        f"Question: Describe it.\n===\nAnswer: {TEXT}",
        json.dumps({"description": TEXT}),
        f"```json\n{json.dumps({'question': DESCRIBE, 'answer': TEXT})}\n```",
    ],
)
def test_bare_text_is_unwrapped(text: str) -> None:
    assert pairs_of(parse_reply(text, "text", "stop", DESCRIBE)) == [(DESCRIBE, TEXT)]


@pytest.mark.parametrize(
    ("text", "finish_reason", "answer", "reason"),
    [
        (PLAIN, "stop", None, "conversation_reply"),
        ("Description:", "stop", None, "empty_reply"),
        ("", "stop", None, "empty_reply"),
        (f"{TEXT} The fence is pai", "length", TEXT, "truncated"),
        (f"{TEXT}\n\n1. The fence\n2.", "length", TEXT, "truncated"),
        (TEXT, "length", TEXT, None),
        (TEXT, "content_filter", TEXT, None),
        ("A dog runs. It is cha", "length", None, "truncated"),
        ("A: one", "stop", "one", None),
        ('He said "no" and "yes"', "stop", 'He said "no" and "yes"', None),
    ],
)
def test_bare_text_fate(text: str, finish_reason: str, answer: str | None, reason: str | None) -> None:
    parsed = parse_reply(text, "text", finish_reason, DESCRIBE)
    assert [turn.answer for turn in parsed.turns] == ([answer] if answer else [])
    assert reason_of(parsed) == reason


def test_bare_text_needs_its_question() -> None:
    with pytest.raises(ValueError, match="question"):
        parse_reply(TEXT, "text", "stop")


def test_drop_says_what_was_cut() -> None:
    parsed = read(f"{PLAIN}\n===\nQuestion:\nWhere is the ball?")
    assert parsed.drop == Drop("parse", "question_without_answer", "after 2 whole turns: question 'Where is the ball?'")


MARKS = st.sampled_from(
    ["Question:", "Answer:", "===", "---", "\n", "\n\n", "```", "<think>", "</think>", "{", "}", "[", "]", '"', "\\",
     "Q1.", "A:", "**", ":", ",", "question", '"answer"', "1.", " ", "What?", "A dog.", "'", "<|channel|>", "\\u"]
)  # fmt: skip
ANY_TEXT = st.one_of(st.text(), st.lists(MARKS, max_size=40).map("".join))


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT, st.sampled_from(["delimited", "json", "text"]), st.sampled_from(["stop", "length", None]))
def test_any_text_gives_turns_or_a_reason(text: str, form: Any, finish_reason: str | None) -> None:
    parsed = parse_reply(text, form, finish_reason, DESCRIBE)
    assert parsed.turns or parsed.drop
    assert all(turn.question.strip() and turn.answer.strip() for turn in parsed.turns)
    json.dumps([turn.answer for turn in parsed.turns], ensure_ascii=False).encode()


WORDS = st.lists(st.sampled_from("the dog sits near a red ball, people watch: 3 cats. Why? (yes)".split()), min_size=1)
SENTENCE = WORDS.map(" ".join).filter(lambda text: not text[0].isdigit())


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=3).map("\n\n".join)), min_size=1, max_size=5)
)
def test_plain_forms_come_back_unchanged(pairs: list[tuple[str, str]]) -> None:
    delimited = "\n===\n".join(f"Question:\n{q}\n===\nAnswer:\n{a}" for q, a in pairs)
    as_json = json.dumps({"turns": [{"question": q, "answer": a} for q, a in pairs]})
    assert pairs_of(read(delimited)) == pairs
    assert pairs_of(read(as_json, form="json")) == pairs


@pytest.mark.parametrize(
    "unit",
    ["Question:", "Answer: ", "=", "= ", " ", "\n", "\n\n", "```\n", "<think>", "<", "[", "{", '{"', '"', '"\\', '" ',
     "' ", "\\", "*", "Q1. A1. ", "Question: a Answer: b ", "# ", "1.\n", "</s>", "<s>", "a.", "-", "\u200b", "<a>", "<a></a>", "<a></a", "> a\n",
     "【a】", ":::a\n", "&lt;a&gt;", "<!--", "[AAA]", "<|end", "\\boxed{", "```think\n", "Thought: a\n", "{\"question\":\""],
)  # fmt: skip
def test_a_flood_of_one_mark_is_read_in_linear_time(unit: str) -> None:
    # Quadratic work would take many minutes here, so that the test needs no clock: it ends or it hangs.
    text = (unit * (200_000 // len(unit) + 1))[:200_000]
    for form in ("delimited", "json", "text"):
        parse_reply(text, form, "length", DESCRIBE)
        parse_reply(f"{PLAIN}{text}", form, "stop", DESCRIBE)


@pytest.mark.parametrize(
    "text",
    [
        "질문: 개는 어디에 있나요?\n답변: 왼쪽입니다.\n질문: 몇 마리인가요?\n답변: 두 마리입니다.",
        "**问题1：** 狗在哪里？\n**回答1：** 左边。\n**问题2：** 有几只？\n**回答2：** 两只。",
        "问题一：狗在哪里？\n===\n答案一：左边。\n===\n问题二：有几只？\n===\n答案二：两只。",
        "Question：狗在哪里？\n===\nAnswer：左边。\n===\nQuestion：有几只？\n===\nAnswer：两只。",
        "问：狗在哪里？答：左边。\n问：有几只？答：两只。",
        "狗在哪里？\n===\n左边。\n===\n有几只？\n===\n两只。",
        "質問：犬はどこですか？\n回答：左です。\n質問：何匹ですか？\n回答：二匹です。",
        "Frage:\nWo ist der Hund?\n===\nAntwort:\nLinks.\n===\nFrage:\nWie viele?\n===\nAntwort:\nZwei.",
        "Pregunta: ¿Dónde está? Respuesta: A la izquierda.\nPregunta: ¿Cuántos? Respuesta: Dos.",
        "Question : Où est-il ?\nRéponse : À gauche.\nQuestion : Combien ?\nRéponse : Deux.",
        "Pergunta: Onde está?\nResposta: À esquerda.\nPergunta: Quantos?\nResposta: Dois.",
        "Вопрос: Где собака?\nОтвет: Слева.\nВопрос: Сколько их?\nОтвет: Две.",
        "السؤال: أين الكلب؟\nالجواب: على اليسار.\nالسؤال: كم عددها؟\nالجواب: اثنان.",
        "प्रश्न: कुत्ता कहाँ है?\nउत्तर: बाईं ओर।\nप्रश्न: कितने हैं?\nउत्तर: दो।",
        '[{"问题": "狗在哪里？", "回答": "左边。"}, {"질문": "몇 마리?", "답변": "두 마리."}]',
    ],
)
def test_labels_are_read_in_other_languages(text: str) -> None:
    parsed = parse_reply(text, "delimited", "stop")
    assert parsed.drop is None
    assert len(parsed.turns) == 2
    assert not any(
        label in turn.question + turn.answer for turn in parsed.turns for label in (":", "：", "回答", "答：")
    )


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("好的，以下是对图片的描述：\n草地上有一只狗。", "草地上有一只狗。"),
        ("네, 다음은 이미지에 대한 설명입니다:\n개가 있습니다.", "개가 있습니다."),
        ("**설명:** 개가 있습니다.", "개가 있습니다."),
        ("もちろんです。以下は画像の説明です：\n犬がいます。", "犬がいます。"),
        ("Natürlich! Hier ist die Beschreibung des Bildes:\n\nEin Hund.", "Ein Hund."),
        ("¡Claro! Un perro corre.", "¡Claro! Un perro corre."),
        ("Aquí tienes la descripción de la imagen:\n\nUn perro.", "Un perro."),
    ],
)
def test_openings_and_titles_are_taken_off_in_other_languages(text: str, left: str) -> None:
    (turn,) = parse_reply(text, "text", "stop", "?").turns
    assert turn.answer == left


def test_a_cut_text_without_spaces_ends_behind_its_last_sentence() -> None:
    parsed = parse_reply("草地上有狗。旁边有人。天很蓝。远处还有一", "text", "length", "?")
    assert [turn.answer for turn in parsed.turns] == ["草地上有狗。旁边有人。天很蓝。"]
    assert parsed.drop is not None and parsed.drop.reason == "truncated"
