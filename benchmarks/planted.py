"""What a validator catches: conversations about drawn scenes, in a share of whose stored replies an error was planted.

    python benchmarks/planted.py [--validator nano] [--conversations 1000] [--spoilt 0,0.1,0.3,0.5] [--alpha 0.05]
    python benchmarks/planted.py --captions FILE --instances FILE --images FOLDER  # before one's own pictures instead

Draws as many scenes, has the embedded teacher write a conversation about each, and changes a share of the stored
replies: a number off by one, a thing that is not there, the wrong side, a relation turned around, another image's whole
conversation. The annotations' own check is off, so that only pixels can find them. Prints, per share, how many of the
sound conversations lose a turn and how many of the spoilt ones, by kind of error; the share of wrong turns that the run
is thought to have, and the one that it has; and the CPU time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
from msgspec.structs import replace

import datagen
from datagen.claims.kind import Spoiling
from datagen.config import Settings, load_settings
from datagen.corpus import load_corpus
from datagen.engines.local import run_local
from datagen.engines.progress import Silence
from datagen.lexicon import Lexicon, lexicon_for
from datagen.records import Sample
from datagen.validator.planting import ERROR_KINDS, ErrorKind, plant_errors
from training.draw_corpus import draw_corpus

CORPUS = ("captions", "instances", "images")


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


def spoil(run: datagen.Run, share: float, rng: random.Random) -> dict[str, ErrorKind]:
    """Change a share of the stored replies; sample id to the kind of its error."""
    samples = [sample for sample in run.iter_samples() if sample.status == "accepted"]
    corpus = load_corpus(run.settings.corpus)
    lexicon = lexicon_for(corpus.categories)
    shown = {image.image_id: {box.category for box in image.boxes} for image in corpus.images}
    lines = [json.loads(line) for line in run.folder.replies.read_text(encoding="utf-8").splitlines()]
    reply_of = {reply["request_digest"]: reply for reply in lines}
    texts = {digest: reply["text"] for digest, reply in reply_of.items()}
    planted: dict[str, ErrorKind] = {}
    wanted = Counter({kind: round(share * len(samples) / len(ERROR_KINDS)) for kind in ERROR_KINDS})
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
    lexicon: Lexicon,
    rng: random.Random,
) -> bool:
    """Plant one error into a stored reply, if it fits; harder counts and easier things than the calibration plants."""
    text = str(reply["text"])
    if kind == "other image":
        own = shown[sample.image_id]
        drawn = [rng.choice(samples) for _ in range(8)]
        other = min(drawn, key=lambda one: (one is sample, len(own & shown[one.image_id])))
        reply["text"] = texts[other.provenance.request_digest]
        return other is not sample
    absent = sorted(set().union(*shown.values()) - shown[sample.image_id])
    for turn in rng.sample(sample.turns, len(sample.turns)):
        counts = [one for one in turn.claims if one.kind == "count" and (one.number or 0) > 1]
        claims = turn.claims if kind != "count" else (rng.choice(counts),) if counts else ()
        spoiling = Spoiling(lexicon, lambda _: absent, rng)
        planted = plant_errors(replace(turn, claims=claims), spoiling).get(kind)
        if planted is not None and text.count(turn.answer) == 1:
            reply["text"] = text.replace(turn.answer, planted.answer)
            return True
    return False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validator", default="nano")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--spoilt", default="0,0.1,0.3,0.5")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    own = [parser.add_argument(f"--{name}", help="of a corpus in COCO's form") for name in CORPUS]
    options = parser.parse_args()
    given = {one.dest: value for one in own if (value := getattr(options, one.dest)) is not None}
    if given and len(given) < len(CORPUS):
        parser.error("a corpus of your own needs --captions, --instances and --images")
    rows: list[dict[str, object]] = []
    print(f"{'spoilt':>7}{'sound flagged':>15}{'caught':>9}" + "".join(f"{kind:>15}" for kind in ERROR_KINDS))
    with tempfile.TemporaryDirectory() as folder:
        corpus = given or draw_corpus(Path(folder) / "corpus", options.conversations, seed=10_000 + options.seed)
        plain, scores = Path(folder) / "plain", Path(folder) / "scores.jsonl"
        run_local(settings_for(corpus, "none", options.alpha), plain, Silence())
        for share in map(float, options.spoilt.split(",")):
            out = Path(folder) / f"run-{share}"
            shutil.copytree(plain, out)
            planted = spoil(datagen.open_run(out), share, random.Random(options.seed))
            if scores.exists():  # what was not changed need not be scored again
                shutil.copy(scores, out / scores.name)
            started = time.process_time()
            run_local(settings_for(corpus, options.validator, options.alpha), out, Silence(), may_change=True)
            taken = time.process_time() - started
            shutil.copy(out / scores.name, scores)
            run = datagen.open_run(out)
            rows.append({"spoilt": share, **measure(run, planted), **tell(run, planted, share, taken)})
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))


def tell(run: datagen.Run, planted: dict[str, ErrorKind], share: float, taken: float) -> dict[str, object]:
    """Print what was measured on one run."""
    found = measure(run, planted)
    widths = (14, 8, *[14] * len(ERROR_KINDS))
    shares = [found["sound flagged"], found["caught"], *(found[kind] for kind in ERROR_KINDS)]
    told = "".join(f"{100 * one:{width}.1f}%" for one, width in zip(shares, widths, strict=True))
    print(f"{share:7}{told}", flush=True)
    calibration = run.summary.calibration
    assert calibration is not None
    wrong = calibration.share_wrong
    assert wrong is not None, calibration.why_not
    print(f"        turns thought wrong {wrong.estimate:.1%} ({wrong.low:.1%} to {wrong.high:.1%}); {taken:.0f} CPU s")
    print(f"        verdicts: {run.summary.verdicts}; of clean turns flagged: {calibration.clean_flagged}")
    for kind, report in calibration.kinds.items():
        names = ("auroc", "auroc_grey", "gain", "recall_at_5", "calibration_error", "recall")
        told = ", ".join(f"{name} {getattr(report, name)}" for name in names)
        print(f"        {kind}: {report.n_planted} planted; {told}", flush=True)
    return {"calibration": calibration}


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
