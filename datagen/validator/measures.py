"""From a turn's claims to the probes put to a validator, and from its scores to the turn's measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from datagen.box_text import has_box
from datagen.claims.kind import Probed
from datagen.claims.kinds import KINDS, kind_of
from datagen.records import Claim, NoScore, ProbeKind, ProbeScore, Score, SimilarityScore, TextScore, Turn
from datagen.validator.own_probes import ask_in_own_words
from datagen.validator.planting import ERROR_KINDS, OTHER_IMAGE, ErrorKind
from datagen.validator.protocol import GREY, OUTSIDE, Abilities, Item, Look, Text, score_key
from datagen.validator.recount import SAID, SEEN_BY, Seen, believe_number, see

FindScore = Callable[[str], Score | None]
"""Gives a stored score by its key, or None."""

CONVERSATION = "conversation_gain"
MEASURES = (
    "logprob_mean", "logprob_min", "margin_mean", "gain_mean", "gain_min", "log_tokens", "similarity",
    "phrase", *dict.fromkeys(measure for kind in KINDS for measure in kind.measures), "statement", "claims",
    CONVERSATION,
)  # fmt: skip
"""Names of a turn's numbers. The first six are of the whole answer, ``gain`` being what the picture adds to it in
nats; ``phrase`` is the similarity of the least similar thing named; the rest are log-odds that its claims are
true: of the least likely claim by each measure of the claim kinds, and of all. The last is by how much
the picture makes the things that the conversation names likelier than a plain grey one, in the mean; of a turn's own
claims it tells nothing, only of another image's."""
MAX_GREY_ITEMS = 32
NO_TEMPLATES: Mapping[str, str] = {}
_MIN_CHANCE = 1e-6  # scores are stored with six digits


class Inquiry(Struct, frozen=True):
    """What is asked about one turn.

    Attributes:
        text: The whole answer; None for a validator that only takes probes.
        probes: Index of a claim of the turn, and how it is asked; some claims are asked about more than once.
        suffers: The kinds of error that the turn could have, as far as the validator could notice.
        asked: Where several validators judge together, whom each probe was put to.
        is_recounted: The numbers that the validator sees are to be read anew; see ``recount``.
    """

    text: Text | None
    probes: tuple[tuple[int, Probed], ...]
    suffers: tuple[ErrorKind, ...]
    asked: tuple[str, ...] = ()
    is_recounted: bool = False

    @property
    def items(self) -> Iterator[Item]:
        """Everything to be scored."""
        if self.text is not None:
            yield self.text
        for _, probed in self.probes:
            yield probed.probe


class Findings(Struct, frozen=True):
    """What a validator found on one turn.

    Attributes:
        measures: By name, those of ``MEASURES`` that there are.
        chances: Index of a probe of the inquiry to the probability that the claim's answer is right.
        gains: Question of presence to how many nats likelier its answer is than before a grey picture; of those that
            were asked of one.
        numbers: Index of a question for a number, to what the validator sees, where that is to be read anew.
    """

    measures: dict[str, float]
    chances: dict[int, float]
    gains: dict[str, float] = {}
    numbers: dict[int, Seen] = {}


def inquire(turn: Turn, abilities: Abilities, templates: Mapping[str, str] = NO_TEMPLATES) -> Inquiry:
    """Decide what to ask about a turn.

    Args:
        turn: With its claims.
        abilities: Of the validator.
        templates: Questions of the user's own by kind of claim; put to who takes any question.
    """
    # A text with boxes in it is scored by none: to most models its digits mean nothing, to others another grid.
    text = Text(turn.question, turn.answer) if abilities.texts and not has_box(turn) else None
    probes = tuple((n, probed) for n, claim in enumerate(turn.claims) for probed in probe_claim(claim, abilities))
    if templates and takes_any_question(abilities):
        own = ((n, ask_in_own_words(turn, claim, templates)) for n, claim in enumerate(turn.claims))
        probes += tuple((n, probed) for n, probed in own if probed is not None)
    open_to = {probed.error.name for _, probed in probes if probed.error is not None}
    if text is not None:
        open_to |= {error.name for claim in turn.claims for error in kind_of(claim.kind).errors_of(claim)}
    if text is not None or probes:
        open_to.add(OTHER_IMAGE.name)
    suffers = tuple(kind for kind in ERROR_KINDS if kind in open_to)
    return Inquiry(text, probes, suffers, is_recounted=abilities.misses_some)


