"""A run as pandas DataFrames: one row a sample, a turn, a claim, or a turn of the calibration set."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from datagen.errors import RunError
from datagen.languages import n_words
from datagen.records import Claim, Sample
from datagen.store import RunFolder, read_facts
from datagen.summary import Calibration, Summary
from datagen.turn_fates import FatedTurn, fated_turns
from datagen.validator.calibration import Calibrator, Measured, Tried
from datagen.validator.planting import ERROR_KINDS

if TYPE_CHECKING:
    import pandas as pd

SOUND, UNKNOWN = "sound", "not known"
"""What the calibration calls the run's own turns before their own picture: borne out by the annotations, or not."""
_CLAIM_FIELDS = tuple(field for field in Claim.__struct_fields__ if field not in ("start", "end"))


class RunTables(ABC):
    """What a run can be asked as a table; the base of ``datagen.Run``."""

    folder: RunFolder

    @property
    @abstractmethod
    def summary(self) -> Summary:
        """The content of ``summary.json``."""

    @abstractmethod
    def iter_samples(self) -> Iterator[Sample]:
        """Read the samples one by one, in corpus order."""

    def samples(self) -> pd.DataFrame:
        """All samples as a table: one row each, turns and provenance as objects.

        Columns: sample_id, image_id, image, response_type, status, stage, reason, detail, review (what a person
        decided), n_turns, n_cut (turns cut off), question, answer (of the first turn), turns, cuts, over_first_turn
        (it fell because its first turn did), and each part of the provenance.
        """
        return _samples_table(self.iter_samples())

    def turns(self) -> pd.DataFrame:
        """Every turn that the teacher wrote as a row: its fate, its claims by verdict, and what the validator found.

        Columns: sample_id, image_id, image, response_type, status (the sample's), turn (from 1, as they were written),
        fate (``kept``, ``cut`` or ``rejected``), stage, reason and cause of the loss (``itself``, ``an earlier turn``
        or ``the sample``), question, answer, answer_before (as the teacher wrote it first, where it was repaired),
        n_words, n_claims, n_supported, n_contradicted, n_unknown (by the annotations), verdict (``supported``, ``not
        doubted``, ``doubtful``, ``not judged``, None without a validator), p_value (share of correct turns that look
        as wrong), worst (the likeliest kind of error), ``doubt_KIND`` (its probability, 0 to 1), and
        ``score_NAME`` (the raw measures, log-probabilities in nats).

        The dataset is ``turns[turns.fate == "kept"]``. In runs of older versions what was cut is not among them.
        """
        return _turns_table(self.iter_samples())

    def claims(self) -> pd.DataFrame:
        """Every claim as a row: its words, what the annotations say to it, and what the validator says.

        Columns: sample_id, image_id, image, response_type, status, turn, fate, stage, reason, cause (see ``turns``),
        text (the words that claim), kind, category, verdict and evidence (by captions and boxes), number, comparison,
        place, relation, others, in_question, value (what it says where no column before fits), asked (the question put
        to the validator; of several, the one it doubts most), chance (its probability that the claim is true, 0 to 1;
        NaN where it was not asked), turn_verdict.
        """
        return _claims_table(self.iter_samples())

    def calibration_set(self) -> pd.DataFrame:
        """What the run's validator was calibrated on: turns of the run, and turns with an error planted, a row each.

        Columns: sample_id, image_id, picture (what it was held against), planted (``sound`` where the annotations bear
        the turn out, ``not known``, ``count``, ``absent object``, ``side``, ``relation``, ``other image``), question,
        answer, p_value, worst, doubtful,
        ``doubt_KIND``, ``score_NAME``; see ``turns``. Each row is judged by regressions that its image did not fit.

        Raises:
            RunError: The run has no validator, or is not finished.
        """
        tried, found = self._tried()
        measured = [one.measured for one in tried]
        return _calibration_table(tried, Calibrator(found.validator, measured, found.alpha))

    def thresholds(self, alphas: Iterable[float] = (0.01, 0.02, 0.05, 0.1, 0.2)) -> pd.DataFrame:
        """What the validator would find, and what it would cost, at other values of ``alpha``; nothing is scored.

        Columns: sound_flagged (share of sound turns lost), recall (share of all planted errors found), and
        ``recall_KIND`` of each kind that is judged; NaN where ``alpha`` is too small for so few turns. From some value
        on nothing changes, as no turn is flagged that is more likely right than wrong.

        Raises:
            RunError: The run has no validator, or is not finished.
        """
        tried, found = self._tried()
        return _thresholds_table(found.validator, [one.measured for one in tried], alphas)

    def _tried(self) -> tuple[list[Tried], Calibration]:
        path, found = self.folder.calibration, self.summary.calibration
        if found is None or not path.is_file():
            raise RunError(f"{self.folder.path}: no validator was calibrated on this run; see 'datagen validate'.")
        if found.judged and found.share_wrong is None:
            told = "the validator was calibrated by an earlier version; 'datagen validate' does it anew from the scores"
            raise RunError(f"{self.folder.path}: {told}.")
        tried: list[Tried] = []
        for _, one in read_facts(path, Tried):
            if one is None:
                told = f"line {len(tried) + 1} is damaged; start the run's command again to write it anew"
                raise RunError(f"{path}: {told}.")
            tried.append(one)
        return tried, found


