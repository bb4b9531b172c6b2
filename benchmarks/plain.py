"""Four methods on MultiMNIST in a plain script, written the way the field's code is.

    python -m benchmarks.plain --data-dir DATA --epochs 2 --seeds 4

One process, two threads, a DataLoader with two workers that transforms image by image, metrics of every batch. The
networks, the optimiser, the number of updates, the validation after each epoch and the test at the end are those of
`mtlbench run multimnist single_task hard cross_stitch soft+l2`; nothing of this project is imported.

It is the yardstick of `benchmarks.throughput`: slow habits in it are on purpose, and should not be mended.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

BATCH = 256  # rows, as in the suite's protocol
LEFT, RIGHT = slice(0, 28), slice(6, 34)  # of the two digits on the canvas, in rows and in columns
STRENGTH = 0.01  # of the penalty that holds the two towers of `soft` together
METHODS = ("single_task", "hard", "cross_stitch", "soft")
Row = tuple[Tensor, int, int]  # an image with its two digits; a batch of them has tensors of digits


class MultiMNIST(Dataset[Row]):
    """Two digits at opposite corners of 36 x 36, the larger pixel of the two, 28 x 28 in the end.

    Args:
        root: Folder of torchvision's MNIST.
        train: Its training images or its test images.
        rows: Which of them give the left digit.
        seed: Draws the partner of each, the right digit.
    """

    def __init__(self, root: Path, train: bool, rows: slice, seed: int) -> None:
        base = datasets.MNIST(str(root), train=train)
        images, labels = base.data.numpy()[rows], base.targets.numpy()[rows]
        # Drawn once, so that every epoch sees the same pairs, as in the suite.
        partner = np.random.default_rng(seed).integers(0, len(images), len(images))
        self.pairs = np.stack([np.arange(len(images)), partner], axis=1)
        canvas = np.zeros((len(images), 36, 36), np.uint8)
        canvas[:, LEFT, LEFT] = images
        canvas[:, RIGHT, RIGHT] = np.maximum(canvas[:, RIGHT, RIGHT], images[partner])
        # Nearest-neighbour resize from 36 to 28 pixels.
        index = np.arange(28) * 36 // 28
        self.images, self.labels = canvas[:, index][:, :, index], np.stack([labels, labels[partner]], axis=1)
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Row:
        """One image (1, 28, 28), normalised, and its two digits."""
        image = Image.fromarray(self.images[index], mode="L")
        return self.transform(image), int(self.labels[index, 0]), int(self.labels[index, 1])


def build_stages() -> nn.ModuleList:
    """The three stages of LeNet, to 50 features."""
    return nn.ModuleList(
        [
            nn.Sequential(nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU()),
            nn.Sequential(nn.Conv2d(10, 20, 5), nn.MaxPool2d(2), nn.ReLU()),
            nn.Sequential(nn.Flatten(), nn.Linear(320, 50), nn.ReLU()),
        ]
    )


def build_head() -> nn.Module:
    """Two layers, 50 features to ten classes."""
    return nn.Sequential(nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 10))


class Network(nn.Module):
    """A network with one output per task.

    `method` `hard` has one trunk, `single_task` and `soft` have towers, and `cross_stitch` has towers that read each
    other after every stage: x_t <- sum_s alpha[t, s] x_s, with alpha at 0.9 on the diagonal and 0.1 off it.
    """

    def __init__(self, method: str, tasks: int) -> None:
        super().__init__()
        self.method = method
        self.towers = nn.ModuleList(build_stages() for _ in range(1 if method == "hard" else tasks))
        self.heads = nn.ModuleList(build_head() for _ in range(tasks))
        self.units = nn.ParameterList([0.9 * torch.eye(2) + 0.1 * (1 - torch.eye(2)) for _ in range(3)])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Logits (n, 10) per task, of images x (n, 1, 28, 28)."""
        streams = [x] * len(self.towers)
        for number in range(3):
            streams = [tower[number](s) for tower, s in zip(self.towers, streams, strict=True)]  # type: ignore[index]
            if self.method == "cross_stitch":
                alpha = self.units[number]
                streams = [alpha[t, 0] * streams[0] + alpha[t, 1] * streams[1] for t in range(2)]
        features = streams * len(self.heads) if self.method == "hard" else streams
        return [head(feature) for head, feature in zip(self.heads, features, strict=True)]

    def penalty(self) -> Tensor | float:
        """What `soft` adds to the losses: STRENGTH times the squared distance of its towers from their mean.

        For two towers a and b that is STRENGTH * |a - b|^2 / 2; 0 for other methods.
        """
        if self.method != "soft":
            return 0.0
        pairs = zip(self.towers[0].parameters(), self.towers[1].parameters(), strict=True)
        return STRENGTH * sum(((a - b) ** 2).sum() / 2 for a, b in pairs)


