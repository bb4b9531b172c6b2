"""Full-batch runs of self-fitting sharings, as Gaussian processes by their marginal likelihood."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset
from bench.core.self_fitting import SelfFitting
from bench.core.state import TrainState
from bench.records import Solution, derive_seed
from bench.training.full_batch.run import Answer, FullBatchRun, rounded
from bench.training.recovered import select_storable
from bench.training.watch import OnEpoch


class Inferred(FullBatchRun):
    """One cell: the sharing is given the training rows, and finds everything that is open by them."""

    def answer(self, train: Dataset, on_epoch: OnEpoch | None = None) -> Answer:
        sharing = self.model.sharing
        assert isinstance(sharing, SelfFitting)
        generator, began = torch.Generator().manual_seed(derive_seed(self.spec.seed, "fit")), time.perf_counter()
        inputs, targets = train.take([torch.arange(len(x)) for x, _ in train.groups])  # copies: it may write there
        found = sharing.fit(
            inputs, {task: y.flatten() for task, y in targets.items()}, self.protocol.updates, generator, on_epoch
        )
        seconds, weights = time.perf_counter() - began, sharing.weights()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            sharing({task: x[:1] for task, x in train.inputs.items()}, TrainState())
        return Answer(
            Solution(
                strength=None,
                objective=rounded(found.objective),
                certificate="gradient",
                value=float(f"{found.residual:.3g}"),
                met=found.residual <= sharing.tolerance,
                iterations=found.iterations,
            ),
            weights,
            select_storable(sharing.matrices()),
            parameters=found.parameters,
            forward_flops=counter.get_total_flops(),
            step_ms=1000 * seconds / max(1, found.iterations),
            packages=sharing.packages,
        )
