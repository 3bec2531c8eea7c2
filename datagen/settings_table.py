"""The table of settings: name, type, bounds, default and meaning of each, read from the structs that declare them.

What is said about a setting anywhere is made here: what it takes, in which range, which name was probably meant, and
the JSON schema of a settings file.

Sentences about a run name options, as most are read at a terminal; ``told_in_python`` puts the dotted names of the
settings in their place for whoever called a function.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Literal, NamedTuple, ParamSpec, TypeVar, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct

from datagen.errors import DatagenError, SettingsError

Params = ParamSpec("Params")
Given = TypeVar("Given")


class OptionRow(NamedTuple):
    """An option that stands for a setting.

    Attributes:
        name: As a parameter, such as ``budget_usd`` for ``--budget-usd``.
        setting: Its dotted name.
        takes: What ``--help`` shows for a text, such as ``FILE``.
        repeats: It is given once for each item of a list; otherwise commas part them.
    """

    name: str
    setting: str
    takes: str | None = None
    repeats: bool = False

    @property
    def flag(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


OPTIONS = (
    OptionRow("captions", "corpus.captions", "FILE", repeats=True),
    OptionRow("instances", "corpus.instances", "FILE", repeats=True),
    OptionRow("corpus", "corpus.path", "PATH", repeats=True),
    OptionRow("images", "corpus.images", "PLACE"),
    OptionRow("types", "types", "TYPE,TYPE"),
    OptionRow("mix", "mix", "TYPE=N,TYPE=N"),
    OptionRow("recipes_dir", "recipes_dir", "FOLDER"),
    OptionRow("language", "language", "CODE"),
    OptionRow("words", "checks.words", "FILE"),
    OptionRow("context", "context.style"),
    OptionRow("limit", "corpus.limit"),
    OptionRow("rng_seed", "rng_seed"),
    OptionRow("teacher", "teacher.name", "NAME"),
    OptionRow("show_images", "teacher.show_images"),
    OptionRow("base_url", "teacher.base_url", "URL"),
    OptionRow("concurrency", "teacher.concurrency"),
    OptionRow("rpm", "teacher.rpm"),
    OptionRow("tpm", "teacher.tpm"),
    OptionRow("budget_usd", "teacher.budget_usd"),
    OptionRow("prices", "teacher.prices", "FILE"),
    OptionRow("batch", "teacher.batch"),
    OptionRow("more", "more"),
    OptionRow("repair", "repair"),
    OptionRow("retry", "retry", "REASON,REASON"),
    OptionRow("judge", "checks.judge.model", "MODEL"),
    OptionRow("validator", "validator.name", "NAME"),
    OptionRow("device", "validator.device", "DEVICE"),
    OptionRow("precision", "validator.precision"),
    OptionRow("alpha", "validator.alpha"),
    OptionRow("trust_remote_code", "validator.trust_remote_code"),
    OptionRow("max_failed", "max_failed"),
    OptionRow("workers", "workers"),
    OptionRow("engine", "engine"),
    OptionRow("ray_address", "ray.address", "HOST:PORT"),
    OptionRow("ray_workers", "ray.workers"),
    OptionRow("ray_validators", "ray.validators"),
    OptionRow("results", "results", "URI"),
)
"""Every option that stands for a setting, in the order in which ``--help`` shows them."""
ROW_OF = {row.name: row for row in OPTIONS}

BY_SETTING = {row.setting: row for row in OPTIONS}

_ARGUMENTS = {"--change": "change=True", "--shard": "shard", "--out": "out"}
"""Options that stand for no setting, as ``datagen.run`` has them."""
_OPTION = re.compile(r"(?<![\w/-])--[a-z][a-z-]*[a-z](?![\w-])")
_at_terminal: ContextVar[bool] = ContextVar("at_terminal", default=False)


def name_for_user(setting: str) -> str:
    """What one types to give a setting: its option, or ``--set`` with its name."""
    row = BY_SETTING.get(setting)
    return f"--set {setting}" if row is None else row.flag


def in_python(sentence: str) -> str:
    """A sentence with the names of settings and arguments in place of options."""
    names = {row.flag: row.setting for row in OPTIONS} | _ARGUMENTS
    told = _OPTION.sub(lambda found: names.get(found[0], found[0]), sentence)
    return re.sub(r"(?<![\w/-])--set (?=[a-z])", "", told)


@contextmanager
def at_terminal() -> Iterator[None]:
    """Leave the options in sentences: a command is what was called."""
    before = _at_terminal.set(True)
    try:
        yield
    finally:
        _at_terminal.reset(before)


def told_in_python(function: Callable[Params, Given]) -> Callable[Params, Given]:
    """Have a function of the Python interface say settings where its errors say options."""

    @functools.wraps(function)
    def called(*args: Params.args, **kwargs: Params.kwargs) -> Given:
        try:
            return function(*args, **kwargs)
        except DatagenError as error:
            if not _at_terminal.get():
                error.args = tuple(in_python(str(one)) for one in error.args)
            raise
        except KeyboardInterrupt as stopped:  # without the frames in between, so that its sentence is seen
            raise KeyboardInterrupt(*stopped.args) from None

    return called


Kind = TypeVar("Kind", bound=Struct)


class Setting(NamedTuple):
    """One setting.

    Attributes:
        name: Dotted, such as ``teacher.rpm``.
        type: As declared, bounds and description included; what ``msgspec.convert`` takes.
        kind: What it is without them and without null: int, float, bool, str, tuple, Literal or a struct.
        about: What ``msgspec.Meta`` says of it by name, such as ``ge`` and ``description``.
        default: ``NODEFAULT`` where it must be given.
    """

    name: str
    type: Any
    kind: Any
    about: dict[str, Any]
    default: Any

    @property
    def description(self) -> str:
        """What it means, as one sentence."""
        return str(self.about.get("description", ""))

    @property
    def choices(self) -> tuple[str, ...]:
        """The values there are; empty where they cannot be counted."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def in_file(self) -> bool:
        """Whether a text in its place names the YAML file that holds it."""
        return bool((self.about.get("extra") or {}).get("in_file"))

    @property
    def in_list(self) -> bool:
        """Whether a list of texts may stand in the place of one with commas between them."""
        return bool((self.about.get("extra") or {}).get("in_list"))

    @property
    def bounds(self) -> str:
        """The range of a number, such as ``from 0 to 1``, without an upper end that keeps absurd ones out alone."""
        ends = {name: self.about[name] for name in ("ge", "gt", "le", "lt") if name in self.about}
        told = {name: f"{end:,.10g}" for name, end in ends.items() if name != "le" or end < ABSURD}
        if {"ge", "le"} <= told.keys():
            return f"from {told['ge']} to {told['le']}"
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
        return " and ".join(f"{words[name]} {number}" for name, number in told.items())

    @property
    def takes(self) -> str:
        """What it takes, such as ``a number from 0 to 1, or null``."""
        if self.about.get("pattern"):
            takes = "a name of letters, digits and underscores"
        else:
            bounds = self.bounds.replace("at least", "of at least")
            takes = _listed(self.choices) or f"{_TAKEN.get(self.kind, 'a mapping')} {bounds}".rstrip()
        takes_null = type(None) in get_args(_unannotated(self.type))
        if self.in_list:
            takes += ", or a list of texts"
        return takes + (", or the name of a YAML file" if self.in_file else ", or null" if takes_null else "")


