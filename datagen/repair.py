"""Repair instead of loss: sentences that are contradicted or doubted go back to the teacher, and come back mended.

A conversation is cut before its first turn at fault, so that one wrong number may cost five good answers. With
``--repair`` the teacher gets its own reply once more, with each sentence that something speaks against and what does:
the annotations' evidence, the judge's quotation, the validator's doubt. It answers with these sentences alone, which
cost a few tokens; they are put into the places of the old ones, and the sample goes through every stage again.

Nothing is decided here that the stages do not decide: a repaired sentence that is still wrong falls as any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from datagen.box_text import boxes_in, tell_box
from datagen.checks.judge import objects, sentences_of
from datagen.checks.pointed_boxes import invented_box
from datagen.checks.wording import words_of
from datagen.config import digest_of
from datagen.languages import ENGLISH, foreign_sentence, language_for, other_language
from datagen.parsing.numbered_text import OF_WRITING, REMARK, REPEATED, UNREADABLE, NumberedText, read_numbered
from datagen.records import Claim, Flaw, Message, Repair, Reply, Request, Sample, Turn
from datagen.turn_fates import FatedTurn, fated_turns

FindReply = Callable[[str], Reply | None]
"""Gives the stored reply to a request by its digest; None where there is none."""
REPAIRS = "repair of "
"""How the response type of a repair's request and reply begins; names of response types have no blank."""

_DISAGREE = ("turns_disagree", "samples_disagree")
_MIN_REPEATED = 12
"""Characters; shorter sentences, such as "Yes." and "It is.", may well stand twice."""
_ECHO = re.compile(r'(?:The question|In the answer to ["“].{0,300}?["”]):[ \t]*')
"""Where a sentence stands, as ``tell_flaws`` tells the teacher, said back."""
INVENTED_BOX = invented_box.__name__
_YES_OR_NO = re.compile(r"\W{0,3}(?:yes|no)\b", re.IGNORECASE)


def is_repairable(stage: str | None, reason: str | None) -> bool:
    """Whether a turn fell because something speaks against what it says; not for its wording, or as a copy."""
    if stage == "validate":
        return reason == "doubtful_answer"
    return (
        stage == "checks"
        and reason is not None
        and (reason.endswith("_contradicted") or reason in (*_DISAGREE, "judge_objects", INVENTED_BOX))
    )


def flaws_of(sample: Sample, n_rounds: int) -> tuple[Flaw, ...]:
    """Find every sentence of a sample that must be written anew so that the sample goes on; none where that is vain.

    The turns behind one at fault are looked through as well, as they come back with it.

    Args:
        sample: As far as it came, with what it lost.
        n_rounds: How often a turn may go back; one of which nothing came goes back no more.
    """
    rounds = () if sample.repairs is UNSET else sample.repairs
    n_sent = {n: sum(n in one.before for one in rounds) for one in rounds for n in one.before}
    given_up = {n for one in rounds if one.error for n in one.before}
    found: list[Flaw] = []
    for told in fated_turns(sample):
        n, flaws = told.number - 1, tuple(_flaws_in(told))
        if told.cause == "the sample":
            return ()
        is_at_fault = told.cause == "itself"
        if is_at_fault and not (flaws and is_repairable(told.stage, told.reason)):
            break
        if flaws and told.fate != "kept":
            if n_sent.get(n, 0) >= n_rounds or n in given_up:
                break
            found += flaws
    return tuple(found)


class _Against(NamedTuple):
    """Something that speaks against words of a turn; ``end`` is None for all of the text."""

    in_question: bool
    start: int
    end: int | None
    reason: str
    evidence: str