def run_epoch(
    network: Network, tasks: list[int], loader: Iterator[Any], optimiser: torch.optim.Optimizer | None
) -> list[float]:
    """One pass over `loader`, training where there is an optimiser.

    Returns the mean over batches of each task's accuracy; `tasks` are the positions of their labels in a batch.
    """
    criterion = nn.CrossEntropyLoss()
    total_loss, total_accuracy, count = 0.0, [0.0] * len(tasks), 0
    for images, *labels in loader:
        outputs = network(images)
        losses = [criterion(out, labels[task]) for out, task in zip(outputs, tasks, strict=True)]
        if optimiser is not None:
            loss = sum(losses) + network.penalty()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        # One of the slow habits: `item` waits for every loss of every batch.
        total_loss += sum(loss.item() for loss in losses)
        for number, (out, task) in enumerate(zip(outputs, tasks, strict=True)):
            total_accuracy[number] += (out.argmax(1) == labels[task]).float().mean().item()
        count += 1
    return [accuracy / count for accuracy in total_accuracy]


def fit(method: str, tasks: list[int], loaders: dict[str, DataLoader[Row]], epochs: int) -> list[float]:
    """Train, keep the best epoch on validation (by the sum of accuracies), and test it.

    Args:
        method: One of METHODS.
        tasks: Positions of the tasks' labels in a batch; `single_task` is fitted with one at a time.
        loaders: split -> loader.
        epochs: How many, with a cosine schedule of the learning rate over them.

    Returns:
        Each task's accuracy on test, in [0, 1].
    """
    network = Network(method, len(tasks))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, kept = -1.0, network.state_dict()
    for _ in range(epochs):
        network.train()
        run_epoch(network, tasks, iter(loaders["train"]), optimiser)
        scheduler.step()
        network.eval()
        with torch.no_grad():
            accuracy = sum(run_epoch(network, tasks, iter(loaders["val"]), None))
        if accuracy > best:
            best, kept = accuracy, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    with torch.no_grad():
        return run_epoch(network, tasks, iter(loaders["test"]), None)


def main(arguments: list[str] | None = None, tell: Callable[[str], None] = print) -> None:
    """Train every method with every seed and tell the accuracies and the seconds of each, with `tell`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rows", type=int, default=50_000, help="training images (default: all 50,000)")
    given = parser.parse_args(arguments)
    torch.set_num_threads(2)
    splits = {
        "train": MultiMNIST(given.data_dir, True, slice(0, given.rows), 0),
        "val": MultiMNIST(given.data_dir, True, slice(50_000, 60_000), 1),
        "test": MultiMNIST(given.data_dir, False, slice(0, 10_000), 2),
    }
    for method in METHODS:
        for seed in range(given.seeds):
            began = time.perf_counter()
            torch.manual_seed(seed)
            loaders = {
                name: DataLoader(split, BATCH, shuffle=name == "train", num_workers=2, drop_last=name == "train")
                for name, split in splits.items()
            }
            if method == "single_task":  # a network for each task, one after the other
                accuracy = [fit(method, [task], loaders, given.epochs)[0] for task in (0, 1)]
            else:
                accuracy = fit(method, [0, 1], loaders, given.epochs)
            words = ", ".join(f"{100 * value:.2f} %" for value in accuracy)
            tell(f"{method} seed {seed}: {words} ({time.perf_counter() - began:.1f} s)")


if __name__ == "__main__":
    main()
