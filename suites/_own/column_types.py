"""What the columns of a table are: numbers, categories, dates or texts; and which kind of target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UsageError, count_nouns, make_printable
from suites._own.raw_table import reads_as_number, require_polars
from suites._shared.cells import MOST_NUMBER

if TYPE_CHECKING:
    import polars as pl

FORM_NAMES = {  # in sentences
    "number": "numbers",
    "whole": "whole numbers",
    "category": "texts",
    "date": "dates",
    "other": "neither numbers, texts nor dates",
}
FEATURE_TYPES = ("number", "category", "date")
MOST_ORDINAL = 10  # whole numbers without a gap, up to this many different ones, are levels
LONG_NUMBER = r"^[-+]?0*[1-9]\d{16,}$"  # whole, with more digits than float64 has
ISO_DATE = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"
DATE_AS_TEXT = r"^\s*\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(\s.*)?$|^\s*\d{4}[./]\d{1,2}[./]\d{1,2}(\s.*)?$"
# 12 %, $1.50, -€3, 1,234, 1.234,5, 0,5 and 1 234: signs around a number, or commas, points and spaces in it
NUMBER_AS_TEXT = (
    r"^[-+(]?\s*[$€£¥]?\s*[-+]?(\d+([.,]\d+)?|\d{1,3}([., \x{a0}\x{202f}']\d{3})+([.,]\d+)?)\s*[%‰$€£¥]?\)?$"
)


@dataclass(frozen=True)
class TableColumn:
    """A column as it was found.

    name: as in the file.
    form: `number`, `whole` (numbers without a fraction), `category`, `date`, or `other`, as lists and pictures.
    values: float64 (n,), NaN where missing; of a category codes of `levels`.
    levels: of a category, its texts, sorted.
    distinct: different values that are there.
    rounded: whether whole numbers lost their last digits, which float64 has up to 2^53 only.
    """

    name: str
    form: str
    values: np.ndarray
    levels: tuple[str, ...] = ()
    distinct: int = 0
    rounded: bool = False

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(np.isnan(self.values).sum())

    @property
    def there(self) -> np.ndarray:
        """The values that are there."""
        values: np.ndarray = self.values[~np.isnan(self.values)]
        return values

    def describe_range(self) -> str:
        """Least and largest value, or the first levels, for people."""
        if self.form == "other" or not self.distinct:
            return ""
        if self.form == "category":
            some = ", ".join(make_printable(level, 20) for level in self.levels[:4])
            return f"{some}, ..." if len(self.levels) > 4 else some
        low, high = float(self.there.min()), float(self.there.max())
        if self.form == "date":
            return " to ".join(
                str(np.datetime64(0, "s") + np.timedelta64(round(day * 86400), "s"))[:10] for day in (low, high)
            )
        return f"{low:g} to {high:g}"


def read_column(
    series: "pl.Series", wanted: str | None, codes: tuple[str, ...] = (), name_type: str = "category"
) -> TableColumn:
    """A column of a frame by what it holds, or as `wanted` says.

    wanted: a type that the user gave, or None.
    codes: names of its whole numbers, where the file has them.
    name_type: what a user calls it where its values are to be names: `class` for a target.

    Raises UsageError where a column mixes numbers and texts, holds infinite numbers, or dates that cannot be read.
    """
    pl, name = require_polars(), series.name
    shown = make_printable(name)
    if codes and series.dtype.is_integer():
        texts = [codes[code] if code is not None and 0 <= code < len(codes) else None for code in series.to_list()]
        series = pl.Series(name, texts, dtype=pl.String)
    if series.dtype == pl.Null:
        return TableColumn(name, "number", np.full(len(series), np.nan))
    if series.dtype == pl.Boolean:
        series = series.cast(pl.Int8)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype.is_temporal():
        if series.dtype in (pl.Time, pl.Duration):
            raise UsageError(
                f"`{shown}` should hold dates, numbers or texts. Found times of a day; leave it out by `--drop`."
            )
        return _make(name, "date", series.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64) / 86_400_000_000)
    if series.dtype == pl.String:
        return _read_texts(series, wanted, name_type)
    if not (series.dtype.is_numeric() or series.dtype.is_decimal()):
        return TableColumn(name, "other", np.full(len(series), np.nan))
    if wanted in ("category", "class"):
        present = series.fill_nan(None) if series.dtype.is_float() else series
        return _make_category(present.cast(pl.String), numeric=True)
    exact = series.cast(pl.Float64).cast(series.dtype, strict=False) if series.dtype.is_integer() else series
    return _make_number(name, series.cast(pl.Float64), exact.ne_missing(series).any())


def _make(name: str, form: str, series: "pl.Series") -> TableColumn:
    """A column of numbers."""
    values = series.to_numpy(allow_copy=True).astype(np.float64)
    return TableColumn(name, form, values, (), int(series.drop_nulls().drop_nans().n_unique()))


def _make_number(name: str, series: "pl.Series", rounded: bool) -> TableColumn:
    """A column of numbers, whole or not; `rounded` as of `TableColumn`. Raises UsageError for infinite ones."""
    column = _make(name, "number", series)
    there = column.there
    if len(there) and np.isfinite(there).all() and np.abs(there).max() > MOST_NUMBER:
        raise UsageError(
            f"`{make_printable(name)}` should hold numbers up to {MOST_NUMBER:g}. Found "
            f"{there[np.abs(there).argmax()]:g}; mark it as missing, or mend the file."
        )
    if not np.isfinite(there).all():
        sign = "-" if there[~np.isfinite(there)][0] < 0 else ""
        raise UsageError(
            f"`{make_printable(name)}` should hold finite numbers. Found an infinite one; mark it as missing with "
            f"`--missing={sign}inf`, or mend the file."
        )
    whole = bool(len(there)) and bool((there == np.round(there)).all())
    return TableColumn(name, "whole" if whole else "number", column.values, (), column.distinct, rounded)


def _make_category(series: "pl.Series", numeric: bool = False) -> TableColumn:
    """A column of texts as codes of its sorted levels; numbers are sorted as numbers."""
    pl = require_polars()
    levels = series.drop_nulls().unique().to_list()
    levels.sort(key=(lambda text: (float(text), text)) if numeric else None)
    codes = series.replace_strict(levels, list(range(len(levels))), default=None, return_dtype=pl.Float64)
    if numeric:  # 1.0, read from a column with missing values, is 1
        levels = [text.removesuffix(".0") for text in levels]
    return TableColumn(
        series.name, "category", codes.to_numpy(allow_copy=True).astype(np.float64), tuple(levels), len(levels)
    )


def _read_texts(series: "pl.Series", wanted: str | None, name_type: str) -> TableColumn:
    """Texts as numbers, dates or categories; `name_type` as of `read_column`."""
    pl = require_polars()
    shown, stripped = make_printable(series.name), series.str.strip_chars()
    there = stripped.drop_nulls()
    if not len(there):
        return TableColumn(series.name, "number", np.full(len(series), np.nan))
    numbers = stripped.cast(pl.Float64, strict=False)
    readable = len(series) - numbers.null_count()
    if wanted in ("category", "class"):
        return _make_category(stripped)
    if readable == len(there):
        return _make_number(series.name, numbers, there.str.contains(LONG_NUMBER).any())
    if there.str.contains(ISO_DATE).all() and (dates := _read_dates(stripped)) is not None:
        return _make(series.name, "date", dates)
    if wanted in ("number", "real", "count") and not readable:
        raise UsageError(
            f"`{shown}` should hold numbers, since its type is to be `{wanted}`. Found texts, as "
            f"`{make_printable(there[0], 40)}`."
        )
    if wanted in ("number", "real", "count") or (readable >= len(there) / 2 and wanted is None):
        texts = stripped.filter(numbers.is_null() & stripped.is_not_null())
        first = make_printable(texts[0], 40)
        raise UsageError(
            f"`{shown}` should hold numbers or texts, not both. Found {count_nouns(readable, 'number')} and "
            f"{count_nouns(len(texts), 'text')}, as "
            f'`{first}`; name it with `--missing "{first}"`, or take all as texts with `--types "{shown}={name_type}"`.'
        )
    if wanted != "date":
        _refuse_signs(there, shown, name_type)
    if wanted == "date" or there.str.contains(DATE_AS_TEXT).sum() > 0.9 * len(there):
        raise UsageError(
            f"`{shown}` should hold dates as 2021-04-03. Found dates as text, as `{make_printable(there[0], 40)}`, "
            f'whose day and month cannot be told apart; write them so, or leave the column out with `--drop "{shown}"`.'
        )
    return _make_category(stripped)


def _refuse_signs(there: "pl.Series", shown: str, name_type: str) -> None:
    """Raise UsageError for texts of which nearly all are numbers with a sign: as names they would mean nothing.

    Whether 1,234 is a thousand or a decimal comma cannot be told, so that they are not guessed at.
    """
    if there.str.contains(NUMBER_AS_TEXT).sum() > 0.9 * len(there):
        first = next(text for text in there if not reads_as_number(text))
        raise UsageError(
            f"`{shown}` should hold numbers as 1234.5. Found numbers as text, as `{make_printable(first, 40)}`; write "
            f'them without signs and commas, or take them as names with `--types "{shown}={name_type}"`.'
        )


def _read_dates(texts: "pl.Series") -> "pl.Series | None":
    """Days since 1970-01-01 of texts such as 2021-04-03 or 2021-04-03T12:30:00; None where one is no date.

    Others are never guessed at: 03/04/2021 is a day in March or in April.
    """
    pl = require_polars()
    days = texts.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    if days.null_count() > texts.null_count():
        return None
    clock = texts.str.extract_groups(r"[ T](\d{2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?").struct.unnest()
    seconds = sum(
        (
            part.cast(pl.Float64, strict=False).fill_null(0.0) * size
            for part, size in zip(clock, (3600, 60, 1), strict=True)
        ),
        start=pl.Series([0.0]),
    )
    return days.cast(pl.Int32).cast(pl.Float64) + seconds / 86_400


def note_rounding(column: TableColumn, name_type: str) -> list[str]:
    """A warning where whole numbers of a column lost digits; `name_type` as of `read_column`."""
    shown = make_printable(column.name)
    return column.rounded * [
        f"`{shown}` has whole numbers of more than 15 digits, whose last digits are lost; subtract one of them from "
        f"all, "
        f'or take them as names with `--types "{shown}={name_type}"`.'
    ]


def find_target_kind(column: TableColumn) -> str:
    """The kind of a target: by its levels where it has texts, else by how many numbers there are, and which.

    Two values are binary. Whole numbers without a gap, `MOST_ORDINAL` different ones at most, are levels in an order.
    Other whole numbers from 0 or 1 upwards with a mean below 10 are counts. All others are real.
    """
    if column.form == "category":
        return "binary" if column.distinct == 2 else "class"
    if column.distinct == 2:
        return "binary"
    there = column.there
    if column.form != "whole" or not len(there):
        return "real"
    low, high = there.min(), there.max()
    if column.distinct <= MOST_ORDINAL and high - low == column.distinct - 1:
        return "ordinal"
    return "count" if low in (0, 1) and there.mean() < 10 else "real"


def read_target_labels(column: TableColumn, kind: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(labels (n,) float64 of a target, NaN where missing; names of its levels), by its kind.

    Classes and levels are numbers from 0, a binary target is 0 or 1: of two numbers the larger is 1, of two texts the
    second by name.

    Raises UsageError where the column does not fit the kind.
    """
    shown = make_printable(column.name)
    if kind in ("real", "count"):
        if column.form not in ("number", "whole"):
            raise UsageError(
                f"`{shown}` should hold numbers to be a target of kind `{kind}`. Found {FORM_NAMES[column.form]}."
            )
        if kind == "count" and (column.form != "whole" or column.there.min() < 0):
            raise UsageError(
                f"`{shown}` should hold whole numbers from 0 upwards to be counts. Found {column.describe_range()}; "
                f'take `--types "{shown}=real"`.'
            )
        return column.values, ()
    if column.form == "category":
        labels, levels = column.values, column.levels
    elif column.form in ("number", "whole"):
        values: Any
        values, codes = np.unique(column.values, return_inverse=True)
        labels = np.where(np.isnan(column.values), np.nan, codes.astype(np.float64))
        levels = tuple(f"{value:.15g}" for value in values if not np.isnan(value))
    else:
        raise UsageError(f"`{shown}` should hold numbers or texts to be a target. Found {FORM_NAMES[column.form]}.")
    if kind == "binary" and len(levels) != 2:
        raise UsageError(f"`{shown}` should have two values to be binary. Found {len(levels)}.")
    return labels, levels