def _flaws_in(told: FatedTurn) -> Iterator[Flaw]:
    """The sentences of a lost turn that are at fault, each once, with all that speaks against it."""
    turn, at_fault = told.turn, told.cause == "itself"
    if told.fate == "kept":
        return
    places: dict[tuple[bool, int], list[_Against]] = {}
    spans = sentences_of((turn,))
    for one in _against(turn, told.stage or "", told.reason or "", told.detail or "", is_at_fault=at_fault):
        start = 0
        if not one.in_question and one.end is not None:
            start = next((span.start for span in reversed(spans) if span.start <= one.start), 0)
        places.setdefault((one.in_question, start), []).append(one)
    for (in_question, start), against in sorted(places.items(), key=lambda item: (not item[0][0], item[0][1])):
        text = turn.question if in_question else turn.answer
        if not in_question and all(one.end is not None for one in against):
            end = next((span.end for span in spans if span.start == start), len(text))
            text = text[start:end]
        reason = (told.reason if at_fault else None) or against[0].reason
        stage = "validate" if reason == "doubtful_answer" else "checks"
        evidence = "; ".join(dict.fromkeys(one.evidence for one in against))
        yield Flaw(told.number - 1, start, text, stage, reason, evidence, in_question)


def _against(turn: Turn, stage: str, reason: str, detail: str, *, is_at_fault: bool) -> Iterator[_Against]:
    for claim in turn.claims:
        if claim.verdict == "contradicted":
            yield _of_claim(turn, claim, f"{claim.kind}_contradicted", claim.evidence)
    if reason == INVENTED_BOX and is_at_fault:
        yield from _invented(turn, detail)
    if reason in _DISAGREE and is_at_fault:
        named = [claim for claim in turn.claims if f"'{_words(turn, claim)}'" in detail]
        for claim in named[:1]:
            yield _of_claim(turn, claim, reason, f"your answers about this image disagree: {detail}")
    if reason == "judge_objects":
        for opinion in () if turn.opinions is UNSET else turn.opinions:
            if objects(turn, opinion):
                told = f"'{opinion.words}': of this image is told '{opinion.quote}'"
                yield _Against(False, opinion.start, opinion.end, reason, told)
    seen = turn.validation
    if stage == "validate" and seen is not None and seen.verdict == "doubtful":
        probes = sorted(seen.probes or (), key=lambda probe: probe.chance)
        if not probes:
            told = f"someone who looks at the image doubts it ({seen.worst})"
            yield _Against(False, 0, None, "doubtful_answer", told)
        for probe in probes[:1]:
            told = f"asked '{probe.question}', someone who looks at the image gives this {probe.chance:.0%}"
            yield _of_claim(turn, turn.claims[probe.claim], "doubtful_answer", told)


def _invented(turn: Turn, detail: str) -> Iterator[_Against]:
    for in_question, text in ((True, turn.question), (False, turn.answer)):
        for one in boxes_in(text):
            if (box := tell_box(one.box)) in detail:
                yield _Against(in_question, one.start, one.end, INVENTED_BOX, f"'{box}': no such box was given")


def _of_claim(turn: Turn, claim: Claim, reason: str, evidence: str) -> _Against:
    told = f"'{_words(turn, claim)}': {evidence}"
    if claim.in_question and _YES_OR_NO.match(turn.answer):  # "Is there a cat?" is sound; "Yes" is what is wrong
        return _Against(False, 0, 1, reason, told)
    return _Against(claim.in_question, claim.start, claim.end, reason, told)


def _words(turn: Turn, claim: Claim) -> str:
    return (turn.question if claim.in_question else turn.answer)[claim.start : claim.end]


def order_repair(
    sample: Sample,
    flaws: tuple[Flaw, ...],
    base: Request,
    find_reply: FindReply,
    template: str,
) -> Repair:
    """Say what of a sample goes back to the teacher.

    Args:
        sample: With what it lost.
        flaws: Its own, see ``flaws_of``; at least one.
        base: The request that it answers.
        find_reply: Stored replies by request digest.
        template: See ``recipes.repair_prompt``.
    """
    turns = {told.number - 1: told.turn for told in fated_turns(sample)}
    order = Repair("", flaws, {flaw.turn: turns[flaw.turn] for flaw in flaws})
    rounds = () if sample.repairs is UNSET else sample.repairs
    return replace(order, request_digest=request_repair((*rounds, order), base, find_reply, template).digest)


