"""The wording checks: refusals, leaks of the context, empty or broken turns, strings that break trainers.

``TURN_CHECKS`` and ``DESCRIPTION_CHECKS`` are the tables that ``check_turns`` runs, in order, until one
objects; a function's name is the reason code. Patterns keep to what no honest answer says: an answer that is lost costs
money, and "he cannot see the ball" is no refusal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from datagen.box_text import read_as_words
from datagen.checks.pointed_boxes import BOX_CHECK_NAMES
from datagen.config import ChecksSettings
from datagen.errors import SettingsError, told_raised
from datagen.languages import (
    ENGLISH,
    SENTENCE_ENDS,
    WORDS_OF_WRITING,
    Language,
    foreign_sentence,
    language_for,
    n_words,
    other_language,
    pairs_apart,
    thinking_aloud,
    told_length,
)
from datagen.records import AnnotatedImage, Drop, Turn
from datagen.server_words import server_words
from datagen.social_words import talk_to_reader

WordingCheck = Callable[[Turn, ChecksSettings], str | None]

MAX_UNPUNCTUATED_WORDS = 8
"""Answers up to this length may do without a full stop: "Two dogs on a red couch"."""
REPEATS = 3
"""A sentence or a run of ``GRAM_WORDS`` words this often is a loop, not style."""
GRAM_WORDS = 6
LOOP_SHARE = 1 / 2
"""Share of an answer that repeated runs must fill; "on the left side of the image" may well come thrice."""


class WordyPattern:
    """A pattern, and words of which any text that it finds holds one: they are looked for first, several times faster.

    Args:
        words: Between bars; in lower case where the pattern ignores case.
        pattern: What is looked for where one of them stands.
        flags: Of the pattern.
    """

    def __init__(self, words: str, pattern: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        self._words = tuple(words.split("|"))
        self._pattern, self._ignores_case = re.compile(pattern, flags), bool(flags & re.IGNORECASE)

    def search(self, text: str) -> re.Match[str] | None:
        """Find the pattern's first place in a text."""
        read = text.lower() if self._ignores_case else text
        return self._pattern.search(text) if any(map(read.__contains__, self._words)) else None


