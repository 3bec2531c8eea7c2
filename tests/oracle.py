"""A validator that knows the truth: it answers probes from the annotations, and finds true texts likely."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence

from datagen.claims.kind import presence_question
from datagen.claims.kinds.count import ANSWERS, MAX_ASKED, count_question
from datagen.claims.kinds.place import quarter_question, side_question
from datagen.claims.kinds.relation import relation_question
from datagen.geometry import count_objects, horizontal_place, relation_between, unique_boxes, vertical_place
from datagen.records import AnnotatedImage, ProbeScore, Score, TextScore
from datagen.validator import Fault, Look, Probe, Text, score_key
from datagen.validator.protocol import Abilities, LoadPicture
from datagen.words import COCO_CATEGORIES


class Oracle:
    """Sure of what is boxed; where boxes leave a question open, it shrugs.

    Args:
        images: Everything it knows.
        categories: Things that it can be asked about.
        abilities: What it is asked.
        blind_to: Question of a text that it cannot read.
    """

    identity = "oracle"
    n_readers = 2

    def __init__(
        self,
        images: Iterable[AnnotatedImage],
        categories: tuple[str, ...],
        abilities: Abilities | None = None,
        blind_to: str | None = None,
    ) -> None:
        self.abilities = abilities or Abilities(texts=False, blanks=False)
        self.blind_to = blind_to
        self.n_scored = 0
        self._truth = {image.file_name: dict(_truths(image, categories)) for image in images}

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        for name in names[:1]:
            load_picture(name)

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        for look in looks:
            load_picture(look.picture)
            for item in look.items:
                key = score_key(self.identity, look, item)
                if isinstance(item, Text) and item.question == self.blind_to:
                    yield Fault(look.picture, "too_long", "2,000 tokens do not fit", item)
                elif key not in known:
                    self.n_scored += 1
                    yield self._probe(look, item, key) if isinstance(item, Probe) else self._text(look, item, key)

    def _probe(self, look: Look, probe: Probe, key: str) -> ProbeScore:
        truth = self._truth.get(look.picture, {}).get(probe.question)
        weights = [1.0 if answer == truth else 0.03 + _noise(key + answer) / 30 for answer in probe.answers]
        return ProbeScore(key, look.picture, tuple(round(weight / sum(weights), 6) for weight in weights))

    def _text(self, look: Look, text: Text, key: str) -> TextScore:
        mean = -2.0 - _noise(text.answer) - (0.5 + _noise(key) if look.is_blank else 0.0)
        return TextScore(key, look.picture, mean, 2 * mean, mean / 2, len(text.answer.split()))


def _truths(image: AnnotatedImage, categories: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    counts = count_objects(image.boxes)
    for name in dict.fromkeys((*categories, *COCO_CATEGORIES)):  # the template denies what nobody annotated, too
        yield presence_question(name), "Yes" if name in counts else "No"
    for name, count in counts.items():
        if 1 <= count.at_least <= MAX_ASKED:
            yield count_question(name), ANSWERS[count.at_least - 1]
    unique = unique_boxes(image)
    for name, box in unique.items():
        across, down = horizontal_place(box.box_unit), vertical_place(box.box_unit)
        if across in ("left", "right"):
            yield side_question(name), str(across).capitalize()
            if down in ("top", "bottom"):
                yield quarter_question(name), f"{'Upper' if down == 'top' else 'Lower'} {across}"
        for other, other_box in unique.items():
            held = relation_between(box.box_unit, other_box.box_unit)
            for relation in ("left of", "right of", "above", "below") if held and other != name else ():
                yield relation_question(name, relation, other), "Yes" if relation in held else "No"


def _noise(text: str) -> float:
    return hashlib.sha256(text.encode()).digest()[0] / 255
