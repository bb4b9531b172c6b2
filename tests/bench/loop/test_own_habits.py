"""What researchers do to networks: resume, copy, average, freeze, unfreeze, wrap, and heads of several tensors."""

import copy
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from bench.catalogue.registry import list_entries
from bench.errors import UsageError
from bench.loop import own_processes
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share

HEADS = {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)}


def make(method: str, heads: dict[str, nn.Module] = HEADS, frozen: bool = False, **options: Any) -> OwnNetwork:
    torch.manual_seed(0)
    stages = [nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Sequential(nn.Linear(5, 4), nn.Tanh())]
    stages[0].requires_grad_(not frozen)
    return share(stages, heads, method, **options)


def rows(n: int = 8) -> Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(n))


def adam(net: OwnNetwork, lr: float = 0.01) -> torch.optim.Optimizer:
    return torch.optim.Adam(net.parameter_groups(lr=lr))


def losses(net: nn.Module, n: int = 8) -> dict[str, Tensor]:
    return {task: (p - 1).square().mean() for task, p in net(rows(n)).items()}


def is_same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("late", [False, True])
def test_a_state_restores_the_rate_of_half_lives_in_any_order(late: bool) -> None:
    """The optimiser is made after the state is loaded, as a trainer does, or before, and may begin at another rate."""
    whole, again = make("soft+l2:halflife=3"), make("soft+l2:halflife=3")
    optimiser = adam(whole)
    whole.step(losses(whole), optimiser)
    saved = copy.deepcopy((whole.state_dict(), optimiser.state_dict()))
    other = None if late else adam(again, lr=0.5)
    again.load_state_dict(saved[0])
    other = other or adam(again)
    other.load_state_dict(saved[1])
    for net, own in ((whole, optimiser), (again, other)):
        net.step(losses(net, 9), own)
    assert is_same(whole, again)


@pytest.mark.parametrize("weighting", sorted(list_entries("weighting")))
def test_a_copy_at_any_moment_goes_on_by_itself(weighting: str) -> None:
    """With the graph of a batch in the network, between forward and step and between backward and update."""
    net = make(f"hard@{weighting}", updates=9, steps_per_epoch=2)
    optimiser = adam(net)
    net.step(losses(net), optimiser, again=lambda: losses(net))
    net(rows())
    early = copy.deepcopy(net)
    assert is_same(early, net)
    net.backward(losses(net))
    late = copy.deepcopy(net)
    own = adam(late)
    own.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    with pytest.raises(UsageError, match="`update` should follow `backward`"):
        late.update(own)
    for each, its in ((net, optimiser), (late, own)):
        each.step(losses(each, 9), its, again=lambda each=each: losses(each, 9))  # type: ignore[misc]
    assert is_same(net, late)
    assert not is_same(net, early)
    pickle.dumps(late)


def test_layers_that_keep_what_they_computed_are_copied() -> None:
    net = make("dmtrl")
    net.step(losses(net), adam(net))
    assert is_same(copy.deepcopy(net), net)


def test_an_average_of_weights_is_that_of_the_copies() -> None:
    net = make("soft+l2@uncertainty")
    optimiser = adam(net)
    net.step(losses(net), optimiser)
    average, seen = AveragedModel(net), list[Tensor]()
    for n in (8, 9):
        net.step(losses(net, n), optimiser)
        average.update_parameters(net)
        seen.append(net.copies()["0.0.0.weight"])
    assert torch.allclose(average.module.copies()["0.0.0.weight"], torch.stack(seen).mean(dim=0), atol=1e-7)


@pytest.mark.parametrize("method", ["soft+l2:halflife=5", "soft+trace_norm", "soft+l2:halflife=5,schedule=anneal"])
def test_weights_that_are_frozen_on_the_way_stay(method: str) -> None:
    net = make(method, updates=9)
    optimiser = torch.optim.AdamW(net.parameter_groups(lr=0.1, weight_decay=0.1))
    net.step(losses(net), optimiser)
    net.sharing.requires_grad_(False)
    before = copy.deepcopy(net)
    net.step(losses(net), optimiser)
    assert is_same(net.sharing, before.sharing)
    assert not is_same(net.heads, before.heads)


def test_weights_that_a_constraint_would_miss_are_refused() -> None:
    net = make("soft+l2", frozen=True)
    optimiser = adam(net)
    net.step(losses(net), optimiser)
    net.requires_grad_(True)
    with pytest.raises(UsageError, match="should learn when the network is made"):
        net.step(losses(net), optimiser)
    net = make("soft+l2")
    optimiser = adam(net)
    net.sharing.towers[1].requires_grad_(False)  # type: ignore[union-attr,index]
    with pytest.raises(UsageError, match="should be frozen together"):
        net.step(losses(net), optimiser)


def test_weights_may_be_unfrozen_where_nothing_holds_them() -> None:
    early, late = make("hard"), make("hard", frozen=True)
    optimiser = adam(late)
    late.requires_grad_(True)
    late.step(losses(late), optimiser)
    early.step(losses(early), adam(early))
    assert is_same(early, late)


