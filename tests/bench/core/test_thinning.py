"""The dial of missing labels: how many are kept, which, and that all else stays; batches with labels of all."""

import pytest
import torch
from torch import Tensor

from bench.core.data import Dataset, LabelledOrder
from bench.core.thinning import By, thin_labels, thin_suite
from bench.errors import UsageError
from bench.planning.plan import override, parse_suite, plan, suite_under_protocol
from bench.training.fit import fit

N, TASKS = 40, ("a", "b", "c", "d")


def rows(*, own: bool = False) -> Dataset:
    """Four tasks of one input, or each with one; numbers, classes, numbers, and numbers of which a half is missing."""
    x = torch.arange(2.0 * N).reshape(N, 2)
    y = x.sum(1, keepdim=True)
    half = y.masked_fill((torch.arange(N) % 2 == 0)[:, None], float("nan"))
    targets = {"a": y, "b": torch.arange(N) % 3, "c": -y, "d": half}
    return Dataset({task: x.clone() if own else x for task in TASKS}, targets)


def kept(data: Dataset) -> dict[str, set[int]]:
    """task -> the rows with a label."""
    return {task: set(data.find_labelled_rows(task).nonzero()[:, 0].tolist()) for task in TASKS}


@pytest.mark.parametrize("by", ["random", "block"])
@pytest.mark.parametrize("own", [False, True])
def test_labels_that_stay_are_as_they_were_and_inputs_are_shared(by: By, own: bool) -> None:
    whole, thin = rows(own=own), thin_labels(rows(own=own), 0.3, by, seed=0)
    assert len(thin.groups) == len(whole.groups)
    assert thin.partly_labelled == set(TASKS)
    for task, places in kept(thin).items():
        at = sorted(places)
        assert torch.equal(thin.targets[task][at], whole.targets[task][at])
        if task != "d":
            assert len(at) == 12


def test_a_random_share_is_of_the_labels_of_each_task_and_grows() -> None:
    less, more = (kept(thin_labels(rows(), share, "random", seed=0)) for share in (0.2, 0.5))
    assert [len(less[task]) for task in TASKS] == [8, 8, 8, 4]
    assert [len(more[task]) for task in TASKS] == [20, 20, 20, 10]
    assert all(less[task] < more[task] for task in TASKS)
    assert len({frozenset(places) for places in less.values()}) == 4  # each task has a draw of its own
    assert kept(thin_labels(rows(), 0.2, "random", seed=0)) == less
    assert kept(thin_labels(rows(), 0.2, "random", seed=1)) != less
    assert [len(each) for each in kept(thin_labels(rows(), 1e-9, "random", seed=0)).values()] == [1, 1, 1, 1]


