"""What the commands print: the outcome of a run, its status, one sample's story, the words of a corpus."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from datagen.compact_map import DigestMap
from datagen.config import IMPORTED, Settings
from datagen.endpoint.prices import cost_parts
from datagen.engines.cost_ledger import Ledger
from datagen.engines.progress import ASKING, SILENT_S, Heartbeat, read_heartbeat
from datagen.errors import in_line, visible
from datagen.hallucination_rate import Coverage
from datagen.records import AnnotatedImage, Sample, Turn, Validation
from datagen.repair import REPAIRS
from datagen.review import told_of, told_since
from datagen.store import RunFolder, stored_replies
from datagen.summary import UNSCORED, Calibration, DiversityReport, Omission, PlantedFates, Reasons, Summary
from datagen.turn_fates import fated_turns, opinion_lines

if TYPE_CHECKING:
    from datagen.api import Run
    from datagen.engines.annotate_pictures import Annotated
    from datagen.engines.find_images import Near


def outcome_lines(summary: Summary, out: Path) -> Iterator[str]:
    """Tell how a run ended."""
    yield f"accepted  {summary.accepted} of {summary.samples} samples ({100 * summary.share_accepted:.1f} %)"
    yield from omission_lines(summary.omissions or {})
    yield from _turn_lines(summary)
    yield from _wrong_lines(summary)
    yield from _coverage_lines(summary.coverage)
    for name, fates in summary.by_type.items():
        told = f"{fates.accepted} samples accepted, {fates.rejected} rejected"
        told += f"; {fates.turns.kept} of {fates.turns.written} turns kept" if fates.turns else ""
        yield f"          {name}: {told}"
    yield from _reasons("rejected", summary.rejected_by_stage)
    yield from _reasons("shortened", summary.cut_by_stage)
    yield from _planted_lines(summary)
    yield from _repair_lines(summary)
    if summary.review:
        yield f"by hand   {told_of(summary.review)}"
    if summary.cost_usd:
        tokens = summary.tokens
        yield f"tokens    {tokens.prompt} in ({tokens.cached} cached), {tokens.completion} out"
        yield f"cost      ${summary.cost_usd:.4f}, ${summary.cost_usd_per_accepted:.6f} per accepted sample"
        if summary.cost_usd_by:
            yield f"          {cost_parts(summary.cost_usd_by)}"
    if summary.verdicts:
        yield "pixels    " + ", ".join(f"{verdict}: {n} turns" for verdict, n in summary.verdicts.items())
    if summary.judge:
        yield f"judge     {summary.judge.model}: {summary.judge.told}"
    yield from _calibration_lines(summary.calibration)
    yield f"dataset   {out / 'dataset.json'}"
    if (out / "report.html").is_file():
        yield f"report    {out / 'report.html'}"


def annotated_lines(found: Annotated, out: Path) -> Iterator[str]:
    """Tell what was found in bare pictures."""
    first = f"; {len(found.faults)} left out, such as {visible(found.faults[0])}" if found.faults else ""
    yield f"pictures  {found.pictures}{first}"
    most = ", ".join(f"{visible(name)} {number}" for name, number in list(found.boxes.items())[:5])
    yield f"boxes     {sum(found.boxes.values())} in {found.boxed} pictures" + (f": {most}" if most else "")
    if found.captioned is not None:
        yield f"captions  {found.captioned}"
    yield f"folder    {out}"


def omission_lines(omissions: Mapping[str, Omission]) -> Iterator[str]:
    """Tell what loading the corpus left out or mended, each kind with its first example."""
    for n, (kind, one) in enumerate(omissions.items()):
        yield f"{'' if n else 'left out':10}{one.number} {kind}, such as {in_line(one.example)}"


def _turn_lines(summary: Summary) -> Iterator[str]:
    """Tell what became of the turns, and what the kept ones say."""
    counts, words = summary.turn_counts, f"{summary.words_per_answer:.1f} words an answer"
    if counts is None:  # of an older version
        yield f"turns     {summary.turns}, {words}"
        return
    kept = f"{counts.kept} of {counts.written} kept ({100 * counts.kept / max(1, counts.written):.1f} %)"
    yield f"turns     {kept}, {words}"
    if counts.cut + counts.rejected:
        n_lost = counts.cut + counts.rejected
        cut = f"{counts.cut} cut off samples that went on" if counts.cut else ""
        rejected = f"{counts.rejected} in rejected samples" if counts.rejected else ""
        yield f"lost      {n_lost} turn{'s' * (n_lost != 1)}: {', '.join(filter(None, (cut, rejected)))}"
        if 0 < counts.at_fault < n_lost:
            yield f"          {counts.at_fault} of them were at fault, the others went with these"


def _wrong_lines(summary: Summary) -> Iterator[str]:
    """Tell how much of what the teacher wrote is wrong, and what is left of it."""
    rates, calibration = summary.hallucinations, summary.calibration
    if rates is None:
        return
    if rates.overall.claims.judged:
        yield f"wrong     {rates.overall.claims.told('checkable claims')}"
        kinds = {kind: rate.claims.share for kind, rate in rates.by_kind.items() if rate.claims.share}
        ranked = sorted(kinds.items(), key=lambda item: -item[1])
        if ranked:
            yield "          worst: " + ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in ranked[:3])
    if rates.overall.turns.judged:
        yield f"doubted   {rates.overall.turns.told('judged turns')}"
        if calibration and calibration.clean_flagged is not None:
            yield f"          of correct turns {100 * calibration.clean_flagged:.1f} % are doubted too"
    if summary.claims:
        right, wrong, left = (summary.claims.get(verdict, 0) for verdict in ("supported", "contradicted", "unknown"))
        yield f"left      {right} claims borne out, {wrong} contradicted, {left} unchecked"


def _coverage_lines(coverage: Coverage | None) -> Iterator[str]:
    """Tell how much of the text captions and boxes could check, and what most of the rest is about."""
    if coverage is None or not coverage.overall.sentences:
        return
    whole = coverage.overall
    beyond = whole.share(whole.beyond)
    yield f"checked   {whole.share(whole.decided)} of {whole.sentences} sentences; {beyond} say more than what is there"
    if len(coverage.by_type) > 1:
        yield "          " + ", ".join(f"{name} {one.share(one.decided)}" for name, one in coverage.by_type.items())
    for told, seen in (("annotations are silent on", coverage.silent), ("no claim found around", coverage.unread)):
        if seen:
            listed = ", ".join(f"{visible(name)} ({n})" for name, n in list(seen.items())[:3])
            yield f"          {told}: {listed}"


def _calibration_lines(found: Calibration | None) -> Iterator[str]:
    if found is None:
        return
    if found.judged and found.basis == "all turns":
        yield "          no picture has captions or boxes: doubted is only what seems to be about another picture"
    if found.share_wrong is not None:
        yield f"          wrong turns before the validator's cuts, by its estimate: {found.share_wrong}"
    for one in found.adds or ():
        if not one.is_heeded:
            yield visible(f"          {one.name} sees no kind of error by itself: the others judge without it")
            continue
        gain, low, high = (100 * share for share in one.gain)
        yield visible(
            f"          {one.name} finds {100 * one.recall_alone:.0f} % of planted errors alone and adds {gain:.1f} % "
            f"to the others' {100 * one.recall_without:.0f} % (95 %: {low:.1f} to {high:.1f})"
        )
    for reason, number in found.unscored.items():
        told = f"{UNSCORED[reason]} ({reason})" if reason in UNSCORED else reason
        yield f"          {number} question{'s' * (number != 1)} without a score: {told}"
    if found.why_not:
        yield f"          no turn is judged: {found.why_not}"


def _reasons(title: str, table: Reasons) -> Iterator[str]:
    for stage, reasons in table.items():
        for reason, number in reasons.items():
            yield f"{title:9} {number} sample{'s' * (number != 1)} in {stage}: {reason}"


def _repair_lines(summary: Summary) -> Iterator[str]:
    """Tell what came of what went back to the teacher."""
    told = summary.repair
    if not told:
        return
    yield f"repaired  {told.told}"
    if told.requests:
        yield f"          {told.price}"
    if told.by_reason:
        yield "          " + ", ".join(f"{reason} {kept} of {n}" for reason, (n, kept) in told.by_reason.items())
    for title, table in (("lost again", told.lost), ("nothing came", told.no_answer)):
        if table:
            yield f"          {title}: " + ", ".join(f"{n} {reason}" for reason, n in table.items())


def _planted_lines(summary: Summary) -> Iterator[str]:
    """Tell what became of errors that were planted into the teacher's replies."""
    if not summary.planted:
        return
    fates = summary.planted.values()
    n = {name: sum(getattr(one, name) for one in fates) for name in PlantedFates.__struct_fields__}
    yield f"planted   {n['planted']} errors into the teacher's replies"
    yield f"caught    {n['by_annotations']} by captions and boxes, {n['by_validator']} by the validator"
    if n["beside"]:
        yield f"          {n['beside']} more fell with something else"
    missed = ", ".join(f"{one.missed} {kind}" for kind, one in summary.planted.items() if one.missed)
    yield f"missed    {n['missed']}{f' ({missed})' * bool(missed)}"


