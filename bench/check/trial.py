"""The small problems that a sharing is tried on, and the measurements that its rules share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.registry import Entry
from bench.check.options import is_sentence, list_defaults
from bench.check.outcome import Skipped, attempt, expect
from bench.core.data import group_by_input
from bench.core.self_fitting import SelfFitting
from bench.core.sharing import Blueprint, Sharing
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.planning.plan import parse_suite

ROWS = 6  # of the first input; the next ones have one more each, so that a mixed-up number shows
UPDATES = 100  # of the made-up run that moments belong to
TRIAL_SUITES = (  # two, one and five tasks on linear stages, inputs of their own, convolutional stages
    "synthetic:tasks=2,train=16",
    "synthetic:tasks=1,train=16",
    "synthetic:tasks=5,train=16",
    "synthetic:inputs=own,tasks=2,train=16",
    "synthetic:inputs=own,tasks=5,train=16",
    "multidigits",
)
# Regressions and labels of 0 and 1, for sharings that are fitted by themselves.
FITTED_SUITES = ("linear_synthetic:tasks=6,train=8", "multilabel:tasks=3,train=16")


@dataclass(frozen=True)
class Setting:
    """A suite and a few of its rows; with inputs of their own, tasks have different numbers of them.

    text: the suite as written on the command line.
    inputs: task -> rows, in the order of the tasks.
    """

    text: str
    suite: Suite
    inputs: dict[str, Tensor]

    def rows(self, count: int | None = None, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
        """Copies of the first `count` rows (all by default); tasks that share an input hold the very same tensor."""
        groups = [(x[:count].to(dtype, copy=True), tasks) for x, tasks in group_by_input(self.inputs)]
        return {task: x for x, tasks in groups for task in tasks}


@cache
def make_setting(text: str) -> Setting:
    """The setting of a suite as written on the command line, read once in a process.

    Its rows are the first of the training split under seed 0.
    """
    _, suite = parse_suite(text)
    groups = suite.dataset("train", 0).groups
    # One tensor for tasks that share an input, and back in the order of the tasks, which groups do not keep.
    inputs = {task: x for g, (whole, tasks) in enumerate(groups) for x in [whole[: ROWS + g]] for task in tasks}
    return Setting(text, suite, {task.name: inputs[task.name] for task in suite.tasks})


class SharingCase:
    """A sharing on every setting that it does not refuse.

    settings, refusals: filled by `offer`, which the first rule calls.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.settings: list[Setting] = []
        self.refusals: dict[str, str] = {}

    def build(
        self,
        at: Setting,
        seed: int = 0,
        values: Mapping[str, Any] | None = None,
        suite: Suite | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Sharing:
        """An instance.

        Args:
            at: the setting that it is built on.
            seed: of its weights.
            values: its options by name; by default the defaults.
            suite: in place of the setting's own, with the same tasks.
            dtype: of its parameters and buffers.
        """
        blueprint = Blueprint(suite or at.suite, seed)
        sharing: Sharing = self.entry.build(blueprint, **(list_defaults(self.entry) if values is None else values))
        return sharing.to(dtype)

    def offer(self, at: Setting) -> None:
        """Build on a setting once; keep it, or the sentence of the refusal.

        Raises Broken where building fails otherwise, or `supports` answers with no sentence.
        """
        with attempt(f"Building on `{at.text}`"):
            try:
                reason = self.build(at).supports(at.suite)
            except ValueError as error:  # an option's default that does not fit this backbone
                if not is_sentence(str(error)):
                    raise
                reason = str(error)
        expect(
            reason is None or is_sentence(reason),
            "`supports` should answer None, or one sentence that ends in a full stop. "
            f"Found {reason!r} on `{at.text}`; say there what the suite would need.",
        )
        if reason is None:
            self.settings.append(at)
        else:
            self.refusals[at.text] = reason

    def build_each(self) -> Iterator[tuple[Setting, Sharing]]:
        """Every setting with a fresh instance of seed 0."""
        for at in self.settings:
            yield at, self.build(at)

    @property
    def fits_itself(self) -> bool:
        """Whether it is fitted to all rows at once, and not trained by updates."""
        return issubclass(self.entry.cls, SelfFitting)

    def list_shared(self) -> list[Setting]:
        """The settings with two tasks or more. Raises Skipped where all of them are refused."""
        several = [at for at in self.settings if len(at.suite.tasks) > 1]
        if not several:
            raise Skipped("every suite with two tasks or more is refused.")
        return several


def list_moments(sharing: Sharing, seed: int = 0) -> list[TrainState]:
    """The first moment of every phase, each with a generator of its own.

    seed: of the generators.
    """
    starts, begin = [], 0.0
    for phase in sharing.phases():
        generator = torch.Generator().manual_seed(seed)
        starts.append(TrainState(round(begin * UPDATES), UPDATES, phase.name, generator))
        begin += phase.share
    return starts


def evaluate_features(sharing: Sharing, inputs: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """task -> features (n, *output_shape) in evaluation mode, at the end of training.

    Sets the module to evaluation mode and leaves it there.
    """
    sharing.eval()
    # The last phase at its last update: annealed gates and temperatures are at their final values.
    state = list_moments(sharing, seed)[-1]
    state.step = UPDATES
    with torch.no_grad():
        return sharing(inputs, state)  # type: ignore[no-any-return]


def compute_stand_in(sharing: Sharing, inputs: Mapping[str, Tensor], state: TrainState) -> Tensor:
    """A 0-dimensional stand-in for the weighted losses of a training step, with the regulariser.

    sum over tasks of <R, features>, R random but fixed, so that no gradient cancels by symmetry. Sets the module
    to training mode.
    """
    sharing.train()
    features = sharing(inputs, state)
    total = torch.as_tensor(sharing.regulariser(), dtype=torch.float64)
    for feature in features.values():
        weight = torch.randn(feature.shape, generator=torch.Generator().manual_seed(0), dtype=feature.dtype)
        total = total + (weight * feature).sum()
    return total


def measure_gap(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The largest absolute difference of two answers; infinite where they are not of the same tasks and shapes.

    a, b: task -> tensor. 0 for answers of no task.
    """
    if a.keys() != b.keys() or any(a[task].shape != b[task].shape for task in a):
        return float("inf")
    return max((float((a[task] - b[task]).detach().abs().max()) for task in a), default=0.0)
