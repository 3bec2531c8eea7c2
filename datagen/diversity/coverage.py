"""Coverage of a set: what its questions and answers are about, and sentences on its gaps (the summary's ``diversity``).

``Diversity`` counts a stream of accepted samples; the functions below it read the counts and say what is missing, rare
or one-sided, each with its numbers.

The kinds of questions (existence, count, color, relation, ...) are those of VQA and GQA in everyday words. Of 45
questions written and labelled after the tables, 35 fell where their label says; most of the others lie between two
kinds. Places and relations are read by the tables of ``claims.kinds``, so that a word learnt there is known here.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from datagen.claims.grammar import FLAGS, POLITE, REFUTES, SUPPOSES, Row, compiled, lowered
from datagen.claims.kinds import kind_of
from datagen.claims.kinds.place import PLACES
from datagen.claims.kinds.relation import RELATIONS
from datagen.languages import n_words
from datagen.records import AnnotatedImage, Claim, Sample, Turn
from datagen.summary import AnswerWords, CategoryCover, CategoryUse, DiversityReport, YesNo

Polarity = Literal["yes", "no", "unclear"]
"""What a yes/no question was told; ``unclear`` says neither."""

_READ = 400
"""Characters of a question that are read: the tables take 0.7 ms for 400 and 66 ms for 40,000."""
_FRAME = "(?:image|picture|photo|photograph|frame|scene|view|shot)"
_NOT_OF_FRAME = rf"(?!\s+(?:the|this)\s+{_FRAME})"
_PAIRED = "|".join(compiled(row.words) for row in RELATIONS if row.meaning not in ("on", "next to", "holding"))
_PLACED = "|".join(compiled(row.words) for row in PLACES)
_BE = "(?:is|are|was|were)"
_NO_VERBS = (
    r"(?!(?:anything|something|everything|nothing|dining|living|building|painting|drawing|clothing|ceiling|wedding|"
    r"evening|morning|string|thing|wing|king|ring|going|happening|including|being|"
    r"wearing)\b)"
)

_COMPARED = "(?:larger|bigger|smaller|higher|lower|taller|closer)"

KINDS = (
    Row("existence", rf"\b(?:which|what|one|statement)\b.*\b(?:is not|are not|isn't|cannot be|not be|does not|"
        rf"missing)\b.*\b(?:{_FRAME}|here|belong)\b", "Which of these is not in the image: a dog or a cat?"),
    Row("description", r"^(?:(?:can|could|would) you |please )*(?:describe|elaborate)\b(?! (?:why|what \w+|where|how|"
        r"which|the (?:\w+'s )?(?:colou?r|position|location|size|activity|relation\w*))\b)",
        "Can you describe the dog in the picture?"),
    Row("description", r"\bway to describe\b", "Is there another way to describe the scene?"),
    Row("reasoning", r"^why\b|\bhow come\b", "Why is the dog wet?"),
    Row("reasoning", SUPPOSES.pattern, "If one of the dogs left, how many would remain?"),
    Row("reasoning", r"\b(?:might|may|should|could have|would (?:have|happen|be|need|you (?:do|need)))\b",
        "What might have happened before this moment?"),
    Row("reasoning", r"\bhow (?:can|could|do|would) (?:you|one|we|someone) (?:tell|know|infer|interpret)\b|"
        r"\btells you\b|\b(?:suggests?|indicates?|infer\w*|conclude\w*|imply|implies|learned? (?:from|about)|"
        r"does it mean)\b|\bmakes? (?:you think|this|the|it)\b|\bsupports? (?:it|that)\b",
        "How can you tell that it is winter?"),
    Row("reasoning", r"\b(?:purpose|reasons?|benefits?|dangers?|challenges?|advantages?|precautions?|significance|"
        r"risks?|importance|contributes?|affects?|skills?|suitable|safety|messages?|conveys?|atmosphere|mood|story)\b",
        "What skills does the surfer need?"),
    Row("color", r"\bcolou?rs?\b", "What color is the dog?"),
    Row("color", r"^(?:is|are) .*\b(?:red|blue|green|yellow|orange|black|white|brown|gr[ae]y|pink|purple)\W*$",
        "Is the dog black?"),
    Row("count", r"\bhow many\b|\bthe (?:\w+ )?numbers? of\b|\bcounts?\b", "How many dogs are there?"),
    Row("count", rf"\bmore numerous\b|^which {_BE} there (?:more|fewer)|\b(?:more|fewer) (?:\w+ ){{1,3}}or\b",
        "Are there more dogs or more cats?"),
    Row("count", rf"\b(?:there {_BE}|{_BE} there|shows?|see|notice) (?:exactly |only |just )?"
        rf"(?!one\b){compiled('N')}\b",
        "Do you see four dogs here?"),
    Row("setting", r"\b(?:kind|type|sort) of (?:place|room|scene|setting|environment|location|building)\b|"
        r"\b(?:what|which) room\b|^what\b.*\bsetting\b", "What kind of place is this?"),
    Row("setting", rf"\b(?:take place|taken|surroundings|indoors|outdoors|weather|season|time of (?:day|year))\b|"
        rf"^where {_BE} (?:this|we)\b|\ba scene (?:in|on|at)\b|\bscene set\b", "Was this picture taken in a kitchen?"),
    Row("reasoning", r"\blikely\b", "What is likely to follow?"),
    Row("existence", rf"^{_BE} there\b", "Are there any dogs in the background?"),
    Row("relation", rf"\b(?:{_PAIRED}|next to|near|beside|on)\W*$", "What is the dog standing next to?"),
    Row("activity", r"^(?!what (?:kind|type|sort|style) of\b).*\b(?:doing|about to do|up to|activit(?:y|ies)|facing|"
        r"(?:sport|game)\b.*\bplayed)\b", "What is the dog doing?"),
    Row("activity", rf"^(?:what|who|whom|which|how)\b.*\b{_BE}\b.*\b{_NO_VERBS}[a-z]{{2,}}ing\b",
        "Who is holding the dog?"),
    Row("relation", rf"\b(?:{_PAIRED})\b{_NOT_OF_FRAME}", "Is the dog left of the cat?"),
    Row("relation", r"\b(?:in relation|relative|compared|next) (?:to|with)\b|\bbeside\b|\bseen from\b|"
        r"\bhow (?:far|close)\b|\b(?:difference|relationship) between\b|^compare\b",
        "How far is the dog from the cat?"),
    Row("relation", rf"\b(?:[a-z]+er|more [a-z]+|less [a-z]+) than\b|\bor\b.*\b{_COMPARED}\b|\b{_COMPARED}\b.*\bor\b|"
        r"\b(?:takes?|covers?) (?:up )?more\b", "Which looks larger, the dog or the cat?"),
    Row("position", rf"^where\b|\bwhere (?:is|are|the|can)\b|^(?!what|which|who).*\b(?:{_PLACED})\b",
        "Where is the dog?"),
    Row("position", r"\b(?:which|what) (?:side|half|part|corner|area|direction|way)\b|"
        r"\b(?:position|located|placed|placement|arranged)\b", "Which half of the picture holds the dog?"),
    Row("attribute", r"\bhow (?:big|large|small|tall|long|wide|high|old|much)\b|\bwhat (?:kind|type|sort|style) of\b|"
        r"\bwhat does .* look like\b|\b(?:size|shape|material|made of|breed|brand|pattern|share of|texture|wearing|"
        r"dressed|condition)\b", "How large is the dog?"),
    Row("existence", rf"^(?:do|does|did|can|could) (?:you|we|one|(?:the|this) {_FRAME}) (?:see|notice|spot|"
        r"find|"
        r"make out|show|include|have|contain|feature)\b|^(?:can|could) .*\bbe (?:seen|found|spotted)",
        "Do you see a dog?"),
    Row("existence", rf"^{_BE} .*\b(?:(?:part of|in) (?:the|this) {_FRAME}\?|visible\b|present\b|anywhere\b)",
        "Is a dog part of this picture?"),
    Row("description", r"^(?:(?:can|could|would|will) you )?(?:please )?(?:explain|give|tell|go over|go through|walk|"
        r"provide|summari[sz]e|write|compose|put|report|take a close look|analy[sz]e)\b", "Walk me through the scene."),
    Row("description", r"\b(?:describ(?:e|ing)|elaborate|in detail|detailed|another detail|everything|going on|"
        r"happening|whole scene|sum up|overview|summary|(?:main|key) (?:focus|subject|elements|features))\b",
        "What is going on in this picture?"),
    Row("description", rf"^what (?:(?:can|do|does|would) (?:be seen|you see|one see|(?:this|the) {_FRAME})|"
        rf"{_BE} (?:this|the) {_FRAME} about|{_BE} (?:shown )?in (?:this|the) {_FRAME}|"
        rf"more can you say about (?:this|the) {_FRAME})\b",
        "What does the photo show?"),
    Row("identification", r"^(?:and )?(?:(?:in|on|at|from|to|of|with|by) )?(?:what|which|who|whose|whom|name|list|"
        r"identify)\b", "What is on the lawn?"),
)  # fmt: skip
"""First match wins. What none explains is ``verification`` when it asks for yes or no, else ``other``."""

ALL_KINDS = (*dict.fromkeys(row.meaning for row in KINDS), "verification", "other")

_TABLE = tuple((row.meaning, re.compile(row.words, FLAGS)) for row in KINDS)
_REQUEST = re.compile(
    r"^(?:can|could|would|will) (?:you|someone) (?:please |kindly |also )?(?!(?:also )?(?:see|notice|spot|find|"
    r"make out|identify any|say|agree|confirm|think|recogni[sz]e|detect)\b)",
    FLAGS,
)
_AGREES = re.compile(
    r"^(?:(?:would|could|can|do) you (?:say|agree|confirm|think)|is it (?:true|right|correct|fair to say))\b", FLAGS
)
_AUXILIARY = re.compile(
    r"^(?:(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)(?:n't| not)?|am|may|might|must)\b",
    FLAGS,
)
_CHOICE = re.compile(r"\bor\b(?! not\b)", FLAGS)
_SAID = re.compile(r"\W*(yes|yeah|yep|no|nope)\b(?!\s+(?:one|longer)\b)", FLAGS)
_FRONT = re.compile(rf"^(?:in|on|within|from) (?:the|this) {_FRAME},?\s+", FLAGS)
_BACK = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|himself|herself|itself|themselves|else|also|too|"
    r"another|others?|former|latter|same|again|previous(?:ly)?|earlier|these|those|that one|this one)\b",
    FLAGS,
)
_FORWARD = re.compile(
    r"\bis it (?:true|right|correct|possible|likely|fair)\b|\bdoes it mean\b|\b(?:which|one) of these\b", FLAGS
)


@lru_cache(maxsize=4096)  # 70 us a question, and of 3,000 about the demo's images two thirds came before
def question_kind(question: str) -> str:
    """Name what a question asks about: one of ``ALL_KINDS``."""
    asked = _opened(question)
    bare = POLITE.sub("", asked)
    for kind, words in _TABLE:
        if words.search(asked if kind == "description" else bare):
            return kind
    return "verification" if _asks_yes_or_no(asked) else "other"


def polarity(question: str, answer: str) -> Polarity | None:
    """Read whether a yes/no question was told yes or no.

    Returns:
        None for a question that asks for something else, such as "Is it a dog or a cat?".
    """
    asked = _opened(question)
    if not _asks_yes_or_no(asked):
        return None
    answer = lowered(answer)
    said = _SAID.match(answer)
    if said is not None:
        return "yes" if said[1].startswith("y") else "no"
    if _CHOICE.search(asked):
        return None
    return "no" if REFUTES.search(answer) else "unclear"  # "There are six, not seven."


def refers_back(question: str) -> bool:
    """Whether a question may lean on the turns before it: "What is it doing?", "What else is there?"."""
    return _BACK.search(_FORWARD.sub(" ", lowered(question[:_READ]))) is not None


@lru_cache(maxsize=4096)
def _opened(question: str) -> str:
    """The first characters of a question in lower case, without "In this image,".

    Some patterns take time with length squared.
    """
    return _FRONT.sub("", " ".join(lowered(question[:_READ]).split()))


def _asks_yes_or_no(asked: str) -> bool:
    if _AGREES.match(asked):
        return True
    return _AUXILIARY.match(asked) is not None and _REQUEST.match(asked) is None


LENGTH_EDGES = (1, 3, 5, 8, 12, 17, 24, 34, 48, 68, 96, 136, 192)
"""Fewest words of each bar of the histogram of answer lengths: half octaves."""
N_LISTED = 12
"""Openings, and categories of each list, that the record names."""
_WORD = re.compile(r"[\w'’-]+")
_MANY = 10  # counts from here on are one row


MIN_TURNS = 50
"""Turns, or answers of a sort, below which no share is worth a sentence."""


FEW_OF_TYPE = 0.8
"""Part of a response type's share below which it is told as lacking; checks cost every type some samples."""


