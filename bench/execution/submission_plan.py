"""Which cells a submission is: the board that it is for, the methods of its file, and their runs on its seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError, hint
from bench.records import METHOD_PARTS, Call, RunSpec, complete_method
from leaderboard.boards.board import Board

if TYPE_CHECKING:
    from bench.judge.cells import MethodSource
    from bench.judge.limits import Limits
    from leaderboard.intake.source_card import Card


def choose_submission_board(suite: str, name: str | None, known: Mapping[str, Board]) -> Board:
    """The committed board of a suite; with `name` the one of that name.

    A suite may have several. The default is the one of most seeds among those under the newest version of the protocol.

    Args:
        suite: As boards write it, with its options.
        name: Of a board, or None.
        known: Boards by name.

    Raises:
        UsageError: There is none; the sentence has the nearest names. Or its rows are at their own best values.
    """
    from leaderboard.boards.protocols import find_latest_version

    parts = [part for board in known.values() for part in board.parts]
    own = [part for part in parts if part.suite == suite]
    fitting = [part for part in own if name in (None, part.name)]
    if fitting and all(part.curve for part in fitting):
        others = [f"`{part.name}`" for part in own if not part.curve]
        raise UsageError(
            "A submission should be to a board whose methods run as they come"
            f"{f', such as {others[0]}' if others else ''}. "
            f"`{fitting[0].name}` has each at its own best value along a curve."
        )
    fitting = [part for part in fitting if not part.curve]
    if not fitting:
        wrong, choices = (name, {p.name for p in parts if p.suite == suite}) if name else (suite, set())
        choices = choices or {part.suite for part in parts}
        raise UsageError(f"There is no committed board of `{wrong}`; {hint(str(wrong), choices)}.")
    newest = find_latest_version(suite)
    return max(fitting, key=lambda part: (part.protocol in (None, newest), len(part.seed_list)))


def choose_submission_device(board: Board) -> str:
    """The device of the board's other runs, since a table shows one protocol.

    `auto` for a board without runs: the submission then decides.
    """
    from leaderboard.boards.record_selection import select_records
    from leaderboard.store.committed import read_committed_suite

    known = select_records(board.without_controls(), read_committed_suite(board.suite)).records
    return next((str(record.spec.protocol.device) for record in known.values()), "auto")


def list_registered_methods(outcomes: list[dict[str, str]], cards: "list[Card]") -> list[str]:
    """What the file registers, as the methods that its parts stand for.

    Args:
        outcomes: Of the check; their subjects name what was registered.
        cards: The parts that the file's text shows. Others are not run: a reviewer could not find them.

    Raises:
        UsageError: The file registers no part of a method.
    """
    pairs = dict.fromkeys(tuple(outcome["subject"].split("/")) for outcome in outcomes if "/" in outcome["subject"])
    own = {card.name for card in cards}
    methods = [str(complete_method(kind, Call(part))) for kind, part in pairs if kind in METHOD_PARTS and part in own]
    if not methods:
        raise UsageError("The file should register a sharing, a constraint or a weighting. Found none.")
    return methods


def find_submitted_methods(source: "MethodSource", suite: str, cards: "Sequence[Card]", limits: "Limits") -> list[str]:
    """The methods that the parts of a file stand for, asked of the file itself in a confined process.

    A file's text does not say of which kind a part is, so that each kind is tried.

    Args:
        source: The file.
        suite: The suite that they should fit.
        cards: The parts that the file's text shows.
        limits: Bounds of the process.

    Raises:
        UsageError: A part is of no kind that makes a method of it; the sentence is that of the last kind.
    """
    from bench.execution import judged_cell

    methods = []
    for card in cards:
        wrong: UsageError | None = None
        for kind in METHOD_PARTS:
            method = str(complete_method(kind, Call(card.name)))
            try:
                judged_cell.describe_methods(source, suite, [method], limits)
            except UsageError as error:
                wrong = error
                continue
            methods.append(method)
            break
        else:
            assert wrong is not None
            raise wrong
    return methods


def plan_submission(
    board: Board,
    source: "MethodSource",
    methods: Sequence[str],
    limits: "Limits",
    data: Path,
    code: str,
) -> tuple[list[RunSpec], list[dict[str, Any]]]:
    """The cells of some methods on every seed of a board, and what the file says of each method.

    Args:
        board: Decides about suite, seeds and device.
        source: The file.
        methods: What to run.
        limits: Bounds of the process in which the file is asked.
        data: Where data sets are.
        code: SHA-256 of the file.
    """
    from bench.execution import judged_cell

    described = judged_cell.describe_methods(source, board.suite, methods, limits)
    device = choose_submission_device(board)
    return judged_cell.plan_judged(board, described, board.seed_list, device, data, code), described
