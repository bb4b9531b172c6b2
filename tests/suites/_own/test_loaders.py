"""Suites of data sets and loaders in Python: what is read, in which order, and what is refused."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from bench.api import Classification, Regression, Suite, Task, UsageError, mse_loss

KINDS = {"price": "real", "kind": "class:3", "sold": "binary", "level": "ordinal:4", "visits": "count"}


class Flats(Dataset[Any]):
    """Rows with a target of every kind of one number; every seventh lacks its class, every fifth its price."""

    def __init__(self, rows: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.x = torch.randn(rows, 4, generator=draw)
        self.targets: dict[str, Tensor] = {
            "price": 300 + 80 * self.x[:, 0],
            "kind": (self.x[:, 1] > 0).long() + (self.x[:, 2] > 0).long(),
            "sold": (self.x[:, 0] > 0).long(),
            "level": (self.x[:, 3].clamp(-1.5, 1.49) + 1.5).long(),
            "visits": torch.poisson(self.x[:, 1].exp(), generator=draw),
        }
        self.targets["kind"][::7] = -1
        self.targets["price"][::5] = torch.nan

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Mapping[str, Any]]:
        return self.x[row], {name: target[row] for name, target in self.targets.items()}


def make_suite(train: Any = None, test: Any = None, **options: Any) -> Suite:
    """A suite of flats, but for what is given."""
    values: dict[str, Any] = {"tasks": KINDS, **options}
    return Suite.from_loaders(
        Flats(60, 0) if train is None else train, Flats(40, 1), Flats(40, 2) if test is None else test, **values
    )


def test_rows_and_missing_labels_are_those_of_the_data_set() -> None:
    suite, flats = make_suite(), Flats(60, 0)
    rows = suite.dataset("train", 0)
    assert torch.equal(rows.inputs["price"], flats.x)
    assert all(x is rows.inputs["price"] for x in rows.inputs.values())
    assert rows.partly_labelled == {"price", "kind"}
    assert torch.equal(rows.targets["kind"], flats.targets["kind"])
    price = flats.targets["price"]
    assert torch.equal(rows.targets["price"].isnan()[:, 0], price.isnan())
    there = ~price.isnan()
    unit = rows.units["price"]
    _, restored = unit.restore(rows.targets["price"], rows.targets["price"])
    assert torch.allclose(restored[there, 0], price[there].double(), rtol=1e-6)
    # Of the training rows, in every split.
    assert unit.shift == pytest.approx(float(price[there].double().mean()))  # type: ignore[union-attr]
    assert suite.dataset("test", 0).units["price"] == unit
    assert suite.protocol.splits == {"train": 60, "val": 40, "test": 40}


def collate(items: list[Any]) -> tuple[Tensor, dict[str, Tensor]]:
    """A batch as users' own functions make it."""
    return torch.stack([x for x, _ in items]), {
        name: torch.stack([targets[name] for _, targets in items]) for name in items[0][1]
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda flats: DataLoader(flats, batch_size=7, shuffle=True),
        lambda flats: DataLoader(flats, batch_size=7, drop_last=True),
        lambda flats: DataLoader(flats, batch_size=16, shuffle=True, collate_fn=collate),
        lambda flats: [(x, tuple(targets.values())) for x, targets in (flats[n] for n in range(len(flats)))],
        lambda flats: [
            (x.tolist(), [None if v != v else v.item() for v in t.values()]) for x, t in (flats[n] for n in range(60))
        ],
    ],
)
def test_every_form_of_the_same_rows_is_the_same_data(wrap: Callable[[Any], Any]) -> None:
    state = torch.get_rng_state()
    assert make_suite(wrap(Flats(60, 0))).checksums() == make_suite().checksums()
    assert torch.equal(torch.get_rng_state(), state)  # what a run draws does not depend on reading


def test_checksums_tell_inputs_labels_kinds_and_networks_apart() -> None:
    moved, relabelled = Flats(60, 0), Flats(60, 0)
    moved.x[3, 1] += 1e-3
    relabelled.targets["level"][5] = (relabelled.targets["level"][5] + 1) % 4
    others = [
        make_suite(),
        make_suite(moved),
        make_suite(relabelled),
        make_suite(tasks={**KINDS, "kind": "class:4"}),
        make_suite(backbone="mlp:hidden=8"),
        make_suite(stream=True, backbone="mlp:hidden=9"),
    ]
    assert len({str(sorted(suite.checksums().items())) for suite in others}) == len(others)


class Stream(IterableDataset[Any]):
    """Flats without numbers."""

    def __iter__(self) -> Iterator[Any]:
        flats = Flats(60, 0)
        return (flats[n] for n in range(60))


def test_loaders_without_numbers_are_read_as_they_come() -> None:
    assert make_suite(DataLoader(Stream(), batch_size=9)).checksums() == make_suite().checksums()
    drawn = [
        make_suite(DataLoader(Flats(60, 0), batch_size=8, sampler=WeightedRandomSampler([1.0] * 60, 50)))
        for _ in range(2)
    ]
    assert drawn[0].protocol.splits["train"] == 50
    assert drawn[0].checksums() == drawn[1].checksums() != make_suite().checksums()


def test_a_tensor_with_a_column_for_each_task_is_a_tuple() -> None:
    x = torch.randn(30, 2)
    data = TensorDataset(x, x * torch.tensor([2.0, 3.0]))
    suite = Suite.from_loaders(data, data, data, tasks={"a": "real", "b": "real"})
    rows = suite.dataset("train", 0)
    assert rows.units["b"].scale == pytest.approx(3 * float(x[:, 1].double().std(correction=0)))  # type: ignore[union-attr]


