"""Estimates requests, tokens, cost and time of a run, of its judge over text and its repairs; nothing is sent."""

from __future__ import annotations

import random
import statistics
from array import array
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from msgspec import Struct

from datagen.checks.judge import evidence_for, judge_messages, sentences_of
from datagen.compact_map import DigestMap
from datagen.companions import NO_COMPANIONS, count_companions
from datagen.config import Settings
from datagen.corpus import load_corpus, open_source
from datagen.corpus.images import ids_of
from datagen.endpoint.prices import cost_of, spent_on
from datagen.endpoint.token_estimate import (
    TOKENS_PER_MESSAGE,
    count_messages,
    count_prompt,
    count_tokens,
    picture_tokens,
)
from datagen.engines.cost_ledger import Ledger, judge_tariff
from datagen.engines.entail_sentences import CPU_S_PER_TOKEN, evidence_read, sentences_asked, why_unread
from datagen.engines.extra_samples import read_extras
from datagen.engines.inputs import usable
from datagen.errors import CorpusError, SettingsError
from datagen.parsing import parse_reply
from datagen.pipeline import plan_samples
from datagen.recipes import Recipe, judge_prompt, load_recipes, needs_absent, repair_prompt, shares_of
from datagen.records import AnnotatedImage, Flaw, Judgement, Repair, Reply, Request, Turn, Usage
from datagen.repair import REPAIRS, tell_flaws
from datagen.store import RunFolder, read_facts, stored_replies
from datagen.store.shards import Shard, shard_folders
from datagen.summary import Omission, count_omissions

CACHE_FROM, CACHE_STEP = 1024, 128  # tokens; how OpenAI caches prompts, and others much alike
SAMPLED = 2_000
"""Images that are planned where nothing is stored yet: of COCO's they tell the tokens in to some 0.3 %."""
MIN_MEASURED = 5  # replies of a type, before they say more than its few-shots
ASSUMED_TOKENS_PER_S = 50.0  # of one request; hosted models write 30 to 150


class TypeEstimate(Struct):
    """One response type's share.

    Attributes:
        n_requests: To be sent.
        n_stored: Whose replies are stored, so that they are not sent again.
        n_failed: Of these, failed for good: only ``retry`` sends them again.
        n_prompt: Tokens in.
        n_cached: Of these, likely found in the provider's cache.
        n_completion: Tokens out.
        n_most: Tokens out if every reply were as long as it may be.
        reply_tokens: Of one reply.
        n_picture: Tokens in of pictures, before what stored replies took is known.
        reply_source: Where that number comes from.
    """

    n_requests: int = 0
    n_stored: int = 0
    n_failed: int = 0
    n_prompt: float = 0.0
    n_cached: float = 0.0
    n_completion: float = 0.0
    n_most: int = 0
    reply_tokens: float = 0.0
    reply_source: str = ""
    n_picture: float = 0.0


class SampledOn(Struct, frozen=True):
    """On how many images an estimate stands, where planning all of them would take long.

    Attributes:
        n_images: That were planned, drawn by chance.
        of: All images.
        margin: Half of the 95 % interval of the tokens in, as a share of them.
    """

    n_images: int
    of: int
    margin: float


class Estimate(Struct, frozen=True):
    """What a run will come to, as far as it is not paid for yet.

    Attributes:
        by_type: Per response type.
        cost_usd: None when the price is unknown; 0 for the embedded teacher.
        uncached_usd: If the provider caches nothing.
        most_usd: If, too, every reply is as long as it may be.
        spent_usd: What all that is stored cost.
        time_s: Asking alone; None for batches.
        time_told: What the time rests on.
        n_nothing_to_ask: Samples without anything to tell.
        judge: What a judge over text takes beside the teacher, whose the figures above are; None without one.
        repair: What a sample takes that goes back to the teacher, which is in no figure above; None without ``repair``.
        omissions: What loading the corpus left out or mended, by kind.
        sampled: None where every request was planned.
    """

    by_type: dict[str, TypeEstimate]
    cost_usd: float | None
    uncached_usd: float | None
    most_usd: float | None
    spent_usd: float
    time_s: float | None
    time_told: str
    n_nothing_to_ask: int
    judge: JudgeEstimate | None = None
    repair: RepairEstimate | None = None
    omissions: dict[str, Omission] = {}
    sampled: SampledOn | None = None

    @property
    def total(self) -> TypeEstimate:
        """All types together."""
        names = ("n_requests", "n_stored", "n_failed", "n_prompt", "n_cached", "n_completion", "n_most", "n_picture")
        return TypeEstimate(**{name: sum(getattr(of, name) for of in self.by_type.values()) for name in names})


