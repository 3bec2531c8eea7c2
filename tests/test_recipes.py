"""Recipes: text in folders becomes checked, digested requests."""

import re
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from datagen.config import ContextSettings, Settings, TeacherSettings, digest_of
from datagen.diversity.coverage import ALL_KINDS
from datagen.errors import RecipeError
from datagen.languages import other_language
from datagen.recipes import (
    DECKS,
    available_types,
    build_request,
    bundled_folder,
    constant_messages,
    context_parts,
    draw_question,
    draw_wish,
    load_recipe,
    load_recipes,
    recipes_for,
)
from datagen.records import AnnotatedImage, Box, Message

LLAVA = ContextSettings(style="llava")
BUNDLED = ("conversation", "description", "reasoning", "negation")
POINTING = ("grounding", "referring", "grounded_description")
IMAGE = AnnotatedImage("7", "7.jpg", 100, 100, ("A dog runs.",), (Box("dog", (0.1, 0.2, 0.4, 0.8), 0.18),))
RICH = AnnotatedImage(
    "7",
    "7.jpg",
    100,
    100,
    ("A man in a red coat runs with a brown dog.", "A dog on a leash beside a man running.", "A park at dusk."),
    (
        Box("dog", (0.1, 0.2, 0.4, 0.8), 0.18),
        Box("person", (0.5, 0.2, 0.7, 0.8), 0.12),
        Box("bench", (0.8, 0.6, 0.9, 0.7), 0.01),
        Box("bench", (0.8, 0.8, 0.9, 0.9), 0.01),
    ),
)
FILES = {
    "prompts/rhyme/recipe.yaml": "reply_format: text\ntemperature: 0.3\nmax_tokens: 99\nsummary: A rhyme\n",
    "prompts/rhyme/system.txt": "Write a rhyme about the image.\n",
    "prompts/rhyme/questions.txt": "Rhyme, please.\n\nCan you make a rhyme of this?\n",
    "seeds/rhyme/01.context.txt": "A cat on a mat.\n\ncat: [0.2, 0.3, 0.6, 0.7]\n",
    "seeds/rhyme/01.reply.txt": "The cat\non the mat.\n",
    "seeds/rhyme/02.context.txt": "bowl: [0.2, 0.3, 0.6, 0.7]\n",
    "seeds/rhyme/02.reply.txt": "An empty bowl\nhas got no soul.\n",
}


