"""A cell of nothing but time, for the tests of engines that run cells in other processes; these import it by name."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bench.engines.events import OnEpoch, Status
from bench.records import RunSpec


@dataclass(frozen=True)
class Slow:
    """Leaves a file RUN_ID.LIFE.JOB in `word` each time it runs; the first life of `held` lasts until it is ended."""

    word: Path
    held: str = ""
    modules: ClassVar[tuple[str, ...]] = ()

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return frozenset()

    def __call__(self, spec: RunSpec, on_epoch: OnEpoch) -> Status:
        lives = len(list(self.word.glob(f"{spec.run_id}.*")))
        job = os.environ.get("SLURM_JOB_ID") or os.environ["SUBMITIT_LOCAL_JOB_ID"]
        (self.word / f"{spec.run_id}.{lives}.{job}").touch()
        while spec.run_id == self.held and not lives:
            time.sleep(0.05)
        on_epoch(1, 1)
        return "done"

    def make(self, spec: RunSpec, on_epoch: OnEpoch) -> Any:
        raise NotImplementedError

    keep = make


class Unreadable(Slow):
    """A cell that no other process can make anything of."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise RuntimeError("this node has no mtlbench")
