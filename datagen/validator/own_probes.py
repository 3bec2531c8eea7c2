"""Questions of a user's own about claims, as text; and VQAScore's statement, "Does this picture show ...?", as one.

VQAScore (Lin et al., arXiv 2404.01291) takes the chance of "Yes" to a whole sentence for how well it fits the picture.
It asks more than a question about one thing, "Is the dog brown?", as it holds what the sentence says of the thing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

from datagen.claims.kind import YES_NO, Probed
from datagen.claims.kinds import KINDS, kind_of
from datagen.errors import SettingsError
from datagen.records import Claim, Probe, Turn

NAMED_TEMPLATES = {"statement": 'Does this picture show "{sentence}"?'}
"""Templates that have a name."""
FIELDS = ("sentence", "claim", "thing", "value")
"""What a template may hold: the sentence that claims, its claiming words, what it is about, what it says of that."""
_ENDS_SENTENCE = re.compile(r"[.!?]+[\"'”’)]*(?=\s|$)")


def templates_of(probes: Mapping[str, str]) -> dict[str, str]:
    """Check the templates of the settings, and put those that have a name in its place.

    Args:
        probes: Kind of claim to template or its name.

    Raises:
        SettingsError: There is no such kind, or a template cannot be filled in.
    """
    kinds = [kind.name for kind in KINDS]
    templates = {kind: NAMED_TEMPLATES.get(text, text) for kind, text in probes.items()}
    for kind, text in templates.items():
        if kind not in kinds:
            raise SettingsError(f"validator.probes: '{kind}' is no kind of claim; expected one of {', '.join(kinds)}.")
        try:
            held = [  # with what is said of their form: {sentence:>1000000000} would fill the memory
                f"{name}{'!' if how else ''}{how or ''}{':' if form else ''}{form}"
                for _, name, form, how in Formatter().parse(text)
                if name is not None
            ]
        except ValueError:
            held = [""]
        wrong = next((name for name in held if name not in FIELDS), None)
        if wrong is not None or not held:
            told = "holds none of the fields" if wrong is None else f"holds {{{wrong}}}, expected a field of"
            raise SettingsError(
                f"validator.probes: the question for '{kind}' {told} {', '.join(f'{{{name}}}' for name in FIELDS)}; "
                f"such as {NAMED_TEMPLATES['statement']}"
            )
    return templates


def ask_in_own_words(turn: Turn, claim: Claim, templates: Mapping[str, str]) -> Probed | None:
    """Put a claim as the user wants it put; "Yes" agrees with it. None where there is nothing to put."""
    template = templates.get(claim.kind)
    text = turn.question if claim.in_question else turn.answer
    fields = {
        "sentence": "" if claim.in_question else _sentence_of(text, claim),
        "claim": text[claim.start : claim.end],
        "thing": claim.category,
        "value": (claim.value or claim.place or claim.relation or str(claim.number or "")).rpartition(": ")[2],
    }
    if template is None or any(f"{{{name}}}" in template and not value for name, value in fields.items()):
        return None
    error = next((error for error in kind_of(claim.kind).errors_of(claim)), None)
    probe = Probe(template.format_map(fields), YES_NO, claim.category)
    return Probed("statement", probe, (0,), f"asked {claim.kind}", error)


def _sentence_of(text: str, claim: Claim) -> str:
    """The sentence that holds a claim, without its full stop."""
    ends = [match.end() for match in _ENDS_SENTENCE.finditer(text)]
    start = max((end for end in ends if end <= claim.start), default=0)
    end = next((end for end in ends if end >= claim.end), len(text))
    return text[start:end].strip().rstrip(".")
