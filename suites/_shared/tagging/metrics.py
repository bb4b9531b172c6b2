"""Metrics of tagged words: accuracy over words, and F1 over spans, which are right where their words and type are."""

from typing import Any

import torch
from torch import Tensor

from bench.api import TaskMetric
from suites._shared.tagging.tags import count_spans


class TagCounts(TaskMetric):
    """How often each of K labels is true, is predicted, and both at once, as kinds `tokens` and `spans` read it.

    Predictions are logits (n, tags, L), targets numbers of tags (n, L), below 0 where there is no word.
    """

    def __init__(self, labels: int) -> None:
        self.counts = torch.zeros(3, labels, dtype=torch.int64)
        self.seen = False

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.seen = True
        self.counts += self.count(target.cpu(), prediction.argmax(dim=1).cpu())

    def count(self, truth: Tensor, predicted: Tensor) -> Tensor:
        """(3, K) of numbers of tags (n, L) each, below 0 in the truth where there is no word."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        if not self.seen:
            raise ValueError("A metric should see at least one batch before its state is read.")
        return dict(zip(("truth", "predicted", "correct"), self.counts.tolist(), strict=True))


class TokenCounts(TagCounts):
    """Counts of words, for accuracy; every tag is a label."""

    kind = "tokens"

    def count(self, truth: Tensor, predicted: Tensor) -> Tensor:
        there, size = truth >= 0, self.counts.shape[1]
        true, found = truth[there], predicted[there]
        return torch.stack([torch.bincount(tags, minlength=size) for tags in (true, found, true[true == found])])


class SpanCounts(TagCounts):
    """Counts of spans, for F1 by the rule of conlleval (`mark_spans`); every type is a label.

    types: K, of spans.
    unscored: numbers of types that are not counted.
    """

    kind = "spans"

    def __init__(self, types: int, unscored: tuple[int, ...] = ()) -> None:
        super().__init__(types)
        self.scored = torch.tensor([number not in unscored for number in range(types)])

    def count(self, truth: Tensor, predicted: Tensor) -> Tensor:
        counts = torch.from_numpy(count_spans(truth.numpy(), predicted.numpy(), len(self.scored)))
        return counts * self.scored


class PairCounts(TagCounts):
    """Pairs of a true and a false word of one sentence, and which of the two scores higher, as kind `tokens` reads it.

    Label 1 is the true word, which is right in every pair; predicted is the one with the higher score, and the false
    one where they are equal. Predictions are scores (n, 1, L), targets (n, 1, L): 1 a true word, 0 a false one, below 0
    neither.
    """

    kind = "tokens"

    def __init__(self) -> None:
        super().__init__(2)

    def update(self, prediction: Tensor, target: Tensor) -> None:
        self.seen = True
        f, y = prediction[:, 0].cpu(), target[:, 0].cpu()
        pairs = (y == 1)[:, :, None] & (y == 0)[:, None, :]
        total, right = int(pairs.sum()), int((pairs & (f[:, :, None] > f[:, None, :])).sum())
        self.counts += torch.tensor([[0, total], [total - right, right], [0, right]])
