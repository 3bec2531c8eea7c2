"""Looks come in; chances stream out of a vision model that is served elsewhere, by vLLM, SGLang or another.

A probe is asked as a question with the picture beside it. Where the endpoint tells how likely other words were,
the chances come from the first word that tells the answers apart; elsewhere they are read off the reply.
Threads wait for the network, retries are the openai client's own.
"""

from __future__ import annotations

import base64
import io
import os
import re
import threading
from collections import deque
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any

import msgspec
from openai import APIConnectionError, APIStatusError, OpenAI, OpenAIError
from PIL import Image

from datagen.config import ENDPOINT, ValidatorSettings, digest_of, endpoint_of
from datagen.errors import ValidatorError
from datagen.records import Probe, ProbeScore, Score
from datagen.validator.completions import Choice, Completion, read_chances
from datagen.validator.models.family import Named
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, open_picture, score_key

MAX_SIDE_PX = 1024  # what served models scale down to at most, about; 200 KB a picture over the wire
_JPEG_QUALITY = 90
_TOP = 20  # the most that vLLM and OpenAI tell by default
_PROBE_TOKENS = 8
_ANSWER_TOKENS = 512
_TRIES = 3  # for replies that are none; the client retries what failed on the way
_RETRIES = 6
_TIMEOUT_S = 300.0
_MAX_WORDS = 300
_KEY_LIKE = re.compile(r"\bsk-[\w*.-]+|\b(?i:bearer)\s+\S+")