class _Measured(Struct):
    """What the stored replies of a type say: sums of their tokens, and of our own count of their prompts."""

    n: int = 0
    n_prompt: int = 0
    n_cached: int = 0
    n_completion: int = 0
    n_counted: float = 0.0
    latency_s: float = 0.0

    def add(self, usage: Usage, latency_s: float, n_counted: float) -> None:
        self.n += 1
        self.n_prompt += usage.n_prompt_tokens
        self.n_cached += usage.n_cached_tokens
        self.n_completion += usage.n_completion_tokens
        self.n_counted += n_counted
        self.latency_s += latency_s


def estimate_run(settings: Settings, out: Path | None = None, shard: Shard | None = None) -> Estimate:
    """Estimate what ``run`` would send with these settings; pictures are not opened.

    Args:
        settings: Of the run.
        out: The run folder, if it may hold replies already: they are not sent again, and tell what others will take.
        shard: Only this share of the run, whose replies lie in its own folder.

    Raises:
        DatagenError: The settings, annotations or recipes cannot be used.
    """
    if settings.corpus.dataset is not None:
        raise SettingsError("A dataset made elsewhere asks no teacher, so there is nothing to estimate.")
    if settings.more is not None:
        raise SettingsError("--more is chosen once it is run; 'datagen status' tells what a sample of the run cost.")
    if settings.retry:
        raise SettingsError("--retry is counted once it is run; 'datagen status' tells what fell, and what it cost.")
    settings = usable(settings, open_source(settings.corpus))
    corpus, recipes = load_corpus(settings.corpus), load_recipes(settings)
    if corpus.refusal:
        raise CorpusError(corpus.refusal)
    images: Sequence[AnnotatedImage] = corpus.images
    if shard is not None:
        shard.require_one_machine(settings)
        images = images[shard.cut(len(images))]
    folders = _folders(out, shard)
    replies = _Stored(chain.from_iterable(map(stored_replies, folders)))
    by_type = {recipe.name: TypeEstimate() for recipe in recipes}
    measured = {recipe.name: _Measured() for recipe in recipes}
    n_nothing_to_ask = 0
    companions = count_companions(corpus.whole) if needs_absent(recipes, settings) else NO_COMPANIONS
    extras = {} if out is None else read_extras(RunFolder(out), recipes)
    planned = _drawn(images) if len(images) > SAMPLED and not len(replies) else images
    times = len(images) / max(1, len(planned))
    by_image = dict.fromkeys(ids_of(planned), 0.0)  # tokens in
    for item in plan_samples(planned, recipes, settings, lambda image: None, corpus.categories, companions, extras):
        if item.request is None:
            n_nothing_to_ask += 1
            continue
        of, seen = by_type[item.recipe.name], measured[item.recipe.name]
        before = of.n_prompt
        _count(item.request, of, seen, replies, item.recipe.n_decks / times, settings.teacher.name)
        by_image[item.image.image_id] += of.n_prompt - before
    sampled = None if planned is images else SampledOn(len(planned), len(images), _margin([*by_image.values()], times))
    if sampled is not None:
        n_nothing_to_ask = round(n_nothing_to_ask * times)
        for of in by_type.values():
            of.n_requests, of.n_most = round(of.n_requests * times), round(of.n_most * times)
            of.n_prompt, of.n_cached, of.n_picture = of.n_prompt * times, of.n_cached * times, of.n_picture * times
    for recipe in recipes:
        _settle(recipe, by_type[recipe.name], measured[recipe.name], is_batch=settings.teacher.batch)
    usages = [(of.n_prompt, of.n_cached, of.n_completion, of.n_most) for of in by_type.values()]
    n_prompt, n_cached, n_completion, n_most = (round(sum(column)) for column in zip(*usages, strict=True))
    time_s, told = _time(settings, by_type, measured)
    return Estimate(
        by_type,
        _cost(settings, Usage(n_prompt, n_cached, n_completion)),
        _cost(settings, Usage(n_prompt, 0, n_completion)),
        _cost(settings, Usage(n_prompt, 0, n_most)),
        spent_on(chain.from_iterable(map(stored_replies, folders)), settings.teacher) + _billed(settings, folders),
        time_s,
        told,
        n_nothing_to_ask,
        estimate_judge(settings, images, recipes, folders),
        _estimate_repair(settings, recipes, by_type, measured, replies.repairs),
        count_omissions(corpus.findings),
        sampled,
    )


