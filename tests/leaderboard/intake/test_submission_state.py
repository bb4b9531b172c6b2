"""What became of each submission, and why."""

from pathlib import Path

from leaderboard.intake.manifest import Manifest
from leaderboard.intake.submission import Submission
from leaderboard.intake.submission_state import judge_submissions
from leaderboard.store import Problem
from leaderboard.trust.ledger import LedgerEntry
from tests.leaderboard.conftest import build_record

RUNS = [build_record("mine", seed) for seed in range(2)]


def submission(name: str, methods: list[str], problems: list[Problem] | None = None, board: str = "toy") -> Submission:
    manifest = Manifest(name=name, methods=methods, suite="toy", board=board, seeds="0-1", method_sha256="0" * 64)
    return Submission(Path(name), manifest, RUNS, problems=problems or [])


def checks(*states: str) -> dict[str, LedgerEntry]:
    return {
        run.digest: LedgerEntry(run.run_id, run.digest, state, "so", "test")  # type: ignore[arg-type]
        for run, state in zip(RUNS, states, strict=False)
    }


def test_sound_ones_wait_until_every_record_was_looked_at() -> None:
    one = [submission("a", ["mine"])]
    found = [judge_submissions(one, known)[0] for known in ({}, checks("valid"), checks("valid", "rerun"))]
    assert [(each.status, each.verified) for each in found] == [
        ("waiting", "reported"),
        ("waiting", "reported"),
        ("accepted", "spot_checked"),
    ]
    assert all(each.reasons == () for each in found)


def test_everything_that_is_wrong_is_a_reason() -> None:
    problems = [Problem("method.py", ["one thing", "another"]), Problem("results", ["a third"])]
    [found] = judge_submissions([submission("a", ["mine"], problems)], checks("valid", "valid"))
    assert found.status == "refused"
    assert found.reasons == ("method.py: one thing", "method.py: another", "results: a third")
    [unread] = judge_submissions([Submission(Path("x"), None)], {})
    assert (unread.status, unread.reasons) == ("refused", ("the manifest cannot be read",))


def test_of_two_with_one_method_on_one_board_the_first_counts() -> None:
    refused = submission("a", ["mine"], [Problem(".", ["wrong"])])
    rows = [refused, submission("b", ["mine"]), submission("c", ["Mine"]), submission("d", ["mine"], board="other")]
    found = judge_submissions(rows, {})
    assert [each.status for each in found] == ["refused", "waiting", "refused", "waiting"]
    assert found[2].reasons == ("`Mine` stands on the board already, by the submission `b`",)
