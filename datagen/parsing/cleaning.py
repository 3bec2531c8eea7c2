"""From a raw reply to what the model meant to say: no reasoning, no invisible characters, no wrapping."""

from __future__ import annotations

import re

# Zero-width joiners are kept between non-ASCII characters: emoji and several scripts need them.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
# <think>, [THINK], ◁think▷, <seed:think>, <think time="3s">; <|START_THINKING|>, <|begin_of_thought|>, <|think|>;
# Gemma's <|channel>thought ... <channel|>, MedGemma's <unused94>thought ... <unused95>, Apertus' <|inner_prefix|>
_THOUGHT = r"(?:think|thinking|thoughts?|reasoning|rationale|analysis|scratchpad|reflection|inner_monologue|cot)"
_REASONING = re.compile(
    rf"(?P<ends><\|end_(?:of_)?{_THOUGHT}\|>|<channel\|>|<unused95>|<\|inner_suffix\|>|<\|im_start\|>answer\b)"
    rf"|[<\[◁]\|?(?P<closes>/?)(?:[a-z]{{1,16}}[:_]){{0,2}}{_THOUGHT}(?:\s[^<>\[\]▷]{{0,120}})?\|?[>\]▷]"
    r"|<\|channel>thought|<unused94>(?:thought)?|<\|inner_prefix\|>|<\|im_start\|>think\b",
    re.IGNORECASE,
)
_DETAILS = re.compile(  # Open WebUI and others, for the screen
    r"<details\b[^>]{0,200}(?:type=.?reasoning[^>]{0,200}>|>\s{0,9}<summary>[^<]{0,80}(?:thought|thinking"
    r"|reason)[^<]{0,80}<)"
    r".*?(?:</details>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
# Granite, Ollama's terminal, Apriel, HuatuoGPT: words at the very beginning, and words before the answer.
_TOLD_THINKING = re.compile(
    r"\s{0,9}(?:here(?:['’]s| is| are) my (?:thought process|thoughts|thinking|reasoning)(?: process| steps)?"
    r"|thinking(?:\.{3}|…)"
    r"|[#*]{1,4} ?(?:thinking|thought|reasoning)(?: process)?[*:]{0,3}|(?:thinking|thought"
    r"|reasoning) process)\s{0,3}:?[ \t]{0,9}\n",
    re.IGNORECASE,
)
_TOLD_ANSWER = re.compile(
    r"(?:here(?:['’]s| is) my (?:final )?(?:response|answer)\s{0,3}:|(?:\.{3}|…) ?done thinking\.?"
    r"|\[begin final response\]"
    r"|^[#*]{1,4} ?(?:final )?(?:response|answer|output)[*:]{0,4}[ \t]{0,9}$)",
    re.IGNORECASE | re.MULTILINE,
)
_WRAPPING_TAG = re.compile(
    r"</?(?:output|response|final|final_answer|conversation|dialogue|description)>", re.IGNORECASE
)
_CHANNEL_FINAL = re.compile(r"<\|channel\|>\s?final[^<]{0,40}(?:<\|constrain\|>[^<]{0,20})?<\|message\|>")
_FIRST_TOKENS = (
    "<s>", "<bos>", "<|begin_of_text|>", "<|im_start|>assistant", "<|start_header_id|>assistant<|end_header_id|>",
    "<|start|>assistant", "<|START_RESPONSE|>", "<|START_TEXT|>", "<|begin_of_box|>", "<|begin_of_solution|>",
    "<|begin|>assistant<|content|>", "[BEGIN FINAL RESPONSE]",
)  # fmt: skip
_LAST_TOKENS = (
    "</s>", "<eos>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|return|>", "<|end|>",
    "<end_of_turn>", "<｜end▁of▁sentence｜>", "<|END_RESPONSE|>", "<|END_TEXT|>", "<|END_OF_TURN_TOKEN|>",
    "<|end_of_box|>", "<|end_of_solution|>", "[END FINAL RESPONSE]", "<|eom_id|>", "<turn|>", "<|user|>",
)  # fmt: skip
_PREAMBLE = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|okay|ok|great|alright)(?: thing)?[!.,]\s{1,4})?"
    r"(?:(?:here(?:['’]s| is| are)|below is|the following is)[^\n:]{0,120}"
    r"\b(?:descriptions?|answers?|response|summary|paragraph|conversations?|questions?)\b[^\n:]{0,120}:[*_\s]{0,8})?",
    re.IGNORECASE,
)
_CLOSING_REMARK = re.compile(
    r"[*_(\s]{0,4}(?:(?:please )?(?:let me know|feel free to (?:ask|let|reach))\b|(?:i )?hope (?:this|these|that) "
    r"|would you like me to\b|do you (?:want|need) me to\b|is there anything else\b"
    r"|if you(?:['’]d| would)? (?:like|need|want) (?:me|more|further|any)\b"
    r"|these (?:questions|question-answer|q&a)\b)",
    re.IGNORECASE,
)
_RULE_LINE = re.compile(r"[ \t]*([-*_=])\1{2,}[ \t]*")


