"""`plot`: boards, curves and dials as figures for papers."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bench.errors import UsageError, hint, require_choice
from bench.records.values import list_numeric_settings
from leaderboard.analysis.curves import CurveSummary, find_curves
from leaderboard.analysis.dials import Dial, find_dials
from leaderboard.boards.board import Board, boards
from leaderboard.store import StoreContents
from mtlbench._tables import BoardTable, read_board, read_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Change = Literal["delta_log", "delta_flat", "delta_task"]


def plot(
    board: str | BoardTable,
    over: str | None = None,
    methods: str | Collection[str] | None = None,
    store: str | Path | None = None,
    *,
    change: Change = "delta_log",
    split: Literal["test", "validation"] = "test",
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw a board, or methods over a value, into matplotlib axes.

    Without `over` it is a forest: every method's change against the reference with its 95 % interval. Over a setting of
    the protocol, as `lr`, it is the curve of each method, and over an option of a method, as `halflife`, the dial
    between single-task and hard sharing.

        mb.plot("scenes_1").figure.savefig("scenes.pdf")
        mb.plot("multidigits", over="lr", methods=["hard", "single_task"])
        mb.plot("multidigits", over="halflife", methods="soft+l2")

    Args:
        board: the name of a board or a suite, or what `mtlbench.table` returned (a forest only).
        over: a setting of the protocol or an option of a method that runs differ in.
        methods: those that are drawn; None is all of them. Of a board, tests stay those of the whole; of a dial, it
            is the method without the option.
        store: a folder of records; None stands for the committed results.
        change: of a forest: which change; the tests are those of `delta_log`.
        split: of a curve: whose errors.
        ax: axes to draw into, in the caller's style; None makes a figure that fits a column of text.

    Returns:
        The axes; `.figure.savefig` writes them.

    Raises:
        UsageError: nothing has that name, or no runs that differ in `over` are stored.
        DataMissing: the code came without results, and no store was given.
    """
    require_choice("change", change, get_args(Change))
    require_choice("split", split, ("test", "validation"))
    if over is None:
        from leaderboard.figures.forest import draw_forest

        if split != "test":
            raise UsageError("`split` should be given with `over`: a board is of the test split. Found `validation`.")
        shown = read_board(board, store)
        if len(shown.parts) > 1:
            names = ", ".join(f"`{part.board.suite}`" for part in shown.parts)
            raise UsageError(f"`board` should be of one suite. Found {names}; name one of them.")
        results = shown.parts[0].results
        return draw_forest(results, ax, change, _read_methods(methods, results.board.methods))
    if change != "delta_log":
        raise UsageError(f"`change` should be given without `over`: a curve has none. Found `{change}`.")
    if not isinstance(board, str):
        raise UsageError("`board` should be a name where `over` is given: a board has not all of those runs.")
    contents = read_for(board, store)
    parts = [part for each in boards().values() for part in each.parts]
    suites = {part.suite for part in boards()[board].parts} if board in boards() else {board}
    if over in list_numeric_settings():
        from leaderboard.figures.curve import draw_curves

        return draw_curves(_choose_curves(contents, parts, suites, over, methods), ax, split)
    from leaderboard.figures.dial import draw_dial

    return draw_dial(_choose_dial(contents, parts, suites, over, methods), ax)


def _choose_curves(
    contents: StoreContents, parts: list[Board], suites: set[str], setting: str, methods: str | Collection[str] | None
) -> list[CurveSummary]:
    """The curves of the suites along a setting, under no other changed setting and the newest protocol."""
    found = [
        each
        for each in find_curves(contents.records, parts)
        if each.curve.suite in suites and each.curve.setting == setting and not each.curve.settings
    ]
    if not found:
        raise _refuse_over(setting, suites, {each.curve.setting for each in find_curves(contents.records, parts)})
    known = list(dict.fromkeys(each.curve.method for each in found))
    wanted = _read_methods(methods, known)
    return sorted(
        (each for each in found if each.curve.method in wanted), key=lambda each: wanted.index(each.curve.method)
    )


def _choose_dial(
    contents: StoreContents, parts: list[Board], suites: set[str], option: str, methods: str | Collection[str] | None
) -> Dial:
    """The one dial along an option: under the suite's protocol where there is one, else at own best values."""
    dials = find_dials(contents.records, parts)
    found = [dial for dial in dials if dial.suite in suites and dial.option == option]
    if not found:
        raise _refuse_over(option, suites, {dial.option for dial in dials if dial.suite in suites})
    wanted = _read_methods(methods, list(dict.fromkeys(dial.method for dial in found)))
    if len(wanted) > 1:
        raise UsageError(
            f"`methods` should name the method of the dial. Found {', '.join(f'`{each}`' for each in wanted)}."
        )
    own = [dial for dial in found if dial.method == wanted[0]]
    return max(own, key=lambda dial: (dial.of_best, not dial.settings, len(dial.points)))


def _read_methods(methods: str | Collection[str] | None, known: Sequence[str]) -> list[str]:
    """The methods asked for, in their order, each of them known; all of them where none is asked for."""
    wanted = [methods] if isinstance(methods, str) else list(known if methods is None else methods)
    for name in wanted:
        if name not in known:
            raise UsageError(f"`methods` should be ones with such runs. Found `{name}`; {hint(name, known)}.")
    return wanted


def _refuse_over(over: str, suites: Iterable[str], known: Collection[str]) -> UsageError:
    """The error about a value that no stored runs differ in."""
    names = ", ".join(f"`{suite}`" for suite in sorted(suites))
    return UsageError(f"`over` should be what runs of {names} differ in. Found `{over}`; {hint(over, known)}.")
