"""Export form ``lmms_eval``: the questions of ``pope`` and ``choice`` as tasks of lmms-eval, their pictures inside.

A task is a YAML file beside Parquet; ``--include_path`` names the folder. What POPE measures (accuracy, precision,
recall, F1, share of Yes) is lmms-eval's own; of a choice the letter that an answer begins with is compared.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from datagen.export.choice import ChoiceQuestion
from datagen.export.parquet import GROUP_ROWS, named_by_content, schema_with_features
from datagen.export.pope import Negatives, PresenceQuestion
from datagen.export.rows import TRAIN, ExportRow, ExportSettings, LeftOut

if TYPE_CHECKING:
    import pyarrow as pa

_POPE = "lmms_eval.tasks.pope.utils.pope_"
_POPE_TASK = f"""\
doc_to_visual: !function {_POPE}doc_to_visual
doc_to_text: !function {_POPE}doc_to_text
doc_to_target: answer
filter_list:
- name: yes or no
  filter:
  - function: regex
    regex_pattern: '^\\W*((?i:yes|no))\\b'
  - function: take_first
process_results: !function {_POPE}process_results
metric_list:
""" + "".join(
    f"- metric: pope_{name}\n  aggregation: !function {_POPE}aggregate_{name}\n  higher_is_better: true\n"
    for name in ("accuracy", "precision", "recall", "f1_score", "yes_ratio")
) + """\
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: "\\nAnswer the question using a single word or phrase."
"""  # fmt: skip
_CHOICE_TASK = """\
doc_to_visual: image
doc_to_text: "{{question}}\\n{% for option in options %}{{'ABCD'[loop.index0]}}. {{option}}\\n{% endfor %}\
Answer with the option's letter from the given choices directly."
doc_to_target: answer
filter_list:
- name: letter
  filter:
  - function: regex
    regex_pattern: '^\\W*([A-D])(?=[).:,\\n]|\\s*$)'
  - function: take_first
metric_list:
- metric: exact_match
  aggregation: mean
  higher_is_better: true
"""
_SETS = {"pope": _POPE_TASK, "choice": _CHOICE_TASK}


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, picture = pa.string(), pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    told = {"dtype": "string", "_type": "Value"}
    names = ("question_id", "question", "answer", "category", "image_id", "licence")
    fields = [*((name, text) for name in names), ("options", pa.list_(text)), ("image", picture)]
    features = {
        **dict.fromkeys(names, told),
        "options": {"feature": told, "_type": "List"},
        "image": {"_type": "Image"},
    }
    return schema_with_features(fields, features)


class LmmsTasks:
    """Writes ``pope_SPLIT_random.parquet`` and five more, as far as there are questions, a task for each, and a group.

    Attributes:
        tally: Questions by task.
    """

    has_pixels = True

    def __init__(self, folder: Path, split: str, settings: ExportSettings) -> None:
        del settings
        self.folder, self.split, self.schema = folder, split, _schema()
        self.tally: Counter[str] = Counter()
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.writers: dict[str, Any] = {}

    def add(self, row: ExportRow) -> LeftOut | None:
        """Take a question; a full group is written."""
        asked = row.sample
        if not isinstance(asked, PresenceQuestion | ChoiceQuestion):
            return LeftOut("no_question", "it is a sample and no question")
        kind, answer, options = ("pope", asked.label, ()) if isinstance(asked, PresenceQuestion) else (
            "choice", asked.letter, asked.options
        )  # fmt: skip
        name = f"{kind}_{self.split}_{asked.negatives}"
        self.tally[name] += 1
        rows = self.rows.setdefault(name, [])
        rows.append(
            {
                "question_id": asked.sample_id,
                "question": asked.turns[0].question.partition("\n")[0],
                "answer": answer,
                "category": asked.negatives,
                "image_id": asked.image_id,
                "licence": asked.provenance.licence,
                "options": list(options),
                "image": {"bytes": row.picture.read_bytes(), "path": named_by_content(row)},
            }
        )
        if len(rows) == GROUP_ROWS:
            self._write_group(name)
        return None

    def close(self) -> None:
        """Complete the files and describe them."""
        tasks = []
        for kind, task in _SETS.items():
            for negatives in get_args(Negatives):
                name = f"{kind}_{self.split}_{negatives}"
                if name not in self.rows:
                    continue
                self._write_group(name)
                self.writers[name].close()
                tasks.append(f"datagen_{name}")
                about = f"task: datagen_{name}\ndataset_path: parquet\ndataset_kwargs:\n  data_files:\n"
                about += f"    test: {name}.parquet\ntest_split: test\noutput_type: generate_until\n"
                about += "generation_kwargs:\n  max_new_tokens: 16\n  temperature: 0\n  do_sample: false\n"
                (self.folder / f"{name}.yaml").write_text(f"{about}{task}metadata:\n- version: 1.0\n", encoding="utf-8")
        if tasks:
            group = "datagen" if self.split == TRAIN else f"datagen_{self.split}"
            listed = "".join(f"- {name}\n" for name in tasks)
            (self.folder / f"{self.split}.yaml").write_text(f"group: {group}\ntask:\n{listed}", encoding="utf-8")

    def _write_group(self, name: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if name not in self.writers:
            path = self.folder / f"{name}.parquet"
            self.writers[name] = pq.ParquetWriter(path, self.schema, compression="snappy")
        if self.rows[name]:
            table = pa.Table.from_pylist(self.rows[name], schema=self.schema)
            self.writers[name].write_table(table, row_group_size=GROUP_ROWS)
            self.rows[name] = []
