"""Does learning tasks together help, which of them, and with which sharing? The answer, with what it rests on."""

import argparse
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import execution_options, options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.execution.ask.inquiry import Inquiry
    from bench.execution.verbosity import Verbosity
    from bench.planning.question import Question
    from leaderboard.ask.answer import Findings
    from leaderboard.ask.verdicts import FamilyRules

EPILOG = """examples:
  mtlbench ask mine
  mtlbench ask mine --main price --budget 30m --out answer
  mtlbench ask deep_synthetic:tasks=4 --budget 5m --seeds 12 --json
  mtlbench ask mine --dry-run

SUITE is any suite: a built-in one, or a table of your own (`mtlbench data import`). Each task is learnt alone and
beside the others under several kinds of sharing, each at the learning rate that validation chose for it, with seeds
added until it is decided or the budget is spent. The same command again goes on from what is stored.
Networks on rows of numbers are trained up to ten at a time; `--stack 1` trains them one by one.
docs/does_it_help.md says what RELATED, HARMFUL, NEUTRAL and UNDECIDED mean, and how often they err.
"""
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
INTERRUPTED = 130


def parse_budget(text: str) -> float:
    """Seconds, of a text as `90s`, `10m`, `1.5h` or `inf`; a `type` for argparse.

    Raises:
        ArgumentTypeError: The text is something else, or not above 0.
    """
    if text == "inf":
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text, re.ASCII)
    if not found or not (seconds := float(found[1]) * UNITS[found[2] or "s"]) > 0:
        raise argparse.ArgumentTypeError(f"should be a time as `90s`, `10m`, `1.5h`, or inf. Found `{text}`")
    return seconds


