"""What could make a run faster and is not done, or is left to a setting: how much there is to gain, and what it moves.

    python -m benchmarks.alternatives --data-dir DATA

`torch.compile` of the whole network; towers as one: their first convolutions as one, and all of them with groups; and
features in bfloat16, which is a setting (`--set precision=bf16`).

Each function measures one alternative and returns one row of docs/performance.md.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.perf.harness import alternate, prepare_block, time_harness
from bench.planning.plan import plan
from bench.training.environment import settle_devices
from bench.training.fit import Run
from benchmarks.processes import build_command, time_command
from leaderboard.analysis.statistics import interval
from leaderboard.store import Store

UPDATES = 20  # that are timed together
Network = Callable[[Tensor], list[Tensor]]


class Plain(nn.Module):
    """The towers and heads of a run as a function of one image.

    Args:
        run: A run of `single_task` or `hard` on a suite of LeNets; its parameters are used, not copied.
        form: `separate` towers; `first` layers as one convolution; or all convolutions as one, `grouped`.
    """

    def __init__(self, run: Run, form: str = "separate") -> None:
        super().__init__()
        sharing: Any = run.model.sharing
        self.form = form
        self.towers = nn.ModuleList(sharing.towers if len(sharing.towers[0]) else [sharing.trunk])
        self.heads = run.model.heads

    def forward(self, x: Tensor) -> list[Tensor]:
        """Predictions (n, classes) per task, from images x (n, channels, h, w) that all tasks look at."""
        features = list(self._features(x))
        # One trunk gives its features to every head.
        features *= len(self.heads) // len(features)
        return [head(feature) for head, feature in zip(self.heads.values(), features, strict=True)]

    def _features(self, x: Tensor) -> Sequence[Tensor]:
        """The features of each tower, in order."""
        towers: Any = self.towers
        streams: Sequence[Tensor] = [x] * len(towers)
        number = 0
        if self.form != "separate":
            streams, number = self._convolve_jointly([tower[0] for tower in towers], x, 1).chunk(len(towers), dim=1), 1
        if self.form == "grouped":
            joined = self._convolve_jointly(
                [tower[1] for tower in towers], torch.cat(tuple(streams), dim=1), len(towers)
            )
            streams, number = joined.chunk(len(towers), dim=1), 2
        # The stages that were not joined, tower by tower.
        for stage in range(number, len(towers[0])):
            streams = [tower[stage](stream) for tower, stream in zip(towers, streams, strict=True)]
        return streams

    @staticmethod
    def _convolve_jointly(stages: Sequence[Any], x: Tensor, groups: int) -> Tensor:
        """One stage of all towers by one convolution; the channels of the towers lie one behind the other.

        With `groups` = 1 all towers read x; with one group per tower each reads its own channels.
        """
        weight, bias = (torch.cat([getattr(stage[0], name) for stage in stages]) for name in ("weight", "bias"))
        output: Tensor = functional.conv2d(x, weight, bias, padding=stages[0][0].padding, groups=groups)
        for module in list(stages[0])[1:]:
            output = module(output)
        return output


def run_update(run: Run, network: Network, batch: tuple[Tensor, dict[str, Tensor]]) -> list[Tensor]:
    """Forward and backward of one update, without the optimiser's step; returns copies of the gradients."""
    x, targets = batch
    losses = [task.loss(out, targets[task.name]) for task, out in zip(run.model.tasks, network(x), strict=True)]
    run.model.zero_grad()
    torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
    return [p.grad.clone() for p in run.model.parameters() if p.grad is not None]


def _time_updates(run: Run, network: Network, batch: tuple[Tensor, dict[str, Tensor]]) -> float:
    """Mean milliseconds of `run_update`."""
    began = time.perf_counter()
    for _ in range(UPDATES):
        run_update(run, network, batch)
    return 1000 * (time.perf_counter() - began) / UPDATES


def _prepare(suite: str, method: str, data_dir: Path) -> tuple[Run, tuple[Tensor, dict[str, Tensor]]]:
    """A run, and one batch of it: the image tensor and the targets by task. Sets torch to one thread."""
    torch.set_num_threads(1)
    settle_devices()
    run, rows = prepare_block(suite, method, data_dir)()
    inputs, targets = rows.take([torch.arange(run.protocol.batch_size)])
    return run, (next(iter(inputs.values())), targets)


