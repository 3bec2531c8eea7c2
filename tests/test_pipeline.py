"""Each sample goes one way through the stages, and none disappears."""

import ast
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import datagen
from datagen.config import Settings, load_settings
from datagen.errors import SettingsError
from datagen.pipeline import (
    STAGE_NAMES,
    STAGES,
    Planned,
    Samples,
    derive,
    drop_repeats,
    late_settings_digest,
    make_sample,
    plan_samples,
    require_distinct_ids,
)
from datagen.recipes import Recipe, load_recipes, repair_prompt
from datagen.records import AnnotatedImage, Box, Reply, Request, Sample, Turn
from datagen.repair import flaws_of, order_repair

DOG = Box("dog", (0.1, 0.2, 0.4, 0.9), 0.2)
GOOD = "Question:\nWhat is on the lawn?\n===\nAnswer:\nA brown dog sits on the lawn beside a cup."


def image(n: int, captions: tuple[str, ...] = ("A dog on a lawn.",), boxes: tuple[Box, ...] = (DOG,)) -> AnnotatedImage:
    return AnnotatedImage(str(n), f"{n}.jpg", 200, 100, captions, boxes, "CC-BY-2.0")


def no_fault(_: AnnotatedImage) -> None:
    return None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    overrides = {"corpus.captions": ["c.json"], "types": ["conversation", "description"]}
    return load_settings(None, overrides)


@pytest.fixture
def recipes(settings: Settings) -> tuple[Recipe, ...]:
    return load_recipes(settings)


def through_dedup(samples: Samples, recipes: tuple[Recipe, ...], settings: Settings) -> Iterator[Sample]:
    lent: Any = SimpleNamespace(settings=settings, recipes=recipes, find_vector=None)
    return drop_repeats(samples, lent)[0]()


def plan(settings: Settings, recipes: tuple[Recipe, ...], *images: AnnotatedImage) -> list[Planned]:
    return list(plan_samples(images, recipes, settings, no_fault))


def reply_to(request: Request, text: str = GOOD, **more: object) -> Reply:
    plain = {
        "request_digest": request.digest, "image_id": request.image.image_id, "response_type": request.response_type,
        "teacher": "m", "text": text, "finish_reason": "stop", "cost_usd": 0.25,
    }  # fmt: skip
    return msgspec.convert({**plain, **more}, Reply)


def request_of(planned: Planned) -> Request:
    assert planned.request is not None
    return planned.request


