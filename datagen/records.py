"""The frozen records that flow through the pipeline, from annotated image to finished sample."""

from __future__ import annotations

import math
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

BoxUnit = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of image width and height, 0 to 1, y pointing down."""

StageName = str
"""A stage at which a sample can fall; ``datagen/pipeline.py`` has the table of them."""

Comparison = Literal["exact", "at least", "at most"]
ClaimVerdict = Literal["supported_by_caption", "supported_by_boxes", "supported_by_both", "contradicted", "unknown"]
TurnVerdict = Literal["supported", "not doubted", "doubtful", "not judged"]


class Box(Struct, frozen=True, gc=False):  # no cycles: a corpus of a million boxes costs the collector nothing
    """One annotated object, or one crowd region holding several.

    Attributes:
        category: Category name as in a sentence, such as ``"hot dog"``; LVIS's ``hot_dog`` is one too.
        box_unit: Corners as shares of the frame, clipped to it.
        area_unit: Area of the object's mask as a share of the image; of its box where the
            file has no mask.
        is_crowd: True for COCO's ``iscrowd``: a region over a group that nobody counted.
    """

    category: str
    box_unit: BoxUnit
    area_unit: float
    is_crowd: bool = False


RegionKind = Literal["phrase", "attribute", "relation", "expression"]


class Region(Struct, frozen=True, gc=False):
    """What is said of a part of an image.

    Attributes:
        text: One line, such as ``"a green clock"``.
        box_unit: The part, corners as shares of the frame, clipped to it.
        kind: A ``phrase`` about it as a person wrote it; an ``attribute`` of a thing or a ``relation`` of two, written
            out; or an ``expression`` that a person wrote to tell this thing from all others of the image.
    """

    text: str
    box_unit: BoxUnit
    kind: RegionKind = "phrase"


class AnnotatedImage(Struct, frozen=True, gc=False):
    """One image with everything that people wrote or drew about it.

    Attributes:
        image_id: The file's id as text; digits lose leading zeros (``"000123"`` is ``"123"``).
        file_name: Path under the image folder, with forward slashes.
        width: Pixels.
        height: Pixels.
        captions: In annotation order, stripped, none empty.
        boxes: In annotation order, none of zero size.
        licence: Short name such as ``"CC-BY-NC-2.0"``, or None when the file names none.
        absent: Categories that somebody looked for and did not find, where the file tells them of each image (LVIS).
            Where it does not, a category without a box is absent as far as the corpus is exhaustive.
        unfinished: Categories of which not every object has its box, where the file tells them.
        by_detector: A detector drew its boxes, or some of them, and nobody looked whether they are right.
        by_captioner: The same of its captions, which a model wrote.
        regions: What is said of parts of it, if anything; no caption, as none of them is about the whole.
    """

    image_id: str
    file_name: str
    width: int
    height: int
    captions: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    licence: str | None = None
    absent: tuple[str, ...] | UnsetType = UNSET
    unfinished: tuple[str, ...] | UnsetType = UNSET
    by_detector: bool | UnsetType = UNSET
    by_captioner: bool | UnsetType = UNSET
    regions: tuple[Region, ...] | UnsetType = UNSET

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is said of the image and of its parts."""
        return (*self.captions, *(region.text for region in self.regions or ()))


class Message(Struct, frozen=True):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Request(Struct, frozen=True):
    """One question to the teacher: everything that decides the reply, and its digest.

    Attributes:
        digest: SHA-256 over teacher, messages and sampling settings; the key under which the
            reply is stored, so a changed prompt asks again and an unchanged one never does.
        image: What the embedded teacher writes from; an LLM sees ``messages`` alone.
        temperature: None leaves it to the endpoint.
        max_tokens: Longest reply; what is sent, but for where ``sends_max_tokens`` is false.
        template: Which embedded writer serves this response type, or None.
        deniable: Categories of which the embedded writer may say that they are not there.
        more: Further fields of the request, by their names on the wire.
        system_role: Whether the model knows a system message.
        image_detail: How closely to look at the picture; None where it is not shown.
        picture_px: Width and height at which it is shown, as far as the annotations tell them.
        n_after_picture: Messages behind the one that shows the picture: what was said since, where a repair is asked.
        picture_url: The picture as a data URL; put in just before the request is sent.
    """

    digest: str
    image: AnnotatedImage
    response_type: str
    recipe_digest: str
    messages: tuple[Message, ...]
    temperature: float | None
    max_tokens: int
    reply_format: Literal["delimited", "json", "text", "llava"]
    template: str | None = None
    deniable: tuple[str, ...] = ()
    more: dict[str, Any] = {}
    system_role: bool = True
    sends_max_tokens: bool = True
    image_detail: Literal["auto", "low", "high"] | None = None
    picture_px: tuple[int, int] = (0, 0)
    n_after_picture: int = 0
    picture_url: str | None = None


