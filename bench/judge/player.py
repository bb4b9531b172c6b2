"""The confined process: it runs somebody else's method, and never sees a target of the test split.

`python -m bench.judge.player FD GRACE` imports the harness once and waits on the socket FD. For every request, which
brings a connected socket, it makes a copy of itself. The copy answers over that socket, with nothing of earlier
requests in its memory. The first process never imports a method; it reports when the copy has ended and what it used.

Requests
    describe   a file and methods -> their canonical names, short names and versions
    train      a cell, its training and validation rows -> the fields of its record, the weights of the epochs kept
    build      a cell -> the weights of its models before training
    predict    a cell and weights -> ready to predict rows, batch by batch
    check      files and a subject -> every rule of the contract
"""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.registry import PACKAGES, list_entries, load_plugin
from bench.core.self_fitting import SelfFitting
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.errors import UsageError
from bench.judge.channel import Channel, ChannelError
from bench.judge.leftovers import SharedFolders
from bench.judge.rows import SentRows, close_splits
from bench.judge.seccomp import refuse_calls
from bench.planning.plan import parse_suite, suite_under_protocol, validate_method
from bench.records import RunSpec
from bench.system.processes import ProcessTree
from bench.training.checkpoint import Checkpoint
from bench.training.environment import strip_paths
from bench.training.evaluate import Predict, Predictor, evaluation_mode
from bench.training.fit import Run
from bench.training.full_batch.prepare import prepare_full_batch_run
from bench.training.learned import Ensemble
from bench.training.trained_cell import TrainedCell

GRACE_SECONDS = 10.0  # for a copy to end after its last answer
MAX_FILE = 8 << 30  # bytes of one file that a copy writes
DUMPABLE, DEATH_SIGNAL = 4, 1  # PR_SET_DUMPABLE, PR_SET_PDEATHSIG of prctl(2)
Values = dict[str, Any]


