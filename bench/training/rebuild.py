"""A trained model from its two files, in any later process: the same outputs, bit for bit, on the same machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench.catalogue.method import Method
from bench.catalogue.own_sets import rebuild_own_suite
from bench.catalogue.registry import Choice, list_entries
from bench.core.data import Dataset
from bench.core.new_rows import NewRows
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.errors import UsageError
from bench.planning.plan import parse_suite, suite_under_protocol
from bench.records import RunSpec, parse_call
from bench.training.environment import versions
from bench.training.evaluate import Predictor, choose_rows, evaluation_mode
from bench.training.fit import Run
from bench.training.full_batch.prepare import prepare_full_batch_run
from bench.training.kept_model import KeptState, ModelCard
from bench.training.model import MultiTaskModel
from bench.training.rows import place_rows


@dataclass(frozen=True)
class RebuiltModel:
    """A model that predicts as it did when its run was scored.

    Args:
        card: its description.
        suite: under the protocol of the run; it needs no data.
        predictors: epochs of the members -> the models of the ensemble with those weights.
    """

    card: ModelCard
    suite: Suite
    predictors: Mapping[tuple[int, ...], Sequence[Predictor]]

    def predict(self, rows: NewRows) -> dict[str, Tensor]:
        """task -> head outputs (n, ...) for the rows of the task, each with the weights that were selected for it."""
        task_epochs = {task.name: self.card.epochs[task.reported] for task in self.suite.tasks}
        # Labels are not read: zeros stand in their place. Whole numbers are rows as the suite stores them.
        blank = {task: torch.zeros(len(x), 1) for task, x in rows.inputs.items()}
        stored = not any(x.is_floating_point() for x in rows.inputs.values())
        transform = rows.transform or (self.suite.transform if stored else None)
        unlabelled = Dataset(dict(rows.inputs), blank, transform)
        placed = place_rows(unlabelled, self.card.spec.protocol)
        made: dict[str, list[Tensor]] = {task: [] for task in rows.inputs}
        for epochs, predictors in self.predictors.items():
            with torch.inference_mode(), evaluation_mode(predictors) as predict:
                # In pieces as at scoring: sums inside a product may depend on how many rows it has.
                for inputs, _ in placed.slices(choose_rows(placed)):
                    for task, output in predict(inputs).items():
                        if task_epochs[task] == epochs:
                            made[task].append(output.cpu())
        return {task: torch.cat(parts) for task, parts in made.items()}


def rebuild_model(card: ModelCard, weights: Mapping[str, Tensor], data_dir: Path | None = None) -> RebuiltModel:
    """The model of a card with its weights.

    Args:
        card: of a model that has weights.
        weights: `MEMBER.EPOCH.NAME` -> tensor.
        data_dir: where the suite looks for data, which it does not read.

    Raises:
        UsageError: a part is not known here, or of another version or source than the model was trained with.
        ValueError: the weights are not those of the model.
    """
    spec = card.spec
    if spec.protocol.device == "cuda" and not torch.cuda.is_available():
        spec = spec.model_copy(update={"protocol": spec.protocol.model_copy(update={"device": "cpu"})})
    _require_plugins(card)
    if "description" in card.suite:  # an own data set: what was imported need not be here
        choice = rebuild_own_suite(parse_call(spec.suite), card.suite["description"])
        suite: Suite = choice.build(data_dir)
    else:
        choice, suite = parse_suite(spec.suite, data_dir)
    method = Method.parse(spec.method)
    _refuse_other_versions(spec, [choice, *method.parts])
    suite = suite_under_protocol(suite, spec.protocol)
    distinct = sorted(set(card.epochs.values()))
    predictors: dict[tuple[int, ...], list[Predictor]] = {}
    for epochs in distinct:
        predictors[epochs] = [
            _load_member(spec, suite, method, number, card.states[f"{number}.{epoch}"], _pick(weights, number, epoch))
            for number, epoch in enumerate(epochs)
        ]
    return RebuiltModel(card.model_copy(update={"spec": spec}), suite, predictors)


def explain_other_versions(card: ModelCard) -> str:
    """One sentence on packages that differ from those of the training; empty where none does that changes numbers."""
    here = versions()
    other = [
        f"{name} {card.environment[name]} (here {here[name]})"
        for name in ("torch", "numpy", "system")
        if card.environment.get(name, here[name]) != here[name]
    ]
    return f"Trained under {', '.join(other)}: the last digits of predictions may differ." if other else ""


def _pick(weights: Mapping[str, Tensor], member: int, epoch: int) -> dict[str, Tensor]:
    """name -> tensor of one member at one epoch."""
    prefix = f"{member}.{epoch}."
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


def _load_member(
    spec: RunSpec, suite: Suite, method: Method, number: int, kept: KeptState, weights: dict[str, Tensor]
) -> Predictor:
    """One model of an ensemble, built as in training, with its weights and its training state."""
    state = TrainState(kept.step, kept.updates, kept.phase, None, kept.steps_per_epoch)
    if method.is_full_batch(spec.protocol):
        model: MultiTaskModel = prepare_full_batch_run(spec, suite, method).model
        _load(model, weights, kept)
        return model, state
    run = Run(spec, suite, method, number)
    _load(run.model, weights, kept)
    # A phase may change what the model is as it begins, and read its weights for that; so they are loaded again.
    run.module.fast_forward(kept.step)
    _load(run.model, weights, kept)
    return run.model, state


def _load(model: MultiTaskModel, weights: Mapping[str, Tensor], kept: KeptState) -> None:
    """Put weights and extra state into sharing and heads. Raises ValueError where they do not fit."""
    for part in ("sharing", "heads"):
        own = {
            name.removeprefix(f"{part}."): value
            for name, value in {**weights, **kept.extra}.items()
            if name.startswith(f"{part}.")
        }
        try:
            getattr(model, part).load_state_dict(own)
        except RuntimeError as error:
            raise ValueError(
                f"The weights of the model should fit its {part}. Found {' '.join(str(error).split())[:300]}; the code "
                "is not what it was trained with."
            ) from error


def _require_plugins(card: ModelCard) -> None:
    """Raise UsageError where a part came from a file or a package that is not loaded here."""
    for part in card.spec.code:
        kind, _, name = part.partition("/")
        if name not in list_entries(kind):
            raise UsageError(
                f"The {kind} `{name}` of run `{card.run_id}` came from a file of its own; give that file with "
                "`--plugin`."
            )


def _refuse_other_versions(spec: RunSpec, parts: Sequence[Choice]) -> None:
    """Raise UsageError where a part is of another version here, or of another source."""
    for entry in (choice.entry for choice in parts):
        trained = spec.versions.get(entry.part)
        if trained is not None and entry.version != trained:
            raise UsageError(
                f"`{entry.name}` should be of version {trained}, as the model was trained with. Found {entry.version}; "
                "train it again, or use the mtlbench of then."
            )
        if spec.code.get(entry.part) != entry.code:
            raise UsageError(
                f"`{entry.name}` should have the source that the model was trained with. Found another; give the file "
                "of then with `--plugin`, or train it again."
            )
