"""The network of a run: the parts of a method on a suite, from one seed, and the suite's tasks beside them."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from bench.catalogue.method import Method
from bench.core.fresh import prepare_module
from bench.core.self_fitting import SelfFitting
from bench.core.sharing import Sharing, learning_copies, own_stream
from bench.core.state import TrainState
from bench.core.suite import Suite
from bench.loop.network import SharedNetwork
from bench.loop.ranks import Ranks
from bench.records import Protocol
from bench.training.noise import flip_gradients


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Give every parameter of four axes (weights of 2D convolutions) this memory format, in place."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.to(memory_format=memory_format)


class MultiTaskModel(SharedNetwork):
    """A method on the tasks of a suite.

    Every part draws its weights from a stream of its own, derived from `seed`: a method cannot shift the heads of
    another.

    Attributes:
        partly_labelled: tasks with a missing label among the training rows, which are known once these are read; the
            losses of all others are called as on complete data.
    """

    def __init__(self, suite: Suite, method: Method, protocol: Protocol, seed: int) -> None:
        sharing = method.build_sharing(suite, seed)
        super().__init__(
            sharing,
            _make_heads(suite, sharing, seed),
            method.weighting.build([task.name for task in suite.tasks]),
            method.constraint,
            held=suite.held(list(learning_copies(sharing))) if method.constraint else (),
            lr=protocol.lr,
            centred=protocol.coordinates == "mean",
        )
        self.tasks = list(suite.tasks)
        self.partly_labelled: frozenset[str] = frozenset()
        self.low = protocol.precision == "bf16"
        self.noised = frozenset(protocol.noised)

    @property
    def reported(self) -> list[str]:
        """The names under which scores are reported: tasks, or the pools that tasks are scored in."""
        return list(dict.fromkeys(task.reported for task in self.tasks))

    def join(self, ranks: Ranks) -> None:
        """Train as one of several processes.

        In training mode `forward` then runs the rows of this process, and returns the predictions of the whole batch.
        """
        self.ranks = ranks
        ranks.join_statistics(self)

    def sync_buffers(self) -> None:
        """Average the buffers (running means) over all processes, before an evaluation or a snapshot."""
        if self.ranks:
            kept = [b for part in (self.sharing, self.heads) for b in part.buffers() if b.is_floating_point()]
            self.ranks.sync_buffers(list(self.parameters()), kept)

    def compute_features(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """As of any network; what the protocol's `noised` tasks send back through them is noise."""
        features = super().compute_features(inputs, state)
        if not (self.noised and self.training):
            return features
        return {
            t: flip_gradients(x, state.generator, self.ranks) if t in self.noised else x for t, x in features.items()
        }

    def forward(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """task -> prediction (n, ...), of the tasks in `inputs`, task -> rows (n, ...)."""
        ranks = self.ranks if self.training else None  # evaluation runs on rank 0 alone
        predictions = self._predict(ranks.take_own_rows(inputs) if ranks else inputs, state)
        return ranks.gather(predictions) if ranks else predictions

    def _predict(self, inputs: Mapping[str, Tensor], state: TrainState) -> dict[str, Tensor]:
        """As `predict`, in the precision of the protocol."""
        if not self.low:
            return self.predict(inputs, state)
        with torch.autocast(next(self.parameters()).device.type, torch.bfloat16):
            return self.predict(inputs, state)


def _make_heads(suite: Suite, sharing: Sharing, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """(task, fresh head) for the features of a sharing, in the order of the tasks; none for what gives predictions."""
    if isinstance(sharing, SelfFitting):
        yield from ((task.name, nn.Identity()) for task in suite.tasks)
        return
    shape = sharing.output_shape
    for task in suite.tasks:
        with own_stream(seed, "head", task.name):
            head = prepare_module(task.head(shape), shape, f"The head of `{task.name}`")
        yield task.name, head
