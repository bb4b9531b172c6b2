"""Methods on an encoder of transformers: tokens with padding, in one's own loop."""

import copy
import itertools

import pytest
import torch
import transformers as hf
from torch import Tensor, nn

from bench.catalogue.registry import list_entries
from bench.core.self_fitting import SelfFitting
from bench.errors import UsageError
from bench.loop.own_network import OwnNetwork
from bench.loop.share import share
from bench.toolbox.cut_encoder import cut_encoder
from bench.toolbox.named_inputs import read_named_inputs
from tests.bench.toolbox.encoders import SMALL, make_batch, make_encoder

METHODS = ["hard", "hard:split=1", "single_task", "cross_stitch", "soft+l2:halflife=10", "lora"]
LOOKS_AT_ROWS = ("adashare", "adatt", "cgc", "mmoe", "mtan", "ple")  # and are given names, not one tensor
REFUSED = {
    **dict.fromkeys(LOOKS_AT_ROWS, "for a method that looks at it beside the stages, as gates do. Found a dict;"),
    **dict.fromkeys(
        (name for name, entry in list_entries("sharing").items() if issubclass(entry.cls, SelfFitting)),
        "fitted to all rows at once",
    ),
    **dict.fromkeys(("dmtrl", "dselect_k", "learn_to_branch"), "give `stages` as a function that makes fresh ones"),
    **dict.fromkeys(("hard_wide", "single_task_narrow", "single_task_wide"), "whose width is fixed"),
}


