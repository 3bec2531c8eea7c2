"""One run, killed at random moments again and again, then finished: are its files those of an undisturbed run?

    python benchmarks/killed.py [--kills 100] [--images 200] [--longest 5]

Draws scenes, asks an endpoint on loopback that is as faulty as a bad day, judges with ``nano``, and kills the process
with ``kill -9`` once it has used a random time of CPU (Linux only), whatever it is doing. Prints what the kills fell
into, rows lost, rows paid twice, and whether the finished files are the same bytes.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from loopback import LoopbackServer, reply_for

from datagen.lexicon import with_article
from training.draw_corpus import draw_corpus

FAULTS = {"rate_limited": 0.03, "server_error": 0.03, "unavailable": 0.02, "dropped": 0.03, "cut": 0.02, "html": 0.02}
DERIVED = ("samples.jsonl", "dataset.json", "summary.json", "README.md")
"""The report tells the time that replies took, which is no two runs' same."""
CONCURRENCY = 8
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
    if (out / "summary.json").exists():
        return "finished"
    if not (out / "replies.jsonl").exists():
        return "starting"
    return "judging" if (out / "scores.jsonl").exists() else "asking"


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds that a running process has used: on a busy machine a better clock than the wall's."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Kill, finish, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--longest", type=float, default=5.0, help="CPU seconds until a kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as place:
        corpus = draw_corpus(Path(place) / "corpus", options.images, seed=77)
        calm, killed = Path(place) / "calm" / "run", Path(place) / "killed" / "run"
        with LoopbackServer(reply=reply) as server:
            subprocess.run(command(corpus, server.base_url, calm), check=True, capture_output=True)
        fell: Counter[str] = Counter()
        with LoopbackServer(FAULTS, reply=reply, delay_s=0.25, retry_after_s=0.05) as server:
            start = command(corpus, server.base_url, killed)
            for _ in range(options.kills):
                process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                allowed_s, give_up = rng.uniform(SHORTEST_S, options.longest), time.monotonic() + STUCK_S
                while process.poll() is None and cpu_s(process) < allowed_s and time.monotonic() < give_up:
                    time.sleep(0.01)
                fell["finished" if process.poll() is not None else doing(killed)] += 1
                process.kill()
                process.wait()
            subprocess.run(start, check=True, capture_output=True)
            n_asked, n_paid = len(server.answered), server.answered.total()
        lines = (killed / "replies.jsonl").read_bytes().splitlines()
        n_rows = len((calm / "replies.jsonl").read_bytes().splitlines())
        n_stored = len({json.loads(line)["request_digest"] for line in lines})
        same = [name for name in DERIVED if (calm / name).read_bytes() == (killed / name).read_bytes()]
    print(f"{options.kills} kills: {', '.join(f'{n} while {name}' for name, n in fell.most_common())}")
    print(f"{n_rows - n_stored} of {n_rows} rows lost; {len(lines) - n_stored} stored rows asked again")
    print(f"{n_paid - n_asked} answers that were in flight paid twice ({CONCURRENCY} at most a kill)")
    print(f"same bytes as the undisturbed run: {', '.join(same)}" + ("" if len(same) == len(DERIVED) else "; NOT ALL"))
    sys.exit(len(same) != len(DERIVED))


if __name__ == "__main__":
    main()
