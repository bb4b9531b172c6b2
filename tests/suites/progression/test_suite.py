"""progression: weights change along the visits as is said, patients leave, and data is what the suite says."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from bench.planning.plan import parse_suite
from suites.progression.truths import BIOMARKERS, COURSES, GROUP, MONTHS, SIGNAL, draw_courses


@pytest.mark.parametrize("truth", COURSES)
def test_signals_have_the_size_that_is_said(truth: str) -> None:
    drawn = np.stack([draw_courses(truth, seed) for seed in range(600)])
    assert drawn.shape == (600, BIOMARKERS, len(MONTHS))
    assert (drawn**2).sum(axis=1).mean() == pytest.approx(SIGNAL, rel=0.06)
    assert np.array_equal(draw_courses(truth, 3), drawn[3])
    assert not np.array_equal(drawn[3], drawn[4])


def test_groups_enter_late_and_stay() -> None:
    W = draw_courses("late", 0)
    assert (W >= 0).all()
    used = W != 0
    assert used.sum(axis=0).tolist() == [GROUP, GROUP, 2 * GROUP, 2 * GROUP, 3 * GROUP, 3 * GROUP]
    entered = used.argmax(axis=1)[used.any(axis=1)]
    assert sorted(entered.tolist()) == [0] * GROUP + [2] * GROUP + [4] * GROUP
    assert not used.any(axis=1)[np.arange(BIOMARKERS) // GROUP == 20].any()
    for row, since in zip(W[used.any(axis=1)], entered, strict=True):
        assert (row[since:] == row[-1]).all()
    groups = np.flatnonzero(used.any(axis=1)).reshape(3, GROUP)
    assert (groups % GROUP == np.arange(GROUP)).all()  # each is a whole group


def test_weights_change_smoothly_or_not_at_all_alike() -> None:
    drawn = {truth: np.stack([draw_courses(truth, seed) for seed in range(300)]) for truth in COURSES}
    months = np.array(MONTHS, dtype=float)
    expected = np.exp(-((months[:, None] - months) ** 2) / (2 * 36.0**2))
    for truth, wanted in (("smooth", expected), ("few", expected), ("unrelated", np.eye(6))):
        flat = drawn[truth].reshape(-1, 6)
        assert np.abs(np.corrcoef(flat.T) - wanted).max() < 0.05
    assert ((drawn["few"] != 0).any(axis=2).sum(axis=1) == 9).all()
    assert (drawn["smooth"] != 0).all()


@pytest.mark.parametrize("leaving", ["random", "sick"])
def test_patients_leave_and_do_not_come_back(leaving: str) -> None:
    _, suite = parse_suite(f"progression:leave=0.5,leaving={leaving},patients=200")
    train, test, W = suite.dataset("train", 1), suite.dataset("test", 1), suite.known_weights(1)
    assert W is not None
    scores = torch.cat([train.targets[task.name] for task in suite.tasks], dim=1)
    absent = scores.isnan()
    assert absent.sum(dim=0).tolist() == [0, 12, 25, 50, 75, 100]  # leave m / 48 of 200, rounded
    assert bool((absent[:, 1:] >= absent[:, :-1]).all())
    assert not any(target.isnan().any() for target in test.targets.values())
    at_first = train.inputs["month00"].double() @ W[:, 0]
    sick = float(at_first[absent[:, -1]].min() - at_first[~absent[:, -1]].max())
    assert sick > 0 if leaving == "sick" else sick < 0


def test_scores_are_linear_with_the_noise_that_is_said() -> None:
    _, suite = parse_suite("progression:leave=0,noise=0.5,patients=3000")
    data, W = suite.dataset("train", 2), suite.known_weights(2)
    assert W is not None
    left = [
        data.targets[t.name][:, 0].double() - data.inputs[t.name].double() @ W[:, k] for k, t in enumerate(suite.tasks)
    ]
    noise = torch.stack(left)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)
    assert float(torch.corrcoef(noise).fill_diagonal_(0).abs().max()) < 0.08
    assert len(data.groups) == 1
    assert suite.dataset("train", 2).inputs["month00"] is data.inputs["month00"]
    assert not torch.equal(suite.dataset("train", 3).inputs["month00"], data.inputs["month00"])


def test_the_mixed_order_has_the_same_patients() -> None:
    (_, first), (_, mixed) = parse_suite("progression"), parse_suite("progression:order=mixed")
    names = [task.name for task in mixed.tasks]
    assert names == ["month00", "month24", "month06", "month48", "month12", "month36"]
    one, two = first.dataset("train", 4), mixed.dataset("train", 4)
    assert list(two.targets) == names
    for name in names:
        assert torch.equal(one.targets[name], two.targets[name]) or one.targets[name].isnan().any()
        assert torch.equal(one.targets[name].nan_to_num(), two.targets[name].nan_to_num())
    places = [[task.name for task in first.tasks].index(name) for name in names]
    assert torch.equal(mixed.known_weights(4), first.known_weights(4)[:, places])  # type: ignore[arg-type,index]
    neighbours = {frozenset(pair) for pair in pairwise(names)}
    ordered = [task.name for task in first.tasks]
    assert not neighbours & {frozenset(pair) for pair in pairwise(ordered)}


def test_checksums_follow_the_dials() -> None:
    texts = ["", ":truth=few", ":leave=0.4", ":leaving=sick", ":noise=2", ":patients=90"]
    sums = [parse_suite(f"progression{text}")[1].checksums()["generator"] for text in texts]
    assert len(set(sums)) == len(texts)
    fresh = parse_suite("progression")[1].sealed(0, 17)
    assert fresh is not None
    assert not torch.equal(fresh.inputs["month00"], parse_suite("progression")[1].dataset("test", 0).inputs["month00"])
