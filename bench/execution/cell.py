"""One planned cell: what a worker is given. It trains a specification, stores the record and mirrors it.

A cell pickles: it is made in the runner and called in workers. The modules that train are imported when it is called.
"""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.engines.events import EpochCallback, Status
from bench.execution.keep import Made, store_made
from bench.records import RunSpec
from leaderboard.store import Store

if TYPE_CHECKING:
    from bench.catalogue.plugin_files import Plugin
    from bench.core.resident import ResidentRows
    from bench.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class StoredCell:
    """Trains one specification and stores its record, on a machine that sees the store.

    Of the `plugins` those are loaded that a specification names: one may change torch when it is imported, and should
    not change the numbers of others.

    Attributes:
        store: Folder of records.
        data_dir: Folder of data sets.
        plugins: Those that the user named.
        wandb: `off`, `offline` or `online`.
        images: Test images of each panel; 0 for no panels.
        checkpoint: Seconds between two checkpoints, at least; infinite for none.
        rows: suite -> its data, where the runner has read it for all workers.
        keep_model: Whether the trained model is stored beside the record.
        probed: Whether probes look at the network as it trains.
    """

    store: Path
    data_dir: Path
    plugins: "tuple[Plugin, ...]" = ()
    wandb: str = "off"
    images: int = 0
    checkpoint: float = 60.0
    rows: "Mapping[str, ResidentRows]" = field(default_factory=dict)
    keep_model: bool = False
    probed: bool = False
    modules: ClassVar[tuple[str, ...]] = ("bench.training.fit",)

    def needs(self, spec: RunSpec) -> frozenset[str]:
        """The plug-in files of the cell, and the parts of it that came from installed packages.

        A plug-in without parts may hold the metrics of a suite; it is needed where the suite is a plug-in's too. One
        with a backbone is needed where the suite names that.
        """
        own_suite = any(part.startswith("suite/") for part in spec.code)
        named = [
            plugin
            for plugin in self.plugins
            if not spec.versions.keys().isdisjoint(plugin.parts)
            or (own_suite and not plugin.parts)
            or any(part.startswith("backbone/") and part[9:] in spec.suite for part in plugin.parts)
        ]
        # Parts of installed packages are loaded by their name, so they count as loaded too: see `Cell.needs`.
        packaged = spec.code.keys() - {part for plugin in named for part in plugin.parts}
        return frozenset([*(str(plugin.path) for plugin in named), *packaged])

    def load(self, spec: RunSpec) -> None:
        """Load the plug-ins that a cell needs into this process.

        Raises:
            RuntimeError: A part is not what the cell was planned with: its file was edited meanwhile, or another one is
                installed.
        """
        from bench.catalogue.registry import confirm_code

        needs = self.needs(spec)
        for plugin in self.plugins:
            if str(plugin.path) in needs:
                plugin.load()
        # After loading: the text that is here now should be the text that the run is named after.
        confirm_code(spec.code)

    def is_over(self, spec: RunSpec) -> bool:
        """Whether all that this cell would store is there: a finished record, and its model where that is kept.

        A cell whose record is stored without the model that is asked for is trained again: see `store_made`.
        """
        store = Store(self.store)
        return store.has_done(spec) and (not self.keep_model or spec.is_trial or store.has_model(spec))

    def __call__(self, spec: RunSpec, on_epoch: EpochCallback) -> Status:
        if self.is_over(spec):  # by another runner since the plan was made
            return "stored"
        return self.keep(self.make(spec, on_epoch, self.checkpoint_of(spec)))

    def checkpoint_of(self, spec: RunSpec) -> "Checkpoint":
        """The checkpoint of a run, in the store, so that any later command continues from it."""
        from bench.training.checkpoint import Checkpoint

        return Checkpoint(Store(self.store).checkpoint(spec), self.checkpoint)

    def make(self, spec: RunSpec, on_epoch: EpochCallback, checkpoint: "Checkpoint | None" = None) -> Made:
        """Train; returns the record, its panels and the model. Stores nothing but a checkpoint.

        What a plug-in prints goes to standard error: standard output is the command's answer, which may be JSON.
        """
        from bench.training.fit import fit
        from bench.training.gallery import Gallery
        from bench.training.kept_model import ModelKeeper

        gallery = Gallery(self.images) if self.images else None
        keeper = ModelKeeper() if self.keep_model else None
        with redirect_stdout(sys.stderr):
            self.load(spec)
            rows = self.rows.get(spec.suite)
            record = fit(spec, self.data_dir, on_epoch, gallery, checkpoint, rows, keeper, self.probed)
        return Made(record, gallery.panels if gallery else [], keeper.model if keeper else None)

    def keep(self, made: Made) -> Status:
        """Store a record with its panels and its model, and mirror it; returns the record's status."""
        return store_made(Store(self.store), made, self.wandb)
