"""Probes of a trained model: how alike the features of tasks are, which features they use, and who owns which weights.

Cheap, and the same for every method: they ask for features, gradients and losses, never for what a method is made of.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench.core.data import Dataset, group_by_input
from bench.core.state import TrainState
from bench.training.gradients import compute_losses
from bench.training.model import MultiTaskModel

DRAWS = 8  # of random signs, from which the squares of a Jacobian are estimated
BATCH = 32  # rows of a gradient whose square is taken


@dataclass(frozen=True)
class Ownership:
    """Who owns the parameters of one tensor.

    Attributes:
        name: of the parameter.
        size: how many numbers it has.
        shares: task -> share of the information that the task has in all parameters together, F_t of this tensor over
            the sum of F_t: of a task the shares of all tensors sum to 1.
        owners: (sum_t s_t)^2 / sum_t s_t^2 of the shares s: 1 where one task alone has a say, T where all have the
            same; 0 where none has.
    """

    name: str
    size: int
    shares: Mapping[str, float]
    owners: float


@dataclass(frozen=True)
class Probes:
    """What was found on some rows.

    Attributes:
        similarity: depth -> linear CKA (T, T) of the features that tasks use there.
        sensitivity: depth -> Spearman's correlation (T, T) between tasks of how much their predictions change with each
            feature there.
        ownership: of every parameter that learns.
    """

    similarity: Mapping[str, Tensor]
    sensitivity: Mapping[str, Tensor]
    ownership: tuple[Ownership, ...]


def probe(model: MultiTaskModel, state: TrainState, rows: Dataset, most: int = 512) -> Probes:
    """Probe a model in evaluation mode on up to `most` rows of each distinct input.

    The features of a task at a depth are the outputs of all copies of that stage of the backbone on which its
    prediction depends. All tasks are given the same rows, of each distinct input in turn; matrices are means over them.

    Args:
        model: trained.
        state: of its weights; nothing is drawn from its generator.
        rows: of a split, with labels.
        most: rows of an input.
    """
    model.eval()
    draw = torch.Generator().manual_seed(0)
    similarity: dict[str, list[Tensor]] = {}
    sensitivity: dict[str, list[Tensor]] = {}
    inputs, _ = rows.take([torch.arange(min(most, len(tensor))) for tensor, _ in rows.groups])
    for tensor, _ in group_by_input(inputs):
        at_depth = _read_features(model, state, tensor, draw)
        for depth, (features, uses) in at_depth.items():
            similarity.setdefault(depth, []).append(align_features(features))
            sensitivity.setdefault(depth, []).append(_correlate_ranks(torch.stack(list(uses.values()))))
    return Probes(
        {depth: torch.stack(each).mean(dim=0) for depth, each in similarity.items()},
        {depth: torch.stack(each).mean(dim=0) for depth, each in sensitivity.items()},
        measure_ownership(model, state, rows, most),
    )


def _read_features(
    model: MultiTaskModel, state: TrainState, x: Tensor, draw: torch.Generator
) -> dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Depth -> task -> its features (n, d), and task -> how much its prediction changes with each feature there (d,).

    The change by a feature j is the root mean square over rows and places of |d y / d h_j|, y all outputs. Its
    square is the mean over signs e of (sum_k e_k d y_k / d h_j)^2 (Hutchinson).
    """
    outputs: dict[str, list[Tensor]] = {}

    def keep(stage: nn.Module, _: object, output: Tensor) -> Tensor:
        """Note the output of a stage; one without a gradient, as of a frozen stage, gets one."""
        output = output if output.requires_grad else output.detach().requires_grad_()
        outputs.setdefault(f"stage {stage.stage_number}", []).append(output)
        return output

    with ExitStack() as hooks:
        for stage in model.sharing.modules():
            if isinstance(getattr(stage, "stage_number", None), int):
                hooks.callback(stage.register_forward_hook(keep).remove)
        predictions = model(dict.fromkeys(model.names, x), state)
    changes: dict[str, dict[str, list[Tensor]]] = {depth: {} for depth in outputs}
    whole = [(depth, each) for depth, own in outputs.items() for each in own]
    for task, prediction in predictions.items():
        squares = [torch.zeros(each.shape[1], dtype=torch.float64, device=x.device) for _, each in whole]
        for _ in range(DRAWS):
            signs = torch.randint(0, 2, prediction.shape, generator=draw).to(prediction) * 2 - 1
            found = torch.autograd.grad(
                (prediction * signs).sum(), [each for _, each in whole], retain_graph=True, allow_unused=True
            )
            for total, gradient in zip(squares, found, strict=True):
                if gradient is not None:
                    total += gradient.double().square().transpose(0, 1).flatten(1).mean(dim=1) / DRAWS
        for (depth, _), total in zip(whole, squares, strict=True):
            changes[depth].setdefault(task, []).append(total.sqrt())
    read = {}
    for depth, own in outputs.items():
        features = {
            task: torch.cat([f.detach().flatten(1) for f, use in zip(own, uses, strict=True) if bool(use.any())], dim=1)
            for task, uses in changes[depth].items()
            if any(bool(use.any()) for use in uses)
        }
        if len(features) == len(model.names):  # a depth that a task goes past has no matrix
            read[depth] = features, {task: torch.cat(uses) for task, uses in changes[depth].items()}
    return dict(sorted(read.items(), key=lambda item: int(item[0].split()[1])))


