"""The Python interface: make a run, open a run, read its samples as a table, look at one in a notebook."""

from __future__ import annotations

import difflib
import functools
import inspect
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import jsonlines
import msgspec

from datagen.checks import Check
from datagen.companions import NO_COMPANIONS, count_companions
from datagen.config import Settings, dump_settings, load_settings, settings_of_run, settings_table
from datagen.corpus import Corpus, PictureChecker, Source, corpus_if_there, load_corpus
from datagen.engines.extra_samples import read_extras
from datagen.engines.local import Outcome, Workplace, run_local
from datagen.engines.plugs import NO_PLUGS, Plugs, listed, require_folder_names, require_form, settings_of
from datagen.engines.progress import Progress, Silence
from datagen.errors import RunError, SettingsError
from datagen.pipeline import plan_samples
from datagen.recipes import Recipe, load_recipes, needs_absent
from datagen.records import AnnotatedImage, Message, Reply, Request, Sample, Turn
from datagen.review import Reviewer, claims_from, told_since
from datagen.settings_table import told_in_python
from datagen.store import RunFolder, read_decisions, read_facts, write_whole
from datagen.store.folder import translated_errors
from datagen.store.shards import read_record
from datagen.summary import Summary
from datagen.tables import RunTables
from datagen.teacher import Teacher
from datagen.teacher.function import Answer
from datagen.validator import Validator
from datagen.view.notebook import Browser, Cards, SampleListing, SampleView, run_card
from datagen.view.progress_line import progress_here
from datagen.wishes import WANTED
from datagen.yaml_text import decode_yaml

if TYPE_CHECKING:
    from datagen.export import Exported, Form

Params = ParamSpec("Params")
Given = TypeVar("Given")


def _naming_settings(function: Callable[Params, Given]) -> Callable[Params, Given]:
    """Have a function say of a keyword that it does not know which argument or setting was meant."""
    known = [name for name, one in inspect.signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY]

    @functools.wraps(function)
    def called(*args: Params.args, **kwargs: Params.kwargs) -> Given:
        unknown = next((name for name in kwargs if name not in inspect.signature(function).parameters), None)
        if unknown is not None:
            near = difflib.get_close_matches(unknown, known, n=1)
            told = f"did you mean {near[0]}?" if near else settings_table().meant_by(unknown)
            raise SettingsError(
                f"{function.__name__}: there is no argument '{unknown}'; {told} Settings stand in the first argument, "
                "as a mapping or a file; arguments are " + ", ".join(known) + "."
            )
        return function(*args, **kwargs)

    return called


@told_in_python
@_naming_settings
def run(
    config: Settings | Mapping[str, Any] | str | Path,
    out: str | Path,
    *,
    teacher: Teacher | Callable[[Request], Answer] | None = None,
    validator: Validator | None = None,
    source: Source | None = None,
    checks: Iterable[Check] = (),
    writers: Mapping[str, Form] | None = None,
    progress: Progress | bool | None = None,
    change: bool = False,
    shard: str | None = None,
) -> Run:
    """Make or resume a run.

    What ends it before its time says how to go on: a second call with the same arguments, or ``datagen resume``.

    Args:
        config: Settings, a mapping with the same nesting, or the path of a YAML file.
        out: The run folder.
        teacher: Writes the replies in place of the teacher that the settings name: a ``Teacher``, or a function (a
            coroutine function too) from a ``Request`` to the text of its reply. What the function raises costs its
            own request; ``TeacherError`` stops the run.
        validator: Looks at the pixels in place of the one that the settings name.
        source: Gives the annotated images in place of the files that the settings name.
        checks: Functions from a ``Turn`` and its ``AnnotatedImage`` to what is wrong in one sentence, or None; a
            conversation is cut before the first turn that one objects to, with the check's name as the reason.
        writers: Export forms of your own by name (see ``Writer``), each written to ``out/exports/NAME`` at the end.
        progress: Hears how far it is; by default a bar at a terminal, a line in a notebook, nothing elsewhere. True or
            False has the bar or leaves it out.
        change: Let settings rewrite or shrink what the folder holds, which is refused otherwise.
        shard: Make this share of the run alone, such as ``"3/16"``, in a folder of its own inside ``out``; gives that.
            When all are made, ``merge`` puts them together.

    Raises:
        DatagenError: As one sentence, for anything that is not one record's failure.
        KeyboardInterrupt: With a sentence that says how to go on.
    """
    plugs = Plugs(teacher, validator, source, listed(checks), writers or {})
    if shard is not None:
        from datagen.engines.run_shards import run_shard
        from datagen.store.shards import Shard

        which, settings = Shard.parse(shard), _settings_of(config, plugs)
        run_shard(settings, which, Path(out), _heard_by(progress), may_change=change, plugs=plugs)
        return open_run(which.folder_in(Path(out)).path)
    outcome = run_engine(_settings_of(config, plugs), Path(out), _heard_by(progress), may_change=change, plugs=plugs)
    made = open_run(out)
    if not outcome.is_unchanged or not made.has_report:
        made.write_report()
    made.write_exports(plugs.writers)
    made.send_results()
    return made