class _UnusableError(Exception):
    """One question that the endpoint does not answer, while others go on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class EndpointValidator:
    """Asks a served model; see ``protocol.Validator``.

    Args:
        settings: Uses ``name`` (``endpoint:URL#MODEL``), ``api_key_env`` and ``concurrency``.

    Raises:
        ValidatorError: The key cannot be used, or without a model's name the endpoint cannot tell it.
    """

    def __init__(self, settings: ValidatorSettings) -> None:
        self._url, model = endpoint_of(settings.name)
        self._key_env = settings.api_key_env
        self._key = os.environ.get(settings.api_key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise ValidatorError(f"The key in {self._key_env} holds characters that no key has; copy it again.")
        # Servers of one's own need no key, the client wants one.
        self._client = OpenAI(api_key=self._key or "none", base_url=self._url, max_retries=_RETRIES, timeout=_TIMEOUT_S)
        self._n_at_once = settings.concurrency
        self._has_answered = threading.Event()
        self._tells_logprobs = True
        self._model = model or self._only_model()
        self.identity = f"endpoint-{digest_of([self._url, self._model, MAX_SIDE_PX])}"
        self.abilities = Abilities(texts=False, blanks=False)
        self.n_readers = 4

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Ask every probe that is not known; texts and blank pictures are passed over."""
        waiting: deque[Future[Score | Fault]] = deque()
        with ThreadPoolExecutor(self._n_at_once) as pool:
            try:
                for question in self._questions(looks, load_picture, known):
                    if isinstance(question, Fault):
                        yield question
                        continue
                    waiting.append(pool.submit(self._judge, *question))
                    if len(waiting) >= 2 * self._n_at_once:  # few pictures are held, and no worker idles
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _questions(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str]
    ) -> Iterator[tuple[Look, Probe, str] | Fault]:
        for name, at_picture in groupby(looks, key=lambda look: look.picture):
            probes = [
                (look, item)
                for look in at_picture
                for item in look.items
                if isinstance(item, Probe) and not look.is_blank and score_key(self.identity, look, item) not in known
            ]
            if not probes:
                continue
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                yield picture
                continue
            url = as_data_url(picture)
            yield from ((look, probe, url) for look, probe in probes)

    def _judge(self, look: Look, probe: Probe, picture_url: str) -> Score | Fault:
        options = ", ".join(probe.answers[:-1]) + f" or {probe.answers[-1]}"
        question = f"{probe.question} Answer only with {options}."
        try:
            choice = self._ask(question, picture_url, _PROBE_TOKENS, wants_logprobs=True)
        except _UnusableError as error:
            return Fault(look.picture, error.reason, str(error), probe)
        chances = read_chances(choice, probe.answers)
        if chances is None:
            words = self._shown(choice.message.content or "nothing")
            return Fault(look.picture, "unscorable_text", f"to '{question}' the endpoint said: {words}", probe)
        return ProbeScore(score_key(self.identity, look, probe), look.picture, chances)

    def answer(self, picture: Image.Image, question: str) -> str:
        """Ask one free question about one picture.

        Raises:
            ValidatorError: No answer comes.
        """
        try:
            choice = self._ask(question, as_data_url(picture), _ANSWER_TOKENS, wants_logprobs=False)
        except _UnusableError as error:
            raise ValidatorError(f"{self._url}: {error}.") from None
        return (choice.message.content or "").strip()

    def _ask(self, question: str, picture_url: str, max_tokens: int, *, wants_logprobs: bool) -> Choice:
        content = [{"type": "image_url", "image_url": {"url": picture_url}}, {"type": "text", "text": question}]
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens,
            "temperature": 0.0,
        }
        for _ in range(_TRIES):
            tells = wants_logprobs and self._tells_logprobs
            asked = {**body, "logprobs": True, "top_logprobs": _TOP} if tells else body
            try:
                content_bytes = self._client.post("/chat/completions", cast_to=bytes, body=asked)
                choice = msgspec.json.decode(content_bytes, type=Completion).choices[0]
            except OpenAIError as error:
                if tells and isinstance(error, APIStatusError) and "logprobs" in str(error.body):
                    self._tells_logprobs = False
                    continue
                raise self._meaning_of(error) from None
            except (ValueError, IndexError, msgspec.MsgspecError):
                continue
            self._has_answered.set()
            return choice
        raise _UnusableError("garbled", f"{_TRIES} replies were no chat completions")

    def _meaning_of(self, error: OpenAIError) -> Exception:
        """What an error of the client means: for the run (``ValidatorError``), or for this question alone."""
        if isinstance(error, APIStatusError):
            words = self._shown(_words_of(error.body) or str(error))
            status = error.status_code
            if status == 401 or (status == 403 and not self._has_answered.is_set()):
                return ValidatorError(f"{self._url} does not accept the key in {self._key_env} ({status}: {words}).")
            if status == 402:
                return ValidatorError(f"{self._url} says that the quota is used up ({words}).")
            if status == 404:
                return ValidatorError(f"{self._url} has no model '{self._model}', or does not end in /v1 ({words}).")
            return _UnusableError(
                "gave_up" if status in (408, 409, 429) or status >= 500 else "request_rejected", f"{status} {words}"
            )
        words = self._shown(str(error))
        if isinstance(error, APIConnectionError) and not self._has_answered.is_set():
            return ValidatorError(
                f"Nothing answers at {self._url} ({words}). Does the server run? Is the address right?"
            )
        return _UnusableError("gave_up", words)

    def _only_model(self) -> str:
        """The model that the endpoint serves, when it serves one."""
        try:
            names = [model.id for model in self._client.models.list().data]
        except OpenAIError as error:
            raise _as_validator_error(self._url, self._meaning_of(error)) from None
        except (AttributeError, TypeError, ValueError):
            names = []
        if len(names) != 1:
            held = f"it serves {', '.join(names[:5])}" if names else "it lists none"
            raise ValidatorError(f"{self._url}: {held}; name a model, as in --validator endpoint:{self._url}#MODEL.")
        return str(names[0])

    def _shown(self, text: str) -> str:
        """Text fit for a message: one line, bounded, no keys."""
        text = text.replace(self._key, "[key]") if self._key else text
        text = " ".join(_KEY_LIKE.sub("[key]", text).split()).rstrip(".")
        return text if len(text) <= _MAX_WORDS else text[: _MAX_WORDS - 1] + "…"


def _as_validator_error(url: str, error: Exception) -> ValidatorError:
    return error if isinstance(error, ValidatorError) else ValidatorError(f"{url}: {error}.")


def _words_of(body: object) -> str:
    if isinstance(body, dict):
        return str(body.get("message") or body.get("detail") or body.get("error") or body)
    return str(body or "")


def as_data_url(picture: Image.Image) -> str:
    """A picture as the text that goes into a request: JPEG, at most ``MAX_SIDE_PX`` on its longer side."""
    shown = picture.convert("RGB")
    shown.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    file = io.BytesIO()
    shown.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


SERVED = Named(
    answers_to=lambda name: name.startswith(ENDPOINT), open=EndpointValidator, open_answerer=EndpointValidator
)
