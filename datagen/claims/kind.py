"""What a kind of claim must know, from the sentence that says it to the error that is planted in it.

One file under ``kinds/`` makes one ``Kind`` and one row of ``kinds.KINDS`` adds it; extraction, verification, the
cross-check between samples, the hallucination check by pixels, its calibration, lint and the docs ask that table.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from datagen.claims.grammar import FLAGS, SHOWN_AFTER
from datagen.claims.layout import DOMINANT, meant_of
from datagen.claims.phrases import Phrase, noun_phrases
from datagen.claims.syntax import GENERAL, stem
from datagen.geometry import Count
from datagen.lexicon import PLURAL_ONLY, UNCOUNTED, Lexicon, is_plural_only, plural, with_article
from datagen.records import BoxUnit, Claim, ClaimVerdict, Probe, ProbeKind

if TYPE_CHECKING:
    from datagen.claims.clause import Clause, Statement
    from datagen.claims.vocabulary import Vocabulary

YES_NO = ("Yes", "No")

Ruling = tuple[ClaimVerdict, str]
"""A verdict with the sentence that says what decided."""


class Evidence(Struct, frozen=True):
    """What one image's annotations say, ready to be asked.

    Attributes:
        counts: Per boxed category, how many there are.
        boxes: Per boxed category, its corners; crowd regions included.
        noticed: Per boxed category, how many boxes are large enough to be counted by anyone.
        told: What the captions state, caption by caption.
        named: Per category, how many captions name it.
        open_words: Per category that a caption's wider word leaves open, that word, such as ``"animal"``.
        nouns: Every word of the captions, in the singular, with the number of captions that have it.
        words: Per caption, its words in the singular.
        things: Per caption, its nouns for things, animals and food.
        stems: Per caption, the stems of its words.
        numbers: Per caption, the numbers that it gives its nouns: 1 for "a candle", 0 for "candles".
        maybe_named: Categories that captions name as owners alone ("a child's umbrella" may lie there without one) or
            by words that often mean something else (a ceramic "pitcher" is nobody).
        is_decided: A category without a box is not there, small and look-alike things aside.
        is_busy: So many boxes that small things are easily missed.
        vocabulary: The corpus's words.
        told_absent: Categories that the file says were looked for and not found; None where it says nothing of it.
        unfinished: Categories of which not every object has its box.
        told_of_parts: What is stated of parts of the picture, text by text: it bears claims out as a caption does, and
            its silence says nothing.
        part_words: Every word of these texts, in the singular.
        groups: Per category, the corners of its crowd regions.
        by_detector: A detector drew the boxes: they prove nothing by themselves.
        by_captioner: A model wrote the captions: nor do these.
    """

    counts: dict[str, Count]
    boxes: dict[str, list[BoxUnit]]
    noticed: dict[str, int]
    told: tuple[tuple[Statement, ...], ...]
    named: dict[str, int]
    open_words: dict[str, str]
    nouns: Mapping[str, int]
    words: tuple[frozenset[str], ...]
    things: tuple[frozenset[str], ...]
    stems: tuple[frozenset[str], ...]
    numbers: tuple[Mapping[str, frozenset[int]], ...]
    maybe_named: frozenset[str]
    is_decided: bool
    is_busy: bool
    vocabulary: Vocabulary
    told_absent: frozenset[str] | None = None
    unfinished: frozenset[str] = frozenset()
    told_of_parts: tuple[tuple[Statement, ...], ...] = ()
    part_words: frozenset[str] = frozenset()
    groups: Mapping[str, Sequence[BoxUnit]] = {}
    by_detector: bool = False
    by_captioner: bool = False

    def boxes_of(self, category: str) -> Sequence[BoxUnit]:
        """The boxes of a category, or of all that a wider word stands for: "animal"."""
        wider = () if category in self.vocabulary.names else self.vocabulary.hypernyms.get(category, ())
        return [box for name in wider or (category,) for box in self.boxes.get(name, ())]

    def is_looked_for(self, category: str) -> bool:
        """Whether annotators looked for a category in this image."""
        if category in self.unfinished or category not in self.vocabulary.names:
            return False
        return self.is_decided if self.told_absent is None else category in self.told_absent


class ShortAnswer(Struct, frozen=True):
    """A turn whose answer may say nothing without its question: "How many dogs are there?" "Three.".

    Attributes:
        antecedent: The one thing that the question is about; None where it is about several or none.
        said: What the answer states by itself.
        written: Both as they were written, with boxes where the other fields have spaces.
    """

    question: str
    answer: str
    lexicon: Lexicon
    antecedent: Phrase | None
    said: Sequence[Statement]
    written: tuple[str, str] = ("", "")


def opens_with(turn: ShortAnswer) -> Phrase | None:
    """The thing that an answer gives to "what" or "who": "A dog.", "There is a dog there."."""
    text = _SLOTS.sub(" ", turn.answer)
    phrases = noun_phrases(text, turn.lexicon.find(text)[:1], 0, len(text))
    if not phrases or not _ASKS_WHAT.match(turn.question) or not _GIVES.match(text[: phrases[0].start]):
        return None
    if _ENDS_ANSWER.match(text, phrases[0].end) is None:
        return None
    return phrases[0] if phrases[0].is_firm or phrases[0].measure in ("exact", "some") else None


_SLOTS = re.compile("[\ue000-\uf8ff]")
_ASKS_WHAT = re.compile(
    r"(?:and |so )?(?:what|who|which (?:animal|object|thing|vehicle|item|person|piece)s?)\b(?!.*\b(?:colou?r|doing|"
    r"happen|wear|"
    r"hold|made of|kind of))",
    FLAGS,
)
_ENDS_ANSWER = re.compile(r"\s*(?:[.,;!]|$|(?:and|there|here|is|are|does|do)\b)", FLAGS)
_GIVES = re.compile(
    r"\W*(?:(?:there(?: is| are|['’]s)|it is|it['’]s|that is|that['’]s|(?:you|one|we|i)(?: can)? see)\s*)?(?:a? "
    r"?part of\s*)?$",
    FLAGS,
)


class PlantedError(Struct, frozen=True):
    """A kind of error that a validator is tried on.

    Attributes:
        name: As summaries and ``calibration.jsonl`` call it.
        told: As a verdict calls it: "likely ``told``".
    """

    name: str
    told: str


ABSENT_OBJECT = PlantedError("absent object", "something that is not there")


class Spoiling(Struct, frozen=True):
    """What a planter of errors may draw on.

    Attributes:
        lexicon: The corpus's, to find where a thing is named.
        rivals: For a thing that the image shows, those that it does not and that are as likely beside the rest of it.
        rng: Decides how the claim is spoilt.
    """

    lexicon: Lexicon
    rivals: Callable[[str], Sequence[str]]
    rng: random.Random


Plant = Callable[[str, Claim, Spoiling], str | None]
"""Makes a claim of an answer false: the changed answer, or None where it cannot."""


class Probed(Struct, frozen=True):
    """A claim put as a short question.

    Attributes:
        kind: The form of the question; validators learn forms, and ``statement`` is any other yes/no question.
        agrees: Indices of the answers under which the claim is true.
        measure: The number of a turn that its log-odds enter; see ``validator.measures.MEASURES``.
        error: What is wrong with the claim where the answer is another one.
    """

    kind: ProbeKind
    probe: Probe
    agrees: tuple[int, ...]
    measure: str
    error: PlantedError | None


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of claim: how it is read, verified, excluded, probed and spoilt.

    A kind reads by any of three readers, each None where it does not. A reader gives claims in any number; a claim
    that no other field fits says its content in ``value``.

    Attributes:
        name: As claims carry it.
        says: What such a claim says, for the docs.
        examples: Sentences that make such a claim about a dog, a cat or a bed; a test reads them.
        verify: Holds a statement against captions and boxes; ``needs_pixels`` where they can say nothing.
        probe: Puts a claim as questions, its own first; those about what it takes for granted follow.
        plants: The errors that can be planted in such a claim, each with how.
        excludes: Whether such a claim and another one, of this kind or of an earlier row, cannot both be true; None
            where any two may be: there may be a dog on either side.
        if_seeming: "The man seems to be sleeping" says it as well as "the man is sleeping" does.
        if_aimed: "Ready to cut a red ribbon" says it too.
        if_granted: "The dog on the left should sit" says it of the dog, whatever it should do.
        of_captions: It is read from captions too; False where ``verify`` asks none for such claims.
        agrees_within: Of two such claims in one conversation that exclude each other the later one falls.
        measures: Names of the numbers that its probes give, beside the shared ``statement``.
        suffers: The errors that a claim may be, if it is wrong; None for those of ``plants``.
        read_phrase: What a noun phrase says by itself.
        read_clause: What a clause says of its noun phrases.
        read_short_answer: What an answer says only together with its question.
        reads_bare: ``read_clause`` also takes clauses without a noun phrase ("It is raining").
        denies: It says that a thing is not there.
        is_existence: It says that a thing is there, so that "it" may mean it.
        narrows: A number beside it counts only the things of which it is said.
        if_supposed: What becomes of it under a question that changes the picture ("If two more came, ...?"): it
            stands, stands where the answer says that the picture shows it, that it is so now (both only where what
            is supposed may change it), or says it without "would", or falls.
        by_boxes: Where boxes lie decides it, so that of "animals" those of all their categories may be asked.
        bears_out_wider: Whether boxes and captions of its narrower categories bear out a claim about "animals",
            given how many are boxed and whether any is boxed or named; None leaves such a claim unknown.
        caption_fault: What lint calls a caption in which the boxes contradict such a claim; None where it does not say.
    """

    name: str
    says: str
    examples: tuple[str, ...]
    verify: Callable[[Statement, Evidence], Ruling]
    probe: Callable[[Claim], Iterable[Probed]]
    plants: tuple[tuple[PlantedError, Plant], ...]
    measures: tuple[str, ...] = ()
    excludes: Callable[[Claim, Claim], bool] | None = None
    suffers: Callable[[Claim], tuple[PlantedError, ...]] | None = None
    read_phrase: Callable[[Phrase, Clause], Statement | None] | None = None
    read_clause: Callable[[Clause], Iterable[Statement]] | None = None
    read_short_answer: Callable[[ShortAnswer], Iterable[Statement]] | None = None
    reads_bare: bool = False
    denies: bool = False
    is_existence: bool = False
    narrows: bool = False
    if_seeming: bool = False
    if_aimed: bool = False
    if_granted: bool = False
    of_captions: bool = True
    agrees_within: bool = False
    if_supposed: Literal["stands", "if shown", "if now", "if plain", "falls"] = "falls"
    by_boxes: bool = False
    bears_out_wider: Callable[[Statement, int, bool], bool] | None = None
    caption_fault: str | None = None

    def errors_of(self, claim: Claim) -> tuple[PlantedError, ...]:
        """The errors that a claim of this kind may be."""
        return self.suffers(claim) if self.suffers is not None else tuple(error for error, _ in self.plants)


