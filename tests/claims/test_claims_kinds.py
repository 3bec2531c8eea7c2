"""Every kind of claim in the table does all that a kind must, and nothing outside the table lists the kinds."""

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

import datagen
from datagen.claims import claim_lexicon, extract, gather_evidence, read_answer, verify
from datagen.claims.clause import Clause, Statement
from datagen.claims.kind import Kind, Spoiling, replaced
from datagen.claims.kinds import KINDS, PLANTED_ERRORS, kind_of
from datagen.claims.verify import exclude
from datagen.diversity.coverage import Diversity
from datagen.records import AnnotatedImage, Box, Claim, ClaimVerdict, ProbeKind, Provenance, Sample, Turn
from datagen.validator.measures import MEASURES, inquire
from datagen.validator.planting import ERROR_KINDS, OTHER_IMAGE
from datagen.validator.protocol import Abilities

PACKAGE = Path(datagen.__file__).parent
DOCS = PACKAGE.parent / "docs"
NAMES = {kind.name for kind in KINDS}
CATEGORIES = ("dog", "cat", "bed", "elephant", "person")
LEXICON = claim_lexicon(CATEGORIES)
IMAGE = AnnotatedImage(
    "1", "1.jpg", 100, 100, ("a dog", "a dog and a cat"), (Box("dog", (0.1, 0.1, 0.3, 0.3), 0.04),)
)  # fmt: skip
BARE = gather_evidence(AnnotatedImage("2", "2.jpg", 100, 100), CATEGORIES, is_exhaustive=False)
EVIDENCE = gather_evidence(IMAGE, CATEGORIES, is_exhaustive=True)

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def claims_of(kind: Kind, sentence: str) -> list[Claim]:
    return [verify(said, EVIDENCE) for said in read_answer(sentence, LEXICON) if said.kind == kind.name]


def test_each_file_has_a_row_and_each_row_a_file() -> None:
    assert [kind.name for kind in KINDS] == list(dict.fromkeys(kind.name for kind in KINDS))
    assert {path.stem for path in (PACKAGE / "claims" / "kinds").glob("*.py")} - {"__init__"} == NAMES


@each_kind
def test_a_kind_reads_its_examples(kind: Kind) -> None:
    assert kind.examples
    for example in kind.examples:
        assert claims_of(kind, example), example


@each_kind
def test_a_kind_gives_a_verdict_and_says_why(kind: Kind) -> None:
    for example in kind.examples:
        for said in read_answer(example, LEXICON):
            for evidence in (EVIDENCE, BARE):
                claim = verify(said, evidence)
                assert claim.verdict in get_args(ClaimVerdict)
                assert claim.evidence


@each_kind
def test_a_claim_excludes_neither_itself_nor_what_the_same_sentence_says(kind: Kind) -> None:
    for example in kind.examples:
        said = [verify(one, EVIDENCE) for one in read_answer(example, LEXICON)]
        assert not any(exclude(a, b) for a in said for b in said)


@each_kind
def test_probes_are_of_forms_measures_and_errors_that_exist(kind: Kind) -> None:
    probes = [probed for example in kind.examples for claim in claims_of(kind, example) for probed in kind.probe(claim)]
    for probed in probes:
        assert probed.kind in get_args(ProbeKind)
        assert probed.probe.question.endswith("?")
        assert set(probed.agrees) < set(range(len(probed.probe.answers)))
        assert probed.measure in MEASURES
        assert probed.measure in (*kind.measures, "statement")
        assert probed.error is None or probed.error.name in ERROR_KINDS
    assert set(kind.measures) <= {probed.measure for probed in probes}


@each_kind
def test_a_kind_plants_its_errors_and_suffers_what_can_be_planted(kind: Kind) -> None:
    for example in kind.examples:
        assert {error.name for claim in claims_of(kind, example) for error in kind.errors_of(claim)} <= set(ERROR_KINDS)
    for error, plant in kind.plants:
        spoiling = Spoiling(LEXICON, lambda name: ("elephant",), random.Random(0))
        wrong = {
            (example, plant(example, claim, spoiling))
            for example in kind.examples
            for claim in claims_of(kind, example)
        }
        changed = [(right, answer) for right, answer in wrong if answer is not None]
        assert changed, error.name
        for right, answer in changed:
            before, after = (
                [replace(c, start=0, end=0) for c in read_answer(said, LEXICON)] for said in (right, answer)
            )
            assert before != after, answer


