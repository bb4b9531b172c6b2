"""Predictions that a player makes for the judge: their form is checked, and their time is compared.

The reference for both is the plain hard-sharing model of the suite, which is built here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.judge.cost import check_operations, measure_rate
from bench.judge.host import Player, PlayerFailed, Request
from bench.judge.trained import Trained
from bench.records import RunSpec
from bench.training.environment import settle_precision
from bench.training.evaluate import Predict
from bench.training.model import MultiTaskModel
from bench.training.rows import read_split
from bench.training.trained_cell import Epochs


@dataclass
class PlayerPredictions:
    """Opens functions that predict in a player.

    Attributes:
        player: It runs the method.
        spec: The cell.
        suite: Under the cell's protocol.
        values: What every request about the cell carries.
        predicted: Rows predicted so far by the process that predicts, which its processor time is compared with.
    """

    player: Player
    spec: RunSpec
    suite: Suite
    values: dict[str, Any]
    predicted: int = 0

    @contextmanager
    def open_in_new_process(self, answer: Trained, epochs: Epochs) -> Iterator[Predict]:
        """Yields a function that predicts with the weights of one choice of epochs, in a process that has nothing else.

        Raises PlayerFailed at the end where the predictions took far longer than the declared operations explain.
        """
        self.predicted = 0
        with self.player.request("predict", self.values | {"models": answer.models[epochs]}) as request:
            yield partial(self._predict, request)
        check_operations(answer.fields["cost"], request.usage, self.predicted, self._seconds_per_operation)

    @contextmanager
    def open_in_place(self, request: Request, epochs: Epochs) -> Iterator[Predict]:
        """Yields a function that predicts in the process that trained; it has one model, whatever the epochs."""
        yield partial(self._predict, request)

    def _predict(self, request: Request, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """task -> predictions (n, *shape) of rows, on the protocol's device.

        Raises PlayerFailed where they are not one floating-point tensor of the head's shape for each task.
        """
        request.send("rows", {"inputs": dict(inputs)})
        predictions = request.receive("predictions").values
        expected = {task: (len(x), *self._shapes[task]) for task, x in inputs.items()}
        wrong = "Predictions should be one floating-point tensor of the head's shape for each task"
        if predictions.keys() != expected.keys():
            raise PlayerFailed(f"{wrong}. Found other tasks.")
        for task, prediction in predictions.items():
            if not isinstance(prediction, Tensor) or not prediction.is_floating_point():
                raise PlayerFailed(f"{wrong}. Found another type for `{task}`.")
            if tuple(prediction.shape) != expected[task]:
                raise PlayerFailed(f"{wrong}. Found {tuple(prediction.shape)} for `{task}`, not {expected[task]}.")
        self.predicted += max(map(len, inputs.values()))
        device = torch.device(self.spec.protocol.device)
        return {task: predictions[task].to(device) for task in inputs}

    @cached_property
    def _built_in(self) -> MultiTaskModel:
        """The plain hard-sharing model of the suite: the reference for the shape and the time of a prediction.

        It draws from a forked generator, so that building it does not move the numbers of anything else.
        """
        protocol = self.spec.protocol
        device = torch.device(protocol.device)
        with torch.random.fork_rng(devices=[]):
            model = MultiTaskModel(self.suite, Method.parse("hard"), protocol, 0)
        return model.to(device, settle_precision(protocol.precision, device)).eval()

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """task -> shape of the prediction of one row, without the row axis."""
        parameter = next(self._built_in.parameters())
        row = torch.zeros(1, *self.suite.input_shape, dtype=parameter.dtype, device=parameter.device)
        with torch.no_grad():
            predictions = self._built_in({task.name: row for task in self.suite.tasks}, TrainState())
        return {task: tuple(prediction.shape[1:]) for task, prediction in predictions.items()}

    @cached_property
    def _seconds_per_operation(self) -> float:
        """Processor seconds that one operation takes in the built-in model on this machine."""
        return measure_rate(self._built_in, read_split(self.suite, self.spec, "test"))