@pytest.mark.parametrize("weighting", ["uniform", "uncertainty", "pcgrad"])
def test_losses_may_be_wider_than_weights_and_steps_without_a_graph_around(weighting: str) -> None:
    """As of labels that come from numpy in float64."""
    plain, wide = make(f"hard@{weighting}"), make(f"hard@{weighting}")
    optimisers = [adam(net) for net in (plain, wide)]
    for n in (8, 9):
        plain.step(losses(plain, n), optimisers[0])
        doubles = {task: loss.double() for task, loss in losses(wide, n).items()}
        with torch.no_grad():
            wide.step(doubles, optimisers[1])
    assert all(torch.allclose(p, q, atol=1e-6) for p, q in zip(plain.parameters(), wide.parameters(), strict=True))


def test_phases_are_not_passed_in_evaluation() -> None:
    net = make("cross_stitch:warm=0.5", updates=4).eval()
    optimiser = adam(net)
    net.step(losses(net), optimiser)
    net.step(losses(net), optimiser)
    with pytest.raises(UsageError, match="in evaluation where a phase begins"):
        net.step(losses(net), optimiser)
    assert net.state.step == 2
    net.train().step(losses(net), optimiser)
    assert net.state.phase == "stitched"


class Pair(NamedTuple):
    mean: Tensor
    spread: Tensor


class Several(nn.Module):
    """A head that returns a tuple, or a dictionary with a class beside it."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.layer, self.named = nn.Linear(4, 2), named

    def forward(self, x: Tensor) -> Any:
        mean, spread = self.layer(x).split(1, dim=1)
        return {"mean": mean, "of": [spread], "sign": mean > 0} if self.named else Pair(mean, spread)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("method", ["hard@pcgrad", "soft+l2"])
def test_heads_may_return_several_tensors(named: bool, method: str) -> None:
    """They train as a head with one of all columns does, under autocast, and without a label, too."""
    torch.manual_seed(0)
    several = Several(named)
    nets = [make(method, {"a": head, "b": HEADS["b"]}) for head in (several, several.layer)]
    optimisers = [adam(net) for net in nets]
    for labelled in (True, False):
        for net, optimiser in zip(nets, optimisers, strict=True):
            with torch.autocast("cpu", torch.bfloat16):
                a, b = net(rows()).values()
            if isinstance(a, dict):
                assert a["sign"].dtype == torch.bool
            parts = [a["mean"], *a["of"]] if isinstance(a, dict) else a if isinstance(a, Pair) else a.split(1, dim=1)
            assert {part.dtype for part in parts} == {torch.float32}
            loss = torch.cat(tuple(parts), dim=1).square().mean() if labelled else None
            net.step({"a": loss, "b": b.square().mean()}, optimiser)
    assert is_same(*nets)


def test_processes_with_rows_of_their_own_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside `DistributedDataParallel` weightings see the mean of the losses; those of gradients are refused."""
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        plain, gramian = make("hard@uncertainty"), make("hard@pcgrad")
        wrapped = [DistributedDataParallel(net) for net in (plain, gramian)]
        for net in wrapped:
            losses(net)
        assert plain.average is None  # one process has all rows
        monkeypatch.setattr(own_processes.dist, "get_world_size", lambda *_: 2)
        losses(wrapped[0])
        assert plain.average is own_processes.average_losses
        assert own_processes.average_losses(torch.tensor([2.0, 4.0])).tolist() == [1.0, 2.0]  # the sum of one over two
        with pytest.raises(UsageError, match="`PCGrad` should be trained by one process"):
            losses(wrapped[1])
        losses(gramian)  # by itself it is one
    finally:
        dist.destroy_process_group()


def test_a_sparse_gradient_is_one_of_zeros_elsewhere() -> None:
    """Of an embedding, under a weighting that asks for inner products of gradients."""
    nets = []
    for sparse in (False, True):
        torch.manual_seed(0)
        first = nn.Sequential(nn.Embedding(9, 3, sparse=sparse), nn.Flatten(), nn.Linear(6, 4))
        nets.append(share([first, nn.Linear(4, 4)], HEADS, "hard@pcgrad", example=torch.zeros(2, 2, dtype=torch.long)))
        x = torch.arange(8).reshape(4, 2)
        nets[-1].step({task: p.square().mean() for task, p in nets[-1](x).items()}, adam(nets[-1]))
    assert is_same(*nets)


def test_stages_by_a_function_of_a_width_need_no_example() -> None:
    """A sharing counts sizes on a device without numbers, where rows are not to be found first."""

    def widen(width: float) -> list[nn.Module]:
        return [nn.Linear(6, round(10 * width))]

    net = share(widen, {"a": nn.LazyLinear(1), "b": nn.LazyLinear(2)}, "single_task_wide")
    assert {task: p.shape for task, p in net(rows()).items()} == {"a": (8, 1), "b": (8, 2)}
