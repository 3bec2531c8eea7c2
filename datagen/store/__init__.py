"""The run folder on disk: append-only facts that survive a kill, whole files written beside and renamed."""

from __future__ import annotations

from datagen.store.append_log import FactLog, add_decision, read_decisions, read_facts, told_damage
from datagen.store.folder import RunFolder, cache_path, fingerprint, load_cache, save_cache, write_whole
from datagen.store.key_index import JudgementStore, ReplyStore, ScoreStore, VectorStore, stored_replies, take_in_replies

__all__ = [
    "FactLog",
    "JudgementStore",
    "ReplyStore",
    "RunFolder",
    "ScoreStore",
    "VectorStore",
    "add_decision",
    "cache_path",
    "fingerprint",
    "load_cache",
    "read_decisions",
    "read_facts",
    "save_cache",
    "stored_replies",
    "take_in_replies",
    "told_damage",
    "write_whole",
]
