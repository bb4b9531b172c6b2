"""Which boards a site shows: the committed ones with results, then everything else that the store holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.records import ResultRecord, slug
from leaderboard.analysis.results import Results
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.board import Board, Track, board_of_suite
from leaderboard.boards.tuned_track import keep_searched
from leaderboard.intake.submission import Submission
from leaderboard.report.table import Table, WideLine, tabulate
from leaderboard.store import StoreContents
from leaderboard.trust.ledger import LedgerEntry


@dataclass(frozen=True)
class Shown:
    """One board on one track, as the site shows it.

    Attributes:
        name: unique on the site; files to download are called by it.
        table: the numbers of the board, laid out.
        committed: whether it is a committed board, or one of everything that is stored of a suite.
    """

    name: str
    table: Table
    committed: bool

    @property
    def results(self) -> Results:
        """The numbers of the board, before they were laid out."""
        return self.table.results

    @property
    def track(self) -> Track:
        """`default` for methods as they come, `tuned` for the winners of searches."""
        return self.results.selection.track

    @cached_property
    def own(self) -> frozenset[str]:
        """The board's own methods, the reference among them: neither controls nor submissions."""
        roles = self.results.selection.roles
        return frozenset(method for method, role in roles.items() if role in ("reference", "method"))

    @property
    def board(self) -> Board:
        """The board with every row that is shown, its controls among them."""
        return self.table.board

    @cached_property
    def _owners(self) -> dict[str, str]:
        """Row -> the method whose page shows its runs."""
        return {name: owner(run) for (name, _), run in self.results.records.items()}

    def find_owner(self, method: str) -> str:
        """The method whose page shows the runs of a row: the tuned method, or the one that a control changes."""
        return self._owners.get(method, method)

    @cached_property
    def lines(self) -> list[WideLine]:
        """The rows by rank; below them those that are not ranked, such as controls, and then incomplete ones."""

        def key(line: WideLine) -> tuple[bool, bool, float]:
            """Complete before incomplete, ranked before not, then by rank."""
            rank = line.standing.rank.mean if line.standing and line.ranked else 0.0
            return not line.complete, not line.ranked, rank

        return sorted(self.table.lines, key=key)

    @property
    def finished(self) -> int:
        """The number of methods with any number."""
        return sum(any(row.seeds for row in line.cells if row) for line in self.table.lines)


def owner(run: ResultRecord) -> str:
    """The method whose page shows a run: for runs of a search the method that was tuned."""
    return run.spec.tuning.of if run.spec.tuning else run.method


def collect_boards(
    contents: StoreContents,
    committed: Sequence[Board],
    rule: SelectionRule = "val",
    submissions: Sequence[Submission] = (),
    checks: dict[str, LedgerEntry] | None = None,
) -> list[Shown]:
    """Tabulate every board of the site, suite by suite in the order of the committed boards.

    A board on the default track without a single number is left out.

    Args:
        contents: the records of a store.
        committed: the committed boards; each part of one is a board by itself.
        rule: which epoch of a run counts.
        submissions: sound ones get rows on their board.
        checks: of `collect_checks`, where the caller has them already.

    Returns:
        Inside a suite, committed boards before others, the default track before the tuned one, newer versions of the
        protocol before older ones, and boards with more methods first.
    """
    collected: list[Shown] = []
    covered: set[tuple[str, int | None, str]] = set()
    parts = [part for table in committed for part in table.parts]
    widest = _widest_tuned(parts, contents)

    def add(board: Board, track: Track, *, committed: bool) -> None:
        """Tabulate a board on a track, and keep it where it has a number or shows a search."""
        table = tabulate(board, contents, rule, track, submissions, checks)
        name = slug(f"{'' if committed else 'stored-'}{board.name}{'-tuned' if track == 'tuned' else ''}")
        # Two boards may have one slug: the later ones are numbered, since names are names of files.
        taken = sum(one.name == name or one.name.startswith(f"{name}~") for one in collected)
        name = f"{name}~{taken + 1}" if taken else name
        one = Shown(name, table, committed)
        if one.finished or track == "tuned":
            collected.append(one)

    # Committed boards first: they decide the order of suites, and what is covered.
    for board in parts:
        add(board, "default", committed=True)
        if widest.get((board.suite, board.protocol)) == board:
            add(board, "tuned", committed=True)
    for one in collected:
        if one.track == "default" and not one.board.curve:  # whose rows are other runs than those by themselves
            covered |= {(one.board.suite, one.board.protocol, line.method) for line in one.table.lines}
    # What is stored and on no committed board is shown too: a site of one's own runs would be empty else.
    records = [record for record in contents.records if not record.spec.overrides and not record.spec.tuning]
    left: dict[str, int] = {}  # suite -> the newest version of its protocol with a run that is on no board
    for record in records:
        version = record.spec.protocol.version
        if covered.isdisjoint((record.suite, each, record.method) for each in (None, version)):
            left[record.suite] = max(version, left.get(record.suite, 0))
    for suite, version in sorted(left.items()):
        own = [run for run in records if run.suite == suite and run.spec.protocol.version == version]
        changes = {"title": f"Everything stored of {suite}", "protocol": version}
        add(board_of_suite(suite, own).model_copy(update=changes), "default", committed=False)
    searched = {record.suite for record in contents.records if record.spec.is_of_search}
    for suite in sorted(searched - {suite for suite, _ in widest}):
        add(board_of_suite(suite, contents.records, "tuned"), "tuned", committed=False)
    order = list(dict.fromkeys(one.board.suite for one in collected))
    return sorted(
        collected,
        key=lambda one: (
            order.index(one.board.suite),
            not one.committed,
            one.track == "tuned",
            -(one.board.protocol or 0),
            -one.finished,
        ),
    )


def _widest_tuned(boards: Sequence[Board], contents: StoreContents) -> dict[tuple[str, int | None], Board]:
    """(suite, version) -> its board with the most methods that were searched; its tuned track is shown once."""
    widest: dict[tuple[str, int | None], Board] = {}
    counts = {id(board): len(keep_searched(board, contents.records).methods) for board in boards}
    for board in boards:
        key = board.suite, board.protocol
        if counts[id(board)] > (counts[id(widest[key])] if key in widest else 0):
            widest[key] = board
    return widest
