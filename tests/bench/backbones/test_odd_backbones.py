"""Backbones and heads as people write them: frozen, lazy, in place, tied, normalised, of sequences and volumes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.data import Dataset
from bench.core.fresh import prepare_module, prepare_stages
from bench.core.suite import Stage
from bench.core.task import Regression, Task
from bench.errors import UsageError
from bench.planning.plan import validate_method
from bench.records import RunSpec
from bench.training.fit import Run
from tests.bench.methods import trained_methods
from tests.bench.test_fingerprints import ROWS, TASKS, WIDTH, Tiny, loss, wave
from tests.conftest import train_run

SHARINGS = [name for name in trained_methods() if "@" not in name and "+" not in name] + ["soft+l2", "soft+dirty"]
Stages = Callable[[], list[nn.Module]]


class Odd(Tiny):
    """`Tiny` on stages of one's own, with features of a shape of one's own."""

    def __init__(
        self,
        stages: Stages,
        shapes: list[tuple[int, ...]],
        inputs: tuple[int, ...] = (WIDTH,),
        head: Callable[[tuple[int, ...]], nn.Module] = lambda shape: nn.Linear(shape[0], 1),
        names: tuple[str, ...] = TASKS,
    ) -> None:
        super().__init__()
        self.stages, self.shapes, self.input_shape = stages, shapes, inputs
        self.tasks = [Task(name, head, loss, Regression) for name in names]
        self.protocol = self.protocol.model_copy(
            update={"epochs": 2, "steps_per_epoch": 1, "metrics": dict.fromkeys(names, "regression")}
        )

    def backbone(self, width: float = 1.0) -> nn.ModuleList:
        return nn.ModuleList(
            Stage(module, output_shape=shape) for module, shape in zip(self.stages(), self.shapes, strict=True)
        )

    def dataset(self, split: Any, seed: int) -> Dataset:
        names = [task.name for task in self.tasks]
        x = wave(ROWS, int(torch.Size(self.input_shape).numel()), 0.3).view(ROWS, *self.input_shape).float()
        y = wave(ROWS, len(names), 0.7).float()
        return Dataset(dict.fromkeys(names, x), {name: y[:, [t]] for t, name in enumerate(names)})


def run_of(method: str, suite: Tiny) -> Run:
    """A run of two updates in float64, planned as the command line plans it."""
    parsed = Method.parse(method)
    validate_method(parsed, suite, suite.protocol)
    spec = RunSpec(
        suite="odd", method=parsed.canonical, seed=0, protocol=suite.protocol, versions={}, data="", overrides={}
    )
    return Run(spec, suite, parsed)


def trained_state(method: str, suite: Tiny) -> dict[str, Any]:
    """The state of the sharing and the heads after two updates."""
    return dict(train_run(run_of(method, suite)).state_dict())


def linear(inputs: int = WIDTH, outputs: int = WIDTH) -> nn.Linear:
    return nn.Linear(inputs, outputs)


def rectified(*, inplace: bool) -> Odd:
    """Two linear stages, the second and the heads behind a rectifier at their start."""
    return Odd(
        lambda: [linear(), nn.Sequential(nn.ReLU(inplace=inplace), linear())],
        [(WIDTH,), (WIDTH,)],
        head=lambda shape: nn.Sequential(nn.ReLU(inplace=inplace), nn.Linear(*shape, 1)),
    )


@pytest.mark.parametrize("method", SHARINGS)
def test_layers_that_work_in_place_change_no_number(method: str) -> None:
    plain, inplace = (trained_state(method, rectified(inplace=choice)) for choice in (False, True))
    assert plain.keys() == inplace.keys()
    assert all(torch.equal(plain[name], inplace[name]) for name in plain if isinstance(plain[name], Tensor))


def frozen_first() -> list[nn.Module]:
    return [linear().requires_grad_(False), nn.Sequential(nn.Tanh(), linear())]


@pytest.mark.parametrize("method", trained_methods())
def test_frozen_weights_keep_their_values_under_every_method(method: str) -> None:
    run = run_of(method, Odd(frozen_first, [(WIDTH,), (WIDTH,)]))
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    frozen = {name for name, p in run.model.named_parameters() if not p.requires_grad}
    run.result()
    after = dict(run.model.named_parameters())
    assert frozen
    assert all(torch.equal(after[name], before[name]) and not after[name].requires_grad for name in frozen)
    assert any(not torch.equal(after[name], before[name]) for name in before.keys() - frozen)
    assert all(copy.requires_grad for held in run.model.held for copy in held.copies)


def test_a_constraint_needs_copies_that_learn() -> None:
    frozen = Odd(lambda: [linear().requires_grad_(False)], [(WIDTH,)])
    with pytest.raises(UsageError, match="no copies of a parameter that learn, as all of them are frozen, for `l2`"):
        run_of("soft+l2", frozen)


@pytest.mark.parametrize("method", ["hard", "single_task", "dmtrl", "soft+dirty", "hard_wide"])
def test_lazy_layers_are_the_layers_that_they_become(method: str) -> None:
    shapes: list[tuple[int, ...]] = [(WIDTH,), (WIDTH,)]
    eager = Odd(lambda: [linear(), nn.Sequential(nn.Tanh(), linear())], shapes)
    lazy = Odd(
        lambda: [nn.LazyLinear(WIDTH), nn.Sequential(nn.Tanh(), nn.LazyLinear(WIDTH))],
        shapes,
        head=lambda shape: nn.LazyLinear(1),
    )
    expected, found = (trained_state(method, suite) for suite in (eager, lazy))
    assert expected.keys() == found.keys()
    for name, value in expected.items():  # a constraint's own state is no tensor
        same = torch.equal(value, found[name]) if isinstance(value, Tensor) else value == found[name]
        assert same, name


def test_a_lazy_layer_that_cannot_know_its_shape_is_named() -> None:
    with pytest.raises(UsageError, match=r"Stage 1 of the backbone should take rows of the shape \(3,\)"):
        prepare_stages(nn.ModuleList([Stage(linear(), output_shape=(3,)), nn.LazyConv2d(2, 1)]), (5,))
    unused = nn.Linear(4, 4)
    unused.register_module("spare", nn.LazyLinear(2))
    with pytest.raises(UsageError, match=r"The head of `a` .* \['spare.weight', 'spare.bias'\]"):
        prepare_module(unused, (4,), "The head of `a`")


def test_lazy_layers_are_filled_without_statistics_or_another_mode() -> None:
    module = nn.Sequential(nn.LazyBatchNorm1d(), nn.Dropout())
    module[1].eval()
    prepare_module(module, (3,), "It")
    assert [part.training for part in module] == [True, False]
    assert torch.equal(module[0].running_mean, torch.zeros(3))
    assert int(module[0].num_batches_tracked) == 0


NORMS = [
    nn.utils.spectral_norm,
    nn.utils.weight_norm,
    nn.utils.parametrizations.spectral_norm,
    nn.utils.parametrizations.weight_norm,
]


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", ["dmtrl", "soft+dirty", "soft+l2:form=offset"])
def test_weights_that_are_computed_are_kept_and_put_back(method: str, norm: Callable[[nn.Module], nn.Module]) -> None:
    suite = Odd(lambda: [norm(linear()), nn.Sequential(nn.Tanh(), norm(linear()))], [(WIDTH,), (WIDTH,)])
    assert run_of(method, suite).result()["selection"] == {"last": dict.fromkeys(TASKS, 2)}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("norm", NORMS)
def test_low_rank_updates_of_computed_weights_are_refused(norm: Callable[[nn.Module], nn.Module]) -> None:
    """They would be updates of the pieces that the weight is computed from."""
    with pytest.raises(UsageError, match="Found some that are computed"):
        run_of("lora", Odd(lambda: [norm(linear()), nn.Tanh()], [(WIDTH,), (WIDTH,)]))


@pytest.mark.parametrize("tied", ["layer", "weight"])
def test_low_rank_updates_reach_every_place_of_a_tied_weight(tied: str) -> None:
    def stages() -> list[nn.Module]:
        first, second = linear(), linear()
        if tied == "weight":
            second.weight = first.weight
        return [first, nn.Sequential(nn.Tanh(), first if tied == "layer" else second)]

    run = run_of("lora", Odd(stages, [(WIDTH,), (WIDTH,)]))
    trunk = run.model.sharing.trunk
    weights = train_run(run).sharing._weights_by_id(0)[id(trunk[0][0].weight)]  # type: ignore[operator]
    x, state = run.data("test").inputs["a"], run.module.state
    biases = [trunk[0][0].bias, trunk[1][0][1].bias]
    by_hand = torch.tanh(x @ weights.T + biases[0]) @ weights.T + biases[1]
    assert torch.allclose(run.model.eval().sharing({"a": x}, state)["a"], by_hand, atol=1e-12)
    assert all(parameter.is_leaf for parameter in run.model.parameters())


def over_places(kind: type[nn.Module], pool: type[nn.Module], places: int) -> Odd:
    """Two convolutions over sequences, images or volumes, then vectors."""
    sides = (4,) * places
    return Odd(
        lambda: [kind(2, 3, 3, padding=1), kind(3, 4, 3, padding=1, stride=2), nn.Sequential(pool(1), nn.Flatten())],
        [(3, *sides), (4, *[2] * places), (4,)],
        inputs=(2, *sides),
    )


@pytest.mark.parametrize("method", SHARINGS)
@pytest.mark.parametrize(
    ("kind", "pool", "places"), [(nn.Conv1d, nn.AdaptiveAvgPool1d, 1), (nn.Conv3d, nn.AdaptiveAvgPool3d, 3)]
)
def test_sequences_and_volumes_run_under_every_sharing(
    method: str, kind: type[nn.Module], pool: type[nn.Module], places: int
) -> None:
    run = run_of(method, over_places(kind, pool, places))
    before = {name: p.detach().clone() for name, p in run.model.heads.named_parameters()}
    after = dict(train_run(run).heads.named_parameters())
    assert all(p.isfinite().all() and not torch.equal(p, before[name]) for name, p in after.items())


@pytest.mark.parametrize("method", ["mtan", "nddr", "adashare"])
def test_a_sequence_is_an_image_of_one_line(method: str) -> None:
    state = {}
    for places, kind, size in ((1, nn.Conv1d, (3,)), (2, nn.Conv2d, (1, 3))):
        line = (1,) * (places - 1) + (4,)
        pool = nn.AdaptiveAvgPool1d if places == 1 else nn.AdaptiveAvgPool2d
        half = (1,) * (places - 1) + (2,)

        def stages(kind=kind, size=size, pool=pool, half=half):  # type: ignore[no-untyped-def]
            return [kind(2, 4, size, padding="same"), pool(half), nn.Sequential(pool(1), nn.Flatten())]

        suite = Odd(stages, [(4, *line), (4, *half), (4,)], inputs=(2, *line))
        run = run_of(method, suite)
        if places == 1:
            state = run.model.state_dict()
        else:  # a kernel of three by three sees a single line through its middle row
            own = run.model.state_dict()
            for name, value in state.items():
                if value.dim() == 3 and own[name].shape[2] == 3:
                    own[name].zero_()[:, :, 1] = value
                else:
                    own[name].copy_(value.reshape(own[name].shape))
        x = run.data("test").inputs["a"]
        found = run.model.eval()(dict.fromkeys(TASKS, x), run.module.state)
        if places == 1:
            expected = found
    assert all(torch.allclose(expected[task], found[task], atol=1e-12) for task in TASKS)


@pytest.mark.parametrize("names", [("forward", "keys", "training"), ("type", "/type", "_modules")])
def test_tasks_may_be_called_as_torch_calls_its_own(names: tuple[str, ...]) -> None:
    odd = Odd(frozen_first, [(WIDTH,), (WIDTH,)], names=names)
    plain = Odd(frozen_first, [(WIDTH,), (WIDTH,)])
    run = run_of("hard", odd)
    assert list(run.result()["statistics"]["last"]) == list(names)
    assert [run.model.heads[name].out_features for name in names] == [1, 1, 1]
    assert "heads.a.weight" in run_of("hard", plain).model.state_dict()