RATE_WINDOW_S = 60.0
"""Replies are counted over this long before the latest one, so that pauses between two starts do not count."""


class _StoredTally(Struct):
    """What the stored replies come to.

    Attributes:
        tally: Requests by their error; None is an answer, ``REPAIRS`` one to a repair.
        per_s: Answers a second over the last minute of asking; None where that cannot be told.
        late: When those were stored that came after a heartbeat.
    """

    tally: Counter[str | None]
    spent: Counter[str]
    cost_usd: float | None
    per_s: float | None
    late: list[float]


def _count_stored(folder: RunFolder, since: float) -> _StoredTally:
    outcomes = DigestMap()  # 0 for an answer, else the place of its error in the list
    errors: list[str | None] = [None, REPAIRS]
    recent, latest = deque[float](), 0.0
    late: list[float] = []
    spent: Counter[str] = Counter()
    cost_usd: float | None = None
    for reply in stored_replies(folder):
        outcome = REPAIRS if reply.error is None and reply.response_type.startswith(REPAIRS) else reply.error
        if outcome not in errors:
            errors.append(outcome)
        outcomes.put(reply.request_digest, errors.index(outcome))
        if reply.at > since:
            late.append(reply.at)
        if reply.error is None and reply.at:
            recent.append(reply.at)
            latest = max(latest, reply.at)
            while recent[0] <= latest - RATE_WINDOW_S:
                recent.popleft()
        usage = reply.usage
        spent.update(prompt=usage.n_prompt_tokens, cached=usage.n_cached_tokens, completion=usage.n_completion_tokens)
        if reply.cost_usd is not None:
            cost_usd = (cost_usd or 0.0) + reply.cost_usd
    numbers, counts = np.unique(outcomes.arrays()[1], return_counts=True)
    tally = Counter({errors[number]: n for number, n in zip(numbers.tolist(), counts.tolist(), strict=True)})
    recent = deque(at for at in recent if at > latest - RATE_WINDOW_S)  # workers' files are not in order
    seconds = latest - min(recent, default=latest)
    return _StoredTally(tally, spent, cost_usd, len(recent) / seconds if seconds >= 1 else None, late)


