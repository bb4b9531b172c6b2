"""Variables of a Matlab file, as `bench.system.reading` reads them in a process of its own: no torch in here.

Files of version 4 to 7, which scipy reads (MathWorks, MAT-File Format); version 7.3 is HDF5 and another reader's.
From version 5 on a file begins with a header of 128 bytes, the first of them a text. Cells are arrays of objects
here.
"""

from pathlib import Path

import numpy as np

from bench.errors import DataMissing, count_nouns, make_printable
from bench.system.reading.mistaken import identify_content
from bench.system.reading.values import Value
from bench.system.regular import open_regular

# Nested without end they would exhaust the stack.
DEEPEST = 3  # cells in cells


def read_variables(path: str, name: str, *wanted: str) -> dict[str, Value]:
    """`wanted` variables of the file: numbers as arrays, cells as lists, and of anything else what it is, as a text.

    path: of a plain file.
    name: what the file is called in sentences.
    wanted: variables that should all be there.

    Raises DataMissing, in one sentence, where it is no such file or lacks one.
    """
    from scipy.io import loadmat, whosmat

    both = " and ".join(f"`{variable}`" for variable in wanted)
    start = f"`{name}` should be a MATLAB file of version 4 to 7 with {both}."
    with open_regular(Path(path)) as file:
        # Enough to tell what else it is: an archive, a page of HTML, a spreadsheet.
        head = file.read(128)
        file.seek(0)
        try:
            content = loadmat(file, variable_names=list(wanted))
            there = [] if content.keys() >= set(wanted) else [name for name, *_ in whosmat(file)]
        except MemoryError:
            raise
        except Exception as error:  # any line of that reader breaks on some file
            what = identify_content(head)
            damaged = "one that is damaged" if what == "a MATLAB file" else what
            raise DataMissing(f"{start} Found {damaged}.") from error
    if content.keys() >= set(wanted):
        return {variable: _to_plain(content[variable]) for variable in wanted}
    listed = ", ".join(f"`{make_printable(variable, 40)}`" for variable in there[:6]) or "none"
    raise DataMissing(f"{start} Found {listed}{' and others' if len(there) > 6 else ''}.")


def _to_plain(value: object, depth: int = 0) -> Value:
    """What can be handed on between processes: numbers of up to 8 bytes, and cells of them; else its kind as a text."""
    if not isinstance(value, np.ndarray):
        return "a sparse matrix" if hasattr(value, "tocoo") else "another kind of value"
    if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return np.asarray(value)
    if value.dtype.names is not None:
        return "a structure"
    if value.dtype.kind == "O" and depth < DEEPEST:
        return [_to_plain(cell, depth + 1) for cell in value.ravel()]
    return {"U": "text", "S": "text", "c": "complex numbers"}.get(value.dtype.kind, "another kind of value")


def describe_value(value: Value) -> str:
    """A value of a Matlab file, as the end of a sentence: `numbers of shape 8x2x2`, `3 cells`, `text`."""
    if isinstance(value, list):
        return count_nouns(len(value), "cell")
    if not isinstance(value, np.ndarray):
        return str(value)
    shape = "x".join(map(str, value.shape))
    if not value.size:
        return f"an empty one, {shape}"
    wrong = int((~np.isfinite(value)).sum())
    return f"{wrong} of {value.size} numbers that are not finite" if wrong else f"numbers of shape {shape}"
