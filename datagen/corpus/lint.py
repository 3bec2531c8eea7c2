"""From annotated images to findings: what would harm the data, before a token is paid for.

Precise rather than complete: a sentence is judged only where its grammar is plain, a count only
where it is stated of the whole image, a place only where nobody would say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from datagen.geometry import Count, Place, Relation, contradicts_place, count_objects, doubled_pairs, relation_between
from datagen.lexicon import NUMBER_WORDS, PLURAL_ONLY, Lexicon, Mention, lexicon_for, plural
from datagen.records import AnnotatedImage, Box, Finding

_FLAGS = re.IGNORECASE | re.ASCII  # without ASCII, "ſix" would match "six" and find no number
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;]?")
_DENIAL = re.compile(r"\b(?:not?|none|never|neither|nor|without|instead|rather than|fewer|less)\b|n't\b", _FLAGS)

_NUMBERS = {word: number for number, word in enumerate(NUMBER_WORDS) if number >= 2}
_NOT_ADJECTIVES = (
    "and|or|of|in|on|at|to|with|by|for|from|near|over|under|up|is|are|was|were|has|have|the|an?|who|that|which|as|"
    "his|her|their|its|other|more|different|kinds?|types?|sets?|rows?|slices?|pieces?|bowls?|plates?|stacks?|bunch|"
    "bunches|groups?|boxes|baskets|parts?|tier|story|years?|months?|weeks?|days?|wheeled|legged|toy|fake|stuffed|painted|plastic|sitting|standing|people"
)
_COUNTED = re.compile(
    rf"(?P<before>[a-z,]*)\s*(?<![\w.,:/-])"
    rf"(?:(?P<single>an? single|only one|just one|exactly one)|(?P<couple>a couple(?: of)?)|(?P<pair>a pair of)|"
    rf"(?P<number>\d{{1,2}}|{'|'.join(_NUMBERS)})(?P<pairs> pairs? of)?)"
    rf"\s+(?P<adjectives>(?:(?!(?:{_NOT_ADJECTIVES}|{'|'.join(NUMBER_WORDS)})\b)[a-z-]+,?\s+){{0,3}})$",
    _FLAGS,
)
_ROUGH = frozenset(
    "about around nearly almost over roughly approximately or to than least most up maybe perhaps another".split()
)
"""Words before a number that make it no exact count."""
_PART = frozenset("the these those other of last first all both his her their its with".split())
"""Words before a number that may pick out some of the objects."""
_SELECTED = re.compile(r"\s+(?:who|that|which|on|in|at|to|of|with|behind|near|next|closest|beside|by)\b", _FLAGS)
_ENDS = re.compile(r"\s*(?:[.,;!?)]|$)")

_FRAME = r"(?: (?:of|in) (?:the|this) (?:image|picture|photo|photograph|frame|scene|view))"
_END = rf"(?:{_FRAME}|(?=\s*(?:[.,;!?)]|$)|\s+(?:and|while|with|is|are)\b))"
_SIDE_AFTER = re.compile(
    rf"\s+(?:(?:is|are|sits?|stands?|lies|sitting|standing|lying|appears?|rests?|resting|parked)\s+)?(?:over |far )?"
    rf"(?:on|at|in|to) the (?:far |very )?(?P<place>left|right|top|bottom|middle|cent(?:er|re))(?: side| edge)?{_END}",
    _FLAGS,
)
_RELATION_AFTER = re.compile(
    r"\s+(?:(?:is|are|sits?|stands?|lies|sitting|standing|lying|appears?|rests?|resting|parked|placed)\s+){0,2}"
    r"(?:just )?(?:(?:to|on) the (?P<side>left|right) of|(?P<level>above|below))\s+(?:the|an?)\s+(?:[a-z-]+\s+){0,2}$",
    _FLAGS,
)
_GOVERNED = re.compile(
    r"\b(?:of|in|on|at|to|with|by|for|from|near|over|under|behind|beside|above|below|beyond|against|into|onto|inside|"
    r"through|holding|riding|wearing|between|than|like)\s+(?:(?:the|an?|his|her|their|its|some|two|three)\s+)?"
    r"(?:[a-z-]+\s+){0,2}$",
    _FLAGS,
)
_PLACES: dict[str, Place] = {
    "left": "left", "right": "right", "top": "top", "bottom": "bottom",
    "middle": "middle", "center": "middle", "centre": "middle",
}  # fmt: skip
_OPPOSITE: dict[str, Relation] = {"left": "right of", "right": "left of", "above": "below", "below": "above"}


def lint_corpus(
    images: Iterable[AnnotatedImage],
    categories: Sequence[str],
    check_image: Callable[[AnnotatedImage], tuple[str, str] | None] | None = None,
) -> Iterator[Finding]:
    """Lint every image of a corpus.

    Images without captions (or boxes) are told last, and in one finding when none has any: a
    corpus of captions alone is not thousands of faults.

    Args:
        images: The corpus, in its order.
        categories: Its category names.
        check_image: Says what is wrong with an image's file, as (kind, sentence), such as
            ``("image_missing", ...)``; None leaves the pictures unread.
    """
    lexicon = lexicon_for(tuple(categories))
    lacking: dict[str, list[Finding]] = {"no_captions": [], "no_boxes": []}
    n_images = 0
    for image in images:
        n_images += 1
        fault = check_image(image) if check_image is not None else None
        if fault is not None:
            yield Finding(fault[0], image.image_id, fault[1])
        for finding in lint_image(image, lexicon):
            if finding.kind in lacking:
                lacking[finding.kind].append(finding)
            else:
                yield finding
    for kind, findings in lacking.items():
        if findings and len(findings) == n_images:
            yield Finding(kind, None, f"none of the {n_images} images has {kind.removeprefix('no_')}")
        else:
            yield from findings


def lint_image(image: AnnotatedImage, lexicon: Lexicon) -> Iterator[Finding]:
    """Find what is wrong or open in one image's annotations."""
    named = {category for caption in image.captions for category in lexicon.named(caption)}
    if not image.captions:
        yield Finding("no_captions", image.image_id, "no caption describes the image")
    if not image.boxes:
        names = f", though captions name {', '.join(sorted(named))}" if named else ""
        yield Finding("no_boxes", image.image_id, f"no object is boxed{names}")
    yield from _lint_boxes(image)
    if image.captions and image.boxes:
        boxed = dict.fromkeys(box.category for box in image.boxes)
        for category in boxed:
            if category not in named:
                yield Finding("box_never_captioned", image.image_id, f"{category} is boxed, no caption names it")
        for category in sorted(named):
            if category not in boxed:
                yield Finding("caption_names_unboxed", image.image_id, f"captions name {category}, no box shows one")
        for caption in image.captions:
            yield from lint_text(caption, image, lexicon)


