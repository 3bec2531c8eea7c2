"""An image's captions as clean sentences, ranked by how much they agree with each other and with the boxes.

People wrote the captions in a hurry: some shout, some are fragments, some name the wrong animal or
colour. What stays is spelled as a sentence and ranked by how much the other captions say the same.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, pairwise
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from datagen.lexicon import plural
from datagen.words import read_bundled

Form = Literal["phrase", "clause", "plain", "fragment"]


class _CaptionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/captions.yaml``, which says what each is."""

    numbers: dict[str, int]
    vague: frozenset[str]
    colors: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    empty: frozenset[str]
    determiners: frozenset[str]
    verbs: frozenset[str]
    sure_verbs: frozenset[str]
    plural_nouns: frozenset[str]
    doers: frozenset[str]


_WORDS = read_bundled("template/captions.yaml", _CaptionWords)
_UNFIT = re.compile(
    r"\b(?:i|i'm|my|me|we|our|us|you|your|captions?|annotations?|bounding|coordinates?|pictures|photos|images|"
    r"cannot|can't|unable|none|nothing|only|sorry|maybe|appears?|seems?|probably|looks like|possibly)\b|"
    r"[<>{}\[\]|#@=_]|https?",
    re.IGNORECASE,
)
_META = re.compile(  # "A nice picture of"
    r"^(?:(?:a|an|the|this)\s+)?(?:(?:black and white|old|vintage|color|colou?rful|blurry|nice|beautiful|up close)\s+)*"
    r"(?:picture|photo|photograph|image|shot)\s+(?:of|showing|that shows|shows|depicting)\s+",
    re.IGNORECASE,
)
_THIRD_PERSON = {"has", "goes"} | {plural(verb) for verb in _WORDS.verbs if verb not in ("has", "have", "go")}
_OPENERS = _WORDS.determiners | _WORDS.plural_nouns
_GERUND = re.compile(r"(?P<doer>[A-Z][a-z]*(?: [a-z-]+){0,3}?) (?P<doing>(?P<verb>[a-z]{3,}ing) .+)")
_WORD = re.compile(r"[a-z0-9']+(?:-[a-z0-9']+)*")


