"""Portable cell for remote engines: ships plug-in sources; refuses to run where code or data checksums differ.

Another machine may have an older checkout or other data; its numbers would be stored under a name that promises ours.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.engines import Cell
from bench.engines.events import EpochCallback, Status
from bench.execution.cell import StoredCell
from bench.execution.keep import Made
from bench.records import RunSpec, digest

if TYPE_CHECKING:
    from bench.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class SentCell(Cell):
    """`cell` with the sources of its plug-ins and the digest of the code that planned it.

    It has the path of the store: where nodes share it, they keep checkpoints there; where they do not, the record alone
    travels back.
    """

    cell: StoredCell
    code: str
    modules: ClassVar[tuple[str, ...]] = StoredCell.modules

    @classmethod
    def of(cls, cell: StoredCell) -> "SentCell":
        """What another machine needs to run `cell`; the paths of store and data should be the same there."""
        return cls(replace(cell, store=cell.store.absolute()), code_digest())

    def as_json(self) -> dict[str, Any]:
        """The cell as JSON: texts, numbers, and the plug-ins with their sources."""
        cell = self.cell
        return {
            "store": str(cell.store),
            "data_dir": str(cell.data_dir),
            "plugins": [plugin.as_json() for plugin in cell.plugins],
            "wandb": cell.wandb,
            "images": cell.images,
            "checkpoint": cell.checkpoint,
            "keep_model": cell.keep_model,
            "probed": cell.probed,
            "code": self.code,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SentCell":
        """Rebuild a cell from the result of `as_json`."""
        from bench.catalogue.plugin_files import Plugin

        cell = StoredCell(
            Path(content["store"]),
            Path(content["data_dir"]),
            tuple(map(Plugin.from_json, content["plugins"])),
            content["wandb"],
            content["images"],
            content["checkpoint"],
            keep_model=content["keep_model"],
            probed=content["probed"],
        )
        return cls(cell, content["code"])

    def needs(self, spec: RunSpec) -> frozenset[str]:
        return self.cell.needs(spec)

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        if self.cell.is_over(spec):  # by another runner since the plan was made
            return "stored"
        return self.keep(self.make(spec, on_epoch, self.cell.checkpoint_of(spec)))

    def make(self, spec: RunSpec, on_epoch: EpochCallback, checkpoint: "Checkpoint | None" = None) -> Made:
        """Train; returns the record, its panels and its model.

        Raises:
            RuntimeError: Code or data differ from the runner's. Data is compared after training, by the checksums that
                the record has.
        """
        if code_digest() != self.code:
            raise RuntimeError("this machine should have the same mtlbench as the runner, found other source files")
        own = None
        if checkpoint is None and self.cell.store.is_dir():  # nodes may share it: another one goes on from there
            checkpoint = own = self.cell.checkpoint_of(spec)
        made = self.cell.make(spec, on_epoch, checkpoint)
        record = made.record
        if own and record.status == "done":  # where they do not, nobody else would remove it
            own.discard()
        # A failed record may have no checksums: it failed before the data was read.
        if record.data and digest(record.data) != spec.data:
            raise RuntimeError(f"`{self.cell.data_dir}` should hold the runner's data, found other checksums")
        return made

    def keep(self, made: Made) -> Status:
        return self.cell.keep(made)


@cache
def code_digest() -> str:
    """SHA-256 over the source files that numbers come from, with their names, in hex.

    Only `bench` and `suites`: what `leaderboard` computes is computed where tables are made.
    """
    # Names are hashed with the texts, so that a module that was moved counts as changed.
    sources = hashlib.sha256()
    for package in ("bench", "suites"):
        root = Path(str(files(package)))
        for path in sorted(root.rglob("*.py")):
            sources.update(f"{package}/{path.relative_to(root).as_posix()}\0".encode())
            sources.update(path.read_bytes())
    return sources.hexdigest()
