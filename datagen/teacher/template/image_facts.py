"""Facts of an image that may be stated as ground truth: the strict reading of its boxes and captions together.

Boxes overlook small things and captions are careless, so a fact stands here only when the boxes
carry it by the strict rules of ``geometry`` and no caption speaks against it.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from datagen.geometry import Count, count_objects, distinct_boxes, iou, unique_boxes
from datagen.lexicon import Lexicon, Mention, is_pair, is_plural_only, is_uncounted, lexicon_for, plural, singular_of
from datagen.records import AnnotatedImage, Box
from datagen.teacher.template.caption_reader import UNREAD
from datagen.teacher.template.captions import (
    Caption,
    agreed_colors,
    clean_caption,
    colors_of,
    content_of,
    is_slip,
    rank_captions,
    says_alone,
    stated_number,
    told_by,
    words_of,
)
from datagen.teacher.template.scenes import DENIABLE, SETTING_WORDS, WORLD, SceneSetting
from datagen.teacher.template.slips import is_english
from datagen.words import COCO_CATEGORIES, built_in_words

MIN_AREA = 0.001
"""Smaller objects (as shares of the image) are not counted, as people would argue: 18 x 18 pixels of a COCO photograph.
"The dog" must be twice as large, four times where no caption names a dog."""
MIN_SIDE = 0.005
"""Narrower boxes, and gaps to the edge of the frame, are nothing: 3 pixels of a COCO photograph."""
MAX_COUNT = 10
"""Above this, annotators stop counting well and readers stop checking."""
MANY = 5
"""From this number on, every one of the objects must be twice as large to be counted."""

_PIECES = re.compile(r"\b(?:slic|piece|bunch|pile|stack|cut|half|halves|chopped|pair)", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:no|without|not|zero|isn't|missing)(?: an?| any)?(?: \w+)? $", re.IGNORECASE)
_LIKE_AFTER = re.compile(
    r"[ -](?:shaped|themed|print(?:ed)?|statues?|figurines?|sculptures?|costumes?|decals?|logos?)\b", re.IGNORECASE
)
_LIKE_BEFORE = re.compile(
    r"\b(?:toy|fake|(?:statue|sculpture|painting|drawing|poster|mural|picture|image) of "
    r"(?:an?|the|some|two)(?: \w+)?) $",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"\b(?:to|towards?|from|near|past|outside|by|beside|overlooking|says?)\W+(?:an?|the)?\s*(?:\w+\s+)?$"
)
"""What stands before a place where the scene is not: "riding to the park"."""
_NEW = re.compile(r"\b(?:an?|another|one) (?:[a-z]+ (?:and [a-z]+ )?){0,2}$", re.IGNORECASE)
"""What stands before something that a caption had not told of: "a white dog bites a black dog" tells of two."""
_CROWD = re.compile(r"\b(?:crowd|bunch|lots|many|herd|flock)\b", re.IGNORECASE)
_COCO = frozenset(COCO_CATEGORIES)


class Action(Struct, frozen=True):
    """What a caption says someone does: "the man" "riding a wave on a surfboard"."""

    subject: str
    doing: str
    category: str


class Facts(Struct, frozen=True):
    """What may be said of one image.

    Attributes:
        captions: Fit to quote, best first.
        present: Categories that are surely shown, the largest first.
        unique: Categories shown exactly once, with their box: "the dog".
        exact: Categories with their exact number.
        at_least: Categories of which at least this many (2 or more) are shown, the number being open.
        boxes: Per category in ``present``, the boxes of its single objects.
        uncounted: Categories of which more than one is shown, their number being arguable.
        absent: Categories that are surely not shown and would not be out of place, likely ones first.
        setting: The kind of place, or None.
        setting_is_told: True when two captions name the place.
        names: Better words for a unique category, such as ``{"person": "woman"}``.
        colors: Colors of unique categories that captions agree on.
        actions: What captions agree that someone does.
    """

    captions: tuple[Caption, ...]
    present: tuple[str, ...]
    unique: dict[str, Box]
    exact: dict[str, int]
    at_least: dict[str, int]
    boxes: dict[str, tuple[Box, ...]]
    uncounted: frozenset[str]
    absent: tuple[str, ...]
    setting: SceneSetting | None
    setting_is_told: bool
    names: dict[str, str]
    colors: dict[str, str]
    actions: tuple[Action, ...]

    def name(self, category: str) -> str:
        """The word for a category: the captions' own for a unique person, else the category."""
        return self.names.get(category, category)

    def the(self, category: str) -> str:
        """A unique category as prose names it: "the woman"."""
        return f"the {self.name(category)}"

    def is_several(self, name: str) -> bool:
        """Whether more than one is surely shown, so that the plural is right."""
        is_many = is_plural_only(name) and not is_pair(name)  # "some grapes"
        return is_many or self.exact.get(name, 0) > 1 or name in self.at_least or name in self.uncounted

    def draw_absent(self, rng: random.Random, n: int) -> list[str]:
        """Draw categories to deny, the likelier ones more often."""
        pool = list(self.absent)
        drawn: list[str] = []
        while pool and len(drawn) < n:
            drawn.append(pool.pop(int(rng.random() ** 1.5 * len(pool))))
        return drawn


