"""The columns of the table of all runs: names and types of `RunRow`, with the sentences of its docstring."""

import inspect
import re
from dataclasses import dataclass
from functools import cache

from leaderboard.analysis.run_rows import RunRow

_ATTRIBUTE = re.compile(r"    (\w+(?:, \w+)*): (.*)")


@dataclass(frozen=True)
class RunColumn:
    """A column: its name, the type of its cells (`str`, `int`, `float` or `bool`), and what it is."""

    name: str
    kind: type
    text: str


@cache
def list_run_columns() -> tuple[RunColumn, ...]:
    """The columns in their order.

    The text of a column is that of `RunRow`'s docstring; columns that are described together share one.
    """
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(RunRow.__doc__ or "").split("\n"):
        if found := _ATTRIBUTE.fullmatch(line):
            names = found[1].split(", ")
            texts |= dict.fromkeys(names, found[2])
        elif names and line.startswith("     "):  # the sentence above goes on
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
    kinds = inspect.get_annotations(RunRow)
    return tuple(RunColumn(name, kinds[name], texts[name]) for name in RunRow._fields)
