"""YAML that anybody wrote: a key that stands twice is refused, and aliases that stand for more than a machine holds.

Of a key that stands twice YAML readers take the last without a word.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

import msgspec

Kind = TypeVar("Kind")
MAX_VALUES = 1_000_000
"""Once its aliases are written out: nine lines of them may stand for a billion."""


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
        msgspec.DecodeError: It is no YAML, or its aliases make it endless.
        msgspec.ValidationError: It is something else than ``kind``.
    """
    import yaml  # 15 ms that --help can do without

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = yaml.compose(content, Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError):  # told by what decodes
        root = None
    if root is not None:
        _size_of(root, "", {})
    return msgspec.yaml.decode(content, type=kind)


def _size_of(node: Any, above: str, known: dict[int, int]) -> int:
    """How many values a part of the text stands for, once each alias is written out.

    Args:
        node: The part.
        above: Name of the mapping that it is in.
        known: Sizes of the parts that an alias may name again; 0 of those that are being read.
    """
    if node.id == "scalar":
        return 1
    if id(node) in known:
        size = known[id(node)]
        if not size:
            raise msgspec.DecodeError(f"line {node.start_mark.line + 1} holds itself, by an alias")
        return size
    known[id(node)] = 0
    size, first = 1, dict[str, int]()
    for one in node.value:
        if node.id == "sequence":
            size += _size_of(one, above, known)
            continue
        key, value = one
        name, line = str(key.value), key.start_mark.line + 1
        if key.id == "scalar" and name in first:
            told = f"'{above}{name}' stands twice, in lines {first[name]} and {line}; keep one of them"
            raise RepeatedKeyError(told)
        first[name] = line
        size += 1 + _size_of(value, f"{above}{name}.", known)
    if size > MAX_VALUES:
        raise msgspec.DecodeError(
            f"from line {node.start_mark.line + 1} on its aliases stand for over {MAX_VALUES:,} values"
        )
    known[id(node)] = size
    return size
