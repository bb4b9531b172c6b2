"""New rows of an imported table: a file with the columns of its features, encoded as the training rows were."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bench.api import NewRows, UsageError
from bench.errors import count_nouns, hint, make_printable, quote_names
from suites._own.column_types import FORM_NAMES, TableColumn, read_column
from suites._own.columns import Encoder, Feature
from suites._own.description import OwnDescription
from suites._own.raw_table import RawTable
from suites._own.reading import read_table

FEW = 3  # columns or rows that a sentence names
FORMS = {"number": ("number", "whole"), "date": ("date",), "category": ("category",)}  # what columns may be read as


def read_table_rows(path: Path, description: OwnDescription, encoder: Encoder) -> NewRows:
    """The rows of a file as inputs (n, d) float32 of every task, or of its own task where a column says which it is of.

    Columns are found by name; those that are no features are left aside, targets among them. A text that no training
    row had counts as one of the others.

    Raises:
        UsageError: one sentence: the file is no table, lacks a feature, or has values that it cannot hold.
    """
    raw = read_table(path, description.details.get("missing", ()))
    features = encoder.features
    _require_columns(raw, [feature.name for feature in features])
    numbers: list[np.ndarray] = []
    codes: list[np.ndarray] = []
    for feature in features:
        values = _read_feature(raw, feature)
        (codes if feature.kind == "category" else numbers).append(values)
    rows = raw.frame.height
    table = np.stack(numbers, axis=1) if numbers else np.empty((rows, 0))
    levels = np.stack(codes, axis=1).astype(np.int32) if codes else np.empty((rows, 0), np.int32)
    inputs = encoder.apply(table, levels)
    owners = _find_owners(raw, description) if description.own_inputs else None
    if owners is None:
        shared = torch.from_numpy(inputs)
        return NewRows(range(rows), {task.name: shared for task in description.tasks})
    places = {task: np.flatnonzero(owners == t).tolist() for t, task in enumerate(t.name for t in description.tasks)}
    places = {task: own for task, own in places.items() if own}
    return NewRows(range(rows), {task: torch.from_numpy(inputs[own]) for task, own in places.items()}, places)


def _require_columns(raw: RawTable, wanted: Sequence[str]) -> None:
    """Raise UsageError where a feature of the training rows has no column."""
    known = raw.frame.columns
    absent = [name for name in wanted if name not in known]
    if absent:
        named = quote_names(list(map(make_printable, absent)), FEW)
        near = hint(absent[0], map(make_printable, known), "head -1 FILE")
        raise UsageError(f"FILE should have every feature as a column; there is no {named}, {near}.")


def _read_feature(raw: RawTable, feature: Feature) -> np.ndarray:
    """A column as stored values: float64, NaN where missing, or codes, -1 where missing.

    A text without a code has the number behind all codes. Raises UsageError where values are missing that no training
    row lacked, or of another kind.
    """
    shown = make_printable(feature.name)
    series = raw.frame[feature.name]
    if series.null_count() == len(series):
        column = TableColumn(feature.name, FORMS[feature.kind][0], np.full(len(series), np.nan))
    else:
        column = read_column(series, feature.kind, tuple(raw.levels.get(feature.name, ())))
    if column.form not in FORMS[feature.kind]:
        raise UsageError(
            f"`{shown}` should hold {FORM_NAMES[feature.kind]} in every row, as in training. Found "
            f"{FORM_NAMES[column.form]}."
        )
    absent = np.flatnonzero(np.isnan(column.values))
    if len(absent) and not feature.missing:
        first = ", ".join(map(str, absent[:FEW].tolist())) + (", ..." if len(absent) > FEW else "")
        raise UsageError(
            f"`{shown}` should have a value in every row, as it had in training. Found "
            f"{count_nouns(len(absent), 'row')} without, {first}, counted from 0; fill or leave out what is missing."
        )
    if feature.kind != "category":
        return column.values
    code_of = {level: code for code, level in enumerate(feature.levels)}
    own = np.array([code_of.get(level, len(feature.levels)) for level in column.levels] + [-1])
    coded: np.ndarray = own[np.where(np.isnan(column.values), -1, column.values).astype(int)]
    return coded


def _find_owners(raw: RawTable, description: OwnDescription) -> np.ndarray | None:
    """The number of the task of each row (n,), by the column that told tasks apart; None where the file lacks it.

    Raises UsageError for a row of no task of the set.
    """
    titles = [task.title.rpartition(" = ") for task in description.tasks]
    name = titles[0][0]
    if not name or name not in raw.frame.columns:
        return None
    number = {text: t for t, (_, _, text) in enumerate(titles)}
    column = read_column(raw.frame[name], "category")
    texts = [column.levels[int(code)] if not np.isnan(code) else "" for code in column.values]
    other = next((text for text in texts if text not in number), None)
    if other is not None:
        raise UsageError(
            f"`{make_printable(name)}` should name a task that the model was trained on. Found "
            f"`{make_printable(other, 40)}`; {hint(other, map(make_printable, number), 'mtlbench data info')}."
        )
    return np.array([number[text] for text in texts])
