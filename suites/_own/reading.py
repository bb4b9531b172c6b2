"""Files as tables: CSV, TSV, Parquet, NumPy arrays, and data sets that Hugging Face's `datasets` saved.

Reading a text costs a few sentences of refusal: a table that was split at the wrong sign, or whose names repeat, reads
without an error and means something else.
"""

import csv
import json
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from bench.errors import UsageError, hint, make_printable

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {",": "a comma", "\t": "a tab", ";": "a semicolon", "|": "a bar"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")  # unless the user names others
PARTS = {"train": "train", "validation": "val", "val": "val", "valid": "val", "dev": "val", "test": "test"}
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".npz", ".npy", ".toml")


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


def read_table(path: Path, missing: Sequence[str] | None = None, separator: str | None = None) -> RawTable:
    """The table in a file or folder.

    path: `.csv`, `.tsv`, `.parquet`, `.npz`, `.npy`, a `.toml` that names arrays, or a folder of `save_to_disk`.
    missing: texts that stand for a missing value; None for `MISSING`.
    separator: between the columns of a text; None to find it.

    Raises UsageError, in one sentence, where it is no such table.
    """
    shown = make_printable(path.name or str(path))
    if not path.exists():
        near = (
            [other.name for other in path.parent.glob("*") if other.suffix in SUFFIXES] if path.parent.is_dir() else []
        )
        raise UsageError(
            f"There is no file `{make_printable(str(path))}`; {hint(path.name, near, f'ls {path.parent}')}."
        )
    if path.is_dir():
        return _read_saved(path)
    if path.suffix in (".npz", ".npy", ".toml"):
        return _read_arrays(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"A table should be one of {', '.join(SUFFIXES)}, or a folder. Found `{shown}`.")
    if path.stat().st_size == 0:
        raise UsageError(f"`{shown}` should hold a table. Found an empty file.")
    raw = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path, missing, separator)
    if not raw.frame.height:
        raise UsageError(f"`{shown}` should hold rows. Found names of columns only.")
    return raw


def _read_text(path: Path, missing: Sequence[str] | None, separator: str | None) -> RawTable:
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
    _check_names(names, shown)
    names = [name or f"column {number}" for number, name in enumerate(names, 1)]
    try:
        frame = pl.read_csv(
            path,
            separator=separator,
            has_header=False,
            skip_rows=1,
            new_columns=names,
            null_values=list(MISSING if missing is None else missing),
            infer_schema_length=None,
        )
    except pl.exceptions.NoDataError as error:
        raise UsageError(f"`{shown}` should hold rows. Found names of columns only.") from error
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        if _count_lines(path) < 2:
            raise UsageError(f"`{shown}` should hold rows. Found names of columns only.") from error
        raise UsageError(
            f"`{shown}` should be a table with {len(names)} columns in every line. Found "
            f"{_find_other_width(path, separator, len(names)) or make_printable(str(error).strip(), 200)}."
        ) from error
    if frame.width != len(names):
        raise UsageError(
            f"`{shown}` should have as many names in its first line as columns below. Found {len(names)} names and "
            f"{frame.width} columns."
        )
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


