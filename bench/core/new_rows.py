"""Rows without labels, to be predicted by a model that is trained already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from bench.core.data import Transform


@dataclass(frozen=True)
class NewRows:
    """What a suite made of a file of new rows.

    Args:
        names: of the rows of the file, in their order, numbers from 0 or names of files; one line of the answer each.
        inputs: task -> rows (n, ...), as `Dataset` has them; tasks that share rows hold one tensor object.
        places: task -> for each of its inputs, which row of the file it is, from 0; a task that is not in it has every
            row of the file, in order.
        transform: turns inputs as they are here into those of the network; None for that of the suite, which whole
            numbers are taken through.
    """

    names: Sequence[str] | Sequence[int]
    inputs: Mapping[str, Tensor]
    places: Mapping[str, Sequence[int]] = field(default_factory=dict)
    transform: Transform | None = None
