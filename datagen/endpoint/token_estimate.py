"""Token estimate: about how many tokens a text, a picture or a request is, without any model's vocabulary.

A byte-pair vocabulary cuts text into words, digits, signs and breaks first, and most of these pieces are one
token. So the pieces are counted, with a few coefficients fitted by least squares to the counts of four vocabularies
(o200k, cl100k, DeepSeek's, Claude's) over prompts and contexts; ``benchmarks/tokens.py`` holds them against real ones.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from datagen.records import Message, Request

TOKENS_PER_MESSAGE = 4  # role and marks, in OpenAI's chat form
TOKENS_OF_ANSWER_START = 3
TOKENS_OF_JSON_SCHEMA = 70


class TokensPer(Struct, frozen=True):
    """The coefficients: how many tokens each kind of piece comes to."""

    word: float = 1.01
    long_letter: float = 0.15  # of an ASCII word, beyond so many letters:
    long_from: int = 7
    foreign_letter: float = 0.45  # Latin with accents, Cyrillic, Arabic, ...
    cjk_letter: float = 0.95
    digits: float = 1.03  # for each three digits that stand together
    signs: float = 0.97  # for each run of signs
    foreign_sign: float = 1.15
    line_break: float = 1.05
    space: float = 1.1  # of those that stand alone; most belong to the word behind them


PER = TokensPer()

_PIECE = re.compile(
    r"[^\w\r\n]?(?P<word>[A-Za-z]+(?![^\W\d_]))"
    r"|[^\w\r\n]?(?P<foreign>[^\W\d_]+)"
    r"|(?P<digits>\d+)"
    r"|[ ]?(?P<signs>(?:[^\s\w]|_)+)[\r\n]*"
    r"|(?P<breaks>\s*[\r\n]+)"
    r"|(?P<space>\s+)"
)
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")


def count_tokens(text: str) -> float:
    """Estimate the tokens of a text.

    Returns:
        Within 3 % of OpenAI's vocabularies over many English prompts and contexts, within 10 % for nearly each;
        other languages may be off by a half.
    """
    n_tokens = 0.0
    for piece in _PIECE.finditer(text):
        kind = piece.lastgroup or "space"
        n_tokens += _tokens_of(kind, piece[kind])
    return n_tokens


def _tokens_of(kind: str, piece: str) -> float:
    if kind == "word":
        return PER.word + PER.long_letter * max(0, len(piece) - PER.long_from)
    if kind == "digits":
        return PER.digits * -(-len(piece) // 3)
    if kind == "signs":
        return PER.signs if piece.isascii() else PER.foreign_sign * sum(not sign.isascii() for sign in piece)
    if kind == "foreign":
        n_cjk = len(_CJK.findall(piece))
        return max(1.0, PER.cjk_letter * n_cjk + PER.foreign_letter * (len(piece) - n_cjk))
    return PER.line_break if kind == "breaks" else PER.space


def count_prompt(request: Request, model: str = "") -> tuple[float, float]:
    """Estimate the tokens of a request's messages, and of its picture where it shows one.

    Args:
        request: What is asked.
        model: Which counts pictures in its own way.

    Returns:
        All of them, and those of the messages before the last, which are the same for every request of a type.
    """
    n_constant = _count_constant(request.messages[:-1])
    if request.reply_format == "json":
        n_constant += TOKENS_OF_JSON_SCHEMA
    n_last = count_messages(request.messages[-1:]) + TOKENS_OF_ANSWER_START
    if request.image_detail is not None:
        n_last += picture_tokens(*request.picture_px, request.image_detail, model)
    return n_constant + n_last, n_constant


def count_messages(messages: tuple[Message, ...]) -> float:
    """Estimate the tokens of messages, without the start of an answer."""
    return sum(count_tokens(message.content) + TOKENS_PER_MESSAGE for message in messages)


_count_constant = lru_cache(maxsize=64)(count_messages)

MAX_TOKENS_PER_PICTURE, MAX_TOKENS_PER_TILE, TILE_PX = 2833, 5667, 512
"""What gpt-4o-mini bills for a picture, and for each tile of it (https://platform.openai.com/docs/guides/images-vision):
more than any other model whose count is published; gpt-4o bills a thirty-third, Qwen2.5-VL a twentieth."""


def most_picture_tokens(width_px: int, height_px: int) -> int:
    """Estimate how many tokens a picture is at most."""
    n_tiles = -(-width_px // TILE_PX) * -(-height_px // TILE_PX)
    return MAX_TOKENS_PER_PICTURE + MAX_TOKENS_PER_TILE * n_tiles


def picture_tokens(width_px: int, height_px: int, detail: str, model: str) -> float:
    """Estimate how many tokens a picture is to a model, by OpenAI's formula of tiles where it is not known better.

    A picture is fitted into 2,048 pixels, its shorter side into 768, and cut into tiles of 512: 85 tokens and 170 a
    tile for gpt-4o, ``MAX_TOKENS_PER_PICTURE`` and ``MAX_TOKENS_PER_TILE`` for gpt-4o-mini. Other small models of
    OpenAI count patches of 32 pixels, up to 2.46 tokens each; Qwen-VL and the like a token for 28 times 28 pixels.

    Args:
        width_px: As it is sent; 0 where that is not known, which counts as 1,024 times 768.
        height_px: As it is sent.
        detail: ``low`` is one tile's worth to OpenAI, whatever the size.
        model: As the endpoint calls it.
    """
    width, height = (width_px, height_px) if width_px and height_px else (1024, 768)
    is_openai = re.match(r"(?:openai/)?(?:gpt|chatgpt|o\d)", model) is not None
    per_picture, per_tile = (MAX_TOKENS_PER_PICTURE, MAX_TOKENS_PER_TILE) if "gpt-4o-mini" in model else (85, 170)
    if is_openai and detail == "low":
        return per_picture
    if is_openai and "gpt-4o" not in model and ("mini" in model or "nano" in model):
        return 2.46 * min(1536, -(-width // 32) * -(-height // 32))
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    n_tiles = -(-round(width * scale) // TILE_PX) * -(-round(height * scale) // TILE_PX)
    n_tokens = float(per_picture + per_tile * n_tiles)
    return n_tokens if is_openai else max(n_tokens, width * height / 28**2)