def parse_margin(text: str) -> float:
    """A share of error in (0, 1); a `type` for argparse.

    Raises:
        ArgumentTypeError: The text is something else.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"should be a share of error between 0 and 1, as 0.01. Found `{text}`")
    return value


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("suite", metavar="SUITE", help="as in `mine` or `deep_synthetic:tasks=4`")
    parser.add_argument("--main", metavar="TASK", help="ask about this task only (default: about every one)")
    parser.add_argument(
        "--budget", type=parse_budget, default=600.0, metavar="TIME", help="as `90s`, `10m`, `2h`, inf (default: 10m)"
    )
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="at most (default: 20)")
    parser.add_argument(
        "--margin", type=parse_margin, default=0.01, metavar="SHARE", help="of error that is none (default: 0.01)"
    )
    parser.add_argument(
        "--adjust", choices=["holm", "bh"], default="holm", help="of tests, over all relations (default: holm)"
    )
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", help="that share (default: hard, soft+l2, cross_stitch and others)"
    )
    parser.add_argument(
        "--pairs", choices=["auto", "yes", "no"], default="auto", help="every pair of tasks (default: up to six tasks)"
    )
    parser.add_argument("--out", metavar="DIR", help="write answer.html, answer.md and answer.json there")
    execution_options.add_training(parser)
    parser.set_defaults(stack=0)  # as many as pay, which depends on the suite
    parser.add_argument("--dry-run", action="store_true", help="print the first rounds and their cost; run nothing")


def run(arguments: argparse.Namespace) -> int:
    """Run round after round, and print the answer; after Ctrl-C, the answer so far.

    Returns:
        130 after Ctrl-C, else 0.

    Raises:
        UsageError: The suite has one task, --main is none of them, --seeds is below 3, or --out cannot be written.
    """
    from bench.execution.ask.answering import Asked
    from bench.execution.ask.book import RunBook
    from bench.execution.ask.budget import Budget
    from bench.execution.ask.inquiry import Inquiry

    if arguments.seeds < 3:
        raise UsageError(f"`--seeds` should be 3 or more, since fewer have no interval. Found `{arguments.seeds}`.")
    execution = execution_options.read_execution(arguments)
    question = _read_question(arguments, execution.cell.data_dir)
    _check_asked(question)
    if not arguments.stack and not execution.engine.remote:
        execution = replace(execution, stack=question.stack)
    rules = _read_rules(arguments, question)
    inquiry = Inquiry(question, RunBook(execution, Budget(arguments.budget)), rules, tell=execution.verbosity.tell)
    if arguments.dry_run:
        _print_plan(inquiry, arguments.json)
        return 0

    folder = options.make_out_folder(arguments.out)
    asked = Asked(inquiry, _repeat_options(arguments))

    def show_first() -> None:
        """Print the first answer while further rounds go on; then what costs little beside them."""
        from leaderboard.ask.sentences import write_answer

        execution.verbosity.tell(f"First answer: {' '.join(write_answer(asked.make_answer()))}")
        asked.measure_beside()

    inquiry.on_first = show_first
    inquiry.run()
    _write(asked.make_answer(), folder, arguments.json, execution.verbosity)
    return INTERRUPTED if inquiry.ended == "interrupted" else 0


def _read_question(arguments: argparse.Namespace, data_dir: Path) -> "Question":
    """What is asked, from the arguments."""
    from bench.planning.question import Question

    return Question(
        arguments.suite,
        arguments.main,
        options.parse_settings(arguments.set),
        arguments.device,
        data_dir,
        {"auto": None, "yes": True, "no": False}[arguments.pairs],
        tuple(arguments.methods) if arguments.methods else None,
        arguments.protocol,
    )


def _repeat_options(arguments: argparse.Namespace) -> str:
    """The options by which a command that the answer offers makes the very runs behind it, with a space before each."""
    device = f" --device {arguments.device}" if arguments.device != "auto" else ""
    version = f" --protocol {arguments.protocol}" if arguments.protocol else ""
    return f"{device}{version}{options.repeat_places(arguments)}"


def _check_asked(question: "Question") -> None:
    """Raise UsageError where what is asked does not fit the suite, before anything is run."""
    for setting in ("shuffled", "replica"):
        if setting in question.settings:
            raise UsageError(f"`--set {setting}` should be left out: `mtlbench ask` deals out labels by itself.")
    _ = question.mains, question.methods  # both say what is wrong with them when they are first asked for


def _read_rules(arguments: argparse.Namespace, question: "Question") -> "FamilyRules":
    """How verdicts are made, from the arguments."""
    from leaderboard.ask.looks import Looks
    from leaderboard.ask.verdicts import FamilyRules

    looks = Looks.up_to(arguments.seeds)
    return FamilyRules(looks, math.log1p(arguments.margin), question.overlap, arguments.adjust)


def _print_plan(inquiry: "Inquiry", as_json: bool) -> None:
    """Print the rounds up to the last look that can be planned without results, and what they will cost."""
    rounds = [
        (each.name, len(missing), inquiry.book.estimate(missing))
        for each in inquiry.list_rounds(ahead=True)
        if (missing := inquiry.book.list_missing(each.specs))
    ]
    if as_json:
        print(json.dumps([{"round": name, "runs": runs, "seconds": cost} for name, runs, cost in rounds], indent=1))
        return
    for name, runs, cost in rounds:
        print(
            f"{runs:5} run{' ' if runs == 1 else 's'}  {name}" + (f"  (about {cost:.0f} s)" if cost is not None else "")
        )
    if any(cost is None for *_, cost in rounds):
        print("No run of this suite is stored: what one takes is measured when the first ones are run.")
    print("Then labels dealt out anew where something helps, and further seeds for what is undecided.")


def _write(answer: "Findings", folder: Path | None, as_json: bool, verbosity: "Verbosity") -> None:
    """Print the answer, and write its files into a folder."""
    from leaderboard.ask.drawing import draw_answer, format_answer
    from leaderboard.ask.page import write_page

    value = json.dumps(answer.as_json(), indent=1)
    if folder:
        from leaderboard.store.json_text import write_whole

        texts = {"answer.json": value + "\n", "answer.md": format_answer(answer), "answer.html": write_page(answer)}
        for name, text in texts.items():
            write_whole(folder / name, text)
        verbosity.tell(f"Written: {', '.join(str(folder / name) for name in texts)}")
    print(value if as_json else draw_answer(answer), end="\n" if as_json else "")
