"""Reading a longitudinal table: one line for each visit of a patient, checked line by line.

A table of visits is easily wrong in a way that no reader of tables sees: a visit twice, a patient whose first visit is
not there, a column that changes its coding half way. Every refusal is one sentence with the file and the line.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UsageError, count_nouns, hint, make_printable
from bench.system.regular import read_regular
from suites._shared.cells import MISSING_TEXTS, MOST_NUMBER

MOST_BYTES = 256 << 20  # bytes of a file
ABSENT = (*MISSING_TEXTS, ".")  # a point as well, which statistical packages write
COLUMNS = ("patient", "month", "score")  # all others are features
SEPARATORS = (",", ";", "\t")
MOST_TEXTS = 32  # different texts of a feature
FeatureValue = float | str | None  # of a feature; None is missing


@dataclass
class PatientVisits:
    """One patient: scores by month (NaN where missing), and the features at the first visit, month 0."""

    line: int  # of the first visit
    features: list[FeatureValue]
    scores: dict[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VisitTable:
    """Features, by name, in the order of the file, and patients in the order of their first visits."""

    file: str
    features: tuple[str, ...]
    patients: dict[str, PatientVisits]


def read_visits(path: Path) -> VisitTable:
    """The table in a CSV file, separated by commas, semicolons or tabs.

    It has the columns `patient`, `month` and `score`. Lines of a patient are in the order of their months, from month 0
    on. All other columns are features, whose values at month 0 count; those of later visits should be of the same kind.

    Raises UsageError, in one sentence with file and line, for everything else.
    """
    file = make_printable(path.name, 200)
    text = _decode(read_regular(path, MOST_BYTES), file)
    head, separator = _read_head(text, file)
    places = {name: head.index(name) for name in COLUMNS}
    features = [place for place in range(len(head)) if place not in places.values()]
    patients: dict[str, PatientVisits] = {}
    last: dict[str, tuple[float, int]] = {}  # patient -> month of the visit before, and its line
    coding = [_Coding(head[place], file) for place in features]
    for line, row in _list_rows(text, separator, file):
        if len(row) != len(head):
            raise UsageError(
                f"Line {line} of `{file}` should have {count_nouns(len(head), 'field')}, as its first line. Found "
                f"{len(row)}."
            )
        cells = [cell.strip() for cell in row]
        patient, where = cells[places["patient"]], f"line {line} of `{file}`"
        if patient in ABSENT:
            raise UsageError(f"`patient` in {where} should name a patient. Found {cells[places['patient']]!r}.")
        month = _read_month(cells[places["month"]], where)
        _check_order(make_printable(patient, 60), month, line, last.get(patient), file)
        last[patient] = month, line
        cell = cells[places["score"]]
        score = math.nan if cell in ABSENT else _read_number(cell, "score", where)
        values = [code.read(cells[place], line) for code, place in zip(coding, features, strict=True)]
        if patient not in patients:
            patients[patient] = PatientVisits(line, values)
        patients[patient].scores[month] = score
    if not patients:
        raise UsageError(f"`{file}` should hold visits. Found names of columns only.")
    return VisitTable(file, tuple(head[place] for place in features), patients)


@dataclass
class _Coding:
    """How the values of a feature are written, by the first of them; another way further down is refused."""

    name: str
    file: str
    number: tuple[str, int] | None = None  # the first number, and its line
    text: tuple[str, int] | None = None
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)  # without case and spaces -> as first written

    def read(self, cell: str, line: int) -> FeatureValue:
        """The value in a cell. Raises UsageError where it is coded in another way than those above it."""
        if cell in ABSENT:
            return None
        try:
            value: FeatureValue = float(cell)
        except ValueError:
            value = cell
        what = make_printable(self.name, 60)
        if isinstance(value, float):
            if not math.isfinite(value) or abs(value) > MOST_NUMBER:
                raise UsageError(
                    f"`{what}` in line {line} of `{self.file}` should be a number below 1e30. Found "
                    f"{make_printable(cell, 60)}."
                )
            self.number = self.number or (cell, line)
        else:
            self.text = self.text or (cell, line)
        if self.number and self.text:
            raise UsageError(
                f"`{what}` of `{self.file}` should hold numbers alone, or texts alone. Found "
                f"`{make_printable(self.text[0], 60)}` in line {self.text[1]} and `{self.number[0]}` in line "
                f"{self.number[1]}."
            )
        if isinstance(value, str):
            first, before = self.texts.setdefault("".join(value.split()).casefold(), (value, line))
            if first != value:
                raise UsageError(
                    f"`{what}` of `{self.file}` should write a value in one way. Found `{make_printable(first, 60)}` "
                    f"in line {before} and `{make_printable(value, 60)}` in line {line}."
                )
            if len(self.texts) > MOST_TEXTS:
                raise UsageError(
                    f"`{what}` of `{self.file}` should have at most {MOST_TEXTS} different texts. Found another one, "
                    f"`{make_printable(value, 60)}`, in line {line}; leave the column out."
                )
        return value


def _decode(content: bytes, file: str) -> str:
    """The text of a file in UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"Line {line} of `{file}` should be text in UTF-8, as all others. Found the byte "
            f"0x{content[error.start]:02x}; convert the file, as with `iconv -f latin1 -t utf-8`."
        ) from error