def _drawn(images: Sequence[AnnotatedImage]) -> list[AnnotatedImage]:
    """Some images by chance, the same each time, in their order."""
    return [images[n] for n in sorted(random.Random(0).sample(range(len(images)), SAMPLED))]


def _margin(of_images: Sequence[float], times: float) -> float:
    """Half of the 95 % interval of a sum over all images, as a share of it; each stands for so many."""
    mean = statistics.fmean(of_images)
    error = statistics.stdev(of_images) * ((1 - 1 / times) / len(of_images)) ** 0.5
    return 1.96 * error / mean if mean else 0.0


def _billed(settings: Settings, folders: Sequence[RunFolder]) -> float:
    """US dollars that others than the teacher billed."""
    return sum(usd or 0.0 for folder in folders for usd in Ledger(settings, folder).billed().values())


def _folders(out: Path | None, shard: Shard | None) -> list[RunFolder]:
    """Where facts that are paid for lie: of the run, of one shard, or of all shards that are not merged yet."""
    if out is None:
        return []
    folders = [RunFolder(out)] if shard is None else [shard.folder_in(out)]
    if shard is None and not folders[0].settings.exists():
        folders += shard_folders(out)
    return folders


class _Stored:
    """The latest reply to each request without its text, at some forty bytes each.

    Attributes:
        repairs: What those took that were repairs, each time that one was answered.
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.repairs = _Measured()
        self._places = DigestMap()
        self._columns: tuple[array[Any], ...] = tuple(array(kind) for kind in "QQQdBB")
        for place, reply in enumerate(replies):
            self._places.put(reply.request_digest, place)
            usage = reply.usage
            if reply.response_type.startswith(REPAIRS) and reply.error is None and usage.n_completion_tokens:
                self.repairs.add(usage, reply.latency_s, 0.0)
            tokens = usage.n_prompt_tokens, usage.n_cached_tokens, usage.n_completion_tokens
            told = (*(max(0, n) for n in tokens), reply.latency_s, reply.error is None, reply.is_final)
            for column, value in zip(self._columns, told, strict=True):
                column.append(value)

    def __len__(self) -> int:
        return len(self._columns[0])

    def get(self, digest: str) -> tuple[Usage, float, bool, bool] | None:
        """Tokens, latency in seconds, whether it is an answer, whether it is final."""
        place = self._places.get(digest)
        if place is None:
            return None
        n_prompt, n_cached, n_completion, latency_s, is_answer, is_final = (one[place] for one in self._columns)
        return Usage(n_prompt, n_cached, n_completion), latency_s, bool(is_answer), bool(is_final)


def _count(
    request: Request, of: TypeEstimate, measured: _Measured, replies: _Stored, n_decks: float, model: str
) -> None:
    n_prompt, n_constant = count_prompt(request, model)
    stored = replies.get(request.digest)
    if stored is not None and stored[3]:
        usage, latency_s, is_answer, _ = stored
        of.n_stored += 1
        of.n_failed += not is_answer
        if is_answer and usage.n_completion_tokens:
            measured.add(usage, latency_s, n_prompt)
        return
    of.n_prompt += n_prompt
    if of.n_requests >= n_decks and n_constant >= CACHE_FROM:  # the first of each choice of few-shots fills the cache
        of.n_cached += n_constant // CACHE_STEP * CACHE_STEP
    of.n_requests += 1
    if request.image_detail is not None:
        of.n_picture += picture_tokens(*request.picture_px, request.image_detail, model)
    of.n_most += request.max_tokens


def _settle(recipe: Recipe, of: TypeEstimate, measured: _Measured, *, is_batch: bool) -> None:
    """Turn counts into an estimate, by what the run's own replies took once there are a few."""
    most = of.n_most / max(1, of.n_requests)
    if is_batch:  # worked on over hours and in any order: no hit is counted on
        of.n_cached = 0.0
    if measured.n >= MIN_MEASURED:
        of.reply_tokens = measured.n_completion / measured.n
        of.reply_source = f"mean of {measured.n} stored replies"
        of.n_prompt *= measured.n_prompt / measured.n_counted
        of.n_cached = of.n_prompt * min(1.0, measured.n_cached / max(1, measured.n_prompt))
    elif recipe.fewshots:
        n_tokens = [count_tokens(shot.reply) for shot in recipe.fewshots]
        of.reply_tokens = min(sum(n_tokens) / len(n_tokens), most)
        of.reply_source = f"mean of {len(n_tokens)} few-shots"
    else:
        of.reply_tokens = most
        of.reply_source = "the longest allowed, as there are no few-shots"
    of.n_completion = of.n_requests * of.reply_tokens


