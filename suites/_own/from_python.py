"""Arrays and frames of a Python program as an own data set, in the style of scikit-learn: (X, Y)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.api import find_kinds
from bench.errors import UsageError
from suites._own.folders import check_new_name
from suites._own.raw_table import RawTable, require_polars
from suites._own.reading import name_columns
from suites._own.table_import import SHARES, describe_plan, divide_plan, import_plan
from suites._own.table_options import TableOptions
from suites._own.table_plan import plan_table


def write_python_table(
    X: Any,
    Y: Any,
    *,
    name: str,
    data_dir: Path | str | None = None,
    types: Mapping[str, str] | None = None,
    groups: Any = None,
    split: tuple[float, float, float] = SHARES,
    seed: int = 0,
    replace: bool = False,
) -> list[str]:
    """Write features and targets as the own data set `name`, which `mtlbench run NAME` takes; returns notes on it.

    Args:
        X: features: a frame of pandas or polars, a mapping of columns, or an array (n, d), whose columns are `x_0`, ...
        Y: targets: as X, or an array (n,) or (n, T), whose columns are `y`, or `y_0`, ... NaN or None is no label.
        name: letters, digits and `_`.
        data_dir: the folder of data sets; by default that of the command line.
        types: column -> kind of a target (real, class, binary, ordinal, count) or type of a feature (number, category,
            date), where another is found than is meant.
        groups: (n,) values; rows of one value stay in one split.
        split: shares of training, validation and test.
        seed: of a division that is drawn once.
        replace: whether it may take the place of a set of this name.

    Raises:
        UsageError: in one sentence, what the table cannot be imported for.
    """
    pl = require_polars()
    root = Path(data_dir).expanduser() if data_dir else None
    check_new_name(root, name, replace)
    if kinds := find_kinds(name):
        raise UsageError(
            f"`name` should be a name of your own, as `my_{name}`. Found `{name}`, which is a {kinds[0]} of mtlbench."
        )
    features, targets = _read_columns(X, "x"), _read_columns(Y, "y")
    if both := sorted(features.keys() & targets.keys()):
        raise UsageError(f"`{both[0]}` should be a column of X or of Y. Found it in both; take it out of one.")
    columns = {**features, **targets}
    group = next(label for label in ("group", *(f"group_{k}" for k in range(len(columns) + 1))) if label not in columns)
    if groups is not None:
        columns[group] = pl.Series(group, list(np.asarray(groups)))
    lengths = {label: len(values) for label, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = min(lengths, key=lambda k: lengths[k]), max(lengths, key=lambda k: lengths[k])
        raise UsageError(
            f"X, Y and groups should have the same rows. Found {lengths[shortest]} in `{shortest}` and "
            f"{lengths[longest]} in `{longest}`."
        )
    options = TableOptions(tuple(targets), group=group if groups is not None else None, types=types or {})
    plan = plan_table(RawTable(pl.DataFrame(columns)), options)
    division = divide_plan(plan, split, seed)
    import_plan(plan, division, describe_plan(plan, name, division, split), root, replace)
    return plan.warnings


def _read_columns(values: Any, letter: str) -> dict[str, Any]:
    """Column -> its values, of a frame, a mapping or an array; of an array they are called by `letter`."""
    pl = require_polars()
    if isinstance(values, pl.DataFrame | pl.Series):
        frame = values.to_frame() if isinstance(values, pl.Series) else values
        return {column.name: column for column in frame.iter_columns()}
    if isinstance(values, Mapping):
        return {str(label): pl.Series(str(label), _as_list(column)) for label, column in values.items()}
    if hasattr(values, "columns") or hasattr(values, "to_frame"):  # pandas, which is not imported for it
        frame = values if hasattr(values, "columns") else values.to_frame()
        labels: Iterable[Any] = frame.columns
        return {str(label): pl.Series(str(label), _as_list(frame[label])) for label in labels}
    array = np.asarray(values)
    named = name_columns({letter: array}, {}, letter.upper())
    return {label: pl.Series(label, _as_list(column)) for label, (_, column) in named.items()}


def _as_list(column: Any) -> list[Any]:
    """Values of a column as Python objects, with None where one is missing."""
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    return [None if value is None or value != value else value for value in values]
