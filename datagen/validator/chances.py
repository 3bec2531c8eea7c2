"""Reads the chances of a question's possible answers from a chat completion, by its log-probabilities or its words."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from datagen.endpoint.chat_completion import CompletionChoice
from datagen.words import NUMBER_WORDS

_FLOOR = 1e-4  # chance of an answer that was not among the words told
_ENOUGH = 0.5
"""Share of belief that must lie on words which begin answers, where the word that was said begins none: of "The dog is
on the left" the first word could have been "Right" with 0.3 %, which tells nothing of the dog."""
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_ENDED = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_SAME = {**{str(n): word for n, word in enumerate(NUMBER_WORDS)}, "top": "upper", "bottom": "lower"}
"""Words that models say for those of our answers."""
_SAME_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(_SAME)})(?!\w)")


class Alternative(Struct):
    """A token that could have stood at a place, with its log-probability in nats."""

    token: str
    logprob: float


class Token(Struct):
    """A token that was said, and the likeliest ones at its place."""

    token: str
    logprob: float = 0.0
    top_logprobs: list[Alternative] = []


class Logprobs(Struct):
    """What the endpoint tells of the words of its reply."""

    content: list[Token] | None = None


def read_chances(choice: CompletionChoice, answers: tuple[str, ...]) -> tuple[float, ...] | None:
    """How a model shares belief among the answers that it was given.

    Returns:
        One chance per answer, together 1; None when the reply names none of them.
    """
    weights = _weights_from_words(_tokens_of(choice), answers) or _weights_from_reply(choice.message.text, answers)
    if weights is None:
        return None
    weights = [max(weight, _FLOOR) for weight in weights]
    return tuple(round(weight / sum(weights), 6) for weight in weights)


def _tokens_of(choice: CompletionChoice) -> Sequence[Token]:
    """What is told of the words; nothing where the server tells it in a form of its own."""
    try:
        told = msgspec.convert(choice.logprobs, Logprobs | None)
    except msgspec.ValidationError:
        return ()
    return (told.content if told else None) or ()


def _weights_from_words(tokens: Sequence[Token], answers: tuple[str, ...]) -> list[float] | None:
    """Follow the words that were said, and share belief wherever words tell answers apart; None when none does."""
    weights = [0.0] * len(answers)
    belief, alive, said = 1.0, tuple(range(len(answers))), ""
    for token in tokens:
        shares: defaultdict[tuple[int, ...], float] = defaultdict(float)
        for alternative in token.top_logprobs:
            shares[_meant(said + alternative.token, answers, alive)] += math.exp(min(0.0, alternative.logprob))
        shares.pop((), None)  # words that begin no answer
        total = sum(shares.values())
        if not total:  # -9999 stands for what a server holds impossible
            shares.clear()
        chosen = _meant(said + token.token, answers, alive)
        if not chosen and total < _ENOUGH:
            return None
        goes_on = len(chosen) > 1
        for meant, share in shares.items():
            for n in () if goes_on and meant == chosen else meant:
                weights[n] += belief * share / total / len(meant)
        if not goes_on:
            return weights if any(weights) else None
        belief *= shares[chosen] / total if total else 1.0
        alive, said = chosen, said + token.token
    if len(alive) == len(answers):
        return None
    for n in alive:
        weights[n] += belief / len(alive)
    return weights


def _meant(text: str, answers: tuple[str, ...], alive: tuple[int, ...]) -> tuple[int, ...]:
    """The answers that a text may be the beginning of; one alone when it is that answer ("one", "one hundred")."""
    begun = _plain(text)
    exact = tuple(n for n in alive if _plain(answers[n]) == begun)
    return exact or tuple(n for n in alive if _begin_alike(begun, _plain(answers[n])))


def _weights_from_reply(reply: str, answers: tuple[str, ...]) -> list[float] | None:
    """Nearly 1 for the answer that the reply names first, the longest where two begin alike."""
    found: list[tuple[int, int, int]] = []
    told = _in_our_words(_ENDED.sub("", _THOUGHT.sub("", reply)))
    for n, answer in enumerate(answers):
        place = re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", told)
        if place:
            found.append((place.start(), -len(answer), n))
    if not found:
        return None
    named = min(found)[2]
    return [0.99 if n == named else 0.01 / max(1, len(answers) - 1) for n in range(len(answers))]


def _plain(text: str) -> str:
    return _in_our_words(text.strip(" \n\t\"'*.:"))


def _in_our_words(text: str) -> str:
    """Small letters, and "2" as "two", "bottom right" as "lower right"."""
    return _SAME_WORD.sub(lambda word: _SAME[word[0]], text.lower())


def _begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
