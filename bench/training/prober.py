"""Probes of a network as it trains, and at its end, for runs that ask for them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.core.data import Dataset, group_by_input
from bench.core.suite import Suite
from bench.loop.effective_sharing import effective_sharing
from bench.records import Packed, ProbeResults, RunSpec
from bench.training.evaluate import evaluation_mode
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel
from bench.training.module import MultiTaskModule
from bench.training.probes import probe

POINTS = 50  # at which a run is probed as it trains, at most
ROWS = 512  # of each input
RIDGE = 1e-6  # of a linear fit


class Prober:
    """Looks at a module after some of its epochs, and after the last one.

    It changes nothing that training depends on: no random number is drawn from the run's generators, and buffers are
    left alone by networks in evaluation mode.

    Args:
        module: in training.
        suite: tells of true features and of blocks of inputs.
        spec: of the run.
        start: name -> the T copies of each coupled parameter before the first update.
        rows: on which features are read: of validation, or of training where there is none.
    """

    def __init__(
        self, module: MultiTaskModule, suite: Suite, spec: RunSpec, start: Mapping[str, Tensor], rows: Dataset
    ) -> None:
        self._module, self._suite, self._spec, self._start = module, suite, spec, start
        self._rows = rows
        self._every = -(-spec.protocol.epochs // POINTS)
        self._epochs: list[int] = []
        self._sharing: list[dict[str, float]] = []
        self._decodable: list[dict[str, dict[str, float]]] = []
        counted = range(len(rows.groups))
        inputs, _ = rows.take([torch.arange(min(ROWS, len(rows.groups[at][0]))) for at in counted])
        # The same rows for all tasks, of each distinct input in turn, with what is truly behind them.
        self._shown = [(x, suite.known_features(spec.seed, x)) for x, _ in group_by_input(inputs)]

    def observe(self, epoch: int) -> None:
        """Probe what changes over time, unless enough epochs have been."""
        if epoch % self._every and epoch != self._spec.protocol.epochs:
            return
        self._epochs.append(epoch)
        self._sharing.append(effective_sharing(self._start, self._module.model.copies()))
        self._decodable.append(self._decode_features())

    def conclude(self) -> ProbeResults:
        """Probe the network as it is now, and give all that was found."""
        model, state = self._module.model, self._module.state
        found = probe(model, state, self._rows, ROWS)
        blocks = measure_blocks(model, self._rows, self._suite.input_blocks(self._spec.seed), state)
        model.train()
        features = dict.fromkeys(name for each in self._decodable for name in each)
        return ProbeResults(
            epochs=self._epochs,
            sharing={
                name: [each.get(name, 0.0) for each in self._sharing]
                for name in dict.fromkeys(name for each in self._sharing for name in each)
            },
            decodable={
                name: {task: [each[name][task] for each in self._decodable] for task in model.names}
                for name in features
            },
            likeness=_pack(found.similarity),
            uses=_pack(found.sensitivity),
            owners={each.name: round(each.owners, 4) for each in found.ownership},
            blocks=blocks,
        )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": list(self._epochs), "sharing": list(self._sharing), "decodable": list(self._decodable)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict`."""
        self._epochs, self._sharing, self._decodable = (
            list(state[name]) for name in ("epochs", "sharing", "decodable")
        )

    def _decode_features(self) -> dict[str, dict[str, float]]:
        """True feature -> task -> R^2, the mean over inputs."""
        if not any(known for _, known in self._shown):
            return {}
        model = self._module.model
        scores: dict[str, dict[str, list[float]]] = {}
        with evaluation_mode([(model, self._module.state)]), torch.no_grad():
            for x, known in self._shown:
                features = model.sharing(dict.fromkeys(model.names, x), self._module.state)
                for task, own in features.items():
                    for name, truth in known.items():
                        scores.setdefault(name, {}).setdefault(task, []).append(
                            score_linear_fit(own.flatten(1).cpu().double().numpy(), truth.cpu().double().numpy())
                        )
        return {
            name: {task: round(float(np.mean(each)), 4) for task, each in of_task.items()}
            for name, of_task in scores.items()
        }


def score_linear_fit(features: np.ndarray, truth: np.ndarray) -> float:
    """R^2 of a linear fit where each row is left out in turn; not below -1.

    Ridge regression on the columns and an intercept, of strength RIDGE times the square of the largest singular value.
    A row that is left out is missed by e_i / (1 - h_i), e the residuals of all rows and h the diagonal of the hat
    matrix (Allen 1974, The Relationship between Variable Selection and Data Augmentation).

    features: (n, d).
    truth: (n,).
    """
    left, values, _ = np.linalg.svd(np.column_stack([features, np.ones(len(features))]), full_matrices=False)
    kept = values**2 / (values**2 + RIDGE * values[0] ** 2)
    missed = (truth - left @ (kept * (left.T @ truth))) / (1 - (left**2) @ kept).clip(min=RIDGE)
    around = ((truth - truth.mean()) ** 2).sum()
    return max(-1.0, float(1 - (missed**2).sum() / max(around, np.finfo(float).tiny)))


def measure_blocks(
    model: MultiTaskModel, rows: Dataset, blocks: Mapping[str, Sequence[int]], state: Any
) -> dict[str, dict[str, float]]:
    """Block -> task -> how much the loss of the task rises where the block is dealt out anew among the rows.

    All columns of a block stay together, so that it says nothing of the row that it is in, and is as likely as before
    (permutation importance: Breiman 2001, Random Forests, section 10).

    Args:
        model: trained.
        rows: with labels; ROWS of each input are read.
        blocks: name -> columns of inputs of one axis.
        state: of the model's weights.
    """
    if not blocks:
        return {}
    at = [torch.arange(min(ROWS, len(x))) for x, _ in rows.groups]
    inputs, targets = rows.take(at)
    generator = torch.Generator().manual_seed(0)
    orders = {len(x): torch.randperm(len(x), generator=generator) for x in inputs.values()}

    def read_losses(columns: list[int]) -> list[float]:
        changed: dict[str, Tensor] = {}
        for x, tasks in group_by_input(inputs):
            own = x.clone()
            own[:, columns] = x[orders[len(x)]][:, columns]
            changed |= dict.fromkeys(tasks, own)  # the very same rows, so that a trunk sees them once
        return [float(loss) for loss in compute_losses(model, (changed, targets), state)]

    model.partly_labelled = rows.partly_labelled
    with evaluation_mode([(model, state)]), torch.no_grad():
        plain = read_losses([])
        return {
            name: {
                task: round(after - before, 6)
                for task, after, before in zip(model.names, read_losses(list(columns)), plain, strict=True)
            }
            for name, columns in blocks.items()
        }


def _pack(matrices: Mapping[str, Tensor]) -> dict[str, Packed]:
    """Matrices for a record; 0 where a correlation is not defined."""
    return {depth: Packed.pack(np.nan_to_num(matrix.cpu().numpy())) for depth, matrix in matrices.items()}