class _Reading(Struct):
    """What the captions say of one category.

    Attributes:
        n_naming: Captions that name it.
        floors: The least number that each naming caption implies.
        numbers: Numbers that captions state, as ``stated_number`` gives them.
        singular_only: Whether every naming caption speaks of one.
        words: The words used, in lower case.
        is_plural: Whether any naming caption speaks of several.
    """

    n_naming: int
    floors: list[int]
    numbers: list[int]
    singular_only: bool
    words: list[str]
    is_plural: bool = False

    @property
    def tells_of_several(self) -> bool:
        """Whether more than half of three or more captions that name it imply several."""
        return self.n_naming >= 3 and 2 * sum(floor > 1 for floor in self.floors) > self.n_naming


@lru_cache(maxsize=256)  # 1.2 ms an image, which is asked for several types; a reply takes 0.14 ms
def gather_facts(image: AnnotatedImage, deniable: tuple[str, ...] = COCO_CATEGORIES) -> Facts:
    """Read an image's boxes and captions into what may be said of it.

    Args:
        image: The annotated image.
        deniable: Categories that annotators looked for in it.
    """
    mentions = [_mentions(caption, image) for caption in image.captions]
    words = frozenset(word for caption in image.captions for word in words_of(caption))
    readings = _readings(image.captions, mentions)
    likenesses = {
        m.category for c, found in zip(image.captions, mentions, strict=True) for m in found if _is_likeness(c, m)
    }
    has_dishes = not WORLD.dishes.isdisjoint(words)
    boxes: dict[str, tuple[Box, ...]] = {}
    for box in sorted(distinct_boxes(image.boxes), key=lambda box: -box.area_unit):
        if (
            box.category not in likenesses
            and not _is_mistakable(box, readings, len(image.captions), has_dishes)
            and not _is_sliver(box)
        ):
            boxes[box.category] = (*boxes.get(box.category, ()), box)
    counts = count_objects(image.boxes, image.unfinished or ())
    exact = _exact_counts(image, counts, boxes, readings, words)
    least_area = {name: MIN_AREA * (4 if image.captions and name not in readings else 2) for name in boxes}
    unique = {
        name: box
        for name, box in unique_boxes(image).items()
        if name in exact and box.area_unit >= least_area[name] and not _is_cut_off(box)
    }
    at_least = _lower_bounds(counts, boxes, exact, readings)
    captions = _captions(image, mentions, counts, exact, deniable)
    present = tuple(name for name, found in boxes.items() if found[0].area_unit >= least_area[name])
    setting, is_told = _setting_of(image, boxes, words)
    return Facts(
        captions=captions,
        present=present,
        unique=unique,
        exact=exact,
        at_least=at_least,
        boxes=boxes,
        uncounted=_uncounted(boxes, {*exact, *at_least}, readings),
        absent=_absent(image, deniable, readings, words, setting),
        setting=setting,
        setting_is_told=is_told,
        names=_person_names(unique, readings),
        colors=_colors(captions, unique, readings),
        actions=_actions(captions, unique, readings),
    )


