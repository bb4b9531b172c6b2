"""What could make a run faster and is not done, or is left to a setting: how much there is to gain, and what it moves.

    python -m benchmarks.alternatives --data-dir DATA

`torch.compile` of the whole network; towers as one: their first convolutions as one, and all of them with groups; and
features in bfloat16, which is a setting (`--set precision=bf16`).
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

from bench.perf.harness import alternate, harness_ms, prepare_block
from bench.planning.plan import plan
from bench.training.environment import settle_devices
from bench.training.fit import Run
from benchmarks.processes import command, seconds
from leaderboard.analysis.statistics import interval
from leaderboard.store import Store

UPDATES = 20
Network = Callable[[Tensor], list[Tensor]]


class Plain(nn.Module):
    """The towers and heads of a run as a function of one image: `separate`, `first` layers as one, or all `grouped`."""

    def __init__(self, run: Run, form: str = "separate") -> None:
        super().__init__()
        sharing: Any = run.model.sharing
        self.form = form
        self.towers = nn.ModuleList(sharing.towers if len(sharing.towers[0]) else [sharing.trunk])
        self.heads = run.model.heads

    def forward(self, x: Tensor) -> list[Tensor]:
        features = list(self._features(x))
        features *= len(self.heads) // len(features)
        return [head(feature) for head, feature in zip(self.heads.values(), features, strict=True)]

    def _features(self, x: Tensor) -> Sequence[Tensor]:
        towers: Any = self.towers
        streams: Sequence[Tensor] = [x] * len(towers)
        number = 0
        if self.form != "separate":
            streams, number = self._joined([tower[0] for tower in towers], x, 1).chunk(len(towers), dim=1), 1
        if self.form == "grouped":
            joined = self._joined([tower[1] for tower in towers], torch.cat(tuple(streams), dim=1), len(towers))
            streams, number = joined.chunk(len(towers), dim=1), 2
        for stage in range(number, len(towers[0])):
            streams = [tower[stage](stream) for tower, stream in zip(towers, streams, strict=True)]
        return streams

    @staticmethod
    def _joined(stages: Sequence[Any], x: Tensor, groups: int) -> Tensor:
        """The same stage of all towers by one convolution."""
        weight, bias = (torch.cat([getattr(stage[0], name) for stage in stages]) for name in ("weight", "bias"))
        output: Tensor = functional.conv2d(x, weight, bias, padding=stages[0][0].padding, groups=groups)
        for module in list(stages[0])[1:]:
            output = module(output)
        return output


def update(run: Run, network: Network, batch: tuple[Tensor, dict[str, Tensor]]) -> list[Tensor]:
    """One update of plain Adam without its step; the gradients."""
    x, targets = batch
    losses = [task.loss(out, targets[task.name]) for task, out in zip(run.model.tasks, network(x), strict=True)]
    run.model.zero_grad()
    torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
    return [p.grad.clone() for p in run.model.parameters() if p.grad is not None]


def _ms(run: Run, network: Network, batch: tuple[Tensor, dict[str, Tensor]]) -> float:
    began = time.perf_counter()
    for _ in range(UPDATES):
        update(run, network, batch)
    return 1000 * (time.perf_counter() - began) / UPDATES


def _prepared(suite: str, method: str, data_dir: Path) -> tuple[Run, tuple[Tensor, dict[str, Tensor]]]:
    torch.set_num_threads(1)
    settle_devices()
    run, rows = prepare_block(suite, method, data_dir)()
    inputs, targets = rows.take([torch.arange(run.protocol.batch_size)])
    return run, (next(iter(inputs.values())), targets)


def compiled(suite: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of forward and backward as they are and compiled, and when the compilation has paid."""
    torch._inductor.config.force_disable_caches = True
    run, batch = _prepared(suite, method, data_dir)
    plain = Plain(run)
    fast: Network = torch.compile(Plain(run))
    began = time.perf_counter()
    update(run, fast, batch)
    first = time.perf_counter() - began
    without, with_it, ratio, *_ = alternate(lambda: _ms(run, plain, batch), lambda: _ms(run, fast, batch), rounds)
    [spec] = plan(suite, [method], [0], device="cpu", data_dir=data_dir)
    pays = 1000 * first / (without - with_it) if with_it < without else None
    times = {"eager_ms": without, "compiled_ms": with_it, "ratio": ratio, "compile_s": first}
    return {"suite": suite, "method": method, **times, "pays_after": pays, "budget": spec.protocol.updates}


def joined(suite: str, form: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of forward and backward of the towers apart and joined, and whether every gradient is the same."""
    run, batch = _prepared(suite, "single_task", data_dir)
    apart, together = Plain(run), Plain(run, form)
    pairs = zip(update(run, apart, batch), update(run, together, batch), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    without, with_it, ratio, *_ = alternate(lambda: _ms(run, apart, batch), lambda: _ms(run, together, batch), rounds)
    return {"suite": suite, "form": form, "apart_ms": without, "joined_ms": with_it, "ratio": ratio, "same": same}


def rounded(suite: str, method: str, data_dir: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of an update in float32 and with features in bfloat16."""
    torch.set_num_threads(1)
    settle_devices()
    plain, half = (prepare_block(suite, method, data_dir, precision=kind) for kind in ("float32", "bf16"))
    without, with_it, ratio, *_ = alternate(lambda: harness_ms(*plain()), lambda: harness_ms(*half()), rounds)
    return {"suite": suite, "method": method, "float32_ms": without, "bfloat16_ms": with_it, "ratio": ratio}


def moved(data_dir: Path, epochs: int, seeds: int) -> dict[str, Any]:
    """What bfloat16 does to the accuracy of `hard` on MultiMNIST: paired differences in points, both tasks averaged."""
    found: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("float32", "bf16"):
            words = ["run", "multimnist", "hard", "--seeds", f"0-{seeds - 1}", "--store", folder, "--device", "cpu"]
            changed = [word for item in (f"epochs={epochs}", f"precision={kind}") for word in ("--set", item)]
            seconds(command(*words, "--data-dir", data_dir, *changed))
        for record in Store(Path(folder)).read().records:
            scores = [metrics["accuracy"] for metrics in record.scores["val"].values()]
            found.setdefault(record.spec.protocol.precision, {})[record.spec.seed] = statistics.mean(scores)
    pairs = [found["bf16"][seed] - found["float32"][seed] for seed in range(seeds)]
    means = {kind: statistics.mean(of_seed.values()) for kind, of_seed in found.items()}
    change = interval(np.array(pairs))
    return {"epochs": epochs, "seeds": seeds, **means, "change": change.mean, "low": change.low, "high": change.high}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for suite in ("multidigits", "multimnist"):
        for form in ("first", "grouped"):
            print(joined(suite, form, given.data_dir, given.rounds))
        print(rounded(suite, "hard", given.data_dir, given.rounds))
        print(compiled(suite, "hard", given.data_dir, given.rounds))


if __name__ == "__main__":
    main()
