"""Category names as prose spells them: "traffic_light", "TrafficLight" and "Traffic Light" are a traffic light."""

from __future__ import annotations

import re
from collections.abc import Sequence

from datagen.lexicon import singular_of
from datagen.words import COCO_CATEGORIES

_COCO = frozenset(COCO_CATEGORIES)
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")
_LONGEST_ACRONYM = 4
"""Letters: "SUV", "UFO", "HDMI"; a longer word in capitals shouts."""
_PROPER = frozenset(
    "american brussels caesar chinese christmas danish dutch easter english ferris french german greek halloween "
    "indian italian japanese korean mexican molotov persian rubik's santa spanish swiss turkish".split()
)


_STAND_IN = re.compile(
    r"(?:(?:[nvars]\d{8}|/?[mg]/\w{3,12}|Q\d{2,12}|[0-9a-f]{12,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|(?:class|cls|category|label|object|obj|id|type|item|thing|tag|name)(?:[\s_#:.-]*\d+)"
    r"|n[/.]?a\.?|none|null|nan|undefined|unknown|unlabell?ed|unnamed|untitled|background|ignored?(?:[\s_-]regions?)?"
    r"|don'?t[\s_-]?care|void|misc|miscellaneous|others?)",
    re.IGNORECASE,
)


def is_nameless(name: str) -> bool:
    """Whether a category's name says of no thing what it is: "0", "-", "class_1", "N/A", "DontCare".

    Keys of word lists are none either: WordNet's "n02084071", Freebase's "/m/0bt9lr", Wikidata's "Q144".

    Args:
        name: Not empty; as the file has it, or as prose spells it.
    """
    bare = name.strip().strip("_")
    return not any(sign.isalpha() for sign in bare) or _STAND_IN.fullmatch(bare) is not None


def told_nameless(name: str) -> str:
    """Say so, as the end of a sentence."""
    return f"is named '{name}', which no sentence can say; name what it shows"


_STATE = re.compile(
    r"(?:(?:no|not|non|without|w/o|with|wearing)[ -]|(?-i:No|Not|Non|Without|With)(?=[A-Z][a-z]))"
    r"(?!.*\b(?:signs?|symbols?|zones?|areas?|boards?|markings?|lights?)$).+"
    r"|yes|no|true|false|ok|ng|good|bad|positive|negative|pass(?:ed)?|fail(?:ed)?"
    r"|red|green|blue|yellow|black|white|pink|purple|brown|gr[ae]y",
    re.IGNORECASE,
)
"""What is not there, what somebody has on, verdicts and colours; a "no parking sign" is a thing."""


def is_no_thing(name: str) -> bool:
    """Whether a category's name says how something is, what it does or what is missing, and not what it is.

    Nobody says "a no-helmet", "two runnings" or "a red", so that no sentence can bear such names out.

    Args:
        name: As prose spells it.
    """
    if name in _COCO:
        return False
    if _STATE.fullmatch(name):
        return True
    if not name.isascii() or not name.isalpha():
        return False
    from datagen.claims.wordnet import is_adjective, senses, verb_of  # 0.1 s with all of claims: COCO needs none of it

    if senses(name):
        return False
    return is_adjective(name) or (name.endswith("ing") and verb_of(name) is not None)


def told_no_things(names: Sequence[str], n_boxes: int, n_all: int) -> str:
    """Say so of several, as a sentence."""
    few = ", ".join(f"'{name}'" for name in names[:8]) + f" and {len(names) - 8} more" * (len(names) > 8)
    return (
        f"{few}: no sentence can say these, as they name what is missing, how something is or what it does, and no "
        f"thing; left out with their {n_boxes} of {n_all} boxes. Name things, such as 'bare head' for 'no-helmet' and "
        "'ripe tomato' for 'ripe', to have them told"
    )


def names_in_sentences(names: Sequence[str]) -> list[str]:
    """Spell the category names of one corpus as prose does: of one thing, in lower case but for acronyms.

    Args:
        names: As the file has them; those that prose spells alike are one category.
    """
    bare = [" ".join(name.replace("_", " ").split()) for name in names]  # a line break would break the context's lines
    n_shouted = sum(name.isupper() and len(name) > 1 for name in bare)
    return [singular_of(_spelled(name, is_shouted=len(bare) > 2 and 2 * n_shouted > len(bare))) for name in bare]


def _spelled(name: str, *, is_shouted: bool) -> str:
    parts = re.split(r"([ /-])", _CAMEL.sub(" ", name))
    return "".join(_spelled_word(part, is_shouted=is_shouted) for part in parts)


def _spelled_word(word: str, *, is_shouted: bool) -> str:
    if word.lower() in _PROPER:
        return word.capitalize() if is_shouted or word.isupper() else word
    if is_shouted:
        return word.lower()
    is_letter = len(word) == 1  # "vitamin C"
    is_spelled = re.search(r"[A-Za-z][A-Z]", word) is not None  # "SUV", "iPhone"
    is_shout = word.isupper() and len(word) > _LONGEST_ACRONYM
    return word if is_letter or (is_spelled and not is_shout) else word.lower()
