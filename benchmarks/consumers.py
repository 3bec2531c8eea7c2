"""Proof of the exports by those who read them: each consumer in its own environment, rows loaded against written.

``python benchmarks/consumers.py RUN [--only llava,datasets,webdataset,trl,...] [--environments DIR]``:
exports a finished run in every form, installs what is not ours (network needed, once), and prints consumer x format x
rows.
The rules of LLaVA's trainer are held against each row; TRL trains a tiny random LLaVA for two steps, by SFT and by
DPO; LLaMA-Factory's own loader converts, checks and tokenizes every row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parent / "constraints.txt"
PACKAGES = {
    "llava": ["pillow"],
    "datasets": ["datasets", "pillow"],
    "webdataset": ["webdataset", "pillow"],
    "trl": ["torch", "trl", "pillow"],
    "trl-dpo": ["torch", "trl", "pillow"],
    "llamafactory": ["torch", "llamafactory"],
    "swift": ["torch", "ms-swift"],
    "lmms_eval": ["torch", "lmms-eval"],
}
FORMS = {
    "llava": ["--pictures", "copy"],
    "messages": ["--pictures", "copy"],
    "swift": ["--pictures", "copy"],
    "openai": [],
    "parquet": [],
    "webdataset": ["--shard-mb", "1"],
    "preference": ["--pictures", "copy"],
    "lmms_eval": [],
}
SHARE = "0.2"


def environment(name: str, folder: Path) -> Path:
    """Make a consumer's environment once, and tell its interpreter."""
    home = folder / name
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = home / "ready"
    if not ready.exists():
        print(f"installing {' '.join(PACKAGES[name])} into {home}", file=sys.stderr)
        venv.create(home, with_pip=True)
        pip = [str(python), "-m", "pip", "--quiet"]
        _quietly([*pip, "install", "-c", str(CONSTRAINTS), *PACKAGES[name]])
        # LLaMA-Factory brings builds that do not load beside a CPU build of torch; pictures and text need neither.
        _quietly([*pip, "uninstall", "--yes", "torchvision", "torchaudio"])
        ready.touch()
    return python


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed without a word"])[-1])


def export(run: Path, out: Path) -> dict[str, dict[str, int]]:
    """Export a run in every form, and tell the rows of each split."""
    rows = {}
    for form, options in FORMS.items():
        command = [sys.executable, "-m", "datagen", "export", str(run), "--format", form, "--out", str(out / form)]
        subprocess.run([*command, "--validation-share", SHARE, *options], check=True, stdout=subprocess.DEVNULL)
        rows[form] = json.loads((out / form / "manifest.json").read_bytes())["counts"]["rows"]
    return rows


def main() -> int:
    """Print the table; the exit status is 1 when a consumer loaded anything but what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--only", default=",".join(PACKAGES))
    parser.add_argument("--environments", type=Path, default=Path.home() / ".cache" / "datagen-consumers")
    options = parser.parse_args()
    all_well = True
    with tempfile.TemporaryDirectory() as folder:
        written = export(options.run, Path(folder))
        print("| consumer | format | split | written | loaded | what was done |\n|---|---|---|---|---|---|")
        for name in options.only.split(","):
            try:
                python = environment(name, options.environments)
            except RuntimeError as error:
                all_well = False
                print(f"| {name} | - | - | - | not installed | {error} |", flush=True)
                continue
            command = [str(python), str(HERE / "consumer_reads.py"), name, folder]
            offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": f"{folder}/hub", "PYTHONPATH": ""}
            done = subprocess.run(command, capture_output=True, text=True, env=offline, check=False)
            found = [json.loads(line[5:]) for line in done.stdout.splitlines() if line.startswith("READ ")]
            for form, split, loaded, what in found:
                expected = (
                    len(list((Path(folder) / form / "images").iterdir()))
                    if split == "images"
                    else (written[form][split])
                )
                all_well &= loaded == expected
                print(f"| {name} | {form} | {split} | {expected} | {loaded} | {what} |", flush=True)
            if done.returncode:
                all_well = False
                last = (done.stderr.strip().splitlines() or ["no word"])[-1]
                print(f"| {name} | - | - | - | failed | {last[:200]} |", flush=True)
                print(done.stderr[-4000:], file=sys.stderr)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())
