"""Chooses what to ask beside a finished run, so that the set gets what it lacks: types, kinds of question, Yes or No.

What was chosen is a fact, since a resume must ask for the same; see ``extra_samples``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

import msgspec

from datagen import claims
from datagen.companions import plausibly_absent
from datagen.engines.extra_samples import add_extras, count_extras, take_back_extras
from datagen.engines.inputs import Inputs
from datagen.errors import RunError, SettingsError
from datagen.geometry import count_objects, horizontal_place, unique_boxes
from datagen.randomness import rng_for
from datagen.recipes import Recipe, draw_wish, recipes_for, shares_of
from datagen.records import AnnotatedImage, ExtraSample
from datagen.store import ReplyStore
from datagen.summary import Summary

N_TRIED = 64
"""Images that are looked at for one on which a kind of question can be asked."""
EVEN = 0.1
"""By which share of the yes/no answers one may outweigh the other before the rarer is asked for."""

MAX_PER_PLACE = 100


def take_more(inputs: Inputs) -> None:
    """Choose as many samples more as this start is to add, and write them down; an unfinished run is finished first.

    A start that goes on with an earlier choice says so, and how to take it back.

    Raises:
        SettingsError: There is nothing left to choose from.
        RunError: The summary cannot be read.
    """
    folder = inputs.folder
    if inputs.n_more is None:
        if inputs.extras and not folder.summary.is_file():
            n = sum(map(len, inputs.extras.values()))
            inputs.progress.note(
                f"--more chose {n:,} samples; 'resume --more 0' takes back those that are not answered."
            )
        return
    if inputs.dataset is not None:
        raise SettingsError("--more: a dataset made elsewhere asks no teacher; leave it out.")
    if inputs.n_more == 0:
        _take_back(inputs)
        return
    if not folder.summary.is_file():
        told = "it goes on with what it chose before" if inputs.extras else "nothing is known to be missing yet"
        inputs.progress.note(f"--more: this run is not finished, so {told}; say it again once it is.")
        return
    try:
        summary = msgspec.json.decode(folder.summary.read_bytes(), type=Summary)
    except (msgspec.MsgspecError, OSError):
        raise RunError(f"{folder.summary}: cannot be read; start the run again without --more first.") from None
    chosen = Chooser(inputs, summary).choose(inputs.n_more)
    add_extras(folder, chosen)
    inputs.plan_extras()
    types = Counter(extra.response_type for extra in chosen)
    inputs.progress.note(f"--more: {', '.join(f'{n} {name}' for name, n in types.items())} chosen.")


def _take_back(inputs: Inputs) -> None:
    """Forget what was chosen and is not answered: more may have been asked for than anybody wants to pay for."""
    folder = inputs.folder
    with closing(ReplyStore(folder.replies)) as replies:
        unanswered = {
            (item.image.image_id, item.recipe.name, item.number)
            for item in inputs.planned()
            if item.request is not None and not replies.is_settled(item.request.digest)
        }
    n_chosen = count_extras(folder)
    n_back = take_back_extras(folder, unanswered)
    if n_back:
        inputs.plan_extras()
        inputs.write_manifest()  # which says how many there must be
    inputs.progress.note(f"--more 0: {n_back:,} of {n_chosen:,} samples that were chosen are taken back.")


class Chooser:
    """Fills the gaps of one set.

    Args:
        inputs: Of the run.
        summary: Of the finished set.
    """

    def __init__(self, inputs: Inputs, summary: Summary) -> None:
        self._inputs = inputs
        self._accepted = Counter({name: fates.accepted for name, fates in summary.by_type.items()})
        diversity = summary.diversity
        self._kinds = Counter(diversity.question_kinds if diversity else {})
        self._told = {"yes": diversity.yes_no.yes if diversity else 0, "no": diversity.yes_no.no if diversity else 0}
        self._shares = shares_of(inputs.settings.mix) or {recipe.name: 1.0 for recipe in inputs.recipes}
        self._last: dict[tuple[str, str], int] = {}  # the highest number of what was chosen, by image and type
        for image_id, extras in inputs.extras.items():
            for extra in extras:
                key = image_id, extra.response_type
                self._last[key] = max(extra.number, self._last.get(key, 0))
        self._n_before = sum(map(len, inputs.extras.values()))

    def choose(self, n: int) -> list[ExtraSample]:
        """Choose samples one by one, each for what is then lacking most.

        Raises:
            SettingsError: Every type asks about every image, or many times over, and the teacher would only repeat
                itself.
        """
        settings = self._inputs.settings
        most = MAX_PER_PLACE * len(self._inputs.images) * len(self._inputs.recipes)
        if n > most:
            told = f"at most {most:,} are chosen at once, {MAX_PER_PLACE} for each image and type"
            raise SettingsError(f"--more {n}: {told}, as more would repeat themselves.")
        rng = rng_for(settings.rng_seed, "more", str(self._n_before))
        spare = {recipe.name: self._without(recipe, rng) for recipe in self._inputs.recipes}
        if settings.teacher.name == "template" and not any(spare.values()):
            raise SettingsError(
                "--more: every type asks about every image already, and the embedded teacher would repeat itself; "
                "raise --limit, or name an LLM with --teacher."
            )
        chosen: list[ExtraSample] = []
        while len(chosen) < n:
            open_to = [one for one in self._inputs.recipes if spare[one.name] or settings.teacher.name != "template"]
            if not open_to:
                break
            recipe = min(open_to, key=lambda one: self._accepted[one.name] / self._shares[one.name])
            lacking = self._lacking(recipe)
            image = self._image_for(recipe, lacking, spare[recipe.name], rng)
            key = image.image_id, recipe.name
            is_asked = recipe in recipes_for(self._inputs.recipes, image.image_id, settings)
            number = self._last[key] = max(self._last.get(key, 0), int(is_asked)) + 1
            wish = draw_wish(recipe, image, settings, number, lacking)
            chosen.append(ExtraSample(image.image_id, recipe.name, number, wish))
            self._accepted[recipe.name] += 1
            for kind in lacking:
                (self._told if kind in self._told else self._kinds)[kind] += 1
        return chosen

    def _without(self, recipe: Recipe, rng: random.Random) -> list[int]:
        """Places of the images about which a type does not ask yet, in the order in which they are taken."""
        if not self._inputs.settings.mix:
            return []
        recipes, settings = self._inputs.recipes, self._inputs.settings
        places = [
            place
            for place, image in enumerate(self._inputs.images)
            if recipe not in recipes_for(recipes, image.image_id, settings)
            and (image.image_id, recipe.name) not in self._last
        ]
        rng.shuffle(places)
        return places

    def _lacking(self, recipe: Recipe) -> tuple[str, ...]:
        """The rarest kinds of question that the type can be asked for, and Yes or No where one outweighs the other."""
        wish = next((wish for wish in recipe.settings.wanted if wish.fills), None)
        if wish is None:
            return ()
        kinds = sorted((kind for kind in wish.fills if kind not in self._told), key=lambda kind: self._kinds[kind])
        rarer = min(self._told, key=lambda told: self._told[told])
        total = sum(self._told.values())
        is_uneven = rarer in wish.fills and total and total - 2 * self._told[rarer] > EVEN * total
        return (*([rarer] if is_uneven else []), *kinds)[: wish.draw]

    def _image_for(
        self, recipe: Recipe, lacking: Sequence[str], spare: list[int], rng: random.Random
    ) -> AnnotatedImage:
        """The first image on which all that is lacking can be asked, of those without the type if there are any."""
        images = self._inputs.images
        tried = range(min(N_TRIED, len(spare))) if spare else range(N_TRIED)
        first: tuple[int | None, AnnotatedImage] | None = None
        for n in tried:
            image = images[spare[-1 - n] if spare else rng.randrange(len(images))]
            if not (image.captions or image.boxes) or self._inputs.pictures.check(image) is not None:
                continue
            found = len(spare) - 1 - n if spare else None, image
            first = first or found
            if all(self._bears(kind, image) for kind in lacking):
                first = found
                break
        if first is None:
            if not spare:
                raise SettingsError("--more: nothing can be told of the images that were looked at.")
            del spare[-len(tried) :]
            return self._image_for(recipe, lacking, spare, rng)
        if first[0] is not None:
            del spare[first[0]]
        return first[1]

    def _bears(self, question_kind: str, image: AnnotatedImage) -> bool:
        """Whether a kind of question has an answer in an image, as far as captions and boxes tell."""
        inputs = self._inputs
        if question_kind == "count":
            counts = count_objects(image.boxes, image.unfinished or ())
            return any(count.is_exact and count.at_least > 1 for count in counts.values())
        if question_kind == "position":
            return any(horizontal_place(box.box_unit) for box in unique_boxes(image).values())
        if question_kind == "relation":
            return len(unique_boxes(image)) > 1
        if question_kind == "no":
            settings, categories = inputs.settings.checks, inputs.corpus.categories
            deniable = claims.deniable(image, categories, settings)
            return bool(plausibly_absent(image, deniable, inputs.companions, categories, settings))
        return bool(image.captions)
