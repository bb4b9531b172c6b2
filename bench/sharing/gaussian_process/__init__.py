"""Gaussian processes: functions of related tasks, fitted by their marginal likelihood. Through GPyTorch.

    y_ti = m_t + f_t(x_ti) + e_ti,   cov(f_t(x), f_s(z)) = B[t, s] k(x, z),   e_ti ~ N(0, sigma_t^2)

The three differ by B, and by whether tasks share the parameters of k and sigma. Inference is exact, in float64. There
is no backbone: `fit` maximises the marginal likelihood of all training rows, and predictions are posterior means.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from bench.api import Blueprint, Found, Ge, Modules, OnStep, SelfFitting, Suite, TrainState, register
from bench.sharing.gaussian_process.process import Process, ProcessRows, evidence_of, maximise_evidence

Kernel = Literal["linear", "rbf"]
InterceptPrior = Literal["task", "shrunk"]
MAX_ROWS = 15_000  # of one covariance matrix: 1.8 GB, a few times over while it is factorised
MIN_NOISE = 1e-4  # least variance of the noise, where targets have variance 1: it keeps matrices well conditioned


class Processes(SelfFitting):
    """The rows of all tasks as one block (`joint`), or a block for each, with the posterior means as predictions.

    Means have a flat prior: the likelihood integrates over them. Targets are divided by `scale`, so that they have
    variance 1 around their means and the starting values of all parameters fit any unit.

    Args:
        blueprint: names the tasks and the shape of a row.
        kernel: `linear` or `rbf`.
        ard: a variance or length for every input.
        intercept: `task`, a mean for each task; `shrunk`, one mean, and deviations from it as part of the process.
        joint: rows of different tasks are correlated, so that all are in one covariance matrix.
    """

    tolerance = 1e-2
    packages = ("gpytorch", "linear_operator", "scipy")

    def __init__(
        self, blueprint: Blueprint, kernel: Kernel, ard: bool, intercept: InterceptPrior, joint: bool = False
    ) -> None:
        super().__init__()
        self.joint = joint
        self.tasks, self.columns = blueprint.tasks, math.prod(blueprint.suite.input_shape)
        self.kernel, self.ard, self.intercept = kernel, ard, intercept
        self.output_shape = (1,)
        self.processes: Modules[Process] = Modules()  # one for all tasks, or one for each
        self.blocks: list[ProcessRows] = []  # of the training rows, from the fit on
        self.alphas: list[Tensor] = []
        self.means, self.effects, self.scale = torch.zeros(len(self.tasks)), torch.zeros(0), 1.0

    def select_rows(self, block: ProcessRows, generator: torch.Generator) -> ProcessRows:
        """The rows whose marginal likelihood is maximised: all of `block`, or a sample drawn by `generator`."""
        return block

    def fit(
        self,
        inputs: Mapping[str, Tensor],
        targets: Mapping[str, Tensor],
        iterations: int,
        generator: torch.Generator,
        on_step: OnStep | None = None,
    ) -> Found:
        """Maximise the marginal likelihood, process by process, then condition on all rows.

        The objective is -log p(y) of the targets in their own unit; `residual` is the largest of the processes.
        """
        self.blocks = self._blocks([inputs[task] for task in self.tasks], [targets[task] for task in self.tasks])
        selected, fits = [self.select_rows(block, generator) for block in self.blocks], []
        for number, process in enumerate(self.processes):
            blocks = [block for block in selected if block.process is process]
            fits.append(maximise_evidence(process, blocks, iterations))
            if on_step:
                on_step(number + 1, len(self.processes))
        self.condition()
        # Dividing y by `scale` multiplied the density by scale per row that no mean takes up.
        free = sum(len(block.y) for block in selected) - selected[0].H.shape[1]
        return Found(
            sum(each.objective for each in fits) + free * math.log(self.scale),
            max(each.residual for each in fits),
            sum(each.iterations for each in fits),
            sum(each.parameters for each in fits) + selected[0].H.shape[1],
        )

    @torch.no_grad()
    def condition(self) -> None:
        """Compute the posterior given the training rows, under the current parameters, for `forward`."""
        blocks, means = self.blocks, self.blocks[0].H.shape[1]
        posterior = evidence_of(blocks, [block.covariance() for block in blocks], [block.design() for block in blocks])
        self.means, self.effects = posterior.effects[:means].expand(len(self.tasks)), posterior.effects[means:]
        self.alphas = posterior.alphas

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> posterior means (n, 1) at rows (n, d)."""
        return {task: self._mean(self.tasks.index(task), x)[:, None] for task, x in inputs.items()}

    def _mean(self, task: int, x: Tensor) -> Tensor:
        """The posterior mean at rows x (n, d) of a task, (n,), in the unit of the targets; 0 before the fit."""
        if not self.blocks:
            return x.new_zeros(len(x))
        place = 0 if self.joint else task
        block, t = self.blocks[place], torch.full((len(x),), task)
        own = block.process.covariance(x, t, block.x, block.t) @ self.alphas[place]
        return self.scale * (self.means[task] + block.process.effects(x, t) @ self.effects + own)

    @torch.no_grad()
    def weights(self) -> Tensor | None:
        """The weights (d, T) of the linear kernel; None for `rbf`."""
        if self.kernel != "linear":
            return None
        # A linear function is known by its values at the unit vectors and at 0.
        x = torch.cat([torch.eye(self.columns), torch.zeros(1, self.columns)]).double()
        values = [self._mean(task, x) for task in range(len(self.tasks))]
        return torch.stack([value[:-1] - value[-1] for value in values], dim=1)

    def supports(self, suite: Suite) -> str | None:
        """Refuses what has no squared loss and linear models, and covariance matrices of more than MAX_ROWS rows."""
        if suite.protocol.fit != "solver" or suite.protocol.loss != "squared" or len(suite.input_shape) != 1:
            return "is fitted to all rows at once, in suites whose models are linear, with squared loss."
        rows, tasks = suite.protocol.splits["train"], len(suite.tasks)
        largest = (rows if suite.own_inputs else rows * tasks) if self.joint else rows // (tasks**suite.own_inputs)
        if largest > MAX_ROWS:
            return f"has exact inference, for at most {MAX_ROWS:,} rows that depend on each other (here {largest:,})."
        return super().supports(suite)

    def _blocks(self, inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> list[ProcessRows]:
        """The training rows, in one block per task or in one for all; sets `scale`."""
        whole, own = torch.cat(list(targets)), self.intercept == "task"
        left = torch.cat([y - y.mean() for y in targets]) if own else whole - whole.mean()
        self.scale = float(left.square().mean().sqrt()) or 1.0  # constant targets have nothing to scale
        blocks = []
        for task, (x, y) in enumerate(zip(inputs, targets, strict=True)):
            H = torch.zeros(len(y), len(self.tasks) if own else 1, dtype=y.dtype)
            H[:, task if own else 0] = 1.0
            process = self.processes[min(task, len(self.processes) - 1)]
            blocks.append(ProcessRows(process, x, torch.full((len(y),), task), H, y / self.scale))
        if not self.joint:
            return blocks
        # One block: rows of all tasks are correlated through B.
        columns = [torch.cat([getattr(block, name) for block in blocks]) for name in ("x", "t", "H", "y")]
        return [ProcessRows(blocks[0].process, *columns)]

    def _inputs(self, gpytorch: Any, scaled: bool) -> nn.Module:
        """k, with a variance to learn where `scaled`, and with a constant where intercepts belong to the process."""
        # Signal and noise start with half of the targets' variance each; unscaled, B has the signal's half.
        kernels, columns, variance = gpytorch.kernels, self.columns if self.ard else None, 0.5 if scaled else 1.0
        if self.kernel == "linear":
            k = kernels.LinearKernel(ard_num_dims=columns)
            k.variance = variance / self.columns
            k.raw_variance.requires_grad_(scaled or self.ard)
        else:
            k = kernels.RBFKernel(ard_num_dims=columns)
            k.lengthscale = math.sqrt(self.columns)  # of the order of distances between rows with inputs of variance 1
            if scaled:
                k = kernels.ScaleKernel(k)
                k.outputscale = variance
        if self.intercept == "shrunk":
            constant = kernels.ConstantKernel()
            constant.constant = torch.tensor(variance)
            k = k + constant
        return k  # type: ignore[no-any-return]

    @staticmethod
    def _noise(gpytorch: Any, tasks: int = 0) -> nn.Module:
        """The noise: half the variance of the targets at the start; one for all rows, or one for each of `tasks`."""
        shape, bound = torch.Size([tasks] if tasks else []), gpytorch.constraints.GreaterThan(MIN_NOISE)
        likelihood = gpytorch.likelihoods.GaussianLikelihood(noise_constraint=bound, batch_shape=shape)
        likelihood.noise = 0.5
        return likelihood  # type: ignore[no-any-return]


@register(
    "gp_icm",
    title="Gaussian processes, coregionalised",
    family="kernels, trees, neighbours",
    paper="Bonilla, Chai, Williams, Multi-task Gaussian Process Prediction, NeurIPS 2007",
)
class CoregionalisedProcess(Processes):
    """Tasks are functions of one Gaussian process, with inputs of their own: cov(f_t(x), f_s(z)) = B[t, s] k(x, z).

    Intrinsic coregionalisation: B = W W^T + diag(kappa) is learned with k and the noise, by the marginal likelihood of
    training rows. With the linear kernel weights are normal, cov(w_t, w_s) = B[t, s] I / d. Where that is tau^2 I for
    t = s plus c I for all, c without bound, with one noise variance sigma^2 and own intercepts, the prediction is that
    of `soft+l2` at strength sigma^2 / (2 tau^2). B diagonal is a process for each task, B of ones one function of all
    rows.

    kernel: k of d inputs. `linear`, <x, z> / d; `rbf`, exp(-|x - z|^2 / (2 l^2)), with a length l to learn.
    rank: columns of W, at least 0; 0 leaves every task a variance of its own and nothing else in common but k.
    ard: `true` learns a variance (linear) or a length (rbf) for every input, in common to all tasks.
    intercept: `task`, a mean m_t for each, with a flat prior; `shrunk`, one for all, and k + c in the place of k, so
        that what tasks deviate from it belongs to the process.
    noise: `task`, a variance for each; `common`, one for all.
    rows: with `rbf` the marginal likelihood is that of at most so many rows, of every task in proportion, at least 1 of
        each, since it costs rows^3 operations; the prediction takes all of them. `linear` takes all in any case.

    Its twin is `gp_single`, in which nothing is shared.
    """

    twin = "gp_single:ard=same,kernel=same"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        kernel: Kernel = "linear",
        rank: Annotated[int, Ge(0)] = 1,
        ard: bool = False,
        intercept: InterceptPrior = "task",
        noise: Literal["task", "common"] = "common",
        rows: Annotated[int, Ge(1)] = 2000,
    ) -> None:
        super().__init__(blueprint, kernel, ard, intercept, joint=kernel != "linear")
        tasks, gpytorch = len(self.tasks), _gpytorch()
        if rank > tasks:
            raise ValueError(f"`rank` should be at most {tasks}, the number of tasks. Found `rank = {rank}`.")
        with blueprint.stream("processes"):  # W is drawn from N(0, 1)
            coupling = gpytorch.kernels.IndexKernel(num_tasks=tasks, rank=rank)
        half = 0.25 if rank else 0.5  # of the variance of the targets at the start, as much as the noise
        coupling.covar_factor.data.mul_(math.sqrt(half / max(rank, 1)))
        coupling.var = torch.full((tasks,), half)
        if rank == 0:  # W has no columns to learn
            coupling.covar_factor.requires_grad_(False)
        likelihood = self._noise(gpytorch, tasks if noise == "task" else 0)
        self.processes.append(Process(self._inputs(gpytorch, scaled=False), likelihood, coupling, apart=not self.joint))
        self.rows = rows

    def select_rows(self, block: ProcessRows, generator: torch.Generator) -> ProcessRows:
        """At most `rows` rows of a joint block, drawn without replacement, of every task in proportion."""
        kept, total = [], len(block.y)
        if not self.joint or total <= self.rows:
            return block
        for task in range(len(self.tasks)):
            members = (block.t == task).nonzero().flatten()
            share = max(1, len(members) * self.rows // total)
            kept.append(members[torch.randperm(len(members), generator=generator)[:share]].sort().values)
        return block.take(torch.cat(kept))

    def matrices(self) -> dict[str, Tensor]:
        """`covariance` (T, T): B over the mean of its diagonal."""
        [process] = self.processes
        B = process.coupling().detach()
        return {"covariance": B / B.diagonal().mean()}


@register(
    "gp_shared",
    title="Gaussian processes, shared kernel",
    family="kernels, trees, neighbours",
    paper="Lawrence, Platt, Learning to Learn with the Informative Vector Machine, ICML 2004; Minka, Picard, Learning "
    "How to Learn Is Learning with Point Sets, 1997",
)
class SharedProcess(Processes):
    """Every task is a Gaussian process of its own, and all have the same kernel and noise: these parameters are shared.

    cov(f_t(x), f_s(z)) = 0 for t other than s, else k(x, z). Tasks help each other to know k and sigma, whose marginal
    likelihood is the product of theirs, and in nothing else. It is `gp_icm` with B = I. With the linear kernel and own
    intercepts the prediction is that of ridge, `single_task`, at strength sigma^2 / (2 v), v the variance of a weight.

    kernel: k. `linear`, v <x, z>; `rbf`, v exp(-|x - z|^2 / (2 l^2)).
    ard: `true` learns a v (linear) or an l (rbf) for every input: which inputs matter is what tasks have in common.
    intercept: `task`, a mean m_t for each, with a flat prior; `shrunk`, one for all, and k + c in the place of k.

    Its twin is `gp_single`, in which nothing is shared.
    """

    twin = "gp_single:ard=same,kernel=same"

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        kernel: Kernel = "linear",
        ard: bool = False,
        intercept: InterceptPrior = "task",
    ) -> None:
        super().__init__(blueprint, kernel, ard, intercept)
        gpytorch = _gpytorch()
        self.processes.append(Process(self._inputs(gpytorch, scaled=True), self._noise(gpytorch)))