def align_features(features: Mapping[str, Tensor]) -> Tensor:
    """Linear CKA (T, T) of features (n, d_t) of the same n rows, in float64.

        CKA(X, Y) = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F),   columns centred

    1 where the features differ by a rotation and a scale, 0 where no feature of one is correlated with one of the
    other (Kornblith et al. 2019, Similarity of Neural Network Representations Revisited, eq. 3 with a linear kernel).
    """
    centred = [x.double() - x.double().mean(dim=0) for x in features.values()]
    # By the Gram matrices of rows: features of images have more columns than there are rows.
    grams = torch.stack([(x @ x.T).flatten() for x in centred])
    norms = grams.norm(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
    aligned: Tensor = (grams @ grams.T) / (norms[:, None] * norms)
    return aligned


def measure_ownership(
    model: MultiTaskModel, state: TrainState, rows: Dataset, most: int = 512
) -> tuple[Ownership, ...]:
    """Who owns each parameter that learns, by F_t, the mean over batches of 32 rows of |d L_t / d theta|^2.

    rows: with labels; `most` of each input are read.
    """
    model.partly_labelled = rows.partly_labelled
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    fisher = torch.zeros(len(model.tasks), len(named), dtype=torch.float64)
    count = min(most, min(len(tensor) for tensor, _ in rows.groups))
    for start in range(0, max(count - BATCH, 0) + 1, BATCH):
        at = torch.arange(start, min(start + BATCH, count))
        losses = compute_losses(model, rows.take([at] * len(rows.groups)), state)
        for t, loss in enumerate(losses):
            if not loss.requires_grad:  # no label of the task in the batch
                continue
            found = torch.autograd.grad(loss, [p for _, p in named], retain_graph=True, allow_unused=True)
            fisher[t] += torch.stack(
                [torch.zeros((), dtype=torch.float64) if g is None else g.double().square().sum().cpu() for g in found]
            )
    shares = fisher / fisher.sum(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    owners = shares.sum(dim=0).square() / shares.square().sum(dim=0).clamp(min=torch.finfo(torch.float64).tiny)
    return tuple(
        Ownership(name, p.numel(), dict(zip(model.names, own.tolist(), strict=True)), float(owner))
        for (name, p), own, owner in zip(named, shares.T, owners, strict=True)
    )


def _correlate_ranks(rows: Tensor) -> Tensor:
    """Spearman's correlation (T, T) of rows (T, d); equal values share their mean rank; NaN for a row of one value."""
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        return torch.from_numpy(np.atleast_2d(np.corrcoef(rankdata(rows.cpu().numpy(), axis=1))))
