"""Sharing: who owns which parameters.

The contract that `bench/sharing/` and plug-ins implement: from the inputs of all tasks to the features of all tasks.
Heads, losses, constraints and the optimiser belong to the model and the training step.
"""

import itertools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.core.fresh import prepare_stages
from bench.core.modules import Modules
from bench.core.state import Phase, TrainState
from bench.core.suite import Stage, Suite
from bench.errors import UsageError, quote_names
from bench.records import derive_seed


@contextmanager
def own_stream(*names: object) -> Iterator[None]:
    """Seed torch's CPU generator, which modules draw their weights from, by a path of names; put it back afterwards."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(derive_seed(*names))
    try:
        yield
    finally:
        torch.set_rng_state(state)


@dataclass(frozen=True)
class Blueprint:
    """What a sharing is built from: task names, fresh stages, and the seed that decides their weights.

    Every part has its own stream of random numbers, so that all methods of a seed start from the same
    weights wherever shapes agree. `suite` refuses to read data (`withhold_data`).
    """

    suite: Suite
    seed: int

    @property
    def tasks(self) -> list[str]:
        """Task names, in order."""
        return [task.name for task in self.suite.tasks]

    def backbone(self, width: float = 1.0, copy: int = 0) -> Modules[Stage]:
        """Fresh stages, none of which works in place; the same `width` and `copy` give the same weights.

        `width` multiplies the channels of every stage.
        """
        with own_stream(self.seed, "backbone", copy):
            return prepare_stages(self.suite.backbone(width), self.suite.input_shape)

    def towers(self, init: str = "tied", width: float = 1.0) -> list[Modules[Stage]]:
        """One backbone per task: copies of one (`tied`), or each from its own stream (`independent`)."""
        # With `independent` the first tower is still copy 0, the backbone of every method of this seed.
        return [self.backbone(width, copy=0 if init == "tied" else t) for t in range(len(self.tasks))]

    def stream(self, *names: object) -> AbstractContextManager[None]:
        """Context in which modules draw their weights from the stream of these names, apart from all others."""
        return own_stream(self.seed, *names)

    def generator(self, name: str) -> torch.Generator:
        """A generator for anything else that is random; the same `name` gives the same numbers."""
        return torch.Generator().manual_seed(derive_seed(self.seed, name))


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that train alike.

    `role`: `trunk` parameters are owned by several tasks and follow the protocol's trunk rule; `tower`
    parameters are owned by one; `coupling` parameters (stitch units, gates) have no weight decay.
    `lr_factor` multiplies the learning rate of the protocol.
    """

    parameters: list[Parameter]
    role: Literal["trunk", "tower", "coupling"] = "tower"
    lr_factor: float = 1.0


