"""The command lines that pages offer to copy: how to repeat what is shown, and how to get what is missing.

Names and values come from records, so that all of them are quoted for a shell and made printable.
"""

import shlex
from typing import Any

from bench.records import ResultRecord
from bench.records.values import list_numeric_settings
from leaderboard.analysis.dials import Dial
from leaderboard.boards.curves import SettingCurve
from leaderboard.boards.protocols import find_latest_version
from leaderboard.report.escape import printable


def run_command(run: ResultRecord, plugin: str = "") -> str:
    """The command that repeats a run.

    Args:
        run: a record; a trial or winner of a search is repeated by `mtlbench tune` up to that trial.
        plugin: the file of a method that is not built in, as typed from the root of the project.
    """
    tuning = run.spec.tuning
    file = [f"--plugin {shlex.quote(plugin)}"] if plugin else []
    if run.spec.is_best_of_curve:
        return printable(_best_command(run, plugin))
    if tuning:
        how = " --design random" if tuning.design == "random" else ""
        # A trial is one run under the search's own seed; only a winner is run again with others.
        tail = f" --seeds {run.spec.seed}" if tuning.stage == "final" else ""
        words = [f"mtlbench tune {_quote(run.suite, tuning.of)} --trials {tuning.trial + 1}{tail}{how}"]
        return printable(" ".join([*words, *_protocol(run)]))
    pairs = [
        f"--set {shlex.quote(f'{key}={_write_value(value)}')}" for key, value in sorted(run.spec.overrides.items())
    ]
    words = [f"mtlbench run {_quote(run.suite, run.method)} --seeds {run.spec.seed}", *_protocol(run), *pairs, *file]
    return printable(" ".join(words))


def _best_command(run: ResultRecord, plugin: str) -> str:
    """What makes a run of the value that a curve chose again: a curve of that value alone chooses it."""
    pairs = [(key, _write_value(value)) for key, value in sorted(run.spec.overrides.items())]
    # Any of the settings will do, as long as it is a number: the choice is among one value.
    numeric = list_numeric_settings()
    over = next((key for key, _ in pairs if key in numeric), "lr")
    others = [f"--set {shlex.quote(f'{key}={value}')}" for key, value in pairs if key != over]
    values = [f"--over {shlex.quote(f'{key}={value}')}" for key, value in pairs if key == over]
    file = [f"--plugin {shlex.quote(plugin)}"] if plugin else []
    words = [f"mtlbench curve {_quote(run.suite, run.method)}", *values, *others, f"--final-seeds {run.spec.seed}"]
    return " ".join([*words, *_protocol(run), *file])


def curve_command(curve: SettingCurve) -> str:
    """What makes the runs of a curve again."""
    values = "/".join(curve.grid.texts)
    settings = "".join(f" --set {shlex.quote(f'{key}={value}')}" for key, value in curve.settings)
    over = f"--over {shlex.quote(f'{curve.setting}={values}')} --seeds {','.join(map(str, curve.seeds))}"
    run = next(run for runs in curve.points.values() for run in runs.values())
    words = [f"mtlbench curve {_quote(curve.suite, curve.method)} {over}{settings}", *_protocol(run)]
    return printable(" ".join(words))


def sweep_command(dial: Dial) -> str:
    """The command that repeats the runs of a dial, over the range from the first to the last seed.

    Empty where each point is at its own best value: no sweep does that, but the board with those rows.
    """
    if dial.of_best:
        return ""
    values = "/".join(f"{value:g}" for value in dial.points)
    seeds = sorted({run.spec.seed for runs in dial.points.values() for run in runs})
    settings = "".join(f" --set {shlex.quote(pair)}" for pair in dial.settings.split())
    over = f"--over {shlex.quote(f'{dial.option}={values}')} --seeds {seeds[0]}-{seeds[-1]}"
    run = next(run for runs in dial.points.values() for run in runs)
    return printable(" ".join([f"mtlbench sweep {_quote(dial.suite, dial.method)} {over}{settings}", *_protocol(run)]))


def missing_commands(suite: str, tasks: list[str], seeds: str, there: set[str]) -> list[tuple[str, str]]:
    """Commands for the views that a suite's page could have and has not.

    Args:
        suite: its short name.
        tasks: its tasks, in order; the last one is the example of a task to shuffle.
        seeds: those of the board, as `0-4`.
        there: names of views that exist: `dial`, `related`, `tuned`.

    Returns:
        (what the view shows, command) for each view that is missing.
    """
    name = shlex.quote(suite)
    wanted = {
        "dial": (
            "The dial from separate models to one trunk",
            f"mtlbench sweep {name} soft+l2 --over halflife=inf/1e4..1:5/0 --seeds {seeds}",
        ),
        "related": (
            f"What {tasks[-1]} tells the other tasks: its training targets dealt out anew",
            f"mtlbench run {name} hard cross_stitch --set {shlex.quote(f'shuffled={tasks[-1]}')} --seeds {seeds}",
        ),
        "tuned": (
            "What tuning buys, as many trials for every method",
            f"mtlbench tune {name} single_task --trials 16 --seeds {seeds}",
        ),
    }
    return [pair for key, pair in wanted.items() if key not in there]


def _protocol(run: ResultRecord) -> list[str]:
    """--protocol of a run that is under an earlier version than the suite has now; else nothing."""
    version = run.spec.protocol.version
    return [f"--protocol {version}"] if version < find_latest_version(run.spec.suite) else []


def _quote(*words: str) -> str:
    """Words as arguments of a shell, joined by blanks."""
    return " ".join(map(shlex.quote, words))


def _write_value(value: Any) -> str:
    """A value as `--set` takes it: a list is joined by slashes."""
    return "/".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