def status_lines(run: Run) -> Iterator[str]:
    """Tell how far a run is, from its facts alone, so that it can be watched while it works."""
    beat = read_heartbeat(run.folder)  # before the replies: what is stored meanwhile is counted by its time
    stored = _count_stored(run.folder, time.time() if beat is None else beat.at)
    yield f"run       {run.folder.path}"
    is_asked = run.settings.teacher.name not in ("template", IMPORTED)
    is_working = beat is not None and beat.state in ("working", "silent")
    if beat is not None:
        beat.count_since(stored.late)
        yield from work_lines(beat, is_asked=is_asked)
    yield f"teacher   {run.settings.teacher.name}"
    yield f"replies   {stored.tally[None]} stored, {run.manifest.get('samples', 0)} samples planned"
    if stored.tally[REPAIRS]:
        yield f"repairs   {stored.tally[REPAIRS]} stored"
    for error, number in stored.tally.most_common():
        if error not in (None, REPAIRS):
            yield f"failed    {number} {error}"
    if stored.per_s is not None and (not is_working or (beat and beat.task == ASKING)):  # else of an earlier start
        yield f"rate      {stored.per_s:.1f} replies/s"
    summary = run.summary if run.folder.summary.is_file() else None
    if is_asked and stored.tally.total() and not (summary and summary.cost_usd):
        yield from _cost_lines(stored)
    elif is_asked and is_working:
        yield "cost      nothing yet"
    billed = Ledger(run.settings, run.folder).billed()
    if billed and summary is None:
        yield f"beside    {cost_parts(billed)}"
    if summary is not None:
        yield from outcome_lines(summary, run.folder.path)
        yield from _decision_lines(run, summary)
        yield from _diversity_lines(summary.diversity)
    elif not is_working:
        yield f"next      datagen resume {run.folder.path}   (it is not finished)"