@pytest.mark.parametrize(
    ("answer", "said", "other", "wrong"),
    [
        ("The cup is left of the TV.", "TV", "baseball glove", "The cup is left of the baseball glove."),
        ("She wears a T-shirt.", "T-shirt", "hat", "She wears a hat."),
        ("TV and cup are there.", "TV", "baseball glove", "Baseball glove and cup are there."),
        ("It is day. **TV sets** hang there.", "TV sets", "dogs", "It is day. **Dogs** hang there."),
        ("A dog sits there.", "A dog", "an SUV", "An SUV sits there."),
        ("The cup is left of the dog.", "dog", "TV", "The cup is left of the TV."),
        ("Dogs run.", "Dogs", "TVs", "TVs run."),
    ],
)
def test_what_is_planted_has_a_capital_where_the_sentence_begins_or_of_its_own(
    answer: str, said: str, other: str, wrong: str
) -> None:
    start = answer.index(said)
    assert replaced(answer, start, start + len(said), other) == wrong


def test_errors_and_measures_are_those_of_the_kinds() -> None:
    assert [*ERROR_KINDS] == [error.name for error in (*PLANTED_ERRORS, OTHER_IMAGE)]
    assert len(set(ERROR_KINDS)) == len(ERROR_KINDS) and len(set(MEASURES)) == len(MEASURES)
    # The order of a run's report and of its regressions: another one would change the bytes of finished runs.
    assert ERROR_KINDS[:4] == ("count", "absent object", "side", "relation")
    assert MEASURES[8:12] == ("presence", "count", "place", "relation")


def test_a_kind_of_a_later_version_is_met_calmly() -> None:
    strange = Claim("mood", "dog", 0, 3, "supported_by_caption", "a caption says so", value="glad")
    turn = Turn("How is the dog?", "Glad.", (strange,))
    assert kind_of("mood").name not in NAMES
    assert inquire(turn, Abilities()).probes == ()
    assert not any(exclude(strange, replace(strange, kind=name)) for name in NAMES)
    meter = Diversity(CATEGORIES)
    meter.add(Sample("1-x", "1", "1.jpg", "x", (turn,), "accepted", Provenance("m", "r", "q", "s")))
    assert meter.report().categories.stated == 1


def test_nothing_outside_the_table_lists_the_kinds() -> None:
    """A list elsewhere is one that a new kind would have to be added to."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if (PACKAGE / "claims" / "kinds") in path.parents:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        forms = {id(inside) for node in ast.walk(tree) if _takes_a_form(node) for inside in ast.walk(node)}
        for node in ast.walk(tree):
            if id(node) in forms:
                continue
            if isinstance(node, ast.Compare) and "kind" in ast.unparse(node.left).split("."):
                said = {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
                assert not said & NAMES, f"{path}:{node.lineno}: {ast.unparse(node)}"
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                assert len(keys & NAMES) < 3, f"{path}:{node.lineno}: a dict by kind of claim"


def _takes_a_form(node: ast.AST) -> bool:
    """Whether a function's ``kind`` is a form of question, which has names in common with claims."""
    if not isinstance(node, ast.FunctionDef):
        return False
    return any(
        arg.arg == "kind" and arg.annotation and "ProbeKind" in ast.unparse(arg.annotation) for arg in node.args.args
    )


def docs_row(kind: Kind) -> str:
    claim = claims_of(kind, kind.examples[0])[0]
    asked = [probed.probe for probed in kind.probe(claim)][:1]
    question = "; ".join(f"{probe.question} ({_answers(probe.answers)})" for probe in asked) or "not asked"
    planted = ", ".join(error.name for error, _ in kind.plants) or "none"
    return f"| {kind.name} | {kind.says} | {kind.examples[0]} | {question} | {planted} |"


def _answers(answers: tuple[str, ...]) -> str:
    return ", ".join(answers) if len(answers) < 5 else f"{answers[0]} to {answers[-1]}"


def test_the_docs_show_every_kind() -> None:
    _, _, table = (DOCS / "claims.md").read_text(encoding="utf-8").partition("\n| claim ")
    shown = re.findall(r"^\| .*$", table.partition("\n\n")[0].partition("\n|---")[2], re.MULTILINE)
    assert shown == [docs_row(kind) for kind in KINDS]
    errors = (DOCS / "validators.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} |" in errors for name in ERROR_KINDS)


def test_a_kind_may_read_clauses_that_name_no_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_humming(clause: Clause) -> Iterator[Statement]:
        for match in re.finditer("humming", clause.source[: clause.end]):
            if clause.start <= match.start() < clause.silent:
                yield Statement("a later kind", "a later kind", "a later kind", *match.span(), value="humming")

    monkeypatch.setattr(extract, "_BARE_READERS", {False: (read_humming,)})
    monkeypatch.setattr(extract, "_CLAUSE_READERS", {False: (*extract._CLAUSE_READERS[False], read_humming)})
    texts = ("It is humming.", "A dog runs. It is humming.", "It is not humming.", "It may be humming, but a dog runs.")
    said = [[one.value for one in read_answer(text, LEXICON) if one.kind == "a later kind"] for text in texts]
    assert said == [["humming"], ["humming"], [], []]
    assert verify(read_answer(texts[0], LEXICON)[0], EVIDENCE).value == "humming"
