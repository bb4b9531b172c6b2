"""MultiMNIST: every variant against a slow reference, on small files of noise in MNIST's format."""

import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import suites.multimnist.suite as module
from bench.errors import DataMissing
from bench.planning.plan import parse_suite
from suites.multimnist.files import FILES, MD5, base_images, status
from suites.multimnist.suite import SOURCES, ChannelMask, MultiMNIST
from suites.multimnist.variants import VARIANTS

# SHA-256 of the pair lists. Those that look at no label need no data; all are frozen: a stored run names them.
PAIRS = {
    "sener": {
        "train": "8f90cd814f9264109aa8a82bece9a05a56a93de447cfef4057297a4730f586de",
        "val": "d486e7fc820f71a9b787ac1ca62bcadd4e7921a86ea454122e32456e000944ee",
        "test": "d196cb0ab5cb8b3018eea161ad390df9282ce833d04dfb61b856d3ae35c77889",
    },
    "continuous": {
        "train": "ca3cbfe20885eedd0ec8becf04feb703c92dc2ccf5fd92814fbf1861e33b6c13",
        "val": "65f45f1bdaa47e58937568ff06d1d8470964edc883156762c41f287476ca5fc7",
        "test": "a95299451aec2babe5dd23eece2419f670f1a7439e82771b3858d07310c218fa",
    },
    "sener_legacy": {
        "train": "70e82237152902b76943b115156efc9bf68fdbf792606c5cae55fe3928c03e7d",
        "test": "d196cb0ab5cb8b3018eea161ad390df9282ce833d04dfb61b856d3ae35c77889",
    },
}

ROWS = {"train": 300, "val": 60, "test": 50}

RANKED = ["sener", "pareto", "continuous"]

REAL = os.environ.get("MTLBENCH_DATA")

PARETO_ON_MNIST = {
    "train": "7fbfbbb088a9970ae0ce3b3da1e5c7b7e195a7b4178012778f4b90182f96b474",
    "val": "2e1b88f2bf2e0b995fcc310a734927d22379e8d2af64b59f40ac8fc7fff32c0e",
    "test": "fe113c9d4f24108854da79ecbac9ff88e42d115601be8e6c9d4c6a8b46e56c41",
}

IMAGES_OF_MNIST = {
    "train": "0fbc29a389e130ce7e0cbbbecc92c2039f5201df42d9b3dc7830dfb5ed25154d",
    "val": "93556b484c27e0cca726c4ae08f977cf51d806550ff4e1bf0e474199929f15c7",
    "test": "a77a9a5a31f7389a3978361aa2f4563bdeeccfc1f69137aadbd2ed924dfafa09",
}


def write_idx(path: Path, array: np.ndarray) -> None:
    """`array` of bytes in the IDX format: two zeros, type 8, the number of axes, their lengths, the data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST and Fashion-MNIST as noise: bright and sparse, every scan different."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for source in ("MNIST", "FashionMNIST"):
        for prefix, rows in (("train", ROWS["train"] + ROWS["val"]), ("t10k", ROWS["test"])):
            scans = generator.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
            scans[generator.random(scans.shape) < 0.3] = 0
            write_idx(root / source / "raw" / f"{prefix}-images-idx3-ubyte", scans)
            write_idx(
                root / source / "raw" / f"{prefix}-labels-idx1-ubyte", generator.integers(0, 10, rows, dtype=np.uint8)
            )
    return root


@pytest.fixture
def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with every variant cut to its few rows."""
    for name, variant in VARIANTS.items():
        rows = ROWS if "val" in variant.rows else {"train": ROWS["train"] + ROWS["val"], "test": ROWS["test"]}
        monkeypatch.setitem(module.VARIANTS, name, replace(variant, rows=rows))
    return folder