def _samples_table(samples: Iterable[Sample]) -> pd.DataFrame:
    """One row a sample, turns and provenance as objects."""
    import pandas as pd

    rows = []
    for sample in samples:
        plain = msgspec.to_builtins(sample)
        provenance = plain.pop("provenance")
        plain["review"] = plain["review"] and plain["review"]["verb"]
        first = plain["turns"][0] if plain["turns"] else {}
        opening = {key: first.get(key) for key in ("question", "answer")}
        n_cut = sum(len(cut.turns) for cut in sample.cuts)
        rows.append({**plain, "n_turns": len(plain["turns"]), "n_cut": n_cut, **opening, **provenance})
    return pd.DataFrame(rows)


def _turns_table(samples: Iterable[Sample]) -> pd.DataFrame:
    """One row a turn, with its claims counted and what the validator found."""
    import pandas as pd

    doubts = [_doubt_column(kind) for kind in ERROR_KINDS]
    columns = [
        *_PLACE, "question", "answer", "answer_before", "n_words",
        "n_claims", "n_supported", "n_contradicted", "n_unknown", "verdict", "p_value", "worst", *doubts,
    ]  # fmt: skip
    rows = [{**_place(sample, told), **_turn_row(told)} for sample, told in _turns_of(samples)]
    return pd.DataFrame(rows, columns=[*columns, *sorted({name for row in rows for name in row} - set(columns))])


def _claims_table(samples: Iterable[Sample]) -> pd.DataFrame:
    """One row a claim, with the annotations' verdict and the validator's chance."""
    import pandas as pd

    rows = []
    for sample, told in _turns_of(samples):
        turn, seen = told.turn, told.turn.validation
        asked = sorted((seen and seen.probes) or (), key=lambda probe: -probe.chance)
        probes = {probe.claim: probe for probe in asked}  # of several about one claim, the least likely
        for index, claim in enumerate(turn.claims):
            said = turn.question if claim.in_question else turn.answer
            probe = probes.get(index)
            rows.append(
                {
                    **_place(sample, told),
                    "text": said[claim.start : claim.end],
                    **{field: getattr(claim, field) for field in _CLAIM_FIELDS},
                    "others": ", ".join(claim.others),
                    "asked": probe and probe.question,
                    "chance": probe.chance if probe else math.nan,
                    "turn_verdict": seen and seen.verdict,
                }
            )
    return pd.DataFrame(rows, columns=[*_PLACE, "text", *_CLAIM_FIELDS, "asked", "chance", "turn_verdict"])


