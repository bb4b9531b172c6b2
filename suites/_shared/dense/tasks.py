"""Segmentation, depth and surface normals: heads, masked losses, and pooled statistics.

Source of the losses: Liu, Johns, Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019,
section 4.1.2. Targets are as `suites._shared.dense.augment` decodes them: labels (n, h, w) int64 with -1
ignored, depth (n, 1, h, w) in metres with 0 invalid, normals (n, 3, h, w) with the zero vector invalid. Depth and
normals of an image without a label are NaN, as everywhere.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.api import ANGLE_BIN, ANGLE_BINS, MaskedLoss, Shape, Task, TaskMetric, pack_histogram
from suites._shared.dense.classes import CLASSES

Head = Callable[[Shape, int], nn.Module]  # (shape of the features, channels of the prediction)


def dense_tasks(head: Head, normals: str | None = "normals") -> list[Task]:
    """The three tasks, each with a head of its own; `normals` names the third, None leaves it out.

    head: builds a head from the shape of the features and the channels of the prediction.
    """
    tasks = [
        Task("segmentation", lambda shape: head(shape, len(CLASSES)), _mask(segmentation_loss), Segmentation),
        Task("depth", lambda shape: head(shape, 1), _mask(depth_loss), Depth),
    ]
    if normals:
        tasks.append(Task(normals, lambda shape: head(shape, 3), _mask(normals_loss), Normals))
    return tasks


def _mask(loss: Callable[[Tensor, Tensor], Tensor]) -> MaskedLoss:
    """A loss that has one form, since every image has pixels without a label."""
    return MaskedLoss(loss, loss)


def kinds(tasks: Sequence[Task]) -> dict[str, str]:
    """task -> kind of its statistics, for a protocol."""
    return {task.name: task.metric().kind for task in tasks}


def segmentation_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy, mean over the pixels with a label; 0 where none has one.

    prediction: logits (n, C, h, w).
    target: (n, h, w) int64, -1 ignored.
    """
    logits = prediction.movedim(1, -1).reshape(-1, prediction.shape[1])  # classes last: half the time on a CPU
    total = nn.functional.cross_entropy(logits, target.reshape(-1), ignore_index=-1, reduction="sum")
    return total / (target >= 0).sum().clamp(min=1)


def depth_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """(1/N) sum |d^ - d| over the N pixels with a depth, in metres; 0 where none has one.

    prediction, target: (n, 1, h, w); target 0 is invalid.
    """
    valid = target > 0
    target = torch.where(valid, target, 0)  # NaN times 0 would be NaN
    return ((prediction - target).abs() * valid).sum() / valid.sum().clamp(min=1)


def normals_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - (1/N) sum <n^, n> over the N pixels with a normal, n^ normalised; 0 where none has one.

    prediction: (n, 3, h, w), of any length.
    target: (n, 3, h, w), unit or zero where invalid.
    """
    valid = _find_normals(target)
    target = torch.where(valid.unsqueeze(1), target, 0)  # NaN times 0 would be NaN
    # Clamped before the root, whose gradient at 0 is infinite.
    length = (prediction * prediction).sum(dim=1).clamp(min=1e-24).sqrt()
    cosine = (prediction * target).sum(dim=1) / length
    return ((1 - cosine) * valid).sum() / valid.sum().clamp(min=1)


def _find_normals(target: Tensor) -> Tensor:
    """Which pixels have a normal, bool (n, h, w)."""
    return (target != 0).any(dim=1) & ~target.isnan().any(dim=1)


class Segmentation(TaskMetric):
    """Confusion matrix of pixels with a label, int64, truth by prediction."""

    kind = "segmentation"

    def __init__(self, classes: int = len(CLASSES)) -> None:
        self.classes = classes
        self.confusion: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        valid = target >= 0
        cells = target[valid] * self.classes + prediction.argmax(dim=1)[valid]
        # One histogram of truth * classes + prediction is the whole matrix.
        counts = torch.bincount(cells, minlength=self.classes**2)
        self.confusion = counts if self.confusion is None else self.confusion + counts

    def state(self) -> dict[str, Any]:
        return {"confusion": _require_update(self.confusion).view(self.classes, self.classes).tolist()}


class Depth(TaskMetric):
    """Count, sum |d^ - d| and sum |d^ - d| / d over the pixels with a depth, in float64."""

    kind = "depth"

    def __init__(self) -> None:
        self.sums: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        valid = target > 0
        truth = target[valid].double()
        errors = (prediction[valid].double() - truth).abs()
        sums = torch.stack([valid.sum().double(), errors.sum(), (errors / truth).sum()])
        self.sums = sums if self.sums is None else self.sums + sums

    def state(self) -> dict[str, Any]:
        count, absolute, relative = _require_update(self.sums).tolist()
        return {"count": int(count), "absolute_error": absolute, "relative_error": relative}


class Normals(TaskMetric):
    """Sum and histogram of the angles, in degrees, between prediction and truth over the pixels with a normal."""

    kind = "normals"

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.counts: Tensor | None = None

    def update(self, prediction: Tensor, target: Tensor) -> None:
        n, truth = (x.movedim(1, -1)[_find_normals(target)].double() for x in (prediction, target))
        # atan2 keeps its precision where the two are nearly parallel; the arccosine of their product does not.
        across = torch.linalg.vector_norm(torch.linalg.cross(n, truth), dim=-1)
        angles = torch.rad2deg(torch.atan2(across, (n * truth).sum(dim=-1)))
        angles = torch.where((n != 0).any(dim=-1), angles, 90.0)  # no direction is as far as the loss says it is
        bins = (angles / ANGLE_BIN).long().clamp(max=ANGLE_BINS - 1)
        counts, total = torch.bincount(bins, minlength=ANGLE_BINS), angles.sum()
        self.counts = counts if self.counts is None else self.counts + counts
        self.total = total if self.total is None else self.total + total

    def state(self) -> dict[str, Any]:
        counts = _require_update(self.counts).cpu().numpy()
        return {
            "count": int(counts.sum()),
            "angle_sum": float(_require_update(self.total)),
            "histogram": pack_histogram(counts),
        }


def _require_update(value: Tensor | None) -> Tensor:
    """The value that updates have left. Raises ValueError where there was none."""
    if value is None:
        raise ValueError("A metric should see at least one batch before its state is read.")
    return value