_I_CANNOT = (
    r"\bi(?: (?:cannot|can't|can not|could not|couldn't|won't|will not(?: be able to)?)"
    r"|(?:'m| am) (?:not able|unable) to)"
)
_PICTURE = r"(?:images?|pictures?|photos?|photographs?|attachments?|image files?|image links?)"
_REFUSAL = WordyPattern(
    "i'm |i am |i apol|an ai|artificial|language model|text-based|virtual|i can|i could|i won't|"
    "i will not|i do|no image|no picture|no photo|please|could you|can you|unable to|not able|without | load|render"
    "|be viewed|be seen|be loaded|be accessed|error|trouble|failure|corrupt|missing|broken|unavailable|inaccessible"
    "|unreadable"
    "|not open|n't open|to open|be opened|not display|n't display|to display|be displayed|come through|show up|arrive"
    "|attached|upload|visible to|receiv|fetch|retriev|decod|accessible|available to|process",
    r"(?:^|[.!?]\s)i(?:'m| am) (?:\w+ )?(?:sorry|afraid)\b,? (?:but|that|i|there|this|the|as)\b"
    r"|(?:^|[.!?]\s)i apologi[sz]e\b"
    r"|\bas an? (?:ai|artificial intelligence|large language model|language model|text-based \w+|virtual assistant)"
    r"(?: \w+){0,2}(?:,| i\b)"
    rf"|{_I_CANNOT} (?:\w+ ){{0,2}}?(?:see|view|access|display|process|analy[sz]e|determine|provide|describe"
    r"|identify|help|assist|answer|generate|fulfil|comply|tell|discuss)\b"
    r"|\bi (?:was|were|am|'m)(?:n't| not)? (?:un)?able to (?:\w+ )?(?:load|open|retrieve|download|fetch|receive|see"
    r"|view"
    r"|access|display|process|analy[sz]e)\b|\bi (?:cannot|can't|could not|couldn't) (?:load|open|retrieve|download"
    r"|fetch)\b"
    rf"|\b(?:the|this|your|that) (?:\w+ )?{_PICTURE} (?:(?:appears|seems|looks) (?:to be )?|is |was )(?:corrupt\w*"
    rf"|missing|broken"
    r"|unavailable|inaccessible|unreadable|not (?:attached|included|there))\b"
    rf"|\b{_PICTURE} (?:cannot|can't|can not|could not) be (?:viewed|seen|opened|loaded|displayed|processed|accessed)\b"
    rf"|\b(?:error|failure|trouble|problems?) (?:while )?(?:loading|opening|reading|fetching) (?:the |this "
    rf"|your )?{_PICTURE}\b"
    r"|\bi (?:do not|don't) (?:actually |currently )?have (?:\w+ )?(?:access|ability|enough|sufficient|visual)"
    r"|\bno (?:image|picture|photo) (?:(?:was|is|has been) )?(?:provided|attached|shared|uploaded)\b"
    r"|\b(?:please|could you|can you) (?:provide|upload|share|attach) (?:the|an|your|me)\b"
    r"|\b(?:unable|not able) to (?:see|view|access) (?:the|any|this|actual) (?:image|picture|photo)"
    r"|\bwithout (?:seeing|access to|being able to see) the (?:actual )?(?:image|picture|photo)\b"
    rf"|(?:\b(?:the|this|your|that|any|no) (?:\w+ )?|^\W{{0,3}}){_PICTURE} (?:itself )?"
    r"(?:(?:did|does|do|could|would|will|can)(?:n't| not)(?: \w+)? (?:be )?"
    r"|(?:was|is|were|are|has|have)(?:n't| not)(?: \w+)? (?:been )?|(?:has |have |had )?failed to "
    r"|(?:has |have )?(?:never|not) )(?:come through|load(?:ed)?|open(?:ed)?|render(?:ed)?|display(?:ed)?|show up"
    r"|arrived?|attach(?:ed)?|upload(?:ed)?|visible to|receiv\w+|fetch\w*|retriev\w+|decod\w+|process(?:ed)?|accessible"
    r"|available to)\b",
)
_SENT = (
    r"(?:images?|pictures?|photos?|scenes?|details?|texts?|captions?|descriptions?|contents?|messages?|questions?"
    r"|requests?|prompts?|inputs?|information|context|data|attachments?)"
)
"""What somebody sends to an assistant. The same verbs stand in honest answers: one may share a bench, send a ball."""
_OPENS = (
    r"(?:^|[.!?:;\n]['\"*)]{0,2}\s{1,3}|\b(?:please|okay|ok|hmm+|wait|so|well|alright|now|first|actually|and|but),? )"
)
_SMALL_TALK = WordyPattern(
    "you|i'm |i am |i'll|let me|i need|i should|i have to|i will|i must|we need|we must|we should|we have|we will"
    "|we want|we ought|the user|came through|feel free|hesitate|please |just |simply |thank|i did|i don|i haven"
    "|there is not|there does not|there doesn|there isn|go ahead|let's|let us",
    r"\b(?:how|what) (?:can|may|could|should|would) i (?:help|assist|do for|describe|tell)\b"
    r"|\b(?:what|how|which)\b[^.?!]{0,40}\bwould you like (?:me\b|to (?:talk|know|discuss|ask|chat|do)\b)"
    rf"|\bwould you like (?:me to|to try again|to (?:continue|share|provide|add|send) [^.?!]{{0,30}}\b{_SENT})\b"
    r"|\byour (?:\w+ )?(?:message|input|request|question|query|text|prompt|post)\b[^.?!]{0,30}"
    r"\b(?:empty|blank|incomplete|missing|cut off|come through)\b|\bnothing (?:came|has come|got) through\b"
    r"|\b(?:in|from) (?:your (?:message|request|input|prompt)|what you (?:sent|shared|provided|wrote))\b"
    r"|\byou (?:haven't|have not|didn't|did not|forgot to)\b[^.?!]{0,20}\b(?:enter|provid|includ|shar|giv|attach|ask"
    rf"|sen|upload|writ|typ|past)\w*[^.?!]{{0,30}}\b(?:{_SENT}|anything)\b"
    r"|\bi (?:haven't|have not|didn't|did not|don't|do not)(?: \w+)? (?:receiv|see|get|have)\w* (?:any|an?|the|your) "
    rf"(?:\w+ )?{_SENT}\b"
    r"|\b(?:once|when(?:ever)?|as soon as|after|if) you(?:'ve| have)? (?:send|sent|share|provide|upload|paste|give"
    r"|tell)\b[^.?!]{0,60}\bi(?:'ll|'d| will| can| could| would)\b"
    r"|\bwhen(?:ever)? you(?:'re| are) (?:ready|set),? (?:i\b|just|paste|send|share|tell|ask|type|let me"
    r"|and i\b|feel free)"
    r"|(?:^|[.!?,]\s)ready when you are\b"
    rf"|(?:{_OPENS}|, )(?:feel free|don't hesitate|do not hesitate) to (?:ask|type|share|provide|let|reach|send|tell"
    r"|paste|upload|clarify)\b"
    r"|\b(?:i'm|i am|i'll be|i will be|i'd be|i would be) (?:\w+ )?(?:ready|happy|glad|here|delighted|pleased|eager"
    r"|able) to (?:help|assist|describe|answer|provide|write|work|chat|do)\b"
    r"|\bi(?:'ll| will| would|'d| can) (?:happily|gladly|be happy|be glad)\b"
    r"|\b(?:could|can|would|will) you (?:please )?(?:(?:share|provide|send|paste|clarify|resend|rephrase|upload)"
    rf"(?: (?:me|it|them|again)\b|[^.?!]{{0,30}}\b{_SENT}\b)|(?:tell|give|show) me\b|try again\b)"
    rf"|(?:{_OPENS}|, )(?:please|just|simply|go ahead and) (?:(?:share|provide|send|paste|enter|type|upload|resend"
    rf"|clarify) (?:(?:me|it|them) |[^.?!,]{{0,30}}\b{_SENT}\b)|(?:tell|give|send|show) me\b)"
    rf"|{_OPENS}(?:thank you|thanks) for (?:reaching out|contacting|your (?:message|question|request|patience|input)"
    r"|sharing|asking)\b"
    rf"|\bthere (?:doesn't|does not|isn't|is not) (?:seem to be |appear to be )?(?:any|a) {_SENT} (?:attached|provided"
    r"|here\b|in (?:your|the (?:message|request|prompt|input|conversation))\b)"
    rf"|(?:{_OPENS}|\bif [^.?!,]{{0,60}}, )let me (?:know|think|start|re-?read|re-?check|double[- ]check|analy[sz]e"
    r"|break|consider|see if|make sure|draft|write)\b"
    rf"|(?:{_OPENS})(?:i|we) (?:need to|should|have to|ought to|must|want to|will|'ll) (?:also |now |just |carefully )?"
    r"(?:(?:produce|craft|generate|draft|write|compose|output|return|respond|follow|ensure|stick) |(?:avoid|mention"
    r"|describe|include|keep (?:it|this|to|the"
    r"|three|within)) |(?:think|be careful) about |make sure (?:to|that|not|i|the|it)\b"
    r"|(?:mentally |double[- ])?check (?:the|for|if|whether|how many|that|these|them) )"
    r"|\blet(?:'s| us) (?:take a|have a|look|see\b|start|begin|describe|break|analy[sz]|dive|examine|go (?:over|through"
    r"|with)|think|write|craft|check|count|get started)"
    r"|\bthe user (?:wants|asks|asked|is asking|has asked|provided|gave|requested)(?: me| us)?(?: for| to| about)? "
    r"(?:\w+ ){0,5}?(?:descriptions?|questions?|conversations?|captions?|answers?|repl(?:y|ies)|paragraphs?|turns"
    r"|describe|write|generate|details|text)\b",
)
_MUTTERING = WordyPattern(
    "wait,|wait.|wait…|wait —|wait -|hm|oh,|oh wait|actually|scratch that|second thought|never mind|nevermind"
    "|let's see",
    r"(?:^|[.!?]\s)(?:(?:wait|hm+|oh|scratch that|on second thought|never ?mind|let's see),? ?"
    r"(?:[,.…!—–-]|no\b|wait\b|the\b)|actually,? (?:wait|scratch|let me)\b)",  # but: "Actually, it is red"
)
_OF_THE_TASK = WordyPattern(
    "description|answer|response|caption|reply|output|paragraph",
    r"\b(?:the|my|this|its) (?:\w+ )?(?:description|answer|response|caption|reply|output|paragraph) (?:should|must"
    r"|needs to"
    r"|has to|ought to|is supposed to) (?:not |only |also )?(?:be|avoid|mention|include|have|describe|start|focus"
    r"|contain|keep"
    r"|stay|cover|use|say)\b",
)
_TALK = (_SMALL_TALK, _MUTTERING, _OF_THE_TASK)
_FIRST_PERSON = WordyPattern(  # at the beginning of a clause: "World War I" and "Elizabeth I" have no writer
    "I |I'|my |My ",
    r"(?:^|[.!?:;,\n—–-]\s?|\b(?:and|but|so|as|that|because|if|then|here|what|which|where|when|while|though|before) )"
    r"(?:I(?:'m|'ve|'d|'ll)?(?! (?:(?:can|could|also|clearly|just|even) ){0,2}(?:see|notice|spot|observe|find|count"
    r"|make out|love|heart)\b)(?= [a-z])[^.!?\n]{0,30}"
    r"|[Mm]y (?:apologies|answer|take|description|response|bad|guess|reply|notes?|first|final)\b)",
    re.MULTILINE,
)
_QUOTED = re.compile(r"\"[^\"\n]{0,200}\"|“[^”\n]{0,200}”|(?<!\w)['‘](?=\w)(?:[^'’\n]|['’](?=\w)){0,200}['’](?!\w)")
_LEAK = WordyPattern(
    "caption|bounding|annotat|coordinates|description|given|provided|available|mentioned|specified|stated|supplied"
    "|shared|described|told|sent|uploaded|submitted|indicated|above|below|listed",
    r"\bcaptions?\b|\bbounding[- ]box|\bannotations?\b|\bannotated (?:as|object|box|categor|in)"
    r"|\b(?:the|their|its|these|those|given|box|provided|by|object|normali[sz]ed|pixel|spatial) coordinates\b"
    r"|\b(?:provided|given|above) (?:image |scene |text |textual )?descriptions?\b"
    r"|\bdescriptions? (?:says?|mentions?|states?|suggests?|indicates?|does|do|doesn't|don't|impl(?:y|ies))\b"
    r"|\bdescriptions? (?:provided|given)\b(?! (?:the|this|an?)\b)"
    r"|\b(?:according to|based on|as per|from|in) (?:the|these|all|this) (?:\w+ )?descriptions?\b"
    r"|\b(?:given|provided|available) (?:information|context|data|details|text|input)\b(?! (?:in|on|by|about)\b)"
    r"|\binformation (?:provided|given)\b(?! (?:in|on|by|about)\b)"
    r"|\b(?:is|are|was|were)(?: not|n't) (?:explicitly |specifically |directly )?(?:mentioned|specified|stated)\b"
    r"|\b(?:based|going|judging|relying|working|drawing) (?:\w+ )?(?:on|by|from|off) (?:what|all|everything)"
    r"(?: that)?(?: i)?(?: was| is| has been| have been|'ve been| you| you've| you have| were| we)+ (?:\w+ )?"
    r"(?:shared|provided|given|told|described|supplied|sent|uploaded|submitted|mentioned|stated|specified|indicated)\b"
    r"|\b(?:based on|according to|going (?:by|from|off)|judging (?:by|from)|working (?:from|with)|using) (?:the"
    r"|these|those"
    r"|your|all) (?:\w+ )?(?:sentences|statements|phrases|facts|notes|prompts?|inputs?|context|bullet points)\b"
    r"|\b(?:given|based on|from|per) (?:the|all|this) (?:\w+ )?(?:information|details|data|text|context"
    r"|facts) (?:above|below"
    r"|listed)\b"
    r"|\b(?:according to|from|per|given|in) what (?:i was|i've been|i have been|you|you've|you have) (?:\w+ )?"
    r"(?:shared|provided|given|told|described|supplied|sent|uploaded|submitted|said|wrote|written)\b"
    r"|\b(?:the|all|this|your|any) (?:\w+ )?(?:information|details?|texts?|input|context|data|material|notes?|hints?"
    r"|clues?|facts?) (?:that )?(?:i was |i've been |you(?:'ve| have)? |(?:was|were|is|has been|have been) )?"
    r"(?:provided|given|shared|supplied|submitted)\b(?! (?:in|on|by|about|to|with|at|for|from)\b)",
)
_NUMBERS = WordyPattern(
    "[|(|0.|1.",
    r"[\[(]\s?\d{0,4}\.?\d{1,6}(?:\s?,\s?\d{0,4}\.?\d{1,6}){3}\s?[\])]"
    r"|[\[(]\s?[01]?\.\d{1,6}(?:\s?,\s?[01]?\.\d{1,6}){0,3}\s?[\])]"
    r"|\b[01]\.\d{1,6}, ?[01]\.\d{1,6}, ?[01]\.\d"
    r"|\b[xy] ?[=≈] ?[01]?\.\d",
)

