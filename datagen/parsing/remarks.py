"""Remarks around an answer: what an assistant says before and behind a text that it was asked for.

Openings ("Sure! Here's what I see:"), titles, closing remarks ("Hope this helps!"), counts of its own words. Each is
taken off only where all that is left is certainly the answer; what leaves a doubt, such as a second draft, stays for
the wording checks to reject.
"""

from __future__ import annotations

import re

from datagen.languages import SENTENCE_ENDS, WORDS_OF_WRITING
from datagen.parsing.cleaning import strip_rules
from datagen.parsing.labels import OPENINGS, TITLES

_FRAME = r"(?:images?|pictures?|photos?|photographs?|scenes?|shots?|snapshots?)"
_TEXT = r"(?:descriptions?|answers?|responses?|repl(?:y|ies)|summar(?:y|ies)|paragraphs?|write-?ups?|drafts?)"
_MARK = r"\s{0,2}[!.,:;—–-]{1,3}\s{1,4}"
_ASSENT = re.compile(  # "Great, leafy trees" and "Perfect weather" are no assents
    r"(?:sure|certainly|of course|absolutely|okay|ok|alright|all right|definitely|gladly|understood|noted"
    r"|(?:you )?got it"
    r"|alrighty|very well|right away|okey-dokey"
    r"|no problem(?: at all)?|will do|with pleasure|my pleasure|happy to(?: help| do (?:so|that))?|you['’]re welcome)"
    rf"(?: thing)?{_MARK}"
    r"|great\.\s{1,4}"
    r"|(?:perfect|excellent|good|great|nice|wonderful|fantastic|done|hello|hi|hey|welcome|thanks|thank you)"
    r"(?: (?:there|again|question|choice|idea|prompt|request|for (?:sharing|the|your|asking|providing)[^.!?\n]{0,40}))?"
    r"\s?[!:]\s{1,4}"
    r"|(?:here (?:you go|it is|goes|you are)|there you go|coming right up)[.!:…]{1,3}\s{1,4}",
    re.IGNORECASE,
)
_PROMISE = re.compile(  # of a text, and nothing else: what it lacks or cannot do is no opening
    r"i(?:['’]d| would|['’]ll| will| can|['’]m| am) "
    r"(?:(?:certainly|gladly|now|try to|do my best to|going to|be|more than) ){0,3}"
    r"(?:(?:happy|glad|delighted|pleased) to )?(?:help|assist|do that|do so|describe|write|provide|give)\b"
    r"(?:(?!\bbut\b|\bnot\b|n['’]t\b|\bif\b|\bonce\b|\bwhen\b|\bonly\b|cannot|\bplease\b|\bbased\b)[^.!?:\n]){0,60}"
    r"[.!:]\s{1,4}",
    re.IGNORECASE,
)
_ANNOUNCEMENT = re.compile(
    r"(?:so,? |now,? )?(?:"
    rf"(?:here(?:['’]s| is| are)|below is|the following is|please find|i(?:['’]ve| have) (?:written|prepared|drafted)"
    r"|let me (?:give|offer|present)(?: you)?) "
    r"(?:(?!with\b|on\b|in\b|of\b|that\b|which\b|and\b)[\w'’-]{1,20},? ){0,6}?"
    r"(?:descriptions?|answers?|responses?|summar(?:y|ies)|paragraphs?|conversations?|questions?|captions?|overviews?"
    r"|accounts?|versions?|write-?ups?|texts?|repl(?:y|ies)|breakdown|rundown|narrative|depiction|rendering"
    r"|portrayal|sketch|attempt|take"
    r"|dialogues?)"
    r"\b[^\n:]{0,120}"
    rf"|here(?:['’]s| is) what (?:i|we|you|one) (?:(?:can|could|do|would) )?(?:see|observe|notice|found|find|make out"
    rf"|gather(?:ed)?|came up with|wrote|say|think|spot)(?: (?:in|from|of|about) (?:the|this|your) {_FRAME})?"
    rf"|(?:here(?:['’]s| is) )?what(?: is|['’]s) (?:shown|visible|depicted|happening|going on)"
    rf"(?: in (?:the|this|your) {_FRAME})?"
    rf"|(?:here(?:['’]s| is) )?what (?:the|this|your) {_FRAME} (?:shows|depicts|contains|captures|portrays|presents)"
    rf"|this is (?:the|my) (?:\w+ ){{0,2}}{_TEXT}"
    rf"|(?:this is|my|the following is|below is) (?:an? |the |my )?(?:\w+ ){{0,2}}{_TEXT} "
    rf"of (?:the|this|your) {_FRAME}"
    rf"|the following (?:text |paragraph )?describes (?:the|this|your) {_FRAME}"
    rf"|i(?:['’]d| would) (?:describe|summari[sz]e|caption) (?:it|this|(?:the|this) {_FRAME})"
    r"(?: as follows| like this)"
    r")\s?:[*_\s]{0,8}",
    re.IGNORECASE,
)
_TEXT_ELSEWHERE = (
    r"beschreibung|antwort|bildtext|descripci[oó]n|respuesta|réponse|descrição|resposta|описание|ответ|описания"
    r"|설명|묘사|답변"
    r"|描述|描写|说明|說明|回答|説明"
)
_ANNOUNCING_LINE = re.compile(  # a line of its own that ends in a colon and names what follows it
    rf"(?=[^\n]{{0,160}}(?:\b{_TEXT}\b|\bcaptions?\b|\boverview\b|\bversion\b|{_TEXT_ELSEWHERE}"
    rf"|\b(?:here|i|we|this)\b[^\n]{{0,60}}\b(?:see|show|look|{_FRAME})))"
    r"(?![^\n]*\b(?:based|according|going|judging|given|provided|unfortunately|cannot|can['’]t|not)\b)"
    r"[^\n.?]{3,160}[:：][*_]{0,3}[ \t]{0,4}\n+(?=\s{0,9}[^\s\d•*-])",
    re.IGNORECASE,
)
_AS_ASKED = re.compile(
    r"(?:as (?:you(?:['’]ve| have)? )?(?:requested|asked|instructed|desired|wanted|wished)"
    r"|(?:as )?per (?:your|the) (?:request|instructions?|guidelines?|prompt)"
    r"|following (?:your|the) (?:instructions?|guidelines?|request|rules)"
    r"|in (?:response|reply|answer) to (?:your|the) (?:request|question|prompt)"
    r"|(?:to answer|regarding|about) your (?:question|request))\s?[,:—–-]\s{0,4}",
    re.IGNORECASE,
)
_SHORT_OF_IT = re.compile(
    r"\W{0,4}(?:tl;? ?dr|in short|in a nutshell|the short version)\b[*_]{0,3}\s?[:：][*_]{0,3}\s?", re.I
)
_ASSENT_ELSEWHERE = re.compile(
    r"(?:好的|好|当然(?:可以)?|當然(?:可以)?|没问题|沒問題|可以|是的|明白了?|收到|はい|もちろん(?:です)?"
    r"|承知(?:いた)?しました|かしこまりました|分かりました"
    r"|네|예|물론(?:입니다|이죠|이에요)?|알겠습니다)[，,、!！。.~]{1,2}\s{0,3}(?=\S)"
    r"|(?:natürlich|gerne?|klar|sicher|selbstverständlich|claro(?: que sí)?|por supuesto|desde luego|bien sûr"
    r"|certainement|avec plaisir|d['’]accord|com certeza|certo|certamente|конечно|хорошо)[!.]\s{1,3}(?=\S)",
    re.IGNORECASE,
)
TITLE = re.compile(
    r"[#*_>\s]{0,8}(?:(?:an? |the )?(?:detailed |image |scene |full |complete |visual ){0,2}"
    r"(?:description|answer|caption|response|overview|summary|alt[- ]?text|final text)(?: of the (?:image|scene"
    r"|picture|photo))?|image|scene)"
    r"(?: \([^()\n]{1,40}\))?(?:[*_]{0,3}[:：][*_]{0,3}[ \t]{0,4}|[*_]{0,4}[ \t]{0,4}(?=\n))",
    re.IGNORECASE,
)
_LATER_TITLE = re.compile(  # what stands before it was said on the way
    r"^[^\w\n]{0,6}(?:final |revised |corrected |improved |polished )?(?:detailed |image |scene )?"
    r"(?:description|answer|response|output|(?<=final )(?:version|draft|text)|(?<=revised )(?:version|draft|text))\b"
    r"[*_]{0,3}(?:[:：][*_]{0,3}|(?<=\*)[ \t]{0,4}$|(?=[ \t]{0,4}$))",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(r"(?:#{1,6} [^\n]{1,80}|\*\*[^*\n]{1,80}\*\*|__[^_\n]{1,80}__)[ \t]{0,4}(?=\n|\Z)", re.MULTILINE)
_NAMED_TITLE = re.compile(
    r"[#*_\s]{0,6}(?:title|headline|heading|subject)\W{0,3}[:：][^\n]{1,100}\n+(?=\S)", re.IGNORECASE
)

_OFFER = (
    r"(?:please )?(?:let me know\b|feel free to \w+|just (?:ask|say)\b)"
    r"|would you (?:like|prefer|want) (?:me|a|an|any|more|to|another|further)\b|(?:do you )?(?:want|need) me to\b"
    r"|do you (?:want|need|have|prefer) (?:a|an|any|more|another|further)\b[^.!]{0,60}\?"
    r"|(?:shall|should|may|can|could) i (?:\w+ )?(?:help|add|expand|shorten|change|revise|adjust|write|give|do"
    r"|describe|provide|make|continue|try|elaborate)\b"
    r"|i (?:can|could) (?:also |easily |certainly )?(?:make|write|provide|give|add|expand|shorten|adjust|rewrite"
    r"|offer)\b"
    r"|is there anything (?:else|you)\b|anything else\b[^.!]{0,40}\?"
    r"|any (?:other )?(?:questions|changes|edits|tweaks)\?"
    r"|(?:is|was|does|did|are) (?:this|that|it|these|the (?:above|description|answer|result)|my \w+|everything)\b"
    r"[^.!]{0,30}\b(?:what you|okay|ok|helpful|work for|help|meet|suit|fit your|enough (?:detail|for)|to your"
    r"|detailed enough|clear enough|looking for|good enough)\b[^.!]{0,40}\?"
    r"|how (?:is|does|was|['’]s) (?:this|that)(?: look| sound| work)?\?"
    r"|(?:i['’]?m |i am |i['’]d be |always )?(?:happy|glad) to (?:help|adjust|revise|expand|refine|elaborate|add"
    r"|clarify|answer|describe|provide|make)\b"
    r"|if you(?:['’]d| would)? (?:like|need|want|have|prefer)\b[^.!?]{0,80}"
    r"\b(?:let me|just|i(?:['’]ll| can| could|['’]d)|tell me|feel free|please)\b"
)
_ABOUT_ITSELF = (
    rf"(?:this|that|the above|my) (?:\w+ )?{_TEXT}(?: above)? (?:is|was|has|should|does|will|follows?|avoids?|keeps?"
    r"|stays?|adheres?|captures?|aims?|focus(?:es)?|meets?|provides?|uses?|contains?|covers?|reflects?|respects?"
    r"|sticks?"
    r"|includes?|highlights?|conveys?|gives?|offers?|remains?|relies|relys|draws?|mentions?|fulfil\w*|complies"
    r"|matches)\b"
    r"|i(?:['’]ve| have)? (?:also |only |deliberately |carefully )?(?:kept|avoided|tried|written|wrote|focused"
    r"|followed"
    r"|included|left out|made sure|limited|based|aimed|described|omitted|refrained|ensured|stuck|mentioned|counted"
    r"|adjusted|respected|stayed|added|paraphrased|summari[sz]ed)\b"
)
_FAREWELL = (
    r"(?:i )?hope (?:this|these|that|it|you) (?:\w+ )?(?:helps?|is|are|was|meets?|gives?|works?|answers?"
    r"|captures?|suits?|serves?|finds?|likes?|description)\b"
    r"|(?:thanks|thank you)(?: (?:so much|very much))?(?: for [^.!?\n]{0,40})?[.!]|(?:enjoy|cheers)[.!]"
    r"|good luck\b[^.]{0,20}!|ready for (?:the next|another)\b"
    r"|have an? (?:nice|great|good|lovely|wonderful) \w+[.!]|(?:best|kind|warm) regards\b|you['’]re welcome[.!]"
    r"|(?:this (?:\w+ ){0,2}(?:was|is) )?(?:ai[- ])?(?:generated|written|created|produced) (?:by|with"
    r"|using) (?:an? |the )?"
    r"(?:ai|gpt\S*|llm|model|assistant|chatgpt|\w+ ai)\b|(?:it )?(?:may|might|can) contain (?:errors|mistakes"
    r"|inaccurac\w+)"
    rf"|that['’]?s (?:all|it)(?: for now)?[.!]|\W?end of (?:the )?{_TEXT}|(?:the )?end[.*_\])~\s]{{0,4}}\Z"
)
_REMARK = re.compile(rf"[*_(\[~—–\s-]{{0,6}}(?:{_OFFER}|{_ABOUT_ITSELF}|{_FAREWELL})", re.IGNORECASE)
_REMARK_PARAGRAPH = re.compile(  # an answer may end on "If you need more light, …", but no paragraph begins so
    r"[*_(\[\s]{0,4}(?:if you(?:['’]d| would)? (?:like|need|want) (?:me|more|further|any)\b"
    r"|(?:i )?hope (?:this|these|that) |these (?:questions|question-answer|q&a)\b"
    r"|(?:please )?note\s?:|(?:ps|p\.\s?s|nb|n\.\s?b)\.?\s?:?\s"
    r"|(?:notes?|disclaimer|remarks?|comment|edit|update|caveat|explanation)[*_]{0,3}\s?:)",
    re.IGNORECASE,
)
_FACT_OF_TEXT = re.compile(  # a last line about the text, such as "Confidence: 0.92" and "Tags: dog, car"
    r"[*_#(\[\s-]{0,6}(?:confidence|certainty|rating|quality|tone|style|language|length|reading level|readability|tags?"
    r"|keywords?|hashtags?|sources?|references?|citations?|model|temperature|accuracy|category|tl;? ?dr|summary)"
    r"(?: (?:score|level|count|used|rating))?[*_]{0,3}\s?[:：][^\n]*",
    re.IGNORECASE,
)
_CHECKED_BLOCK = re.compile(  # what a model proves behind its text
    r"\n+[#*_\s]{0,6}(?:checklist|self[- ]check|constraints?|requirements?|rules followed|explanation|rationale"
    r"|reasoning"
    r"|justification|verification|sources?|references?|citations?|notes?"
    r"|word count)[*_]{0,3}\s?:[*_]{0,3}[ \t]{0,4}\n.*\Z",
    re.IGNORECASE | re.DOTALL,
)
_ASKED_BACK = re.compile(
    r"[^.!?\n]{0,120}\b(?:this|that|it|you|your|i|me|any|anything)\b[^.!?\n]{0,120}\?", re.IGNORECASE
)
_TELLS_A_LACK = re.compile(
    r"\b(?:not|cannot|unfortunately|based|given|provided|according|metadata|url|missing|only|but)\b|n['’]t\b"
    r"|:",
    re.IGNORECASE,
)
_MAX_ASIDE = 160
"""Characters of a paragraph that is said beside a text."""
_HASHTAGS = re.compile(r"(?:#[^\W\d]\w*[\s,]{0,3}){2,}")
_UNITS = frozenset(
    "word words token tokens character characters chars sentence sentences wörter wörtern zeichen palabras mots parole "
    "palavras слов слова 字 字数 字數 文字 文字数 词 詞 단어 글자 자".split()
)
_AROUND_UNITS = frozenset(
    "count total length approx approximately about roughly around final the is of number in all description text "
    "answer response reply this exactly circa ca only under less than long and with limit check target goal max "
    "maximum minimum ungefähr etwa rund anzahl "
    "约 約 大约 大約 共 总 總 全文 약 총 수 計".split()
)
_LETTERS = re.compile(r"[^\W\d_]+")
_LAST_SENTENCE = re.compile(
    rf".*(?:[.!?…][\"'”’)\]*_]{{0,3}}\s+|[{SENTENCE_ENDS}][”’」』）)]{{0,2}}\s*)(?=\S)", re.DOTALL
)
_MAX_REMARK = 400
"""Characters; a longer paragraph is an answer, whatever its beginning."""


_OF_ANSWERS = (_ANNOUNCEMENT, _AS_ASKED, _SHORT_OF_IT)
_BEFORE_TEXTS = (*_OF_ANSWERS, _ASSENT, _ANNOUNCING_LINE, _PROMISE, _ASSENT_ELSEWHERE, OPENINGS, _NAMED_TITLE)


def strip_opening(text: str, *, is_answer: bool = False) -> str:
    """Take off what stands before a text: "Sure! Here's what I see:", "As requested,", a title, "Word count: 38".

    Args:
        text: A bare text, or an answer of a conversation.
        is_answer: Of a conversation, in which "Of course." may well be an answer.
    """
    text = strip_rules(text)
    openings = _OF_ANSWERS if is_answer else _BEFORE_TEXTS
    if not is_answer and all(line.startswith(">") for line in text.split("\n") if line):
        text = "\n".join(line[1:].strip() for line in text.split("\n"))
    first, gap, rest = text.partition("\n\n")
    if gap and not is_answer and _is_aside(first):
        text = rest.strip()
    is_clause = False
    for _ in range(6):
        first, newline, rest = text.partition("\n")
        if newline and rest.strip() and _counts_words(first):
            text = rest.strip()
            continue
        found = next((match for one in openings if (match := one.match(text))), None)
        if found is None or not text[found.end() :].strip():
            break
        is_clause = found[0].rstrip()[-1] in ",:—–-"
        text = text[found.end() :].strip()
    return text[:1].upper() + text[1:] if is_clause else text


def strip_title(text: str) -> str:
    """Take off a heading over a bare text: any that is the only one; of a later one all that stands before as well."""
    later = next(reversed([*_LATER_TITLE.finditer(text)]), None)
    title = TITLE.match(text) or TITLES.match(text) or later
    if title is not None and later is not None and "caption" in title[0].lower():  # then comes the description
        title = later
    if title is None:
        headings = [one for one in _HEADING.finditer(text) if not one[0].rstrip("*_ \t").endswith((".", "!", "?"))]
        is_one = len(headings) == 1 and headings[0].start() == 0 and text[headings[0].end() :].strip()
        title = headings[0] if is_one else None
    return text if title is None else text[title.end() :].strip()


def _is_aside(paragraph: str) -> bool:
    """Whether a short paragraph speaks of the text and nothing else, neither of what is lacking nor as a label."""
    paragraph = paragraph.strip()
    is_short = len(paragraph) < _MAX_ASIDE and "\n" not in paragraph and not _TELLS_A_LACK.search(paragraph)
    return is_short and not WORDS_OF_WRITING.isdisjoint(_LETTERS.findall(paragraph.lower()))


def is_closing_remark(text: str, *, is_answer: bool = False) -> bool:
    """Whether a paragraph speaks to whoever sent the prompt, such as "Let me know if you need more".

    Args:
        text: The paragraph.
        is_answer: Of a conversation, in which instructions and requirements may well be spoken of.
    """
    is_remark = _REMARK.match(text) or _REMARK_PARAGRAPH.match(text) or _ASKED_BACK.fullmatch(text)
    return bool(is_remark or _counts_words(text) or (not is_answer and _is_aside(text))) and len(text) < _MAX_REMARK


def strip_closing(text: str, *, is_answer: bool = False) -> str:
    """Take off closing remarks, counts of words and rules at either end: paragraphs, last lines and last sentences.

    Args:
        text: A bare text, or an answer of a conversation.
        is_answer: See ``is_closing_remark``.
    """
    text = strip_rules(text)
    while (shorter := _without_last(text, is_answer=is_answer)) is not None:
        text = strip_rules(shorter)
    return text


def _without_last(text: str, *, is_answer: bool) -> str | None:
    """A text without its last paragraph, line or sentence where that is no part of it; else None."""
    before, gap, last = text.rpartition("\n\n")
    if gap and before.strip() and (not last.strip() or is_closing_remark(last.strip(), is_answer=is_answer)):
        return before
    if (block := _CHECKED_BLOCK.search(text)) is not None and text[: block.start()].strip():
        return text[: block.start()]
    before, gap, last = text.rpartition("\n")
    if gap and before.strip() and (_FACT_OF_TEXT.fullmatch(last) or _HASHTAGS.fullmatch(last) or _counts_words(last)):
        return before
    found = _LAST_SENTENCE.match(text)
    if found is None or len(text) - found.end() >= _MAX_REMARK:
        return None
    last = text[found.end() :]
    is_quoted = found[0].count('"') % 2 or found[0].count("“") != found[0].count("”")
    return found[0] if not is_quoted and (_REMARK.match(last) or _counts_words(last)) else None


def _counts_words(text: str) -> bool:
    """Whether a line says only how long the text is: "(38 words)", "Word count: 38", "约50字"."""
    if len(text) > 60 or not any(char.isdigit() for char in text):
        return False
    words = set(_LETTERS.findall(text.lower()))
    return bool(words & _UNITS) and words <= _UNITS | _AROUND_UNITS
