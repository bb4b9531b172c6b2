"""Show what stands behind a name: a method or a part of one, a suite, a table, or a run."""

import argparse
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import options
from bench.errors import UsageError, count_nouns, hint, make_printable
from leaderboard.store import Store
from leaderboard.store.committed import read_results

if TYPE_CHECKING:
    from bench.catalogue.registry import Entry
    from bench.records import ResultRecord
    from leaderboard.boards.board import Board

EPILOG = """examples:
  mtlbench show cross_stitch
  mtlbench show soft+l2@pcgrad
  mtlbench show multidigits
  mtlbench show mechanisms --json
  mtlbench show 3f1c

A run is named by its id, or by as much of the beginning as tells it from others. It is looked for in the store, and
then among the committed results.
"""
RUN_ID = re.compile(r"[0-9a-f]{1,16}")
TRIED = (
    "multidigits",
    "linear_synthetic",
    "synthetic",
    "multilabel",
)  # none needs data
SHOWN = 8  # tasks that a line names
Facts = dict[str, Any]  # what --json prints of one thing


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("name", metavar="NAME", help="a method, a part of one, a suite, a table, or a run id")
    options.add_store(parser)
    options.add_plugin(parser)
    options.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Find what the name means, and print it. Returns 0.

    Raises:
        UsageError: Nothing has that name, or several runs begin with it.
    """
    options.load_plugins(arguments.plugin)
    name = arguments.name
    kind, found = _find(name, arguments.store)
    shown: dict[str, Callable[..., tuple[Facts, str]]] = {
        "run": _show_run,
        "table": _show_table,
        "suite": _show_suite,
        "method": _show_method,
        "part": _show_part,
    }
    facts, text = shown[kind](found)
    print(json.dumps({"is": kind, **facts}, indent=1) if arguments.json else _keep_lines(text))
    return 0


def _keep_lines(text: str) -> str:
    """Text of records and plug-ins with its line breaks, and no other sign that a terminal acts on."""
    return "\n".join(make_printable(line) for line in text.split("\n"))


def _find(name: str, store: str | None) -> tuple[str, Any]:
    """What a name is, and the thing itself.

    Names come before run ids, and a suite before a table that is called like it: it lists its tables.
    """
    from bench.catalogue.registry import PACKAGES, list_entries
    from leaderboard.boards.board import boards

    entries = {kind: list_entries(kind) for kind in PACKAGES}
    first = name.partition(":")[0]
    if first in entries["suite"]:
        return "suite", name
    if name in boards():
        return "table", boards()[name]
    for kind in ("constraint", "weighting", "backbone"):
        if name in entries[kind]:
            return "part", entries[kind][name]
    if name in entries["sharing"] and entries["sharing"][name].cls.needs_constraint:  # type: ignore[attr-defined]
        return "part", entries["sharing"][name]
    if re.split(r"[:+@]", name)[0] in entries["sharing"]:
        return "method", name
    if RUN_ID.fullmatch(name.lower()):
        return "run", _find_run(name.lower(), store)
    known = [*boards(), *(each for shelf in entries.values() for each in shelf)]
    raise UsageError(f"There is no method, suite, table or run `{name}`; {hint(name, known)}.")


def _find_run(start: str, store: str | None) -> "ResultRecord":
    """The record of the one run whose id begins with `start`."""
    root = options.resolve_store_dir(store)
    for store_root in (root, None):  # the committed ones are read only where they are needed
        contents = Store(store_root).read(check=False) if store_root else read_results()
        found = [record for record in contents.records if record.run_id.startswith(start)]
        if len(found) > 1:
            raise UsageError(
                f"`{start}` should begin one run id. Found {count_nouns(len(found), 'run')}: "
                f"{', '.join(f'`{record.run_id}`' for record in found[:3])}{', ...' if found[3:] else ''}."
            )
        if found:
            return found[0]
    raise UsageError(f"No run in `{root}`, and none of the committed ones, has an id that begins with `{start}`.")


def _show_method(name: str) -> tuple[Facts, str]:
    """A method: its parts, its full name, and the tables that have it."""
    from bench.catalogue.method import Method

    method = Method.parse(name)
    entries = [part.entry for part in method.parts]
    parts = [_tell_part(entry) for entry in entries if entry.name != "uniform"]  # the plain sum, of which nobody asks
    there = _list_tables(method.short)
    facts = {
        "name": method.short,
        "canonical": method.canonical,
        "tables": there,
        "parts": [facts for facts, _ in parts],
    }
    lines = [
        *(text for _, text in parts),
        f"in full   {method.canonical}",
        f"tables    {_write_names(there)}",
        *_propose_run(name),
    ]
    return facts, "\n".join(lines)


def _show_part(entry: "Entry") -> tuple[Facts, str]:
    """A part that is no method by itself."""
    facts, text = _tell_part(entry)
    example = {"constraint": f"soft+{entry.name}", "weighting": f"hard@{entry.name}", "sharing": f"{entry.name}+l2"}
    tried = _propose_run(example[entry.kind]) if entry.kind in example else []
    return facts, "\n".join([text, *tried]).rstrip()


def _propose_run(method: str) -> list[str]:
    """A command that runs a method, on the first suite of few that takes it; none where none does."""
    from bench.planning.plan import plan

    for suite in TRIED:
        with suppress(UsageError):
            plan(suite, [method], [0], {}, "cpu")
            return [f"try       mtlbench run {suite} single_task {method} --seeds 0-4"]
    return []


def _list_tables(method: str) -> list[str]:
    """The tables that have a method, by its short name."""
    from leaderboard.boards.board import boards

    return [board.name for board in boards().values() if any(method in part.methods for part in board.parts)]


def _write_names(names: Sequence[str]) -> str:
    """Names on lines of a terminal's width, below each other."""
    return textwrap.fill(", ".join(names) or "none", 100, subsequent_indent=" " * 10, break_on_hyphens=False)


