"""Hold a method, a suite, or a file that registers some, against the contract of plug-ins."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.errors import UsageError, shown

if TYPE_CHECKING:
    from bench.cli.answer import Answer
    from bench.isolated import Limits

EPILOG = """examples:
  mtlbench check cross_stitch
  mtlbench check my_method.py
  mtlbench check --all --json

A file is run in a process of its own, with limits on time and memory; the stores it could reach are compared before
and after. This limits accidents and is no sandbox: its code runs with your rights, so check only what you trust.
"""

MAX_ANSWER = 4 << 20  # bytes


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("subject", metavar="NAME|FILE", nargs="?", help="a registered name, or a Python file")
    parser.add_argument("--all", action="store_true", help="everything that is registered")
    options.add_plugin(parser)
    options.add_data_dir(parser)
    options.add_limits(parser)
    options.add_json(parser)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)  # the process that imports: where it answers


def run(arguments: argparse.Namespace) -> int:
    """Run every rule; exit code 1 where one failed."""
    if bool(arguments.subject) == arguments.all:
        raise UsageError("`mtlbench check` should be given a NAME or a FILE, or --all.")
    if arguments.report:
        return _answer(arguments)
    subject = arguments.subject or ""
    if arguments.plugin or subject.endswith(".py") or Path(subject).is_file():
        words = ["--all"] if arguments.all else [subject]
        words += [word for file in arguments.plugin for word in ("--plugin", file)]
        outcomes = check_isolated(words, arguments.data_dir, options.limits(arguments))
    else:
        outcomes = _outcomes(arguments)
    return show(outcomes, arguments.json, brief=arguments.all)


def show(outcomes: Sequence[dict[str, Any]], as_json: bool, brief: bool) -> int:
    """Print outcomes and return the exit code; `brief` leaves out the rules that hold."""
    failed = sum(not outcome["passed"] for outcome in outcomes)
    if as_json:
        print(json.dumps(outcomes, indent=1))
        return 1 if failed else 0
    for outcome in outcomes:
        if not outcome["passed"] or not brief:
            word = "ok  " if outcome["passed"] else "FAIL"
            advice = f": {outcome['advice']}" if outcome["advice"] else ""
            print(shown(f"{word} {outcome['subject']}: {outcome['rule']}{advice}"))
    parts = len({outcome["subject"] for outcome in outcomes if "/" in outcome["subject"]})
    rules = f"{len(outcomes)} rule{'s' * (len(outcomes) != 1)}"
    print(f"{rules} checked on {parts} part{'s' * (parts != 1)}, {failed} failed.")
    return 1 if failed else 0


def check_isolated(words: Sequence[str], data_dir: str | None, limits: "Limits") -> list[dict[str, Any]]:
    """The outcomes of `mtlbench check WORDS` in a process of its own; the last one is about the process itself."""
    from bench.isolated import run_isolated, scratch
    from leaderboard.compare import COMMITTED

    with scratch() as folder:
        report = folder / "report.json"
        command = [sys.executable, "-m", "bench.cli.main", "check", *words, "--report", str(report)]
        command += ["--data-dir", data_dir] if data_dir else []
        finished = run_isolated(command, limits, [options.store_dir(None), COMMITTED])
        answer, troubles = _read(report), list(finished.troubles)
    ended = f"It ended the interpreter (exit code {finished.code}) before the rules were through"
    if not troubles and (answer is None or not (answer.outcomes or answer.error)):
        last = shown(" ".join(finished.output.split())[-300:])
        troubles.append(f"{ended}{': ' + last if last else ''}.")
    elif not troubles and finished.code:
        troubles.append(f"It ended with exit code {finished.code} after the rules were through.")
    if answer and answer.error and not troubles:
        raise UsageError(shown(answer.error))
    subject = Path(next((word for word in words if word.endswith(".py")), words[0])).name
    limit = {"subject": subject, "rule": "keeps to its process, its limits and its own files"}
    return [
        *(outcome.model_dump() for outcome in (answer.outcomes if answer else [])),
        limit | {"passed": not troubles, "advice": " ".join(troubles)},
    ]


def _read(report: Path) -> "Answer | None":
    """What the process answered; None where that is no answer: whoever wrote the file may have written this one."""
    from bench.cli.answer import Answer
    from leaderboard.untrusted import parse_json, read_limited

    try:
        return Answer.model_validate(parse_json(read_limited(report, MAX_ANSWER)))
    except ValueError:
        return None


def _answer(arguments: argparse.Namespace) -> int:
    """In the process that imports: the outcomes, or the error of whoever wrote the file, into a file."""
    from leaderboard.files import write_whole

    try:
        content: dict[str, Any] = {"outcomes": _outcomes(arguments)}
    except UsageError as error:
        content = {"error": str(error)}
    write_whole(arguments.report, json.dumps(content))
    return 0


def _outcomes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import torch

    from bench.check import check, subjects
    from bench.registry import PACKAGES, entries

    options.load_plugins(arguments.plugin)
    chosen = (
        [(kind, name) for kind in PACKAGES for name in entries(kind)] if arguments.all else subjects(arguments.subject)
    )
    data = options.data_dir(arguments.data_dir)
    torch.set_num_threads(1)  # the models are tiny: a second thread only waits for the first
    outcomes = []
    for number, (kind, name) in enumerate(chosen, 1):
        found = list(check(kind, name, data))
        outcomes += [asdict(outcome) for outcome in found]
        if arguments.all and not arguments.report:
            bad = sum(not outcome.passed for outcome in found)
            print(
                f"{number}/{len(chosen)} {kind} {name}: {len(found)} rules, {bad} failed", file=sys.stderr, flush=True
            )
    return outcomes
