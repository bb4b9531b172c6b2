"""Checkpoints: the full state of a long run at the end of an epoch; a killed run resumes to the same numbers."""

import hashlib
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from bench.catalogue.registry import entry_of
from bench.records import RunSpec
from bench.system.files import atomic_file, make_folder
from bench.system.regular import open_regular
from bench.training.environment import hardware, peak_memory_mb, versions
from bench.training.watch import TrainingMonitor

FORMAT = 1
ASIDE = "is left aside, and the run starts anew"
SHARE = 20  # a checkpoint that took s seconds is followed by at least SHARE * s of training
CheckpointState = dict[str, Any]


class Checkpoint:
    """The state of one cell in a file, written whole at most every `every` seconds: shorter cells write none.

    It belongs to a run id, to versions, code and hardware: another one is left aside with a note, as is one that is
    damaged (every part has a checksum), and the run starts anew. A write that fails is noted, and training goes on.
    """

    def __init__(self, path: Path, every: float = 60.0) -> None:
        self.path, self.every = path, every
        self.peak_mb = 0.0  # of memory, before this process
        self._members: list[CheckpointState] = []
        self._due = time.monotonic() + every
        self._noted = False

    def open(self, spec: RunSpec) -> None:
        """Take up what the file holds, if it belongs to `spec` as it would be run here and now."""
        self._spec, self._device = spec, torch.device(spec.protocol.device)
        if not os.path.lexists(self.path):
            return
        try:
            with open_regular(self.path, links=False) as file:
                with zipfile.ZipFile(file) as archive:
                    if (damaged := archive.testzip()) is not None:
                        raise ValueError(f"`{damaged}` does not match its checksum")
                file.seek(0)
                content = torch.load(file, map_location="cpu", weights_only=True)
            found = content["identity"]
            if other := sorted(name for name, value in self._identity.items() if found.get(name) != value):
                raise ValueError(f"it was made with another {', another '.join(other)}")
            self._members, self.peak_mb = content["members"], content["peak_mb"]
        except Exception as error:
            self._note(ASIDE, error)

    def leave_aside(self, error: Exception) -> None:
        """Remove what does not fit the run, with a note. The run has begun to take it up, and has to start anew."""
        self._note(ASIDE, error)
        self._members = []
        self.discard()

    def member(self, number: int) -> CheckpointState | None:
        """The saved state of model `number` of the cell; None if it had not begun."""
        return self._members[number] if number < len(self._members) else None

    def keep(self, number: int, state: Callable[[], CheckpointState], over: bool) -> None:
        """Save model `number`: calls `state` when a write is due, and when training is `over`."""
        due = time.monotonic() >= self._due
        del self._members[number:]
        if due or over:
            self._members.append(state())
        if due:
            self._write()
        if not over:
            del self._members[number:]  # or it would hold weights that nothing else needs any more

    def discard(self) -> None:
        """Remove the file; a folder in its place stays."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        began = time.monotonic()
        peak = max(self.peak_mb, peak_memory_mb(self._device))
        try:
            make_folder(self.path.parent)
            with atomic_file(self.path) as file:
                torch.save({"identity": self._identity, "peak_mb": peak, "members": self._members}, file)
        except Exception as error:  # a full disk, state that cannot be pickled: the run itself is sound
            self._note("could not be written, and the run goes on without", error)
        now = time.monotonic()
        self._due = now + max(self.every, SHARE * (now - began))

    def _note(self, what: str, error: Exception) -> None:
        if not self._noted:
            cause: BaseException = error
            while cause.__context__ and not isinstance(cause, OSError):  # torch's writer hides what stopped it
                cause = cause.__context__
            why = (str(cause) or type(cause).__name__).splitlines()[0]
            print(f"mtlbench: The checkpoint of run {self._spec.run_id} {what}: {why}", file=sys.stderr, flush=True)
        self._noted = True

    @cached_property
    def _identity(self) -> dict[str, str]:
        found = {"format": str(FORMAT), "run id": self._spec.run_id, "hardware": hardware(self._device)}
        return found | {"code": _code(self._spec), **versions()}


def _code(spec: RunSpec) -> str:
    """SHA-256 over the source of the project and of every part of `spec`: half of a run is not mended by an edit."""
    parts = [entry_of(kind, name) for kind, _, name in (part.partition("/") for part in sorted(spec.versions))]
    tops = {entry.cls.__module__.partition(".")[0] for entry in parts if not entry.code}
    digest = hashlib.sha256("".join(f"{entry.part} {entry.code}\n" for entry in parts if entry.code).encode())
    for top in sorted(tops | {__name__.partition(".")[0]}):
        for folder in map(Path, sys.modules[top].__path__):
            for file in sorted(folder.rglob("*.py")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class DoesNotFit(Exception):
    """A checkpoint of the right name holds another state than the run has; it was removed."""


class CheckpointCallback(Callback):
    """Lightning callback of one model: restores it from the checkpoint, and updates the checkpoint after each epoch.

    Raises DoesNotFit, on making and on resuming, where that cannot be: the model may be changed by then.
    """

    def __init__(self, checkpoint: Checkpoint, number: int, watch: TrainingMonitor) -> None:
        self.checkpoint, self.number, self.watch = checkpoint, number, watch
        self._resumed = checkpoint.member(number)
        self.epochs = 0  # that are trained already
        if self._resumed is not None:
            with self._fitting():
                check_fit(self._resumed, watch)
                self.epochs = len(self._resumed["watch"]["train"])

    def resume(self, optimiser: Optimizer | None = None) -> None:
        """Restore the model; with `optimiser` where training continues."""
        if self._resumed is None:
            return
        with self._fitting():
            check_moments(self._resumed["optimiser"], optimiser)
            restore(self.watch, self._resumed, optimiser)
        self._resumed = None

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.checkpoint.leave_aside(error)
            raise DoesNotFit(str(error)) from error

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.resume(trainer.optimizers[0])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.world_size > 1:  # each process has state of its own
            return
        over = self.watch.epochs == self.watch.module.protocol.epochs
        optimiser = None if over else trainer.optimizers[0]
        self.checkpoint.keep(self.number, lambda: capture_state(self.watch, optimiser), over)


def capture_state(watch: TrainingMonitor, optimiser: Optimizer | None) -> CheckpointState:
    """Everything a resume needs at the end of an epoch; the weights are in the last snapshot."""
    module = watch.module
    assert module.state.generator is not None
    return {
        "watch": watch.state_dict(),
        "optimiser": optimiser and optimiser.state_dict(),
        "trainable": [parameter.requires_grad for parameter in module.model.parameters()],
        "generator": module.state.generator.get_state(),
        "random": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if module.loss_sum.is_cuda else None,
    }


def check_fit(state: CheckpointState, watch: TrainingMonitor) -> None:
    """Raise ValueError where a state has other tensors, epochs or tasks than the model and the protocol of `watch`."""
    module, seen = watch.module, state["watch"]
    epochs, tasks, weights = len(seen["train"]), len(watch.tasks), module.model.state_dict()
    if not 1 <= epochs <= module.protocol.epochs:
        raise ValueError(f"it holds {epochs} epochs of {module.protocol.epochs}")
    if seen["steps"].shape != (epochs * module.protocol.steps_per_epoch,):
        raise ValueError(f"it holds {seen['steps'].numel()} updates in {epochs} epochs")
    rows = epochs if watch.val is not None else 0
    if any(len(row) != tasks for row in seen["train"]) or {len(seen["val"]), len(seen["errors"])} != {rows}:
        raise ValueError("it holds other curves")
    if len(state["trainable"]) != sum(1 for _ in module.model.parameters()):
        raise ValueError("it holds another number of parameters")
    for kept, _, _ in seen["selector"]["snapshots"].values():
        if other := sorted(kept.keys() ^ weights.keys()):
            raise ValueError(f"it holds other weights, as `{other[0]}`")
        for name, value in weights.items():
            if isinstance(value, Tensor):  # what a part keeps in other forms is its own to take up
                _check_like(name, kept[name], value)


def check_moments(state: Mapping[str, Any] | None, optimiser: Optimizer | None) -> None:
    """Raise ValueError where what an optimiser remembers is not of the shape and type of its parameters."""
    if not (optimiser and state):
        return
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim():
                _check_like(f"optimiser, {name}", value, parameters[number])


def _check_like(name: str, value: Any, wanted: Any) -> None:
    """Raise ValueError where one of two tensors is none, or has another shape or type."""
    forms = [(tuple(v.shape), v.dtype) if isinstance(v, Tensor) else None for v in (value, wanted)]
    if forms[0] != forms[1]:
        found, due = (f"{form[1]} {list(form[0])}" if form else "no tensor" for form in forms)
        raise ValueError(f"`{name}` should be {due}, found {found}")


def restore(watch: TrainingMonitor, state: CheckpointState, optimiser: Optimizer | None) -> None:
    """Put a fresh model and its watch where `state` says, and torch's generators with them."""
    module, model = watch.module, watch.module.model
    assert module.state.generator is not None
    watch.load_state_dict(state["watch"])
    last = watch.selector.snapshot(watch.selector.last)
    model.load_state_dict(last.weights)
    module.fast_forward(last.state.step)  # phases may look at the weights, and change them
    model.load_state_dict(last.weights)
    for parameter, trainable in zip(model.parameters(), state["trainable"], strict=True):
        parameter.requires_grad_(trainable)
    if optimiser and state["optimiser"]:
        optimiser.load_state_dict(state["optimiser"])
    module.state.generator.set_state(state["generator"])
    torch.set_rng_state(state["random"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
