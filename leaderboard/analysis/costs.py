"""What training took: updates, floating point operations or trained parameters, as far as a record can say."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from bench.records import ResultRecord

Currency = Literal["updates", "flops", "parameters"]
PASSES = 3  # a backward takes about two forwards: one for the gradient of the inputs, one for that of the weights
ALIKE = 0.1  # costs this close, in relation to the other one, are equal


def is_alike(ratio: float) -> bool:
    """Whether costs in this ratio count as equal: within 10 % of the one below the line."""
    return abs(ratio - 1) <= ALIKE


def cost_of_run(record: ResultRecord, currency: Currency) -> float | None:
    """What a run took: updates, FLOPs of training or trained parameters; None where the record cannot say.

        updates = epochs * steps_per_epoch

        FLOPs = 3 * forward_flops * batch_size * epochs * steps_per_epoch

    `forward_flops` are of one row per input, by torch's counter, all members of an ensemble included. A backward is
    counted as two forwards, whatever the weighting; one that goes back for each task takes more. What is fitted to all
    rows at once has neither updates nor such a count.
    """
    cost, protocol = record.cost, record.spec.protocol
    updates = protocol.epochs * protocol.steps_per_epoch
    trained = protocol.fit == "descent" and record.solution is None
    if currency == "updates":
        return float(updates) if trained else None
    if cost is None:
        return None
    if currency == "parameters":
        return float(cost.parameters)
    if not trained:
        return None
    return float(PASSES * cost.forward_flops * protocol.batch_size * updates)


def collect_costs(records: Mapping[tuple[str, int], ResultRecord], currency: Currency) -> dict[str, float]:
    """Row -> its mean cost over seeds, of `records` by row and seed; rows without any are left out."""
    costs: dict[str, list[float]] = {}
    for (method, _), record in records.items():
        cost = cost_of_run(record, currency)
        if cost is not None and cost > 0:
            costs.setdefault(method, []).append(cost)
    return {method: float(np.mean(values)) for method, values in costs.items()}
