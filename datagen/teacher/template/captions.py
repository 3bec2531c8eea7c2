"""An image's captions as clean sentences, ranked by how much they agree with each other and with the boxes.

People wrote the captions in a hurry: some shout, some are fragments, some name the wrong animal or colour. What stays
is spelled as a sentence (``slips``), says nothing that more captions deny, and is ranked by how many say the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

from msgspec import Struct
from msgspec.structs import replace

from datagen.claims.wordnet import are_kin, is_a, senses, verb_of
from datagen.lexicon import article, plural, singular_of
from datagen.teacher.template.caption_reader import CaptionReading, is_doer, one_of, read_caption
from datagen.teacher.template.scenes import WORLD
from datagen.teacher.template.slips import NAMES, is_english, one_edit_from, without_slips
from datagen.words import read_bundled


class _CaptionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/captions.yaml``, which says what each is."""

    numbers: dict[str, int]
    vague: frozenset[str]
    colors: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    young: frozenset[str]
    grown: frozenset[str]
    alone: frozenset[str]
    ways: dict[str, frozenset[str]]
    either: dict[str, dict[str, tuple[str, ...]]]
    empty: frozenset[str]
    faint: frozenset[str]


_WORDS = read_bundled("template/captions.yaml", _CaptionWords)
_MEANT = {
    (topic, word): meaning for topic, rows in _WORDS.either.items() for meaning, words in rows.items() for word in words
}
_EITHER = {
    topic: re.compile(rf"\b(?:{'|'.join(word for t, word in _MEANT if t == topic)})\b") for topic in _WORDS.either
}
_UNFIT = re.compile(
    r"\b(?:i|i'm|my|me|we|our|us|you|your|captions?|annotations?|bounding box(?:es)?|coordinates?|pictures|photos|"
    r"images|not|cannot|can't|unable|none|nothing|only|sorry|maybe|appears?|seems?|probably|looks like|possibly|"
    r"colou?red (?:man|men|woman|women|person|people|boy|girl|child|children|lady|guy)|"
    r"unclear|unreadable|illegible|recogni[sz]able|blurr?y|out of focus|quality issues|visual content|screenshot)\b|"
    r"[<>{}\[\]|#@=_*&%$/\\]|https?| - ",
    re.IGNORECASE,
)
_META = re.compile(  # "A nice picture of", "a close up of"
    r"^(?:(?:a|an|the|this)\s+)?(?:(?:black and white|old|vintage|color|colou?rful|blurry|nice|beautiful|up close|"
    r"angled|distorted|blurred|cropped|tilted|aerial|overhead|panoramic|candid|"
    r"close[ -]?up)\s+)*(?:(?:picture|photo|photograph|image|shot)\s+(?:of|showing|that shows|shows|depicting)|"
    r"close[ -]?up\s+of)\s+",
    re.IGNORECASE,
)
_POINTS_BACK = frozenset("he she it they his her its their this these that those and with in on".split())
"""What opens a caption that goes on from something told before, or is turned around."""
_WORD = re.compile(r"[a-z0-9']+(?:-[a-z0-9']+)*")


_PEOPLE = _WORDS.young | _WORDS.grown | {"person", "people", "guy", "guys", "another", "someone"}
Value = frozenset[str] | tuple[float, float] | str
"""What a caption says on a topic: what it names, the least and the greatest number, or what kind of thing it is."""


class Caption(Struct, frozen=True):
    """One caption made fit to stand in an answer.

    Attributes:
        text: Starts with a capital, no period, single spaces.
        reading: What it is as a sentence; ``UNREAD`` of one that is not fit to quote and has a say all the same.
        words: Its words in lower case, in order.
        content: The words that carry meaning, plurals folded; in ``rank_captions``'s, words of a category are its name.
        colors: Nouns that stand right behind color words, with these colors.
        named: The categories it names.
        numbers: How many of a category it speaks of, at least and at most, where it tells.
        told: What it says on topics on which others may say something else, once that has been asked.
        is_backed: Whether other captions say a third of what it says.
        score: Higher is better; only the order counts.
    """

    text: str
    reading: CaptionReading
    words: tuple[str, ...]
    content: frozenset[str]
    colors: dict[str, frozenset[str]]
    named: frozenset[str] = frozenset()
    numbers: dict[str, tuple[float, float]] = {}
    told: dict[tuple[str, ...], Value] = {}
    is_backed: bool = True
    score: float = 0.0

    @property
    def sentence(self) -> str:
        """The caption as a sentence of its own."""
        return f"{self.text}."

    @property
    def inner(self) -> str:
        """The caption as it stands inside a sentence: no capital in front but that of a name."""
        return self.text if _is_name(self.words[0]) else self.text[0].lower() + self.text[1:]

    @property
    def who(self) -> str | None:
        """Who or what a caption that begins with one such is about: "man" of "A young man in a hat"."""
        return self.reading.doer if self.reading.is_one and self.words[0] in ("a", "an") else None

    def is_of_one(self, who: str) -> bool:
        """Whether a caption that tells of such a one tells of no other, nor, of a person, of another person."""
        n_people = sum(word in _PEOPLE or word.endswith(("ist", "ists")) for word in self.words)
        is_alone = n_people < 2 or is_a(who, "animal")
        return self.words.count(who) == 1 and plural(who) not in self.words and is_alone

    @property
    def doing(self) -> str | None:
        """What somebody does: "eating from a bowl" of "A cat eating from a bowl"; None where nothing is sure."""
        return None if self.reading.doing is None else self.text[self.reading.doing :]

    @property
    def as_clause(self) -> str | None:
        """The caption as a sentence, "A cat is eating from a bowl."; None of a phrase that makes none."""
        if self.reading.form == "clause":
            return self.sentence
        be = "is" if self.reading.is_one else "are"
        return self.doing and f"{self.text[: self.reading.doing]}{be} {self.doing}."


