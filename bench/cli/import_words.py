"""What imports of tables and of images have in common: words of the command line, and what both come to."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError


@dataclass(frozen=True)
class PlannedImport:
    """What was found, before anything is written.

    answer: what --json prints, but for the folder.
    show: prints it for people.
    write: (data folder, whether a set of this name may be replaced) -> the folder that was written.
    """

    answer: dict[str, Any]
    show: Callable[[], None]
    write: Callable[[Path, bool], Path]


def split_list(text: str) -> list[str]:
    """Items between commas, without spaces around them; `""` is an empty item, and a name with a comma is quoted."""
    import csv

    items = next(csv.reader([text], skipinitialspace=True), [])
    return [item.strip() for item in items]


def read_shares(text: str | None) -> tuple[float, ...]:
    """Shares of train, val and test; the usual ones for None.

    Raises UsageError for anything but three above 0 with the sum 1.
    """
    if text is None:
        from suites._own.table_import import SHARES

        return SHARES
    try:
        shares = tuple(float(part) for part in text.split("/"))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not min(shares) > 0 or not abs(sum(shares) - 1) <= 1e-6:
        raise UsageError(f"`--split` should be three shares above 0 with the sum 1, as 0.6/0.2/0.2. Found `{text}`.")
    return shares


def read_separator(text: str | None) -> str | None:
    """One sign; `tab` and `\\t` are a tab. Raises UsageError for several."""
    sign = {"tab": "\t", "\\t": "\t"}.get(text or "", text)
    if sign is not None and len(sign) != 1:
        raise UsageError(f"`--separator` should be one sign, or `tab`. Found `{text}`.")
    return sign


def refuse_options(arguments: argparse.Namespace, names: Iterable[str], owner: str, what: str) -> None:
    """Raise UsageError where an option of `owner` was given that has no effect on `what`."""
    for name in names:
        if getattr(arguments, name):
            raise UsageError(f"`--{name.replace('_', '-')}` is for {owner}, and has no effect on {what}.")


def note_seed(arguments: argparse.Namespace, seeded: bool, rule: str) -> list[str]:
    """A note where --split-seed was given and decides nothing, since rows are divided by `rule`."""
    if seeded or arguments.split_seed is None:
        return []
    return [f"`--split-seed` has no effect: rows are divided {rule}."]
