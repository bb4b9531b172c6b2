"""Schema of `set.json`: what an own data set holds, how it is trained, and the SHA-256 of its files."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import DataMissing, make_printable

SET_FILE = "set.json"
MOST_BYTES = 64 << 20  # of a description: one with more is none of ours
RESERVED = ("row",)  # no name of a task: the first column of predictions
ColumnKind = Literal["real", "class", "binary", "ordinal", "count"]
MapKind = Literal["segmentation", "depth", "normals", "map"]
COLUMN_KINDS: tuple[str, ...] = get_args(ColumnKind)
MAP_KINDS: tuple[str, ...] = get_args(MapKind)


class OwnTask(BaseModel):
    """One task of an own data set.

    name: letters, digits and `_`, as records and commands have it.
    title: the name as the user has it, of any characters.
    kind: of the target; `suites._own.kinds` makes a head, a loss and a metric of it.
    levels: names of the classes or levels, in the order of their numbers from 0.
    pool: tasks with the same pool are scored together, under that name.
    details: whatever else its kind needs, as JSON values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    kind: ColumnKind | MapKind
    levels: tuple[str, ...] = ()
    pool: str = ""
    details: dict[str, Any] = Field(default_factory=dict)


def make_safe_name(title: str, taken: Sequence[str]) -> str:
    """`title` as letters, digits and `_`, unlike all in `taken`: the name of a task in records and commands."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain).strip("_") or "target"
    name = name if name[0].isalpha() else f"t_{name}"
    number = 1
    unique = name
    while unique in taken or unique in RESERVED:
        number += 1
        unique = f"{name}_{number}"
    return unique


class OwnDescription(BaseModel):
    """All of `set.json`.

    form: of the schema; it moves where old sets could not be read any more.
    name: of the set, as the user types it.
    kind: of the set; `suites._own.suite.KINDS` says which suite reads it.
    tasks: in their order.
    rows: split -> rows over all inputs; a split is `train`, `val` or `test`.
    input_shape: of one row of any input, as the backbone sees it.
    own_inputs: every task has rows of its own.
    backbone: its name and options, as `mlp:hidden=64/64`.
    protocol: settings of `bench.records.Protocol` but for name, rows and metrics, which follow from the rest.
    details: what the kind of the set needs further, such as columns and encoders.
    provenance: where the data came from and how it was imported, for people.
    sha256: file -> sum of its bytes. Empty while the set is being written.
    bytes: file -> its size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    name: str
    kind: str
    tasks: tuple[OwnTask, ...] = Field(min_length=1)
    rows: dict[str, int]
    input_shape: tuple[int, ...]
    own_inputs: bool = False
    backbone: str
    protocol: dict[str, Any]
    details: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    sha256: dict[str, str] = Field(default_factory=dict)
    bytes: dict[str, int] = Field(default_factory=dict)


def read_description(folder: Path) -> OwnDescription:
    """The description of the set in `folder`. Raises DataMissing, in one sentence, where it is no such file."""
    path = folder / SET_FILE
    shown = make_printable(str(path))
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataMissing(f"`{shown}` should be below {MOST_BYTES >> 20} MiB; import the data again.")
        return OwnDescription.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataMissing(
            f"`{shown}` should describe an own data set. Found {first['msg']} at `{where}`; import the data again."
        ) from error
    except OSError as error:
        raise DataMissing(f"`{shown}` should be a file that can be read. Found {error.strerror}.") from error
