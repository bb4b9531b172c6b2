"""A table as it was read, before anything is made of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError, make_printable

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class RawTable:
    """A table as it was read.

    frame: columns with names of their own.
    notes: sentences on what was found out while reading.
    parts: of each row, the split that its file says, `train`, `val` or `test`; None where it says nothing.
    levels: column -> names of its codes, where the file has them.
    options: what the file itself asks for, as targets and types.
    """

    frame: "pl.DataFrame"
    notes: tuple[str, ...] = ()
    parts: np.ndarray | None = None
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def require_polars() -> Any:
    """The module polars. Raises UsageError, with the command that installs it, where it is not there."""
    try:
        import polars
    except ImportError as error:
        raise UsageError("Tables are read by polars; install it with `pip install 'mtlbench[tables]'`.") from error
    return polars


def check_names(names: Sequence[str], shown: str) -> None:
    """Raise UsageError where names of columns repeat, or the first line has numbers for names."""
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        places = [str(number) for number, name in enumerate(names, 1) if name == repeated[0]]
        raise UsageError(
            f"Every column of `{shown}` should have a name of its own. Found `{make_printable(repeated[0])}` in "
            f"columns {' and '.join(places)}; rename one."
        )
    if all(map(reads_as_number, names)):
        raise UsageError(
            f"The first line of `{shown}` should have the names of its columns. Found numbers, as "
            f"`{make_printable(names[0])}`; put a line of names above them."
        )


def reads_as_number(text: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
