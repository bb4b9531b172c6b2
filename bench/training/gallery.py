"""Panels: what a finished model makes of a few fixed test rows, as PNG files."""

import io
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.core.data import Batch, Dataset
from bench.core.suite import Suite
from bench.training.evaluate import Predict


@dataclass
class Gallery:
    """Panels of `count` test rows at even distances, one PNG file each; each task from the epoch that was selected."""

    count: int
    panels: list[bytes] = field(default_factory=list)
    _predictions: dict[str, Tensor] = field(default_factory=dict)

    @torch.inference_mode()
    def look(self, predict: Predict, test: Dataset, tasks: Collection[str]) -> None:
        """Keep what is predicted of `tasks`."""
        inputs, _ = self._rows(test)
        self._predictions.update({t: p for t, p in predict(inputs).items() if t in tasks})

    def draw(self, suite: Suite, test: Dataset) -> None:
        """Turn what was kept into panels; none where the suite has nothing to see."""
        inputs, targets = self._rows(test)
        for row in range(min(self.count, *(len(x) for x in inputs.values()))):
            picture = suite.panel(
                *({task: values[row] for task, values in part.items()} for part in (inputs, targets, self._predictions))
            )
            if picture is not None:
                self.panels.append(_png(picture))

    def _rows(self, test: Dataset) -> Batch:
        device = test.groups[0][0].device
        counts = [(len(tensor), min(self.count, len(tensor))) for tensor, _ in test.groups]
        index = [torch.arange(few, device=device) * rows // max(1, few) for rows, few in counts]
        return test.take(index)


def _png(picture: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