def takes_any_question(abilities: Abilities) -> bool:
    """Whether a user's own questions can be put to a validator."""
    return abilities.categories is None and "statement" in abilities.probes


def probe_claim(claim: Claim, abilities: Abilities) -> tuple[Probed, ...]:
    """Put a claim as short questions, before pixels.

    Returns:
        The claim's own question first; nothing that the validator has not learned to answer, or of a thing that it
        does not know.
    """
    if abilities.categories is not None and not abilities.categories.issuperset((claim.category, *claim.others)):
        return ()
    return tuple(probed for probed in kind_of(claim.kind).probe(claim) if probed.kind in abilities.probes)


def look_for(inquiries: Iterable[Inquiry], picture: str) -> Look:
    """Ask everything about one picture in one look, nothing twice."""
    return Look(picture, tuple(dict.fromkeys(item for inquiry in inquiries for item in inquiry.items)))


def blank_look_for(inquiries: Iterable[Inquiry], picture: str) -> Look:
    """Ask what the texts are worth without a picture."""
    texts = dict.fromkeys(inquiry.text for inquiry in inquiries if inquiry.text is not None)
    return Look(picture, tuple(texts), is_blank=True)


def _is_presence(kind: ProbeKind) -> bool:
    """Whether a question asks for a thing: what a picture adds to it tells one picture from another."""
    return kind == "presence"


def _is_number(kind: ProbeKind) -> bool:
    """Whether a question asks how many: who misses some of the things says too few."""
    return kind == "count"


def presences_of(inquiry: Inquiry) -> Inquiry:
    """What is asked of presence alone: what the picture adds to it is measured on every turn."""
    return replace(inquiry, text=None, probes=tuple(one for one in inquiry.probes if _is_presence(one[1].kind)))


def grey_looks_for(inquiries: Iterable[Inquiry], abilities: Abilities) -> Iterator[Look]:
    """Ask everything of the grey picture, but for texts of which the blank look tells already what words are worth.

    Looks are kept as short as those at pictures: attention within one grows with the square of what is asked.
    """
    items = dict.fromkeys(item for inquiry in inquiries for item in inquiry.items)
    wanted = (item for item in items if not (abilities.blanks and isinstance(item, Text)))
    while asked := tuple(islice(wanted, MAX_GREY_ITEMS)):
        yield Look(GREY, asked)


def read_findings(
    inquiry: Inquiry, identity: str, picture: str, find: FindScore, blank_of: str | None = None
) -> Findings | None:
    """Gather what was found on one turn.

    Args:
        inquiry: As it was asked.
        identity: The validator's.
        picture: File name of the picture it was held against.
        find: Looks up stored scores.
        blank_of: File name of the picture whose blank it was held against; None for the same.

    Returns:
        None when a score is missing, or when there was nothing to ask.
    """
    shown, blank = Look(picture, ()), Look(blank_of or picture, (), is_blank=True)
    return _findings(inquiry, identity, find, shown, shown, blank)


def read_grey(inquiry: Inquiry, identity: str, abilities: Abilities, picture: str, find: FindScore) -> Findings | None:
    """Gather what would be found on a turn if its picture were grey; None where a score is missing."""
    grey, blank = Look(GREY, ()), Look(picture, (), is_blank=True)
    return _findings(inquiry, identity, find, blank if abilities.blanks else grey, grey, blank)


