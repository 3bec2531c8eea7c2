"""An image's captions as clean sentences, ranked by how much they agree with each other and with the boxes.

People wrote the captions in a hurry: some shout, some are fragments, some name the wrong animal or colour. What stays
is spelled as a sentence (``slips``), says nothing that more captions deny, and is ranked by how many say the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from datagen.claims.wordnet import is_adjective, senses, verb_of
from datagen.lexicon import article, plural, singular_of
from datagen.teacher.template.scenes import WORLD
from datagen.teacher.template.slips import NAMES, is_english, one_edit_from, without_slips
from datagen.words import COCO_CATEGORIES, built_in_words, read_bundled

Form = Literal["phrase", "clause", "plain"]


class _CaptionWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables of ``data/template/captions.yaml``, which says what each is."""

    numbers: dict[str, int]
    vague: frozenset[str]
    colors: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    young: frozenset[str]
    grown: frozenset[str]
    past: frozenset[str]
    alone: frozenset[str]
    postures: dict[str, str]
    empty: frozenset[str]
    faint: frozenset[str]
    determiners: frozenset[str]
    verbs: frozenset[str]
    sure_verbs: frozenset[str]
    plural_nouns: frozenset[str]
    doers: frozenset[str]


_WORDS = read_bundled("template/captions.yaml", _CaptionWords)
_UNFIT = re.compile(
    r"\b(?:i|i'm|my|me|we|our|us|you|your|captions?|annotations?|bounding box(?:es)?|coordinates?|pictures|photos|"
    r"images|not|cannot|can't|unable|none|nothing|only|sorry|maybe|appears?|seems?|probably|looks like|possibly|"
    r"unclear|unreadable|illegible|recogni[sz]able|blurr?y|out of focus|quality issues|visual content|screenshot)\b|"
    r"[<>{}\[\]|#@=_*&%$/\\]|https?| - ",
    re.IGNORECASE,
)
_META = re.compile(  # "A nice picture of", "a close up of"
    r"^(?:(?:a|an|the|this)\s+)?(?:(?:black and white|old|vintage|color|colou?rful|blurry|nice|beautiful|up close|"
    r"close[ -]?up)\s+)*(?:(?:picture|photo|photograph|image|shot|view)\s+(?:of|showing|that shows|shows|depicting)|"
    r"close[ -]?up\s+of)\s+",
    re.IGNORECASE,
)
_PREPOSITIONS = frozenset("with of in on at by for from near to into onto under behind beside".split())
_THIRD_PERSON = {"has", "goes"} | {plural(verb) for verb in _WORDS.verbs if verb not in ("has", "have", "go")}
_PERSONS = _WORDS.doers & frozenset(built_in_words().synonyms["person"] + built_in_words().kinds["person"])
_PLURALS = _WORDS.plural_nouns | {plural(one) for one in (*_WORDS.doers, *COCO_CATEGORIES) if " " not in one}
_OPENERS = _WORDS.determiners | _PLURALS
_ONES = (_WORDS.doers | {name for name in COCO_CATEGORIES if " " not in name}) - {"sheep", "lambs", "broccoli", "skis"}
_NOT_BEFORE_ONE = _OPENERS | _WORDS.verbs | _WORDS.empty | {"these", "those"}
_TWO_DO = re.compile(  # "a man and his cat enjoy a nap"
    rf"^(?:an?|the|one) [a-z' -]*?\band (?:[a-z]+ ){{0,3}}?(?:{'|'.join(sorted(_ONES))}) "
    rf"(?:{'|'.join(sorted(_WORDS.verbs - {'like'}))})\b(?! country)"
)
_GERUND = re.compile(r"(?P<doer>[A-Z][a-z]*(?: [a-z-]+){0,3}?) (?P<doing>(?P<verb>[a-z]{3,}ing) .+)")
_STATES = ("wearing ", "holding ", "carrying ", "having ")
_GROUPS = frozenset("couple group bunch crowd pair team".split())
_BEFORE_A_THING = _WORDS.colors | {"a", "an", "the"}
_ALSO_PARTICIPLES = frozenset("cut set spread hit read lay".split())
_ALONG = frozenset(
    "a an the his her their down up along through over across toward towards past around in on at to with for against "
    "outside inside outdoors indoors together by near behind beside under into next while".split()
)
_RUN_ON = re.compile(  # "a boy in a cap tosses his ball"
    r"\b(?:wearing|holding|carrying|in|with) (?:an?|the|his|her) (?:[a-z]+ )?(?!who|that|which)"
    r"([a-z]*[a-rt-z]) ([a-z]{3,}s) (?:up |down |off |out )?(?:an?|the|his|her|its|their)\b"
)
_WORD = re.compile(r"[a-z0-9']+(?:-[a-z0-9']+)*")


