"""The actions that verbs name: "saunters" is walking, "naps" sleeping, by a table and, beyond it, by WordNet."""

from __future__ import annotations

import re
from functools import lru_cache

from datagen.claims.syntax import third_person
from datagen.claims.wordnet import Nearest, verb_of


def gerund(plain: str) -> str:
    """The form in -ing of a verb: "juggle" is "juggling"."""
    if plain.endswith("ie"):
        return f"{plain[:-2]}ying"
    if plain.endswith("e") and not plain.endswith(("ee", "oe", "ye")):
        return f"{plain[:-1]}ing"
    return f"{plain}{plain[-1]}ing" if _DOUBLED.fullmatch(plain) else f"{plain}ing"


_DOUBLED = re.compile("[^aeiou]*[aeiou][^aeiouwxy]")


_PLAIN: dict[str, str] = {
    "sitting": "sit perch", "standing": "stand", "lying": "lie recline lounge sprawl",
    "kneeling": "kneel crouch squat", "walking": "walk stroll wander", "running": "run jog gallop trot sprint",
    "jumping": "jump leap", "flying": "fly soar", "swimming": "swim", "sleeping": "sleep nap doze snooze",
    "eating": "eat chew munch graze nibble devour", "drinking": "drink sip", "reading": "read", "dancing": "dance",
    "cooking": "cook", "looking": "look stare watch gaze observe", "talking": "talk chat", "typing": "type text",
    "crying": "cry weep", "smiling": "smile laugh grin", "driving": "drive speed", "parked": "park", "surfing": "surf",
    "skateboarding": "skateboard", "skiing": "ski", "snowboarding": "snowboard", "riding": "ride", "playing": "play",
    "petting": "pet stroke", "carrying": "carry", "pulling": "pull", "towing": "tow", "washing": "wash bathe",
    "cutting": "cut slice", "repairing": "repair", "hugging": "hug cuddle", "fighting": "fight wrestle",
    "tearing": "tear rip", "crossing": "cross", "feeding": "feed", "fishing": "fish",
}  # fmt: skip
"""An action and the verbs for it; WordNet adds the ways of doing it ("saunter")."""
_OTHERS = (
    "climb crawl paint lick juggle tie chase sing write kiss dig build sail row sew knit sweep shave skate throw kick "
    "hammer salute pray shoot hunt vacuum bake saw brush draw sled paddle dive mow rake mop iron shovel grill stir "
    "chop water pour knead sculpt weld photograph film march box wrestle skydive parachute unpack shop beg argue "
    "fold sink burn spray pump lift drown yawn sneeze clap applaud milk plant harvest camp gamble shower "
    "unwrap whistle bark howl roar gargle spit crash collide explode inflate"
)
"""Verbs that are their own action."""
ACTS = {plain: value for value, verbs in _PLAIN.items() for plain in verbs.split()}
ACTS |= {plain: gerund(plain) for plain in _OTHERS.split()}
_FORMS = {
    form: value for plain, value in ACTS.items() for form in (plain, third_person(plain), gerund(plain))
}  # fmt: skip
_FORMS["awake"] = "awake"
_NEAREST = Nearest(ACTS, "verb")
_NO_VERBS = frozenset(
    "left lead leads like light setting seating down front top back "
    "be being been is are was were has have had having".split()
)


@lru_cache(maxsize=20_000)
def act_of(word: str) -> str | None:
    """The action that a form of a verb names: "saunters" is walking, "juggles" juggling."""
    if word in _FORMS:
        return _FORMS[word]
    plain = None if word in _NO_VERBS else verb_of(word)
    return None if plain is None else _NEAREST.of(plain)
