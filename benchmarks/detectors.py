"""What a detector tells of planted errors before photographs, and of wrong numbers by how far they are off.

    python benchmarks/detectors.py --captions FILE --instances FILE --images FOLDER --validator d-fine-x
    python benchmarks/detectors.py --captions FILE --instances FILE --images FOLDER --boxes FILE

``--validator`` takes what ``datagen run --validator`` takes. ``--boxes`` takes the scored boxes of any other detector
in COCO's form of results (``image_id``, ``category_id``, ``bbox``, ``score``), with all boxes of a hundredth and more.

Has the embedded teacher write a conversation about every image, and tries the detector by the run's own calibration.
Prints, per kind of error: how many were planted, the AUROC with its 95 % interval over images, that on a grey picture,
the share found by the run's threshold and at 5 % false flags, and whether the kind is judged. Then the same share for
numbers that are off by one, by two, by half and by twice, told by what was learned of those off by one; and how often
the detector counts right.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image
from planted import CORPUS, settings_for

import datagen
from datagen.claims.kinds.count import MAX_ASKED, WRONG_COUNT
from datagen.corpus import load_corpus
from datagen.records import Score, Turn
from datagen.validator import calibration
from datagen.validator.calibration import Calibrator, Measured, Tried, fold_of, resampled_images
from datagen.validator.measures import columns_of, inquire, read_findings
from datagen.validator.models.detector import DetectorValidator
from datagen.validator.protocol import Abilities, Look
from datagen.validator.sightings import KINDS_SEEN, Sightings, sort_sightings

Array = NDArray[np.float64]
Numbers = Callable[[int], int]

SIZES: dict[str, Numbers] = {
    "one more": lambda n: n + 1,
    "one fewer": lambda n: n - 1,
    "two more": lambda n: n + 2,
    "two fewer": lambda n: n - 2,
    "twice": lambda n: 2 * n,
    "half": lambda n: (n + 1) // 2,
}
ABILITIES = Abilities(texts=False, blanks=False, probes=KINDS_SEEN, misses_some=True)


class StoredBoxes(DetectorValidator):
    """A detector whose boxes come from a file."""

    def __init__(self, boxes: Path, instances: Path) -> None:
        told = json.loads(instances.read_bytes())
        names = {one["id"]: one["name"] for one in told["categories"]}
        sizes = {one["id"]: (one["file_name"], one["width"], one["height"]) for one in told["images"]}
        self.identity = f"boxes {hashlib.sha256(boxes.read_bytes()).hexdigest()[:16]}"
        self.abilities = replace(ABILITIES, categories=frozenset(names.values()))
        self.n_readers = 0
        self.detector = self  # type: ignore[assignment]  # it looks by itself
        self._shown = ""
        self._found: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
        for one in json.loads(boxes.read_bytes()):
            if one["image_id"] in sizes and one["category_id"] in names:
                file, width, height = sizes[one["image_id"]]
                x, y, w, h = one["bbox"]
                box = [x / width, y / height, (x + w) / width, (y + h) / height, one["score"]]
                self._found[file, names[one["category_id"]]].append(box)

    def _answer(self, looks: Sequence[Look], picture: Image.Image) -> Iterator[object]:  # type: ignore[override]
        self._shown = looks[0].picture
        return super()._answer(looks, picture)

    def look(self, picture: Image.Image, names: Sequence[str]) -> dict[str, Sightings]:
        """What the file has of the picture that is shown; of a grey one nothing."""
        tables = {name: np.array(self._found.get((self._shown, name), [])).reshape(-1, 5) for name in names}
        return {name: sort_sightings(table[:, :4], table[:, 4]) for name, table in tables.items()}


class Shares:
    """Shares of turns with their 95 % intervals over images."""

    def __init__(self, images: Sequence[str]) -> None:
        self._draws, self._at = resampled_images(images)

    def tell(self, is_so: NDArray[np.bool_], weights: Array | None = None) -> str:
        """The share of turns that are so, in per cent."""
        each = np.ones(len(is_so)) if weights is None else weights
        n = self._draws.shape[1]
        with np.errstate(invalid="ignore"):
            shares = (self._draws @ np.bincount(self._at, each * is_so, n)) / (
                self._draws @ np.bincount(self._at, each, n)
            )
        return f"{100 * shares[0]:.0f} % ({_interval(100 * shares, '.0f')})"


def _interval(drawn: Array, form: str) -> str:
    low, high = np.nanquantile(drawn[1:], (0.025, 0.975))
    return f"{low:{form}} to {high:{form}}"


def _images(turns: Sequence[Measured]) -> list[str]:
    return [one.image_id for one in turns]


def tell_kinds(calibrator: Calibrator, measured: Sequence[Measured]) -> None:
    """Print what is told of each kind of error."""
    every = [one for one in measured if one.planted is None and one.is_clean]
    flagged = Shares(_images(every)).tell(calibrator.is_doubtful(every))
    print(f"sound turns {len(every)}, doubted {flagged}; turns thought wrong {calibrator.calibration.share_wrong}")
    print(f"{'planted':16}{'n':>6}  {'AUROC':24}{'grey':6}{'found':20}{'at 5 % false flags':20}judged")
    for kind, report in calibrator.calibration.kinds.items():
        clean = [one for one in every if kind in one.spoilt and kind in one.suffers]
        wrong = [one for one in measured if one.planted == kind]
        if report.auroc is None:
            continue
        fitted = calibration._Kind(clean, wrong, columns_of(one.measures for one in measured))
        draws, at = resampled_images(_images([*clean, *wrong]))
        aurocs = calibration._aurocs(fitted, at[: len(clean)], at[len(clean) :], draws)
        shares = Shares(_images(wrong))
        at_five = shares.tell(fitted.wrong > np.quantile(fitted.clean, 0.95), fitted.weights)
        found = shares.tell(calibrator.is_doubtful(wrong))
        auroc = f"{aurocs[0]:.3f} ({_interval(aurocs, '.3f')})"
        print(f"{kind:16}{len(wrong):6}  {auroc:24}{report.auroc_grey:<6.2f}{found:20}{at_five:20}{report.judged}")


def tell_sizes(
    calibrator: Calibrator, tried: Sequence[Tried], turns: dict[tuple[str, str, str], Turn], out: Path
) -> None:
    """Print how many wrong numbers are found by how far they are off, of what is said of a single number."""
    measured = [one.measured for one in tried]
    columns = columns_of(one.measures for one in measured)
    clean = [one for one in tried if one.measured.is_clean and WRONG_COUNT.name in one.measured.spoilt]
    wrong = [one.measured for one in tried if one.measured.planted == WRONG_COUNT.name]
    if not clean or not wrong:
        return
    fitted = calibration._Kind([one.measured for one in clean], wrong, columns)
    threshold = np.quantile(fitted.clean, 0.95)
    lines = (out / "scores.jsonl").read_bytes().splitlines()
    scores = {score.key: score for score in (msgspec.json.decode(line, type=Score) for line in lines)}  # type: ignore[arg-type]
    print(f"\n{'number':16}{'n':>6}  {'found':20}at 5 % false flags")
    for size, change in SIZES.items():
        changed = [
            one
            for of in clean
            if (turn := turns.get((of.sample_id, of.question, of.answer))) is not None
            and (one := _misstated(of, turn, change, calibrator.calibration.validator, scores)) is not None
        ]
        if changed:
            folds = np.array([fold_of(one.image_id) for one in changed])
            rows, doubts = calibration._rows([one.measures for one in changed], columns), np.zeros(len(changed))
            for fold in set(folds.tolist()):
                doubts[folds == fold] = fitted.doubts(rows[folds == fold], fold)
            shares = Shares(_images(changed))
            found, at_five = shares.tell(calibrator.is_doubtful(changed)), shares.tell(doubts > threshold)
            print(f"{size:16}{len(changed):6}  {found:20}{at_five}")
    _tell_right(clean)


def _misstated(of: Tried, turn: Turn, change: Numbers, identity: str, scores: dict[str, Score]) -> Measured | None:
    """A sound turn as it would be measured if it said another number; None where it says no single one."""
    exact = [n for n, claim in enumerate(turn.claims) if claim.kind == "count" and claim.comparison == "exact"]
    number = turn.claims[exact[0]].number if len(exact) == 1 else None
    if number is None or not 2 <= number < MAX_ASKED:
        return None
    wrong = change(number)
    if wrong == number or not 2 <= wrong <= MAX_ASKED:
        return None
    claims = list(turn.claims)
    claims[exact[0]] = replace(claims[exact[0]], number=wrong)
    inquiry = inquire(replace(turn, claims=tuple(claims)), ABILITIES)
    found = read_findings(inquiry, identity, of.picture, scores.get)
    return None if found is None else replace(of.measured, measures=found.measures, is_clean=False, spoilt=())


def _tell_right(clean: Sequence[Tried]) -> None:
    """Print how often as many are seen as are said."""
    every: dict[int, list[Measured]] = defaultdict(list)
    for one in clean:
        if "number_said" in one.measured.measures:
            every[int(one.measured.measures["number_said"])].append(one.measured)
    for number in sorted(every)[:5]:
        seen = np.array([one.measures["number_seen"] for one in every[number]])
        right = Shares(_images(every[number])).tell(np.rint(seen) == number)
        print(f"of {number} things {number} are seen, in the mean of all cuts: {right} of {len(seen)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--validator")
    asked.add_argument("--boxes", type=Path)
    parser.add_argument("--calibration-images", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="keep the run in this folder")
    for name in CORPUS:
        parser.add_argument(f"--{name}", required=True, help="of a corpus in COCO's form")
    options = parser.parse_args()
    corpus = {name: getattr(options, name) for name in CORPUS}
    stored = None if options.boxes is None else StoredBoxes(options.boxes, Path(options.instances))
    with tempfile.TemporaryDirectory() as folder:
        plain, out = Path(folder) / "plain", options.keep or Path(folder) / "run"
        written = datagen.run(settings_for(corpus, "none", 0.05), plain, progress=False)
        turns = {
            (one.sample_id, turn.question, turn.answer): turn for one in written.iter_samples() for turn in one.turns
        }
        settings = settings_for(corpus, options.validator or "none", 0.05)
        settings = replace(
            settings, validator=replace(settings.validator, calibration_images=options.calibration_images)
        )
        datagen.run(settings, out, validator=stored, progress=False)
        tried = [
            msgspec.json.decode(line, type=Tried) for line in (out / "calibration.jsonl").read_bytes().splitlines()
        ]
        found = datagen.open_run(out).summary.calibration
        assert found is not None
        calibrator = Calibrator(found.validator, [one.measured for one in tried], found.alpha)
        print(f"{len(load_corpus(settings.corpus).images)} images, {options.calibration_images} at most tried")
        tell_kinds(calibrator, [one.measured for one in tried])
        tell_sizes(calibrator, tried, turns, out)


if __name__ == "__main__":
    main()