def support(by_caption: bool, by_boxes: bool) -> ClaimVerdict:
    """Name who bears a claim out."""
    if by_caption and by_boxes:
        return "supported_by_both"
    return "supported_by_caption" if by_caption else "supported_by_boxes" if by_boxes else "unknown"


def needs_pixels(statement: Statement, _: Evidence) -> Ruling:
    """The verdict on a claim of which captions and boxes say nothing."""
    return "unknown", f"{statement.category}: only the picture can tell"


SURELY_NAMED = 2
"""A look-alike that so many captions call by its own name is what it is, and nobody takes it for another thing."""


_OF_EITHER = frozenset("bike bikes glass glasses".split())
"""Words of a category that look-alikes go by as well: a motorcycle is a bike."""


def doubt_of_absence(statement: Statement, evidence: Evidence) -> str | None:
    """Why a category without box and caption may be there all the same, or None."""
    category = statement.category
    if not evidence.is_looked_for(category):
        return "not everything is annotated here"
    if statement.is_unsure and not _is_meant(statement, evidence):
        return f"'{statement.word}' may mean something else"
    if evidence.is_busy and category in evidence.vocabulary.overlooked:
        return "the picture is busy, and small things are easily missed"
    whole = _PART_OF.get(category)
    if whole is not None and whole in evidence.boxes:
        return f"a {whole} has one"
    rivals = sorted(evidence.vocabulary.lookalikes.get(category, ()))
    shown = [
        name for name in rivals
        if (name in evidence.boxes or name in evidence.named)
        and (evidence.named.get(name, 0) < SURELY_NAMED or statement.word in _OF_EITHER)
    ]  # fmt: skip
    if shown:
        return f"{shown[0]} may be taken for it"
    return f"captions speak of '{evidence.open_words[category]}'" if category in evidence.open_words else None