class ExtraSample(Struct, frozen=True):
    """A sample that was chosen to fill what a finished set lacked: a fact, since a resume must ask for the same.

    Attributes:
        number: Which of several samples of this type about this image it is, from 1.
        wanted: The line that stands behind its context; empty for none.
    """

    image_id: str
    response_type: str
    number: int = 1
    wanted: str = ""


class Usage(Struct, frozen=True):
    """Tokens that the endpoint says it billed; zeros where it says nothing."""

    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0
    n_completion_tokens: int = 0


class Reply(Struct, frozen=True):
    """What the teacher sent back for one request: a fact, written once, never recomputed.

    Attributes:
        text: Raw reply text; empty when ``error`` is set.
        error: None, or the reason code of a request that ended without an answer.
        is_final: False when the error was passing, so that a resumed run asks again.
        at: Seconds since the epoch when the reply arrived.
    """

    request_digest: str
    image_id: str
    response_type: str
    teacher: str
    text: str
    finish_reason: str | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    latency_s: float = 0.0
    n_attempts: int = 1
    at: float = 0.0
    error: str | None = None
    detail: str | None = None
    is_final: bool = True


class BatchFact(Struct, frozen=True, omit_defaults=True):
    """What became of a batch of requests: a fact, written before the next step that would cost money.

    Attributes:
        state: ``uploaded`` (the file is there), ``created`` (it is being worked on, and paid for), ``missing`` (the
            endpoint did not find it), ``ended`` (what it answered is stored).
        file_id: Of the uploaded file; names the batch in this log.
        batch_id: As the endpoint calls it, once it is created.
        asked: Request digest, image id and response type of each request; with ``uploaded`` only.
        worst_usd: What it may cost; with ``uploaded`` only.
        at: Seconds since the epoch of the upload.
        status: The endpoint's word for how it ended; with ``ended`` only.
        refused: Parameters that its answers say the model does not take.
    """

    state: Literal["uploaded", "created", "missing", "ended"]
    file_id: str
    batch_id: str | None = None
    asked: tuple[tuple[str, str, str], ...] = ()
    worst_usd: float = 0.0
    at: float = 0.0
    status: str | None = None
    refused: tuple[str, ...] = ()


class Claim(Struct, frozen=True, omit_defaults=True):
    """Something a turn says that can be checked, and what the annotations say to it.

    Attributes:
        kind: Of those in ``claims.kinds``.
        category: What it is about, as the corpus names it, or a wider word such as ``"animal"``.
        start: First character in the question or answer.
        end: One past the last character.
        verdict: Borne out by a caption, by boxes, by both; against them; or left open by them.
        evidence: One sentence with what decided.
        number: Of a count.
        comparison: How the number binds: ``several`` things are at least 2.
        place: Of a place: left, right, top, bottom, middle, corner, foreground, background.
        relation: Of a relation: left of, above, next to, larger, ...
        others: What the relation is to; two categories for ``between``.
        in_question: The question says it, and the answer lets it stand.
        value: What it says of its category, where no other field fits: "raining" of the weather.
    """

    kind: str
    category: str
    start: int
    end: int
    verdict: ClaimVerdict
    evidence: str
    number: int | None = None
    comparison: Comparison | None = None
    place: str | None = None
    relation: str | None = None
    others: tuple[str, ...] = ()
    in_question: bool = False
    value: str | None = None


