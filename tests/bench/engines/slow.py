"""Cells that train nothing, for the tests of engines that run cells in other processes; these import them by name."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bench.engines.events import EpochCallback, Status
from bench.records import RunSpec


@dataclass(frozen=True)
class Slow:
    """Leaves a file RUN_ID.LIFE.JOB in `word` each time it runs; the first life of `held` lasts until it is ended."""

    word: Path
    held: str = ""
    modules: ClassVar[tuple[str, ...]] = ()

    def as_json(self) -> dict[str, Any]:
        return {"word": str(self.word), "held": self.held}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Slow":
        return cls(Path(content["word"]), content["held"])

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return frozenset()

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        lives = len(list(self.word.glob(f"{spec.run_id}.*")))
        job = os.environ.get("SLURM_JOB_ID", "here")
        (self.word / f"{spec.run_id}.{lives}.{job}").touch()
        while spec.run_id == self.held and not lives:
            time.sleep(0.05)
        on_epoch(1, 1)
        return "done"

    def make(self, spec: RunSpec, on_epoch: EpochCallback) -> Any:
        raise NotImplementedError

    keep = make


@dataclass(frozen=True)
class Telling:
    """Leaves behind which GPUs its worker sees, in a file that is called as the seed."""

    folder: Path
    modules: ClassVar[tuple[str, ...]] = ()

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return frozenset()

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        (self.folder / str(spec.seed)).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))
        return "done"


class Unreadable(Slow):
    """A cell that no other process can make anything of."""

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Slow:
        raise RuntimeError("this node has no mtlbench")