def write(folder: Path, changes: dict[str, str | None] | None = None, newline: str = "\n") -> Path:
    for name, text in {**FILES, **(changes or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(text.replace("\n", newline).encode())
    return folder


def rhyme(folder: Path):
    return load_recipe(folder / "prompts" / "rhyme")


def settings_for(folder: Path, **changes) -> Settings:
    return Settings(types=("rhyme",), recipes_dir=str(folder), **changes)


def test_a_new_type_is_text_only(tmp_path):
    settings = settings_for(write(tmp_path))
    (recipe,) = load_recipes(settings)
    assert set(available_types(str(tmp_path))) == {*BUNDLED, *POINTING, "rhyme"}
    assert recipe.settings.template is None
    request = build_request(recipe, IMAGE, settings)
    assert request is not None
    assert (request.response_type, request.temperature, request.max_tokens) == ("rhyme", 0.3, 99)


def test_the_golden_prompt(tmp_path):
    settings = settings_for(write(tmp_path))
    request = build_request(rhyme(tmp_path), IMAGE, settings)
    assert request is not None
    assert list(request.messages) == [
        Message("system", "Write a rhyme about the image."),
        Message("user", "A cat on a mat.\n\ncat: [0.2, 0.3, 0.6, 0.7]\nCounts: cat 1"),
        Message("assistant", "The cat\non the mat."),
        Message("user", "bowl: [0.2, 0.3, 0.6, 0.7]\nCounts: bowl 1"),
        Message("assistant", "An empty bowl\nhas got no soul."),
        Message("user", "A dog runs.\n\ndog: [0.1, 0.2, 0.4, 0.8]\nCounts: dog 1"),
    ]


def test_a_user_folder_wins_over_the_bundled_type(tmp_path):
    write(tmp_path, {"prompts/description/recipe.yaml": "reply_format: json", "prompts/description/system.txt": "Hi"})
    (recipe,) = load_recipes(Settings(types=("description",), recipes_dir=str(tmp_path)))
    assert (recipe.system, recipe.fewshots) == ("Hi", ())
    assert available_types()["description"] == bundled_folder("prompts") / "description"


def test_windows_line_ends_and_marks_change_nothing(tmp_path):
    unix, windows = rhyme(write(tmp_path / "a")), rhyme(write(tmp_path / "b", newline="\r\n"))
    assert unix.digest == windows.digest
    assert windows.fewshots[0].reply == "The cat\non the mat."
    marked = rhyme(write(tmp_path / "c", {name: "\ufeff" + text for name, text in FILES.items()}))
    assert marked.digest == unix.digest


@pytest.mark.parametrize("name", FILES)
def test_every_text_is_in_the_digest(tmp_path, name):
    changed = FILES[name].replace("0.3", "0.1").replace("image", "picture").replace("cat", "pig")
    changed = changed.replace("please", "now").replace("soul", "hole")
    assert changed != FILES[name]
    assert rhyme(write(tmp_path / "a")).digest != rhyme(write(tmp_path / "b", {name: changed})).digest


def test_the_order_in_which_files_were_written_does_not_matter(tmp_path):
    for name in reversed(FILES):
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(FILES[name].encode())
    assert rhyme(write(tmp_path / "a")).digest == rhyme(tmp_path / "b").digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts/rhyme/system.txt": None}, r"system\.txt: is missing"),
        ({"prompts/rhyme/system.txt": " \n"}, r"system\.txt: is empty; it should tell the teacher"),
        ({"prompts/rhyme/questions.txt": None}, r"questions\.txt: is missing"),
        ({"prompts/rhyme/questions.txt": "\n\n"}, r"questions\.txt: holds no question"),
        ({"prompts/rhyme/recipe.yaml": "reply_format: poem"}, r"recipe\.yaml: Invalid enum value 'poem'"),
        ({"prompts/rhyme/recipe.yaml": "reply_format: text\ncolour: 1"}, r"recipe\.yaml: .*unknown field `colour`"),
        ({"prompts/rhyme/recipe.yaml": "reply_format: text\ntemperature: 3"}, r"recipe\.yaml: .*temperature"),
        ({"prompts/rhyme/recipe.yaml": "reply_format: ["}, r"recipe\.yaml: "),
        ({"prompts/rhyme/recipe.yaml": ""}, r"recipe\.yaml: .*null"),
        ({"seeds/rhyme/01.reply.txt": None}, r"01\.reply\.txt: is missing"),
        ({"seeds/rhyme/01.context.txt": None}, r"01\.context\.txt: is missing"),
        ({"seeds/rhyme/01.reply.txt": "\n"}, r"01\.context\.txt: a few-shot needs both"),
        ({"seeds/rhyme/01.context.txt": "\n"}, r"01\.context\.txt: a few-shot needs both"),
        ({"seeds/rhyme/01.context.txt": "cat: [1, 2]"}, r"01\.context\.txt: 'cat: \[1, 2\]' should end in four"),
    ],
)
def test_every_fault_of_a_folder_has_its_sentence(tmp_path, changes, message):
    with pytest.raises(RecipeError, match=message) as caught:
        rhyme(write(tmp_path, changes))
    assert str(caught.value).endswith(".")
    assert not str(caught.value).endswith("..")


def test_files_that_cannot_be_read_have_their_sentence(tmp_path):
    write(tmp_path)
    system = tmp_path / "prompts/rhyme/system.txt"
    system.write_bytes(b"caf\xe9")
    with pytest.raises(RecipeError, match=r"system\.txt: is not UTF-8 text \(byte 3\)"):
        rhyme(tmp_path)
    system.unlink()
    system.mkdir()
    with pytest.raises(RecipeError, match=r"system\.txt: cannot be read"):
        rhyme(tmp_path)


def test_unknown_types_and_folders_are_named(tmp_path):
    with pytest.raises(
        RecipeError, match="No response type 'rhyme'; there are conversation, description, grounded_desc"
    ):
        load_recipes(Settings(types=("rhyme",)))
    with pytest.raises(RecipeError, match="no such folder; a recipes folder holds"):
        available_types(str(tmp_path / "nowhere"))