def test_the_plan_is_images_times_types_in_corpus_order(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    planned = plan(settings, recipes, image(2), image(1))
    assert [(item.image.image_id, item.recipe.name) for item in planned] == [
        ("2", "conversation"), ("2", "description"), ("1", "conversation"), ("1", "description"),
    ]  # fmt: skip
    assert len({request_of(item).digest for item in planned}) == 4


def test_an_image_with_nothing_to_tell_is_never_asked_about(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    (item, _) = plan(settings, recipes, image(1, (), ()))
    assert item.request is None
    sample = make_sample(item, None, settings, "")
    assert (sample.stage, sample.reason) == ("teacher", "nothing_annotated")


def test_a_bad_picture_is_never_asked_about(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    (item, _) = plan_samples([image(1)], recipes, settings, lambda _: ("image_missing", "1.jpg is not there"))
    sample = make_sample(item, None, settings, "")
    assert (sample.status, sample.reason, sample.detail) == ("rejected", "image_missing", "1.jpg is not there")


def test_a_good_reply_is_accepted_with_its_provenance(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    item = plan(settings, recipes, image(1))[0]
    sample = make_sample(item, reply_to(request_of(item)), settings, "late")
    assert sample.status == "accepted"
    assert sample.sample_id == "1-conversation"
    assert sample.turns[0].answer == "A brown dog sits on the lawn beside a cup."
    assert sample.provenance.request_digest == request_of(item).digest
    assert (sample.provenance.settings_digest, sample.provenance.cost_usd) == ("late", 0.25)
    assert sample.provenance.licence == "CC-BY-2.0"


def test_a_description_takes_its_question_from_the_list(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    item = plan(settings, recipes, image(1))[1]
    text = "A brown dog sits on a wide green lawn. It looks to the right, towards a fence, in the soft evening light."
    sample = make_sample(item, reply_to(request_of(item), text), settings, "")
    assert sample.turns[0].question in item.recipe.questions
    assert sample.turns[0].answer == text


@pytest.mark.parametrize(
    ("text", "more", "stage", "reason"),
    [
        ("", {"error": "gave_up", "detail": "8 tries"}, "teacher", "gave_up"),
        ("Nothing like a conversation", {}, "parse", None),
        (GOOD.replace("A brown dog", "According to the caption, a brown dog"), {}, "checks", "context_leak"),
    ],
)
def test_a_bad_reply_falls_where_it_is_bad(
    settings: Settings, recipes: tuple[Recipe, ...], text: str, more: dict[str, object], stage: str, reason: str | None
) -> None:
    item = plan(settings, recipes, image(1))[0]
    sample = make_sample(item, reply_to(request_of(item), text, **more), settings, "")
    assert sample.status == "rejected"
    assert sample.stage == stage
    assert reason is None or sample.reason == reason
    assert sample.detail


def test_a_bad_turn_does_not_cost_the_good_ones(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    item = plan(settings, recipes, image(1))[0]
    text = f"{GOOD}\n===\nQuestion:\nWhere is the cup?\n===\nAnswer:\nThe bounding box shows the cup near the dog."
    sample = make_sample(item, reply_to(request_of(item), text), settings, "")
    assert sample.status == "accepted"
    assert len(sample.turns) == 1
    assert [cut.reason for cut in sample.cuts] == ["context_leak"]


def test_every_planned_sample_comes_out_once(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    planned = plan(settings, recipes, *(image(n, (f"Scene number {n} with a dog.",)) for n in range(20)))
    replies = {request_of(item).digest: reply_to(request_of(item)) for item in planned[:30]}

    samples = list(through_dedup(lambda: derive(planned, replies.get, settings), recipes, settings))
    assert [sample.sample_id for sample in samples] == [f"{p.image.image_id}-{p.recipe.name}" for p in planned]
    fates = Counter((sample.stage, sample.reason) for sample in samples)
    assert fates[None, None] == 1  # one reply for twenty images: the first is kept, its copies fall
    assert fates["teacher", "not_asked"] == 10
    twins = [sample for sample in samples if sample.stage == "dedup"]
    assert twins
    assert all("0-conversation" in (sample.detail or "") for sample in twins)


def test_every_stage_is_one_function_of_one_scope() -> None:
    order = ["sample", "image", "set"]
    scopes = [order.index(stage.scope) for stage in STAGES]
    assert scopes == sorted(scopes), "a stage may not need less than one before it"
    for stage in STAGES:
        assert [stage.of_sample, stage.of_image, stage.of_set].count(None) == 2
    assert STAGE_NAMES == ("teacher", "parse", "checks", "dedup", "validate", "review")


def test_stages_name_settings_that_there_are(settings: Settings) -> None:
    for name in {name for stage in STAGES for name in stage.settings}:
        attrgetter(name)(settings)


def test_drops_name_stages_of_the_table() -> None:
    package = Path(datagen.__file__).parent
    for path in package.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Drop":
                stage = call.args[0]
                assert isinstance(stage, ast.Constant) and stage.value in STAGE_NAMES, f"{path}:{call.lineno}"


def test_a_check_in_python_cuts_and_one_that_raises_costs_its_turn(
    settings: Settings, recipes: tuple[Recipe, ...]
) -> None:
    item = plan(settings, recipes, image(1))[0]
    text = f"{GOOD}\n===\nQuestion:\nWhat does the dog look at?\n===\nAnswer:\nIt looks at the cup."

    def mentions_a_cup(turn: Turn, of: AnnotatedImage) -> str | None:
        return f"image {of.image_id} has no cup" if "looks at the cup" in turn.answer else None

    def divides(turn: Turn, of: AnnotatedImage) -> str | None:
        return str(len(turn.answer) / 0)

    cut = make_sample(item, reply_to(request_of(item), text), settings, "", (mentions_a_cup,))
    assert len(cut.turns) == 1
    assert [(drop.stage, drop.reason, drop.detail) for drop in cut.cuts] == [
        ("checks", "mentions_a_cup", "turn 2: image 1 has no cup")
    ]
    fallen = make_sample(item, reply_to(request_of(item), text), settings, "", (divides,))
    assert (fallen.status, fallen.reason) == ("rejected", "check_raised")
    assert "divides raised ZeroDivisionError" in (fallen.detail or "")


def test_names_of_python_checks_are_part_of_the_digest(settings: Settings) -> None:
    assert late_settings_digest(replace(settings, python_checks=("a",))) != late_settings_digest(settings)


def test_late_settings_change_the_digest_and_keep_the_requests(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    later = replace(settings, checks=replace(settings.checks, max_answer_words=50))
    assert late_settings_digest(later) != late_settings_digest(settings)
    assert [request_of(p).digest for p in plan(later, recipes, image(1))] == [
        request_of(p).digest for p in plan(settings, recipes, image(1))
    ]


def test_a_contradicted_turn_cuts_the_conversation_and_keeps_its_claims(
    settings: Settings, recipes: tuple[Recipe, ...]
) -> None:
    (planned, _) = plan_samples([image(1)], recipes, settings, no_fault, ("dog", "zebra"))
    request = request_of(planned)
    text = f"{GOOD}\n===\nQuestion:\nHow many dogs are there?\n===\nAnswer:\nThere are four dogs."
    cut = make_sample(planned, reply_to(request, text), settings, "")
    assert [turn.claims[0].verdict for turn in cut.turns] == ["supported_by_both"]
    assert [(drop.stage, drop.reason) for drop in cut.cuts] == [("checks", "count_contradicted")]
    keeping = replace(settings, checks=replace(settings.checks, contradicted="keep"))
    assert len(make_sample(planned, reply_to(request, text), keeping, "").turns) == 2
    fallen = make_sample(planned, reply_to(request, GOOD.replace("A brown dog sits", "Four dogs sit")), settings, "")
    assert (fallen.status, fallen.stage, fallen.reason) == ("rejected", "checks", "count_contradicted")
    assert fallen.turns[0].claims


def test_samples_of_one_image_that_disagree_do_not_both_stay(settings: Settings, recipes: tuple[Recipe, ...]) -> None:
    crowded = image(1, (), (DOG, Box("dog", (0.0, 0.0, 1.0, 1.0), 0.5, is_crowd=True)))
    planned = list(plan_samples([crowded], recipes, settings, no_fault, ("dog",)))
    texts = (
        "Question:\nWhat is here?\n===\nAnswer:\nThere are exactly four dogs.",
        "There are exactly seven dogs on a wide green lawn, and they all run after a ball that somebody has thrown.",
    )
    replies = {
        request_of(item).digest: reply_to(request_of(item), text) for item, text in zip(planned, texts, strict=True)
    }
    first, second = through_dedup(lambda: derive(planned, replies.get, settings), recipes, settings)
    # A crowd leaves the number open, so nothing tells which sample is wrong.
    assert first.status == second.status == "rejected"
    assert first.reason == second.reason == "samples_disagree"


@pytest.mark.parametrize(
    ("image_ids", "types"),
    [
        (["1", "1-yes"], ["no", "yes-no"]),
        (["b-a-b", "b"], ["a-b-c", "c"]),
        (["1", "1-a", "2"], ["x", "a-b", "b"]),
    ],
)
def test_two_samples_of_one_name_are_refused(image_ids: list[str], types: list[str]) -> None:
    names = [f"{name}-{of}" for name in image_ids for of in types]
    (twice,) = (name for name, n in Counter(names).items() if n > 1)
    with pytest.raises(SettingsError, match=f"both be sample '{twice}'; rename one"):
        require_distinct_ids(image_ids, types)


@pytest.mark.parametrize(
    ("image_ids", "types"),
    [
        (["1", "1-conversation", "1-conversation-2"], ["conversation", "description"]),
        (["1", "2-yes", "yes"], ["no", "yes-no"]),
        (["1", "1-yes"], ["no", "yes"]),
        ([], ["no", "yes-no"]),
    ],
)
def test_ids_that_only_look_alike_pass(image_ids: list[str], types: list[str]) -> None:
    assert len({f"{name}-{of}" for name in image_ids for of in types}) == len(image_ids) * len(types)
    require_distinct_ids(image_ids, types)


DOG_AT = "[0.1, 0.2, 0.4, 0.9]"


@pytest.mark.parametrize(
    ("answer", "reason", "kept"),
    [
        (f"The dog {DOG_AT} sits there.", None, "The dog [0.100, 0.200, 0.400, 0.900] sits there."),
        ("The dog is at [.10,.20,.40,.90].", None, "The dog is at [0.100, 0.200, 0.400, 0.900]."),
        ("[0.1, 0.2, 0.4, 0.9]", None, "[0.100, 0.200, 0.400, 0.900]"),
        ("The dog is at [20, 20, 80, 90].", "box_form", None),
        ("The dog is at [100, 200, 400, 900].", "box_form", None),
        ('{"bbox_2d": [20, 20, 80, 90], "label": "dog"}', "box_form", None),
        ('```json\n[{"bbox_2d": [0.1, 0.2, 0.4, 0.9], "label": "dog"}]\n```', "box_form", None),
        ("The dog is at (0.1, 0.2, 0.4, 0.9).", "box_form", None),
        ("<ref>dog</ref><box>[[100, 200, 400, 900]]</box>", "box_form", None),
        ("<loc0205><loc0102><loc0921><loc0409> dog", "box_form", None),
        ("The dog is at [0.1, 0.2, 0.3, 0.7].", "invented_box", None),  # left, top, width, height
        ("The dog is at [0.4, 0.9, 0.1, 0.2].", "box_out_of_range", None),
        ("The dog is on the lawn.", "no_box", None),
    ],
)
def test_a_teacher_that_points_is_held_to_one_form(answer: str, reason: str | None, kept: str | None) -> None:
    settings = load_settings(None, {"corpus.captions": ["c.json"], "types": ["grounding"], "teacher.name": "some-llm"})
    (planned,) = plan_samples([image(1)], load_recipes(settings), settings, no_fault, ("dog", "cat"))
    assert planned.request is not None
    assert "square brackets, four numbers from 0 to 1" in planned.request.messages[0].content
    assert "dog: [0.1, 0.2, 0.4, 0.9]" in planned.request.messages[-1].content
    reply = Reply(
        planned.request.digest, "1", "grounding", "some-llm", f"Question:\nWhere is the dog?\n===\nAnswer:\n{answer}"
    )
    sample = make_sample(planned, reply, settings, "x")
    assert sample.reason == reason, sample.detail
    assert kept is None or [turn.answer for turn in sample.turns] == [kept]


def test_a_box_of_another_thing_is_contradicted_where_annotations_cut() -> None:
    cat = Box("cat", (0.6, 0.2, 0.9, 0.9), 0.2)
    text = f"Question:\nWhere is the cat?\n===\nAnswer:\nThe cat is at {DOG_AT}."
    for contradicted, reason in (("cut", "box_contradicted"), ("keep", None)):
        given = {"corpus.captions": ["c.json"], "types": ["grounding"], "checks.contradicted": contradicted}
        settings = load_settings(None, given)
        (planned,) = plan_samples(
            [image(1, boxes=(DOG, cat))], load_recipes(settings), settings, no_fault, ("dog", "cat")
        )
        assert planned.request is not None
        reply = Reply(planned.request.digest, "1", "grounding", "template", text)
        assert make_sample(planned, reply, settings, "x").reason == reason


@pytest.mark.parametrize(
    ("wrong", "reason", "against"),
    [
        (DOG_AT, "box_contradicted", "it is that of a dog"),
        ("[0.5, 0.1, 0.8, 0.8]", "invented_box", "'[0.500, 0.100, 0.800, 0.800]': no such box was given"),
    ],
)
def test_a_repaired_box_stands_in_its_place(wrong: str, reason: str, against: str) -> None:
    cat = Box("cat", (0.6, 0.2, 0.9, 0.9), 0.2)
    settings = load_settings(None, {"corpus.captions": ["c.json"], "types": ["grounding"]})
    (planned,) = plan_samples([image(1, boxes=(DOG, cat))], load_recipes(settings), settings, no_fault, ("dog", "cat"))
    assert planned.request is not None
    text = f"Question:\nWhere is the cat?\n===\nAnswer:\nThe cat is at {wrong}."
    reply = Reply(planned.request.digest, "1", "grounding", "m", text)
    fallen = make_sample(planned, reply, settings, "x")
    assert fallen.reason == reason
    assert [against in flaw.evidence for flaw in flaws_of(fallen, 1)] == [True]
    order = order_repair(fallen, flaws_of(fallen, 1), planned.request, lambda digest: reply, repair_prompt())
    mended = Reply(order.request_digest, "1", "grounding", "m", "1. The cat is at [0.6, 0.2, 0.9, 0.9].")
    sample = make_sample(planned, reply, settings, "x", repairs=((order, mended),))
    assert sample.status == "accepted", sample.detail
    assert [turn.answer for turn in sample.turns] == ["The cat is at [0.600, 0.200, 0.900, 0.900]."]