def base(root: Path, source: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Scans and labels of a split, read without torchvision."""
    prefix = "t10k" if split == "test" else "train"
    images = np.frombuffer((root / source / "raw" / f"{prefix}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((root / source / "raw" / f"{prefix}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    part = slice(ROWS["train"], None) if split == "val" else slice(None)
    return images.reshape(-1, 28, 28)[part], labels[part]


def pairs_of(suite: MultiMNIST, split: str) -> np.ndarray:
    """The pair list (left, right, left corner, right corner) that a suite uses."""
    rows = suite.protocol.splits[split]
    return module._pairs(suite.data_dir, suite.variant, suite.sources, split, rows)


def compose(left: list[list[int]], right: list[list[int]], corners: list[int], variant: str) -> list[list[float]]:
    """One image, pixel by pixel, as the variant is defined: place, combine, shrink by floor(i 36 / 28), normalise."""
    top, start, down, across = corners
    canvas = [[0] * 36 for _ in range(36)]
    for i in range(28):
        for j in range(28):
            canvas[top + i][start + j] = left[i][j]
    for i in range(28):
        for j in range(28):
            here, there = right[i][j], canvas[down + i][across + j]
            canvas[down + i][across + j] = min(here + there, 255) if variant == "continuous" else max(here, there)
    if variant == "pareto":
        return [[value / 255 for value in row] for row in canvas]
    return [[(canvas[i * 36 // 28][j * 36 // 28] / 255 - 0.1307) / 0.3081 for j in range(28)] for i in range(28)]


@pytest.mark.parametrize("digits", ["mnist", "mixed"])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_composition_against_a_slow_reference(small: Path, variant: str, digits: str) -> None:
    suite = MultiMNIST(small, variant=variant, digits=digits)
    for split in suite.protocol.splits:
        data, pairs = suite.dataset(split, 0), pairs_of(suite, split)
        (left, left_labels), (right, right_labels) = (base(small, source, split) for source in SOURCES[digits])
        assert len(pairs) == data.rows == suite.protocol.splits[split]
        for row in (0, 1, 17, len(pairs) - 1):
            a, b, *corners = pairs[row].tolist()
            expected = compose(left[a].tolist(), right[b].tolist(), corners, variant)
            seen, _ = data.take([torch.tensor([row])])
            assert torch.allclose(seen["left"][0, 0], torch.tensor(expected), rtol=0, atol=2e-6)
        assert data.targets["left"].tolist() == left_labels[pairs[:, 0]].tolist()
        assert data.targets["right"].tolist() == right_labels[pairs[:, 1]].tolist()


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_shapes(small: Path, variant: str) -> None:
    suite = MultiMNIST(small, variant=variant)
    side = 36 if variant == "pareto" else 28
    for split, rows in suite.protocol.splits.items():
        data = suite.dataset(split, 0)
        assert data.inputs["left"] is data.inputs["right"]
        assert data.inputs["left"].shape == (rows, 1, side, side)
        assert data.inputs["left"].dtype == torch.uint8
        seen, _ = next(data.slices(7))
        assert seen["left"] is seen["right"]
        assert (seen["left"].shape, seen["left"].dtype) == ((7, 1, side, side), torch.float32)
        assert data.targets["left"].dtype == data.targets["right"].dtype == torch.int64


@pytest.mark.parametrize("variant", RANKED)
def test_base_digits_are_disjoint_and_each_is_a_left_digit_once(small: Path, variant: str) -> None:
    """Scans are told apart by content: no scan of one split is in a picture of another."""
    suite = MultiMNIST(small, variant=variant)
    used: dict[str, set[bytes]] = {}
    for split, rows in suite.protocol.splits.items():
        scans, pairs = base(small, "MNIST", split)[0], pairs_of(suite, split)
        assert pairs[:, 0].tolist() == list(range(rows))
        assert pairs[:, :2].max() < rows
        used[split] = {scans[row].tobytes() for row in set(pairs[:, :2].ravel().tolist())}
        assert len(used[split]) == rows
    assert len(set.union(*used.values())) == sum(ROWS.values())


def test_fewer_training_rows_keep_the_updates_and_the_other_splits(small: Path) -> None:
    whole, part = MultiMNIST(small), MultiMNIST(small, train=260)
    assert part.protocol.splits == {**ROWS, "train": 260}
    assert (part.protocol.epochs, part.protocol.steps_per_epoch) == (
        whole.protocol.epochs,
        whole.protocol.steps_per_epoch,
    )
    assert pairs_of(part, "train")[:, :2].max() < 260
    assert part.dataset("train", 0).rows == 260
    for split in ("val", "test"):
        assert torch.equal(part.dataset(split, 0).inputs["left"], whole.dataset(split, 0).inputs["left"])
    assert part.checksums()["images.train"] != whole.checksums()["images.train"]
    assert part.checksums()["images.val"] == whole.checksums()["images.val"]


SGD = {"optimiser": "sgd", "momentum": 0.9}

PROTOCOLS: dict[str, dict[str, Any]] = {
    "sener": {"epochs": 20, "optimiser": "adam", "lr": 1e-3, "schedule": "cosine"},
    "pareto": SGD | {"epochs": 100, "lr": 1e-3, "schedule": "step", "decay_every": 15, "decay_factor": 0.5},
    "continuous": SGD | {"epochs": 30, "lr": 1e-2, "schedule": "cosine"},
    "sener_legacy": SGD | {"epochs": 100, "schedule": "constant"},
}


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_protocols(variant: str) -> None:
    protocol = MultiMNIST(variant=variant).protocol
    for setting, value in ({"batch_size": 256, "weight_decay": 0.0, "clip_norm": None} | PROTOCOLS[variant]).items():
        assert getattr(protocol, setting) == value, setting
    legacy = variant == "sener_legacy"
    train, splits = 60_000 if legacy else 50_000, {} if legacy else {"val": 10_000}
    assert protocol.splits == {"train": train, "test": 10_000, **splits}
    assert protocol.steps_per_epoch == train // 256  # an epoch is one pass, its last partial batch dropped
    assert (protocol.selection, protocol.ranked) == (("last", False) if legacy else ("val", True))
    assert protocol.name == f"multimnist/{variant}"


# conv 5x5 1-10, conv 5x5 10-20, fc 320-50; pareto: conv 9x9 1-10, fc 500-50
TRUNK = {"pareto": 81 * 10 + 10 + 25 * 10 * 20 + 20 + 500 * 50 + 50}

SMALL_TRUNK = 25 * 10 + 10 + 25 * 10 * 20 + 20 + 320 * 50 + 50

HEAD = {"pareto": 50 * 10 + 10, "continuous": 50 * 10 + 10}

DEEP_HEAD = 50 * 50 + 50 + 50 * 10 + 10


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_networks(small: Path, variant: str) -> None:
    choice, suite = parse_suite(f"multimnist:variant={variant}", small)
    assert isinstance(suite, MultiMNIST)
    stages = suite.backbone()
    x = next(suite.dataset("test", 0).slices(3))[0]["left"]
    for stage in stages.eval():
        x = stage(x)
        assert tuple(x.shape[1:]) == stage.output_shape
    sizes = [sum(p.numel() for p in part.parameters()) for part in (stages, suite.tasks[0].head((50,)))]
    assert sizes == [TRUNK.get(variant, SMALL_TRUNK), HEAD.get(variant, DEEP_HEAD)]
    masks = [m for part in (stages, suite.tasks[0].head((50,))) for m in part.modules() if isinstance(m, ChannelMask)]
    assert len(masks) == (2 if variant == "sener_legacy" else 0)
    assert choice.short == ("multimnist" if variant == "sener" else f"multimnist:variant={variant}")


@pytest.mark.parametrize("shape", [(6, 400), (6, 400, 3, 3)])
def test_channel_masks_keep_half_of_the_channels_and_double_them(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    mask, x = ChannelMask(), torch.rand(shape) + 0.5
    factor = (mask(x) / x).reshape(*shape[:2], -1)
    assert set(factor.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(factor, factor[..., :1].expand_as(factor))  # a whole channel at a time
    assert float(factor.mean()) == pytest.approx(1.0, abs=0.1)
    assert torch.equal(mask.eval()(x), x)


@pytest.mark.parametrize("root", [None, Path("nowhere")])
@pytest.mark.parametrize("digits", ["mnist", "fashion"])
def test_missing_data_gets_one_sentence(root: Path | None, digits: str) -> None:
    suite = MultiMNIST(root, digits=digits)  # constructing it reads nothing
    source = "MNIST" if digits == "mnist" else "FashionMNIST"
    for read in (suite.checksums, lambda: suite.dataset("test", 0)):
        with pytest.raises(DataMissing) as caught:
            read()
        message = str(caught.value)
        assert message.startswith(f"{source} is not in `{root}`: download it with `mtlbench data prepare multimnist`")
        assert message.endswith("; where it lies elsewhere, name that data folder with --data-dir.")
        assert all(f"`{file}`" in message for file in FILES)
        assert "\n" not in message
    assert suite.data_status()[source] == "missing"


@pytest.mark.parametrize("damage", [0, 3, 1000])
def test_damaged_files_get_one_sentence(folder: Path, tmp_path: Path, damage: int) -> None:
    """A file cut to its first `damage` bytes, as an interrupted copy leaves it."""
    for file in FILES:
        target = tmp_path / "MNIST" / "raw" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (folder / "MNIST" / "raw" / file).read_bytes()
        target.write_bytes(content[:damage] if file.startswith("t10k-images") else content)
    with pytest.raises(
        DataMissing,
        match=r"^MNIST in `.*` cannot be read \(`t10k-images-idx3-ubyte` .* Found .*\); fetch it again with `mtl",
    ):
        MultiMNIST(tmp_path).dataset("test", 0)
    assert status(tmp_path)["MNIST"].startswith("damaged")


@pytest.mark.skipif(not REAL, reason="MTLBENCH_DATA names no folder with MNIST")
def test_real_mnist() -> None:
    root = Path(str(REAL))
    for file in FILES:
        assert hashlib.md5((root / "MNIST" / "raw" / file).read_bytes()).hexdigest() == MD5[file]
    assert status(root)["MNIST"] == "ready"
    images, labels = base_images(root, "MNIST", "train")
    assert (images.mean() / 255, images.std() / 255) == (
        pytest.approx(0.13066, abs=1e-5),
        pytest.approx(0.30811, abs=1e-5),
    )
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    for variant, expected in (PAIRS | {"pareto": PARETO_ON_MNIST}).items():
        checksums = MultiMNIST(root, variant=variant).checksums()
        assert {split: checksums[f"pairs.{split}"] for split in expected} == expected
    checksums = MultiMNIST(root).checksums()
    assert {split: checksums[f"images.{split}"] for split in IMAGES_OF_MNIST} == IMAGES_OF_MNIST
    assert MultiMNIST(root).dataset("test", 0).inputs["left"].shape == (10_000, 1, 28, 28)
