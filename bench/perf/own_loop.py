"""What a step in a loop of one's own costs beside the loop by hand, and beside TorchJD's own step.

Used by `mtlbench perf --loop`: a ResNet-18 at 72x96 with three heads, in one process on one thread, in turns. Times are
of the processor, which other work on the machine disturbs less. Memory is the most that a step allocates beyond what
stands before it, from the allocator's own log. The floor of a Gramian step is one forward pass and one backward pass
for each of the T losses.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torchjd.aggregation import CAGrad, PCGrad, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward
from torchvision.models import resnet18

from bench.loop.share import share

SHAPE, TASKS = (3, 72, 96), ("a", "b", "c")
FLOOR = "a forward and 3 backward passes"
RULES: dict[str, Callable[[], Any]] = {"pcgrad": PCGrad, "upgrad": UPGrad, "cagrad": lambda: CAGrad(c=0.4)}
Update = Callable[[], None]


def make_parts() -> tuple[list[nn.Module], dict[str, nn.Module]]:
    """The stages of a ResNet-18 without its head, and a linear head on pooled features for each task."""
    torch.manual_seed(0)
    network = resnet18()
    stem = nn.Sequential(network.conv1, network.bn1, nn.ReLU(), network.maxpool)
    stages = [stem, network.layer1, network.layer2, network.layer3, network.layer4]
    heads: dict[str, nn.Module] = {
        task: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)) for task in TASKS
    }
    return stages, heads


def draw_example_rows(rows: int) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch, and targets for each task."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(rows, *SHAPE, generator=draw), {t: torch.randn(rows, 10, generator=draw) for t in TASKS}


def make_own(method: str, rows: int) -> Update:
    """An update by `net.step`."""
    net = share(*make_parts(), method=method)
    optimiser = torch.optim.SGD(net.parameter_groups(lr=1e-3, optimiser="sgd"), fused=True)
    x, y = draw_example_rows(rows)

    def update() -> None:
        losses = {task: (p - y[task]).square().mean() for task, p in net(x).items()}
        net.step(losses, optimiser)

    return update


class Plain(nn.Module):
    """A trunk and heads, as anybody writes them."""

    def __init__(self) -> None:
        super().__init__()
        stages, heads = make_parts()
        self.trunk, self.heads = nn.Sequential(*stages), nn.ModuleDict(heads)
        for module in self.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False


def make_plain(rows: int, differentiate: Callable[[Plain, Tensor, list[Tensor]], None]) -> Update:
    """An update as anybody writes it; `differentiate` sets the gradients from the features and the losses."""
    net = Plain()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, fused=True)
    x, y = draw_example_rows(rows)

    def update() -> None:
        z = net.trunk(x)
        losses = [(net.heads[task](z) - y[task]).square().mean() for task in TASKS]
        optimiser.zero_grad()
        differentiate(net, z, losses)
        optimiser.step()

    return update


def sum_losses(net: Plain, z: Tensor, losses: list[Tensor]) -> None:
    """One backward pass of the sum: hard sharing by hand."""
    torch.autograd.backward([torch.stack(losses).sum()])


def pass_for_each(net: Plain, z: Tensor, losses: list[Tensor]) -> None:
    """A backward pass for each loss: what no Gramian step goes below."""
    for number, loss in enumerate(losses):
        torch.autograd.backward([loss], retain_graph=number + 1 < len(losses))


def make_torchjd(rule: str, rows: int) -> Update:
    """An update by TorchJD: Jacobians by `mtl_backward`, combined by `jac_to_grad`."""
    aggregator = RULES[rule]()

    def differentiate(net: Plain, z: Tensor, losses: list[Tensor]) -> None:
        mtl_backward(losses, z, parallel_chunk_size=1)
        jac_to_grad(net.trunk.parameters(), aggregator)

    return make_plain(rows, differentiate)


def time_in_turns(updates: Sequence[Update], rounds: int) -> list[list[float]]:
    """Processor seconds of each update in each round, after two that are not counted."""
    seconds: list[list[float]] = [[] for _ in updates]
    for number in range(rounds + 2):
        for update, own in zip(updates, seconds, strict=True):
            begin = time.process_time()
            update()
            if number >= 2:
                own.append(time.process_time() - begin)
    return seconds


def measure_peak(update: Update) -> float:
    """MiB that an update allocates at most beyond what stands before it."""
    update()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        update()
    total = peak = 0
    for event in profiler.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            total += event.nbytes()
            peak = max(peak, total)
    return peak / 2**20


def measure_own_loop(rounds: int = 9, rows: int = 32) -> Iterator[dict[str, Any]]:
    """Yields one row for each step and what it stands beside, in the shape of `perf --loop --json`.

    Milliseconds of the processor and MiB of both; `ratio`, `ratio_low` and `ratio_high` are median and quartiles of the
    times' ratio over the rounds. `rows` of a batch. Sets torch to one thread, for the rest of the process too.
    """
    torch.set_num_threads(1)
    plain = {"a loop by hand": make_plain(rows, sum_losses), FLOOR: make_plain(rows, pass_for_each)}
    theirs = {f"TorchJD's {rule}": make_torchjd(rule, rows) for rule in RULES}
    own = {method: make_own(method, rows) for method in ("hard", *(f"hard@{rule}" for rule in RULES))}
    updates = plain | theirs | own
    seconds = dict(zip(updates, time_in_turns(list(updates.values()), rounds), strict=True))
    peaks = {name: measure_peak(update) for name, update in updates.items()}
    pairs = [("hard", "a loop by hand")]
    pairs += [(f"hard@{rule}", other) for rule in RULES for other in (FLOOR, f"TorchJD's {rule}")]
    for step, other in pairs:
        ratios = [a / b for a, b in zip(seconds[step], seconds[other], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        yield {
            "step": step,
            "beside": other,
            "step_ms": 1e3 * statistics.median(seconds[step]),
            "beside_ms": 1e3 * statistics.median(seconds[other]),
            "ratio": middle,
            "ratio_low": low,
            "ratio_high": high,
            "step_mb": peaks[step],
            "beside_mb": peaks[other],
        }