@told_in_python
@_naming_settings
def merge(
    out: str | Path,
    config: Mapping[str, Any] | None = None,
    *,
    source: Source | None = None,
    progress: Progress | bool | None = None,
) -> Run:
    """Make the finished run of its shards, as ``datagen merge`` does.

    Args:
        out: The run folder, which holds them all.
        config: Settings to say again, as a mapping: what could send a key or write elsewhere.
        source: The source in Python that the shards were made with, if they were.
        progress: As of ``run``.

    Raises:
        DatagenError: As one sentence; ``RunError`` when a shard is missing or of another run.
    """
    from datagen.engines.run_shards import merge_shards
    from datagen.store.shards import shard_folders

    folders = shard_folders(Path(out))
    if not folders:
        raise RunError(f"{out}: holds no shards; make them with datagen.run(..., shard='K/N').")
    settings = settings_of_run(open_run(folders[0].path).settings, config or {}, folders[0].settings, is_merge=True)
    merge_shards(settings, folders, Path(out), _heard_by(progress), plugs=Plugs(source=source))
    made = open_run(out)
    made.write_report()
    made.send_results()
    return made


def _heard_by(progress: Progress | bool | None) -> Progress:
    if progress is None:
        return progress_here()
    if isinstance(progress, bool):
        from datagen.view.progress_bar import BarProgress

        return BarProgress() if progress else Silence()
    return progress


def run_engine(
    settings: Settings,
    out: Path,
    progress: Progress,
    *,
    may_ask: bool = True,
    may_change: bool = False,
    plugs: Plugs = NO_PLUGS,
) -> Outcome:
    """Make or finish a run with the engine that the settings name; see ``run_local``.

    Raises:
        DatagenError: Any failure that is not one record's, as one sentence.
    """
    if settings.results is not None:
        from datagen.export.copy_results import require_writable

        require_writable(settings.results)
    place: AbstractContextManager[Workplace | None] = nullcontext()
    if settings.engine == "ray":
        from datagen.engines.ray.cluster import require_ray

        require_ray()
        from datagen.engines.ray.engine import at_cluster

        place = at_cluster(settings.ray)
    with place as lent:
        return run_local(settings, out, progress, lent, may_ask=may_ask, may_change=may_change, plugs=plugs)


@told_in_python
@_naming_settings
def preview(
    config: Settings | Mapping[str, Any] | str | Path,
    response_type: str | None = None,
    image_id: str | None = None,
    *,
    source: Source | None = None,
) -> tuple[Message, ...]:
    """What a teacher would be told about one image, word for word; nothing is sent or written.

    Args:
        config: As of ``run``.
        response_type: One of the run's types; None takes the first.
        image_id: One of the corpus; None takes the first of which something can be told.
        source: As of ``run``.

    Raises:
        DatagenError: As one sentence; ``RunError`` when there is no such image or type, or nothing to tell.
    """
    settings = _settings_of(config, Plugs(source=source))
    recipes = {recipe.name: recipe for recipe in load_recipes(settings)}
    name = response_type or settings.types[0]
    if name not in recipes:
        raise RunError(f"No response type '{name}' in these settings; there is {', '.join(recipes)}.")
    corpus = load_corpus(settings.corpus, source)
    images = corpus.images
    chosen = [image for image in images if image_id in (None, image.image_id)]
    if not chosen:
        raise RunError(f"No image '{image_id}' in this corpus; ids look like {images[0].image_id}.")
    companions = count_companions(corpus.whole) if needs_absent((recipes[name],), settings) else NO_COMPANIONS
    for planned in plan_samples(chosen, (recipes[name],), settings, lambda image: None, corpus.categories, companions):
        if planned.request is not None:
            return planned.request.messages
    raise RunError(f"Nothing is annotated that a teacher could be told about {'it' if image_id else 'any image'}.")


def _settings_of(config: Settings | Mapping[str, Any] | str | Path, plugs: Plugs) -> Settings:
    plugged = settings_of(plugs)
    if isinstance(config, str | Path):
        return load_settings(Path(config), plugged)
    return load_settings(None, {**(dump_settings(config) if isinstance(config, Settings) else config), **plugged})


