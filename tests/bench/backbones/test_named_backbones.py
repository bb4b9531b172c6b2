"""Backbones by name: what a text gives, and networks of torchvision and timm stage by stage."""

import json
import re
import sys
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from bench.api import Backbone, Dataset, InputForm, read_backbone
from bench.backbones.lenet import lenet
from bench.backbones.mlp import mlp
from bench.backbones.resmlp import Embedded, embedding_length
from bench.catalogue.registry import list_entries
from bench.check import check
from bench.cli.main import main
from bench.core.task import Regression, Task
from bench.errors import UsageError
from tests.bench.backbones.test_odd_backbones import SHARINGS, run_of
from tests.bench.test_fingerprints import ROWS, TASKS, Tiny, loss, wave
from tests.conftest import train_run

TORCHVISION = ["shufflenet_v2_x0_5", "mobilenet_v3_small", "squeezenet1_1", "swin_t"]
TIMM = ["resnet10t", "mobilenetv3_small_050", "vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224"]
MORE_TORCHVISION = [
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3"),
    *("maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_large", "regnet_x_400mf", "regnet_y_400mf", "resnet18"),
    *("resnet50", "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_0", "swin_v2_t", "vgg11", "vgg11_bn"),
    *("vit_b_32", "wide_resnet50_2"),
]


QUICK = ("hard", "hard_wide", "cross_stitch", "lora", "mtan")
WIDER = {"hard_wide", "single_task_wide", "single_task_narrow"}


def make(text: str, shape: tuple[int, ...], cards: tuple[int, ...] = (), width: float = 1.0) -> nn.ModuleList:
    torch.manual_seed(0)
    stages: nn.ModuleList = read_backbone(text).build().make_stages(InputForm(shape, cards), width)
    return stages


def run(stages: nn.ModuleList, x: Tensor) -> Tensor:
    with torch.no_grad():
        for stage in stages.eval():
            x = stage(x)
            assert tuple(x.shape[1:]) == stage.output_shape
    return x


def images(*shape: int) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))


def same_numbers(one: nn.ModuleList, other: nn.ModuleList) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_text_gives_the_network_that_it_names() -> None:
    torch.manual_seed(0)
    assert same_numbers(mlp(4, (7, 5)), make("mlp:hidden=7/5", (4,)))
    torch.manual_seed(0)
    expected = lenet((3, 20, 28), (3, 5), (4, 5, 6))
    assert same_numbers(make("lenet:channels=4/5/6,kernels=3/5", (3, 20, 28)), expected)
    assert [s.output_shape for s in expected] == [(4, 9, 13), (5, 2, 4), (6,)]


def test_inside_a_suite_a_plus_divides_options() -> None:
    written = read_backbone("resmlp:size=8+blocks=3+dropout=1e-1")
    assert written.values == {"size": 8, "blocks": 3, "dropout": 0.1}
    assert written.canonical == read_backbone("resmlp:blocks=3,dropout=0.1,size=8").canonical


@pytest.mark.parametrize(
    ("text", "shape", "sentence"),
    [
        ("mpl", (4,), "There is no backbone `mpl`; the nearest: `mlp`"),
        ("hard", (4,), "There is no backbone `hard`; it is a sharing."),
        ("mlp:hiden=3", (4,), "`mlp` has no option `hiden`; the nearest it has: `hidden`."),
        ("mlp:hidden=0", (4,), "`hidden` of `mlp` should be a list like 0.5/0.5"),
        ("lenet", (4,), "`lenet` should be given images, rows of the shape (channels, rows, columns). Found (4,)"),
        (
            "lenet",
            (1, 9, 9),
            "`lenet` should be given images that its kernels (5, 5) leave a pixel of. Found images of 9x9",
        ),
        ("resmlp", (3, 8, 8), "`resmlp` should be given rows of numbers (d,). Found rows of the shape (3, 8, 8)"),
        (
            "torchvision:model=resnet81",
            (3, 64, 64),
            "There is no classification network `resnet81` in torchvision; the",
        ),
        ("torchvision:model=vit_b_32", (3, 60, 60), "should be given images of a size that it can divide. Found 60x60"),
        ("timm:model=resnet81", (3, 64, 64), "There is no network `resnet81` in timm; the nearest: `resnet"),
        ("timm:model=hf-hub:timm/resnet18", (3, 64, 64), "There is no network `hf-hub:timm/resnet18` in timm"),
    ],
)
def test_mistakes_are_one_sentence(text: str, shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=rf"{re.escape(sentence)}.*") as caught:
        make(text, shape)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["timm:model=resnet10t", "torchvision:model=squeezenet1_1"])
