"""Mechanisms of Boolean functions of eight bits, whose splits divide all 256 patterns; and parity."""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import FULL_BATCH, Mechanism, Share, Stream, Target

BITS = 8
VALIDATION = 64  # patterns; those that are in neither part test
Patterns = Annotated[int, Interval(ge=16, le=2**BITS - VALIDATION - 1)]
FunctionBits = Annotated[int, Interval(ge=1, le=BITS - 1)]


class BooleanMechanism(Mechanism):
    """Tasks that are functions of eight bits, as inputs of -1 and 1; patterns are dealt out anew for each seed.

    A network of one logistic layer of 32 units, full-batch gradient descent.
    """

    logistic: ClassVar[bool] = True
    training: ClassVar[Mapping[str, Any]] = FULL_BATCH
    finite: ClassVar[bool] = True

    train: Patterns = 128
    bits: FunctionBits = 5
    relation: Share = 1.0

    @property
    def inputs(self) -> int:
        return BITS

    @property
    def targets(self) -> list[Target]:
        return ["boolean"] * getattr(self, "tasks", 2)

    @property
    def rows(self) -> dict[str, int]:
        return {"train": self.train, "val": VALIDATION, "test": 2**BITS - VALIDATION - self.train}

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """The parity that tasks have in common."""
        return {"parity": (x[:, 1 : 1 + self.bits] > 0).sum(axis=1) % 2.0}

    @abstractmethod
    def tabulate_tasks(self, bits: np.ndarray, kept: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """The truth table (256, T), of truth values.

        bits: (256, 8), all patterns, B1 first.
        kept: (256,), the patterns on which the extra tasks are what the mechanism says, a share `relation` of them.
        chance: (256, T), fair coins, for what extra tasks are elsewhere.
        """

    def truth(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """All patterns (256, 8) and the labels (256, T) of `seed`, as truth values."""
        bits = np.array(list(itertools.product([False, True], repeat=BITS)))
        generator = self.make_generator(seed, "functions")
        kept = generator.random(len(bits)) < self.relation
        chance = generator.random((len(bits), len(self.targets))) < 0.5
        return bits, self.tabulate_tasks(bits, kept, chance)

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        bits, labels = self.truth(seed)
        begin = {"train": 0, "val": self.train, "test": self.train + VALIDATION}[str(stream[0])]
        chosen = self.make_generator(seed, "patterns").permutation(len(bits))[begin : begin + rows]
        return np.where(bits[chosen], 1.0, -1.0), labels[chosen].astype(float)


class Parity(BooleanMechanism, title="parity"):
    """T1 = B1 or P, T2 = not B1 or P, T3 = B1 and P, T4 = not B1 and P, P the parity of the next `bits` bits.

    Where B1 is true, T1 says nothing of P, which T2 shows just there; all of them need the same hidden P. Two bits are
    left over. On a share 1 - `relation` of the patterns the extra tasks have a fair coin in the place of P. After the
    parity tasks of Caruana's thesis, CMU-CS-97-203.
    """

    formula: ClassVar[str] = "B1|P, ~B1|P, B1&P, ~B1&P; P = parity"

    tasks: Annotated[int, Interval(ge=2, le=4)] = 4

    def tabulate_tasks(self, bits: np.ndarray, kept: np.ndarray, chance: np.ndarray) -> np.ndarray:
        parity = bits[:, 1 : 1 + self.bits].sum(axis=1) % 2 == 1
        shown = np.where(kept[:, None], parity[:, None], chance)
        shown[:, 0] = parity
        a, b = bits[:, 0], ~bits[:, 0]
        columns = [a | shown[:, 0], b | shown[:, 1]]
        columns += [gate & shown[:, t] for t, gate in ((2, a), (3, b)) if t < self.tasks]
        return np.stack(columns, axis=1)


class Blocking(BooleanMechanism, title="blocking"):
    """T1 = A or F, T2 = not A or F, F the parity of `bits` bits: each hides F where the other shows it.

    On a share 1 - `relation` of the patterns the gate of T2 is A itself: at 0 T2 is T1 again, hides F in the same
    places, and its labels say nothing new. After Caruana, Learning many related tasks at the same time with
    backpropagation, NeurIPS 1995.
    """

    formula: ClassVar[str] = "A|F, ~A|F; F = parity"

    def tabulate_tasks(self, bits: np.ndarray, kept: np.ndarray, chance: np.ndarray) -> np.ndarray:
        parity = bits[:, 1 : 1 + self.bits].sum(axis=1) % 2 == 1
        gate = np.where(kept, ~bits[:, 0], bits[:, 0])
        return np.stack([bits[:, 0] | parity, gate | parity], axis=1)
