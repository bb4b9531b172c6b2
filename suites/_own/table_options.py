"""What a user says about a table, and whether it fits the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bench.errors import UsageError, hint, make_printable, quote_nearest
from suites._own.column_types import FEATURE_TYPES
from suites._own.description import COLUMN_KINDS
from suites._own.raw_table import RawTable

NAMES = ("category", "class")  # types of columns of names: of a feature, of a target


@dataclass(frozen=True)
class TableOptions:
    """What the user says about a table; names are those of its columns.

    targets: what is predicted.
    task_column: every value of it is a task, with the rows that have it.
    group: rows of one value stay in one split.
    time: later rows are tested.
    features: None for all that are left.
    drop: left out.
    types: column -> type of a feature or kind of a target.
    """

    targets: tuple[str, ...]
    task_column: str | None = None
    group: str | None = None
    time: str | None = None
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


def check_roles(raw: RawTable, options: TableOptions) -> None:
    """Raise UsageError for columns that are not there, and for those with two roles."""
    known = raw.frame.columns
    named = {
        "--targets": options.targets,
        "--task-column": [options.task_column] if options.task_column else [],
        "--group": [options.group] if options.group else [],
        "--time": [options.time] if options.time else [],
        "--features": options.features or (),
        "--drop": options.drop,
        "--types": options.types,
    }
    for option, names in named.items():
        for name in names:
            if name not in known:
                raise UsageError(
                    f"`{option}` should name columns of the table; there is no `{make_printable(name)}`, "
                    f"{hint(name, map(make_printable, known), 'head -1 FILE')}."
                )
    if not options.targets:
        columns = quote_nearest("", map(make_printable, known))
        raise UsageError(f"`--targets` should name what is predicted. The columns are {columns}.")
    roles = [
        (option, name)
        for option in ("--features", "--drop", "--task-column", "--group", "--time")
        for name in named[option]
    ]
    for option, name in roles:
        if name in options.targets:
            raise UsageError(
                f"`{make_printable(name)}` should be a target or in `{option}`. Found both; take it out of one."
            )
    _check_division(raw, options)
    if options.task_column and len(options.targets) > 1:
        raise UsageError(
            f"`--task-column` should come with one target, which every task predicts on rows of its own. Found "
            f"{len(options.targets)}."
        )


def settle_types(options: TableOptions) -> TableOptions:
    """The options with types by the names of their role. Raises UsageError for other types.

    A target of names is a class and a feature of names a category; either word is taken for both.
    """
    types = {}
    for name, kind in options.types.items():
        target = name in options.targets
        allowed, role = (COLUMN_KINDS, "a target") if target else (FEATURE_TYPES, "a feature")
        types[name] = NAMES[target] if kind in NAMES else kind
        if types[name] not in allowed:
            raise UsageError(
                f"`--types` should give `{make_printable(name)}`, {role}, one of {', '.join(allowed)}. Found `{kind}`."
            )
    return replace(options, types=types)


def _check_division(raw: RawTable, options: TableOptions) -> None:
    """Raise UsageError where two things say how rows are divided, of which only one would be heard."""
    given = [option for option, name in (("--group", options.group), ("--time", options.time)) if name]
    if len(given) > 1:
        raise UsageError("Rows should be divided by `--group` or by `--time`. Found both; take one out.")
    if given and raw.parts is not None:
        raise UsageError(f"`{given[0]}` should not be given where the file says which rows are tested. Take it out.")
    if options.task_column and options.task_column in (options.group, options.time):
        raise UsageError(
            f"`{make_printable(options.task_column)}` should be in `--task-column` or in `{given[0]}`. Found both; "
            "take it out of one."
        )
