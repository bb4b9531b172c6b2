"""docs/cli.md, written from the parsers of the command line: `python -m documentation.command_reference`.

It lays arguments out by itself and not as argparse prints them, which differs between versions of Python.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.cli.main import COMMANDS, EPILOG, build_parser
from bench.system.files import write_whole
from leaderboard.report.escape import code_parts, markdown

OPENING = """# Command line

Every command with all of its arguments, written from the parsers themselves. `mtlbench COMMAND --help` prints the same.
Exit codes: 0 success, 2 wrong arguments, 130 interrupted, 1 anything else.

| command | what it does |
| :-- | :-- |
"""


def write_command_reference() -> str:
    """The page: a table of commands, then each with what it does, its arguments and its examples."""
    parts = [OPENING]
    parts += [f"| [`{name}`](#mtlbench-{name}) | {_escape(summary)} |\n" for name, summary in COMMANDS.items()]
    parts.append(f"\n{_write_examples(EPILOG)}")
    for name in COMMANDS:
        [child] = [each for action in _list_subcommands(build_parser(name)) for each in action if each[0] == name]
        parts.append(_write_command(f"mtlbench {name}", child[1], 2))
    return "".join(parts)


def _list_subcommands(parser: argparse.ArgumentParser) -> Iterator[list[tuple[str, argparse.ArgumentParser]]]:
    """The commands below a parser, with their own parsers."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield list(action.choices.items())


def _write_command(title: str, parser: argparse.ArgumentParser, level: int) -> str:
    """A section of the page, and those of the commands below it."""
    lines = [f"\n{'#' * level} {title}\n"]
    if parser.description:
        lines.append(f"\n{_write_text(parser.description)}\n")
    lines.append(f"\n```text\n{f'{title} {_write_usage(parser)}'.rstrip()}\n```\n")
    rows = [_write_row(parser, action) for action in parser._actions if _is_shown(action)]
    if rows:
        lines += ["\n| argument | what it is |\n| :-- | :-- |\n", *rows]
    if parser.epilog:
        lines.append(f"\n{_write_examples(parser.epilog)}")
    for commands in _list_subcommands(parser):
        lines += [_write_command(f"{title} {name}", child, level + 1) for name, child in commands]
    return "".join(lines)


def _is_shown(action: argparse.Action) -> bool:
    """Whether an argument has a row: not `--help`, which all have, and not the list of commands."""
    hidden = action.help == argparse.SUPPRESS
    return not hidden and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)


def _write_usage(parser: argparse.ArgumentParser) -> str:
    """What stands behind the command: required options, then places, then commands below it."""
    shown = [action for action in parser._actions if _is_shown(action)]
    words = [f"{a.option_strings[-1]} {_write_values(a)}".strip() for a in shown if a.option_strings and a.required]
    words += [_write_values(action) for action in shown if not action.option_strings]
    words += ["COMMAND" for _ in _list_subcommands(parser)]
    if any(action.option_strings and not action.required for action in shown):
        words.append("[options]")
    return " ".join(words)


def _write_values(action: argparse.Action) -> str:
    """What an argument takes: `SEEDS`, `{text,md}`, `METHOD ...`; empty for a switch."""
    if action.nargs == 0:
        return ""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices is not None else ""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    name = metavar or choices or action.dest.upper()
    match action.nargs:
        case "?":
            return f"[{name}]"
        case "*":
            return f"[{name} ...]"
        case "+":
            return f"{name} ..."
        case int(count):
            return " ".join([name] * count)
        case _:
            return name


def _write_row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """One argument with its help."""
    values = _write_values(action)
    names = [f"`{' '.join(filter(None, (name, values)))}`" for name in action.option_strings] or [f"`{values}`"]
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    if action.choices is not None and isinstance(action.metavar, str):
        text += f" (one of {', '.join(f'`{choice}`' for choice in action.choices)})"
    return f"| {', '.join(name.replace('|', chr(92) + '|') for name in names)} | {_escape(text)} |\n"


def _escape(text: str) -> str:
    """Help as a cell of a table: code stays code, and no bar or angle bracket is markup."""
    parts = code_parts(" ".join(text.split()))
    return "`".join(part.replace("|", "\\|") if number % 2 else markdown(part) for number, part in enumerate(parts))


def _write_text(text: str) -> str:
    """The description of a command, whose paragraphs stay; an indented one is code."""
    return "\n\n".join(part if part.startswith("    ") else part.strip() for part in text.strip().split("\n\n"))


def _write_examples(text: str) -> str:
    """The epilog of a command, as it is printed."""
    return f"```text\n{text.strip()}\n```\n"


if __name__ == "__main__":
    for file in sys.argv[1:] or ["docs/cli.md"]:
        write_whole(Path(file), write_command_reference())