def demo_settings() -> Settings:
    """Settings of ``datagen demo``: the bundled corpus, all four response types, the embedded teacher and validator."""
    demo = Path(__file__).resolve().parent / "data" / "demo"
    corpus = {
        "captions": [str(demo / "annotations" / "captions_demo.json")],
        "instances": [str(demo / "annotations" / "instances_demo.json")],
        "images": str(demo / "images"),
    }
    types = ["conversation", "description", "reasoning", "negation"]
    teacher = {"planted_errors": 0.2}  # one that is never wrong would leave only false alarms to look at
    return load_settings(None, {"corpus": corpus, "types": types, "teacher": teacher, "validator": {"name": "nano"}})


def open_run(path: str | Path) -> Run:
    """Open a run folder for reading.

    Raises:
        RunError: It is not a run folder.
    """
    return Run(RunFolder.named_by(Path(path)))


class Run(RunTables):
    """A run folder, read.

    Args:
        path: The run folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = RunFolder(Path(path))
        self.folder.require()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The content of ``run.yaml``."""
        try:
            manifest = decode_yaml(self.folder.settings.read_bytes())
        except (msgspec.DecodeError, OSError, UnicodeDecodeError, RecursionError) as error:
            told = " ".join(str(error).split())
            raise RunError(
                f"{self.folder.settings}: cannot be read ({told}); put it back from a copy, or start the command that "
                "made the run again, which writes it anew and asks for nothing that is stored."
            ) from None
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
    def summary(self) -> Summary:
        """The content of ``summary.json``.

        Raises:
            RunError: The run is not finished.
        """
        self._require_finished()
        try:
            return msgspec.json.decode(self.folder.summary.read_bytes(), type=Summary)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            told = f"is damaged ({error}); start the run's command again to write it anew"
            raise RunError(f"{self.folder.summary}: {told}.") from None

    def _require_finished(self) -> None:
        if not (self.folder.samples.is_file() and self.folder.summary.is_file()):
            raise RunError(
                f"{self.folder.path}: this run is not finished; 'datagen resume {self.folder.path}' goes on."
            )

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
        return claims_from(self.images, self._corpus.categories, self.settings)(image_id, turns)

    def _stored_samples(self) -> Iterator[Sample]:
        self._require_finished()
        decoder = msgspec.json.Decoder(Sample)
        with jsonlines.open(self.folder.samples, loads=decoder.decode) as lines:
            n_read = 0
            try:
                for sample in lines:
                    yield sample
                    n_read += 1
            except (jsonlines.InvalidLineError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                told = f"line {n_read + 1} is damaged ({error}); start the run's command again to write it anew"
                raise RunError(f"{self.folder.samples}: {told}.") from None

    @told_in_python
    def validate(
        self,
        validator: str | Validator | None = None,
        progress: Progress | bool | None = None,
        *,
        source: Source | None = None,
        checks: Iterable[Check] = (),
        **settings: object,
    ) -> Run:
        """Judge the run again with another validator or threshold, as ``datagen validate`` does.

        Nothing is asked of the teacher, and no score is computed twice.

        Args:
            validator: Its name, or a validator of your own; None keeps the run's.
            progress: As of ``run``.
            source: The source in Python that the run was made with, if it was; likewise ``checks``.
            checks: The checks in Python.
            **settings: Settings of a validator by name, such as ``alpha=0.02`` or ``device="cuda"``.

        Returns:
            The run as it is now.

        Raises:
            DatagenError: As one sentence.
        """
        if isinstance(validator, str):
            settings["name"], validator = validator, None
        plugs = Plugs(validator=validator, source=source, checks=listed(checks))
        overrides = {f"validator.{name}": value for name, value in settings.items()}
        new = settings_of_run(self.settings, {**overrides, **settings_of(plugs)}, self.folder.settings, asks=False)
        if new.validator.name == "none":
            raise SettingsError(f"{self.folder.path}: this run has no validator yet; name one.")
        run_engine(new, self.folder.path, _heard_by(progress), may_ask=False, plugs=plugs)
        judged = open_run(self.folder.path)
        judged.write_report()
        judged.send_results()
        return judged

    def sample(self, sample_id: str) -> Sample:
        """Find one sample.

        Raises:
            RunError: There is no such sample, or it may be one that cannot be read.
        """
        self._require_finished()
        lines = read_facts(self.folder.samples, Sample, holding=msgspec.json.encode(sample_id))
        found = (sample for _, sample in lines if sample is not None and sample.sample_id == sample_id)
        for sample in self.reviewer().watch(found):
            return sample
        n_whole = sum(one is not None for _, one in read_facts(self.folder.samples, Sample))
        if n_whole < self.summary.samples:
            told = f"of {self.summary.samples} samples {n_whole} can be read, and '{sample_id}' is none of them"
            anew = f"the file is damaged, and 'datagen resume {self.folder.path}' writes it anew"
            raise RunError(f"{self.folder.samples}: {told}; {anew}.")
        raise RunError(f"{self.folder.path}: no sample '{sample_id}'; ids look like 1234-conversation.")

    def reply_to(self, sample: Sample) -> Reply | None:
        """The teacher's raw reply behind a sample."""
        found = None
        if not self.folder.replies.is_file():
            return None
        digest = sample.provenance.request_digest
        for _, reply in read_facts(self.folder.replies, Reply, holding=digest.encode()):
            if reply is not None and reply.request_digest == digest:
                found = reply
        return found

    @cached_property
    def images(self) -> Mapping[str, AnnotatedImage]:
        """The corpus's annotated images by id; empty when its files are no longer there, or a program gave them."""
        return self._corpus.by_id

    @cached_property
    def _corpus(self) -> Corpus:
        return corpus_if_there(self.settings.corpus)

    def context_of(self, image: AnnotatedImage, recipe: Recipe, sample_id: str | None = None) -> str:
        """What the teacher is told of an image under a recipe, worked examples aside; empty where there is nothing.

        Args:
            image: Of the run.
            recipe: Of the response type.
            sample_id: Which sample, where the type asks more than once about the image; None for the first.
        """
        corpus, extras = self._corpus, read_extras(self.folder, (recipe,))
        companions = count_companions(corpus.whole) if needs_absent((recipe,), self.settings) else NO_COMPANIONS
        made = plan_samples(
            (image,), (recipe,), self.settings, lambda image: None, corpus.categories, companions, extras
        )
        request = next((one.request for one in made if sample_id in (None, one.sample_id)), None)
        if request is None:
            return ""
        told = request.messages[-1].content
        if self.settings.teacher.name == "template":  # it follows no wish
            return told.rpartition(f"\n\n{WANTED}")[0] or told
        return told

    def send_results(self) -> str | None:
        """Copy the finished files to where the settings say.

        Returns:
            The URI; None where the settings name none.

        Raises:
            ExportError: Not all could be written.
        """
        uri = self.settings.results
        if uri is not None:
            from datagen.export.copy_results import send_results

            folder = self.folder
            files = [folder.settings, folder.samples, folder.dataset, folder.card, folder.report, folder.summary]
            send_results([path for path in files if path.is_file()], uri)
        return uri

    @property
    def has_report(self) -> bool:
        """Whether ``report.html`` was written since the run was finished."""
        report, summary = self.folder.report, self.folder.summary
        return report.is_file() and summary.is_file() and report.stat().st_mtime_ns >= summary.stat().st_mtime_ns

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
        from datagen.view.sample_card import Examples

        summary, examples, reviewer = self.summary, Examples(), self.reviewer()
        for sample in self.iter_samples(reviewer):
            examples.add(sample)
        pictures = PictureChecker(self.settings.corpus, may_fetch=False)
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
            told_since(summary.review, reviewer.report()),
        )
        path = self.folder.report if out is None else Path(out)
        with translated_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as file:
            file.write(page.encode())
        return path

    def _images_of(self, image_ids: Collection[str]) -> dict[str, AnnotatedImage]:
        """Some of the corpus's images, so that the others need not stay in memory."""
        images = corpus_if_there(self.settings.corpus).by_id
        return {image_id: images[image_id] for image_id in image_ids if image_id in images}

    @told_in_python
    def export(
        self,
        form: str | Form,
        out: str | Path,
        *,
        writers: Mapping[str, Form] | None = None,
        validation_share: float = 0.0,
        licences: Iterable[str] = (),
        pictures: str | None = None,
        shard_mb: int = 512,
        images: str | Path | None = None,
        reviewer: Reviewer | None = None,
        planted_share: float | None = None,
        coordinates: str = "shares",
    ) -> Exported:
        """Write the accepted samples in the form a trainer reads, as ``datagen export`` does.

        Args:
            form: A name of ``datagen.export.FORMS`` or of ``writers``, or a ``Writer`` of your own: its class.
            out: Folder to write; of a form that is one file, such as ``claims``, that file.
            writers: Forms of your own by name.
            validation_share: Share of images held out as a split of their own, 0 to 0.99.
            licences: Only images under one of them, such as ``["cc-by"]``; empty takes all.
            pictures: ``copy``, ``link`` or ``leave``, of forms whose files hold no pixels; None leaves them.
            shard_mb: Size in megabytes of a file of a form that is cut into shards.
            images: Folder of the pictures, if not where the run found them.
            reviewer: Of ``self.reviewer``, for one who wants its counts afterwards.
            planted_share: Of ``preference``: share of the turns that annotations bear out which get a pair with a
                planted error, 0 to 1; by default a quarter.
            coordinates: How boxes in texts are written, by the family of models that is trained, such as ``qwen3-vl``;
                see ``datagen.export.COORDINATES``.

        Returns:
            How many rows each split has, and which samples were left out and why.

        Raises:
            SettingsError: The form is unknown or cannot do what is asked.
            ExportError: Nothing is left to write, or ``out`` holds something else.
            RunError: The run is not finished.
        """
        from datagen.engines.export_run import Order, export_run

        self._require_finished()
        reviewer = reviewer or self.reviewer()
        name = form if isinstance(form, str) else getattr(form, "__name__", type(form).__name__)
        own = {**(writers or {}), **({} if isinstance(form, str) else {name: form})}
        for called, one in own.items():
            require_form(called, one)
        order = Order(
            form=name,
            validation_share=validation_share,
            licences=(licences,) if isinstance(licences, str) else tuple(licences),
            pictures=pictures,
            shard_mb=shard_mb,
            images=None if images is None else Path(images),
            planted_share=planted_share,
            coordinates=coordinates,
        )
        samples = self.iter_samples(reviewer)
        card = self.folder.card.read_text("utf-8", "replace") if self.folder.card.is_file() else ""
        return export_run(samples, Path(out), order, self.settings, reviewer.digest, own, lambda: self._corpus, card)

    def write_exports(self, writers: Mapping[str, Form]) -> None:
        """Write forms of the user's own into the run folder, in place of what an earlier start wrote there.

        Args:
            writers: By the names that their folders under ``exports`` get.

        Raises:
            SettingsError: A name is no folder's name.
            ExportError: A folder of that name holds something else.
        """
        require_folder_names(writers)
        for name in writers if self.summary.accepted else ():
            out = self.folder.exports / name
            if (out / "manifest.json").is_file():
                shutil.rmtree(out)
            out.parent.mkdir(exist_ok=True)
            self.export(name, out, writers=writers)

    def __repr__(self) -> str:
        return f"<Run {self.folder.path}: {self._state()[0]}>"

    def _repr_html_(self) -> str:
        state, step = self._state()
        teacher = self.settings.teacher.name
        return run_card(str(self.folder.path), [("teacher", teacher), ("state", state), ("next", step)])

    def _state(self) -> tuple[str, str]:
        """How far it is, and what one does next."""
        path = self.folder.path
        shard = self.manifest.get("shard")
        if shard is not None:
            record = read_record(self.folder)
            if record is None:
                return f"shard {shard}, not finished", f"datagen resume {path}"
            far = f"shard {shard}, {record.n_candidates} of {record.n_samples} samples are candidates"
            return far, f"datagen.merge('{path.parents[1]}'), when all are made"
        if not self.folder.summary.is_file():
            return "not finished", f"datagen resume {path}"
        try:
            told = self.summary
        except RunError:
            return "its summary is damaged", f"datagen resume {path}"
        return (
            f"{told.accepted} of {told.samples} samples accepted, {told.turns} turns",
            "run.browse() leafs through it, run.samples() is its table, run.export(...) writes it for a trainer",
        )

    def show(self, sample_id: str) -> SampleView:
        """Show one sample in a notebook: picture with boxes, conversation, fate."""
        return SampleView(self.sample(sample_id), self._cards.draw)

    def browse(self, response_type: str | None = None, status: str | None = None, reason: str | None = None) -> Browser:
        """Leaf through the samples in a notebook, filtered by type, status and reason.

        Args:
            response_type: Filter to begin with; None begins with all, as of the others.
            status: ``accepted`` or ``rejected``.
            reason: Why samples fell or lost turns, such as ``doubtful_answer``.

        Raises:
            SettingsError: No sample has this type, status or reason.
            RunError: The run is not finished.
        """
        self._require_finished()
        decided = frozenset(read_decisions(self.folder.decisions))
        samples = SampleListing(self.folder.samples, decided, lambda sample: next(self.reviewer().watch([sample])))
        return Browser(samples, self._cards.draw, response_type, status, reason)

    @cached_property
    def _cards(self) -> Cards:
        return Cards(self.settings.corpus, lambda: self.images)