class Sharing(nn.Module, ABC):
    """Maps the inputs of all tasks to the features of all tasks.

    The keyword-only parameters of a constructor are the method's options: their annotations are the
    schema. The first parameter is the Blueprint. A sharing sets `output_shape`, the shape of one row of
    features, and raises ValueError with one sentence where an option does not fit the suite.

    `limits` claims, options -> method, what it equals exactly under SGD without momentum and decay, as
    in {"own=1,rate=0": "single_task"}; `mtlbench check` holds it to that.

    `twin` names the control that cuts the path between tasks: options to add, as in "muted=1", with which all layers,
    parameters and arithmetic stay and `mtlbench check` finds no parameter that two tasks' features depend on; or the
    text of another sharing, the nearest in size. There an option `init=same` is taken over from the method. Empty where
    nothing is shared.
    """

    separate: bool = False  # tasks are separate models: each keeps its own best epoch, weights stay 1
    needs_constraint: ClassVar[bool] = False
    limits: ClassVar[Mapping[str, str]] = {}
    twin: ClassVar[str] = ""
    output_shape: tuple[int, ...]

    @abstractmethod
    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> features (n, *output_shape). A trunk runs once per distinct input tensor.

        Args:
            inputs: task -> rows (n, *input_shape). It may hold some of the tasks only, as in evaluation of tasks with
                inputs of their own.
            state: step, phase and generator of the run. Whatever is random here comes from `state.generator`.
        """

    def coupled(self) -> dict[str, list[Parameter]]:
        """name -> the T aligned copies of one parameter, in task order; none by default.

        Copies that are frozen may be among them: they are left as they are (`learning_copies`).
        """
        return {}

    def regulariser(self) -> Tensor | float:
        """A term of the method's own, added to the weighted losses."""
        return 0.0

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """All parameters, each in one group; by default one group of towers. Frozen ones may be left out."""
        return [ParameterGroup(list(self.parameters()))]

    def phases(self) -> Sequence[Phase]:
        """The parts of the budget, in order; shares sum to 1."""
        return (Phase("train", 1.0),)

    def begin(self, phase: str) -> None:
        """Called before the first update of each phase after the first, without gradients."""
        return

    def matrices(self) -> dict[str, Tensor]:
        """name -> matrix of what was learned about sharing (stitch units, gates); stored in the record."""
        return {}

    def supports(self, suite: Suite) -> str | None:
        """None, or the reason in one sentence why this method does not work on `suite`."""
        return None


def learning_copies(sharing: Sharing) -> dict[str, list[Parameter]]:
    """The coupled parameters whose copies learn: what a constraint may hold. Frozen copies stay where they are."""
    return {name: copies for name, copies in sharing.coupled().items() if all(p.requires_grad for p in copies)}


def collect_groups(sharing: Sharing, optimiser: str) -> list[ParameterGroup]:
    """The groups of a sharing for `optimiser`, `sgd` or `adam`.

    Raises UsageError where a parameter that learns is in none of them, or in two.
    """
    groups = sharing.parameter_groups(optimiser)
    counts = Counter(id(parameter) for group in groups for parameter in group.parameters)
    named = {id(parameter): name for name, parameter in sharing.named_parameters()}
    left = [name for name, p in sharing.named_parameters() if p.requires_grad and id(p) not in counts]
    if left:
        raise UsageError(
            "`parameter_groups` should hold every parameter that learns. Found "
            f"{quote_names(left)} in none, which nothing would train; add it to a group, or freeze it."
        )
    twice = [named.get(key, "a foreign one") for key, count in counts.items() if count > 1]
    if twice:
        raise UsageError(
            f"`parameter_groups` should hold every parameter once. Found {quote_names(twice)} more than once; list it "
            "in one group."
        )
    return groups


def align_copies(towers: Iterable[nn.Module]) -> dict[str, list[Parameter]]:
    """name -> the copies of one parameter, over modules of one architecture."""
    named = [dict(tower.named_parameters()) for tower in towers]
    return {name: [parameters[name] for parameters in named] for name in named[0]}


def run_stages(stages: Iterable[nn.Module], x: Tensor) -> Tensor:
    """`x` through `stages`, in order."""
    for stage in stages:
        x = stage(x)
    return x


def split_stages(stages: int, count: int) -> list[range]:
    """`count` stretches of consecutive stages, as even as possible, later ones longer; at most one per stage."""
    count = min(count, stages)
    ends = [number * stages // count for number in range(count + 1)]
    return [range(a, b) for a, b in itertools.pairwise(ends)]


def refuse_many_inputs(suite: Suite, limit: int = 10) -> str | None:
    """Why a sharing that mixes towers refuses `suite`, for its `supports`; None where it does not.

    Such a sharing runs every tower on every distinct input, T^2 passes where tasks have inputs of their own; `limit`
    is the largest T for which that is taken.
    """
    if suite.own_inputs and len(suite.tasks) > limit:
        return f"runs every tower on every task's own input, at most {limit} tasks (this suite has {len(suite.tasks)})."
    return None