def _cost(settings: Settings, usage: Usage) -> float | None:
    return 0.0 if settings.teacher.name == "template" else cost_of(usage, settings.teacher.name, settings.teacher)


def _time(
    settings: Settings, by_type: dict[str, TypeEstimate], measured: dict[str, _Measured]
) -> tuple[float | None, str]:
    """Seconds of asking: what the limits allow, or what so many in flight take, whichever is longer."""
    teacher = settings.teacher
    if teacher.name == "template":
        return None, "about a millisecond a sample: nothing is sent"
    if teacher.batch:
        return None, "up to 24 hours: each batch is answered within a day"
    n_requests = sum(of.n_requests for of in by_type.values())
    n_tokens = sum(of.n_prompt + of.n_completion for of in by_type.values())
    in_flight = teacher.concurrency or 64
    n_measured = sum(of.n for of in measured.values())
    if n_measured >= MIN_MEASURED:
        latency_s = sum(of.latency_s for of in measured.values()) / n_measured
        told = f"{in_flight} in flight, {latency_s:.1f} s a reply as stored"
        time_s = n_requests * latency_s / in_flight
    else:
        told = f"{in_flight} in flight, {ASSUMED_TOKENS_PER_S:g} tokens a second each, both assumed"
        if teacher.concurrency:
            told = f"{in_flight} in flight, {ASSUMED_TOKENS_PER_S:g} tokens a second each assumed"
        time_s = sum(of.n_completion for of in by_type.values()) / ASSUMED_TOKENS_PER_S / in_flight
    for name, n_units, per_minute in (("rpm", n_requests, teacher.rpm), ("tpm", n_tokens, teacher.tpm)):
        if per_minute and 60 * n_units / per_minute > time_s:
            time_s, told = 60 * n_units / per_minute, f"the {name} of {per_minute:g}"
    return time_s, told


_UNSEEN = (Turn("What is in the picture?", "It shows a thing beside another one, as many pictures do. " * 5),)
"""Stands for a sample of a dataset made elsewhere, or of a recipe without few-shots."""


class JudgeEstimate(Struct, frozen=True):
    """What the judge will be asked, if every sample reaches it.

    Attributes:
        model: Its name.
        n_requests: To be sent, those on planted errors among them.
        n_stored: Whose replies are stored.
        n_prompt: Tokens in.
        n_completion: Tokens out.
        cost_usd: None where no price is known.
        cpu_s: Seconds of one core that the bundled one takes, which is asked over no network; None of an endpoint's.
    """

    model: str
    n_requests: int
    n_stored: int
    n_prompt: int
    n_completion: int
    cost_usd: float | None
    cpu_s: float | None = None

    @property
    def told(self) -> str:
        """As one sentence's end."""
        if self.cpu_s is not None:
            stored = f" beside {self.n_stored:,} stored" if self.n_stored else ""
            took = f"{self.cpu_s:,.0f} CPU seconds" if self.cpu_s < 600 else f"{self.cpu_s / 60:,.0f} CPU minutes"
            return f"{self.model}: up to {self.n_requests:,} samples to read here{stored}, costs nothing, about {took}"
        cost = "of unknown price" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        stored = f", {self.n_stored:,} stored" if self.n_stored else ""
        tokens = f"{self.n_prompt:,} tokens in, {self.n_completion:,} out"
        return f"{self.model}: up to {self.n_requests:,} requests{stored}, {tokens}, {cost}"


