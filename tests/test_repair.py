"""Sentences that something speaks against go back to the teacher, and what it writes stands in their places."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from datagen.config import load_settings
from datagen.parsing.numbered_text import REMARK
from datagen.pipeline import Planned, derive, plan_samples
from datagen.recipes import load_recipes, repair_prompt
from datagen.records import (
    AnnotatedImage,
    Box,
    Claim,
    Cut,
    Drop,
    Flaw,
    ProbeResult,
    Repair,
    Reply,
    Sample,
    SentenceVerdict,
    Turn,
    Usage,
    Validation,
    cut_or_reject,
)
from datagen.repair import REPAIRS, flaws_of, is_repairable, lay_repairs, order_repair, request_repair
from datagen.repair_report import RepairTally
from datagen.turn_fates import fated_turns, written_turns

CATEGORIES = ("dog", "cat", "cup", "chair")
IMAGE = AnnotatedImage(
    "1", "1.jpg", 200, 100, ("A dog on a lawn.", "A brown dog sits on the grass."),
    (Box("dog", (0.1, 0.2, 0.4, 0.9), 0.2), Box("cup", (0.6, 0.5, 0.7, 0.6), 0.01)),
)  # fmt: skip
SETTINGS = load_settings(
    None, {"corpus.captions": ["c.json"], "types": ["conversation", "description"], "teacher.name": "m", "repair": 2}
)
RECIPES = load_recipes(SETTINGS)
WRITTEN = (
    ("What sits on the lawn?", "A brown dog sits on the lawn."),
    ("How many cups are there?", "It is a sunny day. There are three cups on the right."),
    ("Is there a cat?", "Yes, a cat sleeps there."),
    ("What colour is the dog?", "It is brown."),
)


def planned() -> list[Planned]:
    return list(plan_samples((IMAGE,), RECIPES, SETTINGS, lambda _: None, CATEGORIES))


def reply_of(pairs: Any) -> str:
    return "\n===\n".join(f"Question:\n{question}\n===\nAnswer:\n{answer}" for question, answer in pairs)


class Stored:
    """Replies by request digest."""

    def __init__(self, conversation: str, description: str = "") -> None:
        self.replies: dict[str, Reply] = {}
        for item, text in zip(planned(), (conversation, description), strict=True):
            assert item.request is not None
            self.put(item.request.digest, text, item.request.response_type)
        self.orders: dict[str, tuple[Repair, ...]] = {}

    def put(self, digest: str, text: str, response_type: str = "", error: str | None = None) -> None:
        self.replies[digest] = Reply(digest, "1", response_type, "m", text, "stop", Usage(10, 4, 2), 0.25, error=error)

    def derive(self) -> list[Sample]:
        return list(derive(planned(), self.replies.get, SETTINGS, (), self.orders))

    def order(self, sample: Sample, n_rounds: int = 2) -> Repair | None:
        (base,) = (item.request for item in planned() if item.sample_id == sample.sample_id)
        assert base is not None
        flaws = flaws_of(sample, n_rounds)
        return order_repair(sample, flaws, base, self.replies.get, repair_prompt()) if flaws else None

    def send_back(self, sample: Sample, answer: str, error: str | None = None) -> Repair:
        order = self.order(sample)
        assert order is not None
        self.orders[sample.sample_id] = (*self.orders.get(sample.sample_id, ()), order)
        self.put(order.request_digest, answer, error=error)
        return order


def test_every_wrong_sentence_of_a_conversation_goes_back_at_once_and_alone() -> None:
    stored = Stored(
        reply_of(WRITTEN), "A brown dog sits on the lawn in the sun, and one cup stands to its right, white."
    )
    sample = stored.derive()[0]
    assert [cut.reason for cut in sample.cuts] == ["count_contradicted"]
    flaws = flaws_of(sample, 1)
    assert [(one.turn, one.text, one.start, one.reason) for one in flaws] == [
        (1, "There are three cups on the right.", 19, "count_contradicted"),
        (2, "Yes, a cat sleeps there.", 0, "presence_contradicted"),
    ]
    assert "boxes show 1" in flaws[0].evidence
    stored.send_back(sample, "1. There is one cup on the right.\n2. No, the dog is the only animal here.")
    mended = stored.derive()[0]
    assert [turn.answer for turn in mended.turns] == [
        WRITTEN[0][1],
        "It is a sunny day. There is one cup on the right.",
        "No, the dog is the only animal here.",
        WRITTEN[3][1],
    ]
    assert mended.status == "accepted" and not mended.cuts
    assert stored.order(mended) is None


def test_both_versions_stay_and_what_it_cost_is_the_samples() -> None:
    stored = Stored(reply_of(WRITTEN))
    before = stored.derive()[0]
    stored.send_back(before, "1. There is one cup on the right.\n2. -")
    sample = stored.derive()[0]
    assert sample.repairs
    (repair,) = sample.repairs
    assert repair.before == {told.number - 1: told.turn for told in fated_turns(before) if told.number in (2, 3)}
    assert [flaw.new for flaw in repair.flaws] == ["There is one cup on the right.", ""]
    assert sample.turns[1].claims != repair.before[1].claims
    assert sample.cuts[0].turns[0].answer == WRITTEN[2][1], "nothing is left of it, so it stays as it was"
    spent = sample.provenance
    assert (spent.n_prompt_tokens, spent.n_cached_tokens, spent.n_completion_tokens, spent.cost_usd) == (20, 8, 4, 0.5)
    told = fated_turns(sample)
    assert [bool(one.earlier) for one in told] == [False, True, True, False]
    assert told[1].earlier[0].turn.answer == WRITTEN[1][1]
    assert {turn.answer for turn in written_turns(sample)} == {answer for _, answer in WRITTEN}, "its first words count"


def test_a_repaired_sentence_passes_all_stages_again() -> None:
    stored = Stored(reply_of(WRITTEN))
    stored.send_back(stored.derive()[0], "1. According to the captions there is one cup.\n2. No, there is no cat.")
    sample = stored.derive()[0]
    assert [cut.reason for cut in sample.cuts] == ["context_leak"]
    assert stored.order(sample) is None, "its wording is at fault now, which nothing repairs"


TOLD = ("A dog on a lawn.", "dog", "cup")


@pytest.mark.parametrize(
    ("asked", "old", "new", "is_taken"),
    [
        ("How many cups are there?", "There are three cups.", "There is one cup.", True),
        ("How many cups are there?", "Three.", "One.", True),
        ("How many cups are there?", "There are three cups.", "None.", True),
        ("What colour is it?", "It is black.", "It is brown.", True),
        ("What colour is it?", "Black.", "Brown.", True),
        ("Where is it?", "On the left.", "On the right.", True),
        ("Is there a cat?", "Yes, a cat sleeps there.", "No.", True),
        ("What is on the lawn?", "A cat sits on the table.", "Its paws touch the ground.", True),
        ("What does the sign say?", "The sign says that the text was changed.", "The text on it was changed.", True),
        ("How many cups are there?", "There are three cups.", "Everything looks fine to me.", False),
        ("How many cups are there?", "There are three cups.", "OK", False),
        ("How many cups are there?", "There are three cups.", "The statement about the cups is accurate.", False),
        ("How many cups are there?", "There are three cups.", "The cups were removed from the text.", False),
        ("How many cups are there?", "There are three cups.", "How many cups should there be?", False),
        ("What colour is it?", "Black.", "None", False),
        ("What colour is it?", "Black.", "Fine", False),
        ("Is there a cat?", "Yes, a cat sleeps there.", "No objections from my side.", False),
        ("What is on the lawn?", "A cat sits on the table.", "All good, nothing else to do.", False),
        ("What is on the lawn?", "A cat sits on the table.", "Please check the boxes again.", False),
        ("What is on the lawn?", "A cat sits on the table.", "Ein Hund sitzt auf dem Rasen.", False),
    ],
)
def test_a_repair_speaks_of_what_the_old_sentence_was_about(asked: str, old: str, new: str, is_taken: bool) -> None:
    before = Turn(asked, old)
    order = Repair("d", (Flaw(0, 0, old, "checks", "count_contradicted", "evidence"),), {0: before})
    reply = Reply("d", "1", "a", "m", f"1. {new}", "stop")
    (turn,), (repair,) = lay_repairs((before,), [(order, reply)], TOLD)
    assert turn.answer == (new if is_taken else old)
    assert repair.error == (None if is_taken else "repair_in_other_language" if "Hund" in new else REMARK)


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ("Ein Hund steht neben einem Auto.", None),
        ("One dog stands beside it.", "repair_in_other_language"),
        ("Der Satz bleibt unverändert.", REMARK),
        ("Alles in Ordnung so.", REMARK),
    ],
)
def test_a_repair_is_in_the_language_of_the_run(new: str, error: str | None) -> None:
    before = Turn("Was ist zu sehen?", "Sieben Hunde stehen neben einem Auto.")
    order = Repair("d", (Flaw(0, 0, before.answer, "checks", "count_contradicted", "evidence"),), {0: before})
    reply = Reply("d", "1", "a", "m", f"1. {new}", "stop")
    _, (repair,) = lay_repairs((before,), [(order, reply)], TOLD, "de")
    assert repair.error == error


def test_a_turn_goes_back_no_more_often_than_said_and_never_where_nothing_came() -> None:
    stored = Stored(reply_of(WRITTEN))
    first = stored.derive()[0]
    assert stored.order(first, 0) is None
    order = stored.send_back(first, "1. There are four cups on the right.\n2. No, there is no cat.")
    again = stored.derive()[0]
    assert stored.order(again, 1) is None
    second = stored.order(again, 2)
    assert second is not None and [flaw.turn for flaw in second.flaws] == [1]
    assert "four" in second.flaws[0].evidence and second.request_digest != order.request_digest
    stored.put(order.request_digest, "", error="gave_up")
    failed = stored.derive()[0]
    assert failed.repairs and failed.repairs[0].error == "gave_up"
    assert [turn.answer for turn in failed.turns] == [WRITTEN[0][1]]
    assert stored.order(failed, 9) is None
    stored.put(order.request_digest, "I would rather not.\nSorry.")
    unread = stored.derive()[0]
    assert unread.repairs and unread.repairs[0].error == "unnumbered_repair"


def test_the_request_begins_as_the_first_one_and_tells_what_speaks_against_a_sentence() -> None:
    stored = Stored(
        reply_of(WRITTEN), "The dog sits on a lawn in the bright sun today. Three cups stand right of it there."
    )
    conversation, description = stored.derive()
    (base, of_text) = (item.request for item in planned())
    assert base is not None and of_text is not None
    order = stored.order(conversation)
    assert order is not None
    request = request_repair((order,), base, stored.replies.get, repair_prompt())
    assert request.messages[: len(base.messages)] == base.messages
    assert [message.role for message in request.messages[len(base.messages) :]] == ["assistant", "user"]
    assert request.messages[-2].content == reply_of(WRITTEN)
    assert 'In the answer to "How many cups are there?": There are three cups' in request.messages[-1].content
    assert "boxes show 1" in request.messages[-1].content
    assert request.response_type == f"{REPAIRS}conversation" and request.digest == order.request_digest
    assert request.reply_format == "text", "no JSON is asked of it, whatever the recipe asks"
    told = stored.order(description)
    assert told is not None
    text = request_repair((told,), of_text, stored.replies.get, repair_prompt()).messages[-1].content
    assert "1. Three cups stand right of it there." in text and "In the answer" not in text


def test_one_sentence_of_a_description_is_mended_and_the_rest_stays() -> None:
    text = "A brown dog sits on a lawn in the sun.\n\nThree cups stand to its right. It looks calm, as dogs often do."
    stored = Stored(reply_of(WRITTEN[:1]), text)
    sample = stored.derive()[1]
    assert sample.status == "rejected" and sample.over_first_turn
    stored.send_back(sample, "A cup stands to its right.")  # the number may be missing where one was asked for
    mended = stored.derive()[1]
    assert mended.turns[0].answer == text.replace("Three cups stand", "A cup stands")
    stored.put(stored.orders[sample.sample_id][0].request_digest, "1. -")
    assert stored.derive()[1].turns[0].answer == text.replace("Three cups stand to its right. ", "")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (reply_of(WRITTEN[:2]), "whole_reply_repeated"),
        ("질문: 컵이 몇 개입니까?\n===\n답변: 컵이 한 개 있습니다.", "whole_reply_repeated"),
        ("1. How many cups are there? There is one cup.", "whole_reply_repeated"),
        ("It is a sunny day. There is one cup on the right.", "whole_reply_repeated"),
        ('{"sentence": "There is one cup."}', "unreadable_repair"),
        ("There is one cup.\n\nI removed the others.", "unnumbered_repair"),
    ],
)
def test_what_is_not_the_sentence_alone_stands_nowhere_and_tells_why(reply: str, reason: str) -> None:
    stored = Stored(reply_of(WRITTEN[:2]))
    before = stored.derive()[0]
    stored.send_back(before, reply)
    sample = stored.derive()[0]
    assert sample.repairs and sample.repairs[0].error == reason
    assert (sample.turns, sample.cuts) == (before.turns, before.cuts)
    tally = RepairTally()
    tally.add(sample)
    assert tally.report().no_answer == {reason: 1}


def test_where_a_sentence_stands_may_be_said_back_and_what_broke_off_is_not_taken() -> None:
    stored = Stored(reply_of(WRITTEN[:3]))
    order = stored.send_back(
        stored.derive()[0],
        '1. In the answer to "How many cups are there?": There is one cup on the right.\n2. No, the dog is',
    )
    stored.replies[order.request_digest] = replace(stored.replies[order.request_digest], finish_reason="length")
    sample = stored.derive()[0]
    assert sample.turns[1].answer == "It is a sunny day. There is one cup on the right."
    assert sample.cuts[0].turns[0].answer == WRITTEN[2][1]


def test_a_turn_of_one_sentence_that_is_left_out_falls_as_it_stood_and_tells_it() -> None:
    stored = Stored(reply_of((WRITTEN[0], ("How many cups are there?", "There are three cups."))))
    before = stored.derive()[0]
    stored.send_back(before, "1. -")
    sample = stored.derive()[0]
    assert sample.cuts == before.cuts and not (sample.repairs or ())[0].error
    assert fated_turns(sample)[1].earlier[0].outcome == "left out, as nothing true can stand there: the turn falls"
    stored.put((sample.repairs or ())[0].request_digest, "1. There are three cups.")
    assert fated_turns(stored.derive()[0])[1].earlier[0].outcome == "it came back as it was"


def test_what_falls_as_a_whole_or_for_its_wording_does_not_go_back() -> None:
    stored = Stored(reply_of(WRITTEN))
    sample = stored.derive()[0]
    copy = replace(sample, status="rejected", stage="dedup", reason="near_copy", detail="")
    assert flaws_of(copy, 1) == ()
    leak = cut_or_reject(
        replace(sample, cuts=(), turns=(*sample.turns, *sample.cuts[0].turns)), sample.turns, Drop("checks", "x", "")
    )
    assert flaws_of(leak, 1) == ()
    assert not is_repairable("dedup", "near_copy") and not is_repairable("checks", "refused")
    assert is_repairable("validate", "doubtful_answer") and not is_repairable("validate", "image_missing")


SAMPLE = Sample("1-a", "1", "1.jpg", "a", (), "accepted", None)  # type: ignore[arg-type]


def lost(turn: Turn, stage: str, reason: str, detail: str = "") -> Sample:
    return replace(SAMPLE, turns=(Turn("q?", "a."),), cuts=(Cut(stage, reason, detail, (turn,), 1),))


def test_a_doubt_names_the_claim_that_the_validator_believes_least() -> None:
    claims = tuple(Claim("count", "cup", at, at + 8, "unknown", "") for at in (0, 21))
    probes = (ProbeResult(0, "Two cups?", 0.9), ProbeResult(1, "How many dogs?", 0.04))
    turn = Turn(
        "What is there?",
        "Two cups are on it. Two dogs sit beside it.",
        claims,
        Validation("doubtful", 0.01, probes=probes),
    )
    (flaw,) = flaws_of(lost(turn, "validate", "doubtful_answer"), 1)
    assert (flaw.text, flaw.stage) == ("Two dogs sit beside it.", "validate")
    assert "How many dogs?" in flaw.evidence and "4%" in flaw.evidence
    vague = replace(turn, validation=Validation("doubtful", 0.01, "other image"))
    (whole,) = flaws_of(lost(vague, "validate", "doubtful_answer"), 1)
    assert whole.text == turn.answer and "other image" in whole.evidence


def test_a_judges_objection_and_a_disagreement_name_their_sentence() -> None:
    opinions = (
        SentenceVerdict(0, 16, "supported", "a dog"),
        SentenceVerdict(17, 36, "contradicted", "it rains", "the sun is shining"),
    )
    turn = Turn("What is there?", "There is a dog. The sun is shining.", (), None, opinions)
    (flaw,) = flaws_of(lost(turn, "checks", "judge_objects"), 1)
    assert flaw.text == "The sun is shining." and "it rains" in flaw.evidence
    claim = Claim("count", "cup", 3, 11, "unknown", "", number=2)
    asked = Turn("What do the two cups hold?", "Tea.", (replace(claim, start=12, end=20, in_question=True),))
    (question,) = flaws_of(lost(asked, "checks", "turns_disagree", "turn 2: 'two cups': x against turn 1: 'y': z"), 1)
    assert question.in_question and question.text == asked.question


def test_a_question_is_mended_as_an_answer_is() -> None:
    turn = Turn("Are the two cups empty?", "Yes, they are.")
    order = Repair("d", (Flaw(0, 0, turn.question, "checks", "x", "y", in_question=True),), {0: turn})
    reply = Reply("d", "1", "", "m", '1. "Is the cup empty?"')
    turns, _ = lay_repairs((turn,), [(order, reply)])
    assert turns == (Turn("Is the cup empty?", "Yes, they are."),)
    turns, _ = lay_repairs((turn,), [(order, replace(reply, text="1. -"))])
    assert turns == (turn,), "a turn without a question is none"


def test_a_repair_of_a_turn_that_stands_otherwise_by_now_changes_nothing() -> None:
    turn = Turn("q?", "There are two cups.")
    order = Repair("d", (Flaw(0, 0, turn.answer, "checks", "x", "y"),), {0: turn})
    reply = Reply("d", "1", "", "m", "1. One cup.")
    other = Turn("q?", "There are nine cups.")
    assert lay_repairs((other,), [(order, reply)])[0] == (other,)
    assert lay_repairs((), [(order, reply)])[0] == ()


def test_the_message_is_text_that_people_may_edit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    del monkeypatch
    from datagen.errors import RecipeError

    (tmp_path / "prompts").mkdir()
    write: Callable[[str], int] = (tmp_path / "prompts" / "repair.txt").write_text
    write("Mend: {flaws}")
    assert repair_prompt(str(tmp_path)) == "Mend: {flaws}"
    write("Mend!")
    with pytest.raises(RecipeError, match=r"holds no \{flaws\}"):
        repair_prompt(str(tmp_path))
