"""The fields of a record that training decides: what was learned, what it cost, which epochs are selected.

The last step of a run before `examine`; nothing here reads the test split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.loop.effective_sharing import effective_sharing
from bench.records import Cost, Packed, RunSpec
from bench.training.batches import make_order
from bench.training.checkpoint import Checkpoint
from bench.training.environment import hardware, peak_memory_mb
from bench.training.evaluate import Predictor, evaluation_mode
from bench.training.gradients import task_cosines
from bench.training.model import MultiTaskModel
from bench.training.rows import tally_labels
from bench.training.trained_cell import Epochs, TrainedCell
from bench.training.watch import TrainingMonitor

COSINE_BATCHES = 8  # training batches over which gradients are compared
COSINE_TASKS = 10  # tasks at most: each takes a backward pass of its own


@dataclass(frozen=True)
class Start:
    """What is read and measured before the first update.

    Args:
        rows: the training rows.
        copies: name -> values of the T copies of every coupled parameter, (T, *shape).
        flops: floating-point operations of a forward pass of one row of every input.
    """

    rows: Dataset
    copies: dict[str, Tensor]
    flops: int


@dataclass(frozen=True)
class Member:
    """A trained model of an ensemble (most have one member), with its monitor: curves, and weights of epochs."""

    model: MultiTaskModel
    watch: TrainingMonitor

    def load_epoch(self, epoch: int) -> Predictor:
        """Load the weights of an epoch that a selection rule chose into the model, and return it with their state."""
        kept = self.watch.selector.snapshot(epoch)
        self.model.load_state_dict(kept.weights)
        return self.model, kept.state


def load_epochs(members: Sequence[Member], epochs: Epochs) -> list[Predictor]:
    """Load into each member the weights of its epoch, for predictions."""
    return [member.load_epoch(epoch) for member, epoch in zip(members, epochs, strict=True)]


@dataclass(frozen=True)
class Ensemble(TrainedCell):
    """A trained cell whose models are in this process."""

    members: Sequence[Member] = ()


def count_flops(model: MultiTaskModel, state: TrainState, rows: Dataset, device: torch.device) -> int:
    """Floating-point operations of a forward pass of one row of every input, as torch counts them.

    In evaluation mode: running statistics and random numbers stay as they are.
    """
    inputs, _ = rows.take([torch.zeros(1, dtype=torch.long, device=device)] * len(rows.groups))
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs, state)
    model.train()
    return int(counter.get_total_flops())


def describe_learned_sharing(model: MultiTaskModel, state: TrainState, start: Start, spec: RunSpec) -> dict[str, Any]:
    """The record's fields about shared knowledge: learned matrices, effective sharing, cosines of task gradients.

    Call it right after training, on the weights of the last epoch, before another member of the ensemble is trained:
    a method may draw random numbers in the forward passes of the cosines.
    """
    cosines = _compare_gradients(model, state, start.rows, spec)
    return {
        "matrices": {name: Packed.pack(m.float().cpu().numpy()) for name, m in model.matrices()},
        "effective_sharing": effective_sharing(start.copies, model.copies()),
        "cosines": cosines,
    }


def _compare_gradients(model: MultiTaskModel, state: TrainState, rows: Dataset, spec: RunSpec) -> Packed | None:
    """Cosines (T, T) between the gradients of tasks after training; None for one task or more than COSINE_TASKS."""
    if not 1 < len(model.tasks) <= COSINE_TASKS:
        return None
    # The first batches of the seed's order: the same for every method.
    order = make_order(rows, spec.protocol, spec.seed)
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
    """Select epochs, and collect the fields of the record with the cost of training.

    Args:
        members: the models of the cell; the first one's curves and epochs are the record's.
        spec: the specification of the run.
        start: what was measured before the first update.
        learned: fields of `describe_learned_sharing` for the first member.
        checksums: of the data, part by part.
        checkpoint: that the run was resumed from; the peak memory of its earlier processes counts.
        stacked: how many seeds were trained at once; the times of the record are divided by it.

    Returns:
        The trained cell, ready for `examine`.
    """
    first = members[0].watch
    tasks, device = members[0].model.reported, torch.device(spec.protocol.device)
    selection = first.selector.choose_epochs()
    # What a search or a curve chooses by: curves of epochs are kept for few tasks, and rounded.
    chosen_by = spec.is_trial or (bool(spec.overrides) and "val" in selection)
    validated = _read_validation(first, selection) if chosen_by else {}
    cost = Cost(
        parameters=len(members) * members[0].model.count_parameters(),
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
        "labels": tally_labels("train", start.rows, members[0].model.tasks)
        | (tally_labels("val", first.val, members[0].model.tasks) if first.val else {}),
        **learned,
    }
    chosen = [member.watch.selector.choose_epochs() for member in members]
    epochs = {rule: {task: tuple(each[rule][task] for each in chosen) for task in tasks} for rule in selection}
    return Ensemble(
        fields,
        epochs,
        lambda each: evaluation_mode(load_epochs(members, each)),
        snapshots=lambda each: [m.watch.selector.snapshot(epoch) for m, epoch in zip(members, each, strict=True)],
        members=members,
    )


def _read_validation(watch: TrainingMonitor, selection: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """`validation` of a record, which tuning and curves compare: each task's error at the epoch selected by `val`."""
    errors = {task: watch.errors[epoch - 1][task] for task, epoch in selection["val"].items()}
    # An error below the ninth digit is no perfect one, whose logarithm would not exist.
    return {"validation": {task: round(error, 9) or error for task, error in errors.items()}}
