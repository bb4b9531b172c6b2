"""The spectral box norm, squared: the penalty that `cluster` and `caso` become once their matrix M is at its minimum.

A function of singular values alone, with a prox; a solver uses it as the `marginal` of those constraints.
"""

import math

import torch
from torch import Tensor

from bench.core.constraint import Constraint, Coupled
from bench.toolbox.proxes import scale_singular, singular_values
from bench.toolbox.spectra import water_filling


class SpectralBox(Constraint):
    """R(W) = c min_m sum_i s_i^2 / (eta + m_i), 0 <= m <= 1, sum_i m_i = total, s the singular values of W (P, T).

    prox_{t R}(W) scales s_i by (eta + m_i) / (eta + m_i + 2 t c), with the m that is best for s and eta + 2 t c
    (McDonald, Pontil, Stamos, New Perspectives on k-Support and Cluster Norms, JMLR 17, 2016). `strength` is c >= 0,
    `eta` > 0 and `total` are those of `water_filling`.
    """

    def __init__(self, coupled: Coupled, strength: float, eta: float, total: float) -> None:
        super().__init__(coupled)
        self.strength, self.eta, self.total = strength, eta, total

    def value(self, W: Tensor) -> Tensor:
        """c sum_i s_i^2 / (eta + m_i), with m by water filling."""
        s = singular_values(W)
        value: Tensor = self.strength * (s.square() / (self.eta + water_filling(s, self.eta, self.total))).sum()
        return value

    def prox(self, W: Tensor, step: float) -> Tensor:
        more = 2 * step * self.strength
        if math.isinf(more):
            return torch.zeros_like(W)

        def factor(s: Tensor) -> Tensor:
            if not s.any():
                return torch.zeros_like(s)
            # The prox adds 2 t c to every denominator: the same problem with a larger eta.
            level = self.eta + water_filling(s, self.eta + more, self.total)
            return level / (level + more)

        return scale_singular(W, factor)
