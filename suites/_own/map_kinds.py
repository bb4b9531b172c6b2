"""Tasks whose target is a map of the image's size: segmentation, depth, normals, and maps of any real number.

Targets are as `suites._shared.dense.tasks` has them; a real map is (n, 1, rows, columns), NaN where missing.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from bench.api import MaskedLoss, Regression, Shape, Task, UsageError, mse_loss
from suites._own.description import OwnTask
from suites._shared.dense.heads import Upsample
from suites._shared.dense.tasks import Depth, Normals, Segmentation, depth_loss, normals_loss, segmentation_loss


def _map_head(name: str, outputs: int, size: tuple[int, int], shape: Shape) -> nn.Module:
    """conv3 - relu - conv1 on features (c, h, w), bilinear to `size`. Raises UsageError for features without places."""
    if len(shape) != 3:
        raise UsageError(
            f"`{name}` is a map, for which the backbone should end in maps (channels, rows, columns). Found features "
            f"of the shape {shape}; choose another, as `encoder`, `resnet18` or `segnet`."
        )
    return nn.Sequential(
        nn.Conv2d(shape[0], shape[0], 3, padding=1), nn.ReLU(), nn.Conv2d(shape[0], outputs, 1), Upsample(size)
    )


def _mask(loss: Callable[[Tensor, Tensor], Tensor]) -> MaskedLoss:
    """A loss that has one form: pixels without a label are in every map."""
    return MaskedLoss(loss, loss)


def make_map_task(task: OwnTask) -> Task:
    """The task of a description whose target is a map; `details` has its `size` and the number of `classes`."""
    rows, columns = task.details["size"]
    classes = int(task.details.get("classes", 0))
    loss, metric, outputs = {
        "segmentation": (_mask(segmentation_loss), partial(Segmentation, classes), classes),
        "depth": (_mask(depth_loss), Depth, 1),
        "normals": (_mask(normals_loss), Normals, 3),
        "map": (_mask(mse_loss.masked), Regression, 1),
    }[task.kind]
    return Task(task.name, partial(_map_head, task.name, outputs, (rows, columns)), loss, metric)  # type: ignore[arg-type]
