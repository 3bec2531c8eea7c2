"""One run, killed at random moments again and again, then finished: are its files those of an undisturbed run?

    python benchmarks/killed.py [--kills 100] [--images 200] [--longest 5]

Draws scenes, asks an endpoint on loopback that is as faulty as a bad day, judges with ``nano``, and kills the process
with ``kill -9`` once it has used a random time of CPU (Linux only), whatever it is doing. A run that ends all the same
is held against the undisturbed one, and the next begins. Prints what the kills fell into, rows lost, rows paid twice,
and whether the finished files are the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from loopback import LoopbackServer, reply_for

from datagen.lexicon import with_article
from training.draw_corpus import draw_corpus

FAULTS = {"rate_limited": 0.03, "server_error": 0.03, "unavailable": 0.02, "dropped": 0.03, "cut": 0.02, "html": 0.02}
DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md")
"""The report tells the time that replies took, which is no two runs' same."""
CONCURRENCY = 8
DELAY_S = 0.05  # the longer, the more of the kills fall into asking
SHORTEST_S = 0.3
"""Before that Python itself is still starting."""
STUCK_S = 120


def reply(body: Mapping[str, Any]) -> str:
    """What the loopback always says, and after it the things that the request names, so that pixels can be asked."""
    said, told = reply_for(body), str(body["messages"][-1]["content"])
    things = dict.fromkeys(re.findall(r"^([a-z ]+): \[", told, re.MULTILINE))
    if "Question:" not in said:
        return " ".join([said, *(f"There is {with_article(name)} in the picture." for name in things)])
    asked = (
        f"Question:\nWhat of {name} kind is there?\n===\nAnswer:\nThere is {with_article(name)}." for name in things
    )
    return "\n===\n".join([said, *asked])


def command(corpus: dict[str, str], url: str, out: Path) -> list[str]:
    """How the run is started, every time."""
    files = [option for name, path in corpus.items() for option in (f"--{name}", path)]
    endpoint = ["--teacher", "loopback", "--base-url", url, "--concurrency", str(CONCURRENCY)]
    told = ["--types", "conversation,description,reasoning", "--validator", "nano", "--max-failed", "1"]
    return [sys.executable, "-m", "datagen", "run", *files, *endpoint, *told, "--out", str(out)]


def doing(out: Path) -> str:
    """What the run was about when it was killed, by the files that there are."""
    if not (out / "replies.jsonl").exists():
        return "starting"
    if (out / "calibration.jsonl").exists():
        return "writing"
    return "judging" if (out / "scores.jsonl").exists() else "asking"


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds that a running process has used: on a busy machine a better clock than the wall's."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Toll(NamedTuple):
    """What was lost in one run, and what was paid twice."""

    n_rows: int
    n_lost: int
    n_asked_again: int
    n_paid_twice: int
    differs: tuple[str, ...]


def kill_until_finished(
    corpus: dict[str, str], killed: Path, calm: Path, rng: random.Random, n_kills: int, longest_s: float
) -> tuple[Counter[str], Toll]:
    """Start one run again and again, at most so many times killed, and hold it against the undisturbed one."""
    fell: Counter[str] = Counter()
    with LoopbackServer(FAULTS, reply=reply, delay_s=DELAY_S, retry_after_s=0.05) as server:
        start = command(corpus, server.base_url, killed)
        while fell.total() < n_kills:
            process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            allowed_s, give_up = rng.uniform(SHORTEST_S, longest_s), time.monotonic() + STUCK_S
            while process.poll() is None and cpu_s(process) < allowed_s and time.monotonic() < give_up:
                time.sleep(0.01)
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            fell[doing(killed)] += 1
        subprocess.run(start, check=True, capture_output=True)
        n_asked, n_paid = len(server.answered), server.answered.total()
    lines = (killed / "replies.jsonl").read_bytes().splitlines()
    n_rows = len((calm / "replies.jsonl").read_bytes().splitlines())
    n_stored = len({json.loads(line)["request_digest"] for line in lines})
    differs = tuple(name for name in DERIVED if (calm / name).read_bytes() != (killed / name).read_bytes())
    return fell, Toll(n_rows, n_rows - n_stored, len(lines) - n_stored, n_paid - n_asked, differs)


def main() -> None:
    """Kill, finish, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--longest", type=float, default=5.0, help="CPU seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    fell: Counter[str] = Counter()
    tolls: list[Toll] = []
    with tempfile.TemporaryDirectory() as place:
        corpus = draw_corpus(Path(place) / "corpus", options.images, seed=77)
        calm = Path(place) / "calm" / "run"
        with LoopbackServer(reply=reply) as server:
            subprocess.run(command(corpus, server.base_url, calm), check=True, capture_output=True)
        while fell.total() < options.kills:
            killed = Path(place) / f"killed-{len(tolls)}" / "run"
            left = options.kills - fell.total()
            fell_here, toll = kill_until_finished(corpus, killed, calm, rng, left, options.longest)
            fell += fell_here
            tolls.append(toll)
    print(
        f"{options.kills} kills over {len(tolls)} runs: {', '.join(f'{n} in {name}' for name, n in fell.most_common())}"
    )
    print(f"{sum(toll.n_lost for toll in tolls)} of {sum(toll.n_rows for toll in tolls)} rows lost")
    print(f"{sum(toll.n_asked_again for toll in tolls)} stored rows asked again")
    print(f"{sum(toll.n_paid_twice for toll in tolls)} answers in flight paid twice ({CONCURRENCY} at most a kill)")
    differs = sorted({name for toll in tolls for name in toll.differs})
    print(f"other bytes than the undisturbed run: {', '.join(differs) or 'none'} (of {', '.join(DERIVED)})")
    sys.exit(bool(differs))


if __name__ == "__main__":
    main()