_MARKUP = WordyPattern(
    "<|\\|:::|[/|【|&lt;|://|](|$$",
    r"</?[^\W\d][\w:.|-]{0,40}(?:\s[^<>\n]{0,120})?/?>|<!--|&lt;/?[a-z][\w:.-]{0,40}&gt;|\\boxed\b|^:{3,5} ?\w|【/"
    r"|\[/[a-zA-Z_]{2,30}\]|【[^】\n]{0,60}†|!?\[[^\]\n]{0,80}\]\([^()\s]{1,300}\)"
    r"|(?<![\"'“‘«])https?://[^\s\"”]{4,}|\$\$"
    r"|(?<!\w)\\[nrt](?![a-z])|[.!?]\\n",
    re.IGNORECASE | re.MULTILINE,
)
_TRAINER_TOKEN = WordyPattern(
    "<|[|###|USER:|ASSISTANT:",
    r"</?s>|<\||<(?:image|video|audio|pad|unk|bos|eos|im_start|im_end|im_patch|start_of_turn|end_of_turn)>|<</?SYS>>"
    r"|\[/?INST\]|\b(?:ASSISTANT|USER):|###",
)
_ROLE_LABEL = WordyPattern(
    ":|：",
    r"^[\s*#>]{0,8}(?:(?:question|answer|human|user|assistant|gpt)(?: ?\d{1,3})?|[qa]\d{0,3}"
    r"|(?:step|part|section|paragraph|sentence|point) ?\d{1,2})[*]{0,2} ?[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_VERSION = WordyPattern(
    "draft|option|version|varia|alternat|attempt|candidate|response|answer|description|caption|image|picture|photo"
    "|output"
    "|choice|rewrit|possib|sample|take |short|long|brief|concise|one-liner|extended|or",
    r"^[\W_]{0,6}(?:(?:draft|option|version|variant|variation|alternative|attempt|candidate|(?:sample )?response|answer"
    r"|description|caption|image|picture|photo|output|choice|rewrite|possibility|sample|take)[ _]{0,2}#?[ ]?"
    r"(?:\d{1,2}|[a-d]|i{1,3}|iv|one|two|three)"
    r"|(?:(?:an?|the|my|first|second|third|another|other|alternat(?:iv)?e|short(?:er)?|long(?:er)?|brief|simpler"
    r"|detailed"
    r"|poetic|concise|formal|casual) ){1,3}(?:draft|option|version|variant|attempt|take)"
    r"|(?:alternative|alternate|second|another|shorter|longer) (?:description|answer|response|caption)"
    r"|alternative(?:ly)?"
    r"|short(?:er)?|long(?:er)?|brief|concise|one[- ]liner|extended|or,? (?:more \w+|shorter|simply|in (?:short"
    r"|brief|one"
    r" sentence)|put \w+))"
    r"[*_]{0,3}(?: \([^()\n]{1,40}\))?[*_]{0,3}\s?(?:[:：]|[–—-]\s|$)",
    re.IGNORECASE | re.MULTILINE,
)
_TWO_TEXTS = re.compile(
    r"\A\W{0,3}(?:1[.):] [^\n]{60,}\n+\W{0,3}2[.):] |A[.)] [^\n]{60,}\n+\W{0,3}B[.)] )(?=[^\n]{60})"
    r"|(?<=[^\n]{60})\n+[ ]{0,3}(?:-{3,}|\*{3,}|_{3,})[ ]{0,3}\n+(?=[^\n]{60})"
    r"|^[^\n]{0,60}\b(?:options|versions|drafts|alternatives|variants|takes|candidates"
    r"|possibilities)\b[^\n]{0,40}:[*_]{0,3}"
    r"[ ]{0,4}\n\s{0,4}[-*•\d]",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = WordyPattern(
    "[|{|<|lorem|message is|todo:|____",
    r"\[(?:insert|your|object|name|colou?r|number|location|placeholder|fill|description|answer"
    r"|question)\b[^\]\n]{0,60}\]"
    r"|\{[a-z][a-z_ ]{0,40}\}|<(?:object|name|colou?r|number|location|insert[^>\n]{0,40}|answer|question)>"
    r"|\blorem ipsum\b|\bmessage is empty\b|\btodo:|_{4,}",
    re.IGNORECASE,
)
_EMPTY_ANSWERS = frozenset({"n/a", "na", "tbd", "todo", "null", "nil", "undefined", "...", "…", "-", "--", "?"})
_DANGLING = frozenset("and or but because the a an of with while which whose its their into".split())
_LIST_LINE = re.compile(r"\s{0,8}(?:[-*•+]|\(?\w{1,3}[.)])\s")
_BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]"
    "|[ÃÂ][\u00a0-\u00bf]|â€|ï»¿"  # UTF-8 read as Latin-1 or cp1252
)
_NO_FULL_STOP = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese and Khmer end without
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(rf"[.!?]\s+|[{SENTENCE_ENDS}]\s*|\n+")


