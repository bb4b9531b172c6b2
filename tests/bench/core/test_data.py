"""Data: groups of tasks that share an input, gathering, slicing, and the order of batches."""

import pytest
import torch
from torch import Tensor

from bench.core.data import Dataset, Order, group_by_input
from bench.errors import UsageError


def numbered(rows: int, start: int = 0) -> Tensor:
    """Rows (n, 2) that name themselves: row i holds start + i twice."""
    return torch.arange(start, start + rows).repeat(2, 1).T.double()


def dataset(*sizes: int, shared: int = 2) -> Dataset:
    """One group of `shared` tasks and one task per further size; targets are the row's number, by task."""
    inputs: dict[str, Tensor] = {}
    for group, rows in enumerate(sizes):
        x = numbered(rows, 1000 * group)
        inputs |= dict.fromkeys((f"g{group}t{t}" for t in range(shared if group == 0 else 1)), x)
    return Dataset(inputs, {task: x[:, :1] + 0.25 * t for t, (task, x) in enumerate(inputs.items())})


def test_tasks_are_grouped_by_identity_not_by_value() -> None:
    x, y = numbered(3), numbered(3)
    groups = group_by_input({"a": x, "b": y, "c": x})
    assert [tasks for _, tasks in groups] == [["a", "c"], ["b"]]
    assert groups[0][0] is x
    assert groups[1][0] is y
    assert group_by_input({}) == []


def test_rows_are_counted_once_per_input() -> None:
    assert dataset(7, shared=3).rows == 7
    assert dataset(7, 5, 4).rows == 16


def test_shuffling_deals_the_targets_of_some_tasks_out_anew() -> None:
    """Marginals stay, tasks of one input keep their relation to each other, others keep their targets."""
    rows = dataset(50, 9, shared=3)
    shuffled = rows.shuffle_targets(["g0t1", "g0t2"], seed=3)
    assert all(shuffled.inputs[task] is x for task, x in rows.inputs.items())
    for task in ("g0t0", "g1t0"):
        assert shuffled.targets[task] is rows.targets[task]
    first, second = shuffled.targets["g0t1"], shuffled.targets["g0t2"]
    assert torch.equal(second - first, torch.full_like(first, 0.25))
    assert torch.equal(first.sort(dim=0).values, rows.targets["g0t1"])
    assert (first == rows.targets["g0t1"]).sum() < 10
    again, other = (rows.shuffle_targets(["g0t1"], seed).targets["g0t1"] for seed in (3, 4))
    assert torch.equal(again, first)
    assert not torch.equal(other, first)


def test_take_gathers_a_shared_input_once() -> None:
    inputs, targets = dataset(6, 4).take([torch.tensor([5, 0, 5]), torch.tensor([3])])
    assert inputs["g0t0"] is inputs["g0t1"]
    assert inputs["g0t0"][:, 0].tolist() == [5, 0, 5]
    assert inputs["g1t0"][:, 0].tolist() == [1003]
    assert targets["g0t0"][:, 0].tolist() == [5, 0, 5]
    assert targets["g0t1"][:, 0].tolist() == [5.25, 0.25, 5.25]
    assert targets["g1t0"][:, 0].tolist() == [1003.5]


def test_take_needs_indices_for_every_group() -> None:
    with pytest.raises(ValueError, match="zip"):
        dataset(6, 4).take([torch.tensor([0])])


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_slices_cover_every_row_once_in_order(size: int) -> None:
    data = dataset(10, 4)
    seen: dict[str, list[Tensor]] = {task: [] for task in data.inputs}
    for inputs, targets in data.slices(size):
        assert inputs.keys() == targets.keys()
        assert len({id(x) for x in inputs.values()}) == 1  # one piece, one input
        for task, x in inputs.items():
            assert len(x) <= size
            assert torch.equal(targets[task].floor(), x[:, :1])
            seen[task].append(x)
    assert all(torch.equal(torch.cat(pieces), data.inputs[task]) for task, pieces in seen.items())


def test_moving_keeps_groups_and_integer_targets() -> None:
    x = torch.rand(4, 3, 5, 5)
    data = Dataset({"a": x, "b": x, "c": x.clone()}, dict.fromkeys("abc", torch.arange(4)))
    moved = data.to(torch.device("cpu"), torch.float64, torch.channels_last)
    assert [tasks for _, tasks in moved.groups] == [["a", "b"], ["c"]]
    assert moved.inputs["a"].dtype == torch.float64
    assert moved.targets["a"].dtype == torch.int64
    assert moved.inputs["a"].is_contiguous(memory_format=torch.channels_last)
    batch, _ = moved.take([torch.tensor([2, 1])] * 2)
    assert batch["a"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch["a"], x[[2, 1]].double())


# --- the order of batches ----------------------------------------------------------------------


def test_every_pass_is_a_fresh_permutation_without_the_last_partial_batch() -> None:
    order = Order(dataset(10), 4, seed=0)
    passes = [torch.cat([order.batch(2 * p)[0], order.batch(2 * p + 1)[0]]) for p in range(20)]
    assert all(len(rows) == 8 and len(set(rows.tolist())) == 8 for rows in passes)
    assert len({tuple(rows.tolist()) for rows in passes}) == 20
    assert {row for rows in passes for row in rows.tolist()} == set(range(10))


def test_a_pass_covers_every_row_where_the_batch_divides_it() -> None:
    order = Order(dataset(12), 4, seed=3)
    for first in (0, 3, 6):
        rows = torch.cat([order.batch(step)[0] for step in range(first, first + 3)])
        assert sorted(rows.tolist()) == list(range(12))