ABSURD = 10**9
"""Seconds, tokens, images and dollars above which a number was not meant."""
_TAKEN = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of texts",
    dict[str, Any]: "a mapping of fields to values",
    dict[str, Annotated[float, msgspec.Meta(gt=0.0, le=ABSURD)]]: (
        "a mapping of names to numbers above 0, or NAME=N,NAME=N"
    ),
}  # fmt: skip


class SettingsTable:
    """Every setting of a struct and of the groups in it, in the order in which they are declared.

    Args:
        kind: The outermost struct; structs of the same module inside it are groups of settings.
    """

    def __init__(self, kind: type[Struct]) -> None:
        self._kind = kind
        self.groups: dict[str, type[Struct]] = {}
        self.rows = {row.name: row for row in self._read(kind, "")}

    def _read(self, kind: type[Struct], above: str) -> Iterator[Setting]:
        for field in msgspec.structs.fields(kind):
            name = f"{above}{field.name}"
            kind_of, about = _taken_apart(field.type)
            is_group = isinstance(kind_of, type) and kind_of.__module__ == self._kind.__module__
            if not is_group or field.default is None:  # a group that may be left out is a setting, too
                made = field.default_factory
                default = field.default if made is NODEFAULT else made()
                yield Setting(name, field.type, kind_of, about, default)
            if is_group:
                self.groups[name] = kind_of
                yield from self._read(kind_of, f"{name}.")

    def lay_over(self, tree: dict[str, Any], overrides: Mapping[str, Any]) -> None:
        """Put values into a tree of settings, each under its dotted name or as a tree of its own.

        Raises:
            SettingsError: Something else stands where a group of settings should.
        """
        for dotted, value in overrides.items():
            *parents, leaf = str(dotted).split(".")
            node = tree
            for n, parent in enumerate(parents, start=1):
                child = node.get(parent)
                if child is None:
                    child = node[parent] = {}
                if not isinstance(child, dict):
                    raise SettingsError(self._no_group(".".join(parents[:n])))
                node = child
            node[leaf] = msgspec.to_builtins(value) if isinstance(value, Struct) else value  # a group as it is declared

    def take_in_lists(self, tree: dict[str, Any], above: str = "") -> None:
        """Put a list in the place of a text that stands alone where one is meant."""
        for key, value in tree.items():
            name = f"{above}{key}"
            if name in self.groups and isinstance(value, dict):
                self.take_in_lists(value, f"{name}.")
            elif name in self.rows and self.rows[name].kind is tuple and isinstance(value, str):
                tree[key] = [value]

    def check(self, tree: Mapping[str, Any], where: str = "") -> None:
        """See that every name is one of a setting, and every value one that it takes.

        Args:
            tree: Settings, nested as they are declared.
            where: Opens the sentence of an error, such as ``settings.yaml: ``.

        Raises:
            SettingsError: Names the setting, what it takes and what came; of an unknown one the nearest.
        """
        for name, value in self._flat(tree, "", where):
            setting = self.rows[name]
            try:
                msgspec.convert(value, setting.type, strict=False)
            except msgspec.ValidationError:
                raise SettingsError(f"{where}{name} takes {setting.takes}; found {_found(value, setting)}.") from None

    def known(self, tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
        """Leave out what no setting is called, as another version of datagen wrote it."""
        told: dict[str, Any] = {}
        for key, value in tree.items():
            name = f"{above}{key}"
            if name in self.groups and isinstance(value, Mapping):
                told[key] = self.known(value, f"{name}.")
            elif name in self.rows:
                told[key] = value
        return told

    def _flat(self, tree: Mapping[str, Any], above: str, where: str) -> Iterator[tuple[str, Any]]:
        for key, value in tree.items():
            name = f"{above}{key}"
            if "." in str(key) and name in self.rows:
                told = ": {".join(name.split(".")) + ": ..." + "}" * name.count(".")
                raise SettingsError(f"{where}write '{name}' nested, as {told}.")
            if name in self.groups and isinstance(value, Mapping):
                yield from self._flat(value, f"{name}.", where)
            elif name in self.rows:
                yield name, value
            elif name in self.groups:
                raise SettingsError(where + self._no_group(name))
            else:
                raise SettingsError(f"{where}There is no setting '{name}'; {self.meant_by(name)}")

    def _no_group(self, name: str) -> str:
        if name in self.rows and name not in self.groups:
            return f"{name} takes {self.rows[name].takes}, and has no settings below it."
        if name not in self.groups:
            return f"There is no group of settings '{name}'; {self.meant_by(name)}"
        first = self.groups[name].__struct_fields__[0]
        return f"{name} holds settings of its own; give them below it, such as {name}.{first}."

    def convert(self, tree: Mapping[str, Any], kind: type[Kind]) -> Kind:
        """Make the struct of a tree that was checked.

        Raises:
            SettingsError: A setting that must be given is not.
        """
        for row in self.rows.values():
            if row.default is NODEFAULT:
                node: Any = tree
                *parents, leaf = row.name.split(".")
                for part in parents:
                    node = node.get(part) if isinstance(node, Mapping) else None
                if isinstance(node, Mapping) and leaf not in node:
                    raise SettingsError(f"{row.name} must be given with {'.'.join(parents)}: {row.description}")
        return msgspec.convert(tree, kind, strict=False)

    def meant_by(self, name: str) -> str:
        """What to say of a name that no setting has, such as ``did you mean teacher.rpm?``."""
        from difflib import get_close_matches

        group, _, leaf = name.rpartition(".")
        if group in self.groups:
            siblings = self.groups[group].__struct_fields__
            near = [f"{group}.{one}" for one in get_close_matches(leaf, siblings, n=1)]
            return f"did you mean {near[0]}?" if near else f"{group} has {', '.join(siblings)}."
        by_leaf: dict[str, list[str]] = {}
        for known in (*self.rows, *self.groups):
            by_leaf.setdefault(known.rpartition(".")[2], []).append(known)
        near = by_leaf.get(leaf) or get_close_matches(name, [*self.rows, *self.groups], n=1, cutoff=0.8)
        near = near or [known for one in get_close_matches(leaf, by_leaf, n=1) for known in by_leaf[one]]
        return f"did you mean {_listed(near)}?" if near else "'datagen settings' lists them all."

    def schema(self) -> dict[str, Any]:
        """JSON schema of a settings file, for editors and other tools."""
        schema = msgspec.json.schema(self._kind)
        for row in self.rows.values():
            if row.in_file or row.in_list:
                group, _, leaf = row.name.rpartition(".")
                told = schema["$defs"][self.groups[group].__name__]["properties"][leaf]
                own = {key: told.pop(key) for key in ("$ref", "type", "additionalProperties") if key in told}
                told["anyOf"] = [own, {"type": "string"} if row.in_file else {"type": "array", "items": own}]
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_ABOUT = ("description", "ge", "gt", "le", "lt", "pattern", "extra")


def _unannotated(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _taken_apart(hint: Any) -> tuple[Any, dict[str, Any]]:
    """The type itself without null, and all that its ``msgspec.Meta`` say."""
    about: dict[str, Any] = {}
    while True:
        if get_origin(hint) is Annotated:
            hint, *told = get_args(hint)
            for meta in told:
                about |= {name: getattr(meta, name) for name in _ABOUT if getattr(meta, name) is not None}
        elif type(None) in get_args(hint):
            (hint,) = (one for one in get_args(hint) if one is not type(None))  # no setting takes two kinds of values
        else:
            return get_origin(hint) if get_origin(hint) is tuple else hint, about


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _found(value: object, setting: Setting) -> str:
    """What came instead; a text is not repeated, since it may be a key in the wrong place."""
    if value is None or isinstance(value, bool):
        told = msgspec.json.encode(value).decode()
        return f'{told} (write "yes" or "no" in quotes)' if "yes" in setting.choices else told
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, str):
        if not value.strip():
            return "an empty one"
        if setting.kind in (int, float) and len(value) < 20 and _NUMBER_LIKE.fullmatch(value):
            return f"the text '{value}'; write it with digits alone, as 60 or 0.5"
        if setting.about.get("pattern"):
            return "a text that is none. A key itself belongs into an environment variable, and that one's name here"
        return f"'{value}'" if setting.choices else "a text"
    if isinstance(value, list | tuple) and setting.kind in (list, tuple):
        odd = next((type(one).__name__ for one in value if not isinstance(one, str)), "str")
        return f"a list that holds {_KINDS.get(odd, f'a {odd}')}"
    kind = type(value).__name__
    return _KINDS.get(kind, f"a {kind}")


_KINDS = {
    "dict": "a mapping",
    "tuple": "a list",
    "list": "a list",
    "NoneType": "null",
    "str": "a text that is none",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
_NUMBER_LIKE = re.compile(r"[-+0-9.,_eE]+")
