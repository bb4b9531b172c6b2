"""Which test rows a run has right, one bit a row: what a paired test over rows needs, and statistics do not have."""

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

MOST_ROWS = 96 * 1024  # of a task: their bits are 16 KiB of text before they are compressed


class CorrectRows(BaseModel):
    """One bit for each row of a split, in the order of the split: 1 where the prediction is right.

    `bits` is base64 of zlib of the bits, eight to a byte, the first row highest, zeros after the last row. Two are
    equal where their bits are: versions of zlib write different texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=1, le=MOST_ROWS)
    bits: str

    @classmethod
    def pack(cls, right: np.ndarray) -> "CorrectRows":
        """Pack bool (n,), n in [1, MOST_ROWS]. Raises pydantic's ValidationError, a ValueError, for another n."""
        data = zlib.compress(np.packbits(np.asarray(right, dtype=bool)).tobytes(), 9)
        return cls(rows=len(right), bits=base64.b64encode(data).decode("ascii"))

    def unpack(self) -> np.ndarray:
        """Bool (n,). Raises ValueError where the text holds anything else than the bits of `rows` rows."""
        size = -(-self.rows // 8)
        try:
            # One byte more than is expected at most: a few bytes of zlib can stand for gigabytes.
            inflate = zlib.decompressobj()
            data = inflate.decompress(base64.b64decode(self.bits, validate=True), size + 1)
        except (ValueError, zlib.error) as error:
            raise ValueError(f"`bits` cannot be unpacked ({error}).") from error
        bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).astype(bool)
        if len(data) != size or not inflate.eof or inflate.unused_data or bits[self.rows :].any():
            raise ValueError(f"`bits` should hold one bit for each of {self.rows} rows, and zeros after them.")
        return bits[: self.rows]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CorrectRows) or self.rows != other.rows:
            return False
        return self.bits == other.bits or np.array_equal(self.unpack(), other.unpack())

    def __hash__(self) -> int:
        return hash(self.rows)


def explain_wrong_rows(
    rows: Mapping[str, CorrectRows], states: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, str]
) -> list[str]:
    """A sentence for each task whose bits do not count what its statistics count; empty where all agree.

    Args:
        rows: task -> its bits.
        states: task -> statistics of the same predictions; those that cannot be scored are named elsewhere.
        metrics: task -> name of its kind, each registered.
    """
    from bench.scores import find_kind  # the metric definitions, needed for checking only

    problems = []
    for task, packed in rows.items():
        place, kind = f"correct_rows.{task}", find_kind(metrics[task]) if task in metrics else None
        if task not in states or kind is None or kind.rows is None or kind.right is None:
            problems.append(f"{place}: should be there only for tasks with statistics of one label per row")
            continue
        try:
            counted = kind.right(states[task]), kind.rows(states[task])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue
        try:
            bits = packed.unpack()
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        if (found := (int(bits.sum()), len(bits))) != counted:
            problems.append(
                f"{place}: should have {counted[0]} of {counted[1]} rows right, as the statistics have, "
                f"found {found[0]} of {found[1]}"
            )
    return problems
