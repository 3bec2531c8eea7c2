"""How near ``datagen estimate`` counts tokens: ours against OpenAI's own vocabularies, on the requests of a corpus.

    pip install bpe-openai        # carries the vocabularies; needs no network afterwards
    python benchmarks/tokens.py --captions captions_train2017.json --instances instances_train2017.json

Prints ours over theirs for whole requests and for the contexts alone, and the CPU time of each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import bpe_openai

from datagen.config import load_settings
from datagen.corpus import load_corpus
from datagen.endpoint.token_estimate import TOKENS_OF_ANSWER_START, TOKENS_PER_MESSAGE, count_prompt, count_tokens
from datagen.pipeline import plan_samples
from datagen.recipes import load_recipes


def timed(count: Callable[[str], float], texts: list[str]) -> tuple[list[float], float]:
    """Counts, and CPU microseconds a text."""
    started = time.process_time()
    counts = [count(text) for text in texts]
    return counts, 1e6 * (time.process_time() - started) / len(texts)


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", required=True)
    parser.add_argument("--instances", required=True)
    options = parser.parse_args()
    given = {"corpus.captions": [options.captions], "corpus.instances": [options.instances]}
    settings = load_settings(None, {**given, "teacher.name": "gpt-4o"})
    corpus = load_corpus(settings.corpus)
    planned = plan_samples(corpus.images, load_recipes(settings), settings, lambda image: None, corpus.categories)
    requests = [item.request for item in planned if item.request is not None]
    contexts = [request.messages[-1].content for request in requests]
    counted, our_us = timed(count_tokens, contexts)
    print(f"{len(requests)} requests; ours {our_us:.0f} CPU us a context")
    for name in ("o200k_base", "cl100k_base"):
        encoding = bpe_openai.get_encoding(name)
        real, their_us = timed(lambda text, encoding=encoding: len(encoding.encode(text)), contexts)  # type: ignore[misc]
        lengths: dict[str, int] = {}
        whole = 0
        for request in requests:
            for message in request.messages:
                if message.content not in lengths:
                    lengths[message.content] = len(encoding.encode(message.content))
                whole += lengths[message.content] + TOKENS_PER_MESSAGE
            whole += TOKENS_OF_ANSWER_START
        ratio = sum(count_prompt(request)[0] for request in requests) / whole
        errors = sorted(abs(ours / theirs - 1) for ours, theirs in zip(counted, real, strict=True))
        print(
            f"{name}: requests ours / theirs {ratio:.4f}; contexts {sum(counted) / sum(real):.4f}, "
            f"off by {statistics.median(errors):.1%} in the median, {errors[int(0.95 * len(errors))]:.1%} at 95 %; "
            f"{their_us:.0f} CPU us a context"
        )


if __name__ == "__main__":
    main()
