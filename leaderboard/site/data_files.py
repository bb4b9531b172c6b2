"""All runs of a store as files of the site: the table, its description for programs, and the licence of the store.

Each is made when it is first asked for, and kept until the site is written: the description has the checksums of the
others.
"""

import re
from functools import cached_property

from leaderboard.analysis.run_rows import RunRow, list_run_rows
from leaderboard.export.citation import Citation
from leaderboard.export.croissant import describe_dataset
from leaderboard.export.run_files import RUN_WRITERS, can_write_parquet
from leaderboard.store import StoreContents
from leaderboard.store.limits import read_limited

DATA_FOLDER = "download"
DESCRIPTION = "croissant.json"
LICENCE = "LICENSE"
MAX_LICENCE = 64 * 1024  # bytes
_DEED = re.compile(r"https://creativecommons\.org/licenses/[\w.-]+/[\d.]+/")


class DataFiles:
    """The files of `download/`.

    Args:
        contents: the store; its rows are those of `mtlbench export`.
        citation: of the project.
    """

    def __init__(self, contents: StoreContents, citation: Citation | None) -> None:
        self._contents, self._citation = contents, citation

    @cached_property
    def rows(self) -> list[RunRow]:
        """The table: one row for each run, task and metric."""
        return list(list_run_rows(self._contents.records))

    @cached_property
    def licence(self) -> str:
        """The text of the file LICENSE at the root of the store; empty where it has none that can be read."""
        try:
            return read_limited(self._contents.root / LICENCE, MAX_LICENCE).decode() if self._contents.root else ""
        except ValueError:
            return ""

    @property
    def licence_name(self) -> str:
        """The first line of the licence."""
        return self.licence.strip().partition("\n")[0]

    @cached_property
    def tables(self) -> dict[str, bytes]:
        """File name -> content of the table: compressed CSV, and Parquet where pyarrow is installed."""
        endings = [".csv.gz", *([".parquet"] if can_write_parquet() else [])]
        return {f"runs{ending}": RUN_WRITERS[ending](self.rows) for ending in endings}

    @cached_property
    def files(self) -> dict[str, bytes]:
        """File name -> content of everything."""
        deed = _DEED.search(self.licence)
        newest = max((record.created for record in self._contents.records), default="")
        text = (
            "Runs of multi-task learning under one protocol for each suite: one row for each run, task and metric "
            "on the test split, with the method, the seed, the error, the gain over single-task learning, and the cost."
        )
        described = describe_dataset(
            self.tables,
            name="mtlbench-runs",
            text=text,
            page=(self._citation.url if self._citation else "") or "../data.html",
            licence=deed[0] if deed else self.licence_name,
            date=newest[:10],
            citation=self._citation,
        )
        licence = {LICENCE: self.licence.encode()} if self.licence else {}
        return {**self.tables, DESCRIPTION: described, **licence}
