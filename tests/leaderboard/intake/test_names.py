"""The short name of a method follows from its specification, and is read from the source alone."""

from pathlib import Path

import pytest

from bench.catalogue.method import DEFAULT_WEIGHTING
from bench.catalogue.options import write
from bench.catalogue.registry import list_entries
from bench.records import UNWEIGHTED, ResultRecord
from leaderboard.boards.board import Board
from leaderboard.intake.manifest import checksum_bytes
from leaderboard.intake.names import find_misnamed
from leaderboard.intake.soundness import find_further_problems
from leaderboard.intake.source_card import parse_cards, read_built_in_cards
from leaderboard.intake.submission import read_submission
from leaderboard.report.formats import write_notes
from leaderboard.report.table import tabulate
from leaderboard.store import StoreContents
from leaderboard.trust.ledger import LedgerEntry, find_state, read_checks, write_checks
from tests.leaderboard.intake import toy

SOURCE = """
import math
from bench.api import Sharing, register
START: float = 0.5
class Base(Sharing):
    def __init__(self, blueprint, *, rate: float = 1.0, start: float = START, far: float = math.inf, as_: str = "a",
                 on: bool = False, sizes: tuple[int, ...] = (1, 2), most: int | None = None, odd: float = 1 + f()): ...
@register("mine")
class Mine(Base): ...
@register("plain")
class Plain(Sharing): ...
"""


def test_defaults_are_read_from_the_source() -> None:
    mine, plain = parse_cards(SOURCE)
    assert mine.defaults == {
        "rate": "1.0",
        "start": "0.5",
        "far": "inf",
        "as": "a",
        "on": "false",
        "sizes": "1/2",
        "most": "none",
        "odd": None,
    }
    assert plain.defaults == {}


@pytest.mark.parametrize("kind", ["sharing", "constraint", "weighting"])
def test_what_is_read_of_every_built_in_part_is_what_its_schema_has(kind: str) -> None:
    own = {name: entry for name, entry in list_entries(kind).items() if not entry.code}
    assert {name: dict(read_built_in_cards()[name].defaults) for name in own} == {
        name: {key: write(option.default) for key, option in entry.options.items()} for name, entry in own.items()
    }
    assert {read_built_in_cards()[name].kind for name in own} == {kind}


def test_a_method_without_a_weighting_has_the_harness_own() -> None:
    assert str(DEFAULT_WEIGHTING) == UNWEIGHTED


def named(method: str, canonical: str, **versions: int) -> ResultRecord:
    """A run of `canonical` that calls itself `method`."""
    parts = {"sharing/mine": 1, "weighting/uncertainty": 1, "constraint/l2": 1, "sharing/soft": 1} | versions
    return toy.resealed(toy.RUNS[0], method=method, spec={"method": canonical, "versions": {"suite/toy": 1, **parts}})


@pytest.mark.parametrize(
    ("method", "canonical", "words"),
    [
        ("mine", "mine:rate=1.0@uniform", ""),
        ("mine", "mine:rate=1@uniform", ""),
        ("mine:rate=2.0", "mine:rate=2.0@uniform", ""),
        ("mine", "mine:rate=2.0@uniform", "method: should name `rate=2.0`; the default is 1.0"),
        ("mine:rate=1.0", "mine:rate=1.0@uniform", "method: should leave out `rate=1.0`, which is the default"),
        ("mine", "mine:odd=2.0@uniform", "method: should name `odd`, whose default in the source is no plain value"),
        ("mine@uncertainty", "mine@uncertainty:start=0.0", ""),
        ("mine@uncertainty", "mine@uncertainty:start=1.0", "method: should name `start=1.0`; the default is 0.0"),
        ("soft+l2:strength=0.1", "soft+l2:halflife=none,strength=0.1@uniform", ""),
    ],
)
def test_names_that_say_something_else(method: str, canonical: str, words: str) -> None:
    cards = {card.name: card for card in parse_cards(SOURCE)}
    assert find_misnamed(named(method, canonical), cards) == ([words] if words else [])


def test_a_weighting_or_a_built_in_option_cannot_be_left_out_in_any_store() -> None:
    assert "method: should be short for mine@uncertainty" in named("mine", "mine@uncertainty").find_problems()
    soft = named("soft+l2", "soft:init=tied+l2:halflife=7.0@uniform")
    assert [reason for reason in find_further_problems(soft) if "halflife" in reason] == [
        "method: should name `halflife=7.0`; the default is 100.0"
    ]
    older = named("soft+l2", "soft:init=tied+l2:halflife=7.0@uniform", **{"constraint/l2": 99})
    assert not [reason for reason in find_further_problems(older) if "halflife" in reason]  # its defaults are not known


def test_a_default_that_is_spelled_out_is_no_method_of_its_own(tmp_path: Path) -> None:
    code = toy.CODE.replace(b'"""y = x."""', b"def __init__(self, b, *, rate: float = 1.0): ...")
    runs = [toy.resealed(run, method="mine:rate=1.0", spec={"method": "mine:rate=1.0@uniform"}) for run in toy.RUNS]
    manifest = toy.MANIFEST.model_copy(update={"methods": ["mine:rate=1.0"], "method_sha256": checksum_bytes(code)})
    found = read_submission(toy.write(tmp_path / "mine", manifest, code, runs), toy.BOARDS, toy.COMMITTED)
    assert "should leave out `rate=1.0`" in "; ".join(reason for p in found.problems for reason in p.reasons)


def test_checks_of_another_record_of_the_same_run_take_nothing_from_the_first(tmp_path: Path) -> None:
    first, other = toy.RUNS[0], toy.resealed(toy.RUNS[0], created="2026-03-03T00:00:00+00:00")
    assert first.run_id == other.run_id
    write_checks(tmp_path, [LedgerEntry(first.run_id, first.digest, "rerun", "equal digit for digit", "v1")])
    write_checks(tmp_path, [LedgerEntry(other.run_id, other.digest, "reported", "differs", "v1")])
    assert [find_state(run, read_checks(tmp_path)) for run in (first, other)] == ["rerun", "reported"]


def test_names_that_differ_by_case_are_one(tmp_path: Path) -> None:
    first = read_submission(toy.write(tmp_path / "mine"), toy.BOARDS, toy.COMMITTED)
    code = toy.CODE.replace(b'"mine"', b'"Mine"')
    versions = {"suite/toy": 1, "sharing/Mine": 1, "weighting/uniform": 1}
    runs = [toy.resealed(r, method="Mine", spec={"method": "Mine@uniform", "versions": versions}) for r in toy.RUNS]
    manifest = toy.MANIFEST.model_copy(
        update={"name": "other", "methods": ["Mine"], "method_sha256": checksum_bytes(code)}
    )
    second = read_submission(toy.write(tmp_path / "other", manifest, code, runs), toy.BOARDS, toy.COMMITTED)
    assert second.sound
    table = tabulate(toy.BOARD, StoreContents(toy.COMMITTED), submissions=[first, second])
    assert table.board.methods == ["single_task", "hard", "mine"]
    assert "Submission `other` is left out: `Mine` stands here already." in write_notes(table)
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "MINE"], seeds="0-1")
    found = read_submission(tmp_path / "mine", {"toy": board}, toy.COMMITTED)
    assert "methods: `MINE` stands on the board already" in found.problems[0].reasons
