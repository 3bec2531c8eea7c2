"""From a raw reply to what the model meant to say: no reasoning, no invisible characters, no wrapping.

``pair_up`` joins a reply's questions and answers, in reading order, to turns up to the first fault.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from datagen.records import Drop, Turn

# Zero-width joiners are kept between non-ASCII characters: emoji and several scripts need them. The others turn the
# reading order, hide letters (tags and variation selectors can spell whole sentences), or show nothing at all.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff"
    "\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d\ufe0e\ufe0f]|[\u200c\u200d](?![^\x00-\x7f])"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIRECTION_MARK = re.compile("[\u061c\u200e\u200f]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f]")
_LINE_END = re.compile("\r\n?|[\u2028\u2029\x85\x0b\x0c]")
# What reasoning is called, in whatever compound: <seed:think>, <antThinking>, <thinking_process>, <internal_monologue>
_STEM = r"(?:think|thought|reason|rationale|scratch_?pad|monologue|reflect|analysis|cot|思考|推理)"
_EXACT = r"(?:think|thinking|thoughts?|reasoning|rationale|analysis|scratchpad|reflection|inner_monologue|cot)"
# Besides tags: <|START_THINKING|>, <|begin_of_thought|>, <|think_end|>, <|endofthought|>, ◁think▷, [THINK];
# Gemma's <|channel>thought ... <channel|>, MedGemma's <unused94>thought ... <unused95>, Apertus' <|inner_prefix|>
_REASONING = re.compile(
    rf"(?P<ends><\|end\w{{0,12}}?{_STEM}\w{{0,20}}\|>|<\|\w{{0,20}}?{_STEM}\w{{0,8}}?_?end\|>|<channel\|>|<unused95>"
    r"|<\|inner_suffix\|>|<\|im_start\|>answer\b)"
    rf"|(?:[<◁【]\|?(?P<closes>/?)[\w:.-]{{0,30}}?{_STEM}[\w:.-]{{0,30}}(?:\s[^<>▷】]{{0,120}})?\|?[>▷】]"
    rf"|\[(?P<closes_too>/?){_EXACT}\])"
    r"|<\|channel>thought|<unused94>(?:thought)?|<\|inner_prefix\|>|<\|im_start\|>think\b",
    re.IGNORECASE,
)
_ESCAPED_TAG = re.compile(  # as HTML and Markdown write it, and in brackets that look alike
    r"(?:&lt;|&#60;|\\<|⟨|＜|〈)(/?\|?[^\W\d][\w:.|-]{0,40})(?:&gt;|&#62;|\\>|⟩|＞|〉)"
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_END = re.compile(r"\s*\Z")
# Any closed block before the answer is no part of it, however it is called: <plan>, <role>, <SUMMARY>, <tool_call>.
_BLOCKS = (
    re.compile(r"<(?P<name>[^\W\d][\w:.-]{0,40})(?:\s[^<>]{0,200})?>.*?</(?P=name)\s{0,3}>", re.DOTALL | re.IGNORECASE),
    re.compile(r"\[(?P<name>[A-Z_]{3,30})\].*?\[/(?P=name)\]", re.DOTALL),
    re.compile(r"【(?P<name>[^】\n/]{1,30})】.*?【/(?P=name)】", re.DOTALL),
    re.compile(r":{3,5} ?(?P<name>\w{1,30})[^\n]{0,80}\n.*?\n:{3,5}[ \t]{0,8}(?=\n|\Z)", re.DOTALL),
    re.compile(rf"(?P<fence>```|~~~)(?P<name>\w{{0,20}}{_STEM}\w{{0,20}})[^\n]{{0,40}}\n.*?\n(?P=fence)", re.DOTALL),
    re.compile(
        r"(?!(?:>[^\n]*\n)*?>\W{0,9}(?:question|answer|[qa]\d{0,3}|user|human|assistant)\b\W{0,3}[:\d\n])"
        r"(?P<name>>)[^\n]*(?:\n>[^\n]*)*+\n",
        re.IGNORECASE,
    ),
    re.compile(rf'\{{\s{{0,9}}"(?P<name>\w{{0,20}}{_STEM}\w{{0,20}})"\s?:[^{{}}]*\}}\s{{0,4}}\n', re.IGNORECASE),
    re.compile(rf"\((?P<name>[\w ]{{0,20}}?{_STEM}\w{{0,20}}):[^()]*\)\s{{0,4}}\n", re.IGNORECASE),
    re.compile(r"(?P<name>\*)[^*\n][^*]*\*\s{0,4}\n-{3,}\s{0,4}\n"),
    re.compile(
        r"\W{0,9}(?:BEGIN|START)[ _](?P<name>[A-Z _]{3,30})\W{0,9}\n.*?\n\W{0,9}END[ _](?P=name)\W{0,9}\n", re.DOTALL
    ),
)
_OF_ANSWERS = re.compile(  # blocks that hold the answer, or its formatting
    r"(?:(?:final|full|image|scene|detailed|visual|begin_of)[_-]?)?(?:answer|output|response|reply|conclusion"
    r"|conversation|dialogu?e|description|solution|result|message|assistant|text|content|final|qa|pair|turn|question"
    r"|q|a|user|human|chat|json|xml)s?[_-]?\d{0,3}|html|body|p|b|i|u|em|strong|h\d|[uo]l|li|div|span|code|pre|table",
    re.IGNORECASE,
)
# Granite, Ollama's terminal, Apriel, HuatuoGPT, screens: words at the very beginning, and words before the answer.
_TOLD_THINKING = re.compile(
    r"[^\w`~:<>\[\]#*_]{0,9}"
    r"(?:here(?:['’]s| is| are) (?:my|a|the) (?:thought process|thoughts|thinking|reasoning)[^\n]{0,120}"
    r"|[*_]{0,3}thinking(?:\.{3}|…)[*_]{0,3}"
    r"|[#*]{1,4} ?(?:thinking|thought|reasoning)(?: process)?[*:]{0,3}|(?:thinking|thought|reasoning) process"
    r"|thoughts?|thinking|reasoning)\s{0,3}:?[ \t]{0,9}\n",
    re.IGNORECASE,
)
_TOLD_ANSWER = re.compile(
    r"(?:here(?:['’]s| is) my (?:final )?(?:response|answer)\s{0,3}:|(?:\.{3}|…) ?done thinking\.?"
    r"|\[begin final response\]|^[#*]{0,4} ?final (?:response|answer|output|description|text)[*]{0,3}:[*]{0,3}"
    r"|^[#*]{1,4} ?(?:final )?(?:response|answer|output)[*:]{0,4}[ \t]{0,9}$)",
    re.IGNORECASE | re.MULTILINE,
)
_SAID_THOUGHT = re.compile(  # of agents, and of screens: the answer has a label, or nobody knows where it begins
    r"\s{0,9}(?:[*_#]{0,3} ?(?:thoughts?|thinking|reasoning|rationale|plan|outline|strategy)(?: process)?"
    r"[*_]{0,3}:[*_]{0,3}[ \t]{1,9}(?=\S)"
    r"|\W{0,4}(?:thought|reasoned|thinking) for (?:(?:a|an|about|[\d.]{1,6}) ?){0,2}(?:few |couple of )?"
    r"(?:s|m|seconds?|minutes?|moments?)\b[^\n]{0,20}\n)",
    re.IGNORECASE,
)
_SAID_ANSWER = re.compile(
    r"^[#*]{0,4} ?(?:final )?(?:response|answer|output)[*]{0,3}:[*]{0,3}|^(?=[#*]{0,4} ?question[ \d]{0,4}[*]{0,3}:)",
    re.IGNORECASE | re.MULTILINE,
)
_MATHS = re.compile(r"\$\$\s{0,9}(?:\\text\{)?(?P<inside>[^$]+?)\}?\s{0,9}\$\$")
_BOXED = re.compile(r"\$?\\boxed\{\s{0,9}(?:\\text\{)?(?P<inside>.*?)\}{1,2}\$?", re.DOTALL)
_WRAPPING_TAG = re.compile(
    r"</?(?:output|response|final|final_answer|conversation|dialogue|description|conclusion|solution|reply)>",
    re.IGNORECASE,
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
_WRITTEN_LINE_END = re.compile(  # "C:\\new" has none
    r"[ \t]*(?:(?:(?:\\r)?\\n[ \t]*){2,}|(?<=[.!?…*=\"”’)])(?:\\r)?\\n|(?:\\r)?\\n(?![a-z]))[ \t]*"
)
_BYTE_TOKENS = re.compile(r"(?:<0x[0-9A-F]{2}>)+")
# 【1†source】, [1], [^2], and ChatGPT's between signs for private use; but four numbers apart may be a box in pixels
_FOOTNOTE = re.compile(
    r"[ ]?【[^】\n]{0,40}†[^】\n]{0,80}】|\ue200[^\ue201\n]{0,200}\ue201"
    r"|(?<=[\w.!?,;\"'”’)])(?![ ]?\[\d{1,2}(?:, \d{1,2}){3}\])"
    r"[ ]?(?:\[\^?\d{1,2}(?:[,–-] ?\d{1,2}){0,5}\]){1,5}(?![(:\w])"
)
_RULE_LINE = re.compile(r"[ \t]*([-*_=])\1{2,}[ \t]*")


def clean_reply(text: str) -> str:
    """Take out what is no part of the answer and make all line ends alike; empty when nothing is left."""
    text = _LINE_END.sub("\n", without_invisible(without_surrogates(text)))
    if text.lstrip()[:1] == '"' and text.rstrip()[-1:] == '"':
        with suppress(msgspec.MsgspecError, UnicodeEncodeError):
            text = msgspec.json.decode(text, type=str)
    if not text.lstrip("`json \n").startswith(("{", "[", '"')):  # there, what is written so is read by the JSON
        text = read_plainly(text)
    text = _COMMENT.sub("", _ESCAPED_TAG.sub(r"<\1>", text))
    text = _strip_tokens(_without_channels(_without_reasoning(text)))
    text = _WRAPPING_TAG.sub("", _without_blocks(text)).strip()
    boxed = _BOXED.fullmatch(text) or _MATHS.fullmatch(text)
    text = boxed["inside"].strip() if boxed else text
    if text.endswith("```") and text[-4:-3] not in {"", "\n"}:
        text = f"{text[:-3]}\n```"  # a closing fence glued to the last line
    return text


def without_invisible(text: str) -> str:
    """Take out what nobody sees: marks that turn the reading order, hidden letters; odd spaces become plain ones."""
    if text.isascii():
        return text
    text = _SPACE.sub(" ", _INVISIBLE.sub("", text))
    return text if _RIGHT_TO_LEFT.search(text) else _DIRECTION_MARK.sub("", text)


def read_plainly(text: str) -> str:
    """Put line ends, quotes and letters where a server wrote out their codes, and take out footnotes."""
    if "\\" in text:
        text = _WRITTEN_LINE_END.sub(lambda run: "\n" * run[0].count("n"), text).replace('\\"', '"')
    if "<0x" in text:
        text = _BYTE_TOKENS.sub(_read_bytes, text)
    return _FOOTNOTE.sub("", text)


def _read_bytes(tokens: re.Match[str]) -> str:
    return bytes.fromhex(tokens[0][3:-1].replace("><0x", "")).decode(errors="replace")


def without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone halves, which no file could store."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_reasoning(text: str) -> str:
    """Cut reasoning out; a closing tag alone ends reasoning that the prompt opened, so all before it goes."""
    for thinking, reply in ((_TOLD_THINKING, _TOLD_ANSWER), (_SAID_THOUGHT, _SAID_ANSWER)):
        told = thinking.match(text)
        if told is None:
            continue
        answer = reply.search(text, told.end())
        rest = text[told.end() :].lstrip()
        if answer is not None:
            text = text[answer.end() :]
        elif _SAID_ANSWER.match(rest):  # what looked like thinking is the title of the whole
            text = rest
        elif not any(_ends(tag) for tag in _REASONING.finditer(text, told.end())):
            text = ""
    kept: list[str] = []
    start = 0
    is_open = False
    for tag in _REASONING.finditer(text):
        if _ends(tag):
            if not is_open:
                kept.clear()
            is_open, start = False, tag.end()
        elif not is_open:
            kept.append(text[start : tag.start()])
            is_open = True
    if not is_open:
        kept.append(text[start:])
    return "".join(kept)


def _ends(tag: re.Match[str]) -> bool:
    return bool(tag["closes"] or tag["closes_too"] or tag["ends"])


def _without_blocks(text: str) -> str:
    """Cut off closed blocks that stand before the answer; one that is all there is stays."""
    start = 0
    while True:
        start += len(text[start : start + 200]) - len(text[start : start + 200].lstrip())
        found = next((match for block in _BLOCKS if (match := block.match(text, start))), None)
        if found is None or _OF_ANSWERS.fullmatch(found["name"]) or _END.match(text, found.end()):
            return text[start:]
        start = found.end()


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


class Parsed(Struct, frozen=True):
    """What a reply holds.

    Attributes:
        turns: Complete turns; empty when the reply is rejected.
        drop: None when nothing was lost; otherwise what was cut off after the turns, or why the
            reply is rejected.
    """

    turns: tuple[Turn, ...]
    drop: Drop | None


class ReplyPart(Struct, frozen=True):
    """A stretch of a reply.

    Attributes:
        kind: ``"stray"`` is text that belongs to no question and no answer.
        is_whole: False when the reply broke off inside it.
    """

    kind: Literal["question", "answer", "stray"]
    text: str
    is_whole: bool = True


def rejected(reason: str, detail: str) -> Parsed:
    """A reply without a single usable turn."""
    return Parsed((), Drop("parse", reason, detail))


def opening_of(text: str, limit: int = 60) -> str:
    """The first words of a text, quoted on one line for a report."""
    line = " ".join(text[: 2 * limit].split())
    return f"'{line[:limit]}…'" if len(line) > limit else f"'{line}'"


def pair_up(parts: list[ReplyPart], cut_reason: str = "truncated") -> Parsed:
    """Join each question with its answer; the first part that does not fit ends the conversation.

    Args:
        parts: In reading order; a label that was repeated with nothing behind it is passed over.
        cut_reason: Reason code for a part that is not whole.
    """
    turns: list[Turn] = []
    question: str | None = None
    for part in parts:
        fault = _fault_of(part, question, cut_reason)
        if fault is not None:
            detail = f"after {len(turns)} whole turns: {part.kind} {opening_of(part.text)}"
            return Parsed(tuple(turns), Drop("parse", fault, detail))
        if part.kind == "question":
            question = part.text or question
        elif question and part.text:
            turns.append(Turn(question, part.text))
            question = None
    if question is not None:
        detail = f"after {len(turns)} whole turns: question {opening_of(question)}"
        return Parsed(tuple(turns), Drop("parse", "question_without_answer", detail))
    return Parsed(tuple(turns), None) if turns else rejected("no_turns", "no question with an answer was found")


def _fault_of(part: ReplyPart, question: str | None, cut_reason: str) -> str | None:
    if not part.is_whole:
        return cut_reason
    if part.kind == "stray":
        return "unlabelled_text"
    if part.kind == "question":
        return "question_without_answer" if part.text and question not in {None, part.text} else None
    return "answer_without_question" if part.text and not question else None
