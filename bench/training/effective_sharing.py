"""How much of what the towers learned they learned in common."""

from collections.abc import Mapping

from torch import Tensor


def effective_sharing(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> dict[str, float]:
    """name -> s = 1 - |U - mean_t U|^2 / |U|^2 of the updates U = end - start of T copies, stacked first.

    1 where all copies moved alike, about 1/T where their updates are unrelated. Norms and biases
    (parameters of one axis) are left out; so is a parameter that did not move.
    """
    found = {}
    for name, first in start.items():
        updates = end[name] - first
        total = updates.square().sum()
        if first.dim() > 2 and total > 0:
            found[name] = round(float(1 - (updates - updates.mean(dim=0)).square().sum() / total), 4)
    return found
