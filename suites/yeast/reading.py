"""Reading a table of features and labels: CSV, also packed by gzip, checked line by line.

Every refusal is one sentence with the file and the line.
"""

import csv
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import UsageError, count_nouns, make_printable
from bench.system.regular import read_regular
from suites._shared.cells import MOST_NUMBER

LARGEST_TABLE = 256 << 20  # of a file, packed or not
PREFIX = "Class"  # how names of labels begin; all other columns are features
FEWEST_LABELS, MOST_LABELS = 2, 64
FEWEST_ROWS = 60
FEWEST_OF_A_VALUE = 6  # rows with a label, and rows without it
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class LabelTable:
    """Features (n, d) float64 and labels (n, T) bool, with the names of their columns."""

    features: tuple[str, ...]
    labels: tuple[str, ...]
    inputs: np.ndarray
    targets: np.ndarray


def read_label_table(path: Path) -> LabelTable:
    """The table in a CSV file, as it is or packed by gzip.

    The first line names the columns. Those whose names begin with `Class` are labels, 0 or 1; all others are features,
    finite numbers. No cell is empty.

    Raises UsageError, in one sentence with file and line, for everything else.
    """
    file = make_printable(path.name, 200)
    content = read_regular(path, LARGEST_TABLE)
    text = _decode(_unpack(content, file) if content.startswith(GZIP) else content, file)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[float]] = []
    head: list[str] | None = None
    places: list[bool] = []  # whether a column is a label
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if head is None:
                head = [name.strip() for name in row]
                places = _check_head(head, f"Line {reader.line_num} of `{file}`")
            else:
                rows.append(_read_row(row, head, places, f"line {reader.line_num} of `{file}`"))
    except csv.Error as error:
        raise UsageError(
            f"Line {reader.line_num} of `{file}` should be a line of a CSV file. Found: {make_printable(str(error))}."
        ) from error
    if head is None or len(rows) < FEWEST_ROWS:
        raise UsageError(f"`{file}` should hold {FEWEST_ROWS} rows or more below its first line. Found {len(rows)}.")
    numbers, chosen = np.array(rows), np.array(places)
    table = LabelTable(
        tuple(name for name, label in zip(head, places, strict=True) if not label),
        tuple(name for name, label in zip(head, places, strict=True) if label),
        numbers[:, ~chosen],
        numbers[:, chosen] > 0.5,
    )
    for name, found in zip(table.labels, table.targets.sum(axis=0), strict=True):
        if min(found, len(rows) - found) < FEWEST_OF_A_VALUE:
            raise UsageError(
                f"`{make_printable(name, 60)}` of `{file}` should be 1 in {FEWEST_OF_A_VALUE} rows or more, and 0 in "
                f"as many. Found {found} of {len(rows)} with a 1; leave the column out."
            )
    return table


def _unpack(content: bytes, file: str) -> bytes:
    """What gzip packed. A few bytes can stand for gigabytes: no more is unpacked than a file may have."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        data = inflate.decompress(content, LARGEST_TABLE + 1)
    except zlib.error as error:
        raise UsageError(
            f"`{file}` should be a whole file of gzip. Found that it cannot be unpacked ({error})."
        ) from error
    if len(data) > LARGEST_TABLE:
        raise UsageError(f"`{file}` should unpack to at most {LARGEST_TABLE >> 20} MB.")
    if not inflate.eof or inflate.unused_data:
        what = "something behind its end" if inflate.eof else "that its end is missing"
        raise UsageError(f"`{file}` should be a whole file of gzip. Found {what}.")
    return data


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"Line {line} of `{file}` should be text in UTF-8. Found the byte 0x{content[error.start]:02x}."
        ) from error


def _check_head(head: list[str], where: str) -> list[bool]:
    """Whether each column is a label. Raises UsageError where names are missing, double, or of too few labels."""
    for place, name in enumerate(head):
        if not name or name in head[:place]:
            found = f"`{make_printable(name, 60)}` twice" if name else f"none in column {place + 1}"
            raise UsageError(f"{where} should have a name of its own for every column. Found {found}.")
    labels = [name.startswith(PREFIX) for name in head]
    if not FEWEST_LABELS <= sum(labels) <= MOST_LABELS:
        raise UsageError(
            f"{where} should name {FEWEST_LABELS} to {MOST_LABELS} labels, columns whose names begin with `{PREFIX}`. "
            f"Found {sum(labels)} among {count_nouns(len(head), 'column')}."
        )
    if all(labels):
        raise UsageError(f"{where} should name features beside labels. Found none.")
    return labels


def _read_row(row: list[str], head: list[str], places: list[bool], where: str) -> list[float]:
    """The numbers of a line. Raises UsageError for another number of fields, and for cells that are none of theirs."""
    if len(row) != len(head):
        raise UsageError(
            f"L{where[1:]} should have {count_nouns(len(head), 'field')}, as the names of columns. Found {len(row)}."
        )
    return [_read_cell(*each, where) for each in zip(row, head, places, strict=True)]


def _read_cell(text: str, name: str, label: bool, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if (value not in (0.0, 1.0)) if label else not abs(value) <= MOST_NUMBER:
        wanted = "0 or 1" if label else "a number below 1e30"
        found = f"`{make_printable(text.strip(), 60)}`" if text.strip() else "nothing"
        raise UsageError(f"`{make_printable(name, 60)}` in {where} should be {wanted}. Found {found}.")
    return value
