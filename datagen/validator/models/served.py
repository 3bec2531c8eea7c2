"""A served vision-language model as a validator: looks go to vLLM, SGLang or another endpoint, probabilities come back.

A probe is asked as a question with the picture beside it. Where the endpoint tells how likely other words were,
the chances come from the first word that tells the answers apart; elsewhere they are read off the reply.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Coroutine, Iterator, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from PIL import Image

from datagen.config import ENDPOINT, ValidatorSettings, digest_of, endpoint_of
from datagen.endpoint.budget import Payment
from datagen.endpoint.call import Call, billed_choice
from datagen.endpoint.chat_completion import CompletionChoice
from datagen.endpoint.error_translation import HttpAnswer, PassingError, RecordError, StoppedError, is_for_good
from datagen.endpoint.loop_thread import LoopThread
from datagen.endpoint.target import Target
from datagen.endpoint.token_estimate import count_tokens, most_picture_tokens
from datagen.errors import DatagenError, ValidatorError
from datagen.records import NoScore, Probe, ProbeScore, Score
from datagen.validator.models.family import Named
from datagen.validator.protocol import Abilities, Fault, LoadPicture, Look, open_picture, score_key
from datagen.words import NUMBER_WORDS

if TYPE_CHECKING:
    from datagen.endpoint.client import EndpointClient


_FLOOR = 1e-4  # chance of an answer that was not among the words told
_ENOUGH = 0.5
"""Share of belief that must lie on words which begin answers, where the word that was said begins none: of "The dog is
on the left" the first word could have been "Right" with 0.3 %, which tells nothing of the dog."""
_THINKS = r"(?:think|thinking|thoughts?|reason|reasoning)"
_THOUGHT = re.compile(rf"[<◁\[]{_THINKS}[>▷\]].*?(?:[<◁\[]/{_THINKS}[>▷\]]|\Z)", re.DOTALL | re.IGNORECASE)
_ENDED = re.compile(rf"\A.*(?:[<◁\[]/{_THINKS}[>▷\]]|<\|channel\|>final<\|message\|>)", re.DOTALL | re.IGNORECASE)
"""Kimi's ◁think▷, Mistral's [THINK] and gpt-oss's channels reach us where a server does not take them out."""
_SAME = {**{str(n): word for n, word in enumerate(NUMBER_WORDS)}, "top": "upper", "bottom": "lower"}
"""Words that models say for those of our answers."""
_SAME_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(_SAME)})(?!\w)")


class Alternative(Struct):
    """A token that could have stood at a place, with its log-probability in nats."""

    token: str
    logprob: float


class Token(Struct):
    """A token that was said, and the likeliest ones at its place."""

    token: str
    logprob: float = 0.0
    top_logprobs: list[Alternative] = []


class Logprobs(Struct):
    """What the endpoint tells of the words of its reply."""

    content: list[Token] | None = None


def read_chances(choice: CompletionChoice, answers: tuple[str, ...]) -> tuple[float, ...] | None:
    """How a model shares belief among the answers that it was given.

    Returns:
        One chance per answer, together 1; None when the reply names none of them.
    """
    weights = _weights_from_words(_tokens_of(choice), answers) or _weights_from_reply(choice.message.text, answers)
    if weights is None:
        return None
    weights = [max(weight, _FLOOR) for weight in weights]
    return tuple(round(weight / sum(weights), 6) for weight in weights)


def _tokens_of(choice: CompletionChoice) -> Sequence[Token]:
    """What is told of the words; nothing where the server tells it in a form of its own."""
    try:
        told = msgspec.convert(choice.logprobs, Logprobs | None)
    except msgspec.ValidationError:
        return ()
    return (told.content if told else None) or ()


