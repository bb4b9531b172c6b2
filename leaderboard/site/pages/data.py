"""The page of the data: all runs as one table to download, what its columns are, and under which licence."""

import shlex
from itertools import groupby

from leaderboard.export.columns import RunColumn, list_run_columns
from leaderboard.export.run_files import can_write_parquet
from leaderboard.report.escape import code_parts, printable
from leaderboard.site.context import Context
from leaderboard.site.data_files import DATA_FOLDER, DESCRIPTION, LICENCE
from leaderboard.store.committed import COMMITTED

TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false"}
WHAT = {
    ".csv.gz": "CSV, compressed with gzip, which pandas, R and DuckDB read as it is",
    ".parquet": "Parquet, with typed columns",
}


def render_data_page(site: Context) -> bytes:
    """Render the page; the table has the runs of the store, as `mtlbench export` writes them."""
    data = site.data
    files = [
        (f"{DATA_FOLDER}/{name}", name, write_size(len(content)), WHAT[name.removeprefix("runs")])
        for name, content in data.tables.items()
    ]
    root = site.contents.root
    # As typed from the root of a clone, where that is known; else the folder's name.
    committed = root is not None and root.resolve() == COMMITTED.resolve()
    place = "leaderboard/results" if committed else root.name if root else ""
    store = f" --store {shlex.quote(place)}" if place else ""
    return site.page(
        "data.html",
        "",
        files=files,
        parquet=can_write_parquet(),
        description=f"{DATA_FOLDER}/{DESCRIPTION}",
        licence=printable(data.licence_name),
        licence_href=f"{DATA_FOLDER}/{LICENCE}" if data.licence else "",
        runs=len(site.contents.records),
        elsewhere=len(site.runs) - len(site.contents.records),
        rows=len(data.rows),
        columns=[_describe_columns(text, list(group)) for text, group in groupby(list_run_columns(), lambda c: c.text)],
        count=len(list_run_columns()),
        command=printable(f"mtlbench export runs.csv{store}"),
    )


def write_size(size: int) -> str:
    """A number of bytes for people, as `3.4 MB`; a unit is a thousand of the one before it."""
    if size < 1000:
        return f"{size} bytes"
    unit, power = ("MB", 1e6) if size >= 1e6 else ("kB", 1e3)
    return f"{size / power:.1f} {unit}"


def _describe_columns(text: str, columns: list[RunColumn]) -> tuple[list[str], str, list[str]]:
    """Names, type and text of columns that share their text."""
    return [column.name for column in columns], TYPES[columns[0].kind], code_parts(text)
