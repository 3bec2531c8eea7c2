"""From the stream of finished samples to the ``diversity`` record of ``summary.json``."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from datagen.claims.kinds import kind_of
from datagen.diversity.kinds import ALL_KINDS, polarity, question_kind
from datagen.diversity.lacking import Lengths, Seen, what_is_lacking
from datagen.records import AnnotatedImage, Claim, Sample, Turn

LENGTH_EDGES = (1, 3, 5, 8, 12, 17, 24, 34, 48, 68, 96, 136, 192)
"""Fewest words of each bar of the histogram of answer lengths: half octaves."""
N_LISTED = 12
"""Openings, and categories of each list, that the record names."""
_WORD = re.compile(r"[\w'’-]+")
_N_OPENINGS = 2048
"""Openings counted at a time; when there are more, the rarer half is forgotten."""
_LONGEST = 2000  # longer answers count as this many words
_MANY = 10  # counts from here on are one row
_MOST_CATEGORIES = 200  # categories that the record names, of corpora with thousands


class Diversity:
    """Counts what accepted samples ask and say; memory does not grow with their number.

    Args:
        categories: The corpus's category names; none leaves categories, counts and sides out.
        boxed: On how many images each category has a box.
    """

    def __init__(self, categories: Collection[str] = (), boxed: Mapping[str, int] | None = None) -> None:
        self._categories = tuple(categories)
        self._boxed = dict(boxed or {})
        self._kinds: Counter[str] = Counter()
        self._polarities: Counter[str] = Counter()
        self._questions: dict[str, Openings] = defaultdict(Openings)
        self._answers: dict[str, Openings] = defaultdict(Openings)
        self._lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self._turns_of: Counter[int] = Counter()
        self._stated: Counter[str] = Counter()
        self._denied: Counter[str] = Counter()
        self._numbers: Counter[int] = Counter()
        self._places: Counter[str] = Counter()
        self._relations: Counter[str] = Counter()

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass samples through while counting the accepted ones."""
        for sample in samples:
            self.add(sample)
            yield sample

    def add(self, sample: Sample) -> None:
        """Count one sample; a rejected one counts nothing."""
        if sample.status != "accepted":
            return
        self._turns_of[min(len(sample.turns), _MANY)] += 1
        for turn in sample.turns:
            self._add_turn(turn, sample.response_type)

    def _add_turn(self, turn: Turn, response_type: str) -> None:
        self._kinds[question_kind(turn.question)] += 1
        told = polarity(turn.question, turn.answer)
        if told is not None:
            self._polarities[told] += 1
        self._questions[response_type].add(turn.question)
        self._answers[response_type].add(turn.answer)
        self._lengths[response_type][min(len(turn.answer.split()), _LONGEST)] += 1
        for claim in {_meaning(one): one for one in turn.claims}.values():  # told twice in a turn is told once
            self._add_claim(claim)

    def _add_claim(self, claim: Claim) -> None:
        (self._denied if kind_of(claim.kind).denies else self._stated)[claim.category] += 1
        if claim.comparison == "exact" and claim.number is not None:
            self._numbers[min(claim.number, _MANY)] += 1
        if claim.place is not None:
            self._places[claim.place] += 1
        if claim.relation is not None:
            self._relations[claim.relation] += 1

    def as_dict(self) -> dict[str, Any]:
        """The record: numbers of turns by what they ask and say, and sentences on what the set lacks."""
        lengths = sum(self._lengths.values(), Counter[int]())
        never = tuple(name for name in self._categories if not self._stated[name])
        return {
            "turns": lengths.total(),
            "turns_per_sample": {_at_least(n): self._turns_of[n] for n in sorted(self._turns_of)},
            "question_kinds": {kind: self._kinds[kind] for kind in ALL_KINDS},
            "yes_no": {told: self._polarities[told] for told in ("yes", "no", "unclear")},
            "question_openings": _merged(self._questions.values()),
            "answer_openings": _merged(self._answers.values()),
            "answer_words": {
                **{f"p{share}": quantile(lengths, share / 100) for share in (5, 25, 50, 75, 95)},
                "histogram": _histogram(lengths),
            },
            "categories": {
                "in_corpus": len(self._categories),
                "stated": len(self._categories) - len(never),
                "denied": sum(1 for name in self._categories if self._denied[name]),
                "most_stated": self._told_of(_top(self._stated, self._categories)),
                "never_stated": list(never[:_MOST_CATEGORIES]),
            },
            "counts": {_at_least(n): self._numbers[n] for n in sorted(self._numbers)},
            "places": _ranked(self._places),
            "relations": _ranked(self._relations),
            "lacks": what_is_lacking(self._seen(lengths, never)),
        }  # fmt: skip

    def _told_of(self, names: Iterable[str]) -> dict[str, dict[str, int]]:
        return {
            name: {"stated": self._stated[name], "denied": self._denied[name], "boxed": self._boxed.get(name, 0)}
            for name in names
        }

    def _seen(self, lengths: Counter[int], never: tuple[str, ...]) -> Seen:
        return Seen(
            n_turns=lengths.total(),
            kinds={kind: self._kinds[kind] for kind in ALL_KINDS},
            polarities=dict(self._polarities),
            numbers=dict(self._numbers),
            places=dict(self._places),
            relations=dict(self._relations),
            n_categories=len(self._categories),
            denied={name: self._denied[name] for name in self._categories},
            never_stated={name: self._boxed.get(name, 0) for name in never},
            question_openings={name: _commonest(one) for name, one in sorted(self._questions.items())},
            answer_openings={name: _commonest(one) for name, one in sorted(self._answers.items())},
            lengths={
                name: Lengths(one.total(), quantile(one, 0.1), quantile(one, 0.5), quantile(one, 0.9))
                for name, one in sorted(self._lengths.items())
            },
        )