@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("n", [7, 40, 41, 99])
def test_blocks_of_one_in_t_never_share_a_row(tasks: int, n: int) -> None:
    names, x = [f"t{t}" for t in range(tasks)], torch.zeros(n, 1)
    thin = thin_labels(Dataset(dict.fromkeys(names, x), dict.fromkeys(names, x)), 1 / tasks, "block", seed=0)
    counts = torch.stack([thin.find_labelled_rows(name) for name in names]).sum(dim=0)
    assert int(counts.max()) == 1
    assert int(counts.sum()) == tasks * (n // tasks)


def test_a_block_is_one_stretch_that_goes_round() -> None:
    thin = kept(thin_labels(rows(), 0.5, "block", seed=0))
    assert thin["a"] == set(range(20))
    assert thin["b"] == set(range(10, 30))
    assert thin["c"] == set(range(20, 40))
    assert thin["d"] == {row for row in (*range(30, 40), *range(10)) if row % 2}
    assert kept(thin_labels(rows(), 0.5, "block", seed=1)) == thin


def test_a_block_without_labels_is_refused() -> None:
    x = torch.zeros(10, 1)
    y = torch.cat([torch.full((8, 1), float("nan")), torch.ones(2, 1)])
    with pytest.raises(UsageError, match=r"Found none for `a` with `labels = 0\.2`"):
        thin_labels(Dataset({"a": x}, {"a": y}), 0.2, "block", seed=0)


def test_validation_and_test_keep_all() -> None:
    _, suite = parse_suite("synthetic:tasks=2")
    thin = thin_suite(suite, 0.1, "random")
    assert [bool(thin.dataset(split, 0).partly_labelled) for split in ("train", "val", "test")] == [True, False, False]  # type: ignore[arg-type]
    assert thin_suite(suite, 1, "random") is suite


def test_all_methods_of_a_seed_have_the_same_labels_and_the_whole_is_another_run() -> None:
    settings = {"labels": "0.3", "epochs": "1", "steps_per_epoch": "3"}
    specs = plan("synthetic:tasks=2,train=40", ["hard", "single_task"], [0], settings, device="cpu")
    hard, single = map(fit, specs)
    assert hard.labels == single.labels == {"train": {"task00": 12, "task01": 12}}
    assert hard.find_problems() == single.find_problems() == []
    [plain] = plan("synthetic:tasks=2,train=40", ["hard"], [0], settings | {"labels": "1"}, device="cpu")
    assert plain.run_id != specs[0].run_id
    assert "labels" not in plain.protocol.model_dump(exclude_defaults=True)
    assert fit(plain).labels == {}


def test_there_is_nothing_to_choose_where_all_labels_are_kept() -> None:
    _, suite = parse_suite("synthetic:tasks=2")
    changed, texts = override(suite.protocol, {"labels": "1.0", "labels_by": "block"})
    assert changed == suite.protocol
    assert texts == {}
    with pytest.raises(UsageError, match="labels"):
        override(suite.protocol, {"labels": "0"})


def test_replicas_are_copies_of_the_labels_too() -> None:
    _, suite = parse_suite("synthetic:tasks=3")
    protocol, _ = override(suite.protocol, {"labels": "0.2", "replica": "task01"})
    thin = suite_under_protocol(suite, protocol).dataset("train", 3)
    alone = thin_labels(suite.dataset("train", 3), 0.2, "random", 3)
    for name in thin.targets:
        assert torch.equal(thin.targets[name].nan_to_num(9), alone.targets["task01"].nan_to_num(9))


@pytest.mark.parametrize("by", ["random", "block"])
def test_a_task_keeps_the_same_labels_whoever_is_beside_it(by: By) -> None:
    _, suite = parse_suite("synthetic:tasks=3")
    protocol, _ = override(suite.protocol, {"labels": "0.2", "labels_by": by, "tasks": "task01"})
    thin = suite_under_protocol(suite, protocol).dataset("train", 3)
    assert list(thin.targets) == ["task01"]
    beside = thin_labels(suite.dataset("train", 3), 0.2, by, 3)
    assert torch.equal(thin.find_labelled_rows("task01"), beside.find_labelled_rows("task01"))


def test_shuffled_labels_stay_on_labelled_rows() -> None:
    """Those of a task are dealt out among its labelled rows; tasks with the same ones keep what they have in common."""
    gaps = torch.arange(N) % 4 != 0
    y = torch.arange(1.0 * N)[:, None]
    x = torch.zeros(N, 1)
    masks = {"a": gaps, "b": gaps, "c": torch.arange(N) < 10}
    data = Dataset(dict.fromkeys("abc", x), {"a": y, "b": y + 100, "c": y}, masks=masks)
    shuffled = data.shuffle_targets(["a", "b", "c"], seed=0)
    for task, mask in masks.items():
        assert torch.equal(shuffled.find_labelled_rows(task), mask)
        assert torch.equal(shuffled.targets[task][mask].sort(dim=0).values, data.targets[task][mask])
        assert not torch.equal(shuffled.targets[task][mask], data.targets[task][mask])
    assert torch.equal(shuffled.targets["b"][gaps], shuffled.targets["a"][gaps] + 100)


# --- batches with labels of every task ----------------------------------------------------------


def count_labels_of(data: Dataset, batch: Tensor) -> list[int]:
    """How many labels of each task a batch of a shared input has."""
    return [int(data.find_labelled_rows(task)[batch].sum()) for task in TASKS]


def test_every_batch_has_its_part_of_every_task() -> None:
    data = thin_labels(rows(), 0.1, "block", seed=0)  # 4, 4, 4 and 2 labels
    order = LabelledOrder(data, batch_size=10, seed=0)
    seen: list[int] = []
    for step in range(12):
        [batch] = order.batch(step)
        assert len(batch) == 10
        assert all(count >= part for count, part in zip(count_labels_of(data, batch), (3, 3, 2, 2), strict=True))
        seen += batch[:3].tolist()
    # Passes of the first task: each of its four labels nine times in 36 draws, none twice in a pass.
    assert sorted(seen) == sorted([0, 1, 2, 3] * 9)
    assert all(sorted(seen[at : at + 4]) == [0, 1, 2, 3] for at in range(0, 36, 4))


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    data = thin_labels(rows(), 0.2, "random", seed=0)
    forward = [LabelledOrder(data, 8, 0).batch(step)[0].tolist() for step in range(6)]
    order = LabelledOrder(data, 8, 0)
    assert [order.batch(step)[0].tolist() for step in reversed(range(6))] == forward[::-1]
    assert LabelledOrder(data, 8, 1).batch(0)[0].tolist() != forward[0]


def test_a_batch_has_a_row_for_every_task() -> None:
    with pytest.raises(UsageError, match=r"a row for each of the 4 tasks of an input\. Found 3"):
        LabelledOrder(rows(), 3, 0)
    assert [len(batch) for batch in LabelledOrder(rows(own=True), 8, 0).batch(0)] == [2, 2, 2, 2]
