"""Overfitting prevention: tasks that read the same features in other ways."""

from typing import ClassVar

import numpy as np

from suites.mechanisms.amplification import CopyCount
from suites.mechanisms.mechanism import Deviation, Share, Stream, Training, draw_normal, is_noisy, mix
from suites.mechanisms.ridges import ROW_NUMBERS, SLOPE, RidgeMechanism

FEATURES_READ = 4  # by every task


class Overfitting(RidgeMechanism, title="overfitting"):
    """y_t = a_t . phi_t(x) + e_t, phi_tk(x) = tanh(2 w_tk . x): tasks read the same four features in their own ways.

    w_tk = sqrt(relation) w_1k + sqrt(1 - relation) v_tk, made of unit length: at 0 features are the tasks' own. A
    feature that is bent to the noise of one task is wrong for the others. After overfitting prevention in Caruana's
    thesis, CMU-CS-97-203.
    """

    formula: ClassVar[str] = "y_t = a_t . phi_t(x) + e_t"

    train: Training = 50
    tasks: CopyCount = 4
    noise: Deviation = 0.5
    relation: Share = 1.0

    def truth(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Directions (T, 4, 10) and weights (T, 4), all of unit length."""
        generator = self.make_generator(seed, "functions")
        main, own = np.split(generator.standard_normal((self.tasks, FEATURES_READ, ROW_NUMBERS)), [1])
        directions = np.concatenate([main, mix(self.relation, main, own)])
        weights = generator.standard_normal((self.tasks, FEATURES_READ))
        return (
            directions / np.linalg.norm(directions, axis=-1, keepdims=True),
            weights / np.linalg.norm(weights, axis=-1, keepdims=True),
        )

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """The features that t1 reads."""
        directions, _ = self.truth(seed)
        return {f"ridge {k}": np.tanh(SLOPE * (x @ each)) for k, each in enumerate(directions[0], 1)}

    def draw(self, seed: int, stream: Stream, rows: int) -> tuple[np.ndarray, np.ndarray]:
        generator, (directions, weights) = self.make_generator(seed, *stream), self.truth(seed)
        x = draw_normal(generator, rows, ROW_NUMBERS)
        y = np.einsum("tkn,tk->nt", np.tanh(SLOPE * (directions @ x.T)), weights)
        if is_noisy(stream):
            y = y + self.noise * generator.standard_normal(y.shape)
        return x, y
