"""Runs and samples in a notebook: a run in a few lines, a sample as a card, or all of them to leaf through.

Pictures are small enough to be saved with it. Where no widget can live, the first samples stand still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from datagen.config import CorpusSettings
from datagen.corpus import PictureChecker
from datagen.errors import RunError, SettingsError
from datagen.records import AnnotatedImage, Sample
from datagen.store import read_facts
from datagen.turn_fates import fated_turns
from datagen.view.sample_card import sample_card, small_picture


def run_card(path: str, rows: Iterable[tuple[str, str]]) -> str:
    """Draw a run.

    Args:
        path: Of its folder.
        rows: A label and a text each; all is escaped.
    """
    cell = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
    told = "".join(
        f'<tr><th style="{cell};font-weight:normal;opacity:.65">{escape(label)}</th>'
        f'<td style="{cell}">{escape(text)}</td></tr>'
        for label, text in rows
    )
    return f"<div><b>Run {escape(path)}</b><table>{told}</table></div>"


PICTURE_PX = 640
"""Longer side of a picture; COCO's are as large, others are made smaller."""

DrawCard = Callable[[Sample], str]
"""Makes the card of a sample, as HTML."""


class Cards:
    """Draws the cards of one corpus.

    Args:
        corpus: Where the pictures are.
        images: Gives the annotations by image id, for the boxes; asked when the first card is drawn.
    """

    def __init__(self, corpus: CorpusSettings, images: Callable[[], Mapping[str, AnnotatedImage]]) -> None:
        self._pictures = PictureChecker(corpus, may_fetch=False)
        self._images = images

    def draw(self, sample: Sample) -> str:
        """Draw one sample; a picture that cannot be read leaves its frame empty."""
        picture = small_picture(sample.image, self._pictures.read, PICTURE_PX)
        return sample_card(sample, self._images().get(sample.image_id), picture)


class SampleView:
    """One sample to look at.

    Attributes:
        sample: The record itself.
    """

    def __init__(self, sample: Sample, draw: DrawCard) -> None:
        self.sample = sample
        self._draw = draw

    def __repr__(self) -> str:
        turns = "".join(
            f"\nQ: {told.turn.question}\nA: {told.turn.answer}"
            + (f"\n   (cut: {told.reason})" if told.fate == "cut" else "")
            for told in fated_turns(self.sample)
        )
        return f"{self.sample.sample_id}: {self.sample.status} {self.sample.reason or ''}".rstrip() + turns

    def _repr_html_(self) -> str:
        return self._draw(self.sample)


ALL = "all"
N_STILL = 2
"""Samples that stand in a saved notebook, on GitHub, or where ipywidgets is not installed."""
WIDGET = "application/vnd.jupyter.widget-view+json"
"""The kind of output that Jupyter, VS Code and Colab show as a live widget."""


class _Fate(Struct, frozen=True):
    stage: str
    reason: str


class ListedSample(Struct, frozen=True):
    """What the filters need of one sample; its text stays on disk."""

    sample_id: str
    response_type: str
    status: str
    stage: str | None = None
    reason: str | None = None
    cuts: tuple[_Fate, ...] = ()

    @property
    def reasons(self) -> Iterator[str]:
        """Why it fell, or lost turns; the status tells which."""
        if self.stage:
            yield f"{self.stage}: {self.reason}"
        for cut in self.cuts:
            yield f"{cut.stage}: {cut.reason}"


class SampleListing:
    """The samples of a run by number; what the filters need is in memory, their text stays on disk.

    Args:
        path: The run's ``samples.jsonl``.
        decided: Ids of samples that a person decided about.
        review: Lays such a decision over a sample.

    Attributes:
        listed: Of every sample, in the order of the run.

    Raises:
        RunError: A line of the file is damaged.
    """

    def __init__(self, path: Path, decided: Container[str], review: Callable[[Sample], Sample]) -> None:
        self._path, self._decided, self._review = path, decided, review
        self._spans: list[tuple[int, int]] = []
        self.listed: list[ListedSample] = []
        for span, one in read_facts(path, ListedSample):
            if one is None:
                told = f"line {len(self.listed) + 1} is damaged; start the run's command again to write it anew"
                raise RunError(f"{path}: {told}.")
            self._spans.append(span)
            self.listed.append(one)
            if one.sample_id in decided:
                self.listed[-1] = _listed(self.read(len(self.listed) - 1))

    def read(self, index: int) -> Sample:
        """Read one sample, as people decided."""
        start, end = self._spans[index]
        with self._path.open("rb") as file:
            file.seek(start)
            sample = msgspec.json.decode(file.read(end - start), type=Sample)
        return self._review(sample) if sample.sample_id in self._decided else sample


def _listed(sample: Sample) -> ListedSample:
    cuts = tuple(_Fate(cut.stage, cut.reason) for cut in sample.cuts)
    return ListedSample(sample.sample_id, sample.response_type, sample.status, sample.stage, sample.reason, cuts)