def clean_reply(text: str) -> str:
    """Take out what is no part of the answer and make all line ends alike; empty when nothing is left."""
    text = _LINE_END.sub("\n", _INVISIBLE.sub("", without_surrogates(text)))
    text = _strip_tokens(_without_channels(_without_reasoning(text)))
    text = _WRAPPING_TAG.sub("", text).strip()
    if text.endswith("```") and text[-4:-3] not in {"", "\n"}:
        text = f"{text[:-3]}\n```"  # a closing fence glued to the last line
    return text


def without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone halves, which no file could store."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_reasoning(text: str) -> str:
    """Cut reasoning out; a closing tag alone ends reasoning that the prompt opened, so all before it goes."""
    told = _TOLD_THINKING.match(text)
    if told is not None:
        answer = _TOLD_ANSWER.search(text, told.end())
        text = text[answer.end() :] if answer else ""
    text = _DETAILS.sub("", text)
    kept: list[str] = []
    start = 0
    is_open = False
    for tag in _REASONING.finditer(text):
        if tag["closes"] or tag["ends"]:
            if not is_open:
                kept.clear()
            is_open, start = False, tag.end()
        elif not is_open:
            kept.append(text[start : tag.start()])
            is_open = True
    if not is_open:
        kept.append(text[start:])
    return "".join(kept)


def _without_channels(text: str) -> str:
    """Keep the final channel of a reply that spells out its channels."""
    if text.startswith("analysis") and "assistantfinal" in text:  # the same with its special tokens lost
        return text.rpartition("assistantfinal")[2]
    if "<|channel|>" not in text:
        return text
    finals = list(_CHANNEL_FINAL.finditer(text))
    return text[finals[-1].end() :].partition("<|")[0] if finals else ""


def _strip_tokens(text: str) -> str:
    text = text.strip()
    start, end = 0, len(text)
    while start < end:
        token = next((token for token in _FIRST_TOKENS if text.startswith(token, start)), None)
        if token is None and not text[start].isspace():
            break
        start += len(token or " ")
    while end > start:
        token = next((token for token in _LAST_TOKENS if text.endswith(token, start, end)), None)
        if token is None and not text[end - 1].isspace():
            break
        end -= len(token or " ")
    return text[start:end]


def strip_preamble(text: str) -> str:
    """Take off an opening such as "Sure! Here is the description:"."""
    match = _PREAMBLE.match(text)
    return text[match.end() :].lstrip() if match else text


def is_closing_remark(text: str) -> bool:
    """Whether a paragraph speaks to whoever sent the prompt, such as "Let me know if you need more"."""
    return len(text) < 400 and _CLOSING_REMARK.match(text) is not None


def strip_closing(text: str) -> str:
    """Take off a closing remark that stands in its own paragraph, and rules at either end."""
    paragraphs = strip_rules(text).split("\n\n")
    while len(paragraphs) > 1 and (not paragraphs[-1].strip() or is_closing_remark(paragraphs[-1].strip())):
        paragraphs.pop()
    return strip_rules("\n\n".join(paragraphs))


def strip_rules(text: str) -> str:
    """Take off blank lines and lines of ``---``, ``***`` or ``===`` at either end."""
    lines = text.split("\n")
    first, last = 0, len(lines)
    while first < last and _is_empty_line(lines[first]):
        first += 1
    while last > first and _is_empty_line(lines[last - 1]):
        last -= 1
    return "\n".join(lines[first:last]).strip()


def _is_empty_line(line: str) -> bool:
    return not line.strip() or _RULE_LINE.fullmatch(line) is not None


def unbold(text: str) -> str:
    """Take off bold marks around a whole text."""
    if len(text) > 4 and text.startswith("**") and text.endswith("**") and "**" not in text[2:-2]:
        return text[2:-2].strip()
    return text


def unquote(text: str) -> str:
    """Take off bold marks, then quotes around a whole text, unless such quotes stand inside it as well."""
    text = unbold(text)
    inner = text[1:-1]
    for left, right in ('""', "“”", "''", "‘’", "«»"):
        if inner and text[0] == left and text[-1] == right and left not in inner and right not in inner:
            return inner.strip()
    return text
