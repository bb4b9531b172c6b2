"""What a rule says about a plug-in, and how rules are run so that none of them can crash."""

import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

C = TypeVar("C")
Rule = Callable[[C], str | None]  # None: it holds; text: it holds, with a note; Broken or Skipped otherwise


@dataclass(frozen=True)
class Outcome:
    """One rule on one plug-in.

    `advice` says what was expected, what was found and what to change. Where the rule passed it is empty,
    or a note on what was left out.
    """

    subject: str  # sharing/cross_stitch
    rule: str
    passed: bool
    advice: str = ""


class Broken(Exception):
    """A rule does not hold; the message is the advice."""


class Skipped(Exception):
    """A rule has nothing to look at; the message is the note."""


class Absent(Skipped):
    """Neither have the rules behind it."""


def expect(holds: object, advice: str) -> None:
    """Raise Broken with the advice unless `holds`."""
    if not holds:
        raise Broken(advice)


def found(error: BaseException) -> str:
    """An exception as the second half of a sentence: type, message, and the line outside of libraries."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((f for f in reversed(frames) if "site-packages" not in f.filename), None)
    where = f" ({Path(frame.filename).name}, line {frame.lineno})" if frame else ""
    message = " ".join(str(error).split())
    return f"Found {type(error).__name__}: {message[:300]}{where}"


@contextmanager
def trying(what: str) -> Iterator[None]:
    """Turn an exception inside into Broken: `what` should work."""
    try:
        yield
    except (Broken, Skipped):
        raise
    except (Exception, SystemExit) as error:
        raise Broken(f"{what} should work. {found(error)}; mend that line.") from error


def outcomes(
    subject: str, case: C, rules: Sequence[Rule[C]], gates: Collection[Rule[C]] = frozenset()
) -> Iterator[Outcome]:
    """Run `rules` on `case` in order; a gate that does not hold is the last one."""
    for rule in rules:
        name = rule.__name__.replace("_", " ")  # type: ignore[attr-defined]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            stop = False
            try:
                with trying(f"What the rule on {name} does"):
                    outcome = Outcome(subject, name, True, rule(case) or "")
            except Broken as broken:
                outcome, stop = Outcome(subject, name, False, str(broken)), rule in gates
            except Skipped as skipped:
                outcome, stop = Outcome(subject, name, True, f"Skipped: {skipped}"), isinstance(skipped, Absent)
        yield outcome
        if stop:
            return
