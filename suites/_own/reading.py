"""Files as tables: CSV, TSV, Parquet, NumPy arrays, and data sets that Hugging Face's `datasets` saved."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.errors import UsageError, count_nouns, hint, make_printable
from suites._own.raw_table import RawTable, check_names, require_polars
from suites._own.text_reading import read_text

PARTS = {"train": "train", "validation": "val", "val": "val", "valid": "val", "dev": "val", "test": "test"}
SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".npz", ".npy", ".toml")


def read_table(path: Path, missing: Sequence[str] = (), separator: str | None = None) -> RawTable:
    """The table in a file or folder.

    path: `.csv`, `.tsv`, `.parquet`, `.npz`, `.npy`, a `.toml` that names arrays, or a folder of `save_to_disk`.
    missing: texts that stand for a missing value, beside those of `MISSING_TEXTS`.
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
    raw = _read_parquet(path) if path.suffix == ".parquet" else read_text(path, missing, separator)
    if not raw.frame.height:
        raise UsageError(f"`{shown}` should hold rows. Found names of columns only.")
    return raw


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
    check_names(list(columns), shown)
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
                f"`{make_printable(name)}` should have {count_nouns(table.shape[1], 'name')} of columns. Found "
                f"{len(own)}."
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