class Openings:
    """Counts the first two words of texts; rare ones are forgotten rather than all kept.

    What is common is counted to within one part in a thousand.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.n_texts = 0

    def add(self, text: str) -> None:
        """Count one text."""
        words = _WORD.findall(text[:40].lower())[:2]
        self.counts[" ".join(words)] += 1
        self.n_texts += 1
        if len(self.counts) > _N_OPENINGS:
            self.counts = Counter(dict(self.counts.most_common(_N_OPENINGS // 2)))


def boxed_images(images: Iterable[AnnotatedImage]) -> Counter[str]:
    """On how many images each category has a box."""
    counts: Counter[str] = Counter()
    for image in images:
        counts.update({box.category for box in image.boxes})
    return counts


def quantile(counts: Mapping[int, int], share: float) -> int:
    """The value that ``share`` of the counted values do not exceed; 0 when there are none."""
    left = share * sum(counts.values())
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return 0


def _histogram(lengths: Mapping[int, int]) -> dict[str, int]:
    """Number of answers per class of length, in words; up to the longest class that has one."""
    classes: Counter[int] = Counter()
    for length, number in lengths.items():
        classes[max(0, bisect_right(LENGTH_EDGES, length) - 1)] += number
    names = [f"{low}-{high - 1}" for low, high in pairwise(LENGTH_EDGES)]
    names.append(f"{LENGTH_EDGES[-1]} or more")
    return {names[n]: classes[n] for n in range(max(classes, default=-1) + 1)}


def _top(counts: Counter[str], names: Collection[str]) -> list[str]:
    known = sorted((name for name in names if counts[name]), key=lambda name: (-counts[name], name))
    return known[:N_LISTED]


def _merged(openings: Iterable[Openings]) -> dict[str, int]:
    every: Counter[str] = Counter()
    for one in openings:
        every.update(one.counts)
    return dict(sorted(every.items(), key=lambda item: (-item[1], item[0]))[:N_LISTED])


def _commonest(openings: Openings) -> tuple[str, int, int]:
    word, number = min(openings.counts.items(), key=lambda item: (-item[1], item[0]))
    return word, number, openings.n_texts


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _meaning(claim: Claim) -> tuple[object, ...]:
    return claim.kind, claim.category, claim.number, claim.place, claim.relation, claim.value


def _at_least(number: int) -> str:
    return f"{number} or more" if number == _MANY else str(number)
