"""The errors a user can cause or meet; each message is one sentence that says what to do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

FEW = 8  # names that a sentence can hold
_ORDER = re.compile(r":(?=:[A-Za-z])|#(?=#\[)|`(?=``)")  # the first sign of each: without it the others mean nothing


class UsageError(ValueError):
    """Wrong arguments: nothing was done, exit code 2."""


class DataMissing(Exception):
    """The files of a suite are not where they were looked for: exit code 1."""


class Diverged(ArithmeticError):
    """A loss stopped being finite during training: the run is recorded as failed."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The closest of `known` to `name`, or all of them where none is close, as text for a sentence."""
    names = sorted(known)
    close = get_close_matches(name, names, n=count, cutoff=0.5)
    return ", ".join(f"`{item}`" for item in close or names)


def hint(name: str, known: Iterable[str], command: str = "mtlbench list") -> str:
    """What there is in place of `name`, to end a sentence: what is like it, all of few, or what `command` to ask."""
    names = sorted(known)
    close = get_close_matches(name.lower().replace("-", "_"), names, n=3, cutoff=0.5)
    if close:
        return f"the nearest: {', '.join(f'`{item}`' for item in close)}"
    if len(names) <= FEW:
        return f"there {'is' if len(names) == 1 else 'are'} {', '.join(f'`{item}`' for item in names) or 'none'}"
    return f"none of the {len(names)} names is like it (`{command}` prints them)"


def make_printable(text: str, most: int = 2000) -> str:
    """`text` for a terminal or a log: what would steer, hide or reorder as an escape, so that it does not.

    That is control characters, line breaks, marks of the reading direction, and halves of surrogate pairs; what the log
    of a workflow takes for a command (`::add-mask::`, `##[group]`), wherever a line may be broken; and the fences that
    a report may have around it. More than `most` characters are cut.
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