def _cost_lines(stored: _StoredTally) -> Iterator[str]:
    spent = stored.spent
    yield f"tokens    {spent['prompt']} in ({spent['cached']} cached), {spent['completion']} out"
    known = stored.cost_usd is not None
    yield f"cost      ${stored.cost_usd:.4f}" if known else "cost      unknown (no price for this model)"


def work_lines(beat: Heartbeat | None, *, is_asked: bool = False) -> Iterator[str]:
    """Tell which process works on a run, at what and how far it is; or that it stopped, and why.

    Args:
        beat: What it said of itself last.
        is_asked: An endpoint is asked, so that retries are told also where there are none.
    """
    if beat is None:
        return
    process, state, age_s = f"process {beat.pid} on {visible(beat.host)}", beat.state, time.time() - beat.at
    if state == "stopped":
        yield f"stopped   {duration(age_s)} ago: {visible(beat.ended or '')}"
    elif state == "killed":
        yield f"stopped   {process} was killed; last heard {duration(age_s)} ago, at: {visible(beat.task)}"
    elif state == "silent":
        yield f"silent    {process} was last heard {duration(age_s)} ago; look there whether it still works"
    else:
        told = f", but was last heard {duration(age_s)} ago" if age_s > SILENT_S else ""
        yield f"working   {process}, for {duration(time.time() - beat.since)}{told}"
    if state in ("working", "silent"):
        far = f"{beat.n_done:,}" if beat.total is None else f"{beat.n_done:,} of {beat.total:,}"
        share = f" ({100 * beat.n_done / beat.total:.1f} %)" if beat.total else ""
        left = "time left not yet known" if beat.left_s is None else f"about {duration(beat.left_s)} left of this stage"
        yield f"stage     {visible(beat.task)}: {far}{share}, {left}"
    if is_asked or beat.n_retries or beat.n_refusals:
        yield f"retries   {beat.n_retries:,}; {beat.n_refusals:,} answers asked for fewer requests (429)"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _decision_lines(run: Run, summary: Summary) -> Iterator[str]:
    """Tell what was decided by hand since the run was finished; what it obeys stands in its outcome."""
    reviewer = run.reviewer()
    if reviewer.digest is not None:
        for _ in run.iter_samples(reviewer):
            pass
    counts = reviewer.report()
    since = told_since(summary.review, counts)
    if since:
        yield f"since     {told_of(counts) if counts else 'every decision was undone'}"
        yield f"          {since}"


