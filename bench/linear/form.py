"""The linear form of a sharing on a linear backbone: who owns the weights and the intercepts.

A solver fits only what is a linear form; other sharings are refused, or trained by descent.
"""

from dataclasses import dataclass

import torch
from torch.nn import Parameter

from bench.core.sharing import Sharing
from bench.core.state import TrainState
from bench.core.suite import Suite


@dataclass(frozen=True)
class LinearForm:
    """z_t = x_t w_t + b_t: every task owns its w_t and b_t, or all tasks share one.

    weights: parameters of shape (1, d), one for each task or one in all.
    intercepts: parameters of shape (1,), one for each task or one in all.
    tasks: T.

    A constraint holds the weights where tasks own them, else the intercepts (`held`).
    """

    weights: list[Parameter]
    intercepts: list[Parameter]
    tasks: int

    @property
    def tied(self) -> bool:
        """Whether all tasks share their weights."""
        return len(self.weights) < self.tasks

    @property
    def pooled(self) -> bool:
        """Whether all tasks share their intercept."""
        return len(self.intercepts) < self.tasks

    @property
    def held(self) -> list[Parameter]:
        """The copies that a constraint may hold; none where tasks share both."""
        return self.weights if not self.tied else [] if self.pooled else self.intercepts

    @torch.no_grad()
    def set_(self, weights: torch.Tensor, intercepts: torch.Tensor) -> None:
        """Copy weights (d, T) and intercepts (T,) into the parameters."""
        for parameter, column in zip(self.weights, weights.T, strict=False):
            parameter.copy_(column[None])
        for parameter, value in zip(self.intercepts, intercepts, strict=False):
            parameter.copy_(value[None])


def read_linear_form(sharing: Sharing, suite: Suite) -> LinearForm | None:
    """Who owns what, where features are weights of the tasks' own or shared ones and nothing else; None elsewhere.

    Told from the parameters, and tried on numbers: with weights and intercepts of their own the features of random
    rows are x w_t + b_t. Parameters have their values back afterwards.
    """
    copies = list(sharing.coupled().values())
    owned = {id(p) for of_all in copies for p in of_all}
    groups = [*copies, *([p] for p in sharing.parameters() if id(p) not in owned)]
    weights = [group for group in groups if tuple(group[0].shape) == (1, *suite.input_shape)]
    intercepts = [group for group in groups if tuple(group[0].shape) == (1,)]
    if len(groups) != 2 or len(weights) != 1 or len(intercepts) != 1:
        return None
    form = LinearForm(weights[0], intercepts[0], len(suite.tasks))
    # The parameters' shapes do not tell what `forward` does with them: known numbers are put in and read back.
    before = [p.detach().clone() for p in (*form.weights, *form.intercepts)]
    tasks, generator = [task.name for task in suite.tasks], torch.Generator().manual_seed(0)
    dtype = form.weights[0].dtype

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    W, b = draw(*suite.input_shape, len(form.weights)), draw(len(form.intercepts))
    form.set_(W, b)
    inputs = {task: draw(3, *suite.input_shape) for task in tasks}
    with torch.no_grad():
        features = sharing(inputs, TrainState(updates=1, generator=generator))
        for parameter, value in zip((*form.weights, *form.intercepts), before, strict=True):
            parameter.copy_(value)
    columns = W.expand(-1, len(tasks)).T
    right = {t: inputs[t] @ w + c for t, w, c in zip(tasks, columns, b.expand(len(tasks)), strict=True)}
    return form if all(torch.allclose(features[t][:, 0], right[t], atol=1e-4) for t in tasks) else None
