"""How alike the features are that tasks learn apart: a cheap guess at who helps whom."""

from itertools import chain, islice, repeat
from pathlib import Path

import torch
from torch import Tensor

from bench.core.data import group_by_input
from bench.records import RunSpec
from bench.training.affinity import MOST_UPDATES
from bench.training.fit import Run
from bench.training.load import load_run
from bench.training.probes import align_features

MOST_ROWS = 1000  # of training, on which features are compared


def measure_similarity(spec: RunSpec, data_dir: Path | None = None, updates: int = MOST_UPDATES) -> Tensor:
    """The linear CKA of the features of every two tasks, (T, T), after a short training; see `align_features`.

    The features of all towers are computed on the same rows: training rows of each distinct input in turn, averaged.

    Args:
        spec: of a run whose tasks share nothing, such as `single_task`; trained by descent.
        data_dir: where its data lies.
        updates: to train for, the run's own number at most.
    """
    suite, method, _ = load_run(spec, data_dir)
    run = Run(spec, suite, method)
    rows = run.data("train")
    batches = run.batches(rows)
    optimiser = run.module.configure_optimizers()
    for batch in islice(chain.from_iterable(repeat(batches)), min(updates, spec.protocol.updates)):
        run.module.training_step(batch, 0)
        run.module.backward(run.module.taken.total)
        optimiser.step()
        optimiser.zero_grad()
    run.model.eval()
    found = []
    with torch.no_grad():
        for inputs, _ in rows.slices(MOST_ROWS):
            for tensor, _ in group_by_input(inputs):
                features = run.model.sharing(dict.fromkeys(run.model.names, tensor), run.module.state)
                found.append(align_features({task: each.flatten(1) for task, each in features.items()}))
            if len(found) >= len(rows.groups):
                break
    return torch.stack(found).mean(dim=0)