def test_changing_a_seed_asks_again_only_for_its_type(tmp_path):
    settings = settings_for(write(tmp_path))
    before = build_request(rhyme(tmp_path), IMAGE, settings)
    others = [build_request(recipe, IMAGE, settings) for recipe in load_recipes(Settings(types=BUNDLED))]
    write(tmp_path, {"seeds/rhyme/01.reply.txt": "A cat sat.\n"})
    after = build_request(rhyme(tmp_path), IMAGE, settings)
    again = [build_request(recipe, IMAGE, settings) for recipe in load_recipes(Settings(types=BUNDLED))]
    assert before is not None and after is not None
    assert before.digest != after.digest
    assert [r.digest for r in others if r] == [r.digest for r in again if r]
    assert len({r.digest for r in others if r}) == len(BUNDLED)


def test_the_request_digest_covers_what_decides_the_reply_and_no_more(tmp_path):
    folder = write(tmp_path)

    def digest(summary: str = "A rhyme", temperature: str = "0.3", **changes) -> str:
        yaml = FILES["prompts/rhyme/recipe.yaml"].replace("A rhyme", summary).replace("0.3", temperature)
        recipe = rhyme(write(folder, {"prompts/rhyme/recipe.yaml": yaml}))
        request = build_request(recipe, IMAGE, settings_for(folder, **changes))
        assert request is not None
        return request.digest

    endpoint = TeacherSettings(name="some-model")
    assert digest() == digest(summary="Another line")
    assert digest() != digest(temperature="0.4")
    assert digest() != digest(context=LLAVA)
    assert digest() != digest(rng_seed=1)
    assert digest() != digest(teacher=endpoint)
    assert digest(teacher=endpoint) == digest(teacher=endpoint, rng_seed=1)


def test_another_choice_of_absent_things_asks_nothing_anew():
    settings = Settings(types=("negation",), teacher=TeacherSettings(name="some-model"))
    (recipe,) = load_recipes(settings)
    many = ("cat", "bus", "kite", "boat", "fork")

    def asked(*names: str, **changes):
        request = build_request(recipe, IMAGE, settings, absent=dict.fromkeys(names, 1.0), **changes)
        assert request is not None
        return request

    found = [asked(*many), asked(*many[:2]), asked()]
    assert len({request.digest for request in found}) == 1
    lines = [request.messages[-1].content.partition("\nAbsent: ")[2].partition("\n")[0] for request in found]
    assert [len(line.split("; ")) for line in lines] == [4, 2, 1]
    assert lines[2] == ""
    assert set(lines[0].split("; ")) < set(many)
    assert asked(*many).messages == found[0].messages
    assert asked(deniable=()).digest != found[0].digest  # nobody looked for anything: no denial is safe


def test_what_goes_along_most_is_told_most():
    settings = Settings(types=("negation",), teacher=TeacherSettings(name="some-model"))
    (recipe,) = load_recipes(settings)
    weights = {"bus": 3.0, **dict.fromkeys(("cat", "kite", "boat", "oven", "sink", "bed", "tv"), 0.7)}
    told: Counter[str] = Counter()
    for n in range(200):
        request = build_request(recipe, replace(IMAGE, image_id=str(n)), settings, absent=weights)
        assert request is not None
        line = request.messages[-1].content.partition("\nAbsent: ")[2].partition("\n")[0]
        told.update(line.split("; "))
    assert told["bus"] > 160  # 100 would be its part of a draw without weights
    assert min(told.values()) > 40


def test_llava_mode_tells_conversation_the_captions_alone():
    recipes = load_recipes(Settings(types=BUNDLED))
    told = {recipe.name: context_parts(recipe, LLAVA) for recipe in recipes}
    assert told.pop("conversation") == ("captions",)
    assert {parts[:2] for parts in told.values()} == {("captions", "boxes")}
    told_of = {recipe.name: context_parts(recipe, ContextSettings()) for recipe in recipes}
    assert {name for name, parts in told_of.items() if "absent" in parts} == {"conversation", "negation"}
    assert {parts[:2] for parts in told_of.values()} == {("captions", "boxes")}


def test_fewshots_are_told_in_the_style_of_the_run():
    conversation = load_recipes(Settings(types=("conversation",)))[0]
    shot = conversation.fewshots[0]
    all_shots = replace(conversation, settings=replace(conversation.settings, shots=None))
    assert constant_messages(all_shots, LLAVA, 0, 0)[1] == Message("user", "\n".join(shot.image.captions))
    assert "Counts: " in constant_messages(all_shots, ContextSettings(), 0, 0)[1].content
    description = load_recipes(Settings(types=("description",)))[0]
    assert all("Counts: " not in message.content for message in constant_messages(description, LLAVA, 0, 0)[1:])


