"""YAML that a person wrote: a key that stands twice is refused, where YAML readers take the last without a word."""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

Kind = TypeVar("Kind")


class RepeatedKeyError(msgspec.DecodeError):
    """A key stands twice in one mapping."""


@overload
def decode_yaml(content: bytes, kind: type[Kind]) -> Kind: ...
@overload
def decode_yaml(content: bytes) -> Any: ...
def decode_yaml(content: bytes, kind: Any = Any) -> Any:
    """Read YAML.

    Args:
        content: UTF-8.
        kind: What it must be, as ``msgspec.convert`` takes it.

    Raises:
        RepeatedKeyError: A key stands twice.
        msgspec.DecodeError: It is no YAML.
        msgspec.ValidationError: It is something else than ``kind``.
    """
    import yaml  # 15 ms that --help can do without

    decoded = msgspec.yaml.decode(content, type=kind)
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    _require_unique_keys(yaml.compose(content, Loader=loader), "")
    return decoded


def _require_unique_keys(node: Any, above: str) -> None:
    kind = None if node is None else node.id
    if kind == "sequence":
        for one in node.value:
            _require_unique_keys(one, above)
    if kind != "mapping":
        return
    first: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.id == "scalar" and name in first:
            told = f"'{above}{name}' stands twice, in lines {first[name]} and {line}; keep one of them"
            raise RepeatedKeyError(told)
        first[name] = line
        _require_unique_keys(value, f"{above}{name}.")
