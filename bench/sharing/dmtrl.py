"""Deep multi-task representation learning: the towers' weights are one tensor, and only its factors exist.

A low rank along the axis of tasks is what tasks share; no constraint is needed, since towers cannot leave it.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from bench.api import Blueprint, Interval, Modules, ParameterGroup, Sharing, TrainState, register, run_stages


class Factored(nn.Module):
    """Factors of a tensor W (d_1, ..., d_N, T), from a truncated decomposition of `start`.

    `last`: W_(P x T) = L S, the singular value decomposition of the last axis' flattening, P = d_1 ... d_N.
    `tucker`: W = S x_1 U_1 ... x_N U_N, higher-order singular value decomposition.
    `tt`: W = G_1 ... G_N, tensor train by successive singular value decompositions.

    Args:
        start: the tensor to decompose, tasks last.
        form: `last`, `tucker` or `tt`.
        share: of the full rank that is kept on every axis, in (0, 1].
    """

    def __init__(self, start: Tensor, form: str, share: float) -> None:
        super().__init__()
        self.form, self.shape = form, tuple(start.shape)
        with torch.no_grad():  # in double, or small singular values would be rounding
            factors = {"last": _last, "tucker": _tucker, "tt": _tensor_train}[form](start.double(), share)
        self.factors = nn.ParameterList(Parameter(factor.to(start.dtype).contiguous()) for factor in factors)

    def forward(self) -> Tensor:
        """W (d_1, ..., d_N, T), the product of the factors."""
        W: Tensor
        if self.form == "last":
            W = self.factors[0] @ self.factors[1]
        elif self.form == "tucker":
            W = self.factors[0]
            for U in list(self.factors)[1:]:  # each contracts the first axis and puts its own last: one full turn
                W = torch.tensordot(W, U, dims=([0], [1]))
        else:
            W = self.factors[0]
            for core in list(self.factors)[1:]:
                W = torch.tensordot(W, core, dims=([-1], [0]))
        return W.reshape(self.shape)


def _truncate_rank(share: float, full: int) -> int:
    """`share` of the rank `full`, rounded up, at least 1."""
    return max(1, math.ceil(share * full - 1e-9))  # .07 * 100 is 7.000000000000001


def _last(W: Tensor, share: float) -> list[Tensor]:
    """L (P, k) and S (k, T) of W = L S; each has the square roots of the singular values."""
    U, S, V = torch.linalg.svd(W.flatten(0, -2), full_matrices=False)
    k = _truncate_rank(share, len(S))
    return [U[:, :k] * S[:k].sqrt(), S[:k].sqrt()[:, None] * V[:k]]


def _tucker(W: Tensor, share: float) -> list[Tensor]:
    """The core (k_1, ..., k_T) and U_i (d_i, k_i) for every axis, tasks last."""
    core, factors = W, []
    for axis, size in enumerate(W.shape):
        unfolded = W.movedim(axis, 0).flatten(1)
        U = torch.linalg.svd(unfolded, full_matrices=False)[0][:, : _truncate_rank(share, min(size, unfolded.shape[1]))]
        factors.append(U)
        core = torch.tensordot(core, U, dims=([0], [0]))
    return [core, *factors]


def _tensor_train(W: Tensor, share: float) -> list[Tensor]:
    """Cores (k_{i-1}, d_i, k_i) for every axis, tasks last, with k = 1 at both ends."""
    cores, rest, before = [], W, 1
    for size in W.shape[:-1]:
        U, S, V = torch.linalg.svd(rest.reshape(before * size, -1), full_matrices=False)
        k = _truncate_rank(share, len(S))
        cores.append((U[:, :k] * S[:k].sqrt()).reshape(before, size, k))
        rest, before = S[:k].sqrt()[:, None] * V[:k], k
    return [*cores, rest.reshape(before, W.shape[-1], 1)]


@register(
    "dmtrl",
    title="Deep multi-task representation learning",
    family="learned structure",
    paper="Yang, Hospedales, Deep Multi-task Representation Learning: A Tensor Factorisation Approach, ICLR 2017",
)
class DMTRL(Sharing):
    """One tower per task, whose weights are slices of tensors that exist as factors only.

    Weights of two axes or more of all towers are W (shape, T); `form` is the factorisation: `last` (W = L S over
    the flattening P x T), `tucker` or `tt` (tensor train); biases, norms and frozen weights are the tasks' own. The
    start is the truncated decomposition of independently started towers (the paper's random start; it also starts from
    trained single-task weights, which would cost as much again). At full rank the towers start where
    `single_task:init=independent` does; their training is another, since the factors are what moves. In the form
    `last` with rank 1 and S = 1 it is `hard`.

    form: `last`, `tucker` or `tt`.
    rank: share of the full rank kept on every axis, in (0, 1], rounded up; in `last` of T.

    It has no muted form: factors of which each serves one task are the task's own weights. `single_task` from
    independent starts is its twin, with the towers that the tensors are decomposed from.
    """

    twin = "single_task:init=independent"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        form: Literal["last", "tucker", "tt"] = "last",
        rank: Annotated[float, Interval(gt=0, le=1)] = 0.5,
    ) -> None:
        super().__init__()
        self.tasks = blueprint.tasks
        self.towers = Modules(blueprint.towers("independent"))
        self.output_shape = self.towers[0][-1].output_shape
        self.places = [_places(tower) for tower in self.towers]
        self.weights = nn.ModuleDict()
        for name in self.places[0]:
            copies = [getattr(*places[name]).detach() for places in self.places]
            self.weights[name.replace(".", "/")] = Factored(torch.stack(copies, dim=-1), form, rank)
            for places in self.places:
                owner, attribute = places[name]
                del owner._parameters[attribute]  # `forward` sets the slice of the tensor in its place

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        # Slices are plain attributes of the towers' layers, so that gradients flow through them to the factors.
        for key, factored in self.weights.items():
            for places, weight in zip(self.places, factored().unbind(dim=-1), strict=True):
                setattr(*places[key.replace("/", ".")], weight)
        return {
            task: run_stages(tower, inputs[task])
            for task, tower in zip(self.tasks, self.towers, strict=True)
            if task in inputs
        }

    def parameter_groups(self, optimiser: str) -> list[ParameterGroup]:
        """Factors belong to all tasks, as a trunk; what is left in the towers to one each."""
        return [
            ParameterGroup(list(self.weights.parameters()), role="trunk"),
            ParameterGroup(list(self.towers.parameters())),
        ]

    def matrices(self) -> dict[str, Tensor]:
        """In the form `last`, S (K, T) of every weight: what each task takes of the K shared columns."""
        return {
            f"factor.{key.replace('/', '.')}": factored.factors[1].detach()
            for key, factored in self.weights.items()
            if isinstance(factored, Factored) and factored.form == "last"
        }


def _places(tower: nn.Module) -> dict[str, tuple[nn.Module, str]]:
    """name -> the module that owns the weight, and its name there, for weights of two axes or more that learn.

    Raises ValueError where one weight is in two places, which factors would make two of.
    """
    places = {
        f"{path}.{name}": (module, name)
        for path, module in tower.named_modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.dim() > 1 and parameter.requires_grad  # frozen weights are left where they are
    }
    if len({id(getattr(*place)) for place in places.values()}) < len(places):
        raise ValueError(
            "Weights should be in one place each for `dmtrl`. Found some that layers have in common; untie them, or "
            "take `cross_stitch`, `soft` or `hard`."
        )
    return places
