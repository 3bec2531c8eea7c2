"""Social words: what an assistant says to whoever asked, and of itself, between sentences about a picture.

"Great question!", "You can call me Aria.", "Anything else?" are sound sentences of a chat and teach a model nothing
about pictures. They are known by what they have in common, not one by one: sentences of greetings, thanks and little
words alone; a writer who says "I" of anything but looking and judging; a reader who is spoken to; a question back.
1,405 sound answers of conversations and reasoning hold none of it: no "me" or "my", no question, an "I" that sees or
advises in 5, a "you" in 14, which is anybody ("where you can see the road").
"""

from __future__ import annotations

import re

_GREETINGS = frozenset(
    """
    alright answer answers anytime apologies apologise apologize ask asked asking assist assistance aw aww bye chat
    chatting cheers confusion curiosity curious glad gladly goodbye gotcha greetings haha hello hey hi hm hmm noted
    oh ok okay ooh oops pleasure question questions roger sorry thank thanks thx understood welcome whoa worries
    worry wow yay yikes
    """.split()
)
"""A sentence of such a word and of those around it says nothing of a picture."""
_ASSENTS = frozenset("absolutely certainly course definitely naturally problem surely sure totally will".split())
"""They answer a question of yes or no, and open a chat before any other."""
_AROUND = frozenset(
    """
    a about again ahead all always and any anything are as at away back be been being bot bunch can clear come cutie
    day dear do doing earlier easy else ever every excellent fantastic feel first for free friend friendly fun get
    go going good got great guess happy have having heard help helpful here hold how i i'd i'll i'm if in
    interesting is it it's just keep kind know later let like lot love lovely luck machine make matter me meet mind
    mine mistake moment more morning much my new next nice no not now of on one or other our out please point really
    reply right second see so still such take talk talking test that that's the them then there these thing this
    those time to too try two up us useful very was we well what whatever when wonderful work works would yes you
    you're your yours yourself
    """.split()
)
_LAUDED = re.compile(
    r"(?:(?:what an?|that(?:'s| is| was) an?|this is an?|an?|very|really|such an?) ){0,3}"
    r"(?:amazing|awesome|beautiful|brilliant|charming|cool|excellent|fabulous|fantastic|fascinating|fine|fun|good"
    r"|gorgeous|great|interesting|lovely|neat|nice|perfect|smart|stunning|super|sweet|thoughtful|tricky|wonderful) "
    r"(?:catch|choice|eye|guess|idea|job|observation|one|photo|pick|picture|point|shot|snap|spot|thinking|try|work"
    r"|image)(?: you (?:took|have|found|shared|picked))?(?: there)?(?=[!—–-]|\s{1,2}[!—–-])"
)
_FAREWELL = re.compile(
    r"(?:(?:have an? (?:\w+ )?|good |later|morning)(?:day|evening|afternoon|night|morning|luck|weekend|time|one)?"
    r"|sleep well|take care|see you|fire away|go ahead|stay (?:safe|curious|tuned)|sweet dreams|hold on|loud and clear"
    r"|roger that|take your time|enjoy your \w+|(?:i )?hope (?:that|this|it) (?:helps?|clears?|answers?|was|is) ?\w*)"
    r"(?:,? (?:a|ahead|all|and|as|again|care|for|it|me|moment|next|now|of|second|soon|take|then|there|to|too|up"
    r"|well|what|you|yourself|your questions?)){0,6} ?[.!…]{1,3}"
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
MAX_SOCIAL_WORDS = 12
_EMOJI = "\u2600-\u27bf\U0001f300-\U0001faff\ufe0f"
_OPENING = re.compile(rf"[^.!?…:,—–\n{_EMOJI}]{{1,90}}(?:[.!…:,—–{_EMOJI}]{{1,4}}| -)(?:\s+|(?<=[—–]))(?=\S)")
_IS_CLAUSE = ",:—–-"
_LAST = re.compile(rf".*[.!?…{_EMOJI}][\"”)]{{0,2}}\s+(?=\S)", re.DOTALL)
_ASKS_BACK = re.compile(r"\b(?:you|your|i|me|we|else|next|more|this|that|it|right)\b[^?]{0,60}\?", re.IGNORECASE)
_QUOTED = re.compile(
    r"\"[^\"\n]{0,200}\"|[“„«「『][^”“»」』\n]{0,200}[”“»」』]|(?<!\w)['‘](?=\w)(?:[^'’\n]|['’](?=\w)){0,200}['’](?!\w)"
    r"|\b(?:says|saying|to say|reads|reading)\b[^.!?\n]{0,80}"  # "as if to say let me in"
)
_YES_OR_NO = re.compile(
    r"(?:and |but |so )?(?:is|are|was|were|am|do|does|did|has|have|had|will|might|may|must|should"
    r"|(?:can|could|would)(?! you\b))\b"
)

_LOOKS = (
    r"(?:see|notice|spot|observe|find|count|make out|think|believe|guess|assume|suppose|imagine|estimate|recogni[sz]e"
    r"|infer|conclude|take (?:it|this|that)|tell|read|say|expect|doubt|gather|wonder (?:if|whether)|would not be sure)"
)
"""What a describer says of itself, and no assistant alone."""
_ADVISES = (
    r"(?:say|guess|estimate|call|describe|assume|suppose|expect|think|put|add|remove|place|advise|recommend|suggest"
    r"|choose|pick|bet|imagine|argue|name|start|keep|use|avoid|move|turn|look for|check|go (?:for|with|by))"
)
_OF_ITSELF = re.compile(
    r"(?:^|[.!?:;,\n(—–-]\s?"
    r"|\b(?i:and|but|so|as|that|because|if|then|here|what|which|where|when|while|though|before|than"
    r"|like|how|why|since|until|whatever) )"
    r"I(?:(?:'m| am)(?! (?:\w+ )?(?:not )?(?:sure|certain|unsure|guessing|looking at|seeing|confident|inclined)\b)"
    r"|(?:'d| would| might| could| may)(?! (?:\w+ )?" + _ADVISES + r"\b)"
    r"|(?:'ve| have)(?! counted| to guess)|'ll|(?= [a-z])(?! (?:am|would|might|could|may|have|had to guess)\b)"
    r"(?! (?:(?:can|cannot|can't|do|don't|not|also|clearly|just|even|still|only|really|would) ){0,3}" + _LOOKS + r"\b))"
    r"[^.!?\n]{0,30}"
)
_ITS_OWN = re.compile(r"(?<!to )\b(?:me|myself)\b|\bup to me\b|\bmy [a-z]+")
_TO_READER = re.compile(
    r"\b(?:for|with|assist|about|serve|call) you\b(?! (?:to|if|when|as|the)\b)"
    r"|\byou (?:asked|want(?:ed)? (?:to know|me)|said|took|shared|sent|mentioned|meant|requested|wrote|uploaded|posted"
    r"|gave me|(?:might |may )?be wondering)\b"
    r"|\byou(?:'ve| have) (?:shared|sent|asked|given|uploaded|provided|posted|mentioned)\b|\bsince you ask"
    r"|\byou(?:'re| are) (?:welcome|asking|talking|chatting|too kind|so kind|kind|very kind|curious)\b"
    r"|\b(?:that|this|it) is (?:very |so )?kind of you\b"
    r"|\byour (?:next |own |other |first |last |latest |friendly )?(?:questions?|photos?|pictures?|images?|messages?"
    r"|requests?|patience|chat|query|queries|guess|service|input|name|assistant|shot|interest|kind|upload|prompt)\b"
    r"|\bour (?:chat|conversation|talk|session|exchange|earlier|previous)\b|\bwe (?:have |'ve )?(?:talked|spoke|spoken"
    r"|chatted|discussed|met|left off)\b|\bmy friend\b|\bthis chat\b"
    r"|\b(?:take|have|make) a guess\b|\bask away\b|\bkeep (?:those|the) questions\b|\ball ears\b"
    r"|\b(?:ai|virtual|image|digital|language) (?:assistant|helper|model|chatbot|companion)\b|\bchatbot\b"
    r"|\bas (?:said|mentioned|stated|noted|described|told) (?:earlier|before|above|already)\b"
)
_ASKED_OF_IT = re.compile(
    r"\b(?:who|how|where|what) are you\b(?! (?:look|see|doing|standing))"
    r"|\b(?:your (?:name|maker|favou?rite)|who (?:made|built|trained) you)\b"
    r"|\bare you (?:human|real|an?|there|busy|ready|ok|okay|alive|sure|awake|listening)\b"
    r"|\bdo you (?:ever |also |even )?(?:like|love|enjoy|remember|want|feel|get|live|sleep|dream|speak|eat|mind"
    r"|have (?:an?|any) (?!idea|guess|clue)|know me)\b"
    r"|\bwhat can you do\b|\byou are \w+[.!]?$|\bare we done\b|\bsing a\b|\bwhat's up\b"
    r"|\b(?:i love you|tell me a joke|can you (?:help|hear|keep|zoom)|could you help|what do you feel|talking to"
    r"|testing|test test)\b"
)
_MAY_TELL_READER = (
    "you", "our ", "we ", "friend", "chat", "guess", "ask away", "questions", "ears", "assistant", "helper", "model",
    "companion", "as said", "as mentioned", "as stated", "as noted", "as described", "as told",
)  # fmt: skip
"""One of these stands in whatever ``_TO_READER`` finds: looking for them takes a tenth of its time."""
_MAY_ASK_IT = "you", "are we done", "sing a", "what's up", "tell me a joke", "talking to", "testing", "test test"
"""The same of ``_ASKED_OF_IT``."""


def is_social(sentence: str, *, is_yes_or_no: bool = False) -> bool:
    """Whether a sentence is made of greetings, thanks, praise and little words alone.

    Args:
        sentence: With its closing mark; straight apostrophes.
        is_yes_or_no: It is said after a question that "Absolutely!" answers.
    """
    plain = sentence.lower().strip()
    words = _WORD.findall(plain)
    if not words or len(words) > MAX_SOCIAL_WORDS:
        return False
    if _LAUDED.match(plain) or _FAREWELL.match(plain):
        return True
    core = _GREETINGS if is_yes_or_no else _GREETINGS | _ASSENTS
    return not core.isdisjoint(words) and all(word in core or word in _AROUND for word in words)


def without_social_ends(answer: str, question: str) -> str:
    """Take social sentences off both ends of an answer, and questions asked back off its end, where something is left.

    Args:
        answer: Of a conversation.
        question: What it answers.
    """
    is_yes_or_no = _YES_OR_NO.match(question.lower()) is not None
    while (found := _OPENING.match(answer)) is not None:
        opening = found[0].replace("’", "'")
        if not is_social(opening, is_yes_or_no=is_yes_or_no):
            break
        answer = answer[found.end() :]
        if found[0].rstrip()[-1] in _IS_CLAUSE:
            answer = answer[:1].upper() + answer[1:]
    while (found := _LAST.match(answer)) is not None:
        last = answer[found.end() :].replace("’", "'")
        if not (is_social(last) or (_ASKS_BACK.search(last) and not _QUOTED.search(last))):
            break
        answer = found[0].rstrip()
    return answer.strip(f" \n{'😊🙂😄👍🎉'}") if answer[-1:] in "😊🙂😄👍🎉" else answer


def talk_to_reader(question: str, answer: str) -> str | None:
    """Say where a turn speaks of its writer, to its reader, or of nothing; None where it speaks of a picture.

    Args:
        question: Of a conversation.
        answer: Its answer.
    """
    unquoted = _QUOTED.sub("", answer).replace("’", "'")
    plain = unquoted.lower()
    if unquoted.rstrip(" )*_")[-1:] in ("?", "？"):
        return f"answer asks back: {unquoted.strip()[-40:]!r}"
    asked = question.lower().replace("’", "'").strip()
    is_yes_or_no = _YES_OR_NO.match(asked) is not None
    if is_social(asked) or (_has_one(_MAY_ASK_IT, asked) and _ASKED_OF_IT.search(asked)):
        return f"question says {question[:40]!r}"
    if is_social(plain, is_yes_or_no=is_yes_or_no):
        return f"answer is {answer[:40]!r}"
    found = _OF_ITSELF.search(unquoted) if "I " in unquoted or "I'" in unquoted else None
    found = found or _ITS_OWN.search(plain)
    if found is None and _has_one(_MAY_TELL_READER, plain):
        found = _TO_READER.search(plain)
    return f"answer says {found[0].strip(' .,;:-')!r}" if found else None


def _has_one(parts: tuple[str, ...], text: str) -> bool:
    return any(map(text.__contains__, parts))
