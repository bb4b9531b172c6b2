"""What a guess that never looks at the image scores on a dense suite: the floor that learning starts from.

    python -m benchmarks.prior scenes --data-dir DATA

For every pixel, from the training images: the commonest class, the median depth, the mean normal (normalised). A
network should be compared with this before anybody is glad of its score.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.planning.plan import parse_suite
from bench.scores import score
from suites._shared.dense.suite import DenseSuite
from suites._shared.dense.tasks import kinds


def compute_prior(suite: DenseSuite) -> dict[str, Tensor]:
    """task -> what a model would have to answer, (1, channels, h, w), to predict the prior everywhere.

    Class counts stand for logits, since their maximum is all that is scored.
    """
    targets = suite.dataset("train", 0).targets
    labels, depth = targets["segmentation"], targets["depth"][:, 0].numpy()
    # 13 classes; pixels without a label have a number of their own and count for none.
    counts = torch.stack([(labels == c).sum(dim=0) for c in range(13)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about pixels that never have a depth; they get 1 below
        median = np.nanmedian(np.where(depth > 0, depth, np.nan), axis=0)
    prior = {"segmentation": counts.double(), "depth": torch.from_numpy(np.nan_to_num(median, nan=1.0))[None]}
    for task in targets.keys() - prior.keys():
        prior[task] = targets[task].double().sum(dim=0)
    return {task: guess[None] for task, guess in prior.items()}


def score_prior(suite: DenseSuite) -> dict[str, dict[str, float]]:
    """task -> metric -> value on the test images, by the metrics of the suite."""
    prior, metrics = compute_prior(suite), {task.name: task.metric() for task in suite.tasks}
    for inputs, targets in suite.dataset("test", 0).slices(100):
        for task, metric in metrics.items():
            metric.update(prior[task].expand(len(inputs[task]), -1, -1, -1), targets[task])
    return {task: score(kinds(suite.tasks)[task], metric.state()) for task, metric in metrics.items()}


def main() -> None:
    """Print a line per task. Ends with an error for a suite that is not dense."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", help="`scenes` or `nyuv2`, with options")
    parser.add_argument("--data-dir", type=Path, required=True)
    given = parser.parse_args()
    _, suite = parse_suite(given.suite, given.data_dir)
    if not isinstance(suite, DenseSuite):
        parser.error(f"`{given.suite}` should be a dense suite")
    for task, values in score_prior(suite).items():
        print(f"{task}: " + ", ".join(f"{metric} {value:.4g}" for metric, value in values.items()))


if __name__ == "__main__":
    main()