def drawn(n_images: int, **changes) -> list[tuple[Message, ...]]:
    """The messages of conversations about many images that are alike."""
    settings = Settings(types=("conversation",), teacher=TeacherSettings(name="some-model"), **changes)
    (recipe,) = load_recipes(settings)
    asked = (build_request(recipe, replace(RICH, image_id=str(n)), settings) for n in range(n_images))
    return [request.messages for request in asked if request is not None]


def test_images_draw_their_few_shots_and_what_is_wanted():
    made = drawn(400)
    beginnings = {messages[:-1] for messages in made}
    assert len(beginnings) == DECKS  # few enough for a prompt cache
    assert {len(messages) for messages in beginnings} == {1 + 2 * 4}
    assert len({messages[1] for messages in beginnings}) > 3  # not always the same one first
    wanted = {messages[-1].content.rpartition("\n\n")[2] for messages in made}
    assert len(wanted) > 100 and all(line.startswith("Wanted: ") for line in wanted)
    assert made == drawn(400)
    assert made != drawn(400, rng_seed=1)


def test_llavas_style_tells_nothing_but_the_context():
    assert all("Wanted: " not in message.content for made in drawn(20, context=LLAVA) for message in made[1:])


def test_a_wish_that_cannot_be_drawn_is_told(tmp_path):
    yaml = FILES["prompts/rhyme/recipe.yaml"] + "wanted: [{draw: 3, of: [a sad one, a short one]}]\n"
    with pytest.raises(RecipeError, match=r"recipe.yaml: 'wanted' draws 3 of 2; list more, or draw fewer"):
        rhyme(write(tmp_path, {"prompts/rhyme/recipe.yaml": yaml}))


def test_the_rules_that_types_share_are_put_in_and_may_be_ones_own(tmp_path):
    folder = write(tmp_path, {"prompts/rhyme/system.txt": "Rhyme.\n\n{rules}\n"})
    assert "What is true" in rhyme(folder).system
    (folder / "prompts" / "rules.txt").write_text("Do not lie.\n")
    assert rhyme(folder).system == "Rhyme.\n\nDo not lie."


def test_an_example_that_has_nothing_to_tell_is_left_out(tmp_path):
    yaml = "reply_format: text\ncontext_parts: [captions]\n"
    recipe = rhyme(write(tmp_path, {"prompts/rhyme/recipe.yaml": yaml}))
    assert [message.role for message in constant_messages(recipe, LLAVA, 0, 0)] == ["system", "user", "assistant"]


def test_an_image_with_nothing_to_tell_makes_no_request(tmp_path):
    settings = settings_for(write(tmp_path))
    assert build_request(rhyme(tmp_path), AnnotatedImage("1", "1.jpg", 10, 10), settings) is None


def test_questions_are_drawn_by_seed_and_image_alone(tmp_path):
    recipe = rhyme(write(tmp_path))
    assert recipe.questions == ("Rhyme, please.", "Can you make a rhyme of this?")
    drawn = [draw_question(recipe, str(n), 0) for n in range(40)]
    assert drawn == [draw_question(recipe, str(n), 0) for n in range(40)]
    assert set(drawn) == set(recipe.questions)
    assert drawn != [draw_question(recipe, str(n), 1) for n in range(40)]


def test_english_is_asked_for_as_ever() -> None:
    for name in BUNDLED:
        recipe = load_recipes(Settings(types=(name,)))[0]
        assert "Language\n" not in recipe.system
        assert all(shot.reply.isascii() for shot in recipe.fewshots)


@pytest.mark.parametrize("name", BUNDLED)
def test_another_language_is_asked_for_behind_the_task(name: str) -> None:
    german = load_recipes(Settings(types=(name,), language="de"))[0]
    english = load_recipes(Settings(types=(name,)))[0]
    assert german.system.startswith(f"{english.system}\n\nLanguage\n")
    assert "every answer in German" in german.system
    assert german.fewshots == english.fewshots and german.digest != english.digest


