"""Checkpoints: the full state of a long run at the end of an epoch; a killed run resumes to the same numbers.

`fit` is handed a `Checkpoint`, one file per cell; its callback saves and restores one model of it. A checkpoint is a
saving of time only: whatever is wrong with it, the run is trained from its start.
"""

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

from bench.catalogue.registry import find_entry, is_registered
from bench.errors import count_nouns
from bench.records import RunSpec
from bench.system.files import atomic_file, make_folder
from bench.system.regular import open_regular
from bench.training.environment import hardware, peak_memory_mb, versions
from bench.training.watch import TrainingMonitor

FORMAT = 1  # of the file; a checkpoint of another format is ignored
IGNORED = "is left aside, and the run starts anew"
TRAINING_PER_WRITE = 20  # a write that took s seconds is followed by at least 20 s seconds of training: 5 % at most
CheckpointState = dict[str, Any]  # of one model: plain values and tensors, as `capture_state` makes it


class Checkpoint:
    """The state of one cell in a file, written at most every `every` seconds, atomically: shorter cells write none.

    A cell is one model, or the members of an ensemble one after the other. The file belongs to a run id, to versions,
    code and hardware. A file of another run, or a damaged one (every part has a checksum), is ignored with a note on
    standard error, and the run starts anew. A write that fails is noted, and training goes on.

    Attributes:
        peak_mb: peak memory of the earlier processes of the run, in MiB.
    """

    def __init__(self, path: Path, every: float = 60.0) -> None:
        self.path, self.every = path, every
        self.peak_mb = 0.0
        self._members: list[CheckpointState] = []
        self._due = time.monotonic() + every
        self._noted = False  # one note per run: a full disk fails every write

    def open(self, spec: RunSpec) -> None:
        """Load the file, if there is one that belongs to `spec` as it would be run here and now."""
        self._spec, self._device = spec, torch.device(spec.protocol.device)
        if not os.path.lexists(self.path):
            return
        try:
            # The store may be a shared folder: no links are followed, and no pickled code is run.
            with open_regular(self.path, links=False) as file:
                with zipfile.ZipFile(file) as archive:
                    if (damaged := archive.testzip()) is not None:
                        raise ValueError(f"`{damaged}` does not match its checksum")
                file.seek(0)
                content = torch.load(file, map_location="cpu", weights_only=True)
            identity = content["identity"]
            if other := sorted(name for name, value in self._identity.items() if identity.get(name) != value):
                raise ValueError(f"it was made with another {', another '.join(other)}")
            self._members, self.peak_mb = content["members"], content["peak_mb"]
        except Exception as error:
            self._note(IGNORED, error)

    def leave_aside(self, error: Exception) -> None:
        """Remove a checkpoint that does not fit the run, with a note.

        The model may hold some of its state already, so that the run has to be built anew.
        """
        self._note(IGNORED, error)
        self._members = []
        self.discard()

    def member(self, number: int) -> CheckpointState | None:
        """The saved state of model `number` of the cell; None if it had not begun."""
        return self._members[number] if number < len(self._members) else None

    def keep(self, number: int, state: Callable[[], CheckpointState], over: bool) -> None:
        """Save the state of model `number` at the end of an epoch.

        Args:
            number: of the model in the cell. States of later ones are dropped.
            state: copies the state; called only when a write is due or training is over, since copies take time.
            over: the model is trained. Its state stays in the file while the members after it are trained.
        """
        due = time.monotonic() >= self._due
        del self._members[number:]
        if due or over:
            self._members.append(state())
        if due:
            self._write()
        if not over:
            del self._members[number:]  # or memory would hold a copy of weights until the next write

    def discard(self) -> None:
        """Remove the file; a folder in its place stays."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        """Write the file, and set when the next write is due."""
        began = time.monotonic()
        peak = max(self.peak_mb, peak_memory_mb(self._device))
        try:
            make_folder(self.path.parent)
            with atomic_file(self.path) as file:
                torch.save({"identity": self._identity, "peak_mb": peak, "members": self._members}, file)
        except Exception as error:  # a full disk, state that cannot be pickled: the run itself is sound
            self._note("could not be written, and the run goes on without", error)
        now = time.monotonic()
        self._due = now + max(self.every, TRAINING_PER_WRITE * (now - began))

    def _note(self, what: str, error: Exception) -> None:
        """Print one line with what happened to the checkpoint, and the cause of `error`; only the first time."""
        if not self._noted:
            cause: BaseException = error
            while cause.__context__ and not isinstance(cause, OSError):  # torch's writer hides what stopped it
                cause = cause.__context__
            why = (str(cause) or type(cause).__name__).splitlines()[0]
            print(f"mtlbench: The checkpoint of run {self._spec.run_id} {what}: {why}", file=sys.stderr, flush=True)
        self._noted = True

    @cached_property
    def _identity(self) -> dict[str, str]:
        """Everything that has to be equal for a resumed run to end in the numbers of an uninterrupted one."""
        run = {"format": str(FORMAT), "run id": self._spec.run_id, "hardware": hardware(self._device)}
        return run | {"code": _hash_code(self._spec), **versions()}


def _hash_code(spec: RunSpec) -> str:
    """SHA-256 over the source of the project and of every part of `spec`.

    After an edit a run starts anew: half of it would have been trained by the old code.
    """
    named = [(kind, name) for kind, _, name in (part.partition("/") for part in sorted(spec.versions))]
    # A suite that was built and is not registered is an own data set, which the project's own code reads.
    parts = [find_entry(kind, name) for kind, name in named if kind != "suite" or is_registered(kind, name)]
    tops = {"suites"} | {entry.cls.__module__.partition(".")[0] for entry in parts if not entry.code}
    digest = hashlib.sha256("".join(f"{entry.part} {entry.code}\n" for entry in parts if entry.code).encode())
    for top in sorted(tops | {__name__.partition(".")[0]}):
        for folder in map(Path, sys.modules[top].__path__):
            for file in sorted(folder.rglob("*.py")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class DoesNotFit(Exception):
    """A checkpoint of the right identity holds the state of another model; it was removed."""


class CheckpointCallback(Callback):
    """Lightning callback of one model: restores it from the checkpoint, and updates the checkpoint after each epoch.

    Raises DoesNotFit, from the constructor and from `resume`, where the saved state belongs to another model; after
    `resume` the model may be half changed.

    Attributes:
        epochs: trained by an earlier process; 0 without a saved state.
    """

    def __init__(self, checkpoint: Checkpoint, number: int, watch: TrainingMonitor) -> None:
        self.checkpoint, self.number, self.watch = checkpoint, number, watch
        self._resumed = checkpoint.member(number)
        self.epochs = 0
        if self._resumed is not None:
            with self._refuse_other_state():
                check_fit(self._resumed, watch)
                self.epochs = len(self._resumed["watch"]["train"])

    def resume(self, optimiser: Optimizer | None = None) -> None:
        """Restore the model once; with its `optimiser` where training continues."""
        if self._resumed is None:
            return
        with self._refuse_other_state():
            check_moments(self._resumed["optimiser"], optimiser)
            restore(self.watch, self._resumed, optimiser)
        self._resumed = None

    @contextmanager
    def _refuse_other_state(self) -> Iterator[None]:
        """Turn any error inside into DoesNotFit: a state of another model fails in ways that cannot be listed."""
        try:
            yield
        except Exception as error:
            self.checkpoint.leave_aside(error)
            raise DoesNotFit(str(error)) from error

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore the model before the first update, once Lightning has made the optimiser."""
        self.resume(trainer.optimizers[0])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the model. The monitor comes first among the callbacks, so its state includes this epoch."""
        if trainer.world_size > 1:  # each process has generators of its own, which one file would not restore
            return
        over = self.watch.epochs == self.watch.module.protocol.epochs
        optimiser = None if over else trainer.optimizers[0]
        self.checkpoint.keep(self.number, lambda: capture_state(self.watch, optimiser), over)


def capture_state(watch: TrainingMonitor, optimiser: Optimizer | None) -> CheckpointState:
    """Everything a resume needs at the end of an epoch.

    Weights are in the last snapshot of the monitor; `optimiser` is None once training is over. Besides the method's
    generator, torch's own are saved: layers such as dropout draw from them.
    """
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
    """Raise ValueError where a state has other tensors, epochs or tasks than the model and the protocol of `watch`.

    Before the model is touched: torch would load some of a state before it refuses the rest.
    """
    module, seen = watch.module, state["watch"]
    epochs, tasks, weights = len(seen["train"]), len(watch.tasks), module.model.state_dict()
    if not 1 <= epochs <= module.protocol.epochs:
        raise ValueError(f"it holds {count_nouns(epochs, 'epoch')} of {module.protocol.epochs}")
    if seen["steps"].shape != (epochs * module.protocol.steps_per_epoch,):
        raise ValueError(f"it holds {count_nouns(seen['steps'].numel(), 'update')} in {count_nouns(epochs, 'epoch')}")
    rows = epochs if watch.val is not None else 0
    if any(len(row) != tasks for row in seen["train"]) or {len(seen["val"]), len(seen["errors"])} != {rows}:
        raise ValueError("it holds other curves")
    if len(state["trainable"]) != sum(1 for _ in module.model.parameters()):
        raise ValueError("it holds another number of parameters")
    for kept, _, _ in seen["selector"]["snapshots"].values():
        if other := sorted(kept.keys() ^ weights.keys()):
            raise ValueError(f"it holds other weights, as `{other[0]}`")
        for name, value in weights.items():
            if isinstance(value, Tensor):  # extra state of a part is checked by the part
                _check_like(name, kept[name], value)


def check_moments(state: Mapping[str, Any] | None, optimiser: Optimizer | None) -> None:
    """Raise ValueError where the moments in an optimiser's `state` do not have the shape and type of its parameters."""
    if not (optimiser and state):
        return
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for number, moments in state["state"].items():
        for name, value in moments.items():
            if isinstance(value, Tensor) and value.dim():
                _check_like(f"optimiser, {name}", value, parameters[number])


