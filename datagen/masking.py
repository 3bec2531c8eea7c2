"""Secrets in foreign text: keys, logins and queries of addresses are cut out of whatever is shown or stored of it.

Error texts carry more than they should: aiohttp names a proxy with its password, servers quote keys in part, gateways
echo headers and the whole line of a request. ``masked`` is the one function that such text goes through: every
``DatagenError`` does so when it is made, every fault that is stored before that.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

MASK = "[key]"
SHORT = 8
"""Characters below which a secret is cut out as a whole word only: a key may be 'none', and words hold it."""

# Each repetition is bounded, so that a hostile text costs no more than its length.
_VALUE = r"[^\s\"'`,;&<>\\]+"
_NAMED = (
    r"(?:[\w-]{0,40}api[-_ ]?key(?: provided)?|(?:proxy-)?authorization"
    r"|(?:[\w-]{0,40}[-_])?(?:auth|access|session)[-_]?token|[\w-]{0,40}passw(?:or)?d"
    r"|[\w-]{0,40}secret(?:[-_]access)?(?:[-_]key)?|(?:set-)?cookie"
    r"|passphrase|[a-z][\w-]{0,60}[-_](?:key|token|signature))"
)
_PATTERNS = (
    # The login of an address, which has one slash where it was taken for a path.
    (re.compile(r"(?:(?<=[a-z\d]:/)/?|(?<![\w:/])//)[^\s\"'<>/?#]{1,400}@(?=[\w\[])"), f"/{MASK}@"),
    (re.compile(r"(?<![\w/])[\w.+%-]{1,100}:[^\s\"'<>/@]{1,100}@(?=[\w\[])"), f"{MASK}@"),  # of one without its scheme
    (re.compile(r"(?<=[?&])([\w.~%-]{1,100})=" + _VALUE), rf"\1={MASK}"),  # the query of an address
    (re.compile(r"(\w://[^\s\"'<>?]{0,400})\?[^\s\"'<>=]+(?=[\s\"'<>]|$)"), rf"\1?{MASK}"),  # one without names
    (
        re.compile(rf"(?i)\b({_NAMED}[\"']?\s{{0,9}}[:=]\s{{0,9}}(?:b?[\"'])?)(?:(?:basic|bearer|digest) +)?{_VALUE}"),
        rf"\1{MASK}",
    ),
    (
        re.compile(r"(?i)\b((?:token|signature|sig|sas|pwd|key)[\"']?\s?[:=]\s?[\"']?)(?=\S{0,60}\d)[\w.%+/=~-]{12,}"),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(\w{0,40}[a-z](?:Key|Token|Signature|Secret)[\"']?\s?[:=]\s?[\"']?)[\w.%+/=~-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"(?i)(--[\w-]{0,40}(?:key|token|secret|password)[ =])" + _VALUE), rf"\1{MASK}"),
    (re.compile(r"(?i)\bbearer[\s:=]+\S+|\bbasic\s+[\w+/=-]{8,}"), MASK),
    (re.compile(r"\bsk-[\w*.…-]+|\b(?:gsk|hf|xai|r8|ghp|gho|github_pat|glpat)[-_]\w{16,}"), MASK),  # keys of providers
    (re.compile(r"\bAIza[\w-]{20,}|\bA[KS]IA\w{12,}|\beyJ[\w-]{8,2000}\.[\w-]+(?:\.[\w-]*)?"), MASK),
)


def masked(text: str, *secrets: str | None) -> str:
    """Cut secrets out of a text: those given, those of the environment's addresses, and all that looks like one.

    Args:
        text: Anything; what is masked already stays as it is.
        secrets: Such as the key of an endpoint; None and empty ones are passed over.
    """
    for secret in sorted({*filter(None, secrets), *_of_environment()}, key=len, reverse=True):
        for form in _forms(secret):
            if len(form) < SHORT:
                text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
            else:  # servers quote the beginning of a key, with stars for the rest
                text = re.sub(rf"{re.escape(form)}|{re.escape(form[:SHORT])}[\w.-]*\*[\w*.-]*", MASK, text)
    for pattern, mask in _PATTERNS:
        text = pattern.sub(mask, text)
    return text


def address_of(url: str) -> str:
    """An address fit to be shown: without login, query and fragment."""
    scheme, mark, rest = url.strip().partition("://")
    try:
        parts = urlsplit(f"{scheme}{mark}{rest.rpartition('@')[2]}")  # a password may hold what ends a login
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def secrets_of(url: str) -> Iterator[str]:
    """The secrets of an address: its login, the password in it, the values of its query."""
    rest = url.partition("://")[2] or url
    login, at, after = rest.rpartition("@")
    if at:
        yield login
        name, _, password = login.partition(":")
        yield password or name
    for part in after.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        yield value or name


def _of_environment() -> Iterator[str]:
    for url in (*getproxies().values(), os.environ.get("OPENAI_BASE_URL", "")):
        yield from filter(None, secrets_of(url))


def _forms(secret: str) -> set[str]:
    """How a secret may be written by those who quote it."""
    plain = unquote(secret)
    basic = {base64.b64encode(form.encode()).decode() for form in (secret, plain) if ":" in form}
    return {secret, plain, html.escape(secret), *basic}