def _mentions(caption: str, image: AnnotatedImage) -> list[Mention]:
    found = lexicon_for(COCO_CATEGORIES).find(caption)
    found = [mention for mention in found if not is_negated(caption, mention)]
    for name in dict.fromkeys(box.category for box in image.boxes):
        if name not in _COCO:
            found += _lexicon_of(name).find(caption)
    return found


def is_negated(caption: str, mention: Mention) -> bool:
    """Whether a caption says that something is not there: "a bathroom with no toilets"."""
    return _NEGATED.search(caption, 0, mention.start) is not None


def _is_likeness(caption: str, mention: Mention) -> bool:
    """Whether a caption says that something only looks like it: "a motorcycle shaped pizza cutter"."""
    if mention.category in ("person", "teddy bear"):
        return False
    return bool(_LIKE_AFTER.match(caption, mention.end) or _LIKE_BEFORE.search(caption, 0, mention.start))


@lru_cache(maxsize=4096)
def _lexicon_of(name: str) -> Lexicon:
    return Lexicon((name,))


def _readings(captions: tuple[str, ...], mentions: list[list[Mention]]) -> dict[str, _Reading]:
    readings: dict[str, _Reading] = {}
    for caption, found in zip(captions, mentions, strict=True):
        floors: dict[str, dict[str, int]] = {}
        for mention in found:
            reading = readings.setdefault(mention.category, _Reading(0, [], [], True, []))
            word = caption[mention.start : mention.end].lower()
            number = _number_before(caption, mention)
            reading.words.append(word)
            reading.singular_only &= not mention.is_plural and number in (None, 1)
            reading.is_plural |= mention.is_plural
            if number is not None:
                reading.numbers.append(number)
            floor = max(
                abs(number or 1), 2 if mention.is_plural and mention.category not in ("skis", "scissors") else 1
            )
            floors.setdefault(mention.category, {})[word] = floor
        for category, by_word in floors.items():
            readings[category].n_naming += 1
            told = [mention for mention in found if mention.category == category]
            if category == "person" and re.search(r"\b(?:and|by|with|as)\b", caption):
                floor = sum(by_word.values())
            else:
                n_new = sum(category != "person" and bool(_NEW.search(caption, 0, one.start)) for one in told)
                floor = max(n_new, *by_word.values())
            readings[category].floors.append(floor)
    return readings


def _number_before(caption: str, mention: Mention) -> int | None:
    """The number that a caption states of what it mentions: "a pair of scissors" is one, "a pair of dogs" two."""
    before = words_of(caption[: mention.start])
    return 1 if is_pair(mention.category) and "pair" in before[-4:] else stated_number(before, len(before))


def _is_sliver(box: Box) -> bool:
    """Whether nothing of a box is inside the frame to speak of."""
    left, top, right, bottom = box.box_unit
    return min(right - left, bottom - top) < MIN_SIDE


def _is_cut_off(box: Box) -> bool:
    """Whether a small thing stands at the edge of the frame, which cuts off nobody knows how much of it."""
    left, top, right, bottom = box.box_unit
    return min(left, top, 1 - right, 1 - bottom) < MIN_SIDE and box.area_unit < 10 * MIN_AREA


def _is_mistakable(box: Box, readings: dict[str, _Reading], n_captions: int, has_dishes: bool) -> bool:
    """Whether annotators or a detector may have taken for this what captions, which do not name it, call otherwise."""
    name = box.category
    if name in readings:
        return False
    if name in WORLD.foods and has_dishes:
        return True
    is_large = box.area_unit > 100 * MIN_AREA
    if name in WORLD.animals and ((n_captions > 2 and is_large) or not WORLD.animals.isdisjoint(readings)):
        return True  # captions that tell of dogs would tell of a bird, too, and three of any large animal
    return any(name in group and not group.isdisjoint(readings) for group in WORLD.lookalikes)


