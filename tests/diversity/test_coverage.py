"""What a set asks and says is counted, and what it lacks is said in sentences with numbers."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datagen.claims.grammar import Row
from datagen.diversity import Diversity, boxed_images
from datagen.diversity.coverage import ALL_KINDS, KINDS, Openings, polarity, quantile, question_kind, refers_back
from datagen.records import AnnotatedImage, Box, Claim, Provenance, Sample, Turn
from datagen.summary import CategoryUse, YesNo

PROVENANCE = Provenance("m", "r", "q", "s")


def claim(kind: str, category: str, **more: object) -> Claim:
    return Claim(kind, category, 0, 3, "supported_by_boxes", "", **more)  # type: ignore[arg-type]


def sample(n: int, *turns: Turn, response_type: str = "conversation") -> Sample:
    return Sample(f"{n}-{response_type}", str(n), f"{n}.jpg", response_type, turns, "accepted", PROVENANCE)


DOG = Turn("Is there a dog?", "Yes, there is a dog.", (claim("presence", "dog"), claim("presence", "dog")))
COUNT = Turn("How many cups are there?", "Two cups.", (claim("count", "cup", number=2, comparison="exact"),))
LEFT = Turn("Where is the cup?", "The cup is on the left.", (claim("place", "cup", place="left"),))
NO_CAT = Turn("Is there a cat?", "No, there is no cat.", (claim("absence", "cat"),))


def lacks(diversity: Diversity) -> str:
    return "\n".join(diversity.report().lacks)


def test_the_record_counts_accepted_turns() -> None:
    diversity = Diversity(("dog", "cat", "cup", "kite"), {"kite": 3, "dog": 1})
    rejected = replace(sample(9, DOG), status="rejected", stage="dedup", reason="exact_copy")
    samples = [sample(1, DOG, COUNT), sample(2, LEFT, NO_CAT), rejected]
    assert list(diversity.watch(samples)) == samples
    told = diversity.report()
    assert told.turns == 4
    assert told.turns_per_sample == {"2": 2}
    asked = {kind: n for kind, n in told.question_kinds.items() if n}
    assert asked == {"existence": 2, "count": 1, "position": 1}
    assert told.yes_no == YesNo(1, 1, 0)
    assert told.answer_openings == {"no there": 1, "the cup": 1, "two cups": 1, "yes there": 1}
    assert told.question_openings["is there"] == 2
    assert told.answer_words.histogram == {"1-2": 1, "3-4": 0, "5-7": 3}
    assert told.categories.most_stated["cup"] == CategoryUse(2, 0, 0)
    assert told.categories.most_stated["dog"].stated == 1  # told twice in one turn
    assert told.categories.never_stated == ("cat", "kite")
    assert (told.counts, told.places) == ({"2": 1}, {"left": 1})
    assert told.lacks == ("Only 4 turns were accepted, too few to say what is missing.",)


def test_a_yes_heavy_narrow_set_is_told_so() -> None:
    diversity = Diversity(("dog", "cat", "cup", "kite"), {"kite": 3, "dog": 60})
    for n in range(60):
        diversity.add(sample(n, DOG, COUNT, LEFT))
    told = lacks(diversity)
    assert "1 of 4 categories are boxed, but no answer says that one is there: kite (boxed on 3 images)." in told
    assert "1 of 4 categories have no box in this corpus, and no answer says that one is there: cat." in told
    assert "Kinds of question never asked: description, reasoning, " in told
    assert "100 % of 60 yes/no answers say yes, where 40 to 60 % is even" in told
    assert "Counts are small: 100 % of 60 exact counts are 3 or less, the largest is 2." in told
    assert "Of 60 places told none is right, top, bottom or middle." in told
    assert "33 % of the conversation answers open with 'the cup'." in told


def test_a_rare_kind_a_favoured_side_and_a_monotone_length_are_told() -> None:
    right = replace(LEFT, answer="It is right.", claims=(claim("place", "cup", place="right"),))
    diversity = Diversity(("cup",))
    for n in range(200):
        diversity.add(sample(n, LEFT if n % 5 else right, response_type="place"))
    diversity.add(sample(999, COUNT))
    told = lacks(diversity)
    assert "Kinds of question under 2 % of the turns: count (0.5 %)." in told
    assert "'left' is said 160 times, 'right' only 40 times." in told
    even = Diversity()
    for n in range(60):
        even.add(sample(n, LEFT, response_type="place"))
    assert "Answers of place are all of one length: 80 % have 6 to 6 words." in lacks(even)


def test_habits_of_denial_are_told() -> None:
    diversity = Diversity(("cat", "dog", "cup"))
    for n in range(80):
        diversity.add(sample(n, NO_CAT))
    assert "Only 1 of 3 categories are ever said to be absent, cat 100 % of the time." in lacks(diversity)


def test_types_that_lag_behind_their_shares_are_told() -> None:
    diversity = Diversity(shares={"conversation": 3, "description": 1, "reasoning": 4})
    for n in range(60):
        diversity.add(sample(n, DOG, COUNT))
    for n in range(40):
        diversity.add(sample(n, LEFT, response_type="reasoning"))
    told = lacks(diversity)
    assert "Of 100 accepted samples 0.0 % are description, where 12 % are wanted." in told
    assert "Of 100 accepted samples 40 % are reasoning" not in told  # 50 % are wanted, and checks cost some
    for n in range(60, 80):
        diversity.add(sample(n, DOG, COUNT))
    assert "Of 120 accepted samples 33 % are reasoning, where 50 % are wanted." in lacks(diversity)
    assert "conversation, where" not in lacks(diversity)


def test_an_even_set_lacks_nothing_of_what_is_even() -> None:
    diversity = Diversity(("dog", "cat"))
    for n in range(60):
        diversity.add(sample(n, DOG, NO_CAT))
    told = lacks(diversity)
    assert "yes/no answers say yes" not in told
    assert "boxed" not in told


def test_the_order_of_samples_does_not_matter() -> None:
    samples = [sample(n, DOG, COUNT if n % 3 else LEFT) for n in range(90)]
    there, back = Diversity(("dog", "cup")), Diversity(("dog", "cup"))
    for one in samples:
        there.add(one)
    for one in reversed(samples):
        back.add(one)
    assert there.report() == back.report()


def test_openings_stay_few_and_keep_what_is_common() -> None:
    openings = Openings()
    for n in range(30_000):
        openings.add(f"word{n} other")
        if n % 3 == 0:
            openings.add("The image shows")
    assert len(openings.counts) <= 2048
    assert openings.counts["the image"] == 10_000
    assert openings.n_texts == 40_000


def test_quantiles_and_boxed_images() -> None:
    assert quantile(Counter({1: 1, 5: 8, 9: 1}), 0.5) == 5
    assert quantile(Counter({3: 4}), 0.95) == 3
    assert quantile(Counter(), 0.5) == 0
    box = Box("dog", (0.0, 0.0, 0.5, 0.5), 0.2)
    assert boxed_images([AnnotatedImage("1", "1.jpg", 9, 9, (), (box, box))]) == {"dog": 1}


@pytest.mark.parametrize("row", KINDS, ids=lambda row: f"{row.meaning}: {row.example}")
def test_every_row_explains_its_example(row: Row) -> None:
    assert question_kind(row.example) == row.meaning


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Would you say that the plant is higher in the frame than the table?", "relation"),
        ("Is the couch to the left of the parking meter?", "relation"),
        ("What is the position of the hair drier compared with the sink?", "relation"),
        ("Is the kite near the center of the image?", "position"),
        ("Can you tell me where the racket is?", "position"),
        ("On the left of the image, what is shown?", "position"),
        ("In the picture, how many dogs can be seen?", "count"),
        ("Are there four bowls in the image?", "count"),
        ("Is it true that the picture shows two bears?", "count"),
        ("Is there one bear?", "existence"),
        ("Do you notice a boat here?", "existence"),
        ("Which of these is not in the image: a boat, a keyboard, or a backpack?", "existence"),
        ("What might have happened prior to this moment?", "reasoning"),
        ("What can be inferred about the giraffe's habitat from this image?", "reasoning"),
        ("If one of the dogs left, how many would remain?", "reasoning"),
        ("Can you describe what the dog is up to?", "activity"),
        ("What is the cat looking at?", "activity"),
        ("Can you describe the clock in the left half of the image?", "description"),
        ("What do you see happening in this image?", "description"),
        ("How would you describe the color of the cat?", "color"),
        ("Does the image show a scene in a kitchen?", "setting"),
        ("What is the pattern on her umbrella?", "attribute"),
        ("Is the sheep blue?", "color"),
        ("Is the sheep asleep?", "verification"),
        ("What objects are on the table in the image?", "identification"),
        ("Ahem.", "other"),
    ],
)
def test_a_question_is_of_its_kind(question: str, kind: str) -> None:
    assert question_kind(question) == kind


@pytest.mark.parametrize(
    ("question", "answer", "told"),
    [
        ("Is there a dog?", "Yes, there is one.", "yes"),
        ("Is there a dog?", "No.", "no"),
        ("Is there a dog?", "No dog can be seen here.", "no"),
        ("In this image, is there a dog?", "yes", "yes"),
        ("Would you say that there are seven dogs?", "There are six dogs, not seven.", "no"),
        ("Is the dog on the left?", "It sits on the left side.", "unclear"),
        ("Can you see a dog?", "Yes, by the fence.", "yes"),
        ("Are there any cats or dogs?", "Yes, two dogs.", "yes"),
        ("Is it a dog or a cat?", "It is a cat.", None),
        ("Can you describe the dog?", "No dog is shown.", None),
        ("Could you count the dogs?", "Two.", None),
        ("What color is the dog?", "No dog is shown.", None),
    ],
)
def test_yes_is_told_from_no_and_from_the_rest(question: str, answer: str, told: str | None) -> None:
    assert polarity(question, answer) == told


def test_a_question_that_leans_on_earlier_turns_is_known() -> None:
    for question in ("What color is it?", "What else is there?", "Are they asleep?", "Is her hat red?"):
        assert refers_back(question), question
    for question in (
        "Is it true that a dog is there?",
        "Which of these is not here: a dog or a cat?",
        "Is there a dog?",
    ):
        assert not refers_back(question), question


@given(st.text(max_size=600), st.text(max_size=200))
def test_any_text_has_a_kind(question: str, answer: str) -> None:
    assert question_kind(question) in ALL_KINDS
    assert polarity(question, answer) in ("yes", "no", "unclear", None)


def test_no_more_than_the_start_of_a_question_is_read() -> None:
    start = "Is the sheep asleep" + " and asleep" * 40
    assert question_kind(start) == question_kind(start + " why how many" * 20_000) == "verification"
    assert not refers_back(start + " else" * 20_000)