def words_of(text: str) -> tuple[str, ...]:
    """Words in lower case, in order."""
    return tuple(_WORD.findall(text.lower()))


def content_of(words: Sequence[str], names: Mapping[str, str] = {}) -> frozenset[str]:
    """Words that carry meaning, inflections folded away.

    Args:
        words: In lower case.
        names: Categories by the words that mean them: a plane is an airplane.
    """
    return frozenset(names.get(word) or _stem(word) for word in words if word not in _WORDS.empty | _WORDS.faint)


def _stem(word: str) -> str:
    if word.endswith(("ing", "ed")):
        return verb_of(word) or word
    return word[:-1] if word.endswith("s") and len(word) > 3 and not word.endswith("ss") else word


def clean_caption(raw: str, context: frozenset[str] = frozenset()) -> Caption | None:
    """Make a caption fit for use, or None when it is too short, too long, about itself, rude, or wrong English.

    Args:
        raw: As the corpus has it; of several sentences the first is taken.
        context: Words of the other captions and names of what is boxed, which tell what a misspelled word was meant
            to be.
    """
    text = " ".join(_plain_signs(raw).split()).strip(" .,;:!\"'")
    sentence = re.match(r"(.*?[a-z]{3,})[.!;] +[A-Z]", text)
    text = _not_shouted(sentence[1] if sentence else text)
    if not text.isascii() or _UNFIT.search(text):
        return None
    there_is = r"^(?:there\s+(?:is|are)|this\s+is|these\s+are|here\s+(?:is|are)|we see)\s+"
    text = re.sub(r"\s+([.,;:!?])", r"\1", re.sub(there_is, "", _META.sub("", text), flags=re.IGNORECASE))
    if not 4 <= len(words_of(text)) <= 26 or re.search(r"[.!?;:\"()]", text) or not text[0].isalpha():
        return None
    mended = without_slips(text[0].upper() + text[1:], context)
    if mended is None:
        return None
    reading = None if words_of(mended)[0] in _POINTS_BACK else read_caption(mended)
    if reading is not None and reading.lacks_article:
        first = words_of(mended)[0]
        mended = f"{article(first).capitalize()} {mended if _is_name(first) else mended[0].lower() + mended[1:]}"
        reading = read_caption(mended)
    words = words_of(mended)
    return Caption(mended, reading, words, content_of(words), colors_of(words)) if reading else None


def _is_name(first: str) -> bool:
    """Whether the word that opens a caption keeps its capital elsewhere."""
    return first.lower() in NAMES or not is_english(first.lower())