def _diversity_lines(diversity: DiversityReport | None) -> Iterator[str]:
    """Tell what a finished set asks and what it lacks; a run of an older datagen has no record of it."""
    if not diversity or not diversity.turns:
        return
    kinds = sorted(diversity.question_kinds.items(), key=lambda item: -item[1])
    shares = [f"{kind} {100 * n / diversity.turns:.1f} %" for kind, n in kinds if n]
    yield f"asked     {', '.join(shares)}"
    yes, no = diversity.yes_no.yes, diversity.yes_no.no
    if yes + no:
        yield f"yes       {100 * yes / (yes + no):.1f} % of {yes + no} yes/no answers"
    for sentence in diversity.lacks:
        yield f"lacks     {sentence}"


def sample_story(run: Run, sample_id: str) -> Iterator[str]:
    """Tell everything about one sample, from what the teacher was told to its fate."""
    sample = run.sample(sample_id)
    image = run.images.get(sample.image_id)
    yield f"# {sample.sample_id}  ({sample.image})"
    yield from _told(run, image, sample)
    reply = run.reply_to(sample)
    if reply is not None:
        tokens = f"{reply.usage.n_prompt_tokens} + {reply.usage.n_completion_tokens} tokens"
        yield from (
            "",
            f"## Reply of {reply.teacher} ({tokens}, answered at try {reply.n_attempts})",
            *filter(None, [reply.detail]),
            visible(reply.text) or "(none)",
        )
    yield from ("", "## Turns")
    yield from turn_lines(sample)
    yield from ("", f"## Fate: {sample.status}")
    if sample.review is not None:
        was = ", ".join(filter(None, (sample.review.status, sample.review.stage, sample.review.reason)))
        yield f"a person decided: {sample.review.verb} (before: {was})"
    if sample.stage:
        yield f"{sample.stage}: {sample.reason} ({sample.detail})"
    spent = sample.provenance
    yield f"recipe {spent.recipe_digest}, request {spent.request_digest}, licence {spent.licence or 'not stated'}"


def turn_lines(sample: Sample) -> Iterator[str]:
    """Tell a sample's turns, each with its claims and what the pixels say, and why some were cut."""
    for told in fated_turns(sample):
        turn = told.turn
        yield f"{told.number}. Q: {visible(turn.question)}"
        yield f"   A: {visible(turn.answer)}"
        if told.fate == "cut":
            why = told.detail if told.cause == "itself" else f"with {told.cause}"
            yield visible(f"   CUT in {told.stage}: {told.reason} ({why})")
        for before in told.earlier:
            if before.outcome is None:
                yield visible(f"   BEFORE: {before.turn.question} {before.turn.answer}")
            yield from (visible(f"   went back: '{one.text}' ({one.reason}: {one.evidence})") for one in before.flaws)
            if before.outcome is not None:
                yield visible(f"   {before.outcome}")
        yield from _claim_lines(turn)
        yield from (visible(f"   judge: {line}") for line in opinion_lines(turn))
        if turn.validation is not None:
            yield from _validation_lines(turn, turn.validation)
    for cut in sample.cuts:
        if not cut.turns:  # it could not be read as a turn, or an older version did not keep it
            yield visible(f"cut in {cut.stage}: {cut.reason} ({cut.detail})")


def _validation_lines(turn: Turn, seen: Validation) -> Iterator[str]:
    """What the validator was asked about a turn, and what it makes of the answers."""
    told = f"   pixels: {seen.verdict}"
    if seen.p_value is not None:
        told += f"; {seen.standing}"
        told += "; chance of error: " + ", ".join(f"{kind} {doubt:.0%}" for kind, doubt in seen.doubts.items())
    yield visible(told)
    for probe in seen.probes or ():
        claim = turn.claims[probe.claim]
        text = turn.question if claim.in_question else turn.answer
        by = f", by {probe.by}" if probe.by else ""
        yield visible(f"   [{probe.chance:.0%}] {probe.question} ('{text[claim.start : claim.end]}'){by}")


def _claim_lines(turn: Turn) -> Iterator[str]:
    """What a turn claims, what the annotations say to it, and why."""
    for claim in turn.claims:
        text = turn.question if claim.in_question else turn.answer
        yield visible(f"   [{claim.verdict}] {claim.kind} '{text[claim.start : claim.end]}': {claim.evidence}")