def _read_head(text: str, file: str) -> tuple[list[str], str]:
    """Names of columns in the first line, and what separates them."""
    first = io.StringIO(text).readline().rstrip()
    separator = max(SEPARATORS, key=first.count)
    head = [name.strip() for name in next(csv.reader([first], delimiter=separator), [])]
    for name in COLUMNS:
        if name not in head:
            near = hint(name, [make_printable(each, 60) for each in head], f"head -1 {file}")
            raise UsageError(
                f"Line 1 of `{file}` should name the columns `patient`, `month` and `score`; there is no `{name}`, "
                f"{near}."
            )
    for place, name in enumerate(head):
        if not name or name in head[:place]:
            found = (
                f"`{make_printable(name, 60)}` in columns {head.index(name) + 1} and {place + 1}" if name else "none"
            )
            raise UsageError(
                f"Line 1 of `{file}` should have a name of its own for every column. Found {found}"
                f"{'' if name else f' in column {place + 1}'}."
            )
    if len(head) == len(COLUMNS):
        raise UsageError(f"Line 1 of `{file}` should name features beside `patient`, `month` and `score`. Found none.")
    return head, separator


def _list_rows(text: str, separator: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every visit; lines without a field are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if reader.line_num > 1 and any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UsageError(
            f"Line {reader.line_num} of `{file}` should be a line of a CSV file. Found: {make_printable(str(error))}."
        ) from error


def _read_number(text: str, column: str, where: str) -> float:
    """A finite number below MOST_NUMBER."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > MOST_NUMBER:
        comma = "; write a point for the comma" if "," in text else ""
        raise UsageError(f"`{column}` in {where} should be a number. Found `{make_printable(text, 60)}`{comma}.")
    return value


def _read_month(text: str, where: str) -> float:
    """A month, 0 or later."""
    month = _read_number(text, "month", where)
    if month < 0:
        raise UsageError(f"`month` in {where} should be 0 or more. Found {month:g}.")
    return month


def _check_order(patient: str, month: float, line: int, before: tuple[float, int] | None, file: str) -> None:
    """Raise UsageError where a visit is not the next one of its patient."""
    if before is None:
        if month:
            raise UsageError(
                f"The first visit of patient `{patient}` in `{file}` should be at month 0, the baseline. Found month "
                f"{month:g} in line {line}."
            )
    elif month == before[0]:
        raise UsageError(
            f"Patient `{patient}` in `{file}` should have one visit at a month. Found month {month:g} in line "
            f"{before[1]} and again in line {line}."
        )
    elif month < before[0]:
        raise UsageError(
            f"The visits of patient `{patient}` in `{file}` should be in the order of their months. Found month "
            f"{month:g} in line {line} below month {before[0]:g} in line {before[1]}."
        )
