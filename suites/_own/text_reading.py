"""Texts as tables: CSV, TSV and others with the names of columns in their first line.

Reading a text costs a few sentences of refusal: a table that was split at the wrong sign, or whose names repeat, reads
without an error and means something else.
"""

import contextlib
import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError, count_nouns, make_printable
from suites._own.raw_table import RawTable, check_names, require_polars
from suites._shared.cells import MISSING_TEXTS

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}


def read_text(path: Path, missing: Sequence[str], separator: str | None) -> RawTable:
    """A text with the names of columns in its first line."""
    pl, shown = require_polars(), make_printable(path.name)
    given = separator
    try:
        separator = _find_separator(path, separator)
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = [name.strip() for name in next(csv.reader(file, delimiter=separator), [])]
    except UnicodeDecodeError as error:
        raise UsageError(
            f"`{shown}` should be text in UTF-8. Found other bytes at {error.start}; convert it, as with "
            f"`iconv -f {'utf-16' if _is_utf16(path) else 'latin1'} -t utf-8`."
        ) from error
    check_names(names, shown)
    names = [name or f"column {number}" for number, name in enumerate(names, 1)]
    try:
        frame = pl.read_csv(
            path,
            separator=separator,
            has_header=False,
            skip_rows=1,
            new_columns=names,
            null_values=[*MISSING_TEXTS, *missing],
            infer_schema_length=None,
        )
    except pl.exceptions.NoDataError as error:
        raise UsageError(f"`{shown}` should hold rows. Found names of columns only.") from error
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        if _count_lines(path) < 2:
            raise UsageError(f"`{shown}` should hold rows. Found names of columns only.") from error
        _scan_lines(path, separator, len(names))
        raise UsageError(
            f"`{shown}` should be a table with {len(names)} columns in every line. Found: "
            f"{make_printable(str(error).strip(), 200)}."
        ) from error
    if frame.width != len(names):
        raise UsageError(
            f"`{shown}` should have as many names in its first line as columns below. Found "
            f"{count_nouns(len(names), 'name')} and "
            f"{count_nouns(frame.width, 'column')}."
        )
    if frame[names[-1]].has_nulls() and (empty := _scan_lines(path, separator, len(names))):
        frame = frame.filter(~np.isin(np.arange(frame.height), empty))
    usual = "\t" if path.suffix in (".tsv", ".tab") else ","
    notes = [f"Columns are separated by {SEPARATORS[separator]}."] if not given and separator != usual else []
    frame, commas = _read_decimal_commas(frame, separator)
    if commas:
        notes.append(f"Numbers are written with a comma, in {', '.join(f'`{name}`' for name in commas)}.")
    return RawTable(frame, tuple(notes))


def _is_utf16(path: Path) -> bool:
    """Whether a text begins with the mark of UTF-16, as spreadsheets write it as "Unicode text"."""
    with path.open("rb") as file:
        return file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE)


def _count_lines(path: Path) -> int:
    """Lines that are not empty, two at most."""
    with path.open(encoding="utf-8-sig") as file:
        return len(list(islice(filter(str.strip, file), 2)))


def _scan_lines(path: Path, separator: str, width: int) -> list[int]:
    """Rows below the names that are empty lines, from 0: polars reads them, and lines that are too short, as missing.

    Raises UsageError where a line has more or fewer fields than `width`.
    """
    empty = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        with contextlib.suppress(csv.Error):  # of a field that is too long for this reader, though not for polars
            for row, fields in enumerate(islice(reader, 1, None)):
                if len(fields) < 2 and not "".join(fields).strip():
                    empty.append(row)
                elif len(fields) != width:
                    more = "" if len(fields) > width else "; write the separators of empty fields, too"
                    raise UsageError(
                        f"`{make_printable(path.name)}` should be a table with {width} columns in every line. Found "
                        f"{len(fields)} in line {reader.line_num}{more}."
                    )
    return empty


def _find_separator(path: Path, given: str | None) -> str:
    """The sign between columns: `given`, or what the ending says, or the one that divides the first line most."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
    fields = {sign: len(next(csv.reader([head], delimiter=sign), [])) for sign in SEPARATORS}
    best = max(fields, key=lambda sign: fields[sign])
    expected = given or ("\t" if path.suffix in (".tsv", ".tab") else ",")
    if fields.get(expected, 1) > 1:
        return expected
    shown = make_printable(path.name)
    if fields[best] < 2:
        raise UsageError(f"`{shown}` should have two columns or more. Found one, `{make_printable(head.strip(), 60)}`.")
    if given:
        raise UsageError(
            f"`--separator` should be what stands between the columns of `{shown}`. Found "
            f"{SEPARATORS.get(given, given)}, and {SEPARATORS[best]} between {fields[best]} names; leave it out."
        )
    return best


def _read_decimal_commas(frame: "pl.DataFrame", separator: str) -> tuple["pl.DataFrame", list[str]]:
    """Columns whose texts all read as numbers once a comma is a point, as such; and their names."""
    pl = require_polars()
    changed: dict[str, Any] = {}
    for column in frame.iter_columns() if separator != "," else []:
        if column.dtype == pl.String and column.null_count() < len(column):
            numbers = column.str.replace(",", ".", literal=True).str.strip_chars().cast(pl.Float64, strict=False)
            if numbers.null_count() == column.null_count() and column.str.contains(",", literal=True).any():
                changed[column.name] = numbers
    return frame.with_columns(**changed), list(changed)
