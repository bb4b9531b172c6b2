"""Targets that can be learnt and say nothing: `Dataset.smooth_targets`, behind the setting `smoothed`."""

import pytest
import torch

from bench.core.data import Dataset
from bench.core.smooth import draw_smooth
from bench.errors import UsageError

X = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
NAMES = ("real", "kind", "picture")


def make_rows() -> Dataset:
    generator = torch.Generator().manual_seed(1)
    targets = {
        "real": torch.randn(300, 1, generator=generator),
        "kind": torch.randint(0, 3, (300,), generator=generator),
        "picture": torch.randn(300, 2, 2, generator=generator),
    }
    targets["real"][:20] = float("nan")
    return Dataset(dict.fromkeys(NAMES, X), targets)


def test_labels_keep_their_distribution_and_missing_ones_their_rows() -> None:
    rows = make_rows()
    smooth = rows.smooth_targets(["real", "kind"], seed=3)
    assert torch.equal(smooth.targets["real"].isnan(), rows.targets["real"].isnan())
    for task in ("real", "kind"):
        own, dealt = (each.targets[task].flatten().double().sort().values for each in (rows, smooth))
        assert torch.equal(own.nan_to_num(9.0), dealt.nan_to_num(9.0))
    assert torch.equal(smooth.targets["picture"], rows.targets["picture"])


def test_the_order_is_that_of_the_function_and_each_task_and_seed_has_its_own() -> None:
    rows = make_rows()
    real, again, other = (rows.smooth_targets(["real", "kind"], seed).targets for seed in (3, 3, 4))
    order = real["real"][20:, 0].argsort()
    means = rows.smooth_targets(["picture"], 3).targets["picture"].mean(dim=(1, 2))
    assert torch.equal(real["real"][20:], again["real"][20:])
    assert not torch.equal(real["real"][20:], other["real"][20:])
    assert not torch.equal(means[20:].argsort(), order)
    # Classes are level sets of a function: of the same function that a number of the task's name would follow.
    assert (real["kind"][1:] == real["kind"][:-1]).float().mean() < 0.6


def test_a_smooth_function_is_alike_at_near_rows_and_not_at_far_ones() -> None:
    """Over functions, corr(g(x), g(x')) = exp(-|z - z'|^2 / 2 d): 0.995 at a step of 0.1 in every number of z."""
    near = torch.cat([X, X + 0.1 * X.std(dim=0)])
    pairs = torch.stack([draw_smooth(near, seed).reshape(2, 300) for seed in range(40)]).permute(1, 0, 2).flatten(1)
    apart = torch.stack([pairs[0], pairs[0].roll(150)])
    assert torch.corrcoef(pairs)[0, 1] > 0.98
    assert abs(torch.corrcoef(apart)[0, 1]) < 0.6


def test_rows_that_are_read_as_needed_are_refused() -> None:
    rows = Dataset({"a": torch.arange(5)}, {"a": torch.randn(5, 1)})
    with pytest.raises(UsageError, match="rows are in memory"):
        rows.smooth_targets(["a"], 0)
