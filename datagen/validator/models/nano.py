"""The bundled model ``nano``: two small LLaVA behind one name, one for drawn scenes and one for photographs.

Each was taught on pictures of its kind (``training/``) and has no idea of the other's, so every picture is looked at by
the guard before it is scored, and handed to the one that knows such pictures. Both are asked only what they have
learned to answer. What is neither, and what shows nothing, is refused; where the weights of one are not in the package,
so are pictures of its kind.

Reads a person's question as one of the short questions that small models were taught, or finds that it is none.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image

from datagen.claims.kind import YES_NO, presence_question
from datagen.claims.kinds.count import ANSWERS, count_question
from datagen.claims.kinds.place import QUARTERS, SIDES, quarter_question, side_question
from datagen.claims.kinds.relation import relation_question, size_question
from datagen.config import ValidatorSettings
from datagen.errors import ValidatorError
from datagen.lexicon import Lexicon, lexicon_for
from datagen.records import NoScore, Probe, ProbeKind, ProbeScore, Score
from datagen.validator.checkpoint import CheckpointValidator, cut_windows
from datagen.validator.dialogue import CheckpointAnswerer
from datagen.validator.domain_guard import GUARD, Shows, load_guard, texture
from datagen.validator.files import digest_files
from datagen.validator.loading import Checkpoint, Found, pick_device, pick_precision
from datagen.validator.models.family import LazyValidator, Named
from datagen.validator.models.llava import load_llava
from datagen.validator.protocol import (
    GREY,
    OUTSIDE,
    Abilities,
    Fault,
    Item,
    LoadPicture,
    Look,
    look_keys,
    open_picture,
    score_key,
)

FORMS: tuple[tuple[ProbeKind, str], ...] = (
    ("presence", "whether a thing is there"),
    ("count", "how many of it there are"),
    ("side", "on which side it is"),
    ("quadrant", "in which quarter it is"),
    ("relation", "how two things lie"),
    ("size", "which of two things is larger"),
)
"""What each kind asks, for a sentence that refuses the rest."""

_FRAME = re.compile(r"\b(?:in|on) (?:the|this) (?:image|picture|photo|photograph|scene|frame)\b")
_ARTICLE = "(?:(?:the|a|an|any|some|a pair of) )?"
_IS, _SEE = "(?:is|are)", "(?:do|can) (?:you|we|i) see"
_SKELETONS: tuple[tuple[ProbeKind, str], ...] = (
    (
        "presence",
        rf"(?:{_IS} there|{_SEE}|does (?:the|this) (?:image|picture|photo) (?:show|contain|have)) {_ARTICLE}@",
    ),
    ("count", rf"how many (?:pairs of )?@(?: {_IS}(?: there| shown| visible)?| {_SEE})?"),
    ("side", rf"{_IS} {_ARTICLE}@ (?:on|to) the left or (?:(?:on|to) )?(?:the )?right"),
    ("side", rf"(?:on )?wh(?:ich|at) side {_IS} {_ARTICLE}@(?: on)?"),
    ("quadrant", rf"(?:in )?wh(?:ich|at) quarter {_IS} {_ARTICLE}@(?: in)?|where {_IS} {_ARTICLE}@"),
    ("relation", rf"{_IS} {_ARTICLE}@ (?:to the )?(?P<relation>left of|right of|above|below) {_ARTICLE}@"),
    ("size", rf"{_IS} {_ARTICLE}@ (?P<size>larger|bigger|smaller) than {_ARTICLE}@"),
)
"""Questions in small letters, without frame and question mark, a thing's name replaced by "@"."""
_READERS = tuple((kind, re.compile(pattern)) for kind, pattern in _SKELETONS)


class ShortQuestion(Struct, frozen=True):
    """A question that a small model may have learned."""

    kind: ProbeKind
    probe: Probe
    categories: tuple[str, ...]


