"""The kinds of claims, in one table; a kind is one file here and one row of it.

A row may name kinds of the rows above it. The order is that in which errors are planted and measured.
"""

from __future__ import annotations

from datagen.claims.kind import Kind, PlantedError, needs_pixels
from datagen.claims.kinds.absence import ABSENCE
from datagen.claims.kinds.action import ACTION
from datagen.claims.kinds.attribute import ATTRIBUTE
from datagen.claims.kinds.box import BOX
from datagen.claims.kinds.count import COUNT
from datagen.claims.kinds.person import PERSON
from datagen.claims.kinds.place import PLACE
from datagen.claims.kinds.presence import PRESENCE
from datagen.claims.kinds.relation import RELATION
from datagen.claims.kinds.scene import SCENE
from datagen.claims.kinds.thing import THING
from datagen.claims.kinds.writing import WRITING

KINDS: tuple[Kind, ...] = (
    COUNT, PRESENCE, ABSENCE, PLACE, RELATION, ATTRIBUTE, PERSON, SCENE, ACTION, THING, WRITING, BOX,
)  # fmt: skip

PLANTED_ERRORS: tuple[PlantedError, ...] = tuple(dict.fromkeys(error for kind in KINDS for error, _ in kind.plants))
"""The errors that the kinds plant, each once."""

_KIND_OF = {kind.name: kind for kind in KINDS}
_FOREIGN = Kind(
    name="?", says="something that this version does not know", examples=(), verify=needs_pixels,
    probe=lambda claim: (), plants=(),
)  # fmt: skip


def kind_of(name: str) -> Kind:
    """Find a kind by its name; one that only a later version knows is never asked about, and excludes nothing."""
    return _KIND_OF.get(name, _FOREIGN)