def request_repair(rounds: Sequence[Repair], base: Request, find_reply: FindReply, template: str) -> Request:
    """The request of the last of a sample's rounds: the conversation with the teacher so far, and one message more.

    It begins as the request that the sample answers, so prompt caches hit; a picture stands where it stood. The digest
    holds that request's, and with it which picture is shown, how large and in what detail.
    """
    added: list[Message] = []
    said_by = base.digest
    for one in rounds:
        reply = find_reply(said_by)
        told = template.replace("{flaws}", "\n".join(tell_flaws(one, with_questions=base.reply_format != "text")))
        added += [Message("assistant", reply.text if reply else ""), Message("user", told)]
        said_by = one.request_digest
    return replace(
        base,
        digest=digest_of([base.digest, "repair", added]),
        response_type=f"{REPAIRS}{base.response_type}",
        messages=(*base.messages, *added),
        n_after_picture=len(added),
        reply_format="text",
        template=None,
    )


def tell_flaws(order: Repair, *, with_questions: bool) -> Iterator[str]:
    """Each sentence that goes back, numbered, with what speaks against it; two lines each."""
    for number, flaw in enumerate(order.flaws, start=1):
        where = ""
        if flaw.in_question:
            where = "The question: "
        elif with_questions:
            where = f'In the answer to "{order.before[flaw.turn].question}": '
        yield f"{number}. {where}{flaw.text}\n   Against it: {flaw.evidence}"


Laid = tuple[Repair, Reply]
"""A repair that was ordered, and its stored reply."""


def lay_repairs(
    turns: tuple[Turn, ...], laid: Iterable[Laid], told: Sequence[str] = (), language: str = ENGLISH
) -> tuple[tuple[Turn, ...], tuple[Repair, ...]]:
    """Put what the teacher wrote anew into the places of what it wrote first.

    Args:
        turns: As parsed.
        laid: Of the sample, in order.
        told: What the picture shows: its captions and categories.
        language: Code of the language that the turns are in.

    Returns:
        The turns, those that changed without claims; and the repairs, each with what it brought.
    """
    changed, done = list(turns), []
    for order, reply in laid:
        paid = replace(
            order,
            n_prompt_tokens=reply.usage.n_prompt_tokens,
            n_cached_tokens=reply.usage.n_cached_tokens,
            n_completion_tokens=reply.usage.n_completion_tokens,
            cost_usd=reply.cost_usd,
            error=reply.error,
        )
        read = NumberedText({}, reply.error)
        if not reply.error:
            read = read_numbered(reply.text, [flaw.text for flaw in order.flaws], reply.finish_reason)
        said = {n: text[one.end() :] if (one := _ECHO.match(text)) else text for n, text in read.said.items()}
        faults = {
            n: fault
            for n, text in said.items()
            if (fault := _fault_of(text, order, order.flaws[n - 1], told, language))
        }
        flaws = tuple(
            replace(flaw, new=None if n in faults else said.get(n)) for n, flaw in enumerate(order.flaws, start=1)
        )
        for n, before in order.before.items():
            is_known = n < len(changed) and _texts(changed[n]) == _texts(before)
            after = _mended(before, [flaw for flaw in flaws if flaw.turn == n]) if is_known else before
            if _texts(after) != _texts(before) and after.question and after.answer:
                changed[n] = Turn(after.question, after.answer)
        if all(flaw.new is None for flaw in flaws):
            paid = replace(paid, error=read.refused or next(iter(faults.values()), UNREADABLE))
        done.append(replace(paid, flaws=flaws))
    return tuple(changed), tuple(done)


def _fault_of(text: str, order: Repair, flaw: Flaw, told: Sequence[str], language: str) -> str | None:
    """Why a sentence cannot stand in the place of the old one; None where it can."""
    if not text:
        return None
    if _repeats(text, order, flaw):
        return REPEATED
    if other_language(text, language) or foreign_sentence(text, language, may_be_name=False):
        return OTHER_LANGUAGE
    return None if _speaks_of(text, flaw, order.before[flaw.turn], told, language) else REMARK