class Caption(Struct, frozen=True):
    """One caption made fit to stand in an answer.

    Attributes:
        text: Starts with a capital, no period, single spaces.
        form: ``phrase`` follows "the image shows"; ``clause`` follows "in this image,";
            ``plain`` only stands for itself.
        words: Its words in lower case, in order.
        content: The words that carry meaning, plurals folded; in ``rank_captions``'s, words of a category are its name.
        colors: Nouns that stand right behind color words, with these colors.
        named: The categories it names.
        numbers: How many of a category it speaks of, at least and at most, where it tells.
        is_backed: Whether other captions say a third of what it says.
        score: Higher is better; only the order counts.
    """

    text: str
    form: Form
    words: tuple[str, ...]
    content: frozenset[str]
    colors: dict[str, frozenset[str]]
    named: frozenset[str] = frozenset()
    numbers: dict[str, tuple[float, float]] = {}
    is_backed: bool = True
    score: float = 0.0

    @property
    def sentence(self) -> str:
        """The caption as a sentence of its own."""
        return f"{self.text}."

    @property
    def inner(self) -> str:
        """The caption as it stands inside a sentence: no capital in front but that of a name."""
        first = self.words[0]
        is_name = first in NAMES or not is_english(first)
        return self.text if is_name else self.text[0].lower() + self.text[1:]

    @property
    def who(self) -> str | None:
        """Who or what a caption that begins with one such is about: "man" of "A young man in a hat"."""
        for word in self.words[1:4]:
            if word in _ONES or word in _WORDS.empty or self.words[0] not in ("a", "an"):
                return word if word in _ONES and self.words[0] in ("a", "an") else None
        return None

    def is_of_one(self, who: str) -> bool:
        """Whether a caption that tells of such a one tells of no other: not "a black dog and a brown dog"."""
        return self.words.count(who) == 1 and plural(who) not in self.words

    @property
    def head(self) -> str:
        """What a caption opens with, in the singular: "dog" of "Two brown dogs running"."""
        for before, word in pairwise(self.words):
            if before not in _WORDS.determiners and (word in _WORDS.empty or word.endswith("ing")):
                return singular_of(before)
        return singular_of(self.words[-1])

    def says_again(self, other: Caption) -> bool:
        """Whether another caption is about the same doer and tells the same doing."""
        doings = [{verb for word in one.words if (verb := doing_of(word))} for one in (self, other)]
        return self.head == other.head and not doings[0].isdisjoint(doings[1])

    @property
    def as_clause(self) -> str | None:
        """A phrase such as "A cat eating from a bowl" as a sentence, "A cat is eating from a bowl."; None if unsure."""
        match = _GERUND.match(self.text)
        if match is None or self.form != "phrase":
            return None
        doer = match["doer"].lower().split()
        if is_run_on(match["doing"]):
            return None
        if doer[-1] not in _WORDS.doers | _WORDS.plural_nouns or "and" in doer or "of" in doer:
            return None
        is_one = self.words[0] in ("a", "an", "one", "another")
        if not is_one and doer[-1] not in _WORDS.plural_nouns:
            return None
        return f"{match['doer']} {'is' if is_one else 'are'} {match['doing']}."


