"""Arrays, texts and numbers in lists and dictionaries, as bytes that hold nothing that could be run.

    8 bytes              length of the header, little-endian
    header               JSON: {"arrays": [[dtype, shape], ...], "value": tree}
    bytes of the arrays  one after the other, in C order

In the tree `{"array": k}` stands for the k-th array, `{"turned": k}` for its transpose, and `{"of": {...}}` for a
dictionary. Arrays that lie by columns come back by columns: sums round by the order of memory.

Used in place of pickle, because whoever sends the bytes may have been taken over by a damaged file.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

Value = Any  # None, bool, int, float, str or np.ndarray, and lists and dictionaries (by str) of them
ByteSource = Callable[[int], bytes | bytearray]  # gives exactly so many bytes, or raises

HEADER = 1 << 26  # bytes of the header at most, so that a false length takes no more memory than this
# Truth values, integers and floats in little-endian order: numbers whose bytes mean nothing else.
_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]")


class NotAValue(ValueError):
    """Bytes that are not what `pack` makes, or more of them than was allowed."""


def pack(value: Value) -> bytes:
    """`value` as bytes.

    value: None, bool, int, float, str or array, and lists and dictionaries of them. Tuples come back as
        lists, keys as text.

    Raises:
        TypeError: it holds anything else, or an array of anything but truth values and numbers.
    """
    arrays: list[np.ndarray] = []
    tree = _tree(value, arrays)
    kinds = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"arrays": kinds, "value": tree}).encode()
    return b"".join([len(header).to_bytes(8, "little"), header, *(array.tobytes() for array in arrays)])


def unpack(source: ByteSource, most: int) -> Value:
    """The value that `pack` made bytes of. Arrays are read-only.

    source: gives exactly as many bytes as it is asked for, or raises.
    most: bytes of all arrays together; checked before any of them is read.

    Raises:
        NotAValue: the bytes are of another form, or the arrays are too large.
    """
    length = int.from_bytes(source(8), "little")
    if length > HEADER:
        raise NotAValue("its header is too long")
    try:
        header = json.loads(bytes(source(length)))
        kinds = [(np.dtype(_check_dtype(dtype)), _check_shape(shape)) for dtype, shape in header["arrays"]]
        tree = header["value"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotAValue("its header is damaged") from error
    if sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds) > most:
        raise NotAValue("it is too large")
    arrays = [np.frombuffer(source(d.itemsize * math.prod(shape)), d).reshape(shape) for d, shape in kinds]
    try:
        return _value(tree, arrays)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise NotAValue("its header is damaged") from error


def _tree(value: Value, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON, with its arrays appended to `arrays` and numbers of theirs in their places."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        # `tobytes` below writes by rows: what lies by columns is sent as its transpose.
        by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
        array = np.asarray(value.T if by_columns else value, dtype=value.dtype.newbyteorder("<"), order="C")
        _check_dtype(array.dtype.str)
        arrays.append(array)
        return {"turned" if by_columns else "array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        return [_tree(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"of": {str(key): _tree(item, arrays) for key, item in value.items()}}
    raise TypeError(f"A value should be made of arrays, texts and numbers. Found {type(value).__name__}.")


def _value(tree: Any, arrays: list[np.ndarray]) -> Value:
    """The inverse of `_tree`."""
    if isinstance(tree, list):
        return [_value(item, arrays) for item in tree]
    if isinstance(tree, dict):
        if "array" in tree:
            return arrays[tree["array"]]
        if "turned" in tree:
            return arrays[tree["turned"]].T
        return {key: _value(item, arrays) for key, item in tree["of"].items()}
    return tree


def _check_dtype(dtype: Any) -> str:
    """`dtype` where it is one of numbers or truth values. Raises TypeError for others, as of Python objects."""
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise TypeError(f"Arrays should be of truth values or numbers. Found the type {dtype}.")
    return dtype


def _check_shape(shape: Any) -> tuple[int, ...]:
    """`shape` as a tuple. Raises ValueError where it is none; bounds keep the product of its axes small enough."""
    if not isinstance(shape, list) or len(shape) > 16 or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape):
        raise ValueError("a shape should be a few whole numbers")
    return tuple(shape)