OTHER_LANGUAGE = "repair_in_other_language"
"""What came is in another language than the turn."""
_SHORT = 4
"""Words of an answer that says little more than its point: "It is brown.", which shares no content with the truth."""
_SAYS_NOTHING = frozenset("ok okay fine done same yes no none null nil na unknown good correct true false".split())
_NUMBERS = frozenset(
    "none zero one two three four five six seven eight nine ten eleven twelve dozen several many few".split()
)
_POSSESSIVES = frozenset("its his her their sein seine ihr ihre su sus son sa ses leur leurs".split())
_NUMBER_ASKED = re.compile(
    r"how (?:many|much)|what (?:number|time)|count\b|wie ?viele?|combien|cuánt\w+|quant[oaie]s?|hoeveel|сколько"
    r"|几|幾|多少|いくつ|何|몇|كم|कितन",
    re.IGNORECASE,
)


def _speaks_of(text: str, flaw: Flaw, turn: Turn, told: Sequence[str], language: str) -> bool:
    """Whether a sentence is about what the old one was about.

    It shares a word of content with the picture's context, the question or the old answer, or it is an answer of the
    old one's form; it holds no word of writing that none of these holds, and asks nothing where nothing was asked.
    """
    known = "\n".join((turn.question, turn.answer, flaw.text, *told)).lower()
    if any(word.lower() not in known for word in OF_WRITING.findall(text)):
        return False
    if text.rstrip("\"'”’)* ").endswith(("?", "？")) and not (
        flaw.in_question or "?" in flaw.text or "？" in flaw.text
    ):
        return False
    words, old = words_of(text), words_of(flaw.text)
    small = language_for(language).stop_words | language_for(ENGLISH).stop_words
    of_content = [word for word in words if word not in small and word not in _SAYS_NOTHING]
    stems = {_stem(word) for word in words_of(known)} - {_stem(word) for word in small}
    is_of_something = len(words) > 1 and words[0] in _POSSESSIVES  # "Its eyes are fixed on the can."
    if is_of_something or any(_stem(word) in stems for word in of_content):
        return True
    if _YES_OR_NO.match(flaw.text) and words and words[0] in ("yes", "no"):
        return len(words) == 1 or bool(set(words[1:]) & set(old))
    if _NUMBER_ASKED.search(turn.question) and (any(map(str.isdigit, text)) or not _NUMBERS.isdisjoint(words)):
        return len(words) <= 2 * _SHORT
    is_of_form = len(old) <= _SHORT and len(words) <= _SHORT + 2
    return is_of_form and bool(of_content) and (len(old) <= 2 >= len(words) or bool(set(words) & set(old)))


def _stem(word: str) -> str:
    """The first letters, without an ending of the plural: "dogs" and "dog" are one word."""
    return (word[:-1] if word.endswith("s") and len(word) > 3 else word)[:4]


def _repeats(text: str, order: Repair, flaw: Flaw) -> bool:
    """Whether a sentence came back with its question, or with others that it stood among: in its place twice told."""
    turn = order.before[flaw.turn]
    spans = ((one.start, one.end) for one in sentences_of((turn,)))
    end = flaw.start + len(flaw.text)
    others = [turn.answer[a:b] for a, b in spans if flaw.in_question or b <= flaw.start or a >= end]
    others += [] if flaw.in_question else [turn.question]
    return any(other in text for other in map(str.strip, others) if len(other) >= _MIN_REPEATED)


def _texts(turn: Turn) -> tuple[str, str]:
    return turn.question, turn.answer


def _mended(turn: Turn, flaws: Sequence[Flaw]) -> Turn:
    question, answer = turn.question, turn.answer
    for flaw in sorted(flaws, key=lambda one: -one.start):  # from the end, so that places hold
        if flaw.new is None:
            continue
        if flaw.in_question:
            question = flaw.new or question
            continue
        rest = answer[flaw.start + len(flaw.text) :]
        answer = answer[: flaw.start] + flaw.new + (rest if flaw.new else rest.lstrip(" \t"))
    return replace(turn, question=question, answer=answer.strip())


Orders = Mapping[str, tuple[Repair, ...]]
"""What went back to the teacher, by sample id."""