def is_run_on(doing: str) -> bool:
    """Whether "wearing green boots playing" has another verb in -ing that no comma or "and" joins to the first."""
    return doing.startswith(_STATES) and any(
        word.endswith("ing") and verb_of(word) and not before.endswith(",") and before not in _WORDS.empty
        for before, word in pairwise(doing.split())
    )


def doing_of(word: str) -> str | None:
    """The verb of a form in -ing or -s, but for those that tell nothing: "ride" of "riding"."""
    if not word.endswith(("ing", "s")) or word in _WORDS.empty | _WORDS.faint:
        return None
    verb = verb_of(word)
    return verb if word.endswith("ing") or verb in _WORDS.verbs else None


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
    mended = _with_article(mended)
    words = words_of(mended)
    if words[0] in (
        "she",
        "he",
        "it",
        "they",
        "his",
        "her",
        "this",
        "these",
        "and",
        "with",
        "in",
        "on",
        "its",
        "their",
    ):
        return None
    form = _form_of(words)
    return Caption(mended, form, words, content_of(words), colors_of(words)) if form else None


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


def _with_article(text: str) -> str:
    """Give "Small dog on a bed" the article that it lacks, if who is shown stands among its first three words."""
    words = tuple(word for word in words_of(text) if word != "and")[:5]
    for word, behind in pairwise(words):
        if word in _ONES and (behind.endswith("ing") or behind in _WORDS.empty or behind in _THIRD_PERSON):
            first = text.partition(" ")[0]
            is_name = first.lower() in NAMES or not is_english(first.lower())
            return f"{article(first).capitalize()} {text if is_name else text[0].lower() + text[1:]}"
        if word in _NOT_BEFORE_ONE or (word not in _WORDS.colors and word.endswith(("ing", "ed", "s"))):
            return text
    return text


def _form_of(words: tuple[str, ...]) -> Form | None:
    """What a caption is as a sentence; None where a phrase lacks its article."""
    of_several = words[0] in _PLURALS or (words[0] in ("a", "the") and words[1] in _GROUPS)
    of_one = words[0] in ("a", "an", "the", "one") and not of_several and words[1] not in _WORDS.numbers
    if _has_finite_verb(words, of_one) or _has_verb_before_object(words):
        return "clause" if words[0] in _OPENERS else "plain"
    doing = "plain" if _TWO_DO.search(" ".join(words)) else _bare_doing(words, of_one, of_several)
    if doing is not None:
        return "plain" if doing == "plain" else None
    run_on = _RUN_ON.search(" ".join(words))
    if run_on and verb_of(run_on[2]) and not senses(run_on[2]):
        return "clause" if of_one else None
    is_plural = _is_plural_noun(words[0]) or (words[0] not in _ONES and _is_plural_noun(words[1]))  # "red scissors"
    if _may_do(words, of_several):
        return None
    return "phrase" if words[0] in _OPENERS - {"sheep"} or (is_plural and words[0] != "sheep") else None


_OBJECTS = frozenset("a an the his her its their".split())
_BEHIND_VERB = _OBJECTS | _PREPOSITIONS | frozenset(
    "down up out off together past away next through over along across around against after as each".split()
) | {""}  # fmt: skip


def _has_verb_before_object(words: tuple[str, ...]) -> bool:
    """Whether a word is a verb by what stands behind it, where it may be a noun elsewhere: "a batter MISSES a ball"."""
    for before, word, after in zip(words, words[1:], (*words[2:], ""), strict=False):
        if verb_of(word) is None or before in _WORDS.empty | _WORDS.determiners | _WORDS.colors:
            continue
        if word == "have" and _is_plural_noun(before):
            return True
        if word.endswith("ed") and after in _OBJECTS and senses(singular_of(before)):
            return True  # "a boy SPILLED his milk"
        if not word.endswith("s") or word.endswith("ss") or word in _WORDS.empty:
            continue
        if senses(before) and after in _OBJECTS:
            return True  # no plural stands before "a"
        if (
            before.endswith("s")
            and not before.endswith("ss")
            and singular_of(before) != before
            and after in _BEHIND_VERB
        ):
            return True  # "on Rollerblades GLIDES down": no plural makes a compound
    return False


