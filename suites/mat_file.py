"""Variables of a Matlab file, as `bench.system.reading` reads them in a process of its own: no torch in here."""

from pathlib import Path

import numpy as np

from bench.errors import DataMissing, make_printable
from bench.system.reading.mistaken import mistaken_for
from bench.system.reading.values import Value
from bench.system.regular import open_regular

DEEPEST = 3  # cells in cells


def read_variables(path: str, name: str, *wanted: str) -> dict[str, Value]:
    """`wanted` variables of the file: numbers as arrays, cells as lists, and of anything else what it is, as a text.

    name: what the file is called in sentences. DataMissing where it is another one.
    """
    from scipy.io import loadmat, whosmat

    both = " and ".join(f"`{variable}`" for variable in wanted)
    start = f"`{name}` should be a MATLAB file of version 4 to 7 with {both}."
    with open_regular(Path(path)) as file:
        head = file.read(128)
        file.seek(0)
        try:
            content = loadmat(file, variable_names=list(wanted))
            there = [] if content.keys() >= set(wanted) else [name for name, *_ in whosmat(file)]
        except MemoryError:
            raise
        except Exception as error:  # any line of that reader breaks on some file
            what = mistaken_for(head)
            damaged = "one that is damaged" if what == "a MATLAB file" else what
            raise DataMissing(f"{start} Found {damaged}.") from error
    if content.keys() >= set(wanted):
        return {variable: _plain(content[variable]) for variable in wanted}
    found = ", ".join(f"`{make_printable(variable, 40)}`" for variable in there[:6]) or "none"
    raise DataMissing(f"{start} Found {found}{' and others' if len(there) > 6 else ''}.")


def _plain(value: object, depth: int = 0) -> Value:
    """What can be handed on: numbers, and cells of them."""
    if not isinstance(value, np.ndarray):
        return "a sparse matrix" if hasattr(value, "tocoo") else "another kind of value"
    if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        return np.asarray(value)
    if value.dtype.names is not None:
        return "a structure"
    if value.dtype.kind == "O" and depth < DEEPEST:
        return [_plain(cell, depth + 1) for cell in value.ravel()]
    return {"U": "text", "S": "text", "c": "complex numbers"}.get(value.dtype.kind, "another kind of value")


def describe_value(value: Value) -> str:
    """A value of a Matlab file, as the end of a sentence."""
    if isinstance(value, list):
        return f"{len(value)} cells"
    if not isinstance(value, np.ndarray):
        return str(value)
    shape = "x".join(map(str, value.shape))
    if not value.size:
        return f"an empty one, {shape}"
    wrong = int((~np.isfinite(value)).sum())
    return f"{wrong} of {value.size} numbers that are not finite" if wrong else f"numbers of shape {shape}"
