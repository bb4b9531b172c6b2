"""Dense tasks: losses and metrics against plain numpy, augmentation against the scene it should show."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.scores import ANGLE_BIN, primary_error, score, unpack_histogram
from suites._shared.dense.augment import Crops, Decode
from suites._shared.dense.camera import NYUV2, Camera, parse_size
from suites._shared.dense.classes import CLASSES
from suites._shared.dense.sets import UNIT
from suites._shared.dense.tasks import Depth, Normals, Segmentation, depth_loss, normals_loss, segmentation_loss
from suites._shared.dense.writer import pack_normals

C = len(CLASSES)


def segmentation_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(5, C, 6, 8, generator=g)
    label = torch.randint(-1, C, (5, 6, 8), generator=g)
    absent = torch.where(label == 3, torch.tensor(4), label)
    return {
        "mixed": (logits, label),
        "all invalid": (logits, torch.full_like(label, -1)),
        "one class": (logits, torch.full_like(label, 7)),
        "absent class": (logits, absent),
        "batch of 1": (logits[:1], label[:1]),
    }


def depth_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(1)
    truth = 0.5 + 9 * torch.rand(5, 1, 6, 8, generator=g)
    holes = truth * (torch.rand(truth.shape, generator=g) > 0.3)
    guess = truth + torch.randn(truth.shape, generator=g)
    return {
        "complete": (guess, truth),
        "zero depth": (guess, holes),
        "all invalid": (guess, torch.zeros_like(truth)),
        "batch of 1": (guess[:1], holes[:1]),
        "perfect": (truth, truth),
    }


def normals_cases() -> dict[str, tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(2)
    truth = torch.nn.functional.normalize(torch.randn(5, 3, 6, 8, generator=g), dim=1)
    holes = truth * (torch.rand(5, 1, 6, 8, generator=g) > 0.3)
    guess = 3 * (truth + 0.4 * torch.randn(truth.shape, generator=g))
    return {
        "complete": (guess, truth),
        "holes": (guess, holes),
        "all invalid": (guess, torch.zeros_like(truth)),
        "opposite": (-2 * truth, truth),
        "same": (5 * truth, truth),
        "batch of 1": (guess[:1], holes[:1]),
    }


@pytest.mark.parametrize("case", segmentation_cases())
def test_segmentation_loss_is_the_mean_over_labelled_pixels(case: str) -> None:
    logits, label = segmentation_cases()[case]
    x, y = logits.double().numpy(), label.numpy()
    losses = []
    for n, r, c in np.argwhere(y >= 0):
        column = x[n, :, r, c]
        losses.append(math.log(np.exp(column - column.max()).sum()) + column.max() - column[y[n, r, c]])
    expected = float(np.mean(losses)) if losses else 0.0
    assert float(segmentation_loss(logits.double(), label)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("case", depth_cases())
def test_depth_loss_is_the_mean_over_measured_pixels(case: str) -> None:
    guess, truth = depth_cases()[case]
    errors = [abs(float(a) - float(b)) for a, b in zip(guess.flatten(), truth.flatten(), strict=True) if b > 0]
    assert float(depth_loss(guess.double(), truth.double())) == pytest.approx(
        np.mean(errors) if errors else 0, abs=1e-6
    )


@pytest.mark.parametrize("case", normals_cases())
def test_normals_loss_is_one_minus_the_mean_cosine(case: str) -> None:
    guess, truth = normals_cases()[case]
    a, b = (x.double().movedim(1, -1).reshape(-1, 3).numpy() for x in (guess, truth))
    cosines = [p @ t / np.linalg.norm(p) for p, t in zip(a, b, strict=True) if t.any()]
    expected = 1 - np.mean(cosines) if cosines else 0.0
    assert float(normals_loss(guess.double(), truth.double())) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("loss", "cases"),
    [(segmentation_loss, segmentation_cases()), (depth_loss, depth_cases()), (normals_loss, normals_cases())],
)
def test_pixels_without_truth_get_no_gradient(loss, cases) -> None:  # type: ignore[no-untyped-def]
    for prediction, target in cases.values():
        guess = prediction.clone().requires_grad_()
        loss(guess, target).backward()
        invalid = (target < 0).unsqueeze(1) if loss is segmentation_loss else (target == 0).all(dim=1, keepdim=True)
        assert guess.grad is not None
        assert torch.isfinite(guess.grad).all()
        assert (guess.grad * invalid == 0).all()


def accumulated(metric, prediction: Tensor, target: Tensor, size: int):  # type: ignore[no-untyped-def]
    for start in range(0, len(target), size):
        metric.update(prediction[start : start + size], target[start : start + size])
    return metric.state()


@pytest.mark.parametrize("case", segmentation_cases())
def test_segmentation_scores(case: str) -> None:
    logits, label = segmentation_cases()[case]
    state = accumulated(Segmentation(), logits, label, 2)
    assert state == accumulated(Segmentation(), logits, label, 5)
    guess, truth = logits.argmax(dim=1).numpy(), label.numpy()
    guess, truth = guess[truth >= 0], truth[truth >= 0]
    if not truth.size:
        with pytest.raises(ValueError, match="at least one row"):
            score("segmentation", state)
        return
    overlaps = [
        ((guess == c) & (truth == c)).sum() / ((guess == c) | (truth == c)).sum()
        for c in range(C)
        if (truth == c).any()
    ]
    found = score("segmentation", state)
    assert found["miou"] == pytest.approx(100 * np.mean(overlaps), abs=1e-6)
    assert found["pixel_accuracy"] == pytest.approx(100 * (guess == truth).mean(), abs=1e-6)
    assert primary_error("segmentation", state) == pytest.approx(1 - np.mean(overlaps), abs=1e-6)


@pytest.mark.parametrize("case", depth_cases())
def test_depth_scores(case: str) -> None:
    guess, truth = (x.double() for x in depth_cases()[case])
    state = accumulated(Depth(), guess, truth, 2)
    a, b = guess.numpy().ravel(), truth.numpy().ravel()
    a, b = a[b > 0], b[b > 0]
    if not b.size:
        with pytest.raises(ValueError, match="at least 1"):
            score("depth", state)
        return
    found = score("depth", state)
    assert found["abs_err"] == pytest.approx(np.abs(a - b).mean(), abs=1e-6)
    assert found["rel_err"] == pytest.approx((np.abs(a - b) / b).mean(), abs=1e-6)
    assert score("depth", accumulated(Depth(), guess, truth, 5)) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("case", normals_cases())
def test_normals_scores(case: str) -> None:
    guess, truth = (x.double() for x in normals_cases()[case])
    state = accumulated(Normals(), guess, truth, 2)
    assert state["histogram"] == accumulated(Normals(), guess, truth, 5)["histogram"]
    a, b = (x.movedim(1, -1).reshape(-1, 3).numpy() for x in (guess, truth))
    a, b = a[b.any(axis=1)], b[b.any(axis=1)]
    if not len(b):
        with pytest.raises(ValueError, match="at least 1"):
            score("normals", state)
        return
    cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    angles = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    found = score("normals", state)
    assert found["mean_angle"] == pytest.approx(angles.mean(), abs=1e-5)  # of the arccosine's own precision
    assert found["median_angle"] == pytest.approx(np.median(angles), abs=ANGLE_BIN / 2 + 1e-6)
    for limit in (11.25, 22.5, 30):
        assert found[f"within_{limit:g}"] == pytest.approx(100 * (angles < limit).mean(), abs=1e-6)


def test_a_histogram_that_is_not_one_is_refused() -> None:
    guess, truth = normals_cases()["complete"]
    state = accumulated(Normals(), guess, truth, 5)
    assert unpack_histogram(state["histogram"]).sum() == state["count"] == 5 * 48
    for broken in ("", "AAAA", state["histogram"][:-8], 7):
        with pytest.raises(ValueError, match="histogram"):
            score("normals", {**state, "histogram": broken})
    with pytest.raises(ValueError, match="count"):
        score("normals", {**state, "count": 3})


# --- augmentation: the picture of the transformed scene -------------------------------------------------------

CAMERA = NYUV2.scaled((96, 128))
PLANES = {  # n . P = h, facing the camera
    "wall": ((0.0, 0.0, -1.0), -3.0),
    "floor": ((0.0, 1.0, -0.2), -1.6),
    "side": ((-0.8, 0.1, -0.5), -2.5),
    "slanted": ((0.4, 0.5, -0.7), -2.0),
}


def plane(normal: np.ndarray, offset: float, camera: Camera) -> np.ndarray:
    """Depth (h, w) of the plane normal . P = offset; 0 where it is behind the camera."""
    along = camera.rays() @ normal
    with np.errstate(divide="ignore"):
        depth = offset / along
    return np.where((depth > 0) & (depth < 50), depth, 0.0)


def crops(s: float, left: float, top: float, flip: bool) -> Crops:
    return Crops(torch.tensor([s]), torch.tensor([left]), torch.tensor([top]), torch.tensor([flip]))


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("s", "left", "top"), [(1.0, 0, 0), (1.2, 0, 15), (1.2, 20, 3), (1.5, 42, 32), (1.5, 10, 0)])
def test_a_crop_shows_the_transformed_scene(name: str, s: float, left: float, top: float, flip: bool) -> None:
    direction, offset = PLANES[name]
    n = np.array(direction) / np.linalg.norm(direction)
    depth = plane(n, offset, CAMERA)
    normal = torch.from_numpy(np.where(depth > 0, 1.0, 0.0)[None, None] * n.reshape(1, 3, 1, 1))
    pixels = torch.zeros(1, 3, *CAMERA.size, dtype=torch.float64)
    label = torch.zeros(1, *CAMERA.size, dtype=torch.int64)
    _, _, found, turned = Decode(CAMERA, "consistent", "normals").apply(
        crops(s, left, top, flip), pixels, label, torch.from_numpy(depth)[None, None], normal
    )
    assert turned is not None
    # The same, re-derived: the plane as the map M moves it, seen by the same camera (mirrored where flipped).
    cx, cy = CAMERA.cx + 0.5, CAMERA.cy + 0.5
    M = np.array([[1, 0, (cx - left - cx / s) / CAMERA.fx], [0, 1, (cy / s - cy + top) / CAMERA.fy], [0, 0, 1 / s]])
    moved = np.linalg.inv(M).T @ n
    expected = plane(moved, offset, CAMERA)
    unit = moved / np.linalg.norm(moved)
    if flip:
        expected, unit = expected[:, ::-1], unit * (-1, 1, 1)
    both = (found[0, 0].numpy() > 0) & (expected > 0)
    assert both.sum() > 200
    # The nearest pixel is at most half a source pixel away: disparity, linear in pixels on a plane, bounds the error.
    along = np.abs(n / offset / (CAMERA.fx, CAMERA.fy, 1))[:2].sum() * 0.51
    gap = np.abs(1 / (found[0, 0].numpy()[both] * s) - 1 / (expected[both] * s))
    assert gap.max() <= along + 1e-6
    valid = (turned[0] != 0).any(dim=0).numpy()
    assert np.abs(turned[0].movedim(0, -1).numpy()[valid] - unit).max() < 1e-5


def test_nothing_happens_at_scale_one() -> None:
    g = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (2, 3, 24, 32), generator=g, dtype=torch.uint8)
    depth = torch.rand(2, 1, 24, 32, generator=g)
    label = torch.randint(-1, C, (2, 24, 32), generator=g)
    decode = Decode(NYUV2.scaled((24, 32)), "consistent", None)
    pixels, targets = decode(image, {"segmentation": label, "depth": depth}, None)
    same = Crops(torch.ones(2), torch.zeros(2), torch.zeros(2), torch.zeros(2, dtype=torch.bool))
    again, moved, far, _ = decode.apply(same, pixels, targets["segmentation"], targets["depth"], None)
    assert torch.allclose(again, pixels, atol=1e-5)
    assert torch.equal(moved, label)
    assert torch.equal(far, depth)


def test_the_published_form_leaves_normals_as_they_are_under_a_crop() -> None:
    n = torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, *CAMERA.size)
    depth = torch.ones(1, 1, *CAMERA.size, dtype=torch.float64)
    label = torch.zeros(1, *CAMERA.size, dtype=torch.int64)
    pixels = torch.zeros(1, 3, *CAMERA.size, dtype=torch.float64)
    for flip, expected in ((False, 0.6), (True, -0.6)):
        _, _, far, turned = Decode(CAMERA, "mtan", "normals").apply(crops(1.5, 0, 0, flip), pixels, label, depth, n)
        assert turned is not None
        assert torch.allclose(turned[0, 0], torch.tensor(expected, dtype=torch.float64))
        assert torch.allclose(far, torch.tensor(1 / 1.5, dtype=torch.float64))


def test_crops_are_drawn_inside_the_image_and_from_the_generator_alone() -> None:
    first, again = (Crops.draw(4000, (72, 96), torch.Generator().manual_seed(3)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(again).values(), strict=True))
    assert set(first.scale.tolist()) == {np.float32(s).item() for s in (1.0, 1.2, 1.5)}
    assert (first.top >= 0).all()
    assert (first.top + 72 / first.scale <= 72 + 1e-3).all()
    assert (first.left + 96 / first.scale <= 96 + 1e-3).all()
    assert (first.left[first.scale > 1.4].max(), first.top[first.scale > 1.4].max()) == (32, 24)
    assert 0.45 < first.flip.float().mean() < 0.55


def test_normals_survive_packing() -> None:
    n = torch.nn.functional.normalize(torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
    back = pack_normals(n).astype(float) / UNIT
    angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(n, back), axis=1), (n * back).sum(axis=1)))
    assert angle.max() < 0.003
    assert (pack_normals(np.zeros(3)) == 0).all()


def test_a_smaller_picture_is_the_same_view() -> None:
    small = NYUV2.scaled((72, 96))
    # The corner of the image is the same ray at every size.
    for camera in (NYUV2, small):
        corner = ((-0.5 - camera.cx) / camera.fx, (camera.cy + 0.5) / camera.fy)
        assert corner == pytest.approx(((-0.5 - NYUV2.cx) / NYUV2.fx, (NYUV2.cy + 0.5) / NYUV2.fy))
    assert parse_size("72x96") == (72, 96)
    for wrong in ("72", "72x", "axb", "8x9000", "72x96x3", "-72x96"):
        with pytest.raises(ValueError, match="ROWSxCOLUMNS"):
            parse_size(wrong)


def test_no_direction_at_all_is_a_right_angle_away() -> None:
    """As the loss has it: a dead head must not score as a perfect one."""
    metric, truth = Normals(), torch.zeros(1, 3, 2, 2)
    truth[:, 2] = -1.0
    metric.update(torch.zeros(1, 3, 2, 2), truth)
    assert score("normals", metric.state())["mean_angle"] == 90.0
