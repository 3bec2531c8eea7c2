"""What is asked before a pattern is searched: it may only spare searches that find nothing."""

import re
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.claims import claim_lexicon, read_answer
from datagen.claims.clause import _ABSENCE, _DENYING
from datagen.claims.extract import _BREAKS, _may_hedge
from datagen.claims.grammar import CLAUSE_BREAKS, DENIAL_WORDS, DENIALS, HEDGES, NUMBER_FORMS, QUANTITIES, lowered
from datagen.claims.kinds.absence import _NOT_HAVING, _NOT_WORDS, _WITHOUT, _WITHOUT_WORDS
from datagen.claims.kinds.place import _HELD, _HOLDS, _KEYWORDS_WHOLE, _OPENING, _PART_WORDS, _PLACE, _SIDE_WORDS
from datagen.claims.kinds.relation import _OWN_SIDE, _RELATION, _SIDE_OF_SLOT, _WORDS
from datagen.claims.phrases import _plain_determiner, _quantity_before
from datagen.claims.syntax import _TOKEN, Sentence


def texts_of(*patterns: str) -> st.SearchStrategy[str]:
    """Sentences of a pattern's own words, in any order, with marks, slots and letters beyond ASCII."""
    words = {word for pattern in patterns for word in re.findall("[a-z']+", pattern)}
    word = st.sampled_from(
        [*sorted(words), "dog", "\ue000", "\ue001", "don't", "well-kept", "the", "a", "é", "’", "Two"]
    )
    joint = st.sampled_from([" "] * 8 + [", ", "-", "; ", ". ", " (", ""])
    some = st.lists(st.tuples(word, joint), min_size=1, max_size=12)
    return some.map(lambda some: lowered("".join(w + j for w, j in some)))


def whole(text: str) -> Sentence:
    return Sentence(text, 0, len(text))


@settings(deadline=None, max_examples=200)
@given(texts_of(HEDGES.pattern))
def test_hedges(text):
    assert HEDGES.search(text) is None or _may_hedge(whole(text))


@settings(deadline=None, max_examples=200)
@given(texts_of(DENIALS.pattern, _ABSENCE.pattern))
def test_denials(text):
    assert DENIALS.search(text) is None or whole(text).may_have(DENIAL_WORDS)
    assert _ABSENCE.search(text) is None or whole(text).may_have(_DENYING)


@settings(deadline=None, max_examples=200)
@given(texts_of(_NOT_HAVING.pattern, _WITHOUT.pattern))
def test_what_somebody_is_without(text):
    assert _WITHOUT.search(text) is None or whole(text).may_have(_WITHOUT_WORDS)
    assert _NOT_HAVING.search(text) is None or whole(text).may_have(_NOT_WORDS)


@settings(deadline=None, max_examples=200)
@given(texts_of(CLAUSE_BREAKS.pattern))
def test_clause_breaks(text):
    sentence = whole(text)
    assert CLAUSE_BREAKS.search(text) is None or sentence.is_odd or not sentence.parts.isdisjoint(_BREAKS)


@settings(deadline=None, max_examples=200)
@given(texts_of(_PLACE.pattern, _HELD.pattern, _HOLDS.pattern))
def test_places(text):
    everywhere = re.compile(_PLACE.pattern.replace(f"(?={_OPENING})", ""), _PLACE.flags)
    assert [match.span() for match in everywhere.finditer(text)] == [match.span() for match in _PLACE.finditer(text)]
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
    texts_of(NUMBER_FORMS, " ".join(row.words for row in QUANTITIES)), st.sampled_from(["the ", "a ", "his ", "an "]),
    st.lists(st.sampled_from("large red, dozen single lone two-tier half tennis grass sports and single, of X".split())
             .map("{} ".format), max_size=4).map("".join), st.integers(0, 12),
)  # fmt: skip
def test_a_plain_determiner_is_what_the_quantities_find(text, determiner, adjectives, lowest):
    ahead = f"{text} {determiner}{adjectives}"
    plain = _plain_determiner(ahead, lowest, len(ahead))
    assert plain is None or plain == _quantity_before(ahead, lowest, len(ahead))


def test_words_stand_where_they_are_in_the_text():
    text = "Two well-kept dogs: a_b don't see the dog's 3 bowls__(red).  'Tis it's"
    sentence, odd = Sentence(text, 4, len(text)), Sentence(f"{text} é", 4, len(text))
    for one in (sentence, odd):
        assert [text[start:end].lower() for start, end in zip(one.starts, one.ends, strict=True)] == one.words
    assert sentence.words == odd.words


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([*"abn'’-_3 .İ١²", "n't", "'s", "Éa", " dog"]), max_size=16).map("".join))
def test_ascii_words_are_those_of_any_letters(text):
    lower = lowered(text)
    assert [one.lower() for one in _TOKEN.findall(lower)] == Sentence(lower, 0, len(lower)).words


def test_patterns_of_claims_have_no_capitals():
    """A text is read in lower case, and a capital in a pattern would never match."""
    of_claims = [module for name, module in sorted(sys.modules.items()) if name.startswith("datagen.claims")]
    patterns = {
        f"{module.__name__}.{name}": value.pattern
        for module in of_claims
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern) and value.flags & re.ASCII and not value.flags & re.IGNORECASE
    }
    assert len(patterns) > 80
    for name, pattern in patterns.items():
        assert not re.search(r"[A-Z]", re.sub(r"\\[A-Z]|\(\?P<\w+>|a-zA-Z", "", pattern)), name


@settings(deadline=None, max_examples=100)
@given(texts_of(HEDGES.pattern, " ".join(row.words for row in QUANTITIES)), st.randoms(use_true_random=False))
def test_capitals_claim_nothing_else(text, rng):
    turned = "".join(rng.choice((letter, letter.upper())) if letter.isascii() else letter for letter in text)
    assert read_answer(turned, LEXICON) == read_answer(text, LEXICON)


LEXICON = claim_lexicon(("dog", "person", "cat"))
