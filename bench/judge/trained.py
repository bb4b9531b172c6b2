"""What a player says of a cell that it trained, as far as it has the right form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from bench.judge.channel import Message
from bench.judge.host import PlayerFailed
from bench.records import ResultRecord, RunSpec
from bench.training.environment import versions
from bench.training.examine import Epochs

FROM_TRAINING = frozenset(  # the fields of a record that a player may fill
    ("tasks", "selection", "cost", "curves", "matrices", "effective_sharing", "cosines", "solution", "environment")
)


@dataclass(frozen=True)
class Trained:
    """The fields of a record, the epochs that rules chose, and the weights of the models at each of them.

    `models` maps the epochs of an ensemble to the state of each member; `in_place` where there is none to send.
    """

    fields: dict[str, Any]
    epochs: dict[str, dict[str, Epochs]]
    weights: Tensor | None
    models: dict[Epochs, list[dict[str, Any]]]
    in_place: bool

    @classmethod
    def read(cls, message: Message, spec: RunSpec) -> "Trained":
        """The content of a message. Raises PlayerFailed where it has another form."""
        values = message.values
        try:
            fields = values["fields"]
            if not isinstance(fields, dict) or not fields.keys() <= FROM_TRAINING | {"data"}:
                raise ValueError("fields")
            checked = {name: fields[name] for name in fields.keys() & FROM_TRAINING}
            # Through the schema of a record, so that everything is of its type before anything looks at it.
            sample = ResultRecord.model_validate(
                {"run_id": spec.run_id, "suite": "", "method": "", "spec": spec, "status": "done"} | checked
            )
            if sample.cost is None:
                raise ValueError("cost")
            checked["environment"] = versions(*sorted(_packages(checked.get("environment", {}))))
            epochs = {
                str(rule): {str(task): _epochs(each, spec) for task, each in tasks.items()}
                for rule, tasks in values["epochs"].items()
            }
            models = {_epochs(entry["epochs"], spec): list(entry["models"]) for entry in values["models"]}
            in_place, weights = values["in_place"] is True, values["weights"]
            needed = {each for tasks in epochs.values() for each in tasks.values()}
            if not needed or (not in_place and needed - models.keys()):
                raise ValueError("models")
            tasks = set(sample.tasks)
            if tasks != set(spec.protocol.metrics) or any(of.keys() != tasks for of in epochs.values()):
                raise ValueError("tasks")
            if {r: {t: e[0] for t, e in of.items()} for r, of in epochs.items()} != sample.selection:
                raise ValueError("selection")
            if weights is not None and not (isinstance(weights, Tensor) and weights.dim() == 2):
                raise ValueError("weights")
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PlayerFailed(f"What it says of its training has another form than it should ({reason}).") from error
        return cls(checked, epochs, weights, models, in_place)


def _packages(environment: Mapping[str, Any]) -> set[str]:
    """Packages beyond the usual ones whose versions matter: names only, their versions are looked up here."""
    return {str(name) for name in environment if len(str(name)) < 40} - versions().keys()


def _epochs(value: Any, spec: RunSpec) -> Epochs:
    epochs, last = tuple(value), spec.protocol.epochs
    if len(epochs) != spec.protocol.members or not all(type(e) is int and 1 <= e <= last for e in epochs):
        raise ValueError("epochs")
    return epochs