@pytest.mark.parametrize("name", BUNDLED)
def test_korean_has_its_own_examples_about_the_same_images(name: str) -> None:
    korean = load_recipes(Settings(types=(name,), language="ko"))[0]
    english = {shot.name: shot for shot in load_recipes(Settings(types=(name,)))[0].fewshots}
    assert len(korean.fewshots) >= 4
    for shot in korean.fewshots:
        assert (shot.image, shot.wanted) == (english[shot.name].image, english[shot.name].wanted)
        assert other_language(shot.reply.replace("Question:", "").replace("Answer:", ""), "ko") is None
        assert shot.reply.count("Question:") == english[shot.name].reply.count("Question:") or name == "conversation"


def test_a_description_is_asked_for_in_its_language(tmp_path: Path) -> None:
    for code in ("ko", "zh", "ja", "de", "es", "fr", "pt", "ru", "ar", "hi"):
        questions = load_recipes(Settings(types=("description",), language=code))[0].questions
        assert len(set(questions)) == len(questions) >= 8
        assert [question for question in questions if other_language(question, code)] == []
    (swahili,) = load_recipes(Settings(types=("description",), language="sw"))
    assert swahili.questions == load_recipes(Settings(types=("description",)))[0].questions


def test_an_example_in_another_language_needs_a_context(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "seeds" / "rhyme" / "ko").mkdir()
    (tmp_path / "seeds" / "rhyme" / "ko" / "77.reply.txt").write_text("답", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"77\.context\.txt: is missing"):
        load_recipe(tmp_path / "prompts" / "rhyme", "ko")


MIX = {"conversation": 58.0, "description": 23.0, "reasoning": 77.0}


def types_drawn(settings: Settings, n_images: int = 2000) -> list[tuple[str, ...]]:
    recipes = load_recipes(settings)
    return [tuple(one.name for one in recipes_for(recipes, str(n), settings)) for n in range(n_images)]


def test_a_mix_draws_types_for_each_image_by_its_id_alone():
    drawn = types_drawn(Settings(mix=MIX))
    shares = {name: sum(name in types for types in drawn) / len(drawn) for name in MIX}
    assert shares["reasoning"] == 1  # the largest share asks about every image
    assert abs(shares["conversation"] - 58 / 77) < 0.04
    assert abs(shares["description"] - 23 / 77) < 0.04
    assert drawn[:100] == types_drawn(Settings(mix={name: 2 * share for name, share in MIX.items()}), 100)
    assert drawn[:100] != types_drawn(Settings(mix=MIX, rng_seed=1), 100)
    assert set(types_drawn(Settings(), 10)) == {("conversation", "description", "reasoning")}


def test_a_larger_share_keeps_the_images_that_a_type_had():
    few = types_drawn(
        Settings(mix={"conversation": 1.0, "description": 4.0}, types=("conversation", "description")), 500
    )
    many = types_drawn(
        Settings(mix={"conversation": 3.0, "description": 4.0}, types=("conversation", "description")), 500
    )
    assert all(set(before) <= set(after) for before, after in zip(few, many, strict=True))


def test_a_run_says_before_its_recipes_how_replies_are_sampled(tmp_path):
    yaml = FILES["prompts/rhyme/recipe.yaml"] + "top_p: 0.9\nextra_body: {top_k: 20, min_p: 0.1}\nsystem_role: false\n"
    folder = write(tmp_path, {"prompts/rhyme/recipe.yaml": yaml})

    def asked(**teacher):
        request = build_request(
            rhyme(folder), IMAGE, settings_for(folder, teacher=TeacherSettings(name="m", **teacher))
        )
        assert request is not None
        return request

    own = asked()
    assert (own.temperature, own.max_tokens, own.system_role) == (0.3, 99, False)
    assert own.more == {"top_p": 0.9, "top_k": 20, "min_p": 0.1}
    run = asked(
        temperature=0.0, max_tokens=5, seed=7, reasoning_effort="low", system_role=True, extra_body={"top_k": 1}
    )
    assert (run.temperature, run.max_tokens, run.system_role) == (0.0, 5, True)
    assert run.more == {"top_p": 0.9, "seed": 7, "reasoning_effort": "low", "top_k": 1, "min_p": 0.1}
    left = asked(leave_out=("temperature", "max_tokens"))
    assert (left.temperature, left.sends_max_tokens) == (None, False)
    assert len({request.digest for request in (own, run, left, asked(seed=1), asked(system_role=True))}) == 5


