"""Panels: what a finished model predicts for a few fixed test rows, as PNG files.

`examine` fills a gallery where `--images` asks for one; suites decide how a row looks (`Suite.panel`).
"""

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
    """Panels of `count` test rows at even distances, one PNG file each; each task from the epoch that was selected.

    Rows depend on `count` and the size of the split only, so that the panels of all methods show the same rows.
    """

    count: int
    panels: list[bytes] = field(default_factory=list)
    _predictions: dict[str, Tensor] = field(default_factory=dict)

    @torch.inference_mode()
    def look(self, predict: Predict, test: Dataset, tasks: Collection[str]) -> None:
        """Keep the predictions of `tasks`, for which this epoch was selected."""
        inputs, _ = self._rows(test)
        self._predictions.update({t: p for t, p in predict(inputs).items() if t in tasks})

    def draw(self, suite: Suite, test: Dataset) -> None:
        """Turn the kept predictions into panels; none where the suite draws none."""
        inputs, targets = self._rows(test)
        for row in range(min(self.count, *(len(x) for x in inputs.values()))):
            picture = suite.panel(
                *({task: values[row] for task, values in part.items()} for part in (inputs, targets, self._predictions))
            )
            if picture is not None:
                self.panels.append(_png(picture))

    def _rows(self, test: Dataset) -> Batch:
        """At most `count` rows of every distinct input, evenly spaced from the first on."""
        device = test.groups[0][0].device
        counts = [(len(tensor), min(self.count, len(tensor))) for tensor, _ in test.groups]
        index = [torch.arange(few, device=device) * rows // max(1, few) for rows, few in counts]
        return test.take(index)


def _png(picture: Any) -> bytes:
    """A uint8 array (height, width, 3) as the bytes of a PNG file."""
    from PIL import Image  # only here: runs without panels need no image library

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