def _weights_from_words(tokens: Sequence[Token], answers: tuple[str, ...]) -> list[float] | None:
    """Follow the words that were said, and share belief wherever words tell answers apart; None when none does."""
    weights = [0.0] * len(answers)
    belief, alive, said = 1.0, tuple(range(len(answers))), ""
    for token in tokens:
        shares: defaultdict[tuple[int, ...], float] = defaultdict(float)
        for alternative in token.top_logprobs:
            shares[_meant(said + alternative.token, answers, alive)] += math.exp(min(0.0, alternative.logprob))
        shares.pop((), None)  # words that begin no answer
        total = sum(shares.values())
        if not total:  # -9999 stands for what a server holds impossible
            shares.clear()
        chosen = _meant(said + token.token, answers, alive)
        if not chosen and total < _ENOUGH:
            return None
        goes_on = len(chosen) > 1
        for meant, share in shares.items():
            for n in () if goes_on and meant == chosen else meant:
                weights[n] += belief * share / total / len(meant)
        if not goes_on:
            return weights if any(weights) else None
        belief *= shares[chosen] / total if total else 1.0
        alive, said = chosen, said + token.token
    if len(alive) == len(answers):
        return None
    for n in alive:
        weights[n] += belief / len(alive)
    return weights


def _meant(text: str, answers: tuple[str, ...], alive: tuple[int, ...]) -> tuple[int, ...]:
    """The answers that a text may be the beginning of; one alone when it is that answer ("one", "one hundred")."""
    begun = _plain(text)
    exact = tuple(n for n in alive if _plain(answers[n]) == begun)
    return exact or tuple(n for n in alive if _begin_alike(begun, _plain(answers[n])))


def _weights_from_reply(reply: str, answers: tuple[str, ...]) -> list[float] | None:
    """Nearly 1 for the answer that the reply names first, the longest where two begin alike."""
    found: list[tuple[int, int, int]] = []
    told = _in_our_words(_ENDED.sub("", _THOUGHT.sub("", reply)))
    for n, answer in enumerate(answers):
        place = re.search(rf"(?<!\w){re.escape(answer.lower())}(?!\w)", told)
        if place:
            found.append((place.start(), -len(answer), n))
    if not found:
        return None
    named = min(found)[2]
    return [0.99 if n == named else 0.01 / max(1, len(answers) - 1) for n in range(len(answers))]


def _plain(text: str) -> str:
    return _in_our_words(text.strip(" \n\t\"'*.:"))


def _in_our_words(text: str) -> str:
    """Small letters, and "2" as "two", "bottom-right" as "lower right"."""
    return _SAME_WORD.sub(lambda word: _SAME[word[0]], text.lower().replace("-", " "))


