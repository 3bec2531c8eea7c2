"""Kinds of questions (existence, count, color, relation, ...), and whether a yes/no question was answered yes or no.

The kinds are those of VQA and GQA in everyday words. Of 45 questions written and labelled after the tables, 35 fell
where their label says; most of the others lie between two kinds. Places and relations are read by the tables of
``claims.kinds``, so that a word learnt there is known here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from datagen.claims.grammar import FLAGS, POLITE, REFUTES, SUPPOSES, Row, compiled
from datagen.claims.kinds.place import PLACES
from datagen.claims.kinds.relation import RELATIONS

Polarity = Literal["yes", "no", "unclear"]
"""What a yes/no question was told; ``unclear`` says neither."""

_READ = 400
"""Characters of a question that are read: the tables take 0.7 ms for 400 and 66 ms for 40,000."""
_FRAME = "(?:image|picture|photo|photograph|frame|scene|view|shot)"
_NOT_OF_FRAME = rf"(?!\s+(?:the|this)\s+{_FRAME})"
_PAIRED = "|".join(compiled(row.words) for row in RELATIONS if row.meaning not in ("on", "next to", "holding"))
_PLACED = "|".join(compiled(row.words) for row in PLACES)
_BE = "(?:is|are|was|were)"
_NO_VERBS = (
    r"(?!(?:anything|something|everything|nothing|dining|living|building|painting|drawing|clothing|ceiling|wedding|"
    r"evening|morning|string|thing|wing|king|ring|going|happening|including|being|"
    r"wearing)\b)"
)

_COMPARED = "(?:larger|bigger|smaller|higher|lower|taller|closer)"

KINDS = (
    Row("existence", rf"\b(?:which|what|one|statement)\b.*\b(?:is not|are not|isn't|cannot be|not be|does not|"
        rf"missing)\b.*\b(?:{_FRAME}|here|belong)\b", "Which of these is not in the image: a dog or a cat?"),
    Row("description", r"^(?:(?:can|could|would) you |please )*(?:describe|elaborate)\b(?! (?:why|what \w+|where|how|"
        r"which|the (?:\w+'s )?(?:colou?r|position|location|size|activity|relation\w*))\b)",
        "Can you describe the dog in the picture?"),
    Row("description", r"\bway to describe\b", "Is there another way to describe the scene?"),
    Row("reasoning", r"^why\b|\bhow come\b", "Why is the dog wet?"),
    Row("reasoning", SUPPOSES.pattern, "If one of the dogs left, how many would remain?"),
    Row("reasoning", r"\b(?:might|may|should|could have|would (?:have|happen|be|need|you (?:do|need)))\b",
        "What might have happened before this moment?"),
    Row("reasoning", r"\bhow (?:can|could|do|would) (?:you|one|we|someone) (?:tell|know|infer|interpret)\b|"
        r"\btells you\b|\b(?:suggests?|indicates?|infer\w*|conclude\w*|imply|implies|learned? (?:from|about)|"
        r"does it mean)\b|\bmakes? (?:you think|this|the|it)\b|\bsupports? (?:it|that)\b",
        "How can you tell that it is winter?"),
    Row("reasoning", r"\b(?:purpose|reasons?|benefits?|dangers?|challenges?|advantages?|precautions?|significance|"
        r"risks?|importance|contributes?|affects?|skills?|suitable|safety|messages?|conveys?|atmosphere|mood|story)\b",
        "What skills does the surfer need?"),
    Row("color", r"\bcolou?rs?\b", "What color is the dog?"),
    Row("color", r"^(?:is|are) .*\b(?:red|blue|green|yellow|orange|black|white|brown|gr[ae]y|pink|purple)\W*$",
        "Is the dog black?"),
    Row("count", r"\bhow many\b|\bthe (?:\w+ )?numbers? of\b|\bcounts?\b", "How many dogs are there?"),
    Row("count", rf"\bmore numerous\b|^which {_BE} there (?:more|fewer)|\b(?:more|fewer) (?:\w+ ){{1,3}}or\b",
        "Are there more dogs or more cats?"),
    Row("count", rf"\b(?:there {_BE}|{_BE} there|shows?|see|notice) (?:exactly |only |just )?"
        rf"(?!one\b){compiled('N')}\b",
        "Do you see four dogs here?"),
    Row("setting", r"\b(?:kind|type|sort) of (?:place|room|scene|setting|environment|location|building)\b|"
        r"\b(?:what|which) room\b|^what\b.*\bsetting\b", "What kind of place is this?"),
    Row("setting", rf"\b(?:take place|taken|surroundings|indoors|outdoors|weather|season|time of (?:day|year))\b|"
        rf"^where {_BE} (?:this|we)\b|\ba scene (?:in|on|at)\b|\bscene set\b", "Was this picture taken in a kitchen?"),
    Row("reasoning", r"\blikely\b", "What is likely to follow?"),
    Row("existence", rf"^{_BE} there\b", "Are there any dogs in the background?"),
    Row("relation", rf"\b(?:{_PAIRED}|next to|near|beside|on)\W*$", "What is the dog standing next to?"),
    Row("activity", r"^(?!what (?:kind|type|sort|style) of\b).*\b(?:doing|about to do|up to|activit(?:y|ies)|facing|"
        r"(?:sport|game)\b.*\bplayed)\b", "What is the dog doing?"),
    Row("activity", rf"^(?:what|who|whom|which|how)\b.*\b{_BE}\b.*\b{_NO_VERBS}[a-z]{{2,}}ing\b",
        "Who is holding the dog?"),
    Row("relation", rf"\b(?:{_PAIRED})\b{_NOT_OF_FRAME}", "Is the dog left of the cat?"),
    Row("relation", r"\b(?:in relation|relative|compared|next) (?:to|with)\b|\bbeside\b|\bseen from\b|"
        r"\bhow (?:far|close)\b|\b(?:difference|relationship) between\b|^compare\b",
        "How far is the dog from the cat?"),
    Row("relation", rf"\b(?:[a-z]+er|more [a-z]+|less [a-z]+) than\b|\bor\b.*\b{_COMPARED}\b|\b{_COMPARED}\b.*\bor\b|"
        r"\b(?:takes?|covers?) (?:up )?more\b", "Which looks larger, the dog or the cat?"),
    Row("position", rf"^where\b|\bwhere (?:is|are|the|can)\b|^(?!what|which|who).*\b(?:{_PLACED})\b",
        "Where is the dog?"),
    Row("position", r"\b(?:which|what) (?:side|half|part|corner|area|direction|way)\b|"
        r"\b(?:position|located|placed|placement|arranged)\b", "Which half of the picture holds the dog?"),
    Row("attribute", r"\bhow (?:big|large|small|tall|long|wide|high|old|much)\b|\bwhat (?:kind|type|sort|style) of\b|"
        r"\bwhat does .* look like\b|\b(?:size|shape|material|made of|breed|brand|pattern|share of|texture|wearing|"
        r"dressed|condition)\b", "How large is the dog?"),
    Row("existence", rf"^(?:do|does|did|can|could) (?:you|we|one|(?:the|this) {_FRAME}) (?:see|notice|spot|"
        r"find|"
        r"make out|show|include|have|contain|feature)\b|^(?:can|could) .*\bbe (?:seen|found|spotted)",
        "Do you see a dog?"),
    Row("existence", rf"^{_BE} .*\b(?:(?:part of|in) (?:the|this) {_FRAME}\?|visible\b|present\b|anywhere\b)",
        "Is a dog part of this picture?"),
    Row("description", r"^(?:(?:can|could|would|will) you )?(?:please )?(?:explain|give|tell|go over|go through|walk|"
        r"provide|summari[sz]e|write|compose|put|report|take a close look|analy[sz]e)\b", "Walk me through the scene."),
    Row("description", r"\b(?:describ(?:e|ing)|elaborate|in detail|detailed|another detail|everything|going on|"
        r"happening|whole scene|sum up|overview|summary|(?:main|key) (?:focus|subject|elements|features))\b",
        "What is going on in this picture?"),
    Row("description", rf"^what (?:(?:can|do|does|would) (?:be seen|you see|one see|(?:this|the) {_FRAME})|"
        rf"{_BE} (?:this|the) {_FRAME} about|{_BE} (?:shown )?in (?:this|the) {_FRAME}|"
        rf"more can you say about (?:this|the) {_FRAME})\b",
        "What does the photo show?"),
    Row("identification", r"^(?:and )?(?:(?:in|on|at|from|to|of|with|by) )?(?:what|which|who|whose|whom|name|list|"
        r"identify)\b", "What is on the lawn?"),
)  # fmt: skip
"""First match wins. What none explains is ``verification`` when it asks for yes or no, else ``other``."""

ALL_KINDS = (*dict.fromkeys(row.meaning for row in KINDS), "verification", "other")

_TABLE = tuple((row.meaning, re.compile(row.words, FLAGS)) for row in KINDS)
_REQUEST = re.compile(
    r"^(?:can|could|would|will) (?:you|someone) (?:please |kindly |also )?(?!(?:also )?(?:see|notice|spot|find|"
    r"make out|identify any|say|agree|confirm|think|recogni[sz]e|detect)\b)",
    FLAGS,
)
_AGREES = re.compile(
    r"^(?:(?:would|could|can|do) you (?:say|agree|confirm|think)|is it (?:true|right|correct|fair to say))\b", FLAGS
)
_AUXILIARY = re.compile(
    r"^(?:(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)(?:n't| not)?|am|may|might|must)\b",
    FLAGS,
)
_CHOICE = re.compile(r"\bor\b(?! not\b)", FLAGS)
_SAID = re.compile(r"\W*(yes|yeah|yep|no|nope)\b(?!\s+(?:one|longer)\b)", FLAGS)
_FRONT = re.compile(rf"^(?:in|on|within|from) (?:the|this) {_FRAME},?\s+", FLAGS)
_BACK = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|himself|herself|itself|themselves|else|also|too|"
    r"another|others?|former|latter|same|again|previous(?:ly)?|earlier|these|those|that one|this one)\b",
    FLAGS,
)
_FORWARD = re.compile(
    r"\bis it (?:true|right|correct|possible|likely|fair)\b|\bdoes it mean\b|\b(?:which|one) of these\b", FLAGS
)


@lru_cache(maxsize=4096)  # 70 us a question, and of 3,000 about the demo's images two thirds came before
def question_kind(question: str) -> str:
    """Name what a question asks about: one of ``ALL_KINDS``."""
    asked = _opened(question)
    bare = POLITE.sub("", asked)
    for kind, words in _TABLE:
        if words.search(asked if kind == "description" else bare):
            return kind
    return "verification" if _asks_yes_or_no(asked) else "other"


def polarity(question: str, answer: str) -> Polarity | None:
    """Read whether a yes/no question was told yes or no.

    Returns:
        None for a question that asks for something else, such as "Is it a dog or a cat?".
    """
    asked = _opened(question)
    if not _asks_yes_or_no(asked):
        return None
    said = _SAID.match(answer)
    if said is not None:
        return "yes" if said[1].lower().startswith("y") else "no"
    if _CHOICE.search(asked):
        return None
    return "no" if REFUTES.search(answer) else "unclear"  # "There are six, not seven."


def refers_back(question: str) -> bool:
    """Whether a question may lean on the turns before it: "What is it doing?", "What else is there?"."""
    return _BACK.search(_FORWARD.sub(" ", question[:_READ])) is not None


@lru_cache(maxsize=4096)
def _opened(question: str) -> str:
    """The first characters of a question, without "In this image,": some patterns take time with length squared."""
    return _FRONT.sub("", " ".join(question[:_READ].split()))


def _asks_yes_or_no(asked: str) -> bool:
    if _AGREES.match(asked):
        return True
    return _AUXILIARY.match(asked) is not None and _REQUEST.match(asked) is None
