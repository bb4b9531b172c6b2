"""Effective sharing: the share of what T towers learned that they learned in common.

A number for every record of a method with coupled parameters; 1 is hard sharing, whatever the method is called.
"""

from collections.abc import Mapping

from torch import Tensor


def effective_sharing(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> dict[str, float]:
    """name -> s = 1 - |U - mean_t U|^2 / |U|^2 of the updates U = end - start of T copies, (T, *shape) each.

    1 where all copies moved alike, about 1/T where their updates are unrelated. Norms and biases
    (parameters of one axis) are left out; so is a parameter that did not move. Rounded to four digits.
    """
    shares = {}
    for name, first in start.items():
        updates = end[name] - first
        total = updates.square().sum()
        if first.dim() > 2 and total > 0:  # the axis of tasks, and two of the parameter's own
            shares[name] = round(float(1 - (updates - updates.mean(dim=0)).square().sum() / total), 4)
    return shares
