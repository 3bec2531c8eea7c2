"""From what a set was counted to hold to sentences on what it lacks, each with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

FEWEST = 50
"""Turns, or answers of a sort, below which no share is worth a sentence."""
RARE = 0.02
"""Share of the turns below which a kind of question is as good as missing."""
EVEN = (0.4, 0.6)
"""Share of yes among yes/no answers outside which a model learns to guess."""
COMMON_OPENING = 0.3
"""Share of a type's texts with one opening from which it is a habit."""
SMALL_COUNT = 3
MOSTLY = 0.9
"""Share of exact counts up to ``SMALL_COUNT`` from which counts are always small."""
NARROW = 0.25
"""Span from the 10th to the 90th percentile of answer lengths, over the median, below which all are alike."""
SIDES = ("left", "right", "top", "bottom", "middle")
LOPSIDED = 0.65
"""Share of one side of a pair from which it is favoured."""
FEW_DENIED = 0.5
"""Share of the categories below which absences follow a habit that a model can learn."""
_NAMED = 8  # categories that one sentence names


class Lengths(Struct, frozen=True):
    """Words in the answers of one response type: how many answers, and percentiles."""

    n_answers: int
    p10: int
    p50: int
    p90: int


class Seen(Struct, frozen=True):
    """What was counted in accepted turns.

    Attributes:
        kinds: Turns per kind of question, zeros included.
        polarities: Answers to yes/no questions.
        numbers: Exact counts by number.
        places: Claims that put a thing somewhere, by place.
        relations: Claims of a relation, by relation.
        n_categories: Of the corpus.
        denied: How often each category is said to be absent.
        never_stated: Categories that no turn says are there, with the images that box them.
        question_openings: Per response type the commonest opening, how often, of how many.
        answer_openings: The same of answers.
    """

    n_turns: int
    kinds: Mapping[str, int]
    polarities: Mapping[str, int]
    numbers: Mapping[int, int]
    places: Mapping[str, int]
    relations: Mapping[str, int]
    n_categories: int
    denied: Mapping[str, int]
    never_stated: Mapping[str, int]
    question_openings: Mapping[str, tuple[str, int, int]]
    answer_openings: Mapping[str, tuple[str, int, int]]
    lengths: Mapping[str, Lengths]


def what_is_lacking(seen: Seen) -> list[str]:
    """Say what a set lacks, worst first in each matter; shares are judged from ``FEWEST`` turns on."""
    if seen.n_turns < FEWEST:
        return [f"Only {seen.n_turns} turns were accepted, too few to say what is missing."]
    return [
        *_categories(seen), *_kinds(seen), *_yes(seen), *_counts(seen), *_sides(seen), *_openings(seen), *_lengths(seen)
    ]  # fmt: skip


def _categories(seen: Seen) -> Iterator[str]:
    boxed = sorted(
        (name for name, n in seen.never_stated.items() if n), key=lambda name: (-seen.never_stated[name], name)
    )
    unboxed = [name for name, n in seen.never_stated.items() if not n]
    of = f"of {seen.n_categories} categories"
    if boxed:
        told = [f"{name} (boxed on {_counted(seen.never_stated[name], 'image')})" for name in boxed]
        yield f"{len(boxed)} {of} are boxed, but no answer says that one is there: {_few(told)}."
    if unboxed:
        yield f"{len(unboxed)} {of} have no box in this corpus, and no answer says that one is there: {_few(unboxed)}."
    denied, total = {name: n for name, n in seen.denied.items() if n}, sum(seen.denied.values())
    if total >= FEWEST and len(denied) < FEW_DENIED * seen.n_categories:
        most = min(denied, key=lambda name: (-denied[name], name))
        yield f"Only {len(denied)} {of} are ever said to be absent, {most} {_percent(denied[most], total)} of the time."


def _kinds(seen: Seen) -> Iterator[str]:
    kinds = {kind: n for kind, n in seen.kinds.items() if kind != "other"}
    missing = [kind for kind, n in kinds.items() if not n]
    rare = sorted((kind for kind, n in kinds.items() if 0 < n < RARE * seen.n_turns), key=lambda kind: kinds[kind])
    if missing:
        yield f"Kinds of question never asked: {', '.join(missing)}."
    if rare:
        told = ", ".join(f"{kind} ({_percent(kinds[kind], seen.n_turns)})" for kind in rare)
        yield f"Kinds of question under {100 * RARE:.0f} % of the turns: {told}."


def _yes(seen: Seen) -> Iterator[str]:
    yes, no = seen.polarities.get("yes", 0), seen.polarities.get("no", 0)
    low, high = EVEN
    if yes + no >= FEWEST and not low <= yes / (yes + no) <= high:
        yield (
            f"{_percent(yes, yes + no)} of {yes + no} yes/no answers say yes, where {100 * low:.0f} to "
            f"{100 * high:.0f} % is even."
        )


def _counts(seen: Seen) -> Iterator[str]:
    total = sum(seen.numbers.values())
    small = sum(n for number, n in seen.numbers.items() if number <= SMALL_COUNT)
    if total >= FEWEST and small >= MOSTLY * total:
        yield (
            f"Counts are small: {_percent(small, total)} of {total} exact counts are {SMALL_COUNT} or less, "
            f"the largest is {max(seen.numbers)}{' or more' if max(seen.numbers) >= 10 else ''}."
        )


def _sides(seen: Seen) -> Iterator[str]:
    total = sum(seen.places.values())
    if total >= FEWEST:
        never = [side for side in SIDES if not any(side in place.split() for place in seen.places)]
        if never:
            yield f"Of {total} places told none is {_either(never)}."
    for pair, counts in ((("left", "right"), seen.places), (("top", "bottom"), seen.places),
                         (("left of", "right of"), seen.relations), (("above", "below"), seen.relations)):  # fmt: skip
        yield from _lopsided(pair, [counts.get(one, 0) for one in pair])


def _lopsided(pair: tuple[str, str], counts: list[int]) -> Iterator[str]:
    total = sum(counts)
    if total < FEWEST or max(counts) < LOPSIDED * total or not min(counts):
        return
    more = counts.index(max(counts))
    yield f"'{pair[more]}' is said {counts[more]} times, '{pair[1 - more]}' only {counts[1 - more]} times."


def _openings(seen: Seen) -> Iterator[str]:
    for what, openings in (("questions", seen.question_openings), ("answers", seen.answer_openings)):
        for name, (words, n, total) in openings.items():
            if total >= FEWEST and n >= COMMON_OPENING * total:
                yield f"{_percent(n, total)} of the {name} {what} open with '{words}'."


def _lengths(seen: Seen) -> Iterator[str]:
    for name, one in seen.lengths.items():
        if one.n_answers >= FEWEST and one.p90 - one.p10 < NARROW * one.p50:
            yield f"Answers of {name} are all of one length: 80 % have {one.p10} to {one.p90} words."


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
