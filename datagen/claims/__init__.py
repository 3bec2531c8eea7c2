"""The hallucination check by annotations: from turns to claims with verdicts, and what of a conversation they leave.

``kinds`` is the table of what can be claimed, a file each, in the form that ``kind`` asks for. ``grammar`` holds the
tables that all of them share, ``vocabulary`` a corpus's words; ``phrases``, ``clause`` and ``extract`` find what a text
states; ``verify`` holds it against captions and, with ``layout``, boxes; it holds the samples of one image
against each other, and those of one conversation. ``syntax`` tells word classes and noun phrases, ``coreference`` what
"it" stands for, ``generic`` what is said in general and so of nothing in the picture; ``other_languages`` reads turns
in five more languages, without a grammar.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from datagen.claims.coreference import Discourse
from datagen.claims.extract import gather_evidence, read_answer, read_turn
from datagen.claims.other_languages import reader_for, with_captions
from datagen.claims.verify import disagreement, settle_disagreements, verify, verify_all
from datagen.claims.vocabulary import claim_lexicon, unknown_names, vocabulary_for
from datagen.config import MAX_EXHAUSTIVE, ChecksSettings
from datagen.languages import ENGLISH
from datagen.records import AnnotatedImage, Claim, Drop, Turn

__all__ = [
    "claim_lexicon",
    "deniable",
    "first_contradiction",
    "gather_evidence",
    "is_exhaustive",
    "judge_turns",
    "read_answer",
    "read_turn",
    "settle_disagreements",
    "unknown_names",
    "verify",
    "vocabulary_for",
]


def judge_turns(
    turns: tuple[Turn, ...],
    image: AnnotatedImage,
    categories: tuple[str, ...],
    settings: ChecksSettings,
    language: str = ENGLISH,
) -> tuple[Turn, ...]:
    """Give every turn its claims, each with verdict and evidence.

    Args:
        turns: As parsed.
        image: The image they are about.
        categories: The corpus's category names.
        settings: Uses ``exhaustive`` and ``words``.
        language: Code of the language of the turns; none but English and those of ``other_languages`` have claims.
    """
    if language != ENGLISH:
        return _judge_in(language, turns, image, categories, settings)
    lexicon = claim_lexicon(categories, settings.words)
    evidence = gather_evidence(image, categories, settings.words, is_exhaustive=is_exhaustive(categories, settings))
    discourse = Discourse(lexicon)
    return tuple(
        replace(turn, claims=verify_all(read_turn(turn.question, turn.answer, lexicon, discourse), evidence))
        for turn in turns
    )


def _judge_in(
    language: str, turns: tuple[Turn, ...], image: AnnotatedImage, categories: tuple[str, ...], settings: ChecksSettings
) -> tuple[Turn, ...]:
    reader = reader_for(language)
    if reader is None or not categories:
        return turns
    evidence = gather_evidence(image, categories, settings.words, is_exhaustive=is_exhaustive(categories, settings))
    evidence = with_captions(evidence, image, language, reader)
    known = frozenset(categories)
    read = [reader.read_turn(turn.question, turn.answer, evidence) for turn in turns]
    return tuple(
        replace(turn, claims=verify_all((said for said in stated if said.category in known), evidence))
        for turn, stated in zip(turns, read, strict=True)
    )


def is_exhaustive(categories: tuple[str, ...], settings: ChecksSettings) -> bool:
    """Whether a category without a box is not in the picture."""
    if settings.exhaustive == "auto":
        return len(categories) <= MAX_EXHAUSTIVE
    return settings.exhaustive == "yes"


def deniable(image: AnnotatedImage, categories: tuple[str, ...], settings: ChecksSettings) -> tuple[str, ...]:
    """Categories that annotators looked for in an image: of no other can it be said that it is not there.

    Args:
        image: The annotated image.
        categories: The corpus's category names.
        settings: Uses ``exhaustive``.
    """
    unfinished = image.unfinished or ()
    looked_for = categories if is_exhaustive(categories, settings) else ()
    if image.absent is not UNSET:
        looked_for = image.absent
    return tuple(name for name in looked_for if name not in unfinished) if unfinished else looked_for


def first_contradiction(turns: tuple[Turn, ...]) -> tuple[int, Drop] | None:
    """The first turn that the annotations or the turns before it contradict, and how."""
    for n, turn in enumerate(turns):
        for claim in turn.claims:
            if claim.verdict == "contradicted":
                return n, Drop("checks", f"{claim.kind}_contradicted", f"turn {n + 1}: {_quoted(turn, claim)}")
        for m, earlier in enumerate(turns[: n + 1]):
            pair = disagreement(earlier.claims, turn.claims)
            if pair is not None:
                told, claim = pair
                if told.verdict == claim.verdict == "unknown":  # either may be the wrong one: both fall
                    detail = f"turn {m + 1}: {_quoted(earlier, told)} against turn {n + 1}: {_quoted(turn, claim)}"
                    return m, Drop("checks", "turns_disagree", detail)
                detail = f"turn {n + 1}: {_quoted(turn, claim)} against turn {m + 1}: {_quoted(earlier, told)}"
                return n, Drop("checks", "turns_disagree", detail)
    return None


def _quoted(turn: Turn, claim: Claim) -> str:
    text = turn.question if claim.in_question else turn.answer
    return f"'{text[claim.start : claim.end]}': {claim.evidence}"
