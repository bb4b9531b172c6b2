"""Compares the cost that a run declares with what was measured outside of the process that declared it.

A method could claim to be small and fast. Measurements from outside are coarse (start-up, evaluation and checkpoints
are in them), so the bounds here are wide: they catch a declaration that is wrong by a large factor, and pass honest
ones on slow machines.
"""

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

SLACK_SECONDS = 5.0  # processor seconds that training may spend beside its updates before the ratio below counts
START_SECONDS = 3.0  # processor seconds that a request to predict may take before the first prediction
SHARE_OF_TRAINING = 0.2  # part of its processor time that a run spends in updates, at least
MAX_NUMBERS_RATIO = 16  # numbers that training may change, as a multiple of the declared parameters: pruning keeps few
SPARE_NUMBERS = 1000  # and this many more, so that the ratio does not bind small models
MAX_WORK_RATIO = 50.0  # processor time of predictions over that of as many operations in a built-in model, at most
MAX_STEP_RATIO = 20.0  # between the median update, which is declared, and the mean one, in either direction
PREDICTING = ("sharing.", "heads.")  # the parts of a model that its forward pass runs through
RATE_ROWS = 200  # rows that the rate of a model is measured on
TrainedWeights = Mapping[str, Any]


def check_times(cost: Mapping[str, Any], used: Usage, wall: float, spec: RunSpec) -> None:
    """Raise PlayerFailed where declared times cannot be true.

    Training should take SHARE_OF_TRAINING of the processor's seconds at least (SLACK_SECONDS aside), and `wall` at
    most; the median update times the number of updates should be within MAX_STEP_RATIO of it.

    Args:
        cost: The declared `train_seconds` and `step_ms`.
        used: What the training request used, measured outside.
        wall: Seconds on the clock, infinite where the run continued from a checkpoint.
        spec: The cell; runs of a solver have no updates to compare with.
    """
    seconds, steps = cost["train_seconds"], spec.protocol.updates * spec.protocol.members
    if not SHARE_OF_TRAINING * (used.seconds - SLACK_SECONDS) <= seconds <= wall:
        raise PlayerFailed(
            f"It declares {seconds:.3g} s of training, where its process took {used.seconds:.3g} s of the processor "
            f"in {wall:.3g} s."
        )
    if (
        spec.protocol.fit != "solver"
        and not seconds / MAX_STEP_RATIO <= cost["step_ms"] * steps / 1000 <= MAX_STEP_RATIO * wall
    ):
        raise PlayerFailed(f"It declares {cost['step_ms']:.3g} ms an update, where training took {seconds:.3g} s.")


def check_numbers(cost: Mapping[str, Any], before: Sequence[TrainedWeights], after: Sequence[TrainedWeights]) -> int:
    """How many numbers behind the predictions training changed, from the models' states before and after it.

    What stayed as it was follows from the seed alone; what changed has passed through here. `before` and `after` have
    one state per member of an ensemble.

    Raises PlayerFailed where far more numbers changed than parameters are declared (methods that prune train more than
    they keep), or more parameters are declared than the models have numbers.
    """
    changed = sum(_count_changed(*pair) for pair in zip(before, after, strict=True))
    present = sum(count_numbers(value) for weights in after for value in weights.values())
    if changed > MAX_NUMBERS_RATIO * cost["parameters"] + SPARE_NUMBERS:
        raise PlayerFailed(
            f"It declares {cost['parameters']:,} parameters, where its predictions rest on {changed:,} numbers that "
            "training changed."
        )
    if cost["parameters"] > present:
        raise PlayerFailed(f"It declares {cost['parameters']:,} parameters, where its model has {present:,} numbers.")
    return changed


def check_operations(cost: Mapping[str, Any], used: Usage, rows: int, seconds_per_operation: float) -> None:
    """Raise PlayerFailed where predicting took far longer than the declared operations explain.

    Args:
        cost: The declared `forward_flops`, operations of one row.
        used: What the request used, measured outside.
        rows: How many rows were predicted.
        seconds_per_operation: Of the built-in model on this machine, from `measure_rate`.
    """
    expected = seconds_per_operation * cost["forward_flops"] * rows
    if used.seconds > MAX_WORK_RATIO * expected + START_SECONDS:
        raise PlayerFailed(
            f"It declares {cost['forward_flops']:,} operations a row, which take {expected:.2g} s for {rows:,} rows; "
            f"its predictions took {used.seconds:.3g} s of the processor."
        )


@torch.no_grad()
def measure_rate(model: MultiTaskModel, rows: Dataset) -> float:
    """Processor seconds of one operation of `model`, predicting at most RATE_ROWS rows of `rows`.

    Operations are counted by torch's FlopCounterMode on a single row and multiplied by the rows, since counting itself
    takes time.
    """
    inputs, _ = next(rows.slices(RATE_ROWS))
    one = {task: x[:1] for task, x in inputs.items()}
    with FlopCounterMode(display=False) as counter:
        model(one, TrainState())
    began = time.process_time()
    model(inputs, TrainState())
    operations = int(counter.get_total_flops()) * max(len(x) for x in inputs.values())
    return (time.process_time() - began) / max(1, operations)


def count_numbers(value: Any) -> int:
    """How many numbers a tree of tensors, texts and numbers holds; a text counts its characters.

    Integers count as floats do: they can carry anything.
    """
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, Mapping):
        return sum(count_numbers(key) + count_numbers(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(count_numbers, value))
    return len(value) if isinstance(value, str) else 1


def _count_changed(before: TrainedWeights, after: TrainedWeights) -> int:
    """How many numbers behind predictions differ from what they were.

    Of entries that are new or have another shape all numbers count. Entries that a forward pass does not read, such as
    the weighting's, are left out (PREDICTING).
    """
    total = 0
    for name, value in after.items():
        if name.startswith(PREDICTING):
            known = before.get(name)
            both = isinstance(value, Tensor) and isinstance(known, Tensor) and value.shape == known.shape
            total += int((value != known).sum()) if both else 0 if _are_equal(value, known) else count_numbers(value)
    return total


def _are_equal(value: Any, known: Any) -> bool:
    """Whether two trees are equal.

    Tensors inside of lists cannot be compared this way, and count as changed: an error to the method's disadvantage.
    """
    try:
        return type(value) is type(known) and bool(value == known)
    except (RuntimeError, ValueError):
        return False
