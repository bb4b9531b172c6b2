"""What a run declares of its cost, held against what was seen outside of the process that declared it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bench.core.data import Dataset
from bench.core.state import TrainState
from bench.judge.host import PlayerFailed, Usage
from bench.records import RunSpec
from bench.training.model import MultiTaskModel

SLACK_SECONDS = 5.0  # of processors: what training does beside its updates, at least
START_SECONDS = 3.0  # of processors: what predicting does beside predictions, at least
SHARE_OF_TRAINING = 0.2  # of the processor's time that a run spends in its updates, at least
MORE_NUMBERS = 16, 1000  # numbers that training may change: so many times those declared, and so many more
MORE_WORK = 50.0  # times the processor's time that the declared operations take in a built-in model
STEP = 20.0  # between the median update and the mean one
PREDICTING = ("sharing.", "heads.")  # the parts of a model that its forward pass runs through
ROWS = 200  # that the rate of a model is measured on
TrainedWeights = Mapping[str, Any]


def check_times(cost: Mapping[str, Any], used: Usage, wall: float, spec: RunSpec) -> None:
    """Raise PlayerFailed where declared times cannot be: below the processor's, or beyond `wall` seconds."""
    seconds, steps = cost["train_seconds"], spec.protocol.updates * spec.protocol.members
    if not SHARE_OF_TRAINING * (used.seconds - SLACK_SECONDS) <= seconds <= wall:
        raise PlayerFailed(
            f"It declares {seconds:.3g} s of training, where its process took {used.seconds:.3g} s of the processor "
            f"in {wall:.3g} s."
        )
    if spec.protocol.fit != "solver" and not seconds / STEP <= cost["step_ms"] * steps / 1000 <= STEP * wall:
        raise PlayerFailed(f"It declares {cost['step_ms']:.3g} ms an update, where training took {seconds:.3g} s.")


def check_numbers(cost: Mapping[str, Any], before: Sequence[TrainedWeights], after: Sequence[TrainedWeights]) -> int:
    """How many numbers predictions rest on that training changed, of models as they were and as they became.

    What stayed as it was follows from the seed alone; what changed has passed through here. Raises PlayerFailed where
    these are far more than the declared parameters (methods that prune train more than they keep), or parameters are
    declared that there are not.
    """
    factor, more = MORE_NUMBERS
    changed = sum(_count_changed(*pair) for pair in zip(before, after, strict=True))
    there = sum(count_numbers(value) for weights in after for value in weights.values())
    if changed > factor * cost["parameters"] + more:
        raise PlayerFailed(
            f"It declares {cost['parameters']:,} parameters, where its predictions rest on {changed:,} numbers that "
            "training changed."
        )
    if cost["parameters"] > there:
        raise PlayerFailed(f"It declares {cost['parameters']:,} parameters, where its model has {there:,} numbers.")
    return changed


def check_operations(cost: Mapping[str, Any], used: Usage, rows: int, seconds_per_operation: float) -> None:
    """Raise PlayerFailed where predicting `rows` rows took far longer than the declared operations explain."""
    expected = seconds_per_operation * cost["forward_flops"] * rows
    if used.seconds > MORE_WORK * expected + START_SECONDS:
        raise PlayerFailed(
            f"It declares {cost['forward_flops']:,} operations a row, which take {expected:.2g} s for {rows:,} rows; "
            f"its predictions took {used.seconds:.3g} s of the processor."
        )


@torch.no_grad()
def measure_rate(model: MultiTaskModel, rows: Dataset) -> float:
    """Seconds of the processor for one operation of a model, on rows as they are predicted."""
    inputs, _ = next(rows.slices(ROWS))
    one = {task: x[:1] for task, x in inputs.items()}
    with FlopCounterMode(display=False) as counter:
        model(one, TrainState())
    began = time.process_time()
    model(inputs, TrainState())
    operations = int(counter.get_total_flops()) * max(len(x) for x in inputs.values())
    return (time.process_time() - began) / max(1, operations)


def count_numbers(value: Any) -> int:
    """The numbers in a tree of tensors, texts and numbers; integers count as well: they can carry anything."""
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(count_numbers(key) + count_numbers(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(count_numbers, value))
    return len(value) if isinstance(value, str) else 1


def _count_changed(before: TrainedWeights, after: TrainedWeights) -> int:
    """Of the numbers behind predictions those that differ from what they were; all of those that are new."""
    total = 0
    for name, value in after.items():
        if name.startswith(PREDICTING):
            known = before.get(name)
            both = isinstance(value, Tensor) and isinstance(known, Tensor) and value.shape == known.shape
            total += int((value != known).sum()) if both else 0 if _equal(value, known) else count_numbers(value)
    return total


def _equal(value: Any, known: Any) -> bool:
    """Whether two trees are the same; tensors inside of lists do not compare, and count as changed."""
    try:
        return type(value) is type(known) and bool(value == known)
    except (RuntimeError, ValueError):
        return False
