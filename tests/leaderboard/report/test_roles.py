"""From records to a table in typed steps: what each row is, is said by its role; marks are texts of the last step."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import leaderboard
from bench.records import ResultRecord
from leaderboard.analysis import contrasts
from leaderboard.analysis.results import analyse
from leaderboard.analysis.statistics import ranking, significance
from leaderboard.boards.board import Board, board_of_suite
from leaderboard.boards.record_selection import select_records
from leaderboard.report.details import write_details
from leaderboard.report.formats import FORMATS, SUMMARY_TITLES, format_table
from leaderboard.report.table import MANY_TASKS, build_table, tabulate
from leaderboard.site.addresses import Addresses
from leaderboard.site.grids import board_grid
from leaderboard.site.shown import Shown
from leaderboard.store import StoreContents

Make = Callable[..., ResultRecord]
ROOT = Path(leaderboard.__file__).parent
# Each of these once told a change, the worst task, or a mark from something else by how a text began or ended.
SENTINELS = ("*", "†", "worst: ", "mean of tasks")
SPEAKS_OF_OTHERS = {
    "report/escape.py": "what LaTeX takes for an argument of the line break before it",
    "site/prose.py": "a product in an equation",
}


def runs(make: Make, methods: dict[str, float], seeds: int = 5) -> list[ResultRecord]:
    """Accuracies of 80 % and something by seed, and what each method gains."""
    return [
        make(method, seed, {"left": 80.0 + gain + seed / 10, "right": 70.0 + gain})
        for method, gain in methods.items()
        for seed in range(seeds)
    ]


@pytest.fixture
def board() -> Board:
    return Board(
        name="toy", title="Toy", version=1, suite="toy", methods=["single_task", "hard", "mine"], seeds="0-4",
        controls=["wide", "long"],
    )  # fmt: skip


@pytest.fixture
def records(make_record: Make) -> list[ResultRecord]:
    """Both controls are better than every method."""
    longer = [
        make_record("hard", seed, {"left": 95.0, "right": 95.0}, overrides={"epochs": "6"}, changed={"epochs": 6})
        for seed in range(5)
    ]
    return [*runs(make_record, {"single_task": 0.0, "hard": 1.0, "mine": 2.0, "hard_wide": 9.0}), *longer]


def test_a_control_is_never_ranked_however_good_it_is(board: Board, records: list[ResultRecord]) -> None:
    selection = select_records(board, records, submitted=["mine"])
    assert selection.roles == {
        "single_task": "reference",
        "hard": "method",
        "mine": "submission",
        "hard_wide": "control",
        "hard, 2 times the epochs": "control",
    }
    results = analyse(selection)
    assert results.standings.methods.keys() == {"single_task", "hard", "mine"}
    assert results.standings.methods["mine"].rank.mean == 1
    for line in build_table(results).lines:
        assert line.ranked == (line.role != "control")
        assert line.complete
    gains = {method: own["delta_log"].mean for method, own in results.change_rows.items()}
    assert gains["hard_wide"] > gains["mine"] > 0


def test_what_was_only_reported_is_not_ranked_where_anything_was_verified(
    board: Board, records: list[ResultRecord]
) -> None:
    results = analyse(
        select_records(board, records), states={"hard": "valid", "single_task": "rerun", "mine": "reported"}
    )
    assert results.unchecked == ["mine"]
    assert results.standings.methods.keys() == {"single_task", "hard"}


def test_steps_leave_what_they_are_given_as_it_is(board: Board, records: list[ResultRecord]) -> None:
    """Each step is a function of its arguments: twice the same, and the order of files is no matter."""
    before = board.model_copy(deep=True), [record.digest for record in records]
    first, second = (tabulate(board, StoreContents(order)) for order in (records, records[::-1]))
    assert first.rows == second.rows
    assert format_table(first, "json") == format_table(second, "json")
    assert (board, [record.digest for record in records]) == before
    assert build_table(first.results).lines == first.lines


def test_tasks_may_be_called_as_marks_are(make_record: Make) -> None:
    """No row is taken for a change or a summary by the name of its task."""
    kinds = {"*": "regression", "worst: left": "regression", "mean of tasks": "regression"}
    records = [
        make_record(method, seed, dict.fromkeys(kinds, 0.5 + gain + seed / 100), kinds)
        for method, gain in (("single_task", 0.0), ("hard", 0.1))
        for seed in range(3)
    ]
    table = tabulate(board_of_suite("toy", records), StoreContents(records))
    by_quantity = {"metric": [*kinds], "change": ["", "", ""]}
    for quantity, tasks in by_quantity.items():
        assert [column.task for column in table.columns if column.quantity == quantity] == tasks
    assert [row.mean for row in table.rows[:3]] == [pytest.approx(0.51)] * 3
    assert all(f"| {mark}0.5100 [" not in format_table(table, "md") for mark in "+-")


def test_many_tasks_are_two_rows_for_each_metric(make_record: Make) -> None:
    kinds = {f"t{index:02d}": "regression" for index in range(MANY_TASKS + 1)}
    records = [
        make_record("single_task", seed, {t: 0.5 + i / 100 for i, t in enumerate(kinds)}, kinds) for seed in (0, 1)
    ]
    table = tabulate(board_of_suite("toy", records), StoreContents(records))
    assert [(row.quantity, row.task) for row in table.results.summary] == [("mean", ""), ("worst", "t08")]
    assert [row.mean for row in table.results.summary] == [pytest.approx(0.54), pytest.approx(0.58)]
    assert all(title in format_table(table, "md") for title in SUMMARY_TITLES.values())


def test_tests_are_adjusted_once_whatever_is_made_of_a_table(
    board: Board, records: list[ResultRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holm runs over the primary family, all pairs, and the planned contrasts, both tests of them, while results are
    analysed; no page runs it again."""
    calls: list[int] = []

    def counted(p: object) -> object:
        calls.append(1)
        return holm(p)  # type: ignore[arg-type]

    holm = significance.holm
    for module in (significance, ranking, contrasts):
        monkeypatch.setattr(module, "holm", counted)
    table = tabulate(board, StoreContents(records))
    assert len(calls) == 5
    for format in ("text", *FORMATS):
        format_table(table, format)
    for format in ("text", "md"):
        write_details(table, format)
    board_grid(
        Shown("toy", table, committed=True),
        Addresses(["toy"], {name: {"toy"} for name in ("single_task", "hard", "mine")}),
    )
    assert len(calls) == 5


def literals(source: str) -> Iterator[str]:
    """The texts of a module, and the constant parts of its f-strings, but for docstrings."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented)
                  if node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def holds_sentinel(text: str) -> bool:
    """Whether a text is a mark, or begins or ends with one as a sentence does."""
    return text.strip() in SENTINELS or text.startswith(("* ", "† ", "worst: ")) or text.endswith((" *", " †"))


def test_marks_are_written_by_the_formats_alone() -> None:
    rooms = ("boards", "analysis", "report", "site")
    named = {
        path.relative_to(ROOT).as_posix(): sorted(filter(holds_sentinel, literals(path.read_text())))
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
    }
    found = {name: texts for name, texts in named.items() if texts and name not in SPEAKS_OF_OTHERS}
    assert found.keys() == {"report/formats.py"}
    assert set(SPEAKS_OF_OTHERS) <= {name for name, texts in named.items() if texts}


@pytest.mark.parametrize(
    "text", ['x == "*"', 'task.startswith("worst: ")', 'f"[{low}] *"', 'note = "† Fewer than 5 seeds"']
)
def test_a_mark_elsewhere_is_seen(text: str) -> None:
    assert any(map(holds_sentinel, literals(text)))