def _may_do(words: tuple[str, ...], of_several: bool) -> bool:
    """Whether somebody may be doing something in a word that can be a noun as well: "four kayakers PADDLE down"."""
    for n, (before, word, after) in enumerate(zip(words, words[1:], (*words[2:], ""), strict=False), 1):
        if after == "" or after not in _BEHIND_VERB or verb_of(word) is None or word.endswith(("ing", "ed")):
            continue
        if word in _NO_DOING or not _ONES.isdisjoint((word, singular_of(word))):
            continue
        if before in _NOT_BEFORE_DOING or before.endswith("ing") or is_adjective(before):
            continue
        is_of_many = of_several or words[0] in _OF_MANY or "and" in words[:n]  # who alone "paddles"
        if (word.endswith("s") or is_of_many) and not senses(f"{before} {singular_of(word)}"):
            return True
    return False


_OF_MANY = _WORDS.vague | _WORDS.numbers.keys() - {"one", "a", "an", "1"} | {"people", "some", "many", "several"}
_NO_DOING = _WORDS.empty | _WORDS.colors | _WORDS.past
_NOT_BEFORE_DOING = _WORDS.empty | _WORDS.determiners | _WORDS.colors | _WORDS.numbers.keys()


def _has_finite_verb(words: tuple[str, ...], of_one: bool) -> bool:
    """Whether a caption has a verb in the third person, or a past form that is no participle."""
    behind = (*words[1:], "")
    for ahead, before, word, after in zip(("", "", *words), ("", *words), words, behind, strict=False):
        if before in {"that", "which", "who", "while", "as", "where"}:
            if before in ("while", "as", "where"):
                break
            continue
        # "with giant sails", but "with glasses rides"
        is_compound = (
            ahead in _PREPOSITIONS
            and not before.endswith("s")
            and before not in _WORDS.colors
            and bool(senses(singular_of(word)))
        )
        is_verb = word in _WORDS.past or (not is_compound and _is_third_person(before, word))
        # "of two teams arguing", but "a dog swims holding a stick"
        is_verb &= word in _THIRD_PERSON or not after.endswith("ing") or (of_one and before in _ONES)
        if word in {"is", "are", "was", "were", "am"} or is_verb:
            return True
    return False


def _bare_doing(words: tuple[str, ...], of_one: bool, of_several: bool) -> Literal["plain", "wrong"] | None:
    """Whether a caption has a verb in its plain form, as several do it, or as nobody would write of one."""
    is_doing = False
    for ahead, before, word, after in zip(("", *words), words, words[1:], (*words[2:], ""), strict=False):
        is_doing |= before.endswith("ing") and not senses(before)
        if after.endswith("ing"):  # "a note stand sitting on a desk"
            continue
        is_adverb = before.endswith("ly") and before != "family" and not senses(before)
        if is_adverb and word in _WORDS.verbs - _ALSO_PARTICIPLES and after in _ALONG:
            return "wrong" if of_one else "plain"  # "a man dressed warmly pose for a picture"
        if _is_bare_verb(before, word, of_several):
            if senses(before) and not before.endswith("s") and (is_doing or ahead in _BEFORE_A_THING):
                if after not in _ALONG and not _is_plural_noun(after):
                    continue  # "people enjoying a boat ride"
                if is_doing and of_one:
                    return "wrong"
            return "plain"  # "a couple in a canoe paddle down a river"
    return None


def _is_third_person(before: str, word: str) -> bool:
    """Whether a word is the verb of "a dog runs": of doubtful ones, "forks", those are that follow a person."""
    if before in _WORDS.determiners or not word.endswith("s") or before.endswith("ing"):
        return False
    if before in _WORDS.colors:  # "red flowers", but "a woman in red wears a hat"
        return word in _THIRD_PERSON and word not in ("waves", "stands", "faces", "lines", "rolls", "paddles", "sails")
    if word in _THIRD_PERSON:
        return before not in _WORDS.empty
    if verb_of(word) is None:
        return False
    return before in _PERSONS or bool(senses(before) and not senses(singular_of(word)))


