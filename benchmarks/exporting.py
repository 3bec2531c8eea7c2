"""What an export costs, form by form: rows and MB a second of one core, peak memory, and the same rows written plainly.

    python benchmarks/exporting.py [--samples 6000] [--captions F --instances F] [--forms llava parquet ...] [--run RUN]

Without ``--run`` a run is made of answers of the embedded teacher about made-up images (``scale.py`` says how), whose
pictures are those of the bundled corpus under other names, 16 KB each. Every form runs in processes of its own, at
least twice: the bytes must be the same. An export is one process, whatever ``--workers`` a run has.

``plain`` is what a script of ten lines does with the same samples, which proves no row and opens no picture:
``json.loads`` of each line and ``json.dumps`` of its record (``llava``, ``messages``, ``swift``, ``internvl``), with
the picture in base64 (``openai``); a table of all rows for ``pyarrow`` (``parquet``); ``tarfile`` (``webdataset``). All
take SHA-256 of what they wrote, as a manifest does. CPU seconds with imports; ``pictures decoded`` says how many of
them decoding each picture once takes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measuring import peak_mb

DEMO = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo"
LINES = "llava", "messages", "swift", "internvl", "openai"
PLAIN = *LINES, "parquet", "webdataset"
"""Forms that a few lines write as well."""


def make_run(folder: Path, captions: Path, instances: Path, n_samples: int) -> None:
    """Make a run about made-up images, and a picture for each of them."""
    from scale import make_corpus, settings_of

    from datagen.engines.local import run_local
    from datagen.engines.progress import Silence

    make_corpus(folder, captions, instances, -(-n_samples // 3))
    run_local(settings_of(folder), folder / "run", Silence())
    pictures, shown = sorted((DEMO / "images").glob("*.jpg")), folder / "images"
    shown.mkdir()
    for n, image in enumerate(json.loads((folder / "instances.json").read_bytes())["images"]):
        (shown / image["file_name"]).write_bytes(pictures[n % len(pictures)].read_bytes())


def export(run: Path, images: Path | None, form: str, out: Path) -> int:
    """Our way; gives the rows."""
    from datagen.api import open_run

    exported = open_run(run).export(form, out, images=None if form == "claims" else images)
    return sum(exported.counts["rows"].values())


def write_plainly(run: Path, images: Path, form: str, out: Path) -> int:
    """The alternative; gives the rows."""
    out.mkdir()
    n_rows = 0
    if form in LINES:
        with (out / "train.jsonl").open("w", encoding="utf-8") as file:
            for record in records(run):
                if form == "openai":
                    record["pixels"] = base64.b64encode((images / record["image"]).read_bytes()).decode()
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
                n_rows += 1
    elif form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [{**one, "pixels": (images / one["image"]).read_bytes()} for one in records(run)]
        pq.write_table(pa.Table.from_pylist(rows), out / "train.parquet", row_group_size=100)
        n_rows = len(rows)
    else:
        with tarfile.open(out / "train.tar", "w") as tar:
            for record in records(run):
                for name, content in (
                    (f"{n_rows:09}.jpg", (images / record["image"]).read_bytes()),
                    (f"{n_rows:09}.json", json.dumps(record).encode()),
                ):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                n_rows += 1
    for path in out.iterdir():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
    return n_rows


def records(run: Path) -> Iterator[dict[str, Any]]:
    """The accepted samples of a run in LLaVA's form."""
    with (run / "samples.jsonl").open(encoding="utf-8") as lines:
        for sample in map(json.loads, lines):
            if sample["status"] == "accepted":
                texts = [turn[key] for turn in sample["turns"] for key in ("question", "answer")]
                texts[0] = f"<image>\n{texts[0]}"
                said = [{"from": "gpt" if n % 2 else "human", "value": text} for n, text in enumerate(texts)]
                yield {"id": sample["sample_id"], "image": sample["image"], "conversations": said}


