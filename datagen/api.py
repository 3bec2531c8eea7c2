"""The Python interface: make a run, open a run, read its samples as a table, look at one in a notebook."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonlines
import msgspec

from datagen.config import Settings, load_settings
from datagen.corpus import Corpus, PictureChecker, load_corpus, picture_path
from datagen.engines.progress import Progress, Silence
from datagen.engines.starting import run_engine
from datagen.errors import CorpusError, RunError, SettingsError
from datagen.records import AnnotatedImage, Reply, Sample, Turn
from datagen.review import Reviewer, claims_from, told_since
from datagen.store import RunFolder, read_decisions, read_facts, write_whole
from datagen.summary import Tally
from datagen.view import sample_card

if TYPE_CHECKING:
    import pandas as pd


def run(config: Settings | Mapping[str, Any] | str | Path, out: str | Path, progress: Progress | None = None) -> Run:
    """Make or resume a run.

    Args:
        config: Settings, a mapping with the same nesting, or the path of a YAML file.
        out: The run folder.
        progress: Hears how far it is; silent by default.

    Raises:
        DatagenError: As one sentence, for anything that is not one record's failure.
    """
    if isinstance(config, str | Path):
        settings = load_settings(Path(config), {})
    elif isinstance(config, Settings):
        settings = config
    else:
        settings = load_settings(None, dict(config))
    run_engine(settings, Path(out), progress or Silence())
    made = open_run(out)
    made.write_report()
    made.send_results()
    return made


def demo_settings() -> Settings:
    """Settings of ``datagen demo``: the bundled corpus, all four response types, the embedded teacher and validator."""
    demo = Path(__file__).resolve().parent / "data" / "demo"
    corpus = {
        "captions": [str(demo / "annotations" / "captions_demo.json")],
        "instances": [str(demo / "annotations" / "instances_demo.json")],
        "images": str(demo / "images"),
    }
    types = ["conversation", "description", "reasoning", "negation"]
    return load_settings(None, {"corpus": corpus, "types": types, "validator": {"name": "nano"}})


def open_run(path: str | Path) -> Run:
    """Open a run folder for reading.

    Raises:
        RunError: It is not a run folder.
    """
    return Run(Path(path))


class Run:
    """A run folder, read.

    Args:
        path: The run folder.
    """

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        self.folder.require()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The content of ``run.yaml``."""
        try:
            manifest = msgspec.yaml.decode(self.folder.settings.read_bytes())
        except (msgspec.DecodeError, OSError) as error:
            raise RunError(f"{self.folder.settings}: cannot be read ({error}).") from None
        if not isinstance(manifest, dict) or not isinstance(manifest.get("settings"), dict):
            raise RunError(f"{self.folder.settings}: holds no settings; was it written by datagen?")
        return manifest

    @cached_property
    def settings(self) -> Settings:
        """The run's settings."""
        try:
            return load_settings(None, self.manifest["settings"])
        except SettingsError as error:
            raise RunError(f"{self.folder.settings}: {error}") from None

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``.

        Raises:
            RunError: The run is not finished.
        """
        self._require_finished()
        try:
            summary = msgspec.json.decode(self.folder.summary.read_bytes(), type=dict[str, Any])
            if summary.keys() < Tally().as_dict().keys():
                raise msgspec.ValidationError("tallies are missing")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            told = f"is damaged ({error}); start the run's command again to write it anew"
            raise RunError(f"{self.folder.summary}: {told}.") from None
        return summary

    def _require_finished(self) -> None:
        if not (self.folder.samples.is_file() and self.folder.summary.is_file()):
            raise RunError(f"{self.folder.path}: this run is not finished; start the same command again to finish it.")

    def iter_samples(self, reviewer: Reviewer | None = None) -> Iterator[Sample]:
        """Read the samples one by one, in corpus order, as people decided by hand.

        Args:
            reviewer: Of ``self.reviewer``, for one who wants its counts afterwards.

        Raises:
            RunError: The run is not finished, or a line is damaged.
        """
        return (reviewer or self.reviewer()).watch(self._stored_samples())

    def reviewer(self) -> Reviewer:
        """Lay over samples what was decided by hand so far."""
        return Reviewer(read_decisions(self.folder.decisions), self._read_claims)

    def _read_claims(self, image_id: str, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        categories = self._corpus.categories if self._corpus else ()
        return claims_from(self.images, categories, self.settings.checks)(image_id, turns)

    def _stored_samples(self) -> Iterator[Sample]:
        self._require_finished()
        decoder = msgspec.json.Decoder()
        with jsonlines.open(self.folder.samples, loads=decoder.decode) as lines:
            n_read = 0
            try:
                for line in lines:
                    yield msgspec.convert(line, Sample)
                    n_read += 1
            except (jsonlines.InvalidLineError, msgspec.ValidationError, UnicodeDecodeError) as error:
                told = f"line {n_read + 1} is damaged ({error}); start the run's command again to write it anew"
                raise RunError(f"{self.folder.samples}: {told}.") from None

    def samples(self) -> pd.DataFrame:
        """All samples as a table: one row each, turns and provenance as objects.

        Columns: sample_id, image_id, image, response_type, status, stage, reason, detail, review
        (what a person decided), n_turns, question, answer (of the first turn), turns, cuts, and each part of the
        provenance.
        """
        import pandas as pd

        rows = []
        for sample in self.iter_samples():
            plain = msgspec.to_builtins(sample)
            provenance = plain.pop("provenance")
            plain["review"] = plain["review"] and plain["review"]["verb"]
            first = plain["turns"][0] if plain["turns"] else {}
            opening = {key: first.get(key) for key in ("question", "answer")}
            rows.append({**plain, "n_turns": len(plain["turns"]), **opening, **provenance})
        return pd.DataFrame(rows)

    def sample(self, sample_id: str) -> Sample:
        """Find one sample.

        Raises:
            RunError: There is no such sample.
        """
        for sample in self.iter_samples():
            if sample.sample_id == sample_id:
                return sample
        raise RunError(f"{self.folder.path}: no sample '{sample_id}'; ids look like 1234-conversation.")

    def reply_to(self, sample: Sample) -> Reply | None:
        """The teacher's raw reply behind a sample."""
        found = None
        if not self.folder.replies.is_file():
            return None
        for _, reply in read_facts(self.folder.replies, Reply):
            if reply is not None and reply.request_digest == sample.provenance.request_digest:
                found = reply
        return found

    @cached_property
    def images(self) -> dict[str, AnnotatedImage]:
        """The corpus's annotated images by id; empty when its files are no longer there."""
        return {image.image_id: image for image in self._corpus.images} if self._corpus else {}

    @cached_property
    def _corpus(self) -> Corpus | None:
        try:
            return load_corpus(self.settings.corpus)
        except CorpusError:
            return None

    def send_results(self) -> str | None:
        """Copy the finished files to where the settings say.

        Returns:
            The URI; None where the settings name none.

        Raises:
            ExportError: Not all could be written.
        """
        uri = self.settings.results
        if uri is not None:
            from datagen.export.sending import send_results

            folder = self.folder
            files = [folder.settings, folder.samples, folder.dataset, folder.card, folder.report, folder.summary]
            send_results([path for path in files if path.is_file()], uri)
        return uri

    def write_report(self, out: str | Path | None = None) -> Path:
        """Write the run as one HTML page for a person to look at; it opens without network.

        Args:
            out: The file; None writes ``report.html`` into the run folder.

        Returns:
            Where it was written.

        Raises:
            RunError: The run is not finished, or the file cannot be written.
        """
        from datagen.view.report import Answered, render_report, time_teacher
        from datagen.view.report_examples import Examples

        summary, examples, reviewer = self.summary, Examples(), self.reviewer()
        for sample in self.iter_samples(reviewer):
            examples.add(sample)
        pictures = PictureChecker(self.settings.corpus)
        timing = None
        if self.settings.teacher.name != "template" and self.folder.replies.is_file():
            timing = time_teacher(reply for _, reply in read_facts(self.folder.replies, Answered) if reply)
        page = render_report(
            self.settings,
            self.manifest,
            summary,
            examples,
            self._images_of(examples.image_ids()),
            pictures.read,
            timing,
            told_since(summary.get("review"), reviewer.as_dict()),
        )
        path = self.folder.report if out is None else Path(out)
        with write_whole(path) as file:
            file.write(page.encode())
        return path

    def _images_of(self, image_ids: Collection[str]) -> dict[str, AnnotatedImage]:
        """Some of the corpus's images, so that the others need not stay in memory."""
        try:
            corpus = load_corpus(self.settings.corpus)
        except CorpusError:
            return {}
        return {image.image_id: image for image in corpus.images if image.image_id in image_ids}

    def show(self, sample_id: str) -> SampleView:
        """Show one sample in a notebook: picture with boxes, conversation, fate."""
        return SampleView(self, self.sample(sample_id))


class SampleView:
    """One sample as a notebook shows it."""

    def __init__(self, run: Run, sample: Sample) -> None:
        self.run = run
        self.sample = sample

    def __repr__(self) -> str:
        turns = "".join(f"\nQ: {turn.question}\nA: {turn.answer}" for turn in self.sample.turns)
        return f"{self.sample.sample_id}: {self.sample.status} {self.sample.reason or ''}".rstrip() + turns

    def _repr_html_(self) -> str:
        return sample_card(self.sample, self.run.images.get(self.sample.image_id), self._picture_url())

    def _picture_url(self) -> str | None:
        folder = self.run.settings.corpus.images
        path = picture_path(Path(folder), self.sample.image) if folder else None
        if path is None or not path.is_file():
            return None
        kind = "png" if path.suffix.lower() == ".png" else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
