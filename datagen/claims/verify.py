"""From one statement and an image's annotations to a claim with its verdict and evidence.

``contradicted`` is said only where nobody would object: an open count, a word with two senses, a
look-alike or a busy picture leave the claim unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from datagen.claims.clause import Statement
from datagen.claims.extract import read_captions
from datagen.claims.kind import Evidence, Ruling, support
from datagen.claims.kinds import kind_of
from datagen.claims.syntax import singular, stem
from datagen.claims.vocabulary import vocabulary_for
from datagen.geometry import count_objects
from datagen.records import AnnotatedImage, BoxUnit, Claim
from datagen.words import NO_WORDS, Words

NOTICED_AREA = 0.001
"""Smaller objects (as shares of the image) are boxed, but a person would not count them."""
BUSY = 20
"""From this many boxes on a picture is busy, and small things are missed."""
ONE_OR_SO = 2
"""Up to so many things of several categories somebody may still call the only one: one may be a double."""
_WORDS = re.compile(r"[a-z]+")


@lru_cache(maxsize=256)
def gather_evidence(
    image: AnnotatedImage,
    categories: tuple[str, ...],
    words: Words = NO_WORDS,
    *,
    is_exhaustive: bool,
    with_captions: bool = True,
) -> Evidence:
    """Read an image's annotations once, for all claims about it.

    Args:
        image: The annotated image.
        categories: The corpus's category names.
        words: Laid over the built-in words.
        is_exhaustive: Annotators boxed everything that belongs to a category.
        with_captions: False holds claims against the boxes alone.
    """
    vocabulary = vocabulary_for(categories, words)
    lexicon = vocabulary.lexicon
    boxes: dict[str, list[BoxUnit]] = {}
    noticed: dict[str, int] = {}
    for box in image.boxes:
        boxes.setdefault(box.category, []).append(box.box_unit)
        noticed[box.category] = noticed.get(box.category, 0) + (box.area_unit >= NOTICED_AREA)
    captions = image.captions if with_captions else ()
    named: dict[str, int] = {}
    open_words: dict[str, str] = {}
    shown: set[str] = set()
    mentioned: list[set[str]] = []
    for caption in captions:
        mentions = lexicon.find(caption)
        mentioned.append({mention.category for mention in mentions})
        for category in mentioned[-1]:
            named[category] = named.get(category, 0) + 1
        shown.update(m.category for m in mentions if not caption.startswith(("'", "’"), m.end))
        for word in _WORDS.findall(caption.lower()):
            members = vocabulary.hints.get(word, ())
            if boxes.keys().isdisjoint(members):  # else the "food" is what is boxed
                for category in members:
                    open_words.setdefault(category, word)
    said = tuple(frozenset(map(singular, _WORDS.findall(caption.lower()))) for caption in captions)
    return Evidence(
        counts=count_objects(image.boxes),
        boxes=boxes,
        noticed=noticed,
        told=read_captions(captions, lexicon),
        named=named,
        open_words=open_words,
        nouns=Counter(noun for caption in said for noun in caption),
        words=said,
        stems=tuple(
            frozenset(map(stem, (*nouns, *categories))) for nouns, categories in zip(said, mentioned, strict=True)
        ),
        owners=frozenset(named.keys() - shown),
        is_decided=is_exhaustive and bool(image.boxes),
        is_busy=len(image.boxes) >= BUSY,
        vocabulary=vocabulary,
    )


def verify(statement: Statement, evidence: Evidence) -> Claim:
    """Hold one statement against the annotations."""
    statement = _as_annotated(statement, evidence)
    if statement.category not in evidence.vocabulary.names and statement.category in evidence.vocabulary.hypernyms:
        verdict, reason = _verify_wider(statement, evidence)
    else:
        verdict, reason = kind_of(statement.kind).verify(statement, evidence)
    if verdict == "contradicted" and not statement.is_firm:
        verdict, reason = "unknown", f"{reason}; the wording leaves it open whether this is claimed"
    return Claim(
        statement.kind, statement.category, statement.start, statement.end, verdict, reason, statement.number,
        statement.comparison, statement.place, statement.relation, statement.others, statement.in_question,
        statement.value,
    )  # fmt: skip


def _as_annotated(statement: Statement, evidence: Evidence) -> Statement:
    """A statement under the annotations' name: "the animals" are cows where only cows are boxed."""
    category = statement.category
    if category in evidence.boxes or category in evidence.named or not statement.is_definite:
        return statement
    members = evidence.vocabulary.hypernyms.get(category) if category not in evidence.vocabulary.names else None
    if members is not None:
        shown = [name for name in members if name in evidence.boxes]
        if kind_of(statement.kind).bears_out_wider is not None:
            return statement
    else:
        shown = [name for name in evidence.boxes if name.endswith(f" {category}")]
    return replace(statement, category=shown[0]) if len(shown) == 1 else statement


def _verify_wider(statement: Statement, evidence: Evidence) -> Ruling:
    """A word that stands for several categories can only be borne out."""
    members = evidence.vocabulary.hypernyms[statement.category]
    shown = [name for name in members if name in evidence.boxes]
    told = [name for name in (*members, statement.category) if name in evidence.named]
    n_shown = sum(evidence.counts[name].at_least for name in shown)
    kind = kind_of(statement.kind)
    if kind.denies and statement.is_firm:
        seen = [name for name in shown if evidence.noticed[name] and evidence.counts[name].at_least]
        if seen:
            return "contradicted", f"{statement.category}: text says there is none, boxes show {seen[0]}"
    if statement.comparison == "exact" and statement.number == 1 and statement.is_firm and n_shown > ONE_OR_SO:
        return "contradicted", f"{statement.category}: text says 1, boxes show {' and '.join(shown)}"
    bears_out = kind.bears_out_wider
    if bears_out is not None and bears_out(statement, n_shown, bool(shown or told)):
        return support(bool(told), bool(shown)), f"{' and '.join(dict.fromkeys([*shown, *told]))} may be meant"
    return "unknown", f"'{statement.category}' may stand for several categories"


def verify_all(statements: Iterable[Statement], evidence: Evidence) -> tuple[Claim, ...]:
    """Verify statements in reading order, each saying once."""
    return tuple(dict.fromkeys(verify(statement, evidence) for statement in statements))
