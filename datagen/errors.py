"""Every error that a user can meet, each carrying one sentence that says what to do.

    DatagenError             exit 1
    ├── SettingsError        exit 2   a setting, option or YAML key is wrong
    ├── CorpusError                   an annotation file or image folder is not what it claims
    ├── RecipeError                   a prompts/ or seeds/ folder is incomplete or inconsistent
    ├── TeacherError                  the endpoint cannot be used at all (key, model, address)
    ├── BudgetError          exit 130 the budget is used up; a higher one goes on where the run stopped
    ├── EmbeddingError                the vectors of questions cannot be had
    ├── JudgeError                    the judge over text cannot be asked
    ├── ValidatorError                a checkpoint or device cannot score these samples
    ├── RunError                      the run folder is locked, damaged, full or read-only
    └── ExportError                   a dataset cannot be written in the form asked for

A single record that fails never raises: it becomes a dropped record with stage, reason, detail.
"""

from __future__ import annotations

import re

_SPACES = "\n\t\xa0\u3000"  # the last two are those of French and of Chinese


def visible(text: str) -> str:
    """Foreign text without the signs that steer a terminal, fit for a sentence or a listing."""
    return "".join(sign if sign in _SPACES or sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


MAX_LINE_CHARS = 600
"""Of foreign text in a listing: a name of a thousand letters would push all else off the screen."""


def in_line(text: str) -> str:
    """Foreign text on one line of a listing, its middle left out where it is long."""
    line = visible(text.replace("\n", "\\n").replace("\r", "\\r"))
    return line if len(line) <= MAX_LINE_CHARS else f"{line[: MAX_LINE_CHARS - 200]} … {line[-200:]}"


_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\uffff]")


def inert(text: str) -> str:
    """Foreign text for a page: signs that nobody sees and that turn or hide others stand there as escapes.

    Joiners of letters and emoji stay: Persian, Hindi and a family of four need them.
    """
    return _STEERING.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text)


def told_raised(name: str, function: object, error: BaseException) -> str:
    """What a function of the user's raised, and where: the last place in its own file, as libraries lie deeper.

    Args:
        name: Of the function, as the user knows it.
        function: It itself, or an object that is called or has methods.
        error: With its traceback.
    """
    import inspect
    import traceback
    from pathlib import PurePath

    from datagen.masking import masked

    frames = traceback.extract_tb(error.__traceback__)
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    code = code or getattr(getattr(type(function), "__call__", None), "__code__", None)  # noqa: B004  # of an object
    own = getattr(code, "co_filename", None)
    frame = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1])
    text = " ".join(masked(str(error)).split())
    text = f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
    return f"{name} raised {text} ({PurePath(frame.filename).name}, line {frame.lineno})"


class DatagenError(Exception):
    """A failure that the command line prints as one sentence, without a traceback.

    Args:
        sentence: May quote foreign text: it loses keys, logins and what would steer a terminal.
    """

    exit_code = 1

    def __init__(self, sentence: object) -> None:
        from datagen.masking import masked  # most starts raise nothing

        super().__init__(visible(masked(str(sentence))))


class SettingsError(DatagenError):
    """A setting has an unknown name, a wrong type or an impossible value."""

    exit_code = 2


class CorpusError(DatagenError):
    """Annotations cannot be used; names the file and the record."""


class RecipeError(DatagenError):
    """A response type's folder lacks a file or contradicts itself."""


class TeacherError(DatagenError):
    """No request can succeed: bad key, unknown model, unreachable endpoint."""


class BudgetError(DatagenError):
    """The budget does not bear another request.

    It ends like an interrupted run, since that is its state: all that was paid for is stored, and the same
    command with a higher budget goes on. Status 3 would say that the run had finished.
    """

    exit_code = 130


class EmbeddingError(DatagenError):
    """The endpoint that gives vectors to questions cannot be used, or its answer not be read."""


class JudgeError(DatagenError):
    """The LLM that reads answers against captions and boxes cannot be asked."""


class ValidatorError(DatagenError):
    """A checkpoint cannot be loaded or used as a validator."""


class RunError(DatagenError):
    """The run folder cannot be opened, locked, read or written."""


class ExportError(DatagenError):
    """An export target or format cannot be served."""