def measure_compilation(suite: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of forward and backward as they are and compiled, and when the compilation has paid.

    `compile_s` is the time of the first call, `pays_after` the number of updates whose gain makes up for it (None where
    there is no gain), `budget` the updates of a run.

    Args:
        suite: A suite of one image per row, as in `multidigits`.
        method: `hard` or `single_task`.
        data_dir: Where data sets are.
        rounds: Pairs of measurements.
    """
    # A compilation of an earlier process would make the first call look cheap.
    torch._inductor.config.force_disable_caches = True
    run, batch = _prepare(suite, method, data_dir)
    plain = Plain(run)
    # A network of its own around the same parameters: `plain` stays as it is.
    fast: Network = torch.compile(Plain(run))
    began = time.perf_counter()
    run_update(run, fast, batch)
    first = time.perf_counter() - began
    without, with_it, ratio, *_ = alternate(
        lambda: _time_updates(run, plain, batch), lambda: _time_updates(run, fast, batch), rounds
    )
    [spec] = plan(suite, [method], [0], device="cpu", data_dir=data_dir)
    # Milliseconds of the compilation over the milliseconds that one update gains.
    pays = 1000 * first / (without - with_it) if with_it < without else None
    times = {"eager_ms": without, "compiled_ms": with_it, "ratio": ratio, "compile_s": first}
    return {"suite": suite, "method": method, **times, "pays_after": pays, "budget": spec.protocol.updates}


def measure_joined_towers(suite: str, form: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of forward and backward of the towers separate and joined.

    `same` tells whether every gradient is equal bit by bit: only then could records stay what they are.

    Args:
        suite: A suite of one image per row, as in `multidigits`.
        form: `first` or `grouped`, see `Plain`.
        data_dir: Where data sets are.
        rounds: Pairs of measurements.
    """
    run, batch = _prepare(suite, "single_task", data_dir)
    separate, joint = Plain(run), Plain(run, form)
    pairs = zip(run_update(run, separate, batch), run_update(run, joint, batch), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    without, with_it, ratio, *_ = alternate(
        lambda: _time_updates(run, separate, batch), lambda: _time_updates(run, joint, batch), rounds
    )
    return {"suite": suite, "form": form, "apart_ms": without, "joined_ms": with_it, "ratio": ratio, "same": same}


def measure_bfloat16(suite: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of an update of the harness in float32 and with features in bfloat16.

    Args:
        suite: A suite.
        method: A method.
        data_dir: Where data sets are.
        rounds: Pairs of blocks of updates.
    """
    torch.set_num_threads(1)
    settle_devices()
    plain, half = (prepare_block(suite, method, data_dir, precision=kind) for kind in ("float32", "bf16"))
    without, with_it, ratio, *_ = alternate(lambda: time_harness(*plain()), lambda: time_harness(*half()), rounds)
    return {"suite": suite, "method": method, "float32_ms": without, "bfloat16_ms": with_it, "ratio": ratio}


def measure_accuracy_change(data_dir: Path, epochs: int, seeds: int) -> dict[str, Any]:
    """What bfloat16 does to the accuracy of `hard` on MultiMNIST.

    Returns the mean accuracy of both precisions, both tasks averaged, and their paired difference over seeds in points
    with its 95 % interval.
    """
    accuracy: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("float32", "bf16"):
            words = ["run", "multimnist", "hard", "--seeds", f"0-{seeds - 1}", "--store", folder, "--device", "cpu"]
            changed = [word for item in (f"epochs={epochs}", f"precision={kind}") for word in ("--set", item)]
            time_command(build_command(*words, "--data-dir", data_dir, *changed))
        for record in Store(Path(folder)).read().records:
            scores = [metrics["accuracy"] for metrics in record.scores["val"].values()]
            accuracy.setdefault(record.spec.protocol.precision, {})[record.spec.seed] = statistics.mean(scores)
    pairs = [accuracy["bf16"][seed] - accuracy["float32"][seed] for seed in range(seeds)]
    means = {kind: statistics.mean(of_seed.values()) for kind, of_seed in accuracy.items()}
    change = interval(np.array(pairs))
    return {"epochs": epochs, "seeds": seeds, **means, "change": change.mean, "low": change.low, "high": change.high}


def main() -> None:
    """Read the command line, run the experiment, print its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for suite in ("multidigits", "multimnist"):
        for form in ("first", "grouped"):
            print(measure_joined_towers(suite, form, given.data_dir, given.rounds))
        print(measure_bfloat16(suite, "hard", given.data_dir, given.rounds))
        print(measure_compilation(suite, "hard", given.data_dir, given.rounds))


if __name__ == "__main__":
    main()
