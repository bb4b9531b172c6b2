"""Print what completes commands, options and names in a shell: bash, zsh or fish."""

import argparse
from importlib.util import find_spec

from bench.errors import UsageError

EPILOG = """examples:
  mtlbench completion bash > ~/.local/share/bash-completion/completions/mtlbench
  mtlbench completion zsh > ~/.zfunc/_mtlbench             # a folder of $fpath
  mtlbench completion fish > ~/.config/fish/completions/mtlbench.fish

Names of suites, methods and tables are those that there are now: print it again after an update, or after
`mtlbench data import`. Needs an extra: pip install 'mtlbench[completion]'.
"""

SHELLS = ("bash", "zsh", "fish")
# Word for the value of an argument, in its help -> what completes it: a file, a folder, or names.
FILES = ("FILE",)
FOLDERS = ("DIR",)
# A function in each shell that prints the names that begin as the word does; `names` are joined by blanks.
FUNCTIONS = {
    "bash": '{function}() {{ compgen -W "{names}" -- "$1"; }}\n',
    "zsh": "{function}() {{ local -a names=({names}); compadd -a names; }}\n",
    "fish": "function {function}; printf '%s\\n' {names}; end\n",
}
CALLS = {"bash": "{function}", "zsh": "{function}", "fish": "({function})"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def run(arguments: argparse.Namespace) -> int:
    """Print the script.

    Returns:
        0.

    Raises:
        UsageError: shtab is not installed.
    """
    if find_spec("shtab") is None:
        raise UsageError("`mtlbench completion` needs shtab; `pip install 'mtlbench[completion]'` brings it.")
    import shtab

    from bench.cli.main import build_whole_parser

    parser, shell, names = build_whole_parser(), arguments.shell, list_names()
    _mark_arguments(parser, names)
    # Names are identifiers with a few signs that no shell takes for its own inside of quotes.
    preamble = "".join(
        FUNCTIONS[shell].format(function=_name_function(kind), names=" ".join(_quote(shell, word) for word in words))
        for kind, words in names.items()
    )
    print(shtab.complete(parser, shell, preamble=preamble).rstrip())
    return 0


def list_names() -> dict[str, list[str]]:
    """Word for the value of an argument, as `SUITE` -> the names that it may have."""
    from bench.cli.boards import list_suite_names
    from bench.records import METHOD_PARTS, Call, complete_method
    from leaderboard.boards.board import boards
    from leaderboard.intake.source_card import read_built_in_cards

    suites, tables = sorted(list_suite_names(plugins=False)), sorted(boards())
    cards = [card for card in read_built_in_cards().values() if card.kind in METHOD_PARTS]
    methods = sorted(str(complete_method(card.kind, Call(card.name))) for card in cards)
    return {"SUITE": suites, "TABLE": tables, "TABLE|SUITE": sorted({*tables, *suites}), "METHOD": methods}


def _mark_arguments(parser: argparse.ArgumentParser, names: dict[str, list[str]]) -> None:
    """Tell shtab what completes each argument of a parser and of the commands below it, by the word for its value."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _mark_arguments(child, names)
            continue
        if isinstance(action.choices, dict):  # which shtab takes for commands
            action.choices = list(action.choices)
        if action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar in names:
            function = _name_function(str(action.metavar))
            action.complete = {shell: call.format(function=function) for shell, call in CALLS.items()}  # type: ignore[attr-defined]


def _name_function(kind: str) -> str:
    """The name of the shell function that lists the names of a kind."""
    return f"_mtlbench_{kind.lower().replace('|', '_or_')}"


def _quote(shell: str, name: str) -> str:
    """A name as a word of a shell; those for bash stand inside of double quotes already."""
    return name if shell == "bash" else f"'{name}'"