def test_a_network_of_fixed_channels_refuses_a_width(text: str) -> None:
    with pytest.raises(
        UsageError, match=rf"^`width` should be 1 for `{text}`, whose channels are fixed\. Found `width = 2`"
    ):
        make(text, (3, 64, 64), width=2.0)


def test_timm_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"needs timm; `pip install 'mtlbench\[timm\]'` brings it"):
        make("timm:model=resnet18", (3, 64, 64))


def test_the_form_of_rows_is_checked() -> None:
    assert InputForm((4,), (3, 2)).size == 4
    for shape, cards in (((1,), (3, 2)), ((3, 4, 4), (2,)), ((4,), (0,))):
        with pytest.raises(ValueError, match="`cards` should have a number above 0 for each of the last columns"):
            InputForm(shape, cards)


def test_each_category_has_a_vector_and_unknown_ones_have_none() -> None:
    layer = Embedded(1, (3, 120))
    assert [embedding_length(card) for card in (2, 3, 120)] == [2, 2, 50]
    assert layer.outputs == 1 + 2 + 50
    x = torch.tensor([[0.5, 2, 7], [0.25, 0, 119], [1, 3, -1], [2, float("nan"), 120]])
    y = layer(x)
    small, large = layer.tables
    assert torch.equal(y[:, 0], x[:, 0])
    assert torch.equal(y[:2, 1:3], small.weight[[2, 0]])
    assert torch.equal(y[:2, 3:], large.weight[[7, 119]])
    assert y[2:, 1:].count_nonzero() == 0
    y.sum().backward()
    assert small.weight.grad[3].count_nonzero() == large.weight.grad[120].count_nonzero() == 0
    assert small.weight.grad[2].tolist() == [1, 1]


def test_a_residual_perceptron_is_what_its_equation_says() -> None:
    stages = make("resmlp:size=6,blocks=1", (4,), (3,)).eval()
    x = torch.tensor([[0.5, -1, 2, 1], [1, 0, 0, 2.0]])
    (embedded, first), (block, norm, _) = stages
    z = first(torch.cat([x[:, :3], embedded.tables[0].weight[[1, 2]]], dim=1))
    by_norm, up, _, down, _ = block.branch
    expected = torch.relu(norm(z + down(torch.relu(up(by_norm(z))))))
    assert torch.equal(run(stages, x), expected.detach())


def features_of_torchvision(model: str, shape: tuple[int, int, int]) -> tuple[nn.Module, str]:
    """A network with the weights that `make` draws, and the name of the layer behind its features."""
    from bench.backbones.torchvision import HEADS, _build_network

    torch.manual_seed(0)
    network = _build_network(model, shape).eval()
    return network, next(name for name in HEADS if hasattr(network, name))


def check_torchvision(model: str, shape: tuple[int, int, int]) -> None:
    """The input of the layer behind the features, caught in a pass of the network itself."""
    network, head = features_of_torchvision(model, shape)
    x, caught = images(*shape), []
    network.get_submodule(head).register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    with torch.no_grad():
        network(x)
    found = run(make(f"torchvision:model={model}", shape), x)
    pooled = [found]
    if found.dim() == 4:  # some pool by a function before the layer that was caught
        pooled += [adaptive_avg_pool2d(found, 1).flatten(1), found.mean([2, 3])]
    assert any(torch.equal(candidate, caught[0]) for candidate in pooled)


def check_timm(model: str, size: int | None = None) -> None:
    """Maps as `forward_features` gives them; for transformers what the whole network gives without a classifier."""
    timm = pytest.importorskip("timm")
    config = timm.get_pretrained_cfg(model)
    shape = (3, size or config.input_size[1], size or config.input_size[2])
    torch.manual_seed(0)
    fixed = {"img_size": shape[1:]} if config.fixed_input_size else {}
    network = timm.create_model(model, pretrained=False, num_classes=0, **fixed).eval()
    found = run(make(f"timm:model={model}", shape), images(*shape))
    with torch.no_grad():
        expected = network.forward_features(images(*shape)) if found.dim() == 4 else network(images(*shape))
    if getattr(network, "output_fmt", "NCHW") == "NHWC":
        expected = expected.permute(0, 3, 1, 2)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("model", TORCHVISION)
def test_stages_of_torchvision_give_its_features(model: str) -> None:
    check_torchvision(model, (3, 64, 96))


