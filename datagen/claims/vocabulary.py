"""From a corpus's category names and words to what they mean for claims: wider words, look-alikes, small things.

Things outside the categories stand in a table of those that one may be taken for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from datagen.lexicon import Lexicon, lexicon_for, plural, spoken_names
from datagen.words import NO_WORDS, Words, built_in_words, merged

THINGS_ALIKE = {
    "animal":
        "animal pet livestock wildlife creature | cat kitten feline tabby kitty | dog puppy canine pup retriever "
        "labrador hound terrier poodle bulldog | horse pony mare stallion foal colt | donkey mule | cow bull calf "
        "cattle ox steer heifer buffalo bison | sheep lamb ram ewe | goat | pig hog piglet boar | deer elk moose "
        "antelope gazelle stag reindeer | elephant | hippo hippopotamus | rhino rhinoceros | zebra | giraffe | bear "
        "panda grizzly teddy | lion lioness tiger leopard cheetah | wolf fox coyote | monkey ape gorilla chimpanzee | "
        "camel llama alpaca | rabbit bunny hare | squirrel chipmunk | rat hamster | bird duck duckling goose swan "
        "gull seagull pigeon parrot parakeet canary hawk eagle owl crow chicken hen rooster pelican heron flamingo "
        "ostrich peacock penguin | seal walrus | dolphin whale shark | turtle tortoise | snake lizard crocodile "
        "alligator iguana | kangaroo",
    "vehicle":
        "vehicle traffic | car sedan taxi cab suv van minivan jeep convertible limousine automobile | bus coach "
        "minibus | truck lorry pickup trailer semi firetruck tractor ambulance | train locomotive subway engine | "
        "tram streetcar trolley | bicycle bike tricycle cycle | motorcycle motorbike moped scooter bike | airplane "
        "plane jet aircraft airliner jetliner biplane | helicopter | boat sailboat ship ferry yacht canoe kayak raft "
        "gondola barge | carriage wagon cart buggy rickshaw | tank excavator bulldozer",
    "flyer": "kite parachute | balloon | drone | airplane plane jet | helicopter",
    "board":
        "board | skateboard | surfboard | snowboard | ski | sled sledge toboggan | kayak canoe | scooter",
    "bat": "bat | racket racquet | club",
    "dish":
        "food meal dish dessert treat snack lunch dinner breakfast | pizza | sandwich burger hamburger cheeseburger "
        "panini wrap sub | taco burrito | pasta spaghetti lasagna noodle macaroni | soup stew | salad green vegetable "
        "| sushi | steak roast | pancake waffle omelette | cake cupcake pie pastry brownie donut doughnut cookie "
        "sweet candy | seafood lobster shrimp oyster | hotdog sausage | fruit banana apple orange grape",
    "seat":
        "seat furniture seating | bench | chair armchair stool | couch sofa loveseat | hammock | bed mattress | crib",
    "post": "hydrant | mailbox postbox letterbox | booth payphone | meter | fountain | dumpster | lamppost",
    "tool": "tool | scissor | axe hatchet | saw | hammer | plier | razor | shovel rake",
    "bag":
        "bag container | suitcase luggage trunk baggage briefcase | backpack rucksack | handbag purse tote | box "
        "carton crate | basket | barrel",
    "screen":
        "screen electronics device | tv television | laptop computer monitor | phone cellphone smartphone | tablet | "
        "radio | typewriter | aquarium | projector",
    "shade": "umbrella parasol | balloon | tent | flag",
    "building":
        "building | church cathedral chapel | mall | castle | lighthouse | skyscraper | windmill | barn | temple",
}  # fmt: skip
"""Things that one may be taken for another: groups of names for one, and first the words for any (where there are)."""
CLASSES = {kind: frozenset(groups.replace("|", " ").split()) for kind, groups in THINGS_ALIKE.items()}


class Vocabulary(Struct, frozen=True):
    """The words of one corpus; categories stand as the corpus spells them.

    Attributes:
        names: The corpus's categories.
        lexicon: Finds categories and claimed wider words in text.
        claimed: Wider words that are claims here: at least two of their categories belong to the corpus.
        hypernyms: Per wider word that is a claim itself, the categories that bear it out.
        hints: Per caption word that leaves categories open (hypernyms included, plurals too), which ones.
        lookalikes: Per category, those it may be taken for.
        overlooked: Categories that annotators miss in busy pictures.
        uncountable: Categories whose number is a matter of taste.
    """

    names: frozenset[str]
    lexicon: Lexicon
    claimed: tuple[str, ...]
    hypernyms: dict[str, tuple[str, ...]]
    hints: dict[str, tuple[str, ...]]
    lookalikes: dict[str, frozenset[str]]
    overlooked: frozenset[str]
    uncountable: frozenset[str]


@lru_cache(maxsize=64)
def vocabulary_for(categories: tuple[str, ...], words: Words = NO_WORDS) -> Vocabulary:
    """Resolve the words of a corpus once.

    Args:
        categories: The corpus's category names.
        words: Laid over the built-in words.
    """
    both = merged(words, built_in_words())
    own = {form: name for name in reversed(categories) for form in (*spoken_names(name), name.lower())}
    hypernyms = {word: _spelled(members, own) for word, members in both.hypernyms.items()}
    claimed = tuple(
        word
        for word, members in hypernyms.items()
        if word not in own and len(set(members).intersection(categories)) > 1
    )
    hints = {word: _spelled(members, own) for word, members in {**both.hints, **both.hypernyms}.items()}
    lookalikes: dict[str, frozenset[str]] = {}
    for group in both.lookalikes:
        members = frozenset(_spelled(group, own))
        for name in members:
            lookalikes[name] = lookalikes.get(name, frozenset()) | (members - {name})
    return Vocabulary(
        names=frozenset(categories),
        lexicon=lexicon_for((*categories, *claimed), words),
        claimed=claimed,
        hypernyms=hypernyms,
        hints={**{plural(word): members for word, members in hints.items()}, **hints},
        lookalikes=lookalikes,
        overlooked=frozenset(_spelled(both.overlooked, own)),
        uncountable=frozenset(_spelled(both.uncountable, own)),
    )


def _spelled(names: Iterable[str], own: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(own.get(name, name) for name in names)


def claim_lexicon(categories: tuple[str, ...], words: Words = NO_WORDS) -> Lexicon:
    """The lexicon of a corpus with the wider words that are claims themselves."""
    return vocabulary_for(categories, words).lexicon


def unknown_names(categories: tuple[str, ...], words: Words) -> Iterator[str]:
    """Categories that a user's words speak of and the corpus does not have: probably misspelled."""
    known = {form for name in categories for form in (*spoken_names(name), name.lower())}
    yield from (name for name in words.categories() if name not in known)
