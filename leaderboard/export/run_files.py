"""The table of all runs as a file: CSV, JSON or Parquet, with the same value in every cell.

    CSV      UTF-8 with a head; texts with commas, quotes or line breaks are quoted; `true` and `false`
    JSON     a list with one object for each row, one row per line
    Parquet  typed columns; needs pyarrow

Numbers are written with all of their digits, so that reading gives the same double. A number that there is not is an
empty cell in CSV and null in JSON and Parquet; a text that there is not is empty. Equal rows give equal bytes; Parquet
files name the version of pyarrow that wrote them.
"""

import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from bench.errors import UsageError, hint, make_printable
from leaderboard.analysis.run_rows import RunRow
from leaderboard.export.columns import list_run_columns

_BOOLEANS = {True: "true", False: "false"}


def format_runs_csv(rows: Sequence[RunRow]) -> bytes:
    """The rows as CSV, below a line with the names of the columns."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(RunRow._fields)
    writer.writerows([_write_cell(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def format_runs_json(rows: Sequence[RunRow]) -> bytes:
    """The rows as one JSON list of objects."""
    lines = [json.dumps({name: _drop_missing(cell) for name, cell in row._asdict().items()}) for row in rows]
    return f"[{f',{chr(10)}'.join(lines)}]\n".encode()


def format_runs_parquet(rows: Sequence[RunRow]) -> bytes:
    """The rows as Parquet, compressed with zstd; each column has its description as metadata.

    Raises:
        UsageError: pyarrow is not installed.
    """
    require_parquet()
    import pyarrow as pa
    from pyarrow import parquet

    types = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    fields = [pa.field(c.name, types[c.kind], metadata={"description": c.text}) for c in list_run_columns()]
    cells = list(zip(*rows, strict=True)) or [()] * len(fields)
    arrays = [
        pa.array([_drop_missing(cell) for cell in column], field.type)
        for column, field in zip(cells, fields, strict=True)
    ]
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), file, compression="zstd")
    return file.getvalue()


def can_write_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def require_parquet() -> None:
    """Raise UsageError, with the command that installs it, where pyarrow is missing."""
    if not can_write_parquet():
        raise UsageError("Parquet needs pyarrow; `pip install 'mtlbench[tables]'` brings it.")


# Ending of a file -> what writes its content.
RUN_WRITERS: dict[str, Callable[[Sequence[RunRow]], bytes]] = {
    ".csv": format_runs_csv,
    ".json": format_runs_json,
    ".parquet": format_runs_parquet,
    ".csv.gz": lambda rows: compress_bytes(format_runs_csv(rows)),
    ".json.gz": lambda rows: compress_bytes(format_runs_json(rows)),
}


def find_run_writer(name: str) -> Callable[[Sequence[RunRow]], bytes]:
    """What writes the file `name`, by its ending.

    Raises:
        UsageError: the name has none of the endings of RUN_WRITERS.
    """
    # The longest first: `.csv.gz` ends in `.gz` only.
    fitting = [ending for ending in sorted(RUN_WRITERS, key=len, reverse=True) if name.lower().endswith(ending)]
    if not fitting:
        ending = f".{name.rpartition('.')[2]}" if "." in name else ""
        near = hint(ending, RUN_WRITERS, "mtlbench export --help")
        raise UsageError(f"A file of runs should end as its format does. Found `{make_printable(name)}`; {near}.")
    return RUN_WRITERS[fitting[0]]


def compress_bytes(content: bytes) -> bytes:
    """`content` with gzip, without a time or a name, so that equal contents give equal bytes."""
    return gzip.compress(content, 9, mtime=0)


def _write_cell(cell: Any) -> str:
    """A cell as CSV has it; `repr` of a float is the shortest text that reads as the same double."""
    kept = _drop_missing(cell)
    if kept is None:
        return ""
    return _BOOLEANS[kept] if isinstance(kept, bool) else repr(kept) if isinstance(kept, float) else str(kept)


def _drop_missing(cell: Any) -> Any:
    """None for a number that is not finite, else the cell."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
