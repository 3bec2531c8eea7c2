"""Asks two OpenAI-compatible servers that others wrote: a litellm proxy with canned answers, and transformers serve.

    python benchmarks/real_servers.py [--venv FOLDER]

Needs a package index once: the servers' packages go into an environment of their own under ``--venv``. The
model behind transformers serve is a tiny one with random weights, made here. Each row says what was
asked and what came back; a row that is not as expected ends the script with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datagen.config import TeacherSettings
from datagen.errors import TeacherError
from datagen.records import AnnotatedImage, Message, Request
from datagen.teacher.chat import ChatTeacher

KEY = "sk-right-0123456789"
LITELLM_PORT, TRANSFORMERS_PORT = 4811, 4812
SLOWEST_START_S = 600  # litellm reads a thousand files
PAIR = r"Question:\nWhat stands in the scene?\n===\nAnswer:\nA calm and quiet thing stands there."
JSON_REPLY = r"{\"turns\": [{\"question\": \"What is there?\", \"answer\": \"A calm and quiet thing.\"}]}"
LITELLM_MODELS = {
    "pairs": PAIR,
    "json": JSON_REPLY,
    "throttled": "litellm.RateLimitError",
    "short": "litellm.ContextWindowExceededError",
    "broken": "litellm.InternalServerError",
}
"""What litellm's ``mock_response`` gives for each model: a text, or one of its own errors."""