def _calibration_table(tried: Sequence[Tried], calibrator: Calibrator) -> pd.DataFrame:
    """One row a turn on which the validator was tried."""
    import pandas as pd

    rows = []
    for one in tried:
        opinion = calibrator.opinion(one.measured)
        judged: dict[str, Any] = {"p_value": math.nan, "worst": None, "doubtful": None}
        if opinion is not None:
            judged = {"p_value": opinion.p_value, "worst": opinion.worst, "doubtful": opinion.verdict == "doubtful"}
            judged |= {_doubt_column(kind): doubt for kind, doubt in opinion.doubts.items()}
        rows.append(
            {
                "sample_id": one.sample_id,
                "image_id": one.measured.image_id,
                "picture": one.picture,
                "planted": one.measured.planted or (SOUND if one.measured.is_clean else UNKNOWN),
                "question": one.question,
                "answer": one.answer,
                **judged,
                **_score_columns(one.measured.measures),
            }
        )
    columns = ["sample_id", "image_id", "picture", "planted", "question", "answer", "p_value", "worst", "doubtful"]
    columns += [_doubt_column(kind) for kind in ERROR_KINDS]
    return pd.DataFrame(rows, columns=[*columns, *sorted({name for row in rows for name in row} - set(columns))])


def _thresholds_table(validator: str, measured: Sequence[Measured], alphas: Iterable[float]) -> pd.DataFrame:
    """What each threshold would find and cost."""
    import pandas as pd

    rows = []
    for alpha in alphas:
        found = Calibrator(validator, measured, alpha).calibration
        row: dict[str, Any] = {"alpha": alpha, "sound_flagged": found.clean_flagged, "recall": found.recall}
        row |= {f"recall_{_column(kind)}": report.recall for kind, report in found.kinds.items() if report.judged}
        rows.append(row)
    return pd.DataFrame(rows).set_index("alpha").astype(float)


_OF_SAMPLE = ["sample_id", "image_id", "image", "response_type", "status"]
_OF_TURN = ["fate", "stage", "reason", "cause"]
_PLACE = [*_OF_SAMPLE, "turn", *_OF_TURN]


def _turns_of(samples: Iterable[Sample]) -> Iterator[tuple[Sample, FatedTurn]]:
    return ((sample, told) for sample in samples for told in fated_turns(sample))


def _place(sample: Sample, told: FatedTurn) -> dict[str, Any]:
    """Where a turn stands, and what became of it."""
    of_sample = {name: getattr(sample, name) for name in _OF_SAMPLE}
    return {**of_sample, "turn": told.number, **{name: getattr(told, name) for name in _OF_TURN}}


def _turn_row(told: FatedTurn) -> dict[str, Any]:
    turn = told.turn
    verdicts = Counter(claim.verdict.partition("_")[0] for claim in turn.claims)
    seen = turn.validation
    return {
        "question": turn.question,
        "answer": turn.answer,
        "answer_before": told.earlier[0].turn.answer if told.earlier else None,
        "n_words": n_words(turn.answer),
        "n_claims": len(turn.claims),
        **{f"n_{verdict}": verdicts[verdict] for verdict in ("supported", "contradicted", "unknown")},
        "verdict": seen and seen.verdict,
        "p_value": math.nan if seen is None or seen.p_value is None else seen.p_value,
        "worst": seen and seen.worst,
        **{_doubt_column(kind): doubt for kind, doubt in (seen.doubts if seen else {}).items()},
        **_score_columns(seen.measures if seen else {}),
    }


def _score_columns(measures: Mapping[str, float]) -> dict[str, float]:
    return {f"score_{name}": value for name, value in measures.items()}


def _doubt_column(kind: str) -> str:
    return f"doubt_{_column(kind)}"


def _column(kind: str) -> str:
    """A kind of error as part of a column's name."""
    return kind.replace(" ", "_")
