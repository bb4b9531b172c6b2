"""Modules that networks are made of beside plain layers: each is right in every tower, or refused in a sentence."""

import copy
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.checkpoint import checkpoint

from bench.errors import UsageError
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share

HEADS = {"a": nn.Linear(6, 2), "b": nn.Linear(6, 2)}
TIED = "soft+l2:strength=inf"


def stages() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Sequential(nn.Linear(5, 6), nn.Tanh()), nn.Sequential(nn.Linear(6, 6), nn.Tanh())]


def rows(count: int = 8, seed: int = 1) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(source: Sequence[nn.Module], method: str, **options: object) -> OwnNetwork:
    return share(list(source), HEADS, method, **options).double()  # type: ignore[arg-type]


def train(net: OwnNetwork, steps: int = 3, x: Tensor | None = None, **options: float) -> OwnNetwork:
    groups = net.parameter_groups(lr=0.1, optimiser="sgd", **options)  # type: ignore[arg-type]
    optimiser = torch.optim.SGD(groups)
    for _ in range(steps):
        found = net(rows() if x is None else x)
        net.step({task: (y - 1 - t).square().mean() for t, (task, y) in enumerate(found.items())}, optimiser)
    return net


def agree(mine: nn.Module, theirs: nn.Module, x: Tensor | None = None) -> bool:
    """Whether two networks predict the same."""
    x = rows(5, seed=3) if x is None else x
    found, other = mine.eval()(x), theirs.eval()(x)
    return all(torch.allclose(found[task], other[task], atol=1e-10, rtol=0) for task in found)


# Batch norm and other buffers.


def test_every_tower_counts_its_own_rows_in_its_batch_norm() -> None:
    """Running means after a batch are 0.1 of the mean of its task's rows; a trunk's are those of the rows of both."""
    source = [nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 6)), nn.Linear(6, 6)]
    x, z = rows(), 3 + rows(6, seed=2)
    net = make(source, "single_task", example=x.float())
    net({"a": x, "b": z})
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]
    assert [torch.allclose(m.running_mean, 0.1 * r.mean(0)) for m, r in zip(norms, (x, z), strict=True)] == [True, True]  # type: ignore[arg-type]
    trunk = make(source, "hard", example=x.float())
    trunk({"a": x, "b": z})
    [norm] = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm1d)]
    assert torch.allclose(norm.running_mean, 0.9 * (0.1 * x.mean(0)) + 0.1 * z.mean(0))  # type: ignore[arg-type]
    assert norm.num_batches_tracked == 2
    shared = make(source, "hard", example=x.float())
    shared(x)
    [norm] = [module for module in shared.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norm.num_batches_tracked == 1  # tasks that share rows: the trunk runs once


def test_statistics_stay_apart_where_weights_are_tied() -> None:
    source = [nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 6)), nn.Linear(6, 6)]
    net = make(source, TIED, example=rows().float())
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.1, optimiser="sgd"))
    found = net({"a": rows(), "b": 3 + rows(6)})
    net.step({task: y.square().mean() for task, y in found.items()}, optimiser)
    first, second = (module for module in net.modules() if isinstance(module, nn.BatchNorm1d))
    assert torch.allclose(first.weight, second.weight)
    assert not torch.allclose(first.running_mean, second.running_mean)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["hard", "single_task", "cross_stitch", "soft+l2", "lora", "mmoe"])
def test_a_norm_in_evaluation_keeps_its_statistics_until_train_is_called(method: str) -> None:
    source = [nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 6)), nn.Linear(6, 6)]
    source[0][0].eval()  # type: ignore[index]
    source[0][0].running_mean.fill_(0.5)  # type: ignore[index]
    net = train(make(source, method, example=rows().float()))
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d)]
    assert [(norm.training, float(norm.running_mean.mean())) for norm in norms] == [(False, 0.5)] * len(norms)  # type: ignore[union-attr]
    net.train()
    net(rows())
    assert all(not torch.equal(norm.running_mean, torch.full((5,), 0.5)) for norm in norms)  # type: ignore[arg-type]


