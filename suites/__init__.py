"""Standardized problems, one folder each: tasks, data, backbone, protocol, card.

`from suites import import_table` makes a suite of arrays or frames of a Python program.
"""

from typing import Any


def import_table(X: Any, Y: Any, *, name: str, **options: Any) -> list[str]:
    """Write features and targets as the own data set `name`; returns notes. `suites._own.from_python` has the options.

    X: (n, d) features. Y: (n,) or (n, T) targets. Both as arrays, frames or mappings of columns.

    Raises bench.errors.UsageError, in one sentence, where they cannot be imported.
    """
    from suites._own.from_python import write_python_table  # late: the listing of suites loads no torch

    return write_python_table(X, Y, name=name, **options)
