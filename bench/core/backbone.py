"""Backbone: a network by name, for data sets that choose theirs by a text such as `mlp:hidden=64/64`.

The contract that modules of `bench.backbones` and plug-ins implement. A backbone knows no task and no data.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from bench.core.task import Shape
from bench.errors import UsageError


@dataclass(frozen=True)
class InputForm:
    """What the rows of a data set look like.

    Args:
        shape: of one row, channels first: (d,) for numbers, (channels, rows, columns) for images.
        cards: for rows of numbers, of the last `len(cards)` columns: each holds the code of a category as a whole
            number, column j in [0, cards[j]). Empty where all columns are numbers, as where categories came one-hot.

    Raises:
        ValueError: there are more columns of codes than columns, or a card is below 1.
    """

    shape: Shape
    cards: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.cards and (len(self.shape) != 1 or len(self.cards) > self.shape[0] or min(self.cards) < 1):
            raise ValueError(
                "`cards` should have a number above 0 for each of the last columns of rows (d,). Found cards "
                f"{self.cards} for rows {self.shape}."
            )

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return math.prod(self.shape)


class Backbone(ABC):
    """A network whose stages can be shared. The keyword-only parameters of its constructor are its options.

    scalable: whether `width` multiplies its channels; a network that was made by others mostly has its own.
    """

    scalable: ClassVar[bool] = True

    @abstractmethod
    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        """Fresh stages for such rows, in order, each with an `output_shape`; `width` multiplies the channels.

        Weights come from torch's generator, which the caller seeds. Raises UsageError where it does not take such
        rows, or has no width and another than 1 is asked for.
        """


def require_image(name: str, inputs: InputForm) -> tuple[int, int, int]:
    """(channels, rows, columns) of the images that backbone `name` is given. Raises UsageError for other rows."""
    if len(inputs.shape) != 3:
        raise UsageError(
            f"`{name}` should be given images, rows of the shape (channels, rows, columns). Found {inputs.shape}; "
            "take `mlp` for rows of numbers."
        )
    channels, rows, columns = inputs.shape
    return channels, rows, columns


def refuse_width(name: str, width: float) -> None:
    """Raise UsageError where a network that cannot be scaled is asked for another width than 1."""
    if width != 1:
        raise UsageError(
            f"`width` should be 1 for `{name}`, whose channels are fixed. Found `width = {width:g}`; methods that are "
            "wider or narrower than the network need one that scales, as `mlp`, `lenet` or `resnet18`."
        )