class Counted(nn.Module):
    """A buffer that the forward pass moves."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 6)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        y: Tensor = self.linear(x)
        return y


def test_every_tower_has_buffers_of_its_own_and_making_a_network_moves_none() -> None:
    net = make([Counted(), nn.Linear(6, 6)], "single_task", example=rows().float())
    first, second = (module for module in net.modules() if isinstance(module, Counted))
    assert (float(first.calls), float(second.calls)) == (0, 0)
    net({"a": rows()})
    assert (float(first.calls), float(second.calls)) == (1, 0)


# Frozen parameters.


@pytest.mark.parametrize("method", ["hard", "single_task", "cross_stitch", "soft+l2:strength=5", "lora", "mmoe", TIED])
def test_frozen_weights_stay_and_take_no_part_in_decay_constraint_and_draws(method: str) -> None:
    source = stages()
    source[0].requires_grad_(False)
    weight = source[0][0].weight.double()  # type: ignore[index,union-attr]
    net = train(make(source, method, example=rows().float()), weight_decay=0.1)
    frozen = [p for p in net.parameters() if not p.requires_grad and p.shape == weight.shape]
    assert frozen
    assert all(torch.equal(p, weight) for p in frozen)
    moved = [p for p in net.sharing.parameters() if p.requires_grad and p.shape == (6, 6)]
    assert any(not torch.equal(p, source[1][0].weight.double()) for p in moved)  # type: ignore[index,union-attr]


def test_low_rank_updates_adapt_a_frozen_trunk() -> None:
    """W_t = W_0 + B_t A_t / r with W_0 as it came: what adapters are."""
    source = stages()
    for stage in source:
        stage.requires_grad_(False)
    net = train(make(source, "lora:rank=2"))
    merged = copy.deepcopy(nn.Sequential(*source)).double()
    with torch.no_grad():
        for name in ("0.0.weight", "1.0.weight"):
            key = f"{name[0]}/0/0/weight"  # a stage has the module of the user inside
            down, up = (part[1][key] for part in (net.sharing.down, net.sharing.up))  # type: ignore[index,union-attr]
            merged.get_parameter(name).add_(up @ down / 2)
            assert up.abs().sum() > 0
    x = rows(4, seed=5)
    assert torch.allclose(net(x)["b"], net.heads["b"](merged(x)), atol=1e-12)  # type: ignore[operator]
    assert not torch.allclose(net(x)["a"], net.heads["a"](merged(x)), atol=1e-6)  # type: ignore[operator]


# Tied weights.


class Twice(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(torch.tanh(self.first(x)))
        return y


@pytest.mark.parametrize("coordinates", ["mean", "copies"])
@pytest.mark.parametrize("constraint", ["l2:strength=inf", "l2:strength=0", "dirty:strength=0.01"])
def test_weights_tied_inside_a_stage_stay_tied_under_a_constraint(constraint: str, coordinates: str) -> None:
    source = [stages()[0], Twice()]
    x = rows(4)
    net = make(source, f"soft+{constraint}", coordinates=coordinates)
    assert torch.allclose(net(x)["a"], net.heads["a"](nn.Sequential(*copy.deepcopy(source)).double()(x)))  # type: ignore[operator]
    train(net)
    twins = [module for module in net.modules() if isinstance(module, Twice)]
    assert len(twins) == 2
    assert all(torch.equal(twin.first.weight, twin.second.weight) for twin in twins)
    assert not torch.equal(twins[0].first.bias, twins[0].second.bias)
    if constraint.startswith("l2"):
        other = train(make(source, "hard" if "inf" in constraint else "single_task"), trunk_lr=0.5)
        assert agree(net, other) or "inf" in constraint
        if "inf" in constraint and coordinates == "copies":
            assert agree(net, other)


@pytest.mark.parametrize("method", ["hard", "single_task", "lora", "cross_stitch"])
def test_weights_tied_inside_a_stage_count_once(method: str) -> None:
    net = train(make([stages()[0], Twice()], method))
    twins = [module for module in net.modules() if isinstance(module, Twice)]
    assert all(twin.first.weight is twin.second.weight for twin in twins)
    parameters = [p for group in net.parameter_groups(lr=1.0) for p in group["params"]]
    assert len({id(p) for p in parameters}) == len(parameters) == len(list(net.parameters()))


def test_factors_refuse_tied_weights_which_they_would_untie() -> None:
    with pytest.raises(UsageError, match="Weights should be in one place each for `dmtrl`"):
        make([stages()[0], Twice()], "dmtrl")


def test_weights_of_two_owners_are_refused_in_a_sentence() -> None:
    first, second = nn.Linear(5, 5), nn.Linear(5, 5)
    second.weight = first.weight
    with pytest.raises(UsageError, match="Found `weight` of stage 1 in stage 0, too, as `weight`; put these"):
        share([first, second], {"a": nn.Linear(5, 1)}, "hard:split=1")
    head = nn.Linear(5, 5)
    head.weight = first.weight
    with pytest.raises(UsageError, match="Found `weight` of the head of `a` in the stages, too; untie it"):
        share([first], {"a": head}, "hard")
    with pytest.raises(UsageError, match="of the head of `b` in the head of `a`, too"):
        share([nn.Linear(5, 5)], {"a": head, "b": head}, "hard")


# Lazy layers.


@pytest.mark.parametrize("method", ["hard", "single_task", "cross_stitch", "soft+l2", "lora", "mmoe"])
def test_lazy_layers_learn_their_sizes_and_start_alike_under_every_method(method: str) -> None:
    def lazy() -> OwnNetwork:
        source = [nn.Sequential(nn.LazyLinear(6), nn.Tanh()), nn.LazyLinear(6)]
        return share(source, {"a": nn.LazyLinear(2), "b": nn.LazyLinear(2)}, method, example=rows().float())

    torch.manual_seed(5)
    first = lazy()
    torch.manual_seed(6)
    second = lazy()  # whatever torch's own generator stands at
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert [tuple(p.shape) for p in first.heads.parameters()] == [(2, 6), (2,)] * 2
    hard = share([nn.LazyLinear(6), nn.LazyLinear(6)], {"a": nn.LazyLinear(2)}, "hard", example=rows().float())
    if method in ("hard", "single_task"):
        assert torch.equal(next(iter(first.sharing.parameters())), next(iter(hard.sharing.parameters())))
    train(first.double())


# Computed weights.


NORMS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


@pytest.mark.parametrize("norm", NORMS)
def test_towers_of_computed_weights_are_right_at_both_ends(norm: str) -> None:
    """Tied they take the steps of `hard` at T times its rate halved; free those of `single_task`."""
    torch.manual_seed(0)
    source = [nn.Sequential(NORMS[norm](nn.Linear(5, 6)), nn.Tanh()), nn.Linear(6, 6)]
    assert agree(train(make(source, "soft+l2:strength=0")), train(make(source, "single_task")))
    tied = train(make(source, TIED, coordinates="copies"))
    assert agree(tied, train(make(source, "hard"), trunk_lr=0.5))
    weights = [module.weight for module in tied.modules() if isinstance(module, nn.Linear) and is_parametrized(module)]
    assert len(weights) >= 2
    assert torch.allclose(weights[0], weights[1])


@pytest.mark.parametrize("norm", NORMS)
def test_low_rank_updates_of_computed_weights_are_refused(norm: str) -> None:
    with pytest.raises(UsageError, match="Weights should be parameters for `lora` to add to"):
        make([NORMS[norm](nn.Linear(5, 6)), nn.Linear(6, 6)], "lora")


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_weights_that_cannot_be_copied_are_refused_in_a_sentence() -> None:
    old = nn.utils.weight_norm(nn.Linear(5, 6))
    old(rows().float())
    with pytest.raises(UsageError, match=r"can be copied.*; take `torch.nn.utils.parametrizations`"):
        share([old, nn.Linear(6, 6)], HEADS, "hard")


# Towers that start apart.


class OwnLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return y


@pytest.mark.parametrize("layer", [nn.Linear(5, 6), *(NORMS[norm](nn.Linear(5, 6)) for norm in NORMS)])
def test_towers_that_start_apart_have_weights_of_their_own(layer: nn.Module) -> None:
    source = [layer, Attention()]
    net = share(source, HEADS, "single_task:init=independent")
    first, second = (list(tower.parameters()) for tower in net.sharing.towers)  # type: ignore[union-attr]
    assert all(torch.equal(a, b) for a, b in zip(first, nn.ModuleList(source).parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[-4:-2], second[-4:-2], strict=True) if a.dim() > 1)
    x = rows().float()
    weights = [tower[0](x) for tower in net.sharing.towers]  # type: ignore[union-attr]
    assert not torch.allclose(*weights, atol=1e-3)


def test_a_layer_that_cannot_be_drawn_anew_is_refused_where_it_would_be() -> None:
    for method in ("single_task:init=independent", "mmoe"):
        with pytest.raises(UsageError, match="Found a `OwnLayer` without `reset_parameters`"):
            share([OwnLayer(), nn.Linear(6, 6)], HEADS, method, example=rows().float())
    share([OwnLayer(), nn.Linear(6, 6)], HEADS, "single_task", example=rows().float())
    fresh = share(
        lambda _: [OwnLayer(), nn.Linear(6, 6)], HEADS, "single_task:init=independent", example=rows().float()
    )
    first, second = (module.weight for module in fresh.modules() if isinstance(module, OwnLayer))
    assert not torch.equal(first, second)


# Checkpoints.


class Checkpointed(nn.Module):
    def __init__(self, inner: nn.Module, reentrant: bool) -> None:
        super().__init__()
        self.inner, self.reentrant, self.runs = inner, reentrant, 0

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = checkpoint(self._run, x, use_reentrant=self.reentrant)
        return y

    def _run(self, x: Tensor) -> Tensor:
        self.runs += 1
        y: Tensor = self.inner(x)
        return y


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # reentrant ones, run for their shapes
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("method", ["hard", "cross_stitch", "soft+l2", "hard@pcgrad", "lora"])
def test_checkpointed_stages_take_the_same_steps(method: str, reentrant: bool) -> None:
    first, second = stages()
    plain = train(make([first, second], method))
    net = make([first, Checkpointed(second, reentrant)], method)
    if reentrant and "pcgrad" in method:
        with pytest.raises(UsageError, match="`use_reentrant=False`"):
            train(net)
        return
    if method == "lora":  # a second run would be with the weights of no task
        with pytest.raises(UsageError, match="Found one that is run again, as by a checkpoint"):
            train(net)
        return
    train(net)
    assert sum(module.runs for module in net.modules() if isinstance(module, Checkpointed)) > 2 * 3
    for mine, theirs in zip(net.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)


# Layers that write into what they are given.


class Writing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x += 1
        y: Tensor = self.linear(x)
        return y


def test_layers_in_place_are_turned_off_and_functions_in_place_refused() -> None:
    inplace = {"a": nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 2)), "b": nn.Linear(6, 2)}
    apart = {"a": nn.Sequential(nn.ReLU(), copy.deepcopy(inplace["a"][1])), "b": copy.deepcopy(inplace["b"])}  # type: ignore[index]
    assert agree(share(stages(), inplace, "hard").double(), share(stages(), apart, "hard").double())
    with pytest.raises(UsageError, match="Found that of `a` writing into them"):
        share(stages(), {"a": nn.Sequential(Writing(), nn.Linear(6, 2)), "b": nn.Linear(6, 2)}, "hard")
    with pytest.raises(UsageError, match="Found that stage 1 writes into its input"):
        share([nn.Linear(5, 6), Writing()], HEADS, "hard")