def test_a_request_without_further_fields_keeps_its_digest(tmp_path):
    folder = write(tmp_path)
    settings = settings_for(folder, teacher=TeacherSettings(name="some-model"))
    request = build_request(rhyme(folder), IMAGE, settings)
    assert request is not None
    decides = ["some-model", None, "7", "rhyme", request.messages, 0.3, 99, "text"]
    assert request.digest == digest_of(decides)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("temperature: 1", "'temperature' has a setting of its own"),
        ("messages: []", "'messages' is a part of the request that datagen makes itself"),
        ("headers: {Authorization: Bearer abcdefgh12345678}", "looks like a secret"),
        ("api_key: abc12345", "looks like a secret"),
    ],
)
def test_a_recipe_with_fields_that_it_may_not_set_is_refused(tmp_path, extra, message):
    yaml = FILES["prompts/rhyme/recipe.yaml"] + f"extra_body: {{{extra}}}\n"
    with pytest.raises(RecipeError, match=f"recipe.yaml: extra_body: .*{message}") as caught:
        rhyme(write(tmp_path, {"prompts/rhyme/recipe.yaml": yaml}))
    assert "12345" not in str(caught.value)


def test_what_a_set_lacks_is_asked_for_before_anything_is_drawn():
    (recipe,) = load_recipes(Settings(types=("conversation",)))
    fills = recipe.settings.wanted[0].fills
    for n in range(20):
        image = replace(RICH, image_id=str(n))
        line = draw_wish(recipe, image, Settings(), 2, ("no", "count"))
        assert line.startswith(f"Wanted: {fills['no']}; {fills['count']}; ")
        one = draw_wish(recipe, image, Settings(), 2, ("count", "of another type"))
        assert one.startswith(f"Wanted: {fills['count']}; ")
        assert len(set(one.split("; "))) == len(one.split("; ")) == 3
    assert len({draw_wish(recipe, RICH, Settings(), number) for number in range(1, 9)}) > 4


def test_every_kind_that_can_be_filled_is_one_that_is_counted():
    for recipe in load_recipes(Settings(types=BUNDLED)):
        for wish in recipe.settings.wanted:
            assert set(wish.fills) <= {*ALL_KINDS, "yes", "no"}


@pytest.mark.parametrize("name", BUNDLED)
def test_of_boxes_alone_nothing_is_wanted_that_captions_tell(name: str) -> None:
    (recipe,) = load_recipes(Settings(types=(name,)))
    lines = {draw_wish(recipe, replace(RICH, image_id=str(n), captions=()), Settings()) for n in range(200)}
    told = " ".join(lines)
    assert lines
    for word in (
        "weather",
        "wears",
        "color",
        "doing",
        "state",
        "ask why",
        "advice",
        "watch out",
        "6 questions",
        "7 questions",
        "180",
    ):
        assert word not in told, word
    poor = replace(RICH, captions=(), boxes=RICH.boxes[:1])
    fewer = {draw_wish(recipe, replace(poor, image_id=str(n)), Settings()) for n in range(200)}
    assert fewer.isdisjoint(line for line in lines if re.search(r"[4-7] questions|120|how many|two things", line))


def test_of_captions_alone_no_place_or_number_is_wanted() -> None:
    (recipe,) = load_recipes(Settings(types=("conversation",)))
    lines = {draw_wish(recipe, replace(RICH, image_id=str(n), boxes=()), Settings()) for n in range(200)}
    assert not any("where in the image" in line or "how many" in line for line in lines)
    assert any("wears" in line for line in lines)


def test_a_teacher_who_sees_the_picture_is_asked_for_what_captions_leave_out() -> None:
    (recipe,) = load_recipes(Settings(types=("conversation",)))
    shown = Settings(teacher=TeacherSettings(name="m", show_images=True))
    bare = replace(RICH, captions=(), boxes=RICH.boxes[:1])
    told = " ".join(draw_wish(recipe, replace(bare, image_id=str(n)), shown) for n in range(200))
    assert "color" in told and "weather" in told and "7 questions" in told
    assert "2 questions" not in told


def test_absent_things_are_explained_where_they_are_told() -> None:
    explained = {recipe.name for recipe in load_recipes(Settings(types=BUNDLED)) if "Absent" in recipe.system}
    assert explained == {"conversation", "negation"}
    assert not any("{absent}" in recipe.system for recipe in load_recipes(Settings(types=BUNDLED)))