class First(nn.Module):
    """A head on the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        y: Tensor = self.linear(hidden[:, 0])
        return y


class Mean(First):
    """A head on the mean of the tokens that are there."""

    def forward(self, hidden: Tensor) -> Tensor:
        mask = read_named_inputs()["attention_mask"].unsqueeze(-1)
        y: Tensor = self.linear((hidden * mask).sum(dim=1) / mask.sum(dim=1))
        return y


def make(method: str, name: str = "bert", **options: object) -> OwnNetwork:
    torch.manual_seed(0)
    heads = {"a": First(), "b": Mean()}
    stages = cut_encoder(make_encoder(name).eval(), 3)
    return share(stages, heads, method, example=make_batch(name), **options).double()  # type: ignore[arg-type]


def make_fresh(method: str) -> OwnNetwork:
    """Every tower and expert with weights of its own, as the model draws them."""
    torch.manual_seed(0)
    heads = {"a": First(), "b": Mean()}
    network = share(lambda _: cut_encoder(draw_bert(), 3), heads, method, example=make_batch("bert"), updates=10)
    return network.double()


def draw_bert() -> nn.Module:
    model: nn.Module = hf.BertModel(hf.BertConfig(**SMALL, initializer_range=0.3))
    return model.eval()


def losses(net: OwnNetwork, batch: object) -> dict[str, Tensor | None]:
    return {task: (y - len(task)).square().mean() for task, y in net(batch).items()}


def stir(net: OwnNetwork, batch: object, steps: int = 3) -> None:
    """Train a little, so that towers, updates and units differ."""
    optimiser = torch.optim.SGD(net.parameter_groups(lr=0.05, optimiser="sgd"))
    for _ in range(steps):
        net.step(losses(net, batch), optimiser)


@pytest.mark.parametrize("method", ["hard", "single_task", "soft+l2", "lora"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_network_starts_as_the_encoder_with_heads(method: str, name: str) -> None:
    net, model, batch = make(method, name), make_encoder(name).double().eval(), make_batch(name)
    hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
    first, mean = (head.module.linear for head in net.heads.values())  # type: ignore[union-attr]
    found = net(batch)
    assert torch.equal(found["a"], first(hidden[:, 0]))  # type: ignore[operator]
    assert torch.equal(found["b"], mean((hidden * mask).sum(dim=1) / mask.sum(dim=1)))  # type: ignore[operator]


@pytest.mark.parametrize("method", METHODS)
def test_every_task_reads_its_own_mask(method: str) -> None:
    """Inputs of their own give what one task alone is given; also where tasks differ in the mask only."""
    net, batch = make(method), make_batch("bert")
    stir(net, batch)
    other = batch | {"attention_mask": torch.ones_like(batch["attention_mask"])}
    longer = make_batch("bert", rows=5, length=12, seed=4)
    for first, second in itertools.permutations([batch, other, longer], 2):
        both = net({"a": first, "b": second})
        assert torch.equal(both["a"], net(first)["a"])
        assert torch.equal(both["b"], net(second)["b"])
        assert torch.equal(net({"b": second})["b"], both["b"])
    assert not torch.equal(net(batch)["b"], net(other)["b"])


@pytest.mark.parametrize("method", METHODS)
def test_padded_positions_change_nothing_of_an_update(method: str) -> None:
    """Not the loss, and no gradient, but that of the embedding of the tokens that stood there."""
    batch = make_batch("bert")
    there = batch["attention_mask"].bool()
    gradients = []
    for ids in (batch["input_ids"], torch.where(there, batch["input_ids"], 7)):
        net = make(method)
        stir(net, batch)
        total = net.backward(losses(net, batch | {"input_ids": ids}))
        gradients.append([total, *(p.grad for p in net.parameters() if p.grad is not None)])
    assert len(gradients[0]) > 20
    for mine, theirs in zip(*gradients, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-14, rtol=0)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_tied_towers_take_the_steps_of_hard_sharing(name: str) -> None:
    """Of an infinite strength, with their mean at the rate of the trunk: equal weights after 3 steps."""
    batch, tied, hard = make_batch(name), make("soft+l2:strength=inf", name), make("hard", name)
    for net in (tied, hard):
        optimiser = torch.optim.SGD(net.parameter_groups(lr=0.05, optimiser="sgd", trunk_lr_rule="mean"))
        for _ in range(3):
            net.step(losses(net, batch), optimiser)
    for copies, weight in zip(tied.copies().values(), hard.sharing.parameters(), strict=True):
        assert torch.allclose(copies, weight.expand_as(copies), atol=1e-10, rtol=0)


def test_stitched_towers_read_hidden_states_of_each_other() -> None:
    net, batch = make("cross_stitch"), make_batch("bert")
    stir(net, batch)
    y = net(batch)["a"].square().sum()
    parts = {name: p for name, p in net.sharing.named_parameters() if "towers.1" in name}
    found = torch.autograd.grad(y, list(parts.values()), allow_unused=True)
    assert sum(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in found) > 20


@pytest.mark.parametrize("method", ["hard@pcgrad", "cross_stitch@cagrad", "soft+trace_norm:hold=0.1", "lora@dwa"])
def test_methods_train_an_encoder(method: str) -> None:
    net, batch = make(method, steps_per_epoch=5), make_batch("bert")
    optimiser = torch.optim.Adam(net.parameter_groups(lr=0.003))
    seen = [float(net.step(losses(net, batch), optimiser)) for _ in range(15)]
    assert seen[-1] < 0.3 * seen[0]


def test_a_compiled_network_takes_the_same_steps() -> None:
    plain, compiled, batch = make("cross_stitch@pcgrad"), make("cross_stitch@pcgrad"), make_batch("bert")
    fast = torch.compile(compiled, backend="aot_eager")
    for net, forward in ((plain, plain), (compiled, fast)):
        optimiser = torch.optim.SGD(net.parameter_groups(lr=0.05, optimiser="sgd"))
        for _ in range(2):
            net.step(losses(forward, batch), optimiser)  # type: ignore[arg-type]
    for mine, theirs in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("sharing", sorted(list_entries("sharing")))
def test_every_sharing_is_right_or_refused_in_a_sentence(sharing: str) -> None:
    """Right: every task's own padding changes nothing, and its own mask something."""
    batch = make_batch("bert")
    there = batch["attention_mask"].bool()
    if sharing in REFUSED:
        with pytest.raises(UsageError, match=REFUSED[sharing]):
            (make_fresh if sharing in LOOKS_AT_ROWS else make)(sharing)
        if "function that makes" not in REFUSED[sharing]:
            return
        net = make_fresh(sharing)
    else:
        net = make(f"{sharing}+l2:strength=0.1" if sharing == "soft" else sharing, updates=10)
    net.eval()
    base = net(batch)
    other = net(batch | {"input_ids": torch.where(there, batch["input_ids"], 7)})
    seen = net(batch | {"attention_mask": torch.ones_like(batch["attention_mask"])})
    for task in net.names:
        assert torch.allclose(base[task], other[task], atol=1e-12, rtol=0)
        assert not torch.allclose(base[task], seen[task], atol=1e-6)


def test_fresh_encoders_are_drawn_by_their_model() -> None:
    """Two towers of weights apart, of the spread that the config asks for; biases and norms as they start there."""
    net = make_fresh("single_task:init=independent")
    first, second = (dict(tower.named_parameters()) for tower in net.sharing.towers)  # type: ignore[union-attr]
    for name, weight in first.items():
        if weight.dim() > 1:
            assert not torch.allclose(weight, second[name], atol=0.1)
            assert 0.2 < weight.std() < 0.4
        else:
            assert torch.equal(weight, second[name])


def test_rows_are_not_changed_and_the_model_neither() -> None:
    batch, model = make_batch("bert"), make_encoder("bert").eval()
    before = copy.deepcopy(batch), copy.deepcopy(model.state_dict())
    net = share(cut_encoder(model, 2), {"a": First(), "b": Mean()}, "cross_stitch", example=batch)
    stir(net, batch)
    assert all(torch.equal(before[0][name], batch[name]) for name in batch)
    assert all(torch.equal(before[1][name], value) for name, value in model.state_dict().items())
