"""Attribute selection: few of many inputs matter, and tasks agree which."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from bench.api import Interval
from suites.mechanisms.mechanism import Deviation, Mechanism, Share, Stream, Training, draw_normal, is_noisy

COLUMNS = 200  # inputs
RELEVANT = 4  # inputs that a task reads
Learners = Annotated[int, Interval(ge=2, le=COLUMNS // RELEVANT)]  # supports may have nothing in common


class Attributes(Mechanism, title="attributes"):
    """y_t = x w_t + e_t, x ~ N(0, I_200), e_t ~ N(0, noise^2); w_t is 0 but for four inputs, |w_t| = 1.

    All tasks read the same four inputs where `relation` is 1, none in common where it is 0; between them as many as
    round(4 relation). `model=linear` fits weights and intercepts by a solver, where constraints as l21 select; `mlp` is
    a network on the same rows. After attribute selection, Caruana 1997, section 3.
    """

    formula: ClassVar[str] = "y_t = x w_t + e_t, four of 200 inputs"

    train: Training = 100
    tasks: Learners = 8
    noise: Deviation = 0.5
    relation: Share = 1.0
    model: Literal["mlp", "linear"] = "mlp"

    @property
    def inputs(self) -> int:
        return COLUMNS

    @property
    def linear(self) -> bool:
        return self.model == "linear"

    def truth(self, seed: int) -> np.ndarray:
        """The weights (200, T)."""
        generator = self.make_generator(seed, "functions")
        order, common = generator.permutation(COLUMNS), round(RELEVANT * self.relation)
        drawn = generator.standard_normal((self.tasks, RELEVANT))
        weights = np.zeros((COLUMNS, self.tasks))
        for t, values in enumerate(drawn / np.linalg.norm(drawn, axis=1, keepdims=True)):
            own = order[RELEVANT * t : RELEVANT * (t + 1)]
            weights[np.concatenate([order[:common], own[common:]]), t] = values
        return weights

    def known_weights(self, seed: int) -> np.ndarray:
        return self.truth(seed)

    def input_blocks(self, seed: int) -> dict[str, list[int]]:
        """`relevant`: inputs that some task reads; `others`: the rest."""
        read = np.any(self.truth(seed) != 0, axis=1)
        return {"relevant": np.flatnonzero(read).tolist(), "others": np.flatnonzero(~read).tolist()}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator = self.make_generator(seed, *stream)
        x = draw_normal(generator, rows, COLUMNS)
        y = x @ self.truth(seed)
        if is_noisy(stream):
            y = y + self.noise * generator.standard_normal(y.shape)
        return x, y