def read_short_question(question: str, lexicon: Lexicon) -> ShortQuestion | None:
    """Read a question.

    Args:
        question: As a person wrote it.
        lexicon: Of the things that the model knows.

    Returns:
        None where it asks for more or for other things: a "red dog", a dog "on the bed".
    """
    text = question.lower().strip().rstrip("?.! ")
    names = tuple(mention.category for mention in lexicon.find(text))
    for mention in reversed(lexicon.find(text)):
        text = f"{text[: mention.start]}@{text[mention.end :]}"
    skeleton = " ".join(_FRAME.sub("", text).split())
    for kind, reader in _READERS:
        found = reader.fullmatch(skeleton)
        if found is not None:
            return ShortQuestion(kind, _probe(kind, names, found), names)
    return None


def _probe(kind: ProbeKind, names: tuple[str, ...], found: re.Match[str]) -> Probe:
    name = names[0]
    if kind == "presence":
        return Probe(presence_question(name), YES_NO)
    if kind == "count":
        return Probe(count_question(name), ANSWERS)
    if kind == "side":
        return Probe(side_question(name), SIDES)
    if kind == "quadrant":
        return Probe(quarter_question(name), QUARTERS)
    if kind == "relation":
        return Probe(relation_question(name, found["relation"], names[1]), YES_NO)
    return Probe(size_question(name, "smaller" if found["size"] == "smaller" else "larger", names[1]), YES_NO)


_DATA = Path(__file__).resolve().parent.parent.parent / "data"
PictureKind = Literal["drawn scene", "photograph"]
FOLDERS: dict[PictureKind, Path] = {"drawn scene": _DATA / "nano", "photograph": _DATA / "nano_photos"}
"""Each holds an ordinary checkpoint, its card, and ``nano.json``."""
MAX_LOOKED_OVER = 64


class UnknownPictureError(ValidatorError):
    """A picture of a kind that no bundled weights know.

    Attributes:
        reason: As ``protocol.open_picture`` wants it: the fault costs the picture its scores and nothing else.
        detail: The sentence for a person.
    """

    reason = OUTSIDE

    def __init__(self, shown: Shows) -> None:
        known = " and ".join(f"{one}s" for one in shipped())
        self.detail = f"nano knows {known} only, and this picture {_REFUSED[shown]}"
        super().__init__(f"{self.detail}; use another validator, such as llava-1.5-7b.")


_REFUSED: dict[Shows, str] = {
    "drawn scene": "is a drawn scene",
    "photograph": "is a photograph",
    "screen": "looks like a screenshot, a page of text or a chart",
    "nothing": "shows nothing, it has next to no edge",
}


def shipped() -> dict[PictureKind, Path]:
    """The folders that are there."""
    return {kind: folder for kind, folder in FOLDERS.items() if (folder / "nano.json").exists()}


class Knowledge(Struct, frozen=True, kw_only=True):
    """What the weights have learned, as ``nano.json`` beside them says.

    Attributes:
        probes: Kinds of question whose accuracy on new pictures was good enough to be judged by.
        categories: The things that it tells well enough to be asked about.
        sure_from: By kind of question the chance from which on nine answers of ten are right; what is less likely is
            no answer to a person. None of a kind that is always answered.
    """

    probes: tuple[ProbeKind, ...]
    categories: tuple[str, ...]
    sure_from: dict[ProbeKind, float] = {}

    def covers(self, kind: ProbeKind, categories: Sequence[str]) -> bool:
        """Whether a question of a kind, about these things, was learned."""
        return kind in self.probes and set(self.categories).issuperset(categories)


def load_knowledge(folder: Path) -> Knowledge:
    """Read ``nano.json``."""
    return msgspec.json.decode((folder / "nano.json").read_bytes(), type=Knowledge)


def kind_of_picture(picture: Image.Image) -> PictureKind:
    """Tell a drawing from a photograph.

    Raises:
        UnknownPictureError: It is neither, shows nothing, or is of a kind whose weights are not there.
    """
    shown = load_guard().shows(texture(picture))
    kind = next((kind for kind in shipped() if kind == shown), None)
    if kind is None:
        raise UnknownPictureError(shown)
    return kind