_PART_OF = {"keyboard": "laptop"}
"""What is boxed as a part of another thing alone."""


def _is_meant(statement: Statement, evidence: Evidence) -> bool:
    """Whether an unsure word means its category here: a "bat" where captions speak of baseball, a new "bartender"."""
    rest = set(statement.category.split()) - {statement.word}
    is_new_person = statement.category == "person" and not statement.is_definite
    return is_new_person or (
        len(rest) < len(statement.category.split()) and bool(rest) and rest <= evidence.nouns.keys()
    )


def captions_agree(statement: Statement, evidence: Evidence) -> bool:
    """Whether a caption, or a sentence on a part, states the same, numbers aside."""
    return any(
        (other.kind, other.category, other.place, other.relation, other.others, other.value)
        == (
            statement.kind, statement.category, statement.place, statement.relation, statement.others, statement.value
        )
        for caption in (*evidence.told, *evidence.told_of_parts)
        for other in caption
    )  # fmt: skip


def is_the_same(statement: Statement, evidence: Evidence) -> bool:
    """Whether a text says of one thing what captions say of the only one they tell of."""
    own = [[one for one in said if (one.kind, one.category) == (statement.kind, statement.category)]
           for said in evidence.told]  # fmt: skip
    telling = [n for n, said in enumerate(own) if said]
    if statement.is_plural or not telling or any(one.is_plural for said in own for one in said):
        return False
    said = {stem(word) for word in statement.beside} - GENERAL - {stem(statement.word), stem(statement.category)}
    shared = max(len(said & evidence.stems[n]) for n in telling)
    return shared >= (1 if len(telling) >= AGREED else 2)


