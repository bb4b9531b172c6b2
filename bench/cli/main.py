"""`mtlbench`: reads the arguments, runs one command, and turns errors into one sentence and an exit code.

Exit codes: 0 success, 2 wrong arguments (UsageError), 130 interrupted, 1 anything else. Errors that a user can cause or
meet are UsageError, DataMissing, OSError and ValueError; of others the type is named, since they are faults of the
program or of a plug-in. `--debug` prints the traceback of any.
"""

import argparse
import importlib
import os
import re
import sys
import traceback
from collections.abc import Collection
from difflib import get_close_matches
from typing import NoReturn

from bench.cli.terminal import settle_interrupts, settle_streams
from bench.errors import DataMissing, UsageError, hint, make_printable
from bench.system.shortage import explain_shortage

# name -> what it does, in the order of the help page; each is a module bench.cli.NAME with add() and run()
COMMANDS = {
    "ask": "does learning together help, whom, and with which sharing?",
    "explain": "what a method's gain on a task is made of, and what of it is information",
    "list": "list suites, methods and their parts, controls, tables, backbones",
    "show": "what stands behind a name: a method, a suite, a table or a run",
    "run": "train methods on a suite, whatever is not stored yet",
    "sweep": "run a method along one of its options: the dial from single-task to hard",
    "curve": "run methods along a setting, as the learning rate, and choose its value on validation",
    "tune": "search a method's settings on validation, at equal budget, and run the winners",
    "reproduce": "run a table's missing cells, print it, compare it with the committed one",
    "study": "run what the predictions of a study name, and print their verdicts",
    "predict": "predict new rows by the trained model of a run",
    "probe": "whose features are alike in a trained model, and who owns which parameters",
    "table": "print a table from stored records",
    "compare": "hold two methods against each other on every board that has both",
    "export": "write all runs as one table: CSV, JSON or Parquet",
    "submit": "check a method of your own, run it on a board's seeds, and pack the result",
    "verify": "check every record of a store or a submission, and run some cells again",
    "merge": "put the records of stores into one, packed: one line per run",
    "site": "write the leaderboard as static pages",
    "new": "begin a method, a suite or another part of your own: one commented file",
    "check": "hold a method, or a file with one, against the contract",
    "protocol": "print how a suite is trained, selected and scored",
    "data": "list, prepare or describe the data of suites, or import your own",
    "completion": "print what completes commands and names in your shell",
    "cite": "print how to cite mtlbench",
    "perf": "time the harness against a bare PyTorch loop",
}
# What Ctrl-C leaves, by command; of the others nothing is kept.
_RUNS_KEPT = "finished runs are stored, and the same command continues"
INTERRUPTED = dict.fromkeys(("run", "sweep", "tune", "reproduce", "study", "submit", "ask", "explain"), _RUNS_KEPT) | {
    "merge": "every file is whole, and the same command goes on"
}
# Words that people try because other tools use them.
SYNONYMS = {"latex": "tex", "markdown": "md", "txt": "text", "describe": "info", "gpu": "cuda", "download": "prepare"}
EPILOG = """examples:
  mtlbench reproduce demo
  mtlbench run multidigits single_task hard cross_stitch --seeds 0-4
  mtlbench table multidigits_open --format md

`mtlbench COMMAND --help` has an example for each. Exit code: 0 success, 2 wrong arguments, 1 anything
else, 130 where you interrupted it.
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence with the nearest valid choice, and whose help keeps its line breaks.

    Options may not be abbreviated: a new option would change what an old script means.
    """

    def __init__(self, **options: object) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of ending the process, as argparse would.

        `main` decides about the exit code, and tests can catch the error.
        """
        # What this project's own types say is a sentence already, but for its subject.
        if own := re.fullmatch(r"argument (\S+): (should .*)", message, re.DOTALL):
            raise UsageError(f"`{own[1]}` {own[2]}.")
        raise UsageError(f"{message[0].upper()}{message[1:]}; see `{self.prog} --help`.")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Raise UsageError where a value is none of an argument's choices.

        The sentence has the synonym, where people use another word for a choice, or the nearest choices.
        """
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            named = str(action.option_strings[-1] if action.option_strings else action.metavar or action.dest)
            # A metavar in capitals is a place, not a word for what stands there.
            missing = f"There is no {f'`{named}`' if action.option_strings else named} `{value}`"
            if named.isupper():
                missing = f"There is nothing called `{value}` for `{self.prog}`"
            if (meant := SYNONYMS.get(str(value))) in known:
                raise UsageError(f"{missing}; it is called `{meant}`.")
            raise UsageError(f"{missing}; {hint(str(value), known, f'{self.prog} --help')}.")

    def unknown(self, arguments: list[str]) -> NoReturn:
        """Raise UsageError that names the first of the unknown `arguments`.

        The sentence has the nearest options of this command; those that the word abbreviates come first.
        """
        known = [option for action in self._actions for option in action.option_strings]
        word = arguments[0].partition("=")[0]
        # An abbreviation, which is refused, most often means the option that begins with it.
        longer = [option for option in known if option.startswith(word) and word.strip("-")]
        near = longer or get_close_matches(word, known, n=2)
        hint = f"; the nearest: {', '.join(f'`{name}`' for name in near)}" if near else ""
        raise UsageError(f"`{self.prog}` has no argument `{arguments[0]}`{hint}.")


