"""What is asked before a pattern is searched: it may only spare searches that find nothing."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.claims.clause import _DENYING, _DENYING_WORDS
from datagen.claims.extract import _BREAKS, _may_hedge
from datagen.claims.grammar import CLAUSE_BREAKS, DENIAL_WORDS, DENIALS, HEDGES, NUMBER_FORMS, QUANTITIES
from datagen.claims.kinds.place import _HELD, _HOLDS, _KEYWORDS_WHOLE, _PART_WORDS, _PLACE, _SIDE_WORDS
from datagen.claims.kinds.relation import _OWN_SIDE, _RELATION, _SIDE_OF_SLOT, _WORDS
from datagen.claims.phrases import _plain_determiner, _quantity_before
from datagen.claims.syntax import Sentence


def texts_of(*patterns: str) -> st.SearchStrategy[str]:
    """Sentences of a pattern's own words, in any order, with marks, slots and letters beyond ASCII."""
    words = {word for pattern in patterns for word in re.findall("[a-z']+", pattern)}
    word = st.sampled_from(
        [*sorted(words), "dog", "\ue000", "\ue001", "don't", "well-kept", "the", "a", "é", "’", "Two"]
    )
    joint = st.sampled_from([" "] * 8 + [", ", "-", "; ", ". ", " (", ""])
    return st.lists(st.tuples(word, joint), min_size=1, max_size=12).map(lambda some: "".join(w + j for w, j in some))


def whole(text: str) -> Sentence:
    return Sentence(text, 0, len(text))


@settings(deadline=None, max_examples=200)
@given(texts_of(HEDGES.pattern))
def test_hedges(text):
    assert HEDGES.search(text) is None or _may_hedge(whole(text))


@settings(deadline=None, max_examples=200)
@given(texts_of(DENIALS.pattern, _DENYING.pattern))
def test_denials(text):
    assert DENIALS.search(text) is None or whole(text).may_have(DENIAL_WORDS)
    assert _DENYING.search(text) is None or whole(text).may_have(_DENYING_WORDS)


@settings(deadline=None, max_examples=200)
@given(texts_of(CLAUSE_BREAKS.pattern))
def test_clause_breaks(text):
    sentence = whole(text)
    assert CLAUSE_BREAKS.search(text) is None or sentence.is_odd or not sentence.parts.isdisjoint(_BREAKS)


@settings(deadline=None, max_examples=200)
@given(texts_of(_PLACE.pattern, _HELD.pattern, _HOLDS.pattern))
def test_places(text):
    assert _PLACE.search(text) is None or whole(text).may_have(_KEYWORDS_WHOLE)
    assert _HELD.search(text) is None or whole(text).may_have(_SIDE_WORDS)
    assert _HOLDS.search(text) is None or (whole(text).may_have(_SIDE_WORDS) and whole(text).may_have(_PART_WORDS))


@settings(deadline=None, max_examples=200)
@given(texts_of(_RELATION.pattern, _OWN_SIDE.pattern))
def test_relations(text):
    assert _RELATION.search(text) is None or whole(text).may_have(_WORDS)
    assert _OWN_SIDE.search(text) is None or _SIDE_OF_SLOT.search(text) is not None


@settings(deadline=None, max_examples=300)
@given(
    texts_of(NUMBER_FORMS, " ".join(row.words for row in QUANTITIES)), st.sampled_from(["the ", "a ", "his ", "An "])
)
def test_a_plain_determiner_is_what_the_quantities_find(text, determiner):
    ahead = f"{text} {determiner}"
    plain = _plain_determiner(ahead, 0, len(ahead))
    assert plain is None or plain == _quantity_before(ahead, 0, len(ahead))
