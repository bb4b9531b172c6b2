"""The outcome of a rule on a plug-in, and how rules are run so that none of them can crash.

Rules call `expect` for what should hold and `attempt` around foreign code; both end in a sentence.
"""

import sys
import sysconfig
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import ValidationError

from bench.records import explain_invalid

C = TypeVar("C")
Rule = Callable[[C], str | None]  # None: it holds; text: it holds, with a note; Broken or Skipped otherwise
ROOT = Path(__file__).parents[2]  # of the installed project
OURS = [ROOT / name for name in ("bench", "suites", "leaderboard")]
STANDARD = Path(sysconfig.get_paths()["stdlib"])
_HOME: ContextVar[Path | None] = ContextVar("home", default=None)  # file or folder of what is being checked


@dataclass(frozen=True)
class RuleOutcome:
    """One rule on one plug-in.

    subject: kind and name, as `sharing/cross_stitch`.
    rule: its name, in words.
    passed: also true where the rule did not apply.
    advice: what was expected, what was found and what to change. Where the rule passed it is empty, or a note
        on what was left out.
    """

    subject: str
    rule: str
    passed: bool
    advice: str = ""


class Broken(Exception):
    """Raised by a rule that fails; the message is the advice."""


class Skipped(Exception):
    """Raised by a rule that does not apply; the message is the note."""


class Absent(Skipped):
    """Like Skipped, and also skips every later rule."""


def expect(holds: object, advice: str) -> None:
    """Raise Broken with the advice unless `holds`, which is any value with a truth."""
    if not holds:
        raise Broken(advice)


def describe_error(error: BaseException) -> str:
    """An exception as the second half of a sentence: type, message, and the line of the plug-in's own code to mend.

    Lines of the project and of libraries are none that its author could mend: where no other was running, it says so.
    """
    message = explain_invalid(error) if isinstance(error, ValidationError) else str(error)
    text = f"Found {type(error).__name__}: {shorten(message)}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_subjects(frame.filename)]
    if frames:
        return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno}); mend that line."
    return f"{text}; the error came from code that your file calls or inherits."


def shorten(message: str, most: int = 300) -> str:
    """A message in one line of `most` characters at most, without the full stop."""
    return " ".join(message.split())[:most].rstrip(".")


def _is_subjects(filename: str) -> bool:
    """Whether a line of `filename` belongs to the plug-in: in its own folder, or else in no library and not ours."""
    path, own = Path(filename), _HOME.get()
    if own is not None and (path == own or own in path.parents):
        return True
    parents = set(path.parents)
    return not (
        filename.startswith("<") or {"site-packages", "dist-packages"} & set(path.parts) or parents & {*OURS, STANDARD}
    )


def _find_home(case: object) -> Path | None:
    """The file of a case's class, or its folder where the class is in a package; None where it has no file."""
    cls = getattr(getattr(case, "entry", None), "cls", None)
    file = getattr(sys.modules.get(getattr(cls, "__module__", "")), "__file__", None)
    if file is None:
        return None
    # Built-in suites are packages, and every line in their folder is their author's.
    return Path(file).parent if Path(file).name == "__init__.py" else Path(file)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Turn an exception inside into Broken: `what`, the beginning of the sentence, should work.

    SystemExit too: a plug-in that calls `exit` should not end the check.
    """
    try:
        yield
    except (Broken, Skipped):
        raise
    except (Exception, SystemExit) as error:
        raise Broken(f"{what} should work. {describe_error(error)}") from error


def run_rules(
    subject: str, case: C, rules: Sequence[Rule[C]], gates: Collection[Rule[C]] = frozenset()
) -> Iterator[RuleOutcome]:
    """Run `rules` on `case` in order; a gate that does not hold is the last one.

    Each rule starts from the same global random state, and any exception of it is an outcome.

    Args:
        subject: for the outcomes, as `sharing/cross_stitch`.
        case: what the rules take.
        rules: functions of the case.
        gates: rules that those behind them rest on.
    """
    home = _find_home(case)
    for rule in rules:
        name = rule.__name__.replace("_", " ")  # type: ignore[attr-defined]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            stop = False
            token = _HOME.set(home)  # set anew for each rule: the caller runs between two of them
            try:
                with attempt(f"What the rule on {name} does"):
                    outcome = RuleOutcome(subject, name, True, rule(case) or "")
            except Broken as broken:
                outcome, stop = RuleOutcome(subject, name, False, str(broken)), rule in gates
            except Skipped as skipped:
                outcome, stop = RuleOutcome(subject, name, True, f"Skipped: {skipped}"), isinstance(skipped, Absent)
            finally:
                _HOME.reset(token)
        yield outcome
        if stop:
            return
