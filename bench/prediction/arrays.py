"""New rows from `.npy` and `.npz` files: arrays of the suite's own input shape."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.core.new_rows import NewRows
from bench.core.suite import Suite
from bench.errors import UsageError, count_nouns, hint, make_printable


def read_arrays(path: Path, suite: Suite) -> NewRows:
    """The rows of a file: one array (n, *input_shape) for every task, or, in `.npz`, one under the name of each task.

    Whole numbers are rows as the suite stores them, where it stores them so; all others are rows as the network sees
    them.

    Raises:
        UsageError: one sentence: the file is no such file, or its arrays do not fit the suite.
    """
    tasks = [task.name for task in suite.tasks]
    arrays = _load(path)
    if len(arrays) == 1 and (name := next(iter(arrays))) not in tasks:
        rows = _check_array(arrays[name], "FILE", suite)
        return NewRows(range(len(rows)), dict.fromkeys(tasks, rows))
    for name in arrays:
        if name not in tasks:
            raise UsageError(f"FILE should hold one array, or one for each task. Found `{name}`; {hint(name, tasks)}.")
    inputs = {task: _check_array(arrays[task], f"`{task}` of FILE", suite) for task in tasks if task in arrays}
    longest = max(map(len, inputs.values()))
    return NewRows(range(longest), inputs, {task: range(len(x)) for task, x in inputs.items()})


def _load(path: Path) -> Mapping[str, np.ndarray]:
    """name -> array of a file; an array without a name is called "". Nothing in the file is run."""
    shown = make_printable(path.name)
    if path.is_dir():
        raise UsageError(f"FILE should be a file of new rows; folders are for sets of images. Found `{shown}`.")
    if path.suffix not in (".npy", ".npz"):
        raise UsageError(f"FILE should be arrays of the suite's inputs, `.npy` or `.npz`. Found `{shown}`.")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        with content:
            arrays = {name: content[name] for name in content.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = make_printable(str(error).split("\n")[0], 200) or type(error).__name__
        raise UsageError(
            f"`{shown}` should be an array of numbers that NumPy wrote. Found {reason.rstrip('.')}."
        ) from error
    if not arrays:
        raise UsageError(f"`{shown}` should hold an array. Found none.")
    return arrays


def _check_array(array: np.ndarray, what: str, suite: Suite) -> Tensor:
    """An array as rows of inputs. Raises UsageError where type, shape or values are none of the suite's."""
    shape = tuple(suite.input_shape)
    if array.dtype.kind not in "fiub":
        raise UsageError(f"{what} should hold numbers. Found the type `{array.dtype}`.")
    if array.ndim < 1 or array.shape[1:] != shape or not len(array):
        wanted = ", ".join(["n", *map(str, shape)])
        found = ", ".join(map(str, array.shape))
        raise UsageError(
            f"{what} should have the shape ({wanted}), n at least 1, as inputs of the suite. Found ({found})."
        )
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            raise UsageError(
                f"{what} should hold finite numbers. Found {count_nouns(int(bad.sum()), 'row')} with others, "
                f"the first is row {int(bad.argmax())}, counted from 0; fill or leave out what is missing."
            )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind != "f" and suite.transform is None:
        array = array.astype(np.float64)
    if array.dtype.kind == "f":
        array = array.astype(np.float64 if array.dtype.itemsize >= 8 else np.float32)
    return torch.from_numpy(np.ascontiguousarray(array))
