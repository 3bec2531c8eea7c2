"""The chat teacher: asks a served LLM for replies by chat completions; a request goes in, its reply comes out.

``endpoint.client`` sends, waits and tries again; here a request becomes a call, and what became of it a ``Reply``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterator
from typing import Any

from datagen.config import TeacherSettings
from datagen.endpoint.budget import Account, Budget
from datagen.endpoint.call import Call, billed_choice
from datagen.endpoint.chat_completion import EndsHeard, encode_request, request_fields, text_or_fault
from datagen.endpoint.client import EndpointClient
from datagen.endpoint.error_translation import OF_SERVERS, PassingError, RecordError, StoppedError, is_for_good
from datagen.endpoint.prices import cost_of
from datagen.endpoint.target import Target
from datagen.endpoint.token_estimate import count_prompt, picture_tokens
from datagen.errors import BudgetError, TeacherError
from datagen.records import Reply, Request, Usage
from datagen.teacher.paid import PaidError

CONTEXT_STEP, CONTEXT_MARKS = 1024, 4  # contexts are multiples of it; a few marks are counted beside
MOST_LETTERS = 7  # a token of English is 4 to 5 letters in every vocabulary in use


class ReplyCall(Call[str]):
    """A request on its way to its reply.

    Args:
        model: As the endpoint calls it.
        request: What to ask.
        ends: What the endpoint gives of how answers end; see ``EndsHeard``.
    """

    def __init__(self, model: str, request: Request, ends: EndsHeard) -> None:
        super().__init__()
        self.finish_reason: str | None = None
        self._model, self._request, self._ends = model, request, ends

    def fields(self, refused: Container[str]) -> dict[str, Any]:
        """The request's JSON."""
        return request_fields(self._model, self._request, refused)

    def encode(self, fields: dict[str, Any]) -> tuple[bytes, ...]:
        """Two pieces, the first of which all requests of a type share."""
        return encode_request(fields)

    def read(self, content: bytes, shown: Callable[[str], str]) -> str:
        """Take the text out of a completion, or raise what it says instead."""
        choice = billed_choice(self, content, shown)
        self.finish_reason = choice.finish_reason
        try:
            text = text_or_fault(choice, self._request.max_tokens, shown, self._told())
            self._ends.hear(choice.finish_reason)
        except RecordError as fault:
            if fault.code == "error_text":  # the run stops where nothing else comes
                self.made_sense = False
                raise PassingError(fault.code, str(fault)) from None
            if fault.code in ("empty_reply", "cut_short") and self.n_billed == 1:  # once more only: it is billed
                raise PassingError(fault.code, str(fault)) from None
            raise
        self._require_whole_prompt()
        return text

    def _told(self) -> Iterator[str]:
        """What a description is to speak of; other replies are known by their form."""
        if self._request.reply_format == "text":
            yield from self._request.image.captions
            yield from (box.category for box in self._request.image.boxes)

    def _require_whole_prompt(self) -> None:
        """Find a prompt that the server cut to its context without a word, as Ollama does: the answer is to half of it.

        Its count is then that of a context, 2,048 say, or of its half, and far below what the letters need.
        """
        n_told, n_letters = (
            (self.latest or Usage()).n_prompt_tokens,
            sum(len(m.content) for m in self._request.messages),
        )
        if n_told >= CONTEXT_STEP and n_told % CONTEXT_STEP <= CONTEXT_MARKS and n_letters > MOST_LETTERS * n_told:
            raise RecordError(
                "prompt_cut",
                f"the server read {n_told} tokens of a prompt of about {self.most_tokens()[0]:.0f}: start it "
                "with a longer context (OLLAMA_CONTEXT_LENGTH, --ctx-size, --max-model-len)",
            )

    def reserved_tokens(self, mean_reply_tokens: float | None) -> float:
        """The prompt by its length, at four letters of English a token, the reply like those before it."""
        request = self._request
        n_prompt = sum([len(message.content) for message in request.messages]) / 4
        if request.image_detail is not None:
            n_prompt += picture_tokens(*request.picture_px, request.image_detail, self._model)
        return n_prompt + (self._request.max_tokens if mean_reply_tokens is None else mean_reply_tokens)

    def most_tokens(self) -> tuple[float, int]:
        """The prompt, estimated, and the longest reply."""
        return count_prompt(self._request, self._model)[0], self._request.max_tokens


class ChatTeacher:
    """Any endpoint that speaks OpenAI's chat completions.

    Args:
        settings: Whom to ask, how hard, and at what price.
        sleep: Waits between two tries; tests put a recorder here.
        budget: What the run may cost; None sets no bound.

    Raises:
        TeacherError: The key is missing or unusable, or the address is not one.
        SettingsError: There is a budget but no price.
    """

    def __init__(
        self,
        settings: TeacherSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        budget: Budget | None = None,
    ) -> None:
        self.name = settings.name
        self._settings, self._ends = settings, EndsHeard()
        account = None if budget is None else Account(budget, settings.name, settings)
        self._client = EndpointClient(target_of(settings), "chat/completions", account, sleep=sleep)
        self.n_at_once, self.traffic = self._client.n_at_once, self._client.traffic

    async def answer(self, request: Request) -> Reply:
        """Ask until there is a reply, a final fault, or no try left.

        Raises:
            TeacherError: Key, model, address or quota make every request useless; ``PaidError`` where that was billed.
            BudgetError: The budget is used up.
            StoppedError: ``stop`` was called first.
        """
        call = ReplyCall(self.name, request, self._ends)
        try:
            return self._reply(request, call, text=await self._client.ask(call))
        except RecordError as error:
            # Where the server never served anything, the fault may be its own, and be mended by the next start.
            is_final = is_for_good(error.code) and (self._client.has_served or error.code not in OF_SERVERS)
            return self._reply(request, call, error=error.code, detail=str(error), is_final=is_final)
        except PassingError as error:
            detail = f"{call.n_attempts} tries, the last: {error}"
        except TeacherError as error:
            if not call.n_billed:
                raise
            reply = self._reply(request, call, error="gave_up", detail=str(error), is_final=False)
            raise PaidError(error, reply) from None
        except (BudgetError, StoppedError):
            if not call.n_billed:
                raise
            detail = f"{call.n_attempts} tries, then the run ended"  # stored, as it was paid for
        return self._reply(request, call, error="gave_up", detail=detail, is_final=False)

    def stop(self) -> None:
        """Send nothing further; requests that wait for another try end at once."""
        self._client.stop()

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    def _reply(self, request: Request, call: ReplyCall, **outcome: Any) -> Reply:
        is_billed = call.usage != Usage()
        return Reply(
            request_digest=request.digest,
            image_id=request.image.image_id,
            response_type=request.response_type,
            teacher=self.name,
            finish_reason=call.finish_reason,
            usage=call.usage,
            cost_usd=cost_of(call.usage, self.name, self._settings) if is_billed else None,
            latency_s=round(call.latency_s, 4),
            n_attempts=call.n_attempts,
            at=round(time.time(), 3),
            **{"text": "", **outcome},
        )


def target_of(settings: TeacherSettings) -> Target:
    """Whom the settings name."""
    return Target(
        settings=settings,
        model=settings.name,
        base_url=settings.base_url,
        option="--base-url",
        error=TeacherError,
        max_wait_s=settings.max_wait_s,
    )