@pytest.mark.parametrize("model", TIMM)
def test_stages_of_timm_give_its_features(model: str) -> None:
    check_timm(model, None if "vit" in model or "swin" in model else 64)


@pytest.mark.slow
@pytest.mark.parametrize("model", MORE_TORCHVISION)
def test_stages_of_more_of_torchvision_give_its_features(model: str) -> None:
    check_torchvision(model, (3, 224, 224))


@pytest.mark.parametrize("text", ["timm:model=resnet14t", "torchvision:model=squeezenet1_0"])
def test_the_first_network_of_a_process_draws_the_numbers_of_the_next(text: str) -> None:
    first, left = make(text, (3, 64, 64)), torch.get_rng_state()
    assert same_numbers(first, make(text, (3, 64, 64)))
    assert torch.equal(torch.get_rng_state(), left)


def test_images_of_one_channel_are_taken() -> None:
    for text in ("resnet18", "encoder", "segnet", "torchvision:model=squeezenet1_1", "timm:model=resnet10t"):
        assert run(make(text, (1, 64, 64)), images(1, 64, 64)).dim() == 4


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ("resnet34", "resnet50", "segnet") else name
        for name in sorted(list_entries("backbone"))
    ],
)
def test_the_built_in_ones_keep_the_contract(name: str) -> None:
    outcomes = list(check("backbone", name))
    assert len(outcomes) == 7
    assert [outcome for outcome in outcomes if not outcome.passed] == []


def test_the_contract_is_not_always_kept() -> None:
    from bench.catalogue.registry import Entry
    from bench.check.check import check_entry
    from bench.core.suite import Stage

    class Wrong(Backbone):
        """Stages whose shape is not what they say, and that have no width."""

        def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
            return nn.ModuleList([Stage(nn.Flatten(), nn.Linear(inputs.size, 3), output_shape=(2,))])

    advice = [outcome.advice for outcome in check_entry(Entry("backbone", "wrong", Wrong, 1, "")) if not outcome.passed]
    assert len(advice) == 1
    assert "`output_shape` of stage 0 should be what it returns, (3,)" in advice[0]

    class Narrow(Wrong):
        """Shapes are right, but nothing is scaled."""

        def make_stages(self, inputs: InputForm, width: float = 1.0) -> nn.ModuleList:
            return nn.ModuleList([Stage(nn.Flatten(), nn.Linear(inputs.size, 2), output_shape=(2,))])

    failed = [o for o in check_entry(Entry("backbone", "narrow", Narrow, 1, "")) if not o.passed]
    assert [outcome.rule for outcome in failed] == ["scales"]


def test_the_list_names_them_with_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "backbones", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    assert listed.keys() == list_entries("backbone").keys()
    assert listed["mlp"]["options"][0]["name"] == "hidden"
    assert main(["list", "backbones"]) == 0
    assert "hidden=64/64" in re.sub(r"\s+", " ", capsys.readouterr().out)


class Cut(Tiny):
    """`Tiny` on images and a network of timm."""

    def __init__(self) -> None:
        super().__init__()
        self.input_shape = (3, 32, 32)
        self.tasks = [
            Task(
                name,
                lambda shape: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], 1)),
                loss,
                Regression,
            )
            for name in TASKS
        ]
        self.protocol = self.protocol.model_copy(update={"epochs": 1, "steps_per_epoch": 1})

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        stages: nn.ModuleList = read_backbone("timm:model=resnet10t").build().make_stages(InputForm((3, 32, 32)), width)
        return stages

    def dataset(self, split: Any, seed: int) -> Dataset:
        x = wave(ROWS, 3 * 32 * 32, 0.3).view(ROWS, 3, 32, 32).float()
        y = wave(ROWS, len(TASKS), 0.7).float()
        return Dataset(dict.fromkeys(TASKS, x), {name: y[:, [t]] for t, name in enumerate(TASKS)})


@pytest.mark.parametrize(
    "method", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SHARINGS]
)
def test_every_sharing_trains_a_network_that_was_cut(method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if method in WIDER:
            with pytest.raises(UsageError, match="`width` should be 1 for `timm:model=resnet10t`"):
                run_of(method, Cut())
            return
        run = run_of(method, Cut())
        before = {name: p.detach().clone() for name, p in run.model.heads.named_parameters()}
        after = dict(train_run(run).heads.named_parameters())
    assert all(p.isfinite().all() and not torch.equal(p, before[name]) for name, p in after.items())
