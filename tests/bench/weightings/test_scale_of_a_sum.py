"""Weightings have one scale, that of `uniform`, whose losses are summed; and what the others' scale is."""

import pytest
import torch
from torch import Tensor, nn

from bench.catalogue.registry import choose, list_entries
from bench.core.state import StepState, TrainState
from bench.core.weighting import GramianWeighting, Scalarised, Weighting
from bench.records import parse_call

NAMES = ["a", "b", "c", "d"]
UNLIKE = {"cagrad", "fairgrad", "nash_mtl", "rlw"}


def ask(weighting: Weighting, gramian: Tensor, losses: Tensor | None = None) -> Tensor:
    """The weights of a first step, by default at equal losses."""
    losses = torch.full((len(gramian),), 0.7, dtype=torch.float64) if losses is None else losses
    weights: Tensor = weighting.double()(StepState(losses, TrainState(generator=torch.Generator()), gramian.double()))
    return weights.detach()


def build(text: str) -> Weighting:
    """A weighting of four tasks."""
    weighting: Weighting = choose("weighting", parse_call(text)).build(NAMES).double()
    return weighting


def equal(size: float) -> Tensor:
    """The Gramian of four equal gradients of squared length `size`."""
    return torch.full((4, 4), size)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", sorted(set(list_entries("weighting")) - UNLIKE))
def test_the_step_of_equal_tasks_is_that_of_uniform(name: str, size: float) -> None:
    """sum_t w_t g = 4 g; weights of whole losses, which heads feel, are 1 each."""
    weighting = build(name)
    weights = ask(weighting, equal(size))
    assert float(weights.sum()) == pytest.approx(4, rel=1e-6)
    if weighting.scales == "losses":
        assert weights.tolist() == pytest.approx([1.0] * 4, rel=1e-6)
    assert not weighting.unlike_uniform


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("cagrad:c=0", 4.0),
        ("cagrad:c=0.5", 4 * 1.5),
        ("cagrad:c=0.5,rescale=authors", 4 * 1.5 / 1.25),
        ("fairgrad", 4 * (4 * 0.25) ** -0.5),  # 4 |g|^2 w = 1 / w
        ("fairgrad:alpha=0.5", 4 * (4 * 0.25) ** (-1 / 3)),  # 4 |g|^2 w = w^(-2)
        ("nash_mtl", 1 / 0.5),  # a step of norm 1, from gradients of norm 0.5
        ("nash_mtl:clip=0", 2 / 0.5),  # of norm sqrt(4)
        ("rlw", 4.0),
    ],
)
def test_what_the_others_do_with_equal_tasks(text: str, total: float) -> None:
    weighting = build(text)
    assert float(ask(weighting, equal(0.25)).sum()) == pytest.approx(total, rel=1e-6)
    assert weighting.unlike_uniform


def test_authors_rescale_every_step_of_cagrad_alike() -> None:
    J = torch.randn(4, 9, generator=torch.Generator().manual_seed(0)).double()
    paper, authors = (ask(build(f"cagrad:c=0.4{option}"), J @ J.T) for option in ("", ",rescale=authors"))
    assert torch.allclose(paper, authors * 1.16, rtol=1e-9)


@pytest.mark.parametrize(("text", "length"), [("nash_mtl", 1.0), ("nash_mtl:clip=0", 2.0), ("nash_mtl:clip=1.9", 1.9)])
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_nash_is_normalised_gradient_descent(text: str, length: float, size: float) -> None:
    """w^T G w = sum_t w_t / w_t = T: the clip binds at every step, whatever the gradients."""
    for seed in range(5):
        J = size * torch.randn(4, 9, generator=torch.Generator().manual_seed(seed)).double()
        assert float((ask(build(text), J @ J.T) @ J).norm()) == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize(
    "name", [name for name, entry in list_entries("weighting").items() if entry.cls.scales == "shared"]
)
def test_where_gradients_say_nothing_the_step_is_uniform(name: str) -> None:
    assert torch.equal(ask(build(name), torch.zeros(4, 4)), torch.ones(4).double())


class Softened(nn.Module):
    """S = mean_t (exp(s_t) L_t - s_t), with s learned."""

    def __init__(self) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.zeros(4))

    def forward(self, losses: Tensor) -> Tensor:
        return (self.s.exp() * losses - self.s).mean()


class Learned(Scalarised):
    """A learned mean."""

    sum_of_weights = "1"


class Squared(GramianWeighting):
    """w_t = |g_t| / T^2, of degree 1/2."""

    sum_of_weights = "1/T"
    degree = 0.5


def test_a_learned_mean_trains_its_own_parameters_by_the_sum() -> None:
    """d/ds_t of sum_t exp(s_t) L_t - s_t at s = 0 is L_t - 1."""
    weighting, losses = Learned(NAMES, Softened()).double(), torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    weights = weighting(StepState(losses, TrainState()))
    (weights @ losses + weighting.regulariser()).backward()
    assert torch.allclose(weights, torch.ones(4).double())
    assert torch.allclose(weighting.scalarisation.s.grad, losses - 1)


def test_a_mean_of_a_mean_is_multiplied_twice() -> None:
    """Together with the degree: G of trace 4 s^2 gives w = T^2 |g_t| / T^2 = s."""
    weighting = Squared(NAMES, lambda G: G.diagonal().sqrt() / 16)
    assert weighting.sum_factor(4) == 16
    assert torch.allclose(ask(weighting, 9.0 * torch.eye(4)), torch.full((4,), 3.0).double())
