"""A suite whose table takes moments, for the tests of engines: only its plug-in file knows it."""

from pathlib import Path

from bench.api import register
from suites.synthetic import Synthetic


@register("tiny")
class Tiny(Synthetic):
    """Two regressions, trained for 3 epochs of 8 updates."""

    def __init__(self, data_dir: Path | None = None) -> None:
        super().__init__(data_dir, tasks=2, train=100)
        self.protocol = self.protocol.model_copy(update={"name": "tiny", "epochs": 3, "steps_per_epoch": 8})
