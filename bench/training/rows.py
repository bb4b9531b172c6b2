"""The rows of a split, where and as the models of a run need them."""

from typing import Any

import torch

from bench.core.data import Dataset
from bench.core.suite import Suite
from bench.records import Protocol, RunSpec
from bench.training.environment import settle_precision


def memory_format_of(protocol: Protocol) -> torch.memory_format:
    """How tensors of four axes lie in memory."""
    return torch.channels_last if protocol.memory_format == "channels_last" else torch.contiguous_format


def place_rows(rows: Dataset, protocol: Protocol) -> Dataset:
    """Rows on the device, in the type and the memory format of a protocol."""
    device = torch.device(protocol.device)
    return rows.to(device, settle_precision(protocol.precision, device), memory_format_of(protocol))


def read_split(suite: Suite, spec: RunSpec, split: Any) -> Dataset:
    """A split of a suite as a run reads it: of `shuffled` tasks the training targets are dealt out anew."""
    rows = suite.dataset(split, spec.seed)
    if split == "train" and spec.protocol.shuffled:
        rows = rows.shuffle_targets(spec.protocol.shuffled, spec.seed)
    return place_rows(rows, spec.protocol)
