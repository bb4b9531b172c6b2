"""Mutated Python sources: what is accepted is what Python reads and what a person sees, and nothing of it is run."""

import ast
import time
import warnings
from pathlib import Path

import pytest

import bench.sharing
from bench.catalogue.source_text import decode_source, find_suspicious_lines
from leaderboard.intake.source_card import parse_cards
from leaderboard.store.committed import COMMITTED
from tests.fuzz.budget import LONGEST, seeds, sentence
from tests.fuzz.sources import spoiled
from tests.leaderboard.intake.toy import CODE

SUBMITTED = COMMITTED.parent / "submissions" / "scale_and_bias" / "method.py"
LONG = next(iter(sorted(Path(bench.sharing.__path__[0]).glob("cross_stitch*.py"))))
SOURCES = {"small": CODE.decode(), "submitted": SUBMITTED.read_text(), "built in": LONG.read_text()}
FIELDS = ("id", "attr", "arg", "name", "asname", "module", "rest", "kwd_attrs", "names")  # of nodes, with names in them


def names_in(module: ast.AST) -> set[str]:
    """Every name that Python reads, in the form in which it looks it up."""
    found = set()
    for node in ast.walk(module):
        for field in FIELDS:
            value = getattr(node, field, None)
            found |= {each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)}
    return found


def nodes(module: ast.AST) -> list[object]:
    """Everything that a module is made of; numbers as they are, since very long ones have no text."""
    found: list[object] = []
    for node in ast.walk(module):
        found.append(type(node))
        for value in vars(node).values():
            found += [each for each in (value if isinstance(value, list) else [value]) if not isinstance(each, ast.AST)]
    return found


def parsed(source: str | bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_read_is_what_is_shown(name: str) -> None:
    refused = 0
    for seed in seeds(100, "method texts"):
        data, start = spoiled(SOURCES[name], seed), time.monotonic()
        try:
            text = decode_source(data)
        except ValueError as error:
            reasons = str(error).split("\n")
            text = ""
        else:
            reasons = []
        refused += bool(reasons)
        assert len(reasons) <= 21, seed
        for reason in reasons:
            sentence(ValueError(reason))
            assert len(reason) < 300, seed
        if reasons:
            continue
        assert text.encode() == data
        assert text.translate({10: None, 9: None, 13: None}).isprintable(), seed
        module = parsed(data)
        try:
            told = find_suspicious_lines(text)
            cards = list(parse_cards(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # which who reads a submission says
        finally:
            assert time.monotonic() - start < LONGEST
        assert module is not None
        assert nodes(module) == nodes(parsed(text) or ast.Module()), seed  # no other encoding, no hidden line
        assert all(each.isascii() and each.rpartition(".")[2] in text for each in names_in(module)), seed
        assert len(told) <= 21
        for line in told:
            assert line.isprintable(), seed
            assert len(line) <= 300
        assert all(isinstance(card.name, str) and 0 < card.version < 10**6 for card in cards)
    assert refused > 10