def _exact_counts(
    image: AnnotatedImage,
    counts: dict[str, Count],
    boxes: dict[str, tuple[Box, ...]],
    readings: dict[str, _Reading],
    words: frozenset[str],
) -> dict[str, int]:
    exact = {}
    for name, count in counts.items():
        n = count.at_least
        if is_uncounted(name) or not count.is_exact or not 1 <= n <= MAX_COUNT or len(boxes.get(name, ())) != n:
            continue
        smallest = min(box.area_unit for box in boxes[name])
        if smallest < MIN_AREA * (2 if n >= MANY else 1) or _captions_object(name, n, readings.get(name)):
            continue
        if name == "person" and not WORLD.onlookers.isdisjoint(words) and n < 6:
            continue
        if n > 1 and name not in _COCO and is_pair(name):  # a box may hold one shoe or both
            continue
        if n > 1 and name in readings and any(map(_CROWD.search, image.captions)):
            continue
        if n > 1 and name in WORLD.arguable and not _is_countable(boxes[name], image.captions):
            continue
        exact[name] = n
    return exact


def _captions_object(name: str, n: int, reading: _Reading | None) -> bool:
    if reading is None:
        return False
    if name == "person" and n > 1 and reading.singular_only and reading.n_naming >= 3:
        return True  # the other may be on a poster, or a hand
    if name == "person" and n > 1 and min(reading.numbers, default=0) < 0:
        return True  # "a number of kids", some of whom nobody boxed
    if max(reading.floors) > n or any(number > 0 and number != n for number in reading.numbers):
        return True
    return n > 1 and name != "person" and reading.singular_only


def _is_countable(found: tuple[Box, ...], captions: tuple[str, ...]) -> bool:
    if len(found) > 3 or found[-1].area_unit < 10 * MIN_AREA or any(_PIECES.search(caption) for caption in captions):
        return False
    return all(iou(a.box_unit, b.box_unit) == 0 for n, a in enumerate(found) for b in found[:n])


def _lower_bounds(
    counts: dict[str, Count],
    boxes: dict[str, tuple[Box, ...]],
    exact: dict[str, int],
    readings: dict[str, _Reading],
) -> dict[str, int]:
    bounds = {}
    for name, found in boxes.items():
        n = min(MAX_COUNT, sum(box.area_unit >= MIN_AREA for box in found))
        reading = readings.get(name)
        is_doubted = False
        if reading is not None:
            n_fewer = sum(1 < number < n for number in reading.numbers)
            is_doubted = 2 * n_fewer > reading.n_naming  # captions of a crowd count some of the people only
            is_doubted |= reading.singular_only and (name != "person" or (reading.n_naming >= 3 and n <= 3))
            is_doubted |= name != "person" and n_fewer > 0
        is_doubted |= name not in _COCO and (is_uncounted(name) or is_pair(name))
        if n >= 2 and name not in exact and name not in WORLD.arguable and not is_doubted:
            bounds[name] = min(n, counts[name].at_least)
    return bounds


def _uncounted(boxes: dict[str, tuple[Box, ...]], counted: set[str], readings: dict[str, _Reading]) -> frozenset[str]:
    """Categories to name in the plural: boxed more than once and called several, or by most captions or three boxes.

    One box against captions that tell of two is a detector's, which boxes what it is sure of.
    """
    several = set()
    for name in boxes.keys() - counted:
        n = sum(box.area_unit >= MIN_AREA for box in boxes[name])
        reading = readings.get(name)
        is_boxed = n >= 3 and name not in WORLD.sliced
        if reading is None:
            is_told = len(boxes[name]) > 1 and name not in WORLD.arguable
        else:
            is_told = reading.tells_of_several or (len(boxes[name]) > 1 and reading.is_plural)
            is_boxed &= name != "person" or reading.n_naming < 3 or n > 3
        if is_boxed or is_told:
            several.add(name)
    return frozenset(several)


