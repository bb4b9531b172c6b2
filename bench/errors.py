"""The errors a user can cause or meet; each message is one sentence that says what to do.

The command line prints the sentence and exits with the code named here. Any other exception is a
fault of the program. The helpers below put foreign names into such sentences.
"""

import math
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

NAMES_IN_SENTENCE = 8  # names that a sentence can hold
_ORDER = re.compile(r":(?=:[A-Za-z])|#(?=#\[)|`(?=``)")  # the first sign of each: without it the others mean nothing


class UsageError(ValueError):
    """Wrong arguments: nothing was done, exit code 2.

    A ValueError, so that a constructor may raise it and pydantic reports it as its own.
    """


class DataMissing(Exception):
    """The files of a suite are missing, or cannot be read: exit code 1."""


class Diverged(ArithmeticError):
    """A loss stopped being finite during training: the run is recorded as failed, and the others go on."""


def count_nouns(count: int, noun: str, plural: str = "") -> str:
    """`1 task`, `2 tasks`, `1,000 rows`; `plural` of nouns that take more than an `s`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def add_article(noun: str) -> str:
    """`noun` with its article: `a suite`, `an int`; `u` counts as in `uint8`."""
    return f"{'an' if noun[:1].lower() in tuple('aeio') else 'a'} {noun}"


def quote_nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The closest of `known` to `name`, or all of them where none is close, as text for a sentence.

    count: how many close names at most.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=count, cutoff=0.5)
    return ", ".join(f"`{item}`" for item in close or names)


def quote_names(names: Sequence[str], most: int = 5) -> str:
    """`a`, `b` and 3 more, for a sentence; the first `most` are named."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + rest


def hint(name: str, known: Iterable[str], command: str = "mtlbench list") -> str:
    """The end of a sentence that refuses `name`: close names, or all of few, or the command that lists them.

    Case and hyphens are ignored in the comparison. `hint("Hard", ["hard", "soft"])` is "the nearest: `hard`".

    command: what prints all names, for the case that there are too many for a sentence.
    """
    names = sorted(known)
    # 0.5: one half of the letters in common; "hrad" finds "hard", and "x" nothing.
    close = get_close_matches(name.lower().replace("-", "_"), names, n=3, cutoff=0.5)
    if close:
        return f"the nearest: {', '.join(f'`{item}`' for item in close)}"
    if len(names) <= NAMES_IN_SENTENCE:
        listed = ", ".join(f"`{item}`" for item in names)
        return f"there {'are' if len(names) > 1 else 'is'} {listed or 'nothing to choose from'}"
    return f"none of the {len(names)} names is like it (`{command}` prints them)"


def require_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise UsageError where the argument `name` is none of `choices`."""
    if not (isinstance(value, str) and value in choices):
        listed = " or ".join([", ".join(f"`{each}`" for each in choices[:-1]), f"`{choices[-1]}`"])
        raise UsageError(f"`{name}` should be {listed}. Found `{value}`.")


def require_text(name: str, value: object) -> None:
    """Raise UsageError where the argument `name` is no text."""
    if not isinstance(value, str):
        raise UsageError(f"`{name}` should be a text. Found {add_article(type(value).__name__)}.")


def require_number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
) -> None:
    """Raise UsageError where the argument `name` is no number, or not > `above`, >= `least` and <= `most`."""
    bounds = {"above": above, "of at least": least, "of at most": most}
    written = " and ".join(f"{word} {bound}" for word, bound in bounds.items() if math.isfinite(bound))
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (number > above and number >= least and number <= most) or (whole and not number.is_integer()):
        kind = "whole number" if whole else "number"
        raise UsageError(f"`{name}` should be a {kind} {written}".rstrip() + f". Found {value!r}.")


def make_printable(text: str, most: int = 2000) -> str:
    """`text` for a terminal or a log, with everything that would steer, hide or reorder it as an escape.

    That is control characters, line breaks, marks of the reading direction, and halves of surrogate pairs; what the log
    of a workflow takes for a command (`::add-mask::`, `##[group]`), wherever a line may be broken; and the fences that
    a report may have around it. Used for every text that comes from a file or a plug-in.

    most: characters of the result; what is longer ends in "...".
    """
    plain = (
        text
        if text.isprintable()
        else "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
        )
    )
    plain = _ORDER.sub(lambda match: f"\\x{ord(match[0]):02x}", plain)
    return plain if len(plain) <= most else f"{plain[:most]}..."
