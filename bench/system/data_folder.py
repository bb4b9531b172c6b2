"""The folder of data sets: one place decides where it is, for the command line and for suites without it."""

import os
from pathlib import Path

DATA_VARIABLE = "MTLBENCH_DATA"  # of the environment: the folder of data sets


def find_data_folder(given: Path | str | None = None) -> Path:
    """`given`, then $MTLBENCH_DATA, then the folder that the system keeps for data of applications.

    The path is absolute, since workers may have another current folder.
    """
    if given or os.environ.get(DATA_VARIABLE):
        return Path(given or os.environ[DATA_VARIABLE]).expanduser().resolve()
    # Imported late: most callers are given a folder, or need none.
    from platformdirs import user_data_path

    return user_data_path("mtlbench", appauthor=False)