def boxes_meant(category: str, evidence: Evidence, size: int = 0) -> Sequence[BoxUnit]:
    """The boxes that "the dog" may mean: of several the largest, clearly where captions tell of one dog alone.

    Args:
        category: What is spoken of.
        evidence: Whose boxes.
        size: As in ``meant_of``.
    """
    is_one = is_about_one(category, evidence)
    return meant_of(evidence.boxes_of(category), size, TWICE if is_one else DOMINANT)


def is_about_one(category: str, evidence: Evidence) -> bool:
    """Whether captions are about one such thing, others perhaps standing by: it is what each names first."""
    first = [next((one for one in caption if one.category == category), None) for caption in evidence.told]
    told = [one for one in first if one is not None]
    return len(told) >= ALL_TELL and not any(one.is_plural or (one.number or 1) > 1 for one in told)


ALL_TELL, TWICE = 3, 2.0
"""Captions that tell of one such thing alone, from which on it is the largest if that is twice any other."""
AGREED = 2
"""Captions that tell of one thing alone, from which on that is the one a picture is about."""


def ask_yes_no(claim: Claim, question: str, error: PlantedError | None) -> Probed:
    """Put a claim as a yes/no question of the general form; yes agrees."""
    return Probed("statement", Probe(question, YES_NO, with_article(claim.category)), (0,), "statement", error)


def presence_question(name: str) -> str:
    """Ask whether a thing is there."""
    return f"Is there {with_article(name)} in the image?"


def ask_presence(name: str, is_there: bool = True) -> Probed:
    """Put it to a validator that a thing is there, or that it is not."""
    probe = Probe(presence_question(name), YES_NO, with_article(name))
    return Probed("presence", probe, (0,) if is_there else (1,), "presence", ABSENT_OBJECT)


_SPELLED = re.compile(r"[A-Z][A-Z-]")
"""How a word begins that has a capital wherever it stands: "TV", "T-shirt"."""
_SENTENCE_BEGINS = re.compile(r"(?:\A|[.!?:…]|\n)[\s\"'“‘«(*_#>-]*\Z")


def replaced(answer: str, start: int, end: int, said: str) -> str:
    """Put words in place of others, with a capital where those had one; that of "TV" inside a sentence is its own."""
    is_own = _SPELLED.match(answer, start, end) is not None and _SENTENCE_BEGINS.search(answer[:start]) is None
    return answer[:start] + (said if is_own else like(answer[start:end], said)) + answer[end:]


def like(before: str, after: str) -> str:
    """Begin with a capital where the text before did."""
    return after[:1].upper() + after[1:] if before[:1].isupper() else after


