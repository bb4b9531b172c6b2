"""Mechanisms on coded numbers: the peaks functions, and two sums of which one is better used as a target."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import FULL_BATCH, Mechanism, Stream, Target, Training

VARIABLES = 6
CODE = 10  # inputs for a number
SUM_RANGE = 5.0  # A and B lie in [-5, 5]
FUNCTIONS = tuple(itertools.permutations(range(VARIABLES), 3))  # (A, B, C) first
Use = Literal["target", "input", "none"]


def code_bumps(values: np.ndarray) -> np.ndarray:
    """Ten bumps for each number: exp(-((v - c_k) / 0.1)^2 / 2) at ten centres spread evenly over [0, 1].

    values: (n, V) in [0, 1].

    Returns (n, 10 V).
    """
    centres = np.linspace(0, 1, CODE)
    bumps: np.ndarray = np.exp(-(((values[:, :, None] - centres) / 0.1) ** 2) / 2)
    return bumps.reshape(len(values), -1)


def code_bits(values: np.ndarray) -> np.ndarray:
    """Ten bits for each number of [-5, 5], the largest first, as 0 and 1.

    values: (n, V).

    Returns (n, 10 V); the number is that of its bits over 1023, times 10, less 5, rounded to the nearest.
    """
    whole = np.rint((values + SUM_RANGE) / (2 * SUM_RANGE) * (2**CODE - 1)).astype(np.int64)
    bits: np.ndarray = (whole[:, :, None] >> np.arange(CODE)[::-1]) & 1
    return bits.reshape(len(values), -1).astype(float)


class Peaks(Mechanism, title="peaks"):
    """y_t = v_2 if v_1 > 1/2 else v_3, for the ordered triples of six numbers A ... F in [0, 1]: 120 functions.

    t1 reads A, B and C. The others follow in the order of their letters, with three numbers in common with t1 or fewer.
    Each number is coded by ten bumps, which are our choice; 64 logistic units. After Caruana 1997, section 3.3.
    """

    formula: ClassVar[str] = "y = v2 if v1 > 1/2 else v3, bumps"
    hidden: ClassVar[tuple[int, ...]] = (64,)
    logistic: ClassVar[bool] = True

    train: Training = 200
    tasks: Annotated[int, Interval(ge=2, le=len(FUNCTIONS))] = 20

    @property
    def inputs(self) -> int:
        return CODE * VARIABLES

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        v = self.make_generator(seed, *stream).random((rows, VARIABLES))
        labels = [np.where(v[:, a] > 0.5, v[:, b], v[:, c]) for a, b, c in FUNCTIONS[: self.tasks]]
        return code_bumps(v), np.stack(labels, axis=1)


class Sums(Mechanism, title="f1f2"):
    """y_1 = s(A + B), y_2 = s(A - B), s the logistic function, A and B in [-5, 5] as ten bits each.

    y_2 is a further target, a further input, or left out, as `use` says. A and B are the numbers that their bits stand
    for. 16 logistic units, 1,000 validation rows. After Caruana 1997, section 4.9, whose code of bits is not known.
    """

    formula: ClassVar[str] = "y_1 = s(A + B), y_2 = s(A - B), bits"
    hidden: ClassVar[tuple[int, ...]] = (16,)
    logistic: ClassVar[bool] = True
    training: ClassVar[Mapping[str, Any]] = FULL_BATCH

    train: Training = 50
    use: Use = "target"

    @property
    def inputs(self) -> int:
        return 2 * CODE + (self.use == "input")

    @property
    def targets(self) -> list[Target]:
        return ["unit", "unit"] if self.use == "target" else ["unit"]

    @property
    def rows(self) -> dict[str, int]:
        return {"train": self.train, "val": 1000, "test": 1000}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        bits = code_bits(self.make_generator(seed, *stream).uniform(-SUM_RANGE, SUM_RANGE, (rows, 2)))
        places = 2.0 ** np.arange(CODE)[::-1]
        a, b = (bits.reshape(rows, 2, CODE) @ places / (2**CODE - 1) * 2 * SUM_RANGE - SUM_RANGE).T
        first, second = 1 / (1 + np.exp(-(a + b))), 1 / (1 + np.exp(b - a))
        x = np.hstack([bits, second[:, None].astype(np.float32)]) if self.use == "input" else bits
        return x, np.stack([first, second][: len(self.targets)], axis=1)