def _lint_boxes(image: AnnotatedImage) -> Iterator[Finding]:
    for i, j, overlap in doubled_pairs(image.boxes):
        names = f"{image.boxes[i].category} and {image.boxes[j].category}"
        yield Finding("doubled_box", image.image_id, f"{names} are boxed around one object, IoU {overlap:.2f}")
    crowds = [box.category for box in image.boxes if box.is_crowd]
    for category in dict.fromkeys(crowds):
        n_regions = crowds.count(category)
        regions = "1 crowd region" if n_regions == 1 else f"{n_regions} crowd regions"
        yield Finding("crowd", image.image_id, f"{category}: {regions}, members not counted")


def lint_text(text: str, image: AnnotatedImage, lexicon: Lexicon) -> Iterator[Finding]:
    """Find counts and places in a text that the image's boxes contradict.

    Questions and denials ("there is no ...", "rather than ...") are passed over: a number in them
    is not a claim.

    Yields:
        ``caption_count_disagrees`` and ``caption_side_disagrees``.
    """
    if not image.boxes:
        return
    counts: dict[str, Count] | None = None
    for match in _SENTENCE.finditer(text):
        sentence = match[0]
        mentions = lexicon.find(sentence)
        if not mentions or sentence.endswith("?") or _DENIAL.search(sentence):
            continue
        counts = counts or count_objects(image.boxes)
        for detail in _wrong_counts(sentence, mentions, counts):
            yield Finding("caption_count_disagrees", image.image_id, f"{detail}: '{sentence.strip()}'")
        for detail in _wrong_places(sentence, mentions, image.boxes):
            yield Finding("caption_side_disagrees", image.image_id, f"{detail}: '{sentence.strip()}'")