def test_a_batch_is_a_function_of_seed_and_step_alone() -> None:
    steps = [5, 0, 17, 1, 16, 5]
    forward = {step: Order(dataset(10, 7), 6, seed=1).batch(step) for step in steps}
    jumping = Order(dataset(10, 7), 6, seed=1)
    other = Order(dataset(10, 7), 6, seed=2)
    torch.manual_seed(99)  # the global stream plays no part
    assert all(torch.equal(a, b) for step in steps for a, b in zip(jumping.batch(step), forward[step], strict=True))
    assert any(not torch.equal(other.batch(step)[0], forward[step][0]) for step in steps)


def test_the_order_of_a_group_does_not_depend_on_the_values() -> None:
    data = dataset(10, 7)
    shifted = Dataset({"a": data.inputs["g0t0"] + 1, "b": data.inputs["g1t0"] * 2}, {})
    a, b = Order(data, 6, seed=1), Order(shifted, 6, seed=1)
    assert all(torch.equal(x, y) for step in range(9) for x, y in zip(a.batch(step), b.batch(step), strict=True))


@pytest.mark.parametrize(
    ("sizes", "batch", "shares"),
    [
        ([100], 32, [32]),
        ([10], 32, [10]),  # at most all rows
        ([50, 50], 20, [10, 10]),
        ([300, 100], 40, [30, 10]),
        ([1000, 1], 64, [63, 1]),  # at least one row of every task
        ([90, 60, 50], 10, [4, 3, 2]),  # rounded down
    ],
)
def test_batches_are_in_proportion_to_rows(sizes: list[int], batch: int, shares: list[int]) -> None:
    order = Order(dataset(*sizes, shared=1), batch, seed=0)
    for step in (0, 1, 7):
        assert [len(rows) for rows in order.batch(step)] == shares


def test_unequal_groups_are_read_in_passes_of_their_own() -> None:
    order = Order(dataset(9, 3), 4, seed=0)  # 3 and 1 rows a batch: both passes have three batches
    for first in (0, 3):
        for group, rows in enumerate((9, 3)):
            seen = torch.cat([order.batch(step)[group] for step in range(first, first + 3)])
            assert sorted(seen.tolist()) == list(range(rows))
    uneven = Order(dataset(8, 3), 4, seed=0)  # 2 and 1 rows a batch: passes of four and of three batches
    seen = torch.cat([uneven.batch(step)[0] for step in range(4, 8)])
    assert sorted(seen.tolist()) == list(range(8))
    seen = torch.cat([uneven.batch(step)[1] for step in range(6, 9)])
    assert sorted(seen.tolist()) == list(range(3))


def test_groups_are_permuted_apart() -> None:
    order = Order(dataset(50, 50, shared=1), 100, seed=0)
    first, second = order.batch(0)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert not torch.equal(first, second)


# --- masks --------------------------------------------------------------------------------------


def test_a_mask_leaves_no_trace_of_what_it_hides() -> None:
    x, y, k = numbered(4), torch.tensor([[1.0, 2.0]] * 4), torch.tensor([0, 1, 2, 1])
    rows, elements = torch.tensor([True, False, True, True]), torch.tensor([[True, False]] * 4)
    data = Dataset({"y": x, "k": x, "e": x}, {"y": y, "k": k, "e": y}, masks={"y": rows, "k": rows, "e": elements})
    assert data.masks is None
    assert torch.equal(data.targets["y"].isnan(), torch.tensor([[False] * 2, [True] * 2, [False] * 2, [False] * 2]))
    assert data.targets["k"].tolist() == [0, -1, 2, 1]
    assert data.targets["e"].nan_to_num(-5).tolist() == [[1.0, -5.0]] * 4
    assert y.tolist() == [[1.0, 2.0]] * 4  # the suite's own tensor stays as it is
    assert data.partly_labelled == {"y", "k", "e"}
    assert data.find_labelled_rows("k").tolist() == rows.tolist()
    assert data.find_labelled_rows("e").tolist() == [True] * 4


def test_without_a_gap_there_is_nothing_to_do() -> None:
    x, y = numbered(3), torch.ones(3)
    data = Dataset({"y": x}, {"y": y}, masks={"y": torch.ones(3, dtype=torch.bool)})
    assert data.targets["y"] is y
    assert data.partly_labelled == frozenset()


def test_a_mask_of_stored_rows_waits_for_the_transform() -> None:
    x, stored = numbered(4), torch.tensor([7, 7, 255, 7], dtype=torch.uint8)
    mask = torch.tensor([True, True, False, True])

    def decode(rows, targets, generator):  # type: ignore[no-untyped-def]
        return rows, {task: target.long() - 5 for task, target in targets.items()}

    data = Dataset({"k": x}, {"k": stored}, decode, masks={"k": mask})
    assert data.targets["k"] is stored
    assert data.take([torch.tensor([3, 2])])[1]["k"].tolist() == [2, -1]
    assert [targets["k"].tolist() for _, targets in data.slices(3)] == [[2, 2, -1], [2]]
    moved = data.to(torch.device("cpu"), torch.float64, torch.contiguous_format)
    assert moved.partly_labelled == {"k"}
    assert moved.shuffle_targets(["k"], 0).take([torch.tensor([2])])[1]["k"].tolist() == [-1]


@pytest.mark.parametrize(
    ("target", "mask", "words"),
    [
        (torch.ones(3), torch.ones(3), "Found torch.float32"),
        (torch.ones(3, 2), torch.ones(2, dtype=torch.bool), r"bool of shape \(3, 2\) or \(3,\)"),
        (torch.ones(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool), "signed whole numbers. Found torch.bool"),
    ],
)
def test_what_is_no_mask_is_refused(target: Tensor, mask: Tensor, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Dataset({"y": numbered(3)}, {"y": target}, masks={"y": mask})