class Caption(Struct, frozen=True):
    """One caption made fit to stand in an answer.

    Attributes:
        text: Starts with a capital, no period, single spaces.
        form: ``phrase`` follows "the image shows"; ``clause`` follows "in this image,";
            ``plain`` only stands for itself; ``fragment`` lacks its article and is the last choice.
        words: Its words in lower case, in order.
        content: The words that carry meaning, plurals folded.
        colors: Nouns that stand right behind color words, with these colors.
        named: The categories it names.
        score: Higher is better; only the order counts.
    """

    text: str
    form: Form
    words: tuple[str, ...]
    content: frozenset[str]
    colors: dict[str, frozenset[str]]
    named: frozenset[str] = frozenset()
    score: float = 0.0

    @property
    def sentence(self) -> str:
        """The caption as a sentence of its own."""
        return f"{self.text}."

    @property
    def inner(self) -> str:
        """The caption as it stands inside a sentence, its determiner in lower case."""
        return self.text[0].lower() + self.text[1:] if self.words[0] in _OPENERS else self.text

    @property
    def as_clause(self) -> str | None:
        """A phrase such as "A cat eating from a bowl" as a sentence, "A cat is eating from a bowl."; None if unsure."""
        match = _GERUND.match(self.text)
        if match is None or self.form not in ("phrase", "fragment"):
            return None
        doer = match["doer"].lower().split()
        if doer[-1] not in _WORDS.doers | _WORDS.plural_nouns or "and" in doer or "of" in doer:
            return None
        is_one = self.words[0] in ("a", "an", "one", "another")
        if not is_one and doer[-1] not in _WORDS.plural_nouns and doer[-1] != "sheep":
            return None
        return f"{match['doer']} {'is' if is_one else 'are'} {match['doing']}."


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case, in order."""
    return tuple(_WORD.findall(text.lower()))


def content_of(words: tuple[str, ...]) -> frozenset[str]:
    """Words that carry meaning, with a plural s folded away."""
    return frozenset(
        word[:-1] if word.endswith("s") and len(word) > 3 and not word.endswith("ss") else word
        for word in words
        if word not in _WORDS.empty
    )


def clean_caption(raw: str) -> Caption | None:
    """Make a caption fit for use, or None when it is shouted, too short, too long, or about itself."""
    text = " ".join(raw.replace("`", "'").split()).strip(" .,;:!\"'")
    letters = [char for char in text if char.isalpha()]
    if sum(map(str.isupper, letters)) > len(letters) / 2 or _UNFIT.search(text) or not text.isascii():
        return None
    there_is = r"^(?:there\s+(?:is|are)|this\s+is|these\s+are|here\s+(?:is|are)|we see)\s+"
    text = re.sub(r"\s+([.,;:!?])", r"\1", re.sub(there_is, "", _META.sub("", text), flags=re.IGNORECASE))
    text = re.sub(r"\b([Aa]) ((?!uni|use|one|eu|ut)[aeiou])", r"\1n \2", text)  # "a elephant"
    words = words_of(text)
    if not 4 <= len(words) <= 26 or re.search(r"[.!?;:\"()]", text) or not text[0].isalpha():
        return None
    if words[0] in ("she", "he", "it", "they", "his", "her", "this", "these", "and", "with", "in", "on"):
        return None
    return Caption(text[0].upper() + text[1:], _form_of(words), words, content_of(words), _colors_of(words))


def _form_of(words: tuple[str, ...]) -> Form:
    for before, word in zip(("", *words), words, strict=False):
        if before in {"that", "which", "who", "while", "as", "where"}:
            if before in ("while", "as", "where"):
                break
            continue
        if word in {"is", "are", "was", "were", "am"} or (
            word in _THIRD_PERSON and before not in _WORDS.determiners and before != "of"
        ):
            return "clause" if words[0] in _OPENERS else "plain"
    if any(_is_bare_verb(before, word) for before, word in pairwise(words)):
        return "plain"
    return "phrase" if words[0] in _OPENERS else "fragment"


def _is_bare_verb(before: str, word: str) -> bool:
    """Whether a word is the verb of "two dogs run": sure verbs after most words, doubtful ones after plurals."""
    if word in _WORDS.sure_verbs:
        return before not in _WORDS.empty
    return word in _WORDS.verbs and before in _WORDS.plural_nouns


def stated_number(words: tuple[str, ...], at: int) -> int | None:
    """The number that stands before the word at an index, at most two adjectives away.

    Returns:
        The number; -3, at least three, for "several", "a group of" and their like; None when nothing is said.
    """
    for word in reversed(words[max(0, at - 4) : at]):
        if word in ("of", "large", "small", "big", "little", "young", "different") or word in _WORDS.colors:
            continue
        if word.isdigit():
            return int(word)
        if word in _WORDS.numbers:
            return _WORDS.numbers[word]
        if word in _WORDS.vague:
            return -3
        if word in _WORDS.empty or word.endswith("ing"):
            return None
    return None


def _colors_of(words: tuple[str, ...]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    seen: set[str] = set()
    for word in words:
        if word in _WORDS.colors:
            seen.add("gray" if word == "grey" else word)
        elif word != "and":
            if seen:
                found[word] = frozenset(seen)
            seen = set()
    return found


def agreed_colors(captions: tuple[Caption, ...]) -> dict[str, tuple[str, ...]]:
    """Colors of nouns on which at least two captions agree and none says otherwise."""
    told: dict[str, list[frozenset[str]]] = {}
    for caption in captions:
        for noun, colors in caption.colors.items():
            told.setdefault(noun, []).append(colors)
    return {
        noun: tuple(sorted(sets[0]))
        for noun, sets in told.items()
        if len(sets) >= 2 and all(s == sets[0] for s in sets)
    }


def gender_of(caption: Caption) -> str | None:
    """``"m"`` or ``"f"`` when a caption speaks of men only or of women only, else None."""
    male, female = not _WORDS.male.isdisjoint(caption.words), not _WORDS.female.isdisjoint(caption.words)
    return None if male == female else ("m" if male else "f")


def clash(a: Caption, b: Caption) -> bool:
    """Whether two captions disagree on a color, a number, a posture, or who is shown."""
    if any(a.colors[noun].isdisjoint(b.colors[noun]) for noun in a.colors.keys() & b.colors.keys()):
        return True
    numbers_a, numbers_b = _numbers_in(a), _numbers_in(b)
    if numbers_a and numbers_b and numbers_a != numbers_b:
        return True
    if {gender_of(a), gender_of(b)} == {"m", "f"}:
        return True
    return ("sitting" in a.words and "standing" in b.words) or ("standing" in a.words and "sitting" in b.words)


def _numbers_in(caption: Caption) -> set[int]:
    return {_WORDS.numbers[word] for word in _WORDS.numbers.keys() & caption.words}


def rank_captions(cleaned: list[tuple[Caption, set[str], bool]], boxed: frozenset[str]) -> tuple[Caption, ...]:
    """Order captions by agreement with the other captions and the boxes; drop those that are contradicted.

    Args:
        cleaned: Captions with the categories each names, and whether a number in it contradicts the boxes.
        boxed: Categories that the image has boxes for.
    """
    genders = Counter(gender for caption, _, _ in cleaned if (gender := gender_of(caption)))
    n_naming = Counter(name for _, named, _ in cleaned for name in named)
    agreement = _agreement([caption for caption, _, _ in cleaned])
    n_using = Counter(word for caption, _, _ in cleaned for word in caption.content)
    ranked = []
    for (caption, named, is_contradicted), agreed in zip(cleaned, agreement, strict=True):
        is_stray = len(cleaned) > 1 and any(name not in boxed and n_naming[name] == 1 for name in named)
        gender = gender_of(caption)
        if is_contradicted or (boxed and is_stray) or (gender and genders[gender] < max(genders.values())):
            continue
        score = agreed + 0.05 * len(named & boxed) - 0.2 * (len(caption.words) > 18)
        score -= {"plain": 0.1, "fragment": 0.4}.get(caption.form, 0.0) + 0.5 * _has_slip(caption, n_using)
        ranked.append(replace(caption, named=frozenset(named), score=score))
    return tuple(sorted(ranked, key=lambda caption: -caption.score))


def _agreement(captions: list[Caption]) -> list[float]:
    """Mean word overlap of each caption with the others, less what it is at odds with."""
    agreed = [0.0] * len(captions)
    for (i, a), (j, b) in combinations(enumerate(captions), 2):
        n_shared = len(a.content & b.content)
        overlap = n_shared / (len(a.content) + len(b.content) - n_shared or 1)
        value = overlap / (len(captions) - 1) - 0.08 * clash(a, b)
        agreed[i] += value
        agreed[j] += value
    return agreed


def _has_slip(caption: Caption, n_using: Counter[str]) -> bool:
    """Whether a word that no other caption uses looks like a misspelling of one that at least two of them use."""
    # Words of less than 5 letters are too often alike without being misspelled: "bat" and "boat".
    unsure = [word for word in caption.content if n_using[word] == 1 and len(word) >= 5]
    return any(
        n >= 2 and len(other) >= 5 and other not in caption.content and _is_slip(word, other)
        for word in unsure
        for other, n in n_using.items()
    )


def _is_slip(word: str, meant: str) -> bool:
    """Whether a letter inside is missing, added or wrong, or letters are swapped; other ends are other words."""
    if (word[0], word[-1]) != (meant[0], meant[-1]) or abs(len(word) - len(meant)) > 1:
        return False
    n = next((n for n, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), 0)
    rests = ((word[n:], meant[n + 1 :]), (word[n + 1 :], meant[n:]), (word[n + 1 :], meant[n + 1 :]))
    return sorted(word) == sorted(meant) or any(a == b for a, b in rests)


def second_caption(captions: tuple[Caption, ...], first: Caption) -> Caption | None:
    """The caption that adds most to the first one without disagreeing with it, or None."""
    best, best_gain = None, 0.55
    for caption in captions:
        if caption is first or clash(first, caption) or (caption.form == "fragment" and not caption.as_clause):
            continue
        gain = len(caption.content - first.content) / (len(caption.content) or 1) + 0.5 * caption.score
        if gain > best_gain:
            best, best_gain = caption, gain
    return best