class ProbeResult(Struct, frozen=True):
    """What a validator made of one question about a claim.

    Attributes:
        claim: Index of the claim in the turn; one claim may be asked about more than once.
        question: As it was put to the validator.
        chance: Probability, 0 to 1, that the validator gives to the answers under which the claim is true.
        by: Which validator, where several judge together.
    """

    claim: int
    question: str
    chance: float
    by: str | UnsetType = UNSET


class Validation(Struct, frozen=True, omit_defaults=True):
    """What a validator, which sees the pixels, found on one turn: the hallucination check.

    Attributes:
        verdict: ``not judged`` where it could not be scored, or where the calibration trusts no kind of error; ``not
            doubted`` where nothing speaks against it, but the validator sees too little to bear it out.
        p_value: Share of correct turns of the run that look as wrong, 0 to 1; small for a turn that is likely wrong.
        worst: The kind of error that it most likely has, such as ``"count"``.
        doubts: Per kind of error the probability that it has one, 0 to 1, at even odds beforehand.
        measures: The raw numbers by name: log-probabilities in nats, log-odds, cosines.
        probes: The questions about single claims, of the kinds that are judged; None where nothing could be scored.
    """

    verdict: TurnVerdict
    p_value: float | None = None
    worst: str | None = None
    doubts: dict[str, float] = {}
    measures: dict[str, float] = {}
    probes: tuple[ProbeResult, ...] | None = None

    @property
    def standing(self) -> str | None:
        """The p-value in words; None where there is none."""
        if self.p_value is None:
            return None
        return f"more suspicious than {math.floor(1000 * (1 - self.p_value) + 1e-6) / 10:g} % of correct answers"


class SentenceVerdict(Struct, frozen=True, omit_defaults=True):
    """What a judge over text, a model that reads the annotations, says of one sentence of an answer.

    Attributes:
        start: First character in the answer.
        end: One past the last character.
        verdict: Its word, or ``unknown`` where it gave none that counts.
        quote: What it quotes of the annotations.
        words: Those that it calls wrong.
        void: Why its word does not count.
        chance: That the annotations contradict it, 0 to 1; None of a judge that gives none.
    """

    start: int
    end: int
    verdict: Literal["supported", "contradicted", "unknown"]
    quote: str = ""
    words: str = ""
    void: str = ""
    chance: float | None = None


class Turn(Struct, frozen=True):
    """One question and its answer, both non-empty.

    Attributes:
        claims: What it says that can be checked, with the annotations' verdict.
        validation: Scores and verdict of the validator, or None before it ran.
        opinions: Of the judge over text, a sentence each; missing where nobody asked one.
    """

    question: str
    answer: str
    claims: tuple[Claim, ...] = ()
    validation: Validation | None = None
    opinions: tuple[SentenceVerdict, ...] | UnsetType = UNSET


class Drop(Struct, frozen=True):
    """Where and why something left the pipeline.

    Attributes:
        stage: The stage that dropped it.
        reason: Snake-case code, the name of the check or fault; tallied in the summary.
        detail: The sentence for a person, with the value that decided.
    """

    stage: StageName
    reason: str
    detail: str


class Cut(Drop, frozen=True, omit_defaults=True):
    """Turns that were cut off a conversation which went on, and why.

    Attributes:
        turns: As they stood, with claims and verdicts. The first is at fault, the others went with it. Empty where what
            was lost could not be read as a turn, and in runs of older versions.
        at: Place of the first of them among the turns that stood until then, from 0.
    """

    turns: tuple[Turn, ...] = ()
    at: int = 0


class Flaw(Struct, frozen=True, omit_defaults=True):
    """A sentence that annotations, judge or validator speak against, as it went back to the teacher.

    Attributes:
        turn: Place of its turn among those of the reply, from 0.
        start: Where it begins in the answer, or in the question.
        text: The sentence as it stood.
        stage: At which its turn fell.
        reason: The reason code.
        evidence: What is wrong and how it is known, as the teacher was told it.
        in_question: It is the question.
        new: What stands in its place; empty where the teacher left it out; None where it gave nothing.
    """

    turn: int
    start: int
    text: str
    stage: StageName
    reason: str
    evidence: str
    in_question: bool = False
    new: str | None = None


