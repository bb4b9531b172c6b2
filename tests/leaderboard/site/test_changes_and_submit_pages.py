"""The pages of what changed and of submissions, from the data alone."""

import re
import shlex
from html import unescape
from pathlib import Path

import pytest

from bench.cli.main import build_parser
from bench.records import ResultRecord
from leaderboard.boards.board import Board
from leaderboard.report.formats import write_state
from leaderboard.site import write_site
from leaderboard.site.pages.submit import list_submit_commands
from leaderboard.store import Store, StoreContents
from leaderboard.trust.ledger import LedgerEntry, write_checks
from tests.leaderboard.intake.toy import BOARD, COMMITTED, MANIFEST, RUNS, write

Records = list[ResultRecord]


def text_of(page: Path) -> str:
    """What a reader sees of a page's main part, in one line."""
    main = re.search(r"<main.*?</main>", page.read_text(), re.DOTALL)
    assert main
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main[0])).split())


def test_days_are_told_newest_first(three_methods: Records, tmp_path: Path) -> None:
    board = Board(name="mine", title="Mine", version=3, suite="toy", methods=["single_task", "hard"], seeds="0-4")
    store = Store(tmp_path / "runs")
    days = {"single_task": "2026-03-01", "hard": "2026-03-04", "cross_stitch": "2026-03-02"}
    records = [r.model_copy(update={"created": f"{days[r.method]}T01:00:00+00:00"}).seal() for r in three_methods]
    for record in records:
        store.write(record)
    entry = LedgerEntry(records[0].run_id, records[0].digest, "rerun", "so", "test")
    file = write_checks(store.root, [entry])
    assert file
    file.rename(file.with_name(f"20260305T000000.000000Z-{file.name.rpartition('-')[2]}"))
    page = write_site(store.read(), [board], tmp_path / "out", "runs").with_name("changes.html")
    assert re.findall(r'<h3 id="day-(.*?)">', page.read_text()) == [
        *("2026-03-05", "2026-03-04", "2026-03-01")  # `cross_stitch` is on no board
    ]
    told = text_of(page)
    assert "2026-03-05 Verified: 1 record run again, the same." in told
    assert "2026-03-04 Mine : 5 runs; new: hard" in told
    assert "Mine 3 1 2026-03-01 2026-03-04 2 10" in told
    assert "0.1.0" in told  # the versions of the program, from CHANGELOG.md


def test_runs_without_a_time_have_no_day(three_methods: Records, tmp_path: Path) -> None:
    page = write_site(StoreContents(three_methods), [], tmp_path / "out", "runs").with_name("changes.html")
    assert "No run has a date." in text_of(page)
    assert not page.with_name("submit.html").exists()  # a store of one's own has no boards to submit to


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three submissions beside it: one sound, one with the same method, one that cannot be read."""
    store = Store(tmp_path / "results")
    for record in COMMITTED:
        store.write(record)
    write(tmp_path / "submissions" / "mine", MANIFEST.model_copy(update={"authors": "<b>A</b>"}))
    write(tmp_path / "submissions" / "other", MANIFEST.model_copy(update={"name": "other"}))
    broken = write(tmp_path / "submissions" / "broken", None)
    (broken / "submission.toml").write_text("= not toml")
    return store.root


def test_every_submission_has_its_state_and_its_reasons(root: Path, tmp_path: Path) -> None:
    page = write_site(Store(root).read(), [BOARD], tmp_path / "out", "results").with_name("submit.html")
    rows = re.findall(r"<tr><th scope=\"row\"><code>(\w+)</code></th><td>(\w+)</td>", page.read_text())
    assert rows == [("broken", "refused"), ("mine", "waiting"), ("other", "refused")]
    told = text_of(page)
    assert "`mine` stands on the board already, by the submission `mine`" in told
    assert "Why broken is refused submission.toml: " in told
    assert "<b>A</b>" in told  # as text
    assert 'href="methods/mine.html"' in page.read_text()
    entries = [LedgerEntry(run.run_id, run.digest, "rerun", "so", "test") for run in RUNS]
    assert write_checks(root, entries)
    again = write_site(Store(root).read(), [BOARD], tmp_path / "out", "results").with_name("submit.html")
    [state] = re.findall(r"<code>mine</code></th><td>accepted</td><td><span .*?>(.*?)</span>", again.read_text())
    assert state == write_state("rerun")


def test_the_commands_are_those_of_the_command_line(root: Path, tmp_path: Path) -> None:
    page = write_site(Store(root).read(), [BOARD], tmp_path / "out", "results").with_name("submit.html")
    shown = [unescape(text) for text in re.findall(r"<pre .*?><code>(.*?)</code>", page.read_text(), re.DOTALL)]
    commands = [command for _, command in list_submit_commands("toy", "toy")]
    assert shown == commands
    for command in commands:
        words = shlex.split(command)[1:]
        build_parser(words[0]).parse_args(words)


def test_boards_that_take_submissions_are_the_committed_ones(three_methods: Records, tmp_path: Path) -> None:
    open_board = Board(name="one", title="One", version=1, suite="toy", methods=["single_task", "hard"], seeds="0-4")
    page = write_site(StoreContents(three_methods), [open_board], tmp_path / "out", "runs").with_name("submit.html")
    told = text_of(page)
    assert "There is none yet." in told
    assert "One toy one 0-4" in told
    assert "Everything stored of toy" not in told
