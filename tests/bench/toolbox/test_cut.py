"""Networks that were made elsewhere, cut into stages: what comes out is what the network gives."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.core.suite import Stage
from bench.errors import UsageError
from bench.toolbox.cut import cut


def run(stages: nn.ModuleList, x: Tensor) -> Tensor:
    for stage in stages:
        x = stage(x)
        assert tuple(x.shape[1:]) == stage.output_shape
    return x


def rows(*shape: int) -> Tensor:
    return torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))


class Chain(nn.Module):
    """Functions between layers, as people write them; sizes 8, 4, 2, then a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.third = nn.Conv2d(4, 6, 3, padding=1, stride=2), nn.Conv2d(6, 8, 3, padding=1, stride=2)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.first(x)), inplace=True)
        x = torch.relu(self.second(x))
        x = self.third(x).relu()
        return self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


class Residual(nn.Module):
    """A layer whose inside cannot be cut: the input goes round it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.inner = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.inner(x))


class Unit(nn.Module):
    """A network of functions of its only argument that is set, `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.a, self.b = kind, nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        match self.kind:
            case "branches":  # both layers see the input, and meet at the end
                return self.a(x) + self.b(x)
            case "decides":
                return self.a(x) if x.sum() > 0 else self.b(x)
            case "training":
                return self.b(self.a(x)) if self.training else self.a(x)
            case "dropout":
                return self.b(functional.dropout(self.a(x), 0.5, self.training))
            case "tied":
                return self.a(torch.tanh(self.a(x)))
            case "writes":
                return self.b(self.a(x).add_(1))
            case "scaled":
                return self.b(torch.tanh(self.a(x if scale is None else x * scale)))
        raise AssertionError(self.kind)


@pytest.mark.parametrize(
    ("network", "shape", "lengths"),
    [
        (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.Tanh()), (5,), [2, 2]),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)), (3, 4), [4, 1]),
        (
            nn.Sequential(
                nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1)),
                nn.MaxPool2d(2),
                nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU()),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            ),
            (1, 10, 10),
            [2, 3],
        ),
    ],
)
def test_a_sequential_is_cut_before_each_child_with_weights(
    network: nn.Sequential, shape: tuple[int, ...], lengths: list[int]
) -> None:
    x = rows(*shape)
    stages = cut(network, shape)
    assert [len(stage) for stage in stages] == lengths
    assert all(isinstance(stage, Stage) for stage in stages)
    assert [id(child) for stage in stages for child in stage] == list(map(id, network))
    assert torch.equal(run(stages.eval(), x), network.eval()(x))


def test_stages_end_where_maps_change_their_size() -> None:
    network = Chain()
    stages = cut(network, (3, 8, 8))
    assert [stage.output_shape for stage in stages] == [(4, 8, 8), (6, 4, 4), (8, 2, 2), (5,)]
    maps = cut(network, (3, 8, 8), until="fc")
    assert [stage.output_shape for stage in maps] == [(4, 8, 8), (6, 4, 4), (8,)]
    assert {id(p) for p in stages.parameters()} == {id(p) for p in network.parameters()}


@pytest.mark.parametrize("training", [True, False])
def test_stages_give_what_the_network_gives_and_train_as_it_does(training: bool) -> None:
    network, x = Chain().train(training), rows(3, 8, 8)
    twin = copy.deepcopy(network)
    stages = cut(network, (3, 8, 8)).train(training)
    result, expected = run(stages, x), twin(x)
    assert torch.equal(result, expected)
    result.square().sum().backward()
    expected.square().sum().backward()
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(network.parameters(), twin.parameters(), strict=True))
    assert torch.equal(network.norm.running_mean, twin.norm.running_mean)
    assert int(network.norm.num_batches_tracked) == training


def test_cutting_leaves_a_network_and_the_generator_as_they_were() -> None:
    network = Chain()
    network.norm.eval()
    torch.manual_seed(3)
    state, before = torch.get_rng_state(), copy.deepcopy(network.state_dict())
    cut(network, (3, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [network.training, network.norm.training] == [True, False]


def test_an_input_is_left_as_it_is_although_the_network_works_in_place() -> None:
    stages, x = cut(Chain(), (3, 8, 8), after=["norm"]), rows(3, 8, 8)
    first = stages[0](x)
    kept = first.clone()
    stages[1](first)
    assert torch.equal(first, kept)


def test_a_stage_ends_behind_each_layer_that_is_named() -> None:
    network, x = Chain().eval(), rows(3, 8, 8)
    stages = cut(network, (3, 8, 8), after=["third", "first"]).eval()
    assert [stage.output_shape for stage in stages] == [(4, 8, 8), (8, 2, 2), (5,)]
    assert torch.equal(run(stages, x), network(x))
    with pytest.raises(
        UsageError, match=r"`after` should name a layer of `Chain` .*nearest: `third`.* Found `thrid`\."
    ):
        cut(network, (3, 8, 8), after=["thrid"])
    with pytest.raises(UsageError, match=r"`until` should name a layer of `Chain`.* Found `pool`\."):
        cut(network, (3, 8, 8), until="pool")


def test_layers_of_one_size_are_shared_out_in_four_parts() -> None:
    """Blocks are cut between, never inside; a layer that holds them all is opened."""
    network = nn.Sequential(nn.Unflatten(1, (6, 5)), nn.Sequential(*[Residual(5) for _ in range(8)]))

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.blocks = nn.Conv2d(3, 16, 4, 4), nn.ModuleList(Residual(16) for _ in range(8))
            self.position = nn.Parameter(torch.randn(1, 4, 16))

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
            for block in self.blocks:
                tokens = block(tokens)
            return tokens[:, 0]

    holder, x = Holder().eval(), rows(3, 8, 8)
    stages = cut(holder, (3, 8, 8)).eval()
    assert [stage.output_shape for stage in stages] == [(16, 2, 2), (16, 4), (16, 4), (16,)]
    assert [sum(p.numel() for p in stage.parameters()) for stage in stages[1:]] == [3 * 272 + 64, 3 * 272, 2 * 272]
    assert torch.equal(run(stages, x), holder(x))
    assert len(cut(network, (30,))) == 1  # a plain list of stages is taken as it is written


@pytest.mark.parametrize("kind", ["dropout", "training"])
def test_what_differs_in_training_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=r"`Unit` too\. Found a forward pass that is another one in training"):
        cut(Unit(kind), (4,))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("branches", "branches that only meet at its end"),
        ("decides", r"a forward pass that cannot be traced \(TraceError: symbolically traced variables"),
        ("tied", "branches that only meet at its end"),
        ("writes", "that it writes into the input of its stage 1"),
    ],
)
def test_one_sentence_names_what_cannot_be_cut(kind: str, reason: str) -> None:
    with pytest.raises(UsageError, match=rf"^A network should run its layers .* Found {reason}.*another network\.$"):
        cut(Unit(kind), (4,), after=["a"] if kind == "writes" else [])


def test_further_arguments_keep_their_defaults() -> None:
    network, x = Unit("scaled").eval(), rows(4)
    assert torch.equal(run(cut(network, (4,)).eval(), x), network(x))


@pytest.mark.parametrize("network", [Chain(), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))])
def test_rows_of_another_shape_are_refused_in_a_sentence(network: nn.Module) -> None:
    with pytest.raises(UsageError, match=r"should take rows of the shape \(7,\)\. Found RuntimeError: .*; choose"):
        cut(network, (7,))


def build_last(order: Callable[[Tensor], Tensor]) -> nn.Module:
    """A network that keeps its channels last behind its first layer."""

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.a, self.b = nn.Conv2d(3, 7, 2, 2), nn.Linear(7, 9), nn.Linear(9, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.relu(self.a(order(self.first(x)))))

    return Last().eval()


def test_maps_with_channels_last_are_passed_on_with_channels_first() -> None:
    network, x = build_last(lambda x: x.permute(0, 2, 3, 1)), rows(3, 8, 12)
    stages = cut(network, (3, 8, 12), after=["first", "a"]).eval()
    assert [stage.output_shape for stage in stages] == [(7, 4, 6), (9, 4, 6), (6, 4, 6)]
    assert torch.equal(run(stages, x), network(x).permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("network", "shape", "sentence"),
    [
        ("resnet18", (3,), "`network` should be a module. Found a str"),
        (nn.Linear, (3,), "`network` should be a module. Found a type"),
        (Chain(), 3, "as `(3, 224, 224)`. Found 3."),
        (Chain(), (3, 0), "as `(3, 224, 224)`. Found (3, 0)."),
        (Chain(), "3x3", "as `(3, 224, 224)`. Found '3x3'."),
    ],
)
def test_arguments_that_are_no_network_or_shape(network: Any, shape: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        cut(network, shape)