class Repair(Struct, frozen=True, omit_defaults=True):
    """One request to the teacher to write sentences of a sample anew: the turns as they stood, and why.

    Attributes:
        request_digest: Of that request; its reply is stored as any other.
        flaws: The sentences, in their order.
        before: Their turns as they stood, by place; a turn may go back more than once.
        n_prompt_tokens: What the reply took, as of ``Usage``; so are the next two.
        cost_usd: None where no price is known.
        error: Why the reply is of no use; None for one that could be read.
    """

    request_digest: str
    flaws: tuple[Flaw, ...]
    before: dict[int, Turn]
    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0
    n_completion_tokens: int = 0
    cost_usd: float | None = None
    error: str | None = None


class Provenance(Struct, frozen=True):
    """What made a sample, enough to make it again."""

    teacher: str
    recipe_digest: str
    request_digest: str
    settings_digest: str
    n_prompt_tokens: int = 0
    n_cached_tokens: int = 0
    n_completion_tokens: int = 0
    cost_usd: float | None = None
    licence: str | None = None


class Review(Struct, frozen=True):
    """What a person decided on a sample, and the fate that it would have without.

    Attributes:
        verb: What was decided.
        turns: The turns it had, where they were corrected; None where they are its turns still.
        status: The fate before, with stage, reason and detail as a sample has them.
    """

    verb: Literal["accept", "reject", "correct"]
    status: Literal["accepted", "rejected"]
    stage: StageName | None = None
    reason: str | None = None
    detail: str | None = None
    turns: tuple[Turn, ...] | None = None


class Sample(Struct, frozen=True):
    """One image under one response type, with its fate.

    Attributes:
        turns: What remains of the conversation; for a rejected sample, what was parsed.
        status: ``"accepted"`` or ``"rejected"``.
        stage: None when accepted, else the stage that rejected it.
        reason: None when accepted, else the reason code.
        detail: None, or the sentence for a person.
        cuts: What was cut off while the sample went on, in the order of the cuts.
        review: None, or what a person decided; the fields above obey it, but for ``cuts``.
        over_first_turn: It fell because its first turn did, and not as a whole.
        repairs: What went back to the teacher, in order; the turns above have its sentences in place of the old ones.
            Missing where nothing did.
    """

    sample_id: str
    image_id: str
    image: str
    response_type: str
    turns: tuple[Turn, ...]
    status: Literal["accepted", "rejected"]
    provenance: Provenance
    stage: StageName | None = None
    reason: str | None = None
    detail: str | None = None
    cuts: tuple[Cut, ...] = ()
    review: Review | None = None
    over_first_turn: bool = False
    repairs: tuple[Repair, ...] | UnsetType = UNSET


class Decision(Struct, frozen=True, omit_defaults=True):
    """What a person said of one sample: a fact, since it cost a person's time. The last one about a sample counts.

    Attributes:
        verb: ``undo`` takes the earlier ones back.
        turns_digest: Of the questions and answers that the person saw; on others the decision says nothing.
        turns: Questions and answers as corrected; with ``correct`` only.
        note: Why, in the person's words.
        at: Seconds since the epoch.
    """

    sample_id: str
    image_id: str
    verb: Literal["accept", "reject", "correct", "undo"]
    turns_digest: str
    turns: tuple[tuple[str, str], ...] = ()
    note: str = ""
    at: float = 0.0


ProbeKind = Literal["presence", "count", "side", "quadrant", "relation", "size", "statement"]
"""How a claim can be asked: ``statement`` is any other claim put as a yes/no question."""


class Probe(Struct, frozen=True):
    """A short question with all the answers it could have, of which one is true.

    Attributes:
        answers: Without full stop, such as ``("Yes", "No")``.
        phrase: The noun phrase it is about, such as ``"a dog"``, for models that only compare.
    """

    question: str
    answers: tuple[str, ...]
    phrase: str = ""


class TextScore(Struct, frozen=True, tag="text", tag_field="of"):
    """How likely a validator finds one answer to one question before one picture: a fact, as GPU time was paid for it.

    Attributes:
        key: Digest over validator, picture, whether it was shown, question and answer.
        picture: File name.
        logprob_mean: Mean log-probability of the answer's tokens, nats per token.
        logprob_min: Lowest log-probability among the answer's tokens, nats.
        margin_mean: Mean of (log-probability of the token - that of the best token), nats, <= 0.
        n_tokens: Answer tokens scored.
    """

    key: str
    picture: str
    logprob_mean: float
    logprob_min: float
    margin_mean: float
    n_tokens: int