class Browser:
    """A run to leaf through.

    In a live notebook it shows as a widget with filters; anywhere else as its first samples.

    Args:
        samples: All there are.
        draw: Makes the card of a sample.
        response_type: Filter to begin with; None begins with all, as of the others.
        status: ``accepted`` or ``rejected``.
        reason: As the widget lists them, or the reason code alone, such as ``doubtful_answer``.

    Raises:
        SettingsError: No sample of the run has this type, status or reason.
    """

    def __init__(
        self,
        samples: SampleListing,
        draw: DrawCard,
        response_type: str | None = None,
        status: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._samples, self._draw = samples, draw
        listed = samples.listed
        self.types = [ALL, *dict.fromkeys(one.response_type for one in listed)]
        self.statuses = [ALL, *sorted({one.status for one in listed})]
        counted = Counter(reason for one in listed for reason in set(one.reasons))
        self.reasons = [ALL, *sorted(counted, key=lambda name: (-counted[name], name))]
        self._chosen = (
            _choose("response type", response_type, self.types),
            _choose("status", status, self.statuses),
            _choose("reason", reason, self.reasons),
        )

    def __repr__(self) -> str:
        found = self.find(*self._chosen)
        return (
            f"{len(found)} of {len(self._samples.listed)} samples: {', '.join(found[:5])}{', ...' * (len(found) > 5)}"
        )

    def find(self, response_type: str = ALL, status: str = ALL, reason: str = ALL) -> list[str]:
        """Ids of the samples that pass the filters, in the order of the run."""
        return [self._samples.listed[index].sample_id for index in self._matching(response_type, status, reason)]

    def _matching(self, response_type: str, status: str, reason: str) -> list[int]:
        return [
            index
            for index, one in enumerate(self._samples.listed)
            if response_type in (ALL, one.response_type)
            and status in (ALL, one.status)
            and (reason == ALL or reason in one.reasons)
        ]

    def _card(self, index: int) -> str:
        return self._draw(self._samples.read(index))

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """What a notebook shows: the widget where there is one, else the first samples."""
        has_widgets = find_spec("ipywidgets") is not None
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._still(has_widgets)}
        if has_widgets:
            live = self.widget()._repr_mimebundle_()
            bundle |= {kind: content for kind, content in live.items() if kind == WIDGET}
        return bundle

    def _still(self, has_widgets: bool) -> str:
        found = self._matching(*self._chosen)
        cards = "".join(map(self._card, found[:N_STILL]))
        hint = "Run this cell to leaf through them."
        if not has_widgets:
            hint = "To leaf through them: <code>pip install 'datagen[notebook]'</code>."
        shown = f"The first {N_STILL} of " * (len(found) > N_STILL)
        return f"<p>{shown}{_counted(len(found))}{_filters(*self._chosen)}. {hint}</p>{cards}"

    def widget(self) -> Any:
        """The widget by itself, an ``ipywidgets.VBox``, for those who want to place it."""
        import ipywidgets as widgets

        narrow = widgets.Layout(width="auto")
        menus = [
            widgets.Dropdown(options=options, value=chosen, description=name, layout=narrow)
            for name, options, chosen in zip(
                ("type", "status", "reason"), (self.types, self.statuses, self.reasons), self._chosen, strict=True
            )
        ]
        back, ahead = (widgets.Button(description=text, layout=narrow) for text in ("‹ previous", "next ›"))
        place = widgets.BoundedIntText(value=1, min=1, max=1, layout=widgets.Layout(width="6rem"))
        total, card = widgets.Label(), widgets.HTML()
        found: list[int] = []

        def turn(_: object = None) -> None:
            back.disabled, ahead.disabled = place.value <= 1, place.value >= len(found)
            card.value = self._card(found[place.value - 1]) if found else "<p>No sample passes these filters.</p>"

        def filter_anew(_: object = None) -> None:
            found[:] = self._matching(*(menu.value for menu in menus))
            total.value = f"of {len(found)}"
            place.max = max(1, len(found))
            if place.value == 1:
                turn()
            place.value = 1  # turns the page when it was another

        def step(by: int) -> Callable[[object], None]:
            def stepped(_: object) -> None:
                place.value += by  # the box keeps it within its bounds

            return stepped

        back.on_click(step(-1))
        ahead.on_click(step(1))
        place.observe(turn, "value")
        for menu in menus:
            menu.observe(filter_anew, "value")
        filter_anew()
        controls = widgets.HBox([*menus, back, place, total, ahead], layout=widgets.Layout(flex_flow="row wrap"))
        return widgets.VBox([controls, card])


def _choose(name: str, wanted: str | None, options: Iterable[str]) -> str:
    """Find a filter among what there is; of a reason its code alone will do."""
    if wanted is None:
        return ALL
    held = list(options)
    found = next((one for one in held if one == wanted or one.partition(": ")[2] == wanted), None)
    if found is None:
        raise SettingsError(f"No sample of this run has {name} '{wanted}'; there is {', '.join(held)}.")
    return found


def _filters(*chosen: str) -> str:
    told = ", ".join(escape(one) for one in chosen if one != ALL)
    return f" ({told})" if told else ""


def _counted(number: int) -> str:
    return f"{number} sample{'s' * (number != 1)}"
