"""Adapters for each task: our low-rank updates on attention of every make, and PEFT's, held by a constraint."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import peft
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from bench.loop.own_network import OwnNetwork
from bench.loop.pieces import constrain
from bench.loop.share import share
from bench.toolbox.cut import cut
from bench.toolbox.cut_encoder import cut_encoder
from bench.toolbox.named_inputs import hold_named_inputs
from tests.bench.toolbox.encoders import make_batch, make_encoder

TASKS = ["a", "b"]
# PEFT asks transformers by a name that these rename.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
ADAPTERS = ["mood", "topic"]


class Pool(nn.Module):
    """A head on the mean over positions, wherever the channels are."""

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self.axis, self.linear = axis, nn.Linear(channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x if x.dim() == 2 else x.flatten(2).mean(2) if self.axis == 1 else x.mean(1))
        return y


def make_layer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    layer.layout = "channels_last"  # type: ignore[assignment]
    return layer


def image_rows() -> Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def timm_vit() -> nn.Module:
    options = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 4, "num_heads": 2, "num_classes": 0}
    model: nn.Module = timm.models.vision_transformer.VisionTransformer(**options)
    return model


def vision_vit() -> nn.Module:
    model = torchvision.models.VisionTransformer(32, 8, 4, 2, 16, 32)
    model.heads = nn.Identity()  # type: ignore[assignment]
    return model


# name -> stages, rows, the axis of channels, and a weight of attention with its shape.
NETWORKS: dict[str, tuple[Callable[[], Any], Any, int, str, tuple[int, ...]]] = {
    "torch": (
        lambda: [make_layer(), make_layer()],
        torch.randn(4, 7, 16, generator=torch.Generator().manual_seed(2)),
        *(2, "self_attn.in_proj_weight", (48, 16)),
    ),
    "torchvision": (lambda: cut(vision_vit(), (3, 32, 32)), image_rows(), 1, "in_proj_weight", (48, 16)),
    "timm": (lambda: cut(timm_vit(), (3, 32, 32)), image_rows(), 1, "attn.qkv.weight", (48, 16)),
    "bert": (
        lambda: cut_encoder(make_encoder("bert").eval(), 3),
        make_batch("bert"),
        *(2, "self.query.weight", (16, 16)),
    ),
}


def train(net: OwnNetwork, x: Any, steps: int = 3) -> OwnNetwork:
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.05, optimiser="sgd"))
    for _ in range(steps):
        found = net(x)
        net.step({task: (y - 1 - t).square().mean() for t, (task, y) in enumerate(found.items())}, optimiser)
    return net


def as_double(x: Any) -> Any:
    return x if isinstance(x, Mapping) else x.double()


@pytest.mark.parametrize("network", NETWORKS)
def test_low_rank_updates_are_those_of_merged_weights(network: str) -> None:
    """W_0 + B_t A_t / r written into a plain trunk gives the features of task t; fused q, k, v are one matrix."""
    make, x, axis, attention, shape = NETWORKS[network]
    torch.manual_seed(0)
    stages, heads = make(), {task: Pool(16, axis) for task in TASKS}
    net = train(share(stages, heads, "lora:rank=2", example=x).double(), as_double(x)).eval()
    plain = share(stages, heads, "hard", example=x).double().eval()
    trunk: Any = plain.sharing.trunk
    adapted = {key.replace("/", "."): key for key in net.sharing.down[0]}  # type: ignore[index,union-attr]
    assert any(name.endswith(attention) and trunk.get_parameter(name).shape == shape for name in adapted)
    assert set(adapted) == {name for name, p in trunk.named_parameters() if p.dim() > 1}
    own = dict(net.sharing.trunk.named_parameters())  # type: ignore[union-attr]
    for t, task in enumerate(TASKS):
        with torch.no_grad(), hold_named_inputs(as_double(x)):
            for name, parameter in trunk.named_parameters():
                parameter.copy_(own[name])
                if name in adapted:
                    down, up = (part[t][adapted[name]] for part in (net.sharing.down, net.sharing.up))  # type: ignore[index,union-attr]
                    parameter += (up @ down / len(down)).view_as(parameter)
            features: Any = as_double(x)
            for stage in trunk:
                features = stage(features)
            assert torch.allclose(net(as_double(x))[task], net.heads[task](features), atol=1e-10, rtol=0)  # type: ignore[operator]
    assert any(up.abs().max() > 1e-4 for up in net.sharing.up[0].values())  # type: ignore[index,union-attr]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", ["hard", "single_task", "cross_stitch", "soft+l2"])
def test_cut_networks_start_as_they_are(network: str, method: str) -> None:
    """Stages of torchvision, timm, transformers and layers of torch, through `share`: the features of the network."""
    make, x, axis, _, _ = NETWORKS[network]
    torch.manual_seed(0)
    stages, heads = make(), {task: Pool(16, axis) for task in TASKS}
    net = share(stages, heads, "cross_stitch:own=1" if method == "cross_stitch" else method, example=x).eval()
    features: Any = x
    with hold_named_inputs(x):
        for stage in nn.ModuleList(stages).eval():
            features = stage(features)
    found = net(x)
    for task in TASKS:
        assert torch.allclose(found[task], heads[task](features), atol=1e-6)


def make_adapters(rank: int = 2) -> tuple[Any, dict[str, list[nn.Parameter]]]:
    """A frozen encoder with PEFT's LoRA for each task, and its matrices, name -> copy for each task."""
    torch.manual_seed(0)
    config = peft.LoraConfig(r=rank, target_modules=["query", "value"], init_lora_weights=False)
    model = peft.get_peft_model(make_encoder("bert").eval(), config, adapter_name=ADAPTERS[0])
    model.add_adapter(ADAPTERS[1], config)
    copies: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        for task in ADAPTERS:
            if f".{task}.weight" in name:
                copies.setdefault(name.replace(f".{task}.weight", ""), []).append(parameter)
    return model, copies


