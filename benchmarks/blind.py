"""Validators that see nothing, and two that do: how often each is let judge, by the number of images.

    python benchmarks/blind.py [--seeds 100] [--sizes 5,10,20,50,100,400] [--validators noise,seeing]

Scores are made up (``tests/blind_validators.py`` says how), so that hundreds of runs take minutes. Prints the share of
runs that are judged.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datagen.validator.calibration import Calibrator

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from blind_validators import turns_of

SIZES = (5, 10, 20, 50, 100, 400)
VALIDATORS = ("noise", "grey", "random weights", "weak", "seeing")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--validators", default=",".join(VALIDATORS))
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"{'judged, of runs of images':26}" + "".join(f"{size:>8}" for size in sizes))
    for validator in options.validators.split(","):
        print(f"{validator:26}", end="")
        for size in sizes:
            found = [
                Calibrator(validator, turns_of(validator, size, seed), 0.05).calibration.judged
                for seed in range(options.seeds)
            ]
            print(f"{sum(found) / len(found):8.0%}", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
