"""Folders of images: what becomes of labels and maps."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cli.main import main
from bench.core.suite import Suite
from bench.planning.plan import parse_suite
from tests.suites._own.small_images import (
    COLUMNS,
    IMAGES,
    ROWS,
    import_photos,
    import_rooms,
    make_classes,
    make_image,
    numbers,
    run_import,
)

pytest.importorskip("polars")


def read_suite(data: Path) -> Suite:
    return parse_suite("mine", data)[1]


def find_order(data: Path) -> list[int]:
    """Which image each stored row is, by its bytes."""
    stored = np.load(data / "own" / "mine" / "images.npy")
    known = {make_image(n).tobytes(): n for n in range(IMAGES)}
    return [known[image.tobytes()] for image in stored]


def test_labels_stand_beside_the_image_that_they_are_of(photos: Path, data: Path) -> None:
    assert import_photos(photos) == 0
    order, suite = find_order(data), read_suite(data)
    assert sorted(order) == list(range(IMAGES))
    assert [task.name for task in suite.tasks] == ["tone", "red"]
    start = 0
    for split in ("train", "val", "test"):
        rows = suite.dataset(split, 0)
        images, targets = rows.take([torch.arange(rows.rows)])
        here = order[start : start + rows.rows]
        start += rows.rows
        assert images["tone"].shape == (len(here), 3, ROWS, COLUMNS)
        assert images["tone"] is images["red"]
        assert targets["tone"].tolist() == [(0, 2, 1)[n % 3] for n in here]  # levels by name: dark, grey, light
        unit = rows.units["red"]
        expected = torch.tensor([float("nan") if n % 5 == 0 else n / 7 for n in here], dtype=torch.float64)
        assert torch.allclose(
            unit.restore(targets["red"], targets["red"])[1][:, 0], expected, atol=1e-6, equal_nan=True
        )
    train = suite.dataset("train", 0)
    images = train.take([torch.arange(train.rows)])[0]["tone"].double()
    assert torch.allclose(images.mean(dim=(0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(images.std(dim=(0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64), atol=1e-5)


def test_maps_stand_beside_their_image_in_the_units_asked_for(rooms: Path, data: Path) -> None:
    assert import_rooms(rooms) == 0
    order, suite = find_order(data), read_suite(data)
    kinds = {task.name: task.metric().kind for task in suite.tasks}
    assert kinds == {"depth": "depth", "heat": "regression", "normals": "normals", "segmentation": "segmentation"}
    rows = suite.dataset("train", 0)
    _, targets = rows.take([torch.arange(rows.rows)])
    for row, n in enumerate(order[: rows.rows]):
        classes = make_classes(n).astype(int)
        assert targets["segmentation"][row].tolist() == np.where(classes == 255, -1, classes).tolist()
        depth = numbers(n).integers(0, 5000, (ROWS, COLUMNS)).astype(np.float32) * np.float32(0.001)
        assert np.array_equal(targets["depth"][row, 0].numpy(), depth)
        heat = rows.units["heat"].restore(targets["heat"][row], targets["heat"][row])[1][0].numpy()
        expected = numbers(n).normal(3, 2, (ROWS, COLUMNS)).astype(np.float32)
        expected[1, 1] = np.nan
        assert np.allclose(heat, expected, atol=1e-5, equal_nan=True)
        if n % 2:
            normal = numbers(n).normal(size=(ROWS, COLUMNS, 3))
            normal /= np.linalg.norm(normal, axis=2, keepdims=True)
            assert np.allclose(targets["normals"][row].numpy(), normal.transpose(2, 0, 1), atol=1e-6)
        else:
            assert bool(targets["normals"][row].isnan().all())


@pytest.mark.parametrize("text", ["mine", "mine:backbone=mlp:hidden=8"])
def test_labelled_images_train(photos: Path, data: Path, tmp_path: Path, text: str) -> None:
    run_import(photos, "--labels", str(photos.parent / "labels.csv"), "--targets", "tone,person")
    store = str(tmp_path / "store")
    short = ["--set", "epochs=1", "--set", "steps_per_epoch=2"]
    assert main(["run", text, "hard", *short, "--store", store, "--device", "cpu"]) == 0
    [record] = Path(store).rglob("*.json")
    assert json.loads(record.read_text())["status"] == "done"


def test_maps_train_on_maps_only(rooms: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_rooms(rooms)
    store = str(tmp_path / "store")
    short = ["--set", "epochs=1", "--set", "steps_per_epoch=2", "--store", store, "--device", "cpu"]
    assert main(["run", "mine", "hard", "soft+l2", *short]) == 0
    capsys.readouterr()
    assert main(["run", "mine:backbone=lenet", "hard", *short]) == 1
    assert (
        "for which the backbone should end in maps (channels, rows, columns). Found features of"
        in capsys.readouterr().err
    )


def test_folders_train_and_test_are_the_splits(photos: Path, data: Path) -> None:
    for n, path in enumerate(sorted(photos.iterdir())):
        split = "test" if n % 3 == 0 else "train"
        (photos / split).mkdir(exist_ok=True)
        path.rename(photos / split / path.name)
    assert import_photos(photos, "--split", "0.5/0.25/0.25") == 0
    suite, order = read_suite(data), find_order(data)
    assert suite.protocol.split_rule == "as the folders say"
    names = sorted((f"{'ab'[n % 2]}_{n:02}", n) for n in range(IMAGES))
    assert sorted(order[-10:]) == sorted(n for place, (_, n) in enumerate(names) if place % 3 == 0)


@pytest.mark.parametrize(("group", "of"), [("person", lambda n: n // 5), ("prefix", lambda n: n % 2)])
def test_a_group_stays_in_one_split(
    photos: Path, data: Path, group: str, of: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    if group == "prefix":  # two beginnings are one too few
        assert import_photos(photos, "--group", group) == 2
        assert "Found only 2 groups" in capsys.readouterr().err
        return
    assert import_photos(photos, "--group", group) == 0
    suite, order = read_suite(data), find_order(data)
    counts = list(suite.protocol.splits.values())
    parts = [set(map(of, part.tolist())) for part in np.split(np.array(order), np.cumsum(counts)[:-1])]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 6


def test_another_size_is_bilinear_for_images_and_nearest_for_classes(rooms: Path, data: Path) -> None:
    assert import_rooms(rooms, "--size", "10x12") == 0
    rows = read_suite(data).dataset("train", 0)
    images, targets = rows.take([torch.arange(rows.rows)])
    assert images["depth"].shape[2:] == targets["segmentation"].shape[1:] == (10, 12)
    assert set(targets["segmentation"].unique().tolist()) <= {-1, 0, 1, 2}
    stored = {make_classes(n)[1::2, 1::2].tobytes() for n in range(IMAGES)}
    assert targets["segmentation"][0].to(torch.uint8).numpy().tobytes() in {
        np.where(np.frombuffer(each, np.uint8) == 255, 255, np.frombuffer(each, np.uint8)).tobytes() for each in stored
    }