def _wrong_counts(sentence: str, mentions: list[Mention], counts: dict[str, Count]) -> Iterator[str]:
    for mention in mentions:
        count = counts.get(mention.category)
        stated = _stated_count(sentence, mention) if count is not None else None
        if count is None or stated is None:
            continue
        number, is_all = stated
        n_times = sum(other.category == mention.category for other in mentions)
        if count.is_exact and number > count.at_least:
            yield f"{mention.category}: text says {number}, boxes show {count.at_least}"
        elif is_all and n_times == 1 and number < count.at_least:
            more = "" if count.is_exact else "at least "
            yield f"{mention.category}: text says {number}, boxes show {more}{count.at_least}"


def _stated_count(sentence: str, mention: Mention) -> tuple[int, bool] | None:
    """Number stated of a mention, and whether it is said of all such objects in the image."""
    match = _COUNTED.search(sentence, max(0, mention.start - 60), mention.start)
    rest = sentence[mention.end :]
    before = match["before"].lower() if match is not None else ""
    if match is None or mention.is_loose or rest.startswith(("'", "’")) or before.rstrip(",") in _ROUGH:
        return None
    if (match["pairs"] is not None) != (mention.category in PLURAL_ONLY):
        return None  # scissors come as "two pairs of scissors"; "a pair of scissors" is one and counts nothing
    number = _number_in(match)
    if mention.is_plural == (number == 1) and plural(mention.category) != mention.category:
        return None  # "two dog bowls" counts bowls
    is_all = before not in _PART and not match["adjectives"] and match["couple"] is None
    follows = _ENDS.match(rest) is not None if number == 1 else _SELECTED.match(rest) is None
    return number, is_all and follows


def _number_in(match: re.Match[str]) -> int:
    if match["single"]:
        return 1
    if match["couple"] or match["pair"]:
        return 2
    word = match["number"].lower()
    return _NUMBERS.get(word) or int(word)


def _wrong_places(sentence: str, mentions: list[Mention], boxes: tuple[Box, ...]) -> Iterator[str]:
    for n, mention in enumerate(mentions):
        if _GOVERNED.search(sentence, 0, mention.start):
            continue  # "a man with a dog on the left": who is on the left?
        side = _SIDE_AFTER.match(sentence, mention.end)
        own = [box.box_unit for box in boxes if box.category == mention.category]
        if side is not None and own:
            place = _PLACES[side["place"].lower()]
            if all(contradicts_place(box, place) for box in own):
                yield f"{mention.category}: text says {place}, no box is there"
        if n + 1 < len(mentions):
            yield from _wrong_relation(sentence, mention, mentions[n + 1], boxes)


def _wrong_relation(sentence: str, first: Mention, second: Mention, boxes: tuple[Box, ...]) -> Iterator[str]:
    between = _RELATION_AFTER.match(sentence, first.end, second.start)
    if between is None or first.category == second.category:
        return
    word = (between["side"] or between["level"]).lower()
    pairs = [
        relation_between(a.box_unit, b.box_unit)
        for a in boxes
        if a.category == first.category
        for b in boxes
        if b.category == second.category
    ]
    if pairs and all(_OPPOSITE[word] in relations for relations in pairs):
        yield f"{first.category} and {second.category}: text says {word}, every box lies the other way"
