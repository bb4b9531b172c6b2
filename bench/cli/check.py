"""Hold a method, a suite, or a file that registers some, against the contract of plug-ins."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.cli import options
from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    from bench.judge.cells import MethodSource
    from bench.judge.limits import Limits

EPILOG = """examples:
  mtlbench check cross_stitch
  mtlbench check my_method.py
  mtlbench check --all --json

A file runs in a confined process: in a sandbox where bubblewrap works (no network, nothing of your files), otherwise
under limits on time and memory, with your rights; the last line says which. docs/security.md has what that promises.
"""

MOST_RULES = 100_000  # answers of one check
RULE = "keeps to its process, its limits and its own files"


class RuleResult(BaseModel):
    """One rule, as a confined process sends it and `mtlbench check --json` prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    subject: str = Field(max_length=1000)
    rule: str = Field(max_length=1000)
    passed: bool
    advice: str = Field(max_length=10_000)


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("subject", metavar="NAME|FILE", nargs="?", help="a registered name, or a Python file")
    parser.add_argument("--all", action="store_true", help="everything that is registered")
    options.add_plugin(parser)
    options.add_data_dir(parser)
    options.add_limits(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run every rule; exit code 1 where one failed."""
    if bool(arguments.subject) == arguments.all:
        raise UsageError("`mtlbench check` should be given a NAME or a FILE, or --all.")
    subject = arguments.subject or ""
    is_file = subject.endswith(".py") or Path(subject).is_file()
    if arguments.plugin or is_file:
        files = [read_source(Path(file)) for file in [*arguments.plugin, *([subject] if is_file else [])]]
        name = "" if is_file or arguments.all else subject
        outcomes = check_confined(files, name, arguments.data_dir, options.limits(arguments), arguments.all)
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
            print(make_printable(f"{word} {outcome['subject']}: {outcome['rule']}{advice}"))
    parts = len({outcome["subject"] for outcome in outcomes if "/" in outcome["subject"]})
    rules = f"{len(outcomes)} rule{'s' * (len(outcomes) != 1)}"
    print(f"{rules} checked on {parts} part{'s' * (parts != 1)}, {failed} failed.")
    return 1 if failed else 0


def read_source(path: Path) -> "MethodSource":
    """A plug-in's file as text. Raises UsageError where there is none, or where it does not read as it looks."""
    from bench.catalogue.source_text import decode_source
    from bench.judge.cells import MethodSource
    from leaderboard.intake.manifest import MAX_CODE
    from leaderboard.store.limits import read_limited

    try:
        return MethodSource(path.name, decode_source(read_limited(path, MAX_CODE)))
    except ValueError as error:
        reasons = "; ".join(str(error).split("\n"))
        raise UsageError(f"`{make_printable(str(path))}` should be a Python file: {reasons}.") from error


def check_confined(
    files: "Sequence[MethodSource]", subject: str, data_dir: str | None, limits: "Limits", whole: bool = False
) -> list[dict[str, Any]]:
    """Every rule on a registered name, or without one on what the last of `files` registers, or on all (`whole`).

    The files run in a confined process; the last outcome is about that process.
    """
    from bench.judge.confinement import describe_confinement
    from bench.judge.host import MethodFailed, Player, PlayerFailed
    from leaderboard.store.committed import COMMITTED

    readable = [Path(data_dir)] if data_dir else []
    watched = [options.store_dir(None), COMMITTED]
    values = {"files": [file.sent for file in files], "subject": subject, "all": whole, "data_dir": data_dir or ""}
    outcomes, troubles = list[dict[str, Any]](), list[str]()
    player = Player(limits, readable=readable, watched=watched, hide_scans=False)
    try:
        with player, player.request("check", values) as request:
            message = request.receive("rule", "checked")
            while message.kind == "rule":
                if len(outcomes) == MOST_RULES:
                    raise PlayerFailed(f"It answered more than {MOST_RULES:,} rules.")
                outcomes.append(RuleResult.model_validate(message.values).model_dump())
                message = request.receive("rule", "checked")
    except MethodFailed as error:
        if error.is_usage:
            raise UsageError(error.message) from error
        troubles.append(f"It ended with an error of its own: {error.type}: {error.message} ({error.where}).")
    except ValidationError:
        troubles.append("What it answered is no rule.")
    except PlayerFailed as error:
        troubles.append(str(error))
    troubles += player.troubles
    return [
        *outcomes,
        *(_read_through(file) for file in files),
        {
            "subject": subject or files[-1].name,
            "rule": RULE,
            "passed": not troubles,
            "advice": " ".join(troubles) or f"It ran {describe_confinement(player.confinement)}.",
        },
    ]


def _read_through(file: "MethodSource") -> dict[str, Any]:
    """What in a file a reviewer should look at; it is no failure."""
    from bench.catalogue.source_text import suspicious_lines

    try:
        lines = suspicious_lines(file.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = []  # which importing it says better
    advice = f"{'; '.join(lines)}." if lines else ""
    return {
        "subject": file.name,
        "rule": "lines for a reviewer to look at",
        "passed": True,
        "advice": advice,
    }


def _outcomes(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    import torch

    from bench.catalogue.registry import PACKAGES, entries
    from bench.check import check, subjects

    chosen = (
        [(kind, name) for kind in PACKAGES for name in entries(kind)] if arguments.all else subjects(arguments.subject)
    )
    data = options.data_dir(arguments.data_dir)
    torch.set_num_threads(1)  # the models are tiny: a second thread only waits for the first
    outcomes = []
    for number, (kind, name) in enumerate(chosen, 1):
        found = list(check(kind, name, data))
        outcomes += [asdict(outcome) for outcome in found]
        if arguments.all:
            bad = sum(not outcome.passed for outcome in found)
            print(
                f"{number}/{len(chosen)} {kind} {name}: {len(found)} rules, {bad} failed", file=sys.stderr, flush=True
            )
    return outcomes