def check_target(column: TableColumn, kind: str, labels: np.ndarray, levels: Sequence[str]) -> None:
    """Raise UsageError where a target has nothing to learn, or a class with a single row."""
    shown, there = make_printable(column.name), labels[~np.isnan(labels)]
    if not len(there):
        raise UsageError(f"The target `{shown}` should have labels. Found none in {count_nouns(len(labels), 'row')}.")
    if (there == there[0]).all():
        value = levels[int(there[0])] if levels else f"{there[0]:g}"
        raise UsageError(
            f"The target `{shown}` should vary. Found `{make_printable(value, 40)}` in every row; leave it out."
        )
    if kind in ("class", "binary"):
        counts = np.bincount(there.astype(int), minlength=len(levels))
        if rare := [levels[int(code)] for code in np.flatnonzero(counts < 3)]:
            raise UsageError(
                f"Every class of `{shown}` should have 3 rows or more, one for each split. Found {counts.min()} of "
                f"`{make_printable(rare[0], 40)}`"
                + (
                    f", and {count_nouns(len(rare) - 1, 'more such class', 'more such classes')}"
                    if len(rare) > 1
                    else ""
                )
                + "; leave these rows out, or join the class with another."
            )
        if len(levels) > 200:
            raise UsageError(
                f"The target `{shown}` should have 200 classes at most. Found {len(levels)}; is it a text?"
            )