def turning(opposite: dict[str, str]) -> Plant:
    """Plants by replacing every word of a claim that has an opposite by it; None where there is none."""
    # What takes "up more" of the frame takes up less, not down.
    words = re.compile(
        rf"\b(?:{'|'.join(sorted(opposite, key=len, reverse=True))})\b(?! (?:\w+ )?(?:more|less)\b)", re.IGNORECASE
    )

    def turn(answer: str, claim: Claim, _: Spoiling) -> str | None:
        span = answer[claim.start : claim.end]
        turned = words.sub(lambda found: like(found[0], opposite[found[0].lower()]), span)
        return None if turned == span else replaced(answer, claim.start, claim.end, turned)

    return turn


def is_the(name: str) -> str:
    """Begin a question: "Is the dog", "Are the scissors"."""
    return f"{'Are' if is_plural_only(name) else 'Is'} the {name}"


def is_anybody(phrase: Phrase, clause: Clause) -> bool:
    """Whether people are spoken of in general: "it suits two people", "a risk for a child"."""
    if phrase.category != "person" or (phrase.is_definite and phrase.word != "person") or (
        SHOWN_AFTER.match(clause.source, phrase.end) is not None  # "parts of six people can be made out"
    ):  # fmt: skip
        return False
    sentence = clause.sentence
    at = bisect_left(sentence.starts, phrase.start) - 1
    word, tag = (sentence.words[at], sentence.tags[at]) if at >= 0 else ("", "X")
    if word == "by" and at and sentence.tags[at - 1] == "E" and phrase.is_counted:
        return False  # "she is helped by two children"
    if phrase.is_definite:  # "it lights up for the person who passes"
        return word == "for"
    return word in _IN_GENERAL or clause.source.startswith(_ANY, phrase.start) or (tag == "V" and word not in _SHOWING)


_IN_GENERAL = frozenset("for by to from of than like as per without requires needs where".split())
_ANY = ("every ", "any ")
_SHOWING = frozenset(
    "is are was were has have 's ’s shows show features feature depicts contains includes captures see sees count "
    "counts spot find notice".split()
)


ACTING = "acting"
"""Value of a presence that is told by what it does just now: "a boy is kneeling"."""


def verify_presence(statement: Statement, evidence: Evidence) -> Ruling:
    """A caption that names it, or a box, bears it out; the lack of both speaks against it where all is annotated."""
    category = statement.category
    n_captions, is_boxed = evidence.named.get(category, 0), category in evidence.boxes
    is_owned = not is_boxed and category in evidence.maybe_named and statement.value == ACTING
    is_new = not statement.is_definite and statement.word not in evidence.nouns  # "a boy" beside "a child's umbrella"
    if is_owned and is_new and doubt_of_absence(statement, evidence) is None:
        return "contradicted", f"{category}: text names one, captions only what belongs to one, and none is boxed"
    if n_captions or is_boxed:
        n_texts = len(evidence.told) + len(evidence.told_of_parts)
        texts = "captions and sentences on parts" if evidence.told_of_parts else "captions"
        said = [f"{n_captions} of {n_texts} {texts} name it"] * bool(n_captions)
        boxed = [f"boxes show {len(evidence.boxes.get(category, ()))}"] * is_boxed
        if statement.is_definite and not n_captions and evidence.told:
            boxed.append("no caption names it")
        return support(bool(n_captions), is_boxed), f"{category}: {' and '.join(said + boxed)}"
    doubt = doubt_of_absence(statement, evidence)
    if doubt:
        return "unknown", f"{category}: no box and no caption shows one, but {doubt}"
    return "contradicted", f"{category}: text names one, no box and no caption shows one"


def name_absent(answer: str, claim: Claim, spoiling: Spoiling) -> str | None:
    """Name a thing that is not there in place of one that is, and as likely beside the rest of the picture."""
    options = [name for name in spoiling.rivals(claim.category) if name not in PLURAL_ONLY and name not in UNCOUNTED]
    if not options:
        return None
    for mention in spoiling.lexicon.find(answer):
        if mention.category != claim.category or not claim.start <= mention.start < mention.end <= claim.end:
            continue
        other = spoiling.rng.choice(options)
        if mention.is_plural:
            return replaced(answer, mention.start, mention.end, plural(other))
        article = re.search(r"\b(an?) $", answer[: mention.start], re.IGNORECASE)
        if article is None:
            return replaced(answer, mention.start, mention.end, other)
        return replaced(answer, article.start(), mention.end, with_article(other))
    return None
