"""Writing: "The sign reads 'Exit'" says what is written on a thing; few captions quote it, so the picture must tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

from datagen.claims.clause import Clause, Statement
from datagen.claims.grammar import FLAGS
from datagen.claims.kind import Evidence, Kind, Probed, Ruling, ask_yes_no
from datagen.claims.syntax import singular
from datagen.records import Claim

_SAYS = re.compile(
    r"\b(?:says?|said|reads?|reading|spells?|labell?ed|marked|printed|written|words?|text|letters?|lettering|name|title|"
    r"logo|sign|inscri\w+|caption|slogan|number|called|titled|bears?|display\w*)\b[^\"“”'‘’.;]{0,40}"
    r"[\"“‘'](?P<text>[^\"“”\n]{1,60}?)[\"”’'](?!\w)",
    FLAGS,
)
_WORDS = re.compile(r"[a-z0-9]+")


def read_clause(clause: Clause) -> Iterator[Statement]:
    """What stands in quotes behind a word of writing; a clause may end inside the quotes."""
    source = clause.source
    if '"' not in source and "“" not in source and "'" not in source and "‘" not in source:
        return
    for match in _SAYS.finditer(source, clause.start, clause.silent):
        said = " ".join(clause.written[slice(*match.span("text"))].split()).strip(" .,;!?")
        if said:
            yield Statement(
                "writing", "writing", said.lower(), *match.span(), value=said, in_question=clause.in_question
            )


def verify_writing(statement: Statement, evidence: Evidence) -> Ruling:
    """A caption with the same words bears it out; captions quote little, so their silence says nothing."""
    words = _WORDS.findall(statement.word)
    if words and all(singular(word) in evidence.nouns for word in words):
        return "supported_by_caption", f"writing: a caption has the words '{statement.value}'"
    return "unknown", f"writing: no caption has the words '{statement.value}', only the picture can tell"


def probe(claim: Claim) -> Iterator[Probed]:
    """Ask whether it stands there."""
    said = " ".join((claim.value or "").replace('"', "").split())
    yield ask_yes_no(claim, f'Does the picture show the words "{said}"?', None)


WRITING = Kind(
    name="writing",
    says="what is written on a thing",
    examples=('The sign reads "Exit".', 'The dog bowl is labelled "Rex".'),
    read_clause=read_clause,
    reads_bare=True,
    of_captions=False,
    verify=verify_writing,
    probe=probe,
    plants=(),
    if_supposed="if plain",
)
