"""Representation bias: tasks with two ways to be learnt, one of them in common."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import FULL_BATCH, Mechanism, Share, Stream, Target, Training

BLOCKS = ("A", "B", "C")


class Bias(Mechanism, title="bias"):
    """Labels are fair coins, which blocks of inputs repeat as a parity: A for both tasks, B for t1 only, C for t2 only.

    A block is `bits` numbers of -1 and 1. Their parity is the label where the block repeats it; elsewhere they are fair
    coins. Each task has rows of its own. So t1 can be learnt from A or from B, t2 from A or from C, and a common trunk
    has a reason to learn A. Inputs of B are multiplied by `scale`: far above 1, t1 prefers B, and A has one user less.
    On a share 1 - `relation` of the rows of t2, A is no help. After representation bias, Caruana 1997, section 3.
    Probes deal a block out anew: what a model then loses is how much it used it.
    """

    formula: ClassVar[str] = "y = parity of A, or of B or C"
    hidden: ClassVar[tuple[int, ...]] = (16,)
    logistic: ClassVar[bool] = True
    training: ClassVar[Mapping[str, Any]] = FULL_BATCH
    own_inputs: ClassVar[bool] = True

    train: Training = 100
    bits: Annotated[int, Interval(ge=1, le=7)] = 3
    scale: Annotated[float, Interval(gt=0, le=100)] = 1.0
    relation: Share = 1.0

    @property
    def inputs(self) -> int:
        return len(BLOCKS) * self.bits

    @property
    def targets(self) -> list[Target]:
        return ["boolean", "boolean"]

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        y = generator.random((rows, 2)) < 0.5
        x = np.stack([self._draw_blocks(generator, labels, own) for labels, own in zip(y.T, "BC", strict=True)])
        return x, y.astype(float)

    def input_blocks(self, seed: int) -> dict[str, list[int]]:
        """A, B and C."""
        return {block: list(range(self.inputs))[self._find_columns(block)] for block in BLOCKS}

    def _draw_blocks(self, generator: np.random.Generator, labels: np.ndarray, own: str) -> np.ndarray:
        """Inputs of a task whose labels block A repeats, and block `own`."""
        x = generator.choice([-1.0, 1.0], (len(labels), self.inputs))
        used = np.ones(len(labels), dtype=bool) if own == "B" else generator.random(len(labels)) < self.relation
        for block, rows in (("A", used), (own, np.ones_like(used))):
            columns = self._find_columns(block)
            # An even number of ones, where numbers are -1 and 1, has the product of all (-1)^bits.
            parity = (x[:, columns] > 0).sum(axis=1) % 2 == 1
            x[rows & (parity != labels), columns.start] *= -1
        x[:, self._find_columns("B")] *= self.scale
        return x

    def _find_columns(self, block: str) -> slice:
        """Where a block stands in a row."""
        begin = BLOCKS.index(block) * self.bits
        return slice(begin, begin + self.bits)
