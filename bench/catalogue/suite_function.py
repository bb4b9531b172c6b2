"""Functions that return a suite, as classes: the registry knows classes only."""

from collections.abc import Callable
from copy import copy
from functools import cache, wraps
from pathlib import Path
from typing import Any

from bench.core.suite import Suite
from bench.errors import UsageError, add_article


def make_suite_class(function: Callable[..., Any]) -> type[Suite]:
    """A suite class whose instances are what `function(data_dir, **options)` returns.

    The function is called once for each choice of its arguments: a plan makes a suite several times, and data should be
    read once. Its keyword-only parameters are the options, its docstring that of the class.
    """
    make = cache(function)

    def find_made(_: type, data_dir: Path | None = None, **options: Any) -> Suite:
        """A copy of the suite, whose protocol may be exchanged for an earlier one."""
        suite = make(data_dir, **options)
        if not isinstance(suite, Suite):
            raise UsageError(f"`{function.__name__}` should return a suite. Found {add_article(type(suite).__name__)}.")
        return copy(suite)

    @wraps(function)
    def read_signature(*_: Any, **__: Any) -> None:
        """For its signature: what `__new__` returns is no instance of this class, so it is never called."""

    members = {
        "__new__": find_made,
        "__init__": read_signature,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
    }
    return type(function.__name__, (Suite,), members)