def _captions(
    image: AnnotatedImage,
    mentions: list[list[Mention]],
    counts: dict[str, Count],
    exact: dict[str, int],
    deniable: tuple[str, ...],
) -> tuple[Caption, ...]:
    """Captions fit to quote: each text once, none against more captions or, where every object is boxed, the boxes."""
    usable, voters = {}, []
    contradicted = set()
    spelled = [
        frozenset(form for word in words_of(raw) if is_english(word) for form in (word, singular_of(word)))
        for raw in image.captions
    ]
    names = {word for name in counts for word in words_of(name)}
    overruled = {
        name
        for name, reading in _readings(image.captions, mentions).items()
        if name in counts and counts[name].at_least == 1 and reading.tells_of_several
    }
    for n, (raw, found) in enumerate(zip(image.captions, mentions, strict=True)):
        others = names.union(*(words for m, words in enumerate(spelled) if m != n))
        caption = clean_caption(raw, frozenset(others))
        words = words_of(caption.text if caption else raw)
        categories = {word: m.category for m in found for word in words_of(raw[m.start : m.end])}
        caption = replace(
            caption or Caption(f"{n}: {raw}", UNREAD, words, frozenset(), colors_of(words)),
            content=content_of(words, categories),
            named=frozenset(mention.category for mention in found),
            numbers=_numbers(raw, found),
        )
        caption = replace(caption, told=told_by(caption))
        voters.append(caption)
        others_words = [words for m, words in enumerate(spelled) if m != n]
        if caption.text.startswith(f"{n}: ") or is_slip(caption, others_words, frozenset(names)):
            continue
        usable[caption.text] = caption
        if _is_denied(raw, found, counts, exact, overruled, deniable) or any(
            is_negated(raw, mention) and (mention.category in counts or _named_by_others(mention, n, mentions))
            for mention in lexicon_for(COCO_CATEGORIES).find(raw)
        ):
            contradicted.add(caption.text)
    return rank_captions(tuple(usable.values()), voters, frozenset(counts), frozenset(contradicted))


def _named_by_others(mention: Mention, n: int, mentions: list[list[Mention]]) -> bool:
    return any(other.category == mention.category for m, found in enumerate(mentions) if m != n for other in found)


def _is_denied(
    raw: str,
    found: list[Mention],
    counts: dict[str, Count],
    exact: dict[str, int],
    overruled: set[str],
    deniable: tuple[str, ...],
) -> bool:
    """Whether boxes contradict a number of a caption; they cannot where not every object is boxed.

    Nor where most captions tell of more than the single box that there is.
    """
    for mention in found:
        number, count = _number_before(raw, mention), counts.get(mention.category)
        if count is None or mention.category not in deniable:
            continue
        if says_alone(raw) and not mention.is_plural and mention.category == "person" and count.at_least > 2:
            return True
        speaks_of_one = number in (None, 1) and not mention.is_plural and not mention.is_loose
        if speaks_of_one and exact.get(mention.category, 0) > 1:
            return True
        is_lower = number is not None and number < count.at_least and mention.category in exact
        is_higher = number is not None and number > count.at_least and mention.category not in overruled
        if number is not None and number > 1 and not count.has_crowd and (is_higher or is_lower):
            return True
    return False


def _numbers(raw: str, found: list[Mention]) -> dict[str, tuple[float, float]]:
    """How many of each category a caption speaks of: "two dogs" are two, "a dog" is one, "dogs" are two or more."""
    numbers: dict[str, tuple[float, float]] = {}
    for name in dict.fromkeys(mention.category for mention in found if not mention.is_unsure):
        told = [mention for mention in found if mention.category == name]
        stated = [number for mention in told if (number := _number_before(raw, mention)) is not None]
        before = words_of(raw[: told[0].start])
        if exact := [number for number in stated if number > 0]:
            numbers[name] = (max(exact), max(exact) if len(exact) == len(told) == 1 else math.inf)
        elif stated or any(mention.is_plural for mention in told):
            numbers[name] = (3 if stated else 2, math.inf)
        elif len(told) == 1 and before and before[-1] not in ("of", "in", "on"):
            numbers[name] = (1, 1)
    return numbers