class Diversity:
    """Counts what accepted samples ask and say; memory does not grow with their number.

    Args:
        categories: The corpus's category names; none leaves categories, counts and sides out.
        boxed: On how many images each category has a box.
        shares: Of the response types among the samples, in any unit; none leaves the types out.

    Attributes:
        types: Accepted samples by response type.
        kinds: Turns per kind of question.
        polarities: Answers to yes/no questions: yes, no, unclear.
        stated: How often each category is said to be there.
        denied: How often each category is said to be absent.
        numbers: Exact counts by number.
        places: Claims that put a thing somewhere, by place.
        relations: Claims of a relation, by relation.
        questions: Openings of the questions, by response type.
        answers: Openings of the answers, by response type.
        lengths: Answers by their number of words, by response type.
    """

    def __init__(
        self,
        categories: Collection[str] = (),
        boxed: Mapping[str, int] | None = None,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.types: Counter[str] = Counter()
        self.shares = dict(shares or {})
        self.categories = tuple(categories)
        self.boxed = dict(boxed or {})
        self.kinds: Counter[str] = Counter()
        self.polarities: Counter[str] = Counter()
        self.questions: dict[str, Openings] = defaultdict(Openings)
        self.answers: dict[str, Openings] = defaultdict(Openings)
        self.lengths: dict[str, Counter[int]] = defaultdict(Counter)
        self._turns_of: Counter[int] = Counter()
        self.stated: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.numbers: Counter[int] = Counter()
        self.places: Counter[str] = Counter()
        self.relations: Counter[str] = Counter()

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass samples through while counting the accepted ones."""
        for sample in samples:
            self.add(sample)
            yield sample

    def add(self, sample: Sample) -> None:
        """Count one sample; a rejected one counts nothing."""
        if sample.status != "accepted":
            return
        self.types[sample.response_type] += 1
        self._turns_of[min(len(sample.turns), _MANY)] += 1
        for turn in sample.turns:
            self._add_turn(turn, sample.response_type)

    def _add_turn(self, turn: Turn, response_type: str) -> None:
        self.kinds[question_kind(turn.question)] += 1
        told = polarity(turn.question, turn.answer)
        if told is not None:
            self.polarities[told] += 1
        self.questions[response_type].add(turn.question)
        self.answers[response_type].add(turn.answer)
        self.lengths[response_type][min(n_words(turn.answer), 2000)] += 1
        for claim in {_meaning(one): one for one in turn.claims}.values():  # told twice in a turn is told once
            self._add_claim(claim)

    def _add_claim(self, claim: Claim) -> None:
        (self.denied if kind_of(claim.kind).denies else self.stated)[claim.category] += 1
        if claim.comparison == "exact" and claim.number is not None:
            self.numbers[min(claim.number, _MANY)] += 1
        if claim.place is not None:
            self.places[claim.place] += 1
        if claim.relation is not None:
            self.relations[claim.relation] += 1

    def report(self) -> DiversityReport:
        """Numbers of turns by what they ask and say, and sentences on what the set lacks."""
        lengths = sum(self.lengths.values(), Counter[int]())
        never = self.never_stated()
        return DiversityReport(
            turns=lengths.total(),
            turns_per_sample={_at_least(n): self._turns_of[n] for n in sorted(self._turns_of)},
            question_kinds={kind: self.kinds[kind] for kind in ALL_KINDS},
            yes_no=YesNo(*(self.polarities[told] for told in ("yes", "no", "unclear"))),
            question_openings=_merged(self.questions.values()),
            answer_openings=_merged(self.answers.values()),
            answer_words=AnswerWords(
                p5=quantile(lengths, 0.05),
                p25=quantile(lengths, 0.25),
                p50=quantile(lengths, 0.5),
                p75=quantile(lengths, 0.75),
                p95=quantile(lengths, 0.95),
                histogram=_histogram(lengths),
            ),
            categories=CategoryCover(
                in_corpus=len(self.categories),
                stated=len(self.categories) - len(never),
                denied=sum(1 for name in self.categories if self.denied[name]),
                most_stated=self._use_of(_top(self.stated, self.categories)),
                never_stated=tuple(never[:200]),  # some corpora have thousands
            ),
            counts={_at_least(n): self.numbers[n] for n in sorted(self.numbers)},
            places=_ranked(self.places),
            relations=_ranked(self.relations),
            lacks=tuple(_gaps(self)),
        )

    def never_stated(self) -> list[str]:
        """Categories of the corpus that no turn says are there."""
        return [name for name in self.categories if not self.stated[name]]

    def _use_of(self, names: Iterable[str]) -> dict[str, CategoryUse]:
        return {name: CategoryUse(self.stated[name], self.denied[name], self.boxed.get(name, 0)) for name in names}


class Openings:
    """Counts the first two words of texts; rare ones are forgotten rather than all kept.

    What is common is counted to within one part in a thousand.

    Args:
        max_counted: Openings counted at a time; when there are more, the rarer half is forgotten.
    """

    def __init__(self, max_counted: int = 2048) -> None:
        self._max_counted = max_counted
        self.counts: Counter[str] = Counter()
        self.n_texts = 0

    def add(self, text: str) -> None:
        """Count one text."""
        words = _WORD.findall(text[:40].lower())[:2]
        self.counts[" ".join(words)] += 1
        self.n_texts += 1
        if len(self.counts) > self._max_counted:
            self.counts = Counter(dict(self.counts.most_common(self._max_counted // 2)))


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
    return [name for name in _ranked(counts) if counts[name] and name in names][:N_LISTED]


def _merged(openings: Iterable[Openings]) -> dict[str, int]:
    every: Counter[str] = Counter()
    for one in openings:
        every.update(one.counts)
    return dict([*_ranked(every).items()][:N_LISTED])


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _meaning(claim: Claim) -> tuple[object, ...]:
    return claim.kind, claim.category, claim.number, claim.place, claim.relation, claim.value


def _at_least(number: int) -> str:
    return f"{number} or more" if number == _MANY else str(number)


def _gaps(seen: Diversity) -> Iterator[str]:
    """Say what a set lacks, worst first in each matter."""
    n_turns = seen.kinds.total()
    if n_turns < MIN_TURNS:
        yield f"Only {n_turns} turns were accepted, too few to say what is missing."
        return
    for find in (_types, _categories, _kinds, _yes, _counts, _sides, _openings, _lengths):
        yield from find(seen)


def _types(seen: Diversity) -> Iterator[str]:
    n_samples, whole = seen.types.total(), sum(seen.shares.values())
    for name, share in seen.shares.items():
        wanted = share / whole
        if seen.types[name] < FEW_OF_TYPE * wanted * n_samples:
            found = _percent(seen.types[name], n_samples)
            yield f"Of {n_samples} accepted samples {found} are {name}, where {100 * wanted:.0f} % are wanted."


def _categories(seen: Diversity) -> Iterator[str]:
    never = {name: seen.boxed.get(name, 0) for name in seen.never_stated()}
    boxed = [name for name, n in _ranked(never).items() if n]
    unboxed = [name for name, n in never.items() if not n]
    of = f"of {len(seen.categories)} categories"
    if boxed:
        told = [f"{name} (boxed on {_counted(never[name], 'image')})" for name in boxed]
        yield f"{len(boxed)} {of} are boxed, but no answer says that one is there: {_few(told)}."
    if unboxed:
        yield f"{len(unboxed)} {of} have no box in this corpus, and no answer says that one is there: {_few(unboxed)}."
    denied = {name: n for name in seen.categories if (n := seen.denied[name])}
    total = sum(denied.values())
    if total >= MIN_TURNS and len(denied) < len(seen.categories) / 2:  # a habit that a model can learn
        most = next(iter(_ranked(denied)))
        yield f"Only {len(denied)} {of} are ever said to be absent, {most} {_percent(denied[most], total)} of the time."


def _kinds(seen: Diversity) -> Iterator[str]:
    n_turns, most = seen.kinds.total(), 0.02 * seen.kinds.total()  # below that a kind is as good as missing
    kinds = {kind: seen.kinds[kind] for kind in ALL_KINDS if kind != "other"}
    missing = [kind for kind, n in kinds.items() if not n]
    rare = sorted((kind for kind, n in kinds.items() if 0 < n < most), key=lambda kind: kinds[kind])
    if missing:
        yield f"Kinds of question never asked: {', '.join(missing)}."
    if rare:
        told = ", ".join(f"{kind} ({_percent(kinds[kind], n_turns)})" for kind in rare)
        yield f"Kinds of question under 2 % of the turns: {told}."


def _yes(seen: Diversity) -> Iterator[str]:
    yes, no = seen.polarities["yes"], seen.polarities["no"]
    if yes + no >= MIN_TURNS and not 0.4 <= yes / (yes + no) <= 0.6:  # a model learns to guess
        yield f"{_percent(yes, yes + no)} of {yes + no} yes/no answers say yes, where 40 to 60 % is even."


def _counts(seen: Diversity) -> Iterator[str]:
    total = sum(seen.numbers.values())
    small = sum(n for number, n in seen.numbers.items() if number <= 3)
    if total >= MIN_TURNS and small >= 0.9 * total:
        yield (
            f"Counts are small: {_percent(small, total)} of {total} exact counts are 3 or less, "
            f"the largest is {max(seen.numbers)}{' or more' if max(seen.numbers) >= _MANY else ''}."
        )


def _sides(seen: Diversity) -> Iterator[str]:
    total = sum(seen.places.values())
    if total >= MIN_TURNS:
        never = [
            side
            for side in ("left", "right", "top", "bottom", "middle")
            if not any(side in place.split() for place in seen.places)
        ]
        if never:
            yield f"Of {total} places told none is {_either(never)}."
    for pair, counts in ((("left", "right"), seen.places), (("top", "bottom"), seen.places),
                         (("left of", "right of"), seen.relations), (("above", "below"), seen.relations)):  # fmt: skip
        yield from _lopsided(pair, [counts.get(one, 0) for one in pair])


def _lopsided(pair: tuple[str, str], counts: list[int]) -> Iterator[str]:
    total = sum(counts)
    if total < MIN_TURNS or max(counts) < 0.65 * total or not min(counts):
        return
    more = counts.index(max(counts))
    yield f"'{pair[more]}' is said {counts[more]} times, '{pair[1 - more]}' only {counts[1 - more]} times."


def _openings(seen: Diversity) -> Iterator[str]:
    for what, openings in (("questions", seen.questions), ("answers", seen.answers)):
        for name, one in sorted(openings.items()):
            words, n = next(iter(_ranked(one.counts).items()))
            if one.n_texts >= MIN_TURNS and n >= 0.3 * one.n_texts:
                yield f"{_percent(n, one.n_texts)} of the {name} {what} open with '{words}'."


def _lengths(seen: Diversity) -> Iterator[str]:
    for name, lengths in sorted(seen.lengths.items()):
        p10, p50, p90 = (quantile(lengths, share) for share in (0.1, 0.5, 0.9))
        if lengths.total() >= MIN_TURNS and p90 - p10 < p50 / 4:
            yield f"Answers of {name} are all of one length: 80 % have {p10} to {p90} words."


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _few(names: list[str]) -> str:
    more = len(names) - 8
    return ", ".join(names[:8]) + (f" and {more} more" if more > 0 else "")


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