TINY_MODEL = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
words = Tokenizer(models.BPE())
words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "</s>"],
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
words.train_from_iterator(["A dog sits near a cup."], trainer)
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="</s>")
tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}assistant: "
config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                     num_attention_heads=4, max_position_embeddings=16384, bos_token_id=0, eos_token_id=None)
LlamaForCausalLM(config).save_pretrained(sys.argv[1])
tokenizer.save_pretrained(sys.argv[1])
"""


def make_environment(folder: Path, *packages: str, sees_ours: bool = False) -> Path:
    """An environment with a server's packages, made once; gives its interpreter."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        print(f"making {folder} with {', '.join(packages)}", flush=True)
        venv.create(folder, with_pip=True)
        if sees_ours:  # torch and transformers need not be there twice
            site = next(folder.glob("lib*/**/site-packages"))
            ours = [path for path in sys.path if path.endswith("site-packages")]
            (site / "ours.pth").write_text("\n".join(ours) + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def answers(port: int) -> bool:
    """Whether a server answers anything at all."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def serving(command: list[str], port: int, log: Path, **environment: str) -> Iterator[str]:
    """Run a server until the block ends; waits until it answers anything at all."""
    url = f"http://127.0.0.1:{port}/v1"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment})
    try:
        began = time.monotonic()
        while not answers(port):
            if server.poll() is not None:
                raise SystemExit(f"{command[0]} ended at once: {log.read_text()[-500:]}")
            if time.monotonic() - began > SLOWEST_START_S:
                raise SystemExit(f"{command[0]} does not answer after {SLOWEST_START_S} s: {log.read_text()[-500:]}")
            time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait()


def ask(url: str, model: str, key: str, reply_format: str) -> str:
    """One request by our teacher, and in one line what came of it."""
    os.environ["REAL_SERVER_KEY"] = key
    messages = (
        Message("system", "Answer in JSON." if reply_format == "json" else "Answer."),
        Message("user", "A dog."),
    )
    image = AnnotatedImage("1", "1.jpg", 1, 1)
    request = Request("d", image, "t", "r", messages, 0.7, 20, reply_format)  # type: ignore[arg-type]
    settings = TeacherSettings(
        name=model, base_url=url, api_key_env="REAL_SERVER_KEY", max_attempts=2, max_wait_s=1.0, timeout_s=60.0
    )

    async def main() -> str:
        teacher = ChatTeacher(settings)
        try:
            for _ in range(12):  # what is rejected each time stops the run at the tenth
                reply = await teacher.answer(request)
                if reply.error != "request_rejected":
                    break
        except TeacherError as error:
            return f"stops: {error}"
        finally:
            await teacher.close()
        return f"{reply.error or 'answered'}: {reply.finish_reason}, {reply.usage.n_completion_tokens} tokens, " + (
            reply.detail or repr(reply.text[:60])
        )

    return asyncio.run(main())


def check(rows: list[tuple[str, str, str, str, str]]) -> int:
    """Ask and print each row (url, model, key, reply format, expected); the number that came out otherwise."""
    n_odd = 0
    for url, model, key, reply_format, expected in rows:
        told = ask(url, model, key, reply_format)
        is_right = re.search(expected, told) is not None
        n_odd += not is_right
        shown = told.replace(KEY, "[key]")
        print(f"{'ok ' if is_right else 'ODD'} {Path(model).name:10} {reply_format:9} {shown[:200]}", flush=True)
    return n_odd


def run_whole(url: str, model: str, key: str, expected: str) -> int:
    """The bundled corpus through ``datagen run`` and that server."""
    demo = Path(__file__).resolve().parent.parent / "datagen" / "data" / "demo"
    with tempfile.TemporaryDirectory() as out:
        files = [f"--{kind}={demo / 'annotations' / f'{kind}_demo.json'}" for kind in ("captions", "instances")]
        command = [sys.executable, "-m", "datagen", "run", *files, f"--images={demo / 'images'}", f"--out={out}/run"]
        command += ["--types=conversation", "--limit=12", f"--teacher={model}", f"--base-url={url}", "--max-failed=0"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "OPENAI_API_KEY": key}
        )
    told = done.stdout.splitlines()[0] if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    is_right = done.returncode == 0 and re.search(expected, done.stdout) is not None
    print(f"{'ok ' if is_right else 'ODD'} datagen run, {Path(model).name}: {told}", flush=True)
    return int(not is_right)


def main() -> None:
    """Start both servers one after the other and ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=Path("runs/real-servers"), help="where the servers' packages go")
    folder: Path = parser.parse_args().venv
    folder.mkdir(parents=True, exist_ok=True)
    litellm = make_environment(folder / "litellm", "litellm[proxy]")
    config = folder / "litellm.yaml"
    lines = ["model_list:"]
    for name, said in LITELLM_MODELS.items():
        lines += [f"  - model_name: {name}", "    litellm_params: "]
        lines[-1] += f'{{model: openai/gpt-4o-mini, api_key: none, mock_response: "{said}"}}'
    config.write_text("\n".join(lines) + "\n")
    start = [str(litellm.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1"]
    print("litellm proxy")
    with serving(
        [*start, "--port", str(LITELLM_PORT)], LITELLM_PORT, folder / "litellm.log", LITELLM_MASTER_KEY=KEY
    ) as url:
        n_odd = check(
            [
                (url, "pairs", KEY, "delimited", r"answered: stop, [1-9]"),
                (url, "json", KEY, "json", r"answered: stop, .*turns"),
                (url, "throttled", KEY, "delimited", r"gave_up: .*rate_limited: 429"),
                (url, "short", KEY, "delimited", r"context_too_long"),
                (url, "broken", KEY, "delimited", r"gave_up: .*server_error"),
                (url, "nowhere", KEY, "delimited", r"stops: .*no model 'nowhere'"),
                (url, "pairs", "sk-wrong", "delimited", r"stops: .*(key|rejects every request)"),
                (url.removesuffix("/v1") + "/v2", "pairs", KEY, "delimited", r"stops: .*does it end in /v1\?"),
            ]
        )
        n_odd += run_whole(url, "pairs", KEY, r"of 12 samples")
    python = make_environment(folder / "transformers", "fastapi", "uvicorn", "accelerate", sees_ours=True)
    model = str((folder / "tiny-random").resolve())
    subprocess.run([python, "-c", TINY_MODEL, model], check=True, capture_output=True)
    start = [str(python), "-m", "transformers.cli.transformers", "serve", model, "--host", "127.0.0.1"]
    print("transformers serve, a tiny model with random weights")
    with serving(
        [*start, "--device", "cpu", "--port", str(TRANSFORMERS_PORT)], TRANSFORMERS_PORT, folder / "transformers.log"
    ) as url:
        n_odd += check(
            [
                (url, model, "", "delimited", r"answered: length, 20 tokens"),
                (url, model, "", "json", r"answered: length, 20 tokens"),
                (url, "nobody/nothing", "", "delimited", r"stops: .*nobody/nothing"),
                (url.removesuffix("/v1") + "/v2", model, "", "delimited", r"stops: .*does it end in /v1\?"),
            ]
        )
        n_odd += run_whole(url, model, "", r"of 12 samples")
    raise SystemExit(1 if n_odd else 0)


if __name__ == "__main__":
    main()