def _plain(text: str) -> str:
    return text.lower().replace("’", "'")


def words_of(text: str) -> list[str]:
    """Words of a text without case and punctuation, for comparing."""
    return pairs_apart(_WORD.findall(text.lower()))


def _either(turn: Turn, pattern: WordyPattern) -> str | None:
    """Where a pattern stands in question or answer, in a report's words."""
    for name, text in (("question", turn.question), ("answer", turn.answer)):
        match = pattern.search(text)
        if match is not None:
            return f"{name} holds {match[0].strip()!r}"
    return None


def refusal(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an answer in which the model speaks of itself instead of the picture."""
    match = _REFUSAL.search(_plain(turn.answer))
    return f"answer says {match[0].strip()!r}" if match else None


def small_talk(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an assistant's own talk: greetings, offers of help, complaints of an empty message, thinking aloud.

    Thinking is looked for in every known language, as models think in their own whatever was asked for.
    """
    plain = _plain(turn.answer)
    if not any(one.search(plain) for one in _TALK) and not thinking_aloud(plain):
        return None
    unquoted = _QUOTED.sub("", plain)  # what a sign says is quoted
    match = next((match for one in _TALK if (match := one.search(unquoted))), None)
    said = match[0].strip() if match else thinking_aloud(unquoted)
    return f"answer says {said!r}" if said else None


def speaks_to_reader(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a turn of a chat: its writer speaks of itself or to its reader, greets, thanks, or asks back."""
    return talk_to_reader(turn.question, turn.answer)


def speaks_of_itself(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a bare text that speaks of its writer or of writing: "I see" apart, a description does neither."""
    plain = turn.answer.replace("’", "'")
    unquoted = _QUOTED.sub("", plain)
    match = _FIRST_PERSON.search(plain) and _FIRST_PERSON.search(unquoted)
    if match:
        return f"answer says {match[0].strip()!r}"
    word = next((word for word in _WORD.findall(unquoted.lower()) if word in WORDS_OF_WRITING), None)
    return f"answer speaks of writing: {word!r}" if word else None


def context_leak(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find talk of the text that stood in for the picture: captions, boxes, coordinates, given information."""
    both = _plain(f"{turn.question}\n{turn.answer}")
    match = _LEAK.search(both) or _NUMBERS.search(both)
    return f"turn says {match[0].strip()!r}" if match else None


def answer_too_short(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an answer below the word floor."""
    floor = settings.min_answer_words
    return f"{told_length(turn.answer)}, floor {floor}" if n_words(turn.answer) < floor else None


def answer_too_long(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an answer above the word ceiling."""
    ceiling = settings.max_answer_words
    return f"{told_length(turn.answer)}, ceiling {ceiling}" if n_words(turn.answer) > ceiling else None


def description_too_short(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a description that describes too little."""
    floor = settings.min_description_words
    return f"{told_length(turn.answer)}, floor {floor}" if n_words(turn.answer) < floor else None


def question_too_long(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a question above the word ceiling, mostly an answer in the wrong place."""
    ceiling = settings.max_question_words
    return f"{told_length(turn.question)}, ceiling {ceiling}" if n_words(turn.question) > ceiling else None


def without_words(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a question or answer of nothing but signs; a question mark is not asked for ("Describe the dog.")."""
    for name, text in (("question", turn.question), ("answer", turn.answer)):
        if not any(char.isalnum() for char in text):
            return f"{name} is {text[:40]!r}"
    return None


def trainer_token(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a string that trainers read as structure: they mask, miscount or crash on such a sample."""
    return _either(turn, _TRAINER_TOKEN)


def markup(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a tag such as ``<plan>``, or a link, left over from reasoning or tools: nobody knows what is the answer."""
    return _either(turn, _MARKUP)


def several_versions(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find drafts or options side by side, of which nobody chose one: "Draft 1: …", "Shorter version:"."""
    text = turn.answer
    match = _VERSION.search(text) or (_TWO_TEXTS.search(text) if "\n" in text else None)
    return f"answer holds {match[0].strip()!r}" if match else None


def error_text(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an error that a server sent as if it were the answer."""
    return f"answer is {turn.answer[:60]!r}" if server_words(turn.answer) else None


def role_label(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find a line that begins with a label such as ``Answer:``, left over from a form nobody could read."""
    return _either(turn, _ROLE_LABEL)


def placeholder(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find text that someone was meant to fill in."""
    if turn.answer.strip().lower() in _EMPTY_ANSWERS:
        return f"answer is {turn.answer.strip()!r}"
    return _either(turn, _PLACEHOLDER)


def unfinished_answer(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find prose that stops without a closing mark, or on a word or sign that cannot end a sentence."""
    answer = turn.answer.rstrip("\"'”’»)]*_` \n")
    if not answer:
        return None
    words = answer.rsplit(None, 1)
    end = answer[-12:]
    if answer[-1] in ",;:(–—-，、；：（،؛" or words[-1].lower() in _DANGLING:
        return f"answer ends in {end!r}"
    is_list = _LIST_LINE.match(turn.answer.rstrip().rpartition("\n")[2]) is not None
    if not answer[-1].isalnum() or is_list or n_words(answer) <= MAX_UNPUNCTUATED_WORDS:
        return None
    if _NO_FULL_STOP.match(answer[-1]):
        return None
    return f"no closing mark after {end!r}"


def broken_text(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find damaged characters and code fences that never close."""
    for name, text in (("question", turn.question), ("answer", turn.answer)):
        match = None if text.isascii() and text.isprintable() else _BROKEN.search(text)
        if match is not None:
            return f"{name} holds {match[0]!a} at character {match.start()}"
        if text.count("```") % 2:
            return f"{name} holds a code fence that never closes"
    return None


def repetitive_answer(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an answer that runs in circles."""
    sentences = [s for s in (s.strip(" .!?").lower() for s in _SENTENCE_END.split(turn.answer)) if n_words(s) >= 3]
    if len(sentences) > len(set(sentences)):
        sentence, n_times = Counter(sentences).most_common(1)[0]
        if n_times >= REPEATS:
            return f"{n_times} times {sentence[:60]!r}"
    words = words_of(turn.answer)
    if len(words) < GRAM_WORDS + REPEATS - 1:
        return None
    grams = list(zip(*(words[n:] for n in range(GRAM_WORDS)), strict=False))
    if len(grams) - len(set(grams)) < REPEATS - 1:
        return None
    counts = Counter(grams)
    looped = {n + k for n, gram in enumerate(grams) if counts[gram] >= REPEATS for k in range(GRAM_WORDS)}
    if len(looped) < LOOP_SHARE * len(words):
        return None
    gram, n_times = counts.most_common(1)[0]
    return f"{n_times} times '{' '.join(gram)}'"


def answer_repeats_question(turn: Turn, settings: ChecksSettings) -> str | None:
    """Find an answer that only says the question again."""
    same = abs(len(turn.question) - len(turn.answer)) < 20 and words_of(turn.question) == words_of(turn.answer)
    return "answer has the words of the question and no more" if same else None


_CHECKS_OF_ANY: tuple[WordingCheck, ...] = (
    without_words,
    placeholder,
    error_text,
    refusal,
    small_talk,
    context_leak,
    trainer_token,
    markup,
    several_versions,
    role_label,
    broken_text,
    answer_repeats_question,
    answer_too_short,
    answer_too_long,
    question_too_long,
    unfinished_answer,
    repetitive_answer,
)
TURN_CHECKS: tuple[WordingCheck, ...] = (*_CHECKS_OF_ANY, speaks_to_reader)
"""Run on every turn of a conversation; the first fault found is the reason."""

DESCRIPTION_CHECKS: tuple[WordingCheck, ...] = (*_CHECKS_OF_ANY, speaks_of_itself, description_too_short)
"""Run on the turn of a bare text, in which a question may be put to nobody ("How adorable is this?")."""


REPEATED_QUESTION = "repeated_question"
"""The one check that looks at a whole conversation."""
WRONG_LANGUAGE = "wrong_language"
"""The one check that asks for the run's language."""


def wrong_language(turn: Turn, is_description: bool, language: Language) -> str | None:
    """Find an answer, or a question that the teacher wrote, in another language than was asked for."""
    for name, text in (("answer", turn.answer), *([] if is_description else [("question", turn.question)])):
        found = other_language(text, language.code)
        if found is not None:
            return f"{name} is in {found}, asked for was {language.name}: {text[:40]!r}"
        foreign = foreign_sentence(text, language.code)
        if foreign is not None:
            found, sentence = foreign
            return f"{name} holds {found}, asked for was {language.name}: {sentence[:40]!r}"
    return None


Check = Callable[[Turn, AnnotatedImage], str | None]
"""A check of one's own: gives what is wrong with a turn about an image as one sentence, or None. Its ``__name__`` is
the reason code of what it drops."""


class Checked(Struct, frozen=True):
    """What the checks left of a conversation.

    Attributes:
        turns: Turns before the first bad one; empty when the first is bad.
        drop: None when all turns passed, else what was found at the bad one.
    """

    turns: tuple[Turn, ...]
    drop: Drop | None


def _find_fault(check: WordingCheck, turn: Turn, settings: ChecksSettings, language: Language) -> str | None:
    """What a check finds in English, or in the run's own language."""
    detail = check(turn, settings)
    pattern = language.wording.get(check.__name__)
    if detail is not None or pattern is None:
        return detail
    for name, text in (("answer", turn.answer), ("question", turn.question)):
        match = pattern.search(_QUOTED.sub("", _plain(text)))  # what a sign says is quoted
        if match is not None and (name == "answer" or check is context_leak):
            return f"{name} says {match[0].strip()!r}"
    return None


def check_turns(
    turns: tuple[Turn, ...],
    is_description: bool,
    settings: ChecksSettings,
    language: str = ENGLISH,
    *,
    in_any_language: bool = False,
    points: bool = False,
) -> Checked:
    """Check turns in order.

    Args:
        turns: As parsed.
        is_description: The reply is one bare text, which has a word floor of its own.
        settings: Limits, and the names of checks to leave out.
        language: Code of the language that the turns should be in.
        in_any_language: Nobody was asked to write in it.
        points: Boxes in their one form belong to the text, and "bounding box" is no leak; see ``pointed_boxes``.
    """
    asked_for = language_for(language)
    table = DESCRIPTION_CHECKS if is_description else TURN_CHECKS
    active = [check for check in table if check.__name__ not in settings.skip]
    asked: dict[str, int] = {}
    for n, turn in enumerate(turns):
        read = turn
        if points:
            read = replace(turn, question=read_as_words(turn.question), answer=read_as_words(turn.answer))
        for check in active:
            detail = _find_fault(check, read, settings, asked_for)
            if detail is not None:
                return Checked(turns[:n], Drop("checks", check.__name__, f"turn {n + 1}: {detail}"))
        if not in_any_language and WRONG_LANGUAGE not in settings.skip:
            detail = wrong_language(read, is_description, asked_for)
            if detail is not None:
                return Checked(turns[:n], Drop("checks", WRONG_LANGUAGE, f"turn {n + 1}: {detail}"))
        first = asked.setdefault(" ".join(words_of(turn.question)), n)
        if first != n and REPEATED_QUESTION not in settings.skip:
            detail = f"turn {n + 1}: asks the same as turn {first + 1}"
            return Checked(turns[:n], Drop("checks", REPEATED_QUESTION, detail))
    return Checked(turns, None)


def check_with(checks: tuple[Check, ...], turns: tuple[Turn, ...], image: AnnotatedImage) -> Checked:
    """Put turns, whose claims are read already, to checks of one's own, in order.

    A check that raises, or gives no sentence, costs the turn it was asked about, as ``check_raised``: it must not cost
    the run.
    """
    for n, turn in enumerate(turns):
        for check in checks:
            reason = check.__name__
            try:
                detail = check(turn, image)
                if detail is not None and not isinstance(detail, str):
                    told = f"{check.__name__} gave {type(detail).__name__}, expected a sentence or None"
                    reason, detail = "check_raised", told
            except Exception as error:
                reason, detail = "check_raised", told_raised(check.__name__, check, error)
            if detail is not None:
                return Checked(turns[:n], Drop("checks", reason, f"turn {n + 1}: {detail}"))
    return Checked(turns, None)


def known_checks() -> tuple[str, ...]:
    """Names of all checks, as ``skip`` takes them and the summary counts them."""
    checks = (*DESCRIPTION_CHECKS, speaks_to_reader)
    return (*(check.__name__ for check in checks), *BOX_CHECK_NAMES, WRONG_LANGUAGE, REPEATED_QUESTION)


def validate_check_names(settings: ChecksSettings) -> None:
    """Refuse names in ``skip`` that no check has.

    Raises:
        SettingsError: Names the first unknown one and lists the checks.
    """
    for name in settings.skip:
        if name not in known_checks():
            raise SettingsError(f"checks.skip: there is no check '{name}'; there are {', '.join(known_checks())}.")