class ProbeScore(Struct, frozen=True, tag="probe", tag_field="of"):
    """How a validator shares belief among the answers that one question could have, before one picture.

    Attributes:
        key: Digest over validator, picture, whether it was shown, question and answers.
        picture: File name.
        chances: One per answer; they sum to 1.
    """

    key: str
    picture: str
    chances: tuple[float, ...]


class SimilarityScore(Struct, frozen=True, tag="similarity", tag_field="of"):
    """How near a text lies to a picture in the space of a CLIP-like model.

    Attributes:
        key: Digest over validator, picture and what was compared.
        picture: File name.
        similarity: Cosine, -1 to 1.
    """

    key: str
    picture: str
    similarity: float


class NoScore(Struct, frozen=True, tag="none", tag_field="of"):
    """An answer of a validator from which no score can be read: a fact too, as it was paid for and would come again.

    Attributes:
        key: Of the score that it stands for.
        picture: File name.
        reason: Snake-case code, such as ``not_a_number``.
        detail: The sentence for a person.
    """

    key: str
    picture: str
    reason: str
    detail: str


Score = TextScore | ProbeScore | SimilarityScore | NoScore
"""One line of ``scores.jsonl``."""


class QuestionVector(Struct, frozen=True):
    """Where a question lies in the space of an embedding model: a fact, as it was paid for.

    Attributes:
        key: Digest over model and question.
        half_floats: The vector, scaled to length 1, as little-endian 16-bit floats.
    """

    key: str
    half_floats: bytes


class Judgement(Struct, frozen=True, omit_defaults=True):
    """What the judge over text replied about one sample's sentences: a fact, as it was paid for.

    Attributes:
        key: Digest over model and messages.
        text: Its raw reply; empty where there is none.
        error: None, or the reason code of a reply that can never be of use.
    """

    key: str
    text: str = ""
    error: str | None = None


BilledBy = Literal["validator", "embeddings", "judge"]


class Bill(Struct, frozen=True, omit_defaults=True):
    """What one answer of a judge, a served validator or an embeddings endpoint took: a fact, as it was paid for.

    Attributes:
        by: For what it was asked.
        model: As the endpoint calls it.
        usage: Its tokens.
        cost_usd: None where no price was known.
        at: Seconds since the epoch.
    """

    by: BilledBy
    model: str
    usage: Usage
    cost_usd: float | None = None
    at: float = 0.0


class AtRisk(Struct, frozen=True):
    """Money of a budget that no answer accounts for: a fact, of which the last one counts.

    Attributes:
        in_flight_usd: For requests under way, at most; lost where this is the last word of a killed process.
        lost_usd: For answers that never came, at worst.
    """

    in_flight_usd: float
    lost_usd: float


class Finding(Struct, frozen=True):
    """Something in an annotation that would harm the data, found by lint.

    Attributes:
        kind: Name of the fault, such as ``"doubled_box"``.
        image_id: The image, or None for a fault of the whole file.
        detail: One sentence with the numbers.
    """

    kind: str
    image_id: str | None
    detail: str


def reject(sample: Sample, drop: Drop) -> Sample:
    """Reject a sample; it keeps the turns it came with, so that a person can see what was wrong."""
    return replace(sample, status="rejected", stage=drop.stage, reason=drop.reason, detail=drop.detail)


def cut_or_reject(sample: Sample, turns: tuple[Turn, ...], drop: Drop | None) -> Sample:
    """Go on with the first turns, which a stage kept: a drop cuts off the others, or rejects where none is left."""
    if drop is None:
        return replace(sample, turns=turns)
    if turns:
        return replace(sample, turns=turns, cuts=(*sample.cuts, cut_of(drop, sample.turns[len(turns) :], len(turns))))
    return replace(reject(sample, drop), over_first_turn=bool(sample.turns))


def cut_of(drop: Drop, turns: tuple[Turn, ...], at: int) -> Cut:
    """Keep cut turns with the reason why they were cut; see ``Cut``."""
    return Cut(drop.stage, drop.reason, drop.detail, turns, at if turns else 0)
