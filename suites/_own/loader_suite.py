"""A suite of map-style data sets or DataLoaders: what `Suite.from_loaders` makes."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from bench.api import (
    Dataset,
    InputForm,
    Protocol,
    Split,
    Stage,
    Suite,
    Task,
    digest,
    explain_invalid,
    read_backbone,
    refuse_width,
)
from bench.errors import UsageError, add_article, quote_nearest
from bench.toolbox.cut import cut
from suites._own.description import MAP_KINDS
from suites._own.image_import import choose_backbone, choose_image_protocol
from suites._own.loader_rows import SplitRows, check_splits, read_rows
from suites._own.loader_source import open_source
from suites._own.loader_tasks import LoaderTask, read_tasks
from suites._own.table_import import choose_protocol

BackboneForm = str | nn.Module | Callable[[float], Any]
FOLLOWING = ("name", "version", "splits", "metrics")  # of a protocol: from data and tasks, never set


class LoaderSuite(Suite):
    """Rows of data sets or loaders in Python, under a protocol that goes by how many there are.

    Built by `Suite.from_loaders`, whose docstring has the arguments.
    """

    def __init__(
        self,
        splits: Mapping[str, SplitRows],
        tasks: Sequence[LoaderTask],
        network: Callable[[float], nn.ModuleList],
        code: str,
        protocol: Protocol,
    ) -> None:
        super().__init__()
        train = splits["train"]
        self.input_shape, self.protocol = train.input_shape, protocol
        self.tasks = [task.make(train.first[task.name]) for task in tasks]
        self.resident = train.source is None
        self._network = network
        kinds = digest([[task.name, task.text] for task in tasks])
        self._sums = {**{name: rows.checksum for name, rows in splits.items()}, "tasks": kinds, "backbone": code}
        units = {
            task.name: unit
            for task in tasks
            if task.name in train.targets and (unit := task.measure(train.targets[task.name]))
        }
        self._splits = {name: rows.make_dataset(tasks, units) for name, rows in splits.items()}

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return self._network(width)

    def dataset(self, split: Split, seed: int) -> Dataset:
        return self._splits[split]

    def checksums(self) -> dict[str, str]:
        return dict(self._sums)


def make_loader_suite(
    train: Any,
    val: Any,
    test: Any,
    *,
    tasks: Mapping[str, str | Task] | Sequence[Task],
    backbone: BackboneForm | None = None,
    protocol: Mapping[str, Any] | None = None,
    stream: bool = False,
    workers: int = 0,
) -> Suite:
    """The suite of `Suite.from_loaders`, which has the arguments and what is refused."""
    given = read_tasks(tasks)
    names = [task.name for task in given]
    splits = {
        split: read_rows(open_source(split, data, names, workers), given, stream)
        for split, data in (("train", train), ("val", val), ("test", test))
    }
    check_splits(splits, given)
    shape = splits["train"].input_shape
    maps = any(task.own is not None and task.own.kind in MAP_KINDS for task in given)
    network = make_network(_choose_network(shape, maps) if backbone is None else backbone, shape)
    with torch.random.fork_rng(devices=[]):  # what is built here is thrown away, and should move no seed
        code = digest([str(stage) for stage in network(1.0)])
    made = [task.make(splits["train"].first[task.name]) for task in given]
    return LoaderSuite(
        splits,
        given,
        network,
        code,
        _make_protocol(splits, {task.reported: task.metric().kind for task in made}, len(shape), maps, protocol),
    )


def _choose_network(shape: Sequence[int], maps: bool) -> str:
    """The network of a suite that names none."""
    return choose_backbone((shape[1], shape[2]), maps) if len(shape) == 3 else "mlp:hidden=64/64"


def make_network(given: BackboneForm, shape: tuple[int, ...]) -> Callable[[float], nn.ModuleList]:
    """width -> fresh stages, from a name with options, a network that is cut, or a callable.

    Raises UsageError where it cannot be cut, or made anew.
    """
    if isinstance(given, str):
        choice = read_backbone(given)
        return lambda width: choice.build().make_stages(InputForm(shape), width)  # type: ignore[no-any-return]
    if isinstance(given, nn.ModuleList):
        raise UsageError(
            "`backbone` should be a name, an `nn.Sequential`, or a function from a width to stages. Found an "
            "`nn.ModuleList`, whose stages cannot be made at another width; pass a function that returns it."
        )
    if isinstance(given, nn.Module):
        _refuse_fixed(given)
        template = deepcopy(given)

        def copy_network(width: float) -> nn.ModuleList:
            """The network with fresh weights, cut into stages."""
            refuse_width(type(template).__name__, width)
            network = deepcopy(template)
            for module in network.modules():
                reset: Callable[[], None] | None = getattr(module, "reset_parameters", None)
                if reset:
                    reset()
            return cut(network, shape)

        return copy_network

    def call_network(width: float) -> nn.ModuleList:
        """The stages that the user's function returns; a network among them is cut."""
        stages = given(width)
        if isinstance(stages, nn.ModuleList | list | tuple) and all(isinstance(stage, Stage) for stage in stages):
            return stages if isinstance(stages, nn.ModuleList) else nn.ModuleList(stages)
        if isinstance(stages, nn.Module) and not isinstance(stages, nn.ModuleList):
            return cut(stages, shape)
        raise UsageError(
            "The function `backbone` should return stages (`Stage`), or a network that can be cut, as an "
            f"`nn.Sequential`. Found {add_article(type(stages).__name__)}."
        )

    return call_network


def _refuse_fixed(network: nn.Module) -> None:
    """Raise UsageError for a layer whose weights cannot be drawn anew, as each seed and each copy needs."""
    for name, module in network.named_modules():
        if list(module.parameters(recurse=False)) and not hasattr(module, "reset_parameters"):
            raise UsageError(
                "Every layer of `backbone` should have `reset_parameters`, by which each seed draws weights of its "
                f"own. Found none in `{name}`, {add_article(type(module).__name__)}; pass a function from a width to "
                f"the network."
            )


def _make_protocol(
    splits: Mapping[str, SplitRows],
    metrics: dict[str, str],
    axes: int,
    maps: bool,
    changes: Mapping[str, Any] | None,
) -> Protocol:
    """The protocol of so many rows, with `changes`.

    Raises UsageError for an unknown setting, one that follows from the data, and a value that does not fit.
    """
    rows = {split: read.rows for split, read in splits.items()}
    chosen = choose_image_protocol(rows["train"], maps) if axes == 3 else choose_protocol(rows["train"])
    known = sorted(set(Protocol.model_fields) - set(FOLLOWING))
    for key in changes or {}:
        if key not in known:
            raise UsageError(
                f"`protocol` should change settings; the nearest: {quote_nearest(key, known)}. Found `{key}`."
            )
    values = {"split_rule": "as the loaders give them", **chosen, **(changes or {})}
    try:
        return Protocol(name="loaders", version=1, splits=rows, metrics=metrics, **values)
    except ValueError as error:
        raise UsageError(explain_invalid(error)) from error  # type: ignore[arg-type]
