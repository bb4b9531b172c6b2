"""Mutated records and files in a store: no wrong number reaches a table, whatever lies there.

The law of the numbers. A table's records are files that its store holds. Of each of them, read as plain JSON, the
statistics give the scores once more (`tests.fuzz.reference`, which shares nothing with the project), and the means over
the runs are those of the table. A mutated file that was not sealed again is named as a problem, and the table is that
of a store without it; or it means the same as before, and the table is the same. One that was sealed again, with a
digest of its own, is named, or is a sound record whose scores follow from its statistics.

Beside that: nothing raises or takes long, nothing is written, and what is printed is lines without control characters.
"""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from bench.errors import make_printable
from leaderboard.boards.board import board_of_suite
from leaderboard.intake.soundness import find_further_problems
from leaderboard.report.details import write_details
from leaderboard.report.formats import format_table
from leaderboard.report.table import Table, tabulate
from leaderboard.store import Problem, Store, StoreContents
from leaderboard.trust.copies import find_repeated_seeds
from leaderboard.trust.gaps import find_too_good
from tests.fuzz import reference
from tests.fuzz.budget import LONGEST, seeds, tree
from tests.fuzz.stores import SUITES, Base, Case, base, case

KINDS = [*SUITES, "ranking"]
FORMATS = ("text", "md", "tex", "csv", "json")
MOST_SAID = 25_000  # characters about one file


def no_constant(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def held(text: str) -> None:
    """Lines, without anything that steers a terminal."""
    assert text.replace("\n", "").isprintable()


def named(problems: list[Problem]) -> None:
    """Each problem is one line of bounded length, in the project's words."""
    for problem in problems:
        line = f"{problem.path}: {'; '.join(problem.reasons)}"
        assert problem.reasons
        assert line.isprintable()
        assert len(line) <= MOST_SAID, len(line)
        assert "cannot be checked" not in line, line  # an error that nobody foresaw
        assert "Traceback" not in line


def rendered(table: Table) -> str:
    """The table in every form; the CSV, in which numbers have all digits."""
    for format in FORMATS:
        held(format_table(table, format))
    held(write_details(table))
    content = json.loads(format_table(table, "json"), parse_constant=no_constant)
    for note in content["notes"]:
        assert "\n" not in note
        assert len(note) <= MOST_SAID, note[:200]
    return format_table(table, "csv")


def sound_files(root: Path, problems: list[Problem]) -> dict[str, Any]:
    """Digest -> what the file says, of the records of a store that no problem names."""
    left_out = {problem.path for problem in problems}
    paths = [path for path in root.rglob("*.json") if path.relative_to(root).as_posix() not in left_out]
    contents = [json.loads(path.read_bytes()) for path in paths]
    return {content["digest"]: content for content in contents}


def check_numbers(table: Table, files: dict[str, Any]) -> None:
    """The law of the numbers, for the runs that a table shows, found by their digests among the sound files."""
    runs = {key: files[record.digest] for key, record in table.results.records.items()}
    expected = reference.table(runs, table.board.reference, table.results.rule)
    for row in table.rows:
        if row.metric in ("delta_flat", "delta_task"):
            continue
        mean, count = expected.get((row.method, row.task, row.metric), (None, 0))
        assert row.seeds == count, row
        if mean is None:
            assert row.mean is row.ci_low is row.ci_high is None
        else:
            assert row.mean is not None
            assert math.isclose(row.mean, mean, rel_tol=1e-9, abs_tol=1e-9), row


class Law:
    """A base in a folder, and the tables with each of its files, and without it."""

    def __init__(self, given: Base, parent: Path) -> None:
        self.base, self.parent, self.root = given, parent, parent / "store"
        given.write(self.root)
        contents = Store(self.root).read()
        assert contents.problems == []
        assert len(contents.records) == len(given.files)
        self.known = {record.run_id: record for record in contents.records}
        self.whole = format_table(tabulate(given.board, contents), "csv")
        self.without: dict[str, str] = {}
        for name in given.files:
            rest = [record for record in contents.records if record.run_id != Path(name).stem]
            self.without[name] = format_table(tabulate(given.board, StoreContents(rest)), "csv")

    def hold(self, case: Case) -> bool:
        """Whether the mutated file stands in the store; everything that must be so is asserted."""
        original = self.root / case.source
        target = self.root / case.path
        if not case.beside:
            original.unlink()
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(case.content)
        before, start = tree(self.parent), time.monotonic()
        contents = Store(self.root).read()
        table = tabulate(self.base.board, contents)
        csv = rendered(table)
        suites = sorted({record.suite for record in contents.records})[:2]
        whole = [tabulate(board_of_suite(suite, contents.records), contents) for suite in suites]
        for each in whole:
            rendered(each)
        assert time.monotonic() - start < LONGEST
        assert tree(self.parent) == before
        named(contents.problems)
        self.verify(contents)
        files = sound_files(self.root, contents.problems)
        for each in (table, *whole):
            check_numbers(each, files)
        stands = case.path not in {problem.path for problem in contents.problems}
        if not case.sealed:
            if stands:
                assert {record.run_id: record for record in contents.records} == self.known
            assert csv == (self.whole if stands else self.without[case.path])
        target.unlink()
        if case.beside:
            target.parent.rmdir()
        original.write_bytes(self.base.files[case.source])
        return stands

    def verify(self, contents: StoreContents) -> None:
        """What `mtlbench verify` asks about each record and about all of them."""
        told = [
            Problem(record.run_id, reasons) for record in contents.records if (reasons := find_further_problems(record))
        ]
        named(told)
        left_out = {problem.path for problem in told}
        find_repeated_seeds(contents.records)
        for note in find_too_good([record for record in contents.records if record.run_id not in left_out]):
            assert make_printable(note, 600) == note


@pytest.mark.parametrize("kind", KINDS)
def test_records(kind: str, tmp_path: Path) -> None:
    law, given = Law(base(kind), tmp_path), base(kind)
    stood = {True: 0, False: 0}  # sealed again -> how many stand
    count = 0
    for seed in seeds(40, "records"):
        one = case(given, seed)
        try:
            stood[one.sealed] += law.hold(one)
        except BaseException:
            print(f"{kind} {seed}: {one.path}")
            raise
        count += 1
    assert count // 20 <= stood[True] <= count * 3 // 4
