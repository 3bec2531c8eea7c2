"""What every validator can do: score texts and probes about pictures by their likelihood.

A validator knows nothing of samples, claims or verdicts. It is asked about one picture at a time, and the
answer to each question depends on that question and that picture alone: so a score can be stored under a
digest of both, and is the same whatever else was asked beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, get_args, runtime_checkable

import msgspec
from msgspec import Struct

from datagen.records import Probe, ProbeKind, Score

if TYPE_CHECKING:
    from PIL.Image import Image

    from datagen.endpoint.budget import Payment

LoadPicture = Callable[[str], "Image"]
"""Opens a picture by file name; a failure carries ``reason`` and ``detail`` as attributes."""

MAX_ASPECT = 50
"""Processors scale the shorter side to 336 pixels; a strip of 1 x 3,000 would become a gigabyte."""


OUTSIDE = "outside_domain"
"""Reason of a fault that says nothing against the sample: the validator does not know such pictures."""


GREY = "a plain grey picture"
"""Stands where a picture's file name does, for a control that shows nothing: what words alone can find out."""
_GREY_PX = (336, 336)


def with_grey(load_picture: LoadPicture) -> LoadPicture:
    """Open the grey picture as well; to a validator it is one more picture."""

    def load(name: str) -> Image:
        if name != GREY:
            return load_picture(name)
        from PIL import Image

        return Image.new("RGB", _GREY_PX, (127, 127, 127))

    return load


class Text(Struct, frozen=True):
    """An answer to a question, whose likelihood is wanted."""

    question: str
    answer: str


Item = Text | Probe


class Look(Struct, frozen=True):
    """Everything to be asked of one picture in one pass.

    Attributes:
        picture: File name.
        items: None twice.
        is_blank: The picture is replaced by a plain one of its size, to learn what texts are worth by themselves.
    """

    picture: str
    items: tuple[Item, ...]
    is_blank: bool = False


class Fault(Struct, frozen=True):
    """A picture, or one item about it, that cannot be scored while the run goes on.

    Attributes:
        reason: Snake-case code: the picture's own, ``too_long``, ``unscorable_text``, or ``outside_domain``.
        detail: The sentence for a person.
        item: None when the whole picture is at fault.
    """

    picture: str
    reason: str
    detail: str
    item: Item | None = None


class Abilities(Struct, frozen=True):
    """What a validator can be asked.

    Attributes:
        texts: It gives the likelihood (or similarity) of whole answers.
        blanks: Texts mean something before a plain picture.
        probes: The kinds of probe it has learned to answer; others are not put to it.
        categories: The only things it knows; None where it knows words at large.
        misses_some: Of several things of a kind it finds some, so its numbers are read as ``recount`` learns to.
    """

    texts: bool = True
    blanks: bool = True
    probes: frozenset[ProbeKind] = frozenset(get_args(ProbeKind))
    categories: frozenset[str] | None = None
    misses_some: bool = False


class Validator(Protocol):
    """Holds texts and questions against pictures."""

    identity: str
    """Name, weights and precision: what decides a score, and so part of every score's key."""
    abilities: Abilities
    n_readers: int
    """Threads that should open pictures ahead of it: 0 where it works on the same processor."""

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Glance at a few pictures of a run before anything is paid for.

        Raises:
            ValidatorError: They are such that the validator can say nothing about.
        """
        ...

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every item of every look, in no order that a caller may rely on.

        Args:
            looks: Those at one picture stand together, so that it is opened once.
            load_picture: Opens a picture by its file name.
            known: Keys of stored scores. What they cover need not be computed again; how work is cut
                into batches does not depend on them, so a resumed run computes what an
                undisturbed one would have.

        Raises:
            ValidatorError: Nothing can be scored, such as when one look does not fit into memory.
        """
        ...


@runtime_checkable
class ManyAtOnce(Protocol):
    """A validator whose ``score`` may be called from several threads: it has several copies of a model.

    Attributes:
        n_at_once: Calls that keep all of them at work.
    """

    n_at_once: int


@runtime_checkable
class Billing(Protocol):
    """A validator that costs money."""

    def pay_by(self, payment: Payment) -> None:
        """Have it paid for out of a run's budget, and its bills kept."""
        ...


def score_key(identity: str, look: Look, item: Item) -> str:
    """Name the score of one item, stable over runs and machines.

    Returns:
        32 hex digits that change with the model, the picture's name, whether it is shown, and the texts.
    """
    told = msgspec.json.encode((identity, look.picture, look.is_blank, item))
    return hashlib.sha256(told).hexdigest()[:32]


def look_keys(identity: str, look: Look) -> Iterator[str]:
    """List the keys of every score that a look asks for."""
    return (score_key(identity, look, item) for item in look.items)


def open_picture(name: str, load_picture: LoadPicture) -> Image | Fault:
    """Open a picture, or say why it cannot be looked at."""
    try:
        picture = load_picture(name)
    except Exception as error:
        # A picture that cannot be read is a record's failure; anything else is ours.
        if not hasattr(error, "reason") or not hasattr(error, "detail"):
            raise
        return Fault(name, str(error.reason), str(error.detail))
    if max(picture.size) > MAX_ASPECT * min(picture.size):
        told = f"{name} is {picture.width} x {picture.height} pixels, longer than {MAX_ASPECT} times its width"
        return Fault(name, "image_too_narrow", told)
    return picture
