"""Two processes that train one model together, and the same run in one process: what `test_ranks` compares."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.losses import mse_loss
from bench.core.suite import Stage, Suite
from bench.core.task import Regression, Task
from bench.loop.ranks import Ranks
from bench.planning.plan import parse_suite
from bench.records import RunSpec
from bench.training.fit import Run
from tests.bench.methods import trained_methods
from tests.bench.test_fingerprints import ROWS, TASKS, WIDTH, Tiny, wave
from tests.conftest import train_run

# Plain descent: a gradient that is too large by a factor shows in it, where Adam would hide it.
STEPS = {"epochs": 2, "steps_per_epoch": 5, "lr": 0.002, "momentum": 0.9}
SIDE = 6  # of images


def masked(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the targets that are there; 0 where none is."""
    valid = ~target.isnan()
    errors = torch.where(valid, prediction - target.nan_to_num(), 0.0)
    return errors.square().sum() / valid.sum().clamp(min=1)


class Masked(Tiny):
    """Two thirds of the targets are missing, so that the shares of a batch differ in how many they have."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = [Task(name, lambda shape: nn.Linear(shape[0], 1), masked, Regression) for name in TASKS]

    def dataset(self, split: Literal["train", "val", "test"], seed: int) -> Dataset:
        rows = super().dataset(split, seed)
        for number, target in enumerate(rows.targets.values()):
            target[number::3] = torch.nan
            target[(number + 1) :: 3] = torch.nan
        return rows


class Sparse(Tiny):
    """A label in seven rows: most batches have none of some task."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = [Task(name, lambda shape: nn.Linear(shape[0], 1), mse_loss, Regression) for name in TASKS]

    def dataset(self, split: Literal["train", "val", "test"], seed: int) -> Dataset:
        rows = super().dataset(split, seed)
        masks = {task: torch.arange(ROWS) % 7 == number for number, task in enumerate(TASKS)}
        return Dataset(rows.inputs, rows.targets, masks=masks)


class Normed(Tiny):
    """BatchNorm after every layer, with both kinds of running means."""

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        norms: list[Callable[[int], nn.Module]] = [nn.BatchNorm1d, lambda size: nn.BatchNorm1d(size, momentum=None)]
        return nn.ModuleList(
            Stage(nn.Linear(WIDTH, WIDTH), norm(WIDTH), nn.Tanh(), output_shape=(WIDTH,)) for norm in norms
        )


class Pictures(Tiny):
    """Images, channels last in memory, through convolutions with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (1, SIDE, SIDE)
        self.protocol = self.protocol.model_copy(update={"memory_format": "channels_last"})

        def head(shape: tuple[int, ...]) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * SIDE * SIDE, 1))

        self.tasks = [Task(task.name, head, task.loss, task.metric) for task in self.tasks]

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return nn.ModuleList(
            Stage(
                nn.Conv2d(inputs, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(inplace=True),
                output_shape=(4, SIDE, SIDE),
            )
            for inputs in (1, 4)
        )

    def dataset(self, split: Literal["train", "val", "test"], seed: int) -> Dataset:
        rows = super().dataset(split, seed)
        x = wave(ROWS, SIDE * SIDE, 0.0).reshape(ROWS, 1, SIDE, SIDE)
        return Dataset(dict.fromkeys(TASKS, x), rows.targets)


SUITES: dict[str, Callable[[], Suite]] = {
    "tiny": Tiny,
    "masked": Masked,
    "sparse": Sparse,
    "normed": Normed,
    "pictures": Pictures,
    "own inputs": lambda: parse_suite("synthetic:inputs=own,tasks=2")[1],
}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    *(("tiny", method, {}) for method in trained_methods()),
    *(("masked", method, {}) for method in ("hard", "single_task", "hard@pcgrad")),
    *(("sparse", method, {}) for method in ("hard", "hard@uncertainty", "hard@pcgrad", "hard@famo")),
    *(("normed", method, {}) for method in ("hard", "soft+l2:form=offset", "hard@famo")),
    ("pictures", "cross_stitch", {}),
    *(("own inputs", method, {"precision": "float64"}) for method in ("hard", "hard@gradvac")),
    *(("tiny", method, {"clip_norm": 0.1, "loss_reduction": "mean"}) for method in ("hard@uncertainty", "single_task")),
    ("tiny", "hard@nash_mtl", {"optimiser": "adam"}),
    ("tiny", "hard", {"noised": TASKS[1:]}),
    *(("tiny", method, {"coordinates": "mean"}) for method in ("soft+l1", "soft+cluster")),
]


def label(suite: str, method: str, settings: dict[str, Any]) -> str:
    """The name of a case."""
    return " ".join([suite, method, *(f"{key}={value}" for key, value in settings.items())])


def trained(case: tuple[str, str, dict[str, Any]], ranks: Ranks | None = None) -> Tensor:
    """Every number of a model after ten updates: parameters, running statistics, the weighting's state."""
    name, text, settings = case
    method, suite = Method.parse(text), SUITES[name]()
    spec = RunSpec(
        suite=name,
        method=method.canonical,
        seed=0,
        protocol=suite.protocol.model_copy(update=STEPS | settings),
        versions=method.versions,
        data="",
    )
    model = train_run(Run(spec, suite, method, ranks=ranks))
    return torch.cat([value.double().flatten() for value in model.state_dict().values() if isinstance(value, Tensor)])


def differences(rank: int, ranks: Ranks) -> Iterator[tuple[str, float]]:
    """For every case, how far the run of both is from the run of one; inf where the two do not agree to the bit."""
    together = [trained(case, ranks) for case in CASES]
    for number, (case, found) in enumerate(zip(CASES, together, strict=True)):
        [mean] = ranks.average([found])
        if number % 2 == rank:
            apart = float((found - trained(case)).abs().max())
            yield label(*case), apart if torch.equal(mean, found) else torch.inf


def run(rank: int, folder: Path) -> None:
    """One of the two processes; leaves its half of the differences in `folder`."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    found = dict(differences(rank, Ranks(rank, 2)))
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()