def _find_other_width(path: Path, separator: str, width: int) -> str:
    """The first line with more than `width` fields, in words; empty where there is none."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        try:
            return next((f"{len(row)} in line {reader.line_num}" for row in reader if len(row) > width), "")
        except csv.Error:
            return ""


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


def _check_names(names: Sequence[str], shown: str) -> None:
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


def _read_parquet(path: Path) -> RawTable:
    """Columns of a Parquet file."""
    pl, shown = require_polars(), make_printable(path.name)
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        first = make_printable(str(error).split("\n")[0], 200)
        raise UsageError(f"`{shown}` should be a Parquet file. Found: {first}.") from error
    return RawTable(frame)


def _read_arrays(path: Path) -> RawTable:
    """Arrays as columns: of `.npz` those in it, of `.npy` the one, of `.toml` those that it names.

    The TOML has `[arrays]`, name -> file, and may have `[columns]`, name -> names of its columns, and `targets`,
    `types` and `drop` as on the command line.
    """
    pl, said = require_polars(), {}
    shown = make_printable(path.name)
    arrays: dict[str, np.ndarray] = {}
    try:
        if path.suffix == ".toml":
            said = tomllib.loads(path.read_text(encoding="utf-8"))
            for name, file in said.get("arrays", {}).items():
                arrays[name] = np.load(path.parent / file, allow_pickle=False)
        elif path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # closed also if it is none
                arrays = {name: stored[name] for name in stored.files}
        else:
            arrays = {path.stem: np.load(path, allow_pickle=False)}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile, tomllib.TOMLDecodeError) as error:
        first = make_printable(str(error).split("\n")[0], 200).rstrip(".")
        raise UsageError(f"`{shown}` should hold arrays of numbers or texts. Found: {first}.") from error
    if not arrays or len(lengths := {name: len(x) if x.ndim else 0 for name, x in arrays.items()}) == 0:
        raise UsageError(f"`{shown}` should hold arrays of numbers or texts. Found none.")
    if len(set(lengths.values())) > 1:
        each = ", ".join(f"{count} in `{make_printable(name)}`" for name, count in lengths.items())
        raise UsageError(f"Arrays of `{shown}` should have one row for each example. Found {each}.")
    columns = name_columns(arrays, said.get("columns", {}), shown)
    _check_names(list(columns), shown)
    targets = said.get("targets", [])
    # An array's name stands for all of its columns, as `Y` for `Y_0`, `Y_1`.
    whole = {name: [c for c, (owner, _) in columns.items() if owner == name] for name in arrays}
    options = {**said, "whole": whole, "targets": [c for name in targets for c in whole.get(name, [name])]}
    return RawTable(pl.DataFrame({name: values for name, (_, values) in columns.items()}), options=options)


def name_columns(
    arrays: Mapping[str, np.ndarray], names: Mapping[str, Sequence[str]], shown: str
) -> dict[str, tuple[str, np.ndarray]]:
    """Column -> (its array, its values): `y` of an array (n,), `X_0`, `X_1`, ... of one (n, d).

    names: array -> names of its columns, where they are given. shown: of the file, for sentences.
    """
    columns: dict[str, tuple[str, np.ndarray]] = {}
    for name, array in arrays.items():
        if array.ndim == 1 and name not in names:
            columns[name] = (name, array)
            continue
        if array.ndim > 2:
            raise UsageError(
                f"`{make_printable(name)}` of `{make_printable(shown)}` should have rows, or rows and columns. Found "
                f"shape {array.shape}."
            )
        table = array.reshape(len(array), -1)
        own = list(names.get(name, [f"{name}_{number}" for number in range(table.shape[1])]))
        if len(own) != table.shape[1]:
            raise UsageError(
                f"`{make_printable(name)}` should have {table.shape[1]} names of columns. Found {len(own)}."
            )
        columns |= {column: (name, table[:, number]) for number, column in enumerate(own)}
    return columns


def _read_saved(folder: Path) -> RawTable:
    """A data set of Hugging Face's `save_to_disk`: one folder of Arrow files, or one for each split."""
    shown = make_printable(str(folder))
    splits = {folder.name: folder}
    if (folder / "dataset_dict.json").is_file():
        splits = {name: folder / name for name in _read_json(folder / "dataset_dict.json").get("splits", [])}
    elif not (folder / "state.json").is_file():
        raise UsageError(
            f"`{shown}` should be a folder that `save_to_disk` of Hugging Face's datasets wrote, with `state.json` or "
            "`dataset_dict.json`. Found neither."
        )
    pl = require_polars()
    try:
        import pyarrow as pa
    except ImportError as error:
        raise UsageError(
            "Arrow files are read by pyarrow; install it with `pip install 'mtlbench[tables]'`."
        ) from error
    frames, parts, levels = [], list[str](), dict[str, list[str]]()
    for name, part in splits.items():
        files = [each["filename"] for each in _read_json(part / "state.json").get("_data_files", [])]
        try:
            tables = [pa.ipc.open_stream(pa.memory_map(str(part / Path(file).name))).read_all() for file in files]
        except (OSError, pa.ArrowInvalid) as error:
            raise UsageError(f"`{shown}` should hold Arrow files. Found: {make_printable(str(error), 200)}.") from error
        info = _read_json(part / "dataset_info.json").get("features") or {}
        levels |= {column: form["names"] for column, form in info.items() if form.get("_type") == "ClassLabel"}
        frames.append(pl.from_arrow(pa.concat_tables(tables)))
        parts += [PARTS.get(name.lower(), "")] * frames[-1].height
    frame = pl.concat(frames)
    known = np.array(parts)
    kept = known if len(splits) > 1 and (known != "").all() else None
    if kept is not None and not {"train", "test"} <= set(kept.tolist()):
        kept = None
    return RawTable(frame, (), kept, levels)


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UsageError where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"`{make_printable(str(path))}` should be a JSON file. Found: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"`{make_printable(str(path))}` should be a JSON object. Found {type(content).__name__}.")
    return content
