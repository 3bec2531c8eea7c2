"""What a worker and the cluster's gate tell each other: one message each way for all requests of a moment."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

Ending = Literal["teacher", "budget", "fenced"]
"""Why nothing more is sent: no request can succeed, no money is left, or another worker has the shard."""


class Ended(Struct, frozen=True, array_like=True):
    """A request that has ended, and what its limiter has to hear of it.

    Attributes:
        ticket: The worker's number for it.
        outcome: None where neither an answer nor a refusal came.
        n_tokens: Used, by the endpoint's own count; None where it says nothing.
        retry_after_s: Of a refusal, where the endpoint asks for a pause.
        headers: Those of the answer that tell limits.
    """

    ticket: int
    outcome: Literal["answered", "refused"] | None = None
    n_tokens: int | None = None
    retry_after_s: float | None = None
    headers: dict[str, str] = {}


class Money(Struct, frozen=True, array_like=True):
    """A worker's purse, in US dollars.

    Attributes:
        limit: What it may spend in all; it lowers this itself to give money back.
        spent: Of that, what the shard's stored replies cost included.
        held: Set aside for requests in flight.
        lost: Of ``spent``, for answers that never came.
        wanted: By all requests that wait for money.
        least: By the cheapest of them.
    """

    limit: float
    spent: float
    held: float
    lost: float = 0.0
    wanted: float = 0.0
    least: float = 0.0


class Notes(Struct, frozen=True, array_like=True):
    """From a worker to the gate.

    Attributes:
        shard: Which shard it works on, from 1.
        attempt: Which try at that shard it is; the gate heeds the latest alone.
        is_whole: The message tells all there is, and takes the place of what the gate knew.
        wants: Ticket and tokens of each request that would go now.
        in_flight: Ticket and tokens of requests on their way; only in a whole message.
        is_leaving: The worker asks for nothing further.
    """

    shard: int
    attempt: int
    is_whole: bool = False
    wants: tuple[tuple[int, float], ...] = ()
    in_flight: tuple[tuple[int, float], ...] = ()
    ended: tuple[Ended, ...] = ()
    money: Money | None = None
    is_leaving: bool = False


class Word(Struct, frozen=True, array_like=True):
    """From the gate to a worker.

    Attributes:
        is_unknown: The gate does not know this worker (any more); it should tell all there is.
        granted: Tickets that may be sent.
        most_at_once: Tickets that the worker should have waiting or in flight at most.
        again_in_s: When to ask again.
        added_usd: Money added to the worker's limit.
        is_scarce: Others wait for money: what is not set aside should be given back.
        ending: Why nothing more may be sent, with the sentence that says so.
    """

    is_unknown: bool = False
    granted: tuple[int, ...] = ()
    most_at_once: int = 1
    again_in_s: float = 0.02
    added_usd: float = 0.0
    is_scarce: bool = False
    ending: tuple[Ending, str] | None = None


encode = msgspec.msgpack.Encoder().encode
decode_notes = msgspec.msgpack.Decoder(Notes).decode
decode_word = msgspec.msgpack.Decoder(Word).decode