def find_nano(settings: ValidatorSettings, kind: PictureKind) -> tuple[ValidatorSettings, Found]:
    """Find bundled weights, which need no looking over.

    Their identity is that of both models and the guard: which of them answers is part of every score.
    """
    device = pick_device(settings.device)
    precision = pick_precision(settings.precision, device)
    parts = "".join(map(digest_files, shipped().values())).encode() + GUARD.read_bytes()
    identity = f"{hashlib.sha256(parts).hexdigest()[:16]}-{precision}"
    found = Found(FOLDERS[kind], "llava", "LlavaForConditionalGeneration", device, precision, identity)
    return replace(settings, name=str(FOLDERS[kind])), found


class NanoValidator:
    """The bundled checkpoints, each asked only what it has learned; see ``protocol.Validator``."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._known = {kind: load_knowledge(folder) for kind, folder in shipped().items()}
        self.abilities = Abilities(
            texts=False,
            blanks=False,
            probes=frozenset(probe for known in self._known.values() for probe in known.probes),
            categories=frozenset(name for known in self._known.values() for name in known.categories),
        )
        self._models = {kind: _lazy(settings, kind, self.abilities) for kind in self._known}
        self._opened: Counter[PictureKind] = Counter()
        first = next(iter(self._models.values()))
        self.identity, self.n_readers = first.identity, first.n_readers

    def look_over(self, names: Sequence[str], load_picture: LoadPicture) -> None:
        """Refuse a run on pictures that no bundled weights know, by 64 of them.

        Raises:
            ValidatorError: More than half of those that can be read are of such a kind.
        """
        every = list(dict.fromkeys(names))
        few = every[:: max(1, -(-len(every) // MAX_LOOKED_OVER))]
        seen = [self._open(name, load_picture) for name in few]
        n_unknown = sum(isinstance(one, Fault) and one.reason == OUTSIDE for one in seen)
        n_known = sum(not isinstance(one, Fault) for one in seen)
        if n_unknown > n_known:
            raise ValidatorError(
                f"nano knows {' and '.join(f'{kind}s' for kind in self._known)} only, and {n_unknown} of "
                f"{n_unknown + n_known} pictures looked at are none; use another validator, such as llava-1.5-7b, or "
                "--validator none."
            )

    def score(
        self, looks: Sequence[Look], load_picture: LoadPicture, known: Container[str] = frozenset()
    ) -> Iterator[Score | Fault]:
        """Score every probe that is not known, each picture by the model of its kind; see ``protocol.Validator``."""
        for window in cut_windows(looks):
            if all(key in known for look in window for key in look_keys(self.identity, look)):
                continue
            pictures: dict[str, Image.Image] = {}
            mine: dict[PictureKind, list[Look]] = {kind: [] for kind in self._models}
            kinds: dict[str, PictureKind | None] = {}
            for look in window:
                if look.picture not in kinds:
                    opened = self._open(look.picture, load_picture)
                    if isinstance(opened, Fault):
                        kinds[look.picture] = None
                        yield opened
                    else:
                        kinds[look.picture], pictures[look.picture] = opened
                kind = kinds[look.picture]
                if kind is not None:
                    asked = tuple(item for item in look.items if self._covers(kind, item))
                    yield from (
                        _not_learned(self.identity, look, item, kind)
                        for item in look.items
                        if item not in asked and score_key(self.identity, look, item) not in known
                    )
                    mine[kind].append(replace(look, items=asked))
            for kind, model in self._models.items():
                yield from model.score(mine[kind], pictures.__getitem__, known)

    def _open(self, name: str, load_picture: LoadPicture) -> tuple[PictureKind, Image.Image] | Fault:
        """Open a picture of a known kind; the grey one of the calibration counts as what most others were so far."""
        if name == GREY:
            opened = open_picture(name, load_picture)
            often = self._opened.most_common(1)
            return opened if isinstance(opened, Fault) else (often[0][0] if often else list(self._known)[-1], opened)
        found = _open_known(name, load_picture)
        if not isinstance(found, Fault):
            self._opened[found[0]] += 1
        return found

    def _covers(self, kind: PictureKind, item: Item) -> bool:
        if not isinstance(item, Probe):
            return False
        read = read_short_question(item.question, lexicon_for(tuple(sorted(self.abilities.categories or ()))))
        return read is not None and self._known[kind].covers(read.kind, read.categories)


def _open_known(name: str, load_picture: LoadPicture) -> tuple[PictureKind, Image.Image] | Fault:
    """Open a picture of a known kind."""
    kinds: list[PictureKind] = []

    def load(name: str) -> Image.Image:
        picture = load_picture(name)
        kinds.append(kind_of_picture(picture))
        return picture

    opened = open_picture(name, load)
    return opened if isinstance(opened, Fault) else (kinds[0], opened)


def _lazy(settings: ValidatorSettings, kind: PictureKind, abilities: Abilities) -> LazyValidator:
    own, found = find_nano(settings, kind)
    return LazyValidator(found, abilities, lambda: CheckpointValidator(_load(own, found, kind), own.batch_tokens))


def _load(settings: ValidatorSettings, found: Found, kind: PictureKind) -> Checkpoint:
    checkpoint = load_llava(settings, found)
    if kind == "photograph":
        from torch import channels_last, nn

        # In bf16 ten answers a second became fourteen on a CPU; in fp32 it changes nothing end to end.
        nn.Module.to(checkpoint.model.model.vision_tower, memory_format=channels_last)  # type: ignore[call-overload]
    return checkpoint


def _not_learned(identity: str, look: Look, item: Item, kind: PictureKind) -> NoScore:
    told = f"nano has not learned to answer '{item.question}' about a {kind}"
    return NoScore(score_key(identity, look, item), look.picture, OUTSIDE, told)


class NanoAnswerer:
    """Answers short questions with the likeliest answer and its chance; see ``family.Answerer``."""

    def __init__(self, settings: ValidatorSettings) -> None:
        self._settings = settings
        self._loaded: dict[PictureKind, Checkpoint] = {}

    def answer(self, picture: Image.Image, question: str) -> str:
        """Answer what the model of such pictures has learned; of drawn scenes it says something to any question."""
        kind = kind_of_picture(picture)
        known = load_knowledge(FOLDERS[kind])
        read = read_short_question(question, lexicon_for(known.categories))
        if read is not None and known.covers(read.kind, read.categories):
            # Of what is not there the model of drawn scenes says "One" and a side, as it was taught on what is.
            # Presence it knows surely (AUROC .998); that of photographs (.79) would deny too much that is there.
            shown = [name for name in read.categories if presence_question(name) != read.probe.question]
            shown = [] if kind == "photograph" else shown
            seen_by = [Probe(presence_question(name), YES_NO) for name in shown]
            look = Look("the picture", (read.probe, *seen_by))
            model = CheckpointValidator(self._load(kind), self._settings.batch_tokens)
            found = {one.key: one for one in model.score([look], lambda _: picture) if isinstance(one, ProbeScore)}
            score, *seen = (found[score_key(model.identity, look, item)] for item in look.items)
            for name, one in zip(shown, seen, strict=True):
                if one.chances[1] > 0.5:
                    return f"No {name} can be seen ({one.chances[1]:.0%} likely)"
            chance = max(score.chances)
            told = f"{read.probe.answers[score.chances.index(chance)]} ({chance:.0%} likely)"
            return told if chance >= known.sure_from.get(read.kind, 0.0) else f"Not sure; rather {told}"
        if kind == "photograph":
            forms = ", ".join(words for form, words in FORMS if form in known.probes)
            raise ValidatorError(
                f"nano can be asked of a photograph {forms}, of {len(known.categories)} things "
                f"({', '.join(known.categories[:5])}, …); ask so, or use another validator, such as llava-1.5-7b."
            )
        return CheckpointAnswerer(self._load(kind)).answer(picture, question)

    def _load(self, kind: PictureKind) -> Checkpoint:
        if kind not in self._loaded:
            self._loaded[kind] = _load(*find_nano(self._settings, kind), kind)
        return self._loaded[kind]


NANO = Named(answers_to=lambda name: name == "nano", open=NanoValidator, open_answerer=NanoAnswerer)
