"""`my_backbone`, a network by name, and a tiny suite of the same name to try it on.

A data set of your own takes it by its name: `mtlbench run mine:backbone=my_backbone:size=64 hard --plugin FILE`.
"""

from pathlib import Path
from typing import Annotated

from torch import Tensor, nn

from bench.api import Backbone, Ge, InputForm, Stage, UsageError, register, scale_channels
from suites.synthetic import Synthetic


class _Residual(nn.Module):
    """x + relu(A x + b) of rows (n, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        informed: Tensor = x + nn.functional.relu(self.linear(x))
        return informed


@register("my_backbone", paper="")  # the paper's authors, title and year, where there is one
class MyBackbone(Backbone):
    """A linear layer to `size` numbers, then residual layers x + relu(A x + b) of that size, one a stage.

    size: of the features.
    layers: residual layers.
    """

    # Options are keyword-only. Annotation and default are their schema: my_backbone:size=64,layers=3
    def __init__(self, *, size: Annotated[int, Ge(1)] = 32, layers: Annotated[int, Ge(1)] = 2) -> None:
        self.size, self.layers = size, layers

    # Change this first. Stages are what methods share, split and stitch: a few that each do something. Each says the
    # shape of one row of what it returns. `width` multiplies the channels, so that methods of different form can be
    # compared at an equal number of parameters; a network of fixed size sets `scalable = False` instead.
    def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
        if len(inputs.shape) != 1:
            raise UsageError(f"`my_backbone` should be given rows of numbers (d,). Found the shape {inputs.shape}.")
        size = scale_channels(self.size, width)
        stages = [Stage(nn.Linear(inputs.size, size), output_shape=(size,))]
        stages += [Stage(_Residual(size), output_shape=(size,)) for _ in range(self.layers)]
        return nn.ModuleList(stages)


@register("my_backbone")
class MyBackboneSuite(Synthetic):
    """Two regressions on the network, trained for 3 epochs of 8 updates."""

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir, tasks=2, train=100)
        changes = {"name": "my_backbone", "epochs": 3, "steps_per_epoch": 8}
        self.protocol = self.protocol.model_copy(update=changes)

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return MyBackbone().make_stages(InputForm(self.input_shape), width)
