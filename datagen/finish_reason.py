"""Finish reasons: how an answer ended, from the word that its endpoint has for it; only known good ends are whole.

Every server has words of its own, and adds to them: an unknown one is an end that is missing.
"""

from __future__ import annotations

from typing import Literal

End = Literal["whole", "truncated", "content_filter", "failed"]
"""``truncated`` ran into a limit or ended nobody knows how, ``failed`` broke off at the server's own fault."""

_WORDS: dict[End, str] = {
    # OpenAI, vLLM, llama.cpp, Ollama; TGI, Together; Anthropic; Cohere; Gemini; ERNIE
    "whole": "stop eos eos_token stop_sequence end_turn complete completed finished normal finish_reason_stop",
    "truncated": (
        "length max_tokens max_output_tokens model_length token_limit context_length context_window_exceeded "
        "model_context_window_exceeded finish_reason_max_tokens"
    ),
    "content_filter": (
        "content_filter content_filtered safety recitation blocklist prohibited_content spii sensitive guardrail "
        "guardrail_intervened refusal"
    ),
    # DeepSeek, OpenRouter, Mistral; vLLM, SGLang; Zhipu
    "failed": (
        "error abort aborted cancelled canceled timeout insufficient_system_resource network_error server_error "
        "engine_error user_cancel unload"
    ),
}
_ENDS: dict[str, End] = {word: end for end, words in _WORDS.items() for word in words.split()}


def end_of(finish_reason: str | None) -> End:
    """Say how an answer ended.

    Args:
        finish_reason: As the endpoint gave it, in any case; where it gives none, the text is taken at its word.
    """
    return _ENDS.get(_word(finish_reason or "stop"), "truncated")


def is_known_as_unfinished(finish_reason: str) -> bool:
    """Whether a word is one of those for an answer that is not whole."""
    return _ENDS.get(_word(finish_reason), "whole") != "whole"


def _word(finish_reason: str) -> str:
    return finish_reason.strip().lower().replace("-", "_").replace(" ", "_")