def _check_like(name: str, value: Any, wanted: Any) -> None:
    """Raise ValueError where `value` is not a tensor of the shape and type of `wanted`."""
    forms = [(tuple(v.shape), v.dtype) if isinstance(v, Tensor) else None for v in (value, wanted)]
    if forms[0] != forms[1]:
        found, due = (f"{form[1]} {list(form[0])}" if form else "no tensor" for form in forms)
        raise ValueError(f"`{name}` should be {due}, found {found}")


def restore(watch: TrainingMonitor, state: CheckpointState, optimiser: Optimizer | None) -> None:
    """Set a fresh model, its monitor, its optimiser and torch's generators to `state`.

    The order matters: entering a phase may change weights and what is frozen, so both are set again afterwards, and
    generators come last, since anything before may draw.
    """
    module, model = watch.module, watch.module.model
    assert module.state.generator is not None
    watch.load_state_dict(state["watch"])
    last = watch.selector.snapshot(watch.selector.last)
    model.load_state_dict(last.weights)
    module.fast_forward(last.state.step)  # a phase may read the weights as it begins, and change them
    model.load_state_dict(last.weights)
    for parameter, trainable in zip(model.parameters(), state["trainable"], strict=True):
        parameter.requires_grad_(trainable)
    if optimiser and state["optimiser"]:
        optimiser.load_state_dict(state["optimiser"])
    module.state.generator.set_state(state["generator"])
    torch.set_rng_state(state["random"])
    if state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
