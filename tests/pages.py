"""A run to look at in tests, and the page over it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from datagen.api import open_run
from datagen.config import ValidatorSettings
from datagen.records import Claim, Cut, Provenance, Sample, Turn, Validation
from datagen.view.page.live_run import LiveRun
from datagen.view.page.questions import Asker

EVIL = '<script>window.hacked=1</script>"\'><img src=x onerror="window.hacked=2"><svg onload="alert(3)">'


def live_of(folder: Path) -> LiveRun:
    return LiveRun(open_run(folder).folder, lambda: open_run(folder).settings)


def asker_of(name: str = "none") -> Asker:
    return Asker(ValidatorSettings(name=name))


def sample(n: int, **more: Any) -> Sample:
    """Sample n, which fell when n divides by 5, is doubted the more the larger n modulo 7, and speaks of a dog or cat."""
    thing = "dog" if n % 2 else "cat"
    verdict = "unknown" if n % 3 else "supported_by_boxes"
    claim = Claim("presence", thing, 4, 4 + len(thing), verdict, "a box", in_question=False)  # type: ignore[arg-type]
    turn = Turn(f"Is there a {thing}?", f"Yes {thing} number {n} stands there.", (claim,))
    if n % 4:
        p_value = round(1 - (n % 7) / 10, 3)
        turn = replace(turn, validation=Validation("supported", p_value, "count", {"count": 0.1}))
    kind = "conversation" if n % 10 else "negation"
    made = Sample(
        f"{n}-{kind}", str(n), f"{n % 6 + 1:012}.jpg", kind, (turn,), "accepted", Provenance("m", "r", "q", "s")
    )
    if n % 5 == 0:
        made = replace(made, status="rejected", stage="dedup", reason="near_copy", detail="says what 1 says")
    elif n % 11 == 0:
        wrong = Claim("count", thing, 0, 3, "contradicted", "a box")
        cut = (
            Turn(f"How many {thing}s?", f"Six {thing}s beside number {n}.", (wrong,)),
            Turn("Is it warm?", "It may be."),
        )
        made = replace(made, cuts=(Cut("checks", "count_contradicted", "turn 2", cut, 1),))
    return replace(made, **more)


def write_samples(folder: Path, samples: Any) -> None:
    """Put samples in the place of a finished run's own."""
    encoder = msgspec.json.Encoder()
    with (folder / ".samples").open("wb") as file:
        for one in samples:
            file.write(encoder.encode(one) + b"\n")
    (folder / ".samples").replace(folder / "samples.jsonl")


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app on a free port of this machine."""
    import uvicorn

    from datagen.view.page.server import FAREWELL_S, Door, listen

    listening = listen(Door(port=None))
    quiet = {"log_level": "error", "access_log": False, "lifespan": "off", "ws": "none"}
    server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=FAREWELL_S, **quiet))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
