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
from bench.errors import UsageError, count_nouns, make_printable

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

MOST_RULES = 100_000  # answers of one check: a process could send them for ever
# The rule about the process itself, which no code inside it could check.
RULE = "keeps to its process, its limits and its own files"


class RuleResult(BaseModel):
    """One rule and whether it holds, as `mtlbench check --json` prints it and a confined process sends it.

    What a process sends is validated by this schema, lengths included: it is text of somebody else's.

    Attributes:
        subject: The part that was checked, as `sharing/hard`, or a file.
        rule: What should hold.
        passed: Whether it does.
        advice: What to change where it does not; may be empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    subject: str = Field(max_length=1000)
    rule: str = Field(max_length=1000)
    passed: bool
    advice: str = Field(max_length=10_000)


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("subject", metavar="NAME|FILE", nargs="?", help="a registered name, or a Python file")
    parser.add_argument("--all", action="store_true", help="everything that is registered")
    options.add_plugin(parser)
    options.add_data_dir(parser)
    options.add_limits(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check every rule and print the results.

    Built-in parts are checked in this process. Where a file is named, as the subject or as a plug-in, all rules run in
    a confined process that imports it, and this process does not.

    Returns:
        1 where a rule failed, else 0.

    Raises:
        UsageError: Neither or both of a subject and --all are given, the subject is not registered, or a file cannot be
            read.
    """
    if bool(arguments.subject) == arguments.all:
        raise UsageError("`mtlbench check` should be given a NAME or a FILE, or --all.")
    # A registered name has no ending; a file may be named without one.
    subject = arguments.subject or ""
    is_file = subject.endswith(".py") or Path(subject).is_file()
    # Somebody's file is never imported here: what it does on import would be done to this process.
    if arguments.plugin or is_file:
        files = [read_source(Path(file)) for file in [*arguments.plugin, *([subject] if is_file else [])]]
        name = "" if is_file or arguments.all else subject
        outcomes = check_confined(files, name, arguments.data_dir, options.read_limits(arguments), arguments.all)
    else:
        outcomes = _check_registered(arguments)
    return print_outcomes(outcomes, arguments.json, brief=arguments.all)


def print_outcomes(outcomes: Sequence[dict[str, Any]], as_json: bool, brief: bool) -> int:
    """Print outcomes, as lines or as JSON.

    Args:
        outcomes: Mappings with the fields of RuleResult.
        as_json: Print all of them as a JSON list.
        brief: Leave out the rules that hold; the counts are printed all the same.

    Returns:
        The exit code, 1 where a rule failed.
    """
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
    rules = count_nouns(len(outcomes), "rule")
    print(f"{rules} checked on {count_nouns(parts, 'part')}, {failed} failed.")
    return 1 if failed else 0


def read_source(path: Path) -> "MethodSource":
    """A plug-in's file as text.

    Raises:
        UsageError: It is not there, is no source text of Python, is too large, or reads otherwise than it looks.
    """
    from bench.catalogue.source_text import decode_source
    from bench.judge.cells import MethodSource
    from leaderboard.intake.manifest import MAX_CODE
    from leaderboard.store.limits import read_limited

    options.require_file(path)
    try:
        return MethodSource(path.name, decode_source(read_limited(path, MAX_CODE)))
    except ValueError as error:
        reasons = "; ".join(str(error).split("\n"))
        raise UsageError(f"`{make_printable(str(path))}` should be a Python file: {reasons}.") from error


def check_confined(
    files: "Sequence[MethodSource]", subject: str, data_dir: str | None, limits: "Limits", whole: bool = False
) -> list[dict[str, Any]]:
    """Check rules in a confined process that imports `files`; returns outcomes with the fields of RuleResult.

    The last outcomes are about the files' text and about the process: whether it kept to its limits and left the stores
    alone.

    Args:
        files: Sources in the order in which they are imported.
        subject: A registered name; an empty text takes what the last of `files` registers.
        data_dir: A folder of data sets that the process may read.
        limits: Bounds of the process.
        whole: Check all that is registered.

    Raises:
        UsageError: `subject` is not registered.
    """
    from bench.judge.confinement import describe_confinement
    from bench.judge.host import MethodFailed, Player, PlayerFailed
    from leaderboard.store.committed import COMMITTED

    # The process sees a folder of data sets only where the user names one.
    readable = [Path(data_dir)] if data_dir else []
    watched = [options.resolve_store_dir(None), COMMITTED]
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
        *(_list_suspicious_lines(file) for file in files),
        {
            "subject": subject or files[-1].name,
            "rule": RULE,
            "passed": not troubles,
            "advice": " ".join(troubles) or f"It ran {describe_confinement(player.confinement)}.",
        },
    ]


def _list_suspicious_lines(file: "MethodSource") -> dict[str, Any]:
    """An outcome that names the lines of a file which a reviewer should look at; it always passes.

    A file that does not parse has none: importing it fails, with a better sentence.
    """
    from bench.catalogue.source_text import find_suspicious_lines

    try:
        lines = find_suspicious_lines(file.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = []  # which importing it says better
    advice = f"{'; '.join(lines)}." if lines else ""
    return {
        "subject": file.name,
        "rule": "lines for a reviewer to look at",
        "passed": True,
        "advice": advice,
    }


def _check_registered(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Check built-in parts in this process.

    With --all a line per part is printed on standard error as it is done, since all of them take minutes.
    """
    import torch

    from bench.catalogue.registry import PACKAGES, list_entries
    from bench.check import check, find_subjects

    data = options.resolve_data_dir(arguments.data_dir)
    chosen = (
        [(kind, name) for kind in PACKAGES for name in list_entries(kind)]
        if arguments.all
        else find_subjects(arguments.subject, data)
    )
    torch.set_num_threads(1)  # the models are tiny: a second thread only waits for the first
    outcomes = []
    for number, (kind, name) in enumerate(chosen, 1):
        of_part = list(check(kind, name, data))
        outcomes += [asdict(outcome) for outcome in of_part]
        if arguments.all:
            bad = sum(not outcome.passed for outcome in of_part)
            rules = count_nouns(len(of_part), "rule")
            print(f"{number}/{len(chosen)} {kind} {name}: {rules}, {bad} failed", file=sys.stderr, flush=True)
    return outcomes
