"""Lightning's trainer, set up so that it only trains: no logger, bars, checkpoints or summaries of its own.

Records, curves and checkpoints are the project's, and the device is the protocol's.
"""

import logging
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import Profiler

from bench.training.checkpoint import CheckpointCallback


class Silent(Profiler):
    """A profiler that measures nothing. Lightning calls it forty times per update, and its own idle one is slower."""

    nothing = nullcontext("")

    def profile(self, action_name: str) -> Any:
        return self.nothing

    def start(self, action_name: str) -> None:
        return

    def stop(self, action_name: str) -> None:
        return


def train(
    module: L.LightningModule, batches: Iterable[Any], watch: Callback, keeper: CheckpointCallback | None = None
) -> None:
    """Train a module for the epochs of its protocol.

    Args:
        module: has a `protocol`, as `MultiTaskModule` and the module of a stack.
        batches: asked for an iterator at every epoch.
        watch: the callback that evaluates after every epoch.
        keeper: resumes from a checkpoint and writes it; the epochs that it has are not trained again.
    """
    protocol: Any = module.protocol
    epochs = protocol.epochs - (keeper.epochs if keeper else 0)
    if keeper and not epochs:
        keeper.resume()
        return
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Lightning advises workers and logging steps for loaders; these batches are in memory.
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer = L.Trainer(
            accelerator="gpu" if protocol.device == "cuda" else "cpu",
            devices=[torch.cuda.current_device()] if protocol.device == "cuda" else 1,
            max_epochs=epochs,
            gradient_clip_val=protocol.clip_norm,
            callbacks=[watch, keeper] if keeper else [watch],
            plugins=[LightningEnvironment()],  # or the variables of a scheduler would be taken for a cluster's
            barebones=True,  # no logger, bars, checkpoints or summaries: records and curves are our own
            use_distributed_sampler=False,
        )
        trainer.profiler = Silent()  # type: ignore[attr-defined]
        trainer.fit(module, train_dataloaders=batches)