_SIGNS = str.maketrans({"`": "'", "\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"'})


def _plain_signs(raw: str) -> str:
    """Typographic quotes as those of a keyboard, letters without their accents."""
    letters = unicodedata.normalize("NFKD", raw.translate(_SIGNS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _not_shouted(text: str) -> str:
    """Text in capitals, or With Every Word In One, as prose; names lose theirs."""
    words = re.findall(r"[A-Za-z]+", text)
    is_shouted = sum(map(str.isupper, "".join(words))) > sum(map(len, words)) / 2
    is_title = len(words) > 3 and sum(word[0].isupper() for word in words) > 0.7 * len(words)
    return text.lower() if is_shouted or is_title else text


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


def colors_of(words: Sequence[str]) -> dict[str, frozenset[str]]:
    """Nouns that stand right behind color words, with these colors."""
    found: dict[str, frozenset[str]] = {}
    seen: set[str] = set()
    for said in words:
        word = said.removesuffix("ish")
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


def says_alone(caption: str) -> bool:
    """Whether a caption says that nobody else is there."""
    return not _WORDS.alone.isdisjoint(words_of(caption))


def gender_of(caption: Caption) -> str | None:
    """``"m"`` or ``"f"`` when a caption speaks of men only or of women only, else None."""
    male, female = not _WORDS.male.isdisjoint(caption.words), not _WORDS.female.isdisjoint(caption.words)
    return None if male == female else ("m" if male else "f")


def clash(a: Caption, b: Caption) -> bool:
    """Whether two captions disagree on a color, a number, what is done, an animal, or who is shown and how old."""
    told_a, told_b = a.told or told_by(a), b.told or told_by(b)
    return any(_differ(told_a[topic], told_b[topic]) for topic in told_a.keys() & told_b.keys())


def told_by(caption: Caption) -> dict[tuple[str, ...], Value]:
    """What a caption says on topics on which others may say something else."""
    told: dict[tuple[str, ...], Value] = {("color", noun): colors for noun, colors in caption.colors.items()}
    told |= {("number", name): numbers for name, numbers in caption.numbers.items()}
    for before, word in pairwise(caption.words):
        if before in _WORDS.numbers and word not in _WORDS.empty:
            told["count", _stem(word)] = frozenset({str(_WORDS.numbers[before])})
    told |= _told_of_people(caption)
    doer, verb, text = caption.reading.doer, caption.reading.verb, caption.text.lower()
    ways = [_WORDS.ways[one] for one in _doings(caption) if one in _WORDS.ways]
    if verb is not None and senses(doer) and not caption.reading.is_group:
        told["doer", verb] = "organism" if is_doer(doer) else doer  # "a blond gear is blowing on a dandelion"
    if ways:
        kind = "animal" if is_a(doer, "animal") else "person"
        told["way", kind, str(caption.reading.is_one)] = frozenset().union(*ways)
    for topic, pattern in _EITHER.items():
        if found := pattern.findall(text):
            told["either", topic] = frozenset(_MEANT[topic, word] for word in found)
    nouns = [one_of(word) for word in caption.words if verb is None or verb_of(word) != verb]  # "a dog hides"
    animals = {one for one in nouns if is_a(one, "animal", n_senses=1)}
    if len(animals) == 1:
        told["animal",] = next(iter(sorted(caption.named & WORLD.animals)), *animals)
    for n, group in enumerate((WORLD.animals, *WORLD.lookalikes)):
        if not group.isdisjoint(caption.named):
            told["kind", str(n)] = group & caption.named
    return told


def _told_of_people(caption: Caption) -> dict[tuple[str, ...], Value]:
    told: dict[tuple[str, ...], Value] = {}
    gender = gender_of(caption)
    if gender:
        told["gender",] = frozenset(gender)
    if pair := _pair_of(caption.words):
        told["pair",] = frozenset({pair})
    is_young, is_grown = (not table.isdisjoint(caption.words) for table in (_WORDS.young, _WORDS.grown))
    if is_young != is_grown and not (is_grown and "young" in caption.words):
        told["age",] = frozenset({str(is_young)})
    return told


def _doings(caption: Caption) -> list[str]:
    """What the doer does; of one who is alone also what else a caption tells: "is wearing a hat and walking"."""
    n_doers = sum(word in _PEOPLE or word in ("dog", "dogs") or word == caption.reading.doer for word in caption.words)
    if caption.reading.verb in _WORDS.ways or n_doers > 1:
        return [caption.reading.verb] if caption.reading.verb else []
    return [verb for word in caption.words if word.endswith(("ing", "s")) and (verb := verb_of(word))]


_ONE_OF_TWO = dict.fromkeys(("man", "boy", "guy", "gentleman"), "m") | dict.fromkeys(("woman", "girl", "lady"), "f")


def _pair_of(words: Sequence[str]) -> str | None:
    """Of two people that a caption tells of, how many are male and female: "mm", "fm" or "ff"."""
    found = ""
    for before, earlier, word in zip(("", "", *words), ("", *words), words, strict=False):
        one = one_of(word)
        if one in _ONE_OF_TWO:
            number = 1 if one == word else 2 if "two" in (before, earlier) else 0
            found += _ONE_OF_TWO[one] * (number or 3)
    return "".join(sorted(found)) if len(found) == 2 else None


def _differ(a: Value, b: Value) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return a[1] < b[0] or b[1] < a[0]
    if isinstance(a, str) and isinstance(b, str):
        return not are_kin(a, b)
    return isinstance(a, frozenset) and a.isdisjoint(b)


def outvoted(captions: Sequence[Caption]) -> list[bool]:
    """Per caption, whether on some topic not fewer others deny it than say the same; where two disagree, both are."""
    found = []
    told = [caption.told or told_by(caption) for caption in captions]
    for n, mine in enumerate(told):
        votes = {
            topic: [_differ(value, theirs[topic]) for m, theirs in enumerate(told) if m != n and topic in theirs]
            for topic, value in mine.items()
        }
        found.append(any(2 * sum(vote) > len(vote) for vote in votes.values()))
    return found


def rank_captions(
    cleaned: Sequence[Caption], voters: Sequence[Caption], boxed: frozenset[str], contradicted: frozenset[str]
) -> tuple[Caption, ...]:
    """Order captions by agreement with the other captions and the boxes; drop those that are contradicted.

    Args:
        cleaned: Fit to quote, with what each names and counts.
        voters: These and the others, which have a say though they are not fit to quote.
        boxed: Categories that the image has boxes for.
        contradicted: Texts of those that boxes contradict.
    """
    n_naming = Counter(name for voter in voters for name in voter.named)
    is_outvoted = dict(zip((voter.text for voter in voters), outvoted(voters), strict=True))
    ranked = []
    for caption, agreed in zip(cleaned, _agreement(cleaned), strict=True):
        is_stray = len(voters) > 1 and any(name not in boxed and n_naming[name] == 1 for name in caption.named)
        if caption.text in contradicted or is_outvoted[caption.text] or (boxed and is_stray):
            continue
        others = (voter.content for voter in voters if voter.text != caption.text)
        is_backed = 3 * len(caption.content & frozenset().union(*others)) >= len(caption.content) or len(voters) == 1
        score = agreed + 0.05 * len(caption.named & boxed) - 0.2 * (len(caption.words) > 18)
        ranked.append(replace(caption, is_backed=is_backed, score=score))
    return tuple(sorted(ranked, key=lambda caption: -caption.score))


def _agreement(captions: Sequence[Caption]) -> list[float]:
    """Mean word overlap of each caption with the others, less what it is at odds with."""
    agreed = [0.0] * len(captions)
    for (i, a), (j, b) in combinations(enumerate(captions), 2):
        n_shared = len(a.content & b.content)
        overlap = n_shared / (len(a.content) + len(b.content) - n_shared or 1)
        value = overlap / (len(captions) - 1) - 0.08 * clash(a, b)
        agreed[i] += value
        agreed[j] += value
    return agreed


def is_slip(caption: Caption, others: Sequence[frozenset[str]], names: frozenset[str]) -> bool:
    """Whether a word that no other caption uses is near one that was meant: "a man with a surf boar".

    Args:
        caption: Fit to quote otherwise.
        others: The words of each other caption.
        names: Words that name what is boxed.
    """
    n_using = Counter(stem for words in others for stem in {verb_of(word) or word for word in words})
    mine = {singular_of(word): word for word in caption.words}
    used = frozenset().union(*others)
    for word in caption.words:
        # Words of less than 4 letters are too often alike without being misspelled.
        if len(word) >= 4 and word not in _WORDS.empty and word not in used | names:
            near = (
                one
                for one in one_edit_from(word)
                if one[:1] == word[0]
                and (one in names or (one in used and n_using[verb_of(one) or one] > (one not in _WORDS.colors)))
            )
            if any(singular_of(one) not in mine and _is_other(word, one) for one in near):
                return True
    return False


def _is_other(word: str, one: str) -> bool:
    """Whether two words are no forms of each other, as "walk" and "walks" are."""
    short, long = sorted((word, one), key=len)
    is_longer = long.startswith(short) and long[len(short) :] in ("s", "y", *("d", "r") * short.endswith("e"))
    is_like = word[:-1] == one[:-1] and {word[-1], one[-1]} == {"s", "y"}  # "rocks", "rocky"
    return not is_longer and not is_like and (verb_of(word) or word) != (verb_of(one) or one)


def second_caption(captions: tuple[Caption, ...], *told: Caption) -> Caption | None:
    """The caption that adds most to those told, none of which it repeats or denies; None where all say the same.

    What adds something says two things or more that none of them says, and these are two fifths of what it says.
    """
    said = frozenset().union(*(caption.content for caption in told))
    best, most = None, 0.0
    for caption in captions:
        new = caption.content - said
        if caption in told or not caption.is_backed or len(new) < 2 or any(clash(caption, one) for one in told):
            continue
        share = len(new) / len(caption.content)
        if share >= 0.4 and share + 0.5 * caption.score > most:
            best, most = caption, share + 0.5 * caption.score
    return best
