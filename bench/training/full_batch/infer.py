"""Full-batch runs of self-fitting sharings, such as Gaussian processes fitted by their marginal likelihood."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset
from bench.core.self_fitting import SelfFitting
from bench.core.state import TrainState
from bench.records import Solution, derive_seed
from bench.training.full_batch.run import Answer, FullBatchRun, round_digits
from bench.training.recovered import select_storable
from bench.training.watch import OnEpoch


class Inferred(FullBatchRun):
    """A full-batch run that hands the training rows to the sharing, which fits itself.

    `met` in the solution says whether the residual of the fit is at most the sharing's `tolerance`. Optimiser,
    constraint and weighting take no part. Predictions need the training rows, which no model file carries.
    """

    in_weights = False

    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        """Fit the sharing with at most the protocol's `updates` iterations, and count the cost of one prediction."""
        sharing = self.model.sharing
        assert isinstance(sharing, SelfFitting)
        generator, began = torch.Generator().manual_seed(derive_seed(self.spec.seed, "fit")), time.perf_counter()
        rows = self.read_rows(train)
        inputs, targets = (dict(zip(rows.names, each, strict=True)) for each in (rows.inputs, rows.targets))
        fitted = sharing.fit(inputs, targets, self.protocol.updates, generator, on_epoch)
        seconds, weights = time.perf_counter() - began, sharing.weights()
        # One row of each task, as for every other method.
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            sharing({task: x[:1] for task, x in train.inputs.items()}, TrainState())
        return Answer(
            Solution(
                strength=None,
                objective=round_digits(fitted.objective),
                certificate="gradient",
                value=float(f"{fitted.residual:.3g}"),
                met=fitted.residual <= sharing.tolerance,
                iterations=fitted.iterations,
            ),
            weights,
            select_storable(sharing.matrices()),
            parameters=fitted.parameters,
            forward_flops=counter.get_total_flops(),
            step_ms=1000 * seconds / max(1, fitted.iterations),
            packages=sharing.packages,
        )