def build_parser(name: str | None) -> Parser:
    """The parser of all commands, with the arguments of the command `name` alone filled in.

    The other commands have a name and a summary only, so that their modules need not be imported. With None, or a word
    that is no command, no command is filled in.
    """
    return _build(() if name is None else (name,))


def build_whole_parser() -> Parser:
    """The parser of all commands with the arguments of each, which imports the module of every command."""
    return _build(COMMANDS)


def _build(names: Collection[str]) -> Parser:
    """The parser of all commands, with the arguments of those in `names`."""
    parser = Parser(
        prog="mtlbench",
        description="The benchmark of multi-task learning: who should own which parameters?",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error; works on every command")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=Parser)
    for command, summary in COMMANDS.items():
        if command in names:
            # Only the module of the command that is run is imported.
            module = importlib.import_module(f"bench.cli.{command}")
            child = commands.add_parser(command, help=summary, description=module.__doc__, epilog=module.EPILOG)
            module.add(child)
            child.set_defaults(run=module.run, parser=child)
        else:
            commands.add_parser(command, help=summary)
    return parser


def run(arguments: list[str]) -> int:
    """Run one command.

    Without a command the help page is printed, with --version the version.

    Returns:
        The exit code of the command.

    Raises:
        UsageError: The arguments do not parse. Commands raise other errors too; `main` turns all of them into a
            sentence.
    """
    parser = build_parser(_find_command(arguments))
    # Unknown arguments are collected, since argparse's own error has no nearest choice.
    options, rest = parser.parse_known_args(arguments)
    if options.version:
        from importlib.metadata import version

        print(f"mtlbench {version('mtlbench')}")
        return 0
    if options.command is None:
        parser.print_help()
        return 0 if not rest else parser.unknown(rest)
    if rest:
        options.parser.unknown(rest)
    code: int = options.run(options)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Entry point: run one command, and print the sentence of an error.

    `arguments` are the words after the program's name. None takes them from the process, which is then this command's
    alone: it may set environment variables and handlers of signals for good.

    Returns:
        The exit code, see the top of this module.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if arguments is None:  # as a command: what it starts finds modules where it does, not in the current folder
        os.environ.setdefault("PYTHONSAFEPATH", "1")
    # Taken out by hand, so that it works before and after the command.
    debug = "--debug" in words
    settle_streams()
    try:
        return run([word for word in words if word != "--debug"])
    except KeyboardInterrupt:
        return _leave_interrupted(words, arguments is None)
    except BrokenPipeError:  # the reader of a pipe left, as `| head` does
        # Python would flush it at exit, and complain about the same pipe again.
        sys.stdout = None
        return 0
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # as Python 3.11 wraps it while a class is made
            return _leave_interrupted(words, arguments is None)
        # The sentence of any other error is for its type to explain: it is a fault, not a mistake.
        expected = isinstance(error, (UsageError, DataMissing, OSError, ValueError))
        sentence = _sentence(error) if expected else f"{type(error).__name__}: {_sentence(error)}"
        if debug:
            traceback.print_exc()
        elif short := explain_shortage(error):
            print(f"mtlbench: {short}", file=sys.stderr)
        else:
            print(f"mtlbench: {sentence}{'' if expected else ' (add --debug for the traceback)'}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


def _find_command(words: list[str]) -> str | None:
    """The first word that is no option, which is the command: options before it take no value."""
    return next((word for word in words if not word.startswith("-")), None)


def _leave_interrupted(words: list[str], own_process: bool) -> int:
    """Say what an interrupt means for the command in `words`, and return its exit code.

    Where the process is this command's (`own_process`), who asks again need not wait for the end of it.
    """
    if own_process:
        settle_interrupts()
    left = INTERRUPTED.get(_find_command(words) or "", "the same command starts anew")
    print(f"Interrupted; {left}.", file=sys.stderr)
    return 130


def _sentence(error: Exception) -> str:
    """What an error says, joined to one line and printable: it may quote what a file or a plug-in says."""
    return make_printable("; ".join(filter(None, map(str.strip, str(error).splitlines()))))


if __name__ == "__main__":
    sys.exit(main())
