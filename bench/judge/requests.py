"""What a copy of the player does for a request: the method's file is imported, and its answers are sent.

Requests
    describe   a file and methods -> their canonical names, short names and versions
    train      a cell, its training and validation rows -> the fields of its record, the weights of the epochs kept
    build      a cell -> the weights of its models before training
    predict    a cell and weights -> ready to predict rows, batch by batch
    check      files and a subject -> every rule of the contract
"""

import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.plugin_files import load_plugin
from bench.catalogue.registry import PACKAGES, list_entries
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.errors import UsageError
from bench.judge.channel import Channel
from bench.judge.rows import SentRows, close_splits
from bench.planning.plan import parse_suite, suite_under_protocol, validate_method
from bench.records import RunSpec
from bench.training.checkpoint import Checkpoint
from bench.training.evaluate import Predict, Predictor, evaluation_mode
from bench.training.fit import Run
from bench.training.full_batch.prepare import prepare_full_batch_run
from bench.training.learned import Ensemble
from bench.training.trained_cell import TrainedCell

Values = dict[str, Any]


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
        if method.fits_itself and suite.protocol.fit != "solver":  # the judge expects updates, and weights to send
            raise UsageError(
                f"`{method.short}` is fitted to all rows at once, which is judged on suites with a solver only; run it "
                "by `mtlbench run`."
            )
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

    if method.is_full_batch(spec.protocol):
        cell = prepare_full_batch_run(spec, suite, method).train(on_epoch)
    else:
        cell = Run(spec, suite, method).train(on_epoch, checkpoint)
    in_place = method.fits_itself  # what was inferred is no state that can be sent
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
    if method.is_full_batch(spec.protocol):
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


REQUESTS: dict[str, Callable[[Channel, Values], None]] = {
    "describe": describe,
    "train": serve_train,
    "build": serve_build,
    "predict": serve_predict,
    "check": check_contract,
}
