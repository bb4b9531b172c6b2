"""Folders of images: what becomes of labels and maps, and what is refused in one sentence with nothing written."""

import csv
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli.main import main
from bench.core.suite import Suite
from bench.planning.plan import parse_suite

pytest.importorskip("polars")
IMAGES, ROWS, COLUMNS = 30, 20, 24


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def make_image(n: int) -> np.ndarray:
    return numbers(n).integers(0, 255, (ROWS, COLUMNS, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images in one folder and, beside it, labels: a class, and numbers of which some are missing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = [["file", "tone", "red", "person"]]
    for n in range(IMAGES):
        Image.fromarray(make_image(n)).save(folder / f"{'ab'[n % 2]}_{n:02}.png")
        lines.append(
            [
                f"{'ab'[n % 2]}_{n:02}.png",
                ("dark", "light", "grey")[n % 3],
                "" if n % 5 == 0 else str(n / 7),
                str(n // 5),
            ]
        )
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


def make_classes(n: int) -> np.ndarray:
    classes = numbers(n).integers(0, 3, (ROWS, COLUMNS), dtype=np.uint8)
    classes[0] = 255
    return classes


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """Maps of four kinds in four formats; normals of every other image are missing."""
    folder = tmp_path / "rooms"
    for name in ("image", "segmentation", "depth", "normals", "heat"):
        (folder / name).mkdir(parents=True)
    for n in range(IMAGES):
        Image.fromarray(make_image(n)).save(folder / "image" / f"r{n}.png")
        Image.fromarray(make_classes(n)).save(folder / "segmentation" / f"r{n}.png")
        depth = numbers(n).integers(0, 5000, (ROWS, COLUMNS)).astype(np.uint16)
        Image.fromarray(depth).save(folder / "depth" / f"r{n}.png")
        if n % 2:
            np.save(folder / "normals" / f"r{n}.npy", numbers(n).normal(size=(ROWS, COLUMNS, 3)))
        heat = numbers(n).normal(3, 2, (ROWS, COLUMNS)).astype(np.float32)
        heat[1, 1] = np.nan
        np.save(folder / "heat" / f"r{n}.npy", heat)
    return folder


def run_import(folder: Path, *words: str) -> int:
    return main(["data", "import", str(folder), "--name", "mine", *words])


def import_photos(photos: Path, *words: str) -> int:
    return run_import(photos, "--labels", str(photos.parent / "labels.csv"), "--targets", "tone,red", *words)


def import_rooms(rooms: Path, *words: str) -> int:
    return run_import(rooms, "--maps", "--scale", "depth=0.001", "--ignore", "segmentation=255", *words)


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


def write_deep_png(path: Path) -> None:
    """A PNG of 16 bits with alpha, which Pillow would read as 8 bits."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", COLUMNS, ROWS, 16, 6, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\1" * 8 * COLUMNS) * ROWS)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def spoil_photos(photos: Path, how: str) -> list[str]:
    """Make one mistake; further words of the command."""
    first = sorted(photos.iterdir())[0]
    table = photos.parent / "labels.csv"
    match how:
        case "alpha":
            write_deep_png(first)
        case "size":
            Image.fromarray(make_image(0)[:10]).save(first)
        case "truncated":
            first.write_bytes(first.read_bytes()[:200])
        case "row":
            table.write_text(table.read_text() + "lost.png,dark,1,7\n")
        case "image":
            shutil.copy(first, photos / "extra.png")
        case "constant":
            table.write_text(
                "\n".join(
                    [line.replace("dark", "grey").replace("light", "grey") for line in table.read_text().splitlines()]
                )
            )
        case "twice":
            table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
        case "column":
            return ["--targets", "ton"]
        case "both":
            return ["--maps"]
        case "name":
            return ["--file-column", "tone"]
        case "table":
            return ["--task-column", "tone"]
        case "text":
            return ["--size", "big"]
    return []


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("alpha", "should have 8 bits a channel, or 16 bits of grey without alpha. Found 16-bit colours with an alpha"),
        ("size", "All images should have one size. Found 10x24 (`a_00.png`) and 20x24 (`a_02.png`); bring them to one"),
        ("truncated", "should be a picture that can be read. Found: "),
        ("row", "Every row of the table should have an image. Found none for `lost.png`; add the files"),
        ("image", "Every image should have a row in the table. Found none for `extra.png`; add the rows"),
        ("constant", "The target `tone` should vary. Found `grey` in every row"),
        ("twice", "Every image should have one row in the table. Found two or more of `a_00.png`."),
        ("column", "there is no `ton`, the nearest: `tone`"),
        ("both", "should come with `--labels FILE`, a table with a row for each image, or with `--maps`"),
        ("name", "The table of labels should have a column with names of the files, as `a_00.png`. Found none"),
        ("table", "`--task-column` is for tables, and has no effect on a folder of images."),
        ("text", "`--size` should read ROWSxCOLUMNS, as 64x64. Found `big`."),
    ],
)
def test_mistakes_in_labelled_images_are_one_sentence(
    photos: Path, data: Path, how: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_photos(photos, *spoil_photos(photos, how)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list((data / "own").glob("*")) if data.exists() else True


def spoil_rooms(rooms: Path, how: str) -> list[str]:
    """Make one mistake; further words of the command."""
    match how:
        case "size":
            np.save(rooms / "heat" / "r3.npy", np.ones((5, 6), np.float32))
        case "classes":
            classes = make_classes(0)
            classes[5, 5] = 9
            Image.fromarray(classes).save(rooms / "segmentation" / "r0.png")
        case "ignore":
            return ["--ignore", "segmentation=7"]
        case "constant":
            for path in (rooms / "heat").iterdir():
                np.save(path, np.ones((ROWS, COLUMNS), np.float32))
        case "hidden":
            for path in (rooms / "heat").iterdir():
                np.save(path, np.full((ROWS, COLUMNS), np.nan, np.float32))
        case "image":
            (rooms / "image" / "r4.png").unlink()
        case "twice":
            shutil.copy(rooms / "heat" / "r1.npy", rooms / "image" / "r1.npy")
        case "deep":
            write_deep_png(rooms / "depth" / "r2.png")
        case "name":
            return ["--scale", "dept=2"]
        case "none":
            shutil.rmtree(rooms / "image")
        case "colours":
            Image.fromarray(make_image(0)).save(rooms / "depth" / "r0.png")
    return []


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("size", "should have the size of the images, 20x24. Found 5x6; bring all to one, as with `--size 20x24`."),
        ("classes", "Classes of `segmentation` should be 0 to K - 1, each in some map. Found [0, 1, 2, 9], without 3"),
        ("ignore", "or give the number of unlabelled pixels, as in `--ignore segmentation=255`."),
        ("constant", "The maps of `heat` should vary. Found 1 in every pixel; leave the task out."),
        ("hidden", "The maps of `heat` should have a pixel with a label. Found none"),
        ("image", "Every map should have an image. Found none in `image` for `depth/r4`; add the images"),
        ("twice", "Files should have names of their own. Found `r1.npy` and `r1.png` in `image`; remove one."),
        ("deep", "should have 8 bits a channel, or 16 bits of grey without alpha. Found 16-bit colours with an alpha"),
        ("name", "`--scale` should name folders of maps. Found `dept`."),
        ("none", "should have a folder `image` beside one for each task, as `depth`. Found `depth`, `heat`, `normals`"),
        ("colours", "should hold (rows, columns) numbers for depth. Found uint8 of (20, 24, 3)."),
    ],
)
def test_mistakes_in_maps_are_one_sentence(
    rooms: Path, data: Path, how: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_rooms(rooms, *spoil_rooms(rooms, how)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list((data / "own").glob("*")) if data.exists() else True


def test_nothing_is_left_of_an_import_that_breaks_off(rooms: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suites._own.map_targets.write_map_target", stop)
    assert main(["data", "import", str(rooms), "--name", "mine", "--maps", "--ignore", "segmentation=255"]) == 130
    assert list((data / "own").iterdir()) == []
