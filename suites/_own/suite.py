"""Own data sets as suites: what all kinds of them have in common, and which class reads which kind."""

import importlib
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from torch import nn

from bench.api import Added, DataMissing, InputForm, Protocol, Suite, digest, read_backbone
from bench.errors import make_printable
from suites._own.description import OwnDescription, read_description
from suites._own.folders import find_own_root
from suites._own.kinds import make_task
from suites._shared.variables import sha256_of_file

# Kind of a set -> the module and the class that read it.
KINDS = {
    "table": ("suites._own.table_suite", "TableSuite"),
    "images": ("suites._own.image_suite", "ImageSuite"),
}
# Of a description: what cannot change a number, or is part of a run's name by itself.
_NO_NUMBERS = {"form", "name", "protocol", "provenance", "sha256", "bytes"}


class OwnSuite(Suite):
    """A data set of the user's own, from the folder `own/NAME` of the data folder.

    backbone: name and options of a network, as `mlp:hidden=64/64` or `timm:model=resnet18`, with a `+` between
        two options; by default that of the description.
    """

    description: ClassVar[OwnDescription]

    def __init__(self, data_dir: Path | None = None, *, backbone: Annotated[str | None, Added()] = None) -> None:
        super().__init__(data_dir)
        own = self.description
        self.network = read_backbone(backbone or own.backbone)
        self.input_shape, self.own_inputs = tuple(own.input_shape), own.own_inputs
        self.tasks = [make_task(task) for task in own.tasks]
        metrics = {task.reported: task.metric().kind for task in self.tasks}
        self.protocol = Protocol(name=own.name, version=1, splits=own.rows, metrics=metrics, **own.protocol)

    @property
    def folder(self) -> Path:
        """Where the set lies."""
        return find_own_root(self.data_dir) / self.description.name

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        stages: nn.ModuleList = self.network.build().make_stages(InputForm(self.input_shape), width)
        return stages

    def describe_for_predictions(self, seed: int) -> dict[str, Any]:
        """Names of classes and tasks, and the description, but for where the data came from."""
        own = self.description
        return {
            "levels": {task.name: list(task.levels) for task in own.tasks if task.levels},
            "titles": {task.name: task.title for task in own.tasks},
            "description": own.model_copy(update={"provenance": {}}).model_dump(mode="json"),
        }

    def data_status(self) -> dict[str, str]:
        return {file: self._state(file) for file in self.description.sha256}

    def checksums(self) -> dict[str, str]:
        """Of every file, read anew where it changed, and of what the description says of rows and tasks."""
        for file, wanted in self.description.sha256.items():
            if self._state(file) != "ready":
                raise DataMissing(
                    f"`{make_printable(str(self.folder / file))}` should be as it was imported, with SHA-256 "
                    f"{wanted[:16]}...; import the data again with `--replace`."
                )
        said = self.description.model_dump(mode="json", exclude=_NO_NUMBERS)
        code = {"backbone": self.network.entry.code} if self.network.entry.code else {}  # of a plug-in
        return {**self.description.sha256, "description": digest(said), **code}

    def _state(self, file: str) -> str:
        """`ready`, `missing` or `damaged`."""
        path = self.folder / file
        if not path.is_file():
            return "missing"
        return "ready" if sha256_of_file(path) == self.description.sha256[file] else "damaged"


def map_array(folder: Path, description: OwnDescription, file: str) -> np.ndarray:
    """An array of the set in `folder`, mapped: rows are read when they are used, and no process holds a copy.

    Raises DataMissing where the file is not there, or not as long as it was when the set was written.
    """
    path, size = folder / file, description.bytes.get(file)
    if size is None or not path.is_file() or path.stat().st_size != size:
        raise DataMissing(
            f"`{make_printable(str(path))}` should be there as it was imported; import the data again with `--replace`."
        )
    # Copy on write: torch takes no read-only memory, and nothing that is written reaches the file.
    array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def make_own_class(data_dir: Path | None, name: str) -> type[OwnSuite]:
    """The suite class of the set `name`, with its description.

    Raises DataMissing where the description cannot be read, or is of a kind that nothing here reads.
    """
    return build_own_class(read_description(find_own_root(data_dir) / name).model_copy(update={"name": name}))


def build_own_class(description: OwnDescription) -> type[OwnSuite]:
    """The suite class of a description. Raises DataMissing where it is of a kind that nothing here reads."""
    name = description.name
    if description.kind not in KINDS:
        raise DataMissing(
            f"`{name}` should be of a kind that is known, {', '.join(KINDS)}. Found `{description.kind}`."
        )
    module, cls = KINDS[description.kind]
    base: Any = getattr(importlib.import_module(module), cls)
    made: type[OwnSuite] = type(
        cls, (base,), {"description": description, "__module__": module, "__doc__": base.__doc__}
    )
    return made