def _tell_part(entry: "Entry") -> tuple[Facts, str]:
    """One part with its docstring, and the values that its options take."""
    from bench.catalogue.options import write

    told = inspect.cleandoc(entry.cls.__doc__ or "")
    values = {
        each.name: (write(each.default), each.describe_expectation().removeprefix("be "))
        for each in entry.options.values()
    }
    facts: Facts = {
        "kind": entry.kind,
        "name": entry.name,
        "version": entry.version,
        "paper": entry.paper,
        "text": told,
        "options": {key: {"default": default, "accepts": accepts} for key, (default, accepts) in values.items()},
    }
    lines = [f"{entry.name} ({entry.kind}, version {entry.version})", "", told, ""]
    width = max((len(f"{key}={default}") for key, (default, _) in values.items()), default=0)
    if values:
        lines.append("Options at their defaults, and what they accept:")
        lines += [f"  {f'{key}={default}':{width}}  {accepts}" for key, (default, accepts) in values.items()] + [""]
    if entry.paper:
        lines += [textwrap.fill(f"paper     {entry.paper}", 110, subsequent_indent=" " * 10), ""]
    return facts, "\n".join([*lines, ""])


def _show_suite(name: str) -> tuple[Facts, str]:
    """A suite: how its card begins, its tasks and sizes, its tables, and the commands on it."""
    from bench.planning.plan import parse_suite
    from bench.scores import list_metrics
    from leaderboard.boards.board import boards

    choice, suite = parse_suite(name)
    there = [
        board.name
        for board in boards().values()
        if choice.entry.name in {part.suite.partition(":")[0] for part in board.parts}
    ]
    protocol = suite.protocol
    facts: Facts = {
        "name": choice.entry.name,
        "canonical": choice.canonical,
        "version": choice.entry.version,
        "text": _read_introduction(choice.entry.cls),
        "tasks": {task: list(list_metrics(kind)) for task, kind in protocol.metrics.items()},
        "rows": dict(protocol.splits),
        "updates": protocol.updates,
        "tables": there,
    }
    rows = ", ".join(f"{count:,} {split}" for split, count in protocol.splits.items())
    tasks = [f"{task} ({', '.join(metrics)})" for task, metrics in facts["tasks"].items()]
    more = [f"and {count_nouns(len(tasks) - SHOWN, 'other')}"] if len(tasks) > SHOWN else []
    if len(suite.tasks) > len(tasks):
        more.append(f"{len(suite.tasks)} are trained, and scored together under the names here")
    lines = [
        f"{choice.entry.name} (suite, version {choice.entry.version})",
        "",
        facts["text"],
        "",
        f"in full   {choice.canonical}",
        f"tasks     {'; '.join(tasks[:SHOWN] + more)}",
        f"rows      {rows}",
        f"training  {protocol.updates:,} updates, {protocol.optimiser} at {protocol.lr:g}",
        f"tables    {_write_names(there)}",
        f"try       mtlbench run {name} single_task hard --seeds 0-4",
        f"          mtlbench protocol {name}",
    ]
    return facts, "\n".join(lines)


def _read_introduction(suite: type) -> str:
    """The first paragraph of a suite's card below its title; the docstring where there is no card."""
    source = inspect.getsourcefile(suite)
    card = Path(source).with_name("README.md") if source else None
    if card is None or not card.is_file():
        return inspect.cleandoc(suite.__doc__ or "")
    paragraphs = card.read_text(encoding="utf-8").split("\n\n")
    return next((text for text in paragraphs if not text.startswith("#")), "").strip()


def _show_table(board: "Board") -> tuple[Facts, str]:
    """A table: its suites, its rows, and the command that makes it."""
    parts: list[Facts] = [
        {"title": part.title, "suite": part.suite, "methods": part.methods, "seeds": part.seeds, "note": part.note}
        for part in board.parts
    ]
    lines = [f"{board.name} (table, version {board.version})"]
    for part in parts:
        lines += [
            "",
            part["title"],
            *([part["note"]] if part["note"] else []),
            f"suite     {part['suite']}",
            f"seeds     {part['seeds']}",
            f"methods   {_write_names(part['methods'])}",
        ]
    lines += ["", f"try       mtlbench table {board.name}", f"          mtlbench reproduce {board.name} --dry-run"]
    return {"name": board.name, "version": board.version, "parts": parts}, "\n".join(lines)


def _show_run(record: "ResultRecord") -> tuple[Facts, str]:
    """A run: what was run, its scores on the test split, and the command that makes it again. JSON is the record."""
    from bench.scores import list_metrics
    from leaderboard.site.commands import run_command

    changed = ", ".join(f"{key}={value}" for key, value in sorted(record.spec.overrides.items()))
    lines = [
        f"{record.run_id} (run, {record.status})",
        "",
        f"suite     {record.suite}",
        f"method    {record.method}",
        f"seed      {record.spec.seed}",
        f"changed   {changed or 'nothing'}",
        f"made      {record.created}",
    ]
    scores = record.scores.get("val", {}) if record.status == "done" else {}
    kinds = record.spec.protocol.metrics
    for task, values in scores.items():
        metrics = list_metrics(kinds[task])
        told = [
            f"{name} {value:.4g} {metrics[name].unit}".rstrip() for name, value in values.items() if name in metrics
        ]
        lines.append(f"test      {task}: {', '.join(told)}")
    if record.status == "failed":
        lines.append(f"error     {record.error}")
    lines += ["", f"try       {run_command(record)}"]
    return json.loads(record.model_dump_json()), "\n".join(lines)
