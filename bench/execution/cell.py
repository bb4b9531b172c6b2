"""One planned cell: train it, store its record, mirror it. What a worker is given."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.engines.events import EpochCallback, Status
from bench.errors import make_printable
from bench.records import ResultRecord, RunSpec
from bench.records.record import MAX_BYTES
from bench.system.files import make_folder
from leaderboard.store import Store
from leaderboard.store.room import bytes_of, drop_largest_matrices

if TYPE_CHECKING:
    from bench.catalogue.registry import Plugin
    from bench.core.resident import ResidentRows
    from bench.training.checkpoint import Checkpoint

Made = tuple[ResultRecord, list[bytes]]  # a record and its panels, as PNG files


@dataclass(frozen=True)
class StoredCell:
    """Fits one specification and stores its record; what a worker is given.

    Of the `plugins` those are loaded that a specification names: what they do on import is not done to others.
    """

    store: Path
    data_dir: Path
    plugins: "tuple[Plugin, ...]" = ()
    wandb: str = "off"
    images: int = 0
    checkpoint: float = 60.0  # seconds between two checkpoints, at least
    rows: "Mapping[str, ResidentRows]" = field(default_factory=dict)  # suite -> its data, where the runner has read it
    modules: ClassVar[tuple[str, ...]] = ("bench.training.fit",)

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """The plug-in files of the cell, and the parts of it that came from installed packages."""
        own_suite = any(part.startswith("suite/") for part in spec.code)
        named = [
            plugin
            for plugin in self.plugins  # one without parts may hold the metrics of a suite
            if not spec.versions.keys().isdisjoint(plugin.parts) or (own_suite and not plugin.parts)
        ]
        packaged = spec.code.keys() - {part for plugin in named for part in plugin.parts}
        return frozenset([*(str(plugin.path) for plugin in named), *packaged])

    def load(self, spec: RunSpec) -> None:
        """Make the parts of a cell known here. Raises RuntimeError where one is not what the cell was planned with."""
        from bench.catalogue.registry import confirm_code

        needs = self.needs(spec)
        for plugin in self.plugins:
            if str(plugin.path) in needs:
                plugin.load()
        confirm_code(spec.code)

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        if Store(self.store).has_done(spec):  # by another runner since the plan was made
            return "stored"
        return self.keep(self.make(spec, on_epoch, self.checkpoint_of(spec)))

    def checkpoint_of(self, spec: RunSpec) -> "Checkpoint":
        """Where the run keeps its state meanwhile: in the store."""
        from bench.training.checkpoint import Checkpoint

        return Checkpoint(Store(self.store).checkpoint(spec), self.checkpoint)

    def make(self, spec: RunSpec, on_epoch: EpochCallback, checkpoint: "Checkpoint | None" = None) -> Made:
        """Train; stores nothing but a checkpoint."""
        from bench.training.fit import fit
        from bench.training.gallery import Gallery

        gallery = Gallery(self.images) if self.images else None
        with redirect_stdout(sys.stderr):  # standard output is the command's answer, whatever a plug-in prints
            self.load(spec)
            record = fit(spec, self.data_dir, on_epoch, gallery, checkpoint, self.rows.get(spec.suite))
        return record, gallery.panels if gallery else []

    def keep(self, made: Made) -> Status:
        """Store a record with its panels, and mirror it."""
        whole, panels = made
        store, record = Store(self.store), drop_largest_matrices(whole)
        if record.left_out:
            print(
                f"mtlbench: The record of run {record.run_id} leaves out {', '.join(record.left_out)}: with all of it "
                f"there would be {bytes_of(whole):,} bytes, and {MAX_BYTES:,} are stored at most.",
                file=sys.stderr,
            )
        if panels:  # before the record, with which the cell is over
            try:
                store.write_panels(record.spec, panels)
            except OSError as error:
                print(
                    f"mtlbench: The panels of run {record.run_id} are not stored ({error.strerror}).", file=sys.stderr
                )
        if self.wandb != "off":  # before the record as well: whoever is killed in between leaves word
            make_folder(store.unmirrored(record.spec).parent)
            store.unmirrored(record.spec).touch()
        store.write(record)
        if self.wandb != "off":
            self.mirror(record, panels)
        return record.status

    def mirror(self, record: ResultRecord, panels: list[bytes]) -> None:
        """Mirror a record that is stored; what goes wrong is said, and the next command tries again."""
        from bench.training.mirror import mirror

        mark = Store(self.store).unmirrored(record.spec)
        try:
            mirror(record, self.wandb, panels=panels)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            what = f"Run {record.run_id} is stored, and not mirrored: {make_printable(reason, 300)}"
            print(f"mtlbench: {what}; the same command tries again.", file=sys.stderr)
        else:
            with suppress(OSError):  # others are left
                mark.unlink(missing_ok=True)
                mark.parent.rmdir()
