"""A trained model as two files: weights in the safetensors format, and a description in JSON that rebuilds it.

What is kept is what the test split was scored with: of each task the weights of the epoch that the main selection rule
chose, of every member of an ensemble. Sharing and heads are kept, and no optimiser, constraint or weighting: no
prediction depends on them. No file holds Python objects, so that reading one runs nothing.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bench.core.suite import Suite
from bench.errors import make_printable
from bench.records import RunSpec
from bench.training.environment import versions
from bench.training.select import Snapshot
from bench.training.trained_cell import TrainedCell

PARTS = ("sharing.", "heads.")  # of a model: all that predictions are made of


class KeptState(BaseModel):
    """The training state of one set of weights: methods with phases predict differently in each.

    Attributes:
        step, updates, phase, steps_per_epoch: as in `TrainState`.
        extra: name -> JSON value of what modules keep beside tensors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    updates: int
    phase: str
    steps_per_epoch: int
    extra: dict[str, Any] = Field(default_factory=dict)


class ModelCard(BaseModel):
    """The description of a model: everything that rebuilds it but its weights. `RUN_ID.model.json`.

    Attributes:
        form: Of this schema.
        run_id: Of the record that the model was scored for.
        spec: The specification: suite, method, seed, protocol, versions.
        environment: Versions of packages that it was trained under.
        rule: The selection rule whose epochs are kept.
        epochs: Reported task -> epoch of each member.
        states: `MEMBER.EPOCH` -> training state of those weights.
        suite: What the suite needs to read new rows and to name its classes.
        sha256: Of the file of weights.
        refused: Why there are no weights; empty where there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    run_id: str
    spec: RunSpec
    environment: dict[str, str] = Field(default_factory=dict)
    rule: str = ""
    epochs: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    states: dict[str, KeptState] = Field(default_factory=dict)
    suite: dict[str, Any] = Field(default_factory=dict)
    sha256: str = ""
    refused: str = ""

    def as_text(self) -> str:
        """The file's content: values that equal their default are left out of the specification, as in its run id."""
        content = self.model_dump(mode="json", exclude={"spec"})
        content["spec"] = self.spec.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class KeptModel:
    """A description and its weights as bytes, ready to be written.

    Attributes:
        card: The description.
        weights: A safetensors file; empty where the card says why there are none.
    """

    card: ModelCard
    weights: bytes = b""


class ModelKeeper:
    """Takes the model of a cell once it was scored; `fit` is given one where models should be kept.

    Attributes:
        model: What was taken; None before, and where the run failed.
    """

    def __init__(self) -> None:
        self.model: KeptModel | None = None

    def take(self, cell: TrainedCell, suite: Suite, spec: RunSpec) -> None:
        """Copy what `cell`, of the run `spec`, was scored with. Raises nothing: the run itself is sound."""
        card = ModelCard(run_id=spec.run_id, spec=spec)
        try:
            self.model = _pack(card, cell, suite)
        except Exception as error:
            self.model = KeptModel(card.model_copy(update={"refused": str(error) or type(error).__name__}))


def _pack(card: ModelCard, cell: TrainedCell, suite: Suite) -> KeptModel:
    """The model that `cell` was scored with, under the rule of its board. Raises ValueError where none can be kept."""
    if cell.snapshots is None:
        raise ValueError("its predictions are made of the training rows, which are no weights")
    rule = "val" if "val" in cell.epochs else "last"
    chosen = cell.epochs[rule]
    tensors: dict[str, Tensor] = {}
    states: dict[str, KeptState] = {}
    for epochs in sorted(set(chosen.values())):
        for member, (epoch, snapshot) in enumerate(zip(epochs, cell.snapshots(epochs), strict=True)):
            place = f"{member}.{epoch}"
            weights, extra = _split_state(snapshot.weights)
            states[place] = _describe_state(snapshot, extra)
            tensors |= {f"{place}.{name}": tensor for name, tensor in weights.items()}
    data = save(tensors)
    described = {
        "environment": versions(),
        "rule": rule,
        "epochs": dict(chosen),
        "states": states,
        "suite": suite.describe_for_predictions(card.spec.seed),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return KeptModel(card.model_copy(update=described), data)


def _split_state(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, anything else) of a model's state, of the parts that predict; tensors are copies of one layout.

    Raises ValueError where something else does not come back from JSON as it was.
    """
    kept = {name: value for name, value in state.items() if name.startswith(PARTS)}
    tensors = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in kept.items()
        if isinstance(value, Tensor)
    }
    extra = {name: value for name, value in kept.items() if name not in tensors}
    for name, value in extra.items():
        try:
            same = bool(json.loads(json.dumps(value, allow_nan=False)) == value)
        except (TypeError, ValueError):
            same = False
        if not same:
            raise ValueError(f"`{name}` of its method is neither a tensor nor a JSON value")
    return tensors, extra


def _describe_state(snapshot: Snapshot, extra: dict[str, Any]) -> KeptState:
    """The moment of a snapshot, without its generator: predictions of a trained model draw nothing."""
    at = snapshot.state
    return KeptState(step=at.step, updates=at.updates, phase=at.phase, steps_per_epoch=at.steps_per_epoch, extra=extra)


def read_card(content: bytes, name: str) -> ModelCard:
    """The description in a file called `name`. Raises ValueError, in one sentence, for any other content."""
    try:
        card = ModelCard.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise ValueError(
            f"`{name}` should describe a trained model. Found {make_printable(first['msg'], 200)} at `{where}`; run it "
            "again with `--keep-model`."
        ) from error
    if card.run_id != card.spec.run_id or not re.fullmatch(r"[0-9a-f]{16}", card.run_id):
        raise ValueError(f"`{name}` should be of the run that its specification names, {card.spec.run_id}.")
    return card


def read_weights(card: ModelCard, content: bytes, name: str) -> dict[str, Tensor]:
    """The weights in a file called `name`. Raises ValueError, in one sentence, where they are not those of the card."""
    damaged = (
        f"`{name}` should be as it was written, with SHA-256 {card.sha256[:16]}...; run it again with `--keep-model`."
    )
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ValueError(damaged)
    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(damaged) from error