def _setting_of(
    image: AnnotatedImage, boxes: dict[str, tuple[Box, ...]], words: frozenset[str]
) -> tuple[SceneSetting | None, bool]:
    seen = {name for name, found in boxes.items() if found[0].area_unit >= 2 * MIN_AREA}
    lines = Counter(
        group
        for caption in image.captions
        for group in {
            match.lastgroup
            for match in SETTING_WORDS.finditer(caption.lower())
            if not _BESIDE.search(caption.lower(), 0, match.start())
        }
    )
    best: tuple[int, SceneSetting | None, bool] = (2, None, False)
    for n, setting in enumerate(WORLD.settings):
        n_told = lines[f"s{n}"]
        n_signs = len(setting.signs & seen)
        score = 2 * n_told + n_signs
        if score > best[0] and (n_told or n_signs >= 3):
            best = (score, setting, n_told >= 2)
    return best[1], best[2] and words.isdisjoint(("toy", "toys", "miniature", "lego", "diorama", "painting", "cartoon"))


def _absent(
    image: AnnotatedImage,
    deniable: tuple[str, ...],
    readings: dict[str, _Reading],
    words: frozenset[str],
    setting: SceneSetting | None,
) -> tuple[str, ...]:
    boxed = {box.category for box in image.boxes}
    if boxed.isdisjoint(_COCO):
        return ()
    shown = boxed | readings.keys()
    n_people = sum(box.category == "person" for box in image.boxes)
    is_busy = len(image.boxes) > 20 or any(box.is_crowd for box in image.boxes) or not words.isdisjoint(WORLD.clutter)
    likely = setting.unlikely if setting else WORLD.food_distractors if len(boxed & WORLD.foods) >= 2 else ()
    absent: list[str] = []
    for name in dict.fromkeys((*likely, *WORLD.distractors)):
        if len(absent) >= MANY and name not in likely:
            break
        rivals, doubtful = DENIABLE[name]
        if name not in deniable or name in shown or not rivals.isdisjoint(shown) or not doubtful.isdisjoint(words):
            continue
        if (is_busy and name not in WORLD.big) or (n_people >= MANY and name in WORLD.held):
            continue
        absent.append(name)
    return tuple(absent)


def _person_names(unique: dict[str, Box], readings: dict[str, _Reading]) -> dict[str, str]:
    reading = readings.get("person")
    if "person" not in unique or reading is None:
        return {}
    word, n = Counter(reading.words).most_common(1)[0]
    words = built_in_words()
    is_known = any(word in table.get("person", ()) for table in (words.synonyms, words.kinds, words.unsure))
    is_generic = word in ("adult", "individual", "someone", "people", "kid")
    fits = n >= 2 and 2 * n > len(reading.words) and is_known and plural(word) != word
    return {"person": word} if fits and not is_generic else {}


def _colors(captions: tuple[Caption, ...], unique: dict[str, Box], readings: dict[str, _Reading]) -> dict[str, str]:
    agreed = agreed_colors(captions)
    found = {}
    for name in unique:
        words = set(readings[name].words) if name in readings and name != "person" else set()
        told = {agreed[noun] for noun in words & agreed.keys()}
        if len(told) == 1:  # a red "bike" that others call a blue "bicycle" has no sure color
            found[name] = " and ".join(told.pop())
    return found


def _actions(
    captions: tuple[Caption, ...], unique: dict[str, Box], readings: dict[str, _Reading]
) -> tuple[Action, ...]:
    found = []
    stems = Counter(stem for caption in captions for stem in {word[:4] for word in caption.words})
    for caption in captions:
        reading, doing = caption.reading, caption.doing
        if doing is None or not reading.is_one or caption.words[0] not in ("a", "an", "the"):
            continue
        doer = lexicon_for(COCO_CATEGORIES).find(reading.doer)
        if not doer or doer[0].category not in {"person"} | WORLD.animals:
            continue
        if stems[doing[:4]] < min(2, len(captions)):
            continue
        if doer[0].category in unique and readings[doer[0].category].singular_only:
            found.append(Action(reading.doer, doing, doer[0].category))
    return tuple(found)