@register(
    "gp_single",
    title="Gaussian processes, one for each task",
    family="separate models",
    paper="Rasmussen, Williams, Gaussian Processes for Machine Learning, MIT Press 2006",
)
class SingleProcesses(Processes):
    """Every task is a Gaussian process of its own, with a kernel and a noise of its own: nothing is shared.

    The limit of `gp_icm` and `gp_shared` that the former are compared with. Each task's likelihood is maximised alone.

    kernel: k_t. `linear`, v_t <x, z>; `rbf`, v_t exp(-|x - z|^2 / (2 l_t^2)).
    ard: `true` learns a v (linear) or an l (rbf) for every input, of every task.
    """

    def __init__(self, blueprint: Blueprint, *, kernel: Kernel = "linear", ard: bool = False) -> None:
        super().__init__(blueprint, kernel, ard, "task")
        gpytorch = _gpytorch()
        for _ in self.tasks:
            self.processes.append(Process(self._inputs(gpytorch, scaled=True), self._noise(gpytorch)))


def _gpytorch() -> Any:
    """The package, imported where it is needed only, since it is optional.

    Raises ValueError with the install command where it is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one of its parts is compiled by torch.jit, which torch advises against
            import gpytorch
    except ImportError as error:
        raise ValueError("Gaussian processes need GPyTorch; install it with `pip install gpytorch`.") from error
    return gpytorch
