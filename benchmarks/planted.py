"""What a validator catches: conversations about drawn scenes, one in ten with an error planted in its stored reply.

    python benchmarks/planted.py [--validator nano] [--conversations 1000] [--alphas 0.005,0.01,0.02,0.05]

Draws as many scenes, has the embedded teacher write a conversation about each, and changes a tenth of the stored
replies: a wrong number, a thing that is not there, the wrong side, a relation turned around, another image's whole
conversation. The annotations' own check is off, so that only pixels can find them. Prints, per threshold, the share of
spoilt conversations that are cut or rejected, by kind, and the share of sound ones that lose a turn; and the CPU time.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import msgspec

import datagen
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.lexicon import lexicon_for
from datagen.records import Sample
from datagen.validator.planting import ERROR_KINDS, ErrorKind, plant_errors
from training.draw_corpus import draw_corpus

SPOILT = 0.1


def settings_for(corpus: dict[str, str], validator: str, alpha: float) -> Settings:
    """A run of conversations in which only the validator rejects."""
    told = {
        "corpus": {"captions": [corpus["captions"]], "instances": [corpus["instances"]], "images": corpus["images"]},
        "types": ["conversation"],
        "checks": {"contradicted": "keep"},
        "dedup": {"over_set": False},
        "validator": {"name": validator, "alpha": alpha},
    }
    return load_settings(None, told)


def spoil(run: datagen.Run, rng: random.Random) -> dict[str, ErrorKind]:
    """Change a tenth of the stored replies; sample id to the kind of its error."""
    samples = [sample for sample in run.iter_samples() if sample.status == "accepted"]
    corpus = load_corpus(run.settings.corpus)
    lexicon = lexicon_for(corpus.categories)
    shown = {image.image_id: {box.category for box in image.boxes} for image in corpus.images}
    lines = [json.loads(line) for line in run.folder.replies.read_text(encoding="utf-8").splitlines()]
    reply_of = {reply["request_digest"]: reply for reply in lines}
    texts = {digest: reply["text"] for digest, reply in reply_of.items()}
    planted: dict[str, ErrorKind] = {}
    wanted = Counter({kind: round(SPOILT * len(samples) / len(ERROR_KINDS)) for kind in ERROR_KINDS})
    for sample in rng.sample(samples, len(samples)):
        reply = reply_of[sample.provenance.request_digest]
        for kind in sorted(wanted, key=lambda kind: -wanted[kind]):
            if wanted[kind] and spoil_one(sample, kind, reply, samples, texts, shown, lexicon, rng):
                wanted[kind] -= 1
                planted[sample.sample_id] = kind
                break
    run.folder.replies.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return planted


def spoil_one(
    sample: Sample,
    kind: ErrorKind,
    reply: dict[str, object],
    samples: list[Sample],
    texts: dict[str, object],
    shown: dict[str, set[str]],
    lexicon: object,
    rng: random.Random,
) -> bool:
    """Plant one error into a stored reply, if it fits."""
    text = str(reply["text"])
    if kind == "other image":
        own = shown[sample.image_id]
        drawn = [rng.choice(samples) for _ in range(8)]
        other = min(drawn, key=lambda one: (one is sample, len(own & shown[one.image_id])))
        reply["text"] = texts[other.provenance.request_digest]
        return other is not sample
    absent = sorted(set().union(*shown.values()) - shown[sample.image_id])
    for turn in rng.sample(sample.turns, len(sample.turns)):
        planted = plant_errors(turn, lexicon, absent, rng).get(kind)  # type: ignore[arg-type]
        if planted is not None and text.count(turn.answer) == 1:
            reply["text"] = text.replace(turn.answer, planted.answer)
            return True
    return False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validator", default="nano")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--alphas", default="0.0025,0.005,0.01,0.02,0.05")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corpus = draw_corpus(Path(folder) / "corpus", options.conversations, seed=10_000 + options.seed)
        out = Path(folder) / "run"
        run_local(settings_for(corpus, "none", 0.05), out, Silence())
        planted = spoil(datagen.open_run(out), random.Random(options.seed))
        rows = []
        for alpha in map(float, options.alphas.split(",")):
            started = time.process_time()
            run_local(settings_for(corpus, options.validator, alpha), out, Silence())
            taken = time.process_time() - started
            if not rows:
                print(f"{len(planted)} of {options.conversations} spoilt; validated in {taken:.1f} CPU s")
                print(
                    f"{'alpha':>7}{'sound flagged':>15}{'caught':>9}" + "".join(f"{kind:>15}" for kind in ERROR_KINDS)
                )
            rows.append(measure(datagen.open_run(out), planted) | {"alpha": alpha})
            shares = [rows[-1]["sound flagged"], rows[-1]["caught"], *(rows[-1][kind] for kind in ERROR_KINDS)]
            widths = (14, 8, *[14] * len(ERROR_KINDS))
            told = "".join(f"{100 * share:{width}.1f}%" for share, width in zip(shares, widths, strict=True))
            print(f"{alpha:7}{told}", flush=True)
        calibration = datagen.open_run(out).summary.calibration
        assert calibration is not None
        for kind, report in calibration.kinds.items():
            told = ", ".join(
                f"{name} {getattr(report, name)}" for name in ("auroc", "recall_at_5", "calibration_error")
            )
            print(f"turns, {kind}: {report.n_planted} planted in {report.n_clean} clean; {told}")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"rows": rows, "calibration": calibration})))


def measure(run: datagen.Run, planted: dict[str, ErrorKind]) -> dict[str, float]:
    """Shares of conversations that the validator cut or rejected."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for sample in run.iter_samples():
        is_flagged = sample.stage == "validate" or any(cut.stage == "validate" for cut in sample.cuts)
        if sample.sample_id in planted:
            hits["caught"].append(is_flagged)
            hits[planted[sample.sample_id]].append(is_flagged)
        elif sample.status == "accepted" or sample.stage == "validate":
            hits["sound flagged"].append(is_flagged)
    names = ("sound flagged", "caught", *ERROR_KINDS)
    return {name: sum(hits[name]) / max(1, len(hits[name])) for name in names}


if __name__ == "__main__":
    main()
