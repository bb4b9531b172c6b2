"""The page for whoever submits a method: what a submission is, the commands, and what became of each."""

import shlex

from leaderboard.boards.board import Board
from leaderboard.boards.protocols import find_latest_version
from leaderboard.intake.submission_state import JudgedSubmission
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_state
from leaderboard.site.context import Context
from leaderboard.site.pages.suite import find_board_address
from leaderboard.site.shown import Shown

FOLDER = "leaderboard/submissions/my_method"
SHOWN_REASONS = 20


def render_submit_page(site: Context) -> bytes:
    """Render the page; the example is for a board of the suite to which most was submitted, else of the first."""
    boards = list_open_boards(site)
    places = {(one.board.name, one.board.suite): one for one in boards}
    wanted = [m.suite for each in site.submissions if (m := each.submission.manifest)]
    suites = sorted({one.board.suite for one in boards}, key=lambda suite: -wanted.count(suite))
    board = max((one.board for one in boards if one.board.suite == suites[0]), key=_rank_board) if boards else None
    return site.page(
        "submit.html",
        "",
        commands=list_submit_commands(board.suite, board.name) if board else [],
        boards=[_describe_place(site, one) for one in boards],
        submissions=[_describe_submission(site, each, places) for each in site.submissions],
    )


def list_open_boards(site: Context) -> list[Shown]:
    """The boards that take submissions: committed ones whose methods run as they come."""
    return [one for one in site.shown if one.committed and one.track == "default" and not one.board.curve]


def list_submit_commands(suite: str, board: str) -> list[tuple[str, str]]:
    """(what it is for, command) of each step from an empty file to a folder that can be proposed."""
    where = f"--suite {shlex.quote(suite)} --board {shlex.quote(board)} --out {FOLDER}"
    return [
        ("Begin a file, write the method into it, and hold it against the contract.", "mtlbench new method my_method"),
        ("", "mtlbench check my_method.py"),
        (
            "See how many cells that is, and how long they may take.",
            f"mtlbench submit my_method.py {where} --dry-run",
        ),
        (
            "Run them all, and pack the folder. Interrupted, the same command goes on.",
            f'mtlbench submit my_method.py {where} --authors "A. Author"',
        ),
        ("Check it as a reviewer will. Nothing of it is run.", f"mtlbench verify {FOLDER}"),
    ]


def _rank_board(board: Board) -> tuple[bool, int]:
    """As `mtlbench submit` chooses: under the newest protocol, then of most seeds."""
    return board.protocol in (None, find_latest_version(board.suite)), len(board.seed_list)


def _describe_place(site: Context, one: Shown) -> dict[str, object]:
    """A board that takes submissions, for the table of them."""
    return {
        "title": printable(one.board.title),
        "href": find_board_address(site, one.board.suite, one),
        "name": printable(one.board.name),
        "suite": printable(one.board.suite),
        "seeds": printable(one.board.seeds),
    }


def _describe_submission(
    site: Context, each: JudgedSubmission, places: dict[tuple[str, str], Shown]
) -> dict[str, object]:
    """A submission with its state; names of methods and boards link where they have a page."""
    manifest, records = each.submission.manifest, each.submission.records
    name = manifest.name if manifest else each.submission.folder.name
    methods = manifest.methods if manifest else []
    board = places.get((manifest.board, manifest.suite)) if manifest else None
    reasons = [printable(reason) for reason in each.reasons]
    return {
        "name": printable(name),
        "methods": [(printable(m), site.addresses.method(m) if each.status != "refused" else "") for m in methods],
        "board": printable(manifest.board) if manifest else "",
        "board_href": find_board_address(site, board.board.suite, board) if board else "",
        "authors": printable(manifest.authors) if manifest else "",
        "date": max((record.created for record in records), default="")[:10],
        "runs": len(records),
        "status": each.status,
        "verified": write_state(each.verified),
        "reasons": reasons[:SHOWN_REASONS],
        "more": max(0, len(reasons) - SHOWN_REASONS),
    }
