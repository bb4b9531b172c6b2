"""What a step of `mb.share` costs beside a loop by hand, and beside TorchJD's own step, on a ResNet-18 at 72x96.

    python -m benchmarks.own_loop [--rounds 9] [--rows 8] [--rules pcgrad] [--processor]

Everything runs in one process on one thread, in turns; the medians are of wall time, or of processor time where the
machine has other work (`--processor`). Memory is the peak that a step allocates beyond what stands before it, from the
allocator's own log. The floor of a Gramian step is one forward pass and one backward pass for each of the T losses.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torchjd.aggregation import CAGrad, PCGrad, UPGrad
from torchjd.autojac import jac_to_grad, mtl_backward
from torchvision.models import resnet18

import mtlbench as mb

SHAPE, TASKS = (3, 72, 96), ("a", "b", "c")
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


def make_rows(rows: int) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch, and targets for each task."""
    draw = torch.Generator().manual_seed(0)
    return torch.randn(rows, *SHAPE, generator=draw), {t: torch.randn(rows, 10, generator=draw) for t in TASKS}


def make_own(method: str, rows: int) -> Update:
    """An update by `net.step`."""
    net = mb.share(*make_parts(), method=method)
    optimiser = torch.optim.SGD(net.parameter_groups(lr=1e-3, optimiser="sgd"), fused=True)
    x, y = make_rows(rows)

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


def make_by_hand(rows: int) -> Update:
    """An update of hard sharing with summed losses, as anybody writes it."""
    net = Plain()
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, fused=True)
    x, y = make_rows(rows)

    def update() -> None:
        z = net.trunk(x)
        losses = [(net.heads[task](z) - y[task]).square().mean() for task in TASKS]
        optimiser.zero_grad()
        torch.autograd.backward([torch.stack(losses).sum()])
        optimiser.step()

    return update


def make_floor(rows: int) -> Update:
    """One forward pass, a backward pass for each loss, and the optimiser's step: what no Gramian step goes below."""
    net = Plain()
    parameters = list(net.parameters())
    optimiser = torch.optim.SGD(parameters, lr=1e-3, fused=True)
    x, y = make_rows(rows)

    def update() -> None:
        z = net.trunk(x)
        losses = [(net.heads[task](z) - y[task]).square().mean() for task in TASKS]
        optimiser.zero_grad()
        for number, loss in enumerate(losses):
            torch.autograd.backward([loss], retain_graph=number + 1 < len(losses))
        optimiser.step()

    return update


def make_torchjd(rule: str, rows: int) -> Update:
    """An update by TorchJD: Jacobians by `mtl_backward`, combined by `jac_to_grad`."""
    net = Plain()
    aggregator = RULES[rule]()
    shared = list(net.trunk.parameters())
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3, fused=True)
    x, y = make_rows(rows)

    def update() -> None:
        z = net.trunk(x)
        losses = [(net.heads[task](z) - y[task]).square().mean() for task in TASKS]
        optimiser.zero_grad()
        mtl_backward(losses, z, parallel_chunk_size=1)
        jac_to_grad(shared, aggregator)
        optimiser.step()

    return update


def time_in_turns(updates: Sequence[Update], rounds: int, clock: Callable[[], float]) -> list[list[float]]:
    """Seconds of each update in each round, after two that are not counted."""
    seconds: list[list[float]] = [[] for _ in updates]
    for number in range(rounds + 2):
        for update, own in zip(updates, seconds, strict=True):
            begin = clock()
            update()
            if number >= 2:
                own.append(clock() - begin)
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


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--rules", nargs="*", default=list(RULES), choices=RULES)
    parser.add_argument("--processor", action="store_true", help="processor time in place of wall time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clock = time.process_time if arguments.processor else time.perf_counter
    named: dict[str, Update] = {
        "by hand": make_by_hand(arguments.rows),
        "mb hard": make_own("hard", arguments.rows),
        "floor, T backward passes": make_floor(arguments.rows),
    }
    for rule in arguments.rules:
        named[f"TorchJD {rule}"] = make_torchjd(rule, arguments.rows)
        named[f"mb {rule}"] = make_own(f"hard@{rule}", arguments.rows)
    seconds = dict(zip(named, time_in_turns(list(named.values()), arguments.rounds, clock), strict=True))
    peaks = {name: measure_peak(update) for name, update in named.items()}
    for name in named:
        print(f"{name:28} {1e3 * statistics.median(seconds[name]):8.2f} ms {peaks[name]:8.1f} MiB")
    pairs = [("mb hard", "by hand"), *((f"mb {rule}", "floor, T backward passes") for rule in arguments.rules)]
    pairs += [(f"mb {rule}", f"TorchJD {rule}") for rule in arguments.rules]
    for own, other in pairs:
        ratios = [a / b for a, b in zip(seconds[own], seconds[other], strict=True)]
        differences = [1e3 * (a - b) for a, b in zip(seconds[own], seconds[other], strict=True)]
        print(
            f"{own:12} / {other:26} time {statistics.median(ratios):.3f} ({statistics.median(differences):+.2f} ms), "
            f"memory {peaks[own] / peaks[other]:.3f}"
        )


if __name__ == "__main__":
    main()
