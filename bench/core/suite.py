"""Suite: tasks, data, backbone and protocol that belong together.

The contract that folders of `suites/` and plug-ins implement. A suite knows no method; the harness knows no suite.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from torch import Tensor, nn

from bench.core.data import Dataset, Transform
from bench.core.new_rows import NewRows
from bench.core.task import Shape, Task
from bench.errors import UsageError
from bench.records import Protocol

Split = Literal["train", "val", "test"]


class Stage(nn.Sequential):
    """A stage of a backbone: modules in order, and the shape of one output row, channels first.

    Modules may be frozen (`requires_grad_(False)`: every method leaves them so) or lazy (filled by the shapes before
    them). Layers with a switch `inplace` have it turned off, since methods also read the input of a stage.
    """

    def __init__(self, *modules: nn.Module, output_shape: Shape) -> None:
        super().__init__(*modules)
        self.output_shape = output_shape


def scale_channels(channels: int, width: float) -> int:
    """`channels` times `width`, rounded, at least 1: how a backbone applies its width."""
    return max(1, round(channels * width))


class Suite(ABC):
    """A standardized problem. The keyword-only parameters of a suite's constructor are its variants.

    `data_dir` is where downloaded data lives; a suite without downloads ignores it. Constructing a
    suite reads no data. `tasks` are in the order of every (T, ...) tensor of the project; `protocol` is the suite's
    own, which `--set` changes field by field.
    """

    tasks: Sequence[Task]
    protocol: Protocol
    earlier_protocols: Sequence[Protocol] = ()  # of lower versions: their runs are stored, and can be made again
    input_shape: Shape  # of one row of any input
    own_inputs: bool = False  # every task has rows of its own
    transform: Transform | None = None  # from stored rows to rows for training, the same for every data set with one
    deals_again: bool = False  # partitions (`split`) are of the same rows, so that training rows of one test another
    resident: bool = False  # rows are the same for every seed and in memory: a runner reads them once for its workers

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir

    @staticmethod
    def from_loaders(
        train: Any,
        val: Any,
        test: Any,
        *,
        tasks: Mapping[str, str | Task] | Sequence[Task],
        backbone: str | nn.Module | Callable[[float], Any] | None = None,
        protocol: Mapping[str, Any] | None = None,
        stream: bool = False,
        workers: int = 0,
    ) -> "Suite":
        """A suite of map-style data sets, or DataLoaders, whose rows are (inputs, targets).

        Inputs are real numbers (d,) or (channels, rows, columns); targets a dict task -> target, or a tuple in the
        order of `tasks`. A missing label is NaN or None, or below 0 for a class. A loader over a map-style data set is
        read in the order of the data set, whether it shuffles or not: the harness draws its own batches.

        Args:
            train, val, test: a data set or a loader each.
            tasks: name -> kind, as `real`, `binary`, `count`, `class:3`, `ordinal:5`, `segmentation:13`, `depth`,
                `normals` or `map`, or name -> `Task`, whose targets are taken as they come.
            backbone: name and options, as `mlp:hidden=64/64`; a network that is cut; or width -> stages. By default
                one that goes by the shape of the rows.
            protocol: setting -> value, changes to a protocol that goes by the number of rows.
            stream: read rows anew for each batch, for data that do not fit in memory. Training is the same bit for
                bit; the data are read once more in each process, for their checksum.
            workers: threads that read the rows of a batch.

        Raises:
            UsageError: in one sentence, what of data, tasks, backbone or protocol does not fit.
        """
        # By name, as the catalogue imports suites: what reads own data lies above the contract.
        make: Callable[..., Suite] = importlib.import_module("suites._own.loader_suite").make_loader_suite
        return make(
            train,
            val,
            test,
            tasks=tasks,
            backbone=backbone,
            protocol=protocol,
            stream=stream,
            workers=workers,
        )

    @abstractmethod
    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        """Fresh stages, in order, each with an `output_shape`; `width` multiplies the channels.

        Weights come from torch's generator, which the caller seeds.
        """

    @abstractmethod
    def dataset(self, split: Split, seed: int) -> Dataset:
        """The rows of `split`. `seed` matters only where a suite draws its data anew for each seed.

        Raises bench.errors.DataMissing where the data is not there.
        """

    def sealed(self, seed: int, draw: int) -> Dataset | None:
        """Fresh rows distributed as the test split of `seed`, from a number `draw` that nobody can know in advance.

        A method that memorised the public test rows does worse on them. None where no fresh rows can be made.
        """
        return None

    def row_units(self) -> Mapping[str, Tensor]:
        """Reported task -> what each test row of it shows, as whole numbers (n,) from 0, where rows share it.

        Rows of one unit, as pairs with one scan in common, are not independent, and tests over rows count units. The
        same number is the same thing in every task. Empty where every row is its own; the same for all seeds.
        """
        return {}

    def held(self, names: Sequence[str]) -> Sequence[str]:
        """The names, among those of the coupled parameters of a sharing, that constraints may hold; all by default."""
        return names

    def known_weights(self, seed: int) -> Tensor | None:
        """The weights (d, T) behind the targets, where models are linear and their truth is known."""
        return None

    def known_features(self, seed: int, x: Tensor) -> Mapping[str, Tensor]:
        """Name -> the true features (n,) behind rows `x` of an input, where they are known; probes look for them."""
        return {}

    def input_blocks(self, seed: int) -> Mapping[str, Sequence[int]]:
        """Name -> columns of an input that belong together; probes ask how much each task uses them."""
        return {}

    def describe_for_predictions(self, seed: int) -> dict[str, Any]:
        """What predictions on new rows need beside the weights of a run of `seed`, as JSON values; kept with its model.

        `levels`: task -> names of its classes, in the order of their numbers. `titles`: task -> what people call it.
        `units`: task -> `shift` and `scale`, or `rate`, of a target that is learnt in another unit than its own. Any
        other key is the suite's own, for `read_new_rows`. Nothing by default: classes are numbers, and targets are in
        the unit of the suite.
        """
        return {}

    def read_new_rows(self, path: Path, kept: Mapping[str, Any]) -> NewRows | None:
        """The rows of a file as inputs of a model; None where the suite reads no files of its own kind.

        Then arrays of `input_shape` are read. `kept` is what `describe_for_predictions` gave when the model was
        trained. Raises UsageError, in one sentence, for a file that does not fit.
        """
        return None

    def data_status(self) -> dict[str, str]:
        """part -> `ready`, `missing` or what is wrong with it; empty where no data is needed."""
        return {}

    def prepare_data(self, source: Path | None) -> Iterator[str]:
        """Fetch what is missing, from the folder `source` or from the network; yields what was done."""
        return iter(())

    @abstractmethod
    def checksums(self) -> dict[str, str]:
        """part -> SHA-256 of the data: everything about it that can change a number.

        Stored in every record, so that results on other data are not compared. Raises bench.errors.DataMissing, with
        one sentence, where the data is not there.
        """

    def panel(
        self, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], predictions: Mapping[str, Tensor]
    ) -> Any | None:
        """One row as a picture for people; None where a suite has nothing to show.

        Args:
            inputs, targets, predictions: task -> tensor of the row, without the batch axis.

        Returns:
            A uint8 array (height, width, 3). Laid out as a `Sheet` of the suite's tasks, the site cuts it into its
            parts and shows methods next to each other.
        """
        return None


def read_kinds(suite: Suite) -> dict[str, str]:
    """Name of a task as it is reported -> the kind of its metric; tasks that are pooled have one entry."""
    return {task.reported: task.metric().kind for task in suite.tasks}


def explain_unlike_metrics(suite: Suite) -> str:
    """One sentence where a suite's protocol gives other kinds of metrics than its tasks; empty where they agree.

    The protocol repeats them, since whoever reads a record has no suite at hand.
    """
    kinds = read_kinds(suite)
    if dict(suite.protocol.metrics) == kinds:
        return ""
    return (
        f"`protocol.metrics` should give the kind of each task's metric, {kinds}. Found {suite.protocol.metrics}; "
        "make them agree."
    )


def derive_suite(suite: Suite, changes: type, /, **attributes: Any) -> Suite:
    """`suite` with the methods of `changes` over its own, and `attributes` in the place of those it has.

    What is made is a copy of an own class, under which that of the suite still lies: attributes and methods that only
    this suite has are there, and its methods see the changes. The suite itself stays as it is.
    """
    own = type(suite)
    cls = cast(type[Suite], type(own.__name__, (changes, own), {"__module__": own.__module__, "__doc__": own.__doc__}))
    derived = cls.__new__(cls)
    vars(derived).update(vars(suite) | attributes)
    return derived


def widen_suite(suite: Suite, factor: float) -> Suite:
    """`suite` with `factor` times the channels in every stage; the suite itself where the factor is 1."""
    if factor == 1:
        return suite

    class Widened(Suite):
        def backbone(self, width: float = 1.0) -> nn.ModuleList:
            return super().backbone(width * factor)  # type: ignore[safe-super]

    return derive_suite(suite, Widened)


def withhold_data(suite: Suite) -> Suite:
    """A copy of `suite` to build a model from: tasks, shapes and stages, without rows and the truth behind them.

    Its `dataset` raises UsageError.

    Features are a function of the inputs that `forward` is given. A method that reads rows by itself could read the
    test split.
    """
    # A suite that wraps another would give its data away.
    behind = {name: withhold_data(value) for name, value in vars(suite).items() if isinstance(value, Suite)}
    return derive_suite(suite, _WithoutData, **behind)


def refuse_rows(split: str) -> NoReturn:
    """Raise UsageError: a method should not read the suite's data."""
    raise UsageError(
        f"A method should not read the suite's data. Found a call of `dataset` for `{split}`; features are a function "
        "of the inputs that `forward` is given."
    )


class _WithoutData(Suite):
    def dataset(self, split: Split, seed: int) -> Dataset:
        refuse_rows(split)

    def sealed(self, seed: int, draw: int) -> Dataset | None:
        refuse_rows("test")  # rows like those of the test split, with labels

    def known_weights(self, seed: int) -> Tensor | None:
        return None
