"""Tasks that tag words, and the one that tells words from words that were put in their place."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu

from bench.api import MaskedLoss, Shape, Task
from suites._shared.tagging.metrics import PairCounts, SpanCounts, TokenCounts
from suites._shared.tagging.networks import EachWord
from suites._shared.tagging.tags import TagSet


def _make_head(outputs: int, shape: Shape) -> nn.Module:
    """A linear layer on every word, (n, C, L) to (n, outputs, L)."""
    return EachWord(shape[0], outputs)


def tag_loss(logits: Tensor, target: Tensor) -> Tensor:
    """mean over words of -log softmax(z)[y]: the same in rows of any length, since places without a word do not count.

    logits: z, (n, tags, L).
    target: y, numbers of tags (n, L), -1 where there is no word or no label.

    Returns 0, with a gradient of 0, where there is no word.
    """
    return cross_entropy(logits, target, ignore_index=-1, reduction="sum") / (target >= 0).sum().clamp(min=1)


_TAG_LOSS = MaskedLoss(tag_loss, tag_loss)  # one form: rows of every task have places without a word


def make_tag_task(name: str, tag_set: TagSet) -> Task:
    """Cross entropy over words; F1 over spans where there are spans, else accuracy over words."""
    if not tag_set.spans:
        metric = partial(TokenCounts, len(tag_set.tags))
        return Task(name, partial(_make_head, len(tag_set.tags)), _TAG_LOSS, metric)
    unscored = tuple(number for number, label in enumerate(tag_set.labels) if label in tag_set.unscored)
    spans = partial(SpanCounts, len(tag_set.labels), unscored)
    return Task(name, partial(_make_head, len(tag_set.tags)), _TAG_LOSS, spans)


def ranking_loss(scores: Tensor, target: Tensor) -> Tensor:
    """mean over pairs of max(0, 1 - f(true) + f(false)), over the true and the false words of all rows of a batch.

    The criterion of Collobert and Weston, ICML 2008, which pairs a window with itself around another word; here
    every true word is paired with every false one, so that one pass over sentences has both.

    scores: f, (n, 1, L).
    target: 1 a true word, 0 a false one, below 0 neither, (n, 1, L).

    Returns 0, with a gradient of 0, where there is no pair.
    """
    f, y = scores.flatten(), target.flatten()
    pairs = (y == 1)[:, None] & (y == 0)
    losses = torch.where(pairs, relu(1 - f[:, None] + f), 0)
    return losses.sum() / pairs.sum().clamp(min=1)


def make_language_task(name: str) -> Task:
    """Ranks true words above words that were put in their place."""
    return Task(name, partial(_make_head, 1), MaskedLoss(ranking_loss, ranking_loss), PairCounts)


def list_metric_kinds(tasks: list[Task]) -> dict[str, str]:
    """Task -> the kind of its metric, as a protocol has them."""
    return {task.name: task.metric().kind for task in tasks}