def test_ready_tasks_take_their_targets_as_they_come() -> None:
    data = [(torch.randn(3), {"pair": torch.tensor([float(n), 1.0]), "even": n % 2}) for n in range(20)]
    tasks = [
        Task("pair", lambda shape: nn.Linear(shape[0], 2), mse_loss, Regression),
        Task("even", lambda shape: nn.Linear(shape[0], 2), nn.functional.cross_entropy, lambda: Classification(2)),
    ]
    suite = Suite.from_loaders(data, data, data, tasks=tasks)
    rows = suite.dataset("val", 0)
    assert torch.equal(rows.targets["pair"], torch.stack([target["pair"] for _, target in data]))
    assert not rows.units
    assert suite.tasks == tasks


def test_a_sequential_is_cut_and_gets_fresh_weights_by_the_seed() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5))
    suite = make_suite(backbone=network)
    stages = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        stages.append(suite.backbone())
    assert [stage.output_shape for stage in stages[0]] == [(8,), (5,)]
    weights = [stage[0][0].weight for stage in stages]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    with pytest.raises(UsageError, match=r"`width` should be 1 for `Sequential`"):
        suite.backbone(2.0)
    wide = make_suite(backbone=lambda width: nn.Sequential(nn.Linear(4, int(8 * width)), nn.ReLU()))
    assert wide.backbone(2.0)[-1].output_shape == (16,)


class Twitching(Flats):
    def __getitem__(self, row: int) -> tuple[Tensor, Mapping[str, Any]]:
        return self.x[row] + torch.randn(4), super().__getitem__(row)[1]


def change(change_row: Callable[[Tensor, dict[str, Any], int], Any]) -> list[Any]:
    """Flats as a list, with every row changed."""
    flats = Flats(60, 0)
    return [change_row(x, dict(targets), n) for n, (x, targets) in enumerate(flats[n] for n in range(60))]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"train": []}, "`train` should have rows. Found none"),
        ({"train": (row for row in ())}, "should be a map-style data set, .* Found a generator"),
        ({"train": DataLoader(Stream(), 4), "stream": True}, "should be a map-style data set to be streamed"),
        ({"train": Twitching(60, 0)}, "`train` should yield the same row each time"),
        ({"train": change(lambda x, t, n: (x, t, n))}, r"should yield pairs \(inputs, targets\). Found 3 values"),
        ({"train": change(lambda x, t, n: (x[: 4 - (n == 9)], t))}, r"Found \(4,\) in row 0 and \(3,\) in row 9"),
        ({"train": change(lambda x, t, n: (x, t | {"prize": 1}))}, "Found `prize`; the nearest: `price`"),
        ({"train": change(lambda x, t, n: (x, {"price": 1.0}))}, "should have every task. Found none of `kind`"),
        ({"train": change(lambda x, t, n: (x, (1, 2)))}, "one for each of the tasks .* Found 2"),
        ({"train": change(lambda x, t, n: (x.long(), t))}, "should be real numbers.* Found torch.int64"),
        ({"train": change(lambda x, t, n: (x / 0, t))}, "Inputs of `train` should be finite"),
        ({"train": change(lambda x, t, n: ("a", t))}, "should be tensors, arrays or numbers. Found a str"),
        (
            {"train": change(lambda x, t, n: (x, t | {"kind": 3 if n == 4 else 0}))},
            "`kind`, of kind `class:3`, should be whole numbers from 0 to 2. Found 3 in row 4 of `train`",
        ),
        ({"train": change(lambda x, t, n: (x, t | {"visits": -1}))}, "whole numbers from 0 upwards. Found -1 in row 0"),
        ({"train": change(lambda x, t, n: (x, t | {"kind": -1}))}, "Found no label of `kind` in `train`"),
        ({"train": change(lambda x, t, n: (x, t | {"price": 2.0}))}, "Found only one value of `price` in `train`"),
        ({"train": change(lambda x, t, n: (x, t | {"price": x}))}, r"should be one number for each row. Found \(4,\)"),
        ({"test": DataLoader(Flats(40, 2), sampler=WeightedRandomSampler([1.0] * 40, 40))}, "DataLoader of `test` .*"),
        (
            {"test": [(x[:3], t) for x, t in (Flats(40, 2)[n] for n in range(40))]},
            r"one shape. Found \(4,\) in `train` and \(3,\) in `test`",
        ),
        ({"tasks": {"price": "reel"}}, "the nearest: `real`"),
        ({"tasks": {"price": "class"}}, "written as `class:3`, with the number"),
        ({"tasks": {"price": "real:3"}}, "written as `real`. Found `real:3`"),
        ({"tasks": {}}, "`tasks` should have a task"),
        ({"protocol": {"epoch": 3}}, "the nearest: `epochs`"),
        ({"protocol": {"epochs": -3}}, "`epochs`.*-3"),
        ({"protocol": {"metrics": {}}}, "Found `metrics`"),
        ({"backbone": "mpl"}, "`mlp`"),
        ({"backbone": nn.ModuleList([nn.Linear(4, 2)])}, "Found an `nn.ModuleList`"),
        ({"backbone": lambda width: 3}, "should return stages .* Found an int"),
    ],
)
def test_what_does_not_fit_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as raised:
        make_suite(**options)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")
