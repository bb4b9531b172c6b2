"""The dense suites from disk to record: a small prepared set, every backbone, every method."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench.catalogue.method import Method
from bench.cli.main import main
from bench.errors import DataMissing, UsageError
from bench.execution.cell import StoredCell
from bench.planning.plan import parse_suite, plan
from bench.training.checkpoint import Checkpoint
from bench.training.evaluate import evaluate
from bench.training.fit import Run, fit
from bench.training.gallery import Gallery
from leaderboard.store import Store
from suites._shared.dense.camera import NYUV2
from suites._shared.dense.sets import DenseSet
from suites._shared.dense.writer import SetWriter, pack_normals

SIZE, ROWS = (24, 32), {"train": 24, "test": 6}

SUITE = "scenes:size=24x32,test=6,train=24"

FAST = {"epochs": "1", "steps_per_epoch": "2", "batch_size": "3"}

BACKBONES = ("encoder", "resnet18", "resnet34", "resnet50", "segnet")

METHODS = ("single_task", "hard", "hard:split=1", "hard_wide", "cross_stitch", "soft+l2", "hard@uncertainty")


def planes(row: int) -> dict[str, np.ndarray]:
    """A wall above a floor, in the form of a prepared set; the floor is nearer in every further image."""
    rays = NYUV2.resize(SIZE).rays()
    height = 1.0 + 0.05 * row
    with np.errstate(divide="ignore"):
        floor = np.where(rays[..., 1] < 0, -height / rays[..., 1], np.inf)
    wall = np.full(SIZE, 3.0)
    on_floor = floor < wall
    normal = np.where(on_floor[..., None], (0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
    label = np.where(on_floor, 4, 11).astype(np.int8)
    label[:2] = -1
    depth = np.minimum(floor, wall).astype(np.float32)
    depth[:, :3] = 0
    image = np.stack([np.where(on_floor, 90, 200 - row), np.where(on_floor, 60, 180), label + 30], axis=-1)
    return {"image": image.astype(np.uint8), "label": label, "depth": depth, "normal": pack_normals(normal)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one small set of `scenes`."""
    root = tmp_path_factory.mktemp("data")
    _, suite = parse_suite(SUITE, root)
    with SetWriter(suite.folder, SIZE, ROWS, {"normals": "exact"}) as writer:  # type: ignore[attr-defined]
        for number, (split, row) in enumerate(writer.missing_rows()):
            writer.put(split, row, planes(number))
        writer.finish()
    return root


def test_a_split_is_what_was_stored(data: Path) -> None:
    _, suite = parse_suite(SUITE, data)
    assert suite.protocol.splits == {"train": 21, "val": 3, "test": 6}
    val = suite.dataset("val", 0)
    inputs, targets = next(val.slices(10))
    assert len({id(x) for x in inputs.values()}) == 1
    for row in range(3):
        stored = planes(21 + row)
        assert torch.equal(targets["segmentation"][row], torch.from_numpy(stored["label"]).long())
        assert torch.equal(targets["depth"][row, 0], torch.from_numpy(stored["depth"]))
        assert np.allclose(targets["normals"][row].movedim(0, -1), stored["normal"] / 32767, atol=1e-6)
        pixels = inputs["depth"][row].movedim(0, -1).numpy() * (0.229, 0.224, 0.225) + (0.485, 0.456, 0.406)
        assert np.allclose(pixels * 255, stored["image"], atol=1e-3)


def test_fewer_training_images_keep_the_updates_and_the_other_splits(data: Path) -> None:
    (_, part), (_, whole) = (parse_suite(text, data) for text in (f"{SUITE},use=5", SUITE))
    assert part.protocol.splits == whole.protocol.splits | {"train": 5}
    assert part.protocol.updates == whole.protocol.updates
    assert part.checksums() != whole.checksums()
    for split in ("train", "val", "test"):
        few, all_ = (suite.dataset(split, 0).targets["depth"] for suite in (part, whole))
        assert torch.equal(few, all_[:5] if split == "train" else all_)
    for wrong in (3, 22):
        with pytest.raises(UsageError, match=r"`use` of `scenes` should be 0 or in \[4, 21\]"):
            parse_suite(f"{SUITE},use={wrong}", data)


