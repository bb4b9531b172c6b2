"""What a trained model has become, as the fields of its record; nothing here reads the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset, Order
from bench.core.state import TrainState
from bench.records import Cost, Packed, RunSpec
from bench.training.checkpoint import Checkpoint
from bench.training.effective_sharing import effective_sharing
from bench.training.environment import hardware, peak_memory_mb
from bench.training.evaluate import Predictor, predicting
from bench.training.examine import Epochs, TrainedCell
from bench.training.gradients import task_cosines
from bench.training.model import MultiTaskModel
from bench.training.watch import TrainingMonitor

COSINE_BATCHES = 8  # training batches over which gradients are compared
COSINE_TASKS = 10  # tasks at most: each takes a backward pass of its own


@dataclass(frozen=True)
class Start:
    """What is known of a model before its first update.

    `copies` are the values of every coupled parameter, (copies, ...) each; `flops` those of one forward pass of one
    row.
    """

    rows: Dataset
    copies: dict[str, Tensor]
    flops: int


@dataclass(frozen=True)
class Member:
    """One trained model of an ensemble (most have one), and what its monitor kept of it."""

    model: MultiTaskModel
    watch: TrainingMonitor

    def at(self, epoch: int) -> Predictor:
        """The model with the weights of an epoch that a selection rule chose."""
        kept = self.watch.selector.snapshot(epoch)
        self.model.load_state_dict(kept.weights)
        return self.model, kept.state


def at_epochs(members: Sequence[Member], epochs: Epochs) -> list[Predictor]:
    """Each member with the weights of its epoch."""
    return [member.at(epoch) for member, epoch in zip(members, epochs, strict=True)]


@dataclass(frozen=True)
class Ensemble(TrainedCell):
    """A trained cell whose models are in this process."""

    members: Sequence[Member] = ()


def count_flops(model: MultiTaskModel, state: TrainState, rows: Dataset, device: torch.device) -> int:
    """Floating-point operations of one forward pass of one row, as torch counts them."""
    inputs, _ = rows.take([torch.zeros(1, dtype=torch.long, device=device)] * len(rows.groups))
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs, state)
    model.train()
    return int(counter.get_total_flops())


def describe_learned_sharing(model: MultiTaskModel, state: TrainState, start: Start, spec: RunSpec) -> dict[str, Any]:
    """The record's fields about what was learned to be shared: matrices, effective sharing, cosines of gradients.

    It draws random numbers where the model has dropout, and so comes before another model is trained.
    """
    cosines = _compare_gradients(model, state, start.rows, spec)
    return {
        "matrices": {name: Packed.pack(m.float().cpu().numpy()) for name, m in model.matrices()},
        "effective_sharing": effective_sharing(start.copies, model.copies()),
        "cosines": cosines,
    }


def _compare_gradients(model: MultiTaskModel, state: TrainState, rows: Dataset, spec: RunSpec) -> Packed | None:
    """Cosines (T, T) between the gradients of tasks after training; None where there are too few or too many tasks."""
    if not 1 < len(model.tasks) <= COSINE_TASKS:
        return None
    order = Order(rows, spec.protocol.batch_size, spec.seed)
    batches = (rows.take(order.batch(step)) for step in range(COSINE_BATCHES))
    cosines = task_cosines(model, batches, state)
    return None if cosines is None else Packed.pack(cosines.float().cpu().numpy())


def describe_ensemble(
    members: Sequence[Member],
    spec: RunSpec,
    start: Start,
    learned: Mapping[str, Any],
    checksums: Mapping[str, str],
    checkpoint: Checkpoint | None = None,
    stacked: int = 1,
) -> Ensemble:
    """Select epochs, and put down what was trained and at which cost.

    Args:
        members: the models of the cell; the first one's curves and epochs are the record's.
        learned: what `describe_learned_sharing` said of the first member.
        checksums: of the data.
        checkpoint: that the run was resumed from; the memory of its earlier processes counts.
        stacked: seeds that were trained at once; each is put down for its part of the time.
    """
    first = members[0].watch
    tasks, device = members[0].model.reported, torch.device(spec.protocol.device)
    selection = first.selector.chosen()
    validated = _read_validation(first, selection) if spec.is_trial else {}
    cost = Cost(
        parameters=len(members) * sum(p.numel() for p in members[0].model.parameters() if p.requires_grad),
        forward_flops=len(members) * start.flops,
        step_ms=round(sum(member.watch.step_ms for member in members) / stacked, 4),
        train_seconds=round(sum(member.watch.seconds for member in members) / stacked, 3),
        peak_memory_mb=round(max(peak_memory_mb(device), checkpoint.peak_mb if checkpoint else 0.0), 1),
        hardware=hardware(device, spec.protocol.devices, stacked),
    )
    fields = {
        "tasks": tasks,
        **validated,
        "selection": selection,
        "cost": cost,
        "data": checksums,
        "curves": first.curves(),
        **learned,
    }
    chosen = [member.watch.selector.chosen() for member in members]
    epochs = {rule: {task: tuple(each[rule][task] for each in chosen) for task in tasks} for rule in selection}
    return Ensemble(fields, epochs, lambda each: predicting(at_epochs(members, each)), members=members)


def _read_validation(watch: TrainingMonitor, selection: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """What a trial is judged by: the error of each task at the epoch that the rule `val` keeps."""
    errors = {task: watch.errors[epoch - 1][task] for task, epoch in selection["val"].items()}
    return {"validation": {task: round(error, 9) for task, error in errors.items()}}
