"""Tasks from kinds of targets: a head, a loss over what is labelled, and a metric.

| kind | target | prediction | loss | error |
| :-- | :-- | :-- | :-- | :-- |
| real | (n, 1), NaN where missing | (n, 1) | squared | rmse, in the target's own unit |
| class | int64 (n,), -1 where missing | logits (n, C) | cross entropy | share of wrong rows |
| binary | 0 or 1 (n, 1), NaN where missing | logit (n, 1) | logistic | 1 - AUC |
| ordinal | int64 (n,), -1 where missing | logits of "above k" (n, K - 1) | logistic, cumulative | distance in levels |
| count | (n, 1), NaN where missing | log rate (n, 1) | Poisson | mean deviance |

Real targets and counts are learnt in units of the training part (`Dataset.units`): deviations from the mean over the
standard deviation, and multiples of the mean. A batch without a label of a task has the loss 0, and no gradient.

The error of a binary target is 1 minus the area under the ROC curve, and not the share of wrong rows: it needs no
threshold, and it tells models apart where one class is rare and all of them predict the other.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from bench.api import (
    Classification,
    Explained,
    MaskedLoss,
    OrdinalLevels,
    PoissonCounts,
    Ranking,
    Shape,
    Task,
    TaskMetric,
    average_labelled,
    bce_loss,
    cross_entropy_loss,
    mse_loss,
)
from suites._own.description import MAP_KINDS, OwnTask
from suites._own.map_kinds import make_map_task

CURVED = 10.0  # log rate up to which a Poisson rate is e^z; beyond, its tangent, so that no batch overflows


def _sum_thresholds(logits: Tensor, levels: Tensor) -> Tensor:
    """sum_k log-loss of "above level k" by logit k: (n,) from logits (n, K - 1) and levels (n,).

    Cao, Mirjalili, Raschka 2020, equation 4, with equal weights.
    """
    above = (levels[:, None] > torch.arange(logits.shape[1], device=logits.device)).to(logits)
    losses: Tensor = nn.functional.binary_cross_entropy_with_logits(logits, above, reduction="none")
    return losses.sum(dim=1)


def _tangent_poisson(z: Tensor, y: Tensor) -> Tensor:
    """rate(z) - y z of log rates and counts (n, ...); rate is e^z, and its tangent beyond `CURVED`."""
    rate = z.clamp(max=CURVED).exp() * (1 + (z - CURVED).clamp(min=0))
    return rate - y * z


def _mean_of(elements: Callable[[Tensor, Tensor], Tensor]) -> MaskedLoss:
    """The mean of `elements` over labelled rows."""
    return MaskedLoss(lambda z, y: elements(z, y).mean(), average_labelled(elements))


ordinal_loss = _mean_of(_sum_thresholds)
count_loss = _mean_of(_tangent_poisson)


class CumulativeHead(nn.Module):
    """z_k = w.x + b_k, one direction for all K - 1 thresholds, so that levels stay in their order.

    Cao, Mirjalili, Raschka, Rank consistent ordinal regression, Pattern Recognition Letters 140, 2020.
    """

    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        self.direction = nn.Linear(features, 1, bias=False)
        # Evenly spread and falling: levels are equally likely before anything is learnt.
        share = torch.arange(1, levels, dtype=torch.float32) / levels
        self.thresholds = nn.Parameter(torch.logit(1 - share))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.direction(x) + self.thresholds
        return logits


def _make_head(layer: Callable[[int, int], nn.Module], outputs: int, shape: Shape) -> nn.Module:
    """`layer(d, outputs)` on features (d,); feature maps (d, h, w) are averaged first."""
    head = layer(shape[0], outputs)
    return head if len(shape) == 1 else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


def _make_scalar(loss: Callable[[Tensor, Tensor], Tensor], metric: Callable[[], TaskMetric], task: OwnTask) -> Task:
    """A task with one number for each row."""
    return Task(task.name, partial(_make_head, nn.Linear, 1), loss, metric, task.pool)


def _make_class(task: OwnTask) -> Task:
    classes = len(task.levels)
    head = partial(_make_head, nn.Linear, classes)
    return Task(task.name, head, cross_entropy_loss, partial(Classification, classes), task.pool)


def _make_ordinal(task: OwnTask) -> Task:
    levels = len(task.levels)
    head = partial(_make_head, CumulativeHead, levels)
    return Task(task.name, head, ordinal_loss, partial(OrdinalLevels, levels), task.pool)


MAKERS: dict[str, Callable[[OwnTask], Task]] = {
    "real": partial(_make_scalar, mse_loss, Explained),
    "binary": partial(_make_scalar, bce_loss, Ranking),
    "count": partial(_make_scalar, count_loss, PoissonCounts),
    "class": _make_class,
    "ordinal": _make_ordinal,
    **dict.fromkeys(MAP_KINDS, make_map_task),
}


def make_task(task: OwnTask) -> Task:
    """The task of a description: head, loss and metric by its kind. KeyError for a kind without a maker."""
    return MAKERS[task.kind](task)