def _told(run: Run, image: AnnotatedImage | None, sample: Sample) -> Iterator[str]:
    from datagen.recipes import available_types, load_recipe

    yield from ("", "## Context")
    if run.settings.teacher.name == IMPORTED:
        yield "(imported: what its teacher was told is not known)"
        return
    folder = available_types(run.settings.recipes_dir).get(sample.response_type)
    if image is None or folder is None:
        yield "(the corpus or the recipe is no longer where the run found it)"
        return
    recipe = load_recipe(folder, run.settings.language)
    if recipe.digest != sample.provenance.recipe_digest:
        yield "(the recipe was edited since; this is what it would tell today)"
    yield run.context_of(image, recipe, sample.sample_id)


def near_lines(found: Sequence[Near]) -> Iterator[str]:
    """Tell which images were found, nearest first, each with its first caption."""
    if not found:
        yield "no picture of this run can be opened"
    for near in found:
        caption = visible(near.image.captions[0]) if near.image.captions else ""
        yield visible(f"{near.similarity:7.4f}  {near.image.image_id:12}  {near.image.file_name}  {caption}".rstrip())


def model_lines() -> Iterator[str]:
    """Tell which validators have a name, what each needs, and which lie on this machine."""
    from datagen.validator.files import CATALOGUE, cached_folder

    precisions = ("fp32", "bf16", "8bit", "4bit")
    heads = "".join(f"{precision:>6}" for precision in precisions)
    yield f"{'name':22}{heads}  here  hub id: what it is asked"
    yield f"{'nano':22}{'   0.0' * 2}{'     -' * 2}  yes   bundled: drawn scenes; on photographs, common things"
    for listed in CATALOGUE:
        sizes = (listed.weights_gb(precision) for precision in precisions)
        told = "".join("     -" if size is None else f"{size:6.1f}" for size in sizes)
        here = "yes" if cached_folder(listed.hub_id) else "no"
        yield f"{listed.name:22}{told}  {here:4}  {listed.hub_id}: {listed.good_for}"
    yield ""
    yield "Numbers are GB for the weights; pictures and texts take 1 to 4 GB more. bf16 stands for fp16 as well."
    yield "8bit and 4bit need a CUDA GPU and: pip install 'datagen[quant]'."
    yield "Also: none; a checkpoint folder; a hub id such as owner/model (LLaVA, Imp, CLIP, SigLIP, any chat model"
    yield "with eyes or detector that transformers loads); endpoint:URL#MODEL for one served by vLLM or SGLang."


def words_lines(settings: Settings) -> Iterator[str]:
    """Tell what the words of a corpus resolve to: per category its spellings, with their use in captions."""
    from datagen.claims import unknown_names, vocabulary_for
    from datagen.corpus import load_corpus

    corpus = load_corpus(settings.corpus)
    vocabulary = vocabulary_for(corpus.categories, settings.checks.words)
    used: Counter[tuple[str, str]] = Counter()
    for image in corpus.images:
        for caption in image.captions:
            found = vocabulary.lexicon.find(caption)
            used.update((mention.category, caption[mention.start : mention.end].lower()) for mention in found)
    for category in (*corpus.categories, *vocabulary.claimed):
        own = [(word, form) for word, form in vocabulary.lexicon.forms.items() if form and form.category == category]
        own.sort(key=lambda item: -used[category, item[0]])
        told = [f"{word}{' (unsure)' * form.is_unsure} {used[category, word] or ''}".strip() for word, form in own]
        yield f"{category:16} {', '.join(told)}"
        if vocabulary.lookalikes.get(category):
            yield f"{'':16} taken for {', '.join(sorted(vocabulary.lookalikes[category]))}"
        if category in vocabulary.claimed:
            yield f"{'':16} borne out by {', '.join(vocabulary.hypernyms[category])}"
    for name in unknown_names(corpus.categories, settings.checks.words):
        yield f"! the words speak of '{name}', which is no category of this corpus"