def look_at_pictures(run: Path, images: Path, form: str, out: Path) -> int:
    """Open every picture that the samples are about, as each form does."""
    from datagen.corpus import check_picture

    del form, out
    shown = {record["image"] for record in records(run)}
    assert not any(check_picture(images, name, 200_000_000) for name in shown)
    return len(shown)


WAYS = {"ours": export, "plain": write_plainly, "pictures": look_at_pictures}


def measure(way: str, form: str, run: Path, images: Path, out: Path) -> dict[str, Any]:
    """Run one way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--forms", form, "--run", str(run), "--images", str(images)]
    done = subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def digest_of(out: Path) -> tuple[float, str]:
    """MB and a digest of all that a folder or file holds."""
    digest, n_bytes = hashlib.sha256(), 0
    for path in sorted(out.rglob("*")) if out.is_dir() else [out]:
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{path.relative_to(out.parent).parts[1:]} {len(content)}".encode() + content)
            n_bytes += len(content)
    return n_bytes / 1e6, digest.hexdigest()


def compare(forms: list[str], run: Path, images: Path, repeats: int) -> None:
    """Measure each form and its alternative by turns, and print the table."""
    with tempfile.TemporaryDirectory() as name:
        looked = [measure("pictures", "none", run, images, Path(name)) for _ in range(repeats)]
    took = statistics.median(one["cpu"] for one in looked)
    load = os.getloadavg()[0]
    print(f"medians of {repeats}, load {load:.1f}; {looked[0]['rows']} pictures decoded: {took:.2f} CPU s")
    head = f"{'form':12} {'rows':>7} {'MB':>7} {'CPU s':>7} {'rows/s':>8} {'MB/s':>7} {'peak MB':>8}"
    print(f"{head} {'plain CPU s':>12} {'MB':>6}")
    for form in forms:
        ours: list[dict[str, Any]] = []
        plain: list[dict[str, Any]] = []
        written = set()
        for _ in range(max(2, repeats)):
            with tempfile.TemporaryDirectory() as name:
                ours.append(measure("ours", form, run, images, Path(name) / "ours"))
                written.add(digest_of(Path(name) / "ours"))
                if form in PLAIN:
                    plain.append(measure("plain", form, run, images, Path(name) / "plain"))
        cpu, mb = (statistics.median(one[key] for one in ours) for key in ("cpu", "mb"))
        rows, size = ours[0]["rows"], next(iter(written))[0]
        told = f"{form:12} {rows:7} {size:7.1f} {cpu:7.2f} {rows / cpu:8.0f} {size / cpu:7.1f} {mb:8.0f}"
        if plain:
            beside = [statistics.median(one[key] for one in plain) for key in ("cpu", "mb")]
            told += f" {beside[0]:12.2f} {beside[1]:6.0f}"
        print(told + ("" if len(written) == 1 else "  OTHER BYTES THE SECOND TIME"), flush=True)


def main() -> None:
    """Make a run, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=6_000)
    parser.add_argument("--captions", type=Path, default=DEMO / "annotations" / "captions_demo.json")
    parser.add_argument("--instances", type=Path, default=DEMO / "annotations" / "instances_demo.json")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--forms", nargs="*")
    parser.add_argument("--run", type=Path, help="a finished run, whose pictures are in --images")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        if options.way == "pictures":
            import datagen.corpus  # noqa: F401 - what decoding takes by itself
        began = time.process_time()
        rows = WAYS[options.way](options.run, options.images, options.forms[0], options.out)
        print(json.dumps({"rows": rows, "cpu": time.process_time() - began, "mb": peak_mb()}))
        return
    from datagen.export import FORMS

    forms = options.forms or [*FORMS]
    if options.run:
        compare(forms, options.run, options.images, options.repeats)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_run(folder, options.captions, options.instances, options.samples)
        compare(forms, folder / "run", folder / "images", options.repeats)


if __name__ == "__main__":
    main()