def main(descriptor: int, grace: float) -> NoReturn:
    """Serve requests until the other end of `descriptor` is closed.

    `grace` are the seconds that helper processes get to end by themselves after each request.
    """
    control = socket.socket(fileno=descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the judge decides
    torch.set_num_threads(1)
    for kind in PACKAGES:
        list_entries(kind)
    _prctl(DUMPABLE, 0)  # a copy can neither look into this process nor change it
    refuse_calls()
    shared = SharedFolders()
    with ProcessTree() as tree:
        control.sendall(b"ready\n")
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            except OSError:
                data, descriptors = b"", []
            if not data:
                tree.end()
                os._exit(0)
            report = _serve(descriptors[0], control, tree, shared, grace)
            control.sendall(json.dumps(report).encode() + b"\n")


def _serve(descriptor: int, control: socket.socket, tree: ProcessTree, shared: SharedFolders, grace: float) -> Values:
    """Answer one request in a copy of this process; returns the report on its end.

    Keys of the report: `code` (exit code), `seconds` (of processors), `peak_mb`, `left` (processes that had to be
    killed), `ended` (whether all of them did), `clean` (whether all that it wrote is removed).
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pid = os.fork()
    if not pid:
        control.close()
        _answer(socket.socket(fileno=descriptor))
    os.close(descriptor)
    status, peak, released = _wait_for_copy(pid, control, tree)
    end = time.monotonic() + grace
    while tree.list_living() and time.monotonic() < end:
        time.sleep(0.02)
    left, ended = tree.end()
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    clean = shared.clear()
    if not released and not control.recv(1):  # the judge says once per request that no more is wanted
        os._exit(0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak / 1024,
        "left": left,
        "ended": ended,
        "clean": clean,
    }


def _wait_for_copy(pid: int, control: socket.socket, tree: ProcessTree) -> tuple[int, int, bool]:
    """Wait for a copy to end; returns its status, its peak memory (KiB), and whether the judge released it.

    A byte on `control` releases the copy: it is killed where it does not end within GRACE_SECONDS. Where the judge is
    gone, this process and everything below it end.
    """
    end = float("inf")
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            return status, used.ru_maxrss, end != float("inf")
        if select.select([control], [], [], 0.01)[0] and end == float("inf"):
            if not control.recv(1):
                tree.end()
                os._exit(0)
            end = time.monotonic() + GRACE_SECONDS
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)


def _answer(connection: socket.socket) -> NoReturn:
    """Life of a copy: answer one request and exit.

    An exception becomes a message `failed` with its type, text and place. Paths are removed from the text, which ends
    up in public records. `os._exit` skips the exit handlers of whatever the method imported.
    """
    _prctl(DUMPABLE, 1)
    _prctl(DEATH_SIGNAL, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    channel = Channel(connection)
    try:
        message = channel.receive()
        REQUESTS[message.kind](channel, message.values)
    except ChannelError:
        pass
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        failure = {
            "type": type(error).__name__,
            "message": strip_paths(str(error))[:500],
            "where": f"{Path(frame.filename).stem}.{frame.name}, line {frame.lineno}",
            "usage": isinstance(error, UsageError),
        }
        with suppress(ChannelError):
            channel.send("failed", failure)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _load(values: Values) -> list[tuple[str, str]]:
    """Import the method's file, which came as text; returns the (kind, name) pairs that it registered."""
    return load_plugin(_write(values))


def _write(values: Values) -> Path:
    """Write a file that came as text into a folder of its own, and return its path."""
    file = Path(tempfile.mkdtemp(prefix="method-")) / str(values["name"])
    file.write_text(values["source"], encoding="utf-8")
    return file


def check_contract(channel: Channel, values: Values) -> None:
    """Request `check`: hold a part by name, or what the last of the files registers, against the contract.

    Answers with a message `rule` for each outcome, and `checked` at the end.
    """
    from bench.check import check, find_subjects

    files = [_write(file) for file in values["files"]]
    with close_splits({"train"}):
        registered = [load_plugin(file) for file in files]
    if values["all"]:
        chosen = [(kind, name) for kind in PACKAGES for name in list_entries(kind)]
    else:
        chosen = find_subjects(values["subject"] or str(files[-1]))
    data_dir = values["data_dir"] and Path(values["data_dir"])
    for kind, name in chosen:
        # Rules on a suite read every split, of a class it may inherit from; those on a method a few rows of training.
        with nullcontext() if kind == "suite" else close_splits({"train"}):
            for outcome in check(kind, name, data_dir):
                channel.send("rule", asdict(outcome))
    channel.send("checked", {"registered": registered})


def describe(channel: Channel, values: Values) -> None:
    """Request `describe`: names and versions of methods. Raises UsageError where one does not fit the suite."""
    registered = _load(values)
    _, suite = parse_suite(values["suite"])
    descriptions = []
    for text in values["methods"]:
        method = Method.parse(text)
        validate_method(method, suite, suite.protocol)
        descriptions.append({"canonical": method.canonical, "short": method.short, "versions": method.versions})
    channel.send("described", {"registered": registered, "methods": descriptions})


def serve_train(channel: Channel, values: Values) -> None:
    """Request `train`: train a cell on the rows that were sent, and send what was learned.

    Sends `epoch` and `checkpoint` meanwhile, and `trained` at the end, with the weights of every epoch that will be
    tested.
    """
    close_splits(set())
    _load(values)
    spec = RunSpec.model_validate(values["spec"])
    suite, method = _rebuild(spec, values)
    checkpoint = None if values["every"] is None else SentCheckpoint(channel, values["checkpoint"], values["every"])

    def on_epoch(done: int, epochs: int) -> None:
        channel.send("epoch", {"done": done, "epochs": epochs})

    if spec.protocol.fit == "solver":
        cell = prepare_full_batch_run(spec, suite, method).train(on_epoch)
    else:
        cell = Run(spec, suite, method).train(on_epoch, checkpoint)
    in_place = issubclass(method.sharing.entry.cls, SelfFitting)  # what was inferred is no state that can be sent
    answer = {"fields": to_jsonable_python(cell.fields), "epochs": cell.epochs, "weights": cell.weights}
    channel.send("trained", answer | {"models": [] if in_place else _collect_states(cell), "in_place": in_place})
    if in_place:
        with cell.predictor(cell.distinct_epochs[0]) as predict:
            _predict_rows(channel, predict, spec)


class SentCheckpoint(Checkpoint):
    """A checkpoint that the judge keeps.

    `content` comes with the request where an earlier attempt left one; every later one is sent over the channel.
    `every` are the seconds between two, at least.
    """

    def __init__(self, channel: Channel, content: Tensor | None, every: float) -> None:
        """Writes `content` (uint8 bytes) to a private file, from which training continues."""
        super().__init__(Path(tempfile.mkdtemp(prefix="checkpoint-")) / "checkpoint", every)
        self._channel = channel
        if content is not None:
            self.path.write_bytes(bytes(content.numpy()))

    def _write(self) -> None:
        """Write the file as usual, and send its bytes."""
        super()._write()
        if self.path.exists():
            content = bytearray(self.path.read_bytes())
            self._channel.send("checkpoint", {"content": torch.frombuffer(content, dtype=torch.uint8)})


def serve_build(channel: Channel, values: Values) -> None:
    """Request `build`: send the weights of the models before training, one state per member."""
    close_splits(set())
    _load(values)
    spec = RunSpec.model_validate(values["spec"])
    suite, method = _rebuild(spec, values)
    if spec.protocol.fit == "solver":
        models = [prepare_full_batch_run(spec, suite, method).model]
    else:
        models = [Run(spec, suite, method, member).model for member in range(spec.protocol.members)]
    channel.send("built", {"models": [{"weights": dict(model.state_dict())} for model in models]})


def serve_predict(channel: Channel, values: Values) -> None:
    """Request `predict`: predict the rows that are sent with weights that are sent; there are no others here."""
    close_splits(set())
    _load(values)
    spec = RunSpec.model_validate(values["spec"])
    suite, method = _rebuild(spec, values)
    with evaluation_mode(
        [_restore(spec, suite, method, n, state) for n, state in enumerate(values["models"])]
    ) as function:
        _predict_rows(channel, function, spec)


@torch.inference_mode()
def _predict_rows(channel: Channel, function: Predict, spec: RunSpec) -> None:
    """Answer batches of rows with predictions until the judge leaves.

    A tensor that several tasks read is moved once and stays one tensor, so that a shared trunk runs once.
    """
    device = torch.device(spec.protocol.device)
    while True:
        rows = channel.receive().values["inputs"]
        moved = {id(x): x.to(device) for x in rows.values()}
        channel.send("predictions", function({task: moved[id(x)] for task, x in rows.items()}))


def _collect_states(cell: TrainedCell) -> list[Values]:
    """The weights behind each prediction that will be asked for, with the step and phase at which they were taken."""
    states = []
    for epochs in cell.distinct_epochs:
        if isinstance(cell, Ensemble):
            kept = [m.watch.selector.snapshot(epoch) for m, epoch in zip(cell.members, epochs, strict=True)]
            models = [{"weights": k.weights, "step": k.state.step, "phase": k.state.phase} for k in kept]
        else:
            with cell.predictor(epochs) as function:
                assert isinstance(function, partial)
                [(model, state)] = function.args[0]
                models = [{"weights": dict(model.state_dict()), "step": state.step, "phase": state.phase}]
        states.append({"epochs": epochs, "models": models})
    return states


def _restore(spec: RunSpec, suite: Suite, method: Method, number: int, state: Values) -> Predictor:
    """A fresh model with weights that were trained elsewhere, and the training state that it predicts under.

    `number` is the member of an ensemble.
    """
    if spec.protocol.fit == "solver":
        solved = prepare_full_batch_run(spec, suite, method)
        solved.model.load_state_dict(state["weights"])
        return solved.model, TrainState()
    run = Run(spec, suite, method, number)
    module = run.module
    run.model.load_state_dict(state["weights"])
    module.fast_forward(spec.protocol.updates)  # phases may look at the weights, and change them
    run.model.load_state_dict(state["weights"])
    return run.model, replace(module.state, step=state["step"], phase=state["phase"])


def _rebuild(spec: RunSpec, values: Values) -> tuple[Suite, Method]:
    """The method, and the suite under the cell's protocol with the rows that were sent in place of its own.

    They have the labels of the protocol's share already.
    """
    _, suite = parse_suite(spec.suite)
    suite = SentRows(values.get("splits", {}), values.get("checksums", {})).serve(suite)
    protocol = spec.protocol.model_copy(update={"labels": 1.0})
    return suite_under_protocol(suite, protocol), Method.parse(spec.method)


def _prctl(option: int, value: int) -> None:
    """Set an attribute of this process (Linux); no effect elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


REQUESTS: dict[str, Callable[[Channel, Values], None]] = {
    "describe": describe,
    "train": serve_train,
    "build": serve_build,
    "predict": serve_predict,
    "check": check_contract,
}

if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
