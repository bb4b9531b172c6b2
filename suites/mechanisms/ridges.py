"""Functions of Gaussian rows that a small network can learn: sums of ridges, tanh of one direction each."""

from dataclasses import dataclass

import numpy as np

from suites.mechanisms.mechanism import Mechanism

ROW_NUMBERS = 10  # in a row
FEATURES = 2  # ridges of a function
SLOPE = 2.0  # of a ridge where its argument is 0


@dataclass(frozen=True)
class Ridges:
    """f(x) = a . phi(x), phi_k(x) = tanh(2 w_k . x), |a| = |w_k| = 1.

    directions: (K, d), w_k.
    weights: (K,), a.
    """

    directions: np.ndarray
    weights: np.ndarray

    @classmethod
    def draw(cls, generator: np.random.Generator, count: int = FEATURES) -> "Ridges":
        """`count` ridges in ten dimensions, directions and weights uniform on their spheres."""
        directions, weights = generator.standard_normal((count, ROW_NUMBERS)), generator.standard_normal(count)
        return cls(directions / np.linalg.norm(directions, axis=1, keepdims=True), weights / np.linalg.norm(weights))

    def features(self, x: np.ndarray) -> np.ndarray:
        """phi(x), (n, K), of rows (n, d)."""
        values: np.ndarray = np.tanh(SLOPE * (x @ self.directions.T))
        return values

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """f(x), (n,), of rows (n, d)."""
        values: np.ndarray = self.features(x) @ self.weights
        return values


class RidgeMechanism(Mechanism):
    """Tasks on rows of ten numbers."""

    @property
    def inputs(self) -> int:
        return ROW_NUMBERS


class OneFunction(RidgeMechanism):
    """Tasks that see one function of the rows."""

    def truth(self, seed: int) -> Ridges:
        """F."""
        return Ridges.draw(self.make_generator(seed, "functions"))

    def known_features(self, seed: int, x: np.ndarray) -> dict[str, np.ndarray]:
        """The ridges of F."""
        return {f"ridge {k}": each for k, each in enumerate(self.truth(seed).features(x).T, 1)}