@lru_cache(maxsize=4096)
def _is_plural_noun(word: str) -> bool:
    """Whether a word is a plural that needs no article, such as "chefs"."""
    one = singular_of(word)
    return word in _PLURALS or (one != word and one not in _WORDS.verbs and bool(senses(one)))


def _is_bare_verb(before: str, word: str, of_several: bool = False) -> bool:
    """Whether a word is the verb of "two dogs run": sure verbs after most words, doubtful ones after plurals.

    Args:
        before: The word before it.
        word: In its plain form, if it is one.
        of_several: The caption begins with a plural: "people in hats and a shirt dance".
    """
    if word in _WORDS.empty or before in _WORDS.determiners | _WORDS.colors:
        return False
    if word in _WORDS.sure_verbs:
        return before not in _WORDS.empty
    if word in _WORDS.verbs:
        return (word != "like" and _is_plural_noun(before)) or (
            of_several and before not in _WORDS.empty and bool(senses(before))
        )
    return before in _PLURALS and verb_of(word) == word and not senses(word) and not word.endswith(("ed", "ing"))


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
    """Whether two captions disagree on a color, a number, a posture, an animal, or who is shown and how old."""
    told_a, told_b = _told(a), _told(b)
    return any(_differ(told_a[topic], told_b[topic]) for topic in told_a.keys() & told_b.keys())


Value = frozenset[str] | tuple[float, float]
"""What a caption says on a topic: what it names, or the least and the greatest number."""


def _told(caption: Caption) -> dict[tuple[str, ...], Value]:
    """What a caption says on topics on which others may say something else."""
    told: dict[tuple[str, ...], Value] = {("color", noun): colors for noun, colors in caption.colors.items()}
    told |= {("number", name): numbers for name, numbers in caption.numbers.items()}
    for before, word in pairwise(caption.words):
        if before in _WORDS.numbers and word not in _WORDS.empty:
            told["count", _stem(word)] = frozenset({str(_WORDS.numbers[before])})
    gender = gender_of(caption)
    if gender:
        told["gender",] = frozenset(gender)
    is_young, is_grown = (not table.isdisjoint(caption.words) for table in (_WORDS.young, _WORDS.grown))
    if is_young != is_grown and "young" not in caption.words:
        told["age",] = frozenset({str(is_young)})
    posture = _WORDS.postures.keys() & caption.words
    if posture:
        told["posture",] = frozenset(_WORDS.postures[word] for word in posture)
    for n, group in enumerate((WORLD.animals, *WORLD.lookalikes)):
        if not group.isdisjoint(caption.named):
            told["kind", str(n)] = group & caption.named
    return told


def _differ(a: Value, b: Value) -> bool:
    if isinstance(a, tuple):
        return isinstance(b, tuple) and (a[1] < b[0] or b[1] < a[0])
    return a.isdisjoint(b)


def outvoted(captions: Sequence[Caption]) -> list[bool]:
    """Per caption, whether on some topic not fewer others deny it than say the same; where two disagree, both are."""
    found = []
    told = [_told(caption) for caption in captions]
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
        score -= 0.1 * (caption.form == "plain")
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
    n_using = Counter(word for words in others for word in words)
    mine = {singular_of(word): word for word in caption.words}
    for word in caption.words:
        # Words of less than 4 letters are too often alike without being misspelled.
        if len(word) >= 4 and word not in _WORDS.empty and n_using[word] == 0 and word not in names:
            near = (one for one in one_edit_from(word) if one[:1] == word[0] and (n_using[one] > 1 or one in names))
            if any(singular_of(one) not in mine and _is_other(word, one) for one in near):
                return True
    return False


def _is_other(word: str, one: str) -> bool:
    """Whether two words are no forms of each other, as "walk" and "walks" are."""
    short, long = sorted((word, one), key=len)
    is_longer = long.startswith(short) and long[len(short) :] in ("s", "y", *("d", "r") * short.endswith("e"))
    return not is_longer and (verb_of(word) or word) != (verb_of(one) or one)


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