def estimate_judge(
    settings: Settings, images: Sequence[AnnotatedImage], recipes: Sequence[Recipe], folders: Sequence[RunFolder] = ()
) -> JudgeEstimate | None:
    """Estimate what the judge will take; None where none is asked for.

    Args:
        settings: Of the run.
        images: To be asked about under every recipe.
        recipes: Their few-shots tell how long answers are.
        folders: Whose judgements are not asked for again.
    """
    judge = settings.checks.judge
    if judge is None or (judge.is_bundled and why_unread(settings, images) is not None):
        return None
    step = max(1, -(-len(images) // 500))  # so many, evenly spaced, tell the mean to some 3 %
    evidence = evidence_read if judge.is_bundled else partial(evidence_for, context=settings.context)
    told = [evidence(images[n]) for n in range(0, len(images), step)]
    n_evidence = sum(map(count_tokens, told)) / max(1, len(told))
    shots = [_shots(recipe) for recipe in recipes]
    n_shots = [len(of) * len(shots) for of in shots]
    counted = [(turns, 1 / n) for of, n in zip(shots, n_shots, strict=True) for turns in of]
    n_sentences = sum(share * len(sentences_of(turns)) for turns, share in counted)
    shares = shares_of(settings.mix)
    n_types = sum(shares.values()) if shares else len(recipes)
    n_samples = round(sum(map(bool, told)) * len(images) * n_types / max(1, len(told)))
    n_stored = len({fact.key for folder in folders for fact in _stored(folder)})
    n_requests = max(0, n_samples + 2 * min(judge.planted, n_samples) - n_stored)
    if judge.is_bundled:
        n_read = n_sentences * n_evidence + sum(
            share * sum(count_tokens(" ".join(one)) for one in sentences_asked(turns)) for turns, share in counted
        )
        return JudgeEstimate(judge.model, n_requests, n_stored, 0, 0, 0.0, n_requests * n_read * CPU_S_PER_TOKEN)
    system = judge_prompt(settings.recipes_dir)
    n_prompt = n_evidence + sum(share * count_messages(judge_messages(system, "", turns)) for turns, share in counted)
    n_verdict = count_tokens('{"n": 1, "verdict": "supported", "quote": "two men on a bench"}, ')
    n_completion = n_sentences * n_verdict
    usage = Usage(round(n_requests * n_prompt), 0, round(n_requests * n_completion))
    cost_usd = cost_of(usage, judge.model, judge_tariff(settings))
    return JudgeEstimate(judge.model, n_requests, n_stored, usage.n_prompt_tokens, usage.n_completion_tokens, cost_usd)


SENTENCES_SENT_BACK = 1.5
"""Of a sample: 28 in 19 that captions and boxes contradicted, of 36 an LLM's replies (``benchmarks/repairs.py``)."""
_EVIDENCE = "'three backpacks': backpack: text says 3, boxes show 2"
"""As long as what spoke against these 28: 16 tokens."""


class RepairEstimate(Struct, frozen=True):
    """What one sample takes that goes back to the teacher once; how many will, nobody knows before.

    Attributes:
        n_prompt: Tokens in: its request once more, the reply to it, and what speaks against it.
        n_cached: Of these, likely found in the provider's cache.
        n_completion: Tokens out: the sentences written anew.
        cost_usd: None where no price is known.
        tenth_usd: What it comes to if one in ten samples goes back; None where no price is known.
        n_samples: Of the run, whether asked already or not.
        n_rounds: How often one sample may go back.
        source: Where the tokens come from.
    """

    n_prompt: float
    n_cached: float
    n_completion: float
    cost_usd: float | None
    tenth_usd: float | None
    n_samples: int
    n_rounds: int
    source: str

    @property
    def told(self) -> str:
        """As one sentence's end."""
        times = 0.1 * self.n_samples
        tenth = self._told(times, "" if self.tenth_usd is None else f", ${self.tenth_usd:.4f}")
        each = self._told(1, ", of unknown price" if self.cost_usd is None else f", ${self.cost_usd:.6f}")
        often = f", up to {self.n_rounds} times" if self.n_rounds > 1 else ""
        return (
            f"{each} for a sample that goes back{often} ({self.source}); in no other figure, as nobody knows how many "
            f"will: 10 % of {self.n_samples:,} would add {tenth}"
        )

    def _told(self, times: float, cost: str) -> str:
        return f"{times * self.n_prompt:,.0f} tokens in, {times * self.n_completion:,.0f} out{cost}"


def _estimate_repair(
    settings: Settings,
    recipes: Sequence[Recipe],
    by_type: dict[str, TypeEstimate],
    measured: dict[str, _Measured],
    repairs: _Measured,
) -> RepairEstimate | None:
    """Estimate what one sample takes that goes back; None where none does, or nothing is known of any request.

    Args:
        settings: Of the run.
        recipes: Their few-shots tell how long sentences are.
        by_type: What their requests and replies take.
        measured: What the stored ones took.
        repairs: What stored repairs took, which say more than all else once there are a few.
    """
    if not settings.repair:
        return None
    if repairs.n >= MIN_MEASURED:
        tokens = [n / repairs.n for n in (repairs.n_prompt, repairs.n_cached, repairs.n_completion)]
        source = f"mean of {repairs.n} stored repairs"
    else:
        asked = [(one, by_type[one.name], measured[one.name]) for one in recipes]
        asked = [(one, of, seen) for one, of, seen in asked if of.n_requests + seen.n]
        shares = [of.n_requests + of.n_stored for _, of, _ in asked]
        each = [_sent_back(one, of, seen, settings.recipes_dir) for one, of, seen in asked]
        tokens = [statistics.fmean(column, shares) for column in zip(*each, strict=True)]
        source = f"{SENTENCES_SENT_BACK:g} sentences of the few-shots' length assumed"
    if not tokens:
        return None
    n_samples = sum(of.n_requests + of.n_stored for of in by_type.values())
    n_prompt, n_cached, n_completion = tokens
    cost_usd = _cost(settings, Usage(round(n_prompt), round(n_cached), round(n_completion)))
    tenth_usd = None if cost_usd is None else 0.1 * n_samples * cost_usd
    return RepairEstimate(n_prompt, n_cached, n_completion, cost_usd, tenth_usd, n_samples, settings.repair, source)


def _sent_back(
    recipe: Recipe, of: TypeEstimate, seen: _Measured, recipes_dir: str | None
) -> tuple[float, float, float]:
    """Tokens in, of these cached, and out of a repair of a type of which something is to be asked, or was answered."""
    n_asked = of.n_requests + seen.n
    n_reply = of.reply_tokens if of.n_requests else seen.n_completion / seen.n
    n_added = count_tokens(repair_prompt(recipes_dir)) + 2 * TOKENS_PER_MESSAGE
    told, new = _sentence_sent_back(recipe)
    n_prompt = (of.n_prompt + seen.n_prompt) / n_asked + n_reply + n_added + SENTENCES_SENT_BACK * told
    return n_prompt, (of.n_cached + seen.n_cached) / n_asked, SENTENCES_SENT_BACK * new


def _sentence_sent_back(recipe: Recipe) -> tuple[float, float]:
    """Tokens of a sentence of the few-shots with what speaks against it, and of one that stands in its place."""
    told, new = [], []
    for turn in chain.from_iterable(_shots(recipe)):
        for span in sentences_of((turn,)):
            text = turn.answer[span.start : span.end]
            order = Repair("", (Flaw(0, span.start, text, "checks", "count_contradicted", _EVIDENCE),), {0: turn})
            lines = tell_flaws(order, with_questions=recipe.settings.reply_format != "text")
            told.append(count_tokens("\n".join(lines)))
            new.append(count_tokens(f"1. {text}"))
    return statistics.fmean(told), statistics.fmean(new)


def _shots(recipe: Recipe) -> list[tuple[Turn, ...]]:
    """The turns of a recipe's few-shots."""
    of_text = "What is in the picture?" if recipe.settings.reply_format == "text" else None
    parsed = (parse_reply(shot.reply, recipe.settings.reply_format, "stop", of_text) for shot in recipe.fewshots)
    return [one.turns for one in parsed if one.turns] or [_UNSEEN]


def _stored(folder: RunFolder) -> list[Judgement]:
    if not folder.judgements.is_file():
        return []
    return [fact for _, fact in read_facts(folder.judgements, Judgement) if fact is not None]
