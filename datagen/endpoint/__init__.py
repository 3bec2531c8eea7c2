"""Asking an OpenAI-compatible endpoint: one HTTP client, rate limiter, budget and error translation for all who ask.

The teacher, a judge over text, served validators and question embeddings ask through ``client``. ``target`` says whom
and how hard; ``http`` knows address, key and headers and carries the bytes, ``rate_limiter`` says when,
``budget`` and ``prices`` whether it can be paid, ``error_translation`` what an answer means.
"""