def _findings(
    inquiry: Inquiry, identity: str, find: FindScore, of_text: Look, of_probes: Look, blank: Look
) -> Findings | None:
    measures: dict[str, float] = {}
    if inquiry.text is not None:
        score = find(score_key(identity, of_text, inquiry.text))
        if isinstance(score, SimilarityScore):
            measures["similarity"] = score.similarity
        elif isinstance(score, TextScore):
            _measure_text(measures, score, find(score_key(identity, blank, inquiry.text)))
        else:
            return None
    chances: dict[int, float] = {}
    gains: dict[str, float] = {}
    numbers: dict[int, Seen] = {}
    scores = [find(score_key(identity, of_probes, probed.probe)) for _, probed in inquiry.probes]
    asked = [(claim, probed, score) for (claim, probed), score in zip(inquiry.probes, scores, strict=True)]
    there = {
        claim: score.chances[0]
        for claim, probed, score in asked
        if isinstance(score, ProbeScore) and _is_presence(probed.kind)
    }
    for n, (claim, probed, score) in enumerate(asked):
        if isinstance(score, ProbeScore):
            chances[n] = round(sum(score.chances[index] for index in probed.agrees), 6)
            believed = _log_odds(chances[n])
            if inquiry.is_recounted and _is_number(probed.kind):
                numbers[n] = see(score.chances, there.get(claim, 1.0))
                believed = believe_number(score.chances, probed.agrees, numbers[n].sure)
                if len(probed.agrees) == 1 and believed < measures.get(probed.measure, math.inf):
                    said = float(probed.agrees[0] + 1)
                    measures |= {SAID: said, **dict(zip(SEEN_BY, numbers[n], strict=True))}
            _keep_least(measures, probed.measure, believed)
            _keep_least(measures, "claims", believed)
            unseen = find(score_key(identity, Look(GREY, ()), probed.probe)) if _is_presence(probed.kind) else None
            if isinstance(unseen, ProbeScore):
                gain = _log_odds(chances[n]) - _log_odds(sum(unseen.chances[index] for index in probed.agrees))
                gains[probed.probe.question] = round(gain, 6)
        elif isinstance(score, SimilarityScore):
            # An absence is no phrase that the picture should resemble.
            _keep_least(measures, "phrase", score.similarity if probed.agrees == (0,) else 1.0)
        elif not (isinstance(score, NoScore) and score.reason == OUTSIDE):  # what it never learned judges nothing
            return None
    return Findings(measures, chances, gains, numbers) if measures else None


def in_conversation(found: Findings, others: Iterable[Findings]) -> Findings:
    """Tell a turn's findings with what the picture adds to all that its conversation names.

    Who is shown another image's picture doubts all of it. Over grey, because a model holds common things for likely
    whatever it sees.

    Args:
        found: On the turn.
        others: On the conversation's other turns, before the same picture.
    """
    gains: dict[str, float] = {}
    for one in (found, *others):
        gains |= one.gains
    if not gains:
        return found
    mean = round(sum(gains.values()) / len(gains), 6)
    return replace(found, measures=found.measures | {CONVERSATION: mean})


def _measure_text(measures: dict[str, float], score: TextScore, blank: Score | None) -> None:
    measures["logprob_mean"] = score.logprob_mean
    measures["logprob_min"] = score.logprob_min
    measures["margin_mean"] = score.margin_mean
    measures["log_tokens"] = round(math.log(score.n_tokens), 6)
    if isinstance(blank, TextScore):
        measures["gain_mean"] = round(score.logprob_mean - blank.logprob_mean, 6)
        measures["gain_min"] = round(score.logprob_min - blank.logprob_min, 6)


def _keep_least(measures: dict[str, float], name: str, value: float) -> None:
    measures[name] = min(value, measures.get(name, value))


def _log_odds(chance: float) -> float:
    chance = min(max(chance, _MIN_CHANCE), 1 - _MIN_CHANCE)
    return round(math.log(chance / (1 - chance)), 6)


def before_names(label: str) -> str:
    """What the names of a validator's measures begin with, where several judge together."""
    return f"{label}: "


def columns_of(every: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """The columns of a regression: ``MEASURES``, and of a user's own probes and each of several validators others."""
    names = {name for measures in every for name in measures}
    others = tuple(sorted(names.difference(MEASURES)))
    return others if others and names.isdisjoint(MEASURES) else MEASURES + others


def as_row(measures: Mapping[str, float], columns: Sequence[str]) -> Sequence[float]:
    """Measures in the order of the columns, NaN where there is none."""
    return [measures.get(name, math.nan) for name in columns]