def test_augmentation_is_a_function_of_seed_and_step(data: Path) -> None:
    from bench.training.batches import Batches

    [spec] = plan(SUITE, ["hard"], [0], FAST, device="cpu", data_dir=data)
    _, suite = parse_suite(SUITE, data)
    first, again = (
        [inputs["depth"] for inputs, _ in Batches(suite.dataset("train", 0), spec.protocol, 0)] for _ in range(2)
    )
    other = [inputs["depth"] for inputs, _ in Batches(suite.dataset("train", 0), spec.protocol, 1)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


QUICK = [("encoder", method) for method in METHODS] + [("resnet18", "cross_stitch"), ("segnet", "hard")]


@pytest.mark.parametrize(
    ("backbone", "method"),
    [
        pytest.param(backbone, method, marks=() if (backbone, method) in QUICK else pytest.mark.slow)
        for backbone in BACKBONES
        for method in METHODS
    ],
)
def test_every_method_runs_on_every_kind_of_backbone(data: Path, method: str, backbone: str) -> None:
    suite = SUITE.replace(":", f":backbone={backbone},")
    [spec] = plan(suite, [method], [0], FAST, device="cpu", data_dir=data)
    record = fit(spec, data)
    assert record.status == "done", record.error
    assert not record.find_problems()
    assert set(record.scores["val"]) == {"segmentation", "depth", "normals"}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_stages_say_their_shapes(data: Path, backbone: str) -> None:
    for size in ("24x32", "36x44"):
        _, suite = parse_suite(f"scenes:backbone={backbone},size={size}")
        rows, columns = (int(side) for side in size.split("x"))
        for width in (1.0, 1.5):
            x = torch.randn(2, 3, rows, columns)
            for stage in suite.backbone(width).eval():
                x = stage(x)
                assert tuple(x.shape[1:]) == stage.output_shape  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_residual_networks_are_torchvisions(name: str) -> None:
    import torchvision

    from bench.backbones.resnet import resnet

    dilate = {"replace_stride_with_dilation": [False, True, True]} if name == "resnet50" else {}
    reference = getattr(torchvision.models, name)(**dilate).eval()
    stages = resnet(name, (64, 64)).eval()  # type: ignore[arg-type]
    ours = [p for stage in stages for p in stage.state_dict().values()]
    theirs = [v for key, v in reference.state_dict().items() if not key.startswith("fc.")]
    assert [p.shape for p in ours] == [p.shape for p in theirs]
    for mine, value in zip(ours, theirs, strict=True):
        mine.copy_(value)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = reference.maxpool(reference.relu(reference.bn1(reference.conv1(x))))
    for layer in (reference.layer1, reference.layer2, reference.layer3, reference.layer4):
        expected = layer(expected)
    for stage in stages:
        x = stage(x)
    assert torch.allclose(x, expected, atol=1e-5)


def test_the_batch_of_an_evaluation_does_not_change_a_score(data: Path) -> None:
    [spec] = plan(SUITE, ["hard"], [0], {**FAST, "precision": "float64"}, device="cpu", data_dir=data)
    _, suite = parse_suite(SUITE, data)
    run = Run(spec, suite, Method.parse("hard"))
    test = run.data("test")
    one, all_ = (evaluate([(run.model, run.module.state)], test, rows) for rows in (1, 6))
    assert one["segmentation"] == all_["segmentation"]
    assert one["normals"]["histogram"] == all_["normals"]["histogram"]
    assert one["depth"] == pytest.approx(all_["depth"], rel=1e-9)


def test_panels_lie_beside_the_record(data: Path, tmp_path: Path) -> None:
    specs = plan(SUITE, ["single_task", "hard"], [0], FAST, device="cpu", data_dir=data)
    from PIL import Image

    for spec in specs:
        assert StoredCell(tmp_path, data, images=2)(spec, lambda done, epochs: None) == "done"
        paths = Store(tmp_path).panels(spec)
        assert [path.name for path in paths] == [f"{spec.run_id}.{n}.png" for n in range(2)]
        with Image.open(paths[0]) as picture:
            assert picture.size[0] > 4 * 288  # input and three tasks
    assert not Store(tmp_path).read().problems
    site = tmp_path.with_name(f"{tmp_path.name}-site")
    assert main(["site", "--store", str(tmp_path), "--out", str(site)]) == 0
    for spec in specs:
        page = (site / "runs" / f"{spec.run_id}.html").read_text()
        for path in Store(tmp_path).panels(spec):
            assert (site / "panels" / path.name).read_bytes() == path.read_bytes()
            assert f'src="../panels/{path.name}"' in page  # in parts: input, and truth and prediction of each task


def test_panels_do_not_change_a_number(data: Path) -> None:
    [spec] = plan(SUITE, ["hard"], [0], FAST, device="cpu", data_dir=data)
    gallery = Gallery(3)
    plain, shown = fit(spec, data), fit(spec, data, gallery=gallery)
    assert len(gallery.panels) == 3
    assert plain.scores == shown.scores
    assert plain.curves == shown.curves


def test_a_run_with_augmentation_goes_on_from_its_checkpoint(data: Path, tmp_path: Path) -> None:
    settings = {**FAST, "epochs": "2", "memory_format": "channels_last"}
    [spec] = plan(SUITE, ["cross_stitch"], [0], settings, device="cpu", data_dir=data)
    assert spec.protocol.augmentation == "consistent"
    path, epochs = tmp_path / "run.pt", []

    def interrupt(done: int, of: int) -> None:
        if done == 2:
            raise SystemExit

    with pytest.raises(SystemExit):
        fit(spec, data, interrupt, checkpoint=Checkpoint(path, every=0))
    found = fit(spec, data, lambda done, _: epochs.append(done), checkpoint=Checkpoint(path, every=0))
    assert epochs == [2]
    plain = fit(spec, data)
    assert found.statistics == plain.statistics
    assert found.curves == plain.curves
    assert found.selection == plain.selection


def test_without_the_set_one_sentence_says_how_to_get_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataMissing, match=r"mtlbench data prepare scenes:classes=0\.5,size=24x32"):
        plan("scenes:size=24x32,classes=0.5", ["hard"], [0], {}, device="cpu", data_dir=tmp_path)
    assert main(["run", "nyuv2", "hard", "--data-dir", str(tmp_path), "--store", str(tmp_path / "s")]) == 1
    assert "mtlbench data prepare nyuv2 --source PATH --size 72x96" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_options_that_do_not_fit_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for suite in ("scenes:size=big", "scenes:weights=imagenet", "nyuv2:normals=guessed"):
        with pytest.raises(UsageError, match="should"):
            parse_suite(suite)


