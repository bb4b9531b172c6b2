"""How a step for one task changes the loss of another, while a trunk is trained: a cheap guess at who helps whom."""

from itertools import chain, islice, repeat
from pathlib import Path

import torch

from bench.core.data import Batch
from bench.loop.gradients import TaskGradients
from bench.records import RunSpec
from bench.training.fit import Run
from bench.training.gradients import average_pairs, compute_losses, find_present
from bench.training.load import load_run

EVERY = 10  # updates between two measurements, as often as the paper's
MOST_UPDATES = 300  # of training, so that a guess stays cheap


def measure_affinity(spec: RunSpec, data_dir: Path | None = None, updates: int = MOST_UPDATES) -> torch.Tensor | None:
    """The mean affinity of tasks, (T, T): row the task that is looked at, column the one whose step is taken.

        Z[j, i] = 1 - L_j(theta_s - lr g_i, theta_j) / L_j(theta_s, theta_j)

    for the shared parameters theta_s, the gradient g_i of the loss of task i by them, and the same batch on both sides
    (Fifty et al. 2021, Efficiently Identifying Task Groupings for Multi-Task Learning, eq. 1). Positive where a step
    for i lowers the loss of j. Measured every ten updates of plain training, all losses summed, on the batches with
    labels of both tasks.

    Args:
        spec: of a run whose tasks share parameters, such as `hard`; trained by descent.
        data_dir: where its data lies.
        updates: to train for, the run's own number at most.

    Returns:
        None where tasks share no parameters.
    """
    suite, method, _ = load_run(spec, data_dir)
    run = Run(spec, suite, method)
    model, state = run.model, run.module.state
    batches = run.batches(run.data("train"))
    optimiser = run.module.configure_optimizers()
    measured: list[torch.Tensor] = []
    present: list[list[int] | None] = []
    total = min(updates, spec.protocol.updates)
    for step, batch in enumerate(islice(chain.from_iterable(repeat(batches)), total)):  # epoch after epoch
        losses = compute_losses(model, batch, state)
        gradients = TaskGradients(losses, model.learning)
        if not any(gradients.shared):
            return None
        if step % EVERY == 0:
            measured.append(_look_ahead(run, gradients, losses, batch))
            present.append(find_present(model, batch))
        sums = gradients.combine(torch.ones_like(run.module.loss_sum), "losses")
        for parameter, gradient in zip(gradients.parameters, sums, strict=True):
            parameter.grad = gradient
        optimiser.step()
    return average_pairs(measured, present)


@torch.no_grad()
def _look_ahead(run: Run, gradients: TaskGradients, losses: list[torch.Tensor], batch: Batch) -> torch.Tensor:
    """Z (T, T) of one batch; the parameters are put back afterwards."""
    shared = [at for at, is_shared in enumerate(gradients.shared) if is_shared]
    before = [gradients.parameters[at].clone() for at in shared]
    now = torch.stack(losses)
    columns = []
    for row in gradients.rows:
        for at, value in zip(shared, before, strict=True):
            step = row[at]
            gradients.parameters[at].copy_(value if step is None else value - run.protocol.lr * step)
        after = torch.stack(compute_losses(run.model, batch, run.module.state))
        columns.append(torch.where(now > 0, 1 - after / now, torch.zeros_like(now)))
    for at, value in zip(shared, before, strict=True):
        gradients.parameters[at].copy_(value)
    return torch.stack(columns, dim=1)
