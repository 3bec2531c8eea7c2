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
from urllib.parse import quote, unquote, urlsplit

MASK = "[key]"
SHORT = 8
"""Characters below which a secret is cut out as a whole word only: a key may be 'none', and words hold it."""

_ADDRESS = re.compile(r"https?://[^\s\"'<>]{1,2000}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Each repetition is bounded, so that a hostile text costs no more than its length.
_VALUE = r"[^\s\"'`,;&<>\\]+"
_NAMED = (
    r"(?:[\w-]{0,40}api[-_ ]?key(?: provided)?|(?:proxy-)?authorization"
    r"|(?:[\w-]{0,40}[-_])?(?:auth|access|session)[-_]?token|[\w-]{0,40}passw(?:or)?d"
    r"|[\w-]{0,40}secret(?:[-_]access)?(?:[-_]key)?|(?:set-)?cookie"
    r"|passphrase|[a-z][\w-]{0,60}[-_](?:key|token|signature))"
)
_OF_PROVIDERS = re.compile(
    r"\bsk-[\w*.…-]+|\b(?:gsk|hf|xai|r8|ghp|gho|github_pat|glpat)[-_]\w{16,}"
    r"|\bAIza[\w-]{20,}|\bA[KS]IA\w{12,}|\beyJ[\w-]{8,2000}\.[\w-]+(?:\.[\w-]*)?"
)
"""How keys of providers begin."""
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
    (_OF_PROVIDERS, MASK),
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
    return _ADDRESS.sub(lambda found: without_path_keys(found[0]), text)


def without_path_keys(address: str) -> str:
    """An address, or a text that holds one, with a mask for each part of its path that looks like a key.

    Some gateways take the key as a part of the path, such as ``https://host/v1/9f31c0…/chat``.
    """
    start, mark, rest = address.partition("://")
    host, *parts = rest.split("/")
    return start + mark + "/".join([host, *(MASK if _is_key(part) else part for part in parts)]) if mark else address


def _is_key(part: str) -> bool:
    """Whether a part of a path is a key: names of models and versions have a point, or short runs of letters."""
    part = re.split(r"[?#,;)]", part, maxsplit=1)[0]
    if _OF_PROVIDERS.fullmatch(part):
        return True
    if not re.fullmatch(r"[A-Za-z0-9_~+=-]{12,}", part):
        return False
    n_digits, n_letters = sum(map(str.isdigit, part)), sum(map(str.isalpha, part))
    longest = max(map(len, re.split(r"[^A-Za-z0-9]", part)))
    is_mixed = len(part) >= 24 and part.lower() != part != part.upper()  # base64 has both cases, and signs between
    return (n_digits >= 3 and n_letters >= 3 and (longest >= 12 or is_mixed)) or _UUID.fullmatch(part) is not None


def address_of(url: str) -> str:
    """An address fit to be shown: without login, query, fragment, and what looks like a key in its path."""
    scheme, mark, rest = url.strip().partition("://")
    try:
        parts = urlsplit(f"{scheme}{mark}{rest.rpartition('@')[2]}")  # a password may hold what ends a login
    except ValueError:
        return "an address that is none"
    return without_path_keys(f"{parts.scheme}://{parts.netloc}{parts.path}").rstrip("/")


def secrets_of(url: str) -> Iterator[str]:
    """The secrets of an address: its login, the password in it, keys in its path, the values of its query."""
    rest = url.partition("://")[2] or url
    login, at, after = rest.rpartition("@")
    if at:
        yield login
        name, _, password = login.partition(":")
        yield password or name
    path, _, query = after.partition("#")[0].partition("?")
    yield from filter(_is_key, path.split("/")[1:])
    for part in query.split("&"):
        name, _, value = part.partition("=")
        yield value or name


def _of_environment() -> Iterator[str]:
    from urllib.request import getproxies  # with http, email and ssl 25 ms of every start, for errors alone

    for url in (*getproxies().values(), os.environ.get("OPENAI_BASE_URL", "")):
        yield from filter(None, secrets_of(url))


def _forms(secret: str) -> set[str]:
    """How a secret may be written by those who quote it."""
    plain = unquote(secret)
    # A key stands for name or password of a login, too.
    logins = {login for one in (secret, plain) for login in (one, f"{one}:", f":{one}")}
    encoded = {base64.b64encode(form.encode()).decode().rstrip("=") for form in logins if len(form) >= SHORT}
    quoted = {quote(one, safe="") for one in (secret, plain)}
    return {secret, plain, html.escape(secret), *quoted, *map(str.lower, quoted), *encoded}
