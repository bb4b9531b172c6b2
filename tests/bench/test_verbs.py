"""A function is called as a verb or as what it returns: not as an adverb, a preposition or a bare participle."""

import ast
from collections.abc import Iterator

import pytest

from tests.bench.test_names import modules

PREPOSITIONS = (
    "above across after along among around at before behind below beside besides between beyond by down from in inside "
    "into off on out outside over past since through to toward under unlike until up upon via with within without"
)
ADVERBS = "alone again apart elsewhere here meanwhile often once there together twice whole"
PARTICIPLES = (
    "beaten begun bound broken built chosen done drawn driven fallen found given gone grown held hidden kept known "
    "laid learnt left lost made met paid seen sent shown shut spent standing stolen sunk taken taught thrown told torn "
    "understood won worn wound written"
)
SAY_NOTHING = {*PREPOSITIONS.split(), *ADVERBS.split(), *PARTICIPLES.split()}
WORDS_IN_ED = {"bed", "embed", "exceed", "feed", "need", "proceed", "read", "seed", "shed", "speed", "succeed", "weed"}
WORDS_IN_LY = {"apply", "assembly", "comply", "family", "imply", "multiply", "rely", "reply", "supply"}
# What a suite or a sharing has, as others implement it; `to` as of a tensor; and a rule, which is printed by its name.
OF_INTERFACES = {"coupled", "documented", "held", "sealed", "to"}


def list_functions(source: str) -> Iterator[str]:
    """The public functions and methods of a module that are no properties, which are nouns or adjectives."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            decorators = {getattr(d, "id", getattr(d, "attr", "")) for d in node.decorator_list}
            if not decorators & {"property", "cached_property", "setter"}:
                yield node.name


def says_nothing(name: str) -> bool:
    """Whether a name is one word that says neither what is done nor what is returned."""
    if "_" in name or name in OF_INTERFACES:
        return False
    participle = name.endswith("ed") and name not in WORDS_IN_ED
    adverb = name.endswith("ly") and name not in WORDS_IN_LY
    return name in SAY_NOTHING or participle or adverb


def test_functions_are_verbs_or_what_they_return() -> None:
    wrong = {file: sorted(set(filter(says_nothing, list_functions(source)))) for file, source in modules().items()}
    assert {file: names for file, names in wrong.items() if names} == {}


@pytest.mark.parametrize("name", ["shown", "under", "carried", "exactly", "apart"])
def test_which_names_say_nothing(name: str) -> None:
    assert says_nothing(name)


@pytest.mark.parametrize("name", ["read", "apply", "fit", "group_by_input", "interval", "to"])
def test_which_names_say_something(name: str) -> None:
    assert not says_nothing(name)