def step(model: Any, optimiser: torch.optim.Optimizer, copies: dict[str, list[nn.Parameter]]) -> None:
    """One update of both adapters, each on a task of its own."""
    optimiser.zero_grad()
    for t, task in enumerate(ADAPTERS):
        model.set_adapter(task)
        hidden = model(**make_batch("bert")).last_hidden_state
        (hidden[:, 0].mean(1) - t).square().mean().backward()
    for each in copies.values():
        for parameter in each:
            parameter.requires_grad_(True)  # `set_adapter` freezes the others
    optimiser.step()


def test_a_constraint_holds_the_adapters_of_peft_together() -> None:
    """l2 pulls each matrix to the mean of the tasks by 1 / (1 + 2 s w); with an infinite strength they are one."""
    model, copies = make_adapters()
    assert len(copies) == 4 * 2 * 2  # layers, query and value, A and B
    frozen = {name: p.clone() for name, p in model.named_parameters() if "lora" not in name}
    parameters = [parameter for each in copies.values() for parameter in each]
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    free = [p.detach().clone() for p in parameters]
    other, other_copies = copy.deepcopy((model, copies))
    step(other, torch.optim.SGD([p for each in other_copies.values() for p in each], lr=0.1), other_copies)
    held = constrain(copies, "l2:strength=1", lr=0.1)
    step(model, optimiser, copies)
    held.after_step(optimiser)
    assert any(not torch.equal(p, before) for p, before in zip(parameters, free, strict=True))
    for name, (first, second) in copies.items():
        plain = [p.detach() for p in other_copies[name]]
        mean = (plain[0] + plain[1]) / 2
        assert torch.allclose((first + second) / 2, mean, atol=1e-6)
        shrunk, gap = (first - mean).norm(), (plain[0] - mean).norm()
        assert 0 < shrunk < 0.95 * gap
        assert torch.allclose((first - mean) / shrunk, (plain[0] - mean) / gap, atol=1e-4)
    tied = constrain(copies, "l2", lr=0.1, strength=float("inf"))
    step(model, optimiser, copies)
    tied.after_step(optimiser)
    assert all(torch.allclose(first, second, atol=1e-7) for first, second in copies.values())
    assert all(torch.equal(p, frozen[name]) for name, p in model.named_parameters() if "lora" not in name)


def test_an_encoder_with_adapters_is_cut_with_them() -> None:
    """Towers of a frozen encoder: adapters alone learn, tied ones as one, and the base is the same in every tower."""
    model, _ = make_adapters()
    model.set_adapter(ADAPTERS[0])
    stages, batch = cut_encoder(model, 3), make_batch("bert")
    heads = {task: Pool(16, 2) for task in TASKS}
    net = share(stages, heads, "soft+l2:strength=inf", example=batch)
    hidden = model(**batch).last_hidden_state
    assert torch.allclose(net(batch)["a"], heads["a"](hidden), atol=1e-6)
    learning = {name for name, p in net.sharing.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora" in name for name in learning)
    before = {name: p.clone() for name, p in net.sharing.named_parameters() if not p.requires_grad}
    train(net, batch)
    assert all(torch.equal(p, before[name]) for name, p in net.sharing.named_parameters() if name in before)
    for copies in net.copies().values():
        assert torch.allclose(copies[0], copies[1], atol=1e-7)
    assert not torch.allclose(net(batch)["a"], heads["a"](hidden), atol=1e-3)