def _begin_alike(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


MAX_SIDE_PX = 1024  # what served models scale down to at most, about; 200 KB a picture over the wire
_JPEG_QUALITY = 90
_TOP = 20  # the most that vLLM and OpenAI tell by default
_PROBE_TOKENS = 8
_THINKING_TOKENS = 2048  # for a model that was cut off before it named an answer
_HOPELESS = 32
"""So many questions in vain, with none before that was of use, end a run: the rest would be paid for in vain too."""
_ANSWER_TOKENS = 512
_PICTURE_TOKENS = 1000  # of most models at 1,024 pixels; only reserves tokens, the endpoint's own count replaces it


class SentPicture(msgspec.Struct, frozen=True):
    """A picture as it is sent.

    Attributes:
        url: JPEG as a data URL, at most ``MAX_SIDE_PX`` on its longer side.
        most_tokens: That it may be billed for.
    """

    url: str
    most_tokens: int


class PictureCall(Call[CompletionChoice]):
    """A question about a picture on its way to its answer."""

    def __init__(self, model: str, question: str, sent: SentPicture, max_tokens: int, *, wants_logprobs: bool) -> None:
        super().__init__()
        content = [{"type": "image_url", "image_url": {"url": sent.url}}, {"type": "text", "text": question}]
        self._fields: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": max_tokens,
            "temperature": 0.0,
        }
        self._logprobs = {"logprobs": True, "top_logprobs": _TOP} if wants_logprobs else {}
        self._question, self._sent, self._max_tokens = question, sent, max_tokens

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON."""
        fields = {**self._fields, **({} if "logprobs" in refused else self._logprobs)}
        if "max_tokens" in refused:
            fields["max_completion_tokens"] = fields.pop("max_tokens")
        return {name: value for name, value in fields.items() if name != "temperature" or name not in refused}

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """JSON in one piece."""
        return (msgspec.json.encode(fields),)

    def read(self, content: bytes, shown: Callable[[str], str]) -> CompletionChoice:
        """Take the first choice out of a completion."""
        return billed_choice(self, content, shown)

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """As most models count pictures."""
        return _PICTURE_TOKENS + len(self._question) / 4 + self._max_tokens

    def most_tokens(self) -> tuple[float, int]:
        """As the dearest model counts pictures."""
        return self._sent.most_tokens + count_tokens(self._question), self._max_tokens


def target_of(settings: ValidatorSettings, model: str | None = None) -> Target:
    """Whom a served validator asks.

    Args:
        settings: Uses ``name``.
        model: In place of the one that ``name`` tells.
    """
    url, told = endpoint_of(settings.name)
    model = told or "" if model is None else model
    return Target(settings=settings, model=model, base_url=url, option="the address", error=ValidatorError)


class ServedValidator:
    """Asks a served model; see ``protocol.Validator``.

    Args:
        settings: Uses ``name`` (``endpoint:URL#MODEL``) and all that says how hard it may be asked.

    Raises:
        ValidatorError: The key cannot be used, or without a model's name the endpoint cannot tell it.
    """

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings, self._payment = settings, Payment()
        self._url, model = endpoint_of(settings.name)
        self._probe_tokens = _PROBE_TOKENS
        self._n_useful, self._in_vain = 0, Counter[str]()
        self._loop = LoopThread()
        self._client: EndpointClient | None = None
        self._model = model or ""
        if model:
            self._open()
        else:
            self._model = self._only_model()
        self.identity = f"endpoint-{digest_of([self._url, self._model, MAX_SIDE_PX])}"
        self.abilities = Abilities(texts=False, blanks=False)
        self.n_readers = 4

    def pay_by(self, payment: Payment) -> None:
        """Have questions paid for out of a run's budget, and their bills kept."""
        self._payment, self._client = payment, None

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Any picture will do."""

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Ask every probe that is not known; texts and blank pictures are passed over.

        Whatever was answered is given before an error is raised, as it is paid for.

        Raises:
            ValidatorError: No question can succeed.
            BudgetError: The budget is used up.
        """
        client, failure = self._client or self._open(), None

        def work() -> Iterator[Coroutine[Any, Any, Score | Fault]]:
            for question in self._questions(looks, load_picture, known):
                if failure is not None:
                    return
                yield _given(question) if isinstance(question, Fault) else self._judge(client, *question)

        # Twice as many as are asked at once: few pictures are held, and none waits for the next to be opened.
        with closing(self._loop.ended(work(), 2 * self._settings.concurrency)) as ended:
            for future in ended:
                try:
                    yield (found := future.result())
                    self._require_use(found)
                except StoppedError:
                    continue
                except DatagenError as error:  # raised at the end: others in flight are paid for
                    failure = failure or error
                    self._loop.call(client.stop)
        if failure is not None:
            self._client = None  # it has stopped
            raise failure

    def _require_use(self, found: Score | Fault) -> None:
        """Count what came of a question.

        Raises:
            ValidatorError: None of the first was of use.
        """
        if isinstance(found, Fault) and found.item is None:  # a picture that cannot be opened asked nothing
            return
        if not isinstance(found, Fault | NoScore):
            self._n_useful += 1
            return
        self._in_vain[found.reason] += 1
        n_in_vain = self._in_vain.total()
        if n_in_vain >= _HOPELESS and not self._n_useful:
            reasons = ", ".join(f"{reason} {n}" for reason, n in self._in_vain.most_common())
            raise ValidatorError(
                f"{self._url}: none of {n_in_vain} questions brought an answer that can be used ({reasons}; the last: "
                f"{found.detail}); is '{self._model}' a model with eyes?"
            )

    def _questions(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str]
    ) -> Iterator[tuple[Look, Probe, SentPicture] | Fault]:
        asked: set[str] = set()  # an image with planted errors is looked at for itself and for another
        for name, at_picture in groupby(looks, key=lambda look: look.picture):
            probes: dict[str, tuple[Look, Probe]] = {}
            for look in at_picture:
                for item in () if look.is_blank else look.items:
                    key = score_key(self.identity, look, item)
                    if isinstance(item, Probe) and key not in known and key not in asked:
                        probes[key] = look, item
            if not probes:
                continue
            asked.update(probes)
            picture = open_picture(name, load_picture)
            if isinstance(picture, Fault):
                yield picture
                continue
            sent = as_sent(picture)
            yield from ((look, probe, sent) for look, probe in probes.values())

    async def _judge(self, client: EndpointClient, look: Look, probe: Probe, sent: SentPicture) -> Score | Fault:
        options = ", ".join(probe.answers[:-1]) + f" or {probe.answers[-1]}"
        question = f"{probe.question} Answer only with {options}."
        try:
            n_tokens = self._probe_tokens
            choice = await client.ask(self._call(question, sent, n_tokens))
            chances = read_chances(choice, probe.answers)
            if chances is None and choice.finish_reason == "length" and n_tokens < _THINKING_TOKENS:
                self._probe_tokens = _THINKING_TOKENS  # it thinks first, and will again
                choice = await client.ask(self._call(question, sent, _THINKING_TOKENS))
                chances = read_chances(choice, probe.answers)
        except RecordError as error:
            if is_for_good(error.code):  # a fact, so that no later start asks it again
                return NoScore(score_key(self.identity, look, probe), look.picture, error.code, str(error))
            return Fault(look.picture, error.code, str(error), probe)
        except PassingError as error:
            return Fault(look.picture, "garbled" if error.code == "garbled" else "gave_up", str(error), probe)
        key = score_key(self.identity, look, probe)
        if chances is None:
            words = client.errors.shown(choice.message.text or "nothing")
            return NoScore(key, look.picture, "unreadable_answer", f"to '{question}' the endpoint said: {words}")
        return ProbeScore(key, look.picture, chances)

    def _call(self, question: str, sent: SentPicture, n_tokens: int) -> PictureCall:
        return PictureCall(self._model, question, sent, n_tokens, wants_logprobs=True)

    def answer(self, picture: Image.Image, question: str) -> str:
        """Ask one free question about one picture.

        Raises:
            ValidatorError: No answer comes.
        """
        client = self._client or self._open()
        call = PictureCall(self._model, question, as_sent(picture), _ANSWER_TOKENS, wants_logprobs=False)
        try:
            return self._loop.run(client.ask(call)).message.text.strip()
        except (PassingError, RecordError) as error:
            raise _failed(self._url, error) from None
        except DatagenError:
            self._client = None  # it has stopped
            raise

    def _open(self) -> EndpointClient:
        from datagen.endpoint.client import EndpointClient  # it loads the openai client

        account = self._payment.account(self._model, ValidatorError)
        self._client = EndpointClient(self._target(), "chat/completions", account, self._payment.keep)
        self._loop.at_end(self._client.close)
        return self._client

    def _target(self) -> Target:
        return target_of(self._settings, self._model)

    def _only_model(self) -> str:
        """The model that the endpoint serves, when it serves one."""
        from datagen.endpoint.first_contact import ask_for_models, names_in

        came, reader = self._loop.run(ask_for_models(self._target(), timeout_s=self._settings.timeout_s))
        if not isinstance(came, HttpAnswer) or came.status != 200:
            meaning = reader.meaning_of(came)
            if isinstance(meaning, PassingError) and meaning.code == "unreachable":
                meaning = reader.nobody_answers(str(meaning))
            raise (meaning if isinstance(meaning, ValidatorError) else _failed(self._url, meaning))
        names = names_in(came.content)
        if len(names) != 1:
            held = f"it serves {', '.join(names[:5])}" if names else "it lists none"
            raise ValidatorError(f"{self._url}: {held}; name a model, as in --validator endpoint:{self._url}#MODEL.")
        return str(names[0])


async def _given(fault: Fault) -> Fault:
    return fault


def _failed(url: str, error: Exception) -> ValidatorError:
    return ValidatorError(f"{url}: {error}.")


def as_sent(picture: Image.Image) -> SentPicture:
    """Make a picture ready to be sent."""
    small = picture.convert("RGB")
    small.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    url = f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
    return SentPicture(url, most_picture_tokens(*small.size))


SERVED = Named(answers_to=lambda name: name.startswith(ENDPOINT), open=ServedValidator, open_answerer=ServedValidator)