def test_a_set_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with SetWriter(folder, SIZE, ROWS, {"source": "test"}) as writer:
        for number, (split, row) in list(enumerate(writer.missing_rows()))[:10]:
            writer.put(split, row, planes(number))
    assert not folder.exists()
    again = SetWriter(folder, SIZE, ROWS, {"source": "test"})  # the rows of the first one are still there
    assert len(again.missing_rows()) == 20
    for split, row in again.missing_rows():
        again.put(split, row, planes(row + (24 if split == "test" else 0)))
    resumed = again.finish().checksums
    with SetWriter(tmp_path / "other", SIZE, ROWS, {"source": "test"}) as writer:
        for number, (split, row) in enumerate(writer.missing_rows()):
            writer.put(split, row, planes(number))
        assert writer.finish().checksums == resumed
    assert not DenseSet(folder).damaged_arrays()
    array = np.load(folder / "train" / "label.npy", mmap_mode="r+")
    array[0, 10, 10] += 1
    array.flush()
    assert DenseSet(folder).damaged_arrays() == ["train.label"]


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with SetWriter(tmp_path / "set", SIZE, ROWS, {}) as writer:
            writer.put("train", 0, planes(0))
            raise DataMissing("no")

    with pytest.raises(DataMissing):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_imagenet_weights_land_in_their_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    from bench.backbones.resnet import resnet

    trained = torchvision.models.resnet18().state_dict()
    kind = torchvision.models.ResNet18_Weights
    monkeypatch.setattr(kind, "get_state_dict", lambda self, **_: trained)
    ours = [value for stage in resnet("resnet18", SIZE, imagenet=True) for value in stage.state_dict().values()]
    theirs = [value for key, value in trained.items() if not key.startswith("fc.")]
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))

    def offline(self: object, **_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(kind, "get_state_dict", offline)
    with pytest.raises(DataMissing, match=r"^The ImageNet weights of resnet18 cannot be fetched \(no network\)"):
        resnet("resnet18", SIZE, imagenet=True)
