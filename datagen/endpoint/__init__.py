"""Asking an OpenAI-compatible endpoint: one HTTP client, rate limiter, budget and error translation for all who ask.

The teacher, served validators and question embeddings ask through ``client``. ``target`` says whom and how hard;
``openai_client`` knows address, key and headers, ``http`` carries the bytes, ``rate_limiter`` (with
``pacing``) says when, ``budget`` and ``prices`` whether it can be paid, ``error_translation`` what an answer means.
"""
